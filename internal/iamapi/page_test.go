package iamapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// TestPages goes through lists one item at a time: nothing is left out and nothing comes twice, whatever the case of names and the length of paths.
func TestPages(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	name, one, text := aws.String("x"), aws.Int32(1), aws.String(document(`{"Effect":"Allow","Action":"iam:List*","Resource":"*"}`))
	must(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name}))(t)
	path := "/" + strings.Repeat(strings.Repeat("p", 99)+"/", 5)
	var arns []string
	for _, policy := range []string{"b", "IAMFullAccess", "C", "a"} { // one of them has the name of one of AWS's own
		p := must(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: &policy, Path: &path, PolicyDocument: text}))(t).Policy
		arns = append(arns, *p.Arn)
	}
	for _, arn := range append(arns, "arn:aws:iam::aws:policy/IAMFullAccess") {
		must(b.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: &arn}))(t)
	}
	for _, policy := range []string{"admin", "B", "Admin", "a"} {
		must(b.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: name, PolicyName: &policy, PolicyDocument: text}))(t)
	}
	for _, key := range []string{"b", "C", "a"} {
		must(b.root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: []types.Tag{{Key: &key, Value: aws.String("")}}}))(t)
	}
	first := &arns[0]
	for range 3 {
		must(b.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: first, PolicyDocument: text}))(t)
	}

	for list, tt := range map[string]struct {
		page func(marker *string) (item string, next *string)
		want []string
	}{
		"attached policies": {func(marker *string) (string, *string) {
			out := must(b.root.ListAttachedUserPolicies(ctx, &sdk.ListAttachedUserPoliciesInput{UserName: name, MaxItems: one, Marker: marker}))(t)
			return *out.AttachedPolicies[0].PolicyArn, out.Marker
		}, []string{arns[3], arns[0], arns[2], arns[1], "arn:aws:iam::aws:policy/IAMFullAccess"}},
		"policies of the account": {func(marker *string) (string, *string) {
			out := must(b.root.ListPolicies(ctx, &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, MaxItems: one, Marker: marker}))(t)
			return *out.Policies[0].Arn, out.Marker
		}, []string{arns[3], arns[0], arns[2], arns[1]}},
		"attached policies of all": {func(marker *string) (string, *string) {
			out := must(b.root.ListPolicies(ctx, &sdk.ListPoliciesInput{OnlyAttached: true, MaxItems: one, Marker: marker}))(t)
			return *out.Policies[0].Arn, out.Marker
		}, []string{arns[3], arns[0], arns[2], arns[1], "arn:aws:iam::aws:policy/IAMFullAccess"}},
		"inline policies": {func(marker *string) (string, *string) {
			out := must(b.root.ListUserPolicies(ctx, &sdk.ListUserPoliciesInput{UserName: name, MaxItems: one, Marker: marker}))(t)
			return out.PolicyNames[0], out.Marker
		}, []string{"a", "Admin", "admin", "B"}},
		"tags": {func(marker *string) (string, *string) {
			out := must(b.root.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: name, MaxItems: one, Marker: marker}))(t)
			return *out.Tags[0].Key, out.Marker
		}, []string{"a", "b", "C"}},
	} {
		var got []string
		item, next := tt.page(nil)
		for got = append(got, item); next != nil && len(got) < 10; got = append(got, item) {
			item, next = tt.page(next)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", list, got, tt.want)
		}
	}

	// What the marker stands for is gone when the next page is asked for.
	out := must(b.root.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: first, MaxItems: aws.Int32(2)}))(t)
	must(b.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: first, VersionId: out.Versions[1].VersionId}))(t)
	var ids []string
	for _, v := range must(b.root.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: first, Marker: out.Marker}))(t).Versions {
		ids = append(ids, *v.VersionId)
	}
	if fmt.Sprint(ids) != "[v2 v1]" {
		t.Errorf("after v3 is gone: %v", ids)
	}
	if beyond := must(b.root.ListUsers(ctx, &sdk.ListUsersInput{Marker: aws.String("zz")}))(t); len(beyond.Users) != 0 || beyond.IsTruncated {
		t.Errorf("beyond the end: %+v", beyond)
	}
}
