package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const role = "arn:aws:iam::000000000000:role/MediaConvert_Default_Role"

// server is a darkroom that the bench started.
type server struct {
	cmd      *exec.Cmd
	data     string
	cfg      aws.Config
	jobs     *mediaconvert.Client
	objects  *s3.Client
	keys     *kms.Client
	people   *iam.Client
	mu       sync.Mutex           // guards encoders
	encoders map[string]time.Time // when each job's encoder started, by the server's log
	logged   chan struct{}        // told at each
}

// serve starts a server, with more arguments than it has anyway.
func (b *bench) serve(more ...string) (*server, error) {
	data, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	s := &server{data: data, encoders: map[string]time.Time{}, logged: make(chan struct{}, 1)}
	s.cmd = exec.Command(b.binary, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--worker-concurrency", "1"}, more...)...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go s.read(log)
	var url string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		_, url, _ = strings.Cut(lines.Text(), "listening on ")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if url == "" {
		return nil, fmt.Errorf("the server did not start: %w", s.cmd.Wait())
	}
	pem, err := os.ReadFile(filepath.Join(data, "tls", "ca.pem"))
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(b.ctx, config.WithSharedCredentialsFiles([]string{filepath.Join(data, "credentials")}), config.WithSharedConfigFiles([]string{os.DevNull}),
		config.WithRegion("us-east-1"), config.WithBaseEndpoint(url), config.WithCustomCABundle(bytes.NewReader(pem)))
	if err != nil {
		return nil, err
	}
	s.cfg = cfg
	s.jobs = mediaconvert.NewFromConfig(cfg)
	s.objects = s3.NewFromConfig(cfg, pathStyle)
	s.keys, s.people = kms.NewFromConfig(cfg), iam.NewFromConfig(cfg)
	return s, nil
}

func pathStyle(o *s3.Options) {
	o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = true, true
}

// read notes when encoders start.
func (s *server) read(log io.Reader) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct {
			Time time.Time
			Msg  string
			Job  string
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "encoder started" {
			continue
		}
		s.mu.Lock()
		s.encoders[line.Job] = line.Time
		s.mu.Unlock()
		select {
		case s.logged <- struct{}{}:
		default:
		}
	}
}

// started waits for a job's encoder.
func (s *server) started(ctx context.Context, id string) (time.Time, error) {
	for {
		s.mu.Lock()
		at, ok := s.encoders[id]
		s.mu.Unlock()
		if ok {
			return at, nil
		}
		select {
		case <-s.logged:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// stop ends the server at once; nothing of it is looked at afterwards.
func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.data)
}

func (s *server) upload(ctx context.Context, bucket, key, path string) error {
	if _, err := s.objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil && !strings.Contains(err.Error(), "BucketAlreadyOwnedByYou") {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = s.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: f})
	return err
}

func (s *server) submit(ctx context.Context, settings string) (string, error) {
	in := &mediaconvert.CreateJobInput{Role: aws.String(role), Settings: new(types.JobSettings)}
	if err := json.Unmarshal([]byte(settings), in.Settings); err != nil {
		return "", err
	}
	out, err := s.jobs.CreateJob(ctx, in)
	if err != nil {
		return "", err
	}
	return *out.Job.Id, nil
}

// pollEvery is seldom enough that asking costs nothing that shows.
const pollEvery = 200 * time.Millisecond

// finish waits for a job's end, calling look every so often.
func (s *server) finish(ctx context.Context, id string, look func()) error {
	return s.poll(ctx, id, pollEvery, look)
}

func (s *server) poll(ctx context.Context, id string, every time.Duration, look func()) error {
	for {
		out, err := s.jobs.GetJob(ctx, &mediaconvert.GetJobInput{Id: &id})
		if err != nil {
			return err
		}
		switch out.Job.Status {
		case types.JobStatusComplete:
			return nil
		case types.JobStatusError, types.JobStatusCanceled:
			return fmt.Errorf("job %s: %s %d %s", id, out.Job.Status, aws.ToInt32(out.Job.ErrorCode), aws.ToString(out.Job.ErrorMessage))
		}
		if look != nil {
			look()
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// worker is the process that runs the jobs.
func (s *server) worker() (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		text := string(b)
		var state string
		var pid, parent int
		if _, err := fmt.Sscan(text[strings.LastIndexByte(text, ')')+1:], &state, &parent); err != nil {
			return 0, err
		}
		if _, err := fmt.Sscan(text, &pid); err != nil {
			return 0, err
		}
		if parent == s.cmd.Process.Pid {
			return pid, nil
		}
	}
	return 0, errors.New("the server has no worker")
}

// resident is the memory of the server and its worker, without the encoder.
func (s *server) resident() (bytes int64, err error) {
	worker, err := s.worker()
	if err != nil {
		return 0, err
	}
	for _, pid := range []int{s.cmd.Process.Pid, worker} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(b), "VmRSS:")
		var kb int64
		if _, err := fmt.Sscan(rest, &kb); err != nil {
			return 0, err
		}
		bytes += kb << 10
	}
	return bytes, nil
}

// ticks is how many there are in a second of the kernel's accounting (USER_HZ).
const ticks = 100

// processor is the time that the server, its worker and the programs that they have waited for were on a processor.
func (s *server) processor() (time.Duration, error) {
	worker, err := s.worker()
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, pid := range []int{s.cmd.Process.Pid, worker} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		text := string(b)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		for _, f := range fields[11:15] { // utime, stime, cutime, cstime: proc(5)
			var n int64
			if _, err := fmt.Sscan(f, &n); err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// gateway is a versitygw over a directory, the peer among S3 servers.
type gateway struct {
	cmd     *exec.Cmd
	objects *s3.Client
}

func (b *bench) gateway() (*gateway, error) {
	dir, err := os.MkdirTemp(b.dir, "versitygw-")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	_ = l.Close()
	g := &gateway{cmd: exec.Command(b.gw, "--port", address, "--quiet", "posix", dir)}
	// The keys of a peer that lives for this bench alone.
	g.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=benchkey", "ROOT_SECRET_KEY=benchsecret")
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	g.objects = s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + address), Credentials: credentials.NewStaticCredentialsProvider("benchkey", "benchsecret", "")}, pathStyle)
	return g, nil
}

func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	_ = g.cmd.Wait()
}
