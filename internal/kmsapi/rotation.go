package kmsapi

import (
	"context"
	"fmt"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
)

// rotations are the operations that give keys new material.
func (s *server) rotations() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"EnableKeyRotation": keyOp(s, "EnableKeyRotation", func(in *sdk.EnableKeyRotationInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.EnableKeyRotationInput) (any, error) {
			return nil, c.EnableRotation(ctx, *in.KeyId, int(value(in.RotationPeriodInDays)))
		}, func(in *sdk.EnableKeyRotationInput, c *iam.Context) {
			if in.RotationPeriodInDays != nil {
				c.Set("kms:RotationPeriodInDays", strconv.Itoa(int(*in.RotationPeriodInDays)))
			}
		}),
		"DisableKeyRotation": keyOp(s, "DisableKeyRotation", func(in *sdk.DisableKeyRotationInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.DisableKeyRotationInput) (any, error) {
			return nil, c.DisableRotation(ctx, *in.KeyId)
		}),
		"GetKeyRotationStatus": keyOp(s, "GetKeyRotationStatus", func(in *sdk.GetKeyRotationStatusInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.GetKeyRotationStatusInput) (any, error) {
			k, _, err := c.Describe(ctx, *in.KeyId, keys.KeysOnly)
			if err != nil {
				return nil, err
			}
			out := &sdk.GetKeyRotationStatusOutput{KeyId: ptr(k.ID)}
			if k.RotationDays > 0 && k.State() != keys.PendingDeletion { // while it is pending deletion, the status is false
				out.KeyRotationEnabled, out.RotationPeriodInDays, out.NextRotationDate = true, ptr(int32(k.RotationDays)), at(k.NextRotation) //nolint:gosec // at most 2560
			}
			return out, nil
		}),
		"RotateKeyOnDemand": keyOp(s, "RotateKeyOnDemand", func(in *sdk.RotateKeyOnDemandInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.RotateKeyOnDemandInput) (any, error) {
			k, _, err := c.Describe(ctx, *in.KeyId, keys.KeysOnly)
			if err != nil {
				return nil, err
			}
			return &sdk.RotateKeyOnDemandOutput{KeyId: ptr(k.ID)}, c.Rotate(ctx, *in.KeyId)
		}),
		"ListKeyRotations": keyOp(s, "ListKeyRotations", func(in *sdk.ListKeyRotationsInput) **string { return &in.KeyId }, s.listKeyRotations),
	}
}

func (s *server) listKeyRotations(ctx context.Context, c call, in *sdk.ListKeyRotationsInput) (any, error) {
	p, err := page(in.Marker, in.Limit, 100, 1000, "ListKeyRotations", *in.KeyId, string(in.IncludeKeyMaterial))
	if err != nil {
		return nil, err
	}
	k, _, err := c.Describe(ctx, *in.KeyId, keys.KeysOnly)
	if err != nil {
		return nil, err
	}
	all := k.Versions
	if in.IncludeKeyMaterial != types.IncludeKeyMaterialAllKeyMaterial {
		all = all[1:] // the first one came of no rotation
	}
	versions, next, err := keys.Cut(s.keys, c.caller.Account, all, func(n keys.Version) string { return fmt.Sprintf("%010d", n.Number) }, p)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListKeyRotationsOutput{Rotations: make([]types.RotationsListEntry, 0, len(versions))}
	for _, n := range versions {
		e := types.RotationsListEntry{KeyId: ptr(k.ID), KeyMaterialId: ptr(n.ID), KeyMaterialState: types.KeyMaterialStateNonCurrent}
		if n.Number == k.Current().Number {
			e.KeyMaterialState = types.KeyMaterialStateCurrent
		}
		if n.Number > 1 {
			e.RotationDate, e.RotationType = at(n.Created), types.RotationTypeAutomatic
			if n.OnDemand {
				e.RotationType = types.RotationTypeOnDemand
			}
		}
		out.Rotations = append(out.Rotations, e)
	}
	out.NextMarker, out.Truncated = truncated(next)
	return out, nil
}
