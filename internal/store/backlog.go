package store

import (
	"context"
	"time"
)

// Backlog says what waits, for who watches. It reads at most a bounded number of entries of an index for each queue.
type Backlog interface {
	// QueueBacklogs returns the queues that have tasks waiting or leased, of all accounts, in the order of their ARNs: at most queues of them. Of each at most
	// tasks are counted.
	QueueBacklogs(ctx context.Context, queues, tasks int) ([]QueueBacklog, error)
	// OutboxBacklog counts at most events of the outbox, and says of when its oldest is; the zero time when it is empty.
	OutboxBacklog(ctx context.Context, events int) (n int, oldest time.Time, err error)
}

// QueueBacklog is what waits and runs of a queue.
type QueueBacklog struct {
	Queue   string // ARN
	Waiting int
	Running int
	Oldest  time.Time // when the oldest of what waits was submitted; zero when nothing waits
}

// Commit is a transaction of the records, as those see it who watch a store.
type Commit struct {
	// Index is why what makes the audit trail searchable could not be written behind a transaction; then the rest says nothing. What is not indexed is found one by one, and it is tried again.
	Index error

	Changes int // that shared it
	Records int // of the audit trail that were written or concluded in it
	Took    time.Duration
	Failed  bool
}
