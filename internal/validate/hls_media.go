package validate

import (
	"errors"
	"io"
	"math"
	"net/url"
	"path"
	"slices"
	"strings"
)

// segmentKind is the container of a segment.
type segmentKind int

// mediaPlaylist checks a media playlist and reads its segments.
func (c *checker) mediaPlaylist(ref string, p *playlist, k kind) *stream {
	c.report.Streams++
	s := &stream{name: c.src.Name(ref), playlist: p}
	if len(p.segments) == 0 {
		c.fail("hls-tag", ref, "a media playlist without segments")
		return s
	}
	if p.kind == "" && !p.ended {
		c.fail("hls-end", ref, "neither EXT-X-ENDLIST nor a playlist type: a player takes it for live")
	}
	if p.images {
		c.imagePlaylist(ref, p, s)
		return s
	}
	start := 0.0
	named := map[span]int{}
	for _, h := range p.segments {
		at := line(ref, h.line)
		if p.hasTarget && math.Round(h.duration) > p.target {
			c.fail("hls-target-duration", at, "EXTINF of %g s, and EXT-X-TARGETDURATION is %g", h.duration, p.target)
		}
		abs, ok := c.resolve(at, ref, h.uri)
		place := placed{where: at, start: start, duration: h.duration, discontinuity: h.discontinuity}
		start += h.duration
		if ok {
			part := span{abs, 0, -1}
			if h.ranged {
				part = span{abs, h.offset, h.size}
			}
			place.name = c.src.Name(part.String())
			if before, twice := named[part]; twice {
				c.fail("reference-twice", at, "line %d names it too", before)
			}
			named[part] = h.line
			place.segment = c.hlsSegment(ref, p, &h, part, s, k)
		}
		s.segments = append(s.segments, place)
	}
	c.dates(ref, p)
	if p.iframes {
		c.iframes(s)
		return s
	}
	c.continuity(s)
	c.extinf(s)
	return s
}

// hlsSegment reads a segment of a media playlist.
func (c *checker) hlsSegment(ref string, p *playlist, h *hlsSegment, part span, s *stream, k kind) *segment {
	at := line(ref, h.line)
	var init *initSegment
	if h.init != nil {
		m := h.init
		abs, ok := c.resolve(line(ref, m.line), ref, m.uri)
		if !ok {
			return nil
		}
		of := span{abs, 0, -1}
		if m.ranged {
			of = span{abs, m.offset, m.size}
		}
		if init = c.initOf(line(ref, m.line), of, m.key, h.number); init == nil {
			return nil
		}
		if s.init == nil {
			s.init = init
		}
	}
	if got, ok := c.segments[part]; ok {
		return c.declared(at, h, got)
	}
	c.segments[part] = nil
	raw, err := c.src.Open(c.ctx, part.ref, part.offset, part.length)
	if err != nil {
		c.missing(at, part.ref, err)
		return nil
	}
	defer func() { _ = raw.Close() }()
	counted := &counting{r: raw}
	var r io.Reader = counted
	name := part.String()
	if i := slices.IndexFunc(h.key, func(k hlsKey) bool { return k.method == "AES-128" }); i >= 0 {
		key := h.key[i]
		value, ok := c.keyOf(ref, key.uri)
		if !ok {
			n, err := io.Copy(io.Discard, counted)
			switch {
			case err != nil:
				c.missing(at, part.ref, err)
				return nil
			case n == 0 || n%16 != 0:
				c.fail("encryption-padding", at, "%s has %d bytes, not whole blocks", c.src.Name(name), n)
			}
			c.note("encryption-padding", ref, "its segments are encrypted as a whole, and there is no key for them: --key %s:FILE", clip(key.uri))
			out := &segment{where: name, bytes: n, opaque: true}
			return c.keep(part, out)
		}
		iv := key.iv
		if iv == nil {
			iv = sequenceIV(h.number)
		}
		if r, err = newCBCReader(counted, value, iv); err != nil {
			c.fail("hls-key", at, "%v", err)
			return nil
		}
	}
	out, err := c.container(r, name, h, init, part, p.iframes)
	if errors.Is(err, errPadding) || errors.Is(err, errBlocks) {
		c.fail("encryption-padding", at, "%s: %v", c.src.Name(name), err)
		return nil
	}
	if err != nil {
		c.fail("reference", at, "%s cannot be read: %s", c.src.Name(name), failure(err))
		return nil
	}
	if out == nil {
		return nil
	}
	out.bytes = counted.n
	if part.length >= 0 && counted.n < part.length && !p.iframes {
		c.fail("reference", at, "%s has %d bytes, not %d", c.src.Name(name), counted.n, part.length)
	}
	if k == caption || out.cues != nil {
		s.captions = true
	}
	return c.declared(at, h, c.keep(part, out))
}

// keep remembers what a part of a file was measured to be.
func (c *checker) keep(part span, s *segment) *segment {
	c.report.Segments++
	c.report.Bytes += s.bytes
	c.segments[part] = s
	return s
}

