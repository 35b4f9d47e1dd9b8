package packager

import (
	"math"
	"sync"
	"time"
)

// lead is how far a track that is read directly may be ahead of the others.
const lead = int64(time.Second)

// pace keeps tracks that are read directly together: each comes from a file of its own and could be read to its end before another has begun, and the package that needs both would
// hold it all. Tracks that come from one encoder keep together by themselves, and must not be held back. The one furthest behind never waits here.
type pace struct {
	mu    sync.Mutex // guards the fields below; held for no longer than it takes to look at them
	cond  *sync.Cond
	at    map[*subscription]int64 // decode time of what was read, nanoseconds
	ended bool
}

func newPace() *pace {
	p := &pace{at: map[*subscription]int64{}}
	p.cond = sync.NewCond(&p.mu)
	return p
}

// join takes a track in, before any is read.
func (p *pace) join(s *subscription) { p.at[s] = math.MinInt64 }

// wait says how far a track has been read, and waits until it is its turn again.
func (p *pace) wait(s *subscription, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.at[s]; !ok {
		return
	}
	p.at[s] = at
	p.cond.Broadcast()
	for !p.ended && at-lead > p.slowest() {
		p.cond.Wait()
	}
}

// slowest is how far the track is that is furthest behind.
func (p *pace) slowest() int64 {
	least := int64(math.MaxInt64)
	for _, at := range p.at {
		least = min(least, at)
	}
	return least
}

// leave is called when a track has ended.
func (p *pace) leave(s *subscription) {
	p.mu.Lock()
	delete(p.at, s)
	p.mu.Unlock()
	p.cond.Broadcast()
}

// end lets all go.
func (p *pace) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.cond.Broadcast()
}
