package cenc

import (
	"errors"
	"fmt"
)

// The types of open bitstream units, AV1 Bitstream & Decoding Process Specification 6.2.2.
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuTileGroup         = 4
	obuMetadata          = 5
	obuFrame             = 6
	obuRedundantHeader   = 7
	obuPadding           = 15
)

// The types of frames, 6.8.2.
const (
	av1Key       = 0
	av1Inter     = 1
	av1IntraOnly = 2
	av1Switch    = 3
)

// Constants of section 3.
const (
	av1Refs          = 8 // NUM_REF_FRAMES
	av1RefsPerFrame  = 7
	av1NoPrimary     = 7 // PRIMARY_REF_NONE
	av1MaxTileWidth  = 4096
	av1MaxTileArea   = 4096 * 2304
	av1MaxTiles      = 64 // columns, and rows
	av1Segments      = 8
	av1SegFeatures   = 8
	av1Select        = 2 // SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV
	av1MaxOperations = 32
)

// av1Sequence is what the length of frame headers depends on of a sequence header, 5.5.
type av1Sequence struct {
	reduced            bool // reduced_still_picture_header
	decoderModel       bool
	equalInterval      bool
	removalTimeBits    int
	presentationBits   int
	operations         int
	operationIDC       [av1MaxOperations]uint32
	operationModel     [av1MaxOperations]bool
	widthBits          int
	heightBits         int
	width, height      int
	frameIDs           bool
	deltaFrameIDBits   int
	frameIDBits        int
	superblock128      bool
	orderHint          bool
	orderHintBits      int
	refFrameMVs        bool
	warpedMotion       bool
	forceScreenContent uint32
	forceIntegerMV     uint32
	superres           bool
	cdef               bool
	restoration        bool
	mono               bool
	subX, subY         bool
	separateUV         bool
	filmGrain          bool
}

// av1Segmentation is FeatureEnabled and FeatureData of the one feature that counts here: the quantizer of a segment (SEG_LVL_ALT_Q).
type av1Segmentation struct {
	enabled [av1Segments]bool
	data    [av1Segments]int32
}

// av1Reference is what later frame headers take from a decoded frame, 7.20.
type av1Reference struct {
	valid         bool
	kind          uint32
	upscaledWidth int
	height        int
	orderHint     uint32
	segmentation  av1Segmentation
}

// av1Frame is a frame whose tiles are being read.
type av1Frame struct {
	av1Reference
	refresh       uint32
	show          bool
	showable      bool
	intra         bool
	resilient     bool
	screenContent bool
	intraBC       bool
	primary       int
	width         int // FrameWidth, behind superres_params
	baseQ         int32
	deltaQ        bool // any DeltaQ is not 0
	segmented     bool
	lossless      bool // CodedLossless
	refs          [av1RefsPerFrame]int
	columns, rows int
	tileBits      int
	tileSizeBytes int
}

// av1Parser finds the tiles of temporal units. It follows the frames in decoding order, because a frame header may take its size, its segments and
// the order of pictures from frames before it.
type av1Parser struct {
	sequence *av1Sequence
	refs     [av1Refs]av1Reference
	frame    av1Frame
	seen     bool // SeenFrameHeader: tiles of frame follow
	tile     int  // TileNum, of the next tile
}

// span is a run of bytes of a sample.
type span struct{ start, end int }

var (
	errOBUSize  = errors.New("an OBU reaches past the end of its sample")
	errTileSize = errors.New("a tile reaches past the end of its tile group")
)

