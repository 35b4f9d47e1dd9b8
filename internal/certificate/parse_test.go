package certificate

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func join(all ...[]byte) []byte { return bytes.Join(all, nil) }

func TestParse(t *testing.T) {
	t.Parallel()
	root := authority(t, "Root", nil, nil)
	middle := authority(t, "Middle", &root, nil)
	own := issue(t, "own.example", curveKey(t, elliptic.P256()), nil, nil)
	below := issue(t, "below.example", curveKey(t, elliptic.P256()), &middle, nil)
	for _, tt := range []struct {
		name                    string
		certificate, chain, key []byte
		algorithm               KeyAlgorithm
		length                  int
	}{
		{"signed by itself", own.pem(), nil, own.keyPEM(t), P256, 0},
		{"a chain with its root", below.pem(), join(middle.pem(), root.pem()), below.keyPEM(t), P256, 2},
		{"a chain without its root", below.pem(), middle.pem(), below.keyPEM(t), P256, 1},
		{"white space around", join([]byte("\r\n "), below.pem(), []byte("\n\n")), join(middle.pem(), []byte("\n\n"), root.pem()), join([]byte("\n"), below.keyPEM(t)), P256, 2},
	} {
		m, err := parse(tt.certificate, tt.chain, tt.key, start)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if m.algorithm != tt.algorithm || len(m.chain) != tt.length || !samePublic(m.key.Public(), m.leaf.PublicKey) {
			t.Errorf("%s: got %s, %d", tt.name, m.algorithm, len(m.chain))
		}
	}
}

