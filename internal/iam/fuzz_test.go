package iam

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: reading never panics and is bounded, and what was read is read again the same.
func FuzzParse(f *testing.F) {
	f.Add(1, of(allow("s3:*", "arn:aws:s3:::films/${aws:username, 'x'}/*", when("ForAllValues:StringLikeIfExists", "aws:TagKeys", `["a","b*"]`))))
	f.Add(1, `{"Statement":{"Effect":"Deny","NotAction":["s3:*"],"NotResource":"*","Sid":"A","Condition":{"NumericLessThan":{"s3:max-keys":10}}}}`)
	f.Add(2, of(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":["`+ann+`","111122223333"],"Service":"ec2.amazonaws.com"}}`))
	f.Add(3, of(`{"Effect":"Deny","Action":"*","Resource":"*","NotPrincipal":"*"}`))
	f.Add(1, `{"Version":"2012-10-17","\u0056ersion":1,"Statement":[{"a":[[[[[[[[[[1]]]]]]]]]]}]}`)
	f.Add(1, `{"Id":"\ud83d","Statement":[]}`)
	f.Fuzz(func(t *testing.T, kind int, document string) {
		p, err := Parse(Kind(kind), "p", document)
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v, %v", p, err)
		}
		if err != nil {
			faults := err.(*DocumentError).Faults
			if len(faults) == 0 || len(faults) > maxFaults || len(err.Error()) > maxFaults*(8*maxName*2+1000) {
				t.Fatalf("%d mistakes in %d bytes", len(faults), len(err.Error()))
			}
			for i, m := range faults {
				if m.Line < 1 || m.Column < 1 || !utf8.ValidString(m.Message) || i > 0 && (m.Line < faults[i-1].Line || m.Line == faults[i-1].Line && m.Column < faults[i-1].Column) {
					t.Fatalf("%v", faults)
				}
			}
			return
		}
		again, err := Parse(Kind(kind), "p", compact(document))
		if err != nil {
			t.Fatal(err)
		}
		// Without white space the same, but for lines.
		for i := range again.Statements {
			again.Statements[i].Line = p.Statements[i].Line
		}
		if got, want := said(again), said(p); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		// Whatever it says, deciding by it does not panic, and alone it is not enough for a stranger.
		r := &Request{Principal: aUser(), Check: Check{Action: "s3:GetObject", Resource: object, Owner: "999999999999", Policy: p}, Now: start}
		r.Principal.Policies = []*Policy{p}
		if d := Authorize(r); d.Allowed() {
			t.Errorf("got %v", d)
		}
	})
}

// said is what a policy says, for comparing.
func said(p *Policy) string {
	var b strings.Builder
	fmt.Fprint(&b, p.Kind, p.Version, p.ID)
	for i := range p.Statements {
		s := &p.Statements[i]
		fmt.Fprintf(&b, "\n%q %v %q %q %q %q %v %v %s %d", s.Sid, s.Effect, s.Actions, s.NotActions, s.Resources, s.NotResources, s.Principals, s.NotPrincipals, s.Path, s.Line)
		for _, c := range s.Conditions {
			fmt.Fprintf(&b, " %q %q %q", c.Operator, c.Key, c.Values)
		}
	}
	return b.String()
}

// FuzzAuthorize: on any document and request the package says what the literal evaluator says.
func FuzzAuthorize(f *testing.F) {
	f.Add(of(allow("s3:*", "arn:aws:s3:::films/*")), "s3:GetObject", object, "x:y", "z")
	f.Add(of(allow("*", "*", when("StringLike", "x:y", `"a${aws:username, 'x'}*"`))), "a:b", "*", "x:y", "aann")
	f.Add(of(deny("*", "*", when("ForAnyValue:NumericLessThan", "x:y", `[1,"2.5"]`))), "a:b", "*", "x:y", "2")
	f.Add(of(allow("*", "*", when("DateGreaterThan", "x:y", `"2026-01-01T00:00:00Z"`))), "a:b", "*", "x:y", "2026-01-01T00:00:00.5+01:00")
	f.Add(of(allow("*", "*", when("IpAddress", "x:y", `"203.0.113.0/24"`))), "a:b", "*", "x:y", "::ffff:203.0.113.1")
	f.Add(of(allow("*", "*", when("ArnNotLike", "x:y", `"arn:aws:iam::*:user/${x:y}"`))), "a:b", "*", "x:y", ann)
	f.Add(of(allow("*", "*", when("BinaryEquals", "x:y", `"QQ=="`))), "a:b", "*", "x:y", "QQ==")
	f.Add(`{"Statement":{"Effect":"Allow","NotAction":"s3:*","NotResource":"arn:aws:mediaconvert:*"}}`, "iam:GetUser", ann, "aws:TagKeys", "")
	f.Fuzz(func(t *testing.T, document, action, resource, key, value string) {
		if len(document) > 4000 || len(resource) > 300 || len(value) > 300 {
			return // the literal evaluator takes its time
		}
		p, err := Parse(IdentityPolicy, "p", document)
		if err != nil {
			return
		}
		r := &Request{Principal: aUser(), Check: Check{Action: action, Resource: resource, Owner: account}, Now: start}
		r.Principal.Policies = []*Policy{p}
		r.Context.Set(key, value)
		got := Authorize(r)
		if want := literalAuthorize(r, literalPolicies{p: document}); got.Effect != want {
			t.Errorf("got %v, want %v", got, want)
		}
		// With what denies everything it is denied, whatever the rest says.
		r.Principal.Policies = append(r.Principal.Policies, parsed(t, IdentityPolicy, "q", of(deny("*", "*"))))
		if Authorize(r).Allowed() {
			t.Error("allowed in spite of a Deny")
		}
	})
}
