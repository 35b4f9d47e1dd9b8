package packager

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxPicture is the most bytes of one still picture.
const maxPicture = 64 << 20

// errPicture is wrapped by errors about the content of a stream of pictures.
var errPicture = errors.New("not a series of JPEG pictures")

// Markers of ITU-T T.81 annex B.
const (
	markerPrefix = 0xff
	markerSOI    = 0xd8
	markerEOI    = 0xd9
	markerSOS    = 0xda
	markerRST0   = 0xd0
	markerRST7   = 0xd7
	markerTEM    = 0x01
)

// pictures splits concatenated JPEG pictures.
type pictures struct {
	r     *bufio.Reader
	limit int // bytes of a picture
	size  int // of the picture before: a guess for the next
}

func newPictures(r io.Reader) *pictures {
	return &pictures{r: bufio.NewReaderSize(r, 64<<10), limit: maxPicture}
}

// next returns the next picture, from SOI to EOI, or io.EOF when there is none. The bytes belong to the caller.
func (s *pictures) next() ([]byte, error) {
	if _, err := s.r.Peek(1); err != nil {
		return nil, err
	}
	p := make([]byte, 0, min(s.size+s.size/8, s.limit))
	p, err := s.picture(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	s.size = len(p)
	return p, err
}

// picture reads marker by marker. What belongs to a segment is taken by its length, so that markers inside it are not mistaken for others.
func (s *pictures) picture(p []byte) ([]byte, error) {
	p, marker, err := s.marker(p)
	if err != nil {
		return p, err
	}
	if marker != markerSOI {
		return p, fmt.Errorf("%w: marker %#02x at the start of a picture", errPicture, marker)
	}
	if p, marker, err = s.marker(p); err != nil {
		return p, err
	}
	for {
		switch {
		case marker == markerEOI:
			return p, nil
		case marker == markerSOI || marker == 0:
			return p, fmt.Errorf("%w: marker %#02x inside a picture", errPicture, marker)
		case marker >= markerRST0 && marker <= markerRST7 || marker == markerTEM:
			// These stand alone.
		default:
			if p, err = s.segment(p); err != nil {
				return p, err
			}
		}
		if marker == markerSOS {
			p, marker, err = s.scan(p)
		} else {
			p, marker, err = s.marker(p)
		}
		if err != nil {
			return p, err
		}
	}
}

// marker reads a marker with the fill bytes before it.
func (s *pictures) marker(p []byte) ([]byte, byte, error) {
	c, err := s.r.ReadByte()
	if err != nil {
		return p, 0, err
	}
	if c != markerPrefix {
		return p, 0, fmt.Errorf("%w: %#02x where a marker should be", errPicture, c)
	}
	for c == markerPrefix {
		if len(p) >= s.limit {
			return p, 0, s.tooLarge()
		}
		p = append(p, c)
		if c, err = s.r.ReadByte(); err != nil {
			return p, 0, err
		}
	}
	return append(p, c), c, nil
}

func (s *pictures) tooLarge() error {
	return fmt.Errorf("%w: more than %d bytes in one", errPicture, s.limit)
}

// segment reads a marker segment: two bytes of length, which count themselves, and its content.
func (s *pictures) segment(p []byte) ([]byte, error) {
	h, err := s.r.Peek(2)
	if err != nil {
		return p, err
	}
	n := int(h[0])<<8 | int(h[1])
	if n < 2 {
		return p, fmt.Errorf("%w: a segment of %d bytes", errPicture, n)
	}
	if len(p)+n > s.limit {
		return p, s.tooLarge()
	}
	start := len(p)
	p = append(p, make([]byte, n)...)
	_, err = io.ReadFull(s.r, p[start:])
	return p, err
}

// scan reads entropy-coded data and the marker that ends it.
func (s *pictures) scan(p []byte) ([]byte, byte, error) {
	for {
		chunk, err := s.r.ReadSlice(markerPrefix)
		if len(p)+len(chunk)+1 > s.limit {
			return p, 0, s.tooLarge()
		}
		p = append(p, chunk...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return p, 0, err
		}
		c := byte(markerPrefix)
		for c == markerPrefix { // fill bytes
			if c, err = s.r.ReadByte(); err != nil {
				return p, 0, err
			}
			if len(p) >= s.limit {
				return p, 0, s.tooLarge()
			}
			p = append(p, c)
		}
		if c != 0 && (c < markerRST0 || c > markerRST7) {
			return p, c, nil
		}
		// A stuffed byte or a restart marker: part of the data.
	}
}
