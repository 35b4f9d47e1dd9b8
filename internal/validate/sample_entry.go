package validate

import (
	"errors"
	"fmt"

	"github.com/Eyevinn/mp4ff/av1"
	"github.com/Eyevinn/mp4ff/hevc"
)

// cstring reads a text that ends with zero.
func cstring(r *cursor) string {
	var out []byte
	for r.err == nil && r.left() > 0 {
		b := r.u8()
		if b == 0 {
			break
		}
		out = append(out, b)
	}
	return string(out)
}

// protection reads sinf, ISO/IEC 14496-12 8.12.
func (e *sampleEntry) protection(c *checker, where string, children []box) error {
	sinf, inner, ok := walk(children, "sinf")
	_ = sinf
	if !ok {
		return fmt.Errorf("an encrypted track without sinf")
	}
	if b, ok := find(inner, "frma"); ok && len(b.body) == 4 {
		e.sampleEntry = string(b.body)
	} else {
		return fmt.Errorf("sinf has no frma")
	}
	if b, ok := find(inner, "schm"); ok && len(b.body) >= 12 {
		e.scheme = string(b.body[4:8])
	} else {
		return fmt.Errorf("sinf has no schm")
	}
	_, schi, _ := walk(inner, "schi")
	piff := false
	b, ok := find(schi, "tenc")
	for _, x := range schi {
		if x.kind == "uuid" && x.uuid == piffTenc {
			b, ok, piff = x, true, true
		}
	}
	if !ok {
		c.fail("cenc-tenc", where, "schi has no tenc")
		return nil
	}
	t, err := parseTenc(b.body)
	if err != nil {
		c.fail("cenc-tenc", where, "tenc: %v", err)
		return nil
	}
	e.tenc = t
	bad := func(format string, args ...any) { c.fail("cenc-tenc", where, "tenc of "+e.scheme+": "+format, args...) }
	switch e.scheme {
	case "cenc":
		if t.ivSize != 8 && t.ivSize != 16 {
			bad("an initialization vector of %d bytes for each sample, not 8 or 16", t.ivSize)
		}
		if t.crypt != 0 || t.skip != 0 {
			bad("a pattern")
		}
	case "piff":
		if !piff {
			bad("it is not the uuid box of PIFF")
		}
		if t.ivSize != 8 && t.ivSize != 16 {
			bad("an initialization vector of %d bytes for each sample, not 8 or 16", t.ivSize)
		}
	case "cbcs":
		if t.ivSize == 0 && len(t.constant) != 16 || t.ivSize != 0 && t.ivSize != 16 {
			bad("initialization vectors of %d bytes for each sample and a constant one of %d", t.ivSize, len(t.constant))
		}
		if e.kind == video && (t.crypt == 0 || t.skip == 0) {
			bad("pattern %d:%d for a picture", t.crypt, t.skip)
		}
		if e.kind == audio && t.skip != 0 {
			bad("pattern %d:%d for sound", t.crypt, t.skip)
		}
	case "cens", "cbc1":
		c.warn("cenc-tenc", where, "scheme %s, which hardly any player knows", e.scheme)
	default:
		bad("an unknown scheme")
	}
	if t.protected && t.kid == [16]byte{} {
		bad("the key identifier is 0")
	}
	return nil
}

