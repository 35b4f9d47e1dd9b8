package sandbox

import (
	"os"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// allowedCalls are what a transcoder needs with any arguments: memory, threads, clocks, its own files for reading and its own
// descriptors. Names that an architecture does not have are left out. What is in no list fails with EPERM.
var allowedCalls = []string{
	// Memory; mmap has conditions below.
	"brk", "munmap", "mprotect", "mremap", "madvise", "mincore", "membarrier", "mlock", "munlock",
	// Descriptors. Files are opened for reading only, see below.
	"read", "readv", "pread64", "write", "writev", "lseek", "close", "dup", "dup2", "dup3", "fcntl",
	"fstat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd",
	"getdents64", "fadvise64", "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"eventfd2", "pipe", "pipe2",
	// Threads; clone has conditions below.
	"futex", "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "arch_prctl", "gettid", "sched_yield",
	"sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getcpu",
	"exit", "exit_group", "execve",
	// Signals within; kill and its kin have conditions below.
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "sigaltstack", "restart_syscall", "pause",
	// Clocks and randomness.
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrandom",
	"setitimer", "getitimer",
	// Itself.
	"getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getpgrp", "getrusage", "getrlimit", "uname", "sysinfo", "umask",
}

// networkCalls are for a program with inputs, on top of TCP sockets that it makes itself. There is no listening, no datagram, no message
// with an address or a descriptor.
var networkCalls = []string{
	"connect", "getsockopt", "setsockopt", "getsockname", "getpeername", "recvfrom", "shutdown",
}

// hostileCalls end the program at once: no transcoder makes them, and each is a way out that somebody has used.
var hostileCalls = []string{
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
	"mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "chroot",
	"unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
	"keyctl", "add_key", "request_key", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
	"open_by_handle_at", "name_to_handle_at", "iopl", "ioperm", "reboot", "swapon", "swapoff", "acct", "quotactl", "personality",
	"modify_ldt", "vhangup", "syslog", "lookup_dcookie", "nfsservctl", "memfd_secret", "seccomp",
}

// newerCalls fail with ENOSYS, as on an older kernel, where the C library knows another way.
var newerCalls = []string{"clone3", "openat2", "epoll_pwait2", "futex_waitv", "close_range"}

const (
	// newNamespaces are the flags that make a clone more than a thread.
	newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	// writing are the flags of open(2) that change a file.
	writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND
	// ioctlNonBlock is FIONBIO.
	ioctlNonBlock = 0x5421
)

// restrictSystemCalls puts the calling thread under the filter; no_new_privs is set.
func restrictSystemCalls(network bool) error {
	rules, info, err := systemCallRules(network, uint32(os.Getpid()))
	if err != nil {
		return err
	}
	program, err := assemble(rules, info)
	if err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter))); errno != 0 {
		return errno
	}
	return nil
}

// systemCallRules are the rules for a program whose process id is self.
func systemCallRules(network bool, self uint32) ([]callRule, *arch.Info, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, nil, err
	}
	var rules []callRule
	add := func(action uint32, names ...string) {
		for _, name := range names {
			if number, ok := info.SyscallNames[name]; ok {
				rules = append(rules, callRule{number: uint32(number), action: action})
			}
		}
	}
	when := func(name string, sets ...[]condition) {
		if number, ok := info.SyscallNames[name]; ok {
			rules = append(rules, callRule{number: uint32(number), action: actionAllow, sets: sets})
		}
	}
	anyOf := func(argument uint32, values ...uint32) (sets [][]condition) {
		for _, value := range values {
			sets = append(sets, []condition{is(argument, value)})
		}
		return sets
	}
	add(actionAllow, allowedCalls...)
	add(actionKill, hostileCalls...)
	add(actionNoCall, newerCalls...)
	// Shared memory is in no account that RLIMIT_DATA bounds.
	when("mmap", []condition{lacks(3, unix.MAP_SHARED)})
	when("clone", []condition{has(0, unix.CLONE_THREAD), lacks(0, newNamespaces)})
	when("open", []condition{lacks(1, writing)})
	when("openat", []condition{lacks(2, writing)})
	when("kill", anyOf(0, self)...)
	when("tgkill", anyOf(0, self)...)
	when("prlimit64", anyOf(0, 0, self)...)
	when("prctl", anyOf(0, unix.PR_SET_NAME, unix.PR_GET_NAME, unix.PR_SET_VMA, unix.PR_GET_DUMPABLE)...)
	when("ioctl", anyOf(1, unix.TIOCINQ, ioctlNonBlock, unix.TCGETS, unix.TIOCGWINSZ)...)
	if network {
		add(actionAllow, networkCalls...)
		var tcp [][]condition
		for _, flags := range []uint32{0, unix.SOCK_CLOEXEC, unix.SOCK_NONBLOCK, unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK} {
			for _, protocol := range []uint32{0, unix.IPPROTO_TCP} {
				tcp = append(tcp, []condition{is(0, unix.AF_INET), is(1, unix.SOCK_STREAM|flags), is(2, protocol)})
			}
		}
		when("socket", tcp...)
		// Without an address, which with MSG_FASTOPEN would be a connection by another door.
		when("sendto", []condition{is(4, 0), lacks(3, unix.MSG_FASTOPEN)})
	}
	return rules, info, nil
}
