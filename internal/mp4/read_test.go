package mp4_test

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/mp4"
)

func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", tool)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
}

// packet is what ffprobe says of a sample.
type packet struct {
	Stream   int    `json:"stream_index"`
	DTS      int64  `json:"dts"`
	PTS      int64  `json:"pts"`
	Duration int64  `json:"duration"`
	Flags    string `json:"flags"`
	Hash     string `json:"data_hash"`
}

func probe(t *testing.T, path string) map[int][]packet {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_packets", "-show_data_hash", "md5", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Packets []packet `json:"packets"`
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	all := map[int][]packet{}
	for _, p := range found.Packets {
		all[p.Stream] = append(all[p.Stream], p)
	}
	return all
}

// readTrack reads all samples of a track, each with data of its own.
func readTrack(f *mp4.File, track int) (all []media.Sample, err error) {
	r := f.Reader(track)
	for batch := (media.Batch{}); ; {
		err := r.Read(&batch)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if len(batch.Samples) == 0 {
			return all, errors.New("a batch of nothing")
		}
		for _, s := range batch.Samples {
			s.Data = bytes.Clone(s.Data)
			all = append(all, s)
		}
	}
}

func TestFilesOfFFmpeg(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg", "ffprobe")
	const (
		video = "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=5 "
		sound = "-f lavfi -i sine=d=5:r=48000 "
		x264  = "-c:v libx264 -preset ultrafast -bf 2 -b_strategy 0 -g 30 "
		maps  = "-map 0:v -map 1:a "
	)
	ntsc := media.Rational{Num: 30000, Den: 1001}
	for _, tt := range []struct {
		name, args string
		codecs     []string
		rate       media.Rational
	}{
		{"moov behind", video + sound + maps + x264 + "-c:a aac x.mp4", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
		{"moov before", video + sound + maps + x264 + "-c:a aac -movflags faststart x.mp4", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
		{"negative composition offsets", video + sound + maps + x264 + "-c:a aac -movflags negative_cts_offsets x.mp4", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
		{"QuickTime", video + sound + maps + x264 + "-c:a aac x.mov", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
		{"HEVC and two sounds", video + sound + maps + "-map 1:a -c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error:keyint=30 -c:a:0 ac3 -c:a:1 eac3 -ac 2 x.mp4", []string{"hvc1.1.6.L60.90", "ac-3", "ec-3"}, ntsc},
		{"AV1", video + "-c:v libsvtav1 -preset 12 -g 30 x.mp4", []string{"av01.0.00M.08"}, ntsc},
		{"late sound", video + "-itsoffset 0.5 " + sound + maps + x264 + "-c:a aac x.mp4", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
		{"variable frame rate", video + "-vf select='not(eq(mod(n\\,7)\\,3))' -fps_mode vfr " + x264 + "x.mp4", []string{"avc1.4d400d"}, media.Rational{}},
		{"fragments", video + sound + maps + x264 + "-c:a aac -movflags frag_keyframe+empty_moov+delay_moov x.mp4", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
		{"fragments without default-base-is-moof", video + sound + maps + x264 + "-c:a aac -movflags frag_keyframe+separate_moof+delay_moov x.mp4", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
		{"fragments behind a moov with samples", video + sound + maps + x264 + "-c:a aac -movflags frag_keyframe x.mp4", []string{"avc1.4d400d", "mp4a.40.2"}, ntsc},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.Command("ffmpeg", strings.Fields("-v error "+tt.args)...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v, %s", err, out)
			}
			path := filepath.Join(dir, tt.args[strings.LastIndexByte(tt.args, ' ')+1:])
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := mp4.Open(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Omitted()) > 0 {
				t.Errorf("omitted: %v", f.Omitted())
			}
			var codecs []string
			packets := probe(t, path)
			for i, track := range f.Tracks() {
				codecs = append(codecs, track.RFC6381)
				if track.Kind == media.Video && track.FrameRate != tt.rate {
					t.Errorf("frame rate %v, want %v", track.FrameRate, tt.rate)
				}
				samples, err := readTrack(f, i)
				if err != nil {
					t.Fatal(err)
				}
				if len(samples) != len(packets[i]) {
					t.Fatalf("track %d: %d samples, ffprobe has %d packets", i, len(samples), len(packets[i]))
				}
				// Where presentation comes before decoding, ffmpeg decodes earlier.
				shift := int64(0)
				if strings.HasPrefix(tt.name, "negative") {
					shift = samples[0].DecodeTime - track.MediaTime - packets[i][0].DTS
				}
				for n, p := range packets[i] {
					s := &samples[n]
					hash := md5.Sum(s.Data)
					got := packet{i, s.DecodeTime - track.MediaTime - shift, track.PresentationTime(s), p.Duration, p.Flags, "MD5:" + hex.EncodeToString(hash[:])}
					if diff := cmp.Diff(p, got); diff != "" || s.Sync != (p.Flags[0] == 'K') {
						t.Fatalf("track %d, sample %d, sync %v (-ffprobe +got):\n%s", i, n, s.Sync, diff)
					}
				}
			}
			if diff := cmp.Diff(tt.codecs, codecs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What this package writes, it reads.
func TestReadBack(t *testing.T) {
	t.Parallel()
	for _, o := range []mp4.Options{{}, {MoovLast: true}, {CompositionToDecode: true}} {
		video, sound := realTracks(t)
		film := newFilm(video, sound)
		var want [2][]media.Sample
		for n := 0; n < 24; n += 3 {
			pictures := []media.Sample{frame(n, 5), frame(n+1, 6+n), frame(n+2, 7)}
			units := []media.Sample{unit(n/3, 4)}
			film.chunk(t, 0, pictures...)
			film.chunk(t, 1, units...)
			want[0], want[1] = append(want[0], pictures...), append(want[1], units...)
		}
		b := film.encode(t, o)
		f, err := mp4.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if d := f.Duration(); d < 800*time.Millisecond || d > 900*time.Millisecond {
			t.Errorf("a duration of %v", d)
		}
		for i := range want {
			got, err := readTrack(f, i)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Errorf("%+v, track %d (-want +got):\n%s", o, i, diff)
			}
		}
	}
}

// realTracks are tracks whose sample entries can be read.
func realTracks(t testing.TB) (video, sound *media.Track) {
	t.Helper()
	entry := func(kind string, fixed int, inside ...[]byte) []byte {
		return box(kind, append([][]byte{make([]byte, fixed)}, inside...)...)
	}
	v, s := *videoTrack(), *audioTrack("deu")
	v.SampleEntry = entry("avc1", 78, box("avcC", []byte{1, 0x64, 0, 0x0d, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x0d, 1, 0, 4, 0x68, 0xeb, 0xe3, 0xcb}))
	binary.BigEndian.PutUint16(v.SampleEntry[8+24:], 720)
	binary.BigEndian.PutUint16(v.SampleEntry[8+26:], 576)
	s.SampleEntry = entry("mp4a", 28, box("esds", []byte{0, 0, 0, 0, 3, 22, 0, 1, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0x11, 0x90}))
	return &v, &s
}

func box(kind string, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), kind...), content...)
}

// small is a file of two tracks and 24 pictures.
func small(t testing.TB, o mp4.Options) []byte {
	t.Helper()
	video, sound := realTracks(t)
	film := newFilm(video, sound)
	for n := 0; n < 24; n += 3 {
		for i, samples := range [][]media.Sample{{frame(n, 5), frame(n+1, 6+n), frame(n+2, 7)}, {unit(n/3, 4)}} {
			offset := int64(len(film.payload))
			for k := range samples {
				if err := film.tables[i].Sample(&samples[k]); err != nil {
					t.Fatal(err)
				}
				film.payload = append(film.payload, samples[k].Data...)
			}
			film.tables[i].Chunk(offset)
		}
	}
	head, tail, err := mp4.Encode(film.tables, int64(len(film.payload)), o)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{head, film.payload, tail}, nil)
}

// drainFile reads everything.
func drainFile(b []byte) error {
	f, err := mp4.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	for i := range f.Tracks() {
		if _, err := readTrack(f, i); err != nil {
			return err
		}
	}
	for _, o := range f.Omitted() {
		return o.Reason
	}
	return nil
}

// set changes four bytes at an offset from the name of the first box of a kind.
func set(b []byte, kind string, offset int, v uint32) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint32(b[bytes.Index(b, []byte(kind))+4+offset:], v)
	return b
}

func rename(b []byte, from, to string) []byte {
	return bytes.Replace(b, []byte(from), []byte(to), 1)
}

func TestFilesRefused(t *testing.T) {
	t.Parallel()
	good := small(t, mp4.Options{})
	if err := drainFile(good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "no movie box"},
		{"no MP4", []byte("this is no box at all, but text"), "box"},
		{"no movie", box("ftyp", []byte("isom")), "no movie box"},
		{"movie cut off", good[:len(good)/2], ""},
		{"media cut off", good[:len(good)-1], "in a file of"},
		{"no tracks", append(box("ftyp"), box("moov")...), "no track"},
		{"two edits", set(rename(good, "elst", "elst"), "elst", 4, 2), "edit list"},
		{"edit at another speed", set(good, "elst", 16, 0x00020000), "another speed"},
		{"media elsewhere", set(good, "url ", 0, 0), "another file"},
		{"encrypted", rename(good, "avc1\x00\x00\x00\x00", "encv\x00\x00\x00\x00"), "encrypted"},
		{"unknown codec", rename(good, "avc1\x00\x00\x00\x00", "zzz1\x00\x00\x00\x00"), "zzz1"},
		{"four billion samples", set(good, "stsz", 8, 0xffffffff), "entries"},
		{"four billion samples of one size", set(set(good, "stsz", 4, 1<<20), "stsz", 8, 0xffffffff), ""},
		{"sample of nothing", set(good, "stsz", 12, 0), "0 bytes"},
		{"sample too large", set(good, "stsz", 12, 1<<30), "bytes"},
		{"sample outside", set(good, "stsz", 12, 1<<20), "in a file of"},
		{"chunk outside", set(good, "stco", 8, 0xffffff00), "in a file of"},
		{"too few durations", set(good, "stts", 8, 1), "stts ends"},
		{"too few offsets", set(good, "ctts", 4, 2), "ctts ends"},
		{"no durations", rename(good, "stts", "free"), "stts ends"},
		{"no chunks", rename(good, "stsc", "free"), "stsc ends"},
		{"no offsets", rename(good, "stco", "free"), "stco ends"},
		{"chunks out of order", set(good, "stsc", 8, 7), "not in order"},
		{"chunk of nothing", set(good, "stsc", 12, 0), "without samples"},
		{"second description", set(good, "stsc", 16, 2), "second sample description"},
		{"sync samples out of order", set(good, "stss", 8, 13), "not in order"},
		{"timescale 0", set(good, "mdhd", 12, 0), "timescale"},
		{"compact sizes", rename(good, "stsz", "stz2"), "stz2"},
		{"two sample tables", rename(good, "stco", "stsc"), "two tables"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := drainFile(tt.file)
			if !errors.Is(err, mp4.ErrFormat) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrFormat that says %q", err, tt.want)
			}
		})
	}
}

// A file of which one track cannot be read gives the others, and says which it is.
func TestOmitted(t *testing.T) {
	t.Parallel()
	b := rename(small(t, mp4.Options{}), "mp4a\x00", "zzz1\x00")
	f, err := mp4.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Tracks()) != 1 || len(f.Omitted()) != 1 || f.Omitted()[0].ID != 2 || f.Omitted()[0].Handler != "soun" {
		t.Errorf("tracks %v, omitted %v", f.Tracks(), f.Omitted())
	}
}

