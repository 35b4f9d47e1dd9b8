package iamapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/identity"
)

func TestAccountAlias(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	create := func(c *sdk.Client, alias string) error {
		return is(c.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: &alias}))
	}
	remove := func(c *sdk.Client, alias string) error {
		return is(c.DeleteAccountAlias(ctx, &sdk.DeleteAccountAliasInput{AccountAlias: &alias}))
	}
	aliases := func(c *sdk.Client, want ...string) {
		t.Helper()
		got := must(c.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{}))(t)
		if !cmp.Equal(got.AccountAliases, append([]string{}, want...)) || got.IsTruncated {
			t.Errorf("got %v, want %v", got.AccountAliases, want)
		}
	}
	aliases(d.root)
	refused(t, "delete where there is none", remove(d.root, "studio"), "NoSuchEntity", "studio")
	if err := create(d.root, "studio"); err != nil {
		t.Fatal(err)
	}
	aliases(d.root, "studio")
	aliases(d.stranger)
	refused(t, "the same again", create(d.root, "studio"), "EntityAlreadyExists", "studio")
	refused(t, "one letter", create(d.root, "s"), "ValidationError", "")
	refused(t, "capitals", create(d.root, "Studio"), "ValidationError", "")
	refused(t, "delete another", remove(d.root, "studio2"), "NoSuchEntity", "")
	refused(t, "delete that of another account", remove(d.stranger, "studio"), "NoSuchEntity", "")
	if err := create(d.stranger, "studio"); err != nil {
		t.Errorf("two accounts are not apart: %v", err)
	}
	if err := create(d.root, "studio2"); err != nil { // takes the place of the other
		t.Fatal(err)
	}
	aliases(d.root, "studio2")
	if err := remove(d.root, "studio2"); err != nil {
		t.Fatal(err)
	}
	aliases(d.root)
	aliases(d.stranger, "studio")
	if err := create(d.root, "again"); err != nil {
		t.Error(err)
	}
	if got := must(d.root.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{Marker: aws.String("again")}))(t).AccountAliases; len(got) != 0 {
		t.Errorf("a second page has %v", got)
	}
}

func TestAccountSummary(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	d.user("ann", "")
	d.user("bob", "")
	d.session()
	for _, name := range []string{"one", "two"} {
		d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
	}
	serial, seed := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("three")})
	summary := func(c *sdk.Client) map[string]int32 {
		t.Helper()
		return must(c.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap
	}
	got := summary(d.root)
	for key, want := range map[types.SummaryKeyType]int32{
		"Users": 2, "UsersQuota": 5000, "Groups": 0, "GroupsQuota": 300, "Roles": 1, "RolesQuota": 1000, "Policies": 0, "PoliciesQuota": 1500, "Providers": 0,
		"MFADevices": 3, "MFADevicesInUse": 0, "AccountMFAEnabled": 0, "AccountAccessKeysPresent": 1, "AccountPasswordPresent": 0, "AccessKeysPerUserQuota": 2,
		"GroupsPerUserQuota": 10, "AttachedPoliciesPerUserQuota": 10, "VersionsPerPolicyQuota": 5, "PolicyVersionsInUse": 0, "PolicySizeQuota": 6144,
		"UserPolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240, "AssumeRolePolicySizeQuota": 2048,
	} {
		if n, ok := got[string(key)]; !ok || n != want {
			t.Errorf("%s is %d, %t; want %d", key, n, ok, want)
		}
	}
	for _, key := range types.SummaryKeyType("").Values() {
		if _, ok := got[string(key)]; !ok {
			t.Errorf("%s is not there", key)
		}
	}
	if err := d.enable(d.root, account, serial, seed); err != nil {
		t.Fatal(err)
	}
	must(d.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(document(allowAll))}))(t)
	got = summary(d.root)
	if got["AccountMFAEnabled"] != 1 || got["MFADevicesInUse"] != 1 || got["Policies"] != 1 || got["PolicyVersionsInUse"] != 1 {
		t.Errorf("got %v", got)
	}
	if got := summary(d.stranger); got["Users"] != 0 || got["MFADevices"] != 0 || got["Policies"] != 0 || got["AccountMFAEnabled"] != 0 {
		t.Errorf("another account sees %v", got)
	}
}

