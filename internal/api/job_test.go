package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/api"
	"darkroom/internal/job"
)

// TestLife follows a job by the SDK's own client.
func TestLife(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	c, ctx := b.client("ROOT"), t.Context()
	created, err := c.CreateJob(ctx, newJob())
	if err != nil {
		t.Fatal(err)
	}
	id := aws.ToString(created.Job.Id)
	if created.Job.Status != types.JobStatusSubmitted || aws.ToString(created.Job.Arn) != jobsARN+id || created.Job.ClientRequestToken == nil {
		t.Errorf("created: %+v", created.Job)
	}
	got, err := c.GetJob(ctx, &sdk.GetJobInput{Id: &id})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(got.Job.Settings.Inputs[0].FileInput) != "s3://bucket/film.mp4" || !got.Job.CreatedAt.Equal(start.Add(time.Second)) {
		t.Errorf("got: %+v", got.Job)
	}
	if _, err := c.CancelJob(ctx, &sdk.CancelJobInput{Id: &id}); err != nil {
		t.Fatal(err)
	}
	if got, err = c.GetJob(ctx, &sdk.GetJobInput{Id: &id}); err != nil || got.Job.Status != types.JobStatusCanceled {
		t.Errorf("after cancelling: %v %v", got, err)
	}
	var conflict *types.ConflictException
	if _, err := c.CancelJob(ctx, &sdk.CancelJobInput{Id: &id}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), id) {
		t.Errorf("cancelled again: %v", err)
	}
}

func TestUnknownJob(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	made, err := b.client("ROOT").CreateJob(t.Context(), newJob())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, key, id string }{
		{"no such id", "ROOT", "1515368087458-qnoxtd"},
		{"no id at all", "ROOT", "film"},
		{"an ARN", "ROOT", jobsARN + *made.Job.Id},
		{"of another account", "OTHER", *made.Job.Id},
		{"hostile", "ROOT", "../\"'; --"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var notFound *types.NotFoundException
			if _, err := b.client(tt.key).GetJob(t.Context(), &sdk.GetJobInput{Id: &tt.id}); !errors.As(err, &notFound) {
				t.Errorf("get: %v", err)
			}
			if _, err := b.client(tt.key).CancelJob(t.Context(), &sdk.CancelJobInput{Id: &tt.id}); !errors.As(err, &notFound) {
				t.Errorf("cancel: %v", err)
			}
		})
	}
}

