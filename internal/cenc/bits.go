package cenc

import (
	"errors"
	"math/bits"
)

// errSyntax is returned by parsers of bit streams for what ends too soon or has a value that its specification does not allow.
var errSyntax = errors.New("ends too soon or holds a value that is not allowed")

// bitReader reads bits, most significant first, and remembers the first fault: after it all reads give 0, so that a parser checks once, and its
// loops end. It allocates nothing.
type bitReader struct {
	data []byte
	// emulation says that data is a NAL unit: a byte of 3 behind two of 0 is no part of what it holds (ISO/IEC 14496-10 7.4.1.1).
	emulation bool
	next      int // byte
	zeros     int // bytes of 0 before next
	current   byte
	left      uint8 // bits of current
	failed    bool
}

func (r *bitReader) bit() uint32 {
	if r.left == 0 {
		if r.emulation && r.zeros >= 2 && r.next < len(r.data) && r.data[r.next] == 3 {
			r.next++
			r.zeros = 0
		}
		if r.failed || r.next >= len(r.data) {
			r.failed = true
			return 0
		}
		r.current, r.left = r.data[r.next], 8
		r.next++
		if r.current == 0 {
			r.zeros++
		} else {
			r.zeros = 0
		}
	}
	r.left--
	return uint32(r.current>>r.left) & 1
}

func (r *bitReader) flag() bool { return r.bit() == 1 }

// u reads n bits, 32 at most.
func (r *bitReader) u(n int) uint32 {
	var v uint32
	for ; n > 0; n-- {
		v = v<<1 | r.bit()
	}
	return v
}

func (r *bitReader) skip(n int) {
	for ; n > 0 && !r.failed; n-- {
		r.bit()
	}
}

// ue reads an unsigned Exp-Golomb code, ISO/IEC 14496-10 9.1.
func (r *bitReader) ue() uint32 {
	zeros := 0
	for !r.failed && r.bit() == 0 {
		zeros++
	}
	if r.failed || zeros > 31 {
		r.failed = true
		return 0
	}
	return 1<<zeros - 1 + r.u(zeros)
}

// upTo reads an unsigned Exp-Golomb code that is at most limit.
func (r *bitReader) upTo(limit uint32) int {
	v := r.ue()
	if v > limit {
		r.failed = true
		return 0
	}
	return int(v)
}

// se reads a signed Exp-Golomb code, ISO/IEC 14496-10 9.1.1.
func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2 + 1)
	}
	return -int32(v / 2)
}

// require fails the reader where ok is false.
func (r *bitReader) require(ok bool) {
	if !ok {
		r.failed = true
	}
}

// err returns errSyntax where a read has failed.
func (r *bitReader) err() error {
	if r.failed {
		return errSyntax
	}
	return nil
}

// log2 returns the number of bits that tell n values apart: Ceil(Log2(n)).
func log2(n uint32) int {
	if n <= 1 {
		return 0
	}
	return bits.Len32(n - 1)
}
