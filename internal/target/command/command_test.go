package command

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/sandbox"
	"darkroom/internal/target"
	"darkroom/internal/target/file"
	"darkroom/internal/target/targettest"
)

// program is built as the server is, static and without the race detector, which a sandbox has no room for.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "command")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil { // the sandbox's user has to find it
			panic(err)
		}
		program = filepath.Join(dir, "program")
		build := exec.Command("go", "build", "-o", program, "./testdata/program")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

func open(t *testing.T, change func(*Options), args ...string) *Sender {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{Executable: program})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Sandbox: box, Program: program, Args: args}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// written is a file that a program's output goes to, and what is in it.
func written(t *testing.T) (target.Sender, func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.ndjson")
	f, err := file.New(file.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return f, func() []string {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	targettest.Run(t, func(t *testing.T) targettest.Peer {
		out, lines := written(t)
		read := 0
		return targettest.Peer{Sender: open(t, func(o *Options) { o.Output = out }, "copy"), Received: func(t *testing.T, n int) (got []targettest.Got) {
			t.Helper()
			all := lines()[read:]
			if len(all) != n {
				t.Fatalf("%d lines, want %d", len(all), n)
			}
			read += n
			for _, line := range all {
				got = append(got, targettest.Got{Body: []byte(line)})
			}
			return got
		}}
	})
}

func TestExit(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret"), 0o644); err != nil {
		t.Fatal(err)
	}
	const taken, refused, again = "", "refused", "again"
	tests := []struct {
		name string
		args []string
		want string
		says string
	}{
		{"taken", []string{"exit", "0"}, taken, ""},
		{"taken, having read", []string{"read"}, taken, ""},
		{"refused", []string{"exit", "65"}, refused, "status 65"},
		{"another time", []string{"exit", "75"}, again, "status 75"},
		{"failed", []string{"exit", "1"}, again, "status 1"},
		{"out of memory", []string{"memory"}, again, ""},
		{"processor time", []string{"spin"}, again, "limit"},
		{"time", []string{"hang"}, again, ""},
		{"network", []string{"dial", l.Addr().String()}, again, "status 1"},
		{"metadata service", []string{"dial", "169.254.169.254:80"}, again, "status 1"},
		{"a file of ours", []string{"open", secret}, again, "status 1"},
		{"writing", []string{"write", "/tmp/x"}, again, "status 1"},
		{"another program", []string{"spawn", program}, again, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, func(o *Options) { o.Timeout, o.Memory = 3*time.Second, 256<<20 }, test.args...)
			err := s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1))
			var no *target.Refused
			got := again
			switch {
			case err == nil:
				got = taken
			case errors.As(err, &no):
				got = refused
			}
			if got != test.want {
				t.Errorf("Send = %v, want %q", err, test.want)
			}
			if err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "jobId")) {
				t.Errorf("Send = %v, want one that says %q and nothing of the event", err, test.says)
			}
		})
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	send := func(s *Sender) error {
		return s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1))
	}
	t.Run("arguments are as they were given, and there is no environment", func(t *testing.T) {
		t.Parallel()
		out, lines := written(t)
		args := []string{"$(id)", "a b", ";rm", "%s"}
		if err := send(open(t, func(o *Options) { o.Output = quoted{out} }, append([]string{"args"}, args...)...)); err != nil {
			t.Fatal(err)
		}
		if got, want := lines()[0], strconv.Quote(`["$(id)" "a b" ";rm" "%s"]`); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
	t.Run("a flood", func(t *testing.T) {
		t.Parallel()
		out, _ := written(t)
		var no *target.Refused
		if err := send(open(t, func(o *Options) { o.Output = out }, "flood")); !errors.As(err, &no) {
			t.Errorf("Send = %v, want a refusal", err)
		}
	})
	t.Run("what the file does not take", func(t *testing.T) {
		t.Parallel()
		out, _ := written(t)
		var no *target.Refused
		if err := send(open(t, func(o *Options) { o.Output = out }, "args", "\x01")); !errors.As(err, &no) {
			t.Errorf("Send = %v, want the refusal of the file", err)
		}
	})
	t.Run("nothing is written for no output", func(t *testing.T) {
		t.Parallel()
		if err := send(open(t, func(o *Options) { o.Output = failing{} }, "read")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a place that fails", func(t *testing.T) {
		t.Parallel()
		var no *target.Refused
		if err := send(open(t, func(o *Options) { o.Output = failing{} }, "copy")); err == nil || errors.As(err, &no) {
			t.Errorf("Send = %v, want an error that another attempt may mend", err)
		}
	})
}

// quoted makes JSON of a text.
type quoted struct{ target.Sender }

func (q quoted) Send(ctx context.Context, m target.Message) error {
	m.Body = []byte(strconv.Quote(string(m.Body)))
	return q.Sender.Send(ctx, m)
}

// failing takes nothing.
type failing struct{}

func (failing) Send(context.Context, target.Message) error { return errors.New("the disk is full") }
func (failing) Close() error                               { return nil }

// A program that runs ends with its caller's context, and Close waits for it.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := open(t, nil, "hang")
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	for range AtOnce + 1 { // one waits for its turn
		sending.Go(func() {
			if err := s.Send(ctx, targettest.Message(t, target.EventBridge, "job-1", 1)); !errors.Is(err, context.Canceled) {
				t.Errorf("Send = %v, want that it was given up", err)
			}
		})
	}
	cancel()
	sending.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(sandbox.Options{Executable: program})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no sandbox": {Program: program}, "no program": {Sandbox: box}, "a name": {Sandbox: box, Program: "jq"}, "too many arguments": {Sandbox: box, Program: program, Args: make([]string, MaxArgs+1)},
		"too long": {Sandbox: box, Program: program, Timeout: time.Hour}, "too short": {Sandbox: box, Program: program, Timeout: time.Millisecond},
		"too much memory": {Sandbox: box, Program: program, Memory: 1 << 40}, "too little": {Sandbox: box, Program: program, Memory: 1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: New succeeded", name)
		}
	}
	s := open(t, func(o *Options) { o.Program = "/no/such/program" })
	var no *target.Refused
	if err := s.Send(t.Context(), target.Message{}); err == nil || errors.As(err, &no) {
		t.Errorf("a program that is not there: %v", err)
	}
}
