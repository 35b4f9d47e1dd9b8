package mpegts

import (
	"errors"

	"darkroom/internal/cenc"
	"darkroom/internal/id3"
	"darkroom/internal/media"
)

// Packed writes packed audio, RFC 8216 3.4: segments that are the elementary stream of one track of sound, each behind an ID3 tag with the time stamp of
// its first sample. Encrypted samples are as in transport streams; the tag then holds the audio setup information, too. It is not safe for use by
// several goroutines.
type Packed struct {
	track  *media.Track
	framer *framer
	offset int64
	setup  []byte
	tag    []id3.Frame
}

// NewPacked checks a track and its key, which is nil for clear samples.
func NewPacked(t *media.Track, key *cenc.Key, timing Timing) (*Packed, error) {
	_, offset, err := timing.offsets()
	if err != nil {
		return nil, err
	}
	if t.Timescale == 0 {
		return nil, errors.New("a track without a timescale")
	}
	p := &Packed{track: t, offset: offset}
	p.framer, err = newFramer(t, key)
	return p, err
}

// AppendSegmentStart begins a segment whose first sample is the one given; AppendSample writes it.
func (p *Packed) AppendSegmentStart(dst []byte, first *media.Sample) ([]byte, error) {
	pts := ticks(p.track.PresentationTime(first), p.track.Timescale) + p.offset
	p.tag = append(p.tag[:0], id3.Timestamp(pts))
	if p.framer.aes != nil {
		var err error
		if p.setup, err = p.framer.appendSetup(p.setup[:0], first.Data); err != nil {
			return dst, err
		}
		p.tag = append(p.tag, id3.AudioDescription(p.setup))
	}
	return id3.Append(dst, p.tag...), nil
}

// AppendSample writes an access unit. When it fails it writes nothing.
func (p *Packed) AppendSample(dst []byte, s *media.Sample) ([]byte, error) {
	return p.framer.append(dst, s.Data)
}
