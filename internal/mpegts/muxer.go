// Package mpegts writes MPEG-2 transport streams (ISO/IEC 13818-1) of one program with AVC and AAC, as segments of HLS are.
//
// Packets are appended to a buffer of the caller, so that the bytes of a sample are copied once. A Muxer keeps the continuity counters from
// segment to segment: the segments of one rendition, put together, are one stream.
//
// Left out, because nothing that plays HLS asks for it: SDT and other service information, padding to a constant rate, and descriptors that
// stream types 0x1b and 0x0f make needless (registration_descriptor names private stream types; there are none here).
package mpegts

import (
	"errors"
	"fmt"
	"math"
	"time"

	"darkroom/internal/media"
)

// PacketSize is the size of a transport stream packet.
const PacketSize = 188

const (
	clock = 90_000 // ticks per second of PTS and DTS
	// timestampOffset is where presentation time 0 stands in the stream: far enough from 0 that no decode time before it is negative.
	timestampOffset = 10 * clock
	// pcrLead is how far the program clock is behind the decode time of what is being sent: the time a decoder buffers.
	pcrLead = 7 * clock / 10
	// maxPCRGap is the longest distance between two values of the program clock, which 2.7.2 limits to 100 ms.
	maxPCRGap = 95 * clock / 1000
	// maxPCRFill is how many packets are written at most to close one gap in the program clock: a minute without a picture.
	maxPCRFill = 60 * clock / maxPCRGap
	// maxPESPayload is what PES_packet_length can say, less the longest optional header.
	maxPESPayload       = math.MaxUint16 - 16
	defaultFramesPerPES = 4
)

// Stream is an elementary stream of a program.
type Stream struct {
	PID   int
	Track *media.Track
}

// Program describes what a Muxer writes.
type Program struct {
	TransportStreamID, Number int
	PMTPID                    int
	// PCRPID is the PID that carries the clock: that of a stream, or one of its own.
	PCRPID  int
	Streams []Stream // at most one of video
	// PATInterval and PMTInterval repeat the tables within a segment; 0: at its start only.
	PATInterval, PMTInterval time.Duration
	// AudioFramesPerPES is how many access units share a PES packet; 0 is 4.
	AudioFramesPerPES int
}

// stream is the state of an elementary stream.
type stream struct {
	Stream
	id         byte // stream_id of its PES packets
	continuity byte
	adts       *adts
	lead       []byte // AVC: what stands before every access unit that has none of it: AUD; with parameter sets for key frames
	keyLead    []byte

	// Access units of sound that wait for their PES packet.
	pending      [][]byte
	pendingBytes int
	pendingTime  int64 // PTS of the first
}

// Muxer writes a program. It is not safe for use by several goroutines.
type Muxer struct {
	program Program
	streams []stream
	tables  struct{ pat, pmt, pcr byte } // continuity counters
	pat     []byte                       // sections
	pmt     []byte
	patAt   int64 // when the table was last written, in ticks of the clock
	pmtAt   int64
	video   int   // index of the video stream, -1 for none
	pcr     int64 // last value of the program clock, without wrap
	hasPCR  bool
	begun   bool  // a segment began, and nothing but its tables has been written
	reorder int64 // the most by which a PTS was seen ahead of its DTS
	parts   [][]byte
}

// NewMuxer checks a program: PIDs in range and apart, and codecs that it can carry.
func NewMuxer(p Program) (*Muxer, error) {
	m := &Muxer{program: p, video: -1}
	if m.program.AudioFramesPerPES <= 0 {
		m.program.AudioFramesPerPES = defaultFramesPerPES
	}
	if len(p.Streams) == 0 {
		return nil, errors.New("a transport stream without a stream")
	}
	if p.TransportStreamID < 0 || p.TransportStreamID > math.MaxUint16 || p.Number < 1 || p.Number > math.MaxUint16 {
		return nil, fmt.Errorf("transport stream %d, program %d: out of range", p.TransportStreamID, p.Number)
	}
	used := map[int]bool{}
	claim := func(pid int) error {
		if pid < 0x10 || pid > 0x1ffe {
			return fmt.Errorf("PID %d is out of range", pid)
		}
		if used[pid] {
			return fmt.Errorf("PID %d is used twice", pid)
		}
		used[pid] = true
		return nil
	}
	if err := claim(p.PMTPID); err != nil {
		return nil, err
	}
	pcrOfStream := false
	audio := byte(0)
	for i, s := range p.Streams {
		if err := claim(s.PID); err != nil {
			return nil, err
		}
		pcrOfStream = pcrOfStream || s.PID == p.PCRPID
		st := stream{Stream: s}
		switch s.Track.Codec {
		case media.AVC:
			if m.video >= 0 {
				return nil, errors.New("a program of two videos")
			}
			m.video, st.id = i, 0xe0
			st.leads()
		case media.AAC:
			var err error
			if st.adts, err = newADTS(s.Track.AudioConfig); err != nil {
				return nil, err
			}
			st.id = 0xc0 + audio%32
			audio++
		default:
			return nil, fmt.Errorf("no transport stream carries %q here", s.Track.Codec)
		}
		m.streams = append(m.streams, st)
	}
	if !pcrOfStream {
		if err := claim(p.PCRPID); err != nil {
			return nil, err
		}
	}
	m.pat, m.pmt = p.patSection(), p.pmtSection()
	if len(m.pmt) > PacketSize-5 {
		return nil, fmt.Errorf("a program map of %d bytes does not fit into one packet", len(m.pmt))
	}
	return m, nil
}

