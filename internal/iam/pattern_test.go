package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestActions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pattern, action string
		want                  bool
	}{
		{"everything", "*", "s3:GetObject", true},
		{"of a service", "s3:*", "s3:GetObject", true},
		{"of another service", "s3:*", "s3express:GetObject", false},
		{"of a service that begins so", "s3express:*", "s3:GetObject", false},
		{"the same", "s3:GetObject", "s3:GetObject", true},
		{"in other case", "S3:getobject", "s3:GetObject", true},
		{"asked in other case", "s3:GetObject", "S3:GETOBJECT", true},
		{"wildcards in other case", "s3:GET*", "s3:GetObject", true},
		{"a longer name", "s3:GetObject", "s3:GetObjectAcl", false},
		{"a shorter name", "s3:GetObjectAcl", "s3:GetObject", false},
		{"a wildcard behind", "s3:Get*", "s3:PutObject", false},
		{"a wildcard before", "s3:*Object", "s3:DeleteObject", true},
		{"a wildcard before, not met", "s3:*Object", "s3:GetObjectAcl", false},
		{"a wildcard within", "iam:*AccessKey*", "iam:CreateAccessKey", true},
		{"a question mark", "s3:Get?bject", "s3:GetObject", true},
		{"a question mark is one", "s3:Get?Object", "s3:GetObject", false},
		{"dash and underscore", "execute-api:In_*", "execute-api:In_voke", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := asks(t, allow(tt.pattern, "*"))
			r.Check.Action = tt.action
			if got := Authorize(r).Allowed(); got != tt.want {
				t.Errorf("Action %q on %q: got %v, want %v", tt.pattern, tt.action, got, tt.want)
			}
			r.Principal.Policies = named(t, "p", of(`{"Effect":"Allow","NotAction":"`+tt.pattern+`","Resource":"*"}`))
			if got := Authorize(r).Allowed(); got == tt.want {
				t.Errorf("NotAction %q on %q: got %v, want %v", tt.pattern, tt.action, got, !tt.want)
			}
		})
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	role := "arn:aws:iam::" + account + ":role/path/R"
	tests := []struct {
		pattern, resource string
		want              bool
	}{
		{"*", object, true},
		{"*", "*", true},
		{object, object, true},
		{object, object + "x", false},
		{object + "x", object, false},
		{object, "*", false},
		{"arn:aws:s3:::*", "*", false}, // a request that names no resource is met by * alone
		{"arn:aws:s3:*:*:*", "*", false},
		{"arn:aws:s3:::films/*", object, true},
		{"arn:aws:s3:::films/*.mov", object, true},
		{"arn:aws:s3:::films/*/one.mov", object, true},
		{"arn:aws:s3:::films/*/raw/*", object, false},
		{"arn:aws:s3:::films/???/one.mov", object, true},
		{"arn:aws:s3:::films/??/one.mov", object, false},
		{"arn:aws:s3:::films", object, false},
		{"arn:aws:s3:::films/", object, false},
		{"arn:aws:s3:::film/*", object, false},
		{"arn:aws:s3:::films*", object, true},
		{"arn:aws:s3:::Films/*", object, false}, // resources are about case
		{"arn:AWS:s3:::films/*", object, false},
		{"arn:aws:S3:::films/*", object, false},
		{"arn:*:s3:::films/*", object, true},
		{"arn:aws-*:s3:::films/*", object, false},
		{"arn:aws:s3express:::films/*", object, false},

		// What is missing of an ARN is completed by wildcards.
		{"arn:aws:s3", object, true},
		{"arn:aws:s3:*", object, true},
		{"arn:aws:s3:", object, true},
		{"arn:aws:s3:eu", object, false},
		{"arn:aws:s3::", object, true},
		{"arn:aws:s3::" + account, object, false},
		{"arn:aws:mediaconvert:us-east-1", queue, true},
		{"arn:aws:mediaconvert:us-east-1:*", queue, true},
		{"arn:aws:mediaconvert:us-east-2:*", queue, false},
		{"arn:aws:mediaconvert", object, false},

		// Parts are matched one by one.
		{"arn:aws:mediaconvert:*:" + account + ":queues/*", queue, true},
		{"arn:aws:mediaconvert:us-*-1:" + account + ":queues/Default", queue, true},
		{"arn:aws:mediaconvert:*:*:jobs/*", queue, false},
		{"arn:aws:mediaconvert:*:queues/*", queue, false}, // queues/* is the account here
		{"arn:aws:mediaconvert:*", queue, true},
		{"arn:aws:mediaconvert::*:queues/Default", queue, false},
		{"arn:aws:mediaconvert:*:1*3:queues/Default", queue, true},
		{"arn:aws:mediaconvert:*:99*:queues/Default", queue, false},
		{"arn:aws:mediaconvert:?????????:*:queues/Default", queue, true},
		{"arn:aws:iam::*:role/R", role, false},
		{"arn:aws:iam::*:role/*/R", role, true},
		{"arn:aws:iam::*:role*R", role, true},
		{"arn:aws:s3:::films/a:b", "arn:aws:s3:::films/a:b", true},
		{"arn:aws:s3:::films/*", "arn:aws:s3:::films/a:b/c*d", true},
		{"arn:aws:s3:::*:b", "arn:aws:s3:::films/a:b", true},
		{"arn:aws:s3:::films/a:c", "arn:aws:s3:::films/a:b", false},
		{"arn:aws:s3:::films/*b", "arn:aws:s3:::films/a*", false}, // what is asked for is no pattern
		{"arn:aws:s3:::films/a", "arn:aws:s3:::films/*", false},
		{"arn:aws:s3:::films/?", "arn:aws:s3:::films/é", true},
		{"arn:aws:s3:::films/??", "arn:aws:s3:::films/é", false},
		{"arn:aws:s3:::films/\u00e9", "arn:aws:s3:::films/e\u0301", false}, // composed and decomposed
		{"arn:aws:s3:::films/../secret", "arn:aws:s3:::secret", false},
		{"arn:aws:s3:::films/%2a", "arn:aws:s3:::films/*", false},

		// Variables
		{"arn:aws:s3:::films/${aws:username}/*", "arn:aws:s3:::films/ann/x", true},
		{"arn:aws:s3:::films/${aws:username}/*", "arn:aws:s3:::films/bob/x", false},
		{"arn:aws:s3:::films/${aws:username}/*", "arn:aws:s3:::films/anna/x", false},
		{"arn:aws:s3:::films/${aws:username}", "arn:aws:s3:::films/ann", true},
		{"arn:aws:s3:::films/${aws:username}", "arn:aws:s3:::films/ANN", false},
		{"arn:aws:s3:::films/${aws:username}", "arn:aws:s3:::films/${aws:username}", false},
		{"arn:aws:s3:::${aws:PrincipalTag/team, 'films'}/*", object, true},
		{"arn:aws:s3:::${aws:PrincipalTag/star}", object, false}, // its value is a star
		{"arn:aws:s3:::films/${aws:PrincipalTag/star}", "arn:aws:s3:::films/*", true},
		{"arn:aws:s3:::films/${*}", object, false},
		{"arn:aws:s3:::films/${*}", "arn:aws:s3:::films/*", true},
		{"arn:aws:s3:::films/${?}", "arn:aws:s3:::films/x", false},
		{"arn:aws:s3:::films/${$}", "arn:aws:s3:::films/$", true},
		{"arn:aws:s3:::a${aws:username}*${aws:userid}", "arn:aws:s3:::aann", false},
		{"arn:*:iam::*:role/${aws:username}*", role, false},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" on "+tt.resource, func(t *testing.T) {
			t.Parallel()
			r := asks(t, allow("*", tt.pattern))
			r.Check.Resource = tt.resource
			r.Principal.Tags = map[string]string{"star": "*"}
			if got := Authorize(r).Allowed(); got != tt.want {
				t.Errorf("Resource: got %v, want %v", got, tt.want)
			}
			r.Principal.Policies = named(t, "p", of(`{"Effect":"Allow","Action":"*","NotResource":"`+tt.pattern+`"}`))
			if got := Authorize(r).Allowed(); got == tt.want {
				t.Errorf("NotResource: got %v, want %v", got, !tt.want)
			}
		})
	}
}

