package kmsapi

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
)

// aliases are the operations on other names of keys.
func (s *server) aliases() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"CreateAlias": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.CreateAliasInput) ([]iam.Check, error) {
			return s.onAlias(ctx, caller, "CreateAlias", in.AliasName, in.TargetKeyId, true)
		}, func(ctx context.Context, c call, in *sdk.CreateAliasInput) (any, error) {
			return nil, c.CreateAlias(ctx, *in.AliasName, *in.TargetKeyId)
		}),
		"UpdateAlias": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.UpdateAliasInput) ([]iam.Check, error) {
			return s.onAlias(ctx, caller, "UpdateAlias", in.AliasName, in.TargetKeyId, true)
		}, func(ctx context.Context, c call, in *sdk.UpdateAliasInput) (any, error) {
			return nil, c.UpdateAlias(ctx, *in.AliasName, *in.TargetKeyId)
		}),
		"DeleteAlias": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.DeleteAliasInput) ([]iam.Check, error) {
			return s.onAlias(ctx, caller, "DeleteAlias", in.AliasName, nil, false)
		}, func(ctx context.Context, c call, in *sdk.DeleteAliasInput) (any, error) {
			return nil, c.DeleteAlias(ctx, *in.AliasName)
		}),
		"ListAliases": op(s, func(context.Context, *iam.Principal, *sdk.ListAliasesInput) ([]iam.Check, error) {
			return onAll("ListAliases"), nil
		}, s.listAliases),
	}
}

// onAlias asks for an action on an alias and on the keys that it concerns. A request that leaves one out is asked for by the action alone.
func (s *server) onAlias(ctx context.Context, caller *iam.Principal, action string, name, target *string, targeted bool) ([]iam.Check, error) {
	if name == nil || targeted && target == nil {
		return onAll(action), nil
	}
	return s.keys.AliasChecks(ctx, caller, action, *name, value(target))
}

func (s *server) listAliases(ctx context.Context, c call, in *sdk.ListAliasesInput) (any, error) {
	p, err := page(in.Marker, in.Limit, 50, 100, "ListAliases", value(in.KeyId))
	if err != nil {
		return nil, err
	}
	v, err := s.keys.View(ctx, c.caller.Account)
	if err != nil {
		return nil, err
	}
	id := ""
	if in.KeyId != nil {
		k, _, err := c.Describe(ctx, *in.KeyId, keys.KeysOnly)
		if err != nil {
			return nil, err
		}
		id = k.ID
	}
	all, next, err := keys.Cut(s.keys, c.caller.Account, v.Aliases(id), func(a *keys.Alias) string { return a.Name }, p)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListAliasesOutput{Aliases: make([]types.AliasListEntry, 0, len(all))}
	for _, a := range all {
		out.Aliases = append(out.Aliases, types.AliasListEntry{
			AliasName: ptr(a.Name), AliasArn: ptr(v.AliasARN(a)), TargetKeyId: ptr(a.KeyID), CreationDate: at(a.Created), LastUpdatedDate: at(a.Updated),
		})
	}
	out.NextMarker, out.Truncated = truncated(next)
	return out, nil
}
