package plan

import (
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// The defaults that the service documents, or that its console shows, for members left out.
const (
	defaultGOPSeconds      = 2
	defaultReferenceFrames = 3
	defaultBFrames         = 3
	defaultSharpness       = 50
	defaultCaptureQuality  = 80
	defaultMaxCaptures     = 10_000_000 // the greatest that the model allows
	maxDimension           = 8192
	minDimension           = 32
)

// assumedFrameRate is that of an output that follows a source which does not say its own.
var assumedFrameRate = media.Rational{Num: 25, Den: 1}

func rateControlMode(h *types.H264Settings) types.H264RateControlMode {
	switch {
	case h.RateControlMode != "":
		return h.RateControlMode
	case h.Bitrate != nil:
		return types.H264RateControlModeVbr
	case h.MaxBitrate != nil || h.QvbrSettings != nil:
		return types.H264RateControlModeQvbr
	}
	return ""
}

// rotation returns by how many degrees, clockwise, the picture is turned.
func rotation(sel *types.VideoSelector, v *Stream) int {
	if sel == nil {
		return 0
	}
	switch sel.Rotate {
	case types.InputRotateAuto:
		return v.Rotation
	case types.InputRotateDegrees90:
		return 90
	case types.InputRotateDegrees180:
		return 180
	case types.InputRotateDegrees270:
		return 270
	}
	return 0
}

func (b *builder) needVideo(path string) error {
	if b.video == nil {
		return job.Errorf(1020, "Input 1 has no video, and the output at %s asks for it. Use an input with video, or remove the video from the output.", path)
	}
	if !b.video.Decodable {
		return job.Errorf(1030, "Input 1: the video codec %q is not supported. Convert the input to another codec first.", b.video.Codec)
	}
	return nil
}

func (b *builder) encodeVideo(d *types.VideoDescription, path string, segment time.Duration) (*Video, error) {
	if err := b.needVideo(path); err != nil {
		return nil, err
	}
	h := d.CodecSettings.H264Settings
	if h == nil {
		h = &types.H264Settings{}
	}
	var par media.Rational
	if h.ParControl == types.H264ParControlSpecified {
		par = media.Rational{Num: int64(aws.ToInt32(h.ParNumerator)), Den: int64(aws.ToInt32(h.ParDenominator))}
	}
	rate := b.followRate()
	if h.FramerateControl == types.H264FramerateControlSpecified {
		rate = media.Rational{Num: int64(aws.ToInt32(h.FramerateNumerator)), Den: int64(aws.ToInt32(h.FramerateDenominator))}
	}
	pic, err := b.picture(d, par, rate, path)
	if err != nil {
		return nil, err
	}
	v := &Video{
		Picture:           pic,
		BitDepth:          8,
		Chroma:            420,
		Level:             strings.ReplaceAll(strings.TrimPrefix(string(h.CodecLevel), "LEVEL_"), "_", "."),
		Effort:            2,
		SceneChange:       h.SceneChangeDetect != types.H264SceneChangeDetectDisabled,
		DetectTransitions: h.SceneChangeDetect == types.H264SceneChangeDetectTransitionDetection,
		ClosedGOP:         h.GopClosedCadence == nil || *h.GopClosedCadence != 0,
		BFrames:           defaultBFrames,
		BReference:        h.GopBReference != types.H264GopBReferenceDisabled,
		DynamicSubGOP:     h.DynamicSubGop != types.H264DynamicSubGopStatic,
		ReferenceFrames:   defaultReferenceFrames,
		CABAC:             h.EntropyEncoding != types.H264EntropyEncodingCavlc,
		Slices:            int(aws.ToInt32(h.Slices)),
		Softness:          int(aws.ToInt32(h.Softness)),
		SegmentLength:     segment,
		IgnoreColor:       d.ColorMetadata == types.ColorMetadataIgnore,
		BufferSize:        int(aws.ToInt32(h.HrdBufferSize)),
		InitialBuffer:     int(aws.ToInt32(h.HrdBufferInitialFillPercentage)),
	}
	if h.QualityTuningLevel == types.H264QualityTuningLevelSinglePass {
		v.Effort = 1
	}
	if v.Level == "AUTO" {
		v.Level = ""
	}
	if h.NumberBFramesBetweenReferenceFrames != nil {
		v.BFrames = int(*h.NumberBFramesBetweenReferenceFrames)
	}
	if h.NumberReferenceFrames != nil {
		v.ReferenceFrames = int(*h.NumberReferenceFrames)
	}
	v.profile(h.CodecProfile)
	v.rates(h)
	v.quantization(h)
	v.groupOfPictures(h)
	return v, nil
}

func (b *builder) followRate() media.Rational {
	if b.video.FrameRate.Known() {
		return b.video.FrameRate
	}
	return assumedFrameRate
}

func (v *Video) profile(p types.H264CodecProfile) {
	switch p {
	case types.H264CodecProfileBaseline:
		v.Profile = "baseline"
		v.BFrames, v.CABAC, v.BReference = 0, false, false
	case types.H264CodecProfileHigh:
		v.Profile = "high"
	case types.H264CodecProfileHigh10bit:
		v.Profile, v.BitDepth = "high10", 10
	case types.H264CodecProfileHigh422:
		v.Profile, v.Chroma = "high422", 422
	case types.H264CodecProfileHigh42210bit:
		v.Profile, v.BitDepth, v.Chroma = "high422", 10, 422
	default:
		v.Profile = "main"
	}
}

func (v *Video) rates(h *types.H264Settings) {
	switch rateControlMode(h) {
	case types.H264RateControlModeCbr:
		v.RateControl, v.Bitrate, v.MaxBitrate = CBR, int(aws.ToInt32(h.Bitrate)), int(aws.ToInt32(h.Bitrate))
	case types.H264RateControlModeVbr:
		v.RateControl, v.Bitrate, v.MaxBitrate = VBR, int(aws.ToInt32(h.Bitrate)), int(aws.ToInt32(h.MaxBitrate))
	default:
		v.RateControl, v.MaxBitrate = QVBR, int(aws.ToInt32(h.MaxBitrate))
		v.Quality = automaticQuality(v.Width * v.Height)
		if q := h.QvbrSettings; q != nil && q.QvbrQualityLevel != nil {
			v.Quality = float64(*q.QvbrQualityLevel) + aws.ToFloat64(q.QvbrQualityLevelFineTune)
		}
	}
}

// automaticQuality is the quality level for a size of picture when none is asked for: the service's own advice for each size.
func automaticQuality(pixels int) float64 {
	switch {
	case pixels >= 3840*2160:
		return 9
	case pixels >= 1920*1080:
		return 8
	}
	return 7
}

func (v *Video) quantization(h *types.H264Settings) {
	strengths := map[types.H264AdaptiveQuantization]int{
		types.H264AdaptiveQuantizationOff: 0, types.H264AdaptiveQuantizationLow: 1, types.H264AdaptiveQuantizationMedium: 2,
		types.H264AdaptiveQuantizationHigh: 3, types.H264AdaptiveQuantizationHigher: 4, types.H264AdaptiveQuantizationMax: 5,
	}
	s, manual := strengths[h.AdaptiveQuantization]
	if !manual {
		// Automatic: the three filters cannot be set by hand.
		v.AdaptiveQuantization, v.SpatialAQ, v.TemporalAQ = -1, true, true
		return
	}
	v.AdaptiveQuantization = s
	v.SpatialAQ = s > 0 && h.SpatialAdaptiveQuantization != types.H264SpatialAdaptiveQuantizationDisabled
	v.TemporalAQ = s > 0 && h.TemporalAdaptiveQuantization != types.H264TemporalAdaptiveQuantizationDisabled
	v.FlickerAQ = s > 0 && h.FlickerAdaptiveQuantization == types.H264FlickerAdaptiveQuantizationEnabled
}

func (v *Video) groupOfPictures(h *types.H264Settings) {
	fps := v.FrameRate.Float()
	frames := defaultGOPSeconds * fps
	if h.GopSize != nil && h.GopSizeUnits != types.H264GopSizeUnitsAuto {
		frames = *h.GopSize
		if h.GopSizeUnits == types.H264GopSizeUnitsSeconds {
			frames *= fps
		}
	}
	v.KeyFrameInterval = max(1, int(math.Round(frames)))
	v.MinKeyFrameDistance = -1
	if h.MinIInterval != nil {
		v.MinKeyFrameDistance = int(*h.MinIInterval)
	}
}

func (b *builder) frames(d *types.VideoDescription, path string) (*Frames, error) {
	if err := b.needVideo(path); err != nil {
		return nil, err
	}
	s := d.CodecSettings.FrameCaptureSettings
	if s == nil {
		s = &types.FrameCaptureSettings{}
	}
	f := &Frames{MaxCaptures: defaultMaxCaptures, Quality: defaultCaptureQuality}
	rate := media.Rational{Num: 1, Den: 1}
	if s.FramerateNumerator != nil {
		rate.Num = int64(*s.FramerateNumerator)
	}
	if s.FramerateDenominator != nil {
		rate.Den = int64(*s.FramerateDenominator)
	}
	if s.MaxCaptures != nil {
		f.MaxCaptures = int(*s.MaxCaptures)
	}
	if s.Quality != nil {
		f.Quality = int(*s.Quality)
	}
	var err error
	f.Picture, err = b.picture(d, media.Rational{Num: 1, Den: 1}, rate, path)
	return f, err
}

// picture decides the geometry. par is the sample aspect ratio asked for; unknown follows the source.
func (b *builder) picture(d *types.VideoDescription, par, rate media.Rational, path string) (Picture, error) {
	src := b.video
	w, h, sar := src.Width, src.Height, src.SampleAspectRatio
	if !sar.Known() {
		sar = media.Rational{Num: 1, Den: 1}
	}
	if b.rotation == 90 || b.rotation == 270 {
		w, h = h, w
		sar = media.Rational{Num: sar.Den, Den: sar.Num}
	}
	if w <= 0 || h <= 0 {
		return Picture{}, job.Errorf(1020, "Input 1: the size of the video is not known. Check that the input plays, or convert it first.")
	}
	if !par.Known() {
		par = sar
	}
	p := Picture{
		SampleAspectRatio: par,
		FrameRate:         rate,
		Sharpness:         defaultSharpness,
		Deinterlace:       src.Interlaced,
	}
	if d.Sharpness != nil {
		p.Sharpness = int(*d.Sharpness)
	}
	if pre := d.VideoPreprocessors; pre != nil && pre.Deinterlacer != nil && pre.Deinterlacer.Control == types.DeinterlacerControlForceAllFrames {
		p.Deinterlace, p.DeinterlaceAll = true, true
	}
	// The width that the source's picture has for a height of 1 in samples of the output's shape.
	aspect := float64(w) / float64(h) * sar.Float() / par.Float()
	outW, outH := int(aws.ToInt32(d.Width)), int(aws.ToInt32(d.Height))
	switch {
	case outW == 0 && outH == 0:
		outW, outH = even(float64(h)*aspect), even(float64(h))
	case outW == 0:
		outW = even(float64(outH) * aspect)
	case outH == 0:
		outH = even(float64(outW) / aspect)
	}
	p.Width, p.Height, p.ScaledWidth, p.ScaledHeight = outW, outH, outW, outH
	fitW, fitH := fit(outW, outH, aspect)
	switch d.ScalingBehavior {
	case types.ScalingBehaviorStretchToOutput:
	case types.ScalingBehaviorFill:
		p.ScaledWidth, p.ScaledHeight = cover(outW, outH, aspect)
	case types.ScalingBehaviorFitNoUpscale:
		if natural := even(float64(h) * aspect); fitW > natural || fitH > even(float64(h)) {
			fitW, fitH = natural, even(float64(h))
		}
		p.Width, p.Height, p.ScaledWidth, p.ScaledHeight = fitW, fitH, fitW, fitH
	case types.ScalingBehaviorFit:
		p.Width, p.Height, p.ScaledWidth, p.ScaledHeight = fitW, fitH, fitW, fitH
	default:
		p.ScaledWidth, p.ScaledHeight = fitW, fitH
	}
	if p.Width < minDimension || p.Height < minDimension || p.Width > maxDimension || p.Height > maxDimension {
		return Picture{}, job.Errorf(1040, "The output at %s would be %d x %d; allowed: %d to %d in each direction. Set width and height.",
			path, p.Width, p.Height, minDimension, maxDimension)
	}
	return p, nil
}

// even rounds to the nearest even number, at least 2: 4:2:0 pictures have no odd sizes.
func even(f float64) int { return max(2, 2*int(math.Round(f/2))) }

// barTolerance is how many pixels a fitted picture may miss the frame by before bars are drawn: rounding alone is stretched away.
const barTolerance = 2

// fit returns the largest size of the aspect that is inside w × h.
func fit(w, h int, aspect float64) (int, int) {
	fw, fh := w, even(float64(w)/aspect)
	if fh > h {
		fw, fh = even(float64(h)*aspect), h
	}
	if w-fw <= barTolerance {
		fw = w
	}
	if h-fh <= barTolerance {
		fh = h
	}
	return min(fw, w), min(fh, h)
}

// cover returns the smallest size of the aspect that covers w × h.
func cover(w, h int, aspect float64) (int, int) {
	cw, ch := w, even(float64(w)/aspect)
	if ch < h {
		cw, ch = even(float64(h)*aspect), h
	}
	return max(cw, w), max(ch, h)
}