// tiles appends to spans where the decode_tile structures of sample, a temporal unit, stand.
func (p *av1Parser) tiles(spans []span, sample []byte) ([]span, error) {
	for at := 0; at < len(sample); {
		head := sample[at]
		at++
		if head&0x80 != 0 {
			return spans, fmt.Errorf("OBU header: %w", errSyntax)
		}
		temporal, spatial := uint32(0), uint32(0)
		if head&4 != 0 { // obu_extension_flag
			if at == len(sample) {
				return spans, errOBUSize
			}
			temporal, spatial = uint32(sample[at]>>5), uint32(sample[at]>>3&3)
			at++
		}
		end := len(sample)
		if head&2 != 0 { // obu_has_size_field
			size, n := leb128(sample[at:])
			if n == 0 || size > uint64(len(sample)-at-n) {
				return spans, errOBUSize
			}
			at += n
			end = at + int(size)
		}
		var err error
		if spans, err = p.unit(spans, sample, at, end, uint32(head>>3&15), temporal, spatial); err != nil {
			return spans, err
		}
		at = end
	}
	if p.seen {
		return spans, errors.New("a frame without all of its tiles")
	}
	return spans, nil
}

// leb128 reads a value of 4.10.5 and returns with it how many bytes it takes, 0 where there is none.
func leb128(b []byte) (uint64, int) {
	var v uint64
	for i := 0; i < 8 && i < len(b); i++ {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return v, i + 1
		}
	}
	return 0, 0
}

func (p *av1Parser) unit(spans []span, sample []byte, start, end int, kind, temporal, spatial uint32) ([]span, error) {
	payload := sample[start:end]
	switch kind {
	case obuSequenceHeader:
		s, err := parseAV1Sequence(payload)
		if err != nil {
			return spans, err
		}
		p.sequence = s
		return spans, nil
	case obuTemporalDelimiter:
		p.seen = false
		return spans, nil
	case obuMetadata, obuPadding:
		return spans, nil
	case obuFrameHeader, obuRedundantHeader:
		if p.seen { // frame_header_copy
			return spans, nil
		}
		_, err := p.frameHeader(payload, temporal, spatial)
		return spans, err
	case obuFrame:
		if p.seen {
			return spans, errors.New("a frame inside a frame")
		}
		n, err := p.frameHeader(payload, temporal, spatial)
		if err != nil {
			return spans, err
		}
		if !p.seen {
			return spans, fmt.Errorf("frame header: %w", errSyntax) // show_existing_frame
		}
		return p.tileGroup(spans, sample, start+n, end)
	case obuTileGroup:
		if !p.seen {
			return spans, errors.New("a tile group without a frame header")
		}
		return p.tileGroup(spans, sample, start, end)
	}
	return spans, fmt.Errorf("OBU of type %d is not offered", kind)
}

// tileGroup reads tile_group_obu, 5.11.1, whose bytes are those of sample from start to end.
func (p *av1Parser) tileGroup(spans []span, sample []byte, start, end int) ([]span, error) {
	f := &p.frame
	count := f.columns * f.rows
	first, last := 0, count-1
	if count > 1 {
		r := bitReader{data: sample[start:end]}
		if r.flag() { // tile_start_and_end_present_flag
			first, last = int(r.u(f.tileBits)), int(r.u(f.tileBits))
		}
		if r.failed || first != p.tile || last < first || last >= count {
			return spans, fmt.Errorf("tile group: %w", errSyntax)
		}
		start += r.next
	}
	for i := first; i <= last; i++ {
		size := end - start
		if i < last {
			if size < f.tileSizeBytes {
				return spans, errTileSize
			}
			size = 1
			for b := range f.tileSizeBytes {
				size += int(sample[start+b]) << (8 * b)
			}
			start += f.tileSizeBytes
		}
		if size <= 0 || size > end-start {
			return spans, errTileSize
		}
		spans = append(spans, span{start, start + size})
		start += size
	}
	p.tile = last + 1
	if p.tile == count {
		p.seen = false
		p.update(f.refresh, f.av1Reference)
	}
	return spans, nil
}

// update is the reference frame update process, 7.20.
func (p *av1Parser) update(refresh uint32, f av1Reference) {
	f.valid = true
	for i := range p.refs {
		if refresh>>i&1 == 1 {
			p.refs[i] = f
		}
	}
}

