package validate

import (
	"slices"
	"strconv"
	"strings"
)

// Name spaces of an MPD.
const (
	nsMPD  = "urn:mpeg:dash:schema:mpd:2011"
	nsCENC = "urn:mpeg:cenc:2013"

	schemeMP4Protection = "urn:mpeg:dash:mp4protection:2011"
	schemeCommonPSSH    = "urn:uuid:1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
	// schemeClearKey is DASH-IF's ClearKey, which has no box of its own: the common one stands for it (DASH-IF IOP 7.6.2.4).
	schemeClearKey  = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e"
	commonPSSH      = "1077efecc0b24d02ace33c1e52e2fb4b"
	profileOnDemand = "urn:mpeg:dash:profile:isoff-on-demand:2011"
)

// mpd is the state of the check of an MPD.
type mpd struct {
	*checker
	ref       string
	buffer    float64 // minBufferTime
	total     float64 // mediaPresentationDuration
	onDemand  bool
	ids       map[string]bool // of representations in a period
	locations map[string]string
}

// representation is a Representation with what its parents say.
type representation struct {
	node, set *node
	base      string
	id        string
	bandwidth float64
	template  []*node // SegmentTemplate of the representation, the adaptation set and the period
	codecs    string
}

// attr is an attribute of the representation or of its adaptation set.
func (r *representation) attr(name string) string {
	if v, ok := r.node.get(name); ok {
		return v
	}
	return r.set.or(name, "")
}

// segmentTemplate is an attribute of the closest template that has it.
func (r *representation) segmentTemplate(name string) (string, bool) {
	for _, t := range r.template {
		if v, ok := t.get(name); ok {
			return v, true
		}
	}
	return "", false
}

func (m *mpd) at(n *node) string { return line(m.ref, n.line) }

// number reads an attribute that is a non-negative integer.
func (m *mpd) number(rule string, n *node, name string, absent int64) int64 {
	v, ok := n.get(name)
	if !ok {
		return absent
	}
	x, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		m.fail(rule, m.at(n), "%s@%s=%q is no number", n.name.Local, name, clip(v))
		return absent
	}
	return x
}

// duration reads an xs:duration; a negative number where there is none.
func (m *mpd) xsDuration(n *node, name string) float64 {
	v, ok := n.get(name)
	if !ok {
		return -1
	}
	d, ok := parseDuration(v)
	if !ok {
		m.fail("dash-syntax", m.at(n), "%s@%s=%q is no duration", n.name.Local, name, clip(v))
		return -1
	}
	return d
}

// parseDuration reads an xs:duration without years and months.
func parseDuration(s string) (float64, bool) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" {
		return 0, false
	}
	date, clock, timed := strings.Cut(rest, "T")
	var total float64
	read := func(part string, units string, seconds []float64) bool {
		for part != "" {
			i := strings.IndexFunc(part, func(c rune) bool { return (c < '0' || c > '9') && c != '.' })
			if i < 1 {
				return false
			}
			u := strings.IndexByte(units, part[i])
			v, err := strconv.ParseFloat(part[:i], 64)
			if u < 0 || err != nil {
				return false
			}
			total += v * seconds[u]
			units, seconds, part = units[u+1:], seconds[u+1:], part[i+1:]
		}
		return true
	}
	if !read(date, "D", []float64{86400}) || timed && (clock == "" || !read(clock, "HMS", []float64{3600, 60, 1})) {
		return 0, false
	}
	return total, true
}

