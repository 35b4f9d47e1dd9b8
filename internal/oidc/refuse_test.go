package oidc

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	k := keysOnce()
	good := claimsWith()
	token := signed()
	head, rest, _ := strings.Cut(token, ".")
	body, sig, _ := strings.Cut(rest, ".")
	public, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	own, err := json.Marshal(jose.JSONWebKey{Key: &k.other.PublicKey, KeyID: "rsa"})
	if err != nil {
		t.Fatal(err)
	}
	header := func(more string) string { return craft(`{"alg":"RS256","kid":"rsa"`+more+`}`, good, k.rsa) }
	by := func(alg, kid string, key any) string {
		return craft(fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, kid), good, key)
	}
	unix := func(d time.Duration) string { return fmt.Sprint(testNow.Add(d).Unix()) }
	many := strings.Repeat(`"a",`, MaxList)
	deep := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	tags := func(s string) string { return signed(claimTags, s) }
	fiftyOne := strings.Builder{}
	for i := range MaxTags + 1 {
		fmt.Fprintf(&fiftyOne, `"k%d":["v"],`, i)
	}
	changedSig := []byte(sig)
	if changedSig[10] = 'A'; sig[10] == 'A' {
		changedSig[10] = 'B'
	}
	tests := []struct {
		name  string
		token string
		want  error
	}{
		// the serialization
		{"empty", "", ErrInvalid},
		{"short", "a.b", ErrInvalid},
		{"huge", signed("x", `"`+strings.Repeat("x", MaxToken)+`"`), ErrInvalid},
		{"one part", head, ErrInvalid},
		{"two parts", head + "." + body, ErrInvalid},
		{"four parts", token + ".AAAA", ErrInvalid},
		{"five parts, encrypted", token + ".AAAA.AAAA", ErrInvalid},
		{"JSON serialization", `{"protected":"` + head + `","payload":"` + body + `","signature":"` + sig + `"}`, ErrInvalid},
		{"truncated", token[:len(token)-8], ErrInvalid},
		{"no signature", head + "." + body + ".", ErrInvalid},
		{"no payload", head + ".." + sig, ErrInvalid},
		{"no header", "." + body + "." + sig, ErrInvalid},
		{"padding", token + "==", ErrInvalid},
		{"line break", head + "." + body[:8] + "\n" + body[8:] + "." + sig, ErrInvalid},
		{"space before", " " + token, ErrInvalid},
		{"line break after", token + "\r\n", ErrInvalid},
		{"base64 of the other alphabet", head + "." + body + "." + strings.NewReplacer("-", "+", "_", "/").Replace(sig+"-_"), ErrInvalid},
		{"bits that mean nothing", token[:len(token)-1] + string(token[len(token)-1]+1), ErrInvalid},
		// the header
		{"header not JSON", craft(`alg: RS256`, good, k.rsa), ErrInvalid},
		{"header a list", craft(`[{"alg":"RS256"}]`, good, k.rsa), ErrInvalid},
		{"header null", craft(`null`, good, k.rsa), ErrInvalid},
		{"header and more", craft(`{"alg":"RS256","kid":"rsa"}{}`, good, k.rsa), ErrInvalid},
		{"no alg", craft(`{"kid":"rsa"}`, good, k.rsa), ErrInvalid},
		{"alg a list", craft(`{"alg":["RS256"],"kid":"rsa"}`, good, k.rsa), ErrInvalid},
		{"alg none", craft(`{"alg":"none"}`, good, nil), ErrInvalid},
		{"signature cut to three bytes", head + "." + body + "." + sig[:4], ErrInvalid},
		{"alg None", craft(`{"alg":"None","kid":"rsa"}`, good, k.rsa), ErrInvalid},
		{"alg in small letters", craft(`{"alg":"rs256","kid":"rsa"}`, good, k.rsa), ErrInvalid},
		{"Alg with a capital", craft(`{"Alg":"RS256","kid":"rsa"}`, good, k.rsa), ErrInvalid},
		{"HS256 with the public key in DER", by("HS256", "rsa", public), ErrInvalid},
		{"HS256 with the public key in PEM", by("HS256", "rsa", inPEM), ErrInvalid},
		{"HS512 with the modulus", by("HS512", "rsa", k.rsa.N.Bytes()), ErrInvalid},
		{"RS256 that is an HMAC", by("RS256", "rsa", inPEM), ErrInvalid},
		{"EdDSA", by("EdDSA", "rsa", k.rsa), ErrInvalid},
		{"PS512, not in the list", by("PS512", "rsa", k.rsa), ErrInvalid},
		{"RS1", by("RS1", "rsa", k.rsa), ErrInvalid},
		{"alg twice", craft(`{"alg":"RS256","alg":"none","kid":"rsa"}`, good, k.rsa), ErrInvalid},
		{"alg twice, once escaped", craft(`{"alg":"RS256","\u0061lg":"none","kid":"rsa"}`, good, k.rsa), ErrInvalid},
		{"crit", header(`,"crit":["exp"],"exp":1`), ErrInvalid},
		{"crit empty", header(`,"crit":[]`), ErrInvalid},
		{"crit null", header(`,"crit":null`), ErrInvalid},
		{"b64", header(`,"b64":false`), ErrInvalid},
		{"b64, critical", header(`,"b64":false,"crit":["b64"]`), ErrInvalid},
		{"its own key", craft(`{"alg":"RS256","jwk":`+string(own)+`}`, good, k.other), ErrInvalid},
		{"its own key and a kid of the set", craft(`{"alg":"RS256","kid":"rsa","jwk":`+string(own)+`}`, good, k.other), ErrInvalid},
		{"its own key, symmetric", header(`,"jwk":{"kty":"oct","k":"AAAA"}`), ErrInvalid},
		{"jku", header(`,"jku":"https://attacker.example/keys"`), ErrInvalid},
		{"jku of the issuer", header(`,"jku":"` + testIssuer + `/keys"`), ErrInvalid},
		{"x5u", header(`,"x5u":"https://attacker.example/cert"`), ErrInvalid},
		{"x5c", header(`,"x5c":["AAAA"]`), ErrInvalid},
		{"cty, nested", craft(`{"alg":"RS256","kid":"rsa","cty":"JWT"}`, token, k.rsa), ErrInvalid},
		{"nested without cty", craft(`{"alg":"RS256","kid":"rsa"}`, `"`+token+`"`, k.rsa), ErrInvalid},
		{"enc", header(`,"enc":"A128GCM"`), ErrInvalid},
		{"zip", header(`,"zip":"DEF"`), ErrInvalid},
		{"an access token", header(`,"typ":"at+jwt"`), ErrInvalid},
		{"a logout token", header(`,"typ":"logout+jwt"`), ErrInvalid},
		{"typ a number", header(`,"typ":1`), ErrInvalid},
		{"kid empty", craft(`{"alg":"RS256","kid":""}`, good, k.rsa), ErrInvalid},
		{"kid null", craft(`{"alg":"RS256","kid":null}`, good, k.rsa), ErrInvalid},
		{"kid a number", craft(`{"alg":"RS256","kid":1}`, good, k.rsa), ErrInvalid},
		{"kid long", by("RS256", strings.Repeat("k", MaxKeyID+1), k.rsa), ErrInvalid},
		// the signature
		{"kid not in the set", by("RS256", "elsewhere", k.rsa), ErrKeyUnknown},
		{"kid a path", by("RS256", "../../dev/null", k.rsa), ErrKeyUnknown},
		{"kid in capitals", by("RS256", "RSA", k.rsa), ErrKeyUnknown},
		{"no kid, key not in the set", craft(`{"alg":"RS256"}`, good, k.other), ErrKeyUnknown},
		{"by another key", by("RS256", "rsa", k.other), ErrInvalid},
		{"by another key of the set", by("RS256", "ES256", k.rsa), ErrInvalid},
		{"RSA, 1024 bits", by("RS256", "weak", k.weak), ErrKeyUnknown},
		{"RSA, 1024 bits, no kid", craft(`{"alg":"RS256"}`, good, k.weak), ErrKeyUnknown},
		{"key for encryption", by("RS256", "encryption", k.rsa), ErrKeyUnknown},
		{"key for RS384 alone", by("RS256", "only-384", k.rsa), ErrInvalid},
		{"key for RS384, PS256", by("PS256", "only-384", k.rsa), ErrInvalid},
		{"EC key with an RSA algorithm", by("RS256", "ES256", k.ec["ES256"]), ErrInvalid},
		{"RSA key with an EC algorithm", by("ES256", "rsa", k.rsa), ErrInvalid},
		{"P-384 with ES256", by("ES256", "ES384", k.ec["ES384"]), ErrInvalid},
		{"P-256 with ES512", by("ES512", "ES256", k.ec["ES256"]), ErrInvalid},
		{"PKCS #1 v1.5 said to be PSS", craft(`{"alg":"PS256","kid":"rsa"}`, good, pkcs1{k.rsa}), ErrInvalid},
		{"alg changed after signing", b64([]byte(`{"alg":"PS256","kid":"rsa"}`)) + "." + body + "." + sig, ErrInvalid},
		{"payload altered", head + "." + b64([]byte(claimsWith("sub", `"root"`))) + "." + sig, ErrInvalid},
		{"header altered", b64([]byte(`{"kid":"rsa","alg":"RS256"}`)) + "." + body + "." + sig, ErrInvalid},
		{"signature altered", head + "." + body + "." + string(changedSig), ErrInvalid},
		{"signature of another token", head + "." + body + "." + strings.Split(signed("sub", `"x"`), ".")[2], ErrInvalid},
		{"signature of zeros", by("ES256", "ES256", nil) + b64(make([]byte, 64)), ErrInvalid},
		{"signature of zeros, RSA", by("RS256", "rsa", nil) + b64(make([]byte, 256)), ErrInvalid},
		{"signature of one byte", head + "." + body + ".AA", ErrInvalid},
		// the claims
		{"claims not JSON", craft(`{"alg":"RS256","kid":"rsa"}`, "hello", k.rsa), ErrInvalid},
		{"claims not UTF-8", signed("x", "\"\xff\""), ErrInvalid},
		{"claims not UTF-8, raw", craft(`{"alg":"RS256","kid":"rsa"}`, strings.Replace(good, "repo:", "repo:\xff", 1), k.rsa), ErrInvalid},
		{"claims a list", craft(`{"alg":"RS256","kid":"rsa"}`, "["+good+"]", k.rsa), ErrInvalid},
		{"claims and more", craft(`{"alg":"RS256","kid":"rsa"}`, good+"{}", k.rsa), ErrInvalid},
		{"claims twice, the same", craft(`{"alg":"RS256","kid":"rsa"}`, `{"sub":"root",`+good[1:], k.rsa), ErrInvalid},
		{"claims twice, within", signed("x", `{"a":1,"a":1}`), ErrInvalid},
		{"claims twice, in a list", signed("x", `[{"a":{"b":1,"b":2}}]`), ErrInvalid},
		{"claims nested too deeply", signed("x", deep), ErrInvalid},
		{"no issuer", signed("iss", ""), ErrInvalid},
		{"issuer null", signed("iss", "null"), ErrInvalid},
		{"issuer a list", signed("iss", `["`+testIssuer+`"]`), ErrInvalid},
		{"issuer with a capital name", signed("iss", "", "Iss", `"`+testIssuer+`"`), ErrInvalid},
		{"issuer long", signed("iss", `"https://`+strings.Repeat("a", MaxIssuer)+`"`), ErrInvalid},
		{"issuer with a slash at the end", signed("iss", `"`+testIssuer+`/"`), ErrInvalid},
		{"issuer in capitals", signed("iss", `"HTTPS://ID.EXAMPLE.COM/realm"`), ErrInvalid},
		{"issuer with its port", signed("iss", `"https://id.example.com:443/realm"`), ErrInvalid},
		{"issuer that only begins so", signed("iss", `"`+testIssuer+`.attacker.example"`), ErrInvalid},
		{"issuer without its scheme", signed("iss", `"id.example.com/realm"`), ErrInvalid},
		{"issuer with a look-alike letter", signed("iss", `"https://id.ехample.com/realm"`), ErrInvalid},
		{"issuer with a letter without width", signed("iss", `"`+testIssuer+"\u200b"+`"`), ErrInvalid},
		{"issuer with a NUL", signed("iss", `"`+testIssuer+`\u0000"`), ErrInvalid},
		{"no subject", signed("sub", ""), ErrInvalid},
		{"subject empty", signed("sub", `""`), ErrInvalid},
		{"subject a number", signed("sub", `12`), ErrInvalid},
		{"subject long", signed("sub", `"`+strings.Repeat("s", MaxSubject+1)+`"`), ErrInvalid},
		{"subject with a line break", signed("sub", `"a\nb"`), ErrInvalid},
		{"no audience", signed("aud", ""), ErrInvalid},
		{"audience empty", signed("aud", `""`), ErrInvalid},
		{"audience an empty list", signed("aud", `[]`), ErrInvalid},
		{"audience an object", signed("aud", `{"`+testClient+`":true}`), ErrInvalid},
		{"audience a list with a number", signed("aud", `["`+testClient+`",1]`), ErrInvalid},
		{"audience a list in a list", signed("aud", `[["`+testClient+`"]]`), ErrInvalid},
		{"audience a long list", signed("aud", `[`+many+`"`+testClient+`"]`), ErrInvalid},
		{"another audience", signed("aud", `"elsewhere"`), ErrAudience},
		{"other audiences", signed("aud", `["elsewhere","nowhere"]`), ErrAudience},
		{"audience in capitals", signed("aud", `"STS.AMAZONAWS.COM"`), ErrAudience},
		{"audience that only begins so", signed("aud", `"`+testClient+`.cn"`), ErrAudience},
		{"audience in one text", signed("aud", `"other-client `+testClient+`"`), ErrAudience},
		{"ours and another, no azp", signed("aud", `["`+testClient+`","elsewhere"]`), ErrAudience},
		{"ours and another, azp the other", signed("aud", `["`+testClient+`","elsewhere"]`, "azp", `"elsewhere"`), ErrAudience},
		{"azp elsewhere", signed("azp", `"elsewhere"`), ErrAudience},
		{"azp ours, audience elsewhere", signed("aud", `"elsewhere"`, "azp", `"`+testClient+`"`), ErrAudience},
		{"azp empty", signed("azp", `""`), ErrInvalid},
		{"azp a list", signed("azp", `["`+testClient+`"]`), ErrInvalid},
		{"amr a text", signed("amr", `"pwd"`), ErrInvalid},
		{"expired", signed("exp", unix(-time.Hour)), ErrExpired},
		{"expired a second ago", signed("exp", unix(-time.Second)), ErrExpired},
		{"expires now", signed("exp", unix(0)), ErrExpired},
		{"expires within this second", signed("exp", unix(0)+".9"), ErrExpired},
		{"expired in 1970", signed("exp", "0"), ErrExpired},
		{"no expiry", signed("exp", ""), ErrInvalid},
		{"expiry a text", signed("exp", `"`+unix(time.Hour)+`"`), ErrInvalid},
		{"expiry null", signed("exp", "null"), ErrInvalid},
		{"expiry negative", signed("exp", "-1"), ErrInvalid},
		{"expiry after the year 9999", signed("exp", "1e12"), ErrInvalid},
		{"expiry beyond numbers", signed("exp", "1e999"), ErrInvalid},
		{"no iat", signed("iat", ""), ErrInvalid},
		{"iat in the future", signed("iat", unix(MaxSkew+time.Second)), ErrInvalid},
		{"nbf in the future", signed("nbf", unix(MaxSkew+time.Second)), ErrInvalid},
		{"nbf a text", signed("nbf", `"0"`), ErrInvalid},
		// the claims of AWS
		{"source identity empty", signed(claimSourceIdentity, `""`), ErrInvalid},
		{"source identity of one letter", signed(claimSourceIdentity, `"a"`), ErrInvalid},
		{"source identity with a space", signed(claimSourceIdentity, `"a b"`), ErrInvalid},
		{"source identity with a line break at the end", signed(claimSourceIdentity, `"ab\n"`), ErrInvalid},
		{"source identity long", signed(claimSourceIdentity, `"`+strings.Repeat("a", 65)+`"`), ErrInvalid},
		{"tags a list", tags(`[{"principal_tags":{}}]`), ErrInvalid},
		{"tags null", tags(`null`), ErrInvalid},
		{"tags, principal_tags null", tags(`{"principal_tags":null}`), ErrInvalid},
		{"tag with two values", tags(`{"principal_tags":{"a":["b","c"]}}`), ErrInvalid},
		{"tag without a value", tags(`{"principal_tags":{"a":[]}}`), ErrInvalid},
		{"tag null", tags(`{"principal_tags":{"a":[null]}}`), ErrInvalid},
		{"tag a number", tags(`{"principal_tags":{"a":[1]}}`), ErrInvalid},
		{"tag key empty", tags(`{"principal_tags":{"":["b"]}}`), ErrInvalid},
		{"tag key empty, flattened", signed(claimPrincipalTag, `"b"`), ErrInvalid},
		{"tag key reserved", tags(`{"principal_tags":{"AWS:x":["b"]}}`), ErrInvalid},
		{"tag key with a star", tags(`{"principal_tags":{"a*":["b"]}}`), ErrInvalid},
		{"tag key long", tags(`{"principal_tags":{"` + strings.Repeat("k", 129) + `":["b"]}}`), ErrInvalid},
		{"tag value long", tags(`{"principal_tags":{"a":["` + strings.Repeat("v", 257) + `"]}}`), ErrInvalid},
		{"tag value with a line break", tags(`{"principal_tags":{"a":["b\n"]}}`), ErrInvalid},
		{"tag keys that differ in case alone", tags(`{"principal_tags":{"Dept":["a"],"dept":["b"]}}`), ErrInvalid},
		{"fifty-one tags", tags(`{"principal_tags":{` + strings.TrimSuffix(fiftyOne.String(), ",") + `}}`), ErrInvalid},
		{"transitive key that is no tag", tags(`{"principal_tags":{"a":["b"]},"transitive_tag_keys":["c"]}`), ErrInvalid},
		{"transitive key twice", tags(`{"principal_tags":{"a":["b"]},"transitive_tag_keys":["a","a"]}`), ErrInvalid},
		{"transitive keys a text", tags(`{"principal_tags":{"a":["b"]},"transitive_tag_keys":"a"}`), ErrInvalid},
		{"tags in both forms", signed(claimTags, `{"principal_tags":{"a":["b"]}}`, claimPrincipalTag+"c", `"d"`), ErrInvalid},
	}
	kinds := map[error]bool{ErrInvalid: true, ErrExpired: true, ErrAudience: true, ErrKeyUnknown: true}
	for _, tt := range tests {
		c, err := Verify(tt.token, k.set, want)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			continue
		}
		for kind := range kinds {
			if kind != tt.want && kind != ErrInvalid && errors.Is(err, kind) {
				t.Errorf("%s: %v is %v too", tt.name, err, kind)
			}
		}
		if c.Issuer != "" || c.Subject != "" || c.Audience != nil || c.PrincipalTags != nil {
			t.Errorf("%s: refused, and claims %+v came back", tt.name, c)
		}
		for _, part := range strings.Split(tt.token, ".") {
			if len(part) > 8 && strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error shows the token: %v", tt.name, err)
			}
		}
		for _, word := range []string{"example.com", "repo:", "root", "attacker", testClient, "invalid character"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error shows %q: %v", tt.name, word, err)
			}
		}
	}
	t.Logf("%d refusals", len(tests))
}