// keyOf finds the key of a whole-segment encryption: by the URI as it is written, or as it resolves.
func (c *checker) keyOf(ref, uri string) ([]byte, bool) {
	if k, ok := c.key(uri); ok {
		return k.Reveal(), true
	}
	if abs, err := c.src.Resolve(ref, uri); err == nil {
		if k, ok := c.key(abs); ok {
			return k.Reveal(), true
		}
	}
	return nil, false
}

// container reads a segment in the container that it is in. An error of the decryption below is returned.
func (c *checker) container(r io.Reader, name string, h *hlsSegment, init *initSegment, part span, iframes bool) (*segment, error) {
	peek := make([]byte, 12)
	n, err := io.ReadFull(r, peek)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	peek = peek[:n]
	caught := &catching{r: io.MultiReader(strings.NewReader(string(peek)), r)}
	var out *segment
	switch sniff(peek, h.uri, init != nil) {
	case inMP4:
		if init == nil {
			c.fail("hls-map", name, "fragmented MP4 without an EXT-X-MAP")
			return nil, nil
		}
		f, err := c.readFMP4(caught, part, init, iframes)
		if err == nil && f.out.main() != nil {
			out = f.out
		} else if err == nil {
			c.fail("mp4-fragment", name, "there is no fragment in it")
		}
	case inTS:
		out = c.readTS(caught, name, iframes)
	case inVTT:
		out = c.readVTT(caught, name)
	case inPacked:
		out = c.readPacked(caught, name)
	default:
		c.fail("hls-syntax", name, "it is no transport stream, fragmented MP4, packed audio or WebVTT")
	}
	if caught.err != nil {
		return nil, caught.err
	}
	_, err = io.Copy(io.Discard, caught.r)
	return out, err
}

// catching keeps an error other than the end.
type catching struct {
	r   io.Reader
	err error
}

func (c *catching) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// sniff tells containers apart by their first bytes.
func sniff(b []byte, uri string, mapped bool) segmentKind {
	text := strings.TrimPrefix(string(b), "\ufeff")
	switch {
	case strings.HasPrefix(text, "WEBVTT"):
		return inVTT
	case strings.HasPrefix(text, "ID3"), len(b) > 1 && b[0] == 0xff && b[1]&0xf6 == 0xf0, len(b) > 1 && b[0] == 0x0b && b[1] == 0x77:
		return inPacked
	case len(b) >= 8 && slices.Contains([]string{"ftyp", "styp", "moof", "sidx", "moov", "emsg", "prft", "mdat", "free"}, string(b[4:8])):
		return inMP4
	case len(b) > 0 && b[0] == 0x47:
		return inTS
	}
	name := uri
	if u, err := url.Parse(uri); err == nil {
		name = u.Path
	}
	switch ext := path.Ext(name); {
	case ext == ".ts":
		return inTS
	case ext == ".vtt" || ext == ".webvtt":
		return inVTT
	case mapped:
		return inMP4
	case ext == ".aac" || ext == ".ac3" || ext == ".ec3":
		return inPacked
	}
	return 0
}

// initOf reads an initialization segment, once.
func (c *checker) initOf(at string, part span, keys []hlsKey, number int64) *initSegment {
	if i, ok := c.inits[part]; ok {
		return i
	}
	c.inits[part] = nil
	b, err := read(c.ctx, c.src, part, maxMetadata)
	if err != nil {
		c.missing(at, part.ref, err)
		return nil
	}
	for _, k := range keys {
		if k.method == "AES-128" {
			value, ok := c.keyOf(at, k.uri)
			if !ok {
				c.note("encryption-padding", at, "the initialization segment is encrypted, and there is no key for it")
				return nil
			}
			iv := k.iv
			if iv == nil {
				iv = sequenceIV(number)
			}
			r, err := newCBCReader(strings.NewReader(string(b)), value, iv)
			if err == nil {
				b, err = io.ReadAll(r)
			}
			if err != nil {
				c.fail("encryption-padding", at, "the initialization segment: %v", err)
				return nil
			}
		}
	}
	c.inits[part] = c.parseInit(part.String(), b)
	return c.inits[part]
}

// parseInit reads an initialization segment in memory. Of a whole file, what is behind the moov box is not looked at.
func (c *checker) parseInit(name string, b []byte) *initSegment {
	list, err := boxes(b)
	moov, ok := find(list, "moov")
	if !ok {
		if err != nil {
			c.fail("mp4-box", name, "%v", err)
		}
		c.fail("mp4-init", name, "it has no moov box")
		return nil
	}
	if _, ok := find(list, "ftyp"); !ok {
		c.fail("mp4-init", name, "it has no ftyp box")
	}
	return c.moov(name, moov.body)
}

