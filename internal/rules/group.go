package rules

import (
	"math"
	"strings"
)

// groupBlocks are the types of output groups, with their structure, the container of their outputs, and how the service calls them.
var groupBlocks = []struct{ kind, block, container, word string }{
	{"HLS_GROUP_SETTINGS", "hlsGroupSettings", "M3U8", "HLS"},
	{"CMAF_GROUP_SETTINGS", "cmafGroupSettings", "CMFC", "CMAF"},
	{"DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings", "MPD", "DASH ISO"},
	{"MS_SMOOTH_GROUP_SETTINGS", "msSmoothGroupSettings", "ISMV", "Microsoft Smooth Streaming"},
	{"FILE_GROUP_SETTINGS", "fileGroupSettings", "", "File"},
}

// blockOf is the structure of a group's own type.
func blockOf(g *node) *node {
	s := g.sub("outputGroupSettings")
	for _, b := range groupBlocks {
		if s.is("type", b.kind) {
			return s.sub(b.block)
		}
	}
	return nil
}

var groupRules = []groupRule{
	{"grp-no-settings", func(r *report, g *node) {
		r.missing(g, "outputGroupSettings")
		if s := g.sub("outputGroupSettings"); s.there() {
			r.missing(s, "type")
		}
	}},
	{"grp-type-block-mismatch", func(r *report, g *node) {
		s := g.sub("outputGroupSettings")
		for _, b := range groupBlocks {
			switch {
			case s.is("type", b.kind) && !s.has(b.block):
				r.missing(s, b.block)
			case !s.is("type", b.kind, "") && s.has(b.block):
				r.depends(s, b.block, "type", b.kind)
			}
		}
	}},
	{"grp-no-outputs", func(r *report, g *node) {
		if g.length("outputs") == 0 {
			r.say(g.path()+"/outputs", "Should have at least 1 items")
		}
	}},
	{"grp-hls-min-segment", func(r *report, g *node) {
		if h := g.sub("outputGroupSettings", "hlsGroupSettings"); h.there() {
			r.missing(h, "minSegmentLength")
		}
	}},
	{"out-two-no-namemodifier", func(r *report, g *node) {
		outputs := g.list("outputs")
		for _, o := range outputs {
			// Templates that are in use leave it out of one output of a DASH group.
			if len(outputs) > 1 && o.str("nameModifier") == "" && g.sub("outputGroupSettings").is("type", "FILE_GROUP_SETTINGS", "HLS_GROUP_SETTINGS") {
				r.say(o.path(), "nameModifier is a required property of a group with more than one output")
			}
		}
		// In a file group the names of two outputs may differ by their extensions alone.
		seen := map[string]bool{}
		for _, o := range outputs {
			name := strings.Join([]string{o.str("nameModifier"), o.str("extension"), o.sub("containerSettings").str("container"), o.str("preset")}, "\x00")
			if o.sub("containerSettings").str("container") == "RAW" { // the extension follows the codec
				name += o.sub("videoDescription", "codecSettings").str("codec") + o.member("audioDescriptions").JSON() + "\x00" + o.member("captionDescriptions").JSON()
			}
			if seen[name] {
				r.say(o.path()+"/nameModifier", "Two outputs of a group must not have the same name")
			}
			seen[name] = true
		}
	}},
	{"cmaf-segment-not-multiple-of-fragment", func(r *report, g *node) {
		b := g.sub("outputGroupSettings", "cmafGroupSettings")
		if s, f := b.num("segmentLength"), b.num("fragmentLength"); s > 0 && f > 0 && math.Mod(s, f) != 0 {
			r.say(b.path()+"/segmentLength", "Should be a multiple of %v", f)
		}
	}},
	{"cmaf-ondemand-segmented", func(r *report, g *node) {
		if b := blockOf(g); b.is("mpdProfile", "ON_DEMAND_PROFILE") && !b.is("segmentControl", "SINGLE_FILE") {
			r.depends(b, "mpdProfile", "segmentControl", "SINGLE_FILE")
		}
	}},
	{"trickplay-size", func(r *report, g *node) {
		t := blockOf(g).sub("imageBasedTrickPlaySettings")
		for member, of := range map[string]float64{"thumbnailWidth": 8, "thumbnailHeight": 2} {
			if math.Mod(t.num(member), of) != 0 {
				r.say(t.path()+"/"+member, "Should be a multiple of %v", of)
			}
		}
	}},
	{"dash-fragment-gop-mismatch", func(r *report, g *node) {
		b := blockOf(g)
		fragment := b.num("fragmentLength")
		for _, o := range g.list("outputs") {
			c := codecBlock(o.sub("videoDescription"))
			gop, rate := c.num("gopSize"), c.num("framerateNumerator")/math.Max(1, c.num("framerateDenominator"))
			cadence := 1.0
			if c.has("gopClosedCadence") {
				cadence = c.num("gopClosedCadence")
			}
			seconds := gop * cadence
			switch {
			case fragment == 0 || gop == 0 || cadence == 0:
				continue
			case c.is("gopSizeUnits", "SECONDS"):
			case c.is("gopSizeUnits", "FRAMES") && c.is("framerateControl", "SPECIFIED") && rate > 0:
				seconds /= rate
			default:
				continue
			}
			// 30000/1001 frames a second are taken as 30: the fragment is then as long as it can be near the number.
			if whole := fragment / seconds; math.Abs(whole-math.Round(whole)) > 0.01 || math.Round(whole) == 0 {
				r.say(b.path()+"/fragmentLength", "Should be a whole multiple of the length of a group of pictures, %.4g s in %s", seconds, o.path())
			}
		}
	}},
	{"hls-match-follow-source", func(r *report, g *node) {
		b := blockOf(g)
		if !b.is("segmentLengthControl", "MATCH") {
			return
		}
		for _, o := range g.list("outputs") {
			if c := codecBlock(o.sub("videoDescription")); c.there() && !c.is("framerateControl", "SPECIFIED") {
				r.say(c.path()+"/framerateControl", "Must be SPECIFIED where segmentLengthControl is MATCH")
			}
		}
	}},
	{"enc-speke-systems", func(r *report, g *node) {
		e := blockOf(g).sub("encryption")
		speke := e.sub("spekeKeyProvider")
		most := map[string]int{"hlsGroupSettings": 3, "dashIsoGroupSettings": 2, "msSmoothGroupSettings": 1}
		for block, n := range most {
			if strings.HasSuffix(blockOf(g).path(), block) && speke.length("systemIds") > n {
				r.say(speke.path()+"/systemIds", "Should have at most %d items", n)
			}
		}
		if speke.there() {
			r.missing(speke, "resourceId", "url")
			// A CMAF group has a list for each of its manifests instead.
			if !strings.HasSuffix(blockOf(g).path(), "cmafGroupSettings") {
				r.missing(speke, "systemIds")
			}
		}
	}},
	{"enc-type", func(r *report, g *node) {
		e := blockOf(g).sub("encryption")
		if !e.there() || !strings.HasSuffix(blockOf(g).path(), "hlsGroupSettings") && !strings.HasSuffix(blockOf(g).path(), "cmafGroupSettings") {
			return
		}
		r.missing(e, "type")
		switch e.str("type") {
		case "STATIC_KEY":
			r.missing(e, "staticKeyProvider")
		case "SPEKE":
			if !e.has("spekeKeyProvider") && !e.has("spekeKeyProviderCmaf") {
				r.missing(e, "spekeKeyProvider")
			}
		}
	}},
	{"enc-hls-static-no-url", func(r *report, g *node) {
		if s := blockOf(g).sub("encryption", "staticKeyProvider"); s.there() {
			r.missing(s, "staticKeyValue", "url")
		}
	}},
	{"enc-speke2-shared-one-side", func(r *report, g *node) {
		for _, provider := range []string{"spekeKeyProvider", "spekeKeyProviderCmaf"} {
			c := blockOf(g).sub("encryption", provider, "encryptionContractConfiguration")
			for _, pair := range [][2]string{{"spekeAudioPreset", "spekeVideoPreset"}, {"spekeVideoPreset", "spekeAudioPreset"}} {
				if c.is(pair[0], "SHARED") && !c.is(pair[1], "SHARED") {
					r.depends(c, pair[0], pair[1], "SHARED")
				}
			}
		}
	}},
	{"enc-s3-kmskey-sse-s3", func(r *report, g *node) {
		e := blockOf(g).sub("destinationSettings", "s3Settings", "encryption")
		for _, m := range []string{"kmsKeyArn", "kmsEncryptionContext"} {
			if e.has(m) && !e.is("encryptionType", "SERVER_SIDE_ENCRYPTION_KMS") {
				r.depends(e, m, "encryptionType", "SERVER_SIDE_ENCRYPTION_KMS")
			}
		}
	}},
	{"abr-rules", abrRules},
	{"abr-single-pass", func(r *report, g *node) {
		if !g.sub("automatedEncodingSettings", "abrSettings").there() {
			return
		}
		for _, o := range g.list("outputs") {
			v := o.sub("videoDescription")
			if !v.there() {
				continue
			}
			c := codecBlock(v)
			if !v.sub("codecSettings").is("codec", "H_264", "H_265") {
				r.say(v.path()+"/codecSettings/codec", "Automated ABR is for H_264 and H_265")
				continue
			}
			if !c.is("qualityTuningLevel", "MULTI_PASS_HQ") {
				r.say(c.path()+"/qualityTuningLevel", "Must be MULTI_PASS_HQ for automated ABR")
			}
			if !c.is("rateControlMode", "QVBR") {
				r.say(c.path()+"/rateControlMode", "Must be QVBR for automated ABR")
			}
		}
	}},
}

