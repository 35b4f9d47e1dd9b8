package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/media"
	"darkroom/internal/mediaconvert"
)

// checker judges the rules that cross members: first what is invalid, then what this installation does not offer.
type checker struct {
	settings   *types.JobSettings
	caps       Capabilities
	invalid    []Refusal
	notOffered []Refusal
}

func (c *checker) bad(path, format string, args ...any) {
	// The rules of the service and what the plan needs overlap: what is said once is not said again.
	if r := (Refusal{path, fmt.Sprintf(format, args...)}); !slices.Contains(c.invalid, r) {
		c.invalid = append(c.invalid, r)
	}
}

func (c *checker) lack(path, format string, args ...any) {
	c.notOffered = append(c.notOffered, Refusal{path, fmt.Sprintf(format, args...)})
}

func (c *checker) missing(path, member string) { c.bad(path, "%s is a required property", member) }

func (c *checker) job() {
	s := c.settings
	if len(s.Inputs) == 0 {
		c.missing("", "inputs")
	}
	for i := range s.Inputs {
		c.input(i)
	}
	if len(s.Inputs) > 1 {
		c.lack("/inputs/1", "more than one input is not carried out")
	}
	if len(s.OutputGroups) == 0 {
		c.missing("", "outputGroups")
	}
	for i := range s.OutputGroups {
		c.group(fmt.Sprintf("/outputGroups/%d", i), &s.OutputGroups[i])
	}
	c.timeline()
	if len(c.invalid) == 0 && len(c.notOffered) == 0 {
		c.collisions()
	}
}

func (c *checker) input(i int) {
	in := &c.settings.Inputs[i]
	path := fmt.Sprintf("/inputs/%d", i)
	switch uri := aws.ToString(in.FileInput); {
	case in.FileInput == nil && in.VideoGenerator == nil:
		c.missing(path, "fileInput")
	case in.FileInput == nil:
	default:
		if _, err := ParseInput(uri); err != nil {
			c.bad(path+"/fileInput", "%v; allowed: s3://BUCKET/KEY, http://HOST/PATH, https://HOST/PATH", err)
		}
	}
	c.decryption(path+"/decryptionSettings", in)
	c.captionSelectors(path, in)
	for name, sel := range in.AudioSelectors {
		p := path + "/audioSelectors/" + mediaconvert.Token(name)
		byLanguage := sel.SelectorType == types.AudioSelectorTypeLanguageCode
		if byLanguage && sel.LanguageCode == "" && aws.ToString(sel.CustomLanguageCode) == "" {
			c.missing(p, "languageCode")
		}
		if h := sel.HlsRenditionGroupSettings; h != nil {
			switch sel.SelectorType {
			case "", types.AudioSelectorTypeHlsRenditionGroup:
			default:
				c.bad(p+"/hlsRenditionGroupSettings", "goes with selectorType HLS_RENDITION_GROUP alone")
			}
		}
		if file, err := ParseInput(aws.ToString(in.FileInput)); err == nil && file.URL == "" && selectsRendition(&sel) != nil {
			if _, hls := file.Package(); !hls { // what a server answers under any name is seen when it is read
				c.bad(p+"/hlsRenditionGroupSettings", "goes with an HLS input alone, whose name ends in %s", playlistExtension)
			}
		}
		for j, n := range sel.Tracks {
			if n < 1 {
				c.bad(fmt.Sprintf("%s/tracks/%d", p, j), "Should be greater than or equal to 1")
			}
		}
	}
}

