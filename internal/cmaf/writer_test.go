package cmaf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	mp4bits "github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/media"
)

// testTrack is the track of an init segment that a reader understands.
func testTrack(t testing.TB, video bool, mediaTime int64) *media.Track {
	t.Helper()
	track, err := cmaf.NewReader(bytes.NewReader(initSegment(video, nil))).Track()
	if err != nil {
		t.Fatal(err)
	}
	c := *track
	c.MediaTime = mediaTime
	return &c
}

func codecTrack(t testing.TB, codec media.Codec) *media.Track {
	t.Helper()
	c := *testTrack(t, false, 0)
	c.Codec = codec
	return &c
}

// decodeFile lets another reader read.
func decodeFile(t testing.TB, b []byte) *mp4.File {
	t.Helper()
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func append1(t testing.TB, w *cmaf.Writer, samples ...media.Sample) []byte {
	t.Helper()
	for i := range samples {
		if err := w.Add(&samples[i]); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.AppendFragment(nil, cmaf.FragmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func traf(t testing.TB, b []byte) *mp4.TrafBox {
	t.Helper()
	box, err := mp4.DecodeBoxSR(0, mp4bits.NewFixedSliceReader(b))
	if err != nil {
		t.Fatal(err)
	}
	moof, ok := box.(*mp4.MoofBox)
	if !ok {
		t.Fatalf("a %s box", box.Type())
	}
	return moof.Traf
}

func TestBrands(t *testing.T) {
	t.Parallel()
	avc := func(change func(*media.Track)) *media.Track {
		c := *testTrack(t, true, 0)
		c.Config = bytes.Clone(c.Config)
		change(&c)
		return &c
	}
	hevc := func(profile, level byte, w, h int, colour ...uint16) *media.Track {
		c := &media.Track{Kind: media.Video, Codec: media.HEVC, Timescale: 1, Width: w, Height: h, Config: make([]byte, 23), SampleEntry: make([]byte, 86)}
		c.Config[1], c.Config[12] = profile, level
		if len(colour) > 0 {
			content := []byte("nclx")
			for _, v := range append(colour, 0) {
				content = binary.BigEndian.AppendUint16(content, v)
			}
			c.SampleEntry = append(c.SampleEntry, box("colr", content)...)
		}
		return c
	}
	for _, tt := range []struct {
		name  string
		track *media.Track
		o     cmaf.WriterOptions
		want  string
	}{
		{"picture of SD", avc(func(*media.Track) {}), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 cfsd"},
		{"with an edit list", avc(func(c *media.Track) { c.MediaTime = 2000 }), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cfsd"},
		{"with signed offsets", avc(func(c *media.Track) { c.MediaTime = 2000 }), cmaf.WriterOptions{SignedOffsets: true}, "cmfc cmfc iso6 dash cmf2 cfsd"},
		{"with an offset that is kept", avc(func(c *media.Track) { c.MediaTime = 2000 }), cmaf.WriterOptions{KeepPTSOffset: true}, "cmfc cmfc iso6 dash cfsd"},
		{"of HD", avc(func(c *media.Track) { c.Width, c.Height, c.Config[3] = 1920, 1080, 40 }), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 cfhd"},
		{"of HD at 60", avc(func(c *media.Track) { c.Width, c.Height, c.Config[3] = 1920, 1080, 42 }), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 chdf"},
		{"of 120 pictures", avc(func(c *media.Track) { c.FrameRate = media.Rational{Num: 120, Den: 1} }), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2"},
		{"of UHD", avc(func(c *media.Track) { c.Width, c.Height, c.Config[3] = 3840, 2160, 51 }), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2"},
		{"of High 4:2:2", avc(func(c *media.Track) { c.Config[1] = 122 }), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2"},
		{"DASH", avc(func(*media.Track) {}), cmaf.WriterOptions{Flavour: cmaf.DASH}, "iso6 iso6 dash"},
		{"Smooth", avc(func(*media.Track) {}), cmaf.WriterOptions{Flavour: cmaf.PIFF}, "isml isml piff iso2"},
		{"HEVC of HD", hevc(1, 120, 1920, 1080), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 chhd"},
		{"HEVC of UHD", hevc(1, 150, 3840, 2160, 1, 1, 1), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 cud8"},
		{"HEVC of 10 bit", hevc(2, 120, 1920, 1080), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 chh1"},
		{"HEVC of 10 bit and UHD", hevc(2, 153, 3840, 2160, 9, 14, 9), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 cud1"},
		{"HDR10", hevc(2, 153, 3840, 2160, 9, 16, 9), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 chd1"},
		{"HLG", hevc(2, 123, 1920, 1080, 9, 18, 9), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 clg1"},
		{"HEVC of the high tier", hevc(0x21, 120, 1920, 1080), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2"},
		{"AAC", testTrack(t, false, 0), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 caac"},
		{"AAC with priming", testTrack(t, false, 1024), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash caac"},
		{"AV1", codecTrack(t, media.AV1), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 av01"},
		{"E-AC-3", codecTrack(t, media.EAC3), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 ceac"},
		{"WebVTT", codecTrack(t, media.WebVTT), cmaf.WriterOptions{}, "cmfc cmfc iso6 dash cmf2 cwvt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.o.Flavour == 0 {
				tt.o.Flavour = cmaf.CMAF
			}
			b := newWriter(t, tt.track, tt.o).Init()
			box, err := mp4.DecodeBoxSR(0, mp4bits.NewFixedSliceReader(b))
			if err != nil {
				t.Fatal(err)
			}
			ftyp, _ := box.(*mp4.FtypBox)
			if got := ftyp.MajorBrand() + " " + strings.Join(ftyp.CompatibleBrands(), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	track := testTrack(t, true, 2002)
	track.Language = "deu"
	w := newWriter(t, track, cmaf.WriterOptions{Flavour: cmaf.CMAF, TrackID: 7, Duration: 24 * 3600 * 30000 * 2})
	moov := decodeFile(t, w.Init()).Init.Moov
	entry := moov.Trak.Edts.Elst[0].Entries[0]
	if moov.Trak.Tkhd.TrackID != 7 || moov.Mvex.Trex.TrackID != 7 || moov.Mvex.Trex.DefaultSampleFlags != 0x01010000 || moov.Mvhd.NextTrackID != 8 {
		t.Errorf("track %d, trex %+v", moov.Trak.Tkhd.TrackID, moov.Mvex.Trex)
	}
	if entry.MediaTime != 2002 || entry.SegmentDuration != 5184000000 || moov.Mvex.Mehd.FragmentDuration != 5184000000 {
		t.Errorf("edit %+v, mehd %+v", entry, moov.Mvex.Mehd)
	}
	if moov.Trak.Mdia.Mdhd.Timescale != 30000 || moov.Trak.Mdia.Mdhd.GetLanguage() != "deu" || moov.Trak.Mdia.Hdlr.HandlerType != "vide" {
		t.Errorf("mdhd %+v", moov.Trak.Mdia.Mdhd)
	}
	for _, o := range []cmaf.WriterOptions{{Flavour: cmaf.CMAF, SignedOffsets: true}, {Flavour: cmaf.DASH, KeepPTSOffset: true}, {Flavour: cmaf.PIFF}} {
		if moov := decodeFile(t, newWriter(t, track, o).Init()).Init.Moov; moov.Trak.Edts != nil || moov.Mvex.Mehd != nil {
			t.Errorf("%+v: an edit list or a duration", o)
		}
	}
}

func signal(system byte) cenc.Signal {
	p := cenc.PSSH{System: cenc.UUID{system}, Data: []byte{system, 2, 3}}
	return cenc.Signal{System: p.System, PSSH: p.Append(nil)}
}

func TestProtection(t *testing.T) {
	t.Parallel()
	track := testTrack(t, true, 0)
	for _, tt := range []struct {
		name    string
		scheme  cenc.Scheme
		lead    bool
		entries []string
		tenc    mp4.TencBox
	}{
		{"cenc", cenc.CENC, false, []string{"encv"}, mp4.TencBox{DefaultIsProtected: 1, DefaultPerSampleIVSize: 8}},
		{"cenc with a clear lead", cenc.CENC, true, []string{"encv", "avc1"}, mp4.TencBox{DefaultIsProtected: 1, DefaultPerSampleIVSize: 8}},
		{"cbcs", cenc.CBCS, false, []string{"encv"}, mp4.TencBox{
			Version: 1, DefaultCryptByteBlock: 1, DefaultSkipByteBlock: 9, DefaultIsProtected: 1, DefaultConstantIV: unhex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWriter(t, track, cmaf.WriterOptions{
				Flavour: cmaf.CMAF, Encryptor: encryptor(t, track, tt.scheme), ClearLead: tt.lead,
				Protection: &cenc.Protection{Signals: []cenc.Signal{signal(1), signal(2), signal(1), {System: cenc.UUID{9}}}},
			})
			moov := decodeFile(t, w.Init()).Init.Moov
			if len(moov.Psshs) != 2 {
				t.Errorf("%d pssh boxes", len(moov.Psshs))
			}
			stsd := moov.Trak.Mdia.Minf.Stbl.Stsd
			var names []string
			for _, c := range stsd.Children {
				names = append(names, c.Type())
			}
			if diff := cmp.Diff(tt.entries, names); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			first, _ := stsd.Children[0].(*mp4.VisualSampleEntryBox)
			if first.Sinf.Frma.DataFormat != "avc1" || first.Sinf.Schm.SchemeType != tt.name[:4] {
				t.Errorf("sinf of %s, %s", first.Sinf.Frma.DataFormat, first.Sinf.Schm.SchemeType)
			}
			tt.tenc.DefaultKID = unhex(testKeyID)
			if diff := cmp.Diff(&tt.tenc, first.Sinf.Schi.Tenc); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is equal for all samples stands once.
func TestShapes(t *testing.T) {
	t.Parallel()
	sample := func(at int64, duration uint32, size int, sync bool, offset int32) media.Sample {
		return media.Sample{DecodeTime: at, Duration: duration, Sync: sync, CompositionOffset: offset, Data: make([]byte, size)}
	}
	type row struct {
		duration, size, flags uint32
		offset                int32
	}
	for _, tt := range []struct {
		name    string
		o       cmaf.WriterOptions
		time    int64 // MediaTime
		samples []media.Sample
		version byte
		perTrun int // bytes of a sample in trun
		base    uint64
		want    []row
	}{
		{
			"all equal",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(5, 10, 4, true, 0), sample(15, 10, 4, true, 0)},
			0, 0, 5,
			[]row{{10, 4, 0x02000000, 0}, {10, 4, 0x02000000, 0}},
		},
		{
			"key frame first",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(0, 10, 9, true, 0), sample(10, 10, 4, false, 0), sample(20, 10, 4, false, 0)},
			0, 4, 0,
			[]row{{10, 9, 0x02000000, 0}, {10, 4, 0x01010000, 0}, {10, 4, 0x01010000, 0}},
		},
		{
			"key frame within",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(0, 10, 4, true, 0), sample(10, 10, 4, false, 0), sample(20, 10, 4, true, 0)},
			0, 4, 0,
			[]row{{10, 4, 0x02000000, 0}, {10, 4, 0x01010000, 0}, {10, 4, 0x02000000, 0}},
		},
		{
			"key frame alone",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(0, 10, 4, true, 0)},
			0, 0, 0,
			[]row{{10, 4, 0x02000000, 0}},
		},
		{
			"no key frame",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(0, 10, 4, false, 0), sample(10, 10, 4, false, 0)},
			0, 0, 0,
			[]row{{10, 4, 0x01010000, 0}, {10, 4, 0x01010000, 0}},
		},
		{
			"gap",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(0, 10, 4, true, 0), sample(25, 10, 4, true, 0)},
			0, 4, 0,
			[]row{{25, 4, 0x02000000, 0}, {10, 4, 0x02000000, 0}},
		},
		{
			"B-frames",
			cmaf.WriterOptions{},
			20,
			[]media.Sample{sample(0, 10, 4, true, 20), sample(10, 10, 4, true, 40), sample(20, 10, 4, true, 10)},
			0, 4, 0,
			[]row{{10, 4, 0x02000000, 20}, {10, 4, 0x02000000, 40}, {10, 4, 0x02000000, 10}},
		},
		{
			"B-frames, signed",
			cmaf.WriterOptions{SignedOffsets: true},
			20,
			[]media.Sample{sample(0, 10, 4, true, 20), sample(10, 10, 4, true, 40), sample(20, 10, 4, true, 10)},
			1, 4, 0,
			[]row{{10, 4, 0x02000000, 0}, {10, 4, 0x02000000, 20}, {10, 4, 0x02000000, -10}},
		},
		{
			"offsets below 0",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(0, 10, 4, true, 0), sample(10, 10, 4, true, -10)},
			1, 4, 0,
			[]row{{10, 4, 0x02000000, 0}, {10, 4, 0x02000000, -10}},
		},
		{
			"late track",
			cmaf.WriterOptions{},
			-100,
			[]media.Sample{sample(0, 10, 4, true, 0)},
			0, 0, 100,
			[]row{{10, 4, 0x02000000, 0}},
		},
		{
			"after a day",
			cmaf.WriterOptions{},
			0,
			[]media.Sample{sample(1<<40, 10, 4, true, 0)},
			0, 0, 1 << 40,
			[]row{{10, 4, 0x02000000, 0}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.Flavour = cmaf.CMAF
			track := testTrack(t, true, tt.time)
			b := append1(t, newWriter(t, track, tt.o), tt.samples...)
			f := traf(t, b)
			if f.Tfdt.BaseMediaDecodeTime() != tt.base || f.Tfdt.Version != 1 || f.Trun.Version != tt.version {
				t.Errorf("tfdt %d of version %d, trun of version %d", f.Tfdt.BaseMediaDecodeTime(), f.Tfdt.Version, f.Trun.Version)
			}
			const head = 20
			if got := int(f.Trun.Size()) - head; got != tt.perTrun*len(tt.samples) && got != 4+tt.perTrun*len(tt.samples) {
				t.Errorf("trun has %d bytes for %d samples", got, len(tt.samples))
			}
			if int(f.Trun.DataOffset)+len(tt.samples[0].Data) > len(b) || string(b[f.Trun.DataOffset-4:f.Trun.DataOffset]) != "mdat" {
				t.Errorf("a data offset of %d", f.Trun.DataOffset)
			}
			f.Trun.AddSampleDefaultValues(f.Tfhd, &mp4.TrexBox{})
			var got []row
			for _, s := range f.Trun.Samples {
				got = append(got, row{s.Dur, s.Size, s.Flags, s.CompositionTimeOffset})
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(row{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// In ticks of 100 ns nothing drifts, however odd the rate and long the film.
func TestSmoothTimes(t *testing.T) {
	t.Parallel()
	track := testTrack(t, true, 2002)
	w := newWriter(t, track, cmaf.WriterOptions{Flavour: cmaf.PIFF})
	exact := func(ticks int64) uint64 {
		v := new(big.Int).Mul(big.NewInt(ticks), big.NewInt(10_000_000))
		v.Add(v, big.NewInt(15000)).Div(v, big.NewInt(30000))
		return v.Uint64()
	}
	const fragments, perFragment = 2000, 30
	at := int64(24 * 3600 * 30000)
	for range fragments {
		var samples []media.Sample
		begin := at
		for range perFragment {
			samples = append(samples, media.Sample{DecodeTime: at, Duration: 1001, CompositionOffset: 2002, Sync: true, Data: []byte{1}})
			at += 1001
		}
		f := traf(t, append1(t, w, samples...))
		var tfxd *mp4.TfxdData
		for _, c := range f.Children {
			if u, ok := c.(*mp4.UUIDBox); ok && u.Tfxd != nil {
				tfxd = u.Tfxd
			}
		}
		if tfxd == nil || tfxd.FragmentAbsoluteTime != exact(begin) || tfxd.FragmentAbsoluteDuration != exact(at)-exact(begin) {
			t.Fatalf("at %d: %+v, want %d", begin, tfxd, exact(begin))
		}
		if f.Tfdt != nil || f.Trun.HasSampleCompositionTimeOffset() {
			t.Fatal("tfdt or offsets, where there is nothing to say")
		}
	}
}

// PIFF has no edit list: what would be heard before time 0 is left out.
func TestSmoothPriming(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		priming  int64
		samples  int
		duration uint32
	}{
		{"none", 0, 3, 213333},
		{"a sample", 1024, 2, 213334},
		{"a part of one", 256, 3, 160000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWriter(t, testTrack(t, false, tt.priming), cmaf.WriterOptions{Flavour: cmaf.PIFF})
			b := append1(t, w,
				media.Sample{DecodeTime: 0, Duration: 1024, Sync: true, Data: []byte{1}},
				media.Sample{DecodeTime: 1024, Duration: 1024, Sync: true, Data: []byte{2, 2}},
				media.Sample{DecodeTime: 2048, Duration: 1024, Sync: true, Data: []byte{3, 3, 3}})
			f := traf(t, b)
			f.Trun.AddSampleDefaultValues(f.Tfhd, &mp4.TrexBox{})
			if len(f.Trun.Samples) != tt.samples {
				t.Fatalf("%d samples", len(f.Trun.Samples))
			}
			if got := f.Trun.Samples[0].Dur; got < tt.duration-1 || got > tt.duration+1 {
				t.Errorf("the first is %d long, want %d", got, tt.duration)
			}
		})
	}
}

// Key frames alone, each shown until the next, are a track like any other.
func TestKeyFramesAlone(t *testing.T) {
	t.Parallel()
	track := testTrack(t, true, 2000)
	for _, signed := range []bool{false, true} {
		w := newWriter(t, track, cmaf.WriterOptions{Flavour: cmaf.CMAF, SignedOffsets: signed})
		b := w.Init()
		for n := range int64(3) {
			b = append(b, append1(t, w, media.Sample{DecodeTime: n * 30000, Duration: 30000, CompositionOffset: 2000, Sync: true, Data: []byte{byte(n)}})...)
		}
		again, got := readAll(t, bytes.NewReader(b))
		if len(got) != 3 {
			t.Fatalf("%d samples", len(got))
		}
		for n := range got {
			if s := &got[n]; !s.Sync || s.Duration != 30000 || again.PresentationTime(s) != int64(n)*30000 {
				t.Errorf("signed %v: %+v shown at %d", signed, s, again.PresentationTime(s))
			}
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	video, sound := testTrack(t, true, 0), testTrack(t, false, 0)
	bad := cenc.Protection{Signals: []cenc.Signal{{PSSH: []byte("no pssh box")}}}
	for _, tt := range []struct {
		name  string
		track *media.Track
		o     cmaf.WriterOptions
		want  string
	}{
		{"no flavour", video, cmaf.WriterOptions{}, "no flavour"},
		{"HEVC in Smooth", codecTrack(t, media.HEVC), cmaf.WriterOptions{Flavour: cmaf.PIFF}, "cannot carry HEVC"},
		{"AV1 in Smooth", codecTrack(t, media.AV1), cmaf.WriterOptions{Flavour: cmaf.PIFF}, "cannot carry AV1"},
		{"cbcs in Smooth", sound, cmaf.WriterOptions{Flavour: cmaf.PIFF, Encryptor: encryptor(t, sound, cenc.CBCS)}, "not by cbcs"},
		{"clear lead of a clear track", video, cmaf.WriterOptions{Flavour: cmaf.CMAF, ClearLead: true}, "that is clear"},
		{"no timescale", &media.Track{SampleEntry: video.SampleEntry}, cmaf.WriterOptions{Flavour: cmaf.CMAF}, "timescale"},
		{"no sample entry", &media.Track{Timescale: 1}, cmaf.WriterOptions{Flavour: cmaf.CMAF}, "sample entry"},
		{"encrypted text", &media.Track{Kind: media.Text, Timescale: 1, SampleEntry: video.SampleEntry}, cmaf.WriterOptions{Flavour: cmaf.CMAF, Encryptor: encryptor(t, sound, cenc.CBCS)}, "text"},
		{"a header that is none", video, cmaf.WriterOptions{Flavour: cmaf.CMAF, Protection: &bad}, "pssh"},
	} {
		if _, err := cmaf.NewWriter(tt.track, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	w := newWriter(t, video, cmaf.WriterOptions{Flavour: cmaf.CMAF})
	data := []byte{1}
	if err := w.Add(&media.Sample{DecodeTime: 100, Data: data}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		sample media.Sample
	}{
		{"nothing", media.Sample{DecodeTime: 100}},
		{"backwards", media.Sample{DecodeTime: 99, Data: data}},
		{"too late", media.Sample{DecodeTime: 1 << 50, Data: data}},
		{"before time 0", media.Sample{DecodeTime: -1, Data: data}},
	} {
		if err := w.Add(&tt.sample); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	// What is refused leaves dst as it was, and the writer of use.
	dst := []byte("before")
	if err := w.Add(&media.Sample{DecodeTime: 1 << 40, Data: data}); err != nil {
		t.Fatal(err)
	}
	if got, err := w.AppendFragment(dst, cmaf.FragmentOptions{}); err == nil || string(got) != "before" {
		t.Errorf("a sample of 2^40 ticks: %q, %v", got, err)
	}
	if got, err := w.AppendFragment(dst, cmaf.FragmentOptions{}); err == nil || string(got) != "before" {
		t.Errorf("a fragment of nothing: %q, %v", got, err)
	}
	encrypted := newWriter(t, sound, cmaf.WriterOptions{Flavour: cmaf.CMAF, Encryptor: encryptor(t, sound, cenc.CBCS)})
	if err := encrypted.Add(&media.Sample{Duration: 1, Data: data}); err != nil {
		t.Fatal(err)
	}
	if _, err := encrypted.AppendFragment(nil, cmaf.FragmentOptions{Clear: true}); err == nil {
		t.Error("a clear fragment without a clear lead")
	}
	// A sample that cannot be encrypted is not written clear, then or later.
	broken := newWriter(t, video, cmaf.WriterOptions{Flavour: cmaf.CMAF, Encryptor: encryptor(t, video, cenc.CENC), ClearLead: true})
	for range 2 {
		if err := broken.Add(&media.Sample{Duration: 1, Data: []byte{0xff, 0xff, 0xff, 0xff, 1}}); err != nil {
			t.Fatal(err)
		}
		if got, err := broken.AppendFragment(dst, cmaf.FragmentOptions{}); err == nil || string(got) != "before" {
			t.Errorf("a broken sample: %q, %v", got, err)
		}
	}
}

func TestFragmentTooLarge(t *testing.T) {
	t.Parallel()
	w := newWriter(t, testTrack(t, false, 0), cmaf.WriterOptions{Flavour: cmaf.CMAF})
	data := make([]byte, 64<<20)
	for n := range int64(31) {
		if err := w.Add(&media.Sample{DecodeTime: n, Data: data}); err != nil {
			t.Fatal(n, err)
		}
	}
	if err := w.Add(&media.Sample{DecodeTime: 31, Data: data}); !errors.Is(err, cmaf.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if err := w.Add(&media.Sample{DecodeTime: 31, Data: append(data, 0)}); err == nil {
		t.Error("a sample of more than 64 MiB")
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		o     cmaf.WriterOptions
		event cmaf.Event
		want  *mp4.EmsgBox
	}{
		{
			"version 1",
			cmaf.WriterOptions{},
			cmaf.Event{Version: 1, Scheme: cmaf.ID3Scheme, Value: "v", ID: 3, Time: 1 << 40, Duration: cmaf.EventDurationUnknown, Data: []byte("ID3")},
			&mp4.EmsgBox{Version: 1, TimeScale: 30000, PresentationTime: 1 << 40, EventDuration: math.MaxUint32, ID: 3, SchemeIDURI: "https://aomedia.org/emsg/ID3", Value: "v", MessageData: []byte("ID3")},
		},
		{
			"version 1 with an offset that is kept",
			cmaf.WriterOptions{KeepPTSOffset: true},
			cmaf.Event{Version: 1, Scheme: "urn:x", Time: 5},
			&mp4.EmsgBox{Version: 1, TimeScale: 30000, PresentationTime: 2005, SchemeIDURI: "urn:x"},
		},
		{
			"version 0",
			cmaf.WriterOptions{},
			cmaf.Event{Scheme: "urn:x", Value: "7", ID: 9, Time: 90000, SegmentTime: 60000, Duration: 30, Data: []byte{1}},
			&mp4.EmsgBox{TimeScale: 30000, PresentationTimeDelta: 30000, EventDuration: 30, ID: 9, SchemeIDURI: "urn:x", Value: "7", MessageData: []byte{1}},
		},
		{"version 2", cmaf.WriterOptions{}, cmaf.Event{Version: 2}, nil},
		{"before its segment", cmaf.WriterOptions{}, cmaf.Event{Time: 5, SegmentTime: 6}, nil},
		{"before time 0", cmaf.WriterOptions{}, cmaf.Event{Version: 1, Time: -1}, nil},
		{"far behind its segment", cmaf.WriterOptions{}, cmaf.Event{Time: 1 << 33}, nil},
		{"zero byte", cmaf.WriterOptions{}, cmaf.Event{Scheme: "a\x00b"}, nil},
		{"too large", cmaf.WriterOptions{}, cmaf.Event{Data: make([]byte, 17<<20)}, nil},
		{"in Smooth", cmaf.WriterOptions{Flavour: cmaf.PIFF}, cmaf.Event{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.o.Flavour == 0 {
				tt.o.Flavour = cmaf.CMAF
			}
			b, err := newWriter(t, testTrack(t, true, 2000), tt.o).AppendEvent([]byte{42}, &tt.event)
			if tt.want == nil {
				if err == nil || len(b) != 1 {
					t.Errorf("%d bytes, %v", len(b), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := mp4.DecodeBoxSR(0, mp4bits.NewFixedSliceReader(b[1:]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Transformer("nil", func(p []byte) string { return string(p) })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDelayEvent: a message of version 0 is told from a segment that begins earlier; one of version 1 stays.
func TestDelayEvent(t *testing.T) {
	t.Parallel()
	w := newWriter(t, testTrack(t, true, 0), cmaf.WriterOptions{Flavour: cmaf.CMAF})
	event := func(e cmaf.Event) []byte {
		b, err := w.AppendEvent(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for version := range 2 {
		e := cmaf.Event{Version: version, Scheme: "urn:x", Value: "v", ID: 3, Time: 90_000, SegmentTime: 60_000, Duration: 30, Data: []byte{1, 2}}
		got := event(e)
		got = append(got, "behind it"...)
		if err := cmaf.DelayEvent(got, 50_000); err != nil {
			t.Fatal(err)
		}
		e.SegmentTime = 10_000
		if want := append(event(e), "behind it"...); !bytes.Equal(got, want) {
			t.Errorf("version %d: got %x, want %x", version, got, want)
		}
	}
	good := event(cmaf.Event{Scheme: "urn:x", Time: 90_000})
	for name, b := range map[string][]byte{"nothing": nil, "another box": bytes.Replace(good, []byte("emsg"), []byte("free"), 1), "no scheme": good[:14], "no time": good[:24]} {
		if err := cmaf.DelayEvent(bytes.Clone(b), 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, ticks := range []int64{-90_001, 1 << 32} {
		if err := cmaf.DelayEvent(bytes.Clone(good), ticks); err == nil {
			t.Errorf("by %d ticks: no error", ticks)
		}
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	w := newWriter(t, testTrack(t, true, 0), cmaf.WriterOptions{Flavour: cmaf.CMAF, TrackID: 2})
	refs := []cmaf.Reference{{Size: 1000, Duration: 60000, SAPType: 1}, {Size: math.MaxInt32, Duration: math.MaxUint32, SAPType: 2}, {Size: 1}}
	b, err := w.AppendIndex(nil, 1<<40, refs)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != w.IndexSize(len(refs)) {
		t.Errorf("%d bytes, %d were told", len(b), w.IndexSize(len(refs)))
	}
	got, err := mp4.DecodeBoxSR(0, mp4bits.NewFixedSliceReader(b))
	if err != nil {
		t.Fatal(err)
	}
	sidx, _ := got.(*mp4.SidxBox)
	want := []mp4.SidxRef{
		{ReferencedSize: 1000, SubSegmentDuration: 60000, StartsWithSAP: 1, SAPType: 1},
		{ReferencedSize: math.MaxInt32, SubSegmentDuration: math.MaxUint32, StartsWithSAP: 1, SAPType: 2},
		{ReferencedSize: 1},
	}
	if sidx.ReferenceID != 2 || sidx.Timescale != 30000 || sidx.EarliestPresentationTime != 1<<40 || sidx.FirstOffset != 0 {
		t.Errorf("%+v", sidx)
	}
	if diff := cmp.Diff(want, sidx.SidxRefs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, bad := range map[string][]cmaf.Reference{
		"none": nil, "too many": make([]cmaf.Reference, cmaf.MaxReferences+1), "too large": {{Size: 1 << 31}}, "nothing": {{}},
		"too long": {{Size: 1, Duration: 1 << 32}}, "SAP of type 4": {{Size: 1, SAPType: 4}},
	} {
		if _, err := w.AppendIndex(nil, 0, bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := w.AppendIndex(nil, -1, refs); err == nil {
		t.Error("an index before time 0")
	}
}

// In the long run, a fragment is made in the memory that the fragments before needed.
func TestFragmentsNeedNoMemory(t *testing.T) {
	track := testTrack(t, false, 0)
	for _, scheme := range []cenc.Scheme{0, cenc.CBCS} {
		o := cmaf.WriterOptions{Flavour: cmaf.CMAF}
		if scheme != 0 {
			o.Encryptor = encryptor(t, track, scheme)
		}
		w := newWriter(t, track, o)
		data, at := make([]byte, 400), int64(0)
		var dst []byte
		most := 0.0
		if scheme != 0 {
			most = 100 // a cipher mode for each sample
		}
		if got := testing.AllocsPerRun(100, func() {
			for range 94 {
				if err := w.Add(&media.Sample{DecodeTime: at, Duration: 1024, Sync: true, Data: data[:300+at/1024%50]}); err != nil {
					t.Fatal(err)
				}
				at += 1024
			}
			var err error
			if dst, err = w.AppendFragment(dst[:0], cmaf.FragmentOptions{}); err != nil {
				t.Fatal(err)
			}
		}); got > most {
			t.Errorf("%v: %v allocations for a fragment", scheme, got)
		}
	}
}

// Samples that are copied one by one make the fragments that samples make which are held, whatever stands before them and however wrong the room left for moof was.
func TestCopy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		flavour cmaf.Flavour
		scheme  cenc.Scheme
	}{
		{"clear", cmaf.CMAF, 0},
		{"cbcs", cmaf.CMAF, cenc.CBCS},
		{"cenc", cmaf.DASH, cenc.CENC},
		{"PIFF, of whose priming some samples are left out", cmaf.PIFF, cenc.CENC},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sound := testTrack(t, false, 0)
			if tt.flavour == cmaf.PIFF {
				sound.MediaTime = 3000
			}
			var writers [2]*cmaf.Writer
			for i := range writers {
				o := cmaf.WriterOptions{Flavour: tt.flavour}
				if tt.scheme != 0 {
					o.Encryptor, o.ClearLead = encryptor(t, sound, tt.scheme), true
				}
				writers[i] = newWriter(t, sound, o)
			}
			at := int64(0)
			prefixes := []int{0, 30, 5000, 200_000}
			for n, count := range []int{40, 1, 90, 90, 300, 7, 3, 200, 1, 300, 1, 300, 1, 300, 1, 2, 300, 1} {
				o := cmaf.FragmentOptions{Clear: tt.scheme != 0 && n < 2}
				for k := range prefixes {
					before := prefixes[(n+k)%len(prefixes)]
					prefix := bytes.Repeat([]byte{byte(n)}, before)
					got, err := writers[1].Begin(bytes.Clone(prefix), o)
					if err != nil {
						t.Fatal(err)
					}
					for range count {
						s := media.Sample{DecodeTime: at, Duration: 1024, Sync: true, Data: bytes.Repeat([]byte{byte(at >> 10)}, 100+int(at>>10)%40)}
						if err := writers[0].Add(&s); err != nil {
							t.Fatal(err)
						}
						s.Data = bytes.Clone(s.Data)
						if got, err = writers[1].Copy(got, &s); err != nil {
							t.Fatal(err)
						}
						clear(s.Data) // nobody needs them any more
						at += 1024
					}
					if got, err = writers[1].End(got); err != nil {
						t.Fatal(err)
					}
					want, err := writers[0].AppendFragment(bytes.Clone(prefix), o)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got, want) {
						t.Fatalf("fragment %d of %d samples behind %d bytes: %d bytes are not the %d wanted", n, count, before, len(got), len(want))
					}
				}
			}
		})
	}
}

func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	sound := testTrack(t, false, 0)
	sample := media.Sample{Duration: 1, Sync: true, Data: []byte("data")}
	w := newWriter(t, sound, cmaf.WriterOptions{Flavour: cmaf.CMAF})
	dst := []byte("before")
	if got, err := w.Copy(dst, &sample); err == nil || string(got) != "before" {
		t.Errorf("a sample of no fragment: %q, %v", got, err)
	}
	if got, err := w.End(dst); err == nil || string(got) != "before" {
		t.Errorf("the end of no fragment: %q, %v", got, err)
	}
	if got, err := w.Begin(dst, cmaf.FragmentOptions{Clear: true}); err != nil || len(got) <= len(dst) {
		t.Errorf("a clear fragment of a clear track: %q, %v", got, err)
	} else if _, err := w.Begin(got, cmaf.FragmentOptions{}); err == nil {
		t.Error("a fragment in a fragment")
	} else if err := w.Add(&sample); err == nil {
		t.Error("a sample that is held, in a fragment of copied ones")
	} else if _, err := w.AppendFragment(got, cmaf.FragmentOptions{}); err == nil {
		t.Error("a fragment of samples that are held, in a fragment")
	} else if got, err = w.End(got); err != nil || string(got) != "before" {
		t.Errorf("a fragment of nothing: %q, %v", got, err)
	}
	if err := w.Add(&sample); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Begin(dst, cmaf.FragmentOptions{}); err == nil {
		t.Error("a fragment while samples are held")
	}
	video := testTrack(t, true, 0)
	broken := newWriter(t, video, cmaf.WriterOptions{Flavour: cmaf.CMAF, Encryptor: encryptor(t, video, cenc.CENC)})
	got, err := broken.Begin(dst, cmaf.FragmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broken.Copy(got, &media.Sample{Duration: 1, Data: []byte{0xff, 0xff, 0xff, 0xff, 1}}); err == nil {
		t.Error("a sample that cannot be encrypted")
	}
	if got, err = broken.End(got); err == nil || string(got) != "before" {
		t.Errorf("a fragment of a sample that cannot be encrypted: %q, %v", got, err)
	}
}

// Text is written as it is read.
func TestText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, handler, header string
		track                 media.Track
	}{
		{"WebVTT", "text", "nmhd", media.Track{Kind: media.Text, Codec: media.WebVTT, RFC6381: "wvtt", SampleEntry: box("wvtt", []byte{0, 0, 0, 0, 0, 0, 0, 1}, box("vttC", []byte("WEBVTT")))}},
		{"TTML", "subt", "sthd", media.Track{Kind: media.Text, Codec: media.TTML, RFC6381: "stpp", SampleEntry: box("stpp", []byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte("http://www.w3.org/ns/ttml\x00\x00\x00"))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.track.Timescale, tt.track.Language = 1000, "eng"
			w := newWriter(t, &tt.track, cmaf.WriterOptions{Flavour: cmaf.CMAF})
			want := []media.Sample{{Duration: 2000, Sync: true, Data: []byte("first")}, {DecodeTime: 2000, Duration: 500, Sync: true, Data: []byte("second")}}
			b := append(w.Init(), append1(t, w, want...)...)
			track, got := readAll(t, bytes.NewReader(b))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&tt.track, track); diff != "" {
				t.Errorf("track (-want +got):\n%s", diff)
			}
			mdia := decodeFile(t, b).Init.Moov.Trak.Mdia
			if mdia.Hdlr.HandlerType != tt.handler || mdia.Minf.Children[0].Type() != tt.header {
				t.Errorf("handler %s, %s", mdia.Hdlr.HandlerType, mdia.Minf.Children[0].Type())
			}
		})
	}
}
