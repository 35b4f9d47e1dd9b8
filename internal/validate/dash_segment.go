package validate

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// single reads a Representation of one file: sidecar captions, or one with an index.
func (m *mpd) single(r *representation) *stream {
	at := m.at(r.node)
	if mime := r.attr("mimeType"); mime == "text/vtt" || mime == "application/ttml+xml" || mime == "application/x-sami" {
		f, err := m.src.Open(m.ctx, r.base, 0, -1)
		if err != nil {
			m.missing(at, r.base, err)
			return nil
		}
		defer func() { _ = f.Close() }()
		if mime == "text/vtt" {
			m.readVTT(f, r.base)
		}
		return nil
	}
	if !m.unique(at, r.base, r.id) {
		return nil
	}
	f, err := m.src.Open(m.ctx, r.base, 0, -1)
	if err != nil {
		m.missing(at, r.base, err)
		return nil
	}
	defer func() { _ = f.Close() }()
	all := span{r.base, 0, -1}
	file, err := m.readFMP4(f, all, nil, false)
	if err != nil || file.init == nil || file.out.main() == nil {
		if err == nil {
			m.fail("mp4-fragment", r.base, "there is no fragment in it")
		}
		return nil
	}
	m.keep(all, file.out)
	s := &stream{init: file.init}
	scale := float64(file.out.fragments[0].scale)
	if sb := r.node.first("SegmentBase"); sb != nil {
		m.ranges(sb, file)
		if v, ok := sb.get("presentationTimeOffset"); ok {
			n, _ := strconv.ParseFloat(v, 64)
			s.offset = n / float64(max(m.number("dash-syntax", sb, "timescale", 1), 1))
		}
	} else if m.onDemand && len(file.indexes) == 0 {
		m.fail("dash-on-demand", at, "no index: neither SegmentBase nor sidx")
	}
	if len(file.indexes) == 0 && m.onDemand {
		m.fail("dash-on-demand", at, "%s has no sidx", m.src.Name(r.base))
	}
	// The subsegments of the index, or the fragments, are what players read.
	groups := m.indexed(file)
	for _, g := range groups {
		first, last := g[0], g[len(g)-1]
		t := file.init.track(first.track)
		if t == nil || len(t.entries) == 0 {
			continue
		}
		p := *file.out.of(first.track)
		p.decode, p.end, p.show, p.shown, p.key = first.decode, last.end, first.show, last.shown, first.sync
		var bytes int64
		p.samples = 0
		for _, fr := range g {
			bytes += fr.size
			p.samples += fr.samples
			p.show, p.shown = min(p.show, fr.show), max(p.shown, fr.shown)
		}
		whole := *file.out
		whole.parts, whole.bytes = []*part{&p}, bytes
		s.segments = append(s.segments, placed{
			where: at, name: fmt.Sprintf("%s@%d", m.src.Name(r.base), first.offset), start: float64(first.show) / scale, duration: float64(p.shown-p.show) / scale, segment: &whole,
		})
	}
	return s
}

// ranges checks @indexRange and Initialization of a SegmentBase.
func (m *mpd) ranges(sb *node, file *fmp4) {
	at := m.at(sb)
	if v, ok := sb.get("indexRange"); ok {
		from, to, good := byteSpan(v)
		if !good {
			m.fail("dash-syntax", at, "@indexRange=%q", clip(v))
		} else if len(file.indexes) > 0 && (from != file.indexes[0].begin || to+1 != file.indexes[0].end) {
			m.fail("sidx", at, "@indexRange is %s, and the sidx is at %d-%d", v, file.indexes[0].begin, file.indexes[0].end-1)
		}
	} else if m.onDemand {
		m.fail("dash-on-demand", at, "SegmentBase without @indexRange")
	}
	if i := sb.first("Initialization"); i != nil {
		if v, ok := i.get("range"); ok {
			from, to, good := byteSpan(v)
			if !good {
				m.fail("dash-syntax", m.at(i), "@range=%q", clip(v))
			} else if from != 0 || to+1 < file.moovEnd || len(file.out.fragments) > 0 && to >= file.out.fragments[0].offset {
				m.fail("dash-on-demand", m.at(i), "Initialization@range is %s, and the moov box ends at %d", v, file.moovEnd-1)
			}
		}
	}
}

// byteSpan reads FIRST-LAST.
func byteSpan(s string) (from, to int64, ok bool) {
	a, b, ok := strings.Cut(s, "-")
	from, err1 := strconv.ParseInt(a, 10, 62)
	to, err2 := strconv.ParseInt(b, 10, 62)
	return from, to, ok && err1 == nil && err2 == nil && from <= to
}

