package isobmff

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"

	"github.com/Eyevinn/mp4ff/av1"

	"darkroom/internal/media"
)

// describeAVC reads an AVCDecoderConfigurationRecord, ISO/IEC 14496-15 5.3.3.1.
func describeAVC(t *media.Track, config []byte) error {
	c := Cursor{P: config}
	version, profile, compatibility, level, lengths := c.U8(), c.U8(), c.U8(), c.U8(), c.U8()
	switch {
	case c.Bad || version != 1:
		return Badf("AVC without its configuration")
	case lengths&3 != 3:
		return Badf("AVC whose NAL unit lengths do not have four bytes")
	}
	var err error
	if t.SPS, err = parameterSets(&c, int(c.U8()&31)); err != nil {
		return err
	}
	if t.PPS, err = parameterSets(&c, int(c.U8())); err != nil {
		return err
	}
	if len(t.SPS) == 0 || len(t.PPS) == 0 {
		return Badf("AVC without parameter sets")
	}
	t.Codec, t.Config = media.AVC, bytes.Clone(config)
	t.RFC6381 = fmt.Sprintf("avc1.%02x%02x%02x", profile, compatibility, level)
	return nil
}

// NAL unit types of HEVC's parameter sets, ISO/IEC 23008-2 table 7-1.
const (
	hevcVPS = 32
	hevcSPS = 33
	hevcPPS = 34
)

// describeHEVC reads an HEVCDecoderConfigurationRecord, ISO/IEC 14496-15 8.3.3.1.
func describeHEVC(t *media.Track, kind string, config []byte) error {
	c := Cursor{P: config}
	version := c.U8()
	profile := c.U8()
	compatibility := c.U32()
	constraints := c.Take(6)
	level := c.U8()
	c.Skip(8) // segmentation, parallelism, chroma, bit depths, frame rate
	lengths := c.U8()
	arrays := int(c.U8())
	switch {
	case c.Bad || version != 1:
		return Badf("HEVC without its configuration")
	case lengths&3 != 3:
		return Badf("HEVC whose NAL unit lengths do not have four bytes")
	}
	for range arrays {
		kind, count := c.U8()&63, int(c.U16())
		sets, err := parameterSets(&c, count)
		if err != nil {
			return err
		}
		switch kind {
		case hevcVPS:
			t.VPS = append(t.VPS, sets...)
		case hevcSPS:
			t.SPS = append(t.SPS, sets...)
		case hevcPPS:
			t.PPS = append(t.PPS, sets...)
		}
	}
	if c.Bad || len(t.VPS) == 0 || len(t.SPS) == 0 || len(t.PPS) == 0 {
		return Badf("HEVC without parameter sets")
	}
	t.Codec, t.Config = media.HEVC, bytes.Clone(config)
	t.RFC6381 = hevcCodecs(kind, profile, compatibility, level, constraints)
	return nil
}

// hevcCodecs is the codecs parameter of ISO/IEC 14496-15 E.3.
func hevcCodecs(kind string, profile byte, compatibility uint32, level byte, constraints []byte) string {
	space := [4]string{"", "A", "B", "C"}[profile>>6]
	tier := "L"
	if profile&0x20 != 0 {
		tier = "H"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s.%s%d.%X.%s%d", kind, space, profile&31, bits.Reverse32(compatibility), tier, level)
	for _, x := range bytes.TrimRight(constraints, "\x00") {
		fmt.Fprintf(&b, ".%X", x)
	}
	return b.String()
}

// describeAV1 reads an AV1CodecConfigurationRecord, AV1 in ISOBMFF 2.3.3.
func describeAV1(t *media.Track, config []byte) error {
	record, err := av1.DecodeAV1CodecConfRec(config)
	if err != nil {
		return Badf("AV1 configuration: %v", err)
	}
	t.Codec, t.Config = media.AV1, bytes.Clone(config)
	t.RFC6381 = av1Codecs(&record, sequenceHeader(&record))
	return nil
}

// sequenceHeader returns that of the configuration, nil where it has none that is understood. The library checks sizes, but was not made for bytes from an enemy: a panic
// in it is taken for a header that is not understood.
func sequenceHeader(r *av1.CodecConfRec) (h *av1.SequenceHeader) {
	defer func() {
		if recover() != nil {
			h = nil
		}
	}()
	h, err := r.SequenceHeader()
	if err != nil {
		return nil
	}
	return h
}

// av1Codecs is the codecs parameter of AV1 in ISOBMFF 5. The optional fields are written where one of them is not what its absence says.
func av1Codecs(r *av1.CodecConfRec, h *av1.SequenceHeader) string {
	tier, depth := "M", 8
	if r.SeqTier0 != 0 {
		tier = "H"
	}
	if r.HighBitdepth != 0 {
		depth = 10
		if r.TwelveBit != 0 && r.SeqProfile == 2 {
			depth = 12
		}
	}
	s := fmt.Sprintf("av01.%d.%02d%s.%02d", r.SeqProfile, r.SeqLevelIdx0, tier, depth)
	position := byte(0)
	if r.ChromaSubsamplingX != 0 && r.ChromaSubsamplingY != 0 {
		position = r.ChromaSamplePosition
	}
	const bt709 = 1
	primaries, transfer, matrix, full := byte(bt709), byte(bt709), byte(bt709), 0
	if h != nil {
		primaries, transfer, matrix = h.ColorPrimaries, h.TransferCharacteristics, h.MatrixCoefficients
		if h.ColorRange {
			full = 1
		}
		const unspecified = 2
		if primaries == unspecified && transfer == unspecified && matrix == unspecified && full == 0 {
			primaries, transfer, matrix = bt709, bt709, bt709 // a player knows no more by being told so
		}
	}
	optional := fmt.Sprintf(".%d.%d%d%d.%02d.%02d.%02d.%d", r.MonoChrome, r.ChromaSubsamplingX, r.ChromaSubsamplingY, position, primaries, transfer, matrix, full)
	if optional == ".0.110.01.01.01.0" {
		return s
	}
	return s + optional
}
