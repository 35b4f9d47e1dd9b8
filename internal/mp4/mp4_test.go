package mp4_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	ff "github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/mp4"
)

// sampleEntry is an audio sample entry without any box in it: enough for a writer that keeps it as it is.
func sampleEntry() []byte {
	b := make([]byte, 36)
	b[3] = 36
	copy(b[4:], "mp4a")
	b[15] = 1
	return b
}

func videoTrack() *media.Track {
	return &media.Track{
		Kind: media.Video, Codec: media.AVC, Timescale: 30000, MediaTime: 2002, Width: 720, Height: 576,
		SampleAspectRatio: media.Rational{Num: 64, Den: 45}, SampleEntry: sampleEntry(),
	}
}

func audioTrack(language string) *media.Track {
	return &media.Track{Kind: media.Audio, Codec: media.AAC, Timescale: 48000, MediaTime: 1024, Language: language, SampleEntry: sampleEntry()}
}

// film writes samples, chunk by chunk, as a caller would, and gives the file.
type film struct {
	tables  []*mp4.Table
	payload []byte
}

func newFilm(tracks ...*media.Track) *film {
	f := &film{}
	for _, t := range tracks {
		f.tables = append(f.tables, mp4.NewTable(t))
	}
	return f
}

func (f *film) chunk(t *testing.T, track int, samples ...media.Sample) {
	t.Helper()
	offset := int64(len(f.payload))
	for i := range samples {
		if err := f.tables[track].Sample(&samples[i]); err != nil {
			t.Fatal(err)
		}
		f.payload = append(f.payload, samples[i].Data...)
	}
	f.tables[track].Chunk(offset)
}

func (f *film) encode(t *testing.T, o mp4.Options) []byte {
	t.Helper()
	head, tail, err := mp4.Encode(f.tables, int64(len(f.payload)), o)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{head, f.payload, tail}, nil)
}

// sample n of a picture with two B-frames in every group of four.
func frame(n int, size int) media.Sample {
	offsets := []int32{2002, 4004, 1001, 1001}
	return media.Sample{
		DecodeTime: int64(n) * 1001, CompositionOffset: offsets[n%4], Duration: 1001, Sync: n%12 == 0,
		Data: bytes.Repeat([]byte{byte(n)}, size),
	}
}

func unit(n, size int) media.Sample {
	return media.Sample{DecodeTime: int64(n) * 1024, Duration: 1024, Sync: true, Data: bytes.Repeat([]byte{0x80 | byte(n)}, size)}
}

func twoTracks(t *testing.T) *film {
	f := newFilm(videoTrack(), audioTrack("deu"))
	for n := 0; n < 24; n += 3 {
		f.chunk(t, 0, frame(n, 5), frame(n+1, 6+n), frame(n+2, 7))
		f.chunk(t, 1, unit(n/3, 4))
	}
	return f
}

