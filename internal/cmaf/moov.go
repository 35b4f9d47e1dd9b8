package cmaf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/Eyevinn/mp4ff/aac"
	mp4bits "github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"darkroom/internal/media"
)

// initSegment is what the movie box says.
type initSegment struct {
	track   *media.Track
	trackID uint32
	video   bool
	defaults
	maxTime int64 // ticks
	next    int64 // decode time where the next fragment begins, unless it says its own
}

// parseMoov reads the content of a movie box. The library's decoder checks sizes, but was not made for bytes from an enemy: a panic in it
// is taken for a malformed box.
func parseMoov(p []byte) (s *initSegment, err error) {
	defer func() {
		if v := recover(); v != nil {
			s, err = nil, badf("a malformed movie box")
		}
	}()
	var mvhd *mp4.MvhdBox
	var trex *mp4.TrexBox
	var trak *mp4.TrakBox
	var rawEntry []byte
	err = children(p, func(kind string, content []byte) error {
		switch kind {
		case "mvhd":
			b, err := decode(kind, content)
			mvhd, _ = b.(*mp4.MvhdBox)
			return err
		case "trak":
			if trak != nil {
				return badf("more than one track")
			}
			b, err := decode(kind, content)
			if err != nil {
				return err
			}
			trak, _ = b.(*mp4.TrakBox)
			rawEntry, err = sampleEntry(content)
			return err
		case "mvex":
			return children(content, func(kind string, content []byte) error {
				if kind != "trex" {
					return nil
				}
				b, err := decode(kind, content)
				trex, _ = b.(*mp4.TrexBox)
				return err
			})
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case mvhd == nil || trak == nil || trex == nil:
		return nil, badf("the movie box lacks mvhd, trak or trex")
	case trak.Tkhd == nil || trak.Mdia == nil || trak.Mdia.Mdhd == nil || trak.Mdia.Minf == nil ||
		trak.Mdia.Minf.Stbl == nil || trak.Mdia.Minf.Stbl.Stsd == nil:
		return nil, badf("the track lacks a box")
	case trak.Tkhd.TrackID != trex.TrackID:
		return nil, badf("trex is of track %d, not %d", trex.TrackID, trak.Tkhd.TrackID)
	}
	mdhd := trak.Mdia.Mdhd
	if mdhd.Timescale == 0 || mdhd.Timescale > 1<<31 {
		return nil, badf("a timescale of %d", mdhd.Timescale)
	}
	t := &media.Track{Timescale: mdhd.Timescale, Language: language(mdhd), SampleEntry: rawEntry}
	s = &initSegment{
		track: t, trackID: trak.Tkhd.TrackID,
		defaults: defaults{trex.DefaultSampleDuration, trex.DefaultSampleSize, trex.DefaultSampleFlags},
		maxTime:  min(maxTicks, maxSeconds*int64(mdhd.Timescale)),
	}
	if err := describe(t, trak.Mdia.Minf.Stbl.Stsd); err != nil {
		return nil, err
	}
	s.video = t.Kind == media.Video
	t.MediaTime, err = editStart(trak, mvhd.Timescale, s)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// decode gives one box to the library.
func decode(kind string, content []byte) (mp4.Box, error) {
	raw := make([]byte, 8, 8+len(content))
	binary.BigEndian.PutUint32(raw, uint32(8+len(content)))
	copy(raw[4:], kind)
	b, err := mp4.DecodeBoxSR(0, mp4bits.NewFixedSliceReader(append(raw, content...)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b, nil
}

// sampleEntry returns the only sample description as it stands, so that a writer keeps what this package does not know.
func sampleEntry(trak []byte) ([]byte, error) {
	p := trak
	for _, want := range []string{"mdia", "minf", "stbl", "stsd"} {
		var found []byte
		if err := children(p, func(kind string, content []byte) error {
			if kind == want && found == nil {
				found = content
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if found == nil {
			return nil, badf("no %s box", want)
		}
		p = found
	}
	const header = fullBoxHeader + 4 // version, flags, entry_count
	if len(p) < header+8 || binary.BigEndian.Uint32(p[fullBoxHeader:]) != 1 {
		return nil, badf("not exactly one sample description")
	}
	entry := p[header:]
	if int(binary.BigEndian.Uint32(entry)) != len(entry) {
		return nil, badf("a sample description of the wrong size")
	}
	return bytes.Clone(entry), nil
}

func language(b *mp4.MdhdBox) string {
	l := b.GetLanguage()
	for _, c := range l {
		if c < 'a' || c > 'z' {
			return ""
		}
	}
	if len(l) != 3 || l == "und" {
		return ""
	}
	return l
}

func describe(t *media.Track, stsd *mp4.StsdBox) error {
	switch {
	case stsd.AvcX != nil && stsd.AvcX.Type() == "avc1":
		return describeAVC(t, stsd.AvcX)
	case stsd.Mp4a != nil:
		return describeAAC(t, stsd.Mp4a)
	}
	return badf("a codec that is neither AVC nor AAC")
}

func describeAVC(t *media.Track, e *mp4.VisualSampleEntryBox) error {
	if e.AvcC == nil || len(e.AvcC.SPSnalus) == 0 || len(e.AvcC.PPSnalus) == 0 {
		return badf("AVC without parameter sets")
	}
	// lengthSizeMinusOne stands in the fifth byte of the configuration record, ISO/IEC 14496-15 5.3.3.1.
	if i := bytes.Index(t.SampleEntry, []byte("avcC")); i < 0 || i+9 > len(t.SampleEntry) || t.SampleEntry[i+8]&3 != 3 {
		return badf("AVC whose NAL unit lengths do not have four bytes")
	}
	t.Kind, t.Codec = media.Video, media.AVC
	t.Width, t.Height = int(e.Width), int(e.Height)
	if t.Width == 0 || t.Height == 0 {
		return badf("a picture of %d x %d", t.Width, t.Height)
	}
	for _, set := range [][][]byte{e.AvcC.SPSnalus, e.AvcC.PPSnalus} {
		for _, n := range set {
			if len(n) < 2 {
				return badf("an empty parameter set")
			}
		}
	}
	t.SPS, t.PPS = clone(e.AvcC.SPSnalus), clone(e.AvcC.PPSnalus)
	t.RFC6381 = fmt.Sprintf("avc1.%02x%02x%02x", e.AvcC.AVCProfileIndication, e.AvcC.ProfileCompatibility, e.AvcC.AVCLevelIndication)
	t.SampleAspectRatio = media.Rational{Num: 1, Den: 1}
	if p := e.Pasp; p != nil && p.HSpacing > 0 && p.VSpacing > 0 {
		t.SampleAspectRatio = media.Rational{Num: int64(p.HSpacing), Den: int64(p.VSpacing)}
	}
	return nil
}

func clone(sets [][]byte) [][]byte {
	out := make([][]byte, len(sets))
	for i := range sets {
		out[i] = bytes.Clone(sets[i])
	}
	return out
}

func describeAAC(t *media.Track, e *mp4.AudioSampleEntryBox) error {
	if e.Esds == nil || e.Esds.DecConfigDescriptor == nil || e.Esds.DecConfigDescriptor.DecSpecificInfo == nil {
		return badf("AAC without its configuration")
	}
	config := e.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig
	c, err := aac.DecodeAudioSpecificConfig(bytes.NewReader(config))
	if err != nil {
		return fmt.Errorf("%w: AudioSpecificConfig: %w", ErrFormat, err)
	}
	if c.ObjectType == 0 || c.ObjectType > 31 || c.SamplingFrequency <= 0 {
		return badf("AAC of object type %d at %d Hz", c.ObjectType, c.SamplingFrequency)
	}
	t.Kind, t.Codec = media.Audio, media.AAC
	t.AudioConfig = bytes.Clone(config)
	t.SampleRate = c.SamplingFrequency
	t.Channels = int(c.ChannelConfiguration)
	if t.Channels == 7 {
		t.Channels = 8 // ISO/IEC 14496-3 table 1.19
	}
	if t.Channels == 0 {
		t.Channels = int(e.ChannelCount)
	}
	t.RFC6381 = fmt.Sprintf("mp4a.40.%d", c.ObjectType)
	return nil
}

// editStart turns the edit list into the composition time at which presentation begins. One edit is read, with an empty one before it for
// a track that begins late.
func editStart(trak *mp4.TrakBox, movieScale uint32, s *initSegment) (int64, error) {
	if trak.Edts == nil || len(trak.Edts.Elst) == 0 {
		return 0, nil
	}
	empty, start, found := uint64(0), int64(0), false
	for _, e := range trak.Edts.Elst[0].Entries {
		switch {
		case found:
			return 0, badf("an edit list of several edits")
		case e.MediaTime == -1:
			if movieScale == 0 {
				return 0, badf("a movie timescale of 0")
			}
			hi, lo := bits.Mul64(e.SegmentDuration, uint64(s.track.Timescale))
			if hi >= uint64(movieScale) {
				return 0, badf("an empty edit out of range")
			}
			ticks, _ := bits.Div64(hi, lo, uint64(movieScale))
			if empty += ticks; ticks > uint64(s.maxTime) || empty > uint64(s.maxTime) {
				return 0, badf("an empty edit out of range")
			}
		case e.MediaTime < -1 || e.MediaTime > s.maxTime:
			return 0, badf("a media time of %d", e.MediaTime)
		default:
			start, found = e.MediaTime, true
		}
	}
	return start - int64(empty), nil
}
