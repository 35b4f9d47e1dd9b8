package test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"darkroom/internal/comply"
)

// complied is a report in JSON.
type complied struct {
	Summary  map[string]int `json:"summary"`
	Controls []struct {
		ID, Status, Why string
		Mend, Evidence  []string
	} `json:"controls"`
	Checks []checked `json:"checks"`
}

type checked struct {
	Check, State, Found, Mend string
	Facts                     []struct{ Name, Value string }
}

// of returns the result of a check.
func (c complied) of(t *testing.T, id string) checked {
	t.Helper()
	for _, r := range c.Checks {
		if r.Check == id {
			return r
		}
	}
	t.Fatalf("the report has no check %s", id)
	return checked{}
}

// comply makes a report of a framework.
func (s *server) comply(framework string) complied {
	s.t.Helper()
	out := run(s.t, nil, binary, "comply", "--data", s.data, "--framework", framework, "--format", "json")
	var c complied
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		s.t.Fatalf("%v\n%.500s", err, out)
	}
	return c
}

// want holds checks against the states that they should be in; a failure must say how to mend it.
func (c complied) want(t *testing.T, state string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		r := c.of(t, id)
		if r.State != state || r.Found == "" || (state == "failed") != (r.Mend != "") {
			t.Errorf("%s: got %s: %s (mend: %s); want %s", id, r.State, r.Found, r.Mend, state)
		}
	}
}

var listenerChecks = []string{"listener.tls-version", "listener.tls-suites", "listener.certificate", "listener.plain-http", "listener.anonymous", "listener.forged"}

// gap holds a control to be a gap that says how to mend it.
func (c complied) gap(t *testing.T, id, mend string) {
	t.Helper()
	for _, v := range c.Controls {
		if v.ID == id {
			if v.Status != "gap" || !strings.Contains(strings.Join(v.Mend, "\n"), mend) {
				t.Errorf("%s: %s: %s; mend: %q; want a gap that is mended by %s", id, v.Status, v.Why, v.Mend, mend)
			}
			return
		}
	}
	t.Errorf("no control %s", id)
}

