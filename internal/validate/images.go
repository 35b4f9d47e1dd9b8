package validate

import (
	"image/jpeg"
	"io"
	"strconv"
	"strings"
)

// jpegSize is the size of a picture that is there, read from its head.
func (c *checker) jpegSize(at, ref string) (width, height int, ok bool) {
	f, err := c.src.Open(c.ctx, ref, 0, -1)
	if err != nil {
		c.missing(at, ref, err)
		return 0, 0, false
	}
	defer func() { _ = f.Close() }()
	counted := &counting{r: io.LimitReader(f, maxMetadata)}
	conf, err := jpeg.DecodeConfig(counted)
	if err != nil {
		c.fail("image", at, "%s is no JPEG: %s", c.src.Name(ref), failure(err))
		return 0, 0, false
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		c.fail("reference", at, "%s cannot be read: %s", c.src.Name(ref), failure(err))
		return 0, 0, false
	}
	c.report.Segments++
	c.report.Bytes += counted.n
	return conf.Width, conf.Height, true
}

// imagePlaylist checks a playlist of tiles.
func (c *checker) imagePlaylist(ref string, p *playlist, s *stream) {
	start := 0.0
	for _, h := range p.segments {
		at := line(ref, h.line)
		place := placed{where: at, start: start, duration: h.duration}
		start += h.duration
		if most := h.tiles.duration * float64(h.tiles.columns*h.tiles.rows); h.tiles.columns > 0 && h.duration > most*1.01+0.001 {
			c.fail("image", at, "EXTINF of %g s, and its tiles last %g s together", h.duration, most)
		}
		if abs, ok := c.resolve(at, ref, h.uri); ok {
			place.name = c.src.Name(abs)
			w, y, ok := c.jpegSize(at, abs)
			if ok && h.tiles.columns == 0 { // one picture alone
				place.width, place.height = w, y
			}
			if ok && h.tiles.columns > 0 && (w != h.tiles.columns*h.tiles.width || y != h.tiles.rows*h.tiles.height) {
				c.fail("image", at, "%s is %dx%d, and EXT-X-TILES says %dx%d tiles of %dx%d", place.name, w, y, h.tiles.columns, h.tiles.rows, h.tiles.width, h.tiles.height)
			}
		}
		s.segments = append(s.segments, place)
	}
}

// imageStream checks what a multivariant playlist says of an image playlist.
func (c *checker) imageStream(at string, v *hlsVariant, s *stream) {
	if len(v.codecs) != 1 || v.codecs[0] != "jpeg" {
		c.fail("hls-codecs", at, "CODECS of an image playlist is %q, not jpeg", clip(strings.Join(v.codecs, ",")))
	}
	if s.playlist == nil {
		return
	}
	for i, h := range s.playlist.segments {
		if t := h.tiles; t.columns > 0 && v.width > 0 && (t.width != v.width || t.height != v.height) {
			c.fail("image", at, "RESOLUTION=%dx%d, and the tiles are %dx%d", v.width, v.height, t.width, t.height)
			return
		}
		if i < len(s.segments) && v.width > 0 {
			if p := s.segments[i]; p.width > 0 && (p.width != v.width || p.height != v.height) {
				c.fail("image", at, "RESOLUTION=%dx%d, and %s is %dx%d", v.width, v.height, p.name, p.width, p.height)
				return
			}
		}
	}
}

// images checks that the pictures of a representation are there, and of what size they are.
func (m *mpd) images(r *representation, length float64) {
	for _, p := range m.addressed(r, nil, length) {
		abs, ok := m.resolve(p.where, r.base, p.name)
		if !ok {
			continue
		}
		w, h, ok := m.jpegSize(p.where, abs)
		if ok && (r.attr("width") != strconv.Itoa(w) || r.attr("height") != strconv.Itoa(h)) {
			m.fail("image", p.where, "@width and @height are %sx%s, and %s is %dx%d", clip(r.attr("width")), clip(r.attr("height")), m.src.Name(abs), w, h)
		}
	}
	tiled := false
	for _, e := range append(r.node.all("EssentialProperty"), r.set.all("EssentialProperty")...) {
		if strings.HasPrefix(e.or("schemeIdUri", ""), "http://dashif.org/") && strings.HasSuffix(e.or("schemeIdUri", ""), "thumbnail_tile") {
			_, _, tiled = pair(e.or("value", ""))
		}
	}
	if !tiled {
		m.fail("image", m.at(r.node), "pictures without the layout of their tiles (EssentialProperty thumbnail_tile)")
	}
}
