// Package queue gives jobs to workers: durably, in the order of priority and age, each to one worker at a time.
//
// A lease is extended by its worker's reports; one that runs out is rescued at its deadline and given to another worker under a higher epoch, and what
// the first one says after that is refused. Nothing here polls: waiting claims wake when a job comes, waiting workers when theirs is canceled, and
// the rescuer sleeps until the next deadline.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
)

// DefaultLease is how long a lease lasts without a report.
const DefaultLease = 30 * time.Second

// Credentials gives leases what their jobs may touch.
type Credentials interface {
	// Issue makes credentials for the lease of a job. A *job.Error fails the job with its code.
	Issue(ctx context.Context, j *job.Job, epoch int64) (lease.Credentials, error)
	// Revoke ends credentials; unknown ones are fine.
	Revoke(accessKeyID string)
}

// KeyFetcher has content keys fetched from key servers.
type KeyFetcher interface {
	// Fetch returns the content keys of an output group of a job, for the lease on a task under an epoch. A *job.Error says why the job cannot have them. The
	// caller owns the keys.
	Fetch(ctx context.Context, j *job.Job, taskID string, epoch int64, group int) ([]cenc.Protection, error)
}

// Attester makes statements of how jobs came about.
type Attester interface {
	// Wants says whether a job is to write one.
	Wants(j *job.Job) bool
	// Attest makes the statement of a job at its n-th attempt. A *job.Error says why there can be none.
	Attest(ctx context.Context, j *job.Job, attempt int, e lease.Evidence) ([]byte, error)
}

// Clock tells the time and wakes.
type Clock interface {
	Now() time.Time
	// After is time.After.
	After(d time.Duration) <-chan time.Time
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Options say how a queue works. Credentials and Region are needed.
type Options struct {
	Region      string
	Lease       time.Duration // 0: DefaultLease
	Credentials Credentials
	Clock       Clock // nil: the machine's
	// ContentKeys has content keys fetched; nil: there are no key servers here.
	ContentKeys KeyFetcher
	// Observer hears what becomes of jobs; nil: nobody does.
	Observer Observer
	// Attester makes the statements of jobs; nil: there are none.
	Attester Attester
	Log      *slog.Logger
}

// Queue is the keeper of jobs: the API's and the workers' side of it. It is safe for concurrent use.
type Queue struct {
	store store.Store
	o     Options

	mu    sync.Mutex // guards what follows; never held over a call of the store
	fresh chan struct{}
	moved chan struct{}
	held  map[key]*holding
}

var _ lease.Control = (*Queue)(nil)

type key struct {
	task  string
	epoch int64
}

// holding is a lease that a worker of this process's clients has.
type holding struct {
	attempt  lease.Attempt
	measured lease.Measured // the counts of what was heard, and in Steps nothing
	step     int64          // the number of the last step that was heard of
	job      *job.Job
	access   string // access key id
	ended    chan struct{}
	canceled bool
	// until is when the credentials of a canceled job die at the latest; its worker needs them to abort its uploads.
	until time.Time
}

// New makes a queue over records.
func New(s store.Store, o Options) *Queue {
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Queue{store: s, o: o, fresh: make(chan struct{}), moved: make(chan struct{}), held: map[key]*holding{}}
}

// announce wakes everybody who waits on one of the two signals.
func (q *Queue) announce(c *chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(*c)
	*c = make(chan struct{})
}

func (q *Queue) signal(c *chan struct{}) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return *c
}

// Submit records a job; it is durable when Submit returns. See store.Store.
func (q *Queue) Submit(ctx context.Context, j *job.Job) (*job.Job, error) {
	began := q.o.Clock.Now()
	if trace := q.o.Observer.Submitting(ctx); trace != "" {
		with := *j // the caller's stays as it is
		with.Trace = trace
		j = &with
	}
	recorded, err := q.store.Submit(ctx, j, began)
	if err == nil && recorded.ID == j.ID {
		q.o.Observer.Submitted(ctx, recorded, began, q.o.Clock.Now())
	}
	if err == nil {
		q.announce(&q.fresh)
		if len(j.Hops) > 0 {
			q.announce(&q.moved) // the rescuer has to know when it hops
		}
	}
	return recorded, err
}

