package packager

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/hls-m3u8/m3u8"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cmaf"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

func master(t testing.TB, m *memory, uri string) *m3u8.MasterPlaylist {
	t.Helper()
	p, kind, err := m3u8.DecodeFrom(bytes.NewReader(m.objects[uri]), true)
	if err != nil || kind != m3u8.MASTER {
		t.Fatalf("%s: %v, %v", uri, kind, err)
	}
	return p.(*m3u8.MasterPlaylist)
}

// rates are the peak and the average bit rate of a media playlist, reckoned from its objects: here each segment is a set of its own.
func rates(t testing.TB, m *memory, dir, name string) (peak, average float64) {
	t.Helper()
	p, _, err := m3u8.DecodeFrom(bytes.NewReader(m.objects["s3://b/"+dir+name]), true)
	if err != nil {
		t.Fatal(err)
	}
	bits, seconds := 0.0, 0.0
	for _, s := range p.(*m3u8.MediaPlaylist).GetAllSegments() {
		n := float64(len(m.objects["s3://b/"+dir+s.URI])) * 8
		if n == 0 {
			t.Fatalf("%s names %s, which is not there", name, s.URI)
		}
		if s.Duration >= 1.5 { // half of the target duration, which is 3
			peak = max(peak, n/s.Duration)
		}
		bits += n
		seconds += s.Duration
	}
	return peak, bits / seconds
}

func TestMultivariantPlaylist(t *testing.T) {
	t.Parallel()
	made := encodeOnce(t, ladderInput, ladderStreams()...)
	m := newMemory()
	if _, err := Run(t.Context(), ladder(), readers(made), m, Options{}); err != nil {
		t.Fatal(err)
	}
	p := master(t, m, "s3://b/out/hls/film.m3u8")
	if p.Version() != 4 || !p.IndependentSegments() || len(p.Variants) != 2 {
		t.Fatalf("version %d, independent %v, %d variants", p.Version(), p.IndependentSegments(), len(p.Variants))
	}
	peakC, averageC := rates(t, m, "out/hls/", "film_c.m3u8")
	for i, want := range []struct {
		uri, resolution, audio string
		codecs                 int
		group                  bool
	}{{"film_a.m3u8", "320x180", "", 2, false}, {"film_b.m3u8", "160x90", "aud", 2, true}} {
		v := p.Variants[i]
		if v.URI != want.uri || v.Resolution != want.resolution || v.Audio != want.audio || len(strings.Split(v.Codecs, ",")) != want.codecs || math.Abs(v.FrameRate-29.97) > 0.001 {
			t.Errorf("variant %+v", v)
		}
		peak, average := rates(t, m, "out/hls/", v.URI)
		if want.group {
			peak, average = peak+peakC, average+averageC
		}
		if math.Abs(float64(v.Bandwidth)-peak) > 2 || math.Abs(float64(v.AverageBandwidth)-average) > 2 {
			t.Errorf("%s: bandwidth %d, average %d; want %.0f and %.0f", v.URI, v.Bandwidth, v.AverageBandwidth, peak, average)
		}
	}
	alternatives := p.Variants[1].Alternatives
	if len(alternatives) != 1 || alternatives[0].URI != "film_c.m3u8" || alternatives[0].Name != "deu" || !alternatives[0].Default {
		t.Errorf("alternatives %+v", alternatives)
	}
}

