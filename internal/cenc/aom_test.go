package cenc

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFramesOfAOM reads files that libaom (aomenc 3.6) made with what ffmpeg's encoders do not offer, which each is named by, and compares the
// tiles with those that ffmpeg finds.
func TestFramesOfAOM(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/av1/*.mp4")
	if err != nil || len(files) < 19 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			e := readMP4(t, b)
			units := trace(t, path)
			cbcs, cenc := newEncryptor(t, &e.track, CBCS), newEncryptor(t, &e.track, CENC)
			for n, sample := range e.samples {
				for _, encryptor := range []*Encryptor{cenc, cbcs} {
					out, err := encryptor.Append(nil, sample)
					if err != nil {
						t.Fatalf("%v, sample %d: %v", encryptor.Track().Scheme, n, err)
					}
					check(t, encryptor, n, sample, out)
					if got := decrypt(t, encryptor, n, out); !bytes.Equal(got, sample) {
						t.Fatalf("%v, sample %d does not decrypt", encryptor.Track().Scheme, n)
					}
				}
				checkTrace(t, n, cbcs.spans, units)
			}
			t.Logf("%d samples, %d units", len(e.samples), len(units))
		})
	}
}
