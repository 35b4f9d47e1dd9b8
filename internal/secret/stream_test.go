package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

var streamKey = New(bytes.Repeat([]byte{9}, KeySize))

func pattern(size int) []byte {
	out := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(out)
	return out
}

// seal gives the sealed form of a stream that is written in pieces.
func seal(t testing.TB, plaintext []byte, aad string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewStreamWriter(&out, streamKey, []byte(aad))
	if err != nil {
		t.Fatal(err)
	}
	for rest := plaintext; len(rest) > 0; {
		n, err := w.Write(rest[:min(len(rest), 50001)])
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if w.Size() != int64(len(plaintext)) {
		t.Errorf("size %d of %d", w.Size(), len(plaintext))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != SealedSize(int64(len(plaintext))) {
		t.Errorf("%d bytes are sealed in %d, not %d", len(plaintext), out.Len(), SealedSize(int64(len(plaintext))))
	}
	return out.Bytes()
}

// unseal reads all of a sealed form.
func unseal(sealed []byte, key Bytes, aad string) ([]byte, error) {
	r, err := NewStreamReader(bytes.NewReader(sealed), int64(len(sealed)), key, []byte(aad))
	if err != nil {
		return nil, err
	}
	out := make([]byte, r.Size())
	if len(out) == 0 {
		_, err := r.ReadChunks(nil, 0, 1)
		return out, err
	}
	_, err = r.ReadAt(out, 0)
	return out, err
}

var streamSizes = []int{0, 1, 15, 16, 17, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2*ChunkSize - 1, 2 * ChunkSize, 3*ChunkSize + 100, 5 * ChunkSize}

func TestStream(t *testing.T) {
	t.Parallel()
	for _, size := range streamSizes {
		plaintext := pattern(size)
		sealed := seal(t, plaintext, "id")
		if got, err := unseal(sealed, streamKey, "id"); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %v", size, err)
		}
		r, err := NewStreamReader(bytes.NewReader(sealed), int64(len(sealed)), streamKey, []byte("id"))
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range [][2]int{{0, 1}, {0, size}, {size - 1, 1}, {size / 2, size}, {ChunkSize - 1, 2}, {ChunkSize, ChunkSize}, {size, 1}, {size + 1, 1}, {0, 0}} {
			off, length := span[0], span[1]
			if off < 0 {
				continue
			}
			p := make([]byte, length)
			n, err := r.ReadAt(p, int64(off))
			want := plaintext[min(off, size):min(off+length, size)]
			if !bytes.Equal(p[:n], want) || (err == io.EOF) != (len(want) < length) || err != nil && err != io.EOF {
				t.Errorf("%d bytes: read %d at %d: %d bytes, %v", size, length, off, n, err)
			}
		}
		chunks := int64(max(1, (size+ChunkSize-1)/ChunkSize))
		for _, count := range []int{1, 2, 100} {
			var got []byte
			for i := int64(0); i < chunks; i += int64(count) {
				p, err := r.ReadChunks(make([]byte, 0, 2*sealedChunk), i, count)
				if err != nil {
					t.Fatalf("%d bytes: chunks from %d: %v", size, i, err)
				}
				got = append(got, p...)
			}
			if !bytes.Equal(got, plaintext) {
				t.Errorf("%d bytes by %d chunks differ", size, count)
			}
		}
		for _, bad := range []struct {
			number int64
			count  int
		}{{-1, 1}, {chunks, 1}, {0, 0}, {0, -1}} {
			if _, err := r.ReadChunks(nil, bad.number, bad.count); err != io.EOF {
				t.Errorf("%d bytes: chunks %+v: %v", size, bad, err)
			}
		}
		if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
			t.Error("read at -1")
		}
	}
}

// refusedStream says that nothing of a changed stream, from the change on, is given out.
func refusedStream(t *testing.T, name string, sealed []byte, key Bytes, aad string) {
	t.Helper()
	got, err := unseal(sealed, key, aad)
	if !errors.Is(err, ErrOpen) && !errors.Is(err, ErrStreamSize) {
		t.Errorf("%s: opened %d bytes, %v", name, len(got), err)
	}
}

func TestStreamRefuses(t *testing.T) {
	t.Parallel()
	const size = 2*ChunkSize + 50
	sealed := seal(t, pattern(size), "id")
	refusedStream(t, "another key", sealed, testMaster(), "id")
	refusedStream(t, "another object", sealed, streamKey, "other")
	for n := 0; n < len(sealed); n += 977 {
		flipped := bytes.Clone(sealed)
		flipped[n] ^= 1
		refusedStream(t, fmt.Sprintf("byte %d flipped", n), flipped, streamKey, "id")
		refusedStream(t, fmt.Sprintf("cut to %d", n), sealed[:n], streamKey, "id")
	}
	first, second, last := sealed[:sealedChunk], sealed[sealedChunk:2*sealedChunk], sealed[2*sealedChunk:]
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	refusedStream(t, "swapped chunks", join(second, first, last), streamKey, "id")
	refusedStream(t, "chunk twice", join(first, first, second, last), streamKey, "id")
	refusedStream(t, "chunk left out", join(first, last), streamKey, "id")
	refusedStream(t, "first left out", join(second, last), streamKey, "id")
	refusedStream(t, "last left out", join(first, second), streamKey, "id")
	refusedStream(t, "last twice", join(first, second, last, last), streamKey, "id")
	refusedStream(t, "zeros behind", join(sealed, make([]byte, 40)), streamKey, "id")
	other := seal(t, bytes.Repeat([]byte{1}, size), "id2")
	refusedStream(t, "chunk of another object", join(first, other[sealedChunk:2*sealedChunk], last), streamKey, "id")
	full := seal(t, pattern(2*ChunkSize), "id")
	refusedStream(t, "cut at a chunk border", full[:sealedChunk], streamKey, "id")
}

