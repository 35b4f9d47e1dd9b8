// Package registry holds what a registry of the records says in memory, as one immutable view for each account.
//
// At most VerifyEvery after another process has changed a registry, its view is read anew before it is used again; where that cannot be found out,
// there is no view, and who needs one denies.
package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"darkroom/internal/store"
)

// VerifyEvery is how long a view is used without asking whether it is still so.
const VerifyEvery = 500 * time.Millisecond

// maxStale is how often a change is tried that others overtake.
const maxStale = 8

// ErrNoAccount is returned for an account that the installation does not have.
var ErrNoAccount = errors.New("the installation has no such account")

// Options are what Views work with. All but Now are needed.
type Options[V any] struct {
	Name     string // of the registry
	Accounts []string
	Store    store.Registries
	// Read makes the view of what stands in the registry of an account. The generation is 0 for a registry that was never changed.
	Read func(account string, generation int64, entries []store.Entry) (V, error)
	Now  func() time.Time // nil means time.Now
}

// Change is what a change writes, and the view after it. One that neither puts nor drops anything changes nothing.
type Change[V any] struct {
	Put, Drop []store.Entry
	// Next makes the view after the change. It is called once, when the change is durable and before anybody sees it.
	Next func(generation int64) V
}

// Views are the views of one registry. They are safe for concurrent use if a V is.
type Views[V any] struct {
	name  string
	store store.Registries
	read  func(account string, generation int64, entries []store.Entry) (V, error)
	now   func() time.Time

	accounts map[string]*state[V]
}

// state is an account with its view of the moment.
type state[V any] struct {
	registry store.Registry
	view     atomic.Pointer[generation[V]]
	// mu is held while the view is verified, read anew or changed; never while somebody only uses it.
	mu    sync.Mutex
	heard atomic.Int64 // when the view was last known to be so, in nanoseconds of the clock
}

type generation[V any] struct {
	view   V
	number int64
}

// New returns the views of a registry. Nothing is read yet.
func New[V any](o Options[V]) (*Views[V], error) {
	if o.Name == "" || o.Store == nil || o.Read == nil {
		return nil, errors.New("a registry needs Name, Store and Read")
	}
	v := &Views[V]{name: o.Name, store: o.Store, read: o.Read, now: o.Now, accounts: make(map[string]*state[V])}
	if v.now == nil {
		v.now = time.Now
	}
	for _, a := range o.Accounts {
		s := &state[V]{registry: store.Registry{Name: o.Name, Account: a}}
		s.heard.Store(-int64(time.Hour))
		v.accounts[a] = s
	}
	return v, nil
}

// View returns what the registry of an account says. It is at most VerifyEvery old where another process changes the records, and never older
// than what this process changed.
func (v *Views[V]) View(ctx context.Context, account string) (V, error) {
	var none V
	s := v.accounts[account]
	if s == nil {
		return none, ErrNoAccount
	}
	if g := s.view.Load(); g != nil && v.fresh(s) {
		return g.view, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.view.Load(); g != nil && v.fresh(s) {
		return g.view, nil
	}
	g, err := v.verify(ctx, s)
	if err != nil {
		return none, err
	}
	return g.view, nil
}

// fresh says whether the view was verified a short time ago. A clock that was set back makes nothing fresh.
func (v *Views[V]) fresh(s *state[V]) bool {
	age := v.now().UnixNano() - s.heard.Load()
	return age >= 0 && age < int64(VerifyEvery)
}

// verify asks the records whether the view is still so, and reads it anew if not. s.mu is held.
func (v *Views[V]) verify(ctx context.Context, s *state[V]) (*generation[V], error) {
	ctx = context.WithoutCancel(ctx) // others wait for the answer too
	asked := v.now().UnixNano()
	g := s.view.Load()
	if g != nil {
		n, err := v.store.Generation(ctx, s.registry)
		if err != nil {
			return nil, fmt.Errorf("ask for the generation of the %s: %w", v.name, err)
		}
		if n == g.number {
			s.heard.Store(asked)
			return g, nil
		}
	}
	entries, n, err := v.store.LoadRegistry(ctx, s.registry)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", v.name, err)
	}
	view, err := v.read(s.registry.Account, n, entries)
	if err != nil {
		return nil, err
	}
	g = &generation[V]{view, n}
	s.view.Store(g)
	s.heard.Store(asked)
	return g, nil
}

// Change lets do change the registry of an account, and records the change durably, before anybody sees it. An error of do is returned and
// nothing is changed. do may run more than once, and must not keep the view.
func (v *Views[V]) Change(ctx context.Context, account string, do func(V) (Change[V], error)) error {
	s := v.accounts[account]
	if s == nil {
		return ErrNoAccount
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for range maxStale {
		base, err := v.verify(ctx, s)
		if err != nil {
			return err
		}
		c, err := do(base.view)
		if err != nil {
			return err
		}
		if len(c.Put) == 0 && len(c.Drop) == 0 {
			return nil
		}
		asked := v.now().UnixNano()
		n, err := v.store.ChangeRegistry(ctx, s.registry, base.number, c.Put, c.Drop)
		if errors.Is(err, store.ErrStale) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record the change of the %s: %w", v.name, err)
		}
		s.view.Store(&generation[V]{c.Next(n), n})
		s.heard.Store(asked)
		return nil
	}
	return fmt.Errorf("record the change of the %s: %w", v.name, store.ErrStale)
}

// Note writes entries of an account of which no decision depends: no view changes with them.
func (v *Views[V]) Note(ctx context.Context, account string, put []store.Entry) error {
	s := v.accounts[account]
	if s == nil {
		return ErrNoAccount
	}
	return v.store.NoteRegistry(ctx, s.registry, put)
}
