package keys_test

import (
	"strings"
	"testing"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keys"
)

func userARN(name string) string { return "arn:aws:iam::" + account + ":user/" + name }

func allowOf(principal, actions string, more ...string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + actions + `,"Resource":"*"` + strings.Join(more, "") + `}`
}

// TestKeyPolicies: key policies and IAM policies decide together as KMS has it.
func TestKeyPolicies(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ann, admin, none := b.user("ann", ""), b.user("admin", allowAll), b.user("none", "")
	reader := b.role("reader", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`)
	onOne := b.user("onone", `{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/0*"}`)
	barred := b.user("barred", allowAll+`,{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}`)
	stranger := iam.Principal{Type: iam.Root, Account: other, ARN: "arn:aws:iam::" + other + ":root", UserID: other}
	tagged := b.user("tagged", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"films"}}}`)
	named := b.user("named", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/films*"}}}`)
	byAlias := b.user("byalias", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:RequestAlias":"alias/films"}}}`)
	inContext := b.user("incontext", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:service":"x"},"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["service"]}}}`)
	specced := b.user("specced", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT","kms:KeyOrigin":"AWS_KMS","kms:CallerAccount":"`+account+`","kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"},"Bool":{"kms:MultiRegion":"false"}}}`)

	open := b.key("")
	ok(t, b.Account(account).Tag(t.Context(), open.ID, map[string]string{"team": "films"}))
	ok(t, b.Account(account).CreateAlias(t.Context(), "alias/films", open.ID))
	annOnly := b.key(document(allowOf(userARN("ann"), `"kms:*"`)))
	bindTo := func(k *keys.Key) { // as PutKeyPolicy would: bound to who is there
		ok(t, b.Account(account).PutPolicy(t.Context(), k.ID, k.Policy, &keys.Author{Bypass: true}))
	}
	bindTo(annOnly)
	denying := b.key(document(delegate + `,{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`))
	roles := b.key(document(allowOf("arn:aws:iam::"+account+":role/reader", `"kms:Decrypt"`)))
	everybody := b.key(document(allowOf("*", `"kms:Decrypt"`)))
	via := b.key(document(delegate + `,` + allowOf(userARN("none"), `"kms:Decrypt"`, `,"Condition":{"StringEquals":{"kms:ViaService":"`+s3+`"}}`)))

	decrypt := func(k *keys.Key) keys.Question { return keys.Question{Action: "Decrypt", Key: k.ID} }
	with := func(q keys.Question, edit func(*keys.Question)) keys.Question { edit(&q); return q }
	for _, tt := range []struct {
		name string
		who  iam.Principal
		ask  keys.Question
		want bool
	}{
		{"the default policy leaves it to IAM, which allows", admin, decrypt(open), true},
		{"the default policy leaves it to IAM, which is silent", none, decrypt(open), false},
		{"the default policy and the root", root(), decrypt(open), true},
		{"IAM allows other keys", onOne, decrypt(open), strings.HasPrefix(open.ID, "0")},
		{"IAM denies", barred, decrypt(open), false},
		{"a key policy that names a user lets that user in", ann, decrypt(annOnly), true},
		{"no delegation: an admin is not let in", admin, decrypt(annOnly), false},
		{"no delegation: the root is not let in", root(), decrypt(annOnly), false},
		{"a key policy that denies everybody denies the admin", admin, decrypt(denying), false},
		{"a key policy that denies everybody denies the root", root(), decrypt(denying), false},
		{"what it does not deny is left to IAM", admin, keys.Question{Action: "Encrypt", Key: denying.ID}, true},
		{"a key policy that names a role lets its sessions in", reader, decrypt(roles), true},
		{"a key policy that names a role is not for an admin", admin, decrypt(roles), false},
		{"a key policy for everybody", none, decrypt(everybody), true},
		{"a key policy for everybody and a barred user", barred, decrypt(everybody), false},
		{"another account", stranger, keys.Question{Action: "Decrypt", Key: keyARN(everybody)}, false},
		{"through a service", none, with(decrypt(via), func(q *keys.Question) { q.Via = s3 }), true},
		{"through another service", none, with(decrypt(via), func(q *keys.Question) { q.Via = "ec2.us-east-1.amazonaws.com" }), false},
		{"not through a service", none, decrypt(via), false},
		{"by the tag of the key", tagged, decrypt(open), true},
		{"by the tag of the key, another key", tagged, decrypt(denying), false},
		{"by an alias of the key", named, decrypt(open), true},
		{"by an alias of the key, another key", named, decrypt(via), false},
		{"by the alias in the request", byAlias, with(decrypt(open), func(q *keys.Question) { q.Key, q.Forms = "alias/films", keys.AliasesToo }), true},
		{"by the alias in the request, which names the key", byAlias, decrypt(open), false},
		{"in a context", inContext, with(decrypt(open), func(q *keys.Question) { q.Context = map[string]string{"service": "x"} }), true},
		{"in another context", inContext, with(decrypt(open), func(q *keys.Question) { q.Context = map[string]string{"service": "y"} }), false},
		{"in a larger context", inContext, with(decrypt(open), func(q *keys.Question) { q.Context = map[string]string{"service": "x", "more": ""} }), false},
		{"in no context", inContext, decrypt(open), false},
		{"by what the key is", specced, decrypt(open), true},
		{"a key that is not there, to who may use any", admin, keys.Question{Action: "Decrypt", Key: "1234abcd-12ab-34cd-56ef-1234567890ab"}, true},
		{"a key that is not there, to who may use none", none, keys.Question{Action: "Decrypt", Key: "1234abcd-12ab-34cd-56ef-1234567890ab"}, false},
		{"nobody", iam.Principal{Account: account}, decrypt(everybody), false},
	} {
		if got := b.may(tt.who, &tt.ask); got != tt.want {
			t.Errorf("%s: let in %t", tt.name, got)
		}
	}

	// A user made anew under the old name does not inherit.
	if err := b.people.Change(t.Context(), account, func(v *identity.View) error { v.Drop(v.Get(identity.User, "ann")); return nil }); err != nil {
		t.Fatal(err)
	}
	if again := b.user("ann", ""); b.may(again, &keys.Question{Action: "Decrypt", Key: annOnly.ID}) {
		t.Error("another user of the same name was let in")
	}
	if text := must(b.Account(account).Policy(t.Context(), annOnly.ID))(t); !strings.Contains(text, `"`+ann.UserID+`"`) {
		t.Errorf("the policy shows somebody else: %s", text)
	}
}

