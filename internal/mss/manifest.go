package mss

import (
	"darkroom/internal/cenc"
	"darkroom/internal/media"
)

// Timescale is the ticks per second of all times: the default of TimeScale, [MS-SSTR] 2.2.2.1.
const Timescale = 10_000_000

// Presentation is what both manifests tell of.
type Presentation struct {
	// Duration in ticks; 0 for the longest stream.
	Duration int64
	Streams  []Stream
	// Protection is nil for clear streams.
	Protection *Protection
	// UTF16 writes the manifests in UTF-16, little-endian with a byte order mark, instead of UTF-8.
	UTF16 bool
}

// Protection is the ProtectionHeader, [MS-SSTR] 2.2.2.2.
type Protection struct {
	System cenc.UUID
	Header []byte // such as a PlayReady object
}

// Stream is a StreamIndex, [MS-SSTR] 2.2.2.3: the quality levels of one track, cut at the same times.
type Stream struct {
	Kind media.Kind
	// Name is unique in the presentation, and stands in the URLs of fragments: letters, digits, '_' and '-'.
	Name     string
	Language string // "" when not known
	// Title is for people.
	Title string
	// Subtype of text: SUBT for subtitles, CAPT for captions; "" for CAPT.
	Subtype string
	Levels  []Level
	// DisplayWidth and DisplayHeight are of video as it is shown, where pixels are not square; 0 for the greatest level.
	DisplayWidth, DisplayHeight int
	// Start is the time of the first fragment, and Durations those of all, in ticks.
	Start     int64
	Durations []int64
}

// Level is a QualityLevel, [MS-SSTR] 2.2.2.5.
type Level struct {
	Bitrate int64 // bit/s, unique in its stream
	// FourCC and CodecPrivateData as LevelOf makes them of a track.
	FourCC           string
	CodecPrivateData []byte

	Width, Height int // video

	SampleRate, Channels, BitsPerSample, PacketSize, AudioTag int // audio

	// File is the name of the .ismv or .isma object beside the manifest, and TrackID the track in it.
	File    string
	TrackID uint32
}
