package preset

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Preset is an output preset that every account has.
type Preset struct {
	Name, Description, Category string
	Settings                    *types.PresetSettings
}

// The names of system presets say what they are:
//
//	System-Generic_Hd_Mp4_Avc_Aac_16x9_Sdr_1280x720p_30Hz_4Mbps_Qvbr_Vq9
//	System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_30Hz_5.0Mbps
//	System-Ott_Dash_Mp4_Aac_He_96Kbps
//
// One reading of a name makes its settings; nothing is kept for each.
var (
	withPicture = regexp.MustCompile(`^System-(Generic_(?:Sd|Hd|Uhd)_(?:Mp4|Mov)|Ott_Hls_Ts|Ott_Dash_Mp4)_(Avc|Hevc|Hev1|Hvc1|Av1|Prores)(_Aac)?_(\d{1,2}x\d{1,2})(_Sdr)?_(\d{2,4})x(\d{2,4})p_(\d{2})Hz_(\d{1,3}(?:\.\d{1,2})?)Mbps(?:_Qvbr_Vq(\d{1,2}))?$`)
	soundAlone  = regexp.MustCompile(`^System-(Ott_Hls_Ts|Ott_Dash_Mp4|Generic_Audio_Mp4)_Aac(_He)?_(\d{2,3})Kbps$`)
)

// Bounds of what a name may say.
const (
	maxSide     = 4320
	maxMegabits = 100
	maxQuality  = 10
)

var rates = []int{15, 24, 25, 30, 50, 60}

// FindSystem reads a name that system presets have, whether it is listed or not.
func FindSystem(name string) (Preset, bool) {
	if m := withPicture.FindStringSubmatch(name); m != nil {
		return picture(name, m)
	}
	if m := soundAlone.FindStringSubmatch(name); m != nil {
		return soundOnly(name, m)
	}
	return Preset{}, false
}

// containers by the first words of a name, with the category of what is in them.
var containers = map[string]struct {
	container types.ContainerType
	category  string
}{
	"Ott_Hls_Ts":        {types.ContainerTypeM3u8, "OTT-HLS"},
	"Ott_Dash_Mp4":      {types.ContainerTypeMpd, "OTT-DASH"},
	"Generic_Audio_Mp4": {types.ContainerTypeMp4, "Generic-Audio"},
	"Generic_Sd_Mp4":    {types.ContainerTypeMp4, "Generic-SD"},
	"Generic_Hd_Mp4":    {types.ContainerTypeMp4, "Generic-HD"},
	"Generic_Uhd_Mp4":   {types.ContainerTypeMp4, "Generic-UHD"},
	"Generic_Sd_Mov":    {types.ContainerTypeMov, "Generic-SD"},
	"Generic_Hd_Mov":    {types.ContainerTypeMov, "Generic-HD"},
	"Generic_Uhd_Mov":   {types.ContainerTypeMov, "Generic-UHD"},
}

func containerSettings(c types.ContainerType) *types.ContainerSettings {
	s := &types.ContainerSettings{Container: c}
	switch c {
	case types.ContainerTypeM3u8:
		s.M3u8Settings = &types.M3u8Settings{}
	case types.ContainerTypeMp4:
		s.Mp4Settings = &types.Mp4Settings{
			CslgAtom: types.Mp4CslgAtomInclude, FreeSpaceBox: types.Mp4FreeSpaceBoxExclude, MoovPlacement: types.Mp4MoovPlacementProgressiveDownload,
		}
	case types.ContainerTypeMov:
		s.MovSettings = &types.MovSettings{}
	}
	return s
}

func picture(name string, m []string) (Preset, bool) {
	family, codec, hasSound, shape, qualityText := m[1], m[2], m[3] != "", m[4], m[10]
	width, _ := strconv.Atoi(m[6])
	height, _ := strconv.Atoi(m[7])
	rate, _ := strconv.Atoi(m[8])
	megabits, _ := strconv.ParseFloat(m[9], 64)
	quality, _ := strconv.Atoi(qualityText)
	switch {
	case width%2 != 0 || height%2 != 0 || width > 2*maxSide || height > maxSide, !slices.Contains(rates, rate),
		megabits <= 0 || megabits > maxMegabits, qualityText != "" && (quality < 1 || quality > maxQuality),
		codec == "Prores" && !strings.HasSuffix(family, "_Mov"), strings.HasSuffix(family, "_Mov") && codec != "Prores" && codec != "Avc",
		family == "Ott_Hls_Ts" && (codec != "Avc" && codec != "Hevc" || !hasSound):
		return Preset{}, false
	}
	c := containers[family]
	bits := int32(math.Round(megabits * 1e6))
	v := &types.VideoDescription{
		Width: aws.Int32(int32(width)), Height: aws.Int32(int32(height)), ScalingBehavior: types.ScalingBehaviorDefault, AntiAlias: types.AntiAliasEnabled,
		Sharpness: aws.Int32(50), CodecSettings: videoCodec(codec, family, int32(rate), bits, int32(quality)),
	}
	p := Preset{
		Name: name, Category: c.category,
		Description: fmt.Sprintf("%s, %d x %d, %s, %d frames a second, %s Mbit/s", codec, width, height, strings.Replace(shape, "x", ":", 1), rate, m[9]),
		Settings:    &types.PresetSettings{ContainerSettings: containerSettings(c.container), VideoDescription: v},
	}
	if hasSound {
		p.Settings.AudioDescriptions = []types.AudioDescription{aac(false, soundRate(megabits))}
	}
	return p, true
}

