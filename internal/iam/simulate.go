package iam

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// MaxSimulated is how many pairs of an action and a resource are decided at once.
const MaxSimulated = 10000

// Simulation asks what policies would decide. Nothing is carried out. Source: IAM API, SimulateCustomPolicy and SimulatePrincipalPolicy.
type Simulation struct {
	// Principal is who would ask, with the policies to simulate. One without a Type is anybody of an account who has the policies: keys that say
	// who it is are then absent unless Context sets them.
	Principal Principal
	Actions   []string
	Resources []string // ARNs; none is the same as "*"
	// Owner is the account of resources whose ARN does not say; empty is the principal's own.
	Owner string
	// Policy is that of the resources.
	Policy *Policy
	// Context has the condition keys of the request. They win over what is known of the principal.
	Context []ContextEntry
	// Now is the time of the request, which aws:CurrentTime and aws:EpochTime have; zero leaves them absent.
	Now time.Time
	// Origins say where policies come from. A policy that has none is called by its Name.
	Origins map[*Policy]Origin
}

// ContextEntry is a condition key with its values, as a simulation is given it.
type ContextEntry struct {
	Key string
	// Type is string, numeric, boolean, ip, binary or date; with List behind it for several values. Empty is the type that the key is known to have,
	// and string for others.
	Type   string
	Values []string
}

// Origin is where a policy comes from.
type Origin struct {
	ID   string
	Type SourceType
}

// SourceType is what a policy is or is attached to. Source: IAM API, PolicySourceType.
type SourceType string

// The types of origin.
const (
	FromUser        SourceType = "user"
	FromGroup       SourceType = "group"
	FromRole        SourceType = "role"
	FromAWSManaged  SourceType = "aws-managed"
	FromUserManaged SourceType = "user-managed"
	FromResource    SourceType = "resource"
	FromNone        SourceType = "none"
)

// Verdict is a decision as the simulator calls it. Source: IAM API, PolicyEvaluationDecisionType.
type Verdict string

// The verdicts.
const (
	VerdictAllowed      Verdict = "allowed"
	VerdictExplicitDeny Verdict = "explicitDeny"
	VerdictImplicitDeny Verdict = "implicitDeny"
)

// Simulated is what would be decided of one action on one resource. Source: IAM API, EvaluationResult.
type Simulated struct {
	Action   string
	Resource string
	Verdict  Verdict
	Decision Decision
	// Matched are the statements that led to the verdict: those that deny or, if none does, those that grant. There are none for an implicit denial.
	Matched []MatchedStatement
	// Missing are the condition keys that statements about the action and the resource need and Context does not have.
	Missing []string
	// AllowedByBoundary says what the permissions boundary allows; nil where there is none.
	AllowedByBoundary *bool
	// AllowedByGuardRails says what the service control policies of the account allow; nil where there are none.
	AllowedByGuardRails *bool
}

// MatchedStatement is the place of a statement. Source: IAM API, Statement.
type MatchedStatement struct {
	Origin     Origin
	Statement  string // its name
	Start, End Position
}

// clock are the keys that say when.
var clock = []string{"aws:currenttime", "aws:epochtime"}

// somebody is who asks in a simulation that does not say who.
const somebody = "user/somebody"

// identifying are the keys that say who asks.
var identifying = []string{"aws:principalarn", "aws:principaltype", "aws:userid", "aws:username"}

// Simulate decides each action on each resource, with the engine that decides requests. Its errors are those of Requests.
func Simulate(s *Simulation) ([]Simulated, error) {
	requests, err := s.Requests()
	if err != nil {
		return nil, err
	}
	run := simulation{s, make(map[*Policy]layout)}
	out := make([]Simulated, len(requests))
	for i, r := range requests {
		out[i] = run.decide(r)
	}
	return out, nil
}

