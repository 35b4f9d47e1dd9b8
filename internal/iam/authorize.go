package iam

import (
	"strconv"
	"strings"
)

// What a decision can come from.
const (
	sourceRoot     = "root"
	sourceIdentity = "identity"
	sourceSession  = "session"
)

// Authorize answers whether p may do c. What is odd is denied: a principal of no type or without an account, an action that is not
// service:Operation, a resource that is neither * nor an ARN of six parts, an effect that is none of ours.
//
// An explicit Deny anywhere wins. Otherwise a principal's policies must allow and, for a session with a session policy, that policy
// must allow as well. The account root may do everything with what belongs to its account, and nothing elsewhere.
func Authorize(p Principal, c Check, ctx Context) Decision {
	_ = ctx // no statement has conditions yet
	if p.Account == "" || p.ARN == "" || !validAction(c.Action) || !validResource(c.Resource) {
		return Decision{}
	}
	var identity Decision
	switch p.Type {
	case Root:
		identity = Decision{Source: sourceRoot}
		if ownAccount(p.Account, c.Resource) {
			identity.Effect = Allow
		}
	case User, AssumedRole:
		identity = evaluate(p.Policies, c, sourceIdentity)
	default:
		return Decision{}
	}
	session := Decision{Effect: Allow, Source: sourceSession}
	if p.Session != nil {
		session = evaluate(p.Session, c, sourceSession)
	}
	switch {
	case identity.Effect == Deny:
		return identity
	case session.Effect == Deny:
		return session
	case identity.Effect != Allow:
		return identity
	case session.Effect != Allow:
		return session
	}
	return identity
}

// evaluate gives the verdict of one policy: the first Deny that matches, else the first Allow, else an implicit denial. A statement
// that cannot be understood denies whatever the others say: it might be a Deny with a slip of the pen.
func evaluate(statements []Statement, c Check, source string) Decision {
	verdict := Decision{Source: source}
	for i, s := range statements {
		switch {
		case !s.wellFormed():
			return Decision{Source: source}
		case !s.matches(c):
		case s.Effect == Deny:
			return Decision{Effect: Deny, Source: source, Sid: s.name(i)}
		case verdict.Effect != Allow:
			verdict = Decision{Effect: Allow, Source: source, Sid: s.name(i)}
		}
	}
	return verdict
}

func (s Statement) name(i int) string {
	if s.Sid != "" {
		return s.Sid
	}
	return "#" + strconv.Itoa(i)
}

// wellFormed says whether s can be evaluated: a known effect, and patterns that could match some action and some resource.
func (s Statement) wellFormed() bool {
	if s.Effect != Allow && s.Effect != Deny || len(s.Actions) == 0 || len(s.Resources) == 0 {
		return false
	}
	for _, a := range s.Actions {
		if a != "*" && strings.Count(a, ":") != 1 {
			return false
		}
	}
	for _, r := range s.Resources {
		if r != "*" && strings.Count(r, ":") < 5 {
			return false
		}
	}
	return true
}

func (s Statement) matches(c Check) bool {
	return anyMatch(s.Actions, c.Action, matchAction) && anyMatch(s.Resources, c.Resource, matchResource)
}

func anyMatch(patterns []string, value string, match func(pattern, value string) bool) bool {
	for _, p := range patterns {
		if match(p, value) {
			return true
		}
	}
	return false
}

// validAction demands service:Operation without wildcards: a check is a question about one action.
func validAction(a string) bool {
	service, operation, ok := strings.Cut(a, ":")
	return ok && service != "" && operation != "" && !strings.ContainsAny(a, "*? \t\r\n") && !strings.Contains(operation, ":")
}

// validResource demands * or an ARN in six parts. A wildcard character in the resource part stands for itself there: S3 keys may have it.
func validResource(r string) bool {
	if r == "*" {
		return true
	}
	parts := strings.SplitN(r, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[1] != "" && parts[2] != "" && parts[5] != ""
}

// ownAccount says whether a resource belongs to account. S3 names carry no account: buckets here all belong to the one installation's account.
func ownAccount(account, resource string) bool {
	if resource == "*" {
		return true
	}
	owner := strings.SplitN(resource, ":", 6)[4]
	if owner == "" {
		return strings.SplitN(resource, ":", 6)[2] == "s3"
	}
	return owner == account
}
