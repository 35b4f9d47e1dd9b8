// Package mpegtstest reads transport streams for tests, strictly and literally after ISO/IEC 13818-1, knowing nothing of the muxer.
package mpegtstest

import (
	"bytes"
	"errors"
	"fmt"
)

// Stream is an elementary stream of the program map.
type Stream struct {
	Type, PID int
	Language  string
}

// Unit is a PES packet.
type Unit struct {
	PID          int
	PTS, DTS     int64 // unwrapped, 90 kHz
	RandomAccess bool
	Data         []byte // elementary stream
}

// Parser reads segments of one stream, one after the other; counters and clocks go on from segment to segment.
type Parser struct {
	TransportStreamID, Program, PMTPID, PCRPID int
	Streams                                    []Stream
	Units                                      []Unit
	PCRs                                       []int64 // 90 kHz, unwrapped
	PATs, PMTs                                 int
	// MaxPCRGap is the longest distance between two values of the clock, in 90 kHz.
	MaxPCRGap int64
	// ProgramInfo are the descriptors of the program map, and Descriptors those of each PID, with their tag and length.
	ProgramInfo [][]byte
	Descriptors map[int][][]byte

	sections map[int][]byte
	counters map[int]int
	pending  map[int]*pes
	lastDTS  map[int]int64
}

type pes struct {
	data         []byte
	randomAccess bool
	pcr          int64
}

const packetSize = 188

// Segment reads one segment.
func (p *Parser) Segment(b []byte) error {
	if p.counters == nil {
		p.counters, p.pending, p.lastDTS = map[int]int{}, map[int]*pes{}, map[int]int64{}
		p.sections = map[int][]byte{}
	}
	if len(b) == 0 || len(b)%packetSize != 0 {
		return fmt.Errorf("%d bytes are not whole packets", len(b))
	}
	units := len(p.Units)
	for n := 0; len(b) > 0; n++ {
		if err := p.packet(b[:packetSize], n); err != nil {
			return fmt.Errorf("packet %d: %w", n, err)
		}
		b = b[packetSize:]
	}
	if len(p.sections) > 0 {
		return errors.New("a section without its end")
	}
	for _, s := range p.Streams {
		if err := p.flush(s.PID); err != nil {
			return fmt.Errorf("last packet of PID %d: %w", s.PID, err)
		}
	}
	for _, u := range p.Units[units:] {
		if isVideo(p.kind(u.PID)) {
			if !u.RandomAccess {
				return errors.New("the first picture is no random access point")
			}
			break
		}
	}
	return nil
}

// The stream types.
const (
	ADTS          = 0x0f
	Metadata      = 0x15
	AVC           = 0x1b
	HEVC          = 0x24
	AC3           = 0x81
	EAC3          = 0x87
	EncryptedAC3  = 0xc1
	EncryptedEAC3 = 0xc2
	EncryptedADTS = 0xcf
	EncryptedAVC  = 0xdb
)

func isVideo(kind int) bool { return kind == AVC || kind == EncryptedAVC || kind == HEVC }

// Elementary puts together what the PES packets of a PID carry.
func (p *Parser) Elementary(pid int) []byte {
	var b []byte
	for _, u := range p.Units {
		if u.PID == pid {
			b = append(b, u.Data...)
		}
	}
	return b
}

func (p *Parser) kind(pid int) int {
	for _, s := range p.Streams {
		if s.PID == pid {
			return s.Type
		}
	}
	return -1
}

