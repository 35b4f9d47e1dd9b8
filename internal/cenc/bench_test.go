package cenc

import (
	"fmt"
	"testing"

	"darkroom/internal/media"
	"darkroom/internal/secret"
)

// BenchmarkAppend states the speed of copying alone (clear) and of copying and encrypting, for a picture of a high rate and for sound.
func BenchmarkAppend(b *testing.B) {
	video := encode(b, media.Video, "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "20M", "-vf", "scale=1920:1080", "-t", "0.5")
	slices := encode(b, media.Video, "-c:v", "libx265", "-preset", "ultrafast", "-b:v", "20M", "-vf", "scale=1920:1080", "-t", "0.5", "-x265-params", "log-level=none:slices=8")
	av1 := encode(b, media.Video, "-c:v", "libsvtav1", "-preset", "12", "-b:v", "20M", "-vf", "scale=1920:1080", "-t", "0.5")
	sound := encode(b, media.Audio, "-c:a", "aac", "-b:a", "128k")
	for _, e := range []struct {
		name string
		encoded
	}{{"AVC", video}, {"HEVC", slices}, {"AV1", av1}, {"AAC", sound}} {
		total := 0
		for _, s := range e.samples {
			total += len(s)
		}
		for _, scheme := range []Scheme{0, CENC, CBCS} {
			name := fmt.Sprintf("%s/%v/mean=%d", e.name, scheme, total/len(e.samples))
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(total))
				var encryptor *Encryptor
				if scheme != 0 {
					encryptor = newEncryptor(b, &e.track, scheme)
				}
				out := make([]byte, 0, total)
				for b.Loop() {
					out = out[:0]
					if encryptor != nil {
						encryptor.Reset()
					}
					for _, s := range e.samples {
						if encryptor == nil {
							out = append(out, s...)
							continue
						}
						var err error
						if out, err = encryptor.Append(out, s); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkSegmentCipher states the speed of AES-128 of whole segments, which the chain of CBC bounds.
func BenchmarkSegmentCipher(b *testing.B) {
	segment := make([]byte, 4<<20)
	b.SetBytes(int64(len(segment)))
	for b.Loop() {
		c, err := NewSegmentCipher(secret.New(make([]byte, KeySize)), SequenceIV(1))
		if err != nil {
			b.Fatal(err)
		}
		c.Encrypt(segment)
	}
}
