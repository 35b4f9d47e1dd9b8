package trail

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/digest"
	"darkroom/internal/store"
)

// live is some hours of an installation, with a program that begins anew whenever it has died.
func (h *house) live(steps int, step time.Duration) {
	h.Helper()
	runners := map[string]*runner{}
	for range steps {
		h.happen(3)
		h.now = h.now.Add(step)
		for tries := 0; ; tries++ {
			err := h.carry(runners)
			if err == nil {
				break
			}
			if !errors.Is(err, errCrash) || tries > 3 {
				h.Fatal(err)
			}
			h.begin()
			runners = map[string]*runner{}
		}
	}
}

// ended stops the trail and delivers the rest.
func (h *house) ended(name string) {
	h.Helper()
	if err := h.Stop(h.Context(), account, name); err != nil {
		h.Fatal(err)
	}
	runners := map[string]*runner{}
	for range 3 {
		if err := h.carry(runners); err == nil {
			return
		}
		h.begin()
		runners = map[string]*runner{}
	}
	h.Fatal("the trail does not end")
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.happen(2) // before logging: not delivered
	h.trail("films", nil)
	h.events = 0
	h.live(40, 4*time.Minute)
	h.ended("films")
	ids, keys := h.delivered(h.place("films"))
	h.whole(ids)
	if len(keys) < 15 || !strings.HasPrefix(keys[0], "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/111122223333_CloudTrail_us-east-1_20260301T1") {
		t.Errorf("%d files, the first %s", len(keys), keys[0])
	}
	r, found := h.verify("films", nil)
	if !r.Valid() || r.Digests != 3 || r.ValidDigests != 3 || r.Logs != len(keys) || r.ValidLogs != len(keys) || len(found) != 1 || found[0].Kind != digest.Begins {
		t.Errorf("%+v, %v", r, found)
	}
	if !r.First.Equal(time.Date(2026, 3, 1, 11, 2, 30, 0, time.UTC)) || !r.Last.Equal(h.now) {
		t.Errorf("from %s to %s", r.First, r.Last)
	}
}

// TestCrash has the program die before and after every single thing that it does that lasts.
func TestCrash(t *testing.T) {
	t.Parallel()
	reference := newHouse(t)
	reference.options.DigestPeriod = 8 * time.Minute
	reference.begin()
	reference.trail("films", nil)
	first := reference.effects
	reference.live(4, 4*time.Minute)
	reference.ended("films")
	all := reference.effects
	if all-first < 12 {
		t.Fatalf("only %d effects", all-first)
	}
	for crash := first + 1; crash <= all; crash++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("effect %d, %t", crash-first, after), func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				h.options.DigestPeriod = 8 * time.Minute
				h.begin()
				h.trail("films", nil)
				h.crash, h.after = crash, after
				h.live(4, 4*time.Minute)
				h.ended("films")
				ids, _ := h.delivered(h.place("films"))
				h.whole(ids)
				if r, found := h.verify("films", nil); !r.Valid() || len(found) != 1 {
					t.Errorf("%+v, %v", r, found)
				}
			})
		}
	}
}

// TestRefused has a bucket that takes nothing for a day.
func TestRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	films := h.trail("films", nil)
	h.live(3, 4*time.Minute)
	runners := map[string]*runner{}
	for _, refusal := range []error{blob.ErrAccessDenied, blob.ErrNoSuchBucket, &blob.KeyError{Code: blob.KeyDisabled}, errors.New("a cable")} {
		h.refuse = refusal
		for i := range 80 {
			h.happen(3)
			h.now = h.now.Add(5 * time.Minute)
			if err := h.carry(runners); !errors.Is(err, refusal) && (i > 0 || err != nil) { // the first time nothing is due
				t.Fatalf("got %v, want %v", err, refusal)
			}
		}
		st, err := h.Status(t.Context(), films)
		want := codeOf(refusal)
		if err != nil || st.DigestError != want && st.DeliveryError != want {
			t.Errorf("%v: status %+v, %v", refusal, st, err)
		}
	}
	h.refuse = nil
	h.now = h.now.Add(5 * time.Minute)
	if err := h.carry(runners); err != nil {
		t.Fatal(err)
	}
	if st, err := h.Status(t.Context(), films); err != nil || st.DeliveryError != "" || st.DigestError != "" || !st.LatestDelivery.Equal(h.now) {
		t.Errorf("afterwards: %+v, %v", st, err)
	}
	h.ended("films")
	ids, _ := h.delivered(h.place("films"))
	h.whole(ids)
	r, found := h.verify("films", nil)
	if !r.Valid() || len(found) != 1 || r.Digests < 26 {
		t.Errorf("%+v, %v", r, found)
	}
}

