package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"darkroom/internal/m3u8"
	"darkroom/internal/mpegts"
	"darkroom/internal/plan"
)

// The read-ahead of a sequence: what the decoder does not wait for when one segment ends and the next has to be opened.
const (
	chunkBytes      = 348 * mpegts.PacketSize // 64 KiB, in whole packets
	readAheadChunks = 128                     // 8 MiB
)

// wrapping says how the segments of a playlist are put together.
type wrapping int

const (
	transport wrapping = iota + 1 // MPEG-2 transport streams
	fragments                     // an initialization section and fragments of MP4
	packed                        // sound alone, an ID3 tag before each segment (RFC 8216 section 3.4)
)

// sequence is the stream that the segments of one media playlist make. It is read from its beginning to its end, as often as one likes, and
// always of the same versions of its files. It is safe for concurrent use.
type sequence struct {
	files    *files
	wrapping wrapping
	demuxer  string
	pieces   []piece // the initialization section is the first, if there is one
	spliced  bool    // some piece is behind a discontinuity
	clock    *clock  // of the variant; nil where nothing is spliced
	start    time.Duration

	mu        sync.Mutex // guards resources' sources; held for look-ups
	resources []resource
}

// resource is a file that pieces are parts of.
type resource struct {
	in     plan.Input
	source *source // once it was opened: its size and version are known then
}

// piece is a segment, or the initialization section.
type piece struct {
	resource      int
	whole         bool
	part          m3u8.Range // unless it is the whole
	discontinuity bool
	duration      time.Duration
	what          string // in messages, "" for "segment N"
}

// name is how messages call a piece.
func (s *sequence) name(i int) string {
	in := shown(s.resources[s.pieces[i].resource].in)
	if what := s.pieces[i].what; what != "" {
		return fmt.Sprintf("%s (%s)", what, in)
	}
	if s.wrapping == fragments {
		return fmt.Sprintf("segment %d (%s)", i, in)
	}
	return fmt.Sprintf("segment %d (%s)", i+1, in)
}

// file opens the file of a piece, or the same version of it again.
func (s *sequence) file(ctx context.Context, n int) (*source, error) {
	s.mu.Lock()
	have := s.resources[n].source
	s.mu.Unlock()
	if have != nil {
		return have, nil
	}
	opened, err := s.files.open(ctx, s.resources[n].in)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resources[n].source == nil { // two that opened it at once keep to one version
		s.resources[n].source = opened
	}
	return s.resources[n].source, nil
}

// open opens a piece and says how long it is.
func (s *sequence) open(ctx context.Context, i int) (io.ReadCloser, int64, error) {
	p := &s.pieces[i]
	src, err := s.file(ctx, p.resource)
	if err != nil {
		return nil, 0, err
	}
	offset, length := int64(0), src.size
	if !p.whole {
		if p.part.End() > src.size {
			return nil, 0, unmet("its EXT-X-BYTERANGE ends behind the end of the file")
		}
		offset, length = p.part.Offset, p.part.Length
	}
	body, err := src.ReadRange(ctx, offset, length)
	return body, length, err
}

// Size implements sandbox.Source: the sizes of segments are known when they are opened, so that of the whole is not.
func (s *sequence) Size() int64 { return -1 }

// ReadRange implements sandbox.Source, from the beginning to the end alone.
func (s *sequence) ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset != 0 || length != -1 {
		return nil, errors.New("a sequence of segments is read from its beginning to its end")
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &sequenceReader{
		cancel: cancel, ended: make(chan struct{}),
		full: make(chan []byte, readAheadChunks), free: make(chan []byte, readAheadChunks+2),
	}
	go func() {
		defer close(r.ended)
		r.err = s.produce(ctx, r)
		close(r.full)
	}()
	return r, nil
}

// sequenceReader reads what a goroutine of its own reads ahead.
type sequenceReader struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when the goroutine is gone
	full   chan []byte   // read ahead; closed behind the last
	free   chan []byte   // to be filled again
	err    error         // why full was closed; set before that

	chunk, rest []byte // what Read is at; used by Read alone
}

