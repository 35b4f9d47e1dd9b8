package cenc

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"

	"darkroom/internal/secret"
)

// SegmentCipher encrypts a whole segment by AES-128-CBC with PKCS7 padding, RFC 8216 4.3.2.4, while it is being made. It is not safe for use by
// several goroutines.
type SegmentCipher struct {
	mode cipher.BlockMode
	done int // bytes of the segment that are encrypted
}

// NewSegmentCipher returns the cipher of one segment.
func NewSegmentCipher(key secret.Bytes, iv []byte) (*SegmentCipher, error) {
	if key.Len() != KeySize || len(iv) != KeySize {
		return nil, fmt.Errorf("a key of %d bytes and an initialization vector of %d: both must have %d", key.Len(), len(iv), KeySize)
	}
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("content key: %w", err)
	}
	return &SegmentCipher{mode: cipher.NewCBCEncrypter(block, iv)}, nil
}

// Encrypt encrypts in place the whole blocks of segment that were added since the last call, and returns how many bytes from the start of segment
// are encrypted by now: they may be sent. segment begins with the bytes of the calls before, which must not have been changed.
func (c *SegmentCipher) Encrypt(segment []byte) int {
	end := len(segment) - len(segment)%blockSize
	if end > c.done {
		c.mode.CryptBlocks(segment[c.done:end], segment[c.done:end])
		c.done = end
	}
	return c.done
}

// Discard says that the first n bytes of the segment, all of which are encrypted, are no longer at its start in the next call.
func (c *SegmentCipher) Discard(n int) {
	if n < 0 || n > c.done || n%blockSize != 0 {
		panic("cenc: discard of bytes that are not encrypted")
	}
	c.done -= n
}

// Final pads segment, encrypts what is left of it and returns it, up to 16 bytes longer. c is of no more use then.
func (c *SegmentCipher) Final(segment []byte) []byte {
	pad := blockSize - len(segment)%blockSize
	segment = slices.Grow(segment, pad)
	for range pad {
		segment = append(segment, byte(pad))
	}
	c.Encrypt(segment)
	return segment
}

// SequenceIV returns the initialization vector of the segment with a media sequence number, where a playlist states none: the number as 16 bytes,
// highest first (RFC 8216 5.2).
func SequenceIV(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, KeySize-8, KeySize), n)
}
