package storetest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
)

// told checks which events the outbox has: status and queue of each.
func told(t *testing.T, s store.Store, want ...string) {
	t.Helper()
	var got []string
	for _, e := range must[[]store.Event](t)(s.Events(t.Context(), 0, 1000)) {
		var d event.Detail
		ok(t, json.Unmarshal(e.Detail, &d))
		got = append(got, e.Status+" "+d.Queue)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

// states: each of the eight, member by member, and never twice.
func states(t *testing.T, s store.Store) {
	ctx := t.Context()
	createQueue(t, s, "fast", store.QueueRules{})
	createQueue(t, s, "slow", store.QueueRules{Paused: true})
	up := 20
	hopping := inQueue(1, "slow", 3)
	hopping.Hops = []job.Hop{{Queue: arnOf("gone"), Wait: 1}, {Queue: arnOf("fast"), Priority: &up, Wait: 1}}
	submit(t, s, hopping)
	must[int](t)(s.Hop(ctx, at(2)))
	must[int](t)(s.Hop(ctx, at(3)))
	c := claim(t, s, 4)
	inputs := []event.Input{{ID: 1, URI: "s3://in/a.mp4"}}
	progress := lease.Progress{Phase: job.Transcoding, PhasePercent: 40, Percent: 40, Frames: 353, InputDetails: inputs}
	ok(t, s.Report(ctx, c.TaskID, c.Epoch, progress, at(5), at(35)))
	ok(t, s.Report(ctx, c.TaskID, c.Epoch, progress, at(6), at(36))) // the answer was lost
	ok(t, s.Report(ctx, c.TaskID, c.Epoch, progress, at(70), at(100)))
	// It is rescued, and looks into its input again.
	must[[]store.Ended](t)(s.Void(ctx, at(71)))
	c = claim(t, s, 72)
	ok(t, s.Report(ctx, c.TaskID, c.Epoch, progress, at(73), at(103)))
	groups := []event.OutputGroup{{Type: "FILE_GROUP", OutputDetails: []event.Output{{OutputFilePaths: []string{"s3://out/a.mp4"}, DurationInMs: 1000}}}}
	result := lease.Result{EventDetails: groups, Warnings: []event.Warning{{Code: 100000, Count: 2}, {Code: 240000, Count: 1}}}
	ok(t, s.Finish(ctx, c.TaskID, c.Epoch, result, at(80)))
	ok(t, s.Finish(ctx, c.TaskID, c.Epoch, result, at(81)))

	submit(t, s, Job(2))
	failing := claim(t, s, 90)
	ok(t, s.Finish(ctx, failing.TaskID, failing.Epoch, lease.Result{Error: &lease.Failure{Code: 1040, Message: "why"}, Warnings: []event.Warning{{Code: 230004, Count: 1}}}, at(91)))
	submit(t, s, Job(3))
	if _, _, _, err := s.Cancel(ctx, account, Job(3).ID, at(95)); err != nil {
		t.Fatal(err)
	}

	detail := func(n, second int, q string, status event.Status) event.Detail {
		return event.Detail{Timestamp: at(second).UnixMilli(), AccountID: account, Queue: q, JobID: Job(n).ID, Status: status, UserMetadata: map[string]string{"k": "v"}}
	}
	slow, fast := arnOf("slow"), arnOf("fast")
	want := []any{
		event.WarningDetail{Detail: detail(1, 2, slow, event.NewWarning), WarningCode: "100000", WarningMessage: "Your job couldn't hop from its original submission queue to its destination queue."},
		event.HopDetail{Detail: detail(1, 3, fast, event.QueueHop), PreviousQueue: slow, Priority: 20, PreviousPriority: 3},
		detail(1, 4, fast, event.Progressing),
		event.InputDetail{Detail: detail(1, 5, fast, event.InputInformation), InputDetails: inputs},
		event.StatusDetail{Detail: detail(1, 70, fast, event.StatusUpdate), FramesDecoded: 353, JobProgress: event.ProgressOf(event.Transcoding, 40, 40, 0)},
		event.WarningDetail{Detail: detail(1, 80, fast, event.NewWarning), WarningCode: "240000", WarningMessage: "MediaConvert added at least 100 milliseconds of audio silence to keep audio and video in sync."},
		event.CompleteDetail{Detail: detail(1, 80, fast, event.Complete), Warnings: []event.Warning{{Code: 100000, Count: 3}, {Code: 240000, Count: 1}}, OutputGroupDetails: groups},
		detail(2, 90, queue, event.Progressing),
		event.WarningDetail{Detail: detail(2, 91, queue, event.NewWarning), WarningCode: "230004", WarningMessage: "Your input is missing information in its 'mdhd' media header atom."},
		event.ErrorDetail{Detail: detail(2, 91, queue, event.Errored), ErrorCode: 1040, ErrorMessage: "why", Warnings: []event.Warning{{Code: 230004, Count: 1}}},
		detail(3, 95, queue, event.Canceled),
	}
	all := must[[]store.Event](t)(s.Events(ctx, 0, 100))
	var texts, got []string
	ids := map[string]bool{}
	for _, w := range want {
		texts = append(texts, string(must[[]byte](t)(event.Encode(w))))
	}
	for _, e := range all {
		got = append(got, string(e.Detail))
		if e.Account != account || e.JobID == "" || len(e.ID) != 36 || ids[e.ID] {
			t.Errorf("event %d: account %q, job %q, id %q", e.Sequence, e.Account, e.JobID, e.ID)
		}
		ids[e.ID] = true
	}
	if d := cmp.Diff(texts, got); d != "" {
		t.Errorf("details (-want +got):\n%s", d)
	}
	if j := must[*job.Job](t)(s.Get(ctx, account, Job(1).ID)); string(j.Warnings) != `[{"code":100000,"count":3},{"code":240000,"count":1}]` {
		t.Errorf("warnings of the job: %s", j.Warnings)
	}
}

// delivery is the nth event for a target, in a lane.
func delivery(n int, target, lane string) store.Delivery {
	return store.Delivery{Account: account, Target: target, Lane: lane, Event: fmt.Appendf(nil, "event %d", n), Subject: lane}
}

// due returns the events of the deliveries that can be made to a target, and the first of them.
func due(t *testing.T, s store.Store, target string, now int) (texts []string, first store.Delivery) {
	t.Helper()
	for _, d := range must[[]store.Delivery](t)(s.FirstDeliveries(t.Context(), target, 10)) {
		if d.Due.After(at(now)) {
			continue
		}
		if texts = append(texts, string(d.Event)); len(texts) == 1 {
			first = d
		}
	}
	return texts, first
}

// deliveries: from the outbox to each target in one step, in order in each lane, until they end.
func deliveries(t *testing.T, s store.Store) {
	ctx := t.Context()
	grown := s.EventsGrown()
	ok(t, s.Emit(ctx, at(0), store.Event{ID: "one", Account: account, Source: "mine", DetailType: "kind", Resources: []string{"r"}, Time: at(0), Detail: json.RawMessage(`{"a":1}`)},
		store.Event{ID: "two", Account: account, Source: "mine", DetailType: "kind", Time: at(0), Detail: json.RawMessage(`{}`)}))
	select {
	case <-grown:
	default:
		t.Error("nobody is told of the events")
	}
	all := must[[]store.Event](t)(s.Events(ctx, 0, 10))
	if len(all) != 2 || all[0].ID != "one" || all[0].Source != "mine" || all[0].DetailType != "kind" || len(all[0].Resources) != 1 || all[0].JobID != "" || string(all[0].Detail) != `{"a":1}` {
		t.Fatalf("outbox: %+v", all)
	}

	d := delivery(3, "a", "y")
	d.Input, d.Header = []byte("input"), map[string]string{"why": "x"}
	ok(t, s.Dispatch(ctx, all[0].Sequence, at(1), []store.Delivery{delivery(1, "a", "x"), delivery(2, "a", "x"), d, delivery(1, "b", "x")}))
	if rest := must[[]store.Event](t)(s.Events(ctx, 0, 10)); len(rest) != 1 || rest[0].ID != "two" {
		t.Errorf("outbox after: %+v", rest)
	}
	check := func(what string, now int, target string, want ...string) store.Delivery {
		t.Helper()
		got, first := due(t, s, target, now)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		return first
	}
	check("before they were added", 0, "a")
	first := check("the first of each lane", 1, "a", "event 1", "event 3")
	check("another target", 1, "b", "event 1")
	if d := cmp.Diff([]store.TargetWaiting{{Target: "a", N: 3, Oldest: at(1)}, {Target: "b", N: 1, Oldest: at(1)}}, must[[]store.TargetWaiting](t)(s.WaitingTargets(ctx))); d != "" {
		t.Errorf("waiting (-want +got):\n%s", d)
	}

	// A lane waits for its first; the others do not.
	ok(t, s.PostponeDelivery(ctx, first.Sequence, at(10), "HTTP 500"))
	third := check("while one waits", 9, "a", "event 3")
	if string(third.Input) != "input" || third.Header["why"] != "x" || third.Attempts != 0 || third.Lane != "y" || third.Account != account || !third.Enqueued.Equal(at(1)) {
		t.Errorf("as it was added: %+v", third)
	}
	ok(t, s.EndDelivery(ctx, third.Sequence, store.Delivered, "", at(9), nil))
	first = check("again", 10, "a", "event 1")
	if first.Attempts != 1 || first.Reason != "HTTP 500" {
		t.Errorf("after an attempt: %+v", first)
	}

	// It moves to the dead letters, and the next of its lane is the first.
	dead := delivery(1, "dead", "x")
	ok(t, s.EndDelivery(ctx, first.Sequence, store.Moved, "HTTP 400", at(11), &dead))
	ok(t, s.EndDelivery(ctx, first.Sequence, store.Moved, "HTTP 400", at(11), &dead)) // again
	check("the next of the lane", 11, "a", "event 2")
	letter := check("the dead letters", 11, "dead", "event 1")
	ok(t, s.EndDelivery(ctx, letter.Sequence, store.Failed, "no bucket", at(12), nil))
	check("no dead letters", 12, "dead")
	over := delivery(4, "a", "x")
	over.State, over.Reason = store.Failed, "too many"
	ok(t, s.Dispatch(ctx, all[1].Sequence, at(13), []store.Delivery{over, delivery(5, "a", "x")}))
	check("behind what waits", 13, "a", "event 2")
	check("nobody", 14, "nobody")

	finished := must[[]store.Delivery](t)(s.FinishedDeliveries(ctx, account, 10))
	var states []string
	for _, f := range finished {
		states = append(states, fmt.Sprintf("%s %s %s", f.State, f.Event, f.Reason))
	}
	if d := cmp.Diff([]string{"failed event 4 too many", "failed event 1 no bucket", "moved  HTTP 400", "delivered  "}, states); d != "" {
		t.Errorf("over (-want +got):\n%s", d)
	}
	if other := must[[]store.Delivery](t)(s.FinishedDeliveries(ctx, "999999999999", 10)); len(other) != 0 {
		t.Errorf("another account has %+v", other)
	}
	if n := must[int](t)(s.ForgetDeliveries(ctx, at(12), 1)); n != 1 {
		t.Errorf("forgot %d, want 1", n)
	}
	if n := must[int](t)(s.ForgetDeliveries(ctx, at(12), 10)); n != 1 {
		t.Errorf("forgot %d, want 1 more", n)
	}
	check("what waits stays", 14, "a", "event 2")
}