// TestAuthorizationDetails: everything that is decided by, with documents percent-encoded.
func TestAuthorizationDetails(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	const (
		policy   = "arn:aws:iam::" + account + ":policy/films/cut"
		full     = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
		bound    = "arn:aws:iam::aws:policy/AdministratorAccess"
		inline   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::films/é +~_.-"}]}`
		inlineID = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3AGet%2A%22%2C%22Resource%22%3A%22arn%3Aaws%3As3%3A%3A%3Afilms%2F%C3%A9%20%2B~_.-%22%7D%5D%7D"
	)
	tag := []types.Tag{{Key: aws.String("team"), Value: aws.String("films")}}
	must(d.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("cut"), Path: aws.String("/films/"), PolicyDocument: aws.String(inline), Description: aws.String("cuts")}))(t)
	must(d.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: aws.String(policy), PolicyDocument: aws.String(document(allowAll)), SetAsDefault: true}))(t)
	must(d.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann"), Path: aws.String("/x/"), Tags: tag, PermissionsBoundary: aws.String(bound)}))(t)
	must(d.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("Bob")}))(t)
	must(d.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("p"), PolicyDocument: aws.String(inline)}))(t)
	must(d.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: aws.String(policy)}))(t)
	for _, g := range []string{"zoo", "cutters"} {
		must(d.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: &g}))(t)
		must(d.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: &g, UserName: aws.String("ann")}))(t)
	}
	must(d.root.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: aws.String("zoo"), PolicyName: aws.String("g"), PolicyDocument: aws.String(inline)}))(t)
	must(d.root.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("zoo"), PolicyArn: aws.String(full)}))(t)
	trust := document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:user/Bob"},"Action":"sts:AssumeRole"}`)
	role := must(d.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("render"), AssumeRolePolicyDocument: &trust, Tags: tag}))(t).Role
	must(d.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("render"), PolicyArn: aws.String(full)}))(t)
	d.people.Used(identity.Use{ID: *role.RoleId, Account: account, Time: d.clock(), Service: "s3", Region: region})

	details := func(c *sdk.Client, in *sdk.GetAccountAuthorizationDetailsInput) *sdk.GetAccountAuthorizationDetailsOutput {
		t.Helper()
		return must(c.GetAccountAuthorizationDetails(ctx, in))(t)
	}
	got := details(d.root, &sdk.GetAccountAuthorizationDetailsInput{})
	if len(got.UserDetailList) != 2 || len(got.GroupDetailList) != 2 || len(got.RoleDetailList) != 1 || len(got.Policies) != 3 || got.IsTruncated {
		t.Fatalf("%d users, %d groups, %d roles, %d policies", len(got.UserDetailList), len(got.GroupDetailList), len(got.RoleDetailList), len(got.Policies))
	}
	ann := got.UserDetailList[0]
	if *ann.Arn != "arn:aws:iam::"+account+":user/x/ann" || *ann.Path != "/x/" || *ann.UserName != "ann" || !strings.HasPrefix(*ann.UserId, "AIDA") || len(ann.Tags) != 1 ||
		*ann.PermissionsBoundary.PermissionsBoundaryArn != bound || !cmp.Equal(ann.GroupList, []string{"cutters", "zoo"}) || *ann.AttachedManagedPolicies[0].PolicyName != "cut" {
		t.Errorf("got %+v", ann)
	}
	if len(ann.UserPolicyList) != 1 || *ann.UserPolicyList[0].PolicyName != "p" || *ann.UserPolicyList[0].PolicyDocument != inlineID {
		t.Errorf("got %s, want %s", *ann.UserPolicyList[0].PolicyDocument, inlineID)
	}
	if bob := got.UserDetailList[1]; *bob.UserName != "Bob" || len(bob.GroupList)+len(bob.UserPolicyList)+len(bob.AttachedManagedPolicies) != 0 || bob.PermissionsBoundary != nil {
		t.Errorf("got %+v", bob)
	}
	if zoo := got.GroupDetailList[1]; *zoo.GroupName != "zoo" || *zoo.AttachedManagedPolicies[0].PolicyArn != full || *zoo.GroupPolicyList[0].PolicyDocument != inlineID {
		t.Errorf("got %+v", zoo)
	}
	shown, err := url.PathUnescape(*got.RoleDetailList[0].AssumeRolePolicyDocument)
	if r := got.RoleDetailList[0]; err != nil || shown != trust || *r.RoleId != *role.RoleId || len(r.Tags) != 1 || *r.RoleLastUsed.Region != region || *r.AttachedManagedPolicies[0].PolicyName != "AmazonS3FullAccess" {
		t.Errorf("got %+v", r)
	}
	cut := got.Policies[0]
	if *cut.Arn != policy || *cut.AttachmentCount != 1 || *cut.PermissionsBoundaryUsageCount != 0 || *cut.DefaultVersionId != "v2" || *cut.Description != "cuts" || !cut.IsAttachable ||
		len(cut.PolicyVersionList) != 2 || *cut.PolicyVersionList[0].VersionId != "v2" || !cut.PolicyVersionList[0].IsDefaultVersion || *cut.PolicyVersionList[1].Document != inlineID {
		t.Errorf("got %+v", cut)
	}
	if a, b := got.Policies[1], got.Policies[2]; *a.Arn != bound || *a.PermissionsBoundaryUsageCount != 1 || *a.AttachmentCount != 0 || *b.Arn != full || *b.AttachmentCount != 2 {
		t.Errorf("of AWS: got %+v %+v", a, b)
	}

	// A user that a trust policy named and that was made anew stands there by the id of before.
	bob := *got.UserDetailList[1].UserId
	must(d.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("Bob")}))(t)
	must(d.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("Bob")}))(t)
	got = details(d.root, &sdk.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole}})
	if len(got.UserDetailList)+len(got.GroupDetailList)+len(got.Policies) != 0 || len(got.RoleDetailList) != 1 || !strings.Contains(*got.RoleDetailList[0].AssumeRolePolicyDocument, bob) {
		t.Errorf("got %+v", got.RoleDetailList)
	}
	for filter, want := range map[types.EntityType][4]int{
		types.EntityTypeUser: {2, 0, 0, 0}, types.EntityTypeGroup: {0, 2, 0, 0}, types.EntityTypeLocalManagedPolicy: {0, 0, 0, 1}, types.EntityTypeAWSManagedPolicy: {0, 0, 0, 2},
	} {
		got := details(d.root, &sdk.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{filter}})
		if n := [4]int{len(got.UserDetailList), len(got.GroupDetailList), len(got.RoleDetailList), len(got.Policies)}; n != want {
			t.Errorf("%s: got %v", filter, n)
		}
	}

	// Pages of two, one kind after the other.
	var seen []string
	for in := (&sdk.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(2)}); ; {
		got := details(d.root, in)
		for _, u := range got.UserDetailList {
			seen = append(seen, *u.UserName)
		}
		for _, g := range got.GroupDetailList {
			seen = append(seen, *g.GroupName)
		}
		for _, r := range got.RoleDetailList {
			seen = append(seen, *r.RoleName)
		}
		for _, p := range got.Policies {
			seen = append(seen, *p.PolicyName)
		}
		if !got.IsTruncated {
			break
		}
		in.Marker = got.Marker
	}
	if want := []string{"ann", "Bob", "cutters", "zoo", "render", "cut", "AdministratorAccess", "AmazonS3FullAccess"}; !cmp.Equal(seen, want) {
		t.Error(cmp.Diff(want, seen))
	}
	if got := details(d.stranger, &sdk.GetAccountAuthorizationDetailsInput{}); len(got.UserDetailList)+len(got.GroupDetailList)+len(got.RoleDetailList)+len(got.Policies) != 0 {
		t.Errorf("another account sees %+v", got)
	}
}

