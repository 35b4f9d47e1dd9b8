package validate

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/hevc"
)

const tsPacket = 188

// elementary is an elementary stream of a transport stream.
type elementary struct {
	pid       uint16
	kind      byte // stream_type
	part      *part
	buffer    []byte // of the PES packet that is being read
	open      bool
	previous  int64 // DTS of the access unit before
	encrypted bool
	clock     int64 // when the last byte of the PES packet came
}

// tsReader reads a segment of a transport stream.
type tsReader struct {
	c          *checker
	where      string
	out        *segment
	counters   map[uint16]byte
	pmtPID     int
	pcrPID     int
	streams    map[uint16]*elementary
	order      []*elementary
	sections   map[uint16][]byte
	pcr        int64
	hasPCR     bool
	packets    int64
	pcrGap     int64
	early      bool
	iframeOnly bool
}

// readTS reads a transport stream to its end. It returns what it measured also where it found faults.
func (c *checker) readTS(r io.Reader, where string, iframeOnly bool) *segment {
	t := &tsReader{
		c: c, where: where, out: &segment{where: where}, counters: map[uint16]byte{}, pmtPID: -1, pcrPID: -1,
		streams: map[uint16]*elementary{}, sections: map[uint16][]byte{}, iframeOnly: iframeOnly,
	}
	var p [tsPacket]byte
	for {
		n, err := io.ReadFull(r, p[:])
		t.out.bytes += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			c.fail("ts-sync", where, "its end is %d bytes of a packet", n)
		}
		if err != nil {
			break // who gave r says what went wrong below
		}
		if p[0] != 0x47 {
			c.fail("ts-sync", where, "packet %d does not begin with 0x47", t.packets+1)
			return t.out
		}
		t.packet(p[:])
		t.packets++
	}
	for _, e := range t.order {
		t.flush(e)
		t.finish(e)
	}
	if t.pmtPID < 0 || len(t.order) == 0 {
		c.fail("ts-tables", where, "there is no PAT with a PMT")
	}
	if t.pcrPID >= 0 && !t.hasPCR && t.pcrPID != 0x1fff {
		c.fail("ts-pcr", where, "PID %d, which carries the clock, has none", t.pcrPID)
	}
	if t.pcrGap > 9000+900 { // 100 ms, and the 10 ms that a packet takes
		c.fail("ts-pcr", where, "%d ms between two values of the clock; 100 are allowed", t.pcrGap/90)
	}
	return t.out
}

func (t *tsReader) packet(p []byte) {
	c := t.c
	pid := uint16(p[1]&0x1f)<<8 | uint16(p[2])
	if pid == 0x1fff {
		return
	}
	if p[1]&0x80 != 0 {
		c.fail("ts-sync", t.where, "packet %d says that it is damaged", t.packets+1)
		return
	}
	if p[3]>>6 != 0 {
		c.fail("ts-sync", t.where, "packet %d is scrambled", t.packets+1)
		return
	}
	start, adaptation, payload := p[1]&0x40 != 0, p[3]&0x20 != 0, p[3]&0x10 != 0
	counter := p[3] & 15
	body := p[4:]
	jump := false
	if adaptation {
		n := int(body[0])
		if n > len(body)-1 || payload && n > len(body)-2 {
			c.fail("ts-sync", t.where, "packet %d: an adaptation field of %d bytes", t.packets+1, n)
			return
		}
		if n > 0 {
			flags := body[1]
			jump = flags&0x80 != 0
			if flags&0x10 != 0 && n >= 7 {
				t.clock(pid, body[2:8])
			}
		}
		body = body[1+n:]
	}
	if last, ok := t.counters[pid]; ok && !jump {
		want := last
		if payload {
			want = (last + 1) & 15
		}
		if counter != want {
			c.fail("ts-continuity", t.where, "packet %d, PID %d: continuity counter %d, not %d", t.packets+1, pid, counter, want)
		}
	}
	t.counters[pid] = counter
	if !payload {
		return
	}
	switch {
	case pid == 0:
		t.section(pid, start, body, t.pat)
	case int(pid) == t.pmtPID:
		t.section(pid, start, body, t.pmt)
	default:
		e := t.streams[pid]
		if e == nil {
			if len(t.order) == 0 && !t.early && pid >= 0x20 {
				t.early = true
				c.fail("ts-tables", t.where, "packet %d, PID %d, stands before PAT and PMT", t.packets+1, pid)
			}
			return
		}
		if start {
			t.flush(e)
			e.open = true
		}
		if !e.open {
			c.fail("ts-pes", t.where, "PID %d: the segment begins in the middle of a PES packet", pid)
			return
		}
		if len(e.buffer)+len(body) > maxSample {
			c.fail("ts-pes", t.where, "PID %d: a PES packet of more than %d bytes", pid, maxSample)
			e.open = false
			return
		}
		e.buffer = append(e.buffer, body...)
		e.clock = t.pcr
	}
}

