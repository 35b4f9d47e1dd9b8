package rules

import (
	"math"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
)

// Advise says what is legal in the settings of a job but unwise. It is meant for who writes them: nothing is refused for it.
func Advise(s *types.JobSettings) []Fault {
	root := &node{view: mediaconvert.ViewOf(s)}
	r := new(report)
	for _, g := range root.list("outputGroups") {
		for _, o := range g.list("outputs") {
			for _, x := range advice {
				r.rule = x.name
				x.judge(r, output{node: o, group: g, doc: &document{root: root}})
			}
		}
	}
	return r.faults
}

// bitsPerPixel are the bounds between which a bitrate of H.264 makes sense: below, the picture falls apart; above, nobody sees the difference.
const (
	leastBitsPerPixel = 0.015
	mostBitsPerPixel  = 0.6
	usualFrameRate    = 30
)

var advice = []outputRule{
	{"advise-last-segment", func(r *report, o output) {
		if h := o.group.sub("outputGroupSettings", "hlsGroupSettings"); h.there() && h.num("minSegmentLength") == 0 {
			r.say(h.path()+"/minSegmentLength", "0 leaves a last segment that may be one picture long, at which players stumble; 1 joins it to the one before")
		}
	}},
	{"advise-segment-gop", func(r *report, o output) {
		c := codecBlock(o.sub("videoDescription"))
		segment := blockOf(o.group).num("segmentLength")
		if gop := c.num("gopSize"); segment > 0 && gop > 0 && c.is("gopSizeUnits", "SECONDS") && math.Mod(segment, gop) != 0 {
			r.say(c.path()+"/gopSize", "The segment length of %v s is no multiple of %v s: segments get key frames of their own, and some groups of pictures are short", segment, gop)
		}
	}},
	{"advise-open-gop", func(r *report, o output) {
		if c := codecBlock(o.sub("videoDescription")); c.has("gopClosedCadence") && c.num("gopClosedCadence") != 1 && blockOf(o.group).has("segmentLength") {
			r.say(c.path()+"/gopClosedCadence", "Segments that begin with an open group of pictures cannot be played alone; use 1")
		}
	}},
	{"advise-bitrate", func(r *report, o output) {
		v := o.sub("videoDescription")
		c := v.sub("codecSettings", "h264Settings")
		pixels := v.num("width") * v.num("height") * usualFrameRate
		for _, m := range []string{"bitrate", "maxBitrate"} {
			switch each := c.num(m) / pixels; {
			case pixels == 0 || !c.has(m):
			case each < leastBitsPerPixel:
				r.say(c.path()+"/"+m, "%.0f bit/s is very little for %.0f x %.0f", c.num(m), v.num("width"), v.num("height"))
			case each > mostBitsPerPixel:
				r.say(c.path()+"/"+m, "%.0f bit/s is more than %.0f x %.0f can show", c.num(m), v.num("width"), v.num("height"))
			}
		}
	}},
	{"advise-unequal-gop", func(r *report, o output) {
		own := codecBlock(o.sub("videoDescription"))
		for _, other := range o.group.list("outputs") {
			c := codecBlock(other.sub("videoDescription"))
			if own.has("gopSize") && c.has("gopSize") && own.num("gopSize") != c.num("gopSize") && blockOf(o.group).has("segmentLength") && other.path() < o.path() {
				r.say(own.path()+"/gopSize", "differs from that of %s: the renditions of a ladder should have their key frames in the same places", other.path())
				return
			}
		}
	}},
	{"advise-no-sound", func(r *report, o output) {
		for _, in := range o.doc.root.list("inputs") {
			if len(o.list("audioDescriptions")) > 0 && len(in.entries("audioSelectors")) == 0 && len(in.entries("dynamicAudioSelectors")) == 0 {
				r.say(in.path(), "An output asks for sound, and the input has no audio selector: the first track is taken")
			}
		}
	}},
}
