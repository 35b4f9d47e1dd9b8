package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"

	"darkroom/internal/secret"
)

// A ciphertext is
//
//	1 byte    the version of this form
//	16 bytes  the id of the key
//	4 bytes   the number of the key's version
//	16 bytes  a random salt
//	12 bytes  a random nonce
//	…         AES-256-GCM of the plaintext, with its tag of 16 bytes
//
// The key of the cipher is HKDF-SHA256 (RFC 5869) of the version's key material with the salt, so that each ciphertext has a key of its own: neither
// the 2^32 values under random nonces of NIST SP 800-38D, section 8.3, nor the bound on the data under one key is in sight, however long a key is in use. KMS
// derives a key for each ciphertext too ("AWS KMS cryptographic details", "Encrypt").
//
// Everything before the cipher text is additional data, and so are the account, the ARN of the key and the encryption context.
const (
	blobVersion = 1

	saltSize  = 16
	nonceSize = 12
	tagSize   = 16

	headSize = 1 + 16 + 4
	// blobOverhead is by how much a ciphertext is longer than its plaintext.
	blobOverhead = headSize + saltSize + nonceSize + tagSize
	// MaxCiphertext is the longest ciphertext that is taken, in bytes.
	MaxCiphertext = 6144
)

// head is what a ciphertext says of itself. It is not authenticated before the ciphertext is opened.
type head struct {
	keyID   string
	version uint32
}

// parseHead reads the head of a ciphertext. Every ciphertext that opens has one.
func parseHead(blob []byte) (head, error) {
	if len(blob) < blobOverhead || len(blob) > MaxCiphertext || blob[0] != blobVersion {
		return head{}, errCiphertext
	}
	return head{formatUUID([16]byte(blob[1:17])), binary.BigEndian.Uint32(blob[17:headSize])}, nil
}

// seal encrypts plaintext under a version of a key.
func seal(random io.Reader, version *Version, account, keyARN, keyID string, context map[string]string, plaintext []byte) ([]byte, error) {
	id, ok := parseUUID(keyID)
	if !ok {
		return nil, fmt.Errorf("the key id %q is no UUID", keyID)
	}
	blob := make([]byte, headSize+saltSize+nonceSize, blobOverhead+len(plaintext))
	blob[0] = blobVersion
	copy(blob[1:], id[:])
	binary.BigEndian.PutUint32(blob[17:], version.Number)
	if _, err := io.ReadFull(random, blob[headSize:]); err != nil {
		return nil, fmt.Errorf("make a salt and a nonce: %w", err)
	}
	aead, err := version.cipher(blob[headSize : headSize+saltSize])
	if err != nil {
		return nil, err
	}
	return aead.Seal(blob, blob[headSize+saltSize:], plaintext, additionalData(blob, account, keyARN, context)), nil
}

// open gives back what was sealed by the same version of the same key in the same account with the same context; anything else is errCiphertext. It
// allocates nothing that grows with a false claim.
func open(version *Version, account, keyARN string, context map[string]string, blob []byte) ([]byte, error) {
	if _, err := parseHead(blob); err != nil {
		return nil, err
	}
	if version == nil {
		return nil, errCiphertext
	}
	aead, err := version.cipher(blob[headSize : headSize+saltSize])
	if err != nil {
		return nil, err
	}
	before := blob[:headSize+saltSize+nonceSize]
	plaintext, err := aead.Open(nil, before[headSize+saltSize:], blob[len(before):], additionalData(before, account, keyARN, context))
	if err != nil {
		return nil, errCiphertext
	}
	return plaintext, nil
}

// cipher is the cipher of one ciphertext.
func (v *Version) cipher(salt []byte) (cipher.AEAD, error) {
	if v.material.Len() != secret.KeySize {
		return nil, fmt.Errorf("the key material %s has %d bytes", v.ID, v.material.Len())
	}
	key, err := hkdf.Key(sha256.New, v.material.Reveal(), salt, "darkroom/1/key service ciphertext", secret.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// additionalData binds a ciphertext to its place and to its encryption context, whose pairs stand in the order of their keys. Every part stands behind
// its length, and the pairs behind their number, so that no two different contexts are written the same.
func additionalData(before []byte, account, keyARN string, context map[string]string) []byte {
	size := len(before) + len(account) + len(keyARN) + 16
	for k, v := range context {
		size += len(k) + len(v) + 8
	}
	out := make([]byte, 0, size)
	put := func(s string) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s))) //nolint:gosec // bounded by MaxContext
		out = append(out, s...)
	}
	put(string(before))
	put(account)
	put(keyARN)
	out = binary.BigEndian.AppendUint32(out, uint32(len(context))) //nolint:gosec // bounded by MaxContext
	for _, k := range slices.Sorted(maps.Keys(context)) {
		put(k)
		put(context[k])
	}
	return out
}

// formatUUID writes a UUID.
func formatUUID(b [16]byte) string {
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// parseUUID reads a UUID as formatUUID writes it: in lower case, and in no other form.
func parseUUID(s string) (out [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return out, false
	}
	digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
	if n, err := hex.Decode(out[:], []byte(digits)); err != nil || n != len(out) {
		return out, false
	}
	return out, formatUUID(out) == s
}
