package packager

import (
	"fmt"
	"sync"
	"sync/atomic"

	"darkroom/internal/media"
)

// batch is some consecutive samples of a rendition, shared by the packages that want them.
type batch struct {
	samples []media.Sample
	bytes   int64
	refs    atomic.Int32
	meter   *meter
	memory  media.Batch // that the samples lie in
	home    *batches    // where the memory goes when nobody needs the samples any more; nil for nowhere
}

// batches are the memory of batches that nobody needs any more.
type batches struct {
	mu   sync.Mutex // guards free; held for no longer than it takes to move one
	free []media.Batch
}

// What is kept: readers gather 256 KiB, and more only for a large sample.
const (
	maxFreeBatches = 32
	maxFreeBatch   = 1 << 20
)

// take returns memory to read into.
func (f *batches) take() media.Batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.free) - 1
	if n < 0 {
		return media.Batch{}
	}
	b := f.free[n]
	f.free[n] = media.Batch{}
	f.free = f.free[:n]
	return b
}

func (f *batches) give(b media.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.free) < maxFreeBatches && cap(b.Buffer) <= maxFreeBatch {
		f.free = append(f.free, b)
	}
}

// sampleOverhead is what a sample takes besides its data.
const sampleOverhead = 64

func newBatch(m *meter, samples []media.Sample, refs int) *batch {
	b := &batch{samples: samples, meter: m, bytes: int64(len(samples)) * sampleOverhead}
	for i := range samples {
		b.bytes += int64(len(samples[i].Data))
	}
	b.refs.Store(int32(refs))
	m.samples.Add(b.bytes)
	m.hold(b.bytes)
	return b
}

// timing is a batch of the same samples without their data, for a package that only wants to know when they are.
func (b *batch) timing() *batch {
	samples := make([]media.Sample, len(b.samples))
	for i := range samples {
		samples[i] = b.samples[i]
		samples[i].Data = nil
	}
	return newBatch(b.meter, samples, 1)
}

// release gives back one reference.
func (b *batch) release() {
	if b.refs.Add(-1) == 0 {
		b.meter.samples.Add(-b.bytes)
		b.meter.drop(b.bytes)
		if b.home != nil {
			b.home.give(b.memory)
		}
	}
}

// queue stands between the readers of a package's renditions and its one goroutine. See the package documentation for what waits for what.
type queue struct {
	// patient queues wait for a late track whatever it takes, others only until they hold some bytes.
	patient bool
	meter   *meter
	limit   int64 // Options.MemoryLimit
	some    int64 // Options.QueueLimit

	mu     sync.Mutex // guards the fields below; held for no longer than it takes to move batches
	cond   *sync.Cond
	tracks []inbox
	bytes  int64 // of batches in the queue and of those being worked on
	hungry bool  // the package waits for a track that has nothing here
	closed bool  // the package is done: what comes is thrown away
	err    error
}

// inbox is the part of a queue that belongs to one track.
type inbox struct {
	track   *media.Track
	batches []*batch
	ended   bool
	wanted  bool // the package waits for it
}

func newQueue(j *job, tracks int, patient bool) *queue {
	q := &queue{patient: patient, meter: &j.meter, limit: j.o.MemoryLimit, some: j.o.QueueLimit, tracks: make([]inbox, tracks)}
	q.cond = sync.NewCond(&q.mu)
	return q
}

// fail makes every call return err.
func (q *queue) fail(err error) {
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	q.mu.Unlock()
	q.cond.Broadcast()
}

// close says that the package needs nothing more: its readers must not wait for it.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	for i := range q.tracks {
		for _, b := range q.tracks[i].batches {
			b.release()
		}
		q.tracks[i].batches = nil
	}
	q.mu.Unlock()
	q.cond.Broadcast()
}

// begin says what a track is.
func (q *queue) begin(index int, t *media.Track) {
	q.mu.Lock()
	q.tracks[index].track = t
	q.mu.Unlock()
	q.cond.Broadcast()
}

