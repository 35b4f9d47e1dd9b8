package cse

import (
	"context"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"
)

// cbcBuffer is how much ciphertext is read at once, in bytes: whole blocks.
const cbcBuffer = 64 << 10

// cbcReader reads a file in cipher block chaining mode.
type cbcReader struct {
	src   Ranged
	block cipher.Block
	iv    [blockSize]byte
}

// openCBC reads the last block, which says how long the clear file is.
func openCBC(ctx context.Context, src Ranged, block cipher.Block, iv []byte) (*File, error) {
	size := src.Size()
	if size < blockSize || size%blockSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes are not a whole number of blocks of %d bytes, at least one", ErrSize, size, blockSize)
	}
	c := &cbcReader{src: src, block: block, iv: [blockSize]byte(iv)}
	r, err := c.open(ctx, size-blockSize, blockSize)
	if err != nil {
		return nil, err
	}
	var last [blockSize]byte
	err = readFull(r, last[:])
	_ = r.Close()
	if err != nil {
		return nil, err
	}
	pad, ok := padding(last)
	clear(last[:])
	if !ok {
		return nil, ErrPadding
	}
	return &File{size - int64(pad), c}, nil
}

// padding is how many bytes of the last block pad it (RFC 5652 section 6.3). The time it takes does not depend on them.
func padding(last [blockSize]byte) (int, bool) {
	pad := int(last[blockSize-1])
	ok := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, blockSize)
	for i, b := range last {
		inside := subtle.ConstantTimeLessOrEq(blockSize-i, pad)
		ok &= subtle.ConstantTimeSelect(inside, subtle.ConstantTimeByteEq(b, last[blockSize-1]), 1)
	}
	return pad, ok == 1
}

// open reads from the block before the range on: a block is deciphered with the one before it.
func (c *cbcReader) open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	first := offset / blockSize * blockSize
	end := (offset + length + blockSize - 1) / blockSize * blockSize
	from := max(0, first-blockSize)
	r, err := c.src.ReadRange(ctx, from, end-from)
	if err != nil {
		return nil, err
	}
	iv := c.iv
	if first > 0 {
		if err := readFull(r, iv[:]); err != nil {
			_ = r.Close()
			return nil, err
		}
	}
	return &cbcBody{
		body: r, chain: cipher.NewCBCDecrypter(c.block, iv[:]),
		skip: int(offset - first), left: length, sealed: end - first,
	}, nil
}

type cbcBody struct {
	body   io.ReadCloser
	chain  cipher.BlockMode
	skip   int    // clear bytes before the range, in the first block
	left   int64  // clear bytes that are still to be given
	sealed int64  // bytes that are still to be read
	buffer []byte // of one read; nil before the first
	clear  []byte // what of it is not given yet
	err    error
}

func (b *cbcBody) Read(p []byte) (int, error) {
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

func (b *cbcBody) fill() error {
	if b.buffer == nil {
		b.buffer = make([]byte, min(cbcBuffer, b.sealed))
	}
	part := b.buffer[:min(int64(len(b.buffer)), b.sealed)]
	if err := readFull(b.body, part); err != nil {
		return err
	}
	b.sealed -= int64(len(part))
	b.chain.CryptBlocks(part, part)
	part = part[b.skip:]
	b.skip = 0
	b.clear = part[:min(int64(len(part)), b.left)]
	return nil
}

func (b *cbcBody) Close() error { return b.body.Close() }