// Get returns a job, or job.ErrNotFound.
func (q *Queue) Get(ctx context.Context, account, id string) (*job.Job, error) {
	return q.store.Get(ctx, account, id)
}

// ByToken returns the job that was submitted with a client token, or job.ErrNotFound.
func (q *Queue) ByToken(ctx context.Context, account, token string) (*job.Job, error) {
	return q.store.ByToken(ctx, account, token)
}

// List returns a page of jobs.
func (q *Queue) List(ctx context.Context, query job.Query) ([]*job.Job, error) {
	return q.store.List(ctx, query)
}

// Count counts the unfinished jobs of a queue.
func (q *Queue) Count(ctx context.Context, account, queue string) (job.Counts, error) {
	return q.store.Count(ctx, account, queue)
}

// ChangeJob changes a job; see store.Store.
func (q *Queue) ChangeJob(ctx context.Context, account, id string, change func(*job.Job) error) (*job.Job, error) {
	return q.store.ChangeJob(ctx, account, id, change)
}

// CreateResource implements store.Resources.
func (q *Queue) CreateResource(ctx context.Context, r *store.Resource, most int) error {
	return q.store.CreateResource(ctx, r, most)
}

// GetResource implements store.Resources.
func (q *Queue) GetResource(ctx context.Context, account string, kind store.Kind, name string) (*store.Resource, error) {
	return q.store.GetResource(ctx, account, kind, name)
}

// ChangeResource implements store.Resources. A change of a queue wakes the claims that wait: it may have been paused or full.
func (q *Queue) ChangeResource(ctx context.Context, account string, kind store.Kind, name string, change func(*store.Resource) error) (*store.Resource, error) {
	r, err := q.store.ChangeResource(ctx, account, kind, name, change)
	if err == nil && kind == store.Queue {
		q.announce(&q.fresh)
	}
	return r, err
}

// DeleteResource implements store.Resources.
func (q *Queue) DeleteResource(ctx context.Context, account string, kind store.Kind, name string) error {
	return q.store.DeleteResource(ctx, account, kind, name)
}

// ListResources implements store.Resources.
func (q *Queue) ListResources(ctx context.Context, query store.ResourceQuery) ([]*store.Resource, error) {
	return q.store.ListResources(ctx, query)
}

// Cancel ends a job and stops the worker that has it. job.ErrNotFound, job.ErrFinished.
func (q *Queue) Cancel(ctx context.Context, account, id string) error {
	task, epoch, running, err := q.store.Cancel(ctx, account, id, q.o.Clock.Now())
	if err == nil && running {
		q.stop(key{task, epoch})
		q.announce(&q.fresh) // its queue may run one more
	}
	if err == nil {
		q.over(ctx, account, id, lease.Result{}, true)
	}
	return err
}

// stop tells the worker of a canceled job, and leaves it the time of a lease to clean up.
func (q *Queue) stop(k key) {
	q.mu.Lock()
	if h := q.held[k]; h != nil && !h.canceled {
		h.canceled, h.until = true, q.o.Clock.Now().Add(q.o.Lease)
		close(h.ended)
	}
	q.mu.Unlock()
	q.announce(&q.moved)
}

// lost ends a lease that the records know no more, unless it is one that was canceled.
func (q *Queue) lost(k key) {
	q.mu.Lock()
	h := q.held[k]
	canceled := h != nil && h.canceled
	q.mu.Unlock()
	if !canceled {
		q.end(k, lease.Lost)
	}
}

// linger ends the canceled leases whose time to clean up is over, and returns when the next one's is.
func (q *Queue) linger(now time.Time) time.Time {
	var next time.Time
	var over []key
	q.mu.Lock()
	for k, h := range q.held {
		switch {
		case !h.canceled:
		case !now.Before(h.until):
			over = append(over, k)
		case next.IsZero() || h.until.Before(next):
			next = h.until
		}
	}
	q.mu.Unlock()
	for _, k := range over {
		q.end(k, lease.Canceled)
	}
	return next
}

