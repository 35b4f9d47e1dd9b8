package test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// code is the exception that an SDK names, "" for none.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// presetSettings are those of a small MP4.
func presetSettings() *types.PresetSettings {
	return &types.PresetSettings{
		ContainerSettings: &types.ContainerSettings{Container: types.ContainerTypeMp4, Mp4Settings: &types.Mp4Settings{MoovPlacement: types.Mp4MoovPlacementProgressiveDownload}},
		VideoDescription: &types.VideoDescription{
			Width: aws.Int32(160), Height: aws.Int32(90),
			CodecSettings: &types.VideoCodecSettings{Codec: types.VideoCodecH264, H264Settings: &types.H264Settings{RateControlMode: types.H264RateControlModeQvbr, MaxBitrate: aws.Int32(200000)}},
		},
		AudioDescriptions: []types.AudioDescription{{
			CodecSettings: &types.AudioCodecSettings{Codec: types.AudioCodecAac, AacSettings: &types.AacSettings{Bitrate: aws.Int32(96000), CodingMode: types.AacCodingModeCodingMode20, SampleRate: aws.Int32(48000)}},
		}},
	}
}

func templateSettings(preset, destination string) *types.JobTemplateSettings {
	return &types.JobTemplateSettings{
		Inputs: []types.InputTemplate{{AudioSelectors: map[string]types.AudioSelector{"Audio Selector 1": {DefaultSelection: types.AudioDefaultSelectionDefault}}}},
		OutputGroups: []types.OutputGroup{{
			OutputGroupSettings: &types.OutputGroupSettings{Type: types.OutputGroupTypeFileGroupSettings, FileGroupSettings: &types.FileGroupSettings{Destination: &destination}},
			Outputs:             []types.Output{{Preset: &preset, NameModifier: aws.String("_small"), AudioDescriptions: nil}},
		}},
	}
}

// ignoreDocuments leaves aside what the SDK keeps in its structures for itself.
var ignoreDocuments = cmpopts.IgnoreUnexported(types.PresetSettings{}, types.ContainerSettings{}, types.Mp4Settings{}, types.VideoDescription{}, types.VideoCodecSettings{},
	types.H264Settings{}, types.AudioDescription{}, types.AudioCodecSettings{}, types.AacSettings{}, types.JobTemplateSettings{}, types.InputTemplate{},
	types.AudioSelector{}, types.OutputGroup{}, types.OutputGroupSettings{}, types.FileGroupSettings{}, types.Output{})

