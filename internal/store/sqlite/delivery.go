package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/store"
)

// Emit implements store.Deliveries.
func (s *Store) Emit(ctx context.Context, now time.Time, events ...store.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for i := range events {
			e := &events[i]
			resources, err := json.Marshal(append([]string{}, e.Resources...))
			if err != nil {
				return err
			}
			if err := appendEvent(ctx, tx, e, string(resources)); err != nil {
				return err
			}
		}
		return nil
	})
}

// appendEvent writes an event to the outbox.
func appendEvent(ctx context.Context, tx *sql.Tx, e *store.Event, resources string) error {
	id := e.ID
	if id == "" {
		id = audit.NewID()
	}
	effectsOf(ctx).events = true
	if err := exec(ctx, tx, insertEvent, id, e.Account, e.JobID, e.Status, e.Time.UnixMicro(), string(e.Detail), e.Source, e.DetailType, resources); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return nil
}

// Dispatch implements store.Deliveries.
func (s *Store) Dispatch(ctx context.Context, upTo int64, now time.Time, add []store.Delivery) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for i := range add {
			if err := addDelivery(ctx, tx, &add[i], now); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM events WHERE sequence <= ?", upTo)
		return err
	})
}

// addDelivery adds a delivery behind those of its lane. One that is over already is only kept.
func addDelivery(ctx context.Context, tx *sql.Tx, d *store.Delivery, now time.Time) error {
	state, finished := d.State, int64(0)
	var due any
	switch state {
	case "", store.Waiting:
		state = store.Waiting
		var n int
		err := tx.QueryRowContext(ctx, "SELECT 1 FROM deliveries WHERE target = ? AND lane = ? AND state = 'waiting' LIMIT 1", d.Target, d.Lane).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			due, err = now.UnixMicro(), nil
		}
		if err != nil {
			return err
		}
	default:
		finished = now.UnixMicro()
	}
	header, err := json.Marshal(d.Header)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO deliveries (account, target, lane, state, due, enqueued, finished, subject, event, input, header, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, d.Account, d.Target, d.Lane, state, due, now.UnixMicro(), finished, d.Subject, d.Event, d.Input, string(header), d.Reason); err != nil {
		return fmt.Errorf("add a delivery: %w", err)
	}
	return nil
}

const deliveryColumns = "sequence, account, target, lane, state, coalesce(due, 0), attempts, enqueued, finished, subject, event, input, header, reason"

// deliveries reads what a query finds.
func deliveries(ctx context.Context, db *sql.DB, query string, args ...any) ([]store.Delivery, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []store.Delivery
	for rows.Next() {
		var d store.Delivery
		var due, enqueued, finished int64
		var header string
		if err := rows.Scan(&d.Sequence, &d.Account, &d.Target, &d.Lane, &d.State, &due, &d.Attempts, &enqueued, &finished, &d.Subject, &d.Event, &d.Input, &header, &d.Reason); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(header), &d.Header); err != nil {
			return nil, fmt.Errorf("read a delivery: %w", err)
		}
		d.Due, d.Enqueued = time.UnixMicro(due).UTC(), time.UnixMicro(enqueued).UTC()
		if finished > 0 {
			d.Finished = time.UnixMicro(finished).UTC()
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// FirstDeliveries implements store.Deliveries.
func (s *Store) FirstDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error) {
	return deliveries(ctx, s.read, "SELECT "+deliveryColumns+" FROM deliveries WHERE target = ? AND state = 'waiting' AND due IS NOT NULL ORDER BY due, sequence LIMIT ?", target, limit)
}

// PostponeDelivery implements store.Deliveries.
func (s *Store) PostponeDelivery(ctx context.Context, sequence int64, due time.Time, reason string) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE deliveries SET due = ?, attempts = attempts + 1, reason = ? WHERE sequence = ? AND state = 'waiting'", due.UnixMicro(), reason, sequence)
		return err
	})
}

// EndDelivery implements store.Deliveries.
func (s *Store) EndDelivery(ctx context.Context, sequence int64, state store.DeliveryState, reason string, now time.Time, instead *store.Delivery) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var target, lane string
		err := tx.QueryRowContext(ctx, "SELECT target, lane FROM deliveries WHERE sequence = ? AND state = 'waiting'", sequence).Scan(&target, &lane)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		set := "event = NULL, input = NULL, "
		if state == store.Failed {
			set = "" // nobody else has it
		}
		if _, err := tx.ExecContext(ctx, "UPDATE deliveries SET "+set+"state = ?, due = NULL, attempts = attempts + 1, finished = ?, reason = ? WHERE sequence = ?",
			state, now.UnixMicro(), reason, sequence); err != nil {
			return err
		}
		// The next of the lane is the first now.
		if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET due = ? WHERE sequence =
			(SELECT min(sequence) FROM deliveries WHERE target = ? AND lane = ? AND state = 'waiting')`, now.UnixMicro(), target, lane); err != nil {
			return err
		}
		if instead == nil {
			return nil
		}
		return addDelivery(ctx, tx, instead, now)
	})
}

// WaitingTargets implements store.Deliveries.
func (s *Store) WaitingTargets(ctx context.Context) ([]store.TargetWaiting, error) {
	rows, err := s.read.QueryContext(ctx, waitingTargets)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []store.TargetWaiting
	for rows.Next() {
		var w store.TargetWaiting
		var oldest int64
		if err := rows.Scan(&w.Target, &w.N, &oldest); err != nil {
			return nil, err
		}
		w.Oldest = time.UnixMicro(oldest).UTC()
		out = append(out, w)
	}
	return out, rows.Err()
}

// waitingTargets counts what waits: the index holds nothing else.
const waitingTargets = "SELECT target, count(*), min(enqueued) FROM deliveries INDEXED BY deliveries_lane WHERE state = 'waiting' GROUP BY target ORDER BY target"

// FinishedDeliveries implements store.Deliveries.
func (s *Store) FinishedDeliveries(ctx context.Context, account string, limit int) ([]store.Delivery, error) {
	return deliveries(ctx, s.read, "SELECT "+deliveryColumns+" FROM deliveries WHERE account = ? AND finished > 0 ORDER BY finished DESC LIMIT ?", account, limit)
}

// FinishedDeliveries returns deliveries of an account that are over, the newest first, at most limit of them; state is empty for all. Those behind after come next; nil begins with the newest.
func (r *Reader) FinishedDeliveries(ctx context.Context, account string, state store.DeliveryState, after *store.Delivery, limit int) ([]store.Delivery, error) {
	finished, sequence := int64(math.MaxInt64), int64(math.MaxInt64)
	if after != nil {
		finished, sequence = after.Finished.UnixMicro(), after.Sequence
	}
	return deliveries(ctx, r.s.read, finishedDeliveries, account, finished, sequence, state, state, limit)
}

const finishedDeliveries = "SELECT " + deliveryColumns + ` FROM deliveries INDEXED BY deliveries_account
	WHERE account = ? AND finished > 0 AND (finished, sequence) < (?, ?) AND (? = '' OR state = ?) ORDER BY finished DESC, sequence DESC LIMIT ?`

// ForgetDeliveries implements store.Deliveries.
func (s *Store) ForgetDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	n := 0
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM deliveries WHERE sequence IN (SELECT sequence FROM deliveries WHERE finished > 0 AND finished < ? ORDER BY finished LIMIT ?)",
			before.UnixMicro(), limit)
		if err != nil {
			return err
		}
		deleted, err := result.RowsAffected()
		n = int(deleted)
		return err
	})
	return n, err
}