func TestStreamSizes(t *testing.T) {
	t.Parallel()
	for _, size := range streamSizes {
		if got, err := plainSize(SealedSize(int64(size))); err != nil || got != int64(size) {
			t.Errorf("%d bytes come back as %d, %v", size, got, err)
		}
	}
	for _, sealed := range []int64{-1, 0, 1, tagSize - 1, sealedChunk + 1, sealedChunk + tagSize - 1, sealedChunk + tagSize, maxStream + 1} {
		if got, err := plainSize(sealed); !errors.Is(err, ErrStreamSize) {
			t.Errorf("%d sealed bytes hold %d, %v", sealed, got, err)
		}
	}
}

// failingWriter takes some bytes and then fails.
type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	for _, room := range []int{0, sealedChunk} {
		w, err := NewStreamWriter(&failingWriter{room}, streamKey, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(make([]byte, 3*ChunkSize))
		if !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("write with room for %d: %v", room, err)
		}
		if _, err := w.Write([]byte{1}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("write after a failure: %v", err)
		}
		if err := w.Close(); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("close after a failure: %v", err)
		}
	}
	w, err := NewStreamWriter(&failingWriter{0}, streamKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("close: %v", err)
	}
	w, err = NewStreamWriter(io.Discard, streamKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.size = maxStream
	if _, err := w.Write([]byte{1}); !errors.Is(err, ErrStreamSize) {
		t.Errorf("write beyond the largest stream: %v", err)
	}
	w, err = NewStreamWriter(io.Discard, streamKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Error("closed twice")
	}
	if _, err := w.Write([]byte{1}); err == nil {
		t.Error("written after close")
	}
	sealed := seal(t, pattern(10), "id")
	if _, err := NewStreamReader(bytes.NewReader(sealed), 3, streamKey, nil); !errors.Is(err, ErrStreamSize) {
		t.Errorf("impossible length: %v", err)
	}
	r, err := NewStreamReader(failingReader{}, int64(len(sealed)), streamKey, []byte("id"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(make([]byte, 1), 0); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("read: %v", err)
	}
	r, err = NewStreamReader(bytes.NewReader(sealed[:5]), int64(len(sealed)), streamKey, []byte("id")) // cut off behind our back
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrOpen) {
		t.Errorf("read of a cut stream: %v", err)
	}
}

type failingReader struct{}

func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

// FuzzStream changes a sealed stream: what is given is what was written there, or ErrOpen.
func FuzzStream(f *testing.F) {
	plaintext := pattern(ChunkSize + 1000)
	sealed := seal(f, plaintext, "id")
	f.Add(0, byte(1), 0, 0, 10)
	f.Add(sealedChunk, byte(0), 5, ChunkSize-5, 20)
	f.Add(100, byte(0), len(sealed), 0, 1)
	f.Fuzz(func(t *testing.T, at int, flip byte, cut, off, length int) {
		changed := bytes.Clone(sealed)
		changed[uint(at)%uint(len(changed))] ^= flip
		changed = changed[:len(changed)-int(uint(cut)%uint(len(changed)+1))]
		r, err := NewStreamReader(bytes.NewReader(changed), int64(len(changed)), streamKey, []byte("id"))
		if err != nil {
			return
		}
		p := make([]byte, uint(length)%(2*ChunkSize))
		start := int64(uint(off) % (2 * ChunkSize))
		n, err := r.ReadAt(p, start)
		if n > 0 && (start+int64(n) > int64(len(plaintext)) || !bytes.Equal(p[:n], plaintext[start:start+int64(n)])) {
			t.Errorf("%d wrong bytes at %d, %v", n, start, err)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	plaintext := pattern(4 * ChunkSize)
	b.Run("write", func(b *testing.B) {
		w, err := NewStreamWriter(io.Discard, streamKey, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(plaintext)))
		for b.Loop() {
			if _, err := w.Write(plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		sealed := seal(b, plaintext, "id")
		r, err := NewStreamReader(bytes.NewReader(sealed), int64(len(sealed)), streamKey, []byte("id"))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(plaintext)))
		buf := make([]byte, len(sealed))
		for b.Loop() {
			if _, err := r.ReadChunks(buf, 0, 4); err != nil {
				b.Fatal(err)
			}
		}
	})
}
