package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
	"darkroom/internal/event"
	"darkroom/internal/store/sqlite"
)

const region, account, other = "us-east-1", "111122223333", "999999999999"

var begin = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// house is a watch on records, with a clock that the test holds.
type house struct {
	t      *testing.T
	store  *sqlite.Store
	tick   chan time.Time
	log    *lockedBuffer
	number int
	watch  *Watch
	stop   func()

	mu         sync.Mutex // guards what follows
	now        time.Time
	running    time.Duration
	events     []event.Event
	emit       func(event.Event) error
	conditions []Condition
	settings   map[Rule]Setting
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newHouse(t *testing.T, settings map[Rule]Setting) *house {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := &house{t: t, store: s, now: begin, settings: settings, log: new(lockedBuffer)}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *house) start() {
	h.t.Helper()
	h.tick = make(chan time.Time)
	var err error
	h.watch, err = New(Options{
		Region: region, Accounts: []string{account, other}, Settings: h.settings, Trail: h.store, Log: slog.New(slog.NewJSONHandler(h.log, nil)), Tick: h.tick,
		Now:     func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now },
		Running: func() time.Duration { h.mu.Lock(); defer h.mu.Unlock(); return h.running },
		Wait:    func(ctx context.Context, d time.Duration) error { h.pass(d); return ctx.Err() },
		Conditions: func(context.Context, time.Time) []Condition {
			h.mu.Lock()
			defer h.mu.Unlock()
			return slices.Clone(h.conditions)
		},
		Emit: func(_ context.Context, e event.Event) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.emit != nil {
				if err := h.emit(e); err != nil {
					return err
				}
			}
			h.events = append(h.events, e)
			return nil
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- h.watch.Run(ctx) }()
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				h.t.Errorf("the watch ended with %v", err)
			}
		})
	}
	h.settle() // from here on it watches
}

// settle returns when the watch has judged everything that is there: a tick is taken after the trail was read to its end.
func (h *house) settle() {
	h.tick <- time.Time{}
	h.tick <- time.Time{}
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now, h.running = h.now.Add(d), h.running+d
}

func (h *house) with(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// told are the alerts so far, as "rule subject".
func (h *house) told() []string {
	h.t.Helper()
	h.settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := []string{}
	for _, e := range h.events {
		var d detail
		if err := json.Unmarshal(e.Detail, &d); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, string(d.Rule)+" "+d.Subject)
	}
	return out
}

