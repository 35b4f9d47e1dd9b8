package cenc

import (
	"encoding/binary"
	"errors"
)

// WidevineHeader is the data of a pssh box of Widevine, the protocol buffer message WidevineCencHeader. What is empty is not written.
type WidevineHeader struct {
	Scheme    Scheme
	KeyIDs    []UUID
	Provider  string
	ContentID []byte
}

// Append appends the message. The fields are key_id (2), provider (3), content_id (4) and protection_scheme (9), whose value is the four characters
// of the scheme; algorithm (1), which it took the place of, is not written.
func (w WidevineHeader) Append(dst []byte) []byte {
	const varint, bytes = 0, 2
	field := func(number, kind int) { dst = binary.AppendUvarint(dst, uint64(number<<3|kind)) }
	text := func(number int, value []byte) {
		field(number, bytes)
		dst = append(binary.AppendUvarint(dst, uint64(len(value))), value...)
	}
	for _, id := range w.KeyIDs {
		text(2, id[:])
	}
	if w.Provider != "" {
		text(3, []byte(w.Provider))
	}
	if len(w.ContentID) > 0 {
		text(4, w.ContentID)
	}
	if w.Scheme == CENC || w.Scheme == CBCS {
		field(9, varint)
		dst = binary.AppendUvarint(dst, uint64(binary.BigEndian.Uint32([]byte(w.Scheme.String()))))
	}
	return dst
}

// ErrWidevine is returned for bytes that are no header of Widevine.
var ErrWidevine = errors.New("not a Widevine header")

// WidevineAbout is what a header of Widevine says of keys.
type WidevineAbout struct {
	KeyIDs [][]byte // key_id, as they stand there
	// Scheme is protection_scheme, four characters or whatever number stands there; 0 where it says none.
	Scheme uint64
}

// Is says whether the scheme that is said is s.
func (a WidevineAbout) Is(s Scheme) bool {
	return (s == CENC || s == CBCS) && a.Scheme == uint64(binary.BigEndian.Uint32([]byte(s.String())))
}

// ParseWidevineHeader reads what the data of a pssh box of Widevine says of keys. Other fields are passed over. The answer shares memory with data. The error is
// ErrWidevine.
func ParseWidevineHeader(data []byte) (WidevineAbout, error) {
	var about WidevineAbout
	fail := func() (WidevineAbout, error) { return WidevineAbout{}, ErrWidevine }
	number := func() (uint64, bool) {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			return 0, false
		}
		data = data[size:]
		return n, true
	}
	for len(data) > 0 {
		tag, ok := number()
		if !ok || tag>>3 == 0 {
			return fail()
		}
		var value uint64
		size := uint64(0)
		switch tag & 7 { // the kinds of a protocol buffer's fields
		case 0:
			value, ok = number()
		case 1:
			size = 8
		case 2:
			size, ok = number()
		case 5:
			size = 4
		default:
			return fail()
		}
		if !ok || size > uint64(len(data)) {
			return fail()
		}
		switch tag {
		case 2<<3 | 2:
			about.KeyIDs = append(about.KeyIDs, data[:size])
		case 9 << 3:
			about.Scheme = value
		}
		data = data[size:]
	}
	return about, nil
}
