package cpix

import (
	"fmt"
	"strings"

	"darkroom/internal/media"
)

// All is the intended track type of a key that encrypts every track: the only one of SPEKE v1.0, and that of the presets SHARED.
const All = "ALL"

// Use is what one content key is for: a ContentKeyUsageRule of CPIX.
type Use struct {
	// Track is the intended track type, such as HD or STEREO_AUDIO. Sub-components are joined by a plus sign, and each has a filter (SPEKE v2.0, "Encryption
	// contract").
	Track   string
	Filters []Filter
}

// Filter says which tracks a key is for. What is 0 does not limit.
type Filter struct {
	Kind media.Kind // Video or Audio
	// Min and Max are pixels of a picture or channels of sound, both included.
	Min, Max int
}

func (f Filter) admits(kind media.Kind, n int) bool {
	return f.Kind == kind && n >= f.Min && (f.Max == 0 || n <= f.Max)
}

// The limits of pixels of the video presets (MediaConvert User Guide, "SPEKE v2.0 presets").
const (
	maxSD   = 1024 * 576
	maxHD1  = 1280 * 720
	maxHD   = 1920 * 1080
	maxUHD1 = 4096 * 2160
)

func video(track string, least, most int) Use {
	return Use{track, []Filter{{media.Video, least, most}}}
}

func audio(track string, least, most int) Use {
	return Use{track, []Filter{{media.Audio, least, most}}}
}

// sdHD1 has a filter for each of its components, as the specification demands.
func sdHD1() Use {
	return Use{"SD+HD1", []Filter{{media.Video, 0, maxSD}, {media.Video, maxSD + 1, maxHD1}}}
}

// videoPreset is a preset of PresetSpeke20Video.
func videoPreset(name string) ([]Use, bool) {
	sd := video("SD", 0, maxSD)
	hd1, hd2 := video("HD1", maxSD+1, maxHD1), video("HD2", maxHD1+1, maxHD)
	uhd := video("UHD", maxHD+1, 0)
	uhd1, uhd2 := video("UHD1", maxHD+1, maxUHD1), video("UHD2", maxUHD1+1, 0)
	switch name {
	case "PRESET_VIDEO_1":
		return []Use{video("VIDEO", 0, 0)}, true
	case "PRESET_VIDEO_2":
		return []Use{sd, video("HD", maxSD+1, 0)}, true
	case "PRESET_VIDEO_3":
		return []Use{sd, video("HD", maxSD+1, maxHD), uhd}, true
	case "PRESET_VIDEO_4":
		return []Use{sd, video("HD", maxSD+1, maxHD), uhd1, uhd2}, true
	case "PRESET_VIDEO_5":
		return []Use{sd, hd1, hd2, uhd1, uhd2}, true
	case "PRESET_VIDEO_6":
		return []Use{sd, hd1, hd2, uhd}, true
	case "PRESET_VIDEO_7":
		return []Use{sdHD1(), hd2, uhd}, true
	case "PRESET_VIDEO_8":
		return []Use{sdHD1(), hd2, uhd1, uhd2}, true
	}
	return nil, false
}

// audioPreset is a preset of PresetSpeke20Audio.
func audioPreset(name string) ([]Use, bool) {
	stereo := audio("STEREO_AUDIO", 0, 2)
	switch name {
	case "PRESET_AUDIO_1":
		return []Use{audio("AUDIO", 0, 0)}, true
	case "PRESET_AUDIO_2":
		return []Use{stereo, audio("MULTICHANNEL_AUDIO", 3, 0)}, true
	case "PRESET_AUDIO_3":
		return []Use{stereo, audio("MULTICHANNEL_AUDIO_3_6", 3, 6), audio("MULTICHANNEL_AUDIO_7", 7, 0)}, true
	}
	return nil, false
}

// The presets that are no list of keys.
const (
	shared      = "SHARED"
	unencrypted = "UNENCRYPTED"
)

// Shared is the contract of one key for every track: that of SPEKE v1.0, and of v2.0 with both presets SHARED.
func Shared() []Use {
	return []Use{{All, []Filter{{Kind: media.Audio}, {Kind: media.Video}}}}
}

// Contract returns the keys of a SPEKE v2.0 encryption contract, those of pictures first, by the names that the MediaConvert API gives its presets
// (MediaConvert User Guide, "SPEKE v2.0 presets"). The error says in words what does not go together.
func Contract(videoName, audioName string) ([]Use, error) {
	v, knownVideo := videoPreset(videoName)
	a, knownAudio := audioPreset(audioName)
	switch {
	case !knownVideo && videoName != shared && videoName != unencrypted:
		return nil, fmt.Errorf("the video preset %q is none of PRESET_VIDEO_1 to PRESET_VIDEO_8, SHARED and UNENCRYPTED", videoName)
	case !knownAudio && audioName != shared && audioName != unencrypted:
		return nil, fmt.Errorf("the audio preset %q is none of PRESET_AUDIO_1 to PRESET_AUDIO_3, SHARED and UNENCRYPTED", audioName)
	case videoName == shared && audioName == shared:
		return Shared(), nil
	case videoName == shared || audioName == shared:
		return nil, fmt.Errorf("the preset SHARED is for video and audio together, not video preset %s with audio preset %s", videoName, audioName)
	case videoName == unencrypted && audioName == unencrypted:
		return nil, fmt.Errorf("the preset UNENCRYPTED is for video or audio, not for both")
	}
	return append(v, a...), nil
}

// Match returns which of the uses a track is encrypted for. clear says that the contract leaves all tracks of its kind clear, as it always does with text. An index
// of -1 that is not clear is a track that the contract has no key for: nothing may be written of it.
func Match(uses []Use, kind media.Kind, width, height, channels int) (index int, clear bool) {
	n := channels
	switch kind {
	case media.Video:
		n = width * height
	case media.Audio:
	case media.Text:
		return -1, true
	default:
		return -1, false
	}
	speaksOf := false
	for i, u := range uses {
		for _, f := range u.Filters {
			if f.admits(kind, n) {
				return i, false
			}
			speaksOf = speaksOf || f.Kind == kind
		}
	}
	return -1, !speaksOf && len(uses) > 0
}

// components are the parts of an intended track type.
func (u Use) components() []string { return strings.Split(u.Track, "+") }