// indexed puts the fragments of a file together as its index does, and checks the index against them.
func (m *mpd) indexed(file *fmp4) (groups [][]fragment) {
	where := file.where
	var refs []reference
	at := int64(0)
	if len(file.indexes) > 0 {
		x := file.indexes[0]
		at = x.anchor
		refs = x.references
		if slices.ContainsFunc(refs, func(r reference) bool { return r.index }) {
			refs = nil
			for _, sub := range file.indexes[1:] {
				refs = append(refs, sub.references...)
			}
			if len(file.indexes) > 1 {
				at = file.indexes[1].anchor
			}
		}
		if f := file.out.fragments[0]; at != f.offset {
			m.fail("sidx", where, "its first reference is to byte %d, and the first fragment is at %d", at, f.offset)
		}
	}
	if len(refs) == 0 {
		for _, f := range file.out.fragments {
			groups = append(groups, []fragment{f})
		}
		return groups
	}
	next := 0
	for i, ref := range refs {
		var g []fragment
		size := int64(0)
		for next < len(file.out.fragments) && size < ref.size {
			f := file.out.fragments[next]
			g = append(g, f)
			end := f.offset + f.size
			size = end - at
			next++
		}
		if len(g) == 0 {
			m.fail("sidx", where, "reference %d is behind the last fragment", i+1)
			return groups
		}
		if size != ref.size {
			m.fail("sidx", where, "reference %d has %d bytes, and its fragments %d", i+1, ref.size, size)
			return groups
		}
		at += size
		scale := float64(file.indexes[0].timescale)
		stated, measured := float64(ref.duration)/scale, float64(g[len(g)-1].end-g[0].decode)/float64(g[0].scale)
		shown := float64(g[len(g)-1].shown-max(g[0].show, 0)) / float64(g[0].scale)
		if !near(stated, measured, max(0.002, 1.5/scale)) && !near(stated, shown, max(0.002, 1.5/scale)) {
			m.fail("sidx", where, "reference %d lasts %.4f s, and its fragments %.4f s", i+1, stated, measured)
		}
		if ref.sap && !g[0].sync {
			m.fail("sidx", where, "reference %d begins with a key frame by the index, and by its fragment does not", i+1)
		}
		groups = append(groups, g)
	}
	if next < len(file.out.fragments) {
		m.fail("sidx", where, "%d fragments are not in the index", len(file.out.fragments)-next)
	}
	return groups
}

// unique takes note of what a representation is made of.
func (m *mpd) unique(at, ref, id string) bool {
	if other, ok := m.locations[ref]; ok && other != id {
		m.fail("reference-twice", at, "%s is of representation %s too", m.src.Name(ref), other)
		return false
	}
	m.locations[ref] = id
	return true
}

// templated reads a Representation whose segments are named by a template.
func (m *mpd) templated(r *representation, length float64) *stream {
	at := m.at(r.node)
	s := &stream{}
	pattern, ok := r.segmentTemplate("initialization")
	mp4 := strings.HasSuffix(r.attr("mimeType"), "/mp4")
	if ok {
		name, err := expandTemplate(pattern, r, 0, 0)
		if err != nil {
			m.fail("dash-syntax", at, "@initialization: %v", err)
			return nil
		}
		abs, ok := m.resolve(at, r.base, name)
		if !ok || !m.unique(at, abs, r.id) {
			return nil
		}
		if s.init = m.initOf(at, span{abs, 0, -1}, nil, 0); s.init == nil {
			return nil
		}
	} else if mp4 {
		m.fail("dash-syntax", at, "no @initialization for fragmented MP4")
		return nil
	}
	s.segments = m.addressed(r, s, length)
	for i := range s.segments {
		p := &s.segments[i]
		abs, ok := m.resolve(p.where, r.base, p.name)
		if !ok {
			continue
		}
		if !m.unique(p.where, abs, r.id) {
			continue
		}
		part := span{abs, 0, -1}
		p.name = m.src.Name(abs)
		p.segment = m.dashSegment(p.where, part, s.init)
	}
	m.timeline(s)
	return s
}