// TestResourcesInDoubt: a pattern with a variable that has no value matches no resource. With NotResource, and where a variable cannot be read, that
// must not let anybody in: an Allow does not apply, and a Deny does.
func TestResourcesInDoubt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, element, patterns string
		allows, denies          bool
	}{
		{"no value", "Resource", `"arn:aws:s3:::films/${x:absent}*"`, false, false},
		{"an empty value", "Resource", `"arn:aws:s3:::films/${aws:PrincipalTag/empty}*"`, false, false},
		{"several values", "Resource", `"arn:aws:s3:::films/${x:several}*"`, false, true},
		{"no text", "Resource", `"arn:aws:s3:::films/${x:binary}*"`, false, true},
		{"no value, and a match", "Resource", `["arn:aws:s3:::films/${x:absent}","arn:aws:s3:::films/*"]`, true, true},
		{"several values, and a match", "Resource", `["arn:aws:s3:::films/${x:several}","arn:aws:s3:::films/*"]`, true, true},
		{"several values of another service", "Resource", `"arn:aws:sns:::${x:several}*"`, false, false},
		{"no value", "NotResource", `"arn:aws:s3:::films/${x:absent}*"`, false, true},
		{"several values", "NotResource", `"arn:aws:s3:::films/${x:several}*"`, false, true},
		{"no text", "NotResource", `"arn:aws:s3:::films/${x:binary}*"`, false, true},
		{"no value, and a match", "NotResource", `["arn:aws:s3:::films/${x:absent}","arn:aws:s3:::films/*"]`, false, false},
		{"several values, and a match", "NotResource", `["arn:aws:s3:::films/*","arn:aws:s3:::films/${x:several}"]`, false, false},
		{"no value of another service", "NotResource", `"arn:aws:sns:::${x:absent}*"`, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.element+", "+tt.name, func(t *testing.T) {
			t.Parallel()
			about := func(effect string) string {
				return `{"Effect":"` + effect + `","Action":"*","` + tt.element + `":` + tt.patterns + `}`
			}
			set := func(r *Request) *Request {
				r.Principal.Tags = map[string]string{"empty": ""}
				r.Context.Set("x:several", "raw", "cut")
				r.Context.Set("x:binary", "\xff")
				return r
			}
			if got := Authorize(set(asks(t, about("Allow")))).Allowed(); got != tt.allows {
				t.Errorf("Allow: got %v, want %v", got, tt.allows)
			}
			if got := Authorize(set(asks(t, allow("*", "*"), about("Deny")))).Effect == Deny; got != tt.denies {
				t.Errorf("Deny: got %v, want %v", got, tt.denies)
			}
		})
	}
}

