package iamapi_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iamapi"
	"darkroom/internal/identity"
)

func TestNewNeeds(t *testing.T) {
	t.Parallel()
	if _, err := iamapi.New(iamapi.Options{}); err == nil {
		t.Error("an API without a directory")
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	tags := []types.Tag{{Key: aws.String("team"), Value: aws.String("films")}}
	made := must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann"), Path: aws.String("/films/"), Tags: tags, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/IAMFullAccess")}))(t).User
	if *made.Arn != "arn:aws:iam::111122223333:user/films/ann" || len(*made.UserId) != 21 || len(made.Tags) != 1 || *made.PermissionsBoundary.PermissionsBoundaryArn != "arn:aws:iam::aws:policy/IAMFullAccess" {
		t.Errorf("made %+v", made)
	}
	got := must(b.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("ann")}))(t).User
	if *got.UserId != *made.UserId || !got.CreateDate.Equal(*made.CreateDate) {
		t.Errorf("got %+v", got)
	}
	for i := range 5 {
		must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String(fmt.Sprint("user", i))}))(t)
	}
	var names []string
	pages := sdk.NewListUsersPaginator(b.root, &sdk.ListUsersInput{MaxItems: aws.Int32(4)})
	for pages.HasMorePages() {
		for _, u := range must(pages.NextPage(ctx))(t).Users {
			names = append(names, *u.UserName)
		}
	}
	if !slices.Equal(names, []string{"ann", "user0", "user1", "user2", "user3", "user4"}) {
		t.Errorf("listed %v", names)
	}
	if below := must(b.root.ListUsers(ctx, &sdk.ListUsersInput{PathPrefix: aws.String("/films/")}))(t).Users; len(below) != 1 || *below[0].UserName != "ann" || below[0].Tags != nil {
		t.Errorf("below a path: %+v", below)
	}
	must(b.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("ann"), NewUserName: aws.String("Ann"), NewPath: aws.String("/x/")}))(t)
	if u := must(b.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("Ann")}))(t).User; *u.UserId != *made.UserId || *u.Path != "/x/" {
		t.Errorf("after the new name: %+v", u)
	}
	if u := must(b.root.GetUser(ctx, &sdk.GetUserInput{}))(t).User; *u.Arn != "arn:aws:iam::111122223333:root" {
		t.Errorf("the root is %+v", u)
	}
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("leaver")}))(t)
	must(b.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("leaver")}))(t)

	name := func(s string) *string { return &s }
	refused(t, "there already, in other letters", is(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name("ANN")})), "EntityAlreadyExists", "User with name ANN already exists.")
	refused(t, "renamed to another's", is(b.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: name("user0"), NewUserName: name("USER1")})), "EntityAlreadyExists", "")
	refused(t, "renamed, not there", is(b.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: name("gone"), NewUserName: name("x")})), "NoSuchEntity", "The user with name gone cannot be found.")
	refused(t, "got, not there", is(b.root.GetUser(ctx, &sdk.GetUserInput{UserName: name("leaver")})), "NoSuchEntity", "")
	refused(t, "got, in other letters", is(b.root.GetUser(ctx, &sdk.GetUserInput{UserName: name("ann")})), "NoSuchEntity", "")
	refused(t, "deleted twice", is(b.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: name("leaver")})), "NoSuchEntity", "")
	refused(t, "a boundary that is not there", is(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name("x"), PermissionsBoundary: name("arn:aws:iam::" + account + ":policy/gone")})), "NoSuchEntity", "Scope ARN: ")
	refused(t, "an odd name", is(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name("a b")})), "ValidationError", "userName")
	refused(t, "a long name", is(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name(strings.Repeat("x", 65))})), "ValidationError", "64")
	refused(t, "a reserved tag", is(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name("x"), Tags: []types.Tag{{Key: name("aws:x"), Value: name("")}}})), "InvalidInput", "reserved")
	refused(t, "a tag twice", is(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name("x"), Tags: []types.Tag{{Key: name("a"), Value: name("")}, {Key: name("A"), Value: name("")}}})), "InvalidInput", "Duplicate")
	stranger := b.as("AKIAOTHER", "secret of AKIAOTHER")
	refused(t, "from another account", is(stranger.GetUser(ctx, &sdk.GetUserInput{UserName: name("Ann")})), "NoSuchEntity", "")
	if n := len(must(stranger.ListUsers(ctx, &sdk.ListUsersInput{}))(t).Users); n != 0 {
		t.Errorf("another account sees %d users", n)
	}
}

