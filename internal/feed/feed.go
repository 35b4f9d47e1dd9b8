// Package feed sends the audit trail on, as it grows, to those who collect logs: a file that an agent reads, or an HTTPS address.
//
// Every record is sent at least once, in the order in which records were concluded, and never one that is not durable here. How far a feed has come is in the
// records; what a target does not take waits there, for however long.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"darkroom/internal/audit"
)

// Bounds of a feed.
const (
	// MaxBatch and MaxBatchBytes bound what is sent at once; one record that is larger goes alone.
	MaxBatch      = 500
	MaxBatchBytes = 4 << 20
	// FirstPause and LastPause bound how long a feed waits before it tries a target again that took nothing.
	FirstPause = time.Second
	LastPause  = 5 * time.Minute
	// OwnPause is how long records of nothing but the feeds' own connections wait for company: sent at once, each could make the next.
	OwnPause = 5 * time.Minute
	// StuckAfter is how long a target takes nothing before the feed counts as stuck.
	StuckAfter = 10 * time.Minute
)

// Trail is what a feed reads. A store.Trail is one.
type Trail interface {
	Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error)
	Grown() <-chan struct{}
}

// Positions keep how far feeds have come. A store.Readers is one.
type Positions interface {
	Reached(ctx context.Context, reader string) (position int64, known bool, err error)
	Reach(ctx context.Context, reader string, position int64) error
}

// Sink takes lines. It is used by one feed.
type Sink interface {
	// Send returns nil when it has all lines, durably as far as it can know. Each ends with a newline.
	Send(ctx context.Context, lines [][]byte) error
	Close() error
}

// TooLarge says that a sink takes no batch of that size; a smaller one is tried.
type TooLarge struct{ Err error }

func (e *TooLarge) Error() string { return e.Err.Error() }

// Unwrap returns what the sink said.
func (e *TooLarge) Unwrap() error { return e.Err }

// Later says that a sink asks not to be tried before a time.
type Later struct {
	After time.Duration
	Err   error
}

func (e *Later) Error() string { return e.Err.Error() }

// Unwrap returns what the sink said.
func (e *Later) Unwrap() error { return e.Err }

// Options are what a feed works with. All but Now and Wait are needed.
type Options struct {
	Name      string // its reader's name in the records
	Trail     Trail
	Positions Positions
	Sink      Sink
	// Line writes an entry as one line, without a newline.
	Line func(e audit.Entry) []byte
	Log  *slog.Logger
	// Now is the clock, and Wait waits, or returns the error of ctx. Nil means those of package time.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
}

// Status is how a feed is doing.
type Status struct {
	Name     string
	Position int64 // of the last record that the target has
	// Failing is since when the target takes nothing, and Problem why; the zero time while it does.
	Failing time.Time
	Problem string
}

// Stuck says whether the target has taken nothing for too long.
func (s Status) Stuck(now time.Time) bool {
	return !s.Failing.IsZero() && now.Sub(s.Failing) >= StuckAfter
}

// Feed sends the trail to one target.
type Feed struct {
	o Options

	mu     sync.Mutex // guards status; held for assignments only
	status Status
}

