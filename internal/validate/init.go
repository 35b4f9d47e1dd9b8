package validate

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/Eyevinn/mp4ff/av1"
)

// initSegment is what a moov box says.
type initSegment struct {
	where    string
	tracks   []*mp4Track
	pssh     []pssh
	duration float64 // mehd, in seconds
	any      bool    // its one track stands for whatever the fragments have: there is no moov box
}

func (s *initSegment) track(id uint32) *mp4Track {
	for _, t := range s.tracks {
		if t.id == id || s.any {
			return t
		}
	}
	return nil
}

// mp4Track is a track of fragmented MP4.
type mp4Track struct {
	id        uint32
	timescale uint32
	handler   string
	entries   []sampleEntry
	// shift is what is subtracted from composition times: the media_time of the edit list, less the length of an empty edit.
	shift int64
	// Defaults of trex.
	description, duration, size, flags uint32
}

// sampleEntry is a sample description.
type sampleEntry struct {
	facts
	box        string // as it stands in stsd: encv for an encrypted avc1
	lengthSize int    // of NAL units
	scheme     string // cenc, cbcs, cens, cbc1, piff; "" for none
	tenc       *tenc
	av1        *av1.SequenceHeader
}

// tenc are the defaults of a track's encryption, ISO/IEC 23001-7 8.2, also those of a seig group.
type tenc struct {
	protected   bool
	crypt, skip byte
	ivSize      byte
	kid         [16]byte
	constant    []byte
}

func (t *tenc) id() string { return hex.EncodeToString(t.kid[:]) }

// pssh is a protection system specific header.
type pssh struct {
	system string
	kids   []string
	data   []byte
}

var (
	piffTenc = [16]byte{0x89, 0x74, 0xdb, 0xce, 0x7b, 0xe7, 0x4c, 0x51, 0x84, 0xf9, 0x71, 0x48, 0xf9, 0x88, 0x25, 0x54}
	piffSenc = [16]byte{0xa2, 0x39, 0x4f, 0x52, 0x5a, 0x9b, 0x4f, 0x14, 0xa2, 0x44, 0x6c, 0x42, 0x7c, 0x64, 0x8d, 0xf4}
	piffPssh = [16]byte{0xd0, 0x8a, 0x4f, 0x18, 0x10, 0xf3, 0x4a, 0x82, 0xb6, 0xc8, 0x32, 0xd8, 0xab, 0xa1, 0x83, 0xd3}
	tfxdUUID = [16]byte{0x6d, 0x1d, 0x9b, 0x05, 0x42, 0xd5, 0x44, 0xe6, 0x80, 0xe2, 0x14, 0x1d, 0xaf, 0xf7, 0x57, 0xb2}
)

// moov reads a movie box.
func (c *checker) moov(where string, body []byte) *initSegment {
	list, err := boxes(body)
	if err != nil {
		c.fail("mp4-box", where, "moov: %v", err)
		return nil
	}
	out := &initSegment{where: where}
	movieScale := uint32(1)
	if b, ok := find(list, "mvhd"); ok {
		r := &cursor{b: b.body}
		if v, _ := r.full(); v == 1 {
			r.skip(16)
		} else {
			r.skip(8)
		}
		movieScale = max(r.u32(), 1)
		if r.err != nil {
			c.fail("mp4-init", where, "mvhd: %v", r.err)
		}
	} else {
		c.fail("mp4-init", where, "moov has no mvhd")
	}
	for _, b := range list {
		switch b.kind {
		case "trak":
			if t := c.trak(where, b.body, movieScale); t != nil {
				if out.track(t.id) != nil {
					c.fail("mp4-init", where, "track %d is there twice", t.id)
				}
				out.tracks = append(out.tracks, t)
			}
		case "pssh":
			c.pssh(where, out, b.body)
		case "uuid":
			if b.uuid == piffPssh {
				c.pssh(where, out, b.body)
			}
		}
	}
	if len(out.tracks) == 0 {
		c.fail("mp4-init", where, "moov has no track")
		return nil
	}
	mvex, ok := find(list, "mvex")
	if !ok {
		c.fail("mp4-init", where, "moov has no mvex: its movie is not fragmented")
		return out
	}
	inner, err := boxes(mvex.body)
	if err != nil {
		c.fail("mp4-box", where, "mvex: %v", err)
	}
	found := map[uint32]bool{}
	for _, b := range inner {
		r := &cursor{b: b.body}
		switch b.kind {
		case "trex":
			r.full()
			id := r.u32()
			t := out.track(id)
			found[id] = true
			if t == nil {
				c.fail("mp4-init", where, "trex of track %d, which is not there", id)
				continue
			}
			t.description, t.duration, t.size, t.flags = r.u32(), r.u32(), r.u32(), r.u32()
		case "mehd":
			v, _ := r.full()
			d := uint64(0)
			if v == 1 {
				d = r.u64()
			} else {
				d = uint64(r.u32())
			}
			out.duration = float64(d) / float64(movieScale)
		}
		if r.err != nil {
			c.fail("mp4-init", where, "%s: %v", b.kind, r.err)
		}
	}
	for _, t := range out.tracks {
		if !found[t.id] {
			c.fail("mp4-init", where, "track %d has no trex", t.id)
		}
	}
	c.psshKeys(where, out)
	return out
}