func parseTenc(body []byte) (*tenc, error) {
	r := &cursor{b: body}
	version, _ := r.full()
	t := &tenc{}
	r.skip(1)
	pattern := r.u8()
	if version > 0 {
		t.crypt, t.skip = pattern>>4, pattern&15
	}
	t.protected = r.u8() == 1
	t.ivSize = r.u8()
	copy(t.kid[:], r.take(16))
	if t.protected && t.ivSize == 0 {
		t.constant = r.take(int(r.u8()))
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.left() > 0 {
		return nil, fmt.Errorf("%d bytes too many", r.left())
	}
	return t, nil
}

// parseSeig reads an entry of a seig sample group description, ISO/IEC 23001-7 6.
func parseSeig(r *cursor) *tenc {
	t := &tenc{}
	r.skip(1)
	pattern := r.u8()
	t.crypt, t.skip = pattern>>4, pattern&15
	t.protected = r.u8() == 1
	t.ivSize = r.u8()
	copy(t.kid[:], r.take(16))
	if t.protected && t.ivSize == 0 {
		t.constant = r.take(int(r.u8()))
	}
	return t
}

// configuration reads the decoder configuration box.
func (e *sampleEntry) configuration(c *checker, where string, children []box) error {
	want := map[string]string{"avc1": "avcC", "avc3": "avcC", "hvc1": "hvcC", "hev1": "hvcC", "av01": "av1C", "mp4a": "esds", "ac-3": "dac3", "ec-3": "dec3"}[e.sampleEntry]
	if want == "" {
		e.codec = e.sampleEntry
		return nil
	}
	b, ok := find(children, want)
	if !ok {
		return fmt.Errorf("it has no %s", want)
	}
	e.config = b.body
	bad := func(err error) {
		c.fail("mp4-parameter", where, "%s: %v", want, err)
	}
	switch want {
	case "avcC":
		r := &cursor{b: b.body}
		r.skip(1)
		profile, _, level := r.u8(), r.u8(), r.u8()
		e.lengthSize = int(r.u8()&3) + 1
		for range r.u8() & 31 {
			e.parameters = append(e.parameters, r.take(int(r.u16())))
		}
		sets := len(e.parameters)
		for range r.u8() {
			e.parameters = append(e.parameters, r.take(int(r.u16())))
		}
		if r.err != nil {
			bad(r.err)
			return nil
		}
		if sets == 0 {
			if e.sampleEntry == "avc1" {
				bad(errors.New("no SPS"))
			}
			return nil
		}
		sps, err := parseAVC(e.parameters[0])
		if err != nil {
			bad(err)
			return nil
		}
		if sps.profile != int(profile) || sps.level != int(level) {
			bad(fmt.Errorf("profile %d, level %d; its SPS says %d, %d", profile, level, sps.profile, sps.level))
		}
		e.picture(c, where, sps.width, sps.height)
		e.codec = sps.codec(e.sampleEntry)
	case "hvcC":
		conf, err := hevc.DecodeHEVCDecConfRec(b.body)
		if err != nil {
			bad(err)
			return nil
		}
		e.lengthSize = int(conf.LengthSizeMinusOne) + 1
		for _, kind := range []hevc.NaluType{hevc.NALU_VPS, hevc.NALU_SPS, hevc.NALU_PPS} {
			e.parameters = append(e.parameters, conf.GetNalusForType(kind)...)
		}
		list := conf.GetNalusForType(hevc.NALU_SPS)
		if len(list) == 0 {
			if e.sampleEntry == "hvc1" {
				bad(errors.New("no SPS"))
			}
			return nil
		}
		sps, err := hevc.ParseSPSNALUnit(list[0])
		if err != nil {
			bad(fmt.Errorf("SPS: %w", err))
			return nil
		}
		if conf.GeneralLevelIDC != sps.ProfileTierLevel.GeneralLevelIDC || conf.GeneralProfileIDC != sps.ProfileTierLevel.GeneralProfileIDC {
			bad(fmt.Errorf("profile %d, level %d; its SPS says %d, %d", conf.GeneralProfileIDC, conf.GeneralLevelIDC, sps.ProfileTierLevel.GeneralProfileIDC, sps.ProfileTierLevel.GeneralLevelIDC))
		}
		w, h := sps.ImageSize()
		e.picture(c, where, int(w), int(h))
		e.codec = hevc.CodecString(e.sampleEntry, sps)
	case "av1C":
		conf, err := av1.DecodeAV1CodecConfRec(b.body)
		if err != nil {
			bad(err)
			return nil
		}
		e.codec = fmt.Sprintf("%s.%d.%02d%c.%02d.%d.%d%d%d", e.sampleEntry, conf.SeqProfile, conf.SeqLevelIdx0, "MH"[conf.SeqTier0&1], 8+2*conf.HighBitdepth+2*conf.TwelveBit,
			conf.MonoChrome, conf.ChromaSubsamplingX, conf.ChromaSubsamplingY, conf.ChromaSamplePosition)
		if len(conf.ConfigOBUs) == 0 {
			return nil // the sequence header is in the key frames
		}
		seq, err := conf.SequenceHeader()
		if err != nil {
			bad(err)
			return nil
		}
		if seq == nil {
			return nil
		}
		if seq.SeqProfile != conf.SeqProfile || seq.SeqLevelIdx0 != conf.SeqLevelIdx0 || seq.SeqTier0 != conf.SeqTier0 {
			bad(fmt.Errorf("profile %d, level %d, tier %d; its sequence header says %d, %d, %d", conf.SeqProfile, conf.SeqLevelIdx0, conf.SeqTier0, seq.SeqProfile, seq.SeqLevelIdx0, seq.SeqTier0))
		}
		e.av1 = seq
		full := 0
		if seq.ColorRange {
			full = 1
		}
		colour := [3]byte{seq.ColorPrimaries, seq.TransferCharacteristics, seq.MatrixCoefficients}
		if colour == [3]byte{2, 2, 2} {
			colour = [3]byte{1, 1, 1} // without a description of colour, the defaults of AV1 in ISOBMFF 5
		}
		e.codec += fmt.Sprintf(".%02d.%02d.%02d.%d", colour[0], colour[1], colour[2], full)
		e.picture(c, where, int(seq.Width()), int(seq.Height()))
	case "esds":
		config, object, err := parseESDS(b.body)
		if err != nil {
			bad(err)
			return nil
		}
		e.config = config
		if object != 0x40 {
			e.codec = fmt.Sprintf("mp4a.%x", object)
			return nil
		}
		a, err := parseAudioConfig(config)
		if err != nil {
			bad(err)
			return nil
		}
		e.codec = fmt.Sprintf("mp4a.40.%d", a.object)
		e.sampleRate = a.rate
		if a.channels > 0 {
			e.channels = a.channels
		}
	case "dac3":
		e.codec = "ac-3"
		r := &cursor{b: b.body}
		v := uint32(r.uint(3))
		if r.err != nil {
			bad(r.err)
			return nil
		}
		e.sampleRate = ac3Rate(byte(v >> 22))
		e.channels = ac3Channels[v>>11&7] + int(v>>10&1)
	case "dec3":
		e.codec = "ec-3"
		r := &cursor{b: b.body}
		r.skip(2)
		v := uint32(r.uint(3))
		if r.err != nil {
			bad(r.err)
			return nil
		}
		e.sampleRate = ac3Rate(byte(v >> 22))
		e.channels = ac3Channels[v>>9&7] + int(v>>8&1)
	}
	return nil
}

// picture checks the size in the sample entry against the bitstream's.
func (e *sampleEntry) picture(c *checker, where string, width, height int) {
	if e.width != width || e.height != height {
		c.fail("mp4-parameter", where, "the sample entry says %dx%d, and the bitstream %dx%d", e.width, e.height, width, height)
	}
	e.width, e.height = width, height
}

// parseESDS finds the AudioSpecificConfig, ISO/IEC 14496-1 7.2.6.
func parseESDS(body []byte) (config []byte, object byte, err error) {
	r := &cursor{b: body}
	r.full()
	descriptor := func() (tag byte, size int) {
		tag = r.u8()
		for range 4 {
			b := r.u8()
			size = size<<7 | int(b&0x7f)
			if b < 0x80 {
				break
			}
		}
		return tag, size
	}
	if tag, _ := descriptor(); tag != 3 {
		return nil, 0, fmt.Errorf("descriptor %d, not that of an elementary stream", tag)
	}
	r.skip(2)
	flags := r.u8()
	if flags&0x80 != 0 {
		r.skip(2)
	}
	if flags&0x40 != 0 {
		r.skip(int(r.u8()))
	}
	if flags&0x20 != 0 {
		r.skip(2)
	}
	if tag, _ := descriptor(); tag != 4 {
		return nil, 0, fmt.Errorf("descriptor %d, not that of a decoder configuration", tag)
	}
	object = r.u8()
	r.skip(12)
	if object != 0x40 {
		return nil, object, r.err
	}
	tag, size := descriptor()
	if tag != 5 {
		return nil, 0, fmt.Errorf("descriptor %d, not decoder specific information", tag)
	}
	config = r.take(size)
	return config, object, r.err
}