// TestStopAndStart: what happens while logging is stopped is not delivered, and each start begins a chain.
func TestStopAndStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.trail("films", nil)
	h.live(2, 4*time.Minute)
	h.ended("films")
	between := h.events
	h.happen(5)
	h.now = h.now.Add(3 * time.Hour)
	runners := map[string]*runner{}
	if err := h.carry(runners); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), account, "films"); err != nil {
		t.Fatal(err)
	}
	h.live(2, 4*time.Minute)
	// Stopped and started while the bucket refuses: both are done when it takes again.
	h.refuse = blob.ErrAccessDenied
	h.happen(1)
	if err := h.Stop(t.Context(), account, "films"); err != nil {
		t.Fatal(err)
	}
	h.happen(4)
	h.now = h.now.Add(2 * time.Minute)
	if err := h.carry(runners); !errors.Is(err, blob.ErrAccessDenied) {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), account, "films"); err != nil {
		t.Fatal(err)
	}
	h.happen(1)
	h.refuse = nil
	h.ended("films")
	ids, _ := h.delivered(h.place("films"))
	if len(ids) != between+6+1+1 {
		t.Errorf("%d events, want %d: %v", len(ids), between+6+1+1, ids)
	}
	r, found := h.verify("films", nil)
	if !r.Valid() || len(found) != 3 || r.Digests != 3 {
		t.Errorf("%+v, %v", r, found)
	}
	for _, f := range found {
		if f.Kind != digest.Begins {
			t.Errorf("%+v", f)
		}
	}
}

// TestDown: a program that was down for long catches the digests up, also across the life of a key.
func TestDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if _, err := h.records.ChangeRegistry(t.Context(), store.Registry{Name: keysName, Account: account}, 1, nil, aKey()); err != nil {
		t.Fatal(err)
	}
	h.options.KeyLife = 48 * time.Hour
	h.begin()
	h.trail("films", nil)
	h.live(2, 4*time.Minute)
	h.now = h.now.Add(100*time.Hour + 17*time.Minute)
	h.begin()
	h.live(2, 4*time.Minute)
	h.ended("films")
	ids, _ := h.delivered(h.place("films"))
	h.whole(ids)
	r, found := h.verify("films", nil)
	if !r.Valid() || r.Digests < 101 || len(found) != 1 {
		t.Errorf("%+v, %v", r, found)
	}
	keys, err := h.Keys(t.Context(), time.Time{}, h.now)
	if err != nil || len(keys) != 3 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	// What an auditor's tool asks for a day has the keys of that day.
	if keys, err := h.Keys(t.Context(), h.now.Add(-100*time.Hour), h.now.Add(-90*time.Hour)); err != nil || len(keys) != 1 {
		t.Errorf("%d keys of the first hours, %v", len(keys), err)
	}
}

// TestClockBack: a clock that is set back ends no chain and makes no digest of the past.
func TestClockBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.trail("films", nil)
	h.live(20, 4*time.Minute)
	h.now = h.now.Add(-50 * time.Hour)
	h.live(20, 4*time.Minute)
	h.now = h.now.Add(51 * time.Hour)
	h.live(2, 4*time.Minute)
	h.ended("films")
	ids, _ := h.delivered(h.place("films"))
	h.whole(ids)
	if r, found := h.verify("films", nil); !r.Valid() || len(found) != 1 {
		t.Errorf("%+v, %v", r, found)
	}
}

// TestOwn: the records that deliveries make start no deliveries.
func TestOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.trail("films", func(d *Definition) {
		d.Selectors = Selectors{Advanced: []Advanced{{Fields: []Field{{Field: "eventCategory", Equals: []string{audit.Data}}}}}}
	})
	runners := map[string]*runner{}
	say := func(agent string, n int) {
		t.Helper()
		for i := range n {
			e := audit.ServiceEvent{Time: h.now, Service: "egress", Action: "Dial", UserAgent: agent, Resources: []string{"arn:aws:s3:::b/" + fmt.Sprint(i)}}
			if err := h.records.Audit(t.Context(), e.Record(region, account)); err != nil {
				t.Fatal(err)
			}
		}
	}
	count := func(want int) {
		t.Helper()
		for range 5 {
			h.now = h.now.Add(4 * time.Minute)
			if err := h.carry(runners); err != nil {
				t.Fatal(err)
			}
		}
		if ids, _ := h.delivered(h.place("films")); len(ids) != want {
			t.Errorf("%d records were delivered, want %d", len(ids), want)
		}
	}
	if err := h.carry(runners); err != nil {
		t.Fatal(err)
	}
	say(Invoker, 3)
	count(0)
	say("", 1)
	say(Invoker, 1)
	count(5)
	say(Invoker, 1)
	count(5)
	h.ended("films") // the end takes everything along
	count(6)
}

