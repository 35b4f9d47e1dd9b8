package store

import (
	"context"
	"errors"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/hold"
)

// The errors of holds.
var (
	ErrNoHold       = errors.New("there is no such hold")
	ErrTooManyHolds = errors.New("the account has as many holds as it may")
)

// Lifecycle is how long records are kept. What is held is not deleted by any method here, nor by Forget; that is decided in the transaction that deletes.
type Lifecycle interface {
	// AddHold records a hold. ErrTooManyHolds: the account has hold.Max already.
	AddHold(ctx context.Context, h hold.Hold) error
	// ReleaseHold ends a hold and returns it, or ErrNoHold.
	ReleaseHold(ctx context.Context, account, id string) (hold.Hold, error)
	// Holds returns the holds of an account, the oldest first.
	Holds(ctx context.Context, account string) ([]hold.Hold, error)

	// ForgetRecords looks at the limit oldest concluded audit records behind a cursor that are older than before, and deletes those that stand at upTo or before in the
	// order of their conclusion and are not held. It returns how many it deleted, and where to go on; done says that there are no more.
	ForgetRecords(ctx context.Context, before time.Time, upTo int64, after audit.Cursor, limit int) (forgotten int, next audit.Cursor, done bool, err error)
	// ForgetJob deletes a finished job with everything that belongs to it. job.ErrNotFound; ErrHeld; ErrUnfinished.
	ForgetJob(ctx context.Context, account, id string) error
}

// The errors of ForgetJob.
var (
	ErrHeld       = errors.New("it is under a legal hold")
	ErrUnfinished = errors.New("the job has not ended")
)
