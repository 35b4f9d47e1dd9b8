package iam_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/iam"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	queueARN = "arn:aws:mediaconvert:eu-west-1:111122223333:queues/fast"
	roleARN  = "arn:aws:iam::111122223333:role/jobs"
	annARN   = "arn:aws:iam::111122223333:user/ann"
	oidcARN  = "arn:aws:iam::111122223333:oidc-provider/id.example.org"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// read parses a policy that a test needs.
func read(t testing.TB, kind iam.Kind, name, document string) *iam.Policy {
	t.Helper()
	p, err := iam.Parse(kind, name, document)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	return p
}

// doc is a document of the current version with statements.
func doc(statements ...string) string {
	return "{\"Version\": \"2012-10-17\", \"Statement\": [\n  " + strings.Join(statements, ",\n  ") + "\n]}"
}

// set makes a context of keys and values in turn; a key that is given again has several values.
func set(pairs ...string) iam.Context {
	var c iam.Context
	for i := 0; i < len(pairs); i += 2 {
		c.Set(pairs[i], pairs[i+1])
	}
	return c
}

// golden compares text with a part of a golden file, which -update writes.
type golden struct {
	path string
	want map[string]string
	got  []string
}

func newGolden(t *testing.T, name string) *golden {
	t.Helper()
	g := &golden{path: filepath.Join("testdata", name+".golden"), want: map[string]string{}}
	text, err := os.ReadFile(g.path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for _, part := range strings.Split("\n"+string(text), "\n=== ")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		g.want[head] = strings.TrimRight(body, "\n")
	}
	t.Cleanup(func() {
		if *update {
			if err := os.WriteFile(g.path, []byte(strings.Join(g.got, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	return g
}

func (g *golden) check(t *testing.T, name, got string) {
	t.Helper()
	got = strings.TrimRight(got, "\n")
	g.got = append(g.got, "=== "+name+"\n"+got+"\n")
	if want, ok := g.want[name]; !*update && (!ok || want != got) {
		t.Errorf("%s (-want +got): %s", name, cmp.Diff(want, got))
	}
}

func ann() iam.Principal {
	return iam.Principal{Type: iam.User, Account: "111122223333", ARN: annARN, Name: "ann", UserID: "AIDAANNANNANNANNANNA", Tags: map[string]string{"team": "news"}}
}

func session() iam.Principal {
	return iam.Principal{
		Type: iam.AssumedRole, Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/jobs/s", RoleARN: roleARN,
		UserID: "AROAJOBSJOBSJOBSJOBS:s", RoleID: "AROAJOBSJOBSJOBSJOBS",
	}
}

const (
	allowAll    = `{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}`
	allowTagged = `{"Sid": "Tagged", "Effect": "Allow", "Action": "mediaconvert:CreateJob", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/project": "a"}}}`
)

func TestExplain(t *testing.T) {
	t.Parallel()
	g := newGolden(t, "explain")
	identity := func(statements ...string) []*iam.Policy {
		return []*iam.Policy{read(t, iam.IdentityPolicy, "dev", doc(statements...))}
	}
	trust := func(statements ...string) *iam.Policy {
		return read(t, iam.TrustPolicy, "trust of jobs", doc(statements...))
	}
	// with is the condition of a statement that would otherwise allow.
	with := func(condition string) []*iam.Policy {
		return identity(`{"Effect": "Allow", "Action": "mediaconvert:CreateJob", "Resource": "*", "Condition": ` + condition + `}`)
	}
	createJob := iam.Check{Action: "mediaconvert:CreateJob", Resource: queueARN}
	assume := func(p *iam.Policy, action string) iam.Check {
		return iam.Check{Action: action, Resource: roleARN, Policy: p}
	}
	for _, c := range []struct {
		name string
		r    iam.Request
		set  func(r *iam.Request)
	}{
		{"nothing allows", iam.Request{Check: createJob}, nil},
		{"no resource", iam.Request{Check: iam.Check{Action: "mediaconvert:ListPresets", Resource: "*"}}, nil},
		{"resource with wildcards", iam.Request{Check: iam.Check{Action: "mediaconvert:TagResource", Resource: "arn:aws:mediaconvert:eu-west-1:111122223333:jobs/*"}}, nil},
		{"pass role", iam.Request{Check: iam.Check{Action: "iam:PassRole", Resource: roleARN, Context: set("iam:PassedToService", "mediaconvert.amazonaws.com")}}, nil},
		{"condition differs", iam.Request{Check: createJob, Context: set("aws:RequestTag/project", "b")}, func(r *iam.Request) {
			r.Principal.Policies = identity(allowTagged)
		}},
		{"condition absent", iam.Request{Check: createJob}, func(r *iam.Request) { r.Principal.Policies = identity(allowTagged) }},
		{"two conditions", iam.Request{Check: createJob, Context: set("aws:RequestedRegion", "us-east-1")}, func(r *iam.Request) {
			r.Principal.Policies = with(`{"StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "us-east-2"]}, "StringEquals": {"aws:username": "ann", "aws:PrincipalTag/team": "x"}}`)
		}},
		{"null", iam.Request{Check: createJob, Context: set("aws:RequestTag/a", "1")}, func(r *iam.Request) {
			r.Principal.Policies = with(`{"Null": {"aws:RequestTag/a": "true", "aws:RequestTag/b": "false", "aws:RequestTag/c": "true"}}`)
		}},
		{"sets", iam.Request{Check: createJob, Context: set("aws:TagKeys", "a", "aws:TagKeys", "b")}, func(r *iam.Request) {
			r.Principal.Policies = with(`{"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "c"]}, "ForAnyValue:StringLike": {"aws:TagKeys": "x*"}}`)
		}},
		{"several values", iam.Request{Check: createJob, Context: set("aws:TagKeys", "a", "aws:TagKeys", "b")}, func(r *iam.Request) {
			r.Principal.Policies = with(`{"StringEquals": {"aws:TagKeys": "a"}}`)
		}},
		{"unreadable", iam.Request{Check: createJob, Context: set("aws:SourceIp", "here")}, func(r *iam.Request) {
			r.Principal.Policies = with(`{"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}`)
		}},
		{"unreadable deny", iam.Request{Check: createJob, Context: set("aws:SourceIp", "here")}, func(r *iam.Request) {
			r.Principal.Policies = identity(allowAll, `{"Sid": "Away", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}`)
		}},
		{"variable without a value", iam.Request{Check: createJob, Context: set("aws:RequestTag/owner", "ann")}, func(r *iam.Request) {
			r.Principal.Policies = with(`{"StringEquals": {"aws:RequestTag/owner": "${aws:PrincipalTag/owner}"}, "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/${aws:SourceIdentity}"}}`)
		}},
		{"resource variable without a value", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal.Policies = identity(`{"Effect": "Allow", "Action": "mediaconvert:*", "Resource": ["arn:aws:mediaconvert:*:*:queues/${aws:PrincipalTag/queue}", "arn:aws:mediaconvert:*:*:queues/${aws:username}", "arn:aws:s3:::x"]}`)
		}},
		{"other actions", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal.Policies = identity(
				`{"Effect": "Allow", "Action": ["mediaconvert:GetQueue", "mediaconvert:UpdateQueue"], "Resource": "`+queueARN+`"}`,
				`{"Effect": "Allow", "NotAction": "mediaconvert:*", "Resource": "arn:aws:mediaconvert:*:*:queues/*"}`,
				`{"Effect": "Allow", "Action": "mediaconvert:GetQueue", "Resource": "*"}`,
				`{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:mediaconvert:*:*:*"}`,
			)
		}},
		{"other resources", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal.Policies = identity(
				`{"Effect": "Allow", "Action": "mediaconvert:*", "Resource": ["arn:aws:mediaconvert:*:*:presets/*", "arn:aws:mediaconvert:*:*:jobs/*", "arn:aws:mediaconvert:*:*:queues/a", "arn:aws:mediaconvert:*:*:queues/b", "arn:aws:mediaconvert:*:*:queues/c"]}`,
				`{"Effect": "Allow", "Action": "mediaconvert:*", "NotResource": "arn:aws:mediaconvert:*:*:queues/*"}`,
				`{"Sid": "Elsewhere", "Effect": "Deny", "Action": "mediaconvert:*", "Resource": "arn:aws:mediaconvert:*:*:queues/slow"}`,
				`{"Effect": "Deny", "Action": "mediaconvert:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`,
			)
		}},
		{"many statements", iam.Request{Check: createJob}, func(r *iam.Request) {
			many := make([]string, 14)
			for i := range many {
				many[i] = fmt.Sprintf(`{"Effect": "Allow", "Action": "mediaconvert:CreateJob", "Resource": "arn:aws:mediaconvert:*:*:queues/q%d"}`, i)
			}
			r.Principal.Policies = identity(many...)
		}},
		{"explicit deny", iam.Request{Check: createJob, Context: set("aws:RequestedRegion", "us-east-1")}, func(r *iam.Request) {
			r.Principal.Policies = identity(allowAll, `{"Sid": "NotHere", "Effect": "Deny", "Action": "mediaconvert:Create*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}`,
				`{"Sid": "Never", "Effect": "Deny", "Action": "mediaconvert:CreateJob", "Resource": "*"}`)
		}},
		{"boundary lacks", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal.Policies = identity(allowAll)
			r.Principal.Boundary = read(t, iam.IdentityPolicy, "limits", doc(`{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`))
		}},
		{"everything lacks", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal = session()
			r.Principal.GuardRails = []*iam.Policy{}
			r.Principal.Boundary = read(t, iam.IdentityPolicy, "limits", doc(`{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`))
			r.Principal.Session = []*iam.Policy{}
		}},
		{"unreadable policy", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal.Policies = append(identity(allowAll), iam.Unreadable("broken"))
		}},
		{"other account", iam.Request{Check: iam.Check{Action: "mediaconvert:CreateJob", Resource: "arn:aws:mediaconvert:eu-west-1:999988887777:queues/fast"}}, nil},
		{"nobody's", iam.Request{Check: iam.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::films/a"}}, nil},
		{"no principal", iam.Request{Check: createJob}, func(r *iam.Request) { r.Principal = iam.Principal{} }},
		{"no ARN", iam.Request{Check: iam.Check{Action: "mediaconvert:CreateJob", Resource: "queues/fast"}}, nil},
		{"no action", iam.Request{Check: iam.Check{Action: "CreateJob", Resource: queueARN}}, nil},
		{"no pattern can name the resource", iam.Request{Check: iam.Check{Action: "x:Y", Resource: "arn:aws:x*:::y", Owner: "111122223333"}}, nil},
		{"allowed", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal.Policies = identity(`{"Effect": "Allow", "Action": "mediaconvert:*", "Resource": "arn:aws:mediaconvert:*:*:presets/*"}`, allowAll)
		}},
		{"root", iam.Request{Check: createJob}, func(r *iam.Request) {
			r.Principal = iam.Principal{Type: iam.Root, Account: "111122223333", ARN: "arn:aws:iam::111122223333:root"}
		}},
		{"root assumes", iam.Request{Check: assume(trust(`{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}`), "sts:AssumeRole")}, func(r *iam.Request) {
			r.Principal = iam.Principal{Type: iam.Root, Account: "111122223333", ARN: "arn:aws:iam::111122223333:root"}
		}},
		{"trust of others", iam.Request{Check: assume(trust(`{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:user/bob", "arn:aws:iam::111122223333:role/x"], "Service": "mediaconvert.amazonaws.com"}, "Action": "sts:AssumeRole"}`,
			`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/bob"}, "Action": "sts:TagSession"}`), "sts:AssumeRole")}, func(r *iam.Request) {
			r.Check.Context = set("sts:ExternalId", "x$1")
		}},
		{"trust of the account", iam.Request{Check: assume(trust(`{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}`), "sts:AssumeRole")}, nil},
		{"no trust", iam.Request{Check: assume(nil, "sts:AssumeRole")}, func(r *iam.Request) { r.Principal = session() }},
		{"no trust, and no role known", iam.Request{Check: assume(nil, "sts:AssumeRole")}, func(r *iam.Request) {
			r.Principal = session()
			r.Principal.RoleARN = ""
		}},
		{"trust of a service", iam.Request{Check: assume(trust(`{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}`), "sts:AssumeRole")}, func(r *iam.Request) {
			r.Principal = iam.Principal{Type: iam.Service, Name: "mediaconvert.amazonaws.com"}
			r.Check.Context = set("aws:SourceAccount", "111122223333", "aws:SourceArn", queueARN)
		}},
		{"trust of a web identity", iam.Request{Check: assume(trust(`{"Effect": "Allow", "Principal": {"Federated": "`+oidcARN+`"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"id.example.org:sub": "repo:b"}}}`), "sts:AssumeRoleWithWebIdentity")}, func(r *iam.Request) {
			r.Principal = iam.Principal{Type: iam.WebIdentity, Account: "111122223333", Name: oidcARN}
			r.Check.Context = set("id.example.org:aud", "darkroom", "id.example.org:sub", "repo:a")
		}},
		{"key policy", iam.Request{Check: iam.Check{Action: "kms:Decrypt", Resource: "arn:aws:kms:eu-west-1:111122223333:key/k"}}, func(r *iam.Request) {
			r.Check.Policy = read(t, iam.ResourcePolicy, "policy of k", doc(`{"Effect": "Deny", "NotPrincipal": {"AWS": ["`+annARN+`", "111122223333"]}, "Action": "kms:*", "Resource": "*"}`))
		}},
		{"a name that no policy can have", iam.Request{Check: assume(nil, "sts:AssumeRole")}, func(r *iam.Request) { r.Principal.ARN = "AIDAXXXXXXXXXXXXXXXX" }},
	} {
		c.r.Now = noon
		if c.r.Principal.Type == 0 {
			c.r.Principal = ann()
		}
		if c.set != nil {
			c.set(&c.r)
		}
		x := iam.Explain(&c.r)
		if want := iam.Authorize(&c.r); x.Decision != want {
			t.Errorf("%s: decision %v, want that of Authorize: %v", c.name, x.Decision, want)
		}
		g.check(t, c.name, x.String())
		allowedByRemedies(t, c.name, c.r, x.Remedies)
	}
}

// allowedByRemedies: what Explain proposes allows the request, and no statement of it is needless.
func allowedByRemedies(t *testing.T, name string, r iam.Request, remedies []iam.Remedy) {
	t.Helper()
	if len(remedies) == 0 {
		return
	}
	apply := func(skip int) iam.Decision {
		q := r
		for i, m := range remedies {
			if i == skip {
				continue
			}
			kind := iam.IdentityPolicy
			if m.Source == iam.Resource {
				kind = iam.ResourcePolicy
			}
			if m.Source == iam.Resource && strings.HasPrefix(r.Check.Action, "sts:") {
				kind = iam.TrustPolicy
			}
			p := read(t, kind, "remedy", doc(m.Statement))
			switch m.Source {
			case iam.Identity:
				q.Principal.Policies = append(q.Principal.Policies, p)
			case iam.Session:
				q.Principal.Session = append(q.Principal.Session, p)
			case iam.GuardRail:
				q.Principal.GuardRails = append(q.Principal.GuardRails, p)
			case iam.Boundary:
				q.Principal.Boundary = p
			case iam.Resource:
				q.Check.Policy = p
			}
		}
		return iam.Authorize(&q)
	}
	if d := apply(-1); !d.Allowed() {
		t.Errorf("%s: with all remedies: %v", name, d)
	}
	for i := range remedies {
		if d := apply(i); d.Allowed() {
			t.Errorf("%s: allowed without remedy %d", name, i)
		}
	}
}

// TestExplanationIsData: what the words say can be read from the structure, by an API too.
func TestExplanationIsData(t *testing.T) {
	t.Parallel()
	r := &iam.Request{Principal: ann(), Check: iam.Check{Action: "mediaconvert:CreateJob", Resource: queueARN}, Now: noon}
	r.Principal.Policies = []*iam.Policy{read(t, iam.IdentityPolicy, "dev", doc(allowTagged))}
	got, err := json.MarshalIndent(iam.Explain(r), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	newGolden(t, "explanation").check(t, "json", string(got))
}
