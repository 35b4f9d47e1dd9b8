package iamapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// TestOtherAccount: the root of an account, who may do everything in it, sees and changes nothing in another one, where the same names are in use.
func TestOtherAccount(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	name, text, trust := aws.String("x"), aws.String(document(allowAll)), aws.String(document(trustAll))
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name}))(t)
	must(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: name}))(t)
	must(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust}))(t)
	arn := must(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: name, PolicyDocument: text}))(t).Policy.Arn
	must(b.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: arn}))(t)
	stranger := b.as("AKIAOTHER", "secret of AKIAOTHER")
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}

	for what, err := range map[string]error{
		"GetUser":                is(stranger.GetUser(ctx, &sdk.GetUserInput{UserName: name})),
		"GetGroup":               is(stranger.GetGroup(ctx, &sdk.GetGroupInput{GroupName: name})),
		"GetRole":                is(stranger.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})),
		"DeleteUser":             is(stranger.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: name})),
		"UpdateAssumeRolePolicy": is(stranger.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: trust})),
		"PutGroupPolicy":         is(stranger.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: name, PolicyName: name, PolicyDocument: text})),
		"TagRole":                is(stranger.TagRole(ctx, &sdk.TagRoleInput{RoleName: name, Tags: tags})),
		"AddUserToGroup":         is(stranger.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: name, UserName: name})),
	} {
		refused(t, what, err, "NoSuchEntity", "with name x cannot be found.")
	}
	// What is named by its ARN is not even asked for, there or not.
	for _, arn := range []*string{arn, aws.String("arn:aws:iam::" + account + ":policy/gone")} {
		for what, err := range map[string]error{
			"GetPolicy":             is(stranger.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn})),
			"GetPolicyVersion":      is(stranger.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})),
			"CreatePolicyVersion":   is(stranger.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: text})),
			"DeletePolicy":          is(stranger.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})),
			"ListEntitiesForPolicy": is(stranger.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: arn})),
			"TagPolicy":             is(stranger.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: arn, Tags: tags})),
			"ListPolicyTags":        is(stranger.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: arn})),
		} {
			refused(t, what, err, "AccessDenied", "iam:"+what+" on resource: "+*arn)
		}
	}
	refused(t, "no ARN", is(stranger.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: aws.String("policy/x, or whatever")})), "NoSuchEntity", "")

	// The same names are free there, and a policy of the one account is none of the other.
	made := must(stranger.CreateUser(ctx, &sdk.CreateUserInput{UserName: name}))(t).User
	if *made.Arn != "arn:aws:iam::"+other+":user/x" {
		t.Errorf("made %s", *made.Arn)
	}
	refused(t, "attached", is(stranger.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: arn})), "NoSuchEntity", "not attachable")
	refused(t, "bounded", is(stranger.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: arn})), "NoSuchEntity", "not attachable")
	must(stranger.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: name}))(t)

	users := must(stranger.ListUsers(ctx, &sdk.ListUsersInput{}))(t).Users
	groups := must(stranger.ListGroups(ctx, &sdk.ListGroupsInput{}))(t).Groups
	roles := must(stranger.ListRoles(ctx, &sdk.ListRolesInput{}))(t).Roles
	policies := must(stranger.ListPolicies(ctx, &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))(t).Policies
	if len(users)+len(groups)+len(roles)+len(policies) != 0 {
		t.Errorf("listed %v, %v, %v, %v", users, groups, roles, policies)
	}
	if attached := must(stranger.ListPolicies(ctx, &sdk.ListPoliciesInput{OnlyAttached: true}))(t).Policies; len(attached) != 0 {
		t.Errorf("attached %v", attached)
	}
}

// TestDeniedHere: what lets somebody in elsewhere does not let them in here, for one operation of each kind of check.
func TestDeniedHere(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	name, text, trust := aws.String("x"), aws.String(document(allowAll)), aws.String(document(trustAll))
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name, Path: aws.String("/films/")}))(t)
	must(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust}))(t)
	arn := must(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: name, PolicyDocument: text}))(t).Policy.Arn
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
	must(b.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: text}))(t)
	bounded := b.user("bounded", allowAll)
	must(b.root.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("bounded"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AmazonS3FullAccess")}))(t)

	for who, tt := range map[string]struct {
		client *sdk.Client
		says   string
	}{
		"without a policy":    {b.user("nobody", ""), "because no identity-based policy allows"},
		"allowed elsewhere":   {b.user("elsewhere", `{"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::`+account+`:*/y","arn:aws:iam::`+account+`:user/x"]}`), "because no identity-based policy allows"},
		"with an explicit no": {b.user("barred", allowAll+`,{"Effect":"Deny","Action":"iam:*","Resource":"*"}`), "with an explicit deny in an identity-based policy"},
		"with a boundary":     {bounded, "because no permissions boundary allows"},
	} {
		c := tt.client
		for action, err := range map[string]error{
			"ListPolicies":             is(c.ListPolicies(ctx, &sdk.ListPoliciesInput{})),
			"ListUserPolicies":         is(c.ListUserPolicies(ctx, &sdk.ListUserPoliciesInput{UserName: name})),
			"ListAttachedUserPolicies": is(c.ListAttachedUserPolicies(ctx, &sdk.ListAttachedUserPoliciesInput{UserName: name})),
			"GetUserPolicy":            is(c.GetUserPolicy(ctx, &sdk.GetUserPolicyInput{UserName: name, PolicyName: name})),
			"PutUserPolicy":            is(c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: text})),
			"DeleteUserPolicy":         is(c.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: name, PolicyName: name})),
			"AttachUserPolicy":         is(c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: arn})),
			"TagUser":                  is(c.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: tags})),
			"UpdateAssumeRolePolicy":   is(c.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String("{")})),
			"SetDefaultPolicyVersion":  is(c.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v9")})),
			"CreatePolicyVersion":      is(c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String("{")})),
		} {
			refused(t, who+", "+action, err, "AccessDenied", "iam:"+action)
			refused(t, who+", "+action, err, "AccessDenied", tt.says)
		}
	}

	// Who may make something may not therefore tag it, and who may rename must be allowed both names.
	maker := b.user("maker", `{"Effect":"Allow","Action":["iam:CreateUser","iam:CreateRole","iam:CreatePolicy"],"Resource":"*"},
		{"Effect":"Allow","Action":["iam:UpdateUser","iam:UpdateGroup"],"Resource":"arn:aws:iam::`+account+`:*/films/*"}`)
	for action, err := range map[string]error{
		"TagUser":   is(maker.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("new"), Tags: tags})),
		"TagRole":   is(maker.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: trust, Tags: tags})),
		"TagPolicy": is(maker.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("new"), PolicyDocument: text, Tags: tags})),
	} {
		refused(t, action, err, "AccessDenied", "iam:"+action)
	}
	must(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("g"), Path: aws.String("/films/")}))(t)
	refused(t, "out of the path", is(maker.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: name, NewPath: aws.String("/")})), "AccessDenied", "user/x")
	refused(t, "out of the path", is(maker.UpdateGroup(ctx, &sdk.UpdateGroupInput{GroupName: aws.String("g"), NewPath: aws.String("/news/")})), "AccessDenied", "group/news/g")
	must(maker.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: name, NewPath: aws.String("/films/new/")}))(t)
	must(maker.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("new")}))(t)
}
