package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

// DefaultBrand is the major brand of a file that asks for none.
const DefaultBrand = "mp42"

// Options change how a file is laid out. The zero value is an mp42 file with moov first.
type Options struct {
	// Brand is the major brand: four characters, "" for DefaultBrand.
	Brand string
	// MoovLast puts moov behind the media.
	MoovLast bool
	// CompositionToDecode writes cslg (ISO/IEC 14496-12 8.6.1.4) for tracks whose decode and composition times differ.
	CompositionToDecode bool
}

// Encode returns what stands before and behind payload bytes of media. The tables are those of the file's tracks, in order; each has at
// least one sample and no sample behind its last chunk.
func Encode(tables []*Table, payload int64, o Options) (head, tail []byte, err error) {
	if o.Brand == "" {
		o.Brand = DefaultBrand
	}
	if len(o.Brand) != 4 {
		return nil, nil, fmt.Errorf("a brand of %d characters, not four", len(o.Brand))
	}
	if len(tables) == 0 {
		return nil, nil, errors.New("a file without a track")
	}
	sum := int64(0)
	for i, t := range tables {
		if t.samples == 0 || t.pending > 0 {
			return nil, nil, fmt.Errorf("track %d has no samples, or samples in no chunk", i+1)
		}
		sum += t.bytes
	}
	if sum != payload {
		return nil, nil, fmt.Errorf("%d bytes of media; the tables know %d", payload, sum)
	}
	e := newEncoder(tables, o)
	e.ftyp()
	head = e.Bytes
	mdat := mdatHeader(payload)
	if o.MoovLast {
		base := int64(len(head) + len(mdat))
		e.Bytes = nil
		e.moov(payload+base > math.MaxUint32)
		e.place(base)
		return append(head, mdat...), e.Bytes, e.err
	}
	// The size of moov depends on the size of its chunk offsets only, so it is written with offsets from 0 and the offsets are put right.
	e.moov(payload+moovAllowance > math.MaxUint32)
	if base := int64(len(e.Bytes) + len(mdat)); !e.long && payload+base > math.MaxUint32 {
		e = newEncoder(tables, o)
		e.ftyp()
		e.moov(true)
	}
	e.place(int64(len(e.Bytes) + len(mdat)))
	return append(e.Bytes, mdat...), nil, e.err
}

// moovAllowance is a guess of moov's size, so that it is rarely written twice.
const moovAllowance = 1 << 20

func mdatHeader(payload int64) []byte {
	if payload+8 <= math.MaxUint32 {
		return append(binary.BigEndian.AppendUint32(nil, uint32(payload+8)), "mdat"...)
	}
	b := append(binary.BigEndian.AppendUint32(nil, 1), "mdat"...)
	return binary.BigEndian.AppendUint64(b, uint64(payload+16))
}

// encoder appends boxes.
type encoder struct {
	isobmff.Builder
	o      Options
	tables []*Table
	scale  uint32 // of the movie
	long   bool   // co64
	places []int  // where the chunk offsets of each track are
	err    error
}

func newEncoder(tables []*Table, o Options) *encoder {
	e := &encoder{o: o, tables: tables, scale: tables[0].track.Timescale}
	for _, t := range tables {
		// The picture's timescale makes its edits exact.
		if t.track.Kind == media.Video {
			e.scale = t.track.Timescale
			break
		}
	}
	return e
}

// box writes a box whose content f writes.
func (e *encoder) box(kind string, f func()) {
	at := e.Open(kind)
	f()
	if size := len(e.Bytes) - at; size > math.MaxUint32 {
		if e.err == nil {
			e.err = fmt.Errorf("a %s box of %d bytes", kind, size)
		}
		return
	}
	e.Close(at)
}

func (e *encoder) fullBox(kind string, version byte, flags uint32, f func()) {
	e.box(kind, func() {
		e.U32(uint32(version)<<24 | flags)
		f()
	})
}

func (e *encoder) ftyp() {
	e.box("ftyp", func() {
		e.Text(e.o.Brand)
		e.U32(0)
		compatible := []string{e.o.Brand, "isom", "mp42"}
		for _, t := range e.tables {
			if t.track.Codec == media.AVC {
				compatible = append(compatible, "avc1")
			}
			if t.minOffset < 0 || e.o.CompositionToDecode {
				compatible = append(compatible, "iso4")
			}
		}
		seen := map[string]bool{}
		for _, c := range compatible {
			if !seen[c] {
				seen[c] = true
				e.Text(c)
			}
		}
	})
}

// scaled converts ticks of a track to ticks of the movie, rounded up.
func (e *encoder) scaled(ticks int64, from uint32) uint64 {
	hi, lo := bits.Mul64(uint64(max(0, ticks)), uint64(e.scale))
	lo, carry := bits.Add64(lo, uint64(from)-1, 0)
	hi += carry
	if hi >= uint64(from) {
		e.err = errors.New("a duration out of range")
		return 0
	}
	q, _ := bits.Div64(hi, lo, uint64(from))
	return q
}

// shown is the presentation duration of a track in ticks of the movie, with the time before it begins.
func (e *encoder) shown(t *Table) uint64 {
	empty, _, duration := t.edits()
	return e.scaled(empty, t.track.Timescale) + e.scaled(duration, t.track.Timescale)
}

func (e *encoder) moov(long bool) {
	e.long = long
	duration := uint64(0)
	for _, t := range e.tables {
		duration = max(duration, e.shown(t))
	}
	e.box("moov", func() {
		e.MovieHeader(e.scale, duration, uint32(len(e.tables)+1))
		sound := false
		for i, t := range e.tables {
			e.trak(t, uint32(i+1), t.track.Kind != media.Audio || !sound)
			sound = sound || t.track.Kind == media.Audio
		}
	})
}

// trak writes a track. Of several sound tracks, which are alternatives, the first is enabled.
func (e *encoder) trak(t *Table, id uint32, enabled bool) {
	e.box("trak", func() {
		e.TrackHeader(t.track, id, e.shown(t), enabled)
		e.edts(t)
		e.box("mdia", func() { e.mdia(t) })
	})
}

func (e *encoder) edts(t *Table) {
	empty, start, duration := t.edits()
	emptyScaled, scaled := e.scaled(empty, t.track.Timescale), e.scaled(duration, t.track.Timescale)
	v := isobmff.TimeVersion(emptyScaled, scaled, uint64(start)<<1) // media_time is signed
	e.box("edts", func() {
		e.fullBox("elst", v, 0, func() {
			if emptyScaled > 0 {
				e.U32(2)
				e.Time(v, emptyScaled)
				e.Time(v, math.MaxUint64) // media_time -1: nothing is shown
				e.U32(0x00010000)
			} else {
				e.U32(1)
			}
			e.Time(v, scaled)
			e.Time(v, uint64(start))
			e.U32(0x00010000)
		})
	})
}

func (e *encoder) mdia(t *Table) {
	e.MediaHeaders(t.track, t.track.Timescale, uint64(t.decodeDuration()))
	e.box("minf", func() {
		e.MediaInformation(t.track)
		e.box("stbl", func() { e.stbl(t) })
	})
}
