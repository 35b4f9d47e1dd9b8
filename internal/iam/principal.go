package iam

import (
	"slices"
	"strings"
)

// PrincipalPattern is one entry of a Principal or NotPrincipal element.
type PrincipalPattern struct {
	Type  string // AWS, Service, Federated; empty for "*" alone, which is everybody
	Value string // as written

	id    string // once bound: the unique id that the ARN of a user or a role stood for when the policy was written
	bound bool
}

// standing is how directly a principal element names a principal; the larger one grants more.
type standing int

const (
	unnamed standing = iota
	byAccount
	byRole
	byName
)

// accountOf is the account that a value of the element names as a whole.
func accountOf(value string) (string, bool) {
	if isAccount(value) {
		return value, true
	}
	parts := strings.SplitN(value, ":", arnParts)
	if len(parts) == arnParts && parts[2] == "iam" && parts[5] == "root" {
		return parts[4], true
	}
	return "", false
}

func isAccount(s string) bool { return len(s) == 12 && only(s, "0123456789") }

// isUniqueID says whether s is the id of a user or a role, which stays in a policy when its owner is gone.
func isUniqueID(s string) bool {
	return (strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA")) && len(s) >= 16 && only(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
}

// standing says how a pattern names p.
// Source: "AWS JSON policy elements: Principal".
func (x PrincipalPattern) standing(p *Principal) standing {
	if x.Value == "*" { // {"AWS": "*"} says the same as "*"
		return byName
	}
	switch x.Type {
	case "Service":
		if p.Type == Service && p.Name == x.Value {
			return byName
		}
		return unnamed
	case "Federated":
		if p.Type == WebIdentity && p.Name == x.Value {
			return byName
		}
		return unnamed
	}
	if p.Type != Root && p.Type != User && p.Type != AssumedRole {
		return unnamed
	}
	if a, ok := accountOf(x.Value); ok {
		if a == p.Account {
			return byAccount
		}
		return unnamed
	}
	id := x.id
	if isUniqueID(x.Value) {
		id = x.Value
	}
	switch {
	case id != "" && p.Type == User && id == p.UserID:
		return byName
	case id != "" && p.Type == AssumedRole && id == p.RoleID:
		return byRole
	case x.bound || id != "":
		return unnamed
	case p.Type == AssumedRole && x.Value == p.RoleARN:
		return byRole
	case x.Value == p.ARN:
		return byName
	}
	return unnamed
}

// names says how the statement's principals name p. A statement without principals is that of an identity policy and names its owner.
func (s *Statement) names(p *Principal) standing {
	if s.NotPrincipals != nil {
		if s.excepts(p) {
			return unnamed
		}
		return byName
	}
	if s.Principals == nil {
		return byName
	}
	best := unnamed
	for _, x := range s.Principals {
		best = max(best, x.standing(p))
	}
	return best
}

// excepts says whether NotPrincipal excepts p: under each of the names that p has, its account's and its own. What names p in part only leaves
// the Deny in force.
func (s *Statement) excepts(p *Principal) bool {
	// A service has no account.
	account, self := p.Type == Service || p.Type == WebIdentity, p.Type == Root
	for _, x := range s.NotPrincipals {
		if x.Value == "*" {
			return true
		}
		switch named := x.standing(p); {
		case named == byAccount:
			account = true
		case named == byRole, named == byName && p.Type != AssumedRole:
			// A session's own name changes each time, and its role may be another one of that name: the role stands for it.
			self = true
		}
	}
	return account && self
}

// PrincipalARNs returns the ARNs of users and roles that the policy names, each once, in order.
func (p *Policy) PrincipalARNs() []string {
	var out []string
	for i := range p.Statements {
		for _, x := range slices.Concat(p.Statements[i].Principals, p.Statements[i].NotPrincipals) {
			if x.isEntity() && !slices.Contains(out, x.Value) {
				out = append(out, x.Value)
			}
		}
	}
	return out
}

// isEntity says whether a pattern is the ARN of a user or a role.
func (x PrincipalPattern) isEntity() bool {
	parts := strings.SplitN(x.Value, ":", arnParts)
	return x.Type == "AWS" && len(parts) == arnParts && parts[2] == "iam" && (strings.HasPrefix(parts[5], "user/") || strings.HasPrefix(parts[5], "role/"))
}

// Bind returns the policy with the ARNs of users and roles standing for the unique ids that they had when it was written. One that is not
// among ids names nobody: a user made anew under the old name does not inherit what was granted to the old one.
func (p *Policy) Bind(ids map[string]string) *Policy {
	out := *p
	out.Statements = slices.Clone(p.Statements)
	bind := func(in []PrincipalPattern) []PrincipalPattern {
		in = slices.Clone(in)
		for i := range in {
			if in[i].isEntity() {
				in[i].id, in[i].bound = ids[in[i].Value], true
			}
		}
		return in
	}
	for i := range out.Statements {
		out.Statements[i].Principals = bind(out.Statements[i].Principals)
		out.Statements[i].NotPrincipals = bind(out.Statements[i].NotPrincipals)
	}
	out.byVendor, out.others = nil, nil
	if p.readable {
		out.compile()
	}
	return &out
}

// Extend returns the policy with the statements of other policies of its kind behind its own, as a grant stands beside the policy of a key. If one of
// them cannot be read, neither can the whole.
func (p *Policy) Extend(others ...*Policy) *Policy {
	if p == nil {
		return nil
	}
	out := &Policy{Name: p.Name, Kind: p.Kind, Version: p.Version, ID: p.ID, document: p.document}
	readable := p.readable
	out.Statements = slices.Clone(p.Statements)
	for _, o := range others {
		readable = readable && o != nil && o.readable && o.Kind == p.Kind
		if o != nil {
			out.Statements = append(out.Statements, o.Statements...)
		}
	}
	if readable {
		for i := range out.Statements {
			out.Statements[i].index = i
		}
		out.compile()
	}
	return out
}

func (r *reader) principals(n *node, p *Policy, s *Statement) {
	element, v := "Principal", n.get("Principal")
	if v == nil {
		element, v = "NotPrincipal", n.get("NotPrincipal")
	}
	switch {
	case p.Kind == IdentityPolicy && v != nil:
		r.fail(v, "Policy document should not specify a principal.")
		return
	case p.Kind == IdentityPolicy:
		return
	case v == nil:
		r.fail(n, "Policy statement must contain principals.")
		return
	case element == "NotPrincipal" && p.Kind == TrustPolicy:
		r.fail(v, "Has prohibited field NotPrincipal")
		return
	case element == "NotPrincipal" && s.Effect != Deny:
		r.fail(v, "NotPrincipal goes with Deny alone: with Allow it would let in everybody else, also those whom nobody knows yet.")
		return
	}
	out := make([]PrincipalPattern, 0, 1)
	switch {
	case v.kind == stringNode && v.text == "*":
		out = append(out, PrincipalPattern{Value: "*"})
	case v.kind == objectNode && len(v.members) > 0:
		for _, m := range v.members {
			if m.name != "AWS" && m.name != "Service" && m.name != "Federated" {
				r.fail(m.key, "Invalid principal in policy: no kind of principal is called %s; allowed are AWS, Service and Federated", shown(m.name))
				continue
			}
			for _, x := range r.strings(m.value, "Principal") {
				if !validPrincipal(m.name, x.text) {
					r.fail(x, "Invalid principal in policy: %q:%s", m.name, shown(x.text))
					continue
				}
				out = append(out, PrincipalPattern{Type: m.name, Value: x.text})
			}
		}
	default:
		r.fail(v, `Syntax errors in policy: %s is "*", or an object with AWS, Service or Federated`, element)
	}
	if element == "Principal" {
		s.Principals = out
	} else {
		s.NotPrincipals = out
	}
}

// validPrincipal says whether a value can name a principal of a kind.
func validPrincipal(kind, value string) bool {
	if kind == "Service" {
		return only(value, letters+".-") && strings.HasSuffix(value, ".amazonaws.com")
	}
	parts := strings.SplitN(value, ":", arnParts)
	isARN := len(parts) == arnParts && parts[0] == "arn" && parts[1] != "" && parts[3] == "" && isAccount(parts[4]) && !strings.ContainsAny(value, "*?$")
	if kind == "Federated" {
		return isARN && parts[2] == "iam" && strings.HasPrefix(parts[5], "oidc-provider/") && parts[5] != "oidc-provider/"
	}
	if value == "*" || isAccount(value) || isUniqueID(value) {
		return true
	}
	if !isARN {
		return false
	}
	resource, name, _ := strings.Cut(parts[5], "/")
	switch parts[2] {
	case "iam":
		return parts[5] == "root" || (resource == "user" || resource == "role") && name != ""
	case "sts":
		return resource == "assumed-role" && strings.Count(name, "/") == 1 && !strings.HasPrefix(name, "/") && !strings.HasSuffix(name, "/")
	}
	return false
}
