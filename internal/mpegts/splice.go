package mpegts

import "errors"

// The ways in which segments do not make one stream.
var (
	// ErrNotTransport says that a packet does not begin as one does.
	ErrNotTransport = errors.New("it is not an MPEG-2 transport stream")
	// ErrStreams says that behind a discontinuity there is an elementary stream that was not there before.
	ErrStreams = errors.New("behind a discontinuity the elementary streams have other PIDs")
	// ErrHeader says that a PES header is longer than its packet, so that its time stamps cannot be moved.
	ErrHeader = errors.New("a PES header is spread over packets")
)

// Splicer makes one transport stream of segments that were cut, or made, one by one. Where a segment begins with its counters at 0, or behind a
// discontinuity, counters go on from those before; behind a discontinuity time stamps (PCR, PTS and DTS) are moved as well. Nothing else of a
// packet is changed, and counters that jump inside a segment, where packets were lost, still do. The zero value is ready.
type Splicer struct {
	// counters are the continuity counters by PID.
	counters [1 << 13]struct {
		known   bool   // the PID was seen
		last    byte   // as it was written
		add     byte   // to those that are read
		segment uint32 // the last one that has the PID
	}
	segment       uint32 // how many were begun
	discontinuity bool   // the segment is behind one
	spliced       bool   // some segment was
	shift         int64  // ticks of 90 kHz
	kinds         map[uint16]byte
}

// Begin begins a segment. shift, in ticks of 90 kHz, is added to its time stamps; discontinuity says that the segment does not go on where the one
// before ended.
func (s *Splicer) Begin(discontinuity bool, shift int64) {
	s.segment++
	s.discontinuity = discontinuity && s.segment > 1
	s.spliced = s.spliced || s.discontinuity
	s.shift = shift
}

// Splice changes whole packets, in place.
func (s *Splicer) Splice(packets []byte) error {
	for ; len(packets) >= PacketSize; packets = packets[PacketSize:] {
		p := packets[:PacketSize]
		if p[0] != syncByte {
			return ErrNotTransport
		}
		s.count(p)
		if err := s.move(p); err != nil {
			return err
		}
	}
	if len(packets) > 0 {
		return ErrNotTransport
	}
	return nil
}

func packetID(p []byte) uint16 { return uint16(p[1]&0x1f)<<8 | uint16(p[2]) }

const nullPacket = 0x1fff

// count gives a packet its continuity_counter, 2.4.3.3.
func (s *Splicer) count(p []byte) {
	id := packetID(p)
	if id == nullPacket {
		return
	}
	c := &s.counters[id]
	counter, step := p[3]&0x0f, byte(0)
	if p[3]&hasPayload != 0 {
		step = 1
	}
	if c.segment != s.segment { // the first of its PID in this segment
		c.segment = s.segment
		if expected := c.last + step; c.known && (s.discontinuity || counter == 0) {
			c.add = (expected - counter) & 0x0f
		}
	}
	counter = (counter + c.add) & 0x0f
	c.known, c.last = true, counter
	p[3] = p[3]&0xf0 | counter
}

// move adds the shift to the time stamps of a packet.
func (s *Splicer) move(p []byte) error {
	payload := p[packetHeaderSize:]
	if p[3]&hasAdaptation != 0 {
		n := int(payload[0])
		if n > len(payload)-1 {
			return ErrNotTransport
		}
		field := payload[1 : 1+n]
		payload = payload[1+n:]
		if n > 0 && s.shift != 0 {
			flags, rest := field[0], field[1:]
			for _, bit := range [...]byte{hasPCR, hasOriginalPCR} {
				if flags&bit == 0 {
					continue
				}
				if len(rest) < pcrSize {
					return ErrNotTransport
				}
				base := decodePCR(rest)
				last := rest[4] & 0x7f
				extension := rest[5]
				encodePCR(rest, base+s.shift)
				rest[4], rest[5] = rest[4]&0x80|last, extension
				rest = rest[pcrSize:]
			}
		}
	}
	if p[3]&hasPayload == 0 || p[1]&unitStart == 0 {
		return nil
	}
	h, err := readPES(payload)
	if err != nil && (s.shift != 0 || !errors.Is(err, ErrHeader)) {
		return err
	}
	if h == nil {
		return nil
	}
	if err := s.know(packetID(p), h.kind); err != nil {
		return err
	}
	if s.shift == 0 {
		return nil
	}
	if h.pts != nil {
		encodeTimestamp(h.pts, h.pts[0]>>4, decodeTimestamp(h.pts)+s.shift)
	}
	if h.dts != nil {
		encodeTimestamp(h.dts, h.dts[0]>>4, decodeTimestamp(h.dts)+s.shift)
	}
	return nil
}

