package packager

import (
	"slices"
	"time"

	"darkroom/internal/id3"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// metadata writes what is due before a sample of the track that tells the time.
func (s *segmenter) metadata(index int, track *media.Track, sample *media.Sample) error {
	if !s.reps[0].plan.PassMetadata || index != s.leader() {
		return nil
	}
	shown := shownAt(track, sample)
	if err := s.timeOfDay(shown); err != nil {
		return err
	}
	return s.due(shown)
}

// due writes the timed metadata up to a time, where it goes into this stream.
func (s *segmenter) due(until int64) error {
	all := s.group.plan.Metadata
	for s.reps[0].plan.PassMetadata && s.events < len(all) && int64(all[s.events].At) <= until {
		o := s.current.object
		if _, ok := s.box.(*fragmented); ok {
			s.current.events = append(s.current.events, o.written())
		}
		var err error
		if o.buf, err = s.box.event(o.buf, &all[s.events], s.current.start); err != nil {
			return err
		}
		s.events++
	}
	return nil
}

// timeOfDay writes the time of day, where it is due.
func (s *segmenter) timeOfDay(shown int64) error {
	g := s.group.plan
	shown = max(0, shown)
	if g.ID3Frame == "" || shown < s.stampAt || g.ID3Period <= 0 && s.stamped > s.current.number {
		return nil
	}
	frame := id3.ReleaseTime
	if g.ID3Frame == "PRIV" {
		frame = id3.UTC
	}
	at := time.Duration(shown)
	o := s.current.object
	var err error
	if o.buf, err = s.box.event(o.buf, &plan.TimedMetadata{At: at, ID3: id3.Append(nil, frame(g.ID3Begin.Add(at)))}, s.current.start); err != nil {
		return err
	}
	s.stamped = s.current.number + 1
	if p := int64(g.ID3Period); p > 0 {
		s.stampAt = (shown/p + 1) * p
	}
	return nil
}

// leader is the first track that is written.
func (s *segmenter) leader() int { return slices.Index(s.written, 0) }

// flush ends a fragment.
func (s *segmenter) flush() error {
	seg := s.current
	o := seg.object
	base := o.size // bytes of the object before buf
	var err error
	o.buf, err = s.box.flush(o.buf, func(track, from, to int) {
		p := &seg.pieces[track]
		if p.fragments == 0 {
			p.from = base + int64(from)
		}
		p.size = base + int64(to) - p.from
		p.fragments++
		if s.smooth != nil {
			s.smooth.Fragment(track, base+int64(from))
		}
	})
	if err != nil {
		return err
	}
	s.takeKeyFrames()
	return o.grown()
}
