package mpegts

import (
	"encoding/binary"

	"darkroom/internal/media"
)

// Table identifiers and stream types, 2.4.4.
const (
	tablePAT              = 0x00
	tablePMT              = 0x02
	streamTypeAVC         = 0x1b
	streamTypeADTS        = 0x0f
	languageDescriptorTag = 0x0a // ISO_639_language_descriptor, 2.6.18
)

// section wraps the body of a table: header, version 0, current, one section, CRC.
func section(table byte, extension int, body []byte) []byte {
	n := len(body) + 9 // from the extension to the end of the CRC
	s := []byte{table, 0xb0 | byte(n>>8), byte(n), byte(extension >> 8), byte(extension), 0xc1, 0, 0}
	s = append(s, body...)
	return binary.BigEndian.AppendUint32(s, crc32(s))
}

// patSection is the program association table, 2.4.4.3.
func (p *Program) patSection() []byte {
	return section(tablePAT, p.TransportStreamID, []byte{
		byte(p.Number >> 8), byte(p.Number), 0xe0 | byte(p.PMTPID>>8), byte(p.PMTPID),
	})
}

// pmtSection is the program map table, 2.4.4.8.
func (p *Program) pmtSection() []byte {
	b := []byte{0xe0 | byte(p.PCRPID>>8), byte(p.PCRPID), 0xf0, 0}
	for _, s := range p.Streams {
		kind := byte(streamTypeADTS)
		if s.Track.Codec == media.AVC {
			kind = streamTypeAVC
		}
		var descriptors []byte
		if l := s.Track.Language; s.Track.Kind == media.Audio && len(l) == 3 {
			descriptors = append([]byte{languageDescriptorTag, 4}, l...)
			descriptors = append(descriptors, 0) // audio_type: undefined
		}
		b = append(b, kind, 0xe0|byte(s.PID>>8), byte(s.PID), 0xf0, byte(len(descriptors)))
		b = append(b, descriptors...)
	}
	return section(tablePMT, p.Number, b)
}

func (m *Muxer) appendPAT(dst []byte) []byte {
	return appendSection(dst, 0, &m.tables.pat, m.pat)
}

func (m *Muxer) appendPMT(dst []byte) []byte {
	return appendSection(dst, m.program.PMTPID, &m.tables.pmt, m.pmt)
}

// appendSection writes a section that fits into one packet.
func appendSection(dst []byte, pid int, counter *byte, s []byte) []byte {
	dst = append(dst, syncByte, unitStart|byte(pid>>8), byte(pid), hasPayload|nextCounter(counter), 0) // pointer_field
	dst = append(dst, s...)
	return appendStuffing(dst, PacketSize-packetHeaderSize-1-len(s))
}

// crcTable is for the polynomial of annex A, most significant bit first.
var crcTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&0x80000000 != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

func crc32(p []byte) uint32 {
	c := uint32(0xffffffff)
	for _, b := range p {
		c = c<<8 ^ crcTable[byte(c>>24)^b]
	}
	return c
}