// TestJobOnTheWire shows the whole of a job at the ends of its life.
func TestJobOnTheWire(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	resp, created := b.send("ROOT", "POST", "/2017-08-29/jobs", `{"Role":"`+roleARN+`","Queue":"Default","Priority":-3,"UserMetadata":{"k":"v"},"Tags":{"a":"b"},
		"StatusUpdateInterval":"SECONDS_10","AccelerationSettings":{"Mode":"PREFERRED"},"BillingTagsSource":"QUEUE","SimulateReservedQueue":"DISABLED",
		"HopDestinations":[],"ClientRequestToken":"t","Settings":{"Inputs":[{"FileInput":"s3://bucket/film.mp4","AudioSelectors":{"A B":{}}}],"OutputGroups":[]}}`)
	if resp.StatusCode != http.StatusCreated || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v: %s", resp.StatusCode, resp.Header, created)
	}
	const id = "1795435201000-aaaaaa"
	const common = `"role":"arn:aws:iam::111122223333:role/MediaConvert_Default_Role",` +
		`"settings":{"inputs":[{"audioSelectors":{"A B":{}},"fileInput":"s3://bucket/film.mp4"}],"outputGroups":[]},` +
		`"accelerationSettings":{"mode":"PREFERRED"},"accelerationStatus":"NOT_APPLICABLE","arn":"arn:aws:mediaconvert:eu-west-1:111122223333:jobs/` + id + `",` +
		`"billingTagsSource":"QUEUE","clientRequestToken":"t","createdAt":1795435201,`
	want := `{"job":{` + common + `"hopDestinations":[],"id":"` + id + `","messages":{"info":[],"warning":[]},"priority":-3,` +
		`"queue":"arn:aws:mediaconvert:eu-west-1:111122223333:queues/Default","queueTransitions":[],"retryCount":0,"simulateReservedQueue":"DISABLED",` +
		`"status":"SUBMITTED","statusUpdateInterval":"SECONDS_10","timing":{"submitTime":1795435201},"userMetadata":{"k":"v"}}}`
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("created: %s", diff)
	}

	b.queue.mu.Lock()
	j := b.queue.jobs[id]
	b.queue.mu.Unlock()
	if j == nil {
		t.Fatal("the job is not in the queue")
	}
	j.Status, j.Phase, j.Percent, j.RetryCount = job.Progressing, job.Transcoding, 40, 1
	j.Started, j.EngineVersion = start.Add(2500*time.Millisecond), "5.1"
	_, running := b.send("ROOT", "GET", "/2017-08-29/jobs/"+id, "")
	want = `{"job":{` + common + `"currentPhase":"TRANSCODING","hopDestinations":[],"id":"` + id + `","jobEngineVersionUsed":"5.1","jobPercentComplete":40,` +
		`"messages":{"info":[],"warning":[]},"priority":-3,"queue":"arn:aws:mediaconvert:eu-west-1:111122223333:queues/Default","queueTransitions":[],` +
		`"retryCount":1,"simulateReservedQueue":"DISABLED","status":"PROGRESSING","statusUpdateInterval":"SECONDS_10",` +
		`"timing":{"startTime":1795435202.5,"submitTime":1795435201},"userMetadata":{"k":"v"}}}`
	if diff := cmp.Diff(want, running); diff != "" {
		t.Errorf("running: %s", diff)
	}

	j.Status, j.Percent, j.Finished = job.Errored, 70, start.Add(time.Minute)
	j.ErrorCode, j.ErrorMessage = 1401, "The output s3://bucket/ cannot be written."
	j.OutputDetails = json.RawMessage(`[{"outputDetails":[{"durationInMs":4000,"videoDetails":{"heightInPx":720,"widthInPx":1280}}]}]`)
	j.Messages, j.Warnings = json.RawMessage(`{"info":["i"],"warning":["w"]}`), json.RawMessage(`[{"code":240000,"count":2}]`)
	_, failed := b.send("ROOT", "GET", "/2017-08-29/jobs/"+id, "")
	want = `{"job":{` + common + `"errorCode":1401,"errorMessage":"The output s3://bucket/ cannot be written.","hopDestinations":[],"id":"` + id + `",` +
		`"jobEngineVersionUsed":"5.1","jobPercentComplete":70,"messages":{"info":["i"],"warning":["w"]},` +
		`"outputGroupDetails":[{"outputDetails":[{"durationInMs":4000,"videoDetails":{"heightInPx":720,"widthInPx":1280}}]}],"priority":-3,` +
		`"queue":"arn:aws:mediaconvert:eu-west-1:111122223333:queues/Default","queueTransitions":[],"retryCount":1,"simulateReservedQueue":"DISABLED",` +
		`"status":"ERROR","statusUpdateInterval":"SECONDS_10","timing":{"finishTime":1795435260,"startTime":1795435202.5,"submitTime":1795435201},` +
		`"userMetadata":{"k":"v"},"warnings":[{"code":240000,"count":2}]}}`
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("failed: %s", diff)
	}

	j.Status, j.Percent, j.ErrorCode = job.Complete, 99, 0
	if _, complete := b.send("ROOT", "GET", "/2017-08-29/jobs/"+id, ""); !strings.Contains(complete, `"jobPercentComplete":100`) || strings.Contains(complete, "error") {
		t.Errorf("complete: %s", complete)
	}

	j.Messages = json.RawMessage(`{"info":`)
	if resp, body := b.send("ROOT", "GET", "/2017-08-29/jobs/"+id, ""); resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "info") {
		t.Errorf("broken record: %d %s", resp.StatusCode, body)
	}
}

