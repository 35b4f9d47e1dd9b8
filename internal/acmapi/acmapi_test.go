package acmapi_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"darkroom/internal/acmapi"
	"darkroom/internal/audit/audittest"
	"darkroom/internal/certificate"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/jsonapi"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
)

// bench is the API behind a gateway, over real records, with the SDK's own client.
type bench struct {
	*testing.T
	people       *identity.Directory
	certificates *certificate.Service
	api          *jsonapi.Service
	server       *httptest.Server
	root         *sdk.Client
	now          time.Time // of certificates
}

// gate lets the gateway find people.
type gate struct{ *identity.Directory }

func (g gate) Used(id string, p iam.Principal, service string) {
	g.Directory.Used(identity.Use{ID: id, Account: p.Account, Time: time.Now(), Service: service, Region: region})
}

func newBench(t *testing.T) *bench {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	master := secret.New(make([]byte, secret.KeySize))
	root := func(id string) identity.Root {
		return identity.Root{AccessKeyID: id, SecretAccessKey: secret.New([]byte("secret of " + id))}
	}
	b := &bench{T: t, now: time.Now()}
	b.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root("AKIAROOT")}, {ID: other, Root: root("AKIAOTHER")}},
		Store:    records, Master: master, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master, "certificate keys", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.certificates, err = certificate.New(certificate.Options{
		Accounts: []string{account, other}, Region: region, Store: records, Sealer: sealer, Now: func() time.Time { b.now = b.now.Add(time.Millisecond); return b.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.api, err = acmapi.New(acmapi.Options{Certificates: b.certificates})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{b.api}, Default: "acm", Region: region, Identities: gate{b.people}, Log: slog.New(slog.DiscardHandler),
		Trail: new(audittest.Trail),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(b.server.Close)
	b.root = b.as("AKIAROOT", "secret of AKIAROOT")
	return b
}

// as returns a client of whoever has a key.
func (b *bench) as(id, key string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: aws.String(b.server.URL), HTTPClient: b.server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
}

// user makes a user whose inline policy has some statements, and returns a client of theirs.
func (b *bench) user(name, statements string) *sdk.Client {
	b.Helper()
	u := &identity.Entity{
		Kind: identity.User, ID: identity.NewID(identity.User), Name: name, Path: "/",
		Inline: map[string]string{"p": `{"Version":"2012-10-17","Statement":[` + statements + `]}`},
	}
	k, plain, err := b.people.NewAccessKey(account, u)
	if err != nil {
		b.Fatal(err)
	}
	u.Keys = []identity.AccessKey{k}
	if err := b.people.Change(b.Context(), account, func(v *identity.View) error { v.Put(u); return nil }); err != nil {
		b.Fatal(err)
	}
	return b.as(k.ID, string(plain.Reveal()))
}

// made is a certificate that signs itself, in PEM.
func made(t *testing.T, name string, key crypto.Signer, edit func(*x509.Certificate)) (certificate, private []byte, cert *x509.Certificate) {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(0x0fab12), Subject: pkix.Name{CommonName: name, Organization: []string{"Media"}}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name, "www." + name},
	}
	if edit != nil {
		edit(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err = x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), cert
}

func curve(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// imports imports a certificate and returns its ARN.
func (b *bench) imports(key crypto.Signer, name string, edit func(*x509.Certificate), tags ...types.Tag) *string {
	b.Helper()
	certificate, private, _ := made(b.T, name, key, edit)
	out, err := b.root.ImportCertificate(b.Context(), &sdk.ImportCertificateInput{Certificate: certificate, PrivateKey: private, Tags: tags})
	if err != nil {
		b.Fatal(err)
	}
	return out.CertificateArn
}

func tag(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }

// is leaves what a call gave aside.
func is[T any](_ T, err error) error { return err }

// refused fails unless a call was refused with a code and a text.
func refused(t *testing.T, what string, err error, code, says string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), says) {
		t.Errorf("%s: got %v, want %s: %s", what, err, code, says)
	}
}

