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
	minAV1                 = 64 // of the encoder
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

func (b *builder) encodeVideo(d *types.VideoDescription, path string, timing timing) (*Video, error) {
	if err := b.needVideo(path); err != nil {
		return nil, err
	}
	rate, specified := specifiedRate(d)
	if !specified {
		rate = b.followRate()
	}
	pic, err := b.picture(d, specifiedShape(d), rate, path)
	if err != nil {
		return nil, err
	}
	v := &Video{
		Picture:       pic,
		BitDepth:      8,
		Chroma:        420,
		IgnoreColor:   d.ColorMetadata == types.ColorMetadataIgnore,
		SegmentLength: timing.segment,
	}
	switch d.CodecSettings.Codec {
	case types.VideoCodecH265:
		v.hevc(d.CodecSettings.H265Settings, timing)
	case types.VideoCodecAv1:
		if v.Width < minAV1 || v.Height < minAV1 {
			return nil, job.Errorf(1040, "The output at %s would be %d x %d; AV1 needs at least %d in each direction. Set width and height.", path, v.Width, v.Height, minAV1)
		}
		v.av1(d.CodecSettings.Av1Settings, timing)
	default:
		v.avc(d.CodecSettings.H264Settings, timing)
	}
	return v, nil
}

// specifiedRate is the frame rate that an output asks for, false where it follows the source.
func specifiedRate(d *types.VideoDescription) (media.Rational, bool) {
	rate := func(n, den *int32) (media.Rational, bool) {
		r := media.Rational{Num: int64(aws.ToInt32(n)), Den: int64(aws.ToInt32(den))}
		return r, r.Known()
	}
	switch c := d.CodecSettings; {
	case c == nil:
	case c.Codec == types.VideoCodecH264 && c.H264Settings != nil && c.H264Settings.FramerateControl == types.H264FramerateControlSpecified:
		return rate(c.H264Settings.FramerateNumerator, c.H264Settings.FramerateDenominator)
	case c.Codec == types.VideoCodecH265 && c.H265Settings != nil && c.H265Settings.FramerateControl == types.H265FramerateControlSpecified:
		return rate(c.H265Settings.FramerateNumerator, c.H265Settings.FramerateDenominator)
	case c.Codec == types.VideoCodecAv1 && c.Av1Settings != nil && c.Av1Settings.FramerateControl == types.Av1FramerateControlSpecified:
		return rate(c.Av1Settings.FramerateNumerator, c.Av1Settings.FramerateDenominator)
	}
	return media.Rational{}, false
}

// specifiedShape is the sample aspect ratio that an output asks for, not known where it follows the source.
func specifiedShape(d *types.VideoDescription) media.Rational {
	switch c := d.CodecSettings; {
	case c.Codec == types.VideoCodecH264 && c.H264Settings != nil && c.H264Settings.ParControl == types.H264ParControlSpecified:
		return media.Rational{Num: int64(aws.ToInt32(c.H264Settings.ParNumerator)), Den: int64(aws.ToInt32(c.H264Settings.ParDenominator))}
	case c.Codec == types.VideoCodecH265 && c.H265Settings != nil && c.H265Settings.ParControl == types.H265ParControlSpecified:
		return media.Rational{Num: int64(aws.ToInt32(c.H265Settings.ParNumerator)), Den: int64(aws.ToInt32(c.H265Settings.ParDenominator))}
	}
	return media.Rational{}
}

// avc reads the settings of H.264 (ISO/IEC 14496-10).
func (v *Video) avc(h *types.H264Settings, timing timing) {
	if h == nil {
		h = &types.H264Settings{}
	}
	v.Codec = media.AVC
	v.Level = level(string(h.CodecLevel))
	v.Effort = 2
	v.SceneChange = h.SceneChangeDetect != types.H264SceneChangeDetectDisabled
	v.DetectTransitions = h.SceneChangeDetect == types.H264SceneChangeDetectTransitionDetection
	v.ClosedGOP = h.GopClosedCadence == nil || *h.GopClosedCadence != 0
	v.BFrames = number(h.NumberBFramesBetweenReferenceFrames, defaultBFrames)
	v.BReference = h.GopBReference != types.H264GopBReferenceDisabled
	v.DynamicSubGOP = h.DynamicSubGop != types.H264DynamicSubGopStatic
	v.ReferenceFrames = number(h.NumberReferenceFrames, defaultReferenceFrames)
	v.CABAC = h.EntropyEncoding != types.H264EntropyEncodingCavlc
	v.Slices = int(aws.ToInt32(h.Slices))
	v.Softness = int(aws.ToInt32(h.Softness))
	v.BufferSize = int(aws.ToInt32(h.HrdBufferSize))
	v.InitialBuffer = int(aws.ToInt32(h.HrdBufferInitialFillPercentage))
	if h.QualityTuningLevel == types.H264QualityTuningLevelSinglePass {
		v.Effort = 1
	}
	v.profile(h.CodecProfile)
	quality := 0.0
	if q := h.QvbrSettings; q != nil && q.QvbrQualityLevel != nil {
		quality = float64(*q.QvbrQualityLevel) + aws.ToFloat64(q.QvbrQualityLevelFineTune)
	}
	v.rates(string(rateControlMode(h)), h.Bitrate, h.MaxBitrate, quality)
	v.quantization(string(h.AdaptiveQuantization), h.SpatialAdaptiveQuantization != types.H264SpatialAdaptiveQuantizationDisabled,
		h.TemporalAdaptiveQuantization != types.H264TemporalAdaptiveQuantizationDisabled, h.FlickerAdaptiveQuantization == types.H264FlickerAdaptiveQuantizationEnabled)
	v.groupOfPictures(string(h.GopSizeUnits), h.GopSize, h.MinIInterval, timing)
}

