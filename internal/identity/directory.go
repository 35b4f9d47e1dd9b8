// Package identity knows who an access key belongs to and what they may do: users, groups, roles and their policies, which are kept in the
// records, the account root, whose key pair is kept in a file, and sessions.
//
// What is recorded of an account is held in memory as an immutable View (see package registry); where it cannot be found out whether a view is
// still so, everybody is unknown.
package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/registry"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
	"darkroom/internal/store"
)

// ErrNoAccount is returned for an account that the installation does not have.
var ErrNoAccount = registry.ErrNoAccount

// Account is an account of the installation.
type Account struct {
	ID   string // 12 digits
	Root Root
	// GuardRails are the service control policies of the account; nil means none.
	GuardRails []*iam.Policy
}

// Options are what a Directory works with. All but Now are needed.
type Options struct {
	Accounts []Account // the first one is the main account
	Store    store.Registries
	// Master is the key that secrets and session tokens are sealed under.
	Master secret.Bytes
	Log    *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// Directory finds the owner of an access key, and changes who there is. It is safe for concurrent use.
type Directory struct {
	views  *registry.Views[*View]
	now    func() time.Time
	log    *slog.Logger
	sealer *secret.Sealer
	tokens *tokens
	// Sessions are those of leases and probes.
	Sessions *Sessions

	order    []string
	accounts map[string]*Account
	roots    map[string]*Account // by access key id of the root
	owners   sync.Map            // account by access key id of a user, as far as it is known
	uses     uses
	guesses  guesses
}

// New returns a directory. Nothing is read yet: Prepare makes what an account has from its first day.
func New(o Options) (*Directory, error) {
	if len(o.Accounts) == 0 || o.Store == nil || o.Log == nil {
		return nil, errors.New("a directory needs Accounts, Store and Log")
	}
	sealer, err := newSealer(o.Master, "identity secrets")
	if err != nil {
		return nil, err
	}
	d := &Directory{now: o.Now, log: o.Log, sealer: sealer, accounts: make(map[string]*Account), roots: make(map[string]*Account)}
	if d.now == nil {
		d.now = time.Now
	}
	if d.tokens, err = newTokens(o.Master); err != nil {
		return nil, err
	}
	for _, a := range o.Accounts {
		s := &a
		if d.accounts[a.ID] != nil || !isAccount(a.ID) {
			return nil, fmt.Errorf("the account %q is given twice or has not 12 digits", a.ID)
		}
		d.accounts[a.ID], d.order = s, append(d.order, a.ID)
		if id := a.Root.AccessKeyID; id != "" && a.Root.SecretAccessKey.Len() > 0 {
			if d.roots[id] != nil {
				return nil, fmt.Errorf("two accounts have the root access key %s", id)
			}
			d.roots[id] = s
		}
	}
	d.Sessions = &Sessions{directory: d, open: make(map[string]session)}
	d.uses.init()
	d.views, err = registry.New(registry.Options[*View]{Name: "identities", Accounts: d.order, Store: o.Store, Read: d.read, Now: o.Now})
	return d, err
}

func isAccount(id string) bool {
	return len(id) == 12 && !slices.ContainsFunc([]byte(id), func(c byte) bool { return c < '0' || c > '9' })
}

// Accounts returns the accounts of the installation, the main one first.
func (d *Directory) Accounts() []string { return slices.Clone(d.order) }

// View returns who there is in an account. It is at most registry.VerifyEvery old where another process changes the records, and never older
// than what this process changed.
func (d *Directory) View(ctx context.Context, account string) (*View, error) {
	return d.views.View(ctx, account)
}

// read makes the view of the records of an account.
func (d *Directory) read(account string, generation int64, entries []store.Entry) (*View, error) {
	all := make(map[Kind]map[string]*Entity)
	for _, r := range entries {
		if Kind(r.Kind) == useKind {
			d.uses.load(r)
			continue
		}
		e := new(Entity)
		if err := json.Unmarshal(r.Record, e); err != nil {
			return nil, fmt.Errorf("read the record of %s %s: %w", r.Kind, r.ID, err)
		}
		if err := d.prepare(account, e); err != nil {
			return nil, err
		}
		if all[e.Kind] == nil {
			all[e.Kind] = make(map[string]*Entity)
		}
		all[e.Kind][e.ID] = e
	}
	return d.show(account, generation, all), nil
}

// show makes the view of entities that are compiled.
func (d *Directory) show(account string, generation int64, all map[Kind]map[string]*Entity) *View {
	v := newView(account, generation, all)
	for id := range v.byKey {
		d.owners.Store(id, account)
	}
	return v
}

// prepare makes a record ready for use: its documents compiled, its secrets opened.
func (d *Directory) prepare(account string, e *Entity) error {
	e.compile(account)
	for i := range e.Keys {
		k := &e.Keys[i]
		plain, err := d.sealer.Open(bound(account, e.ID, k.ID), k.Sealed)
		if err != nil {
			return fmt.Errorf("open the secret of access key %s: %w", k.ID, err)
		}
		k.secret = secret.New(plain)
	}
	return nil
}

// bound is the additional data of a sealed value: where it stands.
func bound(account, owner, id string) []byte {
	return fmt.Appendf(nil, "%s\x00identities\x00%s\x00%s", account, owner, id)
}

// Change lets do change who there is in an account, and records the change durably, before anybody sees it. An error of do is returned and nothing
// is changed. do may run more than once, and must not keep the view.
func (d *Directory) Change(ctx context.Context, account string, do func(*View) error) error {
	return d.views.Change(ctx, account, func(base *View) (registry.Change[*View], error) {
		next := base.begin()
		if err := do(next); err != nil {
			return registry.Change[*View]{}, err
		}
		for e := range next.changed {
			if err := d.prepare(account, e); err != nil {
				return registry.Change[*View]{}, err
			}
		}
		put, drop, err := next.records()
		return registry.Change[*View]{Put: put, Drop: drop, Next: func(n int64) *View { return d.show(account, n, next.byID) }}, err
	})
}

// NewAccessKey makes an access key for a user, whose secret is returned here and never again.
func (d *Directory) NewAccessKey(account string, user *Entity) (AccessKey, secret.Bytes, error) {
	k := AccessKey{ID: longTerm + randomID(16), Created: d.now().UTC(), Active: true, secret: newSecret()}
	var err error
	k.Sealed, err = d.sealer.Seal(bound(account, user.ID, k.ID), k.secret.Reveal())
	return k, k.secret, err
}

// SealSeed seals the seed of an MFA device of an account.
func (d *Directory) SealSeed(account string, device *Entity, seed secret.Bytes) (err error) {
	device.Seed, err = d.sealer.Seal(bound(account, device.ID, "seed"), seed.Reveal())
	return err
}

// OpenSeed opens the seed of an MFA device.
func (d *Directory) OpenSeed(account string, device *Entity) (secret.Bytes, error) {
	plain, err := d.sealer.Open(bound(account, device.ID, "seed"), device.Seed)
	return secret.New(plain), err
}

// Find returns the key and the owner of an access key id. token is what the request shows beside it: the keys of sessions stand in their tokens. A
// nil key says that there is no such key, or none that is active; whether a temporary one has ended is for sigv4 to decide, by Key.Expiry.
// An error says that it cannot be known now.
func (d *Directory) Find(ctx context.Context, accessKeyID, token string) (*sigv4.Key, iam.Principal, error) {
	if s := d.roots[accessKeyID]; s != nil {
		return &sigv4.Key{Secret: s.Root.SecretAccessKey}, d.root(s, accessKeyID), nil
	}
	if len(accessKeyID) != len(longTerm)+16 {
		return nil, iam.Principal{}, nil
	}
	switch accessKeyID[:len(longTerm)] {
	case longTerm:
		return d.findUser(ctx, accessKeyID)
	case temporary:
		if o, ok := d.Sessions.find(accessKeyID); ok {
			return d.resume(ctx, o)
		}
		if o, ok := d.tokens.open(accessKeyID, token); ok {
			return d.resume(ctx, o)
		}
	}
	return nil, iam.Principal{}, nil
}

// HasRootKey says whether the root of an account has a key pair.
func (d *Directory) HasRootKey(account string) bool {
	s := d.accounts[account]
	return s != nil && d.roots[s.Root.AccessKeyID] == s
}

func (d *Directory) root(s *Account, accessKeyID string) iam.Principal {
	return iam.Principal{
		Type: iam.Root, Account: s.ID, ARN: arn.Root(s.ID), UserID: s.ID, AccessKeyID: accessKeyID, GuardRails: s.GuardRails,
	}
}

// findUser finds the user of a long-term key.
func (d *Directory) findUser(ctx context.Context, accessKeyID string) (*sigv4.Key, iam.Principal, error) {
	accounts := d.order
	if a, ok := d.owners.Load(accessKeyID); ok {
		accounts = []string{a.(string)}
	}
	for _, a := range accounts {
		v, err := d.View(ctx, a)
		if err != nil {
			return nil, iam.Principal{}, err
		}
		u := v.ByAccessKey(accessKeyID)
		if u == nil {
			continue
		}
		i := slices.IndexFunc(u.Keys, func(k AccessKey) bool { return k.ID == accessKeyID })
		if !u.Keys[i].Active {
			return nil, iam.Principal{}, nil
		}
		p := v.principal(u)
		p.AccessKeyID, p.GuardRails = accessKeyID, d.accounts[a].GuardRails
		return &sigv4.Key{Secret: u.Keys[i].secret}, p, nil
	}
	return nil, iam.Principal{}, nil
}
