package iam

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const account = "111122223333"

func user(statements ...Statement) Principal {
	return Principal{Type: User, Account: account, ARN: "arn:aws:iam::" + account + ":user/ann", Policies: statements}
}

func role(policies, session []Statement) Principal {
	return Principal{Type: AssumedRole, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/R/s", Policies: policies, Session: session}
}

func root() Principal {
	return Principal{Type: Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"}
}

func allow(action, resource string) Statement {
	return Statement{Effect: Allow, Actions: []string{action}, Resources: []string{resource}}
}

func deny(action, resource string) Statement {
	return Statement{Effect: Deny, Actions: []string{action}, Resources: []string{resource}}
}

const (
	everything = "*"
	queue      = "arn:aws:mediaconvert:us-east-1:" + account + ":queues/Default"
	object     = "arn:aws:s3:::films/raw/one.mov"
)

func TestAuthorize(t *testing.T) {
	t.Parallel()
	get := Check{"s3:GetObject", object}
	tests := []struct {
		name      string
		principal Principal
		check     Check
		want      string // of Decision.String
	}{
		{"nobody", Principal{}, get, "implicitly denied"},
		{"nobody with a policy", Principal{Policies: []Statement{allow("*", "*")}}, get, "implicitly denied"},
		{"no account", Principal{Type: Root, ARN: "arn:aws:iam::x:root"}, get, "implicitly denied"},
		{"no ARN", Principal{Type: Root, Account: account}, get, "implicitly denied"},
		{"a type beyond ours", Principal{Type: 9, Account: account, ARN: "a", Policies: []Statement{allow("*", "*")}}, get, "implicitly denied"},
		{"a type below ours", Principal{Type: -1, Account: account, ARN: "a", Policies: []Statement{allow("*", "*")}}, get, "implicitly denied"},

		{"root, own queue", root(), Check{"mediaconvert:GetQueue", queue}, "allowed by root"},
		{"root, no resource", root(), Check{"mediaconvert:ListQueues", "*"}, "allowed by root"},
		{"root, a bucket", root(), get, "allowed by root"},
		{"root, another account's queue", root(), Check{"mediaconvert:GetQueue", "arn:aws:mediaconvert:us-east-1:999999999999:queues/Default"}, "implicitly denied by root"},
		{"root, another account's role", root(), Check{"iam:PassRole", "arn:aws:iam::999999999999:role/R"}, "implicitly denied by root"},
		{"root, nobody's queue", root(), Check{"mediaconvert:GetQueue", "arn:aws:mediaconvert:us-east-1::queues/Default"}, "implicitly denied by root"},
		{"root, no action", root(), Check{"", queue}, "implicitly denied"},

		{"no policy", user(), get, "implicitly denied by identity"},
		{"empty policy", user([]Statement{}...), get, "implicitly denied by identity"},
		{"allowed", user(allow("s3:GetObject", object)), get, "allowed by identity statement #0"},
		{"allowed by the second", user(allow("s3:PutObject", object), Statement{"Read", Allow, []string{"s3:Get*"}, []string{object}}), get, "allowed by identity statement Read"},
		{"another action", user(allow("s3:PutObject", object)), get, "implicitly denied by identity"},
		{"another resource", user(allow("s3:GetObject", object+"x")), get, "implicitly denied by identity"},
		{"a longer name than the pattern", user(allow("s3:GetObject", object)), Check{"s3:GetObject", object + "x"}, "implicitly denied by identity"},
		{"a longer action than the pattern", user(allow("s3:GetObject", object)), Check{"s3:GetObjectAcl", object}, "implicitly denied by identity"},
		{"action in other case", user(allow("S3:getOBJECT", object)), get, "allowed by identity statement #0"},
		{"resource in other case", user(allow("s3:GetObject", strings.ToUpper(object))), get, "implicitly denied by identity"},
		{"denied before", user(deny("s3:*", "*"), allow("*", "*")), get, "explicitly denied by identity statement #0"},
		{"denied after", user(allow("*", "*"), deny("s3:*", "*")), get, "explicitly denied by identity statement #1"},
		{"denied elsewhere", user(allow("*", "*"), deny("s3:*", "arn:aws:s3:::other/*")), get, "allowed by identity statement #0"},
		{"no resource, granted for one", user(allow("mediaconvert:*", queue)), Check{"mediaconvert:ListQueues", "*"}, "implicitly denied by identity"},
		{"no resource, granted for all ARNs", user(allow("mediaconvert:*", "arn:*:*:*:*:*")), Check{"mediaconvert:ListQueues", "*"}, "implicitly denied by identity"},
		{"no resource, granted for all", user(allow("mediaconvert:*", "*")), Check{"mediaconvert:ListQueues", "*"}, "allowed by identity statement #0"},

		{"zero effect beside a grant", user(allow("*", "*"), Statement{Actions: []string{"*"}, Resources: []string{"*"}}), get, "implicitly denied by identity"},
		{"unknown effect beside a grant", user(allow("*", "*"), Statement{Effect: 7, Actions: []string{"*"}, Resources: []string{"*"}}), get, "implicitly denied by identity"},
		{"no actions", user(allow("*", "*"), Statement{Effect: Deny, Resources: []string{"*"}}), get, "implicitly denied by identity"},
		{"no resources", user(allow("*", "*"), Statement{Effect: Deny, Actions: []string{"*"}}), get, "implicitly denied by identity"},
		{"action without service", user(allow("*", "*"), deny("GetObject", "*")), get, "implicitly denied by identity"},
		{"action with two colons", user(allow("*", "*"), deny("s3:Get:Object", "*")), get, "implicitly denied by identity"},
		{"resource that is no ARN", user(allow("*", "*"), deny("s3:*", "films/*")), get, "implicitly denied by identity"},
		{"empty patterns", user(allow("", "")), get, "implicitly denied by identity"},

		{"check without operation", user(allow("*", "*")), Check{"s3:", object}, "implicitly denied"},
		{"check without service", user(allow("*", "*")), Check{":GetObject", object}, "implicitly denied"},
		{"check with a wildcard", user(allow("*", "*")), Check{"s3:Get*", object}, "implicitly denied"},
		{"check with a question mark", user(allow("*", "*")), Check{"s3:GetObjec?", object}, "implicitly denied"},
		{"check with a space", user(allow("*", "*")), Check{"s3:Get Object", object}, "implicitly denied"},
		{"check with two colons", user(allow("*", "*")), Check{"s3:Get:Object", object}, "implicitly denied"},
		{"check without resource", user(allow("*", "*")), Check{"s3:GetObject", ""}, "implicitly denied"},
		{"check of no ARN", user(allow("*", "*")), Check{"s3:GetObject", "films/raw"}, "implicitly denied"},
		{"check of half an ARN", user(allow("*", "*")), Check{"s3:GetObject", "arn:aws:s3:::"}, "implicitly denied"},
		{"check of an ARN without service", user(allow("*", "*")), Check{"s3:GetObject", "arn:aws::::x"}, "implicitly denied"},
		{"check of an ARN without partition", user(allow("*", "*")), Check{"s3:GetObject", "arn::s3:::x"}, "implicitly denied"},
		{"check of another scheme", user(allow("*", "*")), Check{"s3:GetObject", "urn:aws:s3:::x"}, "implicitly denied"},

		{"role without session policy", role([]Statement{allow("s3:*", "arn:aws:s3:::*")}, nil), get, "allowed by identity statement #0"},
		{"session policy of nothing", role([]Statement{allow("*", "*")}, []Statement{}), get, "implicitly denied by session"},
		{"session policy allows", role([]Statement{allow("*", "*")}, []Statement{allow("s3:GetObject", object)}), get, "allowed by identity statement #0"},
		{"session policy alone", role(nil, []Statement{allow("*", "*")}), get, "implicitly denied by identity"},
		{"session policy allows another", role([]Statement{allow("*", "*")}, []Statement{allow("s3:GetObject", object+"x")}), get, "implicitly denied by session"},
		{"session policy denies", role([]Statement{allow("*", "*")}, []Statement{allow("*", "*"), deny("s3:*", object)}), get, "explicitly denied by session statement #1"},
		{"role denies, session allows", role([]Statement{allow("*", "*"), deny("s3:*", object)}, []Statement{allow("*", "*")}), get, "explicitly denied by identity statement #1"},
		{"session denies, role is silent", role(nil, []Statement{deny("*", "*")}), get, "explicitly denied by session statement #0"},
		{"session policy odd", role([]Statement{allow("*", "*")}, []Statement{allow("*", "*"), {}}), get, "implicitly denied by session"},
		{"user with a session policy", Principal{Type: User, Account: account, ARN: "a", Policies: []Statement{allow("*", "*")}, Session: []Statement{}}, get, "implicitly denied by session"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Authorize(tt.principal, tt.check, Context{"aws:SourceIp": {"127.0.0.1"}})
			if got.String() != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got.Allowed() != strings.HasPrefix(tt.want, "allowed") {
				t.Errorf("Allowed: got %v", got.Allowed())
			}
		})
	}
}

func TestZeroDecisionDenies(t *testing.T) {
	t.Parallel()
	if (Decision{}).Allowed() || (Decision{Effect: Deny}).Allowed() || (Decision{Effect: 3}).Allowed() {
		t.Error("something other than Allow allows")
	}
}

func TestMatchResource(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, resource string
		want              bool
	}{
		{"*", object, true},
		{"*", "*", true},
		{object, object, true},
		{"arn:aws:s3:::films/*", object, true},
		{"arn:aws:s3:::films/*.mov", object, true},
		{"arn:aws:s3:::films/*/one.mov", object, true},
		{"arn:aws:s3:::films/???/one.mov", object, true},
		{"arn:aws:s3:::films/??/one.mov", object, false},
		{"arn:aws:s3:::films", object, false},
		{"arn:aws:s3:::film/*", object, false},
		{"arn:aws:s3:::films*", object, true},
		{"arn:aws:s3:::*", object, true},
		{"arn:aws:s3:*", object, false},
		{"arn:aws:s3:*:*:films/*", object, true},
		{"arn:*:s3:::films/*", object, true},
		{"arn:aws:*:::films/*", object, true},
		{"arn:aws:s*:::films/*", object, true},
		{"arn:aws*:::films/*", object, false},
		{"ARN:aws:s3:::films/*", object, false},
		{"arn:aws:s3:::Films/*", object, false},
		{"arn:aws:s3:::films/*", "*", false},
		{"arn:*:*:*:*:*", "*", false},
		{"arn:aws:mediaconvert:*:" + account + ":queues/*", queue, true},
		{"arn:aws:mediaconvert:us-*-1:" + account + ":queues/Default", queue, true},
		{"arn:aws:mediaconvert:*:*:jobs/*", queue, false},
		{"arn:aws:mediaconvert:*:queues/*", queue, false},
		{"arn:aws:s3:::films/a:b", "arn:aws:s3:::films/a:b", true},
		{"arn:aws:s3:::films/*", "arn:aws:s3:::films/a:b/c*d", true},
		{"arn:aws:s3:::films/?", "arn:aws:s3:::films/é", true},
		{"arn:aws:s3:::films/??", "arn:aws:s3:::films/é", false},
		{"arn:aws:s3:::films/*??", "arn:aws:s3:::films/é", false},
		{"arn:aws:s3:::films/*?", "arn:aws:s3:::films/a日😀", true},
		{"arn:aws:s3:::films/?", "arn:aws:s3:::films/\xff", true},
		{"films/*", object, false},
		{"", object, false},
	}
	for _, tt := range tests {
		if got := matchResource(tt.pattern, tt.resource); got != tt.want {
			t.Errorf("%q on %q: got %v, want %v", tt.pattern, tt.resource, got, tt.want)
		}
	}
}

