package test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/internal/timestamp/timestamptest"
)

// query runs audit query, and returns what it prints.
func (s *server) query(args ...string) string {
	s.t.Helper()
	return run(s.t, nil, binary, append([]string{"audit", "query", "--data", s.data}, args...)...)
}

// TestAuditQuery searches the records of a server that runs, and of one that does not.
func TestAuditQuery(t *testing.T) {
	t.Parallel()
	s := serve(t)
	people := iam.NewFromConfig(s.config())
	for i := range 7 {
		if _, err := people.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new(fmt.Sprint("u", i))}); err != nil {
			t.Fatal(err)
		}
	}
	s.aws("s3", "mb", "s3://films")
	if _, err := people.GetUser(t.Context(), &iam.GetUserInput{UserName: new("nobody")}); err == nil {
		t.Fatal("nobody is there")
	}
	lines := func(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
	look := func() {
		t.Helper()
		if got := lines(s.query("--action", "iam:CreateUser", "--since", "1h", "--format", "json")); len(got) != 7 {
			t.Errorf("%d records of CreateUser, want 7", len(got))
		}
		var r struct {
			EventName    string
			UserIdentity struct{ Type, ARN string }
			RequestID    string
		}
		if err := json.Unmarshal([]byte(s.query("--action", "CreateUser", "--ascending", "--limit", "1", "--format", "json")), &r); err != nil || r.UserIdentity.Type != "Root" {
			t.Errorf("the first: %+v, %v", r, err)
		}
		if got := lines(s.query("--request-id", r.RequestID, "--principal", r.UserIdentity.ARN, "--format", "json")); len(got) != 1 || !strings.Contains(got[0], `"CreateUser"`) {
			t.Errorf("by request: %v", got)
		}
		if got := s.query("--resource", "films"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "s3:CreateBucket") {
			t.Errorf("by the name of a resource:\n%s", got)
		}
		if got := s.query("--outcome", "failed", "--service", "iam"); !strings.Contains(got, "iam:GetUser") || !strings.Contains(got, "NoSuchEntity") {
			t.Errorf("what failed:\n%s", got)
		}
		rows, err := csv.NewReader(strings.NewReader(s.query("--service", "iam", "--writes", "--format", "csv"))).ReadAll()
		if err != nil || len(rows) != 8 || rows[1][8] != "CreateUser" || rows[1][9] != "127.0.0.1" {
			t.Errorf("csv: %d rows, %v", len(rows), err)
		}
		var file struct{ Records []json.RawMessage }
		if err := json.Unmarshal([]byte(s.query("--action", "CreateUser", "--format", "cloudtrail")), &file); err != nil || len(file.Records) != 7 {
			t.Errorf("cloudtrail: %d records, %v", len(file.Records), err)
		}
		if err := json.Unmarshal([]byte(s.query("--user", "nobody", "--format", "cloudtrail")), &file); err != nil || len(file.Records) != 0 {
			t.Errorf("nothing, as cloudtrail: %d records, %v", len(file.Records), err)
		}
		if got := s.query("--user", "nobody"); got != "" {
			t.Errorf("nothing, as a table: %q", got)
		}
		for format, want := range map[string]string{"ecs": `"ecs":{"version":"8.17.0"}`, "ocsf": `"class_uid":6003`} {
			if got := s.query("--action", "CreateUser", "--format", format, "--limit", "2"); strings.Count(got, want) != 2 {
				t.Errorf("%s: %s", format, got)
			}
		}
	}
	look()
	queries := len(lines(s.query("--action", "AuditQueried", "--format", "json")))
	s.stop()
	look()
	// That it was searched is recorded, with the server and without.
	got := lines(s.query("--action", "AuditQueried", "--format", "json"))
	if len(got) <= queries || queries < 8 || !strings.Contains(got[0], "systemUser") {
		t.Errorf("%d records of searches, then %d", queries, len(got))
	}
	// A copy that nobody may write to is read all the same, and that it could not be recorded is said.
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(s.data)); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"no database": func() error { return os.Remove(filepath.Join(copied, "darkroom.db")) },
		"no database yet": func() error {
			return os.WriteFile(filepath.Join(copied, "darkroom.db"), []byte("text that is none"), 0o600)
		},
		"no server ever": func() error { return os.Remove(filepath.Join(copied, "endpoint.json")) },
	} {
		_ = os.Remove(filepath.Join(copied, "darkroom.db-wal"))
		if err := damage(); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if out, stderr, err := try(t, nil, binary, "audit", "query", "--data", copied); err == nil || out != "" || stderr == "" {
			t.Errorf("%s: %v, %q, %q", name, err, out, stderr)
		}
	}
	for _, args := range [][]string{{"--outcome", "maybe"}, {"--format", "xml"}, {"more"}, {"--since", "soon"}} {
		_, _, err := try(t, nil, binary, append([]string{"audit", "query", "--data", s.data}, args...)...)
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 {
			t.Errorf("%v: %v, want exit code 2", args, err)
		}
	}
	s.start()
}

