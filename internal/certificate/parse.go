package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of what is imported. Sizes of the texts are in the API's model.
const (
	// maxChain is how many certificates a chain may have.
	maxChain = 32
	// maxOCSP is how long the address of an OCSP server may be (ACM API Reference, ImportCertificate).
	maxOCSP = 1000
	// minAuthorityBits is the smallest RSA key of an authority in the chain.
	minAuthorityBits = 2048
)

// KeyAlgorithm is the kind and size of a key, in ACM's words.
type KeyAlgorithm string

// The kinds that are taken.
const (
	RSA2048 KeyAlgorithm = "RSA_2048"
	RSA3072 KeyAlgorithm = "RSA_3072"
	RSA4096 KeyAlgorithm = "RSA_4096"
	P256    KeyAlgorithm = "EC_prime256v1"
	P384    KeyAlgorithm = "EC_secp384r1"
	P521    KeyAlgorithm = "EC_secp521r1"
)

// material is a certificate that may be kept: it is valid now, its chain leads to an authority, and the key is its own.
type material struct {
	leaf      *x509.Certificate
	chain     []*x509.Certificate // the issuer first
	key       crypto.Signer
	algorithm KeyAlgorithm
}

// parse reads and judges what is imported, in PEM.
func parse(certificate, chain, key []byte, now time.Time) (*material, error) {
	leafs, err := certificates(certificate, "certificate")
	if err != nil {
		return nil, err
	}
	if len(leafs) != 1 {
		return nil, invalid("The certificate field contains more than one certificate. You can specify only one certificate in this field.")
	}
	m := &material{leaf: leafs[0]}
	if len(chain) > 0 {
		if m.chain, err = certificates(chain, "certificate chain"); err != nil {
			return nil, err
		}
	}
	if m.key, err = privateKey(key); err != nil {
		return nil, err
	}
	if m.algorithm, err = algorithmOf(m.key.Public()); err != nil {
		return nil, err
	}
	if !samePublic(m.leaf.PublicKey, m.key.Public()) {
		return nil, invalid("The private key does not match the public key of the certificate.")
	}
	if err := judge(m.leaf, now); err != nil {
		return nil, err
	}
	return m, m.judgeChain(now)
}

// blocks takes PEM apart (RFC 7468): blocks, and nothing around them but white space.
func blocks(text []byte, what string) ([]*pem.Block, error) {
	wrong := invalid("The %s provided is not in a valid PEM format.", what)
	var all []*pem.Block
	for rest := bytes.TrimSpace(text); len(rest) > 0; {
		b, next := pem.Decode(rest)
		// pem.Decode passes over what it cannot read.
		if b == nil || !bytes.HasPrefix(rest, []byte("-----BEGIN ")) || bytes.Count(rest[:len(rest)-len(next)], []byte("-----BEGIN ")) != 1 || len(all) > maxChain {
			return nil, wrong
		}
		all, rest = append(all, b), bytes.TrimSpace(next)
	}
	if len(all) == 0 {
		return nil, wrong
	}
	return all, nil
}

func certificates(text []byte, what string) ([]*x509.Certificate, error) {
	all, err := blocks(text, what)
	if err != nil {
		return nil, err
	}
	if len(all) > maxChain {
		return nil, invalid("The %s has more than %d certificates.", what, maxChain)
	}
	out := make([]*x509.Certificate, len(all))
	for i, b := range all {
		if b.Type != "CERTIFICATE" || len(b.Headers) > 0 {
			return nil, invalid("The %s field contains a PEM block that is not a certificate.", what)
		}
		if out[i], err = x509.ParseCertificate(b.Bytes); err != nil {
			return nil, invalid("Unable to parse the %s. Be sure that it is an X.509 certificate in PEM format.", what)
		}
	}
	return out, nil
}

// privateKey reads the one key in PEM: PKCS #8, or the older forms of RSA (PKCS #1) and elliptic curves (SEC 1).
func privateKey(text []byte) (crypto.Signer, error) {
	all, err := blocks(text, "private key")
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, b := range all {
			clear(b.Bytes)
		}
	}()
	if len(all) > 1 && all[0].Type == "EC PARAMETERS" { // openssl ecparam -genkey writes the name of the curve first
		all = all[1:]
	}
	b := all[0]
	if len(all) > 1 {
		return nil, invalid("The private key field contains more than one private key.")
	}
	if b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, invalid("The private key is not supported. It must not be protected by a passphrase.")
	}
	var parsed any
	switch b.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		return nil, invalid("The private key field contains a PEM block that is not a private key.")
	}
	if err != nil {
		return nil, invalid("The private key is not PEM-encoded or is not valid.")
	}
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	}
	return nil, invalid("The private key is not supported. Only RSA keys of 2048, 3072 and 4096 bits and keys of the elliptic curves P-256, P-384 and P-521 are allowed.")
}

