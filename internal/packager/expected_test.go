package packager

import (
	"testing"
	"time"

	"darkroom/internal/plan"
)

// TestExpected: the first segment's size is reckoned from what there is of it, when that says something, and that of others is the largest so far.
func TestExpected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, size    int64
		usual         int
		shown         time.Duration
		least, atMost int
	}{
		"too early":      {0, 1000, 0, 400 * time.Millisecond, 0, 0},
		"a quarter":      {0, 1000, 0, time.Second, 4100, 5000},
		"in a file":      {9000, 10_000, 0, time.Second, 4100, 5000},
		"over":           {0, 1000, 0, 5 * time.Second, 0, 0},
		"as others were": {0, 1000, 7777, time.Second, 7777, 7777},
		"not too much":   {0, 1 << 40, 0, time.Second, maxUsual, maxUsual},
	} {
		s := &segmenter{
			group: &streamGroup{plan: &plan.StreamGroup{Cut: plan.Cut{Length: 4 * time.Second}}}, usual: c.usual,
			current: &segment{from: c.from, object: &object{size: c.size}},
		}
		if got := s.expected(int64(c.shown)); got < c.least || got > c.atMost {
			t.Errorf("%s: %d, want %d to %d", name, got, c.least, c.atMost)
		}
	}
}
