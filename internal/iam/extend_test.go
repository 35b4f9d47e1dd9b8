package iam

import "testing"

// TestExtend: a policy that was extended says what its parts say together, and nothing where one of them cannot be read.
func TestExtend(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:kms:us-east-1:111122223333:key/k"
	parse := func(kind Kind, statement string) *Policy {
		p, err := Parse(kind, "the policy", `{"Version":"2012-10-17","Statement":[`+statement+`]}`)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	statement := func(effect, name, action string) string {
		return `{"Sid":"` + effect + name + `","Effect":"` + effect + `","Principal":{"AWS":"arn:aws:iam::111122223333:user/` + name + `"},"Action":"` + action + `","Resource":"*"}`
	}
	own, silent := parse(ResourcePolicy, statement("Allow", "ann", "kms:Encrypt")), parse(ResourcePolicy, statement("Allow", "eve", "kms:Encrypt"))
	grant, no := parse(ResourcePolicy, statement("Allow", "bob", "kms:Decrypt")), parse(ResourcePolicy, statement("Deny", "bob", "kms:*"))
	ids := map[string]string{"arn:aws:iam::111122223333:user/bob": "AIDABOBBOBBOBBOBBOBB"}
	for _, tt := range []struct {
		name, action, id string
		policy           *Policy
		want             string
	}{
		{"nothing behind it", "kms:Decrypt", "", own.Extend(), "implicitly denied by resource-based policy"},
		{"a grant behind it", "kms:Decrypt", "", own.Extend(grant), "allowed by resource-based policy the policy statement Allowbob"},
		{"two behind it", "kms:Decrypt", "", own.Extend(silent, grant), "allowed by resource-based policy the policy statement Allowbob"},
		{"another action", "kms:Encrypt", "", own.Extend(grant), "implicitly denied by resource-based policy"},
		{"a denial wins", "kms:Decrypt", "", no.Extend(grant), "explicitly denied by resource-based policy the policy statement Denybob"},
		{"a denial behind wins", "kms:Decrypt", "", own.Extend(grant, no), "explicitly denied by resource-based policy the policy statement Denybob"},
		{"bound to the id", "kms:Decrypt", "AIDABOBBOBBOBBOBBOBB", own.Extend(grant.Bind(ids)), "allowed by resource-based policy the policy statement Allowbob"},
		{"bound to another id", "kms:Decrypt", "AIDAEVEEVEEVEEVEEVEE", own.Extend(grant.Bind(ids)), "implicitly denied by resource-based policy"},
		{"nil behind it", "kms:Decrypt", "", own.Extend(grant, nil), "implicitly denied by unreadable policy the policy"},
		{"unreadable behind it", "kms:Decrypt", "", own.Extend(grant, Unreadable("x")), "implicitly denied by unreadable policy the policy"},
		{"unreadable itself", "kms:Decrypt", "", Unreadable("x").Extend(grant), "implicitly denied by unreadable policy x"},
		{"another kind behind it", "kms:Decrypt", "", own.Extend(parse(IdentityPolicy, `{"Effect":"Allow","Action":"*","Resource":"*"}`)), "implicitly denied by unreadable policy the policy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Request{
				Principal: Principal{Type: User, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/bob", UserID: tt.id, Name: "bob"},
				Check:     Check{Action: tt.action, Resource: key, Policy: tt.policy},
			}
			if got := Authorize(&r).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if (*Policy)(nil).Extend(grant) != nil {
		t.Error("a policy came of none")
	}
	if len(own.Statements) != 1 {
		t.Error("the policy itself was changed")
	}
}
