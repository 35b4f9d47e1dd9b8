package root

import (
	"context"
	"errors"
	"fmt"

	"darkroom/internal/kms"
	"darkroom/internal/secret"
)

// KMS is a key of a key service that speaks AWS's protocol. The key never leaves the service.
type KMS struct {
	client *kms.Client
	key    string
}

// NewKMS returns the root that is a key, named by its id, ARN or alias. An alias must keep pointing to the key; `darkroom keys rewrap` comes before it is
// moved.
func NewKMS(client *kms.Client, key string) *KMS { return &KMS{client: client, key: key} }

// Kind implements Root.
func (*KMS) Kind() Kind { return KindKMS }

// Close implements Root. The key is not here.
func (*KMS) Close() {}

func (*KMS) settle(wrapping) error { return nil }

// encryptionContext binds what is encrypted. It stands in the service's log, and key policies can demand it (kms:EncryptionContext:darkroom).
func encryptionContext(installation string) map[string]string {
	return map[string]string{"darkroom": "installation-key", "installation": installation}
}

func (k *KMS) wrap(ctx context.Context, installation string, key secret.Bytes) (wrapping, error) {
	ciphertext, err := k.client.Encrypt(ctx, k.key, key, encryptionContext(installation))
	if err != nil {
		return wrapping{}, k.explain("wrap", err)
	}
	return wrapping{Kind: KindKMS, Key: k.key, Wrapped: ciphertext}, nil
}

func (k *KMS) unwrap(ctx context.Context, installation string, w wrapping) (secret.Bytes, error) {
	if w.Key != k.key {
		return secret.Bytes{}, otherKey(w.Key, k.key)
	}
	key, err := k.client.Decrypt(ctx, k.key, w.Wrapped, encryptionContext(installation))
	if err != nil {
		return secret.Bytes{}, k.explain("unwrap", err)
	}
	return key, nil
}

// explain says what can be done about an error of the service.
func (k *KMS) explain(what string, err error) error {
	do := "see that root.kms names the service and key, and that the service works; then start again"
	switch {
	case errors.Is(err, kms.ErrDenied):
		do = "allow the credentials of root.kms.credentials_file kms:Encrypt and kms:Decrypt on the key"
	case errors.Is(err, kms.ErrNoSuchKey):
		do = "see that root.kms.key and root.kms.region are right; a key that was deleted takes all that is stored here with it"
	case errors.Is(err, kms.ErrDisabled):
		do = "enable the key, or cancel its deletion"
	case errors.Is(err, kms.ErrCiphertext):
		do = "name the key that the installation key was wrapped by; an alias may point to another one now"
	case errors.Is(err, kms.ErrUnreachable):
		do = "start again when the key service answers; a private address needs an egress rule for kms"
	}
	return fmt.Errorf("%s the installation key by the key %s of the key service: %w: %s", what, k.key, err, do)
}

// otherKey is the error where the document and the configuration name different keys of one kind of root.
func otherKey(kept, configured string) error {
	return fmt.Errorf("the installation key is wrapped by the key %s, and the configuration names %s: start with the former, or move to the latter by `darkroom keys rewrap`", kept, configured)
}
