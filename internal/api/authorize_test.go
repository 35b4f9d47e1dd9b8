package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"darkroom/internal/audit"
	"darkroom/internal/iam"
	"darkroom/internal/mediaconvert"
)

// requests are one request of every operation: path below the version, body, and the resources that must be allowed, by action.
var requests = map[string]struct {
	path, body string
	want       []iam.Check
}{
	"AssociateCertificate": {"/certificates", `{"arn":"arn:aws:acm:x"}`, on("AssociateCertificate", "*")},
	"CancelJob":            {"/jobs/1515368087458-qnoxtd", "", on("CancelJob", jobsARN+"1515368087458-qnoxtd")},
	"CreateJob": {
		"/jobs", `{"role":"` + roleARN + `","settings":{"outputGroups":[{"outputs":[{"preset":"p"},{"preset":"p"},{"preset":"arn:aws:mediaconvert:eu-west-1:111122223333:presets/q"}]}]},` +
			`"queue":"fast","jobTemplate":"t","tags":{"a":"b"}}`,
		append(on("CreateJob", own("queues/fast"), own("jobTemplates/t"), own("presets/p"), "arn:aws:mediaconvert:eu-west-1:111122223333:presets/q"),
			iam.Check{Action: "mediaconvert:TagResource", Resource: own("jobs/*")}, iam.Check{Action: "iam:PassRole", Resource: roleARN}),
	},
	"CreateJobTemplate":       {"/jobTemplates", `{"name":"t","settings":{}}`, on("CreateJobTemplate", "*")},
	"CreatePreset":            {"/presets", `{"name":"p","settings":{}}`, on("CreatePreset", "*")},
	"CreateQueue":             {"/queues", `{"name":"q"}`, on("CreateQueue", "*")},
	"CreateResourceShare":     {"/resourceShares", `{"jobId":"j","supportCaseId":"c"}`, on("CreateResourceShare", own("jobs/j"))},
	"DeleteJobTemplate":       {"/jobTemplates/t", "", on("DeleteJobTemplate", own("jobTemplates/t"))},
	"DeletePolicy":            {"/policy", "", on("DeletePolicy", "*")},
	"DeletePreset":            {"/presets/a%20b", "", on("DeletePreset", own("presets/a b"))},
	"DeleteQueue":             {"/queues/q", "", on("DeleteQueue", own("queues/q"))},
	"DescribeEndpoints":       {"/endpoints", "{}", on("DescribeEndpoints", "*")},
	"DisassociateCertificate": {"/certificates/arn%3Aaws%3Aacm%3Ax", "", on("DisassociateCertificate", "*")},
	"GetJob":                  {"/jobs/1515368087458-qnoxtd", "", on("GetJob", jobsARN+"1515368087458-qnoxtd")},
	"GetJobTemplate":          {"/jobTemplates/t", "", on("GetJobTemplate", own("jobTemplates/t"))},
	"GetJobsQueryResults":     {"/jobsQueries/x", "", on("GetJobsQueryResults", "*")},
	"GetPolicy":               {"/policy", "", on("GetPolicy", "*")},
	"GetPreset":               {"/presets/p", "", on("GetPreset", own("presets/p"))},
	"GetQueue":                {"/queues/Default", "", on("GetQueue", queueARN)},
	"ListJobTemplates":        {"/jobTemplates", "", on("ListJobTemplates", "*")},
	"ListJobs":                {"/jobs?queue=Default", "", on("ListJobs", queueARN)},
	"ListPresets":             {"/presets", "", on("ListPresets", "*")},
	"ListQueues":              {"/queues", "", on("ListQueues", "*")},
	"ListTagsForResource":     {"/tags/arn%3Aaws%3Amediaconvert%3Aeu-west-1%3A111122223333%3Aqueues%2FDefault", "", on("ListTagsForResource", queueARN)},
	"ListVersions":            {"/versions", "", on("ListVersions", "*")},
	"Probe":                   {"/probe", `{"inputFiles":[{"fileUrl":"s3://b/k"},{"fileUrl":"https://host/k"},{"fileUrl":"x"}]}`, append(on("Probe", "*"), iam.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Owner: account})},
	"PutPolicy":               {"/policy", `{"policy":{}}`, on("PutPolicy", "*")},
	"SearchJobs":              {"/search", "", on("SearchJobs", "*")},
	"StartJobsQuery":          {"/jobsQueries", "{}", on("StartJobsQuery", "*")},
	"TagResource":             {"/tags", `{"arn":"` + queueARN + `","tags":{"a":"b"}}`, on("TagResource", queueARN)},
	"UntagResource":           {"/tags/arn%3Aaws%3Amediaconvert%3Aeu-west-1%3A111122223333%3Aqueues%2FDefault", `{"tagKeys":["a"]}`, on("UntagResource", queueARN)},
	"UpdateJobTemplate":       {"/jobTemplates/t", "{}", on("UpdateJobTemplate", own("jobTemplates/t"))},
	"UpdatePreset":            {"/presets/p", "{}", on("UpdatePreset", own("presets/p"))},
	"UpdateQueue":             {"/queues/q", "{}", on("UpdateQueue", own("queues/q"))},
}

