package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// KeySize is the size of a master key, a derived key and a data key, in bytes.
const KeySize = 32

// sealedVersion is the first byte of a sealed value: AES-256-GCM, 12 bytes of random nonce, ciphertext and tag.
const sealedVersion = 1

const (
	nonceSize = 12
	tagSize   = 16
	// sealOverhead is by how much a sealed value is longer than what is in it.
	sealOverhead = 1 + nonceSize + tagSize
)

// ErrOpen is returned when a sealed value, or a chunk of a stream, is not what was sealed under this key with this additional data. It
// does not say what differs.
var ErrOpen = errors.New("sealed value does not open")

// Derive returns the key for one purpose: HKDF-SHA256 (RFC 5869) of the master key, without salt, the purpose being the info. Keys of
// different purposes tell nothing about each other.
func Derive(master Bytes, purpose string) (Bytes, error) {
	key, err := hkdf.Key(sha256.New, master.Reveal(), nil, "darkroom/1/"+purpose, KeySize)
	if err != nil || master.Len() != KeySize || purpose == "" {
		return Bytes{}, fmt.Errorf("a derived key needs a master key of %d bytes and a purpose", KeySize)
	}
	return New(key), nil
}

// NewDataKey returns a fresh key from random.
func NewDataKey(random io.Reader) (Bytes, error) {
	key := make([]byte, KeySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return Bytes{}, fmt.Errorf("make a data key: %w", err)
	}
	return New(key), nil
}

// Sealer seals small values for one purpose with AES-256-GCM. A value opens only with the additional data that it was sealed with, so that
// it cannot be moved to another place. It is safe for concurrent use if its source of randomness is.
//
// Nonces are random, so one purpose should not seal more than 2^32 values (NIST SP 800-38D, section 8.3).
type Sealer struct {
	aead   cipher.AEAD
	random io.Reader
}

// NewSealer returns the sealer of a purpose under the master key. Nonces come from random, which must be cryptographically strong.
func NewSealer(master Bytes, purpose string, random io.Reader) (*Sealer, error) {
	key, err := Derive(master, purpose)
	if err != nil {
		return nil, err
	}
	defer key.Wipe() // the cipher has its own schedule of it
	aead, err := newGCM(key)
	return &Sealer{aead: aead, random: random}, err
}

func newGCM(key Bytes) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key.Reveal())
	if err != nil || key.Len() != KeySize {
		return nil, fmt.Errorf("an AES-256 key must have %d bytes", KeySize)
	}
	return cipher.NewGCM(block)
}

// Seal encrypts plaintext and binds it to aad, which is not in the result. The only error is that of the source of randomness.
func (s *Sealer) Seal(aad, plaintext []byte) ([]byte, error) {
	out := make([]byte, 1+nonceSize, sealOverhead+len(plaintext))
	out[0] = sealedVersion
	if _, err := io.ReadFull(s.random, out[1:]); err != nil {
		return nil, fmt.Errorf("make a nonce: %w", err)
	}
	return s.aead.Seal(out, out[1:1+nonceSize], plaintext, s.bind(aad)), nil
}

// Open gives back what was sealed with the same aad, or ErrOpen.
func (s *Sealer) Open(aad, sealed []byte) ([]byte, error) {
	if len(sealed) < sealOverhead || sealed[0] != sealedVersion {
		return nil, ErrOpen
	}
	plaintext, err := s.aead.Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], s.bind(aad))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// bind puts the version under the tag too.
func (s *Sealer) bind(aad []byte) []byte {
	return append([]byte{sealedVersion}, aad...)
}

// Name returns a keyed digest of the parts (HMAC-SHA256) that stands for them where they must not be shown, such as in a file name. Parts are
// told apart by their lengths: "a","bc" and "ab","c" have different names.
func Name(key Bytes, parts ...string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, key.Reveal())
	for _, p := range parts {
		var length [8]byte
		putUint64(length[:], uint64(len(p)))
		mac.Write(length[:])
		io.WriteString(mac, p)
	}
	var out [sha256.Size]byte
	mac.Sum(out[:0])
	return out
}