// declared compares the encryption of a segment with what its EXT-X-KEY says.
func (c *checker) declared(at string, h *hlsSegment, s *segment) *segment {
	if s == nil || s.opaque {
		return s
	}
	method := "NONE"
	if len(h.key) > 0 {
		method = h.key[0].method
	}
	for _, k := range h.key {
		if k.method != method {
			c.fail("hls-key", at, "two methods of encryption for one segment: %s and %s", method, k.method)
		}
	}
	for _, p := range s.parts {
		if p.facts.kind == data || p.facts.kind == caption {
			continue
		}
		is := "NONE"
		if p.protected > 0 {
			is = map[string]string{"cbcs": "SAMPLE-AES", "SAMPLE-AES": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}[p.scheme]
		}
		switch {
		case method == "AES-128" && is != "NONE":
			c.fail("encryption-declared", at, "METHOD=AES-128, and the %s inside is encrypted by %s", p.facts.kind, p.scheme)
		case method == "AES-128":
		case is != method && (is != "NONE" || p.scheme != ""):
			if is == "NONE" && method != "NONE" && p.unprotected > 0 {
				c.fail("encryption-declared", at, "METHOD=%s, and the %s is clear", method, p.facts.kind)
			} else {
				c.fail("encryption-declared", at, "METHOD=%s, and the %s is encrypted by %s", method, p.facts.kind, or(p.scheme, "nothing"))
			}
		case is != method && method != "NONE":
			c.fail("encryption-declared", at, "METHOD=%s, and the %s is clear", method, p.facts.kind)
		}
		if len(p.constantIV) > 0 && len(h.key) > 0 && h.key[0].iv != nil && string(h.key[0].iv) != string(p.constantIV) {
			c.fail("encryption-declared", at, "IV=0x%x, and tenc says %x", h.key[0].iv, p.constantIV)
		}
	}
	return s
}

// extinf compares the stated durations with the measured ones.
func (c *checker) extinf(s *stream) {
	var stated, measured float64
	for i := range s.segments {
		p := &s.segments[i]
		d, ok := s.measured(i)
		if !ok {
			return
		}
		m := p.main()
		// A sample is what players bear, and what is written is rounded; the last segment ends where its picture or its sound ends.
		tolerance := m.seconds(m.longest) + 0.001
		if s.playlist.segments[i].whole {
			tolerance = max(tolerance, 1)
		}
		if i == len(s.segments)-1 {
			for _, other := range p.parts {
				d = max(d, other.seconds(other.shown)-m.seconds(m.show))
			}
			if got, _ := s.measured(i); near(p.duration, got, tolerance) {
				d = p.duration
			}
		}
		if !m.estimated && near(p.duration, m.seconds(m.end-m.decode), 0.001) {
			d = p.duration // the duration of what is decoded will do
		}
		if !near(p.duration, d, tolerance) {
			c.fail("hls-extinf", p.where, "EXTINF of %g s, and %s lasts %.4f s", p.duration, p.name, d)
		}
		stated, measured = stated+p.duration, measured+d
		if !near(stated, measured, max(2*tolerance, 0.5*boolTo(s.playlist.segments[i].whole))) {
			c.fail("hls-extinf", p.where, "the durations up to here are %.4f s together, and the media %.4f s", stated, measured)
			return
		}
	}
}

func boolTo(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// dates checks that dates grow as durations do.
func (c *checker) dates(ref string, p *playlist) {
	last := -1
	passed := 0.0
	for i, h := range p.segments {
		if h.discontinuity {
			last = -1
		}
		if !h.date.IsZero() {
			if last >= 0 {
				if d := h.date.Sub(p.segments[last].date).Seconds(); !near(d, passed, max(0.1, 0.001*passed)) && !(h.whole && near(d, passed, float64(i-last))) {
					c.fail("hls-date-time", line(ref, h.line), "EXT-X-PROGRAM-DATE-TIME is %.3f s behind the one before, and the durations between are %.3f s", d, passed)
				}
			}
			last, passed = i, 0
		}
		passed += h.duration
	}
}

// iframes checks an I-frame playlist: each range begins with a key frame and lasts to the next one.
func (c *checker) iframes(s *stream) {
	for i, p := range s.segments {
		if p.segment == nil || p.opaque {
			continue
		}
		m := p.main()
		if m == nil || m.facts.kind != video || m.samples == 0 {
			c.fail("hls-iframe", p.where, "%s has no picture", p.name)
			continue
		}
		if !m.key {
			c.fail("hls-iframe", p.where, "%s does not begin with a key frame", p.name)
		}
		if i+1 >= len(s.segments) || s.segments[i+1].segment == nil || s.segments[i+1].discontinuity {
			continue
		}
		if next := s.segments[i+1].of(m.id); next != nil && m.scale == next.scale {
			if d := m.seconds(next.show - m.show); !near(d, p.duration, max(2*m.seconds(m.longest), 0.05)) && !s.playlist.segments[i].whole {
				c.fail("hls-iframe", p.where, "EXTINF of %g s, and the next key frame is shown %.4f s later", p.duration, d)
			}
		}
	}
}
