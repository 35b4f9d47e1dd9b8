package packager

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/mpegts/mpegtstest"
	"darkroom/internal/plan"
)

var ntsc = media.Rational{Num: 30000, Den: 1001}

// ladder is a job with everything: a file with two sounds, an HLS group of two variants with sound of their own and one sound alone, and
// pictures.
func ladder() *plan.Plan {
	return &plan.Plan{
		Renditions: []plan.Rendition{
			video("v0", true), video("v1", true), audio("a0"), audio("a1"),
			{ID: "f0", Frames: &plan.Frames{Picture: plan.Picture{Width: 160, Height: 90, FrameRate: media.Rational{Num: 1, Den: 1}}}},
		},
		Files: []plan.File{{Location: loc("out/film.mp4"), Video: "v0", Audio: []string{"a0", "a1"}}},
		Streams: []plan.StreamGroup{hlsGroup("out/hls/film", 1,
			variant("out/hls/film_a", 0, "", "v0", "a0"), variant("out/hls/film_b", 1, "aud", "v1"), sound("out/hls/film_c", 2, "aud", "a1"))},
		Captures: []plan.Capture{{Bucket: "b", Prefix: "out/film.", Extension: ".jpg", Rendition: "f0", Group: 2}},
	}
}

// hlsGroup is an Apple HLS group of transport streams.
func hlsGroup(name string, group int, reps ...plan.Representation) plan.StreamGroup {
	g := plan.StreamGroup{
		Kind: plan.AppleHLS, Group: group, Cut: plan.Cut{Length: 2 * time.Second, MinimumFinal: time.Second}, Representations: reps,
		HLS: []plan.HLSManifest{{Location: loc(name + ".m3u8"), HLSOptions: plan.HLSOptions{LegacyTarget: true}}},
	}
	for i := range reps {
		g.HLS[0].Representations = append(g.HLS[0].Representations, i)
	}
	return g
}

func variant(name string, output int, group, video string, audio ...string) plan.Representation {
	r := representationOf(name, output)
	r.Video, r.Audio, r.AudioGroup, r.FrameRate, r.TS = video, audio, group, ntsc, transportStream(video != "", len(audio))
	return r
}

func sound(name string, output int, group, audio string) plan.Representation {
	r := representationOf(name, output)
	r.Audio, r.TS = []string{audio}, transportStream(false, 1)
	r.Attributes = plan.Attributes{GroupID: group, Name: "deu", Language: "deu", Default: true, AutoSelect: true}
	return r
}

func representationOf(name string, output int) plan.Representation {
	return plan.Representation{
		Output: output, Format: plan.TransportStreamSegments, Playlist: loc(name + ".m3u8"), Segments: loc(name + "_"), Digits: 5, First: 1, Extension: ".ts", Key: -1,
	}
}

func ladderStreams() []stream {
	return []stream{
		{"v0", "-map 0:v -s 320x180 " + videoArgs + keyEvery("2")},
		{"v1", "-map 0:v -s 160x90 " + videoArgs + keyEvery("2")},
		{"a0", "-map 1:a -metadata:s:a:0 language=eng " + audioArgs},
		{"a1", "-map 1:a -ar 44100 -metadata:s:a:0 language=deu " + audioArgs},
		{"f0", "-map 0:v -s 160x90 -r 1 " + stillArgs},
	}
}

const ladderInput = "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=7.3 -f lavfi -i sine=d=7.3:r=48000"

func TestLadder(t *testing.T) {
	t.Parallel()
	e := startEncoder(t, t.Context(), ladderInput, ladderStreams()...)
	m := newMemory()
	sent := newCounter()
	rep, err := Run(t.Context(), ladder(), e.readers, m, Options{Ended: e.wait, OnBytes: sent.add})
	if err != nil {
		t.Fatal(err)
	}
	checkLadder(t, m, rep)
	total := int64(0)
	for _, b := range m.objects {
		total += int64(len(b))
	}
	if sent.n.Load() != total {
		t.Errorf("told of %d bytes, wrote %d", sent.n.Load(), total)
	}
}

