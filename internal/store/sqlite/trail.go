package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"darkroom/internal/audit"
)

// maxOutcomes is how many outcomes wait for the writer before those who have more wait with them.
const maxOutcomes = 4096

// appendRecord writes a record in a transaction: open, or concluded at a position.
func appendRecord(ctx context.Context, tx *sql.Tx, r *audit.Record, position any) (sequence int64, err error) {
	text, err := r.Encode()
	if err != nil {
		return 0, fmt.Errorf("write an audit record: %w", err)
	}
	if sequence, err = next(ctx, tx, "sequence"); err != nil {
		return 0, err
	}
	effectsOf(ctx).records++
	if err := exec(ctx, tx, insertRecord, sequence, position, r.RecipientAccountID, r.EventTime.UnixMicro(), termsOf(r), string(text)); err != nil {
		return 0, fmt.Errorf("write an audit record: %w", err)
	}
	return sequence, nil
}

// concludeRecord adds to an open record how it ended, and gives it its position.
func concludeRecord(ctx context.Context, tx *sql.Tx, sequence int64, r *audit.Record, terms []byte) error {
	text, err := r.Encode()
	if err != nil {
		return fmt.Errorf("conclude an audit record: %w", err)
	}
	position, err := next(ctx, tx, "records")
	if err != nil {
		return err
	}
	effectsOf(ctx).concluded = true
	effectsOf(ctx).records++
	return exec(ctx, tx, updateRecord, position, r.RecipientAccountID, terms, string(text), sequence)
}

// Audit implements store.Trail.
func (s *Store) Audit(ctx context.Context, records ...audit.Record) error {
	return s.submit(change{ctx: ctx, records: true, done: make(chan error, 1), do: func(ctx context.Context, tx *sql.Tx) error {
		effectsOf(ctx).concluded = effectsOf(ctx).concluded || len(records) > 0
		return appendConcluded(ctx, tx, records)
	}})
}

// appendConcluded writes records that are complete.
func appendConcluded(ctx context.Context, tx *sql.Tx, records []audit.Record) error {
	for i := range records {
		position, err := next(ctx, tx, "records")
		if err != nil {
			return err
		}
		if _, err := appendRecord(ctx, tx, &records[i], position); err != nil {
			return err
		}
	}
	return nil
}

// Intend implements store.Trail.
func (s *Store) Intend(ctx context.Context) error {
	if p := audit.From(ctx); p == nil || p.Sequence() != 0 {
		return nil
	}
	return s.change(ctx, func(context.Context, *sql.Tx) error { return nil }) // what the context carries is written with any change
}

// Conclude implements store.Trail.
func (s *Store) Conclude(p *audit.Pending) {
	if p == nil || !p.Conclude() {
		return
	}
	select {
	case s.outcomes <- p:
	case <-s.stop:
	}
}

// conclude writes the outcomes that wait.
func (s *Store) conclude(ctx context.Context, tx *sql.Tx, waiting []*audit.Pending) error {
	for _, p := range waiting {
		r := p.Record()
		if _, err := json.Marshal(r.ResponseElements); err != nil {
			r.ResponseElements = nil // what is no JSON cannot be written; that it ended can
		}
		if err := concludeRecord(ctx, tx, p.Sequence(), &r, termsOf(&r)); err != nil {
			return err
		}
	}
	return nil
}

// Flush implements store.Trail.
func (s *Store) Flush(ctx context.Context) error {
	return s.submit(change{ctx: ctx, records: true, done: make(chan error, 1), do: func(context.Context, *sql.Tx) error { return nil }}) // a batch takes all outcomes that wait
}

// settleStep is how many open records are concluded in one transaction.
const settleStep = 500

// Settle implements store.Trail.
func (s *Store) Settle(ctx context.Context, now time.Time) (int, error) {
	all := 0
	for {
		n := 0
		err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
			n = 0
			rows, err := tx.QueryContext(ctx, "SELECT sequence, terms, record FROM records WHERE position IS NULL ORDER BY sequence LIMIT ?", settleStep)
			if err != nil {
				return err
			}
			type open struct {
				sequence int64
				terms    []byte
				record   audit.Record
			}
			var found []open
			for rows.Next() {
				var o open
				var text []byte
				if err := rows.Scan(&o.sequence, &o.terms, &text); err != nil {
					return errors.Join(err, rows.Close())
				}
				if err := json.Unmarshal(text, &o.record); err != nil {
					return errors.Join(fmt.Errorf("read an audit record: %w", err), rows.Close())
				}
				found = append(found, o)
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
			for _, o := range found {
				before := o.record
				o.record.ErrorCode = audit.CodeInterrupted
				o.record.ErrorMessage = "The server stopped before the call had ended. What it asked for may have been done. Settled at " + now.UTC().Format(time.RFC3339) + "."
				if err := concludeRecord(ctx, tx, o.sequence, &o.record, concludedTerms(o.terms, &before, &o.record)); err != nil {
					return err
				}
			}
			n = len(found)
			return nil
		})
		if err != nil {
			return all, err
		}
		all += n
		if n < settleStep {
			return all, nil
		}
	}
}

// Concluded implements store.Trail.
func (s *Store) Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error) {
	return concluded(ctx, s.read, account, after, limit)
}

func concluded(ctx context.Context, db *sql.DB, account string, after int64, limit int) ([]audit.Entry, error) {
	query, args := "SELECT position, account, record FROM records WHERE position > ?", []any{after}
	if account != "" {
		query, args = query+" AND account = ?", append(args, account)
	}
	rows, err := db.QueryContext(ctx, query+" ORDER BY position LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []audit.Entry
	for rows.Next() {
		var e audit.Entry
		var text []byte
		if err := rows.Scan(&e.Position, &e.Account, &text); err != nil {
			return nil, err
		}
		e.Text = text
		out = append(out, e)
	}
	return out, rows.Err()
}

// Position implements store.Trail.
func (s *Store) Position(ctx context.Context) (int64, error) {
	n, err := position(ctx, s.read)
	// Another process may have written records, as that the trail was read: of them nobody was told.
	if known := s.announced.Load(); err == nil && n > known && s.announced.CompareAndSwap(known, n) {
		s.recordsGrown.announce()
	}
	return n, err
}

func position(ctx context.Context, db *sql.DB) (n int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT value FROM positions WHERE name = 'records'").Scan(&n)
	return n, err
}

// Grown implements store.Trail.
func (s *Store) Grown() <-chan struct{} { return s.recordsGrown.wait() }

// EventsGrown implements store.Store.
func (s *Store) EventsGrown() <-chan struct{} { return s.eventsGrown.wait() }