// end lets go of a lease: its credentials die, and its worker's Wait returns. It returns what was held; nil where that was let go of before.
func (q *Queue) end(k key, how lease.End) *holding {
	return q.endFrom(k, how, q.o.Clock.Now())
}

// endFrom is end of a lease whose end was begun to be written down at a time.
func (q *Queue) endFrom(k key, how lease.End, began time.Time) *holding {
	q.mu.Lock()
	h := q.held[k]
	delete(q.held, k)
	if h != nil && !h.canceled {
		close(h.ended)
	}
	q.mu.Unlock()
	if h == nil {
		return nil
	}
	if h.access != "" {
		q.o.Credentials.Revoke(h.access)
	}
	if h.canceled {
		how = lease.Canceled
	}
	q.o.Observer.Released(h.attempt, how, began, q.o.Clock.Now())
	return h
}

// Claim implements lease.Control.
func (q *Queue) Claim(ctx context.Context, worker string) (*lease.Lease, error) {
	for {
		fresh := q.signal(&q.fresh)
		l, found, err := q.claim(ctx, worker)
		if err != nil || l != nil {
			return l, err
		}
		if found {
			continue // it failed before it began; look at the next
		}
		select {
		case <-fresh:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *Queue) claim(ctx context.Context, worker string) (l *lease.Lease, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	now := q.o.Clock.Now()
	deadline := now.Add(q.o.Lease)
	c, err := q.store.Claim(ctx, worker, now, deadline)
	if err != nil || c == nil {
		return nil, false, err
	}
	k := key{c.TaskID, c.Epoch}
	h := &holding{job: c.Job, ended: make(chan struct{}), attempt: lease.Attempt{Job: c.Job, TaskID: c.TaskID, Epoch: c.Epoch, Number: c.Attempt, Worker: worker, Claimed: now}}
	q.mu.Lock()
	q.held[k] = h
	q.mu.Unlock()
	q.announce(&q.moved)
	q.o.Observer.Claimed(h.attempt)
	// From here on the task is ours: a caller that gives up hands it back.
	settle := context.WithoutCancel(ctx)
	creds, err := q.o.Credentials.Issue(settle, c.Job, c.Epoch)
	var failed *job.Error
	switch {
	case errors.As(err, &failed):
		return nil, true, q.finish(settle, k, lease.Result{Error: &lease.Failure{Code: failed.Code, Message: failed.Message}})
	case err != nil || ctx.Err() != nil:
		q.end(k, lease.HandedBack)
		if rerr := q.store.Release(settle, c.TaskID, c.Epoch, now); rerr == nil {
			q.announce(&q.fresh)
		}
		return nil, false, errors.Join(err, ctx.Err())
	}
	q.mu.Lock()
	h.access = creds.AccessKeyID
	still := q.held[k] != nil && !h.canceled
	q.mu.Unlock()
	if !still { // canceled in between
		q.end(k, lease.Canceled)
		q.o.Credentials.Revoke(creds.AccessKeyID)
		return nil, true, nil
	}
	return &lease.Lease{
		TaskID: c.TaskID, Epoch: c.Epoch, Deadline: deadline, JobID: c.Job.ID, Account: c.Job.Account, Region: q.o.Region,
		Settings: c.Job.Settings, Started: c.Job.Started, Attempt: c.Attempt, Credentials: creds, Uploads: c.Uploads,
		Provenance: q.o.Attester != nil && q.o.Attester.Wants(c.Job),
	}, true, nil
}

// Report implements lease.Control.
func (q *Queue) Report(ctx context.Context, l *lease.Lease, p lease.Progress) (time.Time, error) {
	now := q.o.Clock.Now()
	deadline := now.Add(q.o.Lease)
	err := q.store.Report(ctx, l.TaskID, l.Epoch, p, now, deadline)
	if errors.Is(err, lease.ErrLost) {
		q.lost(key{l.TaskID, l.Epoch})
	}
	if err == nil {
		q.measure(key{l.TaskID, l.Epoch}, p.Measured)
	}
	return deadline, err
}

// Holder returns the job whose lease a worker has under an epoch; nil when nobody has it. The job must not be changed.
func (q *Queue) Holder(taskID string, epoch int64) *job.Job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h := q.held[key{taskID, epoch}]; h != nil {
		return h.job
	}
	return nil
}

// Wait implements lease.Control.
func (q *Queue) Wait(ctx context.Context, l *lease.Lease) error {
	q.mu.Lock()
	h := q.held[key{l.TaskID, l.Epoch}]
	q.mu.Unlock()
	if h == nil {
		return q.gone(ctx, l)
	}
	select {
	case <-h.ended:
		q.mu.Lock()
		canceled := h.canceled
		q.mu.Unlock()
		if canceled {
			return nil
		}
		return lease.ErrLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gone says of a lease that nobody holds whether its job was canceled.
func (q *Queue) gone(ctx context.Context, l *lease.Lease) error {
	j, err := q.store.Get(ctx, l.Account, l.JobID)
	if err == nil && j.Status == job.Canceled {
		return nil
	}
	return lease.ErrLost
}

// Renew implements lease.Control.
func (q *Queue) Renew(ctx context.Context, l *lease.Lease) (lease.Credentials, error) {
	k := key{l.TaskID, l.Epoch}
	q.mu.Lock()
	h := q.held[k]
	gone := h == nil || h.canceled
	q.mu.Unlock()
	if gone {
		return lease.Credentials{}, lease.ErrLost
	}
	c, err := q.o.Credentials.Issue(ctx, h.job, l.Epoch)
	if failed, ok := errors.AsType[*job.Error](err); ok {
		// The role is not what it was when the job began: the job ends here, and its worker hears that the lease is gone.
		failure := lease.Result{Error: &lease.Failure{Code: failed.Code, Message: failed.Message}}
		return lease.Credentials{}, errors.Join(lease.ErrLost, q.Finish(context.WithoutCancel(ctx), l, failure))
	}
	if err != nil {
		return lease.Credentials{}, err
	}
	q.mu.Lock()
	_, still := q.held[k]
	old := h.access
	h.access = c.AccessKeyID
	q.mu.Unlock()
	if !still {
		q.o.Credentials.Revoke(c.AccessKeyID)
		return lease.Credentials{}, lease.ErrLost
	}
	// Requests under way with the old ones end with it; the store's client asks again.
	q.o.Credentials.Revoke(old)
	return c, nil
}

// ContentKeys implements lease.Control. What is asked for follows from the job on record; of the worker comes the number of the group alone. A lease that ends
// meanwhile ends the fetching, and its worker gets no keys.
func (q *Queue) ContentKeys(ctx context.Context, l *lease.Lease, group int) ([]cenc.Protection, error) {
	k := key{l.TaskID, l.Epoch}
	held := func() *holding {
		q.mu.Lock()
		defer q.mu.Unlock()
		if h := q.held[k]; h != nil && !h.canceled {
			return h
		}
		return nil
	}
	h := held()
	switch {
	case h == nil:
		return nil, lease.ErrLost
	case q.o.ContentKeys == nil:
		return nil, job.Errorf(1091, "Output group %d: there is nothing here that asks key servers.", group+1)
	}
	fetching, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-h.ended:
			stop()
		case <-fetching.Done():
		}
	})
	keys, err := q.o.ContentKeys.Fetch(fetching, h.job, l.TaskID, l.Epoch, group)
	stop()
	watching.Wait()
	if held() != h {
		for _, p := range keys {
			p.Value.Wipe()
		}
		return nil, lease.ErrLost
	}
	return keys, err
}

