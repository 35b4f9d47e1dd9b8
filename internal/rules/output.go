package rules

import (
	"slices"
	"strings"
)

// pairs are the codecs that each container holds: of pictures, and of sound.
var pairs = map[string]struct{ video, audio string }{
	"CMFC": {"AV1 H_264 H_265", "AAC AC3 EAC3 EAC3_ATMOS AC4 FLAC"},
	"MPD":  {"AV1 H_264 H_265 VP8 VP9", "AAC AC3 EAC3 EAC3_ATMOS AC4 FLAC"},
	"M3U8": {"H_264 H_265", "AAC AC3 EAC3 EAC3_ATMOS"},
	"M2TS": {"H_264 H_265 MPEG2", "AAC AC3 EAC3 EAC3_ATMOS MP2 WAV"},
	"MP4":  {"AV1 H_264 H_265", "AAC AC3 EAC3 EAC3_ATMOS AC4 FLAC"},
	"F4V":  {"H_264 MPEG2", "AAC"},
	"MXF":  {"H_264 AVC_INTRA MPEG2 VC3 XAVC UNCOMPRESSED", "WAV"},
	"MOV":  {"H_264 MPEG2 PRORES UNCOMPRESSED", "AAC AC3 EAC3 WAV AIFF"},
	"ISMV": {"H_264", "AAC AC3 EAC3"},
	"WEBM": {"VP8 VP9", "OPUS VORBIS"},
	"OGG":  {"", "OPUS VORBIS FLAC"},
	"GIF":  {"GIF", ""},
}

const badPair = "You specified a combination of output container and codec that isn't valid. For a list of supported codec and container combinations, see https://docs.aws.amazon.com/console/mediaconvert/reference-codecs-containers."

var outputRules = []outputRule{
	{"out-no-container-no-preset", func(r *report, o output) {
		if o.doc.kind != preset && !o.fromPreset {
			r.missing(o.node, "containerSettings")
		}
		if c := o.sub("containerSettings"); c.there() && o.doc.kind != preset && !o.fromPreset {
			r.missing(c, "container")
		}
	}},
	{"grp-container", func(r *report, o output) {
		container := o.sub("containerSettings").str("container")
		if container == "" || !o.group.there() {
			return
		}
		own := []string{"M3U8", "CMFC", "MPD", "ISMV"}
		for _, b := range groupBlocks {
			switch {
			case !o.group.sub("outputGroupSettings").is("type", b.kind):
			case b.container == "" && slices.Contains(own, container):
				r.say(o.group.path(), "In your File output group, the value that you specified for the output container isn't valid. For this output group, set container to F4V, GIF, M2TS, MOV, MP4, MXF, OGG, RAW, WEBM or Y4M.")
			case b.container != "" && container != b.container:
				r.say(o.group.path(), "In your %s output group, the value that you specified for the output container isn't valid. For this output group, set container to %s.", b.word, b.container)
			}
		}
	}},
	{"cont-codec", func(r *report, o output) {
		p, ok := pairs[o.sub("containerSettings").str("container")]
		if !ok {
			return
		}
		at := o.path() // of a preset: the whole
		if v := o.sub("videoDescription", "codecSettings").str("codec"); v != "" && v != "PASSTHROUGH" && !slices.Contains(strings.Fields(p.video), v) {
			r.say(at, badPair)
		}
		for _, a := range o.list("audioDescriptions") {
			if c := a.sub("codecSettings").str("codec"); c != "" && c != "PASSTHROUGH" && !slices.Contains(strings.Fields(p.audio), c) {
				r.say(at, badPair)
			}
		}
	}},
	{"out-nothing", func(r *report, o output) {
		if o.doc.kind != preset && !o.fromPreset && !o.has("videoDescription") && o.length("audioDescriptions") == 0 && o.length("captionDescriptions") == 0 {
			r.say(o.path(), "Should match any schema: videoDescription is a required property | %s: audioDescriptions is a required property", o.path())
		}
	}},
	{"mxf-d10", func(r *report, o output) {
		c, v := o.sub("containerSettings"), o.sub("videoDescription", "codecSettings")
		if c.sub("mxfSettings").is("profile", "D_10") && v.there() && (v.str("codec") != "MPEG2" || v.sub("mpeg2Settings").str("syntax") != "D_10") {
			r.say("", "You set your MXF profile to D10. Therefore, you must set your video codec to MPEG-2 (MPEG2) and Syntax to D10. To find Syntax on the console, set Profile to 4:2:2.")
		}
	}},
	{"mxf-profile-codec", func(r *report, o output) {
		c, v := o.sub("containerSettings"), o.sub("videoDescription", "codecSettings")
		allowed := map[string]string{"XDCAM": "MPEG2", "XDCAM_RDD9": "MPEG2", "XAVC": "XAVC", "OP1A": "H_264 AVC_INTRA VC3 MPEG2 UNCOMPRESSED"}[c.sub("mxfSettings").str("profile")]
		if allowed != "" && v.there() && !slices.Contains(strings.Fields(allowed), v.str("codec")) {
			r.say(v.path()+"/codec", "Must be one of %s with the MXF profile %s", strings.ReplaceAll(allowed, " ", ", "), c.sub("mxfSettings").str("profile"))
		}
	}},
	{"cmfc-id3", func(r *report, o output) {
		for _, block := range []string{"cmfcSettings", "mpdSettings"} {
			s := o.sub("containerSettings", block)
			if s.is("timedMetadata", "PASSTHROUGH") {
				continue
			}
			for member, word := range map[string]string{
				"timedMetadataValue": "value", "timedMetadataSchemeIdUri": "scheme ID URI", "timedMetadataBoxVersion": "box version",
			} {
				if s.has(member) && s.str(member) != "VERSION_0" {
					r.say(o.path(), "You specified a value for ID3 metadata %s, which requires ID3 metadata be set to Passthrough. To resolve: Set ID3 metadata to Passthrough, or remove the value.", word)
				}
			}
		}
	}},
	{"cmfc-manifest-signaling", func(r *report, o output) {
		for _, block := range []string{"cmfcSettings", "mpdSettings"} {
			s := o.sub("containerSettings", block)
			if s.is("manifestMetadataSignaling", "ENABLED") && !s.is("scte35Source", "PASSTHROUGH") && !s.is("scte35Esam", "INSERT") && !s.is("timedMetadata", "PASSTHROUGH") {
				r.say(s.path()+"/manifestMetadataSignaling", "ENABLED needs scte35Source PASSTHROUGH, scte35Esam INSERT or timedMetadata PASSTHROUGH")
			}
		}
	}},
	{"mp4-ctts-cslg", func(r *report, o output) {
		if s := o.sub("containerSettings", "mp4Settings"); s.num("cttsVersion") == 1 && !s.is("cslgAtom", "INCLUDE", "") {
			r.depends(s, "cttsVersion", "cslgAtom", "INCLUDE")
		}
	}},
	{"cap-audio-only-captions", func(r *report, o output) {
		if o.doc.kind != preset && !o.fromPreset && !o.has("videoDescription") && o.length("audioDescriptions") > 0 && o.length("captionDescriptions") > 0 {
			r.say(o.path()+"/captionDescriptions", "An output of sound alone has no captions")
		}
	}},
}
