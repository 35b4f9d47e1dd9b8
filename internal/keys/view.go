package keys

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

// View is the keys of an account at one moment. It is immutable and safe for concurrent use, except in a change under way.
type View struct {
	service *Service
	account string
	root    *accountRecord // nil until the account has its first key
	keys    map[string]*Key
	aliases map[string]*Alias
	grants  map[string]map[string]*Grant // by the id of the key, and their own

	aliasesOf map[string][]string // the names of the aliases of a key, in order

	puts  map[entryID]any // what a change under way writes; nil outside one
	drops map[entryID]bool
}

type entryID struct{ kind, id string }

// read makes the view of what stands in the registry.
func (s *Service) read(account string, _ int64, entries []store.Entry) (*View, error) {
	v := &View{service: s, account: account, keys: make(map[string]*Key), aliases: make(map[string]*Alias), grants: make(map[string]map[string]*Grant)}
	for _, e := range entries {
		var into any
		switch e.Kind {
		case accountKind:
			v.root = new(accountRecord)
			into = v.root
		case keyKind:
			v.keys[e.ID] = new(Key)
			into = v.keys[e.ID]
		case aliasKind:
			v.aliases[e.ID] = new(Alias)
			into = v.aliases[e.ID]
		case grantKind:
			into = new(Grant)
		default:
			return nil, fmt.Errorf("the records of keys have an unknown kind %q", e.Kind)
		}
		if err := json.Unmarshal(e.Record, into); err != nil {
			return nil, fmt.Errorf("read the record of %s %s: %w", e.Kind, e.ID, err)
		}
		if g, ok := into.(*Grant); ok {
			v.index(g)
		}
	}
	if v.root != nil {
		if err := v.openRoot(); err != nil {
			return nil, err
		}
	}
	for id, k := range v.keys {
		if k.ID != id {
			return nil, fmt.Errorf("the record of key %s is that of key %s", id, k.ID)
		}
		if err := v.ready(k); err != nil {
			return nil, err
		}
	}
	for _, of := range v.grants {
		for _, g := range of {
			g.compile()
		}
	}
	v.finish()
	return v, nil
}

func (v *View) index(g *Grant) {
	if v.grants[g.KeyID] == nil {
		v.grants[g.KeyID] = make(map[string]*Grant)
	}
	v.grants[g.KeyID][g.ID] = g
}

// openRoot makes the account key ready.
func (v *View) openRoot() error {
	plain, err := v.service.sealer.Open(bound(v.account, "account", "", 0), v.root.Sealed)
	if err != nil {
		return fmt.Errorf("open the account key of %s: %w", v.account, err)
	}
	v.root.sealer, err = secret.NewSealer(secret.New(plain), "key service key material", v.service.random)
	return err
}

// newRoot makes the account key.
func (v *View) newRoot() error {
	key, err := secret.NewDataKey(v.service.random)
	if err != nil {
		return err
	}
	sealed, err := v.service.sealer.Seal(bound(v.account, "account", "", 0), key.Reveal())
	if err != nil {
		return err
	}
	v.root = &accountRecord{Sealed: sealed}
	v.write(accountKind, "", v.root)
	return v.openRoot()
}

// ready makes a key ready for use: its material opened and its policy compiled.
func (v *View) ready(k *Key) error {
	if len(k.Versions) == 0 || v.root == nil {
		return fmt.Errorf("the key %s has no material, or the account no key to open it", k.ID)
	}
	for i := range k.Versions {
		n := &k.Versions[i]
		if int64(n.Number) != int64(i)+1 {
			return fmt.Errorf("the versions of key %s are not in order", k.ID)
		}
		if n.material.Len() > 0 {
			continue
		}
		plain, err := v.root.sealer.Open(bound(v.account, keyKind, k.ID, n.Number), n.Sealed)
		if err != nil {
			return fmt.Errorf("open version %d of key %s: %w", n.Number, k.ID, err)
		}
		n.material = secret.New(plain)
	}
	k.policy = compilePolicy(k)
	k.joined = new(sync.Map)
	return nil
}

func compilePolicy(k *Key) *iam.Policy {
	name := "the policy of key " + k.ID
	p, err := iam.Parse(iam.ResourcePolicy, name, k.Policy)
	if err != nil {
		return iam.Unreadable(name)
	}
	return p.Bind(k.PolicyIDs)
}

// bound is the additional data of sealed key material: where it stands.
func bound(account, kind, id string, version uint32) []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s\x00%d", account, registryName, kind, id, version)
}

// addVersion gives a key new material, which encrypts from then on.
func (v *View) addVersion(k *Key, now time.Time, onDemand bool) error {
	material, err := secret.NewDataKey(v.service.random)
	if err != nil {
		return err
	}
	id, err := newHexID(v.service.random)
	if err != nil {
		return err
	}
	n := Version{Number: uint32(len(k.Versions) + 1), ID: id, Created: now, OnDemand: onDemand, material: material} //nolint:gosec // rotations are rare
	if n.Sealed, err = v.root.sealer.Seal(bound(v.account, keyKind, k.ID, n.Number), material.Reveal()); err != nil {
		return err
	}
	k.Versions = append(k.Versions, n)
	return nil
}

