package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"darkroom/internal/blob"
)

// maxWait is the longest that Run waits for a deadline without looking: another process may have set a nearer one.
const maxWait = time.Hour

// retryAfter is how long Run waits after something went wrong.
const retryAfter = time.Minute

// Run destroys the keys whose time is over and rotates those that are due, each when its time comes, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		next, err := s.Due(ctx)
		wait := maxWait
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.Error("delete and rotate keys", "err", err)
			wait = retryAfter
		case !next.IsZero():
			wait = min(maxWait, max(0, next.Sub(s.now())))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Due destroys the keys whose time is over and rotates those that are due, and returns when there is something to do next; the zero time if there is
// nothing. What fails for one account does not keep another from it.
func (s *Service) Due(ctx context.Context) (next time.Time, err error) {
	var failed []error
	for _, account := range s.order {
		at, err := s.due(ctx, account)
		if err != nil {
			failed = append(failed, err)
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, errors.Join(failed...)
}

func (s *Service) due(ctx context.Context, account string) (next time.Time, err error) {
	v, err := s.View(ctx, account)
	if err != nil {
		return next, err
	}
	if at := v.deadline(); at.IsZero() || s.now().Before(at) {
		return at, nil
	}
	destroy, held, err := s.doomed(ctx, v)
	if err != nil {
		return next, err
	}
	ended := func(error) {}
	if len(destroy) > 0 {
		arns := slices.Sorted(maps.Values(destroy))
		if ctx, ended, err = s.destroying(ctx, arns); err != nil {
			return next, fmt.Errorf("record the destruction of keys: %w", err)
		}
	}
	var done []func()
	note := func(what string, k *Key) {
		done = append(done, func() { s.log.InfoContext(ctx, what, "account", account, "key", k.ID) })
	}
	err = s.change(ctx, account, func(v *View) error {
		done = nil
		waiting := held
		now := s.now().UTC()
		for _, k := range v.keys {
			switch {
			case k.dead(now) && destroy[k.ID] == "":
				waiting = true // it is held, or its time has come this moment
			case k.dead(now):
				v.dropKey(k)
				note("destroyed a key whose time was over", k)
			case k.rotates() && !now.Before(k.NextRotation):
				k = v.edit(k)
				note("rotated a key", k)
				if err := v.addVersion(k, now, false); err != nil {
					return err
				}
				for !now.Before(k.NextRotation) { // once, however long nobody was there to do it
					k.NextRotation = k.NextRotation.AddDate(0, 0, k.RotationDays)
				}
			}
		}
		if next = v.deadline(); waiting {
			next = now.Add(retryAfter)
		}
		return nil
	})
	ended(err)
	if err != nil {
		return time.Time{}, err
	}
	for _, tell := range done {
		tell()
	}
	return next, nil
}

// doomed are the keys whose time is over and that nobody keeps, by their ids, with their ARNs. held says that somebody keeps one.
func (s *Service) doomed(ctx context.Context, v *View) (destroy map[string]string, held bool, err error) {
	destroy = map[string]string{}
	for _, k := range v.keys {
		if !k.dead(s.now().UTC()) {
			continue
		}
		err := s.keep(ctx, v.ARN(k))
		if _, kept := errors.AsType[*blob.HeldError](err); kept {
			s.log.InfoContext(ctx, "a key whose time is over is under a legal hold", "key", k.ID)
			held = true
			continue
		}
		if err != nil {
			return nil, held, err
		}
		destroy[k.ID] = v.ARN(k)
	}
	return destroy, held, nil
}

// rotates says whether a key is rotated when its time comes: one that is disabled waits until it is enabled.
func (k *Key) rotates() bool { return k.RotationDays > 0 && k.State() == Enabled }

// deadline is when the first key is to be destroyed or rotated; the zero time if none is.
func (v *View) deadline() (at time.Time) {
	for _, k := range v.keys {
		due := k.Deletion
		if k.rotates() {
			due = k.NextRotation
		}
		if !due.IsZero() && (at.IsZero() || due.Before(at)) {
			at = due
		}
	}
	return at
}
