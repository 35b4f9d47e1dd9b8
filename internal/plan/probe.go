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

	Start time.Duration // the first time stamp
	// HLS says what the package is where the source is one; nil for a plain file.
	HLS *HLSProbe `json:",omitempty"`
}

// HLSProbe is what is known of an HLS package besides its streams: the variant that was chosen, and the renditions of sound that its multivariant playlist
// lists.
type HLSProbe struct {
	Spliced    bool   // the variant has discontinuities
	AudioGroup string // GROUP-ID of the sound that goes with the variant, "" for none
	// Audio are the renditions of sound; those that the job asks for have a number, and streams.
	Audio []HLSAudioProbe
}

// HLSAudioProbe is a rendition of sound of an HLS package.
type HLSAudioProbe struct {
	GroupID, Name string
	Language      string // RFC 5646, "" when not known
	Default       bool
	// Muxed says that the sound is in the segments of the variants.
	Muxed bool
	// File is its number among the files of the source, from 1; 0 where it was not looked into.
	File    int
	Demuxer string
	Start   time.Duration
	Spliced bool
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
	File      int        // 0 for the input itself, else a rendition of sound of an HLS package
	Index     int        // in the file
	Kind      media.Kind // neither video nor audio for data, such as captions and timecode
	Codec     string     // the decoder's name, such as h264
	Decodable bool       // its decoder is on the allow-list and installed
	Language  string     // ISO 639-2, "" when not known
	Duration  time.Duration
	Bitrate   int64
	ID        string // PID or track id, as the container says it
	Attached  bool   // a cover picture, not video

	// Video.
	FourCC            string // of the sample entry or chunk; "" where the container has none
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

// audio returns the audio streams in their order: track 1 is the first. Where the segments of an HLS package hold none, they are those of its
// default rendition of sound.
func (p *Probe) audio() []*Stream {
	a := p.audioOf(0)
	if len(a) == 0 && p.HLS != nil {
		if i := p.HLS.preferred(); i >= 0 {
			a = p.audioOf(p.HLS.Audio[i].File)
		}
	}
	return a
}

func (p *Probe) audioOf(file int) []*Stream {
	var a []*Stream
	for i := range p.Streams {
		if p.Streams[i].Kind == media.Audio && p.Streams[i].File == file {
			a = append(a, &p.Streams[i])
		}
	}
	return a
}
