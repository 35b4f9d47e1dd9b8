package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"darkroom/internal/iam"
)

const allowEverything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// TestStanding: who is kept is found again as they were, and with what they may do by then.
func TestStanding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	user, key, _ := addUser(t, d, account, "ann", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	role := &Entity{Kind: Role, ID: NewID(Role), Name: "viewer", Path: "/", Tags: map[string]string{"team": "role", "cost": "1"}, Inline: map[string]string{"p": allowEverything}, Trust: `{"Version":"2012-10-17","Statement":[]}`}
	managed := &Entity{Kind: Policy, ID: NewID(Policy), Name: "narrow", Path: "/", Default: "v1", Versions: []Version{{ID: "v1", Document: allowEverything}}}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Put(role); v.Put(managed); return nil }); err != nil {
		t.Fatal(err)
	}
	end := w.clock.time().Add(time.Hour)
	begin := func(s Session) (id, token string) {
		t.Helper()
		s.Account, s.Issued, s.Expiry = account, w.clock.time(), end
		c, err := d.IssueToken(s)
		if err != nil {
			t.Fatal(err)
		}
		return c.AccessKeyID, string(c.SessionToken.Reveal())
	}
	session, sessionToken := begin(Session{
		Kind: Role, ID: role.ID, Name: "s1", MFA: w.clock.time(), Tags: map[string]string{"team": "session"}, TransitiveTags: []string{"team"}, SourceIdentity: "ann", Provider: "arn:x",
		Narrowed: true, Policy: allowEverything, Managed: []string{managed.ARN(account)},
	})
	plain, plainToken := begin(Session{Kind: Role, ID: role.ID, Name: "s2"})
	own, ownToken := begin(Session{Kind: User, ID: user.ID})
	rootSession, rootToken := begin(Session{})
	same := cmp.Comparer(func(a, b *iam.Policy) bool {
		return a == b || a != nil && b != nil && a.Name == b.Name && a.Document() == b.Document()
	})
	for _, tt := range []struct {
		name, key, token string
		until            time.Time
	}{
		{"the root", "AKIAROOT", "", time.Time{}},
		{"a user", key.ID, "", time.Time{}},
		{"a session of everything", session, sessionToken, end},
		{"a plain session", plain, plainToken, end},
		{"a session of a user", own, ownToken, end},
		{"a session of the root", rootSession, rootToken, end},
	} {
		_, p, err := d.Find(t.Context(), tt.key, tt.token)
		if err != nil || p.Type == 0 {
			t.Fatalf("%s: %v, %v", tt.name, p, err)
		}
		s, err := d.Standing(t.Context(), p, tt.until)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		text, err := json.Marshal(s) // as it stands in a token
		if err != nil {
			t.Fatal(err)
		}
		var back Standing
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		again, ok, err := d.Again(t.Context(), back)
		if err != nil || !ok {
			t.Errorf("%s: found again: %t, %v", tt.name, ok, err)
			continue
		}
		if diff := cmp.Diff(p, again, same, cmpopts.EquateEmpty()); diff != "" || (p.Session == nil) != (again.Session == nil) {
			t.Errorf("%s: found again as another (-before +after):\n%s", tt.name, diff)
		}
	}
	// The tags of a role are those that it has by then, those of a session stay.
	_, p, err := d.Find(t.Context(), session, sessionToken)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Standing(t.Context(), p, end)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Edit(v.ByID(Role, role.ID)).Tags = map[string]string{"cost": "2"}; return nil }); err != nil {
		t.Fatal(err)
	}
	if again, ok, err := d.Again(t.Context(), s); err != nil || !ok || again.Tags["cost"] != "2" || again.Tags["team"] != "session" {
		t.Errorf("tags: %v, %t, %v", again.Tags, ok, err)
	}
}

