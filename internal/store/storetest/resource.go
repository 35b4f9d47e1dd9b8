package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/job"
	"darkroom/internal/store"
)

// arnOf names a queue.
func arnOf(name string) string {
	return "arn:aws:mediaconvert:us-east-1:" + account + ":queues/" + name
}

// resource makes a preset with the n-th time of creation.
func resource(name, category string, n int) *store.Resource {
	return &store.Resource{
		Account: account, Kind: store.Preset, Name: name, Category: category, Document: json.RawMessage(`{"description":"d"}`),
		Tags: map[string]string{"k": "v"}, Created: at(n), Updated: at(n),
	}
}

func createQueue(t *testing.T, s store.Store, name string, rules store.QueueRules) {
	t.Helper()
	rules.ARN = arnOf(name)
	ok(t, s.CreateResource(t.Context(), &store.Resource{Account: account, Kind: store.Queue, Name: name, Created: at(0), Updated: at(0), Queue: rules}, 0))
}

func resources(t *testing.T, s store.Store) {
	r := resource("a", "x", 1)
	ok(t, s.CreateResource(t.Context(), r, 2))
	is(t, "twice", s.CreateResource(t.Context(), r, 0), store.ErrExists)
	ok(t, s.CreateResource(t.Context(), resource("b", "", 2), 2))
	is(t, "one too many", s.CreateResource(t.Context(), resource("c", "", 3), 2), store.ErrQuota)
	other := resource("a", "", 1)
	other.Account = "999999999999"
	ok(t, s.CreateResource(t.Context(), other, 2))
	got := must[*store.Resource](t)(s.GetResource(t.Context(), account, store.Preset, "a"))
	if d := cmp.Diff(r, got); d != "" {
		t.Errorf("resource (-want +got):\n%s", d)
	}
	_, err := s.GetResource(t.Context(), account, store.JobTemplate, "a")
	is(t, "another kind", err, store.ErrNoResource)
	failing := errors.New("no")
	_, err = s.ChangeResource(t.Context(), account, store.Preset, "a", func(r *store.Resource) error {
		r.Category = "lost"
		return failing
	})
	is(t, "a change that fails", err, failing)
	changed := must[*store.Resource](t)(s.ChangeResource(t.Context(), account, store.Preset, "a", func(r *store.Resource) error {
		r.Category, r.Updated = "y", at(9)
		return nil
	}))
	if changed.Category != "y" || !changed.Updated.Equal(at(9)) || !changed.Created.Equal(at(1)) {
		t.Errorf("changed: %+v", changed)
	}
	_, err = s.ChangeResource(t.Context(), account, store.Preset, "none", func(*store.Resource) error { return nil })
	is(t, "change of none", err, store.ErrNoResource)
	ok(t, s.DeleteResource(t.Context(), account, store.Preset, "a"))
	is(t, "delete twice", s.DeleteResource(t.Context(), account, store.Preset, "a"), store.ErrNoResource)
	must[*store.Resource](t)(s.GetResource(t.Context(), "999999999999", store.Preset, "a"))
}

// resourcePages reads every order, page by page.
func resourcePages(t *testing.T, s store.Store) {
	for i, name := range []string{"d", "b", "a", "c", "e"} { // made in this order
		ok(t, s.CreateResource(t.Context(), resource(name, []string{"odd", "even"}[i%2], i/2), 0))
	}
	for _, tt := range []struct {
		q    store.ResourceQuery
		want string
	}{
		{store.ResourceQuery{Order: store.ByName}, "abcde"},
		{store.ResourceQuery{Order: store.ByName, Descending: true}, "edcba"},
		{store.ResourceQuery{Order: store.ByCreated}, "bdace"},
		{store.ResourceQuery{Order: store.ByCreated, Descending: true}, "ecadb"},
		{store.ResourceQuery{Order: store.ByName, Category: "odd"}, "ade"},
		{store.ResourceQuery{Order: store.ByCreated, Category: "even"}, "bc"},
		{store.ResourceQuery{Order: store.ByCreated, Category: "none"}, ""},
	} {
		for limit := 1; limit < 7; limit++ {
			q, got := tt.q, ""
			q.Account, q.Kind, q.Limit = account, store.Preset, limit
			for {
				page := must[[]*store.Resource](t)(s.ListResources(t.Context(), q))
				for _, r := range page {
					got += r.Name
				}
				if len(page) < limit {
					break
				}
				q.After = page[len(page)-1].Name
			}
			if got != tt.want {
				t.Errorf("%+v in pages of %d: %q, want %q", tt.q, limit, got, tt.want)
			}
		}
	}
}

