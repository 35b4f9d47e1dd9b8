package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/store/sqlite"
)

func records(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t *testing.T, s *sqlite.Store, from, to int) {
	t.Helper()
	var all []audit.Record
	for n := from; n <= to; n++ {
		all = append(all, audit.Record{EventID: fmt.Sprint(n), RecipientAccountID: "111122223333", EventTime: time.Unix(int64(n), 0)})
	}
	if err := s.Audit(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
}

// collector is a sink in memory.
type collector struct {
	mu     sync.Mutex // guards what follows
	lines  []string
	most   int // lines in a batch, as far as it has seen
	fail   func(lines [][]byte) error
	closed bool
	grown  chan struct{}
}

func newCollector() *collector { return &collector{grown: make(chan struct{}, 1)} }

func (c *collector) Send(_ context.Context, lines [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		if err := c.fail(lines); err != nil {
			return err
		}
	}
	c.most = max(c.most, len(lines))
	for _, l := range lines {
		c.lines = append(c.lines, string(bytes.TrimSuffix(l, []byte("\n"))))
	}
	select {
	case c.grown <- struct{}{}:
	default:
	}
	return nil
}

func (c *collector) Close() error { c.closed = true; return nil }

// until waits until the collector has n lines, and returns them.
func (c *collector) until(t *testing.T, n int) []string {
	t.Helper()
	for {
		c.mu.Lock()
		got := slices.Clone(c.lines)
		c.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-c.grown:
		case <-t.Context().Done():
			t.Fatalf("%d lines, want %d", len(got), n)
		}
	}
}

// clock goes on as far as it is waited for.
type clock struct {
	mu    sync.Mutex // guards what follows
	now   time.Time
	waits []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waits = append(c.waits, d)
	return ctx.Err()
}

func id(e audit.Entry) []byte {
	r, _ := e.Decode()
	return []byte(r.EventID)
}

// start runs a feed, and returns it with how to stop it.
func start(t *testing.T, s *sqlite.Store, sink Sink, c *clock) (*Feed, func()) {
	t.Helper()
	o := Options{Name: "siem", Trail: s, Positions: s, Sink: sink, Line: id, Log: slog.New(slog.DiscardHandler)}
	if c != nil {
		o.Now, o.Wait = c.Now, c.Wait
	}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return f, func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the feed ended with %v", err)
		}
	}
}

func numbers(from, to int) (out []string) {
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

// TestFeed: everything arrives, once, in order, as it comes; after a stop it goes on where it was.
func TestFeed(t *testing.T) {
	t.Parallel()
	s, c := records(t), newCollector()
	add(t, s, 1, 3)
	_, stop := start(t, s, c, nil)
	c.until(t, 3)
	add(t, s, 4, 1300)
	c.until(t, 1300)
	stop()
	if !c.closed {
		t.Error("the sink was not closed")
	}
	add(t, s, 1301, 1302)
	_, stop = start(t, s, c, nil)
	got := c.until(t, 1302)
	stop()
	if !slices.Equal(got, numbers(1, 1302)) {
		t.Errorf("got %d records, the last %v", len(got), got[max(0, len(got)-3):])
	}
	if c.most > MaxBatch {
		t.Errorf("a batch of %d", c.most)
	}
}

// TestInterrupted: what was sent and not noted is sent again; nothing is left out.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s, c := records(t), newCollector()
	add(t, s, 1, 10)
	broken := &failing{Store: s, after: 1} // the program dies between sending and noting
	f, err := New(Options{Name: "siem", Trail: s, Positions: broken, Sink: c, Line: id, Log: slog.New(slog.DiscardHandler), Wait: func(context.Context, time.Duration) error { return errDied }})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(t.Context()); !errors.Is(err, errDied) {
		t.Fatalf("ended with %v", err)
	}
	_, stop := start(t, s, c, nil)
	got := c.until(t, 20)
	stop()
	if !slices.Equal(got, append(numbers(1, 10), numbers(1, 10)...)) {
		t.Errorf("got %v", got)
	}
}

var errDied = errors.New("died")

type failing struct {
	*sqlite.Store
	after int
}

func (f *failing) Reach(ctx context.Context, reader string, position int64) error {
	if f.after--; f.after < 0 {
		return errDied
	}
	return f.Store.Reach(ctx, reader, position)
}

// TestDown: a target that is down for a day gets everything after it, and the feed says meanwhile that it is stuck.
func TestDown(t *testing.T) {
	t.Parallel()
	s, c := records(t), newCollector()
	add(t, s, 1, 700)
	begin := time.Unix(1_900_000_000, 0)
	clock := &clock{now: begin}
	var stuckAt time.Time
	var f *Feed
	made := make(chan struct{})
	c.fail = func([][]byte) error {
		<-made
		now := clock.Now()
		if stuckAt.IsZero() && f.Status().Stuck(now) {
			stuckAt = now
		}
		if now.Sub(begin) < 24*time.Hour {
			return errors.New("down")
		}
		return nil
	}
	f, stop := start(t, s, c, clock)
	close(made)
	got := c.until(t, 700)
	stop()
	if !slices.Equal(got, numbers(1, 700)) {
		t.Errorf("got %d records", len(got))
	}
	if d := stuckAt.Sub(begin); d < StuckAfter || d > StuckAfter+2*LastPause {
		t.Errorf("stuck after %v", d)
	}
	if s := f.Status(); !s.Failing.IsZero() || s.Problem != "" || s.Stuck(clock.Now().Add(time.Hour)) {
		t.Errorf("after: %+v", s)
	}
	for _, w := range clock.waits {
		if w > LastPause || w < FirstPause/2 {
			t.Errorf("waited for %v", w)
		}
	}
}