// An edit list that ends early ends the samples with the first key frame that it does not show.
func TestEditEndsEarly(t *testing.T) {
	t.Parallel()
	b := small(t, mp4.Options{})
	b = set(b, "elst", 8, 11*1001) // pictures 0 to 10; the second key frame is picture 12
	f, err := mp4.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readTrack(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 12 {
		t.Errorf("%d samples, want 12", len(got))
	}
}

// A read that fails is told as it is, and lasts.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	b := small(t, mp4.Options{})
	broken := errors.New("the disk broke")
	r := &failing{ReaderAt: bytes.NewReader(b)}
	f, err := mp4.Open(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	r.err = broken
	reader := f.Reader(0)
	for range 2 {
		if err := reader.Read(&media.Batch{}); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := mp4.Open(r, int64(len(b))); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	// A file that is shorter than was said.
	if _, err := mp4.Open(bytes.NewReader(b[:20]), int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

type failing struct {
	io.ReaderAt
	err error
}

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, at)
}

// large is a file of a day of pictures whose bytes are anything and in no memory: 20 GiB, with tables of 25 MB.
type large struct {
	head    []byte
	size    int64
	mostGot int
}

func (l *large) ReadAt(p []byte, at int64) (int, error) {
	l.mostGot = max(l.mostGot, len(p))
	if at < int64(len(l.head)) {
		copy(p, l.head[at:])
	}
	return len(p), nil
}

// It runs alone, because it counts what is allocated.
func TestLargeFileTakesLittleMemory(t *testing.T) {
	const samples, size = 24 * 3600 * 25, 9940
	video, _ := realTracks(t)
	table := mp4.NewTable(video)
	data := make([]byte, size+1)
	for n := range samples {
		s := media.Sample{DecodeTime: int64(n) * 1200, CompositionOffset: int32(n%3) * 1200, Duration: 1200, Sync: n%50 == 0, Data: data[:size+n&1]}
		if err := table.Sample(&s); err != nil {
			t.Fatal(err)
		}
		if n%25 == 24 {
			table.Chunk(int64(n/25) * (25*size + 13))
		}
	}
	payload := int64(samples)*size + samples/2
	head, _, err := mp4.Encode([]*mp4.Table{table}, payload, mp4.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := &large{head: head, size: int64(len(head)) + payload + samples}
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f, err := mp4.Open(file, file.size)
	if err != nil {
		t.Fatal(err)
	}
	r, n := f.Reader(0), 0
	for batch := (media.Batch{}); ; {
		err := r.Read(&batch)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n += len(batch.Samples); n > samples/2 && during.Sys == 0 {
			runtime.ReadMemStats(&during)
		}
	}
	if n != samples {
		t.Errorf("%d samples, want %d", n, samples)
	}
	const most = 8 << 20
	if grown := int64(during.TotalAlloc) - int64(before.TotalAlloc); grown > most {
		t.Errorf("%d bytes were allocated, at most %d are allowed", grown, most)
	}
	if file.mostGot > 1<<20 {
		t.Errorf("a read of %d bytes", file.mostGot)
	}
}

// Whatever the bytes, reading ends, does not panic, and gives only samples that a writer can place.
func FuzzOpen(f *testing.F) {
	good := small(f, mp4.Options{})
	f.Add(good)
	f.Add(small(f, mp4.Options{MoovLast: true, CompositionToDecode: true}))
	f.Add(set(good, "stsz", 4, 5))
	f.Add(rename(good, "stco", "co64"))
	f.Fuzz(func(t *testing.T, p []byte) {
		file, err := mp4.Open(bytes.NewReader(p), int64(len(p)))
		if err != nil {
			return
		}
		for i, track := range file.Tracks() {
			if track.Timescale == 0 || len(track.SampleEntry) < 8 {
				t.Fatalf("track %+v", track)
			}
			samples, err := readTrack(file, i)
			if err != nil && !errors.Is(err, mp4.ErrFormat) {
				t.Fatal(err)
			}
			last, total := int64(0), 0
			for _, s := range samples {
				if s.DecodeTime < last || s.DecodeTime > 1<<46 || len(s.Data) == 0 {
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
	video, _ := realTracks(b)
	table := mp4.NewTable(video)
	data := make([]byte, 25_000)
	const samples = 1800
	for n := range samples {
		s := media.Sample{DecodeTime: int64(n) * 1000, Duration: 1000, Sync: n%30 == 0, Data: data[:24_000+n%1000]}
		if err := table.Sample(&s); err != nil {
			b.Fatal(err)
		}
		if n%15 == 14 {
			table.Chunk(int64(n/15) * 15 * 25_000)
		}
	}
	head, _, err := mp4.Encode([]*mp4.Table{table}, int64(samples)*24_000+samples/1000*499_500+int64(samples%1000)*(samples%1000-1)/2, mp4.Options{})
	if err != nil {
		b.Fatal(err)
	}
	file := append(head, make([]byte, samples*25_000)...)
	f, err := mp4.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(samples * 24_500)
	b.ReportAllocs()
	var batch media.Batch
	for b.Loop() {
		r := f.Reader(0)
		for err = r.Read(&batch); err == nil; err = r.Read(&batch) {
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}
