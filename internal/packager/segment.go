package packager

import (
	"fmt"
	"math"
	"time"

	"darkroom/internal/hls"
	"darkroom/internal/media"
	"darkroom/internal/mpegts"
	"darkroom/internal/plan"
)

const contentTypeTS = "video/MP2T"

// tailTolerance is how much longer than the picture sound may be before it gets segments of its own: less is the rest of the last one.
const tailTolerance = int64(time.Second)

// maxJoin is how many bytes of what may be joined to the segment before are held back; more is a segment of its own, however short.
const maxJoin = 16 << 20

// maxSegments bounds what a stream of absurd times can write: three days in segments of one second.
const maxSegments = 259_200

// segmenter cuts a variant or a sound rendition of an HLS group into transport stream segments.
//
// One track, the clock, decides: a segment begins at its first key frame shown at or after each multiple of the segment length. It is the
// picture of a variant; sound renditions follow the picture of the group's first variant, of which they get only the times; sound without
// any picture cuts itself. Sound goes to the segment in which it is heard. When the clock has ended, what goes on is cut at the multiples.
type segmenter struct {
	j       *job
	group   *plan.HLSGroup
	name    plan.Location // of its playlist
	prefix  plan.Location
	ts      plan.TransportStream
	feed    *feed
	ids     []string // renditions of the tracks
	clock   int      // index of the track that decides
	timing  int      // index of the track that is not written, -1 for none
	out     *Output
	muxer   *mpegts.Muxer
	streams []int // index in the muxer of each track

	boundary int64    // nanoseconds: where the next segment may begin
	current  *segment // being written
	held     *segment // complete, but perhaps to be joined by the last one
	done     []*segment
	clockEnd int64 // where the last sample of the clock ends, so far
	end      int64 // where the last written sample ends, so far
}

// segment is a media segment.
type segment struct {
	start   int64 // nanoseconds
	object  *object
	samples int64
	size    int64 // bytes, once it is complete
}

func (s *segmenter) run() error {
	if err := s.write(); err != nil {
		return fmt.Errorf("output %s: %w", s.name.URI(), err)
	}
	return nil
}

func (s *segmenter) write() error {
	if s.group.SegmentLength <= 0 {
		return fmt.Errorf("a segment length of %v", s.group.SegmentLength)
	}
	s.boundary = int64(s.group.SegmentLength)
	if err := s.feed.fill(); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	for {
		if err := s.feed.fill(); err != nil {
			return err
		}
		index := s.next()
		if index < 0 {
			return s.finish()
		}
		if err := s.step(index); err != nil {
			return err
		}
		s.feed.advance(index)
	}
}

// begin sets up the muxer, once all tracks are known.
func (s *segmenter) begin() error {
	p := mpegts.Program{
		TransportStreamID: s.ts.TransportStreamID, Number: s.ts.ProgramNumber, PMTPID: s.ts.PMTPID, PCRPID: s.ts.PCRPID,
		PATInterval: s.ts.PATInterval, PMTInterval: s.ts.PMTInterval, AudioFramesPerPES: s.ts.AudioFramesPerPES,
	}
	s.streams = make([]int, len(s.feed.heads))
	audio := 0
	for i := range s.feed.heads {
		t := s.feed.heads[i].track
		if i == s.timing {
			continue
		}
		pid := s.ts.VideoPID
		if t.Kind == media.Audio {
			if audio == len(s.ts.AudioPIDs) {
				return fmt.Errorf("%d PIDs for more tracks of sound", audio)
			}
			pid = s.ts.AudioPIDs[audio]
			audio++
		} else {
			s.out.Width, s.out.Height = t.Width, t.Height
		}
		s.streams[i] = len(p.Streams)
		p.Streams = append(p.Streams, mpegts.Stream{PID: pid, Track: t})
		s.out.Tracks = append(s.out.Tracks, Track{Rendition: s.ids[i]})
	}
	var err error
	s.muxer, err = mpegts.NewMuxer(p)
	return err
}

// next chooses the track whose next sample comes first, -1 when nothing is left to write.
func (s *segmenter) next() int {
	best, at, open := -1, int64(math.MaxInt64), false
	for i := range s.feed.heads {
		h := &s.feed.heads[i]
		sample := h.peek()
		if sample == nil {
			continue
		}
		open = open || i != s.timing
		t := decodedAt(h.track, sample)
		if s.cuts(i, sample) {
			// What is heard before it is shown belongs to the segment before, though it is decoded later.
			t = shownAt(h.track, sample)
		}
		if t < at || t == at && i == s.clock {
			best, at = i, t
		}
	}
	if !open {
		return -1
	}
	return best
}

// cuts reports whether a segment begins with a sample of the clock.
func (s *segmenter) cuts(index int, sample *media.Sample) bool {
	return index == s.clock && sample.Sync && shownAt(s.feed.heads[index].track, sample) >= s.boundary
}

func (s *segmenter) step(index int) error {
	h := &s.feed.heads[index]
	sample := h.peek()
	shown := shownAt(h.track, sample)
	if s.cuts(index, sample) || s.cutsTail(shown) {
		if err := s.cut(shown); err != nil {
			return err
		}
	}
	end := nanoseconds(h.track.PresentationTime(sample)+int64(sample.Duration), h.track.Timescale)
	if index == s.clock {
		s.clockEnd = max(s.clockEnd, end)
	}
	if index != s.timing {
		if err := s.append(index, sample); err != nil {
			return err
		}
		s.end = max(s.end, end)
	}
	if s.held != nil && (s.length() >= int64(s.group.MinSegmentLength) || s.current != nil && len(s.current.object.buf) > maxJoin) {
		return s.release()
	}
	return nil
}

