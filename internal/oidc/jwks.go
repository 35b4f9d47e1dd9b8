package oidc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// key is one that signatures can be verified with.
type key struct {
	id, alg string // kid, alg; empty if there is none
	public  any    // *rsa.PublicKey or *ecdsa.PublicKey
}

// parts are the members that make up a public key (RFC 7518 section 6). Nothing else of a key is shown to the library.
var parts = map[string][]string{
	"RSA": {"kty", "n", "e"},
	"EC":  {"kty", "crv", "x", "y"},
}

// private are the members that only private and symmetric keys have (RFC 7518 section 6).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// parseKeys reads a JWK set (RFC 7517 section 5). Keys that cannot be used are passed over: other kinds of key, those for another use, weak ones,
// and those whose private half is in the set for all to see. The error is ErrUnreachable.
func parseKeys(doc []byte) ([]key, error) {
	if len(doc) > MaxKeySet {
		return nil, fmt.Errorf("%w: the key set is larger than %d bytes", ErrUnreachable, MaxKeySet)
	}
	members, err := object(doc)
	if err != nil {
		return nil, fmt.Errorf("%w: read the key set: %w", ErrUnreachable, err)
	}
	var list []map[string]json.RawMessage
	raw := members["keys"]
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("%w: the key set has no list of keys", ErrUnreachable)
	}
	if len(list) > MaxKeys {
		return nil, fmt.Errorf("%w: the key set has more than %d keys", ErrUnreachable, MaxKeys)
	}
	var keys []key
	for _, m := range list {
		if k, err := parseKey(m); err == nil {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// parseKey reads one key; the error says why it cannot be used.
func parseKey(m map[string]json.RawMessage) (key, error) {
	var k key
	for name, to := range map[string]*string{"kid": &k.id, "alg": &k.alg} {
		if raw, ok := m[name]; ok {
			if *to, ok = text(raw, MaxKeyID); !ok {
				return key{}, fmt.Errorf("its %s is malformed", name)
			}
		}
	}
	if raw, ok := m["use"]; ok { // RFC 7517 section 4.2
		if use, _ := text(raw, MaxKeyID); use != "sig" {
			return key{}, errors.New("it is not for signatures")
		}
	}
	if raw, ok := m["key_ops"]; ok { // RFC 7517 section 4.3
		if ops, _ := texts(raw, MaxKeyID); !slices.Contains(ops, "verify") {
			return key{}, errors.New("it is not for verifying")
		}
	}
	for _, name := range private {
		if _, ok := m[name]; ok {
			return key{}, errors.New("it is not public")
		}
	}
	kind, _ := text(m["kty"], MaxKeyID)
	names := parts[kind]
	if names == nil {
		return key{}, errors.New("its type is not RSA or EC")
	}
	public := map[string]json.RawMessage{}
	for _, name := range names {
		public[name] = m[name]
	}
	plain, err := json.Marshal(public)
	if err != nil {
		return key{}, err
	}
	var read jose.JSONWebKey
	if err := read.UnmarshalJSON(plain); err != nil {
		return key{}, err
	}
	if r, ok := read.Key.(*rsa.PublicKey); ok && r.N.BitLen() < MinRSA {
		return key{}, fmt.Errorf("it has less than %d bits", MinRSA)
	}
	k.public = read.Key
	return k, nil
}

// fits says whether a key is one for an algorithm (RFC 8725 section 3.1: one key, one algorithm, where the key says so).
func (k key) fits(alg jose.SignatureAlgorithm) bool {
	if k.alg != "" && k.alg != string(alg) {
		return false
	}
	if p, ok := k.public.(*ecdsa.PublicKey); ok {
		return alg == curves[p.Curve.Params().Name]
	}
	return slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256}, alg)
}

// curves have one algorithm each (RFC 7518 section 3.4).
var curves = map[string]jose.SignatureAlgorithm{"P-256": jose.ES256, "P-384": jose.ES384, "P-521": jose.ES512}
