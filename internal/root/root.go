// Package root keeps the installation key, which all other keys come from, wrapped by a root of trust.
//
// The wrapped key is one small file in the data directory (Name). What unwraps it is elsewhere, as the configuration says: a key in a file, a
// passphrase, a key of a transit engine (HashiCorp Vault, OpenBao), or a key of a service that speaks AWS's KMS protocol. The key itself is the
// same as long as the installation lives; a rewrap changes only what it is wrapped by.
//
// Everything fails closed. A wrapped key that its root does not open, or that another kind of root wrapped than is configured, is an error, and so is
// data without a wrapped key: a new key is made in an empty directory alone. A check value under the installation key binds all that the file
// says, so that no member of it can be changed.
//
// What this does not give: a copy of the file from before a rewrap opens with the root of that time, for ever. Who may have both must be taken to have
// the installation key.
package root

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"darkroom/internal/secret"
)

// Files in the data directory.
const (
	// Name is the file with the wrapped installation key.
	Name = "installation-key.json"
	// KeyName is the file of the root key where the configuration names no other.
	KeyName = "root.key"
	// OldName is the file that installations had their key in before it was wrapped.
	OldName  = "master.key"
	lockName = "installation-key.lock"
)

// Kind is a kind of root.
type Kind string

// The kinds.
const (
	KindFile       Kind = "file"
	KindPassphrase Kind = "passphrase"
	KindTransit    Kind = "transit"
	KindKMS        Kind = "kms"
)

// Root is a root of trust: it wraps and unwraps the installation key. It is used by one goroutine. What it holds of secrets is wiped by Close.
type Root interface {
	Kind() Kind
	// Close wipes what the root holds in memory.
	Close()

	// wrap encrypts key, bound to the id of the installation.
	wrap(ctx context.Context, installation string, key secret.Bytes) (wrapping, error)
	// unwrap gives back what was wrapped for that installation. Errors show nothing secret, and say what to do.
	unwrap(ctx context.Context, installation string, w wrapping) (secret.Bytes, error)
	// settle finishes or clears away what wrap left beside, now that w is what is durably kept.
	settle(w wrapping) error
}

// wrapping is an installation key as a root wrapped it.
type wrapping struct {
	Kind       Kind   `json:"kind"`
	Key        string `json:"key"`                  // identifies the root key; no secret
	Salt       []byte `json:"salt,omitempty"`       // of a passphrase
	Iterations int    `json:"iterations,omitempty"` // of a passphrase
	Wrapped    []byte `json:"wrapped"`
}

// version is that of the document.
const version = 1

// Bounds of the document.
const (
	maxDocument = 32 << 10
	maxWrapped  = 8 << 10 // a KMS ciphertext has at most 6,144 bytes (KMS API Reference, Decrypt)
	maxKeyName  = 2048
	idSize      = 16
)

// document is the content of the file.
type document struct {
	Version      int       `json:"version"`
	Installation string    `json:"installation"` // random, made with the key
	Created      time.Time `json:"created"`      // when the key was made
	WrappedAt    time.Time `json:"wrappedAt"`
	Root         wrapping  `json:"root"`
	// Retired is the fingerprint of a root key in KeyName that this wrapping replaced: the file is removed where it is still found.
	Retired string `json:"retired,omitempty"`
	Check   []byte `json:"check"` // binds the above to the installation key
}

// parse reads a document; it is pure. What it says is not verified before the check of an opened key.
func parse(text []byte) (document, error) {
	if len(text) > maxDocument {
		return document{}, fmt.Errorf("more than %d bytes", maxDocument)
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return document{}, errors.New("no JSON object of this kind")
	}
	if v.Version != version {
		return document{}, fmt.Errorf("version %d, which this program does not know: it was written by a newer one", v.Version)
	}
	var d document
	strict := json.NewDecoder(bytes.NewReader(text)) // with nothing behind it, as was seen above
	strict.DisallowUnknownFields()
	if err := strict.Decode(&d); err != nil {
		return document{}, err
	}
	id, err := hex.DecodeString(d.Installation)
	switch {
	case err != nil || len(id) != idSize:
		return document{}, errors.New("installation is no id")
	case d.Root.Kind == "", d.Root.Key == "", len(d.Root.Key) > maxKeyName:
		return document{}, errors.New("root names no key")
	case len(d.Root.Wrapped) == 0 || len(d.Root.Wrapped) > maxWrapped:
		return document{}, errors.New("root has no wrapped key")
	case len(d.Check) != sha256.Size:
		return document{}, errors.New("check has another length")
	}
	return d, nil
}

