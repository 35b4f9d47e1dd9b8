package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

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
	head = e.b
	mdat := mdatHeader(payload)
	if o.MoovLast {
		base := int64(len(head) + len(mdat))
		e.b = nil
		e.moov(payload+base > math.MaxUint32)
		e.place(base)
		return append(head, mdat...), e.b, e.err
	}
	// The size of moov depends on the size of its chunk offsets only, so it is written with offsets from 0 and the offsets are put right.
	e.moov(payload+moovAllowance > math.MaxUint32)
	if base := int64(len(e.b) + len(mdat)); !e.long && payload+base > math.MaxUint32 {
		e = newEncoder(tables, o)
		e.ftyp()
		e.moov(true)
	}
	e.place(int64(len(e.b) + len(mdat)))
	return append(e.b, mdat...), nil, e.err
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
	b      []byte
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

func (e *encoder) u16(v uint16)  { e.b = binary.BigEndian.AppendUint16(e.b, v) }
func (e *encoder) u32(v uint32)  { e.b = binary.BigEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64)  { e.b = binary.BigEndian.AppendUint64(e.b, v) }
func (e *encoder) zeros(n int)   { e.b = append(e.b, make([]byte, n)...) }
func (e *encoder) text(s string) { e.b = append(e.b, s...) }

// box writes a box whose content f writes.
func (e *encoder) box(kind string, f func()) {
	start := len(e.b)
	e.u32(0)
	e.text(kind)
	f()
	size := len(e.b) - start
	if size > math.MaxUint32 && e.err == nil {
		e.err = fmt.Errorf("a %s box of %d bytes", kind, size)
	}
	binary.BigEndian.PutUint32(e.b[start:], uint32(size))
}

func (e *encoder) fullBox(kind string, version byte, flags uint32, f func()) {
	e.box(kind, func() {
		e.u32(uint32(version)<<24 | flags)
		f()
	})
}

func (e *encoder) ftyp() {
	e.box("ftyp", func() {
		e.text(e.o.Brand)
		e.u32(0)
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
				e.text(c)
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

// times writes a 32- or 64-bit field as the version says.
func (e *encoder) time(version byte, v uint64) {
	if version == 0 {
		e.u32(uint32(v))
	} else {
		e.u64(v)
	}
}

func version(durations ...uint64) byte {
	for _, d := range durations {
		if d > math.MaxUint32 {
			return 1
		}
	}
	return 0
}

var unity = [9]uint32{0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000}

func (e *encoder) matrix() {
	for _, v := range unity {
		e.u32(v)
	}
}

func (e *encoder) moov(long bool) {
	e.long = long
	duration := uint64(0)
	for _, t := range e.tables {
		duration = max(duration, e.shown(t))
	}
	e.box("moov", func() {
		v := version(duration)
		e.fullBox("mvhd", v, 0, func() {
			e.time(v, 0)
			e.time(v, 0)
			e.u32(e.scale)
			e.time(v, duration)
			e.u32(0x00010000) // rate 1
			e.u16(0x0100)     // volume 1
			e.zeros(10)
			e.matrix()
			e.zeros(24)
			e.u32(uint32(len(e.tables) + 1)) // next_track_ID
		})
		sound := false
		for i, t := range e.tables {
			e.trak(t, uint32(i+1), t.track.Kind != media.Audio || !sound)
			sound = sound || t.track.Kind == media.Audio
		}
	})
}

// trak writes a track. Of several sound tracks, which are alternatives, the first is enabled.
func (e *encoder) trak(t *Table, id uint32, enabled bool) {
	audio := t.track.Kind == media.Audio
	e.box("trak", func() {
		shown := e.shown(t)
		v := version(shown)
		flags := uint32(2) // track_in_movie
		if enabled {
			flags |= 1
		}
		e.fullBox("tkhd", v, flags, func() {
			e.time(v, 0)
			e.time(v, 0)
			e.u32(id)
			e.u32(0)
			e.time(v, shown)
			e.zeros(8)
			e.u16(0) // layer
			if audio {
				e.u16(1)      // alternate_group
				e.u16(0x0100) // volume
			} else {
				e.u16(0)
				e.u16(0)
			}
			e.u16(0)
			e.matrix()
			w, h := displaySize(t.track)
			e.u32(w)
			e.u32(h)
		})
		e.edts(t)
		e.box("mdia", func() { e.mdia(t, audio) })
	})
}

// displaySize is the size of the picture in square pixels, 16.16.
func displaySize(t *media.Track) (w, h uint32) {
	if t.Kind != media.Video {
		return 0, 0
	}
	width := float64(t.Width)
	if t.SampleAspectRatio.Known() {
		width *= t.SampleAspectRatio.Float()
	}
	return uint32(math.Round(min(width, math.MaxUint16) * 65536)), uint32(min(t.Height, math.MaxUint16)) << 16
}

func (e *encoder) edts(t *Table) {
	empty, start, duration := t.edits()
	emptyScaled, scaled := e.scaled(empty, t.track.Timescale), e.scaled(duration, t.track.Timescale)
	v := version(emptyScaled, scaled, uint64(start)<<1) // media_time is signed
	e.box("edts", func() {
		e.fullBox("elst", v, 0, func() {
			if emptyScaled > 0 {
				e.u32(2)
				e.time(v, emptyScaled)
				e.time(v, math.MaxUint64) // media_time -1: nothing is shown
				e.u32(0x00010000)
			} else {
				e.u32(1)
			}
			e.time(v, scaled)
			e.time(v, uint64(start))
			e.u32(0x00010000)
		})
	})
}

func (e *encoder) mdia(t *Table, audio bool) {
	duration := uint64(t.decodeDuration())
	v := version(duration)
	e.fullBox("mdhd", v, 0, func() {
		e.time(v, 0)
		e.time(v, 0)
		e.u32(t.track.Timescale)
		e.time(v, duration)
		e.u16(packLanguage(t.track.Language))
		e.u16(0)
	})
	handler, name := "vide", "VideoHandler"
	if audio {
		handler, name = "soun", "SoundHandler"
	}
	e.fullBox("hdlr", 0, 0, func() {
		e.u32(0)
		e.text(handler)
		e.zeros(12)
		e.text(name + "\x00")
	})
	e.box("minf", func() {
		if audio {
			e.fullBox("smhd", 0, 0, func() { e.u32(0) })
		} else {
			e.fullBox("vmhd", 0, 1, func() { e.zeros(8) })
		}
		e.box("dinf", func() {
			e.fullBox("dref", 0, 0, func() {
				e.u32(1)
				e.fullBox("url ", 0, 1, func() {}) // the media is in this file
			})
		})
		e.box("stbl", func() { e.stbl(t) })
	})
}

// packLanguage packs three letters of ISO 639-2 into 15 bits, ISO/IEC 14496-12 8.4.2.
func packLanguage(l string) uint16 {
	if len(l) != 3 {
		l = "und"
	}
	v := uint16(0)
	for i := range 3 {
		if l[i] < 'a' || l[i] > 'z' {
			return packLanguage("und")
		}
		v = v<<5 | uint16(l[i]-0x60)
	}
	return v
}
