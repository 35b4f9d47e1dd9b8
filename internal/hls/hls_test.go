package hls_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/Eyevinn/hls-m3u8/m3u8"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/hls"
	"darkroom/internal/media"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with testdata/NAME.m3u8.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".m3u8")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func segments(durations ...time.Duration) []hls.Segment {
	names := []string{"film_00001.ts", "film_00002.ts", "film_00003.ts", "film_00004.ts"}
	out := make([]hls.Segment, len(durations))
	for i, d := range durations {
		out[i] = hls.Segment{URI: names[i], Duration: d}
	}
	return out
}

func TestMedia(t *testing.T) {
	t.Parallel()
	third := 2*time.Second + 333_333_333
	for _, tt := range []struct {
		name     string
		playlist hls.Media
	}{
		{"media-float", hls.Media{Segments: segments(10010*time.Millisecond, 10*time.Second, 3_003_003_003)}},
		{"media-integer", hls.Media{Segments: segments(6006*time.Millisecond, 6006*time.Millisecond, 6006*time.Millisecond, 2500*time.Millisecond), IntegerDurations: true}},
		{"media-sum", hls.Media{Segments: segments(third, third, third)}},
		{"media-nocache", hls.Media{Segments: segments(4 * time.Second), NoCache: true}},
		{"media-short", hls.Media{Segments: segments(40 * time.Millisecond), IntegerDurations: true}},
		{"media-empty", hls.Media{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.playlist.Encode()
			golden(t, tt.name, got)
			p, kind, err := m3u8.DecodeFrom(bytes.NewReader(got), true)
			if err != nil || kind != m3u8.MEDIA {
				t.Fatalf("another reader: %v, %v", kind, err)
			}
			sum := 0.0
			list := p.(*m3u8.MediaPlaylist)
			for _, s := range list.GetAllSegments() {
				sum += s.Duration
				if s.Duration > float64(list.TargetDuration) {
					t.Errorf("a segment of %v s, target duration %d", s.Duration, list.TargetDuration)
				}
			}
			want := 0.0
			for _, s := range tt.playlist.Segments {
				want += s.Duration.Seconds()
			}
			tolerance := 1e-6
			if tt.playlist.IntegerDurations {
				tolerance = 0.5
			}
			if sum < want-tolerance || sum > want+tolerance {
				t.Errorf("durations sum to %v s, want %v", sum, want)
			}
		})
	}
}

func TestMultivariant(t *testing.T) {
	t.Parallel()
	ntsc := media.Rational{Num: 30000, Den: 1001}
	for _, tt := range []struct {
		name     string
		playlist hls.Multivariant
	}{
		{"multivariant-muxed", hls.Multivariant{IndependentSegments: true, Variants: []hls.Variant{
			{URI: "film_720.m3u8", Bandwidth: 3_000_000, AverageBandwidth: 2_500_000, Codecs: []string{"avc1.4d401f", "mp4a.40.2"}, Width: 1280, Height: 720, FrameRate: ntsc},
			{URI: "film_360.m3u8", Bandwidth: 900_000, Codecs: []string{"avc1.42c01e"}, Width: 640, Height: 360, FrameRate: media.Rational{Num: 25, Den: 1}},
		}}},
		{"multivariant-integer", hls.Multivariant{IntegerDurations: true, Variants: []hls.Variant{{URI: "film.m3u8", Bandwidth: 1}}}},
		{"multivariant-audio", hls.Multivariant{
			Variants: []hls.Variant{
				{URI: "film_v.m3u8", Bandwidth: 3_128_000, AverageBandwidth: 2_628_000, Codecs: []string{"avc1.64001f", "mp4a.40.2"}, Audio: "aud"},
				{URI: "film_a.m3u8", Bandwidth: 128_000, Codecs: []string{"mp4a.40.2"}},
			},
			Renditions: []hls.Rendition{
				{URI: "film_deu.m3u8", GroupID: "aud", Name: "Deutsch", Language: "deu", Default: true},
				{URI: "film_eng.m3u8", GroupID: "aud", Name: "Eng \"lish\"\n", AutoSelect: true},
				{URI: "film_com.m3u8", GroupID: "aud", Name: "Commentary, 1"},
			},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.playlist.Encode()
			golden(t, tt.name, got)
			p, kind, err := m3u8.DecodeFrom(bytes.NewReader(got), true)
			if err != nil || kind != m3u8.MASTER {
				t.Fatalf("another reader: %v, %v", kind, err)
			}
			if n := len(p.(*m3u8.MasterPlaylist).Variants); n != len(tt.playlist.Variants) {
				t.Errorf("another reader sees %d variants, want %d", n, len(tt.playlist.Variants))
			}
		})
	}
}

func TestRelativeURI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, from, to, want string }{
		{"beside", "a/b/m.m3u8", "a/b/s_00001.ts", "s_00001.ts"},
		{"no directory", "m.m3u8", "s.ts", "s.ts"},
		{"below", "a/m.m3u8", "a/b/c/s.ts", "b/c/s.ts"},
		{"above", "a/b/m.m3u8", "a/s.ts", "../s.ts"},
		{"apart", "a/b/c/m.m3u8", "a/x/s.ts", "../../x/s.ts"},
		{"prefix that is no directory", "a/bc/m.m3u8", "a/b/s.ts", "../b/s.ts"},
		{"space, percent, question mark, hash", "a/m.m3u8", "a/s 100%?#.ts", "s%20100%25%3F%23.ts"},
		{"not ASCII", "a/m.m3u8", "a/Fuß.ts", "Fu%C3%9F.ts"},
		{"colon is no scheme", "a/m.m3u8", "a/x:y.ts", "./x:y.ts"},
		{"empty directory", "a/m.m3u8", "a//s.ts", ".//s.ts"},
		{"control characters", "a/m.m3u8", "a/s\n#EXT.ts", "s%0A%23EXT.ts"},
		{"quotes", "a/m.m3u8", `a/"s".ts`, "%22s%22.ts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := hls.RelativeURI(tt.from, tt.to); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBandwidth(t *testing.T) {
	t.Parallel()
	s := func(seconds float64, bytes int64) hls.Load {
		return hls.Load{Duration: time.Duration(seconds * float64(time.Second)), Bytes: bytes}
	}
	for _, tt := range []struct {
		name          string
		loads         []hls.Load
		target        time.Duration
		peak, average int64
	}{
		{"none", nil, time.Second, 0, 0},
		{"one", []hls.Load{s(2, 1000)}, 2 * time.Second, 4000, 4000},
		{"one too short to be a peak", []hls.Load{s(0.5, 1000)}, 6 * time.Second, 16000, 16000},
		{"peak in the middle", []hls.Load{s(4, 1000), s(4, 3000), s(4, 1000)}, 4 * time.Second, 6000, 3334},
		{"a short last one counts with its neighbour", []hls.Load{s(4, 1000), s(1, 2000)}, 4 * time.Second, 4800, 4800},
		{"rounded up", []hls.Load{s(3, 1)}, 3 * time.Second, 3, 3},
		{"no duration", []hls.Load{s(0, 10)}, time.Second, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			peak, average := hls.Bandwidth(tt.loads, tt.target)
			if peak != tt.peak || average != tt.average {
				t.Errorf("got %d, %d; want %d, %d", peak, average, tt.peak, tt.average)
			}
		})
	}
}