// TestLockout: a key policy that would lock its author out is refused, unless it is asked for.
func TestLockout(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k := t.Context(), b.Account(account), b.key("")
	admin, maker := b.user("admin", allowAll), b.user("maker", `{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}`)
	const refusal = "The new key policy will not allow you to update the key policy in the future."
	for _, tt := range []struct {
		name, policy string
		by           keys.Author
		says         string // of the refusal; empty for none
	}{
		{"delegated, to an admin", document(delegate), keys.Author{Principal: admin}, ""},
		{"delegated, to who may not", document(delegate + `,` + allowOf(userARN("admin"), `"kms:*"`)), keys.Author{Principal: maker}, refusal},
		{"the default one asks nothing of who makes a key", keys.DefaultPolicy(account), keys.Author{Principal: maker}, ""},
		{"names the author", document(allowOf(userARN("maker"), `["kms:PutKeyPolicy"]`)), keys.Author{Principal: maker}, ""},
		{"names somebody else", document(allowOf(userARN("admin"), `"kms:*"`)), keys.Author{Principal: maker}, refusal},
		{"names the author for something else", document(allowOf(userARN("maker"), `"kms:Decrypt"`)), keys.Author{Principal: maker}, refusal},
		{"denies the author", document(delegate + `,{"Effect":"Deny","Principal":{"AWS":"` + userARN("admin") + `"},"Action":"kms:Put*","Resource":"*"}`), keys.Author{Principal: admin}, refusal},
		{"locks everybody out, on demand", document(allowOf(userARN("maker"), `"kms:Decrypt"`)), keys.Author{Principal: admin, Bypass: true}, ""},
		{"names nobody who is there", document(delegate + `,` + allowOf(userARN("ghost"), `"kms:Decrypt"`)), keys.Author{Principal: admin, Bypass: true}, "invalid principals"},
		{"no principal", document(`{"Effect":"Allow","Action":"kms:*","Resource":"*"}`), keys.Author{Principal: admin, Bypass: true}, "must contain principals"},
		{"no document", `{`, keys.Author{Principal: admin, Bypass: true}, ""},
	} {
		if _, _, err := a.Create(ctx, &keys.NewKey{Policy: tt.policy, By: &tt.by}); tt.says != "" || tt.policy == "{" {
			refused(t, tt.name+", create", err, "MalformedPolicyDocumentException", tt.says)
		} else if err != nil {
			t.Errorf("%s, create: %v", tt.name, err)
		}
		if err := a.PutPolicy(ctx, k.ID, tt.policy, &tt.by); tt.says != "" || tt.policy == "{" {
			refused(t, tt.name, err, "MalformedPolicyDocumentException", tt.says)
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	refused(t, "too long", a.PutPolicy(ctx, k.ID, document(delegate)+strings.Repeat(" ", keys.MaxPolicy), &keys.Author{Principal: admin}), "LimitExceededException", "")
}

// TestGrants: a grant lets its grantee do what it says, in the contexts that it says, and nobody else anything.
func TestGrants(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a := t.Context(), b.Account(account)
	k, second := b.key(""), b.key("")
	ann, eve, admin := b.user("ann", ""), b.user("eve", ""), b.user("admin", allowAll)
	barred := b.user("barred", `{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}`)
	worker, other := b.role("worker", ""), b.role("other", "")
	workerARN := "arn:aws:iam::" + account + ":role/worker"
	grant := func(r keys.GrantRequest) string {
		t.Helper()
		r.Key = k.ID
		id, _, err := a.CreateGrant(ctx, &r)
		ok(t, err)
		return id
	}
	pairs := map[string]string{"service": "mediaconvert.amazonaws.com", "Job": "1"}
	grant(keys.GrantRequest{Grantee: userARN("ann"), Operations: []string{"Decrypt", "CreateGrant"}, Constraints: keys.Constraints{Subset: map[string]string{"Job": "1"}}})
	grant(keys.GrantRequest{Grantee: userARN("barred"), Operations: []string{"Decrypt"}})
	byRole := grant(keys.GrantRequest{Grantee: workerARN, Operations: []string{"GenerateDataKey", "DescribeKey"}, Constraints: keys.Constraints{Equals: pairs}})
	narrowed := worker
	narrowed.Session = []*iam.Policy{must(iam.Parse(iam.IdentityPolicy, "s", document(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)))(t)}
	ask := func(action string, pairs map[string]string) keys.Question {
		return keys.Question{Action: action, Key: k.ID, Context: pairs}
	}
	child := func(r keys.GrantRequest) keys.Question {
		r.Grantee = userARN("eve")
		return keys.Question{Action: "CreateGrant", Key: k.ID, Grant: &r}
	}
	for _, tt := range []struct {
		name string
		who  iam.Principal
		ask  keys.Question
		want bool
	}{
		{"the operation in the context", ann, ask("Decrypt", pairs), true},
		{"the least context", ann, ask("Decrypt", map[string]string{"Job": "1"}), true},
		{"no context", ann, ask("Decrypt", nil), false},
		{"another value", ann, ask("Decrypt", map[string]string{"Job": "2"}), false},
		{"another case of the key", ann, ask("Decrypt", map[string]string{"job": "1"}), false},
		{"two cases of the key", ann, ask("Decrypt", map[string]string{"Job": "1", "job": "2"}), true},
		{"another operation", ann, ask("Encrypt", pairs), false},
		{"another key", ann, keys.Question{Action: "Decrypt", Key: second.ID, Context: pairs}, false},
		{"somebody else", eve, ask("Decrypt", pairs), false},
		{"a Deny wins over a grant", barred, ask("Decrypt", pairs), false},
		{"a session of the role, the very context", worker, ask("GenerateDataKey", pairs), true},
		{"a session of the role, a part of the context", worker, ask("GenerateDataKey", map[string]string{"Job": "1"}), false},
		{"a session of the role, more context", worker, ask("GenerateDataKey", map[string]string{"Job": "1", "service": "mediaconvert.amazonaws.com", "x": ""}), false},
		{"DescribeKey is not constrained", worker, ask("DescribeKey", nil), true},
		{"a session policy bounds what the role is granted", narrowed, ask("GenerateDataKey", pairs), false},
		{"a session of another role", other, ask("GenerateDataKey", pairs), false},
		{"a grant of the same", ann, child(keys.GrantRequest{Operations: []string{"Decrypt"}, Constraints: keys.Constraints{Subset: map[string]string{"Job": "1"}}}), true},
		{"a stricter grant", ann, child(keys.GrantRequest{Operations: []string{"Decrypt"}, Constraints: keys.Constraints{Equals: pairs}}), true},
		{"a grant without the constraint", ann, child(keys.GrantRequest{Operations: []string{"Decrypt"}}), false},
		{"a grant with another constraint", ann, child(keys.GrantRequest{Operations: []string{"Decrypt"}, Constraints: keys.Constraints{Subset: map[string]string{"x": "1"}}}), false},
		{"a grant of more", ann, child(keys.GrantRequest{Operations: []string{"Decrypt", "Encrypt"}, Constraints: keys.Constraints{Equals: pairs}}), false},
		{"a grant that is none", ann, child(keys.GrantRequest{Constraints: keys.Constraints{Equals: pairs}}), false},
		{"who may make any grant by IAM", admin, child(keys.GrantRequest{Operations: []string{"Decrypt", "Encrypt"}}), true},
	} {
		if got := b.may(tt.who, &tt.ask); got != tt.want {
			t.Errorf("%s: let in %t", tt.name, got)
		}
	}
	ok(t, a.RevokeGrant(ctx, k.ID, byRole, false))
	if q := ask("GenerateDataKey", pairs); b.may(worker, &q) {
		t.Error("let in by a grant that was revoked")
	}
	refused(t, "revoked again", a.RevokeGrant(ctx, k.ID, byRole, false), "NotFoundException", byRole)

	// One who is made anew under the old name does not inherit.
	if err := b.people.Change(ctx, account, func(v *identity.View) error { v.Drop(v.Get(identity.User, "ann")); return nil }); err != nil {
		t.Fatal(err)
	}
	if q := ask("Decrypt", pairs); b.may(b.user("ann", ""), &q) {
		t.Error("another user of the same name was let in")
	}
}

// TestGrantRules: what a grant must be.
func TestGrantRules(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k := t.Context(), b.Account(account), b.key("")
	b.user("ann", "")
	good := keys.GrantRequest{Key: k.ID, Grantee: userARN("ann"), Operations: []string{"Decrypt", "Encrypt", "Decrypt"}, Name: "films/1"}
	id, token, err := a.CreateGrant(ctx, &good)
	ok(t, err)
	again, second, err := a.CreateGrant(ctx, &good)
	ok(t, err)
	if again != id || second != token {
		t.Error("a grant of the same name was made again")
	}
	good.Operations = []string{"Decrypt"}
	if third, _, err := a.CreateGrant(ctx, &good); err != nil || third == id {
		t.Errorf("a grant of the same name for other things: %s, %v", third, err)
	}
	good.Name = ""
	first, _, err := a.CreateGrant(ctx, &good)
	ok(t, err)
	if second, _, err := a.CreateGrant(ctx, &good); err != nil || second == first {
		t.Errorf("a grant without a name: %s, %v", second, err)
	}
	for _, tt := range []struct {
		name, code string
		edit       func(*keys.GrantRequest)
	}{
		{"no operation", "ValidationException", func(r *keys.GrantRequest) { r.Operations = nil }},
		{"an operation of another key", "ValidationException", func(r *keys.GrantRequest) { r.Operations = []string{"Decrypt", "Sign"} }},
		{"an administrator's operation", "ValidationException", func(r *keys.GrantRequest) { r.Operations = []string{"PutKeyPolicy"} }},
		{"a wildcard", "ValidationException", func(r *keys.GrantRequest) { r.Operations = []string{"*"} }},
		{"a name", "ValidationException", func(r *keys.GrantRequest) { r.Name = "a b" }},
		{"a long name", "ValidationException", func(r *keys.GrantRequest) { r.Name = strings.Repeat("x", 257) }},
		{"nobody", "InvalidArnException", func(r *keys.GrantRequest) { r.Grantee = userARN("ghost") }},
		{"everybody", "InvalidArnException", func(r *keys.GrantRequest) { r.Grantee = "*" }},
		{"a group", "InvalidArnException", func(r *keys.GrantRequest) { r.Grantee = "arn:aws:iam::" + account + ":group/g" }},
		{"another account", "InvalidArnException", func(r *keys.GrantRequest) { r.Grantee = "arn:aws:iam::" + other + ":root" }},
		{"a session without a name", "InvalidArnException", func(r *keys.GrantRequest) { r.Grantee = "arn:aws:sts::" + account + ":assumed-role/r/" }},
		{"nobody to retire it", "InvalidArnException", func(r *keys.GrantRequest) { r.Retiring = userARN("ghost") }},
		{"two constraints", "ValidationException", func(r *keys.GrantRequest) {
			r.Constraints = keys.Constraints{Equals: map[string]string{"a": "b"}, Subset: map[string]string{"a": "b"}}
		}},
		{"a large constraint", "ValidationException", func(r *keys.GrantRequest) {
			r.Constraints.Subset = map[string]string{"1": "", "2": "", "3": "", "4": "", "5": "", "6": "", "7": "", "8": "", "9": ""}
		}},
		{"another form of the key", "NotFoundException", func(r *keys.GrantRequest) { r.Key = "alias/x" }},
		{"a dry run", "DryRunOperationException", func(r *keys.GrantRequest) { r.DryRun = true }},
	} {
		r := keys.GrantRequest{Key: k.ID, Grantee: userARN("ann"), Operations: []string{"Decrypt"}}
		tt.edit(&r)
		_, _, err := a.CreateGrant(ctx, &r)
		refused(t, tt.name, err, tt.code, "")
	}
	if n := len(must(b.View(ctx, account))(t).Grants(k.ID)); n != 4 {
		t.Errorf("%d grants", n)
	}
}

// TestRetire: the grant says who retires it: its retiring principal, its grantee where it says so, and the account.
func TestRetire(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k := t.Context(), b.Account(account), b.key("")
	ann, eve, bob := b.user("ann", ""), b.user("eve", ""), b.user("bob", "")
	deputy, barred := b.user("deputy", `{"Effect":"Allow","Action":"kms:RetireGrant","Resource":"*"}`), b.user("barred", `{"Effect":"Deny","Action":"kms:RetireGrant","Resource":"*"}`)
	// A key policy says nothing of it.
	ok(t, a.PutPolicy(ctx, k.ID, document(delegate+`,`+allowOf(userARN("eve"), `"kms:RetireGrant"`)), &keys.Author{Bypass: true}))
	id, token, err := a.CreateGrant(ctx, &keys.GrantRequest{Key: k.ID, Grantee: userARN("bob"), Retiring: userARN("ann"), Operations: []string{"Decrypt"}})
	ok(t, err)
	own, _, err := a.CreateGrant(ctx, &keys.GrantRequest{Key: k.ID, Grantee: userARN("bob"), Retiring: userARN("barred"), Operations: []string{"RetireGrant"}})
	ok(t, err)
	may := func(p iam.Principal, r keys.RetireRequest) bool {
		c, err := b.RetireCheck(ctx, &p, &r)
		ok(t, err)
		return iam.Authorize(&iam.Request{Principal: p, Check: c, Now: b.clock()}).Allowed()
	}
	byID := func(id string) keys.RetireRequest { return keys.RetireRequest{Key: keyARN(k), GrantID: id} }
	stranger := iam.Principal{Type: iam.Root, Account: other, ARN: "arn:aws:iam::" + other + ":root"}
	for _, tt := range []struct {
		name string
		who  iam.Principal
		ask  keys.RetireRequest
		want bool
	}{
		{"the retiring principal", ann, byID(id), true},
		{"the retiring principal, by the token", ann, keys.RetireRequest{Token: token}, true},
		{"the retiring principal of another grant", ann, byID(own), false},
		{"the grantee, where the grant does not say so", bob, byID(id), false},
		{"the grantee, where the grant says so", bob, byID(own), true},
		{"who the key policy names", eve, byID(id), false},
		{"the root", root(), byID(id), true},
		{"whom the account lets", deputy, byID(id), true},
		{"the retiring principal who is denied it", barred, byID(own), false},
		{"another account", stranger, byID(id), false},
		{"a grant that is not there", ann, byID(strings.Repeat("0", 64)), false},
	} {
		if got := may(tt.who, tt.ask); got != tt.want {
			t.Errorf("%s: let in %t", tt.name, got)
		}
	}
	for name, r := range map[string]keys.RetireRequest{
		"nothing": {}, "an id alone": {GrantID: id}, "a key alone": {Key: keyARN(k)}, "both": {Key: keyARN(k), GrantID: id, Token: token},
	} {
		refused(t, name, a.RetireGrant(ctx, &r), "ValidationException", "")
	}
	refused(t, "the id of the key", a.RetireGrant(ctx, &keys.RetireRequest{Key: k.ID, GrantID: id}), "InvalidArnException", "")
	changed := "A"
	if token[9] == 'A' {
		changed = "B"
	}
	for name, bad := range map[string]string{"no token": "x", "a changed token": token[:9] + changed + token[10:], "another spelling": token[:len(token)-1] + "B", "a longer token": token + "AAAA"} {
		refused(t, name, a.RetireGrant(ctx, &keys.RetireRequest{Token: bad}), "InvalidGrantTokenException", "")
		p := root()
		_, _, err := b.Check(ctx, &p, &keys.Question{Action: "Decrypt", Key: k.ID, Tokens: []string{token, bad}})
		refused(t, name, err, "InvalidGrantTokenException", "")
	}
	refused(t, "the token in another account", b.Account(other).RetireGrant(ctx, &keys.RetireRequest{Token: token}), "InvalidGrantTokenException", "")
	refused(t, "dry", a.RetireGrant(ctx, &keys.RetireRequest{Token: token, DryRun: true}), "DryRunOperationException", "")
	ok(t, a.RetireGrant(ctx, &keys.RetireRequest{Token: token}))
	refused(t, "retired again", a.RetireGrant(ctx, &keys.RetireRequest{Token: token}), "NotFoundException", id)

	// One who is made anew under the old name retires nothing.
	if err := b.people.Change(ctx, account, func(v *identity.View) error { v.Drop(v.Get(identity.User, "bob")); return nil }); err != nil {
		t.Fatal(err)
	}
	if may(b.user("bob", ""), byID(own)) {
		t.Error("another user of the same name was let in")
	}
}

// TestAliases: their names, their number, and what must be allowed.
func TestAliases(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k, second := t.Context(), b.Account(account), b.key(""), b.key("")
	ok(t, a.CreateAlias(ctx, "alias/films", k.ID))
	for name, tt := range map[string]struct{ alias, code string }{
		"there already":    {"alias/films", "AlreadyExistsException"},
		"no prefix":        {"films", "ValidationException"},
		"nothing else":     {"alias/", "InvalidAliasNameException"},
		"a space":          {"alias/a b", "InvalidAliasNameException"},
		"a colon":          {"alias/a:b", "InvalidAliasNameException"},
		"too long":         {"alias/" + strings.Repeat("x", 251), "InvalidAliasNameException"},
		"reserved":         {"alias/aws/s3", "NotAuthorizedException"},
		"not there (ARN)":  {"arn:aws:kms:us-east-1:" + account + ":alias/x", "ValidationException"},
		"a letter of ours": {"alias/ä", "InvalidAliasNameException"},
	} {
		refused(t, name, a.CreateAlias(ctx, tt.alias, k.ID), tt.code, "")
	}
	refused(t, "update", a.UpdateAlias(ctx, "alias/none", k.ID), "NotFoundException", "alias/none is not found.")
	refused(t, "delete", a.DeleteAlias(ctx, "alias/none"), "NotFoundException", "alias/none is not found.")
	refused(t, "no key", a.CreateAlias(ctx, "alias/x", "1234abcd-12ab-34cd-56ef-1234567890ab"), "NotFoundException", "")
	for i := 1; i < keys.MaxAliases; i++ {
		ok(t, a.CreateAlias(ctx, "alias/films/"+strings.Repeat("x", i), k.ID))
	}
	refused(t, "one too many", a.CreateAlias(ctx, "alias/more", k.ID), "LimitExceededException", "")

	user := b.user("ann", "")
	p := &user
	actions := func(action, name, target string) string {
		t.Helper()
		var out []string
		for _, c := range must(b.AliasChecks(ctx, p, action, name, target))(t) {
			out = append(out, c.Action+" "+c.Resource)
		}
		return strings.Join(out, "\n")
	}
	films := "arn:aws:kms:" + region + ":" + account + ":alias/films"
	for _, tt := range []struct{ action, target, want string }{
		{"CreateAlias", second.ID, "kms:CreateAlias " + films + "\nkms:CreateAlias " + keyARN(second)},
		{"UpdateAlias", second.ID, "kms:UpdateAlias " + films + "\nkms:UpdateAlias " + keyARN(k) + "\nkms:UpdateAlias " + keyARN(second)},
		{"DeleteAlias", "", "kms:DeleteAlias " + films + "\nkms:DeleteAlias " + keyARN(k)},
	} {
		if got := actions(tt.action, "alias/films", tt.target); got != tt.want {
			t.Errorf("%s asks for\n%s\nwant\n%s", tt.action, got, tt.want)
		}
	}
	ok(t, a.UpdateAlias(ctx, "alias/films", second.ID))
	if key, _, err := b.Check(ctx, p, &keys.Question{Action: "Encrypt", Key: "alias/films", Forms: keys.AliasesToo}); err != nil || key != keyARN(second) {
		t.Errorf("the alias names %s, %v", key, err)
	}
	ok(t, a.DeleteAlias(ctx, "alias/films"))
	if key, _, err := b.Check(ctx, p, &keys.Question{Action: "Encrypt", Key: "alias/films", Forms: keys.AliasesToo}); err != nil || key != films {
		t.Errorf("an alias that is gone names %s, %v", key, err)
	}
}

// TestCut: pages go on where they ended, and a marker is good for its own list alone.
func TestCut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	self := func(s string) string { return s }
	all := []string{"a", "b", "c", "d", "e"}
	page := func(marker string) keys.Page { return keys.Page{Marker: marker, Limit: 2, Scope: []string{"List"}} }
	var got []string
	marker := ""
	for range 3 {
		items, next, err := keys.Cut(b.Service, account, all, self, page(marker))
		ok(t, err)
		got, marker = append(got, items...), next
	}
	if strings.Join(got, "") != "abcde" || marker != "" {
		t.Errorf("got %v, then %q", got, marker)
	}
	_, marker, err := keys.Cut(b.Service, account, all, self, page(""))
	ok(t, err)
	if items, _, err := keys.Cut(b.Service, account, []string{"a", "c", "d"}, self, page(marker)); err != nil || strings.Join(items, "") != "cd" {
		t.Errorf("after the last one has gone: %v, %v", items, err)
	}
	for name, try := range map[string]func() error{
		"another list": func() error {
			_, _, err := keys.Cut(b.Service, account, all, self, keys.Page{Marker: marker, Limit: 2, Scope: []string{"Other"}})
			return err
		},
		"another account": func() error { _, _, err := keys.Cut(b.Service, other, all, self, page(marker)); return err },
		"a changed marker": func() error {
			_, _, err := keys.Cut(b.Service, account, all, self, page(strings.Repeat("A", len(marker))))
			return err
		},
		"no marker": func() error { _, _, err := keys.Cut(b.Service, account, all, self, page("!")); return err },
		"a long marker": func() error {
			_, _, err := keys.Cut(b.Service, account, all, self, page(strings.Repeat("A", 2000)))
			return err
		},
	} {
		refused(t, name, try(), "InvalidMarkerException", "")
	}
}