// TestNotAgain: who is gone is not found again, and somebody else is not found in their place.
func TestNotAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := &flaky{Registries: w.records}
	d := w.replica(func(o *Options) { o.Store = broken })
	ann, key, _ := addUser(t, d, account, "ann", "")
	bob, bobs, _ := addUser(t, d, account, "bob", "")
	end := w.clock.time().Add(time.Hour)
	standing := func(edit func(*Standing)) Standing {
		s := Standing{AccessKeyID: key.ID, Session: Session{Account: account, Kind: User, ID: ann.ID}}
		edit(&s)
		return s
	}
	for _, tt := range []struct {
		name string
		s    Standing
	}{
		{"nobody", Standing{}},
		{"an account that is not there", standing(func(s *Standing) { s.Account = "123456789012" })},
		{"another account", standing(func(s *Standing) { s.Account = other })},
		{"with somebody else's key", standing(func(s *Standing) { s.AccessKeyID = bobs.ID })},
		{"somebody else", standing(func(s *Standing) { s.ID = bob.ID })},
		{"the root, by a user's key", standing(func(s *Standing) { s.Kind, s.ID = "", "" })},
		{"a role, by a user's key", standing(func(s *Standing) { s.Kind = Role })},
		{"a key that is not there", standing(func(s *Standing) { s.AccessKeyID = "AKIAAAAAAAAAAAAAAAAA" })},
		{"no key", standing(func(s *Standing) { s.AccessKeyID = "" })},
		{"a session without an end", standing(func(s *Standing) { s.AccessKeyID = "ASIAAAAAAAAAAAAAAAAA" })},
		{"a session that has ended", standing(func(s *Standing) { s.AccessKeyID, s.Expiry = "ASIAAAAAAAAAAAAAAAAA", w.clock.time() })},
		{"a session of who is gone", standing(func(s *Standing) { s.AccessKeyID, s.Expiry, s.ID = "ASIAAAAAAAAAAAAAAAAA", end, "AIDAGONE" })},
	} {
		if p, ok, err := d.Again(t.Context(), tt.s); ok || err != nil || p.Type != 0 {
			t.Errorf("%s: %+v, %t, %v", tt.name, p, ok, err)
		}
	}
	if _, ok, err := d.Again(t.Context(), standing(func(*Standing) {})); !ok || err != nil {
		t.Fatalf("who is there: %t, %v", ok, err)
	}
	if p, ok, err := d.NamedUser(t.Context(), account, "ann"); !ok || err != nil || p.UserID != ann.ID || p.Type != iam.User {
		t.Errorf("by name: %+v, %t, %v", p, ok, err)
	}
	for _, tt := range [][2]string{{account, "carl"}, {account, ""}, {other, "ann"}, {"123456789012", "ann"}} {
		if p, ok, err := d.NamedUser(t.Context(), tt[0], tt[1]); ok || err != nil || p.Type != 0 {
			t.Errorf("%v by name: %+v, %t, %v", tt, p, ok, err)
		}
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Edit(v.ByID(User, ann.ID)).Keys = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := d.Again(t.Context(), standing(func(*Standing) {})); ok || err != nil {
		t.Errorf("without a key: %t, %v", ok, err)
	}
	// What cannot be known is an error, not a yes.
	w.clock.add(time.Minute)
	broken.fail(errors.New("no records"))
	for _, s := range []Standing{standing(func(*Standing) {}), standing(func(s *Standing) { s.AccessKeyID, s.Expiry = "ASIAAAAAAAAAAAAAAAAA", end })} {
		if _, ok, err := d.Again(t.Context(), s); ok || err == nil {
			t.Errorf("without records: %t, %v", ok, err)
		}
	}
	if _, ok, err := d.NamedUser(t.Context(), account, "bob"); ok || err == nil {
		t.Errorf("by name without records: %t, %v", ok, err)
	}
}

func TestNoStanding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	ann, key, _ := addUser(t, d, account, "ann", "")
	_, p, err := d.Find(t.Context(), key.ID, "")
	if err != nil || p.UserID != ann.ID {
		t.Fatalf("%+v, %v", p, err)
	}
	policy := func(name, document string) *iam.Policy {
		parsed, err := iam.Parse(iam.IdentityPolicy, name, document)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	lent, err := d.Sessions.Forward(p, allowEverything, w.clock.time().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for i, edit := range []func(*iam.Principal){
		func(p *iam.Principal) { p.Type = 0 },
		func(p *iam.Principal) { p.Type = iam.Service },
		func(p *iam.Principal) { p.Type = iam.WebIdentity },
		func(p *iam.Principal) { p.Type = iam.AssumedRole },                                               // a role, and no session of it
		func(p *iam.Principal) { p.Type, p.UserID, p.RoleID = iam.AssumedRole, "AROAGONE:s", "AROAGONE" }, // whose role is gone
		func(p *iam.Principal) { p.AccessKeyID = lent.AccessKeyID },
		func(p *iam.Principal) {
			p.Session = []*iam.Policy{policy("a", allowEverything), policy("b", allowEverything)}
		},
		func(p *iam.Principal) { p.Session = []*iam.Policy{iam.Unreadable("session policy")} },
	} {
		other := p
		edit(&other)
		if s, err := d.Standing(t.Context(), other, time.Time{}); !errors.Is(err, ErrNoStanding) || s.ID != "" {
			t.Errorf("%d: %s, %v", i, fmt.Sprint(s), err)
		}
	}
}