// soundRate is the bitrate of the sound that goes with a picture of so many megabits per second.
func soundRate(megabits float64) int32 {
	switch {
	case megabits < 1:
		return 64_000
	case megabits < 6:
		return 96_000
	}
	return 128_000
}

// keyFrameSeconds is the distance of key frames: segments of three, six and nine seconds begin on one.
const keyFrameSeconds = 3

func videoCodec(codec, family string, rate, bits, quality int32) *types.VideoCodecSettings {
	gop := aws.Float64(float64(rate * keyFrameSeconds))
	adaptive := strings.HasPrefix(family, "Ott_")
	switch codec {
	case "Hevc", "Hev1", "Hvc1":
		s := &types.H265Settings{
			CodecProfile: types.H265CodecProfileMainMain, CodecLevel: types.H265CodecLevelAuto, FramerateControl: types.H265FramerateControlSpecified,
			FramerateNumerator: &rate, FramerateDenominator: aws.Int32(1), GopSize: gop, GopSizeUnits: types.H265GopSizeUnitsFrames,
			GopClosedCadence: aws.Int32(1), WriteMp4PackagingType: types.H265WriteMp4PackagingTypeHvc1, QualityTuningLevel: types.H265QualityTuningLevelSinglePassHq,
		}
		if codec == "Hev1" {
			s.WriteMp4PackagingType = types.H265WriteMp4PackagingTypeHev1
		}
		switch {
		case quality > 0:
			s.RateControlMode, s.MaxBitrate, s.QvbrSettings = types.H265RateControlModeQvbr, &bits, &types.H265QvbrSettings{QvbrQualityLevel: &quality}
		case adaptive:
			s.RateControlMode, s.Bitrate = types.H265RateControlModeCbr, &bits
		default:
			s.RateControlMode, s.Bitrate = types.H265RateControlModeVbr, &bits
		}
		return &types.VideoCodecSettings{Codec: types.VideoCodecH265, H265Settings: s}
	case "Av1":
		if quality == 0 {
			quality = 7
		}
		return &types.VideoCodecSettings{Codec: types.VideoCodecAv1, Av1Settings: &types.Av1Settings{
			RateControlMode: types.Av1RateControlModeQvbr, MaxBitrate: &bits, QvbrSettings: &types.Av1QvbrSettings{QvbrQualityLevel: &quality},
			FramerateControl: types.Av1FramerateControlSpecified, FramerateNumerator: &rate, FramerateDenominator: aws.Int32(1), GopSize: gop,
		}}
	case "Prores":
		return &types.VideoCodecSettings{Codec: types.VideoCodecProres, ProresSettings: &types.ProresSettings{
			CodecProfile: types.ProresCodecProfileAppleProres422, FramerateControl: types.ProresFramerateControlSpecified,
			FramerateNumerator: &rate, FramerateDenominator: aws.Int32(1),
		}}
	}
	s := &types.H264Settings{
		CodecProfile: types.H264CodecProfileMain, CodecLevel: types.H264CodecLevelAuto, FramerateControl: types.H264FramerateControlSpecified,
		FramerateNumerator: &rate, FramerateDenominator: aws.Int32(1), GopSize: gop, GopSizeUnits: types.H264GopSizeUnitsFrames,
		GopClosedCadence: aws.Int32(1), NumberBFramesBetweenReferenceFrames: aws.Int32(2), NumberReferenceFrames: aws.Int32(3),
		QualityTuningLevel: types.H264QualityTuningLevelSinglePassHq,
	}
	switch {
	case quality > 0:
		s.RateControlMode, s.MaxBitrate, s.QvbrSettings = types.H264RateControlModeQvbr, &bits, &types.H264QvbrSettings{QvbrQualityLevel: &quality}
	case adaptive:
		s.RateControlMode, s.Bitrate = types.H264RateControlModeCbr, &bits
	default:
		s.RateControlMode, s.Bitrate = types.H264RateControlModeVbr, &bits
	}
	return &types.VideoCodecSettings{Codec: types.VideoCodecH264, H264Settings: s}
}

func aac(highEfficiency bool, bits int32) types.AudioDescription {
	s := &types.AacSettings{
		CodecProfile: types.AacCodecProfileLc, CodingMode: types.AacCodingModeCodingMode20, RateControlMode: types.AacRateControlModeCbr,
		SampleRate: aws.Int32(48_000), Bitrate: &bits,
	}
	if highEfficiency {
		s.CodecProfile = types.AacCodecProfileHev1
	}
	return types.AudioDescription{CodecSettings: &types.AudioCodecSettings{Codec: types.AudioCodecAac, AacSettings: s}}
}

