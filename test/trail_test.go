package test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/internal/digest"
)

// awsHosts are the names that an AWS CLI asks that cannot be told of an endpoint for all services.
var awsHosts = []string{"s3.us-east-1.amazonaws.com", "s3.amazonaws.com", "cloudtrail.us-east-1.amazonaws.com"}

// validator is an unmodified AWS CLI, and the environment in which `cloudtrail validate-logs` reaches a server. The command takes no endpoint for the
// buckets: it is the environment that must lead there.
type validator struct {
	how, path string
	env       []string
}

var cliVersion = regexp.MustCompile(`^aws-cli/(\d+)\.(\d+)\.`)

// knowsEndpoint says whether an AWS CLI knows AWS_ENDPOINT_URL: 1.29, 2.13 and newer ones do.
func knowsEndpoint(t *testing.T, path string) (version string, knows bool) {
	t.Helper()
	out, stderr, err := try(t, nil, path, "--version")
	out = strings.TrimSpace(out + stderr)
	m := cliVersion.FindStringSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%s --version: %v %q", path, err, out)
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return strings.Fields(out)[0], major == 1 && minor >= 29 || major == 2 && minor >= 13 || major > 2
}

// validators finds the AWS CLIs of the machine. One that knows AWS_ENDPOINT_URL is led by it. Debian 12's does not, and is led by what every version honours:
// a proxy in HTTPS_PROXY, which connects the names of AWS to the server, whose certificate has them (`--hosts`).
func (s *server) validators() []validator {
	s.t.Helper()
	conf := filepath.Join(s.t.TempDir(), "config")
	if err := os.WriteFile(conf, []byte("[default]\nregion = us-east-1\ns3 =\n  addressing_style = path\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	base := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.t.TempDir(), "AWS_CA_BUNDLE=" + filepath.Join(s.data, "tls", "ca.pem"), "AWS_CONFIG_FILE=" + conf,
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(s.data, "credentials"), "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
	}
	var out []validator
	paths := []string{debianCLI}
	if found, err := exec.LookPath("aws"); err == nil && found != debianCLI {
		paths = append(paths, found)
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		version, knows := knowsEndpoint(s.t, path)
		if knows {
			out = append(out, validator{version + " by AWS_ENDPOINT_URL", path, append(slices.Clone(base), "AWS_ENDPOINT_URL="+s.url)})
		} else {
			out = append(out, validator{version + " by HTTPS_PROXY", path, append(slices.Clone(base), "HTTPS_PROXY="+s.proxy())})
		}
	}
	if len(out) == 0 {
		absent(s.t, "no AWS CLI is installed")
	}
	return out
}

// proxy is an HTTP proxy that connects the names of AWS to the server, and nothing else to anything.
func (s *server) proxy() string {
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || err != nil || !slices.Contains(awsHosts, host) {
			http.Error(w, "this proxy leads to the server under test alone", http.StatusForbidden)
			return
		}
		to, err := net.Dial("tcp", strings.TrimPrefix(s.url, "https://"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		_, _ = from.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(from, to)
			_ = from.Close()
		}()
		_, _ = io.Copy(to, rw)
		_ = to.Close()
		<-done
	}))
	s.t.Cleanup(p.Close)
	return p.URL
}

// delivered is an object as it was put there.
type delivered struct {
	key      string
	text     []byte // uncompressed
	metadata map[string]string
}

// trailed is a server with a trail that has been stopped, and everything that it has delivered.
type trailed struct {
	*server
	trail, bucket string
	digests, logs []delivered
	begun         time.Time
}

const trailPrefix = "evidence/cloudtrail"

