package provenance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"
)

// TestVectors are those of the specification of DSSE ("protocol.md", "Test Vectors").
func TestVectors(t *testing.T) {
	t.Parallel()
	const payloadType, payload = "http://example.com/HelloWorld", "hello world"
	if got, want := string(PAE(payloadType, []byte(payload))), "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; got != want {
		t.Errorf("PAE %q, want %q", got, want)
	}
	if got := string(PAE("", nil)); got != "DSSEv1 0  0 " {
		t.Errorf("PAE of nothing %q", got)
	}
	number := func(text string) *big.Int {
		n, ok := new(big.Int).SetString(text, 10)
		if !ok {
			t.Fatal(text)
		}
		return n
	}
	point := append([]byte{4}, append(number("46950820868899156662930047687818585632848591499744589407958293238635476079160").FillBytes(make([]byte, 32)),
		number("5640078356564379163099075877009565129882514886557779369047442380624545832820").FillBytes(make([]byte, 32))...)...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	// The signature of the specification is the two numbers one behind the other; here it is in DER.
	raw, err := base64.StdEncoding.DecodeString("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
	if err != nil || len(raw) != 64 {
		t.Fatal(err)
	}
	integer := func(b []byte) []byte {
		b = bytes.TrimLeft(b, "\x00")
		if b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	body := append(integer(raw[:32]), integer(raw[32:])...)
	der := append([]byte{0x30, byte(len(body))}, body...)
	e := &Envelope{Payload: base64.StdEncoding.EncodeToString([]byte(payload)), PayloadType: payloadType, Signatures: []Signature{{"test", base64.StdEncoding.EncodeToString(der)}}}
	if got, _, err := e.Verify(payloadType, []*ecdsa.PublicKey{key}); err != nil || string(got) != payload {
		t.Errorf("the signature of the specification: %q %v", got, err)
	}
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestVerify(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	sign := func() *Envelope {
		e, err := Sign(rand.Reader, PayloadType, []byte(`{"a":1}`), key)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	trusted := []*ecdsa.PublicKey{&other.PublicKey, &key.PublicKey}
	id, err := KeyID(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if payload, by, err := sign().Verify(PayloadType, trusted); err != nil || string(payload) != `{"a":1}` || by != id {
		t.Fatalf("%s by %s: %v", payload, by, err)
	}
	for _, tt := range []struct {
		name    string
		change  func(e *Envelope)
		trusted []*ecdsa.PublicKey
		want    error
	}{
		{"nobody is trusted", func(*Envelope) {}, nil, ErrUnknownKey},
		{"somebody else is trusted", func(*Envelope) {}, trusted[:1], ErrUnknownKey},
		{"another payload", func(e *Envelope) { e.Payload = base64.StdEncoding.EncodeToString([]byte(`{"a":2}`)) }, trusted, ErrSignature},
		{"another type", func(e *Envelope) { e.PayloadType = "text/plain" }, trusted, ErrEnvelope},
		{"another signature", func(e *Envelope) { e.Signatures[0].Sig = sign().Signatures[0].Sig[:20] + "AAAA" }, trusted, ErrSignature},
		{"no base64", func(e *Envelope) { e.Signatures[0].Sig = "!" }, trusted, ErrSignature},
		{"a payload that is no base64", func(e *Envelope) { e.Payload = "!" }, trusted, ErrEnvelope},
		{"the signature of somebody else under our id", func(e *Envelope) {
			theirs, err := Sign(rand.Reader, PayloadType, []byte(`{"a":1}`), other)
			if err != nil {
				t.Fatal(err)
			}
			e.Signatures[0].Sig = theirs.Signatures[0].Sig
		}, trusted[1:], ErrSignature},
	} {
		e := sign()
		tt.change(e)
		if _, _, err := e.Verify(PayloadType, tt.trusted); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	e := sign()
	e.Signatures[0].KeyID = "a hint that is wrong decides nothing"
	e.Payload = base64.URLEncoding.EncodeToString([]byte(`{"a":1}`))
	if _, _, err := e.Verify(PayloadType, trusted); err != nil {
		t.Errorf("a wrong hint, and the other alphabet: %v", err)
	}
	for _, text := range []string{"", "{}", "[]", `{"payload":"YQ==","payloadType":"t","signatures":[]}`, `{"payload":"YQ==","payloadType":"t","signatures":[` + strings.Repeat("{},", 20) + `{}]}`} {
		if _, err := ParseEnvelope([]byte(text)); !errors.Is(err, ErrEnvelope) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	a, b := newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	text := ""
	for _, k := range []*ecdsa.PrivateKey{a, b} {
		p, err := MarshalKey(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		text += p
	}
	keys, err := ParseKeys([]byte("comment\n" + text))
	if err != nil || len(keys) != 2 || !keys[0].Equal(&a.PublicKey) || !keys[1].Equal(&b.PublicKey) {
		t.Errorf("%v %v", keys, err)
	}
	wide, err := MarshalKey(&newKey(t, elliptic.P384()).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(a)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "x", "another curve": wide, "a private key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"no key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})),
	} {
		if _, err := ParseKeys([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	good := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"00"}}],"predicateType":"urn:darkroom:job-provenance:v1","predicate":{}}`
	if s, err := ParseStatement([]byte(good), JobPredicate); err != nil || len(s.Subject) != 1 {
		t.Errorf("%v", err)
	}
	for name, text := range map[string]string{
		"no JSON": "{", "another type": strings.Replace(good, "v1", "v0", 1), "another predicate": strings.Replace(good, "job-", "x-", 1),
		"a subject without a digest": strings.Replace(good, `{"sha256":"00"}`, `{}`, 1), "a subject without a name": strings.Replace(good, `"name":"a",`, ``, 1),
	} {
		if _, err := ParseStatement([]byte(text), JobPredicate); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestWithoutSecrets(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	in := `{"outputGroups":[{"hlsGroupSettings":{"encryption":{"staticKeyProvider":{"staticKeyValue":"` + secret + `","url":"https://k"}}}},{"StaticKeyValue":"` + secret + `"}],"n":12345678901234567890}`
	out, err := WithoutSecrets(json.RawMessage(in))
	if err != nil || strings.Contains(string(out), secret) || !strings.Contains(string(out), "https://k") || !strings.Contains(string(out), "12345678901234567890") || strings.Count(string(out), redacted) != 2 {
		t.Errorf("%s %v", out, err)
	}
	if _, err := WithoutSecrets(json.RawMessage("{")); err == nil {
		t.Error("text that is no JSON was taken")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	sum := func(text string) []byte { s := sha256.Sum256([]byte(text)); return s[:] }
	whole := Resource{Digest: map[string]string{SHA256: hex.EncodeToString(sum("hello world"))}, Annotations: &Annotations{Size: 11}}
	parts := Resource{Digest: map[string]string{SHA256Parts: hex.EncodeToString(sum(string(sum("hello ")) + string(sum("world"))))}, Annotations: &Annotations{Size: 11, PartSizes: []int64{6, 5}}}
	empty := Resource{Digest: map[string]string{SHA256: hex.EncodeToString(sum(""))}, Annotations: &Annotations{}}
	broken := parts
	broken.Annotations = &Annotations{Size: 11, PartSizes: []int64{6, 6}}
	short := parts
	short.Annotations = &Annotations{Size: 11, PartSizes: []int64{6}}
	negative := parts
	negative.Annotations = &Annotations{Size: 11, PartSizes: []int64{-1, 12}}
	for _, tt := range []struct {
		name string
		r    Resource
		file string
		want error
	}{
		{"whole", whole, "hello world", nil},
		{"in parts", parts, "hello world", nil},
		{"empty", empty, "", nil},
		{"other bytes", whole, "hello worlt", ErrDiffers},
		{"other bytes in a part", parts, "hello worlt", ErrDiffers},
		{"shorter", whole, "hello worl", ErrDiffers},
		{"shorter than its parts", parts, "hello", ErrDiffers},
		{"longer", whole, "hello world!", ErrDiffers},
		{"longer than its parts", parts, "hello world!", ErrDiffers},
		{"not empty", empty, "x", ErrDiffers},
		{"no digest", Resource{Annotations: &Annotations{Size: 11}}, "hello world", ErrNotStated},
		{"no size", Resource{Digest: whole.Digest}, "hello world", ErrNotStated},
		{"parts that are more than the whole", broken, "hello world", ErrNotStated},
		{"parts that are less than the whole", short, "hello world", ErrNotStated},
		{"a negative part", negative, "hello world", ErrNotStated},
	} {
		if err := tt.r.Check(strings.NewReader(tt.file)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if err := whole.Check(iotest.ErrReader(errors.ErrUnsupported)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

func FuzzParseEnvelope(f *testing.F) {
	key := newKey(f, elliptic.P256())
	e, err := Sign(rand.Reader, PayloadType, []byte("{}"), key)
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	other := newKey(f, elliptic.P256())
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseEnvelope(text)
		if err != nil {
			return
		}
		if _, _, err := e.Verify(PayloadType, []*ecdsa.PublicKey{&other.PublicKey}); err == nil {
			t.Error("signed by nobody, and accepted")
		}
	})
}
