package iam_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/iam"
)

func TestContextKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, document string
		want           []string
	}{
		{"none", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}`, nil},
		{
			"conditions and variables, once and in order, as the documentation writes them",
			`{"Version": "2012-10-17", "Statement": [
				{"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::b/${AWS:UserName}/*", "arn:aws:s3:::b/${s3:prefix, 'none'}/${*}"],
				 "Condition": {"StringLike": {"aws:requesttag/Project": ["${aws:PrincipalTag/Project}", "x"], "id.example.org:sub": "a"}}},
				{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"ArnLike": {"AWS:PRINCIPALARN": "arn:aws:iam::${aws:PrincipalAccount}:*"}, "Null": {"aws:RequestTag/project": "false"}}}]}`,
			[]string{"aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalTag/Project", "aws:RequestTag/Project", "aws:username", "id.example.org:sub", "s3:prefix"},
		},
		{
			"in the first version a variable is text",
			`{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}"}}`, nil,
		},
	} {
		if diff := cmp.Diff(c.want, iam.ContextKeys(read(t, iam.IdentityPolicy, "", c.document))); diff != "" {
			t.Errorf("%s (-want +got): %s", c.name, diff)
		}
	}
	if got := iam.ContextKeys(nil); got != nil {
		t.Errorf("of no policy: %v", got)
	}
}

func TestLookupKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		kind       iam.KeyType
	}{
		{"AWS:sourceip", "aws:SourceIp", iam.IPKey},
		{"aws:RequestTag/x", "aws:RequestTag/", iam.StringKey},
		{"kms:EncryptionContext:a", "kms:EncryptionContext:", iam.StringKey},
		{"kms:EncryptionContextKeys", "kms:EncryptionContextKeys", iam.StringKey},
		{"mediaconvert:HttpInputsAllowed", "mediaconvert:HttpInputsAllowed", iam.BoolKey},
		{"aws:RequestTag/", "", 0},
		{"aws:RequestTag", "", 0},
		{"ec2:Region", "", 0},
	} {
		k, ok := iam.LookupKey(c.name)
		if k.Name != c.want || ok != (c.want != "") || k.Type != c.kind {
			t.Errorf("%s: %+v, %v", c.name, k, ok)
		}
	}
}

// TestMissing: what a request lacks is told of statements about its action and its resource alone.
func TestMissing(t *testing.T) {
	t.Parallel()
	const about = `"Effect": "Allow", "Action": "mediaconvert:GetQueue", "Resource": "*", "Condition": `
	for _, c := range []struct {
		name, statement string
		want            []string
	}{
		{"nothing", `{` + about + `{"Bool": {"aws:SecureTransport": "true"}}}`, nil},
		{"a key", `{` + about + `{"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}`, []string{"aws:SourceIp"}},
		{"keys of conditions behind the first that fails", `{` + about + `{"Bool": {"aws:SecureTransport": "false"}, "IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}`, []string{"aws:SourceIp"}},
		{"with IfExists the decision still depends on it", `{` + about + `{"IpAddressIfExists": {"aws:SourceIp": "203.0.113.0/24"}}}`, []string{"aws:SourceIp"}},
		{"Null that is met", `{` + about + `{"Null": {"aws:SourceIp": "true"}}}`, nil},
		{"Null that is not met", `{` + about + `{"Null": {"aws:SourceIp": "false"}}}`, []string{"aws:SourceIp"}},
		{"a variable", `{` + about + `{"StringEquals": {"aws:UserAgent": "${aws:Referer}"}}}`, []string{"aws:Referer"}},
		{"a variable without a value", `{` + about + `{"StringEquals": {"aws:UserAgent": "${s3:prefix}"}}}`, []string{"s3:prefix"}},
		{"a variable with a default", `{` + about + `{"StringEquals": {"aws:UserAgent": "${aws:Referer, 'x'}"}}}`, nil},
		{"another action", `{"Effect": "Allow", "Action": "mediaconvert:GetPreset", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}`, nil},
		{"another resource", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::x", "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}`, nil},
		{"a variable of the resource", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:mediaconvert:*:*:queues/${aws:Referer}"}`, []string{"aws:Referer"}},
		{"a variable of another resource", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:Referer}"}`, nil},
		{"a variable of the resource with a value", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:mediaconvert:*:*:queues/${aws:username}${aws:Referer}"}`, []string{"aws:Referer"}},
	} {
		r := &iam.Request{
			Principal: ann(), Check: iam.Check{Action: "mediaconvert:GetQueue", Resource: queueARN}, Now: noon,
			Context: set("aws:SecureTransport", "true", "aws:UserAgent", "cli", "s3:prefix", ""),
		}
		r.Principal.Policies = []*iam.Policy{read(t, iam.IdentityPolicy, "", doc(c.statement))}
		if diff := cmp.Diff(c.want, iam.Explain(r).Missing); diff != "" {
			t.Errorf("%s (-want +got): %s", c.name, diff)
		}
	}
}

// TestTables: the tables are in order, and say the same of a service as the facts.
func TestTables(t *testing.T) {
	t.Parallel()
	vendor := ""
	var names []string
	for _, k := range iam.AllKeys() {
		v, _, _ := strings.Cut(k.Name, ":")
		if v != vendor {
			vendor, names = v, nil
		}
		if n := len(names); n > 0 && strings.ToLower(names[n-1]) >= strings.ToLower(k.Name) {
			t.Errorf("%s stands behind %s", k.Name, names[n-1])
		}
		names = append(names, k.Name)
		if k.Type.String() == "" {
			t.Errorf("%s has no type", k.Name)
		}
	}
	for service, want := range map[string]int{"mediaconvert": 34, "sts": 16} {
		actions := iam.AllActions(service)
		if len(actions) != want || !slices.IsSorted(actions) {
			t.Errorf("%s: %d actions, want %d in order", service, len(actions), want)
		}
	}
}
