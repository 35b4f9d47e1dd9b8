// Package plan decides what a job will do before anything runs: settings and a probe go in, a graph of steps comes out.
//
// A Plan is pure data and knows no word of any encoder: the same settings, probe and start time give the same plan. Check says at submit
// time which settings cannot be carried out. Only this package and api read JobSettings.
package plan

import (
	"time"

	"darkroom/internal/media"
)

// Plan is what a job does: the source is decoded once, every rendition is encoded once, and packages carry renditions to their
// destinations, however many packages ask for the same one.
type Plan struct {
	Source     Source
	Renditions []Rendition
	Files      []File
	Streams    []StreamGroup
	Captures   []Capture
	// Captions are the files of captions beside the film, and Sidecars what is made of them in file groups.
	Captions []Captions `json:",omitempty"`
	Sidecars []Sidecar  `json:",omitempty"`
	// Groups has an entry for each output group of the job, in its order, to report what was made.
	Groups []Group
	// Duration of the source, 0 when it is not known.
	Duration time.Duration
}

// Location is an object in a store.
type Location struct {
	Bucket, Key string
	// ContentEncoding is how an output is compressed, such as gzip; "" for not at all.
	ContentEncoding string
	// Storage is how an output is kept there; nil for what the store does by default.
	Storage *Storage
}

// URI returns s3://BUCKET/KEY.
func (l Location) URI() string { return "s3://" + l.Bucket + "/" + l.Key }

// Source is what is read, and which of its streams.
type Source struct {
	Input Input
	// Files are what the streams are read from: one, or several where the sound of an HLS package has playlists of its own. None is there that no
	// rendition needs, but for the first.
	Files []SourceFile
	// Video is the index of the video stream in the first file, -1 for none.
	Video int
	// Width and Height of the video stream; behind a discontinuity it may have others.
	Width, Height int
	// FrameRate of the video stream, as the source says it; output that follows the source runs at it.
	FrameRate media.Rational
	// Rotation is by how many degrees, clockwise, the picture is turned before anything else: 0, 90, 180 or 270.
	Rotation int
}

// SourceFile is one file of a source.
type SourceFile struct {
	// Number is its place in the probe: 0 is the input, 1 and so on are the renditions of sound.
	Number int
	// Demuxer is the container as the probe saw it; the same one is asked for when it is read again.
	Demuxer string
	// Delay is by how much its first time stamp is later than the earliest one of all files.
	Delay time.Duration
	// Spliced says that pictures and sound may change behind a discontinuity.
	Spliced bool
}

// Rendition is one encoded track variant. Exactly one of Video, Audio and Frames is set. Settings that are equal give one rendition.
type Rendition struct {
	ID     string // v0, v1, a0, f0: unique in the plan
	Video  *Video
	Audio  *Audio
	Frames *Frames
}

// Picture is the geometry of an output: the source is scaled to ScaledWidth × ScaledHeight, then padded or cropped to Width × Height.
type Picture struct {
	Width, Height             int // coded size, even
	ScaledWidth, ScaledHeight int // even; less than Width or Height is padded, more is cropped, around the middle
	SampleAspectRatio         media.Rational
	Deinterlace               bool
	// DeinterlaceAll treats every frame as interlaced, not only those marked so.
	DeinterlaceAll bool
	// Sharpness of scaling: 0 soft to 100 sharp; 50 is the default.
	Sharpness int
	// FrameRate of the output, frames per second; always known.
	FrameRate media.Rational
}

// RateControl is how bits are spent.
type RateControl int

// The rate controls.
const (
	CBR  RateControl = iota + 1 // constant bitrate
	VBR                         // variable around an average, below a maximum
	QVBR                        // constant quality, below a maximum
)

// Video is an encoding of pictures.
type Video struct {
	Codec media.Codec // AVC, HEVC or AV1
	Picture
	Profile       string // AVC: baseline, main, high, high10, high422; HEVC: main, main10, main422-10; AV1: main
	HighTier      bool   // HEVC
	Level         string // such as 4.1; "" for automatic
	BitDepth      int    // 8 or 10
	Chroma        int    // 420 or 422
	RateControl   RateControl
	Bitrate       int     // bit/s, average; 0 for QVBR
	MaxBitrate    int     // bit/s; 0 for none
	BufferSize    int     // bits of the hypothetical reference decoder; 0 for the default
	InitialBuffer int     // percent of BufferSize; 0 for the default
	Quality       float64 // QVBR: 1 (low) to 10 (high)
	Effort        int     // 1 SINGLE_PASS, 2 SINGLE_PASS_HQ
	// KeyFrameInterval is the longest distance between key frames in frames of the output.
	KeyFrameInterval int
	// MinKeyFrameDistance is the least distance, in frames, of a key frame put in at a scene change: -1 automatic, 0 never.
	MinKeyFrameDistance int
	SceneChange         bool
	// DetectTransitions looks further ahead, so that fades and wipes are seen too.
	DetectTransitions     bool
	ClosedGOP             bool
	BFrames               int
	BReference            bool
	DynamicSubGOP         bool
	ReferenceFrames       int
	CABAC                 bool
	Slices                int
	AdaptiveQuantization  int // 0 off, 1 low, 2 medium, 3 high, 4 higher, 5 max, -1 automatic
	SpatialAQ, TemporalAQ bool
	FlickerAQ             bool // spends more on the pictures before a key frame, so that it does not show
	Softness              int  // 0 flat matrices, 1 or 16 those of JVT
	IgnoreColor           bool // leave color metadata out of the stream
	// HEVC alone: what the loop filters leave out, whether pictures say their temporal layer, coding tree blocks of 32 × 32 at most, and motion vectors that are not
	// predicted from other pictures.
	NoDeblocking, NoSAO, TemporalLayers, SmallTreeBlocks, NoTemporalMVP bool
	// FilmGrain, of AV1 alone, takes grain out before encoding and lets the decoder put it back.
	FilmGrain bool
	// SegmentLength asks for a key frame at every multiple of this length besides KeyFrameInterval, so that segments of all
	// renditions begin on the same frame; 0 for none.
	SegmentLength time.Duration
}

