package identity

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"darkroom/internal/iam"
	"darkroom/internal/store"
)

// View is who there is in an account at one moment. It is immutable and safe for concurrent use, except in a function that was handed to
// Directory.Change, which may change the view that it is given.
type View struct {
	account    string
	generation int64 // of the records
	byID       map[Kind]map[string]*Entity
	byName     map[Kind]map[string]*Entity // names folded
	byKey      map[string]*Entity          // the users, by access key id
	principals *sync.Map                   // iam.Principal of users and roles by id, as they are needed

	changed, dropped map[*Entity]bool // in a change
}

// newView builds the view of entities that are compiled.
func newView(account string, generation int64, all map[Kind]map[string]*Entity) *View {
	v := &View{account: account, generation: generation, byID: all, byName: make(map[Kind]map[string]*Entity), byKey: make(map[string]*Entity), principals: new(sync.Map)}
	for kind, entities := range all {
		v.byName[kind] = make(map[string]*Entity, len(entities))
		for _, e := range entities {
			v.byName[kind][fold(e.Name)] = e
			for _, k := range e.Keys {
				v.byKey[k.ID] = e
			}
		}
	}
	return v
}

// Account returns the account that the view is of.
func (v *View) Account() string { return v.account }

// Get returns the entity of a kind with a name; nil if there is none.
func (v *View) Get(kind Kind, name string) *Entity {
	if e := v.byName[kind][fold(name)]; e != nil && e.Name == name {
		return e
	}
	return nil
}

// Taken says whether a name of a kind is used, whatever its case.
func (v *View) Taken(kind Kind, name string) bool { return v.byName[kind][fold(name)] != nil }

// ByID returns the entity of a kind with a unique id; nil if there is none.
func (v *View) ByID(kind Kind, id string) *Entity { return v.byID[kind][id] }

// ByARN returns the entity with an ARN; nil if there is none in the account.
func (v *View) ByARN(name string) *Entity {
	rest, ok := strings.CutPrefix(name, "arn:aws:iam::"+v.account+":")
	kind, path, found := strings.Cut(rest, "/")
	if !ok || !found {
		return nil
	}
	var e *Entity
	switch Kind(kind) {
	case Provider:
		e = v.Get(Provider, path)
	case User, Group, Role, Policy, Device:
		e = v.Get(Kind(kind), path[strings.LastIndexByte(path, '/')+1:])
	}
	if e == nil || e.ARN(v.account) != name {
		return nil
	}
	return e
}

// ByAccessKey returns the user that an access key belongs to; nil if there is none.
func (v *View) ByAccessKey(id string) *Entity { return v.byKey[id] }

