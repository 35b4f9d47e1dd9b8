package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"darkroom/internal/store"
)

func generation(ctx context.Context, q queryer, account string) (int64, error) {
	var n int64
	err := q.QueryRowContext(ctx, "SELECT generation FROM generations WHERE account = ?", account).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// Generation implements store.Identities.
func (s *Store) Generation(ctx context.Context, account string) (int64, error) {
	return generation(ctx, s.read, account)
}

// LoadIdentities implements store.Identities.
func (s *Store) LoadIdentities(ctx context.Context, account string) ([]store.Identity, int64, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, err
	}
	defer tx.Rollback() //nolint:errcheck // it read only
	n, err := generation(ctx, tx, account)
	if err != nil {
		return nil, 0, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT kind, id, record FROM identities WHERE account = ?", account)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	var all []store.Identity
	for rows.Next() {
		var i store.Identity
		var record []byte
		if err := rows.Scan(&i.Kind, &i.ID, &record); err != nil {
			return nil, 0, err
		}
		i.Record = record
		all = append(all, i)
	}
	return all, n, rows.Err()
}

// ChangeIdentities implements store.Identities.
func (s *Store) ChangeIdentities(ctx context.Context, account string, from int64, put, drop []store.Identity) (int64, error) {
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, err := generation(ctx, tx, account)
		if err != nil {
			return err
		}
		if n != from {
			return store.ErrStale
		}
		for _, i := range drop {
			if _, err := tx.ExecContext(ctx, "DELETE FROM identities WHERE account = ? AND kind = ? AND id = ?", account, i.Kind, i.ID); err != nil {
				return err
			}
		}
		if err := putIdentities(ctx, tx, account, put); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO generations (account, generation) VALUES (?, ?)", account, from+1)
		return err
	})
	return from + 1, err
}

// NoteIdentities implements store.Identities.
func (s *Store) NoteIdentities(ctx context.Context, account string, put []store.Identity) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error { return putIdentities(ctx, tx, account, put) })
}

func putIdentities(ctx context.Context, tx *sql.Tx, account string, put []store.Identity) error {
	for _, i := range put {
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO identities (account, kind, id, record) VALUES (?, ?, ?, ?)", account, i.Kind, i.ID, string(i.Record)); err != nil {
			return err
		}
	}
	return nil
}
