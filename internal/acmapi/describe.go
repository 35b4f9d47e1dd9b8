package acmapi

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"darkroom/internal/certificate"
	"darkroom/internal/iam"
)

// What is true of every certificate that was imported.
const (
	customerProvided = types.CertificateKeyPairOriginCustomerProvided
	notExported      = types.CertificateExportDisabled
)

func (s *server) status(c *certificate.Certificate) types.CertificateStatus {
	if s.certificates.Expired(c) {
		return types.CertificateStatusExpired
	}
	return types.CertificateStatusIssued
}

func (s *server) describe(ctx context.Context, caller iam.Principal, in *sdk.DescribeCertificateInput) (any, error) {
	c, err := s.certificates.Find(ctx, caller.Account, *in.CertificateArn)
	if err != nil {
		return nil, refusal(err)
	}
	names := certificate.Names(c.Leaf)
	d := &types.CertificateDetail{
		CertificateArn: &c.ARN, SubjectAlternativeNames: names, Serial: ptr(serial(c.Leaf)), Subject: ptr(c.Leaf.Subject.String()), Issuer: ptr(issuer(c.Leaf)),
		CreatedAt: &c.Created, ImportedAt: &c.Imported, Status: s.status(c), NotBefore: &c.Leaf.NotBefore, NotAfter: &c.Leaf.NotAfter,
		KeyAlgorithm: types.KeyAlgorithm(c.Algorithm), SignatureAlgorithm: ptr(signatures[c.Leaf.SignatureAlgorithm]), InUseBy: s.certificates.Users(c),
		Type: types.CertificateTypeImported, KeyUsages: []types.KeyUsage{}, ExtendedKeyUsages: extendedKeyUsages(c.Leaf),
		CertificateKeyPairOrigin: customerProvided, RenewalEligibility: types.RenewalEligibilityIneligible,
		Options: &types.CertificateOptions{Export: notExported},
	}
	if len(names) > 0 {
		d.DomainName = &names[0]
	}
	for _, u := range keyUsages(c.Leaf) {
		d.KeyUsages = append(d.KeyUsages, types.KeyUsage{Name: u})
	}
	return &sdk.DescribeCertificateOutput{Certificate: d}, nil
}

// get answers with the certificate and its chain in PEM; the key is in nothing that the API answers.
func (s *server) get(ctx context.Context, caller iam.Principal, in *sdk.GetCertificateInput) (any, error) {
	c, err := s.certificates.Find(ctx, caller.Account, *in.CertificateArn)
	if err != nil {
		return nil, refusal(err)
	}
	out := &sdk.GetCertificateOutput{Certificate: ptr(text(c.Leaf))}
	if len(c.Chain) > 0 {
		out.CertificateChain = ptr(text(c.Chain...))
	}
	return out, nil
}

func text(all ...*x509.Certificate) string {
	var b strings.Builder
	for _, c := range all {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a strings.Builder does not fail
	}
	return b.String()
}

// serial writes a serial number as ACM does: bytes in hexadecimal with colons between them.
func serial(c *x509.Certificate) string {
	raw := c.SerialNumber.Bytes()
	if len(raw) == 0 {
		raw = []byte{0}
	}
	return strings.ReplaceAll(fmt.Sprintf("% x", raw), " ", ":")
}

// issuer is the organization that issued a certificate or, where it has none, its name.
func issuer(c *x509.Certificate) string {
	switch {
	case len(c.Issuer.Organization) > 0:
		return c.Issuer.Organization[0]
	case c.Issuer.CommonName != "":
		return c.Issuer.CommonName
	}
	return c.Issuer.String()
}

// signatures are the algorithms of signatures in ACM's words.
var signatures = map[x509.SignatureAlgorithm]string{
	x509.SHA256WithRSA: "SHA256WITHRSA", x509.SHA384WithRSA: "SHA384WITHRSA", x509.SHA512WithRSA: "SHA512WITHRSA",
	x509.SHA256WithRSAPSS: "SHA256WITHRSAANDMGF1", x509.SHA384WithRSAPSS: "SHA384WITHRSAANDMGF1", x509.SHA512WithRSAPSS: "SHA512WITHRSAANDMGF1",
	x509.ECDSAWithSHA256: "SHA256WITHECDSA", x509.ECDSAWithSHA384: "SHA384WITHECDSA", x509.ECDSAWithSHA512: "SHA512WITHECDSA", x509.PureEd25519: "ED25519",
}

