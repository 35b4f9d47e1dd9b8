package mpegts_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/id3"
	"darkroom/internal/media"
	"darkroom/internal/mpegts"
	"darkroom/internal/mpegts/mpegtstest"
	"darkroom/internal/secret"
)

// need fails, or skips at the desk, when a tool is missing.
func need(t testing.TB, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", tool)
		}
		t.Skipf("%s is not installed", tool)
	}
}

// ffmpeg runs ffmpeg and returns what it prints; whatever it complains of fails the test.
func ffmpeg(t testing.TB, args ...string) string {
	t.Helper()
	out, said := ffmpegSays(t, args...)
	if said != "" {
		t.Fatalf("ffmpeg %s:\n%s", strings.Join(args, " "), said)
	}
	return out
}

func ffmpegSays(t testing.TB, args ...string) (out, said string) {
	t.Helper()
	need(t, "ffmpeg")
	cmd := exec.Command("ffmpeg", append([]string{"-hide_banner", "-nostdin", "-v", "error"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), stderr.String()
}

// film is one encoded track.
type film struct {
	name string
	args string // input and encoder
	raw  string // the elementary stream's format
	// of the transport stream
	kind, encrypted int
}

var films = []film{
	{
		"AVC", "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -c:v libx264 -preset veryfast -bf 3 -b_strategy 0 -g 30 -slices 1 -b:v 1M",
		"h264", mpegtstest.AVC, mpegtstest.EncryptedAVC,
	},
	{
		"AVC of slices", "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -c:v libx264 -preset veryfast -bf 3 -b_strategy 0 -g 30 -slices 3 -b:v 1M",
		"h264", mpegtstest.AVC, mpegtstest.EncryptedAVC,
	},
	{ // samples without compression, mostly 0: emulation prevention in most of the blocks
		"AVC of zeros", "-f lavfi -i color=black:size=176x144:rate=25:duration=2,geq=lum='255*random(1)*gt(random(2),0.7)':cb='255*gt(random(3),0.8)':cr=0" +
			" -c:v libx264 -qp 0 -x264-params cabac=0:slices=1 -g 25 -bf 0", "h264", mpegtstest.AVC, mpegtstest.EncryptedAVC,
	},
	{
		"HEVC", "-f lavfi -i testsrc2=size=320x180:rate=25:duration=2 -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:bframes=2 -tag:v hvc1",
		"hevc", mpegtstest.HEVC, 0,
	},
	{"AAC", "-f lavfi -i aevalsrc=random(0)-0.5|sin(2000*t):s=48000:d=4 -c:a aac -b:a 128k", "adts", mpegtstest.ADTS, mpegtstest.EncryptedADTS},
	{"AAC of silence", "-f lavfi -i anullsrc=r=44100:cl=mono -t 2 -c:a aac", "adts", mpegtstest.ADTS, mpegtstest.EncryptedADTS},
	{"AC-3", "-f lavfi -i aevalsrc=random(0)-0.5|sin(2000*t):s=48000:d=4 -c:a ac3 -b:a 192k", "ac3", mpegtstest.AC3, mpegtstest.EncryptedAC3},
	{"AC-3 of 44.1 kHz", "-f lavfi -i sine=f=500:r=44100:d=2 -c:a ac3 -b:a 96k", "ac3", mpegtstest.AC3, mpegtstest.EncryptedAC3},
	{"AC-3 of 32 kHz", "-f lavfi -i sine=f=500:r=32000:d=2 -c:a ac3 -b:a 64k", "ac3", mpegtstest.AC3, mpegtstest.EncryptedAC3},
	{
		"E-AC-3", "-f lavfi -i aevalsrc=random(0)-0.5|sin(900*t)|sin(300*t)|0|random(1)-0.5|sin(t):c=5.1:s=48000:d=4 -c:a eac3 -b:a 384k", "eac3",
		mpegtstest.EAC3, mpegtstest.EncryptedEAC3,
	},
}

// demuxer is what ffmpeg calls the reader of the elementary stream.
func (f film) demuxer() string {
	if f.raw == "adts" {
		return "aac"
	}
	return f.raw
}

// encoded is what an encoder made of a film.
type encoded struct {
	track   *media.Track
	samples []media.Sample
	hashes  []string // of the decoded frames
}

var cache struct {
	sync.Mutex
	of map[string]*encoded
}

// encode makes a film, once; its samples are not to be changed.
func (f film) encode(t testing.TB) *encoded {
	t.Helper()
	cache.Lock()
	defer cache.Unlock()
	if e := cache.of[f.name]; e != nil {
		return e
	}
	dir := t.TempDir()
	path, raw := filepath.Join(dir, "film.mp4"), filepath.Join(dir, "film."+f.raw)
	args := strings.Fields(f.args)
	ffmpeg(t, append(args, "-bitexact", "-movflags", "delay_moov+default_base_moof+frag_keyframe", "-frag_duration", "1000000", "-f", "mp4", path)...)
	ffmpeg(t, "-i", path, "-c", "copy", "-f", f.raw, raw)
	e := &encoded{hashes: hashes(ffmpeg(t, "-f", f.demuxer(), "-i", raw, "-f", "framemd5", "-"))}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := cmaf.NewReader(file)
	if e.track, err = r.Track(); err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range batch {
			s.Data = bytes.Clone(s.Data)
			e.samples = append(e.samples, s)
		}
	}
	if len(e.samples) < 10 || len(e.hashes) < 10 {
		t.Fatalf("%d samples, %d frames", len(e.samples), len(e.hashes))
	}
	if cache.of == nil {
		cache.of = map[string]*encoded{}
	}
	cache.of[f.name] = e
	return e
}

// hashes are the last column of framemd5.
func hashes(text string) []string {
	var all []string
	for _, line := range strings.Split(text, "\n") {
		if i := strings.LastIndexByte(line, ','); i > 0 && line[0] != '#' {
			all = append(all, strings.TrimSpace(line[i+1:]))
		}
	}
	return all
}

// segments muxes one track into segments of about a second.
func (e *encoded) segments(t testing.TB, p mpegts.Program) [][]byte {
	t.Helper()
	m, err := mpegts.NewMuxer(p)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	var b []byte
	begin := int64(-1 << 62)
	for i := range e.samples {
		s := &e.samples[i]
		if s.Sync && s.DecodeTime-begin >= int64(e.track.Timescale)*9/10 {
			if i > 0 {
				all = append(all, m.AppendFlush(b))
			}
			b, begin = m.AppendSegmentStart(nil), s.DecodeTime
		}
		before := bytes.Clone(s.Data)
		if b, err = m.AppendSample(b, 0, s); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, s.Data) {
			t.Fatal("the sample was changed")
		}
	}
	return append(all, m.AppendFlush(b))
}

