package iamapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/iam"
)

const userARN = "arn:aws:iam::" + account + ":user/"

// told is a result in one line: the action, the decision, what matched, what is missing, and the same of each resource.
func told(r types.EvaluationResult) string {
	out := *r.EvalActionName + " " + *r.EvalResourceName + " " + string(r.EvalDecision) + matches(r.MatchedStatements) + missing(r.MissingContextValues)
	if b := r.PermissionsBoundaryDecisionDetail; b != nil {
		out += fmt.Sprint(" boundary:", b.AllowedByPermissionsBoundary)
	}
	if o := r.OrganizationsDecisionDetail; o != nil {
		out += fmt.Sprint(" organization:", o.AllowedByOrganizations)
	}
	for _, s := range r.ResourceSpecificResults {
		out += "; " + *s.EvalResourceName + " " + string(s.EvalResourceDecision) + matches(s.MatchedStatements) + missing(s.MissingContextValues)
	}
	return out
}

func matches(all []types.Statement) (out string) {
	for _, s := range all {
		out += fmt.Sprintf(" %s(%s) %d:%d-%d:%d", *s.SourcePolicyId, s.SourcePolicyType, s.StartPosition.Line, s.StartPosition.Column, s.EndPosition.Line, s.EndPosition.Column)
	}
	return out
}

func missing(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return " missing:" + strings.Join(keys, ",")
}

func toldAll(all []types.EvaluationResult) (out []string) {
	for _, r := range all {
		out = append(out, told(r))
	}
	return out
}

