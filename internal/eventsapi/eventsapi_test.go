package eventsapi_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"darkroom/internal/eventbus"
	"darkroom/internal/eventsapi"
	"darkroom/internal/store"
)

const pattern = `{"source":["aws.mediaconvert"]}`

var s = aws.String

// TestOperations: every operation of the API is offered, or told not to be.
func TestOperations(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	known := append(b.api.Operations(), eventsapi.NotOffered...)
	client := reflect.TypeFor[*sdk.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Name == "Options" || m.Type.NumIn() != 4 {
			continue
		}
		if !slices.Contains(known, m.Name) {
			t.Errorf("%s is neither offered nor told not to be", m.Name)
		}
	}
	if _, err := b.root.ListArchives(t.Context(), &sdk.ListArchivesInput{}); err == nil {
		t.Error("an operation that is not offered is carried out")
	} else {
		refused(t, "not offered", err, "UnsupportedOperationException", "ListArchives")
	}
}

// TestRules goes through the life of rules.
func TestRules(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, c := t.Context(), b.root
	made := must[*sdk.PutRuleOutput](t)(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("a"), EventPattern: s(pattern), Description: s("first"), RoleArn: s(role), Tags: []types.Tag{{Key: s("k"), Value: s("v")}}}))
	name := "arn:aws:events:us-east-1:" + account + ":rule/a"
	if *made.RuleArn != name {
		t.Errorf("ARN %s", *made.RuleArn)
	}
	for _, n := range []string{"b", "c", "ab"} {
		must[*sdk.PutRuleOutput](t)(c.PutRule(ctx, &sdk.PutRuleInput{Name: s(n), EventPattern: s(pattern), State: types.RuleStateDisabled}))
	}
	ignore := cmpopts.IgnoreFields(sdk.DescribeRuleOutput{}, "ResultMetadata")
	described := must[*sdk.DescribeRuleOutput](t)(c.DescribeRule(ctx, &sdk.DescribeRuleInput{Name: s("a"), EventBusName: s("default")}))
	want := &sdk.DescribeRuleOutput{Name: s("a"), Arn: &name, EventPattern: s(pattern), Description: s("first"), RoleArn: s(role), State: types.RuleStateEnabled, EventBusName: s("default"), CreatedBy: s(account)}
	if d := cmp.Diff(want, described, ignore, cmpopts.IgnoreUnexported(sdk.DescribeRuleOutput{})); d != "" {
		t.Errorf("described (-want +got):\n%s", d)
	}

	var names []string
	var token *string
	for {
		out := must[*sdk.ListRulesOutput](t)(c.ListRules(ctx, &sdk.ListRulesInput{Limit: aws.Int32(1), NextToken: token}))
		for _, r := range out.Rules {
			names = append(names, *r.Name)
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	if d := cmp.Diff([]string{"a", "ab", "b", "c"}, names); d != "" {
		t.Errorf("pages (-want +got):\n%s", d)
	}
	if out := must[*sdk.ListRulesOutput](t)(c.ListRules(ctx, &sdk.ListRulesInput{NamePrefix: s("a")})); len(out.Rules) != 2 {
		t.Errorf("by prefix: %+v", out.Rules)
	}
	// A change leaves tags and targets.
	must[*sdk.PutTargetsOutput](t)(c.PutTargets(ctx, &sdk.PutTargetsInput{Rule: s("a"), Targets: []types.Target{{Id: s("t"), Arn: s(queue)}}}))
	must[*sdk.PutRuleOutput](t)(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("a"), EventPattern: s(`{"source":["b"]}`)}))
	tags := must[*sdk.ListTagsForResourceOutput](t)(c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: &name}))
	targets := must[*sdk.ListTargetsByRuleOutput](t)(c.ListTargetsByRule(ctx, &sdk.ListTargetsByRuleInput{Rule: s("a")}))
	if len(tags.Tags) != 1 || *tags.Tags[0].Value != "v" || len(targets.Targets) != 1 {
		t.Errorf("after a change: %+v, %+v", tags.Tags, targets.Targets)
	}
	must[*sdk.TagResourceOutput](t)(c.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: &name, Tags: []types.Tag{{Key: s("k2"), Value: s("v2")}}}))
	must[*sdk.UntagResourceOutput](t)(c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: &name, TagKeys: []string{"k", "none"}}))
	if tags = must[*sdk.ListTagsForResourceOutput](t)(c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: &name})); len(tags.Tags) != 1 || *tags.Tags[0].Key != "k2" {
		t.Errorf("tags: %+v", tags.Tags)
	}
	must[*sdk.EnableRuleOutput](t)(c.EnableRule(ctx, &sdk.EnableRuleInput{Name: s("b")}))
	if d := must[*sdk.DescribeRuleOutput](t)(c.DescribeRule(ctx, &sdk.DescribeRuleInput{Name: s("b")})); d.State != types.RuleStateEnabled {
		t.Errorf("state %s", d.State)
	}
	refused(t, "a rule with targets", is(c.DeleteRule(ctx, &sdk.DeleteRuleInput{Name: s("a")})), "ValidationException", "targets")
	must[*sdk.DeleteRuleOutput](t)(c.DeleteRule(ctx, &sdk.DeleteRuleInput{Name: s("b")}))
	must[*sdk.DeleteRuleOutput](t)(c.DeleteRule(ctx, &sdk.DeleteRuleInput{Name: s("b")}))

	for what, c := range map[string]struct {
		err        error
		code, says string
	}{
		"no pattern":          {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("x")})), "ValidationException", "EventPattern or ScheduleExpression"},
		"a schedule":          {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("x"), ScheduleExpression: s("rate(1 day)")})), "ValidationException", "ScheduleExpression"},
		"a bad pattern":       {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("x"), EventPattern: s(`{"a":[]}`)})), "InvalidEventPatternException", "Event pattern is not valid. Reason:"},
		"a state":             {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("x"), EventPattern: s(pattern), State: "ON"})), "ValidationException", "'ON' at 'state'"},
		"calls of APIs":       {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("x"), EventPattern: s(pattern), State: types.RuleStateEnabledWithAllCloudtrailManagementEvents})), "ValidationException", "State"},
		"a name":              {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("a b"), EventPattern: s(pattern)})), "ValidationException", "'name'"},
		"another bus":         {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("x"), EventPattern: s(pattern), EventBusName: s("mine")})), "ResourceNotFoundException", "Event bus mine does not exist."},
		"a tag twice":         {is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("x"), EventPattern: s(pattern), Tags: []types.Tag{{Key: s("k"), Value: s("v")}, {Key: s("k"), Value: s("w")}}})), "ValidationException", "more than once"},
		"a reserved tag":      {is(c.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: &name, Tags: []types.Tag{{Key: s("aws:k"), Value: s("v")}}})), "ValidationException", "reserved"},
		"tags of another":     {is(c.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: s("arn:aws:events:us-east-1:" + other + ":rule/a"), Tags: []types.Tag{{Key: s("k"), Value: s("v")}}})), "AccessDeniedException", "events:TagResource"},
		"describe nothing":    {is(c.DescribeRule(ctx, &sdk.DescribeRuleInput{Name: s("none")})), "ResourceNotFoundException", "Rule none does not exist on EventBus default."},
		"enable nothing":      {is(c.EnableRule(ctx, &sdk.EnableRuleInput{Name: s("none")})), "ResourceNotFoundException", "Rule none"},
		"targets of nothing":  {is(c.ListTargetsByRule(ctx, &sdk.ListTargetsByRuleInput{Rule: s("none")})), "ResourceNotFoundException", "Rule none"},
		"a token":             {is(c.ListRules(ctx, &sdk.ListRulesInput{NextToken: s("!")})), "ValidationException", "NextToken"},
		"of the other's rule": {is(b.as("AKIAOTHER", "secret of AKIAOTHER").DescribeRule(ctx, &sdk.DescribeRuleInput{Name: s("a")})), "ResourceNotFoundException", "Rule a"},
	} {
		refused(t, what, c.err, c.code, c.says)
	}
	for i := range eventbus.MaxRules - 3 {
		must[*sdk.PutRuleOutput](t)(c.PutRule(ctx, &sdk.PutRuleInput{Name: s(fmt.Sprint("n", i)), EventPattern: s(pattern)}))
	}
	refused(t, "too many rules", is(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("last"), EventPattern: s(pattern)})), "LimitExceededException", "300")
}

