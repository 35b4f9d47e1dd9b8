package rules

import (
	"math"
	"strings"
)

// videoBlocks are the video codecs that have settings, with their structure.
var videoBlocks = map[string]string{
	"AV1": "av1Settings", "AVC_INTRA": "avcIntraSettings", "FRAME_CAPTURE": "frameCaptureSettings", "GIF": "gifSettings", "H_264": "h264Settings",
	"H_265": "h265Settings", "MPEG2": "mpeg2Settings", "PRORES": "proresSettings", "UNCOMPRESSED": "uncompressedSettings", "VC3": "vc3Settings",
	"VP8": "vp8Settings", "VP9": "vp9Settings", "XAVC": "xavcSettings",
}

// codecBlock is the structure of the video codec that is chosen.
func codecBlock(v *node) *node {
	c := v.sub("codecSettings")
	return c.sub(videoBlocks[c.str("codec")])
}

// largest are the largest pictures of codecs, landscape; upright says that the same is allowed upright.
var largest = map[string]struct {
	width, height float64
	upright       bool
}{
	"AV1": {4096, 2160, false}, "AVC_INTRA": {1920, 1080, true}, "VC3": {1920, 1080, true}, "H_264": {4096, 2160, true}, "VP8": {4096, 2160, true},
	"VP9": {4096, 2160, true}, "H_265": {8192, 4320, true}, "MPEG2": {1920, 1152, false}, "PRORES": {4096, 4096, false}, "XAVC": {4096, 2160, false},
}

// blocks judges that the structure that is given is that of the codec. Codecs whose settings all have defaults may leave it out.
func blocks(r *report, c *node, all map[string]string, needed ...string) {
	codec := c.str("codec")
	for name, block := range all {
		if name != codec && codec != "" && c.has(block) && all[codec] != block {
			r.depends(c, block, "codec", name)
		}
	}
	for _, name := range needed {
		if codec == name && !c.has(all[name]) {
			r.say(c.path(), "When codec is set to %s, %s must also be provided.", name, all[name])
		}
	}
}

