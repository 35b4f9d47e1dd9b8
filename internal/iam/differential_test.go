package iam

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// generator makes policies and requests from few words, so that they meet.
type generator struct {
	*rand.Rand
	t         *testing.T
	documents literalPolicies
	names     int
}

func newGenerator(t *testing.T, seed uint64) *generator {
	return &generator{rand.New(rand.NewPCG(seed, 1)), t, make(literalPolicies), 0}
}

func (g *generator) one(from ...string) string { return from[g.IntN(len(from))] }

// some is one of the values or a list of several.
func (g *generator) some(from ...string) any {
	if g.IntN(3) > 0 {
		return g.one(from...)
	}
	out := make([]any, 1+g.IntN(3))
	for i := range out {
		out[i] = g.one(from...)
	}
	return out
}

// conditions are operators with keys and values that suit them. Values after the bar are such as a request has.
var conditions = []struct {
	operators []string
	keys      []string
	wanted    []string
}{
	{
		[]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"},
		[]string{"aws:username", "aws:PrincipalTag/team", "aws:ResourceTag/team", "aws:TagKeys", "s3:prefix", "AWS:requesttag/TEAM", "aws:PrincipalType"},
		[]string{
			"ann", "Ann", "a*", "a?n", "red", "RED", "r*", "blue", "", "*", "${aws:username}", "${aws:PrincipalTag/team}", "${aws:ResourceTag/team, 'red'}", "${*}",
			"${aws:TagKeys}", "${aws:username}*", "?${s3:prefix, 'nn'}", "Us*", "home/${aws:username}", "r${?}d",
		},
	},
	{
		[]string{
			"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
		},
		[]string{"s3:max-keys", "aws:MultiFactorAuthAge", "aws:EpochTime"},
		[]string{"10", "10.0", "9", "-1", "60", "1767225600"},
	},
	{
		[]string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"},
		[]string{"aws:CurrentTime", "aws:TokenIssueTime", "x:date"},
		[]string{"2026-01-01T00:00:00Z", "2026", "1767225600", "2025-12-31T23:00-01:00", "2027-06"},
	},
	{[]string{"Bool"}, []string{"aws:SecureTransport", "aws:MultiFactorAuthPresent", "aws:PrincipalIsAWSService", "x:flags"}, []string{"true", "false", "True"}},
	{[]string{"Null"}, []string{"aws:TokenIssueTime", "aws:username", "aws:TagKeys", "s3:prefix"}, []string{"true", "false"}},
	{[]string{"BinaryEquals"}, []string{"x:binary"}, []string{"QQ==", "QUI=", ""}},
	{[]string{"IpAddress", "NotIpAddress"}, []string{"aws:SourceIp"}, []string{"203.0.113.0/24", "203.0.113.7", "2001:db8::/32", "0.0.0.0/0", "::/0"}},
	{
		[]string{"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"},
		[]string{"aws:PrincipalArn", "aws:SourceArn"},
		[]string{
			"arn:aws:iam::111122223333:user/ann", "arn:aws:iam::*:role/*", "arn:*:*:*:*:*", "arn:aws:iam::111122223333:*/${aws:username}",
			"arn:aws:mediaconvert:*:${aws:PrincipalAccount}:queues/*",
		},
	},
}

// had are values of condition keys in requests, some of which cannot be read.
var had = map[string][]string{
	"s3:prefix":           {"ann", "home/ann", "a*", "", "r?d", "\xff"},
	"s3:max-keys":         {"10", "9", "11", "ten", "1e1", "010"},
	"aws:RequestTag/team": {"red", "blue", ""},
	"aws:SecureTransport": {"true", "false", "maybe"},
	"aws:SourceIp":        {"203.0.113.7", "203.0.114.1", "::ffff:203.0.113.9", "2001:db8::1", "nowhere"},
	"aws:SourceArn":       {"arn:aws:mediaconvert:us-east-1:111122223333:queues/Default", "arn:aws:sns:us-east-1:111122223333:t", "no ARN"},
	"x:date":              {"2026", "2026-01-01", "1767225600", "yesterday"},
	"x:binary":            {"QQ==", "QUI=", "?"},
	"x:flags":             {"true", "false"},
}

func (g *generator) condition() (operator, key string, values any) {
	c := conditions[g.IntN(len(conditions))]
	operator = g.one(c.operators...)
	if operator != "Null" {
		switch g.IntN(6) {
		case 0:
			operator = "ForAllValues:" + operator
		case 1:
			operator = "ForAnyValue:" + operator
		}
		if g.IntN(4) == 0 {
			operator += "IfExists"
		}
	}
	return operator, g.one(c.keys...), g.some(c.wanted...)
}

const (
	ann     = "arn:aws:iam::111122223333:user/ann"
	role    = "arn:aws:iam::111122223333:role/R"
	session = "arn:aws:sts::111122223333:assumed-role/R/s"
	issuer  = "arn:aws:iam::111122223333:oidc-provider/id.example"
	service = "mediaconvert.amazonaws.com"
)

