package oidc

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode"
)

// verify is OpenID Connect Core section 3.1.3.7. The signature comes first: of a token that is not the provider's nothing more is said.
func (t *token) verify(keys []key, want Expectation) (Claims, error) {
	payload, err := t.signed(keys)
	if err != nil {
		return Claims{}, err
	}
	members, err := object(payload)
	if err != nil {
		return Claims{}, invalid("its claims cannot be read")
	}
	c, err := parseClaims(members)
	if err != nil {
		return Claims{}, err
	}
	if c.Issuer != want.Issuer {
		return Claims{}, invalid("it is of another issuer")
	}
	if !c.meantFor(want.Audiences) {
		return Claims{}, ErrAudience
	}
	switch {
	case !want.Now.Before(c.Expiry): // RFC 7519 section 4.1.4: "on or after"
		return Claims{}, ErrExpired
	case c.IssuedAt.After(want.Now.Add(MaxSkew)):
		return Claims{}, invalid("it is issued in the future")
	case c.NotBefore.After(want.Now.Add(MaxSkew)):
		return Claims{}, invalid("it is not valid yet")
	}
	return c, nil
}

// signed returns the payload, if a key has signed it: the key of the token's kid, or any if it names none. Sets may give one kid to keys of
// different types (RFC 7517 section 4.5).
func (t *token) signed(keys []key) ([]byte, error) {
	known := false
	for _, k := range keys {
		if t.kid != "" && k.id != t.kid {
			continue
		}
		known = true
		if !k.fits(t.alg) {
			continue
		}
		if payload, err := t.jws.Verify(k.public); err == nil {
			return payload, nil
		}
	}
	if t.kid == "" || !known {
		return nil, ErrKeyUnknown
	}
	return nil, invalid("its signature is not by the key that it names")
}

// meantFor is the rule for aud and azp (Core section 3.1.3.7, 3 to 5). A token that is also for others must say by azp that it was given to one
// of us: any of the others could present it.
func (c Claims) meantFor(clients []string) bool {
	ours := 0
	for _, a := range c.Audience {
		if slices.Contains(clients, a) {
			ours++
		}
	}
	if c.AuthorizedParty != "" {
		return ours > 0 && slices.Contains(clients, c.AuthorizedParty)
	}
	return ours > 0 && ours == len(c.Audience)
}

// parseClaims reads the claims that are known (Core section 2). Others are ignored.
func parseClaims(m map[string]json.RawMessage) (Claims, error) {
	var c Claims
	var ok bool
	if c.Issuer, ok = text(m["iss"], MaxIssuer); !ok {
		return Claims{}, invalid("it names no issuer")
	}
	if c.Subject, ok = text(m["sub"], MaxSubject); !ok || !printable(c.Subject) {
		return Claims{}, invalid("its subject is not a text of 1 to 255 bytes")
	}
	if one, single := text(m["aud"], MaxAudience); single {
		c.Audience = []string{one}
	} else if c.Audience, ok = texts(m["aud"], MaxAudience); !ok || len(c.Audience) == 0 {
		return Claims{}, invalid("its audience is not a text or a list of texts")
	}
	if raw, present := m["azp"]; present {
		if c.AuthorizedParty, ok = text(raw, MaxAudience); !ok {
			return Claims{}, invalid("its authorized party is not a text")
		}
	}
	if raw, present := m["amr"]; present {
		if c.AuthenticationMethods, ok = texts(raw, MaxAudience); !ok {
			return Claims{}, invalid("its authentication methods are not a list of texts")
		}
	}
	if c.Expiry, ok = numericDate(m["exp"]); !ok {
		return Claims{}, invalid("it does not say when it expires")
	}
	if c.IssuedAt, ok = numericDate(m["iat"]); !ok {
		return Claims{}, invalid("it does not say when it was issued")
	}
	if raw, present := m["nbf"]; present {
		if c.NotBefore, ok = numericDate(raw); !ok {
			return Claims{}, invalid("the time from which it is valid is malformed")
		}
	}
	if err := c.parseTags(m); err != nil {
		return Claims{}, err
	}
	return c, nil
}

// maxDate is the end of the year 9999 in seconds of Unix.
const maxDate = 253402300799

// numericDate reads a NumericDate (RFC 7519 section 2), a number of seconds; a fraction is cut off.
func numericDate(raw json.RawMessage) (time.Time, bool) {
	if len(raw) == 0 || raw[0] < '0' || raw[0] > '9' {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f > maxDate {
		return time.Time{}, false
	}
	return time.Unix(int64(math.Floor(f)), 0).UTC(), true
}

// printable says whether a text has no control character: it is shown in logs and ARNs.
func printable(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
