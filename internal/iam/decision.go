package iam

import "fmt"

// Context is the condition context of a request: the values of each condition key, such as aws:SourceIp. Names are matched without
// regard to case. Statements have no conditions yet; callers fill the context all the same, so that none is missing when they do.
type Context map[string][]string

// Decision is the answer to a Check. The zero value denies.
type Decision struct {
	// Effect is Allow, Deny for an explicit denial, or zero for an implicit one: nothing allowed it.
	Effect Effect
	// Source is what decided: "root", "identity" or "session"; for an implicit denial, what lacked a grant.
	Source string
	// Sid is the Sid of the statement that decided, or #N with its index from 0 where it has none; empty if no statement did.
	Sid string
}

// Allowed reports whether the answer is yes.
func (d Decision) Allowed() bool { return d.Effect == Allow }

// String says the decision and its reason, for logs.
func (d Decision) String() string {
	verdict := "implicitly denied"
	switch d.Effect {
	case Allow:
		verdict = "allowed"
	case Deny:
		verdict = "explicitly denied"
	}
	if d.Source != "" {
		verdict += " by " + d.Source
	}
	if d.Sid != "" {
		verdict += " statement " + d.Sid
	}
	return verdict
}

// Denied is the error for a Check that was not allowed. Error gives the text that AWS services show.
type Denied struct {
	Principal Principal
	Check     Check
	Decision  Decision
}

func (d *Denied) Error() string {
	text := fmt.Sprintf("User: %s is not authorized to perform: %s", d.Principal.ARN, d.Check.Action)
	if d.Check.Resource != "*" && d.Check.Resource != "" {
		text += " on resource: " + d.Check.Resource
	}
	if d.Decision.Effect == Deny {
		text += " with an explicit deny in " + policyName(d.Decision.Source)
	}
	return text
}

func policyName(source string) string {
	if source == sourceSession {
		return "a session policy"
	}
	return "an identity-based policy"
}
