package event

import "encoding/json"

// Input is one input in INPUT_INFORMATION.
type Input struct {
	ID    int     `json:"id"` // 1 is the first of the job
	URI   string  `json:"uri"`
	Audio []Audio `json:"audio,omitempty"`
	Video []Video `json:"video,omitempty"`
}

// Audio is a stream of sound.
type Audio struct {
	Channels   int    `json:"channels"`
	Codec      string `json:"codec"`    // AAC, MP2, …
	Language   string `json:"language"` // ISO 639-2 in upper case; UND where it is not known
	SampleRate int    `json:"sampleRate"`
	StreamID   int    `json:"streamId"` // 1 is the first of the input
}

// Video is a stream of pictures.
type Video struct {
	BitDepth      int     `json:"bitDepth,omitempty"`
	Codec         string  `json:"codec"`                 // H_264, H_265, MPEG2, …
	ColorFormat   string  `json:"colorFormat,omitempty"` // YUV_420, YUV_422, YUV_444
	FourCC        string  `json:"fourCC,omitempty"`
	FrameRate     float64 `json:"frameRate"`
	Height        int     `json:"height"`
	InterlaceMode string  `json:"interlaceMode"` // PROGRESSIVE, TOP_FIELD, BOTTOM_FIELD, INTERLACED
	SAR           string  `json:"sar"`
	Standard      string  `json:"standard"` // UNSPECIFIED, PAL, NTSC, …
	StreamID      int     `json:"streamId"`
	Width         int     `json:"width"`
}

// OutputGroup is one output group in COMPLETE.
type OutputGroup struct {
	OutputDetails     []Output `json:"outputDetails"`
	PlaylistFilePaths []string `json:"playlistFilePaths,omitempty"` // top-level manifests
	Type              string   `json:"type"`                        // FILE_GROUP, HLS_GROUP, DASH_ISO_GROUP, CMAF_GROUP, MS_SMOOTH_GROUP
}

// Output is one output.
type Output struct {
	OutputFilePaths []string     `json:"outputFilePaths,omitempty"`
	DurationInMs    int64        `json:"durationInMs"`
	VideoDetails    *OutputVideo `json:"videoDetails,omitempty"`
}

// OutputVideo is the video of an output.
type OutputVideo struct {
	WidthInPx      int   `json:"widthInPx"`
	HeightInPx     int   `json:"heightInPx"`
	AverageBitrate int64 `json:"averageBitrate,omitempty"` // bits a second
}

// The outputGroupDetails of GetJob: those of the COMPLETE event without paths and bit rates.
type (
	shownGroup struct {
		OutputDetails []shownOutput `json:"outputDetails"`
	}
	shownOutput struct {
		DurationInMs int64       `json:"durationInMs"`
		VideoDetails *shownVideo `json:"videoDetails,omitempty"`
	}
	shownVideo struct {
		WidthInPx  int `json:"widthInPx"`
		HeightInPx int `json:"heightInPx"`
	}
)

// Shown returns what GetJob shows of groups: its member outputGroupDetails; nil where there are none.
func Shown(groups []OutputGroup) (json.RawMessage, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	out := make([]shownGroup, len(groups))
	for i, g := range groups {
		out[i].OutputDetails = make([]shownOutput, len(g.OutputDetails))
		for k, o := range g.OutputDetails {
			out[i].OutputDetails[k].DurationInMs = o.DurationInMs
			if v := o.VideoDetails; v != nil {
				out[i].OutputDetails[k].VideoDetails = &shownVideo{v.WidthInPx, v.HeightInPx}
			}
		}
	}
	return json.Marshal(out)
}
