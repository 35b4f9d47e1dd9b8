package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"darkroom/internal/audit"
	"darkroom/internal/store"
)

// ErrStill is returned by the methods of a Still that would change something.
var ErrStill = errors.New("the records were opened to be read alone")

// Still reads records that a server may have open, and changes nothing: neither their schema nor any record. It is safe for concurrent use.
type Still struct{ s *Store }

var _ store.Registries = (*Still)(nil)

// OpenStill opens the database at path to be read. fs.ErrNotExist says that there is none; store.ErrNewerSchema that a newer version wrote it.
func OpenStill(path string) (*Still, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open the records: %w", err)
	}
	db, err := connect("sqlite", path, 1)
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec("PRAGMA query_only = ON"); err != nil { // of the one connection that there is
		return nil, errors.Join(fmt.Errorf("open the records: %w", err), db.Close())
	}
	var version int
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err == nil {
		err = db.QueryRow("PRAGMA user_version").Scan(&version)
	}
	switch {
	case err != nil:
	case version > len(names):
		err = fmt.Errorf("schema %d, known: %d: %w", version, len(names), store.ErrNewerSchema)
	case version < len(names):
		err = fmt.Errorf("the records are of an older version (schema %d of %d): start the server once", version, len(names))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Still{&Store{read: db}}, nil
}

// Close closes the database.
func (s *Still) Close() error { return s.s.read.Close() }

// Find is that of store.Trail.
func (s *Still) Find(ctx context.Context, q audit.Query) ([]audit.Found, error) {
	return s.s.Find(ctx, q)
}

// Concluded is that of store.Trail.
func (s *Still) Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error) {
	return s.s.Concluded(ctx, account, after, limit)
}

// Position is that of store.Trail.
func (s *Still) Position(ctx context.Context) (int64, error) { return s.s.Position(ctx) }

// Generation implements store.Registries.
func (s *Still) Generation(ctx context.Context, r store.Registry) (int64, error) {
	return s.s.Generation(ctx, r)
}

// LoadRegistry implements store.Registries.
func (s *Still) LoadRegistry(ctx context.Context, r store.Registry) ([]store.Entry, int64, error) {
	return s.s.LoadRegistry(ctx, r)
}

// ChangeRegistry returns ErrStill.
func (*Still) ChangeRegistry(context.Context, store.Registry, int64, []store.Entry, []store.Entry) (int64, error) {
	return 0, ErrStill
}

// Intend returns ErrStill.
func (*Still) Intend(context.Context) error { return ErrStill }

// Grown returns nil: who only reads is told of nothing.
func (*Still) Grown() <-chan struct{} { return nil }

// NoteRegistry returns ErrStill.
func (*Still) NoteRegistry(context.Context, store.Registry, []store.Entry) error { return ErrStill }