// TestDefaults: what is not asked for is recorded as documented, and every member has a place.
func TestDefaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	out, err := b.client("ROOT").CreateJob(t.Context(), newJob())
	if err != nil {
		t.Fatal(err)
	}
	j := out.Job
	got := []string{
		string(j.AccelerationSettings.Mode), string(j.BillingTagsSource), string(j.SimulateReservedQueue), string(j.StatusUpdateInterval),
		aws.ToString(j.Queue), aws.ToString(j.Role),
	}
	if diff := cmp.Diff([]string{"DISABLED", "JOB", "DISABLED", "SECONDS_60", queueARN, roleARN}, got); diff != "" {
		t.Error(diff)
	}
	if aws.ToInt32(j.Priority) != 0 || len(j.UserMetadata) != 0 || j.ErrorCode != nil || j.JobPercentComplete != nil || j.CurrentPhase != "" {
		t.Errorf("%+v", j)
	}
}

// TestEveryMemberIsAnswered fails when the API gets a member that CreateJob does not know: it must be honoured or refused, not ignored.
func TestEveryMemberIsAnswered(t *testing.T) {
	t.Parallel()
	known := []string{
		"Role", "Settings", "AccelerationSettings", "BillingTagsSource", "ClientRequestToken", "HopDestinations", "JobEngineVersion", "JobTemplate",
		"Priority", "Queue", "SimulateReservedQueue", "StatusUpdateInterval", "Tags", "UserMetadata",
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[sdk.CreateJobInput]()) {
		if f.IsExported() && !slices.Contains(known, f.Name) {
			t.Errorf("nobody answers for CreateJob's %s", f.Name)
		}
	}
}

func TestCreateJobRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	many := func(n int, entry func(i int) string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = entry(i)
		}
		return strings.Join(parts, ",")
	}
	pair := func(i int) string { return `"k` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `":"v"` }
	hop := func(int) string { return `{"waitMinutes":1,"queue":"other"}` }
	const (
		bad     = "BadRequestException"
		offered = "Not offered by this installation: "
	)
	tests := []struct {
		name   string
		member string // added to a request that is taken
		drop   string // members left out of it
		status int
		error  string
		says   string // the message begins with this
	}{
		{"no role", ``, "role", 400, bad, "The 'role' field is required."},
		{"no settings", ``, "settings", 400, bad, "The 'settings' field is required."},
		{"neither", ``, "role settings", 400, bad, "The 'role' field is required. | The 'settings' field is required."},
		{"role is a name", `"role":"MediaConvert_Default_Role"`, "role", 400, bad, "/role: Should match the pattern: /^arn:aws"},
		{"role is empty", `"role":""`, "role", 400, bad, "/role: Should match the pattern"},
		{"role is a user", `"role":"arn:aws:iam::111122223333:user/ann"`, "role", 400, bad, "/role: Should match the pattern"},
		{"role of a short account", `"role":"arn:aws:iam::1111:role/R"`, "role", 400, bad, "/role: Should match the pattern"},
		{"role with a second line", `"role":"` + roleARN + `\n"`, "role", 400, bad, "/role: Should match the pattern"},
		{"role without end", `"role":"` + roleARN + strings.Repeat("r", 3000) + `"`, "role", 400, bad, "The request names a resource with more than 2048 bytes."},
		{"priority below", `"priority":-51`, "", 400, bad, "/priority: Should be greater than or equal to -50"},
		{"priority above", `"priority":51`, "", 400, bad, "/priority: Should be less than or equal to 50"},
		{"interval", `"statusUpdateInterval":"SECONDS_11"`, "", 400, bad, "You specified an invalid type for 'statusUpdateInterval'."},
		{"too much metadata", `"userMetadata":{` + many(11, pair) + `}`, "", 400, bad, "/userMetadata: Should have at most 10 properties"},
		{"metadata of numbers", `"userMetadata":{"a":1}`, "", 400, bad, "You specified an invalid type for 'userMetadata.a'."},
		{"too many tags", `"tags":{` + many(51, pair) + `}`, "", 400, bad, "/tags: Should have at most 50 properties"},
		{"tag key too long", `"tags":{"` + strings.Repeat("é", 129) + `":""}`, "", 400, bad, "/tags/é"},
		{"empty tag key", `"tags":{"":"v"}`, "", 400, bad, "/tags/: The key of a tag must have 1 to 128 characters"},
		{"reserved tag key", `"tags":{"AWS:x":"v"}`, "", 400, bad, "/tags/AWS:x: The key of a tag must not begin with aws:"},
		{"tag key of other characters", `"tags":{"a,b":"v"}`, "", 400, bad, "/tags/a,b: The key of a tag may have"},
		{"tag value too long", `"tags":{"k":"` + strings.Repeat("v", 257) + `"}`, "", 400, bad, "/tags/k: The value of a tag must have at most 256 characters"},
		{"tag value of other characters", `"tags":{"k":"a\nb"}`, "", 400, bad, "/tags/k: The value of a tag may have"},
		{"empty token", `"clientRequestToken":""`, "", 400, bad, "/clientRequestToken: Should have 1 to 256 characters"},
		{"token too long", `"clientRequestToken":"` + strings.Repeat("t", 257) + `"`, "", 400, bad, "/clientRequestToken: Should have 1 to 256 characters"},
		{"unknown member", `"speed":1`, "", 400, bad, `: unknown member "speed"`},
		{
			"no wait", `"hopDestinations":[{"queue":"other"}]`, "", 400, bad,
			"/hopDestinations/0/waitMinutes: You specified the following wait time for this job before queue hopping: 'null'.",
		},
		{"wait of nothing", `"hopDestinations":[{"waitMinutes":0,"queue":"other"}]`, "", 400, bad, "/hopDestinations/0/waitMinutes: You specified"},
		{"wait too long", `"hopDestinations":[{"waitMinutes":4321,"queue":"other"}]`, "", 400, bad, "/hopDestinations/0/waitMinutes: You specified"},
		{"hop to nowhere", `"hopDestinations":[{"waitMinutes":1}]`, "", 400, bad, "/hopDestinations/0: queue is a required property"},
		{"hop to the same queue", `"hopDestinations":[{"waitMinutes":1,"queue":"` + queueARN + `"}]`, "", 400, bad, "/hopDestinations/0/queue: The destination must not be"},
		{"priority of a hop", `"hopDestinations":[{"waitMinutes":1,"queue":"other","priority":51}]`, "", 400, bad, "/hopDestinations/0/priority: Should be less"},
		{"too many hops", `"hopDestinations":[` + many(11, hop) + `]`, "", 400, bad, "/hopDestinations: Should have at most 10 items"},
		{"invalid settings", `"settings":{"adAvailOffset":7}`, "settings", 400, bad, "/adAvailOffset: Should be a multiple of 8 | : a rule of the whole"},
		{"invalid before not offered", `"settings":{"adAvailOffset":-7},"jobEngineVersion":"1"`, "settings", 400, bad, "/adAvailOffset: Should be a multiple of 8"},
		{"invalid before an unknown queue", `"settings":{"adAvailOffset":7},"queue":"q"`, "settings", 400, bad, "/adAvailOffset: Should be a multiple of 8"},
		{
			"all that is invalid", `"settings":{"adAvailOffset":7},"clientRequestToken":""`, "settings", 400, bad,
			"/clientRequestToken: Should have 1 to 256 characters (was 0) | /adAvailOffset: Should be a multiple of 8 | : a rule of the whole",
		},
		{"unknown queue", `"queue":"other"`, "", 404, "NotFoundException", "The queue other does not exist."},
		{"queue of another region", `"queue":"arn:aws:mediaconvert:us-east-1:111122223333:queues/Default"`, "", 404, "NotFoundException", "The queue arn:aws:mediaconvert:us-east-1"},
		{
			"queue of another account", `"queue":"arn:aws:mediaconvert:eu-west-1:999988887777:queues/Default"`, "", 403, "AccessDeniedException",
			"User: arn:aws:iam::111122223333:root is not authorized to perform: mediaconvert:CreateJob on resource: arn:aws:mediaconvert:eu-west-1:999988887777:queues/Default",
		},
		{
			"role of another account", `"role":"arn:aws:iam::999988887777:role/R"`, "role", 403, "AccessDeniedException",
			"User: arn:aws:iam::111122223333:root is not authorized to perform: iam:PassRole on resource: arn:aws:iam::999988887777:role/R",
		},
		{"case of a queue", `"queue":"default"`, "", 404, "NotFoundException", "The queue "},
		{"empty queue", `"queue":""`, "", 404, "NotFoundException", "The queue "},
		{"acceleration", `"accelerationSettings":{"mode":"ENABLED"}`, "", 400, bad, offered + "/accelerationSettings/mode: ENABLED is not carried out"},
		{"acceleration without mode", `"accelerationSettings":{}`, "", 400, bad, "/accelerationSettings: mode is a required property"},
		{"engine version", `"jobEngineVersion":""`, "", 400, bad, offered + "/jobEngineVersion: "},
		{"template", `"jobTemplate":"t"`, "", 404, "NotFoundException", "The job template t does not exist."},
		{"template of another kind", `"jobTemplate":"` + queueARN + `"`, "", 404, "NotFoundException", "The job template arn:"},
		{"preset", `"settings":{"outputGroups":[{"outputs":[{"preset":"p"}]}]}`, "settings", 404, "NotFoundException", "The preset p does not exist."},
		{"reserved queue", `"simulateReservedQueue":"ENABLED"`, "", 400, bad, offered + "/simulateReservedQueue: ENABLED"},
		{"settings not offered", `"settings":{"adAvailOffset":8}`, "settings", 400, bad, offered + "/adAvailOffset: ad markers are not carried out"},
		{
			"all that is not offered", `"settings":{"adAvailOffset":8},"simulateReservedQueue":"ENABLED","jobEngineVersion":"1"`, "settings", 400, bad,
			offered + "/jobEngineVersion: there is one engine; offered:  | /simulateReservedQueue: ENABLED is not carried out; offered: DISABLED | /adAvailOffset: ad markers",
		},
		{
			"too many presets", `"settings":{"outputGroups":[{"outputs":[` +
				many(201, func(i int) string { return `{"preset":"p` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `"}` }) + `]}]}`, "settings", 400, bad,
			"The request names more than 200 resources.",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var members []string
			for _, m := range []struct{ name, text string }{{"role", `"role":"` + roleARN + `"`}, {"settings", `"settings":{}`}} {
				if !strings.Contains(tt.drop, m.name) {
					members = append(members, m.text)
				}
			}
			if tt.member != "" {
				members = append(members, tt.member)
			}
			resp, body := b.send("ROOT", "POST", "/2017-08-29/jobs", "{"+strings.Join(members, ",")+"}")
			var answer struct{ Message string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if resp.StatusCode != tt.status || resp.Header.Get("X-Amzn-ErrorType") != tt.error || !strings.HasPrefix(answer.Message, tt.says) {
				t.Errorf("got %d %s %q\nwant %d %s %q…", resp.StatusCode, resp.Header.Get("X-Amzn-ErrorType"), answer.Message, tt.status, tt.error, tt.says)
			}
		})
	}
	t.Cleanup(func() {
		if n := b.queue.len(); n != 0 {
			t.Errorf("%d jobs were made", n)
		}
	})
}