// The segments of all variants and of sound of its own begin at the same times.
func TestSegmentsAreAligned(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{true, false} {
		t.Run(fmt.Sprintf("closed %v", closed), func(t *testing.T) {
			t.Parallel()
			args := videoArgs + keyEvery("2")
			if !closed {
				args += " -x264-params open-gop=1:keyint=50:bframes=3"
			}
			p := hlsOnly("v0")
			g := &p.Streams[0]
			p.Renditions = []plan.Rendition{video("v0", closed), video("v1", closed), audio("a0")}
			*g = hlsGroup("film", 1, variant("film_v", 0, "", "v0"), variant("low/film", 1, "g", "v1"), sound("film_s", 2, "g", "a0"))
			g.Cut.MinimumFinal = 0
			e := startEncoder(t, t.Context(), "-f lavfi -i testsrc2=s=320x180:r=25:d=9 -f lavfi -i sine=d=9:r=44100",
				stream{"v0", "-map 0:v " + args}, stream{"v1", "-map 0:v -s 160x90 " + args}, stream{"a0", "-map 1:a " + audioArgs})
			m := newMemory()
			rep, err := Run(t.Context(), p, e.readers, m, Options{Ended: e.wait})
			if err != nil {
				t.Fatal(err)
			}
			want := []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second, time.Second}
			for i, o := range rep.Outputs {
				got := slices.Clone(o.SegmentDurations)
				if i == 2 && len(got) == 5 {
					got[4] = got[4].Round(100 * time.Millisecond) // to the end of the last frame
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("output %d (-want +got):\n%s", i, diff)
				}
			}
			list := master(t, m, "s3://b/film.m3u8")
			if list.IndependentSegments() != closed {
				t.Errorf("independent segments: %v", list.IndependentSegments())
			}
			if list.Variants[1].URI != "low/film.m3u8" {
				t.Errorf("a variant below: %s", list.Variants[1].URI)
			}
			decode(t, filepath.Join(save(t, m), "film.m3u8"))
		})
	}
}

// TestOneTargetDuration: the media playlists of a group have one target duration, also where frames of sound make its segments longer than those of pictures,
// and sound that goes on behind the picture makes no segment of two lengths.
func TestOneTargetDuration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, picture, sound string // seconds
		want                 string
		durations            []float64 // of sound
	}{
		{"sound of whole frames", "6", "6", "3", []float64{2, 2, 2}},
		{"sound that goes on", "3.92", "7", "3", []float64{2, 2, 2, 1}},
		{"sound that goes on for less than a second behind the last segment", "3.92", "4.9", "3", []float64{2, 2.9}},
		{"sound that goes on for longer than that", "3.92", "5.2", "3", []float64{2, 2, 1.2}},
		{"sound that goes on behind a whole segment", "4", "7", "3", []float64{2, 2, 2, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := hlsOnly("v0")
			p.Renditions = append(p.Renditions, audio("a0"))
			p.Streams[0] = hlsGroup("film", 1, variant("film_v", 0, "g", "v0"), sound("film_s", 1, "g", "a0"))
			p.Streams[0].Cut.MinimumFinal, p.Streams[0].Representations[0].FrameRate = 0, media.Rational{Num: 25, Den: 1}
			made := encodeOnce(t, "-f lavfi -i testsrc2=s=160x90:r=25:d="+tt.picture+" -f lavfi -i sine=r=48000:d="+tt.sound,
				stream{"v0", "-map 0:v " + videoArgs + keyEvery("2")}, stream{"a0", "-map 1:a " + audioArgs})
			m := newMemory()
			rep, err := Run(t.Context(), p, readers(made), m, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"film_v.m3u8", "film_s.m3u8"} {
				if list := string(m.objects["s3://b/"+name]); !strings.Contains(list, "#EXT-X-TARGETDURATION:"+tt.want+"\n") {
					t.Errorf("%s has not the target duration %s:\n%s", name, tt.want, list)
				}
			}
			var got []float64
			for _, d := range rep.Outputs[1].SegmentDurations {
				got = append(got, d.Seconds())
			}
			if !slices.EqualFunc(got, tt.durations, func(a, b float64) bool { return math.Abs(a-b) < 0.03 }) {
				t.Errorf("sound in segments of %v s, want %v", got, tt.durations)
			}
			for _, f := range findings(t, m) {
				if f.Rule != "stream-end" { // that sound goes on
					t.Error(f)
				}
			}
		})
	}
}

