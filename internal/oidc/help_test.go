package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	testIssuer = "https://id.example.com/realm"
	testClient = "sts.amazonaws.com"
)

// testNow is when the tests are; claims are made around it.
var testNow = time.Unix(1_800_000_000, 0)

var want = Expectation{Issuer: testIssuer, Audiences: []string{"other-client", testClient}, Now: testNow}

// testKeys are made once: RSA keys take a while.
type testKeys struct {
	rsa, other, weak *rsa.PrivateKey
	ec               map[string]*ecdsa.PrivateKey // by algorithm
	set              []byte
}

var keysOnce = sync.OnceValue(func() *testKeys {
	k := &testKeys{ec: map[string]*ecdsa.PrivateKey{}}
	var err error
	for to, bits := range map[**rsa.PrivateKey]int{&k.rsa: 2048, &k.other: 2048, &k.weak: 1024} {
		if *to, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			panic(err)
		}
	}
	set := []jose.JSONWebKey{
		{KeyID: "rsa", Key: &k.rsa.PublicKey, Use: "sig"},
		{KeyID: "weak", Key: &k.weak.PublicKey},
		{KeyID: "encryption", Key: &k.rsa.PublicKey, Use: "enc"},
		{KeyID: "only-384", Key: &k.rsa.PublicKey, Algorithm: "RS384"},
	}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if k.ec[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			panic(err)
		}
		set = append(set, jose.JSONWebKey{KeyID: alg, Key: &k.ec[alg].PublicKey, Algorithm: alg})
	}
	k.set = jwks(set...)
	return k
})

// jwks is a JWK set.
func jwks(keys ...jose.JSONWebKey) []byte {
	doc, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		panic(err)
	}
	return doc
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// pkcs1 signs by PKCS #1 v1.5, whatever the algorithm is said to be.
type pkcs1 struct{ *rsa.PrivateKey }

// craft makes a token of a header and claims as they are written, good or not, signed by what the header says its algorithm is.
func craft(header, claims string, k any) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	var h struct{ Alg string }
	_ = json.Unmarshal([]byte(header), &h)
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[h.Alg[max(0, len(h.Alg)-3):]]
	if hash == 0 {
		hash = crypto.SHA256
	}
	d := hash.New()
	d.Write([]byte(input))
	sum := d.Sum(nil)
	var sig []byte
	var err error
	switch k := k.(type) {
	case nil:
	case []byte:
		m := hmac.New(hash.New, k)
		m.Write([]byte(input))
		sig = m.Sum(nil)
	case pkcs1:
		sig, err = rsa.SignPKCS1v15(rand.Reader, k.PrivateKey, hash, sum)
	case *rsa.PrivateKey:
		if strings.HasPrefix(h.Alg, "PS") {
			sig, err = rsa.SignPSS(rand.Reader, k, hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, k, hash, sum)
		}
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, k, sum)
		size := (k.Curve.Params().BitSize + 7) / 8
		sig, err = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), e
	}
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}

// claimsWith is good claims with some replaced by JSON text, or taken away by an empty one.
func claimsWith(changes ...string) string {
	m := map[string]json.RawMessage{
		"iss": json.RawMessage(`"` + testIssuer + `"`),
		"sub": json.RawMessage(`"repo:film/darkroom:ref:refs/heads/main"`),
		"aud": json.RawMessage(`"` + testClient + `"`),
		"exp": json.RawMessage(fmt.Sprint(testNow.Unix() + 300)),
		"iat": json.RawMessage(fmt.Sprint(testNow.Unix() - 10)),
	}
	for i := 0; i < len(changes); i += 2 {
		delete(m, changes[i])
		if changes[i+1] != "" {
			m[changes[i]] = json.RawMessage(changes[i+1])
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// signed is a token by the RSA key of the set, with claims as claimsWith makes them.
func signed(changes ...string) string {
	return craft(`{"alg":"RS256","kid":"rsa"}`, claimsWith(changes...), keysOnce().rsa)
}

// peer is a token made by go-jose, as another program would.
func peer(t *testing.T, alg string, k any, kid, claims string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: k, KeyID: kid}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signature.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
