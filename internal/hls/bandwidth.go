package hls

import (
	"math"
	"math/bits"
	"time"
)

// Load is how much of a media playlist a segment is.
type Load struct {
	Duration time.Duration
	Bytes    int64
}

// Bandwidth gives the peak and the average segment bit rate of a media playlist, in bit/s, rounded up. The peak is the largest bit rate of
// any contiguous set of segments that lasts between 0.5 and 1.5 times the target duration, RFC 8216 4.1.
func Bandwidth(segments []Load, target time.Duration) (peak, average int64) {
	var all Load
	for i, s := range segments {
		all.Duration += s.Duration
		all.Bytes += s.Bytes
		var set Load
		for _, next := range segments[i:] {
			set.Duration += next.Duration
			set.Bytes += next.Bytes
			if set.Duration > target+target/2 {
				break
			}
			if set.Duration >= target/2 {
				peak = max(peak, set.rate())
			}
		}
	}
	average = all.rate()
	return max(peak, average), average
}

// rate is 0 for no duration.
func (l Load) rate() int64 {
	if l.Duration <= 0 || l.Bytes <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(l.Bytes), 8*uint64(time.Second))
	lo, carry := bits.Add64(lo, uint64(l.Duration)-1, 0)
	hi += carry
	if hi >= uint64(l.Duration) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(l.Duration))
	return int64(min(q, math.MaxInt64))
}
