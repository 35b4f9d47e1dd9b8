// Package eventsapi speaks the API of Amazon EventBridge (version 2015-10-07) over an eventbus.Service: rules, targets, events, and the connections and API
// destinations of webhooks, on the bus "default" that every account has. It says what must be allowed for each operation, and turns what is kept into answers.
//
// Sources: Amazon EventBridge API Reference; Service Authorization Reference, "Actions, resources, and condition keys for Amazon EventBridge".
package eventsapi

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"darkroom/internal/arn"
	"darkroom/internal/eventbus"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
)

// Options are what the API works with. All are needed.
type Options struct {
	Bus     *eventbus.Service
	Created time.Time // when the buses were made
}

// server carries the operations out.
type server struct {
	bus     *eventbus.Service
	created time.Time
}

// New returns the API.
func New(o Options) (*jsonapi.Service, error) {
	if o.Bus == nil {
		return nil, errors.New("the API of events needs Bus")
	}
	s := &server{o.Bus, o.Created}
	operations := map[string]jsonapi.Operation{
		"PutRule": jsonapi.Op(s.checkPutRule, s.putRule),
		"DescribeRule": jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.DescribeRuleInput) ([]iam.Check, error) {
			return s.onRule(p, "DescribeRule", in.Name)
		}, s.describeRule),
		"EnableRule": jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.EnableRuleInput) ([]iam.Check, error) {
			return s.onRule(p, "EnableRule", in.Name)
		}, s.enableRule),
		"DisableRule": jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.DisableRuleInput) ([]iam.Check, error) {
			return s.onRule(p, "DisableRule", in.Name)
		}, s.disableRule),
		"DeleteRule": jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.DeleteRuleInput) ([]iam.Check, error) {
			return s.onRule(p, "DeleteRule", in.Name)
		}, s.deleteRule),
		"ListRules": jsonapi.Op(onAny[sdk.ListRulesInput]("ListRules"), s.listRules),

		"PutTargets": jsonapi.Op(s.checkPutTargets, s.putTargets),
		"RemoveTargets": jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.RemoveTargetsInput) ([]iam.Check, error) {
			return s.onRule(p, "RemoveTargets", in.Rule)
		}, s.removeTargets),
		"ListTargetsByRule": jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.ListTargetsByRuleInput) ([]iam.Check, error) {
			return s.onRule(p, "ListTargetsByRule", in.Rule)
		}, s.listTargets),
		"ListRuleNamesByTarget": jsonapi.Op(onAny[sdk.ListRuleNamesByTargetInput]("ListRuleNamesByTarget"), s.listRuleNames),

		"PutEvents":        jsonapi.Op(s.checkPutEvents, s.putEvents),
		"TestEventPattern": jsonapi.Op(onAny[sdk.TestEventPatternInput]("TestEventPattern"), s.testPattern),
		"DescribeEventBus": jsonapi.Op(s.checkDescribeBus, s.describeBus),
		"ListEventBuses":   jsonapi.Op(onAny[sdk.ListEventBusesInput]("ListEventBuses"), s.listBuses),

		"TagResource": jsonapi.Op(func(ctx context.Context, p iam.Principal, in *sdk.TagResourceInput) ([]iam.Check, error) {
			return s.onTags(ctx, p, "TagResource", in.ResourceARN, in.Tags, nil)
		}, s.tag),
		"UntagResource": jsonapi.Op(func(ctx context.Context, p iam.Principal, in *sdk.UntagResourceInput) ([]iam.Check, error) {
			return s.onTags(ctx, p, "UntagResource", in.ResourceARN, nil, in.TagKeys)
		}, s.untag),
		"ListTagsForResource": jsonapi.Op(func(ctx context.Context, p iam.Principal, in *sdk.ListTagsForResourceInput) ([]iam.Check, error) {
			return s.onTags(ctx, p, "ListTagsForResource", in.ResourceARN, nil, nil)
		}, s.listTags),
	}
	s.webhooks(operations)
	return jsonapi.New(jsonapi.API{Name: "events", Target: "AWSEvents", NotOffered: notOffered}, operations), nil
}

// codes are the exceptions for what the engine refuses.
var codes = map[eventbus.Fault]string{
	eventbus.Invalid:    "ValidationException",
	eventbus.NotFound:   "ResourceNotFoundException",
	eventbus.Exists:     "ResourceAlreadyExistsException",
	eventbus.Exceeded:   "LimitExceededException",
	eventbus.BadPattern: "InvalidEventPatternException",
}