// dash checks an MPD and what it names.
func (c *checker) dash(ref string, text []byte) {
	root, err := parseXML(text)
	if err != nil {
		c.fail("dash-syntax", ref, "%v", err)
		return
	}
	m := &mpd{checker: c, ref: ref, locations: map[string]string{}}
	if root.name.Space != nsMPD {
		c.fail("dash-syntax", m.at(root), "the name space is %q, not %s", clip(root.name.Space), nsMPD)
	}
	profiles := root.or("profiles", "")
	if profiles == "" {
		c.fail("dash-syntax", m.at(root), "MPD without @profiles")
	}
	m.onDemand = strings.Contains(profiles, profileOnDemand)
	if m.buffer = m.xsDuration(root, "minBufferTime"); m.buffer < 0 {
		c.fail("dash-syntax", m.at(root), "MPD without @minBufferTime")
		m.buffer = 0
	}
	kind := root.or("type", "static")
	if kind != "static" {
		c.warn("dash-syntax", m.at(root), "an MPD of type %s; finished films are static", clip(kind))
	}
	m.total = m.xsDuration(root, "mediaPresentationDuration")
	periods := root.all("Period")
	if len(periods) == 0 {
		c.fail("dash-syntax", m.at(root), "MPD without a Period")
		return
	}
	if kind == "static" && m.total < 0 && m.xsDuration(periods[len(periods)-1], "duration") < 0 {
		c.fail("dash-duration", m.at(root), "neither @mediaPresentationDuration nor the duration of the last Period")
	}
	base := m.baseURL(ref, root)
	names := map[string]bool{}
	start, measured := 0.0, 0.0
	for i, p := range periods {
		if id, ok := p.get("id"); ok {
			if names[id] {
				c.fail("dash-id", m.at(p), "two Periods with the id %q", clip(id))
			}
			names[id] = true
		}
		if s := m.xsDuration(p, "start"); s >= 0 {
			start = s
		}
		length := m.xsDuration(p, "duration")
		if length < 0 {
			if i+1 < len(periods) {
				if s := m.xsDuration(periods[i+1], "start"); s >= 0 {
					length = s - start
				}
			} else if m.total >= 0 {
				length = m.total - start
			}
		}
		longest := m.period(p, m.baseURL(base, p), length)
		measured = start + longest
		start += max(length, 0)
	}
	if m.total >= 0 && measured > 0 && !near(m.total, measured, max(0.1, 0.001*measured)) {
		c.fail("dash-duration", m.at(root), "@mediaPresentationDuration is %.3f s, and the longest stream ends at %.3f s", m.total, measured)
	}
}

// baseURL applies the BaseURL of an element.
func (m *mpd) baseURL(base string, n *node) string {
	b := n.first("BaseURL")
	if b == nil {
		return base
	}
	text := strings.TrimSpace(b.text)
	if text == "" {
		m.fail("dash-syntax", m.at(b), "an empty BaseURL")
		return base
	}
	abs, ok := m.resolve(m.at(b), base, text)
	if !ok {
		return base
	}
	return abs
}

// period checks a Period, and returns how long its longest stream is.
func (m *mpd) period(p *node, base string, length float64) (longest float64) {
	m.ids = map[string]bool{}
	sets := p.all("AdaptationSet")
	if len(sets) == 0 {
		m.fail("dash-syntax", m.at(p), "Period without an AdaptationSet")
	}
	ids := map[string]bool{}
	alike := map[string]*node{}
	var streams []*stream
	for _, set := range sets {
		if id, ok := set.get("id"); ok {
			if ids[id] {
				m.fail("dash-id", m.at(set), "two AdaptationSets with the id %q", clip(id))
			}
			ids[id] = true
		}
		list := m.adaptationSet(p, set, m.baseURL(base, set), length)
		for _, s := range list {
			if !s.whole() || s.trick {
				continue
			}
			last := s.segments[len(s.segments)-1]
			end := last.main()
			longest = max(longest, end.seconds(end.shown)-s.offset)
		}
		streams = append(streams, slices.DeleteFunc(list, func(s *stream) bool { return s.facts(caption) != nil || s.trick })...)
		m.told(set, alike)
	}
	m.ends(m.ref, streams)
	return longest
}

// told checks that sets of one kind can be told apart: by language, role, accessibility, codecs, channels or label.
func (m *mpd) told(set *node, alike map[string]*node) {
	what := kindOfSet(set)
	var marks []string
	for _, name := range []string{"Role", "Accessibility", "EssentialProperty", "SupplementalProperty"} {
		for _, d := range set.all(name) {
			scheme, value := d.or("schemeIdUri", ""), d.or("value", "")
			if scheme == "" {
				m.fail("dash-role", m.at(d), "%s without @schemeIdUri", name)
			}
			if name == "Role" && scheme == "urn:mpeg:dash:role:2011" && !slices.Contains(dashRoles, value) {
				m.fail("dash-role", m.at(d), "no role is %q", clip(value))
			}
			marks = append(marks, name+scheme+value)
		}
	}
	slices.Sort(marks)
	codec := ""
	if r := set.first("Representation"); r != nil {
		codec, _, _ = strings.Cut(r.or("codecs", set.or("codecs", "")), ".")
		for _, a := range append(r.all("AudioChannelConfiguration"), set.all("AudioChannelConfiguration")...) {
			codec += " " + a.or("value", "")
		}
		if what == string(video) {
			codec += " " + r.or("width", "") + "x" + r.or("height", "")
		}
	}
	key := strings.Join(append(marks, what, set.or("lang", ""), codec, set.or("group", "")), "|")
	for _, l := range set.all("Label") {
		key += "|" + l.text
	}
	if set.first("ContentProtection") != nil {
		key += "|" + protectedKID(set)
	}
	if other := alike[key]; other != nil {
		m.fail("dash-role", m.at(set), "nothing tells it from the AdaptationSet of line %d: language, role, accessibility, codec and label are the same", other.line)
	}
	alike[key] = set
}

