package store

import (
	"context"
	"time"
)

// Delivery is an event on its way to one target.
//
// The deliveries of a lane of a target are tried one after another, in the order in which they were added; lanes do not wait for each other.
type Delivery struct {
	Sequence int64
	Account  string
	Target   string // whose queue it stands in; whatever names it
	Lane     string
	Event    []byte            // the event, JSON
	Input    []byte            // what the rule makes of it; nil: the event itself
	Subject  string            // the job of the event, or empty
	Header   map[string]string // what is sent beside it: why it is a dead letter
	Attempts int               // made so far
	Enqueued time.Time
	Due      time.Time // when it may be tried
	// State and Finished of one that is over. Its Event and Input are forgotten, but for one that failed.
	State    DeliveryState
	Finished time.Time
	Reason   string // of the last attempt that failed: a kind of error, no secret
}

// DeliveryState is what became of a delivery.
type DeliveryState string

// The states.
const (
	Waiting   DeliveryState = "waiting"
	Delivered DeliveryState = "delivered"
	Failed    DeliveryState = "failed"  // and went to no dead letters
	Moved     DeliveryState = "moved"   // to the dead letters
	Dropped   DeliveryState = "dropped" // its target was taken away
)

// TargetWaiting says how many deliveries wait for a target, and since when the first of them.
type TargetWaiting struct {
	Target string
	N      int
	Oldest time.Time
}

// Deliveries keep the events that are on their way from the outbox to their targets. Every change is durable when the method has returned.
type Deliveries interface {
	// Emit appends events to the outbox that are not of a job.
	Emit(ctx context.Context, now time.Time, events ...Event) error
	// Dispatch forgets the events of the outbox up to one and adds deliveries instead, in one transaction.
	Dispatch(ctx context.Context, upTo int64, now time.Time, add []Delivery) error
	// FirstDeliveries returns at most limit deliveries to a target, those that can be tried first first; each is the first of its lane.
	FirstDeliveries(ctx context.Context, target string, limit int) ([]Delivery, error)
	// PostponeDelivery notes an attempt that failed, and when the next may be made.
	PostponeDelivery(ctx context.Context, sequence int64, due time.Time, reason string) error
	// EndDelivery ends a delivery that waits, and adds another in its place if one is given, in one transaction. Again it is a success without effect.
	EndDelivery(ctx context.Context, sequence int64, state DeliveryState, reason string, now time.Time, instead *Delivery) error
	// WaitingTargets says for which targets deliveries wait.
	WaitingTargets(ctx context.Context) ([]TargetWaiting, error)
	// FinishedDeliveries returns deliveries of an account that are over, the newest first.
	FinishedDeliveries(ctx context.Context, account string, limit int) ([]Delivery, error)
	// ForgetDeliveries deletes at most limit deliveries that were over before a time.
	ForgetDeliveries(ctx context.Context, before time.Time, limit int) (int, error)
}
