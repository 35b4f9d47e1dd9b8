package isobmff

import (
	"math"
	"math/bits"

	"darkroom/internal/media"
)

// Trak gathers what a trak box says of a track, box by box.
type Trak struct {
	ID uint32
	// MaxTime bounds the times of the track, in ticks.
	MaxTime int64
	// End is the composition time at which the edit list ends, in ticks; 0 where it does not say.
	End int64
	// Duration is that of the media in ticks, 0 where it is not known.
	Duration uint64

	track    media.Track
	handler  string
	edits    []edit
	entry    []byte // stsd, its content
	timed    bool
	hasEdits bool
}

type edit struct {
	duration uint64 // ticks of the movie
	start    int64
}

// Containers are the boxes in trak that hold boxes of which a Trak wants to know.
var Containers = map[string]bool{"edts": true, "mdia": true, "minf": true, "dinf": true, "stbl": true}

// Leaves are the boxes that a Trak wants to know.
var Leaves = map[string]bool{"tkhd": true, "elst": true, "mdhd": true, "hdlr": true, "dref": true, "stsd": true}

// Walk takes in all boxes of a trak whose content is in memory.
func (t *Trak) Walk(trak []byte) error {
	return Children(trak, func(kind string, content []byte) error {
		if Containers[kind] {
			return t.Walk(content)
		}
		return t.Box(kind, content)
	})
}

// Box takes in the content of a box inside a trak, at any depth. It keeps nothing of content. What it does not want is passed over.
func (t *Trak) Box(kind string, content []byte) error {
	c := Cursor{P: content}
	switch kind {
	case "tkhd":
		version, _ := c.FullBox()
		c.Skip(8 + 8*int(version&1))
		t.ID = c.U32()
		if c.Bad || t.ID == 0 {
			return Badf("a track header without an identifier")
		}
	case "mdhd":
		version, _ := c.FullBox()
		c.Skip(8 + 8*int(version&1))
		scale := c.U32()
		t.Duration = c.time(version)
		language := c.U16()
		if c.Bad || scale == 0 || scale > 1<<31 {
			return Badf("a timescale of %d", scale)
		}
		t.track.Timescale, t.track.Language, t.timed = scale, unpackLanguage(language), true
		t.MaxTime = min(MaxTicks, MaxSeconds*int64(scale))
	case "hdlr":
		c.Skip(8)
		if handler := string(c.Take(4)); !c.Bad && t.handler == "" {
			t.handler = handler
		}
	case "elst":
		return t.elst(&c)
	case "dref":
		return dref(&c)
	case "stsd":
		if t.entry != nil {
			return Badf("two sample description boxes in one track")
		}
		t.entry = append([]byte{}, content...)
	}
	return nil
}

// time reads a time of 32 bits in a box of version 0 and of 64 in one of version 1; all ones, which say that a duration is not known, are 0.
func (c *Cursor) time(version byte) uint64 {
	if version == 1 {
		if v := c.U64(); v != math.MaxUint64 {
			return v
		}
		return 0
	}
	if v := c.U32(); v != math.MaxUint32 {
		return uint64(v)
	}
	return 0
}

// dref refuses media that lie in another file, ISO/IEC 14496-12 8.7.2.
func dref(c *Cursor) error {
	c.FullBox()
	c.U32()
	return Children(c.P, func(_ string, content []byte) error {
		e := Cursor{P: content}
		if _, flags := e.FullBox(); e.Bad || flags&1 == 0 {
			return Badf("media data in another file")
		}
		return nil
	})
}

// maxEdits is how many edits are read: several empty ones and what is shown.
const maxEdits = 64