// All returns the entities of a kind whose path begins with a prefix, by name.
func (v *View) All(kind Kind, pathPrefix string) []*Entity {
	var out []*Entity
	for _, e := range v.byID[kind] {
		if strings.HasPrefix(e.Path, pathPrefix) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *Entity) int { return strings.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// Count is how many entities of a kind there are.
func (v *View) Count(kind Kind) int { return len(v.byID[kind]) }

// Settings returns what belongs to the account as a whole; it may be empty, and is not nil.
func (v *View) Settings() *Entity {
	if e := v.Get(Settings, ""); e != nil {
		return e
	}
	return &Entity{Kind: Settings}
}

// ManagedPolicy returns the managed policy with an ARN, one of the account or one that AWS documents; nil if there is none.
func (v *View) ManagedPolicy(name string) *Entity {
	if p := awsManaged(name); p != nil {
		return p
	}
	if e := v.ByARN(name); e != nil && e.Kind == Policy {
		return e
	}
	return nil
}

// ARN names an entity, one of the account or a managed policy of AWS's own.
func (v *View) ARN(e *Entity) string {
	if e.Kind == Policy && awsManaged(e.ARN("aws")) == e {
		return e.ARN("aws")
	}
	return e.ARN(v.account)
}

// Usage is what a managed policy is used for.
type Usage struct {
	Attached   int // to how many users, groups and roles
	Boundaries int // whose permissions boundary it is
}

// Usage returns what each managed policy that is used at all is used for, by ARN.
func (v *View) Usage() map[string]Usage {
	out := make(map[string]Usage)
	for _, kind := range []Kind{User, Group, Role} {
		for _, e := range v.byID[kind] {
			for _, name := range e.Attached {
				u := out[name]
				u.Attached++
				out[name] = u
			}
			if e.Boundary != "" {
				u := out[e.Boundary]
				u.Boundaries++
				out[e.Boundary] = u
			}
		}
	}
	return out
}

// Members returns the users of a group, by name.
func (v *View) Members(group *Entity) []*Entity {
	return slices.DeleteFunc(v.All(User, ""), func(u *Entity) bool { return !slices.Contains(u.Groups, group.ID) })
}

// TrustPolicy returns the trust policy of a role for a decision: users and roles that it names are those that it named when it was written.
func (v *View) TrustPolicy(role *Entity) *iam.Policy {
	if role == nil || role.Kind != Role {
		return nil
	}
	return role.trust
}

// TrustDocument returns the trust policy of a role as it is shown.
func (v *View) TrustDocument(role *Entity) string { return v.Shown(role.Trust, role.TrustedIDs) }

// Shown returns a policy as it is shown, with the unique ids that ARNs in it stood for when it was written: a user or role that got another name or path
// stands there by the ARN that it has now, and one that is gone, or was made anew, by its unique id.
func (v *View) Shown(document string, ids map[string]string) string {
	var changes []string
	for name, id := range ids {
		now := id
		if e := cmp.Or(v.ByID(User, id), v.ByID(Role, id)); e != nil {
			now = e.ARN(v.account)
		}
		if now != name {
			changes = append(changes, quoted(name), quoted(now))
		}
	}
	// All at once: one may have got the name that another had.
	return strings.NewReplacer(changes...).Replace(document)
}

func quoted(s string) string {
	text, _ := json.Marshal(s) // a string has a form
	return string(text)
}

// TrustedIDs finds the unique ids of the users and roles that the policy of a role or a key names. An ARN of nobody is in missing.
func (v *View) TrustedIDs(p *iam.Policy) (ids map[string]string, missing []string) {
	ids = make(map[string]string)
	for _, name := range p.PrincipalARNs() {
		if e := v.ByARN(name); e != nil {
			ids[name] = e.ID
		} else {
			missing = append(missing, name)
		}
	}
	return ids, missing
}

// principal returns what a user or a role may do, without what a session adds.
func (v *View) principal(e *Entity) iam.Principal {
	if p, ok := v.principals.Load(e.ID); ok {
		return p.(iam.Principal)
	}
	p := iam.Principal{Type: iam.User, Account: v.account, ARN: e.ARN(v.account), UserID: e.ID, Name: e.Name, Tags: e.Tags, Policies: v.policies(e)}
	if e.Kind == Role {
		p.Type, p.RoleARN, p.RoleID, p.Name = iam.AssumedRole, p.ARN, e.ID, ""
	}
	for _, id := range e.Groups {
		if g := v.ByID(Group, id); g != nil {
			p.Policies = append(p.Policies, v.policies(g)...)
		} else {
			p.Policies = append(p.Policies, iam.Unreadable("group "+id))
		}
	}
	if e.Boundary != "" {
		p.Boundary = v.managed(e.Boundary)
	}
	v.principals.Store(e.ID, p)
	return p
}

// policies returns the policies of one entity. It is never nil.
func (v *View) policies(e *Entity) []*iam.Policy {
	out := slices.Clone(e.inline)
	for _, a := range e.Attached {
		out = append(out, v.managed(a))
	}
	return out
}

// managed returns the document in force of a managed policy. One that is not there denies.
func (v *View) managed(name string) *iam.Policy {
	if e := v.ManagedPolicy(name); e != nil && e.granted != nil {
		return e.granted
	}
	return iam.Unreadable(name)
}

// Policies returns the policies that an entity has by itself, those of a user's groups not counted, as a decision sees them.
func (v *View) Policies(e *Entity) []*iam.Policy { return v.policies(e) }

// Principal returns a user or a role as a decision sees it. A role stands for its sessions: its ARN is that of the role.
func (v *View) Principal(e *Entity) iam.Principal { return v.principal(e) }

// Edit returns a copy of an entity that takes its place in the change under way and may be changed.
func (v *View) Edit(e *Entity) *Entity {
	if v.changed[e] {
		return e
	}
	c := e.clone()
	v.Put(c)
	return c
}

// Put adds an entity to the change under way.
func (v *View) Put(e *Entity) {
	if old := v.byID[e.Kind][e.ID]; old != nil {
		delete(v.changed, old)
	}
	v.index(e)
	v.changed[e] = true
}

func (v *View) index(e *Entity) {
	if v.byID[e.Kind] == nil {
		v.byID[e.Kind], v.byName[e.Kind] = make(map[string]*Entity), make(map[string]*Entity)
	}
	v.byID[e.Kind][e.ID], v.byName[e.Kind][fold(e.Name)] = e, e
}

// Drop removes an entity in the change under way.
func (v *View) Drop(e *Entity) {
	delete(v.changed, e)
	delete(v.byID[e.Kind], e.ID)
	delete(v.byName[e.Kind], fold(e.Name))
	v.dropped[e] = true
}

// begin returns a view in which a change can be made.
func (v *View) begin() *View {
	c := *v
	c.byID, c.byName = make(map[Kind]map[string]*Entity, len(v.byID)), make(map[Kind]map[string]*Entity, len(v.byName))
	for k, m := range v.byID {
		c.byID[k] = maps.Clone(m)
	}
	for k, m := range v.byName {
		c.byName[k] = maps.Clone(m)
	}
	c.changed, c.dropped, c.principals = make(map[*Entity]bool), make(map[*Entity]bool), new(sync.Map)
	return &c
}

// records returns what a change writes and drops.
func (v *View) records() (put, drop []store.Entry, err error) {
	for e := range v.changed {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, nil, fmt.Errorf("write the record of a %s: %w", e.Kind, err)
		}
		put = append(put, store.Entry{Kind: string(e.Kind), ID: e.ID, Record: text})
	}
	for e := range v.dropped {
		drop = append(drop, store.Entry{Kind: string(e.Kind), ID: e.ID})
	}
	return put, drop, nil
}
