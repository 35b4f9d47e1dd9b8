package mpegts

import (
	"encoding/binary"
	"errors"
	"fmt"

	"darkroom/internal/media"
)

// Table identifiers, 2.4.4.
const (
	tablePAT = 0x00
	tablePMT = 0x02
)

// maxSection is the longest section of a program map: section_length is at most 1021 (2.4.4.9).
const maxSection = 1021 + 3

// Stream types, 2.4.4.10; 0x80 and above are private: those of AC-3 are of ATSC A/53 part 3, those of encrypted streams of "MPEG-2 Stream Encryption
// Format for HTTP Live Streaming" 3.
const (
	streamTypeADTS          = 0x0f
	streamTypeMetadata      = 0x15 // in PES packets
	streamTypeAVC           = 0x1b
	streamTypeHEVC          = 0x24
	streamTypeAC3           = 0x81
	streamTypeEAC3          = 0x87
	streamTypeEncryptedAC3  = 0xc1
	streamTypeEncryptedEAC3 = 0xc2
	streamTypeEncryptedADTS = 0xcf
	streamTypeEncryptedAVC  = 0xdb
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
func (m *Muxer) pmtSection() ([]byte, error) {
	p := &m.program
	b := []byte{0xe0 | byte(p.PCRPID>>8), byte(p.PCRPID)}
	var info []byte
	if p.MetadataPID != 0 {
		info = metadataPointer(p.Number)
	}
	b = appendDescriptors(b, info)
	encrypted := false
	for i := range m.streams {
		st := &m.streams[i]
		encrypted = encrypted || st.Key != nil
		kind, descriptors, err := st.describe()
		if err != nil {
			return nil, err
		}
		b = append(b, kind, 0xe0|byte(st.PID>>8), byte(st.PID))
		b = appendDescriptors(b, descriptors)
	}
	if pid := p.MetadataPID; pid != 0 {
		b = append(b, streamTypeMetadata, 0xe0|byte(pid>>8), byte(pid))
		b = appendDescriptors(b, metadataDescription())
	}
	s := section(tablePMT, p.Number, b)
	switch {
	case len(s) > maxSection:
		return nil, fmt.Errorf("a program map of %d bytes, more than the %d of a section", len(s), maxSection)
	case encrypted && len(s) > PacketSize-packetHeaderSize-1:
		return nil, fmt.Errorf("a program map of %d bytes does not fit into one packet, as SAMPLE-AES asks for", len(s))
	}
	return s, nil
}

func appendDescriptors(b, descriptors []byte) []byte {
	n := len(descriptors)
	return append(append(b, 0xf0|byte(n>>8), byte(n)), descriptors...)
}

// describe returns the stream type and the descriptors of an elementary stream.
func (st *stream) describe() (kind byte, d []byte, err error) {
	t := st.Track
	switch t.Codec {
	case media.AVC:
		if st.Key != nil {
			return streamTypeEncryptedAVC, privateData(nil, "zavc"), nil
		}
		return streamTypeAVC, nil, nil
	case media.HEVC:
		d, err = appendHEVCDescriptor(registration(nil, "HEVC", nil), t)
		return streamTypeHEVC, d, err
	}
	if len(t.Language) == 3 {
		d = append([]byte{languageTag, 4}, t.Language...)
		d = append(d, 0) // audio_type: undefined
	}
	if st.Key != nil {
		var indicator string
		switch t.Codec {
		case media.AAC:
			kind, indicator = streamTypeEncryptedADTS, "aacd"
		case media.AC3:
			kind, indicator = streamTypeEncryptedAC3, "ac3d"
		case media.EAC3:
			kind, indicator = streamTypeEncryptedEAC3, "ec3d"
		}
		setup, err := st.framer.appendSetup(nil, st.FirstFrame)
		return kind, registration(privateData(d, indicator), "apad", setup), err
	}
	switch t.Codec {
	case media.AC3:
		return streamTypeAC3, append(registration(d, "AC-3", nil), ac3Tag, 2, 0x4f, ac3Version(t)), nil
	case media.EAC3:
		return streamTypeEAC3, append(registration(d, "EAC3", nil), enhancedAC3Tag, 2, 0x40, ac3Version(t)), nil
	}
	return streamTypeADTS, d, nil
}

// Descriptor tags, 2.6.1, and of ETSI EN 300 468 annex D, whose descriptors say here which bsid a stream has.
const (
	registrationTag    = 0x05
	languageTag        = 0x0a // ISO_639_language_descriptor, 2.6.18
	privateDataTag     = 0x0f // private_data_indicator_descriptor, 2.6.28
	metadataPointerTag = 0x25
	metadataTag        = 0x26
	hevcTag            = 0x38
	ac3Tag             = 0x6a
	enhancedAC3Tag     = 0x7a
)

// registration is the registration_descriptor, 2.6.8.
func registration(d []byte, format string, info []byte) []byte {
	d = append(d, registrationTag, byte(len(format)+len(info)))
	return append(append(d, format...), info...)
}

func privateData(d []byte, indicator string) []byte {
	return append(append(d, privateDataTag, byte(len(indicator))), indicator...)
}

// id3Format is metadata_application_format and its identifier, then metadata_format and its identifier: both registered ones.
const id3Format = "\xff\xffID3 \xffID3 "

// metadataPointer is the metadata_pointer_descriptor, 2.6.58, as "Timed Metadata for HTTP Live Streaming" 2.3.2 has it: service 0, no locator, carried
// in this transport stream in the program named.
func metadataPointer(program int) []byte {
	d := append([]byte{metadataPointerTag, byte(len(id3Format) + 4)}, id3Format...)
	return append(d, 0, 0x1f, byte(program>>8), byte(program))
}

// metadataDescription is the metadata_descriptor, 2.6.60: service 0, no decoder configuration.
func metadataDescription() []byte {
	d := append([]byte{metadataTag, byte(len(id3Format) + 2)}, id3Format...)
	return append(d, 0, 0x0f)
}

// appendHEVCDescriptor appends the HEVC_video_descriptor, 2.6.95. Profile, tier and level are those of the sequence parameter set.
func appendHEVCDescriptor(d []byte, t *media.Track) ([]byte, error) {
	const (
		header  = 2 + 1  // of the NAL unit; sps_video_parameter_set_id, sps_max_sub_layers_minus1, sps_temporal_id_nesting_flag
		general = 12     // profile_tier_level, without that of sub-layers
		flags   = 0x0c | // reserved bits; no subset of temporal layers, no still and no 24-hour pictures said to be there
			3 // HDR_WCG_idc: nothing said
	)
	if len(t.SPS) == 0 {
		return nil, errors.New("a track of HEVC without a sequence parameter set")
	}
	sps := make([]byte, 0, header+general)
	zeros := 0
	for _, v := range t.SPS[0] {
		if zeros >= 2 && v == 3 {
			zeros = 0
			continue // emulation prevention
		}
		if v == 0 {
			zeros++
		} else {
			zeros = 0
		}
		if sps = append(sps, v); len(sps) == cap(sps) {
			break
		}
	}
	if len(sps) < cap(sps) {
		return nil, errors.New("a sequence parameter set of HEVC that is too short")
	}
	d = append(d, hevcTag, general+1)
	return append(append(d, sps[header:]...), flags), nil
}

func (m *Muxer) appendPAT(dst []byte) []byte {
	return appendSection(dst, 0, &m.tables.pat, m.pat)
}

func (m *Muxer) appendPMT(dst []byte) []byte {
	return appendSection(dst, m.program.PMTPID, &m.tables.pmt, m.pmt)
}

// appendSection writes a section into as many packets as it takes.
func appendSection(dst []byte, pid int, counter *byte, s []byte) []byte {
	dst = append(dst, syncByte, unitStart|byte(pid>>8), byte(pid), hasPayload|nextCounter(counter), 0) // pointer_field
	for room := PacketSize - packetHeaderSize - 1; ; room = PacketSize - packetHeaderSize {
		n := min(room, len(s))
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			return appendStuffing(dst, room-n)
		}
		dst = append(dst, syncByte, byte(pid>>8), byte(pid), hasPayload|nextCounter(counter))
	}
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
