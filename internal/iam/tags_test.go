package iam

import (
	"testing"
	"time"
)

func TestUsesResourceTags(t *testing.T) {
	t.Parallel()
	parse := func(statement string) *Policy {
		t.Helper()
		p, err := Parse(IdentityPolicy, "p", `{"Version":"2012-10-17","Statement":`+statement+`}`)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	plain := parse(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}/*","Condition":{"StringLike":{"aws:RequestTag/a":"${aws:PrincipalTag/a}"},"ArnLike":{"aws:SourceArn":"arn:aws:s3:::${aws:username}"}}}`)
	uses := map[string]*Policy{
		"a condition key":           parse(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"AWS:ResourceTag/team":"a"}}}`),
		"the key of IAM's own":      parse(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/team":"a"}}}`),
		"that it is there":          parse(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Null":{"aws:ResourceTag/team":"true"}}}`),
		"a variable of a resource":  parse(`{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::${aws:ResourceTag/team}/*"}`),
		"a variable of a condition": parse(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"${aws:ResourceTag/team}"}}}`),
		"a variable of an ARN":      parse(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::${aws:ResourceTag/team}"}}}`),
		"unreadable":                Unreadable("x"),
		"none":                      nil,
	}
	if p := (&Principal{Policies: []*Policy{plain}, Boundary: plain, Session: []*Policy{plain}, GuardRails: []*Policy{plain}}); p.UsesResourceTags() {
		t.Error("policies without tags of resources")
	}
	if (&Principal{}).UsesResourceTags() {
		t.Error("nobody")
	}
	for name, policy := range uses {
		for place, p := range map[string]Principal{
			"policies": {Policies: []*Policy{plain, policy}}, "session": {Session: []*Policy{policy}}, "guard rails": {GuardRails: []*Policy{plain, policy}}, "boundary": {Boundary: policy},
		} {
			if want := place != "boundary" || policy != nil; p.UsesResourceTags() != want {
				t.Errorf("%s, in %s: got %t", name, place, !want)
			}
		}
	}
}

// TestFactorOfARequest: a second factor that is shown with the request counts for that request, as one that was shown for the session does.
func TestFactorOfARequest(t *testing.T) {
	t.Parallel()
	trust, err := Parse(TrustPolicy, "t", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},"Action":"sts:AssumeRole",
		"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"60"}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name                 string
		issued, session, own time.Time
		now                  time.Time
		want                 bool
	}{
		{"no factor", time.Time{}, time.Time{}, time.Time{}, now, false},
		{"a session without a factor", now, time.Time{}, time.Time{}, now, false},
		{"with the request", time.Time{}, time.Time{}, now, now, true},
		{"with the session", now, now, time.Time{}, now, true},
		{"too long ago, with the session", now, now.Add(-time.Minute), time.Time{}, now, false},
		{"again with the request", now, now.Add(-time.Hour), now, now, true},
		{"nobody knows the time", time.Time{}, time.Time{}, now, time.Time{}, false},
	} {
		r := Request{
			Principal: Principal{Type: User, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ann", Issued: tt.issued, MFA: tt.session},
			Check:     Check{Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/R", Policy: trust, MFA: tt.own},
			Now:       tt.now,
		}
		if got := Authorize(&r).Allowed(); got != tt.want {
			t.Errorf("%s: got %t", tt.name, got)
		}
	}
}
