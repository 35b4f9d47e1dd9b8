package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/arn"
	"darkroom/internal/gateway"
	"darkroom/internal/mediaconvert"
)

// defaultQueue is the name of the on-demand queue that every account has.
const defaultQueue = "Default"

// queueARN names the queue that a request names by name or ARN, the default queue where it names none.
func (s *Service) queueARN(account string, queue *string) string {
	if queue == nil {
		return s.resource(account, "queues", defaultQueue)
	}
	return s.resource(account, "queues", *queue)
}

// knownQueue returns the ARN of a queue that exists.
func (s *Service) knownQueue(account string, queue *string) (string, error) {
	name := s.queueARN(account, queue)
	if name != arn.MediaConvert(s.region, account, "queues/"+defaultQueue) {
		return "", mediaconvert.NotFound("The queue " + shown(name) + " does not exist.")
	}
	return name, nil
}

// maxShown is how many bytes of a name from a request a message repeats.
const maxShown = 256

// shown returns a name as a message repeats it.
func shown(name string) string {
	if len(name) > maxShown {
		return strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	return name
}

func (s *Service) getQueue(ctx context.Context, account string, in *mc.GetQueueInput) (*mc.GetQueueOutput, error) {
	name, err := s.knownQueue(account, in.Name)
	if err != nil {
		return nil, err
	}
	q, err := s.describeQueue(ctx, account, name)
	if err != nil {
		return nil, err
	}
	return &mc.GetQueueOutput{Queue: q}, nil
}

// listQueues has one page whatever is asked for: there is one queue.
func (s *Service) listQueues(ctx context.Context, account string, in *mc.ListQueuesInput) (*mc.ListQueuesOutput, error) {
	if in.NextToken != nil {
		return nil, badToken()
	}
	q, err := s.describeQueue(ctx, account, s.queueARN(account, nil))
	if err != nil {
		return nil, err
	}
	return &mc.ListQueuesOutput{Queues: []types.Queue{*q}}, nil
}

// describeQueue describes the default queue.
func (s *Service) describeQueue(ctx context.Context, account, name string) (*types.Queue, error) {
	n, err := s.queue.Count(ctx, account, name)
	if err != nil {
		return nil, err
	}
	q := &types.Queue{
		Arn: &name, Name: ptr(defaultQueue), Type: types.TypeSystem, Status: types.QueueStatusActive, PricingPlan: types.PricingPlanOnDemand,
		SubmittedJobsCount: ptr(int32(n.Submitted)), ProgressingJobsCount: ptr(int32(n.Progressing)),
		CreatedAt: timeOf(s.queueCreated), LastUpdated: timeOf(s.queueCreated),
	}
	return q, nil
}

// describeEndpoints answers with the endpoint that was asked: the host is the one that the caller signed.
func describeEndpoints(r *http.Request, in *mc.DescribeEndpointsInput) (*mc.DescribeEndpointsOutput, error) {
	if in.NextToken != nil {
		return nil, badToken()
	}
	scheme := "https"
	if !gateway.Secure(r.Context()) {
		scheme = "http"
	}
	return &mc.DescribeEndpointsOutput{Endpoints: []types.Endpoint{{Url: ptr(scheme + "://" + r.Host)}}}, nil
}

func ptr[T any](v T) *T { return &v }

// timeOf returns a time for an answer; the zero time is none.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