func TestSegmentsOnly(t *testing.T) {
	t.Parallel()
	p := hlsOnly("v0", "a0")
	p.Streams[0].HLS = nil
	p.Streams[0].Representations[0].Segments.Key = "film_\x01dt\x02_"
	m := newMemory()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	rep, err := Run(t.Context(), p, readers(shortFilm(t)), m, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.Location{loc("film_20260304T050607_00001.ts"), loc("film_20260304T050607_00002.ts")}
	if diff := cmp.Diff(want, rep.Outputs[0].Paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if len(m.objects) != 2 || len(rep.Playlists) != 0 {
		t.Errorf("objects %v, playlists %v", m.order, rep.Playlists)
	}
}

// TestStampsInSingleFiles: the time in a segment modifier is written into the names of single files and of captions that are one object, too.
func TestStampsInSingleFiles(t *testing.T) {
	t.Parallel()
	p := subtitled(hlsCaptions(plan.TextOptions{Whole: true}))
	g := &p.Streams[0]
	g.SingleFile = true
	for i, name := range []string{"film_v", "film_c"} {
		g.Representations[i].Segments.Key = name + "_\x01dt\x02_\x01d\x02_\x01t\x02"
	}
	m := newMemory()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	if _, err := Run(t.Context(), p, readers(sevenSeconds(t)), m, Options{Captions: said(t), Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]string{"film_v.m3u8": "film_v_20260304T050607_20260304_050607.ts", "film_c.m3u8": "film_c_20260304T050607_20260304_050607.vtt"} {
		if m.objects["s3://b/"+want] == nil || !bytes.Contains(m.objects["s3://b/"+list], []byte("\n"+want+"\n")) {
			t.Errorf("no %s in %q:\n%s", want, m.order, m.objects["s3://b/"+list])
		}
	}
}

func TestIntegerDurations(t *testing.T) {
	t.Parallel()
	p := hlsOnly("v0", "a0")
	p.Streams[0].HLS[0].IntegerDurations, p.Streams[0].HLS[0].NoCache = true, true
	m := newMemory()
	if _, err := Run(t.Context(), p, readers(shortFilm(t)), m, Options{}); err != nil {
		t.Fatal(err)
	}
	want := "#EXTM3U\n#EXT-X-VERSION:2\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-ALLOW-CACHE:NO\n" +
		"#EXTINF:2,\nfilm_v_00001.ts\n#EXTINF:1,\nfilm_v_00002.ts\n#EXT-X-ENDLIST\n"
	if diff := cmp.Diff(want, string(m.objects["s3://b/film_v.m3u8"])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A last segment that is too short is joined to the one before, also when that is being uploaded in parts already.
func TestLastSegmentIsJoined(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		made    map[string][]byte
		length  time.Duration
		least   time.Duration
		want    []time.Duration
		uploads int
	}{
		{"joined", shortFilm(t), 2 * time.Second, 1500 * time.Millisecond, []time.Duration{3008 * time.Millisecond}, 0},
		{"long enough", shortFilm(t), 2 * time.Second, time.Second, []time.Duration{2 * time.Second, 1008 * time.Millisecond}, 0},
		{"longer than a segment", shortFilm(t), time.Second, 5 * time.Second, []time.Duration{time.Second, 2008 * time.Millisecond}, 0},
		{"in parts", heavyVideo(t), 2 * time.Second, 3 * time.Second, []time.Duration{4 * time.Second}, 1},
		{"two in parts", heavyVideo(t), 2 * time.Second, 0, []time.Duration{2 * time.Second, 2 * time.Second}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := hlsOnly("v0", "a0")
			p.Streams[0].Cut.Length, p.Streams[0].Cut.MinimumFinal = tt.length, tt.least
			m := newMemory()
			rep, err := Run(t.Context(), p, readers(tt.made), m, Options{PartSize: minPartSize})
			if err != nil {
				t.Fatal(err)
			}
			o := rep.Outputs[0]
			close := func(a, b time.Duration) bool { return a-b < 30*time.Millisecond && b-a < 30*time.Millisecond }
			if !slices.EqualFunc(o.SegmentDurations, tt.want, close) {
				t.Errorf("segments of %v, want %v", o.SegmentDurations, tt.want)
			}
			if m.created != tt.uploads {
				t.Errorf("%d uploads in parts, want %d", m.created, tt.uploads)
			}
			if tt.uploads == 0 { // the others take long to decode
				decode(t, filepath.Join(save(t, m), "film_v.m3u8"))
			}
			checkStreams(t, m, rep, "film_v", o.Segments)
		})
	}
}

// What waits to be joined is held in memory, so it has a limit: beyond it the last segment stays one, though it is short.
func TestJoinIsBounded(t *testing.T) {
	t.Parallel()
	made := noise(t)
	perSecond := len(made["v0"]) / 2
	length := maxJoin/perSecond + 2
	p := hlsOnly("v0")
	p.Streams[0].Cut.Length = time.Duration(length) * time.Second
	p.Streams[0].Cut.MinimumFinal = time.Hour
	in := map[string]io.Reader{"v0": newEndless(t, made["v0"], 2*length)}
	rep, err := Run(t.Context(), p, in, null{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := rep.Outputs[0].Segments; got != 2 {
		t.Errorf("%d segments, want 2", got)
	}
}

// An encoder that makes more pictures than it was asked for is not followed.
func TestCapturesAreBounded(t *testing.T) {
	t.Parallel()
	p := ladder()
	p.Renditions, p.Files, p.Streams = p.Renditions[4:], nil, nil
	p.Captures = append(p.Captures, plan.Capture{Bucket: "b", Prefix: "other/film.", Extension: ".jpeg", Rendition: "f0"})
	made := encodeOnce(t, ladderInput, ladderStreams()...)
	for _, tt := range []struct {
		limit int
		good  bool
	}{{8, false}, {9, true}, {0, true}} {
		p.Renditions[0].Frames.MaxCaptures = tt.limit
		m := newMemory()
		_, err := Run(t.Context(), p, map[string]io.Reader{"f0": bytes.NewReader(made["f0"])}, m, Options{})
		if (err == nil) != tt.good {
			t.Errorf("limit %d: %v", tt.limit, err)
		}
		if tt.good && (len(m.objects) != 18 || !bytes.Equal(m.objects["s3://b/out/film.0000004.jpg"], m.objects["s3://b/other/film.0000004.jpeg"])) {
			t.Errorf("limit %d: objects %v", tt.limit, m.order)
		}
	}
}

// lone is a track of which the first sample alone is a key frame.
type lone struct {
	TrackReader
	begun bool
}

func (l *lone) Read(b *media.Batch) error {
	err := l.TrackReader.Read(b)
	for i := range b.Samples {
		b.Samples[i].Sync = !l.begun && i == 0
	}
	l.begun = true
	return err
}

// Without key frames a fragment has no end: that is said before it fills the memory, and no manifest is written.
func TestNoKeyFrames(t *testing.T) {
	t.Parallel()
	p := hlsOnly("v0")
	r := &p.Streams[0].Representations[0]
	p.Streams[0].Kind = plan.CMAF
	r.Format, r.Extension, r.Init = plan.FragmentedMP4, ".cmfv", loc("film_init.cmfv")
	film := shortFilm(t)["v0"]
	for _, tt := range []struct {
		name  string
		limit int64
		want  error
	}{{"more than there is room for", int64(len(film)) / 2, errNoKeyFrame}, {"no more than there is room for", int64(len(film)), nil}} {
		m := newMemory()
		tracks := map[string]TrackReader{"v0": &lone{TrackReader: cmaf.NewReader(bytes.NewReader(film))}}
		_, err := Run(t.Context(), p, nil, m, Options{Tracks: tracks, fragmentLimit: tt.limit})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		for uri := range m.objects {
			if err != nil && strings.HasSuffix(uri, ".m3u8") {
				t.Errorf("%s: %s was written", tt.name, uri)
			}
		}
	}
}
