package iamapi

import (
	"context"
	"maps"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// tags are the operations on the tags of what is there.
func (s *server) tags() map[string]queryapi.Operation {
	user, role := naming{kind: identity.User}, naming{kind: identity.Role}
	policy, device, provider := naming{byARN: managedPolicy}, naming{byARN: device}, naming{byARN: provider}
	return map[string]queryapi.Operation{
		"TagUser": tagOp(s, "TagUser", user, &sdk.TagUserOutput{}, func(in *sdk.TagUserInput) (*string, []types.Tag) { return in.UserName, in.Tags }),
		"TagRole": tagOp(s, "TagRole", role, &sdk.TagRoleOutput{}, func(in *sdk.TagRoleInput) (*string, []types.Tag) { return in.RoleName, in.Tags }),
		"TagPolicy": tagOp(s, "TagPolicy", policy, &sdk.TagPolicyOutput{}, func(in *sdk.TagPolicyInput) (*string, []types.Tag) {
			return in.PolicyArn, in.Tags
		}),
		"TagMFADevice": tagOp(s, "TagMFADevice", device, &sdk.TagMFADeviceOutput{}, func(in *sdk.TagMFADeviceInput) (*string, []types.Tag) {
			return in.SerialNumber, in.Tags
		}),
		"TagOpenIDConnectProvider": tagOp(s, "TagOpenIDConnectProvider", provider, &sdk.TagOpenIDConnectProviderOutput{}, func(in *sdk.TagOpenIDConnectProviderInput) (*string, []types.Tag) {
			return in.OpenIDConnectProviderArn, in.Tags
		}),
		"UntagUser": untagOp(s, "UntagUser", user, &sdk.UntagUserOutput{}, func(in *sdk.UntagUserInput) (*string, []string) { return in.UserName, in.TagKeys }),
		"UntagRole": untagOp(s, "UntagRole", role, &sdk.UntagRoleOutput{}, func(in *sdk.UntagRoleInput) (*string, []string) { return in.RoleName, in.TagKeys }),
		"UntagPolicy": untagOp(s, "UntagPolicy", policy, &sdk.UntagPolicyOutput{}, func(in *sdk.UntagPolicyInput) (*string, []string) {
			return in.PolicyArn, in.TagKeys
		}),
		"UntagMFADevice": untagOp(s, "UntagMFADevice", device, &sdk.UntagMFADeviceOutput{}, func(in *sdk.UntagMFADeviceInput) (*string, []string) {
			return in.SerialNumber, in.TagKeys
		}),
		"UntagOpenIDConnectProvider": untagOp(s, "UntagOpenIDConnectProvider", provider, &sdk.UntagOpenIDConnectProviderOutput{}, func(in *sdk.UntagOpenIDConnectProviderInput) (*string, []string) {
			return in.OpenIDConnectProviderArn, in.TagKeys
		}),
		"ListUserTags": listTagsOp(s, "ListUserTags", user, func(in *sdk.ListUserTagsInput) (*string, *string, *int32) { return in.UserName, in.Marker, in.MaxItems },
			func(t []types.Tag, next *string, more bool) any {
				return &sdk.ListUserTagsOutput{Tags: t, Marker: next, IsTruncated: more}
			}),
		"ListRoleTags": listTagsOp(s, "ListRoleTags", role, func(in *sdk.ListRoleTagsInput) (*string, *string, *int32) { return in.RoleName, in.Marker, in.MaxItems },
			func(t []types.Tag, next *string, more bool) any {
				return &sdk.ListRoleTagsOutput{Tags: t, Marker: next, IsTruncated: more}
			}),
		"ListPolicyTags": listTagsOp(s, "ListPolicyTags", policy, func(in *sdk.ListPolicyTagsInput) (*string, *string, *int32) {
			return in.PolicyArn, in.Marker, in.MaxItems
		},
			func(t []types.Tag, next *string, more bool) any {
				return &sdk.ListPolicyTagsOutput{Tags: t, Marker: next, IsTruncated: more}
			}),
		"ListMFADeviceTags": listTagsOp(s, "ListMFADeviceTags", device, func(in *sdk.ListMFADeviceTagsInput) (*string, *string, *int32) {
			return in.SerialNumber, in.Marker, in.MaxItems
		},
			func(t []types.Tag, next *string, more bool) any {
				return &sdk.ListMFADeviceTagsOutput{Tags: t, Marker: next, IsTruncated: more}
			}),
		"ListOpenIDConnectProviderTags": listTagsOp(s, "ListOpenIDConnectProviderTags", provider, func(in *sdk.ListOpenIDConnectProviderTagsInput) (*string, *string, *int32) {
			return in.OpenIDConnectProviderArn, in.Marker, in.MaxItems
		}, func(t []types.Tag, next *string, more bool) any {
			return &sdk.ListOpenIDConnectProviderTagsOutput{Tags: t, Marker: next, IsTruncated: more}
		}),
	}
}

// naming is how a request names what its tags are of: by the name of something of a kind, or by an ARN, which byARN finds.
type naming struct {
	kind  identity.Kind
	byARN func(v *identity.View, name string) (*identity.Entity, error)
}

// checks asks for an action on what is named.
func (n naming) checks(ctx context.Context, s *server, caller iam.Principal, action, name string, keys ...func(*iam.Context)) ([]iam.Check, error) {
	if n.byARN == nil {
		return s.checks(ctx, caller, action, n.kind, name, keys...)
	}
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	return onARN(v, action, name, keys...), nil
}

// find returns what is named.
func (n naming) find(v *identity.View, name string) (*identity.Entity, error) {
	if n.byARN == nil {
		return find(v, n.kind, name)
	}
	return n.byARN(v, name)
}

// change changes what is named.
func (n naming) change(ctx context.Context, s *server, caller iam.Principal, action, name string, change func(*identity.Entity) error) error {
	if err := locked(caller, action, name); err != nil {
		return err
	}
	return s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		e, err := n.find(v, name)
		if err != nil {
			return err
		}
		return change(v.Edit(e))
	})
}

