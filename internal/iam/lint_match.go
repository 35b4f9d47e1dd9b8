package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Statements that do nothing, or less than they seem to. Source: Service Authorization Reference.

func lintUnknownAction(l *linter, s *Statement)  { lintActionNames(l, s, true) }
func lintActionNotKnown(l *linter, s *Statement) { lintActionNames(l, s, false) }

// lintActionNames finds actions that no known one matches, of the services of which every action is known or of the others.
func lintActionNames(l *linter, s *Statement, complete bool) {
	for i, a := range s.actions {
		matched, service, ok := a.known()
		if !ok || len(matched) > 0 || service.complete != complete || l.full() {
			continue
		}
		text := s.actionTexts()[i]
		vendor, name, _ := strings.Cut(text, ":")
		candidates := make([]string, len(service.actions))
		for j, known := range service.actions {
			candidates[j] = known.name
		}
		fix := "look it up in the Service Authorization Reference"
		if near := nearest(strings.Trim(name, "*?"), candidates); near != "" {
			fix = "use " + vendor + ":" + near
		}
		l.add(l.action(s, i), "no action is called "+text, fix)
	}
}

// exact yields the patterns of a statement that are for known actions of a service alone. Statements that leave out actions or resources are
// about the rest, which is always something.
func (s *Statement) exact(vendor string, yield func(i int, matched []knownAction)) {
	if s.negatedActions() || s.NotResources != nil || s.Resources == nil {
		return
	}
	for i, a := range s.actions {
		if matched, _, _ := a.known(); a.vendor == vendor && len(matched) > 0 {
			yield(i, matched)
		}
	}
}

func lintResourceNeverMatches(l *linter, s *Statement) {
	s.exact("mediaconvert", func(i int, matched []knownAction) {
		var want []string
		for _, a := range matched {
			for _, on := range a.on {
				if on == "*" && slices.Contains(s.Resources, "*") || on != "*" && s.reaches("mediaconvert", on) {
					return
				}
				example := `"*"`
				if on != "*" {
					example = "arn:aws:mediaconvert:REGION:ACCOUNT:" + on + "…"
				}
				if !slices.Contains(want, example) {
					want = append(want, example)
				}
			}
		}
		l.add(l.action(s, i), s.Actions[i]+" is never asked on what the statement names", "name "+list(want, "or"))
	})
}

func lintObjectActionOnBucket(l *linter, s *Statement) {
	lintS3(l, s, "object", func(last string) bool { return strings.ContainsAny(last, "/*$") },
		"is about objects, and the statement names none", "name the objects: arn:aws:s3:::BUCKET/*")
}

func lintBucketActionOnObject(l *linter, s *Statement) {
	lintS3(l, s, "bucket", func(last string) bool { return !strings.Contains(last, "/") },
		"is about a bucket, and the statement names none", "name the bucket: arn:aws:s3:::BUCKET")
}

// lintS3 finds actions on one kind of resource in a statement that has none of that kind. fits judges what stands behind the fifth colon.
func lintS3(l *linter, s *Statement, kind string, fits func(last string) bool, message, fix string) {
	s.exact("s3", func(i int, matched []knownAction) {
		if slices.ContainsFunc(matched, func(a knownAction) bool { return len(a.on) != 1 || a.on[0] != kind }) {
			return
		}
		for _, text := range s.Resources {
			arn := arnOf(text)
			if text == "*" || arn[2] == "s3" && (arn[4] != "" || fits(arn[arnParts-1])) { // with an account it is an access point
				return
			}
		}
		l.add(l.action(s, i), s.Actions[i]+" "+message, fix)
	})
}

func lintDuplicateStatement(l *linter, s *Statement) {
	meaning := s.meaning()
	if other := l.meanings[meaning]; other != nil {
		l.add(s.Path, "the statement says the same as statement "+other.Name(), "remove one of them")
		return
	}
	l.meanings[meaning] = s
}

