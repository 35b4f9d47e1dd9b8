package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/arn"
	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
)

func (s *Service) getJob(ctx context.Context, account string, in *mc.GetJobInput) (*mc.GetJobOutput, error) {
	if !mediaconvert.ValidJobID(*in.Id) {
		return nil, jobNotFound(*in.Id)
	}
	j, err := s.queue.Get(ctx, account, *in.Id)
	if err != nil {
		return nil, jobError(*in.Id, err)
	}
	described, err := s.describeJob(j)
	if err != nil {
		return nil, err
	}
	return &mc.GetJobOutput{Job: described}, nil
}

func (s *Service) cancelJob(ctx context.Context, account string, in *mc.CancelJobInput) (*mc.CancelJobOutput, error) {
	if !mediaconvert.ValidJobID(*in.Id) {
		return nil, jobNotFound(*in.Id)
	}
	if err := s.queue.Cancel(ctx, account, *in.Id); err != nil {
		return nil, jobError(*in.Id, err)
	}
	return &mc.CancelJobOutput{}, nil
}

func jobNotFound(id string) error {
	return mediaconvert.NotFound("The job " + shown(id) + " does not exist.")
}

// jobError turns what the queue says of a job into an exception.
func jobError(id string, err error) error {
	switch {
	case errors.Is(err, job.ErrNotFound):
		return jobNotFound(id)
	case errors.Is(err, job.ErrFinished):
		return mediaconvert.Conflict("The job " + shown(id) + " is finished and cannot be canceled.")
	}
	return err
}

// describeJob makes the record of a job into the Job of the API.
func (s *Service) describeJob(j *job.Job) (*types.Job, error) {
	var (
		request mc.CreateJobInput
		results types.Job
	)
	settings := new(types.JobSettings)
	if err := errors.Join(
		recall(j.Request, &request), recall(j.Settings, settings), recall(resultsOf(j), &results),
	); err != nil {
		return nil, fmt.Errorf("record of job %s: %w", j.ID, err)
	}
	out := &types.Job{
		Arn:       ptr(arn.MediaConvert(s.region, j.Account, "jobs/"+j.ID)),
		Id:        &j.ID,
		CreatedAt: timeOf(j.Submitted),
		Timing:    &types.Timing{SubmitTime: timeOf(j.Submitted), StartTime: timeOf(j.Started), FinishTime: timeOf(j.Finished)},
		Queue:     &j.Queue,
		Role:      &j.Role,
		Settings:  settings,

		Status:     types.JobStatus(j.Status),
		RetryCount: ptr(int32(j.RetryCount)),
		Priority:   ptr(int32(j.Priority)),

		AccelerationSettings: request.AccelerationSettings,
		AccelerationStatus:   types.AccelerationStatusNotApplicable,
		BillingTagsSource:    request.BillingTagsSource,
		HopDestinations:      []types.HopDestination{},
		QueueTransitions:     []types.QueueTransition{},
		JobTemplate:          request.JobTemplate,

		JobEngineVersionRequested: request.JobEngineVersion,
		SimulateReservedQueue:     request.SimulateReservedQueue,
		StatusUpdateInterval:      request.StatusUpdateInterval,
		UserMetadata:              request.UserMetadata,

		Messages:           results.Messages,
		OutputGroupDetails: results.OutputGroupDetails,
		Warnings:           results.Warnings,
	}
	if request.HopDestinations != nil {
		out.HopDestinations = request.HopDestinations
	}
	for _, t := range j.Transitions {
		out.QueueTransitions = append(out.QueueTransitions, types.QueueTransition{SourceQueue: &t.From, DestinationQueue: &t.To, Timestamp: timeOf(t.Time)})
	}
	if j.ClientToken != "" {
		out.ClientRequestToken = &j.ClientToken
	}
	switch j.Status {
	case job.Submitted: // nothing is done yet, and nothing is said
	case job.Complete:
		out.JobPercentComplete = ptr(int32(100))
	default:
		out.JobPercentComplete = ptr(int32(j.Percent))
	}
	if j.Status == job.Progressing {
		out.CurrentPhase = types.JobPhase(j.Phase)
	}
	if j.EngineVersion != "" {
		out.JobEngineVersionUsed = &j.EngineVersion
	}
	if j.ErrorCode != 0 {
		out.ErrorCode, out.ErrorMessage = ptr(int32(j.ErrorCode)), &j.ErrorMessage
	}
	if out.Messages == nil {
		out.Messages = &types.JobMessages{}
	}
	if out.Messages.Info == nil {
		out.Messages.Info = []string{}
	}
	if out.Messages.Warning == nil {
		out.Messages.Warning = []string{}
	}
	if out.UserMetadata == nil {
		out.UserMetadata = map[string]string{}
	}
	return out, nil
}

// recall reads what was recorded, from valid members, when the job was made. Only what cannot be read at all is an error: a record outlives the model it was
// checked against, and holds parts of structures.
func recall(data json.RawMessage, v any) error {
	if len(data) == 0 {
		return nil
	}
	for _, f := range mediaconvert.Decode(data, v) {
		if f.Kind == mediaconvert.Malformed {
			return errors.New(f.String())
		}
	}
	return nil
}

// resultsOf joins what the worker reported into one object with the names of the API.
func resultsOf(j *job.Job) json.RawMessage {
	var members []string
	for _, m := range []struct {
		name  string
		value json.RawMessage
	}{{"messages", j.Messages}, {"outputGroupDetails", j.OutputDetails}, {"warnings", j.Warnings}} {
		if len(m.value) > 0 {
			members = append(members, `"`+m.name+`":`+string(m.value))
		}
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}")
}
