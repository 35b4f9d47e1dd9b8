package metric

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"darkroom/internal/event"
	"darkroom/internal/gateway"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

const queue = "arn:aws:mediaconvert:us-east-1:111122223333:queues/Default"

var began = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// records are what a Set reads at a scrape.
type records struct {
	queues  []store.QueueBacklog
	events  int
	oldest  time.Time
	trail   time.Duration
	targets map[string]time.Time
	err     error
}

func (r records) QueueBacklogs(context.Context, int, int) ([]store.QueueBacklog, error) {
	return r.queues, r.err
}

func (r records) OutboxBacklog(context.Context, int) (int, time.Time, error) {
	return r.events, r.oldest, r.err
}

func (r records) TrailBacklog(context.Context, time.Time) (time.Duration, int, error) {
	return r.trail, 1, r.err
}

func (r records) OldestDelivery(context.Context) (map[string]time.Time, error) {
	return r.targets, r.err
}

// full is a set of which every metric has something to say.
func full(t *testing.T) *Set {
	t.Helper()
	s := New("1.2.3")
	from := records{
		queues: []store.QueueBacklog{{Queue: queue, Waiting: 3, Running: 1, Oldest: began.Add(-time.Minute)}}, events: 2, oldest: began.Add(-time.Second),
		trail: 5 * time.Second, targets: map[string]time.Time{"webhook": began.Add(-2 * time.Second)},
	}
	s.Read(Sources{Backlog: from, Trails: from, Deliveries: from, Now: func() time.Time { return began }})
	s.Requested(gateway.Exchange{Service: "mediaconvert", Operation: "CreateJob", Status: 400, Reason: "Invalid", Took: 20 * time.Millisecond, BytesIn: 10, BytesOut: 20})
	j := &job.Job{Queue: queue, Status: job.Complete, Submitted: began, Started: began.Add(2 * time.Second), Finished: began.Add(12 * time.Second)}
	s.Submitted(j)
	s.Claimed(lease.Attempt{Job: j, Claimed: j.Started, Number: 1})
	s.Measured(lease.Measured{Read: 7, Written: 8, Dropped: 1, Steps: []lease.Step{
		{Kind: lease.StepTranscode, Began: began, Ended: began.Add(time.Second), Failed: true, Cause: lease.CauseMemory}, {Kind: "made up", Failed: true, Cause: "made up"},
	}})
	s.Released(lease.Lost)
	s.Ended(j, lease.Result{Measured: lease.Measured{Media: 20 * time.Second, Transcoding: 5 * time.Second}, EventDetails: groupsOf(t, `[{"outputDetails":[
		{"durationInMs":1000},{"durationInMs":2000,"videoDetails":{"widthInPx":640,"heightInPx":360,"averageBitrate":800000}},
		{"durationInMs":3000,"videoDetails":{"widthInPx":1080,"heightInPx":1920,"averageBitrate":8000000}},
		{"durationInMs":4000,"videoDetails":{"widthInPx":3840,"heightInPx":2160}},{"durationInMs":5000,"videoDetails":{"widthInPx":7680,"heightInPx":4320}}]}]`)})
	s.Ended(&job.Job{Queue: queue, Status: job.Errored}, lease.Result{})
	s.Ended(&job.Job{Queue: queue, Status: job.Canceled}, lease.Result{})
	s.Dialled("input", "connected")
	s.AskedForKeys(time.Second, errors.New("no"))
	s.Committed(store.Commit{Changes: 3, Records: 2, Took: time.Millisecond})
	s.Committed(store.Commit{Changes: 1, Failed: true})
	s.Committed(store.Commit{Index: errors.New("no room")})
	s.WorkerUp(true)
	s.WorkerRestarted()
	s.Spans(SpansDropped, 4)
	s.EventDelivered("webhook", "delivered")
	return s
}

// gathered are the families of a set, by name.
func gathered(t *testing.T, s *Set) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := s.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range families {
		out[f.GetName()] = f
	}
	return out
}

// value is that of the metric of a family with labels, in the order of its names; of a histogram its sum.
func value(t *testing.T, s *Set, name string, labels ...string) float64 {
	t.Helper()
	f := gathered(t, s)[name]
	for _, m := range f.GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetValue())
		}
		if slices.Equal(have, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
		}
	}
	t.Errorf("there is no %s %q", name, labels)
	return -1
}

