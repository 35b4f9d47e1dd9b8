package store

import "context"

// MaxReaders is how many readers of the audit trail can have a position.
const MaxReaders = 64

// Readers keeps how far each reader of the audit trail has come: the feeds, and the watch. A reader that begins again begins behind its position, so that it
// gets every record at least once.
type Readers interface {
	// Reached returns the position that a reader has reached; known is false for one that has none.
	Reached(ctx context.Context, reader string) (position int64, known bool, err error)
	// Reach says that a reader has all records up to a position. One that is behind what the reader has is without effect. A reader beyond MaxReaders is
	// an error.
	Reach(ctx context.Context, reader string, position int64) error
	// AllReached returns every reader with its position. What is behind the least of them is still needed.
	AllReached(ctx context.Context) (map[string]int64, error)
	// ForgetReader forgets a reader that is gone.
	ForgetReader(ctx context.Context, reader string) error
}
