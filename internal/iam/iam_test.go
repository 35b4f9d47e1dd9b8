package iam

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const account = "111122223333"

const (
	queue  = "arn:aws:mediaconvert:us-east-1:" + account + ":queues/Default"
	object = "arn:aws:s3:::films/raw/one.mov"
	theirs = "arn:aws:mediaconvert:us-east-1:999999999999:queues/Default"
)

// parsed reads a document that must be one.
func parsed(tb testing.TB, kind Kind, name, document string) *Policy {
	tb.Helper()
	p, err := Parse(kind, name, document)
	if err != nil {
		tb.Fatalf("%s: %v", document, err)
	}
	return p
}

// of is the document of version 2012-10-17 with some statements.
func of(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// statement writes one. What comes after the resource are further elements.
func statement(effect, action, resource string, more ...string) string {
	return `{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"` + strings.Join(append([]string{""}, more...), ",") + `}`
}

func allow(action, resource string, more ...string) string {
	return statement("Allow", action, resource, more...)
}

func deny(action, resource string, more ...string) string {
	return statement("Deny", action, resource, more...)
}

// when is a Condition of one line.
func when(operator, key, values string) string {
	return `"Condition":{"` + operator + `":{"` + key + `":` + values + `}}`
}

// named are policies of identities, called by what they are for, one for each document.
func named(tb testing.TB, name string, documents ...string) []*Policy {
	tb.Helper()
	out := make([]*Policy, len(documents))
	for i, d := range documents {
		out[i] = parsed(tb, IdentityPolicy, name, d)
	}
	return out
}

func aUser() Principal {
	return Principal{Type: User, Account: account, ARN: ann, Name: "ann", UserID: "AIDAEXAMPLEUSERID123"}
}

func aSession() Principal {
	return Principal{
		Type: AssumedRole, Account: account, ARN: session, UserID: "AROAEXAMPLEROLEID123:s", RoleARN: role, RoleID: "AROAEXAMPLEROLEID123",
		Issued: start.Add(-time.Hour),
	}
}

func aRoot() Principal {
	return Principal{Type: Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
}

func aService() Principal { return Principal{Type: Service, Name: service} }

func aWebIdentity() Principal {
	return Principal{Type: WebIdentity, Account: account, Name: issuer}
}

func TestPrincipalTypes(t *testing.T) {
	t.Parallel()
	want := map[PrincipalType]string{
		0: "Anonymous", -1: "Anonymous", 9: "Anonymous",
		Root: "Account", User: "User", AssumedRole: "AssumedRole", Service: "Service", WebIdentity: "WebIdentityUser",
	}
	for kind, name := range want {
		if got := kind.String(); got != name {
			t.Errorf("%d: got %q, want %q", kind, got, name)
		}
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	var c Context
	if got := c.Get("aws:SourceIp"); got != nil {
		t.Errorf("an empty context has %q", got)
	}
	c.Set("aws:Nothing")
	c.Set("aws:SourceIp", "203.0.113.7")
	c.Set("AWS:TagKeys", "a", "b")
	c.Set("aws:tagkeys", "c")
	for key, want := range map[string][]string{
		"aws:Nothing":       nil,
		"AWS:sourceip":      {"203.0.113.7"},
		"aws:TagKeys":       {"a", "b", "c"},
		"aw\u017f:TagKeys":  nil, // the long s is an s only where Unicode folds
		"aws:Tag\u212aeys":  nil, // and the Kelvin sign a k
		"aws:SourceIp ":     nil,
		"aws:SourceIp\x00":  nil,
		"aws:ſourceIp":      nil,
		"aws:SourceIp/name": nil,
	} {
		if diff := cmp.Diff(want, c.Get(key)); diff != "" {
			t.Errorf("%q: want, got:\n%s", key, diff)
		}
	}
}

// TestContextSharesNothing: values that are added later do not show in copies.
func TestContextSharesNothing(t *testing.T) {
	t.Parallel()
	var c Context
	values := make([]string, 1, 8)
	values[0] = "a"
	c.Set("k:k", values...)
	before := c.Get("k:k")
	c.Set("k:k", "b")
	values = append(values[:1], "x")
	if diff := cmp.Diff([]string{"a", "b"}, c.Get("k:k")); diff != "" || len(before) != 1 || len(values) != 2 {
		t.Errorf("want, got:\n%s", diff)
	}
}

func TestCaseOfASCII(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"", "", true},
		{"s3:GetObject", "S3:getobject", true},
		{"s3:GetObject", "s3:GetObjects", false},
		{"s3:GetObject", "s3:PutObject", false},
		{"\u017f3:GetObject", "s3:GetObject", false},
		{"\u212ams:Decrypt", "kms:Decrypt", false},
		{"É", "é", false},
		{"[", "{", false}, // as far apart as A and a
		{"@", "`", false},
	} {
		if got := equalFold(tt.a, tt.b); got != tt.same {
			t.Errorf("%q and %q: got %v, want %v", tt.a, tt.b, got, tt.same)
		}
		if got := lower(tt.a) == lower(tt.b); got != tt.same {
			t.Errorf("%q and %q in lower case: got %v, want %v", tt.a, tt.b, got, tt.same)
		}
	}
}
