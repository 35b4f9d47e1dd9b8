// Package iam decides who may do what, in the terms of AWS Identity and Access Management.
//
// It is pure: no I/O and no clock. A principal, an action, a resource and the context of the request go in, a Decision comes out.
package iam

// PrincipalType tells the account root from users and role sessions. The zero value is nobody.
type PrincipalType int

// The types of principal.
const (
	Root PrincipalType = iota + 1
	User
	AssumedRole
)

// Principal is who signed a request. The zero value is nobody and is always denied.
type Principal struct {
	Type        PrincipalType
	Account     string
	ARN         string // arn:aws:iam::ACCOUNT:root, or arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	UserID      string // the unique id, as in aws:userid
	AccessKeyID string

	// Policies are the statements that grant the principal something. The root of an account needs none.
	Policies []Statement
	// Session narrows what a session may do, also one of the account root: what it does not allow is denied. Nil means no session policy.
	Session []Statement
}

// Check is one question: may the principal carry out Action on Resource.
type Check struct {
	Action   string // service:Operation, such as mediaconvert:CreateJob
	Resource string // ARN, or "*" where the action names none
}

// Statement is one statement of a policy. The zero value cannot be understood, and a policy that has it denies everything.
type Statement struct {
	Sid       string
	Effect    Effect
	Actions   []string // patterns; * and ? as in the policy language, the case of letters does not matter
	Resources []string // ARN patterns; the case matters
}

// Effect is what a matching statement does. The zero value does nothing.
type Effect int

// The effects.
const (
	Allow Effect = iota + 1
	Deny
)
