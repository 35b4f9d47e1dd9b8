package cse

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"math/bits"
)

// ctrReader reads a file in counter mode.
type ctrReader struct {
	src   Ranged
	block cipher.Block
	first [blockSize]byte // counter block of the first block
}

func (c *ctrReader) open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, err := c.src.ReadRange(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	counter := add128(c.first, uint64(offset/blockSize))
	stream := cipher.NewCTR(c.block, counter[:])
	var skipped [blockSize]byte
	stream.XORKeyStream(skipped[:offset%blockSize], skipped[:offset%blockSize])
	return &ctrBody{r, stream}, nil
}

// add128 adds to a counter block as one number of 128 bits.
func add128(block [blockSize]byte, n uint64) [blockSize]byte {
	low, carry := bits.Add64(binary.BigEndian.Uint64(block[8:]), n, 0)
	high, _ := bits.Add64(binary.BigEndian.Uint64(block[:8]), 0, carry)
	binary.BigEndian.PutUint64(block[:8], high)
	binary.BigEndian.PutUint64(block[8:], low)
	return block
}

type ctrBody struct {
	io.ReadCloser
	stream cipher.Stream
}

func (b *ctrBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.stream.XORKeyStream(p[:n], p[:n])
	return n, err
}
