package ffmpeg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// MaxProbeOutput is the most that ffprobe may print, in bytes; MaxStreams is the most streams that a source may have.
const (
	MaxProbeOutput = 4 << 20
	MaxStreams     = 256
)

// The part of a source that is looked at before it is known.
const (
	probeBytes        = 32 << 20
	probeMicroseconds = 15_000_000
)

// ProbeArgs is the argument list of ffprobe for a source at url, read by demuxer.
func ProbeArgs(url, demuxer string) []string {
	args := []string{"-hide_banner", "-v", "error", "-of", "json", "-show_format", "-show_streams"}
	return append(append(args, inputArgs(demuxer)...), "-i", url)
}

// inputArgs confine what is read and how.
func inputArgs(demuxer string) []string {
	return []string{
		"-probesize", strconv.Itoa(probeBytes), "-analyzeduration", strconv.Itoa(probeMicroseconds),
		"-max_streams", strconv.Itoa(MaxStreams),
		"-protocol_whitelist", "http,tcp",
		"-format_whitelist", strings.Join(demuxers, ",") + ",mov,mp4,m4a,3gp,3g2,mj2,webm",
		"-codec_whitelist", decoderList(),
		"-max_pixels", strconv.Itoa(maxPixels),
		"-f", demuxer,
	}
}

type probeOutput struct {
	Format struct {
		FormatName     string `json:"format_name"`
		FormatLongName string `json:"format_long_name"`
		Duration       string `json:"duration"`
		Size           string `json:"size"`
		StartTime      string `json:"start_time"`
		BitRate        string `json:"bit_rate"`

		Tags map[string]string `json:"tags"`
	} `json:"format"`
	Streams []probeStream `json:"streams"`
}

type probeStream struct {
	Index             int               `json:"index"`
	CodecName         string            `json:"codec_name"`
	CodecType         string            `json:"codec_type"`
	CodecTag          string            `json:"codec_tag_string"`
	Width             int               `json:"width"`
	Height            int               `json:"height"`
	SampleAspectRatio string            `json:"sample_aspect_ratio"`
	PixelFormat       string            `json:"pix_fmt"`
	FieldOrder        string            `json:"field_order"`
	RFrameRate        string            `json:"r_frame_rate"`
	AvgFrameRate      string            `json:"avg_frame_rate"`
	Duration          string            `json:"duration"`
	BitRate           string            `json:"bit_rate"`
	SampleRate        string            `json:"sample_rate"`
	Channels          int               `json:"channels"`
	ChannelLayout     string            `json:"channel_layout"`
	BitsPerRawSample  string            `json:"bits_per_raw_sample"`
	BitsPerSample     int               `json:"bits_per_sample"`
	ColorSpace        string            `json:"color_space"`
	ColorPrimaries    string            `json:"color_primaries"`
	ColorTransfer     string            `json:"color_transfer"`
	Profile           string            `json:"profile"`
	Level             int               `json:"level"`
	CodedWidth        int               `json:"coded_width"`
	CodedHeight       int               `json:"coded_height"`
	ID                string            `json:"id"`
	Tags              map[string]string `json:"tags"`
	Disposition       map[string]int    `json:"disposition"`
	SideData          []probeSideData   `json:"side_data_list"`
}

type probeSideData struct {
	Type     string  `json:"side_data_type"`
	Rotation float64 `json:"rotation"`
}

// ParseProbe reads what ffprobe prints for ProbeArgs. It believes nothing that would not fit: the file behind it may be hostile.
func ParseProbe(out []byte, demuxer string) (*plan.Probe, error) {
	var o probeOutput
	if err := json.Unmarshal(out, &o); err != nil {
		return nil, fmt.Errorf("read ffprobe's output: %w", err)
	}
	if len(o.Streams) > MaxStreams {
		return nil, fmt.Errorf("%d streams; allowed: %d", len(o.Streams), MaxStreams)
	}
	p := &plan.Probe{
		Demuxer:  demuxer,
		Format:   o.Format.FormatLongName,
		Duration: seconds(o.Format.Duration),
		Bitrate:  integer(o.Format.BitRate),
		Size:     integer(o.Format.Size),
		Start:    seconds(o.Format.StartTime),
	}
	tags := []map[string]string{o.Format.Tags}
	for i := range o.Streams {
		p.Streams = append(p.Streams, o.Streams[i].stream())
		tags = append(tags, o.Streams[i].Tags)
	}
	for _, t := range tags {
		if tc := t["timecode"]; p.Timecode == "" && timecode.MatchString(tc) {
			p.Timecode = tc
		}
	}
	return p, nil
}