func (h *house) want(name string, want ...string) {
	h.t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, h.told()); diff != "" {
		h.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func (h *house) add(changes ...func(*audit.Record)) {
	h.t.Helper()
	var all []audit.Record
	for _, change := range changes {
		h.number++
		r := audit.Record{
			EventVersion: audit.Version, EventID: fmt.Sprint("event-", h.number), EventSource: "mediaconvert.amazonaws.com", EventName: "ListJobs", EventType: audit.APICall,
			RecipientAccountID: account, SourceIPAddress: "192.0.2.7", ReadOnly: true, EventCategory: audit.Management,
			UserIdentity: audit.Identity{Type: "IAMUser", ARN: arnOf("ann"), UserName: "ann", AccountID: account},
		}
		h.with(func() { r.EventTime = h.now.Truncate(time.Second) })
		change(&r)
		all = append(all, r)
	}
	if err := h.store.Audit(h.t.Context(), all...); err != nil {
		h.t.Fatal(err)
	}
}

func arnOf(user string) string { return "arn:aws:iam::" + account + ":user/" + user }

func nothing(*audit.Record) {}

func by(user string, more func(*audit.Record)) func(*audit.Record) {
	return func(r *audit.Record) {
		r.UserIdentity.ARN, r.UserIdentity.UserName = arnOf(user), user
		more(r)
	}
}

func denied(r *audit.Record) { r.ErrorCode = "AccessDenied" }

func root(r *audit.Record) {
	r.UserIdentity = audit.Identity{Type: "Root", ARN: "arn:aws:iam::" + account + ":root", AccountID: account, AccessKeyID: "ASIAEXAMPLE"}
}

func download(n int64) func(*audit.Record) {
	return func(r *audit.Record) {
		r.EventSource, r.EventName, r.EventCategory = "s3.amazonaws.com", "GetObject", audit.Data
		r.AdditionalEventData = map[string]json.RawMessage{"bytesTransferredOut": json.RawMessage(fmt.Sprint(n))}
	}
}

func calls(source, name string, resource string) func(*audit.Record) {
	return func(r *audit.Record) {
		r.EventSource, r.EventName, r.ReadOnly = source+".amazonaws.com", name, false
		if resource != "" {
			r.Resources = []audit.Resource{audit.ResourceOf(resource, account)}
		}
	}
}

func refusedDial(host string) func(*audit.Record) {
	return func(r *audit.Record) {
		*r = audit.ServiceEvent{Time: r.EventTime, Service: "egress", Action: "Dial", Outcome: audit.Denied, Dial: &audit.Dial{Purpose: "input", Host: host, Port: 80}}.Record(region, account)
	}
}

func repeat(n int, change func(*audit.Record)) (out []func(*audit.Record)) {
	return slices.Repeat([]func(*audit.Record){change}, n)
}

// TestRules: each rule alerts on what it is for, and on nothing that is near it.
func TestRules(t *testing.T) {
	t.Parallel()
	ann, rootARN := arnOf("ann"), "arn:aws:iam::"+account+":root"
	key := "arn:aws:kms:us-east-1:" + account + ":key/1"
	mfa := map[Rule]Setting{SignInWithoutMFA: {Count: 1, Window: time.Hour, Quiet: time.Hour}}
	small := map[Rule]Setting{MassDownload: {Count: 5, Bytes: 1000, Window: time.Hour, Quiet: time.Hour}}
	user := func(r *audit.Record) { r.EventSource, r.EventName = "sts.amazonaws.com", "GetSessionToken" }
	for _, c := range []struct {
		name     string
		settings map[Rule]Setting
		add      []func(*audit.Record)
		want     []string
	}{
		{"calls of everybody", nil, repeat(300, nothing), nil},
		{"the root", nil, repeat(3, root), []string{"root-used " + rootARN}},
		{"its access key", nil, []func(*audit.Record){func(r *audit.Record) { root(r); r.UserIdentity.AccessKeyID = "AKIAEXAMPLE" }}, []string{"root-used " + rootARN, "root-key-used AKIAEXAMPLE"}},
		{"a user who is called root", nil, []func(*audit.Record){by("root", nothing)}, nil},
		{"the root, where that is off", map[Rule]Setting{RootUsed: {Off: true}}, repeat(3, root), nil},
		{"many objects", small, repeat(5, download(0)), []string{"mass-download " + ann}},
		{"almost many", small, repeat(4, download(0)), nil},
		{"many bytes", small, repeat(2, download(500)), []string{"mass-download " + ann}},
		{"bytes of two", small, []func(*audit.Record){download(600), by("bob", download(600))}, nil},
		{"objects of a job", small, repeat(9, func(r *audit.Record) { download(900)(r); r.UserIdentity.InvokedBy = "mediaconvert.amazonaws.com" }), nil},
		{"objects that were not got", small, repeat(9, func(r *audit.Record) { download(900)(r); r.ErrorCode = "NoSuchKey" }), nil},
		{"uploads", small, repeat(9, func(r *audit.Record) { download(900)(r); r.EventName = "PutObject" }), nil},
		{"bytes that are none", small, repeat(2, func(r *audit.Record) {
			download(0)(r)
			r.AdditionalEventData["bytesTransferredOut"] = json.RawMessage(`"many"`)
		}), nil},
		{"denials of one", nil, repeat(20, denied), []string{"principal-denied " + ann, "source-denied 192.0.2.7"}},
		{"almost", nil, repeat(19, denied), nil},
		{"denials of one address", nil, func() (out []func(*audit.Record)) {
			for i := range 20 {
				out = append(out, by(fmt.Sprint("u", i), denied))
			}
			return out
		}(), []string{"source-denied 192.0.2.7"}},
		{"denials from everywhere", nil, func() (out []func(*audit.Record)) {
			for i := range 20 {
				out = append(out, by("ann", func(r *audit.Record) { denied(r); r.SourceIPAddress = fmt.Sprint("192.0.2.", i) }))
			}
			return out
		}(), []string{"principal-denied " + ann}},
		{"failures", nil, repeat(30, func(r *audit.Record) { r.ErrorCode = "NotFoundException" }), nil},
		{"a policy deleted", nil, []func(*audit.Record){calls("iam", "DeleteUserPolicy", ann)}, []string{"control-disabled " + ann}},
		{"a key disabled", nil, []func(*audit.Record){calls("kms", "DisableKey", key)}, []string{"control-disabled " + key}},
		{"a key's deletion", nil, []func(*audit.Record){calls("kms", "ScheduleKeyDeletion", key)}, []string{"control-disabled " + key}},
		{"a trail stopped", nil, []func(*audit.Record){calls("cloudtrail", "StopLogging", "")}, []string{"control-disabled " + ann}},
		{"a trail changed", nil, []func(*audit.Record){calls("cloudtrail", "UpdateTrail", "")}, []string{"control-disabled " + ann}},
		{"events of a trail deselected", nil, []func(*audit.Record){calls("cloudtrail", "PutEventSelectors", "")}, []string{"control-disabled " + ann}},
		{"targets removed", nil, []func(*audit.Record){calls("events", "RemoveTargets", "")}, []string{"control-disabled " + ann}},
		{"a policy of inputs", nil, []func(*audit.Record){calls("mediaconvert", "DeletePolicy", "")}, []string{"control-disabled " + ann}},
		{"a queue deleted", nil, []func(*audit.Record){calls("mediaconvert", "DeleteQueue", "")}, nil},
		{"a key enabled", nil, []func(*audit.Record){calls("kms", "EnableKey", key)}, nil},
		{"a deletion that was denied", nil, []func(*audit.Record){func(r *audit.Record) { calls("kms", "DisableKey", key)(r); denied(r) }}, nil},
		{"no second factor", mfa, []func(*audit.Record){user}, []string{"sign-in-without-mfa " + ann}},
		{"a second factor now", mfa, []func(*audit.Record){func(r *audit.Record) { user(r); r.RequestParameters = json.RawMessage(`{"serialNumber":"x"}`) }}, nil},
		{"a second factor before", mfa, []func(*audit.Record){func(r *audit.Record) {
			user(r)
			r.UserIdentity.SessionContext = &audit.SessionContext{Attributes: audit.SessionAttributes{MFAAuthenticated: "true"}}
		}}, nil},
		{"a job's role", mfa, []func(*audit.Record){func(r *audit.Record) { user(r); r.UserIdentity.Type = "AssumedRole" }}, nil},
		{"no second factor, by default", nil, []func(*audit.Record){user}, nil},
		{"a connection refused", nil, []func(*audit.Record){refusedDial("10.0.0.1"), refusedDial("10.0.0.1")}, []string{"egress-refused input 10.0.0.1"}},
		{"a connection that failed", nil, []func(*audit.Record){func(r *audit.Record) {
			refusedDial("x")(r)
			r.ServiceEventDetails.Outcome = audit.Failed
		}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, c.settings)
			h.add(c.add...)
			h.want("alerts", c.want...)
		})
	}
}

