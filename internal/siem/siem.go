// Package siem writes records of the audit trail in the words of those who collect logs: the Elastic Common Schema (ECS) 8.17 and the Open Cybersecurity Schema
// Framework (OCSF) 1.7.0. Each record is one JSON object on one line; whatever text a record has is inside of JSON strings.
package siem

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"darkroom/internal/audit"
)

// Format is how records are written.
type Format string

// The formats.
const (
	CloudTrail Format = "cloudtrail" // as they are kept: "CloudTrail record contents" of the AWS CloudTrail User Guide
	ECS        Format = "ecs"
	OCSF       Format = "ocsf"
)

// Formats are all of them.
var Formats = []Format{CloudTrail, ECS, OCSF}

// product is how Darkroom calls itself in records.
const product = "Darkroom"

// Line writes an entry in a format, without a newline. An entry whose text is no record is written as one that says so; none is left out.
func Line(f Format, e audit.Entry) []byte {
	if f == CloudTrail {
		var b bytes.Buffer
		if json.Compact(&b, e.Text) == nil {
			return b.Bytes()
		}
		return encode(map[string]any{"eventVersion": audit.Version, "recipientAccountId": e.Account, "errorCode": "UnreadableRecord", "errorMessage": string(e.Text)})
	}
	r, err := e.Decode()
	if f == OCSF {
		return encode(ocsf(e, r, err))
	}
	return encode(ecs(e, r, err))
}

func encode(v any) []byte {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	if err := w.Encode(v); err != nil { // raw JSON of the record that is none
		return []byte(`{"message":"a record of the audit trail cannot be written"}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// kind is what a record is about.
type kind int

const (
	call       kind = iota // of an API
	signIn                 // somebody proves who they are, and gets a session
	connection             // Darkroom dials out
	alert
)

// AlertName is the eventName of alerts.
const AlertName = "AuditAlert"

// signIns are the operations by which somebody gets a session.
var signIns = []string{"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetSessionToken", "GetFederationToken", "ConsoleLogin", "SignIn"}

func kindOf(r *audit.Record) kind {
	switch {
	case r.EventName == AlertName && r.EventType == audit.ByService:
		return alert
	case r.ServiceEventDetails != nil && r.ServiceEventDetails.Dial != nil:
		return connection
	case slices.Contains(signIns, r.EventName):
		return signIn
	}
	return call
}

// deed is what an operation does to what it is about.
type deed int

const (
	reads deed = iota
	creates
	changes
	deletes
)

var deeds = []struct {
	prefix string
	deed   deed
}{
	{"Create", creates},
	{"Import", creates},
	{"Generate", creates},
	{"Register", creates},
	{"Upload", creates},
	{"Delete", deletes},
	{"Remove", deletes},
	{"Abort", deletes},
	{"Schedule", deletes},
	{"Untag", changes},
}

func deedOf(r *audit.Record) deed {
	if r.ReadOnly {
		return reads
	}
	if service(r) == "s3" && (r.EventName == "PutObject" || r.EventName == "CopyObject" || r.EventName == "CompleteMultipartUpload") {
		return creates
	}
	for _, d := range deeds {
		if strings.HasPrefix(r.EventName, d.prefix) {
			return d.deed
		}
	}
	return changes
}

func service(r *audit.Record) string { return strings.TrimSuffix(r.EventSource, ".amazonaws.com") }

// address reads an IP address in its usual spelling.
func address(s string) (string, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return "", false
	}
	return a.WithZone("").String(), true
}

// text is the string of a JSON string, and empty for anything else.
func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // what is no string has no text
	return s
}

// number is a JSON number that is whole and not negative.
func number(raw json.RawMessage) (n int64, ok bool) {
	err := json.Unmarshal(raw, &n)
	return n, err == nil && n >= 0 && len(raw) > 0 && raw[0] != 'n'
}

// sentence says a record in words.
func sentence(r *audit.Record) string {
	who := r.UserIdentity.User()
	if who == "" {
		who = "somebody unknown"
	}
	switch kindOf(r) {
	case alert:
		return text(r.AdditionalEventData["message"])
	case connection:
		return "connection to " + r.ServiceEventDetails.Dial.Host + ": " + string(r.Outcome())
	}
	return who + ": " + r.EventName + ": " + string(r.Outcome())
}

// IsSignIn says whether a record is of somebody who gets a session, or tries to.
func IsSignIn(r *audit.Record) bool { return kindOf(r) == signIn }

// WithMFA says whether a record is of somebody who has shown a second factor, in the call or when their session began.
func WithMFA(r *audit.Record) bool {
	s := r.UserIdentity.SessionContext
	if s != nil && s.Attributes.MFAAuthenticated == "true" || text(r.AdditionalEventData["MFAUsed"]) == "Yes" {
		return true
	}
	var in struct {
		SerialNumber string `json:"serialNumber"`
	}
	_ = json.Unmarshal(r.RequestParameters, &in) // null, and what is no object, names no device
	return in.SerialNumber != ""
}