// TestTable: what is scraped is what the table says, all of it, and nothing else.
func TestTable(t *testing.T) {
	t.Parallel()
	have := gathered(t, full(t))
	names := map[string]bool{}
	for _, d := range Table {
		if names[d.Name] {
			t.Errorf("%s is twice in the table", d.Name)
		}
		names[d.Name] = true
		f := have[d.Name]
		if f == nil {
			t.Errorf("%s is not scraped", d.Name)
			continue
		}
		if got := strings.ToLower(f.GetType().String()); got != string(d.Type) || f.GetHelp() != d.Help {
			t.Errorf("%s is a %s: %s", d.Name, got, f.GetHelp())
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if want := slices.Sorted(slices.Values(d.Labels)); !slices.Equal(labels, want) {
			t.Errorf("%s has the labels %q, the table says %q", d.Name, labels, want)
		}
		if d.Unit == "" || d.CloudWatch != "" && d.Dimension == "" {
			t.Errorf("%s lacks a unit or a dimension", d.Name)
		}
	}
	for name := range have {
		if !names[name] && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s is not in the table", name)
		}
	}
	// The user guide's list.
	all := strings.Fields(`Errors AudioOutputDuration SDOutputDuration HDOutputDuration UHDOutputDuration 8KOutputDuration JobsCompletedCount JobsCanceled JobsErroredCount
		StandbyTime TranscodingTime BlackVideoDetected BlackVideoDetectedRatio LongestBlackSegmentDetected VideoPaddingInserted VideoPaddingInsertedRatio AvgBitrateTop
		AvgBitrateBottom QVBRAvgQualityHighBitrate QVBRAvgQualityLowBitrate QVBRMinQualityHighBitrate QVBRMinQualityLowBitrate`)
	var told []string
	for _, d := range Table {
		if d.CloudWatch != "" {
			told = append(told, d.CloudWatch)
		}
	}
	for _, n := range NotOffered {
		told = append(told, n.CloudWatch)
	}
	slices.Sort(told)
	slices.Sort(all)
	if d := cmp.Diff(all, told); d != "" {
		t.Errorf("MediaConvert's metrics (-guide +table):\n%s", d)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	s := full(t)
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"mediaconvert_errors_total", []string{"CreateJob"}, 1},
		{"mediaconvert_audio_output_duration_seconds_total", []string{queue}, 1},
		{"mediaconvert_sd_output_duration_seconds_total", []string{queue}, 2},
		{"mediaconvert_hd_output_duration_seconds_total", []string{queue}, 3},
		{"mediaconvert_uhd_output_duration_seconds_total", []string{queue}, 4},
		{"mediaconvert_8k_output_duration_seconds_total", []string{queue}, 5},
		{"mediaconvert_jobs_completed_total", []string{queue}, 1},
		{"mediaconvert_jobs_errored_total", []string{queue}, 1},
		{"mediaconvert_jobs_canceled_total", []string{queue}, 1},
		{"mediaconvert_standby_time_seconds", []string{queue}, 2},
		{"mediaconvert_transcoding_time_seconds", []string{queue}, 10},
		{"mediaconvert_avg_bitrate_top_bytes_per_second", []string{queue}, 1_000_000},
		{"mediaconvert_avg_bitrate_bottom_bytes_per_second", []string{queue}, 100_000},
		{"darkroom_requests_total", []string{"4xx", "CreateJob", "mediaconvert"}, 1},
		{"darkroom_refusals_total", []string{"Invalid", "mediaconvert"}, 1},
		{"darkroom_request_bytes_total", []string{"in", "mediaconvert"}, 10},
		{"darkroom_queue_depth", []string{queue}, 3},
		{"darkroom_queue_running", []string{queue}, 1},
		{"darkroom_queue_oldest_age_seconds", []string{queue}, 60},
		{"darkroom_job_real_time_factor", nil, 4},
		{"darkroom_lease_ends_total", []string{"lost"}, 1},
		{"darkroom_step_duration_seconds", []string{"transcode"}, 1},
		{"darkroom_step_failures_total", []string{"transcode"}, 1},
		{"darkroom_sandbox_failures_total", []string{"memory"}, 1},
		{"darkroom_media_bytes_total", []string{"written"}, 8},
		{"darkroom_audit_records_total", nil, 2},
		{"darkroom_store_commit_changes", nil, 3},
		{"darkroom_store_commit_failures_total", nil, 1},
		{"darkroom_audit_index_failures_total", nil, 1},
		{"darkroom_outbox_oldest_age_seconds", nil, 1},
		{"darkroom_trail_lag_seconds", nil, 5},
		{"darkroom_trails_failing", nil, 1},
		{"darkroom_event_delivery_oldest_age_seconds", []string{"webhook"}, 2},
		{"darkroom_key_request_failures_total", nil, 1},
		{"darkroom_spans_total", []string{"dropped"}, 4},
	} {
		if got := value(t, s, tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s %q: got %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
}

// TestStandbyOnce: a job that is begun again has waited for its start once.
func TestStandbyOnce(t *testing.T) {
	t.Parallel()
	s := New("x")
	j := &job.Job{Queue: queue, Submitted: began, Started: began.Add(time.Second)}
	s.Claimed(lease.Attempt{Job: j, Claimed: j.Started, Number: 1})
	s.Claimed(lease.Attempt{Job: j, Claimed: j.Started.Add(time.Hour), Number: 2})
	if got := value(t, s, "mediaconvert_standby_time_seconds", queue); got != 1 {
		t.Errorf("got %v seconds, want 1", got)
	}
}

// TestBounded: however many queues, operations and reasons there are, and whatever a worker says, there is a bound to what is scraped.
func TestBounded(t *testing.T) {
	t.Parallel()
	s := New("x")
	for i := range MaxOperations + 50 {
		e := gateway.Exchange{Service: "s3", Operation: fmt.Sprintf("Operation%d", i), Status: 200, Reason: fmt.Sprintf("Reason%d", i)}
		s.Requested(e)
		s.Requested(e)
		s.Submitted(&job.Job{Queue: fmt.Sprintf("%s%d", queue, i)})
		s.EventDelivered(fmt.Sprintf("target%d", i), "failed")
	}
	s.Requested(gateway.Exchange{Status: 99999})
	s.Requested(gateway.Exchange{Status: -1, Took: -1, BytesIn: -1, BytesOut: -1})
	have := gathered(t, s)
	for name, most := range map[string]int{
		"darkroom_requests_total": MaxOperations + 3, "darkroom_request_duration_seconds": MaxOperations + 2, "darkroom_jobs_submitted_total": MaxQueues + 1,
		"darkroom_refusals_total": MaxReasons + 1, "darkroom_event_deliveries_total": MaxTargets + 1,
	} {
		if got := len(have[name].GetMetric()); got > most {
			t.Errorf("%s: %d series, want at most %d", name, got, most)
		}
	}
	if got := value(t, s, "darkroom_requests_total", "2xx", other, "s3"); got != 100 {
		t.Errorf("%v requests of other operations, want 100", got)
	}
	if got := value(t, s, "darkroom_jobs_submitted_total", other); got != MaxOperations+50-MaxQueues {
		t.Errorf("%v jobs of other queues", got)
	}
	if got := value(t, s, "darkroom_label_overflow_total", "target"); got != MaxOperations+50-MaxTargets {
		t.Errorf("%v overflows of targets", got)
	}
	if len(s.requests) > MaxOperations+2 {
		t.Errorf("%d kinds of requests are kept", len(s.requests))
	}
}

// TestSourceFails: what cannot be read is missing, the rest is there, and the failure is counted.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	s := New("x")
	s.Submitted(&job.Job{Queue: queue})
	broken := records{err: errors.New("the records do not answer")}
	s.Read(Sources{Backlog: broken, Trails: broken, Deliveries: broken})
	have := gathered(t, s)
	for name := range scraped {
		if have[name] != nil {
			t.Errorf("%s is there", name)
		}
	}
	for _, source := range []string{"backlog", "outbox", "trails", "deliveries"} {
		if got := value(t, s, "darkroom_scrape_failures_total", source); got < 1 {
			t.Errorf("failures of %s: %v", source, got)
		}
	}
}

