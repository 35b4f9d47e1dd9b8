package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/iam"
)

// brief writes results in lines.
func brief(results []iam.Simulated) string {
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%s %s: %s", r.Action, r.Resource, r.Verdict)
		for _, m := range r.Matched {
			fmt.Fprintf(&b, "; %s (%s) %s %d:%d-%d:%d", m.Origin.ID, m.Origin.Type, m.Statement, m.Start.Line, m.Start.Column, m.End.Line, m.End.Column)
		}
		if len(r.Missing) > 0 {
			fmt.Fprintf(&b, "; missing %s", strings.Join(r.Missing, ", "))
		}
		if r.AllowedByBoundary != nil {
			fmt.Fprintf(&b, "; boundary %v", *r.AllowedByBoundary)
		}
		if r.AllowedByGuardRails != nil {
			fmt.Fprintf(&b, "; organization %v", *r.AllowedByGuardRails)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	// policy is one that is called as SimulateCustomPolicy calls it.
	policy := func(document string) *iam.Policy { return read(t, iam.IdentityPolicy, "PolicyInputList.1", document) }
	const (
		// The document and the positions of the AWS CLI's example of simulate-custom-policy.
		dated = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}`
		// The form of AWS's managed policies.
		pretty = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}"
	)
	user := func(policies ...*iam.Policy) iam.Principal {
		p := ann()
		p.Policies = policies
		return p
	}
	anybody := func(policies ...*iam.Policy) iam.Principal { return iam.Principal{Policies: policies} }
	deny := doc(`{"Effect": "Deny", "Action": "*", "Resource": "*"}`)
	s3 := policy(doc(`{"Sid": "S3", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}`))
	create := []string{"mediaconvert:CreateJob"}
	for _, c := range []struct {
		name string
		s    iam.Simulation
		want string
	}{
		{
			"the example of the AWS CLI",
			iam.Simulation{
				Principal: anybody(policy(dated)), Actions: []string{"dynamodb:CreateBackup"},
				Context: []iam.ContextEntry{{Key: "aws:CurrentTime", Type: "date", Values: []string{"2019-04-25T11:00:00Z"}}},
			},
			"dynamodb:CreateBackup *: allowed; PolicyInputList.1 (none) #0 1:38-1:167",
		},
		{
			"its example of a denial",
			iam.Simulation{
				Principal: anybody(policy(dated)), Actions: []string{"dynamodb:CreateBackup"},
				Context: []iam.ContextEntry{{Key: "aws:CurrentTime", Values: []string{"2014-04-25T11:00:00Z"}}},
			},
			"dynamodb:CreateBackup *: implicitDeny",
		},
		{
			"without the key",
			iam.Simulation{Principal: anybody(policy(dated)), Actions: []string{"dynamodb:CreateBackup"}},
			"dynamodb:CreateBackup *: implicitDeny; missing aws:CurrentTime",
		},
		{
			"with the clock",
			iam.Simulation{Principal: anybody(policy(dated)), Actions: []string{"dynamodb:CreateBackup"}, Now: noon},
			"dynamodb:CreateBackup *: allowed; PolicyInputList.1 (none) #0 1:38-1:167",
		},
		{
			"positions in a list",
			iam.Simulation{Principal: anybody(policy(pretty)), Actions: create},
			"mediaconvert:CreateJob *: allowed; PolicyInputList.1 (none) #0 3:17-8:6",
		},
		{
			"actions times resources",
			iam.Simulation{
				Principal: user(policy(doc(`{"Sid": "A", "Effect": "Allow", "Action": "mediaconvert:*", "Resource": "` + queueARN + `"}`))),
				Actions:   []string{"mediaconvert:CreateJob", "s3:GetObject"}, Resources: []string{queueARN, "arn:aws:s3:::films/a"},
			},
			"mediaconvert:CreateJob " + queueARN + ": allowed; PolicyInputList.1 (none) A 1:41-2:133\nmediaconvert:CreateJob arn:aws:s3:::films/a: implicitDeny\n" +
				"s3:GetObject " + queueARN + ": implicitDeny\ns3:GetObject arn:aws:s3:::films/a: implicitDeny",
		},
		{
			"another account's",
			iam.Simulation{Principal: user(policy(pretty)), Actions: create, Resources: []string{"arn:aws:mediaconvert:eu-west-1:999988887777:queues/q"}},
			"mediaconvert:CreateJob arn:aws:mediaconvert:eu-west-1:999988887777:queues/q: implicitDeny",
		},
		{
			"an owner of what names none",
			iam.Simulation{Principal: user(policy(pretty)), Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::films/a"}, Owner: "999988887777"},
			"s3:GetObject arn:aws:s3:::films/a: implicitDeny",
		},
		{
			"only the Deny is told",
			iam.Simulation{Principal: user(policy(pretty), read(t, iam.IdentityPolicy, "PolicyInputList.2", deny)), Actions: create},
			"mediaconvert:CreateJob *: explicitDeny; PolicyInputList.2 (none) #0 1:41-2:53",
		},
		{
			"a boundary that allows",
			iam.Simulation{Principal: func() iam.Principal {
				p := user(policy(pretty))
				p.Boundary = policy(pretty)
				return p
			}(), Actions: create},
			"mediaconvert:CreateJob *: allowed; PolicyInputList.1 (none) #0 3:17-8:6; boundary true",
		},
		{
			"a boundary that does not",
			iam.Simulation{Principal: func() iam.Principal {
				p := user(policy(pretty))
				p.Boundary = s3
				return p
			}(), Actions: create},
			"mediaconvert:CreateJob *: implicitDeny; boundary false",
		},
		{
			"a boundary of the wrong kind",
			iam.Simulation{Principal: func() iam.Principal {
				p := user(policy(pretty))
				p.Boundary = read(t, iam.ResourcePolicy, "r", doc(`{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}`))
				return p
			}(), Actions: create},
			"mediaconvert:CreateJob *: implicitDeny; boundary false",
		},
		{
			"guard rails",
			iam.Simulation{Principal: func() iam.Principal {
				p := user(policy(pretty))
				p.GuardRails = []*iam.Policy{policy(pretty), read(t, iam.IdentityPolicy, "rail", doc(`{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}`))}
				return p
			}(), Actions: []string{"mediaconvert:CreateJob", "s3:ListAllMyBuckets"}},
			"mediaconvert:CreateJob *: allowed; PolicyInputList.1 (none) #0 3:17-8:6; organization true\n" +
				"s3:ListAllMyBuckets *: explicitDeny; rail (none) #0 1:41-2:56; organization false",
		},
		{
			"guard rails that cannot be read",
			iam.Simulation{Principal: func() iam.Principal {
				p := user(policy(pretty))
				p.GuardRails = []*iam.Policy{policy(pretty), nil}
				return p
			}(), Actions: create},
			"mediaconvert:CreateJob *: implicitDeny; organization false",
		},
		{
			"a session policy",
			iam.Simulation{Principal: func() iam.Principal {
				p := user(policy(pretty))
				p.Session = []*iam.Policy{s3}
				return p
			}(), Actions: []string{"mediaconvert:CreateJob", "s3:ListAllMyBuckets"}},
			"mediaconvert:CreateJob *: implicitDeny\ns3:ListAllMyBuckets *: allowed; PolicyInputList.1 (none) #0 3:17-8:6",
		},
		{
			"the policy of the resource",
			iam.Simulation{
				Principal: user(policy(pretty)), Actions: []string{"sts:AssumeRole"}, Resources: []string{roleARN},
				Policy: read(t, iam.TrustPolicy, "ResourcePolicy", doc(`{"Effect": "Allow", "Principal": {"AWS": "`+annARN+`"}, "Action": "sts:AssumeRole"}`)),
			},
			"sts:AssumeRole " + roleARN + ": allowed; ResourcePolicy (resource) #0 1:41-2:110; PolicyInputList.1 (none) #0 3:17-8:6",
		},
		{
			"nobody in particular: what says who it is is missing, and can be set",
			iam.Simulation{
				Principal: anybody(policy(doc(`{"Effect": "Allow", "Action": "mediaconvert:CreateJob", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "ann"}}}`,
					`{"Effect": "Allow", "Action": "mediaconvert:GetJob", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalType": "User"}}}`))),
				Actions: []string{"mediaconvert:CreateJob", "mediaconvert:GetJob"}, Resources: []string{queueARN},
				Context: []iam.ContextEntry{{Key: "aws:PrincipalType", Values: []string{"User"}}},
			},
			"mediaconvert:CreateJob " + queueARN + ": implicitDeny; missing aws:username\nmediaconvert:GetJob " + queueARN + ": allowed; PolicyInputList.1 (none) #1 2:132-3:134",
		},
		{
			"nobody of an account that the owner says",
			iam.Simulation{Principal: anybody(policy(pretty)), Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::films/a"}, Owner: "111122223333"},
			"s3:GetObject arn:aws:s3:::films/a: allowed; PolicyInputList.1 (none) #0 3:17-8:6",
		},
		{
			"several values",
			iam.Simulation{
				Principal: user(policy(doc(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}, "ForAnyValue:StringEquals": {"x.example:groups": "g"}}}`))),
				Actions:   create, Context: []iam.ContextEntry{{Key: "aws:TagKeys", Values: []string{"a", "b"}}, {Key: "x.example:groups", Values: []string{"f", "g"}}},
			},
			"mediaconvert:CreateJob *: allowed; PolicyInputList.1 (none) #0 1:41-2:182",
		},
	} {
		got, err := iam.Simulate(&c.s)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.want, brief(got)); diff != "" {
			t.Errorf("%s (-want +got): %s", c.name, diff)
		}
	}
}

// TestSimulateOrigins: the caller says where policies come from.
func TestSimulateOrigins(t *testing.T) {
	t.Parallel()
	p := ann()
	p.Policies = []*iam.Policy{read(t, iam.IdentityPolicy, "own", doc(allowAll)), read(t, iam.IdentityPolicy, "own", doc(allowAll))}
	got, err := iam.Simulate(&iam.Simulation{
		Principal: p, Actions: []string{"s3:ListAllMyBuckets"},
		Origins: map[*iam.Policy]iam.Origin{p.Policies[0]: {ID: "user_ann_own", Type: iam.FromUser}, p.Policies[1]: {ID: "group_g_own", Type: iam.FromGroup}},
	})
	if want := "s3:ListAllMyBuckets *: allowed; user_ann_own (user) All 1:41-2:68; group_g_own (group) All 1:41-2:68"; err != nil || brief(got) != want {
		t.Errorf("%v, %s", err, cmp.Diff(want, brief(got)))
	}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	entry := func(key, kind string, values ...string) iam.Simulation {
		return iam.Simulation{Actions: []string{"s3:ListAllMyBuckets"}, Context: []iam.ContextEntry{{Key: key, Type: kind, Values: values}}}
	}
	for _, c := range []struct {
		name string
		s    iam.Simulation
		want string
	}{
		{"no action", iam.Simulation{}, "0 pairs of an action and a resource; allowed: 1 to 10000"},
		{"too many", iam.Simulation{Actions: make([]string, 101), Resources: make([]string, 100)}, "10100 pairs of an action and a resource; allowed: 1 to 10000"},
		{"no action of a service", iam.Simulation{Actions: []string{"ListJobs"}}, `"ListJobs" is no action such as mediaconvert:CreateJob`},
		{"no ARN", iam.Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{"films/a"}}, `"films/a" is no ARN`},
		{"no principal", iam.Simulation{Principal: iam.Principal{Type: iam.User}, Actions: []string{"s3:GetObject"}}, "the request names no principal"},
		{"no key", entry("SourceIp", "", "x"), `"SourceIp" is no condition key such as aws:SourceIp`},
		{"no value", entry("aws:SourceIp", ""), "the condition key aws:SourceIp of type ip has 0 values"},
		{"several values", entry("aws:SourceIp", "", "203.0.113.7", "203.0.113.8"), "the condition key aws:SourceIp of type ip has 2 values"},
		{"several values of a type for one", entry("aws:TagKeys", "string", "a", "b"), "the condition key aws:TagKeys of type string has 2 values"},
		{"no type", entry("aws:SourceIp", "address", "203.0.113.7"), `the condition key aws:SourceIp has no type called "address"`},
		{"no address", entry("aws:SourceIp", "", "here"), `the condition key aws:SourceIp of type ip has the value "here": want an address such as 203.0.113.7`},
		{"no number", entry("s3:max-keys", "", "ten"), `the condition key s3:max-keys of type numeric has the value "ten": want a number such as 10 or 2.5`},
		{"no boolean", entry("aws:SecureTransport", "", "yes"), `the condition key aws:SecureTransport of type boolean has the value "yes": want true or false`},
		{"no date", entry("aws:CurrentTime", "", "now"), `the condition key aws:CurrentTime of type date has the value "now": want a date such as 2026-01-31T23:59:00Z, or seconds since 1970`},
		{"no base64", entry("x:y", "binaryList", "AAAA", "!"), `the condition key x:y of type binaryList has the value "!": want base64`},
	} {
		if _, err := iam.Simulate(&c.s); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	twice := entry("aws:SourceIp", "", "203.0.113.7")
	twice.Context = append(twice.Context, iam.ContextEntry{Key: "AWS:SourceIP", Values: []string{"203.0.113.8"}})
	if _, err := iam.Simulate(&twice); err == nil || err.Error() != "the condition key AWS:SourceIP is given twice" {
		t.Errorf("a key twice: %v", err)
	}
}

// TestSimulateAgrees: a simulation decides as the engine does.
func TestSimulateAgrees(t *testing.T) {
	t.Parallel()
	p := ann()
	p.Policies = []*iam.Policy{read(t, iam.IdentityPolicy, "dev", doc(allowTagged, `{"Effect": "Deny", "Action": "mediaconvert:CancelJob", "Resource": "*"}`))}
	for _, action := range iam.AllActions("mediaconvert") {
		r := &iam.Request{Principal: p, Check: iam.Check{Action: "mediaconvert:" + action, Resource: queueARN}, Now: noon, Context: set("aws:RequestTag/project", "a")}
		got, err := iam.Simulate(&iam.Simulation{
			Principal: p, Actions: []string{r.Check.Action}, Resources: []string{queueARN}, Now: noon,
			Context: []iam.ContextEntry{{Key: "aws:RequestTag/project", Values: []string{"a"}}},
		})
		if want := iam.Authorize(r); err != nil || got[0].Decision != want {
			t.Errorf("%s: %v, %v; want %v", action, got[0].Decision, err, want)
		}
	}
}