// cutsTail reports whether a segment begins with a sample after the end of the clock.
func (s *segmenter) cutsTail(shown int64) bool {
	if !s.feed.heads[s.clock].ended {
		return false
	}
	length := int64(s.group.SegmentLength)
	if least := s.clockEnd + tailTolerance; s.boundary < least {
		s.boundary = (least + length - 1) / length * length
	}
	return shown >= s.boundary
}

// length is how long the segment being written is, by the clock as long as it runs, so that all tracks of a group judge alike.
func (s *segmenter) length() int64 {
	if s.current == nil {
		return 0
	}
	if s.clockEnd > s.current.start {
		return s.clockEnd - s.current.start
	}
	return s.end - s.current.start
}

// cut ends the segment being written; the next one begins at a time, with its first sample.
func (s *segmenter) cut(at int64) error {
	if s.current == nil {
		// Nothing came before: the presentation begins at 0 all the same.
		if err := s.start(0); err != nil {
			return err
		}
	}
	if err := s.closeCurrent(); err != nil {
		return err
	}
	length := int64(s.group.SegmentLength)
	s.boundary = (at/length + 1) * length
	return s.start(at)
}

func (s *segmenter) start(at int64) error {
	n := len(s.done) + 1
	if s.held != nil {
		n++
	}
	if n > maxSegments {
		return fmt.Errorf("more than %d segments", maxSegments)
	}
	loc := s.prefix
	loc.Key = plan.StampSegment(fmt.Sprintf("%s_%05d.ts", loc.Key, n), s.j.o.Now())
	s.current = &segment{start: at, object: s.j.newObject(loc, contentTypeTS, false)}
	s.current.object.unbounded = s.held != nil
	s.current.object.buf = s.muxer.AppendSegmentStart(s.current.object.buf)
	return nil
}

func (s *segmenter) append(index int, sample *media.Sample) error {
	if s.current == nil {
		if err := s.start(0); err != nil {
			return err
		}
	}
	o := s.current.object
	var err error
	if o.buf, err = s.muxer.AppendSample(o.buf, s.streams[index], sample); err != nil {
		return fmt.Errorf("rendition %s: %w", s.ids[index], err)
	}
	s.current.samples++
	s.out.Tracks[s.streams[index]].add(s.feed.heads[index].track, sample)
	return o.grown()
}

// closeCurrent completes the segment being written. It is held when it might have to take in the last one.
func (s *segmenter) closeCurrent() error {
	if err := s.release(); err != nil {
		return err
	}
	o := s.current.object
	o.buf = s.muxer.AppendFlush(o.buf)
	s.held, s.current = s.current, nil
	if s.group.MinSegmentLength <= 0 {
		return s.release()
	}
	return nil
}

// release sends the held segment.
func (s *segmenter) release() error {
	held := s.held
	if held == nil {
		return nil
	}
	s.held = nil
	if s.current != nil {
		s.current.object.unbounded = false
	}
	s.done = append(s.done, held)
	held.size = held.object.written()
	return held.object.finish(nil, nil, func(int64) {})
}

// finish writes the last segment, or joins it to the one before.
func (s *segmenter) finish() error {
	last := s.current
	if last != nil && last.samples == 0 {
		last = nil // it began with the clock, but nothing came
	}
	if last != nil {
		last.object.buf = s.muxer.AppendFlush(last.object.buf)
		if s.held != nil && s.length() < int64(s.group.MinSegmentLength) {
			o := s.held.object
			o.buf = append(o.buf, last.object.buf...)
			s.held.samples += last.samples
			s.j.meter.drop(last.object.counted)
			if err := o.grown(); err != nil {
				return err
			}
			last = nil
		}
	}
	s.current = nil
	if err := s.release(); err != nil {
		return err
	}
	if last != nil {
		s.held = last
		if err := s.release(); err != nil {
			return err
		}
	}
	s.report()
	return nil
}

// report sets durations: each segment lasts until the next begins, the last until its last sample ends.
func (s *segmenter) report() {
	o := s.out
	for i, seg := range s.done {
		end := s.end
		if i+1 < len(s.done) {
			end = s.done[i+1].start
		}
		o.SegmentDurations = append(o.SegmentDurations, time.Duration(max(0, end-seg.start)))
		o.Bytes += seg.size
	}
	o.Segments = len(s.done)
	o.Duration = time.Duration(max(0, s.end))
	o.Bitrate = bitrate(o.Bytes, o.Duration)
	if s.group.NoManifests {
		for _, seg := range s.done {
			o.Paths = append(o.Paths, seg.object.loc)
		}
	}
}

// media is the media playlist.
func (s *segmenter) media() *hls.Media {
	m := &hls.Media{IntegerDurations: s.group.IntegerDurations, NoCache: !s.group.AllowCache}
	for i, seg := range s.done {
		m.Segments = append(m.Segments, hls.Segment{
			URI: hls.RelativeURI(s.name.Key, seg.object.loc.Key), Duration: s.out.SegmentDurations[i],
		})
	}
	return m
}
