package plan

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
)

// encodeAudio plans the sound of one audio description; nil when the input has no sound at all.
func (b *builder) encodeAudio(d *types.AudioDescription, path string) (*Audio, error) {
	streams := b.source.audio()
	sel, name := b.selector(aws.ToString(d.AudioSourceName))
	if hls := selectsRendition(sel); hls != nil {
		var err error
		if streams, err = b.source.rendition(hls, name); err != nil {
			return nil, err
		}
	}
	if len(streams) == 0 {
		return nil, nil
	}
	chosen, err := choose(sel, name, streams)
	if err != nil {
		return nil, err
	}
	a := &Audio{}
	channels := 0
	for _, s := range chosen {
		if !s.Decodable {
			return nil, job.Errorf(1030, "Input 1: the audio codec %q is not supported. Convert the input to another codec first.", s.Codec)
		}
		offset := time.Duration(0)
		if sel != nil {
			offset = time.Duration(aws.ToInt32(sel.Offset)) * time.Millisecond
		}
		a.Sources = append(a.Sources, AudioSource{File: b.sourceFile(s.File), Stream: s.Index, Offset: offset, Channels: s.Channels})
		channels += s.Channels
	}
	a.Language = language(d, chosen[0])
	return a, a.aac(d.CodecSettings.AacSettings, channels, path)
}

// selector finds the audio selector of a description: by name, else the input's default one, else the first by name.
func (b *builder) selector(name string) (*types.AudioSelector, string) {
	all := b.settings.Inputs[0].AudioSelectors
	if s, ok := all[name]; ok {
		return &s, name
	}
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if s := all[n]; s.DefaultSelection == types.AudioDefaultSelectionDefault {
			return &s, n
		}
	}
	if len(names) > 0 {
		s := all[names[0]]
		return &s, names[0]
	}
	return nil, ""
}

// choose picks the streams that a selector names.
func choose(sel *types.AudioSelector, name string, streams []*Stream) ([]*Stream, error) {
	if sel == nil {
		return streams[:1], nil
	}
	var chosen []*Stream
	what := ""
	switch {
	case sel.SelectorType == types.AudioSelectorTypeLanguageCode:
		code := selectedLanguage(sel)
		what = "the language " + code
		for _, s := range streams {
			if strings.EqualFold(s.Language, code) {
				return []*Stream{s}, nil
			}
		}
	case len(sel.Tracks) > 0:
		what = fmt.Sprintf("track %v", sel.Tracks)
		for _, n := range sel.Tracks {
			if int(n) <= len(streams) {
				chosen = append(chosen, streams[n-1])
			}
		}
		if len(chosen) == len(sel.Tracks) {
			return chosen, nil
		}
	default:
		return streams[:1], nil
	}
	if sel.DefaultSelection == types.AudioDefaultSelectionDefault {
		return streams[:1], nil
	}
	return nil, job.Errorf(1021, "Input 1: the audio selector %q asks for %s, which the input does not have (it has %d audio tracks). Correct the selector, or set its defaultSelection to DEFAULT.", name, what, len(streams))
}

func selectedLanguage(sel *types.AudioSelector) string {
	if c := aws.ToString(sel.CustomLanguageCode); c != "" {
		return c
	}
	return string(sel.LanguageCode)
}

// language returns ISO 639-2 or what the job gives as its own code, "" when not known.
func language(d *types.AudioDescription, s *Stream) string {
	configured := strings.ToLower(string(d.LanguageCode))
	if c := aws.ToString(d.CustomLanguageCode); c != "" {
		configured = c
	}
	if d.LanguageCodeControl == types.AudioLanguageCodeControlUseConfigured {
		return configured
	}
	// Follow input; what is configured is used when the input says nothing.
	if s.Language != "" && s.Language != "und" {
		return s.Language
	}
	return configured
}

// aacVBR is how the four levels of quality are counted.
var aacVBR = map[types.AacVbrQuality]int{
	types.AacVbrQualityLow: 1, types.AacVbrQualityMediumLow: 2, types.AacVbrQualityMediumHigh: 3, types.AacVbrQualityHigh: 4,
}

func (a *Audio) aac(s *types.AacSettings, sourceChannels int, path string) error {
	switch s.CodingMode {
	case types.AacCodingModeCodingMode10:
		a.Channels = 1
	case types.AacCodingModeCodingMode20:
		a.Channels = 2
	case types.AacCodingModeCodingMode51:
		a.Channels = 6
	case types.AacCodingModeCodingModeAuto:
		switch {
		case sourceChannels >= 6:
			a.Channels = 6
		case sourceChannels >= 2:
			a.Channels = 2
		default:
			a.Channels = 1
		}
	default:
		return job.Errorf(1040, "%s: the AAC coding mode %q is not carried out.", path, s.CodingMode)
	}
	a.SampleRate = int(aws.ToInt32(s.SampleRate))
	a.Bitrate = int(aws.ToInt32(s.Bitrate))
	if s.RateControlMode == types.AacRateControlModeVbr {
		a.VBRQuality = aacVBR[s.VbrQuality]
	}
	if a.Bitrate == 0 {
		// The console's own defaults by number of channels.
		a.Bitrate = map[int]int{1: 64_000, 2: 96_000, 6: 384_000}[a.Channels]
	}
	return nil
}
