package mp4

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

// ErrFormat is wrapped by every error about the content of a file that is read.
var ErrFormat = isobmff.ErrFormat

const (
	maxTracks = 64
	// maxBoxes is how many boxes may stand before moov, and inside of any box in it.
	maxBoxes = 1 << 16
	// maxLeaf is the size of the greatest box of which the whole is read into memory; tables of samples are not.
	maxLeaf = 1 << 20
	maxMoof = 8 << 20
)

// File is an MP4 or QuickTime file that is read: progressive, with moov before or behind the media, or fragmented, or both. What it says of samples stays in the file and is
// read as it is needed, so that a File takes the same little memory however long the film is.
type File struct {
	r        io.ReaderAt
	size     int64
	tracks   []*fileTrack
	omitted  []Omitted
	scale    uint32 // of the movie
	duration uint64
	// fragmented says that there are movie fragments, perhaps.
	fragmented bool
	trex       map[uint32]isobmff.Defaults
}

// Omitted is a track that cannot be read.
type Omitted struct {
	ID      uint32
	Handler string // such as vide, soun or tmcd
	Reason  error  // wraps ErrFormat
}

// fileTrack is a track with its tables.
type fileTrack struct {
	id      uint32
	track   *media.Track
	maxTime int64
	end     int64 // composition time at which the edit list ends, 0 for none
	tables  map[string]table
}

// table is where a table of samples lies in the file.
type table struct {
	start   int64 // of the first entry
	count   uint32
	version byte
	value   uint32 // stsz: the size of all samples, or 0
}

// entrySizes are the sizes of the tables' entries, ISO/IEC 14496-12 8.6 and 8.7.
var entrySizes = map[string]int64{"stts": 8, "ctts": 8, "stss": 4, "stsz": 4, "stsc": 12, "stco": 4, "co64": 8}

// Open reads what a file of size bytes says of its tracks. r is used as long as the File and its Readers are. Errors about the content wrap ErrFormat; those of r are
// wrapped as they are.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size, trex: map[uint32]isobmff.Defaults{}}
	found := false
	err := f.walk(0, size, func(h isobmff.Header, start, end int64) error {
		if h.Kind != "moov" {
			return nil
		}
		found = true
		if err := f.moov(start, end); err != nil {
			return err
		}
		return errFound
	})
	switch {
	case err != nil && !errors.Is(err, errFound):
		return nil, err
	case !found:
		return nil, isobmff.Badf("no movie box")
	case len(f.tracks) == 0 && len(f.omitted) > 0:
		return nil, fmt.Errorf("no track can be read: %w", f.omitted[0].Reason)
	case len(f.tracks) == 0:
		return nil, isobmff.Badf("no track")
	}
	for _, t := range f.tracks {
		if t.track.Kind == media.Video {
			t.track.FrameRate = f.frameRate(t)
		}
	}
	return f, nil
}

var errFound = errors.New("found")

// Tracks are the tracks that can be read, in the order of the file.
func (f *File) Tracks() []*media.Track {
	all := make([]*media.Track, len(f.tracks))
	for i, t := range f.tracks {
		all[i] = t.track
	}
	return all
}

// Omitted are the other tracks.
func (f *File) Omitted() []Omitted { return f.omitted }

// Duration is what the file says of itself, 0 where it does not.
func (f *File) Duration() time.Duration {
	if f.scale == 0 || f.duration/uint64(f.scale) > isobmff.MaxSeconds {
		return 0
	}
	s, rest := f.duration/uint64(f.scale), f.duration%uint64(f.scale)
	return time.Duration(s)*time.Second + time.Duration(rest*uint64(time.Second)/uint64(f.scale))
}

// read reads exactly len(p) bytes.
func (f *File) read(p []byte, at int64) error {
	if at < 0 || at > f.size-int64(len(p)) {
		return isobmff.Badf("the file ends inside a box")
	}
	if n, err := f.r.ReadAt(p, at); n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read at %d: %w", at, err)
	}
	return nil
}

// header reads the header of the box at at, which ends at end at the latest. A box of size 0 goes up to there.
func (f *File) header(at, end int64) (isobmff.Header, error) {
	var p [isobmff.MaxHeader]byte
	n := min(int64(len(p)), end-at)
	if err := f.read(p[:n], at); err != nil {
		return isobmff.Header{}, err
	}
	h, need, err := isobmff.ParseHeader(p[:n])
	if err != nil {
		return h, err
	}
	if need > 0 {
		return h, isobmff.Badf("a box is cut off")
	}
	if h.Size == 0 {
		h.Size = uint64(end - at)
	}
	if h.Size > uint64(end-at) {
		return h, isobmff.Badf("box %q of size %d in %d bytes", h.Kind, h.Size, end-at)
	}
	return h, nil
}

