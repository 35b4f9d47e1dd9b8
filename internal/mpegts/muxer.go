// Package mpegts writes MPEG-2 transport streams (ISO/IEC 13818-1) of one program, as segments of HLS are: video of AVC or HEVC, sound of AAC, AC-3 or
// E-AC-3, timed metadata in ID3 tags, in the clear or with SAMPLE-AES ("MPEG-2 Stream Encryption Format for HTTP Live Streaming"); and the packed audio
// of RFC 8216 3.4, which is the same sound without the transport stream. Section numbers alone are of ISO/IEC 13818-1.
//
// Packets are appended to a buffer of the caller, so that the bytes of a clear picture are copied once, those of an encrypted one twice. A Muxer keeps
// the continuity counters from segment to segment: the segments of one rendition, put together, are one stream.
//
// Left out, because nothing that plays HLS asks for it: SDT and other service information, padding to a constant rate, and descriptors that
// stream types 0x1b and 0x0f make needless.
package mpegts

import (
	"errors"
	"fmt"
	"math"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/id3"
	"darkroom/internal/media"
)

// PacketSize is the size of a transport stream packet.
const PacketSize = 188

const (
	clock = 90_000 // ticks per second of PTS and DTS
	// DefaultPTSOffset is where presentation time 0 stands in the stream: far enough from 0 that no decode time before it is negative.
	DefaultPTSOffset = 10 * time.Second
	// pcrLead is how far the program clock is behind the decode time of what is being sent: the time a decoder buffers.
	pcrLead = 7 * clock / 10
	// defaultPCRInterval keeps to the 100 ms that 2.7.2 allows between two values of the program clock.
	defaultPCRInterval = 95 * time.Millisecond
	minPCRInterval     = time.Millisecond
	// maxPCRFill is the longest gap in the program clock, in ticks, that is closed with packets of the clock: a minute without a picture.
	maxPCRFill = 60 * clock
	// maxPESPayload is what PES_packet_length can say, less the longest optional header.
	maxPESPayload       = math.MaxUint16 - 16
	defaultFramesPerPES = 4
	// maxShift bounds the offsets of presentation times, to what 33 bits of time stamps can hold.
	maxShift = 24 * time.Hour
)

// Stream is an elementary stream of a program.
type Stream struct {
	PID   int
	Track *media.Track
	// Key encrypts the samples with SAMPLE-AES: its value and its initialization vector have 16 bytes each. nil leaves them clear. HEVC has no such
	// encryption.
	Key *cenc.Key
	// FirstFrame is the first access unit of AC-3 with a Key, of which the program map tells players the beginning; others need none.
	FirstFrame []byte
}

// Timing is where presentation times stand in a stream. Times before 0 wrap, as all time stamps do at 33 bits.
type Timing struct {
	// PTSOffset is the PTS of presentation time 0 (ptsOffset); nil is 10 s.
	PTSOffset *time.Duration
	// AudioPTSDelta is added to the times of sound (audioPtsOffsetDelta). Sound stays where it is among the packets.
	AudioPTSDelta time.Duration
}

// offsets are the ticks of 90 kHz that Timing adds to times of pictures and sound.
func (t Timing) offsets() (video, audio int64, err error) {
	offset := DefaultPTSOffset
	if t.PTSOffset != nil {
		offset = *t.PTSOffset
	}
	if offset < 0 || offset > maxShift || t.AudioPTSDelta.Abs() > maxShift {
		return 0, 0, fmt.Errorf("a PTS offset of %v with %v for sound is out of range", offset, t.AudioPTSDelta)
	}
	video = inTicks(offset)
	return video, video + inTicks(t.AudioPTSDelta), nil
}

// inTicks converts less than a year to ticks of 90 kHz.
func inTicks(d time.Duration) int64 {
	return int64(d/time.Microsecond) * clock / int64(time.Second/time.Microsecond)
}

// Program describes what a Muxer writes.
type Program struct {
	TransportStreamID, Number int
	PMTPID                    int
	// PCRPID is the PID that carries the clock: that of a stream, or one of its own.
	PCRPID  int
	Streams []Stream // at most one of video
	// MetadataPID is of the stream that AppendMetadata writes; 0 for none.
	MetadataPID int
	// PATInterval and PMTInterval repeat the tables within a segment; 0: at its start only.
	PATInterval, PMTInterval time.Duration
	// AudioFramesPerPES is how many access units share a PES packet; 0 is 4.
	AudioFramesPerPES int
	// MaxPCRInterval is the longest time between two values of the clock (maxPcrInterval), at least a millisecond; 0 is 95 ms.
	MaxPCRInterval time.Duration
	// PeriodicPCR puts the clock into a PES packet of PCRPID only when the next one would be too late for MaxPCRInterval, and at the start of a
	// segment (pcrControl CONFIGURED_PCR_PERIOD); else every PES packet of PCRPID has it (PCR_EVERY_PES_PACKET).
	PeriodicPCR bool
	Timing
}

