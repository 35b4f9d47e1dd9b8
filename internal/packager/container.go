package packager

import (
	"errors"
	"fmt"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/hls"
	"darkroom/internal/media"
	"darkroom/internal/mpegts"
	"darkroom/internal/plan"
)

const contentTypeTS = "video/MP2T"

// maxFragment bounds the samples that wait for the end of their fragment: 20 seconds of 100 Mbit/s.
const maxFragment = 256 << 20

// errNoKeyFrame is wrapped where a track has so few key frames that its fragments would not fit into memory.
var errNoKeyFrame = errors.New("too many bytes without a key frame to end a segment at")

// transport is a container of MPEG-TS.
type transport struct {
	rep   *representation
	muxer *mpegts.Muxer
}

func (c *transport) begin(tracks []*media.Track, first []*media.Sample) error {
	ts := &c.rep.plan.TS
	p := mpegts.Program{
		TransportStreamID: ts.TransportStreamID, Number: ts.ProgramNumber, PMTPID: ts.PMTPID, PCRPID: ts.PCRPID,
		PATInterval: ts.PATInterval, PMTInterval: ts.PMTInterval, AudioFramesPerPES: ts.AudioFramesPerPES,
	}
	if c.rep.plan.PassMetadata {
		p.MetadataPID = c.rep.plan.MetadataPID
	}
	key, err := c.rep.sampleKey()
	if err != nil {
		return err
	}
	audio := 0
	for i, t := range tracks {
		stream := mpegts.Stream{PID: ts.VideoPID, Track: t, Key: key}
		if t.Kind == media.Audio {
			if audio == len(ts.AudioPIDs) {
				return fmt.Errorf("%d PIDs for more tracks of sound", audio)
			}
			stream.PID = ts.AudioPIDs[audio]
			audio++
		}
		if first[i] != nil {
			stream.FirstFrame = first[i].Data
		}
		p.Streams = append(p.Streams, stream)
	}
	c.muxer, err = mpegts.NewMuxer(p)
	return err
}

func (c *transport) open(dst []byte, number int, _ int64, _ bool) ([]byte, error) {
	if err := c.rep.vectorOf(number, c.muxer.SetIV); err != nil {
		return dst, err
	}
	return c.muxer.AppendSegmentStart(dst), nil
}

func (c *transport) add(dst []byte, track int, s *media.Sample) ([]byte, error) {
	return c.muxer.AppendSample(dst, track, s)
}

func (c *transport) flush(dst []byte, _ func(track, from, to int)) ([]byte, error) {
	return c.muxer.AppendFlush(dst), nil
}

func (c *transport) event(dst []byte, m *plan.TimedMetadata, _ int64) ([]byte, error) {
	return c.muxer.AppendMetadata(dst, m.At, m.ID3)
}

func (c *transport) holds() int64 { return 0 }
func (c *transport) opening() int { return 0 }

// packed is a container of packed audio.
type packed struct {
	rep    *representation
	writer *mpegts.Packed
	begun  bool // the segment has its first sample
	tag    int  // bytes that it begins with
}

func (c *packed) begin(tracks []*media.Track, _ []*media.Sample) error {
	key, err := c.rep.sampleKey()
	if err != nil {
		return err
	}
	c.writer, err = mpegts.NewPacked(tracks[0], key, mpegts.Timing{})
	return err
}

func (c *packed) open(dst []byte, number int, _ int64, _ bool) ([]byte, error) {
	c.begun = false
	return dst, c.rep.vectorOf(number, c.writer.SetIV)
}

func (c *packed) add(dst []byte, _ int, s *media.Sample) ([]byte, error) {
	if !c.begun {
		before := len(dst)
		var err error
		if dst, err = c.writer.AppendSegmentStart(dst, s); err != nil {
			return dst, err
		}
		c.begun, c.tag = true, len(dst)-before
	}
	return c.writer.AppendSample(dst, s)
}

func (c *packed) flush(dst []byte, _ func(track, from, to int)) ([]byte, error) {
	return dst, nil
}

func (c *packed) event(dst []byte, _ *plan.TimedMetadata, _ int64) ([]byte, error) {
	return dst, errors.New("timed metadata in packed audio")
}

