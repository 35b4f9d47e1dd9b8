package test

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// TestStaticKey: a static key is told to those who may read the job, as AWS does, and stands nowhere else: not in the data directory, not in the log, not in the
// arguments or environment of a process. (The server is searched for it at its end.)
func TestStaticKey(t *testing.T) {
	t.Parallel()
	s := serve(t)
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	key := hex.EncodeToString(raw)
	s.secret("a static key", raw)
	s.secret("a static key, as written", []byte(key))
	s.upload("media", "film.mp4", clip(t, 4))
	group := `{"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"Destination": "s3://media/out/", "SegmentLength": 2, "MinSegmentLength": 0,
	  "Encryption": {"Type": "STATIC_KEY", "EncryptionMethod": "AES128", "StaticKeyProvider": {"StaticKeyValue": "` + key + `", "Url": "https://keys.example/k"}}}},
	 "Outputs": [{"NameModifier": "_v", "ContainerSettings": {"Container": "M3U8"},
	  "VideoDescription": {"Width": 160, "Height": 90, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 200000}}}}]}`
	whole := job(`{"Inputs": [{"FileInput": "s3://media/film.mp4"}], "OutputGroups": [` + group + `]}`)
	value := func(groups []types.OutputGroup) string {
		return aws.ToString(groups[0].OutputGroupSettings.HlsGroupSettings.Encryption.StaticKeyProvider.StaticKeyValue)
	}
	c := s.mediaconvert()
	in := request(t, whole)
	template := &types.JobTemplateSettings{OutputGroups: in.Settings.OutputGroups}
	if _, err := c.CreateJobTemplate(t.Context(), &mediaconvert.CreateJobTemplateInput{Name: aws.String("encrypted"), Settings: template}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetJobTemplate(t.Context(), &mediaconvert.GetJobTemplateInput{Name: aws.String("encrypted")})
	if err != nil || value(got.JobTemplate.Settings.OutputGroups) != key {
		t.Errorf("the template does not tell its key: %v", err)
	}
	if ended := s.finish(s.submit(whole)); value(ended.Settings.OutputGroups) != key {
		t.Errorf("%s: the job does not tell its key", ended.Status)
	}
	// From the template alone: the record of one is opened, merged, and sealed again.
	byTemplate, err := c.CreateJob(t.Context(), &mediaconvert.CreateJobInput{
		Role: in.Role, JobTemplate: aws.String("encrypted"), Settings: &types.JobSettings{Inputs: in.Settings.Inputs},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ended := s.finish(*byTemplate.Job.Id); value(ended.Settings.OutputGroups) != key {
		t.Errorf("%s: the job of the template does not tell its key", ended.Status)
	}
	// What is wrong with a key does not tell it.
	bad := request(t, strings.Replace(whole, key, "z"+key[1:], 1))
	if _, err := c.CreateJob(t.Context(), bad); err == nil || strings.Contains(err.Error(), key[1:]) {
		t.Errorf("a key that is not hexadecimal: the refusal is absent, or tells it")
	}
}
