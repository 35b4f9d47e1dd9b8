package cenc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// IVs hands out the initialization vectors of a job under CENC, so that no two samples share a pair of key and vector, whichever key each
// track has: with AES-CTR, two samples under one pair give away the difference of both.
//
// A job has one IVs for all its tracks and groups. It starts at 64 random bits, and each track takes the next range of 2^40 vectors. Within
// a job vectors are therefore never equal. Between two runs with one key (a job done again under a deterministic key) 64 bits leave a chance:
// runs of t tracks of n samples share a vector with probability of about (2t)(2n)/2^64, 2^-36 for 16 tracks of a day at 50 pictures a second.
//
// It is safe for use by several goroutines.
type IVs struct {
	mu     sync.Mutex // guards the fields below, for the time of an addition
	base   uint64
	ranges uint64
}

const (
	// rangeBits is the length of a track's range: 600 years at 50 pictures a second.
	rangeBits = 40
	// maxRanges is how many ranges there are before the first comes again.
	maxRanges = 1 << (64 - rangeBits)
)

// ErrIVsExhausted is returned when another vector would repeat one.
var ErrIVsExhausted = errors.New("initialization vectors are exhausted")

// NewIVs starts at a place that random chooses.
func NewIVs(random io.Reader) (*IVs, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("choose initialization vectors: %w", err)
	}
	return &IVs{base: binary.BigEndian.Uint64(b[:])}, nil
}

// Track returns the vectors of one more track, or ErrIVsExhausted.
func (v *IVs) Track() (*TrackIVs, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ranges >= maxRanges {
		return nil, ErrIVsExhausted
	}
	t := &TrackIVs{next: v.base + v.ranges<<rangeBits, left: 1 << rangeBits}
	v.ranges++
	return t, nil
}

// TrackIVs are the vectors of one track. The zero value has none left. It is not safe for use by several goroutines.
type TrackIVs struct {
	next, left uint64
}

func (t *TrackIVs) take() (uint64, error) {
	if t.left == 0 {
		return 0, ErrIVsExhausted
	}
	iv := t.next
	t.next++
	t.left--
	return iv, nil
}