// meaning is the same for statements that say the same in another order.
func (s *Statement) meaning() string {
	sorted := func(in []string, fold bool) []string {
		out := slices.Clone(in)
		for i := range out {
			if fold {
				out[i] = lower(out[i])
			}
		}
		slices.Sort(out)
		return out
	}
	principals := func(in []PrincipalPattern) []string {
		var out []string
		for _, x := range in {
			out = append(out, x.Type+" "+x.Value)
		}
		return sorted(out, false)
	}
	var conditions []string
	for _, c := range s.Conditions {
		conditions = append(conditions, fmt.Sprintf("%q %q %q", c.Operator, c.key, sorted(c.Values, false)))
	}
	return fmt.Sprintf("%d %q %q %q %q %q %q %q", s.Effect, principals(s.Principals), principals(s.NotPrincipals), sorted(s.Actions, true),
		sorted(s.NotActions, true), sorted(s.Resources, false), sorted(s.NotResources, false), sorted(conditions, false))
}

func lintShadowedAllow(l *linter, s *Statement) {
	if s.Effect != Allow {
		return
	}
	for i := range l.p.Statements {
		if other := &l.p.Statements[i]; other.Effect == Deny && len(other.Conditions) == 0 && other.includes(s) {
			l.add(s.Path, "the Deny of statement "+other.Name()+" takes back all that the statement allows", "remove it, or narrow the Deny")
			return
		}
	}
}

// includes says whether each request that other is about is one that s is about, but for conditions. It says yes only where that is plain.
func (s *Statement) includes(other *Statement) bool {
	if s.negatedActions() || other.negatedActions() || s.NotResources != nil || other.NotResources != nil || s.NotPrincipals != nil {
		return false
	}
	for _, x := range other.Principals {
		if !slices.ContainsFunc(s.Principals, func(y PrincipalPattern) bool { return y.Type == "" || y == x }) {
			return false
		}
	}
	for _, text := range other.Actions {
		if !slices.ContainsFunc(s.actions, func(a actionPattern) bool {
			vendor, name, ok := strings.Cut(lower(text), ":")
			return a.vendor == "" || ok && a.vendor == vendor && a.name.fixed.includes(name)
		}) {
			return false
		}
	}
	for _, text := range other.Resources {
		if !slices.ContainsFunc(s.resources, func(r resourcePattern) bool { return r.includes(text) }) {
			return false
		}
	}
	return true
}

// includes says whether the glob matches all that a pattern matches. A star matches whatever the pattern has there; a question mark and a literal
// star do not.
func (g glob) includes(pattern string) bool {
	plain := !slices.ContainsFunc(g, func(p piece) bool { return p.runes != nil || strings.Contains(p.text, "*") })
	return plain && g.match(pattern)
}

// includes says the same of resources. A pattern with variables includes none.
func (p *resourcePattern) includes(text string) bool {
	if p.all || text == "*" {
		return p.all
	}
	for i, part := range arnOf(text) {
		if t := p.parts[i]; t.isVar || !t.fixed.includes(part) {
			return false
		}
	}
	return true
}

// lintNoEffect finds statements that no request is about.
func lintNoEffect(l *linter, s *Statement) {
	if s.negatedActions() && slices.Contains(s.NotActions, "*") {
		l.add(s.Path+"/NotAction", "NotAction has every action, so the statement is about none", "remove the statement, or name the actions it is not about")
	}
	if slices.Contains(s.NotResources, "*") {
		l.add(s.Path+"/NotResource", "NotResource has every resource, so the statement is about none", "remove the statement, or name the resources it is not about")
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		absent := c.null() && !slices.ContainsFunc(c.operands, func(o operand) bool { return !o.truth })
		if !absent {
			continue
		}
		if slices.ContainsFunc(s.Conditions, func(other Condition) bool {
			return other.key == c.key && !other.null() && !other.negated && !other.ifExists && other.set != forAllValues
		}) {
			l.add(l.condition(s, c), "Null wants "+c.Key+" to be absent, and another condition wants a value of it: no request has both",
				"remove one of the two conditions")
		}
	}
}