func (p *Parser) packet(b []byte, n int) error {
	if b[0] != 0x47 {
		return fmt.Errorf("sync byte %#02x", b[0])
	}
	if b[1]&0x80 != 0 || b[3]&0xc0 != 0 {
		return errors.New("transport error or scrambling")
	}
	start := b[1]&0x40 != 0
	pid := int(b[1]&0x1f)<<8 | int(b[2])
	control, counter := b[3]>>4&3, int(b[3]&15)
	if n == 0 && pid != 0 || n == 1 && (p.PMTPID == 0 || pid != p.PMTPID) {
		return fmt.Errorf("PID %d where a table should be", pid)
	}
	if control == 0 {
		return errors.New("reserved adaptation_field_control")
	}
	last, seen := p.counters[pid]
	want := last
	if control&1 != 0 {
		want = (last + 1) & 15
	}
	if seen && counter != want {
		return fmt.Errorf("PID %d: continuity counter %d, not %d", pid, counter, want)
	}
	if seen || control&1 != 0 {
		p.counters[pid] = counter
	}
	payload := b[4:]
	random := false
	if control&2 != 0 {
		length := int(payload[0])
		if control == 2 && length != 183 || control == 3 && length > 182 {
			return fmt.Errorf("an adaptation field of %d bytes", length)
		}
		field := payload[1 : 1+length]
		payload = payload[1+length:]
		if length > 0 {
			random = field[0]&0x40 != 0
			rest := field[1:]
			if field[0]&0x10 != 0 {
				if err := p.pcr(pid, rest); err != nil {
					return err
				}
				rest = rest[6:]
			}
			if field[0]&0x0f != 0 {
				return fmt.Errorf("flags %#02x in an adaptation field", field[0])
			}
			for _, c := range rest {
				if c != 0xff {
					return errors.New("stuffing that is not 0xff")
				}
			}
		}
	}
	if control&1 == 0 {
		return nil
	}
	switch {
	case pid == 0 || pid == p.PMTPID:
		done, err := p.section(pid, payload, start)
		if err != nil || done == nil {
			return err
		}
		if pid == 0 {
			return p.pat(done)
		}
		return p.pmt(done)
	case len(p.sections) > 0:
		return errors.New("a section broken off")
	case p.kind(pid) < 0:
		return fmt.Errorf("PID %d is not in the program map", pid)
	}
	if start {
		if err := p.flush(pid); err != nil {
			return err
		}
		p.pending[pid] = &pes{randomAccess: random, pcr: p.clock()}
	}
	if p.pending[pid] == nil {
		return fmt.Errorf("PID %d does not begin with a PES packet", pid)
	}
	p.pending[pid].data = append(p.pending[pid].data, payload...)
	return nil
}

func (p *Parser) clock() int64 {
	if len(p.PCRs) == 0 {
		return -1
	}
	return p.PCRs[len(p.PCRs)-1]
}

func (p *Parser) pcr(pid int, b []byte) error {
	if pid != p.PCRPID {
		return fmt.Errorf("a clock on PID %d, not %d", pid, p.PCRPID)
	}
	base := int64(b[0])<<25 | int64(b[1])<<17 | int64(b[2])<<9 | int64(b[3])<<1 | int64(b[4])>>7
	if b[4]&0x7e != 0x7e {
		return errors.New("reserved bits of a clock")
	}
	base = unwrap(base, p.clock())
	if last := p.clock(); last >= 0 {
		if base < last {
			return fmt.Errorf("the clock goes from %d back to %d", last, base)
		}
		p.MaxPCRGap = max(p.MaxPCRGap, base-last)
	}
	p.PCRs = append(p.PCRs, base)
	return nil
}

// unwrap extends a 33-bit value so that it is nearest to another.
func unwrap(v, near int64) int64 {
	const wrap = 1 << 33
	if near < 0 {
		return v
	}
	for v < near-wrap/2 {
		v += wrap
	}
	return v
}

// section collects the packets of a section, and returns it without its CRC when it is whole.
func (p *Parser) section(pid int, b []byte, start bool) ([]byte, error) {
	part, under := p.sections[pid]
	switch {
	case start && under:
		return nil, errors.New("a section broken off by another")
	case start:
		if b[0] != 0 {
			return nil, errors.New("a section that does not start at once")
		}
		b = b[1:]
		table := map[bool]byte{true: 0, false: 2}[pid == 0]
		if b[0] != table || b[1]&0xfc != 0xb0 || b[5]&1 != 1 || b[6] != 0 || b[7] != 0 {
			return nil, fmt.Errorf("a section header % x", b[:8])
		}
	case !under:
		return nil, errors.New("the middle of a section without its start")
	}
	part = append(part, b...)
	n := int(part[1]&15)<<8 | int(part[2]) + 3
	if n > 1024 {
		return nil, fmt.Errorf("a section of %d bytes", n)
	}
	if len(part) < n {
		p.sections[pid] = part
		return nil, nil
	}
	delete(p.sections, pid)
	if crc(part[:n]) != 0 {
		return nil, errors.New("a section whose CRC is wrong")
	}
	if len(bytes.Trim(part[n:], "\xff")) > 0 {
		return nil, errors.New("something behind a section")
	}
	return part[:n-4], nil
}

// descriptors splits a loop of descriptors.
func descriptors(b []byte) ([][]byte, error) {
	var all [][]byte
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return nil, errors.New("descriptors that do not fill their loop")
		}
		n := 2 + int(b[1])
		all = append(all, b[:n])
		b = b[n:]
	}
	return all, nil
}

// crc is that of annex A, bit by bit.
func crc(b []byte) uint32 {
	c := uint32(0xffffffff)
	for _, v := range b {
		for i := 7; i >= 0; i-- {
			bit := c>>31 ^ uint32(v>>i&1)
			c <<= 1
			if bit != 0 {
				c ^= 0x04c11db7
			}
		}
	}
	return c
}

