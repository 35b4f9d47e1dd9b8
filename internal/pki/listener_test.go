package pki

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair makes a certificate that signs itself, and its key, in PEM.
func pair(t *testing.T, name string, key crypto.Signer) (certificate, private []byte) {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: start, NotAfter: start.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err = x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

func curve(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// put writes a file as tools for certificates do: whole, under another name, and then renamed.
func put(t *testing.T, path string, text []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path+".new", mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	f := NewFiles(certificate, key)
	fails := func(what, says, still string) {
		t.Helper()
		c, changed, err := f.Certificate(t.Context())
		if err == nil || !strings.Contains(err.Error(), says) || changed || still == "" && c != nil || still != "" && c.Leaf.Subject.CommonName != still {
			t.Errorf("%s: got %v, %t, %v", what, c, changed, err)
		}
	}
	shows := func(what, name string, changed bool) {
		t.Helper()
		c, got, err := f.Certificate(t.Context())
		if err != nil || got != changed || c.Leaf.Subject.CommonName != name {
			t.Errorf("%s: got %v, %t, %v", what, c, got, err)
		}
	}
	fails("no files", "no such file", "")
	oneCert, oneKey := pair(t, "one", curve(t))
	twoCert, twoKey := pair(t, "two", curve(t))
	put(t, certificate, oneCert, 0o644)
	fails("no key", "no such file", "")
	put(t, key, oneKey, 0o644)
	fails("a key for everybody", "can be read by everybody", "")
	put(t, key, oneKey, 0o640)
	shows("both", "one", true)
	shows("again", "one", false)
	put(t, certificate, twoCert, 0o644)
	fails("half replaced", "private key does not match public key", "one")
	fails("half replaced, again", "private key does not match public key", "one")
	put(t, key, twoKey, 0o600)
	shows("replaced", "two", true)
	shows("replaced, again", "two", false)
	put(t, certificate, []byte("no certificate"), 0o644)
	fails("broken", "failed to find any PEM data", "two")
	put(t, certificate, make([]byte, maxFile+1), 0o644)
	fails("large", "not a file of at most", "two")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	fails("gone", "no such file", "two")
	if err := os.Mkdir(certificate, 0o700); err != nil {
		t.Fatal(err)
	}
	fails("a directory", "not a file of at most", "two")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	put(t, certificate, twoCert, 0o644)
	shows("there again", "two", true)
	put(t, key, twoKey, 0o604)
	fails("a key for everybody, later", "can be read by everybody", "two")
	for _, text := range []string{"PRIVATE KEY", string(twoKey[40:80])} {
		if _, _, err := f.Certificate(t.Context()); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

// shelf is a source that a test sets.
type shelf struct {
	c       *tls.Certificate
	changed bool
	err     error
}

func (s *shelf) Certificate(context.Context) (*tls.Certificate, bool, error) {
	changed := s.changed
	s.changed = false
	return s.c, changed, s.err
}

func parsed(t *testing.T, name string, key crypto.Signer) *tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(pair(t, name, key))
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestListener(t *testing.T) {
	t.Parallel()
	source := &shelf{err: errors.New("not yet")}
	if _, err := NewListener(t.Context(), source, nil); err == nil || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("got %v", err)
	}
	source.err = nil
	if _, err := NewListener(t.Context(), source, nil); err == nil {
		t.Error("a listener without a certificate")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	one, two := parsed(t, "one.example", curve(t)), parsed(t, "two.example", key)
	source.c = one
	var heard []string
	l, err := NewListener(t.Context(), source, func(c *tls.Certificate, err error) {
		name := "none"
		if c != nil {
			name = c.Leaf.Subject.CommonName
		}
		if err != nil {
			name += " " + err.Error()
		}
		heard = append(heard, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	hears := func(what string, want ...string) {
		t.Helper()
		if strings.Join(heard, "|") != strings.Join(want, "|") {
			t.Errorf("%s: heard %q, want %q", what, heard, want)
		}
		heard = nil
	}
	// A client sees the certificate with each handshake, whatever kind its key is of, and nothing older than TLS 1.2.
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = tls.Server(c, l.TLS()).Handshake() // the client says what came of it
			}()
		}
	}()
	sees := func(what string, version uint16) string {
		t.Helper()
		c, err := tls.Dial("tcp", server.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version}) //nolint:gosec // it is looked at
		if err != nil {
			return "refused"
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	hears("at first", "one.example")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if got := sees("one", version); got != "one.example" {
			t.Errorf("%x: got %s", version, got)
		}
	}
	if got := sees("old", tls.VersionTLS11); got != "refused" {
		t.Errorf("TLS 1.1: got %s", got)
	}
	hears("nothing new")
	source.c, source.changed = two, true
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if got := sees("two", version); got != "two.example" {
			t.Errorf("%x: got %s", version, got)
		}
	}
	hears("another", "two.example")
	source.err = errors.New("broken")
	for range 3 {
		if got := sees("broken", tls.VersionTLS13); got != "two.example" {
			t.Errorf("got %s", got)
		}
	}
	hears("a failure, once", "two.example broken")
	source.err = errors.New("broken otherwise")
	sees("broken", tls.VersionTLS13)
	hears("another failure", "two.example broken otherwise")
	source.err = nil
	sees("well", tls.VersionTLS13)
	hears("well again", "two.example")
	source.c, source.err = nil, errors.New("gone")
	if got := sees("gone", tls.VersionTLS13); got != "refused" {
		t.Errorf("without a certificate: got %s", got)
	}
	hears("none", "none gone")
	if got := Left(one, start); got != time.Hour {
		t.Errorf("got %s", got)
	}
}
