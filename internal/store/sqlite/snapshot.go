package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	driver "modernc.org/sqlite"
)

// backupPages is how many pages of the database are copied before the context is looked at.
const backupPages = 1024

// Snapshot is the database as it was at one moment. While it is open the write-ahead log is not emptied, so it grows with what is written.
type Snapshot struct {
	conn *sql.Conn
}

// Snapshot fixes the moment: what is committed afterwards is not in it.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) { return snapshot(ctx, s.read) }

func snapshot(ctx context.Context, db *sql.DB) (*Snapshot, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	n := &Snapshot{conn}
	// A deferred transaction takes its moment at the first read, and the online backup that is made on the same connection reads in it.
	if _, err = conn.ExecContext(ctx, "BEGIN DEFERRED"); err == nil {
		var version int
		err = conn.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version)
	}
	if err == nil {
		var one int
		if err = conn.QueryRowContext(ctx, "SELECT 1 FROM positions WHERE name = 'records'").Scan(&one); errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fix a moment of the records: %w", err), n.Close())
	}
	return n, nil
}

// SnapshotOf is Snapshot of a database that no server has open. Close closes it too.
func SnapshotOf(ctx context.Context, path string) (*Snapshot, func() error, error) {
	db, err := connect("sqlite", path, 1)
	if err != nil {
		return nil, nil, err
	}
	n, err := snapshot(ctx, db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return n, db.Close, nil
}

// WriteTo copies the database to a new file.
func (n *Snapshot) WriteTo(ctx context.Context, path string) error {
	return n.conn.Raw(func(c any) (err error) {
		from, ok := c.(interface {
			NewBackup(to string) (*driver.Backup, error)
		})
		if !ok {
			return errors.New("the driver of the records makes no backups")
		}
		b, err := from.NewBackup("file:" + (&url.URL{Path: path}).EscapedPath())
		if err != nil {
			return fmt.Errorf("copy the records: %w", err)
		}
		defer func() { err = errors.Join(err, b.Finish()) }()
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			if more, err = b.Step(backupPages); err != nil {
				return fmt.Errorf("copy the records: %w", err)
			}
		}
		return nil
	})
}

// Close lets go of the moment.
func (n *Snapshot) Close() error {
	_, err := n.conn.ExecContext(context.Background(), "ROLLBACK")
	return errors.Join(err, n.conn.Close())
}

// Verify says whether the database of a store is whole, by SQLite's own check of its pages and indexes.
func (s *Store) Verify(ctx context.Context) error {
	rows, err := s.read.QueryContext(ctx, "PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			return fmt.Errorf("the database of the records is damaged: %s", text)
		}
	}
	return rows.Err()
}