// abrRules judges automated ABR: bounds, and rules against each other.
func abrRules(r *report, g *node) {
	a := g.sub("automatedEncodingSettings", "abrSettings")
	if a.has("minAbrBitrate") && a.has("maxAbrBitrate") && a.num("minAbrBitrate") > a.num("maxAbrBitrate") {
		r.say(a.path()+"/minAbrBitrate", "Should be less than or equal to maxAbrBitrate")
	}
	area := func(n *node) float64 { return n.num("width") * n.num("height") }
	var top, bottom float64
	lists := map[string]string{"ALLOWED_RENDITIONS": "allowedRenditions", "FORCE_INCLUDE_RENDITIONS": "forceIncludeRenditions"}
	var kinds []string
	for _, rule := range a.list("rules") {
		t := rule.str("type")
		kinds = append(kinds, t)
		if member := lists[t]; member != "" {
			if rule.length(member) == 0 {
				r.say(rule.path()+"/"+member, "Should have at least 1 items")
			}
			most := 15.0
			if a.has("maxRenditions") {
				most = a.num("maxRenditions")
			}
			if t == "FORCE_INCLUDE_RENDITIONS" && float64(rule.length(member)) > most {
				r.say(rule.path()+"/"+member, "Should have at most %v items, as maxRenditions says", most)
			}
		}
		switch t {
		case "MIN_TOP_RENDITION_SIZE":
			top = area(rule.sub("minTopRenditionSize"))
		case "MIN_BOTTOM_RENDITION_SIZE":
			bottom = area(rule.sub("minBottomRenditionSize"))
		}
	}
	if top > 0 && bottom > top {
		r.say(a.path()+"/rules", "The smallest bottom rendition must not be larger than the smallest top rendition")
	}
	if strings.Contains(strings.Join(kinds, " "), "ALLOWED") && strings.Contains(strings.Join(kinds, " "), "FORCE") {
		r.say(a.path()+"/rules", "ALLOWED_RENDITIONS and FORCE_INCLUDE_RENDITIONS exclude each other")
	}
}
