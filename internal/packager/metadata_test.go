package packager

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cmaf"
	"darkroom/internal/id3"
	"darkroom/internal/mpegts/mpegtstest"
	"darkroom/internal/plan"
)

// Timed metadata stands at its time in transport streams, with the time of day as often as it is asked for.
func TestTimedMetadata(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tag := id3.Append(nil, id3.ReleaseTime(begin.Add(time.Hour)))
	p := hlsOnly("v0", "a0")
	g := &p.Streams[0]
	g.Metadata = []plan.TimedMetadata{{At: 1480 * time.Millisecond, ID3: tag}}
	g.ID3Frame, g.ID3Period, g.ID3Begin = "TDRL", 2*time.Second, begin
	g.Representations[0].PassMetadata, g.Representations[0].MetadataPID = true, 502
	m := newMemory()
	if _, err := Run(t.Context(), p, readers(shortFilm(t)), m, Options{}); err != nil {
		t.Fatal(err)
	}
	type event struct {
		At   time.Duration
		Said string
	}
	var got []event
	var parser mpegtstest.Parser
	for _, name := range []string{"film_v_00001.ts", "film_v_00002.ts"} {
		if err := parser.Segment(m.objects["s3://b/"+name]); err != nil {
			t.Fatal(err)
		}
	}
	for _, u := range parser.Units {
		if u.PID != 502 {
			continue
		}
		frames, err := mpegtstest.Tag(u.Data)
		if err != nil || len(frames) != 1 {
			t.Fatalf("a tag of %d frames, %v", len(frames), err)
		}
		got = append(got, event{time.Duration(u.PTS-10*90_000) * time.Second / 90_000, frames[0].Body[1:]})
	}
	want := []event{{0, "2026-03-04T05:06:07"}, {1480 * time.Millisecond, "2026-03-04T06:06:07"}, {2 * time.Second, "2026-03-04T05:06:09"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// In fragmented MP4 it stands in an event message before the fragments of its segment.
func TestTimedMetadataInEvents(t *testing.T) {
	t.Parallel()
	tag := id3.Append(nil, id3.ReleaseTime(time.Unix(0, 0)))
	p := hlsOnly("v0")
	r := &p.Streams[0].Representations[0]
	p.Streams[0].Kind = plan.CMAF
	p.Streams[0].Metadata = []plan.TimedMetadata{{At: 2500 * time.Millisecond, ID3: tag}}
	r.Format, r.Extension, r.Init = plan.FragmentedMP4, ".cmfv", loc("film_init.cmfv")
	r.PassMetadata, r.EventScheme, r.EventVersion = true, cmaf.ID3Scheme, 1
	m := newMemory()
	if _, err := Run(t.Context(), p, readers(shortFilm(t)), m, Options{}); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"film_v_00001.cmfv", "film_v_00002.cmfv"} {
		body := m.objects["s3://b/"+name]
		at, moof := bytes.Index(body, []byte("emsg")), bytes.Index(body, []byte("moof"))
		if has := at >= 0; has != (i == 1) || has && (at > moof || !bytes.Contains(body[at:moof], tag)) {
			t.Errorf("%s: the event message is at %d, and the fragment at %d", name, at, moof)
		}
	}
}

// An event message of version 0 tells its time from the beginning of its segment, also where that is one which the last segment was joined to.
func TestEventsInAJoinedSegment(t *testing.T) {
	t.Parallel()
	tag := id3.Append(nil, id3.ReleaseTime(time.Unix(0, 0)))
	for _, single := range []bool{false, true} {
		for version := range 2 {
			p := &plan.Plan{Renditions: []plan.Rendition{video("v0", true)}, Streams: []plan.StreamGroup{trickGroup(plan.CMAF, single)}}
			g := &p.Streams[0]
			g.Cut.MinimumFinal = 1500 * time.Millisecond
			g.Metadata = []plan.TimedMetadata{{At: 500 * time.Millisecond, ID3: tag}, {At: 2500 * time.Millisecond, ID3: tag}}
			r := &g.Representations[0]
			r.IFrames, r.PassMetadata, r.EventScheme, r.EventVersion = nil, true, cmaf.ID3Scheme, version
			m := newMemory()
			if _, err := Run(t.Context(), p, readers(shortFilm(t)), m, Options{}); err != nil {
				t.Fatal(err)
			}
			name := "s3://b/film_v_00001.cmfv"
			if single {
				name = "s3://b/film_v.cmfv"
			}
			var got []time.Duration
			for _, e := range eventsIn(t, m.objects[name]) {
				ticks := int64(e.PresentationTime) + int64(e.PresentationTimeDelta)
				got = append(got, time.Duration(ticks)*time.Second/time.Duration(e.TimeScale))
			}
			if want := []time.Duration{500 * time.Millisecond, 2500 * time.Millisecond}; !slices.Equal(got, want) {
				t.Errorf("version %d, single file %v: events at %v, want %v", version, single, got, want)
			}
		}
	}
}

// An event between the last picture of a segment and the first one of the next is of the segment that ends: of version 0, it could not be told in the next one.
func TestEventsBetweenSegments(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{Renditions: []plan.Rendition{video("v0", true)}, Streams: []plan.StreamGroup{trickGroup(plan.CMAF, false)}}
	g := &p.Streams[0]
	g.Metadata = []plan.TimedMetadata{{At: 1990 * time.Millisecond, ID3: id3.Append(nil, id3.ReleaseTime(time.Unix(0, 0)))}, {At: 2 * time.Second, ID3: []byte("at the cut")}}
	r := &g.Representations[0]
	r.IFrames, r.PassMetadata, r.EventScheme = nil, true, cmaf.ID3Scheme
	m := newMemory()
	if _, err := Run(t.Context(), p, readers(shortFilm(t)), m, Options{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]time.Duration{{1990 * time.Millisecond}, {0}} { // from where the segment begins
		name := fmt.Sprintf("s3://b/film_v_%05d.cmfv", i+1)
		var got []time.Duration
		for _, e := range eventsIn(t, m.objects[name]) {
			got = append(got, time.Duration(e.PresentationTimeDelta)*time.Second/time.Duration(e.TimeScale))
		}
		if !slices.EqualFunc(got, want, func(a, b time.Duration) bool { return (a - b).Abs() < time.Millisecond }) {
			t.Errorf("%s: events at %v, want %v", name, got, want)
		}
	}
}

// eventsIn are the event messages of a segment or file.
func eventsIn(t testing.TB, body []byte) (all []*mp4.EmsgBox) {
	t.Helper()
	for {
		at := bytes.Index(body, []byte("emsg"))
		if at < 0 {
			return all
		}
		box, err := mp4.DecodeBoxSR(0, bits.NewFixedSliceReader(body[at-4:]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, box.(*mp4.EmsgBox))
		body = body[at-4+int(box.Size()):] // its scheme has the word, too
	}
}
