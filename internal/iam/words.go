package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of what String tells.
const (
	maxTold   = 12 // statements
	maxListed = 4  // values of one list
)

// String tells the explanation in paragraphs for people.
func (x Explanation) String() string {
	paragraphs := []string{x.verdict()}
	told := 0
	tell := slices.DeleteFunc(slices.Clone(x.Statements), func(s StatementResult) bool { return !x.bears(s) })
	for _, s := range tell {
		if told++; told > maxTold {
			paragraphs = append(paragraphs, fmt.Sprintf("%d further statements are about the action or the resource.", len(tell)-maxTold))
			break
		}
		paragraphs = append(paragraphs, s.String())
	}
	if x.Decision.Effect == Deny {
		paragraphs = append(paragraphs, "No further Allow helps: the "+string(x.Decision.Source)+" has to change, or the request.")
	}
	if len(x.Missing) > 0 && !x.Decision.Allowed() {
		paragraphs = append(paragraphs, "The request has no value of "+list(x.Missing, "or")+".")
	}
	for i, m := range x.Remedies {
		begin := "What would allow it: add to "
		if i > 0 {
			begin = "And to "
		}
		paragraphs = append(paragraphs, begin+m.String())
	}
	return strings.Join(paragraphs, "\n\n") + "\n"
}

// bears says whether a statement is told of, given the decision.
func (x Explanation) bears(s StatementResult) bool {
	switch x.Decision.Effect {
	case Allow:
		return s.Applies
	case Deny:
		return s.Applies && s.Effect == Deny
	}
	return true
}

// verdict is the first paragraph.
func (x Explanation) verdict() string {
	what := x.Action
	if x.Resource != "*" {
		what += " on " + x.Resource
	}
	d := x.Decision
	switch {
	case x.fault != "":
		return "Denied: " + x.fault + "."
	case d.Allowed() && d.Source == RootAccount:
		return "Allowed: " + what + ". The account root may do everything with what belongs to its account."
	case d.Allowed():
		return "Allowed: " + what + "."
	case d.Effect == Deny:
		return "Denied: a Deny is about " + what + ", and it wins over every Allow."
	}
	switch d.Source {
	case Unread:
		return "Denied: the policy " + shown(d.Policy) + " cannot be read, and nothing is allowed until it can."
	case RootAccount:
		return "Denied: roles may not be assumed by the account root. A user or a role may."
	case Resource:
		return "Denied: the policy of " + x.Resource + " does not let " + x.Principal + " do " + x.Action + "."
	case Identity:
		return "Denied: nothing allows " + what + "."
	}
	return "Denied: no " + string(d.Source) + " allows " + what + ", and nothing is allowed beyond that."
}

// String is a sentence or two.
func (s StatementResult) String() string {
	text := "The " + string(s.Source)
	if s.Policy != "" {
		text += " " + s.Policy
	}
	text += ", statement " + s.Statement
	if s.Line > 0 {
		text += fmt.Sprintf(" (line %d)", s.Line)
	}
	does, would := " allows it", " would allow it"
	if s.Effect == Deny {
		does, would = " denies it", " would deny it"
	}
	switch s.Element {
	case "":
		text += "," + does
		if s.Account {
			text += " to the account as a whole: a policy of the principal's own has to allow it too"
		}
		if s.Effect == Deny && len(s.Conditions) > 0 {
			text += ", as " + joined(s.Conditions)
		}
	case "Condition":
		failed := slices.DeleteFunc(slices.Clone(s.Conditions), func(c ConditionResult) bool { return c.Holds })
		text += "," + would + ", but " + joined(failed)
	default:
		about := map[string]string{"Principal": "is about other principals", "Action": "is about the resource, but other actions", "Resource": "is about the action, but other resources"}[s.Element]
		text += ", " + about + ": "
		if s.Except {
			text += "all but "
		}
		text += list(s.Written, "and")
	}
	return text + "."
}

func joined(all []ConditionResult) string {
	text := make([]string, len(all))
	for i, c := range all {
		text[i] = c.String()
	}
	return strings.Join(text, ", and ")
}

// String is a part of a sentence.
func (c ConditionResult) String() string {
	text := "its condition " + c.Operator + " " + c.Key + " wants "
	quotes := make([]string, len(c.Wanted))
	for i, v := range c.Wanted {
		quotes[i] = shown(v)
	}
	switch {
	case c.null && equalFold(c.Wanted[0], "true"):
		text += "no value"
	case c.null:
		text += "a value"
	case c.negated:
		text += "anything but " + list(quotes, "and")
	case c.set == forAllValues:
		text += "nothing but " + list(quotes, "and")
	default:
		text += list(quotes, "or")
	}
	had := make([]string, len(c.Had))
	for i, v := range c.Had {
		had[i] = shown(v)
	}
	switch {
	case len(had) == 0:
		text += "; the request had no such key"
	case c.Unreadable && len(had) > 1 && c.set == noSet:
		text += "; the request had " + list(had, "and") + ", where only one can be compared"
	case c.Unreadable:
		text += "; the request had " + list(had, "and") + ", which cannot be compared"
	default:
		text += "; the request had " + list(had, "and")
	}
	var variables []string
	for _, m := range c.Missing {
		if !equalFold(m, c.Key) {
			variables = append(variables, "${"+m+"}")
		}
	}
	if len(variables) > 0 {
		text += ", and no value of " + list(variables, "and")
	}
	return text
}

// String says where the statement goes, and gives it.
func (m Remedy) String() string {
	where := map[Source]string{
		Identity: "an identity-based policy of the principal", Boundary: "the permissions boundary", Session: "a session policy",
		GuardRail: "a service control policy of the account", Resource: "the policy of the resource",
	}[m.Source]
	if m.Policy != "" {
		where += " " + m.Policy
	}
	if strings.Contains(m.Statement, "${") {
		where += " (of version " + version2012 + ")"
	}
	return where + "\n" + m.Statement
}

// list joins words; of many it gives the first.
func list(words []string, last string) string {
	if n := len(words); n > maxListed {
		return strings.Join(words[:maxListed], ", ") + fmt.Sprintf(" %s %d more", last, n-maxListed)
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}
	return strings.Join(words, "")
}
