// Package test drives a built darkroom from outside, with the clients that its users have: the AWS CLI, boto3, the Go SDK, ffprobe, and a
// browser with hls.js.
package test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

var (
	binary string // the darkroom under test
	films  string // a directory of films made for the tests
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "darkroom-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if err := os.Chmod(dir, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binary, films = filepath.Join(dir, "darkroom"), dir
		// The sandbox executes the program itself again: it is built as users build it, not with the race detector.
		build := exec.Command("go", "build", "-o", binary, "darkroom/cmd/darkroom")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// film makes a film with ffmpeg, once for each name.
func film(t *testing.T, name string, args ...string) string {
	t.Helper()
	filmLock.Lock()
	defer filmLock.Unlock()
	path := filepath.Join(films, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	run(t, nil, "ffmpeg", append(append([]string{"-v", "error", "-y"}, args...), path)...)
	return path
}

var filmLock sync.Mutex // held while a film is made

// clip is a short film with a moving picture and a tone.
func clip(t *testing.T, seconds int) string {
	t.Helper()
	d := fmt.Sprint(seconds)
	return film(t, "clip"+d+".mp4", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d="+d, "-f", "lavfi", "-i", "sine=f=440:r=48000:d="+d,
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ac", "2")
}

// run runs a command and returns its standard output; it fails the test when the command fails.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	out, stderr, err := try(t, env, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr)
	}
	return out
}

func try(t *testing.T, env []string, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	if env != nil {
		cmd.Env = env
	}
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// need skips at the desk, and fails in CI, where a tool is missing.
func need(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		absent(t, tool+" is not installed")
	}
	return path
}

func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// server is a running darkroom.
type server struct {
	t    *testing.T
	bin  string // the program
	verb string // its command; empty is serve
	data string
	args []string
	url  string
	cli  string   // the directory of the AWS CLI to use; empty is the one that the PATH finds
	wrap []string // what starts the program instead of us

	secrets *secrets
	cmd     *exec.Cmd
	log     *lockedBuffer
	done    chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a server on a directory of its own and stops it with the test.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	return serveBinary(t, binary, args...)
}

// serveBinary is serve of a program.
func serveBinary(t *testing.T, program string, args ...string) *server {
	t.Helper()
	return serveOn(t, program, filepath.Join(t.TempDir(), "data"), args...)
}

// serveOn starts a program on a directory that may be there already.
func serveOn(t *testing.T, program, data string, args ...string) *server {
	t.Helper()
	need(t, "ffmpeg")
	s := &server{t: t, bin: program, data: data, args: args, secrets: new(secrets)}
	s.start()
	t.Cleanup(func() {
		texts := map[string]string{}
		s.processes(texts)
		if s.cmd != nil {
			s.stop()
		}
		s.noSecrets(texts)
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log.String())
		}
	})
	return s
}

func (s *server) start() {
	s.t.Helper()
	if s.log == nil {
		s.log = &lockedBuffer{} // also what an earlier run of it has logged
	}
	line := append(append(slices.Clone(s.wrap), s.bin, cmp.Or(s.verb, "serve"), "--data", s.data, "--listen", "127.0.0.1:0"), s.args...)
	s.cmd = exec.Command(line[0], line[1:]...)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "listening on "); ok {
			s.url = url
			break
		}
	}
	cmd, done := s.cmd, s.done
	go func() {
		for lines.Scan() {
		}
		_ = cmd.Wait()
		close(done)
	}()
	if s.url == "" {
		<-s.done
		s.t.Fatalf("the server did not start:\n%s", s.log.String())
	}
}

// stop ends the server in an orderly way.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	s.cmd = nil
}

// kill ends the server as a power cut would, and starts it again on what it left.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
	s.start()
}

// env is the environment that `darkroom env` sets up, as a shell sees it.
func (s *server) env() []string {
	s.t.Helper()
	out := run(s.t, nil, "bash", "-c", `eval "$("$0" env --data "$1")" && env -0`, binary, s.data)
	return strings.Split(strings.TrimRight(out, "\x00"), "\x00")
}

