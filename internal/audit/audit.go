// Package audit is the record of who asked for what and whether it was granted, and of every connection to the outside.
package audit

import (
	"sync"
	"time"
)

// Outcome is what became of a request. The zero value is none.
type Outcome string

// The outcomes.
const (
	Granted Outcome = "granted"
	Denied  Outcome = "denied"
	// Of a connection: it is about to be made, it was made, it could not be made.
	Intended  Outcome = "intended"
	Connected Outcome = "connected"
	Failed    Outcome = "failed"
)

// Record is one decision. It holds no secret and nothing of a body.
type Record struct {
	Time        time.Time
	RequestID   string
	Principal   string // ARN, empty when nobody could be told
	AccessKeyID string
	SourceIP    string
	UserAgent   string
	Service     string
	Action      string
	Resources   []string
	Outcome     Outcome
	Reason      string // why it was refused: a kind of error, never its text
	Dial        *Dial  `json:",omitempty"` // of a connection to the outside
}

// Dial is a connection to the outside: what for, to whom as it was asked for, and the address behind that name.
type Dial struct {
	Purpose string
	Host    string
	Address string `json:",omitempty"` // empty when the host was refused before it was resolved
	Port    int
}

// RingSize is how many refusals without a known principal are kept. They are sampled, so that a flood cannot fill a disk.
const RingSize = 1024

// Ring keeps the last refusals of requests whose principal is not known, and counts all of them. The zero value is empty. It is safe for
// concurrent use.
type Ring struct {
	mu      sync.Mutex // guards what follows; held for assignments only
	records [RingSize]Record
	count   uint64
}

// Add keeps r in the place of the oldest one.
func (g *Ring) Add(r Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.records[g.count%RingSize] = r
	g.count++
}

// Count is how many were ever added.
func (g *Ring) Count() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// Recent returns those that are kept, oldest first.
func (g *Ring) Recent() []Record {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(g.count, RingSize)
	out := make([]Record, 0, n)
	for i := g.count - n; i < g.count; i++ {
		out = append(out, g.records[i%RingSize])
	}
	return out
}
