package kmsapi

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
)

// tags are the operations on the tags of keys.
func (s *server) tags() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"TagResource": keyOp(s, "TagResource", func(in *sdk.TagResourceInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.TagResourceInput) (any, error) {
			tags, err := tagsOf(in.Tags)
			if err != nil {
				return nil, err
			}
			return nil, c.Tag(ctx, *in.KeyId, tags)
		}, func(in *sdk.TagResourceInput, c *iam.Context) { requestTags(c, in.Tags) }),
		"UntagResource": keyOp(s, "UntagResource", func(in *sdk.UntagResourceInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.UntagResourceInput) (any, error) {
			return nil, c.Untag(ctx, *in.KeyId, in.TagKeys)
		}, func(in *sdk.UntagResourceInput, c *iam.Context) { c.Set("aws:TagKeys", in.TagKeys...) }),
		"ListResourceTags": keyOp(s, "ListResourceTags", func(in *sdk.ListResourceTagsInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.ListResourceTagsInput) (any, error) {
			p, err := page(in.Marker, in.Limit, 50, 50, "ListResourceTags", *in.KeyId)
			if err != nil {
				return nil, err
			}
			k, _, err := c.Describe(ctx, *in.KeyId, keys.KeysOnly)
			if err != nil {
				return nil, err
			}
			all, next, err := keys.Cut(s.keys, c.caller.Account, shownTags(k.Tags), func(t types.Tag) string { return *t.TagKey }, p)
			if err != nil {
				return nil, err
			}
			out := &sdk.ListResourceTagsOutput{Tags: all}
			out.NextMarker, out.Truncated = truncated(next)
			return out, nil
		}),
	}
}
