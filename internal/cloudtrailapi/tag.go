package cloudtrailapi

import (
	"context"
	"maps"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
)

// maxListed is how many resources ListTags takes.
const maxListed = 20

// tags are the operations on tags of trails.
func (s *server) tags() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"AddTags": tagging(s, "AddTags", func(in *sdk.AddTagsInput) (*string, []types.Tag) { return in.ResourceId, in.TagsList }, func(ctx context.Context, account string, in *sdk.AddTagsInput) (any, error) {
			tags, err := tagsOf(in.TagsList)
			if err != nil {
				return nil, err
			}
			return &sdk.AddTagsOutput{}, s.trails.Tag(ctx, account, *in.ResourceId, tags)
		}),
		"RemoveTags": s.removing(),
		"ListTags": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.ListTagsInput) ([]iam.Check, error) {
			checks := []iam.Check{}
			for _, id := range in.ResourceIdList {
				c, err := s.check(ctx, caller, "ListTags", &id)
				if err != nil {
					return nil, err
				}
				checks = append(checks, c)
				if len(checks) >= maxListed {
					break // more are refused
				}
			}
			if len(checks) == 0 {
				checks = append(checks, iam.Check{Action: "cloudtrail:ListTags", Resource: "*"})
			}
			return checks, nil
		}, s.listTags),
	}
}

func (s *server) removing() jsonapi.Operation {
	return tagging(s, "RemoveTags", func(in *sdk.RemoveTagsInput) (*string, []types.Tag) { return in.ResourceId, in.TagsList }, func(ctx context.Context, account string, in *sdk.RemoveTagsInput) (any, error) {
		if _, err := tagsOf(in.TagsList); err != nil {
			return nil, err
		}
		var keys []string
		for _, t := range in.TagsList {
			keys = append(keys, value(t.Key))
		}
		return &sdk.RemoveTagsOutput{}, s.trails.Untag(ctx, account, *in.ResourceId, keys)
	})
}

// tagging makes an operation on the tags of a trail, which is named by its ARN.
func tagging[I any](s *server, action string, members func(in *I) (*string, []types.Tag), serve func(ctx context.Context, account string, in *I) (any, error)) jsonapi.Operation {
	return jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		id, tags := members(in)
		c, err := s.check(ctx, caller, action, id)
		tagKeys(&c, tags)
		return []iam.Check{c}, err
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		id, _ := members(in)
		if err := checkResource(value(id)); err != nil {
			return nil, err
		}
		out, err := serve(ctx, caller.Account, in)
		if err != nil {
			return nil, refused(err)
		}
		return out, nil
	})
}

// checkResource says whether an id is that of something that can have tags here.
func checkResource(id string) error {
	a, err := arn.Parse(id)
	switch {
	case err != nil || a.Service != "cloudtrail":
		return refusal("CloudTrailARNInvalidException", "ResourceId %.200q is not the ARN of a trail.", id)
	case len(a.Resource) < len("trail/") || a.Resource[:len("trail/")] != "trail/":
		return refusal("ResourceTypeNotSupportedException", "The resource %.200q is not a trail; nothing else has tags here.", id)
	}
	return nil
}

func (s *server) listTags(ctx context.Context, caller iam.Principal, in *sdk.ListTagsInput) (any, error) {
	if value(in.NextToken) != "" {
		return nil, refusal("InvalidTokenException", "NextToken is none that was given: all tags stand on one page.")
	}
	if n := len(in.ResourceIdList); n == 0 || n > maxListed {
		return nil, refusal("InvalidParameterException", "ResourceIdList has %d resources; it can have 1 to %d.", n, maxListed)
	}
	out := &sdk.ListTagsOutput{ResourceTagList: []types.ResourceTag{}}
	for _, id := range in.ResourceIdList {
		if err := checkResource(id); err != nil {
			return nil, err
		}
		t, err := s.trails.Find(ctx, caller.Account, id)
		if err != nil {
			return nil, refused(err)
		}
		r := types.ResourceTag{ResourceId: &id, TagsList: []types.Tag{}}
		for _, k := range slices.Sorted(maps.Keys(t.Tags)) {
			r.TagsList = append(r.TagsList, types.Tag{Key: ptr(k), Value: ptr(t.Tags[k])})
		}
		out.ResourceTagList = append(out.ResourceTagList, r)
	}
	return out, nil
}

// tagsOf reads the tags of a request: each key once.
func tagsOf(tags []types.Tag) (map[string]string, error) {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		if _, twice := out[value(t.Key)]; twice {
			return nil, refusal("InvalidTagParameterException", "The tag key %.200q is given more than once.", value(t.Key))
		}
		out[value(t.Key)] = value(t.Value)
	}
	return out, nil
}

// tagKeys sets the condition keys of the tags that a request has.
func tagKeys(c *iam.Check, tags []types.Tag) {
	for _, t := range tags {
		if t.Key == nil {
			continue
		}
		c.Context.Set("aws:TagKeys", *t.Key)
		if t.Value != nil {
			c.Context.Set("aws:RequestTag/"+*t.Key, *t.Value)
		}
	}
}
