// Package audittest has an audit trail in memory, for tests.
package audittest

import (
	"context"
	"slices"
	"sync"
	"time"

	"darkroom/internal/audit"
)

// Trail keeps records in memory. The zero value is empty; it is safe for concurrent use.
type Trail struct {
	mu      sync.Mutex // guards what follows
	records []audit.Record
	open    []*audit.Pending
	err     error
}

// Fail has everything that is written from here on fail.
func (t *Trail) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

// Audit appends records that are complete.
func (t *Trail) Audit(_ context.Context, r ...audit.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.records = append(t.records, r...)
	}
	return t.err
}

// Intend writes the record that a context carries, open.
func (t *Trail) Intend(ctx context.Context) error {
	p := audit.From(ctx)
	if p == nil || p.Sequence() != 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	t.open = append(t.open, p)
	p.Written(int64(len(t.open)))
	return nil
}

// Conclude moves a record to those that are complete.
func (t *Trail) Conclude(p *audit.Pending) {
	if !p.Conclude() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = slices.DeleteFunc(t.open, func(o *audit.Pending) bool { return o == p })
	t.records = append(t.records, p.Record())
}

// Records waits until nothing is open, and returns what is complete, in order. A client may have its answer a moment before the record of its request is complete.
func (t *Trail) Records() []audit.Record {
	for {
		t.mu.Lock()
		out, open := slices.Clone(t.records), len(t.open)
		t.mu.Unlock()
		if open == 0 {
			return out
		}
		time.Sleep(time.Millisecond)
	}
}

// Open returns what is written and not complete.
func (t *Trail) Open() []audit.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []audit.Record
	for _, p := range t.open {
		out = append(out, p.Record())
	}
	return out
}
