package isobmff

import (
	"encoding/binary"
	"math"

	"darkroom/internal/media"
)

// Builder appends boxes to Bytes.
type Builder struct{ Bytes []byte }

// U16 appends two bytes.
func (b *Builder) U16(v uint16) { b.Bytes = binary.BigEndian.AppendUint16(b.Bytes, v) }

// U32 appends four bytes.
func (b *Builder) U32(v uint32) { b.Bytes = binary.BigEndian.AppendUint32(b.Bytes, v) }

// U64 appends eight bytes.
func (b *Builder) U64(v uint64) { b.Bytes = binary.BigEndian.AppendUint64(b.Bytes, v) }

// Zeros appends n zero bytes.
func (b *Builder) Zeros(n int) { b.Bytes = append(b.Bytes, make([]byte, n)...) }

// Text appends s without an end.
func (b *Builder) Text(s string) { b.Bytes = append(b.Bytes, s...) }

// Raw appends p.
func (b *Builder) Raw(p []byte) { b.Bytes = append(b.Bytes, p...) }

// Open begins a box, which Close ends.
func (b *Builder) Open(kind string) (at int) {
	at = len(b.Bytes)
	b.U32(0)
	b.Text(kind)
	return at
}

// OpenFull begins a box with version and flags.
func (b *Builder) OpenFull(kind string, version byte, flags uint32) (at int) {
	at = b.Open(kind)
	b.U32(uint32(version)<<24 | flags)
	return at
}

// Close ends the box that began at at. A box of 4 GiB or more is a mistake of the caller, who bounds what he puts in: it panics.
func (b *Builder) Close(at int) {
	size := len(b.Bytes) - at
	if size > math.MaxUint32 {
		panic("isobmff: a box of 4 GiB")
	}
	binary.BigEndian.PutUint32(b.Bytes[at:], uint32(size))
}

// Time appends a field of 32 bits in a box of version 0, of 64 bits otherwise.
func (b *Builder) Time(version byte, v uint64) {
	if version == 0 {
		b.U32(uint32(v))
	} else {
		b.U64(v)
	}
}

// TimeVersion is the version of a box that has these times.
func TimeVersion(times ...uint64) byte {
	for _, t := range times {
		if t > math.MaxUint32 {
			return 1
		}
	}
	return 0
}

// Matrix appends the matrix that changes nothing.
func (b *Builder) Matrix() {
	for _, v := range [9]uint32{0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000} {
		b.U32(v)
	}
}

// MovieHeader appends mvhd, ISO/IEC 14496-12 8.2.2. No clock is read: times of creation are 0.
func (b *Builder) MovieHeader(timescale uint32, duration uint64, nextTrack uint32) {
	v := TimeVersion(duration)
	at := b.OpenFull("mvhd", v, 0)
	b.Time(v, 0)
	b.Time(v, 0)
	b.U32(timescale)
	b.Time(v, duration)
	b.U32(0x00010000) // rate 1
	b.U16(0x0100)     // volume 1
	b.Zeros(10)
	b.Matrix()
	b.Zeros(24)
	b.U32(nextTrack)
	b.Close(at)
}

// TrackHeader appends tkhd, ISO/IEC 14496-12 8.3.2. duration is in ticks of the movie. Sound tracks are alternatives to each other.
func (b *Builder) TrackHeader(t *media.Track, id uint32, duration uint64, enabled bool) {
	v := TimeVersion(duration)
	flags := uint32(2) // track_in_movie
	if enabled {
		flags |= 1
	}
	at := b.OpenFull("tkhd", v, flags)
	b.Time(v, 0)
	b.Time(v, 0)
	b.U32(id)
	b.U32(0)
	b.Time(v, duration)
	b.Zeros(8)
	b.U16(0) // layer
	if t.Kind == media.Audio {
		b.U16(1)      // alternate_group
		b.U16(0x0100) // volume
	} else {
		b.U16(0)
		b.U16(0)
	}
	b.U16(0)
	b.Matrix()
	w, h := displaySize(t)
	b.U32(w)
	b.U32(h)
	b.Close(at)
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

// MediaHeaders appends mdhd and hdlr, ISO/IEC 14496-12 8.4.2 and 8.4.3.
func (b *Builder) MediaHeaders(t *media.Track, timescale uint32, duration uint64) {
	v := TimeVersion(duration)
	at := b.OpenFull("mdhd", v, 0)
	b.Time(v, 0)
	b.Time(v, 0)
	b.U32(timescale)
	b.Time(v, duration)
	b.U16(packLanguage(t.Language))
	b.U16(0)
	b.Close(at)
	handler, name := "vide", "VideoHandler"
	switch {
	case t.Kind == media.Audio:
		handler, name = "soun", "SoundHandler"
	case t.Codec == media.TTML:
		handler, name = "subt", "SubtitleHandler"
	case t.Kind == media.Text:
		handler, name = "text", "TextHandler"
	}
	at = b.OpenFull("hdlr", 0, 0)
	b.U32(0)
	b.Text(handler)
	b.Zeros(12)
	b.Text(name + "\x00")
	b.Close(at)
}

// MediaInformation appends the media header box of the track's kind and dinf: the media is in the same file. ISO/IEC 14496-12 8.4.5, 8.7.1 and 12.
func (b *Builder) MediaInformation(t *media.Track) {
	switch {
	case t.Kind == media.Audio:
		at := b.OpenFull("smhd", 0, 0)
		b.U32(0)
		b.Close(at)
	case t.Codec == media.TTML:
		b.Close(b.OpenFull("sthd", 0, 0))
	case t.Kind == media.Text:
		b.Close(b.OpenFull("nmhd", 0, 0))
	default:
		at := b.OpenFull("vmhd", 0, 1)
		b.Zeros(8)
		b.Close(at)
	}
	dinf := b.Open("dinf")
	dref := b.OpenFull("dref", 0, 0)
	b.U32(1)
	b.Close(b.OpenFull("url ", 0, 1))
	b.Close(dref)
	b.Close(dinf)
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
