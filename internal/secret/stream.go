package secret

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ChunkSize is how many bytes of a stream are sealed together. A read of any range opens whole chunks.
const ChunkSize = 64 << 10

const sealedChunk = ChunkSize + tagSize

// maxStream bounds a stream far below where the arithmetic or the chunk counter could overflow.
const maxStream = 1 << 56

// ErrStreamSize is returned for a sealed length that no stream has, and for writes beyond the largest stream.
var ErrStreamSize = errors.New("impossible length of a sealed stream")

// SealedSize is the length of the sealed form of a stream of size bytes. It has at least one chunk, and an empty one only if the stream is empty.
func SealedSize(size int64) int64 {
	return size + max(1, (size+ChunkSize-1)/ChunkSize)*tagSize
}

// plainSize is the inverse of SealedSize.
func plainSize(sealed int64) (int64, error) {
	full, rest := sealed/sealedChunk, sealed%sealedChunk
	switch {
	case sealed < tagSize || sealed > maxStream:
		return 0, ErrStreamSize
	case rest == 0:
		return full * ChunkSize, nil
	case rest < tagSize || rest == tagSize && full > 0:
		return 0, ErrStreamSize
	}
	return full*ChunkSize + rest - tagSize, nil
}

// nonce is the position of a chunk, and whether it is the last: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015), as
// age uses it. The counter has 88 bits, of which 64 are ever used.
func nonce(out *[nonceSize]byte, chunk uint64, last bool) []byte {
	*out = [nonceSize]byte{}
	putUint64(out[3:11], chunk)
	if last {
		out[11] = 1
	}
	return out[:]
}

func putUint64(b []byte, v uint64) { binary.BigEndian.PutUint64(b, v) }

// StreamWriter seals a stream chunk by chunk. A key must be used for one stream only. It is used by one goroutine.
type StreamWriter struct {
	w     io.Writer
	aead  cipher.AEAD
	aad   []byte
	buf   []byte // the chunk being filled, with room for its tag
	chunk uint64
	size  int64
	nonce [nonceSize]byte
	err   error
}

// NewStreamWriter returns a writer of the sealed form to w. Every chunk is bound to aad. Nothing is whole before Close.
func NewStreamWriter(w io.Writer, key Bytes, aad []byte) (*StreamWriter, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return &StreamWriter{w: w, aead: aead, aad: aad, buf: make([]byte, 0, sealedChunk)}, nil
}

// Write implements io.Writer. A full chunk is written when it is known not to be the last.
func (s *StreamWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.size+int64(len(p)) > maxStream {
		s.err = ErrStreamSize
		return 0, s.err
	}
	written := 0
	for len(p) > 0 {
		if len(s.buf) == ChunkSize {
			if err := s.flush(false); err != nil {
				return written, err
			}
		}
		n := min(ChunkSize-len(s.buf), len(p))
		s.buf = append(s.buf, p[:n]...)
		p = p[n:]
		written += n
		s.size += int64(n)
	}
	return written, nil
}

// Size is how many bytes were written to the stream.
func (s *StreamWriter) Size() int64 { return s.size }

// Close writes the last chunk. It does not close the writer below. A second Close returns an error.
func (s *StreamWriter) Close() error {
	if s.err != nil {
		return s.err
	}
	if err := s.flush(true); err != nil {
		return err
	}
	s.err = errors.New("the sealed stream is closed")
	return nil
}

func (s *StreamWriter) flush(last bool) error {
	sealed := s.aead.Seal(s.buf[:0], nonce(&s.nonce, s.chunk, last), s.buf, s.aad)
	if _, err := s.w.Write(sealed); err != nil {
		s.err = fmt.Errorf("write sealed chunk: %w", err)
		return s.err
	}
	s.chunk++
	s.buf = s.buf[:0]
	return nil
}

// StreamReader reads any range of a sealed stream. What it gives was sealed at that place, in a stream of that length; all else is ErrOpen. It
// is safe for concurrent use if the reader below is.
type StreamReader struct {
	r    io.ReaderAt
	aead cipher.AEAD
	aad  []byte
	size int64 // of the plain stream
}

// NewStreamReader returns a reader of the sealed form in r, which is sealed bytes long. The length is part of what is verified: the last chunk
// opens only as the last one.
func NewStreamReader(r io.ReaderAt, sealed int64, key Bytes, aad []byte) (*StreamReader, error) {
	size, err := plainSize(sealed)
	if err != nil {
		return nil, err
	}
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return &StreamReader{r: r, aead: aead, aad: aad, size: size}, nil
}

// Size is the length of the plain stream.
func (s *StreamReader) Size() int64 { return s.size }

// ReadChunks reads and opens up to count chunks from the chunk with the given number on, and returns their bytes, which stand in buf or, if it
// is too small, in a new buffer. At the end of the stream it returns fewer chunks, beyond it io.EOF. The one chunk of an empty stream is verified
// and gives no bytes.
func (s *StreamReader) ReadChunks(buf []byte, number int64, count int) ([]byte, error) {
	chunks := max(1, (s.size+ChunkSize-1)/ChunkSize)
	if number < 0 || number >= chunks || count < 1 {
		return nil, io.EOF
	}
	count = int(min(int64(count), chunks-number))
	length := int64(count) * sealedChunk
	if number+int64(count) == chunks {
		length = SealedSize(s.size) - number*sealedChunk
	}
	if int64(cap(buf)) < length {
		buf = make([]byte, length)
	}
	buf = buf[:length]
	if n, err := s.r.ReadAt(buf, number*sealedChunk); n < len(buf) {
		if err == io.EOF {
			return nil, ErrOpen // cut off since its length was taken
		}
		return nil, fmt.Errorf("read sealed chunk: %w", err)
	}
	var n [nonceSize]byte
	out := buf[:0]
	for i := range count {
		sealed := buf[i*sealedChunk : min((i+1)*sealedChunk, len(buf))]
		current := number + int64(i)
		plain, err := s.aead.Open(sealed[:0], nonce(&n, uint64(current), current == chunks-1), sealed, s.aad)
		if err != nil {
			return nil, ErrOpen
		}
		out = append(out, plain...) // moves down by the tags before it
	}
	return out, nil
}

// ReadAt implements io.ReaderAt. Bytes are given only from chunks that opened.
func (s *StreamReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset in a sealed stream")
	}
	read := 0
	var buf []byte
	for read < len(p) {
		if off >= s.size && s.size > 0 || off > 0 && s.size == 0 {
			return read, io.EOF
		}
		plain, err := s.ReadChunks(buf, off/ChunkSize, 1)
		if err != nil {
			return read, err
		}
		if len(plain) == 0 {
			return read, io.EOF
		}
		buf = plain[:0]
		n := copy(p[read:], plain[off%ChunkSize:])
		read += n
		off += int64(n)
	}
	return read, nil
}
