package m3u8

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// tag takes one tag, RFC 8216 4.3.
func (p *parser) tag(name, value string, colon bool) error {
	switch name {
	case "EXTM3U":
		return p.fail("EXTM3U stands in the middle")
	case "EXT-X-VERSION":
		return p.once(name, func() error {
			n, ok := decimal(value, maxVersion)
			if !ok || n == 0 {
				return p.fail("EXT-X-VERSION is not a number")
			}
			p.version = int(n)
			return nil
		})
	case "EXT-X-DEFINE", "EXT-X-SKIP", "EXT-X-PART", "EXT-X-GAP":
		return p.fail("%s is not supported", name)
	case "EXT-X-STREAM-INF", "EXT-X-MEDIA", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA", "EXT-X-SESSION-KEY":
		return p.multivariantTag(name, value)
	case "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-PLAYLIST-TYPE", "EXT-X-ENDLIST",
		"EXTINF", "EXT-X-BYTERANGE", "EXT-X-DISCONTINUITY", "EXT-X-KEY", "EXT-X-MAP", "EXT-X-PROGRAM-DATE-TIME", "EXT-X-DATERANGE",
		"EXT-X-I-FRAMES-ONLY":
		if err := p.mediaTag(name); err != nil {
			return err
		}
		if !colon && name != "EXT-X-ENDLIST" && name != "EXT-X-DISCONTINUITY" && name != "EXT-X-I-FRAMES-ONLY" {
			return p.fail("%s has no value", name)
		}
		return p.segmentTag(name, value)
	}
	return nil // of no consequence, or not known to the specification
}

