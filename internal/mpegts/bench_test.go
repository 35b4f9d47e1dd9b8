package mpegts_test

import (
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/mpegts"
)

// noise is n bytes as compressed media have them.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return b
}

// picture is a NAL unit of slices that holds no start code.
func picture(n int) []byte {
	b := noise(n)
	b[0] = 0x41
	for i := 2; i < n; i++ {
		if b[i-2] == 0 && b[i-1] == 0 && b[i] < 4 {
			b[i] = 4
		}
	}
	b[n-1] = 0x80
	return nal(b)
}

// samples are what the benchmarks and the test of allocations write: a picture of 6 Mbit/s, and sound of usual rates.
var samples = []struct {
	name  string
	track *media.Track
	data  []byte
}{
	{"AVC", avcTrack(0), picture(25_000)},
	{"AAC", aacTrack(48000, "eng"), noise(342)},
	{"AC-3", ac3Track(), append(ac3Frame()[:10], noise(118)...)},
	{"E-AC-3", eac3Track(), append(eac3Frame()[:6], noise(94)...)},
}

// writeSample appends sample n, and begins a segment now and then. The buffer is used again.
func writeSample(tb testing.TB, m *mpegts.Muxer, dst []byte, s *media.Sample, n int64) {
	s.DecodeTime = n * int64(s.Duration)
	if n%100 == 0 {
		dst = m.AppendSegmentStart(m.AppendFlush(dst))
	}
	if _, err := m.AppendSample(dst, 0, s); err != nil {
		tb.Fatal(err)
	}
}

// No memory is allocated for a sample, clear or encrypted.
func TestAllocations(t *testing.T) {
	for _, tt := range samples {
		for name, key := range map[string]*cenc.Key{"clear": nil, "SAMPLE-AES": testKey()} {
			m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: tt.track, Key: key, FirstFrame: tt.data}))
			dst := make([]byte, 0, 1<<18)
			s := media.Sample{Duration: 1000, Data: tt.data}
			n := int64(0)
			got := testing.AllocsPerRun(400, func() {
				writeSample(t, m, dst, &s, n)
				n++
			})
			if got > 0 {
				t.Errorf("%s, %s: %v allocations for a sample", tt.name, name, got)
			}
		}
	}
}

func BenchmarkMuxer(b *testing.B) {
	for _, bb := range samples {
		for _, key := range []*cenc.Key{nil, testKey()} {
			name := bb.name + "/clear"
			if key != nil {
				name = bb.name + "/SAMPLE-AES"
			}
			b.Run(name, func(b *testing.B) {
				m, err := mpegts.NewMuxer(program(mpegts.Stream{PID: 481, Track: bb.track, Key: key, FirstFrame: bb.data}))
				if err != nil {
					b.Fatal(err)
				}
				dst := make([]byte, 0, 1<<18)
				b.SetBytes(int64(len(bb.data)))
				b.ReportAllocs()
				s := media.Sample{Duration: 1000, Data: bb.data}
				n := int64(0)
				for b.Loop() {
					writeSample(b, m, dst, &s, n)
					n++
				}
			})
		}
	}
}

// The limit of the machine, beside which SAMPLE-AES stands: AES-128-CBC of whole samples, as for sound, and of one block in ten, as for pictures.
func BenchmarkAESLimit(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	mode := cipher.NewCBCEncrypter(block, make([]byte, 16))
	p := noise(25_600)
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			mode.CryptBlocks(p, p)
		}
	})
	b.Run("one block in ten", func(b *testing.B) {
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			mode.CryptBlocks(p[:len(p)/10], p[:len(p)/10])
		}
	})
}
