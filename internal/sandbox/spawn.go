package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
)

// errSpawn marks a failure to start the first process at all.
var errSpawn = errors.New("start the first process")

// initName is the whole argument list of the first process.
const initName = "darkroom-sandbox"

// isInitCalled is set once by IsInit; see errNoInit.
var isInitCalled atomic.Bool

// IsInit reports whether this process is the first process of a sandbox. Every main that uses the package calls it before anything
// else, and Init when it is true.
func IsInit() bool {
	isInitCalled.Store(true)
	return len(os.Args) == 1 && os.Args[0] == initName
}

// A spawned is a first process, and later the program that it became.
type spawned struct {
	process *os.Process
	control controlConn
	// exited is closed when the process has been waited for; state and err are set before.
	exited chan struct{}
	state  *os.ProcessState
	err    error
}

// spawn starts a first process. Its descriptors 1, 2, ... are files; without any, it writes to /dev/null.
func spawn(executable string, p plan, files []*os.File) (*spawned, error) {
	control, theirs, err := newControl()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSpawn, err)
	}
	defer theirs.Close()
	if files == nil {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			_ = control.Close()
			return nil, fmt.Errorf("%w: %w", errSpawn, err)
		}
		defer null.Close()
		files = []*os.File{null, null}
	}
	s := &spawned{control: control, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The parent-death signal (prctl(2), PR_SET_PDEATHSIG) comes when the thread that started the child ends, so that thread is held
		// until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		process, err := os.StartProcess(executable, []string{initName}, &os.ProcAttr{
			Dir: "/", Env: []string{}, Files: append([]*os.File{theirs}, files...), Sys: p.sysProcAttr(),
		})
		s.process = process
		started <- err
		if err != nil {
			return
		}
		s.state, s.err = process.Wait()
		close(s.exited)
	}()
	if err := <-started; err != nil {
		_ = control.Close()
		return nil, fmt.Errorf("%w: %w", errSpawn, err)
	}
	return s, nil
}

// kill ends the process, and with it everything in its pid namespace. Killing one that has ended does nothing.
func (s *spawned) kill() { _ = s.process.Kill() }

// end kills the process and waits for it.
func (s *spawned) end() {
	s.kill()
	<-s.exited
	_ = s.control.Close()
}

// trial has the first process try its layers.
func (s *spawned) trial(ctx context.Context, config initConfig) (trialResult, error) {
	defer s.control.within(ctx)()
	if err := s.control.send(config); err != nil {
		return trialResult{}, ended(err)
	}
	if config.Listen {
		listener, err := s.control.listener()
		if err != nil {
			return trialResult{}, err
		}
		_ = listener.Close()
	}
	return s.control.result()
}
