package dash

import (
	"encoding/xml"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// xmlDuration is a duration as xs:duration has it, to the nanosecond.
type xmlDuration time.Duration

// MarshalXMLAttr is of xml.MarshalerAttr.
func (d xmlDuration) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	return xml.Attr{Name: name, Value: d.String()}, nil
}

func (d xmlDuration) String() string {
	t := time.Duration(d)
	var b strings.Builder
	b.WriteString("PT")
	if h := t / time.Hour; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
	}
	if m := t % time.Hour / time.Minute; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
	}
	s, rest := t%time.Minute/time.Second, t%time.Second
	if s == 0 && rest == 0 && t != 0 {
		return b.String()
	}
	b.WriteString(strconv.FormatInt(int64(s), 10))
	if rest > 0 {
		b.WriteString(strings.TrimRight(fmt.Sprintf(".%09d", int64(rest)), "0"))
	}
	b.WriteByte('S')
	return b.String()
}

// toDuration is ticks to the nearest nanosecond, without the loss of floating point. ticks is not negative.
func toDuration(ticks int64, timescale uint32) time.Duration {
	hi, lo := bits.Mul64(uint64(ticks), uint64(time.Second))
	lo, carry := bits.Add64(lo, uint64(timescale)/2, 0)
	hi += carry
	if hi >= uint64(timescale) {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, uint64(timescale))
	return time.Duration(min(q, 1<<63-1))
}

// total is the sum of the durations.
func (t *Times) total() int64 {
	sum := int64(0)
	for _, d := range t.Durations {
		sum += d
	}
	return sum
}

// longest is the duration of the longest segment.
func (t *Times) longest() time.Duration {
	most := int64(0)
	for _, d := range t.Durations {
		most = max(most, d)
	}
	return toDuration(most, t.Timescale)
}

// end is when the last segment ends, on the timeline of the presentation.
func (t *Times) end() time.Duration {
	return toDuration(max(0, t.Start-t.Offset+t.total()), t.Timescale)
}

// check says what is wrong with the times.
func (t *Times) check() error {
	switch {
	case t.Timescale == 0:
		return fmt.Errorf("no timescale")
	case len(t.Durations) == 0:
		return fmt.Errorf("no segments")
	case t.Start < 0 || t.Offset < 0:
		return fmt.Errorf("times begin at %d ticks with an offset of %d: neither may be negative", t.Start, t.Offset)
	}
	sum := t.Start
	for i, d := range t.Durations {
		if d <= 0 {
			return fmt.Errorf("segment %d lasts %d ticks", i+1, d)
		}
		if sum += d; sum < 0 {
			return fmt.Errorf("the times of its segments are too great")
		}
	}
	return nil
}

// same reports whether t and o can be one SegmentTimeline.
func (t *Times) same(o *Times) bool {
	if t.Timescale != o.Timescale || t.Start != o.Start || t.Offset != o.Offset || len(t.Durations) != len(o.Durations) {
		return false
	}
	for i := range t.Durations {
		if t.Durations[i] != o.Durations[i] {
			return false
		}
	}
	return true
}

// aligned reports whether segments of t and o begin and end at the same times of the presentation, to the nanosecond.
func (t *Times) aligned(o *Times) bool {
	if len(t.Durations) != len(o.Durations) {
		return false
	}
	a, b := t.Start-t.Offset, o.Start-o.Offset
	for i := range t.Durations {
		if !equal(a, t.Timescale, b, o.Timescale) {
			return false
		}
		a, b = a+t.Durations[i], b+o.Durations[i]
	}
	return equal(a, t.Timescale, b, o.Timescale)
}

// equal compares a/x with b/y.
func equal(a int64, x uint32, b int64, y uint32) bool {
	if (a < 0) != (b < 0) {
		return false
	}
	abs := func(v int64) uint64 {
		if v < 0 {
			return uint64(-v)
		}
		return uint64(v)
	}
	h1, l1 := bits.Mul64(abs(a), uint64(y))
	h2, l2 := bits.Mul64(abs(b), uint64(x))
	return h1 == h2 && l1 == l2
}

// timeline is the SegmentTimeline, ISO/IEC 23009-1 5.3.9.6.
func (t *Times) timeline() *xmlTimeline {
	out := &xmlTimeline{}
	for i, d := range t.Durations {
		if n := len(out.S); i > 0 && out.S[n-1].D == d {
			out.S[n-1].R++
			continue
		}
		s := xmlS{D: d}
		if i == 0 {
			s.T = &t.Start
		}
		out.S = append(out.S, s)
	}
	return out
}

// nominal is the @duration that describes the segments of a presentation, and whether one does: a player asks for as many segments as fit, and each begins within
// half a segment of where @duration puts it, ISO/IEC 23009-1 7.2.1.
func (t *Times) nominal(presentation time.Duration) (int64, bool) {
	n := int64(len(t.Durations))
	if n == 1 {
		d := t.Durations[0]
		return d, toDuration(d, t.Timescale) >= presentation
	}
	d := (t.total() - t.Durations[n-1] + (n-1)/2) / (n - 1)
	at := t.Start - t.Offset
	for i, length := range t.Durations {
		off := at - int64(i)*d
		if off > d/2 || off < -d/2 {
			return 0, false
		}
		at += length
	}
	// A player asks for ceil(presentation / d) of them.
	return d, toDuration((n-1)*d, t.Timescale) < presentation && presentation <= toDuration(n*d, t.Timescale)
}
