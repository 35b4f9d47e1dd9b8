package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
	"darkroom/internal/hold"
	"darkroom/internal/job"
	"darkroom/internal/store"
)

// errNothing takes a change back that would change nothing, and with it the record that the context carries.
var errNothing = errors.New("nothing to change")

// AddHold implements store.Lifecycle.
func (s *Store) AddHold(ctx context.Context, h hold.Hold) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM holds WHERE account = ?", h.Account).Scan(&n); err != nil {
			return err
		}
		if n >= hold.Max {
			return store.ErrTooManyHolds
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO holds (account, kind, target, id, record) VALUES (?, ?, ?, ?, ?)", h.Account, string(h.On), h.Target, h.ID, string(text))
		return err
	})
}

// ReleaseHold implements store.Lifecycle.
func (s *Store) ReleaseHold(ctx context.Context, account, id string) (hold.Hold, error) {
	var h hold.Hold
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var text []byte
		err := tx.QueryRowContext(ctx, "SELECT record FROM holds WHERE account = ? AND id = ?", account, id).Scan(&text)
		if errors.Is(err, sql.ErrNoRows) {
			return store.ErrNoHold
		}
		if err != nil {
			return err
		}
		h = hold.Hold{}
		if err := json.Unmarshal(text, &h); err != nil {
			return fmt.Errorf("read a hold: %w", err)
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM holds WHERE account = ? AND id = ?", account, id)
		return err
	})
	return h, err
}

// Holds implements store.Lifecycle.
func (s *Store) Holds(ctx context.Context, account string) ([]hold.Hold, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT record FROM holds WHERE account = ?", account)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []hold.Hold
	for rows.Next() {
		var text []byte
		var h hold.Hold
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &h); err != nil {
			return nil, fmt.Errorf("read a hold: %w", err)
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b hold.Hold) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, rows.Err()
}

// isHeld says whether there is a hold on something.
func isHeld(ctx context.Context, tx *sql.Tx, account string, kind hold.Kind, target string) (bool, error) {
	var one int
	err := tx.QueryRowContext(ctx, "SELECT 1 FROM holds WHERE account = ? AND kind = ? AND target = ? LIMIT 1", account, string(kind), target).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// aged is an audit record that is old enough to be deleted.
type aged struct {
	spot
	position  int64
	account   string
	resources []audit.Resource
}

// ForgetRecords implements store.Lifecycle.
func (s *Store) ForgetRecords(ctx context.Context, before time.Time, upTo int64, after audit.Cursor, limit int) (n int, next audit.Cursor, done bool, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, next, done = 0, after, false
		old := search{from: math.MinInt64, to: before.UnixMicro() - 1, ascending: true}
		if after != (audit.Cursor{}) {
			old.after = &spot{time: after.Time.UnixMicro(), sequence: after.Sequence}
		}
		var seen []aged
		if err := old.walk(ctx, tx, func(at spot) (bool, error) {
			a := aged{spot: at}
			var text []byte
			switch err := tx.QueryRowContext(ctx, "SELECT position, account, record FROM records WHERE sequence = ?", at.sequence).Scan(&a.position, &a.account, &text); {
			case errors.Is(err, sql.ErrNoRows): // never: what is deleted leaves its segment with it
				return true, nil
			case err != nil:
				return false, err
			}
			var r struct{ Resources []audit.Resource }
			if err := json.Unmarshal(text, &r); err != nil {
				return false, fmt.Errorf("read an audit record: %w", err)
			}
			a.resources = r.Resources
			seen = append(seen, a)
			return len(seen) < limit, nil
		}); err != nil {
			return err
		}
		done = len(seen) < limit
		touched := map[int64]bool{} // segments
		for _, a := range seen {
			next = audit.Cursor{Time: time.UnixMicro(a.time).UTC(), Sequence: a.sequence}
			if a.position > upTo {
				continue
			}
			kept, err := heldRecord(ctx, tx, a)
			if err != nil {
				return err
			}
			if kept {
				continue
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM records WHERE sequence = ?", a.sequence); err != nil {
				return err
			}
			if a.segment != 0 {
				touched[a.segment] = true
			}
			n++
		}
		for segment := range touched {
			if err := rewriteSegment(ctx, tx, segment); err != nil {
				return err
			}
		}
		if n == 0 {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		err = nil
	}
	return n, next, done, err
}

// heldRecord says whether a hold keeps an audit record: one on the records of its account, or on a job that it names.
func heldRecord(ctx context.Context, tx *sql.Tx, a aged) (bool, error) {
	if is, err := isHeld(ctx, tx, a.account, hold.Records, ""); is || err != nil {
		return is, err
	}
	for _, r := range a.resources {
		name, err := arn.Parse(r.ARN)
		if err != nil || name.Service != "mediaconvert" {
			continue
		}
		if id, ok := strings.CutPrefix(name.Resource, "jobs/"); ok {
			if is, err := isHeld(ctx, tx, name.Account, hold.Job, id); is || err != nil {
				return is, err
			}
		}
	}
	return false, nil
}

// ForgetJob implements store.Lifecycle.
func (s *Store) ForgetJob(ctx context.Context, account, id string) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var finished int64
		err := tx.QueryRowContext(ctx, "SELECT finished FROM jobs WHERE account = ? AND id = ?", account, id).Scan(&finished)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return job.ErrNotFound
		case err != nil:
			return err
		case finished == 0:
			return store.ErrUnfinished
		}
		if is, err := isHeld(ctx, tx, account, hold.Job, id); err != nil {
			return err
		} else if is {
			return store.ErrHeld
		}
		return dropJob(ctx, tx, account, id)
	})
}

// dropJob deletes a job with everything that belongs to it.
func dropJob(ctx context.Context, tx *sql.Tx, account, id any) error {
	for _, statement := range []string{
		"DELETE FROM facets WHERE account = ? AND job = ?", "DELETE FROM tasks WHERE account = ? AND job = ?", "DELETE FROM jobs WHERE account = ? AND id = ?",
	} {
		if _, err := tx.ExecContext(ctx, statement, account, id); err != nil {
			return err
		}
	}
	return nil
}