// dashSegment reads a segment of fragmented MP4 or captions.
func (m *mpd) dashSegment(at string, part span, init *initSegment) *segment {
	if got, ok := m.segments[part]; ok {
		return got
	}
	m.segments[part] = nil
	f, err := m.src.Open(m.ctx, part.ref, part.offset, part.length)
	if err != nil {
		m.missing(at, part.ref, err)
		return nil
	}
	defer func() { _ = f.Close() }()
	if init == nil {
		return m.keep(part, m.readVTT(f, part.ref))
	}
	file, err := m.readFMP4(f, part, init, false)
	if err != nil {
		return nil
	}
	if file.out.main() == nil {
		m.fail("mp4-fragment", part.String(), "there is no fragment in it")
		return nil
	}
	return m.keep(part, file.out)
}

// addressed lists the segments that a template makes: their names, and their times in ticks.
func (m *mpd) addressed(r *representation, s *stream, length float64) (out []placed) {
	at := m.at(r.node)
	pattern, ok := r.segmentTemplate("media")
	if !ok {
		m.fail("dash-syntax", at, "SegmentTemplate without @media")
		return nil
	}
	integer := func(name string, absent int64) int64 {
		v, ok := r.segmentTemplate(name)
		if !ok {
			return absent
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			m.fail("dash-syntax", at, "SegmentTemplate@%s=%q is no number", name, clip(v))
			return absent
		}
		return n
	}
	scale, number, offset := integer("timescale", 1), integer("startNumber", 1), integer("presentationTimeOffset", 0)
	if scale <= 0 {
		m.fail("dash-syntax", at, "SegmentTemplate@timescale=%d", scale)
		return nil
	}
	if s != nil {
		s.offset, s.scale = float64(offset)/float64(scale), scale
	}
	var timeline *node
	for _, t := range r.template {
		if x := t.first("SegmentTimeline"); x != nil {
			timeline = x
			break
		}
	}
	add := func(where string, time, duration int64) bool {
		if len(out) >= maxReferences {
			m.fail("dash-syntax", where, "more than %d segments", maxReferences)
			return false
		}
		name, err := expandTemplate(pattern, r, number+int64(len(out)), time)
		if err != nil {
			m.fail("dash-syntax", at, "@media: %v", err)
			return false
		}
		out = append(out, placed{where: where, name: name, start: float64(time) / float64(scale), duration: float64(duration) / float64(scale), ticks: time, length: duration})
		return true
	}
	if timeline == nil {
		d := integer("duration", 0)
		if d <= 0 {
			m.fail("dash-syntax", at, "SegmentTemplate with neither @duration nor a SegmentTimeline")
			return nil
		}
		if length <= 0 {
			m.fail("dash-duration", at, "how long the Period is cannot be told, and with it not how many segments there are")
			return nil
		}
		// A rounding of the duration makes no segment of its own.
		for i := range int64(math.Ceil(length*float64(scale)/float64(d) - 0.01)) {
			if !add(at, i*d+offset, d) {
				break
			}
		}
		if s != nil {
			s.nominal = true
		}
		return out
	}
	time := int64(0)
	list := timeline.all("S")
	if len(list) == 0 {
		m.fail("dash-timeline", m.at(timeline), "an empty SegmentTimeline")
	}
	for i, x := range list {
		if t := m.number("dash-syntax", x, "t", -1); t >= 0 {
			if i > 0 && t != time {
				m.fail("dash-timeline", m.at(x), "S@t=%d, and the one before ends at %d", t, time)
			}
			time = t
		} else if i == 0 {
			time = 0
		}
		d, repeat := m.number("dash-syntax", x, "d", 0), m.number("dash-syntax", x, "r", 0)
		if d <= 0 {
			m.fail("dash-timeline", m.at(x), "S without @d")
			return out
		}
		if repeat < 0 {
			repeat = int64(math.Ceil((length*float64(scale)+float64(offset)-float64(time))/float64(d))) - 1
		}
		for range min(repeat, maxReferences) + 1 {
			if !add(m.at(x), time, d) {
				return out
			}
			time += d
		}
	}
	return out
}