// TestTargets: what a target may say comes back as it was put, and what cannot be carried out is refused by name.
func TestTargets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, c := t.Context(), b.root
	must[*sdk.PutRuleOutput](t)(c.PutRule(ctx, &sdk.PutRuleInput{Name: s("a"), EventPattern: s(pattern)}))
	connection := must[*sdk.CreateConnectionOutput](t)(c.CreateConnection(ctx, apiKey("c", "X-Key", "k3y")))
	destination := must[*sdk.CreateApiDestinationOutput](t)(c.CreateApiDestination(ctx, &sdk.CreateApiDestinationInput{
		Name: s("d"), ConnectionArn: connection.ConnectionArn, HttpMethod: types.ApiDestinationHttpMethodPost, InvocationEndpoint: s("https://a.example/*/x"),
	}))
	put := []types.Target{
		{Id: s("1"), Arn: s(queue), RoleArn: s(role), Input: s(`{"a":1}`), DeadLetterConfig: &types.DeadLetterConfig{Arn: s(queue)}, RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0), MaximumEventAgeInSeconds: aws.Int32(60)}},
		{Id: s("2"), Arn: s(queue), InputPath: s("$.detail['a b'][0]")},
		{Id: s("3"), Arn: s(queue), InputTransformer: &types.InputTransformer{InputPathsMap: map[string]string{"a": "$.detail"}, InputTemplate: s("\"one <a>\"\n\"two\"")}},
		{Id: s("4"), Arn: s(queue + ".fifo"), SqsParameters: &types.SqsParameters{MessageGroupId: s("g")}},
		{Id: s("5"), Arn: destination.ApiDestinationArn, HttpParameters: &types.HttpParameters{PathParameterValues: []string{"p"}, HeaderParameters: map[string]string{"h": "v"}, QueryStringParameters: map[string]string{"q": "v"}}},
	}
	if out := must[*sdk.PutTargetsOutput](t)(c.PutTargets(ctx, &sdk.PutTargetsInput{Rule: s("a"), Targets: put})); out.FailedEntryCount != 0 {
		t.Fatalf("failed: %+v", out.FailedEntries)
	}
	got := must[*sdk.ListTargetsByRuleOutput](t)(c.ListTargetsByRule(ctx, &sdk.ListTargetsByRuleInput{Rule: s("a")}))
	if d := cmp.Diff(put, got.Targets, cmpopts.IgnoreUnexported(types.Target{}, types.DeadLetterConfig{}, types.RetryPolicy{}, types.InputTransformer{}, types.SqsParameters{}, types.HttpParameters{})); d != "" {
		t.Errorf("targets (-put +got):\n%s", d)
	}
	if out := must[*sdk.ListRuleNamesByTargetOutput](t)(c.ListRuleNamesByTarget(ctx, &sdk.ListRuleNamesByTargetInput{TargetArn: s(queue)})); !slices.Equal(out.RuleNames, []string{"a"}) {
		t.Errorf("rules by target: %v", out.RuleNames)
	}
	if out := must[*sdk.ListRuleNamesByTargetOutput](t)(c.ListRuleNamesByTarget(ctx, &sdk.ListRuleNamesByTargetInput{TargetArn: s("arn:none")})); len(out.RuleNames) != 0 {
		t.Errorf("rules by target: %v", out.RuleNames)
	}
	refused(t, "a sixth", is(c.PutTargets(ctx, &sdk.PutTargetsInput{Rule: s("a"), Targets: []types.Target{{Id: s("6"), Arn: s(queue)}}})), "LimitExceededException", "5 targets")

	// One that is not there does not hinder the others.
	partly := must[*sdk.PutTargetsOutput](t)(c.PutTargets(ctx, &sdk.PutTargetsInput{Rule: s("a"), Targets: []types.Target{{Id: s("1"), Arn: s(queue)}, {Id: s("2"), Arn: s(queue + "-none")}}}))
	if partly.FailedEntryCount != 1 || *partly.FailedEntries[0].TargetId != "2" || *partly.FailedEntries[0].ErrorCode != "ResourceNotFoundException" {
		t.Errorf("partly: %+v", partly)
	}
	got = must[*sdk.ListTargetsByRuleOutput](t)(c.ListTargetsByRule(ctx, &sdk.ListTargetsByRuleInput{Rule: s("a"), Limit: aws.Int32(2)}))
	if len(got.Targets) != 2 || got.Targets[0].Input != nil || got.Targets[1].InputPath == nil || got.NextToken == nil {
		t.Errorf("after: %+v", got)
	}
	removed := must[*sdk.RemoveTargetsOutput](t)(c.RemoveTargets(ctx, &sdk.RemoveTargetsInput{Rule: s("a"), Ids: []string{"1", "none"}}))
	if removed.FailedEntryCount != 1 || *removed.FailedEntries[0].TargetId != "none" {
		t.Errorf("removed: %+v", removed)
	}

	for what, c := range map[string]struct {
		change     func(*types.Target)
		code, says string
	}{
		"no ARN":                 {func(t *types.Target) { t.Arn = s("x") }, "ValidationException", "Provided Arn is not in correct format."},
		"another account":        {func(t *types.Target) { t.Arn = s(strings.Replace(queue, account, other, 1)) }, "ValidationException", "stay in the account"},
		"lambda":                 {func(t *types.Target) { t.Arn = s("arn:aws:lambda:us-east-1:" + account + ":function:f") }, "ValidationException", "lambda"},
		"ECS":                    {func(t *types.Target) { t.EcsParameters = &types.EcsParameters{TaskDefinitionArn: s("a")} }, "ValidationException", "EcsParameters of target x"},
		"Kinesis":                {func(t *types.Target) { t.KinesisParameters = &types.KinesisParameters{PartitionKeyPath: s("a")} }, "ValidationException", "KinesisParameters"},
		"no JSON":                {func(t *types.Target) { t.Input = s("{") }, "ValidationException", "Input of target x"},
		"two inputs":             {func(t *types.Target) { t.Input, t.InputPath = s("{}"), s("$") }, "ValidationException", "Only one of Input"},
		"a path":                 {func(t *types.Target) { t.InputPath = s("detail") }, "ValidationException", "does not begin with $"},
		"a path with a wildcard": {func(t *types.Target) { t.InputPath = s("$.*") }, "ValidationException", "not a JSON path"},
		"a path with a filter":   {func(t *types.Target) { t.InputPath = s("$.a[?(@.b)]") }, "ValidationException", "not a JSON path"},
		"an open bracket":        {func(t *types.Target) { t.InputPath = s("$.a[0") }, "ValidationException", "bracket is open"},
		"a template":             {func(t *types.Target) { t.InputTransformer = &types.InputTransformer{InputTemplate: s("{")} }, "ValidationException", "neither JSON nor lines"},
		"an unknown variable":    {func(t *types.Target) { t.InputTransformer = &types.InputTransformer{InputTemplate: s("<a>")} }, "ValidationException", "<a>"},
		"a reserved variable": {func(t *types.Target) {
			t.InputTransformer = &types.InputTransformer{InputTemplate: s("1"), InputPathsMap: map[string]string{"AWS-x": "$", "b": "x"}}
		}, "ValidationException", "InputPathsMap, b"},
		"too many retries": {func(t *types.Target) { t.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(186)} }, "ValidationException", "less than or equal to 185"},
		"too short":        {func(t *types.Target) { t.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(59)} }, "ValidationException", "greater than or equal to 60"},
		"dead letters elsewhere": {func(t *types.Target) {
			t.DeadLetterConfig = &types.DeadLetterConfig{Arn: s("arn:aws:sns:us-east-1:" + account + ":t")}
		}, "ValidationException", "not the ARN of an SQS queue"},
		"dead letters of another": {func(t *types.Target) {
			t.DeadLetterConfig = &types.DeadLetterConfig{Arn: s(strings.Replace(queue, account, other, 1))}
		}, "ValidationException", "stay in the account"},
		"a group of no FIFO":         {func(t *types.Target) { t.SqsParameters = &types.SqsParameters{MessageGroupId: s("g")} }, "ValidationException", "not a FIFO queue"},
		"a FIFO without a group":     {func(t *types.Target) { t.Arn = s(queue + ".fifo") }, "ValidationException", "needs a MessageGroupId"},
		"HTTP of a queue":            {func(t *types.Target) { t.HttpParameters = &types.HttpParameters{} }, "ValidationException", "HttpParameters"},
		"values for other asterisks": {func(t *types.Target) { t.Arn = destination.ApiDestinationArn }, "ValidationException", "1 asterisks"},
		"an id":                      {func(t *types.Target) { t.Id = s("a b") }, "ValidationException", "targets.1.member.id"},
	} {
		bad := types.Target{Id: s("x"), Arn: s(queue)}
		c.change(&bad)
		refused(t, what, is(b.root.PutTargets(ctx, &sdk.PutTargetsInput{Rule: s("a"), Targets: []types.Target{bad}})), c.code, c.says)
	}
	refused(t, "an id twice", is(c.PutTargets(ctx, &sdk.PutTargetsInput{Rule: s("a"), Targets: []types.Target{{Id: s("x"), Arn: s(queue)}, {Id: s("x"), Arn: s(queue)}}})), "ValidationException", "more than once")
	refused(t, "of no rule", is(c.PutTargets(ctx, &sdk.PutTargetsInput{Rule: s("none"), Targets: []types.Target{{Id: s("x"), Arn: s(queue)}}})), "ResourceNotFoundException", "Rule none")
	refused(t, "from no rule", is(c.RemoveTargets(ctx, &sdk.RemoveTargetsInput{Rule: s("none"), Ids: []string{"x"}})), "ResourceNotFoundException", "Rule none")
}