func (c *checker) group(path string, g *types.OutputGroup) {
	s := g.OutputGroupSettings
	if s == nil {
		c.missing(path, "outputGroupSettings")
		return
	}
	p := path + "/outputGroupSettings"
	kind := kindOf(s)
	switch {
	case s.Type == "":
		c.missing(p, "type")
		return
	case s.Type == types.OutputGroupTypeFileGroupSettings:
		if s.FileGroupSettings == nil {
			c.missing(p, "fileGroupSettings")
			return
		}
	case newPackaging(s) == nil:
		if kind != 0 {
			c.missing(p, memberOf(kind))
		}
		return // a type that is not known is refused as not offered by the table
	}
	member := p + "/fileGroupSettings"
	if kind != 0 {
		member = p + "/" + memberOf(kind)
	}
	switch dest := groupDestination(g); {
	case dest != "":
		if _, err := resolveDestination(dest, Input{}, variables{start: time.Unix(0, 0), inputStem: "k"}); err != nil {
			c.bad(member+"/destination", "%v", err)
		}
	case len(c.settings.Inputs) > 0 && strings.HasPrefix(aws.ToString(c.settings.Inputs[0].FileInput), "http"):
		c.missing(member, "destination") // there is no object that the outputs could be written beside
	}
	c.storage(member, s3Settings(g))
	if len(g.Outputs) == 0 {
		c.bad(path+"/outputs", "Should have at least 1 items")
	}
	for i := range g.Outputs {
		c.output(fmt.Sprintf("%s/outputs/%d", path, i), s, &g.Outputs[i], len(g.Outputs))
	}
	if kind != 0 {
		c.streaming(path, member, newPackaging(s), g)
		c.encryption(member, kind, s, g.Outputs)
	}
}

// containers are those that the outputs of each kind of group are in.
var containers = map[GroupKind]types.ContainerType{
	AppleHLS: types.ContainerTypeM3u8, CMAF: types.ContainerTypeCmfc, DASH: types.ContainerTypeMpd, Smooth: types.ContainerTypeIsmv,
}

func (c *checker) output(path string, g *types.OutputGroupSettings, o *types.Output, siblings int) {
	kind := kindOf(g)
	if o.ContainerSettings == nil {
		c.missing(path, "containerSettings")
		return
	}
	if err := c.nameModifier(o, kind); err != nil {
		c.bad(path+"/nameModifier", "%v", err)
	}
	if ext := aws.ToString(o.Extension); strings.ContainsFunc(ext, func(r rune) bool { return r < 0x20 || r == '/' || r == 0x7f }) {
		c.bad(path+"/extension", "%q holds a slash or a control character", ext)
	} else if ext != "" && kind != 0 && kind != AppleHLS {
		c.lack(path+"/extension", "the extensions of segments are those of the group")
	}
	container := o.ContainerSettings.Container
	cp := path + "/containerSettings"
	codec := videoCodec(o)
	switch own := containers[kind]; {
	case container == "":
		c.missing(cp, "container")
	case kind != 0 && container != own:
		c.bad(cp+"/container", "%s does not go with a group of kind %s; allowed: %s", container, kind, own)
	case kind == 0 && (container == types.ContainerTypeM3u8 || container == types.ContainerTypeCmfc || container == types.ContainerTypeMpd || container == types.ContainerTypeIsmv):
		c.bad(cp+"/container", "%s goes with a group of segments alone", container)
	case container == types.ContainerTypeRaw && codec != types.VideoCodecFrameCapture && !isCaptions(o):
		c.lack(cp+"/container", "RAW is carried out for FRAME_CAPTURE and captions alone")
	case container != types.ContainerTypeRaw && codec == types.VideoCodecFrameCapture:
		c.bad(cp+"/container", "%s does not hold FRAME_CAPTURE; allowed: RAW", container)
	}
	if codec == types.VideoCodecFrameCapture && len(o.AudioDescriptions) > 0 {
		c.bad(path+"/audioDescriptions", "an output of captured frames has no sound")
	}
	if o.VideoDescription == nil && len(o.AudioDescriptions) == 0 && len(o.CaptionDescriptions) == 0 {
		c.bad(path, "Should match any schema: videoDescription is a required property | %s: audioDescriptions is a required property", path)
	}
	if kind == AppleHLS {
		if siblings > 1 && aws.ToString(o.NameModifier) == "" {
			c.missing(path, "nameModifier")
		}
		c.hlsOutput(path, o)
		c.pids(path, o)
	}
	if o.VideoDescription != nil {
		c.video(path+"/videoDescription", o.VideoDescription, kind != 0)
	}
	for i := range o.AudioDescriptions {
		c.audio(fmt.Sprintf("%s/audioDescriptions/%d", path, i), &o.AudioDescriptions[i])
	}
	c.captions(path, kind, o)
}

