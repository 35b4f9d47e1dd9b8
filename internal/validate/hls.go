package validate

import (
	"fmt"
	"slices"
	"strings"
)

// line is a place in a manifest.
func line(ref string, n int) string { return fmt.Sprintf("%s:%d", ref, n) }

// hls checks a playlist, and what it names.
func (c *checker) hls(ref string, text []byte) {
	p := c.playlist(ref, text)
	if !p.multivariant {
		c.mediaPlaylist(ref, p, "")
		return
	}
	c.multivariant(ref, p)
}

func (c *checker) playlist(ref string, text []byte) *playlist {
	return parsePlaylist(text, func(rule string, n int, format string, args ...any) { c.fail(rule, line(ref, n), format, args...) })
}

// mediaOf reads a media playlist that another one names; nil where it cannot be read.
func (c *checker) mediaOf(ref string, n int, uri string, streams map[string]*stream, k kind) *stream {
	abs, ok := c.resolve(line(ref, n), ref, uri)
	if !ok {
		return nil
	}
	if s, ok := streams[abs]; ok {
		return s
	}
	streams[abs] = nil
	text, err := c.text(abs)
	if err != nil {
		c.missing(line(ref, n), abs, err)
		return nil
	}
	p := c.playlist(abs, text)
	if p.multivariant || !p.segmented {
		c.fail("hls-tag", abs, "it is no media playlist")
		return nil
	}
	streams[abs] = c.mediaPlaylist(abs, p, k)
	streams[abs].playlist = p
	return streams[abs]
}

func (c *checker) multivariant(ref string, p *playlist) {
	streams := map[string]*stream{}
	groups := map[string][]*hlsRendition{} // by type and group
	of := map[*hlsRendition]*stream{}
	for i := range p.renditions {
		m := &p.renditions[i]
		id := m.kind + " " + m.group
		for _, other := range groups[id] {
			if other.name == m.name {
				c.fail("hls-group", line(ref, m.line), "two renditions of group %q are named %q", m.group, m.name)
			}
			if other.def && m.def {
				c.fail("hls-group", line(ref, m.line), "two renditions of group %q are the default", m.group)
			}
		}
		groups[id] = append(groups[id], m)
		if m.uri != "" {
			k := map[string]kind{"AUDIO": audio, "VIDEO": video, "SUBTITLES": caption}[m.kind]
			of[m] = c.mediaOf(ref, m.line, m.uri, streams, k)
		}
	}
	used := map[string]bool{}
	if !slices.ContainsFunc(p.variants, func(v hlsVariant) bool { return !v.iframes && !v.images }) {
		c.fail("hls-tag", ref, "a multivariant playlist without a variant")
	}
	var pictures []*stream
	var together [][]*stream
	for i := range p.variants {
		v := &p.variants[i]
		at := line(ref, v.line)
		s := c.mediaOf(ref, v.line, v.uri, streams, "")
		members := []*stream{s}
		group := func(name, kind string) (out []*stream) {
			if name == "" {
				return nil
			}
			id := kind + " " + name
			used[id] = true
			if len(groups[id]) == 0 {
				c.fail("hls-group", at, "there is no group %q of %s", name, kind)
			}
			for _, m := range groups[id] {
				if of[m] != nil {
					out = append(out, of[m])
				}
			}
			return out
		}
		sound := group(v.audio, "AUDIO")
		group(v.video, "VIDEO")
		captions := group(v.subtitles, "SUBTITLES")
		if v.cc != "NONE" {
			group(v.cc, "CLOSED-CAPTIONS")
		}
		if s == nil {
			continue
		}
		if s.playlist != nil && s.playlist.iframes != v.iframes {
			c.fail("hls-iframe", at, "an I-frame playlist is named by EXT-X-I-FRAME-STREAM-INF, and by nothing else")
		}
		if s.playlist != nil && s.playlist.images != v.images {
			c.fail("image", at, "an image playlist is named by EXT-X-IMAGE-STREAM-INF, and by nothing else")
		}
		if v.images {
			c.imageStream(at, v, s)
			continue
		}
		c.variant(at, v, s, sound, captions)
		if v.iframes {
			continue
		}
		if s.facts(video) != nil && !slices.Contains(pictures, s) {
			pictures = append(pictures, s)
		}
		together = append(together, append(append(members, sound...), captions...))
	}
	for id, g := range groups {
		if !used[id] {
			c.warn("hls-group", line(ref, g[0].line), "no variant has the group %q", g[0].group)
		}
	}
	c.aligned(ref, pictures)
	for _, m := range together {
		c.ends(ref, slices.DeleteFunc(m, func(s *stream) bool { return s == nil || s.facts(caption) != nil || s.captions }))
	}
	c.sameTarget(ref, p, streams)
	c.sessionKeys(ref, p, streams)
}

