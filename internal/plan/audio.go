package plan

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/media"
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
	dolby := slices.ContainsFunc(chosen, func(s *Stream) bool { return s.Codec == "ac3" || s.Codec == "eac3" })
	if c := d.CodecSettings; dolby && (c.Ac3Settings != nil && c.Ac3Settings.MetadataControl == types.Ac3MetadataControlFollowInput ||
		c.Eac3Settings != nil && c.Eac3Settings.MetadataControl == types.Eac3MetadataControlFollowInput) {
		return nil, job.Errorf(1040, "%s: metadataControl FOLLOW_INPUT: this installation does not take over the Dolby metadata of the input. Use USE_CONFIGURED.", path)
	}
	switch c := d.CodecSettings; c.Codec {
	case types.AudioCodecAac:
		return a, a.aac(c.AacSettings, channels, path)
	case types.AudioCodecAc3:
		return a, a.ac3(c.Ac3Settings, channels, path)
	case types.AudioCodecEac3:
		return a, a.eac3(c.Eac3Settings, channels, path)
	}
	return nil, job.Errorf(1040, "%s: the audio codec %s is not carried out.", path, d.CodecSettings.Codec)
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
	a.Codec = media.AAC
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

// dolbyRate is the one sample rate of AC-3 and E-AC-3 in the API, dolbyBitrates the default bit rates by number of channels (ETSI TS 102 366, by the API's own
// words).
const dolbyRate = 48000

var dolbyBitrates = map[int]int{1: 96_000, 2: 192_000, 6: 384_000}

// automaticChannels follows the source: CODING_MODE_AUTO.
func automaticChannels(source int) int {
	switch {
	case source >= 6:
		return 6
	case source >= 2:
		return 2
	}
	return 1
}

// ac3 reads the settings of AC-3 (ETSI TS 102 366).
func (a *Audio) ac3(s *types.Ac3Settings, sourceChannels int, path string) error {
	if s == nil {
		s = &types.Ac3Settings{}
	}
	a.Codec, a.SampleRate = media.AC3, dolbyRate
	switch s.CodingMode {
	case types.Ac3CodingModeCodingMode10:
		a.Channels = 1
	case types.Ac3CodingModeCodingMode20:
		a.Channels = 2
	case types.Ac3CodingModeCodingMode32Lfe:
		a.Channels = 6
	case types.Ac3CodingModeCodingModeAuto, "":
		a.Channels = automaticChannels(sourceChannels)
	default:
		return job.Errorf(1040, "%s: the AC-3 coding mode %q is not carried out.", path, s.CodingMode)
	}
	a.dolby(s.Bitrate, s.Dialnorm, string(s.BitstreamMode))
	a.LFEFilter = s.LfeFilter == types.Ac3LfeFilterEnabled && a.Channels == 6
	return nil
}

// eac3 reads the settings of E-AC-3 (ETSI TS 102 366 annex E).
func (a *Audio) eac3(s *types.Eac3Settings, sourceChannels int, path string) error {
	if s == nil {
		s = &types.Eac3Settings{}
	}
	a.Codec, a.SampleRate = media.EAC3, dolbyRate
	mode := s.CodingMode
	if mode == "" || mode == types.Eac3CodingModeCodingModeAuto {
		mode = map[int]types.Eac3CodingMode{1: types.Eac3CodingModeCodingMode10, 2: types.Eac3CodingModeCodingMode20, 6: types.Eac3CodingModeCodingMode32}[automaticChannels(sourceChannels)]
	}
	switch mode {
	case types.Eac3CodingModeCodingMode10:
		a.Channels = 1
	case types.Eac3CodingModeCodingMode20:
		a.Channels = 2
		a.DolbySurround = indicated(string(s.SurroundMode))
	case types.Eac3CodingModeCodingMode32:
		a.Channels = 6
		if s.LfeControl == types.Eac3LfeControlNoLfe {
			a.Channels = 5
		}
		a.Attenuate = s.AttenuationControl == types.Eac3AttenuationControlAttenuate3Db
		a.SurroundEX = indicated(string(s.SurroundExMode))
		a.Downmix = map[types.Eac3StereoDownmix]int{types.Eac3StereoDownmixLtRt: DownmixLtRt, types.Eac3StereoDownmixLoRo: DownmixLoRo, types.Eac3StereoDownmixDpl2: DownmixDPL2}[s.StereoDownmix]
		a.MixLevels = [4]float64{
			mixLevel(s.LtRtCenterMixLevel), mixLevel(s.LtRtSurroundMixLevel), mixLevel(s.LoRoCenterMixLevel), mixLevel(s.LoRoSurroundMixLevel),
		}
		a.LFEFilter = s.LfeFilter == types.Eac3LfeFilterEnabled && a.Channels == 6
	default:
		return job.Errorf(1040, "%s: the E-AC-3 coding mode %q is not carried out.", path, s.CodingMode)
	}
	a.dolby(s.Bitrate, s.Dialnorm, string(s.BitstreamMode))
	a.DCFilter = s.DcFilter == types.Eac3DcFilterEnabled
	return nil
}

func (a *Audio) dolby(bitrate, dialnorm *int32, service string) {
	if service != "COMPLETE_MAIN" {
		a.Service = service
	}
	a.Bitrate = int(aws.ToInt32(bitrate))
	if a.Bitrate == 0 {
		a.Bitrate = dolbyBitrates[a.Channels+a.Channels/5%2] // without its LFE, 3/2 has the same
	}
	a.DialogueLevel = int(aws.ToInt32(dialnorm))
}

// indicated is 0 for not indicated, 1 for off, 2 for on: as the bit streams of Dolby count.
func indicated(word string) int {
	switch word {
	case "ENABLED":
		return 2
	case "DISABLED":
		return 1
	}
	return 0
}

// mixLevel is a level in decibels as a factor, 0 where none is given. -60 mutes, which the bit streams write as minus infinity.
func mixLevel(decibels *float64) float64 {
	if decibels == nil {
		return 0
	}
	if *decibels <= -60 {
		return Muted
	}
	return math.Round(math.Pow(10, *decibels/20)*1000) / 1000
}
