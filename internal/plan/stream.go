package plan

import (
	"time"

	"darkroom/internal/media"
)

// GroupKind is the kind of a segmented output group. The zero value is none.
type GroupKind int

// The kinds of segmented output groups.
const (
	AppleHLS GroupKind = iota + 1
	CMAF
	DASH
	Smooth
)

func (k GroupKind) String() string {
	switch k {
	case AppleHLS:
		return "Apple HLS"
	case CMAF:
		return "CMAF"
	case DASH:
		return "DASH ISO"
	case Smooth:
		return "Microsoft Smooth Streaming"
	}
	return "no streaming group"
}

// StreamGroup is an output group of segments and the manifests that name them.
type StreamGroup struct {
	Kind  GroupKind
	Group int // where it stands in the job
	Cut   Cut
	// SingleFile keeps the segments of a stream in one object, named by byte ranges.
	SingleFile bool
	// CompositionOffsets of pictures in fMP4 are signed (ISO/IEC 14496-12, trun version 1), so that presentation begins at 0 without an edit list.
	SignedOffsets bool
	// KeepPTSOffset says that the first picture keeps the delay of B-frames (ptsOffsetHandlingForBFrames MATCH_INITIAL_PTS).
	KeepPTSOffset   bool
	Representations []Representation
	// HLS, DASH and Smooth are the manifests written, the main one of each kind first; all empty for outputSelection SEGMENTS_ONLY.
	HLS    []HLSManifest
	DASH   []DASHManifest
	Smooth []SmoothManifest
	// Encryption is nil for clear segments.
	Encryption *ContentEncryption
	// Metadata are the ID3 tags put in at given times, in order.
	Metadata []TimedMetadata
	// ID3Frame puts the time of day into ID3 tags of transport streams, in frames of this kind (timedMetadataId3Frame): PRIV or TDRL; "" for none. ID3Period is how
	// often, 0 for each segment, and ID3Begin the time of the first picture.
	ID3Frame  string
	ID3Period time.Duration
	ID3Begin  time.Time
}

// LengthControl says what the length of segments follows.
type LengthControl int

// The controls of segment lengths.
const (
	Exact       LengthControl = iota // key frames are put at every multiple of the length
	GOPMultiple                      // segments end with the first group of pictures of the encoder's cadence that makes them as long as the length
	MatchAudio                       // the length is a multiple of both frame durations
)

// Cut is how streams are cut.
type Cut struct {
	Length   time.Duration // of segments
	Fragment time.Duration // of fragments in a segment of fMP4, which end with the next key frame; 0 for one
	Control  LengthControl
	// Minimum is the least length of a segment but the last (minSegmentLength); a shorter one grows by what follows.
	Minimum time.Duration
	// MinimumFinal is the least length of the last segment, or it is joined to the one before.
	MinimumFinal time.Duration
	// PerDirectory is how many segments share a directory of their stream (segmentsPerSubdirectory); 0 for no such directories. The directories are
	// beside Representation.Segments, and their names are five digits from 00001.
	PerDirectory int
}

// SegmentFormat is the container of a stream's segments. The zero value is none.
type SegmentFormat int

// The formats of segments.
const (
	TransportStreamSegments SegmentFormat = iota + 1 // ISO/IEC 13818-1
	PackedAudio                                      // elementary streams of sound with an ID3 time stamp, RFC 8216 3.4
	FragmentedMP4                                    // ISO/IEC 23000-19
	PIFF                                             // the fragmented MP4 of Smooth Streaming: one file of all its streams
	VTTSegments                                      // WebVTT, RFC 8216 3.5
	Images                                           // JPEG tiles
	TextFile                                         // captions in one object, without segments
)

