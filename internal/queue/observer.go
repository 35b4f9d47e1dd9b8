package queue

import (
	"context"
	"slices"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
)

// Observer hears what becomes of jobs and of the leases on them, for metrics and traces. Its methods return at once, and are safe for concurrent use. What it
// is given is not to be changed.
type Observer interface {
	// Submitting returns what a job that is about to be recorded with ctx keeps of the trace that it belongs to; empty for none.
	Submitting(ctx context.Context) string
	// Submitted says that a job was recorded, once for each job. ctx is that of the request.
	Submitted(ctx context.Context, j *job.Job, began, ended time.Time)
	// Claimed says that a worker has got a lease.
	Claimed(a lease.Attempt)
	// Measured says what is new of what a worker has measured: its counts are what came since the last time.
	Measured(a lease.Attempt, m lease.Measured)
	// Released says that a lease has ended, once for each. From began to ended its end was written down.
	Released(a lease.Attempt, how lease.End, began, ended time.Time)
	// Ended says that a job has come to a final status, once for each. r is what its worker said, if one did.
	Ended(j *job.Job, r lease.Result)
}

// nobody hears nothing.
type nobody struct{}

func (nobody) Submitting(context.Context) string                         { return "" }
func (nobody) Submitted(context.Context, *job.Job, time.Time, time.Time) {}
func (nobody) Claimed(lease.Attempt)                                     {}
func (nobody) Measured(lease.Attempt, lease.Measured)                    {}
func (nobody) Released(lease.Attempt, lease.End, time.Time, time.Time)   {}
func (nobody) Ended(*job.Job, lease.Result)                              {}

// over tells of a job that has come to its end. What the records say of it counts: one that was canceled while its worker ended it is told of by who canceled it.
func (q *Queue) over(ctx context.Context, account, id string, r lease.Result, canceled bool) {
	j, err := q.store.Get(context.WithoutCancel(ctx), account, id)
	if err != nil {
		q.o.Log.Error("read a job that has ended, to count it", "job", id, "err", err)
		return
	}
	if j.Status.Final() && (j.Status == job.Canceled) == canceled {
		q.o.Observer.Ended(j, r)
	}
}

// forgotten tells of the end of a lease that was given in an earlier run.
func (q *Queue) forgotten(ctx context.Context, e store.Ended, began time.Time) {
	j, err := q.store.Get(context.WithoutCancel(ctx), e.Account, e.JobID)
	if err != nil {
		q.o.Log.Error("read the job of a lease that has ended, to count it", "job", e.JobID, "err", err)
		return
	}
	a := lease.Attempt{Job: j, TaskID: e.TaskID, Epoch: e.Epoch, Number: e.Attempt, Worker: e.Worker, Claimed: e.Claimed}
	q.o.Observer.Released(a, lease.Lost, began, q.o.Clock.Now())
}

// Bounds of the names in a step.
const (
	maxBucket = 255
	maxKey    = 1024
)

// measure tells what is new of what a worker says that it has measured. A worker that says what cannot be is not believed: counts only grow, steps are of the
// kinds that there are, within the lease, and each is counted once.
func (q *Queue) measure(k key, m lease.Measured) {
	now := q.o.Clock.Now()
	q.mu.Lock()
	h := q.held[k]
	if h == nil {
		q.mu.Unlock()
		return
	}
	news := lease.Measured{Media: m.Media, Transcoding: m.Transcoding}
	grown := func(total *int64, said int64) int64 {
		n := max(0, said-*total)
		*total += n
		return n
	}
	news.Read, news.Written = grown(&h.measured.Read, m.Read), grown(&h.measured.Written, m.Written)
	news.Dropped = grown(&h.measured.Dropped, m.Dropped)
	for _, s := range m.Steps[:min(len(m.Steps), lease.MaxSteps)] {
		if s.Number <= h.step {
			continue
		}
		h.step = s.Number
		if !slices.Contains(lease.StepKinds, s.Kind) || s.Ended.Before(s.Began) || s.Began.Before(h.attempt.Claimed.Add(-clockSkew)) || s.Ended.After(now.Add(clockSkew)) ||
			len(s.Bucket) > maxBucket || len(s.Key) > maxKey {
			continue
		}
		news.Steps = append(news.Steps, s)
	}
	attempt := h.attempt
	q.mu.Unlock()
	q.o.Observer.Measured(attempt, news)
}

// clockSkew is by how much the clock of a worker may differ.
const clockSkew = time.Minute
