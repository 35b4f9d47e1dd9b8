package keyserver

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"darkroom/internal/cenc"
	"darkroom/internal/secret"
)

// purpose begins the info of derived keys.
const purpose = "darkroom/1/content key"

// derive returns the value and the vector of a content key: HKDF-SHA256 (RFC 5869) of the account's secret, without salt, what names the key being the info, each
// part behind its length in 8 bytes.
func derive(from secret.Bytes, account, content string, id cenc.UUID) (secret.Bytes, error) {
	if from.Len() != secret.KeySize {
		return secret.Bytes{}, fmt.Errorf("the secret of content keys has %d bytes", from.Len())
	}
	info := []byte(purpose)
	for _, part := range []string{account, content, string(id[:])} {
		info = binary.BigEndian.AppendUint64(info, uint64(len(part)))
		info = append(info, part...)
	}
	key, err := hkdf.Key(sha256.New, from.Reveal(), nil, string(info), 2*cenc.KeySize)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("derive a content key: %w", err)
	}
	return secret.New(key), nil
}
