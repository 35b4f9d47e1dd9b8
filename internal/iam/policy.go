package iam

import (
	"strconv"
	"strings"
)

// Kind is what a policy is attached to, which decides what may stand in it.
type Kind int

// The kinds of policies.
const (
	// IdentityPolicy is attached to a user, a group or a role; permissions boundaries, session policies and guard rails have the same form.
	IdentityPolicy Kind = iota + 1
	// TrustPolicy says who may assume a role.
	TrustPolicy
	// ResourcePolicy is attached to a resource such as a key.
	ResourcePolicy
)

// The versions of the policy language. Policy variables came with the second; a document that names none is of the first.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Policy is a document that was understood. It is immutable. A nil *Policy, and the zero value, cannot be read and deny everything.
type Policy struct {
	Name       string // what it is called where a decision names it: an ARN, or the name of an inline policy
	Kind       Kind
	Version    string
	ID         string
	Statements []Statement

	readable bool
	document string                  // as it was read
	byAction map[string][]*Statement // the statements that name an action, in order
	byVendor map[string][]*Statement // those that name actions of a service by wildcards
	others   []*Statement            // those that can concern the actions of every service
	tags     bool                    // the tags of the resource are asked for
}

// Statement is one statement of a policy.
type Statement struct {
	Sid    string
	Effect Effect

	Principals, NotPrincipals []PrincipalPattern
	Actions, NotActions       []string // patterns as written
	Resources, NotResources   []string
	Conditions                []Condition

	Path  string // JSON pointer into the document
	Line  int
	index int

	actions   []actionPattern
	resources []resourcePattern
}

// Name is the Sid of the statement or, where it has none, # and its index from 0.
func (s *Statement) Name() string {
	if s.Sid != "" {
		return s.Sid
	}
	return "#" + strconv.Itoa(s.index)
}