// psshKeys checks that the key identifiers of protection headers are those of tracks.
func (c *checker) psshKeys(where string, s *initSegment) {
	used := map[string]bool{}
	for _, t := range s.tracks {
		for _, e := range t.entries {
			if e.tenc != nil {
				used[e.tenc.id()] = true
			}
		}
	}
	if len(used) == 0 && len(s.pssh) > 0 {
		c.warn("cenc-pssh", where, "there is a pssh box and no encrypted track")
	}
}

// pssh reads a protection system specific header box.
func (c *checker) pssh(where string, s *initSegment, body []byte) {
	p, err := parsePSSH(body)
	if err != nil {
		c.fail("cenc-pssh", where, "pssh: %v", err)
		return
	}
	s.pssh = append(s.pssh, p)
}

// parsePSSH reads the content of a pssh box.
func parsePSSH(body []byte) (pssh, error) {
	r := &cursor{b: body}
	version, _ := r.full()
	p := pssh{system: hex.EncodeToString(r.take(16))}
	if version > 1 {
		return p, fmt.Errorf("version %d", version)
	}
	if version == 1 {
		for range r.count(16) {
			p.kids = append(p.kids, hex.EncodeToString(r.take(16)))
		}
	}
	p.data = r.take(r.count(1))
	if r.err != nil {
		return p, r.err
	}
	if r.left() > 0 {
		return p, fmt.Errorf("%d bytes behind its data", r.left())
	}
	return p, nil
}

// walk follows names into boxes.
func walk(list []box, names ...string) (box, []box, bool) {
	var b box
	for _, n := range names {
		var ok bool
		if b, ok = find(list, n); !ok {
			return box{}, nil, false
		}
		if inner, err := boxes(b.body); err == nil {
			list = inner
		} else {
			list = nil
		}
	}
	return b, list, true
}