func (t *Trak) elst(c *Cursor) error {
	version, _ := c.FullBox()
	count := c.U32()
	if c.Bad || t.hasEdits || count > maxEdits {
		return Badf("an edit list of %d edits", count)
	}
	t.hasEdits = true
	for range count {
		var e edit
		if version == 1 {
			e = edit{c.U64(), int64(c.U64())}
		} else {
			e = edit{uint64(c.U32()), int64(int32(c.U32()))}
		}
		if rate := c.U32(); !c.Bad && rate != 0x00010000 && e.start != -1 {
			return Badf("an edit at another speed than 1")
		}
		t.edits = append(t.edits, e)
	}
	if c.Bad {
		return Badf("an edit list is cut off")
	}
	return nil
}

// Handler is the handler type, such as vide.
func (t *Trak) Handler() string { return t.handler }

// Track makes the track of what was taken in. movieScale is the timescale of the movie.
func (t *Trak) Track(movieScale uint32) (*media.Track, error) {
	if t.ID == 0 || !t.timed || t.entry == nil {
		return nil, Badf("the track lacks tkhd, mdhd or stsd")
	}
	track := t.track
	version, entry, err := sampleEntry(t.entry)
	if err != nil {
		return nil, err
	}
	if err := describe(&track, entry, version); err != nil {
		return nil, err
	}
	if err := t.begin(&track, movieScale); err != nil {
		return nil, err
	}
	return &track, nil
}

// sampleEntry returns the only sample description with the version of the box that holds it.
func sampleEntry(stsd []byte) (version byte, entry []byte, err error) {
	c := Cursor{P: stsd}
	version, _ = c.FullBox()
	if count := c.U32(); c.Bad || count != 1 {
		return 0, nil, Badf("not exactly one sample description")
	}
	h, need, err := ParseHeader(c.P)
	if err != nil || need > 0 || h.Size != uint64(len(c.P)) || h.Length != 8 {
		return 0, nil, Badf("a sample description of the wrong size")
	}
	return version, c.P, nil
}

// begin turns the edit list into the composition time at which presentation begins. One edit is read, with empty ones before it for a track that begins late.
func (t *Trak) begin(track *media.Track, movieScale uint32) error {
	empty, found := int64(0), false
	for _, e := range t.edits {
		switch {
		case found:
			return Badf("an edit list of several edits")
		case e.start == -1:
			ticks, ok := t.scale(e.duration, movieScale)
			if empty += ticks; !ok || empty > t.MaxTime {
				return Badf("an empty edit out of range")
			}
		case e.start < -1 || e.start > t.MaxTime:
			return Badf("a media time of %d", e.start)
		default:
			track.MediaTime, found = e.start, true
			if e.duration > 0 {
				if ticks, ok := t.scale(e.duration, movieScale); ok {
					t.End = e.start + ticks
				}
			}
		}
	}
	track.MediaTime -= empty
	return nil
}

// scale converts ticks of the movie to ticks of the track.
func (t *Trak) scale(ticks uint64, movieScale uint32) (int64, bool) {
	if movieScale == 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(ticks, uint64(t.track.Timescale))
	if hi >= uint64(movieScale) {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, uint64(movieScale))
	if q > uint64(t.MaxTime) {
		return 0, false
	}
	return int64(q), true
}

// ParseMvhd returns the timescale of the movie, and its duration in it, from the content of its mvhd box. The duration is 0 where it is not known.
func ParseMvhd(p []byte) (timescale uint32, duration uint64, err error) {
	c := Cursor{P: p}
	version, _ := c.FullBox()
	c.Skip(8 + 8*int(version&1))
	timescale = c.U32()
	duration = c.time(version)
	if c.Bad {
		return 0, 0, Badf("a movie header is cut off")
	}
	return timescale, duration, nil
}

// unpackLanguage reads three letters of ISO 639-2 from 15 bits, ISO/IEC 14496-12 8.4.2; "" for what is none, and for und.
func unpackLanguage(v uint16) string {
	l := []byte{byte(v>>10&31) + 0x60, byte(v>>5&31) + 0x60, byte(v&31) + 0x60}
	for _, c := range l {
		if c < 'a' || c > 'z' {
			return ""
		}
	}
	if string(l) == "und" {
		return ""
	}
	return string(l)
}
