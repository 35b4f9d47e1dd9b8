package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"darkroom/internal/store"
)

func generation(ctx context.Context, q queryer, r store.Registry) (int64, error) {
	var n int64
	err := q.QueryRowContext(ctx, "SELECT generation FROM registries WHERE registry = ? AND account = ?", r.Name, r.Account).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// Generation implements store.Registries.
func (s *Store) Generation(ctx context.Context, r store.Registry) (int64, error) {
	return generation(ctx, s.read, r)
}

// LoadRegistry implements store.Registries.
func (s *Store) LoadRegistry(ctx context.Context, r store.Registry) ([]store.Entry, int64, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, err
	}
	defer tx.Rollback() //nolint:errcheck // it read only
	n, err := generation(ctx, tx, r)
	if err != nil {
		return nil, 0, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT kind, id, record FROM entries WHERE registry = ? AND account = ?", r.Name, r.Account)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	var all []store.Entry
	for rows.Next() {
		var i store.Entry
		var record []byte
		if err := rows.Scan(&i.Kind, &i.ID, &record); err != nil {
			return nil, 0, err
		}
		i.Record = record
		all = append(all, i)
	}
	return all, n, rows.Err()
}

// ChangeRegistry implements store.Registries.
func (s *Store) ChangeRegistry(ctx context.Context, r store.Registry, from int64, put, drop []store.Entry) (int64, error) {
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, err := generation(ctx, tx, r)
		if err != nil {
			return err
		}
		if n != from {
			return store.ErrStale
		}
		for _, i := range drop {
			if _, err := tx.ExecContext(ctx, "DELETE FROM entries WHERE registry = ? AND account = ? AND kind = ? AND id = ?", r.Name, r.Account, i.Kind, i.ID); err != nil {
				return err
			}
		}
		if err := putEntries(ctx, tx, r, put); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO registries (registry, account, generation) VALUES (?, ?, ?)", r.Name, r.Account, from+1)
		return err
	})
	return from + 1, err
}

// NoteRegistry implements store.Registries.
func (s *Store) NoteRegistry(ctx context.Context, r store.Registry, put []store.Entry) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error { return putEntries(ctx, tx, r, put) })
}

func putEntries(ctx context.Context, tx *sql.Tx, r store.Registry, put []store.Entry) error {
	for _, i := range put {
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO entries (registry, account, kind, id, record) VALUES (?, ?, ?, ?, ?)", r.Name, r.Account, i.Kind, i.ID, string(i.Record)); err != nil {
			return err
		}
	}
	return nil
}