// sameTarget checks that the media playlists have one target duration. Those of images, which the RFC does not know, are no variants.
func (c *checker) sameTarget(ref string, p *playlist, streams map[string]*stream) {
	var first *stream
	check := func(n int, uri string, k string) {
		abs, err := c.src.Resolve(ref, uri)
		if err != nil || uri == "" || streams[abs] == nil {
			return
		}
		s := streams[abs]
		own := s.playlist
		if own == nil || !own.hasTarget || own.images || (own.iframes || k == "SUBTITLES") && own.kind == "VOD" {
			return
		}
		if first == nil {
			first = s
		}
		if t := first.playlist.target; own.target != t {
			c.fail("hls-same-target", line(ref, n), "%s has an EXT-X-TARGETDURATION of %g, and %s one of %g", s.name, own.target, first.name, t)
		}
	}
	for i := range p.variants {
		check(p.variants[i].line, p.variants[i].uri, "")
	}
	for i := range p.renditions {
		check(p.renditions[i].line, p.renditions[i].uri, p.renditions[i].kind)
	}
}

// sessionKeys checks that the keys of the session are those of media playlists.
func (c *checker) sessionKeys(ref string, p *playlist, streams map[string]*stream) {
	same := func(a, b hlsKey) bool {
		return a.method == b.method && a.uri == b.uri && or(a.format, "identity") == or(b.format, "identity") && or(a.versions, "1") == or(b.versions, "1")
	}
	for i, k := range p.sessionKeys {
		for _, other := range p.sessionKeys[:i] {
			if same(k, other) && string(k.iv) == string(other.iv) {
				c.fail("hls-session-key", line(ref, k.line), "it is there twice")
			}
		}
		found := false
		for _, s := range streams {
			if s == nil || s.playlist == nil {
				continue
			}
			for _, seg := range s.playlist.segments {
				found = found || slices.ContainsFunc(seg.key, func(o hlsKey) bool { return same(k, o) })
			}
		}
		if !found {
			c.fail("hls-session-key", line(ref, k.line), "no media playlist has such an EXT-X-KEY")
		}
	}
}

func or(s, absent string) string {
	if s == "" {
		return absent
	}
	return s
}

// variant checks what a variant says of its streams.
func (c *checker) variant(at string, v *hlsVariant, s *stream, sound, captions []*stream) {
	if !s.whole() {
		if slices.ContainsFunc(s.segments, func(p placed) bool { return p.segment != nil && p.opaque }) {
			c.note("encryption-padding", at, "CODECS, RESOLUTION and FRAME-RATE are not compared: the media is encrypted as a whole, and there is no key for it")
		}
	} else {
		c.described(at, v, s, sound, captions)
	}
	// The rates: of the variant and of the heaviest rendition of each group, RFC 8216 4.3.4.2.
	peak, average, good := s.rates()
	for _, group := range [][]*stream{sound, captions} {
		var p, a float64
		for _, r := range group {
			if r == s {
				p, a = 0, 0
				break
			}
			rp, ra, ok := r.rates()
			good = good && ok
			p, a = max(p, rp), max(a, ra)
		}
		peak, average = peak+p, average+a
	}
	if !good {
		return
	}
	const rounding = 1.01 // EXTINF is rounded, and so are rates
	if float64(v.bandwidth)*rounding < peak {
		c.fail("hls-bandwidth", at, "BANDWIDTH=%d, and the measured peak is %.0f", v.bandwidth, peak)
	}
	if v.average > 0 && (float64(v.average)*rounding < average || float64(v.average) > average*averageSlack) {
		c.fail("hls-average-bandwidth", at, "AVERAGE-BANDWIDTH=%d, and the measured average is %.0f", v.average, average)
	}
	if v.average > v.bandwidth {
		c.fail("hls-average-bandwidth", at, "AVERAGE-BANDWIDTH=%d is greater than BANDWIDTH=%d", v.average, v.bandwidth)
	}
}

// averageSlack is by how much a stated average may be above the measured one: Apple's authoring specification (9.x) grants 10 %.
const averageSlack = 1.10