// inQueue makes the n-th job, of a queue and with a priority.
func inQueue(n int, name string, priority int) *job.Job {
	j := Job(n)
	j.Queue, j.Priority = arnOf(name), priority
	return j
}

// queues: claims obey the rules of queues.
func queues(t *testing.T, s store.Store) {
	createQueue(t, s, "paused", store.QueueRules{Paused: true})
	createQueue(t, s, "one", store.QueueRules{Concurrent: 1})
	createQueue(t, s, "free", store.QueueRules{})
	submit(t, s, inQueue(1, "paused", 50))
	submit(t, s, inQueue(2, "one", 10))
	submit(t, s, inQueue(3, "one", 10))
	submit(t, s, inQueue(4, "free", 5))
	submit(t, s, inQueue(5, "unrecorded", 5))
	expect := func(now int, want ...int) []*store.Claimed {
		t.Helper()
		var all []*store.Claimed
		for _, n := range want {
			c := claim(t, s, now)
			if n == 0 && c == nil {
				continue
			}
			if n == 0 || c == nil || c.Job.ID != Job(n).ID {
				t.Fatalf("claimed %+v, want job %d", c, n)
			}
			all = append(all, c)
		}
		return all
	}
	held := expect(10, 2, 4, 5, 0) // the queue "one" is full, and "paused" waits
	is(t, "a queue with jobs", s.DeleteResource(t.Context(), account, store.Queue, "one"), store.ErrInUse)
	ok(t, s.Release(t.Context(), held[0].TaskID, held[0].Epoch, at(11)))
	again := expect(12, 2) // its own place is free again
	_, _, _, err := s.Cancel(t.Context(), account, again[0].Job.ID, at(13))
	ok(t, err)
	expect(14, 3, 0)
	must[*store.Resource](t)(s.ChangeResource(t.Context(), account, store.Queue, "paused", func(r *store.Resource) error {
		r.Queue.Paused = false
		return nil
	}))
	expect(15, 1, 0)
}

// fair: of two queues with equal priorities the one that runs fewer jobs is next.
func fair(t *testing.T, s store.Store) {
	for n := range 4 {
		submit(t, s, inQueue(n, "busy", 0))
	}
	submit(t, s, inQueue(4, "quiet", 0))
	submit(t, s, inQueue(5, "busy", 1))
	for i, want := range []int{5, 4, 0, 1, 2, 3} {
		if c := claim(t, s, 10); c.Job.ID != Job(want).ID {
			t.Errorf("claim %d: %s, want job %d", i, c.Job.ID, want)
		}
	}
}

func hops(t *testing.T, s store.Store) {
	createQueue(t, s, "fast", store.QueueRules{})
	createQueue(t, s, "slow", store.QueueRules{Paused: true})
	j := inQueue(1, "slow", 3)
	up := 20
	j.Hops = []job.Hop{{Queue: arnOf("gone"), Wait: time.Minute}, {Queue: arnOf("fast"), Priority: &up, Wait: 2 * time.Minute}, {Queue: arnOf("slow"), Wait: time.Minute}}
	submit(t, s, j)
	if next := must[time.Time](t)(s.NextDeadline(t.Context())); !next.Equal(at(61)) {
		t.Errorf("the first hop is due at %v", next)
	}
	hop := func(now, want int) {
		t.Helper()
		if n := must[int](t)(s.Hop(t.Context(), at(now))); n != want {
			t.Errorf("at %d: %d hops, want %d", now, n, want)
		}
	}
	hop(60, 0)
	hop(61, 1) // to a queue that is gone: a warning
	hop(61, 0)
	got := must[*job.Job](t)(s.Get(t.Context(), account, j.ID))
	if got.Queue != arnOf("slow") || string(got.Warnings) != `[{"code":100000,"count":1}]` {
		t.Errorf("after the first: %s %s", got.Queue, got.Warnings)
	}
	hop(181, 1)
	got = must[*job.Job](t)(s.Get(t.Context(), account, j.ID))
	if d := cmp.Diff([]job.Transition{{From: arnOf("slow"), To: arnOf("fast"), Time: at(181)}}, got.Transitions); d != "" || got.Queue != arnOf("fast") || got.Priority != 20 {
		t.Errorf("after the second: %s %d %s", got.Queue, got.Priority, d)
	}
	c := claim(t, s, 200)
	if c == nil || c.Job.ID != j.ID {
		t.Fatalf("claimed %+v", c)
	}
	hop(1000, 0) // what progresses stays
	told(t, s, "NEW_WARNING "+arnOf("slow"), "QUEUE_HOP "+arnOf("fast"), "PROGRESSING "+arnOf("fast"))
	n := must[job.Counts](t)(s.Count(t.Context(), account, arnOf("fast")))
	if n.Progressing != 1 {
		t.Errorf("counts: %+v", n)
	}
}