// finish builds what is looked up.
func (v *View) finish() {
	v.aliasesOf = make(map[string][]string)
	for name, a := range v.aliases {
		v.aliasesOf[a.KeyID] = append(v.aliasesOf[a.KeyID], name)
	}
	for _, names := range v.aliasesOf {
		slices.Sort(names)
	}
}

// Key returns a key by its id; nil if there is none, or its time is over.
func (v *View) Key(id string) *Key {
	k := v.keys[id]
	if k == nil || k.dead(v.service.now()) {
		return nil
	}
	return k
}

// dead says whether the time of a key is over, whether or not its material is destroyed already.
func (k *Key) dead(now time.Time) bool { return !k.Deletion.IsZero() && !now.Before(k.Deletion) }

// Keys returns the keys by id.
func (v *View) Keys() []*Key {
	now := v.service.now()
	out := make([]*Key, 0, len(v.keys))
	for _, k := range v.keys {
		if !k.dead(now) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b *Key) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Alias returns an alias by its name, with alias/ before it; nil if there is none.
func (v *View) Alias(name string) *Alias { return v.aliases[name] }

// Aliases returns the aliases by name, those of one key or, for an empty id, all.
func (v *View) Aliases(keyID string) []*Alias {
	var out []*Alias
	for _, a := range v.aliases {
		if keyID == "" || a.KeyID == keyID {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *Alias) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Grants returns the grants of a key by id.
func (v *View) Grants(keyID string) []*Grant {
	return slices.SortedFunc(maps.Values(v.grants[keyID]), func(a, b *Grant) int { return strings.Compare(a.ID, b.ID) })
}

// AllGrants returns the grants of all keys by id.
func (v *View) AllGrants() []*Grant {
	var out []*Grant
	for id := range v.grants {
		if v.Key(id) != nil {
			out = append(out, v.Grants(id)...)
		}
	}
	slices.SortFunc(out, func(a, b *Grant) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Grant returns a grant of a key; nil if there is none.
func (v *View) Grant(keyID, id string) *Grant { return v.grants[keyID][id] }

// ARN names a key.
func (v *View) ARN(k *Key) string { return v.service.keyARN(v.account, k.ID) }

// AliasARN names an alias.
func (v *View) AliasARN(a *Alias) string { return v.service.aliasARN(v.account, a.Name) }

// Account is the account that the view is of.
func (v *View) Account() string { return v.account }

// begin returns a view in which a change can be made.
func (v *View) begin() *View {
	c := *v
	c.keys, c.aliases, c.grants = maps.Clone(v.keys), maps.Clone(v.aliases), maps.Clone(v.grants)
	c.puts, c.drops = make(map[entryID]any), make(map[entryID]bool)
	return &c
}

// write notes what a change writes.
func (v *View) write(kind, id string, record any) {
	v.puts[entryID{kind, id}] = record
	delete(v.drops, entryID{kind, id})
}

func (v *View) remove(kind, id string) {
	delete(v.puts, entryID{kind, id})
	v.drops[entryID{kind, id}] = true
}

// edit returns a copy of a key that takes its place in the change under way and may be changed.
func (v *View) edit(k *Key) *Key {
	c := k.clone()
	v.putKey(c)
	return c
}

func (v *View) putKey(k *Key) {
	v.keys[k.ID] = k
	v.write(keyKind, k.ID, k)
}

func (v *View) putAlias(a *Alias) {
	v.aliases[a.Name] = a
	v.write(aliasKind, a.Name, a)
}

func (v *View) dropAlias(name string) {
	delete(v.aliases, name)
	v.remove(aliasKind, name)
}

func (v *View) putGrant(g *Grant) {
	v.grants[g.KeyID] = maps.Clone(v.grants[g.KeyID])
	v.index(g)
	v.write(grantKind, g.ID, g)
}

func (v *View) dropGrant(g *Grant) {
	v.grants[g.KeyID] = maps.Clone(v.grants[g.KeyID])
	delete(v.grants[g.KeyID], g.ID)
	v.remove(grantKind, g.ID)
}

// dropKey removes a key with all that is sealed under it, its aliases and its grants.
func (v *View) dropKey(k *Key) {
	for _, a := range v.Aliases(k.ID) {
		v.dropAlias(a.Name)
	}
	for _, g := range v.Grants(k.ID) {
		v.dropGrant(g)
	}
	delete(v.grants, k.ID)
	delete(v.keys, k.ID)
	v.remove(keyKind, k.ID)
}

// prepare makes what a change has written ready for use.
func (v *View) prepare() error {
	for id, record := range v.puts {
		switch r := record.(type) {
		case *Key:
			if err := v.ready(r); err != nil {
				return fmt.Errorf("%s %s: %w", id.kind, id.id, err)
			}
		case *Grant:
			r.compile()
		}
	}
	v.finish()
	return nil
}

// records returns what a change writes and drops.
func (v *View) records() (put, drop []store.Entry, err error) {
	for id, record := range v.puts {
		text, err := json.Marshal(record)
		if err != nil {
			return nil, nil, fmt.Errorf("write the record of a %s: %w", id.kind, err)
		}
		put = append(put, store.Entry{Kind: id.kind, ID: id.id, Record: text})
	}
	for id := range v.drops {
		drop = append(drop, store.Entry{Kind: id.kind, ID: id.id})
	}
	return put, drop, nil
}

// done ends the change under way.
func (v *View) done() *View {
	v.puts, v.drops = nil, nil
	return v
}