// know refuses elementary streams that appear behind a discontinuity: a decoder has chosen its streams by then.
func (s *Splicer) know(id uint16, kind byte) error {
	if kind == metadata {
		return nil
	}
	have, there := s.kinds[id]
	switch {
	case there && have == kind:
		return nil
	case s.spliced:
		return ErrStreams
	case s.kinds == nil:
		s.kinds = map[uint16]byte{}
	}
	s.kinds[id] = kind
	return nil
}

const hasOriginalPCR = 0x08 // in the adaptation field's flags

// The kinds of elementary streams that are told apart, by stream_id, table 2-22.
const (
	metadata = iota + 1
	video
	sound
)

// pesHeader is the beginning of a PES packet, 2.4.3.6. pts and dts lie in the packet; they are nil where it has none.
type pesHeader struct {
	kind     byte
	pts, dts []byte
}

// readPES reads a payload that begins a PES packet; nil where it begins something else, such as a table.
func readPES(p []byte) (*pesHeader, error) {
	if len(p) < 3 || p[0] != 0 || p[1] != 0 || p[2] != 1 {
		return nil, nil
	}
	if len(p) < 9 {
		return nil, ErrHeader
	}
	h := &pesHeader{}
	const private1, extended = 0xbd, 0xfd
	switch id := p[3]; {
	case id >= 0xe0 && id <= 0xef:
		h.kind = video
	case id >= 0xc0 && id <= 0xdf, id == private1, id == extended:
		h.kind = sound
	default:
		return nil, nil // without the optional header, or of no consequence
	}
	if p[6]&0xc0 != 0x80 {
		return nil, nil
	}
	end := 9 + int(p[8])
	if end > len(p) {
		return h, ErrHeader
	}
	if body := p[end:]; p[3] == private1 && len(body) >= 3 && string(body[:3]) == "ID3" {
		h.kind = metadata
	}
	const size = 5
	switch flags := p[7] >> 6; {
	case flags == 2 && end >= 9+size:
		h.pts = p[9 : 9+size]
	case flags == 3 && end >= 9+2*size:
		h.pts, h.dts = p[9:9+size], p[9+size:9+2*size]
	}
	return h, nil
}

func decodeTimestamp(p []byte) int64 {
	return int64(p[0]>>1&7)<<30 | int64(p[1])<<22 | int64(p[2]>>1)<<15 | int64(p[3])<<7 | int64(p[4]>>1)
}

func decodePCR(p []byte) int64 {
	return int64(p[0])<<25 | int64(p[1])<<17 | int64(p[2])<<9 | int64(p[3])<<1 | int64(p[4]>>7)
}

// Span finds the time that a segment takes: of its pictures, or where it has none of its sound. The zero value is ready.
type Span struct {
	of [sound + 1]struct {
		first    int64
		min, max int64 // from first on
		n        int64
	}
}

// Read takes whole packets.
func (s *Span) Read(packets []byte) error {
	for ; len(packets) >= PacketSize; packets = packets[PacketSize:] {
		p := packets[:PacketSize]
		if p[0] != syncByte {
			return ErrNotTransport
		}
		if p[1]&unitStart == 0 || p[3]&hasPayload == 0 {
			continue
		}
		payload := p[packetHeaderSize:]
		if p[3]&hasAdaptation != 0 {
			n := int(payload[0])
			if n > len(payload)-1 {
				return ErrNotTransport
			}
			payload = payload[1+n:]
		}
		h, err := readPES(payload)
		if err != nil {
			return err
		}
		if h == nil || h.pts == nil {
			continue
		}
		t := decodeTimestamp(h.pts)
		o := &s.of[h.kind]
		if o.n == 0 {
			o.first = t
		}
		d := around(t - o.first)
		o.min, o.max = min(o.min, d), max(o.max, d)
		o.n++
	}
	return nil
}

// around brings a difference of time stamps, which wrap at 33 bits, near 0.
func around(d int64) int64 {
	const wrap = 1 << 33
	d &= wrap - 1
	if d >= wrap/2 {
		d -= wrap
	}
	return d
}

// Result returns the first time stamp and the one that would follow the last, in ticks of 90 kHz; false where the segment has none. A segment of one
// access unit alone ends after it, as long as its caller says.
func (s *Span) Result(alone int64) (start, end int64, ok bool) {
	for _, kind := range [...]int{video, sound} {
		o := &s.of[kind]
		if o.n == 0 {
			continue
		}
		each := alone
		if o.n > 1 {
			each = (o.max - o.min) / (o.n - 1)
		}
		return o.first + o.min, o.first + o.max + each, true
	}
	return 0, 0, false
}