// trailedServer runs a trail until it has some digests and log files, and stops it.
func trailedServer(t *testing.T) *trailed {
	t.Helper()
	args := []string{"--audit-delivery-period", "1s", "--audit-digest-period", "2s"}
	for _, h := range awsHosts {
		args = append(args, "--hosts", h)
	}
	s := &trailed{server: serve(t, args...), bucket: "audit-logs", trail: "arn:aws:cloudtrail:us-east-1:" + account + ":trail/films", begun: time.Now().UTC().Add(-time.Minute)}
	p := s.admin()
	p.aws("s3", "mb", "s3://"+s.bucket)
	if got := p.aws("cloudtrail", "create-trail", "--name", "films", "--s3-bucket-name", s.bucket, "--s3-key-prefix", trailPrefix, "--enable-log-file-validation", "--query", "TrailARN"); got != s.trail {
		t.Fatalf("create-trail: %q", got)
	}
	p.aws("cloudtrail", "start-logging", "--name", "films")
	client := cloudtrail.NewFromConfig(s.configOf("admin"))
	s.eventually("there are digests with log files", func() bool {
		if _, err := client.GetTrail(t.Context(), &cloudtrail.GetTrailInput{Name: aws.String("films")}); err != nil { // an event
			t.Fatal(err)
		}
		s.read()
		named := 0
		for _, d := range s.digests {
			if bytes.Contains(d.text, []byte("s3Object\"")) {
				named++
			}
		}
		return named >= 4
	})
	p.aws("cloudtrail", "stop-logging", "--name", s.trail)
	s.eventually("the last digest has the record of the stop", func() bool {
		s.read()
		for _, l := range s.logs {
			if bytes.Contains(l.text, []byte(`"eventName":"StopLogging"`)) && slices.ContainsFunc(s.digests, func(d delivered) bool { return bytes.Contains(d.text, []byte(l.key)) }) {
				return true
			}
		}
		return false
	})
	return s
}

// read reads what was delivered.
func (s *trailed) read() {
	s.t.Helper()
	c := s.s3()
	s.digests, s.logs = nil, nil
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, o := range page.Contents {
			if strings.HasSuffix(*o.Key, "/") {
				continue
			}
			got, err := c.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: o.Key})
			if err != nil {
				s.t.Fatal(err)
			}
			z, err := gzip.NewReader(got.Body)
			if err != nil {
				s.t.Fatalf("%s: %v", *o.Key, err)
			}
			text, err := io.ReadAll(z)
			if err != nil {
				s.t.Fatalf("%s: %v", *o.Key, err)
			}
			_ = got.Body.Close()
			x := delivered{*o.Key, text, got.Metadata}
			if strings.Contains(x.key, "/CloudTrail-Digest/") {
				s.digests = append(s.digests, x)
			} else {
				s.logs = append(s.logs, x)
			}
		}
	}
}

// put stores an object as it is given.
func (s *trailed) put(x delivered) {
	s.t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(x.text) // into memory
	_ = z.Close()
	if _, err := s.s3().PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: &x.key, Body: bytes.NewReader(b.Bytes()), Metadata: x.metadata}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *trailed) remove(x delivered) {
	s.t.Helper()
	if _, err := s.s3().DeleteObject(s.t.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &x.key}); err != nil {
		s.t.Fatal(err)
	}
}

// resigned is a digest signed with another key; named says whether it names that.
func (s *trailed) resigned(x delivered, named bool) delivered {
	s.t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, digest.KeyBits)
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := digest.Parse(x.text)
	if err != nil {
		s.t.Fatal(err)
	}
	if named {
		f.Fingerprint = digest.NewKey(&private.PublicKey).Fingerprint
	}
	text, err := f.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	signed, err := f.Sign(rand.Reader, private, text)
	if err != nil {
		s.t.Fatal(err)
	}
	return delivered{x.key, text, map[string]string{digest.MetaSignature: signed.Signature, digest.MetaAlgorithm: digest.SignatureAlgorithm}}
}

// tampering is something that somebody who can write to the bucket does to it, and the files that must be named for it.
type tampering struct {
	name  string
	do    func()
	names []delivered
	cli   bool   // the AWS CLI sees it
	kind  string // what `darkroom audit verify` calls it
}

