package iamapi_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/identity"
)

func TestAccessKeys(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	if _, err := d.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann")}); err != nil {
		t.Fatal(err)
	}
	create := func() *types.AccessKey {
		return must(d.root.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("ann")}))(t).AccessKey
	}
	list := func(c *sdk.Client, in *sdk.ListAccessKeysInput) *sdk.ListAccessKeysOutput {
		t.Helper()
		return must(c.ListAccessKeys(ctx, in))(t)
	}
	first := create()
	if *first.UserName != "ann" || first.Status != types.StatusTypeActive || len(*first.AccessKeyId) != 20 || len(*first.SecretAccessKey) != 40 || !first.CreateDate.Equal(d.clock()) {
		t.Errorf("got %s %s %v", *first.UserName, first.Status, first.CreateDate)
	}
	second := create()
	_, err := d.root.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("ann")})
	refused(t, "a third key", err, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")

	// Both work: the user may read their own keys, named or not.
	if _, err := d.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{
		UserName: aws.String("ann"), PolicyName: aws.String("own"),
		PolicyDocument: aws.String(document(`{"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"arn:aws:iam::*:user/${aws:username}"}`)),
	}); err != nil {
		t.Fatal(err)
	}
	ann := d.as(*first.AccessKeyId, *first.SecretAccessKey)
	for _, c := range []*sdk.Client{ann, d.as(*second.AccessKeyId, *second.SecretAccessKey)} {
		if got := list(c, &sdk.ListAccessKeysInput{}); len(got.AccessKeyMetadata) != 2 || got.IsTruncated {
			t.Errorf("got %+v", got)
		}
	}
	page := list(ann, &sdk.ListAccessKeysInput{UserName: aws.String("ann"), MaxItems: aws.Int32(1)})
	if len(page.AccessKeyMetadata) != 1 || !page.IsTruncated {
		t.Fatalf("got %+v", page)
	}
	rest := list(ann, &sdk.ListAccessKeysInput{MaxItems: aws.Int32(1), Marker: page.Marker})
	if len(rest.AccessKeyMetadata) != 1 || rest.IsTruncated || *rest.AccessKeyMetadata[0].AccessKeyId == *page.AccessKeyMetadata[0].AccessKeyId || *rest.AccessKeyMetadata[0].UserName != "ann" {
		t.Errorf("got %+v", rest)
	}

	// An inactive key is none, until it is active again.
	set := func(c *sdk.Client, id string, s types.StatusType) error {
		return is(c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{AccessKeyId: &id, Status: s}))
	}
	if err := set(ann, *second.AccessKeyId, types.StatusTypeInactive); err != nil {
		t.Fatal(err)
	}
	refused(t, "an inactive key", is(d.as(*second.AccessKeyId, *second.SecretAccessKey).ListAccessKeys(ctx, &sdk.ListAccessKeysInput{})), "InvalidClientTokenId", "")
	for _, k := range list(ann, &sdk.ListAccessKeysInput{}).AccessKeyMetadata {
		if want := map[bool]types.StatusType{true: types.StatusTypeInactive, false: types.StatusTypeActive}[*k.AccessKeyId == *second.AccessKeyId]; k.Status != want {
			t.Errorf("%s is %s", *k.AccessKeyId, k.Status)
		}
	}
	if err := set(ann, *second.AccessKeyId, types.StatusTypeActive); err != nil {
		t.Fatal(err)
	}
	list(d.as(*second.AccessKeyId, *second.SecretAccessKey), &sdk.ListAccessKeysInput{})
	refused(t, "a status that keys do not have", set(ann, *second.AccessKeyId, types.StatusTypeExpired), "InvalidInput", "Expired")

	// A user with keys stays.
	refused(t, "delete the user", is(d.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("ann")})), "DeleteConflict", "access keys")
	if err := is(ann.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{AccessKeyId: second.AccessKeyId})); err != nil {
		t.Fatal(err)
	}
	refused(t, "a deleted key", is(d.as(*second.AccessKeyId, *second.SecretAccessKey).ListAccessKeys(ctx, &sdk.ListAccessKeysInput{})), "InvalidClientTokenId", "")
	refused(t, "deleted again", is(ann.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{AccessKeyId: second.AccessKeyId})), "NoSuchEntity", *second.AccessKeyId)

	d.hidden(*first.SecretAccessKey, *second.SecretAccessKey)
}

