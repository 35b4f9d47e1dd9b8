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

// ErrReadOnly is returned by the methods of a Reader that would change something.
var ErrReadOnly = errors.New("the records were opened to be read alone")

// Reader reads records that a server may have open, and changes nothing, neither their schema nor any record, but by Audit. It is safe for concurrent use.
type Reader struct {
	s    *Store
	path string
}

var _ store.Registries = (*Reader)(nil)

// OpenReader opens the database at path to read. fs.ErrNotExist says that there is none, store.ErrNewerSchema that a newer version wrote it, ErrOlderSchema that an older
// one did.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the records: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("open the records: it is no file")
	}
	r := &Reader{path: path}
	db, err := r.connect(ctx, "ro")
	if err != nil {
		// Where nothing can be written, the log cannot be opened; without a log there is nothing in it.
		if _, logErr := os.Stat(path + "-wal"); !errors.Is(logErr, fs.ErrNotExist) {
			return nil, err
		}
		if db, err = r.connect(ctx, "ro", "immutable=1"); err != nil {
			return nil, err
		}
	}
	r.s = &Store{read: db}
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
	version, known, err := schemaOf(ctx, db)
	switch {
	case err != nil:
	case version > known:
		err = fmt.Errorf("schema %d, known: %d: %w", version, known, store.ErrNewerSchema)
	case version < known:
		err = fmt.Errorf("schema %d of %d: %w", version, known, ErrOlderSchema)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the records: %w", err), db.Close())
	}
	return db, nil
}

// schemaOf returns the version of a database's schema, and that which this program knows.
func schemaOf(ctx context.Context, db *sql.DB) (version, known int, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, 0, err
	}
	return version, len(names), db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
}

// Current says whether the records at path have the schema of this program, without changing them. An error wraps fs.ErrNotExist where there are none.
func Current(ctx context.Context, path string) (bool, error) {
	r, err := OpenReader(ctx, path)
	switch {
	case errors.Is(err, ErrOlderSchema), errors.Is(err, store.ErrNewerSchema):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, r.Close()
}

// Close closes the database.
func (r *Reader) Close() error { return r.s.read.Close() }

// Find is that of store.Trail.
func (r *Reader) Find(ctx context.Context, q audit.Query) ([]audit.Found, error) {
	return r.s.Find(ctx, q)
}

// Concluded is that of store.Trail.
func (r *Reader) Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error) {
	return r.s.Concluded(ctx, account, after, limit)
}

// Position is that of store.Trail.
func (r *Reader) Position(ctx context.Context) (int64, error) { return r.s.Position(ctx) }

// Generation implements store.Registries.
func (r *Reader) Generation(ctx context.Context, of store.Registry) (int64, error) {
	return r.s.Generation(ctx, of)
}

// LoadRegistry implements store.Registries.
func (r *Reader) LoadRegistry(ctx context.Context, of store.Registry) ([]store.Entry, int64, error) {
	return r.s.LoadRegistry(ctx, of)
}

// ChangeRegistry returns ErrReadOnly.
func (*Reader) ChangeRegistry(context.Context, store.Registry, int64, []store.Entry, []store.Entry) (int64, error) {
	return 0, ErrReadOnly
}

// NoteRegistry returns ErrReadOnly.
func (*Reader) NoteRegistry(context.Context, store.Registry, []store.Entry) error { return ErrReadOnly }

// Intend returns ErrReadOnly.
func (*Reader) Intend(context.Context) error { return ErrReadOnly }

// Grown returns nil: who only reads is told of nothing.
func (*Reader) Grown() <-chan struct{} { return nil }

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
