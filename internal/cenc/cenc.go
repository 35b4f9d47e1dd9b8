// Package cenc encrypts samples: Common Encryption (ISO/IEC 23001-7), what PIFF makes of it, and the words that key documents, containers and
// manifests share about a key.
package cenc

import (
	"encoding/hex"
	"fmt"
	"strings"

	"darkroom/internal/secret"
)

// UUID is a key identifier or the identifier of a DRM system, in the order in which its text is written.
type UUID [16]byte

func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// IsZero reports whether u says nothing.
func (u UUID) IsZero() bool { return u == UUID{} }

// ParseUUID reads the text form of RFC 9562 section 4, in either case.
func ParseUUID(text string) (UUID, error) {
	var u UUID
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return UUID{}, fmt.Errorf("%q is not a UUID", text)
	}
	h := strings.ReplaceAll(text, "-", "")
	if len(h) != 32 {
		return UUID{}, fmt.Errorf("%q is not a UUID", text)
	}
	if _, err := hex.Decode(u[:], []byte(h)); err != nil {
		return UUID{}, fmt.Errorf("%q is not a UUID", text)
	}
	return u, nil
}

// Scheme is how samples are encrypted. The zero value is no scheme: whoever needs one refuses it.
type Scheme int

// The schemes of ISO/IEC 23001-7 section 4.2 that are in use.
const (
	CENC Scheme = iota + 1 // AES-CTR, whole blocks and rests
	CBCS                   // AES-CBC in a pattern of 1 in 10 blocks for video
)

func (s Scheme) String() string {
	switch s {
	case CENC:
		return "cenc"
	case CBCS:
		return "cbcs"
	}
	return "no scheme"
}

// KeySize is the size of a content key and of a whole initialization vector, in bytes.
const KeySize = 16

// Key is a content key.
type Key struct {
	ID    UUID
	Value secret.Bytes // KeySize bytes
	// IV is the constant initialization vector that belongs to the key, KeySize bytes; nil where vectors are chosen for each sample or segment.
	IV []byte
}

// Protection is a content key with what each DRM system is told of it.
type Protection struct {
	Key
	// Signals are of the systems, in the order in which they were asked for; empty for a static key.
	Signals []Signal
}

// Signal is what a DRM system wants to be said of a key. What is empty is not said.
type Signal struct {
	System UUID
	// PSSH is a whole protection system specific header box, ISO/IEC 23001-7 8.1.
	PSSH []byte
	// ContentProtection is well-formed XML that stands inside the ContentProtection descriptor of an MPD.
	ContentProtection []byte
	// Media and Master are for the media playlists and the multivariant playlist of HLS; nil for none.
	Media, Master *HLSKey
	// Smooth is the content of ProtectionHeader in a client manifest of Smooth Streaming, decoded from base64: for PlayReady, a PlayReady object.
	Smooth []byte
}

// HLSKey is what EXT-X-KEY and EXT-X-SESSION-KEY say, RFC 8216 4.3.2.4. Empty attributes are not written. No field holds a quotation mark, a
// control character or a line end.
type HLSKey struct {
	Method                       string // AES-128, SAMPLE-AES, SAMPLE-AES-CTR
	URI                          string
	IV                           []byte // KeySize bytes
	KeyFormat, KeyFormatVersions string
	KeyID                        string // hexadecimal, with 0x, for Widevine
}
