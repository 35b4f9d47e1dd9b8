package packager

import (
	"errors"
	"fmt"
	"time"

	"darkroom/internal/caption"
	"darkroom/internal/media"
	"darkroom/internal/mpegts"
	"darkroom/internal/plan"
)

// Captions are cut when the pictures of their group have ended: then it is known where each segment begins, and captions, which are there from the beginning, need not wait in a
// queue.

// contentTypes of files of captions.
var contentTypes = map[caption.Format]string{
	caption.SubRip: "application/x-subrip", caption.WebVTT: "text/vtt", caption.TTML: "application/ttml+xml", caption.IMSC: "application/ttml+xml",
}

// errNoCaptions is wrapped where a plan names captions that were not given.
var errNoCaptions = errors.New("the captions of the plan are not there")

// cues are captions as an output wants them, until the end of its pictures; 0 for not known.
func (j *job) cues(id string, o *plan.TextOptions, end time.Duration) []caption.Cue {
	cues := caption.Shift(j.o.Captions[id], 0, end)
	if !o.Styled {
		cues = caption.Plain(cues)
	}
	if o.Merged {
		cues = caption.Merge(cues)
	}
	return cues
}

// prepareText sets up a representation of captions, but does not begin it.
func (r *runner) prepareText(g *streamGroup, rep *representation) error {
	p := rep.plan
	if _, there := r.o.Captions[p.Text]; !there {
		return fmt.Errorf("%w: %s", errNoCaptions, p.Text)
	}
	if p.Video != "" || len(p.Audio) > 0 {
		return errors.New("captions in one representation with pictures or sound")
	}
	rep.out = r.output(g.plan.Group, p.Output)
	s := &segmenter{j: r.job, group: g, name: rep.name(), reps: []*representation{rep}, timing: -1, out: rep.out}
	switch p.Format {
	case plan.VTTSegments, plan.TextFile:
		s.box = textBox{}
	case plan.FragmentedMP4, plan.PIFF:
		s.box = &fragmented{group: g, reps: s.reps, single: g.plan.SingleFile || p.Format == plan.PIFF}
	default:
		return fmt.Errorf("captions in segments of format %d", p.Format)
	}
	rep.cutter = s
	return nil
}

// textBox is a container of nothing: text stands in a segment as it is.
type textBox struct{}

func (textBox) begin([]*media.Track, []*media.Sample) error             { return nil }
func (textBox) open(dst []byte, _ int, _ int64, _ bool) ([]byte, error) { return dst, nil }
func (textBox) add(dst []byte, _ int, s *media.Sample) ([]byte, error) {
	return append(dst, s.Data...), nil
}
func (textBox) flush(dst []byte, _ func(int, int, int)) ([]byte, error) { return dst, nil }
func (textBox) event(dst []byte, _ *plan.TimedMetadata, _ int64) ([]byte, error) {
	return dst, errors.New("timed metadata in text")
}
func (textBox) holds() int64 { return 0 }
func (textBox) opening() int { return 0 }

// clock is whose segments captions follow: the first pictures of the group, or where there are none its first sound.
func (g *streamGroup) clock() *segmenter {
	var sound *segmenter
	for _, r := range g.reps {
		switch {
		case r.cutter == nil || r.plan.Text != "":
		case r.plan.Video != "":
			return r.cutter
		case sound == nil:
			sound = r.cutter
		}
	}
	return sound
}

// writeText writes the captions of a group, when all else of it has its segments.
func (g *streamGroup) writeText() error {
	for _, r := range g.reps {
		if r.plan.Text == "" {
			continue
		}
		clock := g.clock()
		if clock == nil {
			return fmt.Errorf("output %s: captions without pictures or sound", r.name().URI())
		}
		if err := r.writeText(clock); err != nil {
			return fmt.Errorf("output %s: %w", r.name().URI(), err)
		}
	}
	return nil
}

// cuts are where the segments of captions begin, in nanoseconds, and where the last one ends.
func (r *representation) cuts(clock *segmenter) []int64 {
	at := []int64{0}
	o := &r.plan.Captions
	switch {
	case o.Whole || r.plan.Format == plan.TextFile:
	case o.Length > 0:
		for t := int64(o.Length); t < clock.end; t += int64(o.Length) {
			at = append(at, t)
		}
	default:
		for _, seg := range clock.done {
			if seg.start > 0 {
				at = append(at, seg.start)
			}
		}
	}
	return append(at, clock.end)
}

