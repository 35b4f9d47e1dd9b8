package worker

import (
	"math"
	"strings"

	"darkroom/internal/event"
	"darkroom/internal/lease"
	"darkroom/internal/media"
	"darkroom/internal/packager"
	"darkroom/internal/plan"
)

// results says what was made, in the order of the job's groups and outputs.
func results(p *plan.Plan, report *packager.Report) lease.Result {
	told := make([]event.OutputGroup, len(p.Groups))
	for g := range p.Groups {
		n := len(p.Groups[g].Outputs)
		told[g] = event.OutputGroup{Type: p.Groups[g].Type, PlaylistFilePaths: p.Groups[g].Playlists, OutputDetails: make([]event.Output, n)}
	}
	for _, o := range report.Outputs {
		e := event.Output{DurationInMs: o.Duration.Milliseconds()}
		if o.Width > 0 {
			e.VideoDetails = &event.OutputVideo{WidthInPx: o.Width, HeightInPx: o.Height, AverageBitrate: o.Bitrate}
		}
		if len(p.Groups[o.Group].Outputs[o.Output].Paths) > 0 || p.Groups[o.Group].Type == "FILE_GROUP" {
			for _, path := range o.Paths {
				e.OutputFilePaths = append(e.OutputFilePaths, path.URI())
			}
		}
		told[o.Group].OutputDetails[o.Output] = e
	}
	return lease.Result{EventDetails: told}
}

// inputDetails are those of the INPUT_INFORMATION event. Inputs and their streams are counted from 1.
func inputDetails(uri string, probe *plan.Probe) []event.Input {
	d := event.Input{ID: 1, URI: uri}
	for i := range probe.Streams { // the files of an HLS package count their streams each from 0
		switch s := &probe.Streams[i]; {
		case s.Kind == media.Audio:
			d.Audio = append(d.Audio, event.Audio{Channels: s.Channels, Codec: codecOf(s), Language: languageOf(s), SampleRate: s.SampleRate, StreamID: i + 1})
		case s.Kind == media.Video && !s.Attached:
			sar := s.SampleAspectRatio
			if !sar.Known() {
				sar = media.Rational{Num: 1, Den: 1}
			}
			d.Video = append(d.Video, event.Video{
				BitDepth: s.BitDepth, Codec: codecOf(s), ColorFormat: colorFormat(s.PixelFormat), FourCC: s.FourCC, FrameRate: math.Round(s.FrameRate.Float()*1000) / 1000,
				Height: s.Height, Width: s.Width, InterlaceMode: interlaceMode(s), SAR: strings.Replace(sar.String(), "/", ":", 1), Standard: "UNSPECIFIED", StreamID: i + 1,
			})
		}
	}
	return []event.Input{d}
}

// codecs are MediaConvert's names of codecs, by ffmpeg's. Others have their own name in upper case.
var codecs = map[string]string{
	"h264": "H_264", "hevc": "H_265", "mpeg2video": "MPEG2", "mpeg1video": "MPEG1", "rawvideo": "UNCOMPRESSED", "v210": "UNCOMPRESSED", "dnxhd": "VC3", "aac_latm": "AAC",
}

func codecOf(s *plan.Stream) string {
	if name, ok := codecs[s.Codec]; ok {
		return name
	}
	if strings.HasPrefix(s.Codec, "pcm_") {
		return "PCM"
	}
	return strings.ToUpper(s.Codec)
}

func languageOf(s *plan.Stream) string {
	if s.Language == "" {
		return "UND"
	}
	return strings.ToUpper(s.Language)
}

// colorFormat is the subsampling of a pixel format; empty for what is not YCbCr.
func colorFormat(pixels string) string {
	for _, sub := range []string{"420", "422", "444"} {
		if strings.HasPrefix(pixels, "yuv"+sub) || strings.HasPrefix(pixels, "yuvj"+sub) || strings.HasPrefix(pixels, "yuva"+sub) {
			return "YUV_" + sub
		}
	}
	return ""
}

func interlaceMode(s *plan.Stream) string {
	switch {
	case !s.Interlaced:
		return "PROGRESSIVE"
	case s.FieldOrder == "tt" || s.FieldOrder == "tb":
		return "TOP_FIELD"
	case s.FieldOrder == "bb" || s.FieldOrder == "bt":
		return "BOTTOM_FIELD"
	}
	return "INTERLACED"
}