// stream is the state of an elementary stream.
type stream struct {
	Stream
	id         byte // stream_id of its PES packets
	continuity byte
	offset     int64 // of its time stamps, in ticks

	// Video.
	lead    []byte // what stands before every access unit that has none of it: a delimiter
	keyLead []byte // the same for key frames: parameter sets, too
	aes     *sampleAES
	scratch []byte // NAL units that were encrypted
	// unitHeader is the size of a NAL unit's header.
	unitHeader uint64

	// Sound: access units that wait for their PES packet.
	framer        *framer // nil for video
	pending       []byte
	pendingFrames int
	pendingTime   int64 // clock of the first
	pendingEnd    int64 // of the last
}

// Muxer writes a program. It is not safe for use by several goroutines.
type Muxer struct {
	program  Program
	streams  []stream
	metadata stream
	tables   struct{ pat, pmt, pcr byte } // continuity counters
	pat      []byte                       // sections
	pmt      []byte
	patAt    int64 // when the table was last written, in ticks of the clock
	pmtAt    int64
	video    int   // index of the video stream, -1 for none
	interval int64 // the longest distance between two values of the program clock
	offset   int64 // of the program clock and of pictures, in ticks
	pcr      int64 // last value of the program clock, without wrap
	hasPCR   bool
	begun    bool  // a segment began, and nothing but its tables has been written
	fresh    bool  // the clock was not yet written in the segment
	reorder  int64 // the most by which a PTS was seen ahead of its DTS
	parts    [][]byte
}

// NewMuxer checks a program: PIDs in range and apart, and codecs that it can carry.
func NewMuxer(p Program) (*Muxer, error) {
	m := &Muxer{program: p, video: -1}
	var soundOffset int64
	var err error
	if m.offset, soundOffset, err = p.offsets(); err != nil {
		return nil, err
	}
	switch interval := p.MaxPCRInterval; {
	case interval == 0:
		m.interval = inTicks(defaultPCRInterval)
	case interval < minPCRInterval || interval > maxPCRFill*time.Second/clock:
		return nil, fmt.Errorf("a PCR interval of %v is out of range", interval)
	default:
		m.interval = inTicks(interval)
	}
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
		if s.Track == nil {
			return nil, errors.New("a stream without a track")
		}
		st := stream{Stream: s, offset: m.offset}
		switch s.Track.Codec {
		case media.AVC, media.HEVC:
			if m.video >= 0 {
				return nil, errors.New("a program of two videos")
			}
			m.video, st.id = i, 0xe0
			st.leads()
			if s.Key == nil {
				break
			}
			if s.Track.Codec == media.HEVC {
				return nil, errors.New("SAMPLE-AES is not defined for HEVC in transport streams")
			}
			if st.aes, err = newSampleAES(s.Key); err != nil {
				return nil, err
			}
		case media.AAC, media.AC3, media.EAC3:
			if st.framer, err = newFramer(s.Track, s.Key); err != nil {
				return nil, err
			}
			st.offset = soundOffset
			st.id = privateStream1
			if s.Track.Codec == media.AAC {
				st.id = 0xc0 + audio%32
				audio++
			}
		default:
			return nil, fmt.Errorf("no transport stream carries %q here", s.Track.Codec)
		}
		if s.Track.Timescale == 0 {
			return nil, errors.New("a track without a timescale")
		}
		m.streams = append(m.streams, st)
	}
	if p.MetadataPID != 0 {
		if err := claim(p.MetadataPID); err != nil {
			return nil, err
		}
		m.metadata = stream{Stream: Stream{PID: p.MetadataPID}, id: privateStream1, offset: m.offset}
	}
	if !pcrOfStream {
		if err := claim(p.PCRPID); err != nil {
			return nil, err
		}
	}
	m.pat = p.patSection()
	m.pmt, err = m.pmtSection()
	return m, err
}

// privateStream1 is the stream_id of AC-3 (ATSC A/53 part 3 section 6.6) and of ID3 tags.
const privateStream1 = 0xbd

// ticks converts ticks of a track to ticks of the clock.
func ticks(t int64, timescale uint32) int64 {
	s := int64(timescale)
	q, r := t/s, t%s
	if r < 0 {
		q, r = q-1, r+s
	}
	return q*clock + (r*clock+s/2)/s
}

// AppendSegmentStart begins a segment with its tables. Access units of sound that wait belong to the segment before: AppendFlush comes first.
func (m *Muxer) AppendSegmentStart(dst []byte) []byte {
	m.begun, m.fresh = true, true
	return m.appendPMT(m.appendPAT(dst))
}

