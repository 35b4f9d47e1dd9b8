package cenc

import (
	"encoding/binary"
	"fmt"
)

// Subsample is a run of clear bytes and the run of protected bytes behind it, ISO/IEC 23001-7 7.2.2. Either may be 0.
type Subsample struct {
	Clear     uint16
	Protected uint32
}

// SampleInfo is what a reader needs beside the key to decrypt a sample.
type SampleInfo struct {
	IV         []byte      // IVSize bytes; nil where the vector is constant
	Subsamples []Subsample // nil where the whole sample is protected
}

// IVSize is the size of the initialization vector of a sample under CENC: the upper half of the first counter block, the lower half of which
// is 0. (ISO/IEC 23001-7 9.2.)
const IVSize = 8

const (
	// maxClear is the greatest count of clear bytes that a Subsample holds; longer runs are split.
	maxClear = 1<<16 - 1
	// maxInfoSize is the size of the greatest description of a sample that saiz can state (ISO/IEC 14496-12 8.7.8: 8 bits).
	maxInfoSize   = 1<<8 - 1
	subsampleSize = 6
)

// Infos describe the samples that were encrypted since the last Reset, in their order: those of one fragment. The zero value describes none.
// It is not safe for use by several goroutines.
type Infos struct {
	constant   bool // the vector stands in tenc
	subsampled bool
	ivs        []uint64
	ends       []int // of the subsamples of each sample
	subsamples []Subsample
}

// Len returns how many samples are described.
func (i *Infos) Len() int { return len(i.ends) }

// Empty reports whether nothing is to be said of the samples: the vector is constant and each is protected as a whole. Fragments of such
// tracks have no senc, saiz and saio.
func (i *Infos) Empty() bool { return len(i.ends) == 0 || i.constant && !i.subsampled }

// Sample returns the description of sample n, counted from 0. Its subsamples are memory of i and good until the next Append or Reset of the
// Encryptor.
func (i *Infos) Sample(n int) SampleInfo {
	var s SampleInfo
	if !i.constant {
		s.IV = binary.BigEndian.AppendUint64(nil, i.ivs[n])
	}
	if i.subsampled {
		s.Subsamples = i.of(n)
	}
	return s
}

func (i *Infos) of(n int) []Subsample {
	start := 0
	if n > 0 {
		start = i.ends[n-1]
	}
	return i.subsamples[start:i.ends[n]:i.ends[n]]
}

func (i *Infos) reset() { i.ivs, i.ends, i.subsamples = i.ivs[:0], i.ends[:0], i.subsamples[:0] }

// size returns how many bytes describe a sample with that many subsamples, in senc and as saiz counts them.
func (i *Infos) size(subsamples int) int {
	n := 0
	if !i.constant {
		n += IVSize
	}
	if i.subsampled {
		n += 2 + subsampleSize*subsamples
	}
	return n
}

// put adds to the sample being described a run of clear bytes and the protected ones behind it.
func (i *Infos) put(clear, protected int) {
	for ; clear > maxClear; clear -= maxClear {
		i.subsamples = append(i.subsamples, Subsample{Clear: maxClear})
	}
	i.subsamples = append(i.subsamples, Subsample{Clear: uint16(clear), Protected: uint32(protected)})
}

// end closes the description of a sample whose subsamples are those from start on. On an error the sample is not described.
func (i *Infos) end(iv uint64, start int) error {
	if n := len(i.subsamples) - start; i.size(n) > maxInfoSize {
		i.subsamples = i.subsamples[:start]
		return fmt.Errorf("a sample of %d subsamples: a container describes at most %d", n, (maxInfoSize-i.size(0))/subsampleSize)
	}
	if !i.constant {
		i.ivs = append(i.ivs, iv)
	}
	i.ends = append(i.ends, len(i.subsamples))
	return nil
}
