package ffmpeg

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

func TestPrint(t *testing.T) {
	pic := plan.Picture{Width: 640, Height: 360, ScaledWidth: 640, ScaledHeight: 360, SampleAspectRatio: media.Rational{Num: 1, Den: 1}, FrameRate: media.Rational{Num: 25, Den: 1}, Sharpness: 50}
	p := &plan.Plan{Source: plan.Source{Demuxer: "mov", Video: 0}, Renditions: []plan.Rendition{
		{ID: "v0", Video: &plan.Video{Picture: pic, Profile: "main", BitDepth: 8, Chroma: 420, RateControl: plan.QVBR, MaxBitrate: 1000000, Quality: 7, Effort: 2, KeyFrameInterval: 90, SegmentLength: 10 * time.Second, MinKeyFrameDistance: 0, SceneChange: true, ClosedGOP: true, BFrames: 2, ReferenceFrames: 3, CABAC: true, Slices: 1, SpatialAQ: true, TemporalAQ: true}},
		{ID: "a0", Audio: &plan.Audio{Sources: []plan.AudioSource{{Stream: 1}}, Bitrate: 96000, SampleRate: 48000, Channels: 2}},
		{ID: "f0", Frames: &plan.Frames{Picture: plan.Picture{Width: 320, Height: 180, ScaledWidth: 320, ScaledHeight: 180, FrameRate: media.Rational{Num: 1, Den: 5}, Sharpness: 50}, MaxCaptures: 500, Quality: 80}},
	}}
	args := EncodeArgs(p, "URL", 3)
	for i, a := range args {
		args[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	fmt.Println(strings.Join(args, " "))
}
