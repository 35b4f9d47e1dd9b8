// Package cmaf reads fragmented MP4 (ISO/IEC 14496-12, as constrained by ISO/IEC 23000-19) of one track from a stream.
//
// The bytes are not trusted: every size is checked against a limit before anything is allocated for it, times are checked to be in range
// and in order, and a reader holds one batch of samples at most. AVC and AAC are read; other codecs are refused.
package cmaf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"darkroom/internal/media"
)

const (
	maxInit    = 1 << 20 // bytes of moov: one track without samples takes about one kilobyte
	maxMoof    = 4 << 20 // bytes of moof
	maxSamples = 1 << 17 // samples of a fragment; 16 bytes each are within maxMoof
	maxSample  = 64 << 20
	// maxTicks bounds every time: it can be multiplied by 90,000 without overflow.
	maxTicks = 1 << 46
	// maxSeconds bounds decode times; no film lasts ten years.
	maxSeconds = 10 * 365 * 24 * 3600
	// batchBytes is how much sample data Next gathers. A larger sample is a batch of its own.
	batchBytes = 256 << 10
	// batchSamples is how many samples Next gathers at most.
	batchSamples = 1024
	readBuffer   = 64 << 10
)

// ErrFormat is wrapped by every error about the content of the stream. Errors of the stream itself, and io.ErrUnexpectedEOF when it ends
// inside a box, are wrapped as they are.
var ErrFormat = errors.New("not a fragmented MP4 of one track")

func badf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// Reader reads one track. It is not safe for use by several goroutines.
type Reader struct {
	r     *bufio.Reader
	init  *initSegment
	err   error // the first error, given again by every later call
	state fragment
	// last is the decode time of the last sample read; the next may not be before it.
	last    int64
	hasLast bool
}

// fragment is what is left of the fragment being read.
type fragment struct {
	samples []sampleInfo // not yet returned
	left    uint64       // bytes of mdat
}

type sampleInfo struct {
	dts      int64
	offset   int32
	duration uint32
	size     uint32
	gap      uint32 // bytes of mdat to skip before the sample
	sync     bool
}

// NewReader returns a reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, readBuffer)} }

// Track reads up to the end of the movie box and says what the track is. A stream that ends before its first box gives io.EOF. The track
// is the same one every time.
func (r *Reader) Track() (*media.Track, error) {
	if r.init == nil && r.err == nil {
		r.err = r.readInit()
	}
	if r.init == nil {
		return nil, r.err
	}
	return r.init.track, nil
}

// Next returns the next samples in decode order, at least one, or io.EOF after the last fragment. The samples and their data, which share
// one allocation, belong to the caller.
func (r *Reader) Next() ([]media.Sample, error) {
	if _, err := r.Track(); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	samples, err := r.next()
	if err != nil {
		r.err = err
		return nil, err
	}
	return samples, nil
}

func (r *Reader) next() ([]media.Sample, error) {
	for len(r.state.samples) == 0 {
		if err := r.readFragment(); err != nil {
			return nil, err
		}
	}
	f := &r.state
	n, total := 0, 0
	for n < len(f.samples) && n < batchSamples {
		s := &f.samples[n]
		if n > 0 && (s.gap > 0 || total+int(s.size) > batchBytes) {
			break
		}
		total += int(s.size)
		n++
	}
	need := uint64(total) + uint64(f.samples[0].gap)
	if need > f.left {
		return nil, badf("a sample lies outside of its fragment")
	}
	if err := r.discard(uint64(f.samples[0].gap)); err != nil {
		return nil, err
	}
	data, err := r.read(total)
	if err != nil {
		return nil, err
	}
	f.left -= need
	out := make([]media.Sample, n)
	for i := range out {
		s := &f.samples[i]
		out[i] = media.Sample{DecodeTime: s.dts, CompositionOffset: s.offset, Duration: s.duration, Sync: s.sync, Data: data[:s.size:s.size]}
		data = data[s.size:]
	}
	f.samples = f.samples[n:]
	if len(f.samples) == 0 {
		return out, r.finishFragment()
	}
	return out, nil
}