// Parse reads a document strictly. name is what decisions call the policy. The error is a *DocumentError with every mistake.
func Parse(kind Kind, name, document string) (*Policy, error) {
	r := &reader{document: document}
	p := &Policy{Name: name, Kind: kind, Version: version2008, document: document}
	if root := r.read(); root != nil {
		r.policy(root, p)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	p.compile()
	return p, nil
}

// Document returns the text that the policy was read from; empty for one that cannot be read.
func (p *Policy) Document() string {
	if p == nil {
		return ""
	}
	return p.document
}

// Unreadable is the policy that stands for a document which cannot be read: it denies everything.
func Unreadable(name string) *Policy { return &Policy{Name: name} }

// compile builds what evaluation looks up. A statement is listed once for each action or service that it names, so that this is linear in the
// document.
func (p *Policy) compile() {
	p.readable, p.others = true, nil
	p.byAction, p.byVendor = make(map[string][]*Statement), make(map[string][]*Statement)
	list := func(in map[string][]*Statement, key string, s *Statement) {
		if listed := in[key]; len(listed) == 0 || listed[len(listed)-1] != s {
			in[key] = append(listed, s)
		}
	}
	for i := range p.Statements {
		p.tags = p.tags || p.Statements[i].usesResourceTags()
	}
	for i := range p.Statements {
		s := &p.Statements[i]
		wild := make(map[string]bool)
		for _, a := range s.actions {
			wild[a.vendor] = wild[a.vendor] || a.exact() == ""
		}
		if s.negatedActions() || wild[""] {
			p.others = append(p.others, s)
			continue
		}
		for _, a := range s.actions {
			if wild[a.vendor] {
				list(p.byVendor, a.vendor, s)
			} else {
				list(p.byAction, a.vendor+":"+a.exact(), s)
			}
		}
	}
}

// candidates are lists of statements, each in the order of the policy, that have no statement in common.
type candidates [3][]*Statement

// concerning are the statements that can match an action of a service.
func (p *Policy) concerning(vendor, action string) candidates {
	return candidates{p.byAction[action], p.byVendor[vendor], p.others}
}

// all are all statements.
func (p *Policy) all() candidates {
	out := make([]*Statement, len(p.Statements))
	for i := range out {
		out[i] = &p.Statements[i]
	}
	return candidates{out}
}

// next takes the statement that comes first in the policy; nil if none is left.
func (c *candidates) next() *Statement {
	var first *[]*Statement
	for i := range c {
		if len(c[i]) > 0 && (first == nil || c[i][0].index < (*first)[0].index) {
			first = &c[i]
		}
	}
	if first == nil {
		return nil
	}
	s := (*first)[0]
	*first = (*first)[1:]
	return s
}

func (s *Statement) negatedActions() bool { return s.NotActions != nil }

// policy reads the document.
func (r *reader) policy(n *node, p *Policy) {
	if n.kind != objectNode {
		r.fail(n, "Syntax errors in policy: a policy is an object")
		return
	}
	for _, m := range n.members {
		switch m.name {
		case "Version":
			if m.value.kind != stringNode || m.value.text != version2008 && m.value.text != version2012 {
				r.fail(m.value, "The policy must contain a valid version string: %s or %s", version2012, version2008)
			}
			p.Version = m.value.text
		case "Id":
			if m.value.kind != stringNode {
				r.fail(m.value, "Syntax errors in policy: Id is a string")
			}
			p.ID = m.value.text
		case "Statement":
		default:
			r.fail(m.key, "Syntax errors in policy: no element is called %s; allowed are Version, Id and Statement", shown(m.name))
		}
	}
	statements := n.get("Statement")
	if statements == nil {
		r.fail(n, "Syntax errors in policy: the element Statement is missing")
		return
	}
	list := []*node{statements}
	if statements.kind == arrayNode {
		if list = statements.items; len(list) == 0 {
			r.fail(statements, "Syntax errors in policy: Statement is empty")
		}
	}
	p.Statements = make([]Statement, len(list))
	sids := make(map[string]bool)
	line, counted := 1, 0
	for i, item := range list {
		s := &p.Statements[i]
		line += strings.Count(r.document[counted:item.offset], "\n")
		counted = item.offset
		s.index, s.Path, s.Line = i, item.path(), line
		r.statement(item, p, s)
		if s.Sid != "" && sids[s.Sid] {
			r.fail(item.get("Sid"), "Statement IDs (SID) in a single policy must be unique: %s is used twice", shown(s.Sid))
		}
		sids[s.Sid] = true
	}
}

// elements are the elements of a statement, with the one that each excludes.
var elements = map[string]string{
	"Sid": "", "Effect": "", "Condition": "",
	"Principal": "NotPrincipal", "NotPrincipal": "Principal",
	"Action": "NotAction", "NotAction": "Action",
	"Resource": "NotResource", "NotResource": "Resource",
}

func (r *reader) statement(n *node, p *Policy, s *Statement) {
	if n.kind != objectNode {
		r.fail(n, "Syntax errors in policy: a statement is an object")
		return
	}
	for _, m := range n.members {
		other, known := elements[m.name]
		switch {
		case !known:
			r.fail(m.key, "Syntax errors in policy: no element of a statement is called %s", shown(m.name))
		case other != "" && n.get(other) != nil && strings.HasPrefix(m.name, "Not"):
			r.fail(m.key, "Syntax errors in policy: %s and %s exclude each other", other, m.name)
		}
	}
	r.sid(n, p, s)
	switch e := n.get("Effect"); {
	case e == nil:
		r.fail(n, "Syntax errors in policy: the element Effect is missing")
	case e.kind == stringNode && e.text == "Allow":
		s.Effect = Allow
	case e.kind == stringNode && e.text == "Deny":
		s.Effect = Deny
	default:
		r.fail(e, "Syntax errors in policy: Effect is Allow or Deny (was %s)", shown(e.text))
	}
	r.principals(n, p, s)
	r.actions(n, p, s)
	r.resources(n, p, s)
	if c := n.get("Condition"); c != nil {
		r.conditions(c, p, s)
	}
}

func (r *reader) sid(n *node, p *Policy, s *Statement) {
	v := n.get("Sid")
	if v == nil {
		return
	}
	s.Sid = v.text
	space := ""
	if p.Kind == ResourcePolicy {
		space = " " // the default policy of a key has spaces
	}
	if v.kind != stringNode || !only(s.Sid, letters+space) {
		r.fail(v, "Statement IDs (SID) must be alpha-numeric: %s is not", shown(v.text))
	}
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// only says whether s is made of the characters of set, which are ASCII.
func only(s, set string) bool {
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			return false
		}
	}
	return true
}