func (c *checker) nameModifier(o *types.Output, kind GroupKind) error {
	m := aws.ToString(o.NameModifier)
	for _, r := range m {
		if r < 0x20 || r == 0x7f {
			return fmt.Errorf("%q holds a control character", m)
		}
	}
	allowed := modifierNames
	if kind == DASH {
		allowed = dashModifierNames
	}
	_, err := variables{}.expand(m, allowed)
	return err
}

func (c *checker) hlsOutput(path string, o *types.Output) {
	if o.OutputSettings == nil || o.OutputSettings.HlsSettings == nil {
		return
	}
	h := o.OutputSettings.HlsSettings
	p := path + "/outputSettings/hlsSettings"
	if _, err := (variables{}).expand(aws.ToString(h.SegmentModifier), modifierNames); err != nil {
		c.bad(p+"/segmentModifier", "%v", err)
	}
	if strings.ContainsFunc(aws.ToString(h.SegmentModifier), func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		c.bad(p+"/segmentModifier", "%q holds a control character", *h.SegmentModifier)
	}
	if strings.ContainsAny(aws.ToString(h.AudioGroupId), "\"\r\n,") {
		c.bad(p+"/audioGroupId", "%q holds a quotation mark, a comma or a line break", *h.AudioGroupId)
	}
}

// pids refuses packets of one output that would share an identifier, those included that the job leaves to us. The clock (PCR) may be in a stream's packets.
func (c *checker) pids(path string, o *types.Output) {
	m := o.ContainerSettings.M3u8Settings
	if m == nil {
		return
	}
	path += "/containerSettings/m3u8Settings"
	if m.ProgramNumber != nil && *m.ProgramNumber == 0 {
		c.bad(path+"/programNumber", "0 is the number of the network information table (ISO/IEC 13818-1 2.4.4.5); allowed: 1 to 65535")
	}
	type packets struct {
		name     string
		pid      int
		explicit bool
		shared   bool // with a stream
	}
	ts := transportStream(m, o.VideoDescription != nil, len(o.AudioDescriptions))
	all := []packets{{name: "pmtPid", pid: ts.PMTPID, explicit: m.PmtPid != nil}}
	if o.VideoDescription != nil {
		all = append(all, packets{name: "videoPid", pid: ts.VideoPID, explicit: m.VideoPid != nil})
	}
	for i, pid := range ts.AudioPIDs {
		all = append(all, packets{name: fmt.Sprintf("audioPids/%d", i), pid: pid, explicit: i < len(m.AudioPids)})
	}
	if opts := newOutputOptions(AppleHLS, o); opts.metadata {
		all = append(all, packets{name: "timedMetadataPid", pid: opts.metadataPID, explicit: m.TimedMetadataPid != nil})
	}
	if m.PcrPid != nil {
		all = append(all, packets{name: "pcrPid", pid: ts.PCRPID, explicit: true, shared: true})
	}
	for i, p := range all {
		for _, q := range all[:i] {
			if p.pid != q.pid || p.shared && (q.name == "videoPid" || strings.HasPrefix(q.name, "audioPids")) {
				continue
			}
			own, other := p, q
			if !own.explicit {
				own, other = q, p
			}
			c.bad(path+"/"+own.name, "PID %d is also that of %s", own.pid, other.name)
			break
		}
	}
}

func videoCodec(o *types.Output) types.VideoCodec {
	if o.VideoDescription == nil || o.VideoDescription.CodecSettings == nil {
		return ""
	}
	return o.VideoDescription.CodecSettings.Codec
}

