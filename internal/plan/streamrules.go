package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// The limits of HbbTV 1.5 (ETSI TS 102 796 V1.2.1, annex E.2).
const (
	maxHbbTVSegment = 15 * time.Second
	maxHbbTVStreams = 16 // Representations of an AdaptationSet
)

// streaming judges what crosses the members of a segmented group and its outputs. path is the group's, member that of its settings.
func (c *checker) streaming(path, member string, p *packaging, g *types.OutputGroup) {
	if p.kind == AppleHLS && g.OutputGroupSettings.HlsGroupSettings.MinSegmentLength == nil {
		c.missing(member, "minSegmentLength")
	}
	if m := p.cut.MinimumFinal; m > 0 && m >= p.cut.Length {
		c.bad(member+"/minFinalSegmentLength", "Should be less than the segment length, %v", p.cut.Length)
	}
	if p.cut.PerDirectory > 0 && p.singleFile {
		c.bad(member+"/segmentsPerSubdirectory", "does not go with segmentControl SINGLE_FILE")
	}
	if !printable(p.hls.BaseURL) || strings.ContainsAny(p.hls.BaseURL, `"<>`) || !printable(p.dash.BaseURL) || strings.ContainsAny(p.dash.BaseURL, `"<>`) {
		c.bad(member+"/baseUrl", "holds a quotation mark, an angle bracket or a control character")
	}
	if p.iFrameModifier != "" {
		if _, err := (variables{}).expand(p.iFrameModifier, modifierNames); err != nil || !printable(p.iFrameModifier) {
			c.bad(member+"/dashIFrameTrickPlayNameModifier", "%q holds a control character or a format identifier that is not known; allowed:%s", p.iFrameModifier, strings.TrimRight(modifierNames, " "))
		}
	}
	if p.kind == CMAF && !p.writeHLS && !p.writeDASH {
		c.bad(member, "writeHlsManifest and writeDashManifest must not both be DISABLED")
	}
	c.additional(member, p, g.Outputs)
	c.images(member, p)
	pictures, sounds, counters := 0, 0, map[string]int{}
	for i := range g.Outputs {
		o := &g.Outputs[i]
		at := fmt.Sprintf("%s/outputs/%d", path, i)
		if o.VideoDescription != nil {
			pictures++
		}
		if len(o.AudioDescriptions) > 0 {
			sounds++
		}
		c.streamOutput(at, p, o)
		for _, id := range []string{"$Number", "$Time$"} {
			if p.kind == DASH && strings.Contains(aws.ToString(o.NameModifier), id) {
				counters[id]++
			}
		}
	}
	for _, id := range []string{"$Number", "$Time$"} {
		switch n := counters[id]; {
		case n == 0:
		case n != len(g.Outputs):
			c.bad(path, "the format identifier %s$ is in the name modifiers of %d outputs; it must be in those of all %d", strings.TrimSuffix(id, "$"), n, len(g.Outputs))
		case p.singleFile:
			c.bad(path, "the format identifier %s$ does not go with segmentControl SINGLE_FILE", strings.TrimSuffix(id, "$"))
		}
	}
	c.defaultSounds(path, p, g.Outputs)
	if n := slices.IndexFunc(g.Outputs, func(o types.Output) bool { return isCaptions(&o) }); n >= 0 && pictures == 0 {
		c.lack(fmt.Sprintf("%s/outputs/%d", path, n), "captions are cut as the pictures of their group, and it has none")
	}
	if p.cut.Control == MatchAudio && (pictures == 0 || sounds == 0) {
		c.bad(member+"/segmentLengthControl", "MATCH needs at least one output with video and one with audio")
	}
	if p.kind == CMAF && p.writeHLS && p.keepPTS {
		c.lack(member+"/ptsOffsetHandlingForBFrames", "MATCH_INITIAL_PTS with writeHlsManifest ENABLED: players of HLS would show the pictures late by the delay of their B-frames; offered: ZERO_BASED, or writeHlsManifest DISABLED")
	}
	if p.dash.HbbTV {
		c.hbbTV(path, member, p, g.Outputs)
	}
}

// defaultSounds refuses a second default of a group of sound (RFC 8216 4.3.4.1.1).
func (c *checker) defaultSounds(path string, p *packaging, outputs []types.Output) {
	options := map[GroupKind]string{AppleHLS: "/outputSettings/hlsSettings", CMAF: "/containerSettings/cmfcSettings"}[p.kind]
	seen := map[string]int{}
	for i := range outputs {
		opts := newOutputOptions(p.kind, &outputs[i])
		if opts.trackType != defaultTrack || outputs[i].VideoDescription != nil || p.kind == CMAF && opts.audioGroup == "" { // which is a group of its own
			continue
		}
		if first, twice := seen[opts.audioGroup]; twice {
			c.bad(fmt.Sprintf("%s/outputs/%d%s/audioTrackType", path, i, options), "%s is also that of outputs/%d, in the same audio group; a group has one default", defaultTrack, first)
			continue
		}
		seen[opts.audioGroup] = i
	}
}