// TestEveryOperation: each operation that the SDK's client knows is carried out, or told not to be, and nothing else is told.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	done := b.api.Operations()
	var known []string
	for method := range reflect.TypeFor[*sdk.Client]().Methods() {
		if method.Type.NumIn() != 4 {
			continue
		}
		known = append(known, method.Name)
		n := 0
		for _, list := range [][]string{done, acmapi.NotOffered} {
			if slices.Contains(list, method.Name) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d of the lists of what is carried out and of what is not offered", method.Name, n)
		}
	}
	for _, name := range slices.Concat(done, acmapi.NotOffered) {
		if !slices.Contains(known, name) {
			t.Errorf("the SDK knows no operation %s", name)
		}
	}
	_, err := b.root.RequestCertificate(t.Context(), &sdk.RequestCertificateInput{DomainName: aws.String("example.com")})
	refused(t, "not offered", err, "UnsupportedOperationException", "Not offered by this installation: RequestCertificate.")
	if _, err := acmapi.New(acmapi.Options{}); err == nil {
		t.Error("an API without certificates")
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	certificate, private, cert := made(t, "media.example", rsaKey(t), func(c *x509.Certificate) {
		c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageMicrosoftServerGatedCrypto)
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3, 4}}
	})
	imported, err := b.root.ImportCertificate(t.Context(), &sdk.ImportCertificateInput{Certificate: certificate, PrivateKey: private})
	if err != nil {
		t.Fatal(err)
	}
	arn := imported.CertificateArn
	out, err := b.root.DescribeCertificate(t.Context(), &sdk.DescribeCertificateInput{CertificateArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	want := &types.CertificateDetail{
		CertificateArn: arn, DomainName: aws.String("media.example"), SubjectAlternativeNames: []string{"media.example", "www.media.example"},
		Serial: aws.String("0f:ab:12"), Subject: aws.String("CN=media.example,O=Media"), Issuer: aws.String("Media"), Status: "ISSUED", Type: "IMPORTED",
		NotBefore: &cert.NotBefore, NotAfter: &cert.NotAfter, KeyAlgorithm: "RSA_2048", SignatureAlgorithm: aws.String("SHA256WITHRSA"), InUseBy: []string{},
		KeyUsages: []types.KeyUsage{{Name: "DIGITAL_SIGNATURE"}, {Name: "KEY_ENCIPHERMENT"}},
		ExtendedKeyUsages: []types.ExtendedKeyUsage{
			{Name: "TLS_WEB_SERVER_AUTHENTICATION", OID: aws.String("1.3.6.1.5.5.7.3.1")}, {Name: "CUSTOM", OID: aws.String("1.3.6.1.4.1.311.10.3.3")}, {Name: "CUSTOM", OID: aws.String("1.2.3.4")},
		},
		CertificateKeyPairOrigin: "CUSTOMER_PROVIDED", RenewalEligibility: "INELIGIBLE",
		Options: &types.CertificateOptions{Export: "DISABLED"},
	}
	opts := []cmp.Option{cmpopts.IgnoreUnexported(types.CertificateDetail{}, types.KeyUsage{}, types.ExtendedKeyUsage{}, types.CertificateOptions{}), cmpopts.IgnoreFields(types.CertificateDetail{}, "CreatedAt", "ImportedAt")}
	if diff := cmp.Diff(want, out.Certificate, opts...); diff != "" {
		t.Error(diff)
	}
	if out.Certificate.CreatedAt == nil || !out.Certificate.CreatedAt.Equal(*out.Certificate.ImportedAt) {
		t.Errorf("created %v, imported %v", out.Certificate.CreatedAt, out.Certificate.ImportedAt)
	}
	got, err := b.root.GetCertificate(t.Context(), &sdk.GetCertificateInput{CertificateArn: arn})
	if err != nil || *got.Certificate != string(certificate) || got.CertificateChain != nil {
		t.Errorf("got %v, %v", got, err)
	}
	b.now = b.now.Add(2000 * time.Hour)
	if out, err = b.root.DescribeCertificate(t.Context(), &sdk.DescribeCertificateInput{CertificateArn: arn}); err != nil || out.Certificate.Status != "EXPIRED" {
		t.Errorf("got %v, %v", out.Certificate.Status, err)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	key := curve(t)
	certificate, private, _ := made(t, "media.example", key, nil)
	second, _, again := made(t, "media.example", key, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) })
	arn := b.imports(key, "media.example", nil, tag("stage", "a"), tag("empty", ""))
	tags, err := b.root.ListTagsForCertificate(ctx, &sdk.ListTagsForCertificateInput{CertificateArn: arn})
	if err != nil || len(tags.Tags) != 2 || *tags.Tags[0].Key != "empty" || *tags.Tags[1].Value != "a" {
		t.Errorf("got %v, %v", tags, err)
	}
	out, err := b.root.ImportCertificate(ctx, &sdk.ImportCertificateInput{CertificateArn: arn, Certificate: second, PrivateKey: private})
	if err != nil || *out.CertificateArn != *arn {
		t.Fatalf("got %v, %v", out, err)
	}
	described, err := b.root.DescribeCertificate(ctx, &sdk.DescribeCertificateInput{CertificateArn: arn})
	if err != nil || *described.Certificate.Serial != "07" || described.Certificate.ImportedAt.Equal(*described.Certificate.CreatedAt) {
		t.Errorf("after %v: got %v, %v", again.SerialNumber, described, err)
	}
	for name, in := range map[string]*sdk.ImportCertificateInput{
		"ValidationException The private key does not match":         {Certificate: certificate, PrivateKey: pemKey(t, curve(t))},
		"ValidationException Tagging is not permitted on re-import.": {CertificateArn: arn, Certificate: certificate, PrivateKey: private, Tags: []types.Tag{tag("a", "b")}},
		"ResourceNotFoundException Could not find certificate":       {CertificateArn: aws.String(*arn + "0"), Certificate: certificate, PrivateKey: private},
		"InvalidTagException is given more than once":                {Certificate: certificate, PrivateKey: private, Tags: []types.Tag{tag("a", "b"), tag("a", "c")}},
		"InvalidTagException reserved":                               {Certificate: certificate, PrivateKey: private, Tags: []types.Tag{tag("aws:a", "b")}},
		"ValidationException Value at 'privateKey' failed to satisfy constraint: Member must have length less than or equal to 5120": {Certificate: certificate, PrivateKey: make([]byte, 5121)},
		"ValidationException Value at 'certificate' failed to satisfy constraint":                                                    {Certificate: make([]byte, 32769), PrivateKey: private},
		"ValidationException Value at 'tags' failed to satisfy constraint":                                                           {Certificate: certificate, PrivateKey: private, Tags: make51()},
		"ValidationException Value 'x' at 'certificateArn' failed to satisfy constraint":                                             {CertificateArn: aws.String("x"), Certificate: certificate, PrivateKey: private},
	} {
		code, says, _ := strings.Cut(name, " ")
		refused(t, name, is(b.root.ImportCertificate(ctx, in)), code, says)
	}
	list, err := b.root.ListCertificates(ctx, &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: []types.KeyAlgorithm{"EC_prime256v1"}}})
	if err != nil || len(list.CertificateSummaryList) != 1 {
		t.Errorf("got %v, %v", list, err)
	}
}

