package iam

import "testing"

func TestZeroDecisionDenies(t *testing.T) {
	t.Parallel()
	for _, d := range []Decision{{}, {Effect: Deny}, {Effect: 3}, {Effect: -1}} {
		if d.Allowed() {
			t.Errorf("%v allows", d)
		}
	}
	if got := Authorize(&Request{}); got.Allowed() || got.Source != Malformed {
		t.Errorf("no request: got %v", got)
	}
}

func TestStrings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{Allow.String(), "Allow"},
		{Deny.String(), "Deny"},
		{Effect(0).String(), "neither Allow nor Deny"},
		{Effect(3).String(), "neither Allow nor Deny"},
		{Decision{}.String(), "implicitly denied"},
		{Decision{Effect: Allow, Source: RootAccount}.String(), "allowed by root"},
		{Decision{Effect: Deny, Source: Session, Policy: "p", Sid: "#3"}.String(), "explicitly denied by session policy p statement #3"},
		{Decision{Effect: 3, Source: Identity}.String(), "implicitly denied by identity-based policy"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	create, list := Check{Action: "mediaconvert:CreateJob", Resource: queue}, Check{Action: "mediaconvert:ListQueues", Resource: "*"}
	assume := Check{Action: "sts:AssumeRole", Resource: role}
	decrypt := Check{Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:" + account + ":key/k"}
	const who = "User: " + ann + " is not authorized to perform: "
	const job = who + "mediaconvert:CreateJob on resource: " + queue
	tests := []struct {
		name  string
		check Check
		d     Decision
		want  string
	}{
		{"nothing known", create, Decision{}, job},
		{"no resource", list, Decision{}, who + "mediaconvert:ListQueues"},
		{"no resource at all", Check{Action: "sts:GetSessionToken"}, Decision{}, who + "sts:GetSessionToken"},

		{"no identity policy", create, Decision{Source: Identity}, job + " because no identity-based policy allows the mediaconvert:CreateJob action"},
		{"no identity policy, no resource", list, Decision{Source: Identity}, who + "mediaconvert:ListQueues because no identity-based policy allows the mediaconvert:ListQueues action"},
		{"no boundary", create, Decision{Source: Boundary}, job + " because no permissions boundary allows the mediaconvert:CreateJob action"},
		{"no session policy", create, Decision{Source: Session}, job + " because no session policy allows the mediaconvert:CreateJob action"},
		{"no guard rail", create, Decision{Source: GuardRail}, job + " because no service control policy allows the mediaconvert:CreateJob action"},
		{"no policy of a key", decrypt, Decision{Source: Resource}, who + "kms:Decrypt on resource: " + decrypt.Resource + " because no resource-based policy allows the kms:Decrypt action"},
		{"no trust", assume, Decision{Source: Resource}, who + "sts:AssumeRole on resource: " + role},
		{"the root", assume, Decision{Source: RootAccount}, who + "sts:AssumeRole on resource: " + role},
		{"unreadable", create, Decision{Source: Unread, Policy: "secret name"}, job},
		{"another account", create, Decision{Source: Foreign}, job},
		{"no request", create, Decision{Source: Malformed}, job},

		{"an identity policy denies", create, Decision{Effect: Deny, Source: Identity, Policy: "p", Sid: "s"}, job + " with an explicit deny in an identity-based policy"},
		{"a boundary denies", create, Decision{Effect: Deny, Source: Boundary}, job + " with an explicit deny in a permissions boundary"},
		{"a session policy denies", create, Decision{Effect: Deny, Source: Session}, job + " with an explicit deny in a session policy"},
		{"a guard rail denies", list, Decision{Effect: Deny, Source: GuardRail}, who + "mediaconvert:ListQueues with an explicit deny in a service control policy"},
		{"a policy of a resource denies", assume, Decision{Effect: Deny, Source: Resource}, who + "sts:AssumeRole on resource: " + role + " with an explicit deny in a resource-based policy"},
	}
	for _, tt := range tests {
		var err error = &Denied{aUser(), tt.check, tt.d}
		if err.Error() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, err, tt.want)
		}
	}
	// Whom a provider vouches for is told in other words.
	vouched := Check{Action: "sts:AssumeRoleWithWebIdentity", Resource: role}
	if got := (&Denied{Principal{Type: WebIdentity, ARN: "x"}, vouched, Decision{Source: Resource}}).Error(); got != "Not authorized to perform sts:AssumeRoleWithWebIdentity" {
		t.Errorf("a web identity: got %q", got)
	}
}
