package iam

import (
	"strings"
	"unicode/utf8"
)

// Authorize decides a request. The zero value of everything is denied, and so is what cannot be read.
//
// An explicit Deny in any policy wins. Otherwise each kind of policy that the principal has must allow: guard rails, then what the principal's
// own policies grant or the policy of the resource does, then its permissions boundary, then its session policies. The account root may do
// everything with what belongs to its account, as far as guard rails and session policies go. Nobody reaches what belongs to another account.
// Source: "Policy evaluation logic".
func Authorize(r *Request) Decision { return authorize(r, nil) }

// tracer hears of every statement that was looked at, and why it applied or did not.
type tracer func(source Source, p *Policy, s *Statement, why miss)

// authorize decides. With a tracer every statement is looked at; without one, only those that can matter are.
func authorize(r *Request, trace tracer) Decision {
	if source := r.fault(); source != "" {
		return Decision{Source: source}
	}
	p, e := &r.Principal, newEvaluation(r, trace)

	rails := finding{source: GuardRail, allowed: byName}
	if p.GuardRails != nil && p.Type != Service {
		rails = e.policies(GuardRail, p.GuardRails)
	}
	resource := finding{source: Resource}
	if r.Check.Policy != nil {
		resource = e.policy(Resource, r.Check.Policy)
	}
	identity := e.policies(Identity, p.Policies)
	boundary := finding{source: Boundary, allowed: byName}
	if p.Boundary != nil {
		boundary = e.policy(Boundary, p.Boundary)
	}
	session := finding{source: Session, allowed: byName}
	if p.Session != nil {
		session = e.policies(Session, p.Session)
	}
	found := [...]finding{rails, resource, identity, boundary, session}
	for _, f := range found {
		if f.denied {
			return f.decision(Deny)
		}
	}
	for _, f := range found {
		if f.unreadable {
			return Decision{Source: Unread, Policy: f.policy}
		}
	}
	lacking := func(s Source) Decision { return Decision{Source: s} }
	switch {
	case rails.allowed == unnamed:
		return lacking(GuardRail)
	case p.Type == Root && assumes(e.action):
		return lacking(RootAccount) // "Roles may not be assumed by root accounts."
	case resource.allowed == unnamed && (needsPolicy(e.action) || e.vendor == "kms" && r.Check.Policy != nil):
		return lacking(Resource) // the policies of roles and of keys must allow themselves
	case p.Type == Service || p.Type == WebIdentity:
		if resource.allowed == byName {
			return resource.decision(Allow)
		}
		return lacking(Resource)
	}
	// A resource that names the user or the session itself lets it in whatever else is silent; one that names the role leaves the role's
	// bounds in force; one that names the account leaves it to the account's own policies.
	if resource.allowed == byName {
		return resource.decision(Allow)
	}
	grant := resource
	if resource.allowed < byRole {
		grant = identity
		if p.Type == Root {
			grant = finding{source: RootAccount, allowed: byName}
		}
		if grant.allowed == unnamed {
			return lacking(Identity)
		}
	}
	switch {
	case boundary.allowed == unnamed:
		return lacking(Boundary)
	case session.allowed == unnamed:
		return lacking(Session)
	}
	return grant.decision(Allow)
}

// assumes says whether an action opens a session of a role.
func assumes(action string) bool {
	return action == "sts:assumerole" || action == "sts:assumerolewithwebidentity" || action == "sts:assumerolewithsaml"
}

// needsPolicy says whether the policy of the resource must allow an action itself: roles are not assumed without a trust policy, nor is anything
// said of their sessions.
func needsPolicy(action string) bool {
	return assumes(action) || action == "sts:tagsession" || action == "sts:setsourceidentity"
}

// fault says why a request is not decided at all: Malformed, or Foreign for what belongs to another account.
func (r *Request) fault() Source {
	p, c := &r.Principal, &r.Check
	switch p.Type {
	case Root, User, AssumedRole:
		if p.Account == "" || p.ARN == "" {
			return Malformed
		}
	case Service, WebIdentity:
		if p.Name == "" {
			return Malformed
		}
	default:
		return Malformed
	}
	vendor, name, ok := strings.Cut(c.Action, ":")
	if !ok || !utf8.ValidString(c.Resource) || vendor == "" || name == "" || !only(vendor, letters+"-") || !only(name, letters+"-_") {
		return Malformed
	}
	if c.Resource != "*" {
		parts, ok := cutARN(c.Resource)
		if !ok || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
			return Malformed
		}
		if p.Type != Service && c.owner() != p.Account && parts[4] != awsOwned {
			return Foreign
		}
	}
	return ""
}

