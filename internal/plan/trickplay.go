package plan

import (
	"math"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// trickPlay plans the I-frame representation of DASH. One name makes one: it is of the smallest picture, as it is meant for fast moves.
func (s *streaming) trickPlay() error {
	if s.iFrameModifier == "" || !s.writeDASH {
		return nil
	}
	smallest := -1
	for i, v := range s.video {
		if v != nil && (smallest < 0 || v.Width*v.Height < s.video[smallest].Width*s.video[smallest].Height) {
			smallest = i
		}
	}
	if smallest < 0 {
		return nil
	}
	r := &s.out.Representations[smallest]
	modifier, err := s.b.names(s.video[smallest], nil, nil, "mpd").expand(s.iFrameModifier, modifierNames)
	if err != nil {
		return job.Errorf(1040, "%s: dashIFrameTrickPlayNameModifier: %v.", s.path, err)
	}
	if r.IFrames == nil {
		r.IFrames = &IFrames{}
	}
	ext := ".mp4"
	if s.kind == CMAF {
		ext = ".cmfv"
	}
	stem := s.dest.base + modifier
	r.IFrames.Extension, r.IFrames.Trick = ext, true
	if s.singleFile {
		r.IFrames.Segments, r.IFrames.Init = s.dest.location(stem), Location{}
		return nil
	}
	r.IFrames.Segments, r.IFrames.Init = s.dest.location(stem+"_"), s.dest.location(stem+"init"+ext)
	return nil
}

// tallest is the representation of the largest picture, -1 for none.
func (s *streaming) tallest() int {
	best := -1
	for i, v := range s.video {
		if v != nil && (best < 0 || v.Width*v.Height > s.video[best].Width*s.video[best].Height) {
			best = i
		}
	}
	return best
}

// pictures plans image-based trick play: thumbnails on tiles, and pictures in full size. They are of the largest picture.
func (s *streaming) pictures() error {
	if s.images == nil {
		return nil
	}
	of := s.tallest()
	if of < 0 {
		return nil
	}
	v, i := s.video[of], s.images
	rate := everyFrames(v.FrameRate, v.KeyFrameInterval)
	switch i.cadence {
	case "FOLLOW_CUSTOM":
		rate = everyFrames(v.FrameRate, int(math.Round(min(i.interval, math.MaxInt32)*v.FrameRate.Float())))
	case "FOLLOW_SEGMENTATION":
		if s.cut.Control != GOPMultiple && s.cut.Minimum > s.cut.Length {
			return job.Errorf(1040, "%s: imageBasedTrickPlaySettings: intervalCadence FOLLOW_SEGMENTATION needs a minSegmentLength of at most the segment length, %v; it is %v.", s.path, s.cut.Length, s.cut.Minimum)
		}
		rate = s.segmentRate(v)
	}
	thumb := v.Picture
	w, h := i.width, i.height
	if h == 0 {
		h = even(float64(w) * float64(v.Height) / float64(v.Width) * sampleAspect(v.Picture))
	}
	rows, columns := i.rows, i.columns
	if most := maxTilesHeight / h; rows > most {
		if s.images.height > 0 || s.images.rowsGiven || most < 1 {
			return job.Errorf(1040, "%s: imageBasedTrickPlaySettings: %d rows of %d pixels are higher than %d. Choose a lower tileHeight or thumbnailWidth.", s.path, rows, h, maxTilesHeight)
		}
		rows = max(1, most&^1)
	}
	fitThumbnail(&thumb, v.Picture, w, h)
	s.image("_thumbnail", thumb, rate, columns, rows, of)
	if i.fullFrame {
		s.image("_fullframe", v.Picture, rate, 1, 1, of)
	}
	return nil
}

// everyFrames is the rate of one in so many frames.
func everyFrames(rate media.Rational, frames int) media.Rational {
	return reduce(media.Rational{Num: rate.Num, Den: rate.Den * int64(max(1, frames))})
}

// segmentRate is how often segments of a picture begin. Where lengths follow groups of pictures it is one in so many of these; else a length that is no whole
// number of frames makes segments of a frame more and a frame less, and pictures are taken by the length itself.
func (s *streaming) segmentRate(v *Video) media.Rational {
	fps := v.FrameRate.Float()
	frames := s.cut.Length.Seconds() * fps
	if s.cut.Control == GOPMultiple {
		const half = 0.5 // by which a length may miss a whole number of frames
		group := float64(max(1, v.KeyFrameInterval))
		return everyFrames(v.FrameRate, int(math.Ceil(max(frames-half, s.cut.Minimum.Seconds()*fps)/group-1e-9)*group))
	}
	if whole := math.Round(frames); math.Abs(frames-whole) < wholeFrames {
		return everyFrames(v.FrameRate, int(whole))
	}
	return reduce(media.Rational{Num: int64(time.Second), Den: int64(s.cut.Length)})
}

// wholeFrames is by how many frames a length may miss a whole number of them and be taken as one: lengths are rounded to nanoseconds.
const wholeFrames = 1e-5

func sampleAspect(p Picture) float64 {
	if !p.SampleAspectRatio.Known() {
		return 1
	}
	return 1 / p.SampleAspectRatio.Float()
}

// fitThumbnail scales what the picture shows, bars and all, to w × h.
func fitThumbnail(to *Picture, from Picture, w, h int) {
	scale := func(n, of, size int) int { return max(2, even(float64(n)*float64(size)/float64(of))) }
	to.Width, to.Height = w, h
	to.ScaledWidth, to.ScaledHeight = scale(from.ScaledWidth, from.Width, w), scale(from.ScaledHeight, from.Height, h)
	to.SampleAspectRatio = media.Rational{Num: 1, Den: 1}
}

func (s *streaming) image(suffix string, p Picture, rate media.Rational, columns, rows, like int) {
	p.FrameRate = rate
	f := &Frames{Picture: p, MaxCaptures: defaultMaxCaptures, Quality: defaultCaptureQuality, Columns: columns, Rows: rows}
	stem := s.dest.base + suffix
	r := Representation{
		Output: s.out.Representations[like].Output, Format: Images, Frames: s.b.rendition(Rendition{Frames: f}), Key: -1,
		Segments: s.dest.location(stem + "_"), Digits: hlsDigits, First: 1, Extension: ".jpg", FrameRate: p.FrameRate,
		Tiles: &Tiles{
			Columns: columns, Rows: rows, Width: p.Width, Height: p.Height,
			Interval: time.Duration(math.Round(float64(time.Second) / rate.Float())), Segments: s.images.cadence == "FOLLOW_SEGMENTATION",
		},
	}
	if s.kind != AppleHLS {
		r.Digits = fmp4Digits
	}
	if s.writeHLS {
		r.Playlist = s.dest.location(stem + ".m3u8")
	}
	s.out.Representations = append(s.out.Representations, r)
	s.video, s.audio = append(s.video, nil), append(s.audio, nil)
	s.modifiers = append(s.modifiers, nil) // they go with every picture
}
