package mpegts

import "time"

// The header of a packet, 2.4.3.2, and of its adaptation field, 2.4.3.4.
const (
	syncByte         = 0x47
	unitStart        = 0x40 // payload_unit_start_indicator, in the second byte
	hasAdaptation    = 0x20 // adaptation_field_control, in the fourth byte
	hasPayload       = 0x10
	randomAccess     = 0x40 // in the adaptation field's flags
	hasPCR           = 0x10
	pcrSize          = 6
	packetHeaderSize = 4
)

func nextCounter(c *byte) byte {
	v := *c
	*c = (v + 1) & 0x0f
	return v
}

// encodePCR writes the program clock reference of a time in ticks of 90 kHz; the extension is 0.
func encodePCR(p []byte, t int64) {
	base := uint64(t) & (1<<33 - 1)
	p[0], p[1], p[2], p[3] = byte(base>>25), byte(base>>17), byte(base>>9), byte(base>>1)
	p[4], p[5] = byte(base<<7)|0x7e, 0
}

// encodeTimestamp writes a PTS or DTS with its four bits of prefix, 2.4.3.7.
func encodeTimestamp(p []byte, prefix byte, t int64) {
	v := uint64(t) & (1<<33 - 1)
	p[0] = prefix<<4 | byte(v>>29)&0x0e | 1
	p[1] = byte(v >> 22)
	p[2] = byte(v>>14) | 1
	p[3] = byte(v >> 7)
	p[4] = byte(v<<1) | 1
}

// pes is what the header of a PES packet says. Times are in ticks of the clock, before any offset.
type pes struct {
	shown, decoded int64
	next           int64 // when what comes next in the stream is decoded
	sync           bool
	size           int // of the payload, 0 to leave it unsaid, which only video may
}

// appendPES writes a PES packet whose payload is parts put together.
func (m *Muxer) appendPES(dst []byte, st *stream, p pes, parts [][]byte) []byte {
	var header [19]byte
	h := append(header[:0], 0, 0, 1, st.id, 0, 0, 0x84, 0x80, 5) // data_alignment_indicator, PTS
	h = h[:14]
	if p.shown != p.decoded {
		h[7], h[8] = 0xc0, 10
		h = h[:19]
		encodeTimestamp(h[9:], 3, p.shown+st.offset)
		encodeTimestamp(h[14:], 1, p.decoded+st.offset)
	} else {
		encodeTimestamp(h[9:], 2, p.shown+st.offset)
	}
	if p.size > 0 {
		n := p.size + len(h) - 6
		h[4], h[5] = byte(n>>8), byte(n)
	}
	left := len(h)
	for _, p := range parts {
		left += len(p)
	}
	var flags byte
	if p.sync {
		flags |= randomAccess
	}
	if st.PID == m.program.PCRPID && m.duePCR(p) {
		flags |= hasPCR
	}
	part, next := h, 0
	for first := true; left > 0; first = false {
		start := byte(0)
		if first {
			start = unitStart
		} else {
			flags = 0
		}
		// The adaptation field: what the flags ask for, and stuffing when the rest does not fill the packet.
		adaptation := 0 // with its length byte
		if flags != 0 {
			adaptation = 2
			if flags&hasPCR != 0 {
				adaptation += pcrSize
			}
		}
		room := PacketSize - packetHeaderSize - adaptation
		if left < room {
			adaptation += room - left
			room = left
		}
		control := byte(hasPayload)
		if adaptation > 0 {
			control |= hasAdaptation
		}
		dst = append(dst, syncByte, start|byte(st.PID>>8), byte(st.PID), control|nextCounter(&st.continuity))
		if adaptation > 0 {
			dst = append(dst, byte(adaptation-1))
			if adaptation > 1 {
				dst = append(dst, flags)
				stuffing := adaptation - 2
				if flags&hasPCR != 0 {
					var v [pcrSize]byte
					encodePCR(v[:], m.tick(p.decoded-pcrLead)+m.offset)
					dst = append(dst, v[:]...)
					stuffing -= pcrSize
				}
				dst = appendStuffing(dst, stuffing)
			}
		}
		left -= room
		for room > 0 {
			if len(part) == 0 {
				part = parts[next]
				next++
				continue
			}
			n := min(room, len(part))
			dst = append(dst, part[:n]...)
			part = part[n:]
			room -= n
		}
	}
	return dst
}

// tick sets the program clock, which never goes back.
func (m *Muxer) tick(t int64) int64 {
	if m.hasPCR {
		t = max(t, m.pcr)
	}
	m.pcr, m.hasPCR, m.fresh = t, true, false
	return t
}

// duePCR reports whether a PES packet of the stream that carries the clock has to have it.
func (m *Muxer) duePCR(p pes) bool {
	return !m.program.PeriodicPCR || m.fresh || !m.hasPCR || p.next-pcrLead-m.pcr > m.interval
}

var stuffing = func() (p [PacketSize]byte) {
	for i := range p {
		p[i] = 0xff
	}
	return p
}()

func appendStuffing(dst []byte, n int) []byte { return append(dst, stuffing[:n]...) }

// appendClock writes packets of the clock alone, so that no two values are further apart than the interval when now is what comes next.
func (m *Muxer) appendClock(dst []byte, now int64) []byte {
	next := now - pcrLead
	if !m.hasPCR {
		return dst
	}
	if gap := next - m.pcr; gap > maxPCRFill {
		// Nothing was sent for so long that the clock cannot be carried through; it goes on from here.
		m.pcr = next - m.interval
	}
	for next-m.pcr > m.interval {
		dst = m.appendPCR(dst, m.pcr+m.interval)
	}
	return dst
}

// ownClock reports whether no stream carries the clock.
func (m *Muxer) ownClock() bool {
	for i := range m.streams {
		if m.streams[i].PID == m.program.PCRPID {
			return false
		}
	}
	return true
}

// appendPCR writes a packet without payload. It does not advance the continuity counter, 2.4.3.3.
func (m *Muxer) appendPCR(dst []byte, t int64) []byte {
	pid := m.program.PCRPID
	counter := m.tables.pcr
	for i := range m.streams {
		if m.streams[i].PID == pid {
			counter = (m.streams[i].continuity - 1) & 0x0f
		}
	}
	dst = append(dst, syncByte, byte(pid>>8), byte(pid), hasAdaptation|counter, PacketSize-packetHeaderSize-1, hasPCR)
	var p [pcrSize]byte
	encodePCR(p[:], m.tick(t)+m.offset)
	dst = append(dst, p[:]...)
	return appendStuffing(dst, PacketSize-packetHeaderSize-2-pcrSize)
}

// appendDueTables repeats the tables whose interval has passed.
func (m *Muxer) appendDueTables(dst []byte, now int64) []byte {
	if due(m.patAt, now, m.program.PATInterval) {
		m.patAt = now
		dst = m.appendPAT(dst)
	}
	if due(m.pmtAt, now, m.program.PMTInterval) {
		m.pmtAt = now
		dst = m.appendPMT(dst)
	}
	return dst
}

func due(last, now int64, interval time.Duration) bool {
	return interval > 0 && now-last >= int64(interval)*clock/int64(time.Second)
}
