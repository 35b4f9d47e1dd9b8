package iamapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestManagedPolicies(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	text := document(`{"Effect":"Allow","Action":"iam:List*","Resource":"*"}`)
	made := must(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("lists"), Path: aws.String("/x/"), PolicyDocument: &text, Description: aws.String("d")}))(t).Policy
	arn := made.Arn
	if *arn != "arn:aws:iam::111122223333:policy/x/lists" || *made.DefaultVersionId != "v1" || *made.AttachmentCount != 0 || !made.IsAttachable {
		t.Errorf("made %+v", made)
	}
	ann := b.user("ann", "")
	refused(t, "before", is(ann.ListUsers(ctx, &sdk.ListUsersInput{})), "AccessDenied", "")
	must(b.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: arn}))(t)
	must(b.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: arn}))(t) // again is as once
	must(ann.ListUsers(ctx, &sdk.ListUsersInput{}))(t)
	got := must(b.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy
	if *got.AttachmentCount != 1 || *got.Description != "d" {
		t.Errorf("got %+v", got)
	}

	// Versions: five at most, numbers are not given again, the one in force is not deleted, and a change holds at once.
	nothing := document(`{"Effect":"Deny","Action":"iam:*","Resource":"*"}`)
	for i := 2; i <= 5; i++ {
		v := must(b.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &nothing}))(t).PolicyVersion
		if *v.VersionId != fmt.Sprint("v", i) || v.IsDefaultVersion {
			t.Errorf("version %d is %+v", i, v)
		}
	}
	refused(t, "a sixth version", is(b.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &nothing})), "LimitExceeded", "up to 5 versions")
	must(ann.ListUsers(ctx, &sdk.ListUsersInput{}))(t)
	b.ahead.Store(int64(time.Hour))
	must(b.root.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v3")}))(t)
	if p := must(b.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy; *p.DefaultVersionId != "v3" || p.UpdateDate.Sub(*p.CreateDate) > time.Minute {
		t.Errorf("no version is new, and it was updated at %v: %+v", p.UpdateDate, p)
	}
	refused(t, "after another version is in force", is(ann.ListUsers(ctx, &sdk.ListUsersInput{})), "AccessDenied", "with an explicit deny")
	must(b.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")}))(t)
	if v := must(b.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &text, SetAsDefault: true}))(t).PolicyVersion; *v.VersionId != "v6" || !v.IsDefaultVersion {
		t.Errorf("after one was deleted: %+v", v)
	}
	if p := must(b.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy; *p.DefaultVersionId != "v6" || p.UpdateDate.Sub(*p.CreateDate) < time.Hour {
		t.Errorf("a version is new, and it was updated at %v: %+v", p.UpdateDate, p)
	}
	must(ann.ListUsers(ctx, &sdk.ListUsersInput{}))(t)
	var ids []string
	pages := sdk.NewListPolicyVersionsPaginator(b.root, &sdk.ListPolicyVersionsInput{PolicyArn: arn, MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, v := range must(pages.NextPage(ctx))(t).Versions {
			ids = append(ids, *v.VersionId)
		}
	}
	if !slices.Equal(ids, []string{"v6", "v4", "v3", "v2", "v1"}) {
		t.Errorf("versions %v", ids)
	}
	if v := must(b.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")}))(t).PolicyVersion; plain(t, v.Document) != nothing {
		t.Errorf("document %s", plain(t, v.Document))
	}
	refused(t, "the version in force", is(b.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v6")})), "DeleteConflict", "default version")
	refused(t, "a version that is gone", is(b.root.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})), "NoSuchEntity", "v5")
	refused(t, "a version that is gone", is(b.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})), "NoSuchEntity", "v5")
	refused(t, "a version that is gone", is(b.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})), "NoSuchEntity", "v5")

	// Lists.
	count := func(in sdk.ListPoliciesInput) (n int) {
		t.Helper()
		in.MaxItems = aws.Int32(3)
		pages := sdk.NewListPoliciesPaginator(b.root, &in)
		for pages.HasMorePages() {
			n += len(must(pages.NextPage(ctx))(t).Policies)
		}
		return n
	}
	aws7 := count(sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeAws})
	if local, both, attached := count(sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}), count(sdk.ListPoliciesInput{}), count(sdk.ListPoliciesInput{OnlyAttached: true}); local != 1 || both != aws7+1 || attached != 1 || aws7 < 6 {
		t.Errorf("%d local, %d of AWS, %d both, %d attached", local, aws7, both, attached)
	}
	must(b.root.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("ann"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	if n := count(sdk.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}); n != 1 {
		t.Errorf("%d boundaries", n)
	}
	who := must(b.root.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: arn}))(t)
	if len(who.PolicyUsers) != 1 || *who.PolicyUsers[0].UserName != "ann" || len(who.PolicyGroups)+len(who.PolicyRoles) != 0 {
		t.Errorf("entities %+v", who)
	}
	if none := must(b.root.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: arn, EntityFilter: types.EntityTypeRole}))(t); len(none.PolicyUsers) != 0 {
		t.Errorf("roles of it %+v", none)
	}

	// All three kinds, one at a time, by how they use it.
	for kind, err := range map[string]error{
		"group": is(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("bob"), Path: aws.String("/films/")})),
		"role":  is(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("cat"), AssumeRolePolicyDocument: aws.String(document(trustAll)), PermissionsBoundary: arn})),
	} {
		if err != nil {
			t.Fatal(kind, err)
		}
	}
	must(b.root.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("bob"), PolicyArn: arn}))(t)
	entities := func(in sdk.ListEntitiesForPolicyInput) (names []string) {
		t.Helper()
		in.PolicyArn, in.MaxItems = arn, aws.Int32(1)
		pages := sdk.NewListEntitiesForPolicyPaginator(b.root, &in)
		for pages.HasMorePages() {
			out := must(pages.NextPage(ctx))(t)
			for _, g := range out.PolicyGroups {
				names = append(names, *g.GroupName)
			}
			for _, r := range out.PolicyRoles {
				names = append(names, *r.RoleName)
			}
			for _, u := range out.PolicyUsers {
				names = append(names, *u.UserName)
			}
		}
		return names
	}
	for says, in := range map[string]sdk.ListEntitiesForPolicyInput{
		"[bob cat ann]": {},
		"[bob ann]":     {PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy},
		"[cat]":         {PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary},
		"[ann]":         {EntityFilter: types.EntityTypeUser},
		"[bob]":         {PathPrefix: aws.String("/films/")},
	} {
		if got := fmt.Sprint(entities(in)); got != says {
			t.Errorf("entities: got %s, want %s", got, says)
		}
	}
	refused(t, "entities of no kind", is(b.root.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: arn, EntityFilter: types.EntityTypeAWSManagedPolicy})), "ValidationError", "do not have managed policies")
	must(b.root.DetachGroupPolicy(ctx, &sdk.DetachGroupPolicyInput{GroupName: aws.String("bob"), PolicyArn: arn}))(t)
	must(b.root.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("cat")}))(t)

	refused(t, "there already", is(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("LISTS"), PolicyDocument: &text})), "EntityAlreadyExists", "Policy with name LISTS")
	refused(t, "deleted while it is attached", is(b.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})), "DeleteConflict", "attached")
	must(b.root.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: arn}))(t)
	refused(t, "detached twice", is(b.root.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: arn})), "NoSuchEntity", "was not found")
	refused(t, "deleted with versions", is(b.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})), "DeleteConflict", "more than one version")
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		must(b.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String(v)}))(t)
	}
	must(b.root.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("ann"), PermissionsBoundary: arn}))(t)
	refused(t, "deleted while it bounds", is(b.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})), "DeleteConflict", "permissions boundary")
	must(b.root.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: aws.String("ann")}))(t)
	refused(t, "no boundary", is(b.root.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: aws.String("ann")})), "NoSuchEntity", "does not have a permissions boundary")
	must(b.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn}))(t)
	refused(t, "gone", is(b.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn})), "NoSuchEntity", "Policy "+*arn+" was not found.")
	refused(t, "attached, and gone", is(b.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: arn})), "NoSuchEntity", "Policy "+*arn+" does not exist or is not attachable.")
	refused(t, "a boundary, and gone", is(b.root.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("ann"), PermissionsBoundary: arn})), "NoSuchEntity", "Scope ARN: "+*arn+" does not exist or is not attachable.")
	refused(t, "broken", is(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("x"), PolicyDocument: aws.String("{")})), "MalformedPolicyDocument", "line 1")
	refused(t, "long", is(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("x"), PolicyDocument: aws.String(document(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::` + strings.Repeat("x", 6200) + `"}`))})), "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
}

// TestAWSManaged: the policies of AWS's own are there for every account, and nobody changes them.
func TestAWSManaged(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	arn := aws.String("arn:aws:iam::aws:policy/AWSElementalMediaConvertFullAccess")
	got := must(b.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy
	if *got.Arn != *arn || *got.PolicyName != "AWSElementalMediaConvertFullAccess" {
		t.Errorf("got %+v", got)
	}
	if v := must(b.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: got.DefaultVersionId}))(t); !strings.Contains(plain(t, v.PolicyVersion.Document), "mediaconvert:*") {
		t.Errorf("document %s", plain(t, v.PolicyVersion.Document))
	}
	text := document(allowAll)
	for name, err := range map[string]error{
		"DeletePolicy":            is(b.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})),
		"CreatePolicyVersion":     is(b.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &text})),
		"SetDefaultPolicyVersion": is(b.root.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})),
		"DeletePolicyVersion":     is(b.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})),
		"TagPolicy":               is(b.root.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})),
		"UntagPolicy":             is(b.root.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"a"}})),
	} {
		refused(t, name, err, "AccessDenied", "is not authorized to perform: iam:"+name+" on resource: "+*arn)
	}
	if tags := must(b.root.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: arn}))(t).Tags; len(tags) != 0 {
		t.Errorf("tags %v", tags)
	}
	gone := aws.String("arn:aws:iam::aws:policy/Gone")
	refused(t, "not there", is(b.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: gone})), "NoSuchEntity", "Policy "+*gone+" was not found.")
	refused(t, "changed, not there", is(b.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: gone})), "AccessDenied", "iam:DeletePolicy")
}