func TestSimulateCustomPolicy(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	const (
		films = "{\"Version\":\"2012-10-17\",\"Statement\":[\n {\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::films/*\"},\n {\"Effect\":\"Deny\",\"Action\":\"s3:Delete*\",\"Resource\":\"*\"}]}"
		home  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::home/${aws:username}/*"}}`
		night = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringEquals":{"aws:RequestTag/a":"b"}}}}`
		open  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + userARN + `ann"},"Action":"s3:GetObject","Resource":"*"}}`
	)
	one, two := "arn:aws:s3:::films/a", "arn:aws:s3:::news/a"
	for _, tt := range []struct {
		name string
		in   sdk.SimulateCustomPolicyInput
		want []string
	}{
		{
			"one action on everything",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{document(allowAll)}, ActionNames: []string{"mediaconvert:CreateJob"}},
			[]string{"mediaconvert:CreateJob * allowed PolicyInputList.1(none) 1:38-1:84"},
		},
		{
			"each action on each resource",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{films}, ActionNames: []string{"s3:GetObject", "s3:DeleteObject", "iam:GetUser"}, ResourceArns: []string{one, two}},
			[]string{
				"s3:GetObject * implicitDeny; " + one + " allowed PolicyInputList.1(none) 1:38-2:70; " + two + " implicitDeny",
				"s3:DeleteObject * explicitDeny PolicyInputList.1(none) 2:71-3:56; " + one + " explicitDeny PolicyInputList.1(none) 2:71-3:56; " + two + " explicitDeny PolicyInputList.1(none) 2:71-3:56",
				"iam:GetUser * implicitDeny; " + one + " implicitDeny; " + two + " implicitDeny",
			},
		},
		{
			"nobody in particular",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{home}, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"arn:aws:s3:::home/ann/x"}},
			[]string{"s3:GetObject * implicitDeny missing:aws:username; arn:aws:s3:::home/ann/x implicitDeny missing:aws:username"},
		},
		{
			"somebody",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{home}, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"arn:aws:s3:::home/ann/x"}, CallerArn: aws.String(userARN + "x/ann")},
			[]string{"s3:GetObject * allowed PolicyInputList.1(none) 1:38-1:128; arn:aws:s3:::home/ann/x allowed PolicyInputList.1(none) 1:38-1:128"},
		},
		{
			"a role is no user",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{home}, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"arn:aws:s3:::home/ann/x"}, CallerArn: aws.String("arn:aws:iam::" + account + ":role/ann")},
			[]string{"s3:GetObject * implicitDeny missing:aws:username; arn:aws:s3:::home/ann/x implicitDeny missing:aws:username"},
		},
		{
			"keys that are not given",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{night}, ActionNames: []string{"s3:ListAllMyBuckets"}},
			[]string{"s3:ListAllMyBuckets * implicitDeny missing:aws:RequestTag/a,aws:SourceIp"},
		},
		{
			"keys that are given",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{night}, ActionNames: []string{"s3:ListAllMyBuckets"}, ContextEntries: []types.ContextEntry{
				{ContextKeyName: aws.String("aws:SourceIp"), ContextKeyType: types.ContextKeyTypeEnumIp, ContextKeyValues: []string{"10.1.2.3"}},
				{ContextKeyName: aws.String("aws:RequestTag/a"), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{"b"}},
			}},
			[]string{"s3:ListAllMyBuckets * allowed PolicyInputList.1(none) 1:38-1:179"},
		},
		{
			"a boundary that does not allow",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{document(allowAll)}, PermissionsBoundaryPolicyInputList: []string{films}, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{one, two}},
			[]string{"s3:GetObject * implicitDeny boundary:false; " + one + " allowed PolicyInputList.1(none) 1:38-1:84; " + two + " implicitDeny"},
		},
		{
			"a boundary that denies",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{document(allowAll)}, PermissionsBoundaryPolicyInputList: []string{films}, ActionNames: []string{"s3:DeleteObject"}, ResourceArns: []string{one}},
			[]string{"s3:DeleteObject * explicitDeny PermissionsBoundaryPolicyInputList.1(none) 2:71-3:56 boundary:false; " + one + " explicitDeny PermissionsBoundaryPolicyInputList.1(none) 2:71-3:56"},
		},
		{
			"a resource that lets one in",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{home}, ResourcePolicy: aws.String(open), CallerArn: aws.String(userARN + "ann"), ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{two}},
			[]string{"s3:GetObject * allowed ResourcePolicy(resource) 1:38-1:151; " + two + " allowed ResourcePolicy(resource) 1:38-1:151"},
		},
		{
			"a resource that lets another in",
			sdk.SimulateCustomPolicyInput{PolicyInputList: []string{home}, ResourcePolicy: aws.String(open), CallerArn: aws.String(userARN + "bob"), ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{two}},
			[]string{"s3:GetObject * implicitDeny; " + two + " implicitDeny"},
		},
		{
			"what another account owns",
			sdk.SimulateCustomPolicyInput{
				PolicyInputList: []string{document(allowAll)}, CallerArn: aws.String(userARN + "ann"), ResourceOwner: aws.String("arn:aws:iam::" + other + ":root"), ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{one},
			},
			[]string{"s3:GetObject * implicitDeny; " + one + " implicitDeny"},
		},
	} {
		got, err := d.root.SimulateCustomPolicy(ctx, &tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, toldAll(got.EvaluationResults)); diff != "" || got.IsTruncated {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
	}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	d.user("ann", "")
	good := func() sdk.SimulatePrincipalPolicyInput {
		return sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann"), ActionNames: []string{"s3:GetObject"}}
	}
	type input = sdk.SimulatePrincipalPolicyInput
	entry := func(kind types.ContextKeyTypeEnum, key string, values ...string) []types.ContextEntry {
		return []types.ContextEntry{{ContextKeyName: &key, ContextKeyType: kind, ContextKeyValues: values}}
	}
	for name, tt := range map[string]struct {
		edit       func(*input)
		code, says string
	}{
		"a policy that is none":   {func(in *input) { in.PolicyInputList = []string{document(allowAll), "{"} }, "InvalidInput", "PolicyInputList.2"},
		"a boundary that is none": {func(in *input) { in.PermissionsBoundaryPolicyInputList = []string{"[]"} }, "InvalidInput", "PermissionsBoundaryPolicyInputList.1"},
		"two boundaries": {func(in *input) {
			in.PermissionsBoundaryPolicyInputList = []string{document(allowAll), document(allowAll)}
		}, "InvalidInput", "allowed: 1"},
		"a resource policy that is none": {func(in *input) { in.ResourcePolicy = aws.String(document(allowAll)) }, "InvalidInput", "ResourcePolicy"},
		"a wildcard as an action":        {func(in *input) { in.ActionNames = []string{"s3:*"} }, "InvalidInput", "s3:*"},
		"no action":                      {func(in *input) { in.ActionNames = []string{"GetObject"} }, "InvalidInput", "GetObject"},
		"none at all":                    {func(in *input) { in.ActionNames = []string{} }, "InvalidInput", "ActionNames"},
		"no ARN":                         {func(in *input) { in.ResourceArns = []string{"films"} }, "InvalidInput", "films"},
		"no condition key":               {func(in *input) { in.ContextEntries = entry("string", "username", "ann") }, "InvalidInput", "username"},
		"no number":                      {func(in *input) { in.ContextEntries = entry("numeric", "s3:max-keys", "many") }, "InvalidInput", "s3:max-keys"},
		"several values of a single":     {func(in *input) { in.ContextEntries = entry("string", "aws:username", "a", "b") }, "InvalidInput", "aws:username"},
		"a key twice": {func(in *input) {
			in.ContextEntries = append(entry("string", "aws:username", "a"), entry("string", "AWS:UserName", "b")...)
		}, "InvalidInput", "twice"},
		"an owner that is no account": {func(in *input) { in.ResourceOwner = aws.String(userARN + "ann") }, "InvalidInput", "ResourceOwner"},
		"an owner that is a number":   {func(in *input) { in.ResourceOwner = aws.String(account) }, "InvalidInput", "ResourceOwner"},
		"a caller that is a session":  {func(in *input) { in.CallerArn = aws.String("arn:aws:sts::" + account + ":assumed-role/r/s") }, "InvalidInput", "Invalid Entity Arn"},
		"a caller that is a service":  {func(in *input) { in.CallerArn = aws.String("mediaconvert.amazonaws.com") }, "InvalidInput", "Invalid Entity Arn"},
		"a caller without a name":     {func(in *input) { in.CallerArn = aws.String(userARN) }, "InvalidInput", "Invalid Entity Arn"},
		"scenarios of EC2":            {func(in *input) { in.ResourceHandlingOption = aws.String("EC2-VPC-EBS") }, "NotImplemented", "ResourceHandlingOption"},
		"policies left out": {func(in *input) {
			in.PolicyExclusionList = []types.PolicyIdentifier{&types.PolicyIdentifierMemberPolicyArn{Value: "arn:aws:iam::aws:policy/x"}}
		}, "NotImplemented", "PolicyExclusionList"},
		"a marker of somebody else":     {func(in *input) { in.Marker = aws.String("x") }, "ValidationError", "Marker"},
		"a marker behind the end":       {func(in *input) { in.Marker = aws.String("2") }, "ValidationError", "Marker"},
		"a marker before the beginning": {func(in *input) { in.Marker = aws.String("-1") }, "ValidationError", "Marker"},
		"nobody":                        {func(in *input) { in.PolicySourceArn = aws.String(userARN + "eve") }, "NoSuchEntity", "user with name eve"},
		"a path that is another":        {func(in *input) { in.PolicySourceArn = aws.String(userARN + "x/ann") }, "NoSuchEntity", ""},
		"the root":                      {func(in *input) { in.PolicySourceArn = aws.String("arn:aws:iam::" + account + ":root") }, "InvalidInput", "Invalid Entity Arn"},
		"a session":                     {func(in *input) { in.PolicySourceArn = aws.String("arn:aws:sts::" + account + ":assumed-role/r/s") }, "InvalidInput", "Invalid Entity Arn"},
		"a policy":                      {func(in *input) { in.PolicySourceArn = aws.String("arn:aws:iam::" + account + ":policy/p") }, "InvalidInput", "Invalid Entity Arn"},
		"somebody of another account":   {func(in *input) { in.PolicySourceArn = aws.String("arn:aws:iam::" + other + ":user/ann") }, "AccessDenied", ""},
		"too many resources": {func(in *input) {
			in.ResourceArns, in.PolicyInputList = many("arn:aws:s3:::films/", 1000), []string{document(strings.Repeat(allowAll+",", 300) + allowAll)}
		}, "InvalidInput", "too many"},
	} {
		in := good()
		tt.edit(&in)
		refused(t, name, is(d.root.SimulatePrincipalPolicy(ctx, &in)), tt.code, tt.says)
	}
	custom := sdk.SimulateCustomPolicyInput{PolicyInputList: []string{document(allowAll)}, ActionNames: []string{"s3:GetObject"}}
	in := custom
	in.ResourceHandlingOption = aws.String("EC2-VPC-EBS")
	refused(t, "custom: scenarios of EC2", is(d.root.SimulateCustomPolicy(ctx, &in)), "NotImplemented", "ResourceHandlingOption")
	in = custom
	in.OrderedOrganizationPolicyInputList = []types.OrderedOrganizationPolicyType{{ServiceControlPolicyInputList: []string{document(allowAll)}}}
	refused(t, "custom: policies of an organization", is(d.root.SimulateCustomPolicy(ctx, &in)), "NotImplemented", "OrderedOrganizationPolicyInputList")
	in = custom
	in.ResourcePolicy = aws.String(document(trustAll))
	refused(t, "custom: a resource and nobody", is(d.root.SimulateCustomPolicy(ctx, &in)), "InvalidInput", "CallerArn")
	in.CallerArn = aws.String("ann")
	refused(t, "custom: nobody's ARN", is(d.root.SimulateCustomPolicy(ctx, &in)), "InvalidInput", "Invalid Entity Arn")
	in = custom
	in.PolicyInputList = []string{"{}"}
	refused(t, "custom: a policy that is none", is(d.root.SimulateCustomPolicy(ctx, &in)), "InvalidInput", "PolicyInputList.1")
	refused(t, "the keys of a policy that is none", is(d.root.GetContextKeysForCustomPolicy(ctx, &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{"{}"}})), "InvalidInput", "PolicyInputList.1")
	refused(t, "the keys of nobody", is(d.root.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "eve")})), "NoSuchEntity", "eve")
	refused(t, "the keys of another account's", is(d.stranger.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann")})), "AccessDenied", "")
	refused(t, "the keys of a policy added that is none", is(d.root.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann"), PolicyInputList: []string{"x"}})), "InvalidInput", "")
}

func many(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

// TestSimulatePrincipalPolicy: with what somebody has, and the account's guard rails, whose names and statements are not told.
func TestSimulatePrincipalPolicy(t *testing.T) {
	t.Parallel()
	rail, err := iam.Parse(iam.IdentityPolicy, "the path of a file", document(allowAll+`,{"Effect":"Deny","Action":"s3:Put*","Resource":"*"}`))
	if err != nil {
		t.Fatal(err)
	}
	d, ctx := newDesk(t, rail), t.Context()
	d.user("ann", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	must(d.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("films")}))(t)
	must(d.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: aws.String("films"), UserName: aws.String("ann")}))(t)
	must(d.root.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: aws.String("films"), PolicyName: aws.String("own"), PolicyDocument: aws.String(document(`{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"},{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}`))}))(t)
	cut := must(d.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("cut"), Path: aws.String("/x/"), PolicyDocument: aws.String(document(`{"Effect":"Allow","Action":"sts:*","Resource":"*"}`))}))(t).Policy.Arn
	must(d.root.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("films"), PolicyArn: cut}))(t)
	must(d.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AWSElementalMediaConvertReadOnly")}))(t)
	trust := document(trustAll)
	must(d.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("render"), AssumeRolePolicyDocument: &trust, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")}))(t)
	must(d.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("render"), PolicyName: aws.String("all"), PolicyDocument: aws.String(document(allowAll))}))(t)
	const group, role = "arn:aws:iam::" + account + ":group/films", "arn:aws:iam::" + account + ":role/render"

	for _, tt := range []struct {
		name string
		in   sdk.SimulatePrincipalPolicyInput
		want []string
	}{
		{
			"a user",
			sdk.SimulatePrincipalPolicyInput{
				PolicySourceArn: aws.String(userARN + "ann"), ActionNames: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "mediaconvert:GetJob", "sts:AssumeRole", "iam:GetRole"},
			},
			[]string{
				"s3:GetObject * allowed user_ann_p(user) 1:38-1:87 organization:true",
				"s3:PutObject * explicitDeny organization:false",
				"s3:DeleteObject * explicitDeny group_films_own(group) 1:38-1:92 organization:true",
				"mediaconvert:GetJob * allowed AWSElementalMediaConvertReadOnly(aws-managed) 1:38-1:194 organization:true",
				"sts:AssumeRole * implicitDeny organization:true",
				"iam:GetRole * implicitDeny organization:true",
			},
		},
		{
			"a variable of theirs",
			sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann"), ActionNames: []string{"iam:GetUser"}, ResourceArns: []string{userARN + "ann", userARN + "bob"}},
			[]string{"iam:GetUser * implicitDeny organization:true; " + userARN + "ann allowed group_films_own(group) 1:93-1:183; " + userARN + "bob implicitDeny"},
		},
		{
			"somebody else with the same policies",
			sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann"), CallerArn: aws.String(userARN + "bob"), ActionNames: []string{"iam:GetUser"}, ResourceArns: []string{userARN + "bob"}},
			[]string{"iam:GetUser * allowed group_films_own(group) 1:93-1:183 organization:true; " + userARN + "bob allowed group_films_own(group) 1:93-1:183"},
		},
		{
			"a group is nobody",
			sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(group), ActionNames: []string{"iam:GetUser", "sts:GetSessionToken"}, ResourceArns: []string{userARN + "ann"}},
			[]string{
				"iam:GetUser * implicitDeny missing:aws:username organization:true; " + userARN + "ann implicitDeny missing:aws:username",
				"sts:GetSessionToken * allowed cut(user-managed) 1:38-1:88 organization:true; " + userARN + "ann allowed cut(user-managed) 1:38-1:88",
			},
		},
		{
			"a role and its boundary",
			sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(role), ActionNames: []string{"s3:GetObject", "iam:GetUser"}},
			[]string{"s3:GetObject * allowed role_render_all(role) 1:38-1:84 boundary:true organization:true", "iam:GetUser * implicitDeny boundary:false organization:true"},
		},
		{
			"another boundary",
			sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(role), ActionNames: []string{"s3:GetObject", "iam:GetUser"}, PermissionsBoundaryPolicyInputList: []string{document(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)}},
			[]string{"s3:GetObject * implicitDeny boundary:false organization:true", "iam:GetUser * allowed role_render_all(role) 1:38-1:84 boundary:true organization:true"},
		},
		{
			"a policy more",
			sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann"), ActionNames: []string{"iam:GetRole"}, PolicyInputList: []string{document(allowAll)}},
			[]string{"iam:GetRole * allowed PolicyInputList.1(none) 1:38-1:84 organization:true"},
		},
		{
			"two policies that deny",
			sdk.SimulatePrincipalPolicyInput{
				PolicySourceArn: aws.String(userARN + "ann"), ActionNames: []string{"s3:DeleteObject"}, PolicyInputList: []string{document(`{"Effect":"Deny","Action":"*","Resource":"*"}`)}, ResourceArns: []string{"arn:aws:s3:::a/a", "arn:aws:s3:::a/b"},
			},
			[]string{"s3:DeleteObject * explicitDeny group_films_own(group) 1:38-1:92 PolicyInputList.1(none) 1:38-1:83 organization:true; arn:aws:s3:::a/a explicitDeny group_films_own(group) 1:38-1:92 PolicyInputList.1(none) 1:38-1:83; arn:aws:s3:::a/b explicitDeny group_films_own(group) 1:38-1:92 PolicyInputList.1(none) 1:38-1:83"},
		},
	} {
		got, err := d.root.SimulatePrincipalPolicy(ctx, &tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, toldAll(got.EvaluationResults)); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
	}
	refused(t, "a group before a resource", is(d.root.SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(group), ActionNames: []string{"s3:GetObject"}, ResourcePolicy: &trust})), "InvalidInput", "CallerArn")

	// Pages.
	in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann"), MaxItems: aws.Int32(2)}
	in.ActionNames = []string{"s3:GetA", "s3:GetB", "s3:GetC", "s3:GetD", "s3:GetE"}
	var seen []string
	for pages := 1; ; pages++ {
		got := must(d.root.SimulatePrincipalPolicy(ctx, in))(t)
		for _, r := range got.EvaluationResults {
			seen = append(seen, *r.EvalActionName)
		}
		if in.Marker = got.Marker; !got.IsTruncated {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if !cmp.Equal(seen, in.ActionNames) {
		t.Errorf("got %v", seen)
	}
	// A page that would be too much work is shorter.
	in = &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN + "ann"), ActionNames: slices.Repeat([]string{"s3:GetObject"}, 11), ResourceArns: many("arn:aws:s3:::a/", 1000)}
	if got := must(d.root.SimulatePrincipalPolicy(ctx, in))(t); len(got.EvaluationResults) != 10 || !got.IsTruncated || len(got.EvaluationResults[0].ResourceSpecificResults) != 1000 {
		t.Errorf("got %d results, %t", len(got.EvaluationResults), got.IsTruncated)
	}
}

func TestContextKeys(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	d.user("ann", `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:UserName}/*"}`)
	must(d.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("films")}))(t)
	must(d.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: aws.String("films"), UserName: aws.String("ann")}))(t)
	must(d.root.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: aws.String("films"), PolicyName: aws.String("p"), PolicyDocument: aws.String(document(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:securetransport":"true"}}}`))}))(t)
	more := document(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/A":"${aws:username}"}}}`)
	custom := must(d.root.GetContextKeysForCustomPolicy(ctx, &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{more, document(allowAll), more}}))(t)
	if want := []string{"aws:RequestTag/A", "aws:username"}; !cmp.Equal(custom.ContextKeyNames, want) {
		t.Errorf("got %v, want %v", custom.ContextKeyNames, want)
	}
	for source, want := range map[string][]string{
		userARN + "ann": {"aws:RequestTag/A", "aws:SecureTransport", "aws:username"},
		"arn:aws:iam::" + account + ":group/films": {"aws:RequestTag/A", "aws:SecureTransport", "aws:username"},
	} {
		got := must(d.root.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &source, PolicyInputList: []string{more}}))(t)
		if !cmp.Equal(got.ContextKeyNames, want) {
			t.Errorf("%s: got %v, want %v", source, got.ContextKeyNames, want)
		}
	}
	none := must(d.root.GetContextKeysForCustomPolicy(ctx, &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{document(allowAll)}}))(t)
	if len(none.ContextKeyNames) != 0 {
		t.Errorf("got %v", none.ContextKeyNames)
	}
}