// clock takes the base of a PCR, in ticks of 90 kHz.
func (t *tsReader) clock(pid uint16, b []byte) {
	if int(pid) != t.pcrPID {
		return
	}
	now := int64(b[0])<<25 | int64(b[1])<<17 | int64(b[2])<<9 | int64(b[3])<<1 | int64(b[4])>>7
	if t.hasPCR {
		if d := unwrap(now, t.pcr) - t.pcr; d < 0 {
			t.c.fail("ts-pcr", t.where, "the clock goes back by %d ms", -d/90)
		} else {
			t.pcrGap = max(t.pcrGap, d)
		}
		now = unwrap(now, t.pcr)
	}
	t.pcr, t.hasPCR = now, true
}

// unwrap gives a time of 33 bits as it goes on from another one.
func unwrap(v, from int64) int64 {
	const round = 1 << 33
	for v-from > round/2 {
		v -= round
	}
	for from-v > round/2 {
		v += round
	}
	return v
}

// section collects a section and checks its CRC.
func (t *tsReader) section(pid uint16, start bool, body []byte, use func([]byte)) {
	if start {
		if len(body) < 1 || int(body[0]) > len(body)-1 {
			t.c.fail("ts-tables", t.where, "PID %d: a bad pointer_field", pid)
			return
		}
		body = body[1+int(body[0]):]
		t.sections[pid] = nil
	} else if t.sections[pid] == nil {
		return
	}
	s := append(t.sections[pid], body...)
	t.sections[pid] = s
	if len(s) < 3 {
		return
	}
	n := 3 + int(s[1]&15)<<8 + int(s[2])
	if n > 1024+3 || n < 12 {
		t.c.fail("ts-tables", t.where, "PID %d: a section of %d bytes", pid, n)
		t.sections[pid] = nil
		return
	}
	if len(s) < n {
		return
	}
	t.sections[pid] = nil
	if crc32MPEG(s[:n]) != 0 {
		t.c.fail("ts-crc", t.where, "PID %d: the CRC of the section is wrong", pid)
		return
	}
	use(s[:n-4])
}