func (r *representation) writeText(clock *segmenter) error {
	p, s := r.plan, r.cutter
	track := caption.NewTrack(p.Captions.Format, media.Language(p.Language))
	r.tracks = []*media.Track{track}
	s.out.Tracks = append(s.out.Tracks, Track{Rendition: p.Text})
	if err := s.box.begin(r.tracks, nil); err != nil {
		return err
	}
	if p.Format == plan.FragmentedMP4 || p.Format == plan.PIFF {
		if err := s.openFile(); err != nil {
			return err
		}
	}
	all := s.j.cues(p.Text, &p.Captions, time.Duration(clock.end))
	w := &textWriter{representation: r, cutter: caption.NewCutter(all), all: all}
	s.end = clock.end
	at := r.cuts(clock)
	for i := range len(at) - 1 {
		if err := w.segment(at[i], at[i+1]); err != nil {
			return err
		}
	}
	if err := s.release(); err != nil {
		return err
	}
	if s.file != nil {
		if err := s.closeFile(); err != nil {
			return err
		}
	}
	s.report()
	return nil
}

// textWriter writes the segments of captions, one after the other.
type textWriter struct {
	*representation
	cutter *caption.Cutter
	all    []caption.Cue
}

func (w *textWriter) segment(start, end int64) error {
	s, p := w.representation.cutter, w.plan
	samples := w.samples(time.Duration(start), time.Duration(end))
	if len(samples) == 0 {
		return nil // less than a tick at the end
	}
	if err := s.start(start); err != nil {
		return err
	}
	seg := s.current
	seg.object.unbounded = false
	first, last := &samples[0], &samples[len(samples)-1]
	switch {
	case s.file != nil:
	case p.Captions.Whole || p.Format == plan.TextFile:
		seg.object.loc = w.whole(s.j.o.Now())
	case p.ByTime:
		seg.object.loc = w.location(seg.number, first.DecodeTime, s.j.o.Now())
	}
	piece := &seg.pieces[0]
	piece.first, piece.end = first.DecodeTime, last.DecodeTime+int64(last.Duration)
	for i := range samples {
		var err error
		if seg.object.buf, err = s.box.add(seg.object.buf, 0, &samples[i]); err != nil {
			return err
		}
		piece.samples++
		piece.bytes += int64(len(samples[i].Data))
		seg.samples++
		s.out.Tracks[0].add(w.tracks[0], &samples[i])
	}
	return s.closeCurrent()
}

// samples are what a segment has: those of its track, or the text of the whole segment.
func (w *textWriter) samples(start, end time.Duration) []media.Sample {
	p := w.plan
	var text []byte
	switch p.Format {
	case plan.VTTSegments:
		text = w.cutter.AppendSegment(nil, start, end, w.group.timestamp())
	case plan.TextFile:
		text = caption.AppendFile(nil, p.Captions.Format, w.all, p.Language)
	default:
		return w.cutter.Samples(p.Captions.Format, p.Language, start, end)
	}
	const ms = time.Second / caption.Timescale
	from, to := int64(start.Round(ms)/ms), int64(end.Round(ms)/ms)
	return []media.Sample{{DecodeTime: from, Duration: uint32(to - from), Sync: true, Data: text}}
}

// timestamp is the MPEG-2 time stamp of presentation time 0 in the segments of a group: RFC 8216 3.5.
func (g *streamGroup) timestamp() int64 {
	if g.plan.Kind != plan.AppleHLS {
		return 0
	}
	return int64(mpegts.DefaultPTSOffset/time.Millisecond) * 90
}

// prepareSidecar looks whether the captions of a file are there.
func (r *runner) prepareSidecar(p *plan.Sidecar) error {
	if _, there := r.o.Captions[p.Text]; !there {
		return fmt.Errorf("output %s: %w: %s", p.URI(), errNoCaptions, p.Text)
	}
	r.sidecars = append(r.sidecars, sidecar{p, r.output(p.Group, p.Output)})
	return nil
}

// sidecar is a file of captions.
type sidecar struct {
	plan *plan.Sidecar
	out  *Output
}

// write writes it. Nothing of it is beyond the end of the source, where that is known.
func (s sidecar) write(j *job) error {
	p := s.plan
	o := j.newObject(p.Location, contentTypes[p.Captions.Format], false)
	o.unbounded = true
	o.buf = caption.AppendFile(nil, p.Captions.Format, j.cues(p.Text, &p.Captions, j.duration), p.Language)
	s.out.Bytes, s.out.Duration, s.out.Paths = int64(len(o.buf)), j.duration, []plan.Location{p.Location}
	return o.finish(nil, nil, func(int64) {})
}

// writeCaptions writes the captions of all groups and files, when everything else is written.
func (r *runner) writeCaptions() error {
	for _, g := range r.groups {
		if err := g.writeText(); err != nil {
			return err
		}
	}
	for _, s := range r.sidecars {
		if err := s.write(r.job); err != nil {
			return err
		}
	}
	r.wg.Wait()
	return r.err()
}