// TestExpectation shows that what is not wanted is refused.
func TestExpectation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		want Expectation
		err  error
	}{
		{"zero", Expectation{}, ErrInvalid},
		{"no issuer", Expectation{Audiences: want.Audiences, Now: testNow}, ErrInvalid},
		{"no audience", Expectation{Issuer: testIssuer, Now: testNow}, ErrAudience},
		{"empty audience", Expectation{Issuer: testIssuer, Audiences: []string{""}, Now: testNow}, ErrAudience},
		{"no time", Expectation{Issuer: testIssuer, Audiences: want.Audiences}, ErrInvalid},
		{"later", Expectation{Issuer: testIssuer, Audiences: want.Audiences, Now: testNow.Add(time.Hour)}, ErrExpired},
	} {
		if _, err := Verify(signed(), keysOnce().set, tt.want); !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.err)
		}
	}
}

func TestPeekRefuses(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "a.b.c", craft(`{"alg":"none"}`, claimsWith(), nil), signed("iss", "7")} {
		if issuer, kid, err := Peek(token); !errors.Is(err, ErrInvalid) || issuer != "" || kid != "" {
			t.Errorf("%.20q: got %q, %q, %v", token, issuer, kid, err)
		}
	}
}

func TestKeySetRefuses(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]string{
		"empty": "", "not JSON": "<html>", "a list": "[]", "null": "null", "no keys": "{}", "keys null": `{"keys":null}`,
		"keys an object": `{"keys":{}}`, "keys texts": `{"keys":["a"]}`, "keys twice": `{"keys":[],"keys":[]}`,
		"kid twice":     `{"keys":[{"kid":"a","kid":"b"}]}`,
		"too many keys": `{"keys":[` + strings.Repeat("{},", MaxKeys) + `{}]}`,
		"too large":     `{"keys":[]}` + strings.Repeat(" ", MaxKeySet),
		"and more":      string(keysOnce().set) + "x",
	} {
		if _, err := Verify(signed(), []byte(set), want); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestHostileKeys shows that no key of a set makes anything panic or verify.
func TestHostileKeys(t *testing.T) {
	t.Parallel()
	n := b64(keysOnce().rsa.N.Bytes())
	even := bytes.Repeat([]byte{0xfe}, 256)
	for name, key := range map[string]string{
		"exponent 1":     `{"kty":"RSA","kid":"rsa","n":"` + n + `","e":"AQ"}`,
		"exponent 2":     `{"kty":"RSA","kid":"rsa","n":"` + n + `","e":"Ag"}`,
		"exponent 0":     `{"kty":"RSA","kid":"rsa","n":"` + n + `","e":"AA"}`,
		"exponent large": `{"kty":"RSA","kid":"rsa","n":"` + n + `","e":"f_______"}`,
		"exponent huge":  `{"kty":"RSA","kid":"rsa","n":"` + n + `","e":"` + n + `"}`,
		"modulus even":   `{"kty":"RSA","kid":"rsa","n":"` + b64(even) + `","e":"AQAB"}`,
		"modulus huge":   `{"kty":"RSA","kid":"rsa","n":"` + b64(bytes.Repeat([]byte{0xff}, 8192)) + `","e":"AQAB"}`,
		"modulus empty":  `{"kty":"RSA","kid":"rsa","n":"","e":"AQAB"}`,
		"no exponent":    `{"kty":"RSA","kid":"rsa","n":"` + n + `"}`,
		"point at zero":  `{"kty":"EC","kid":"rsa","crv":"P-256","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(make([]byte, 32)) + `"}`,
	} {
		for _, token := range []string{signed(), craft(`{"alg":"ES256","kid":"rsa"}`, claimsWith(), keysOnce().ec["ES256"])} {
			if _, err := Verify(token, []byte(`{"keys":[`+key+`]}`), want); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}
