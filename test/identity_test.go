package test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

// TestIdentitiesGoSDK makes a user and a role with the Go SDK, works in the role by the SDK's own provider of credentials, and reads the refusals as
// the SDK's types.
func TestIdentitiesGoSDK(t *testing.T) {
	t.Parallel()
	s := serve(t)
	people, ctx := s.iam("admin"), t.Context()
	user, err := people.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("mara"), Path: aws.String("/cut/"), Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("cut")}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := *user.User.Arn; got != "arn:aws:iam::"+account+":user/cut/mara" {
		t.Errorf("user: %s", got)
	}
	var exists *iamtypes.EntityAlreadyExistsException
	if _, err := people.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("MARA")}); !errors.As(err, &exists) {
		t.Errorf("the same name in other letters: %v", err)
	}
	key, err := people.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user.User.UserName})
	if err != nil {
		t.Fatal(err)
	}
	editor := s.role("Editor", trustFor("sts:AssumeRole sts:TagSession", `"AWS":"`+*user.User.Arn+`"`, `"StringEquals":{"sts:ExternalId":"reel-7F3"}`),
		policy(allow("mediaconvert:GetQueue", "*", `"StringEquals":{"aws:PrincipalTag/reel":"7"}`)))

	cfg := s.config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
	own := mediaconvert.NewFromConfig(cfg)
	queue := &mediaconvert.GetQueueInput{Name: aws.String("Default")}
	_, err = own.GetQueue(ctx, queue)
	var refusal smithy.APIError
	if !errors.As(err, &refusal) || refusal.ErrorCode() != "AccessDeniedException" {
		t.Errorf("the user alone: %v", err)
	}
	as := func(options ...func(*stscreds.AssumeRoleOptions)) *mediaconvert.Client {
		in := cfg.Copy()
		in.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), editor, append([]func(*stscreds.AssumeRoleOptions){
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "cut-1" },
		}, options...)...))
		return mediaconvert.NewFromConfig(in)
	}
	external := func(o *stscreds.AssumeRoleOptions) { o.ExternalID = aws.String("reel-7F3") }
	tagged := func(value string) func(*stscreds.AssumeRoleOptions) {
		return func(o *stscreds.AssumeRoleOptions) {
			external(o)
			o.Tags = append(o.Tags, ststypes.Tag{Key: aws.String("reel"), Value: &value})
		}
	}
	if _, err := as(tagged("7")).GetQueue(ctx, queue); err != nil {
		t.Errorf("in the role: %v", err)
	}
	if _, err := as(tagged("8")).GetQueue(ctx, queue); !errors.As(err, &refusal) || refusal.ErrorCode() != "AccessDeniedException" {
		t.Errorf("with another tag: %v", err)
	}
	if _, err := as(external).GetQueue(ctx, queue); !errors.As(err, &refusal) || refusal.ErrorCode() != "AccessDeniedException" {
		t.Errorf("without the tag: %v", err)
	}
	if _, err := as().GetQueue(ctx, queue); !errors.As(err, &refusal) || refusal.ErrorCode() != "AccessDenied" {
		t.Errorf("without the external id: %v", err)
	}

	var missing *iamtypes.NoSuchEntityException
	if _, err := people.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("Ghost")}); !errors.As(err, &missing) {
		t.Errorf("a role that is not there: %v", err)
	}
	var conflict *iamtypes.DeleteConflictException
	if _, err := people.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("mara")}); !errors.As(err, &conflict) {
		t.Errorf("a user with a key: %v", err)
	}
	var malformed *iamtypes.MalformedPolicyDocumentException
	if _, err := people.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("mara"), PolicyName: aws.String("p"), PolicyDocument: aws.String(`{"Statement":[]}`)}); !errors.As(err, &malformed) {
		t.Errorf("no policy: %v", err)
	}
	names := map[string]bool{}
	pages := iam.NewListRolesPaginator(people, &iam.ListRolesInput{MaxItems: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Roles {
			if names[*r.RoleName] {
				t.Errorf("%s is listed twice", *r.RoleName)
			}
			names[*r.RoleName] = true
		}
	}
	if len(names) != 2 || !names["Editor"] {
		t.Errorf("roles: %v", names)
	}
	if err := iam.NewRoleExistsWaiter(people).Wait(ctx, &iam.GetRoleInput{RoleName: aws.String("Editor")}, maxJob); err != nil {
		t.Error(err)
	}
}

// TestIdentitiesBoto3 tells the same story with boto3, whose sessions assume roles by the profiles of a file.
func TestIdentitiesBoto3(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // Debian's, which has Debian's python3-boto3
	if _, _, err := try(t, nil, python, "-c", "import boto3"); err != nil {
		absent(t, "boto3 is not installed")
	}
	s := serve(t)
	profiles := filepath.Join(t.TempDir(), "config")
	text := "[profile editor]\nrole_arn = " + roleNamed("Editor") + "\nsource_profile = mara\nrole_session_name = cut-1\nexternal_id = reel-7F3\n" +
		"[profile impostor]\nrole_arn = " + roleNamed("Editor") + "\nsource_profile = mara\n"
	if err := os.WriteFile(profiles, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, append(s.env(), "AWS_CONFIG_FILE="+profiles), python, filepath.Join("python", "identities.py"), profiles)
}