// TestAccessKeysOfOthers: a key is found at its user alone, and nothing of another account is.
func TestAccessKeysOfOthers(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	d.user("bob", "")
	d.user("ann", `{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::111122223333:user/ann"}`)
	v, err := d.people.View(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	bobs := v.Get(identity.User, "bob").Keys[0].ID
	generation := d.generation()
	type call struct {
		name   string
		client *sdk.Client
		user   *string
		id     string
		code   string
	}
	session := d.session()
	generation++ // the role
	for _, c := range []call{
		{"a key of another user", d.root, aws.String("ann"), bobs, "NoSuchEntity"},
		{"no such key", d.root, aws.String("bob"), "AKIA0123456789ABCDEF", "NoSuchEntity"},
		{"no such user", d.root, aws.String("eve"), bobs, "NoSuchEntity"},
		{"another case", d.root, aws.String("Bob"), bobs, "NoSuchEntity"},
		{"a user of another account", d.stranger, aws.String("bob"), bobs, "NoSuchEntity"},
		{"root's own, unnamed", d.root, nil, "AKIAROOTAKIAROOT0000", "NotImplemented"},
		{"a session, unnamed", session, nil, bobs, "ValidationError"},
	} {
		refused(t, c.name+": update", is(c.client.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: c.user, AccessKeyId: &c.id, Status: types.StatusTypeInactive})), c.code, "")
		refused(t, c.name+": delete", is(c.client.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: c.user, AccessKeyId: &c.id})), c.code, "")
		if c.name == "a key of another user" || c.name == "no such key" {
			continue
		}
		refused(t, c.name+": list", is(c.client.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: c.user})), c.code, "")
		refused(t, c.name+": create", is(c.client.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: c.user})), c.code, "")
	}
	if n := d.generation(); n != generation {
		t.Errorf("refusals have changed the records: %d, want %d", n, generation)
	}
}

func TestAccessKeyLastUsed(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	ann := d.user("ann", `{"Effect":"Allow","Action":"iam:GetAccessKeyLastUsed","Resource":"arn:aws:iam::111122223333:user/bob"}`)
	d.user("bob", "")
	v, err := d.people.View(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	bobs, anns := v.Get(identity.User, "bob").Keys[0].ID, v.Get(identity.User, "ann").Keys[0].ID
	get := func(c *sdk.Client, id string) (*sdk.GetAccessKeyLastUsedOutput, error) {
		return c.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: &id})
	}
	got := must(get(ann, bobs))(t)
	if *got.UserName != "bob" || got.AccessKeyLastUsed.LastUsedDate != nil || *got.AccessKeyLastUsed.Region != "N/A" || *got.AccessKeyLastUsed.ServiceName != "N/A" {
		t.Errorf("never used: got %+v", got.AccessKeyLastUsed)
	}
	used := time.Date(2030, 4, 3, 2, 1, 0, 500, time.UTC)
	d.people.Used(identity.Use{ID: bobs, Account: account, Time: used, Service: "mediaconvert", Region: "eu-west-1"})
	got = must(get(ann, bobs))(t)
	if last := got.AccessKeyLastUsed; !last.LastUsedDate.Equal(used.Truncate(time.Second)) || *last.Region != "eu-west-1" || *last.ServiceName != "mediaconvert" {
		t.Errorf("got %+v", last)
	}
	refused(t, "a key of a user that one may not ask about", is(get(ann, anns)), "AccessDenied", "user/ann")
	refused(t, "no key, asked by who may ask about one user", is(get(ann, "AKIA0123456789ABCDEF")), "AccessDenied", "")
	refused(t, "no key", is(get(d.root, "AKIA0123456789ABCDEF")), "NoSuchEntity", "")
	refused(t, "a key of another account", is(get(d.stranger, bobs)), "NoSuchEntity", "")
}