// crc32MPEG is that of ISO/IEC 13818-1 annex A; 0 over a section with its CRC.
func crc32MPEG(b []byte) uint32 {
	crc := ^uint32(0)
	for _, x := range b {
		crc ^= uint32(x) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

func (t *tsReader) pat(s []byte) {
	if s[0] != 0 {
		t.c.fail("ts-tables", t.where, "PID 0 has a table %d, not a PAT", s[0])
		return
	}
	programs := 0
	for at := 8; at+4 <= len(s); at += 4 {
		if s[at] == 0 && s[at+1] == 0 {
			continue
		}
		programs++
		t.pmtPID = int(s[at+2]&0x1f)<<8 | int(s[at+3])
	}
	if programs != 1 {
		t.c.fail("ts-tables", t.where, "the PAT has %d programs; a segment has one", programs)
	}
}

// streamTypes are those of ISO/IEC 13818-1 table 2-34 and of SAMPLE-AES (Apple, MPEG-2 Stream Encryption Format for HTTP Live Streaming 2.3).
var streamTypes = map[byte]struct {
	kind      kind
	codec     string
	encrypted bool
}{
	0x1b: {video, "avc", false}, 0xdb: {video, "avc", true}, 0x24: {video, "hevc", false},
	0x0f: {audio, "aac", false}, 0xcf: {audio, "aac", true},
	0x81: {audio, "ac-3", false}, 0xc1: {audio, "ac-3", true}, 0x87: {audio, "ec-3", false}, 0xc2: {audio, "ec-3", true},
}

func (t *tsReader) pmt(s []byte) {
	if s[0] != 2 || len(s) < 12 {
		t.c.fail("ts-tables", t.where, "PID %d has a table %d, not a PMT", t.pmtPID, s[0])
		return
	}
	pcr := int(s[8]&0x1f)<<8 | int(s[9])
	at := 12 + int(s[10]&15)<<8 + int(s[11])
	t.pcrPID = pcr
	for at+5 <= len(s) {
		kind, pid := s[at], uint16(s[at+1]&0x1f)<<8|uint16(s[at+2])
		n := int(s[at+3]&15)<<8 + int(s[at+4])
		at += 5
		if at+n > len(s) {
			t.c.fail("ts-tables", t.where, "the PMT is cut off")
			return
		}
		descriptors := s[at : at+n]
		at += n
		if t.streams[pid] != nil {
			continue
		}
		e := &elementary{pid: pid, kind: kind}
		known, ok := streamTypes[kind]
		if !ok && kind == 6 { // DVB: by descriptor
			for d := descriptors; len(d) >= 2 && int(d[1])+2 <= len(d); d = d[2+int(d[1]):] {
				switch d[0] {
				case 0x6a:
					known, ok = streamTypes[0x81], true
				case 0x7a:
					known, ok = streamTypes[0x87], true
				}
			}
		}
		if !ok {
			t.streams[pid] = &elementary{pid: pid, kind: kind} // timed metadata and other data: continuity alone
			continue
		}
		e.encrypted = known.encrypted
		e.part = &part{id: uint32(pid), scale: 90_000, facts: &facts{kind: known.kind, sampleEntry: known.codec}}
		if known.encrypted {
			e.part.scheme = "SAMPLE-AES"
		}
		t.streams[pid] = e
		t.order = append(t.order, e)
		t.out.parts = append(t.out.parts, e.part)
		if known.encrypted {
			t.sampleAES(e, descriptors)
		}
	}
}

// sampleAES checks what a stream of SAMPLE-AES is told by: private_data_indicator_descriptor, and of sound the audio setup (Apple 2.3.1, 2.3.2).
func (t *tsReader) sampleAES(e *elementary, descriptors []byte) {
	want := map[byte][]string{0xdb: {"zavc"}, 0xcf: {"aacd"}, 0xc1: {"ac3d"}, 0xc2: {"ec3d"}}[e.kind]
	indicated, setup := false, false
	for d := descriptors; len(d) >= 2 && int(d[1])+2 <= len(d); d = d[2+int(d[1]):] {
		body := d[2 : 2+int(d[1])]
		switch {
		case d[0] == 0x0f && len(body) == 4:
			for _, w := range want {
				indicated = indicated || string(body) == w
			}
		case d[0] == 0x05 && len(body) >= 4 && string(body[:4]) == "apad":
			setup = true
		}
	}
	if !indicated {
		t.c.fail("ts-stream", t.where, "PID %d: SAMPLE-AES without its private_data_indicator_descriptor %s", e.pid, want[0])
	}
	if !setup && e.part.facts.kind == audio {
		t.c.fail("ts-stream", t.where, "PID %d: SAMPLE-AES without the setup of its sound (apad)", e.pid)
	}
}

// flush reads a PES packet that is whole.
func (t *tsReader) flush(e *elementary) {
	b := e.buffer
	e.buffer = e.buffer[:0]
	if !e.open || e.part == nil || len(b) == 0 {
		return
	}
	bad := func(format string, args ...any) {
		t.c.fail("ts-pes", t.where, fmt.Sprintf("PID %d: ", e.pid)+format, args...)
	}
	if len(b) < 9 || b[0] != 0 || b[1] != 0 || b[2] != 1 {
		bad("a PES packet without a start code")
		return
	}
	if n := int(b[4])<<8 | int(b[5]); n > 0 && n != len(b)-6 {
		bad("PES_packet_length %d, and %d bytes follow", n, len(b)-6)
		if n+6 < len(b) {
			b = b[:n+6]
		}
	} else if n == 0 && e.part.facts.kind == audio {
		bad("PES_packet_length 0, which is for pictures alone")
	}
	if len(b) < 9 || b[6]>>6 != 2 || 9+int(b[8]) > len(b) {
		bad("a malformed header of a PES packet")
		return
	}
	header, body := b[9:9+int(b[8])], b[9+int(b[8]):]
	if b[7]&0x80 == 0 || len(header) < 5 {
		bad("a PES packet without a presentation time")
		return
	}
	pts := stamp(header)
	dts := pts
	if b[7]&0x40 != 0 && len(header) >= 10 {
		dts = stamp(header[5:])
	}
	p := e.part
	first := p.samples == 0
	if !first {
		dts = unwrap(dts, e.previous)
	}
	pts = unwrap(pts, dts)
	if pts < dts {
		bad("it is shown at %d, before it is decoded at %d", pts, dts)
	}
	if t.hasPCR && unwrap(dts, e.clock) < e.clock {
		t.c.fail("ts-pcr", t.where, "PID %d: an access unit is decoded at %d, before it is there: the clock says %d", e.pid, dts, e.clock)
	}
	p.bytes += int64(len(body))
	if p.facts.kind == video {
		t.picture(e, pts, dts, first, body)
	} else {
		t.sound(e, pts, first, body)
	}
}

// stamp reads a time of 33 bits.
func stamp(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}

// picture reads an access unit of a picture.
func (t *tsReader) picture(e *elementary, pts, dts int64, first bool, body []byte) {
	p := e.part
	entry := "avc1"
	if p.facts.sampleEntry == "hevc" {
		entry = "hvc1"
	}
	key, slices := false, 0
	for _, unit := range annexB(body) {
		if len(unit) == 0 {
			continue
		}
		k, slice := isKey(entry, unit[0])
		if slice {
			slices++
			key = key || k
		}
		if p.facts.codec != "" {
			continue
		}
		switch {
		case entry == "avc1" && unit[0]&31 == 7:
			sps, err := parseAVC(unit)
			if err != nil {
				t.c.fail("ts-stream", t.where, "PID %d: SPS: %v", e.pid, err)
				continue
			}
			p.facts.codec, p.facts.width, p.facts.height = sps.codec("avc1"), sps.width, sps.height
		case entry == "hvc1" && unit[0]>>1&63 == 33:
			sps, err := hevc.ParseSPSNALUnit(unit)
			if err != nil {
				t.c.fail("ts-stream", t.where, "PID %d: SPS: %v", e.pid, err)
				continue
			}
			w, h := sps.ImageSize()
			p.facts.codec, p.facts.width, p.facts.height = hevc.CodecString("hvc1", sps), int(w), int(h)
		}
	}
	if slices == 0 {
		t.c.fail("ts-stream", t.where, "PID %d: an access unit without a picture", e.pid)
		return
	}
	if first {
		p.decode, p.show, p.shown, p.key = dts, pts, pts, key
		if key && p.facts.codec == "" {
			t.c.fail("ts-stream", t.where, "PID %d: a key frame without its parameter sets", e.pid)
		}
	} else {
		d := dts - e.previous
		if d <= 0 {
			t.c.fail("ts-pes", t.where, "PID %d: an access unit is decoded at %d, and the one before at %d", e.pid, dts, e.previous)
		}
		p.last, p.longest = max(d, 0), max(p.longest, d)
	}
	p.show, p.shown = min(p.show, pts), max(p.shown, pts)
	e.previous = dts
	p.samples++
	t.c.report.Samples++
	if key {
		p.keys++
	}
	if e.encrypted {
		p.protected++
	} else {
		p.unprotected++
	}
}

// annexB splits a byte stream, ISO/IEC 14496-10 annex B.
func annexB(b []byte) (units [][]byte) {
	begin := -1
	for i := 0; ; {
		j := bytes.Index(b[i:], []byte{0, 0, 1})
		if j < 0 {
			break
		}
		if begin >= 0 {
			units = append(units, bytes.TrimRight(b[begin:i+j], "\x00"))
		}
		begin = i + j + 3
		i = begin
	}
	if begin >= 0 {
		units = append(units, b[begin:])
	}
	return units
}

// sound reads the frames of a PES packet.
func (t *tsReader) sound(e *elementary, pts int64, first bool, body []byte) {
	p := e.part
	frames, samples, facts, err := audioFrames(body, p.facts.sampleEntry)
	if err != nil {
		t.c.fail("ts-stream", t.where, "PID %d: %v", e.pid, err)
		return
	}
	if p.facts.codec == "" {
		p.facts.codec, p.facts.sampleRate, p.facts.channels = facts.codec, facts.sampleRate, facts.channels
	} else if p.facts.sampleRate != facts.sampleRate {
		t.c.fail("ts-stream", t.where, "PID %d: the sampling rate changes from %d to %d", e.pid, p.facts.sampleRate, facts.sampleRate)
	}
	ticks := int64(0)
	if facts.sampleRate > 0 {
		ticks = (samples*90_000 + int64(facts.sampleRate)/2) / int64(facts.sampleRate)
		p.last = max(ticks/int64(max(frames, 1)), 1)
		p.longest = max(p.longest, p.last)
	}
	if first {
		p.decode, p.show = pts, pts
	} else if gap := pts - p.end; gap >= p.last || -gap >= p.last {
		t.c.fail("time-gap", t.where, "PID %d: a PES packet begins at %d, and the one before ended at %d", e.pid, pts, p.end)
	}
	p.key = true
	p.end, p.shown = pts+ticks, pts+ticks
	e.previous = pts
	p.samples += int64(frames)
	p.keys += int64(frames)
	t.c.report.Samples += int64(frames)
	if e.encrypted {
		p.protected += int64(frames)
	} else {
		p.unprotected += int64(frames)
	}
}

// audioFrames reads frames that fill b.
func audioFrames(b []byte, codec string) (frames int, samples int64, f facts, err error) {
	f.kind = audio
	for len(b) > 0 {
		size := 0
		if codec == "aac" {
			a, err := parseADTS(b)
			if err != nil {
				return frames, samples, f, err
			}
			size = a.size
			samples += 1024
			f.codec, f.sampleRate, f.channels = fmt.Sprintf("mp4a.40.%d", a.object), a.rate, a.channels
		} else {
			a, err := parseDolby(b)
			if err != nil {
				return frames, samples, f, err
			}
			if a.enhanced != (codec == "ec-3") {
				return frames, samples, f, errors.New("AC-3 in the place of E-AC-3, or the other way round")
			}
			size = a.size
			if !a.dependent {
				samples += int64(a.samples)
				f.codec, f.sampleRate, f.channels = codec, a.rate, a.channels
			} else {
				frames--
			}
		}
		if size > len(b) {
			return frames, samples, f, errors.New("a frame that is cut off")
		}
		frames++
		b = b[size:]
	}
	return frames, samples, f, nil
}

// finish says where a stream ends: of a picture, the duration of the last frame is taken to be that of the one before.
func (t *tsReader) finish(e *elementary) {
	p := e.part
	if p == nil || p.samples == 0 {
		if p != nil && !t.iframeOnly { // a range of one key frame has nothing else
			t.c.fail("ts-stream", t.where, "PID %d of the PMT has no media", e.pid)
		}
		return
	}
	if p.facts.kind == video {
		p.estimated = true
		if p.samples > 1 {
			p.end = e.previous + p.last
			p.shown += p.last
		} else {
			p.end = e.previous
		}
	}
}
