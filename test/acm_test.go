package test

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/acm"
)

// studio is a directory with an authority that openssl made, and with the certificates that it issues.
type studio struct {
	t   *testing.T
	dir string
}

func newStudio(t *testing.T) studio {
	t.Helper()
	need(t, "openssl")
	o := studio{t, t.TempDir()}
	run(t, nil, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", o.path("ca.key"), "-out", o.path("ca.pem"),
		"-subj", "/O=Studio/CN=Studio CA", "-days", "30", "-addext", "keyUsage=critical,keyCertSign")
	return o
}

func (o studio) path(name string) string { return filepath.Join(o.dir, name) }

// issue makes a certificate for this machine, in NAME.pem and NAME.key, and returns its serial number as openssl writes it.
func (o studio) issue(name string, days string) string {
	o.t.Helper()
	run(o.t, nil, "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", o.path(name+".key"), "-out", o.path(name+".csr"), "-subj", "/CN=studio.example")
	extensions := o.path(name + ".ext")
	if err := os.WriteFile(extensions, []byte("subjectAltName=DNS:studio.example,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"), 0o600); err != nil {
		o.t.Fatal(err)
	}
	run(o.t, nil, "openssl", "x509", "-req", "-in", o.path(name+".csr"), "-CA", o.path("ca.pem"), "-CAkey", o.path("ca.key"), "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", o.path(name+".pem"))
	return o.serial(o.path(name + ".pem"))
}

func (o studio) serial(path string) string {
	o.t.Helper()
	return strings.TrimPrefix(strings.TrimSpace(run(o.t, nil, "openssl", "x509", "-in", path, "-noout", "-serial")), "serial=")
}

func (o studio) read(name string) []byte {
	o.t.Helper()
	b, err := os.ReadFile(o.path(name))
	if err != nil {
		o.t.Fatal(err)
	}
	return b
}

// shown is the serial number of the certificate that a server shows to somebody who trusts the studio's authority; "" where they do not.
func (o studio) shown(s *server) string {
	o.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(o.read("ca.pem"))
	u, err := url.Parse(s.url)
	if err != nil {
		o.t.Fatal(err)
	}
	c, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	return fmt.Sprintf("%X", c.ConnectionState().PeerCertificates[0].SerialNumber.Bytes())
}

