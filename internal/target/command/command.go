// Package command hands events to a program, in the sandbox that ffmpeg runs in: without network, files, environment and other processes. The program and its arguments are
// the configuration's; the event comes on standard input alone. What it writes to standard output can be handed on.
package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"darkroom/internal/sandbox"
	"darkroom/internal/target"
)

// Bounds.
const (
	// DefaultTimeout is how long the program may run, and how much processor time it has.
	DefaultTimeout = 10 * time.Second
	MaxTimeout     = 5 * time.Minute
	// DefaultMemory is what the program may use, in bytes.
	DefaultMemory = 256 << 20
	MinMemory     = 16 << 20
	MaxMemory     = 8 << 30
	MaxArgs       = 64
	// AtOnce is how many run at the same time; others wait.
	AtOnce   = 2
	maxFiles = 64
	maxTasks = 64
)

// ExitRefused is the exit status that says that the program will never take the event (EX_DATAERR of sysexits.h). 0 takes it; every other says that it may another time.
const ExitRefused = 65

// Options say what is run.
type Options struct {
	Sandbox *sandbox.Sandbox
	Program string   // absolute path of an ELF executable
	Args    []string // as they are: no shell reads them, and nothing of an event gets into them
	Timeout time.Duration
	Memory  int64
	// Output takes what the program writes to standard output, if it writes anything, in place of the event. Nil: it is not read. A failure of it is one of the delivery: the
	// program runs again. It is closed with the sender.
	Output target.Sender
}

// Sender runs one program. It is safe for concurrent use.
type Sender struct {
	o      Options
	closed atomic.Bool
	turns  chan struct{} // AtOnce tokens: who has one runs a program
}

// New returns a sender. Nothing is started yet.
func New(o Options) (*Sender, error) {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	switch {
	case o.Sandbox == nil:
		return nil, errors.New("a command target needs a sandbox")
	case !filepath.IsAbs(o.Program) || strings.Contains(o.Program, "\x00"):
		return nil, errors.New("a command target has the absolute path of a program")
	case len(o.Args) > MaxArgs:
		return nil, fmt.Errorf("a command target has at most %d arguments", MaxArgs)
	case o.Timeout < time.Second || o.Timeout > MaxTimeout:
		return nil, fmt.Errorf("a command target has a timeout from 1s to %s", MaxTimeout)
	case o.Memory < MinMemory || o.Memory > MaxMemory:
		return nil, fmt.Errorf("a command target has a memory of %d to %d bytes", MinMemory, MaxMemory)
	}
	s := &Sender{o: o, turns: make(chan struct{}, AtOnce)}
	for range AtOnce {
		s.turns <- struct{}{}
	}
	return s, nil
}

func (s *Sender) what() string { return "command " + filepath.Base(s.o.Program) }

// Send implements target.Sender. The program is killed when ctx ends or its time is over, which begins with its turn: those before it have theirs.
func (s *Sender) Send(ctx context.Context, m target.Message) error {
	if len(m.Body) > target.MaxBody {
		return &target.Refused{Reason: fmt.Sprintf("the message has more than %d bytes", target.MaxBody)}
	}
	select {
	case <-s.turns:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", s.what(), ctx.Err())
	}
	defer func() { s.turns <- struct{}{} }()
	if s.closed.Load() {
		return fmt.Errorf("%s: it is closed", s.what())
	}
	exit, err := s.run(ctx, m.Body)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", s.what(), ctx.Err())
	case err != nil:
		return fmt.Errorf("%s: it cannot be run: %w", s.what(), err)
	}
	if err := s.judge(exit); err != nil {
		return err
	}
	if s.o.Output == nil || len(exit.Stdout) == 0 {
		return nil
	}
	m.Body = exit.Stdout
	if err := s.o.Output.Send(ctx, m); err != nil {
		return fmt.Errorf("%s: hand on its output: %w", s.what(), err)
	}
	return nil
}

func (s *Sender) run(ctx context.Context, event []byte) (sandbox.Exit, error) {
	p, err := s.o.Sandbox.Start(ctx, sandbox.Spec{
		Program: s.o.Program, Args: func([]string) []string { return s.o.Args }, Stdin: event, Stdout: s.o.Output != nil,
		Limits: sandbox.Limits{
			Memory: s.o.Memory, CPUTime: s.o.Timeout, Deadline: s.o.Timeout, OpenFiles: maxFiles, Threads: maxTasks, StderrBytes: 1, StdoutBytes: target.MaxBody,
		},
	})
	if err != nil {
		return sandbox.Exit{}, err
	}
	return p.Wait()
}

// judge says what an exit means. What the program wrote to standard error may hold anything, and is in no error.
func (s *Sender) judge(e sandbox.Exit) error {
	switch {
	case e.Success():
		return nil
	case e.LimitHit == sandbox.LimitOutput:
		return &target.Refused{Reason: fmt.Sprintf("the program wrote more than %d bytes to standard output", target.MaxBody)}
	case e.LimitHit != sandbox.LimitNone:
		return fmt.Errorf("%s: it reached its limit of %s", s.what(), e.LimitHit)
	case e.Violation:
		return fmt.Errorf("%s: it made a system call that the sandbox kills for", s.what())
	case e.Signal != 0:
		return fmt.Errorf("%s: it was ended by signal %d", s.what(), e.Signal)
	case e.Code == ExitRefused:
		return &target.Refused{Reason: fmt.Sprintf("the program ended with status %d", e.Code)}
	}
	return fmt.Errorf("%s: it ended with status %d", s.what(), e.Code)
}

// Close implements target.Sender. It waits for the programs that run.
func (s *Sender) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	for range AtOnce {
		<-s.turns
	}
	for range AtOnce {
		s.turns <- struct{}{}
	}
	if s.o.Output != nil {
		return s.o.Output.Close()
	}
	return nil
}
