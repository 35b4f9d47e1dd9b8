package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/gateway"
	"darkroom/internal/job"
	"darkroom/internal/media"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
)

// maxProbeFiles is how many files one request may name.
const maxProbeFiles = 10

// probeFiles looks into each file, all at once. A file that cannot be read refuses the request: no answer has a place for it.
func (s *Service) probeFiles(ctx context.Context, account string, in *mc.ProbeInput) (*mc.ProbeOutput, error) {
	switch n := len(in.InputFiles); {
	case n == 0:
		return nil, mediaconvert.BadRequest("/inputFiles: Should have at least 1 items")
	case n > maxProbeFiles:
		return nil, mediaconvert.BadRequest(fmt.Sprintf("/inputFiles: Should have at most %d items", maxProbeFiles))
	}
	p, err := s.policy(ctx, account)
	if err != nil {
		return nil, err
	}
	inputs := make([]plan.Input, len(in.InputFiles))
	var faults []string
	for i, f := range in.InputFiles {
		path := fmt.Sprintf("/inputFiles/%d", i)
		if f.FileUrl == nil {
			faults = append(faults, path+": fileUrl is a required property")
			continue
		}
		if inputs[i], err = plan.ParseInput(*f.FileUrl); err != nil {
			faults = append(faults, fmt.Sprintf("%s/fileUrl: %v; allowed: s3://BUCKET/KEY, http://HOST/PATH, https://HOST/PATH", path, err))
		} else if !allowed(p, *f.FileUrl) {
			faults = append(faults, Disallowed)
		}
	}
	if len(faults) > 0 {
		return nil, mediaconvert.BadRequest(strings.Join(faults, " | "))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &mc.ProbeOutput{ProbeResults: make([]types.ProbeResult, len(inputs))}
	errs := make([]error, len(inputs))
	var all sync.WaitGroup
	for i := range inputs {
		all.Go(func() {
			found, err := s.probe(ctx, gateway.Caller(ctx), inputs[i], schemes(p))
			if err != nil {
				errs[i] = probeError(err)
				cancel() // nobody needs the others
				return
			}
			out.ProbeResults[i] = probeResult(found)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	return out, errors.Join(errs...)
}

// probeError names what is wrong with a file as the API does.
func probeError(err error) error {
	var e *job.Error
	switch {
	case errors.Is(err, job.ErrBusy):
		return mediaconvert.TooManyRequests("Too many files are being probed. Try again later.")
	case !errors.As(err, &e):
		return err
	}
	text := fmt.Sprintf("%d: %s", e.Code, e.Message)
	switch e.Code {
	case 1404, 3404:
		return mediaconvert.NotFound(text)
	case 1401, 1432, 3401, 3403:
		return mediaconvert.Forbidden(text)
	}
	return mediaconvert.BadRequest(text)
}

// probeResult says what was found in the API's words. What a hostile file made the worker say is believed only where it has the right form.
func probeResult(f *plan.Found) types.ProbeResult {
	c := &types.Container{Format: types.Format(known(f.Probe.Container, types.Format("").Values())), Tracks: []types.Track{}}
	if f.Probe.Duration > 0 {
		c.Duration = aws.Float64(f.Probe.Duration.Seconds())
	}
	if f.Probe.Timecode != "" {
		c.StartTimecode = printable(f.Probe.Timecode)
	}
	mapping := types.TrackMapping{AudioTrackIndexes: []int32{}, DataTrackIndexes: []int32{}, VideoTrackIndexes: []int32{}}
	for i := range f.Probe.Streams {
		s := &f.Probe.Streams[i]
		if s.Attached {
			continue // a cover picture is no track that could be transcoded
		}
		index := int32(len(c.Tracks) + 1)
		t := types.Track{Index: &index, Codec: trackCodec(s)}
		if s.Duration > 0 {
			t.Duration = aws.Float64(s.Duration.Seconds())
		}
		switch s.Kind {
		case media.Video:
			t.TrackType, t.VideoProperties = types.TrackTypeVideo, videoProperties(s)
			mapping.VideoTrackIndexes = append(mapping.VideoTrackIndexes, index)
		case media.Audio:
			t.TrackType, t.AudioProperties = types.TrackTypeAudio, audioProperties(s)
			mapping.AudioTrackIndexes = append(mapping.AudioTrackIndexes, index)
		default:
			t.TrackType, t.DataProperties = types.TrackTypeData, &types.DataProperties{LanguageCode: language(s)}
			mapping.DataTrackIndexes = append(mapping.DataTrackIndexes, index)
		}
		c.Tracks = append(c.Tracks, t)
	}
	m := &types.Metadata{FileSize: &f.Size}
	if f.ETag != "" {
		m.ETag = printable(f.ETag)
	}
	if f.ContentType != "" {
		m.MimeType = printable(f.ContentType)
	}
	if !f.Modified.IsZero() {
		m.LastModified = &f.Modified
	}
	return types.ProbeResult{Container: c, Metadata: m, TrackMappings: []types.TrackMapping{mapping}}
}

// known returns value where it is among the enumeration's, else "".
func known[T ~string](value string, values []T) string {
	for _, v := range values {
		if string(v) == value {
			return value
		}
	}
	return ""
}

// maxText is the longest text of a file or a server that an answer repeats.
const maxText = 256

// printable returns text without what does not print.
func printable(text string) *string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, text)
	text = strings.ToValidUTF8(text[:min(len(text), maxText)], "")
	return &text
}

// codecs are the API's names of codecs, by ffmpeg's.
var codecs = map[string]types.Codec{
	"aac": types.CodecAac, "aac_latm": types.CodecAac, "ac3": types.CodecAc3, "eac3": types.CodecEac3, "flac": types.CodecFlac, "mp3": types.CodecMp3,
	"opus": types.CodecOpus, "vorbis": types.CodecVorbis,
	"av1": types.CodecAv1, "h264": types.CodecAvc, "hevc": types.CodecHevc, "jpeg2000": types.CodecJpeg2000, "mjpeg": types.CodecMjpeg,
	"mpeg1video": types.CodecMpeg1, "mpeg4": types.CodecMp4v, "mpeg2video": types.CodecMpeg2, "prores": types.CodecProres, "qtrle": types.CodecQtrle,
	"theora": types.CodecTheora, "rawvideo": types.CodecUncompressed, "v210": types.CodecUncompressed, "r210": types.CodecUncompressed,
	"vp8": types.CodecVp8, "vp9": types.CodecVp9,
	"eia_608": types.CodecC608, "webvtt": types.CodecWebvtt,
}

func trackCodec(s *plan.Stream) types.Codec {
	if c, ok := codecs[s.Codec]; ok {
		return c
	}
	if s.Kind == media.Audio && strings.HasPrefix(s.Codec, "pcm_") {
		return types.CodecPcm
	}
	return types.CodecUnknown
}

// Code points of ISO/IEC 23091-2 by ffmpeg's names.
var (
	primaries = map[string]types.ColorPrimaries{
		"bt709": types.ColorPrimariesItu709, "bt470m": types.ColorPrimariesItu470m, "bt470bg": types.ColorPrimariesItu470bg,
		"smpte170m": types.ColorPrimariesSmpte170m, "smpte240m": types.ColorPrimariesSmpte240m, "film": types.ColorPrimariesGenericFilm,
		"bt2020": types.ColorPrimariesItu2020, "smpte428": types.ColorPrimariesSmpte4281, "smpte431": types.ColorPrimariesSmpte4312,
		"smpte432": types.ColorPrimariesSmpteEg4321, "ebu3213": types.ColorPrimariesEbu3213E, "reserved": types.ColorPrimariesReserved,
	}
	matrices = map[string]types.MatrixCoefficients{
		"gbr": types.MatrixCoefficientsRgb, "bt709": types.MatrixCoefficientsItu709, "fcc": types.MatrixCoefficientsFcc,
		"bt470bg": types.MatrixCoefficientsItu470bg, "smpte170m": types.MatrixCoefficientsSmpte170m, "smpte240m": types.MatrixCoefficientsSmpte240m,
		"ycgco": types.MatrixCoefficientsYCgCo, "bt2020nc": types.MatrixCoefficientsItu2020Ncl, "bt2020c": types.MatrixCoefficientsItu2020Cl,
		"smpte2085": types.MatrixCoefficientsSmpte2085, "chroma-derived-nc": types.MatrixCoefficientsCdNcl, "chroma-derived-c": types.MatrixCoefficientsCdCl,
		"ictcp": types.MatrixCoefficientsItu2100ICtCp, "reserved": types.MatrixCoefficientsReserved,
	}
	transfers = map[string]types.TransferCharacteristics{
		"bt709": types.TransferCharacteristicsItu709, "bt470m": types.TransferCharacteristicsItu470m, "bt470bg": types.TransferCharacteristicsItu470bg,
		"smpte170m": types.TransferCharacteristicsSmpte170m, "smpte240m": types.TransferCharacteristicsSmpte240m,
		"linear": types.TransferCharacteristicsLinear, "log100": types.TransferCharacteristicsLog102, "log316": types.TransferCharacteristicsLoc1025,
		"iec61966-2-4": types.TransferCharacteristicsIec6196624, "bt1361e": types.TransferCharacteristicsItu1361,
		"iec61966-2-1": types.TransferCharacteristicsIec6196621, "bt2020-10": types.TransferCharacteristicsItu202010bit,
		"bt2020-12": types.TransferCharacteristicsItu202012bit, "smpte2084": types.TransferCharacteristicsSmpte2084,
		"smpte428": types.TransferCharacteristicsSmpte4281, "arib-std-b67": types.TransferCharacteristicsAribB67,
		"reserved": types.TransferCharacteristicsReserved,
	}
)

func orUnspecified[T ~string](names map[string]T, name string) T {
	if v, ok := names[name]; ok {
		return v
	}
	return "UNSPECIFIED"
}

func videoProperties(s *plan.Stream) *types.VideoProperties {
	v := &types.VideoProperties{
		BitDepth: positive(int32(s.BitDepth)), BitRate: positive(s.Bitrate), FrameRate: frameRate(s.FrameRate),
		Height: positive(int32(s.Height)), Width: positive(int32(s.Width)),
		ColorPrimaries: orUnspecified(primaries, s.ColorPrimaries), MatrixCoefficients: orUnspecified(matrices, s.ColorSpace),
		TransferCharacteristics: orUnspecified(transfers, s.ColorTransfer),
	}
	scan := "PROGRESSIVE"
	if s.Interlaced {
		scan = "INTERLACED"
	}
	m := &types.CodecMetadata{
		BitDepth: v.BitDepth, CodedFrameRate: v.FrameRate, ColorPrimaries: v.ColorPrimaries, MatrixCoefficients: v.MatrixCoefficients,
		TransferCharacteristics: v.TransferCharacteristics, ScanType: &scan,
		Height: positive(int32(s.CodedHeight)), Width: positive(int32(s.CodedWidth)),
		ChromaSubsampling: subsampling(s.PixelFormat), Level: level(s),
	}
	if s.Profile != "" {
		m.Profile = printable(s.Profile)
	}
	v.CodecMetadata = m
	return v
}

// samplesPerFrame is how many samples one frame of a codec codes, for those where it does not change.
var samplesPerFrame = map[types.Codec]int64{types.CodecAac: 1024, types.CodecAc3: 1536, types.CodecEac3: 1536, types.CodecMp3: 1152}

func audioProperties(s *plan.Stream) *types.AudioProperties {
	a := &types.AudioProperties{
		BitDepth: positive(int32(s.BitDepth)), BitRate: positive(s.Bitrate), Channels: positive(int32(s.Channels)), SampleRate: positive(int32(s.SampleRate)),
		LanguageCode: language(s),
	}
	if n := samplesPerFrame[trackCodec(s)]; n > 0 && s.SampleRate > 0 {
		a.FrameRate = frameRate(media.Rational{Num: int64(s.SampleRate), Den: n})
	}
	return a
}

// positive is nil where nothing is known.
func positive[N int32 | int64](n N) *N {
	if n <= 0 {
		return nil
	}
	return &n
}

func frameRate(r media.Rational) *types.FrameRate {
	if !r.Known() {
		return nil
	}
	return &types.FrameRate{Numerator: aws.Int32(int32(r.Num)), Denominator: aws.Int32(int32(r.Den))}
}

var iso639 = regexp.MustCompile(`^[a-z]{3}$`)

func language(s *plan.Stream) *string {
	if !iso639.MatchString(s.Language) {
		return nil
	}
	return &s.Language
}

var yuv = regexp.MustCompile(`^yuv[aj]?(4[124][0-4])p`)

// subsampling is 4:2:0 and the like.
func subsampling(pixels string) *string {
	digits := ""
	switch m := yuv.FindStringSubmatch(pixels); {
	case m != nil:
		digits = m[1]
	case strings.HasPrefix(pixels, "nv12"), strings.HasPrefix(pixels, "p010"):
		digits = "420"
	case strings.HasPrefix(pixels, "uyvy422"), strings.HasPrefix(pixels, "yuyv422"):
		digits = "422"
	case strings.HasPrefix(pixels, "gbr"), strings.HasPrefix(pixels, "rgb"):
		digits = "444"
	default:
		return nil
	}
	text := digits[:1] + ":" + digits[1:2] + ":" + digits[2:]
	return &text
}

// level writes a level as its specification does: ISO/IEC 14496-10 annex A, ISO/IEC 23008-2 annex A.
func level(s *plan.Stream) *string {
	text := ""
	switch {
	case s.Level <= 0:
		return nil
	case s.Codec == "h264" && s.Level == 9:
		text = "1b"
	case s.Codec == "h264":
		text = fmt.Sprintf("%d.%d", s.Level/10, s.Level%10)
	case s.Codec == "hevc":
		text = fmt.Sprintf("%d.%d", s.Level/30, s.Level%30/3)
	default:
		text = strconv.Itoa(s.Level)
	}
	return &text
}