// Representation is what has a media playlist, a Representation of an MPD or a quality level of its own. Beside transport streams, which carry one picture and any
// number of tracks of sound together, it is one track.
type Representation struct {
	Output int // index in the group of the job
	Format SegmentFormat
	Video  string   // rendition id, "" for none
	Audio  []string // rendition ids
	Text   string   // id of captions
	// Captions are how Text is written.
	Captions TextOptions `json:",omitzero"`
	Frames   string      // rendition id, of Images

	// Segments is the key before the number of a segment, such as prefix_; Extension follows the number, with its dot. Of a single file, Segments is its
	// whole key without the extension, and so it is of TextFile.
	Segments  Location
	Digits    int // of the number: 5 for HLS, 9 for DASH and CMAF
	First     int // number of the first segment
	Extension string
	// ByTime names segments by their start time in ticks, not by number ($Time$).
	ByTime bool
	Init   Location // of fMP4; no key for none
	TS     TransportStream
	// Playlist is the media playlist of HLS; no key where no HLS manifest names the stream.
	Playlist Location
	// IFrames is the I-frame playlist of a picture; nil for none.
	IFrames *IFrames
	// Tiles says of Images how pictures are laid out.
	Tiles *Tiles
	// SmoothFile is the .ismv or .isma object that a PIFF stream is in; streams of one file have equal ones.
	SmoothFile Location

	// What manifests say of it.
	Attributes
	FrameRate media.Rational
	// Key is the index of its content key in Encryption.Keys, -1 for a stream that stays clear.
	Key int
	// EventScheme and EventValue are of emsg boxes that carry timed metadata.
	EventScheme, EventValue string
	EventVersion            int
	// PassMetadata says that timed metadata of the group goes into this stream. SignalEvents announces the event stream in an MPD.
	PassMetadata, SignalEvents bool
	MetadataPID                int // in a transport stream
}

// Attributes are what manifests say of a stream. (EXT-X-MEDIA of RFC 8216 4.3.4.1; AdaptationSet of ISO/IEC 23009-1 5.3.3.)
type Attributes struct {
	// AudioGroup names the group of sound that a picture goes with, "" for none (audioRenditionSets); several are separated by commas.
	AudioGroup string
	// GroupID, Name, Default and AutoSelect are of sound and captions.
	GroupID, Name       string
	Language            string // RFC 5646, "" when not known
	Default, AutoSelect bool
	// Forced says of captions that they are shown even to those who switched them off.
	Forced bool
	// MaxBitrate is the greatest rate that the pictures are encoded with, bit/s; 0 where it is not known.
	MaxBitrate int
	// Described says that sound describes the picture for those who do not see it.
	Described bool
	// Accessible says of captions that they write down all that is heard, not speech alone.
	Accessible bool
	// Variant says of sound that it is a variant of its own (AUDIO_ONLY_VARIANT_STREAM), Alternate that it is asked for as one of several (ALTERNATE_AUDIO_…).
	Variant, Alternate bool
}

// IFrames is the I-frame playlist of a stream, RFC 8216 4.3.3.6, and of DASH the trick mode representation of the same pictures.
type IFrames struct {
	Playlist Location
	// Segments, of fMP4: where the key frames alone are written; no key where the playlist names ranges of the stream's own segments.
	Segments  Location
	Init      Location
	Extension string
	// Trick says that it is also the trick mode representation of an MPD.
	Trick bool
}

// Tiles is the layout of pictures for image-based trick play.
type Tiles struct {
	Columns, Rows int
	Width, Height int // of one picture
	Interval      time.Duration
	// Segments says that each image is of a segment of the group's first picture, and lasts as long (intervalCadence FOLLOW_SEGMENTATION).
	Segments bool `json:",omitzero"`
}

// HLSManifest is a multivariant playlist.
type HLSManifest struct {
	Location
	// Representations are indexes into StreamGroup.Representations; media playlists of those that an earlier manifest named are not written again.
	Representations []int
	HLSOptions
}

// HLSOptions are how playlists are written.
type HLSOptions struct {
	IntegerDurations bool // EXTINF in whole seconds
	RFC4281          bool // CODECS as before RFC 6381
	NoResolution     bool
	NoCache          bool // EXT-X-ALLOW-CACHE:NO
	Gzip             bool // manifestCompression
	// LegacyTarget rounds EXT-X-TARGETDURATION up (targetDurationCompatibilityMode LEGACY) instead of to the nearest second, which is what RFC 8216
	// 4.3.3.1 asks for.
	LegacyTarget bool
	// ProgramDateTime is how often EXT-X-PROGRAM-DATE-TIME is written, 0 for never; Begin is the time of the first picture.
	ProgramDateTime time.Duration
	Begin           time.Time
	// BaseURL stands before every reference, "" for relative ones.
	BaseURL string
	// NoClosedCaptions writes CLOSED-CAPTIONS=NONE.
	NoClosedCaptions bool
}