// TestManyRecords: a backlog is delivered in files of a bounded size, at once.
func TestManyRecords(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.trail("films", nil)
	runners := map[string]*runner{}
	if err := h.carry(runners); err != nil {
		t.Fatal(err)
	}
	text := json.RawMessage(`{"description":"` + strings.Repeat("x", 95_000) + `"}`)
	for range 20 {
		var all []audit.Record
		for range 10 {
			h.events++
			all = append(all, audit.Record{
				EventTime: h.now, EventID: fmt.Sprintf("00000000-0000-4000-8000-%012d", h.events), RecipientAccountID: account, EventCategory: audit.Management,
				EventName: "PutPolicy", RequestParameters: text,
			})
		}
		if err := h.records.Audit(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // it is seen, and then its time has come
		if err := h.carry(runners); err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(5 * time.Minute)
	}
	ids, keys := h.delivered(h.place("films"))
	h.whole(ids)
	if len(keys) != 3 { // 19 MB in files of 8 MiB
		t.Errorf("%d files", len(keys))
	}
	for _, k := range keys {
		if n := len(h.get(bucket, k)); n > fileSize+200<<10 {
			t.Errorf("%s has %d bytes", k, n)
		}
	}
	// Many small ones do not wait for the period.
	for range 5 {
		h.happen(manyRecords/15 + 1)
	}
	if err := h.carry(runners); err != nil {
		t.Fatal(err)
	}
	ids, _ = h.delivered(h.place("films"))
	h.whole(ids)
}

// TestDelete: a trail that is deleted is finished first, and then nothing is left of it but its files.
func TestDelete(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.trail("films", nil)
	h.live(2, 4*time.Minute)
	h.refuse = blob.ErrAccessDenied
	h.happen(2)
	if err := h.Delete(t.Context(), account, "films"); err != nil {
		t.Fatal(err)
	}
	runners := map[string]*runner{}
	if err := h.carry(runners); !errors.Is(err, blob.ErrAccessDenied) {
		t.Fatal(err)
	}
	if all, err := h.All(t.Context(), account); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	h.refuse = nil
	if err := h.carry(runners); err != nil {
		t.Fatal(err)
	}
	ids, _ := h.delivered(h.place("films"))
	h.whole(ids)
	if r, found := h.verify("films", nil); !r.Valid() || len(found) != 1 {
		t.Errorf("%+v, %v", r, found)
	}
	for _, name := range []string{registryName, progressName} {
		entries, _, err := h.records.LoadRegistry(t.Context(), (&Trail{Account: account}).registry())
		if err != nil || len(entries) != 0 {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
}

// TestForget: a trail that is deleted is not done with before all that the records have of it is gone.
func TestForget(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	films := h.trail("films", nil)
	h.live(1, 4*time.Minute)
	if err := h.Delete(t.Context(), account, "films"); err != nil {
		t.Fatal(err)
	}
	r := &runner{Service: h.Service, account: account, id: films.id, anchoring: make(chan struct{}, 1)}
	h.keep = errors.New("the disk is full")
	for range 2 { // the second time the trail itself is gone
		if _, done, err := r.attempt(t.Context(), films, new(sync.WaitGroup)); done || !errors.Is(err, h.keep) {
			t.Errorf("done: %t, %v", done, err)
		}
	}
	h.keep = nil
	if _, done, err := r.attempt(t.Context(), films, new(sync.WaitGroup)); !done || err != nil {
		t.Errorf("done: %t, %v", done, err)
	}
	if entries, _, err := h.records.LoadRegistry(t.Context(), films.registry()); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestUnfinished: a trail that was stopped or deleted is unfinished until it has delivered what was recorded until then, whether it is carried out at the moment or not.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	// all is what Each says of the trails: their names, and whether they are unfinished.
	all := func() string {
		t.Helper()
		var out []string
		if err := h.Each(t.Context(), func(tr *Trail, st Status) error {
			out = append(out, fmt.Sprintf("%s unfinished=%t gone=%t", tr.Name, st.Unfinished, tr.Gone()))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return strings.Join(out, ", ")
	}
	want := func(what string) {
		t.Helper()
		if got := all(); got != what {
			t.Errorf("trails: %s, want %s", got, what)
		}
	}
	if _, err := h.Create(t.Context(), account, "films", Definition{Bucket: bucket, Validation: true}, nil); err != nil {
		t.Fatal(err)
	}
	want("films unfinished=false gone=false")
	runners := map[string]*runner{}
	carry := func(refusal error) {
		t.Helper()
		h.refuse = refusal
		h.happen(1)
		h.now = h.now.Add(10 * time.Minute)
		if err := h.carry(runners); !errors.Is(err, refusal) {
			t.Fatal(err)
		}
	}
	for _, end := range []func() error{
		func() error { return h.Stop(t.Context(), account, "films") },
		func() error { return h.Delete(t.Context(), account, "films") },
	} {
		if err := h.Start(t.Context(), account, "films"); err != nil {
			t.Fatal(err)
		}
		want("films unfinished=true gone=false")
		carry(nil)
		carry(nil)
		want("films unfinished=true gone=false")
		h.happen(1)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		carry(blob.ErrAccessDenied)
		if got := all(); !strings.HasPrefix(got, "films unfinished=true") {
			t.Errorf("trails: %s, while the bucket refuses what was recorded before the end", got)
		}
		h.begin()
		runners = map[string]*runner{}
		if got := all(); !strings.HasPrefix(got, "films unfinished=true") {
			t.Errorf("trails: %s, after a start", got)
		}
		carry(nil)
		if got := all(); got != "" {
			want("films unfinished=false gone=false")
		}
	}
	want("")
}