func TestMatchAction(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, action string
		want            bool
	}{
		{"*", "s3:GetObject", true},
		{"s3:*", "s3:GetObject", true},
		{"S3:GET*", "s3:GetObject", true},
		{"s3:Get?bject", "s3:GetObject", true},
		{"*:GetObject", "s3:GetObject", true},
		{"s3:GetObject", "s3:GetObjectAcl", false},
		{"s3:GetObjectAcl", "s3:GetObject", false},
		{"s3", "s3:GetObject", false},
		{"\u017f3:GetObject", "s3:GetObject", false}, // the long s folds to s in Unicode
		{"\u212ams:Decrypt", "kms:Decrypt", false},   // so does the Kelvin sign to k
		{"", "s3:GetObject", false},
	}
	for _, tt := range tests {
		if got := matchAction(tt.pattern, tt.action); got != tt.want {
			t.Errorf("%q on %q: got %v, want %v", tt.pattern, tt.action, got, tt.want)
		}
	}
}

// slowMatch is the definition of wildcard, with no thought for time.
func slowMatch(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return slowMatch(pattern[1:], s) || s != "" && slowMatch(pattern, s[1:])
	case s == "":
		return false
	}
	return (pattern[0] == '?' || pattern[0] == s[0]) && slowMatch(pattern[1:], s[1:])
}

