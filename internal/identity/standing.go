package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"darkroom/internal/iam"
)

// Standing is who somebody is, so that they are found again later with what they may do then: nothing that grants is kept. It is what a token for
// somebody says of them.
type Standing struct {
	Session
	// AccessKeyID is the key that they have signed with.
	AccessKeyID string
}

// ErrNoStanding is returned for somebody who is not found again: who is no principal of the directory, or has a session of a lease or probe, which others end.
var ErrNoStanding = errors.New("this principal is not found again later")

// Standing returns how a principal of the directory is found again. until is when the credentials end that they have signed with; zero for ones that do
// not.
func (d *Directory) Standing(ctx context.Context, p iam.Principal, until time.Time) (Standing, error) {
	s := Standing{AccessKeyID: p.AccessKeyID, Session: Session{
		Account: p.Account, Issued: p.Issued, Expiry: until, MFA: p.MFA, SourceIdentity: p.SourceIdentity, Provider: p.Provider, TransitiveTags: p.TransitiveTags,
	}}
	if _, lent := d.Sessions.find(p.AccessKeyID); lent {
		return Standing{}, ErrNoStanding
	}
	switch p.Type {
	case iam.Root:
	case iam.User:
		s.Kind, s.ID = User, p.UserID
	case iam.AssumedRole:
		_, name, ok := strings.Cut(p.UserID, ":")
		if !ok {
			return Standing{}, fmt.Errorf("%w: a role is no session", ErrNoStanding)
		}
		s.Kind, s.ID, s.Name = Role, p.RoleID, name
		v, err := d.View(ctx, p.Account)
		if err != nil {
			return Standing{}, err
		}
		role := v.ByID(Role, p.RoleID)
		if role == nil {
			return Standing{}, fmt.Errorf("%w: its role is gone", ErrNoStanding)
		}
		for k, value := range p.Tags { // those of the role are found again by themselves
			if own, ok := role.Tags[k]; !ok || own != value {
				if s.Tags == nil {
					s.Tags = make(map[string]string)
				}
				s.Tags[k] = value
			}
		}
	default:
		return Standing{}, ErrNoStanding
	}
	s.Narrowed = p.Session != nil
	for _, policy := range p.Session {
		switch {
		case strings.HasPrefix(policy.Name, "arn:"):
			s.Managed = append(s.Managed, policy.Name)
		case s.Policy != "" || policy.Document() == "":
			return Standing{}, fmt.Errorf("%w: its session is narrowed by several documents, or by one that cannot be read", ErrNoStanding)
		default:
			s.Policy = policy.Document()
		}
	}
	return s, nil
}

// Again returns a principal with what they may do now; false where they are gone, their key is, or the credentials have ended that they had signed with.
// An error says that it cannot be known now.
func (d *Directory) Again(ctx context.Context, s Standing) (iam.Principal, bool, error) {
	a := d.accounts[s.Account]
	if a == nil || !s.Expiry.IsZero() && !d.now().Before(s.Expiry) {
		return iam.Principal{}, false, nil
	}
	v, err := d.View(ctx, s.Account)
	if err != nil {
		return iam.Principal{}, false, err
	}
	if IsLongTerm(s.AccessKeyID) { // the root's key and those of users
		key, p, err := d.Find(ctx, s.AccessKeyID, "")
		same := p.Type == iam.Root && s.Kind == "" || p.Type == iam.User && s.Kind == User && p.UserID == s.ID
		if err != nil || key == nil || !same || p.Account != s.Account {
			return iam.Principal{}, false, err
		}
		return p, true, nil
	}
	if s.Expiry.IsZero() {
		return iam.Principal{}, false, nil // every other key ends
	}
	o := session{id: s.AccessKeyID}
	o.open(s.Session)
	p, ok := v.session(d, a, &o)
	return p, ok, nil
}

// NamedUser returns a user with what they may do now, for a machine that shows a credential which stands for them; false if there is none of that name.
func (d *Directory) NamedUser(ctx context.Context, account, name string) (iam.Principal, bool, error) {
	a := d.accounts[account]
	if a == nil {
		return iam.Principal{}, false, nil
	}
	v, err := d.View(ctx, account)
	if err != nil {
		return iam.Principal{}, false, err
	}
	u := v.Get(User, name)
	if u == nil {
		return iam.Principal{}, false, nil
	}
	p := v.principal(u)
	p.GuardRails = a.GuardRails
	return p, true, nil
}