// New returns a feed.
func New(o Options) (*Feed, error) {
	if o.Name == "" || o.Trail == nil || o.Positions == nil || o.Sink == nil || o.Line == nil || o.Log == nil {
		return nil, errors.New("a feed needs Name, Trail, Positions, Sink, Line and Log")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return &Feed{o: o, status: Status{Name: o.Name}}, nil
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

// Status returns how the feed is doing.
func (f *Feed) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *Feed) set(change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

// Run sends until ctx ends, and closes the sink. It returns the error of ctx.
func (f *Feed) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, f.o.Sink.Close()) }()
	var position int64
	if err := f.persist(ctx, func() (err error) {
		var known bool
		if position, known, err = f.o.Positions.Reached(ctx, f.o.Name); err == nil && !known {
			err = f.o.Positions.Reach(ctx, f.o.Name, 0) // from now on, what it needs is not forgotten
		}
		return err
	}); err != nil {
		return err
	}
	f.set(func(s *Status) { s.Position = position })
	limit := MaxBatch
	var since time.Time // when records of our own connections alone began to wait
	for {
		grown := f.o.Trail.Grown() // before it is read: what comes between is not missed
		var entries []audit.Entry
		if err := f.persist(ctx, func() (err error) {
			entries, err = f.o.Trail.Concluded(ctx, "", position, limit)
			return err
		}); err != nil {
			return err
		}
		if len(entries) == 0 {
			select {
			case <-grown:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if own(entries) {
			now := f.o.Now()
			if since.IsZero() {
				since = now
			}
			if left := OwnPause - now.Sub(since); left > 0 && len(entries) < limit {
				if err := f.until(ctx, grown, left); err != nil {
					return err
				}
				continue
			}
		}
		since = time.Time{}
		sent, err := f.send(ctx, entries, &limit)
		if err != nil {
			return err
		}
		position = sent
		if err := f.persist(ctx, func() error { return f.o.Positions.Reach(context.WithoutCancel(ctx), f.o.Name, position) }); err != nil {
			return err
		}
		f.set(func(s *Status) { s.Position = position })
	}
}

// until waits for a time or until the trail grows.
func (f *Feed) until(ctx context.Context, grown <-chan struct{}, d time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-grown:
			cancel(errGrown)
		case <-ctx.Done():
		}
	}()
	err := f.o.Wait(ctx, d)
	cancel(nil)
	<-done
	if errors.Is(context.Cause(ctx), errGrown) {
		return nil
	}
	return err
}

var errGrown = errors.New("the trail has grown")

// own says whether entries are records of connections for log collectors and nothing else.
func own(entries []audit.Entry) bool {
	for _, e := range entries {
		r, err := e.Decode()
		if err != nil || r.ServiceEventDetails == nil || r.ServiceEventDetails.Dial == nil || r.ServiceEventDetails.Dial.Purpose != "webhook" || r.Outcome() == audit.Denied {
			return false
		}
	}
	return true
}

// send sends as many of entries as one batch holds until the target has them, and returns the position of the last.
func (f *Feed) send(ctx context.Context, entries []audit.Entry, limit *int) (int64, error) {
	pause := FirstPause
	lines, last := f.batch(entries, *limit)
	for {
		err := f.o.Sink.Send(ctx, lines)
		if err == nil {
			if s := f.Status(); !s.Failing.IsZero() {
				f.o.Log.Info("a feed of the audit trail is taken again", "feed", f.o.Name)
				f.set(func(s *Status) { s.Failing, s.Problem = time.Time{}, "" })
			}
			*limit = min(*limit*2, MaxBatch)
			return last, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if large, ok := errors.AsType[*TooLarge](err); ok && len(lines) > 1 {
			*limit = max(1, len(lines)/2)
			f.o.Log.Info("a feed of the audit trail goes on in smaller batches", "feed", f.o.Name, "records", *limit, "err", large.Err)
			lines, last = f.batch(entries, *limit)
			continue
		}
		f.failed(err)
		d := pause/2 + rand.N(pause/2+1) // so that feeds that failed together do not come back together
		if later, ok := errors.AsType[*Later](err); ok {
			d = max(d, min(later.After, LastPause))
		}
		if err := f.o.Wait(ctx, d); err != nil {
			return 0, err
		}
		pause = min(pause*2, LastPause)
	}
}

func (f *Feed) failed(err error) {
	if f.Status().Failing.IsZero() {
		f.o.Log.Warn("a feed of the audit trail is not taken; it is tried again", "feed", f.o.Name, "err", err)
	}
	f.set(func(s *Status) {
		if s.Failing.IsZero() {
			s.Failing = f.o.Now()
		}
		s.Problem = err.Error()
	})
}

// batch writes the first entries as lines, within the bounds.
func (f *Feed) batch(entries []audit.Entry, limit int) (lines [][]byte, last int64) {
	size := 0
	for _, e := range entries[:min(len(entries), limit)] {
		line := append(f.o.Line(e), '\n')
		if size += len(line); len(lines) > 0 && size > MaxBatchBytes {
			break
		}
		lines, last = append(lines, line), e.Position
	}
	return lines, last
}

// persist repeats what the records do not answer.
func (f *Feed) persist(ctx context.Context, do func() error) error {
	pause := FirstPause
	for {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.failed(fmt.Errorf("the records do not answer: %w", err))
		if err := f.o.Wait(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*2, LastPause)
	}
}