// collector is a log collector over HTTPS.
type collector struct {
	*httptest.Server
	ca string

	mu     sync.Mutex // guards what follows
	lines  [][]byte
	status int
	tokens map[string]int
	grown  chan struct{}
}

func newLogCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{status: http.StatusOK, tokens: map[string]int{}, grown: make(chan struct{}, 1)}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tokens[r.Header.Get("Authorization")]++
		if err == nil && c.status == http.StatusOK {
			c.lines = append(c.lines, bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))...)
		}
		w.WriteHeader(c.status)
		select {
		case c.grown <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(c.Close)
	c.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *collector) port() string { return c.URL[strings.LastIndexByte(c.URL, ':')+1:] }

func (c *collector) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// until waits until the lines that have come satisfy enough, and returns them.
func (c *collector) until(t *testing.T, enough func(lines [][]byte) bool) [][]byte {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		lines := slices.Clone(c.lines)
		c.mu.Unlock()
		if enough(lines) {
			return lines
		}
		select {
		case <-c.grown:
		case <-deadline.C:
			t.Fatalf("%d lines have come, and not those that are waited for", len(lines))
		}
	}
}

// positions are the places of events of ECS in the trail.
func positions(t *testing.T, lines [][]byte) (out []int64, actions map[string]int) {
	t.Helper()
	actions = map[string]int{}
	for _, l := range lines {
		var e struct {
			Event struct {
				Sequence int64
				Action   string
			}
		}
		if err := json.Unmarshal(l, &e); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		out = append(out, e.Event.Sequence)
		actions[e.Event.Action]++
	}
	return out, actions
}

// TestFeeds: a collector over HTTPS and a file get every record, in order, none missing, though the collector is down and the server is killed in between.
func TestFeeds(t *testing.T) {
	t.Parallel()
	c := newLogCollector(t)
	dir := t.TempDir()
	token, file := filepath.Join(dir, "token"), filepath.Join(dir, "logs", "audit.ndjson")
	if err := os.WriteFile(token, []byte("only-for-a-test-run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveConfig(t, fmt.Sprintf(`
egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [webhook]}], ca_file: %s}
audit:
  feeds:
    - {name: siem, format: ecs, url: %q, token_file: %s}
    - {name: disk, format: ocsf, file: %s}