// TestEmptyQueue: a queue that was heard of and has nothing is 0, not absent.
func TestEmptyQueue(t *testing.T) {
	t.Parallel()
	s := New("x")
	s.Submitted(&job.Job{Queue: queue})
	s.Read(Sources{Backlog: records{}})
	if got := value(t, s, "darkroom_queue_depth", queue); got != 0 {
		t.Errorf("depth %v", got)
	}
}

// groupsOf are the groups of an event, as a worker says them.
func groupsOf(t *testing.T, text string) (out []event.OutputGroup) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNonsense: what a worker says of outputs that cannot be counts for nothing.
func TestNonsense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"null", "[]", "[{}]", `[{"outputDetails":[{"durationInMs":-5}]}]`} {
		s := New("x")
		s.Submitted(&job.Job{Queue: queue})
		s.Ended(&job.Job{Queue: queue, Status: job.Complete}, lease.Result{EventDetails: groupsOf(t, text)})
		if got := value(t, s, "mediaconvert_audio_output_duration_seconds_total", queue); got != 0 {
			t.Errorf("%q: %v seconds", text, got)
		}
	}
}

// TestPromtool: the names are as Prometheus asks, in its own judgment.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is not installed")
		}
		t.Skip("promtool is not installed")
	}
	srv := httptest.NewServer((&Server{Set: full(t), Log: slog.New(slog.DiscardHandler)}).Handler())
	t.Cleanup(srv.Close)
	answer, err := srv.Client().Get(srv.URL + Path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = answer.Body
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	token := func() (secret.Bytes, error) { return secret.New([]byte("hush-hush")), nil }
	broken := func() (secret.Bytes, error) { return secret.Bytes{}, errors.New("no file") }
	empty := func() (secret.Bytes, error) { return secret.Bytes{}, nil }
	for _, tt := range []struct {
		name, method, path, host, authorization string
		token                                   func() (secret.Bytes, error)
		want                                    int
	}{
		{"the metrics", "GET", "/metrics", "127.0.0.1:1", "", nil, 200},
		{"their head", "HEAD", "/metrics", "[::1]:1", "", nil, 200},
		{"by localhost", "GET", "/metrics", "localhost:1", "", nil, 200},
		{"by the name of a page", "GET", "/metrics", "evil.example:1", "", nil, 421},
		{"by no name", "GET", "/metrics", "", "", nil, 421},
		{"another path", "GET", "/", "127.0.0.1:1", "", nil, 404},
		{"below it", "GET", "/metrics/x", "127.0.0.1:1", "", nil, 404},
		{"another method", "POST", "/metrics", "127.0.0.1:1", "", nil, 405},
		{"with the token", "GET", "/metrics", "metrics.example", "Bearer hush-hush", token, 200},
		{"in another case of the scheme", "GET", "/metrics", "metrics.example", "bearer hush-hush", token, 200},
		{"without the token", "GET", "/metrics", "127.0.0.1:1", "", token, 401},
		{"with another token", "GET", "/metrics", "127.0.0.1:1", "Bearer hush-hus", token, 401},
		{"with a longer token", "GET", "/metrics", "127.0.0.1:1", "Bearer hush-hush ", token, 401},
		{"with the token as a password", "GET", "/metrics", "127.0.0.1:1", "Basic hush-hush", token, 401},
		{"with a token that cannot be read", "GET", "/metrics", "127.0.0.1:1", "Bearer ", broken, 401},
		{"with a token that is empty", "GET", "/metrics", "127.0.0.1:1", "Bearer ", empty, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			h := (&Server{Set: New("x"), Token: tt.token, Log: slog.New(slog.NewTextHandler(&log, nil))}).Handler()
			r := httptest.NewRequest(tt.method, tt.path, nil)
			r.Host = tt.host
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body, _ := io.ReadAll(w.Body)
			if w.Code != tt.want || tt.want != http.StatusOK && bytes.Contains(body, []byte("darkroom_")) {
				t.Errorf("got %d %.100q, want %d", w.Code, body, tt.want)
			}
			if bytes.Contains(log.Bytes(), []byte("hush")) {
				t.Errorf("the log shows the token: %s", log.String())
			}
		})
	}
}

// TestDocument: docs/metrics.md says what the table says. go test ./internal/metric -run Document -update writes it.
func TestDocument(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "metrics.md")
	want := Document()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/metrics.md is not what the table says: run go test ./internal/metric -run Document -update")
	}
}

// TestRequestedAllocates: a request of a kind that was seen costs no memory.
func TestRequestedAllocates(t *testing.T) {
	s := New("x")
	e := gateway.Exchange{Service: "mediaconvert", Operation: "CreateJob", Status: 201, Took: time.Millisecond}
	s.Requested(e)
	if n := testing.AllocsPerRun(100, func() { s.Requested(e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRequested(b *testing.B) {
	s := New("x")
	e := gateway.Exchange{Service: "mediaconvert", Operation: "CreateJob", Status: 201, Took: time.Millisecond, BytesIn: 1000, BytesOut: 1000}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			s.Requested(e)
		}
	})
}
