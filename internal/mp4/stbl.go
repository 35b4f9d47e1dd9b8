package mp4

import (
	"encoding/binary"
	"math"
)

// stbl writes the sample table box, ISO/IEC 14496-12 8.5.
func (e *encoder) stbl(t *Table) {
	e.fullBox("stsd", 0, 0, func() {
		e.U32(1)
		e.Bytes = append(e.Bytes, t.track.SampleEntry...)
	})
	e.stts(t)
	e.ctts(t)
	e.stss(t)
	e.fullBox("stsc", 0, 0, func() {
		e.U32(uint32(t.perChunk.n))
		chunk := uint64(1)
		t.perChunk.each(func(count uint64, samples int64) {
			e.U32(uint32(chunk))
			e.U32(uint32(samples))
			e.U32(1) // sample_description_index
			chunk += count
		})
	})
	e.fullBox("stsz", 0, 0, func() {
		e.U32(t.equalSize)
		e.U32(uint32(t.samples))
		if t.equalSize != 0 {
			return
		}
		for p := t.sizes; len(p) > 0; {
			v, n := binary.Uvarint(p)
			e.U32(uint32(v))
			p = p[n:]
		}
	})
	e.chunkOffsets(t)
}

func (e *encoder) stts(t *Table) {
	durations := t.durations
	durations.p = durations.p[:len(durations.p):len(durations.p)] // the table itself stays as it is
	durations.add(int64(t.last.Duration))
	e.fullBox("stts", 0, 0, func() {
		e.U32(uint32(durations.n))
		durations.each(func(count uint64, delta int64) {
			e.U32(uint32(count))
			e.U32(uint32(delta))
		})
	})
}

func (e *encoder) ctts(t *Table) {
	if t.minOffset == 0 && t.maxOffset == 0 {
		return
	}
	version := byte(0)
	if t.minOffset < 0 {
		version = 1
	}
	e.fullBox("ctts", version, 0, func() {
		e.U32(uint32(t.offsets.n))
		t.offsets.each(func(count uint64, offset int64) {
			e.U32(uint32(count))
			e.U32(uint32(int32(offset)))
		})
	})
	if e.o.CompositionToDecode {
		e.cslg(t)
	}
}

// cslg says how composition and decode times lie to each other, ISO/IEC 14496-12 8.6.1.4.
func (e *encoder) cslg(t *Table) {
	shift := max(0, -int64(t.minOffset))
	values := []int64{shift, int64(t.minOffset), int64(t.maxOffset), t.minShown, t.maxEnd}
	version := byte(0)
	for _, v := range values {
		if v > math.MaxInt32 || v < math.MinInt32 {
			version = 1
		}
	}
	e.fullBox("cslg", version, 0, func() {
		for _, v := range values {
			if version == 0 {
				e.U32(uint32(int32(v)))
			} else {
				e.U64(uint64(v))
			}
		}
	})
}

// stss lists the sync samples; without it, all are.
func (e *encoder) stss(t *Table) {
	if t.syncCount == t.samples {
		return
	}
	e.fullBox("stss", 0, 0, func() {
		e.U32(uint32(t.syncCount))
		number := uint64(0)
		for p := t.syncs; len(p) > 0; {
			d, n := binary.Uvarint(p)
			number += d
			e.U32(uint32(number))
			p = p[n:]
		}
	})
}

func (e *encoder) chunkOffsets(t *Table) {
	kind := "stco"
	if e.long {
		kind = "co64"
	}
	e.fullBox(kind, 0, 0, func() {
		e.U32(uint32(t.chunkCount))
		e.places = append(e.places, len(e.Bytes))
		offset := int64(0)
		for p := t.chunks; len(p) > 0; {
			d, n := binary.Varint(p)
			offset += d
			if e.long {
				e.U64(uint64(offset))
			} else {
				e.U32(uint32(offset))
			}
			p = p[n:]
		}
	})
}

// place adds the position of the first byte of media to all chunk offsets.
func (e *encoder) place(base int64) {
	for i, t := range e.tables {
		p := e.Bytes[e.places[i]:]
		for range t.chunkCount {
			if e.long {
				binary.BigEndian.PutUint64(p, binary.BigEndian.Uint64(p)+uint64(base))
				p = p[8:]
			} else {
				binary.BigEndian.PutUint32(p, binary.BigEndian.Uint32(p)+uint32(base))
				p = p[4:]
			}
		}
	}
}