// strings returns the values of an element that is a string or a list of strings; none after a fault.
func (r *reader) strings(n *node, element string) []*node {
	list := []*node{n}
	if n.kind == arrayNode {
		if list = n.items; len(list) == 0 {
			r.fail(n, "Syntax errors in policy: %s is empty", element)
		}
	}
	for _, v := range list {
		if v.kind != stringNode || v.text == "" {
			r.fail(v, "Syntax errors in policy: %s takes strings that are not empty", element)
			return nil
		}
	}
	return list
}

// assuming are the actions that a trust policy may name.
var assuming = []string{"sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"}

func (r *reader) actions(n *node, p *Policy, s *Statement) {
	element, v := "Action", n.get("Action")
	if v == nil {
		element, v = "NotAction", n.get("NotAction")
	}
	if v == nil {
		r.fail(n, "Policy statement must contain actions.")
		return
	}
	texts := make([]string, 0, 1)
	for _, a := range r.strings(v, element) {
		pattern, err := newActionPattern(a.text)
		if err != nil {
			r.fail(a, "%s", err)
			continue
		}
		if p.Kind == TrustPolicy && !pattern.matchesAny(assuming) {
			r.fail(a, "AssumeRole policy may only specify STS AssumeRole actions.")
		}
		texts, s.actions = append(texts, a.text), append(s.actions, pattern)
	}
	if element == "Action" {
		s.Actions = texts
	} else {
		s.NotActions = texts
	}
}

func (r *reader) resources(n *node, p *Policy, s *Statement) {
	element, v := "Resource", n.get("Resource")
	if v == nil {
		element, v = "NotResource", n.get("NotResource")
	}
	switch {
	case v != nil && p.Kind == TrustPolicy:
		r.fail(v, "Has prohibited field %s", element)
		return
	case v == nil && p.Kind == TrustPolicy:
		return
	case v == nil:
		r.fail(n, "Policy statement must contain resources.")
		return
	}
	texts := make([]string, 0, 1)
	for _, x := range r.strings(v, element) {
		pattern, err := newResourcePattern(x.text, p.Version == version2012)
		if err != nil {
			r.fail(x, "%s", err)
			continue
		}
		texts, s.resources = append(texts, x.text), append(s.resources, pattern)
	}
	if element == "Resource" {
		s.Resources = texts
	} else {
		s.NotResources = texts
	}
}

func (r *reader) conditions(n *node, p *Policy, s *Statement) {
	if n.kind != objectNode {
		r.fail(n, "Syntax errors in policy: Condition is an object of operators")
		return
	}
	for _, op := range n.members {
		if op.value.kind != objectNode || len(op.value.members) == 0 {
			r.fail(op.value, "Syntax errors in policy: %s is an object of condition keys with their values", shown(op.name))
			continue
		}
		seen := make(map[string]bool)
		for _, key := range op.value.members {
			if seen[lower(key.name)] {
				r.fail(key.key, "Syntax errors in policy: the condition key %s is given twice", shown(key.name))
				continue
			}
			seen[lower(key.name)] = true
			list := []*node{key.value}
			if key.value.kind == arrayNode {
				list = key.value.items
			}
			values := make([]string, 0, len(list))
			for _, v := range list {
				if v.kind != stringNode && v.kind != numberNode && v.kind != boolNode {
					r.fail(v, "Syntax errors in policy: the value of a condition is a string, a number or a boolean")
					continue
				}
				values = append(values, v.text)
			}
			if len(values) < len(list) {
				continue
			}
			c, err := newCondition(op.name, key.name, values, p.Version == version2012)
			if err != nil {
				r.fail(key.value, "%s", err)
				continue
			}
			s.Conditions = append(s.Conditions, c)
		}
	}
}