// refusal words an error of the engine in EventBridge's terms. What it does not know stays as it is.
func refusal(err error) error {
	if e, ok := errors.AsType[*eventbus.Error](err); ok && codes[e.Fault] != "" {
		return jsonapi.Errorf(http.StatusBadRequest, codes[e.Fault], "%s", e.Message)
	}
	return err
}

func invalid(format string, args ...any) error {
	return jsonapi.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

// unoffered refuses a member that is not carried out.
func unoffered(member string) error {
	return invalid("Parameter %s is not valid. Reason: this installation does not carry it out.", member)
}

// onAny asks for an action that names no resource.
func onAny[I any](action string) func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
	return func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
		return []iam.Check{{Action: "events:" + action, Resource: "*"}}, nil
	}
}

// onRule asks for an action on a rule by its name, which may be missing.
func (s *server) onRule(p iam.Principal, action string, name *string) ([]iam.Check, error) {
	return s.on(p, action, "rule/", name), nil
}

// on asks for an action on a resource of the caller's account.
func (s *server) on(p iam.Principal, action, kind string, name *string) []iam.Check {
	resource := s.bus.ARN(p.Account, kind+"*")
	if name != nil {
		resource = s.bus.ARN(p.Account, kind+*name)
	}
	return []iam.Check{{Action: "events:" + action, Resource: resource}}
}

// passing asks whether the caller may give a role to the service.
func passing(role *string) []iam.Check {
	if role == nil {
		return nil
	}
	c := iam.Check{Action: "iam:PassRole", Resource: *role}
	c.Context.Set("iam:PassedToService", "events.amazonaws.com")
	return []iam.Check{c}
}

func (s *server) checkPutRule(_ context.Context, p iam.Principal, in *sdk.PutRuleInput) ([]iam.Check, error) {
	checks := s.on(p, "PutRule", "rule/", in.Name)
	if len(in.Tags) > 0 {
		tagging := checks[0]
		tagging.Action = "events:TagResource"
		tagKeys(&tagging, in.Tags, nil)
		tagKeys(&checks[0], in.Tags, nil)
		checks = append(checks, tagging)
	}
	return append(checks, passing(in.RoleArn)...), nil
}

func (s *server) putRule(ctx context.Context, p iam.Principal, in *sdk.PutRuleInput) (any, error) {
	if err := s.bus.Bus(p.Account, value(in.EventBusName)); err != nil {
		return nil, refusal(err)
	}
	switch {
	case in.ScheduleExpression != nil:
		return nil, invalid("Parameter ScheduleExpression is not valid. Reason: rules by schedule are not carried out by this installation; a rule has an EventPattern.")
	case in.EventPattern == nil:
		return nil, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case in.State == types.RuleStateEnabledWithAllCloudtrailManagementEvents:
		return nil, invalid("Parameter State is not valid. Reason: calls of APIs are in the audit trail and not on the bus; allowed: ENABLED, DISABLED.")
	case in.State != "" && in.State != types.RuleStateEnabled && in.State != types.RuleStateDisabled:
		return nil, invalid("1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [DISABLED, ENABLED]", in.State)
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	err = s.bus.PutRule(ctx, p.Account, eventbus.Rule{
		Name: *in.Name, Description: value(in.Description), Pattern: *in.EventPattern, Disabled: in.State == types.RuleStateDisabled, RoleARN: value(in.RoleArn), Tags: tags,
	})
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.PutRuleOutput{RuleArn: ptr(s.bus.ARN(p.Account, "rule/"+*in.Name))}, nil
}

// rule finds a rule of the caller.
func (s *server) rule(ctx context.Context, p iam.Principal, bus, name *string) (*eventbus.Rule, error) {
	if err := s.bus.Bus(p.Account, value(bus)); err != nil {
		return nil, refusal(err)
	}
	r, err := s.bus.Rule(ctx, p.Account, *name)
	return r, refusal(err)
}

func state(r *eventbus.Rule) types.RuleState {
	if r.Disabled {
		return types.RuleStateDisabled
	}
	return types.RuleStateEnabled
}

func (s *server) describeRule(ctx context.Context, p iam.Principal, in *sdk.DescribeRuleInput) (any, error) {
	r, err := s.rule(ctx, p, in.EventBusName, in.Name)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeRuleOutput{
		Name: &r.Name, Arn: ptr(s.bus.ARN(p.Account, "rule/"+r.Name)), EventPattern: &r.Pattern, State: state(r), Description: filled(r.Description), RoleArn: filled(r.RoleARN),
		EventBusName: ptr(eventbus.Default), CreatedBy: &p.Account,
	}, nil
}

func (s *server) enableRule(ctx context.Context, p iam.Principal, in *sdk.EnableRuleInput) (any, error) {
	return s.switchRule(ctx, p, in.EventBusName, *in.Name, true)
}

func (s *server) disableRule(ctx context.Context, p iam.Principal, in *sdk.DisableRuleInput) (any, error) {
	return s.switchRule(ctx, p, in.EventBusName, *in.Name, false)
}

func (s *server) switchRule(ctx context.Context, p iam.Principal, bus *string, name string, on bool) (any, error) {
	if err := s.bus.Bus(p.Account, value(bus)); err != nil {
		return nil, refusal(err)
	}
	return nil, refusal(s.bus.EnableRule(ctx, p.Account, name, on))
}

// deleteRule deletes a rule; Force is for managed rules, of which there are none.
func (s *server) deleteRule(ctx context.Context, p iam.Principal, in *sdk.DeleteRuleInput) (any, error) {
	if err := s.bus.Bus(p.Account, value(in.EventBusName)); err != nil {
		return nil, refusal(err)
	}
	return nil, refusal(s.bus.DeleteRule(ctx, p.Account, *in.Name))
}

func (s *server) listRules(ctx context.Context, p iam.Principal, in *sdk.ListRulesInput) (any, error) {
	if err := s.bus.Bus(p.Account, value(in.EventBusName)); err != nil {
		return nil, refusal(err)
	}
	all, err := s.bus.Rules(ctx, p.Account)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r *eventbus.Rule) bool { return !strings.HasPrefix(r.Name, value(in.NamePrefix)) })
	found, next, err := page(all, func(r *eventbus.Rule) string { return r.Name }, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListRulesOutput{Rules: []types.Rule{}, NextToken: next}
	for _, r := range found {
		out.Rules = append(out.Rules, types.Rule{
			Name: &r.Name, Arn: ptr(s.bus.ARN(p.Account, "rule/"+r.Name)), EventPattern: &r.Pattern, State: state(r), Description: filled(r.Description), RoleArn: filled(r.RoleARN),
			EventBusName: ptr(eventbus.Default),
		})
	}
	return out, nil
}

