package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"
)

// start is the time of the tests.
var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// keys are made once: RSA keys take long.
var keys sync.Map // by kind

func rsaKey(t testing.TB, bits, number int) *rsa.PrivateKey {
	t.Helper()
	make, _ := keys.LoadOrStore([2]int{bits, number}, sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) }))
	k, err := make.(func() (*rsa.PrivateKey, error))()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func curveKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// PEM of the certificate and of the key.
func (i issued) pem() []byte { return block("CERTIFICATE", i.cert.Raw) }

func (i issued) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func block(typ string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}

// issue makes a certificate, signed by an authority or, with none, by itself.
func issue(t testing.TB, name string, key crypto.Signer, by *issued, edit func(*x509.Certificate)) issued {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: start.Add(-time.Hour), NotAfter: start.Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name}, BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(c)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issued{cert, key}
}

// authority makes an authority.
func authority(t testing.TB, name string, by *issued, edit func(*x509.Certificate)) issued {
	t.Helper()
	return issue(t, name, curveKey(t, elliptic.P256()), by, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.DNSNames = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil, nil
		if edit != nil {
			edit(c)
		}
	})
}

// body is what of a certificate is signed.
type body struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Signature  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions asn1.RawValue `asn1:"optional,explicit,tag:3"`
}

// altered writes a certificate anew with other contents. Nobody has signed those.
func altered(t testing.TB, c *x509.Certificate, edit func(*body)) []byte {
	t.Helper()
	var parts struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	var b body
	if _, err := asn1.Unmarshal(c.Raw, &parts); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(parts.TBS.FullBytes, &b); err != nil {
		t.Fatal(err)
	}
	edit(&b)
	raw, err := asn1.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	parts.TBS, parts.Algorithm = asn1.RawValue{FullBytes: raw}, b.Signature
	out, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sha1Signed says of a certificate that it is signed with SHA-1.
func sha1Signed(b *body) {
	b.Signature = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Parameters: asn1.NullRawValue}
}

// versionOne makes a certificate of X.509 version 1, which has no extensions.
func versionOne(b *body) { b.Version, b.Extensions = 0, asn1.RawValue{} }

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