`, c.port(), c.ca, c.URL+"/in", token, file))
	people := iam.NewFromConfig(s.config())
	create := func(name string) {
		t.Helper()
		if _, err := people.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	created := func(n int) func(lines [][]byte) bool {
		return func(lines [][]byte) bool {
			_, actions := positions(t, lines)
			return actions["CreateUser"] >= n
		}
	}
	create("first")
	c.until(t, created(1))
	c.answer(http.StatusServiceUnavailable)
	for i := range 20 {
		create(fmt.Sprint("down", i))
	}
	s.kill()
	people = iam.NewFromConfig(s.config())
	create("killed")
	c.answer(http.StatusOK)
	lines := c.until(t, created(22))
	seen, last := map[int64]bool{}, int64(0)
	got, actions := positions(t, lines)
	for _, p := range got {
		if p > last+1 {
			t.Errorf("position %d came behind %d", p, last)
		}
		last = max(last, p)
		seen[p] = true
	}
	if len(seen) != int(last) || actions["Dial"] == 0 {
		t.Errorf("%d of %d records came: %v", len(seen), last, actions)
	}
	c.mu.Lock()
	if len(c.tokens) != 1 || c.tokens["Bearer only-for-a-test-run"] == 0 {
		t.Errorf("it was shown %v", c.tokens)
	}
	c.mu.Unlock()
	// An orderly stop has the file complete, up to what it was told.
	s.stop()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	users := 0
	for _, l := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var e struct {
			API struct{ Operation string } `json:"api"`
		}
		if err := json.Unmarshal(l, &e); err != nil {
			t.Errorf("%v: %s", err, l)
		}
		if e.API.Operation == "CreateUser" {
			users++
		}
	}
	if users < 22 {
		t.Errorf("the file tells of %d users, want 22", users)
	}
	s.start()
}

// TestFollow: what happens comes out of audit follow as it happens, also when the server is started anew.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.aws("s3", "mb", "s3://before")
	cmd := exec.Command(binary, "audit", "follow", "--data", s.data, "--format", "ecs")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	until := func(what string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), "arn:aws:s3:::before") {
				t.Error("what was before is printed")
			}
			if strings.Contains(lines.Text(), what) {
				return
			}
		}
		t.Fatalf("it ended before %s", what)
	}
	until(`"action":"AuditQueried"`)
	s.aws("s3", "mb", "s3://during")
	until("arn:aws:s3:::during")
	s.kill()
	s.aws("s3", "mb", "s3://after")
	until("arn:aws:s3:::after")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if exit, ok := cmd.Wait().(*exec.ExitError); !ok || exit.ExitCode() != 130 {
		t.Errorf("it ended with %v", exit)
	}
}

// TestAlerts: the use of the root and repeated denials alert once: in the trail, in the log, and in /readyz, which stays ready and names nobody.
func TestAlerts(t *testing.T) {
	t.Parallel()
	s := serveConfig(t, "audit: {alerts: [{rule: principal-denied, count: 5}, {rule: root-key-used, off: true}, {rule: egress-refused, off: true}]}\n")
	s.aws("iam", "create-user", "--user-name", "ann")
	var key struct {
		AccessKey struct{ AccessKeyID, SecretAccessKey string }
	}
	if err := json.Unmarshal([]byte(s.aws("iam", "create-access-key", "--user-name", "ann")), &key); err != nil {
		t.Fatal(err)
	}
	env := append(s.env(), "AWS_ACCESS_KEY_ID="+key.AccessKey.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+key.AccessKey.SecretAccessKey)
	for range 7 {
		if _, _, err := try(t, env, "aws", "iam", "list-users"); err == nil {
			t.Fatal("a user without policies lists users")
		}
	}
	alerts := func() string { return s.query("--action", "AuditAlert", "--format", "json", "--ascending") }
	deadline := time.Now().Add(time.Minute)
	for strings.Count(alerts(), "\n") < 2 {
		if time.Now().After(deadline) {
			t.Fatalf("alerts:\n%s", alerts())
		}
		time.Sleep(50 * time.Millisecond)
	}
	got := alerts()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, `"rule":"root-used"`) || !strings.Contains(got, `"rule":"principal-denied"`) || !strings.Contains(got, `:user/ann"`) {
		t.Errorf("alerts:\n%s", got)
	}
	resp, err := s.client().Get(s.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err = joined(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"alert root-used"`)) || bytes.Contains(body, []byte("ann")) || bytes.Contains(body, []byte("000000000000")) {
		t.Errorf("/readyz: %d %s", resp.StatusCode, body)
	}
	s.stop()
	if log := s.log.String(); strings.Count(log, `"msg":"alert"`) != 2 {
		t.Errorf("the log has %d alerts", strings.Count(log, `"msg":"alert"`))
	}
	// After a restart nothing is told again.
	s.start()
	s.aws("iam", "list-users")
	s.aws("iam", "list-users")
	if got := alerts(); strings.Count(got, "\n") != 2 {
		t.Errorf("alerts after a restart:\n%s", got)
	}
}

func joined(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestAnchor: each digest of a trail is time stamped by a real authority, beside it and in a second store with a copy of it; OpenSSL and audit stamps say that the
// time stamps hold. While the authority is down nothing is lost.
func TestAnchor(t *testing.T) {
	t.Parallel()
	tsa := timestamptest.New(t, timestamptest.Options{})
	var down atomic.Bool
	down.Store(true)
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		tsa.ServeHTTP(w, r)
	}))
	t.Cleanup(authority.Close)
	second := serve(t)
	second.aws("s3", "mb", "s3://witness")
	ca := filepath.Join(t.TempDir(), "tsa.pem")
	if err := os.WriteFile(ca, tsa.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	port := func(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }
	s := serveConfig(t, fmt.Sprintf(`
egress: {allow: [{net: 127.0.0.1/32, ports: [%s, %s], for: [anchor]}], ca_file: %s}
audit:
  delivery_period: 1s
  digest_period: 2s
  timestamp: {url: %q, ca_file: %s}
  copies: {endpoint: %q, path_style: true, credentials_file: %s, bucket: witness, prefix: site-a/}
`, port(authority.URL), port(second.url), filepath.Join(second.data, "tls", "ca.pem"), authority.URL, ca, second.url, filepath.Join(second.data, "credentials")))
	s.aws("s3", "mb", "s3://logs")
	s.aws("cloudtrail", "create-trail", "--name", "main", "--s3-bucket-name", "logs", "--enable-log-file-validation")
	s.aws("cloudtrail", "start-logging", "--name", "main")
	list := func(of *server, bucket, prefix string) []string {
		t.Helper()
		out, err := of.s3().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, o := range out.Contents {
			keys = append(keys, *o.Key)
		}
		return keys
	}
	const digests, stamps = "AWSLogs/000000000000/CloudTrail-Digest/", "AWSLogs/000000000000/CloudTrail-TimeStamp/"
	deadline := time.Now().Add(2 * time.Minute)
	until := func(what string, done func() bool) {
		t.Helper()
		for !done() {
			if time.Now().After(deadline) {
				t.Fatalf("waited for %s", what)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	until("a digest", func() bool { return len(list(s, "logs", digests)) > 0 })
	if n := len(list(s, "logs", stamps)); n > 0 {
		t.Errorf("%d time stamps by an authority that is down", n)
	}
	down.Store(false)
	until("three copies", func() bool {
		return len(list(second, "witness", "site-a/"+digests)) >= 3 && len(list(second, "witness", "site-a/"+stamps)) >= 3
	})
	s.aws("cloudtrail", "stop-logging", "--name", "main")
	for _, c := range []struct {
		of             *server
		bucket, prefix string
	}{{second, "witness", "site-a/AWSLogs/"}, {s, "logs", "AWSLogs/"}} {
		dir := t.TempDir()
		c.of.aws("s3", "sync", "s3://"+c.bucket, dir, "--quiet")
		out, stderr, err := try(t, nil, binary, "audit", "stamps", "--dir", dir, "--ca", ca)
		// The last may not be witnessed yet where a copy is made at any moment; the first are.
		if !strings.Contains(out, "are stamped, from") || err != nil && strings.Count(out, "FAULT") > strings.Count(out, "it has no time stamp") {
			t.Errorf("%s: %v\n%s%s", c.bucket, err, out, stderr)
		}
		first := list(c.of, c.bucket, c.prefix+strings.TrimPrefix(digests, "AWSLogs/"))[0]
		text, err := exec.Command("gzip", "-dc", filepath.Join(dir, first)).Output()
		if err != nil {
			t.Fatal(err)
		}
		stamped, err := filepath.Glob(filepath.Join(dir, strings.TrimSuffix(strings.Replace(first, "CloudTrail-Digest/", "CloudTrail-TimeStamp/", 1), ".json.gz")+"*.tsr"))
		if err != nil || len(stamped) == 0 {
			t.Fatalf("%s: no time stamp of %s: %v", c.bucket, first, err)
		}
		response, err := os.ReadFile(stamped[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := tsa.Check(response, text); err != nil {
			t.Errorf("%s: OpenSSL: %v", c.bucket, err)
		}
		if err := tsa.Check(response, append(text, ' ')); err == nil {
			t.Errorf("%s: OpenSSL takes it for a time stamp of anything", c.bucket)
		}
	}
	if got := s.query("--service", "egress", "--format", "json"); !strings.Contains(got, `"purpose":"anchor"`) {
		t.Errorf("the connections to witnesses are not recorded: %s", got)
	}
}
