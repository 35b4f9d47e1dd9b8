package packager

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// imageGroup is a CMAF group of a picture and images of it.
func imageGroup(cut plan.Cut, tiles plan.Tiles, rate media.Rational) *plan.Plan {
	g := trickGroup(plan.CMAF, false)
	g.Cut = cut
	v := &g.Representations[0]
	v.IFrames, v.FrameRate = nil, ntsc
	g.Representations = append(g.Representations, plan.Representation{
		Format: plan.Images, Frames: "f0", Key: -1, Segments: loc("film_t_"), Playlist: loc("film_t.m3u8"), Digits: 9, First: 1, Extension: ".jpg", FrameRate: rate, Tiles: &tiles,
	})
	g.HLS[0].Representations = []int{0, 1}
	g.DASH = []plan.DASHManifest{{Location: loc("film.mpd"), Representations: []int{0, 1}, Style: plan.BasicStyle, Precise: true}}
	return &plan.Plan{Renditions: []plan.Rendition{video("v0", true), {ID: "f0", Frames: &plan.Frames{Picture: plan.Picture{FrameRate: rate}}}}, Streams: []plan.StreamGroup{g}}
}

// runImages packages a film with so many images, and returns what is made.
func runImages(t *testing.T, p *plan.Plan, film *cadenced, images int) *memory {
	t.Helper()
	m := newMemory()
	in := map[string]io.Reader{"f0": bytes.NewReader(bytes.Repeat(picture(t, 16, 16), images))}
	if _, err := Run(t.Context(), p, in, m, Options{Tracks: map[string]TrackReader{"v0": film}}); err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	extinf    = regexp.MustCompile(`#EXTINF:([\d.]+),`)
	timelines = regexp.MustCompile(`(?s)<SegmentTemplate[^>]*timescale="(\d+)"[^>]*>\s*<SegmentTimeline>(.*?)</SegmentTimeline>`)
)

// TestImagesOfSegments: images that follow the segmentation last as long as the segments, in every manifest, also where these are of a frame more and a frame less,
// or a last one is joined.
func TestImagesOfSegments(t *testing.T) {
	t.Parallel()
	exact := func(n int) bool { // the first frame at or behind each multiple of 2 s
		return n == 0 || n*1001/30000/2 > (n-1)*1001/30000/2
	}
	for _, tt := range []struct {
		name   string
		cut    plan.Cut
		frames int
		want   int
	}{
		{"of frames that do not fit", plan.Cut{Length: 2 * time.Second}, 30 * 130, 66},
		{"the last one joined", plan.Cut{Length: 2 * time.Second, MinimumFinal: 1500 * time.Millisecond}, 30 * 7, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := imageGroup(tt.cut, plan.Tiles{Columns: 1, Rows: 1, Width: 16, Height: 16, Interval: 2 * time.Second, Segments: true}, media.Rational{Num: 1, Den: 2})
			m := runImages(t, p, newCadenced(t, ntsc, tt.frames, exact), (tt.frames+59)/60+1)
			film, images := string(m.objects["s3://b/film_v.m3u8"]), string(m.objects["s3://b/film_t.m3u8"])
			want, got := extinf.FindAllString(film, -1), extinf.FindAllString(images, -1)
			if len(want) != tt.want || !slices.Equal(got, want) {
				t.Errorf("images last %d times %v, segments %d times %v", len(got), got[:min(4, len(got))], len(want), want[:min(4, len(want))])
			}
			all := timelines.FindAllStringSubmatch(string(m.objects["s3://b/film.mpd"]), -1)
			if len(all) != 2 || all[0][1] != all[1][1] || strings.Join(strings.Fields(all[0][2]), " ") != strings.Join(strings.Fields(all[1][2]), " ") {
				t.Errorf("the timelines differ:\n%s", m.objects["s3://b/film.mpd"])
			}
		})
	}
}

// TestImagesDoNotDrift: an image of groups of pictures that are no whole number of milliseconds lasts as long in an MPD, to the tick.
func TestImagesDoNotDrift(t *testing.T) {
	t.Parallel()
	rate := media.Rational{Num: 600, Den: 1001} // one in 50 frames
	p := imageGroup(plan.Cut{Length: 2 * time.Second}, plan.Tiles{Columns: 1, Rows: 1, Width: 16, Height: 16, Interval: 1668333333}, rate)
	m := runImages(t, p, newCadenced(t, ntsc, 500, every(50)), 10)
	if mpd := string(m.objects["s3://b/film.mpd"]); !strings.Contains(mpd, `timescale="600"`) || !strings.Contains(mpd, `d="1001" r="9"`) {
		t.Errorf("no 10 images of 1001/600 s:\n%s", mpd)
	}
}
