package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"darkroom/internal/audit"
	"darkroom/internal/store"
)

// ErrOlderSchema is returned for records that were written by an earlier version and not opened by a server since.
var ErrOlderSchema = errors.New("the records were written by an earlier version: start the server once, which brings them up to date")

// Reader reads the audit trail of records that a server may have open, and changes nothing but by Audit. It is safe for concurrent use.
type Reader struct {
	db   *sql.DB
	path string
}

// OpenReader opens the database at path to read. fs.ErrNotExist says that there is none.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the records: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("open the records: it is no file")
	}
	r := &Reader{path: path}
	if r.db, err = r.connect(ctx, "ro"); err != nil {
		// Where nothing can be written, the log cannot be opened; without a log there is nothing in it.
		if _, logErr := os.Stat(path + "-wal"); !errors.Is(logErr, fs.ErrNotExist) {
			return nil, err
		}
		if r.db, err = r.connect(ctx, "ro", "immutable=1"); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Reader) connect(ctx context.Context, mode string, more ...string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_pragma": {"busy_timeout(" + strconv.Itoa(busyMilliseconds) + ")", "synchronous(FULL)", "foreign_keys(ON)", "temp_store(MEMORY)", "secure_delete(ON)"}}
	dsn := "file:" + (&url.URL{Path: r.path}).EscapedPath() + "?" + q.Encode()
	for _, m := range more {
		dsn += "&" + m
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var version int
	if err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err == nil {
		var names []string
		names, err = fs.Glob(migrations, "migrations/*.sql")
		switch {
		case version > len(names):
			err = store.ErrNewerSchema
		case version < len(names):
			err = ErrOlderSchema
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the records: %w", err), db.Close())
	}
	return db, nil
}

// Close closes the database.
func (r *Reader) Close() error { return r.db.Close() }

// Find is that of store.Trail.
func (r *Reader) Find(ctx context.Context, q audit.Query) ([]audit.Found, error) {
	return find(ctx, r.db, q)
}

// Concluded is that of store.Trail.
func (r *Reader) Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error) {
	return concluded(ctx, r.db, account, after, limit)
}

// Position is that of store.Trail.
func (r *Reader) Position(ctx context.Context) (int64, error) { return position(ctx, r.db) }

// Audit appends records that are complete, beside a server that may be writing too.
func (r *Reader) Audit(ctx context.Context, records ...audit.Record) (err error) {
	db, err := r.connect(ctx, "rw")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write an audit record: %w", err)
	}
	var did effects
	if err := appendConcluded(context.WithValue(ctx, effectsKey{}, &did), tx, records); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := did.positions.keep(ctx, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// logFiles are the names of the files that change when the records do.
func logFiles(path string) []string {
	base := filepath.Base(path)
	return []string{base, base + "-wal"}
}
