package sandbox

import (
	"fmt"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A callRule decides one system call. With sets of conditions the action is for a call that meets all conditions of one set, and
// every other call of that number is refused there and then.
//
// The programs are assembled here, not by the library that the table of numbers comes from: after a condition that does not hold,
// its programs go on comparing the argument with the numbers of the calls that follow, so that clone(257) passes for openat.
type callRule struct {
	number uint32
	action uint32
	sets   [][]condition
}

// A condition is about one argument of a call. Its value has 32 bits: where the argument is wider, is demands that the rest is zero and
// the others leave the rest to the kernel, which has no flags there.
type condition struct {
	argument uint32
	test     test
	value    uint32
}

type test int

const (
	isEqual test = iota
	hasBit
	lacksBits
)

func is(argument, value uint32) condition   { return condition{argument, isEqual, value} }
func has(argument, bit uint32) condition    { return condition{argument, hasBit, bit} }
func lacks(argument, bits uint32) condition { return condition{argument, lacksBits, bits} }

// Actions, linux/seccomp.h.
const (
	actionAllow  = unix.SECCOMP_RET_ALLOW
	actionRefuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	actionNoCall = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	actionKill   = unix.SECCOMP_RET_KILL_PROCESS
)

// Offsets in struct seccomp_data on a little-endian machine, and the bit of the x32 numbers.
const (
	offsetNumber    = 0
	offsetArch      = 4
	offsetArguments = 16
	x32Bit          = 0x40000000
)

// assemble makes the classic BPF program of the rules. A call of another architecture's convention ends the process.
func assemble(rules []callRule, info *arch.Info) ([]unix.SockFilter, error) {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: actionKill},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Bit, SkipTrue: 1},
		bpf.RetConstant{Val: actionKill},
	}
	seen := make(map[uint32]bool)
	for _, rule := range rules {
		if seen[rule.number] {
			return nil, fmt.Errorf("two rules for system call %d", rule.number)
		}
		seen[rule.number] = true
		body := rule.body()
		// A jump on a condition reaches 255 instructions, a plain one any number.
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: rule.number, SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(body))})
		program = append(program, body...)
	}
	program = append(program, bpf.RetConstant{Val: actionRefuse})
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, instruction := range raw {
		filter[i] = unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K}
	}
	return filter, nil
}

// body decides a call of the rule's number. Every path through it returns, so that nothing behind it sees an argument for a number.
func (r callRule) body() []bpf.Instruction {
	var body []bpf.Instruction
	for _, set := range r.sets {
		body = append(body, matchSet(set, r.action)...)
	}
	if len(r.sets) > 0 {
		return append(body, bpf.RetConstant{Val: actionRefuse})
	}
	return []bpf.Instruction{bpf.RetConstant{Val: r.action}}
}

// matchSet returns action if all conditions hold, and falls off its end otherwise.
func matchSet(set []condition, action uint32) []bpf.Instruction {
	// It is built from its end, since a test that fails skips all that follows.
	code := []bpf.Instruction{bpf.RetConstant{Val: action}}
	for i := len(set) - 1; i >= 0; i-- {
		c := set[i]
		low := bpf.LoadAbsolute{Off: offsetArguments + 8*c.argument, Size: 4}
		high := bpf.LoadAbsolute{Off: low.Off + 4, Size: 4}
		skip := uint8(len(code))
		switch c.test {
		case isEqual:
			code = append([]bpf.Instruction{
				high,
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: skip + 2},
				low,
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: c.value, SkipTrue: skip},
			}, code...)
		case hasBit:
			code = append([]bpf.Instruction{low, bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: c.value, SkipTrue: skip}}, code...)
		case lacksBits:
			code = append([]bpf.Instruction{low, bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: c.value, SkipTrue: skip}}, code...)
		}
	}
	return code
}
