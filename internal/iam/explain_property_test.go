package iam

import (
	"strings"
	"testing"
)

// TestExplainAgrees: of any request Explain says what Authorize decides, and what it proposes is proved: with all remedies the request is allowed,
// and where an Allow can help there are some.
func TestExplainAgrees(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, 7)
	helped := make(map[Source]int)
	for range 3000 {
		r := g.request()
		want := Authorize(r)
		x := Explain(r)
		if x.Decision != want {
			t.Fatalf("%s\nexplained %v, decided %v", g.show(r), x.Decision, want)
		}
		if text := x.String(); strings.HasPrefix(text, "Allowed") != want.Allowed() {
			t.Fatalf("%s\n%v is told as %s", g.show(r), want, text)
		}
		if got := Authorize(r); got != want {
			t.Fatalf("%s\nexplaining changed the request: %v, then %v", g.show(r), want, got)
		}
		rootAssumes := r.Principal.Type == Root && assumes(lower(r.Check.Action))
		canHelp := want.Effect == 0 && want.Source != Unread && want.Source != Foreign && want.Source != Malformed && !rootAssumes
		if canHelp != (len(x.Remedies) > 0) {
			t.Fatalf("%s\n%v has the remedies %+v", g.show(r), want, x.Remedies)
		}
		for _, m := range x.Remedies {
			helped[m.Source]++
		}
		if canHelp && !r.helpedBy(t, x.Remedies).Allowed() {
			t.Fatalf("%s\n%v is not helped by %+v", g.show(r), want, x.Remedies)
		}
	}
	for _, s := range []Source{Identity, Boundary, Session, GuardRail, Resource} {
		if helped[s] < 20 {
			t.Errorf("only %d requests lacked a %s", helped[s], s)
		}
	}
}

// helpedBy decides a request whose policies have the statements of remedies.
func (r *Request) helpedBy(t *testing.T, remedies []Remedy) Decision {
	q := *r
	for _, m := range remedies {
		kind := IdentityPolicy
		if m.Source == Resource {
			kind = ResourcePolicy
			if needsPolicy(lower(r.Check.Action)) {
				kind = TrustPolicy
			}
		}
		p := parsed(t, kind, "remedy", of(m.Statement))
		switch m.Source {
		case Identity:
			q.Principal.Policies = append(append([]*Policy{}, q.Principal.Policies...), p)
		case Session:
			q.Principal.Session = append(append([]*Policy{}, q.Principal.Session...), p)
		case GuardRail:
			q.Principal.GuardRails = append(append([]*Policy{}, q.Principal.GuardRails...), p)
		case Boundary:
			q.Principal.Boundary = q.Principal.Boundary.with(p.Statements[0])
		case Resource:
			if q.Check.Policy != nil {
				p = q.Check.Policy.with(p.Statements[0])
			}
			q.Check.Policy = p
		}
	}
	return Authorize(&q)
}
