package packager

import (
	"context"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// meter counts what a job holds in memory.
type meter struct {
	samples atomic.Int64 // bytes of batches, each once
	all     atomic.Int64 // with parts
	peak    atomic.Int64
}

func (m *meter) hold(n int64) {
	all := m.all.Add(n)
	for {
		p := m.peak.Load()
		if all <= p || m.peak.CompareAndSwap(p, all) {
			return
		}
	}
}

func (m *meter) drop(n int64) { m.all.Add(-n) }

// maxRequests is how many requests a job has under way at the store at one time.
const maxRequests = 16

// gate admits requests to the store: so many at one time, of so many bytes together.
type gate struct {
	mu       sync.Mutex // guards the fields below; held for no longer than it takes to count
	cond     *sync.Cond
	limit    int64
	requests int
	bytes    int64
	closed   bool
}

func newGate(limit int64) *gate {
	g := &gate{limit: limit}
	g.cond = sync.NewCond(&g.mu)
	return g
}

// enter waits for room for n bytes and returns what to give leave, or false when the gate was closed. A request larger than the limit
// goes alone.
func (g *gate) enter(n int64) (int64, bool) {
	n = min(n, g.limit)
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && (g.requests >= maxRequests || g.bytes+n > g.limit) {
		g.cond.Wait()
	}
	if g.closed {
		return 0, false
	}
	g.requests++
	g.bytes += n
	return n, true
}

func (g *gate) leave(n int64) {
	g.mu.Lock()
	g.requests--
	g.bytes -= n
	g.mu.Unlock()
	g.cond.Broadcast()
}

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cond.Broadcast()
}

// job is one Run.
type job struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	sink   Sink
	o      Options
	// duration of the source, 0 when it is not known.
	duration time.Duration
	meter    meter
	gate     *gate
	spare    spares
	batches  batches
	ended    chan struct{}  // closed when all renditions have ended well
	wg       sync.WaitGroup // requests to the store

	mu      sync.Mutex // guards the fields below; held for no longer than it takes to change them
	queues  []*queue
	open    map[*object]bool // with an upload that is neither completed nor aborted
	objects []Object
}

// fail ends the job; the first error counts.
func (j *job) fail(err error) { j.cancel(err) }

// err is why the job ended, nil while it goes on.
func (j *job) err() error { return context.Cause(j.ctx) }

// request runs f, which sends about n bytes to the store, in a goroutine of its own, when there is room; what is more than may be under way is waited for. done is called when f has returned, or
// will not be run.
func (j *job) request(n int64, f func() error, done func()) error {
	weight, ok := j.gate.enter(n)
	if !ok {
		done()
		return j.err()
	}
	run := func() {
		defer done()
		defer j.gate.leave(weight)
		if err := f(); err != nil {
			j.fail(err)
		}
	}
	if n > j.o.InFlightLimit {
		run() // with what would be made in the meantime, it would be more
		return j.err()
	}
	j.wg.Go(run)
	return nil
}

// buffer returns an empty buffer with room for n bytes.
func (j *job) buffer(n int) []byte { return j.spare.take(n) }

// recycle takes back a buffer that nobody uses any more.
func (j *job) recycle(p []byte) { j.spare.give(p) }

const (
	// minSpare is the least size of a buffer that is worth keeping.
	minSpare = 16 << 10
	// spareLimit bounds what is kept, in bytes.
	spareLimit = 16 << 20
	// wasteful is how many times as much room as is asked for a buffer may have: a large one is not for little.
	wasteful = 4
)

// spares are buffers that are not in use. Making one anew costs as much as filling it.
type spares struct {
	mu    sync.Mutex // guards the fields below; held for no longer than it takes to look through some buffers
	list  [][]byte   // the longest unused first
	bytes int        // of all
}

// take returns the smallest buffer with room for n bytes that is not too large, or a new one.
func (s *spares) take(n int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	best := -1
	for i, p := range s.list {
		if c := cap(p); c >= n && c <= max(wasteful*n, minSpare) && (best < 0 || c < cap(s.list[best])) {
			best = i
		}
	}
	if best < 0 {
		return make([]byte, 0, roomy(n))
	}
	p := s.list[best]
	s.list = slices.Delete(s.list, best, best+1)
	s.bytes -= cap(p)
	return p
}

// roomy is a little more than n, so that buffers of nearly one size can stand for each other.
func roomy(n int) int {
	step := max(minSpare, 1<<max(0, bits.Len(uint(n))-4))
	return (n + step - 1) / step * step
}

// give keeps a buffer, and lets those go that have been kept longest.
func (s *spares) give(p []byte) {
	if cap(p) < minSpare {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, p[:0])
	for s.bytes += cap(p); s.bytes > spareLimit; {
		s.bytes -= cap(s.list[0])
		s.list = slices.Delete(s.list, 0, 1)
	}
}

// sent tells of n bytes that reached the store.
func (j *job) sent(n int64) {
	if j.o.OnBytes != nil {
		j.o.OnBytes(n)
	}
}

// wrote records a complete object.
func (j *job) wrote(o Object) {
	j.mu.Lock()
	j.objects = append(j.objects, o)
	j.mu.Unlock()
}

func (j *job) setOpen(o *object, open bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if open {
		j.open[o] = true
	} else {
		delete(j.open, o)
	}
}
