package mp4

import (
	"encoding/binary"
	"io"
	"math"
	"slices"

	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

const (
	// batchBytes is how much sample data Read gathers. A larger sample is a batch of its own.
	batchBytes = 256 << 10
	// batchSamples is how many samples Read gathers at most.
	batchSamples = 1024
	// windowSize is how much of a table is held.
	windowSize = 4 << 10
)

// Reader reads the samples of one track of a File, in decode order. It is not safe for use by several goroutines; several Readers of one File are, as far as the
// io.ReaderAt is.
type Reader struct {
	f   *File
	t   *fileTrack
	err error // the first error, given again by every later call

	tables  tableCursor
	planned []isobmff.Sample // those of the next batch
	held    *isobmff.Sample  // one too many for the last batch
	total   int64            // bytes of samples so far

	fragments *isobmff.Fragments
	at        int64 // where in the file the next box is looked for
	moof      []byte
	fragment  []isobmff.Sample // with positions in the file
	next      int
}

// Reader returns a reader of the samples of Tracks()[track], from the first one on.
func (f *File) Reader(track int) *Reader { return f.newReader(f.tracks[track]) }

func (f *File) newReader(t *fileTrack) *Reader {
	r := &Reader{f: f, t: t}
	r.tables.init(f, t)
	if f.fragmented {
		r.fragments = &isobmff.Fragments{ID: t.id, Video: t.track.Kind == media.Video, Defaults: f.trex[t.id], MaxTime: t.maxTime}
	}
	return r
}

// Track returns the track that is read.
func (r *Reader) Track() (*media.Track, error) { return r.t.track, nil }

// Read puts the next samples in decode order into b, at least one, and gives io.EOF after the last. What b held before is overwritten; its memory is used again, and grows
// only where it is too small. With an error, b holds nothing. An edit list that ends before the media do ends the samples with the first key frame that it does not show.
func (r *Reader) Read(b *media.Batch) error {
	b.Samples = b.Samples[:0]
	if r.err != nil {
		return r.err
	}
	if r.err = r.read(b); r.err != nil {
		b.Samples = b.Samples[:0]
	}
	return r.err
}

func (r *Reader) read(b *media.Batch) error {
	total, err := r.plan()
	if err != nil {
		return err
	}
	if cap(b.Buffer) < total {
		b.Buffer = make([]byte, max(total, batchBytes))
	}
	b.Buffer = b.Buffer[:total]
	data := b.Buffer
	for rest := r.planned; len(rest) > 0; {
		n, size := 1, int64(rest[0].Size)
		for n < len(rest) && rest[n].Position == rest[0].Position+size {
			size += int64(rest[n].Size)
			n++
		}
		if err := r.f.read(data[:size], rest[0].Position); err != nil {
			return err
		}
		for i := range rest[:n] {
			s := &rest[i]
			b.Samples = append(b.Samples, media.Sample{
				DecodeTime: s.DecodeTime, CompositionOffset: s.CompositionOffset, Duration: s.Duration, Sync: s.Sync, Data: data[:s.Size:s.Size],
			})
			data = data[s.Size:]
		}
		rest = rest[n:]
	}
	return nil
}

// plan chooses the samples of the next batch.
func (r *Reader) plan() (total int, err error) {
	r.planned = r.planned[:0]
	for len(r.planned) < batchSamples {
		s := r.held
		r.held = nil
		if s == nil {
			if s, err = r.sample(); err == io.EOF && len(r.planned) > 0 {
				return total, nil // told again
			}
			if err != nil {
				return 0, err
			}
		}
		if len(r.planned) > 0 && total+int(s.Size) > batchBytes {
			held := *s
			r.held = &held
			return total, nil
		}
		r.planned = append(r.planned, *s)
		total += int(s.Size)
	}
	return total, nil
}

// sample returns the next sample, which is good until the next call.
func (r *Reader) sample() (*isobmff.Sample, error) {
	s, err := r.tables.next()
	if err == io.EOF && r.fragments != nil {
		s, err = r.fragmentSample()
	}
	if err != nil {
		return nil, err
	}
	if err := s.Check(r.t.maxTime); err != nil {
		return nil, err
	}
	if s.Position < 0 || s.Position > r.f.size-int64(s.Size) {
		return nil, isobmff.Badf("a sample of %d bytes at %d in a file of %d", s.Size, s.Position, r.f.size)
	}
	// Samples do not share bytes, so a small file cannot make more of them than it has.
	if r.total += int64(s.Size); r.total > r.f.size {
		return nil, isobmff.Badf("samples of more bytes than the file has")
	}
	if r.t.end > 0 && s.Sync && s.DecodeTime+int64(s.CompositionOffset) >= r.t.end {
		r.tables.left, r.fragments = 0, nil
		return nil, io.EOF
	}
	return s, nil
}

func (r *Reader) fragmentSample() (*isobmff.Sample, error) {
	if r.next == len(r.fragment) {
		if err := r.nextFragment(); err != nil {
			return nil, err
		}
	}
	s := &r.fragment[r.next]
	r.next++
	return s, nil
}

// nextFragment reads the next movie fragment that has samples of the track.
func (r *Reader) nextFragment() error {
	if r.fragments == nil {
		return io.EOF
	}
	for r.at < r.f.size {
		start := r.at
		h, err := r.f.header(start, r.f.size)
		if err != nil {
			return err
		}
		r.at += int64(h.Size)
		if h.Kind != "moof" {
			continue
		}
		if h.Content() > maxMoof {
			return isobmff.Badf("box %q has %d bytes; at most %d are read", h.Kind, h.Content(), maxMoof)
		}
		r.moof = slices.Grow(r.moof[:0], int(h.Content()))[:h.Content()]
		if err := r.f.read(r.moof, start+int64(h.Length)); err != nil {
			return err
		}
		const shortHeader = 8
		payload := int64(h.Size) + shortHeader
		if behind, err := r.f.header(r.at, r.f.size); err == nil && behind.Kind == "mdat" {
			payload = int64(h.Size) + int64(behind.Length)
		}
		r.next = 0
		if r.fragment, err = r.fragments.Parse(r.fragment[:0], r.moof, start, payload); err != nil {
			return err
		}
		for i := range r.fragment {
			r.fragment[i].Position += start
		}
		if len(r.fragment) > 0 {
			return nil
		}
	}
	return io.EOF
}

// window is a table of which a part is in memory.
type window struct {
	f       *File
	at, end int64 // of what is not in memory yet
	p       []byte
	buffer  []byte
}

func newWindow(f *File, kind string, t table) window {
	return window{f: f, at: t.start, end: t.start + int64(t.count)*entrySizes[kind]}
}

// take returns the next n bytes of the table; false where it has ended.
func (w *window) take(n int) ([]byte, bool, error) {
	if len(w.p) < n {
		if w.at+int64(n) > w.end+int64(len(w.p)) {
			return nil, false, nil
		}
		if w.buffer == nil {
			w.buffer = make([]byte, min(windowSize, w.end-w.at))
		}
		have := copy(w.buffer, w.p)
		more := min(int64(len(w.buffer)-have), w.end-w.at)
		if err := w.f.read(w.buffer[have:have+int(more)], w.at); err != nil {
			return nil, false, err
		}
		w.at += more
		w.p = w.buffer[:have+int(more)]
	}
	p := w.p[:n]
	w.p = w.p[n:]
	return p, true, nil
}

// tableCursor goes through the sample tables of a track, ISO/IEC 14496-12 8.6 and 8.7.
type tableCursor struct {
	left   uint32 // samples not yet given
	number uint32 // of the last one, counted from 1
	dts    int64

	stts, ctts, stss, stsz, stsc, offsets window
	hasCtts, hasStss                      bool
	size                                  uint32 // of all samples, or 0
	wide                                  bool   // co64

	durations, compositions struct {
		count uint32
		value uint32
	}
	sync uint32 // number of the next sync sample; 0 for no more

	chunk     uint32 // counted from 1
	inChunk   uint32 // samples left in it
	position  int64
	perChunk  uint32
	nextChunk uint32 // from which on the run of stsc that follows counts; 0 for no more
	nextPer   uint32

	sample isobmff.Sample
	begun  bool
}

func (c *tableCursor) init(f *File, t *fileTrack) {
	get := func(kind string) window { return newWindow(f, kind, t.tables[kind]) }
	stsz := t.tables["stsz"]
	c.left, c.size = stsz.count, stsz.value
	c.stts, c.ctts, c.stss, c.stsz, c.stsc = get("stts"), get("ctts"), get("stss"), get("stsz"), get("stsc")
	_, c.hasCtts = t.tables["ctts"]
	_, c.hasStss = t.tables["stss"]
	c.hasStss = c.hasStss && t.track.Kind == media.Video
	_, c.wide = t.tables["co64"]
	if c.wide {
		c.offsets = get("co64")
	} else {
		c.offsets = get("stco")
	}
}

// next returns the next sample; io.EOF when there is none.
func (c *tableCursor) next() (*isobmff.Sample, error) {
	if c.left == 0 {
		return nil, io.EOF
	}
	if !c.begun {
		c.begun = true
		if err := c.readRun(); err != nil {
			return nil, err
		}
		if err := c.readSync(); err != nil {
			return nil, err
		}
	}
	c.number++
	s := &c.sample
	*s = isobmff.Sample{DecodeTime: c.dts, Size: c.size, Sync: !c.hasStss}
	if err := c.times(s); err != nil {
		return nil, err
	}
	if c.hasStss && c.number == c.sync {
		s.Sync = true
		if err := c.readSync(); err != nil {
			return nil, err
		}
	}
	if c.size == 0 {
		p, ok, err := c.stsz.take(4)
		if err != nil || !ok {
			return nil, cut("stsz", err)
		}
		s.Size = binary.BigEndian.Uint32(p)
	}
	if c.inChunk == 0 {
		if err := c.readChunk(); err != nil {
			return nil, err
		}
	}
	s.Position = c.position
	c.inChunk--
	c.position += int64(s.Size)
	c.dts += int64(s.Duration)
	c.left--
	return s, nil
}

func cut(kind string, err error) error {
	if err != nil {
		return err
	}
	return isobmff.Badf("table %s ends before the samples do", kind)
}

// times reads duration and composition offset.
func (c *tableCursor) times(s *isobmff.Sample) error {
	for c.durations.count == 0 {
		p, ok, err := c.stts.take(8)
		if err != nil || !ok {
			return cut("stts", err)
		}
		c.durations.count, c.durations.value = binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	}
	c.durations.count--
	s.Duration = c.durations.value
	if !c.hasCtts {
		return nil
	}
	for c.compositions.count == 0 {
		p, ok, err := c.ctts.take(8)
		if err != nil || !ok {
			return cut("ctts", err)
		}
		c.compositions.count, c.compositions.value = binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	}
	c.compositions.count--
	// Version 0 has unsigned offsets, but QuickTime always signed ones; one of 2^31 ticks is not meant.
	s.CompositionOffset = int32(c.compositions.value)
	return nil
}

func (c *tableCursor) readSync() error {
	if !c.hasStss {
		return nil
	}
	p, ok, err := c.stss.take(4)
	if err != nil {
		return err
	}
	last := c.sync
	if c.sync = 0; ok {
		if c.sync = binary.BigEndian.Uint32(p); c.sync <= last {
			return isobmff.Badf("table stss is not in order")
		}
	}
	return nil
}

// readRun reads the next run of chunks with equally many samples.
func (c *tableCursor) readRun() error {
	p, ok, err := c.stsc.take(12)
	if err != nil {
		return err
	}
	last := c.nextChunk
	if c.nextChunk = 0; !ok {
		return nil
	}
	c.nextChunk, c.nextPer = binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	switch {
	case c.nextChunk <= last || last == 0 && c.nextChunk != 1:
		return isobmff.Badf("table stsc is not in order")
	case c.nextPer == 0:
		return isobmff.Badf("a chunk without samples")
	case binary.BigEndian.Uint32(p[8:]) != 1:
		return isobmff.Badf("a second sample description")
	}
	return nil
}

func (c *tableCursor) readChunk() error {
	if c.chunk == math.MaxUint32 {
		return isobmff.Badf("too many chunks")
	}
	c.chunk++
	if c.nextChunk == c.chunk {
		c.perChunk = c.nextPer
		if err := c.readRun(); err != nil {
			return err
		}
	}
	if c.inChunk = c.perChunk; c.inChunk == 0 {
		return cut("stsc", nil)
	}
	size, kind := 4, "stco"
	if c.wide {
		size, kind = 8, "co64"
	}
	p, ok, err := c.offsets.take(size)
	if err != nil || !ok {
		return cut(kind, err)
	}
	if c.wide {
		v := binary.BigEndian.Uint64(p)
		if v > math.MaxInt64/2 {
			return isobmff.Badf("a chunk at %d", v)
		}
		c.position = int64(v)
	} else {
		c.position = int64(binary.BigEndian.Uint32(p))
	}
	return nil
}
