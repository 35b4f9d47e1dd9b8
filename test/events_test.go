package test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/event"
)

// received is what a receiver was sent.
type received struct {
	path, id, key string
	event         event.Event
	body          string
	detail        map[string]any
}

// receiver is a web server that takes events: one for each path, with what it answers.
type receiver struct {
	*httptest.Server
	port, ca string

	mu      sync.Mutex // guards what follows
	all     []received
	answer  map[string]func(w http.ResponseWriter, r *http.Request)
	changed chan struct{} // closed when something was received
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{answer: map[string]func(http.ResponseWriter, *http.Request){}, changed: make(chan struct{})}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Close)
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.port, r.ca = u.Port(), filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(r.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// config opens the way to the receiver.
func (r *receiver) config(more string) string {
	return fmt.Sprintf("egress: {allow: [{net: 127.0.0.0/8, ports: [%s], for: [webhook]}], ca_file: %s}\n%s", r.port, r.ca, more)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	got := received{path: q.URL.Path, id: q.Header.Get("Webhook-Id"), key: q.Header.Get("X-Key"), body: string(body)}
	if err == nil {
		_ = json.Unmarshal(body, &got.event)
		_ = json.Unmarshal(got.event.Detail, &got.detail)
	}
	r.mu.Lock()
	r.all = append(r.all, got)
	answer := r.answer[q.URL.Path]
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
	if answer != nil {
		answer(w, q)
	}
}

// answers says what requests to a path are answered from now on; nil is 200.
func (r *receiver) answers(path string, with func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer[path] = with
}

// at returns what came to a path.
func (r *receiver) at(path string) []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.all), func(g received) bool { return g.path != path })
}

// wait waits until what came to a path is enough.
func (r *receiver) wait(t *testing.T, what, path string, enough func([]received) bool) []received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxJob)
	defer cancel()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		got := r.at(path)
		if enough(got) {
			return got
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s: got %d events: %+v", what, len(got), got)
		}
	}
}

// statuses are those of the events of a job, in the order in which they came.
func statuses(got []received, job string) []string {
	var out []string
	for _, g := range got {
		if job == "" || g.detail["jobId"] == job {
			out = append(out, fmt.Sprint(g.detail["status"]))
		}
	}
	return out
}

// ended says whether the last event of a job has come.
func ended(job string) func([]received) bool {
	return func(got []received) bool {
		return slices.ContainsFunc(got, func(g received) bool {
			return g.detail["jobId"] == job && slices.Contains([]string{"COMPLETE", "ERROR", "CANCELED"}, fmt.Sprint(g.detail["status"]))
		})
	}
}

// bus is a client of the API of events, as a profile of the credentials.
func (s *server) bus(profile string) *eventbridge.Client {
	return eventbridge.NewFromConfig(s.configOf(profile))
}