func (e *encoded) program(key *cenc.Key) mpegts.Program {
	return program(mpegts.Stream{PID: 481, Track: e.track, Key: key, FirstFrame: e.samples[0].Data})
}

func testKey() *cenc.Key {
	return &cenc.Key{Value: secret.New([]byte("0123456789abcdef")), IV: []byte("fedcba9876543210")}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func sameHashes(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("frame %d differs", i)
		}
	}
}

// What ffmpeg decodes from a clear transport stream is what the encoder made.
func TestDecodesClear(t *testing.T) {
	t.Parallel()
	for _, f := range films {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			e := f.encode(t)
			var p mpegtstest.Parser
			segments := e.segments(t, e.program(nil))
			if len(segments) < 2 {
				t.Fatal("one segment")
			}
			for _, b := range segments {
				parse(t, &p, b)
			}
			if p.Streams[0].Type != f.kind {
				t.Errorf("stream type %#02x, want %#02x", p.Streams[0].Type, f.kind)
			}
			if p.MaxPCRGap > 9000 {
				t.Errorf("%d ticks without the clock", p.MaxPCRGap)
			}
			path := filepath.Join(t.TempDir(), "film.ts")
			write(t, path, bytes.Join(segments, nil))
			sameHashes(t, hashes(ffmpeg(t, "-i", path, "-map", "0:0", "-f", "framemd5", "-")), e.hashes)
		})
	}
}