// dashRoles are those of ISO/IEC 23009-1 table 35.
var dashRoles = []string{
	"caption", "subtitle", "main", "alternate", "supplementary", "commentary", "dub", "description", "sign", "metadata", "enhanced-audio-intelligibility",
	"forced-subtitle", "forced_subtitle", "easyreader", "karaoke", "emergency", "music",
}

// kindOfSet is the content type of an adaptation set.
func kindOfSet(set *node) string {
	if t, ok := set.get("contentType"); ok {
		return t
	}
	mime := set.or("mimeType", "")
	for _, r := range set.all("Representation") {
		if mime == "" {
			mime = r.or("mimeType", "")
		}
	}
	what, _, _ := strings.Cut(mime, "/")
	return what
}

func protectedKID(n *node) string {
	for _, p := range n.all("ContentProtection") {
		for _, a := range p.attr {
			if a.Name.Local == "default_KID" {
				return strings.ToLower(a.Value)
			}
		}
	}
	return ""
}

// adaptationSet checks an AdaptationSet and its streams.
func (m *mpd) adaptationSet(period, set *node, base string, length float64) (streams []*stream) {
	list := set.all("Representation")
	if len(list) == 0 {
		m.fail("dash-syntax", m.at(set), "AdaptationSet without a Representation")
	}
	trick := false
	for _, e := range append(set.all("EssentialProperty"), set.all("SupplementalProperty")...) {
		scheme := e.or("schemeIdUri", "")
		trick = trick || scheme == "http://dashif.org/guidelines/trickmode" || strings.HasPrefix(scheme, "http://dashif.org/guidelines/thumbnail_tile") || scheme == "http://dashif.org/thumbnail_tile"
	}
	for _, n := range list {
		r := &representation{node: n, set: set, base: m.baseURL(base, n), id: n.or("id", "")}
		if r.id == "" || strings.ContainsAny(r.id, " \t\n") {
			m.fail("dash-id", m.at(n), "Representation without an @id, or with white space in it")
		}
		if m.ids[r.id] {
			m.fail("dash-id", m.at(n), "two Representations with the id %q", clip(r.id))
		}
		m.ids[r.id] = true
		if r.bandwidth = float64(m.number("dash-syntax", n, "bandwidth", 0)); r.bandwidth <= 0 {
			m.fail("dash-syntax", m.at(n), "Representation without @bandwidth")
		}
		if r.attr("mimeType") == "" {
			m.fail("dash-syntax", m.at(n), "Representation without @mimeType")
		}
		r.codecs = r.attr("codecs")
		for _, parent := range []*node{n, set, period} {
			if t := parent.first("SegmentTemplate"); t != nil {
				r.template = append(r.template, t)
			}
		}
		m.report.Streams++
		if strings.HasPrefix(r.attr("mimeType"), "image/") {
			m.images(r, length)
			continue
		}
		s := m.representation(r, length)
		if s == nil {
			continue
		}
		s.name, s.trick = "representation "+r.id, trick
		m.describe(r, s)
		m.protection(r, s)
		m.continuity(s)
		m.rate(r, s)
		streams = append(streams, s)
	}
	aligned := slices.ContainsFunc([]string{"segmentAlignment", "subsegmentAlignment"}, func(a string) bool { v := set.or(a, "false"); return v != "false" && v != "0" })
	if aligned || !m.onDemand && kindOfSet(set) == string(video) {
		m.aligned(m.at(set), streams)
	}
	return streams
}

// representation reads the segments of a Representation; nil where nothing of it can be read.
func (m *mpd) representation(r *representation, length float64) *stream {
	switch {
	case len(r.template) > 0:
		if m.onDemand {
			m.fail("dash-on-demand", m.at(r.node), "a SegmentTemplate in the on-demand profile")
		}
		return m.templated(r, length)
	case r.node.first("SegmentBase") != nil || r.node.first("SegmentList") == nil && r.set.first("SegmentList") == nil && r.node.first("BaseURL") != nil:
		return m.single(r)
	case r.node.first("SegmentList") != nil:
		return m.listed(r)
	}
	m.fail("dash-syntax", m.at(r.node), "Representation without SegmentTemplate, SegmentBase, SegmentList or BaseURL")
	return nil
}
