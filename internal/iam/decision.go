package iam

import "fmt"

// Source is what a decision comes from: the kind of policy that decided or, for an implicit denial, that did not allow.
type Source string

// The sources.
const (
	RootAccount Source = "root"
	Identity    Source = "identity-based policy"
	Boundary    Source = "permissions boundary"
	Session     Source = "session policy"
	GuardRail   Source = "service control policy"
	Resource    Source = "resource-based policy"
	// Unread: a policy of the principal or the resource cannot be read, and nothing is allowed until it can.
	Unread Source = "unreadable policy"
	// Foreign: the resource belongs to another account, or nobody knows to which.
	Foreign Source = "other account"
	// Malformed: the request is none that could be allowed: no principal, no action of a service, no ARN.
	Malformed Source = "malformed request"
)

// Decision is the answer to a Request. The zero value denies.
type Decision struct {
	// Effect is Allow, Deny for an explicit denial, or zero for an implicit one: nothing allowed it.
	Effect Effect
	Source Source
	// Policy is the name of the policy that decided; empty if none did.
	Policy string
	// Sid is the Sid of the statement that decided, or # with its index from 0 where it has none; empty if no statement did.
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
		verdict += " by " + string(d.Source)
	}
	if d.Policy != "" {
		verdict += " " + d.Policy
	}
	if d.Sid != "" {
		verdict += " statement " + d.Sid
	}
	return verdict
}

// Denied is the error for a Check that was not allowed. Error gives the text that AWS services show.
// Source: IAM User Guide, "Troubleshoot access denied error messages".
type Denied struct {
	Principal Principal
	Check     Check
	Decision  Decision
}

func (d *Denied) Error() string {
	if d.Principal.Type == WebIdentity {
		return "Not authorized to perform " + d.Check.Action // and nothing of who it is, which a provider says and nobody here
	}
	text := fmt.Sprintf("User: %s is not authorized to perform: %s", d.Principal.ARN, d.Check.Action)
	if d.Check.Resource != "*" && d.Check.Resource != "" {
		text += " on resource: " + d.Check.Resource
	}
	source := article(d.Decision.Source) + " " + string(d.Decision.Source)
	switch {
	case d.Decision.Effect == Deny:
		text += " with an explicit deny in " + source
	case d.Decision.Source == Identity, d.Decision.Source == Boundary, d.Decision.Source == Session, d.Decision.Source == GuardRail,
		d.Decision.Source == Resource && !needsPolicy(lower(d.Check.Action)):
		text += " because no " + string(d.Decision.Source) + " allows the " + d.Check.Action + " action"
	}
	return text
}

func article(s Source) string {
	if s == Identity {
		return "an"
	}
	return "a"
}