// described checks CODECS, RESOLUTION and FRAME-RATE.
func (c *checker) described(at string, v *hlsVariant, s *stream, sound, captions []*stream) {
	var all []*facts
	all = append(all, s.all()...)
	if !v.iframes {
		for _, g := range append(slices.Clone(sound), captions...) {
			all = append(all, g.all()...)
		}
	}
	if v.hasCodecs {
		for _, f := range all {
			if f.codec == "" || f.kind == data {
				continue
			}
			if !slices.ContainsFunc(v.codecs, func(stated string) bool { return sameCodec(stated, f.codec) }) {
				c.fail("hls-codecs", at, "CODECS=%q, and there is %s", strings.Join(v.codecs, ","), f.codec)
			}
		}
		for _, stated := range v.codecs {
			if !slices.ContainsFunc(all, func(f *facts) bool { return sameCodec(stated, f.codec) }) {
				c.fail("hls-codecs", at, "CODECS has %q, and no stream is that", stated)
			}
		}
	} else {
		c.warn("hls-codecs", at, "no CODECS, which every variant should have")
	}
	picture := s.facts(video)
	if picture == nil {
		if v.width > 0 || v.frameRate > 0 {
			c.fail("hls-resolution", at, "RESOLUTION or FRAME-RATE without a picture")
		}
		return
	}
	if v.width > 0 && (v.width != picture.width || v.height != picture.height) {
		c.fail("hls-resolution", at, "RESOLUTION=%dx%d, and the picture is %dx%d", v.width, v.height, picture.width, picture.height)
	}
	if rate := s.frameRate(); v.frameRate > 0 && rate > 0 && !v.iframes && !near(v.frameRate, rate, max(0.02*rate, 0.01)) {
		c.fail("hls-frame-rate", at, "FRAME-RATE=%.3f, and %.3f frames a second were measured", v.frameRate, rate)
	}
}

// sameCodec compares a stated codec with the measured one. What stands before RFC 6381 (avc1.66.30), fewer fields of av01 and either of the sample entries that
// differ in where parameter sets are kept are the same.
func sameCodec(stated, measured string) bool {
	a, b := strings.ToLower(stated), strings.ToLower(measured)
	if a == b {
		return true
	}
	if strings.HasPrefix(a, "stpp") && strings.HasPrefix(b, "stpp") {
		return true
	}
	if strings.HasPrefix(b, "av01.") {
		return strings.HasPrefix(b, a+".") && strings.Count(a, ".") >= 3
	}
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	if len(as) == 3 && len(bs) == 2 && as[0] == bs[0] && strings.HasPrefix(as[0], "avc") { // RFC 4281: profile and level in decimal
		var profile, level, p, l int
		if _, err := fmt.Sscanf(as[1]+" "+as[2], "%d %d", &profile, &level); err != nil {
			return false
		}
		if _, err := fmt.Sscanf(bs[1], "%02x", &p); err != nil || len(bs[1]) != 6 {
			return false
		}
		_, err := fmt.Sscanf(bs[1][4:], "%02x", &l)
		return err == nil && p == profile && l == level
	}
	if len(as) >= 4 && len(bs) >= 4 && as[0] == bs[0] && strings.HasPrefix(as[0], "h") { // trailing constraint bytes of 0 may be left out
		return slices.Equal(trimZero(as), trimZero(bs))
	}
	return false
}

func trimZero(s []string) []string {
	for len(s) > 4 && (s[len(s)-1] == "0" || s[len(s)-1] == "00") {
		s = s[:len(s)-1]
	}
	return s
}

// rates gives the peak and the average bit rate of a media playlist, RFC 8216 4.1: the peak is over sets of segments that last 0.5 to 1.5 target durations.
func (s *stream) rates() (peak, average float64, ok bool) {
	if s.playlist == nil || len(s.segments) == 0 {
		return 0, 0, false
	}
	target := s.playlist.target
	var bytes, duration float64
	for i := range s.segments {
		if s.segments[i].segment == nil {
			return 0, 0, false
		}
		bytes, duration = bytes+float64(s.segments[i].segment.bytes), duration+s.segments[i].duration
		var b, d float64
		for _, next := range s.segments[i:] {
			if next.segment == nil {
				return 0, 0, false
			}
			b, d = b+float64(next.segment.bytes), d+next.duration
			if d > 1.5*target {
				break
			}
			if d >= 0.5*target {
				peak = max(peak, b*8/d)
			}
		}
	}
	if duration <= 0 {
		return 0, 0, false
	}
	average = bytes * 8 / duration
	return max(peak, average), average, true
}

const (
	inTS segmentKind = iota + 1
	inMP4
	inPacked
	inVTT
)