// Attest implements lease.Attester.
func (q *Queue) Attest(ctx context.Context, l *lease.Lease, e lease.Evidence) ([]byte, error) {
	q.mu.Lock()
	h := q.held[key{l.TaskID, l.Epoch}]
	q.mu.Unlock()
	switch {
	case h == nil || h.canceled:
		return nil, lease.ErrLost
	case q.o.Attester == nil || !q.o.Attester.Wants(h.job):
		return nil, job.Errorf(1999, "The job is to write no statement of provenance.")
	}
	return q.o.Attester.Attest(ctx, h.job, h.attempt.Number, e)
}

// Finish implements lease.Control.
func (q *Queue) Finish(ctx context.Context, l *lease.Lease, r lease.Result) error {
	return q.finish(ctx, key{l.TaskID, l.Epoch}, r)
}

func (q *Queue) finish(ctx context.Context, k key, r lease.Result) error {
	began := q.o.Clock.Now()
	err := q.store.Finish(ctx, k.task, k.epoch, r, began)
	how := lease.Finished
	switch {
	case err == nil:
		q.measure(k, r.Measured)
	case errors.Is(err, lease.ErrLost):
		how = lease.Lost
	default:
		return err
	}
	if h := q.endFrom(k, how, began); h != nil && err == nil && !h.canceled {
		q.over(ctx, h.job.Account, h.job.ID, r, false)
	}
	q.announce(&q.fresh) // its queue may run one more
	return err
}