func (p *Parser) pat(s []byte) error {
	if len(s) != 12 {
		return fmt.Errorf("PAT of %d bytes", len(s))
	}
	p.PATs++
	p.TransportStreamID = int(s[3])<<8 | int(s[4])
	p.Program = int(s[8])<<8 | int(s[9])
	p.PMTPID = int(s[10]&0x1f)<<8 | int(s[11])
	return nil
}

func (p *Parser) pmt(s []byte) error {
	p.PMTs++
	if program := int(s[3])<<8 | int(s[4]); program != p.Program {
		return fmt.Errorf("PMT of program %d, not %d", program, p.Program)
	}
	p.PCRPID = int(s[8]&0x1f)<<8 | int(s[9])
	skip := int(s[10]&15)<<8 | int(s[11])
	if s[10]&0xf0 != 0xf0 || 12+skip > len(s) {
		return errors.New("program_info_length")
	}
	var err error
	if p.ProgramInfo, err = descriptors(s[12 : 12+skip]); err != nil {
		return err
	}
	s = s[12+skip:]
	p.Streams, p.Descriptors = nil, map[int][][]byte{}
	for len(s) > 0 {
		if len(s) < 5 || s[1]&0xe0 != 0xe0 || s[3]&0xf0 != 0xf0 {
			return errors.New("an elementary stream of the program map")
		}
		st := Stream{Type: int(s[0]), PID: int(s[1]&0x1f)<<8 | int(s[2])}
		n := int(s[3]&15)<<8 | int(s[4])
		if 5+n > len(s) {
			return errors.New("ES_info_length")
		}
		list, err := descriptors(s[5 : 5+n])
		if err != nil {
			return err
		}
		for _, d := range list {
			if d[0] == 0x0a {
				st.Language = string(d[2:5])
			}
		}
		p.Descriptors[st.PID] = list
		p.Streams = append(p.Streams, st)
		s = s[5+n:]
	}
	return nil
}

// flush ends the PES packet of a PID.
func (p *Parser) flush(pid int) error {
	pending := p.pending[pid]
	delete(p.pending, pid)
	if pending == nil {
		return nil
	}
	b := pending.data
	if len(b) < 14 || b[0] != 0 || b[1] != 0 || b[2] != 1 {
		return errors.New("no PES packet")
	}
	kind := p.kind(pid)
	video := isVideo(kind)
	id := b[3]
	switch kind {
	case AVC, EncryptedAVC, HEVC:
		id &= 0xf0
		id ^= 0xe0
	case ADTS, EncryptedADTS:
		id &= 0xe0
		id ^= 0xc0
	default:
		id ^= 0xbd
	}
	if id != 0 {
		return fmt.Errorf("stream_id %#02x of stream type %#02x", b[3], kind)
	}
	if b[6] != 0x84 || b[7]&0x3f != 0 {
		return fmt.Errorf("flags % x of a PES packet", b[6:8])
	}
	if n := int(b[4])<<8 | int(b[5]); n != 0 && n != len(b)-6 || n == 0 && !video {
		return fmt.Errorf("PES_packet_length %d of %d bytes", n, len(b)-6)
	}
	header := int(b[8])
	u := Unit{PID: pid, RandomAccess: pending.randomAccess}
	var err error
	switch b[7] >> 6 {
	case 2:
		u.PTS, err = timestamp(b[9:14], 2)
		u.DTS = u.PTS
	case 3:
		if u.PTS, err = timestamp(b[9:14], 3); err == nil {
			u.DTS, err = timestamp(b[14:19], 1)
		}
	default:
		err = errors.New("a PES packet without PTS")
	}
	if err != nil {
		return err
	}
	near, seen := p.lastDTS[pid]
	if !seen {
		near = p.clock()
	}
	u.DTS = unwrap(u.DTS, near)
	u.PTS = unwrap(u.PTS, u.DTS)
	switch {
	case u.PTS < u.DTS:
		return fmt.Errorf("PTS %d before DTS %d", u.PTS, u.DTS)
	case seen && u.DTS < near:
		return fmt.Errorf("DTS %d after %d", u.DTS, near)
	case pending.pcr >= 0 && u.DTS < pending.pcr:
		return fmt.Errorf("DTS %d, but the clock is at %d", u.DTS, pending.pcr)
	}
	p.lastDTS[pid] = u.DTS
	u.Data = b[9+header:]
	switch kind {
	case AVC, EncryptedAVC:
		err = picture(u)
	case HEVC:
		err = pictureHEVC(u)
	case ADTS, EncryptedADTS:
		err = sound(u.Data)
	case Metadata:
		_, err = Tag(u.Data)
	default:
		if Syncframes(u.Data) < 1 {
			err = errors.New("sound that is not whole syncframes")
		}
	}
	if err != nil {
		return err
	}
	p.Units = append(p.Units, u)
	return nil
}

