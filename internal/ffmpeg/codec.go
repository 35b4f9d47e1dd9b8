package ffmpeg

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// hevcArgs are of libx265. -forced-idr makes IDR pictures of the key frames that are asked for, so that they stand on the same frames as those of libx264;
// hvc1 says that parameter sets are in the sample description alone (ISO/IEC 14496-15 8.4.1).
func hevcArgs(v *plan.Video) []string {
	args := []string{
		"-c:v", "libx265", "-preset", preset(v.Effort), "-profile:v", v.Profile, "-tag:v", "hvc1",
		"-forced-idr", "1", "-force_key_frames", keyFrames(v), "-x265-params", x265Params(v),
	}
	return append(args, rateArgs(v, hevcRateFactor(v.Quality))...)
}

// hevcRateFactor maps the quality levels to x265's scale, on which a picture like that of x264 has a number about 4 higher.
func hevcRateFactor(level float64) float64 { return 37 - 1.5*level }

// x265Params are numbers alone.
func x265Params(v *plan.Video) string {
	p := append([]string{"log-level=error", "keyint=-1"}, pictureParams(v, strconv.Itoa(math.MaxInt32))...)
	add := func(format string, args ...any) { p = append(p, fmt.Sprintf(format, args...)) }
	add("b-pyramid=%d", bit(v.BReference && v.BFrames > 1))
	if v.DetectTransitions {
		add("rc-lookahead=60")
	}
	add("ref=%d", max(1, v.ReferenceFrames))
	if v.Slices > 1 {
		add("slices=%d", v.Slices)
	}
	if v.SpatialAQ {
		add("aq-mode=1")
		add("aq-strength=%s", strength(v.AdaptiveQuantization))
	} else {
		add("aq-mode=0")
	}
	add("cutree=%d", bit(v.TemporalAQ))
	if v.FlickerAQ {
		add("ipratio=1.2")
	}
	if v.RateControl == plan.CBR {
		add("strict-cbr=1")
	}
	if v.InitialBuffer > 0 {
		add("vbv-init=%s", strconv.FormatFloat(float64(min(v.InitialBuffer, 100))/100, 'f', 2, 64))
	}
	if v.Level != "" {
		add("level-idc=%s", v.Level)
	}
	add("high-tier=%d", bit(v.HighTier))
	if v.NoDeblocking {
		add("deblock=0")
		add("no-deblock=1")
	}
	add("sao=%d", bit(!v.NoSAO))
	add("temporal-layers=%d", bit(v.TemporalLayers))
	if v.SmallTreeBlocks {
		add("ctu=32")
	}
	add("temporal-mvp=%d", bit(!v.NoTemporalMVP))
	return strings.Join(p, ":")
}

// av1Args are of libsvtav1, which FFmpeg 5.1 cannot ask for a key frame: it writes one every KeyFrameInterval frames, which the plan makes a part of the
// segment.
func av1Args(v *plan.Video) []string {
	return []string{
		"-c:v", "libsvtav1", "-preset", strconv.Itoa(av1Preset), "-g", strconv.Itoa(v.KeyFrameInterval), "-crf", strconv.Itoa(av1RateFactor(v.Quality)),
		"-svtav1-params", svtParams(v),
	}
}

// av1Preset is between the slowest and best, 0, and the fastest, 13.
const av1Preset = 8

// av1RateFactor maps the quality levels to the scale of 1 to 63: 7 is about 34.
func av1RateFactor(level float64) int { return int(math.Round(51 - 2.5*level)) }

// svtParams are numbers alone.
func svtParams(v *plan.Video) string {
	p := []string{"irefresh-type=2"} // key frames, not forward ones
	add := func(format string, args ...any) { p = append(p, fmt.Sprintf(format, args...)) }
	if v.MaxBitrate > 0 {
		add("mbr=%d", max(1, v.MaxBitrate/1000))
	}
	// A hierarchy of n levels has 2^n - 1 pictures between the lowest ones.
	add("hierarchical-levels=%d", min(max(bits.Len(uint(v.BFrames)), 2), 4))
	if v.Slices > 1 {
		tiles := bits.Len(uint(v.Slices)) - 1 // of two
		add("tile-columns=%d", tiles/2+tiles%2)
		add("tile-rows=%d", tiles/2)
	}
	if v.FilmGrain {
		add("film-grain=%d", av1Grain)
	}
	add("aq-mode=%d", 2*bit(v.SpatialAQ))
	return strings.Join(p, ":")
}

// av1Grain is how much grain is taken for noise, 0 to 50; 8 is the encoder's advice for live action.
const av1Grain = 8

// services are the bit stream modes of AC-3 and E-AC-3 (ETSI TS 102 366 table 4.2) by FFmpeg's names.
var services = map[string]string{
	"MUSIC_AND_EFFECTS": "ef", "VISUALLY_IMPAIRED": "vi", "HEARING_IMPAIRED": "hi", "DIALOGUE": "di", "COMMENTARY": "co", "EMERGENCY": "em", "VOICE_OVER": "vo",
}

// dolbyArgs are of FFmpeg's own encoders of AC-3 and E-AC-3.
func dolbyArgs(a *plan.Audio) []string {
	args := []string{"-c:a", "ac3"}
	if a.Codec == media.EAC3 {
		args[1] = "eac3"
	}
	add := func(name, value string) { args = append(args, name, value) }
	if a.DialogueLevel > 0 {
		add("-dialnorm", strconv.Itoa(-a.DialogueLevel))
	}
	if s, ok := services[a.Service]; ok {
		add("-audio_service_type", s)
	}
	if a.DolbySurround > 0 {
		add("-dsur_mode", strconv.Itoa(a.DolbySurround))
	}
	if a.SurroundEX > 0 {
		add("-dsurex_mode", strconv.Itoa(a.SurroundEX))
	}
	if a.Downmix > 0 {
		add("-dmix_mode", strconv.Itoa(a.Downmix))
	}
	for i, name := range []string{"-ltrt_cmixlev", "-ltrt_surmixlev", "-loro_cmixlev", "-loro_surmixlev"} {
		switch level := a.MixLevels[i]; {
		case level == plan.Muted:
			add(name, "0")
		case level > 0:
			add(name, strconv.FormatFloat(level, 'f', 3, 64))
		}
	}
	return args
}
