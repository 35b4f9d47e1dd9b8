package blobtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// The names of keys that a Keys has from the beginning.
const (
	DefaultKey = "arn:aws:kms:eu-test-1:111122223333:key/00000000-0000-4000-8000-000000000000" // alias/aws/s3
	OtherKey   = "arn:aws:kms:eu-test-1:111122223333:key/11111111-1111-4111-8111-111111111111"
)

// Keys is a small key service: it has keys in memory, and asks for each use who may.
type Keys struct {
	// May says whether the caller in the context may do an action (kms:GenerateDataKey, kms:Decrypt) with a key and a context; nil lets everybody.
	May func(ctx context.Context, action, keyARN string, encryptionContext map[string]string) bool

	mu    sync.Mutex // guards what follows
	keys  map[string]*serviceKey
	calls map[string]int
}

type serviceKey struct {
	sealer   *secret.Sealer
	disabled bool
}

// NewKeys makes a key service with DefaultKey and OtherKey.
func NewKeys() *Keys {
	k := &Keys{keys: make(map[string]*serviceKey), calls: make(map[string]int)}
	for _, arn := range []string{DefaultKey, OtherKey} {
		master, err := secret.NewDataKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		sealer, err := secret.NewSealer(master, "test key service", rand.Reader)
		if err != nil {
			panic(err)
		}
		k.keys[arn] = &serviceKey{sealer: sealer}
	}
	return k
}

// Enable switches a key on or off.
func (k *Keys) Enable(arn string, on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[arn].disabled = !on
}

// Destroy destroys a key: nothing that it sealed opens any more.
func (k *Keys) Destroy(arn string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, arn)
}

// Calls is how often an action was asked for.
func (k *Keys) Calls(action string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[action]
}

// use finds a key that the caller may use.
func (k *Keys) use(ctx context.Context, action, id string, encryptionContext map[string]string) (string, *secret.Sealer, error) {
	if id == "" || id == "alias/aws/s3" {
		id = DefaultKey
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls[action]++
	key := k.keys[id]
	switch {
	case key == nil:
		return "", nil, &blob.KeyError{Code: blob.KeyNotFound, Message: fmt.Sprintf("Invalid keyId '%s'", id)}
	case k.May != nil && !k.May(ctx, action, id, encryptionContext):
		return "", nil, &blob.KeyError{Code: blob.KeyDenied, Message: "User: somebody is not authorized to perform: " + action + " on resource: " + id}
	case key.disabled:
		return "", nil, &blob.KeyError{Code: blob.KeyDisabled, Message: id + " is disabled."}
	}
	return id, key.sealer, nil
}

// sealed is the ciphertext of a data key.
type sealed struct {
	Key    string
	Sealed []byte
}

func bind(id string, encryptionContext map[string]string) []byte {
	text, err := json.Marshal(encryptionContext) // names in order
	if err != nil {
		panic(err)
	}
	return append([]byte(id), text...)
}

// GenerateDataKey makes a data key.
func (k *Keys) GenerateDataKey(ctx context.Context, keyID string, encryptionContext map[string]string) (string, secret.Bytes, []byte, error) {
	id, sealer, err := k.use(ctx, "kms:GenerateDataKey", keyID, encryptionContext)
	if err != nil {
		return "", secret.Bytes{}, nil, err
	}
	key, err := secret.NewDataKey(rand.Reader)
	if err != nil {
		return "", secret.Bytes{}, nil, err
	}
	box, err := sealer.Seal(bind(id, encryptionContext), key.Reveal())
	if err != nil {
		return "", secret.Bytes{}, nil, err
	}
	text, err := json.Marshal(sealed{id, box})
	return id, key, text, err
}

// Decrypt opens a data key.
func (k *Keys) Decrypt(ctx context.Context, ciphertext []byte, encryptionContext map[string]string) (secret.Bytes, error) {
	var s sealed
	if err := json.Unmarshal(ciphertext, &s); err != nil {
		return secret.Bytes{}, err
	}
	id, sealer, err := k.use(ctx, "kms:Decrypt", s.Key, encryptionContext)
	if err != nil {
		return secret.Bytes{}, err
	}
	key, err := sealer.Open(bind(id, encryptionContext), s.Sealed)
	return secret.New(key), err
}
