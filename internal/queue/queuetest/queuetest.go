// Package queuetest is the suite that a queue passes over every store.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/queue"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/storetest"
)

// Credentials is an issuer that remembers.
type Credentials struct {
	mu      sync.Mutex // guards what follows
	n       int
	live    map[string]bool
	refuse  map[string]*job.Error // by job id
	failing error
	revoked chan struct{} // receives when credentials die
}

// Issue implements queue.Credentials.
func (c *Credentials) Issue(_ context.Context, j *job.Job, _ int64) (lease.Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.refuse[j.ID]; e != nil {
		return lease.Credentials{}, e
	}
	if c.failing != nil {
		return lease.Credentials{}, c.failing
	}
	c.n++
	id := fmt.Sprintf("ASIA%d", c.n)
	c.live[id] = true
	return lease.Credentials{AccessKeyID: id, SecretAccessKey: secret.New([]byte("s"))}, nil
}

// Revoke implements queue.Credentials.
func (c *Credentials) Revoke(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, id)
	select {
	case c.revoked <- struct{}{}:
	default:
	}
}

func (c *Credentials) alive() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.live)
}

// clock is moved by the test. Sleepers are woken when it passes them.
type clock struct {
	mu       sync.Mutex // guards what follows
	now      time.Time
	sleepers []sleeper
	slept    chan struct{} // receives when somebody goes to sleep
}

type sleeper struct {
	at time.Time
	c  chan time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), slept: make(chan struct{}, 100)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := sleeper{c.now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		s.c <- c.now
	} else {
		c.sleepers = append(c.sleepers, s)
	}
	c.slept <- struct{}{}
	return s.c
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var rest []sleeper
	for _, s := range c.sleepers {
		if s.at.After(c.now) {
			rest = append(rest, s)
		} else {
			s.c <- c.now
		}
	}
	c.sleepers = rest
}

type fixture struct {
	*queue.Queue
	creds *Credentials
	clock *clock
	again func(queue.Options) *queue.Queue // another queue over the same records
}

// Run tries a queue over stores that open gives.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, f *fixture)
	}{
		{"a claim wakes when a job comes", wakes},
		{"only one of many waiting claims gets a job", oneGets},
		{"a cancel reaches the worker", cancelReaches},
		{"a canceled lease ends without its worker", lingers},
		{"a claim that is given up hands nothing out", givenUp},
		{"a lease is rescued at its deadline", rescued},
		{"a report holds the rescue off", heldOff},
		{"credentials live as long as their lease", credentials},
		{"a role that does not exist fails its job alone", refusedRole},
		{"a failing issuer loses nothing", failingIssuer},
		{"renewed credentials replace the old ones", renew},
		{"renew, with a role that is not good any more", renewRefused},
		{"content keys are for who holds the lease", contentKeys},
		{"void wakes the next claim", void},
		{"finish twice", finishTwice},
		{"a queue that goes on wakes its claims", goesOn},
		{"a place that is free again wakes a claim", placeFree},
		{"a hop comes at its time", hops},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{creds: &Credentials{live: map[string]bool{}, refuse: map[string]*job.Error{}, revoked: make(chan struct{}, 100)}, clock: newClock()}
			records := open(t)
			f.again = func(o queue.Options) *queue.Queue {
				o.Region, o.Credentials, o.Clock = "us-east-1", f.creds, f.clock
				return queue.New(records, o)
			}
			f.Queue = f.again(queue.Options{})
			c.test(t, f)
		})
	}
}