func TestMalformedBody(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, body := range []string{"", "{", "[]", "null", "{} {}", `{"role":"a","role":"b"}`, "\xff"} {
		resp, got := b.send("ROOT", "POST", "/2017-08-29/jobs", body)
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("X-Amzn-ErrorType") != "BadRequestException" {
			t.Errorf("%q: %d %s", body, resp.StatusCode, got)
		}
	}
}

func TestClientRequestToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	create := func(key, body string) (int, string) {
		resp, got := b.send(key, "POST", "/2017-08-29/jobs", body)
		var answer struct {
			Job     struct{ ID string }
			Message string
		}
		if err := json.Unmarshal([]byte(got), &answer); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, answer.Job.ID + answer.Message
	}
	const first = `{"role":"` + roleARN + `","clientRequestToken":"t","settings":{"adAvailOffset":0},"tags":{"a":"1","b":"2"}}`
	_, id := create("ROOT", first)
	for _, same := range []string{
		first,
		`{"Tags":{"b":"2","a":"1"},"Settings":{"AdAvailOffset":0.0},"ClientRequestToken":"t","Role":"` + roleARN + `","Queue":null}`,
		`{"role":"` + roleARN + `","queue":"` + queueARN + `","clientRequestToken":"t","settings":{"adAvailOffset":0},"tags":{"a":"1","b":"2"}}`,
	} {
		if status, again := create("ROOT", same); status != http.StatusCreated || again != id {
			t.Errorf("the same request: %d %s, want %s", status, again, id)
		}
	}
	for _, other := range []string{
		`{"role":"` + roleARN + `","clientRequestToken":"t","settings":{"adAvailOffset":1},"tags":{"a":"1","b":"2"}}`,
		`{"role":"` + roleARN + `","clientRequestToken":"t","settings":{"adAvailOffset":0},"tags":{"a":"1"}}`,
		`{"role":"` + roleARN + `","clientRequestToken":"t","priority":1,"settings":{"adAvailOffset":0},"tags":{"a":"1","b":"2"}}`,
		`{"role":"` + roleARN + `x","clientRequestToken":"t","settings":{"adAvailOffset":0},"tags":{"a":"1","b":"2"}}`,
	} {
		if status, got := create("ROOT", other); status != http.StatusConflict {
			t.Errorf("another request: %d %s", status, got)
		}
	}
	if status, other := create("OTHER", strings.ReplaceAll(first, account, "999988887777")); status != http.StatusCreated || other == id {
		t.Errorf("the token of another account: %d %s", status, other)
	}
	// A repeat is not judged again: what the first one named may be gone.
	if resp, body := b.send("ROOT", "POST", "/2017-08-29/presets", `{"name":"p","settings":{"audioDescriptions":[]}}`); resp.StatusCode != http.StatusCreated {
		t.Fatal(body)
	}
	const named = `{"role":"` + roleARN + `","clientRequestToken":"n","settings":{"outputGroups":[{"outputs":[{"preset":"p"}]}]}}`
	_, made := create("ROOT", named)
	if resp, body := b.send("ROOT", "DELETE", "/2017-08-29/presets/p", ""); resp.StatusCode != http.StatusAccepted {
		t.Fatal(body)
	}
	if status, again := create("ROOT", named); status != http.StatusCreated || again != made {
		t.Errorf("a repeat after its preset is gone: %d %s, want %s", status, again, made)
	}
	const without = `{"role":"` + roleARN + `","settings":{}}`
	_, one := create("ROOT", without)
	if _, two := create("ROOT", without); one == two {
		t.Error("two requests without a token made one job")
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	t.Run("queue", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, nil)
		b.queue.err = errors.New("disk of the inside is full")
		for _, call := range [][2]string{
			{"POST", "/2017-08-29/jobs"},
			{"GET", "/2017-08-29/jobs"},
			{"GET", "/2017-08-29/jobs/1515368087458-qnoxtd"},
			{"DELETE", "/2017-08-29/jobs/1515368087458-qnoxtd"},
			{"GET", "/2017-08-29/queues"},
			{"GET", "/2017-08-29/queues/Default"},
		} {
			body := ""
			if call[0] == "POST" {
				body = `{"role":"` + roleARN + `","settings":{}}`
			}
			resp, got := b.send("ROOT", call[0], call[1], body)
			id := resp.Header.Get("x-amzn-RequestId")
			if resp.StatusCode != 500 || resp.Header.Get("X-Amzn-ErrorType") != "InternalServerErrorException" || strings.Contains(got, "inside") ||
				id == "" || !strings.Contains(got, id) {
				t.Errorf("%v: %d %s", call, resp.StatusCode, got)
			}
		}
	})
	t.Run("randomness", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(o *api.Options) { o.Random = strings.NewReader("short") })
		if _, err := b.client("ROOT").CreateJob(t.Context(), newJob()); err == nil || b.queue.len() != 0 {
			t.Errorf("%v, %d jobs", err, b.queue.len())
		}
	})
}
