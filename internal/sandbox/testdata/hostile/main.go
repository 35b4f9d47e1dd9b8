// Command hostile is both sides of the sandbox's tests: run outside, it is a parent that starts programs; run inside, it is a program that
// tries what it must not be able to do and says how it went.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"darkroom/internal/sandbox"
)

// A Request is what the parent is asked to run. Arguments may contain $0, $1, ... for the addresses of the inputs.
type Request struct {
	Options sandbox.Options
	Program string
	Args    []string
	Inputs  []string
	Outputs int
	Stdout  bool
	Limits  sandbox.Limits
	// Announce makes the parent print the process id of the program before it waits.
	Announce bool
}

// A Result is how it went.
type Result struct {
	Report  sandbox.Report
	Exit    sandbox.Exit
	Error   string
	Outputs [][]byte
}

func main() {
	if sandbox.IsInit() {
		sandbox.Init()
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == "parent":
		if err := parent(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case len(os.Args) == 2 && (os.Args[1] == "bare-parent" || os.Args[1] == "privileged-parent"):
		fmt.Fprintln(os.Stderr, bare(os.Args[1] == "privileged-parent"))
		os.Exit(1)
	case len(os.Args) >= 3 && os.Args[1] == "attempt":
		attempt(os.Args[2], os.Args[3:])
	default:
		fmt.Fprintln(os.Stderr, "usage: hostile parent | hostile attempt NAME [ARGUMENT...]")
		os.Exit(2)
	}
}

// bare becomes a parent that can make no namespaces. It is started in a user namespace of its own, whose limit it sets, as somebody with
// the one capability that this takes, or as root, who keeps
// what root has in a container, or everything.
func bare(keep bool) error {
	runtime.LockOSThread()
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	contained := []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_SYS_RESOURCE, unix.CAP_NET_ADMIN, unix.CAP_BPF, unix.CAP_PERFMON}
	if keep {
		contained = nil
	}
	for _, capability := range contained {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil && os.Getuid() == 0 {
			return err
		}
	}
	return unix.Exec("/proc/self/exe", []string{os.Args[0], "parent"}, nil)
}

// parent carries out the requests on its standard input, one after the other.
func parent() error {
	requests, results := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var (
		s       *sandbox.Sandbox
		options []byte
	)
	for {
		var request Request
		if err := requests.Decode(&request); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		wanted, err := json.Marshal(request.Options)
		if err != nil {
			return err
		}
		if s == nil || !bytes.Equal(wanted, options) {
			options = wanted
			if s, err = sandbox.New(request.Options); err != nil {
				if err := results.Encode(Result{Error: err.Error()}); err != nil {
					return err
				}
				continue
			}
		}
		if err := results.Encode(run(s, request)); err != nil {
			return err
		}
	}
}

func run(s *sandbox.Sandbox, request Request) Result {
	result := Result{Report: s.Report()}
	if request.Program == "" {
		return result
	}
	var sources []sandbox.Source
	for _, name := range request.Inputs {
		source, err := openSource(name)
		if err != nil {
			result.Error = err.Error()
			return result
		}
		sources = append(sources, source)
	}
	p, err := s.Start(context.Background(), sandbox.Spec{
		Program: request.Program, Inputs: sources, Outputs: request.Outputs, Stdout: request.Stdout, Limits: request.Limits,
		Args: func(inputs []string) []string {
			args := make([]string, len(request.Args))
			for i, arg := range request.Args {
				for n, input := range inputs {
					arg = strings.ReplaceAll(arg, fmt.Sprintf("$%d", n), input)
				}
				args[i] = arg
			}
			return args
		},
	})
	if err != nil {
		result.Error = err.Error()
		return result
	}
	if request.Announce {
		fmt.Println(p.PID())
	}
	result.Outputs = make([][]byte, request.Outputs)
	var readers sync.WaitGroup
	for i := range result.Outputs {
		readers.Go(func() {
			output := p.Output(i)
			defer output.Close()
			result.Outputs[i], _ = io.ReadAll(output)
		})
	}
	readers.Wait()
	exit, err := p.Wait()
	result.Exit = exit
	if err != nil {
		result.Error = err.Error()
	}
	return result
}

// A fileSource serves a file.
type fileSource struct {
	name string
	size int64
}

func openSource(name string) (sandbox.Source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	return fileSource{name: name, size: info.Size()}, nil
}

func (s fileSource) Size() int64 { return s.size }

func (s fileSource) ReadRange(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	file, err := os.Open(s.name)
	if err != nil {
		return nil, err
	}
	if length < 0 {
		length = s.size - offset
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, offset, length), file}, nil
}
