package plan

import (
	"encoding/base64"
	"fmt"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Decryption is how a source was encrypted before it was uploaded: the file under a data key, and the data key under a key of the key service.
type Decryption struct {
	Mode string // as the API names it: AES_CTR, AES_CBC, AES_GCM
	// EncryptedKey is the ciphertext of the data key.
	EncryptedKey []byte
	IV           []byte
}

// newDecryption reads checked settings; nil for none.
func newDecryption(s *types.InputDecryptionSettings) (*Decryption, error) {
	if s == nil {
		return nil, nil
	}
	d := &Decryption{Mode: string(s.DecryptionMode)}
	var err error
	if d.EncryptedKey, err = base64.StdEncoding.DecodeString(aws.ToString(s.EncryptedDecryptionKey)); err != nil {
		return nil, fmt.Errorf("encryptedDecryptionKey is not base64")
	}
	if d.IV, err = base64.StdEncoding.DecodeString(aws.ToString(s.InitializationVector)); err != nil {
		return nil, fmt.Errorf("initializationVector is not base64")
	}
	return d, nil
}

// decryption judges what of the decryption of an input is not offered; what is invalid of it is said by package rules.
func (c *checker) decryption(at string, in *types.Input) {
	s := in.DecryptionSettings
	if s == nil {
		return
	}
	region := aws.ToString(s.KmsKeyRegion)
	switch {
	case c.caps.KeyRegion == "":
		c.lack(at, "a client-side encrypted input needs the key service of a server for its data key")
	case region != "" && region != c.caps.KeyRegion:
		c.lack(at+"/kmsKeyRegion", "%s is not carried out: data keys are decrypted by the key service of this installation; offered: %s", region, c.caps.KeyRegion)
	}
	if c.caps.ApprovedOnly && s.DecryptionMode == types.DecryptionModeAesGcm {
		c.lack(at+"/decryptionMode", "AES_GCM is not approved in FIPS 140-3 with a nonce of the caller's; offered: AES_CTR, AES_CBC")
	}
	if parsed, err := ParseInput(aws.ToString(in.FileInput)); err == nil && parsed.playlist() {
		c.lack(at, "a client-side encrypted HLS input is not carried out: the settings say nothing of the segments; offered: a single file")
	}
}

// playlist says whether the name is that of an HLS playlist.
func (i Input) playlist() bool {
	return strings.EqualFold(path.Ext(i.Name()), ".m3u8")
}