// tamperings are those that must be found.
func (s *trailed) tamperings() []tampering {
	s.t.Helper()
	if len(s.digests) < 5 || len(s.logs) < 4 {
		s.t.Fatalf("%d digests, %d log files", len(s.digests), len(s.logs))
	}
	middle, next, log, second := s.digests[1], s.digests[2], s.logs[1], s.logs[2]
	changed := func(x delivered, from, to string) delivered {
		s.t.Helper()
		x.text = bytes.Replace(x.text, []byte(from), []byte(to), 1)
		return x
	}
	at := time.Now().UTC().Format("2006-01-02T15:")
	swapped := func(a, b delivered) func() {
		return func() {
			s.put(delivered{a.key, b.text, b.metadata})
			s.put(delivered{b.key, a.text, a.metadata})
		}
	}
	last := s.digests[len(s.digests)-1]
	return []tampering{
		{"a byte of a log file is changed", func() { s.put(changed(log, `"awsRegion":"us-east-1"`, `"awsRegion":"us-east-2"`)) }, []delivered{log}, true, string(digest.Changed)},
		{"a byte of a digest is changed", func() { s.put(changed(middle, `"hashValue":"`, `"hashValue":"0`)) }, []delivered{middle}, true, string(digest.Changed)},
		{"a log file is removed", func() { s.remove(log) }, []delivered{log}, true, string(digest.Missing)},
		{"a digest in the middle is removed", func() { s.remove(middle) }, []delivered{middle}, true, string(digest.Missing)},
		{"two digests are swapped", swapped(middle, next), []delivered{middle, next}, true, string(digest.Moved)},
		{"two log files are swapped", swapped(log, second), []delivered{log, second}, true, ""},
		{"a record is back-dated", func() {
			x := log
			if !bytes.Contains(x.text, []byte(`"eventTime":"`+at)) {
				at = time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:")
			}
			s.put(changed(x, `"eventTime":"`+at, `"eventTime":"2020-01-01T00:`))
		}, []delivered{log}, true, string(digest.Backdated)},
		{"the key is replaced, and named", func() { s.put(s.resigned(middle, true)) }, []delivered{middle}, true, string(digest.Unknown)},
		{"the key is replaced behind its name", func() { s.put(s.resigned(middle, false)) }, []delivered{middle}, true, string(digest.Changed)},
		{"a signature is removed", func() { s.put(delivered{middle.key, middle.text, nil}) }, []delivered{middle}, true, string(digest.Unsigned)},
		// The AWS CLI begins with the newest digest that it finds, and reads what digests name: it cannot see these.
		{"the newest digest is removed", func() { s.remove(last) }, []delivered{s.digests[len(s.digests)-2]}, false, string(digest.NoTail)},
		{"a log file is added", func() {
			_, tag, _ := digest.ParseLogKey(log.key)
			place := digest.Place{Bucket: s.bucket, Prefix: trailPrefix, Account: account, Region: "us-east-1", Trail: "films"}
			s.put(delivered{place.LogKey(time.Now(), digest.Range{First: 1, Last: 1}, tag), log.text, nil})
		}, nil, false, string(digest.Stray)},
	}
}

// restore puts everything back as it was put there.
func (s *trailed) restore(was *trailed) {
	s.t.Helper()
	s.read()
	for _, x := range slices.Concat(s.digests, s.logs) {
		if !slices.ContainsFunc(slices.Concat(was.digests, was.logs), func(y delivered) bool { return x.key == y.key }) {
			s.remove(x)
		}
	}
	for _, x := range slices.Concat(was.digests, was.logs) {
		s.put(x)
	}
}

