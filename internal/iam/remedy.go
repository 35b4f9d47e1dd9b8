package iam

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxRemedies is how many kinds of policy can lack an Allow.
const maxRemedies = 5

// remedies finds the statements that would allow a request, and proves them: with all of them Authorize allows it. Nil if there are none.
func remedies(r *Request) []Remedy {
	q := *r
	var out []Remedy
	for range maxRemedies {
		d := Authorize(&q)
		if d.Allowed() {
			return out
		}
		m, ok := q.remedy(d)
		if !ok {
			return nil
		}
		out = append(out, m)
	}
	return nil
}

// remedy adds to the policies of a request what a decision says they lack; false if no Allow helps.
func (r *Request) remedy(d Decision) (Remedy, bool) {
	if d.Effect == Deny {
		return Remedy{}, false
	}
	kind := IdentityPolicy
	if d.Source == Resource {
		if kind = ResourcePolicy; needsPolicy(lower(r.Check.Action)) {
			kind = TrustPolicy
		}
	}
	text := r.statement(kind)
	parsed, err := Parse(kind, "", `{"Version":"`+version2012+`","Statement":`+text+`}`)
	if err != nil {
		return Remedy{}, false
	}
	m, p, s := Remedy{Source: d.Source, Statement: text}, &r.Principal, parsed.Statements[0]
	switch d.Source {
	case Identity:
		p.Policies = append(slices.Clip(p.Policies), parsed)
	case Session:
		p.Session = append(slices.Clip(p.Session), parsed)
	case GuardRail:
		p.GuardRails = append(slices.Clip(p.GuardRails), parsed)
	case Boundary:
		m.Policy = p.Boundary.Name
		p.Boundary = p.Boundary.with(s)
	case Resource:
		if r.Check.Policy != nil {
			m.Policy = r.Check.Policy.Name
			parsed = r.Check.Policy.with(s)
		}
		r.Check.Policy = parsed
	default:
		return Remedy{}, false
	}
	return m, true
}

// with returns the policy with one more statement.
func (p *Policy) with(s Statement) *Policy {
	out := *p
	s.index = len(p.Statements)
	out.Statements = append(slices.Clip(p.Statements), s)
	out.compile()
	return &out
}

// written is a statement in the order in which people write its elements.
type written struct {
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    string
	Resource  string                       `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

// statement is the smallest one that allows a request: the action, the resource, and in the policy of a resource the principal as well, with the
// conditions that keep it from being borrowed.
func (r *Request) statement(kind Kind) string {
	w := written{Effect: "Allow", Action: r.Check.Action}
	if kind != TrustPolicy {
		w.Resource = "*"
		if r.Check.Resource != "*" {
			w.Resource = Literal(r.Check.Resource)
		}
	}
	// demand sets a condition to what the request has, if that is one value that the operator can compare.
	demand := func(operator, key string) {
		values := scope{Request: r}.values(lower(key))
		if len(values) != 1 || !utf8.ValidString(values[0]) {
			return
		}
		if _, ok := cutARN(values[0]); operator == "ArnLike" && !ok {
			return
		}
		if w.Condition == nil {
			w.Condition = make(map[string]map[string]string)
		}
		if w.Condition[operator] == nil {
			w.Condition[operator] = make(map[string]string)
		}
		w.Condition[operator][key] = Literal(values[0])
	}
	if equalFold(r.Check.Action, "iam:PassRole") {
		demand("StringEquals", "iam:PassedToService")
	}
	if kind != IdentityPolicy {
		switch p := &r.Principal; p.Type {
		case Service:
			w.Principal = map[string]string{"Service": p.Name}
			demand("StringEquals", "aws:SourceAccount")
			demand("ArnLike", "aws:SourceArn")
		case WebIdentity:
			w.Principal = map[string]string{"Federated": p.Name}
			_, issuer, _ := strings.Cut(p.Name, ":oidc-provider/")
			demand("StringEquals", issuer+":aud")
			demand("StringEquals", issuer+":sub")
		default:
			w.Principal = map[string]string{"AWS": p.ARN}
			if p.Type == AssumedRole && p.RoleARN != "" {
				w.Principal["AWS"] = p.RoleARN
			}
			demand("StringEquals", "sts:ExternalId")
		}
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(w) // strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}
