package oidc

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// token is one that is well formed. Nothing of it is verified.
type token struct {
	jws    *jose.JSONWebSignature
	alg    jose.SignatureAlgorithm
	kid    string // empty if there is none
	issuer string
}

// refusedHeaders are the header parameters that a token may not have (RFC 7515 section 4.1).
var refusedHeaders = []struct{ name, reason string }{
	{"crit", "its header has critical extensions"}, // none is understood: section 4.1.11
	{"b64", "its payload is not encoded"},          // RFC 7797
	{"jwk", "its header brings its own key"},
	{"jku", "its header brings its own key"},
	{"x5c", "its header brings its own key"},
	{"x5u", "its header brings its own key"},
	{"cty", "it wraps another token"}, // RFC 7519 section 5.2
	{"enc", "it is encrypted"},
	{"zip", "it is compressed"},
}

// parse reads a token in the compact serialization (RFC 7515 section 7.1), strictly.
func parse(s string) (*token, error) {
	if len(s) < MinToken || len(s) > MaxToken {
		return nil, invalid("its length is not from 4 to 20000")
	}
	parts := strings.SplitN(s, ".", 4)
	if len(parts) != 3 {
		return nil, invalid("it does not have three parts")
	}
	var decoded [3][]byte
	for i, p := range parts {
		var ok bool
		if decoded[i], ok = decode(p); !ok {
			return nil, invalid("a part of it is not base64url")
		}
	}
	t, err := parseHeader(decoded[0])
	if err != nil {
		return nil, err
	}
	members, err := object(decoded[1])
	if err != nil {
		return nil, invalid("its claims cannot be read: " + err.Error())
	}
	var ok bool
	if t.issuer, ok = text(members["iss"], MaxIssuer); !ok {
		return nil, invalid("it names no issuer")
	}
	if t.jws, err = jose.ParseSignedCompact(s, algorithms); err != nil {
		return nil, invalid("it is malformed") // the library's error may quote the token
	}
	return t, nil
}

// decode reads base64url as RFC 7515 section 2 has it: without padding, white space, or bits that mean nothing, so that a token has one spelling.
func decode(s string) ([]byte, bool) {
	if s == "" || strings.ContainsAny(s, "\r\n") { // which the standard library skips
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// parseHeader reads the JOSE header. Parameters that are not known are ignored (RFC 7515 section 4).
func parseHeader(b []byte) (*token, error) {
	members, err := object(b)
	if err != nil {
		return nil, invalid("its header cannot be read: " + err.Error())
	}
	for _, h := range refusedHeaders {
		if _, ok := members[h.name]; ok {
			return nil, invalid(h.reason)
		}
	}
	alg, ok := text(members["alg"], MaxKeyID)
	if !ok || !slices.Contains(algorithms, jose.SignatureAlgorithm(alg)) {
		return nil, invalid("its signature algorithm is not one of RS256, RS384, RS512, PS256, ES256, ES384, ES512")
	}
	if raw, ok := members["typ"]; ok && !plainType(raw) {
		return nil, invalid("its type is not JWT")
	}
	t := &token{alg: jose.SignatureAlgorithm(alg)}
	if raw, ok := members["kid"]; ok {
		if t.kid, ok = text(raw, MaxKeyID); !ok {
			return nil, invalid("its key id is not a text of 1 to 1024 bytes")
		}
	}
	return t, nil
}

// plainType says whether typ is that of a JWT. Those of other kinds (at+jwt, logout+jwt, dpop+jwt) may be signed with the same keys, and are no
// ID tokens (RFC 8725 section 3.12).
func plainType(raw json.RawMessage) bool {
	typ, ok := text(raw, MaxKeyID)
	return ok && (strings.EqualFold(typ, "JWT") || strings.EqualFold(typ, "application/jwt"))
}
