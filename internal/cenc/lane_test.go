package cenc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Chains that are encrypted side by side give what each gives alone, however many there are and however long each is.
func TestLanes(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	iv := bytes.Repeat([]byte{9}, blockSize)
	for _, skip := range []byte{0, skipBlocks} {
		e := &Encryptor{block: block, track: TrackEncryption{ConstantIV: iv, Crypt: min(skip, cryptBlocks), Skip: skip}}
		for n := range 200 {
			var spans []span
			at := 0
			for range n % 13 {
				at += random.IntN(20)
				length := random.IntN(1 << (n % 14))
				spans = append(spans, span{at, at + length})
				at += length
			}
			got := make([]byte, at+3)
			for i := range got {
				got[i] = byte(random.Uint32())
			}
			want := bytes.Clone(got)
			for _, s := range spans {
				mode := cipher.NewCBCEncrypter(block, iv)
				for p := s.start; p+blockSize <= s.end; p += blockSize * (1 + int(skip)) {
					mode.CryptBlocks(want[p:p+blockSize], want[p:p+blockSize])
				}
			}
			e.encryptCBC(got, spans)
			if !bytes.Equal(got, want) {
				t.Fatalf("skip %d: %v: not what each span gives alone", skip, spans)
			}
		}
	}
}

func BenchmarkLanes(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, KeySize))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := &Encryptor{block: block, track: TrackEncryption{ConstantIV: make([]byte, blockSize), Crypt: cryptBlocks, Skip: skipBlocks}}
			data := make([]byte, 244_000)
			var spans []span
			for i := range n {
				spans = append(spans, span{i * len(data) / n, (i + 1) * len(data) / n})
			}
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				e.encryptCBC(data, spans)
			}
		})
	}
}
