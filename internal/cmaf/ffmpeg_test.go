package cmaf_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cmaf"
	"darkroom/internal/media"
)

func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", tool)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
}

// packet is what ffprobe says of a sample.
type packet struct {
	DTS      int64  `json:"dts"`
	PTS      int64  `json:"pts"`
	Duration int64  `json:"duration"`
	Size     string `json:"size"`
	Flags    string `json:"flags"`
}

func TestEncoderOutput(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg", "ffprobe")
	const video = "-c:v libx264 -preset ultrafast -video_track_timescale 30000 -movflags delay_moov+default_base_moof+frag_keyframe -frag_duration 1000000 -f mp4"
	const audio = "-c:a aac -movflags delay_moov+default_base_moof -frag_duration 1000000 -f mp4"
	for _, tt := range []struct {
		name, input, args string
		want              media.Track // without SampleEntry, SPS, PPS
		samples           int
	}{
		{
			"B-frames", "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=5", video + " -bf 2 -b_strategy 0 -g 30",
			media.Track{Kind: media.Video, Codec: media.AVC, Timescale: 30000, MediaTime: 2002, RFC6381: "avc1.4d400d", Width: 320, Height: 180, SampleAspectRatio: media.Rational{Num: 1, Den: 1}},
			150,
		},
		{
			"no B-frames, anamorphic, long GOP", "-f lavfi -i testsrc2=s=720x576:r=25:d=4", video + " -bf 0 -g 1000 -vf setsar=64/45",
			media.Track{Kind: media.Video, Codec: media.AVC, Timescale: 30000, RFC6381: "avc1.42c01e", Width: 720, Height: 576, SampleAspectRatio: media.Rational{Num: 64, Den: 45}},
			100,
		},
		{
			"AAC", "-f lavfi -i sine=d=3:r=48000", audio + " -ac 2 -metadata:s:a:0 language=deu",
			media.Track{Kind: media.Audio, Codec: media.AAC, Timescale: 48000, MediaTime: 1024, RFC6381: "mp4a.40.2", SampleRate: 48000, Channels: 2, AudioConfig: []byte{0x11, 0x90}, Language: "deu"},
			142,
		},
		{
			"AAC 5.1", "-f lavfi -i sine=d=1:r=44100", audio + " -ac 6",
			media.Track{Kind: media.Audio, Codec: media.AAC, Timescale: 44100, MediaTime: 1024, RFC6381: "mp4a.40.2", SampleRate: 44100, Channels: 6, AudioConfig: []byte{0x12, 0x30}},
			45,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.mp4")
			args := append(strings.Fields("-v error "+tt.input+" "+tt.args), "pipe:1")
			raw, err := exec.Command("ffmpeg", args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			track, samples := readAll(t, bytes.NewReader(raw))
			got := *track
			if len(got.SampleEntry) < 16 || got.Kind == media.Video && (len(got.SPS) != 1 || len(got.PPS) != 1) {
				t.Errorf("sample entry of %d bytes, %d SPS, %d PPS", len(got.SampleEntry), len(got.SPS), len(got.PPS))
			}
			got.SampleEntry, got.Config, got.VPS, got.SPS, got.PPS = nil, nil, nil, nil, nil
			// ffmpeg adds an extension to some configurations; the first two bytes say the same.
			if len(got.AudioConfig) > 2 {
				got.AudioConfig = got.AudioConfig[:2]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("track (-want +got):\n%s", diff)
			}
			if len(samples) != tt.samples {
				t.Errorf("%d samples, want %d", len(samples), tt.samples)
			}
			var probe struct {
				Packets []packet `json:"packets"`
			}
			out, err := exec.Command("ffprobe", "-v", "error", "-show_packets", "-of", "json", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(out, &probe); err != nil {
				t.Fatal(err)
			}
			if len(probe.Packets) != len(samples) {
				t.Fatalf("%d samples, ffprobe has %d packets", len(samples), len(probe.Packets))
			}
			for i, p := range probe.Packets {
				s := &samples[i]
				if dts, pts := s.DecodeTime-track.MediaTime, track.PresentationTime(s); dts != p.DTS || pts != p.PTS || s.Sync != (p.Flags[0] == 'K') {
					t.Fatalf("sample %d: got DTS %d, PTS %d, sync %v; ffprobe has %+v", i, dts, pts, s.Sync, p)
				}
			}
		})
	}
}

func readAll(t *testing.T, r io.Reader) (*media.Track, []media.Sample) {
	t.Helper()
	c := cmaf.NewReader(r)
	track, err := c.Track()
	if err != nil {
		t.Fatal(err)
	}
	var all []media.Sample
	for {
		s, err := c.Next()
		if err == io.EOF {
			return track, all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s...)
	}
}
