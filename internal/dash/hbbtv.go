package dash

import (
	"fmt"
	"strings"
	"time"

	"darkroom/internal/media"
)

// Limits of HbbTV 1.5, ETSI TS 102 796 V1.2.1 annex E.
const (
	hbbtvMaxBytes           = 100 << 10
	hbbtvMaxSets            = 16
	hbbtvMaxRepresentations = 16 // of a set
	hbbtvMinSegment         = time.Second
	hbbtvMaxSegment         = 15 * time.Second
)

// hbbtv says what keeps the description from the profile of HbbTV 1.5.
func (m *Manifest) hbbtv(sets []*set, size int) error {
	refuse := func(format string, v ...any) error { return fmt.Errorf("HbbTV 1.5: "+format, v...) }
	video := false
	for _, s := range sets {
		if len(s.representations) > hbbtvMaxRepresentations {
			return refuse("an AdaptationSet of %d representations, at most %d are allowed", len(s.representations), hbbtvMaxRepresentations)
		}
		for _, r := range s.representations {
			switch {
			case r.Kind == media.Video:
				video = true
				if !strings.HasPrefix(r.Codecs, "avc") {
					return refuse("representation %q is %s, and only AVC is allowed", r.ID, r.Codecs)
				}
				if r.Width <= 0 || r.Height <= 0 || !r.FrameRate.Known() {
					return refuse("representation %q has no size or no frame rate", r.ID)
				}
				if r.StartsWithSAP < 1 || r.StartsWithSAP > 2 {
					return refuse("the segments of representation %q do not begin with a stream access point of type 1 or 2", r.ID)
				}
			case r.Kind == media.Audio:
				if codec, _, _ := strings.Cut(r.Codecs, "."); codec != "mp4a" && codec != "ac-3" && codec != "ec-3" {
					return refuse("representation %q is %s, and only AAC, AC-3 and E-AC-3 are allowed", r.ID, r.Codecs)
				}
			default:
				continue
			}
			t := r.times()
			if t == nil {
				return refuse("representation %q is not cut into segments", r.ID)
			}
			for i, d := range t.Durations {
				length := toDuration(d, t.Timescale)
				if length > hbbtvMaxSegment || length < hbbtvMinSegment && i < len(t.Durations)-1 {
					return refuse("segment %d of representation %q lasts %v, and %v to %v are allowed", i+1, r.ID, length, hbbtvMinSegment, hbbtvMaxSegment)
				}
			}
		}
	}
	switch {
	case !video:
		return refuse("no video")
	case len(sets) > hbbtvMaxSets:
		return refuse("%d AdaptationSets, at most %d are allowed", len(sets), hbbtvMaxSets)
	case size > hbbtvMaxBytes:
		return refuse("the MPD is of %d bytes, at most %d are allowed", size, hbbtvMaxBytes)
	}
	return nil
}
