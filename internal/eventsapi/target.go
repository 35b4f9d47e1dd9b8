package eventsapi

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"darkroom/internal/eventbus"
	"darkroom/internal/iam"
)

// checkPutTargets asks for each target, of which conditions speak.
func (s *server) checkPutTargets(_ context.Context, p iam.Principal, in *sdk.PutTargetsInput) ([]iam.Check, error) {
	var checks []iam.Check
	for i := range in.Targets {
		c := s.on(p, "PutTargets", "rule/", in.Rule)
		if name := in.Targets[i].Arn; name != nil {
			c[0].Context.Set("events:TargetArn", *name)
		}
		checks = append(append(checks, c...), passing(in.Targets[i].RoleArn)...)
	}
	if len(checks) == 0 {
		checks = s.on(p, "PutTargets", "rule/", in.Rule)
	}
	return checks, nil
}

func (s *server) putTargets(ctx context.Context, p iam.Principal, in *sdk.PutTargetsInput) (any, error) {
	if err := s.bus.Bus(p.Account, value(in.EventBusName)); err != nil {
		return nil, refusal(err)
	}
	var all []eventbus.Target
	for i := range in.Targets {
		t, err := targetOf(&in.Targets[i])
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	failed, err := s.bus.PutTargets(ctx, p.Account, *in.Rule, all)
	if err != nil {
		return nil, refusal(err)
	}
	out := &sdk.PutTargetsOutput{FailedEntryCount: int32(len(failed)), FailedEntries: []types.PutTargetsResultEntry{}}
	for _, f := range failed {
		out.FailedEntries = append(out.FailedEntries, types.PutTargetsResultEntry{TargetId: &f.ID, ErrorCode: &f.Code, ErrorMessage: &f.Message})
	}
	return out, nil
}

// targetOf reads a target. What only targets have that are not carried out is refused by name.
func targetOf(t *types.Target) (eventbus.Target, error) {
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"AppSyncParameters", t.AppSyncParameters != nil},
		{"BatchParameters", t.BatchParameters != nil},
		{"EcsParameters", t.EcsParameters != nil},
		{"KinesisParameters", t.KinesisParameters != nil},
		{"RedshiftDataParameters", t.RedshiftDataParameters != nil},
		{"RunCommandParameters", t.RunCommandParameters != nil},
		{"SageMakerPipelineParameters", t.SageMakerPipelineParameters != nil},
	} {
		if m.given {
			return eventbus.Target{}, unoffered(m.name + " of target " + *t.Id)
		}
	}
	out := eventbus.Target{ID: *t.Id, ARN: *t.Arn, RoleARN: value(t.RoleArn), Input: t.Input, InputPath: t.InputPath}
	if t.InputTransformer != nil {
		out.Transformer = &eventbus.Transformer{Paths: t.InputTransformer.InputPathsMap, Template: value(t.InputTransformer.InputTemplate)}
	}
	if t.RetryPolicy != nil {
		out.Retries, out.MaxAge = number(t.RetryPolicy.MaximumRetryAttempts), number(t.RetryPolicy.MaximumEventAgeInSeconds)
	}
	if t.DeadLetterConfig != nil {
		out.DeadLetterARN = value(t.DeadLetterConfig.Arn)
	}
	if t.SqsParameters != nil {
		out.MessageGroupID = value(t.SqsParameters.MessageGroupId)
	}
	if h := t.HttpParameters; h != nil {
		out.HTTP = &eventbus.HTTP{Path: h.PathParameterValues, Header: h.HeaderParameters, Query: h.QueryStringParameters}
	}
	return out, nil
}

func number(n *int32) *int {
	if n == nil {
		return nil
	}
	return ptr(int(*n))
}

func number32(n *int) *int32 {
	if n == nil {
		return nil
	}
	return ptr(int32(*n))
}

// shown is a target as answers have it.
func shown(t *eventbus.Target) types.Target {
	out := types.Target{Id: &t.ID, Arn: &t.ARN, RoleArn: filled(t.RoleARN), Input: t.Input, InputPath: t.InputPath}
	if t.Transformer != nil {
		out.InputTransformer = &types.InputTransformer{InputPathsMap: t.Transformer.Paths, InputTemplate: &t.Transformer.Template}
	}
	if t.Retries != nil || t.MaxAge != nil {
		out.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: number32(t.Retries), MaximumEventAgeInSeconds: number32(t.MaxAge)}
	}
	if t.DeadLetterARN != "" {
		out.DeadLetterConfig = &types.DeadLetterConfig{Arn: &t.DeadLetterARN}
	}
	if t.MessageGroupID != "" {
		out.SqsParameters = &types.SqsParameters{MessageGroupId: &t.MessageGroupID}
	}
	if h := t.HTTP; h != nil {
		out.HttpParameters = &types.HttpParameters{PathParameterValues: h.Path, HeaderParameters: h.Header, QueryStringParameters: h.Query}
	}
	return out
}

func (s *server) listTargets(ctx context.Context, p iam.Principal, in *sdk.ListTargetsByRuleInput) (any, error) {
	r, err := s.rule(ctx, p, in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	found, next, err := page(r.Targets, func(t eventbus.Target) string { return t.ID }, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListTargetsByRuleOutput{Targets: []types.Target{}, NextToken: next}
	for i := range found {
		out.Targets = append(out.Targets, shown(&found[i]))
	}
	return out, nil
}

// removeTargets takes targets away; Force is for managed rules, of which there are none.
func (s *server) removeTargets(ctx context.Context, p iam.Principal, in *sdk.RemoveTargetsInput) (any, error) {
	if err := s.bus.Bus(p.Account, value(in.EventBusName)); err != nil {
		return nil, refusal(err)
	}
	failed, err := s.bus.RemoveTargets(ctx, p.Account, *in.Rule, in.Ids)
	if err != nil {
		return nil, refusal(err)
	}
	out := &sdk.RemoveTargetsOutput{FailedEntryCount: int32(len(failed)), FailedEntries: []types.RemoveTargetsResultEntry{}}
	for _, f := range failed {
		out.FailedEntries = append(out.FailedEntries, types.RemoveTargetsResultEntry{TargetId: &f.ID, ErrorCode: &f.Code, ErrorMessage: &f.Message})
	}
	return out, nil
}