// operations are the operations of this part, each asked about what is there.
func operations(t *testing.T, d *desk) map[string]func(*sdk.Client) error {
	t.Helper()
	ctx := t.Context()
	d.user("ann", "")
	v, err := d.people.View(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	ann, key := aws.String("ann"), aws.String(v.Get(identity.User, "ann").Keys[0].ID)
	held, seed := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("held")})
	free, seed2 := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("free")})
	if err := d.enable(d.root, "ann", held, seed); err != nil {
		t.Fatal(err)
	}
	now := d.clock()
	one, two := aws.String(code(t, seed2, now.Add(-30*time.Second))), aws.String(code(t, seed2, now))
	provider := must(d.root.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://id.example.org"), ClientIDList: []string{"a"}}))(t).OpenIDConnectProviderArn
	must(d.root.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: aws.String("studio")}))(t)
	return map[string]func(*sdk.Client) error{
		"CreateAccessKey": func(c *sdk.Client) error { return is(c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: ann})) },
		"UpdateAccessKey": func(c *sdk.Client) error {
			return is(c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: ann, AccessKeyId: key, Status: types.StatusTypeInactive}))
		},
		"DeleteAccessKey": func(c *sdk.Client) error {
			return is(c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: ann, AccessKeyId: key}))
		},
		"ListAccessKeys": func(c *sdk.Client) error { return is(c.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: ann})) },
		"GetAccessKeyLastUsed": func(c *sdk.Client) error {
			return is(c.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: key}))
		},
		"CreateVirtualMFADevice": func(c *sdk.Client) error {
			return is(c.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("new")}))
		},
		"EnableMFADevice": func(c *sdk.Client) error {
			return is(c.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: ann, SerialNumber: &free, AuthenticationCode1: one, AuthenticationCode2: two}))
		},
		"ResyncMFADevice": func(c *sdk.Client) error {
			return is(c.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{
				UserName: ann, SerialNumber: &held, AuthenticationCode1: aws.String(code(t, seed, now.Add(30*time.Second))), AuthenticationCode2: aws.String(code(t, seed, now.Add(time.Minute))),
			}))
		},
		"DeactivateMFADevice": func(c *sdk.Client) error {
			return is(c.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: ann, SerialNumber: &held}))
		},
		"DeleteVirtualMFADevice": func(c *sdk.Client) error {
			return is(c.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &free}))
		},
		"GetMFADevice": func(c *sdk.Client) error {
			return is(c.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: ann, SerialNumber: &held}))
		},
		"ListMFADevices": func(c *sdk.Client) error { return is(c.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: ann})) },
		"ListVirtualMFADevices": func(c *sdk.Client) error {
			return is(c.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{}))
		},
		"CreateOpenIDConnectProvider": func(c *sdk.Client) error {
			return is(c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://new.example.org")}))
		},
		"GetOpenIDConnectProvider": func(c *sdk.Client) error {
			return is(c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider}))
		},
		"ListOpenIDConnectProviders": func(c *sdk.Client) error {
			return is(c.ListOpenIDConnectProviders(ctx, &sdk.ListOpenIDConnectProvidersInput{}))
		},
		"DeleteOpenIDConnectProvider": func(c *sdk.Client) error {
			return is(c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider}))
		},
		"UpdateOpenIDConnectProviderThumbprint": func(c *sdk.Client) error {
			return is(c.UpdateOpenIDConnectProviderThumbprint(ctx, &sdk.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: provider, ThumbprintList: []string{thumb}}))
		},
		"AddClientIDToOpenIDConnectProvider": func(c *sdk.Client) error {
			return is(c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider, ClientID: aws.String("b")}))
		},
		"RemoveClientIDFromOpenIDConnectProvider": func(c *sdk.Client) error {
			return is(c.RemoveClientIDFromOpenIDConnectProvider(ctx, &sdk.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider, ClientID: aws.String("a")}))
		},
		"SimulateCustomPolicy": func(c *sdk.Client) error {
			return is(c.SimulateCustomPolicy(ctx, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"s3:GetObject"}, PolicyInputList: []string{document(allowAll)}}))
		},
		"SimulatePrincipalPolicy": func(c *sdk.Client) error {
			return is(c.SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{ActionNames: []string{"s3:GetObject"}, PolicySourceArn: aws.String("arn:aws:iam::" + account + ":user/ann")}))
		},
		"GetContextKeysForCustomPolicy": func(c *sdk.Client) error {
			return is(c.GetContextKeysForCustomPolicy(ctx, &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{document(allowAll)}}))
		},
		"GetContextKeysForPrincipalPolicy": func(c *sdk.Client) error {
			return is(c.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: aws.String("arn:aws:iam::" + account + ":user/ann")}))
		},
		"CreateAccountAlias": func(c *sdk.Client) error {
			return is(c.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: aws.String("studio2")}))
		},
		"DeleteAccountAlias": func(c *sdk.Client) error {
			return is(c.DeleteAccountAlias(ctx, &sdk.DeleteAccountAliasInput{AccountAlias: aws.String("studio")}))
		},
		"ListAccountAliases": func(c *sdk.Client) error { return is(c.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{})) },
		"GetAccountSummary":  func(c *sdk.Client) error { return is(c.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{})) },
		"GetAccountAuthorizationDetails": func(c *sdk.Client) error {
			return is(c.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{}))
		},
	}
}