// TestKeys: every kind of key that ACM knows, in every form in which tools write it.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 3072, 4096} {
		k := rsaKey(t, bits, 0)
		c := issue(t, "rsa.example", k, nil, nil)
		for form, text := range map[string][]byte{"PKCS #8": c.keyPEM(t), "PKCS #1": block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))} {
			m, err := parse(c.pem(), nil, text, start)
			if err != nil || string(m.algorithm) != "RSA_"+map[int]string{2048: "2048", 3072: "3072", 4096: "4096"}[bits] {
				t.Errorf("%d, %s: %v", bits, form, err)
			}
		}
	}
	for curve, want := range map[elliptic.Curve]KeyAlgorithm{elliptic.P256(): P256, elliptic.P384(): P384, elliptic.P521(): P521} {
		k := curveKey(t, curve)
		c := issue(t, "curve.example", k, nil, nil)
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		parameters := block("EC PARAMETERS", []byte{6, 1, 0})
		for form, text := range map[string][]byte{"PKCS #8": c.keyPEM(t), "SEC 1": block("EC PRIVATE KEY", der), "SEC 1 with parameters": join(parameters, block("EC PRIVATE KEY", der))} {
			m, err := parse(c.pem(), nil, text, start)
			if err != nil || m.algorithm != want {
				t.Errorf("%s, %s: %v", want, form, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	key := curveKey(t, elliptic.P256())
	root := authority(t, "Root", nil, nil)
	middle := authority(t, "Middle", &root, nil)
	low := authority(t, "Low", &middle, nil)
	other := authority(t, "Other", nil, nil)
	twin := authority(t, "Middle", nil, nil) // of the same name, with another key
	plain := issue(t, "Plain", curveKey(t, elliptic.P256()), &root, nil)
	own := issue(t, "own.example", key, nil, nil)
	below := issue(t, "below.example", key, &middle, nil)
	lowest := issue(t, "lowest.example", key, &low, nil)
	byPlain := issue(t, "by.example", key, &plain, nil)
	small := rsaKey(t, 1024, 0)
	smallRoot := issue(t, "Small", small, nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	k2048 := rsaKey(t, 2048, 0)
	byRSA := issue(t, "own.example", k2048, nil, nil)
	edited := func(edit func(*x509.Certificate)) issued { return issue(t, "own.example", key, nil, edit) }
	oldAuthority := authority(t, "Old", &root, func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Minute) })
	youngAuthority := authority(t, "Young", &root, func(c *x509.Certificate) { c.NotBefore = start.Add(time.Minute) })
	short := authority(t, "Short", &root, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	underShort := authority(t, "Under", &short, nil)
	bounded := authority(t, "Bounded", &root, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"other.example"}, true
	})
	by := func(a issued) issued { return issue(t, "below.example", key, &a, nil) }
	oneByte := bytes.Clone(below.cert.Raw)
	oneByte[len(oneByte)-3] ^= 1
	encrypted := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00112233445566778899AABBCCDDEEFF"}, Bytes: make([]byte, 64)}
	k := own.keyPEM(t)
	const order = "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: "
	tests := []struct {
		name                    string
		certificate, chain, key []byte
		says                    string
	}{
		{"no PEM", []byte("hello"), nil, k, "The certificate provided is not in a valid PEM format."},
		{"white space alone", []byte(" \n"), nil, k, "The certificate provided is not in a valid PEM format."},
		{"DER", own.cert.Raw, nil, k, "The certificate provided is not in a valid PEM format."},
		{"text before", join([]byte("subject=x\n"), own.pem()), nil, k, "The certificate provided is not in a valid PEM format."},
		{"text after", join(own.pem(), []byte("x")), nil, k, "The certificate provided is not in a valid PEM format."},
		{"a broken block before", join([]byte("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), own.pem()), nil, k, "The certificate provided is not in a valid PEM format."},
		{"cut off", own.pem()[:200], nil, k, "The certificate provided is not in a valid PEM format."},
		{"a chain in the field", join(below.pem(), middle.pem()), nil, k, "The certificate field contains more than one certificate. You can specify only one certificate in this field."},
		{"a key in the field", k, nil, k, "The certificate field contains a PEM block that is not a certificate."},
		{"no certificate in the block", block("CERTIFICATE", []byte{0x30, 0}), nil, k, "Unable to parse the certificate."},
		{"a certificate of version 1", block("CERTIFICATE", altered(t, own.cert, versionOne)), nil, k, "The certificate is not an X.509 version 3 certificate."},

		{"no key", own.pem(), nil, []byte(" "), "The private key provided is not in a valid PEM format."},
		{"a certificate for a key", own.pem(), nil, own.pem(), "The private key field contains a PEM block that is not a private key."},
		{"two keys", own.pem(), nil, join(k, k), "The private key field contains more than one private key."},
		{"no key in the block", own.pem(), nil, block("PRIVATE KEY", []byte{0x30, 0}), "The private key is not PEM-encoded or is not valid."},
		{"a key under a passphrase", byRSA.pem(), nil, pem.EncodeToMemory(encrypted), "The private key is not supported. It must not be protected by a passphrase."},
		{"a key under a passphrase, PKCS #8", own.pem(), nil, block("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}), "It must not be protected by a passphrase."},
		{"another key", own.pem(), nil, below2(t).keyPEM(t), "The private key does not match the public key of the certificate."},
		{"a key of another kind", own.pem(), nil, byRSA.keyPEM(t), "The private key does not match the public key of the certificate."},
		{"a short key", smallRoot.pem(), nil, smallRoot.keyPEM(t), "The private key length 1024 is not supported for key algorithm RSA."},
		{"a key of an odd length", own.pem(), nil, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey(t, 2056, 0))), "The private key length 2056 is not supported for key algorithm RSA."},
		{"a small curve", own.pem(), nil, issue(t, "c", curveKey(t, elliptic.P224()), nil, nil).keyPEM(t), "The private key is not supported. Of elliptic curves"},
		{"Ed25519", own.pem(), nil, issue(t, "c", edKey(t), nil, nil).keyPEM(t), "The private key is not supported. Only RSA keys"},

		{"expired", edited(func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) }).pem(), nil, k, "The certificate has expired, is not valid."},
		{"not yet", edited(func(c *x509.Certificate) { c.NotBefore = start.Add(time.Second) }).pem(), nil, k, "The certificate is not in effect yet, is not valid."},
		{"no issuer", edited(func(c *x509.Certificate) { c.Subject = pkix.Name{} }).pem(), nil, k, "The issuer of the certificate must not be empty."},
		{"a long address of OCSP", edited(func(c *x509.Certificate) { c.OCSPServer = []string{"http://" + strings.Repeat("a", 1000)} }).pem(), nil, k, "must not exceed 1000 characters"},
		{"a weak signature", block("CERTIFICATE", altered(t, byRSA.cert, sha1Signed)), nil, byRSA.keyPEM(t), "The certificate is signed with SHA1-RSA, which is not supported: it is too weak."},

		{"no chain", below.pem(), nil, k, "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or certificate chain."},
		{"a signature that was changed", block("CERTIFICATE", tampered(own.cert.Raw)), nil, k, "Provided certificate is not a valid self signed."},
		{"itself in the chain", own.pem(), own.pem(), k, order + "0. It is the certificate itself"},
		{"the chain upside down", lowest.pem(), join(root.pem(), middle.pem(), low.pem()), k, order + "0. It is not of the issuer"},
		{"one left out", lowest.pem(), join(low.pem(), root.pem()), k, order + "1. It is not of the issuer"},
		{"something after the root", below.pem(), join(middle.pem(), root.pem(), other.pem()), k, order + "1. It is signed by itself, and nothing can follow it."},
		{"another authority", below.pem(), other.pem(), k, order + "0. It is not of the issuer"},
		{"an authority of the same name", below.pem(), twin.pem(), k, order + "0. It has not signed the one before it."},
		{"a signature of the certificate that was changed", block("CERTIFICATE", oneByte), middle.pem(), k, order + "0. It has not signed the one before it."},
		{"no authority", byPlain.pem(), join(plain.pem(), root.pem()), k, order + "0. It has not signed the one before it."},
		{"an authority that has expired", by(oldAuthority).pem(), oldAuthority.pem(), k, order + "0. It has expired."},
		{"an authority of tomorrow", by(youngAuthority).pem(), youngAuthority.pem(), k, order + "0. It is not in effect yet."},
		{"an authority with a short key", by(smallRoot).pem(), smallRoot.pem(), k, order + "0. Its key of 1024 bits is too short."},
		{"an authority that may have none below it", by(underShort).pem(), join(underShort.pem(), short.pem(), root.pem()), k, "Could not validate the certificate with the certificate chain."},
		{"an authority for other names", by(bounded).pem(), join(bounded.pem(), root.pem()), k, "Could not validate the certificate with the certificate chain."},
		{"no PEM in the chain", below.pem(), []byte("x"), k, "The certificate chain provided is not in a valid PEM format."},
		{"a key in the chain", below.pem(), join(middle.pem(), k), k, "The certificate chain field contains a PEM block that is not a certificate."},
		{"a long chain", below.pem(), bytes.Repeat(middle.pem(), maxChain+1), k, "The certificate chain has more than 32 certificates."},
		{"an endless chain", below.pem(), bytes.Repeat(middle.pem(), maxChain+9), k, "The certificate chain provided is not in a valid PEM format."},
	}
	for _, tt := range tests {
		m, err := parse(tt.certificate, tt.chain, tt.key, start)
		var refused *Error
		if !errors.As(err, &refused) || refused.Fault != Invalid || !strings.Contains(refused.Message, tt.says) || m != nil && tt.name == "" {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.says)
		}
	}
}

// below2 is some other certificate with its key.
func below2(t *testing.T) issued {
	t.Helper()
	return issue(t, "another.example", curveKey(t, elliptic.P256()), nil, nil)
}

// tampered changes the last byte of a signature.
func tampered(der []byte) []byte {
	out := bytes.Clone(der)
	out[len(out)-1] ^= 1
	return out
}

// FuzzParse: whatever is imported, nothing panics, and what is taken belongs together.
func FuzzParse(f *testing.F) {
	root := authority(f, "Root", nil, nil)
	c := issue(f, "a.example", curveKey(f, elliptic.P256()), &root, nil)
	f.Add(c.pem(), root.pem(), c.keyPEM(f))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"), []byte("-----BEGIN "), []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, certificate, chain, key []byte) {
		m, err := parse(certificate, chain, slices.Clone(key), start)
		var refused *Error
		switch {
		case err == nil && !samePublic(m.leaf.PublicKey, m.key.Public()):
			t.Error("the key is another's")
		case err != nil && !errors.As(err, &refused):
			t.Errorf("got %v", err)
		}
	})
}
