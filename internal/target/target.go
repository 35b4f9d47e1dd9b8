// Package target delivers events to where rules send them. Each kind of target is a Sender, in a package below this one.
package target

import (
	"context"
	"time"
)

// MaxBody is how long the body of a message can be, in bytes. EventBridge's events have at most 256 KiB; what is put around one has room too.
const MaxBody = 1 << 20

// Message is one delivery. Whoever sends it again sends the same one.
type Message struct {
	ID          string    // the same at every attempt; receivers tell repetitions by it
	Time        time.Time // of the event
	Subject     string    // whose messages are in order: the job of an event, or empty
	ContentType string
	Body        []byte
	// Header are fields beside the body: the attributes of a CloudEvent in binary mode, by their names in HTTP, which a webhook sends, and those of a dead letter, which are
	// attributes of a message to a queue.
	Header  map[string]string
	Attempt int // 1 is the first
}

// Sender delivers to one target. It is safe for concurrent use; who wants messages in order sends one after another.
//
// The texts of its errors are fit for logs and records: they hold no secret, nothing of the body, nothing that the target answered but a status or a code, and of a URL no
// more than its host.
type Sender interface {
	// Send returns nil when the target has taken the message. A *Refused says that it never will; any other error that it may at another time. It returns soon after ctx
	// ends, and by itself within a time that each kind of target names.
	Send(ctx context.Context, m Message) error
	// Close lets go of connections. Send fails afterwards.
	Close() error
}

// Refused says that a target does not take a message.
type Refused struct {
	// Gone says that the target takes nothing any more (HTTP 410): nothing more is sent to it until it is put anew.
	Gone   bool
	Reason string // a kind of error, fit for a record: no secret, nothing of the body
}

func (e *Refused) Error() string { return "the target refused: " + e.Reason }

// Later says that a target asked not to be tried before a time (Retry-After).
type Later struct {
	After time.Duration
	Err   error
}

func (e *Later) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *Later) Unwrap() error { return e.Err }