func timestamp(b []byte, prefix byte) (int64, error) {
	if b[0]>>4 != prefix || b[0]&1 != 1 || b[2]&1 != 1 || b[4]&1 != 1 {
		return 0, fmt.Errorf("a time stamp % x", b)
	}
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1), nil
}

// picture checks that an access unit begins with a delimiter and, when it can be started from, has its parameter sets.
func picture(u Unit) error {
	kinds := NALTypes(u.Data)
	if len(kinds) < 2 || kinds[0] != 9 {
		return fmt.Errorf("an access unit of NAL units %v", kinds)
	}
	for _, k := range kinds[1:] {
		if k == 9 {
			return errors.New("two delimiters in an access unit")
		}
	}
	if u.RandomAccess {
		if kinds[1] != 7 || !bytes.Contains(kinds, []byte{8}) {
			return fmt.Errorf("a random access point of NAL units %v", kinds)
		}
	}
	return nil
}

// pictureHEVC is picture for HEVC.
func pictureHEVC(u Unit) error {
	var kinds []byte
	for _, first := range nalStarts(u.Data) {
		kinds = append(kinds, first>>1&63)
	}
	if len(kinds) < 2 || kinds[0] != 35 || bytes.Count(kinds, []byte{35}) != 1 {
		return fmt.Errorf("an access unit of NAL units %v", kinds)
	}
	if u.RandomAccess && (len(kinds) < 5 || kinds[1] != 32 || kinds[2] != 33 || kinds[3] != 34) {
		return fmt.Errorf("a random access point of NAL units %v", kinds)
	}
	return nil
}

// NALTypes lists the NAL unit types of a byte stream of AVC.
func NALTypes(b []byte) []byte {
	kinds := nalStarts(b)
	for i := range kinds {
		kinds[i] &= 31
	}
	return kinds
}

// nalStarts are the first bytes of the NAL units of a byte stream.
func nalStarts(b []byte) []byte {
	var first []byte
	for i := 0; i+3 < len(b); i++ {
		if b[i] == 0 && b[i+1] == 0 && b[i+2] == 1 {
			first = append(first, b[i+3])
			i += 3
		}
	}
	return first
}

func sound(b []byte) error {
	if Frames(b) < 1 {
		return errors.New("sound that is not whole ADTS frames")
	}
	return nil
}

// Frames counts ADTS frames; -1 when the bytes are something else.
func Frames(b []byte) int {
	n := 0
	for ; len(b) > 0; n++ {
		if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 {
			return -1
		}
		size := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		if size < 7 || size > len(b) {
			return -1
		}
		b = b[size:]
	}
	return n
}

// Words of 16 bits in a syncframe of AC-3 at 48, 44.1 and 32 kHz, ETSI TS 102 366 table 4.13; those of odd codes at 44.1 kHz are one more.
var ac3Words = [3][19]int{
	{64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1152, 1280},
	{69, 87, 104, 121, 139, 174, 208, 243, 278, 348, 417, 487, 557, 696, 835, 975, 1114, 1253, 1393},
	{96, 120, 144, 168, 192, 240, 288, 336, 384, 480, 576, 672, 768, 960, 1152, 1344, 1536, 1728, 1920},
}

// syncframe returns the size of the syncframe that b begins with, 0 for none.
func syncframe(b []byte) int {
	if len(b) < 7 || b[0] != 0x0b || b[1] != 0x77 {
		return 0
	}
	words := 0
	switch bsid := b[5] >> 3; {
	case bsid == 16:
		words = int(b[2]&7)<<8 | int(b[3])
		words++
	case bsid == 6 || bsid == 8:
		fscod, frmsizecod := b[4]>>6, b[4]&63
		if fscod == 3 || frmsizecod > 37 {
			return 0
		}
		words = ac3Words[fscod][frmsizecod/2]
		if fscod == 1 && frmsizecod%2 == 1 {
			words++
		}
	}
	if 2*words > len(b) {
		return 0
	}
	return 2 * words
}

// Syncframes counts the syncframes of AC-3 and E-AC-3; -1 when the bytes are something else.
func Syncframes(b []byte) int {
	n := 0
	for ; len(b) > 0; n++ {
		size := syncframe(b)
		if size == 0 {
			return -1
		}
		b = b[size:]
	}
	return n
}
