package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// audioBlocks are the audio codecs that have settings, with their structure.
var audioBlocks = map[string]string{
	"AAC": "aacSettings", "MP2": "mp2Settings", "MP3": "mp3Settings", "WAV": "wavSettings", "AIFF": "aiffSettings", "AC3": "ac3Settings", "AC4": "ac4Settings",
	"EAC3": "eac3Settings", "EAC3_ATMOS": "eac3AtmosSettings", "VORBIS": "vorbisSettings", "OPUS": "opusSettings", "FLAC": "flacSettings",
}

// aacRates are the bitrates of AAC in kbit/s, least and greatest, for the sample rates of aacSampleRates; 0 is none (user guide, "Supported
// AAC combinations").
var (
	aacSampleRates = []float64{8000, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000}
	aacRates       = map[string][10][2]float64{
		"LC 1_0":   {{8, 14}, {8, 14}, {8, 28}, {24, 28}, {24, 28}, {32, 192}, {56, 256}, {56, 288}, {288, 288}, {128, 288}},
		"LC 2_0":   {{16, 20}, {16, 20}, {16, 32}, {32, 32}, {32, 32}, {40, 384}, {64, 512}, {64, 576}, {576, 576}, {256, 576}},
		"LC 5_1":   {5: {160, 768}, 6: {256, 640}, 7: {256, 768}, 9: {640, 768}},
		"HEV1 1_0": {3: {8, 10}, 4: {8, 10}, 5: {12, 64}, 6: {20, 64}, 7: {20, 64}},
		"HEV1 2_0": {5: {16, 128}, 6: {16, 96}, 7: {16, 128}, 9: {96, 128}},
		"HEV1 5_1": {5: {64, 320}, 6: {64, 224}, 7: {64, 320}, 9: {256, 320}},
		"HEV2 2_0": {3: {8, 10}, 4: {8, 10}, 5: {12, 64}, 6: {20, 64}, 7: {20, 64}},
	}
)

// dolbyRates are the bitrates of AC-3 and E-AC-3 by coding mode.
var dolbyRates = map[string]map[string][2]float64{
	"ac3Settings": {
		"CODING_MODE_1_0": {64000, 128000}, "CODING_MODE_1_1": {128000, 384000}, "CODING_MODE_2_0": {128000, 384000}, "CODING_MODE_3_2_LFE": {384000, 640000},
	},
	"eac3Settings": {"CODING_MODE_1_0": {32000, 3024000}, "CODING_MODE_2_0": {96000, 3024000}, "CODING_MODE_3_2": {192000, 3024000}},
}

// eachAudio judges the audio descriptions of an output.
func eachAudio(judge func(r *report, o output, a, c *node)) func(*report, output) {
	return func(r *report, o output) {
		for _, a := range o.list("audioDescriptions") {
			judge(r, o, a, a.sub("codecSettings"))
		}
	}
}

var audioRules = []outputRule{
	{"codec-audio-codecsettings-missing", eachAudio(func(r *report, o output, a, c *node) {
		if o.fromPreset {
			return
		}
		r.missing(a, "codecSettings")
		if c.there() {
			r.missing(c, "codec")
		}
	})},
	{"codec-block-audio", eachAudio(func(r *report, o output, _, c *node) {
		if !o.fromPreset {
			blocks(r, c, audioBlocks, "AC3", "MP3")
		}
	})},
	{"aud-aac-required", eachAudio(func(r *report, o output, _, c *node) {
		s := c.sub("aacSettings")
		if c.is("codec", "AAC") && !o.fromPreset {
			if !s.there() {
				r.missing(c, "aacSettings")
				return
			}
			r.missing(s, "codingMode", "sampleRate")
		}
	})},
	{"aud-aac-vbr", eachAudio(func(r *report, _ output, _, c *node) {
		if s := c.sub("aacSettings"); s.is("rateControlMode", "VBR") {
			r.missing(s, "vbrQuality")
			if !s.is("codecProfile", "LC", "") {
				r.depends(s, "rateControlMode", "codecProfile", "LC")
			}
		}
	})},
	{"aud-aac-bitrate", eachAudio(func(r *report, _ output, _, c *node) { aacBitrate(r, c.sub("aacSettings")) })},
	{"aud-aac-latm", eachAudio(func(r *report, o output, _, c *node) {
		if s := c.sub("aacSettings"); s.is("rawFormat", "LATM_LOAS") && !o.sub("containerSettings").is("container", "RAW", "") {
			r.say(s.path()+"/rawFormat", "LATM_LOAS goes with the container RAW alone")
		}
	})},
	{"aud-dolby-bitrate", eachAudio(func(r *report, _ output, _, c *node) {
		for block, modes := range dolbyRates {
			s := c.sub(block)
			if !s.has("bitrate") {
				continue
			}
			bits := s.num("bitrate")
			if math.Mod(bits, 8000) != 0 {
				r.say(s.path()+"/bitrate", "Should be a multiple of 8000")
			}
			if span, ok := modes[s.str("codingMode")]; ok && (bits < span[0] || bits > span[1]) {
				r.say(s.path()+"/bitrate", "Should be from %.0f to %.0f with coding mode %s", span[0], span[1], s.str("codingMode"))
			}
		}
	})},
	{"aud-dolby-lfe", eachAudio(func(r *report, _ output, _, c *node) {
		if s := c.sub("ac3Settings"); s.is("lfeFilter", "ENABLED") && s.has("codingMode") && !s.is("codingMode", "CODING_MODE_3_2_LFE") {
			r.depends(s, "lfeFilter", "codingMode", "CODING_MODE_3_2_LFE")
		}
	})},
	{"aud-mp3-vbr-no-quality", eachAudio(func(r *report, _ output, _, c *node) {
		if s := c.sub("mp3Settings"); s.is("rateControlMode", "VBR") && !s.has("vbrQuality") {
			r.say(s.path(), "Should match exactly one schema defined in \"oneOf\"")
			r.say(s.path()+"/rateControlMode", "Must be CBR")
			r.missing(s, "vbrQuality")
		}
	})},
	{"aud-opus-bitrate-multiple", eachAudio(func(r *report, _ output, _, c *node) {
		if s := c.sub("opusSettings"); math.Mod(s.num("bitrate"), 8000) != 0 {
			r.say(s.path()+"/bitrate", "Should be a multiple of 8000")
		}
	})},
	{"aud-channels", eachAudio(func(r *report, _ output, _, c *node) {
		for _, block := range []string{"wavSettings", "aiffSettings", "flacSettings"} {
			if s := c.sub(block); s.num("channels") > 1 && math.Mod(s.num("channels"), 2) != 0 {
				r.say(s.path()+"/channels", "Should be 1 or a multiple of 2")
			}
		}
	})},
	{"aud-remix", eachAudio(func(r *report, _ output, a, _ *node) { remix(r, a.sub("remixSettings")) })},
	{"aud-tagging", eachAudio(func(r *report, o output, a, c *node) {
		tags := a.sub("audioChannelTaggingSettings")
		if tags.empty() {
			return
		}
		if k := o.sub("containerSettings"); k.has("container") && !k.is("container", "MOV", "MXF") {
			r.say(tags.path(), "Audio channel tags go with the containers MOV and MXF alone")
		} else if c.has("codec") && !c.is("codec", "AAC", "WAV", "AIFF") {
			r.say(tags.path(), "Audio channel tags go with the codecs AAC, WAV and AIFF alone")
		}
	})},
}