func tagOp[I any](s *server, action string, n naming, out any, read func(*I) (*string, []types.Tag)) queryapi.Operation {
	return queryapi.Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		name, tags := read(in)
		return n.checks(ctx, s, caller, action, value(name), requestTags(tags))
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		name, tags := read(in)
		return out, n.change(ctx, s, caller, action, *name, func(e *identity.Entity) (err error) {
			e.Tags, err = tagsOf(e.Tags, tags)
			return err
		})
	})
}

func untagOp[I any](s *server, action string, n naming, out any, read func(*I) (*string, []string)) queryapi.Operation {
	return queryapi.Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		name, keys := read(in)
		return n.checks(ctx, s, caller, action, value(name), tagKeys(keys))
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		name, keys := read(in)
		return out, n.change(ctx, s, caller, action, *name, func(e *identity.Entity) error {
			for _, k := range keys {
				maps.DeleteFunc(e.Tags, func(have, _ string) bool { return strings.EqualFold(have, k) })
			}
			return nil
		})
	})
}

func listTagsOp[I any](s *server, action string, n naming, read func(*I) (name, marker *string, maxItems *int32), answer func(tags []types.Tag, next *string, more bool) any) queryapi.Operation {
	return queryapi.Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		name, _, _ := read(in)
		return n.checks(ctx, s, caller, action, value(name))
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		name, marker, most := read(in)
		v, err := s.people.View(ctx, caller.Account)
		if err != nil {
			return nil, err
		}
		e, err := n.find(v, *name)
		if err != nil {
			return nil, err
		}
		tags, next, more := page(append([]types.Tag{}, shownTags(e.Tags)...), func(t types.Tag) string { return *t.Key }, marker, most)
		return answer(tags, next, more), nil
	})
}
