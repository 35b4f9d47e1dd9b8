package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"darkroom/internal/store"
)

// Reached implements store.Readers.
func (s *Store) Reached(ctx context.Context, reader string) (position int64, known bool, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT position FROM readers WHERE name = ?", reader).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return position, err == nil, err
}

// Reach implements store.Readers.
func (s *Store) Reach(ctx context.Context, reader string, position int64) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		changed, err := tx.ExecContext(ctx, "UPDATE readers SET position = max(position, ?) WHERE name = ?", position, reader)
		if err != nil {
			return err
		}
		if n, err := changed.RowsAffected(); n > 0 || err != nil {
			return err
		}
		added, err := tx.ExecContext(ctx, "INSERT INTO readers (name, position) SELECT ?, ? WHERE (SELECT count(*) FROM readers) < ?", reader, position, store.MaxReaders)
		if err != nil {
			return err
		}
		if n, err := added.RowsAffected(); n > 0 || err != nil {
			return err
		}
		return fmt.Errorf("the audit trail has %d readers, and takes no more", store.MaxReaders)
	})
}

// AllReached implements store.Readers.
func (s *Store) AllReached(ctx context.Context) (map[string]int64, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name, position FROM readers LIMIT ?", store.MaxReaders)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := map[string]int64{}
	for rows.Next() {
		var name string
		var position int64
		if err := rows.Scan(&name, &position); err != nil {
			return nil, err
		}
		out[name] = position
	}
	return out, rows.Err()
}

// ForgetReader implements store.Readers.
func (s *Store) ForgetReader(ctx context.Context, reader string) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM readers WHERE name = ?", reader)
		return err
	})
}
