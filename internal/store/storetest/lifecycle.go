package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/hold"
	"darkroom/internal/job"
	"darkroom/internal/store"
)

// holds: what is held is forgotten when the last hold on it is released, and not before.
func holds(t *testing.T, s store.Store) {
	kept, other := Job(1), Job(2)
	for n, j := range []*job.Job{kept, other} {
		submit(t, s, j)
		is(t, "forget a job that has not ended", s.ForgetJob(t.Context(), account, j.ID), store.ErrUnfinished)
		_, _, _, err := s.Cancel(t.Context(), account, j.ID, at(n))
		ok(t, err)
	}
	add := func(id string, on hold.Kind, target string, seconds int) {
		t.Helper()
		ok(t, s.AddHold(t.Context(), hold.Hold{ID: id, Account: account, On: on, Target: target, Reason: "case", By: "arn", Since: at(seconds)}))
	}
	add("b", hold.Job, kept.ID, 2)
	add("a", hold.Job, kept.ID, 1)
	add("c", hold.Objects, "films/reel/", 3)
	ok(t, s.AddHold(t.Context(), hold.Hold{ID: "a", Account: "999999999999", On: hold.Job, Target: other.ID, Since: at(0)})) // of another account: no matter
	if err := s.AddHold(t.Context(), hold.Hold{ID: "a", Account: account, On: hold.Records}); err == nil {
		t.Error("two holds have one id")
	}
	ids := func() (out string) {
		t.Helper()
		for _, h := range must[[]hold.Hold](t)(s.Holds(t.Context(), account)) {
			out += h.ID
		}
		return out
	}
	if got := ids(); got != "abc" {
		t.Errorf("holds %q", got)
	}
	if n := must[int](t)(s.Forget(t.Context(), at(1000), 10)); n != 1 {
		t.Errorf("%d forgotten, want the one that is not held", n)
	}
	is(t, "forget a job that is held", s.ForgetJob(t.Context(), account, kept.ID), store.ErrHeld)
	_, err := s.ReleaseHold(t.Context(), account, "none")
	is(t, "release what is not there", err, store.ErrNoHold)
	if h := must[hold.Hold](t)(s.ReleaseHold(t.Context(), account, "a")); h.Target != kept.ID || h.By != "arn" || !h.Since.Equal(at(1)) {
		t.Errorf("released %+v", h)
	}
	_, err = s.ReleaseHold(t.Context(), account, "a")
	is(t, "release twice", err, store.ErrNoHold)
	if n := must[int](t)(s.Forget(t.Context(), at(1000), 10)); n != 0 {
		t.Errorf("%d forgotten under the other hold", n)
	}
	must[hold.Hold](t)(s.ReleaseHold(t.Context(), account, "b"))
	ok(t, s.ForgetJob(t.Context(), account, kept.ID))
	is(t, "forget a job that is gone", s.ForgetJob(t.Context(), account, kept.ID), job.ErrNotFound)
	is(t, "get a job that is gone", func() error { _, err := s.Get(t.Context(), account, kept.ID); return err }(), job.ErrNotFound)
}

// retention: audit records go by age, in steps, none before it was delivered, none that is held.
func retention(t *testing.T, s store.Store) {
	const jobARN = "arn:aws:mediaconvert:us-east-1:" + account + ":jobs/held"
	for n := range 10 {
		r := record(n)
		r.EventTime, r.RecipientAccountID, r.EventID = at(n), account, fmt.Sprint("e", n)
		if n == 9 {
			r.EventTime = at(3) // the clock was set back: what is concluded last is not the youngest
		}
		r.Resources = []audit.Resource{{ARN: fmt.Sprintf("arn:aws:s3:::films/%d", n)}}
		if n == 2 {
			r.Resources = append(r.Resources, audit.Resource{ARN: jobARN})
		}
		if n == 4 {
			r.RecipientAccountID = "999999999999"
		}
		ok(t, s.Audit(t.Context(), r))
	}
	ctx, open := requested(t, 50) // one that is not concluded is not touched
	ok(t, s.Intend(ctx))
	ok(t, s.AddHold(t.Context(), hold.Hold{ID: "j", Account: account, On: hold.Job, Target: "held"}))
	ok(t, s.AddHold(t.Context(), hold.Hold{ID: "r", Account: "999999999999", On: hold.Records}))
	left := func() (out string) {
		t.Helper()
		for _, e := range must[[]audit.Entry](t)(s.Concluded(t.Context(), "", 0, 100)) {
			var r audit.Record
			ok(t, json.Unmarshal(e.Text, &r))
			out += r.EventID[1:]
		}
		return out
	}
	sweep := func(before time.Time, upTo int64, limit int) (n, steps int) {
		t.Helper()
		var after audit.Cursor
		for done := false; !done; steps++ {
			var k int
			var err error
			k, after, done, err = s.ForgetRecords(t.Context(), before, upTo, after, limit)
			ok(t, err)
			n += k
		}
		return n, steps
	}
	for _, tt := range []struct {
		name         string
		before       int
		upTo         int64
		limit        int
		n            int
		left         string
		atLeastSteps int
	}{
		{"nothing is that old", 0, 100, 3, 0, "0123456789", 1},
		{"nothing was delivered", 100, 0, 3, 0, "0123456789", 4},
		{"the first were delivered", 100, 2, 3, 2, "23456789", 4},
		{"the first are old enough", 6, 100, 2, 3, "24678", 3},
		{"all", 100, 100, 100, 3, "24", 1},
		{"again", 100, 100, 1, 0, "24", 2},
	} {
		n, steps := sweep(at(tt.before), tt.upTo, tt.limit)
		if got := left(); n != tt.n || got != tt.left || steps < tt.atLeastSteps {
			t.Errorf("%s: %d forgotten in %d steps, left %s; want %d, %s", tt.name, n, steps, got, tt.n, tt.left)
		}
	}
	must[hold.Hold](t)(s.ReleaseHold(t.Context(), account, "j"))
	must[hold.Hold](t)(s.ReleaseHold(t.Context(), "999999999999", "r"))
	if n, _ := sweep(at(100), 100, 1); n != 2 || left() != "" {
		t.Errorf("%d forgotten when nothing is held, left %q", n, left())
	}
	if found := must[[]audit.Found](t)(s.Find(t.Context(), audit.Query{Account: account, Resource: jobARN, Limit: 1})); len(found) != 0 {
		t.Errorf("found %v", found)
	}
	s.Conclude(open)
	ok(t, s.Flush(t.Context()))
	if got := left(); got == "" {
		t.Error("the record of a request under way is gone")
	}

	// What deletes nothing writes no record; what deletes something writes one, in the same transaction.
	ctx, swept := requested(t, 60)
	_, _, _, err := s.ForgetRecords(ctx, at(0), 100, audit.Cursor{}, 10)
	ok(t, err)
	if swept.Sequence() != 0 {
		t.Error("nothing was deleted, and a record tells of it")
	}
	_, _, _, err = s.ForgetRecords(ctx, time.Now().AddDate(100, 0, 0), 1000, audit.Cursor{}, 10)
	ok(t, err)
	if swept.Sequence() == 0 {
		t.Error("records were deleted, and no record tells of it")
	}
}