func (f *fixture) submit(t *testing.T, n int) *job.Job {
	t.Helper()
	j, err := f.Submit(t.Context(), storetest.Job(n))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (f *fixture) claim(t *testing.T) *lease.Lease {
	t.Helper()
	l, err := f.Claim(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wakes(t *testing.T, f *fixture) {
	got := make(chan *lease.Lease, 1)
	go func() {
		l, err := f.Claim(context.Background(), "w")
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	j := f.submit(t, 1)
	if l := <-got; l.JobID != j.ID || l.Attempt != 1 || l.Credentials.AccessKeyID == "" || string(l.Settings) != string(j.Settings) {
		t.Errorf("lease: %+v", l)
	}
}

func oneGets(t *testing.T, f *fixture) {
	ctx, stop := context.WithCancel(t.Context())
	const claims = 8
	got := make(chan *lease.Lease, claims)
	var all sync.WaitGroup
	for range claims {
		all.Go(func() {
			if l, err := f.Claim(ctx, "w"); err == nil {
				got <- l
			}
		})
	}
	f.submit(t, 1)
	<-got
	stop()
	all.Wait()
	if len(got) != 0 {
		t.Errorf("%d more leases on one job", len(got))
	}
}

func cancelReaches(t *testing.T, f *fixture) {
	j := f.submit(t, 1)
	l := f.claim(t)
	said := make(chan error, 1)
	go func() { said <- f.Wait(context.Background(), l) }()
	if err := f.Cancel(t.Context(), j.Account, j.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-said; err != nil {
		t.Errorf("Wait: got %v, want nil", err)
	}
	// A worker that asks later hears the same.
	if err := f.Wait(t.Context(), l); err != nil {
		t.Errorf("Wait afterwards: got %v, want nil", err)
	}
	if _, err := f.Report(t.Context(), l, lease.Progress{}); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Report: got %v, want ErrLost", err)
	}
	if f.creds.alive() != 1 {
		t.Error("the worker of a canceled job has no credentials to abort its uploads with")
	}
	if _, err := f.Renew(t.Context(), l); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Renew: got %v, want ErrLost", err)
	}
	if err := f.Finish(t.Context(), l, lease.Result{}); err != nil {
		t.Errorf("Finish: %v", err)
	}
	if f.creds.alive() != 0 {
		t.Error("the credentials of a canceled job outlive its end")
	}
}

// lingers: a worker that does not say that it has cleaned up loses its credentials all the same.
func lingers(t *testing.T, f *fixture) {
	j := f.submit(t, 1)
	l := f.claim(t)
	if err := f.Cancel(t.Context(), j.Account, j.ID); err != nil {
		t.Fatal(err)
	}
	f.run(t)
	<-f.clock.slept
	f.clock.advance(queue.DefaultLease)
	<-f.creds.revoked
	if f.creds.alive() != 0 {
		t.Error("the credentials of a canceled job live for ever")
	}
	if err := f.Wait(t.Context(), l); err != nil {
		t.Errorf("Wait: got %v, want nil", err)
	}
}

func givenUp(t *testing.T, f *fixture) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	f.submit(t, 1)
	if l, err := f.Claim(ctx, "w"); !errors.Is(err, context.Canceled) || l != nil {
		t.Errorf("got %v, %v", l, err)
	}
	if l := f.claim(t); l.Attempt != 1 {
		t.Errorf("attempt %d, want 1", l.Attempt)
	}
}

// run starts the rescuer and returns when it sleeps.
func (f *fixture) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

func rescued(t *testing.T, f *fixture) {
	f.submit(t, 1)
	l := f.claim(t)
	f.run(t)
	<-f.clock.slept
	lost := make(chan error, 1)
	go func() { lost <- f.Wait(context.Background(), l) }()
	f.clock.advance(queue.DefaultLease - time.Nanosecond)
	select {
	case err := <-lost:
		t.Fatalf("rescued before the deadline: %v", err)
	default:
	}
	f.clock.advance(time.Nanosecond)
	if err := <-lost; !errors.Is(err, lease.ErrLost) {
		t.Errorf("Wait: got %v, want ErrLost", err)
	}
	next := f.claim(t)
	if next.TaskID != l.TaskID || next.Epoch != l.Epoch+1 || next.Attempt != 2 || !next.Started.Equal(l.Started) {
		t.Errorf("rescued lease: %+v", next)
	}
	if err := f.Finish(t.Context(), l, lease.Result{}); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the late worker's finish: got %v, want ErrLost", err)
	}
}

func heldOff(t *testing.T, f *fixture) {
	f.submit(t, 1)
	l := f.claim(t)
	f.run(t)
	<-f.clock.slept
	for range 5 {
		f.clock.advance(queue.DefaultLease / 2)
		deadline, err := f.Report(t.Context(), l, lease.Progress{Phase: job.Transcoding})
		if err != nil || !deadline.Equal(f.clock.Now().Add(queue.DefaultLease)) {
			t.Fatalf("Report = %v, %v", deadline, err)
		}
	}
}

func credentials(t *testing.T, f *fixture) {
	for n, end := range []func(l *lease.Lease) error{
		func(l *lease.Lease) error { return f.Finish(t.Context(), l, lease.Result{}) },
		func(l *lease.Lease) error { return f.Release(t.Context(), l) },
		func(l *lease.Lease) error {
			if err := f.Cancel(t.Context(), l.Account, l.JobID); err != nil {
				return err
			}
			return f.Finish(t.Context(), l, lease.Result{})
		},
	} {
		f.submit(t, n)
		l := f.claim(t)
		if f.creds.alive() != 1 {
			t.Fatalf("%d credentials live, want 1", f.creds.alive())
		}
		if err := end(l); err != nil {
			t.Fatal(err)
		}
		if f.creds.alive() != 0 {
			t.Errorf("end %d: the credentials outlive the lease", n)
		}
		if n == 1 { // released: take it out of the way
			if err := f.Cancel(t.Context(), l.Account, l.JobID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func refusedRole(t *testing.T, f *fixture) {
	f.creds.refuse[storetest.Job(1).ID] = job.Errorf(1433, "no such role")
	bad, good := f.submit(t, 1), f.submit(t, 2)
	if l := f.claim(t); l.JobID != good.ID {
		t.Errorf("claimed %s, want %s", l.JobID, good.ID)
	}
	j, err := f.Get(t.Context(), bad.Account, bad.ID)
	if err != nil || j.Status != job.Errored || j.ErrorCode != 1433 || j.ErrorMessage != "no such role" {
		t.Errorf("job: %+v, %v", j, err)
	}
}

func failingIssuer(t *testing.T, f *fixture) {
	f.creds.failing = errors.New("too many sessions")
	f.submit(t, 1)
	if _, err := f.Claim(t.Context(), "w"); err == nil {
		t.Fatal("no error")
	}
	f.creds.mu.Lock()
	f.creds.failing = nil
	f.creds.mu.Unlock()
	if l := f.claim(t); l.Attempt != 1 {
		t.Errorf("attempt %d, want 1: the failure was not the worker's", l.Attempt)
	}
}

func renew(t *testing.T, f *fixture) {
	f.submit(t, 1)
	l := f.claim(t)
	c, err := f.Renew(t.Context(), l)
	if err != nil || c.AccessKeyID == l.Credentials.AccessKeyID || f.creds.alive() != 1 {
		t.Errorf("renewed %v, %v; %d live", c.AccessKeyID, err, f.creds.alive())
	}
	if err := f.Finish(t.Context(), l, lease.Result{}); err != nil {
		t.Fatal(err)
	}
	if f.creds.alive() != 0 {
		t.Error("renewed credentials outlive the lease")
	}
	if _, err := f.Renew(t.Context(), l); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Renew after the end: got %v, want ErrLost", err)
	}
}

// renewRefused: a role that is not good any more ends the job with the reason, and the worker hears that its lease is gone.
func renewRefused(t *testing.T, f *fixture) {
	f.submit(t, 1)
	l := f.claim(t)
	f.creds.mu.Lock()
	f.creds.refuse[l.JobID] = job.Errorf(1434, "the role does not trust")
	f.creds.mu.Unlock()
	if _, err := f.Renew(t.Context(), l); !errors.Is(err, lease.ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	if err := f.Wait(t.Context(), l); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Wait: got %v, want ErrLost", err)
	}
	j, err := f.Get(t.Context(), l.Account, l.JobID)
	if err != nil || j.Status != job.Errored || j.ErrorCode != 1434 || f.creds.alive() != 0 {
		t.Errorf("got %s %d, %v; %d live credentials", j.Status, j.ErrorCode, err, f.creds.alive())
	}
}

// fetcher is a queue.KeyFetcher that a test decides.
type fetcher func(ctx context.Context, j *job.Job, taskID string, epoch int64, group int) ([]cenc.Protection, error)

func (fetch fetcher) Fetch(ctx context.Context, j *job.Job, taskID string, epoch int64, group int) ([]cenc.Protection, error) {
	return fetch(ctx, j, taskID, epoch, group)
}

func contentKeys(t *testing.T, f *fixture) {
	var fetch fetcher
	f.Queue = f.again(queue.Options{ContentKeys: fetcher(func(ctx context.Context, j *job.Job, taskID string, epoch int64, group int) ([]cenc.Protection, error) {
		return fetch(ctx, j, taskID, epoch, group)
	})})
	j := f.submit(t, 1)
	l := f.claim(t)
	value := secret.New([]byte("sixteen bytes ok"))
	give := []cenc.Protection{{Key: cenc.Key{Value: value}}}
	fetch = func(_ context.Context, of *job.Job, taskID string, epoch int64, group int) ([]cenc.Protection, error) {
		if of.ID != j.ID || taskID != l.TaskID || epoch != l.Epoch || group != 3 {
			t.Errorf("fetch for %s, %s, %d, group %d", of.ID, taskID, epoch, group)
		}
		return give, nil
	}
	if keys, err := f.ContentKeys(t.Context(), l, 3); err != nil || len(keys) != 1 {
		t.Errorf("the holder: %d keys, error %v", len(keys), err)
	}
	fetch = func(context.Context, *job.Job, string, int64, int) ([]cenc.Protection, error) {
		return nil, job.Errorf(1091, "no")
	}
	if _, err := f.ContentKeys(t.Context(), l, 3); !isJobError(err, 1091) {
		t.Errorf("a refusal: %v", err)
	}
	fetch = func(context.Context, *job.Job, string, int64, int) ([]cenc.Protection, error) {
		t.Error("keys were fetched for who does not hold the lease")
		return give, nil
	}
	for name, other := range map[string]lease.Lease{
		"another epoch": {TaskID: l.TaskID, JobID: l.JobID, Epoch: l.Epoch + 1}, "another task": {TaskID: "other", JobID: l.JobID, Epoch: l.Epoch}, "nothing": {},
	} {
		if keys, err := f.ContentKeys(t.Context(), &other, 3); !errors.Is(err, lease.ErrLost) || keys != nil {
			t.Errorf("%s: %d keys, error %v", name, len(keys), err)
		}
	}
	// A cancel ends the fetching, and what came in all the same is given to nobody.
	entered := make(chan struct{})
	fetch = func(ctx context.Context, _ *job.Job, _ string, _ int64, _ int) ([]cenc.Protection, error) {
		close(entered)
		<-ctx.Done()
		return give, nil
	}
	said := make(chan error, 1)
	go func() {
		keys, err := f.ContentKeys(context.Background(), l, 3)
		if keys != nil {
			err = errors.New("keys were given")
		}
		said <- err
	}()
	<-entered
	if err := f.Cancel(t.Context(), j.Account, j.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-said; !errors.Is(err, lease.ErrLost) {
		t.Errorf("when the job was canceled: %v", err)
	}
	if string(value.Reveal()) != string(make([]byte, 16)) {
		t.Error("the keys that nobody gets are still there")
	}
	fetch = func(context.Context, *job.Job, string, int64, int) ([]cenc.Protection, error) {
		t.Error("keys were fetched for a canceled job")
		return give, nil
	}
	if _, err := f.ContentKeys(t.Context(), l, 3); !errors.Is(err, lease.ErrLost) {
		t.Errorf("of a canceled job: %v", err)
	}
	bare := f.again(queue.Options{})
	if _, err := bare.Submit(t.Context(), storetest.Job(2)); err != nil {
		t.Fatal(err)
	}
	second, err := bare.Claim(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.ContentKeys(t.Context(), second, 0); !isJobError(err, 1091) {
		t.Errorf("where nothing asks key servers: %v", err)
	}
}

func isJobError(err error, code int) bool {
	e, ok := errors.AsType[*job.Error](err)
	return ok && e.Code == code
}

func void(t *testing.T, f *fixture) {
	f.submit(t, 1)
	l := f.claim(t)
	got := make(chan *lease.Lease, 1)
	go func() {
		next, err := f.Claim(context.Background(), "w2")
		if err != nil {
			t.Error(err)
		}
		got <- next
	}()
	if err := f.Void(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next := <-got; next.TaskID != l.TaskID || next.Epoch != l.Epoch+1 {
		t.Errorf("lease: %+v", next)
	}
	if err := f.Wait(t.Context(), l); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Wait of the voided lease: got %v, want ErrLost", err)
	}
}

func finishTwice(t *testing.T, f *fixture) {
	j := f.submit(t, 1)
	l := f.claim(t)
	for range 2 {
		if err := f.Finish(t.Context(), l, lease.Result{}); err != nil {
			t.Error(err)
		}
	}
	if err := f.Cancel(t.Context(), j.Account, j.ID); !errors.Is(err, job.ErrFinished) {
		t.Errorf("cancel: got %v, want ErrFinished", err)
	}
	c, err := f.Count(t.Context(), j.Account, j.Queue)
	if err != nil || c != (job.Counts{}) {
		t.Errorf("counts: %+v, %v", c, err)
	}
}

const fastQueue = "arn:aws:mediaconvert:us-east-1:111122223333:queues/Fast"

// createQueue records the queue that submit's jobs go to, or another one.
func (f *fixture) createQueue(t *testing.T, name string, rules store.QueueRules) {
	t.Helper()
	j := storetest.Job(0)
	if err := f.CreateResource(t.Context(), &store.Resource{Account: j.Account, Kind: store.Queue, Name: name, Queue: rules}, 0); err != nil {
		t.Fatal(err)
	}
}

// claiming is a claim that waits.
func (f *fixture) claiming(t *testing.T) <-chan *lease.Lease {
	got := make(chan *lease.Lease, 1)
	go func() {
		l, err := f.Claim(context.Background(), "w")
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	return got
}

func goesOn(t *testing.T, f *fixture) {
	j := f.submit(t, 1)
	f.createQueue(t, "Default", store.QueueRules{ARN: j.Queue, Paused: true})
	got := f.claiming(t)
	if _, err := f.ChangeResource(t.Context(), j.Account, store.Queue, "Default", func(r *store.Resource) error {
		r.Queue.Paused = false
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if l := <-got; l.JobID != j.ID {
		t.Errorf("claimed %s", l.JobID)
	}
}

func placeFree(t *testing.T, f *fixture) {
	first := f.submit(t, 1)
	f.createQueue(t, "Default", store.QueueRules{ARN: first.Queue, Concurrent: 1})
	second := f.submit(t, 2)
	l := f.claim(t)
	got := f.claiming(t)
	if err := f.Finish(t.Context(), l, lease.Result{}); err != nil {
		t.Fatal(err)
	}
	if l := <-got; l.JobID != second.ID {
		t.Errorf("claimed %s", l.JobID)
	}
}

func hops(t *testing.T, f *fixture) {
	j := storetest.Job(1)
	f.createQueue(t, "Default", store.QueueRules{ARN: j.Queue, Paused: true})
	f.createQueue(t, "Fast", store.QueueRules{ARN: fastQueue})
	f.run(t)
	got := f.claiming(t)
	j.Hops = []job.Hop{{Queue: fastQueue, Wait: time.Minute}}
	if _, err := f.Submit(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	<-f.clock.slept // until the hop is due
	f.clock.advance(time.Minute - time.Nanosecond)
	select {
	case l := <-got:
		t.Fatalf("claimed too early: %+v", l)
	default:
	}
	f.clock.advance(time.Nanosecond)
	if l := <-got; l.JobID != j.ID {
		t.Errorf("claimed %s", l.JobID)
	}
	moved, err := f.Get(t.Context(), j.Account, j.ID)
	if err != nil || moved.Queue != fastQueue || len(moved.Transitions) != 1 {
		t.Errorf("moved: %+v %v", moved, err)
	}
}
