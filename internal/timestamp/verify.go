package timestamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rsa"
	"crypto/sha1" // of certificates that a signature names the way it was before RFC 5816
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// maxCertificates bounds the certificates of a time stamp.
const maxCertificates = 16

var (
	oidSignedData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidExtKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidRSAPSS               = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
)

// Stamp is what a verified time stamp says.
type Stamp struct {
	Time      time.Time     // genTime, UTC
	Accuracy  time.Duration // 0 where the authority does not say
	Serial    *big.Int
	Policy    string // object identifier
	Nonce     *big.Int
	Authority *x509.Certificate // of the signer
}

// contentInfo is ContentInfo (RFC 5652 section 3).
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

// signedData is SignedData (RFC 5652 section 5.1).
type signedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	Content          struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"explicit,tag:0"`
	}
	Certificates asn1.RawValue   `asn1:"optional,tag:0"`
	CRLs         asn1.RawValue   `asn1:"optional,tag:1"`
	Signers      []asn1.RawValue `asn1:"set"`
}

// signerInfo is SignerInfo (RFC 5652 section 5.3) with signed attributes, as time stamps have it.
type signerInfo struct {
	Version            int
	ID                 asn1.RawValue
	DigestAlgorithm    pkix.AlgorithmIdentifier
	SignedAttributes   asn1.RawValue `asn1:"tag:0"`
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
	Unsigned           asn1.RawValue `asn1:"optional,tag:1"`
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

// tstInfo is TSTInfo (RFC 3161 section 2.4.2).
type tstInfo struct {
	Version  int
	Policy   asn1.ObjectIdentifier
	Imprint  messageImprint
	Serial   *big.Int
	Time     time.Time `asn1:"generalized"`
	Accuracy struct {
		Seconds      int64 `asn1:"optional"`
		Milliseconds int64 `asn1:"optional,tag:0"`
		Microseconds int64 `asn1:"optional,tag:1"`
	} `asn1:"optional"`
	Ordering   bool             `asn1:"optional"`
	Nonce      *big.Int         `asn1:"optional"`
	TSA        asn1.RawValue    `asn1:"optional,tag:0"`
	Extensions []pkix.Extension `asn1:"optional,tag:1"`
}

// Verify verifies that token is a time stamp of a SHA-256 digest by an authority whose certificate, valid at the time that it states and made for nothing but time
// stamps, comes from one of roots. Where nonce is not nil, the time stamp must hold it. Whoever has just asked for the time stamp compares its time with the clock.
func Verify(token []byte, digest [sha256.Size]byte, nonce *big.Int, roots *x509.CertPool) (*Stamp, error) {
	if roots == nil {
		return nil, errors.New("no authority is trusted for time stamps")
	}
	s, err := parse(token)
	if err != nil {
		return nil, fmt.Errorf("read a time stamp: %w", err)
	}
	// What it says is compared only after who says it is known.
	certificate, err := s.signedBy()
	if err != nil {
		return nil, fmt.Errorf("verify a time stamp: %w", err)
	}
	if err := s.judge(certificate, roots); err != nil {
		return nil, fmt.Errorf("verify a time stamp: %w", err)
	}
	switch i := s.info; {
	case !i.Imprint.HashAlgorithm.Algorithm.Equal(oidSHA256) || subtle.ConstantTimeCompare(i.Imprint.HashedMessage, digest[:]) != 1:
		return nil, errors.New("verify a time stamp: it is one of other bytes")
	case nonce != nil && (i.Nonce == nil || i.Nonce.Cmp(nonce) != 0):
		return nil, errors.New("verify a time stamp: it answers another request, its nonce is not the one that was sent")
	}
	a := s.info.Accuracy
	return &Stamp{
		Time: s.info.Time.UTC(), Serial: s.info.Serial, Policy: s.info.Policy.String(), Nonce: s.info.Nonce, Authority: certificate,
		Accuracy: time.Duration(a.Seconds)*time.Second + time.Duration(a.Milliseconds)*time.Millisecond + time.Duration(a.Microseconds)*time.Microsecond,
	}, nil
}

// stamp is a time stamp in its parts, none of which is verified.
type stamp struct {
	content      []byte // TSTInfo
	info         tstInfo
	certificates []*x509.Certificate
	signer       signerInfo
}

// whole reads DER that ends where it ends.
func whole(der []byte, into any, what string) error {
	rest, err := asn1.Unmarshal(der, into)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes stand behind it")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func parse(token []byte) (*stamp, error) {
	if len(token) > MaxResponse {
		return nil, fmt.Errorf("it has more than %d bytes", MaxResponse)
	}
	var outer contentInfo
	if err := whole(token, &outer, "content info"); err != nil {
		return nil, err
	}
	if !outer.Type.Equal(oidSignedData) {
		return nil, errors.New("it is not signed data")
	}
	var data signedData
	if err := whole(outer.Content.Bytes, &data, "signed data"); err != nil {
		return nil, err
	}
	switch {
	case !data.Content.Type.Equal(oidTSTInfo):
		return nil, errors.New("what is signed is not the information of a time stamp")
	case len(data.Signers) != 1: // RFC 3161 section 2.4.2
		return nil, fmt.Errorf("it has %d signatures, want 1", len(data.Signers))
	}
	s := &stamp{content: data.Content.Content}
	if err := whole(data.Signers[0].FullBytes, &s.signer, "signer"); err != nil {
		return nil, err
	}
	if err := whole(s.content, &s.info, "time stamp information"); err != nil {
		return nil, err
	}
	i := &s.info
	if i.Version != 1 || i.Serial == nil {
		return nil, fmt.Errorf("its version is %d, want 1", i.Version)
	}
	const most = int64(24 * time.Hour / time.Second)
	if a := i.Accuracy; a.Seconds < 0 || a.Seconds > most || a.Milliseconds < 0 || a.Milliseconds > 999 || a.Microseconds < 0 || a.Microseconds > 999 {
		return nil, errors.New("its accuracy is none")
	}
	for _, e := range i.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("its extension %s is critical, and not known", e.Id)
		}
	}
	for rest := data.Certificates.Bytes; len(rest) > 0; {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		if one.Class != asn1.ClassUniversal || one.Tag != asn1.TagSequence {
			continue // a certificate of another kind, which nothing here is signed by
		}
		c, err := x509.ParseCertificate(one.FullBytes)
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		if len(s.certificates) == maxCertificates {
			return nil, fmt.Errorf("it has more than %d certificates", maxCertificates)
		}
		s.certificates = append(s.certificates, c)
	}
	return s, nil
}

// hashes are the algorithms that signatures may be over.
var hashes = []struct {
	oid        asn1.ObjectIdentifier
	hash       crypto.Hash
	rsa, pss   x509.SignatureAlgorithm
	ecdsa      x509.SignatureAlgorithm
	rsaOID     asn1.ObjectIdentifier
	ecdsaOID   asn1.ObjectIdentifier
	anyHashRSA asn1.ObjectIdentifier
}{
	{oidSHA256, crypto.SHA256, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256, oidRSA(11), oidECDSA(2), oidRSA(1)},
	{oidSHA384, crypto.SHA384, x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384, oidRSA(12), oidECDSA(3), oidRSA(1)},
	{oidSHA512, crypto.SHA512, x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512, oidRSA(13), oidECDSA(4), oidRSA(1)},
}

func oidRSA(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, n} }

func oidECDSA(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, n} }

var oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}

// signedBy finds the certificate that the signature is by, and verifies the signature and what it binds: the information, and the certificate itself.
func (s *stamp) signedBy() (*x509.Certificate, error) {
	at := -1
	for i, h := range hashes {
		if s.signer.DigestAlgorithm.Algorithm.Equal(h.oid) {
			at = i
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("its digest algorithm %s is not taken: want SHA-256, SHA-384 or SHA-512", s.signer.DigestAlgorithm.Algorithm)
	}
	h := hashes[at]
	certificate := s.find()
	if certificate == nil {
		return nil, errors.New("it does not hold the certificate of its signer")
	}
	if err := s.attributes(certificate, h.hash); err != nil {
		return nil, err
	}
	var by x509.SignatureAlgorithm
	algorithm := s.signer.SignatureAlgorithm.Algorithm
	switch certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		switch {
		case algorithm.Equal(h.anyHashRSA), algorithm.Equal(h.rsaOID):
			by = h.rsa
		case algorithm.Equal(oidRSAPSS):
			by = h.pss
		}
	case *ecdsa.PublicKey:
		if algorithm.Equal(h.ecdsaOID) {
			by = h.ecdsa
		}
	case ed25519.PublicKey:
		if algorithm.Equal(oidEd25519) {
			by = x509.PureEd25519
		}
	}
	if by == x509.UnknownSignatureAlgorithm {
		return nil, fmt.Errorf("its signature algorithm %s is not taken with its key", algorithm)
	}
	// The signature is over the attributes as a SET, though they stand there under a tag of their own (RFC 5652 section 5.4).
	signed := bytes.Clone(s.signer.SignedAttributes.FullBytes)
	signed[0] = asn1.TagSet | 0x20
	if err := certificate.CheckSignature(by, signed, s.signer.Signature); err != nil {
		return nil, errors.New("its signature does not hold")
	}
	return certificate, nil
}

// find returns the certificate that the signer names, by issuer and serial number or by key identifier, or nil.
func (s *stamp) find() *x509.Certificate {
	id := s.signer.ID
	var name issuerAndSerial
	byName := id.Class == asn1.ClassUniversal && id.Tag == asn1.TagSequence && whole(id.FullBytes, &name, "") == nil
	byKey := id.Class == asn1.ClassContextSpecific && id.Tag == 0 && len(id.Bytes) > 0
	for _, c := range s.certificates {
		if byName && c.SerialNumber.Cmp(name.Serial) == 0 && bytes.Equal(c.RawIssuer, name.Issuer.FullBytes) || byKey && bytes.Equal(c.SubjectKeyId, id.Bytes) {
			return c
		}
	}
	return nil
}

// attributes checks the signed attributes: what is signed, its digest, and by which certificate (RFC 5652 section 11, RFC 5035 section 4).
func (s *stamp) attributes(certificate *x509.Certificate, hash crypto.Hash) error {
	seen := map[string]asn1.RawValue{}
	for rest := s.signer.SignedAttributes.Bytes; len(rest) > 0; {
		var a attribute
		var err error
		if rest, err = asn1.Unmarshal(rest, &a); err != nil {
			return fmt.Errorf("signed attributes: %w", err)
		}
		name := a.Type.String()
		if _, twice := seen[name]; twice || len(a.Values) != 1 {
			return fmt.Errorf("its signed attribute %s has not one value", name)
		}
		seen[name] = a.Values[0]
	}
	var kind asn1.ObjectIdentifier
	if whole(seen[oidContentType.String()].FullBytes, &kind, "") != nil || !kind.Equal(oidTSTInfo) {
		return errors.New("its signature is not of a time stamp")
	}
	h := hash.New()
	h.Write(s.content)
	var digest []byte
	if whole(seen[oidMessageDigest.String()].FullBytes, &digest, "") != nil || subtle.ConstantTimeCompare(digest, h.Sum(nil)) != 1 {
		return errors.New("its signature is of other information than it holds")
	}
	return signingCertificate(seen, certificate)
}

// signingCertificate checks that the signature names the certificate that it is verified with. The first of the list is the signer's.
func signingCertificate(seen map[string]asn1.RawValue, certificate *x509.Certificate) error {
	var lists, first, parts asn1.RawValue
	if v, ok := seen[oidSigningCertificateV2.String()]; ok {
		lists = v
	} else if v, ok := seen[oidSigningCertificate.String()]; ok && !fips140.Enabled() {
		lists = v
	} else {
		return errors.New("its signature does not say which certificate it is by")
	}
	wrong := errors.New("its signature is by another certificate than it holds")
	// SigningCertificate{,V2} ::= SEQUENCE { certs SEQUENCE OF ESSCertID{,v2}, … }
	if _, err := asn1.Unmarshal(lists.Bytes, &first); err != nil {
		return wrong
	}
	if _, err := asn1.Unmarshal(first.Bytes, &parts); err != nil {
		return wrong
	}
	rest := parts.Bytes
	algorithm := oidSHA256 // the default of ESSCertIDv2
	_, v2 := seen[oidSigningCertificateV2.String()]
	if v2 {
		var given pkix.AlgorithmIdentifier
		if behind, err := asn1.Unmarshal(rest, &given); err == nil {
			algorithm, rest = given.Algorithm, behind
		}
	}
	var value []byte
	if _, err := asn1.Unmarshal(rest, &value); err != nil {
		return wrong
	}
	var own []byte
	if !v2 {
		sum := sha1.Sum(certificate.Raw)
		own = sum[:]
	}
	for _, h := range hashes {
		if v2 && algorithm.Equal(h.oid) {
			w := h.hash.New()
			w.Write(certificate.Raw)
			own = w.Sum(nil)
		}
	}
	if own == nil || subtle.ConstantTimeCompare(own, value) != 1 {
		return wrong
	}
	return nil
}

// judge decides whether a certificate may sign time stamps, at the time of this one (RFC 3161 section 2.3).
func (s *stamp) judge(certificate *x509.Certificate, roots *x509.CertPool) error {
	if len(certificate.ExtKeyUsage) != 1 || certificate.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(certificate.UnknownExtKeyUsage) > 0 {
		return errors.New("its signer's certificate is not for time stamps alone")
	}
	for _, e := range certificate.Extensions {
		if e.Id.Equal(oidExtKeyUsage) && !e.Critical {
			return errors.New("its signer's certificate does not make its purpose critical")
		}
	}
	if u := certificate.KeyUsage; u != 0 && u&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("its signer's certificate is not for signatures")
	}
	others := x509.NewCertPool()
	for _, c := range s.certificates {
		others.AddCert(c)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, CurrentTime: s.info.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	}); err != nil {
		return fmt.Errorf("its signer is not trusted: %w", err)
	}
	return nil
}
