package packager

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"testing"
	"testing/iotest"
)

// picture makes a JPEG picture.
func picture(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withSegment puts a marker segment behind SOI.
func withSegment(p []byte, marker byte, content []byte) []byte {
	n := len(content) + 2
	out := append([]byte{0xff, 0xd8, 0xff, marker, byte(n >> 8), byte(n)}, content...)
	return append(out, p[2:]...)
}

func TestPictures(t *testing.T) {
	t.Parallel()
	small, large := picture(t, 16, 16), picture(t, 400, 300)
	thumbnail := withSegment(small, 0xe1, append([]byte("Exif\x00\x00"), small...)) // a picture inside a picture
	fill := append([]byte{0xff, 0xd8, 0xff, 0xff, 0xff}, small[3:]...)              // fill bytes before a marker
	restart := withSegment(small, 0xfe, []byte{0xff, 0xd9, 0xff, 0xd8})             // markers inside a comment
	want := [][]byte{small, large, thumbnail, small, fill, restart, large}
	stream := bytes.Join(want, nil)
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		p := newPictures(r)
		for i, w := range want {
			got, err := p.next()
			if err != nil || !bytes.Equal(got, w) {
				t.Fatalf("%s: picture %d: %v, %d bytes, want %d", name, i, err, len(got), len(w))
			}
			if _, err := jpeg.Decode(bytes.NewReader(got)); err != nil {
				t.Errorf("%s: picture %d: %v", name, i, err)
			}
		}
		if _, err := p.next(); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestEntropyCodedMarkers(t *testing.T) {
	t.Parallel()
	// Two scans, stuffed bytes, restart markers, fill bytes before the end.
	p := []byte{0xff, 0xd8, 0xff, 0xda, 0, 3, 1, 1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xd7, 0xff, 0xff, 0xda, 0, 2, 9, 0xff, 0xff, 0xff, 0xd9}
	s := newPictures(bytes.NewReader(append(bytes.Clone(p), p...)))
	for range 2 {
		got, err := s.next()
		if err != nil || !bytes.Equal(got, p) {
			t.Fatalf("got % x, %v", got, err)
		}
	}
}

func TestBadPictures(t *testing.T) {
	t.Parallel()
	good := picture(t, 16, 16)
	for _, tt := range []struct {
		name   string
		stream []byte
		want   error
	}{
		{"text", []byte("no picture"), errPicture},
		{"other marker first", []byte{0xff, 0xd9}, errPicture},
		{"something between pictures", append(append(bytes.Clone(good), 0), good...), errPicture},
		{"SOI inside", append(bytes.Clone(good[:2]), good...), errPicture},
		{"segment of length 1", []byte{0xff, 0xd8, 0xff, 0xe0, 0, 1}, errPicture},
		{"stuffed byte as a marker", []byte{0xff, 0xd8, 0xff, 0}, errPicture},
		{"half", good[:len(good)/2], io.ErrUnexpectedEOF},
		{"without its end", good[:len(good)-1], io.ErrUnexpectedEOF},
		{"one byte", good[:1], io.ErrUnexpectedEOF},
		{"endless fill", bytes.Repeat([]byte{0xff}, 1<<16+2), errPicture},
		{"endless scan", append([]byte{0xff, 0xd8, 0xff, 0xda, 0, 2}, make([]byte, 1<<16)...), errPicture},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newPictures(bytes.NewReader(tt.stream))
			s.limit = 1 << 16
			var err error
			for err == nil {
				_, err = s.next()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// Pictures, put together again, are what was read; nothing panics or holds too much.
func FuzzPictures(f *testing.F) {
	small := picture(f, 8, 8)
	f.Add(append(bytes.Clone(small), small...))
	f.Add(withSegment(small, 0xe1, small))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xda, 0, 3, 1, 1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xff, 0xd9})
	f.Fuzz(func(t *testing.T, p []byte) {
		s := newPictures(bytes.NewReader(p))
		rest := p
		for {
			got, err := s.next()
			if err != nil {
				if err == io.EOF && len(rest) > 0 {
					t.Fatalf("a clean end %d bytes before the end", len(rest))
				}
				return
			}
			if len(got) < 4 || !bytes.HasPrefix(rest, got) || !bytes.HasSuffix(got, []byte{0xff, 0xd9}) {
				t.Fatalf("picture % x of % x", got, rest)
			}
			rest = rest[len(got):]
		}
	})
}
