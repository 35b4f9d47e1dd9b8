// Package sandbox is the only place that starts a process. It runs ffmpeg and ffprobe, which read hostile media, on ground where a
// program that has been taken over finds nothing: no network, no files but its own libraries, no other process, no capability, no
// environment, no descriptor but its pipes.
//
// A sandbox is made of layers (see Layer), each of which holds by itself: namespaces (namespaces(7)), a read-only mount view, Landlock
// (landlock(7)), a seccomp allow-list (seccomp(2)), an empty capability set, and resource limits (setrlimit(2)). Which of them the machine
// offers is tried when a Sandbox is made, and a missing one is reported; Options.Require makes it an error.
//
// The program is started in two steps. The running executable is executed again in new namespaces (its main must call IsInit and Init
// first of all); that first process, still trusted code, confines itself and then becomes the program by execve(2), so the program is
// process 1 of its own pid namespace and whatever it could have started dies with it. The program reads its input by HTTP ranges
// (RFC 9110 section 14) from a loopback listener inside its own empty network namespace, which is served by this side from a Source; it
// writes its output to pipes.
//
// The package knows nothing of media: the argument list is the caller's, and no shell is ever involved. Limits of what it promises: the
// program shares the kernel with everybody else, and without a memory cgroup the memory of a process is bounded by its private writable
// memory and not by its share of the page cache.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultUID is the user and group id that the program runs under when the sandbox is started by root and Options names none ("nobody").
const DefaultUID = 65534

// Options say how every program of a Sandbox is confined. The zero value is the safe default.
type Options struct {
	// Require makes New fail with ErrLayerMissing when the machine lacks one of the layers.
	Require bool
	// UID and GID are what the program runs under when this process is root; 0 means DefaultUID. Another user's programs run under
	// that user's own id.
	UID, GID int
	// ReadOnly are further absolute paths (files or directories) that the program may read, such as the directory of the libraries of
	// an ffmpeg that was installed elsewhere.
	ReadOnly []string
	// Executable is the absolute path of a program whose main calls IsInit and Init first; empty means the running executable.
	Executable string
}

// ErrLayerMissing is returned by New when Options.Require is set and the machine does not offer every layer.
var ErrLayerMissing = errors.New("sandbox layer missing")

// errNoInit guards against a program that starts itself again and again: without the call of Init in its main, the first process
// of the sandbox would be a second copy of the program.
var errNoInit = errors.New("the main function of this program does not call sandbox.IsInit first")

// A Sandbox starts confined programs. It is safe for concurrent use and holds no resources.
type Sandbox struct {
	executable string
	readOnly   []string
	plan       plan
	report     Report
}

// New tries out what the machine offers by starting and confining a process that does nothing, which takes some tens of milliseconds.
func New(options Options) (*Sandbox, error) {
	executable, err := initExecutable(options.Executable)
	if err != nil {
		return nil, err
	}
	for _, path := range options.ReadOnly {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("sandbox: path %q is not absolute", path)
		}
	}
	report, chosen, err := try(executable, options)
	if err != nil {
		return nil, err
	}
	if missing := report.Missing(); options.Require && len(missing) > 0 {
		names := make([]string, len(missing))
		for i, layer := range missing {
			names[i] = string(layer)
		}
		return nil, fmt.Errorf("%w: %s", ErrLayerMissing, strings.Join(names, ", "))
	}
	return &Sandbox{executable: executable, readOnly: slices.Clone(options.ReadOnly), plan: chosen, report: report}, nil
}

// Report says which layers every program of s is confined by, as they were found when s was made.
func (s *Sandbox) Report() Report {
	report := s.report
	report.Layers = slices.Clone(report.Layers)
	return report
}

func initExecutable(path string) (string, error) {
	if path == "" {
		if !isInitCalled.Load() {
			return "", errNoInit
		}
		return "/proc/self/exe", nil
	}
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("sandbox: path %q is not absolute", path)
	}
	return path, nil
}

// try finds the plan with the fewest missing layers.
func try(executable string, options Options) (Report, plan, error) {
	var (
		best   Report
		chosen plan
		found  bool
		fails  []error
	)
	for _, candidate := range candidates(options, os.Geteuid() == 0) {
		report, tried, err := candidate.try(context.Background(), executable)
		if err != nil {
			fails = append(fails, err)
			continue
		}
		if !found || len(report.Missing()) < len(best.Missing()) {
			best, chosen, found = report, tried, true
		}
		if len(best.Missing()) == 0 {
			break
		}
	}
	if !found {
		return Report{}, plan{}, fmt.Errorf("sandbox: start a process: %w", errors.Join(fails...))
	}
	for i := range best.Layers {
		// A namespace that no candidate could make is best explained by what the first one met.
		if l := &best.Layers[i]; l.Layer == UserNamespace && !l.Present && len(fails) > 0 {
			l.Detail = fails[0].Error()
		}
	}
	return best, chosen, nil
}
