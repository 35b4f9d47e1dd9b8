// Package isobmff is what readers and writers of the ISO base media file format (ISO/IEC 14496-12) share: boxes, the description of a track, its sample entry
// (ISO/IEC 14496-15, AV1 in ISOBMFF, ETSI TS 102 366 annex F, ISO/IEC 14496-30) and the movie fragment.
//
// It reads bytes that are in memory and appends bytes to others; files and streams are its callers'. What it reads is not trusted: every size is checked before it is
// used, and nothing is allocated on the word of a count alone.
package isobmff

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFormat is wrapped by every error about the content of a file or stream.
var ErrFormat = errors.New("malformed or unsupported MP4")

// Badf returns an error that wraps ErrFormat.
func Badf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

const (
	// maxChildren is how many boxes one box may hold: a moof of many runs has the most.
	maxChildren = 4352
	// MaxHeader is the size of the longest box header that is read: with a 64 bit size. The extended type of a uuid box counts as content.
	MaxHeader = 16
)

// Header is a box header.
type Header struct {
	Kind string
	// Size is that of the whole box; 0 for one that goes to the end of the file.
	Size uint64
	// Length is that of the header itself.
	Length int
}

// Content is the size of the box without its header. Size is not 0.
func (h Header) Content() uint64 { return h.Size - uint64(h.Length) }

// ParseHeader reads the header at the start of p. need is how many bytes it takes where p has fewer, 0 otherwise.
func ParseHeader(p []byte) (h Header, need int, err error) {
	if len(p) < 8 {
		return h, 8, nil
	}
	h = Header{Kind: string(p[4:8]), Size: uint64(binary.BigEndian.Uint32(p)), Length: 8}
	switch {
	case h.Size == 0:
		return h, 0, nil
	case h.Size == 1:
		if len(p) < MaxHeader {
			return h, MaxHeader, nil
		}
		h.Size, h.Length = binary.BigEndian.Uint64(p[8:]), MaxHeader
	}
	if h.Size < uint64(h.Length) {
		return h, 0, Badf("box %q of size %d", h.Kind, h.Size)
	}
	return h, 0, nil
}

// Cursor reads big-endian fields of P. After running out it gives zeros and says so in Bad.
type Cursor struct {
	P   []byte
	Bad bool
}

// Take returns the next n bytes.
func (c *Cursor) Take(n int) []byte {
	if c.Bad || len(c.P) < n {
		c.Bad = true
		return make([]byte, n)
	}
	p := c.P[:n]
	c.P = c.P[n:]
	return p
}

// Skip passes over n bytes.
func (c *Cursor) Skip(n int) {
	if c.Bad || len(c.P) < n {
		c.Bad = true
		return
	}
	c.P = c.P[n:]
}

// U8 returns the next byte.
func (c *Cursor) U8() byte { return c.Take(1)[0] }

// U16 returns the next two bytes.
func (c *Cursor) U16() uint16 { return binary.BigEndian.Uint16(c.Take(2)) }

// U32 returns the next four bytes.
func (c *Cursor) U32() uint32 {
	if c.Bad || len(c.P) < 4 {
		c.Bad = true
		return 0
	}
	v := binary.BigEndian.Uint32(c.P)
	c.P = c.P[4:]
	return v
}

// U64 returns the next eight bytes.
func (c *Cursor) U64() uint64 { return binary.BigEndian.Uint64(c.Take(8)) }

// FullBox reads version and flags.
func (c *Cursor) FullBox() (version byte, flags uint32) {
	v := c.U32()
	return byte(v >> 24), v & 0xffffff
}

// Children calls f for each box inside p.
func Children(p []byte, f func(kind string, content []byte) error) error {
	for n := 0; len(p) > 0; n++ {
		if n == maxChildren {
			return Badf("too many boxes in one")
		}
		h, need, err := ParseHeader(p)
		switch {
		case err != nil:
			return err
		case need > 0:
			return Badf("a box is cut off")
		case h.Size == 0 || h.Size > uint64(len(p)):
			return Badf("box %q of size %d inside %d bytes", h.Kind, h.Size, len(p))
		}
		if err := f(h.Kind, p[h.Length:h.Size]); err != nil {
			return err
		}
		p = p[h.Size:]
	}
	return nil
}
