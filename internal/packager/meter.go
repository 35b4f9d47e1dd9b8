package packager

import (
	"context"
	"sync"
	"sync/atomic"
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
	requests int
	bytes    int64
	closed   bool
}

func newGate() *gate {
	g := &gate{}
	g.cond = sync.NewCond(&g.mu)
	return g
}

// enter waits for room for n bytes and returns what to give leave, or false when the gate was closed. A request larger than the limit
// goes alone.
func (g *gate) enter(n int64) (int64, bool) {
	n = min(n, inflightLimit)
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && (g.requests >= maxRequests || g.bytes+n > inflightLimit) {
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
	meter  meter
	gate   *gate
	spare  sync.Pool      // *[]byte of parts that were sent
	ended  chan struct{}  // closed when all renditions have ended well
	wg     sync.WaitGroup // requests to the store

	mu      sync.Mutex // guards the fields below; held for no longer than it takes to change them
	queues  []*queue
	open    map[*object]bool // with an upload that is neither completed nor aborted
	objects []Object
}

// fail ends the job; the first error counts.
func (j *job) fail(err error) { j.cancel(err) }

// err is why the job ended, nil while it goes on.
func (j *job) err() error { return context.Cause(j.ctx) }

// request runs f, which sends about n bytes to the store, in a goroutine of its own, when there is room. done is called when f has returned, or
// will not be run.
func (j *job) request(n int64, f func() error, done func()) error {
	weight, ok := j.gate.enter(n)
	if !ok {
		done()
		return j.err()
	}
	j.wg.Go(func() {
		defer done()
		defer j.gate.leave(weight)
		if err := f(); err != nil {
			j.fail(err)
		}
	})
	return nil
}

// buffer returns an empty buffer with room for n bytes.
func (j *job) buffer(n int) []byte {
	if p, ok := j.spare.Get().(*[]byte); ok && cap(*p) >= n {
		return (*p)[:0]
	}
	return make([]byte, 0, n)
}

// recycle takes back a buffer that nobody uses any more.
func (j *job) recycle(p []byte) {
	if cap(p) >= j.o.PartSize {
		j.spare.Put(&p)
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
