package packager

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

const contentTypePlaylist = "application/vnd.apple.mpegurl"

// prepareGroup sets up the packages of a group.
func (r *runner) prepareGroup(p *plan.StreamGroup) (*streamGroup, error) {
	g := &streamGroup{plan: p, keys: r.o.Keys[p.Group]}
	clock := ""
	for i := range p.Representations {
		d := &p.Representations[i]
		g.reps = append(g.reps, &representation{plan: d, group: g})
		if clock == "" && d.Text == "" && d.Format != plan.Images {
			clock = d.Video
		}
	}
	if err := g.protect(r.vector); err != nil {
		return nil, fmt.Errorf("output group %d: %w", p.Group+1, err)
	}
	files := map[plan.Location][]*representation{}
	for _, rep := range g.reps {
		var err error
		switch format := rep.plan.Format; {
		case rep.plan.Text != "":
			err = r.prepareText(g, rep)
		case format == plan.Images:
			err = r.prepareImages(rep)
		case format == plan.PIFF:
			if files[rep.plan.SmoothFile] = append(files[rep.plan.SmoothFile], rep); len(files[rep.plan.SmoothFile]) == 1 {
				continue // prepared with all of its file
			}
		case format == plan.TransportStreamSegments, format == plan.PackedAudio, format == plan.FragmentedMP4:
			err = r.prepareSegments(g, rep, clock)
		default:
			err = fmt.Errorf("segments of format %d", format)
		}
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", rep.name().URI(), err)
		}
	}
	for _, rep := range g.reps {
		if all := files[rep.plan.SmoothFile]; rep.plan.Format == plan.PIFF && rep.plan.Text == "" && all[0] == rep {
			if err := r.prepareSmooth(g, all, clock); err != nil {
				return nil, fmt.Errorf("output %s: %w", rep.name().URI(), err)
			}
		}
	}
	return g, nil
}

// vector is a random initialization vector.
func (r *runner) vector() ([]byte, error) {
	iv := make([]byte, cenc.KeySize)
	if _, err := io.ReadFull(r.o.Random, iv); err != nil {
		return nil, fmt.Errorf("choose an initialization vector: %w", err)
	}
	return iv, nil
}

// name is by what errors call it.
func (r *representation) name() plan.Location {
	switch {
	case r.plan.Playlist.Key != "":
		return r.plan.Playlist
	case r.plan.Format == plan.PIFF:
		return r.plan.SmoothFile
	}
	return r.plan.Segments
}

// wants are the tracks of its segments.
func (r *representation) wants() []want { return wanted(r.plan.Video, r.plan.Audio) }

func (r *runner) prepareSegments(g *streamGroup, rep *representation, clock string) error {
	if err := r.prepareCut(g, []*representation{rep}, clock, r.output(g.plan.Group, rep.plan.Output), false); err != nil {
		return err
	}
	f := rep.plan.IFrames
	if f == nil || f.Segments.Key == "" {
		return nil
	}
	// The key frames alone, cut as the whole.
	d := *rep.plan
	d.Segments, d.Init, d.Extension, d.Audio, d.IFrames, d.PassMetadata = f.Segments, f.Init, f.Extension, nil, nil, false
	rep.iframes = &representation{plan: &d, group: g, protection: rep.protection}
	return r.prepareCut(g, []*representation{rep.iframes}, clock, &Output{}, true)
}

func (r *runner) prepareSmooth(g *streamGroup, reps []*representation, clock string) error {
	return r.prepareCut(g, reps, clock, r.output(g.plan.Group, reps[0].plan.Output), false)
}

// prepareCut sets up what cuts the segments of representations that lie together.
func (r *runner) prepareCut(g *streamGroup, reps []*representation, clock string, out *Output, keyFramesAlone bool) error {
	var wants []want
	pictures := -1
	for i, rep := range reps {
		wants = append(wants, rep.wants()...)
		rep.place, rep.out = i, out
		if rep.plan.Format != plan.TransportStreamSegments && len(rep.wants()) != 1 {
			return errors.New("a representation of one track has another number of them")
		}
	}
	for i, w := range wants {
		if w.kind == media.Video && pictures < 0 {
			pictures = i
		}
	}
	s := &segmenter{j: r.job, group: g, name: reps[0].name(), reps: reps, timing: -1, out: out}
	switch {
	case pictures >= 0:
		s.clock = pictures
	case clock != "":
		wants = append([]want{{clock, media.Video, true}}, wants...)
		s.timing = 0 // it is the clock, too
	}
	feed, ids, err := r.subscribe(wants, true)
	if err != nil {
		return err
	}
	s.feed, s.ids = feed, ids
	s.cadence = cadenceOf(&g.plan.Cut, r.byID[ids[s.clock]].rendition)
	switch reps[0].plan.Format {
	case plan.TransportStreamSegments:
		s.box = &transport{rep: reps[0]}
	case plan.PackedAudio:
		s.box = &packed{rep: reps[0]}
	case plan.FragmentedMP4, plan.PIFF:
		s.box = &fragmented{group: g, reps: reps, ivs: r.ivs, single: g.plan.SingleFile || reps[0].plan.Format == plan.PIFF}
	default:
		return fmt.Errorf("segments of format %d", reps[0].plan.Format)
	}
	if keyFramesAlone {
		s.box, s.sparse = &sparse{container: s.box}, true
	}
	for _, rep := range reps {
		rep.cutter = s
	}
	r.packages = append(r.packages, &pack{feed.q, s.run})
	return nil
}

// span is when a segment begins and how long it lasts, in ticks of the representation: until the next begins, the last until its last sample ends. A segment
// that has nothing of the track lasts no time.
func (r *representation) span(i int) (start, duration int64) {
	done := r.cutter.done
	at := func(i int) (int64, bool) {
		p := &done[i].pieces[r.place]
		if p.samples == 0 {
			return 0, false
		}
		return r.rescale(p.first), true
	}
	start, ok := at(i)
	if !ok {
		return r.tick(done[i].start), 0
	}
	if i == 0 {
		start = max(0, start)
	}
	for n := i + 1; n < len(done); n++ {
		if next, ok := at(n); ok {
			return start, next - start
		}
	}
	return start, r.rescale(done[i].pieces[r.place].end) - start
}

// rescale turns ticks of the track into those of the representation.
func (r *representation) rescale(t int64) int64 {
	from, to := int64(r.tracks[0].Timescale), r.timescale()
	if from == to {
		return t
	}
	return t/from*to + (t%from*to+from/2)/from
}

// load is what a representation asks of the network, bit/s.
type load struct {
	peak, average int64
}

// add appends what is not there yet.
func add(list []string, more ...string) []string {
next:
	for _, m := range more {
		for _, have := range list {
			if have == m {
				continue next
			}
		}
		list = append(list, m)
	}
	return list
}

// codecs are those of the tracks that the segments hold.
func (r *representation) codecs() []string {
	var c []string
	for _, t := range r.tracks {
		name := t.RFC6381
		if r.writer == nil { // parameter sets are in a transport stream in any case, and players know it by the one name
			name = strings.Replace(name, "hev1.", "hvc1.", 1)
		}
		c = add(c, name)
	}
	return c
}

// prepareImages sets up the images of a representation.
func (r *runner) prepareImages(rep *representation) error {
	if rep.plan.Tiles == nil || rep.plan.Tiles.Columns < 1 || rep.plan.Tiles.Rows < 1 {
		return errors.New("images without a layout")
	}
	s, err := r.find(rep.plan.Frames, 0)
	if err != nil {
		return err
	}
	s.images = append(s.images, rep)
	return nil
}