func (g *generator) statement(kind Kind) map[string]any {
	s := map[string]any{"Effect": g.one("Allow", "Allow", "Deny")}
	action, resource := g.one("Action", "Action", "Action", "NotAction"), g.one("Resource", "Resource", "Resource", "NotResource")
	if kind == TrustPolicy {
		s[action] = g.some("sts:AssumeRole", "sts:*", "*", "sts:AssumeRoleWithWebIdentity", "sts:Assume*", "STS:tagsession")
	} else {
		s[action] = g.some("*", "s3:*", "s3:Get*", "S3:getobject", "s3:PutObject", "s3:?etObject", "mediaconvert:*", "mediaconvert:CreateJob", "iam:PassRole", "sts:*", "kms:Decrypt")
		s[resource] = g.some(
			"*", "arn:aws:s3:::films/*", "arn:aws:s3:::*", "arn:aws:s3:::films/raw/one.mov", "arn:aws:s3:::films/${aws:username}/*", "arn:aws:s3:::${aws:PrincipalTag/team, 'films'}/*",
			"arn:aws:mediaconvert:*:111122223333:queues/*", "arn:*:mediaconvert:us-east-1:*:*", "arn:aws:mediaconvert", "arn:aws:iam::111122223333:role/R", "arn:aws:s3:::films/${aws:TagKeys}",
			"arn:aws:kms:*:*:key/?", "arn:aws:s3:::fil?s/*/*.mov",
		)
	}
	if kind != IdentityPolicy {
		element := "Principal"
		if s["Effect"] == "Deny" && kind == ResourcePolicy && g.IntN(2) == 0 {
			element = "NotPrincipal"
		}
		principals := make(map[string]any)
		if g.IntN(5) > 0 {
			principals["AWS"] = g.some("111122223333", "arn:aws:iam::111122223333:root", ann, role, session, "*", "999999999999", "AROAEXAMPLEROLEID123", "AIDAEXAMPLEUSERID123")
		}
		if len(principals) == 0 || g.IntN(3) == 0 {
			principals["Service"] = g.some(service, "s3.amazonaws.com")
		}
		if g.IntN(4) == 0 {
			principals["Federated"] = issuer
		}
		s[element] = principals
		if g.IntN(6) == 0 {
			s[element] = "*"
		}
	}
	if g.IntN(2) == 0 {
		block := make(map[string]any)
		for range 1 + g.IntN(2) {
			operator, key, values := g.condition()
			block[operator] = map[string]any{key: values}
		}
		s["Condition"] = block
	}
	return s
}

func (g *generator) parse(kind Kind, statements ...any) *Policy {
	document := map[string]any{"Statement": statements}
	if g.IntN(8) > 0 {
		document["Version"] = g.one("2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17")
	}
	return g.parseDocument(kind, document)
}

func (g *generator) parseDocument(kind Kind, document map[string]any) *Policy {
	g.t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		g.t.Fatal(err)
	}
	g.names++
	p, err := Parse(kind, fmt.Sprint("policy ", g.names), string(text))
	if err != nil {
		g.t.Fatalf("%s\n%v", text, err)
	}
	g.documents[p] = string(text)
	return p
}

func (g *generator) policy(kind Kind) *Policy {
	if g.IntN(60) == 0 {
		return Unreadable("garbage")
	}
	statements := make([]any, 1+g.IntN(3))
	for i := range statements {
		statements[i] = g.statement(kind)
	}
	return g.parse(kind, statements...)
}

// policies are up to most policies; nil, or an empty list, among them.
func (g *generator) policies(most int) []*Policy {
	out := make([]*Policy, g.IntN(most+1))
	for i := range out {
		out[i] = g.policy(IdentityPolicy)
	}
	return out
}

// request is a principal with policies who asks something.
func (g *generator) request() *Request {
	clear(g.documents)
	r := &Request{Principal: g.principal()}
	g.ask(r)
	return r
}

// start is when everything happens.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (g *generator) tags() map[string]string {
	return []map[string]string{nil, {"team": "red"}, {"Team": "ann"}, {"team": ""}, {"team": "red", "TEAM": "blue"}, {"team": "films"}}[g.IntN(6)]
}

func (g *generator) principal() Principal {
	p := Principal{Account: account, Tags: g.tags(), Policies: g.policies(3)}
	switch g.IntN(8) {
	case 0:
		p.Type, p.ARN, p.UserID = Root, "arn:aws:iam::111122223333:root", account
	case 1, 2, 3:
		p.Type, p.ARN, p.Name, p.UserID = User, ann, "ann", "AIDAEXAMPLEUSERID123"
	case 4, 5:
		p.Type, p.ARN, p.RoleARN, p.RoleID, p.UserID, p.Issued = AssumedRole, session, role, "AROAEXAMPLEROLEID123", "AROAEXAMPLEROLEID123:s", start.Add(-time.Hour)
	case 6:
		p = Principal{Type: Service, Name: service}
	case 7:
		p = Principal{Type: WebIdentity, Account: account, Name: issuer}
	}
	if g.IntN(3) == 0 && p.Type < Service {
		p.Issued, p.MFA = start.Add(-time.Hour), start.Add(-time.Minute)
	}
	if g.IntN(3) == 0 {
		p.Boundary = g.policy(IdentityPolicy)
	}
	if g.IntN(3) == 0 {
		p.Session = g.policies(2)
	}
	if g.IntN(3) == 0 {
		p.GuardRails = g.policies(2)
	}
	return p
}