// TestLarge: a target that takes small batches alone gets those; one record that is too large stays, and is not left out.
func TestLarge(t *testing.T) {
	t.Parallel()
	s, c := records(t), newCollector()
	add(t, s, 1, 100)
	c.fail = func(lines [][]byte) error {
		if len(lines) > 7 {
			return &TooLarge{errors.New("413")}
		}
		return nil
	}
	_, stop := start(t, s, c, nil)
	got := c.until(t, 100)
	stop()
	if !slices.Equal(got, numbers(1, 100)) || c.most > 7 {
		t.Errorf("got %d records in batches of %d", len(got), c.most)
	}
	tries := 0
	add(t, s, 101, 102)
	c.fail = func(lines [][]byte) error {
		if tries++; tries < 10 {
			return &TooLarge{errors.New("413")}
		}
		return nil
	}
	_, stop = start(t, s, c, &clock{})
	got = c.until(t, 102)
	stop()
	if !slices.Equal(got, numbers(1, 102)) {
		t.Errorf("got %v", got[100:])
	}
}

// TestLater: a target that names a time is not asked before.
func TestLater(t *testing.T) {
	t.Parallel()
	s, c, clock := records(t), newCollector(), &clock{}
	add(t, s, 1, 1)
	tries := 0
	c.fail = func([][]byte) error {
		if tries++; tries == 1 {
			return &Later{time.Minute, errors.New("busy")}
		}
		return nil
	}
	_, stop := start(t, s, c, clock)
	c.until(t, 1)
	stop()
	if len(clock.waits) == 0 || clock.waits[0] != time.Minute {
		t.Errorf("waited %v, want a minute", clock.waits)
	}
}

// TestOwn: records of connections that feeds make do not make a feed connect for them alone; with others they go at once.
func TestOwn(t *testing.T) {
	t.Parallel()
	dial := func(outcome audit.Outcome) audit.Entry {
		text, err := json.Marshal(audit.ServiceEvent{Service: "egress", Action: "Dial", Outcome: outcome, Dial: &audit.Dial{Purpose: "webhook", Host: "siem"}}.Record("r", "1"))
		if err != nil {
			t.Fatal(err)
		}
		return audit.Entry{Text: text}
	}
	other := audit.Entry{Text: json.RawMessage(`{"eventName":"CreateJob"}`)}
	for name, c := range map[string]struct {
		entries []audit.Entry
		want    bool
	}{
		"own":         {[]audit.Entry{dial(audit.Intended), dial(audit.Connected)}, true},
		"refused":     {[]audit.Entry{dial(audit.Intended), dial(audit.Denied)}, false},
		"with others": {[]audit.Entry{dial(audit.Intended), other}, false},
		"others":      {[]audit.Entry{other}, false},
		"unreadable":  {[]audit.Entry{{Text: json.RawMessage(`{`)}}, false},
	} {
		if got := own(c.entries); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}

	s, sink := records(t), newCollector()
	r, err := dial(audit.Intended).Decode()
	if err != nil {
		t.Fatal(err)
	}
	r.EventID = "dial"
	if err := s.Audit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	clock := &clock{now: time.Unix(1_900_000_000, 0)}
	_, stop := start(t, s, sink, clock)
	got := sink.until(t, 1)
	stop()
	if !slices.Equal(got, []string{"dial"}) || len(clock.waits) == 0 || clock.waits[0] != OwnPause {
		t.Errorf("got %v after %v", got, clock.waits)
	}
	// While it waits for real, a record of another kind takes the first along.
	if err := s.Audit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, stop = start(t, s, sink, nil)
	add(t, s, 1, 1)
	got = sink.until(t, 3)
	stop()
	if !slices.Equal(got, []string{"dial", "dial", "1"}) {
		t.Errorf("got %v", got)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("x"), MaxBatchBytes-10)
	f := &Feed{o: Options{Line: func(e audit.Entry) []byte { return e.Text }}}
	entries := []audit.Entry{{Position: 1, Text: json.RawMessage(big)}, {Position: 2, Text: json.RawMessage(big)}, {Position: 3, Text: json.RawMessage("1")}}
	if lines, last := f.batch(entries, MaxBatch); len(lines) != 1 || last != 1 {
		t.Errorf("%d lines to %d", len(lines), last)
	}
	if lines, last := f.batch(entries[2:], MaxBatch); len(lines) != 1 || last != 3 || string(lines[0]) != "1\n" {
		t.Errorf("%q to %d", lines, last)
	}
}