// soundRates are the bitrates, in kbit/s, of sound alone: those of AAC-LC and those of HE-AAC.
var soundRates = map[bool][]int{false: {96, 128, 160, 192}, true: {64, 96}}

func soundOnly(name string, m []string) (Preset, bool) {
	kilobits, _ := strconv.Atoi(m[3])
	if !slices.Contains(soundRates[m[2] != ""], kilobits) {
		return Preset{}, false
	}
	c := containers[m[1]]
	return Preset{
		Name: name, Category: c.category, Description: fmt.Sprintf("AAC, stereo, %d kbit/s", kilobits),
		Settings: &types.PresetSettings{
			ContainerSettings: containerSettings(c.container), AudioDescriptions: []types.AudioDescription{aac(m[2] != "", int32(kilobits*1000))},
		},
	}, true
}

// step is a rung of the families that are listed: a size, and the bitrates in Mbit/s that go with it.
type step struct {
	size  string
	rates []string
}

var (
	wide = []step{
		{"480x270", []string{"0.4"}},
		{"640x360", []string{"0.6", "1.2"}},
		{"768x432", []string{"1.0", "1.1"}},
		{"960x540", []string{"2.0", "3.5"}},
		{"1280x720", []string{"3.0", "3.5", "5.0", "6.5", "8.0"}},
		{"1920x1080", []string{"6.5", "8.0", "8.5", "10.0"}},
	}
	narrow  = []step{{"320x240", []string{"0.3"}}, {"480x360", []string{"0.6"}}, {"640x480", []string{"1.2", "1.5", "2.0"}}}
	generic = map[string][]step{
		"Sd":  {{"640x360", []string{"0.8", "1.2"}}, {"848x480", []string{"1.5"}}, {"960x540", []string{"2.5"}}},
		"Hd":  {{"1280x720", []string{"3.0", "4", "4.5", "5.0"}}, {"1920x1080", []string{"4.5", "5", "6", "8"}}},
		"Uhd": {{"3840x2160", []string{"8", "12", "20"}}},
	}
)

// System returns the presets that are listed, in the order of their names. The caller must not change what it points to.
func System() []Preset { return system() }

var system = sync.OnceValue(func() []Preset {
	var names []string
	add := func(format string, steps []step, rates ...int) {
		for _, s := range steps {
			for _, hz := range rates {
				for _, mbit := range s.rates {
					names = append(names, fmt.Sprintf(format, s.size, hz, mbit))
				}
			}
		}
	}
	add("System-Ott_Hls_Ts_Avc_Aac_16x9_%sp_%dHz_%sMbps", wide, 15, 24, 25, 30, 60)
	add("System-Ott_Hls_Ts_Avc_Aac_4x3_%sp_%dHz_%sMbps", narrow, 15, 24, 25, 30)
	add("System-Ott_Hls_Ts_Avc_Aac_16x9_Sdr_%sp_%dHz_%sMbps_Qvbr_Vq7", wide, 30)
	add("System-Ott_Dash_Mp4_Avc_16x9_%sp_%dHz_%sMbps", wide, 15, 24, 25, 30, 60)
	add("System-Ott_Dash_Mp4_Hevc_16x9_%sp_%dHz_%sMbps", wide, 30)
	for size, steps := range generic {
		for _, codec := range []string{"Avc", "Hevc"} {
			add("System-Generic_"+size+"_Mp4_"+codec+"_Aac_16x9_%sp_%dHz_%sMbps", steps, 24, 25, 30)
			add("System-Generic_"+size+"_Mp4_"+codec+"_Aac_16x9_Sdr_%sp_%dHz_%sMbps_Qvbr_Vq7", steps, 24, 25, 30)
		}
		add("System-Generic_"+size+"_Mp4_Av1_Aac_16x9_%sp_%dHz_%sMbps_Qvbr_Vq7", steps, 30)
		add("System-Generic_"+size+"_Mov_Prores_16x9_%sp_%dHz_%sMbps", steps[len(steps)-1:], 24, 25, 30)
	}
	add("System-Generic_Sd_Mp4_Avc_Aac_4x3_%sp_%dHz_%sMbps", narrow, 24, 25, 30)
	for _, family := range []string{"Ott_Hls_Ts", "Ott_Dash_Mp4", "Generic_Audio_Mp4"} {
		for he, list := range soundRates {
			for _, k := range list {
				names = append(names, "System-"+family+"_Aac"+map[bool]string{true: "_He"}[he]+fmt.Sprintf("_%dKbps", k))
			}
		}
	}
	slices.Sort(names)
	var all []Preset
	for _, name := range slices.Compact(names) {
		if p, ok := FindSystem(name); ok {
			all = append(all, p)
		}
	}
	return all
})