// TestLiteral: a key that looks like a pattern grants itself alone.
func TestLiteral(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a*b", "a?b", "*", "${*}", "$", "a$b{", "${aws:username}", "plain", "日*"} {
		granted := func(pattern, key string) bool {
			r := asks(t, allow("*", "arn:aws:s3:::films/"+pattern))
			r.Check.Resource = "arn:aws:s3:::films/" + key
			return Authorize(r).Allowed()
		}
		pattern := Literal(key)
		if !granted(pattern, key) {
			t.Errorf("%q does not match itself (%q)", key, pattern)
		}
		for _, other := range []string{"axb", "aab", "ab", "x", "ann", key + "x", "x" + key, strings.ReplaceAll(key, "*", "zz")} {
			if other != key && granted(pattern, other) {
				t.Errorf("%q also matches %q", key, other)
			}
		}
		if !granted(pattern+"*", key+"/behind") || !granted("*"+pattern, "before/"+key) {
			t.Errorf("%q does not stand beside a wildcard", key)
		}
		if granted("*"+pattern, "before/"+key+"/behind") {
			t.Errorf("%q ends too early", key)
		}
	}
}

func TestVariablesOfTemplates(t *testing.T) {
	t.Parallel()
	p, err := newTemplate("a${aws:UserName}*${aws:PrincipalTag/Team, 'x,y'}${*}", true, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	p.variables(func(v templatePart) { got = append(got, fmt.Sprint(v.name(), " ", v.key, " ", v.hasDefault)) })
	want := []string{"aws:UserName aws:username false", "aws:PrincipalTag/Team aws:principaltag/team true"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
