package packager

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"darkroom/internal/plan"
)

// TestBandwidthOfMPD: with MAX the pictures state what the job allows them, and sound its average; without, both do.
func TestBandwidthOfMPD(t *testing.T) {
	t.Parallel()
	v := plan.Representation{Format: plan.FragmentedMP4, Video: "v0", Segments: loc("v_"), Init: loc("v_init.mp4"), Digits: 9, First: 1, Extension: ".mp4", Key: -1, FrameRate: ntsc}
	v.MaxBitrate = 7_654_321
	a := v
	a.Output, a.Video, a.Audio, a.Segments, a.Init = 1, "", []string{"a0"}, loc("a_"), loc("a_init.mp4")
	p := hlsOnly("v0", "a0")
	p.Streams = []plan.StreamGroup{{
		Kind: plan.DASH, Group: 1, Cut: plan.Cut{Length: 2 * time.Second}, Representations: []plan.Representation{v, a},
		DASH: []plan.DASHManifest{{Location: loc("max.mpd"), Representations: []int{0, 1}, MaxBandwidth: true}, {Location: loc("average.mpd"), Representations: []int{0, 1}}},
	}}
	e := startEncoder(t, t.Context(), "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i aevalsrc=exprs='if(lt(t\\,2)\\,0\\,random(0))':d=4:s=44100",
		stream{"v0", "-map 0:v " + videoArgs + keyEvery("2")}, stream{"a0", "-map 1:a " + audioArgs})
	m := newMemory()
	if _, err := Run(t.Context(), p, e.readers, m, Options{Ended: e.wait}); err != nil {
		t.Fatal(err)
	}
	stated := func(name string) (out []string) {
		for _, found := range regexp.MustCompile(`bandwidth="(\d+)"`).FindAllStringSubmatch(string(m.objects["s3://b/"+name]), -1) {
			out = append(out, found[1])
		}
		return out
	}
	most, average := stated("max.mpd"), stated("average.mpd")
	if len(most) != 2 || len(average) != 2 || most[0] != "7654321" || average[0] == most[0] || most[1] != average[1] {
		t.Errorf("MAX states %v, AVERAGE %v", most, average)
	}
}

// TestAnamorphicSmooth: pixels that are not square are in what the client manifest says of the picture as it is shown.
func TestAnamorphicSmooth(t *testing.T) {
	t.Parallel()
	v := plan.Representation{Format: plan.PIFF, Video: "v0", SmoothFile: loc("film_v.ismv"), Key: -1, FrameRate: ntsc}
	p := hlsOnly("v0")
	p.Streams = []plan.StreamGroup{{
		Kind: plan.Smooth, Group: 1, Cut: plan.Cut{Length: 2 * time.Second}, Representations: []plan.Representation{v},
		Smooth: []plan.SmoothManifest{{Client: loc("film.ismc"), Server: loc("film.ism"), Representations: []int{0}}},
	}}
	e := startEncoder(t, t.Context(), "-f lavfi -i testsrc2=s=360x288:r=25:d=2,setsar=64/45", stream{"v0", "-map 0:v " + videoArgs + keyEvery("2")})
	m := newMemory()
	if _, err := Run(t.Context(), p, e.readers, m, Options{Ended: e.wait}); err != nil {
		t.Fatal(err)
	}
	if client := string(m.objects["s3://b/film.ismc"]); !strings.Contains(client, `MaxWidth="360" MaxHeight="288"`) || !strings.Contains(client, `DisplayWidth="512" DisplayHeight="288"`) {
		t.Errorf("the client manifest:\n%s", client)
	}
}
