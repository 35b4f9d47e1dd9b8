package cse

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"

	"darkroom/internal/secret"
)

// file is a source in memory.
type file struct {
	content []byte
	slow    bool // gives one byte at a time
	// broken is the error that reads end with; nil for none.
	broken error
	reads  int
}

func (f *file) Size() int64 { return int64(len(f.content)) }

func (f *file) ReadRange(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	f.reads++
	if length == -1 {
		length = f.Size() - offset
	}
	if offset < 0 || length < 0 || offset+length > f.Size() {
		return nil, fmt.Errorf("range of %d from %d in %d bytes", length, offset, f.Size())
	}
	var r io.Reader = bytes.NewReader(f.content[offset : offset+length])
	if f.slow {
		r = iotest.OneByteReader(r)
	}
	if f.broken != nil {
		r = io.MultiReader(io.LimitReader(r, length/2), iotest.ErrReader(f.broken))
	}
	return io.NopCloser(r), nil
}

// read reads a range to its end.
func read(t testing.TB, f *File, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := f.ReadRange(t.Context(), offset, length)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

// random returns n bytes that a test can have again.
func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 20)) }

// encrypt is what a user does, with the standard library.
func encrypt(t testing.TB, mode Mode, key, iv, clearText []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	switch mode {
	case CTR:
		counter := make([]byte, blockSize)
		copy(counter, iv)
		out := make([]byte, len(clearText))
		cipher.NewCTR(block, counter).XORKeyStream(out, clearText)
		return out
	case CBC:
		pad := blockSize - len(clearText)%blockSize
		out := append(bytes.Clone(clearText), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
		return out
	case GCM:
		aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
		if err != nil {
			t.Fatal(err)
		}
		return aead.Seal(nil, iv, clearText, nil)
	}
	t.Fatalf("no mode %s", mode)
	return nil
}

// form is a mode with a length of the initialization vector.
type form struct {
	mode Mode
	iv   int
}

var forms = []form{{CTR, 16}, {CTR, 12}, {CBC, 16}, {GCM, 12}, {GCM, 16}}

func (f form) String() string { return fmt.Sprintf("%s, IV of %d bytes", f.mode, f.iv) }

// Any range of any file is the slice of the clear text, whatever the key and however the source gives its bytes.
func TestEveryRange(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 15, 16, 17, 31, 32, 33, 1000, cbcBuffer - 1, cbcBuffer, cbcBuffer + 1, cbcBuffer + 16, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 77}
	for i, f := range forms {
		for _, keySize := range []int{16, 24, 32} {
			t.Run(fmt.Sprintf("%v, key of %d", f, keySize), func(t *testing.T) {
				t.Parallel()
				r := newRand(uint64(100*i + keySize))
				for _, size := range sizes {
					clearText, key, iv := random(r, size), random(r, keySize), random(r, f.iv)
					src := &file{content: encrypt(t, f.mode, key, iv, clearText), slow: size < 2000}
					got, err := Open(t.Context(), src, f.mode, secret.New(key), iv)
					if err != nil {
						t.Fatalf("%d bytes: %v", size, err)
					}
					if got.Size() != int64(size) {
						t.Fatalf("size %d, want %d", got.Size(), size)
					}
					ranges := [][2]int64{{0, -1}, {0, int64(size)}, {0, 0}, {int64(size), 5}, {int64(size) + 9, -1}, {0, 1 << 40}}
					if size > 0 {
						ranges = append(ranges, [2]int64{int64(size) - 1, 1}, [2]int64{int64(size) - 1, 100})
						for range 30 {
							from := r.Int64N(int64(size))
							ranges = append(ranges, [2]int64{from, r.Int64N(int64(size)-from) + 1})
						}
					}
					for _, x := range ranges {
						part, err := read(t, got, x[0], x[1])
						if err != nil {
							t.Fatalf("%d bytes, range %v: %v", size, x, err)
						}
						from := min(x[0], int64(size))
						end := int64(size)
						if x[1] >= 0 {
							end = min(end, from+x[1])
						}
						if !bytes.Equal(part, clearText[from:end]) {
							t.Fatalf("%d bytes, range %v: %d bytes that are not the clear ones", size, x, len(part))
						}
					}
				}
			})
		}
	}
}

