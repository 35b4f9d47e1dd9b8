package queue

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/store/storetest"
)

// heard notes what an observer is told.
type heard struct {
	mu    sync.Mutex // guards what follows
	lines []string
	sums  lease.Measured
}

func (h *heard) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *heard) Submitting(context.Context) string { return "the trace" }

func (h *heard) Submitted(_ context.Context, j *job.Job, _, _ time.Time) {
	h.note("submitted %s %s", j.ID[12:13], j.Trace)
}

func (h *heard) Claimed(a lease.Attempt) {
	h.note("claimed %s for the %d. time", a.Job.ID[12:13], a.Number)
}

func (h *heard) Measured(_ lease.Attempt, m lease.Measured) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sums.Read += m.Read
	h.sums.Written += m.Written
	h.sums.Dropped += m.Dropped
	h.sums.Steps = append(h.sums.Steps, m.Steps...)
}

func (h *heard) Released(a lease.Attempt, how lease.End, _, _ time.Time) {
	h.note("released %s, claimed at %d: %s", a.Job.ID[12:13], a.Claimed.Unix(), how)
}

func (h *heard) Ended(j *job.Job, r lease.Result) {
	h.note("ended %s: %s, said %t", j.ID[12:13], j.Status, len(r.EventDetails) > 0)
}

// issuer gives credentials, or fails.
type issuer struct{ err error }

func (i *issuer) Issue(context.Context, *job.Job, int64) (lease.Credentials, error) {
	return lease.Credentials{AccessKeyID: "A"}, i.err
}
func (*issuer) Revoke(string) {}

type clock struct {
	mu sync.Mutex // guards t
	t  time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) After(time.Duration) <-chan time.Time { return nil }

func (c *clock) set(seconds int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = time.Unix(seconds, 0).UTC()
}

// TestObserver: each thing that becomes of jobs and leases is told once, also when it is said twice, and by a queue that was not there when it began.
func TestObserver(t *testing.T) {
	t.Parallel()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	h, c, creds := new(heard), new(clock), new(issuer)
	make := func() *Queue {
		return New(records, Options{Credentials: creds, Clock: c, Observer: h})
	}
	q, ctx := make(), t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	submit := func(n int) *job.Job {
		j := storetest.Job(n)
		j.ClientToken = fmt.Sprint(n)
		_, err := q.Submit(ctx, j)
		ok(err)
		return j
	}
	claim := func(q *Queue) *lease.Lease {
		t.Helper()
		l, err := q.Claim(ctx, "w")
		ok(err)
		return l
	}
	step := func(what string, do func(), want ...string) {
		t.Helper()
		h.mu.Lock()
		h.lines = nil
		h.mu.Unlock()
		do()
		slices.Sort(want)
		slices.Sort(h.lines)
		if d := cmp.Diff(want, h.lines); d != "" {
			t.Errorf("%s (-want +heard):\n%s", what, d)
		}
	}
	c.set(100)
	var l *lease.Lease
	step("a job, submitted twice", func() {
		j := submit(1)
		if j.Trace != "" {
			t.Error("the caller's job was changed")
		}
		again := storetest.Job(2)
		again.ClientToken = "1"
		_, err := q.Submit(ctx, again)
		ok(err)
	}, "submitted 1 the trace")
	step("a lease that is handed back", func() { l = claim(q); ok(q.Release(ctx, l)); _ = q.Release(ctx, l) },
		"claimed 1 for the 1. time", "released 1, claimed at 100: handed_back")
	c.set(200)
	step("complete, said twice", func() {
		l = claim(q)
		ok(q.Finish(ctx, l, lease.Result{EventDetails: []event.OutputGroup{{}}}))
		ok(q.Finish(ctx, l, lease.Result{EventDetails: []event.OutputGroup{{}}}))
	}, "claimed 1 for the 1. time", "released 1, claimed at 200: finished", "ended 1: COMPLETE, said true")
	step("failed", func() {
		submit(3)
		ok(q.Finish(ctx, claim(q), lease.Result{Error: &lease.Failure{Code: 1010, Message: "no"}}))
	}, "submitted 3 the trace", "claimed 3 for the 1. time", "released 3, claimed at 200: finished", "ended 3: ERROR, said false")
	step("canceled before it began, twice", func() {
		j := submit(4)
		ok(q.Cancel(ctx, j.Account, j.ID))
		if err := q.Cancel(ctx, j.Account, j.ID); !errors.Is(err, job.ErrFinished) {
			t.Error(err)
		}
	}, "submitted 4 the trace", "ended 4: CANCELED, said false")
	step("canceled while it runs, and then said to be complete", func() {
		j := submit(5)
		l = claim(q)
		ok(q.Cancel(ctx, j.Account, j.ID))
		ok(q.Finish(ctx, l, lease.Result{EventDetails: []event.OutputGroup{{}}}))
	}, "submitted 5 the trace", "claimed 5 for the 1. time", "ended 5: CANCELED, said false", "released 5, claimed at 200: canceled")
	step("no credentials", func() {
		submit(6)
		creds.err = job.Errorf(1432, "no")
		if _, found, err := q.claim(ctx, "w"); !found || err != nil {
			t.Error(found, err)
		}
		creds.err = nil
	}, "submitted 6 the trace", "claimed 6 for the 1. time", "released 6, claimed at 200: finished", "ended 6: ERROR, said false")
	c.set(300)
	step("lost with the process, again and again", func() {
		submit(7)
		claim(q)
		for range 2 {
			q = make()
			ok(q.Void(ctx))
			claim(q)
		}
		q = make()
		ok(q.Void(ctx))
		ok(q.Void(ctx))
	}, "submitted 7 the trace", "claimed 7 for the 1. time", "claimed 7 for the 2. time", "claimed 7 for the 3. time",
		"released 7, claimed at 300: lost", "released 7, claimed at 300: lost", "released 7, claimed at 300: lost", "ended 7: ERROR, said false")
	step("lost by time", func() {
		submit(8)
		l = claim(q)
		c.set(300 + int64(DefaultLease/time.Second) + 1)
		gone, err := records.Expire(ctx, c.Now())
		ok(err)
		q.ended(ctx, gone, c.Now())
		if _, err := q.Report(ctx, l, lease.Progress{}); !errors.Is(err, lease.ErrLost) {
			t.Error(err)
		}
	}, "submitted 8 the trace", "claimed 8 for the 1. time", "released 8, claimed at 300: lost")
}