// end says that a track has no more samples.
func (q *queue) end(index int) {
	q.mu.Lock()
	q.tracks[index].ended = true
	q.sate(index)
	q.mu.Unlock()
	q.cond.Broadcast()
}

// push hands over a batch and its reference. It waits while the queue is full and the package at work.
func (q *queue) push(index int, b *batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && !q.closed && q.bytes > q.some && !q.hungry {
		q.cond.Wait()
	}
	if q.err != nil || q.closed {
		b.release()
		return q.err
	}
	if q.patient && q.bytes > q.some && q.meter.samples.Load() > q.limit {
		b.release()
		return fmt.Errorf("%w: %d bytes wait for a track that is late", ErrDrift, q.limit)
	}
	q.tracks[index].batches = append(q.tracks[index].batches, b)
	q.bytes += b.bytes
	q.sate(index)
	q.cond.Broadcast()
	return nil
}

// sate says that a track is late no longer. The package may take its time to wake: until then, the queue takes no more than it does at other times. q.mu is held.
func (q *queue) sate(index int) {
	if !q.tracks[index].wanted {
		return
	}
	q.tracks[index].wanted, q.hungry = false, false
	for i := range q.tracks {
		q.hungry = q.hungry || q.tracks[i].wanted
	}
}

// feed is the package's side of a queue. It is not safe for use by several goroutines.
type feed struct {
	q     *queue
	heads []head
}

// head is the batch of a track that is being worked on.
type head struct {
	track *media.Track // nil until it is known
	batch *batch
	next  int
	ended bool // there is nothing more
}

func newFeed(q *queue) *feed { return &feed{q: q, heads: make([]head, len(q.tracks))} }

// peek returns the next sample of a track, nil when there is none at hand.
func (h *head) peek() *media.Sample {
	if h.batch == nil {
		return nil
	}
	return &h.batch.samples[h.next]
}

// fill waits until every track has a next sample or has ended. In a queue that is not patient, a track may also be late: neither.
func (f *feed) fill() error {
	missing := false
	for i := range f.heads {
		missing = missing || f.heads[i].batch == nil && !f.heads[i].ended
	}
	if !missing {
		return nil
	}
	q := f.q
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil {
			return q.err
		}
		if f.take() || !q.patient && q.bytes > q.some {
			for i := range q.tracks {
				q.tracks[i].wanted = false
			}
			q.hungry = false
			return nil
		}
		if !q.hungry {
			q.hungry = true
			q.cond.Broadcast()
		}
		q.cond.Wait()
	}
}

// take moves batches from the queue to the heads that need one and reports whether no track is late. q.mu is held.
func (f *feed) take() bool {
	complete := true
	for i := range f.heads {
		h, in := &f.heads[i], &f.q.tracks[i]
		h.track = in.track
		if h.batch != nil || h.ended {
			continue
		}
		switch {
		case len(in.batches) > 0:
			h.batch, h.next = in.batches[0], 0
			in.batches[0] = nil
			in.batches = in.batches[1:]
		case in.ended:
			h.ended = true
		default:
			complete, in.wanted = false, true
		}
	}
	return complete
}

// advance is done with the next sample of a track. Its data must not be used any more.
func (f *feed) advance(index int) {
	h := &f.heads[index]
	if h.next++; h.next < len(h.batch.samples) {
		return
	}
	b := h.batch
	h.batch = nil
	q := f.q
	q.mu.Lock()
	q.bytes -= b.bytes
	q.mu.Unlock()
	q.cond.Broadcast()
	b.release()
}

// nanoseconds converts ticks, rounded down, so that a time is not before a whole number of seconds unless it is.
func nanoseconds(t int64, timescale uint32) int64 {
	s := int64(timescale)
	q, r := t/s, t%s
	if r < 0 {
		q, r = q-1, r+s
	}
	return q*1e9 + r*1e9/s
}

func shownAt(t *media.Track, s *media.Sample) int64 {
	return nanoseconds(t.PresentationTime(s), t.Timescale)
}

func decodedAt(t *media.Track, s *media.Sample) int64 {
	return nanoseconds(s.DecodeTime-t.MediaTime, t.Timescale)
}
