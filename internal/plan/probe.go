package plan

import (
	"time"

	"darkroom/internal/media"
)

// Probe is what is known of a source after looking into it.
type Probe struct {
	Demuxer   string // the name under which the container is read again
	Container string // as the API names it: mp4, quicktime, matroska, webm, mxf, wave, avi, mpegts; "" for others
	Format    string // the container in words
	Duration  time.Duration
	Bitrate   int64
	Size      int64
	Timecode  string // of the first frame, HH:MM:SS:FF, with ; before FF for drop frame; "" for none
	Streams   []Stream
}

// Found is a Probe with what the store or the server says of the file.
type Found struct {
	Probe       *Probe
	ETag        string
	ContentType string
	Size        int64
	Modified    time.Time
}

// Stream is one stream of a source.
type Stream struct {
	Index     int        // in the source
	Kind      media.Kind // neither video nor audio for data, such as captions and timecode
	Codec     string     // the decoder's name, such as h264
	Decodable bool       // its decoder is on the allow-list and installed
	Language  string     // ISO 639-2, "" when not known
	Duration  time.Duration
	Bitrate   int64
	ID        string // PID or track id, as the container says it
	Attached  bool   // a cover picture, not video

	// Video.
	Width, Height     int
	SampleAspectRatio media.Rational
	FrameRate         media.Rational
	Interlaced        bool
	FieldOrder        string
	Rotation          int // degrees clockwise that the picture must be turned to stand upright: 0, 90, 180, 270
	PixelFormat       string
	BitDepth          int    // of a picture's component or of a sample, 0 when the codec has none or it is not known
	ColorSpace        string // matrix coefficients, primaries and transfer by ffmpeg's names
	ColorPrimaries    string
	ColorTransfer     string
	Profile           string // in words
	Level             int    // as the codec codes it

	// As coded, before cropping.
	CodedWidth, CodedHeight int

	// Audio.
	SampleRate, Channels int
	ChannelLayout        string
}

// video returns the first stream that shows moving pictures.
func (p *Probe) video() *Stream {
	for i := range p.Streams {
		if s := &p.Streams[i]; s.Kind == media.Video && !s.Attached {
			return s
		}
	}
	return nil
}

// audio returns the audio streams in their order: track 1 is the first.
func (p *Probe) audio() []*Stream {
	var a []*Stream
	for i := range p.Streams {
		if p.Streams[i].Kind == media.Audio {
			a = append(a, &p.Streams[i])
		}
	}
	return a
}
