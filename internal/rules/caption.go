package rules

import (
	"slices"
	"strings"
)

// captionKinds are the captions that each container can carry, whatever the source.
var captionKinds = map[string]string{
	"CMFC": "IMSC WEBVTT",
	"MPD":  "BURN_IN IMSC TTML WEBVTT",
	"M3U8": "BURN_IN EMBEDDED EMBEDDED_PLUS_SCTE20 SCTE20_PLUS_EMBEDDED WEBVTT",
	"MP4":  "BURN_IN EMBEDDED EMBEDDED_PLUS_SCTE20 SCTE20_PLUS_EMBEDDED TTML",
	"MOV":  "BURN_IN EMBEDDED EMBEDDED_PLUS_SCTE20 SCTE20_PLUS_EMBEDDED",
	"ISMV": "BURN_IN TTML",
	"MXF":  "BURN_IN EMBEDDED EMBEDDED_PLUS_SCTE20 SCTE20_PLUS_EMBEDDED TELETEXT",
	"M2TS": "BURN_IN DVB_SUB EMBEDDED EMBEDDED_PLUS_SCTE20 SCTE20_PLUS_EMBEDDED TELETEXT",
}

// sidecars are the extensions of caption files.
var sidecars = map[string]string{
	"SCC": "scc", "SMI": "smi", "SRT": "srt", "WEBVTT": "vtt", "IMSC": "xml", "TTML": "ttml xml dfxp",
}

func eachCaption(judge func(r *report, o output, c, d *node)) func(*report, output) {
	return func(r *report, o output) {
		for _, c := range o.list("captionDescriptions") {
			judge(r, o, c, c.sub("destinationSettings"))
		}
	}
}

var captionRules = []outputRule{
	{"cap-no-destination", eachCaption(func(r *report, o output, c, d *node) {
		if o.fromPreset {
			return
		}
		r.missing(c, "destinationSettings")
		if d.there() {
			r.missing(d, "destinationType")
		}
	})},
	{"cap-no-selector-name", eachCaption(func(r *report, o output, c, _ *node) {
		if o.doc.kind == job {
			r.missing(c, "captionSelectorName")
		}
	})},
	{"cap-container", eachCaption(func(r *report, o output, _, d *node) {
		allowed, ok := captionKinds[o.sub("containerSettings").str("container")]
		if t := d.str("destinationType"); ok && t != "" && !slices.Contains(strings.Fields(allowed), t) {
			r.say(d.path()+"/destinationType", "%s does not go with the container %s; allowed: %s", t, o.sub("containerSettings").str("container"), strings.ReplaceAll(allowed, " ", ", "))
		}
	})},
	{"cap-sidecar-bad-ext", eachCaption(func(r *report, o output, _, d *node) {
		allowed := sidecars[d.str("destinationType")]
		if e := strings.TrimPrefix(o.str("extension"), "."); e != "" && allowed != "" && o.sub("containerSettings").is("container", "RAW") && !o.has("videoDescription") && !slices.Contains(strings.Fields(allowed), strings.ToLower(e)) {
			r.say(o.path()+"/extension", "Should be one of %s for captions of type %s", strings.ReplaceAll(allowed, " ", ", "), d.str("destinationType"))
		}
	})},
	{"cap-dvbsub-dds-none", eachCaption(func(r *report, _ output, _, d *node) {
		s := d.sub("dvbSubDestinationSettings")
		if s.is("ddsHandling", "NONE", "") && (s.has("ddsXCoordinate") || s.has("ddsYCoordinate")) {
			r.say(s.path(), "In your output that contains DVB-Sub captions, for ddsHandling, you kept the default value, NONE. When you set ddsHandling to NONE, MediaConvert ignores these related settings: ddsXCoordinate, ddsYCoordinate. Therefore, you can't specify them manually. Set ddsHandling to SPECIFIED or NO_DISPLAY_WINDOW, or remove them.")
		}
	})},
}