// TestMeasured: what a worker says is counted once, and what cannot be is not counted.
func TestMeasured(t *testing.T) {
	t.Parallel()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	h, c := new(heard), new(clock)
	c.set(1000)
	q := New(records, Options{Credentials: new(issuer), Clock: c, Observer: h})
	if _, err := q.Submit(t.Context(), storetest.Job(1)); err != nil {
		t.Fatal(err)
	}
	l, err := q.Claim(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int64) time.Time { return time.Unix(1000+s, 0) }
	good := func(n int64) lease.Step {
		return lease.Step{Number: n, Kind: lease.StepUpload, Began: at(1), Ended: at(2)}
	}
	change := func(s lease.Step, f func(*lease.Step)) lease.Step { f(&s); return s }
	flood := make([]lease.Step, lease.MaxSteps+10)
	for i := range flood {
		flood[i] = good(int64(100 + i))
	}
	c.set(1010)
	for _, m := range []lease.Measured{
		{Read: 10, Written: 5, Steps: []lease.Step{good(1), good(2)}},
		{Read: 10, Written: 5, Steps: []lease.Step{good(1), good(2), good(3)}}, // the answer was lost
		{Read: 8, Written: 7, Dropped: -4},                                     // counts only grow
		{Steps: []lease.Step{
			change(good(4), func(s *lease.Step) { s.Kind = "mining" }),
			change(good(5), func(s *lease.Step) { s.Ended = at(0) }),
			change(good(6), func(s *lease.Step) { s.Began = at(-3600) }),
			change(good(7), func(s *lease.Step) { s.Ended = at(3600) }),
			change(good(8), func(s *lease.Step) { s.Key = strings.Repeat("k", maxKey+1) }),
			change(good(9), func(s *lease.Step) { s.Bucket = strings.Repeat("b", maxBucket+1) }),
			good(10),
		}},
		{Steps: flood},
	} {
		if _, err := q.Report(t.Context(), l, lease.Progress{Measured: m}); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Finish(t.Context(), l, lease.Result{Measured: lease.Measured{Read: 30, Written: 7, Dropped: 2}}); err != nil {
		t.Fatal(err)
	}
	if h.sums.Read != 30 || h.sums.Written != 7 || h.sums.Dropped != 2 {
		t.Errorf("counted %d read, %d written, %d dropped", h.sums.Read, h.sums.Written, h.sums.Dropped)
	}
	var numbers []int64
	for _, s := range h.sums.Steps[:min(5, len(h.sums.Steps))] {
		numbers = append(numbers, s.Number)
	}
	if !slices.Equal(numbers, []int64{1, 2, 3, 10, 100}) || len(h.sums.Steps) != 4+lease.MaxSteps {
		t.Errorf("%d steps, the first %v", len(h.sums.Steps), numbers)
	}
	q.measure(key{"nobody", 1}, lease.Measured{Read: 1}) // a lease that nobody holds
	if h.sums.Read != 30 {
		t.Error("counted for nobody")
	}
}
