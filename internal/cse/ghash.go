package cse

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

// ghash is the GHASH of a ciphertext that comes in parts (NIST SP 800-38D section 6.4). crypto/cipher hashes a whole message only, and does so with the
// processor's own instructions. So each part is hashed by it, as the additional data of an empty message, and the hashes are joined here.
//
// With H the key, the hash of the blocks X1 … Xn is S = X1·Hⁿ + … + Xn·H. Of a part, crypto/cipher gives (S + L)·H, where L is the block of lengths, masked
// with what the cipher makes of a block that is known. Kept is Z = S·H, to which a part of n blocks with the hash P adds up as Z·Hⁿ + P·H: one
// multiplication and one power for each part, in time that depends on lengths alone.
type ghash struct {
	key  element
	aead cipher.AEAD
	mask element // of the tags of aead
	z    element
	size int64 // bytes so far
	// power is the key to the power of powerOf, which is remembered because parts have the same length.
	power   element
	powerOf int64
}

// aNonce is what parts are hashed with. Nothing is encrypted, and the tags that come of it are seen by nobody.
var aNonce [shortIV]byte

func newGHASH(block cipher.Block) (*ghash, error) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var key, mask [blockSize]byte
	block.Encrypt(key[:], key[:])
	counter := [blockSize]byte{blockSize - 1: 1} // aNonce, and one
	block.Encrypt(mask[:], counter[:])
	return &ghash{key: newElement(key[:]), aead: aead, mask: newElement(mask[:])}, nil
}

// write hashes the next part. Only the last may be no whole number of blocks.
func (g *ghash) write(part []byte) {
	if len(part) == 0 {
		return
	}
	blocks := (int64(len(part)) + blockSize - 1) / blockSize
	if g.powerOf != blocks {
		g.power, g.powerOf = g.key.pow(uint64(blocks)), blocks
	}
	var tag [tagSize]byte
	g.aead.Seal(tag[:0], aNonce[:], nil, part)
	p := newElement(tag[:]).add(g.mask).add(g.key.mul(lengths(int64(len(part)), 0)))
	g.z = g.z.mul(g.power).add(p)
	g.size += int64(len(part))
}

// sum is the hash with the block of lengths, of a ciphertext without additional data.
func (g *ghash) sum() [blockSize]byte {
	return g.z.add(g.key.mul(lengths(0, g.size))).bytes()
}

// lengths is the last block that is hashed: how many bits of additional data and of ciphertext there are.
func lengths(additional, ciphertext int64) element {
	return element{uint64(additional) * 8, uint64(ciphertext) * 8}
}

// element is one of the field of 2¹²⁸ elements, as NIST SP 800-38D section 6.3 orders its bits: the highest bit of the first word is the coefficient of 1.
type element struct{ high, low uint64 }

func newElement(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (a element) bytes() (b [blockSize]byte) {
	binary.BigEndian.PutUint64(b[:8], a.high)
	binary.BigEndian.PutUint64(b[8:], a.low)
	return b
}

func (a element) add(b element) element { return element{a.high ^ b.high, a.low ^ b.low} }

// reduction is x¹²⁸ = x⁷ + x² + x + 1.
const reduction = 0xe1 << 56

// mul is the product, bit by bit (section 6.3, algorithm 1). It has no branch and no look-up that depends on a value.
func (a element) mul(b element) element {
	var z element
	for _, word := range [...]uint64{a.high, a.low} {
		for range 64 {
			take := -(word >> 63) // all ones or none
			z.high ^= b.high & take
			z.low ^= b.low & take
			word <<= 1
			over := -(b.low & 1)
			b.low = b.low>>1 | b.high<<63
			b.high = b.high>>1 ^ over&reduction
		}
	}
	return z
}

// pow is a to the power of n, which is no secret.
func (a element) pow(n uint64) element {
	z := element{high: 1 << 63}
	for i := bits.Len64(n) - 1; i >= 0; i-- {
		z = z.mul(z)
		if n>>i&1 == 1 {
			z = z.mul(a)
		}
	}
	return z
}
