package hls_test

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/hls-m3u8/m3u8"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
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

// with changes segments.
func with(s []hls.Segment, change func(int, *hls.Segment)) []hls.Segment {
	for i := range s {
		change(i, &s[i])
	}
	return s
}

// drm are the keys of three systems.
var drm = []cenc.HLSKey{
	{Method: "SAMPLE-AES", URI: "skd://key-1", KeyFormat: "com.apple.streamingkeydelivery", KeyFormatVersions: "1"},
	{
		Method: "SAMPLE-AES", URI: "data:text/plain;base64,AAAAPnBzc2g=", KeyID: "0x00112233445566778899aabbccddeeff",
		KeyFormat: "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", KeyFormatVersions: "1",
	},
	{Method: "SAMPLE-AES", URI: "data:text/plain;charset=UTF-16;base64,pAAA", KeyFormat: "com.microsoft.playready", KeyFormatVersions: "1"},
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
		{"media-target-nearest", hls.Media{Segments: segments(6400*time.Millisecond, 6*time.Second), NearestTarget: true}},
		{"media-target-up", hls.Media{Segments: segments(6400*time.Millisecond, 6*time.Second)}},
		{"media-fmp4", hls.Media{Segments: with(segments(4*time.Second, 4*time.Second), func(i int, s *hls.Segment) { s.Map = &hls.Map{URI: "film_init.mp4"} })}},
		{"media-single-file", hls.Media{Segments: with(segments(4*time.Second, 4*time.Second, time.Second), func(i int, s *hls.Segment) {
			s.URI, s.Range = "film.mp4", hls.ByteRange{Length: 1000 + int64(i), Offset: 800 + 1000*int64(i)}
			s.Map = &hls.Map{URI: "film.mp4", Range: hls.ByteRange{Length: 800}}
		})}},
		{"media-single-ts", hls.Media{IntegerDurations: true, Segments: with(segments(4*time.Second, 4*time.Second), func(i int, s *hls.Segment) {
			s.URI, s.Range = "film.ts", hls.ByteRange{Length: 1880, Offset: 1880 * int64(i)}
		})}},
		{"media-aes128", hls.Media{Segments: with(segments(4*time.Second, 4*time.Second), func(i int, s *hls.Segment) {
			s.Keys = []cenc.HLSKey{{Method: "AES-128", URI: "https://keys.example/k?a=1,b=\"2\""}}
		})}},
		{"media-aes128-iv", hls.Media{IntegerDurations: true, Segments: with(segments(4*time.Second, 4*time.Second), func(i int, s *hls.Segment) {
			s.Keys = []cenc.HLSKey{{Method: "AES-128", URI: "k.bin", IV: bytes.Repeat([]byte{0xa5}, 16)}}
		})}},
		{"media-aes128-init", hls.Media{Segments: with(segments(4*time.Second), func(i int, s *hls.Segment) {
			s.Keys = []cenc.HLSKey{{Method: "AES-128", URI: "k.bin", IV: bytes.Repeat([]byte{0xa5}, 16)}}
			s.Map = &hls.Map{URI: "film_init.mp4", Encrypted: true}
		})}},
		{"media-drm", hls.Media{Segments: with(segments(4*time.Second, 4*time.Second), func(i int, s *hls.Segment) { s.Map, s.Keys = &hls.Map{URI: "film_init.mp4"}, drm })}},
		{"media-clear-lead", hls.Media{Segments: with(segments(4*time.Second, 4*time.Second, 4*time.Second), func(i int, s *hls.Segment) {
			if s.Map = (&hls.Map{URI: "film_clear.mp4"}); i > 0 {
				s.Map, s.Keys = &hls.Map{URI: "film_init.mp4"}, drm
			}
		})}},
		{"media-clear-end", hls.Media{Segments: with(segments(4*time.Second, 4*time.Second, 4*time.Second), func(i int, s *hls.Segment) {
			if i < 2 {
				s.Keys = []cenc.HLSKey{{Method: "AES-128", URI: "k.bin"}}
			}
		})}},
		{"media-iframes", hls.Media{IFramesOnly: true, Segments: with(segments(2*time.Second, 2*time.Second, 2*time.Second), func(i int, s *hls.Segment) {
			s.Range = hls.ByteRange{Length: 376, Offset: 188 * int64(i)}
		})}},
		{"media-iframes-fmp4", hls.Media{IFramesOnly: true, Segments: with(segments(2*time.Second), func(i int, s *hls.Segment) {
			s.URI, s.Range, s.Map = "film_000000001.mp4", hls.ByteRange{Length: 376, Offset: 100}, &hls.Map{URI: "film_init.mp4"}
		})}},
		{"media-images", hls.Media{ImagesOnly: true, Tiles: &hls.Tiles{Columns: 5, Rows: 4, Width: 312, Height: 176, Interval: 2002 * time.Millisecond}, Segments: []hls.Segment{
			{URI: "film_tiles_00001.jpg", Duration: 40040 * time.Millisecond}, {URI: "film_tiles_00002.jpg", Duration: 10 * time.Second},
		}}},
		{"media-images-alone", hls.Media{ImagesOnly: true, Segments: []hls.Segment{{URI: "film_00001.jpg", Duration: 2 * time.Second}}}},
		{"media-program-date-time", hls.Media{
			ProgramDateTime: 10 * time.Second, Begin: time.Date(2026, 11, 3, 23, 59, 55, 40_000_000, time.FixedZone("", 3600)),
			Segments: segments(4004*time.Millisecond, 8*time.Second, 12*time.Second, time.Second),
		}},
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
				if math.Round(s.Duration) > float64(list.TargetDuration) || s.Duration > float64(list.TargetDuration) && !tt.playlist.NearestTarget {
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
		{"multivariant-everything", hls.Multivariant{
			IndependentSegments: true,
			SessionKeys:         append(drm[:2:2], drm[0]),
			Variants: hls.Variant{
				URI: "film_v.m3u8", Bandwidth: 3_000_000, AverageBandwidth: 2_500_000, Codecs: []string{"hvc1.2.4.L120.B0"}, Width: 1920, Height: 1080,
				FrameRate: ntsc, VideoRange: "PQ", Subtitles: "subs", NoClosedCaptions: true,
			}.With(
				group("aac", 128_000, 120_000, "mp4a.40.2"), group("dolby", 384_000, 384_000, "ec-3"),
			),
			Renditions: []hls.Rendition{
				{URI: "film_eng.m3u8", GroupID: "aac", Name: "English", Language: "en", Default: true, Channels: 2},
				{URI: "film_dvs.m3u8", GroupID: "aac", Name: "English DVS", Language: "en", AutoSelect: true, Channels: 2, Characteristics: []string{hls.DescribesVideo}},
				{URI: "film_51.m3u8", GroupID: "dolby", Name: "English 5.1", Language: "en", Default: true, Channels: 6},
				{Type: hls.Subtitles, URI: "film_cc.m3u8", GroupID: "subs", Name: "English CC", Language: "en", AutoSelect: true, Characteristics: []string{hls.TranscribesSpokenDialog, hls.DescribesMusicAndSound}},
				{Type: hls.Subtitles, URI: "film_forced.m3u8", GroupID: "subs", Name: "Forced", Language: "en", AutoSelect: true, Forced: true},
			},
			IFrames: []hls.IFrameStream{{URI: "film_v_I-Frame.m3u8", Bandwidth: 500_000, AverageBandwidth: 400_000, Codecs: []string{"hvc1.2.4.L120.B0"}, Width: 1920, Height: 1080, VideoRange: "PQ"}},
			Images:  []hls.ImageStream{{URI: "film_tiles.m3u8", Bandwidth: 12_000, Width: 312, Height: 176}},
		}},
		{"multivariant-rfc4281", hls.Multivariant{RFC4281: true, Variants: []hls.Variant{
			{URI: "film.m3u8", Bandwidth: 1, Codecs: []string{"avc1.42c01e", "mp4a.40.2"}}, {URI: "film_b.m3u8", Bandwidth: 1, Codecs: []string{"avc1.4d401f", "ec-3"}},
		}}},
		{"multivariant-captions", hls.Multivariant{
			Variants: []hls.Variant{{URI: "film.m3u8", Bandwidth: 1, ClosedCaptions: "cc"}},
			Renditions: []hls.Rendition{
				{Type: hls.ClosedCaptions, GroupID: "cc", Name: "English", Language: "en", InstreamID: "CC1", Default: true},
				{Type: hls.ClosedCaptions, GroupID: "cc", Name: "Deutsch", Language: "de", InstreamID: "SERVICE2", URI: "no.m3u8"},
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
			if n := len(p.(*m3u8.MasterPlaylist).Variants); n != len(tt.playlist.Variants)+len(tt.playlist.IFrames) {
				t.Errorf("another reader sees %d variants, want %d", n, len(tt.playlist.Variants))
			}
		})
	}
}

func group(id string, peak, average int64, codec string) hls.AudioGroup {
	g := hls.AudioGroup{ID: id}
	g.Add(peak/2, average, codec) // a smaller one of the group counts no more than the greatest
	g.Add(peak, average/2, codec)
	return g
}

func TestRFC4281(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, codec, want string }{
		{"baseline", "avc1.42c01e", "avc1.66.30"},
		{"main", "avc1.4d401f", "avc1.77.31"},
		{"high, upper case", "avc1.640028", "avc1.100.40"},
		{"parameter sets in band", "avc3.640028", "avc3.100.40"},
		{"already", "avc1.77.30", "avc1.77.30"},
		{"HEVC", "hvc1.2.4.L120.B0", "hvc1.2.4.L120.B0"},
		{"AAC", "mp4a.40.2", "mp4a.40.2"},
		{"no profile", "avc1", "avc1"},
		{"no hexadecimal", "avc1.4d40zz", "avc1.4d40zz"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := hls.RFC4281(tt.codec); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestNoDrift holds what a player adds up to the media, for a day of odd segments.
func TestNoDrift(t *testing.T) {
	t.Parallel()
	var m hls.Media
	frame := func(n int64) time.Duration { return time.Duration(n * 1001 * int64(time.Second) / 24000) }
	for n := int64(0); n < 24*3600*24; n += 145 {
		m.Segments = append(m.Segments, hls.Segment{URI: "s.ts", Duration: frame(n+145) - frame(n)})
	}
	for _, integer := range []bool{false, true} {
		m.IntegerDurations = integer
		p, _, err := m3u8.DecodeFrom(bytes.NewReader(m.Encode()), true)
		if err != nil {
			t.Fatal(err)
		}
		said, real := 0.0, time.Duration(0)
		for i, s := range p.(*m3u8.MediaPlaylist).GetAllSegments() {
			said += s.Duration
			real += m.Segments[i].Duration
			limit := 1e-6
			if integer {
				limit = 0.5
			}
			if off := math.Abs(said - real.Seconds()); off > limit+1e-7 {
				t.Fatalf("segment %d is said to end at %f, and ends at %f", i, said, real.Seconds())
			}
		}
	}
}

// FuzzInjection says that no text of users makes a tag, an attribute or a line.
func FuzzInjection(f *testing.F) {
	f.Add("English", "film.ts")
	f.Add("a\",URI=\"evil\n#EXT-X-ENDLIST", "\r\n#EXT-X-KEY:METHOD=NONE")
	f.Add("\u2028#EXT\u0085\x7f", "#EXTINF:1,")
	f.Add("\xff\xfe\x00", "a\" b\\\t")
	f.Fuzz(func(t *testing.T, text, uri string) {
		key := cenc.HLSKey{Method: "SAMPLE-AES" + text, URI: uri, KeyFormat: text, KeyFormatVersions: text, KeyID: "0x1" + text}
		master := func(text, uri string, key cenc.HLSKey) []byte {
			m := hls.Multivariant{
				SessionKeys: []cenc.HLSKey{key},
				Renditions: []hls.Rendition{
					{GroupID: text, Name: text, Language: "e" + text, URI: "u" + uri, Characteristics: []string{"c" + text}},
					{Type: hls.ClosedCaptions, GroupID: text, Name: text, InstreamID: text},
				},
				Variants: []hls.Variant{{URI: uri, Bandwidth: 1, Codecs: []string{text}, Audio: "a" + text, Subtitles: "s" + text, VideoRange: "P" + text, ClosedCaptions: "c" + text}},
				IFrames:  []hls.IFrameStream{{URI: uri, Codecs: []string{text}}},
				Images:   []hls.ImageStream{{URI: uri}},
			}
			return m.Encode()
		}
		list := func(uri string, key cenc.HLSKey) []byte {
			m := hls.Media{Segments: []hls.Segment{{URI: uri, Duration: time.Second, Keys: []cenc.HLSKey{key}, Map: &hls.Map{URI: uri}}}}
			return m.Encode()
		}
		plain := cenc.HLSKey{Method: "SAMPLE-AES", URI: "u", KeyFormat: "f", KeyFormatVersions: "1", KeyID: "0x1"}
		if uri == "" {
			return // a playlist that names nothing
		}
		if text == "" {
			plain.KeyFormat, plain.KeyFormatVersions = "", ""
		}
		same(t, master("x", "u", plain), master(text, uri, key))
		same(t, list("u", plain), list(uri, key))
	})
}

// same holds two playlists to have the same lines: the same tags with the same attributes, and references in the same places.
func same(t *testing.T, want, got []byte) {
	t.Helper()
	shape := func(b []byte) []string {
		var out []string
		// Whatever a reader may take for the end of a line.
		for _, line := range strings.FieldsFunc(strings.TrimSuffix(string(b), "\n"), func(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) }) {
			tag, list, ok := strings.Cut(line, ":")
			if !strings.HasPrefix(line, "#") || !ok {
				if !strings.HasPrefix(line, "#") {
					tag = "reference"
				}
				out = append(out, tag)
				continue
			}
			if strings.HasPrefix(list, "1") || tag == "#EXT-X-VERSION" || tag == "#EXT-X-PLAYLIST-TYPE" {
				out = append(out, tag)
				continue
			}
			for _, name := range attribute.FindAllString(list, -1) {
				tag += " " + name[:strings.IndexByte(name, '=')]
			}
			if rest := attribute.ReplaceAllString(list, ""); rest != "" {
				t.Errorf("%q is left of %q", rest, line)
			}
			out = append(out, tag)
		}
		return out
	}
	if diff := cmp.Diff(shape(want), shape(got)); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, got)
	}
}

// attribute is one of an attribute-list, RFC 8216 4.2.
var attribute = regexp.MustCompile(`(?:^|,)[A-Z0-9-]+=(?:"[^"\r\n]*"|[^",\s]*)`)

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
