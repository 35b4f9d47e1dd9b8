package sandbox

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// WorkerUID is the user and group id that a worker process runs under when its parent is root: one that owns no file.
const WorkerUID = 61184

// ChildSpec is a part of Darkroom that runs as a process of its own.
type ChildSpec struct {
	// Args are the arguments of the running executable, without its name. They hold no secret: everybody on the machine can read them.
	Args []string
	// Stderr receives what the child logs.
	Stderr io.Writer
	// PATH is the only variable of the child's environment.
	PATH string
}

// Child is a process of Darkroom's own, joined to this one by a socket pair. Unlike a Process it is trusted code; it starts sandboxes itself.
type Child struct {
	// Conn is this side of the socket pair; the child finds its side as descriptor ChildFD.
	Conn net.Conn
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// ChildFD is the descriptor of the socket pair in a child.
const ChildFD = 3

// StartChild executes the running program again. When this process is root, the child runs under WorkerUID. It is killed when this process
// ends, however that happens.
func StartChild(spec ChildSpec) (*Child, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "worker")
	defer func() { _ = theirs.Close() }()
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		return nil, fmt.Errorf("use the socket pair: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", spec.Args...)
	cmd.Args[0] = "darkroom"
	cmd.Env = []string{"PATH=" + spec.PATH}
	cmd.Dir = "/"
	cmd.Stderr = spec.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: WorkerUID, Gid: WorkerUID}
	}
	c := &Child{Conn: conn, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The signal at the parent's death is bound to the thread that started the child: it must live as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	return c, nil
}

// ChildConn returns a child's side of the socket pair.
func ChildConn() (net.Conn, error) {
	f := os.NewFile(ChildFD, "parent")
	if f == nil {
		return nil, fmt.Errorf("descriptor %d is not open: this command is started by serve", ChildFD)
	}
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not a socket: this command is started by serve: %w", ChildFD, err)
	}
	return c, nil
}

// PID returns the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err says how the child ended; use it after Done.
func (c *Child) Err() error { return c.err }

// Stop asks the child to end in an orderly way (SIGTERM).
func (c *Child) Stop() { _ = c.cmd.Process.Signal(syscall.SIGTERM) }

// Kill ends the child at once.
func (c *Child) Kill() { _ = c.cmd.Process.Kill() }