func TestWildcardAgainstDefinition(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	pick := func(from string, most int) string {
		b := make([]byte, random.IntN(most+1))
		for i := range b {
			b[i] = from[random.IntN(len(from))]
		}
		return string(b)
	}
	matched := 0
	for range 50000 {
		pattern, s := pick("ab*?", 8), pick("ab", 10)
		want := slowMatch(pattern, s)
		if got := wildcard(pattern, s); got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, s, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d of the patterns matched", matched)
	}
}

// TestWildcardDoesNotBlowUp would take longer than the universe with a matcher that goes back to every star.
func TestWildcardDoesNotBlowUp(t *testing.T) {
	t.Parallel()
	if wildcard(strings.Repeat("a*", 1000)+"b", strings.Repeat("a", 2000)) {
		t.Error("matched")
	}
}

// randomPolicies gives policies and checks from few words, so that they meet.
func randomStatement(r *rand.Rand) Statement {
	actions := []string{"*", "s3:*", "s3:Get*", "s3:GetObject", "s3:PutObject", "mediaconvert:*", "bad"}
	resources := []string{"*", "arn:aws:s3:::*", "arn:aws:s3:::films/*", object, "arn:aws:s3:::other/*", queue, "bad"}
	s := Statement{Effect: Effect(r.IntN(8))}
	if s.Effect > Deny {
		s.Effect = Allow
	}
	for range 1 + r.IntN(2) {
		s.Actions = append(s.Actions, actions[r.IntN(len(actions)-r.IntN(2))])
		s.Resources = append(s.Resources, resources[r.IntN(len(resources)-r.IntN(2))])
	}
	return s
}