// keepSecret marks a private key, so that it is searched for.
func (s *server) keepSecret(key []byte) {
	s.t.Helper()
	block, _ := pem.Decode(key)
	s.secret("a private key", block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	if k, ok := parsed.(*rsa.PrivateKey); ok {
		s.secret("the exponent of a private key", k.D.Bytes())
		s.secret("a prime of a private key", k.Primes[0].Bytes())
	} else { // PKCS #8 of a P-256 key: the scalar stands at a fixed place
		s.secret("the scalar of a private key", block.Bytes[36:68])
	}
}

// certificate imports a certificate for content keys and returns its ARN.
func (s *server) certificate(name string) *string {
	s.t.Helper()
	need(s.t, "openssl")
	dir := s.t.TempDir()
	key, certificate := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	run(s.t, nil, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha512", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN="+name, "-days", "30")
	in := new(acm.ImportCertificateInput)
	var err error
	if in.Certificate, err = os.ReadFile(certificate); err != nil {
		s.t.Fatal(err)
	}
	if in.PrivateKey, err = os.ReadFile(key); err != nil {
		s.t.Fatal(err)
	}
	s.keepSecret(in.PrivateKey)
	out, err := acm.NewFromConfig(s.config()).ImportCertificate(s.t.Context(), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return out.CertificateArn
}

// TestACM is the life of a certificate with openssl and the AWS CLI: imported, looked at, shown by the listener, renewed without a restart, and not
// deleted while it is in use.
func TestACM(t *testing.T) {
	t.Parallel()
	o := newStudio(t)
	first := o.issue("first", "25")
	s := serve(t)
	admin := s.admin()
	bring := func(name string, more ...string) []string {
		s.keepSecret(o.read(name + ".key"))
		return append([]string{
			"acm", "import-certificate", "--certificate", "fileb://" + o.path(name+".pem"), "--private-key", "fileb://" + o.path(name+".key"), "--certificate-chain", "fileb://" + o.path("ca.pem"),
			"--query", "CertificateArn",
		}, more...)
	}
	arn := admin.aws(bring("first", "--tags", "Key=stage,Value=live")...)
	if !strings.HasPrefix(arn, "arn:aws:acm:us-east-1:"+account+":certificate/") {
		t.Fatalf("got the ARN %q", arn)
	}
	got := admin.aws("acm", "describe-certificate", "--certificate-arn", arn, "--query", "Certificate.[DomainName,Status,Type,KeyAlgorithm,Issuer,SignatureAlgorithm,RenewalEligibility,InUseBy|length(@)]")
	if want := "studio.example\tISSUED\tIMPORTED\tEC_prime256v1\tStudio\tSHA256WITHECDSA\tINELIGIBLE\t0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	serial := admin.aws("acm", "describe-certificate", "--certificate-arn", arn, "--query", "Certificate.Serial")
	if strings.ToUpper(strings.ReplaceAll(serial, ":", "")) != first {
		t.Errorf("got the serial number %s, want %s", serial, first)
	}
	if got := admin.aws("acm", "list-certificates"); got != "" {
		t.Errorf("without key types: %s", got)
	}
	if got := admin.aws("acm", "list-certificates", "--includes", "keyTypes=EC_prime256v1", "--query", "CertificateSummaryList[].CertificateArn"); got != arn {
		t.Errorf("got %s", got)
	}
	var texts struct{ Certificate, CertificateChain string }
	if err := json.Unmarshal([]byte(admin.aws("acm", "get-certificate", "--certificate-arn", arn, "--output", "json")), &texts); err != nil {
		t.Fatal(err)
	}
	if texts.Certificate != string(o.read("first.pem")) || texts.CertificateChain != string(o.read("ca.pem")) {
		t.Errorf("got %+v", texts)
	}
	if got := admin.aws("acm", "list-tags-for-certificate", "--certificate-arn", arn, "--query", "Tags[].[Key,Value]"); got != "stage\tlive" {
		t.Errorf("got the tags %q", got)
	}

	// Who may not is told so in ACM's words, and nothing else.
	guest := hire(admin, "guest", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"acm:Describe*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/stage":"live"}}}}`)
	guest.aws("acm", "describe-certificate", "--certificate-arn", arn)
	guest.refused("AccessDeniedException", says("not authorized to perform: acm:ImportCertificate on resource: arn:aws:acm:us-east-1:"+account+":certificate/*"), bring("first")...)
	guest.refused("AccessDeniedException", says("acm:DeleteCertificate on resource: "+arn), "acm", "delete-certificate", "--certificate-arn", arn)
	guest.refused("AccessDeniedException", says("acm:ListCertificates"), "acm", "list-certificates")
	admin.refused("ValidationException", says("was imported. Imported certificates cannot be exported."), "acm", "export-certificate", "--certificate-arn", arn, "--passphrase", "cGFzc3BocmFzZQ==")
	admin.refused("UnsupportedOperationException", says("Not offered by this installation: RequestCertificate."), "acm", "request-certificate", "--domain-name", "studio.example")
	o.issue("other", "25")
	s.keepSecret(o.read("other.key"))
	admin.refused("ValidationException", says("The private key does not match the public key of the certificate."),
		"acm", "import-certificate", "--certificate", "fileb://"+o.path("first.pem"), "--private-key", "fileb://"+o.path("other.key"), "--certificate-chain", "fileb://"+o.path("ca.pem"))
	admin.refused("ValidationException", says("Provided certificate is not a valid self signed."), "acm", "import-certificate", "--certificate", "fileb://"+o.path("first.pem"), "--private-key", "fileb://"+o.path("first.key"))
	if serial := o.shown(s); serial != "" {
		t.Errorf("before it is configured, the listener shows %s", serial)
	}

	// The listener shows it once it is configured, and env tells clients whom to trust.
	s.stop()
	s.args = append(slices.Clone(s.args), "--tls-certificate-arn", arn)
	s.start()
	if serial := o.shown(s); serial != first {
		t.Errorf("the listener shows %q, want %s", serial, first)
	}
	if got := s.aws("sts", "get-caller-identity", "--query", "Account", "--output", "text"); got != account {
		t.Errorf("with what env says: %s", got)
	}
	trusts := func(p *person) *person {
		q := *p
		q.env = append(slices.Clone(p.env), "AWS_CA_BUNDLE="+o.path("ca.pem"))
		return &q
	}
	admin = trusts(s.admin())
	if got := admin.aws("acm", "describe-certificate", "--certificate-arn", arn, "--query", "Certificate.InUseBy"); got != "arn:aws:darkroom:us-east-1:"+account+":listener" {
		t.Errorf("used by %q", got)
	}
	admin.refused("ResourceInUseException", says("Certificate "+arn+" in account "+account+" is in use."), "acm", "delete-certificate", "--certificate-arn", arn)

	// A renewal is shown with the next connection.
	second := o.issue("second", "5")
	if got := admin.aws(bring("second", "--certificate-arn", arn)...); got != arn {
		t.Errorf("got the ARN %q", got)
	}
	if serial := o.shown(s); serial != second || second == first {
		t.Errorf("after the renewal the listener shows %q, want %s", serial, second)
	}
	if out := run(t, nil, "bash", "-c", `openssl s_client -connect "$0" -CAfile "$1" -verify_return_error </dev/null | openssl x509 -noout -serial`, strings.TrimPrefix(s.url, "https://"), o.path("ca.pem")); !strings.Contains(out, second) {
		t.Errorf("openssl sees %s", out)
	}
	// It ends in five days, which is told to who watches over the server.
	if status, body := o.ready(s); status != http.StatusOK || !strings.Contains(body, "the certificate of the listener ends at") {
		t.Errorf("readyz: %d %s", status, body)
	}
	admin.refused("ValidationException", says("Tagging is not permitted on re-import."), bring("second", "--certificate-arn", arn, "--tags", "Key=a,Value=b")...)
	admin.refused("ResourceNotFoundException", says("Could not find certificate"), bring("second", "--certificate-arn", arn[:len(arn)-1]+"0x")...)

	// Content keys are encrypted for RSA alone; what MediaConvert uses is not deleted either.
	admin.refused("BadRequestException", says("RSA_2048 alone"), "mediaconvert", "associate-certificate", "--arn", arn)
	admin.refused("NotFoundException", says("Could not find certificate"), "mediaconvert", "associate-certificate", "--arn", "arn:aws:acm:us-east-1:"+account+":certificate/00000000-0000-4000-8000-000000000000")
	run(t, nil, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha512", "-nodes", "-keyout", o.path("speke.key"), "-out", o.path("speke.pem"), "-subj", "/CN=speke", "-days", "30")
	s.keepSecret(o.read("speke.key"))
	speke := admin.aws("acm", "import-certificate", "--certificate", "fileb://"+o.path("speke.pem"), "--private-key", "fileb://"+o.path("speke.key"), "--query", "CertificateArn")
	admin.aws("mediaconvert", "associate-certificate", "--arn", speke)
	admin.refused("ResourceInUseException", nil, "acm", "delete-certificate", "--certificate-arn", speke)
	admin.aws("mediaconvert", "disassociate-certificate", "--arn", speke)
	admin.aws("acm", "delete-certificate", "--certificate-arn", speke)
	admin.refused("ResourceNotFoundException", nil, "acm", "describe-certificate", "--certificate-arn", speke)

	// It is there after a power cut too.
	s.kill()
	if serial := o.shown(s); serial != second {
		t.Errorf("after a restart the listener shows %q, want %s", serial, second)
	}
	// A server whose certificate is not there does not start with another.
	out, stderr, err := try(t, nil, binary, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--tls-certificate-arn", arn)
	if err == nil || !strings.Contains(stderr, "the certificate of the listener: Could not find certificate "+arn) {
		t.Errorf("without the certificate: %v\n%s%s", err, out, stderr)
	}
}

// ready asks whether a server is ready.
func (o studio) ready(s *server) (int, string) {
	o.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(o.read("ca.pem"))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.url + "/readyz")
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestCertificateFiles shows a certificate of two files, which are replaced while the server runs.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	o := newStudio(t)
	place := func(name string) {
		t.Helper()
		chain := slices.Concat(o.read(name+".pem"), o.read("ca.pem"))
		for file, text := range map[string][]byte{"live.pem": chain, "live.key": o.read(name + ".key")} {
			if err := os.WriteFile(o.path(file+".new"), text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(o.path(file+".new"), o.path(file)); err != nil {
				t.Fatal(err)
			}
		}
	}
	first, second := o.issue("first", "25"), o.issue("second", "25")
	place("first")
	s := serve(t, "--tls-certificate-file", o.path("live.pem"), "--tls-key-file", o.path("live.key"))
	if serial := o.shown(s); serial != first {
		t.Errorf("the listener shows %q, want %s", serial, first)
	}
	if got := s.aws("sts", "get-caller-identity", "--query", "Account", "--output", "text"); got != account {
		t.Errorf("with what env says: %s", got)
	}
	place("second")
	if serial := o.shown(s); serial != second {
		t.Errorf("after the files were replaced the listener shows %q, want %s", serial, second)
	}
	if err := os.WriteFile(o.path("live.pem"), []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if serial := o.shown(s); serial != second {
		t.Errorf("with a broken file the listener shows %q, want %s", serial, second)
	}
	if !strings.Contains(s.log.String(), "the certificate of the listener could not be read; the one of before is shown") {
		t.Error("that is not in the log")
	}
}