func aacBitrate(r *report, s *node) {
	if !s.has("bitrate") || !s.has("sampleRate") || s.is("rateControlMode", "VBR") {
		return
	}
	profile := s.str("codecProfile")
	if profile == "" {
		profile = "LC"
	}
	mode := strings.TrimPrefix(s.str("codingMode"), "CODING_MODE_")
	spans, known := aacRates[profile+" "+mode]
	i := slices.Index(aacSampleRates, s.num("sampleRate"))
	if !known || i < 0 {
		return // outside what the table knows
	}
	span := spans[i]
	combination := fmt.Sprintf("Profile %s, Coding mode %s, and Sample rate %.0f", profile, s.str("codingMode"), s.num("sampleRate"))
	switch kilobits := s.num("bitrate") / 1000; {
	case span[1] == 0:
		r.say(s.path()+"/sampleRate", "You specified a value for Sample rate that is not valid with the combination of Profile %s and Coding mode %s you selected.", profile, s.str("codingMode"))
	case kilobits < span[0] || kilobits > span[1]:
		r.say(s.path()+"/bitrate", "You specified a value for Bitrate that is not valid with the combination of %s you selected. Specify a bitrate in the range of %.0f-%.0f, and resubmit your job For a list of supported bitrates, see: https://docs.aws.amazon.com/mediaconvert/latest/ug/aac-support.html",
			combination, span[0]*1000, span[1]*1000)
	}
}

// remix judges the remix settings of an output or a selector.
func remix(r *report, m *node) {
	if !m.there() {
		return
	}
	out := m.num("channelsOut")
	if out > 1 && math.Mod(out, 2) != 0 {
		r.say(m.path()+"/channelsOut", "Should match exactly one schema defined in \"oneOf\"")
		r.say(m.path()+"/channelsOut", "Should be less than or equal to 1")
		r.say(m.path()+"/channelsOut", "Should be a multiple of 2")
	}
	for _, pair := range [][2]string{{"audioDescriptionAudioChannel", "audioDescriptionDataChannel"}, {"audioDescriptionDataChannel", "audioDescriptionAudioChannel"}} {
		if m.has(pair[0]) && !m.has(pair[1]) {
			r.say(m.path()+"/"+pair[0], "Should match all dependencies: See other errors for more details")
			r.missing(m, pair[1])
		}
	}
	mapping := m.sub("channelMapping")
	channels := mapping.list("outputChannels")
	if len(channels) > 0 && m.has("channelsOut") && float64(len(channels)) != out {
		r.say(mapping.path()+"/outputChannels", "Should have %.0f items, as channelsOut says (was %d)", out, len(channels))
	}
	for _, c := range channels {
		if c.has("inputChannels") && c.has("inputChannelsFineTune") {
			r.say(c.path(), "Should have at most 1 properties")
		}
		for _, list := range []string{"inputChannels", "inputChannelsFineTune"} {
			if c.has(list) && m.has("channelsIn") && float64(c.length(list)) != m.num("channelsIn") {
				r.say(c.path()+"/"+list, "Should have %.0f items, as channelsIn says (was %d)", m.num("channelsIn"), c.length(list))
			}
		}
	}
}