// onAll are the operations that name no resource.
var onAll = map[string]bool{
	"ListVirtualMFADevices": true, "ListOpenIDConnectProviders": true, "CreateAccountAlias": true, "DeleteAccountAlias": true, "ListAccountAliases": true,
	"GetAccountSummary": true, "GetAccountAuthorizationDetails": true, "SimulateCustomPolicy": true, "GetContextKeysForCustomPolicy": true,
}

// TestDenied: nobody does anything without being allowed that very thing, and what is refused has no effect.
func TestDenied(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	all := operations(t, d)
	nobody := d.user("nobody", "")
	for name, call := range all {
		lower := strings.ToLower(name)
		for i, try := range []struct{ statements, says string }{
			{"", "because no identity-based policy allows the iam:" + name + " action"},
			{`{"Effect":"Allow","NotAction":"iam:` + name + `","Resource":"*"}`, "because no identity-based policy allows"},
			{`{"Effect":"Allow","Action":"iam:` + name + `","Resource":["arn:aws:iam::` + account + `:user/other","arn:aws:iam::` + account + `:mfa/other","arn:aws:iam::` + other + `:*"]}`, "because no identity-based policy allows"},
			{allowAll + `,{"Effect":"Deny","Action":"iam:` + lower + `","Resource":"*"}`, "with an explicit deny in an identity-based policy"},
			{allowAll + `,{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"${aws:username}"}}}`, "with an explicit deny"},
		} {
			client := nobody
			if i > 0 {
				client = d.user(fmt.Sprint(name, i), try.statements)
			}
			before := d.generation()
			refused(t, fmt.Sprint(name, ", ", try.statements), call(client), "AccessDenied", try.says)
			if d.generation() != before {
				t.Errorf("%s has changed the records", name)
			}
		}
	}
}

