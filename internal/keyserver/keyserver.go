// Package keyserver makes content keys and gives them to encryptors over SPEKE, and to players that show a token.
//
// A content key belongs to a content id of an account and is known by that and its KID. It is made when it is first asked for and never changes: where configuration
// says random, it is kept sealed; where it says deterministic, it is derived from a secret of the account that is kept sealed, and from what names it. What a
// key is made by stands in its record, so that the configuration can change.
//
// It is not a licence server of Widevine, PlayReady or FairPlay: it says in manifests and boxes what those systems need to be told, so that licences can be had
// elsewhere for the same keys, and gives licences itself for W3C Clear Key and plain keys for HLS, which protect against who has no token and not against who
// has one.
package keyserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"darkroom/internal/registry"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

// Notice is what the key server says of itself wherever somebody may take it for more.
const Notice = "This key server is no licence server of Widevine, PlayReady or FairPlay: it signals those systems, and itself answers W3C Clear Key and HLS key requests alone."

// Limits.
const (
	// MaxKeys bounds the content keys of an account: all are in memory, without their values.
	MaxKeys = 100_000
	// MaxKeysOfContent bounds the keys of one content id. The largest contract of SPEKE v2.0 has 8; encryptors that rotate keys ask for more over time.
	MaxKeysOfContent = 1024
	// MaxContentID is the longest content id, in bytes.
	MaxContentID = 1024
)

// Mode is how keys are made. The zero value makes none.
type Mode string

// The modes, as configuration names them.
const (
	Random        Mode = "random"
	Deterministic Mode = "deterministic"
)

// Sealer is the key service as the key server asks for it: for the caller whose request is being carried out, who stands in the context. What is sealed opens with
// the same pairs alone.
type Sealer interface {
	Seal(ctx context.Context, pairs map[string]string, plaintext secret.Bytes) ([]byte, error)
	Open(ctx context.Context, pairs map[string]string, sealed []byte) (secret.Bytes, error)
}

// Options are what a Service works with. All but Random and Now are needed.
type Options struct {
	Mode     Mode
	Accounts []string
	Store    store.Registries
	Sealer   Sealer
	Random   io.Reader        // nil means crypto/rand
	Now      func() time.Time // nil means time.Now
}

// Service makes and keeps content keys. It is safe for concurrent use.
type Service struct {
	mode   Mode
	views  *registry.Views[*view]
	sealer Sealer
	random io.Reader
	now    func() time.Time
}

// New returns a key server. Nothing is read yet.
func New(o Options) (*Service, error) {
	if o.Mode != Random && o.Mode != Deterministic || o.Store == nil || o.Sealer == nil {
		return nil, errors.New("a key server needs Mode, Store and Sealer")
	}
	s := &Service{mode: o.Mode, sealer: o.Sealer, random: o.Random, now: o.Now}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	s.views, err = registry.New(registry.Options[*view]{Name: registryName, Accounts: o.Accounts, Store: o.Store, Read: read, Now: o.Now})
	return s, err
}

// Kind is why a request is refused.
type Kind int

// The kinds.
const (
	Invalid   Kind = iota + 1 // the request itself
	Ambiguous                 // keys of several contents could be meant
	Full                      // a limit is reached
	Unknown                   // there is no such key
)

// Error is a refusal. Its text is fit to be shown.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(k Kind, format string, args ...any) error {
	return &Error{k, fmt.Sprintf(format, args...)}
}