// DASHProfile is a profile of ISO/IEC 23009-1 section 8.
type DASHProfile int

// The profiles.
const (
	MainProfile     DASHProfile = iota
	OnDemandProfile             // one file for each representation, with an index
)

// DASHStyle is how an MPD lays out AdaptationSets and says how long segments are (dashManifestStyle).
type DASHStyle int

// The styles. Where a Representation differs from the common SegmentTimeline, it has its own.
const (
	BasicStyle    DASHStyle = iota // each Representation says it for itself; see DASHManifest.Precise
	CompactStyle                   // pictures have a common SegmentTimeline in their AdaptationSet, the rest is basic
	DistinctStyle                  // an AdaptationSet of pictures for each frame rate, and a common SegmentTimeline in each AdaptationSet
	FullStyle                      // a common SegmentTimeline in each AdaptationSet
)

// DASHManifest is a media presentation description.
type DASHManifest struct {
	Location
	Representations []int // indexes into StreamGroup.Representations
	Profile         DASHProfile
	// MinBufferTime is MPD@minBufferTime, 0 for the length of a segment.
	MinBufferTime time.Duration
	Style         DASHStyle
	// Precise writes a SegmentTimeline where the style leaves it to the Representation (writeSegmentTimelineInRepresentation); else
	// SegmentTemplate@duration is written where segments but the last are of one length.
	Precise bool
	HbbTV   bool
	// DolbyChannels states the channel configuration in Dolby's scheme (audioChannelConfigSchemeIdUri).
	DolbyChannels bool
	// MaxBandwidth states of pictures the greatest rate that they are encoded with, not their average (mpdManifestBandwidthType MAX).
	MaxBandwidth bool
	BaseURL      string
}

// SmoothManifest is a client manifest with its server manifest.
type SmoothManifest struct {
	Client, Server  Location
	Representations []int
	UTF16           bool
}

// TimedMetadata is an ID3 tag at a time.
type TimedMetadata struct {
	At  time.Duration
	ID3 []byte
}

// Method is how segments are encrypted. The zero value is none: whoever has a ContentEncryption refuses it.
type Method int

// The methods.
const (
	AES128    Method = iota + 1 // whole segments, AES-128-CBC, RFC 8216 4.3.2.4
	SampleAES                   // samples of transport streams
	CBCS                        // ISO/IEC 23001-7 cbcs
	CENC                        // ISO/IEC 23001-7 cenc
	PIFFCTR                     // AES-CTR as PIFF 1.1 writes it
)

// ContentEncryption is how the segments of a group are encrypted. No key is here: the value of a static one is read from the settings by StaticKey when the job runs, those
// of a key server are fetched.
type ContentEncryption struct {
	Method Method
	// ConstantIV is 16 bytes; nil lets the vector follow the number of the segment (AES128), the key or the sample.
	ConstantIV []byte
	HideIV     bool // initializationVectorInManifest EXCLUDE
	SessionKey bool // EXT-X-SESSION-KEY in the multivariant playlist (offlineEncrypted)
	// ClearLead leaves the first segment clear.
	ClearLead bool
	// ClearSEI leaves SEI units clear, beside slice headers (playbackDeviceCompatibility UNENCRYPTED_SEI).
	ClearSEI bool
	// Keys are the content keys that the streams use: one for a static key or SPEKE v1.0, those of the contract for v2.0.
	Keys   []KeyUse
	Static *StaticSignal
	SPEKE  *KeyRequest
}

// KeyUse names a content key by the tracks that it is for: the intended track type of the contract, such as SD or STEREO_AUDIO; ALL for one shared key.
type KeyUse struct {
	Track string
}

// StaticSignal is how a static key is told to players.
type StaticSignal struct {
	URL, KeyFormat, KeyFormatVersions string
}

// KeyRequest is what a key server is asked over SPEKE.
type KeyRequest struct {
	URL            string
	ResourceID     string
	CertificateARN string // "" for content keys that come in the clear inside TLS
	Version        int    // 1 or 2
	// VideoPreset and AudioPreset make the contract of version 2, as the API names them.
	VideoPreset, AudioPreset string
	// HLSSystems and DASHSystems are the DRM systems signalled in each kind of manifest, in order; Smooth's is in DASHSystems.
	HLSSystems, DASHSystems []string
}