func (c *checker) video(path string, v *types.VideoDescription, hls bool) {
	for name, n := range map[string]*int32{"width": v.Width, "height": v.Height} {
		if n != nil && *n%2 != 0 {
			c.bad(path+"/"+name, "Should be a multiple of 2")
		}
	}
	cs := v.CodecSettings
	if cs == nil {
		c.missing(path, "codecSettings")
		return
	}
	if d := v.VideoPreprocessors; d != nil && d.Deinterlacer != nil && !c.caps.Deinterlace {
		c.lack(path+"/videoPreprocessors/deinterlacer", "the encoder lacks a deinterlacing filter")
	}
	p := path + "/codecSettings"
	switch cs.Codec {
	case "":
		c.missing(p, "codec")
	case types.VideoCodecH264:
		if !c.caps.encodes(media.AVC) {
			c.lack(p+"/codec", "the encoder lacks H.264")
		}
		if cs.FrameCaptureSettings != nil {
			c.bad(p+"/frameCaptureSettings", "does not go with codec H_264")
		}
		h := cs.H264Settings
		if h == nil {
			h = &types.H264Settings{}
		}
		c.h264(p+"/h264Settings", h, hls)
	case types.VideoCodecH265:
		if !c.caps.encodes(media.HEVC) {
			c.lack(p+"/codec", "the encoder lacks H.265")
		}
		h := cs.H265Settings
		if h == nil {
			h = &types.H265Settings{}
		}
		c.h265(p+"/h265Settings", h, hls)
	case types.VideoCodecAv1:
		if !c.caps.encodes(media.AV1) {
			c.lack(p+"/codec", "the encoder lacks AV1")
		}
		if s := cs.Av1Settings; s != nil {
			if s.FramerateControl == types.Av1FramerateControlSpecified {
				c.both(p+"/av1Settings", "framerateControl is SPECIFIED", "framerateNumerator", s.FramerateNumerator, "framerateDenominator", s.FramerateDenominator)
			}
			if s.GopSize != nil && *s.GopSize != float64(int64(*s.GopSize)) {
				c.bad(p+"/av1Settings/gopSize", "%v is not a whole number of frames", *s.GopSize)
			}
			if s.Slices != nil && !slices.Contains([]int32{1, 2, 4, 8, 16, 32}, *s.Slices) {
				c.bad(p+"/av1Settings/slices", "%d is not allowed; allowed: 1, 2, 4, 8, 16, 32", *s.Slices)
			}
		}
	case types.VideoCodecFrameCapture:
		if !c.caps.StillPictures {
			c.lack(p+"/codec", "the encoder lacks JPEG")
		}
		if cs.H264Settings != nil {
			c.bad(p+"/h264Settings", "does not go with codec FRAME_CAPTURE")
		}
	}
}

// rateControl judges the members of rate control that H.264 and H.265 share.
func (c *checker) rateControl(path, mode string, bitrate, most *int32) {
	const incompatible = "You set Rate control mode to %s but the settings values for Bitrate and Max bitrate aren't compatible with %[1]s. When you use %[1]s, you must specify a value for Bitrate%s. Adjust your job settings and then resubmit your job."
	switch mode {
	case "CBR":
		if bitrate == nil || most != nil {
			c.bad(path, incompatible, mode, " and you must not specify a value for Max bitrate")
		}
	case "VBR":
		if bitrate == nil {
			c.bad(path, incompatible, mode, "")
		} else if most != nil && *most < *bitrate {
			c.bad(path+"/maxBitrate", "Should be greater than or equal to %d, the bitrate", *bitrate)
		}
	case "QVBR":
		// maxBitrate is required by a rule of the service, but for automated ABR.
	default:
		c.missing(path, "rateControlMode")
	}
}

// groupOfPictures judges the members of key frames that H.264 and H.265 share.
func (c *checker) groupOfPictures(path string, cadence *int32, size *float64, units string, segmented bool) {
	if segmented && cadence != nil && *cadence == 0 {
		c.bad(path+"/gopClosedCadence", "Should be greater than or equal to 1 in a segmented output")
	}
	if size != nil && *size <= 0 && units != "AUTO" {
		c.bad(path+"/gopSize", "Should be greater than 0")
	}
	if units == "FRAMES" && size != nil && *size != float64(int64(*size)) {
		c.bad(path+"/gopSize", "%v is not a whole number of frames", *size)
	}
}