// keyUsages are the usages of a key (RFC 5280 section 4.2.1.3) in ACM's words.
func keyUsages(c *x509.Certificate) []types.KeyUsageName {
	var out []types.KeyUsageName
	for _, u := range [...]struct {
		usage x509.KeyUsage
		name  types.KeyUsageName
	}{
		{x509.KeyUsageDigitalSignature, types.KeyUsageNameDigitalSignature},
		{x509.KeyUsageContentCommitment, types.KeyUsageNameNonRepudation},
		{x509.KeyUsageKeyEncipherment, types.KeyUsageNameKeyEncipherment},
		{x509.KeyUsageDataEncipherment, types.KeyUsageNameDataEncipherment},
		{x509.KeyUsageKeyAgreement, types.KeyUsageNameKeyAgreement},
		{x509.KeyUsageCertSign, types.KeyUsageNameCertificateSigning},
		{x509.KeyUsageCRLSign, types.KeyUsageNameCrlSigning},
		{x509.KeyUsageEncipherOnly, types.KeyUsageNameEnchiperOnly},
		{x509.KeyUsageDecipherOnly, types.KeyUsageNameDecipherOnly},
	} {
		if c.KeyUsage&u.usage != 0 {
			out = append(out, u.name)
		}
	}
	return out
}

// purposes are the extended usages that have a name in ACM, with their object identifiers.
var purposes = map[x509.ExtKeyUsage]types.ExtendedKeyUsage{
	x509.ExtKeyUsageAny:             purpose(types.ExtendedKeyUsageNameAny, "2.5.29.37.0"),
	x509.ExtKeyUsageServerAuth:      purpose(types.ExtendedKeyUsageNameTlsWebServerAuthentication, "1.3.6.1.5.5.7.3.1"),
	x509.ExtKeyUsageClientAuth:      purpose(types.ExtendedKeyUsageNameTlsWebClientAuthentication, "1.3.6.1.5.5.7.3.2"),
	x509.ExtKeyUsageCodeSigning:     purpose(types.ExtendedKeyUsageNameCodeSigning, "1.3.6.1.5.5.7.3.3"),
	x509.ExtKeyUsageEmailProtection: purpose(types.ExtendedKeyUsageNameEmailProtection, "1.3.6.1.5.5.7.3.4"),
	x509.ExtKeyUsageIPSECEndSystem:  purpose(types.ExtendedKeyUsageNameIpsecEndSystem, "1.3.6.1.5.5.7.3.5"),
	x509.ExtKeyUsageIPSECTunnel:     purpose(types.ExtendedKeyUsageNameIpsecTunnel, "1.3.6.1.5.5.7.3.6"),
	x509.ExtKeyUsageIPSECUser:       purpose(types.ExtendedKeyUsageNameIpsecUser, "1.3.6.1.5.5.7.3.7"),
	x509.ExtKeyUsageTimeStamping:    purpose(types.ExtendedKeyUsageNameTimeStamping, "1.3.6.1.5.5.7.3.8"),
	x509.ExtKeyUsageOCSPSigning:     purpose(types.ExtendedKeyUsageNameOcspSigning, "1.3.6.1.5.5.7.3.9"),
}

// custom are the usages that Go has names for and ACM has not.
var custom = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageMicrosoftServerGatedCrypto:     "1.3.6.1.4.1.311.10.3.3",
	x509.ExtKeyUsageNetscapeServerGatedCrypto:      "2.16.840.1.113730.4.1",
	x509.ExtKeyUsageMicrosoftCommercialCodeSigning: "1.3.6.1.4.1.311.2.1.22",
	x509.ExtKeyUsageMicrosoftKernelCodeSigning:     "1.3.6.1.4.1.311.61.1.1",
}

func purpose(name types.ExtendedKeyUsageName, oid string) types.ExtendedKeyUsage {
	return types.ExtendedKeyUsage{Name: name, OID: &oid}
}

// extendedKeyUsages are the extended usages of a key (RFC 5280 section 4.2.1.12) in ACM's words.
func extendedKeyUsages(c *x509.Certificate) []types.ExtendedKeyUsage {
	out := []types.ExtendedKeyUsage{}
	for _, u := range c.ExtKeyUsage {
		if p, ok := purposes[u]; ok {
			out = append(out, p)
		} else {
			out = append(out, purpose(types.ExtendedKeyUsageNameCustom, custom[u]))
		}
	}
	for _, oid := range c.UnknownExtKeyUsage {
		out = append(out, purpose(types.ExtendedKeyUsageNameCustom, oid.String()))
	}
	return out
}