// TestPutEvents: what is good is on the bus, in one step; of the rest it is said why not.
func TestPutEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, c := t.Context(), b.root
	entry := func(change func(*types.PutEventsRequestEntry)) types.PutEventsRequestEntry {
		e := types.PutEventsRequestEntry{Source: s("mine"), DetailType: s("kind"), Detail: s(`{"a": 1}`)}
		if change != nil {
			change(&e)
		}
		return e
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	out := must[*sdk.PutEventsOutput](t)(c.PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		entry(func(e *types.PutEventsRequestEntry) { e.Resources, e.Time = []string{"r1", "r2"}, &at }),
		entry(func(e *types.PutEventsRequestEntry) { e.Source = s("aws.mediaconvert") }),
		entry(func(e *types.PutEventsRequestEntry) { e.Source = s("Darkroom.audit") }),
		entry(func(e *types.PutEventsRequestEntry) { e.Source = nil }),
		entry(func(e *types.PutEventsRequestEntry) { e.DetailType = s(strings.Repeat("x", 129)) }),
		entry(func(e *types.PutEventsRequestEntry) { e.Detail = s(`[1]`) }),
		entry(func(e *types.PutEventsRequestEntry) {
			e.Detail = s(strings.Repeat(`{"a":`, 600) + `1` + strings.Repeat(`}`, 600))
		}),
		entry(func(e *types.PutEventsRequestEntry) { e.EventBusName = s("other") }),
		entry(func(e *types.PutEventsRequestEntry) { e.TraceHeader = s("x") }),
		entry(func(e *types.PutEventsRequestEntry) {
			e.EventBusName = s("arn:aws:events:us-east-1:" + account + ":event-bus/default")
		}),
	}}))
	var codes []string
	for _, e := range out.Entries {
		codes = append(codes, aws.ToString(e.ErrorCode))
		if (e.EventId == nil) == (e.ErrorCode == nil) {
			t.Errorf("entry: %+v", e)
		}
	}
	if d := cmp.Diff([]string{"", "NotAuthorizedForSourceException", "NotAuthorizedForSourceException", "InvalidArgument", "InvalidArgument", "MalformedDetail", "MalformedDetail", "InvalidArgument", "InvalidArgument", ""}, codes); d != "" || out.FailedEntryCount != 8 {
		t.Errorf("%d failed (-want +got):\n%s", out.FailedEntryCount, d)
	}
	all := must[[]store.Event](t)(b.records.Events(ctx, 0, 10))
	if len(all) != 2 || all[0].ID != *out.Entries[0].EventId || all[0].Account != account || all[0].Source != "mine" || !all[0].Time.Equal(at) || !slices.Equal(all[0].Resources, []string{"r1", "r2"}) || string(all[0].Detail) != `{"a": 1}` {
		t.Errorf("outbox: %+v", all)
	}
	none := entry(func(e *types.PutEventsRequestEntry) { e.Source = nil })
	refused(t, "nothing usable", is(c.PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{none}})), "ValidationException", "no entry has all of them")
	big := entry(func(e *types.PutEventsRequestEntry) {
		e.Detail = s(`{"a":"` + strings.Repeat("x", eventbus.MaxEvent) + `"}`)
	})
	refused(t, "too much", is(c.PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{big}})), "ValidationException", "Total size of the entries")
	eleven := slices.Repeat([]types.PutEventsRequestEntry{entry(nil)}, 11)
	refused(t, "too many", is(c.PutEvents(ctx, &sdk.PutEventsInput{Entries: eleven})), "ValidationException", "length less than or equal to 10")

	// Who may put events of one source may not put those of another.
	narrow := b.user("narrow", `{"Effect":"Allow","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":{"events:source":"mine"}}}`)
	must[*sdk.PutEventsOutput](t)(narrow.PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry(nil), entry(nil)}}))
	mixed := []types.PutEventsRequestEntry{entry(nil), entry(func(e *types.PutEventsRequestEntry) { e.Source = s("theirs") })}
	refused(t, "another source", is(narrow.PutEvents(ctx, &sdk.PutEventsInput{Entries: mixed})), "AccessDeniedException", "events:PutEvents")
}