// TestInline goes through the inline policies of all three kinds.
func TestInline(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	name, policy := aws.String("x"), aws.String("p")
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name}))(t)
	must(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: name}))(t)
	must(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(document(trustAll))}))(t)
	kinds := map[string]struct {
		most   int
		put    func(name, policy, text *string) error
		get    func(name, policy *string) (*string, error)
		list   func(name *string) ([]string, error)
		remove func(name, policy *string) error
	}{
		"user": {2048, func(n, p, d *string) error {
			return is(b.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: n, PolicyName: p, PolicyDocument: d}))
		}, func(n, p *string) (*string, error) {
			out, err := b.root.GetUserPolicy(ctx, &sdk.GetUserPolicyInput{UserName: n, PolicyName: p})
			if err != nil {
				return nil, err
			}
			return out.PolicyDocument, nil
		}, func(n *string) ([]string, error) {
			out, err := b.root.ListUserPolicies(ctx, &sdk.ListUserPoliciesInput{UserName: n})
			if err != nil {
				return nil, err
			}
			return out.PolicyNames, nil
		}, func(n, p *string) error {
			return is(b.root.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: n, PolicyName: p}))
		}},
		"group": {5120, func(n, p, d *string) error {
			return is(b.root.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: n, PolicyName: p, PolicyDocument: d}))
		}, func(n, p *string) (*string, error) {
			out, err := b.root.GetGroupPolicy(ctx, &sdk.GetGroupPolicyInput{GroupName: n, PolicyName: p})
			if err != nil {
				return nil, err
			}
			return out.PolicyDocument, nil
		}, func(n *string) ([]string, error) {
			out, err := b.root.ListGroupPolicies(ctx, &sdk.ListGroupPoliciesInput{GroupName: n})
			if err != nil {
				return nil, err
			}
			return out.PolicyNames, nil
		}, func(n, p *string) error {
			return is(b.root.DeleteGroupPolicy(ctx, &sdk.DeleteGroupPolicyInput{GroupName: n, PolicyName: p}))
		}},
		"role": {10240, func(n, p, d *string) error {
			return is(b.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: n, PolicyName: p, PolicyDocument: d}))
		}, func(n, p *string) (*string, error) {
			out, err := b.root.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: n, PolicyName: p})
			if err != nil {
				return nil, err
			}
			return out.PolicyDocument, nil
		}, func(n *string) ([]string, error) {
			out, err := b.root.ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: n})
			if err != nil {
				return nil, err
			}
			return out.PolicyNames, nil
		}, func(n, p *string) error {
			return is(b.root.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: n, PolicyName: p}))
		}},
	}
	for kind, k := range kinds {
		text := document(allowAll)
		if err := k.put(name, policy, &text); err != nil {
			t.Fatal(kind, err)
		}
		if err := k.put(name, aws.String("a"), &text); err != nil {
			t.Fatal(kind, err)
		}
		if got, err := k.get(name, policy); err != nil || plain(t, got) != text {
			t.Errorf("%s: got %v %v", kind, got, err)
		}
		if names, err := k.list(name); err != nil || !slices.Equal(names, []string{"a", "p"}) {
			t.Errorf("%s: names %v %v", kind, names, err)
		}
		long := document(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::` + strings.Repeat("x", k.most) + `"}`)
		refused(t, kind+", too long", k.put(name, aws.String("b"), &long), "LimitExceeded", fmt.Sprint(k.most))
		refused(t, kind+", broken", k.put(name, aws.String("b"), aws.String(`{"Version":"2012-10-17"}`)), "MalformedPolicyDocument", "Statement is missing")
		if names, err := k.list(name); err != nil || len(names) != 2 {
			t.Errorf("%s: after refusals %v %v", kind, names, err)
		}
		refused(t, kind+", nobody", k.put(aws.String("gone"), policy, &text), "NoSuchEntity", "The "+kind+" with name gone cannot be found.")
		_, err := k.get(aws.String("gone"), policy)
		refused(t, kind+", nobody", err, "NoSuchEntity", "gone")
		_, err = k.get(name, aws.String("gone"))
		refused(t, kind+", no such policy", err, "NoSuchEntity", "The "+kind+" policy with name gone cannot be found.")
		_, err = k.list(aws.String("gone"))
		refused(t, kind+", nobody", err, "NoSuchEntity", "gone")
		refused(t, kind+", no such policy", k.remove(name, aws.String("gone")), "NoSuchEntity", "gone")
		refused(t, kind+", nobody", k.remove(aws.String("gone"), policy), "NoSuchEntity", "gone")
		if err := k.remove(name, policy); err != nil {
			t.Error(kind, err)
		}
	}
}

