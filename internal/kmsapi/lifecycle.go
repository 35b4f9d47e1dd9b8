package kmsapi

import (
	"cmp"
	"context"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
)

// lifecycle are the operations that make, show and end keys.
func (s *server) lifecycle() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"CreateKey": op(s, s.checkCreateKey, s.createKey),
		"DescribeKey": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.DescribeKeyInput) ([]iam.Check, error) {
			return s.onKey(ctx, caller, &in.KeyId, keys.Question{Action: "DescribeKey", Forms: keys.AliasesToo, Tokens: in.GrantTokens})
		}, func(ctx context.Context, c call, in *sdk.DescribeKeyInput) (any, error) {
			k, v, err := c.Describe(ctx, *in.KeyId, keys.AliasesToo)
			if err != nil {
				return nil, err
			}
			return &sdk.DescribeKeyOutput{KeyMetadata: metadata(v, k)}, nil
		}),
		"ListKeys": op(s, func(context.Context, *iam.Principal, *sdk.ListKeysInput) ([]iam.Check, error) {
			return onAll("ListKeys"), nil
		}, s.listKeys),
		"EnableKey": keyOp(s, "EnableKey", func(in *sdk.EnableKeyInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.EnableKeyInput) (any, error) {
			return nil, c.Enable(ctx, *in.KeyId)
		}),
		"DisableKey": keyOp(s, "DisableKey", func(in *sdk.DisableKeyInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.DisableKeyInput) (any, error) {
			return nil, c.Disable(ctx, *in.KeyId)
		}),
		"UpdateKeyDescription": keyOp(s, "UpdateKeyDescription", func(in *sdk.UpdateKeyDescriptionInput) **string { return &in.KeyId },
			func(ctx context.Context, c call, in *sdk.UpdateKeyDescriptionInput) (any, error) {
				return nil, c.SetDescription(ctx, *in.KeyId, *in.Description)
			}),
		"ScheduleKeyDeletion": keyOp(s, "ScheduleKeyDeletion", func(in *sdk.ScheduleKeyDeletionInput) **string { return &in.KeyId }, s.scheduleKeyDeletion,
			func(in *sdk.ScheduleKeyDeletionInput, c *iam.Context) {
				if in.PendingWindowInDays != nil {
					c.Set("kms:ScheduleKeyDeletionPendingWindowInDays", strconv.Itoa(int(*in.PendingWindowInDays)))
				}
			}),
		"CancelKeyDeletion": keyOp(s, "CancelKeyDeletion", func(in *sdk.CancelKeyDeletionInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.CancelKeyDeletionInput) (any, error) {
			return &sdk.CancelKeyDeletionOutput{KeyId: in.KeyId}, c.CancelDeletion(ctx, *in.KeyId)
		}),
	}
}

// metadata is a key as answers have it.
func metadata(v *keys.View, k *keys.Key) *types.KeyMetadata {
	m := &types.KeyMetadata{
		AWSAccountId: ptr(v.Account()), KeyId: ptr(k.ID), Arn: ptr(v.ARN(k)), CreationDate: at(k.Created), Enabled: k.State() == keys.Enabled, Description: ptr(k.Description),
		KeyUsage: types.KeyUsageTypeEncryptDecrypt, KeyState: types.KeyState(k.State()), Origin: types.OriginTypeAwsKms, KeyManager: types.KeyManagerTypeCustomer,
		CustomerMasterKeySpec: types.CustomerMasterKeySpecSymmetricDefault, //lint:ignore SA1019 older clients read it
		KeySpec:               types.KeySpecSymmetricDefault,
		EncryptionAlgorithms:  []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecSymmetricDefault}, MultiRegion: ptr(false),
		DeletionDate: at(k.Deletion), CurrentKeyMaterialId: ptr(k.Current().ID),
	}
	if k.Managed != "" {
		m.KeyManager = types.KeyManagerTypeAws
	}
	return m
}

