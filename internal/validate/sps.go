package validate

import (
	"errors"
	"fmt"
)

// avcSPS is what is wanted of a sequence parameter set, ISO/IEC 14496-10 7.3.2.1.1. The reader is our own, since what it reads may be hostile: it stops before
// the VUI, and every count in it is bounded.
type avcSPS struct {
	profile, constraints, level int
	width, height               int
}

// codec is the codecs parameter, RFC 6381 3.3.
func (s avcSPS) codec(entry string) string {
	return fmt.Sprintf("%s.%02X%02X%02X", entry, s.profile, s.constraints, s.level)
}

// golomb reads ue(v).
func (r *bitReader) golomb() int {
	zeros := 0
	for r.read(1) == 0 {
		if zeros++; zeros > 31 || r.bad {
			r.bad = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.read(zeros)
}

// unescape takes emulation prevention out, ISO/IEC 14496-10 7.4.1.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, x := range b {
		if zeros >= 2 && x == 3 {
			zeros = 0
			continue
		}
		if x == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, x)
	}
	return out
}

var errSPS = errors.New("a malformed sequence parameter set")

// parseAVC reads a NAL unit of a sequence parameter set.
func parseAVC(unit []byte) (s avcSPS, err error) {
	const maxReferences, maxUnits = 255, 1 << 12 // of a picture order count cycle; of 16 pixels
	if len(unit) < 4 || unit[0]&31 != 7 {
		return s, errSPS
	}
	r := &bitReader{b: unescape(unit[1:])}
	s.profile, s.constraints, s.level = r.read(8), r.read(8), r.read(8)
	r.golomb()
	chroma := 1
	switch s.profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		if chroma = r.golomb(); chroma == 3 {
			r.read(1)
		}
		r.golomb()
		r.golomb()
		r.read(1)
		if r.read(1) == 1 {
			lists := 8
			if chroma == 3 {
				lists = 12
			}
			for i := range lists {
				if r.read(1) == 1 {
					r.scalingList(map[bool]int{true: 16, false: 64}[i < 6])
				}
			}
		}
	}
	r.golomb()
	switch order := r.golomb(); order {
	case 0:
		r.golomb()
	case 1:
		r.read(1)
		r.golomb()
		r.golomb()
		n := r.golomb()
		if n > maxReferences {
			return s, errSPS
		}
		for range n {
			r.golomb()
		}
	}
	r.golomb()
	r.read(1)
	w, h := r.golomb()+1, r.golomb()+1
	frames := r.read(1)
	if frames == 0 {
		r.read(1)
	}
	r.read(1)
	var crop [4]int
	if r.read(1) == 1 {
		for i := range crop {
			crop[i] = r.golomb()
		}
	}
	if r.bad || w > maxUnits || h > maxUnits || chroma > 3 {
		return s, errSPS
	}
	// Cropping counts in samples of chroma, and in pairs of lines of fields: 7-19 to 7-22.
	x, y := 1, 2-frames
	if chroma == 1 || chroma == 2 {
		x = 2
	}
	if chroma == 1 {
		y *= 2
	}
	s.width, s.height = w*16-x*(crop[0]+crop[1]), h*16*(2-frames)-y*(crop[2]+crop[3])
	if s.width < 1 || s.height < 1 {
		return s, errSPS
	}
	return s, nil
}

// scalingList passes over a scaling list, 7.3.2.1.1.1.
func (r *bitReader) scalingList(size int) {
	last, next := 8, 8
	for range size {
		if next != 0 {
			n := r.golomb()
			delta := (n + 1) / 2
			if n%2 == 0 {
				delta = -delta
			}
			next = (last + delta + 256) & 255
		}
		if next != 0 {
			last = next
		}
	}
}