func make51() []types.Tag {
	var out []types.Tag
	for i := range 51 {
		out = append(out, tag(strings.Repeat("a", i+1), ""))
	}
	return out
}

func pemKey(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	_, private, _ := made(t, "x", key, nil)
	return private
}

func TestTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	arn := b.imports(curve(t), "media.example", nil)
	add := func(tags ...types.Tag) error {
		return is(b.root.AddTagsToCertificate(ctx, &sdk.AddTagsToCertificateInput{CertificateArn: arn, Tags: tags}))
	}
	drop := func(tags ...types.Tag) error {
		return is(b.root.RemoveTagsFromCertificate(ctx, &sdk.RemoveTagsFromCertificateInput{CertificateArn: arn, Tags: tags}))
	}
	for _, err := range []error{add(tag("a", "1"), tag("b", "1")), add(tag("b", "2"), tag("c", "3")), drop(types.Tag{Key: aws.String("a")}, tag("b", "1"), tag("c", "3"))} {
		if err != nil {
			t.Error(err)
		}
	}
	out, err := b.root.ListTagsForCertificate(ctx, &sdk.ListTagsForCertificateInput{CertificateArn: arn})
	if err != nil || len(out.Tags) != 1 || *out.Tags[0].Key != "b" || *out.Tags[0].Value != "2" {
		t.Errorf("got %v, %v", out, err)
	}
	refused(t, "a key twice", add(tag("x", "1"), tag("x", "2")), "InvalidTagException", "more than once")
	refused(t, "a key twice to take away", drop(tag("x", "1"), tag("x", "2")), "InvalidTagException", "more than once")
	refused(t, "characters", add(tag("a&b", "")), "ValidationException", "Value 'a&b' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern")
	many := make51()[:50]
	refused(t, "51 in all", add(many...), "TooManyTagsException", "at most 50")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	arn := b.imports(rsaKey(t), "media.example", nil)
	if err := b.certificates.Associate(ctx, account, *arn); err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		return is(b.root.DeleteCertificate(ctx, &sdk.DeleteCertificateInput{CertificateArn: arn}))
	}
	refused(t, "in use", remove(), "ResourceInUseException", "Certificate "+*arn+" in account "+account+" is in use.")
	d, err := b.root.DescribeCertificate(ctx, &sdk.DescribeCertificateInput{CertificateArn: arn})
	if err != nil || !slices.Equal(d.Certificate.InUseBy, []string{"arn:aws:mediaconvert:us-east-1:" + account + ":certificates/" + *arn}) {
		t.Errorf("got %v, %v", d.Certificate.InUseBy, err)
	}
	if list, err := b.root.ListCertificates(ctx, &sdk.ListCertificatesInput{}); err != nil || len(list.CertificateSummaryList) != 1 || !*list.CertificateSummaryList[0].InUse {
		t.Errorf("got %v, %v", list, err)
	}
	if err := b.certificates.Disassociate(ctx, account, *arn); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	refused(t, "again", remove(), "ResourceNotFoundException", "Could not find certificate "+*arn)
	refused(t, "an ARN of no certificate", is(b.root.DeleteCertificate(ctx, &sdk.DeleteCertificateInput{CertificateArn: aws.String("arn:aws:acm:us-east-1:111122223333:account/x")})), "InvalidArnException", "does not name a certificate")
}

