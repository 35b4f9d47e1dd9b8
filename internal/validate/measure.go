package validate

import (
	"errors"
	"io"
	"slices"
)

// kind of a stream.
type kind string

const (
	video   kind = "video"
	audio   kind = "audio"
	caption kind = "text"
	data    kind = "data"
)

// facts are what a bitstream says of itself.
type facts struct {
	kind          kind
	codec         string // RFC 6381, of the sample entry that it has or would have
	width, height int    // to be shown, of square samples or not
	sampleRate    int
	channels      int
	sampleEntry   string // the four characters behind encryption, "" in transport streams
	language      string
	config        []byte   // the content of the decoder configuration box
	parameters    [][]byte // parameter sets: SPS and PPS
}

// part is what a segment has of a track. Times are in ticks of scale; presentation times are those of the presentation: the edit list is applied.
type part struct {
	id          uint32 // of the track, or the PID
	facts       *facts
	scale       int64
	decode, end int64 // decode time of the first sample, and the end of the last
	show, shown int64 // the earliest presentation, and the end of the latest
	last        int64 // the duration of the last sample
	longest     int64 // of all samples
	estimated   bool  // the end is the duration of the sample before added to the time of the last
	samples     int64
	key         bool // the first sample is a key frame
	keys        int64
	bytes       int64
	protected   int64 // samples that are encrypted
	unprotected int64
	scheme      string
	kids        []string // key identifiers in use
	constantIV  []byte
}

func (p *part) seconds(t int64) float64 { return float64(t) / float64(p.scale) }

// segment is what a part of a file was measured to be.
type segment struct {
	where     string
	bytes     int64
	parts     []*part
	fragments []fragment
	cues      [][2]float64 // of captions
	opaque    bool         // encrypted as a whole, without a key for it
	tfxd      bool
}

// main is the part that others follow: the picture, or else the first.
func (s *segment) main() *part {
	for _, p := range s.parts {
		if p.facts.kind == video {
			return p
		}
	}
	if len(s.parts) == 0 {
		return nil
	}
	return s.parts[0]
}

// of is the part of a track.
func (s *segment) of(id uint32) *part {
	for _, p := range s.parts {
		if p.id == id {
			return p
		}
	}
	return nil
}

// counting counts the bytes that are read, and keeps the first error other than the end.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// failure says why reading ended early.
func failure(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	return err.Error()
}

// placed is a segment where a manifest puts it.
type placed struct {
	where           string // in the manifest
	name            string // of the segment
	start, duration float64
	ticks, length   int64 // of DASH and Smooth Streaming
	discontinuity   bool
	width, height   int // of an image that is one picture alone
	*segment
}

// stream is a media playlist, a representation or a quality level.
type stream struct {
	name     string
	segments []placed
	init     *initSegment
	playlist *playlist // of HLS
	captions bool
	// Of DASH:
	offset  float64 // presentationTimeOffset in seconds
	scale   int64   // of the timeline
	nominal bool    // the durations are @duration, not measured by whoever wrote them
	trick   bool    // pictures to seek by
}

// facts of a kind that the stream has, nil for none.
func (s *stream) facts(k kind) *facts {
	for _, f := range s.all() {
		if f.kind == k {
			return f
		}
	}
	return nil
}

// all facts of the stream, each track once.
func (s *stream) all() (out []*facts) {
	if s.init != nil {
		for _, t := range s.init.tracks {
			if len(t.entries) > 0 {
				out = append(out, &t.entries[0].facts)
			}
		}
		return out
	}
	seen := map[uint32]bool{}
	for _, p := range s.segments {
		if p.segment == nil {
			continue
		}
		for _, part := range p.parts {
			if !seen[part.id] && part.facts.codec != "" {
				seen[part.id] = true
				out = append(out, part.facts)
			}
		}
	}
	return out
}

// whole reports whether every segment could be measured.
func (s *stream) whole() bool {
	return len(s.segments) > 0 && !slices.ContainsFunc(s.segments, func(p placed) bool { return p.segment == nil || p.opaque || p.main() == nil })
}

// bytes of all segments.
func (s *stream) bytes() (n int64) {
	for _, p := range s.segments {
		if p.segment != nil {
			n += p.segment.bytes
		}
	}
	return n
}

// duration is the sum of the stated durations.
func (s *stream) duration() (d float64) {
	for _, p := range s.segments {
		d += p.duration
	}
	return d
}

