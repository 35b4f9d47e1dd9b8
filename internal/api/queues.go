package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/gateway"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/store"
)

// defaultQueue is the name of the on-demand queue that every account has.
const defaultQueue = "Default"

// commitment is how long a reservation lasts; there is one word for it, ONE_YEAR.
const commitmentYears = 1

// queueARN names the queue that a request names by name or ARN, the default queue where it names none.
func (s *Service) queueARN(account string, queue *string) string {
	if queue == nil {
		return s.resource(account, "queues", defaultQueue)
	}
	return s.resource(account, "queues", *queue)
}

// knownQueue returns the ARN of a queue that exists.
func (s *Service) knownQueue(ctx context.Context, account string, queue *string) (string, error) {
	name := defaultQueue
	if queue != nil {
		name = *queue
	}
	r, err := s.findQueue(ctx, account, name)
	if err != nil {
		return "", err
	}
	return s.queueARN(account, &r.Name), nil
}

// findQueue returns a queue by its name or ARN. The default queue is there before it is recorded.
func (s *Service) findQueue(ctx context.Context, account, queue string) (*store.Resource, error) {
	r, err := s.find(ctx, account, queueSort, queue)
	if name, _ := s.own(account, queueSort, queue); err != nil && name == defaultQueue {
		if _, gone := errors.AsType[*mediaconvert.APIError](err); gone {
			return s.unrecordedDefault(account)
		}
	}
	return r, err
}

func (s *Service) unrecordedDefault(account string) (*store.Resource, error) {
	doc, err := mediaconvert.Encode(&types.Queue{PricingPlan: types.PricingPlanOnDemand, Status: types.QueueStatusActive})
	return &store.Resource{
		Account: account, Kind: store.Queue, Name: defaultQueue, Document: doc, Created: s.queueCreated, Updated: s.queueCreated,
		Queue: store.QueueRules{ARN: s.queueARN(account, nil)},
	}, err
}

// queueFaults says what is invalid about the members that create and update have in common.
func queueFaults(plan types.PricingPlan, reservation *types.ReservationPlanSettings, concurrent, feeds *int32) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	fail := func(path, rule string) { faults = append(faults, ruleFault(path, rule)) }
	if r := reservation; r != nil {
		if plan != types.PricingPlanReserved {
			fail("/reservationPlanSettings", "goes with the pricing plan RESERVED alone")
		}
		if r.Commitment == "" {
			fail("/reservationPlanSettings", "commitment is a required property")
		}
		if r.RenewalType == "" {
			fail("/reservationPlanSettings", "renewalType is a required property")
		}
		switch n := r.ReservedSlots; {
		case n == nil:
			fail("/reservationPlanSettings", "reservedSlots is a required property")
		case *n < 1:
			fail("/reservationPlanSettings/reservedSlots", "Should be greater than or equal to 1")
		}
	}
	if plan == types.PricingPlanReserved && concurrent != nil {
		fail("/concurrentJobs", "goes with the pricing plan ON_DEMAND alone; a reserved queue runs as many jobs as it has slots")
	}
	if concurrent != nil && *concurrent < 1 {
		fail("/concurrentJobs", "Should be greater than or equal to 1")
	}
	if feeds != nil && *feeds < 0 {
		fail("/maximumConcurrentFeeds", "Should be greater than or equal to 0")
	}
	return faults
}

// rulesOf is what claims obey of a queue.
func (s *Service) rulesOf(account, name string, q *types.Queue) store.QueueRules {
	r := store.QueueRules{ARN: s.queueARN(account, &name), Paused: q.Status == types.QueueStatusPaused, Concurrent: int(value(q.ConcurrentJobs))}
	if q.ReservationPlan != nil {
		r.Concurrent = int(value(q.ReservationPlan.ReservedSlots))
	}
	return r
}

func (s *Service) reservation(settings *types.ReservationPlanSettings, old *types.ReservationPlan) *types.ReservationPlan {
	now := s.now().UTC()
	plan := &types.ReservationPlan{
		Commitment: settings.Commitment, RenewalType: settings.RenewalType, ReservedSlots: settings.ReservedSlots,
		Status: types.ReservationPlanStatusActive, PurchasedAt: &now, ExpiresAt: ptr(now.AddDate(commitmentYears, 0, 0)),
	}
	if old != nil && old.PurchasedAt != nil {
		plan.PurchasedAt = old.PurchasedAt
	}
	return plan
}

