package sandbox

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	t.Parallel()
	for _, p := range parents() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			got := p.run(t, request{})
			if got.Error != "" {
				t.Fatal(got.Error)
			}
			if diff := cmp.Diff(p.missing, got.Report.Missing()); diff != "" {
				t.Errorf("missing layers (-want +got):\n%s", diff)
			}
			for _, l := range got.Report.Layers {
				if l.Present != (l.Detail == "") {
					t.Errorf("layer %q: present %t with detail %q", l.Layer, l.Present, l.Detail)
				}
			}
			required := p.run(t, request{Options: Options{Require: true}})
			if refused := strings.Contains(required.Error, ErrLayerMissing.Error()); refused != (len(p.missing) > 0) {
				t.Errorf("with Require: error %q", required.Error)
			}
		})
	}
}

// TestNewRefusesProgramWithoutInit: this test's own main does not call IsInit, and would start itself again and again.
func TestNewRefusesProgramWithoutInit(t *testing.T) {
	t.Parallel()
	if s, err := New(Options{}); err == nil {
		t.Errorf("New() = %v, want an error", s)
	}
}

// TestRefused runs each attempt outside first, where it must succeed, so that its failure inside proves something.
func TestRefused(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(shared, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Another program that can be read inside, and yet not be executed.
	reach := openDir(t)
	other := filepath.Join(reach, "other")
	copyFile(t, other, hostile, 0o755)
	open := filepath.Join(reach, "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	tcp, tcpAccepted := listen(t, "tcp4", "127.0.0.1:0")
	path, pathAccepted := listen(t, "unix", filepath.Join(reach, "socket"))
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	abstract, abstractAccepted := listen(t, "unix", "@sandbox-test-"+filepath.Base(reach))
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() })

	const target = "TARGET"
	attempts := []struct {
		name string
		args []string
		// root: it takes root to succeed outside.
		root bool
		// violation: it is a system call that ends the program.
		violation bool
		// unset undoes what it did outside.
		unset func() error
	}{
		{name: "read", args: []string{"/etc/passwd"}},
		{name: "read", args: []string{secret}},
		{name: "read", args: []string{"/proc/self/maps"}},
		{name: "read", args: []string{"/proc/self/environ"}},
		{name: "read", args: []string{"/proc/" + target + "/environ"}},
		{name: "read", args: []string{"/sys/kernel/uevent_seqnum"}},
		{name: "list", args: []string{"/proc"}},
		{name: "list", args: []string{"/home"}},
		{name: "write", args: []string{filepath.Join(open, "file")}, unset: func() error { return os.Remove(filepath.Join(open, "file")) }},
		{name: "write", args: []string{"/tmp/sandbox-hostile"}, unset: func() error { return os.Remove("/tmp/sandbox-hostile") }},
		{name: "write", args: []string{"/dev/null"}},
		{name: "mkdir", args: []string{filepath.Join(open, "dir")}, unset: func() error { return os.Remove(filepath.Join(open, "dir")) }},
		{name: "create-anonymous"},
		{name: "tcp", args: []string{tcp}},
		{name: "udp", args: []string{udp.LocalAddr().String()}},
		{name: "unix", args: []string{path}},
		{name: "unix", args: []string{abstract}},
		{name: "listen"},
		{name: "netlink"},
		{name: "signal", args: []string{target}},
		{name: "ptrace", args: []string{target}, violation: true},
		{name: "read-memory", args: []string{target}, violation: true},
		{name: "fork", args: []string{hostile}},
		{name: "user-namespace", args: []string{hostile}},
		{name: "unshare", violation: true},
		{name: "mount", root: true, violation: true},
		{name: "bpf", root: true, violation: true},
		{name: "io_uring", violation: true},
		{name: "keyctl", violation: true},
		{name: "perf", root: true, violation: true},
		{name: "userfaultfd", root: true, violation: true},
		{name: "shared-memory"},
		{name: "forget-parent"},
		{name: "raise-limit"},
		{name: "execute", args: []string{other}},
	}
	everybody := parents()
	targets := make([]string, len(everybody))
	for i, p := range everybody {
		targets[i] = p.target(t)
	}
	outside := parent{mode: "attempt", attr: &syscall.SysProcAttr{}}.target(t)
	fill := func(args []string, pid string) []string {
		filled := slices.Clone(args)
		for i := range filled {
			filled[i] = strings.ReplaceAll(filled[i], target, pid)
		}
		return filled
	}
	for _, a := range attempts {
		if a.root && os.Getuid() != 0 {
			continue
		}
		cmd := exec.Command(hostile, append([]string{"attempt", a.name}, fill(a.args, outside)...)...)
		out, err := cmd.Output()
		if err != nil || !strings.HasPrefix(string(out), "done\n") {
			t.Errorf("outside, %s %v: %v, %q: it proves nothing inside", a.name, a.args, err, out)
		}
		if a.unset != nil {
			if err := a.unset(); err != nil {
				t.Error(err)
			}
		}
	}
	// Each listener has seen the attempt from outside, and must see no other.
	<-tcpAccepted
	<-pathAccepted
	<-abstractAccepted
	if _, _, err := udp.ReadFrom(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}

	t.Run("inside", func(t *testing.T) {
		for i, p := range everybody {
			for _, networked := range []bool{false, true} {
				// A program with an input may make sockets, which is more than one without; one parent tries that too.
				if !networked && i > 0 {
					continue
				}
				name := p.name
				var inputs []string
				if networked {
					name, inputs = name+" with an input", []string{secret}
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					requests := make([]request, len(attempts))
					for n, a := range attempts {
						r := request{Inputs: inputs, Options: Options{ReadOnly: []string{other}}}
						requests[n] = r.attempt(a.name, fill(a.args, targets[i])...)
					}
					results := p.runAll(t, requests)
					for n, a := range attempts {
						got := results[n]
						if got.Error != "" {
							t.Fatalf("%s %v: %s", a.name, a.args, got.Error)
						}
						switch {
						case strings.HasPrefix(string(got.Exit.Stdout), "done"):
							t.Errorf("%s %v succeeded: %q", a.name, a.args, got.Exit.Stdout)
						case got.Exit.Violation != a.violation:
							t.Errorf("%s %v: violation %t, want %t (%+v)", a.name, a.args, got.Exit.Violation, a.violation, got.Exit)
						case !a.violation && got.Exit.Code != refusedStatus:
							t.Errorf("%s %v: %+v, want status %d", a.name, a.args, got.Exit, refusedStatus)
						}
					}
				})
			}
		}
	})
	for name, accepted := range map[string]<-chan struct{}{"tcp": tcpAccepted, "path": pathAccepted, "abstract": abstractAccepted} {
		select {
		case <-accepted:
			t.Errorf("a connection reached the %s listener", name)
		default:
		}
	}
	entries, err := os.ReadDir(open)
	if err != nil || len(entries) > 0 {
		t.Errorf("%s holds %v, %v", open, entries, err)
	}
}