// TestWindow: what is older than the window does not count, whatever it was.
func TestWindow(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.add(repeat(19, denied)...)
	h.pass(12 * time.Minute)
	h.add(repeat(19, denied)...)
	h.want("two halves, apart")
	h.pass(time.Minute)
	h.add(denied)
	h.want("twenty together", "principal-denied "+arnOf("ann"), "source-denied 192.0.2.7")
	// A call that began long before it ended counts when it is told.
	h = newHouse(t, nil)
	h.add(repeat(10, denied)...)
	h.add(repeat(10, func(r *audit.Record) { denied(r); r.EventTime = r.EventTime.Add(-3 * time.Hour) })...)
	h.want("long calls", "principal-denied "+arnOf("ann"), "source-denied 192.0.2.7")
}

// TestQuiet: the same is told once in its quiet time, however often it happens; then again, with how often.
func TestQuiet(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	rootARN := "root-used arn:aws:iam::" + account + ":root"
	h.add(repeat(50, root)...)
	h.want("at first", rootARN)
	if got := h.watch.Problems(); len(got) != 1 || got[0].Rule != RootUsed || got[0].Count != 1 || strings.Contains(got[0].Message, account) {
		t.Errorf("problems: %+v", got)
	}
	h.pass(59 * time.Minute)
	h.add(root)
	h.want("soon", rootARN)
	h.pass(2 * time.Minute)
	if got := h.watch.Problems(); len(got) != 0 {
		t.Errorf("problems after: %+v", got)
	}
	h.add(root)
	h.want("later", rootARN, rootARN)
	var d detail
	h.with(func() { _ = json.Unmarshal(h.events[1].Detail, &d) })
	if d.Suppressed != 50 {
		t.Errorf("suppressed %d, want 50", d.Suppressed)
	}
	// Another account is told by itself.
	h.add(func(r *audit.Record) { root(r); r.RecipientAccountID = other })
	if got := h.told(); len(got) != 3 || h.events[2].Account != other {
		t.Errorf("of two accounts: %v", got)
	}
}

