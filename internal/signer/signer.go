// Package signer signs what an installation states, such as the provenance of jobs and certificates of destruction, with a key of its own.
//
// The key is of ECDSA P-256. Its private half is sealed under the installation key, bound to its id; the public halves of all keys that ever were are kept with
// the time of their use, in the registry "signing" of the main account.
package signer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"darkroom/internal/provenance"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

const (
	registryName = "signing"
	kind         = "key"
)

// MaxKeys is how many keys an installation has had at most.
const MaxKeys = 1000

// Key is the public half of a key.
type Key struct {
	ID    string    `json:"id"`
	PEM   string    `json:"pem"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // zero while it signs
}

// record is a key as it is kept.
type record struct {
	Key
	Sealed []byte `json:"sealed,omitempty"` // private half in PKCS #8; nothing once it was retired
}

// Options are what a Service works with. All are needed.
type Options struct {
	Account string // the main one
	Store   store.Registries
	Master  secret.Bytes
	Random  io.Reader
	Now     func() time.Time
}

// Service signs. It is safe for concurrent use.
type Service struct {
	o      Options
	sealer *secret.Sealer

	mu         sync.Mutex // guards what follows; held over a change of the records, so that there is one
	records    []record
	generation int64
	private    *ecdsa.PrivateKey
}

// New opens the signer, and makes its key if there is none.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Account == "" || o.Store == nil || o.Random == nil || o.Now == nil {
		return nil, errors.New("a signer needs Account, Store, Master, Random and Now")
	}
	sealer, err := secret.NewSealer(o.Master, "signing keys", o.Random)
	if err != nil {
		return nil, err
	}
	s := &Service{o: o, sealer: sealer}
	if s.records, s.generation, err = load(ctx, o.Store, o.Account); err != nil {
		return nil, err
	}
	for _, r := range s.records {
		if !r.Until.IsZero() {
			continue
		}
		if s.private, err = s.open(r); err != nil {
			return nil, err
		}
	}
	if s.private == nil {
		return s, s.Rotate(ctx)
	}
	return s, nil
}

func registryOf(account string) store.Registry {
	return store.Registry{Name: registryName, Account: account}
}

// load reads all keys, the oldest first, and the generation of the registry.
func load(ctx context.Context, from store.Registries, account string) ([]record, int64, error) {
	entries, generation, err := from.LoadRegistry(ctx, registryOf(account))
	if err != nil {
		return nil, 0, fmt.Errorf("read the signing keys: %w", err)
	}
	var all []record
	for _, e := range entries {
		var r record
		if err := json.Unmarshal(e.Record, &r); err != nil {
			return nil, 0, fmt.Errorf("read a signing key: %w", err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b record) int { return a.Since.Compare(b.Since) })
	return all, generation, nil
}

// PublicPEM is the public halves of all keys that an installation has had, one behind the other, as Service.PEM has them; it needs no installation key, and makes nothing.
func PublicPEM(ctx context.Context, from store.Registries, account string) (string, error) {
	all, _, err := load(ctx, from, account)
	if err != nil {
		return "", err
	}
	return pemOf(all), nil
}

func pemOf(all []record) string {
	var out strings.Builder
	for _, r := range all {
		out.WriteString(r.PEM)
	}
	return out.String()
}

// open opens the private half of a key, and makes sure that it is that of the public one.
func (s *Service) open(r record) (*ecdsa.PrivateKey, error) {
	der, err := s.sealer.Open([]byte(r.ID), r.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", r.ID, err)
	}
	defer clear(der)
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: what was sealed is no key", r.ID)
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("open signing key %s: what was sealed is another kind of key", r.ID)
	}
	if id, err := provenance.KeyID(&key.PublicKey); err != nil || id != r.ID {
		return nil, fmt.Errorf("signing key %s is not the one that its id names", r.ID)
	}
	return key, nil
}

// Rotate makes a new key, which signs from now on, and destroys the private half of the one before, whose signatures stay good.
func (s *Service) Rotate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) >= MaxKeys {
		return fmt.Errorf("the installation has had %d signing keys, which is the most", MaxKeys)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), s.o.Random)
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	id, err := provenance.KeyID(&key.PublicKey)
	if err != nil {
		return err
	}
	text, err := provenance.MarshalKey(&key.PublicKey)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(der)
	sealed, err := s.sealer.Seal([]byte(id), der)
	if err != nil {
		return err
	}
	now := s.o.Now().UTC()
	next := slices.Clone(s.records)
	var changed []record
	for i := range next {
		if next[i].Until.IsZero() {
			next[i].Until, next[i].Sealed = now, nil
			changed = append(changed, next[i])
		}
	}
	made := record{Key{ID: id, PEM: text, Since: now}, sealed}
	next, changed = append(next, made), append(changed, made)
	var put []store.Entry
	for _, r := range changed {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		put = append(put, store.Entry{Kind: kind, ID: r.ID, Record: b})
	}
	generation, err := s.o.Store.ChangeRegistry(ctx, registryOf(s.o.Account), s.generation, put, nil)
	if err != nil {
		return fmt.Errorf("record a signing key: %w", err)
	}
	s.records, s.generation, s.private = next, generation, key
	return nil
}

// Keys are the public halves of all keys, the oldest first.
func (s *Service) Keys() []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Key
	for _, r := range s.records {
		out = append(out, r.Key)
	}
	return out
}

// PEM is the public halves of all keys, one behind the other.
func (s *Service) PEM() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pemOf(s.records)
}

// Sign states something: it returns the envelope of a statement, as one line of JSON without its end.
func (s *Service) Sign(statement *provenance.Statement) ([]byte, error) {
	text, err := json.Marshal(statement)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	key := s.private
	s.mu.Unlock()
	e, err := provenance.Sign(s.o.Random, provenance.PayloadType, text, key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(e)
}
