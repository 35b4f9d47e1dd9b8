package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
)

// Bounds of retention.
const (
	// step is how many records are looked at in one transaction, so that nobody waits long for them.
	step = 500
	// every is how often retention is applied.
	every = time.Hour
)

// Records is what retention deletes from. A store.Store is one.
type Records interface {
	Forget(ctx context.Context, before time.Time, limit int) (int, error)
	ForgetRecords(ctx context.Context, before time.Time, upTo int64, after audit.Cursor, limit int) (int, audit.Cursor, bool, error)
	Position(ctx context.Context) (int64, error)
	Intend(ctx context.Context) error
	Conclude(p *audit.Pending)
}

// Clock tells the time and wakes.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

// RetentionOptions are what retention works with. How long something is kept is 0 for ever.
type RetentionOptions struct {
	Store Records
	// Delivered returns the position in the audit trail up to which everybody has it who is to get it: trails, feeds. Records behind it are not deleted, however old they
	// are. Each must have it; none: nobody is to get it.
	Delivered []func(context.Context) (int64, error)
	// Uploads are the object stores, by account, whose uploads that nobody completes are aborted.
	Uploads map[string]blob.Store
	Holds   *Holds
	// Jobs, Records and Uploads are how long each is kept: finished jobs, audit records, uploads that nobody completes. How long what became of events is kept is the bus's (eventbus.Options).
	KeepJobs, KeepRecords, KeepUploads time.Duration
	// Record makes the record of what is about to be done.
	Record func(action string) audit.Record
	Clock  Clock
	Log    *slog.Logger
}

// Retention deletes what is older than it is to be kept, and not held.
type Retention struct{ o RetentionOptions }

// NewRetention returns it. Nothing is deleted before Run or Apply.
func NewRetention(o RetentionOptions) *Retention { return &Retention{o} }

// Applied is what was deleted.
type Applied struct {
	Jobs         int `json:"jobs"`
	AuditRecords int `json:"auditRecords"`
	Uploads      int `json:"uploads"`
}

// Run applies retention when it begins, and every hour, until ctx ends.
func (r *Retention) Run(ctx context.Context) error {
	for {
		if _, err := r.Apply(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.ErrorContext(ctx, "apply retention", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.o.Clock.After(every):
		}
	}
}

// Apply deletes once all that is too old. Where something was deleted there is one record, RetentionApplied, that is written in the transaction of the first
// deletion and says at the end how much it was. What fails for one kind does not keep the others.
func (r *Retention) Apply(ctx context.Context) (Applied, error) {
	var done Applied
	p := audit.NewPending(r.o.Record("RetentionApplied"))
	ctx = audit.With(ctx, p)
	now := r.o.Clock.Now()
	var failed []error
	for _, kind := range []struct {
		name string
		keep time.Duration
		do   func(ctx context.Context, before time.Time, n *int) error
		n    *int
	}{
		{"jobs", r.o.KeepJobs, r.jobs, &done.Jobs},
		{"audit records", r.o.KeepRecords, r.records, &done.AuditRecords},
		{"uploads", r.o.KeepUploads, r.uploads, &done.Uploads},
	} {
		if kind.keep <= 0 {
			continue
		}
		if err := kind.do(ctx, now.Add(-kind.keep), kind.n); err != nil {
			failed = append(failed, fmt.Errorf("forget old %s: %w", kind.name, err))
		}
	}
	err := errors.Join(failed...)
	p.Annotate("retentionApplied", done)
	if err != nil {
		p.Change(func(out *audit.Record) { out.ErrorCode = "InternalFailure" })
	}
	r.o.Store.Conclude(p)
	if done != (Applied{}) {
		r.o.Log.InfoContext(ctx, "applied retention", "jobs", done.Jobs, "auditRecords", done.AuditRecords, "uploads", done.Uploads)
	}
	return done, err
}

// steps repeats what deletes at most step at a time.
func steps(ctx context.Context, all *int, do func() (int, error)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := do()
		*all += n
		if err != nil || n < step {
			return err
		}
	}
}

func (r *Retention) jobs(ctx context.Context, before time.Time, n *int) error {
	return steps(ctx, n, func() (int, error) { return r.o.Store.Forget(ctx, before, step) })
}

func (r *Retention) records(ctx context.Context, before time.Time, n *int) error {
	upTo, err := r.o.Store.Position(ctx)
	if err != nil {
		return err
	}
	for _, delivered := range r.o.Delivered {
		at, err := delivered(ctx)
		if err != nil {
			return fmt.Errorf("ask how far the audit trail was delivered: %w", err)
		}
		upTo = min(upTo, at)
	}
	var after audit.Cursor
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var k int
		if k, after, done, err = r.o.Store.ForgetRecords(ctx, before, upTo, after, step); err != nil {
			return err
		}
		*n += k
	}
	return nil
}

// uploads aborts uploads that were begun before a time. Those into a place that is held stay.
func (r *Retention) uploads(ctx context.Context, before time.Time, n *int) error {
	for account, s := range r.o.Uploads {
		buckets, err := s.ListBuckets(ctx)
		if err != nil {
			return err
		}
		for _, b := range buckets {
			open, err := s.ListUploads(ctx, b.Name, "")
			if err != nil && !errors.Is(err, blob.ErrNoSuchBucket) {
				return err
			}
			for _, u := range open {
				if !u.Initiated.Before(before) {
					continue
				}
				err := r.o.Holds.Of(account).Object(u.Bucket, u.Key)
				if _, held := errors.AsType[*blob.HeldError](err); held {
					continue
				}
				if err == nil {
					err = r.o.Store.Intend(ctx) // the record is there before the effect
				}
				if err == nil {
					err = s.AbortUpload(ctx, u)
				}
				switch {
				case errors.Is(err, blob.ErrNoSuchUpload): // completed or aborted meanwhile
				case err != nil:
					return err
				default:
					*n++
				}
			}
		}
	}
	return nil
}