// apiKey is a connection with an API key.
func apiKey(name, header, value string) *sdk.CreateConnectionInput {
	return &sdk.CreateConnectionInput{Name: &name, AuthorizationType: types.ConnectionAuthorizationTypeApiKey, AuthParameters: &types.CreateConnectionAuthRequestParameters{
		ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: &header, ApiKeyValue: &value},
	}}
}

// TestWebhooks goes through the life of connections and API destinations: secrets are shown by nothing, and are sealed in the records.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, c := t.Context(), b.root
	in := apiKey("c", "X-Key", "s3cret-value")
	in.AuthParameters.InvocationHttpParameters = &types.ConnectionHttpParameters{
		HeaderParameters: []types.ConnectionHeaderParameter{{Key: s("X-More"), Value: s("more")}}, QueryStringParameters: []types.ConnectionQueryStringParameter{{Key: s("q"), Value: s("v")}},
	}
	made := must[*sdk.CreateConnectionOutput](t)(c.CreateConnection(ctx, in))
	if made.ConnectionState != types.ConnectionStateAuthorized || !strings.HasPrefix(*made.ConnectionArn, "arn:aws:events:us-east-1:"+account+":connection/c/") {
		t.Errorf("made: %+v", made)
	}
	refused(t, "again", is(c.CreateConnection(ctx, in)), "ResourceAlreadyExistsException", "Connection c")
	shown := must[*sdk.DescribeConnectionOutput](t)(c.DescribeConnection(ctx, &sdk.DescribeConnectionInput{Name: s("c")}))
	p := shown.AuthParameters
	if *p.ApiKeyAuthParameters.ApiKeyName != "X-Key" || *p.InvocationHttpParameters.HeaderParameters[0].Value != "more" || *p.InvocationHttpParameters.QueryStringParameters[0].Key != "q" {
		t.Errorf("shown: %+v", p)
	}
	entries, _, err := b.records.LoadRegistry(ctx, store.Registry{Name: "events", Account: account})
	if err != nil || len(entries) != 1 || strings.Contains(string(entries[0].Record), "s3cret") {
		t.Errorf("record: %s, %v", entries, err)
	}
	must[*sdk.UpdateConnectionOutput](t)(c.UpdateConnection(ctx, &sdk.UpdateConnectionInput{Name: s("c"), AuthorizationType: types.ConnectionAuthorizationTypeBasic, AuthParameters: &types.UpdateConnectionAuthRequestParameters{
		BasicAuthParameters: &types.UpdateConnectionBasicAuthRequestParameters{Username: s("ann"), Password: s("p4ss")},
	}}))
	if shown = must[*sdk.DescribeConnectionOutput](t)(c.DescribeConnection(ctx, &sdk.DescribeConnectionInput{Name: s("c")})); shown.AuthorizationType != types.ConnectionAuthorizationTypeBasic || *shown.AuthParameters.BasicAuthParameters.Username != "ann" || shown.AuthParameters.ApiKeyAuthParameters != nil {
		t.Errorf("changed: %+v", shown)
	}
	refused(t, "another way without its secret", is(c.UpdateConnection(ctx, &sdk.UpdateConnectionInput{Name: s("c"), AuthorizationType: types.ConnectionAuthorizationTypeApiKey})), "ValidationException", "lacks what AuthorizationType API_KEY needs")

	d := must[*sdk.CreateApiDestinationOutput](t)(c.CreateApiDestination(ctx, &sdk.CreateApiDestinationInput{
		Name: s("d"), ConnectionArn: made.ConnectionArn, HttpMethod: types.ApiDestinationHttpMethodPost, InvocationEndpoint: s("https://a.example/x"), InvocationRateLimitPerSecond: aws.Int32(10), Description: s("text"),
	}))
	must[*sdk.UpdateApiDestinationOutput](t)(c.UpdateApiDestination(ctx, &sdk.UpdateApiDestinationInput{Name: s("d"), HttpMethod: types.ApiDestinationHttpMethodPut, InvocationEndpoint: s("https://b.example/y")}))
	described := must[*sdk.DescribeApiDestinationOutput](t)(c.DescribeApiDestination(ctx, &sdk.DescribeApiDestinationInput{Name: s("d")}))
	if *described.ApiDestinationArn != *d.ApiDestinationArn || *described.InvocationEndpoint != "https://b.example/y" || described.HttpMethod != types.ApiDestinationHttpMethodPut || *described.InvocationRateLimitPerSecond != 10 || *described.ConnectionArn != *made.ConnectionArn {
		t.Errorf("described: %+v", described)
	}
	if out := must[*sdk.ListApiDestinationsOutput](t)(c.ListApiDestinations(ctx, &sdk.ListApiDestinationsInput{ConnectionArn: made.ConnectionArn, NamePrefix: s("d")})); len(out.ApiDestinations) != 1 {
		t.Errorf("destinations: %+v", out)
	}
	if out := must[*sdk.ListConnectionsOutput](t)(c.ListConnections(ctx, &sdk.ListConnectionsInput{ConnectionState: types.ConnectionStateDeauthorized})); len(out.Connections) != 0 {
		t.Errorf("connections: %+v", out)
	}
	refused(t, "a connection in use", is(c.DeleteConnection(ctx, &sdk.DeleteConnectionInput{Name: s("c")})), "ValidationException", "is used by API destination d")

	connection := func(change func(*sdk.CreateConnectionInput)) error {
		in := apiKey("x", "X-Key", "v")
		change(in)
		return is(c.CreateConnection(ctx, in))
	}
	destination := func(method types.ApiDestinationHttpMethod, url string) error {
		return is(c.CreateApiDestination(ctx, &sdk.CreateApiDestinationInput{Name: s("x"), ConnectionArn: made.ConnectionArn, HttpMethod: method, InvocationEndpoint: &url}))
	}
	post := types.ApiDestinationHttpMethodPost
	for what, c := range map[string]struct {
		err        error
		code, says string
	}{
		"OAuth": {connection(func(in *sdk.CreateConnectionInput) {
			in.AuthorizationType = types.ConnectionAuthorizationTypeOauthClientCredentials
			in.AuthParameters.ApiKeyAuthParameters = nil
		}), "ValidationException", "OAUTH_CLIENT_CREDENTIALS is not carried out"},
		"an own key": {connection(func(in *sdk.CreateConnectionInput) { in.KmsKeyIdentifier = s("alias/a") }), "ValidationException", "KmsKeyIdentifier"},
		"nothing":    {connection(func(in *sdk.CreateConnectionInput) { in.AuthParameters.ApiKeyAuthParameters = nil }), "ValidationException", "lacks what AuthorizationType API_KEY needs"},
		"both": {connection(func(in *sdk.CreateConnectionInput) {
			in.AuthParameters.BasicAuthParameters = &types.CreateConnectionBasicAuthRequestParameters{Username: s("u"), Password: s("p")}
		}), "ValidationException", "BasicAuthParameters"},
		"a colon": {connection(func(in *sdk.CreateConnectionInput) {
			in.AuthorizationType = types.ConnectionAuthorizationTypeBasic
			in.AuthParameters.ApiKeyAuthParameters = nil
			in.AuthParameters.BasicAuthParameters = &types.CreateConnectionBasicAuthRequestParameters{Username: s("u:v"), Password: s("p")}
		}), "ValidationException", ""},
		"a header of HTTP": {connection(func(in *sdk.CreateConnectionInput) { in.AuthParameters.ApiKeyAuthParameters.ApiKeyName = s("Host") }), "ValidationException", "not a header field that can be set"},
		"a second secret": {connection(func(in *sdk.CreateConnectionInput) {
			in.AuthParameters.InvocationHttpParameters = &types.ConnectionHttpParameters{HeaderParameters: []types.ConnectionHeaderParameter{{Key: s("X"), Value: s("v"), IsValueSecret: true}}}
		}), "ValidationException", "one secret"},
		"a secret in the URL": {connection(func(in *sdk.CreateConnectionInput) {
			in.AuthParameters.InvocationHttpParameters = &types.ConnectionHttpParameters{QueryStringParameters: []types.ConnectionQueryStringParameter{{Key: s("X"), Value: s("v"), IsValueSecret: true}}}
		}), "ValidationException", "not sent in a URL"},
		"a body": {connection(func(in *sdk.CreateConnectionInput) {
			in.AuthParameters.InvocationHttpParameters = &types.ConnectionHttpParameters{BodyParameters: []types.ConnectionBodyParameter{{Key: s("X"), Value: s("v")}}}
		}), "ValidationException", "BodyParameters"},
		"GET":                   {destination(types.ApiDestinationHttpMethodGet, "https://a.example/"), "ValidationException", "HttpMethod"},
		"plain HTTP":            {destination(post, "http://a.example/"), "ValidationException", "https://HOST"},
		"a user in the URL":     {destination(post, "https://u@a.example/"), "ValidationException", "https://HOST"},
		"an asterisk as host":   {destination(post, "https://*.example/"), "ValidationException", "https://HOST"},
		"a connection of none":  {is(c.CreateApiDestination(ctx, &sdk.CreateApiDestinationInput{Name: s("x"), ConnectionArn: s(*made.ConnectionArn + "0"), HttpMethod: post, InvocationEndpoint: s("https://a.example/")})), "ResourceNotFoundException", "Connection"},
		"change of none":        {is(c.UpdateApiDestination(ctx, &sdk.UpdateApiDestinationInput{Name: s("none")})), "ResourceNotFoundException", "'none'"},
		"destination of none":   {is(c.DescribeApiDestination(ctx, &sdk.DescribeApiDestinationInput{Name: s("none")})), "ResourceNotFoundException", "'none'"},
		"connection of nothing": {is(c.DescribeConnection(ctx, &sdk.DescribeConnectionInput{Name: s("none")})), "ResourceNotFoundException", "'none'"},
	} {
		refused(t, what, c.err, c.code, c.says)
	}
	must[*sdk.DeleteApiDestinationOutput](t)(c.DeleteApiDestination(ctx, &sdk.DeleteApiDestinationInput{Name: s("d")}))
	must[*sdk.DeleteConnectionOutput](t)(c.DeleteConnection(ctx, &sdk.DeleteConnectionInput{Name: s("c")}))
}