// A literal decryptor makes of each encrypted stream the clear one, byte for byte.
func TestDecryptsLiterally(t *testing.T) {
	t.Parallel()
	for _, f := range films {
		if f.encrypted == 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			e := f.encode(t)
			key := testKey()
			var clear, encrypted mpegtstest.Parser
			for _, b := range e.segments(t, e.program(nil)) {
				parse(t, &clear, b)
			}
			for _, b := range e.segments(t, e.program(key)) {
				parse(t, &encrypted, b)
			}
			if got := encrypted.Streams[0].Type; got != f.encrypted {
				t.Errorf("stream type %#02x, want %#02x", got, f.encrypted)
			}
			if len(clear.Units) != len(encrypted.Units) {
				t.Fatalf("%d units encrypted, %d clear", len(encrypted.Units), len(clear.Units))
			}
			changed := 0
			var elementary []byte
			for i := range clear.Units {
				want, u := clear.Units[i], encrypted.Units[i]
				if u.PTS != want.PTS || u.DTS != want.DTS || u.RandomAccess != want.RandomAccess {
					t.Fatalf("unit %d has other times", i)
				}
				if !bytes.Equal(u.Data, want.Data) {
					changed++
				}
				got, err := mpegtstest.Decrypt(f.encrypted, u.Data, key.Value.Reveal(), key.IV)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want.Data) {
					t.Fatalf("unit %d does not decrypt", i)
				}
				elementary = append(elementary, got...)
			}
			if f.name != "AAC of silence" && changed < len(clear.Units)/2 { // whose frames are too short to encrypt
				t.Errorf("only %d of %d units are encrypted", changed, len(clear.Units))
			}
			path := filepath.Join(t.TempDir(), "film."+f.raw)
			write(t, path, elementary)
			sameHashes(t, hashes(ffmpeg(t, "-f", f.demuxer(), "-i", path, "-f", "framemd5", "-")), e.hashes)
		})
	}
}

// playlist writes segments and their key, and returns the path of the playlist.
func playlist(t *testing.T, segments [][]byte, extension string, key *cenc.Key) string {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:2\n")
	if key != nil {
		write(t, filepath.Join(dir, "key.bin"), key.Value.Reveal())
		fmt.Fprintf(&b, "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key.bin\",IV=0x%x\n", key.IV)
	}
	for i, s := range segments {
		name := fmt.Sprintf("s%d.%s", i, extension)
		write(t, filepath.Join(dir, name), s)
		fmt.Fprintf(&b, "#EXTINF:1,\n%s\n", name)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	path := filepath.Join(dir, "index.m3u8")
	write(t, path, []byte(b.String()))
	return path
}

// unflushed is how many frames at the end of an encrypted stream ffmpeg 5.1 may show wrong: it does not decrypt the last access unit, to which others
// refer.
const unflushed = 4

// ffmpeg, which reads SAMPLE-AES in its own way, finds what the encoder made.
func TestDecodesEncrypted(t *testing.T) {
	t.Parallel()
	for _, f := range films {
		if f.encrypted == 0 || f.name == "AVC of slices" { // of which ffmpeg 5.1 puts some back at the wrong place
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			e := f.encode(t)
			key := testKey()
			path := playlist(t, e.segments(t, e.program(key)), "ts", key)
			out, _ := ffmpegSays(t, "-allowed_extensions", "ALL", "-i", path, "-map", "0:0", "-f", "framemd5", "-")
			got := hashes(out)
			if len(got) < len(e.hashes)-1 {
				t.Fatalf("%d frames, want %d", len(got), len(e.hashes))
			}
			right := len(e.hashes) - unflushed
			sameHashes(t, got[:right], e.hashes[:right])
		})
	}
}