func (c *checker) h265(path string, h *types.H265Settings, segmented bool) {
	c.rateControl(path, string(hevcRateControl(h)), h.Bitrate, h.MaxBitrate)
	if h.QvbrSettings != nil && hevcRateControl(h) != types.H265RateControlModeQvbr {
		c.bad(path+"/qvbrSettings", "goes with rateControlMode QVBR alone")
	}
	if h.FramerateControl == types.H265FramerateControlSpecified {
		c.both(path, "framerateControl is SPECIFIED", "framerateNumerator", h.FramerateNumerator, "framerateDenominator", h.FramerateDenominator)
	}
	if h.ParControl == types.H265ParControlSpecified {
		c.both(path, "parControl is SPECIFIED", "parNumerator", h.ParNumerator, "parDenominator", h.ParDenominator)
	}
	c.groupOfPictures(path, h.GopClosedCadence, h.GopSize, string(h.GopSizeUnits), segmented)
	if h.FlickerAdaptiveQuantization == types.H265FlickerAdaptiveQuantizationEnabled && h.AdaptiveQuantization == types.H265AdaptiveQuantizationOff {
		c.bad(path+"/flickerAdaptiveQuantization", "ENABLED needs adaptiveQuantization other than OFF")
	}
	if tier := string(h.CodecProfile); strings.HasSuffix(tier, "_HIGH") && h.CodecLevel != "" && h.CodecLevel < types.H265CodecLevelLevel4 && h.CodecLevel != types.H265CodecLevelAuto {
		c.bad(path+"/codecProfile", "the high tier begins at level 4 (ITU-T H.265 table A.8); codecLevel is %s", h.CodecLevel)
	}
}

func (c *checker) h264(path string, h *types.H264Settings, hls bool) {
	c.rateControl(path, string(rateControlMode(h)), h.Bitrate, h.MaxBitrate)
	if h.QvbrSettings != nil && rateControlMode(h) != types.H264RateControlModeQvbr {
		c.bad(path+"/qvbrSettings", "goes with rateControlMode QVBR alone")
	}
	if h.FramerateControl == types.H264FramerateControlSpecified {
		c.both(path, "framerateControl is SPECIFIED", "framerateNumerator", h.FramerateNumerator, "framerateDenominator", h.FramerateDenominator)
	}
	if h.ParControl == types.H264ParControlSpecified {
		c.both(path, "parControl is SPECIFIED", "parNumerator", h.ParNumerator, "parDenominator", h.ParDenominator)
	}
	if h.CodecProfile == types.H264CodecProfileBaseline && h.EntropyEncoding == types.H264EntropyEncodingCabac {
		c.bad(path+"/entropyEncoding", "CABAC needs codecProfile MAIN or HIGH; allowed with BASELINE: CAVLC")
	}
	c.groupOfPictures(path, h.GopClosedCadence, h.GopSize, string(h.GopSizeUnits), hls)
}

func (c *checker) both(path, why, nameA string, a *int32, nameB string, b *int32) {
	if a == nil {
		c.bad(path, "%s is a required property when %s", nameA, why)
	}
	if b == nil {
		c.bad(path, "%s is a required property when %s", nameB, why)
	}
}

// aacSampleRates are those of ISO/IEC 14496-3 table 1.18.
var aacSampleRates = []int32{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}