// TestOperations carries out every operation of the newest model with the Go SDK, error cases included.
func TestOperations(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 4))
	c, ctx := s.mediaconvert(), t.Context()
	want := func(what, exception string, err error) {
		t.Helper()
		if got := code(err); got != exception {
			t.Errorf("%s: got %q, want %q: %v", what, got, exception, err)
		}
	}

	// Queues.
	q, err := c.CreateQueue(ctx, &mediaconvert.CreateQueueInput{Name: aws.String("night"), Description: aws.String("after hours"), Status: types.QueueStatusPaused, Tags: map[string]string{"cost": "low"}})
	want("CreateQueue", "", err)
	_, err = c.CreateQueue(ctx, &mediaconvert.CreateQueueInput{Name: aws.String("night")})
	want("CreateQueue twice", "ConflictException", err)
	_, err = c.CreateQueue(ctx, &mediaconvert.CreateQueueInput{Name: aws.String("bought"), PricingPlan: types.PricingPlanReserved})
	want("CreateQueue without a plan", "BadRequestException", err)
	_, err = c.CreateQueue(ctx, &mediaconvert.CreateQueueInput{Name: aws.String("bought"), PricingPlan: types.PricingPlanReserved, ReservationPlanSettings: &types.ReservationPlanSettings{
		Commitment: types.CommitmentOneYear, RenewalType: types.RenewalTypeExpire, ReservedSlots: aws.Int32(2),
	}})
	want("CreateQueue with slots", "", err)
	_, err = c.UpdateQueue(ctx, &mediaconvert.UpdateQueueInput{Name: aws.String("bought"), ReservationPlanSettings: &types.ReservationPlanSettings{
		Commitment: types.CommitmentOneYear, RenewalType: types.RenewalTypeExpire, ReservedSlots: aws.Int32(1),
	}})
	want("fewer slots", "BadRequestException", err)
	got, err := c.GetQueue(ctx, &mediaconvert.GetQueueInput{Name: aws.String("night")})
	want("GetQueue", "", err)
	if got.Queue.Status != types.QueueStatusPaused || aws.ToString(got.Queue.Arn) != aws.ToString(q.Queue.Arn) || got.Queue.Type != types.TypeCustom {
		t.Errorf("GetQueue: %+v", got.Queue)
	}
	names := []string{}
	for pages := mediaconvert.NewListQueuesPaginator(c, &mediaconvert.ListQueuesInput{ListBy: types.QueueListByName, MaxResults: aws.Int32(2)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range page.Queues {
			names = append(names, *q.Name)
		}
	}
	if diff := cmp.Diff([]string{"Default", "bought", "night"}, names); diff != "" {
		t.Errorf("ListQueues (-want +got): %s", diff)
	}
	_, err = c.DeleteQueue(ctx, &mediaconvert.DeleteQueueInput{Name: aws.String("Default")})
	want("DeleteQueue of Default", "BadRequestException", err)
	_, err = c.DeleteQueue(ctx, &mediaconvert.DeleteQueueInput{Name: aws.String("none")})
	want("DeleteQueue of none", "NotFoundException", err)

	// Presets and templates.
	settings := presetSettings()
	_, err = c.CreatePreset(ctx, &mediaconvert.CreatePresetInput{Name: aws.String("small"), Category: aws.String("web"), Settings: settings, Tags: map[string]string{"a": "b"}})
	want("CreatePreset", "", err)
	p, err := c.GetPreset(ctx, &mediaconvert.GetPresetInput{Name: aws.String("small")})
	want("GetPreset", "", err)
	if diff := cmp.Diff(settings, p.Preset.Settings, ignoreDocuments); diff != "" {
		t.Errorf("the preset came back changed (-want +got): %s", diff)
	}
	_, err = c.UpdatePreset(ctx, &mediaconvert.UpdatePresetInput{Name: aws.String("small"), Description: aws.String("a small one")})
	want("UpdatePreset", "", err)
	_, err = c.UpdatePreset(ctx, &mediaconvert.UpdatePresetInput{Name: aws.String("none")})
	want("UpdatePreset of none", "NotFoundException", err)
	presets, err := c.ListPresets(ctx, &mediaconvert.ListPresetsInput{Category: aws.String("web")})
	want("ListPresets", "", err)
	if len(presets.Presets) != 1 || aws.ToString(presets.Presets[0].Description) != "a small one" {
		t.Errorf("ListPresets: %+v", presets.Presets)
	}
	system := 0
	for pages := mediaconvert.NewListPresetsPaginator(c, &mediaconvert.ListPresetsInput{ListBy: types.PresetListBySystem}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		system += len(page.Presets)
	}
	if system < 50 {
		t.Errorf("%d system presets", system)
	}
	_, err = c.DeletePreset(ctx, &mediaconvert.DeletePresetInput{Name: aws.String("System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_30Hz_5.0Mbps")})
	want("DeletePreset of the system", "BadRequestException", err)
	template := templateSettings("small", "s3://films/templated/")
	_, err = c.CreateJobTemplate(ctx, &mediaconvert.CreateJobTemplateInput{Name: aws.String("nightly"), Settings: template, Queue: aws.String("night"), Priority: aws.Int32(7)})
	want("CreateJobTemplate", "", err)
	tpl, err := c.GetJobTemplate(ctx, &mediaconvert.GetJobTemplateInput{Name: aws.String("nightly")})
	want("GetJobTemplate", "", err)
	if diff := cmp.Diff(template, tpl.JobTemplate.Settings, ignoreDocuments); diff != "" {
		t.Errorf("the template came back changed (-want +got): %s", diff)
	}
	_, err = c.UpdateJobTemplate(ctx, &mediaconvert.UpdateJobTemplateInput{Name: aws.String("nightly"), Category: aws.String("jobs")})
	want("UpdateJobTemplate", "", err)
	templates, err := c.ListJobTemplates(ctx, &mediaconvert.ListJobTemplatesInput{Category: aws.String("jobs")})
	want("ListJobTemplates", "", err)
	if len(templates.JobTemplates) != 1 {
		t.Errorf("ListJobTemplates: %+v", templates.JobTemplates)
	}

	// A job from the template waits in the paused queue and runs when the queue goes on.
	created, err := c.CreateJob(ctx, &mediaconvert.CreateJobInput{
		Role: aws.String(role), JobTemplate: aws.String("nightly"), Tags: map[string]string{"film": "clip"},
		Settings: &types.JobSettings{Inputs: []types.Input{{FileInput: aws.String("s3://films/in/clip.mp4")}}},
	})
	want("CreateJob", "", err)
	if err != nil {
		t.FailNow()
	}
	id := *created.Job.Id
	if v := created.Job.Settings.OutputGroups[0].Outputs[0].VideoDescription; v == nil || aws.ToInt32(v.Width) != 160 || aws.ToInt32(created.Job.Priority) != 7 || aws.ToString(created.Job.Queue) != aws.ToString(q.Queue.Arn) {
		t.Errorf("the job is not merged: %+v", created.Job)
	}
	_, err = c.DeleteQueue(ctx, &mediaconvert.DeleteQueueInput{Name: aws.String("night")})
	want("DeleteQueue with a job", "ConflictException", err)
	other := s.submit(job(short("s3://films/in/clip.mp4", "s3://films/other/")))
	s.finish(other)
	waiting, err := c.GetJob(ctx, &mediaconvert.GetJobInput{Id: &id})
	want("GetJob", "", err)
	if waiting.Job.Status != types.JobStatusSubmitted {
		t.Errorf("a job of a paused queue is %s", waiting.Job.Status)
	}
	_, err = c.UpdateQueue(ctx, &mediaconvert.UpdateQueueInput{Name: aws.String("night"), Status: types.QueueStatusActive})
	want("UpdateQueue", "", err)
	s.finish(id)
	if p := probe(t, filepath.Join(s.download("films", "templated/"), "clip_small.mp4")); len(p.Streams) != 2 || p.Streams[0].Width != 160 {
		t.Errorf("the output: %+v", p.Streams)
	}

	// Tags.
	arns := map[string]string{"queue": *q.Queue.Arn, "preset": *p.Preset.Arn, "template": *tpl.JobTemplate.Arn, "job": *created.Job.Arn}
	for name, arn := range arns {
		_, err = c.TagResource(ctx, &mediaconvert.TagResourceInput{Arn: &arn, Tags: map[string]string{"one": "1", "two": "2"}})
		want("TagResource "+name, "", err)
		_, err = c.UntagResource(ctx, &mediaconvert.UntagResourceInput{Arn: &arn, TagKeys: []string{"one", "never"}})
		want("UntagResource "+name, "", err)
		tags, err := c.ListTagsForResource(ctx, &mediaconvert.ListTagsForResourceInput{Arn: &arn})
		want("ListTagsForResource "+name, "", err)
		if tags != nil && (tags.ResourceTags.Tags["two"] != "2" || tags.ResourceTags.Tags["one"] != "") {
			t.Errorf("tags of the %s: %v", name, tags.ResourceTags.Tags)
		}
	}
	_, err = c.ListTagsForResource(ctx, &mediaconvert.ListTagsForResourceInput{Arn: aws.String(strings.Replace(*q.Queue.Arn, "000000000000", "111122223333", 1))})
	want("tags of another account", "AccessDeniedException", err)

	// Search.
	for _, file := range []string{"s3://films/in/clip.mp4", "clip.mp4", "clip"} {
		found, err := c.SearchJobs(ctx, &mediaconvert.SearchJobsInput{InputFile: &file, Status: types.JobStatusComplete})
		want("SearchJobs", "", err)
		if found != nil && len(found.Jobs) != 2 {
			t.Errorf("SearchJobs %q: %d jobs", file, len(found.Jobs))
		}
	}
	none, err := c.SearchJobs(ctx, &mediaconvert.SearchJobsInput{InputFile: aws.String("another.mp4")})
	want("SearchJobs", "", err)
	if len(none.Jobs) != 0 {
		t.Errorf("SearchJobs of none: %d jobs", len(none.Jobs))
	}
	query, err := c.StartJobsQuery(ctx, &mediaconvert.StartJobsQueryInput{MaxResults: aws.Int32(1), FilterList: []types.JobsQueryFilter{
		{Key: types.JobsQueryFilterKeyVideoCodec, Values: []string{"H_264", "H_265"}},
		{Key: types.JobsQueryFilterKeyAudioCodec, Values: []string{"AAC"}},
		{Key: types.JobsQueryFilterKeyStatus, Values: []string{"COMPLETE"}},
	}})
	want("StartJobsQuery", "", err)
	results, err := c.GetJobsQueryResults(ctx, &mediaconvert.GetJobsQueryResultsInput{Id: query.Id})
	want("GetJobsQueryResults", "", err)
	if len(results.Jobs) != 1 || *results.Jobs[0].Id != other || results.NextToken == nil || results.Status != types.JobsQueryStatusComplete {
		t.Errorf("GetJobsQueryResults: %+v", results)
	}
	_, err = c.GetJobsQueryResults(ctx, &mediaconvert.GetJobsQueryResultsInput{Id: aws.String("AAAA")})
	want("GetJobsQueryResults of none", "NotFoundException", err)

	// The input policy: at submit, and again when a job begins that was submitted before.
	_, err = c.UpdateQueue(ctx, &mediaconvert.UpdateQueueInput{Name: aws.String("night"), Status: types.QueueStatusPaused})
	want("UpdateQueue", "", err)
	early := request(t, job(short("s3://films/in/clip.mp4", "s3://films/early/")))
	early.Queue = aws.String("night")
	before, err := c.CreateJob(ctx, early)
	want("CreateJob before the policy", "", err)
	policy, err := c.PutPolicy(ctx, &mediaconvert.PutPolicyInput{Policy: &types.Policy{S3Inputs: types.InputPolicyDisallowed}})
	want("PutPolicy", "", err)
	if policy.Policy.HttpInputs != types.InputPolicyAllowed {
		t.Errorf("PutPolicy: %+v", policy.Policy)
	}
	_, err = c.CreateJob(ctx, request(t, job(short("s3://films/in/clip.mp4", "s3://films/refused/"))))
	want("CreateJob against the policy", "BadRequestException", err)
	if err == nil || !strings.Contains(err.Error(), "You specified an input location that your policy disallows.") {
		t.Errorf("the policy's words: %v", err)
	}
	_, err = c.UpdateQueue(ctx, &mediaconvert.UpdateQueueInput{Name: aws.String("night"), Status: types.QueueStatusActive})
	want("UpdateQueue", "", err)
	if j := s.until(*before.Job.Id, final); j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != 3457 {
		t.Errorf("a job whose inputs are not allowed any more: %s %d", j.Status, aws.ToInt32(j.ErrorCode))
	}
	_, err = c.DeletePolicy(ctx, &mediaconvert.DeletePolicyInput{})
	want("DeletePolicy", "", err)
	now, err := c.GetPolicy(ctx, &mediaconvert.GetPolicyInput{})
	want("GetPolicy", "", err)
	if now.Policy.S3Inputs != types.InputPolicyAllowed {
		t.Errorf("GetPolicy: %+v", now.Policy)
	}

	// The rest.
	_, err = c.AssociateCertificate(ctx, &mediaconvert.AssociateCertificateInput{Arn: aws.String("arn:aws:acm:us-east-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef")})
	want("AssociateCertificate of none", "NotFoundException", err)
	certificate := s.certificate("speke.example")
	for range 2 {
		_, err = c.AssociateCertificate(ctx, &mediaconvert.AssociateCertificateInput{Arn: certificate})
		want("AssociateCertificate", "", err)
	}
	_, err = c.DisassociateCertificate(ctx, &mediaconvert.DisassociateCertificateInput{Arn: certificate})
	want("DisassociateCertificate", "", err)
	_, err = c.DisassociateCertificate(ctx, &mediaconvert.DisassociateCertificateInput{Arn: certificate})
	want("DisassociateCertificate twice", "NotFoundException", err)
	_, err = c.CreateResourceShare(ctx, &mediaconvert.CreateResourceShareInput{JobId: &id, SupportCaseId: aws.String("case-1")})
	want("CreateResourceShare", "", err)
	_, err = c.CreateResourceShare(ctx, &mediaconvert.CreateResourceShareInput{JobId: aws.String("1515368087458-qnoxtd"), SupportCaseId: aws.String("case-1")})
	want("CreateResourceShare of none", "NotFoundException", err)
	versions, err := c.ListVersions(ctx, &mediaconvert.ListVersionsInput{})
	want("ListVersions", "", err)
	if len(versions.Versions) != 1 || aws.ToString(versions.Versions[0].Version) != aws.ToString(waiting.Job.JobEngineVersionUsed) && aws.ToString(versions.Versions[0].Version) == "" {
		t.Errorf("ListVersions: %+v", versions.Versions)
	}
	// DescribeEndpoints is deprecated in this SDK; TestCLI and TestClientsAgree call it.
	_, err = c.CancelJob(ctx, &mediaconvert.CancelJobInput{Id: &id})
	want("CancelJob of a finished one", "ConflictException", err)
	_, err = c.DeleteJobTemplate(ctx, &mediaconvert.DeleteJobTemplateInput{Name: aws.String("nightly")})
	want("DeleteJobTemplate", "", err)
	_, err = c.DeletePreset(ctx, &mediaconvert.DeletePresetInput{Name: aws.String("small")})
	want("DeletePreset", "", err)
	_, err = c.DeleteQueue(ctx, &mediaconvert.DeleteQueueInput{Name: aws.String("night")})
	want("DeleteQueue", "", err)
}