func TestReadsAtOnce(t *testing.T) {
	t.Parallel()
	for i, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			r := newRand(uint64(i))
			clearText, key, iv := random(r, 3*chunkSize+5), random(r, 32), random(r, f.iv)
			src := &file{content: encrypt(t, f.mode, key, iv, clearText)}
			got, err := Open(t.Context(), unshared{src}, f.mode, secret.New(key), iv)
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for n := range 8 {
				all.Go(func() {
					from := int64(n * 40_000)
					part, err := read(t, got, from, 100_000)
					if err != nil || !bytes.Equal(part, clearText[from:from+100_000]) {
						t.Errorf("from %d: %d bytes, %v", from, len(part), err)
					}
				})
			}
			all.Wait()
		})
	}
}

// unshared is a file that can be read from several goroutines.
type unshared struct{ *file }

func (u unshared) ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return (&file{content: u.content}).ReadRange(ctx, offset, length)
}

// Vectors of NIST SP 800-38A (F.2.1, F.5.1) and of the submission of GCM to NIST (McGrew, Viega: test cases 1, 2, 3, 8, 14).
func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	const (
		clear38A = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
		key38A   = "2b7e151628aed2a6abf7158809cf4f3c"
	)
	for _, c := range []struct {
		name                   string
		mode                   Mode
		key, iv, clear, sealed string
	}{
		{
			"F.5.1 CTR-AES128", CTR, key38A, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", clear38A,
			"874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
		},
		// The vector has no padding: the last block is that of 16 bytes of padding, which openssl enc adds.
		{
			"F.2.1 CBC-AES128", CBC, key38A, "000102030405060708090a0b0c0d0e0f", clear38A,
			"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a78cb82807230e1321d3fae00d18cc2012",
		},
		{"GCM 1", GCM, "00000000000000000000000000000000", "000000000000000000000000", "", "58e2fccefa7e3061367f1d57a4e7455a"},
		{
			"GCM 2", GCM, "00000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000",
			"0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
		},
		{
			"GCM 3", GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
			"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
			"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4",
		},
		{
			"GCM 8", GCM, "000000000000000000000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000",
			"98e7247c07f0fe411c267e4384b0f6002ff58d80033927ab8ef4d4587514f0fb",
		},
		{
			"GCM 14", GCM, "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000",
			"cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := Open(t.Context(), &file{content: unhex(t, c.sealed)}, c.mode, secret.New(unhex(t, c.key)), unhex(t, c.iv))
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(t, f, 0, -1)
			if err != nil || hex.EncodeToString(got) != c.clear {
				t.Errorf("got %x, %v", got, err)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openssl enc makes the files that the guide speaks of. A short initialization vector it completes with zeros.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	for _, c := range []struct {
		cipher        string
		mode          Mode
		keySize, ivOf int
	}{
		{"aes-128-ctr", CTR, 16, 16},
		{"aes-192-ctr", CTR, 24, 16},
		{"aes-256-ctr", CTR, 32, 16},
		{"aes-256-ctr", CTR, 32, 12},
		{"aes-128-cbc", CBC, 16, 16},
		{"aes-192-cbc", CBC, 24, 16},
		{"aes-256-cbc", CBC, 32, 16},
	} {
		t.Run(fmt.Sprintf("%s, IV of %d bytes", c.cipher, c.ivOf), func(t *testing.T) {
			t.Parallel()
			r := newRand(uint64(c.keySize + c.ivOf))
			dir := t.TempDir()
			for _, size := range []int{0, 1, 16, 70_001} {
				clearText, key, iv := random(r, size), random(r, c.keySize), random(r, c.ivOf)
				if c.mode == CTR {
					// The carry out of the lower half of the counter must reach the upper one.
					copy(iv[4:], bytes.Repeat([]byte{0xff}, len(iv)-4))
				}
				in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
				if err := os.WriteFile(in, clearText, 0o600); err != nil {
					t.Fatal(err)
				}
				// Keys of a test may stand on a command line.
				if text, err := exec.Command(program, "enc", "-"+c.cipher, "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(iv), "-in", in, "-out", out).CombinedOutput(); err != nil {
					t.Fatalf("openssl: %v\n%s", err, text)
				}
				sealed, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				f, err := Open(t.Context(), &file{content: sealed}, c.mode, secret.New(key), iv)
				if err != nil {
					t.Fatal(err)
				}
				from := int64(size) * 2 / 3
				got, err := read(t, f, from, -1)
				if err != nil || f.Size() != int64(size) || !bytes.Equal(got, clearText[from:]) {
					t.Errorf("%d bytes: another clear file of %d bytes, %v", size, f.Size(), err)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	k16, iv16, iv12 := make([]byte, 16), make([]byte, 16), make([]byte, 12)
	for _, c := range []struct {
		name   string
		mode   Mode
		key    []byte
		iv     []byte
		size   int
		want   error
		reads  int
		sealed []byte
	}{
		{name: "no mode", mode: "", key: k16, iv: iv16, size: 32, want: ErrMode},
		{name: "unknown mode", mode: "AES_ECB", key: k16, iv: iv16, size: 32, want: ErrMode},
		{name: "no key", mode: CTR, key: nil, iv: iv16, size: 32, want: ErrKey},
		{name: "short key", mode: CTR, key: make([]byte, 15), iv: iv16, size: 32, want: ErrKey},
		{name: "long key", mode: GCM, key: make([]byte, 33), iv: iv16, size: 32, want: ErrKey},
		{name: "the key of two", mode: CBC, key: make([]byte, 64), iv: iv16, size: 32, want: ErrKey},
		{name: "no IV", mode: CTR, key: k16, iv: nil, size: 32, want: ErrIV},
		{name: "short IV", mode: GCM, key: k16, iv: make([]byte, 8), size: 32, want: ErrIV},
		{name: "long IV", mode: CTR, key: k16, iv: make([]byte, 17), size: 32, want: ErrIV},
		{name: "12 bytes for CBC", mode: CBC, key: k16, iv: iv12, size: 32, want: ErrIV},
		{name: "CBC, empty", mode: CBC, key: k16, iv: iv16, size: 0, want: ErrSize},
		{name: "CBC, cut short", mode: CBC, key: k16, iv: iv16, size: 47, want: ErrSize},
		{name: "CBC, one byte more", mode: CBC, key: k16, iv: iv16, size: 33, want: ErrSize},
		{name: "GCM, no room for a tag", mode: GCM, key: k16, iv: iv12, size: 15, want: ErrSize},
		{name: "GCM, nothing but zeros", mode: GCM, key: k16, iv: iv12, size: 64, want: ErrTag, reads: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := &file{content: make([]byte, c.size)}
			f, err := Open(t.Context(), src, c.mode, secret.New(c.key), c.iv)
			if !errors.Is(err, c.want) || f != nil {
				t.Errorf("got %v, %v; want %v", f, err, c.want)
			}
			if src.reads != c.reads {
				t.Errorf("the source was read %d times, want %d", src.reads, c.reads)
			}
		})
	}
	if _, err := Open(t.Context(), sized(maxGCM+tagSize+1), GCM, secret.New(k16), iv12); !errors.Is(err, ErrSize) {
		t.Errorf("a file longer than the counter: %v", err)
	}
}

// sized is a file that has a size and must not be read.
type sized int64

func (s sized) Size() int64 { return int64(s) }

func (s sized) ReadRange(context.Context, int64, int64) (io.ReadCloser, error) {
	return nil, errors.New("the file was read")
}

func TestPadding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		last string
		want int // 0 for none
	}{
		{"one", "0000000000000000000000000000ff01", 1},
		{"two", "00000000000000000000000000000202", 2},
		{"fifteen", "000f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", 15},
		{"a whole block", "10101010101010101010101010101010", 16},
		{"zero", "00000000000000000000000000000000", 0},
		{"more than a block", "11111111111111111111111111111111", 0},
		{"255", "ffffffffffffffffffffffffffffffff", 0},
		{"the second of two differs", "00000000000000000000000000000102", 0},
		{"the first of sixteen differs", "11101010101010101010101010101010", 0},
		{"the first of fifteen differs", "0f0e0f0f0f0f0f0f0f0f0f0f0f0f0f0f", 0},
		{"the one before fifteen is the same", "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, ok := padding([blockSize]byte(unhex(t, c.last)))
			if ok != (c.want != 0) || ok && n != c.want {
				t.Errorf("got %d, %v; want %d", n, ok, c.want)
			}
			// And as the end of a file.
			key, iv := make([]byte, 16), make([]byte, 16)
			block, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			sealed := unhex(t, "00000000000000000000000000000000"+c.last)
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
			f, err := Open(t.Context(), &file{content: sealed}, CBC, secret.New(key), iv)
			switch {
			case c.want == 0:
				if !errors.Is(err, ErrPadding) {
					t.Errorf("got %v, want %v", err, ErrPadding)
				}
			case err != nil || f.Size() != int64(32-c.want):
				t.Errorf("got %v, %v", f, err)
			}
		})
	}
}

// What the source says of its own trouble is the caller's to explain.
func TestSourceErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("the connection broke")
	for i, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			r := newRand(uint64(i))
			key, iv := random(r, 16), random(r, f.iv)
			src := &file{content: encrypt(t, f.mode, key, iv, random(r, 1000))}
			got, err := Open(t.Context(), src, f.mode, secret.New(key), iv)
			if err != nil {
				t.Fatal(err)
			}
			src.broken = broken
			if _, err := read(t, got, 10, 700); !errors.Is(err, broken) {
				t.Errorf("a read: got %v", err)
			}
			if _, err := Open(t.Context(), src, f.mode, secret.New(key), iv); f.mode != CTR && !errors.Is(err, broken) {
				t.Errorf("opening: got %v", err)
			}
			// A source that ends before its size is no end of the file.
			src.broken = io.EOF
			if _, err := read(t, got, 10, 700); f.mode != CTR && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("an early end: got %v", err)
			}
		})
	}
	f, err := Open(t.Context(), sized(100), CTR, secret.New(make([]byte, 16)), make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]int64{{-1, 5}, {0, -2}} {
		if _, err := f.ReadRange(t.Context(), x[0], x[1]); err == nil {
			t.Errorf("range %v was opened", x)
		}
	}
}

