package worker

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"darkroom/internal/lease"
	"darkroom/internal/sandbox"
)

// meter measures a lease, for metrics and traces. It is safe for concurrent use. What it holds is bounded: steps that nobody asks for are dropped, and counted.
type meter struct {
	now           func() time.Time
	read, written atomic.Int64

	mu                 sync.Mutex // guards what follows; held for assignments only
	media, transcoding time.Duration
	waiting            []lease.Step
	number, dropped    int64
}

// begin begins a step, and returns what ends it. err says how it ended.
func (m *meter) begin(kind lease.StepKind) func(err error) {
	end := m.beginWith(kind)
	return func(err error) { end(lease.Step{}, err) }
}

// beginWith is begin of a step of which more is said at its end.
func (m *meter) beginWith(kind lease.StepKind) func(with lease.Step, err error) {
	began := m.now()
	return func(s lease.Step, err error) {
		s.Kind, s.Began, s.Ended, s.Failed = kind, began, m.now(), err != nil
		var bad *badExit
		if (kind == lease.StepProbe || kind == lease.StepTranscode) && errors.As(err, &bad) {
			s.Cause = bad.cause
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if kind == lease.StepTranscode {
			m.transcoding += s.Ended.Sub(s.Began)
		}
		if len(m.waiting) >= lease.MaxWaitingSteps {
			m.dropped++
			return
		}
		m.number++
		s.Number = m.number
		m.waiting = append(m.waiting, s)
	}
}

// measured does a step, where there is something to do.
func measured[T any](m *meter, kind lease.StepKind, needed bool, do func() (T, error)) (T, error) {
	if !needed {
		return do()
	}
	end := m.begin(kind)
	out, err := do()
	end(err)
	return out, err
}

// lasts notes how long the input lasts.
func (m *meter) lasts(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.media = d
}

// measured is what a report says. Its steps wait until told says that it was answered.
func (m *meter) measured() lease.Measured {
	m.mu.Lock()
	defer m.mu.Unlock()
	steps := m.waiting[:min(len(m.waiting), lease.MaxSteps)]
	return lease.Measured{
		Read: m.read.Load(), Written: m.written.Load(), Media: m.media, Transcoding: m.transcoding, Steps: append([]lease.Step(nil), steps...), Dropped: m.dropped,
	}
}

// last is what the end of the lease says: nothing waits any more.
func (m *meter) last() lease.Measured {
	out := m.measured()
	m.mu.Lock()
	defer m.mu.Unlock()
	out.Dropped += int64(len(m.waiting) - len(out.Steps))
	return out
}

// told forgets the steps of a report that was answered.
func (m *meter) told(r lease.Measured) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = m.waiting[:copy(m.waiting, m.waiting[min(len(r.Steps), len(m.waiting)):])]
}

// badExit is the end of a program in the sandbox, beside what the job says of it.
type badExit struct {
	cause lease.Cause
	err   error
}

func (e *badExit) Error() string { return e.err.Error() }
func (e *badExit) Unwrap() error { return e.err }

// exited says why a program ended badly.
func exited(e sandbox.Exit) lease.Cause {
	switch {
	case e.Violation:
		return lease.CauseViolation
	case e.LimitHit == sandbox.LimitMemory:
		return lease.CauseMemory
	case e.LimitHit == sandbox.LimitCPU:
		return lease.CauseCPU
	case e.LimitHit == sandbox.LimitDeadline:
		return lease.CauseDeadline
	case e.LimitHit == sandbox.LimitOutput:
		return lease.CauseOutput
	case e.Signal != 0:
		return lease.CauseSignal
	}
	return lease.CauseExit
}

// counted is a source whose bytes are counted.
type counted struct {
	sandbox.Source
	to *atomic.Int64
}

// ReadRange implements sandbox.Source.
func (c counted) ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, err := c.Source.ReadRange(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	return countedReader{r, c.to}, nil
}

type countedReader struct {
	io.ReadCloser
	to *atomic.Int64
}

// Read implements io.Reader.
func (r countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.to.Add(int64(n))
	return n, err
}