// refusedStatus is the exit status of an attempt that failed.
const refusedStatus = 3

// openDir is a new directory in which everybody may read.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(shared, "open-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, to, from string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	// No test may fork while the file is open for writing: its child would hold it open until it executes, and nobody could execute the copy.
	syscall.ForkLock.RLock()
	err = os.WriteFile(to, data, 0o600)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}

// listen accepts connections, each of which it notes on the channel.
func listen(t *testing.T, network, address string) (string, <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	accepted := make(chan struct{}, 64)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			accepted <- struct{}{}
		}
	}()
	return listener.Addr().String(), accepted
}

// TestNothingInherited looks at what the program has.
func TestNothingInherited(t *testing.T) {
	t.Parallel()
	for _, p := range parents() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if got := said(t, p.attempt(t, request{}, "environment").Exit); got != "" {
				t.Errorf("environment %q", got)
			}
			if got, want := said(t, p.attempt(t, request{Outputs: 3}, "descriptors").Exit), "0 1 2 3 4 5"; got != want {
				t.Errorf("descriptors %s, want %s", got, want)
			}
			identity := said(t, p.attempt(t, request{}, "identity").Exit)
			if !slices.Contains(p.missing, PIDNamespace) && !strings.HasPrefix(identity, "pid 1 ") {
				t.Errorf("identity %q, want pid 1", identity)
			}
			if strings.HasPrefix(p.name, "root") && !strings.Contains(identity, "uid 65534 euid 65534 gid 65534") {
				t.Errorf("identity %q, want nobody", identity)
			}
		})
	}
}

// TestInheritedDescriptor: a descriptor without FD_CLOEXEC in the parent does not reach the program.
func TestInheritedDescriptor(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	for _, p := range parents() {
		t.Run(p.name, func(t *testing.T) {
			body := `{"Program":"` + hostile + `","Args":["attempt","descriptors"],"Stdout":true}`
			cmd := p.command(t, p.mode)
			cmd.ExtraFiles = []*os.File{writer, writer, writer}
			cmd.Stdin = strings.NewReader(body)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got := decodeResult(t, out)
			if want := "0 1 2"; said(t, got.Exit) != want {
				t.Errorf("descriptors %q, want %s", got.Exit.Stdout, want)
			}
		})
	}
}

// TestSetuidProgram: a setuid-root program in reach gives nothing.
func TestSetuidProgram(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Log("only root can make a setuid program: the identity tests cover no_new_privs")
		return
	}
	dir := openDir(t)
	program := filepath.Join(dir, "hostile")
	copyFile(t, program, hostile, 0o755|os.ModeSetuid)
	other := parents()[1]
	out, err := other.command(t, "attempt", "execute", program).Output()
	if err != nil || !strings.Contains(string(out), "euid 0 ") {
		t.Fatalf("outside: %v, %q: it proves nothing inside", err, out)
	}
	for _, p := range parents() {
		r := request{Options: Options{ReadOnly: []string{dir}}}
		if got := p.attempt(t, r, "execute", program); got.Exit.Code != refusedStatus {
			t.Errorf("%s: %+v, said %q", p.name, got.Exit, got.Exit.Stdout)
		}
		// As the program itself it runs, and is nobody.
		r.Program, r.Args, r.Stdout = program, []string{"attempt", "identity"}, true
		got := p.run(t, r)
		if identity := said(t, got.Exit); len(p.missing) > 0 && strings.Contains(identity, "euid 0 ") {
			t.Errorf("%s: identity %q", p.name, identity)
		}
	}
}
