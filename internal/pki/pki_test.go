package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// box is a Sealer that binds to aad and hides nothing but the order of bytes; it fails when told.
type box struct{ fail error }

func (b box) Seal(aad, plaintext []byte) ([]byte, error) {
	out := slices.Clone(plaintext)
	slices.Reverse(out)
	return append(append([]byte{byte(len(aad))}, aad...), out...), b.fail
}

func (b box) Open(aad, sealed []byte) ([]byte, error) {
	if b.fail != nil {
		return nil, b.fail
	}
	if !bytes.HasPrefix(sealed, append([]byte{byte(len(aad))}, aad...)) {
		return nil, errors.New("sealed for something else")
	}
	out := slices.Clone(sealed[1+len(aad):])
	slices.Reverse(out)
	return out, nil
}

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func open(t *testing.T, dir string, hosts []string, now time.Time) (*Authority, bool) {
	t.Helper()
	a, created, err := Open(dir, hosts, box{}, at(now))
	if err != nil {
		t.Fatal(err)
	}
	return a, created
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	a, created := open(t, dir, []string{"Media.Example.", "10.1.2.3", "fd00::1", "127.0.0.1", "::1", "localhost", "media.example"}, start)
	if !created {
		t.Error("made nothing")
	}
	c := a.Certificate()
	if !c.IsCA || !c.MaxPathLenZero || c.MaxPathLen != 0 || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("got CA %v, path length %d, usage %v", c.IsCA, c.MaxPathLen, c.KeyUsage)
	}
	var ranges []string
	for _, r := range c.PermittedIPRanges {
		ranges = append(ranges, r.String())
	}
	if !c.PermittedDNSDomainsCritical || !slices.Equal(c.PermittedDNSDomains, []string{"localhost", "media.example"}) ||
		!slices.Equal(ranges, []string{"127.0.0.0/8", "::1/128", "10.1.2.3/32", "fd00::1/128"}) {
		t.Errorf("constraints: got %v %v", c.PermittedDNSDomains, ranges)
	}
	for name, mode := range map[string]fs.FileMode{CertificateFile: 0o644, keyFile: 0o600, ".": 0o700} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: got %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("got %v %v", entries, err)
	}

	again, created := open(t, dir, []string{"media.example"}, start.Add(24*time.Hour))
	if created || !again.Certificate().Equal(c) {
		t.Error("the authority is not the same after a restart")
	}
	if _, created := open(t, dir, []string{"media.example"}, c.NotAfter.Add(-LeafLife-time.Second)); created {
		t.Error("made anew before it had to be")
	}
	if other, created := open(t, dir, []string{"more.example"}, start); !created || other.Certificate().Equal(c) {
		t.Error("an authority that may not name the host was kept")
	}
	if _, created := open(t, dir, []string{"10.9.9.9"}, start); !created {
		t.Error("an authority that may not name the address was kept")
	}
	if _, created := open(t, dir, []string{"10.9.9.9"}, start.Add(AuthorityLife-LeafLife)); !created {
		t.Error("an authority near its end was kept")
	}
}

// chain verifies a leaf as a client does.
func chain(a *Authority, leaf *x509.Certificate, host string, now time.Time) error {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate())
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

func TestLeaf(t *testing.T) {
	t.Parallel()
	a, _ := open(t, t.TempDir(), []string{"media.example", "10.1.2.3", "fd00::1"}, start)
	leaf, err := a.TLS().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"localhost": true, "media.example": true, "10.1.2.3": true, "[fd00::1]": true, "127.0.0.1": true, "[::1]": true,
		"elsewhere.example": false, "sub.media.example": false, "10.1.2.4": false, "127.0.0.2": false, "": true,
	} {
		if err := chain(a, leaf.Leaf, host, start); (err == nil) != want {
			t.Errorf("%q: got %v", host, err)
		}
	}
	if chain(a, leaf.Leaf, "localhost", start.Add(LeafLife+time.Hour)) == nil {
		t.Error("a leaf does not end")
	}
	if leaf.Leaf.IsCA || leaf.Leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("leaf: CA %v, usage %v", leaf.Leaf.IsCA, leaf.Leaf.KeyUsage)
	}
}

