package iam

import (
	"slices"
	"strconv"
	"strings"
)

// Severity says how grave a finding is.
type Severity string

// The severities, the gravest first.
const (
	// SeverityError is a policy that cannot do what it says, or that lets in strangers.
	SeverityError Severity = "error"
	// SeverityWarning is what usually is a mistake.
	SeverityWarning Severity = "warning"
	// SeveritySuggestion is what could be said better.
	SeveritySuggestion Severity = "suggestion"
)

// Finding is what Lint says of one place of a policy.
type Finding struct {
	Severity Severity `json:"severity"`
	Path     string   `json:"path"` // JSON pointer into the document
	Line     int      `json:"line"`
	Code     string   `json:"code"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix"` // what to do about it
}

// lintRule is one classic mistake.
type lintRule struct {
	code     string
	severity Severity
	check    func(l *linter, s *Statement)
}

// lintRules are all rules of Lint. Each looks at one statement at a time.
var lintRules = []lintRule{
	{"full-access", SeverityWarning, lintFullAccess},
	{"pass-role-by-wildcard", SeverityWarning, lintPassRoleByWildcard},
	{"pass-role-any-role", SeverityError, lintPassRoleAnyRole},
	{"pass-role-any-service", SeverityWarning, lintPassRoleAnyService},
	{"pass-role-with-create-job", SeverityWarning, lintPassRoleWithCreateJob},
	{"privilege-escalation", SeverityWarning, lintPrivilegeEscalation},
	{"assume-any-role", SeverityWarning, lintAssumeAnyRole},
	{"not-action-allow", SeverityWarning, lintNotActionAllow},
	{"not-resource-allow", SeverityWarning, lintNotResourceAllow},
	{"not-principal", SeverityWarning, lintNotPrincipal},

	{"trust-anyone", SeverityError, lintTrustAnyone},
	{"trust-without-source", SeverityWarning, lintTrustWithoutSource},
	{"source-arn-not-queue", SeverityError, lintSourceARNNotQueue},
	{"source-arn-operator", SeveritySuggestion, lintSourceARNOperator},
	{"oidc-without-audience", SeverityError, lintOIDCWithoutAudience},
	{"oidc-without-subject", SeverityError, lintOIDCWithoutSubject},
	{"other-account", SeverityWarning, lintOtherAccount},

	{"for-all-values-allow", SeverityWarning, lintForAllValuesAllow},
	{"if-exists-allow", SeverityWarning, lintIfExistsAllow},
	{"mfa-deny-misses-keys", SeverityWarning, lintMFADenyMissesKeys},
	{"like-without-wildcard", SeveritySuggestion, lintLikeWithoutWildcard},
	{"equals-with-wildcard", SeverityWarning, lintEqualsWithWildcard},
	{"unknown-condition-key", SeverityWarning, lintUnknownConditionKey},
	{"key-not-of-action", SeverityWarning, lintKeyNotOfAction},
	{"operator-of-other-type", SeverityWarning, lintOperatorOfOtherType},
	{"set-operator-on-single-value", SeveritySuggestion, lintSetOperatorOnSingleValue},
	{"several-values-without-set-operator", SeverityWarning, lintSeveralValuesWithoutSetOperator},
	{"source-ip-of-service", SeverityWarning, lintSourceIPOfService},
	{"variable-in-2008", SeverityError, lintVariableIn2008},

	{"unknown-action", SeverityError, lintUnknownAction},
	{"action-not-known", SeverityWarning, lintActionNotKnown},
	{"resource-never-matches", SeverityError, lintResourceNeverMatches},
	{"object-action-on-bucket", SeverityError, lintObjectActionOnBucket},
	{"bucket-action-on-object", SeverityError, lintBucketActionOnObject},
	{"duplicate-statement", SeveritySuggestion, lintDuplicateStatement},
	{"shadowed-allow", SeverityWarning, lintShadowedAllow},
	{"no-effect", SeverityWarning, lintNoEffect},
}

// maxFindings is how many findings of a policy are told.
const maxFindings = 500

// linter looks at one policy.
type linter struct {
	p        *Policy
	account  string // that the policy belongs to
	layout   layout
	meanings map[string]*Statement // the first statement that says something
	rule     *lintRule
	found    []Finding
}

// Lint finds the classic mistakes in a policy, up to 500, in the order of its lines. account is the one that the policy belongs to; empty if it is not known.
// A policy that cannot be read has no findings: Parse says what is wrong with it.
func Lint(p *Policy, account string) []Finding {
	if p == nil || !p.readable {
		return nil
	}
	l := &linter{p: p, account: account, layout: p.layout(), meanings: make(map[string]*Statement)}
	for i := range lintRules {
		l.rule = &lintRules[i]
		for j := range p.Statements {
			l.rule.check(l, &p.Statements[j])
		}
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int { return a.Line - b.Line })
	return l.found
}