func own(resource string) string { return "arn:aws:mediaconvert:eu-west-1:111122223333:" + resource }

func on(operation string, resources ...string) []iam.Check {
	var c []iam.Check
	for _, r := range resources {
		c = append(c, iam.Check{Action: "mediaconvert:" + operation, Resource: r})
	}
	return c
}

// TestEveryOperation: each asks for its own action on the right resources, refuses who has none, and is carried out.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.people.users["nobody"] = ""
	for _, op := range mediaconvert.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			request, ok := requests[op.Name]
			if !ok {
				t.Fatal("no request for this operation")
			}
			resp, body := b.send("nobody", op.Method, "/2017-08-29"+request.path, request.body)
			if resp.StatusCode != 403 || resp.Header.Get("X-Amzn-ErrorType") != "AccessDeniedException" ||
				!strings.Contains(body, "is not authorized to perform: mediaconvert:"+op.Name) {
				t.Errorf("without rights: %d %s", resp.StatusCode, body)
			}
			if r := b.last(); r.Outcome() != audit.Denied || r.EventName != op.Name {
				t.Errorf("recorded: %+v", r)
			}
			resp, body = b.send("ROOT", op.Method, "/2017-08-29"+request.path, request.body)
			r := b.last()
			if r.Outcome() == audit.Denied || r.EventName != op.Name {
				t.Errorf("recorded: %+v", r)
			}
			if diff := cmp.Diff(request.want, b.asked.last(), cmpopts.IgnoreFields(iam.Check{}, "Context")); diff != "" {
				t.Errorf("checks: %s", diff)
			}
			if resp.StatusCode >= 500 {
				t.Errorf("not carried out: %d %s", resp.StatusCode, body)
			}
		})
	}
}

// TestPartOfTheRights: one right that lacks is enough to refuse, and then nothing happens.
func TestPartOfTheRights(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	allow := func(action, resource string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
	}
	create, pass := allow("mediaconvert:CreateJob", own("queues/*")), allow("iam:PassRole", roleARN)
	b.people.users["creates"] = create
	b.people.users["passes"] = pass
	b.people.users["otherQueue"] = allow("mediaconvert:CreateJob", own("queues/slow")) + "," + pass
	b.people.users["denied"] = create + "," + pass + `,{"Effect":"Deny","Action":"iam:*","Resource":"*"}`
	b.people.users["both"] = create + "," + pass
	const plain = `{"role":"` + roleARN + `","settings":{}}`
	tests := []struct {
		name, key, body string
		lacks           string // empty if the job is made
	}{
		{"without the role", "creates", plain, "iam:PassRole on resource: " + roleARN},
		{"without the queue", "passes", plain, "mediaconvert:CreateJob on resource: " + queueARN},
		{"another queue", "otherQueue", plain, "mediaconvert:CreateJob on resource: " + queueARN},
		{"denied", "denied", plain, "iam:PassRole on resource: " + roleARN},
		{"both", "both", plain, ""},
		{"tags", "both", `{"role":"` + roleARN + `","settings":{},"tags":{"a":"b"}}`, "mediaconvert:TagResource on resource: " + own("jobs/*")},
		{"a preset", "both", `{"role":"` + roleARN + `","settings":{"outputGroups":[{"outputs":[{"preset":"p"}]}]}}`, "mediaconvert:CreateJob on resource: " + own("presets/p")},
		{"a hop", "otherQueue", `{"role":"` + roleARN + `","queue":"slow","hopDestinations":[{"waitMinutes":1}],"settings":{}}`, "mediaconvert:CreateJob on resource: " + queueARN},
		{"a hop elsewhere", "otherQueue", `{"role":"` + roleARN + `","queue":"slow","hopDestinations":[{"waitMinutes":1,"queue":"` + own("queues/fast") + `"}],"settings":{}}`, "mediaconvert:CreateJob on resource: " + own("queues/fast")},
		{"another role", "both", `{"role":"` + roleARN + `2","settings":{}}`, "iam:PassRole on resource: " + roleARN + "2"},
		{"right before faults", "passes", `{"role":"` + roleARN + `","priority":99}`, "mediaconvert:CreateJob on resource: " + queueARN},
		{"right before a broken body", "passes", `{`, "mediaconvert:CreateJob on resource: " + queueARN},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := b.queue.len()
			resp, body := b.send(tt.key, "POST", "/2017-08-29/jobs", tt.body)
			if tt.lacks == "" {
				if resp.StatusCode != 201 || b.queue.len() != before+1 {
					t.Errorf("got %d %s", resp.StatusCode, body)
				}
				return
			}
			var answer struct{ Message string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatal(err)
			}
			want := "User: arn:aws:iam::111122223333:user/" + tt.key + " is not authorized to perform: " + tt.lacks
			if resp.StatusCode != 403 || !strings.HasPrefix(answer.Message, want) || b.queue.len() != before {
				t.Errorf("got %d %q, want %q", resp.StatusCode, answer.Message, want)
			}
		})
	}
}