// TestDeleteUserWithThings: what a user still has keeps the user from being deleted, each with its own word.
func TestDeleteUserWithThings(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	b.user("ann", allowAll)
	name := aws.String("ann")
	remove := func() error { return is(b.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: name})) }
	refused(t, "keys", remove(), "DeleteConflict", "must delete access keys first")
	b.people.Accounts()
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("bob")}))(t)
	name = aws.String("bob")
	must(b.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(document(allowAll))}))(t)
	refused(t, "an inline policy", remove(), "DeleteConflict", "must delete policies first")
	must(b.root.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("p")}))(t)
	must(b.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMFullAccess")}))(t)
	refused(t, "an attached policy", remove(), "DeleteConflict", "must detach all policies first")
	must(b.root.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMFullAccess")}))(t)
	must(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("g")}))(t)
	must(b.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: name, GroupName: aws.String("g")}))(t)
	refused(t, "a group", remove(), "DeleteConflict", "must remove users from group first")
	must(b.root.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{UserName: name, GroupName: aws.String("g")}))(t)
	if err := remove(); err != nil {
		t.Error(err)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	group := aws.String("films")
	made := must(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: group, Path: aws.String("/g/")}))(t).Group
	if *made.Arn != "arn:aws:iam::111122223333:group/g/films" || !strings.HasPrefix(*made.GroupId, "AGPA") {
		t.Errorf("made %+v", made)
	}
	ann := b.user("ann", "")
	for i := range 3 {
		u := aws.String(fmt.Sprint("user", i))
		must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: u}))(t)
		must(b.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: u, GroupName: group}))(t)
		must(b.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: u, GroupName: group}))(t) // again is as once
	}
	first := must(b.root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: group, MaxItems: aws.Int32(2)}))(t)
	second := must(b.root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: group, Marker: first.Marker}))(t)
	if !first.IsTruncated || len(first.Users) != 2 || second.IsTruncated || len(second.Users) != 1 || *second.Users[0].UserName != "user2" {
		t.Errorf("pages %+v, %+v", first, second)
	}
	if of := must(b.root.ListGroupsForUser(ctx, &sdk.ListGroupsForUserInput{UserName: aws.String("user0")}))(t).Groups; len(of) != 1 || *of[0].GroupName != "films" {
		t.Errorf("groups of a user %+v", of)
	}
	// What a group grants, its members may, from the moment that they are in it to that in which they are not.
	must(b.root.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: group, PolicyName: aws.String("p"), PolicyDocument: aws.String(document(allowAll))}))(t)
	refused(t, "before", is(ann.ListUsers(ctx, &sdk.ListUsersInput{})), "AccessDenied", "")
	must(b.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: aws.String("ann"), GroupName: group}))(t)
	must(ann.ListUsers(ctx, &sdk.ListUsersInput{}))(t)
	must(b.root.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{UserName: aws.String("ann"), GroupName: group}))(t)
	refused(t, "after", is(ann.ListUsers(ctx, &sdk.ListUsersInput{})), "AccessDenied", "")

	must(b.root.UpdateGroup(ctx, &sdk.UpdateGroupInput{GroupName: group, NewGroupName: aws.String("movies")}))(t)
	if of := must(b.root.ListGroupsForUser(ctx, &sdk.ListGroupsForUserInput{UserName: aws.String("user0")}))(t).Groups; len(of) != 1 || *of[0].GroupName != "movies" {
		t.Errorf("after a new name %+v", of)
	}
	group = aws.String("movies")
	if all := must(b.root.ListGroups(ctx, &sdk.ListGroupsInput{PathPrefix: aws.String("/g/")}))(t).Groups; len(all) != 1 {
		t.Errorf("listed %+v", all)
	}
	refused(t, "there already", is(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("Movies")})), "EntityAlreadyExists", "Group with name Movies")
	refused(t, "not there", is(b.root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: aws.String("films")})), "NoSuchEntity", "The group with name films")
	refused(t, "a user who is not there", is(b.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: aws.String("x"), GroupName: group})), "NoSuchEntity", "The user with name x")
	refused(t, "a group that is not there", is(b.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: aws.String("ann"), GroupName: aws.String("x")})), "NoSuchEntity", "The group with name x")
	refused(t, "not in it", is(b.root.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{UserName: aws.String("ann"), GroupName: group})), "NoSuchEntity", "")
	refused(t, "deleted with members", is(b.root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: group})), "DeleteConflict", "must remove users")
	for i := range 3 {
		must(b.root.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{UserName: aws.String(fmt.Sprint("user", i)), GroupName: group}))(t)
	}
	refused(t, "deleted with policies", is(b.root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: group})), "DeleteConflict", "must delete policies")
	must(b.root.DeleteGroupPolicy(ctx, &sdk.DeleteGroupPolicyInput{GroupName: group, PolicyName: aws.String("p")}))(t)
	must(b.root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: group}))(t)
	refused(t, "deleted twice", is(b.root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: group})), "NoSuchEntity", "")
	for i := range 11 {
		g := aws.String(fmt.Sprint("g", i))
		must(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: g}))(t)
		err := is(b.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: aws.String("ann"), GroupName: g}))
		if i < 10 && err != nil {
			t.Error(err)
		} else if i == 10 {
			refused(t, "an eleventh group", err, "LimitExceeded", "GroupsPerUser: 10")
		}
	}
}