// checkLadder checks everything that does not depend on how the renditions came.
func checkLadder(t *testing.T, m *memory, rep *Report) {
	t.Helper()
	var names []string
	for uri := range m.objects {
		names = append(names, strings.TrimPrefix(uri, "s3://b/out/"))
	}
	slices.Sort(names)
	want := []string{
		"film.0000000.jpg", "film.0000001.jpg", "film.0000002.jpg", "film.0000003.jpg", "film.0000004.jpg", "film.0000005.jpg",
		"film.0000006.jpg", "film.0000007.jpg", "film.0000008.jpg", "film.mp4",
		"hls/film.m3u8", "hls/film_a.m3u8", "hls/film_a_00001.ts", "hls/film_a_00002.ts", "hls/film_a_00003.ts", "hls/film_a_00004.ts",
		"hls/film_b.m3u8", "hls/film_b_00001.ts", "hls/film_b_00002.ts", "hls/film_b_00003.ts", "hls/film_b_00004.ts",
		"hls/film_c.m3u8", "hls/film_c_00001.ts", "hls/film_c_00002.ts", "hls/film_c_00003.ts", "hls/film_c_00004.ts",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("objects (-want +got):\n%s", diff)
	}
	if last := m.order[len(m.order)-1]; last != "s3://b/out/hls/film.m3u8" {
		t.Errorf("the last object written is %s, not the multivariant playlist", last)
	}
	for _, uri := range m.order[len(m.order)-4 : len(m.order)-1] {
		if !strings.HasSuffix(uri, ".m3u8") {
			t.Errorf("%s was written after a media playlist", uri)
		}
	}
	for uri, kind := range map[string]string{"film.mp4": "video/mp4", "film.0000003.jpg": "image/jpeg", "hls/film.m3u8": "application/vnd.apple.mpegurl", "hls/film_c_00001.ts": "video/MP2T"} {
		if got := m.types["s3://b/out/"+uri]; got != kind {
			t.Errorf("%s has type %q, want %q", uri, got, kind)
		}
	}
	if _, err := jpeg.Decode(bytes.NewReader(m.objects["s3://b/out/film.0000008.jpg"])); err != nil {
		t.Error(err)
	}
	dir := save(t, m)
	mp4 := filepath.Join(dir, "out/film.mp4")
	decode(t, mp4)
	decode(t, filepath.Join(dir, "out/hls/film.m3u8"))
	for path, frames := range map[string][3]int{
		"out/film.mp4": {219, 344, 316}, "out/hls/film_a.m3u8": {219, 344}, "out/hls/film_b.m3u8": {219}, "out/hls/film_c.m3u8": {316},
	} {
		if got := packets(t, filepath.Join(dir, path)); got != frames {
			t.Errorf("%s has packets %v, want %v", path, got, frames)
		}
	}
	checkStreams(t, m, rep, "out/hls/film_a", 4, "out/hls/film_b", 4, "out/hls/film_c", 4)
	if len(rep.Outputs) != 5 || len(rep.Objects) != len(m.objects) || len(rep.Orphans) > 0 {
		t.Fatalf("report of %d outputs, %d objects, %d orphans", len(rep.Outputs), len(rep.Objects), len(rep.Orphans))
	}
	file := rep.Outputs[0]
	if file.Width != 320 || file.Height != 180 || file.Duration != 7307300*time.Microsecond || file.Bytes != int64(len(m.objects["s3://b/out/film.mp4"])) {
		t.Errorf("report of the file: %+v", file)
	}
	durations := []time.Duration{2002 * time.Millisecond, 2002 * time.Millisecond, 2002 * time.Millisecond}
	for i, last := range []time.Duration{1301300 * time.Microsecond, 1301300 * time.Microsecond, 1294 * time.Millisecond} {
		o := rep.Outputs[2+i]
		if diff := cmp.Diff(append(slices.Clone(durations), last), o.SegmentDurations); diff != "" {
			t.Errorf("segments of output %d (-want +got):\n%s", o.Output, diff)
		}
	}
	if diff := cmp.Diff([]plan.Location{loc("out/hls/film.m3u8")}, rep.Playlists); diff != "" {
		t.Errorf("playlists (-want +got):\n%s", diff)
	}
}

// packets counts the packets of up to three streams, in the order of the container.
func packets(t testing.TB, path string) [3]int {
	t.Helper()
	var n [3]int
	for line := range strings.Lines(output(t, "ffprobe", "-v", "error", "-show_entries", "packet=stream_index", "-of", "csv=p=0", path)) {
		line = strings.Trim(line, ",\n")
		if line == "" {
			continue // side data
		}
		var i int
		if _, err := fmt.Sscan(line, &i); err != nil || i > 2 {
			t.Fatalf("ffprobe says %q", line)
		}
		n[i]++
	}
	return n
}

// checkStreams reads the segments of pairs of a prefix and a number with a parser that knows nothing of the muxer.
func checkStreams(t testing.TB, m *memory, rep *Report, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		prefix, count := pairs[i].(string), pairs[i+1].(int)
		var p mpegtstest.Parser
		for n := range count {
			key := fmt.Sprintf("s3://b/%s_%05d.ts", prefix, n+1)
			if err := p.Segment(m.objects[key]); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
		}
		if p.MaxPCRGap > 9000 {
			t.Errorf("%s: %d ticks between two values of the clock", prefix, p.MaxPCRGap)
		}
	}
}

func readers(made map[string][]byte) map[string]io.Reader {
	r := map[string]io.Reader{}
	for id, b := range made {
		r[id] = bytes.NewReader(b)
	}
	return r
}
