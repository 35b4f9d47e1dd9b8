// Package media holds the words that containers, codecs and the packager share: rational numbers, tracks and samples.
//
// It knows no container: cmaf reads tracks and samples, mp4 and mpegts write them, and none of the three imports another.
package media

import "fmt"

// Rational is a fraction such as a frame rate (frames per second) or a sample aspect ratio. The zero value is "not known".
type Rational struct {
	Num, Den int64
}

// Known reports whether r is a usable positive fraction.
func (r Rational) Known() bool { return r.Num > 0 && r.Den > 0 }

// Float returns r as a floating point number, 0 when it is not known.
func (r Rational) Float() float64 {
	if !r.Known() {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

func (r Rational) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// Kind tells video from audio. The zero value is neither.
type Kind int

// The kinds of track.
const (
	Video Kind = iota + 1
	Audio
	Text // captions and subtitles
)

func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	case Text:
		return "text"
	}
	return "unknown"
}

// Codec names the coding of a track's samples.
type Codec string

// The codecs of tracks.
const (
	AVC    Codec = "AVC"  // ISO/IEC 14496-10; samples are length-prefixed (4 bytes) NAL units
	HEVC   Codec = "HEVC" // ISO/IEC 23008-2; samples are length-prefixed (4 bytes) NAL units
	AV1    Codec = "AV1"  // samples are temporal units without temporal delimiters, as in AV1 in ISOBMFF 2.4
	AAC    Codec = "AAC"  // ISO/IEC 14496-3; samples are raw access units without ADTS
	AC3    Codec = "AC3"  // ETSI TS 102 366; samples are syncframes
	EAC3   Codec = "EAC3" // ETSI TS 102 366 annex E; samples are the syncframes of one access unit
	WebVTT Codec = "WVTT" // ISO/IEC 14496-30; samples are boxes (vttc, vtte)
	TTML   Codec = "STPP" // ISO/IEC 14496-30; samples are TTML documents
)

// Track describes one encoded track. It is immutable once its reader has returned it.
type Track struct {
	Kind      Kind
	Codec     Codec
	Timescale uint32 // ticks per second of every time of the track

	// MediaTime is the composition time, in ticks, at which presentation begins: the media_time of the edit list
	// (ISO/IEC 14496-12 8.6.6). It is the delay of B-frames for video and the priming of the encoder for audio. The
	// presentation time of a sample is DecodeTime + CompositionOffset - MediaTime.
	MediaTime int64

	// RFC6381 is the codecs parameter, such as avc1.640028, hvc1.2.4.L120.B0, av01.0.08M.08, mp4a.40.2, ac-3 or ec-3.
	RFC6381 string

	Width, Height     int      // video: coded picture in pixels
	SampleAspectRatio Rational // video: 1:1 when not known
	FrameRate         Rational // video: nominal, when the producer knows it
	VPS, SPS, PPS     [][]byte // AVC and HEVC (VPS: HEVC alone): parameter sets without start code or length

	SampleRate, Channels int    // audio
	AudioConfig          []byte // AAC: AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1)
	Language             string // ISO 639-2 three letters, "" when not known

	// Config is the content of the decoder configuration box: avcC, hvcC, av1C, dac3 or dec3; nil where the codec has none.
	Config []byte
	// SampleEntry is the encoded sample description box (avc1, hvc1, av01, mp4a, ac-3, ec-3, wvtt, stpp) for a writer of the same container family.
	SampleEntry []byte
}

// Sample is one access unit.
type Sample struct {
	DecodeTime        int64 // ticks of the track's timescale
	CompositionOffset int32 // ticks; presentation order minus decode order
	Duration          uint32
	Sync              bool // a key frame (IDR) or any audio access unit
	Data              []byte
}

// Batch is consecutive samples of a track with the buffer that their data lie in. Whoever reads into it again overwrites both: a caller that shares samples keeps the
// batch until all are done with them, and then reads into it again or lets it go. The zero value is an empty batch.
type Batch struct {
	Samples []Sample
	Buffer  []byte
}

// PresentationTime returns when the sample is shown, in ticks, on the timeline on which the first shown sample is 0.
func (t *Track) PresentationTime(s *Sample) int64 {
	return s.DecodeTime + int64(s.CompositionOffset) - t.MediaTime
}