// TestComply makes reports of a running server, breaks one thing after the other, and sees each as a gap.
func TestComply(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "darkroom.yaml")
	if err := os.WriteFile(settings, []byte("audit: {digest_period: 2s, delivery_period: 1s}\nrequire_sandbox: false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--config", settings)
	p := s.admin()
	p.aws("s3api", "create-bucket", "--bucket", "trails")
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, bytes.Repeat([]byte("film "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	p.aws("s3api", "put-object", "--bucket", "trails", "--key", "x", "--body", body)

	c := s.comply("mpa")
	table, err := comply.Load("mpa")
	if err != nil {
		t.Fatal(err)
	}
	var listed, reported []string
	for _, g := range table.Groups {
		for _, control := range g.Controls {
			listed = append(listed, control.ID)
		}
	}
	for _, v := range c.Controls {
		reported = append(reported, v.ID)
	}
	if !slices.Equal(reported, listed) || len(listed) < 40 || c.Summary["met"] == 0 || c.Summary["gap"] == 0 {
		t.Errorf("reported %v of the table's %v: %v", reported, listed, c.Summary)
	}
	for _, v := range c.Controls {
		if v.Status == "" || v.Why == "" || v.Status == "gap" && len(v.Mend) == 0 {
			t.Errorf("%+v", v)
		}
	}
	c.want(t, "passed", append(listenerChecks, "config.encrypted-listener", "host.sandbox", "host.egress-metadata", "host.clock", "file.modes", "people.root-unused", "people.key-age",
		"trail.records", "encryption.objects")...)
	c.want(t, "failed", "trail.delivered", "trail.chain", "root.outside", "people.mfa", "config.sandbox-required", "version.ffmpeg", "life.backup")
	c.gap(t, "TS/log-integrity", "aws cloudtrail create-trail")

	t.Run("the root was used", func(t *testing.T) {
		s.root().aws("mediaconvert", "list-queues")
		c := s.comply("mpa")
		c.want(t, "failed", "people.root-unused")
		c.gap(t, "TS/privilege", "Work as a user")
	})

	t.Run("a trail delivers, is stopped, and loses a digest", func(t *testing.T) {
		p := p.in(t)
		p.aws("cloudtrail", "create-trail", "--name", "audit", "--s3-bucket-name", "trails", "--enable-log-file-validation")
		p.aws("cloudtrail", "start-logging", "--name", "audit")
		digests := func() []string {
			out := p.aws("s3api", "list-objects-v2", "--bucket", "trails", "--prefix", "AWSLogs/"+account+"/CloudTrail-Digest/", "--query", "Contents[].Key", "--output", "text")
			if out == "None" {
				return nil
			}
			return strings.Fields(out)
		}
		s.eventually("three digests are there", func() bool { return len(digests()) >= 3 })
		c := s.comply("mpa")
		c.want(t, "passed", "trail.delivered", "trail.chain")

		dir := filepath.Join(t.TempDir(), "bundle")
		run(t, nil, binary, "comply", "--data", s.data, "--evidence", dir)
		found, err := filepath.Glob(filepath.Join(dir, "digests", account, "audit", "*.json.gz"))
		if err != nil || len(found) < 2 {
			t.Errorf("the bundle has %d digests, %v", len(found), err)
		}
		p.aws("cloudtrail", "stop-logging", "--name", "audit")
		c = s.comply("mpa")
		c.want(t, "failed", "trail.delivered")
		c.gap(t, "TS/log-integrity", "aws cloudtrail create-trail")

		all := digests()
		p.aws("s3api", "delete-object", "--bucket", "trails", "--key", all[len(all)/2])
		c = s.comply("mpa")
		c.want(t, "failed", "trail.chain")
		if r := c.of(t, "trail.chain"); !strings.Contains(r.Found, "broken") {
			t.Errorf("a digest was taken out: %s", r.Found)
		}
	})

	t.Run("evidence", func(t *testing.T) { s.in(t).evidence() })

	t.Run("others may read the root key", func(t *testing.T) {
		name := filepath.Join(s.data, "root.key")
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
		c := s.comply("mpa")
		c.want(t, "failed", "file.modes")
		c.want(t, "not checked", "people.mfa", "encryption.key-rotation") // the key is not used while others may have it
		c.gap(t, "TS-1.16", "chmod -R go= DIR")
		if r := c.of(t, "file.modes"); len(r.Facts) != 1 || r.Facts[0].Name != "root.key" {
			t.Errorf("facts %v", r.Facts)
		}
		out, _, err := try(t, nil, binary, "doctor", "--data", s.data, "--strict")
		if err == nil || !strings.Contains(out, "root.key") || !strings.Contains(out, "chmod -R go= DIR") {
			t.Errorf("doctor: %v\n%s", err, out)
		}
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("doctor and readyz", func(t *testing.T) {
		out := run(t, nil, binary, "doctor", "--data", s.data)
		if !strings.Contains(out, "checks (settings of the last start)") || !regexp.MustCompile(`listener\.tls-version +ok`).MatchString(out) || !strings.Contains(out, "mend: ") {
			t.Errorf("doctor:\n%s", out)
		}
		resp, err := s.config().HTTPClient.Do(get(t, s.url+"/readyz"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Contains(text, []byte(`"root.outside"`)) || bytes.Contains(text, []byte(s.data)) {
			t.Errorf("readyz: %d, %v\n%s", resp.StatusCode, err, text)
		}
		if !strings.Contains(s.log.String(), `"check":"root.outside"`) {
			t.Error("the start has not logged a check that has failed")
		}
	})

	t.Run("the server is stopped", func(t *testing.T) {
		s.stop()
		c := s.comply("soc2")
		c.want(t, "not checked", listenerChecks...)
		c.want(t, "passed", "trail.records", "people.key-age", "encryption.objects", "file.modes")
		for _, f := range []string{"mpa", "iso27001", "pci", "hipaa", "nist"} {
			if c := s.comply(f); len(c.Controls) < 15 {
				t.Errorf("%s: %d controls", f, len(c.Controls))
			}
		}
	})
}

// TestComplyPlain: a server that speaks plain HTTP has gaps that say so.
func TestComplyPlain(t *testing.T) {
	t.Parallel()
	s := serve(t, "--insecure-http", "--require-sandbox")
	c := s.comply("pci")
	c.want(t, "failed", "listener.tls-version", "listener.tls-suites", "listener.plain-http", "config.encrypted-listener")
	c.want(t, "passed", "listener.anonymous", "listener.forged", "config.sandbox-required")
	c.want(t, "not applicable", "listener.certificate")
	c.gap(t, "4.2", "insecure_http")
}

// TestComplyUsage: what is asked for wrongly is said, and nothing is written.
func TestComplyUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		name, says string
		code       int
		args       []string
	}{
		{"another framework", `"sox" is none of mpa, soc2`, 2, []string{"comply", "--framework", "sox", "--data", dir}},
		{"another format", `"doc" is none of md`, 2, []string{"comply", "--format", "doc", "--data", dir}},
		{"PDF on standard output", "--out", 2, []string{"comply", "--format", "pdf", "--data", dir}},
		{"no directory", "data directory", 1, []string{"comply", "--data", filepath.Join(dir, "none")}},
		{"evidence without a key", "installation key", 1, []string{"comply", "--data", dir, "--evidence", filepath.Join(dir, "e.tar.gz")}},
		{"no bundle", "name one bundle", 2, []string{"comply", "verify"}},
		{"a bundle that is none", "refused", 1, []string{"comply", "verify", binary}},
		{"two keys", "give one", 2, []string{"comply", "verify", binary, "--fingerprint", "ab", "--data", dir}},
		{"a short fingerprint", "64", 2, []string{"comply", "verify", binary, "--fingerprint", "ab"}},
		{"another format of bills", "not offered", 2, []string{"sbom", "--format", "spdx"}},
		{"no ffmpeg", "is not found", 1, []string{"sbom", "--ffmpeg=/nowhere/ffmpeg"}},
	} {
		out, stderr, err := try(t, nil, binary, tt.args...)
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != tt.code || !strings.Contains(stderr, tt.says) || out != "" {
			t.Errorf("%s: %v, %q, %s", tt.name, err, out, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestSBOM: the bills of the program and of the ffmpeg that is installed.
func TestSBOM(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg")
	for _, tt := range []struct {
		args  []string
		wants []string
	}{
		{[]string{"sbom"}, []string{`"specVersion": "1.6"`, "pkg:golang/modernc.org/sqlite@", `"BSD-3-Clause"`, `"SHA-256"`}},
		{[]string{"sbom", "--ffmpeg"}, []string{`"specVersion": "1.6"`, `"libavcodec"`, "darkroom:ffmpeg:configure", `"vulnerabilities"`, "CVE-20", "sandbox"}},
	} {
		out := run(t, nil, binary, tt.args...)
		if !json.Valid([]byte(out)) {
			t.Errorf("%v: no JSON", tt.args)
		}
		for _, want := range tt.wants {
			if !strings.Contains(out, want) {
				t.Errorf("%v: the bill lacks %s", tt.args, want)
			}
		}
	}
}

func get(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// evidence makes bundles, verifies them, and tampers with them.
func (s *server) evidence() {
	t := s.t
	dir, file := filepath.Join(t.TempDir(), "bundle"), filepath.Join(t.TempDir(), "bundle.tar.gz")
	run(t, nil, binary, "comply", "--data", s.data, "--evidence", dir)
	run(t, nil, binary, "comply", "--data", s.data, "--evidence", file)
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, []byte(run(t, nil, binary, "comply", "key", "--data", s.data)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bundle := range []string{dir, file} {
		for _, by := range [][]string{{"--data", s.data}, {"--key", key}} {
			if out := run(t, nil, binary, append([]string{"comply", "verify", bundle}, by...)...); strings.Contains(out, "WARNING") {
				t.Errorf("%v: %s", by, out)
			}
		}
		if out := run(t, nil, binary, "comply", "verify", bundle); !strings.Contains(out, "WARNING: whose key") {
			t.Errorf("without a key: %s", out)
		}
		if _, stderr, err := try(t, nil, binary, "comply", "verify", bundle, "--fingerprint", strings.Repeat("ab", 32)); err == nil || !strings.Contains(stderr, "was signed with the key") {
			t.Errorf("another key: %v, %s", err, stderr)
		}
	}
	// What must be there is, and no secret.
	secrets := regexp.MustCompile(`(?m)^aws_secret_access_key\s*=\s*(\S+)`)
	text, err := os.ReadFile(filepath.Join(s.data, "credentials"))
	if err != nil {
		t.Fatal(err)
	}
	rootKey, err := os.ReadFile(filepath.Join(s.data, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	hidden := [][]byte{rootKey}
	for _, m := range secrets.FindAllSubmatch(text, -1) {
		hidden = append(hidden, m[1])
	}
	if len(hidden) < 3 {
		t.Fatalf("%d secrets are known", len(hidden))
	}
	names := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		names[name] = true
		b, err := os.ReadFile(path)
		for _, h := range hidden {
			if bytes.Contains(b, h) {
				t.Errorf("%s has a secret", name)
			}
		}
		if st, statErr := os.Stat(path); statErr != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, st.Mode(), statErr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"manifest.json", "manifest.jws", "report.md", "report.html", "report.json", "report.pdf", "checks.json", "configuration.yaml", "sbom/darkroom.cdx.json", "sbom/ffmpeg.cdx.json",
		"policies/" + account + "/users.json", "policies/" + account + "/roles.json", "policies/" + account + "/keys.json", "public-keys/evidence.pem", "public-keys/trail-keys.json",
		"public-keys/listener-ca.pem", "public-keys/statements.pem",
	} {
		if !names[want] {
			t.Errorf("the bundle lacks %s; it has %v", want, names)
		}
	}
	statements, err := os.ReadFile(filepath.Join(dir, "public-keys", "statements.pem"))
	if want := run(t, nil, binary, "verify-job", "--print-keys", "--data", s.data); err != nil || string(statements) != want {
		t.Errorf("keys of statements: %s, %v; the server has %s", statements, err, want)
	}
	// What the report names as evidence is there.
	var c complied
	if text, err := os.ReadFile(filepath.Join(dir, "report.json")); err != nil || json.Unmarshal(text, &c) != nil || len(c.Controls) == 0 {
		t.Fatalf("report.json: %v", err)
	}
	for _, v := range c.Controls {
		for _, e := range v.Evidence {
			is := func(name string) bool {
				return name == e || strings.HasSuffix(e, "/") && strings.HasPrefix(name, e)
			}
			if !slices.ContainsFunc(slices.Collect(maps.Keys(names)), is) {
				t.Errorf("%s names %s as evidence, and the bundle lacks it", v.ID, e)
			}
		}
	}
	report := filepath.Join(dir, "report.md")
	text, err = os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(report, bytes.Replace(text, []byte("**gap**"), []byte("**met**"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := try(t, nil, binary, "comply", "verify", dir, "--data", s.data); err == nil || !strings.Contains(stderr, "report.md was changed") {
		t.Errorf("a gap was made met: %v, %s", err, stderr)
	}
	if _, stderr, err := try(t, nil, binary, "comply", "--data", s.data, "--evidence", dir); err == nil || !strings.Contains(stderr, "not there yet") {
		t.Errorf("a bundle was written over another: %v, %s", err, stderr)
	}
}
