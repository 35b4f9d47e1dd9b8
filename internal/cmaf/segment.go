package cmaf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"darkroom/internal/isobmff"
)

// AppendSegmentStart appends the box that a media segment in an object of its own begins with (styp); nothing for PIFF.
func (w *Writer) AppendSegmentStart(dst []byte) []byte {
	b := isobmff.Builder{Bytes: dst}
	if w.o.Flavour == PIFF {
		return dst
	}
	at := b.Open("styp")
	b.Text("msdh")
	b.U32(0)
	b.Text("msdh")
	if w.o.Flavour == CMAF {
		b.Text("cmfs")
	}
	b.Close(at)
	return b.Bytes
}

// ID3Scheme is the scheme of ID3 tags in event messages (AOM, Carriage of ID3 Timed Metadata in CMAF).
const ID3Scheme = "https://aomedia.org/emsg/ID3"

// EventDurationUnknown is the duration of an event that has none.
const EventDurationUnknown = math.MaxUint32

// Event is an event message, ISO/IEC 23009-1 5.10.3.3. Times are Track.PresentationTime, in ticks of the track.
type Event struct {
	Version       int    // 0 or 1
	Scheme, Value string // without zero bytes
	ID            uint32
	Time          int64
	Duration      uint32 // ticks of the track; EventDurationUnknown where it is not known
	// SegmentTime is the earliest presentation time of the segment that a message of version 0 stands in: its time is told from there, and is not before it.
	SegmentTime int64
	Data        []byte
}

// maxEvent bounds the data of an event message.
const maxEvent = 16 << 20

// AppendEvent appends an event message, which stands before the fragments of a segment (emsg).
func (w *Writer) AppendEvent(dst []byte, e *Event) ([]byte, error) {
	switch {
	case w.o.Flavour == PIFF:
		return dst, errors.New("smooth streaming has no event messages")
	case strings.Contains(e.Scheme+e.Value, "\x00"):
		return dst, errors.New("an event whose scheme or value has a zero byte")
	case len(e.Data)+len(e.Scheme)+len(e.Value) > maxEvent:
		return dst, fmt.Errorf("an event of %d bytes", len(e.Data))
	}
	b := isobmff.Builder{Bytes: dst}
	switch e.Version {
	case 0:
		delta := e.Time - e.SegmentTime
		if delta < 0 || delta > math.MaxUint32 {
			return dst, fmt.Errorf("an event of version 0, %d ticks after its segment begins", delta)
		}
		at := b.OpenFull("emsg", 0, 0)
		b.Text(e.Scheme + "\x00" + e.Value + "\x00")
		b.U32(w.scale)
		b.U32(uint32(delta))
		b.U32(e.Duration)
		b.U32(e.ID)
		b.Raw(e.Data)
		b.Close(at)
	case 1:
		if e.Time+w.offset < 0 {
			return dst, fmt.Errorf("an event at %d ticks, before time 0", e.Time)
		}
		at := b.OpenFull("emsg", 1, 0)
		b.U32(w.scale)
		b.U64(uint64(e.Time + w.offset))
		b.U32(e.Duration)
		b.U32(e.ID)
		b.Text(e.Scheme + "\x00" + e.Value + "\x00")
		b.Raw(e.Data)
		b.Close(at)
	default:
		return dst, fmt.Errorf("an event message of version %d: there are 0 and 1", e.Version)
	}
	return b.Bytes, nil
}

// DelayEvent tells the time of an event message from a segment that begins so many ticks earlier. box begins with what AppendEvent appended, and is changed in
// place; a message of version 1 says its time in full and stays as it is.
func DelayEvent(box []byte, ticks int64) error {
	const head = 12 // of a full box
	if len(box) < head || string(box[4:8]) != "emsg" {
		return errors.New("no event message")
	}
	if box[8] != 0 {
		return nil
	}
	at := head
	for range 2 { // scheme and value
		n := bytes.IndexByte(box[at:], 0)
		if n < 0 {
			return errors.New("an event message that is cut off")
		}
		at += n + 1
	}
	if at += 4; len(box) < at+4 { // behind the timescale
		return errors.New("an event message that is cut off")
	}
	delta := int64(binary.BigEndian.Uint32(box[at:])) + ticks
	if delta < 0 || delta > math.MaxUint32 {
		return fmt.Errorf("an event of version 0, %d ticks after its segment begins", delta)
	}
	binary.BigEndian.PutUint32(box[at:], uint32(delta))
	return nil
}

// Reference is a segment in a segment index, ISO/IEC 14496-12 8.16.3.
type Reference struct {
	Size     int64 // bytes
	Duration int64 // ticks of Timescale
	// SAPType is the type of stream access point that the segment begins with (ISO/IEC 14496-12 annex I): 1 to 3, and 0 where it begins with none.
	SAPType int
}

// MaxReferences is how many references a segment index holds.
const MaxReferences = math.MaxUint16

const (
	indexHead      = 8 + 4 + 4 + 4 + 8 + 8 + 2 + 2
	indexReference = 12
)

// IndexSize is how many bytes AppendIndex appends for n references.
func (w *Writer) IndexSize(n int) int { return indexHead + n*indexReference }

// AppendIndex appends a segment index (sidx) of segments that follow it directly, at most MaxReferences. earliest is Track.PresentationTime of the first sample shown.
func (w *Writer) AppendIndex(dst []byte, earliest int64, refs []Reference) ([]byte, error) {
	if len(refs) == 0 || len(refs) > MaxReferences {
		return dst, fmt.Errorf("a segment index of %d segments: it holds 1 to %d", len(refs), MaxReferences)
	}
	first := w.Ticks(earliest) + w.offset
	if first < 0 {
		return dst, fmt.Errorf("a segment index that begins at %d ticks", first)
	}
	b := isobmff.Builder{Bytes: dst}
	at := b.OpenFull("sidx", 1, 0)
	b.U32(w.o.TrackID)
	b.U32(w.scale)
	b.U64(uint64(first))
	b.U64(0) // first_offset
	b.U16(0)
	b.U16(uint16(len(refs)))
	for i, r := range refs {
		if r.Size <= 0 || r.Size > math.MaxInt32 || r.Duration < 0 || r.Duration > math.MaxUint32 || r.SAPType < 0 || r.SAPType > 3 {
			return dst, fmt.Errorf("a segment index cannot say of segment %d: %d bytes, %d ticks, SAP type %d", i+1, r.Size, r.Duration, r.SAPType)
		}
		b.U32(uint32(r.Size)) // reference_type 0: media
		b.U32(uint32(r.Duration))
		sap := uint32(0)
		if r.SAPType > 0 {
			sap = 1<<31 | uint32(r.SAPType)<<28
		}
		b.U32(sap)
	}
	b.Close(at)
	return b.Bytes, nil
}
