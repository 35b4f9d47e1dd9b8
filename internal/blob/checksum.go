package blob

import (
	"crypto/sha1" //nolint:gosec // a checksum of S3, not a signature
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strconv"
)

// The algorithms and types of additional checksums.
const (
	CRC32      = "CRC32"
	CRC32C     = "CRC32C"
	CRC64NVME  = "CRC64NVME"
	SHA1       = "SHA1"
	SHA256     = "SHA256"
	FullObject = "FULL_OBJECT"
	Composite  = "COMPOSITE"
)

// Polynomials, bits reversed.
const (
	polyCRC32     = crc32.IEEE
	polyCRC32C    = crc32.Castagnoli
	polyCRC64NVME = 0x9a6c9329ac4bc9b5
)

var (
	tableCRC32C    = crc32.MakeTable(polyCRC32C)
	tableCRC64NVME = crc64.MakeTable(polyCRC64NVME)
)

// NewHash returns the hash of an additional checksum; ErrInvalidArgument for an algorithm that is none.
func NewHash(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case CRC32:
		return crc32.NewIEEE(), nil
	case CRC32C:
		return crc32.New(tableCRC32C), nil
	case CRC64NVME:
		return crc64.New(tableCRC64NVME), nil
	case SHA1:
		return sha1.New(), nil //nolint:gosec // a checksum of S3, not a signature
	case SHA256:
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("%w: checksum algorithm %q is none of CRC32, CRC32C, CRC64NVME, SHA1, SHA256", ErrInvalidArgument, algorithm)
}

// CheckChecksum says whether value is base64 of a value of the algorithm.
func CheckChecksum(algorithm, value string) error {
	h, err := NewHash(algorithm)
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(raw) != h.Size() {
		return fmt.Errorf("%w: a %s checksum is %d bytes in base64", ErrInvalidArgument, algorithm, h.Size())
	}
	return nil
}

// UploadChecksum completes what a CreateUpload asks for: the type that goes with the algorithm where none is named. A pair that S3 does
// not know is ErrInvalidArgument.
func UploadChecksum(c Checksum) (Checksum, error) {
	if c.Algorithm == "" {
		if c.Type != "" {
			return c, fmt.Errorf("%w: a checksum type needs an algorithm", ErrInvalidArgument)
		}
		return c, nil
	}
	if _, err := NewHash(c.Algorithm); err != nil {
		return c, err
	}
	full := c.Algorithm == CRC32 || c.Algorithm == CRC32C || c.Algorithm == CRC64NVME
	composite := c.Algorithm != CRC64NVME
	switch {
	case c.Type == "" && composite:
		c.Type = Composite
	case c.Type == "":
		c.Type = FullObject
	case c.Type == FullObject && full, c.Type == Composite && composite:
	default:
		return c, fmt.Errorf("%w: the checksum type %q cannot be used with %s", ErrInvalidArgument, c.Type, c.Algorithm)
	}
	return c, nil
}

// JoinChecksums computes the checksum of an upload from those of its parts, which all need one of the algorithm; the Value is empty if one lacks it.
func JoinChecksums(want Checksum, parts []Part) (Checksum, error) {
	if want.Algorithm == "" {
		return Checksum{}, nil
	}
	out := Checksum{Algorithm: want.Algorithm, Type: want.Type}
	h, err := NewHash(want.Algorithm)
	if err != nil {
		return out, err
	}
	width := h.Size()
	joined := uint64(0)
	for _, p := range parts {
		if p.Checksum.Algorithm != want.Algorithm || p.Checksum.Value == "" {
			return Checksum{}, nil
		}
		raw, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
		if err != nil || len(raw) != width {
			return out, fmt.Errorf("%w: checksum of part %d", ErrInvalidPart, p.Number)
		}
		if want.Type == Composite {
			h.Write(raw)
			continue
		}
		value := uint64(0)
		for _, b := range raw {
			value = value<<8 | uint64(b)
		}
		joined = joinCRC(want.Algorithm, joined, value, p.Size)
	}
	if want.Type == Composite {
		out.Value = base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
		return out, nil
	}
	raw := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		raw[i] = byte(joined)
		joined >>= 8
	}
	out.Value = base64.StdEncoding.EncodeToString(raw)
	return out, nil
}

// joinCRC returns the CRC of two byte strings one after the other from that of each, the second being length bytes long. In GF(2)[x] modulo the
// polynomial, appending a byte multiplies by x^8; the conditioning of all three algorithms (ones in, ones out) cancels.
func joinCRC(algorithm string, first, second uint64, length int64) uint64 {
	poly, top := uint64(polyCRC32), uint64(1)<<31
	switch algorithm {
	case CRC32C:
		poly = polyCRC32C
	case CRC64NVME:
		poly, top = polyCRC64NVME, 1<<63
	}
	// Bits are reversed: the highest bit is x^0, and a shift to the right multiplies by x.
	multiply := func(a, b uint64) uint64 {
		product := uint64(0)
		for bit := top; bit != 0; bit >>= 1 {
			if a&bit != 0 {
				product ^= b
			}
			if carry := b & 1; carry != 0 {
				b = b>>1 ^ poly
			} else {
				b >>= 1
			}
		}
		return product
	}
	factor, square := top, top>>8 // x^0, x^8
	for n := length; n > 0; n >>= 1 {
		if n&1 != 0 {
			factor = multiply(factor, square)
		}
		square = multiply(square, square)
	}
	return multiply(first, factor) ^ second
}
