package isobmff

import "math"

// Limits of what is read.
const (
	// MaxTicks bounds every time: it can be multiplied by 90,000 without overflow.
	MaxTicks = 1 << 46
	// MaxSeconds bounds decode times; no film lasts ten years.
	MaxSeconds = 10 * 365 * 24 * 3600
	// MaxSample is the size of the greatest sample.
	MaxSample = 64 << 20
	// MaxFragmentSamples is how many samples a fragment may have.
	MaxFragmentSamples = 1 << 17
)

// Flags of tfhd and trun, ISO/IEC 14496-12 8.8.7 and 8.8.8.
const (
	TfhdBaseDataOffset    = 0x000001
	TfhdDescription       = 0x000002
	TfhdDuration          = 0x000008
	TfhdSize              = 0x000010
	TfhdFlags             = 0x000020
	TfhdDefaultBaseIsMoof = 0x020000
	TrunDataOffset        = 0x000001
	TrunFirstFlags        = 0x000004
	TrunDuration          = 0x000100
	TrunSize              = 0x000200
	TrunFlags             = 0x000400
	TrunOffset            = 0x000800
)

// Sample flags, ISO/IEC 14496-12 8.8.3.1.
const (
	SampleNonSync = 0x00010000
	// SyncFlags are of a sample that depends on no other, NonSyncFlags of one that does.
	SyncFlags    = 0x02000000
	NonSyncFlags = 0x01000000 | SampleNonSync
)

// Defaults are the values that samples have unless their fragment says otherwise (trex, ISO/IEC 14496-12 8.8.3).
type Defaults struct {
	Duration, Size, Flags uint32
}

// ParseTrex reads the content of a trex box.
func ParseTrex(p []byte) (id uint32, d Defaults, err error) {
	c := Cursor{P: p}
	c.FullBox()
	id = c.U32()
	description := c.U32()
	d = Defaults{c.U32(), c.U32(), c.U32()}
	if c.Bad {
		return 0, d, Badf("a trex box is cut off")
	}
	if description != 1 {
		return 0, d, Badf("fragments of sample description %d, not 1", description)
	}
	return id, d, nil
}

// Sample is a sample as a file's boxes describe it.
type Sample struct {
	DecodeTime int64
	// Position is where the data are: of a fragment, from the first byte of moof.
	Position          int64
	CompositionOffset int32
	Duration, Size    uint32
	Sync              bool
}

// Fragments reads the movie fragments of one track, in order.
type Fragments struct {
	ID       uint32
	Video    bool // only in pictures are there samples that are not sync samples
	Defaults Defaults
	MaxTime  int64 // ticks
	// Alone refuses fragments of other tracks and data offsets from the start of the file, neither of which has a place in a stream of one track.
	Alone bool

	next int64 // decode time where the next fragment begins, unless it says its own
	last int64 // decode time of the last sample; the next may not be before it
	seen bool
}

// traf is the state while a track fragment is read.
type traf struct {
	Defaults
	header, time bool
	base         int64 // decode time of the next sample
	origin       int64 // what data offsets count from
	position     int64 // where the next sample's data begin
	samples      []Sample
	first        int // where in samples this fragment's begin
}

// Parse appends to dst the samples that the content of a moof box describes. start is where the moof box begins in the file, payload how far from there the content of the
// mdat behind it begins. A fragment without samples of the track is none; of a track that is Alone it is an error.
func (f *Fragments) Parse(dst []Sample, moof []byte, start, payload int64) ([]Sample, error) {
	n, found := 0, false
	first := len(dst)
	err := Children(moof, func(kind string, content []byte) error {
		if kind != "traf" {
			return nil
		}
		n++
		if f.Alone && n > 1 {
			return Badf("two track fragments in one movie fragment")
		}
		t := &traf{Defaults: f.Defaults, base: f.next, position: payload, samples: dst, first: first}
		mine, err := f.traf(t, content, n == 1, start)
		if err != nil || !mine {
			return err
		}
		if found {
			return Badf("two fragments of one track in one movie fragment")
		}
		found = true
		dst, f.next = t.samples, t.base
		return nil
	})
	if err != nil {
		return nil, err
	}
	if f.Alone && !found {
		return nil, Badf("a movie fragment without a track fragment")
	}
	return dst, nil
}

func (f *Fragments) traf(t *traf, p []byte, first bool, start int64) (mine bool, err error) {
	mine = true
	err = Children(p, func(kind string, content []byte) error {
		if !mine {
			return nil
		}
		c := Cursor{P: content}
		switch kind {
		case "tfhd":
			if t.header {
				return Badf("two track fragment headers")
			}
			t.header = true
			var err error
			mine, err = f.tfhd(t, &c, first, start)
			return err
		case "tfdt":
			return f.tfdt(t, &c)
		case "trun":
			if !t.header {
				return Badf("a track run before its header")
			}
			return f.trun(t, &c)
		case "senc":
			return Badf("an encrypted track")
		}
		return nil
	})
	return mine && t.header, err
}

