package iam

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrincipals: whom a Principal element names, and how directly.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	userOfPath := Principal{Type: User, Account: account, ARN: "arn:aws:iam::" + account + ":user/staff/ann", Name: "ann", UserID: "AIDAEXAMPLEUSERID456"}
	other := Principal{Type: AssumedRole, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/R/other", RoleARN: role, RoleID: "AROAEXAMPLEROLEID123"}
	stranger := Principal{Type: User, Account: "999999999999", ARN: "arn:aws:iam::999999999999:user/ann", Name: "ann"}
	who := map[string]Principal{
		"user": aUser(), "user of a path": userOfPath, "session": aSession(), "another session": other, "root": aRoot(), "service": aService(),
		"web identity": aWebIdentity(), "stranger": stranger, "nobody": {},
	}
	const all = "user user of a path session another session root service web identity stranger nobody"
	tests := []struct {
		element string
		names   map[string]standing
	}{
		{`"*"`, map[string]standing{"user": byName, "user of a path": byName, "session": byName, "another session": byName, "root": byName, "service": byName, "web identity": byName, "stranger": byName, "nobody": byName}},
		{`{"AWS":"*"}`, map[string]standing{"user": byName, "user of a path": byName, "session": byName, "another session": byName, "root": byName, "service": byName, "web identity": byName, "stranger": byName, "nobody": byName}},
		{`{"AWS":"` + account + `"}`, map[string]standing{"user": byAccount, "user of a path": byAccount, "session": byAccount, "another session": byAccount, "root": byAccount}},
		{`{"AWS":"arn:aws:iam::` + account + `:root"}`, map[string]standing{"user": byAccount, "user of a path": byAccount, "session": byAccount, "another session": byAccount, "root": byAccount}},
		{`{"AWS":"999999999999"}`, map[string]standing{"stranger": byAccount}},
		{`{"AWS":"arn:aws:iam::999999999999:root"}`, map[string]standing{"stranger": byAccount}},
		{`{"AWS":"` + ann + `"}`, map[string]standing{"user": byName}},
		{`{"AWS":"` + strings.ToUpper(ann[:3]) + ann[3:] + `"}`, nil},
		{`{"AWS":"arn:aws:iam::` + account + `:user/Ann"}`, map[string]standing{}},
		{`{"AWS":"arn:aws:iam::` + account + `:user/staff/ann"}`, map[string]standing{"user of a path": byName}},
		{`{"AWS":"` + role + `"}`, map[string]standing{"session": byRole, "another session": byRole}},
		{`{"AWS":"` + session + `"}`, map[string]standing{"session": byName}},
		{`{"AWS":"AIDAEXAMPLEUSERID123"}`, map[string]standing{"user": byName}},
		{`{"AWS":"AIDAEXAMPLEUSERID124"}`, map[string]standing{}},
		{`{"AWS":"AROAEXAMPLEROLEID123"}`, map[string]standing{"session": byRole, "another session": byRole}},
		{`{"AWS":["` + account + `","` + ann + `","` + session + `"]}`, map[string]standing{"user": byName, "user of a path": byAccount, "session": byName, "another session": byAccount, "root": byAccount}},
		{`{"AWS":["` + session + `","` + role + `"]}`, map[string]standing{"session": byName, "another session": byRole}},
		{`{"Service":"` + service + `"}`, map[string]standing{"service": byName}},
		{`{"Service":"Mediaconvert.amazonaws.com"}`, map[string]standing{}},
		{`{"Service":"s3.amazonaws.com"}`, map[string]standing{}},
		{`{"Federated":"` + issuer + `"}`, map[string]standing{"web identity": byName}},
		{`{"Federated":"` + issuer + `/path"}`, map[string]standing{}},
		{`{"Federated":"` + issuer + `","Service":"` + service + `"}`, map[string]standing{"web identity": byName, "service": byName}},

		// What is no principal.
		{`{"AWS":""}`, nil},
		{`{"AWS":"ann"}`, nil},
		{`{"AWS":"11112222333"}`, nil},
		{`{"AWS":"1111222233334"}`, nil},
		{`{"AWS":"１１１１２２２２３３３３"}`, nil},
		{`{"AWS":"arn:aws:iam::` + account + `:user/*"}`, nil},
		{`{"AWS":"arn:aws:iam::` + account + `:user/"}`, nil},
		{`{"AWS":"arn:aws:iam::` + account + `:user/${aws:username}"}`, nil},
		{`{"AWS":"arn:aws:iam::` + account + `:group/g"}`, nil},
		{`{"AWS":"arn:aws:iam::*:root"}`, nil},
		{`{"AWS":"arn:aws:iam::` + account + `:root/x"}`, nil},
		{`{"AWS":"arn:aws:iam:eu:` + account + `:root"}`, nil},
		{`{"AWS":"arn::iam::` + account + `:root"}`, nil},
		{`{"AWS":"arn:aws:s3::` + account + `:root"}`, nil},
		{`{"AWS":"arn:aws:iam::` + account + `"}`, nil},
		{`{"AWS":"arn:aws:sts::` + account + `:assumed-role/R/*"}`, nil},
		{`{"AWS":"arn:aws:sts::` + account + `:assumed-role/R"}`, nil},
		{`{"AWS":"arn:aws:sts::` + account + `:assumed-role/R/"}`, nil},
		{`{"AWS":"arn:aws:sts::` + account + `:assumed-role//s"}`, nil},
		{`{"AWS":"arn:aws:sts::` + account + `:federated-user/ann"}`, nil},
		{`{"AWS":"AIDASHORT"}`, nil},
		{`{"AWS":"AKIAEXAMPLEKEYID1234"}`, nil},
		{`{"AWS":"AIDAexampleuserid123"}`, nil},
		{`{"AWS":"` + service + `"}`, nil},
		{`{"Service":"*"}`, nil},
		{`{"Service":"mediaconvert.example.com"}`, nil},
		{`{"Service":"` + account + `"}`, nil},
		{`{"Federated":"*"}`, nil},
		{`{"Federated":"id.example"}`, nil},
		{`{"Federated":"arn:aws:iam::` + account + `:oidc-provider/"}`, nil},
		{`{"Federated":"arn:aws:iam::` + account + `:oidc-provider/*"}`, nil},
		{`{"Federated":"arn:aws:iam::` + account + `:saml-provider/x"}`, nil},
		{`{"CanonicalUser":"79a59df900b949e5"}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.element, func(t *testing.T) {
			t.Parallel()
			p, err := Parse(TrustPolicy, "p", of(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":`+tt.element+`}`))
			if tt.names == nil {
				if err == nil {
					t.Fatal("not refused")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for name, w := range who {
				if got := p.Statements[0].names(&w); got != tt.names[name] {
					t.Errorf("%s: got %v, want %v", name, got, tt.names[name])
				}
				if !strings.Contains(all, name) {
					t.Errorf("who is %s?", name)
				}
			}
		})
	}
}