// expandTemplate fills a template in, ISO/IEC 23009-1 5.3.9.4.4.
func expandTemplate(pattern string, r *representation, number, time int64) (string, error) {
	var out strings.Builder
	parts := strings.Split(pattern, "$")
	if len(parts)%2 == 0 {
		return "", fmt.Errorf("%q has a single $", clip(pattern))
	}
	for i, p := range parts {
		if i%2 == 0 {
			out.WriteString(p)
			continue
		}
		name, format, has := strings.Cut(p, "%")
		width := 1
		if has {
			digits, ok := strings.CutSuffix(format, "d")
			n, err := strconv.Atoi(strings.TrimPrefix(digits, "0"))
			if !ok || err != nil || !strings.HasPrefix(digits, "0") || n < 1 || n > 64 {
				return "", fmt.Errorf("%q is no format", clip(p))
			}
			width = n
		}
		switch name {
		case "":
			out.WriteByte('$')
		case "RepresentationID":
			out.WriteString(url.PathEscape(r.id))
		case "Number":
			fmt.Fprintf(&out, "%0*d", width, number)
		case "Time":
			fmt.Fprintf(&out, "%0*d", width, time)
		case "Bandwidth":
			fmt.Fprintf(&out, "%0*.0f", width, r.bandwidth)
		default:
			return "", fmt.Errorf("%q is nothing that can be filled in", clip(p))
		}
	}
	return out.String(), nil
}

// listed reads a SegmentList.
func (m *mpd) listed(r *representation) *stream {
	list := r.node.first("SegmentList")
	at := m.at(list)
	s := &stream{scale: max(m.number("dash-syntax", list, "timescale", 1), 1)}
	if i := list.first("Initialization"); i != nil {
		part, ok := m.referenced(r, i, "sourceURL", "range")
		if !ok {
			return nil
		}
		if s.init = m.initOf(m.at(i), part, nil, 0); s.init == nil {
			return nil
		}
	} else {
		m.fail("dash-syntax", at, "SegmentList without Initialization")
		return nil
	}
	d := m.number("dash-syntax", list, "duration", 0)
	for i, u := range list.all("SegmentURL") {
		part, ok := m.referenced(r, u, "media", "mediaRange")
		if !ok {
			continue
		}
		s.segments = append(s.segments, placed{
			where: m.at(u), name: m.src.Name(part.String()), start: float64(int64(i)*d) / float64(s.scale), duration: float64(d) / float64(s.scale), ticks: int64(i) * d, length: d,
			segment: m.dashSegment(m.at(u), part, s.init),
		})
	}
	s.nominal = true
	m.timeline(s)
	return s
}

func (m *mpd) referenced(r *representation, n *node, file, bytes string) (span, bool) {
	abs := r.base
	if v, ok := n.get(file); ok {
		if abs, ok = m.resolve(m.at(n), r.base, v); !ok {
			return span{}, false
		}
	}
	part := span{abs, 0, -1}
	if v, ok := n.get(bytes); ok {
		from, to, good := byteSpan(v)
		if !good {
			m.fail("dash-syntax", m.at(n), "@%s=%q", bytes, clip(v))
			return span{}, false
		}
		part = span{abs, from, to - from + 1}
	}
	return part, true
}

// timeline compares the times of a template with those of the fragments.
func (m *mpd) timeline(s *stream) {
	for i := range s.segments {
		p := &s.segments[i]
		if p.segment == nil || s.init == nil {
			continue
		}
		part := p.main()
		if part == nil || part.scale == 0 {
			continue
		}
		// The timeline is that of presentation times before the edit list, which for sound and for decode times that begin at 0 are those of tfdt.
		t := s.init.track(part.id)
		stated := float64(p.ticks) / float64(s.scale)
		decode, show := part.seconds(part.decode), part.seconds(part.show+t.shift)
		sample := max(part.seconds(part.longest), 0.001)
		if s.nominal {
			// With @duration, segments may be half as long again or half as short (5.3.9.2), and drift with it no further.
			if !near(stated, part.seconds(part.show)+s.offset-m.origin(s), p.duration/2+sample) {
				m.fail("dash-timeline", p.where, "%s begins at %.4f s, and by @duration at %.4f s", p.name, part.seconds(part.show), stated)
			}
			continue
		}
		if !near(stated, decode, sample/2) && !near(stated, show, sample/2) && !near(stated, part.seconds(part.show), sample/2) {
			m.fail("dash-timeline", p.where, "%s begins at %.4f s (tfdt %.4f s), and by the timeline at %.4f s", p.name, show, decode, stated)
		}
		if d, ok := s.measured(i); ok && !near(p.duration, d, sample) && !near(p.duration, part.seconds(part.end-part.decode), sample) {
			m.fail("dash-timeline", p.where, "%s lasts %.4f s, and by the timeline %.4f s", p.name, d, p.duration)
		}
	}
}

// origin is where the first segment begins.
func (m *mpd) origin(s *stream) float64 {
	for _, p := range s.segments {
		if p.segment != nil && p.main() != nil {
			return p.main().seconds(p.main().show) - p.start + s.offset
		}
	}
	return 0
}