func (c *packed) holds() int64 { return 0 }
func (c *packed) opening() int { return c.tag }

// sampleKey is the key of samples in a transport stream or packed audio; nil where they stay clear or are encrypted with their whole segment.
func (r *representation) sampleKey() (*cenc.Key, error) {
	if r.protection == nil || r.group.wholeSegments() {
		return nil, nil //nolint:nilnil // no key
	}
	if m := r.group.plan.Encryption.Method; m != plan.SampleAES {
		return nil, fmt.Errorf("samples of this format are not encrypted by method %d", m)
	}
	if r.group.plan.Encryption.ClearLead {
		// Clear streams are of other types in a PMT than encrypted ones, and a program keeps its types.
		return nil, errors.New("a clear lead does not go with SAMPLE-AES")
	}
	k := r.protection.Key
	if k.IV == nil {
		k.IV = cenc.SequenceIV(hls.FirstSequence)
	}
	return &k, nil
}

// vectorOf gives a segment whose samples are encrypted the vector that follows from its number, where the key has none.
func (r *representation) vectorOf(number int, set func(iv []byte) error) error {
	if r.protection == nil || r.group.wholeSegments() || r.protection.Key.IV != nil {
		return nil
	}
	return set(cenc.SequenceIV(uint64(hls.FirstSequence + number)))
}

// fragmented is a container of fragmented MP4: one track, or in Smooth Streaming those of a file.
type fragmented struct {
	group   *streamGroup
	reps    []*representation
	writers []*cmaf.Writer
	ivs     *cenc.IVs
	single  bool
	clear   bool // the segment is
	// places are where the fragments being written begin in the segment, -1 for none.
	places []int
	// aside are the fragments where they are not written in their place: tracks whose fragments lie one behind the other, and those with events, which stand before their
	// fragment.
	aside  [][]byte
	held   int64
	events uint32
	opened int
}

func (c *fragmented) begin(tracks []*media.Track, _ []*media.Sample) error {
	for i, t := range tracks {
		r := c.reps[i]
		o := cmaf.WriterOptions{
			TrackID: uint32(i + 1), Flavour: c.group.flavour(), SignedOffsets: c.group.plan.SignedOffsets, KeepPTSOffset: c.group.plan.KeepPTSOffset,
		}
		if err := c.protect(&o, r, t); err != nil {
			return err
		}
		w, err := cmaf.NewWriter(t, o)
		if err != nil {
			return err
		}
		r.writer = w
		c.writers, c.places = append(c.writers, w), append(c.places, -1)
	}
	if len(tracks) > 1 || c.reps[0].plan.PassMetadata && len(c.group.plan.Metadata) > 0 {
		c.aside = make([][]byte, len(tracks))
	}
	if c.single {
		return nil
	}
	return c.reps[0].writeInit()
}

