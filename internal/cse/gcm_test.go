package cse

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"darkroom/internal/secret"
)

// Whatever is altered, nothing is opened.
func TestGCMAltered(t *testing.T) {
	t.Parallel()
	for _, ivSize := range []int{12, 16} {
		r := newRand(uint64(ivSize))
		key, iv, clearText := random(r, 32), random(r, ivSize), random(r, 100)
		sealed := encrypt(t, GCM, key, iv, clearText)
		refused := func(what string, key, iv, sealed []byte) {
			t.Helper()
			if f, err := Open(t.Context(), &file{content: sealed}, GCM, secret.New(key), iv); !errors.Is(err, ErrTag) || f != nil {
				t.Errorf("%s: got %v, %v", what, f, err)
			}
		}
		for i := range sealed {
			for bit := range 8 {
				other := bytes.Clone(sealed)
				other[i] ^= 1 << bit
				refused(fmt.Sprintf("bit %d of byte %d", bit, i), key, iv, other)
			}
		}
		for n := tagSize; n < len(sealed); n++ {
			refused(fmt.Sprintf("cut to %d bytes", n), key, iv, sealed[:n])
		}
		refused("a byte more", key, iv, append(bytes.Clone(sealed), 0))
		refused("a block more", key, iv, append(make([]byte, 16), sealed...))
		for i := range key {
			other := bytes.Clone(key)
			other[i] ^= 0x80
			refused("another key", other, iv, sealed)
		}
		for i := range iv {
			other := bytes.Clone(iv)
			other[i] ^= 1
			refused("another IV", key, other, sealed)
		}
		refused("an IV of the other length", key, append(bytes.Clone(iv), 0, 0, 0, 1)[:28-ivSize], sealed)
	}
}

// What the source gives after the file was authenticated must be what was authenticated: of a chunk that is not, no byte is given.
func TestGCMChangedAfterwards(t *testing.T) {
	t.Parallel()
	const size = 3*chunkSize + 1000
	r := newRand(7)
	key, iv, clearText := random(r, 16), random(r, 12), random(r, size)
	sealed := encrypt(t, GCM, key, iv, clearText)
	for _, c := range []struct {
		name   string
		change func([]byte)
		// good is how many bytes from the beginning are still as they were.
		good int
	}{
		{"first bit", func(b []byte) { b[0] ^= 0x80 }, 0},
		{"last bit of the first chunk", func(b []byte) { b[chunkSize-1] ^= 1 }, 0},
		{"first bit of the second chunk", func(b []byte) { b[chunkSize] ^= 0x80 }, chunkSize},
		{"last bit", func(b []byte) { b[size-1] ^= 1 }, 3 * chunkSize},
		{"two chunks swapped", func(b []byte) {
			first := bytes.Clone(b[:chunkSize])
			copy(b, b[chunkSize:2*chunkSize])
			copy(b[chunkSize:], first)
		}, 0},
		{"a chunk in the place of another", func(b []byte) { copy(b[2*chunkSize:3*chunkSize], b[:chunkSize]) }, 2 * chunkSize},
		{"another file", func(b []byte) {
			copy(b, encrypt(t, GCM, key, iv, make([]byte, size)))
		}, 0},
		// The tag is read once; it may go.
		{"the tag", func(b []byte) { clear(b[size:]) }, size},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := &file{content: bytes.Clone(sealed)}
			f, err := Open(t.Context(), src, GCM, secret.New(key), iv)
			if err != nil {
				t.Fatal(err)
			}
			c.change(src.content)
			got, err := read(t, f, 0, -1)
			if !bytes.Equal(got, clearText[:c.good]) {
				t.Errorf("%d bytes were given, want the first %d", len(got), c.good)
			}
			if c.good < size && !errors.Is(err, ErrChanged) || c.good == size && err != nil {
				t.Errorf("got %v", err)
			}
			if c.good < size {
				// In the middle of the chunk that changed, far from what did.
				if got, err := read(t, f, int64(c.good)+500, 10); !errors.Is(err, ErrChanged) || len(got) > 0 {
					t.Errorf("inside: got %d bytes, %v", len(got), err)
				}
			}
		})
	}
}

// The counter of GCM has 32 bits. With an initialization vector of 16 bytes it begins anywhere, and may wrap inside a chunk; a vector that makes it so
// is found by going back from the counter.
func TestGCMCounterWraps(t *testing.T) {
	t.Parallel()
	for _, before := range []uint32{1, 2, 3, 100, chunkSize/blockSize - 1, chunkSize / blockSize, chunkSize/blockSize + 1} {
		r := newRand(uint64(before))
		key := random(r, 32)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := newGHASH(block)
		if err != nil {
			t.Fatal(err)
		}
		want := [blockSize]byte(random(r, blockSize))
		binary.BigEndian.PutUint32(want[12:], -before)
		inverse := element{high: 1 << 63}
		for power, i := hash.key, 1; i < 128; i++ { // H to the power of 2¹²⁸ - 2
			power = power.mul(power)
			inverse = inverse.mul(power)
		}
		v := newElement(want[:]).mul(inverse).add(lengths(0, blockSize)).mul(inverse).bytes()
		if got := firstCounter(hash, v[:]); got != want {
			t.Fatalf("the vector gives the counter %x, want %x", got, want)
		}
		clearText := random(r, 2*chunkSize+33)
		f, err := Open(t.Context(), &file{content: encrypt(t, GCM, key, v[:], clearText)}, GCM, secret.New(key), v[:])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, f, 0, -1); err != nil || !bytes.Equal(got, clearText) {
			t.Errorf("wraps after %d blocks: another clear file, %v", before, err)
		}
	}
}