// awsOwned is the account in the ARNs of what belongs to every account, such as managed policies that AWS documents. Nobody can change it.
const awsOwned = "aws"

// owner is the account that the resource of a check belongs to; empty if nobody said.
func (c *Check) owner() string {
	if parts, ok := cutARN(c.Resource); ok && parts[4] != "" {
		return parts[4]
	}
	return c.Owner
}

// evaluation is one request on its way through policies.
type evaluation struct {
	scope
	action, vendor, name string   // in lower case
	resource             []string // the parts of the ARN; nil for a request that names none
	trace                tracer
}

func newEvaluation(r *Request, trace tracer) evaluation {
	e := evaluation{scope: scope{r, new(memo)}, action: lower(r.Check.Action), trace: trace}
	e.vendor, e.name, _ = strings.Cut(e.action, ":")
	if r.Check.Resource != "*" {
		e.resource = strings.SplitN(r.Check.Resource, ":", arnParts)
	}
	return e
}

// finding is what one kind of policy says of a request.
type finding struct {
	source     Source
	unreadable bool
	denied     bool
	allowed    standing // the most direct one
	policy     string
	statement  *Statement // that allows or denies
}

// decision is the one that a finding makes.
func (f *finding) decision(effect Effect) Decision {
	d := Decision{Effect: effect, Source: f.source, Policy: f.policy}
	if f.statement != nil {
		d.Sid = f.statement.Name()
	}
	return d
}

// policies unites the findings of several policies: what one allows is allowed.
func (e *evaluation) policies(source Source, all []*Policy) finding {
	out := finding{source: source}
	for _, p := range all {
		f := e.policy(source, p)
		switch {
		case out.denied:
		case f.denied:
			out = f
			if e.trace == nil {
				return out
			}
		case out.unreadable:
		case f.unreadable, f.allowed > out.allowed:
			out = f
		}
	}
	return out
}

// policy finds what one policy says: the first Deny that applies, else the most direct Allow.
func (e *evaluation) policy(source Source, p *Policy) finding {
	out := finding{source: source}
	if p == nil || !p.readable || (p.Kind == IdentityPolicy) == (source == Resource) {
		out.unreadable = true
		if p != nil {
			out.policy = p.Name
		}
		return out
	}
	out.policy = p.Name
	candidates := p.concerning(e.vendor, e.action)
	if e.trace != nil {
		candidates = p.all()
	}
	for s := candidates.next(); s != nil; s = candidates.next() {
		if s.Effect == Allow && out.allowed == byName && e.trace == nil {
			continue
		}
		how, why := e.applies(s)
		if e.trace != nil {
			e.trace(source, p, s, why)
		}
		switch {
		case how == unnamed:
		case s.Effect == Deny:
			if !out.denied {
				out.denied, out.statement = true, s
			}
			if e.trace == nil {
				return out
			}
		case how > out.allowed && !out.denied:
			out.allowed, out.statement = how, s
		}
	}
	return out
}

// miss is why a statement does not apply; the zero value is that it does.
type miss struct {
	element    string     // Principal, Action, Resource or Condition
	condition  *Condition // the first one that does not hold
	unreadable bool       // its value in the request cannot be read
}

// applies says whether a statement is about the request, and how directly it names the principal.
func (e *evaluation) applies(s *Statement) (standing, miss) {
	named := s.names(&e.Principal)
	switch {
	case named == unnamed:
		return unnamed, miss{element: "Principal"}
	case !e.concerns(s):
		return unnamed, miss{element: "Action"}
	case s.resources != nil && !e.covers(s):
		return unnamed, miss{element: "Resource"}
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		switch c.holds(e.scope) {
		case no:
			return unnamed, miss{"Condition", c, false}
		case unreadable:
			if s.Effect == Allow {
				return unnamed, miss{"Condition", c, true}
			}
		}
	}
	return named, miss{}
}

// concerns says whether the actions of a statement have that of the request.
func (e *evaluation) concerns(s *Statement) bool {
	for i := range s.actions {
		if s.actions[i].match(e.vendor, e.name) {
			return !s.negatedActions()
		}
	}
	return s.negatedActions()
}

// covers says whether the resources of a statement have that of the request. A pattern whose variable has no value matches nothing; where
// matching is what exempts from a statement, an Allow then does not apply, and a Deny does. So it is where a variable cannot be read.
func (e *evaluation) covers(s *Statement) bool {
	doubtful := false
	for i := range s.resources {
		matched, resolved := s.resources[i].match(e.resource, e.scope)
		if matched == yes {
			return s.NotResources == nil
		}
		doubtful = doubtful || matched == unreadable || !resolved && s.NotResources != nil
	}
	if doubtful {
		return s.Effect == Deny
	}
	return s.NotResources != nil
}
