package cse

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
)

// Sizes of files in Galois/counter mode.
const (
	tagSize = 16
	// maxGCM is the longest ciphertext: the counter has 32 bits, and two of its values are not for the data (NIST SP 800-38D section 5.2.1.1).
	maxGCM = 1<<36 - 32
	// chunkSize is how much of a file is held against its mark at once: whole blocks.
	chunkSize = 128 << 10
	// maxMarks is what the marks of the longest file take, in bytes.
	maxMarks = (maxGCM + chunkSize - 1) / chunkSize * tagSize
)

// The bound that is promised: the division fails to compile where it does not hold.
const _ = 1 / (8 << 20 / maxMarks)

// mark is what a chunk of ciphertext is recognised by: its GMAC under a key that was drawn for this file and is known to nobody (NIST SP 800-38D
// section 3), with the number of the chunk as the nonce.
type mark [tagSize]byte

// gcmReader reads a file in Galois/counter mode that was authenticated as a whole. Of each chunk nothing is given before it was found to be what was
// authenticated: the source may have changed since.
type gcmReader struct {
	src   Ranged
	size  int64 // of the ciphertext without its tag
	block cipher.Block
	first [blockSize]byte // counter block of the first block
	marks []mark
	mac   cipher.AEAD
}

// openGCM authenticates the file.
func openGCM(ctx context.Context, src Ranged, block cipher.Block, iv []byte) (*File, error) {
	if fips140.Enforced() {
		return nil, ErrEnforced
	}
	size := src.Size() - tagSize
	if size < 0 || size > maxGCM {
		return nil, fmt.Errorf("%w: %d bytes; allowed: %d to %d with the tag", ErrSize, src.Size(), tagSize, maxGCM+tagSize)
	}
	hash, err := newGHASH(block)
	if err != nil {
		return nil, err
	}
	g := &gcmReader{src: src, size: size, block: block, marks: make([]mark, 0, (size+chunkSize-1)/chunkSize)}
	if g.mac, err = newMAC(); err != nil {
		return nil, err
	}
	// What the tag is masked with is the key stream of the block before the first.
	before := firstCounter(hash, iv)
	g.first = add32(before, 1)
	tag, err := g.authenticate(ctx, hash)
	if err != nil {
		return nil, err
	}
	var masked [tagSize]byte
	block.Encrypt(masked[:], before[:])
	want := hash.sum()
	subtle.XORBytes(want[:], want[:], masked[:])
	if subtle.ConstantTimeCompare(want[:], tag[:]) != 1 {
		return nil, ErrTag
	}
	return &File{size, g}, nil
}

// newMAC returns GMAC under a key that is drawn for one file. It is used with each nonce once, and nothing is encrypted with it.
func newMAC() (cipher.AEAD, error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	defer clear(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// firstCounter is the counter block before the first (NIST SP 800-38D section 7.1, step 2).
func firstCounter(hash *ghash, iv []byte) [blockSize]byte {
	var j [blockSize]byte
	if len(iv) == shortIV {
		copy(j[:], iv)
		j[blockSize-1] = 1
		return j
	}
	x := hash.key.mul(newElement(iv)).add(lengths(0, int64(len(iv))))
	return hash.key.mul(x).bytes()
}

// add32 adds to the last 32 bits of a counter block, without a carry beyond them (NIST SP 800-38D section 6.2).
func add32(block [blockSize]byte, n uint32) [blockSize]byte {
	binary.BigEndian.PutUint32(block[12:], binary.BigEndian.Uint32(block[12:])+n)
	return block
}

// authenticate reads the whole file, hashes it and marks its chunks, and returns the tag that it ends in.
func (g *gcmReader) authenticate(ctx context.Context, hash *ghash) ([tagSize]byte, error) {
	var tag [tagSize]byte
	r, err := g.src.ReadRange(ctx, 0, g.size+tagSize)
	if err != nil {
		return tag, err
	}
	defer func() { _ = r.Close() }()
	buffer := make([]byte, min(chunkSize, g.size))
	for at := int64(0); at < g.size; at += chunkSize {
		chunk := buffer[:min(chunkSize, g.size-at)]
		if err := readFull(r, chunk); err != nil {
			return tag, err
		}
		hash.write(chunk)
		g.marks = append(g.marks, g.mark(int64(len(g.marks)), chunk))
	}
	return tag, readFull(r, tag[:])
}

// mark is the mark of a chunk.
func (g *gcmReader) mark(number int64, chunk []byte) mark {
	var nonce [shortIV]byte
	binary.BigEndian.PutUint64(nonce[4:], uint64(number))
	var m mark
	g.mac.Seal(m[:0], nonce[:], nil, chunk)
	return m
}

// open reads from the beginning of a chunk to the end of one.
func (g *gcmReader) open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	number := offset / chunkSize
	from := number * chunkSize
	end := min(g.size, (offset+length+chunkSize-1)/chunkSize*chunkSize)
	r, err := g.src.ReadRange(ctx, from, end-from)
	if err != nil {
		return nil, err
	}
	return &gcmBody{reader: g, body: r, number: number, skip: offset - from, left: length}, nil
}

type gcmBody struct {
	reader *gcmReader
	body   io.ReadCloser
	number int64  // of the chunk that is read next
	skip   int64  // clear bytes before the range, in the first chunk
	left   int64  // clear bytes that are still to be given
	buffer []byte // of one chunk; nil before the first
	clear  []byte // what of it is not given yet
	err    error
}

func (b *gcmBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.err == nil && len(b.clear) == 0 {
		b.err = b.fill()
	}
	if b.err != nil {
		return 0, b.err
	}
	n := copy(p, b.clear)
	b.clear = b.clear[n:]
	b.left -= int64(n)
	return n, nil
}

// fill verifies the next chunk, then deciphers it.
func (b *gcmBody) fill() error {
	g := b.reader
	from := b.number * chunkSize
	if b.buffer == nil {
		b.buffer = make([]byte, min(chunkSize, g.size-from))
	}
	chunk := b.buffer[:min(chunkSize, g.size-from)]
	if err := readFull(b.body, chunk); err != nil {
		return err
	}
	m := g.mark(b.number, chunk)
	if subtle.ConstantTimeCompare(m[:], g.marks[b.number][:]) != 1 {
		clear(chunk)
		return fmt.Errorf("%w: bytes %d to %d", ErrChanged, from, from+int64(len(chunk))-1)
	}
	g.decipher(from, chunk)
	b.number++
	chunk = chunk[b.skip:]
	b.skip = 0
	b.clear = chunk[:min(int64(len(chunk)), b.left)]
	return nil
}

// decipher xors the key stream from a block on. The counter wraps at 32 bits, that of crypto/cipher at 128: where it wraps, a new stream begins.
func (g *gcmReader) decipher(from int64, chunk []byte) {
	counter := add32(g.first, uint32(from/blockSize))
	for len(chunk) > 0 {
		before := (1<<32 - int64(binary.BigEndian.Uint32(counter[12:]))) * blockSize // bytes until it wraps
		n := min(before, int64(len(chunk)))
		cipher.NewCTR(g.block, counter[:]).XORKeyStream(chunk[:n], chunk[:n])
		chunk = chunk[n:]
		counter = add32(counter, uint32(n/blockSize))
	}
}

func (b *gcmBody) Close() error { return b.body.Close() }