// TestValidateLogs has the unmodified AWS CLI, and `darkroom audit verify`, say that a trail is valid, and find each thing that somebody does to it.
func TestValidateLogs(t *testing.T) {
	t.Parallel()
	s := trailedServer(t)
	was := *s
	validators := s.validators()
	check := func(t *testing.T, v validator, x tampering) {
		t.Helper()
		out, stderr, err := try(t, v.env, v.path, "cloudtrail", "validate-logs", "--trail-arn", s.trail, "--start-time", s.begun.Format(time.RFC3339), "--verbose")
		if !x.cli {
			if err != nil || strings.Contains(out+stderr, "INVALID") {
				t.Errorf("%s: %v\n%s%s", v.how, err, out, stderr)
			}
			return
		}
		if err == nil {
			t.Errorf("%s says that it is valid:\n%s%s", v.how, out, stderr)
		}
		for _, name := range x.names {
			if !slices.ContainsFunc(strings.Split(stderr, "\n"), func(line string) bool {
				return strings.Contains(line, s.bucket+"/"+name.key) && strings.Contains(line, "INVALID")
			}) {
				t.Errorf("%s does not name %s:\n%s%s", v.how, name.key, out, stderr)
			}
		}
	}
	for _, v := range validators {
		t.Logf("found %s, %s", v.path, v.how)
		out, stderr, err := try(t, v.env, v.path, "cloudtrail", "validate-logs", "--trail-arn", s.trail, "--start-time", s.begun.Format(time.RFC3339), "--verbose")
		want := strconv.Itoa(len(s.digests)) + "/" + strconv.Itoa(len(s.digests)) + " digest files valid"
		if err != nil || !strings.Contains(out, want) || strings.Contains(out+stderr, "INVALID") || !strings.Contains(out, strconv.Itoa(len(s.logs))+"/"+strconv.Itoa(len(s.logs))+" log files valid") {
			t.Fatalf("%s: want %s: %v\n%s%s", v.how, want, err, out, stderr)
		}
	}
	if code, found := s.audited(t); code != 0 || len(found) != 1 {
		t.Errorf("darkroom audit verify: %d, %+v", code, found)
	}
	s.offline(t)
	for _, x := range s.tamperings() {
		t.Run(x.name, func(t *testing.T) {
			x.do()
			defer s.restore(&was)
			for _, v := range validators {
				check(t, v, x)
			}
			code, found := s.audited(t)
			if code != 1 {
				t.Errorf("darkroom audit verify: exit code %d, %+v", code, found)
			}
			faults := slices.DeleteFunc(slices.Clone(found), func(f digest.Finding) bool { return !f.Fault })
			for _, name := range x.names {
				if !slices.ContainsFunc(faults, func(f digest.Finding) bool {
					return f.Object == name.key && (x.kind == "" || string(f.Kind) == x.kind) && f.Text != ""
				}) {
					t.Errorf("darkroom audit verify does not say %s of %s: %+v", cmp.Or(x.kind, "anything"), name.key, faults)
				}
			}
			if x.names == nil && !slices.ContainsFunc(faults, func(f digest.Finding) bool { return string(f.Kind) == x.kind }) {
				t.Errorf("darkroom audit verify does not say %s: %+v", x.kind, faults)
			}
		})
	}
}

// audited runs `darkroom audit verify` against the server.
func (s *trailed) audited(t *testing.T, args ...string) (code int, found []digest.Finding) {
	t.Helper()
	out, stderr, err := try(t, nil, binary, append([]string{"audit", "verify", "--data", s.data, "--trail", "films", "--json"}, args...)...)
	return exitAndFindings(t, out, stderr, err)
}

func exitAndFindings(t *testing.T, out, stderr string, err error) (code int, found []digest.Finding) {
	t.Helper()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // of exec.Cmd itself
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		var f digest.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q: %v\n%s", line, err, stderr)
		}
		if f.Kind != "" {
			found = append(found, f)
		}
	}
	return code, found
}