// TestAlert holds what an alert is: a record, an event with the same id, a line of the log.
func TestAlert(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.add(root)
	h.want("alerts", "root-used arn:aws:iam::"+account+":root")
	found, err := h.store.Find(t.Context(), audit.Query{Account: account, Name: "AuditAlert", Limit: 10})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d records, %v", len(found), err)
	}
	r, err := found[0].Decode()
	if err != nil {
		t.Fatal(err)
	}
	e := h.events[0]
	if r.EventID != e.ID || r.EventSource != "darkroom.amazonaws.com" || string(r.AdditionalEventData["rule"]) != `"root-used"` || string(r.AdditionalEventData["cause"]) != `"event-1"` || !r.ManagementEvent {
		t.Errorf("the record: %+v", r)
	}
	if e.Source != "darkroom.audit" || e.DetailType != "Darkroom Audit Alert" || e.Account != account || e.Version != "0" || e.Region != region || !e.Time.Equal(r.EventTime) || len(e.Resources) != 1 {
		t.Errorf("the event: %+v", e)
	}
	if !strings.Contains(h.log.String(), `"level":"WARN","msg":"alert","rule":"root-used"`) {
		t.Errorf("the log: %s", h.log.String())
	}
}

// TestGap: positions that are missing, a record that is none, and a trail that ends before where it was, are told.
func TestGap(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.add(repeat(5, nothing)...)
	h.want("whole")
	h.stop()
	odd := &tampered{Store: h.store, hide: map[int64]bool{7: true, 8: true}, spoil: map[int64]bool{10: true}}
	h.add(repeat(6, nothing)...)
	w, err := New(Options{Region: region, Accounts: []string{account}, Trail: odd, Log: slog.New(slog.DiscardHandler), Tick: h.tick, Emit: h.watch.o.Emit, Now: h.watch.o.Now, Running: h.watch.o.Running})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	h.want("gaps", "audit-gap positions", "audit-gap content")
	odd.mu.Lock()
	odd.end = 3
	odd.mu.Unlock()
	h.want("an end", "audit-gap positions", "audit-gap content", "audit-gap end")
	var d detail
	h.with(func() { _ = json.Unmarshal(h.events[0].Detail, &d) })
	if d.Count != 2 || !strings.Contains(d.Message, "7 to 8") {
		t.Errorf("the gap: %+v", d)
	}
	cancel()
	<-done
}

// tampered is a trail that somebody has changed behind the back of the server.
type tampered struct {
	*sqlite.Store
	hide, spoil map[int64]bool
	mu          sync.Mutex // guards end
	end         int64
}

func (s *tampered) Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error) {
	all, err := s.Store.Concluded(ctx, account, after, limit)
	all = slices.DeleteFunc(all, func(e audit.Entry) bool { return s.hide[e.Position] })
	for i := range all {
		if s.spoil[all[i].Position] {
			all[i].Text = json.RawMessage("{")
		}
	}
	return all, err
}

func (s *tampered) Position(ctx context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end > 0 {
		return s.end, nil
	}
	return s.Store.Position(ctx)
}