// TestAllowed: one statement about the action and the resource lets one do it.
func TestAllowed(t *testing.T) {
	t.Parallel()
	for name := range operations(t, newDesk(t)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			call := operations(t, d)[name]
			resource := `["arn:aws:iam::` + account + `:user/ann","arn:aws:iam::` + account + `:mfa/*","arn:aws:iam::` + account + `:oidc-provider/*"]`
			if onAll[name] {
				resource = `"*"`
			}
			if err := call(d.user("may", `{"Effect":"Allow","Action":"iam:`+name+`","Resource":`+resource+`}`)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTagsOfWhatIsMade: who gives tags must be allowed to tag, and conditions see what is given.
func TestTagsOfWhatIsMade(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	tags := func(team string) []types.Tag { return []types.Tag{{Key: aws.String("team"), Value: &team}} }
	device := func(c *sdk.Client, name, team string) error {
		return is(c.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name, Tags: tags(team)}))
	}
	provider := func(c *sdk.Client, name, team string) error {
		return is(c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://" + name), Tags: tags(team)}))
	}
	plain := d.user("plain", `{"Effect":"Allow","Action":"iam:Create*","Resource":"*"}`)
	refused(t, "a device with tags", device(plain, "a", "films"), "AccessDenied", "iam:TagMFADevice")
	refused(t, "a provider with tags", provider(plain, "a.example.org", "films"), "AccessDenied", "iam:TagOpenIDConnectProvider")
	films := d.user("films", `{"Effect":"Allow","Action":["iam:Create*","iam:Tag*"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"films"}}},`+
		`{"Effect":"Allow","Action":["iam:Delete*","iam:Get*"],"Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"films"}}}`)
	for _, team := range []string{"films", "news"} {
		for kind, make := range map[string]func(*sdk.Client, string, string) error{"device": device, "provider": provider} {
			name := team + ".example.org"
			if team == "films" {
				if err := make(films, name, team); err != nil {
					t.Errorf("a %s of %s: %v", kind, team, err)
				}
				continue
			}
			refused(t, kind+" of another team", make(films, name, team), "AccessDenied", "")
			if err := make(d.root, name, team); err != nil {
				t.Fatal(err)
			}
		}
	}
	for team, code := range map[string]string{"news": "AccessDenied", "films": ""} {
		for what, err := range map[string]error{
			"get a provider":    is(films.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(providerARN + team + ".example.org")})),
			"delete a provider": is(films.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(providerARN + team + ".example.org")})),
			"delete a device":   is(films.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: aws.String(mfaARN + team + ".example.org")})),
		} {
			if code == "" && err != nil {
				t.Errorf("%s of %s: %v", what, team, err)
			}
			if code != "" {
				refused(t, what+" of "+team, err, code, "")
			}
		}
	}
}