func (s *server) listRuleNames(ctx context.Context, p iam.Principal, in *sdk.ListRuleNamesByTargetInput) (any, error) {
	if err := s.bus.Bus(p.Account, value(in.EventBusName)); err != nil {
		return nil, refusal(err)
	}
	all, err := s.bus.Rules(ctx, p.Account)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r *eventbus.Rule) bool {
		return !slices.ContainsFunc(r.Targets, func(t eventbus.Target) bool { return t.ARN == *in.TargetArn })
	})
	found, next, err := page(all, func(r *eventbus.Rule) string { return r.Name }, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListRuleNamesByTargetOutput{RuleNames: []string{}, NextToken: next}
	for _, r := range found {
		out.RuleNames = append(out.RuleNames, r.Name)
	}
	return out, nil
}

// defaultPage is how many things a page has where the request does not say it.
const defaultPage = 100

// page returns a page of things in the order of their names, and the token of the next. A token says where a page ends, which need not be there any more: it tells
// nothing that its reader may not know.
func page[T any](all []T, name func(T) string, limit *int32, token *string) (found []T, next *string, err error) {
	if token != nil {
		after, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil {
			return nil, nil, invalid("Parameter NextToken is not valid. Reason: it is not one that this operation has returned.")
		}
		at := slices.IndexFunc(all, func(t T) bool { return name(t) > string(after) })
		if at < 0 {
			at = len(all)
		}
		all = all[at:]
	}
	n := defaultPage
	if limit != nil {
		n = int(*limit)
	}
	if len(all) <= n {
		return all, nil, nil
	}
	return all[:n], ptr(base64.RawURLEncoding.EncodeToString([]byte(name(all[n-1])))), nil
}

// nameOf is the name in the ARN of a resource of the caller's account, below a kind such as rule/.
func (s *server) nameOf(p iam.Principal, name, kind string) (string, bool) {
	a, err := arn.Parse(name)
	if err != nil {
		return "", false
	}
	rest, ok := strings.CutPrefix(a.Resource, kind)
	return rest, ok && name == s.bus.ARN(p.Account, a.Resource)
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func ptr[T any](v T) *T { return &v }

// filled is nil for an empty text, which answers leave out.
func filled(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