// TestAttach goes through attached policies and boundaries of groups and roles, and how many there can be.
func TestAttach(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	name, full := aws.String("x"), aws.String("arn:aws:iam::aws:policy/IAMFullAccess")
	must(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: name}))(t)
	must(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(document(trustAll))}))(t)
	must(b.root.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: name, PolicyArn: full}))(t)
	must(b.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: name, PolicyArn: full}))(t)
	must(b.root.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: full}))(t)
	g := must(b.root.ListAttachedGroupPolicies(ctx, &sdk.ListAttachedGroupPoliciesInput{GroupName: name}))(t).AttachedPolicies
	r := must(b.root.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies
	if len(g) != 1 || len(r) != 1 || *g[0].PolicyArn != *full || *r[0].PolicyName != "IAMFullAccess" {
		t.Errorf("attached %+v, %+v", g, r)
	}
	if role := must(b.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role; *role.PermissionsBoundary.PermissionsBoundaryArn != *full {
		t.Errorf("boundary %+v", role.PermissionsBoundary)
	}
	must(b.root.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: name}))(t)
	must(b.root.DetachGroupPolicy(ctx, &sdk.DetachGroupPolicyInput{GroupName: name, PolicyArn: full}))(t)
	for i := range 10 {
		p := must(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String(fmt.Sprint("p", i)), Path: aws.String("/n/"), PolicyDocument: aws.String(document(allowAll))}))(t).Policy
		err := is(b.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: name, PolicyArn: p.Arn}))
		if i < 9 && err != nil {
			t.Error(err)
		} else if i == 9 {
			refused(t, "an eleventh policy", err, "LimitExceeded", "PoliciesPerRole: 10")
		}
	}
	var n int
	pages := sdk.NewListAttachedRolePoliciesPaginator(b.root, &sdk.ListAttachedRolePoliciesInput{RoleName: name, PathPrefix: aws.String("/n/"), MaxItems: aws.Int32(4)})
	for pages.HasMorePages() {
		n += len(must(pages.NextPage(ctx))(t).AttachedPolicies)
	}
	if n != 9 {
		t.Errorf("%d policies below /n/", n)
	}
	must(b.root.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: name, PolicyArn: full}))(t)
	refused(t, "nobody", is(b.root.ListAttachedUserPolicies(ctx, &sdk.ListAttachedUserPoliciesInput{UserName: name})), "NoSuchEntity", "The user with name x")
	refused(t, "nobody", is(b.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: full})), "NoSuchEntity", "The user with name x")
}

