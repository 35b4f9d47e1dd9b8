package iam

import (
	"fmt"
	"strings"
	"testing"
)

func TestAuthorize(t *testing.T) {
	t.Parallel()
	get := Check{Action: "s3:GetObject", Resource: object, Owner: account}
	create := Check{Action: "mediaconvert:CreateJob", Resource: queue}
	list := Check{Action: "mediaconvert:ListQueues", Resource: "*"}
	assume := func(statements ...string) Check {
		return Check{Action: "sts:AssumeRole", Resource: role, Policy: parsed(t, TrustPolicy, "trust", of(statements...))}
	}
	trust := func(effect, principal string, more ...string) string {
		return `{"Effect":"` + effect + `","Action":"sts:*","Principal":` + principal + strings.Join(append([]string{""}, more...), ",") + `}`
	}
	resource := func(c Check, statements ...string) Check {
		c.Policy = parsed(t, ResourcePolicy, "of resource", of(statements...))
		return c
	}
	grants := func(effect, principal, action string) string {
		return `{"Effect":"` + effect + `","Action":"` + action + `","Resource":"*","Principal":` + principal + `}`
	}
	aws := func(arn string) string { return `{"AWS":"` + arn + `"}` }
	// A principal with policies: each string is a document of one kind.
	type policies struct{ identity, boundary, session, rails []string }
	with := func(p Principal, have policies) Principal {
		p.Policies = named(t, "own", have.identity...)
		if have.boundary != nil {
			p.Boundary = named(t, "boundary", have.boundary...)[0]
		}
		if have.session != nil {
			p.Session = named(t, "session", have.session...)
		}
		if have.rails != nil {
			p.GuardRails = named(t, "rail", have.rails...)
		}
		return p
	}
	user := func(statements ...string) Principal {
		if len(statements) == 0 {
			return aUser()
		}
		return with(aUser(), policies{identity: []string{of(statements...)}})
	}
	all, nothing := of(allow("*", "*")), of(allow("nobody:Asks", "*"))

	tests := []struct {
		name      string
		principal Principal
		check     Check
		want      string // of Decision.String
	}{
		// Requests that are none
		{"nobody", Principal{}, get, "implicitly denied by malformed request"},
		{"nobody with a policy", Principal{Policies: named(t, "p", all)}, get, "implicitly denied by malformed request"},
		{"no account", Principal{Type: Root, ARN: "arn:aws:iam::x:root"}, get, "implicitly denied by malformed request"},
		{"no ARN", Principal{Type: Root, Account: account}, get, "implicitly denied by malformed request"},
		{"a user without an ARN", Principal{Type: User, Account: account, Policies: named(t, "p", all)}, get, "implicitly denied by malformed request"},
		{"a session without an account", Principal{Type: AssumedRole, ARN: session, Policies: named(t, "p", all)}, get, "implicitly denied by malformed request"},
		{"a type beyond ours", Principal{Type: 9, Account: account, ARN: ann, Name: "x", Policies: named(t, "p", all)}, get, "implicitly denied by malformed request"},
		{"a type below ours", Principal{Type: -1, Account: account, ARN: ann, Name: "x", Policies: named(t, "p", all)}, get, "implicitly denied by malformed request"},
		{"a service without a name", Principal{Type: Service}, assume(trust("Allow", `"*"`)), "implicitly denied by malformed request"},
		{"a web identity of no provider", Principal{Type: WebIdentity, Account: account}, assume(trust("Allow", `"*"`)), "implicitly denied by malformed request"},
		{"no action", aRoot(), Check{Resource: queue}, "implicitly denied by malformed request"},
		{"no operation", aRoot(), Check{Action: "s3:", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"no service", aRoot(), Check{Action: ":GetObject", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"no colon", aRoot(), Check{Action: "GetObject", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"two colons", aRoot(), Check{Action: "s3:Get:Object", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"a wildcard in the action", aRoot(), Check{Action: "s3:Get*", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"every action", aRoot(), Check{Action: "*", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"a wildcard for the service", aRoot(), Check{Action: "*:GetObject", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"a question mark in the action", aRoot(), Check{Action: "s3:GetObjec?", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"a space in the action", aRoot(), Check{Action: "s3:Get Object", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"a look-alike in the action", aRoot(), Check{Action: "\u017f3:GetObject", Resource: object, Owner: account}, "implicitly denied by malformed request"},
		{"no resource", aRoot(), Check{Action: "s3:GetObject", Owner: account}, "implicitly denied by malformed request"},
		{"no ARN of a resource", aRoot(), Check{Action: "s3:GetObject", Resource: "films/raw", Owner: account}, "implicitly denied by malformed request"},
		{"five parts of an ARN", aRoot(), Check{Action: "s3:GetObject", Resource: "arn:aws:s3::", Owner: account}, "implicitly denied by malformed request"},
		{"an ARN of nothing", aRoot(), Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::", Owner: account}, "implicitly denied by malformed request"},
		{"an ARN without service", aRoot(), Check{Action: "s3:GetObject", Resource: "arn:aws::::x", Owner: account}, "implicitly denied by malformed request"},
		{"an ARN without partition", aRoot(), Check{Action: "s3:GetObject", Resource: "arn::s3:::x", Owner: account}, "implicitly denied by malformed request"},
		{"another scheme", aRoot(), Check{Action: "s3:GetObject", Resource: "urn:aws:s3:::x", Owner: account}, "implicitly denied by malformed request"},
		{"a resource that is not UTF-8", aRoot(), Check{Action: "s3:GetObject", Resource: object + "\xff", Owner: account}, "implicitly denied by malformed request"},

		// Accounts
		{"root, own queue", aRoot(), create, "allowed by root"},
		{"root, no resource", aRoot(), list, "allowed by root"},
		{"root, own bucket", aRoot(), get, "allowed by root"},
		{"root, another account's bucket", aRoot(), Check{Action: "s3:GetObject", Resource: object, Owner: "999999999999"}, "implicitly denied by other account"},
		{"root, nobody's bucket", aRoot(), Check{Action: "s3:GetObject", Resource: object}, "implicitly denied by other account"},
		{"root, another account's queue", aRoot(), Check{Action: "mediaconvert:GetQueue", Resource: theirs}, "implicitly denied by other account"},
		{"root, another account's queue, said to be its own", aRoot(), Check{Action: "mediaconvert:GetQueue", Resource: theirs, Owner: account}, "implicitly denied by other account"},
		{"root, another account's role", aRoot(), Check{Action: "iam:PassRole", Resource: "arn:aws:iam::999999999999:role/R"}, "implicitly denied by other account"},
		{"root, nobody's queue", aRoot(), Check{Action: "mediaconvert:GetQueue", Resource: "arn:aws:mediaconvert:us-east-1::queues/Default"}, "implicitly denied by other account"},
		{"user, another account's queue", user(allow("*", "*"), allow("*", theirs)), Check{Action: "mediaconvert:GetQueue", Resource: theirs}, "implicitly denied by other account"},
		{"user, another account's queue whose policy lets everybody in", user(allow("*", "*")), resource(Check{Action: "mediaconvert:GetQueue", Resource: theirs}, grants("Allow", `"*"`, "*")), "implicitly denied by other account"},
		{"user, another account's role that trusts them", user(allow("*", "*")), Check{
			Action: "sts:AssumeRole", Resource: "arn:aws:iam::999999999999:role/R", Policy: parsed(t, TrustPolicy, "trust", of(trust("Allow", aws(ann)))),
		}, "implicitly denied by other account"},
		{"user, a policy that belongs to every account", user(allow("iam:GetPolicy", "*")), Check{Action: "iam:GetPolicy", Resource: "arn:aws:iam::aws:policy/ReadOnlyAccess"}, "allowed by identity-based policy own statement #0"},
		{"user, that policy without a grant", user(allow("iam:GetPolicy", "arn:aws:iam::"+account+":policy/*")), Check{Action: "iam:GetPolicy", Resource: "arn:aws:iam::aws:policy/ReadOnlyAccess"}, "implicitly denied by identity-based policy"},

		// Identity policies
		{"no policy", user(), get, "implicitly denied by identity-based policy"},
		{"allowed", user(allow("s3:GetObject", object)), get, "allowed by identity-based policy own statement #0"},
		{"allowed by the second", user(allow("s3:PutObject", object), allow("s3:Get*", object, `"Sid":"Read"`)), get, "allowed by identity-based policy own statement Read"},
		{"allowed by the first of two", user(allow("s3:GetObject", object), allow("s3:Get*", object)), get, "allowed by identity-based policy own statement #0"},
		{"allowed by another policy", with(aUser(), policies{identity: []string{nothing, all}}), get, "allowed by identity-based policy own statement #0"},
		{"another action", user(allow("s3:PutObject", object)), get, "implicitly denied by identity-based policy"},
		{"another resource", user(allow("s3:GetObject", object+"x")), get, "implicitly denied by identity-based policy"},
		{"denied before", user(deny("s3:*", "*"), allow("*", "*")), get, "explicitly denied by identity-based policy own statement #0"},
		{"denied after", user(allow("*", "*"), deny("s3:*", "*", `"Sid":"No"`)), get, "explicitly denied by identity-based policy own statement No"},
		{"denied by another policy", with(aUser(), policies{identity: []string{all, of(deny("*", "*"))}}), get, "explicitly denied by identity-based policy own statement #0"},
		{"denied elsewhere", user(allow("*", "*"), deny("s3:*", "arn:aws:s3:::other/*")), get, "allowed by identity-based policy own statement #0"},
		{"denied under a condition that fails", user(allow("*", "*"), deny("*", "*", when("Null", "aws:username", `"true"`))), get, "allowed by identity-based policy own statement #0"},
		{"NotAction with Deny", user(allow("*", "*"), `{"Effect":"Deny","NotAction":"mediaconvert:*","Resource":"*"}`), get, "explicitly denied by identity-based policy own statement #1"},
		{"NotAction with Deny, excepted", user(allow("*", "*"), `{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}`), get, "allowed by identity-based policy own statement #0"},
		{"NotAction is no Allow of the action", user(`{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`), get, "implicitly denied by identity-based policy"},
		{"NotResource with Deny", user(allow("*", "*"), `{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::other/*"}`), get, "explicitly denied by identity-based policy own statement #1"},
		{"NotResource with Deny, excepted", user(allow("*", "*"), `{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::films/*"}`), get, "allowed by identity-based policy own statement #0"},
		{"no resource, granted for one", user(allow("mediaconvert:*", queue)), list, "implicitly denied by identity-based policy"},
		{"no resource, granted for all", user(allow("mediaconvert:*", "*")), list, "allowed by identity-based policy own statement #0"},
		{"no resource, denied for one", user(allow("*", "*"), deny("*", queue)), list, "allowed by identity-based policy own statement #0"},
		{"root with policies that do not allow", with(aRoot(), policies{identity: []string{nothing}}), get, "allowed by root"},
		{"root with a policy that denies", with(aRoot(), policies{identity: []string{of(deny("*", "*"))}}), get, "explicitly denied by identity-based policy own statement #0"},

		// Guard rails
		{"guard rail of nothing", with(aUser(), policies{identity: []string{all}, rails: []string{}}), get, "implicitly denied by service control policy"},
		{"guard rail allows", with(aUser(), policies{identity: []string{all}, rails: []string{of(allow("s3:*", "*"))}}), get, "allowed by identity-based policy own statement #0"},
		{"one of two guard rails allows", with(aUser(), policies{identity: []string{all}, rails: []string{nothing, all}}), get, "allowed by identity-based policy own statement #0"},
		{"guard rail alone", with(aUser(), policies{rails: []string{all}}), get, "implicitly denied by identity-based policy"},
		{"guard rail allows another", with(aUser(), policies{identity: []string{all}, rails: []string{nothing}}), get, "implicitly denied by service control policy"},
		{"guard rail denies", with(aUser(), policies{identity: []string{all}, rails: []string{of(allow("*", "*"), deny("s3:*", "*"))}}), get, "explicitly denied by service control policy rail statement #1"},
		{"guard rail denies the root", with(aRoot(), policies{rails: []string{of(allow("*", "*"), deny("s3:*", "*"))}}), get, "explicitly denied by service control policy rail statement #1"},
		{"guard rail does not allow the root", with(aRoot(), policies{rails: []string{nothing}}), get, "implicitly denied by service control policy"},
		{"guard rail does not allow what a resource does", with(aUser(), policies{rails: []string{nothing}}), resource(get, grants("Allow", aws(ann), "*")), "implicitly denied by service control policy"},

		// Boundaries
		{"boundary alone", with(aUser(), policies{boundary: []string{all}}), get, "implicitly denied by identity-based policy"},
		{"boundary allows", with(aUser(), policies{identity: []string{all}, boundary: []string{of(allow("s3:*", "*"))}}), get, "allowed by identity-based policy own statement #0"},
		{"boundary allows another", with(aUser(), policies{identity: []string{all}, boundary: []string{nothing}}), get, "implicitly denied by permissions boundary"},
		{"boundary denies", with(aUser(), policies{identity: []string{all}, boundary: []string{of(allow("*", "*"), deny("s3:*", "*"))}}), get, "explicitly denied by permissions boundary boundary statement #1"},
		{"boundary of a session", with(aSession(), policies{identity: []string{all}, boundary: []string{nothing}}), get, "implicitly denied by permissions boundary"},
		{"boundary and session policy", with(aSession(), policies{identity: []string{all}, boundary: []string{nothing}, session: []string{nothing}}), get, "implicitly denied by permissions boundary"},

		// Session policies
		{"role without session policy", with(aSession(), policies{identity: []string{all}}), get, "allowed by identity-based policy own statement #0"},
		{"session policy of nothing", with(aSession(), policies{identity: []string{all}, session: []string{}}), get, "implicitly denied by session policy"},
		{"session policy allows", with(aSession(), policies{identity: []string{all}, session: []string{of(allow("s3:GetObject", object))}}), get, "allowed by identity-based policy own statement #0"},
		{"session policy alone", with(aSession(), policies{session: []string{all}}), get, "implicitly denied by identity-based policy"},
		{"session policy allows another", with(aSession(), policies{identity: []string{all}, session: []string{of(allow("s3:GetObject", object+"x"))}}), get, "implicitly denied by session policy"},
		{"session policy denies", with(aSession(), policies{identity: []string{all}, session: []string{of(allow("*", "*"), deny("s3:*", object))}}), get, "explicitly denied by session policy session statement #1"},
		{"role denies, session policy allows", with(aSession(), policies{identity: []string{of(allow("*", "*"), deny("s3:*", object))}, session: []string{all}}), get, "explicitly denied by identity-based policy own statement #1"},
		{"session policy denies, role is silent", with(aSession(), policies{session: []string{of(deny("*", "*"))}}), get, "explicitly denied by session policy session statement #0"},
		{"user with a session policy", with(aUser(), policies{identity: []string{all}, session: []string{nothing}}), get, "implicitly denied by session policy"},
		{"root session of nothing", with(aRoot(), policies{session: []string{}}), get, "implicitly denied by session policy"},
		{"root session, allowed", with(aRoot(), policies{session: []string{of(allow("s3:GetObject", object))}}), get, "allowed by root"},
		{"root session, allowed another", with(aRoot(), policies{session: []string{of(allow("s3:GetObject", object+"x"))}}), get, "implicitly denied by session policy"},
		{"root session, what root has no right to", with(aRoot(), policies{session: []string{all}}), Check{Action: "iam:GetUser", Resource: "arn:aws:iam::999999999999:user/x"}, "implicitly denied by other account"},

		// Policies of resources
		{"resource names the user", user(), resource(get, grants("Allow", aws(ann), "s3:*")), "allowed by resource-based policy of resource statement #0"},
		{"resource names another user", user(), resource(get, grants("Allow", aws(ann+"a"), "s3:*")), "implicitly denied by identity-based policy"},
		{"resource names the user, boundary and session are silent", with(aUser(), policies{boundary: []string{nothing}, session: []string{nothing}}), resource(get, grants("Allow", aws(ann), "s3:*")), "allowed by resource-based policy of resource statement #0"},
		{"resource names the user, boundary denies", with(aUser(), policies{boundary: []string{of(deny("*", "*"))}}), resource(get, grants("Allow", aws(ann), "s3:*")), "explicitly denied by permissions boundary boundary statement #0"},
		{"resource names the session", with(aSession(), policies{boundary: []string{nothing}, session: []string{nothing}}), resource(get, grants("Allow", aws(session), "s3:*")), "allowed by resource-based policy of resource statement #0"},
		{"resource names the role", aSession(), resource(get, grants("Allow", aws(role), "s3:*")), "allowed by resource-based policy of resource statement #0"},
		{"resource names the role, boundary is silent", with(aSession(), policies{boundary: []string{nothing}}), resource(get, grants("Allow", aws(role), "s3:*")), "implicitly denied by permissions boundary"},
		{"resource names the role, session policy is silent", with(aSession(), policies{session: []string{nothing}}), resource(get, grants("Allow", aws(role), "s3:*")), "implicitly denied by session policy"},
		{"resource names role and session", with(aSession(), policies{session: []string{nothing}}), resource(get, grants("Allow", aws(role), "s3:*"), grants("Allow", aws(session), "s3:*")), "allowed by resource-based policy of resource statement #1"},
		{"resource names session and role", with(aSession(), policies{session: []string{nothing}}), resource(get, grants("Allow", aws(session), "s3:*"), grants("Allow", aws(role), "s3:*")), "allowed by resource-based policy of resource statement #0"},
		{"resource names everybody", with(aUser(), policies{boundary: []string{nothing}}), resource(get, grants("Allow", `"*"`, "s3:*")), "allowed by resource-based policy of resource statement #0"},
		{"resource names the account", user(), resource(get, grants("Allow", aws(account), "s3:*")), "implicitly denied by identity-based policy"},
		{"resource names the account, and the user's policy allows", user(allow("s3:*", "*")), resource(get, grants("Allow", aws(account), "s3:*")), "allowed by identity-based policy own statement #0"},
		{"resource names the account, the root asks", aRoot(), resource(get, grants("Allow", aws(account), "s3:*")), "allowed by root"},
		{"resource denies", user(allow("*", "*")), resource(get, grants("Deny", aws(account), "s3:*")), "explicitly denied by resource-based policy of resource statement #0"},
		{"resource denies the root", aRoot(), resource(get, grants("Deny", `"*"`, "s3:*")), "explicitly denied by resource-based policy of resource statement #0"},
		{"resource is silent", user(allow("*", "*")), resource(get, grants("Allow", aws("999999999999"), "s3:*")), "allowed by identity-based policy own statement #0"},
		{"resource lets a service in", aService(), resource(get, grants("Allow", `{"Service":"`+service+`"}`, "s3:*")), "allowed by resource-based policy of resource statement #0"},
		{"a service that nobody lets in", aService(), get, "implicitly denied by resource-based policy"},
		{"a service with policies of its own", with(aService(), policies{identity: []string{all}}), get, "implicitly denied by resource-based policy"},
		{"a key's policy is silent", user(allow("kms:*", "*")), resource(Check{Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:" + account + ":key/k"}, grants("Allow", aws(ann), "kms:Encrypt")), "implicitly denied by resource-based policy"},
		{"a key's policy is silent, to the root", aRoot(), resource(Check{Action: "KMS:Decrypt", Resource: "arn:aws:kms:us-east-1:" + account + ":key/k"}, grants("Allow", aws(ann), "kms:Encrypt")), "implicitly denied by resource-based policy"},
		{"a key's policy names the account", user(allow("kms:*", "*")), resource(Check{Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:" + account + ":key/k"}, grants("Allow", aws(account), "kms:*")), "allowed by identity-based policy own statement #0"},
		{"a key's policy names the account alone", user(), resource(Check{Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:" + account + ":key/k"}, grants("Allow", aws(account), "kms:*")), "implicitly denied by identity-based policy"},

		// Trust
		{"no trust policy", user(allow("*", "*")), Check{Action: "sts:AssumeRole", Resource: role}, "implicitly denied by resource-based policy"},
		{"trust names the user", user(), assume(trust("Allow", aws(ann))), "allowed by resource-based policy trust statement #0"},
		{"trust names another", user(allow("*", "*")), assume(trust("Allow", aws(ann+"a"))), "implicitly denied by resource-based policy"},
		{"trust names the account", user(), assume(trust("Allow", aws(account))), "implicitly denied by identity-based policy"},
		{"trust names the account, and the user's policy allows", user(allow("sts:AssumeRole", role)), assume(trust("Allow", aws(account))), "allowed by identity-based policy own statement #0"},
		{"trust names another account", user(allow("*", "*")), assume(trust("Allow", aws("999999999999"))), "implicitly denied by resource-based policy"},
		{"trust names everybody", user(), assume(trust("Allow", `"*"`)), "allowed by resource-based policy trust statement #0"},
		{"trust names the user, whose policy denies", user(deny("sts:*", "*")), assume(trust("Allow", aws(ann))), "explicitly denied by identity-based policy own statement #0"},
		{"trust under a condition that fails", user(allow("*", "*")), assume(trust("Allow", aws(ann), when("StringEquals", "sts:ExternalId", `"x"`))), "implicitly denied by resource-based policy"},
		{"trust denies", user(allow("*", "*")), assume(trust("Allow", `"*"`), trust("Deny", aws(account))), "explicitly denied by resource-based policy trust statement #1"},
		{"the root assumes no role", aRoot(), assume(trust("Allow", `"*"`)), "implicitly denied by root"},
		{"the root assumes no role by web identity", aRoot(), Check{Action: "sts:AssumeRoleWithWebIdentity", Resource: role, Policy: parsed(t, TrustPolicy, "trust", of(trust("Allow", `"*"`)))}, "implicitly denied by root"},
		{"the root assumes no role by SAML", aRoot(), Check{Action: "sts:AssumeRoleWithSAML", Resource: role, Policy: parsed(t, TrustPolicy, "trust", of(trust("Allow", `"*"`)))}, "implicitly denied by root"},
		{"a session assumes a role", aSession(), assume(trust("Allow", aws(role))), "allowed by resource-based policy trust statement #0"},
		{"a session with a session policy assumes no role", with(aSession(), policies{session: []string{nothing}}), assume(trust("Allow", aws(role))), "implicitly denied by session policy"},
		{"a trusted service", aService(), assume(trust("Allow", `{"Service":"`+service+`"}`)), "allowed by resource-based policy trust statement #0"},
		{"another service", aService(), assume(trust("Allow", `{"Service":"s3.amazonaws.com"}`)), "implicitly denied by resource-based policy"},
		{"trust in the account is none in a service", aService(), assume(trust("Allow", aws(account))), "implicitly denied by resource-based policy"},
		{"a trusted service whose account has guard rails", with(aService(), policies{rails: []string{nothing}}), assume(trust("Allow", `{"Service":"`+service+`"}`)), "allowed by resource-based policy trust statement #0"},
		{"a trusted provider", aWebIdentity(), assume(trust("Allow", `{"Federated":"`+issuer+`"}`)), "allowed by resource-based policy trust statement #0"},
		{"another provider", aWebIdentity(), assume(trust("Allow", `{"Federated":"`+issuer+`2"}`)), "implicitly denied by resource-based policy"},
		{"a provider of another account", Principal{Type: WebIdentity, Account: "999999999999", Name: issuer}, assume(trust("Allow", `{"Federated":"`+issuer+`"}`)), "implicitly denied by other account"},
		{"tags of a session", user(allow("*", "*")), Check{Action: "sts:TagSession", Resource: role, Policy: parsed(t, TrustPolicy, "trust", of(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":`+aws(ann)+`}`))}, "implicitly denied by resource-based policy"},
		{"a source identity", user(allow("*", "*")), Check{Action: "sts:SetSourceIdentity", Resource: role, Policy: parsed(t, TrustPolicy, "trust", of(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":`+aws(ann)+`}`))}, "implicitly denied by resource-based policy"},

		// What cannot be read
		{"an unreadable policy beside a grant", Principal{Type: User, Account: account, ARN: ann, Policies: append(named(t, "p", all), Unreadable("group g"))}, get, "implicitly denied by unreadable policy group g"},
		{"an unreadable policy before a denial", Principal{Type: User, Account: account, ARN: ann, Policies: append([]*Policy{Unreadable("x")}, named(t, "p", of(deny("*", "*")))...)}, get, "explicitly denied by identity-based policy p statement #0"},
		{"an unreadable policy before a grant", Principal{Type: User, Account: account, ARN: ann, Policies: append([]*Policy{Unreadable("x")}, named(t, "p", all)...)}, get, "implicitly denied by unreadable policy x"},
		{"no policy at its place", Principal{Type: User, Account: account, ARN: ann, Policies: append(named(t, "p", all), nil)}, get, "implicitly denied by unreadable policy"},
		{"a policy that nobody parsed", Principal{Type: User, Account: account, ARN: ann, Policies: []*Policy{{
			Name: "made up", Kind: IdentityPolicy, Statements: []Statement{{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}}},
		}}}, get, "implicitly denied by unreadable policy made up"},
		{"the root's unreadable policy", Principal{Type: Root, Account: account, ARN: "r", Policies: []*Policy{Unreadable("x")}}, get, "implicitly denied by unreadable policy x"},
		{"an unreadable boundary", Principal{Type: User, Account: account, ARN: ann, Policies: named(t, "p", all), Boundary: Unreadable("b")}, get, "implicitly denied by unreadable policy b"},
		{"an unreadable session policy", Principal{Type: User, Account: account, ARN: ann, Policies: named(t, "p", all), Session: []*Policy{Unreadable("s")}}, get, "implicitly denied by unreadable policy s"},
		{"an unreadable guard rail", Principal{Type: Root, Account: account, ARN: "r", GuardRails: []*Policy{Unreadable("g")}}, get, "implicitly denied by unreadable policy g"},
		{"an unreadable trust policy", user(allow("*", "*")), Check{Action: "sts:AssumeRole", Resource: role, Policy: Unreadable("t")}, "implicitly denied by unreadable policy t"},
		{"an identity policy as a trust policy", user(allow("*", "*")), Check{Action: "sts:AssumeRole", Resource: role, Policy: named(t, "t", all)[0]}, "implicitly denied by unreadable policy t"},
		{"a trust policy as an identity policy", Principal{Type: User, Account: account, ARN: ann, Policies: []*Policy{assume(trust("Allow", `"*"`)).Policy}}, assume(trust("Allow", aws(account))), "implicitly denied by unreadable policy trust"},
		{"the policy of a resource as a boundary", Principal{Type: User, Account: account, ARN: ann, Policies: named(t, "p", all), Boundary: resource(get, grants("Allow", `"*"`, "*")).Policy}, get, "implicitly denied by unreadable policy of resource"},
		{"a policy of no kind", Principal{Type: User, Account: account, ARN: ann, Policies: []*Policy{parsed(t, 0, "p", of(grants("Allow", `"*"`, "*")))}}, get, "implicitly denied by unreadable policy p"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &Request{Principal: tt.principal, Check: tt.check, Now: start}
			got := Authorize(r)
			if got.String() != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got.Allowed() != strings.HasPrefix(tt.want, "allowed") {
				t.Errorf("Allowed: got %v", got.Allowed())
			}
			if traced := authorize(r, func(Source, *Policy, *Statement, miss) {}); traced != got {
				t.Errorf("traced: got %v, want %v", traced, got)
			}
		})
	}
}

// TestTrace: what a tracer hears of statements, in the order of the policies, whatever was decided.
func TestTrace(t *testing.T) {
	t.Parallel()
	r := asks(t,
		allow("s3:PutObject", "*", `"Sid":"Action"`),
		allow("s3:*", queue, `"Sid":"Resource"`),
		allow("s3:*", "*", `"Sid":"Fails"`, `"Condition":{"Bool":{"x:no":"true","x:odd":"true"}}`),
		allow("s3:*", "*", `"Sid":"Odd"`, when("Bool", "x:odd", `"true"`)),
		deny("s3:*", "*", `"Sid":"DeniesOdd"`, when("Bool", "x:odd", `"true"`)),
		allow("s3:*", "*", `"Sid":"Allows"`),
		deny("*", "*", `"Sid":"Denies"`),
		allow("*", "*", `"Sid":"AllowsTooLate"`),
	)
	r.Principal.Policies = append(r.Principal.Policies, named(t, "q", of(allow("*", "*", `"Sid":"Elsewhere"`)))...)
	r.Principal.Policies = append(r.Principal.Policies, Unreadable("x"))
	r.Context.Set("x:odd", "odd")
	r.Context.Set("x:no", "false")
	r.Check.Policy = parsed(t, ResourcePolicy, "r", of(`{"Sid":"Principal","Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"*","Resource":"*"}`))
	var got []string
	d := authorize(r, func(source Source, p *Policy, s *Statement, why miss) {
		line := fmt.Sprint(p.Name, " ", s.Name(), ": ", why.element)
		if why.condition != nil {
			line += " " + why.condition.Key
		}
		if why.unreadable {
			line += " unreadable"
		}
		got = append(got, line)
	})
	want := []string{
		"r Principal: Principal",
		"p Action: Action",
		"p Resource: Resource",
		"p Fails: Condition x:no",
		"p Odd: Condition x:odd unreadable",
		"p DeniesOdd: ",
		"p Allows: ",
		"p Denies: ",
		"p AllowsTooLate: ",
		"q Elsewhere: ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if d.String() != "explicitly denied by identity-based policy p statement DeniesOdd" || d != Authorize(r) {
		t.Errorf("got %v", d)
	}
}

// TestUserGuide: examples of the user guide, in our words.
func TestUserGuide(t *testing.T) {
	t.Parallel()
	mine := of(
		allow("mediaconvert:*", "arn:*:mediaconvert:*:*:queues/team-*"),
		allow("mediaconvert:CreateJob", "arn:aws:mediaconvert:us-east-1:"+account+":presets/allow*"),
		allow("iam:PassRole", role, when("StringEquals", "iam:PassedToService", `"`+service+`"`)),
		allow("mediaconvert:DeleteQueue", "*", when("StringEquals", "aws:ResourceTag/owner", `"${aws:username}"`)),
		allow("mediaconvert:TagResource", "*", `"Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]},"Null":{"aws:TagKeys":"false"}}`),
		deny("mediaconvert:CreateJob", "*", when("BoolIfExists", "mediaconvert:HttpInputsAllowed", `"true"`)),
		deny("*", "*", when("NotIpAddress", "aws:SourceIp", `["192.0.2.0/24","2001:db8::/32"]`)),
		deny("*", "*", when("Bool", "aws:SecureTransport", `"false"`)),
		deny("mediaconvert:DeleteQueue", "*", when("BoolIfExists", "aws:MultiFactorAuthPresent", `"false"`)),
	)
	arn := func(rest string) string { return "arn:aws:mediaconvert:us-east-1:" + account + ":" + rest }
	tests := []struct {
		name    string
		check   Check
		keys    map[string][]string
		session bool // with a second factor
		allowed bool
	}{
		{"a queue of the team", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/team-red")}, nil, false, true},
		{"the default queue", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/Default")}, nil, false, false},
		{"a job in a queue of the team, inputs over HTTP are not allowed", Check{Action: "mediaconvert:CreateJob", Resource: arn("queues/team-red")}, map[string][]string{"mediaconvert:HttpInputsAllowed": {"false"}}, false, true},
		{"a job in a queue of the team, inputs over HTTP are allowed", Check{Action: "mediaconvert:CreateJob", Resource: arn("queues/team-red")}, map[string][]string{"mediaconvert:HttpInputsAllowed": {"true"}}, false, false},
		{"a job in a queue of the team, nothing known of inputs", Check{Action: "mediaconvert:CreateJob", Resource: arn("queues/team-red")}, nil, false, false},
		{"a preset", Check{Action: "mediaconvert:CreateJob", Resource: arn("presets/allowed")}, map[string][]string{"mediaconvert:HttpInputsAllowed": {"false"}}, false, true},
		{"another preset", Check{Action: "mediaconvert:CreateJob", Resource: arn("presets/other")}, map[string][]string{"mediaconvert:HttpInputsAllowed": {"false"}}, false, false},
		{"a role for the service", Check{Action: "iam:PassRole", Resource: role}, map[string][]string{"iam:PassedToService": {service}}, false, true},
		{"a role for another service", Check{Action: "iam:PassRole", Resource: role}, map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}, false, false},
		{"a role for nobody knows what", Check{Action: "iam:PassRole", Resource: role}, nil, false, false},
		{"another role for the service", Check{Action: "iam:PassRole", Resource: role + "2"}, map[string][]string{"iam:PassedToService": {service}}, false, false},
		{"an own queue, with a second factor", Check{Action: "mediaconvert:DeleteQueue", Resource: arn("queues/x"), Tags: map[string]string{"owner": "ann"}}, nil, true, true},
		{"an own queue, without a second factor", Check{Action: "mediaconvert:DeleteQueue", Resource: arn("queues/x"), Tags: map[string]string{"owner": "ann"}}, nil, false, false},
		{"a queue of another", Check{Action: "mediaconvert:DeleteQueue", Resource: arn("queues/x"), Tags: map[string]string{"owner": "bob"}}, nil, true, false},
		{"a queue of nobody", Check{Action: "mediaconvert:DeleteQueue", Resource: arn("queues/x")}, nil, true, false},
		{"tags that may be set", Check{Action: "mediaconvert:TagResource", Resource: arn("queues/x")}, map[string][]string{"aws:TagKeys": {"cost", "team"}}, false, true},
		{"a tag that may not be set", Check{Action: "mediaconvert:TagResource", Resource: arn("queues/x")}, map[string][]string{"aws:TagKeys": {"cost", "owner"}}, false, false},
		{"no tags", Check{Action: "mediaconvert:TagResource", Resource: arn("queues/x")}, nil, false, false},
		{"from elsewhere", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/team-red")}, map[string][]string{"aws:SourceIp": {"203.0.113.7"}}, false, false},
		{"from an address that cannot be read", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/team-red")}, map[string][]string{"aws:SourceIp": {"192.0.2.1, 203.0.113.7"}}, false, false},
		{"from two addresses", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/team-red")}, map[string][]string{"aws:SourceIp": {"192.0.2.1", "203.0.113.7"}}, false, false},
		{"from nobody knows where", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/team-red")}, map[string][]string{"aws:SourceIp": nil}, false, false},
		{"from the same place over IPv6", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/team-red")}, map[string][]string{"aws:SourceIp": {"::ffff:192.0.2.1"}}, false, true},
		{"in the clear", Check{Action: "mediaconvert:GetQueue", Resource: arn("queues/team-red")}, map[string][]string{"aws:SecureTransport": {"false"}}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := aUser()
			p.Policies = named(t, "p", mine)
			if tt.session {
				p.Issued, p.MFA = start, start
			} else {
				p.Issued = start // BoolIfExists would let long-term credentials pass that say nothing of a second factor
			}
			r := &Request{Principal: p, Check: tt.check, Now: start}
			if _, said := tt.keys["aws:SourceIp"]; !said {
				r.Context.Set("aws:SourceIp", "192.0.2.1")
			}
			if _, said := tt.keys["aws:SecureTransport"]; !said {
				r.Context.Set("aws:SecureTransport", "true")
			}
			for k, v := range tt.keys {
				r.Context.Set(k, v...)
			}
			if got := Authorize(r); got.Allowed() != tt.allowed {
				t.Errorf("got %v, want allowed: %v", got, tt.allowed)
			}
		})
	}
}

// TestConfusedDeputy: a trust policy as the user guide has it, with the queue's ARN and the account.
func TestConfusedDeputy(t *testing.T) {
	t.Parallel()
	trust := parsed(t, TrustPolicy, "trust", of(`{"Effect":"Allow","Principal":{"Service":"`+service+`"},"Action":"sts:AssumeRole","Condition":{
		"StringEquals":{"aws:SourceAccount":"`+account+`"},"ArnLike":{"aws:SourceArn":"arn:aws:mediaconvert:*:`+account+`:queues/*"}}}`))
	tests := []struct {
		name            string
		source, account []string
		allowed         bool
	}{
		{"for a queue of the account", []string{queue}, []string{account}, true},
		{"for a queue of another account", []string{theirs}, []string{account}, false},
		{"for another account", []string{queue}, []string{"999999999999"}, false},
		{"for a job", []string{strings.Replace(queue, "queues/", "jobs/", 1)}, []string{account}, false},
		{"for nothing known", nil, nil, false},
		{"for an account alone", nil, []string{account}, false},
		{"for a queue alone", []string{queue}, nil, false},
		{"for two queues", []string{queue, theirs}, []string{account}, false},
		{"for what is no ARN", []string{"queue"}, []string{account}, false},
	}
	for _, tt := range tests {
		r := &Request{Principal: aService(), Check: Check{Action: "sts:AssumeRole", Resource: role, Policy: trust}, Now: start}
		r.Context.Set("aws:SourceArn", tt.source...)
		r.Context.Set("aws:SourceAccount", tt.account...)
		if got := Authorize(r); got.Allowed() != tt.allowed {
			t.Errorf("%s: got %v, want allowed: %v", tt.name, got, tt.allowed)
		}
	}
}