// hevc reads the settings of H.265 (ISO/IEC 23008-2).
func (v *Video) hevc(h *types.H265Settings, timing timing) {
	if h == nil {
		h = &types.H265Settings{}
	}
	v.Codec = media.HEVC
	v.Level = level(string(h.CodecLevel))
	v.Effort = 1
	v.SceneChange = h.SceneChangeDetect != types.H265SceneChangeDetectDisabled
	v.DetectTransitions = h.SceneChangeDetect == types.H265SceneChangeDetectTransitionDetection
	v.ClosedGOP = h.GopClosedCadence == nil || *h.GopClosedCadence != 0
	v.BFrames = number(h.NumberBFramesBetweenReferenceFrames, defaultBFrames)
	v.BReference = h.GopBReference != types.H265GopBReferenceDisabled
	v.DynamicSubGOP = h.DynamicSubGop != types.H265DynamicSubGopStatic
	v.ReferenceFrames = number(h.NumberReferenceFrames, defaultReferenceFrames)
	v.Slices = int(aws.ToInt32(h.Slices))
	v.BufferSize = int(aws.ToInt32(h.HrdBufferSize))
	v.InitialBuffer = int(aws.ToInt32(h.HrdBufferInitialFillPercentage))
	v.NoDeblocking = h.Deblocking == types.H265DeblockingDisabled
	v.NoSAO = h.SampleAdaptiveOffsetFilterMode == types.H265SampleAdaptiveOffsetFilterModeOff
	v.TemporalLayers = h.TemporalIds == types.H265TemporalIdsEnabled
	v.SmallTreeBlocks = h.TreeBlockSize == types.H265TreeBlockSizeTreeSize32x32
	v.NoTemporalMVP = h.MvTemporalPredictor == types.H265MvTemporalPredictorDisabled
	if h.QualityTuningLevel == types.H265QualityTuningLevelSinglePassHq {
		v.Effort = 2
	}
	name, tier, _ := strings.Cut(strings.ToLower(string(h.CodecProfile)), "_")
	v.Profile, v.HighTier = "main", strings.HasSuffix(tier, "high")
	switch {
	case name == "main10":
		v.Profile, v.BitDepth = "main10", 10
	case strings.HasPrefix(tier, "422_10bit"):
		v.Profile, v.BitDepth, v.Chroma = "main422-10", 10, 422
	case strings.HasPrefix(tier, "422"):
		v.Profile, v.Chroma = "main422-10", 422
	}
	quality := 0.0
	if q := h.QvbrSettings; q != nil && q.QvbrQualityLevel != nil {
		quality = float64(*q.QvbrQualityLevel) + aws.ToFloat64(q.QvbrQualityLevelFineTune)
	}
	v.rates(string(hevcRateControl(h)), h.Bitrate, h.MaxBitrate, quality)
	v.quantization(string(h.AdaptiveQuantization), h.SpatialAdaptiveQuantization != types.H265SpatialAdaptiveQuantizationDisabled,
		h.TemporalAdaptiveQuantization != types.H265TemporalAdaptiveQuantizationDisabled, h.FlickerAdaptiveQuantization == types.H265FlickerAdaptiveQuantizationEnabled)
	v.groupOfPictures(string(h.GopSizeUnits), h.GopSize, h.MinIInterval, timing)
}

// defaultAV1BFrames is what the API recommends for AV1, besides 15.
const defaultAV1BFrames = 7

