package oidc

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// TestAlgorithms verifies tokens of a peer, by every algorithm that is allowed.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	k := keysOnce()
	for _, alg := range algorithms {
		key, kid := any(k.rsa), "rsa"
		if e, ok := k.ec[string(alg)]; ok {
			key, kid = e, string(alg)
		}
		for _, kid := range []string{kid, ""} { // with no kid, any key that fits
			c, err := Verify(peer(t, string(alg), key, kid, claimsWith()), k.set, want)
			if err != nil || c.Subject != "repo:film/darkroom:ref:refs/heads/main" {
				t.Errorf("%s, kid %q: got %+v, %v", alg, kid, c, err)
			}
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	base := Claims{
		Issuer: testIssuer, Subject: "repo:film/darkroom:ref:refs/heads/main", Audience: []string{testClient},
		Expiry: testNow.Add(5 * time.Minute).UTC(), IssuedAt: testNow.Add(-10 * time.Second).UTC(),
	}
	with := func(change func(c *Claims)) Claims {
		c := base
		change(&c)
		return c
	}
	unix := func(d time.Duration) string { return fmt.Sprint(testNow.Add(d).Unix()) }
	tests := []struct {
		name  string
		token string
		want  Claims
	}{
		{"least", signed(), base},
		{"no typ, other parameters", craft(`{"alg":"RS256","kid":"rsa","x5t":"abc","nonce":"n"}`, claimsWith(), keysOnce().rsa), base},
		{"typ in small letters", craft(`{"alg":"RS256","kid":"rsa","typ":"jwt"}`, claimsWith(), keysOnce().rsa), base},
		{"typ in full", craft(`{"alg":"RS256","kid":"rsa","typ":"application/jwt"}`, claimsWith(), keysOnce().rsa), base},
		{"white space in the JSON", craft(" {\n\"alg\": \"RS256\" , \"kid\":\"rsa\"} ", " "+claimsWith()+"\n", keysOnce().rsa), base},
		{"unknown claims", signed("email", `"a@b"`, "nested", `{"a":[{"a":1},{"a":2}]}`), base},
		{"audience in a list", signed("aud", `["`+testClient+`"]`), base},
		{
			"two audiences, both ours", signed("aud", `["`+testClient+`","other-client"]`),
			with(func(c *Claims) { c.Audience = []string{testClient, "other-client"} }),
		},
		{
			"two audiences, azp ours", signed("aud", `["elsewhere","`+testClient+`"]`, "azp", `"`+testClient+`"`),
			with(func(c *Claims) { c.Audience, c.AuthorizedParty = []string{"elsewhere", testClient}, testClient }),
		},
		{
			"azp another client of ours", signed("azp", `"other-client"`),
			with(func(c *Claims) { c.AuthorizedParty = "other-client" }),
		},
		{"amr", signed("amr", `["pwd","otp"]`), with(func(c *Claims) { c.AuthenticationMethods = []string{"pwd", "otp"} })},
		{"amr empty", signed("amr", `[]`), with(func(c *Claims) { c.AuthenticationMethods = []string{} })},
		{"last second", signed("exp", unix(time.Second)), with(func(c *Claims) { c.Expiry = testNow.Add(time.Second).UTC() })},
		{"fractions", signed("exp", unix(time.Minute)+".75"), with(func(c *Claims) { c.Expiry = testNow.Add(time.Minute).UTC() })},
		{"exponent", signed("exp", "1.9e9"), with(func(c *Claims) { c.Expiry = time.Unix(1_900_000_000, 0).UTC() })},
		{"iat of a clock ahead", signed("iat", unix(MaxSkew)), with(func(c *Claims) { c.IssuedAt = testNow.Add(MaxSkew).UTC() })},
		{"nbf of a clock ahead", signed("nbf", unix(MaxSkew)), with(func(c *Claims) { c.NotBefore = testNow.Add(MaxSkew).UTC() })},
		{"source identity", signed(claimSourceIdentity, `"alice@example.com"`), with(func(c *Claims) { c.SourceIdentity = "alice@example.com" })},
		{
			"nested tags", signed(claimTags, `{"principal_tags":{"Project":["Automation"],"Cost Center":[""],"Größe":["x+y=z"]},"transitive_tag_keys":["Project"]}`),
			with(func(c *Claims) {
				c.PrincipalTags = map[string]string{"Project": "Automation", "Cost Center": "", "Größe": "x+y=z"}
				c.TransitiveTagKeys = []string{"Project"}
			}),
		},
		{"nested tags, none", signed(claimTags, `{}`), base},
		{
			"flattened tags", signed(claimPrincipalTag+"Project", `"Automation"`, claimPrincipalTag+"a/b", `["c"]`, claimTransitiveTags, `["a/b"]`),
			with(func(c *Claims) {
				c.PrincipalTags = map[string]string{"Project": "Automation", "a/b": "c"}
				c.TransitiveTagKeys = []string{"a/b"}
			}),
		},
	}
	for _, tt := range tests {
		got, err := Verify(tt.token, keysOnce().set, want)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestPeek(t *testing.T) {
	t.Parallel()
	// it trusts nothing: neither the signature nor the time matter
	issuer, kid, err := Peek(craft(`{"alg":"ES256","kid":"k 1"}`, `{"iss":"https://elsewhere.example"}`, []byte("no key")))
	if err != nil || issuer != "https://elsewhere.example" || kid != "k 1" {
		t.Errorf("got %q, %q, %v", issuer, kid, err)
	}
	if _, kid, err = Peek(craft(`{"alg":"ES256"}`, `{"iss":"https://elsewhere.example"}`, []byte("no key"))); err != nil || kid != "" {
		t.Errorf("no kid: got %q, %v", kid, err)
	}
}

// TestKeySet verifies with sets that have more than they need.
func TestKeySet(t *testing.T) {
	t.Parallel()
	k := keysOnce()
	member := func(key jose.JSONWebKey, more string) string {
		text, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:len(text)-1]) + more + "}"
	}
	good := jose.JSONWebKey{KeyID: "rsa", Key: &k.rsa.PublicKey}
	other := jose.JSONWebKey{KeyID: "rsa", Key: &k.other.PublicKey}
	ec := jose.JSONWebKey{KeyID: "rsa", Key: &k.ec["ES256"].PublicKey}
	private := jose.JSONWebKey{KeyID: "rsa", Key: k.rsa}
	tests := []struct {
		name string
		keys string
		want bool
	}{
		{"one", member(good, ""), true},
		{"members that are not known", member(good, `,"issuer":"x","x5c":["bm8gY2VydA=="],"x5t":"!","x5u":"::"`), true},
		{"key_ops", member(good, `,"key_ops":["verify"]`), true},
		{"a key of the same id and another type before it", member(ec, "") + "," + member(good, ""), true},
		{"a key of the same id and the same type before it", member(other, "") + "," + member(good, ""), true},
		{"keys that cannot be used before it", `{},{"kty":"RSA"},{"kty":"RSA","n":"AQ"},{"kty":"oct"},{"kty":"OKP","crv":"Ed25519","x":"AA"},{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"},{"kty":7},null,` + member(good, ""), true},
		{"use of another kind", member(good, `,"use":"enc"`), false},
		{"use malformed", member(good, `,"use":["sig"]`), false},
		{"key_ops of another kind", member(good, `,"key_ops":["encrypt"]`), false},
		{"alg of another kind", member(good, `,"alg":"RS512"`), false},
		{"alg malformed", member(good, `,"alg":256`), false},
		{"private", member(private, ""), false},
		{"a private part", member(good, `,"d":"AQ"`), false},
		{"symmetric", `{"kty":"oct","kid":"rsa","k":"AAAA"}`, false},
		{"a point that is not on the curve", `{"kty":"EC","kid":"rsa","crv":"P-256","x":"AQ","y":"AQ"}`, false},
		{"none", "", false},
	}
	for _, tt := range tests {
		if _, err := Verify(signed(), []byte(`{"keys":[`+tt.keys+`]}`), want); (err == nil) != tt.want {
			t.Errorf("%s: got %v, want accepted %t", tt.name, err, tt.want)
		}
	}
}
