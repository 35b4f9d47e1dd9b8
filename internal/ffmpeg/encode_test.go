package ffmpeg

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func ladder() *plan.Plan {
	rate := media.Rational{Num: 30000, Den: 1001}
	pic := plan.Picture{Width: 640, Height: 480, ScaledWidth: 640, ScaledHeight: 360, SampleAspectRatio: media.Rational{Num: 1, Den: 1}, FrameRate: rate, Sharpness: 50, Deinterlace: true}
	crop := pic
	crop.ScaledWidth, crop.ScaledHeight, crop.Sharpness = 854, 480, 100
	return &plan.Plan{
		Source: plan.Source{Files: []plan.SourceFile{{Demuxer: "mpegts"}}, Video: 0, Rotation: 90},
		Renditions: []plan.Rendition{
			{ID: "v0", Video: &plan.Video{
				Picture: pic, Profile: "main", BitDepth: 8, Chroma: 420, RateControl: plan.QVBR, MaxBitrate: 1_000_000, Quality: 7, Effort: 2,
				KeyFrameInterval: 90, SegmentLength: 10 * time.Second, SceneChange: true, ClosedGOP: true, BFrames: 2, ReferenceFrames: 3,
				CABAC: true, Slices: 1, SpatialAQ: true, TemporalAQ: true, FlickerAQ: true, AdaptiveQuantization: 3,
			}},
			{ID: "v1", Video: &plan.Video{
				Picture: crop, Profile: "high422", BitDepth: 10, Chroma: 422, Level: "4.1", RateControl: plan.CBR, Bitrate: 3_000_000, MaxBitrate: 3_000_000,
				BufferSize: 4_000_000, InitialBuffer: 90, Effort: 1, KeyFrameInterval: 60, MinKeyFrameDistance: -1, SceneChange: true, DetectTransitions: true,
				BFrames: 3, BReference: true, DynamicSubGOP: true, ReferenceFrames: 1, Softness: 16, IgnoreColor: true,
			}},
			{ID: "a0", Audio: &plan.Audio{Sources: []plan.AudioSource{{Stream: 1}, {Stream: 2}}, Bitrate: 96000, SampleRate: 48000, Channels: 2, Language: "eng"}},
			{ID: "a1", Audio: &plan.Audio{Sources: []plan.AudioSource{{Stream: 1, Offset: -1500 * time.Millisecond}}, VBRQuality: 4, SampleRate: 44100, Channels: 6, Language: "x\" -y"}},
			{ID: "v2", Video: &plan.Video{
				Codec: media.HEVC, Picture: pic, Profile: "main10", HighTier: true, BitDepth: 10, Chroma: 420, Level: "4.1", RateControl: plan.CBR, Bitrate: 2_000_000,
				MaxBitrate: 2_000_000, InitialBuffer: 80, Effort: 2, KeyFrameInterval: 60, SegmentLength: 6_006 * time.Millisecond, SceneChange: true, ClosedGOP: true,
				BFrames: 3, BReference: true, DynamicSubGOP: true, ReferenceFrames: 4, Slices: 2, SpatialAQ: true, AdaptiveQuantization: 5, FlickerAQ: true,
				NoDeblocking: true, NoSAO: true, TemporalLayers: true, SmallTreeBlocks: true, NoTemporalMVP: true,
			}},
			{ID: "v3", Video: &plan.Video{
				Codec: media.HEVC, Picture: pic, Profile: "main", BitDepth: 8, Chroma: 420, RateControl: plan.QVBR, MaxBitrate: 1_000_000, Quality: 7, Effort: 1,
				KeyFrameInterval: 60, MinKeyFrameDistance: -1, ReferenceFrames: 3, TemporalAQ: true,
			}},
			{ID: "v4", Video: &plan.Video{
				Codec: media.AV1, Picture: pic, Profile: "main", BitDepth: 10, Chroma: 420, RateControl: plan.QVBR, MaxBitrate: 1_500_000, Quality: 7, KeyFrameInterval: 60,
				SegmentLength: 6_006 * time.Millisecond, ClosedGOP: true, BFrames: 15, Slices: 8, SpatialAQ: true, FilmGrain: true,
			}},
			{ID: "a2", Audio: &plan.Audio{
				Codec: media.AC3, Sources: []plan.AudioSource{{Stream: 1}}, Bitrate: 384000, SampleRate: 48000, Channels: 6, DialogueLevel: 24, Service: "HEARING_IMPAIRED", LFEFilter: true,
			}},
			{ID: "a3", Audio: &plan.Audio{
				Codec: media.EAC3, Sources: []plan.AudioSource{{Stream: 1}}, Bitrate: 384000, SampleRate: 48000, Channels: 6, DCFilter: true, Attenuate: true, SurroundEX: 2,
				Downmix: plan.DownmixLoRo, MixLevels: [4]float64{0.707, plan.Muted, 1.414, 0},
			}},
			{ID: "a4", Audio: &plan.Audio{Codec: media.EAC3, Sources: []plan.AudioSource{{Stream: 1}}, Bitrate: 192000, SampleRate: 48000, Channels: 5, Attenuate: true}},
			{ID: "a5", Audio: &plan.Audio{Codec: media.EAC3, Sources: []plan.AudioSource{{Stream: 1}}, Bitrate: 192000, SampleRate: 48000, Channels: 2, DolbySurround: 1}},
			{ID: "f1", Frames: &plan.Frames{
				Picture: plan.Picture{Width: 160, Height: 90, ScaledWidth: 160, ScaledHeight: 90, FrameRate: media.Rational{Num: 1, Den: 2}, Sharpness: 50}, MaxCaptures: 10, Quality: 80, Columns: 5, Rows: 2,
			}},
			{ID: "f0", Frames: &plan.Frames{Picture: plan.Picture{Width: 320, Height: 180, ScaledWidth: 320, ScaledHeight: 180, FrameRate: media.Rational{Num: 1, Den: 5}, Sharpness: 0}, MaxCaptures: 500, Quality: 80}},
		},
	}
}