func (c *checker) audio(path string, a *types.AudioDescription) {
	if name := aws.ToString(a.AudioSourceName); name != "" && len(c.settings.Inputs) > 0 {
		if _, ok := c.settings.Inputs[0].AudioSelectors[name]; !ok && len(c.settings.Inputs[0].AudioSelectors) > 0 {
			c.lack(path+"/audioSourceName", "%q names no audio selector of the input; to fall back to another is not carried out", name)
		}
	}
	if a.CodecSettings == nil {
		c.missing(path, "codecSettings")
		return
	}
	p := path + "/codecSettings"
	switch a.CodecSettings.Codec {
	case "":
		c.missing(p, "codec")
	case types.AudioCodecAac:
		if !c.caps.encodes(media.AAC) {
			c.lack(p+"/codec", "the encoder lacks AAC")
		}
		s := a.CodecSettings.AacSettings
		if s == nil {
			c.missing(p, "aacSettings")
			return
		}
		p += "/aacSettings"
		if s.CodingMode == "" {
			c.missing(p, "codingMode")
		}
		switch {
		case s.SampleRate == nil:
			c.missing(p, "sampleRate")
		case !slices.Contains(aacSampleRates, *s.SampleRate):
			c.bad(p+"/sampleRate", "%d is not a sample rate of AAC; allowed: %s", *s.SampleRate, strings.Trim(fmt.Sprint(aacSampleRates), "[]"))
		}
		if s.RateControlMode == types.AacRateControlModeVbr && s.VbrQuality == "" {
			c.missing(p, "vbrQuality")
		}
	case types.AudioCodecAc3:
		if !c.caps.encodes(media.AC3) {
			c.lack(p+"/codec", "the encoder lacks AC-3")
		}
		if s := a.CodecSettings.Ac3Settings; s != nil {
			c.service(p+"/ac3Settings", string(s.BitstreamMode), string(s.CodingMode))
		}
	case types.AudioCodecEac3:
		if !c.caps.encodes(media.EAC3) {
			c.lack(p+"/codec", "the encoder lacks E-AC-3")
		}
		if s := a.CodecSettings.Eac3Settings; s != nil {
			c.service(p+"/eac3Settings", string(s.BitstreamMode), string(s.CodingMode))
			levels := []float64{3, 1.5, 0, -1.5, -3, -4.5, -6, -60}
			for _, m := range []struct {
				member  string
				value   *float64
				allowed []float64
			}{
				{"loRoCenterMixLevel", s.LoRoCenterMixLevel, levels},
				{"loRoSurroundMixLevel", s.LoRoSurroundMixLevel, levels[3:]},
				{"ltRtCenterMixLevel", s.LtRtCenterMixLevel, levels},
				{"ltRtSurroundMixLevel", s.LtRtSurroundMixLevel, levels[3:]},
			} {
				if m.value != nil && !slices.Contains(m.allowed, *m.value) {
					c.bad(p+"/eac3Settings/"+m.member, "%v is not allowed; allowed: %s", *m.value, strings.Trim(fmt.Sprint(m.allowed), "[]"))
				}
			}
		}
	}
}

// service judges the bit stream mode of AC-3 and E-AC-3. (ETSI TS 102 366 table 4.2.)
func (c *checker) service(path, service, mode string) {
	if mode == "CODING_MODE_1_0" {
		return
	}
	switch service {
	case "VOICE_OVER":
		c.bad(path+"/bitstreamMode", "VOICE_OVER is mono: codingMode must be CODING_MODE_1_0")
	case "COMMENTARY", "EMERGENCY":
		c.lack(path+"/bitstreamMode", "the encoder writes %s in mono alone: codingMode must be CODING_MODE_1_0", service)
	}
}

// collisions plans the job for a plain source and refuses outputs that would be written over each other.
func (c *checker) collisions() {
	p, err := newBuilder(c.settings, &plainSource, Options{Start: time.Unix(0, 0)}).build()
	if err != nil {
		return // what depends on the source fails, if at all, when the source is known
	}
	for _, d := range p.duplicates() {
		c.bad(d.path, "%s is also written by %s; give each output its own nameModifier", d.uri, d.other)
	}
}

// plainSource stands for a source before it is probed.
var plainSource = Probe{Demuxer: "mov", Duration: time.Minute, Streams: []Stream{
	{Index: 0, Kind: media.Video, Codec: "h264", Decodable: true, Width: 1920, Height: 1080, FrameRate: media.Rational{Num: 25, Den: 1}},
	{Index: 1, Kind: media.Audio, Codec: "aac", Decodable: true, SampleRate: 48000, Channels: 2},
}}
