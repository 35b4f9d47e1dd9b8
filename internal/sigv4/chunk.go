package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Bounds of the aws-chunked framing.
const (
	maxChunkLine   = 128  // size, ;chunk-signature=, 64 digits, CRLF
	maxTrailerLine = 1024 // one trailer
	maxTrailers    = 8
	chunkBuffer    = 16 << 10
)

const (
	chunkExtension   = "chunk-signature="
	trailerSignature = "x-amz-trailer-signature"
	trailerPrefix    = "x-amz-checksum-"
	emptySHA256      = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// chunkReader takes off the aws-chunked framing and verifies the chain of signatures. The signature of a chunk stands before its data,
// so the last bytes of each chunk are held back until the chunk is verified, and the last bytes of all until the final chunk and the
// trailers are. A chunk of any size is read in constant memory.
type chunkReader struct {
	signed   *Signed
	src      *bufio.Reader
	chained  bool // chunks are signed
	trailing bool // trailers follow the final chunk
	announce []string

	total    int64 // bytes still to come, of all chunks
	left     int64 // bytes still to come, of this chunk
	open     bool  // within a chunk
	hash     hash.Hash
	claimed  string // signature that this chunk claims
	previous string // signature before it

	trailers map[string]string
	finished bool
	err      error
}

func newChunkReader(s *Signed, src io.Reader, length int64, announce []string) *chunkReader {
	return &chunkReader{
		signed:   s,
		src:      bufio.NewReaderSize(src, chunkBuffer),
		chained:  s.payload != StreamingUnsignedTrailer,
		trailing: s.payload != StreamingSigned,
		announce: announce,
		total:    length,
		hash:     sha256.New(),
		previous: s.signature,
	}
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	r.err = err
	if err == io.EOF && n > 0 {
		return n, nil
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (r *chunkReader) read(p []byte) (int, error) {
	if !r.open {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	if r.chained {
		r.hash.Write(p[:n])
	}
	r.left -= int64(n)
	r.total -= int64(n)
	if r.left > 0 {
		return n, ended(err)
	}
	if err := r.endChunk(); err != nil {
		return 0, err
	}
	if r.total == 0 {
		return n, r.next()
	}
	return n, nil
}

// next reads the header of a chunk. At the final chunk it reads everything to the end, and returns io.EOF.
func (r *chunkReader) next() error {
	line, err := r.line(maxChunkLine)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(line, "\r") {
		return refuse(BadChunk, "A chunk header does not end in CRLF.")
	}
	digits, extension, hasExtension := strings.Cut(strings.TrimSuffix(line, "\r"), ";")
	size, err := strconv.ParseUint(digits, 16, 63)
	if err != nil || strings.Contains(digits, "_") {
		return refuse(BadChunk, "A chunk header does not begin with a hexadecimal size.")
	}
	if hasExtension != r.chained {
		return refuse(BadChunk, "A chunk header has a signature where none belongs, or lacks one.")
	}
	if r.chained {
		claimed, ok := strings.CutPrefix(extension, chunkExtension)
		if !ok || len(claimed) != 64 || !isLowerHex(claimed) {
			return refuse(BadChunk, "A chunk header has a malformed signature.")
		}
		r.claimed = claimed
	}
	if size == 0 {
		return r.finish()
	}
	if int64(size) > r.total {
		return refuse(IncompleteBody, "The request body is longer than x-amz-decoded-content-length.")
	}
	r.left, r.open = int64(size), true
	return nil
}

// endChunk verifies the chunk whose data has been read.
func (r *chunkReader) endChunk() error {
	r.open = false
	if err := r.lineEnd(); err != nil {
		return err
	}
	return r.verifyChunk()
}

func (r *chunkReader) verifyChunk() error {
	if !r.chained {
		return nil
	}
	err := r.verify("AWS4-HMAC-SHA256-PAYLOAD", r.claimed, emptySHA256, hex.EncodeToString(r.hash.Sum(nil)))
	r.previous = r.claimed
	r.hash.Reset()
	return err
}

// verify checks one link of the chain of signatures.
func (r *chunkReader) verify(algorithm, claimed string, hashes ...string) error {
	c := r.signed.Credential
	fields := append([]string{algorithm, c.Time.Format(timeFormat), c.Scope.String(), r.previous}, hashes...)
	sum := hex.EncodeToString(hmacSHA256(r.signed.key, strings.Join(fields, "\n")))
	if subtle.ConstantTimeCompare([]byte(sum), []byte(claimed)) != 1 {
		return refuse(BadSignature, textBadSignature)
	}
	return nil
}

// finish reads what follows the header of the final chunk. It returns io.EOF when all is well.
func (r *chunkReader) finish() error {
	if r.total > 0 {
		return refuse(IncompleteBody, "You did not provide the number of bytes specified by the x-amz-decoded-content-length header.")
	}
	if err := r.verifyChunk(); err != nil {
		return err
	}
	end := r.lineEnd
	if r.trailing {
		end = r.readTrailers
	}
	if err := end(); err != nil {
		return err
	}
	switch _, err := r.src.ReadByte(); {
	case err == nil:
		return refuse(BadChunk, "The request body goes on after its end.")
	case !isEnd(err):
		return err
	}
	r.finished = true
	return io.EOF
}

// readTrailers reads name:value lines up to the empty line. In the signed form some clients put an empty line before the signature too.
func (r *chunkReader) readTrailers() error {
	trailers := make(map[string]string)
	signature := ""
	for range maxTrailers + 3 {
		line, err := r.line(maxTrailerLine)
		if err != nil {
			return err
		}
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			if r.chained && signature == "" {
				continue
			}
			return r.checkTrailers(trailers, signature)
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(name), strings.TrimSpace(value)
		switch {
		case !ok || value == "" || signature != "":
			return refuse(BadTrailer, "A trailer is malformed.")
		case r.chained && name == trailerSignature:
			signature = value
		case !slices.Contains(r.announce, name):
			return refuse(BadTrailer, "A trailer was not announced by x-amz-trailer.")
		case trailers[name] != "":
			return refuse(BadTrailer, "A trailer is given more than once.")
		default:
			trailers[name] = value
		}
	}
	return refuse(BadTrailer, "The trailers do not end.")
}

func (r *chunkReader) checkTrailers(trailers map[string]string, signature string) error {
	if len(trailers) != len(r.announce) {
		return refuse(BadTrailer, "A trailer that x-amz-trailer announced is missing.")
	}
	if r.chained {
		names := slices.Sorted(slices.Values(r.announce))
		text := ""
		for _, name := range names {
			text += name + ":" + trailers[name] + "\n"
		}
		sum := sha256.Sum256([]byte(text))
		if err := r.verify("AWS4-HMAC-SHA256-TRAILER", signature, hex.EncodeToString(sum[:])); err != nil {
			return err
		}
	}
	r.trailers = trailers
	return nil
}

// line reads up to a line feed, which it takes off.
func (r *chunkReader) line(limit int) (string, error) {
	line, err := r.src.ReadSlice('\n')
	if err == bufio.ErrBufferFull || len(line) > limit {
		return "", refuse(BadChunk, "A line of the request body is longer than %d bytes.", limit)
	}
	if err != nil {
		return "", ended(err)
	}
	return string(line[:len(line)-1]), nil
}

// lineEnd reads a CRLF.
func (r *chunkReader) lineEnd() error {
	var end [2]byte
	if _, err := io.ReadFull(r.src, end[:]); err != nil {
		return ended(err)
	}
	if string(end[:]) != "\r\n" {
		return refuse(BadChunk, "A chunk does not end in CRLF.")
	}
	return nil
}

// ended turns the end of the source, where more must come, into a refusal.
func ended(err error) error {
	if err != nil && isEnd(err) {
		return refuse(IncompleteBody, "The request body terminated unexpectedly.")
	}
	return err
}
