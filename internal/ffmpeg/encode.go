package ffmpeg

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// fragmentMicroseconds is how often each pipe gets a fragment: it bounds what the encoder's muxers hold in memory, however far apart key
// frames are.
const fragmentMicroseconds = 1_000_000

// movFlags make fragments that a reader can take one by one. delay_moov keeps the edit list that says how long the delay of B-frames and
// the priming of AAC are; empty_moov would lose it.
const movFlags = "delay_moov+default_base_moof"

// EncodeArgs is the argument list that reads the files of the source at urls once and writes each rendition of the plan, in order, to its own pipe: the
// first to descriptor firstFD, the next to the one after. Progress goes to the descriptor behind the last rendition's.
func EncodeArgs(p *plan.Plan, urls []string, firstFD int) []string {
	args := []string{
		"-hide_banner", "-nostdin", "-v", "level+error", "-xerror",
		"-progress", pipe(firstFD + len(p.Renditions)), "-stats_period", "0.5", "-nostats",
		"-noautorotate",
	}
	for i, f := range p.Source.Files {
		args = append(args, inputArgs(f.Demuxer)...)
		if f.Delay > 0 {
			args = append(args, "-itsoffset", strconv.FormatFloat(f.Delay.Seconds(), 'f', 6, 64))
		}
		if f.Spliced {
			// The first filter takes pictures of any size as they are. A graph that is made anew would begin at time 0 again.
			args = append(args, "-reinit_filter", "0")
		}
		args = append(args, "-i", urls[i])
	}
	args = append(args, "-filter_complex", filterGraph(p))
	for i := range p.Renditions {
		r := &p.Renditions[i]
		args = append(args, "-map", "["+r.ID+"]", "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact")
		switch {
		case r.Video != nil:
			args = append(args, videoArgs(r.Video)...)
		case r.Audio != nil:
			args = append(args, audioArgs(r.Audio)...)
		default:
			args = append(args, frameArgs(r.Frames)...)
		}
		args = append(args, pipe(firstFD+i))
	}
	return args
}

func pipe(fd int) string { return "pipe:" + strconv.Itoa(fd) }

func videoArgs(v *plan.Video) []string {
	var args []string
	switch v.Codec {
	case media.HEVC:
		args = hevcArgs(v)
	case media.AV1:
		args = av1Args(v)
	default:
		args = avcArgs(v)
	}
	args = append(args, "-video_track_timescale", strconv.FormatInt(timescale(v.FrameRate), 10), "-flags:v", "+bitexact")
	return append(args, "-movflags", movFlags+"+frag_keyframe", "-frag_duration", strconv.Itoa(fragmentMicroseconds), "-f", "mp4")
}

func avcArgs(v *plan.Video) []string {
	args := []string{
		"-c:v", "libx264", "-preset", preset(v.Effort), "-profile:v", v.Profile,
		"-force_key_frames", keyFrames(v), "-x264-params", x264Params(v),
	}
	if v.Level != "" {
		args = append(args, "-level", v.Level)
	}
	return append(args, rateArgs(v, constantRateFactor(v.Quality))...)
}

// rateArgs are the rates that libx264 and libx265 understand alike.
func rateArgs(v *plan.Video, factor float64) []string {
	switch v.RateControl {
	case plan.CBR:
		rate := strconv.Itoa(v.Bitrate)
		return []string{"-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", buffer(v, v.Bitrate)}
	case plan.VBR:
		args := []string{"-b:v", strconv.Itoa(v.Bitrate)}
		if v.MaxBitrate > 0 {
			args = append(args, "-maxrate", strconv.Itoa(v.MaxBitrate), "-bufsize", buffer(v, v.MaxBitrate))
		}
		return args
	}
	return []string{"-crf", strconv.FormatFloat(factor, 'f', 2, 64), "-maxrate", strconv.Itoa(v.MaxBitrate), "-bufsize", buffer(v, v.MaxBitrate)}
}

// preset maps how hard the encoder tries.
func preset(effort int) string {
	if effort <= 1 {
		return "faster"
	}
	return "medium"
}

// constantRateFactor maps the quality levels 1 to 10 to x264's scale, on which 18 can hardly be told from the source and 6 more halve the
// bits: level 7, the usual one for television, is 22.5.
func constantRateFactor(level float64) float64 { return 33 - 1.5*level }

// bufferSeconds is the default size of the decoder's buffer model, in seconds of the greatest rate.
const bufferSeconds = 2

func buffer(v *plan.Video, rate int) string {
	if v.BufferSize > 0 {
		return strconv.Itoa(v.BufferSize)
	}
	return strconv.Itoa(bufferSeconds * rate)
}

// timescale is a multiple of the frame rate's numerator, so that every frame lasts a whole number of ticks.
func timescale(r media.Rational) int64 {
	t := r.Num
	for t < 10_000 {
		t *= 2
	}
	return t
}

// wholeFrames is by how many frames a segment may miss a whole number of them and be taken as one: lengths are rounded to nanoseconds.
const wholeFrames = 1e-5