func (f *Fragments) tfhd(t *traf, c *Cursor, first bool, start int64) (mine bool, err error) {
	_, flags := c.FullBox()
	id := c.U32()
	switch {
	case c.Bad:
		return false, Badf("a track fragment header is cut off")
	case id != f.ID && f.Alone:
		return false, Badf("a fragment of track %d in a stream of track %d", id, f.ID)
	case id != f.ID:
		return false, nil
	}
	switch {
	case flags&TfhdBaseDataOffset != 0 && f.Alone:
		return false, Badf("base_data_offset is not allowed in a stream")
	case flags&TfhdBaseDataOffset != 0:
		base := c.U64()
		if base > math.MaxInt64 {
			return false, Badf("a base data offset of %d", base)
		}
		t.origin = int64(base) - start
	case flags&TfhdDefaultBaseIsMoof == 0 && !first:
		return false, Badf("track fragments whose data follow those of another track")
	}
	if flags&TfhdDescription != 0 && c.U32() != 1 {
		return false, Badf("a second sample description")
	}
	if flags&TfhdDuration != 0 {
		t.Duration = c.U32()
	}
	if flags&TfhdSize != 0 {
		t.Size = c.U32()
	}
	if flags&TfhdFlags != 0 {
		t.Flags = c.U32()
	}
	if c.Bad {
		return false, Badf("a track fragment header is cut off")
	}
	return true, nil
}

func (f *Fragments) tfdt(t *traf, c *Cursor) error {
	if t.time || len(t.samples) > t.first {
		return Badf("a track fragment decode time out of its place")
	}
	t.time = true
	version, _ := c.FullBox()
	base := uint64(0)
	if version == 0 {
		base = uint64(c.U32())
	} else {
		base = c.U64()
	}
	if c.Bad || base > MaxTicks {
		return Badf("a track fragment decode time is out of range")
	}
	t.base = int64(base)
	return nil
}

func (f *Fragments) trun(t *traf, c *Cursor) error {
	version, flags := c.FullBox()
	count := c.U32()
	if flags&TrunDataOffset != 0 {
		t.position = t.origin + int64(int32(c.U32()))
	}
	first, hasFirst := uint32(0), flags&TrunFirstFlags != 0
	if hasFirst {
		first = c.U32()
	}
	if c.Bad || uint64(count)+uint64(len(t.samples)-t.first) > MaxFragmentSamples {
		return Badf("a track run of %d samples", count)
	}
	for i := range count {
		s := Sample{DecodeTime: t.base, Position: t.position, Duration: t.Duration, Size: t.Size}
		sampleFlags := t.Flags
		if i == 0 && hasFirst {
			sampleFlags = first
		}
		if flags&TrunDuration != 0 {
			s.Duration = c.U32()
		}
		if flags&TrunSize != 0 {
			s.Size = c.U32()
		}
		if flags&TrunFlags != 0 {
			sampleFlags = c.U32()
		}
		if flags&TrunOffset != 0 {
			o := c.U32()
			if version == 0 && o > math.MaxInt32 {
				return Badf("a composition offset of %d", o)
			}
			s.CompositionOffset = int32(o)
		}
		if c.Bad {
			return Badf("a track run is cut off")
		}
		s.Sync = sampleFlags&SampleNonSync == 0 || !f.Video
		if err := f.check(&s); err != nil {
			return err
		}
		t.position += int64(s.Size)
		t.base += int64(s.Duration)
		t.samples = append(t.samples, s)
	}
	return nil
}

// check refuses a sample that no writer could place, and keeps decode times in order.
func (f *Fragments) check(s *Sample) error {
	if err := s.Check(f.MaxTime); err != nil {
		return err
	}
	if f.seen && s.DecodeTime < f.last {
		return Badf("decode times go backwards")
	}
	f.last, f.seen = s.DecodeTime, true
	return nil
}

// Check refuses a sample that no writer could place. maxTime is in ticks.
func (s *Sample) Check(maxTime int64) error {
	switch {
	case s.Size == 0 || s.Size > MaxSample:
		return Badf("a sample of %d bytes", s.Size)
	case s.DecodeTime < 0 || s.DecodeTime > maxTime || s.DecodeTime+int64(s.Duration) > maxTime:
		return Badf("a decode time out of range")
	case int64(s.CompositionOffset) > maxTime || int64(s.CompositionOffset) < -maxTime:
		return Badf("a composition offset out of range")
	}
	return nil
}
