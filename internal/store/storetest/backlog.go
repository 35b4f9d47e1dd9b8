package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
)

// backlog: what waits and runs is counted by queue, up to a bound, and the oldest is found whatever its priority.
func backlog(t *testing.T, s store.Store) {
	ctx := t.Context()
	read := func(queues, tasks int) []store.QueueBacklog {
		t.Helper()
		return must[[]store.QueueBacklog](t)(s.QueueBacklogs(ctx, queues, tasks))
	}
	if got := read(10, 10); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
	n, oldest, err := s.OutboxBacklog(ctx, 10)
	if ok(t, err); n != 0 || !oldest.IsZero() {
		t.Errorf("the empty outbox: %d, oldest %v", n, oldest)
	}
	a, b := queue+"-a", queue+"-b"
	for i, j := range []struct {
		queue    string
		priority int
	}{{a, -50}, {a, 50}, {a, 0}, {b, 0}, {a, 50}} {
		add := Job(i + 1)
		add.Queue, add.Priority = j.queue, j.priority
		submit(t, s, add)
	}
	first := claim(t, s, 20) // of a, with the highest priority
	if first.Job.ID != Job(2).ID {
		t.Fatalf("claimed %s", first.Job.ID)
	}
	began := func(i int) time.Time { return must[*job.Job](t)(s.Get(ctx, account, Job(i).ID)).Submitted }
	want := []store.QueueBacklog{{Queue: a, Waiting: 3, Running: 1, Oldest: began(1)}, {Queue: b, Waiting: 1, Oldest: began(4)}}
	if d := cmp.Diff(want, read(10, 10)); d != "" {
		t.Errorf("backlogs (-want +got):\n%s", d)
	}
	want[0].Waiting = 2
	if d := cmp.Diff(want[:1], read(1, 2)); d != "" {
		t.Errorf("bounded backlogs (-want +got):\n%s", d)
	}
	last := claim(t, s, 21)
	ok(t, s.Finish(ctx, first.TaskID, first.Epoch, lease.Result{}, at(22)))
	_, _, _, err = s.Cancel(ctx, account, Job(4).ID, at(23))
	ok(t, err)
	got := read(10, 10)
	want = []store.QueueBacklog{{Queue: last.Job.Queue, Waiting: 2, Running: 1, Oldest: began(1)}}
	if last.Job.Queue == b {
		want = []store.QueueBacklog{{Queue: a, Waiting: 3, Oldest: began(1)}, {Queue: b, Running: 1}}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("backlogs later (-want +got):\n%s", d)
	}
	n, oldest, err = s.OutboxBacklog(ctx, 2) // of PROGRESSING twice, COMPLETE and CANCELED
	if ok(t, err); n != 2 || !oldest.Equal(at(20)) {
		t.Errorf("the outbox: %d, oldest %v", n, oldest)
	}
	ok(t, s.Release(ctx, last.TaskID, last.Epoch, at(24)))
	if j := must[*job.Job](t)(s.Get(ctx, account, last.Job.ID)); j.Status != job.Canceled && !j.Waiting.Equal(at(24)) {
		t.Errorf("a job that was handed back waits since %v, want %v", j.Waiting, at(24))
	}
}