func read(t *testing.T, b []byte) *ff.File {
	t.Helper()
	f, err := ff.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// contents gives all samples of a track as another reader finds them in the file.
func contents(t *testing.T, file []byte, trak *ff.TrakBox) []media.Sample {
	t.Helper()
	stbl := trak.Mdia.Minf.Stbl
	n := trak.GetNrSamples()
	samples, err := trak.GetSampleData(1, n)
	if err != nil {
		t.Fatal(err)
	}
	var out []media.Sample
	for i := range n {
		number := i + 1
		dts, duration := stbl.Stts.GetDecodeTime(number)
		s := media.Sample{DecodeTime: int64(dts), Duration: duration, Sync: stbl.Stss == nil || stbl.Stss.IsSyncSample(number)}
		if stbl.Ctts != nil {
			s.CompositionOffset = stbl.Ctts.GetCompositionTimeOffset(number)
		}
		chunk, first, err := stbl.Stsc.ChunkNrFromSampleNr(int(number))
		if err != nil {
			t.Fatal(err)
		}
		var offset uint64
		if stbl.Co64 != nil {
			offset, err = stbl.Co64.GetOffset(chunk)
		} else {
			offset, err = stbl.Stco.GetOffset(chunk)
		}
		if err != nil {
			t.Fatal(err)
		}
		for k := first; k < int(number); k++ {
			offset += uint64(stbl.Stsz.GetSampleSize(k))
		}
		s.Data = file[offset : offset+uint64(samples[i].Size)]
		out = append(out, s)
	}
	return out
}

func TestSamples(t *testing.T) {
	t.Parallel()
	var want [2][]media.Sample
	for n := range 24 {
		size := 5
		if n%3 == 1 {
			size = 6 + n - 1
		} else if n%3 == 2 {
			size = 7
		}
		want[0] = append(want[0], frame(n, size))
	}
	for n := range 8 {
		want[1] = append(want[1], unit(n, 4))
	}
	for _, o := range []mp4.Options{{}, {MoovLast: true}, {CompositionToDecode: true}, {Brand: "isom"}} {
		file := twoTracks(t).encode(t, o)
		f := read(t, file)
		var order []string
		for _, b := range f.Children {
			order = append(order, b.Type())
		}
		wantOrder := "ftyp moov mdat"
		if o.MoovLast {
			wantOrder = "ftyp mdat moov"
		}
		if got := strings.Join(order, " "); got != wantOrder {
			t.Errorf("%+v: boxes %s, want %s", o, got, wantOrder)
		}
		for i, trak := range f.Moov.Traks {
			if diff := cmp.Diff(want[i], contents(t, file, trak)); diff != "" {
				t.Errorf("%+v: track %d (-want +got):\n%s", o, i, diff)
			}
		}
		if again := twoTracks(t).encode(t, o); !bytes.Equal(again, file) {
			t.Errorf("%+v: the same film is another file", o)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	f := newFilm(videoTrack(), audioTrack("deu"), audioTrack(""), audioTrack("DEU"))
	for n := range 4 {
		f.chunk(t, 0, frame(n, 5))
	}
	for track := 1; track <= 3; track++ {
		f.chunk(t, track, unit(0, 3), unit(1, 3))
	}
	m := read(t, f.encode(t, mp4.Options{CompositionToDecode: true})).Moov
	if m.Mvhd.Timescale != 30000 || m.Mvhd.CreationTime != 0 || m.Mvhd.NextTrackID != 5 {
		t.Errorf("mvhd: %+v", m.Mvhd)
	}
	// The last picture shown begins at 4*1001 and ends at 5*1001, of which 2002 are before the start of presentation.
	if m.Mvhd.Duration != 4004 {
		t.Errorf("the movie lasts %d, want 4004", m.Mvhd.Duration)
	}
	var got []string
	for _, k := range m.Traks {
		e := k.Edts.Elst[0].Entries
		got = append(got, fmt.Sprintf("id %d flags %d group %d size %dx%d %s %s edits %+v",
			k.Tkhd.TrackID, k.Tkhd.Flags, k.Tkhd.AlternateGroup, k.Tkhd.Width>>16, k.Tkhd.Height>>16, k.Mdia.Hdlr.HandlerType, k.Mdia.Mdhd.GetLanguage(), e))
	}
	want := []string{
		"id 1 flags 3 group 0 size 1024x576 vide und edits [{SegmentDuration:4004 MediaTime:2002 MediaRateInteger:1 MediaRateFraction:0}]",
		"id 2 flags 3 group 1 size 0x0 soun deu edits [{SegmentDuration:640 MediaTime:1024 MediaRateInteger:1 MediaRateFraction:0}]",
		"id 3 flags 2 group 1 size 0x0 soun und edits [{SegmentDuration:640 MediaTime:1024 MediaRateInteger:1 MediaRateFraction:0}]",
		"id 4 flags 2 group 1 size 0x0 soun und edits [{SegmentDuration:640 MediaTime:1024 MediaRateInteger:1 MediaRateFraction:0}]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tracks (-want +got):\n%s", diff)
	}
	c := cslg(m.Traks[0])
	if c == nil || c.CompositionToDTSShift != 0 || c.LeastDecodeToDisplayDelta != 1001 || c.GreatestDecodeToDisplayDelta != 4004 ||
		c.CompositionStartTime != 2002 || c.CompositionEndTime != 6006 {
		t.Errorf("cslg: %+v", c)
	}
	if cslg(m.Traks[1]) != nil || m.Traks[1].Mdia.Minf.Stbl.Ctts != nil || m.Traks[1].Mdia.Minf.Stbl.Stss != nil {
		t.Error("a track of sound has tables that it does not need")
	}
	if got := m.Traks[1].Mdia.Minf.Stbl.Stsz; got.SampleUniformSize != 3 {
		t.Errorf("stsz of equal samples: %+v", got)
	}
}

func cslg(trak *ff.TrakBox) *ff.CslgBox {
	for _, b := range trak.Mdia.Minf.Stbl.Children {
		if c, ok := b.(*ff.CslgBox); ok {
			return c
		}
	}
	return nil
}

func TestBrands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    mp4.Options
		want string
	}{
		{mp4.Options{}, "mp42: mp42 isom avc1"},
		{mp4.Options{Brand: "avc1"}, "avc1: avc1 isom mp42"},
		{mp4.Options{Brand: "qt  ", CompositionToDecode: true}, "qt  : qt   isom mp42 avc1 iso4"},
	} {
		ftyp := read(t, twoTracks(t).encode(t, tt.o)).Ftyp
		if got := ftyp.MajorBrand() + ": " + strings.Join(ftyp.CompatibleBrands(), " "); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	sample := func(dts int64, offset int32) media.Sample {
		return media.Sample{DecodeTime: dts, CompositionOffset: offset, Duration: 1000, Sync: true, Data: []byte{1}}
	}
	for _, tt := range []struct {
		name      string
		mediaTime int64
		samples   []media.Sample
		want      []ff.ElstEntry
	}{
		{"plain", 0, []media.Sample{sample(0, 0), sample(1000, 0)}, []ff.ElstEntry{{SegmentDuration: 2000, MediaRateInteger: 1}}},
		{"priming", 500, []media.Sample{sample(0, 0), sample(1000, 0)}, []ff.ElstEntry{{SegmentDuration: 1500, MediaTime: 500, MediaRateInteger: 1}}},
		{"late", -700, []media.Sample{sample(0, 0)}, []ff.ElstEntry{{SegmentDuration: 700, MediaTime: -1, MediaRateInteger: 1}, {SegmentDuration: 1000, MediaRateInteger: 1}}},
		{"late by the first decode time", 0, []media.Sample{sample(5000, 0)}, []ff.ElstEntry{{SegmentDuration: 5000, MediaTime: -1, MediaRateInteger: 1}, {SegmentDuration: 1000, MediaRateInteger: 1}}},
		{"decode times that begin later, all shown", 5000, []media.Sample{sample(5000, 0)}, []ff.ElstEntry{{SegmentDuration: 1000, MediaRateInteger: 1}}},
		{"reordered", 2000, []media.Sample{sample(0, 2000), sample(1000, 3000), sample(2000, 1000)}, []ff.ElstEntry{{SegmentDuration: 3000, MediaTime: 2000, MediaRateInteger: 1}}},
		{"negative offsets", 0, []media.Sample{sample(0, 0), sample(1000, 1000), sample(2000, -1000)}, []ff.ElstEntry{{SegmentDuration: 3000, MediaRateInteger: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			track := videoTrack()
			track.MediaTime = tt.mediaTime
			f := newFilm(track)
			f.chunk(t, 0, tt.samples...)
			m := read(t, f.encode(t, mp4.Options{})).Moov
			if diff := cmp.Diff(tt.want, m.Trak.Edts.Elst[0].Entries); diff != "" {
				t.Errorf("edits (-want +got):\n%s", diff)
			}
			if c := m.Trak.Mdia.Minf.Stbl.Ctts; c != nil && (c.Version == 1) != (tt.name == "negative offsets") {
				t.Errorf("ctts has version %d", c.Version)
			}
		})
	}
}

// A file of more than 4 GiB has 64-bit chunk offsets and a 64-bit mdat; the payload itself is not needed to see it.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	for _, o := range []mp4.Options{{}, {MoovLast: true}} {
		for _, tt := range []struct {
			name string
			size int // of each of 80 samples
			long bool
		}{
			{"just small enough", (math.MaxUint32 - 2<<20) / 80, false},
			{"a little too large", math.MaxUint32/80 + 1, true},
			{"large", 100 << 20, true},
		} {
			table := mp4.NewTable(audioTrack(""))
			data := make([]byte, tt.size)
			total := int64(0)
			for n := range 80 {
				if err := table.Sample(&media.Sample{DecodeTime: int64(n) * 1024, Duration: 1024, Sync: true, Data: data}); err != nil {
					t.Fatal(err)
				}
				table.Chunk(total)
				total += int64(len(data))
			}
			head, tail, err := mp4.Encode([]*mp4.Table{table}, total, o)
			if err != nil {
				t.Fatal(err)
			}
			moov := tail
			mdat := int64(len(head))
			if !o.MoovLast {
				moov = head[bytes.Index(head, []byte("moov"))-4:]
			}
			size := int(moov[0])<<24 | int(moov[1])<<16 | int(moov[2])<<8 | int(moov[3])
			box, err := ff.DecodeBox(0, bytes.NewReader(moov[:size]))
			if err != nil {
				t.Fatal(err)
			}
			stbl := box.(*ff.MoovBox).Trak.Mdia.Minf.Stbl
			var first, last uint64
			if tt.long {
				if stbl.Co64 == nil {
					t.Errorf("%s %+v: no co64", tt.name, o)
					continue
				}
				first, last = stbl.Co64.ChunkOffset[0], stbl.Co64.ChunkOffset[79]
			} else {
				if stbl.Stco == nil {
					t.Errorf("%s %+v: no stco", tt.name, o)
					continue
				}
				first, last = uint64(stbl.Stco.ChunkOffset[0]), uint64(stbl.Stco.ChunkOffset[79])
			}
			if want := uint64(mdat); first != want || last != want+79*uint64(tt.size) {
				t.Errorf("%s %+v: chunks from %d to %d, want from %d to %d", tt.name, o, first, last, want, want+79*uint64(tt.size))
			}
		}
	}
}

