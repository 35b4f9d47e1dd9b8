package worker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// maxID3 bounds the tags before a segment of packed audio.
const maxID3 = 1 << 20

// timestampOwner names the frame in which packed audio says when it begins (RFC 8216 section 3.4).
const timestampOwner = "com.apple.streaming.transportStreamTimestamp\x00"

// skipID3 reads past the ID3 tags that a segment of packed audio begins with. It returns the time stamp that they tell, in ticks of 90 kHz, 0 for none.
func skipID3(r *bufio.Reader) (timestamp, skipped int64, err error) {
	const header = 10 // ID3, two bytes of version, one of flags, four of size with 7 bits each
	for {
		head, err := r.Peek(header)
		if err != nil || string(head[:3]) != "ID3" {
			return timestamp, skipped, nil // a segment that is too short shows when it is read
		}
		size := int64(head[6]&0x7f)<<21 | int64(head[7]&0x7f)<<14 | int64(head[8]&0x7f)<<7 | int64(head[9]&0x7f)
		if skipped += header + size; skipped > maxID3 {
			return 0, 0, unmet("its ID3 tags are longer than %d bytes", maxID3)
		}
		tag := make([]byte, header+size)
		if _, err := io.ReadFull(r, tag); err != nil {
			return 0, 0, unmet("its ID3 tag is cut short")
		}
		if _, value, there := bytes.Cut(tag, []byte(timestampOwner)); there && len(value) >= 8 {
			timestamp = int64(binary.BigEndian.Uint64(value) & (1<<33 - 1))
		}
	}
}