// offline verifies copies of the bucket without a server: one that was saved with its signatures, and one that was copied without.
func (s *trailed) offline(t *testing.T) {
	t.Helper()
	saved, plain := filepath.Join(t.TempDir(), "saved"), filepath.Join(t.TempDir(), "plain")
	if code, found := s.audited(t, "--save", saved); code != 0 || len(found) != 1 {
		t.Fatalf("saved: %d, %+v", code, found)
	}
	verify := func(args ...string) (int, []digest.Finding) {
		t.Helper()
		out, stderr, err := try(t, nil, binary, append([]string{"audit", "verify", "--json"}, args...)...)
		return exitAndFindings(t, out, stderr, err)
	}
	last := s.digests[len(s.digests)-1]
	f, err := digest.Parse(last.text)
	if err != nil {
		t.Fatal(err)
	}
	until := f.End.String()
	if code, found := verify("--dir", saved, "--until", until); code != 0 || len(found) != 1 {
		t.Errorf("the saved copy: %d, %+v", code, found)
	}
	kinds := func(found []digest.Finding) (out []string) {
		for _, f := range found {
			if f.Fault {
				out = append(out, string(f.Kind)+" "+f.Object)
			}
		}
		return out
	}
	if code, found := verify("--dir", saved); code != 1 || !slices.Equal(kinds(found), []string{"NO TAIL " + last.key}) {
		t.Errorf("the saved copy, with nothing said of its end: %d, %+v", code, found)
	}
	if out, stderr, err := try(t, nil, "cp", "-r", saved, plain); err != nil {
		t.Fatal(out, stderr)
	}
	for _, d := range s.digests {
		if err := os.Remove(filepath.Join(plain, filepath.FromSlash(d.key)) + ".signature"); err != nil {
			t.Fatal(err)
		}
	}
	if code, found := verify("--dir", plain, "--until", until); code != 1 || !slices.Equal(kinds(found), []string{"UNSIGNED " + last.key}) {
		t.Errorf("a copy without signatures: %d, %+v", code, found)
	}
	name := filepath.Join(plain, filepath.FromSlash(s.logs[0].key))
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if code, found := verify("--dir", plain, "--until", until); code != 1 || !slices.Contains(kinds(found), "MISSING "+s.logs[0].key) {
		t.Errorf("a copy without a log file: %d, %+v", code, found)
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--dir", t.TempDir()}, 3, "no digests"},
		{[]string{"--dir", plain, "--trail", "others"}, 3, "others"},
		{[]string{"--dir", plain, "--keys", filepath.Join(plain, "none")}, 3, "none"},
		{[]string{"--dir", plain, "--data", s.data}, 2, "--data"},
		{[]string{"--data", s.data, "--trail", "others"}, 3, "TrailNotFoundException"},
		{[]string{"--data", s.data}, 2, "--trail"},
		{[]string{"--from", "yesterday", "--dir", plain}, 2, "yesterday"},
		{[]string{"--data", s.data, "--trail", "films", "--save", plain}, 3, "exists"},
	} {
		_, stderr, err := try(t, nil, binary, append([]string{"audit", "verify"}, tt.args...)...)
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // of exec.Cmd itself
		if !ok || exit.ExitCode() != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%v: %v %q, want %d %q", tt.args, err, stderr, tt.code, tt.says)
		}
	}
}