func (c *fragmented) protect(o *cmaf.WriterOptions, r *representation, t *media.Track) error {
	if r.protection == nil {
		return nil
	}
	e := c.group.plan.Encryption
	// Only DASH ISO knows the older way, in which SEI units are encrypted too.
	how := cenc.Options{Key: r.protection.Key, ClearSEI: e.ClearSEI || c.group.plan.Kind != plan.DASH, DropAUD: e.ClearSEI}
	var err error
	switch e.Method {
	case plan.CBCS:
		how.Scheme = cenc.CBCS
	case plan.CENC, plan.PIFFCTR:
		how.Scheme = cenc.CENC
		if how.IVs, err = c.ivs.Track(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("fragmented MP4 is not encrypted by method %d", e.Method)
	}
	o.Protection, o.ClearLead = r.protection, e.ClearLead
	o.Encryptor, err = cenc.NewEncryptor(t, how)
	return err
}

func (c *fragmented) open(dst []byte, _ int, _ int64, clear bool) ([]byte, error) {
	c.clear = clear
	if c.single {
		return dst, nil
	}
	before := len(dst)
	dst = c.writers[0].AppendSegmentStart(dst)
	c.opened = len(dst) - before
	return dst, nil
}

func (c *fragmented) add(dst []byte, track int, s *media.Sample) ([]byte, error) {
	w := c.writers[track]
	to := &dst
	if c.aside != nil {
		to = &c.aside[track]
	}
	var err error
	if c.places[track] < 0 {
		if c.aside != nil {
			*to = (*to)[:0]
		}
		place := len(*to)
		if *to, err = w.Begin(*to, cmaf.FragmentOptions{Clear: c.clear}); err != nil {
			return dst, err
		}
		c.places[track] = place
	}
	if *to, err = w.Copy(*to, s); err != nil {
		return dst, err
	}
	c.held += int64(len(s.Data))
	return dst, nil
}

func (c *fragmented) flush(dst []byte, wrote func(track, from, to int)) ([]byte, error) {
	for i, w := range c.writers {
		from := c.places[i]
		if from < 0 {
			continue
		}
		c.places[i] = -1
		var err error
		if c.aside == nil {
			dst, err = w.End(dst)
		} else {
			from = len(dst)
			var fragment []byte
			fragment, err = w.End(c.aside[i])
			dst = append(dst, fragment...)
		}
		if err != nil {
			return dst, err
		}
		if len(dst) > from { // all its samples may be priming that is left out
			wrote(i, from, len(dst))
		}
	}
	c.held = 0
	return dst, nil
}

func (c *fragmented) event(dst []byte, m *plan.TimedMetadata, segmentAt int64) ([]byte, error) {
	p := c.reps[0].plan
	scale := int64(c.writers[0].Timescale())
	c.events++
	return c.writers[0].AppendEvent(dst, &cmaf.Event{
		Version: p.EventVersion, Scheme: p.EventScheme, Value: p.EventValue, ID: c.events, Time: ticksOf(m.At, scale),
		Duration: cmaf.EventDurationUnknown, SegmentTime: ticksOf(time.Duration(segmentAt), scale), Data: m.ID3,
	})
}

func (c *fragmented) holds() int64 { return c.held }
func (c *fragmented) opening() int { return c.opened }

// ticksOf converts a duration to ticks, rounded to the nearest.
func ticksOf(d time.Duration, scale int64) int64 {
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*scale + (rest*scale+int64(time.Second)/2)/int64(time.Second)
}

// sparse leaves all samples but the key frames out, and shows each until the next. Each stands alone: in a transport stream behind its tables, in fragmented MP4 in a
// fragment of its own.
type sparse struct {
	container
	track   *media.Track
	number  int
	clear   bool // the segment is
	key     media.Sample
	waiting bool
	frames  []keyFrame // that were written since they were last taken; places are those in the buffer
}

func (c *sparse) begin(tracks []*media.Track, first []*media.Sample) error {
	c.track = tracks[0]
	return c.container.begin(tracks, first)
}

func (c *sparse) open(dst []byte, number int, at int64, clear bool) ([]byte, error) {
	c.number, c.clear = number, clear
	if _, ok := c.container.(*transport); ok {
		return dst, nil // with each key frame
	}
	return c.container.open(dst, number, at, clear)
}

func (c *sparse) add(dst []byte, _ int, s *media.Sample) ([]byte, error) {
	if !s.Sync {
		if c.waiting {
			c.key.Duration += s.Duration
		}
		return dst, nil
	}
	dst, err := c.emit(dst)
	data := append(c.key.Data[:0], s.Data...)
	c.key, c.waiting = *s, true
	c.key.Data = data
	return dst, err
}

func (c *sparse) emit(dst []byte) ([]byte, error) {
	if !c.waiting {
		return dst, nil
	}
	c.waiting = false
	from, s := len(dst), c.key
	var err error
	if box, ok := c.container.(*transport); ok {
		if dst, err = box.open(dst, c.number, 0, c.clear); err != nil {
			return dst, err
		}
	}
	if dst, err = c.container.add(dst, 0, &s); err != nil {
		return dst, err
	}
	if dst, err = c.container.flush(dst, func(int, int, int) {}); err != nil {
		return dst, err
	}
	c.frames = append(c.frames, keyFrame{from: int64(from), size: int64(len(dst) - from), at: shownAt(c.track, &s)})
	return dst, nil
}

func (c *sparse) flush(dst []byte, _ func(track, from, to int)) ([]byte, error) {
	return c.emit(dst)
}

func (c *sparse) holds() int64 {
	if !c.waiting {
		return 0
	}
	return int64(len(c.key.Data))
}
