package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The sandbox is tried from a program as it is built for use, static and without the race detector: hostile is its first process, its
// parent, and the program inside.
var (
	// shared is a directory that every user can read, and hostile the program in it.
	shared, hostile string
)

// otherUser is an id that has nothing to do with the one that the tests run under.
const otherUser = 54321

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sandbox")
		if err == nil {
			err = os.Chmod(dir, 0o755)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		shared, hostile = dir, filepath.Join(dir, "hostile")
		build := exec.Command("go", "build", "-o", hostile, "./testdata/hostile")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// request and result are the ends of a conversation with hostile as a parent.
type request struct {
	Options  Options
	Program  string
	Args     []string
	Inputs   []string
	Outputs  int
	Stdout   bool
	Limits   Limits
	Announce bool
}

type result struct {
	Report  Report
	Exit    Exit
	Error   string
	Outputs [][]byte
}

// A parent is a way to run the process that starts the sandbox.
type parent struct {
	name string
	mode string
	attr *syscall.SysProcAttr
	// missing are layers that it cannot have.
	missing []Layer
}

// parents are the users that a sandbox is started by: root, which changes to another user inside; somebody else, who makes a user
// namespace; somebody who may make no namespace at all; and root who may not either.
func parents() []parent {
	other := parent{name: "own user", mode: "parent", attr: &syscall.SysProcAttr{}}
	outside := os.Getuid()
	var all []parent
	if os.Getuid() == 0 {
		other.name = "other user"
		other.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUser, Gid: otherUser}}
		all = append(all, parent{name: "root", mode: "parent", attr: &syscall.SysProcAttr{}})
		outside = otherUser
	}
	bare := parent{
		name: "no namespaces", mode: "bare-parent",
		attr: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: outside, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: outside, Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_SYS_RESOURCE},
		},
		missing: []Layer{UserNamespace, NetworkNamespace, MountNamespace, PIDNamespace, IPCNamespace, UTSNamespace, CgroupNamespace},
	}
	if os.Getuid() == 0 {
		bare.attr.Credential = &syscall.Credential{Uid: 1000, Gid: 1000, NoSetGroups: true}
	} else {
		bare.attr.GidMappings[0].HostID = os.Getgid()
	}
	all = append(all, other, bare)
	if os.Getuid() == 0 {
		contained := parent{name: "root in a container", mode: bare.mode, missing: bare.missing, attr: &syscall.SysProcAttr{
			Cloneflags:                 unix.CLONE_NEWUSER,
			UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: outside, Size: 1}, {ContainerID: DefaultUID, HostID: outside + 1, Size: 1}},
			GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: outside, Size: 1}, {ContainerID: DefaultUID, HostID: outside + 1, Size: 1}},
			GidMappingsEnableSetgroups: true,
			Credential:                 &syscall.Credential{},
		}}
		// The same with all that root has, which makes namespaces without a user namespace.
		privileged := contained
		privileged.name, privileged.mode, privileged.missing = "root without user namespaces", "privileged-parent", []Layer{UserNamespace}
		all = append(all, contained, privileged)
	}
	return all
}

// command starts hostile as the parent would.
func (p parent) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), hostile, args...)
	attr := *p.attr
	cmd.SysProcAttr = &attr
	cmd.Dir = "/"
	// What the sandbox must not pass on.
	cmd.Env = []string{"HOSTILE_SECRET=hunter2"}
	cmd.Stderr = os.Stderr
	return cmd
}

// run has the parent start a program in the sandbox.
func (p parent) run(t *testing.T, r request) result {
	t.Helper()
	return p.runAll(t, []request{r})[0]
}

// runAll has the parent start programs in the sandbox, one after the other.
func (p parent) runAll(t *testing.T, requests []request) []result {
	t.Helper()
	var body bytes.Buffer
	for _, r := range requests {
		if err := json.NewEncoder(&body).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	cmd := p.command(t, p.mode)
	cmd.Stdin = &body
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("parent: %v", err)
	}
	results := make([]result, len(requests))
	decoder := json.NewDecoder(bytes.NewReader(out))
	for i := range results {
		if err := decoder.Decode(&results[i]); err != nil {
			t.Fatalf("parent: %v in %q", err, out)
		}
	}
	return results
}

// attempt has the parent run an attempt in the sandbox.
func (p parent) attempt(t *testing.T, r request, name string, args ...string) result {
	t.Helper()
	got := p.run(t, r.attempt(name, args...))
	if got.Error != "" {
		t.Fatalf("attempt %s: %s", name, got.Error)
	}
	return got
}

func (r request) attempt(name string, args ...string) request {
	r.Program, r.Args, r.Stdout = hostile, append([]string{"attempt", name}, args...), true
	return r
}

// target starts a process under the parent's own user that could be attacked, and returns its id.
func (p parent) target(t *testing.T) string {
	t.Helper()
	cmd := p.command(t, "attempt", "stay")
	if p.mode == "bare-parent" {
		attr := *p.attr
		attr.AmbientCaps = nil
		cmd.SysProcAttr = &attr
	}
	ready, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	cmd.ExtraFiles = []*os.File{writer}
	err = cmd.Start()
	_ = writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatalf("target: %v", err)
	}
	return strconv.Itoa(cmd.Process.Pid)
}

// newSandbox makes a sandbox in this process, whose first process is hostile.
func newSandbox(t *testing.T) *Sandbox {
	t.Helper()
	s, err := New(Options{Executable: hostile, Require: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// spec runs an attempt.
func spec(name string, args ...string) Spec {
	return Spec{
		Program: hostile, Stdout: true,
		Args: func([]string) []string { return append([]string{"attempt", name}, args...) },
	}
}

// said is what an attempt that succeeded printed after its first line.
func said(t *testing.T, e Exit) string {
	t.Helper()
	text, ok := strings.CutPrefix(string(e.Stdout), "done\n")
	if !e.Success() || !ok {
		t.Fatalf("attempt ended with %+v, said %q", e, e.Stdout)
	}
	return text
}

func decodeResult(t *testing.T, out []byte) result {
	t.Helper()
	var got result
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("parent: %v in %q", err, out)
	}
	return got
}