// TestClock: the clock put back is told; time that passes, and a clock that is put forward, are not.
func TestClock(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for range 3 {
		h.pass(time.Hour)
		h.want("time passes")
	}
	h.with(func() { h.now = h.now.Add(time.Hour) })
	h.want("forward")
	h.with(func() { h.now = h.now.Add(-5 * time.Second) })
	h.want("a little back")
	h.with(func() { h.now = h.now.Add(-48 * time.Hour) })
	h.want("back", "clock-back clock")
	// Windows go on with the new time.
	h.add(repeat(19, denied)...)
	h.pass(20 * time.Minute)
	h.add(denied)
	h.want("after", "clock-back clock")
}

// TestConditions: what others have found is told when it begins, lasts until it ends, and is told again when it comes back.
func TestConditions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	stuck := Condition{DeliveryStuck, "", "feed siem", "The feed siem takes nothing."}
	h.want("nothing")
	h.with(func() { h.conditions = []Condition{stuck} })
	h.want("begins", "delivery-stuck feed siem")
	h.pass(5 * time.Hour)
	h.want("lasts", "delivery-stuck feed siem")
	if got := h.watch.Problems(); len(got) != 1 || got[0].Rule != DeliveryStuck {
		t.Errorf("problems: %+v", got)
	}
	h.with(func() { h.conditions = append(h.conditions, Condition{DigestLate, account, "trail t", "late"}) })
	h.want("one more", "delivery-stuck feed siem", "digest-late trail t")
	h.with(func() { h.conditions = nil })
	h.settle()
	if got := h.watch.Problems(); len(got) != 0 {
		t.Errorf("problems after: %+v", got)
	}
	h.with(func() { h.conditions = []Condition{stuck} })
	h.want("comes back", "delivery-stuck feed siem", "digest-late trail t", "delivery-stuck feed siem")
}

// TestRestart: what was counted before a stop counts after it; what happened while nobody watched is told; what was told is not told again.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.add(repeat(12, denied)...)
	h.add(root)
	rootARN := "root-used arn:aws:iam::" + account + ":root"
	h.want("before", rootARN)
	h.stop()
	h.add(repeat(7, denied)...)
	h.add(root)
	h.start()
	h.want("nineteen", rootARN)
	h.stop()
	h.add(denied)
	h.start()
	h.want("twenty", rootARN, "principal-denied "+arnOf("ann"), "source-denied 192.0.2.7")

	// A position that was not noted makes everything be read again; nothing is recorded twice.
	h.stop()
	h.add(calls("kms", "DisableKey", "arn:aws:kms:us-east-1:"+account+":key/1"))
	again := errors.New("the program dies after the record")
	h.with(func() { h.emit = func(event.Event) error { return again } })
	died := 0
	w, err := New(Options{
		Region: region, Accounts: []string{account, other}, Trail: h.store, Log: slog.New(slog.DiscardHandler), Tick: h.tick, Emit: h.watch.o.Emit, Now: h.watch.o.Now, Running: h.watch.o.Running,
		Wait: func(context.Context, time.Duration) error { died++; return again },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); !errors.Is(err, again) || died != 1 {
		t.Fatalf("ended with %v after %d failures", err, died)
	}
	if err := h.store.ForgetReader(t.Context(), reader); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Reach(t.Context(), reader, 13); err != nil {
		t.Fatal(err)
	}
	h.with(func() { h.emit = nil })
	h.start()
	h.settle()
	found, err := h.store.Find(t.Context(), audit.Query{Account: account, Name: "AuditAlert", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, f := range found {
		r, err := f.Decode()
		if err != nil {
			t.Fatal(err)
		}
		ids[r.EventID] = true
	}
	if len(found) != 4 || len(ids) != 4 {
		t.Errorf("%d records of %d alerts, want 4", len(found), len(ids))
	}
}

// TestUpgrade: what was recorded before anybody watched is not told of.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.stop()
	if err := h.store.ForgetReader(t.Context(), reader); err != nil {
		t.Fatal(err)
	}
	h.add(repeat(40, root)...)
	h.start()
	h.want("at first")
	h.add(root)
	h.want("then", "root-used arn:aws:iam::"+account+":root")
}

// TestEmit: an event that the bus does not take is put again, the same one.
func TestEmit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var tried []string
	h.with(func() {
		h.emit = func(e event.Event) error {
			if tried = append(tried, e.ID); len(tried) < 4 {
				return errors.New("down")
			}
			return nil
		}
	})
	h.add(root)
	h.want("after all", "root-used arn:aws:iam::"+account+":root")
	if len(tried) != 4 || len(slices.Compact(tried)) != 1 {
		t.Errorf("tried %v", tried)
	}
}