// ask gives a request another question.
func (g *generator) ask(r *Request) {
	*r = Request{Principal: r.Principal, Now: start}
	if g.IntN(20) == 0 {
		r.Now = time.Time{}
	}
	c := &r.Check
	*c = Check{Action: g.one("s3:GetObject", "s3:GetObject", "s3:PutObject"), Resource: "arn:aws:s3:::" + g.one("films/raw/one.mov", "films/ann/x", "red/y", "films/a"), Owner: account, Tags: g.tags()}
	kind := ResourcePolicy
	switch g.IntN(8) {
	case 0, 1:
		c.Action, c.Resource = "mediaconvert:CreateJob", "arn:aws:mediaconvert:us-east-1:111122223333:queues/Default"
	case 2:
		c.Action, c.Resource = "iam:PassRole", role
	case 3, 4:
		c.Action, c.Resource, kind = g.one("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession"), role, TrustPolicy
	case 5:
		c.Action, c.Resource = "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k"
	}
	switch g.IntN(20) {
	case 0:
		c.Resource = "*"
	case 1:
		c.Resource = "arn:aws:mediaconvert:us-east-1:999999999999:queues/Default"
	case 2:
		c.Owner = ""
	}
	if g.IntN(2) == 0 || kind == TrustPolicy && g.IntN(8) > 0 {
		c.Policy = g.policy(kind)
	}
	for _, k := range slices.Sorted(maps.Keys(had)) {
		if g.IntN(3) > 0 {
			context := &r.Context
			if g.IntN(2) == 0 {
				context = &c.Context
			}
			context.Set(k, g.one(had[k]...))
			if g.IntN(8) == 0 {
				context.Set(k, g.one(had[k]...))
			}
		}
	}
	if g.IntN(2) == 0 {
		for range 1 + g.IntN(2) {
			c.Context.Set("aws:TagKeys", g.one("red", "blue", "ann", ""))
		}
	}
	if g.IntN(10) == 0 {
		r.Assumed.Set("aws:username", "ann")
	}
}

func (g *generator) show(r *Request) string {
	var out string
	say := func(what string, policies ...*Policy) {
		for _, p := range policies {
			out += fmt.Sprintf("%s (%d): %s\n", what, p.Kind, g.documents[p])
		}
	}
	say("identity", r.Principal.Policies...)
	say("session", r.Principal.Session...)
	say("guard rail", r.Principal.GuardRails...)
	if r.Principal.Boundary != nil {
		say("boundary", r.Principal.Boundary)
	}
	if r.Check.Policy != nil {
		say("resource", r.Check.Policy)
	}
	q := *r
	q.Principal.Policies, q.Principal.Session, q.Principal.GuardRails = nil, nil, nil
	return out + fmt.Sprintf("%+v", q)
}

// cases is how many requests a run decides.
const cases = 20000

// TestAgreesWithLiteral: the package and the literal evaluator say the same.
func TestAgreesWithLiteral(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, 1)
	seen := make(map[string]int)
	var r *Request
	for i := range cases {
		if i%4 == 0 {
			r = g.request()
		} else {
			g.ask(r)
		}
		got, want := Authorize(r), literalAuthorize(r, g.documents)
		if got.Effect != want {
			t.Fatalf("got %v, want %v\n%s", got, want, g.show(r))
		}
		seen[fmt.Sprint(got.Effect, " ", got.Source)]++

		// Looking at every statement, as explaining does, changes nothing.
		looked := 0
		if traced := authorize(r, func(Source, *Policy, *Statement, miss) { looked++ }); traced != got {
			t.Fatalf("traced: got %v, want %v\n%s", traced, got, g.show(r))
		}
	}
	// Every way to be decided must have been met often enough to mean something.
	for _, s := range []string{
		"Allow root", "Allow identity-based policy", "Allow resource-based policy",
		"Deny identity-based policy", "Deny permissions boundary", "Deny session policy", "Deny service control policy", "Deny resource-based policy",
		Effect(0).String() + " identity-based policy", Effect(0).String() + " permissions boundary", Effect(0).String() + " session policy",
		Effect(0).String() + " service control policy", Effect(0).String() + " resource-based policy", Effect(0).String() + " unreadable policy",
		Effect(0).String() + " other account", Effect(0).String() + " root",
	} {
		if seen[s] < 50 {
			t.Errorf("only %d requests were decided as %q", seen[s], s)
		}
	}
	t.Log(seen)
}
