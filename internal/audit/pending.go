package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// Pending is the record of a request that is being carried out. It is written once: by the store, in the transaction of the first change that the request makes,
// or before an effect that is outside of the records. When the request has ended, its outcome is added. It is safe for concurrent use.
type Pending struct {
	mu       sync.Mutex // guards what follows; held for assignments only
	record   Record
	sequence int64
	final    bool
	before   []Resource // those of the record before Final
	ended    bool
}

// NewPending begins a record.
func NewPending(r Record) *Pending { return &Pending{record: r} }

// Record returns the record as it is now.
func (p *Pending) Record() Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.record
}

// Change changes the record, whose outcome is not written yet. change must not block.
func (p *Pending) Change(change func(*Record)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.record)
}

// Annotate adds a member to additionalEventData.
func (p *Pending) Annotate(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		return // a value that has no JSON has nothing to say
	}
	p.Change(func(r *Record) {
		more := maps.Clone(r.AdditionalEventData) // copies of the record share the one there is
		if more == nil {
			more = map[string]json.RawMessage{}
		}
		more[name] = text
		r.AdditionalEventData = more
	})
}

// Final says that the next change is the last thing that the request does, what it then answers, and what it has made: when that change is durable the request has succeeded, and
// the store concludes the record in the same transaction. Nothing is written a second time, and no crash can leave the outcome open.
func (p *Pending) Final(elements json.RawMessage, made ...Resource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sequence == 0 && !p.final {
		p.final, p.record.ResponseElements, p.before = true, elements, p.record.Resources
		p.record.Resources = slices.Concat(p.before, made)
	}
}

// Open takes back what Final said: the change was not made, or was another one.
func (p *Pending) Open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.final {
		p.final, p.record.ResponseElements, p.record.Resources = false, nil, p.before
	}
}

// IsFinal is how the store asks.
func (p *Pending) IsFinal() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.final
}

// Sequence is where the store has written the record; 0 while it is not durable.
func (p *Pending) Sequence() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sequence
}

// Written is how the store says that the record is durable.
func (p *Pending) Written(sequence int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sequence = sequence
}

// Conclude says that the record will not change any more. It reports whether its outcome is to be written: it is durable, and nobody has concluded it before.
func (p *Pending) Conclude() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sequence == 0 || p.ended {
		return false
	}
	p.ended = true
	return true
}

type contextKey struct{}

// With returns a context whose changes are told by p.
func With(ctx context.Context, p *Pending) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the record that the changes of ctx are told by, or nil.
func From(ctx context.Context) *Pending {
	p, _ := ctx.Value(contextKey{}).(*Pending)
	return p
}

// NewID returns a random UUID (RFC 9562, version 4).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
