package packager

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"time"

	"darkroom/internal/hls"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// document is a manifest, ready to be written.
type document struct {
	loc         plan.Location
	contentType string
	body        []byte
	zip         bool
}

// writeManifests writes the manifests of all groups, when all segments are there: first what others name, then those that name them. None is written
// before all of a group can be.
func (r *runner) writeManifests() error {
	var inner, outer []document
	for _, g := range r.groups {
		if err := g.aligned(); err != nil {
			return err
		}
		written := map[plan.Location]bool{}
		for i := range g.plan.HLS {
			media, multivariant, err := g.playlists(&g.plan.HLS[i], r.plan)
			if err != nil {
				return fmt.Errorf("manifest %s: %w", g.plan.HLS[i].URI(), err)
			}
			for _, d := range media {
				if !written[d.loc] {
					written[d.loc] = true
					inner = append(inner, d)
				}
			}
			outer = append(outer, multivariant)
		}
		for i := range g.plan.DASH {
			d, err := g.mpd(&g.plan.DASH[i])
			if err != nil {
				return fmt.Errorf("manifest %s: %w", g.plan.DASH[i].URI(), err)
			}
			outer = append(outer, d)
		}
		for i := range g.plan.Smooth {
			client, server, err := g.smooth(&g.plan.Smooth[i])
			if err != nil {
				return fmt.Errorf("manifest %s: %w", g.plan.Smooth[i].Client.URI(), err)
			}
			inner, outer = append(inner, client), append(outer, server)
		}
	}
	for _, docs := range [][]document{inner, outer} {
		for _, d := range docs {
			if err := r.writeDocument(d); err != nil {
				return err
			}
		}
		r.wg.Wait()
		if err := r.err(); err != nil {
			return err
		}
	}
	for _, g := range r.groups {
		for i := range g.plan.HLS {
			r.manifests = append(r.manifests, g.plan.HLS[i].Location)
		}
		for i := range g.plan.DASH {
			r.manifests = append(r.manifests, g.plan.DASH[i].Location)
		}
		for i := range g.plan.Smooth {
			r.manifests = append(r.manifests, g.plan.Smooth[i].Server)
		}
		g.report()
	}
	return nil
}

func (r *runner) writeDocument(d document) error {
	body := d.body
	if d.zip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(body); err != nil {
			return fmt.Errorf("compress %s: %w", d.loc.URI(), err)
		}
		if err := z.Close(); err != nil {
			return fmt.Errorf("compress %s: %w", d.loc.URI(), err)
		}
		body = b.Bytes()
		d.loc.ContentEncoding = "gzip"
	}
	o := r.newObject(d.loc, d.contentType, false)
	o.unbounded = true
	o.buf = body
	return o.finish(nil, nil, func(int64) {})
}

// report says by which paths the outputs of a group are found.
func (g *streamGroup) report() {
	named := map[*Output]map[plan.Location]bool{}
	for _, r := range g.reps {
		loc := r.plan.Playlist
		switch {
		case r.plan.Format == plan.PIFF:
			loc = r.plan.SmoothFile
		case len(g.plan.HLS) == 0 && len(g.plan.DASH) > 0:
			loc = g.plan.DASH[0].Location
		case len(g.plan.HLS) == 0:
			continue
		}
		if r.out == nil || loc.Key == "" || named[r.out][loc] {
			continue
		}
		if named[r.out] == nil {
			named[r.out] = map[plan.Location]bool{}
		}
		named[r.out][loc] = true
		r.out.Paths = append(r.out.Paths, loc)
	}
}

// alignTolerance is by how much segments of two pictures may begin at other times: half of a frame at 60 frames a second.
const alignTolerance = int64(time.Second) / 120