// av1 reads the settings of AV1.
func (v *Video) av1(s *types.Av1Settings, timing timing) {
	if s == nil {
		s = &types.Av1Settings{}
	}
	v.Codec, v.Profile, v.ClosedGOP, v.Effort = media.AV1, "main", true, 2
	v.BFrames = number(s.NumberBFramesBetweenReferenceFrames, defaultAV1BFrames)
	v.Slices = int(aws.ToInt32(s.Slices))
	v.FilmGrain = s.FilmGrainSynthesis == types.Av1FilmGrainSynthesisEnabled
	if s.BitDepth == types.Av1BitDepthBit10 {
		v.BitDepth = 10
	}
	quality := 0.0
	if q := s.QvbrSettings; q != nil && q.QvbrQualityLevel != nil {
		quality = float64(*q.QvbrQualityLevel) + aws.ToFloat64(q.QvbrQualityLevelFineTune)
	}
	v.rates(string(types.Av1RateControlModeQvbr), nil, s.MaxBitrate, quality)
	v.quantization(string(s.AdaptiveQuantization), s.SpatialAdaptiveQuantization != types.Av1SpatialAdaptiveQuantizationDisabled, false, false)
	units := types.H264GopSizeUnitsAuto
	if s.GopSize != nil {
		units = types.H264GopSizeUnitsFrames
	}
	v.groupOfPictures(string(units), s.GopSize, nil, timing)
	if v.SegmentLength > 0 {
		// The encoder has key frames at even distances alone, so the distance is the greatest part of a segment that is short enough.
		segment := max(1, int(math.Round(v.SegmentLength.Seconds()*v.FrameRate.Float())))
		for v.KeyFrameInterval = min(v.KeyFrameInterval, segment); segment%v.KeyFrameInterval != 0; v.KeyFrameInterval-- {
		}
	}
}

func hevcRateControl(h *types.H265Settings) types.H265RateControlMode {
	switch {
	case h.RateControlMode != "":
		return h.RateControlMode
	case h.Bitrate != nil:
		return types.H265RateControlModeVbr
	case h.MaxBitrate != nil || h.QvbrSettings != nil:
		return types.H265RateControlModeQvbr
	}
	return ""
}

// level is LEVEL_4_1 as 4.1, "" for automatic.
func level(word string) string {
	if word == "AUTO" {
		return ""
	}
	return strings.ReplaceAll(strings.TrimPrefix(word, "LEVEL_"), "_", ".")
}

func number(n *int32, usual int) int {
	if n == nil {
		return usual
	}
	return int(*n)
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

func (v *Video) rates(mode string, bitrate, most *int32, quality float64) {
	switch mode {
	case "CBR":
		v.RateControl, v.Bitrate, v.MaxBitrate = CBR, int(aws.ToInt32(bitrate)), int(aws.ToInt32(bitrate))
	case "VBR":
		v.RateControl, v.Bitrate, v.MaxBitrate = VBR, int(aws.ToInt32(bitrate)), int(aws.ToInt32(most))
	default:
		v.RateControl, v.MaxBitrate, v.Quality = QVBR, int(aws.ToInt32(most)), quality
		if quality == 0 {
			v.Quality = automaticQuality(v.Width * v.Height)
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

func (v *Video) quantization(strength string, spatial, temporal, flicker bool) {
	strengths := map[string]int{"OFF": 0, "LOW": 1, "MEDIUM": 2, "HIGH": 3, "HIGHER": 4, "MAX": 5}
	s, manual := strengths[strength]
	if !manual {
		// Automatic: the filters cannot be set by hand, but for AV1, which has one.
		v.AdaptiveQuantization, v.SpatialAQ, v.TemporalAQ = -1, spatial || v.Codec != media.AV1, v.Codec != media.AV1
		return
	}
	v.AdaptiveQuantization = s
	v.SpatialAQ = s > 0 && spatial
	v.TemporalAQ = s > 0 && temporal
	v.FlickerAQ = s > 0 && flicker
}

// groupOfPictures reads how far key frames are apart. An automatic distance is 2 seconds, or 1 where the fragments of the group are no multiple of 2.
func (v *Video) groupOfPictures(units string, size *float64, least *int32, timing timing) {
	fps := v.FrameRate.Float()
	frames := defaultGOPSeconds * fps
	switch {
	case size != nil && units != "AUTO":
		frames = *size
		if units == "SECONDS" {
			frames *= fps
		}
	case timing.fragment%(defaultGOPSeconds*time.Second) != 0:
		frames = fps
	}
	v.KeyFrameInterval = max(1, int(math.Round(frames)))
	v.MinKeyFrameDistance = -1
	if least != nil {
		v.MinKeyFrameDistance = int(*least)
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