// frameRate is the measured one, 0 where there is no picture. It is that of all but the last sample of each segment, whose durations are known.
func (s *stream) frameRate() float64 {
	var samples, ticks, scale int64
	for _, p := range s.segments {
		if p.segment == nil {
			continue
		}
		if m := p.main(); m != nil && m.facts.kind == video && m.end > m.decode {
			samples, ticks, scale = samples+m.samples, ticks+m.end-m.decode, m.scale
		}
	}
	if ticks == 0 {
		return 0
	}
	return float64(samples) * float64(scale) / float64(ticks)
}

// measured is the duration of a segment by the times of its media: to the beginning of the next one, which is where players change over.
func (s *stream) measured(i int) (float64, bool) {
	p := s.segments[i]
	if p.segment == nil || p.main() == nil {
		return 0, false
	}
	m := p.main()
	show := m.show
	if s.init != nil {
		show = max(show, 0) // what is before the edit list begins is not presented: the priming of an encoder
	}
	if i+1 < len(s.segments) && !s.segments[i+1].discontinuity && s.segments[i+1].segment != nil {
		if next := s.segments[i+1].of(m.id); next != nil && next.scale == m.scale {
			return m.seconds(next.show - show), true
		}
	}
	return m.seconds(m.shown - show), true
}

// continuity checks that times go on from segment to segment, and that each begins with a key frame.
func (c *checker) continuity(s *stream) {
	before := map[uint32]*part{}
	for i, p := range s.segments {
		if p.discontinuity {
			clear(before)
		}
		if p.segment == nil || p.opaque {
			clear(before)
			continue
		}
		for _, now := range p.parts {
			if now.facts.kind == video && !now.key && now.samples > 0 {
				c.fail("segment-key-frame", p.where, "%s does not begin with a key frame", p.name)
			}
			then := before[now.id]
			before[now.id] = now
			if then == nil || then.scale != now.scale {
				continue
			}
			tolerance := max(then.last, now.longest, 1)
			if gap := now.decode - then.end; gap >= tolerance || -gap >= tolerance {
				c.fail("time-gap", p.where, "%s: the decode time of %s %d begins at %d, and segment %d ended at %d: %s of %.4f s", p.name, now.facts.kind, now.id, now.decode, i, then.end,
					gapOr(gap), now.seconds(max(gap, -gap)))
			} else if gap := now.show - then.shown; gap >= 2*tolerance || -gap >= 2*tolerance || now.facts.kind != video && (gap >= tolerance || -gap >= tolerance) {
				c.fail("time-gap", p.where, "%s: the presentation of %s %d begins at %d, and segment %d ended at %d: %s of %.4f s", p.name, now.facts.kind, now.id, now.show, i, then.shown,
					gapOr(gap), now.seconds(max(gap, -gap)))
			}
		}
	}
}

func gapOr(d int64) string {
	if d > 0 {
		return "a gap"
	}
	return "an overlap"
}

// aligned checks that segments of several streams begin together.
func (c *checker) aligned(where string, streams []*stream) {
	if len(streams) < 2 {
		return
	}
	first := streams[0]
	for _, s := range streams[1:] {
		if !s.whole() || !first.whole() {
			continue
		}
		if len(s.segments) != len(first.segments) {
			c.fail("segment-alignment", where, "%s has %d segments, and %s has %d", s.name, len(s.segments), first.name, len(first.segments))
			continue
		}
		for i := range s.segments {
			a, b := first.segments[i].main(), s.segments[i].main()
			d := a.seconds(a.show) - b.seconds(b.show)
			if half := max(a.seconds(a.longest), b.seconds(b.longest)) / 2; max(d, -d) > max(half, 0.0005) {
				c.fail("segment-alignment", where, "segment %d of %s begins at %.4f s, and that of %s at %.4f s", i+1, s.name, b.seconds(b.show), first.name, a.seconds(a.show))
				break
			}
		}
	}
}

// ends checks that streams that are played together are of one length, to within half of their longest segment.
func (c *checker) ends(where string, streams []*stream) {
	var first *stream
	for _, s := range streams {
		if !s.whole() {
			continue
		}
		if first == nil {
			first = s
			continue
		}
		var longest float64
		for _, p := range append(slices.Clone(s.segments), first.segments...) {
			longest = max(longest, p.duration)
		}
		a, b := first.segments[len(first.segments)-1].main(), s.segments[len(s.segments)-1].main()
		if d := a.seconds(a.shown) - b.seconds(b.shown); max(d, -d) > longest/2 {
			c.fail("stream-end", where, "%s ends at %.3f s, and %s at %.3f s", s.name, b.seconds(b.shown), first.name, a.seconds(a.shown))
		}
	}
}