// TestTrailKilled kills the server again and again while it delivers: every call that was answered is delivered once, and the chain is whole.
func TestTrailKilled(t *testing.T) {
	t.Parallel()
	s := serve(t, "--audit-delivery-period", "1s", "--audit-digest-period", "1s")
	x := &trailed{server: s, bucket: "audit-logs"}
	client := func() *cloudtrail.Client { return cloudtrail.NewFromConfig(s.configOf("admin")) }
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &x.bucket}); err != nil {
		t.Fatal(err)
	}
	name := aws.String("films")
	if _, err := client().CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: name, S3BucketName: &x.bucket, EnableLogFileValidation: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := client().StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: name}); err != nil {
		t.Fatal(err)
	}
	var calls []string
	for kill := range 4 {
		before := len(x.logs)
		c := client()
		s.eventually("something is delivered", func() bool {
			out, err := c.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			id, ok := middleware.GetRequestIDMetadata(out.ResultMetadata)
			if !ok {
				t.Fatal("an answer without a request id")
			}
			calls = append(calls, id)
			x.read()
			return len(x.logs) > before+kill%2
		})
		s.kill()
	}
	if _, err := client().StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: name}); err != nil {
		t.Fatal(err)
	}
	s.eventually("the rest is delivered", func() bool {
		x.read()
		last := x.digests[len(x.digests)-1]
		return slices.ContainsFunc(x.logs, func(l delivered) bool {
			return bytes.Contains(l.text, []byte(`"eventName":"StopLogging"`)) && bytes.Contains(last.text, []byte(l.key))
		})
	})
	times := map[string]int{}
	for _, l := range x.logs {
		var file struct {
			Records []struct{ EventID, RequestID string }
		}
		if err := json.Unmarshal(l.text, &file); err != nil {
			t.Fatal(err)
		}
		for _, r := range file.Records {
			times["event "+r.EventID]++
			times[r.RequestID]++
		}
	}
	for _, id := range calls {
		if times[id] != 1 {
			t.Errorf("the call %s was delivered %d times", id, times[id])
		}
	}
	for id, n := range times {
		if strings.HasPrefix(id, "event ") && n != 1 {
			t.Errorf("%s was delivered %d times", id, n)
		}
	}
	if code, found := x.audited(t); code != 0 || len(found) != 1 {
		t.Errorf("darkroom audit verify: %d, %+v", code, found)
	}
}

// TestTrailKey: a trail's KMS key is honoured, and its policy decides.
func TestTrailKey(t *testing.T) {
	t.Parallel()
	s := serve(t, "--audit-delivery-period", "1s", "--audit-digest-period", "1s")
	x := &trailed{server: s, bucket: "audit-logs"}
	p := s.admin()
	p.aws("s3", "mb", "s3://"+x.bucket)
	key := p.aws("kms", "create-key", "--query", "KeyMetadata.Arn")
	create := []string{"cloudtrail", "create-trail", "--name", "films", "--s3-bucket-name", x.bucket, "--enable-log-file-validation", "--kms-key-id"}
	p.refused("InsufficientEncryptionPolicyException", says("alias/none"), append(create, "alias/none")...) // whether there is such a key is told to nobody who may not use it
	p.refused("InsufficientEncryptionPolicyException", says(key), append(create, key)...)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"},` +
		`{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"kms:GenerateDataKey*","Resource":"*"}]}`
	p.aws("kms", "put-key-policy", "--key-id", key, "--policy-name", "default", "--policy", policy)
	p.aws(append(create, key)...)
	p.aws("cloudtrail", "start-logging", "--name", "films")
	s.eventually("there are digests", func() bool { x.read(); return len(x.digests) >= 2 && len(x.logs) >= 1 })
	head, err := s.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &x.bucket, Key: &x.digests[0].key})
	if err != nil || head.ServerSideEncryption != "aws:kms" || *head.SSEKMSKeyId != key {
		t.Errorf("%+v, %v", head, err)
	}
	// The key is disabled: nothing is lost, the status says why, and what waits is delivered when it is enabled again.
	p.aws("kms", "disable-key", "--key-id", key)
	c := cloudtrail.NewFromConfig(s.configOf("admin"))
	s.eventually("the status says why", func() bool {
		out, err := c.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: aws.String("films")})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.LatestDigestDeliveryError) == "KMS.DisabledException" || aws.ToString(out.LatestDeliveryError) == "KMS.DisabledException"
	})
	p.aws("kms", "enable-key", "--key-id", key)
	p.aws("cloudtrail", "stop-logging", "--name", "films")
	s.eventually("the rest is delivered", func() bool {
		x.read()
		return slices.ContainsFunc(x.logs, func(l delivered) bool { return bytes.Contains(l.text, []byte(`"eventName":"StopLogging"`)) })
	})
	s.eventually("the trail is whole", func() bool {
		code, _ := x.audited(t)
		return code == 0
	})
}
