package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"darkroom/internal/audit"
)

// Find implements store.Trail.
func (s *Store) Find(ctx context.Context, q audit.Query) ([]audit.Found, error) {
	return find(ctx, s.read, q)
}

// find selects records by the segments of the trail.
func find(ctx context.Context, db *sql.DB, q audit.Query) (out []audit.Found, err error) {
	asked := search{terms: termsFor(&q), from: math.MinInt64, to: math.MaxInt64, ascending: q.Ascending}
	if !q.From.IsZero() {
		asked.from = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		asked.to = q.To.UnixMicro()
	}
	if q.After != (audit.Cursor{}) {
		asked.after = &spot{time: q.After.Time.UnixMicro(), sequence: q.After.Sequence}
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }() // there is nothing to commit
	read, err := tx.PrepareContext(ctx, "SELECT position, account, terms, record FROM records WHERE sequence = ?")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, read.Close()) }()
	err = asked.walk(ctx, tx, func(at spot) (bool, error) {
		var f audit.Found
		var terms, text []byte
		switch err := read.QueryRowContext(ctx, at.sequence).Scan(&f.Position, &f.Account, &terms, &text); {
		case errors.Is(err, sql.ErrNoRows): // never: what is deleted leaves its segment with it
			return true, nil
		case err != nil:
			return false, err
		}
		if terms == nil {
			terms = termsOfText(f.Account, text)
		}
		if f.Account == q.Account && have(terms, asked.terms) {
			f.Text, f.Cursor = text, audit.Cursor{Time: time.UnixMicro(at.time).UTC(), Sequence: at.sequence}
			out = append(out, f)
		}
		return len(out) < q.Limit, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
