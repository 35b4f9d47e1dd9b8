// Package ffmpeg turns plans into the argument lists of ffmpeg and ffprobe 5.1 or newer, and what they print into values.
//
// It is pure: it starts nothing and reads nothing. Every argument list is built here and nowhere else, from numbers and names that
// this package chose; no text of a job or a file reaches one.
package ffmpeg

import "bytes"

// SniffLength is how many bytes of the beginning of a source Sniff wants to see.
const SniffLength = 64 << 10

// signature is a container that is known by bytes at a fixed place.
type signature struct {
	offset  int
	magic   string
	demuxer string
}

var signatures = []signature{
	{4, "ftyp", "mov"},
	{4, "moov", "mov"},
	{4, "mdat", "mov"},
	{4, "wide", "mov"},
	{4, "free", "mov"},
	{4, "skip", "mov"},
	{0, "\x1a\x45\xdf\xa3", "matroska"},
	{0, "OggS", "ogg"},
	{0, "fLaC", "flac"},
	{0, "FLV\x01", "flv"},
	{0, "\x00\x00\x01\xba", "mpeg"},
	{0, "\x06\x0e\x2b\x34\x02\x05\x01\x01", "mxf"},
	{0, "ID3", "mp3"},
}

// Sniff returns the demuxer for a source that begins with head, "" when it is none that is allowed. The demuxer is decided here and
// given to ffmpeg by name, so that a playlist, a concatenation script or a text art file is never read as one.
func Sniff(head []byte) string {
	for _, s := range signatures {
		if len(head) >= s.offset+len(s.magic) && string(head[s.offset:s.offset+len(s.magic)]) == s.magic {
			return s.demuxer
		}
	}
	if len(head) >= 12 && (string(head[:4]) == "RIFF" || string(head[:4]) == "RF64") {
		switch string(head[8:12]) {
		case "AVI ":
			return "avi"
		case "WAVE":
			return "wav"
		}
	}
	if len(head) >= 12 && string(head[:4]) == "FORM" && bytes.HasPrefix(head[8:], []byte("AIF")) {
		return "aiff"
	}
	if transportStream(head) {
		return "mpegts"
	}
	if len(head) >= 2 && head[0] == 0xff {
		switch {
		case head[1]&0xf6 == 0xf0: // ADTS: layer 0 (ISO/IEC 14496-3 1.A.3.2)
			return "aac"
		case head[1]&0xe0 == 0xe0 && head[1]&0x06 != 0: // ISO/IEC 11172-3 2.4.1.3
			return "mp3"
		}
	}
	return ""
}

// Packet sizes of MPEG-TS: plain, with a time stamp before (BDAV), and with parity behind.
var packetSizes = []int{188, 192, 204}

// syncRun is how many sync bytes in a row are taken for a transport stream.
const syncRun = 5

func transportStream(head []byte) bool {
	for _, size := range packetSizes {
		for start := 0; start < size && start < len(head); start++ {
			n := 0
			for i := start; i < len(head) && head[i] == 0x47; i += size {
				n++
			}
			if n >= syncRun && start+n*size >= len(head)-size {
				return true
			}
		}
	}
	return false
}
