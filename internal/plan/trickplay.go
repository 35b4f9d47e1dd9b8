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
	every := max(1, v.KeyFrameInterval) // frames
	switch i.cadence {
	case "FOLLOW_CUSTOM":
		every = max(1, int(math.Round(min(i.interval, math.MaxInt32)*v.FrameRate.Float())))
	case "FOLLOW_SEGMENTATION":
		every = max(1, int(math.Ceil(s.cut.Length.Seconds()*v.FrameRate.Float())))
	}
	thumb := v.Picture
	w, h := i.width, i.height
	if h == 0 {
		h = even(float64(w) * float64(v.Height) / float64(v.Width) * sampleAspect(v.Picture))
	}
	rows, columns := i.rows, i.columns
	if most := maxTilesHeight / h; rows > most {
		if s.images.height > 0 || most < 1 {
			return job.Errorf(1040, "%s: imageBasedTrickPlaySettings: %d rows of %d pixels are higher than %d. Choose a lower tileHeight or thumbnailWidth.", s.path, rows, h, maxTilesHeight)
		}
		rows = max(1, most&^1)
	}
	fitThumbnail(&thumb, v.Picture, w, h)
	s.image("_thumbnail", thumb, v, every, columns, rows, of)
	if i.fullFrame {
		s.image("_fullframe", v.Picture, v, every, 1, 1, of)
	}
	return nil
}

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

func (s *streaming) image(suffix string, p Picture, of *Video, every, columns, rows, like int) {
	p.FrameRate = reduce(media.Rational{Num: of.FrameRate.Num, Den: of.FrameRate.Den * int64(every)})
	f := &Frames{Picture: p, MaxCaptures: defaultMaxCaptures, Quality: defaultCaptureQuality, Columns: columns, Rows: rows}
	stem := s.dest.base + suffix
	r := Representation{
		Output: s.out.Representations[like].Output, Format: Images, Frames: s.b.rendition(Rendition{Frames: f}), Key: -1,
		Segments: s.dest.location(stem + "_"), Digits: hlsDigits, First: 1, Extension: ".jpg", FrameRate: p.FrameRate,
		Tiles: &Tiles{
			Columns: columns, Rows: rows, Width: p.Width, Height: p.Height,
			Interval: time.Duration(float64(every) / of.FrameRate.Float() * float64(time.Second)),
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
