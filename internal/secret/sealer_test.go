package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

func testMaster() Bytes {
	return New(bytes.Repeat([]byte{7}, KeySize))
}

func newTestSealer(t testing.TB, purpose string) *Sealer {
	t.Helper()
	s, err := NewSealer(testMaster(), purpose, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// broken is a source of randomness that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestBytesAreHidden(t *testing.T) {
	t.Parallel()
	s := New([]byte("hunter2"))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "group", slog.GroupValue(slog.Any("inner", s)))
	text, err := json.Marshal(map[string]any{"s": s, "list": []Bytes{s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s, s, s), log.String(), string(text)} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, hex.EncodeToString([]byte("hunter2"))) {
			t.Errorf("the secret shows: %s", shown)
		}
	}
	if string(s.Reveal()) != "hunter2" || s.Len() != 7 || (Bytes{}).Len() != 0 {
		t.Error("Reveal or Len is wrong")
	}
}

func TestWipe(t *testing.T) {
	t.Parallel()
	b := []byte("hunter2")
	s := New(b)
	other := s
	s.Wipe()
	if !bytes.Equal(b, make([]byte, 7)) || !bytes.Equal(other.Reveal(), make([]byte, 7)) {
		t.Errorf("%q is left", b)
	}
	Bytes{}.Wipe()
}

func TestSealer(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t, "a")
	for _, size := range []int{0, 1, 31, 100000} {
		plaintext := bytes.Repeat([]byte{1}, size)
		sealed, err := s.Seal([]byte("place"), plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != size+sealOverhead {
			t.Errorf("%d bytes are sealed in %d", size, len(sealed))
		}
		opened, err := s.Open([]byte("place"), sealed)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("%d bytes: opened %d, %v", size, len(opened), err)
		}
		again, err := s.Seal([]byte("place"), plaintext)
		if err != nil || bytes.Equal(sealed, again) {
			t.Errorf("%d bytes: the same sealed form twice, %v", size, err)
		}
	}
}

func TestSealerRefuses(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t, "a")
	sealed, err := s.Seal([]byte("place"), []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, by *Sealer, aad string, value []byte) {
		if opened, err := by.Open([]byte(aad), value); !errors.Is(err, ErrOpen) || opened != nil {
			t.Errorf("%s: opened %q, %v", name, opened, err)
		}
	}
	refused("another purpose", newTestSealer(t, "b"), "place", sealed)
	other, err := NewSealer(New(make([]byte, KeySize)), "a", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	refused("another master key", other, "place", sealed)
	refused("another place", s, "plac", sealed)
	refused("no place", s, "", sealed)
	for n := range sealed {
		refused(fmt.Sprintf("cut to %d", n), s, "place", sealed[:n])
		flipped := bytes.Clone(sealed)
		flipped[n] ^= 0x10
		refused(fmt.Sprintf("byte %d flipped", n), s, "place", flipped)
	}
	refused("longer", s, "place", append(bytes.Clone(sealed), 0))
	refused("nothing", s, "place", nil)
}

func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 16, 31, 33} {
		key := New(make([]byte, size))
		if _, err := NewSealer(key, "a", rand.Reader); err == nil {
			t.Errorf("a sealer with a master key of %d bytes", size)
		}
		if _, err := NewStreamWriter(io.Discard, key, nil); err == nil {
			t.Errorf("a writer with a key of %d bytes", size)
		}
		if _, err := NewStreamReader(bytes.NewReader(nil), tagSize, key, nil); err == nil {
			t.Errorf("a reader with a key of %d bytes", size)
		}
	}
	if _, err := NewSealer(testMaster(), "", rand.Reader); err == nil {
		t.Error("a sealer without a purpose")
	}
	s, err := NewSealer(testMaster(), "a", broken{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Seal(nil, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("sealed without randomness: %v", err)
	}
	if _, err := NewDataKey(broken{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a key without randomness: %v", err)
	}
	a, err := NewDataKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewDataKey(rand.Reader)
	if err != nil || a.Len() != KeySize || bytes.Equal(a.Reveal(), b.Reveal()) {
		t.Errorf("data keys: %d bytes, the same: %t, %v", a.Len(), bytes.Equal(a.Reveal(), b.Reveal()), err)
	}
}

// TestDerive holds the derivation to a value of another implementation (openssl kdf HKDF), so that what was sealed opens with later versions too.
func TestDerive(t *testing.T) {
	t.Parallel()
	key, err := Derive(testMaster(), "blob")
	if err != nil {
		t.Fatal(err)
	}
	const want = "6f1f0eeba84a97b4a9fa0b5105fa325ed0b82a067d5550fdcce8d48e205e7fc6"
	if got := hex.EncodeToString(key.Reveal()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	names := map[[32]byte]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"a"}, {"a", "b"}, {"ab"}, {"ab", ""}, {"", "ab"}, {"a\x00b"}} {
		n := Name(testMaster(), parts...)
		if other, ok := names[n]; ok {
			t.Errorf("%q has the name of %s", parts, other)
		}
		names[n] = fmt.Sprintf("%q", parts)
	}
	again, other := Name(testMaster(), "a"), Name(New([]byte("k")), "a")
	if Name(testMaster(), "a") != again || again == other {
		t.Error("a name is not that of its parts under the key")
	}
}

// FuzzOpen feeds any bytes to Open: it refuses them, unless they are what was sealed.
func FuzzOpen(f *testing.F) {
	s, err := NewSealer(testMaster(), "fuzz", bytes.NewReader(make([]byte, nonceSize))) // the same in every process of the fuzzer
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := s.Seal([]byte("aad"), []byte("value"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("aad"), sealed)
	f.Add([]byte{}, []byte{})
	f.Add([]byte("aad"), sealed[:len(sealed)-1])
	f.Fuzz(func(t *testing.T, aad, value []byte) {
		opened, err := s.Open(aad, value)
		if same := string(aad) == "aad" && bytes.Equal(value, sealed); same != (err == nil) || same && string(opened) != "value" {
			t.Errorf("opened %q, %v", opened, err)
		}
	})
}
