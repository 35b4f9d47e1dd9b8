package store

import (
	"context"
	"encoding/json"
	"errors"
)

// ErrStale says that a registry has changed since the generation that a change was made from.
var ErrStale = errors.New("the registry has changed meanwhile")

// Registry names a set of records of an account: its identities, its keys, its certificates.
type Registry struct {
	Name    string
	Account string
}

// Entry is one record of a registry: a user, a key, a certificate. The store reads nothing of it.
type Entry struct {
	Kind   string
	ID     string // unique among the entries of its kind in the registry
	Record json.RawMessage
}

// Registries keep what each account has. Every change makes a new generation of its registry, by which a reader tells whether what it holds in
// memory is still so.
type Registries interface {
	// Generation returns how often a registry has changed; 0 where it has no entries yet.
	Generation(ctx context.Context, r Registry) (int64, error)
	// LoadRegistry returns all entries of a registry in no order, and the generation that they are of.
	LoadRegistry(ctx context.Context, r Registry) ([]Entry, int64, error)
	// ChangeRegistry writes and drops entries in one transaction and returns the new generation. It changes nothing and returns ErrStale if the
	// generation is not from any more. What is dropped need not be there; its Record is not read.
	ChangeRegistry(ctx context.Context, r Registry, from int64, put, drop []Entry) (int64, error)
	// NoteRegistry writes entries of which no decision depends, such as when a key was last used: it makes no generation.
	NoteRegistry(ctx context.Context, r Registry, put []Entry) error
}
