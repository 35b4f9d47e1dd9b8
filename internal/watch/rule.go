package watch

import (
	"fmt"
	"time"
)

// Rule is something that assessors ask to be told of.
type Rule string

// The rules.
const (
	RootUsed         Rule = "root-used"           // the account root has called an API
	RootKeyUsed      Rule = "root-key-used"       // with a long-term access key
	AuditGap         Rule = "audit-gap"           // a record that should be there is not, or cannot be read
	DigestLate       Rule = "digest-late"         // a digest of a trail is overdue
	DeliveryStuck    Rule = "delivery-stuck"      // a trail's bucket or a feed's target takes nothing
	ClockBack        Rule = "clock-back"          // the clock of the machine was put back
	MassDownload     Rule = "mass-download"       // one principal reads many objects, or many bytes
	PrincipalDenied  Rule = "principal-denied"    // one principal is denied again and again
	SourceDenied     Rule = "source-denied"       // one address is denied again and again, known principals or not
	ControlDisabled  Rule = "control-disabled"    // a policy, a trail, a key, a rule, a certificate or an MFA device was disabled or deleted
	SignInWithoutMFA Rule = "sign-in-without-mfa" // somebody got a session without a second factor
	EgressRefused    Rule = "egress-refused"      // a connection to the outside was refused
)

// Rules are all of them.
var Rules = []Rule{
	RootUsed, RootKeyUsed, AuditGap, DigestLate, DeliveryStuck, ClockBack, MassDownload, PrincipalDenied, SourceDenied, ControlDisabled, SignInWithoutMFA, EgressRefused,
}

// Bounds of settings.
const (
	MinWindow = time.Minute
	MaxWindow = 24 * time.Hour
	MinQuiet  = time.Minute
	MaxQuiet  = 7 * 24 * time.Hour
)

// Setting is when a rule alerts.
type Setting struct {
	Off bool
	// Count and Bytes within Window alert; Bytes is of MassDownload alone, and 0 is no bound there.
	Count, Bytes int64
	Window       time.Duration
	// Quiet is how long the same is not told again.
	Quiet time.Duration
}

// Default is the setting of a rule where nothing else is said.
func Default(r Rule) Setting {
	s := Setting{Count: 1, Window: time.Hour, Quiet: time.Hour}
	switch r {
	case MassDownload:
		s.Count, s.Bytes = 1000, 100<<30
	case PrincipalDenied, SourceDenied:
		s.Count, s.Window = 20, 10*time.Minute
	case SignInWithoutMFA:
		s.Off = true
	}
	return s
}

// Takes says whether a rule counts what happens, so that Count and Window can be set.
func (r Rule) Takes() bool {
	switch r {
	case AuditGap, DigestLate, DeliveryStuck, ClockBack:
		return false
	}
	return true
}

func (r Rule) check(s Setting) error {
	switch {
	case s.Off:
		return nil
	case s.Count < 1 || s.Bytes < 0:
		return fmt.Errorf("rule %s: its bounds are not positive", r)
	case s.Window < MinWindow || s.Window > MaxWindow:
		return fmt.Errorf("rule %s: its window is %s, want %s to %s", r, s.Window, MinWindow, MaxWindow)
	case s.Quiet < MinQuiet || s.Quiet > MaxQuiet:
		return fmt.Errorf("rule %s: its quiet time is %s, want %s to %s", r, s.Quiet, MinQuiet, MaxQuiet)
	}
	return nil
}

// words say a rule to everybody: no names, no addresses.
var words = map[Rule]string{
	RootUsed:         "The root of an account was used.",
	RootKeyUsed:      "The access key of the root of an account was used.",
	AuditGap:         "Records of the audit trail are missing or cannot be read.",
	DigestLate:       "A digest of the audit trail is overdue.",
	DeliveryStuck:    "The audit trail cannot be delivered.",
	ClockBack:        "The clock of the machine was put back.",
	MassDownload:     "Somebody has read unusually much.",
	PrincipalDenied:  "Somebody was denied again and again.",
	SourceDenied:     "An address was denied again and again.",
	ControlDisabled:  "A control was disabled or deleted.",
	SignInWithoutMFA: "Somebody has signed in without a second factor.",
	EgressRefused:    "A connection to the outside was refused.",
}

// controls are the operations that disable or delete a control, or can weaken it, by event source.
var controls = map[string][]string{
	"iam.amazonaws.com": {
		"DeletePolicy", "DeleteUserPolicy", "DeleteRolePolicy", "DeleteGroupPolicy", "DetachUserPolicy", "DetachRolePolicy", "DetachGroupPolicy",
		"DeleteUserPermissionsBoundary", "DeleteRolePermissionsBoundary", "DeactivateMFADevice", "DeleteVirtualMFADevice",
	},
	"mediaconvert.amazonaws.com": {"DeletePolicy"},
	"s3.amazonaws.com":           {"DeleteBucketPolicy", "DeleteBucketEncryption", "DeletePublicAccessBlock"},
	"cloudtrail.amazonaws.com":   {"DeleteTrail", "StopLogging", "UpdateTrail", "PutEventSelectors"},
	"kms.amazonaws.com":          {"DisableKey", "ScheduleKeyDeletion", "DisableKeyRotation", "DeleteImportedKeyMaterial"},
	"events.amazonaws.com":       {"DisableRule", "DeleteRule", "RemoveTargets"},
	"acm.amazonaws.com":          {"DeleteCertificate"},
}
