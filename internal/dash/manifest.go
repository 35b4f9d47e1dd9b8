package dash

import (
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
)

// Profile is a profile of ISO/IEC 23009-1 section 8. The zero value is the main profile.
type Profile int

// The profiles.
const (
	Main     Profile = iota
	OnDemand         // one file for each representation, with an index
)

// Style is how AdaptationSets are made and where segments are timed: dashManifestStyle. The zero value is Basic.
type Style int

// The styles.
const (
	// Basic times the segments of each representation by itself.
	Basic Style = iota
	// Compact times the segments of video once in its AdaptationSet; a representation that differs from the others has its own times. The
	// rest is Basic.
	Compact
	// Distinct makes an AdaptationSet of video for each frame rate, and times segments once in every AdaptationSet.
	Distinct
	// Full times segments once in every AdaptationSet.
	Full
)

// Manifest is a static MPD of one period.
type Manifest struct {
	Profile Profile
	// HbbTV adds the profile of HbbTV 1.5, whose limits Encode holds the description to.
	HbbTV bool
	Style Style
	// Timelines writes a SegmentTimeline where Basic would write @duration (writeSegmentTimelineInRepresentation). Without it, too, segments
	// have a timeline that are named by time, or so uneven that @duration would lead players to segments that are not there.
	Timelines bool
	// Duration of the presentation; 0 for that of the longest representation of sound and pictures.
	Duration time.Duration
	// MinBufferTime is how much a player buffers at the bandwidths stated; 0 for the longest segment.
	MinBufferTime time.Duration
	// BaseURL stands before every reference, "" for none.
	BaseURL string
	// DolbyChannels states the channels of AC-3 and E-AC-3 in Dolby's scheme instead of MPEG's (audioChannelConfigSchemeIdUri).
	DolbyChannels bool
	// Representations in the order in which they are written. Those of one AdaptationSet stand where its first stands.
	Representations []Representation
}

// Representation is a stream, ISO/IEC 23009-1 5.3.5. Fields that are zero are not written.
type Representation struct {
	// ID is unique in the manifest, without white space.
	ID string
	// Kind is Video, Audio or Text; 0 for Tiles.
	Kind media.Kind
	// MIMEType is such as video/mp4, application/mp4 for captions in fMP4, text/vtt, application/ttml+xml, image/jpeg.
	MIMEType  string
	Codecs    string // RFC 6381
	Bandwidth int64  // bit/s

	Width, Height     int            // of video, and of a whole image of tiles
	SampleAspectRatio media.Rational // 1:1 when not known
	FrameRate         media.Rational
	Interlaced        bool
	// StartsWithSAP is the type of the stream access point that every segment begins with (ISO/IEC 14496-12 annex I): 1 for closed groups of pictures and for
	// sound, 2 where pictures before the key frame come behind it; 0 when not known.
	StartsWithSAP int

	SampleRate, Channels int

	Language string // RFC 5646
	Label    string // for people
	// Default is the one of its kind that plays if nobody chooses.
	Default bool
	// Described says of sound that it describes the pictures.
	Described bool
	// Accessible says of captions that they write down all that is heard.
	Accessible bool
	// Forced says of captions that they are shown even to those who did not ask for any.
	Forced bool
	// Captions608 says which captions of CEA-608 are in the pictures, such as CC1=eng, "" for none (accessibilityCaptionHints).
	Captions608 string

	// Protection is nil for a clear stream.
	Protection *Protection
	// Events are the kinds of event message boxes in the segments.
	Events []EventStream
	// TrickModeOf is the ID of the representation that this is the fast forward of, "" for none.
	TrickModeOf string
	// Tiles of images for trick play; nil for none.
	Tiles *Tiles

	// One of these says where the media are.
	Segments *Segments // one object each
	File     *File     // one object with an index
	URI      string    // one object, without segments: captions beside
}

// Protection is a content key and what DRM systems are told of it, ISO/IEC 23001-7 11.2. Representations with other keys are in other
// AdaptationSets.
type Protection struct {
	Scheme  cenc.Scheme
	KeyID   cenc.UUID
	Signals []cenc.Signal
}

// EventStream is an InbandEventStream, ISO/IEC 23009-1 5.10.3.
type EventStream struct {
	Scheme, Value string
}

// Tiles is the layout of pictures in an image, DASH-IF IOP 6.2.6.
type Tiles struct {
	Columns, Rows int
}

// Times are the times of segments, in ticks.
type Times struct {
	Timescale uint32
	// Start is the time of the first segment, as its fragment states it.
	Start int64
	// Offset is the time of the stream at which the presentation begins (@presentationTimeOffset).
	Offset    int64
	Durations []int64
}

// Segments are objects named by number or by time. References are as written, percent-encoded: see uri.Relative.
type Segments struct {
	Times
	Init string // initialization segment, "" for none
	// Before and After are the reference around the number or the time of a segment.
	Before, After string
	Digits        int // of the number at least; 0 for as many as it has
	First         int // number of the first segment
	// ByTime names segments by their time in ticks, not by number.
	ByTime bool
}

// File is an object with all segments of a stream, and an index of them (sidx, ISO/IEC 14496-12 8.16.3).
type File struct {
	Times
	URI         string
	Init, Index ByteRange
}

// ByteRange is a piece of an object, in bytes.
type ByteRange struct {
	Offset, Length int64
}
