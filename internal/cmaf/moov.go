package cmaf

import (
	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

// parseMoov reads the content of a movie box.
func parseMoov(p []byte) (*media.Track, *isobmff.Fragments, error) {
	var trak isobmff.Trak
	var movieScale, trexID uint32
	var defaults isobmff.Defaults
	var mvhd, seenTrak, trex bool
	err := isobmff.Children(p, func(kind string, content []byte) (err error) {
		switch kind {
		case "mvhd":
			mvhd = true
			movieScale, _, err = isobmff.ParseMvhd(content)
			return err
		case "trak":
			if seenTrak {
				return isobmff.Badf("more than one track")
			}
			seenTrak = true
			return trak.Walk(content)
		case "mvex":
			return isobmff.Children(content, func(kind string, content []byte) (err error) {
				if kind == "trex" {
					trex = true
					trexID, defaults, err = isobmff.ParseTrex(content)
				}
				return err
			})
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, nil, err
	case !mvhd || !seenTrak || !trex:
		return nil, nil, isobmff.Badf("the movie box lacks mvhd, trak or trex")
	case trak.ID != trexID:
		return nil, nil, isobmff.Badf("trex is of track %d, not %d", trexID, trak.ID)
	}
	t, err := trak.Track(movieScale)
	if err != nil {
		return nil, nil, err
	}
	return t, &isobmff.Fragments{ID: trak.ID, Video: t.Kind == media.Video, Defaults: defaults, MaxTime: trak.MaxTime, Alone: true}, nil
}