// walk calls do for each box from at to end, with where its content begins and ends.
func (f *File) walk(at, end int64, do func(h isobmff.Header, start, end int64) error) error {
	for n := 0; at < end; n++ {
		if n == maxBoxes {
			return isobmff.Badf("too many boxes")
		}
		if end-at < 8 && end < f.size {
			return nil // QuickTime ends lists of boxes with four zero bytes
		}
		h, err := f.header(at, end)
		if err != nil {
			return err
		}
		next := at + int64(h.Size)
		if err := do(h, at+int64(h.Length), next); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// leaf reads the content of a box.
func (f *File) leaf(h isobmff.Header, start, end int64) ([]byte, error) {
	if end-start > maxLeaf {
		return nil, isobmff.Badf("box %q has %d bytes; at most %d are read", h.Kind, end-start, maxLeaf)
	}
	p := make([]byte, end-start)
	return p, f.read(p, start)
}

func (f *File) moov(start, end int64) error {
	type trak struct {
		isobmff.Trak
		tables map[string]table
		reason error
	}
	var traks []*trak
	err := f.walk(start, end, func(h isobmff.Header, start, end int64) error {
		switch h.Kind {
		case "mvhd":
			p, err := f.leaf(h, start, end)
			if err != nil {
				return err
			}
			f.scale, f.duration, err = isobmff.ParseMvhd(p)
			return err
		case "trak":
			if len(traks) == maxTracks {
				return isobmff.Badf("more than %d tracks", maxTracks)
			}
			t := &trak{tables: map[string]table{}}
			traks = append(traks, t)
			err := f.trak(&t.Trak, t.tables, start, end)
			if errors.Is(err, ErrFormat) {
				t.reason, err = err, nil
			}
			return err
		case "mvex":
			return f.mvex(start, end)
		}
		return nil
	})
	if err != nil {
		return err
	}
	seen := map[uint32]bool{}
	for _, t := range traks {
		var track *media.Track
		if t.reason == nil {
			track, t.reason = t.Track(f.scale)
		}
		if t.reason == nil && seen[t.ID] {
			t.reason = isobmff.Badf("two tracks of number %d", t.ID)
		}
		seen[t.ID] = true
		if t.reason != nil {
			f.omitted = append(f.omitted, Omitted{t.ID, t.Handler(), t.reason})
			continue
		}
		ft := &fileTrack{id: t.ID, track: track, maxTime: t.MaxTime, tables: t.tables}
		if !f.fragmented {
			ft.end = t.End // that of a fragmented file is written before anybody knows
		}
		f.tracks = append(f.tracks, ft)
	}
	return nil
}

func (f *File) mvex(start, end int64) error {
	f.fragmented = true
	return f.walk(start, end, func(h isobmff.Header, start, end int64) error {
		if h.Kind != "trex" && h.Kind != "mehd" {
			return nil
		}
		p, err := f.leaf(h, start, end)
		if err != nil {
			return err
		}
		if h.Kind == "mehd" {
			c := isobmff.Cursor{P: p}
			if version, _ := c.FullBox(); version == 1 {
				f.duration = max(f.duration, c.U64())
			} else {
				f.duration = max(f.duration, uint64(c.U32()))
			}
			return nil
		}
		id, d, err := isobmff.ParseTrex(p)
		if err == nil && len(f.trex) <= maxTracks {
			f.trex[id] = d
		}
		return err
	})
}

// trak takes in the boxes of a track, and notes where its tables are.
func (f *File) trak(t *isobmff.Trak, tables map[string]table, start, end int64) error {
	return f.walk(start, end, func(h isobmff.Header, start, end int64) error {
		switch {
		case isobmff.Containers[h.Kind]:
			return f.trak(t, tables, start, end)
		case isobmff.Leaves[h.Kind]:
			p, err := f.leaf(h, start, end)
			if err != nil {
				return err
			}
			return t.Box(h.Kind, p)
		case entrySizes[h.Kind] > 0:
			if _, ok := tables[h.Kind]; ok {
				return isobmff.Badf("two tables %s in one track", h.Kind)
			}
			var err error
			tables[h.Kind], err = f.table(h.Kind, start, end)
			return err
		case h.Kind == "stz2":
			return isobmff.Badf("compact sample sizes (stz2)")
		}
		return nil
	})
}

func (f *File) table(kind string, start, end int64) (table, error) {
	head := int64(8)
	if kind == "stsz" {
		head = 12
	}
	if end-start < head {
		return table{}, isobmff.Badf("table %s is cut off", kind)
	}
	var p [12]byte
	if err := f.read(p[:head], start); err != nil {
		return table{}, err
	}
	c := isobmff.Cursor{P: p[:head]}
	t := table{start: start + head}
	t.version, _ = c.FullBox()
	if kind == "stsz" {
		t.value = c.U32()
	}
	t.count = c.U32()
	if entries := end - t.start; t.value == 0 && int64(t.count)*entrySizes[kind] > entries {
		return table{}, isobmff.Badf("table %s of %d entries in %d bytes", kind, t.count, entries)
	}
	return t, nil
}

// frameRate is that of a track whose pictures are all shown equally long, the last one perhaps excepted; not known otherwise.
func (f *File) frameRate(t *fileTrack) media.Rational {
	r := f.newReader(t)
	delta := uint32(0)
	if stts := t.tables["stts"]; stts.count > 0 {
		if stts.count > 2 {
			return media.Rational{}
		}
		var p [16]byte
		if err := f.read(p[:8*stts.count], stts.start); err != nil {
			return media.Rational{}
		}
		c := isobmff.Cursor{P: p[:]}
		c.U32()
		delta = c.U32()
		if stts.count == 2 && c.U32() != 1 {
			return media.Rational{}
		}
	} else {
		// What the first fragment says.
		if err := r.nextFragment(); err != nil {
			return media.Rational{}
		}
		delta = r.fragment[0].Duration
		for _, s := range r.fragment[:len(r.fragment)-1] {
			if s.Duration != delta {
				return media.Rational{}
			}
		}
	}
	if delta == 0 || delta > math.MaxInt32 {
		return media.Rational{}
	}
	return reduced(int64(t.track.Timescale), int64(delta))
}

func reduced(num, den int64) media.Rational {
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return media.Rational{Num: num / a, Den: den / a}
}