// ffprobe finds every stream of a program map of three packets by its codec, and the tags of its metadata; a PTS offset of 0, before which decode times
// and the clock wrap, loses no frame.
func TestProbe(t *testing.T) {
	t.Parallel()
	need(t, "ffprobe")
	tracks := map[string]*encoded{}
	for _, f := range films {
		tracks[f.name] = f.encode(t)
	}
	var none time.Duration
	pr := mpegts.Program{TransportStreamID: 1, Number: 1, PMTPID: 480, PCRPID: 481, MetadataPID: 502, PeriodicPCR: true}
	pr.PTSOffset = &none
	names := []string{"HEVC", "AAC", "AC-3", "E-AC-3"}
	for i, name := range names {
		pr.Streams = append(pr.Streams, mpegts.Stream{PID: 481 + i, Track: tracks[name].track})
	}
	for pid := 600; pid < 640; pid++ { // of which nothing comes
		pr.Streams = append(pr.Streams, mpegts.Stream{PID: pid, Track: tracks["AC-3"].track})
	}
	m := newMuxer(t, pr)
	b := m.AppendSegmentStart(nil)
	var err error
	// Two seconds, interleaved by their decode times.
	at := make([]int, len(names))
	for tick := range 20 {
		if tick%10 == 0 {
			tag := id3.Append(nil, id3.ReleaseTime(time.Date(2024, 1, 2, 3, 4, 5+tick/10, 0, time.UTC)))
			if b, err = m.AppendMetadata(b, time.Duration(tick)*100*time.Millisecond, tag); err != nil {
				t.Fatal(err)
			}
		}
		for i, name := range names {
			e := tracks[name]
			for ; at[i] < len(e.samples) && e.samples[at[i]].DecodeTime*10 < int64(tick+1)*int64(e.track.Timescale); at[i]++ {
				b = appendSample(t, m, b, i, e.samples[at[i]])
			}
		}
	}
	b = m.AppendFlush(b)
	path := filepath.Join(t.TempDir(), "film.ts")
	write(t, path, b)
	probe := func(args ...string) string {
		out, err := exec.Command("ffprobe", append([]string{"-v", "error", "-of", "csv=p=0", path}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ffprobe: %v\n%s", err, out)
		}
		return string(out)
	}
	found := probe("-show_entries", "stream=id,codec_name")
	for _, line := range []string{"hevc,0x1e1", "aac,0x1e2", "ac3,0x1e3", "eac3,0x1e4", "timed_id3,0x1f6"} {
		if !strings.Contains(found, line+"\n") {
			t.Errorf("no %s in\n%s", line, found)
		}
	}
	sameHashes(t, hashes(ffmpeg(t, "-i", path, "-map", "0:v", "-f", "framemd5", "-")), tracks["HEVC"].hashes)
	var times []string
	for _, line := range strings.Fields(strings.ReplaceAll(probe("-select_streams", "d", "-show_entries", "packet=pts"), ",", " ,")) {
		if line[0] >= '0' && line[0] <= '9' {
			times = append(times, line)
		}
	}
	if got := strings.Join(times, " "); got != "0 90000" {
		t.Errorf("metadata at %s, want 0 and 90000", got)
	}
	var whole, cut []byte // by the five bytes that ffmpeg 5.1 takes for the header of a metadata access unit, which ID3 tags do not have
	for i := range 2 {
		tag := id3.Append(nil, id3.ReleaseTime(time.Date(2024, 1, 2, 3, 4, 5+i, 0, time.UTC)))
		whole, cut = append(whole, tag...), append(cut, tag[5:]...)
	}
	if got := ffmpeg(t, "-i", path, "-map", "0:d", "-c", "copy", "-f", "data", "-"); got != string(whole) && got != string(cut) {
		t.Errorf("metadata %q, want %q", got, whole)
	}
}