// aligned refuses pictures whose segments do not begin together: a player could not go from one to the other.
func (g *streamGroup) aligned() error {
	var first *representation
	for _, r := range g.reps {
		if r.cutter == nil || r.plan.Video == "" {
			continue
		}
		if first == nil {
			first = r
			continue
		}
		a, b := first.cutter.done, r.cutter.done
		for i := range min(len(a), len(b)) {
			if d := a[i].start - b[i].start; d > alignTolerance || d < -alignTolerance {
				return fmt.Errorf("segment %d of %s begins at %v and that of %s at %v: their key frames do not align, and a player could not switch between them",
					i+1, first.name().URI(), time.Duration(a[i].start), r.name().URI(), time.Duration(b[i].start))
			}
		}
		if len(a) != len(b) {
			return fmt.Errorf("%s has %d segments and %s %d: their key frames do not align, and a player could not switch between them",
				first.name().URI(), len(a), r.name().URI(), len(b))
		}
	}
	return nil
}

// durations of the segments, as the clock has them: equal over the pictures of a group. Sound that is cut by the times of pictures has its own, of whole frames.
func (r *representation) durations() []time.Duration {
	done := r.cutter.done
	if r.cutter.timing >= 0 {
		return r.own()
	}
	out := make([]time.Duration, len(done))
	for i, seg := range done {
		end := r.cutter.end
		if i+1 < len(done) {
			end = done[i+1].start
		}
		out[i] = time.Duration(max(0, end-seg.start))
	}
	return out
}

// own are the durations of segments by its own samples, from the beginning of the film.
func (r *representation) own() []time.Duration {
	scale := r.timescale()
	at := func(t int64) time.Duration { return time.Duration(nanoseconds(t, uint32(scale))) }
	out := make([]time.Duration, len(r.cutter.done))
	for i := range out {
		start, ticks := r.span(i)
		if i == 0 {
			start, ticks = 0, start+ticks
		}
		out[i] = max(0, at(start+ticks)-at(start))
	}
	return out
}

// bytes of segment i that are this representation's.
func (r *representation) bytes(i int) int64 {
	seg := r.cutter.done[i]
	if len(r.cutter.reps) > 1 {
		return seg.pieces[r.place].size
	}
	return seg.size
}

// load is what its segments ask of the network.
func (r *representation) load() load {
	if r.cutter == nil {
		return r.imageLoad()
	}
	durations := r.durations()
	target := targetOf(&plan.HLSOptions{LegacyTarget: true}, durations)
	if m := r.group.plan.HLS; len(m) > 0 {
		target = r.target(&m[0].HLSOptions)
		if m[0].IntegerDurations {
			durations = whole(durations)
		}
	}
	loads := make([]hls.Load, len(durations))
	for i := range loads {
		loads[i] = hls.Load{Duration: durations[i], Bytes: r.bytes(i)}
	}
	peak, average := hls.Bandwidth(loads, target)
	return load{peak, average}
}

// whole rounds the times between segments to whole seconds, as playlists of such durations state them.
func whole(durations []time.Duration) []time.Duration {
	out := make([]time.Duration, len(durations))
	var sum, before time.Duration
	for i, d := range durations {
		sum += d
		at := sum.Round(time.Second)
		out[i], before = at-before, at
	}
	return out
}

// imageLoad is that of images.
func (r *representation) imageLoad() load {
	durations := r.imageDurations()
	loads := make([]hls.Load, len(durations))
	longest := time.Duration(0)
	for i, d := range durations {
		loads[i] = hls.Load{Duration: d, Bytes: r.imageBytes[i]}
		longest = max(longest, d)
	}
	peak, average := hls.Bandwidth(loads, longest)
	return load{peak, average}
}

// imageDurations are how much of the film each image tells of. Those of segments last as long as these; where the last segments are joined, or have no picture,
// there is not one of each, and what is left over is not named.
func (r *representation) imageDurations() []time.Duration {
	t := r.plan.Tiles
	if t.Segments {
		if clock := r.group.clock(); clock != nil {
			durations := clock.reps[0].durations()
			return durations[:min(len(durations), len(r.images))]
		}
	}
	return slices.Repeat([]time.Duration{t.Interval * time.Duration(t.Columns*t.Rows)}, len(r.images))
}

// picture is its track of pictures, nil for none.
func (r *representation) picture() *media.Track {
	for _, t := range r.tracks {
		if t.Kind == media.Video {
			return t
		}
	}
	return nil
}
