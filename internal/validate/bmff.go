package validate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// cursor reads big-endian fields; its first error is kept.
type cursor struct {
	b   []byte
	at  int
	err error
}

var errShort = errors.New("it is too short")

func (r *cursor) take(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.b)-r.at) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	out := r.b[r.at : r.at+n]
	r.at += n
	return out
}

func (r *cursor) uint(n int) (v uint64) {
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *cursor) u8() byte     { return byte(r.uint(1)) }
func (r *cursor) u16() uint16  { return uint16(r.uint(2)) }
func (r *cursor) u32() uint32  { return uint32(r.uint(4)) }
func (r *cursor) u64() uint64  { return r.uint(8) }
func (r *cursor) str() string  { return string(r.take(4)) }
func (r *cursor) rest() []byte { return r.take(len(r.b) - r.at) }
func (r *cursor) left() int    { return len(r.b) - r.at }
func (r *cursor) skip(n int)   { r.take(n) }
func (r *cursor) full() (byte, uint32) {
	v := r.u32()
	return byte(v >> 24), v & 0xffffff
}

// count reads the number of entries of size bytes at least that follow.
func (r *cursor) count(size int) int {
	n := r.u32()
	if r.err == nil && uint64(n)*uint64(size) > uint64(r.left()) {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// box is a box in memory.
type box struct {
	kind string
	uuid [16]byte
	at   int // of its header, in what it was read from
	head int // size of its header
	body []byte
}

// boxes splits what holds boxes.
func boxes(b []byte) (out []box, err error) {
	for at := 0; at < len(b); {
		x, size, err := parseBox(b[at:])
		if err != nil {
			return out, err
		}
		x.at = at
		out = append(out, x)
		at += size
	}
	return out, nil
}

func parseBox(b []byte) (x box, size int, err error) {
	r := &cursor{b: b}
	n := uint64(r.u32())
	x.kind = r.str()
	switch n {
	case 0:
		n = uint64(len(b))
	case 1:
		n = r.u64()
	}
	if x.kind == "uuid" {
		copy(x.uuid[:], r.take(16))
	}
	if r.err != nil || n < uint64(r.at) || n > uint64(len(b)) {
		return x, 0, fmt.Errorf("box %q of %d bytes does not fit", printable(x.kind), n)
	}
	x.head = r.at
	x.body = b[r.at:n]
	return x, int(n), nil
}

// printable shows four characters that may be none.
func printable(s string) string {
	out := []byte(s)
	for i, b := range out {
		if b < 0x20 || b > 0x7e {
			out[i] = '?'
		}
	}
	return string(out)
}

// find returns the first box of a kind.
func find(list []box, kind string) (box, bool) {
	for _, b := range list {
		if b.kind == kind {
			return b, true
		}
	}
	return box{}, false
}

// boxReader reads the boxes of a file one after another.
type boxReader struct {
	r  io.Reader
	at int64 // in the file
	n  int
}

// header reads the header of the next box: io.EOF at the end. left is the size of its content, -1 to the end of the file.
func (r *boxReader) header() (kind string, uuid [16]byte, head int, left int64, err error) {
	var h [16]byte
	if r.n++; r.n > maxBoxes {
		return "", uuid, 0, 0, errors.New("it has too many boxes")
	}
	if n, err := io.ReadFull(r.r, h[:8]); err != nil {
		if n > 0 {
			err = errors.New("a few bytes behind the last box")
		}
		return "", uuid, 0, 0, err
	}
	size := int64(binary.BigEndian.Uint32(h[:]))
	kind, head = string(h[4:8]), 8
	if size == 1 {
		if _, err := io.ReadFull(r.r, h[:8]); err != nil {
			return kind, uuid, 0, 0, io.ErrUnexpectedEOF
		}
		size, head = int64(binary.BigEndian.Uint64(h[:])), 16
	} else if size == 0 {
		size = -1
	}
	if kind == "uuid" {
		if _, err := io.ReadFull(r.r, uuid[:]); err != nil {
			return kind, uuid, 0, 0, io.ErrUnexpectedEOF
		}
		head += 16
	}
	r.at += int64(head)
	if size == -1 {
		return kind, uuid, head, -1, nil
	}
	if size < int64(head) {
		return kind, uuid, head, 0, fmt.Errorf("box %q of %d bytes", printable(kind), size)
	}
	return kind, uuid, head, size - int64(head), nil
}

// body reads the content of a box into memory.
func (r *boxReader) body(left int64) ([]byte, error) {
	if left > maxMetadata {
		return nil, fmt.Errorf("a box of %d bytes", left)
	}
	limit := left
	if left < 0 {
		limit = maxMetadata
	}
	b, err := io.ReadAll(io.LimitReader(r.r, limit))
	r.at += int64(len(b))
	if err == nil && left >= 0 && int64(len(b)) < left {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// discard passes over bytes.
func (r *boxReader) discard(n int64) error {
	if n < 0 {
		got, err := io.Copy(io.Discard, r.r)
		r.at += got
		return err
	}
	got, err := io.CopyN(io.Discard, r.r, n)
	r.at += got
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
