package cenc

import "encoding/binary"

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
