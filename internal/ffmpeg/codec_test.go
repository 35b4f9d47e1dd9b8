package ffmpeg

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// tool is a program that must be there in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is absent", name)
		}
		t.Skipf("%s is absent", name)
	}
	return path
}

// encode runs the plan on a file of 13 seconds at 30000/1001 frames a second with a scene change, and returns what came out of each pipe as a file.
func encode(t *testing.T, p *plan.Plan) map[string]string {
	t.Helper()
	program := tool(t, "ffmpeg")
	dir := t.TempDir()
	source := filepath.Join(dir, "source.mkv")
	render := exec.Command(program, "-v", "error",
		"-f", "lavfi", "-i", "testsrc2=s=192x108:r=30000/1001:d=7.3", "-f", "lavfi", "-i", "mandelbrot=s=192x108:r=30000/1001:start_scale=1",
		"-f", "lavfi", "-i", "aevalsrc=0.2*sin(440*2*PI*t)|0.2*sin(550*2*PI*t)|0.2*sin(660*2*PI*t)|0.2*sin(80*2*PI*t)|0.2*sin(770*2*PI*t)|0.2*sin(880*2*PI*t):c=5.1:s=48000",
		"-filter_complex", "[0][1]concat=n=2:v=1,format=yuv420p[v]", "-map", "[v]", "-map", "2", "-t", "13", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "12", "-c:a", "pcm_s16le", source)
	if out, err := render.CombinedOutput(); err != nil {
		t.Fatalf("make the source: %v: %s", err, out)
	}
	const first = 3
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	cmd := exec.Command(program, EncodeArgs(p, []string{server.URL + "/source.mkv"}, first)...)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	files := map[string]string{}
	var readers sync.WaitGroup
	var writers []*os.File
	for i := range len(p.Renditions) + 1 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, w)
		writers = append(writers, w)
		name := filepath.Join(dir, strconv.Itoa(i))
		if i < len(p.Renditions) {
			files[p.Renditions[i].ID] = name
		}
		readers.Go(func() {
			defer func() { _ = r.Close() }()
			f, err := os.Create(name)
			if err == nil {
				_, err = io.Copy(f, r)
				_ = f.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	err := cmd.Start()
	for _, w := range writers {
		_ = w.Close()
	}
	if err == nil {
		err = cmd.Wait()
	}
	readers.Wait()
	if err != nil {
		t.Fatalf("encode: %v: %s", err, errors.String())
	}
	return files
}

type packet struct {
	PTS   int64  `json:"pts"`
	Flags string `json:"flags"`
}

type stream struct {
	Tag      string `json:"codec_tag_string"`
	Codec    string `json:"codec_name"`
	Profile  string `json:"profile"`
	Format   string `json:"pix_fmt"`
	Channels int    `json:"channels"`
	Layout   string `json:"channel_layout"`
	Base     string `json:"time_base"`
}

// look returns the stream of a file, and the presentation times of its key frames, in ticks.
func look(t *testing.T, path string) (stream, []int64) {
	t.Helper()
	out, err := exec.Command(tool(t, "ffprobe"), "-v", "error", "-show_streams", "-show_packets", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Packets []packet
		Streams []stream
	}
	if err := json.Unmarshal(out, &found); err != nil || len(found.Streams) != 1 {
		t.Fatalf("%v: %d streams", err, len(found.Streams))
	}
	var keys []int64
	for _, p := range found.Packets {
		if strings.HasPrefix(p.Flags, "K") {
			keys = append(keys, p.PTS)
		}
	}
	slices.Sort(keys)
	return found.Streams[0], keys
}

// ntsc is a picture of the tests' source.
func ntsc(w, h int) plan.Picture {
	return plan.Picture{
		Width: w, Height: h, ScaledWidth: w, ScaledHeight: h, SampleAspectRatio: media.Rational{Num: 1, Den: 1}, FrameRate: media.Rational{Num: 30000, Den: 1001}, Sharpness: 50,
	}
}

// TestKeyFramesAlign: AVC, HEVC and AV1 have key frames on the same frames, so that a ladder of all three can be cut at the same places.
func TestKeyFramesAlign(t *testing.T) {
	t.Parallel()
	video := func(codec media.Codec, depth int, profile string, b int) *plan.Video {
		return &plan.Video{
			Codec: codec, Picture: ntsc(192, 108), Profile: profile, BitDepth: depth, Chroma: 420, RateControl: plan.QVBR, MaxBitrate: 400_000, Quality: 5, Effort: 1,
			KeyFrameInterval: 50, MinKeyFrameDistance: -1, SegmentLength: 5005 * time.Millisecond, ClosedGOP: true, BFrames: b, BReference: true, DynamicSubGOP: true,
			ReferenceFrames: 3, CABAC: true, SpatialAQ: true, TemporalAQ: true, AdaptiveQuantization: -1,
		}
	}
	p := &plan.Plan{Source: plan.Source{Files: []plan.SourceFile{{Demuxer: "matroska"}}}, Renditions: []plan.Rendition{
		{ID: "v0", Video: video(media.AVC, 8, "main", 3)},
		{ID: "v1", Video: video(media.HEVC, 8, "main", 3)},
		{ID: "v2", Video: video(media.HEVC, 10, "main10", 0)},
		{ID: "v3", Video: video(media.AV1, 8, "main", 7)},
		{ID: "v4", Video: video(media.AV1, 10, "main", 15)},
	}}
	files := encode(t, p)
	// 150 frames are a segment, of which 50 are a third.
	var want []int64
	for n := int64(0); n < 13*30; n += 50 {
		want = append(want, n*1001)
	}
	for _, c := range []struct{ id, codec, tag, format string }{
		{"v0", "h264", "avc1", "yuv420p"}, {"v1", "hevc", "hvc1", "yuv420p"}, {"v2", "hevc", "hvc1", "yuv420p10le"}, {"v3", "av1", "av01", "yuv420p"}, {"v4", "av1", "av01", "yuv420p10le"},
	} {
		s, keys := look(t, files[c.id])
		if s.Codec != c.codec || s.Tag != c.tag || s.Format != c.format || s.Base != "1/30000" {
			t.Errorf("%s: %+v", c.id, s)
		}
		if d := cmp.Diff(want, keys); d != "" {
			t.Errorf("%s: key frames (-want +got):\n%s", c.id, d)
		}
	}
}

// TestKeyFramesOfFractions: a segment that is no whole number of frames begins on the first frame at or behind its time, in AVC and HEVC alike, also where a scene change has put a
// key frame in between.
func TestKeyFramesOfFractions(t *testing.T) {
	t.Parallel()
	video := func(codec media.Codec) *plan.Video {
		return &plan.Video{
			Codec: codec, Picture: ntsc(192, 108), Profile: "main", BitDepth: 8, Chroma: 420, RateControl: plan.VBR, Bitrate: 200_000, MaxBitrate: 400_000, Effort: 2,
			KeyFrameInterval: 1000, MinKeyFrameDistance: -1, SegmentLength: 700 * time.Millisecond, ClosedGOP: true, BFrames: 3, SceneChange: true,
			ReferenceFrames: 3, CABAC: true,
		}
	}
	p := &plan.Plan{Source: plan.Source{Files: []plan.SourceFile{{Demuxer: "matroska"}}}, Renditions: []plan.Rendition{
		{ID: "v0", Video: video(media.AVC)}, {ID: "v1", Video: video(media.HEVC)},
	}}
	files := encode(t, p)
	for _, id := range []string{"v0", "v1"} {
		_, keys := look(t, files[id])
		for at := int64(0); at < 13_000; at += 700 {
			frame := (at*30000 + 1001*1000 - 1) / (1001 * 1000)
			if frame*1001 <= 12_900*30 && !slices.Contains(keys, frame*1001) {
				t.Errorf("%s: no key frame on frame %d, the first at or behind %d ms: %v", id, frame, at, keys)
			}
		}
	}
}

// TestSoundAndTiles: what a decoder finds in AC-3, E-AC-3, and in pictures laid out on one.
func TestSoundAndTiles(t *testing.T) {
	t.Parallel()
	sound := func(a plan.Audio) *plan.Audio {
		a.Sources, a.SampleRate = []plan.AudioSource{{Stream: 1, Channels: 6}}, 48000
		return &a
	}
	p := &plan.Plan{Source: plan.Source{Files: []plan.SourceFile{{Demuxer: "matroska"}}}, Renditions: []plan.Rendition{
		{ID: "a0", Audio: sound(plan.Audio{Codec: media.AC3, Bitrate: 384_000, Channels: 6, DialogueLevel: 20, LFEFilter: true, Service: "VISUALLY_IMPAIRED"})},
		{ID: "a1", Audio: sound(plan.Audio{Codec: media.EAC3, Bitrate: 384_000, Channels: 6, DCFilter: true, Attenuate: true, SurroundEX: 1, Downmix: plan.DownmixLtRt, MixLevels: [4]float64{1, plan.Muted, 0.707, 0.595}})},
		{ID: "a2", Audio: sound(plan.Audio{Codec: media.EAC3, Bitrate: 192_000, Channels: 5, Attenuate: true})},
		{ID: "a3", Audio: sound(plan.Audio{Codec: media.EAC3, Bitrate: 96_000, Channels: 2, DolbySurround: 2})},
		{ID: "a4", Audio: sound(plan.Audio{Codec: media.AC3, Bitrate: 96_000, Channels: 1, Service: "COMMENTARY"})},
		{ID: "f0", Frames: &plan.Frames{
			Picture:     plan.Picture{Width: 64, Height: 36, ScaledWidth: 64, ScaledHeight: 36, FrameRate: media.Rational{Num: 1, Den: 1}, Sharpness: 50},
			MaxCaptures: 10, Quality: 80, Columns: 3, Rows: 2,
		}},
	}}
	files := encode(t, p)
	for _, c := range []struct {
		id, codec, tag, box string
		channels            int
	}{
		{"a0", "ac3", "ac-3", "dac3", 6}, {"a1", "eac3", "ec-3", "dec3", 6}, {"a2", "eac3", "ec-3", "dec3", 5}, {"a3", "eac3", "ec-3", "dec3", 2}, {"a4", "ac3", "ac-3", "dac3", 1},
	} {
		s, _ := look(t, files[c.id])
		if s.Codec != c.codec || s.Tag != c.tag || s.Channels != c.channels {
			t.Errorf("%s: %+v", c.id, s)
		}
		raw, err := os.ReadFile(files[c.id])
		if err != nil || !bytes.Contains(raw, []byte(c.box)) {
			t.Errorf("%s: no %s box (%v)", c.id, c.box, err)
		}
	}
	raw, err := os.ReadFile(files["f0"])
	if err != nil {
		t.Fatal(err)
	}
	// 14 pictures, at 0 to 13 s, or 13 of them, are three tiles of six.
	if n := bytes.Count(raw, []byte{0xff, 0xd8, 0xff}); n != 3 {
		t.Errorf("%d images, want 3", n)
	}
	out, err := exec.Command(tool(t, "ffprobe"), "-v", "error", "-f", "jpeg_pipe", "-show_entries", "stream=width,height", "-of", "csv=p=0", files["f0"]).Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "192,72" {
		t.Errorf("an image of %s, want 192,72: %v", got, err)
	}
}
