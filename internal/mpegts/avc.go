package mpegts

import (
	"encoding/binary"
	"errors"

	"darkroom/internal/media"
)

// NAL unit types, ISO/IEC 14496-10 table 7-1.
const (
	nalSPS = 7
	nalPPS = 8
	nalAUD = 9
)

// accessUnitDelimiter says that slices of any type may follow (primary_pic_type 7).
var accessUnitDelimiter = []byte{0, 0, 0, 1, nalAUD, 0xf0}

var startCode = []byte{0, 0, 0, 1}

// leads prepares what 2.14 asks for before an access unit: a delimiter, and parameter sets before key frames.
func (st *stream) leads() {
	st.lead = accessUnitDelimiter
	st.keyLead = append([]byte(nil), accessUnitDelimiter...)
	for _, sets := range [][][]byte{st.Track.SPS, st.Track.PPS} {
		for _, n := range sets {
			st.keyLead = append(st.keyLead, startCode...)
			st.keyLead = append(st.keyLead, n...)
		}
	}
}

var errNAL = errors.New("a picture whose NAL units do not fill it")

// accessUnit appends the pieces of the access unit in the byte stream format of ISO/IEC 14496-10 annex B. Delimiters and, in key frames,
// parameter sets of the sample are replaced by those of the track.
func (st *stream) accessUnit(parts [][]byte, s *media.Sample) ([][]byte, error) {
	if s.Sync {
		parts = append(parts, st.keyLead)
	} else {
		parts = append(parts, st.lead)
	}
	p := s.Data
	units := 0
	for len(p) > 0 {
		if len(p) < 4 {
			return nil, errNAL
		}
		n := uint64(binary.BigEndian.Uint32(p))
		if n == 0 || n > uint64(len(p)-4) {
			return nil, errNAL
		}
		unit := p[4 : 4+n]
		p = p[4+n:]
		switch kind := unit[0] & 0x1f; {
		case kind == nalAUD:
		case s.Sync && (kind == nalSPS || kind == nalPPS) && st.known(unit):
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
	for _, sets := range [][][]byte{st.Track.SPS, st.Track.PPS} {
		for _, n := range sets {
			if string(n) == string(unit) {
				return true
			}
		}
	}
	return false
}