func TestLongTimes(t *testing.T) {
	t.Parallel()
	track := audioTrack("")
	table := mp4.NewTable(track)
	for n := range 3 {
		if err := table.Sample(&media.Sample{DecodeTime: int64(n) << 31, Duration: 1 << 31, Sync: true, Data: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	table.Chunk(0)
	head, _, err := mp4.Encode([]*mp4.Table{table}, 3, mp4.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := read(t, append(head, 1, 2, 3)).Moov
	if m.Mvhd.Duration != 3<<31-1024 || m.Trak.Tkhd.Duration != 3<<31-1024 || m.Trak.Mdia.Mdhd.Duration != 3<<31 || m.Trak.Edts.Elst[0].Entries[0].SegmentDuration != 3<<31-1024 {
		t.Errorf("durations of more than 32 bits: %d, %d, %d", m.Mvhd.Duration, m.Trak.Tkhd.Duration, m.Trak.Mdia.Mdhd.Duration)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	one := media.Sample{Duration: 1, Sync: true, Data: []byte{1}}
	full := func() *mp4.Table {
		table := mp4.NewTable(audioTrack(""))
		if err := table.Sample(&one); err != nil {
			t.Fatal(err)
		}
		table.Chunk(0)
		return table
	}
	open := mp4.NewTable(audioTrack(""))
	if err := open.Sample(&one); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		tables  []*mp4.Table
		payload int64
		o       mp4.Options
	}{
		{"no track", nil, 0, mp4.Options{}},
		{"no samples", []*mp4.Table{mp4.NewTable(audioTrack(""))}, 0, mp4.Options{}},
		{"samples in no chunk", []*mp4.Table{open}, 1, mp4.Options{}},
		{"other payload", []*mp4.Table{full()}, 2, mp4.Options{}},
		{"brand", []*mp4.Table{full()}, 1, mp4.Options{Brand: "mp4"}},
	} {
		if _, _, err := mp4.Encode(tt.tables, tt.payload, tt.o); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	table := full()
	if err := table.Sample(&media.Sample{DecodeTime: -1, Data: []byte{1}}); err == nil {
		t.Error("decode times that go backwards: no error")
	}
	if err := table.Sample(&media.Sample{DecodeTime: 1 << 33, Data: []byte{1}}); err == nil {
		t.Error("a distance of more than 32 bits: no error")
	}
}

// The tables of two hours of 25 pictures and 47 units of sound a second stay within four megabytes.
func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		table := mp4.NewTable(videoTrack())
		offset := int64(0)
		for n := range 2 * 3600 * 25 {
			s := frame(n, 0)
			s.Data = make([]byte, 1000+n%5000)
			if err := table.Sample(&s); err != nil {
				b.Fatal(err)
			}
			if n%12 == 0 {
				table.Chunk(offset)
			}
			offset += int64(len(s.Data))
		}
	}
}
