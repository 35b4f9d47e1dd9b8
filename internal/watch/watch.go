// Package watch reads the audit trail as it grows, and alerts on what assessors ask to be told of.
//
// An alert is a record of the trail (AuditAlert), a line of the log, an event, and a problem while it lasts. The same is not told again for a while. The counts
// behind the rules are in memory, bounded, and made anew from the trail when the server starts; how far the trail was read is in the records, so that nothing
// that happened before a stop is passed over.
package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/event"
)

// Bounds of the watch.
const (
	batch     = 500
	noteEvery = 5 * time.Second // how often the position is noted while nothing alerts
	// CheckEvery is how often the clock, and what others tell of (Options.Conditions), are looked at.
	CheckEvery = time.Minute
	// ClockTolerance is how far the clock may be put back without an alert.
	ClockTolerance = 10 * time.Second
	// MaxAlerts is how many subjects of a rule are told of within its quiet time. Beyond it, all others are told of together.
	MaxAlerts = 100
	// maxStrangers is how many refusals of unknown principals wait; more are counted only.
	maxStrangers = 256
	// longest is how far the time of a record may lie behind that of others: a call is recorded when it ends, with the time when it began.
	longest = 24 * time.Hour
	// reader is the name of the watch in the records.
	reader = "watch"

	firstPause, lastPause = time.Second, time.Minute
)

// Trail is what the watch reads, and writes its alerts to. A store.Store is one.
type Trail interface {
	Audit(ctx context.Context, r ...audit.Record) error
	Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error)
	Find(ctx context.Context, q audit.Query) ([]audit.Found, error)
	Position(ctx context.Context) (int64, error)
	Grown() <-chan struct{}
	Reached(ctx context.Context, reader string) (position int64, known bool, err error)
	Reach(ctx context.Context, reader string, position int64) error
}

// Condition is something that others have found, and that lasts: it is told of when it begins, and is a problem until it is not returned any more.
type Condition struct {
	Rule             Rule // DigestLate or DeliveryStuck
	Account, Subject string
	Message          string
}

