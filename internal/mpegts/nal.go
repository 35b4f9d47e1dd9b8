package mpegts

import (
	"encoding/binary"
	"errors"

	"darkroom/internal/media"
)

// NAL unit types, ISO/IEC 14496-10 table 7-1.
const (
	avcSlice    = 1
	avcKeySlice = 5
	avcSPS      = 7
	avcPPS      = 8
	avcAUD      = 9
)

// NAL unit types, ISO/IEC 23008-2 table 7-1.
const (
	hevcVPS = 32
	hevcSPS = 33
	hevcPPS = 34
	hevcAUD = 35
)

// The delimiters say that slices of any type may follow (primary_pic_type 7, pic_type 2).
var (
	avcDelimiter  = []byte{0, 0, 0, 1, avcAUD, 0xf0}
	hevcDelimiter = []byte{0, 0, 0, 1, hevcAUD << 1, 1, 0x50}
)

var startCode = []byte{0, 0, 0, 1}

// unitKind is what a NAL unit is to the muxer.
type unitKind int

const (
	unitOther unitKind = iota
	unitDelimiter
	unitParameterSet
	unitSlice // the body of a picture, of AVC alone
)

// kindOf tells what a NAL unit is, which has its whole header.
func (st *stream) kindOf(unit []byte) unitKind {
	if st.Track.Codec == media.HEVC {
		switch unit[0] >> 1 & 0x3f {
		case hevcAUD:
			return unitDelimiter
		case hevcVPS, hevcSPS, hevcPPS:
			return unitParameterSet
		}
		return unitOther
	}
	switch unit[0] & 0x1f {
	case avcAUD:
		return unitDelimiter
	case avcSPS, avcPPS:
		return unitParameterSet
	case avcSlice, avcKeySlice:
		return unitSlice
	}
	return unitOther
}

// leads prepares what 2.14 and 2.17 ask for before an access unit: a delimiter, and parameter sets before key frames.
func (st *stream) leads() {
	st.lead, st.unitHeader = avcDelimiter, 1
	if st.Track.Codec == media.HEVC {
		st.lead, st.unitHeader = hevcDelimiter, 2
	}
	st.keyLead = append([]byte(nil), st.lead...)
	for _, sets := range st.parameterSets() {
		for _, n := range sets {
			st.keyLead = append(st.keyLead, startCode...)
			st.keyLead = append(st.keyLead, n...)
		}
	}
}

func (st *stream) parameterSets() [3][][]byte {
	if st.Track.Codec == media.HEVC {
		return [...][][]byte{st.Track.VPS, st.Track.SPS, st.Track.PPS}
	}
	return [...][][]byte{nil, st.Track.SPS, st.Track.PPS}
}

var errNAL = errors.New("a picture whose NAL units do not fill it")

// accessUnit appends the pieces of the access unit in the byte stream format of annex B of either specification. Delimiters and, in key frames,
// parameter sets of the sample are replaced by those of the track. What is encrypted lies in the stream's scratch until the next call.
func (st *stream) accessUnit(parts [][]byte, s *media.Sample) ([][]byte, error) {
	if s.Sync {
		parts = append(parts, st.keyLead)
	} else {
		parts = append(parts, st.lead)
	}
	st.scratch = st.scratch[:0]
	p := s.Data
	units := 0
	for len(p) > 0 {
		if len(p) < 4 {
			return nil, errNAL
		}
		n := uint64(binary.BigEndian.Uint32(p))
		if n < st.unitHeader || n > uint64(len(p)-4) {
			return nil, errNAL
		}
		unit := p[4 : 4+n]
		p = p[4+n:]
		switch kind := st.kindOf(unit); {
		case kind == unitDelimiter:
		case s.Sync && kind == unitParameterSet && st.known(unit):
		case kind == unitSlice && st.aes != nil:
			parts = append(parts, startCode)
			at := len(st.scratch)
			st.scratch = append(st.scratch, unit...)
			if copied := st.scratch[at:]; st.aes.unit(copied) {
				parts = appendEscaped(parts, copied)
			} else {
				parts = append(parts, unit)
			}
			units++
		default:
			parts = append(parts, startCode, unit)
			units++
		}
	}
	if units == 0 {
		return nil, errNAL
	}
	return parts, nil
}

// known reports whether a parameter set is one of the track's, which stand before it already.
func (st *stream) known(unit []byte) bool {
	for _, sets := range st.parameterSets() {
		for _, n := range sets {
			if string(n) == string(unit) {
				return true
			}
		}
	}
	return false
}