func TestEncodeArgs(t *testing.T) {
	t.Parallel()
	got := strings.Join(EncodeArgs(ladder(), []string{"http://127.0.0.1:1/0"}, 3), "\n") + "\n"
	golden := filepath.Join("testdata", "ladder.args")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("arguments (-want +got):\n%s", d)
	}
}

// TestEncodeArgsOfSeveralFiles: sound comes from its own file, moved as its time stamps are, and pictures behind a discontinuity get one size.
func TestEncodeArgsOfSeveralFiles(t *testing.T) {
	t.Parallel()
	p := ladder()
	p.Source.Files = []plan.SourceFile{{Demuxer: "mpegts", Delay: 80 * time.Millisecond, Spliced: true}, {Number: 3, Demuxer: "aac"}}
	p.Source.Width, p.Source.Height = 720, 576
	p.Renditions = p.Renditions[:3]
	p.Renditions[2].Audio.Sources = []plan.AudioSource{{File: 1, Stream: 0}}
	got := EncodeArgs(p, []string{"http://127.0.0.1:1/0", "http://127.0.0.1:1/1"}, 3)
	text := strings.Join(got, " ")
	for _, want := range []string{
		"-f mpegts -itsoffset 0.080000 -reinit_filter 0 -i http://127.0.0.1:1/0 ", "-f aac -i http://127.0.0.1:1/1 ",
		"[0:0]scale=w=720:h=576:flags=bicubic,bwdif", "[1:0]aresample",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}

// TestNoForeignText: the one text of a job that could reach the arguments, a language, does so only as three letters.
func TestNoForeignText(t *testing.T) {
	t.Parallel()
	for _, a := range EncodeArgs(ladder(), []string{"URL"}, 3) {
		if strings.Contains(a, "-y") {
			t.Errorf("argument %q", a)
		}
	}
}

// TestLanguages: a tag of RFC 5646 or a code in capitals (customLanguageCode) is in the file as the code of ISO 639-2/T, and what has none is not.
func TestLanguages(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{"eng": "eng", "ENG": "eng", "en": "eng", "en-US": "eng", "ger": "deu", "": "", "x-klingon": "", "qaa; rm": ""} {
		p := ladder()
		p.Renditions = p.Renditions[2:3]
		p.Renditions[0].Audio.Language = tag
		got := ""
		for _, a := range EncodeArgs(p, []string{"URL"}, 3) {
			if language, ok := strings.CutPrefix(a, "language="); ok {
				got = language
			}
		}
		if got != want {
			t.Errorf("%q becomes %q, want %q", tag, got, want)
		}
	}
}

func TestKeyFramesAtSegments(t *testing.T) {
	t.Parallel()
	// The expression is evaluated here as ffmpeg does, to see which frames it picks at 30000/1001 frames a second.
	v := &plan.Video{Picture: plan.Picture{FrameRate: media.Rational{Num: 30000, Den: 1001}}, KeyFrameInterval: 1 << 30, SegmentLength: 2 * time.Second}
	if got, want := keyFrames(v), "expr:eq(mod(n,1073741824),0)+gt(floor(n*1001000/60000000),floor((n-1)*1001000/60000000))"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTimescale(t *testing.T) {
	t.Parallel()
	for rate, want := range map[media.Rational]int64{{Num: 25, Den: 1}: 12800, {Num: 30000, Den: 1001}: 30000, {Num: 1, Den: 10}: 16384} {
		got := timescale(rate)
		if got != want || got*rate.Den%rate.Num != 0 {
			t.Errorf("timescale(%v) = %d, want %d", rate, got, want)
		}
	}
}

func TestJPEGScale(t *testing.T) {
	t.Parallel()
	for q, want := range map[int]int{1: 31, 100: 2, 80: 8, -5: 31, 1000: 2} {
		if got := jpegScale(q); got != want {
			t.Errorf("jpegScale(%d) = %d, want %d", q, got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var got []Progress
	err := ReadProgress(strings.NewReader("frame=10\nout_time_us=400000\nspeed=2.5x\nprogress=continue\nframe=20\nout_time_us=N/A\nprogress=end\n"), func(p Progress) { got = append(got, p) })
	want := []Progress{{Frames: 10, OutTime: 400 * time.Millisecond, Speed: 2.5}, {Frames: 20, OutTime: 400 * time.Millisecond, Speed: 2.5, End: true}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("err %v, progress (-want +got):\n%s", err, d)
	}
	if err := ReadProgress(strings.NewReader(strings.Repeat("x", 5000)), func(Progress) {}); err == nil {
		t.Error("an endless line: want an error")
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"[mov] moov atom not found\nInvalid data found when processing input": 1010,
		"stream 0, offset 0x30: partial file":                                 1076,
		"Error while decoding stream #0:0: Invalid data":                      1076,
		"Codec (xbin) not on whitelist 'h264'":                                1030,
		"":                                                                    1999,
	} {
		e := Failure(text)
		if e.Code != want || e.Message == "" || strings.Contains(e.Message, "xbin") {
			t.Errorf("Failure(%q) = %v, want %d", text, e, want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	var filters strings.Builder
	for _, f := range append([]string{"bwdif"}, neededFilters...) {
		filters.WriteString(" TSC " + f + "  V->V  text\n")
	}
	c, err := Capabilities("ffmpeg version 5.1.9-0+deb12u1 Copyright (c)\nbuilt with gcc 12\nconfiguration:  --enable-gpl\nlibavutil      57. 28.100 / 57. 28.100\n", " V....D libx264 x\n A....D aac x\n V....D mjpeg x\n V....D libx265 x\n A....D eac3 x\n V..... libsvtav1 x\n", filters.String())
	want := plan.Capabilities{
		Engine: "ffmpeg 5.1.9-0+deb12u1", Encoders: []media.Codec{media.AVC, media.AAC, media.HEVC, media.AV1, media.EAC3}, StillPictures: true, Deinterlace: true,
		Missing: []string{"encoder ac3"}, EngineBuild: "built with gcc 12; configuration: --enable-gpl; libavutil 57. 28.100 / 57. 28.100",
	}
	if d := cmp.Diff(want, c); err != nil || d != "" {
		t.Errorf("err %v (-want +got):\n%s", err, d)
	}
	c, err = Capabilities("ffmpeg version n6.0 Copyright", "", "")
	if err != nil || len(c.Encoders) != 0 || c.StillPictures || c.Deinterlace || len(c.Missing) == 0 {
		t.Errorf("an empty build: got %+v, %v; want nothing offered", c, err)
	}
	c, err = Capabilities("ffmpeg version n6.0 Copyright\n"+strings.Repeat("é\xff", plan.MaxEngineBuild), "", "")
	if err != nil || len(c.EngineBuild) > plan.MaxEngineBuild || !utf8.ValidString(c.EngineBuild) || !strings.HasSuffix(c.EngineBuild, "…") {
		t.Errorf("a long build: %d bytes, %v", len(c.EngineBuild), err)
	}
	for _, v := range []string{"ffmpeg version 4.4 Copyright", "ffmpeg version 5.0.1 Copyright", "avconv 1", ""} {
		if _, err := Capabilities(v, "", ""); err == nil {
			t.Errorf("%q: want an error", v)
		}
	}
}
