package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// initFailed is the exit status of a first process that could not become the program.
const initFailed = 120

// firstOutput is the first descriptor that the program writes to.
const firstOutput = 3

// Init is the life of the first process of a sandbox: it confines itself and becomes the program. It does not return. It must be called
// from main, first of all, when IsInit is true.
func Init() {
	// Landlock, seccomp and capabilities belong to a thread, and execve(2) keeps those of the thread that calls it.
	runtime.LockOSThread()
	var f first
	err := f.run()
	f.tell(tagError, initError{Step: f.step, Error: err.Error()})
	os.Exit(initFailed)
}

// A first is the first process at work.
type first struct {
	config  initConfig
	decoder *json.Decoder
	// control is the descriptor of the control socket, moved away from 0.
	control int
	null    int
	step    string
	missing map[Layer]string
	args    []string
	// abi is the version of Landlock.
	abi int
}

// layer carries out one step for a layer that was asked for. In a trial a failure is noted and the work goes on.
func (f *first) layer(layer Layer, step func() error) error {
	if !slices.Contains(f.config.Layers, layer) {
		return nil
	}
	f.step = string(layer)
	err := step()
	if err != nil && f.config.Trial {
		f.missing[layer] = err.Error()
		return nil
	}
	return err
}

func (f *first) run() error {
	if err := f.begin(); err != nil {
		return err
	}
	steps := []func() error{
		func() error { return f.layer(NetworkNamespace, raiseLoopback) },
		f.listen,
		f.receiveArgs,
		func() error { return f.layer(MountNamespace, func() error { return buildView(f.config) }) },
		func() error {
			return f.layer(UTSNamespace, func() error { return unix.Sethostname([]byte("sandbox")) })
		},
		f.dropPrivileges,
		func() error {
			return f.layer(UnprivilegedUser, func() error { return takeIdentity(f.config.UID, f.config.GID) })
		},
		f.dropCapabilities,
		f.dieWithParent,
		f.descriptors,
		f.limits,
		f.landlock,
		func() error { return f.layer(Seccomp, func() error { return restrictSystemCalls(f.config.Network) }) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if f.config.Trial {
		f.tell(tagTrial, trialResult{Missing: f.missing, LandlockABI: f.abi})
		os.Exit(0)
	}
	return f.exec()
}

// begin moves the control socket away from descriptor 0 and reads the configuration.
func (f *first) begin() error {
	f.step = "read the configuration"
	f.abi = landlockABI()
	f.missing = make(map[Layer]string)
	control, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, firstOutput+maxOutputs)
	if err != nil {
		return err
	}
	f.control = control
	if f.null, err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if err := unix.Dup3(f.null, 0, 0); err != nil {
		return err
	}
	f.decoder = json.NewDecoder(socketReader(control))
	return f.decoder.Decode(&f.config)
}

// listen opens the listener inside the network namespace and hands it out.
func (f *first) listen() error {
	if !f.config.Listen {
		return nil
	}
	f.step = "listen"
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return err
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	f.config.Port = address.(*unix.SockaddrInet4).Port
	return unix.Sendmsg(f.control, []byte{tagListener}, unix.UnixRights(fd), nil, 0)
}

func (f *first) receiveArgs() error {
	if f.config.Trial {
		return nil
	}
	f.step = "read the arguments"
	var message initArgs
	if err := f.decoder.Decode(&message); err != nil {
		return err
	}
	f.args = message.Args
	return nil
}

// dropPrivileges takes away what execve(2) could give back; capabilities are still there to change the user id.
func (f *first) dropPrivileges() error {
	f.step = "drop privileges"
	return dropBounding()
}

func (f *first) dropCapabilities() error {
	f.step = "drop capabilities"
	return dropAll()
}

// dieWithParent asks again for what the change of user id has cleared, and then looks whether the parent has gone in between.
func (f *first) dieWithParent() error {
	f.step = "follow the parent"
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	poll := []unix.PollFd{{Fd: int32(f.control), Events: unix.POLLRDHUP}}
	if _, err := unix.Poll(poll, 0); err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	if poll[0].Revents&(unix.POLLHUP|unix.POLLRDHUP|unix.POLLERR) != 0 {
		return errors.New("the parent has gone")
	}
	return nil
}

// descriptors lets nothing but the standard descriptors and the outputs pass execve(2), whatever this process had inherited.
func (f *first) descriptors() error {
	f.step = "close descriptors"
	if f.config.Stdin { // it came behind the outputs
		if err := unix.Dup3(firstOutput+f.config.Outputs, 0, 0); err != nil {
			return err
		}
	}
	return unix.CloseRange(uint(firstOutput+f.config.Outputs), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

func (f *first) limits() error {
	f.step = "set limits"
	return setLimits(f.config.Limits)
}

// landlock enforces three layers by one ruleset. Where the first is missing, so are the others.
func (f *first) landlock() error {
	for _, need := range []struct {
		layer Layer
		abi   int
	}{{Landlock, 1}, {LandlockNetwork, landlockNetworkABI}, {LandlockScope, landlockScopeABI}} {
		if err := f.layer(need.layer, func() error {
			if f.abi < need.abi {
				return fmt.Errorf("the kernel offers Landlock ABI %d, and it takes %d", f.abi, need.abi)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if f.missing[Landlock] != "" {
		return nil
	}
	return f.layer(Landlock, func() error { return restrictFiles(landlockRules(f.config), f.abi) })
}

// exec becomes the program. It returns only an error.
func (f *first) exec() error {
	f.step = "execute the program"
	program, err := unix.BytePtrFromString(f.config.Program)
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(f.args)
	if err != nil {
		return err
	}
	envp := []*byte{nil}
	if _, err := unix.Write(f.control, []byte{tagExec}); err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(program)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])))
	runtime.KeepAlive(argv)
	return errno
}

// tell sends a message; there is nobody else to tell a failure to.
func (f *first) tell(tag byte, message any) {
	data, err := json.Marshal(message)
	if err != nil {
		return
	}
	data = append([]byte{tag}, data...)
	for len(data) > 0 {
		n, err := unix.Write(f.control, data)
		if err != nil {
			return
		}
		data = data[n:]
	}
}

// A socketReader reads a descriptor without the runtime's poller, which a confined process has no use for.
type socketReader int

func (r socketReader) Read(buffer []byte) (int, error) {
	for {
		n, err := unix.Read(int(r), buffer)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errors.New("the parent has gone")
		}
		return n, nil
	}
}

// raiseLoopback brings up the only interface of a new network namespace; its address 127.0.0.1 comes by itself.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// setLimits sets the resource limits, soft and hard alike, so that the program cannot raise them.
func setLimits(l Limits) error {
	seconds := uint64((l.CPUTime + 1e9 - 1) / 1e9)
	for _, limit := range []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_DATA, uint64(l.Memory)},
		{unix.RLIMIT_AS, uint64(l.Memory) + addressSpaceSlack},
		{unix.RLIMIT_CPU, seconds},
		{unix.RLIMIT_NOFILE, uint64(l.OpenFiles)},
		{unix.RLIMIT_NPROC, uint64(l.Threads)},
		{unix.RLIMIT_FSIZE, 0},
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_MEMLOCK, lockedBytes},
		{unix.RLIMIT_MSGQUEUE, 0},
		{unix.RLIMIT_STACK, stackBytes},
	} {
		rlimit := unix.Rlimit{Cur: limit.value, Max: limit.value}
		// A process may not go above its own hard limit, and what is lower already is good enough.
		var had unix.Rlimit
		if err := unix.Prlimit(0, limit.resource, nil, &had); err == nil && had.Max < limit.value {
			rlimit.Cur, rlimit.Max = had.Max, had.Max
		}
		if err := unix.Prlimit(0, limit.resource, &rlimit, nil); err != nil {
			return fmt.Errorf("limit %d: %w", limit.resource, err)
		}
	}
	return nil
}

const (
	// stackBytes is the stack of the program, and by default of each of its threads, where all of it counts as memory. Codecs get by
	// with less on systems whose threads have half a megabyte.
	stackBytes = 2 << 20
	// lockedBytes lets a cryptographic library that is linked in lock its small pool, and be silent.
	lockedBytes = 64 << 10
)
