package packager

import (
	"context"
	"testing"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// ladder is a job with everything: a file with two sounds, an HLS group of two variants with sound of their own and one sound alone, and
// pictures.
func ladder() *plan.Plan {
	return &plan.Plan{
		Renditions: []plan.Rendition{
			video("v0", true), video("v1", true), audio("a0"), audio("a1"),
			{ID: "f0", Frames: &plan.Frames{Picture: plan.Picture{Width: 160, Height: 90, FrameRate: media.Rational{Num: 1, Den: 1}}}},
		},
		Files: []plan.File{{Location: loc("out/film.mp4"), Video: "v0", Audio: []string{"a0", "a1"}}},
		HLS: []plan.HLSGroup{{
			Master: loc("out/hls/film.m3u8"), SegmentLength: 2 * time.Second, MinSegmentLength: time.Second,
			CodecsInMaster: true, ResolutionInMaster: true, AllowCache: true, Group: 1,
			Variants: []plan.HLSVariant{
				{Playlist: loc("out/hls/film_a.m3u8"), SegmentPrefix: loc("out/hls/film_a"), Video: "v0", Audio: []string{"a0"}, TS: transport(true, 1), FrameRate: media.Rational{Num: 30000, Den: 1001}},
				{Playlist: loc("out/hls/film_b.m3u8"), SegmentPrefix: loc("out/hls/film_b"), Video: "v1", AudioGroup: "aud", TS: transport(true, 0), Output: 1, FrameRate: media.Rational{Num: 30000, Den: 1001}},
			},
			AudioGroups: []plan.HLSAudio{
				{Playlist: loc("out/hls/film_c.m3u8"), SegmentPrefix: loc("out/hls/film_c"), Audio: "a1", GroupID: "aud", Name: "deu", Language: "deu", Default: true, AutoSelect: true, TS: transport(false, 1), Output: 2},
			},
		}},
		Captures: []plan.Capture{{Bucket: "b", Prefix: "out/film.", Extension: ".jpg", Rendition: "f0", Group: 2}},
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
	rep, err := Run(t.Context(), ladder(), e.readers, m, Options{Ended: e.wait})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range m.order {
		t.Log(u, len(m.objects[u]))
	}
	for _, o := range rep.Outputs {
		t.Logf("%+v", o)
	}
	for _, u := range []string{"film", "film_a", "film_b", "film_c"} {
		t.Logf("%s", m.objects["s3://b/out/hls/"+u+".m3u8"])
	}
	dir := save(t, m)
	for _, p := range []string{"out/film.mp4", "out/hls/film.m3u8", "out/hls/film_a.m3u8", "out/hls/film_b.m3u8", "out/hls/film_c.m3u8"} {
		decode(t, dir+"/"+p)
	}
	_ = context.Background
}
