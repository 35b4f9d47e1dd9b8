package packager

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

const contentTypeJPEG = "image/jpeg"

// maxCaptures is what seven digits can number.
const maxCaptures = 10_000_000

// capture splits a rendition of still pictures and writes each picture to every capture of the plan, and every representation, that wants it.
func (j *job) capture(s *subscription) error {
	rendition, captures, outputs := s.rendition, s.captures, s.outputs
	p := newPictures(s.reader)
	count, size := 0, int64(0)
	limit := maxCaptures
	if n := rendition.Frames.MaxCaptures; n > 0 {
		limit = min(limit, n)
	}
	for {
		picture, err := p.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read rendition %s: %w", rendition.ID, err)
		}
		if count == limit {
			return fmt.Errorf("rendition %s has more than %d pictures", rendition.ID, limit)
		}
		var places []plan.Location
		for i, c := range captures {
			loc := captureLocation(c, count)
			outputs[i].Paths = []plan.Location{loc}
			places = append(places, loc)
		}
		for _, rep := range s.images {
			loc := rep.location(count, 0, j.o.Now())
			rep.images, rep.imageBytes = append(rep.images, loc), append(rep.imageBytes, int64(len(picture)))
			places = append(places, loc)
		}
		for i, loc := range places {
			o := j.newObject(loc, contentTypeJPEG, false)
			o.unbounded = true
			o.buf = picture
			if i > 0 {
				o.buf = bytes.Clone(picture) // an object owns its bytes
			}
			if err := o.finish(nil, nil, func(int64) {}); err != nil {
				return err
			}
		}
		count++
		size += int64(len(picture))
	}
	if count == 0 {
		return fmt.Errorf("rendition %s has no pictures", rendition.ID)
	}
	f := rendition.Frames
	for _, o := range outputs {
		o.Segments, o.Bytes = count, size
		o.Width, o.Height = f.Width, f.Height
		o.Duration = frames(int64(count), f.FrameRate)
		o.Bitrate = bitrate(o.Bytes, o.Duration)
		o.Tracks = []Track{{Rendition: rendition.ID, Samples: int64(count), Bytes: size, Last: frames(int64(count-1), f.FrameRate), End: o.Duration}}
	}
	return nil
}

func captureLocation(c *plan.Capture, n int) plan.Location {
	return plan.Location{Bucket: c.Bucket, Key: fmt.Sprintf("%s%07d%s", c.Prefix, n, c.Extension), Storage: c.Storage}
}

// frames is how long n frames last.
func frames(n int64, rate media.Rational) time.Duration {
	if !rate.Known() {
		return 0
	}
	return time.Duration(float64(n) / rate.Float() * float64(time.Second))
}

// bitrate is in bits per second, 0 for no duration.
func bitrate(bytes int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64(float64(bytes) * 8 / d.Seconds())
}
