package worker

import (
	"encoding/json"
	"math"

	"darkroom/internal/lease"
	"darkroom/internal/media"
	"darkroom/internal/packager"
	"darkroom/internal/plan"
)

// The outputGroupDetails of GetJob, and with paths those of the COMPLETE event.
type (
	groupDetail struct {
		OutputDetails     []outputDetail `json:"outputDetails"`
		PlaylistFilePaths []string       `json:"playlistFilePaths,omitempty"`
		Type              string         `json:"type,omitempty"`
	}
	outputDetail struct {
		OutputFilePaths []string     `json:"outputFilePaths,omitempty"`
		DurationInMs    int64        `json:"durationInMs"`
		VideoDetails    *videoDetail `json:"videoDetails,omitempty"`
	}
	videoDetail struct {
		WidthInPx      int   `json:"widthInPx"`
		HeightInPx     int   `json:"heightInPx"`
		AverageBitrate int64 `json:"averageBitrate,omitempty"`
	}
)

// results says what was made, in the order of the job's groups and outputs.
func results(p *plan.Plan, report *packager.Report) lease.Result {
	shown := make([]groupDetail, len(p.Groups))
	event := make([]groupDetail, len(p.Groups))
	for g := range p.Groups {
		n := len(p.Groups[g].Outputs)
		shown[g].OutputDetails = make([]outputDetail, n)
		event[g] = groupDetail{Type: p.Groups[g].Type, PlaylistFilePaths: p.Groups[g].Playlists, OutputDetails: make([]outputDetail, n)}
	}
	for _, o := range report.Outputs {
		d := outputDetail{DurationInMs: o.Duration.Milliseconds()}
		if o.Width > 0 {
			d.VideoDetails = &videoDetail{WidthInPx: o.Width, HeightInPx: o.Height}
		}
		shown[o.Group].OutputDetails[o.Output] = d
		if d.VideoDetails != nil {
			withRate := *d.VideoDetails
			withRate.AverageBitrate = o.Bitrate
			d.VideoDetails = &withRate
		}
		if len(p.Groups[o.Group].Outputs[o.Output].Paths) > 0 || p.Groups[o.Group].Type == "FILE_GROUP" {
			for _, path := range o.Paths {
				d.OutputFilePaths = append(d.OutputFilePaths, path.URI())
			}
		}
		event[o.Group].OutputDetails[o.Output] = d
	}
	return lease.Result{OutputDetails: marshal(shown), EventDetails: marshal(event)}
}

// The inputDetails of the INPUT_INFORMATION event.
type (
	inputDetail struct {
		ID    int           `json:"id"`
		URI   string        `json:"uri"`
		Audio []audioStream `json:"audio"`
		Video []videoStream `json:"video"`
	}
	audioStream struct {
		Channels   int    `json:"channels"`
		Codec      string `json:"codec"`
		Language   string `json:"language,omitempty"`
		SampleRate int    `json:"sampleRate"`
		StreamID   int    `json:"streamId"`
	}
	videoStream struct {
		BitDepth      int     `json:"bitDepth,omitempty"`
		Codec         string  `json:"codec"`
		ColorFormat   string  `json:"colorFormat,omitempty"`
		FrameRate     float64 `json:"frameRate"`
		Height        int     `json:"height"`
		InterlaceMode string  `json:"interlaceMode"`
		SAR           string  `json:"sar"`
		StreamID      int     `json:"streamId"`
		Width         int     `json:"width"`
	}
)

func inputDetails(uri string, probe *plan.Probe) json.RawMessage {
	d := inputDetail{URI: uri, Audio: []audioStream{}, Video: []videoStream{}}
	for i, s := range probe.Streams { // the files of an HLS package count their streams each from 0
		switch {
		case s.Kind == media.Audio:
			d.Audio = append(d.Audio, audioStream{Channels: s.Channels, Codec: s.Codec, Language: s.Language, SampleRate: s.SampleRate, StreamID: i})
		case s.Kind == media.Video && !s.Attached:
			mode := "progressive"
			if s.Interlaced {
				mode = "interlaced"
			}
			sar := s.SampleAspectRatio
			if !sar.Known() {
				sar = media.Rational{Num: 1, Den: 1}
			}
			d.Video = append(d.Video, videoStream{
				BitDepth: s.BitDepth, Codec: s.Codec, ColorFormat: s.PixelFormat, FrameRate: math.Round(s.FrameRate.Float()*1000) / 1000,
				Height: s.Height, Width: s.Width, InterlaceMode: mode, SAR: sar.String(), StreamID: i,
			})
		}
	}
	return marshal([]inputDetail{d})
}