// full says that there is no room for more findings.
func (l *linter) full() bool { return len(l.found) >= maxFindings }

// add notes a finding of the rule at hand.
func (l *linter) add(path, message, fix string) {
	if l.full() {
		return
	}
	l.found = append(l.found, Finding{l.rule.severity, path, l.layout.line(path), l.rule.code, message, fix})
}

// value is the path of the value with an index in an element of a statement, which may be a list or the value itself.
func (l *linter) value(s *Statement, element string, i int) string {
	path := s.Path + "/" + element
	if l.layout.find(path).kind == arrayNode {
		path += "/" + strconv.Itoa(i)
	}
	return path
}

// action is the path of an action of a statement, and resource that of a resource.
func (l *linter) action(s *Statement, i int) string {
	if s.negatedActions() {
		return l.value(s, "NotAction", i)
	}
	return l.value(s, "Action", i)
}

func (l *linter) resource(s *Statement, i int) string {
	if s.NotResources != nil {
		return l.value(s, "NotResource", i)
	}
	return l.value(s, "Resource", i)
}

// condition is the path of a condition.
func (l *linter) condition(s *Statement, c *Condition) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	return s.Path + "/Condition/" + escape(c.Operator) + "/" + escape(c.Key)
}

// actionTexts are the actions or excepted actions as written, in the order of their patterns.
func (s *Statement) actionTexts() []string { return slices.Concat(s.Actions, s.NotActions) }

// resourceTexts are the resources or excepted resources as written, in the order of their patterns.
func (s *Statement) resourceTexts() []string { return slices.Concat(s.Resources, s.NotResources) }

// grants returns the index of the action pattern by which a statement allows an action, -1 if it does not. What NotAction leaves open does not
// count: that has a finding of its own.
func (s *Statement) grants(name string) int {
	if s.Effect != Allow || s.negatedActions() {
		return -1
	}
	vendor, name, _ := strings.Cut(lower(name), ":")
	return slices.IndexFunc(s.actions, func(a actionPattern) bool { return a.match(vendor, name) })
}

// full says whether a statement allows every action on everything.
func (s *Statement) full() bool {
	return s.Effect == Allow && !s.negatedActions() && s.Resources != nil &&
		slices.ContainsFunc(s.actions, func(a actionPattern) bool { return a.vendor == "" }) &&
		slices.ContainsFunc(s.resources, func(r resourcePattern) bool { return r.all })
}

// reaches says whether the resources of a statement can have some of a service whose ARNs end in what begins with prefix.
func (s *Statement) reaches(vendor, prefix string) bool {
	return s.NotResources != nil || slices.ContainsFunc(s.Resources, func(text string) bool { return reaches(text, vendor, prefix) })
}

// reaches is the same for one pattern.
func reaches(text, vendor, prefix string) bool {
	if text == "*" {
		return true
	}
	arn := arnOf(text)
	if arn[2] != vendor {
		return false
	}
	last := arn[arnParts-1]
	literal := last
	if i := strings.IndexAny(last, "*?$"); i >= 0 {
		literal = last[:i]
		if strings.HasPrefix(prefix, literal) {
			return true
		}
	}
	return strings.HasPrefix(literal, prefix)
}

// arnOf splits a pattern that was accepted, with what is missing of it.
func arnOf(text string) [arnParts]string {
	var out [arnParts]string
	n := copy(out[:], splitARN(text, true))
	for ; n < arnParts; n++ {
		out[n] = "*"
	}
	return out
}

// wild says whether a pattern of resources covers all of a kind, such as "*" and …:role/*. It returns the index of the first that does, -1 for
// none.
func (s *Statement) wild(vendor, prefix string) int {
	return slices.IndexFunc(s.Resources, func(text string) bool {
		arn := arnOf(text)
		last := arn[arnParts-1]
		i := strings.IndexAny(last, "*?")
		return text == "*" || arn[2] == vendor && i >= 0 && strings.HasPrefix(prefix, last[:i]) && strings.Trim(last[i:], "*?/") == ""
	})
}

// base is the operator of a condition without its set operator and IfExists.
func (c *Condition) base() string {
	name := c.Operator
	if _, rest, ok := strings.Cut(name, ":"); ok {
		name = rest
	}
	return strings.TrimSuffix(name, "IfExists")
}

// null says whether the condition tests that a key is there.
func (c *Condition) null() bool { return c.compare.holds == nil }

// narrows says whether a statement has a condition that a request meets by a value of the key alone: neither by its absence nor by any value.
func (s *Statement) narrows(key string) bool {
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool {
		return c.key == key && !c.null() && !c.negated && !c.ifExists && c.set != forAllValues &&
			!slices.ContainsFunc(c.Values, func(v string) bool { return strings.Trim(v, "*") == "" })
	})
}

// mentions says whether a statement has any condition on a key.
func (s *Statement) mentions(key string) bool {
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool { return c.key == key })
}