// Container is the name, in the API, of the container that demuxer reads from a source that begins with head; "" where it has none.
func Container(demuxer string, head []byte) string {
	switch demuxer {
	case "mov":
		if len(head) >= 12 && string(head[4:8]) == "ftyp" && string(head[8:12]) != "qt  " {
			return "mp4"
		}
		return "quicktime" // from before there were brands (ISO/IEC 14496-12 section 4.3)
	case "matroska":
		if bytes.Contains(head[:min(len(head), maxEBMLHeader)], []byte("\x42\x82\x84webm")) { // DocType (RFC 8794 section 11.2.6)
			return "webm"
		}
		return "matroska"
	case "wav":
		return "wave"
	case "mxf", "avi", "mpegts":
		return demuxer
	}
	return ""
}

// maxEBMLHeader is how far into a file its DocType is looked for.
const maxEBMLHeader = 128

var timecode = regexp.MustCompile(`^\d\d:\d\d:\d\d[:;]\d\d$`)

// fourCC is a code of four characters. What has none is said to have numbers in brackets.
var fourCC = regexp.MustCompile(`^[A-Za-z0-9 .-]{4}$`)

var iso639 = regexp.MustCompile(`^[a-z]{3}$`)

func (s *probeStream) stream() plan.Stream {
	out := plan.Stream{
		Index: s.Index, Codec: s.CodecName, Decodable: decodable(s.CodecName), Duration: seconds(s.Duration),
		Bitrate: integer(s.BitRate), ID: s.ID, Attached: s.Disposition["attached_pic"] != 0,
	}
	if l := strings.ToLower(s.Tags["language"]); iso639.MatchString(l) {
		out.Language = l
	}
	switch s.CodecType {
	case "video":
		out.Kind = media.Video
		if fourCC.MatchString(s.CodecTag) {
			out.FourCC = s.CodecTag
		}
		out.Width, out.Height = s.Width, s.Height
		out.SampleAspectRatio = rational(s.SampleAspectRatio, ":")
		out.FrameRate = frameRate(rational(s.RFrameRate, "/"), rational(s.AvgFrameRate, "/"))
		out.FieldOrder = s.FieldOrder
		switch s.FieldOrder {
		case "tt", "bb", "tb", "bt":
			out.Interlaced = true
		}
		out.PixelFormat, out.ColorSpace, out.ColorPrimaries, out.ColorTransfer = s.PixelFormat, s.ColorSpace, s.ColorPrimaries, s.ColorTransfer
		out.BitDepth = pictureDepth(s.PixelFormat, int(integer(s.BitsPerRawSample)))
		out.Profile, out.Level, out.CodedWidth, out.CodedHeight = s.Profile, s.Level, s.CodedWidth, s.CodedHeight
		for _, d := range s.SideData {
			if d.Type == "Display Matrix" {
				out.Rotation = clockwise(d.Rotation)
			}
		}
	case "audio":
		out.Kind = media.Audio
		out.SampleRate, out.Channels, out.ChannelLayout = int(integer(s.SampleRate)), s.Channels, s.ChannelLayout
		out.BitDepth = max(s.BitsPerSample, int(integer(s.BitsPerRawSample)))
	}
	return out
}

var depthInName = regexp.MustCompile(`p(9|10|12|14|16)(le|be)$`)

// pictureDepth is the bits of a component: as the codec says, or as the name of the pixel format does.
func pictureDepth(format string, coded int) int {
	if m := depthInName.FindStringSubmatch(format); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	if coded == 0 && strings.HasPrefix(format, "yuv") {
		return 8
	}
	return coded
}

// clockwise turns ffprobe's counter-clockwise angle into the quarter turns that set the picture upright.
func clockwise(angle float64) int {
	if math.IsNaN(angle) || math.IsInf(angle, 0) {
		return 0
	}
	quarter := int(math.Round(-angle/90)) % 4
	return (quarter + 4) % 4 * 90
}

// maxFrameRate is the highest frame rate that is believed; some containers give the resolution of their clock.
const maxFrameRate = 240

// frameRate prefers the base rate where the average is close to it: the average of a file that lacks a last frame's duration is a hair off.
func frameRate(base, average media.Rational) media.Rational {
	sane := func(r media.Rational) bool { return r.Known() && r.Float() <= maxFrameRate && r.Float() >= 0.01 }
	switch {
	case sane(base) && (!sane(average) || math.Abs(base.Float()-average.Float()) < base.Float()*0.005):
		return base
	case sane(average):
		return average
	}
	return media.Rational{}
}

func rational(s, separator string) media.Rational {
	a, b, ok := strings.Cut(s, separator)
	if !ok {
		return media.Rational{}
	}
	r := media.Rational{Num: integer(a), Den: integer(b)}
	if !r.Known() || r.Num > math.MaxInt32 || r.Den > math.MaxInt32 {
		return media.Rational{}
	}
	return r
}

// maxSeconds is the longest duration that is believed: a hundred days.
const maxSeconds = 100 * 24 * 3600

func seconds(s string) time.Duration {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f <= 0 || f > maxSeconds {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

func integer(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
