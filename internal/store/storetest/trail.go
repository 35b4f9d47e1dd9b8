package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/job"
	"darkroom/internal/store"
)

// record is a record of a second, by the user n.
func record(n int) audit.Record {
	user := fmt.Sprintf("arn:aws:iam::%s:user/u%d", account, n%2)
	return audit.Record{
		EventVersion: audit.Version, EventTime: at(n).Truncate(time.Second), EventID: fmt.Sprintf("event-%d", n), RequestID: fmt.Sprintf("request-%d", n),
		EventSource: "mediaconvert.amazonaws.com", EventName: []string{"CreateJob", "GetJob", "ListJobs"}[n%3], RecipientAccountID: account, EventCategory: audit.Management,
		UserIdentity: audit.Identity{Type: "IAMUser", ARN: user, UserName: fmt.Sprintf("u%d", n%2), AccessKeyID: fmt.Sprintf("AKIA%d", n%2)},
		ReadOnly:     n%3 != 0, Resources: []audit.Resource{audit.ResourceOf(fmt.Sprintf("arn:aws:mediaconvert:us-east-1:%s:queues/q%d", account, n%4), account)},
	}
}

// requested is the context of a request with its record.
func requested(t *testing.T, n int) (context.Context, *audit.Pending) {
	t.Helper()
	p := audit.NewPending(record(n))
	return audit.With(t.Context(), p), p
}

// concluded returns the event ids of all concluded records, in their order.
func concluded(t *testing.T, s store.Store) []string {
	t.Helper()
	var ids []string
	var last int64
	for _, e := range must[[]audit.Entry](t)(s.Concluded(t.Context(), "", 0, 1000)) {
		r := must[audit.Record](t)(e.Decode())
		if e.Position <= last || e.Account != r.RecipientAccountID {
			t.Errorf("entry at %d behind %d, account %q", e.Position, last, e.Account)
		}
		last = e.Position
		ids = append(ids, r.EventID)
	}
	return ids
}

