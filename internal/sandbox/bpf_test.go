package sandbox

import (
	"encoding/binary"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// judge runs the filter over one call.
func judge(t *testing.T, network bool, convention uint32, number int, arguments [6]uint64) uint32 {
	t.Helper()
	rules, info, err := systemCallRules(network, 1)
	if err != nil {
		t.Fatal(err)
	}
	filter, err := assemble(rules, info)
	if err != nil {
		t.Fatal(err)
	}
	program := make([]bpf.Instruction, len(filter))
	for i, f := range filter {
		program[i] = bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble()
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	// The machine in x/net loads words in network order; a word here stands for one of struct seccomp_data.
	data := binary.BigEndian.AppendUint32(nil, uint32(number))
	data = binary.BigEndian.AppendUint32(data, convention)
	data = binary.BigEndian.AppendUint64(data, 0)
	for _, argument := range arguments {
		data = binary.BigEndian.AppendUint32(data, uint32(argument))
		data = binary.BigEndian.AppendUint32(data, uint32(argument>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

func TestFilter(t *testing.T) {
	t.Parallel()
	info, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	own := uint32(info.ID)
	type args = [6]uint64
	tests := []struct {
		name       string
		network    bool
		convention uint32
		number     int
		args       args
		want       uint32
	}{
		{name: "read", number: unix.SYS_READ, want: actionAllow},
		{name: "ptrace", number: unix.SYS_PTRACE, want: actionKill},
		{name: "clone3", number: unix.SYS_CLONE3, want: actionNoCall},
		{name: "unknown", number: 4000, want: actionRefuse},
		{name: "other convention", convention: 1, number: unix.SYS_READ, want: actionKill},
		{name: "x32", number: unix.SYS_READ | x32Bit, want: actionKill},
		{name: "negative", number: -1, want: actionKill},
		{name: "private mapping", number: unix.SYS_MMAP, args: args{3: unix.MAP_PRIVATE | unix.MAP_ANON}, want: actionAllow},
		{name: "shared mapping", number: unix.SYS_MMAP, args: args{3: unix.MAP_SHARED}, want: actionRefuse},
		{name: "validated shared mapping", number: unix.SYS_MMAP, args: args{3: unix.MAP_SHARED_VALIDATE}, want: actionRefuse},
		{name: "thread", number: unix.SYS_CLONE, args: args{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND}, want: actionAllow},
		{name: "fork", number: unix.SYS_CLONE, args: args{uint64(unix.SIGCHLD)}, want: actionRefuse},
		{name: "thread in a new namespace", number: unix.SYS_CLONE, args: args{unix.CLONE_THREAD | unix.CLONE_NEWNET}, want: actionRefuse},
		{name: "open for reading", number: unix.SYS_OPENAT, args: args{2: unix.O_CLOEXEC}, want: actionAllow},
		{name: "open for writing", number: unix.SYS_OPENAT, args: args{2: unix.O_WRONLY}, want: actionRefuse},
		{name: "open for both", number: unix.SYS_OPENAT, args: args{2: unix.O_RDWR}, want: actionRefuse},
		{name: "create", number: unix.SYS_OPENAT, args: args{2: unix.O_CREAT}, want: actionRefuse},
		{name: "kill oneself", number: unix.SYS_KILL, args: args{1}, want: actionAllow},
		{name: "kill all", number: unix.SYS_KILL, args: args{1<<64 - 1}, want: actionRefuse},
		{name: "kill another", number: unix.SYS_KILL, args: args{1<<32 + 1}, want: actionRefuse},
		{name: "name a thread", number: unix.SYS_PRCTL, args: args{unix.PR_SET_NAME}, want: actionAllow},
		{name: "outlive the parent", number: unix.SYS_PRCTL, args: args{unix.PR_SET_PDEATHSIG}, want: actionRefuse},
		{name: "type into a terminal", number: unix.SYS_IOCTL, args: args{1: unix.TIOCSTI}, want: actionRefuse},
		{name: "no socket without inputs", number: unix.SYS_SOCKET, args: args{unix.AF_INET, unix.SOCK_STREAM}, want: actionRefuse},
		{name: "no connect without inputs", number: unix.SYS_CONNECT, want: actionRefuse},
		{name: "TCP", network: true, number: unix.SYS_SOCKET, args: args{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, unix.IPPROTO_TCP}, want: actionAllow},
		{name: "multipath TCP", network: true, number: unix.SYS_SOCKET, args: args{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, want: actionRefuse},
		{name: "UDP", network: true, number: unix.SYS_SOCKET, args: args{unix.AF_INET, unix.SOCK_DGRAM}, want: actionRefuse},
		{name: "raw", network: true, number: unix.SYS_SOCKET, args: args{unix.AF_INET, unix.SOCK_RAW}, want: actionRefuse},
		{name: "IPv6", network: true, number: unix.SYS_SOCKET, args: args{unix.AF_INET6, unix.SOCK_STREAM}, want: actionRefuse},
		{name: "Unix", network: true, number: unix.SYS_SOCKET, args: args{unix.AF_UNIX, unix.SOCK_STREAM}, want: actionRefuse},
		{name: "send", network: true, number: unix.SYS_SENDTO, want: actionAllow},
		{name: "send to an address", network: true, number: unix.SYS_SENDTO, args: args{4: 0x7fff00000000}, want: actionRefuse},
		{name: "send to open", network: true, number: unix.SYS_SENDTO, args: args{3: unix.MSG_FASTOPEN}, want: actionRefuse},
		{name: "send a message", network: true, number: unix.SYS_SENDMSG, want: actionRefuse},
		{name: "listen", network: true, number: unix.SYS_LISTEN, want: actionRefuse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			convention := own
			if tt.convention != 0 {
				convention = tt.convention
			}
			if got := judge(t, tt.network, convention, tt.number, tt.args); got != tt.want {
				t.Errorf("action %#x, want %#x", got, tt.want)
			}
		})
	}
}

// TestFilterArgumentIsNoNumber: a refused call is refused whatever its arguments are, even where one equals the number of a call that
// is allowed.
func TestFilterArgumentIsNoNumber(t *testing.T) {
	t.Parallel()
	for number := range 512 {
		arguments := [6]uint64{uint64(number), uint64(number), uint64(number), unix.MAP_SHARED | uint64(number), 1, 1}
		if number&unix.CLONE_THREAD == 0 {
			if got := judge(t, true, uint32(mustArch(t).ID), unix.SYS_CLONE, arguments); got != actionRefuse {
				t.Errorf("clone(%d): action %#x", number, got)
			}
		}
		if got := judge(t, true, uint32(mustArch(t).ID), unix.SYS_MMAP, arguments); got != actionRefuse && arguments[3]&unix.MAP_SHARED != 0 {
			t.Errorf("mmap with %d: action %#x", number, got)
		}
	}
}

func mustArch(t *testing.T) *arch.Info {
	t.Helper()
	info, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestAssembleRefusesTwoRules(t *testing.T) {
	t.Parallel()
	if _, err := assemble([]callRule{{number: 1, action: actionAllow}, {number: 1, action: actionKill}}, mustArch(t)); err == nil {
		t.Error("two rules for one call were accepted")
	}
}