// TestFlood: many subjects neither fill the memory nor the trail, and no flood of names hides one that goes on.
func TestFlood(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var many []func(*audit.Record)
	for i := range 3 * MaxAlerts {
		many = append(many, refusedDial(fmt.Sprint("host", i)))
	}
	h.add(many...)
	got := h.told()
	if len(got) != MaxAlerts+1 || got[MaxAlerts] != "egress-refused others" {
		t.Errorf("%d alerts, the last %s", len(got), got[len(got)-1])
	}
	if p := h.watch.Problems(); len(p) != 1 || p[0].Count != MaxAlerts+1 {
		t.Errorf("problems: %+v", p)
	}

	c := newCounters(time.Hour)
	for i := range MaxTracked {
		c.add(fmt.Sprint(i), begin, 1, 0)
	}
	for i := range 30 {
		count, _, counted := c.add(fmt.Sprint("more", i), begin, 1, 0)
		if counted != Others || count != int64(i+1) {
			t.Fatalf("the %dth beyond the bound is counted as %s: %d", i, counted, count)
		}
	}
	if count, _, counted := c.add("17", begin, 1, 0); count != 2 || counted != "17" {
		t.Errorf("one who is counted: %d as %s", count, counted)
	}
	if c.used.Len() != MaxTracked || len(c.of) != MaxTracked {
		t.Errorf("%d are tracked", c.used.Len())
	}
	// Who has done nothing for a window makes room.
	if _, _, counted := c.add("later", begin.Add(2*time.Hour), 1, 0); counted != "later" || c.used.Len() != MaxTracked {
		t.Errorf("later: counted as %s, %d tracked", counted, c.used.Len())
	}
}

// TestStrangers: refusals of unknown principals are counted by address; those that find no room alert by their number.
func TestStrangers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	stranger := func(ip string) audit.Record {
		return audit.Record{EventID: audit.NewID(), SourceIPAddress: ip, ErrorCode: "InvalidClientTokenId"}
	}
	for range 25 {
		h.watch.Stranger(stranger("198.51.100.9"))
		h.watch.Stranger(stranger("not an address"))
	}
	for len(h.watch.strangers) > 0 { // what waits is taken before the next tick or after it
		h.settle()
	}
	h.want("one address", "source-denied 198.51.100.9")

	h.stop()
	for range maxStrangers + 5 {
		h.watch.Stranger(stranger("198.51.100.10"))
	}
	if h.watch.lost.Load() != 5 {
		t.Errorf("%d found no room, want 5", h.watch.lost.Load())
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]map[Rule]Setting{
		"an unknown rule": {"nonsense": Default(RootUsed)},
		"no count":        {RootUsed: {Window: time.Hour, Quiet: time.Hour}},
		"a short window":  {RootUsed: {Count: 1, Window: time.Second, Quiet: time.Hour}},
		"a long window":   {RootUsed: {Count: 1, Window: 25 * time.Hour, Quiet: time.Hour}},
		"no quiet":        {RootUsed: {Count: 1, Window: time.Hour}},
		"negative bytes":  {MassDownload: {Count: 1, Bytes: -1, Window: time.Hour, Quiet: time.Hour}},
	} {
		if _, err := New(Options{Region: region, Accounts: []string{account}, Trail: (*sqlite.Store)(nil), Log: slog.New(slog.DiscardHandler), Settings: s}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, r := range Rules {
		if s := Default(r); words[r] == "" || s.check(r) != nil {
			t.Errorf("%s: %+v", r, s)
		}
	}
}

func (s Setting) check(r Rule) error { return r.check(s) }