// AppendSample writes an access unit of the stream with the given index; sound may wait for its companions, in a copy. Samples of one stream come in
// decode order. The sample is not changed. When AppendSample fails, it has written nothing.
func (m *Muxer) AppendSample(dst []byte, index int, s *media.Sample) ([]byte, error) {
	st := &m.streams[index]
	t := st.Track
	decode := s.DecodeTime - t.MediaTime
	now := ticks(decode, t.Timescale)
	end := ticks(decode+int64(s.Duration), t.Timescale)
	if st.framer != nil {
		return m.appendSound(dst, st, s, now, end)
	}
	shown := ticks(t.PresentationTime(s), t.Timescale)
	if shown < now {
		return dst, fmt.Errorf("a picture is shown at %d before it is decoded at %d", shown, now)
	}
	var err error
	if m.parts, err = st.accessUnit(m.parts[:0], s); err != nil {
		return dst, err
	}
	m.reorder = max(m.reorder, shown-now)
	dst = m.advance(dst, now)
	dst = m.appendPES(dst, st, pes{shown: shown, decoded: now, next: end, sync: s.Sync}, m.parts)
	clear(m.parts) // they lie in the sample
	return dst, nil
}

func (m *Muxer) appendSound(dst []byte, st *stream, s *media.Sample, now, end int64) ([]byte, error) {
	before := len(st.pending)
	pending, err := st.framer.append(st.pending, s.Data)
	if err != nil {
		return dst, err
	}
	size := len(pending) - before
	if size > maxPESPayload {
		return dst, fmt.Errorf("an access unit of sound of %d bytes", size)
	}
	if len(pending) > maxPESPayload {
		dst = m.flush(dst, st)
		pending = append(pending[:0], pending[before:]...)
	}
	st.pending = pending
	if st.pendingFrames == 0 {
		st.pendingTime = now
	}
	st.pendingEnd = end
	st.pendingFrames++
	if st.pendingFrames >= m.program.AudioFramesPerPES {
		dst = m.flush(dst, st)
	}
	return dst, nil
}

// AppendMetadata writes an ID3 tag that is for the given presentation time, at least 0. It comes among the samples of its time: a player that has not
// got it 0.7 s later may miss it. The tag must be whole, and fit into a PES packet.
func (m *Muxer) AppendMetadata(dst []byte, at time.Duration, tag []byte) ([]byte, error) {
	switch {
	case m.program.MetadataPID == 0:
		return dst, errors.New("metadata in a program without a stream of it")
	case at < 0 || at > maxMetadataTime:
		return dst, fmt.Errorf("metadata at %v is out of range", at)
	case len(tag) > maxPESPayload:
		return dst, fmt.Errorf("an ID3 tag of %d bytes, more than the %d of a PES packet", len(tag), maxPESPayload)
	}
	if err := id3.Check(tag); err != nil {
		return dst, err
	}
	m.parts = append(m.parts[:0], tag)
	t := inTicks(at)
	dst = m.appendPES(dst, &m.metadata, pes{shown: t, decoded: t, size: len(tag)}, m.parts)
	clear(m.parts)
	return dst, nil
}

// maxMetadataTime is a year: more than any film, and within what inTicks converts.
const maxMetadataTime = 365 * 24 * time.Hour

// AppendFlush writes the sound that waits, at the end of a segment.
func (m *Muxer) AppendFlush(dst []byte) []byte {
	for i := range m.streams {
		dst = m.flush(dst, &m.streams[i])
	}
	return dst
}

func (m *Muxer) flush(dst []byte, st *stream) []byte {
	if st.pendingFrames == 0 {
		return dst
	}
	at := st.pendingTime
	if m.video >= 0 {
		// The clock follows the decode times of the picture, which are behind by the reordering.
		dst = m.advance(dst, at-m.reorder)
	} else {
		dst = m.advance(dst, at)
	}
	m.parts = append(m.parts[:0], st.pending)
	dst = m.appendPES(dst, st, pes{shown: at, decoded: at, next: st.pendingEnd, sync: true, size: len(st.pending)}, m.parts)
	st.pending, st.pendingFrames = st.pending[:0], 0
	return dst
}

// advance writes the tables and the clock that are due before an access unit with the given decode time.
func (m *Muxer) advance(dst []byte, now int64) []byte {
	begun := m.begun
	m.begun = false
	if begun {
		m.patAt, m.pmtAt = now, now
	}
	dst = m.appendDueTables(dst, now)
	dst = m.appendClock(dst, now)
	if begun && m.ownClock() {
		dst = m.appendPCR(dst, now-pcrLead)
	}
	return dst
}
