package rules

import "strings"

var documentRules = []documentRule{
	{"job-inputs", func(r *report, d *document) {
		if d.kind == job && d.root.length("inputs") == 0 {
			r.say("", "inputs is a required property")
		}
	}},
	{"grp-none", func(r *report, d *document) {
		if d.kind == job && d.root.length("outputGroups") == 0 {
			r.say("", "outputGroups is a required property")
		}
	}},
	{"preset-empty-settings", func(r *report, d *document) {
		if d.kind != preset || d.root.has("videoDescription") || d.root.has("audioDescriptions") || d.root.has("captionDescriptions") {
			return
		}
		r.say("", "Should match any schema")
		r.missing(d.root, "videoDescription", "audioDescriptions", "captionDescriptions")
	}},
	{"out-frame-capture-only", func(r *report, d *document) {
		if d.kind == preset || len(d.outputs) == 0 {
			return
		}
		for _, o := range d.outputs {
			if o.fromPreset || o.sub("videoDescription", "codecSettings").str("codec") != "FRAME_CAPTURE" {
				return
			}
		}
		r.say("/outputGroups", "a job of frame captures alone is not allowed; add an output of another kind")
	}},
	{"cap-sidecar-without-video", func(r *report, d *document) {
		if d.kind == preset {
			return
		}
		at := ""
		for _, o := range d.outputs {
			if o.fromPreset || o.has("videoDescription") {
				return
			}
			if o.sub("containerSettings").str("container") == "RAW" && o.length("captionDescriptions") > 0 {
				at = o.path()
			}
		}
		if at != "" {
			r.say(at, "A caption file needs an output with video in the same job")
		}
	}},
	{"tc-specifiedstart-no-start", func(r *report, d *document) {
		if c := d.root.sub("timecodeConfig"); c.is("source", "SPECIFIEDSTART") {
			r.missing(c, "start")
		}
	}},
	{"pp-id3-no-timecode", func(r *report, d *document) {
		for _, i := range d.root.sub("timedMetadataInsertion").list("id3Insertions") {
			r.missing(i, "id3", "timecode")
		}
	}},
	{"pp-nielsen-no-sid", func(r *report, d *document) {
		n := d.root.sub("nielsenNonLinearWatermark")
		if !n.there() {
			return
		}
		r.missing(n, "assetId", "assetName", "ticServerUrl", "sourceWatermarkStatus")
		if n.is("activeWatermarkProcess", "NAES2_AND_NW", "NAES2_AND_NW_AND_CBET") {
			r.missing(n, "sourceId")
		}
		if n.is("activeWatermarkProcess", "CBET", "NAES2_AND_NW_AND_CBET") {
			r.missing(n, "cbetSourceId")
		}
	}},
	{"abr-all-automated", func(r *report, d *document) {
		automated, by := "", ""
		for _, g := range d.root.list("outputGroups") {
			if strings.HasPrefix(g.sub("outputGroupSettings").str("type"), "FILE_") {
				continue
			}
			if g.sub("automatedEncodingSettings", "abrSettings").there() {
				automated = g.path()
			} else {
				by = g.path()
			}
		}
		if automated != "" && by != "" {
			r.say(by, "When one ABR output group uses automated ABR, all ABR output groups of the job must")
		}
	}},
}
