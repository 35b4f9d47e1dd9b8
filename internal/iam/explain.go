package iam

import "slices"

// Explanation is a decision with everything that bore on it.
type Explanation struct {
	Decision  Decision
	Principal string // the ARN; of a service and a web identity the name
	Action    string
	Resource  string
	// Statements are those about the action or the resource, in the order in which they were looked at.
	Statements []StatementResult
	// Missing are the condition keys and policy variables that such statements need and the request has no value of.
	Missing []string
	// Remedies are the smallest statements that would allow what was denied implicitly, one for each kind of policy that does not allow it yet.
	// All of them are needed. There are none where no further Allow helps: after an explicit Deny, from one account to another, with a policy that
	// cannot be read.
	Remedies []Remedy

	fault string // what is wrong with the request
}

// StatementResult says whether a statement applied to a request and, if not, why.
type StatementResult struct {
	Source    Source
	Policy    string // its name
	Statement string // its name
	Path      string // JSON pointer into the document
	Line      int
	Effect    Effect
	Applies   bool
	// Account says that an Allow applies and names the whole account: a policy of the principal's own has to allow the action too.
	Account bool
	// Element is the first one that is not about the request: Principal, Action, Resource or Condition. It is empty where the statement applies.
	Element string
	// Except says that Written is what the statement excepts: the element is NotPrincipal, NotAction or NotResource.
	Except bool
	// Written is what stands in Element, but for Condition.
	Written []string
	// Conditions are all of the statement, where the other elements are about the request.
	Conditions []ConditionResult
}

// ConditionResult says whether a condition holds for a request.
type ConditionResult struct {
	Operator string
	Key      string
	Wanted   []string // the values as written
	Had      []string // what the request had; none if it did not have the key
	Holds    bool
	// Unreadable says that the values of the request are none that the operator can compare. An Allow then does not apply, and a Deny does.
	Unreadable bool
	// Missing are the key and the policy variables of Wanted, if the request has no value of them.
	Missing []string

	negated, null bool
	set           setOperator
}

// Remedy is a change of policy that a request needs to be allowed.
type Remedy struct {
	// Source is the kind of policy that the statement must be added to. An identity-based policy may be a new one.
	Source Source
	// Policy is the one that has to have the statement, where only one can: a permissions boundary or the policy of the resource.
	Policy string
	// Statement is JSON, for a policy of version 2012-10-17.
	Statement string
}

// Explain decides a request as Authorize does and says why.
func Explain(r *Request) Explanation {
	x := Explanation{Principal: r.Principal.ARN, Action: r.Check.Action, Resource: r.Check.Resource, fault: r.complaint()}
	if x.Principal == "" {
		x.Principal = r.Principal.Name
	}
	e := newEvaluation(r, nil)
	var missing names
	x.Decision = authorize(r, func(source Source, p *Policy, s *Statement, why miss) {
		if !e.about(s, why) {
			return
		}
		x.Statements = append(x.Statements, e.result(source, p, s, why))
		for _, k := range e.missing(s, why) {
			missing.add(k)
		}
	})
	x.Missing = missing.sorted()
	x.Remedies = remedies(r)
	return x
}

// about says whether a statement is worth telling of: its actions have that of the request, or it is about other actions of the same service on
// this very resource.
func (e *evaluation) about(s *Statement, why miss) bool {
	switch why.element {
	case "Principal":
		return e.concerns(s) && (s.resources == nil || e.covers(s))
	case "Action":
		return s.resources != nil && e.resource != nil && !slices.ContainsFunc(s.resources, func(p resourcePattern) bool { return p.all }) &&
			slices.ContainsFunc(s.actions, func(a actionPattern) bool { return a.vendor == e.vendor }) && e.covers(s)
	}
	return true
}

// result says how a statement fared.
func (e *evaluation) result(source Source, p *Policy, s *Statement, why miss) StatementResult {
	out := StatementResult{
		Source: source, Policy: p.Name, Statement: s.Name(), Path: s.Path, Line: s.Line, Effect: s.Effect,
		Applies: why.element == "", Element: why.element,
	}
	out.Account = out.Applies && s.Effect == Allow && s.names(&e.Principal) == byAccount
	switch why.element {
	case "Principal":
		out.Except = s.NotPrincipals != nil
		for _, x := range slices.Concat(s.Principals, s.NotPrincipals) {
			out.Written = append(out.Written, x.Value)
		}
	case "Action":
		out.Except, out.Written = s.NotActions != nil, slices.Concat(s.Actions, s.NotActions)
	case "Resource":
		out.Except, out.Written = s.NotResources != nil, slices.Concat(s.Resources, s.NotResources)
	default:
		for i := range s.Conditions {
			out.Conditions = append(out.Conditions, e.condition(&s.Conditions[i]))
		}
	}
	return out
}

// condition says how a condition fared.
func (e *evaluation) condition(c *Condition) ConditionResult {
	truth := c.holds(e.scope)
	return ConditionResult{
		Operator: c.Operator, Key: c.Key, Wanted: c.Values, Had: slices.Clone(e.values(c.key)),
		Holds: truth == yes, Unreadable: truth == unreadable, Missing: c.lacking(e.scope),
		negated: c.negated, null: c.compare.holds == nil, set: c.set,
	}
}

// complaint says in words what is wrong with a request that is not decided at all; empty for others.
func (r *Request) complaint() string {
	switch r.fault() {
	case Foreign:
		if owner := r.Check.owner(); owner != "" {
			return r.Check.Resource + " belongs to account " + owner + ", and the principal to account " + r.Principal.Account +
				": nothing reaches from one account into another"
		}
		return "nobody knows which account " + r.Check.Resource + " belongs to"
	case Malformed:
		named := *r
		named.Principal = Principal{Type: Service, Name: "any"}
		if named.fault() == "" {
			return "the request names no principal"
		}
		named.Check.Resource = "*"
		if named.fault() == "" {
			return shown(r.Check.Resource) + " is no ARN"
		}
		return shown(r.Check.Action) + " is no action such as mediaconvert:CreateJob"
	}
	return ""
}
