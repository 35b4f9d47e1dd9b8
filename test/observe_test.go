package test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// telescope is a collector of traces: it takes the official messages of OTLP over HTTP.
type telescope struct {
	mu     sync.Mutex // guards what follows
	spans  []*tracepb.Span
	faults []string
}

func (c *telescope) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var m otlp.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &m)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.faults = append(c.faults, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header, " ", err))
	}
	for _, of := range m.ResourceSpans {
		for _, in := range of.ScopeSpans {
			c.spans = append(c.spans, in.Spans...)
		}
	}
	answer, _ := proto.Marshal(&otlp.ExportTraceServiceResponse{})
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func attribute(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// ofJob are the spans of a job and of the call that created it, once its last has come.
func (c *telescope) ofJob(s *server, id string) []*tracepb.Span {
	s.t.Helper()
	var out []*tracepb.Span
	s.eventually("the end of the trace of "+id, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		var trace []byte
		for _, span := range c.spans {
			if span.Name == "job" && attribute(span, "darkroom.job.id") == id {
				trace = span.TraceId
			}
		}
		out = slices.DeleteFunc(slices.Clone(c.spans), func(span *tracepb.Span) bool { return !bytes.Equal(span.TraceId, trace) })
		return trace != nil && slices.ContainsFunc(out, func(span *tracepb.Span) bool { return strings.HasPrefix(span.Name, "mediaconvert/") })
	})
	return out
}

// tree counts spans by their name and their parent's; a parent that is not there is "missing".
func tree(spans []*tracepb.Span) map[string]int {
	names := map[string]string{"": "nothing"}
	for _, s := range spans {
		names[string(s.SpanId)] = s.Name
	}
	out := map[string]int{}
	for _, s := range spans {
		above, ok := names[string(s.ParentSpanId)]
		if !ok {
			above = "missing"
		}
		out[s.Name+" below "+above]++
	}
	return out
}