// Options are what a Watch works with. Region, Accounts, Trail and Log are needed.
type Options struct {
	Region   string
	Accounts []string // the first is the main one, which what is of no account is told to
	Settings map[Rule]Setting
	Trail    Trail
	// Emit puts an event on the bus of its account. It is called again with the same event until it returns nil. Nil emits nothing.
	Emit func(ctx context.Context, e event.Event) error
	// Conditions are what others have found. It must not block. Nil finds nothing.
	Conditions func(ctx context.Context, now time.Time) []Condition
	Log        *slog.Logger
	// Now is the clock, and Running the time since some moment by a clock that nobody sets; nil means those of the system.
	Now     func() time.Time
	Running func() time.Duration
	// Tick says when to look at the clock and the conditions; nil means every CheckEvery.
	Tick <-chan time.Time
	// Wait waits before what failed is tried again; nil is a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

// Problem is an alert that lasts.
type Problem struct {
	Rule    Rule
	Message string // for everybody: it names nobody
	Count   int    // how many subjects
}

type key struct {
	rule             Rule
	account, subject string
}

// told is an alert that was given.
type told struct {
	at         time.Time
	suppressed int64
	lasts      bool // as long as its condition
}

// Watch alerts.
type Watch struct {
	o         Options
	settings  map[Rule]Setting
	strangers chan audit.Record
	lost      atomic.Int64 // strangers that found no room

	// What follows belongs to Run alone.
	counters  map[Rule]*counters
	position  int64     // read
	noted     time.Time // when the position was
	trailTime time.Time // the latest time of a record
	wall      time.Time
	running   time.Duration

	mu   sync.Mutex // guards told; held for look-ups only
	told map[key]*told
}

// New returns a watch.
func New(o Options) (*Watch, error) {
	if o.Region == "" || len(o.Accounts) == 0 || o.Trail == nil || o.Log == nil {
		return nil, errors.New("a watch needs Region, Accounts, Trail and Log")
	}
	if o.Emit == nil {
		o.Emit = func(context.Context, event.Event) error { return nil }
	}
	if o.Conditions == nil {
		o.Conditions = func(context.Context, time.Time) []Condition { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Running == nil {
		start := time.Now()
		o.Running = func() time.Duration { return time.Since(start) }
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	w := &Watch{o: o, settings: map[Rule]Setting{}, counters: map[Rule]*counters{}, told: map[key]*told{}, strangers: make(chan audit.Record, maxStrangers)}
	for _, r := range Rules {
		s, given := o.Settings[r]
		if !given {
			s = Default(r)
		}
		if err := r.check(s); err != nil {
			return nil, err
		}
		w.settings[r] = s
	}
	for r := range o.Settings {
		if words[r] == "" {
			return nil, fmt.Errorf("there is no rule %q", r)
		}
	}
	return w, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stranger hears of a refused request whose principal is not known and that has no record of its own. It does not block: what there is no room for is counted as that
// of others.
func (w *Watch) Stranger(r audit.Record) {
	select {
	case w.strangers <- r:
	default:
		w.lost.Add(1)
	}
}

// Problems returns the alerts that last, one for each rule, in the order of the rules: those of a condition until it has ended, others for their quiet time.
func (w *Watch) Problems() []Problem {
	now := w.o.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	count := map[Rule]int{}
	for k, t := range w.told {
		if t.lasts || w.quiet(k.rule, t, now) {
			count[k.rule]++
		}
	}
	var out []Problem
	for _, r := range Rules {
		if count[r] > 0 {
			out = append(out, Problem{r, words[r], count[r]})
		}
	}
	return out
}

// quiet says whether an alert was given so recently that it is not given again. One of the future was given before the clock was put back.
func (w *Watch) quiet(r Rule, t *told, now time.Time) bool {
	d := now.Sub(t.at)
	return d >= 0 && d < w.settings[r].Quiet
}

// Run watches until ctx ends, and returns its error.
func (w *Watch) Run(ctx context.Context) error {
	if err := w.persist(ctx, func() error { return w.begin(ctx) }); err != nil {
		return err
	}
	tick := w.o.Tick
	if tick == nil {
		t := time.NewTicker(CheckEvery)
		defer t.Stop()
		tick = t.C
	}
	defer func() { w.note(context.WithoutCancel(ctx)) }()
	for {
		grown := w.o.Trail.Grown() // before it is read
		n, err := w.read(ctx)
		if err != nil {
			return err
		}
		if n > 0 && ctx.Err() == nil {
			if w.o.Now().Sub(w.noted) >= noteEvery {
				w.note(ctx)
			}
			select {
			case <-tick: // also under a load that never ends
				if err := w.check(ctx); err != nil {
					return err
				}
			default:
			}
			continue
		}
		select {
		case <-grown:
		case <-tick:
			w.note(ctx)
			if err := w.check(ctx); err != nil {
				return err
			}
		case r := <-w.strangers:
			if err := w.stranger(ctx, &r); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin finds where the watch was, and counts anew what led there.
func (w *Watch) begin(ctx context.Context) error {
	w.wall, w.running = w.o.Now().Round(0), w.o.Running()
	for r, s := range w.settings {
		w.counters[r] = newCounters(s.Window) // what an attempt that failed had counted
	}
	position, known, err := w.o.Trail.Reached(ctx, reader)
	if err != nil {
		return err
	}
	if !known { // the first time: what was before is not told of
		if position, err = w.o.Trail.Position(ctx); err != nil {
			return err
		}
		if err := w.o.Trail.Reach(ctx, reader, position); err != nil {
			return err
		}
	}
	w.position = position
	return w.rebuild(ctx)
}

// rebuild reads what is within the longest window or quiet time before the position, and tells of nothing.
func (w *Watch) rebuild(ctx context.Context) error {
	last, err := w.o.Trail.Concluded(ctx, "", w.position-1, 1)
	if err != nil || w.position == 0 || len(last) == 0 {
		return err
	}
	r, err := last[0].Decode()
	if err != nil {
		return nil // nothing to begin from
	}
	back := time.Duration(0)
	for _, s := range w.settings {
		if !s.Off {
			back = max(back, s.Window)
		}
	}
	from := w.position
	for _, account := range w.o.Accounts {
		found, err := w.o.Trail.Find(ctx, audit.Query{Account: account, From: r.EventTime.Add(-back), Ascending: true, Limit: 1})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			from = min(from, found[0].Position)
		}
		// Alerts are few, and their quiet time can be longer than any window.
		alerts, err := w.o.Trail.Find(ctx, audit.Query{Account: account, Name: alertName, Source: alertSource, From: w.o.Now().Add(-MaxQuiet), Limit: MaxAlerts * len(Rules)})
		if err != nil {
			return err
		}
		for i := len(alerts) - 1; i >= 0; i-- {
			if a, err := alerts[i].Decode(); err == nil {
				w.remember(&a)
			}
		}
	}
	for at := from - 1; at < w.position; {
		entries, err := w.o.Trail.Concluded(ctx, "", at, batch)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if at = e.Position; at > w.position {
				break
			}
			if r, err := e.Decode(); err == nil {
				w.judge(&r, func(Alert) {})
			}
		}
		if len(entries) == 0 {
			break
		}
	}
	return nil
}

// read judges the next records, and returns how many there were.
func (w *Watch) read(ctx context.Context) (int, error) {
	var entries []audit.Entry
	if err := w.persist(ctx, func() (err error) {
		entries, err = w.o.Trail.Concluded(ctx, "", w.position, batch)
		return err
	}); err != nil {
		return 0, err
	}
	for _, e := range entries {
		var alerts []Alert
		found := func(a Alert) { alerts = append(alerts, a) }
		r, err := e.Decode()
		if missing := e.Position - w.position - 1; missing > 0 {
			found(Alert{
				Rule: AuditGap, Account: w.o.Accounts[0], Subject: "positions", Count: missing, Cause: fmt.Sprint("gap-", w.position),
				Message: fmt.Sprintf("The records at positions %d to %d of the audit trail are missing.", w.position+1, e.Position-1),
			})
		}
		if err != nil {
			found(Alert{
				Rule: AuditGap, Account: e.Account, Subject: "content", Count: 1, Cause: fmt.Sprint("unreadable-", e.Position),
				Message: fmt.Sprintf("The record at position %d of the audit trail cannot be read.", e.Position),
			})
		} else {
			w.judge(&r, found)
		}
		for _, a := range alerts {
			if err := w.tell(ctx, a, false); err != nil {
				return 0, err
			}
		}
		w.position = e.Position
		if len(alerts) > 0 {
			w.note(ctx)
		}
	}
	return len(entries), nil
}

// note keeps the position. When it cannot be kept, more is read again after a crash.
func (w *Watch) note(ctx context.Context) {
	w.noted = w.o.Now()
	if err := w.o.Trail.Reach(ctx, reader, w.position); err != nil && ctx.Err() == nil {
		w.o.Log.Warn("the watch of the audit trail cannot note how far it has come", "err", err)
	}
}

// persist repeats what fails, until ctx ends.
func (w *Watch) persist(ctx context.Context, do func() error) error {
	for pause, first := firstPause, true; ; pause, first = min(2*pause, lastPause), false {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if first {
			w.o.Log.Error("the watch of the audit trail cannot go on; it is tried again", "err", err)
		}
		if err := w.o.Wait(ctx, pause); err != nil {
			return err
		}
	}
}

// eventID is the same for the same alert, so that one that was given before a crash is not recorded twice.
func eventID(a Alert) string {
	h := sha256.New()
	for _, part := range []string{"darkroom audit alert", string(a.Rule), a.Account, a.Subject, a.Cause} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // RFC 9562, version 8
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