// TestBus: the one bus, and patterns tried before they are put.
func TestBus(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, c := t.Context(), b.root
	arn := "arn:aws:events:us-east-1:" + account + ":event-bus/default"
	for _, name := range []*string{nil, s("default"), &arn} {
		if out := must[*sdk.DescribeEventBusOutput](t)(c.DescribeEventBus(ctx, &sdk.DescribeEventBusInput{Name: name})); *out.Arn != arn || *out.Name != "default" {
			t.Errorf("bus: %+v", out)
		}
	}
	refused(t, "another bus", is(c.DescribeEventBus(ctx, &sdk.DescribeEventBusInput{Name: s("mine")})), "ResourceNotFoundException", "Event bus mine does not exist.")
	if out := must[*sdk.ListEventBusesOutput](t)(c.ListEventBuses(ctx, &sdk.ListEventBusesInput{})); len(out.EventBuses) != 1 {
		t.Errorf("buses: %+v", out)
	}
	if out := must[*sdk.ListEventBusesOutput](t)(c.ListEventBuses(ctx, &sdk.ListEventBusesInput{NamePrefix: s("x")})); len(out.EventBuses) != 0 {
		t.Errorf("buses: %+v", out)
	}
	const sample = `{"id":"1","account":"1","source":"a","time":"2030-01-01T00:00:00Z","region":"r","resources":[],"detail-type":"d"}`
	for p, want := range map[string]bool{`{"source":["a"]}`: true, `{"source":["b"]}`: false} {
		if out := must[*sdk.TestEventPatternOutput](t)(c.TestEventPattern(ctx, &sdk.TestEventPatternInput{EventPattern: &p, Event: s(sample)})); out.Result != want {
			t.Errorf("%s: %t", p, out.Result)
		}
	}
	refused(t, "a bad pattern", is(c.TestEventPattern(ctx, &sdk.TestEventPatternInput{EventPattern: s("{"), Event: s(sample)})), "InvalidEventPatternException", "not JSON")
	refused(t, "no event", is(c.TestEventPattern(ctx, &sdk.TestEventPatternInput{EventPattern: s(pattern), Event: s("[]")})), "ValidationException", "not an object")
	refused(t, "half an event", is(c.TestEventPattern(ctx, &sdk.TestEventPatternInput{EventPattern: s(pattern), Event: s(strings.Replace(sample, `"region":"r",`, "", 1))})), "ValidationException", "region is a required member")
}