// trail: records are found again, page by page, by whatever they are asked for.
func trail(t *testing.T, s store.Store) {
	ctx := t.Context()
	grown := s.Grown()
	for n := range 12 {
		ok(t, s.Audit(ctx, record(n)))
	}
	select {
	case <-grown:
	default:
		t.Error("nobody was told that there are records")
	}
	if other := record(12); true {
		other.RecipientAccountID = "999999999999"
		ok(t, s.Audit(ctx, other))
	}
	if p := must[int64](t)(s.Position(ctx)); p != 13 {
		t.Errorf("position %d after 13 records", p)
	}
	if got := must[[]audit.Entry](t)(s.Concluded(ctx, account, 11, 10)); len(got) != 1 || got[0].Position != 12 {
		t.Errorf("of the account behind position 11: %+v", got)
	}
	yes := true
	for name, c := range map[string]struct {
		q    audit.Query
		want []int
	}{
		"all":            {audit.Query{}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		"oldest first":   {audit.Query{Ascending: true, Limit: 3}, []int{0, 1, 2}},
		"time":           {audit.Query{From: at(3), To: at(5)}, []int{5, 4, 3}},
		"principal":      {audit.Query{Principal: "arn:aws:iam::" + account + ":user/u1", From: at(4)}, []int{11, 9, 7, 5}},
		"user":           {audit.Query{User: "u0", To: at(4)}, []int{4, 2, 0}},
		"access key":     {audit.Query{AccessKeyID: "AKIA1", To: at(4)}, []int{3, 1}},
		"name":           {audit.Query{Name: "CreateJob"}, []int{9, 6, 3, 0}},
		"source":         {audit.Query{Source: "s3.amazonaws.com"}, nil},
		"event":          {audit.Query{EventID: "event-7"}, []int{7}},
		"request":        {audit.Query{RequestID: "request-8"}, []int{8}},
		"resource":       {audit.Query{Resource: "arn:aws:mediaconvert:us-east-1:" + account + ":queues/q3"}, []int{11, 7, 3}},
		"resource name":  {audit.Query{Resource: "q3"}, []int{11, 7, 3}},
		"no resource":    {audit.Query{Resource: "q"}, nil},
		"resource type":  {audit.Query{ResourceType: "AWS::MediaConvert::Preset"}, nil},
		"that type":      {audit.Query{ResourceType: "AWS::MediaConvert::Queue", Limit: 1}, []int{11}},
		"read only":      {audit.Query{ReadOnly: &yes, To: at(4)}, []int{4, 2, 1}},
		"outcome":        {audit.Query{Outcome: audit.Denied}, nil},
		"name and time":  {audit.Query{Name: "CreateJob", From: at(4), To: at(8)}, []int{6}},
		"nothing in it":  {audit.Query{Account: "000000000009"}, nil},
		"category":       {audit.Query{Category: audit.Data}, nil},
		"that category":  {audit.Query{Category: audit.Management, Limit: 1}, []int{11}},
		"that outcome":   {audit.Query{Outcome: audit.Granted, Limit: 2}, []int{11, 10}},
		"user and name":  {audit.Query{User: "u1", Name: "CreateJob"}, []int{9, 3}},
		"a future range": {audit.Query{From: at(1000)}, nil},
	} {
		q := c.q
		if q.Account == "" {
			q.Account = account
		}
		if q.Limit == 0 {
			q.Limit = 100
		}
		var got []int
		for _, f := range must[[]audit.Found](t)(s.Find(ctx, q)) {
			n := 0
			if _, err := fmt.Sscanf(must[audit.Record](t)(f.Decode()).EventID, "event-%d", &n); err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	for _, ascending := range []bool{false, true} {
		q := audit.Query{Account: account, Limit: 5, Ascending: ascending}
		var pages []int
		seen := map[int64]bool{}
		for {
			page := must[[]audit.Found](t)(s.Find(ctx, q))
			if len(page) == 0 {
				break
			}
			pages = append(pages, len(page))
			for _, f := range page {
				seen[f.Position] = true
			}
			q.After = page[len(page)-1].Cursor
		}
		if !slices.Equal(pages, []int{5, 5, 2}) || len(seen) != 12 {
			t.Errorf("ascending %v: pages %v of %d records", ascending, pages, len(seen))
		}
	}
}

// pending: the record of a request is written with its first change, not without it, and once; it is concluded once.
func pending(t *testing.T, s store.Store) {
	ctx, p := requested(t, 0)
	if err := s.DeleteResource(ctx, account, store.Preset, "none"); !errors.Is(err, store.ErrNoResource) || p.Sequence() != 0 {
		t.Errorf("a change that failed: %v, and its record stands at %d", err, p.Sequence())
	}
	must[*job.Job](t)(s.Submit(ctx, Job(0), at(0)))
	first := p.Sequence()
	if first == 0 {
		t.Fatal("a change without its record")
	}
	must[*job.Job](t)(s.Submit(ctx, Job(1), at(1)))
	ok(t, s.Intend(ctx))
	if p.Sequence() != first {
		t.Error("the record was written twice")
	}
	if got := concluded(t, s); len(got) != 0 {
		t.Errorf("concluded before its end: %v", got)
	}
	grown := s.Grown()
	p.Change(func(r *audit.Record) { r.ErrorCode = "AccessDenied" })
	p.Annotate("bytes", 7)
	s.Conclude(p)
	s.Conclude(p) // again is nothing
	ok(t, s.Flush(t.Context()))
	select {
	case <-grown:
	default:
		t.Error("nobody was told that a record was concluded")
	}
	got := must[[]audit.Found](t)(s.Find(t.Context(), audit.Query{Account: account, Outcome: audit.Denied, Limit: 9}))
	if len(got) != 1 || string(must[audit.Record](t)(got[0].Decode()).AdditionalEventData["bytes"]) != "7" {
		t.Fatalf("concluded: %+v", got)
	}
	if ids := concluded(t, s); len(ids) != 1 {
		t.Errorf("concluded: %v", ids)
	}

	// Without a change, the record is written where an effect is near; or never.
	ctx, p = requested(t, 1)
	s.Conclude(p)
	ok(t, s.Intend(ctx))
	ok(t, s.Intend(ctx))
	ok(t, s.Intend(t.Context()))
	if p.Sequence() == 0 {
		t.Error("not written before its effect")
	}

	// What was open when the program died is concluded as interrupted, and only that.
	if n := must[int](t)(s.Settle(t.Context(), at(9))); n != 1 {
		t.Errorf("%d settled, want 1", n)
	}
	if n := must[int](t)(s.Settle(t.Context(), at(9))); n != 0 {
		t.Errorf("%d settled the second time", n)
	}
	lost := must[[]audit.Found](t)(s.Find(t.Context(), audit.Query{Account: account, Outcome: audit.Interrupted, Limit: 9}))
	if len(lost) != 1 || must[audit.Record](t)(lost[0].Decode()).ErrorCode != audit.CodeInterrupted {
		t.Errorf("interrupted: %+v", lost)
	}

	// What is final is concluded with its change, and not again; a repeat takes it back.
	final := func(n int, token string) *audit.Pending {
		ctx, p := requested(t, n)
		j := Job(n)
		j.ClientToken = token
		p.Final(json.RawMessage(`{"job":"`+j.ID+`"}`), audit.Resource{ARN: "arn:" + j.ID})
		must[*job.Job](t)(s.Submit(ctx, j, at(n)))
		return p
	}
	one := final(50, "token")
	before := len(concluded(t, s))
	s.Conclude(one)
	ok(t, s.Flush(t.Context()))
	if now := concluded(t, s); len(now) != before || !slices.Contains(now, "event-50") {
		t.Errorf("a final record is concluded once: %v", now)
	}
	if n := must[int](t)(s.Settle(t.Context(), at(9))); n != 0 {
		t.Errorf("%d final records were open", n)
	}
	again := final(51, "token")
	if slices.Contains(concluded(t, s), "event-51") || again.Record().ResponseElements != nil || len(again.Record().Resources) != 1 {
		t.Error("the record of a repeat tells of a job that is not there")
	}
	s.Conclude(again)
	ok(t, s.Flush(t.Context()))
	if !slices.Contains(concluded(t, s), "event-51") {
		t.Error("the record of a repeat is not concluded")
	}
	extra := len(concluded(t, s))
	last := must[int64](t)(s.Position(t.Context()))
	if int(last) != extra {
		t.Errorf("position %d of %d records", last, extra)
	}

	// A clock that is set back changes nothing of the order of conclusion, nor hides a record.
	behind := must[int64](t)(s.Position(t.Context()))
	for _, n := range []int{60, 40} {
		ok(t, s.Audit(t.Context(), record(n)))
	}
	entries := must[[]audit.Entry](t)(s.Concluded(t.Context(), "", behind, 9))
	if len(entries) != 2 || must[audit.Record](t)(entries[0].Decode()).EventID != "event-60" || must[audit.Record](t)(entries[1].Decode()).EventID != "event-40" {
		t.Errorf("after the clock was set back: %d entries", len(entries))
	}
	if got := must[[]audit.Found](t)(s.Find(t.Context(), audit.Query{Account: account, EventID: "event-40", From: at(40), To: at(40), Limit: 9})); len(got) != 1 {
		t.Errorf("%d records of the time before", len(got))
	}
	extra += 2

	// Many at once: each has its record, in an order without holes.
	const n = 60
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			ctx, p := requested(t, 100+i)
			if _, err := s.Submit(ctx, Job(100+i), at(100+i)); err != nil {
				t.Error(err)
			}
			s.Conclude(p)
		})
	}
	all.Wait()
	ok(t, s.Flush(t.Context()))
	ids := concluded(t, s)
	slices.Sort(ids)
	if len(ids) != n+extra || len(slices.Compact(ids)) != n+extra {
		t.Errorf("%d records, want %d", len(ids), n+extra)
	}
	if last := must[int64](t)(s.Position(t.Context())); int(last) != n+extra {
		t.Errorf("position %d, want %d", last, n+extra)
	}
}