// additional judges the additional manifests.
func (c *checker) additional(member string, p *packaging, outputs []types.Output) {
	if len(p.manifests) > maxAdditionalManifests {
		c.bad(member+"/additionalManifests", "Should have at most %d items", maxAdditionalManifests)
	}
	var names []string
	for i := range outputs {
		names = append(names, aws.ToString(outputs[i].NameModifier))
	}
	seen := map[string]bool{}
	for i, m := range p.manifests {
		at := fmt.Sprintf("%s/additionalManifests/%d", member, i)
		switch _, err := (variables{}).expand(m.modifier, destinationNames); {
		case m.modifier == "":
			c.missing(at, "manifestNameModifier")
		case err != nil:
			c.bad(at+"/manifestNameModifier", "%v", err)
		case !printable(m.modifier):
			c.bad(at+"/manifestNameModifier", "%q holds a control character", m.modifier)
		case seen[m.modifier]:
			c.bad(at+"/manifestNameModifier", "%q is also that of another additional manifest", m.modifier)
		}
		seen[m.modifier] = true
		if len(m.outputs) == 0 {
			c.missing(at, "selectedOutputs")
		}
		for j, name := range m.outputs {
			if !slices.Contains(names, name) {
				c.bad(fmt.Sprintf("%s/selectedOutputs/%d", at, j), "%q is the name modifier of no output of the group", name)
			}
		}
	}
}

// images judges image-based trick play.
func (c *checker) images(member string, p *packaging) {
	at := member + "/imageBasedTrickPlaySettings"
	if p.idleImages {
		c.lack(at, "the settings go with imageBasedTrickPlay ADVANCED alone")
	}
	i := p.images
	if i == nil {
		return
	}
	if i.intervalGiven && i.cadence != "FOLLOW_CUSTOM" {
		c.lack(at+"/thumbnailInterval", "goes with intervalCadence FOLLOW_CUSTOM alone; it is %s", i.cadence)
	}
	switch i.cadence {
	case "FOLLOW_CUSTOM":
		if i.interval <= 0 || math.IsNaN(i.interval) {
			c.bad(at+"/thumbnailInterval", "Should be greater than 0 where intervalCadence is FOLLOW_CUSTOM")
		}
	case "FOLLOW_SEGMENTATION":
		if i.columns != 1 || i.rows != 1 {
			c.bad(at, "intervalCadence FOLLOW_SEGMENTATION needs tileWidth 1 and tileHeight 1")
		}
	}
	if i.rows > 1 && i.rows%2 != 0 {
		c.bad(at+"/tileHeight", "Should be a multiple of 2")
	}
	if i.height*i.rows > maxTilesHeight {
		c.bad(at+"/tileHeight", "tileHeight × thumbnailHeight is %d; allowed: at most %d", i.height*i.rows, maxTilesHeight)
	}
	if i.width*i.columns > maxTilesWidth {
		c.lack(at+"/tileWidth", "tileWidth × thumbnailWidth is %d; offered: at most %d", i.width*i.columns, maxTilesWidth)
	}
}

// maxTilesWidth is the greatest width of a JPEG (ISO/IEC 10918-1 B.2.2).
const maxTilesWidth = 65535