// observed starts a server with metrics and traces. more are keys of its configuration, in YAML.
func observed(t *testing.T, more string) (*server, *telescope, string) {
	t.Helper()
	c := new(telescope)
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	t.Cleanup(func() {
		if len(c.faults) > 0 {
			t.Errorf("what was sent is no OTLP: %v", c.faults)
		}
	})
	port := srv.Listener.Addr().(*net.TCPAddr).Port
	file := filepath.Join(t.TempDir(), "darkroom.yaml")
	text := fmt.Sprintf("metrics: {listen: '127.0.0.1:0'}\ntraces: {endpoint: '%s'%s}\negress: {allow: [{net: 127.0.0.1/32, ports: [%d], for: [telemetry]}]}\n", srv.URL, more, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--config", file)
	return s, c, s.metricsURL()
}

var metricsLine = regexp.MustCompile(`"msg":"metrics","url":"([^"]+)"`)

// metricsURL is where the last start of the server has put its metrics.
func (s *server) metricsURL() string {
	s.t.Helper()
	all := metricsLine.FindAllStringSubmatch(s.log.String(), -1)
	if len(all) == 0 {
		s.t.Fatalf("no metrics in the log:\n%s", s.log.String())
	}
	return all[len(all)-1][1]
}

func scrape(t *testing.T, at string) string {
	t.Helper()
	answer, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	return string(text)
}

// prometheus is a running Prometheus.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus has a Prometheus of its own scrape a target each half second, with the alerts of the examples.
func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	program := need(t, "prometheus")
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := filepath.Abs("../docs/examples/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 500ms, evaluation_interval: 1s}\nrule_files: [%s]\nscrape_configs:\n  - {job_name: darkroom, static_configs: [{targets: [%q]}]}\n", alerts, u.Host)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	var log lockedBuffer
	cmd := exec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus's log:\n%s", log.String())
		}
	})
	p := &prometheus{t, "http://" + address}
	for deadline := time.Now().Add(time.Minute); ; {
		answer, err := http.Get(p.url + "/-/ready")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Prometheus is not ready: %v\n%s", err, log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// get asks the API of Prometheus.
func (p *prometheus) get(path string, form url.Values, out any) error {
	answer, err := http.PostForm(p.url+path, form)
	if form == nil {
		answer, err = http.Get(p.url + path)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var all struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &all); err != nil || all.Status != "success" {
		return fmt.Errorf("%s: %s %v", path, all.Error, err)
	}
	return json.Unmarshal(all.Data, out)
}

// query evaluates an expression now, and returns how many series it gives.
func (p *prometheus) query(expr string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := p.get("/api/v1/query", url.Values{"query": {expr}}, &data)
	return len(data.Result), err
}

// board is what of a board is evaluated.
type board struct {
	Panels []struct {
		Title   string
		Type    string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

// empty are the panels that may have nothing to show after one job that succeeds and one call that fails, and why.
var empty = map[string]string{
	"Connections denied or failed": "none is", "Deliveries of events": "no rule is made",
}

// TestObserved: a job that a user submits is seen, from the call to its end, in the metrics of a real Prometheus, in every panel of the board, and in one trace.
func TestObserved(t *testing.T) {
	t.Parallel()
	need(t, "prometheus")
	promtool := need(t, "promtool")
	s, c, at := observed(t, ", object_names: false")
	p := startPrometheus(t, at)
	s.upload("films", "in/hush.mp4", clip(t, 2))
	id := s.submit(job(settings("s3://films/in/hush.mp4", "s3://films/out/")))
	s.finish(id)
	if _, err := s.mediaconvert().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: aws.String("1515368087458-qnoxtd")}); err == nil {
		t.Error("a job that is not there was found")
	}

	t.Run("trace", func(t *testing.T) {
		spans := c.ofJob(s, id)
		got := tree(spans)
		for name, n := range map[string]int{
			"mediaconvert/CreateJob below nothing": 1, "submit below mediaconvert/CreateJob": 1, "wait below submit": 1, "lease below submit": 1, "job below submit": 1,
			"probe below lease": 1, "plan below lease": 1, "transcode below lease": 1, "package below lease": 1, "finish below lease": 1,
		} {
			if got[name] != n {
				t.Errorf("%s: %d times, want %d", name, got[name], n)
			}
			delete(got, name)
		}
		if got["upload below lease"] < 3 {
			t.Errorf("%d uploads", got["upload below lease"])
		}
		delete(got, "upload below lease")
		if len(got) > 0 {
			t.Errorf("more spans: %v", got)
		}
		for _, span := range spans {
			if span.EndTimeUnixNano < span.StartTimeUnixNano || span.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
				t.Errorf("%s failed, or ends before it begins: %v", span.Name, span)
			}
			if strings.Contains(span.String(), "hush") || strings.Contains(span.String(), "out/") {
				t.Errorf("%s names an object: %v", span.Name, span)
			}
			if span.Name == "mediaconvert/CreateJob" && len(attribute(span, "aws.request_id")) != 36 {
				t.Errorf("the call has no request id: %v", span)
			}
		}
	})

	t.Run("metrics", func(t *testing.T) {
		text := scrape(t, at)
		queue := `queue="arn:aws:mediaconvert:us-east-1:000000000000:queues/Default"`
		for _, want := range []string{
			"mediaconvert_jobs_completed_total{" + queue + "} 1\n", "mediaconvert_jobs_errored_total{" + queue + "} 0\n", "darkroom_jobs_submitted_total{" + queue + "} 1\n",
			"mediaconvert_standby_time_seconds_count{" + queue + "} 1\n", "mediaconvert_transcoding_time_seconds_count{" + queue + "} 1\n",
			"darkroom_queue_depth{" + queue + "} 0\n", "darkroom_queue_running{" + queue + "} 0\n", `darkroom_lease_ends_total{end="finished"} 1` + "\n",
			`darkroom_requests_total{class="2xx",operation="CreateJob",service="mediaconvert"} 1` + "\n", "darkroom_worker_up 1\n", "darkroom_job_real_time_factor_count 1\n",
			`darkroom_step_duration_seconds_count{step="transcode"} 1` + "\n", `darkroom_egress_dials_total{outcome="connected",purpose="telemetry"}`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the metrics lack %s", want)
			}
		}
		for _, never := range []string{"hush", "films", id, "AKIA"} {
			if strings.Contains(text, never) {
				t.Errorf("the metrics show %q", never)
			}
		}
		check := exec.Command(promtool, "check", "metrics")
		check.Stdin = strings.NewReader(text)
		if out, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	})

	text, err := os.ReadFile("../docs/examples/grafana/darkroom.json")
	if err != nil {
		t.Fatal(err)
	}
	var b board
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	vars := strings.NewReplacer("$__rate_interval", "30s", "$__range", "5m", "$queue", ".*", "$job", ".*")
	type panel struct{ title, expr string }
	var panels []panel
	for _, g := range b.Panels {
		if (len(g.Targets) == 0) != (g.Type == "row") {
			t.Errorf("panel %q has no expression", g.Title)
		}
		for _, target := range g.Targets {
			panels = append(panels, panel{g.Title, vars.Replace(target.Expr)})
		}
	}

	t.Run("expressions", func(t *testing.T) { // every one is read by Prometheus's own parser
		var rules strings.Builder
		rules.WriteString("groups:\n- name: board\n  rules:\n")
		for i, g := range panels {
			fmt.Fprintf(&rules, "  - record: panel:%d\n    expr: %q\n", i, g.expr)
		}
		file := filepath.Join(t.TempDir(), "board.yml")
		if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{file, "../docs/examples/prometheus/alerts.yml"} {
			if out, err := exec.Command(promtool, "check", "rules", f).CombinedOutput(); err != nil {
				t.Errorf("promtool: %v\n%s", err, out)
			}
		}
		if out, err := exec.Command(promtool, "check", "config", "../docs/examples/prometheus/prometheus.yml").CombinedOutput(); err != nil {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	})

	t.Run("board", func(t *testing.T) {
		lacking := map[string]bool{}
		defer func() {
			for title := range lacking {
				t.Errorf("panel %q has no data", title)
			}
		}()
		s.eventually("data in every panel of the board", func() bool {
			clear(lacking)
			shown := map[string]int{}
			for _, g := range panels {
				n, err := p.query(g.expr)
				if err != nil {
					t.Fatal(g.title, ": ", err)
				}
				shown[g.title] += n
			}
			for title, n := range shown {
				if _, may := empty[title]; n == 0 && !may {
					lacking[title] = true
				}
			}
			return len(lacking) == 0
		})
		for _, v := range b.Templating.List {
			if name, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
				metric, label, _ := strings.Cut(strings.TrimSuffix(name, ")"), ", ")
				if n, err := p.query(fmt.Sprintf("group by (%s) (%s)", label, metric)); err != nil || n == 0 {
					t.Errorf("the variable %s has no values: %v", v.Name, err)
				}
			}
		}
	})

	t.Run("alerts", func(t *testing.T) { // all are evaluated, and a server that is well raises none
		var data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
		s.eventually("an evaluation of the alerts", func() bool {
			if err := p.get("/api/v1/rules", nil, &data); err != nil {
				t.Fatal(err)
			}
			return len(data.Groups) == 1 && !slices.ContainsFunc(data.Groups[0].Rules, func(r struct{ Name, Health, LastError, State string }) bool { return r.Health == "unknown" })
		})
		for _, r := range data.Groups[0].Rules {
			if r.Health != "ok" || r.State != "inactive" {
				t.Errorf("%s is %s, %s: %s", r.Name, r.Health, r.State, r.LastError)
			}
		}
	})
}