// listen sets up what sends events to the path of the receiver that a name says.
func listen(t *testing.T, c *eventbridge.Client, r *receiver, name, pattern string) {
	t.Helper()
	connection, err := c.CreateConnection(t.Context(), &eventbridge.CreateConnectionInput{
		Name: &name, AuthorizationType: types.ConnectionAuthorizationTypeApiKey,
		AuthParameters: &types.CreateConnectionAuthRequestParameters{ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: aws.String("X-Key"), ApiKeyValue: aws.String("secret-" + name)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	destination, err := c.CreateApiDestination(t.Context(), &eventbridge.CreateApiDestinationInput{
		Name: &name, ConnectionArn: connection.ConnectionArn, HttpMethod: types.ApiDestinationHttpMethodPost, InvocationEndpoint: aws.String(r.URL + "/" + name),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern}); err != nil {
		t.Fatal(err)
	}
	out, err := c.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &name, Targets: []types.Target{{Id: aws.String("one"), Arn: destination.ApiDestinationArn}}})
	if err != nil || out.FailedEntryCount != 0 {
		t.Fatalf("put targets: %+v, %v", out, err)
	}
}

const jobEvents = `{"source":["aws.mediaconvert"],"detail-type":["MediaConvert Job State Change"]}`

// TestEvents: what the AWS CLI sets up brings every event of a job to a web server: in order, field by field as documented, and over kill -9 of the server.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := serveConfig(t, r.config(""))
	p := s.admin()
	// The four commands of docs/events.md.
	connection := p.aws("events", "create-connection", "--name", "all", "--authorization-type", "API_KEY", "--auth-parameters",
		`{"ApiKeyAuthParameters":{"ApiKeyName":"X-Key","ApiKeyValue":"secret-all"}}`, "--query", "ConnectionArn")
	destination := p.aws("events", "create-api-destination", "--name", "all", "--connection-arn", connection, "--http-method", "POST", "--invocation-endpoint", r.URL+"/all", "--query", "ApiDestinationArn")
	p.aws("events", "put-rule", "--name", "all", "--event-pattern", jobEvents)
	if got := p.aws("events", "put-targets", "--rule", "all", "--targets", `[{"Id":"one","Arn":"`+destination+`","RoleArn":"`+role+`"}]`, "--query", "FailedEntryCount"); got != "0" {
		t.Fatalf("put-targets: %s failed", got)
	}
	c := s.bus("admin")
	listen(t, c, r, "failed", `{"source":["aws.mediaconvert"],"detail":{"status":["ERROR"]}}`)
	made, err := c.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("failed")})
	if err != nil {
		t.Fatal(err)
	}
	made.Targets[0].InputTransformer = &types.InputTransformer{
		InputPathsMap: map[string]string{"job": "$.detail.jobId", "code": "$.detail.errorCode"}, InputTemplate: aws.String(`{"job": <job>, "text": "job <job> failed with <code>"}`),
	}
	if _, err := c.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("failed"), Targets: made.Targets}); err != nil {
		t.Fatal(err)
	}
	s.upload("films", "in/clip.mp4", clip(t, 4))

	id := s.submit(strings.TrimSuffix(job(settings("s3://films/in/clip.mp4", "s3://films/out")), "}") + `, "UserMetadata": {"ticket": "42"}}`)
	got := r.wait(t, "a job that completes", "/all", ended(id))
	if d := cmp.Diff([]string{"PROGRESSING", "INPUT_INFORMATION", "COMPLETE"}, statuses(got, id)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	for _, g := range got {
		e := g.event
		if e.Version != "0" || e.DetailType != "MediaConvert Job State Change" || e.Source != "aws.mediaconvert" || e.Account != account || e.Region != "us-east-1" || len(e.ID) != 36 || g.id != e.ID ||
			!slices.Equal(e.Resources, []string{"arn:aws:mediaconvert:us-east-1:" + account + ":jobs/" + id}) || g.key != "secret-all" {
			t.Errorf("envelope: %s", g.body)
		}
		if g.detail["accountId"] != account || g.detail["queue"] != "arn:aws:mediaconvert:us-east-1:"+account+":queues/Default" ||
			!cmp.Equal(g.detail["userMetadata"], map[string]any{"ticket": "42"}) || g.detail["timestamp"].(float64) < 1e12 {
			t.Errorf("detail: %s", g.body)
		}
	}
	inputs := got[1].detail["inputDetails"]
	want := []any{map[string]any{
		"id": 1.0, "uri": "s3://films/in/clip.mp4",
		"video": []any{map[string]any{
			"bitDepth": 8.0, "codec": "H_264", "colorFormat": "YUV_420", "fourCC": "avc1", "frameRate": 25.0, "height": 360.0, "width": 640.0, "interlaceMode": "PROGRESSIVE", "sar": "1:1",
			"standard": "UNSPECIFIED", "streamId": 1.0,
		}},
		"audio": []any{map[string]any{"channels": 2.0, "codec": "AAC", "language": "UND", "sampleRate": 48000.0, "streamId": 2.0}},
	}}
	if d := cmp.Diff(any(want), inputs); d != "" {
		t.Errorf("inputDetails (-want +got):\n%s", d)
	}
	var complete event.CompleteDetail
	if err := json.Unmarshal(got[2].event.Detail, &complete); err != nil {
		t.Fatal(err)
	}
	groups := complete.OutputGroupDetails
	for _, g := range groups {
		if !strings.HasSuffix(g.Type, "_GROUP") || (g.Type == "HLS_GROUP") != (len(g.PlaylistFilePaths) > 0) {
			t.Errorf("group: %+v", g)
		}
		for _, o := range g.OutputDetails {
			if len(o.OutputFilePaths) == 0 || o.DurationInMs < 3900 || o.DurationInMs > 4200 || o.VideoDetails != nil && (o.VideoDetails.WidthInPx == 0 || o.VideoDetails.HeightInPx == 0) {
				t.Errorf("output: %+v", o)
			}
		}
	}
	if len(groups) == 0 {
		t.Errorf("no output groups: %s", got[2].body)
	}
	if others := r.at("/failed"); len(others) != 0 {
		t.Errorf("the rule of failures has %+v", others)
	}

	// A job that fails.
	bad := s.submit(job(settings("s3://films/in/none.mp4", "s3://films/out")))
	failed := r.wait(t, "a job that fails", "/failed", func(got []received) bool { return len(got) > 0 })
	if want := `{"job": "` + bad + `", "text": "job ` + bad + ` failed with `; !strings.HasPrefix(failed[0].body, want) {
		t.Errorf("transformed: %s, want %s…", failed[0].body, want)
	}
	all := r.wait(t, "a job that fails", "/all", ended(bad))
	if d := cmp.Diff([]string{"PROGRESSING", "ERROR"}, statuses(all, bad)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if last := all[len(all)-1].detail; last["errorCode"].(float64) < 1000 || last["errorMessage"] == "" {
		t.Errorf("error: %v", last)
	}

	// The receiver is away while jobs end and the server is killed twice: nothing is lost, and the order of each job is kept.
	r.answers("/all", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s.upload("films", "in/short.mp4", clip(t, 1))
	var ids []string
	for range 4 {
		ids = append(ids, s.submit(job(short("s3://films/in/short.mp4", "s3://films/killed"))))
	}
	s.kill()
	for _, id := range ids {
		s.until(id, final)
	}
	s.kill()
	r.mu.Lock()
	r.all = nil
	delete(r.answer, "/all")
	r.mu.Unlock()
	for _, id := range ids {
		got := r.wait(t, "after a kill", "/all", ended(id))
		seen := map[string]bool{}
		var first []string // without repetitions, which have the same id
		for _, g := range got {
			if g.detail["jobId"] == id && !seen[g.event.ID] {
				seen[g.event.ID] = true
				first = append(first, fmt.Sprint(g.detail["status"]))
			}
		}
		if d := cmp.Diff([]string{"PROGRESSING", "INPUT_INFORMATION", "COMPLETE"}, first); d != "" {
			t.Errorf("events of %s after a kill (-want +got):\n%s", id, d)
		}
	}

	// The secret is shown to nobody but the receiver.
	shown, err := s.bus("admin").DescribeConnection(t.Context(), &eventbridge.DescribeConnectionInput{Name: aws.String("all")})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(shown); strings.Contains(s.log.String(), "secret-all") || strings.Contains(string(text), "secret-all") || *shown.AuthParameters.ApiKeyAuthParameters.ApiKeyName != "X-Key" {
		t.Errorf("the connection is shown as %s", text)
	}
}

// TestEventRules: a target that hangs holds up no other, a rule that is off sends nothing, one that is removed neither, and accounts do not see each other.
func TestEventRules(t *testing.T) {
	t.Parallel()
	const other = "222233334444"
	r := newReceiver(t)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	r.answers("/hangs", func(_ http.ResponseWriter, q *http.Request) {
		select {
		case <-hang:
		case <-q.Context().Done():
		}
	})
	s := serveConfig(t, r.config(fmt.Sprintf("accounts: [{id: %q}]\n", other)))
	c, q := s.bus("admin"), s.bus(other+"-admin")
	ctx := t.Context()
	const mine = `{"source":["com.example"]}`
	for _, name := range []string{"hangs", "works", "off"} {
		listen(t, c, r, name, mine)
	}
	listen(t, q, r, "other", mine)
	if _, err := c.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: aws.String("off")}); err != nil {
		t.Fatal(err)
	}
	put := func(by *eventbridge.Client, n int) string {
		t.Helper()
		out, err := by.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
			Source: aws.String("com.example"), DetailType: aws.String("kind"), Detail: aws.String(fmt.Sprintf(`{"n":%d}`, n)), Resources: []string{"arn:aws:s3:::films"},
		}}})
		if err != nil || out.FailedEntryCount != 0 {
			t.Fatalf("put events: %+v, %v", out, err)
		}
		return *out.Entries[0].EventId
	}
	id := put(c, 1)
	put(q, 2)
	got := r.wait(t, "of this account", "/works", func(got []received) bool { return len(got) > 0 })
	if e := got[0].event; e.ID != id || e.Source != "com.example" || e.DetailType != "kind" || e.Account != account || !slices.Equal(e.Resources, []string{"arn:aws:s3:::films"}) || got[0].detail["n"] != 1.0 {
		t.Errorf("event: %s", got[0].body)
	}
	got = r.wait(t, "of another account", "/other", func(got []received) bool { return len(got) > 0 })
	if len(got) != 1 || got[0].event.Account != other || got[0].detail["n"] != 2.0 {
		t.Errorf("events: %+v", got)
	}
	for n := range 20 {
		put(c, 10+n)
	}
	r.wait(t, "beside one that hangs", "/works", func(got []received) bool { return len(got) == 21 })
	if n := len(r.at("/off")); n != 0 {
		t.Errorf("a rule that is off has sent %d events", n)
	}
	if _, err := c.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: aws.String("off")}); err != nil {
		t.Fatal(err)
	}
	put(c, 100)
	if got := r.wait(t, "on again", "/off", func(got []received) bool { return len(got) > 0 }); got[0].detail["n"] != 100.0 {
		t.Errorf("events: %+v", got)
	}
	if others := r.at("/other"); len(others) != 1 {
		t.Errorf("the other account has events of this one: %+v", others)
	}
	out, err := c.ListRules(ctx, &eventbridge.ListRulesInput{})
	if err != nil || len(out.Rules) != 3 {
		t.Errorf("rules of this account: %+v, %v", out, err)
	}
}

