package cpix

import (
	"fmt"
	"strings"
	"testing"

	"darkroom/internal/media"
)

// words writes a contract as one line.
func words(uses []Use) string {
	var all []string
	for _, u := range uses {
		s := u.Track + ":"
		for _, f := range u.Filters {
			s += fmt.Sprintf(" %s %d-%d", f.Kind, f.Min, f.Max)
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, video, audio, want string }{
		{"shared", "SHARED", "SHARED", "ALL: audio 0-0 video 0-0"},
		{"one each", "PRESET_VIDEO_1", "PRESET_AUDIO_1", "VIDEO: video 0-0; AUDIO: audio 0-0"},
		{"2 and 2", "PRESET_VIDEO_2", "PRESET_AUDIO_2", "SD: video 0-589824; HD: video 589825-0; STEREO_AUDIO: audio 0-2; MULTICHANNEL_AUDIO: audio 3-0"},
		{"3 and clear sound", "PRESET_VIDEO_3", "UNENCRYPTED", "SD: video 0-589824; HD: video 589825-2073600; UHD: video 2073601-0"},
		{"4 and clear sound", "PRESET_VIDEO_4", "UNENCRYPTED", "SD: video 0-589824; HD: video 589825-2073600; UHD1: video 2073601-8847360; UHD2: video 8847361-0"},
		{"5 and clear sound", "PRESET_VIDEO_5", "UNENCRYPTED", "SD: video 0-589824; HD1: video 589825-921600; HD2: video 921601-2073600; UHD1: video 2073601-8847360; UHD2: video 8847361-0"},
		{"6 and clear sound", "PRESET_VIDEO_6", "UNENCRYPTED", "SD: video 0-589824; HD1: video 589825-921600; HD2: video 921601-2073600; UHD: video 2073601-0"},
		{"7 and clear sound", "PRESET_VIDEO_7", "UNENCRYPTED", "SD+HD1: video 0-589824 video 589825-921600; HD2: video 921601-2073600; UHD: video 2073601-0"},
		{"8 and clear sound", "PRESET_VIDEO_8", "UNENCRYPTED", "SD+HD1: video 0-589824 video 589825-921600; HD2: video 921601-2073600; UHD1: video 2073601-8847360; UHD2: video 8847361-0"},
		{"clear picture and 3", "UNENCRYPTED", "PRESET_AUDIO_3", "STEREO_AUDIO: audio 0-2; MULTICHANNEL_AUDIO_3_6: audio 3-6; MULTICHANNEL_AUDIO_7: audio 7-0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Contract(c.video, c.audio)
			if err != nil {
				t.Fatal(err)
			}
			if words(got) != c.want {
				t.Errorf("got %s\nwant %s", words(got), c.want)
			}
			for _, u := range got {
				if n := len(u.components()); u.Track != All && n != len(u.Filters) {
					t.Errorf("%s has %d components and %d filters", u.Track, n, len(u.Filters))
				}
			}
		})
	}
}

func TestNoContract(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, video, audio string }{
		{"nothing", "", ""},
		{"video alone", "PRESET_VIDEO_1", ""},
		{"audio alone", "", "PRESET_AUDIO_1"},
		{"both clear", "UNENCRYPTED", "UNENCRYPTED"},
		{"shared picture", "SHARED", "PRESET_AUDIO_1"},
		{"shared sound", "PRESET_VIDEO_1", "SHARED"},
		{"shared and clear", "SHARED", "UNENCRYPTED"},
		{"clear and shared", "UNENCRYPTED", "SHARED"},
		{"no such video preset", "PRESET_VIDEO_9", "PRESET_AUDIO_1"},
		{"no such audio preset", "PRESET_VIDEO_1", "PRESET_AUDIO_4"},
		{"a preset of the other kind", "PRESET_AUDIO_1", "PRESET_VIDEO_1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := Contract(c.video, c.audio); err == nil {
				t.Errorf("got the contract %s, want an error", words(got))
			}
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, video, audio      string
		kind                    media.Kind
		width, height, channels int
		want                    string // of the use; clear; none
	}{
		{"shared picture", "SHARED", "SHARED", media.Video, 640, 360, 0, "ALL"},
		{"shared sound", "SHARED", "SHARED", media.Audio, 0, 0, 2, "ALL"},
		{"text", "SHARED", "SHARED", media.Text, 0, 0, 0, "clear"},
		{"largest SD", "PRESET_VIDEO_3", "UNENCRYPTED", media.Video, 1024, 576, 0, "SD"},
		{"a pixel more", "PRESET_VIDEO_3", "UNENCRYPTED", media.Video, 589825, 1, 0, "HD"},
		{"largest HD", "PRESET_VIDEO_3", "UNENCRYPTED", media.Video, 1920, 1080, 0, "HD"},
		{"a pixel more than HD", "PRESET_VIDEO_3", "UNENCRYPTED", media.Video, 2073601, 1, 0, "UHD"},
		{"portrait counts pixels", "PRESET_VIDEO_5", "UNENCRYPTED", media.Video, 720, 1280, 0, "HD1"},
		{"SD+HD1 of SD", "PRESET_VIDEO_8", "UNENCRYPTED", media.Video, 320, 180, 0, "SD+HD1"},
		{"SD+HD1 of HD1", "PRESET_VIDEO_8", "UNENCRYPTED", media.Video, 1280, 720, 0, "SD+HD1"},
		{"largest UHD1", "PRESET_VIDEO_8", "UNENCRYPTED", media.Video, 4096, 2160, 0, "UHD1"},
		{"UHD2", "PRESET_VIDEO_8", "UNENCRYPTED", media.Video, 7680, 4320, 0, "UHD2"},
		{"clear sound", "PRESET_VIDEO_1", "UNENCRYPTED", media.Audio, 0, 0, 2, "clear"},
		{"clear picture", "UNENCRYPTED", "PRESET_AUDIO_1", media.Video, 1920, 1080, 0, "clear"},
		{"mono", "UNENCRYPTED", "PRESET_AUDIO_2", media.Audio, 0, 0, 1, "STEREO_AUDIO"},
		{"three", "UNENCRYPTED", "PRESET_AUDIO_2", media.Audio, 0, 0, 3, "MULTICHANNEL_AUDIO"},
		{"six", "UNENCRYPTED", "PRESET_AUDIO_3", media.Audio, 0, 0, 6, "MULTICHANNEL_AUDIO_3_6"},
		{"eight", "UNENCRYPTED", "PRESET_AUDIO_3", media.Audio, 0, 0, 8, "MULTICHANNEL_AUDIO_7"},
		{"of no kind", "SHARED", "SHARED", 0, 0, 0, 0, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			uses, err := Contract(c.video, c.audio)
			if err != nil {
				t.Fatal(err)
			}
			got := "none"
			switch i, isClear := Match(uses, c.kind, c.width, c.height, c.channels); {
			case i >= 0 && isClear:
				t.Error("a key and clear at once")
			case i >= 0:
				got = uses[i].Track
			case isClear:
				got = "clear"
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if i, isClear := Match(nil, media.Video, 1, 1, 0); i >= 0 || isClear {
		t.Errorf("no contract: got %d, clear %t; a track without a contract is neither", i, isClear)
	}
}
