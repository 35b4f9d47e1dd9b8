package trail

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"darkroom/internal/digest"
	"darkroom/internal/registry"
	"darkroom/internal/store"
)

const (
	// keySlack is how long before its making a key is said to be valid, so that a clock that was set back leaves no digest without a valid key.
	keySlack = 24 * time.Hour
	// keyKept is how long behind its life a private key is kept, for digests of periods that are caught up. The public one is kept for ever.
	keyKept = 90 * 24 * time.Hour
)

// trailKey is a key of the installation that digests are signed with.
type trailKey struct {
	digest.Key
	Since  time.Time `json:"since"`            // the end of the first digest that it may sign
	Sealed []byte    `json:"sealed,omitempty"` // the private key, PKCS #8; nil when it was destroyed
}

// keyring is all of them, the oldest first.
type keyring struct{ keys []trailKey }

func readKeys(_ string, _ int64, entries []store.Entry) (*keyring, error) {
	r := new(keyring)
	for _, e := range entries {
		var k trailKey
		if err := json.Unmarshal(e.Record, &k); err != nil {
			return nil, fmt.Errorf("read trail key %s: %w", e.ID, err)
		}
		r.keys = append(r.keys, k)
	}
	slices.SortFunc(r.keys, func(a, b trailKey) int { return a.Since.Compare(b.Since) })
	return r, nil
}

func (s *Service) keyBound(fingerprint string) []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s", s.o.Accounts[0], keysName, fingerprint)
}

// at returns the key that signs the digest that ends at a time: of those that can sign the newest that was there then, or else the oldest. Nil says that
// another must be made.
func (r *keyring) at(end time.Time) *trailKey {
	var found *trailKey
	for i := range r.keys {
		if k := &r.keys[i]; k.Sealed != nil && (found == nil || !k.Since.After(end)) {
			found = k
		}
	}
	if found == nil || found == &r.keys[len(r.keys)-1] && !end.Before(found.Until) {
		return nil
	}
	return found
}

// signer returns the key that signs the digest that ends at a time, and its public half. A key that has lived long enough is followed by a new one.
func (s *Service) signer(ctx context.Context, end time.Time) (*rsa.PrivateKey, digest.Key, error) {
	main := s.o.Accounts[0]
	v, err := s.keys.View(ctx, main)
	if err != nil {
		return nil, digest.Key{}, err
	}
	k := v.at(end)
	if k == nil {
		if k, err = s.makeKey(ctx, end); err != nil {
			return nil, digest.Key{}, fmt.Errorf("make a trail key: %w", err)
		}
	}
	der, err := s.o.Sealer.Open(s.keyBound(k.Fingerprint), k.Sealed)
	if err != nil {
		return nil, digest.Key{}, fmt.Errorf("open trail key %s: %w", k.Fingerprint, err)
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || digest.NewKey(&private.PublicKey).Fingerprint != k.Fingerprint {
		return nil, digest.Key{}, fmt.Errorf("trail key %s is not what was sealed", k.Fingerprint)
	}
	return private, k.Key, nil
}

// makeKey makes the key that signs from a time on, unless somebody else just has. Old keys whose time to catch up is over are destroyed with it.
func (s *Service) makeKey(ctx context.Context, since time.Time) (*trailKey, error) {
	private, err := rsa.GenerateKey(s.o.Random, digest.KeyBits)
	if err != nil {
		return nil, err
	}
	k := trailKey{Key: digest.NewKey(&private.PublicKey), Since: since.UTC()}
	k.From, k.Until = k.Since.Add(-keySlack), k.Since.Add(s.o.KeyLife)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	if k.Sealed, err = s.o.Sealer.Seal(s.keyBound(k.Fingerprint), der); err != nil {
		return nil, err
	}
	made := &k
	err = s.keys.Change(ctx, s.o.Accounts[0], func(v *keyring) (registry.Change[*keyring], error) {
		if other := v.at(since); other != nil {
			made = other
			return registry.Change[*keyring]{}, nil
		}
		made = &k
		next := &keyring{append(slices.Clone(v.keys), k)}
		slices.SortFunc(next.keys, func(a, b trailKey) int { return a.Since.Compare(b.Since) })
		var put []store.Entry
		for i := range next.keys {
			old := &next.keys[i]
			if old.Sealed != nil && old.Until.Add(keyKept).Before(since) {
				old.Sealed = nil
			}
			text, err := json.Marshal(old)
			if err != nil {
				return registry.Change[*keyring]{}, err
			}
			put = append(put, store.Entry{Kind: entryKey, ID: old.Fingerprint, Record: text})
		}
		return registry.Change[*keyring]{Put: put, Next: func(int64) *keyring { return next }}, nil
	})
	if err == nil {
		s.o.Log.Info("a key signs the digests of trails from now on; its public half is what cloudtrail list-public-keys answers", "fingerprint", made.Fingerprint, "since", made.Since)
	}
	return made, err
}

// Keys returns the public keys of digests that end from one time to another, the oldest first.
func (s *Service) Keys(ctx context.Context, from, until time.Time) ([]digest.Key, error) {
	v, err := s.keys.View(ctx, s.o.Accounts[0])
	if err != nil {
		return nil, err
	}
	var out []digest.Key
	for i := range v.keys {
		k := v.keys[i].Key
		if i == len(v.keys)-1 && k.Until.Before(s.o.Now()) {
			k.Until = s.o.Now().Add(s.o.DigestPeriod) // it signs until a digest needs another
		}
		if !k.From.After(until) && !k.Until.Before(from) {
			out = append(out, k)
		}
	}
	return out, nil
}