// facets: jobs are found by what they have, all conditions together.
func facets(t *testing.T, s store.Store) {
	for n := range 6 {
		j := Job(n)
		j.Facets = []job.Facet{
			{Name: job.FacetInput, Values: []string{"s3://b/" + strconv.Itoa(n%2) + ".mp4", strconv.Itoa(n%2) + ".mp4"}},
			{Name: job.FacetVideoCodec, Values: []string{[]string{"H_264", "H_265", "AV1"}[n%3]}},
		}
		submit(t, s, j)
	}
	for _, tt := range []struct {
		facets []job.Facet
		want   string
	}{
		{nil, "012345"},
		{[]job.Facet{{Name: job.FacetInput, Values: []string{"0.mp4"}}}, "024"},
		{[]job.Facet{{Name: job.FacetInput, Values: []string{"s3://b/1.mp4"}}, {Name: job.FacetVideoCodec, Values: []string{"H_265", "AV1"}}}, "15"},
		{[]job.Facet{{Name: job.FacetVideoCodec, Values: []string{"H_264"}}}, "03"},
		{[]job.Facet{{Name: job.FacetAudioCodec, Values: []string{"AAC"}}}, ""},
		{[]job.Facet{{Name: job.FacetInput, Values: []string{"%"}}}, ""},
	} {
		got := ""
		for _, j := range must[[]*job.Job](t)(s.List(t.Context(), job.Query{Account: account, Ascending: true, Limit: 10, Facets: tt.facets})) {
			got += j.ID[12:13]
		}
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.facets, got, tt.want)
		}
	}
}

func changeJob(t *testing.T, s store.Store) {
	submit(t, s, Job(1))
	changed := must[*job.Job](t)(s.ChangeJob(t.Context(), account, Job(1).ID, func(j *job.Job) error {
		j.Tags = map[string]string{"k": "v"}
		return nil
	}))
	got := must[*job.Job](t)(s.Get(t.Context(), account, Job(1).ID))
	if d := cmp.Diff(changed, got); d != "" || got.Tags["k"] != "v" {
		t.Errorf("%v %s", got.Tags, d)
	}
	_, err := s.ChangeJob(t.Context(), account, "none", func(*job.Job) error { return nil })
	is(t, "change of none", err, job.ErrNotFound)
}

// forget deletes finished jobs by age, in steps, and nothing that is not finished.
func forget(t *testing.T, s store.Store) {
	for n := range 5 {
		j := Job(n)
		j.Facets = []job.Facet{{Name: job.FacetInput, Values: []string{"f"}}}
		submit(t, s, j)
		if n < 4 {
			_, _, _, err := s.Cancel(t.Context(), account, j.ID, at(100+n))
			ok(t, err)
		}
	}
	for _, tt := range []struct{ before, limit, want int }{{100, 10, 0}, {103, 2, 2}, {103, 2, 1}, {103, 2, 0}} {
		if n := must[int](t)(s.Forget(t.Context(), at(tt.before), tt.limit)); n != tt.want {
			t.Errorf("%+v: %d forgotten", tt, n)
		}
	}
	left := fmt.Sprint(len(must[[]*job.Job](t)(s.List(t.Context(), job.Query{Account: account, Limit: 10}))),
		len(must[[]*job.Job](t)(s.List(t.Context(), job.Query{Account: account, Limit: 10, Facets: []job.Facet{{Name: job.FacetInput, Values: []string{"f"}}}}))))
	if left != "2 2" {
		t.Errorf("left: %s", left)
	}
}