// aws runs the AWS CLI in a shell as a user would.
func (s *server) aws(args ...string) string {
	s.t.Helper()
	out, stderr, err := s.tryAWS(args...)
	if err != nil {
		s.t.Fatalf("aws %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr)
	}
	s.overhear(out)
	return strings.TrimSpace(out)
}

func (s *server) tryAWS(args ...string) (stdout, stderr string, err error) {
	s.t.Helper()
	need(s.t, "aws")
	env := os.Environ()
	if s.cli != "" {
		env = append(env, "PATH="+s.cli+":"+os.Getenv("PATH"))
	}
	return try(s.t, env, "bash", append([]string{"-c", `eval "$("$0" env --data "$1")" && shift && aws "$@"`, binary, s.data}, args...)...)
}

// children are the processes below one, with their command lines.
func children(t *testing.T, pid int) map[int]string {
	t.Helper()
	out := map[int]string{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parents := map[int]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		text := string(b)
		rest := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		var id, parent int
		if _, err := fmt.Sscan(text, &id); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(rest[1], &parent); err != nil {
			t.Fatal(err)
		}
		parents[id] = parent
	}
	for id := range parents {
		for p := parents[id]; p != 0; p = parents[p] {
			if p != pid {
				continue
			}
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
			if err == nil && len(b) > 0 {
				out[id] = strings.ReplaceAll(string(b), "\x00", " ")
			}
			break
		}
	}
	return out
}

// encoders are the processes of ffmpeg below the server.
func (s *server) encoders() []int {
	var out []int
	for id, line := range children(s.t, s.cmd.Process.Pid) {
		if name, _, _ := strings.Cut(line, " "); filepath.Base(name) == "ffmpeg" {
			out = append(out, id)
		}
	}
	return out
}

// uploads counts the open multipart uploads of a bucket.
func (s *server) uploads(bucket string) int {
	s.t.Helper()
	out, err := s.s3().ListMultipartUploads(s.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(out.Uploads)
}

// eventually waits for what is not told.
func (s *server) eventually(what string, is func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), maxJob)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("it never came to this: %s", what)
		case <-tick.C:
		}
	}
}

// config is what an AWS SDK makes of the environment.
func (s *server) config() aws.Config {
	s.t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.data, "tls", "ca.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(s.t.Context(),
		config.WithSharedCredentialsFiles([]string{filepath.Join(s.data, "credentials")}), config.WithSharedConfigFiles([]string{os.DevNull}),
		config.WithRegion("us-east-1"), config.WithBaseEndpoint(s.url), config.WithCustomCABundle(bytes.NewReader(pem)))
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg
}

func (s *server) s3() *s3.Client {
	return s3.NewFromConfig(s.config(), func(o *s3.Options) { o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = true, true })
}

func (s *server) mediaconvert() *mediaconvert.Client {
	return mediaconvert.NewFromConfig(s.config())
}

// upload makes a bucket and puts a file into it.
func (s *server) upload(bucket, key, path string) {
	s.t.Helper()
	c := s.s3()
	_, err := c.CreateBucket(s.t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	if err != nil && !strings.Contains(err.Error(), "BucketAlreadyOwnedByYou") {
		s.t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := c.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: f}); err != nil {
		s.t.Fatal(err)
	}
}

// request reads a CreateJob request; encoding/json takes any case of names.
func request(t *testing.T, text string) *mediaconvert.CreateJobInput {
	t.Helper()
	in := new(mediaconvert.CreateJobInput)
	if err := json.Unmarshal([]byte(text), in); err != nil {
		t.Fatal(err)
	}
	if in.Role == nil {
		in.Role = aws.String("arn:aws:iam::000000000000:role/MediaConvert_Default_Role")
	}
	return in
}

// submit creates a job.
func (s *server) submit(text string) string {
	s.t.Helper()
	out, err := s.mediaconvert().CreateJob(s.t.Context(), request(s.t, text))
	if err != nil {
		s.t.Fatal(err)
	}
	return *out.Job.Id
}

// maxJob bounds how long a test waits for a job.
const maxJob = 3 * time.Minute

// until asks for a job until done says that it is as wanted.
func (s *server) until(id string, done func(*types.Job) bool) *types.Job {
	s.t.Helper()
	c := s.mediaconvert()
	ctx, cancel := context.WithTimeout(s.t.Context(), maxJob)
	defer cancel()
	var last *types.Job
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := c.GetJob(ctx, &mediaconvert.GetJobInput{Id: &id})
		if err != nil {
			s.t.Fatalf("job %s: %v; last seen %+v", id, err, last)
		}
		if last = out.Job; done(last) {
			return last
		}
		// The API has no call that waits; this is how its users do it.
		<-tick.C
	}
}

func final(j *types.Job) bool {
	return j.Status == types.JobStatusComplete || j.Status == types.JobStatusError || j.Status == types.JobStatusCanceled
}

// finish waits for a job's end and requires that it is complete.
func (s *server) finish(id string) *types.Job {
	s.t.Helper()
	j := s.until(id, final)
	if j.Status != types.JobStatusComplete {
		s.t.Fatalf("job %s: %s %d %s", id, j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
	}
	return j
}

// download copies everything under a prefix into a directory.
func (s *server) download(bucket, prefix string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	c := s.s3()
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, o := range page.Contents {
			got, err := c.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			if err != nil {
				s.t.Fatal(err)
			}
			path := filepath.Join(dir, strings.TrimPrefix(*o.Key, prefix))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				s.t.Fatal(err)
			}
			f, err := os.Create(path)
			if err != nil {
				s.t.Fatal(err)
			}
			if _, err := f.ReadFrom(got.Body); err != nil {
				s.t.Fatal(err)
			}
			_ = got.Body.Close()
			if err := f.Close(); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return dir
}

// raw signs and sends a body as it is, which no SDK would.
func (s *server) raw(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	cfg := s.config()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	who, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), "mediaconvert", cfg.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := cfg.HTTPClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}