// The hash of parts is that of the whole, however it is parted.
func TestGHASHParts(t *testing.T) {
	t.Parallel()
	r := newRand(3)
	for range 200 {
		key := random(r, 16)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		text := random(r, r.IntN(2000))
		whole, err := newGHASH(block)
		if err != nil {
			t.Fatal(err)
		}
		whole.write(text)
		parts, err := newGHASH(block)
		if err != nil {
			t.Fatal(err)
		}
		for rest := text; len(rest) > 0; {
			n := min(len(rest), blockSize*r.IntN(20))
			if r.IntN(4) == 0 {
				n = len(rest)
			}
			parts.write(rest[:n])
			rest = rest[n:]
		}
		if parts.sum() != whole.sum() || whole.sum() != slow(whole.key, text) {
			t.Fatalf("%d bytes: parts %x, whole %x, by the definition %x", len(text), parts.sum(), whole.sum(), slow(whole.key, text))
		}
	}
}

// slow is GHASH as it is defined.
func slow(key element, text []byte) [blockSize]byte {
	var y element
	for b := text; len(b) > 0; b = b[min(blockSize, len(b)):] {
		var x [blockSize]byte
		copy(x[:], b)
		y = y.add(newElement(x[:])).mul(key)
	}
	return y.add(lengths(0, int64(len(text)))).mul(key).bytes()
}

func TestField(t *testing.T) {
	t.Parallel()
	one := element{high: 1 << 63}
	r := newRand(5)
	pick := func() element { return newElement(random(r, blockSize)) }
	for range 100 {
		a, b, c := pick(), pick(), pick()
		switch {
		case a.mul(b) != b.mul(a), a.mul(b).mul(c) != a.mul(b.mul(c)), a.mul(b.add(c)) != a.mul(b).add(a.mul(c)):
			t.Error("not a field")
		case a.mul(one) != a, one.mul(a) != a, a.mul(element{}) != element{}:
			t.Error("one is not one")
		case a.pow(0) != one, a.pow(1) != a, a.pow(7) != a.mul(a).mul(a).mul(a).mul(a).mul(a).mul(a):
			t.Error("a power is not the product")
		}
	}
}

// Bounds that are promised, for the longest file.
func TestGCMBounds(t *testing.T) {
	t.Parallel()
	if maxMarks != 8<<20 {
		t.Errorf("the marks of the longest file take %d bytes", maxMarks)
	}
	// Nothing is taken before the size was found possible, and then what the size needs.
	if _, err := Open(t.Context(), sized(maxGCM+tagSize), GCM, secret.New(make([]byte, 16)), make([]byte, 12)); err == nil || errors.Is(err, ErrSize) {
		t.Errorf("the longest file: got %v, want that it is read", err)
	}
}

// Where FIPS 140-3 is enforced the mode is refused; the others are not.
func TestEnforced(t *testing.T) {
	t.Parallel()
	const inside = "CSE_TEST_ENFORCED"
	if os.Getenv(inside) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "-test.run=^TestEnforced$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1", "GODEBUG=fips140=only")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("was refused")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	key, iv := make([]byte, 16), make([]byte, 16)
	if _, err := Open(t.Context(), &file{content: make([]byte, 64)}, GCM, secret.New(key), iv); !errors.Is(err, ErrEnforced) {
		t.Errorf("GCM: got %v", err)
	}
	for _, mode := range []Mode{CTR, CBC} {
		clearText := []byte("clear")
		f, err := Open(t.Context(), &file{content: encrypt(t, mode, key, iv, clearText)}, mode, secret.New(key), iv)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if got, err := read(t, f, 0, -1); err != nil || !bytes.Equal(got, clearText) {
			t.Errorf("%s: got %q, %v", mode, got, err)
		}
	}
	t.Log("GCM was refused, CTR and CBC were not")
}

func BenchmarkOpenGCM(b *testing.B) {
	key, iv := make([]byte, 32), make([]byte, 12)
	sealed := encrypt(b, GCM, key, iv, make([]byte, 64<<20))
	b.SetBytes(int64(len(sealed)))
	for b.Loop() {
		if _, err := Open(b.Context(), &file{content: sealed}, GCM, secret.New(key), iv); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, form := range []form{{CTR, 16}, {CBC, 16}, {GCM, 12}} {
		b.Run(string(form.mode), func(b *testing.B) {
			key, iv := make([]byte, 32), make([]byte, form.iv)
			const size = 64 << 20
			f, err := Open(b.Context(), &file{content: encrypt(b, form.mode, key, iv, make([]byte, size))}, form.mode, secret.New(key), iv)
			if err != nil {
				b.Fatal(err)
			}
			buffer := make([]byte, 64<<10)
			b.SetBytes(size)
			for b.Loop() {
				r, err := f.ReadRange(b.Context(), 0, -1)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, buffer); n != size || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
	b.Run("the standard library's whole GCM", func(b *testing.B) {
		block, err := aes.NewCipher(make([]byte, 32))
		if err != nil {
			b.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		sealed := aead.Seal(nil, make([]byte, 12), make([]byte, 64<<20), nil)
		dst := make([]byte, 0, len(sealed))
		b.SetBytes(int64(len(sealed)))
		for b.Loop() {
			if _, err := aead.Open(dst, make([]byte, 12), sealed, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
