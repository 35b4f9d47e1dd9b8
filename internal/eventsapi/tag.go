package eventsapi

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"darkroom/internal/eventbus"
	"darkroom/internal/iam"
)

// onTags asks for an action on the resource that a request names, with the tags that it has, and that the request gives or takes away.
func (s *server) onTags(ctx context.Context, p iam.Principal, action string, name *string, add []types.Tag, remove []string) ([]iam.Check, error) {
	c := iam.Check{Action: "events:" + action, Resource: s.bus.ARN(p.Account, "rule/*")}
	if name != nil {
		c.Resource = *name
		if rule, ok := s.nameOf(p, *name, "rule/"); ok {
			r, err := s.bus.Rule(ctx, p.Account, rule)
			if _, known := errors.AsType[*eventbus.Error](err); err != nil && !known {
				return nil, err
			}
			if r != nil {
				c.Tags = r.Tags
			}
		}
	}
	tagKeys(&c, add, remove)
	return []iam.Check{c}, nil
}

// tagKeys sets the condition keys of the tags that a request has.
func tagKeys(c *iam.Check, add []types.Tag, remove []string) {
	for _, t := range add {
		if t.Key == nil {
			continue
		}
		c.Context.Set("aws:TagKeys", *t.Key)
		if t.Value != nil {
			c.Context.Set("aws:RequestTag/"+*t.Key, *t.Value)
		}
	}
	for _, k := range remove {
		c.Context.Set("aws:TagKeys", k)
	}
}

// tagsOf reads the tags of a request: each key once.
func tagsOf(tags []types.Tag) (map[string]string, error) {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		if _, twice := out[*t.Key]; twice {
			return nil, invalid("The tag key %s is given more than once.", *t.Key)
		}
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, invalid("The tag key %s begins with aws:, which is reserved.", *t.Key)
		}
		out[*t.Key] = value(t.Value)
	}
	return out, nil
}

// tagged is the name of the rule that a request speaks of by its ARN. Buses have no tags here.
func (s *server) tagged(p iam.Principal, name string) (string, error) {
	rule, ok := s.nameOf(p, name, "rule/")
	if !ok {
		return "", refusal(&eventbus.Error{Fault: eventbus.NotFound, Message: "Rule " + name + " does not exist on EventBus " + eventbus.Default + "."})
	}
	return rule, nil
}

func (s *server) tag(ctx context.Context, p iam.Principal, in *sdk.TagResourceInput) (any, error) {
	rule, err := s.tagged(p, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &sdk.TagResourceOutput{}, refusal(s.bus.TagRule(ctx, p.Account, rule, tags, nil))
}

func (s *server) untag(ctx context.Context, p iam.Principal, in *sdk.UntagResourceInput) (any, error) {
	rule, err := s.tagged(p, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.UntagResourceOutput{}, refusal(s.bus.TagRule(ctx, p.Account, rule, nil, in.TagKeys))
}

func (s *server) listTags(ctx context.Context, p iam.Principal, in *sdk.ListTagsForResourceInput) (any, error) {
	name, err := s.tagged(p, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	r, err := s.bus.Rule(ctx, p.Account, name)
	if err != nil {
		return nil, refusal(err)
	}
	out := &sdk.ListTagsForResourceOutput{Tags: []types.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		out.Tags = append(out.Tags, types.Tag{Key: &k, Value: ptr(r.Tags[k])})
	}
	return out, nil
}
