package oidc

import (
	"errors"
	"strings"
	"testing"
)

// ours says whether an error is one of the package's.
func ours(err error) bool {
	for _, e := range []error{ErrInvalid, ErrExpired, ErrAudience, ErrKeyUnknown, ErrUnreachable} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func FuzzPeek(f *testing.F) {
	f.Add(signed())
	f.Add(craft(`{"alg":"none"}`, claimsWith(), nil))
	f.Add(craft(`{"alg":"ES256","kid":"a","crit":["b64"],"b64":false}`, `{"iss":"x"}`, []byte("x")))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		issuer, kid, err := Peek(token)
		switch {
		case err != nil && (!errors.Is(err, ErrInvalid) || issuer != "" || kid != ""):
			t.Errorf("got %q, %q, %v", issuer, kid, err)
		case err == nil && (issuer == "" || len(issuer) > MaxIssuer || len(kid) > MaxKeyID || strings.Count(token, ".") != 2):
			t.Errorf("got %q, %q", issuer, kid)
		}
	})
}

// FuzzVerify gives the header and claims of tokens, signed truly, and any key set: what is accepted must be as wanted.
// Signing is random, so that coverage differs from run to run: run it with -fuzzminimizetime 1x.
func FuzzVerify(f *testing.F) {
	f.Add(`{"alg":"RS256","kid":"rsa"}`, claimsWith(), keysOnce().set)
	f.Add(`{"alg":"ES256"}`, claimsWith(claimTags, `{"principal_tags":{"a":["b"]},"transitive_tag_keys":["a"]}`), keysOnce().set)
	f.Add(`{"alg":"RS256","kid":"rsa"}`, claimsWith("aud", `["a","sts.amazonaws.com"]`, "azp", `"x"`), []byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQ"}]}`))
	f.Fuzz(func(t *testing.T, header, claims string, set []byte) {
		signer := any(keysOnce().rsa)
		if strings.Contains(header, `"ES256"`) {
			signer = keysOnce().ec["ES256"]
		}
		for _, s := range [][]byte{set, keysOnce().set} {
			c, err := Verify(craft(header, claims, signer), s, want)
			if err != nil {
				if !ours(err) {
					t.Errorf("got %v", err)
				}
				continue
			}
			if c.Issuer != testIssuer || c.Subject == "" || !c.meantFor(want.Audiences) || !c.Expiry.After(testNow) || len(c.PrincipalTags) > MaxTags {
				t.Errorf("accepted %+v", c)
			}
		}
	})
}

func FuzzParseDiscovery(f *testing.F) {
	f.Add([]byte(`{"issuer":"` + testIssuer + `","jwks_uri":"https://id.example.com/keys"}`))
	f.Add([]byte(`{"issuer":"` + testIssuer + `","jwks_uri":"https://a@b/#c"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		uri, err := ParseDiscovery(doc, testIssuer)
		if err != nil && (!errors.Is(err, ErrUnreachable) || uri != "") || err == nil && !strings.HasPrefix(strings.ToLower(uri), "https://") {
			t.Errorf("got %q, %v", uri, err)
		}
	})
}
