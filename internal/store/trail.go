package store

import (
	"context"
	"errors"
	"time"

	"darkroom/internal/audit"
)

// ErrFull says that there is no room for a change. Nothing of it was made. Complete records are still taken, in room that is reserved for them.
var ErrFull = errors.New("there is no room for the records: the file system is full")

// Trail keeps the audit trail. The record that a context carries (audit.With) is written in the transaction of the first change that is made with that context,
// whatever method makes it: there is no change without its record, and none of a change that failed.
//
// A record that its request calls final (audit.Pending.Final) is concluded with that change. Any other is open from when it is written until it is concluded, once. Concluded records are in an order of their own, by which they are delivered: what is
// concluded later stands behind.
type Trail interface {
	// Audit appends records that are complete; they are durable, and concluded, when it returns.
	Audit(ctx context.Context, r ...audit.Record) error
	// Intend makes the record that ctx carries durable before an effect, if it is not yet. Without a record in ctx it does nothing.
	Intend(ctx context.Context) error
	// Conclude adds how it ended to the record: error, response, additional data. It does not wait; what is not written when the program dies is Settle's. A
	// record that was never written is dropped.
	Conclude(p *audit.Pending)
	// Settle concludes all open records of an earlier run as interrupted, and returns how many. It must run before the first request is served.
	Settle(ctx context.Context, now time.Time) (int, error)
	// Concluded returns at most limit entries behind a position, in order. An empty account means all.
	Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error)
	// Position is the last position that was given; 0 where there is none.
	Position(ctx context.Context) (int64, error)
	// Find returns the concluded records that a query selects.
	Find(ctx context.Context, q audit.Query) ([]audit.Found, error)
	// Grown returns a channel that is closed when the next records are concluded. Of those of another process it is when Position is asked for next.
	Grown() <-chan struct{}
	// Flush returns when what was concluded before is durable.
	Flush(ctx context.Context) error
}