// Requests are those that are simulated: each action on each resource, in order. The errors are those of the input, in words for whoever asked.
func (s *Simulation) Requests() ([]*Request, error) {
	resources := s.Resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	if n := len(s.Actions) * len(resources); n == 0 || n > MaxSimulated {
		return nil, fmt.Errorf("%d pairs of an action and a resource; allowed: 1 to %d", n, MaxSimulated)
	}
	assumed, err := assume(s.Context)
	if err != nil {
		return nil, err
	}
	var out []*Request
	for _, action := range s.Actions {
		for _, resource := range resources {
			r := &Request{Principal: s.Principal, Check: Check{Action: action, Resource: resource, Owner: s.Owner, Policy: s.Policy}, Now: s.Now, Assumed: assumed}
			r.anybody()
			if s.Now.IsZero() {
				r.hide(clock)
			}
			if r.Check.Owner == "" {
				r.Check.Owner = r.Principal.Account
			}
			if r.fault() == Malformed {
				return nil, fmt.Errorf("%s", r.complaint())
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// anybody makes somebody the principal of a request that has none, of the account that the resource belongs to.
func (r *Request) anybody() {
	p := &r.Principal
	if p.Type != 0 {
		return
	}
	if p.Account == "" {
		p.Account = r.Check.owner()
	}
	if p.Account == "" {
		p.Account = "000000000000"
	}
	p.Type, p.ARN = User, "arn:aws:iam::"+p.Account+":"+somebody
	r.hide(identifying)
}

// hide makes keys absent that the context of a simulation does not set.
func (r *Request) hide(keys []string) {
	hidden := Context{make(map[string][]string)}
	for _, k := range keys {
		hidden.values[k] = nil
	}
	for k, v := range r.Assumed.values {
		hidden.values[k] = v
	}
	r.Assumed = hidden
}

// simulation is a run of one Simulation; it reads the places of each policy once.
type simulation struct {
	*Simulation
	read map[*Policy]layout
}

// decide decides one request and gathers what led to the decision.
func (s *simulation) decide(r *Request) Simulated {
	out := Simulated{Action: r.Check.Action, Resource: r.Check.Resource, Verdict: VerdictImplicitDeny}
	e := newEvaluation(r, nil)
	var missing names
	var grants, denials []MatchedStatement
	says := make(map[Source]*limit)
	for source, policies := range map[Source][]*Policy{Boundary: {r.Principal.Boundary}, GuardRail: r.Principal.GuardRails} {
		says[source] = &limit{unreadable: slices.ContainsFunc(policies, func(p *Policy) bool { return p == nil || !p.readable || p.Kind != IdentityPolicy })}
	}
	out.Decision = authorize(r, func(source Source, p *Policy, st *Statement, why miss) {
		for _, k := range e.missing(st, why) {
			missing.add(k)
		}
		if why.element != "" {
			return
		}
		if l := says[source]; l != nil {
			l.denied = l.denied || st.Effect == Deny
			l.allowed = l.allowed || st.Effect == Allow
		}
		switch {
		case st.Effect == Deny:
			denials = append(denials, s.matched(source, p, st))
		case source == Identity || source == Resource:
			grants = append(grants, s.matched(source, p, st))
		}
	})
	switch out.Decision.Effect {
	case Allow:
		out.Verdict, out.Matched = VerdictAllowed, grants
	case Deny:
		out.Verdict, out.Matched = VerdictExplicitDeny, denials
	}
	out.Missing = missing.sorted()
	if r.Principal.Boundary != nil {
		out.AllowedByBoundary = says[Boundary].verdict()
	}
	if r.Principal.GuardRails != nil {
		out.AllowedByGuardRails = says[GuardRail].verdict()
	}
	return out
}

// limit is what policies that only narrow say of a request.
type limit struct{ unreadable, denied, allowed bool }

func (l limit) verdict() *bool {
	ok := l.allowed && !l.denied && !l.unreadable
	return &ok
}

// matched is the place of a statement.
func (s *simulation) matched(source Source, p *Policy, st *Statement) MatchedStatement {
	if _, ok := s.read[p]; !ok {
		s.read[p] = p.layout()
	}
	out := MatchedStatement{Origin: Origin{p.Name, FromNone}, Statement: st.Name()}
	if source == Resource {
		out.Origin.Type = FromResource
	}
	if o, ok := s.Origins[p]; ok {
		out.Origin = o
	}
	out.Start, out.End = s.read[p].statement(st.Path)
	return out
}

// entryTypes are the types of context entries, with what reads a value of each.
var entryTypes = map[string]func(value string) error{
	"string":  func(string) error { return nil },
	"numeric": func(v string) error { _, err := parseNumber(v); return err },
	"boolean": func(v string) error { _, err := parseBool(v); return err },
	"date":    func(v string) error { _, err := parseDate(v); return err },
	"ip": func(v string) error {
		if _, err := netip.ParseAddr(v); err != nil {
			return fmt.Errorf("want an address such as 203.0.113.7")
		}
		return nil
	},
	"binary": func(v string) error {
		if _, err := base64.StdEncoding.Strict().DecodeString(v); err != nil {
			return fmt.Errorf("want base64")
		}
		return nil
	},
}

// entryType is the type of entry that a type of key has.
var entryType = map[KeyType]string{
	StringKey: "string", ARNKey: "string", BoolKey: "boolean", DateKey: "date", NumberKey: "numeric", IPKey: "ip", BinaryKey: "binary",
}

// listType is behind a type of entry that takes several values.
const listType = "List"

// assume makes a context of entries.
func assume(entries []ContextEntry) (Context, error) {
	var out Context
	for _, e := range entries {
		if vendor, name, ok := strings.Cut(e.Key, ":"); !ok || vendor == "" || name == "" {
			return out, fmt.Errorf("%s is no condition key such as aws:SourceIp", shown(e.Key))
		}
		if len(out.Get(e.Key)) > 0 {
			return out, fmt.Errorf("the condition key %s is given twice", e.Key)
		}
		kind := e.Type
		if kind == "" {
			k, known := LookupKey(e.Key)
			if kind = entryType[k.Type]; k.Multivalued || !known {
				kind += listType
			}
		}
		base, many := strings.CutSuffix(kind, listType)
		read, ok := entryTypes[base]
		if !ok {
			return out, fmt.Errorf("the condition key %s has no type called %s", e.Key, shown(e.Type))
		}
		if n := len(e.Values); n == 0 || n > 1 && !many {
			return out, fmt.Errorf("the condition key %s of type %s has %d values", e.Key, kind, n)
		}
		for _, v := range e.Values {
			if err := read(v); err != nil {
				return out, fmt.Errorf("the condition key %s of type %s has the value %s: %w", e.Key, kind, shown(v), err)
			}
		}
		out.Set(e.Key, e.Values...)
	}
	return out, nil
}