var videoRules = []outputRule{
	{"codec-video-codecsettings-missing", func(r *report, o output) {
		v := o.sub("videoDescription")
		if v.there() && !o.fromPreset {
			r.missing(v, "codecSettings")
			if c := v.sub("codecSettings"); c.there() {
				r.missing(c, "codec")
			}
		}
	}},
	{"codec-block-video", func(r *report, o output) {
		if o.fromPreset {
			return
		}
		blocks(r, o.sub("videoDescription", "codecSettings"), videoBlocks, "AV1", "XAVC")
	}},
	{"rc-bitrate", func(r *report, o output) {
		v := o.sub("videoDescription")
		if o.fromPreset || !v.sub("codecSettings").is("codec", "H_264", "H_265", "MPEG2") {
			return
		}
		c := codecBlock(v)
		mode := c.str("rateControlMode")
		switch {
		case mode == "CBR" && (!c.has("bitrate") || c.has("maxBitrate")), mode == "VBR" && !c.has("bitrate"):
			text := "You set Rate control mode to CBR but the settings values for Bitrate and Max bitrate aren't compatible with CBR. When you use CBR, you must specify a value for Bitrate and you must not specify a value for Max bitrate. Adjust your job settings and then resubmit your job."
			if mode == "VBR" {
				text = "You set Rate control mode to VBR but did not specify a value for Bitrate. When you use VBR, you must specify a value for Bitrate. Adjust your job settings and then resubmit your job."
			}
			r.say(c.path(), "%s", text)
		}
	}},
	{"rc-qvbr-no-maxbitrate", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		if c.is("rateControlMode", "QVBR") && !o.fromPreset && !o.group.sub("automatedEncodingSettings").there() {
			r.missing(c, "maxBitrate")
		}
	}},
	{"rc-qvbrsettings", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		if q := c.sub("qvbrSettings"); q.there() && c.has("rateControlMode") {
			if !c.is("rateControlMode", "QVBR") {
				r.depends(c, "qvbrSettings", "rateControlMode", "QVBR")
			}
			if q.has("maxAverageBitrate") && !c.is("qualityTuningLevel", "MULTI_PASS_HQ") {
				r.say(q.path()+"/maxAverageBitrate", "needs qualityTuningLevel MULTI_PASS_HQ")
			}
		}
	}},
	{"rc-bitrate-over-max", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		if c.has("bitrate") && c.has("maxBitrate") && c.num("bitrate") > c.num("maxBitrate") {
			r.say(c.path()+"/bitrate", "Should be less than or equal to maxBitrate (%.0f)", c.num("maxBitrate"))
		}
	}},
	{"fs-interlace-optimize", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		if !c.is("scanTypeConversionMode", "INTERLACED_OPTIMIZE") {
			return
		}
		if c.is("interlaceMode", "PROGRESSIVE", "") {
			r.say(c.path(), "For at least one of your outputs, you kept the default value for interlaceMode, PROGRESSIVE, and you set scanTypeConversionMode to INTERLACED_OPTIMIZE. But scanTypeConversionMode doesn't apply to progressive outputs. Either remove scanTypeConversionMode, or choose an interlaced value for interlaceMode.")
		}
		if c.is("telecine", "HARD") {
			r.say(c.path()+"/scanTypeConversionMode", "INTERLACED_OPTIMIZE does not go with telecine HARD")
		}
	}},
	{"fs-slowpal", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		if c.is("slowPal", "ENABLED") && (!c.is("framerateControl", "SPECIFIED") || c.num("framerateNumerator") != 25) {
			r.say(c.path(), "Should match exactly one schema defined in \"oneOf\"")
			r.say(c.path()+"/slowPal", "Must be DISABLED")
			r.say(c.path()+"/framerateNumerator", "Must be 25")
		}
	}},
	{"fs-specified", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		if o.fromPreset {
			return
		}
		if c.is("framerateControl", "SPECIFIED") {
			r.missing(c, "framerateNumerator", "framerateDenominator")
		}
		if c.is("parControl", "SPECIFIED") {
			r.missing(c, "parNumerator", "parDenominator")
		}
	}},
	{"fs-telecine-progressive", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		if c.is("telecine", "HARD", "SOFT") && c.is("interlaceMode", "PROGRESSIVE", "") {
			r.say(c.path()+"/telecine", "%s does not go with interlaceMode PROGRESSIVE", c.str("telecine"))
		}
	}},
	{"fs-cabac-baseline", func(r *report, o output) {
		if c := codecBlock(o.sub("videoDescription")); c.is("entropyEncoding", "CABAC") && c.is("codecProfile", "BASELINE") {
			r.say(c.path()+"/entropyEncoding", "CABAC does not go with codecProfile BASELINE; allowed: CAVLC")
		}
	}},
	{"fs-gopsize-zero", func(r *report, o output) {
		v := o.sub("videoDescription")
		if c := codecBlock(v); v.sub("codecSettings").is("codec", "AV1", "VP8", "VP9") && c.has("gopSize") && c.num("gopSize") <= 0 {
			r.say(c.path()+"/gopSize", "Should be greater than 0")
		}
	}},
	{"fs-h265-tiles", func(r *report, o output) {
		c := o.sub("videoDescription", "codecSettings", "h265Settings")
		if c.has("tileHeight") && !c.has("tileWidth") {
			r.missing(c, "tileWidth")
		}
		if !c.has("tileWidth") {
			return
		}
		for member, want := range map[string]string{
			"tilePadding": "PADDED", "treeBlockSize": "TREE_SIZE_32X32", "mvOverPictureBoundaries": "DISABLED", "mvTemporalPredictor": "DISABLED",
		} {
			if !c.is(member, want) {
				r.say(c.path()+"/"+member, "Must be %s where tiles are used", want)
			}
		}
	}},
	{"res-even", func(r *report, o output) {
		v := o.sub("videoDescription")
		for _, m := range []string{"width", "height"} {
			if math.Mod(v.num(m), 2) != 0 {
				r.say(v.path()+"/"+m, "Should be a multiple of 2")
			}
		}
	}},
	{"res-largest", func(r *report, o output) {
		v := o.sub("videoDescription")
		l, ok := largest[v.sub("codecSettings").str("codec")]
		w, h := v.num("width"), v.num("height")
		if !ok || w <= l.width && h <= l.height || l.upright && w <= l.height && h <= l.width {
			return
		}
		if w > l.width && (!l.upright || h <= l.height || w > h) {
			r.say(v.path()+"/width", "Should be less than or equal to %.0f", l.width)
		}
		if h > l.height && (!l.upright || w >= h || w > l.height) || l.upright && h > l.width {
			r.say(v.path()+"/height", "Should be less than or equal to %.0f", l.height)
		}
	}},
	{"pp-noise", func(r *report, o output) {
		n := o.sub("videoDescription", "videoPreprocessors", "noiseReducer")
		if !n.there() {
			return
		}
		r.missing(n, "filter")
		if n.has("spatialFilterSettings") && !n.is("filter", "SPATIAL") {
			r.depends(n, "spatialFilterSettings", "filter", "SPATIAL")
		}
		if n.has("temporalFilterSettings") && !n.is("filter", "TEMPORAL") {
			r.depends(n, "temporalFilterSettings", "filter", "TEMPORAL")
		}
	}},
	{"pp-color", func(r *report, o output) {
		c := o.sub("videoDescription", "videoPreprocessors", "colorCorrector")
		limits := c.sub("clipLimits")
		if !limits.empty() && !c.is("sampleRangeConversion", "LIMITED_RANGE_CLIP") {
			r.say(c.path(), "You specified a value for Minimum YUV, Maximum YUV, Minimum RGB tolerance, or Maximum RGB tolerance, but did not set Sample range conversion to Limited range clip, which is required. To resolve: Set Sample range conversion to Limited range clip, or remove the values.")
		}
		if !c.is("colorSpaceConversion", "FORCE_HDR10") {
			return
		}
		if m := c.sub("hdr10Metadata"); m.there() {
			r.missing(m, "maxContentLightLevel", "maxFrameAverageLightLevel")
		} else {
			r.say(c.path()+"/colorSpaceConversion", "Should match all dependencies: See other errors for more details")
			r.missing(c, "hdr10Metadata")
		}
	}},
	{"pp-dolbyvision", func(r *report, o output) {
		p := o.sub("videoDescription", "videoPreprocessors")
		d := p.sub("dolbyVision")
		if !d.there() {
			return
		}
		r.missing(d, "profile")
		if d.is("profile", "PROFILE_8_1") {
			r.missing(d, "mapping")
		}
		if c := o.sub("videoDescription", "codecSettings"); c.has("codec") && !c.is("codec", "H_265") {
			r.say(c.path()+"/codec", "Must be H_265 for Dolby Vision")
		}
	}},
	{"pp-hdr10plus", func(r *report, o output) {
		p, c := o.sub("videoDescription", "videoPreprocessors"), o.sub("videoDescription", "codecSettings")
		if !p.has("hdr10Plus") {
			return
		}
		switch b := c.sub("h265Settings"); {
		case c.has("codec") && !c.is("codec", "H_265"):
			r.say(c.path()+"/codec", "Must be H_265 for HDR10+")
		case !strings.HasPrefix(b.str("codecProfile"), "MAIN10"):
			r.say(b.path()+"/codecProfile", "Must be MAIN10_MAIN or MAIN10_HIGH for HDR10+")
		case !b.is("qualityTuningLevel", "MULTI_PASS_HQ"):
			r.say(b.path()+"/qualityTuningLevel", "Must be MULTI_PASS_HQ for HDR10+")
		}
		if p.has("dolbyVision") {
			r.say(p.path()+"/hdr10Plus", "HDR10+ and Dolby Vision exclude each other")
		}
	}},
	{"pp-partner", func(r *report, o output) {
		if n := o.sub("videoDescription", "videoPreprocessors", "partnerWatermarking", "nexguardFileMarkerSettings"); n.there() {
			r.missing(n, "license", "payload", "preset")
		}
	}},
	{"pp-image-no-y", func(r *report, o output) { images(r, o.sub("videoDescription", "videoPreprocessors", "imageInserter")) }},
	{"pp-rectangles", func(r *report, o output) {
		v := o.sub("videoDescription")
		for _, n := range []*node{v.sub("crop"), v.sub("position")} {
			if n.there() {
				r.missing(n, "x", "y", "width", "height")
			}
		}
	}},
}