// finishFragment leaves the rest of the media data behind.
func (r *Reader) finishFragment() error {
	left := r.state.left
	r.state = fragment{}
	return r.discard(left)
}

// box is a box header. size is that of the content.
type box struct {
	kind   string
	size   uint64
	header int
}

// header reads a box header; io.EOF only at a clean end.
func (r *Reader) header() (box, error) {
	var h [16]byte
	if _, err := io.ReadFull(r.r, h[:8]); err != nil {
		if err == io.EOF {
			return box{}, io.EOF
		}
		return box{}, fmt.Errorf("read box header: %w", err)
	}
	b := box{kind: string(h[4:8]), size: uint64(binary.BigEndian.Uint32(h[:4])), header: 8}
	if b.size == 1 {
		if _, err := io.ReadFull(r.r, h[8:16]); err != nil {
			return box{}, fmt.Errorf("read box header: %w", unexpected(err))
		}
		b.size, b.header = binary.BigEndian.Uint64(h[8:16]), 16
	}
	if b.size < uint64(b.header) {
		return box{}, badf("box %q of size %d", b.kind, b.size)
	}
	b.size -= uint64(b.header)
	return b, nil
}

// content reads the whole of a box, at most limit bytes.
func (r *Reader) content(b box, limit int) ([]byte, error) {
	if b.size > uint64(limit) {
		return nil, badf("box %q has %d bytes; at most %d are read", b.kind, b.size, limit)
	}
	p, err := r.read(int(b.size))
	if err != nil {
		return nil, fmt.Errorf("read box %q: %w", b.kind, err)
	}
	return p, nil
}

// trustedSize is how many bytes are allocated on the word of a size field alone.
const trustedSize = 1 << 20

// read returns n bytes. Memory grows with what has come, not with what was promised.
func (r *Reader) read(n int) ([]byte, error) {
	p := make([]byte, 0, min(n, trustedSize))
	for {
		have := len(p)
		p = p[:min(n, cap(p))]
		if _, err := io.ReadFull(r.r, p[have:]); err != nil {
			return nil, unexpected(err)
		}
		if len(p) == n {
			return p, nil
		}
		grown := make([]byte, len(p), min(n, 2*cap(p)))
		copy(grown, p)
		p = grown
	}
}

func (r *Reader) discard(n uint64) error {
	for n > 0 {
		step := int(min(n, 1<<30))
		if _, err := r.r.Discard(step); err != nil {
			return unexpected(err)
		}
		n -= uint64(step)
	}
	return nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *Reader) readInit() error {
	seen := false
	for {
		b, err := r.header()
		if err == io.EOF && seen {
			return badf("no movie box")
		}
		if err != nil {
			return err
		}
		seen = true
		switch b.kind {
		case "moov":
			raw, err := r.content(b, maxInit)
			if err != nil {
				return err
			}
			r.init, err = parseMoov(raw)
			return err
		case "ftyp", "styp", "free", "skip":
			if err := r.discard(b.size); err != nil {
				return err
			}
		default:
			return badf("box %q before the movie box", b.kind)
		}
	}
}

// readFragment reads up to the first sample of the next fragment.
func (r *Reader) readFragment() error {
	for {
		b, err := r.header()
		if err != nil {
			return err
		}
		switch b.kind {
		case "moof":
			raw, err := r.content(b, maxMoof)
			if err != nil {
				return err
			}
			return r.startFragment(raw, int64(b.size)+int64(b.header))
		case "mdat", "moov":
			return badf("box %q where a fragment should begin", b.kind)
		default:
			if err := r.discard(b.size); err != nil {
				return err
			}
		}
	}
}

func (r *Reader) startFragment(moof []byte, moofSize int64) error {
	b, err := r.header()
	if err != nil {
		return unexpected(err)
	}
	if b.kind != "mdat" {
		return badf("box %q behind a movie fragment box", b.kind)
	}
	samples, err := r.parseMoof(moof, moofSize+int64(b.header))
	if err != nil {
		return err
	}
	r.state = fragment{samples: samples, left: b.size}
	if len(samples) == 0 {
		return r.finishFragment()
	}
	return nil
}
