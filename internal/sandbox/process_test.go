package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestExit(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name   string
		spec   Spec
		limits Limits
		want   Exit
		stderr string
	}{
		{name: "success", spec: spec("nothing"), want: Exit{Stdout: []byte("done\n")}},
		{name: "status", spec: spec("fail", "77"), want: Exit{Code: 77}},
		{
			name: "stderr tail", spec: spec("complain", "100000"), limits: Limits{StderrBytes: 16},
			want: Exit{Stdout: []byte("done\n"), Stderr: "xxxxxxxxxthe end"},
		},
		{
			name: "stdout limit", spec: spec("talk", "1000000"), limits: Limits{StdoutBytes: 1000},
			want: Exit{Code: -1, Signal: syscall.SIGKILL, LimitHit: LimitOutput},
		},
		{name: "memory enough", spec: spec("memory", "300"), limits: Limits{Memory: 1 << 30}, want: Exit{Stdout: []byte("done\n300")}},
		{name: "memory limit", spec: spec("memory", "600"), limits: Limits{Memory: 512 << 20}, want: Exit{Code: 2, LimitHit: LimitMemory}, stderr: "out of memory"},
		{name: "threads enough", spec: spec("threads", "100"), limits: Limits{Threads: 400}, want: Exit{Stdout: []byte("done\n")}},
		{name: "thread limit", spec: spec("threads", "100"), limits: Limits{Threads: 40, StderrBytes: 1 << 20}, want: Exit{Code: 2}, stderr: "failed to create new OS thread"},
		{name: "CPU limit", spec: spec("spin"), limits: Limits{CPUTime: time.Second}, want: Exit{Code: -1, Signal: syscall.SIGKILL, LimitHit: LimitCPU}},
		{name: "deadline", spec: spec("stay"), limits: Limits{Deadline: 50 * time.Millisecond}, want: Exit{Code: -1, Signal: syscall.SIGKILL, LimitHit: LimitDeadline}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.spec.Limits = tt.limits
			p, err := s.Start(t.Context(), tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Wait()
			if err != nil {
				t.Fatal(err)
			}
			if got.Code != tt.want.Code || got.Signal != tt.want.Signal || got.LimitHit != tt.want.LimitHit || got.Violation {
				t.Errorf("exit %+v, want %+v", got, tt.want)
			}
			if tt.want.Stdout != nil && !bytes.Equal(got.Stdout, tt.want.Stdout) {
				t.Errorf("stdout %q, want %q", got.Stdout, tt.want.Stdout)
			}
			if tt.want.Stderr != "" && got.Stderr != tt.want.Stderr || !strings.Contains(got.Stderr, tt.stderr) {
				t.Errorf("stderr %.200q..., want %q", got.Stderr, tt.want.Stderr+tt.stderr)
			}
			if got.CPUTime <= 0 || got.MaxRSS <= 0 || got.WallTime <= 0 {
				t.Errorf("no account: %+v", got)
			}
			if again, err := p.Wait(); err != nil || again.Code != got.Code {
				t.Errorf("second Wait: %+v, %v", again, err)
			}
		})
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	none := func([]string) []string { return nil }
	script := shared + "/script"
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("no more")
	cancel(cause)
	tests := []struct {
		name string
		ctx  context.Context
		spec Spec
		want string
	}{
		{name: "relative program", spec: Spec{Program: "ffmpeg", Args: none}, want: "not an absolute path"},
		{name: "no program", spec: Spec{Program: "/nonexistent", Args: none}, want: "no such file"},
		{name: "script", spec: Spec{Program: script, Args: none}, want: "read the program"},
		{name: "no arguments", spec: Spec{Program: hostile}, want: "no argument list"},
		{name: "outputs", spec: Spec{Program: hostile, Args: none, Outputs: maxOutputs + 1}, want: "at most"},
		{name: "NUL", spec: Spec{Program: hostile, Args: func([]string) []string { return []string{"a\x00b"} }}, want: "NUL"},
		{name: "many arguments", spec: Spec{Program: hostile, Args: func([]string) []string { return make([]string, maxArguments+1) }}, want: "at most"},
		{name: "long argument", spec: Spec{Program: hostile, Args: func([]string) []string { return []string{strings.Repeat("x", 1<<17)} }}, want: "at most"},
		{name: "canceled", ctx: canceled, spec: Spec{Program: hostile, Args: none}, want: cause.Error()},
		{name: "size unknown", spec: Spec{Program: hostile, Args: none, Inputs: []Source{memory{size: -2}}}, want: "size -2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			p, err := s.Start(ctx, tt.spec)
			if err == nil {
				p.Kill()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
}

// startStaying starts a program that ignores every polite signal, and waits until it does.
func startStaying(ctx context.Context, t *testing.T) *Process {
	t.Helper()
	stay := spec("stay")
	stay.Outputs = 1
	p, err := newSandbox(t).Start(ctx, stay)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(p.Output(0)).ReadString('\n'); err != nil || line != "staying\n" {
		t.Fatalf("program said %q, %v", line, err)
	}
	return p
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	p := startStaying(ctx, t)
	defer p.Output(0).Close()
	cause := errors.New("job canceled")
	cancel(cause)
	exit, err := p.Wait()
	if !errors.Is(err, cause) || exit.Signal != syscall.SIGKILL {
		t.Errorf("Wait() = %+v, %v, want SIGKILL and %v", exit, err, cause)
	}
	if n, err := p.Output(0).Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("output after the end: %d, %v", n, err)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	p := startStaying(t.Context(), t)
	defer p.Output(0).Close()
	var killers sync.WaitGroup
	for range 8 {
		killers.Go(func() {
			p.Kill()
			exit, err := p.Wait()
			if err != nil || exit.Signal != syscall.SIGKILL || exit.LimitHit != LimitNone {
				t.Errorf("Wait() = %+v, %v", exit, err)
			}
		})
	}
	killers.Wait()
	p.Kill()
	if err := unix.Kill(p.PID(), 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process after Wait: %v", err)
	}
}

// TestParentKilled: the program does not outlive the process that started it, whatever ends that.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	for _, who := range parents() {
		t.Run(who.name, func(t *testing.T) {
			t.Parallel()
			cmd := who.command(t, who.mode)
			body, err := json.Marshal(request{Program: hostile, Args: []string{"attempt", "stay"}, Outputs: 1, Announce: true})
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdin = bytes.NewReader(body)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			pidfd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatalf("the program has gone before its parent: %v", err)
			}
			defer unix.Close(pidfd)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			// It becomes readable when the process ends. The time is only there for the test to end when it fails.
			const guard = 20_000
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, guard)
			if n != 1 || err != nil {
				t.Errorf("the program outlived its parent: %d, %v", n, err)
				_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
			}
		})
	}
}

// TestManyAtOnce starts programs from several goroutines of one Sandbox.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			p, err := s.Start(t.Context(), spec("nothing"))
			if err != nil {
				t.Error(err)
				return
			}
			if exit, err := p.Wait(); err != nil || !exit.Success() {
				t.Errorf("Wait() = %+v, %v", exit, err)
			}
		})
	}
	all.Wait()
}

func BenchmarkStart(b *testing.B) {
	s, err := New(Options{Executable: hostile})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p, err := s.Start(b.Context(), spec("nothing"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Options{Executable: hostile}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestUmask: a server whose files are its owner's alone starts programs wherever they are. It is not parallel: the umask is that of the process.
func TestUmask(t *testing.T) {
	s := newSandbox(t)
	defer syscall.Umask(syscall.Umask(0o077))
	p, err := s.Start(t.Context(), spec("nothing"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Wait(); err != nil || !got.Success() || string(got.Stdout) != "done\n" {
		t.Errorf("exit %+v, %v", got, err)
	}
}