func (c *checker) trak(where string, body []byte, movieScale uint32) *mp4Track {
	list, err := boxes(body)
	if err != nil {
		c.fail("mp4-box", where, "trak: %v", err)
		return nil
	}
	t := &mp4Track{}
	var width, height uint32
	if b, ok := find(list, "tkhd"); ok {
		r := &cursor{b: b.body}
		if v, _ := r.full(); v == 1 {
			r.skip(16)
			t.id = r.u32()
			r.skip(12)
		} else {
			r.skip(8)
			t.id = r.u32()
			r.skip(8)
		}
		r.skip(16 + 36)
		width, height = r.u32()>>16, r.u32()>>16
		if r.err != nil {
			c.fail("mp4-init", where, "tkhd: %v", r.err)
			return nil
		}
	}
	if t.id == 0 {
		c.fail("mp4-init", where, "a track without a tkhd or with the identifier 0")
		return nil
	}
	mdhd, _, ok := walk(list, "mdia", "mdhd")
	language := ""
	if ok {
		r := &cursor{b: mdhd.body}
		if v, _ := r.full(); v == 1 {
			r.skip(16)
			t.timescale = r.u32()
			r.skip(8)
		} else {
			r.skip(8)
			t.timescale = r.u32()
			r.skip(4)
		}
		l := r.u16()
		language = string([]byte{byte(l>>10&31) + 0x60, byte(l>>5&31) + 0x60, byte(l&31) + 0x60})
	}
	if t.timescale == 0 {
		c.fail("mp4-init", where, "track %d has no mdhd with a timescale", t.id)
		return nil
	}
	if hdlr, _, ok := walk(list, "mdia", "hdlr"); ok {
		r := &cursor{b: hdlr.body}
		r.skip(8)
		t.handler = r.str()
	}
	stsd, _, ok := walk(list, "mdia", "minf", "stbl", "stsd")
	if !ok {
		c.fail("mp4-init", where, "track %d has no stsd", t.id)
		return nil
	}
	r := &cursor{b: stsd.body}
	r.full()
	n := r.u32()
	entries, err := boxes(r.rest())
	if err != nil || r.err != nil || int(n) != len(entries) || n == 0 {
		c.fail("mp4-init", where, "track %d: stsd says %d entries and has %d", t.id, n, len(entries))
	}
	for _, b := range entries {
		e, err := c.sampleEntry(where, b)
		if err != nil {
			c.fail("mp4-init", where, "track %d, sample entry %q: %v", t.id, printable(b.kind), err)
			continue
		}
		e.language = language
		if e.kind == video && width > 0 && height > 0 && (e.width == 0 || e.height == 0) {
			e.width, e.height = int(width), int(height)
		}
		t.entries = append(t.entries, e)
	}
	if len(t.entries) == 0 {
		return nil
	}
	t.edits(list, movieScale, c, where)
	return t
}

// edits reads the edit list: an empty edit and one that plays all of it.
func (t *mp4Track) edits(list []box, movieScale uint32, c *checker, where string) {
	b, _, ok := walk(list, "edts", "elst")
	if !ok {
		return
	}
	r := &cursor{b: b.body}
	v, _ := r.full()
	size := 12
	if v == 1 {
		size = 20
	}
	for range r.count(size) {
		var d, at int64
		if v == 1 {
			d, at = int64(r.u64()), int64(r.u64())
		} else {
			d, at = int64(r.u32()), int64(int32(r.u32()))
		}
		if rate := r.u32(); rate != 0x10000 {
			c.fail("mp4-init", where, "track %d: an edit with rate %#x", t.id, rate)
		}
		if at == -1 {
			t.shift -= d * int64(t.timescale) / int64(movieScale)
		} else {
			t.shift += at
		}
	}
	if r.err != nil {
		c.fail("mp4-init", where, "elst: %v", r.err)
	}
}

// visual and audible are the sample entries that are known.
var (
	visual  = map[string]bool{"avc1": true, "avc3": true, "hvc1": true, "hev1": true, "av01": true, "encv": true}
	audible = map[string]bool{"mp4a": true, "ac-3": true, "ec-3": true, "enca": true}
)

func (c *checker) sampleEntry(where string, b box) (sampleEntry, error) {
	e := sampleEntry{box: b.kind, facts: facts{sampleEntry: b.kind}}
	r := &cursor{b: b.body}
	r.skip(8)
	switch {
	case visual[b.kind]:
		e.kind = video
		r.skip(16)
		e.width, e.height = int(r.u16()), int(r.u16())
		r.skip(50)
	case audible[b.kind]:
		e.kind = audio
		version := r.u16()
		r.skip(6)
		e.channels = int(r.u16())
		r.skip(6)
		e.sampleRate = int(r.u32() >> 16)
		if version == 1 {
			r.skip(16)
		}
	case b.kind == "stpp":
		e.kind = caption
		e.codec = "stpp"
		space := cstring(r)
		cstring(r)
		if strings.Contains(space, "ttml") {
			e.codec = "stpp.ttml.im1t"
		}
		return e, r.err
	case b.kind == "wvtt":
		e.kind, e.codec = caption, "wvtt"
		return e, r.err
	default:
		e.kind, e.codec = data, b.kind
		return e, r.err
	}
	children, err := boxes(r.rest())
	if r.err != nil {
		return e, r.err
	}
	if err != nil {
		return e, err
	}
	if b.kind == "encv" || b.kind == "enca" {
		if err := e.protection(c, where, children); err != nil {
			return e, err
		}
	}
	return e, e.configuration(c, where, children)
}
