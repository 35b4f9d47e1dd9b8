package packager

import (
	"fmt"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/mp4"
	"darkroom/internal/plan"
)

const contentTypeMP4 = "video/mp4"

// chunkDuration is how much of a track lies together in a file: little enough that a player reading it from front to back has all tracks.
const chunkDuration = int64(500 * time.Millisecond)

// file writes a progressive MP4.
type file struct {
	j    *job
	plan *plan.File
	feed *feed
	ids  []string // renditions of the tracks
	out  *Output
}

func (f *file) run() error {
	if err := f.write(); err != nil {
		return fmt.Errorf("output %s: %w", f.plan.URI(), err)
	}
	return nil
}

func (f *file) write() error {
	o := f.j.newObject(f.plan.Location, contentTypeMP4, true)
	n := len(f.feed.heads)
	tables := make([]*mp4.Table, n)
	f.out.Tracks = make([]Track, n)
	for i, id := range f.ids {
		f.out.Tracks[i].Rendition = id
	}
	for {
		if err := f.feed.fill(); err != nil {
			return err
		}
		i := f.next()
		if i < 0 {
			break
		}
		if tables[i] == nil {
			tables[i] = mp4.NewTable(f.feed.heads[i].track)
		}
		if err := f.chunk(o, i, tables[i]); err != nil {
			return err
		}
	}
	select {
	case <-f.j.ended:
	case <-f.j.ctx.Done():
		return f.j.err()
	}
	head, tail, err := mp4.Encode(tables, o.written(), mp4.Options{
		Brand: f.plan.Brand, MoovLast: f.plan.MoovLast, CompositionToDecode: f.plan.CompositionToDecode,
	})
	if err != nil {
		return err
	}
	f.report()
	return o.finish(head, tail, func(size int64) {
		f.out.Bytes = size
		f.out.Bitrate = bitrate(size, f.out.Duration)
	})
}

// next chooses the track whose next sample is decoded first, -1 when all have ended.
func (f *file) next() int {
	best, at := -1, int64(0)
	for i := range f.feed.heads {
		h := &f.feed.heads[i]
		s := h.peek()
		if s == nil {
			continue
		}
		if t := decodedAt(h.track, s); best < 0 || t < at {
			best, at = i, t
		}
	}
	return best
}

// chunk writes the next chunk of a track: chunkDuration, or less at its end or when the rest is late.
func (f *file) chunk(o *object, index int, table *mp4.Table) error {
	h := &f.feed.heads[index]
	offset := o.written()
	end := decodedAt(h.track, h.peek()) + chunkDuration
	for {
		s := h.peek()
		if err := table.Sample(s); err != nil {
			return err
		}
		f.out.Tracks[index].add(h.track, s)
		o.buf = append(o.buf, s.Data...)
		f.feed.advance(index)
		if err := o.grown(); err != nil {
			return err
		}
		if h.peek() == nil {
			if err := f.feed.fill(); err != nil {
				return err
			}
		}
		if s = h.peek(); s == nil || decodedAt(h.track, s) >= end {
			break
		}
	}
	table.Chunk(offset)
	return nil
}

func (f *file) report() {
	for i := range f.out.Tracks {
		t := &f.out.Tracks[i]
		f.out.Duration = max(f.out.Duration, t.End)
		if track := f.feed.heads[i].track; track.Kind == media.Video {
			f.out.Width, f.out.Height = track.Width, track.Height
		}
	}
	f.out.Paths = []plan.Location{f.plan.Location}
}

// add counts a sample.
func (t *Track) add(track *media.Track, s *media.Sample) {
	shown := time.Duration(shownAt(track, s))
	end := time.Duration(nanoseconds(track.PresentationTime(s)+int64(s.Duration), track.Timescale))
	if t.Samples == 0 {
		t.First, t.Last, t.End = shown, shown, end
	}
	t.Samples++
	t.Bytes += int64(len(s.Data))
	t.Last = max(t.Last, shown)
	t.End = max(t.End, end)
}