// plain is a document out of an answer.
func plain(t *testing.T, encoded *string) string {
	t.Helper()
	text, err := url.PathUnescape(aws.ToString(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRoles(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	trust := document(`{"Effect":"Allow","Principal":{"Service":"mediaconvert.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"aws:SourceArn":"a b+c/*"}}}`)
	made := must(b.root.CreateRole(ctx, &sdk.CreateRoleInput{
		RoleName: aws.String("R"), Path: aws.String("/media/"), AssumeRolePolicyDocument: &trust, Description: aws.String("for films"), MaxSessionDuration: aws.Int32(7200),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	}))(t).Role
	if *made.Arn != "arn:aws:iam::111122223333:role/media/R" || *made.MaxSessionDuration != 7200 || plain(t, made.AssumeRolePolicyDocument) != trust {
		t.Errorf("made %+v", made)
	}
	name := aws.String("R")
	got := must(b.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role
	if *got.RoleId != *made.RoleId || *got.Description != "for films" || len(got.Tags) != 1 || got.RoleLastUsed == nil || strings.Contains(*got.AssumeRolePolicyDocument, "+") {
		t.Errorf("got %+v", got)
	}
	must(b.root.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(43200)}))(t)
	if r := must(b.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role; *r.Description != "for films" || *r.MaxSessionDuration != 43200 {
		t.Errorf("with longer sessions %+v", r)
	}
	must(b.root.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: name, Description: aws.String("new")}))(t) // the sessions are of an hour again
	if d := must(b.root.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("newer")}))(t); *d.Role.Description != "newer" || *d.Role.MaxSessionDuration != 3600 {
		t.Errorf("changed %+v", d.Role)
	}
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann")}))(t)
	named := document(`{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + account + `:user/ann","arn:aws:iam::` + account + `:role/media/R"]},"Action":"sts:AssumeRole"}`)
	must(b.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &named}))(t)
	if text := plain(t, must(b.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role.AssumeRolePolicyDocument); text != named {
		t.Errorf("trust policy %s", text)
	}
	// Who has another name stands there by it, and who is gone by the id that nobody else gets.
	id := *must(b.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("ann")}))(t).User.UserId
	must(b.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("ann"), NewUserName: aws.String("anna"), NewPath: aws.String("/x/")}))(t)
	if text := plain(t, must(b.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role.AssumeRolePolicyDocument); text != strings.Replace(named, "user/ann", "user/x/anna", 1) {
		t.Errorf("after its user was renamed: %s", text)
	}
	byID := document(`{"Effect":"Allow","Principal":{"AWS":"` + id + `"},"Action":"sts:AssumeRole"}`)
	must(b.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &byID}))(t)
	must(b.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("anna"), NewUserName: aws.String("ann"), NewPath: aws.String("/")}))(t)
	must(b.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &named}))(t)
	must(b.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("ann")}))(t)
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann")}))(t)
	if text := plain(t, must(b.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role.AssumeRolePolicyDocument); !strings.Contains(text, `"`+id+`"`) || strings.Contains(text, "user/ann") {
		t.Errorf("after its user is gone: %s", text)
	}
	if all := must(b.root.ListRoles(ctx, &sdk.ListRolesInput{PathPrefix: aws.String("/media/")}))(t).Roles; len(all) != 1 || all[0].Tags != nil || all[0].RoleLastUsed != nil {
		t.Errorf("listed %+v", all)
	}

	if in := must(b.root.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: name}))(t); len(in.InstanceProfiles) != 0 {
		t.Errorf("instance profiles %+v", in)
	}
	refused(t, "instance profiles of nobody", is(b.root.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("gone")})), "NoSuchEntity", "")

	create := func(document string) error {
		return is(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("New"), AssumeRolePolicyDocument: &document}))
	}
	for name, tt := range map[string]struct{ document, says string }{
		"no JSON":                      {"{", "line 1"},
		"no principal":                 {document(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), "principal"},
		"a resource":                   {document(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), "Has prohibited field Resource"},
		"another action":               {document(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`), "AssumeRole policy may only specify STS AssumeRole actions."},
		"a user who is not there":      {document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:user/gone"},"Action":"sts:AssumeRole"}`), `Invalid principal in policy: "AWS":"arn:aws:iam::` + account + `:user/gone"`},
		"another account":              {document(`{"Effect":"Allow","Principal":{"AWS":"` + other + `"},"Action":"sts:AssumeRole"}`), "trust in another account"},
		"the root of another account":  {document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + other + `:root"},"Action":"sts:AssumeRole"}`), "trust in another account"},
		"a session in another account": {document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::` + other + `:assumed-role/R/s1"},"Action":"sts:AssumeRole"}`), "trust in another account"},
		"another account's provider":   {document(`{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + other + `:oidc-provider/id"},"Action":"sts:AssumeRoleWithWebIdentity"}`), "trust in another account"},
		"the id of nobody":             {document(`{"Effect":"Allow","Principal":{"AWS":"AIDAEXAMPLEEXAMPLE123"},"Action":"sts:AssumeRole"}`), `Invalid principal in policy: "AWS":"AIDAEXAMPLEEXAMPLE123"`},
		"all but somebody":             {document(`{"Effect":"Deny","NotPrincipal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}`), "NotPrincipal"},
		"a provider that is not there": {document(`{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + account + `:oidc-provider/id"},"Action":"sts:AssumeRoleWithWebIdentity"}`), "Invalid principal in policy"},
	} {
		refused(t, name, create(tt.document), "MalformedPolicyDocument", tt.says)
	}
	refused(t, "a long document", create(document(`{"Sid":"`+strings.Repeat("x", 2100)+`","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`)), "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
	refused(t, "there already", is(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &trust})), "EntityAlreadyExists", "Role with name r")
	refused(t, "a reserved path", is(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("x"), Path: aws.String("/aws-service-role/x/"), AssumeRolePolicyDocument: &trust})), "AccessDenied", "reserved")
	refused(t, "a short session", is(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("x"), MaxSessionDuration: aws.Int32(3599), AssumeRolePolicyDocument: &trust})), "ValidationError", "3600")
	for op, err := range map[string]error{
		"GetRole": is(b.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("gone")})), "UpdateRole": is(b.root.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: aws.String("gone")})),
		"UpdateAssumeRolePolicy": is(b.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: aws.String("gone"), PolicyDocument: &trust})),
		"DeleteRole":             is(b.root.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("gone")})),
	} {
		refused(t, op, err, "NoSuchEntity", "The role with name gone cannot be found.")
	}
	must(b.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(document(allowAll))}))(t)
	refused(t, "deleted with policies", is(b.root.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: name})), "DeleteConflict", "must delete policies")
	must(b.root.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("p")}))(t)
	must(b.root.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: name}))(t)
}

// TestSessions: the session of a user administers IAM only if a second factor was shown for it, whatever the user may do.
func TestSessions(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	b.user("ann", allowAll)
	v := must(b.people.View(ctx, account))(t)
	now := time.Now()
	about := identity.Session{Account: account, Kind: identity.User, ID: v.Get(identity.User, "ann").ID, Issued: now, Expiry: now.Add(time.Hour)}
	list := func() error {
		t.Helper()
		c := must(b.people.IssueToken(about))(t)
		return is(sdk.New(sdk.Options{
			Region: region, BaseEndpoint: aws.String(b.server.URL), HTTPClient: b.server.Client(), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, string(c.SecretAccessKey.Reveal()), string(c.SessionToken.Reveal())),
		}).ListUsers(ctx, &sdk.ListUsersInput{}))
	}
	refused(t, "a user's session", list(), "AccessDenied", "without multi-factor authentication")
	about.MFA = now
	if err := list(); err != nil {
		t.Error(err)
	}
	about.Kind, about.ID, about.MFA = "", "", time.Time{}
	refused(t, "the root's session", list(), "AccessDenied", "without multi-factor authentication")
}
