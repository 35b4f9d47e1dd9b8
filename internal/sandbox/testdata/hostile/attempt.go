package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused is the exit status of an attempt that failed, as it should inside.
const refused = 3

// attempt tries one thing. It prints "done" and what it got, or says why not.
func attempt(name string, args []string) {
	try, ok := attempts[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such attempt:", name)
		os.Exit(2)
	}
	got, err := try(args)
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(refused)
	}
	fmt.Print("done\n", got)
}

var attempts = map[string]func(args []string) (string, error){
	"nothing": func([]string) (string, error) { return "", nil },

	// Files.
	"read": func(args []string) (string, error) {
		data, err := os.ReadFile(args[0])
		return string(data), err
	},
	"list": func(args []string) (string, error) {
		entries, err := os.ReadDir(args[0])
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return strings.Join(names, "\n"), err
	},
	"write": func(args []string) (string, error) { return "", os.WriteFile(args[0], []byte("hostile"), 0o600) },
	"mkdir": func(args []string) (string, error) { return "", os.Mkdir(args[0], 0o700) },
	"create-anonymous": func([]string) (string, error) {
		_, err := unix.MemfdCreate("x", 0)
		return "", err
	},

	// Network.
	"tcp": func(args []string) (string, error) {
		conn, err := net.Dial("tcp", args[0])
		if err == nil {
			err = conn.Close()
		}
		return "", err
	},
	"udp": func(args []string) (string, error) {
		conn, err := net.Dial("udp", args[0])
		if err != nil {
			return "", err
		}
		_, err = conn.Write([]byte("hostile"))
		return "", err
	},
	"unix": func(args []string) (string, error) {
		conn, err := net.Dial("unix", args[0])
		if err == nil {
			err = conn.Close()
		}
		return "", err
	},
	"listen": func([]string) (string, error) {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err == nil {
			err = listener.Close()
		}
		return "", err
	},
	"netlink": func([]string) (string, error) {
		_, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
		return "", err
	},

	// Other processes.
	"signal": func(args []string) (string, error) { return "", unix.Kill(number(args[0]), 0) },
	"ptrace": func(args []string) (string, error) {
		runtime.LockOSThread()
		return "", syscall.PtraceAttach(number(args[0]))
	},
	"read-memory": func(args []string) (string, error) {
		var buffer [8]byte
		local := []unix.Iovec{{Base: &buffer[0], Len: 8}}
		_, err := unix.ProcessVMReadv(number(args[0]), local, []unix.RemoteIovec{{Base: 0, Len: 8}}, 0)
		if err == unix.EFAULT {
			// The address was bad, the permission was given.
			err = nil
		}
		return "", err
	},
	"fork": func(args []string) (string, error) { return start(args[0], 0) },
	"execute": func(args []string) (string, error) {
		return "", syscall.Exec(args[0], []string{args[0], "attempt", "identity"}, nil)
	},
	"identity": func([]string) (string, error) {
		return fmt.Sprintf("pid %d uid %d euid %d gid %d", os.Getpid(), os.Getuid(), os.Geteuid(), os.Getgid()), nil
	},

	// The kernel.
	"user-namespace": func(args []string) (string, error) { return start(args[0], unix.CLONE_NEWUSER) },
	"unshare":        func([]string) (string, error) { return "", unix.Unshare(unix.CLONE_FS) },
	"mount": func([]string) (string, error) {
		_, err := unix.Fsopen("tmpfs", 0)
		return "", err
	},
	"bpf": func([]string) (string, error) {
		attr := struct{ kind, key, value, entries uint32 }{unix.BPF_MAP_TYPE_ARRAY, 4, 4, 1}
		return "", call(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	},
	"io_uring": func([]string) (string, error) {
		var params [120]byte
		return "", call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	},
	"keyctl": func([]string) (string, error) {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_PROCESS_KEYRING, true)
		return "", err
	},
	"perf": func([]string) (string, error) {
		attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}
		_, err := unix.PerfEventOpen(&attr, 0, -1, -1, 0)
		return "", err
	},
	"userfaultfd": func([]string) (string, error) { return "", call(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0) },
	"shared-memory": func([]string) (string, error) {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
		return "", err
	},
	"forget-parent": func([]string) (string, error) { return "", unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) },
	"raise-limit": func([]string) (string, error) {
		return "", unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20})
	},

	// What there is to see.
	"environment": func([]string) (string, error) { return strings.Join(os.Environ(), "\n"), nil },
	"descriptors": func([]string) (string, error) {
		var open []string
		for fd := range 4096 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				open = append(open, strconv.Itoa(fd))
			}
		}
		return strings.Join(open, " "), nil
	},

	// Greed.
	"memory": func(args []string) (string, error) {
		var kept [][]byte
		for range number(args[0]) {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			kept = append(kept, block)
		}
		return strconv.Itoa(len(kept)), nil
	},
	"threads": func(args []string) (string, error) {
		var pipe [2]int
		if err := unix.Pipe(pipe[:]); err != nil {
			return "", err
		}
		started := make(chan struct{})
		for range number(args[0]) {
			go func() {
				runtime.LockOSThread()
				started <- struct{}{}
				var b [1]byte
				_, _ = unix.Read(pipe[0], b[:])
			}()
		}
		for range number(args[0]) {
			<-started
		}
		return "", nil
	},
	"spin": func([]string) (string, error) {
		for {
		}
	},
	"stay": func([]string) (string, error) {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
		// To whoever waits for it, if anybody does.
		_, _ = unix.Write(3, []byte("staying\n"))
		time.Sleep(time.Hour)
		return "", nil
	},
	"talk": func(args []string) (string, error) {
		return strings.Repeat("talk", number(args[0])/4), nil
	},
	"complain": func(args []string) (string, error) {
		fmt.Fprint(os.Stderr, strings.Repeat("x", number(args[0])), "the end")
		return "", nil
	},
	"fail": func(args []string) (string, error) {
		os.Exit(number(args[0]))
		return "", nil
	},
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

// start starts this program again as a child.
func start(self string, flags uintptr) (string, error) {
	process, err := os.StartProcess(self, []string{self, "attempt", "nothing"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: flags}})
	if err != nil {
		return "", err
	}
	_, err = process.Wait()
	return "", err
}

func call(number, a, b, c uintptr) error {
	if _, _, errno := unix.Syscall(number, a, b, c); errno != 0 {
		return errno
	}
	return nil
}
