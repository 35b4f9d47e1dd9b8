// Package iam decides who may do what, in the policy language of AWS Identity and Access Management.
//
// It is pure: no I/O and no clock. Documents are parsed strictly and compiled once; a request goes in, a Decision with its reason comes out.
// Everything that it makes is immutable and safe for concurrent use.
//
// Source: AWS Identity and Access Management User Guide, "IAM JSON policy reference" and "Policy evaluation logic".
package iam

import "time"

// PrincipalType tells the kinds of principals apart. The zero value is nobody.
type PrincipalType int

// The types of principal.
const (
	Root PrincipalType = iota + 1
	User
	AssumedRole
	// Service is an AWS service that acts by itself, such as mediaconvert.amazonaws.com. It may only be trusted.
	Service
	// WebIdentity is somebody whom an identity provider vouches for. They may only be trusted.
	WebIdentity
)

// String is the type as aws:PrincipalType has it.
func (t PrincipalType) String() string {
	switch t {
	case Root:
		return "Account"
	case User:
		return "User"
	case AssumedRole:
		return "AssumedRole"
	case Service:
		return "Service"
	case WebIdentity:
		return "WebIdentityUser"
	}
	return "Anonymous"
}

// Principal is who asks. The zero value is nobody and is always denied.
type Principal struct {
	Type        PrincipalType
	Account     string
	ARN         string // arn:aws:iam::ACCOUNT:root, …:user/NAME, or arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	UserID      string // the unique id, as in aws:userid
	AccessKeyID string

	Name           string            // of a user, as in aws:username; of a service; of a web identity, the ARN of its provider
	RoleARN        string            // of a role session: the role
	RoleID         string            // of a role session: the unique id of the role
	SourceIdentity string            // of a role session
	Provider       string            // of a role session that a web identity began: who vouched
	Tags           map[string]string // as in aws:PrincipalTag
	TransitiveTags []string          // of a role session: the keys of the tags that pass on to the sessions it opens
	Issued         time.Time         // of temporary credentials: when they were made; zero for others
	MFA            time.Time         // of temporary credentials: when a second factor was shown; zero if none was

	// Policies grant the principal something: inline and attached ones, also those of its groups. The root of an account needs none.
	Policies []*Policy
	// Boundary, if not nil, is the most that Policies can grant.
	Boundary *Policy
	// Session narrows what a session may do, also one of the account root: what none of them allows is denied. Nil means no session policy.
	Session []*Policy
	// GuardRails are the account's service control policies: what none of them allows is denied, to the root too. Nil means there are none.
	GuardRails []*Policy
}

// Check is one question: may the principal carry out Action on Resource.
type Check struct {
	Action   string // service:Operation, such as mediaconvert:CreateJob
	Resource string // ARN, or "*" where the action names none
	// Owner is the account that the resource belongs to where its ARN does not say, as with buckets.
	Owner string
	// Tags are those of the resource, as in aws:ResourceTag.
	Tags map[string]string
	// Policy is the policy of the resource itself: the trust policy of a role. An action that needs one is denied without.
	Policy *Policy
	// MFA is when a second factor was shown with the request itself, as with sts:AssumeRole; zero if none was.
	MFA time.Time
	// Context has the condition keys of the action's own, such as iam:PassedToService. A key that the request itself has is not taken from here.
	Context Context
}

// Request is everything that a decision depends on.
type Request struct {
	Principal Principal
	Check     Check
	Now       time.Time
	// Context has what is known of the request itself, such as aws:SourceIp. What the principal or the check says is not taken from here.
	Context Context
	// Assumed has keys that a simulation sets; they win over everything else. It is empty where a request is real.
	Assumed Context
}

// Effect is what a matching statement does. The zero value does nothing.
type Effect int

// The effects.
const (
	Allow Effect = iota + 1
	Deny
)

func (e Effect) String() string {
	switch e {
	case Allow:
		return "Allow"
	case Deny:
		return "Deny"
	}
	return "neither Allow nor Deny"
}

// Context is a set of condition keys with their values. Names are matched without regard to the case of ASCII letters. The zero value is empty;
// Set may be called on it. It may be read from several goroutines, and set from one.
type Context struct{ values map[string][]string }

// Set gives a key its values; none leaves the key absent. Values of a key that differs in case alone are added: a key that should have one
// value then has two, and no condition on it can be read.
func (c *Context) Set(key string, values ...string) {
	if len(values) == 0 {
		return
	}
	if c.values == nil {
		c.values = make(map[string][]string)
	}
	key = lower(key)
	c.values[key] = append(c.values[key][:len(c.values[key]):len(c.values[key])], values...)
}

// Get returns the values of a key; none means that it is absent.
func (c Context) Get(key string) []string { return c.values[lower(key)] }

// lower maps ASCII letters alone: the names of the language are ASCII, and Unicode folding would make two different names one.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

// equalFold compares without regard to the case of ASCII letters.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
