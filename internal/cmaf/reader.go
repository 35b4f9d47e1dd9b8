// Package cmaf reads and writes fragmented MP4 (ISO/IEC 14496-12, as constrained by ISO/IEC 23000-19, ISO/IEC 23009-1 and PIFF) of one track.
//
// The bytes that a Reader reads are not trusted: every size is checked against a limit before anything is allocated for it, times are checked to be in range and in order,
// and a reader holds one batch of samples at most. AVC, HEVC, AV1, AAC, AC-3, E-AC-3, WebVTT and TTML are read; other codecs, and encrypted tracks, are refused.
package cmaf

import (
	"bufio"
	"fmt"
	"io"

	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

const (
	maxInit = 1 << 20 // bytes of moov: one track without samples takes about one kilobyte
	maxMoof = 4 << 20 // bytes of moof; isobmff.MaxFragmentSamples of 16 bytes each are within
	// batchBytes is how much sample data Read gathers. A larger sample is a batch of its own.
	batchBytes = 256 << 10
	// batchSamples is how many samples Read gathers at most.
	batchSamples = 1024
	readBuffer   = 64 << 10
)

// ErrFormat is wrapped by every error about the content of the stream. Errors of the stream itself, and io.ErrUnexpectedEOF when it ends
// inside a box, are wrapped as they are.
var ErrFormat = isobmff.ErrFormat

// Reader reads one track. It is not safe for use by several goroutines.
type Reader struct {
	r         *bufio.Reader
	track     *media.Track
	fragments *isobmff.Fragments
	err       error // the first error, given again by every later call

	boxes   []byte           // moov or moof, reused
	all     []isobmff.Sample // of the fragment
	samples []isobmff.Sample // those not yet returned
	at      int64            // where in the fragment the stream stands, from the start of moof
	end     int64            // where its mdat ends
}

// NewReader returns a reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, readBuffer)} }

// Track reads up to the end of the movie box and says what the track is. A stream that ends before its first box gives io.EOF. The track
// is the same one every time.
func (r *Reader) Track() (*media.Track, error) {
	if r.track == nil && r.err == nil {
		r.err = r.readInit()
	}
	if r.track == nil {
		return nil, r.err
	}
	return r.track, nil
}

// Next returns the next samples in decode order, at least one, or io.EOF after the last fragment. The samples and their data, which share
// one allocation, belong to the caller.
func (r *Reader) Next() ([]media.Sample, error) {
	var b media.Batch
	if err := r.Read(&b); err != nil {
		return nil, err
	}
	return b.Samples, nil
}

// Read puts the next samples in decode order into b, at least one, and gives io.EOF after the last fragment. What b held before is overwritten; its memory is used again,
// and grows only where it is too small. With an error, b holds nothing.
func (r *Reader) Read(b *media.Batch) error {
	b.Samples = b.Samples[:0]
	if _, err := r.Track(); err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	if err := r.read(b); err != nil {
		r.err = err
		b.Samples = b.Samples[:0]
		return err
	}
	return nil
}

func (r *Reader) read(b *media.Batch) error {
	for len(r.samples) == 0 {
		if err := r.readFragment(); err != nil {
			return err
		}
	}
	n, total := 0, 0
	for next := r.samples[0].Position; n < len(r.samples) && n < batchSamples; n++ {
		s := &r.samples[n]
		if n > 0 && (s.Position != next || total+int(s.Size) > batchBytes) {
			break
		}
		total += int(s.Size)
		next = s.Position + int64(s.Size)
	}
	switch first := r.samples[0].Position; {
	case first < r.at:
		return isobmff.Badf("track runs that overlap or go backwards")
	case first > r.end-int64(total):
		return isobmff.Badf("a sample lies outside of its fragment")
	default:
		if err := r.discard(uint64(first - r.at)); err != nil {
			return err
		}
		r.at = first + int64(total)
	}
	var err error
	if b.Buffer, err = r.fill(b.Buffer, total); err != nil {
		return err
	}
	data := b.Buffer
	for i := range r.samples[:n] {
		s := &r.samples[i]
		b.Samples = append(b.Samples, media.Sample{
			DecodeTime: s.DecodeTime, CompositionOffset: s.CompositionOffset, Duration: s.Duration, Sync: s.Sync, Data: data[:s.Size:s.Size],
		})
		data = data[s.Size:]
	}
	r.samples = r.samples[n:]
	if len(r.samples) == 0 {
		return r.finishFragment()
	}
	return nil
}

// finishFragment leaves the rest of the media data behind.
func (r *Reader) finishFragment() error { return r.discard(uint64(r.end - r.at)) }

// header reads a box header; io.EOF only at a clean end.
func (r *Reader) header() (isobmff.Header, error) {
	var p [isobmff.MaxHeader]byte
	for n, need := 0, 8; ; {
		if _, err := io.ReadFull(r.r, p[n:need]); err != nil {
			if err == io.EOF && n == 0 {
				return isobmff.Header{}, io.EOF
			}
			return isobmff.Header{}, fmt.Errorf("read box header: %w", unexpected(err))
		}
		h, more, err := isobmff.ParseHeader(p[:need])
		if err == nil && more == 0 && h.Size == 0 {
			err = isobmff.Badf("box %q of size %d", h.Kind, h.Size)
		}
		if err != nil || more == 0 {
			return h, err
		}
		n, need = need, more
	}
}

// content reads the whole of a box, at most limit bytes. It is good until the next call.
func (r *Reader) content(h isobmff.Header, limit int) ([]byte, error) {
	if h.Content() > uint64(limit) {
		return nil, isobmff.Badf("box %q has %d bytes; at most %d are read", h.Kind, h.Content(), limit)
	}
	var err error
	if r.boxes, err = r.fill(r.boxes, int(h.Content())); err != nil {
		return nil, fmt.Errorf("read box %q: %w", h.Kind, err)
	}
	return r.boxes, nil
}

// trustedSize is how many bytes are allocated on the word of a size field alone.
const trustedSize = 1 << 20

// fill returns the next n bytes, in p where it is large enough. Memory grows with what has come, not with what was promised.
func (r *Reader) fill(p []byte, n int) ([]byte, error) {
	if first := min(n, trustedSize); cap(p) < first {
		p = make([]byte, 0, first)
	}
	p = p[:0]
	for {
		have := len(p)
		p = p[:min(n, cap(p))]
		if _, err := io.ReadFull(r.r, p[have:]); err != nil {
			return p[:0], unexpected(err)
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
		h, err := r.header()
		if err == io.EOF && seen {
			return isobmff.Badf("no movie box")
		}
		if err != nil {
			return err
		}
		seen = true
		switch h.Kind {
		case "moov":
			p, err := r.content(h, maxInit)
			if err != nil {
				return err
			}
			r.track, r.fragments, err = parseMoov(p)
			return err
		case "ftyp", "styp", "free", "skip":
			if err := r.discard(h.Content()); err != nil {
				return err
			}
		default:
			return isobmff.Badf("box %q before the movie box", h.Kind)
		}
	}
}

// readFragment reads up to the first sample of the next fragment.
func (r *Reader) readFragment() error {
	for {
		h, err := r.header()
		if err != nil {
			return err
		}
		switch h.Kind {
		case "moof":
			p, err := r.content(h, maxMoof)
			if err != nil {
				return err
			}
			return r.startFragment(p, int64(h.Size))
		case "mdat", "moov":
			return isobmff.Badf("box %q where a fragment should begin", h.Kind)
		default:
			if err := r.discard(h.Content()); err != nil {
				return err
			}
		}
	}
}

func (r *Reader) startFragment(moof []byte, size int64) error {
	h, err := r.header()
	if err != nil {
		return unexpected(err)
	}
	if h.Kind != "mdat" || h.Content() > 1<<62 {
		return isobmff.Badf("box %q of %d bytes behind a movie fragment box", h.Kind, h.Content())
	}
	r.at = size + int64(h.Length)
	r.end = r.at + int64(h.Content())
	if r.all, err = r.fragments.Parse(r.all[:0], moof, 0, r.at); err != nil {
		return err
	}
	r.samples = r.all
	if len(r.samples) == 0 {
		return r.finishFragment()
	}
	return nil
}