// once refuses a tag that stands there twice.
func (p *parser) once(name string, read func() error) error {
	if p.seen[name] {
		return p.fail("%s is there twice", name)
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[name] = true
	return read()
}

// mediaTag and multivariantTag note what kind of playlist a tag belongs to. One that is both kinds is none, RFC 8216 4.1.
func (p *parser) mediaTag(name string) error {
	switch {
	case p.variant != nil:
		return p.fail("%s stands where the URI of an EXT-X-STREAM-INF must", name)
	case p.isMultivariant != "":
		return p.fail("%s and %s exclude each other", name, p.isMultivariant)
	case p.isMedia == "":
		p.isMedia = name
	}
	return nil
}

func (p *parser) multivariantTag(name, value string) error {
	switch {
	case p.variant != nil:
		return p.fail("%s stands where the URI of an EXT-X-STREAM-INF must", name)
	case p.isMedia != "":
		return p.fail("%s and %s exclude each other", name, p.isMedia)
	case p.isMultivariant == "":
		p.isMultivariant = name
	}
	switch name {
	case "EXT-X-STREAM-INF":
		return p.streamInf(value)
	case "EXT-X-MEDIA":
		return p.rendition(value)
	}
	return nil
}

func (p *parser) streamInf(value string) error {
	a, err := p.attributes("EXT-X-STREAM-INF", value)
	if err != nil {
		return err
	}
	if len(p.multivariant.Variants) >= MaxVariants {
		return p.fail("it lists more than %d variant streams", MaxVariants)
	}
	v := &Variant{}
	var ok bool
	if v.Bandwidth, ok = a.integer("BANDWIDTH"); !ok || v.Bandwidth == 0 {
		return p.fail("EXT-X-STREAM-INF has no BANDWIDTH that is a number")
	}
	if w, h, there := strings.Cut(a.bare["RESOLUTION"], "x"); there {
		width, okW := decimal(w, math.MaxInt32)
		height, okH := decimal(h, math.MaxInt32)
		if !okW || !okH {
			return p.fail("RESOLUTION is not of the form WIDTHxHEIGHT")
		}
		v.Width, v.Height = int(width), int(height)
	}
	v.Codecs, v.Audio = a.quoted["CODECS"], a.quoted["AUDIO"]
	p.variant = v
	return nil
}

func (p *parser) rendition(value string) error {
	a, err := p.attributes("EXT-X-MEDIA", value)
	if err != nil {
		return err
	}
	if a.bare["TYPE"] != "AUDIO" {
		return nil // other videos, subtitles and captions are not read
	}
	if len(p.multivariant.Renditions) >= MaxRenditions {
		return p.fail("it lists more than %d renditions of sound", MaxRenditions)
	}
	r := Rendition{
		URI: a.quoted["URI"], GroupID: a.quoted["GROUP-ID"], Name: a.quoted["NAME"], Language: a.quoted["LANGUAGE"],
		Default: a.bare["DEFAULT"] == "YES", AutoSelect: a.bare["AUTOSELECT"] == "YES",
	}
	switch _, named := a.quoted["URI"]; {
	case r.GroupID == "":
		return p.fail("EXT-X-MEDIA has no GROUP-ID")
	case r.Name == "":
		return p.fail("EXT-X-MEDIA has no NAME")
	case named && r.URI == "":
		return p.fail("EXT-X-MEDIA has an empty URI")
	}
	p.multivariant.Renditions = append(p.multivariant.Renditions, r)
	return nil
}

func (p *parser) segmentTag(name, value string) error {
	switch name {
	case "EXT-X-TARGETDURATION":
		return p.once(name, func() error {
			if _, ok := decimal(value, maxSeconds); !ok {
				return p.fail("EXT-X-TARGETDURATION is not a whole number of at most %d", maxSeconds)
			}
			return nil
		})
	case "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE":
		return p.once(name, func() error {
			if _, ok := decimal(value, math.MaxInt64); !ok {
				return p.fail("%s is not a number", name)
			}
			return nil
		})
	case "EXT-X-PLAYLIST-TYPE":
		return p.once(name, func() error {
			if value != "VOD" && value != "EVENT" {
				return p.fail("EXT-X-PLAYLIST-TYPE is neither VOD nor EVENT")
			}
			p.media.Ended = p.media.Ended || value == "VOD"
			return nil
		})
	case "EXT-X-ENDLIST":
		p.media.Ended = true
	case "EXT-X-DISCONTINUITY":
		p.segment.Discontinuity = true
	case "EXTINF":
		if p.timed {
			return p.fail("a segment has two EXTINF")
		}
		var whole, ok bool
		if p.segment.Duration, whole, ok = seconds(value); !ok {
			return p.fail("EXTINF is not a number of seconds of at most %d", maxSeconds)
		}
		p.timed, p.fraction = true, p.fraction || !whole
	case "EXT-X-BYTERANGE":
		return p.byteRange(value)
	case "EXT-X-KEY":
		return p.keyTag(value)
	case "EXT-X-MAP":
		return p.mapTag(value)
	}
	return nil
}

func (p *parser) byteRange(value string) error {
	if p.length != nil || p.segment.Range != nil {
		return p.fail("a segment has two EXT-X-BYTERANGE")
	}
	length, offset, explicit, ok := parseRange(value)
	switch {
	case !ok:
		return p.fail("EXT-X-BYTERANGE is not of the form LENGTH@OFFSET")
	case explicit:
		p.segment.Range = &Range{offset, length}
	default:
		p.length = &length
	}
	return nil
}

func (p *parser) keyTag(value string) error {
	a, err := p.attributes("EXT-X-KEY", value)
	switch {
	case err != nil:
		return err
	case a.bare["METHOD"] == "":
		return p.fail("EXT-X-KEY has no METHOD")
	}
	p.key = a.bare["METHOD"] != "NONE"
	return nil
}

func (p *parser) mapTag(value string) error {
	a, err := p.attributes("EXT-X-MAP", value)
	if err != nil {
		return err
	}
	m := &Map{URI: a.quoted["URI"]}
	if m.URI == "" {
		return p.fail("EXT-X-MAP has no URI")
	}
	if text, there := a.quoted["BYTERANGE"]; there {
		length, offset, explicit, ok := parseRange(text)
		if !ok || !explicit {
			return p.fail("BYTERANGE of EXT-X-MAP is not of the form LENGTH@OFFSET")
		}
		m.Range = &Range{offset, length}
	}
	if old := p.segment.Map; old == nil || !old.equal(m) { // one that is repeated is the same section
		p.segment.Map = m
	}
	return nil
}

func (m *Map) equal(o *Map) bool {
	return m.URI == o.URI && (m.Range == nil) == (o.Range == nil) && (m.Range == nil || *m.Range == *o.Range)
}

// addSegment ends a segment with its URI.
func (p *parser) addSegment(uri string) error {
	if len(p.media.Segments) >= MaxSegments {
		return p.fail("it lists more than %d segments", MaxSegments)
	}
	s := p.segment
	s.URI = uri
	if p.length != nil {
		n := len(p.media.Segments)
		if n == 0 || p.media.Segments[n-1].Range == nil || p.media.Segments[n-1].URI != uri {
			return p.fail("EXT-X-BYTERANGE has no offset, and the segment before is no part of the same resource")
		}
		before := p.media.Segments[n-1].Range.End()
		if *p.length > math.MaxInt64-before {
			return p.fail("EXT-X-BYTERANGE is too large")
		}
		s.Range = &Range{before, *p.length}
	}
	if p.media.Duration += s.Duration; p.media.Duration > maxTotal {
		return p.fail("it is longer than %d days", maxTotal/(24*time.Hour))
	}
	p.media.Encrypted = p.media.Encrypted || p.key
	if s.Discontinuity {
		if p.discontinuities++; p.discontinuities > MaxDiscontinuity {
			return p.fail("it has more than %d discontinuities", MaxDiscontinuity)
		}
	}
	p.media.Segments = append(p.media.Segments, s)
	p.segment = Segment{Map: s.Map}
	p.timed, p.length = false, nil
	return nil
}

// parseRange reads LENGTH[@OFFSET].
func parseRange(text string) (length, offset int64, explicit, ok bool) {
	n, o, explicit := strings.Cut(text, "@")
	length, ok = decimal(n, math.MaxInt64)
	if ok && explicit {
		offset, ok = decimal(o, math.MaxInt64)
	}
	return length, offset, explicit, ok && length > 0 && length <= math.MaxInt64-offset
}

// seconds reads the duration of an EXTINF, which a title may follow behind a comma.
func seconds(value string) (d time.Duration, whole, ok bool) {
	text, _, _ := strings.Cut(value, ",")
	text = strings.TrimRight(text, " ")
	integer, fraction, point := strings.Cut(text, ".")
	n, ok := decimal(integer, maxSeconds)
	if !ok || point && (fraction == "" || strings.Trim(fraction, "0123456789") != "") {
		return 0, false, false
	}
	const digits = 9
	fraction = (fraction + "000000000")[:digits]
	nanos, _ := strconv.ParseInt(fraction, 10, 64)
	return time.Duration(n)*time.Second + time.Duration(nanos), !point, true
}

// decimal reads a decimal-integer of at most limit, RFC 8216 4.2: digits alone.
func decimal(text string, limit int64) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n <= limit
}