// keyFrames asks for a key frame at every KeyFrameInterval frames, and at the first frame at or behind each multiple of SegmentLength. It
// counts frames, not seconds: at 30000/1001 frames a second a time in floating point would sometimes be a frame off.
func keyFrames(v *plan.Video) string {
	expr := fmt.Sprintf("expr:eq(mod(n,%d),0)", v.KeyFrameInterval)
	if v.SegmentLength <= 0 {
		return expr
	}
	if frames := v.SegmentLength.Seconds() * v.FrameRate.Float(); math.Abs(frames-math.Round(frames)) < wholeFrames {
		return fmt.Sprintf("%s+eq(mod(n,%d),0)", expr, max(1, int64(math.Round(frames))))
	}
	ms := int64(v.SegmentLength / time.Millisecond)
	a, b := v.FrameRate.Den*1000, v.FrameRate.Num*ms
	return fmt.Sprintf("%s+gt(floor(n*%d/%d),floor((n-1)*%[2]d/%[3]d))", expr, a, b)
}

// pictureParams say, in the words that x264 and x265 share, where key frames and B-frames may stand. infinite is the greatest distance between key frames.
func pictureParams(v *plan.Video, infinite string) []string {
	var p []string
	add := func(format string, args ...any) { p = append(p, fmt.Sprintf(format, args...)) }
	switch {
	case !v.SceneChange:
		add("scenecut=0")
	case v.MinKeyFrameDistance == 0:
		// A picture at a scene change is intra coded, but does not begin a group of pictures: the cadence alone does.
		add("scenecut=40")
		add("min-keyint=%s", infinite)
	case v.MinKeyFrameDistance > 0:
		add("scenecut=40")
		add("min-keyint=%d", v.MinKeyFrameDistance)
	default:
		add("scenecut=40")
		add("min-keyint=%d", max(1, v.KeyFrameInterval/10))
	}
	add("open-gop=%d", bit(!v.ClosedGOP))
	add("bframes=%d", v.BFrames)
	switch {
	case !v.DynamicSubGOP:
		add("b-adapt=0")
	case v.DetectTransitions:
		add("b-adapt=2")
	default:
		add("b-adapt=1")
	}
	return p
}

// x264Params are numbers alone.
func x264Params(v *plan.Video) string {
	p := append([]string{"keyint=infinite"}, pictureParams(v, "infinite")...)
	add := func(format string, args ...any) { p = append(p, fmt.Sprintf(format, args...)) }
	if v.BReference && v.BFrames > 1 {
		add("b-pyramid=normal")
	} else {
		add("b-pyramid=none")
	}
	if v.DetectTransitions {
		add("rc-lookahead=60")
	}
	add("ref=%d", max(1, v.ReferenceFrames))
	add("cabac=%d", bit(v.CABAC))
	if v.Slices > 0 {
		add("slices=%d", v.Slices)
	}
	if v.Softness == 1 || v.Softness == 16 {
		add("cqm=jvt")
	}
	switch {
	case !v.SpatialAQ:
		add("aq-mode=0")
	default:
		add("aq-mode=1")
		add("aq-strength=%s", strength(v.AdaptiveQuantization))
	}
	add("mbtree=%d", bit(v.TemporalAQ))
	if v.FlickerAQ {
		add("ipratio=1.2")
	}
	if v.RateControl == plan.CBR {
		add("nal-hrd=cbr")
	}
	if v.InitialBuffer > 0 {
		add("vbv-init=%s", strconv.FormatFloat(float64(min(v.InitialBuffer, 100))/100, 'f', 2, 64))
	}
	return strings.Join(p, ":")
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// strength maps LOW to MAX; automatic is the encoder's own default, 1.
func strength(level int) string {
	switch level {
	case 1:
		return "0.5"
	case 2:
		return "0.8"
	case 4:
		return "1.2"
	case 5:
		return "1.5"
	}
	return "1.0"
}

var languageTag = regexp.MustCompile(`^[a-z]{3}$`)

func audioArgs(a *plan.Audio) []string {
	var args []string
	switch a.Codec {
	case media.AC3, media.EAC3:
		args = dolbyArgs(a)
	default:
		args = []string{"-c:a", "aac", "-profile:a", "aac_low"}
	}
	args = append(args, "-ar", strconv.Itoa(a.SampleRate), "-ac", strconv.Itoa(a.Channels), "-flags:a", "+bitexact")
	if a.VBRQuality > 0 {
		// The encoder's scale is 0.1 to 2; these give about 32, 48, 64 and 96 kbit/s a channel.
		args = append(args, "-q:a", []string{"0.4", "0.7", "1.0", "1.5"}[min(a.VBRQuality, 4)-1])
	} else {
		args = append(args, "-b:a", strconv.Itoa(a.Bitrate))
	}
	if language := media.Language(a.Language); languageTag.MatchString(language) {
		args = append(args, "-metadata:s:a:0", "language="+language)
	}
	return append(args, "-movflags", movFlags, "-frag_duration", strconv.Itoa(fragmentMicroseconds), "-f", "mp4")
}

func frameArgs(f *plan.Frames) []string {
	return []string{
		"-c:v", "mjpeg", "-q:v", strconv.Itoa(jpegScale(f.Quality)), "-huffman", "optimal", "-flags:v", "+bitexact",
		"-fps_mode", "passthrough", "-frames:v", strconv.Itoa(f.MaxCaptures), "-f", "image2pipe",
	}
}

// jpegScale maps 100 (best) to 1 on the encoder's scale of 2 (best) to 31.
func jpegScale(quality int) int {
	return int(math.Round(31 - float64(min(max(quality, 1), 100)-1)*29/99))
}