func (s *server) checkCreateKey(_ context.Context, caller *iam.Principal, in *sdk.CreateKeyInput) ([]iam.Check, error) {
	// What a request leaves out has the value that it would have by default.
	checks := onAll("CreateKey", func(c *iam.Context) {
		spec := cmp.Or(string(in.KeySpec), oldSpec(in), "SYMMETRIC_DEFAULT")
		c.Set("kms:CallerAccount", caller.Account)
		c.Set("kms:KeySpec", spec)
		c.Set("kms:CustomerMasterKeySpec", spec)
		c.Set("kms:KeyUsage", cmp.Or(string(in.KeyUsage), "ENCRYPT_DECRYPT"))
		c.Set("kms:CustomerMasterKeyUsage", cmp.Or(string(in.KeyUsage), "ENCRYPT_DECRYPT"))
		c.Set("kms:KeyOrigin", cmp.Or(string(in.Origin), "AWS_KMS"))
		c.Set("kms:MultiRegion", strconv.FormatBool(value(in.MultiRegion)))
		c.Set("kms:BypassPolicyLockoutSafetyCheck", strconv.FormatBool(in.BypassPolicyLockoutSafetyCheck))
		requestTags(c, in.Tags)
	})
	if len(in.Tags) > 0 {
		// By IAM policies alone: the key has no policy yet (API Reference, CreateKey, Tags).
		tag := iam.Check{Action: "kms:TagResource", Resource: "arn:aws:kms:" + s.region + ":" + caller.Account + ":key/*"}
		tag.Context.Set("kms:CallerAccount", caller.Account)
		requestTags(&tag.Context, in.Tags)
		checks = append(checks, tag)
	}
	return checks, nil
}

// oldSpec is the key spec under the name by which older clients send it.
func oldSpec(in *sdk.CreateKeyInput) string {
	//lint:ignore SA1019 older clients send it
	return string(in.CustomerMasterKeySpec)
}

func (s *server) createKey(ctx context.Context, c call, in *sdk.CreateKeyInput) (any, error) {
	spec := string(in.KeySpec)
	if old := oldSpec(in); old != "" {
		if spec != "" {
			return nil, keys.Invalidf("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
		}
		spec = old
	}
	switch {
	case in.CustomKeyStoreId != nil:
		return nil, keys.NotOfferedf("CustomKeyStoreId; key material is kept by the installation itself")
	case in.XksKeyId != nil:
		return nil, keys.NotOfferedf("XksKeyId; key material is kept by the installation itself")
	case in.Origin != "" && in.Origin != types.OriginTypeAwsKms:
		return nil, keys.NotOfferedf("Origin %s; allowed is AWS_KMS", in.Origin)
	case spec != "" && spec != string(types.KeySpecSymmetricDefault):
		return nil, keys.NotOfferedf("KeySpec %s; allowed is SYMMETRIC_DEFAULT", spec)
	case in.KeyUsage != "" && in.KeyUsage != types.KeyUsageTypeEncryptDecrypt:
		return nil, keys.Invalidf("KeyUsage %s is not compatible with KeySpec SYMMETRIC_DEFAULT; allowed is ENCRYPT_DECRYPT", in.KeyUsage)
	case value(in.MultiRegion):
		return nil, keys.NotOfferedf("MultiRegion true; an installation has one Region")
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	k, v, err := c.Create(ctx, &keys.NewKey{
		Description: value(in.Description), Policy: value(in.Policy), Tags: tags, By: s.author(ctx, &c.caller, in.BypassPolicyLockoutSafetyCheck),
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateKeyOutput{KeyMetadata: metadata(v, k)}, nil
}

func (s *server) listKeys(ctx context.Context, c call, in *sdk.ListKeysInput) (any, error) {
	p, err := page(in.Marker, in.Limit, 100, 1000, "ListKeys")
	if err != nil {
		return nil, err
	}
	v, err := s.keys.View(ctx, c.caller.Account)
	if err != nil {
		return nil, err
	}
	all, next, err := keys.Cut(s.keys, c.caller.Account, v.Keys(), func(k *keys.Key) string { return k.ID }, p)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListKeysOutput{Keys: make([]types.KeyListEntry, 0, len(all))}
	for _, k := range all {
		out.Keys = append(out.Keys, types.KeyListEntry{KeyId: ptr(k.ID), KeyArn: ptr(v.ARN(k))})
	}
	out.NextMarker, out.Truncated = truncated(next)
	return out, nil
}

func (s *server) scheduleKeyDeletion(ctx context.Context, c call, in *sdk.ScheduleKeyDeletionInput) (any, error) {
	days := 0
	if in.PendingWindowInDays != nil {
		if days = int(*in.PendingWindowInDays); days == 0 {
			days = -1 // which is refused, and not what stands for the default
		}
	}
	date, days, err := c.ScheduleDeletion(ctx, *in.KeyId, days)
	if err != nil {
		return nil, err
	}
	return &sdk.ScheduleKeyDeletionOutput{KeyId: in.KeyId, DeletionDate: at(date), KeyState: types.KeyStatePendingDeletion, PendingWindowInDays: ptr(int32(days))}, nil //nolint:gosec // at most 30
}
