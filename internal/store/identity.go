package store

import (
	"context"
	"encoding/json"
	"errors"
)

// ErrStale says that the identities of an account have changed since the generation that a change was made from.
var ErrStale = errors.New("the identities of the account have changed meanwhile")

// Identity is one record of who there is in an account: a user, a group, a role, a policy. The store reads nothing of it.
type Identity struct {
	Kind   string
	ID     string // unique among the records of its kind in the account
	Record json.RawMessage
}

// Identities keeps who there is in each account. Every change makes a new generation, by which a reader tells whether what it holds in memory
// is still so.
type Identities interface {
	// Generation returns how often the identities of an account have changed; 0 where there are none yet.
	Generation(ctx context.Context, account string) (int64, error)
	// LoadIdentities returns all identities of an account in no order, and the generation that they are of.
	LoadIdentities(ctx context.Context, account string) ([]Identity, int64, error)
	// ChangeIdentities writes and drops records in one transaction and returns the new generation. It changes nothing and returns ErrStale if the
	// generation is not from any more. What is dropped need not be there; its Record is not read.
	ChangeIdentities(ctx context.Context, account string, from int64, put, drop []Identity) (int64, error)
	// NoteIdentities writes records of which no decision depends, such as when a key was last used: it makes no generation.
	NoteIdentities(ctx context.Context, account string, put []Identity) error
}
