package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// UnknownLength is the length of a body whose end is known only when it comes.
const UnknownLength = -1

// Body reads the body of a signed S3 request without its transfer framing, and verifies it on the way. The last bytes are given out
// only when everything before them, and the trailers after them, have been verified; until then a reader must not act on what it
// read in a way that it cannot take back. A Body is used by one goroutine.
type Body struct {
	reader   io.Reader
	length   int64
	announce []string
	chunks   *chunkReader // nil without framing
}

// NewBody gives the verifying reader for the body of a request. length is the Content-Length, or UnknownLength. Errors of NewBody and of
// Read that are about the body are *Error; errors of body itself are passed on.
func (s *Signed) NewBody(body io.Reader, length int64) (*Body, error) {
	b := &Body{length: length}
	var streaming bool
	switch s.payload {
	case StreamingSigned, StreamingSignedWithTrailer, StreamingUnsignedTrailer:
		streaming = true
	}
	withTrailer := s.payload == StreamingSignedWithTrailer || s.payload == StreamingUnsignedTrailer
	announced, err := s.announced()
	if err != nil {
		return nil, err
	}
	if len(announced) > 0 && !withTrailer {
		return nil, refuse(BadTrailer, "x-amz-trailer needs a payload with trailers: %s or %s.", StreamingSignedWithTrailer, StreamingUnsignedTrailer)
	}
	switch {
	case streaming:
		if b.length, err = s.decodedLength(); err != nil {
			return nil, err
		}
		b.announce = announced
		b.chunks = newChunkReader(s, body, b.length, announced)
		b.reader = b.chunks
	case s.Credential.chunkedEncoding():
		return nil, refuse(BadChunk, "Content-Encoding aws-chunked needs a streaming x-amz-content-sha256.")
	case s.payload == UnsignedPayload:
		b.reader = body
	default:
		b.reader = newHashReader(body, s.payload, length)
	}
	return b, nil
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return b.reader.Read(p)
}

// Length is the number of bytes that Read will give, or UnknownLength.
func (b *Body) Length() int64 { return b.length }

// Announced returns the lower-case names of the trailers that will come.
func (b *Body) Announced() []string { return b.announce }

// Trailers returns the verified trailers by lower-case name, once Read has returned io.EOF or as many bytes as Length says; before, and
// without any, it is nil.
func (b *Body) Trailers() map[string]string {
	if b.chunks == nil || !b.chunks.finished {
		return nil
	}
	return b.chunks.trailers
}

// chunkedEncoding says whether Content-Encoding has aws-chunked.
func (c *Credential) chunkedEncoding() bool {
	for _, v := range c.header["content-encoding"] {
		for e := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(e), "aws-chunked") {
				return true
			}
		}
	}
	return false
}

func (s *Signed) decodedLength() (int64, error) {
	v := s.Credential.header["x-amz-decoded-content-length"]
	if len(v) != 1 {
		return 0, refuse(MissingLength, "You must provide the x-amz-decoded-content-length header.")
	}
	n, err := strconv.ParseUint(v[0], 10, 63)
	if err != nil {
		return 0, refuse(MissingLength, "x-amz-decoded-content-length must be a number of bytes.")
	}
	return int64(n), nil
}

// announced reads x-amz-trailer. Only checksums are taken: nothing else has a meaning after the body.
func (s *Signed) announced() ([]string, error) {
	var names []string
	for _, v := range s.Credential.header["x-amz-trailer"] {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if !strings.HasPrefix(name, trailerPrefix) || slices.Contains(names, name) || len(names) == maxTrailers {
				return nil, refuse(BadTrailer, "x-amz-trailer must name checksum headers, each once, at most %d.", maxTrailers)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// hashReader compares what it read with a SHA-256.
type hashReader struct {
	src  io.Reader
	want string
	hash hash.Hash
	left int64 // until the end, negative if unknown
	err  error
}

// newHashReader returns a reader of src that fails unless the hex SHA-256 of all of it is want. With a known length the last bytes are
// given out only when they are verified, so that a reader that does not wait for io.EOF is safe too.
func newHashReader(src io.Reader, want string, length int64) *hashReader {
	return &hashReader{src: src, want: want, hash: sha256.New(), left: length}
}

func (r *hashReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	r.hash.Write(p[:n])
	switch {
	case r.left < 0:
		if err == io.EOF {
			err = r.check()
		}
	default:
		if int64(n) > r.left {
			err = refuse(IncompleteBody, "The request body is longer than Content-Length.")
			break
		}
		r.left -= int64(n)
		switch {
		case r.left == 0 && (err == nil || err == io.EOF):
			err = r.check()
		case err == io.EOF:
			err = refuse(IncompleteBody, "The request body terminated unexpectedly.")
		}
	}
	if err == nil {
		return n, nil
	}
	r.err = err
	if err == io.EOF && n > 0 {
		return n, nil
	}
	if err == io.EOF {
		return 0, io.EOF
	}
	return 0, err
}

// check returns io.EOF if the hash is right.
func (r *hashReader) check() error {
	sum := hex.EncodeToString(r.hash.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(sum), []byte(r.want)) != 1 {
		return refuse(PayloadMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return io.EOF
}

// isEnd says whether err is a source that ended.
func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
