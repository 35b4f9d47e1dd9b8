package api

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/arn"
	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/store"
)

// tagged calls apply with the tags of the resource that an ARN names and records what it returns; nil leaves them as they are.
func (s *Service) tagged(ctx context.Context, account, name string, apply func(map[string]string) (map[string]string, error)) error {
	rest, ok := strings.CutPrefix(name, arn.MediaConvert(s.region, account, ""))
	collection, id, named := strings.Cut(rest, "/")
	if !ok || !named || id == "" {
		return mediaconvert.NotFound("The resource " + shown(name) + " does not exist.")
	}
	if collection == "jobs" {
		_, err := s.queue.ChangeJob(ctx, account, id, func(j *job.Job) error {
			tags, err := apply(maps.Clone(j.Tags))
			if err == nil && tags != nil {
				j.Tags = tags
			}
			return err
		})
		if errors.Is(err, job.ErrNotFound) {
			return jobNotFound(id)
		}
		return err
	}
	for _, k := range []sort{queueSort, presetSort, templateSort} {
		if k.collection != collection {
			continue
		}
		if k == queueSort && id == defaultQueue {
			d, err := s.unrecordedDefault(account)
			if err != nil {
				return err
			}
			if err := s.queue.CreateResource(ctx, d, 0); err != nil && !errors.Is(err, store.ErrExists) {
				return err
			}
		}
		_, err := s.queue.ChangeResource(ctx, account, k.kind, id, func(r *store.Resource) error {
			tags, err := apply(maps.Clone(r.Tags))
			if err == nil && tags != nil {
				r.Tags = tags
			}
			return err
		})
		return k.fault(id, err)
	}
	return mediaconvert.NotFound("The resource " + shown(name) + " does not exist.")
}

func (s *Service) tagResource(ctx context.Context, account string, in *mc.TagResourceInput) (*mc.TagResourceOutput, error) {
	return &mc.TagResourceOutput{}, s.tagged(ctx, account, *in.Arn, func(tags map[string]string) (map[string]string, error) {
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, in.Tags)
		if len(tags) > maxTags {
			return nil, mediaconvert.BadRequest("/tags: The resource would have " + strconv.Itoa(len(tags)) + " tags; it may have " + strconv.Itoa(maxTags) + ".")
		}
		return tags, nil
	})
}

func (s *Service) untagResource(ctx context.Context, account string, in *mc.UntagResourceInput) (*mc.UntagResourceOutput, error) {
	return &mc.UntagResourceOutput{}, s.tagged(ctx, account, *in.Arn, func(tags map[string]string) (map[string]string, error) {
		if tags == nil {
			tags = map[string]string{}
		}
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return tags, nil
	})
}

func (s *Service) listTags(ctx context.Context, account string, in *mc.ListTagsForResourceInput) (*mc.ListTagsForResourceOutput, error) {
	out := &types.ResourceTags{Arn: in.Arn, Tags: map[string]string{}}
	err := s.tagged(ctx, account, *in.Arn, func(tags map[string]string) (map[string]string, error) {
		maps.Copy(out.Tags, tags)
		return nil, errRead
	})
	if err != nil && !errors.Is(err, errRead) {
		return nil, err
	}
	return &mc.ListTagsForResourceOutput{ResourceTags: out}, nil
}

// errRead ends a change that was for reading alone.
var errRead = errors.New("read and not changed")