// TestDelegation: an administrator who may only make bounded users, and attach certain policies, cannot get around it.
func TestDelegation(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	limit := must(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("limit"), PolicyDocument: aws.String(document(`{"Effect":"Allow","Action":"mediaconvert:*","Resource":"*"}`))}))(t).Policy.Arn
	hr := b.user("hr", `{"Effect":"Allow","Action":["iam:CreateUser","iam:PutUserPolicy","iam:AttachUserPolicy","iam:PutUserPermissionsBoundary"],"Resource":"arn:aws:iam::`+account+`:user/staff/*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+*limit+`"}}},
		{"Effect":"Deny","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnNotEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AWSElementalMediaConvertReadOnly"}}}`)
	name, path, text := aws.String("new"), aws.String("/staff/"), aws.String(document(allowAll))
	refused(t, "without a boundary", is(hr.CreateUser(ctx, &sdk.CreateUserInput{UserName: name, Path: path})), "AccessDenied", "iam:CreateUser")
	refused(t, "with another boundary", is(hr.CreateUser(ctx, &sdk.CreateUserInput{UserName: name, Path: path, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})), "AccessDenied", "")
	refused(t, "elsewhere", is(hr.CreateUser(ctx, &sdk.CreateUserInput{UserName: name, PermissionsBoundary: limit})), "AccessDenied", "")
	must(hr.CreateUser(ctx, &sdk.CreateUserInput{UserName: name, Path: path, PermissionsBoundary: limit}))(t)
	must(hr.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: text}))(t)
	must(hr.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AWSElementalMediaConvertReadOnly")}))(t)
	refused(t, "another policy", is(hr.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})), "AccessDenied", "explicit deny")
	refused(t, "a wider boundary", is(hr.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})), "AccessDenied", "")
	refused(t, "no boundary", is(hr.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: name})), "AccessDenied", "")
	refused(t, "themselves", is(hr.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: aws.String("hr"), PolicyName: name, PolicyDocument: text})), "AccessDenied", "")
}

func TestTags(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	name := aws.String("x")
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name}))(t)
	must(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(document(trustAll))}))(t)
	arn := must(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String(document(allowAll))}))(t).Policy.Arn
	tag := func(k, v string) []types.Tag { return []types.Tag{{Key: &k, Value: &v}} }
	must(b.root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: append(tag("Team", "films"), tag("floor", "3")...)}))(t)
	must(b.root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: tag("team", "news")}))(t) // the same key
	must(b.root.TagRole(ctx, &sdk.TagRoleInput{RoleName: name, Tags: tag("a", "b")}))(t)
	must(b.root.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: arn, Tags: tag("a", "b")}))(t)
	var keys []string
	pages := sdk.NewListUserTagsPaginator(b.root, &sdk.ListUserTagsInput{UserName: name, MaxItems: aws.Int32(1)})
	for pages.HasMorePages() {
		for _, g := range must(pages.NextPage(ctx))(t).Tags {
			keys = append(keys, *g.Key+"="+*g.Value)
		}
	}
	if !slices.Equal(keys, []string{"floor=3", "team=news"}) {
		t.Errorf("tags %v", keys)
	}
	must(b.root.UntagUser(ctx, &sdk.UntagUserInput{UserName: name, TagKeys: []string{"FLOOR", "none"}}))(t)
	must(b.root.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: name, TagKeys: []string{"a"}}))(t)
	must(b.root.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"a"}}))(t)
	if n := len(must(b.root.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: name}))(t).Tags) + len(must(b.root.ListRoleTags(ctx, &sdk.ListRoleTagsInput{RoleName: name}))(t).Tags) +
		len(must(b.root.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: arn}))(t).Tags); n != 1 {
		t.Errorf("%d tags left", n)
	}
	var many []types.Tag
	for i := range 50 {
		many = append(many, tag(fmt.Sprint("k", i), "")...)
	}
	refused(t, "51 tags", is(b.root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: many})), "LimitExceeded", "50")
	refused(t, "nobody", is(b.root.TagUser(ctx, &sdk.TagUserInput{UserName: aws.String("gone"), Tags: tag("a", "b")})), "NoSuchEntity", "gone")
	refused(t, "nothing", is(b.root.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: aws.String(*arn + "2"), TagKeys: []string{"a"}})), "NoSuchEntity", "")
	refused(t, "a user for a policy", is(b.root.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: aws.String("arn:aws:iam::" + account + ":user/x")})), "NoSuchEntity", "")

	// Devices and providers have tags in the same way.
	serial := must(b.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: name}))(t).VirtualMFADevice.SerialNumber
	issuer := must(b.root.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://id.example.org"), ClientIDList: []string{"c"}}))(t).OpenIDConnectProviderArn
	must(b.root.TagMFADevice(ctx, &sdk.TagMFADeviceInput{SerialNumber: serial, Tags: append(tag("a", "b"), tag("c", "d")...)}))(t)
	must(b.root.TagOpenIDConnectProvider(ctx, &sdk.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: issuer, Tags: append(tag("a", "b"), tag("c", "d")...)}))(t)
	must(b.root.UntagMFADevice(ctx, &sdk.UntagMFADeviceInput{SerialNumber: serial, TagKeys: []string{"A"}}))(t)
	must(b.root.UntagOpenIDConnectProvider(ctx, &sdk.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: issuer, TagKeys: []string{"A"}}))(t)
	for of, left := range map[string][]types.Tag{
		"a device":   must(b.root.ListMFADeviceTags(ctx, &sdk.ListMFADeviceTagsInput{SerialNumber: serial}))(t).Tags,
		"a provider": must(b.root.ListOpenIDConnectProviderTags(ctx, &sdk.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: issuer}))(t).Tags,
	} {
		if len(left) != 1 || *left[0].Key != "c" || *left[0].Value != "d" {
			t.Errorf("%s has the tags %v", of, left)
		}
	}
	refused(t, "no device", is(b.root.TagMFADevice(ctx, &sdk.TagMFADeviceInput{SerialNumber: issuer, Tags: tag("a", "b")})), "NoSuchEntity", "VirtualMFADevice with serial number "+*issuer)
	refused(t, "no provider", is(b.root.ListOpenIDConnectProviderTags(ctx, &sdk.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: serial})), "NoSuchEntity", "not found for arn "+*serial)

	// Tags decide: of who asks, of what is asked for, and those that are given.
	hr := b.user("hr", `{"Effect":"Allow","Action":["iam:TagUser","iam:GetUser"],"Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/team":"news"}}},
		{"Effect":"Deny","Action":"iam:TagUser","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}}`)
	must(hr.GetUser(ctx, &sdk.GetUserInput{UserName: name}))(t)
	must(hr.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: tag("desk", "7")}))(t)
	refused(t, "the tag that decides", is(hr.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: tag("team", "x")})), "AccessDenied", "explicit deny")
	refused(t, "somebody else", is(hr.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("hr")})), "AccessDenied", "")
}
