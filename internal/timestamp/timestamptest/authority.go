// Package timestamptest is a time-stamping authority for tests: OpenSSL's, behind an HTTP handler.
package timestamptest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certification authority with one time-stamping authority.
type Authority struct {
	Roots *x509.CertPool
	PEM   []byte // of the root
	t     *testing.T
	dir   string
}

// Options are what is special about an authority; the zero value is a good one.
type Options struct {
	RSA     bool // its key; ECDSA where false
	Expired bool // its certificate has ended
	// Usage are the extended key usages in place of the one for time stamps, and NotCritical how they stand there.
	Usage       []x509.ExtKeyUsage
	NotCritical bool
}

// Need skips at the desk, and fails in CI, where openssl is missing.
func Need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
}

// New makes an authority.
func New(t *testing.T, o Options) *Authority {
	t.Helper()
	Need(t)
	a := &Authority{Roots: x509.NewCertPool(), t: t, dir: t.TempDir()}
	rootKey := a.key(false)
	now := time.Now()
	root := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root of the test"}, NotBefore: now.Add(-100 * time.Hour), NotAfter: now.Add(100 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, rootKey, rootKey)
	a.Roots.AddCert(root)
	a.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	signer := a.key(o.RSA)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Clock of the test"}, NotBefore: now.Add(-99 * time.Hour), NotAfter: now.Add(99 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if o.Expired {
		template.NotAfter = now.Add(-time.Hour)
	}
	usage := o.Usage
	if usage == nil {
		usage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}
	}
	template.ExtKeyUsage = usage
	if !o.NotCritical && len(usage) == 1 && usage[0] == x509.ExtKeyUsageTimeStamping {
		// Go marks it as not critical: written by hand it is.
		template.ExtKeyUsage = nil
		template.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 37}, Critical: true, Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 8}}}
	}
	c := a.sign(template, root, rootKey, signer)
	key, err := x509.MarshalPKCS8PrivateKey(signer)
	a.ok(err)
	a.write("root.pem", a.PEM)
	a.write("tsa.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	a.write("tsa.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	a.write("serial", []byte("01\n"))
	a.write("tsa.conf", fmt.Appendf(nil, `[tsa]
default_tsa = here
[here]
serial = %[1]s/serial
signer_cert = %[1]s/tsa.pem
signer_key = %[1]s/tsa.key
certs = %[1]s/root.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1, millisecs:500
ess_cert_id_alg = sha256
`, a.dir))
	return a
}

func (a *Authority) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *Authority) write(name string, text []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	a.ok(os.WriteFile(path, text, 0o600))
	return path
}

func (a *Authority) key(isRSA bool) crypto.Signer {
	a.t.Helper()
	if isRSA {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		a.ok(err)
		return k
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.ok(err)
	return k
}

func (a *Authority) sign(template, parent *x509.Certificate, by, subject crypto.Signer) *x509.Certificate {
	a.t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.Public(), by)
	a.ok(err)
	c, err := x509.ParseCertificate(der)
	a.ok(err)
	return c
}

// run runs openssl and returns what it prints.
func (a *Authority) run(args ...string) ([]byte, error) {
	var out, fault bytes.Buffer
	c := exec.Command("openssl", args...)
	c.Stdout, c.Stderr = &out, &fault
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("openssl %s: %w: %s", args[0], err, fault.String())
	}
	return out.Bytes(), nil
}

// Reply answers a request. Replies are given one at a time.
func (a *Authority) Reply(request []byte) []byte {
	a.t.Helper()
	reply, err := a.run("ts", "-reply", "-config", filepath.Join(a.dir, "tsa.conf"), "-queryfile", a.write("request", request))
	a.ok(err)
	return reply
}

// Sign signs information of a time stamp as it is, whatever the certificate is for, and returns the time stamp.
func (a *Authority) Sign(info []byte) []byte {
	a.t.Helper()
	token, err := a.run("cms", "-sign", "-binary", "-nodetach", "-cades", "-md", "sha256", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-outform", "DER",
		"-signer", filepath.Join(a.dir, "tsa.pem"), "-inkey", filepath.Join(a.dir, "tsa.key"), "-in", a.write("info", info))
	a.ok(err)
	return token
}

// Check has openssl verify a response to be of data.
func (a *Authority) Check(response, data []byte) error {
	_, err := a.run("ts", "-verify", "-data", a.write("data", data), "-in", a.write("response", response), "-CAfile", filepath.Join(a.dir, "root.pem"))
	return err
}

// ServeHTTP implements RFC 3161 section 3.4.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(w, "not a request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	_, _ = w.Write(a.Reply(request))
}
