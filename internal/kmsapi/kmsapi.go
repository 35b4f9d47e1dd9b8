// Package kmsapi speaks the API of AWS Key Management Service (version 2014-11-01, AWS JSON 1.1) over a keys.Service: it says what must be allowed for
// each operation, keeps the rules about members, and turns keys into answers.
//
// Source of rules and texts: AWS KMS API Reference and Developer Guide.
package kmsapi

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
)

// Options are what the API works with. All are needed.
type Options struct {
	Keys   *keys.Service
	Region string
}

// server carries the operations out.
type server struct {
	keys   *keys.Service
	region string
}

// New returns the API.
func New(o Options) (*jsonapi.Service, error) {
	if o.Keys == nil || o.Region == "" {
		return nil, errors.New("the KMS API needs Keys and Region")
	}
	s := &server{o.Keys, o.Region}
	operations := make(map[string]jsonapi.Operation)
	for _, part := range []map[string]jsonapi.Operation{
		s.lifecycle(), s.crypt(), s.aliases(), s.grants(), s.policies(), s.rotations(), s.tags(),
	} {
		maps.Copy(operations, part)
	}
	return jsonapi.New(jsonapi.API{Name: "kms", Target: "TrentService", Version: "2014-11-01", NotOffered: notOffered}, operations), nil
}

// call is one request of a caller who has been let in.
type call struct {
	caller iam.Principal
	*keys.Account
}

// op makes an operation whose refusals are those of the key service.
func op[I any](s *server, check func(ctx context.Context, caller *iam.Principal, in *I) ([]iam.Check, error), serve func(ctx context.Context, c call, in *I) (any, error)) jsonapi.Operation {
	return jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		checks, err := check(ctx, &caller, in)
		return checks, worded(err)
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		out, err := serve(ctx, call{caller, s.keys.Account(caller.Account)}, in)
		if err != nil {
			return nil, worded(err)
		}
		return out, nil
	})
}

// worded gives a refusal of the key service the form of the protocol.
func worded(err error) error {
	var e *keys.Error
	if errors.As(err, &e) {
		return &jsonapi.Error{Code: e.Code, Status: e.Status, Message: e.Message}
	}
	return err
}

// onKey asks for an action on the key that a member names, and puts the ARN of the key there: an alias can name another key by the time the operation is
// carried out, of which nobody was asked. A request that names none is asked for by the action alone: that the member is missing is told to who may.
func (s *server) onKey(ctx context.Context, caller *iam.Principal, member **string, q keys.Question) ([]iam.Check, error) {
	if *member == nil {
		return onAll(q.Action), nil
	}
	q.Key = **member
	name, c, err := s.keys.Check(ctx, caller, &q)
	if err != nil {
		return nil, err
	}
	*member = &name
	return []iam.Check{c}, nil
}

// keyOp makes an operation that is asked for by its action on one key, which is named by its id or ARN.
func keyOp[I any](s *server, action string, member func(in *I) **string, serve func(ctx context.Context, c call, in *I) (any, error), conditions ...func(in *I, c *iam.Context)) jsonapi.Operation {
	return op(s, func(ctx context.Context, caller *iam.Principal, in *I) ([]iam.Check, error) {
		return s.onKey(ctx, caller, member(in), keys.Question{Action: action, Keys: func(c *iam.Context) {
			for _, set := range conditions {
				set(in, c)
			}
		}})
	}, serve)
}

// onAll asks for an action that names no key, by IAM policies alone.
func onAll(action string, conditions ...func(*iam.Context)) []iam.Check {
	c := iam.Check{Action: "kms:" + action, Resource: "*"}
	for _, set := range conditions {
		set(&c.Context)
	}
	return []iam.Check{c}
}

// author is who writes a key policy.
func (s *server) author(ctx context.Context, caller *iam.Principal, bypass bool) *keys.Author {
	a := &keys.Author{Principal: *caller, Bypass: bypass}
	a.Context.Set("aws:RequestedRegion", s.region)
	a.Context.Set("aws:SecureTransport", strconv.FormatBool(gateway.Secure(ctx)))
	a.Context.Set("aws:ViaAWSService", strconv.FormatBool(gateway.Internal(ctx)))
	if ip := gateway.SourceIP(ctx); ip != "" {
		a.Context.Set("aws:SourceIp", ip)
	}
	return a
}

// page reads which part of a list is wanted.
func page(marker *string, limit *int32, normal, most int, scope ...string) (keys.Page, error) {
	p := keys.Page{Marker: value(marker), Limit: normal, Scope: scope}
	if limit != nil {
		p.Limit = int(*limit)
	}
	if p.Limit < 1 || p.Limit > most {
		return p, keys.Invalidf("Limit must be between 1 and %d (was %d)", most, p.Limit)
	}
	return p, nil
}

// truncated is the marker in an answer, and whether there is one.
func truncated(next string) (*string, bool) {
	if next == "" {
		return nil, false
	}
	return &next, true
}

// tagsOf reads the tags of a request.
func tagsOf(tags []types.Tag) (map[string]string, error) {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		if _, twice := out[value(t.TagKey)]; twice {
			return nil, &keys.Error{Code: "TagException", Status: 400, Message: "Duplicate tag keys"}
		}
		out[value(t.TagKey)] = value(t.TagValue)
	}
	return out, nil
}

// requestTags are the condition keys of tags that a request gives.
func requestTags(c *iam.Context, tags []types.Tag) {
	for _, t := range tags {
		c.Set("aws:RequestTag/"+value(t.TagKey), value(t.TagValue))
		c.Set("aws:TagKeys", value(t.TagKey))
	}
}

// shownTags are tags as answers have them, in the order of their keys.
func shownTags(tags map[string]string) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{TagKey: ptr(k), TagValue: ptr(tags[k])})
	}
	return out
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func ptr[T any](v T) *T { return &v }

// at is a time in an answer; none as none.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return ptr(t.UTC().Truncate(time.Millisecond))
}
