package sandbox

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pipeBytes is the size asked for each pipe, so that a program does not switch to us for every 64 KiB (F_SETPIPE_SZ). Where the
// user's allowance is used up the pipe keeps its size.
const pipeBytes = 1 << 20

// A Process is a program that runs, or has run, in the sandbox. Its methods are safe for concurrent use.
type Process struct {
	// StartedAt is when the program itself started.
	StartedAt time.Time
	// Missing are the layers that the program runs without; empty where the machine offers them all.
	Missing []Layer

	spawned *spawned
	outputs []*os.File
	server  *server
	stderr  *tail
	stdout  *bounded
	limits  Limits

	// done is closed when exit and err are set and nothing of the process is left.
	done chan struct{}
	exit Exit
	err  error

	mu sync.Mutex
	// ending is why we killed the program; nil if we did not. Guarded by mu, held for an assignment.
	ending error
}

// Reasons for our own kill.
var (
	errDeadline = errors.New("deadline passed")
	errOutput   = errors.New("too much standard output")
	errKilled   = errors.New("killed")
)

// Exit is how a program ended.
type Exit struct {
	// Code is the exit status, -1 if a signal ended the program.
	Code int
	// Signal is the signal that ended the program, 0 if none did.
	Signal syscall.Signal
	// Stdout is what the program wrote to standard output, if Spec.Stdout asked for it.
	Stdout []byte
	// Stderr is the end of standard error, valid UTF-8. It is text from a hostile program.
	Stderr string
	// LimitHit is the limit that ended the program.
	LimitHit Limit
	// Violation says that the program made a system call that no transcoder makes: it was taken over.
	Violation bool
	// CPUTime is the processor time of all threads, user and system.
	CPUTime time.Duration
	// MaxRSS is the largest resident set in bytes. It is never below that of the first process, about 20 MB.
	MaxRSS int64
	// WallTime is from the start of the program to its end.
	WallTime time.Duration
}

// Success reports whether the program ended by itself with status 0.
func (e Exit) Success() bool { return e.Code == 0 && e.Signal == 0 && e.LimitHit == LimitNone }

// Start starts a program and returns when it runs. The program is killed when ctx ends. The caller must read every output to its end
// (one that nobody reads blocks the program) and close it, and must call Wait. The error is about the sandbox or the spec, never about
// what the program thinks of its input.
func (s *Sandbox) Start(ctx context.Context, spec Spec) (*Process, error) {
	p, err := s.start(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("sandbox: start %s: %w", filepath.Base(spec.Program), err)
	}
	return p, nil
}

func (s *Sandbox) start(ctx context.Context, spec Spec) (*Process, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	config, err := s.config(spec)
	if err != nil {
		return nil, err
	}
	p := &Process{Missing: s.report.Missing(), limits: config.Limits, done: make(chan struct{})}

	pipes, err := newPipes(2 + spec.Outputs)
	if err != nil {
		return nil, err
	}
	defer pipes.closeWriters()
	files := slices.Clone(pipes.writers)
	if !spec.Stdout {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			pipes.closeReaders()
			return nil, err
		}
		defer null.Close()
		files[0] = null
	}
	p.outputs = pipes.readers[2:]
	var input *os.File
	if len(spec.Stdin) > 0 {
		var reader *os.File
		if reader, input, err = os.Pipe(); err != nil {
			pipes.closeReaders()
			return nil, err
		}
		defer reader.Close()
		files = append(files, reader)
	}

	if p.spawned, err = spawn(s.executable, s.plan, files); err != nil {
		pipes.closeReaders()
		closeInput(input)
		return nil, err
	}
	pipes.closeWriters()
	if err := p.setUp(ctx, spec, config, s.report.UID); err != nil {
		p.spawned.end()
		closeInput(input)
		// What the first process had to say when it fell is more than an end of file.
		said, _ := io.ReadAll(io.LimitReader(pipes.readers[1], maxReplyBytes))
		pipes.closeReaders()
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		if len(said) > 0 {
			err = fmt.Errorf("%w (%s)", err, firstLine(said))
		}
		return nil, err
	}
	_ = p.spawned.control.Close()
	p.StartedAt = time.Now()
	p.run(ctx, spec, input, pipes.readers[0], pipes.readers[1])
	return p, nil
}