// Release implements lease.Control.
func (q *Queue) Release(ctx context.Context, l *lease.Lease) error {
	err := q.store.Release(ctx, l.TaskID, l.Epoch, q.o.Clock.Now())
	switch {
	case err == nil:
		q.end(key{l.TaskID, l.Epoch}, lease.HandedBack)
	case errors.Is(err, lease.ErrLost):
		q.end(key{l.TaskID, l.Epoch}, lease.Lost)
	}
	if err == nil {
		q.announce(&q.fresh)
	}
	return err
}

// Void ends all leases: the workers that held them are gone. Their tasks can be claimed again at once.
func (q *Queue) Void(ctx context.Context) error {
	began := q.o.Clock.Now()
	ended, err := q.store.Void(ctx, began)
	q.ended(ctx, ended, began)
	return err
}

// ended lets go of leases that the records have taken away. Those of an earlier run were never held here.
func (q *Queue) ended(ctx context.Context, list []store.Ended, began time.Time) {
	for _, e := range list {
		q.o.Log.Warn("lease ended without its worker", "task", e.TaskID, "epoch", e.Epoch, "again", e.Again)
		if h := q.endFrom(key{e.TaskID, e.Epoch}, lease.Lost, began); h == nil {
			q.forgotten(ctx, e, began)
		}
		if !e.Again {
			q.over(ctx, e.Account, e.JobID, lease.Result{}, false)
		}
	}
	if len(list) > 0 {
		q.announce(&q.fresh)
	}
}

// Pauses of the rescuer.
const (
	storePause = time.Second
	// maxNap bounds how long the rescuer sleeps, for the jobs that progress too long.
	maxNap = time.Minute
)

// Run rescues leases at their deadlines until ctx ends.
func (q *Queue) Run(ctx context.Context) error {
	for {
		moved := q.signal(&q.moved)
		next, err := q.store.NextDeadline(ctx)
		if l := q.linger(q.o.Clock.Now()); next.IsZero() || !l.IsZero() && l.Before(next) {
			next = l
		}
		var wake <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			q.o.Log.Error("read the next deadline", "err", err)
			wake = q.o.Clock.After(storePause)
		case !next.IsZero():
			wake = q.o.Clock.After(min(maxNap, max(0, next.Sub(q.o.Clock.Now()))))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-moved:
			continue
		case <-wake:
		}
		began := q.o.Clock.Now()
		ended, err := q.store.Expire(ctx, began)
		if err != nil && ctx.Err() == nil {
			q.o.Log.Error("end leases that ran out", "err", err)
		}
		q.ended(ctx, ended, began)
		hopped, err := q.store.Hop(ctx, q.o.Clock.Now())
		if err != nil && ctx.Err() == nil {
			q.o.Log.Error("move jobs to their hop destinations", "err", err)
		}
		if hopped > 0 {
			q.announce(&q.fresh)
		}
	}
}