// TestNotPrincipal: whom a Deny excepts. It takes the account and the user or the role: what names a principal in part leaves the Deny in force.
func TestNotPrincipal(t *testing.T) {
	t.Parallel()
	root := `"arn:aws:iam::` + account + `:root"`
	list := func(values ...string) string { return `{"AWS":[` + strings.Join(values, ",") + `]}` }
	quoted := func(s string) string { return `"` + s + `"` }
	tests := []struct {
		name, element string
		principal     Principal
		excepted      bool
	}{
		{"everybody", `"*"`, aUser(), true},
		{"everybody, a service", `{"AWS":"*"}`, aService(), true},
		{"user and account", list(quoted(ann), root), aUser(), true},
		{"user and number of the account", list(quoted(account), quoted(ann)), aUser(), true},
		{"user alone", list(quoted(ann)), aUser(), false},
		{"account alone", list(root), aUser(), false},
		{"another user and account", list(quoted(ann+"a"), root), aUser(), false},
		{"user and another account", list(quoted(ann), `"999999999999"`), aUser(), false},
		{"account, the root itself", list(root), aRoot(), true},
		{"another account, the root itself", list(`"999999999999"`), aRoot(), false},
		{"role and account", list(quoted(role), root), aSession(), true},
		{"role, session and account", list(quoted(role), quoted(session), root), aSession(), true},
		{"role alone", list(quoted(role)), aSession(), false},
		{"session alone", list(quoted(session)), aSession(), false},
		{"session and account, without the role", list(quoted(session), root), aSession(), false},
		{"account alone, a session", list(root), aSession(), false},
		{"service", `{"Service":"` + service + `"}`, aService(), true},
		{"another service", `{"Service":"s3.amazonaws.com"}`, aService(), false},
		{"user and account, a service", list(quoted(ann), root), aService(), false},
		{"service, a user", `{"Service":"` + service + `"}`, aUser(), false},
		{"provider", `{"Federated":"` + issuer + `"}`, aWebIdentity(), true},
		{"another provider", `{"Federated":"` + issuer + `2"}`, aWebIdentity(), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &Request{Principal: tt.principal, Check: Check{Action: "s3:GetObject", Resource: object, Owner: account}}
			r.Check.Policy = parsed(t, ResourcePolicy, "p", of(
				`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`,
				`{"Effect":"Deny","NotPrincipal":`+tt.element+`,"Action":"*","Resource":"*"}`))
			want := Deny
			if tt.excepted {
				want = Allow
			}
			if got := Authorize(r); got.Effect != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestBind: once a policy is bound, the ARN of a user or a role means the one who had it then, and not who has it now.
func TestBind(t *testing.T) {
	t.Parallel()
	document := of(
		`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":["`+ann+`","`+role+`","`+account+`"],"Service":"`+service+`"}}`,
		`{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"AWS":"`+session+`"}}`)
	p := parsed(t, TrustPolicy, "trust", document)
	if diff := cmp.Diff([]string{ann, role}, p.PrincipalARNs()); diff != "" {
		t.Errorf("ARNs: want, got:\n%s", diff)
	}
	ids := map[string]string{ann: "AIDAEXAMPLEUSERID123", role: "AROAEXAMPLEROLEID123"}
	later := aUser()
	later.UserID = "AIDAEXAMPLEUSERID999"
	laterSession := aSession()
	laterSession.RoleID = "AROAEXAMPLEROLEID999"
	renamed := aUser()
	renamed.ARN = "arn:aws:iam::" + account + ":user/new/ann"
	nobody := Principal{Type: User, Account: "999999999999", ARN: ann}
	tests := []struct {
		name      string
		policy    *Policy
		principal Principal
		want      standing
	}{
		{"as written", p, later, byName},
		{"as written, a role", p, laterSession, byRole},
		{"bound", p.Bind(ids), aUser(), byName},
		{"bound, a role", p.Bind(ids), aSession(), byRole},
		{"bound, moved since", p.Bind(ids), renamed, byName},
		{"bound, made anew", p.Bind(ids), later, byAccount},
		{"bound, a role made anew", p.Bind(ids), laterSession, byAccount},
		{"bound, never there", p.Bind(nil), aUser(), byAccount},
		{"bound, never there, a role", p.Bind(map[string]string{ann: "AIDAEXAMPLEUSERID123"}), aSession(), byAccount},
		{"bound, no id in the policy or the principal", p.Bind(map[string]string{ann: ""}), nobody, unnamed},
		{"bound, a service", p.Bind(nil), aService(), byName},
		{"bound twice, the last counts", p.Bind(ids).Bind(nil), aUser(), byAccount},
		{"bound, as written before", p, aUser(), byName}, // binding makes a copy
	}
	for _, tt := range tests {
		if got := tt.policy.Statements[0].names(&tt.principal); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}

	r := &Request{Principal: aUser(), Check: Check{Action: "sts:AssumeRole", Resource: role, Policy: p.Bind(ids)}}
	if got := Authorize(r).String(); got != "allowed by resource-based policy trust statement #0" {
		t.Errorf("got %q", got)
	}
	r.Principal = later
	if got := Authorize(r).String(); got != "implicitly denied by identity-based policy" {
		t.Errorf("got %q", got)
	}
	// A session's own ARN is not bound, and what cannot be read stays so.
	r.Principal = aSession()
	if got := Authorize(r).String(); got != "explicitly denied by resource-based policy trust statement #1" {
		t.Errorf("got %q", got)
	}
	r.Check.Policy = Unreadable("trust").Bind(ids)
	if got := Authorize(r).String(); got != "implicitly denied by unreadable policy trust" {
		t.Errorf("got %q", got)
	}

	// NotPrincipal is bound as well: one made anew is no exception.
	except := parsed(t, ResourcePolicy, "p", of(`{"Effect":"Deny","Action":"*","Resource":"*","NotPrincipal":{"AWS":["`+ann+`","`+account+`","`+ann+`"]}}`))
	if diff := cmp.Diff([]string{ann}, except.PrincipalARNs()); diff != "" {
		t.Errorf("ARNs: want, got:\n%s", diff)
	}
	for _, tt := range []struct {
		name      string
		policy    *Policy
		principal Principal
		want      standing
	}{
		{"as written", except, later, unnamed},
		{"bound", except.Bind(ids), aUser(), unnamed},
		{"bound, made anew", except.Bind(ids), later, byName},
	} {
		if got := tt.policy.Statements[0].names(&tt.principal); got != tt.want {
			t.Errorf("NotPrincipal, %s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := fmt.Sprint((&Policy{}).PrincipalARNs()); got != "[]" {
		t.Errorf("got %s", got)
	}
}
