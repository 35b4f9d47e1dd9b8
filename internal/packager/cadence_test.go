package packager

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"time"

	"darkroom/internal/cmaf"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// cadenced is a track of so many pictures, all of which are one intra coded picture, and of which some are key frames.
type cadenced struct {
	track  *media.Track
	data   []byte
	rate   media.Rational
	frames int
	keys   func(frame int) bool
	next   int
}

func newCadenced(t testing.TB, rate media.Rational, frames int, keys func(frame int) bool) *cadenced {
	t.Helper()
	r := cmaf.NewReader(bytes.NewReader(encodeOnce(t, "-f lavfi -i color=black:s=32x32:r=25:d=0.04", stream{"v0", "-map 0:v -bf 0 " + videoArgs})["v0"]))
	read, err := r.Track()
	if err != nil {
		t.Fatal(err)
	}
	track := *read
	track.Timescale, track.MediaTime = uint32(rate.Num), 0
	samples, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	return &cadenced{track: &track, data: bytes.Clone(samples[0].Data), rate: rate, frames: frames, keys: keys}
}

func (c *cadenced) Track() (*media.Track, error) { return c.track, nil }

func (c *cadenced) Read(b *media.Batch) error {
	b.Samples = b.Samples[:0]
	for ; c.next < c.frames && len(b.Samples) < 100; c.next++ {
		b.Samples = append(b.Samples, media.Sample{
			DecodeTime: int64(c.next) * c.rate.Den, Duration: uint32(c.rate.Den), Sync: c.keys(c.next), Data: c.data,
		})
	}
	if len(b.Samples) == 0 {
		return io.EOF
	}
	return nil
}

// every makes a key frame of every so many, and of some more.
func every(frames int, more ...int) func(int) bool {
	return func(n int) bool { return n%frames == 0 || slices.Contains(more, n) }
}

// TestMultiplesOfTheGOP: segments end with groups of pictures, the first one that makes them as long as asked, and for that all of the group agree.
func TestMultiplesOfTheGOP(t *testing.T) {
	t.Parallel()
	pal := media.Rational{Num: 25, Den: 1}
	for _, tt := range []struct {
		name    string
		length  time.Duration
		rate    media.Rational
		gop     int // frames
		unknown bool
		frames  int
		scenes  []int // key frames of the first picture alone
		want    []time.Duration
	}{
		{"a length that is no multiple", 5 * time.Second, pal, 50, false, 600, nil, slices.Repeat([]time.Duration{6 * time.Second}, 4)},
		{"a length that is one", 4 * time.Second, pal, 50, false, 500, nil, slices.Repeat([]time.Duration{4 * time.Second}, 5)},
		{"a long film whose frames do not fit into a second", time.Second, ntsc, 15, false, 30 * 600, nil, slices.Repeat([]time.Duration{1001 * time.Millisecond}, 600)},
		{"a length that is rounded up to frames", 17 * time.Second, ntsc, 509, false, 509 * 3, nil, slices.Repeat([]time.Duration{16983633333 * time.Nanosecond}, 3)},
		{"a change of scene behind the length", 5 * time.Second, pal, 50, false, 600, []int{128, 130, 277}, slices.Repeat([]time.Duration{6 * time.Second}, 4)},
		{"finished files: at multiples of the length", 5 * time.Second, pal, 50, true, 600, nil, []time.Duration{6 * time.Second, 4 * time.Second, 6 * time.Second, 4 * time.Second, 4 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := hlsOnly("v0")
			p.Renditions = []plan.Rendition{video("v0", true), video("v1", true), audio("a0")}
			if !tt.unknown {
				for i := range 2 {
					p.Renditions[i].Video.KeyFrameInterval, p.Renditions[i].Video.FrameRate = tt.gop, tt.rate
				}
			}
			g := &p.Streams[0]
			*g = hlsGroup("film", 1, variant("film_v", 0, "", "v0"), variant("film_w", 1, "g", "v1"), sound("film_s", 2, "g", "a0"))
			g.Cut = plan.Cut{Length: tt.length, Control: plan.GOPMultiple}
			tracks := map[string]TrackReader{
				"v0": newCadenced(t, tt.rate, tt.frames, every(tt.gop, tt.scenes...)), "v1": newCadenced(t, tt.rate, tt.frames, every(tt.gop)),
			}
			in := map[string]io.Reader{"a0": newEndless(t, noise(t)["a0"], int(float64(tt.frames)/tt.rate.Float())+1)}
			rep, err := Run(t.Context(), p, in, null{}, Options{Tracks: tracks})
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range rep.Outputs {
				got := o.SegmentDurations
				if i == 2 && len(got) > 0 { // it goes on by less than a second
					got = append(slices.Clone(got[:len(got)-1]), tt.want[len(tt.want)-1])
				}
				if !slices.EqualFunc(got, tt.want, func(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond }) {
					t.Errorf("output %d: %d segments of %v, want %v", i, len(got), got[:min(8, len(got))], tt.want[:min(8, len(tt.want))])
				}
			}
		})
	}
}

// TestFragmentsEndWithGroupsOfPictures: a fragment ends with the first group of pictures that makes it as long as asked, counted from where it begins.
func TestFragmentsEndWithGroupsOfPictures(t *testing.T) {
	t.Parallel()
	for _, control := range []plan.LengthControl{plan.Exact, plan.GOPMultiple} {
		p := &plan.Plan{Renditions: []plan.Rendition{video("v0", true)}, Streams: []plan.StreamGroup{trickGroup(plan.CMAF, false)}}
		p.Renditions[0].Video.KeyFrameInterval, p.Renditions[0].Video.FrameRate = 50, media.Rational{Num: 25, Den: 1}
		g := &p.Streams[0]
		g.Cut, g.Representations[0].IFrames = plan.Cut{Length: 12 * time.Second, Fragment: 3 * time.Second, Control: control}, nil
		m := newMemory()
		tracks := map[string]TrackReader{"v0": newCadenced(t, media.Rational{Num: 25, Den: 1}, 600, every(50))}
		if _, err := Run(t.Context(), p, nil, m, Options{Tracks: tracks}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"film_v_00001.cmfv", "film_v_00002.cmfv"} {
			if got := bytes.Count(m.objects["s3://b/"+name], []byte("moof")); got != 3 { // of 4 s each
				t.Errorf("control %d: %s has %d fragments, want 3", control, name, got)
			}
		}
	}
}

// TestMatchedSegments: a length that is no whole number of nanoseconds, as MATCH makes it, does not miss the key frames that are put at its multiples.
func TestMatchedSegments(t *testing.T) {
	t.Parallel()
	const frames = 640 // 1001 frames of sound at 48 kHz: 21.354666... s
	p := hlsOnly("v0")
	p.Streams[0].Cut = plan.Cut{Length: 21354666667, Control: plan.MatchAudio}
	tracks := map[string]TrackReader{"v0": newCadenced(t, ntsc, 10*frames, func(n int) bool { return n%60 == 0 || n%frames == 0 })}
	rep, err := Run(t.Context(), p, nil, null{}, Options{Tracks: tracks})
	if err != nil {
		t.Fatal(err)
	}
	got := rep.Outputs[0].SegmentDurations
	if len(got) != 10 || slices.ContainsFunc(got, func(d time.Duration) bool { return (d - 21354666667).Abs() > time.Microsecond }) {
		t.Errorf("segments of %v, want 10 of 21.354666667s", got)
	}
}