func closeInput(input *os.File) {
	if input != nil {
		_ = input.Close()
	}
}

// config resolves what can fail before anything is started.
func (s *Sandbox) config(spec Spec) (initConfig, error) {
	program, err := filepath.EvalSymlinks(spec.Program)
	if err != nil {
		return initConfig{}, err
	}
	interpreter, err := interpreter(program)
	if err != nil {
		return initConfig{}, err
	}
	return initConfig{
		Layers: s.plan.layers, UID: s.plan.uid, GID: s.plan.gid,
		Program: program, Interpreter: interpreter, ReadOnly: s.readOnly, Outputs: spec.Outputs, Stdin: len(spec.Stdin) > 0,
		Listen: len(spec.Inputs) > 0 && s.plan.has(NetworkNamespace), Network: len(spec.Inputs) > 0,
		Limits: spec.Limits.withDefaults(spec.Outputs, runtime.NumCPU()),
	}, nil
}

// interpreter is the dynamic linker of an ELF program, empty for a static one.
func interpreter(program string) (string, error) {
	file, err := elf.Open(program)
	if err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		path, err := io.ReadAll(io.LimitReader(segment.Open(), unix.PathMax))
		if err != nil {
			return "", fmt.Errorf("read the program: %w", err)
		}
		return filepath.EvalSymlinks(strings.TrimRight(string(path), "\x00"))
	}
	return "", nil
}

// setUp talks with the first process until it has become the program.
func (p *Process) setUp(ctx context.Context, spec Spec, config initConfig, uid int) error {
	control := p.spawned.control
	defer control.within(ctx)()
	var listener net.Listener
	var err error
	if p.server, err = newServer(ctx, spec.Inputs); err != nil {
		return err
	}
	if config.Network && !config.Listen {
		// Without a network namespace the listener is ours, and everybody on the machine can reach it.
		if listener, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			return err
		}
		config.Port = listener.Addr().(*net.TCPAddr).Port
		p.server.peer = &uid
		p.server.serve(listener)
	}
	if err = control.send(config); err == nil && config.Listen {
		if listener, err = control.listener(); err == nil {
			p.server.serve(listener)
		}
	}
	var args []string
	if err == nil {
		args = spec.Args(p.server.urls())
		err = checkArgs(args)
	}
	if err == nil {
		err = control.send(initArgs{Args: append([]string{filepath.Base(spec.Program)}, args...)})
	}
	// A failed write is the shadow of a failed step, which the other direction names.
	if err == nil || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		err = control.started()
	}
	if err != nil {
		p.server.close()
	}
	return err
}

// run owns the process until it is gone.
func (p *Process) run(ctx context.Context, spec Spec, input, stdout, stderr *os.File) {
	p.stderr = newTail(p.limits.StderrBytes)
	p.stdout = &bounded{limit: p.limits.StdoutBytes}
	var readers sync.WaitGroup
	readers.Go(func() {
		_, _ = io.Copy(p.stderr, stderr)
		_ = stderr.Close()
	})
	if input != nil {
		readers.Go(func() {
			_, _ = input.Write(spec.Stdin) // it fails when the program has closed its end, or is gone
			_ = input.Close()
		})
	}
	if spec.Stdout {
		readers.Go(func() {
			if _, err := io.Copy(p.stdout, stdout); err != nil {
				p.end(errOutput)
			}
			_ = stdout.Close()
		})
	} else {
		_ = stdout.Close()
	}
	go func() {
		defer close(p.done)
		deadline := time.NewTimer(p.limits.Deadline)
		defer deadline.Stop()
		select {
		case <-p.spawned.exited:
		case <-ctx.Done():
			p.end(context.Cause(ctx))
		case <-deadline.C:
			p.end(errDeadline)
		}
		<-p.spawned.exited
		wall := time.Since(p.StartedAt)
		readers.Wait()
		p.server.close()
		p.exit, p.err = p.judge()
		p.exit.WallTime = wall
	}()
}

