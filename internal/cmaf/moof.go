package cmaf

import (
	"encoding/binary"
	"math"
)

// Flags of tfhd and trun, ISO/IEC 14496-12 8.8.7 and 8.8.8.
const (
	tfhdBaseDataOffset  = 0x000001
	tfhdDescription     = 0x000002
	tfhdDuration        = 0x000008
	tfhdSize            = 0x000010
	tfhdFlags           = 0x000020
	trunDataOffset      = 0x000001
	trunFirstFlags      = 0x000004
	trunDuration        = 0x000100
	trunSize            = 0x000200
	trunFlags           = 0x000400
	trunOffset          = 0x000800
	sampleIsNonSync     = 0x00010000
	fullBoxHeader       = 4
	maxChildren         = 256
	maxRunsOfOneSegment = 4096
)

// cursor reads big-endian fields; after running out it gives zeros and says so in bad.
type cursor struct {
	p   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || len(c.p) < n {
		c.bad = true
		return make([]byte, n)
	}
	p := c.p[:n]
	c.p = c.p[n:]
	return p
}

func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }

// fullBox reads version and flags.
func (c *cursor) fullBox() (version byte, flags uint32) {
	v := c.u32()
	return byte(v >> 24), v & 0xffffff
}

// children calls f for each box inside p.
func children(p []byte, f func(kind string, content []byte) error) error {
	for n := 0; len(p) > 0; n++ {
		if n == maxChildren+maxRunsOfOneSegment {
			return badf("too many boxes in one")
		}
		if len(p) < 8 {
			return badf("a box is cut off")
		}
		size, header := uint64(binary.BigEndian.Uint32(p)), uint64(8)
		if size == 1 {
			if len(p) < 16 {
				return badf("a box is cut off")
			}
			size, header = binary.BigEndian.Uint64(p[8:]), 16
		}
		if size < header || size > uint64(len(p)) {
			return badf("box %q of size %d inside %d bytes", p[4:8], size, len(p))
		}
		if err := f(string(p[4:8]), p[header:size]); err != nil {
			return err
		}
		p = p[size:]
	}
	return nil
}

// defaults are the values that samples have unless the fragment says otherwise.
type defaults struct {
	duration, size, flags uint32
}

// traf is the state while a track fragment is read.
type traf struct {
	defaults
	seenHeader, seenTime bool
	base                 int64  // decode time of the next sample
	position             uint64 // where the next sample's data begins, from the start of the moof
	gap                  uint64 // bytes to skip before the next sample
	samples              []sampleInfo
}

// parseMoof reads a movie fragment. payload is where the content of the mdat begins, from the start of the moof.
func (r *Reader) parseMoof(p []byte, payload int64) ([]sampleInfo, error) {
	var t *traf
	err := children(p, func(kind string, content []byte) error {
		if kind != "traf" {
			return nil
		}
		if t != nil {
			return badf("two track fragments in one movie fragment")
		}
		t = &traf{defaults: r.init.defaults, position: uint64(payload), base: r.init.next}
		return r.parseTraf(t, content)
	})
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, badf("a movie fragment without a track fragment")
	}
	r.init.next = t.base
	return t.samples, nil
}

func (r *Reader) parseTraf(t *traf, p []byte) error {
	return children(p, func(kind string, content []byte) error {
		c := cursor{p: content}
		switch kind {
		case "tfhd":
			if t.seenHeader {
				return badf("two track fragment headers")
			}
			t.seenHeader = true
			return r.parseTfhd(t, &c)
		case "tfdt":
			if t.seenTime || len(t.samples) > 0 {
				return badf("a track fragment decode time out of its place")
			}
			t.seenTime = true
			version, _ := c.fullBox()
			base := uint64(0)
			if version == 0 {
				base = uint64(c.u32())
			} else {
				base = c.u64()
			}
			if c.bad || base > maxTicks {
				return badf("a track fragment decode time is out of range")
			}
			t.base = int64(base)
			return nil
		case "trun":
			if !t.seenHeader {
				return badf("a track run before its header")
			}
			return r.parseTrun(t, &c)
		}
		return nil
	})
}

func (r *Reader) parseTfhd(t *traf, c *cursor) error {
	_, flags := c.fullBox()
	if id := c.u32(); id != r.init.trackID {
		return badf("a fragment of track %d in a stream of track %d", id, r.init.trackID)
	}
	if flags&tfhdBaseDataOffset != 0 {
		return badf("base_data_offset is not allowed in a stream")
	}
	if flags&tfhdDescription != 0 && c.u32() != 1 {
		return badf("a second sample description")
	}
	if flags&tfhdDuration != 0 {
		t.duration = c.u32()
	}
	if flags&tfhdSize != 0 {
		t.size = c.u32()
	}
	if flags&tfhdFlags != 0 {
		t.flags = c.u32()
	}
	if c.bad {
		return badf("a track fragment header is cut off")
	}
	return nil
}

func (r *Reader) parseTrun(t *traf, c *cursor) error {
	version, flags := c.fullBox()
	count := c.u32()
	if flags&trunDataOffset != 0 {
		offset := int64(int32(c.u32()))
		if offset < int64(t.position) {
			return badf("track runs that overlap or go backwards")
		}
		t.gap += uint64(offset) - t.position
		t.position = uint64(offset)
	}
	first, hasFirst := uint32(0), flags&trunFirstFlags != 0
	if hasFirst {
		first = c.u32()
	}
	if c.bad || uint64(count)+uint64(len(t.samples)) > maxSamples {
		return badf("a track run of %d samples", count)
	}
	for i := range count {
		s := sampleInfo{dts: t.base, duration: t.duration, size: t.size}
		sampleFlags := t.flags
		if i == 0 && hasFirst {
			sampleFlags = first
		}
		if flags&trunDuration != 0 {
			s.duration = c.u32()
		}
		if flags&trunSize != 0 {
			s.size = c.u32()
		}
		if flags&trunFlags != 0 {
			sampleFlags = c.u32()
		}
		if flags&trunOffset != 0 {
			o := c.u32()
			if version == 0 && o > math.MaxInt32 {
				return badf("a composition offset of %d", o)
			}
			s.offset = int32(o)
		}
		if c.bad {
			return badf("a track run is cut off")
		}
		s.sync = sampleFlags&sampleIsNonSync == 0 || !r.init.video
		if err := r.check(&s); err != nil {
			return err
		}
		if t.gap > math.MaxUint32 {
			return badf("a gap of %d bytes in a fragment", t.gap)
		}
		s.gap, t.gap = uint32(t.gap), 0
		t.position += uint64(s.size)
		t.base += int64(s.duration)
		t.samples = append(t.samples, s)
	}
	return nil
}

// check refuses a sample that no writer could place, and keeps decode times in order.
func (r *Reader) check(s *sampleInfo) error {
	switch {
	case s.size == 0 || s.size > maxSample:
		return badf("a sample of %d bytes", s.size)
	case s.dts > r.init.maxTime || s.dts+int64(s.duration) > r.init.maxTime:
		return badf("a decode time out of range")
	case int64(s.offset) > r.init.maxTime || int64(s.offset) < -r.init.maxTime:
		return badf("a composition offset out of range")
	case r.hasLast && s.dts < r.last:
		return badf("decode times go backwards")
	}
	r.last, r.hasLast = s.dts, true
	return nil
}