// Read implements io.Reader.
func (r *sequenceReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.chunk != nil {
			r.free <- r.chunk[:cap(r.chunk)] // there is room for all that there are
			r.chunk = nil
		}
		chunk, ok := <-r.full
		if !ok {
			if r.err == nil {
				return 0, io.EOF
			}
			return 0, r.err
		}
		r.chunk, r.rest = chunk, chunk
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements io.Closer. Nothing reads any more when it returns.
func (r *sequenceReader) Close() error {
	r.cancel()
	for range r.full { // one that waits for room goes on, and sees that it is to end
	}
	<-r.ended
	return nil
}

// buffer returns room for a chunk.
func (r *sequenceReader) buffer() []byte {
	select {
	case b := <-r.free:
		return b
	default:
		return make([]byte, chunkBytes)
	}
}

// opened is a piece that was opened, or the reason why it was not.
type opened struct {
	body   io.ReadCloser
	length int64
	err    error
}

// ahead opens a piece while the one before is read: what a store or a server takes to answer is not waited for at each segment.
func (s *sequence) ahead(ctx context.Context, i int) <-chan opened {
	c := make(chan opened, 1)
	go func() {
		var o opened
		o.body, o.length, o.err = s.open(ctx, i)
		c <- o
	}()
	return c
}

// produce reads all pieces.
func (s *sequence) produce(ctx context.Context, r *sequenceReader) error {
	ctx, cancel := context.WithCancel(ctx)
	next := s.ahead(ctx, 0)
	defer func() {
		cancel()
		if next == nil {
			return
		}
		if o := <-next; o.err == nil {
			_ = o.body.Close()
		}
	}()
	var splicer mpegts.Splicer
	section := 0
	for i := range s.pieces {
		o := <-next
		next = nil
		if o.err != nil {
			return within(s.name(i), o.err)
		}
		if i+1 < len(s.pieces) {
			next = s.ahead(ctx, i+1)
		}
		if s.pieces[i].discontinuity {
			section++
		}
		if s.wrapping == transport {
			shift, err := s.clock.shift(ctx, section)
			if err != nil {
				_ = o.body.Close()
				return err
			}
			splicer.Begin(s.pieces[i].discontinuity, shift)
		}
		err := s.copy(ctx, r, o, &splicer)
		_ = o.body.Close()
		if err != nil {
			return within(s.name(i), err)
		}
	}
	return nil
}

// copy reads one piece.
func (s *sequence) copy(ctx context.Context, r *sequenceReader, o opened, splicer *mpegts.Splicer) error {
	from, length := io.Reader(o.body), o.length
	if s.wrapping == packed {
		b := bufio.NewReaderSize(o.body, chunkBytes)
		_, skipped, err := skipID3(b)
		if err != nil {
			return err
		}
		from, length = b, length-skipped
	}
	for length > 0 {
		chunk := r.buffer()[:min(chunkBytes, length)]
		if _, err := io.ReadFull(from, chunk); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		length -= int64(len(chunk))
		if s.wrapping == transport {
			if err := splice(splicer, chunk); err != nil {
				return err
			}
		}
		select {
		case r.full <- chunk:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// splice says in the words of the requirements why segments do not make one stream.
func splice(s *mpegts.Splicer, chunk []byte) error {
	switch err := s.Splice(chunk); {
	case errors.Is(err, mpegts.ErrNotTransport):
		return unmet("it is not made of whole packets of an MPEG-2 transport stream, as the first segment is; it may have been cut short")
	case err != nil:
		return unmet("%v, which cannot be carried out", err)
	}
	return nil
}

// clock finds by how much the time stamps of a variant are moved behind its discontinuities, so that one part begins when the one before has ended.
// Its renditions of sound are moved by the same. It is safe for concurrent use; nil is the clock of what has no discontinuities.
type clock struct {
	variant *sequence
	// behind are the pieces that are behind a discontinuity.
	behind []int

	mu     sync.Mutex // guards shifts; held while segments are looked into, so that they are once
	shifts []int64    // of the sections from the second on, as far as they are known; ticks of 90 kHz
	last   struct {
		piece      int
		start, end int64
	}
}

func newClock(s *sequence) *clock {
	c := &clock{variant: s}
	c.last.piece = -1
	for i := range s.pieces {
		if s.pieces[i].discontinuity {
			c.behind = append(c.behind, i)
		}
	}
	return c
}

// shift returns the ticks of 90 kHz that are added to the time stamps of a section; 0 is the one before all discontinuities.
func (c *clock) shift(ctx context.Context, section int) (int64, error) {
	if c == nil || section == 0 {
		return 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.shifts) < section {
		n := len(c.shifts)
		if n >= len(c.behind) {
			return 0, unmet("a rendition has more discontinuities than the variant")
		}
		_, end, err := c.span(ctx, c.behind[n]-1)
		if err != nil {
			return 0, err
		}
		start, _, err := c.span(ctx, c.behind[n])
		if err != nil {
			return 0, err
		}
		before := int64(0)
		if n > 0 {
			before = c.shifts[n-1]
		}
		c.shifts = append(c.shifts, before+end-start)
	}
	return c.shifts[section-1], nil
}

// span returns when a segment begins and ends, by its own time stamps.
func (c *clock) span(ctx context.Context, i int) (start, end int64, err error) {
	if c.last.piece == i {
		return c.last.start, c.last.end, nil
	}
	start, end, err = c.variant.span(ctx, i)
	if err != nil {
		return 0, 0, within(c.variant.name(i), err)
	}
	c.last.piece, c.last.start, c.last.end = i, start, end
	return start, end, nil
}

const ticks = 90_000 // a second

func (s *sequence) span(ctx context.Context, i int) (start, end int64, err error) {
	body, length, err := s.open(ctx, i)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = body.Close() }()
	var span mpegts.Span
	buffer := make([]byte, chunkBytes)
	for length > 0 {
		chunk := buffer[:min(chunkBytes, length)]
		if _, err := io.ReadFull(body, chunk); err != nil {
			return 0, 0, err
		}
		length -= int64(len(chunk))
		if err := span.Read(chunk); err != nil {
			return 0, 0, unmet("%v", err)
		}
	}
	start, end, ok := span.Result(int64(s.pieces[i].duration * ticks / time.Second))
	if !ok {
		return 0, 0, unmet("it holds no time stamps, and stands at a discontinuity")
	}
	return start, end, nil
}
