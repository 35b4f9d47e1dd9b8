package api

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"

	"darkroom/internal/secret"
)

// TokenKeySize is the size of the key for page tokens, in bytes: AES-256.
const TokenKeySize = 32

// maxPageToken is how many bytes a token may have; ours have under 100.
const maxPageToken = 512

// tokens seals where a page ends, so that a caller can neither read nor make one: AES-GCM with a random nonce, the list that it belongs to
// as additional data.
type tokens struct {
	aead cipher.AEAD
}

func newTokens(key secret.Bytes) (*tokens, error) {
	if key.Len() != TokenKeySize {
		return nil, fmt.Errorf("the key for page tokens has %d bytes, not %d", key.Len(), TokenKeySize)
	}
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("page tokens: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("page tokens: %w", err)
	}
	return &tokens{aead}, nil
}

// seal makes the token that says where a page of list ends.
func (t *tokens) seal(position, list string) string {
	return base64.RawURLEncoding.EncodeToString(t.aead.Seal(nil, nil, []byte(position), []byte(list)))
}

// open returns what was sealed; false if the token is not one of ours for this list.
func (t *tokens) open(token, list string) (position string, ok bool) {
	return t.openLong(token, list, maxPageToken)
}

// openLong opens a token of at most so many characters.
func (t *tokens) openLong(token, list string, most int) (position string, ok bool) {
	if len(token) > most {
		return "", false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return "", false
	}
	plain, err := t.aead.Open(nil, nil, sealed, []byte(list))
	return string(plain), err == nil
}

// listName names a list by everything that selects and orders it. No part can hold the separator.
func listName(account, operation string, filters ...string) string {
	return strings.Join(append([]string{account, operation}, filters...), "\x00")
}
