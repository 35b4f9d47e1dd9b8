package kmsapi

import (
	"context"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
)

// policies are the operations on key policies.
func (s *server) policies() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"GetKeyPolicy": keyOp(s, "GetKeyPolicy", func(in *sdk.GetKeyPolicyInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.GetKeyPolicyInput) (any, error) {
			if err := named(in.PolicyName); err != nil {
				return nil, err
			}
			text, err := c.Policy(ctx, *in.KeyId)
			return &sdk.GetKeyPolicyOutput{Policy: &text, PolicyName: ptr(keys.PolicyName)}, err
		}),
		"PutKeyPolicy": keyOp(s, "PutKeyPolicy", func(in *sdk.PutKeyPolicyInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.PutKeyPolicyInput) (any, error) {
			if err := named(in.PolicyName); err != nil {
				return nil, err
			}
			return nil, c.PutPolicy(ctx, *in.KeyId, *in.Policy, s.author(ctx, &c.caller, in.BypassPolicyLockoutSafetyCheck))
		}, func(in *sdk.PutKeyPolicyInput, c *iam.Context) {
			c.Set("kms:BypassPolicyLockoutSafetyCheck", strconv.FormatBool(in.BypassPolicyLockoutSafetyCheck))
		}),
		"ListKeyPolicies": keyOp(s, "ListKeyPolicies", func(in *sdk.ListKeyPoliciesInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.ListKeyPoliciesInput) (any, error) {
			p, err := page(in.Marker, in.Limit, 100, 1000, "ListKeyPolicies", *in.KeyId)
			if err != nil {
				return nil, err
			}
			if _, _, err := c.Describe(ctx, *in.KeyId, keys.KeysOnly); err != nil {
				return nil, err
			}
			names, next, err := keys.Cut(s.keys, c.caller.Account, []string{keys.PolicyName}, func(n string) string { return n }, p)
			if err != nil {
				return nil, err
			}
			out := &sdk.ListKeyPoliciesOutput{PolicyNames: names}
			out.NextMarker, out.Truncated = truncated(next)
			return out, nil
		}),
	}
}

// named refuses the names of policies that a key does not have.
func named(name *string) error {
	if name != nil && *name != keys.PolicyName {
		return &keys.Error{Code: "NotFoundException", Status: 400, Message: "No such policy exists: the one that a key has is called " + keys.PolicyName}
	}
	return nil
}
