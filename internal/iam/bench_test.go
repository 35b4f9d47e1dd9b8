package iam

import (
	"fmt"
	"strings"
	"testing"
)

// busy is a user with 10 policies of 20 statements each, and a request that only the last statement of the last policy allows. Statements are
// about six services, with several actions and resources each; every fourth has conditions, and every tenth denies something.
func busy(tb testing.TB) (*Request, literalPolicies) {
	tb.Helper()
	services := []struct{ name, actions, resource string }{
		{"s3", `"s3:GetObject","s3:GetObjectVersion","s3:ListBucket*"`, "arn:aws:s3:::studio-%d-*/masters/*"},
		{"mediaconvert", `"mediaconvert:CreateJob","mediaconvert:Get*","mediaconvert:List*","mediaconvert:CancelJob"`, "arn:aws:mediaconvert:*:111122223333:queues/team-%d-*"},
		{"iam", `"iam:GetRole","iam:PassRole","iam:ListAttached*"`, "arn:aws:iam::111122223333:role/team-%d/*"},
		{"kms", `"kms:Decrypt","kms:GenerateDataKey*","kms:DescribeKey"`, "arn:aws:kms:*:111122223333:key/%d*"},
		{"mediaconvert", `"mediaconvert:CreatePreset","mediaconvert:UpdatePreset","mediaconvert:TagResource"`, "arn:aws:mediaconvert:us-*-1:111122223333:presets/show-%d/*"},
		{"sts", `"sts:AssumeRole","sts:TagSession"`, "arn:aws:iam::111122223333:role/edit-%d-*"},
		{"logs", `"logs:PutLogEvents","logs:CreateLogStream"`, "arn:aws:logs:*:111122223333:log-group:/darkroom/%d/*"},
	}
	const conditions = `,"Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.0/24"]},"Bool":{"aws:SecureTransport":"true"}}`
	documents := make(literalPolicies)
	r := &Request{
		Principal: Principal{Type: User, Account: account, ARN: ann, Name: "ann", UserID: "AIDAEXAMPLEUSERID123", Tags: map[string]string{"team": "red", "cost": "7"}},
		Check: Check{
			Action: "mediaconvert:CreateJob", Resource: "arn:aws:mediaconvert:us-east-1:111122223333:queues/Default",
			Tags: map[string]string{"team": "blue"},
		},
		Now: start,
	}
	r.Context.Set("aws:SourceIp", "203.0.113.7")
	r.Context.Set("aws:SecureTransport", "true")
	r.Context.Set("aws:UserAgent", "aws-cli/2.15.0")
	n := 0
	for i := range 10 {
		var statements []string
		for j := range 20 {
			v := services[n%len(services)]
			effect, resource, condition := "Allow", fmt.Sprintf(v.resource, n), ""
			if n%10 == 9 {
				effect = "Deny"
			}
			if n%4 == 3 {
				// These are about the request's resource, so that their conditions are looked at.
				resource, condition = strings.Join(append(strings.SplitN(resource, ":", 6)[:5], "*"), ":"), conditions
			}
			if n == 199 {
				v.actions, effect, resource, condition = `"mediaconvert:CreateJob"`, "Allow", "arn:aws:mediaconvert:*:111122223333:queues/Def*", ""
			}
			statements = append(statements, fmt.Sprintf(`{"Sid":"S%dx%d","Effect":%q,"Action":[%s],"Resource":[%q,%q]%s}`, i, j, effect, v.actions, resource, resource+"-archive", condition))
			n++
		}
		text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",\n") + `]}`
		p, err := Parse(IdentityPolicy, fmt.Sprint("policy ", i), text)
		if err != nil {
			tb.Fatal(err)
		}
		documents[p] = text
		r.Principal.Policies = append(r.Principal.Policies, p)
	}
	return r, documents
}

func TestBusy(t *testing.T) {
	t.Parallel()
	r, documents := busy(t)
	if got, want := Authorize(r).String(), "allowed by identity-based policy policy 9 statement S9x19"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := literalAuthorize(r, documents); got != Allow {
		t.Errorf("the literal evaluator: got %v", got)
	}
}

// BenchmarkAuthorize decides for a principal with 10 policies of 20 statements. The goal is 200,000 decisions a second on one core, 5 µs each.
func BenchmarkAuthorize(b *testing.B) {
	r, _ := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		if !Authorize(r).Allowed() {
			b.Fatal("denied")
		}
	}
}

// BenchmarkLiteral is the peer of BenchmarkAuthorize: the same decision by the literal evaluator.
func BenchmarkLiteral(b *testing.B) {
	r, documents := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		if literalAuthorize(r, documents) != Allow {
			b.Fatal("denied")
		}
	}
}

// BenchmarkParse reads one of the policies.
func BenchmarkParse(b *testing.B) {
	r, documents := busy(b)
	text := documents[r.Principal.Policies[0]]
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(IdentityPolicy, "p", text); err != nil {
			b.Fatal(err)
		}
	}
}