// ticks converts ticks of a track to ticks of the clock, with the offset.
func ticks(t int64, timescale uint32) int64 {
	s := int64(timescale)
	q, r := t/s, t%s
	if r < 0 {
		q, r = q-1, r+s
	}
	return q*clock + (r*clock+s/2)/s + timestampOffset
}

// AppendSegmentStart begins a segment with its tables. Access units of sound that wait belong to the segment before: AppendFlush comes first.
func (m *Muxer) AppendSegmentStart(dst []byte) []byte {
	m.begun = true
	return m.appendPMT(m.appendPAT(dst))
}

// AppendSample writes an access unit of the stream with the given index; sound may wait for its companions. Samples of one stream come in
// decode order.
func (m *Muxer) AppendSample(dst []byte, index int, s *media.Sample) ([]byte, error) {
	st := &m.streams[index]
	t := st.Track
	dts := ticks(s.DecodeTime-t.MediaTime, t.Timescale)
	if st.adts != nil {
		return m.appendAudio(dst, st, s, dts)
	}
	pts := ticks(t.PresentationTime(s), t.Timescale)
	if pts < dts {
		return dst, fmt.Errorf("a picture is shown at %d before it is decoded at %d", pts, dts)
	}
	var err error
	if m.parts, err = st.accessUnit(m.parts[:0], s); err != nil {
		return dst, err
	}
	m.reorder = max(m.reorder, pts-dts)
	dst = m.advance(dst, dts)
	return m.appendPES(dst, st, pts, dts, s.Sync, m.parts, 0), nil
}

func (m *Muxer) appendAudio(dst []byte, st *stream, s *media.Sample, pts int64) ([]byte, error) {
	header, err := st.adts.header(len(s.Data))
	if err != nil {
		return dst, err
	}
	if size := len(header) + len(s.Data); st.pendingBytes+size > maxPESPayload {
		dst = m.flush(dst, st)
	}
	if len(st.pending) == 0 {
		st.pendingTime = pts
	}
	st.pending = append(st.pending, header, s.Data)
	st.pendingBytes += len(header) + len(s.Data)
	if len(st.pending) >= 2*m.program.AudioFramesPerPES {
		dst = m.flush(dst, st)
	}
	return dst, nil
}

// AppendFlush writes the sound that waits, at the end of a segment.
func (m *Muxer) AppendFlush(dst []byte) []byte {
	for i := range m.streams {
		dst = m.flush(dst, &m.streams[i])
	}
	return dst
}

func (m *Muxer) flush(dst []byte, st *stream) []byte {
	if len(st.pending) == 0 {
		return dst
	}
	at := st.pendingTime
	if m.video >= 0 {
		// The clock follows the decode times of the picture, which are behind by the reordering.
		dst = m.advance(dst, at-m.reorder)
	} else {
		dst = m.advance(dst, at)
	}
	dst = m.appendPES(dst, st, at, at, true, st.pending, st.pendingBytes)
	clear(st.pending)
	st.pending, st.pendingBytes = st.pending[:0], 0
	return dst
}

// advance writes the tables and the clock that are due before an access unit with the given decode time.
func (m *Muxer) advance(dst []byte, dts int64) []byte {
	begun := m.begun
	m.begun = false
	if begun {
		m.patAt, m.pmtAt = dts, dts
	}
	dst = m.appendDueTables(dst, dts)
	dst = m.appendClock(dst, dts)
	if begun && m.ownClock() {
		dst = m.appendPCR(dst, dts-pcrLead)
	}
	return dst
}