// FuzzOpen holds the reader against the standard library's own whole-message forms, for any bytes.
func FuzzOpen(f *testing.F) {
	for i, form := range forms {
		r := newRand(uint64(i))
		key, iv := random(r, 16), random(r, form.iv)
		f.Add(uint8(i), key, iv, encrypt(f, form.mode, key, iv, random(r, 100)), uint16(3), uint16(50))
	}
	f.Add(uint8(2), make([]byte, 16), make([]byte, 16), []byte("no whole block"), uint16(0), uint16(9))
	f.Fuzz(func(t *testing.T, which uint8, key, iv, sealed []byte, offset, length uint16) {
		mode := []Mode{CTR, CBC, GCM, "AES_OTHER"}[which%4]
		got, err := Open(t.Context(), &file{content: sealed}, mode, secret.New(key), iv)
		want := whole(mode, key, iv, sealed)
		if (err == nil) != (want != nil) {
			t.Fatalf("%s: opened with %v, and the standard library says %v", mode, err, want != nil)
		}
		if err != nil {
			return
		}
		part, err := read(t, got, int64(offset), int64(length))
		if err != nil {
			t.Fatal(err)
		}
		from := min(int(offset), len(want))
		if end := min(len(want), from+int(length)); !bytes.Equal(part, want[from:end]) {
			t.Errorf("%s: bytes %d to %d of %d differ", mode, from, end, len(want))
		}
	})
}

// whole is the clear text, not nil, or nil where there is none.
func whole(mode Mode, key, iv, sealed []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	out := append([]byte{}, sealed...)
	switch {
	case mode == CTR && (len(iv) == 12 || len(iv) == 16):
		cipher.NewCTR(block, append(bytes.Clone(iv), 0, 0, 0, 0)[:16]).XORKeyStream(out, out)
		return out
	case mode == CBC && len(iv) == 16 && len(out) > 0 && len(out)%16 == 0:
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, out)
		pad := int(out[len(out)-1])
		if pad < 1 || pad > 16 || !bytes.HasSuffix(out, bytes.Repeat([]byte{byte(pad)}, pad)) {
			return nil
		}
		return out[:len(out)-pad]
	case mode == GCM && (len(iv) == 12 || len(iv) == 16):
		aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
		if err != nil {
			return nil
		}
		if out, err = aead.Open(nil, iv, sealed, nil); err != nil {
			return nil
		}
		return append([]byte{}, out...)
	}
	return nil
}
