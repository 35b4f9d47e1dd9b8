package cmaf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cmaf"
	"darkroom/internal/media"
)

// box puts together a box.
func box(kind string, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(content)))
	return append(append(b, kind...), content...)
}

func u32(v ...uint32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

const (
	testSPS = "6764000dacd94141fb011000003e90000ea600f142996001"
	testPPS = "68ebe3cb22c0"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// initSegment is ftyp and moov; change, when not nil, changes the boxes first.
func initSegment(video bool, change func(*mp4.InitSegment)) []byte {
	s := mp4.CreateEmptyInit()
	var err error
	if video {
		trak := s.AddEmptyTrack(30000, "video", "und")
		err = trak.SetAVCDescriptor("avc1", [][]byte{unhex(testSPS)}, [][]byte{unhex(testPPS)}, true)
	} else {
		trak := s.AddEmptyTrack(48000, "audio", "deu")
		err = trak.SetAACDescriptor(2, 48000)
	}
	if err != nil {
		panic(err)
	}
	if change != nil {
		change(s)
	}
	var b bytes.Buffer
	if err := s.Encode(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func edits(entries ...mp4.ElstEntry) func(*mp4.InitSegment) {
	return func(s *mp4.InitSegment) {
		edts := &mp4.EdtsBox{}
		edts.AddChild(&mp4.ElstBox{Version: 1, Entries: entries})
		s.Moov.Mvhd.Timescale = 1000
		s.Moov.Trak.AddChild(edts)
	}
}

const defaultBaseIsMoof = 0x020000

func tfhd(flags uint32, more ...uint32) []byte {
	return box("tfhd", u32(flags|defaultBaseIsMoof, 1), u32(more...))
}

func tfdt(t uint64) []byte { return box("tfdt", u32(1<<24), u64(t)) }

// moof has one track fragment with these boxes.
func moof(parts ...[]byte) []byte {
	return box("moof", box("mfhd", u32(0, 1)), box("traf", parts...))
}

// run is a trun with duration, size, flags and offset of every sample. Its data offset is right for a fragment that has it alone.
func run(before int, samples ...[4]uint32) []byte {
	var b []byte
	for _, s := range samples {
		b = append(b, u32(s[:]...)...)
	}
	size := 8 + 12 + len(b)
	total := 8 + 16 + 8 + before + size + 8
	return box("trun", u32(1<<24|0xf01, uint32(len(samples)), uint32(total)), b)
}

const nonSync = 0x10000

func fragment(t uint64, samples ...[4]uint32) []byte {
	head := append(tfhd(0), tfdt(t)...)
	total := 0
	for _, s := range samples {
		total += int(s[1])
	}
	data := make([]byte, total)
	for i := range data {
		data[i] = byte(i)
	}
	return append(moof(head, run(len(head), samples...)), box("mdat", data)...)
}

func TestFragments(t *testing.T) {
	t.Parallel()
	stream := bytes.Join([][]byte{
		initSegment(true, edits(mp4.ElstEntry{MediaTime: 2000, MediaRateInteger: 1})),
		box("styp", []byte("msdh")), box("sidx", make([]byte, 100)),
		fragment(0, [4]uint32{1000, 3, 0, 2000}, [4]uint32{1000, 2, nonSync, 0xfffffc18}),
		box("free", make([]byte, 5)),
		fragment(2000, [4]uint32{1000, 1, nonSync, 0}),
		box("mfra", make([]byte, 40)),
	}, nil)
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"data and EOF": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		track, got := readAll(t, r)
		if track.MediaTime != 2000 || track.Timescale != 30000 || track.RFC6381 != "avc1.64000d" {
			t.Errorf("%s: track %+v", name, track)
		}
		want := []media.Sample{
			{DecodeTime: 0, CompositionOffset: 2000, Duration: 1000, Sync: true, Data: []byte{0, 1, 2}},
			{DecodeTime: 1000, CompositionOffset: -1000, Duration: 1000, Data: []byte{3, 4}},
			{DecodeTime: 2000, Duration: 1000, Data: []byte{0}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDefaultsAndRuns(t *testing.T) {
	t.Parallel()
	// Two runs; the second has its data 3 bytes further on. Duration, size and flags are defaults, the first sample's flags its own.
	head := append(tfhd(0x38, 500, 2, nonSync), tfdt(100)...)
	first := box("trun", u32(0x5, 2, 0, 0))
	second := box("trun", u32(0x1, 1, 0))
	f := moof(head, first, second)
	payload := uint32(len(f) + 8)
	first = box("trun", u32(0x5, 2, payload, 0))
	second = box("trun", u32(0x1, 1, payload+4+3))
	f = append(moof(head, first, second), box("mdat", []byte("aabb...cc!!"))...)
	_, got := readAll(t, bytes.NewReader(append(initSegment(true, nil), f...)))
	want := []media.Sample{
		{DecodeTime: 100, Duration: 500, Sync: true, Data: []byte("aa")},
		{DecodeTime: 600, Duration: 500, Data: []byte("bb")},
		{DecodeTime: 1100, Duration: 500, Data: []byte("cc")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLargeFragmentComesInBatches(t *testing.T) {
	t.Parallel()
	const size, count = 100 << 10, 20
	samples := make([][4]uint32, count)
	for i := range samples {
		samples[i] = [4]uint32{1000, size, 0, 0}
	}
	samples[7][1] = 3 << 20
	r := cmaf.NewReader(bytes.NewReader(append(initSegment(true, nil), fragment(0, samples...)...)))
	n, batches := 0, 0
	for {
		s, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for i := range s {
			if len(s[i].Data) != int(samples[n][1]) {
				t.Fatalf("sample %d has %d bytes", n, len(s[i].Data))
			}
			total += len(s[i].Data)
			n++
		}
		if len(s) > 1 && total > 256<<10 {
			t.Errorf("a batch of %d samples and %d bytes", len(s), total)
		}
		batches++
	}
	if n != count || batches < count/2 {
		t.Errorf("%d samples in %d batches", n, batches)
	}
}

func TestEditLists(t *testing.T) {
	t.Parallel()
	normal := func(at int64) mp4.ElstEntry { return mp4.ElstEntry{MediaTime: at, MediaRateInteger: 1} }
	empty := func(d uint64) mp4.ElstEntry {
		return mp4.ElstEntry{SegmentDuration: d, MediaTime: -1, MediaRateInteger: 1}
	}
	for _, tt := range []struct {
		name    string
		entries []mp4.ElstEntry
		want    int64
		bad     bool
	}{
		{name: "none", want: 0},
		{name: "delay", entries: []mp4.ElstEntry{normal(1024)}, want: 1024},
		{name: "late", entries: []mp4.ElstEntry{empty(500), normal(1024)}, want: 1024 - 24000},
		{name: "two empty", entries: []mp4.ElstEntry{empty(500), empty(500), normal(0)}, want: -48000},
		{name: "two edits", entries: []mp4.ElstEntry{normal(0), normal(5)}, bad: true},
		{name: "endless emptiness", entries: []mp4.ElstEntry{empty(math.MaxUint64), normal(0)}, bad: true},
		{name: "long emptiness", entries: []mp4.ElstEntry{empty(1 << 50), normal(0)}, bad: true},
		{name: "media time -2", entries: []mp4.ElstEntry{normal(-2)}, bad: true},
		{name: "media time too far", entries: []mp4.ElstEntry{normal(math.MaxInt64)}, bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			change := edits(tt.entries...)
			if tt.entries == nil {
				change = nil
			}
			track, err := cmaf.NewReader(bytes.NewReader(initSegment(false, change))).Track()
			if tt.bad {
				if !errors.Is(err, cmaf.ErrFormat) {
					t.Fatalf("got %v, want ErrFormat", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if track.MediaTime != tt.want {
				t.Errorf("got %d, want %d", track.MediaTime, tt.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	head := append(tfhd(0), tfdt(0)...)
	good := fragment(0, [4]uint32{1000, 4, 0, 0})
	video := initSegment(true, nil)
	for _, tt := range []struct {
		name   string
		stream []byte
	}{
		{"not MP4", []byte("this is no box at all, but text")},
		{"no movie box", box("ftyp", []byte("isom"))},
		{"media before the movie box", append(box("mdat", []byte("x")), video...)},
		{"box of size 0", append(bytes.Clone(video), 0, 0, 0, 0, 'm', 'o', 'o', 'f')},
		{"box of size 7", append(bytes.Clone(video), 0, 0, 0, 7, 'm', 'o', 'o', 'f')},
		{"64-bit size too small", append(bytes.Clone(video), append(append(u32(1), "moof"...), u64(15)...)...)},
		{"movie box too large", append(u32(2<<20), "moov"...)},
		{"fragment box too large", append(bytes.Clone(video), append(u32(5<<20), "moof"...)...)},
		{"two movie boxes", append(bytes.Clone(video), video...)},
		{"media without a fragment", append(bytes.Clone(video), box("mdat", []byte("x"))...)},
		{"fragment without media", append(bytes.Clone(video), append(moof(head), box("free")...)...)},
		{"no track fragment", append(bytes.Clone(video), append(box("moof", box("mfhd", u32(0, 1))), box("mdat")...)...)},
		{"two tracks", initSegment(true, func(s *mp4.InitSegment) { s.AddEmptyTrack(1, "audio", "und") })},
		{"timescale 0", initSegment(true, func(s *mp4.InitSegment) { s.Moov.Trak.Mdia.Mdhd.Timescale = 0 })},
		{"unknown codec", bytes.Replace(initSegment(true, nil), []byte("avc1"), []byte("zzz1"), 2)},
		{"in-band parameter sets", bytes.Replace(initSegment(true, nil), []byte("avc1"), []byte("avc3"), 2)},
		{"no configuration", bytes.Replace(initSegment(true, nil), []byte("avcC"), []byte("free"), 1)},
		{"NAL unit lengths of two bytes", bytes.Replace(initSegment(true, nil), []byte("avcC\x01\x64\x00\x0d\xff"), []byte("avcC\x01\x64\x00\x0d\xfd"), 1)},
		{"picture of size 0", initSegment(true, func(s *mp4.InitSegment) { s.Moov.Trak.Mdia.Minf.Stbl.Stsd.AvcX.Width = 0 })},
		{"other track", append(bytes.Clone(video), append(moof(box("tfhd", u32(defaultBaseIsMoof, 2)), run(0)), box("mdat")...)...)},
		{"base data offset", append(bytes.Clone(video), append(moof(tfhd(1, 0, 0), run(0)), box("mdat")...)...)},
		{"run before header", append(bytes.Clone(video), append(moof(run(0)), box("mdat")...)...)},
		{"sample of no bytes", append(bytes.Clone(video), fragment(0, [4]uint32{1000, 0, 0, 0})...)},
		{"sample too large", append(bytes.Clone(video), append(moof(head, run(len(head), [4]uint32{1, 1 << 30, 0, 0})), box("mdat")...)...)},
		{"sample outside of its fragment", append(bytes.Clone(video), append(moof(head, run(len(head), [4]uint32{1, 9, 0, 0})), box("mdat", []byte("four"))...)...)},
		{"four billion samples of nothing", append(bytes.Clone(video), append(moof(tfhd(0x10, 1), box("trun", u32(0, math.MaxUint32))), box("mdat")...)...)},
		{"run cut off", append(bytes.Clone(video), append(moof(head, box("trun", u32(0xf00, 2, 1, 1, 0, 0))), box("mdat", []byte("x"))...)...)},
		{"decode time too far", append(bytes.Clone(video), fragment(1<<62, [4]uint32{1000, 4, 0, 0})...)},
		{"decode time backwards", append(bytes.Clone(video), append(fragment(5000, [4]uint32{1, 4, 0, 0}), good...)...)},
		{"data offset backwards", append(bytes.Clone(video), append(moof(head, box("trun", u32(0x201, 1, 3, 1))), box("mdat", []byte("x"))...)...)},
		{"data offset far on", append(bytes.Clone(video), append(moof(head, box("trun", u32(0x201, 1, 1<<20, 1))), box("mdat", []byte("x"))...)...)},
		{"offset too large", append(bytes.Clone(video), append(moof(head, box("trun", u32(0xa00, 1, 1, 1<<31))), box("mdat", []byte("x"))...)...)},
		{"two decode times", append(bytes.Clone(video), append(moof(head, tfdt(0)), box("mdat")...)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := drain(bytes.NewReader(tt.stream))
			if !errors.Is(err, cmaf.ErrFormat) {
				t.Errorf("got %v, want ErrFormat", err)
			}
		})
	}
}

// drain reads to the first error, nil at a clean end.
func drain(r io.Reader) error {
	c := cmaf.NewReader(r)
	for {
		s, err := c.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if _, again := c.Next(); again == nil {
				return errors.New("an error that does not last")
			}
			return err
		}
		if len(s) == 0 {
			return errors.New("a batch of nothing")
		}
	}
}

// A stream that is cut anywhere but between fragments says so.
func TestTruncation(t *testing.T) {
	t.Parallel()
	head := initSegment(false, nil)
	one := fragment(0, [4]uint32{1024, 40, 0, 0}, [4]uint32{1024, 30, 0, 0})
	stream := append(append(bytes.Clone(head), one...), fragment(2048, [4]uint32{1024, 20, 0, 0})...)
	clean := map[int]bool{0: true, len(head): true, len(head) + len(one): true, len(stream): true}
	for n := range len(stream) + 1 {
		err := drain(bytes.NewReader(stream[:n]))
		switch {
		case clean[n] && err != nil:
			t.Errorf("cut at %d: %v", n, err)
		case !clean[n] && err == nil:
			t.Errorf("cut at %d: no error", n)
		case !clean[n] && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, cmaf.ErrFormat):
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

func TestReadErrorsPassThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("the pipe broke")
	stream := append(initSegment(false, nil), fragment(0, [4]uint32{1024, 40, 0, 0})...)
	for _, n := range []int{0, 10, len(stream) - 10, len(stream)} {
		err := drain(io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: got %v", n, err)
		}
	}
}

// Whatever the bytes, the reader ends, does not panic, and gives only samples that a writer can place.
func FuzzReader(f *testing.F) {
	f.Add(append(initSegment(true, edits(mp4.ElstEntry{MediaTime: 2000, MediaRateInteger: 1})),
		fragment(0, [4]uint32{1000, 3, 0, 2000}, [4]uint32{1000, 2, nonSync, 0xfffffc18})...))
	f.Add(append(initSegment(false, edits(mp4.ElstEntry{SegmentDuration: 5, MediaTime: -1}, mp4.ElstEntry{MediaTime: 1024})),
		append(fragment(0, [4]uint32{1024, 30, 0, 0}), fragment(1024, [4]uint32{1024, 20, 0, 0})...)...))
	f.Add(append(initSegment(true, nil), append(moof(tfhd(0x38, 500, 2, nonSync), box("trun", u32(4, 2, 0))), box("mdat", []byte("aabb"))...)...))
	f.Fuzz(func(t *testing.T, p []byte) {
		c := cmaf.NewReader(bytes.NewReader(p))
		track, err := c.Track()
		if err != nil {
			return
		}
		if track.Timescale == 0 || len(track.SampleEntry) < 8 || track.MediaTime > 1<<46 || track.MediaTime < -1<<46 {
			t.Fatalf("track %+v", track)
		}
		last, total := int64(math.MinInt64), 0
		for {
			samples, err := c.Next()
			if err != nil {
				return
			}
			for i := range samples {
				s := &samples[i]
				if s.DecodeTime < 0 || s.DecodeTime < last || s.DecodeTime > 1<<46 || len(s.Data) == 0 {
					t.Fatalf("sample %+v after %d", s, last)
				}
				last = s.DecodeTime
				total += len(s.Data)
			}
			if total > len(p) {
				t.Fatalf("%d bytes of samples from %d", total, len(p))
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	samples := make([][4]uint32, 30)
	for i := range samples {
		samples[i] = [4]uint32{1000, 25_000, 0, 0}
	}
	stream := initSegment(true, nil)
	for i := range 20 {
		stream = append(stream, fragment(uint64(i)*30000, samples...)...)
	}
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		if err := drain(bytes.NewReader(stream)); err != nil {
			b.Fatal(err)
		}
	}
}
