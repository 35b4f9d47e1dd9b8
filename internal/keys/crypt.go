package keys

import (
	"context"
	"fmt"
	"io"

	"darkroom/internal/secret"
)

// Encrypted is what encrypting gives.
type Encrypted struct {
	KeyARN     string
	MaterialID string
	Ciphertext []byte
}

// Opened is what decrypting gives.
type Opened struct {
	KeyARN     string
	MaterialID string
	Plaintext  secret.Bytes
}

// EncryptRequest is what Encrypt is asked for.
type EncryptRequest struct {
	Key       string
	Context   map[string]string
	Plaintext secret.Bytes
	DryRun    bool
}

// Encrypt encrypts a small value.
func (a *Account) Encrypt(ctx context.Context, r *EncryptRequest) (Encrypted, error) {
	if n := r.Plaintext.Len(); n < 1 || n > MaxPlaintext {
		return Encrypted{}, Invalidf("Plaintext must have 1 to %d bytes (has %d)", MaxPlaintext, n)
	}
	k, v, err := a.encrypting(ctx, r.Key, r.Context, r.DryRun)
	if err != nil {
		return Encrypted{}, err
	}
	return v.encrypt(k, r.Context, r.Plaintext)
}

// encrypting finds a key that is to encrypt, and says what keeps it from that.
func (a *Account) encrypting(ctx context.Context, key string, pairs map[string]string, dryRun bool) (*Key, *View, error) {
	if err := validContext(pairs); err != nil {
		return nil, nil, err
	}
	k, v, err := a.Describe(ctx, key, AliasesToo)
	if err != nil {
		return nil, nil, err
	}
	if err := v.usable(k); err != nil {
		return nil, nil, err
	}
	if dryRun {
		return nil, nil, errDryRun
	}
	return k, v, nil
}

func (v *View) encrypt(k *Key, pairs map[string]string, plaintext secret.Bytes) (Encrypted, error) {
	version, name := k.Current(), v.ARN(k)
	blob, err := seal(v.service.random, version, v.account, name, k.ID, pairs, plaintext.Reveal())
	return Encrypted{name, version.ID, blob}, err
}

// DataKeyRequest is what GenerateDataKey is asked for.
type DataKeyRequest struct {
	Key     string
	Context map[string]string
	Size    int // in bytes
	DryRun  bool
}

// GenerateDataKey makes a data key and encrypts it.
func (a *Account) GenerateDataKey(ctx context.Context, r *DataKeyRequest) (Encrypted, secret.Bytes, error) {
	var none secret.Bytes
	if r.Size < 1 || r.Size > MaxDataKey {
		return Encrypted{}, none, Invalidf("NumberOfBytes must be between 1 and %d (was %d)", MaxDataKey, r.Size)
	}
	k, v, err := a.encrypting(ctx, r.Key, r.Context, r.DryRun)
	if err != nil {
		return Encrypted{}, none, err
	}
	plain, err := a.s.Random(r.Size)
	if err != nil {
		return Encrypted{}, none, err
	}
	sealed, err := v.encrypt(k, r.Context, plain)
	return sealed, plain, err
}

// Random returns random bytes.
func (s *Service) Random(size int) (secret.Bytes, error) {
	if size < 1 || size > MaxDataKey {
		return secret.Bytes{}, Invalidf("NumberOfBytes must be between 1 and %d (was %d)", MaxDataKey, size)
	}
	plain := make([]byte, size)
	if _, err := io.ReadFull(s.random, plain); err != nil {
		return secret.Bytes{}, fmt.Errorf("make random bytes: %w", err)
	}
	return secret.New(plain), nil
}

// DecryptRequest is what Decrypt is asked for.
type DecryptRequest struct {
	Key        string // empty where the ciphertext alone names it
	Context    map[string]string
	Ciphertext []byte
	DryRun     bool
}

// NameOf is the name by which the key of a request to decrypt is asked for: the one in the request or, without one, the id in the ciphertext. A
// ciphertext without a readable id is refused here.
func (r *DecryptRequest) NameOf() (string, error) {
	h, err := parseHead(r.Ciphertext)
	switch {
	case err != nil:
		return "", err
	case r.Key != "":
		return r.Key, nil
	}
	return h.keyID, nil
}

// Decrypt gives back what was encrypted with the same context.
func (a *Account) Decrypt(ctx context.Context, r *DecryptRequest) (Opened, error) {
	k, v, h, err := a.decrypting(ctx, r)
	if err != nil {
		return Opened{}, err
	}
	version, name := k.version(h.version), v.ARN(k)
	plain, err := open(version, a.id, name, r.Context, r.Ciphertext)
	switch {
	case err != nil:
		return Opened{}, err
	case r.DryRun:
		clear(plain)
		return Opened{}, errDryRun
	}
	return Opened{name, version.ID, secret.New(plain)}, nil
}

// decrypting finds the key of a ciphertext, and says what keeps it from being opened.
func (a *Account) decrypting(ctx context.Context, r *DecryptRequest) (*Key, *View, head, error) {
	fail := func(err error) (*Key, *View, head, error) { return nil, nil, head{}, err }
	h, err := parseHead(r.Ciphertext)
	if err != nil {
		return fail(err)
	}
	if err := validContext(r.Context); err != nil {
		return fail(err)
	}
	name := r.Key
	if name == "" {
		name = h.keyID
	}
	k, v, err := a.Describe(ctx, name, AliasesToo)
	switch {
	case err != nil && r.Key == "":
		if isNotFound(err) {
			err = errUnknownCiphertext
		}
		return fail(err)
	case err != nil:
		return fail(err)
	case k.ID != h.keyID:
		return fail(errWrongKey)
	}
	if err := v.usable(k); err != nil {
		return fail(err)
	}
	return k, v, h, nil
}

// ReEncryptRequest is what ReEncrypt is asked for.
type ReEncryptRequest struct {
	From    DecryptRequest
	To      string
	Context map[string]string
	DryRun  bool
}

// ReEncrypt encrypts what is in a ciphertext with another key or another context. The plaintext is not shown.
func (a *Account) ReEncrypt(ctx context.Context, r *ReEncryptRequest) (from Opened, to Encrypted, err error) {
	from, err = a.Decrypt(ctx, &r.From)
	if err != nil {
		return from, to, err
	}
	plain := from.Plaintext
	defer clear(plain.Reveal())
	from.Plaintext = secret.Bytes{}
	k, v, err := a.encrypting(ctx, r.To, r.Context, r.DryRun)
	if err != nil {
		return Opened{}, to, err
	}
	to, err = v.encrypt(k, r.Context, plain)
	return from, to, err
}

func isNotFound(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Code == "NotFoundException"
}