// Audio is an encoding of sound.
type Audio struct {
	Codec      media.Codec   // AAC (AAC-LC), AC3 or EAC3
	Sources    []AudioSource // more than one: their channels are joined in order
	Bitrate    int           // bit/s
	VBRQuality int           // 0: constant bitrate; 1 low to 4 high
	SampleRate int           // Hz
	Channels   int           // 1, 2, 5 (3/2 without LFE) or 6 (3/2 with LFE)
	Language   string        // ISO 639-2; "" when not known

	// AC-3 and E-AC-3 alone. What is zero is left to the encoder.
	DialogueLevel int // dialnorm, 1 to 31: decibels below full scale
	// Service is the bit stream mode, in the API's words such as COMMENTARY; "" for complete main.
	Service string
	// LFEFilter limits the LFE channel to 120 Hz; DCFilter takes out what does not swing.
	LFEFilter, DCFilter bool
	Attenuate           bool // the surround channels by 3 dB
	// DolbySurround and SurroundEX say whether channels are matrixed: 0 not indicated, 1 no, 2 yes.
	DolbySurround, SurroundEX int
	Downmix                   int // to stereo: one of Downmix…, 0 not indicated
	// MixLevels are factors for the downmix: Lt/Rt center and surround, Lo/Ro center and surround; 0 for the default.
	MixLevels [4]float64
}

// The preferred ways of mixing down to stereo, as the bit stream information of E-AC-3 counts them.
const (
	DownmixLtRt = iota + 1
	DownmixLoRo
	DownmixDPL2
)

// Muted is the mix level that mutes.
const Muted = -1

// AudioSource is one audio stream of the source.
type AudioSource struct {
	File   int // index in Source.Files
	Stream int // index in the file
	// Offset moves the sound: positive is later.
	Offset   time.Duration
	Channels int
}

// Frames is a series of still pictures (JPEG).
type Frames struct {
	Picture
	MaxCaptures int // at most so many
	Quality     int // 1 to 100
	// Columns and Rows are how many pictures are laid out on one, from left to right and top to bottom; 0 leaves each one for itself. What is left of
	// the last one stays black.
	Columns, Rows int
}

// File is a progressive MP4 (ISO/IEC 14496-12 and -14), moov before mdat.
type File struct {
	Location
	Video string   // rendition id, "" for none
	Audio []string // rendition ids
	// Brand is the major brand, "" for the default.
	Brand string
	// MoovLast puts the index behind the media (moovPlacement NORMAL).
	MoovLast bool
	// CompositionToDecode writes the cslg box (ISO/IEC 14496-12 8.6.1.4).
	CompositionToDecode bool
	Group, Output       int // where it stands in the job
}

// Capture is a series of JPEG objects: Prefix, seven digits from 0000000, Extension.
type Capture struct {
	Bucket        string
	Storage       *Storage
	Prefix        string // key up to and including the dot before the digits
	Extension     string // with its dot
	Rendition     string
	Group, Output int
}

// TransportStream is how an MPEG-TS (ISO/IEC 13818-1) is laid out.
type TransportStream struct {
	ProgramNumber, TransportStreamID int
	PMTPID, VideoPID, PCRPID         int
	AudioPIDs                        []int
	PATInterval, PMTInterval         time.Duration // 0: at the start of each segment only
	AudioFramesPerPES                int
}

// Group says of an output group of the job what its outputs are, to report them when they are made.
type Group struct {
	Type    string // FILE_GROUP, HLS_GROUP, CMAF_GROUP, DASH_ISO_GROUP, MS_SMOOTH_GROUP
	Outputs []Output
	// Playlists are the manifests of the group, the multivariant one first.
	Playlists []string
}

// Output says what one output of the job is.
type Output struct {
	Paths         []string // URIs that are known beforehand
	Width, Height int      // 0 for sound alone
	Video         string   // rendition id
}