// TestExport: no key comes out.
func TestExport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn := b.imports(curve(t), "media.example", nil)
	export := func(arn *string) error {
		return is(b.root.ExportCertificate(t.Context(), &sdk.ExportCertificateInput{CertificateArn: arn, Passphrase: []byte("passphrase")}))
	}
	refused(t, "export", export(arn), "ValidationException", "was imported. Imported certificates cannot be exported.")
	refused(t, "export of nothing", export(aws.String(*arn+"0")), "ResourceNotFoundException", "")
}

func TestList(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	key, ec := rsaKey(t), curve(t)
	var arns []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		arns = append(arns, *b.imports(key, name+".example", nil))
	}
	curved := *b.imports(ec, "curve.example", func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil })
	nameless := *b.imports(key, "", func(c *x509.Certificate) { c.DNSNames = nil })
	soon := *b.imports(key, "soon.example", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10 * time.Hour) })
	many := *b.imports(ec, "many.example", func(c *x509.Certificate) {
		for i := range 150 {
			c.DNSNames = append(c.DNSNames, strings.Repeat("a", i%60+1)+strings.Repeat("b", i/60+1)+".example")
		}
	})
	b.now = b.now.Add(20 * time.Hour)
	ec256 := []types.KeyAlgorithm{"EC_prime256v1"}
	all := []types.KeyAlgorithm{"EC_prime256v1", "RSA_2048"}
	for _, tt := range []struct {
		name string
		in   *sdk.ListCertificatesInput
		want []string
	}{
		{"RSA with names", &sdk.ListCertificatesInput{}, append(slices.Clone(arns), soon)},
		{"issued", &sdk.ListCertificatesInput{CertificateStatuses: []types.CertificateStatus{"ISSUED"}}, arns},
		{"expired", &sdk.ListCertificatesInput{CertificateStatuses: []types.CertificateStatus{"EXPIRED", "REVOKED"}}, []string{soon}},
		{"pending", &sdk.ListCertificatesInput{CertificateStatuses: []types.CertificateStatus{"PENDING_VALIDATION"}}, nil},
		{"curves", &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: ec256}}, []string{curved, many}},
		{"RSA with and without names", &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: all[1:]}}, slices.Concat(arns, []string{nameless, soon})},
		{"a usage", &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: all, KeyUsage: []types.KeyUsageName{"KEY_ENCIPHERMENT", "CRL_SIGNING"}}}, slices.Concat(arns, []string{nameless, soon, many})},
		{"any usage", &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: all, KeyUsage: []types.KeyUsageName{"ANY"}}}, []string{curved}},
		{"no extended usage", &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: all, ExtendedKeyUsage: []types.ExtendedKeyUsageName{"NONE"}}}, []string{curved}},
		{"an extended usage", &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: ec256, ExtendedKeyUsage: []types.ExtendedKeyUsageName{"TLS_WEB_SERVER_AUTHENTICATION"}}}, []string{many}},
		{"exported", &sdk.ListCertificatesInput{Includes: &types.Filters{ExportOption: "ENABLED"}}, nil},
		{"not exported", &sdk.ListCertificatesInput{Includes: &types.Filters{ExportOption: "DISABLED", KeyTypes: ec256}}, []string{curved, many}},
		{"managed", &sdk.ListCertificatesInput{Includes: &types.Filters{ManagedBy: "CLOUDFRONT"}}, nil},
		{"of AWS", &sdk.ListCertificatesInput{CertificateKeyPairOrigins: []types.CertificateKeyPairOrigin{"AWS_MANAGED"}}, nil},
		{"of customers", &sdk.ListCertificatesInput{CertificateKeyPairOrigins: []types.CertificateKeyPairOrigin{"CUSTOMER_PROVIDED"}, Includes: &types.Filters{KeyTypes: ec256}}, []string{curved, many}},
		{"backwards", &sdk.ListCertificatesInput{SortBy: "CREATED_AT", SortOrder: "DESCENDING", Includes: &types.Filters{KeyTypes: ec256}}, []string{many, curved}},
	} {
		for _, size := range []int32{1, 2, 5, 6, 1000} {
			in := *tt.in
			in.MaxItems = &size
			var got []string
			for pages := 0; ; pages++ {
				out, err := b.root.ListCertificates(ctx, &in)
				if err != nil || pages > 20 {
					t.Fatalf("%s: %v", tt.name, err)
				}
				if int32(len(out.CertificateSummaryList)) > size || out.NextToken != nil && int32(len(out.CertificateSummaryList)) < size {
					t.Errorf("%s: a page of %d", tt.name, len(out.CertificateSummaryList))
				}
				for _, s := range out.CertificateSummaryList {
					got = append(got, *s.CertificateArn)
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, %d a page: %s", tt.name, size, diff)
			}
		}
	}
	out, err := b.root.ListCertificates(ctx, &sdk.ListCertificatesInput{Includes: &types.Filters{KeyTypes: ec256}})
	if err != nil {
		t.Fatal(err)
	}
	last := out.CertificateSummaryList[1]
	if len(last.SubjectAlternativeNameSummaries) != 100 || !*last.HasAdditionalSubjectAlternativeNames || *out.CertificateSummaryList[0].HasAdditionalSubjectAlternativeNames {
		t.Errorf("names: %d, %t", len(last.SubjectAlternativeNameSummaries), *last.HasAdditionalSubjectAlternativeNames)
	}

	// The certificate that a page ended with is gone: the list goes on all the same.
	page, err := b.root.ListCertificates(ctx, &sdk.ListCertificatesInput{MaxItems: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.root.DeleteCertificate(ctx, &sdk.DeleteCertificateInput{CertificateArn: &arns[1]}); err != nil {
		t.Fatal(err)
	}
	next, err := b.root.ListCertificates(ctx, &sdk.ListCertificatesInput{MaxItems: aws.Int32(2), NextToken: page.NextToken})
	if err != nil || *next.CertificateSummaryList[0].CertificateArn != arns[2] {
		t.Errorf("got %v, %v", next, err)
	}
	for _, token := range []string{"x", "AAAA", "====", "eCB5"} {
		refused(t, token, is(b.root.ListCertificates(ctx, &sdk.ListCertificatesInput{NextToken: &token})), "ValidationException", "The NextToken is not one")
	}
	refused(t, "an order of nothing", is(b.root.ListCertificates(ctx, &sdk.ListCertificatesInput{SortOrder: "ASCENDING"})), "ValidationException", "SortBy and SortOrder")
	// Another account has its own list, whatever token it shows.
	theirs, err := b.as("AKIAOTHER", "secret of AKIAOTHER").ListCertificates(ctx, &sdk.ListCertificatesInput{NextToken: page.NextToken})
	if err != nil || len(theirs.CertificateSummaryList) != 0 {
		t.Errorf("another account: %v, %v", theirs, err)
	}
}

// TestPolicies: permissions by ARN, by the tags of a certificate and by those of a request.
func TestPolicies(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	key := curve(t)
	live, stage := b.imports(key, "live.example", nil, tag("stage", "live")), b.imports(key, "stage.example", nil, tag("stage", "test"))
	certificate, private, _ := made(t, "live.example", key, nil)
	const denied = "AccessDeniedException"
	tester := b.user("tester", `{"Effect":"Allow","Action":"acm:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/stage":"test"}}}`)
	if _, err := tester.DescribeCertificate(ctx, &sdk.DescribeCertificateInput{CertificateArn: stage}); err != nil {
		t.Errorf("by its tag: %v", err)
	}
	refused(t, "another tag", is(tester.DescribeCertificate(ctx, &sdk.DescribeCertificateInput{CertificateArn: live})), denied, "acm:DescribeCertificate on resource: "+*live)
	refused(t, "another tag, to delete", is(tester.DeleteCertificate(ctx, &sdk.DeleteCertificateInput{CertificateArn: live})), denied, "")
	refused(t, "another tag, to replace", is(tester.ImportCertificate(ctx, &sdk.ImportCertificateInput{CertificateArn: live, Certificate: certificate, PrivateKey: private})), denied, "")
	refused(t, "another tag, to tag away", is(tester.AddTagsToCertificate(ctx, &sdk.AddTagsToCertificateInput{CertificateArn: live, Tags: []types.Tag{tag("stage", "test")}})), denied, "")
	refused(t, "what is not there", is(tester.GetCertificate(ctx, &sdk.GetCertificateInput{CertificateArn: aws.String(*live + "0")})), denied, "")
	refused(t, "the list", is(tester.ListCertificates(ctx, &sdk.ListCertificatesInput{})), denied, "acm:ListCertificates because no identity-based policy allows")

	importer := b.user("importer", `{"Effect":"Allow","Action":["acm:ImportCertificate","acm:AddTagsToCertificate"],"Resource":"arn:aws:acm:us-east-1:111122223333:certificate/*","Condition":{"StringEquals":{"aws:RequestTag/stage":"test"},"ForAllValues:StringEquals":{"aws:TagKeys":["stage"]}}}`)
	brings := func(tags ...types.Tag) error {
		return is(importer.ImportCertificate(ctx, &sdk.ImportCertificateInput{Certificate: certificate, PrivateKey: private, Tags: tags}))
	}
	if err := brings(tag("stage", "test")); err != nil {
		t.Errorf("with the tag: %v", err)
	}
	refused(t, "without the tag", brings(), denied, "acm:ImportCertificate on resource: arn:aws:acm:us-east-1:111122223333:certificate/*")
	refused(t, "with another", brings(tag("stage", "live")), denied, "")
	refused(t, "with one more", brings(tag("stage", "test"), tag("x", "y")), denied, "")
	plain := b.user("plain", `{"Effect":"Allow","Action":"acm:ImportCertificate","Resource":"*"}`)
	refused(t, "tags without the right to tag", is(plain.ImportCertificate(ctx, &sdk.ImportCertificateInput{Certificate: certificate, PrivateKey: private, Tags: []types.Tag{tag("a", "b")}})), denied, "acm:AddTagsToCertificate")
	if _, err := plain.ImportCertificate(ctx, &sdk.ImportCertificateInput{Certificate: certificate, PrivateKey: private}); err != nil {
		t.Errorf("without tags: %v", err)
	}

	// What is wrong with a request is told only to those who may make it.
	refused(t, "a fault of somebody who may not", is(tester.ImportCertificate(ctx, &sdk.ImportCertificateInput{Certificate: []byte("x"), PrivateKey: []byte("y")})), denied, "")

	stranger := b.as("AKIAOTHER", "secret of AKIAOTHER")
	refused(t, "another account's root", is(stranger.GetCertificate(ctx, &sdk.GetCertificateInput{CertificateArn: live})), denied, "acm:GetCertificate on resource: "+*live)
}
