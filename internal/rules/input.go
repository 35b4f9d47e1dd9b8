package rules

import "encoding/base64"

var inputRules = []inputRule{
	{"in-no-fileinput", func(r *report, d *document, in *node) {
		switch {
		case d.kind != job:
		case !in.has("fileInput") && !in.has("videoGenerator") && !in.has("tamsSettings"):
			r.say(in.path(), "fileInput is a required property")
		case in.has("fileInput") && in.has("videoGenerator"):
			r.say(in.path(), "Should match exactly one schema defined in \"oneOf\": fileInput and videoGenerator exclude each other")
		}
	}},
	{"in-generator-pairs", func(r *report, _ *document, in *node) {
		g := in.sub("videoGenerator")
		for _, pair := range [][2]string{{"width", "height"}, {"framerateNumerator", "framerateDenominator"}} {
			if g.has(pair[0]) != g.has(pair[1]) {
				r.missing(g, pair[0], pair[1])
			}
		}
	}},
	{"in-tams-no-timerange", func(r *report, _ *document, in *node) {
		if t := in.sub("tamsSettings"); t.there() {
			r.missing(t, "sourceId", "timerange")
		}
	}},
	{"in-clip-empty", func(r *report, _ *document, in *node) {
		for _, c := range in.list("inputClippings") {
			if !c.has("startTimecode") && !c.has("endTimecode") {
				r.say(c.path(), "Should match any schema: startTimecode or endTimecode is a required property")
			}
		}
	}},
	{"in-filter-force-no-strength", func(r *report, _ *document, in *node) {
		if in.is("filterEnable", "FORCE") {
			r.missing(in, "filterStrength")
		}
	}},
	{"in-timecode-start", func(r *report, _ *document, in *node) {
		if in.is("timecodeSource", "SPECIFIEDSTART") {
			r.missing(in, "timecodeStart")
		} else if in.has("timecodeStart") {
			r.depends(in, "timecodeStart", "timecodeSource", "SPECIFIEDSTART")
		}
	}},
	{"in-rectangles", func(r *report, _ *document, in *node) {
		for _, n := range []*node{in.sub("crop"), in.sub("position")} {
			if n.there() {
				r.missing(n, "x", "y", "width", "height")
			}
		}
	}},
	{"in-audio-no-language", func(r *report, _ *document, in *node) {
		for _, s := range in.entries("audioSelectors") {
			if s.is("selectorType", "LANGUAGE_CODE") && !s.has("languageCode") && !s.has("customLanguageCode") {
				r.say(s.path(), "languageCode is a required property")
			}
			remix(r, s.sub("remixSettings"))
		}
	}},
	{"in-dyn-audio-no-language", func(r *report, _ *document, in *node) {
		for _, s := range in.entries("dynamicAudioSelectors") {
			if !s.is("selectorType", "LANGUAGE_CODE") || s.has("languageCode") {
				continue
			}
			const text = "Under Dynamic audio selector, you specified Language code for the Selector type but did not enter a Language code. To resolve: Enter a Language code, or choose another Selector type."
			r.say(s.path()+"/selectorType", text)
			r.say(s.path(), text)
		}
	}},
	{"in-audio-group", func(r *report, _ *document, in *node) {
		for _, g := range in.entries("audioSelectorGroups") {
			r.missing(g, "audioSelectorNames")
		}
	}},
	{"cap-source-no-type", func(r *report, _ *document, in *node) {
		for _, s := range in.entries("captionSelectors") {
			r.missing(s, "sourceSettings")
			if source := s.sub("sourceSettings"); source.there() {
				r.missing(source, "sourceType")
			}
		}
	}},
	{"cap-file-no-source", func(r *report, d *document, in *node) {
		files := []string{"SRT", "SCC", "STL", "TTML", "SMI", "SMPTE_TT", "WEBVTT"}
		for _, s := range in.entries("captionSelectors") {
			source := s.sub("sourceSettings")
			if d.kind != job || !source.is("sourceType", files...) || source.sub("webvttHlsSourceSettings").there() {
				continue
			}
			if f := source.sub("fileSourceSettings"); f.there() {
				r.missing(f, "sourceFile")
			} else {
				r.missing(source, "fileSourceSettings")
			}
		}
	}},
	{"in-decryption", func(r *report, _ *document, in *node) {
		d := in.sub("decryptionSettings")
		if !d.there() {
			return
		}
		r.missing(d, "decryptionMode", "encryptedDecryptionKey", "initializationVector")
		// The pattern of the key lets pass what is not base64 all the same; that of the vector does not.
		if _, err := base64.StdEncoding.DecodeString(d.str("encryptedDecryptionKey")); err != nil {
			r.say(d.path()+"/encryptedDecryptionKey", "Should be base64: the ciphertext of the data key, as the key service gave it")
		}
		if iv := d.str("initializationVector"); d.is("decryptionMode", "AES_CBC") && base64.StdEncoding.DecodedLen(len(iv)) == 12 {
			r.say(d.path()+"/initializationVector", "Should have 16 bytes with AES_CBC; it has 12")
		}
	}},
	{"in-hdr10-color-space", func(r *report, _ *document, in *node) {
		if v := in.sub("videoSelector"); v.has("hdr10Metadata") && !v.is("colorSpace", "HDR10") {
			r.depends(v, "hdr10Metadata", "colorSpace", "HDR10")
		}
	}},
	{"pp-image-no-y", func(r *report, _ *document, in *node) { images(r, in.sub("imageInserter")) }},
}

// images judges the overlays of an input or output.
func images(r *report, inserter *node) {
	for _, i := range inserter.list("insertableImages") {
		r.missing(i, "imageX", "imageY")
	}
}