// streamOutput judges an output by the kind of its group.
func (c *checker) streamOutput(at string, p *packaging, o *types.Output) {
	opts := newOutputOptions(p.kind, o)
	options := map[GroupKind]string{AppleHLS: "/outputSettings/hlsSettings", CMAF: "/containerSettings/cmfcSettings"}[p.kind]
	if o.VideoDescription == nil && len(o.AudioDescriptions) > 1 && p.kind != Smooth {
		c.bad(at+"/audioDescriptions", "Should have at most 1 items in an output of sound alone")
	}
	if (p.kind == CMAF || p.kind == DASH) && o.VideoDescription != nil && len(o.AudioDescriptions) > 0 {
		c.lack(at+"/audioDescriptions", "a picture and sound in one output of a group of kind %s are not carried out; put the sound into an output of its own", p.kind)
	}
	if strings.ContainsAny(opts.audioGroup, "\"\r\n,") || !printable(opts.audioGroup) {
		c.bad(at+options+"/audioGroupId", "%q holds a quotation mark, a comma or a control character", opts.audioGroup)
	}
	if p.kind == AppleHLS && opts.metadata && opts.packed && o.VideoDescription == nil && !isCaptions(o) && (p.id3Frame != "" || c.settings.TimedMetadataInsertion != nil) {
		c.lack(at+"/containerSettings/m3u8Settings/timedMetadata", "sound without a container carries no timed metadata; offered: NONE, or PASSTHROUGH with audioOnlyContainer M2TS")
	}
	if o.VideoDescription == nil {
		if opts.iFrames != "" {
			c.bad(at+options+"/iFrameOnlyManifest", "%s goes with an output that has video", opts.iFrames)
		}
	} else if opts.described {
		c.bad(at+options+"/descriptiveVideoServiceFlag", "FLAG goes with an output of sound alone")
	}
	kinds, allowed := groupVideo[p.kind], groupAudio
	if codec := codecs[string(videoCodec(o))]; o.VideoDescription != nil && codec != "" && !slices.Contains(kinds, codec) {
		c.bad(at+"/videoDescription/codecSettings/codec", "a group of kind %s does not hold %s", p.kind, codec)
	}
	for i := range o.AudioDescriptions {
		if s := o.AudioDescriptions[i].CodecSettings; s != nil {
			codec := codecs[string(s.Codec)]
			if codec != "" && !slices.Contains(allowed, codec) {
				c.bad(fmt.Sprintf("%s/audioDescriptions/%d/codecSettings/codec", at, i), "a group of kind %s does not hold %s", p.kind, codec)
			}
			if p.cut.Control == MatchAudio && (codec != "AAC" || s.AacSettings == nil || aws.ToInt32(s.AacSettings.SampleRate) != matchRate) {
				c.bad(fmt.Sprintf("%s/audioDescriptions/%d/codecSettings", at, i), "segmentLengthControl MATCH needs AAC at %d Hz", matchRate)
			}
		}
	}
}

// hbbTV refuses what HbbTV 1.5 forbids.
func (c *checker) hbbTV(path, member string, p *packaging, outputs []types.Output) {
	const spec = "HBBTV_1_5 (ETSI TS 102 796 V1.2.1 annex E) "
	at := member + "/hbbtvCompliance"
	if p.dash.Profile == OnDemandProfile {
		c.lack(at, spec+"goes with mpdProfile MAIN_PROFILE")
	}
	if p.cut.Length > maxHbbTVSegment {
		c.lack(at, spec+"has segments of at most %v; segmentLength is %v", maxHbbTVSegment, p.cut.Length)
	}
	pictures := 0
	for i := range outputs {
		o := &outputs[i]
		if isCaptions(o) {
			c.lack(fmt.Sprintf("%s/outputs/%d/captionDescriptions/0/destinationSettings/destinationType", path, i), spec+"has no captions of this kind")
		}
		if o.VideoDescription != nil {
			pictures++
			if codec := videoCodec(o); codec != types.VideoCodecH264 {
				c.lack(fmt.Sprintf("%s/outputs/%d/videoDescription/codecSettings/codec", path, i), spec+"has H_264 alone")
			}
		}
		for j := range o.AudioDescriptions {
			if s := o.AudioDescriptions[j].CodecSettings; s != nil && s.Codec != types.AudioCodecAac && s.Codec != types.AudioCodecEac3 {
				c.lack(fmt.Sprintf("%s/outputs/%d/audioDescriptions/%d/codecSettings/codec", path, i, j), spec+"has AAC and EAC3 alone")
			}
		}
	}
	if pictures > maxHbbTVStreams {
		c.lack(at, spec+"has at most %d outputs of pictures", maxHbbTVStreams)
	}
}

// timeline judges the timecodes of the outputs and the metadata that is put in by them.
func (c *checker) timeline() {
	if t := c.settings.TimecodeConfig; t != nil {
		if t.Start != nil {
			if _, err := parseTimecode(*t.Start); err != nil {
				c.bad("/timecodeConfig/start", "%v", err)
			}
		}
		if t.TimestampOffset != nil {
			if _, err := time.Parse(time.DateOnly, *t.TimestampOffset); err != nil {
				c.bad("/timecodeConfig/timestampOffset", "%q is not a date; allowed: yyyy-mm-dd", *t.TimestampOffset)
			}
		}
	}
	if t := c.settings.TimedMetadataInsertion; t != nil {
		for i := range t.Id3Insertions {
			at := fmt.Sprintf("/timedMetadataInsertion/id3Insertions/%d", i)
			if id3 := t.Id3Insertions[i].Id3; id3 != nil {
				if _, err := parseID3(*id3); err != nil { // which the service itself does not look into
					c.lack(at+"/id3", "%v", err)
				}
			}
			if code := t.Id3Insertions[i].Timecode; code != nil {
				if _, err := parseTimecode(*code); err != nil {
					c.bad(at+"/timecode", "%v", err)
				}
			}
		}
	}
}