// algorithmOf says which kind a key is, or why it is not taken.
func algorithmOf(public crypto.PublicKey) (KeyAlgorithm, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch n := k.N.BitLen(); n {
		case 2048:
			return RSA2048, nil
		case 3072:
			return RSA3072, nil
		case 4096:
			return RSA4096, nil
		default:
			return "", invalid("The private key length %d is not supported for key algorithm RSA. Only 2048, 3072 and 4096 bits are allowed.", n)
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return P256, nil
		case elliptic.P384():
			return P384, nil
		case elliptic.P521():
			return P521, nil
		}
		return "", invalid("The private key is not supported. Of elliptic curves, only P-256, P-384 and P-521 are allowed.")
	}
	return "", invalid("The private key is not supported.")
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// judge says what is wrong with the certificate itself.
func judge(c *x509.Certificate, now time.Time) error {
	switch {
	case c.Version != 3:
		return invalid("The certificate is not an X.509 version 3 certificate.")
	case len(c.Issuer.Names) == 0:
		return invalid("The issuer of the certificate must not be empty.")
	case now.After(c.NotAfter):
		return invalid("The certificate has expired, is not valid.")
	case now.Before(c.NotBefore):
		return invalid("The certificate is not in effect yet, is not valid.")
	case slices.ContainsFunc(c.OCSPServer, func(u string) bool { return len(u) > maxOCSP }):
		return invalid("The OCSP authority URL of the certificate must not exceed %d characters.", maxOCSP)
	case weak(c.SignatureAlgorithm):
		return invalid("The certificate is signed with %s, which is not supported: it is too weak.", c.SignatureAlgorithm)
	}
	return nil
}

// weak says whether a signature proves nothing any more, or cannot be verified.
func weak(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
		return false
	}
	return true
}

// judgeChain follows the chain: each certificate must have issued the one before it. The authority at its end may be left out, as browsers know it.
func (m *material) judgeChain(now time.Time) error {
	if len(m.chain) == 0 {
		if !bytes.Equal(m.leaf.RawIssuer, m.leaf.RawSubject) || m.leaf.CheckSignature(m.leaf.SignatureAlgorithm, m.leaf.RawTBSCertificate, m.leaf.Signature) != nil {
			return invalid("Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or certificate chain.")
		}
		return nil
	}
	child := m.leaf
	for i, c := range m.chain {
		at := func(format string, args ...any) error {
			return invalid("Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: %d. %s", i, fmt.Sprintf(format, args...))
		}
		root := bytes.Equal(c.RawIssuer, c.RawSubject)
		key, isRSA := c.PublicKey.(*rsa.PublicKey)
		switch {
		case c.Equal(m.leaf):
			return at("It is the certificate itself, which must not be part of the chain.")
		case now.After(c.NotAfter):
			return at("It has expired.")
		case now.Before(c.NotBefore):
			return at("It is not in effect yet.")
		case !bytes.Equal(child.RawIssuer, c.RawSubject):
			return at("It is not of the issuer of the one before it.")
		case isRSA && key.N.BitLen() < minAuthorityBits:
			return at("Its key of %d bits is too short.", key.N.BitLen())
		case !root && weak(c.SignatureAlgorithm): // nobody relies on what an authority says of itself
			return at("It is signed with %s, which is too weak.", c.SignatureAlgorithm)
		case root && i < len(m.chain)-1:
			return at("It is signed by itself, and nothing can follow it.")
		case child.CheckSignatureFrom(c) != nil:
			return at("It has not signed the one before it.")
		}
		child = c
	}
	// What else the chain says: names that it is constrained to, and its length. The last one is taken for the authority.
	last := len(m.chain) - 1
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(m.chain[last])
	for _, c := range m.chain[:last] {
		between.AddCert(c)
	}
	if _, err := m.leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return invalid("Could not validate the certificate with the certificate chain.")
	}
	return nil
}