func parseAV1Sequence(payload []byte) (*av1Sequence, error) {
	r := bitReader{data: payload}
	s := &av1Sequence{operations: 1}
	profile := r.u(3)
	r.skip(1)
	s.reduced = r.flag()
	if s.reduced {
		r.skip(5)
	} else {
		s.readOperations(&r)
	}
	s.widthBits = int(r.u(4)) + 1
	s.heightBits = int(r.u(4)) + 1
	s.width = int(r.u(s.widthBits)) + 1
	s.height = int(r.u(s.heightBits)) + 1
	if !s.reduced {
		s.frameIDs = r.flag()
	}
	if s.frameIDs {
		s.deltaFrameIDBits = int(r.u(4)) + 2
		s.frameIDBits = int(r.u(3)) + 1 + s.deltaFrameIDBits
	}
	s.superblock128 = r.flag()
	r.skip(2)
	s.forceScreenContent, s.forceIntegerMV = av1Select, av1Select
	if !s.reduced {
		r.skip(2)
		s.warpedMotion = r.flag()
		r.skip(1)
		if s.orderHint = r.flag(); s.orderHint {
			r.skip(1)
			s.refFrameMVs = r.flag()
		}
		if !r.flag() { // seq_choose_screen_content_tools
			s.forceScreenContent = r.bit()
		}
		if s.forceScreenContent > 0 && !r.flag() { // seq_choose_integer_mv
			s.forceIntegerMV = r.bit()
		}
		if s.orderHint {
			s.orderHintBits = int(r.u(3)) + 1
		}
	}
	s.superres = r.flag()
	s.cdef = r.flag()
	s.restoration = r.flag()
	s.readColor(&r, profile)
	s.filmGrain = r.flag()
	if err := r.err(); err != nil {
		return nil, fmt.Errorf("sequence header: %w", err)
	}
	return s, nil
}

func (s *av1Sequence) readOperations(r *bitReader) {
	delayBits := 0
	if r.flag() { // timing_info_present_flag
		r.skip(64)
		if s.equalInterval = r.flag(); s.equalInterval {
			r.ue() // uvlc, 4.10.3, has the form of an Exp-Golomb code
		}
		if s.decoderModel = r.flag(); s.decoderModel {
			delayBits = int(r.u(5)) + 1
			r.skip(32)
			s.removalTimeBits = int(r.u(5)) + 1
			s.presentationBits = int(r.u(5)) + 1
		}
	}
	initialDelay := r.flag()
	s.operations = int(r.u(5)) + 1
	for i := range s.operations {
		s.operationIDC[i] = r.u(12)
		if r.u(5) > 7 {
			r.skip(1)
		}
		if s.decoderModel {
			if s.operationModel[i] = r.flag(); s.operationModel[i] {
				r.skip(2*delayBits + 1)
			}
		}
		if initialDelay && r.flag() {
			r.skip(4)
		}
	}
}

// readColor reads color_config, 5.5.2.
func (s *av1Sequence) readColor(r *bitReader, profile uint32) {
	high := r.flag()
	twelve := profile == 2 && high && r.flag()
	s.mono = profile != 1 && r.flag()
	primaries, transfer, matrix := uint32(2), uint32(2), uint32(2)
	if r.flag() {
		primaries, transfer, matrix = r.u(8), r.u(8), r.u(8)
	}
	if s.mono {
		r.skip(1)
		s.subX, s.subY = true, true
		return
	}
	if primaries != 1 || transfer != 13 || matrix != 0 { // sRGB otherwise, with no subsampling
		r.skip(1)
		switch {
		case profile == 0:
			s.subX, s.subY = true, true
		case profile == 2 && twelve:
			s.subX = r.flag()
			s.subY = s.subX && r.flag()
		case profile == 2:
			s.subX = true
		}
		if s.subX && s.subY {
			r.skip(2)
		}
	}
	s.separateUV = r.flag()
}