// TestBoardSchema: Grafana's own types take the board, strictly.
func TestBoardSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/examples/grafana/darkroom.json")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "grafana")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "grafana"
	if out, err := build.CombinedOutput(); err != nil {
		absent(t, fmt.Sprintf("the check of boards cannot be built: %v\n%s", err, out))
	}
	for name, tt := range map[string]struct {
		from, to string
		want     bool
	}{
		"as it is": {"", "", true}, "a member that is none": {`"legendFormat"`, `"legendFormatt"`, false}, "a member of another kind": {`"schemaVersion": 39`, `"schemaVersion": "x"`, false},
	} {
		cmd := exec.Command(program)
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(string(text), tt.from, tt.to))
		if tt.from == "" {
			cmd.Stdin = bytes.NewReader(text)
		}
		if out, err := cmd.CombinedOutput(); (err == nil) != tt.want {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestTracedThroughCrash: a job whose server is killed goes on in the same trace, and the lease that was cut off is in it; the counters begin anew, and count nothing
// twice.
func TestTracedThroughCrash(t *testing.T) {
	t.Parallel()
	s, c, _ := observed(t, ", object_names: true, accept_parents: true, sample: 0")
	s.upload("films", "in/long.mp4", clip(t, 40))
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	in := request(t, job(settings("s3://films/in/long.mp4", "s3://films/out/")))
	out, err := s.mediaconvert().CreateJob(t.Context(), in, func(o *mediaconvert.Options) {
		o.HTTPClient = withHeader{o.HTTPClient, "traceparent", "00-" + theirs + "-b7ad6b7169203331-01"}
	})
	if err != nil {
		t.Fatal(err)
	}
	id := aws.ToString(out.Job.Id)
	s.eventually("the spans of the call", func() bool { // they are sent before the crash; what waits to be sent is lost with it
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.spans, func(span *tracepb.Span) bool { return span.Name == "wait" })
	})
	s.eventually("an encoder", func() bool { return len(s.encoders()) > 0 })
	s.kill()
	s.finish(id)
	spans := c.ofJob(s, id)
	got := tree(spans)
	for name, n := range map[string]int{"mediaconvert/CreateJob below missing": 1, "submit below mediaconvert/CreateJob": 1, "wait below submit": 2, "lease below submit": 2, "job below submit": 1, "transcode below lease": 1} {
		if got[name] != n {
			t.Errorf("%s: %d times, want %d", name, got[name], n)
		}
	}
	for name := range got {
		if strings.HasSuffix(name, " below missing") && !strings.HasPrefix(name, "mediaconvert/") {
			t.Errorf("%s: %d times", name, got[name])
		}
	}
	ends, named := map[string]int{}, 0
	for _, span := range spans {
		if hex.EncodeToString(span.TraceId) != theirs {
			t.Errorf("%s is in the trace %x", span.Name, span.TraceId)
		}
		if end := attribute(span, "darkroom.lease.end"); end != "" {
			ends[end]++
		}
		if span.Name == "upload" && attribute(span, "aws.s3.bucket") == "films" && strings.HasPrefix(attribute(span, "aws.s3.key"), "out/") {
			named++
		}
	}
	if ends["lost"] != 1 || ends["finished"] != 1 || named == 0 {
		t.Errorf("leases ended %v, %d uploads name their objects", ends, named)
	}
	text := scrape(t, s.metricsURL())
	for _, want := range []string{`mediaconvert_jobs_completed_total{queue="arn:aws:mediaconvert:us-east-1:000000000000:queues/Default"} 1`, `darkroom_lease_ends_total{end="lost"} 1`, `darkroom_lease_ends_total{end="finished"} 1`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// withHeader adds a header to what a client sends.
type withHeader struct {
	to interface {
		Do(*http.Request) (*http.Response, error)
	}
	name, value string
}

// Do implements the HTTP client of the SDK.
func (w withHeader) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(w.name, w.value)
	return w.to.Do(r)
}

// TestMetricsListener: beside loopback, metrics are served over TLS to who shows the token, and to nobody else.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token-that-is-long-enough\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--metrics-listen", "0.0.0.0:0", "--metrics-tls", "--metrics-token-file", token)
	u, err := url.Parse(s.metricsURL())
	if err != nil {
		t.Fatal(err)
	}
	at := "https://127.0.0.1:" + u.Port() + "/metrics"
	ca := filepath.Join(s.data, "tls", "ca.pem")
	for name, tt := range map[string]struct {
		header, want string
		fails        bool
	}{
		"the token":     {"Authorization: Bearer a-token-that-is-long-enough", "darkroom_build_info", false},
		"no token":      {"X-Nothing: x", "unauthorized", false},
		"another token": {"Authorization: Bearer a-token-that-is-long-enougj", "unauthorized", false},
	} {
		out, _, err := try(t, nil, need(t, "curl"), "-s", "--cacert", ca, "-H", tt.header, at)
		if err != nil || !strings.Contains(out, tt.want) || tt.want == "unauthorized" && strings.Contains(out, "darkroom_") {
			t.Errorf("%s: %v %.200q", name, err, out)
		}
	}
	if out, _, err := try(t, nil, need(t, "curl"), "-s", "http://127.0.0.1:"+u.Port()+"/metrics"); err == nil && strings.Contains(out, "darkroom_") {
		t.Errorf("without TLS: %.200q", out)
	}
	for name, args := range map[string][]string{
		"beside loopback":      {"--metrics-listen", "0.0.0.0:0"},
		"without a token":      {"--metrics-listen", "0.0.0.0:0", "--metrics-tls"},
		"a token that is none": {"--metrics-listen", "127.0.0.1:0", "--metrics-token-file", filepath.Join(t.TempDir(), "absent")},
	} {
		if _, stderr, err := try(t, nil, binary, append([]string{"serve", "--data", filepath.Join(t.TempDir(), "d"), "--listen", "127.0.0.1:0"}, args...)...); err == nil || !strings.Contains(stderr, "metrics.") {
			t.Errorf("%s: started, or said only %q", name, stderr)
		}
	}
}
