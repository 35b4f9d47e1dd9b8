package validate

import (
	"testing"

	"darkroom/internal/secret"
)

// TestGood finds nothing wrong with what other packagers make.
func TestGood(t *testing.T) {
	t.Parallel()
	key := Key{ID: testKID, Value: secret.New([]byte("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"))}
	for _, c := range []struct {
		name     string
		make     func(testing.TB) files
		segments int
		samples  int64
	}{
		{"transport streams", transport, 4, 100*2 + 189*2},
		{"AES-128", wholeEncrypted, 4, 100*2 + 189*2},
		{"packed audio and WebVTT", packed, 3, 189},
		{"on demand", onDemand, 2, 289},
		{"Smooth Streaming", smooth, 1, 289},
		{"image playlist", pictured, 3, 189},
		{"image playlist of pictures alone", single, 3, 189},
		{"thumbnails", tiled, 3, 289},
		{"clear AVC, AAC", func(t testing.TB) files { return segmented(t, "", "avc", "aac") }, 8, 0},
		{"cenc AVC, AAC", func(t testing.TB) files { return segmented(t, "cenc", "avc", "aac") }, 8, 0},
		{"cbcs AVC, AC-3", func(t testing.TB) files { return segmented(t, "cbcs", "avc", "ac3") }, 8, 0},
		{"cbcs HEVC, E-AC-3", func(t testing.TB) files { return segmented(t, "cbcs", "hevc", "eac3") }, 6, 0},
		{"cenc HEVC, AC-3", func(t testing.TB) files { return segmented(t, "cenc", "hevc", "ac3") }, 6, 0},
		{"cenc AV1, E-AC-3", func(t testing.TB) files { return segmented(t, "cenc", "av1", "eac3") }, 6, 0},
		{"cbcs AV1, AAC", func(t testing.TB) files { return segmented(t, "cbcs", "av1", "aac") }, 6, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.make(t).check(t, key, wholeKey)
			for _, f := range r.Findings {
				t.Error(f)
			}
			if r.Segments != c.segments || c.samples != 0 && r.Samples != c.samples || r.Samples == 0 {
				t.Errorf("%d segments with %d samples; want %d, %d", r.Segments, r.Samples, c.segments, c.samples)
			}
		})
	}
}
