// Package storetest is the suite that every driver of store.Store passes.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
)

const (
	account = "111122223333"
	queue   = "arn:aws:mediaconvert:us-east-1:111122223333:queues/Default"
)

var epoch = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// at is a moment some seconds after the suite's beginning.
func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// Job makes a submitted job with the n-th id.
func Job(n int) *job.Job {
	return &job.Job{
		ID: fmt.Sprintf("%013d-aaaaaa", 1_700_000_000_000+n), Account: account, Queue: queue, Role: "arn:aws:iam::111122223333:role/R",
		Status: job.Submitted, Settings: json.RawMessage(`{"inputs":[]}`), Submitted: at(n), RequestHash: "h",
		Request: json.RawMessage(`{"userMetadata":{"k":"v"},"statusUpdateInterval":"SECONDS_10"}`),
	}
}

// Run tries a driver. open gives an empty store.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"submit and get", submitAndGet},
		{"client token", clientToken},
		{"list", list},
		{"claims follow priority and age", claimOrder},
		{"a task is held once", heldOnce},
		{"a stale epoch is refused", staleEpoch},
		{"report", report},
		{"finish", finish},
		{"fail", fail},
		{"release does not count", release},
		{"cancel", cancel},
		{"expire at the deadline", expire},
		{"attempts are bounded", attempts},
		{"48 hours", tooLong},
		{"void", void},
		{"readers of the trail", readers},
		{"resources", resources},
		{"pages of resources", resourcePages},
		{"claims obey queues", queues},
		{"queues are served fairly", fair},
		{"hops", hops},
		{"facets", facets},
		{"change of a job", changeJob},
		{"forget", forget},
		{"registries", registryChanges},
		{"changes of a registry at once", registryAtOnce},
		{"events", events},
		{"states", states},
		{"deliveries", deliveries},
		{"audit trail", trail},
		{"holds", holds},
		{"retention of audit records", retention},
		{"records of requests", pending},
		{"one failing change leaves the others", isolation},
		{"backlog", backlog},
		{"random operations against a model", model},
		{"a context that has ended changes nothing", ended},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func submit(t *testing.T, s store.Store, j *job.Job) {
	t.Helper()
	if _, err := s.Submit(t.Context(), j, j.Submitted); err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, s store.Store, now int) *store.Claimed {
	t.Helper()
	c, err := s.Claim(t.Context(), "w", at(now), at(now+30))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func submitAndGet(t *testing.T, s store.Store) {
	j := Job(1)
	submit(t, s, j)
	got := must[*job.Job](t)(s.Get(t.Context(), account, j.ID))
	if d := cmp.Diff(j, got); d != "" {
		t.Errorf("job (-want +got):\n%s", d)
	}
	_, err := s.Get(t.Context(), "999999999999", j.ID)
	is(t, "another account", err, job.ErrNotFound)
	_, err = s.Get(t.Context(), account, "x")
	is(t, "unknown id", err, job.ErrNotFound)
	if _, err := s.Submit(t.Context(), j, at(1)); err == nil {
		t.Error("the same id twice: no error")
	}
	c := must[job.Counts](t)(s.Count(t.Context(), account, queue))
	if c != (job.Counts{Submitted: 1}) {
		t.Errorf("counts: %+v", c)
	}
	if c := must[job.Counts](t)(s.Count(t.Context(), account, "other")); c != (job.Counts{}) {
		t.Errorf("counts of another queue: %+v", c)
	}
}

func clientToken(t *testing.T, s store.Store) {
	a, b, c, d := Job(1), Job(2), Job(3), Job(4)
	a.ClientToken, b.ClientToken, c.ClientToken, d.ClientToken = "t", "t", "t", "t"
	c.RequestHash, d.Account = "other", "999999999999"
	submit(t, s, a)
	if got := must[*job.Job](t)(s.Submit(t.Context(), b, at(2))); got.ID != a.ID {
		t.Errorf("a repeat gave %s, want the first %s", got.ID, a.ID)
	}
	_, err := s.Submit(t.Context(), c, at(3))
	is(t, "another request", err, job.ErrTokenReused)
	if got := must[*job.Job](t)(s.ByToken(t.Context(), account, "t")); got.ID != a.ID {
		t.Errorf("by token: %s, want %s", got.ID, a.ID)
	}
	for _, other := range [][2]string{{account, "T"}, {account, ""}, {"999999999999", "t"}} {
		_, err := s.ByToken(t.Context(), other[0], other[1])
		is(t, "by another token", err, job.ErrNotFound)
	}
	submit(t, s, d)
	if n := len(must[[]*job.Job](t)(s.List(t.Context(), job.Query{Account: account, Limit: 9}))); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}

func list(t *testing.T, s store.Store) {
	for n := 1; n <= 5; n++ {
		j := Job(n)
		if n == 3 {
			j.Queue = "other"
		}
		submit(t, s, j)
	}
	claim(t, s, 10) // the oldest progresses
	ids := func(q job.Query) (out []string) {
		q.Account = account
		if q.Limit == 0 {
			q.Limit = 10
		}
		for _, j := range must[[]*job.Job](t)(s.List(t.Context(), q)) {
			out = append(out, j.ID[12:13])
		}
		return out
	}
	for _, c := range []struct {
		name string
		q    job.Query
		want []string
	}{
		{"newest first", job.Query{}, []string{"5", "4", "3", "2", "1"}},
		{"oldest first", job.Query{Ascending: true}, []string{"1", "2", "3", "4", "5"}},
		{"a page", job.Query{Limit: 2, After: Job(4).ID}, []string{"3", "2"}},
		{"a page, oldest first", job.Query{Limit: 2, After: Job(2).ID, Ascending: true}, []string{"3", "4"}},
		{"by status", job.Query{Status: job.Progressing}, []string{"1"}},
		{"by queue", job.Query{Queue: "other"}, []string{"3"}},
		{"by both", job.Query{Queue: queue, Status: job.Submitted}, []string{"5", "4", "2"}},
		{"none", job.Query{Status: job.Complete}, nil},
	} {
		if d := cmp.Diff(c.want, ids(c.q)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func claimOrder(t *testing.T, s store.Store) {
	for n, p := range []int{0, 5, -5, 5, 0} {
		j := Job(n + 1)
		j.Priority = p
		submit(t, s, j)
	}
	var got []string
	for c := claim(t, s, 10); c != nil; c = claim(t, s, 10) {
		got = append(got, c.Job.ID[12:13])
		if c.Job.Status != job.Progressing || !c.Job.Started.Equal(at(10)) || c.Attempt != 1 || c.Epoch != 1 {
			t.Errorf("claimed %+v", c)
		}
	}
	if d := cmp.Diff([]string{"2", "4", "1", "5", "3"}, got); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

func heldOnce(t *testing.T, s store.Store) {
	const jobs, workers = 40, 8
	for n := range jobs {
		submit(t, s, Job(n))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for {
				c, err := s.Claim(context.Background(), fmt.Sprint(w), at(1), at(31))
				if err != nil {
					t.Error(err)
					return
				}
				if c == nil {
					return
				}
				mu.Lock()
				seen[c.TaskID]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(seen) != jobs {
		t.Errorf("%d tasks claimed, want %d", len(seen), jobs)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func staleEpoch(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	first := claim(t, s, 0)
	must[[]store.Ended](t)(s.Expire(t.Context(), at(30)))
	second := claim(t, s, 31)
	if second == nil || second.Epoch != first.Epoch+1 || second.Attempt != 2 || !second.Job.Started.Equal(at(0)) {
		t.Fatalf("second claim: %+v", second)
	}
	ctx := t.Context()
	is(t, "report", s.Report(ctx, first.TaskID, first.Epoch, lease.Progress{}, at(32), at(62)), lease.ErrLost)
	is(t, "finish", s.Finish(ctx, first.TaskID, first.Epoch, lease.Result{}, at(32)), lease.ErrLost)
	is(t, "release", s.Release(ctx, first.TaskID, first.Epoch, at(32)), lease.ErrLost)
	is(t, "an epoch that never was", s.Report(ctx, first.TaskID, 99, lease.Progress{}, at(32), at(62)), lease.ErrLost)
	is(t, "an unknown task", s.Report(ctx, "nobody", 1, lease.Progress{}, at(32), at(62)), lease.ErrLost)
	ok(t, s.Finish(ctx, second.TaskID, second.Epoch, lease.Result{}, at(33)))
}

func report(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	c := claim(t, s, 0)
	uploads := []lease.Upload{{Bucket: "b", Key: "k", ID: "u"}}
	ok(t, s.Report(t.Context(), c.TaskID, c.Epoch, lease.Progress{Phase: job.Transcoding, PhasePercent: 40, Percent: 30, Engine: "e 1", EngineBuild: "by cc", Uploads: uploads}, at(5), at(35)))
	j := must[*job.Job](t)(s.Get(t.Context(), account, c.Job.ID))
	if j.Phase != job.Transcoding || j.PhasePercent != 40 || j.Percent != 30 || j.EngineVersion != "e 1" || j.EngineBuild != "by cc" {
		t.Errorf("job: %+v", j)
	}
	if next := must[time.Time](t)(s.NextDeadline(t.Context())); !next.Equal(at(35)) {
		t.Errorf("next deadline %v, want %v", next, at(35))
	}
	if e := must[[]store.Ended](t)(s.Expire(t.Context(), at(34))); len(e) != 0 {
		t.Errorf("an extended lease was ended: %v", e)
	}
	must[[]store.Ended](t)(s.Expire(t.Context(), at(35)))
	again := claim(t, s, 36)
	if d := cmp.Diff(uploads, again.Uploads); d != "" {
		t.Errorf("left uploads (-want +got):\n%s", d)
	}
}

func finish(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	c := claim(t, s, 0)
	r := lease.Result{EventDetails: []event.OutputGroup{{Type: "FILE_GROUP", OutputDetails: []event.Output{
		{OutputFilePaths: []string{"s3://out/a.mp4"}, DurationInMs: 1000, VideoDetails: &event.OutputVideo{WidthInPx: 640, HeightInPx: 360, AverageBitrate: 7}}, {DurationInMs: 2000},
	}}, {}}}
	const shown = `[{"outputDetails":[{"durationInMs":1000,"videoDetails":{"widthInPx":640,"heightInPx":360}},{"durationInMs":2000}]},{"outputDetails":[]}]`
	ok(t, s.Finish(t.Context(), c.TaskID, c.Epoch, r, at(9)))
	ok(t, s.Finish(t.Context(), c.TaskID, c.Epoch, r, at(10))) // the answer was lost, it is said again
	j := must[*job.Job](t)(s.Get(t.Context(), account, c.Job.ID))
	if j.Status != job.Complete || !j.Finished.Equal(at(9)) || j.Percent != 100 || string(j.OutputDetails) != shown {
		t.Errorf("job: %+v", j)
	}
	is(t, "report after the end", s.Report(t.Context(), c.TaskID, c.Epoch, lease.Progress{}, at(11), at(41)), lease.ErrLost)
	_, _, _, err := s.Cancel(t.Context(), account, j.ID, at(12))
	is(t, "cancel after the end", err, job.ErrFinished)
	if claim(t, s, 13) != nil {
		t.Error("a finished task was claimed")
	}
}

func fail(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	c := claim(t, s, 0)
	ok(t, s.Finish(t.Context(), c.TaskID, c.Epoch, lease.Result{Error: &lease.Failure{Code: 1404, Message: "m"}}, at(9)))
	j := must[*job.Job](t)(s.Get(t.Context(), account, c.Job.ID))
	if j.Status != job.Errored || j.ErrorCode != 1404 || j.ErrorMessage != "m" || !j.Finished.Equal(at(9)) {
		t.Errorf("job: %+v", j)
	}
}

func release(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	for n := range 2 * store.MaxAttempts {
		c := claim(t, s, n)
		if c == nil || c.Attempt != 1 || c.Epoch != int64(n+1) {
			t.Fatalf("claim %d: %+v", n, c)
		}
		ok(t, s.Release(t.Context(), c.TaskID, c.Epoch, at(n)))
	}
	if j := must[*job.Job](t)(s.Get(t.Context(), account, Job(1).ID)); j.RetryCount != 0 {
		t.Errorf("retry count %d, want 0", j.RetryCount)
	}
}

func cancel(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	submit(t, s, Job(2))
	ctx := t.Context()
	c := claim(t, s, 0)
	task, e, running, err := s.Cancel(ctx, account, Job(1).ID, at(5))
	if err != nil || !running || task != c.TaskID || e != c.Epoch {
		t.Errorf("cancel of a running job: %q %d %v %v", task, e, running, err)
	}
	_, _, running, err = s.Cancel(ctx, account, Job(2).ID, at(6))
	if err != nil || running {
		t.Errorf("cancel of a waiting job: %v %v", running, err)
	}
	for n := 1; n <= 2; n++ {
		if j := must[*job.Job](t)(s.Get(ctx, account, Job(n).ID)); j.Status != job.Canceled || j.Finished.IsZero() {
			t.Errorf("job %d: %+v", n, j)
		}
		_, _, _, err := s.Cancel(ctx, account, Job(n).ID, at(7))
		is(t, "cancel again", err, job.ErrFinished)
	}
	is(t, "report of a canceled job", s.Report(ctx, c.TaskID, c.Epoch, lease.Progress{}, at(7), at(37)), lease.ErrLost)
	ok(t, s.Finish(ctx, c.TaskID, c.Epoch, lease.Result{}, at(8)))
	if j := must[*job.Job](t)(s.Get(ctx, account, Job(1).ID)); j.Status != job.Canceled {
		t.Errorf("a late finish made it %s", j.Status)
	}
	if claim(t, s, 9) != nil {
		t.Error("a canceled task was claimed")
	}
	_, _, _, err = s.Cancel(ctx, account, "nobody", at(7))
	is(t, "cancel of nothing", err, job.ErrNotFound)
	_, _, _, err = s.Cancel(ctx, "999999999999", Job(1).ID, at(7))
	is(t, "cancel by another account", err, job.ErrNotFound)
}

// takenAway is what is said of the lease of a task that was claimed at 0, when it is taken away and can be claimed again.
func takenAway(c *store.Claimed) store.Ended {
	return store.Ended{
		TaskID: c.TaskID, Epoch: c.Epoch, Again: true, Account: c.Job.Account, JobID: c.Job.ID, Worker: "w", Attempt: c.Attempt, Claimed: at(0).Truncate(time.Microsecond),
	}
}

func expire(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	if next := must[time.Time](t)(s.NextDeadline(t.Context())); !next.IsZero() {
		t.Errorf("nothing is leased, but the next deadline is %v", next)
	}
	c := claim(t, s, 0)
	if e := must[[]store.Ended](t)(s.Expire(t.Context(), at(30).Add(-time.Microsecond))); len(e) != 0 {
		t.Errorf("ended before its deadline: %v", e)
	}
	e := must[[]store.Ended](t)(s.Expire(t.Context(), at(30)))
	if d := cmp.Diff([]store.Ended{takenAway(c)}, e); d != "" {
		t.Errorf("ended (-want +got):\n%s", d)
	}
	j := must[*job.Job](t)(s.Get(t.Context(), account, c.Job.ID))
	if j.Status != job.Progressing || j.RetryCount != 1 {
		t.Errorf("job: %+v", j)
	}
	if next := must[time.Time](t)(s.NextDeadline(t.Context())); !next.IsZero() {
		t.Errorf("next deadline %v", next)
	}
}

func attempts(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	for n := 1; n <= store.MaxAttempts; n++ {
		c := claim(t, s, 100*n)
		if c == nil || c.Attempt != n {
			t.Fatalf("claim %d: %+v", n, c)
		}
		e := must[[]store.Ended](t)(s.Expire(t.Context(), at(100*n+30)))
		if len(e) != 1 || e[0].Again != (n < store.MaxAttempts) {
			t.Errorf("attempt %d ended %+v", n, e)
		}
	}
	j := must[*job.Job](t)(s.Get(t.Context(), account, Job(1).ID))
	if j.Status != job.Errored || j.ErrorCode != 1999 || j.ErrorMessage == "" {
		t.Errorf("job: %+v", j)
	}
	if claim(t, s, 999) != nil {
		t.Error("a failed task was claimed")
	}
}

func tooLong(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	claim(t, s, 0)
	now := at(1).Add(store.MaxProgressing)
	e := must[[]store.Ended](t)(s.Expire(t.Context(), now))
	j := must[*job.Job](t)(s.Get(t.Context(), account, Job(1).ID))
	if len(e) != 1 || e[0].Again || j.Status != job.Errored {
		t.Errorf("ended %+v, job %+v", e, j)
	}
}

func void(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	submit(t, s, Job(2))
	c := claim(t, s, 0)
	e := must[[]store.Ended](t)(s.Void(t.Context(), at(1)))
	if d := cmp.Diff([]store.Ended{takenAway(c)}, e); d != "" {
		t.Errorf("ended (-want +got):\n%s", d)
	}
	if again := claim(t, s, 2); again == nil || again.TaskID != c.TaskID {
		t.Errorf("claimed %+v, want the voided task first: it is older", again)
	}
}

func events(t *testing.T, s store.Store) {
	ctx := t.Context()
	submit(t, s, Job(1))
	c := claim(t, s, 0)
	ok(t, s.Report(ctx, c.TaskID, c.Epoch, lease.Progress{Phase: job.Transcoding, InputDetails: []event.Input{{ID: 1}}}, at(3), at(33)))
	ok(t, s.Report(ctx, c.TaskID, c.Epoch, lease.Progress{Phase: job.Transcoding, PhasePercent: 50, Percent: 50}, at(10), at(40)))
	ok(t, s.Report(ctx, c.TaskID, c.Epoch, lease.Progress{Phase: job.Transcoding, PhasePercent: 51, Percent: 51}, at(11), at(41)))
	ok(t, s.Finish(ctx, c.TaskID, c.Epoch, lease.Result{EventDetails: []event.OutputGroup{{Type: "FILE_GROUP"}}}, at(12)))
	all := must[[]store.Event](t)(s.Events(ctx, 0, 100))
	var got []string
	for i, e := range all {
		got = append(got, e.Status)
		var d struct {
			Timestamp                        int64
			AccountID, Queue, JobID, Status  string
			UserMetadata                     map[string]string
			OutputGroupDetails, InputDetails json.RawMessage
			JobProgress                      struct {
				JobPercentComplete int
				CurrentPhase       string
				PhaseProgress      map[string]struct {
					Status          string
					PercentComplete int
				}
			}
		}
		ok(t, json.Unmarshal(e.Detail, &d))
		if d.AccountID != account || d.JobID != c.Job.ID || d.Queue != queue || d.Status != e.Status || d.UserMetadata["k"] != "v" || d.Timestamp != e.Time.UnixMilli() {
			t.Errorf("detail of %s: %s", e.Status, e.Detail)
		}
		if e.Status == "STATUS_UPDATE" && (d.JobProgress.JobPercentComplete != 50 || d.JobProgress.PhaseProgress["TRANSCODING"].PercentComplete != 50 ||
			d.JobProgress.PhaseProgress["PROBING"].Status != "COMPLETE" || d.JobProgress.PhaseProgress["UPLOADING"].Status != "PENDING") {
			t.Errorf("progress: %s", e.Detail)
		}
		if e.Status == "COMPLETE" && len(d.OutputGroupDetails) == 0 || e.Status == "INPUT_INFORMATION" && len(d.InputDetails) == 0 {
			t.Errorf("detail of %s lacks its part: %s", e.Status, e.Detail)
		}
		if i > 0 && e.Sequence <= all[i-1].Sequence {
			t.Errorf("sequence %d after %d", e.Sequence, all[i-1].Sequence)
		}
	}
	if d := cmp.Diff([]string{"PROGRESSING", "INPUT_INFORMATION", "STATUS_UPDATE", "COMPLETE"}, got); d != "" {
		t.Fatalf("events (-want +got):\n%s", d)
	}
	if rest := must[[]store.Event](t)(s.Events(ctx, all[1].Sequence, 1)); len(rest) != 1 || rest[0].Status != "STATUS_UPDATE" {
		t.Errorf("after the second: %+v", rest)
	}
	ok(t, s.Dispatch(ctx, all[2].Sequence, at(0), nil))
	if rest := must[[]store.Event](t)(s.Events(ctx, 0, 100)); len(rest) != 1 || rest[0].Status != "COMPLETE" {
		t.Errorf("after dispatching: %+v", rest)
	}
}

// isolation: changes that share a transaction succeed and fail one by one.
func isolation(t *testing.T, s store.Store) {
	submit(t, s, Job(0))
	const n = 60
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			j := Job(i)
			if i%2 == 0 {
				j = Job(0) // is there already
			}
			_, errs[i] = s.Submit(context.Background(), j, at(i))
		})
	}
	all.Wait()
	for i, err := range errs {
		if (err == nil) != (i%2 == 1) {
			t.Errorf("submit %d: %v", i, err)
		}
	}
	if got := len(must[[]*job.Job](t)(s.List(t.Context(), job.Query{Account: account, Limit: 100}))); got != n/2+1 {
		t.Errorf("%d jobs, want %d", got, n/2+1)
	}
}

func ended(t *testing.T, s store.Store) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Submit(ctx, Job(1), at(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, err := s.Get(t.Context(), account, Job(1).ID)
	is(t, "the job", err, job.ErrNotFound)
}

// model tries random operations and compares with what a few lines of memory say.
func model(t *testing.T, s store.Store) {
	type state struct {
		status   job.Status
		epoch    int64
		leased   bool
		attempts int
	}
	ctx, rnd := t.Context(), rand.New(rand.NewPCG(1, 2))
	want := map[string]*state{}
	var ids []string
	for step := range 600 {
		now := at(step)
		pick := func() string { return ids[rnd.IntN(len(ids))] }
		switch op := rnd.IntN(8); {
		case op == 0 || len(ids) == 0:
			j := Job(step)
			submit(t, s, j)
			ids = append(ids, j.ID)
			want[j.ID] = &state{status: job.Submitted}
		case op <= 2:
			c, err := s.Claim(ctx, "w", now, now.Add(20*time.Second))
			ok(t, err)
			if c == nil {
				continue
			}
			m := want[c.Job.ID]
			m.epoch++
			m.attempts++
			if m.leased || m.epoch != c.Epoch || m.attempts != c.Attempt {
				t.Fatalf("step %d: claimed %+v, model %+v", step, c, m)
			}
			m.leased, m.status = true, job.Progressing
		case op == 3:
			id := pick()
			m := want[id]
			_, _, running, err := s.Cancel(ctx, account, id, now)
			if canceled := m.status.CanBecome(job.Canceled); canceled != (err == nil) || canceled && running != m.leased {
				t.Fatalf("step %d: cancel %v, running %v, model %+v", step, err, running, m)
			}
			if err == nil {
				m.status, m.leased = job.Canceled, false
			}
		case op == 4:
			ended, err := s.Expire(ctx, now)
			ok(t, err)
			for _, e := range ended {
				m := want[e.TaskID[len(account)+1:]]
				if !m.leased || e.Epoch != m.epoch || e.Again != (m.attempts < store.MaxAttempts) {
					t.Fatalf("step %d: ended %+v, model %+v", step, e, m)
				}
				if m.leased = false; !e.Again {
					m.status = job.Errored
				}
			}
		default:
			id := pick()
			m := want[id]
			task, holds := account+"/"+id, m.leased
			stale := rnd.IntN(4) == 0
			e := m.epoch
			if stale {
				e--
			}
			var err error
			if op == 5 {
				err = s.Report(ctx, task, e, lease.Progress{Phase: job.Transcoding}, now, now.Add(20*time.Second))
				if (err == nil) != (holds && !stale) {
					t.Fatalf("step %d: report %v, model %+v, stale %v", step, err, m, stale)
				}
			} else if op == 6 {
				if err = s.Release(ctx, task, e, now); (err == nil) != (holds && !stale) {
					t.Fatalf("step %d: release %v, model %+v, stale %v", step, err, m, stale)
				}
				if err == nil {
					m.leased = false
					m.attempts--
				}
			} else {
				err = s.Finish(ctx, task, e, lease.Result{}, now)
				if holds && (err == nil) != !stale {
					t.Fatalf("step %d: finish %v, model %+v, stale %v", step, err, m, stale)
				}
				if holds && err == nil {
					m.status, m.leased = job.Complete, false
				}
			}
		}
	}
	for id, m := range want {
		if j := must[*job.Job](t)(s.Get(ctx, account, id)); j.Status != m.status {
			t.Errorf("%s is %s, the model says %s", id, j.Status, m.status)
		}
	}
}