// end kills the program and remembers the first reason.
func (p *Process) end(reason error) {
	p.mu.Lock()
	if p.ending == nil {
		p.ending = reason
	}
	p.mu.Unlock()
	p.spawned.kill()
}

// judge says how the program ended, once nothing of it is left.
func (p *Process) judge() (Exit, error) {
	if p.spawned.err != nil {
		return Exit{Code: -1}, fmt.Errorf("sandbox: wait: %w", p.spawned.err)
	}
	state := p.spawned.state
	exit := Exit{
		Code: state.ExitCode(), Stderr: p.stderr.String(), Stdout: p.stdout.data,
		CPUTime: state.UserTime() + state.SystemTime(),
	}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		exit.MaxRSS = usage.Maxrss << 10
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	p.mu.Lock()
	ending := p.ending
	p.mu.Unlock()
	killed := exit.Signal == syscall.SIGKILL
	switch {
	case killed && ending != nil:
		switch ending {
		case errDeadline:
			exit.LimitHit = LimitDeadline
		case errOutput:
			exit.LimitHit = LimitOutput
		case errKilled:
		default:
			return exit, fmt.Errorf("sandbox: %w", ending)
		}
	case exit.Signal == syscall.SIGSYS:
		exit.Violation = true
	case killed && exit.CPUTime+cpuGrain >= p.limits.CPUTime:
		exit.LimitHit = LimitCPU
	case killed:
		// Nobody else in reach can send this signal: it was the kernel's, for want of memory.
		exit.LimitHit = LimitMemory
	case exit.Code != 0 && saysOutOfMemory(exit.Stderr):
		exit.LimitHit = LimitMemory
	}
	return exit, nil
}

// cpuGrain is how far the kernel's account at the kill may stay below the limit that it enforced.
const cpuGrain = 500 * time.Millisecond

func saysOutOfMemory(stderr string) bool {
	stderr = strings.ToLower(stderr)
	for _, words := range []string{"cannot allocate memory", "out of memory", "bad_alloc"} {
		if strings.Contains(stderr, words) {
			return true
		}
	}
	return false
}

// Output is the reading end of the program's i-th pipe (its descriptor 3+i). It ends when the program closes it or dies; what was
// written before can still be read then. It belongs to the caller, who closes it; closing it early makes the program's writes fail.
func (p *Process) Output(i int) io.ReadCloser { return p.outputs[i] }

// Kill ends the program and all that belongs to it at once. It does not wait, and may be called at any time and again.
func (p *Process) Kill() { p.end(errKilled) }

// Done is closed when the program has ended and nothing of it is left.
func (p *Process) Done() <-chan struct{} { return p.done }

// InputError is the first failure of a Source, or nil. A program only sees a connection that breaks: when it fails, this is why.
func (p *Process) InputError() error { return p.server.fault() }

// Wait waits until the program has ended and nothing of it is left: no process, no connection, no call of a Source. The error is nil if
// the program ended by itself, by a limit or by Kill, whatever its status; it wraps context.Cause if the end of the context killed it.
// Wait may be called by several callers, who all get the same answer.
func (p *Process) Wait() (Exit, error) {
	<-p.done
	return p.exit, p.err
}

// PID is the process id outside the sandbox, for measuring; it means nothing after Done.
func (p *Process) PID() int { return p.spawned.process.Pid }

// pipes are the pipes of one process: standard output, standard error, outputs.
type pipes struct {
	readers, writers []*os.File
}

func newPipes(n int) (*pipes, error) {
	var p pipes
	for range n {
		reader, writer, err := os.Pipe()
		if err != nil {
			p.closeReaders()
			p.closeWriters()
			return nil, err
		}
		p.readers, p.writers = append(p.readers, reader), append(p.writers, writer)
	}
	for _, writer := range p.writers[2:] {
		enlarge(writer)
	}
	return &p, nil
}

// enlarge asks for a large pipe; the size it has will do otherwise.
func enlarge(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes) })
}

func (p *pipes) closeReaders() { closeAll(p.readers) }

func (p *pipes) closeWriters() { closeAll(p.writers) }

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.ToValidUTF8(string(text), "?"), "\n")
	return line
}