// sum is the check value of d.
func (d document) sum(key secret.Bytes) ([]byte, error) {
	check, err := secret.Derive(key, "installation key check")
	if err != nil {
		return nil, err
	}
	defer check.Wipe()
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	sum := secret.Name(check, strconv.Itoa(d.Version), d.Installation, stamp(d.Created), stamp(d.WrappedAt), string(d.Root.Kind), d.Root.Key,
		string(d.Root.Salt), strconv.Itoa(d.Root.Iterations), string(d.Root.Wrapped), d.Retired)
	return sum[:], nil
}

// seal completes d: r wraps key, and is asked to unwrap what will be written before that is returned.
func (d document) seal(ctx context.Context, r Root, key secret.Bytes) (document, []byte, error) {
	var err error
	if d.Root, err = r.wrap(ctx, d.Installation, key); err != nil {
		return document{}, nil, err
	}
	if d.Check, err = d.sum(key); err != nil {
		return document{}, nil, err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return document{}, nil, err
	}
	text = append(text, '\n')
	again, err := parse(text)
	if err != nil {
		return document{}, nil, fmt.Errorf("verify the wrapped key: %w", err)
	}
	opened, err := again.open(ctx, r) // another key would not have the check value of this one
	if err != nil {
		return document{}, nil, fmt.Errorf("verify that the root opens what it has wrapped: %w", err)
	}
	opened.Wipe()
	return again, text, nil
}

// open unwraps the key and verifies the whole document with it.
func (d document) open(ctx context.Context, r Root) (secret.Bytes, error) {
	if r.Kind() != d.Root.Kind {
		return secret.Bytes{}, fmt.Errorf("the installation key is wrapped by a root of kind %s, and the configuration has one of kind %s: start with the configuration of "+
			"the former, or move to the latter by `darkroom keys rewrap`", d.Root.Kind, r.Kind())
	}
	key, err := r.unwrap(ctx, d.Installation, d.Root)
	if err != nil {
		return secret.Bytes{}, err
	}
	if sum, err := d.sum(key); err != nil || !hmac.Equal(sum, d.Check) {
		key.Wipe()
		return secret.Bytes{}, fmt.Errorf("%s was changed since it was written, or its root gives another key: restore the file from a backup", Name)
	}
	return key, nil
}

// newID makes the id of an installation.
func newID(random io.Reader) (string, error) {
	id := make([]byte, idSize)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("make the id of the installation: %w", err)
	}
	return hex.EncodeToString(id), nil
}

// binding is the additional data of what a root of ours wraps.
func binding(kind Kind, installation string) []byte {
	return []byte("darkroom installation key\x00" + string(kind) + "\x00" + installation)
}

// sealKey wraps a key under a root key that is at hand.
func sealKey(rootKey secret.Bytes, kind Kind, installation string, key secret.Bytes, random io.Reader) ([]byte, error) {
	s, err := secret.NewSealer(rootKey, "root of kind "+string(kind), random)
	if err != nil {
		return nil, err
	}
	return s.Seal(binding(kind, installation), key.Reveal())
}

// openKey is the inverse of sealKey; secret.ErrOpen says that the root key is another one.
func openKey(rootKey secret.Bytes, kind Kind, installation string, wrapped []byte) (secret.Bytes, error) {
	s, err := secret.NewSealer(rootKey, "root of kind "+string(kind), nil)
	if err != nil {
		return secret.Bytes{}, err
	}
	key, err := s.Open(binding(kind, installation), wrapped)
	return secret.New(key), err
}
