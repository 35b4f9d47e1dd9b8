package cmaf

import (
	"bytes"
	"math"

	"darkroom/internal/cenc"
	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

// clearDescription is the number of the sample description of clear fragments in a track with ClearLead.
const clearDescription = 2

// Init returns the init segment: ftyp and moov.
func (w *Writer) Init() []byte {
	var b isobmff.Builder
	appendBrands(&b, w.o.Flavour, w)
	appendMoov(&b, []*Writer{w})
	return b.Bytes
}

func appendBrands(b *isobmff.Builder, f Flavour, w *Writer) {
	at := b.Open("ftyp")
	major, minor, compatible := "iso6", uint32(0), []string{"iso6", "dash"}
	switch f {
	case CMAF:
		major, compatible = "cmfc", append([]string{"cmfc"}, compatible...)
		if w.edit == 0 && w.offset == 0 {
			// cmf2 wants signed offsets in place of an edit list (ISO/IEC 23000-19 7.7).
			compatible = append(compatible, "cmf2")
		}
		if p := mediaProfile(w.track); p != "" {
			compatible = append(compatible, p)
		}
	case PIFF:
		major, minor, compatible = "isml", 1, []string{"isml", "piff", "iso2"}
	}
	if f != PIFF && w.track.Codec == media.AV1 {
		compatible = append(compatible, "av01") // AV1 in ISOBMFF 2.1
	}
	b.Text(major)
	b.U32(minor)
	for _, c := range compatible {
		b.Text(c)
	}
	b.Close(at)
}

// mediaProfile is the brand of the CMAF media profile (ISO/IEC 23000-19 tables A.1 and A.2, annex B; ETSI TS 102 366 annex J) that a track is known to keep to, "" for
// none. What the codec's profile, tier and level bound is not looked at again.
func mediaProfile(t *media.Track) string {
	switch t.Codec {
	case media.AVC:
		return avcProfile(t)
	case media.HEVC:
		return hevcProfile(t)
	case media.AAC:
		if t.Channels <= 2 && t.SampleRate <= 48000 {
			return "caac"
		}
	case media.EAC3:
		return "ceac"
	case media.WebVTT:
		return "cwvt"
	case media.TTML:
		if t.RFC6381 == "stpp.ttml.im1t" {
			return "im1t"
		}
	}
	return ""
}

const maxFrameRate = 60 // of the media profiles of pictures

func within(t *media.Track, width, height int) bool {
	return t.Width <= width && t.Height <= height && t.FrameRate.Float() <= maxFrameRate
}

func avcProfile(t *media.Track) string {
	if len(t.Config) < 4 {
		return ""
	}
	const baseline, main, high = 66, 77, 100
	profile, level := t.Config[1], t.Config[3]
	c := colours(t)
	switch {
	case profile != baseline && profile != main && profile != high:
	case level <= 31 && within(t, 864, 576) && (c == colour{} || c == bt709 || c == bt601PAL || c == bt601NTSC):
		return "cfsd"
	case c != colour{} && c != bt709:
	case level <= 40 && within(t, 1920, 1080):
		return "cfhd"
	case level <= 42 && within(t, 1920, 1080):
		return "chdf"
	}
	return ""
}

func hevcProfile(t *media.Track) string {
	if len(t.Config) < 13 || t.Config[1]&0xe0 != 0 { // profile space 0, main tier
		return ""
	}
	const main, main10 = 1, 2
	const level41, level50, level51 = 123, 150, 153
	profile, level := t.Config[1]&31, t.Config[12]
	c := colours(t)
	sdr := c == colour{} || c == bt709
	switch {
	case profile == main && sdr && level <= level41 && within(t, 1920, 1080):
		return "chhd"
	case profile == main && sdr && level <= level50 && within(t, 3840, 2160):
		return "cud8"
	case profile == main10 && sdr && level <= level41 && within(t, 1920, 1080):
		return "chh1"
	case profile != main10 || level > level51 || !within(t, 3840, 2160):
	case sdr || c == bt2020 || c == bt2020ncl12:
		return "cud1"
	case c == hdr10:
		return "chd1"
	case c == hlg:
		return "clg1"
	}
	return ""
}

// colour is what a colr box says, in the numbers of ISO/IEC 23091-2; zeros where there is none.
type colour struct{ primaries, transfer, matrix uint16 }

var (
	bt709       = colour{1, 1, 1}
	bt601PAL    = colour{5, 6, 5}
	bt601NTSC   = colour{6, 6, 6}
	bt2020      = colour{9, 14, 9}
	bt2020ncl12 = colour{9, 15, 9}
	hdr10       = colour{9, 16, 9}
	hlg         = colour{9, 18, 9}
)

// colours reads the colr box (ISO/IEC 14496-12 12.1.5) of a sample entry of pictures.
func colours(t *media.Track) (c colour) {
	const entry = 8 + 78 // ISO/IEC 14496-12 12.1.3
	if len(t.SampleEntry) < entry {
		return c
	}
	// An entry that does not end in boxes has none that says the colour.
	_ = isobmff.Children(t.SampleEntry[entry:], func(kind string, p []byte) error {
		if kind == "colr" && len(p) >= 10 && (string(p[:4]) == "nclx" || string(p[:4]) == "nclc") {
			r := isobmff.Cursor{P: p[4:]}
			c = colour{r.U16(), r.U16(), r.U16()}
		}
		return nil
	})
	return c
}

// appendMoov writes the movie box of the tracks, which have one timescale and one flavour.
func appendMoov(b *isobmff.Builder, tracks []*Writer) {
	scale, next, duration := tracks[0].scale, uint32(0), uint64(0)
	for _, w := range tracks {
		next = max(next, w.o.TrackID)
		duration = max(duration, w.duration())
	}
	moov := b.Open("moov")
	b.MovieHeader(scale, 0, next+1)
	for _, w := range tracks {
		w.trak(b)
	}
	mvex := b.Open("mvex")
	if duration > 0 {
		v := isobmff.TimeVersion(duration)
		at := b.OpenFull("mehd", v, 0)
		b.Time(v, duration)
		b.Close(at)
	}
	for _, w := range tracks {
		at := b.OpenFull("trex", 0, 0)
		b.U32(w.o.TrackID)
		b.U32(1) // default_sample_description_index
		b.U32(0)
		b.U32(0)
		if w.track.Kind == media.Video {
			b.U32(isobmff.NonSyncFlags)
		} else {
			b.U32(isobmff.SyncFlags)
		}
		b.Close(at)
	}
	b.Close(mvex)
	appendSystems(b, tracks)
	b.Close(moov)
}

// appendSystems writes what DRM systems are told, each header once.
func appendSystems(b *isobmff.Builder, tracks []*Writer) {
	var written [][]byte
	for _, w := range tracks {
		if w.o.Protection == nil || w.o.Encryptor == nil {
			continue
		}
		for _, s := range w.o.Protection.Signals {
			if len(s.PSSH) == 0 || containsEqual(written, s.PSSH) {
				continue
			}
			written = append(written, s.PSSH)
			if w.o.Flavour != PIFF {
				b.Raw(s.PSSH)
			} else if p, err := cenc.ParsePSSH(s.PSSH); err == nil { // NewWriter has seen that it is one
				b.Bytes = p.AppendPIFF(b.Bytes)
			}
		}
	}
}

func containsEqual(all [][]byte, p []byte) bool {
	for _, x := range all {
		if bytes.Equal(x, p) {
			return true
		}
	}
	return false
}

// duration is how long the track is shown in ticks of the movie, 0 when that is not known.
func (w *Writer) duration() uint64 {
	if w.o.Duration == 0 || w.o.Duration > math.MaxInt64 {
		return 0
	}
	return uint64(w.Ticks(int64(w.o.Duration)))
}

func (w *Writer) trak(b *isobmff.Builder) {
	t := w.track
	trak := b.Open("trak")
	b.TrackHeader(t, w.o.TrackID, 0, true)
	if w.edit > 0 {
		// The duration is that of all fragments: 0 says so (ISO/IEC 14496-12 8.6.6.1).
		v := isobmff.TimeVersion(w.duration(), uint64(w.edit)<<1) // media_time is signed
		edts := b.Open("edts")
		at := b.OpenFull("elst", v, 0)
		b.U32(1)
		b.Time(v, w.duration())
		b.Time(v, uint64(w.edit))
		b.U32(0x00010000)
		b.Close(at)
		b.Close(edts)
	}
	mdia := b.Open("mdia")
	b.MediaHeaders(t, w.scale, 0)
	minf := b.Open("minf")
	b.MediaInformation(t)
	stbl := b.Open("stbl")
	w.stsd(b)
	for _, kind := range []string{"stts", "stsc", "stsz", "stco"} {
		at := b.OpenFull(kind, 0, 0)
		b.U32(0)
		if kind == "stsz" {
			b.U32(0)
		}
		b.Close(at)
	}
	b.Close(stbl)
	b.Close(minf)
	b.Close(mdia)
	b.Close(trak)
}

func (w *Writer) stsd(b *isobmff.Builder) {
	at := b.OpenFull("stsd", 0, 0)
	switch {
	case w.o.Encryptor == nil:
		b.U32(1)
		b.Raw(w.track.SampleEntry)
	case w.o.ClearLead:
		b.U32(clearDescription)
		w.protectedEntry(b)
		b.Raw(w.track.SampleEntry)
	default:
		b.U32(1)
		w.protectedEntry(b)
	}
	b.Close(at)
}

// protectedEntry writes the sample entry with its name in sinf, where a reader that cannot decrypt does not take it for what it is not.
func (w *Writer) protectedEntry(b *isobmff.Builder) {
	entry, e := w.track.SampleEntry, w.o.Encryptor.Track()
	at := b.Open(cenc.EncryptedFormat(w.track.Kind))
	b.Raw(entry[8:])
	original := string(entry[4:8])
	if w.o.Flavour == PIFF {
		b.Bytes = cenc.AppendPIFFSinf(b.Bytes, original, e)
	} else {
		b.Bytes = cenc.AppendSinf(b.Bytes, original, e)
	}
	b.Close(at)
}
