package packager

import (
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// cadence is where an encoder puts key frames whatever the picture is: at every so many frames. The zero value is not known, as that of finished files is: their
// segments begin at multiples of the length, so that renditions with a key frame more or less come together again.
type cadence struct {
	frames int
	rate   media.Rational
}

// cadenceOf is that of a rendition, where lengths follow it.
func cadenceOf(c *plan.Cut, r *plan.Rendition) cadence {
	if c.Control != plan.GOPMultiple || r.Video == nil || r.Video.KeyFrameInterval <= 0 || !r.Video.FrameRate.Known() {
		return cadence{}
	}
	return cadence{r.Video.KeyFrameInterval, r.Video.FrameRate}
}

func (c cadence) known() bool { return c.frames > 0 }

// has reports whether a key frame shown so many ticks behind the first one is of the cadence, and not of a scene change, which the pictures of another
// size may not have.
func (c cadence) has(ticks int64, timescale uint32) bool {
	if !c.known() {
		return true
	}
	unit := int64(timescale) * c.rate.Den
	return (ticks*c.rate.Num+unit/2)/unit%int64(c.frames) == 0
}

// behind is the least time at which what begins at a time may end, to be as long as asked: of a length that is no whole number of frames, the nearest one is
// meant.
func behind(at int64, length time.Duration, track *media.Track, sample *media.Sample) int64 {
	return at + int64(length) - nanoseconds(int64(sample.Duration), track.Timescale)/2
}
