package main

// eventsDoors are those of the Service Authorization Reference for Amazon EventBridge.
func eventsDoors() []door {
	const base = "arn:aws:events:us-east-1:" + house + ":"
	const rule, connection, destination = base + "rule/r", base + "connection/c", base + "api-destination/d"
	const entry = `{"Entries":[{"Source":"s","DetailType":"t","Detail":"no object"}]}`
	row := func(operation, body string, asks ...string) door {
		return door{"events", operation, "POST", "/", body, map[string]string{"X-Amz-Target": "AWSEvents." + operation}, asks}
	}
	tagged := func(more string) string { return `{"ResourceARN":"` + rule + `"` + more + `}` }
	all := []door{
		row("PutRule", `{"Name":"r","ScheduleExpression":"rate(1 day)"}`, "events:PutRule "+rule),
		row("PutRule", `{"Name":"r","ScheduleExpression":"rate(1 day)","RoleArn":"`+theRole+`","Tags":[{"Key":"a","Value":"b"}]}`, "events:PutRule "+rule, "events:TagResource "+rule, "iam:PassRole "+theRole),
		row("PutTargets", `{"Rule":"r","Targets":[{"Id":"i","Arn":"`+destination+`/x","RoleArn":"`+theRole+`"}]}`, "events:PutTargets "+rule, "iam:PassRole "+theRole),
		row("RemoveTargets", `{"Rule":"r","Ids":["i"]}`, "events:RemoveTargets "+rule),
		row("ListTargetsByRule", `{"Rule":"r"}`, "events:ListTargetsByRule "+rule),
		row("ListRules", `{}`, "events:ListRules *"),
		row("ListRuleNamesByTarget", `{"TargetArn":"a"}`, "events:ListRuleNamesByTarget *"),
		row("PutEvents", entry, "events:PutEvents "+base+"event-bus/default"),
		row("TestEventPattern", `{"EventPattern":"{}","Event":"{}"}`, "events:TestEventPattern *"),
		row("DescribeEventBus", `{}`, "events:DescribeEventBus "+base+"event-bus/default"),
		row("DescribeEventBus", `{"Name":"`+base+`event-bus/default"}`, "events:DescribeEventBus "+base+"event-bus/default"),
		row("ListEventBuses", `{}`, "events:ListEventBuses *"),
		row("TagResource", tagged(`,"Tags":[{"Key":"a","Value":"b"}]`), "events:TagResource "+rule),
		row("UntagResource", tagged(`,"TagKeys":["a"]`), "events:UntagResource "+rule),
		row("ListTagsForResource", tagged(""), "events:ListTagsForResource "+rule),
		row("CreateConnection", `{"Name":"c","AuthorizationType":"OAUTH_CLIENT_CREDENTIALS","AuthParameters":{}}`, "events:CreateConnection "+connection),
		row("UpdateConnection", `{"Name":"c"}`, "events:UpdateConnection "+connection),
		row("DescribeConnection", `{"Name":"c"}`, "events:DescribeConnection "+connection),
		row("DeleteConnection", `{"Name":"c"}`, "events:DeleteConnection "+connection),
		row("ListConnections", `{}`, "events:ListConnections *"),
		row("CreateApiDestination", `{"Name":"d","ConnectionArn":"`+connection+`/x","HttpMethod":"POST","InvocationEndpoint":"https://a.example/"}`,
			"events:CreateApiDestination "+destination, "events:CreateApiDestination "+connection),
		row("UpdateApiDestination", `{"Name":"d","ConnectionArn":"`+connection+`/x"}`, "events:UpdateApiDestination "+destination, "events:UpdateApiDestination "+connection),
		row("DescribeApiDestination", `{"Name":"d"}`, "events:DescribeApiDestination "+destination),
		row("DeleteApiDestination", `{"Name":"d"}`, "events:DeleteApiDestination "+destination),
		row("ListApiDestinations", `{}`, "events:ListApiDestinations *"),
	}
	for _, plain := range []string{"DescribeRule", "EnableRule", "DisableRule", "DeleteRule"} {
		all = append(all, row(plain, `{"Name":"r"}`, "events:"+plain+" "+rule))
	}
	return all
}