func (s *Service) createQueue(ctx context.Context, account string, in *mc.CreateQueueInput) (*mc.CreateQueueOutput, error) {
	plan := in.PricingPlan
	if plan == "" {
		plan = types.PricingPlanOnDemand
	}
	faults := append(nameFaults(in.Name, in.Description), queueFaults(plan, in.ReservationPlanSettings, in.ConcurrentJobs, in.MaximumConcurrentFeeds)...)
	if plan == types.PricingPlanReserved && in.ReservationPlanSettings == nil {
		faults = append(faults, ruleFault("", "reservationPlanSettings is a required property of a queue with the pricing plan RESERVED"))
	}
	if len(faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(faults))
	}
	if value(in.MaximumConcurrentFeeds) > 0 {
		return nil, mediaconvert.BadRequest(notOffered + "/maximumConcurrentFeeds: Elemental Inference feeds are not carried out")
	}
	if *in.Name == defaultQueue {
		return nil, queueSort.fault(defaultQueue, store.ErrExists)
	}
	if plan == types.PricingPlanOnDemand {
		if err := s.roomForQueue(ctx, account); err != nil {
			return nil, err
		}
	}
	doc := &types.Queue{Description: in.Description, PricingPlan: plan, Status: in.Status, ConcurrentJobs: in.ConcurrentJobs}
	if doc.Status == "" {
		doc.Status = types.QueueStatusActive
	}
	if in.ReservationPlanSettings != nil {
		doc.ReservationPlan = s.reservation(in.ReservationPlanSettings, nil)
	}
	r, err := s.create(ctx, account, queueSort, *in.Name, nil, in.Tags, doc, s.rulesOf(account, *in.Name, doc))
	if err != nil {
		return nil, err
	}
	q, err := s.describeQueue(ctx, r)
	return &mc.CreateQueueOutput{Queue: q}, err
}

// roomForQueue refuses one on-demand queue too many; Default counts.
func (s *Service) roomForQueue(ctx context.Context, account string) error {
	all, err := s.allQueues(ctx, account)
	if err != nil {
		return err
	}
	n := 0
	for _, r := range all {
		var q types.Queue
		if err := recall(r.Document, &q); err != nil {
			return err
		}
		if q.PricingPlan != types.PricingPlanReserved {
			n++
		}
	}
	if n >= maxOnDemandQueues {
		return mediaconvert.QuotaExceeded(fmt.Sprintf("The account has %d on-demand queues, which is as many as it may have. Delete one that is not needed.", n))
	}
	return nil
}

// allQueues are the queues of an account, with the default one.
func (s *Service) allQueues(ctx context.Context, account string) ([]*store.Resource, error) {
	all, err := s.queue.ListResources(ctx, store.ResourceQuery{Account: account, Kind: store.Queue, Order: store.ByName, Limit: maxQueues + 1})
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Name == defaultQueue {
			return all, nil
		}
	}
	d, err := s.unrecordedDefault(account)
	return append(all, d), err
}

func (s *Service) updateQueue(ctx context.Context, account string, in *mc.UpdateQueueInput) (*mc.UpdateQueueOutput, error) {
	name := *in.Name
	if name == defaultQueue {
		d, err := s.unrecordedDefault(account)
		if err != nil {
			return nil, err
		}
		if err := s.queue.CreateResource(ctx, d, 0); err != nil && !errors.Is(err, store.ErrExists) {
			return nil, err
		}
	}
	if value(in.MaximumConcurrentFeeds) > 0 {
		return nil, mediaconvert.BadRequest(notOffered + "/maximumConcurrentFeeds: Elemental Inference feeds are not carried out")
	}
	r, err := change(ctx, s, account, queueSort, name, func(q *types.Queue, r *store.Resource) error {
		faults := queueFaults(q.PricingPlan, in.ReservationPlanSettings, in.ConcurrentJobs, in.MaximumConcurrentFeeds)
		if n := in.ReservationPlanSettings; len(faults) == 0 && n != nil && q.ReservationPlan != nil && *n.ReservedSlots < value(q.ReservationPlan.ReservedSlots) {
			faults = append(faults, ruleFault("/reservationPlanSettings/reservedSlots",
				fmt.Sprintf("Should be greater than or equal to %d: slots that were bought are not given back", value(q.ReservationPlan.ReservedSlots))))
		}
		if len(faults) > 0 {
			return mediaconvert.BadRequest(mediaconvert.Message(faults))
		}
		if in.Description != nil {
			q.Description = in.Description
		}
		if in.Status != "" {
			q.Status = in.Status
		}
		if in.ConcurrentJobs != nil {
			q.ConcurrentJobs = in.ConcurrentJobs
		}
		if in.ReservationPlanSettings != nil {
			q.ReservationPlan = s.reservation(in.ReservationPlanSettings, q.ReservationPlan)
		}
		r.Queue = s.rulesOf(account, name, q)
		return nil
	})
	if err != nil {
		return nil, err
	}
	q, err := s.describeQueue(ctx, r)
	return &mc.UpdateQueueOutput{Queue: q}, err
}

