package validate

import (
	"bytes"
	"encoding/binary"

	"github.com/google/btree"
)

// vectors remembers the counter blocks that were used under each key, as intervals. With 8-byte vectors, the block counter is the lower half of the counter
// block (ISO/IEC 23001-7 9.2): one vector is the whole of it, and vectors that follow each other are one interval.
type vectors struct {
	keys map[string]*btree.BTreeG[interval]
	n    int
}

// interval of counter blocks, both ends in it.
type interval struct {
	first, last [16]byte
}

// add takes note of the blocks of a sample; again says that some of them were used before, full that there is no more room.
func (v *vectors) add(kid string, iv []byte, size int64) (again, full bool) {
	var x interval
	copy(x.first[:], iv)
	x.last = x.first
	if len(iv) == 8 {
		for i := 8; i < 16; i++ {
			x.last[i] = 0xff
		}
	} else {
		x.last = plus(x.first, uint64((size+15)/16-1))
		if bytes.Compare(x.last[:], x.first[:]) < 0 {
			for i := range x.last { // the counter goes round; what is behind 0 is not followed
				x.last[i] = 0xff
			}
		}
	}
	if v.keys == nil {
		v.keys = map[string]*btree.BTreeG[interval]{}
	}
	tree := v.keys[kid]
	if tree == nil {
		tree = btree.NewG(32, func(a, b interval) bool { return bytes.Compare(a.first[:], b.first[:]) < 0 })
		v.keys[kid] = tree
	}
	var before, after *interval
	tree.DescendLessOrEqual(x, func(i interval) bool { before = &i; return false })
	tree.AscendGreaterOrEqual(x, func(i interval) bool { after = &i; return false })
	if before != nil && bytes.Compare(before.last[:], x.first[:]) >= 0 || after != nil && bytes.Compare(x.last[:], after.first[:]) >= 0 {
		return true, false
	}
	if before != nil && plus(before.last, 1) == x.first {
		x.first = before.first
		tree.Delete(*before)
		v.n--
	}
	if after != nil && plus(x.last, 1) == after.first {
		x.last = after.last
		tree.Delete(*after)
		v.n--
	}
	if v.n >= maxIntervals {
		return false, true
	}
	v.n++
	tree.ReplaceOrInsert(x)
	return false, false
}

// plus adds to a counter block, modulo its size.
func plus(b [16]byte, n uint64) [16]byte {
	low := binary.BigEndian.Uint64(b[8:])
	binary.BigEndian.PutUint64(b[8:], low+n)
	if low+n < low {
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])+1)
	}
	return b
}