// TestConstraints signs, with the authority's own key, what it may not vouch for: clients refuse it.
func TestConstraints(t *testing.T) {
	t.Parallel()
	a, _ := open(t, t.TempDir(), []string{"media.example"}, start)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(edit func(*x509.Certificate), parent *x509.Certificate, by any) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: start.Add(-time.Hour), NotAfter: start.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		edit(c)
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	for host, want := range map[string]bool{"media.example": true, "localhost": true, "mediaconvert.us-east-1.amazonaws.com": false, "example": false} {
		leaf := sign(func(c *x509.Certificate) { c.DNSNames = []string{host} }, a.cert, a.key)
		if err := chain(a, leaf, host, start); (err == nil) != want {
			t.Errorf("%s: got %v", host, err)
		}
	}
	for ip, want := range map[string]bool{"127.3.4.5": true, "10.0.0.1": false, "8.8.8.8": false} {
		leaf := sign(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(ip)} }, a.cert, a.key)
		if err := chain(a, leaf, ip, start); (err == nil) != want {
			t.Errorf("%s: got %v", ip, err)
		}
	}
	middle := sign(func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.ExtKeyUsage = nil
	}, a.cert, a.key)
	leaf := sign(func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} }, middle, key)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.cert)
	between.AddCert(middle)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: "localhost", CurrentTime: start}); err == nil {
		t.Error("the authority can make another authority")
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	now := start
	a, _, err := Open(t.TempDir(), nil, box{}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	get := func() *x509.Certificate {
		t.Helper()
		c, err := a.current()
		if err != nil {
			t.Fatal(err)
		}
		if err := chain(a, c.Leaf, "localhost", now); err != nil {
			t.Errorf("at %v: %v", now, err)
		}
		return c.Leaf
	}
	first := get()
	now = start.Add(LeafLife*2/3 - time.Second)
	if !get().Equal(first) {
		t.Error("made anew too early")
	}
	now = start.Add(LeafLife * 2 / 3)
	second := get()
	if second.Equal(first) {
		t.Error("not made anew")
	}
	now = start.Add(-time.Minute) // the clock was set back
	if get().Equal(second) {
		t.Error("a leaf that is not valid yet was kept")
	}
	now = start.Add(AuthorityLife - time.Hour)
	if last := get(); last.NotAfter.After(a.cert.NotAfter) {
		t.Error("the leaf outlives the authority")
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", ".", "*.example", ".example", "a b", "user@h", "h:80", "a/b", "0.0.0.0", "::", "fe80::1%eth0", "a\x00b"} {
		if _, created, err := Open(t.TempDir(), []string{host}, box{}, at(start)); err == nil || created {
			t.Errorf("%q: accepted", host)
		}
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	sealed := errors.New("sealed")
	another := func(t *testing.T) *Authority {
		a, _ := open(t, t.TempDir(), nil, start)
		return a
	}
	// write puts blocks of PEM, or nonsense, into the sealed file.
	write := func(t *testing.T, dir string, blocks ...*pem.Block) {
		var plain []byte
		for _, b := range blocks {
			plain = append(plain, pem.EncodeToMemory(b)...)
		}
		text, err := box{}.Seal([]byte(sealedAs), plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, keyFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ecKey := func(t *testing.T, a *Authority) *pem.Block {
		der, err := x509.MarshalPKCS8PrivateKey(a.key)
		if err != nil {
			t.Fatal(err)
		}
		return &pem.Block{Type: blockKey, Bytes: der}
	}
	for name, tt := range map[string]struct {
		sealer Sealer
		damage func(t *testing.T, dir string)
		want   string
	}{
		"key does not open": {box{sealed}, func(*testing.T, string) {}, "sealed"},
		"key sealed for another use": {box{}, func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, keyFile), []byte("\x03abc"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "something else"},
		"nothing in it": {box{}, func(t *testing.T, dir string) { write(t, dir) }, "missing"},
		"no key": {box{}, func(t *testing.T, dir string) {
			write(t, dir, &pem.Block{Type: blockCertificate, Bytes: another(t).cert.Raw})
		}, "missing"},
		"key first": {box{}, func(t *testing.T, dir string) {
			a := another(t)
			write(t, dir, ecKey(t, a), &pem.Block{Type: blockCertificate, Bytes: a.cert.Raw})
		}, "missing"},
		"certificate is nonsense": {box{}, func(t *testing.T, dir string) {
			write(t, dir, &pem.Block{Type: blockCertificate, Bytes: []byte("x")}, ecKey(t, another(t)))
		}, "read the authority"},
		"key is nonsense": {box{}, func(t *testing.T, dir string) {
			write(t, dir, &pem.Block{Type: blockCertificate, Bytes: another(t).cert.Raw}, &pem.Block{Type: blockKey, Bytes: []byte("x")})
		}, "read the authority's key"},
		"key of another": {box{}, func(t *testing.T, dir string) {
			write(t, dir, &pem.Block{Type: blockCertificate, Bytes: another(t).cert.Raw}, ecKey(t, another(t)))
		}, "belong together"},
		"leaf for an authority": {box{}, func(t *testing.T, dir string) {
			leaf, err := another(t).current()
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, &pem.Block{Type: blockCertificate, Bytes: leaf.Leaf.Raw}, &pem.Block{Type: blockKey, Bytes: der})
		}, "belong together"},
		"key of another kind": {box{}, func(t *testing.T, dir string) {
			k, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(k)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, &pem.Block{Type: blockCertificate, Bytes: another(t).cert.Raw}, &pem.Block{Type: blockKey, Bytes: der})
		}, "belong together"},
		"key too large": {box{}, func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, keyFile), make([]byte, maxFile+1), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "at most"},
		"copy is a directory": {box{}, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, CertificateFile)); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, CertificateFile), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "write the authority's certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			open(t, dir, nil, start)
			before, err := os.ReadFile(filepath.Join(dir, keyFile))
			if err != nil {
				t.Fatal(err)
			}
			tt.damage(t, dir)
			changed, err := os.ReadFile(filepath.Join(dir, keyFile))
			if err != nil {
				t.Fatal(err)
			}
			a, created, err := Open(dir, nil, tt.sealer, at(start))
			if err == nil || !strings.Contains(err.Error(), tt.want) || a != nil || created {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if after, err := os.ReadFile(filepath.Join(dir, keyFile)); err != nil || !bytes.Equal(after, changed) {
				t.Errorf("the key was replaced: %v (had %d bytes)", err, len(before))
			}
		})
	}
	if _, _, err := Open(t.TempDir(), nil, box{sealed}, at(start)); !errors.Is(err, sealed) {
		t.Errorf("cannot seal: got %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, created, err := Open(filepath.Join(file, "tls"), nil, box{}, at(start)); err == nil || created {
		t.Errorf("no directory: got %v", err)
	}
}

// TestInterrupted finds what a start leaves that was cut off before the copy for clients was written, and a copy that somebody changed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, _ := open(t, dir, nil, start)
	path := filepath.Join(dir, CertificateFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"gone":    func() error { return os.Remove(path) },
		"changed": func() error { return os.WriteFile(path, []byte("another"), 0o644) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		again, created := open(t, dir, nil, start)
		if !created || !again.cert.Equal(a.cert) {
			t.Errorf("%s: created %v, the same %v", name, created, again.cert.Equal(a.cert))
		}
		if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, good) {
			t.Errorf("%s: the copy is not back: %v", name, err)
		}
		if _, created := open(t, dir, nil, start); created {
			t.Errorf("%s: written twice", name)
		}
	}
}