func (s *Service) deleteQueue(ctx context.Context, account string, in *mc.DeleteQueueInput) (*mc.DeleteQueueOutput, error) {
	if *in.Name == defaultQueue {
		return nil, mediaconvert.BadRequest("The default queue cannot be deleted.")
	}
	r, err := s.findQueue(ctx, account, *in.Name)
	if err != nil {
		return nil, err
	}
	var q types.Queue
	if err := recall(r.Document, &q); err != nil {
		return nil, err
	}
	if p := q.ReservationPlan; p != nil && p.ExpiresAt != nil && s.now().Before(*p.ExpiresAt) {
		return nil, mediaconvert.Conflict("The queue " + shown(*in.Name) + " is reserved until " + p.ExpiresAt.UTC().Format(time.RFC3339) + " and cannot be deleted before.")
	}
	return &mc.DeleteQueueOutput{}, s.remove(ctx, account, queueSort, *in.Name)
}

func (s *Service) getQueue(ctx context.Context, account string, in *mc.GetQueueInput) (*mc.GetQueueOutput, error) {
	r, err := s.findQueue(ctx, account, *in.Name)
	if err != nil {
		return nil, err
	}
	q, err := s.describeQueue(ctx, r)
	if err != nil {
		return nil, err
	}
	return &mc.GetQueueOutput{Queue: q}, nil
}

// listQueues orders by time of creation unless asked otherwise, as the service does. There are few queues: all are read, and a page is cut.
func (s *Service) listQueues(ctx context.Context, account string, in *mc.ListQueuesInput) (*mc.ListQueuesOutput, error) {
	all, err := s.allQueues(ctx, account)
	if err != nil {
		return nil, err
	}
	position := func(r *store.Resource) string { return r.Name }
	if in.ListBy != types.QueueListByName {
		position = func(r *store.Resource) string { return r.Created.UTC().Format("20060102150405.000000000") + r.Name }
	}
	sortBy(all, position)
	by := store.ByName
	if in.ListBy != types.QueueListByName {
		by = store.ByCreated
	}
	found, next, err := builtinPage(s, account, "ListQueues"+string(in.ListBy), "", all, position, descending(in.Order, by), in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &mc.ListQueuesOutput{Queues: []types.Queue{}, NextToken: next}
	for _, r := range found {
		q, err := s.describeQueue(ctx, r)
		if err != nil {
			return nil, err
		}
		out.Queues = append(out.Queues, *q)
	}
	return out, nil
}

// describeQueue makes the record of a queue into the Queue of the API.
func (s *Service) describeQueue(ctx context.Context, r *store.Resource) (*types.Queue, error) {
	q := new(types.Queue)
	if err := recall(r.Document, q); err != nil {
		return nil, fmt.Errorf("record of queue %q: %w", r.Name, err)
	}
	name := s.queueARN(r.Account, &r.Name)
	n, err := s.queue.Count(ctx, r.Account, name)
	if err != nil {
		return nil, err
	}
	q.Name, q.Arn, q.Type = &r.Name, &name, types.TypeCustom
	if r.Name == defaultQueue {
		q.Type = types.TypeSystem
	}
	q.SubmittedJobsCount, q.ProgressingJobsCount = ptr(int32(n.Submitted)), ptr(int32(n.Progressing))
	q.CreatedAt, q.LastUpdated = times(r)
	if p := q.ReservationPlan; p != nil && p.ExpiresAt != nil && p.RenewalType != types.RenewalTypeAutoRenew && !s.now().Before(*p.ExpiresAt) {
		p.Status = types.ReservationPlanStatusExpired
	}
	return q, nil
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