// TestEventProgress: STATUS_UPDATE and CANCELED.
func TestEventProgress(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := serveConfig(t, r.config(""))
	listen(t, s.bus("admin"), r, "all", jobEvents)
	s.upload("films", "in/long.mp4", clip(t, 180))
	id := s.submit(strings.TrimSuffix(job(settings("s3://films/in/long.mp4", "s3://films/out")), "}") + `, "StatusUpdateInterval": "SECONDS_10"}`)
	got := r.wait(t, "a job that says how far it is", "/all", func(got []received) bool {
		return slices.Contains(statuses(got, id), "STATUS_UPDATE") || ended(id)(got)
	})
	s.aws("mediaconvert", "cancel-job", "--id", id)
	at := slices.Index(statuses(got, id), "STATUS_UPDATE")
	if at < 0 {
		t.Fatalf("events: %v", statuses(got, id))
	}
	var update struct {
		FramesDecoded int
		JobProgress   struct {
			PhaseProgress                  map[string]struct{ Status string }
			JobPercentComplete, RetryCount int
			CurrentPhase                   string
		}
	}
	if err := json.Unmarshal(got[at].event.Detail, &update); err != nil {
		t.Fatal(err)
	}
	if p := update.JobProgress; update.FramesDecoded <= 0 || p.CurrentPhase != "TRANSCODING" || p.JobPercentComplete <= 0 || p.JobPercentComplete >= 100 || p.PhaseProgress["PROBING"].Status != "COMPLETE" || p.PhaseProgress["TRANSCODING"].Status != "PROGRESSING" {
		t.Errorf("how far it is: %s", got[at].body)
	}
	got = r.wait(t, "a job that is canceled", "/all", ended(id))
	all := statuses(got, id)
	if all[0] != "PROGRESSING" || all[len(all)-1] != "CANCELED" {
		t.Errorf("events: %v", all)
	}
	if _, ok := got[len(got)-1].detail["errorCode"]; ok || time.Since(got[len(got)-1].event.Time) > time.Hour {
		t.Errorf("canceled: %s", got[len(got)-1].body)
	}
}