func TestProperties(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	checks := []Check{{"s3:GetObject", object}, {"s3:PutObject", object}, {"mediaconvert:GetQueue", queue}, {"mediaconvert:ListQueues", "*"}}
	policy := func() []Statement {
		var p []Statement
		for range r.IntN(4) {
			p = append(p, randomStatement(r))
		}
		return p
	}
	allowed := 0
	for range 20000 {
		p := role(policy(), nil)
		if r.IntN(2) == 0 {
			p.Session = append([]Statement{}, policy()...)
		}
		c := checks[r.IntN(len(checks))]
		before := Authorize(p, c, nil)
		if before.Allowed() {
			allowed++
		}

		shuffled := p
		shuffled.Policies, shuffled.Session = slices.Clone(p.Policies), slices.Clone(p.Session)
		r.Shuffle(len(shuffled.Policies), func(i, j int) {
			shuffled.Policies[i], shuffled.Policies[j] = shuffled.Policies[j], shuffled.Policies[i]
		})
		r.Shuffle(len(shuffled.Session), func(i, j int) {
			shuffled.Session[i], shuffled.Session[j] = shuffled.Session[j], shuffled.Session[i]
		})
		if after := Authorize(shuffled, c, nil); after.Allowed() != before.Allowed() {
			t.Fatalf("the order of statements matters: %v, then %v\n%+v %+v", before, after, p, c)
		}

		harsher := p
		harsher.Policies = append(slices.Clone(p.Policies), deny("s3:*", "*"))
		if after := Authorize(harsher, c, nil); after.Allowed() && (!before.Allowed() || strings.HasPrefix(c.Action, "s3:")) {
			t.Fatalf("a Deny allows: %v, then %v\n%+v %+v", before, after, p, c)
		}
		anyDeny := randomStatement(r)
		anyDeny.Effect = Deny
		harsher.Policies = append(slices.Clone(p.Policies), anyDeny)
		if after := Authorize(harsher, c, nil); after.Allowed() && !before.Allowed() {
			t.Fatalf("a Deny allows: %v, then %v\n%+v %+v", before, after, p, c)
		}

		narrowed := p
		narrowed.Session = append(slices.Clone(policy()), randomStatement(r))
		if p.Session == nil && Authorize(narrowed, c, nil).Allowed() && !before.Allowed() {
			t.Fatalf("a session policy widens: %+v %+v", narrowed, c)
		}
	}
	if allowed < 500 {
		t.Errorf("only %d of the checks were allowed", allowed)
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	tests := []struct {
		denied Denied
		want   string
	}{
		{
			Denied{user(), Check{"mediaconvert:CreateJob", queue}, Decision{}},
			"User: arn:aws:iam::111122223333:user/ann is not authorized to perform: mediaconvert:CreateJob on resource: " + queue,
		},
		{
			Denied{user(), Check{"mediaconvert:ListQueues", "*"}, Decision{}},
			"User: arn:aws:iam::111122223333:user/ann is not authorized to perform: mediaconvert:ListQueues",
		},
		{
			Denied{user(), Check{"s3:GetObject", object}, Decision{Effect: Deny, Source: sourceIdentity}},
			"User: arn:aws:iam::111122223333:user/ann is not authorized to perform: s3:GetObject on resource: " + object + " with an explicit deny in an identity-based policy",
		},
		{
			Denied{user(), Check{"s3:GetObject", object}, Decision{Effect: Deny, Source: sourceSession}},
			"User: arn:aws:iam::111122223333:user/ann is not authorized to perform: s3:GetObject on resource: " + object + " with an explicit deny in a session policy",
		},
	}
	for _, tt := range tests {
		var err error = &tt.denied
		if err.Error() != tt.want {
			t.Errorf("got %q, want %q", err, tt.want)
		}
	}
}

func FuzzAuthorize(f *testing.F) {
	f.Add("s3:*", "arn:aws:s3:::a/*", "s3:GetObject", "arn:aws:s3:::a/b")
	f.Add("*", "*", "a:b", "*")
	f.Fuzz(func(t *testing.T, pattern, resourcePattern, action, resource string) {
		c := Check{action, resource}
		p := user(allow(pattern, resourcePattern))
		if Authorize(p, c, nil).Allowed() {
			if !validAction(action) || !validResource(resource) {
				t.Fatalf("odd check allowed: %q", c)
			}
			p.Policies = append(p.Policies, deny(pattern, resourcePattern))
			if d := Authorize(p, c, nil); d.Effect != Deny {
				t.Fatalf("what allowed does not deny: %v", d)
			}
		}
		if Authorize(user(), c, nil).Allowed() {
			t.Fatal("nothing allows")
		}
	})
}

func BenchmarkAuthorize(b *testing.B) {
	var statements []Statement
	for i := range 50 {
		statements = append(statements, allow("s3:GetObject", fmt.Sprintf("arn:aws:s3:::films/%d/*", i)))
	}
	p := user(statements...)
	for b.Loop() {
		Authorize(p, Check{"s3:GetObject", object}, nil)
	}
}

// TestRootSession: a session narrows even the account root.
func TestRootSession(t *testing.T) {
	t.Parallel()
	p := root()
	get := func(key string) Check { return Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/" + key} }
	for _, c := range []struct {
		name    string
		session []Statement
		check   Check
		allowed bool
	}{
		{"no session policy", nil, get("k"), true},
		{"what it allows", []Statement{{Effect: Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::b/k"}}}, get("k"), true},
		{"something else", []Statement{{Effect: Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::b/k"}}}, get("other"), false},
		{"an empty one", []Statement{}, get("k"), false},
		{"a denial", []Statement{{Effect: Deny, Actions: []string{"s3:*"}, Resources: []string{"*"}}}, get("k"), false},
		{"what root has no right to", []Statement{{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}}}, Check{Action: "iam:GetUser", Resource: "arn:aws:iam::999999999999:user/x"}, false},
	} {
		p.Session = c.session
		if got := Authorize(p, c.check, nil); got.Allowed() != c.allowed {
			t.Errorf("%s: got %v, want %t", c.name, got, c.allowed)
		}
	}
}
