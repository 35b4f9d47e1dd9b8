// Package id3 makes the ID3 tags, version 2.4.0, that HTTP Live Streaming carries beside media: time stamps of packed audio and wall-clock times.
//
// It follows "ID3 tag version 2.4.0 - Main Structure" and "- Native Frames". It makes tags without unsynchronisation, extended header, padding and
// footer, and reads no frames.
package id3

import (
	"errors"
	"fmt"
	"time"
)

const (
	headerSize = 10 // of a tag, of its footer and of a frame
	hasFooter  = 0x10
	// maxSize is the most that a synchsafe integer of four bytes says.
	maxSize = 1<<28 - 1
)

// The owners of PRIV frames that players know.
const (
	// ownerTimestamp is of the PTS of the first sample of a packed audio segment, RFC 8216 3.4.
	ownerTimestamp = "com.apple.streaming.transportStreamTimestamp"
	// ownerSetup is of what a decoder must know of encrypted packed audio, "MPEG-2 Stream Encryption Format for HTTP Live Streaming" 2.3.2.
	ownerSetup = "com.apple.streaming.audioDescription"
	// ownerUTC is of the time of day; the frame that MediaConvert and its relations write for timedMetadataId3Frame PRIV.
	ownerUTC = "com.elementaltechnologies.timestamp.utc"
)

// Frame is a frame of a tag.
type Frame struct {
	id   [4]byte
	body []byte
}

func private(owner string, data []byte) Frame {
	return Frame{id: [4]byte{'P', 'R', 'I', 'V'}, body: append(append([]byte(owner), 0), data...)}
}

// Timestamp is the PRIV frame that stands at the start of a packed audio segment. pts is in ticks of 90 kHz; its lower 33 bits are written.
func Timestamp(pts int64) Frame {
	v := uint64(pts) & (1<<33 - 1)
	return private(ownerTimestamp, []byte{0, 0, 0, byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// AudioDescription is the PRIV frame with the audio setup information of encrypted packed audio.
func AudioDescription(setup []byte) Frame { return private(ownerSetup, setup) }

// UTC is the PRIV frame that says what time of day it is.
func UTC(t time.Time) Frame {
	return private(ownerUTC, []byte(t.UTC().Format("2006-01-02T15:04:05.000-07:00")))
}

// ReleaseTime is the TDRL frame that says what time of day it is, to the second, as the timestamps of ID3 (Main Structure, section 4) do.
func ReleaseTime(t time.Time) Frame {
	const utf8 = 3
	return Frame{id: [4]byte{'T', 'D', 'R', 'L'}, body: append([]byte{utf8}, t.UTC().Format("2006-01-02T15:04:05")...)}
}

// Append appends a tag of the given frames. It panics when they are longer than a tag can say, 256 MiB.
func Append(dst []byte, frames ...Frame) []byte {
	size := 0
	for i := range frames {
		size += headerSize + len(frames[i].body)
	}
	if size > maxSize {
		panic("id3: a tag of more than 256 MiB")
	}
	dst = append(dst, 'I', 'D', '3', 4, 0, 0)
	dst = appendSynchsafe(dst, size)
	for i := range frames {
		f := &frames[i]
		dst = append(dst, f.id[:]...)
		dst = appendSynchsafe(dst, len(f.body))
		dst = append(dst, 0, 0)
		dst = append(dst, f.body...)
	}
	return dst
}

// appendSynchsafe writes a number in four bytes of seven bits (Main Structure, section 6.2).
func appendSynchsafe(dst []byte, n int) []byte {
	return append(dst, byte(n>>21)&0x7f, byte(n>>14)&0x7f, byte(n>>7)&0x7f, byte(n)&0x7f)
}

// Check reports why b is not one whole tag of version 2 (Main Structure, section 3.1), of which the length alone is read.
func Check(b []byte) error {
	if len(b) < headerSize || string(b[:3]) != "ID3" {
		return errors.New("an ID3 tag begins with ID3 and has a header of 10 bytes")
	}
	if b[3] == 0xff || b[4] == 0xff {
		return errors.New("an ID3 tag of no version")
	}
	size := 0
	for _, v := range b[6:headerSize] {
		if v > 0x7f {
			return errors.New("an ID3 tag whose size is no synchsafe integer")
		}
		size = size<<7 | int(v)
	}
	size += headerSize
	if b[5]&hasFooter != 0 {
		size += headerSize
	}
	if size != len(b) {
		return fmt.Errorf("an ID3 tag that says it has %d bytes, but has %d", size, len(b))
	}
	return nil
}
