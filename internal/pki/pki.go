// Package pki is the installation's own certificate authority, for its own listener.
//
// The authority has path length 0 and name constraints (RFC 5280, 4.2.1.10): it can vouch for the hosts that it was made for, localhost
// and loopback addresses, and for nothing else, so that trusting it costs a client little. Its key is sealed at rest. Leaf
// certificates live in memory and are made anew before they end.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Files in the directory of an authority.
const (
	CertificateFile = "ca.pem"     // for clients, mode 0644; a copy, written anew where it differs
	keyFile         = "ca.key.enc" // certificate and key together, sealed, mode 0600
)

// Life times.
const (
	// AuthorityLife is how long an authority is good for.
	AuthorityLife = 10 * 365 * 24 * time.Hour
	// LeafLife is how long a leaf is good for; it is made anew when a third of that is left.
	LeafLife = 90 * 24 * time.Hour
	// backdate allows for clients whose clock is behind.
	backdate = time.Hour
)

// sealedAs binds the sealed key to its use.
const sealedAs = "tls/ca.key"

// Kinds of PEM block.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// maxFile bounds the files that are read.
const maxFile = 64 << 10

// Sealer protects the authority's key at rest.
type Sealer interface {
	Seal(aad, plaintext []byte) ([]byte, error)
	Open(aad, sealed []byte) ([]byte, error)
}

// Authority is a certificate authority with the leaf that it made for this process. It is safe for concurrent use.
type Authority struct {
	cert  *x509.Certificate
	key   crypto.Signer
	hosts []string
	now   func() time.Time

	mu   sync.Mutex // guards leaf; held while one is made
	leaf *tls.Certificate
}

// Open loads the authority in dir, or makes one for hosts (names and IP addresses, beside localhost and loopback). created says that
// clients have to fetch the certificate anew: there was none, or the old one was near its end or not made for all of hosts. An authority
// whose key does not open is an error; it is never replaced.
func Open(dir string, hosts []string, s Sealer, now func() time.Time) (a *Authority, created bool, err error) {
	hosts, err = cleanHosts(hosts)
	if err != nil {
		return nil, false, err
	}
	a, err = load(dir, s)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!a.covers(hosts) || !now().Before(a.cert.NotAfter.Add(-LeafLife))) {
		a, err = create(dir, hosts, s, now())
	}
	if err != nil {
		return nil, false, err
	}
	// The sealed file is what counts. A start that was cut off before the copy was written is mended here.
	created, err = publish(filepath.Join(dir, CertificateFile), pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: a.cert.Raw}))
	if err != nil {
		return nil, false, err
	}
	a.hosts, a.now = hosts, now
	return a, created, nil
}

// publish writes the certificate for clients, unless it is there already.
func publish(path string, text []byte) (written bool, err error) {
	if old, err := readFile(path); err == nil && bytes.Equal(old, text) {
		return false, nil
	}
	if err := writeFile(path, text, 0o644); err != nil {
		return false, fmt.Errorf("write the authority's certificate: %w", err)
	}
	return true, nil
}

// Certificate returns the authority's certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// TLS returns the configuration of the listener: TLS 1.2 and newer, forward-secret AEAD suites alone, HTTP/1.1.
func (a *Authority) TLS() *tls.Config {
	return serverConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.current() })
}

// current returns the leaf, made anew when a third of its life is left.
func (a *Authority) current() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.leaf != nil && now.Before(a.leaf.Leaf.NotAfter.Add(-LeafLife/3)) && !now.Before(a.leaf.Leaf.NotBefore) {
		return a.leaf, nil
	}
	leaf, err := a.issue(now)
	if err != nil {
		return nil, fmt.Errorf("issue the server certificate: %w", err)
	}
	a.leaf = leaf
	return leaf, nil
}

func (a *Authority) issue(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Darkroom"},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(LeafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	t.DNSNames = []string{"localhost"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
	for _, h := range a.hosts {
		if ip := net.ParseIP(h); ip == nil {
			t.DNSNames = append(t.DNSNames, h)
		} else {
			t.IPAddresses = append(t.IPAddresses, ip)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// covers says whether the name constraints of the authority allow all of hosts.
func (a *Authority) covers(hosts []string) bool {
	for _, h := range hosts {
		ip := net.ParseIP(h)
		if ip == nil && !slices.Contains(a.cert.PermittedDNSDomains, h) {
			return false
		}
		if ip != nil && !slices.ContainsFunc(a.cert.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) }) {
			return false
		}
	}
	return true
}

// cleanHosts lower-cases names, drops doubles and what is always covered, and refuses what no certificate can name.
func cleanHosts(hosts []string) ([]string, error) {
	var out []string
	for _, h := range hosts {
		h = strings.ToLower(strings.TrimSuffix(h, "."))
		if ip, err := netip.ParseAddr(h); err == nil {
			if ip.IsUnspecified() || ip.Zone() != "" {
				return nil, fmt.Errorf("no certificate can name the address %s", h)
			}
			if ip.IsLoopback() && (ip.Is6() || ip == netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
				continue
			}
			h = ip.Unmap().String()
		} else if h == "" || strings.ContainsAny(h, "*/:@ \x00") || strings.HasPrefix(h, ".") {
			return nil, fmt.Errorf("no certificate can name the host %q", h)
		}
		if h != "localhost" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out, nil
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// load reads the authority in dir. The error is fs.ErrNotExist if there is none.
func load(dir string, s Sealer) (*Authority, error) {
	sealed, err := readFile(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	text, err := s.Open([]byte(sealedAs), sealed)
	if err != nil {
		return nil, fmt.Errorf("open the authority's key: %w", err)
	}
	certBlock, rest := pem.Decode(text)
	keyBlock, _ := pem.Decode(rest)
	if certBlock == nil || certBlock.Type != blockCertificate || keyBlock == nil || keyBlock.Type != blockKey {
		return nil, errors.New("read the authority: certificate or key is missing")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if public, same := cert.PublicKey.(*ecdsa.PublicKey); !ok || !same || !public.Equal(key.Public()) || !cert.IsCA {
		return nil, errors.New("read the authority: certificate and key do not belong together")
	}
	return &Authority{cert: cert, key: key}, nil
}

// create makes an authority and writes it, as one sealed file, so that certificate and key cannot come apart.
func create(dir string, hosts []string, s Sealer, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, fmt.Errorf("make the authority: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     pkix.Name{CommonName: "Darkroom CA " + serial.Text(16)[:8]},
		NotBefore:                   now.Add(-backdate),
		NotAfter:                    now.Add(AuthorityLife),
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
	for _, h := range hosts {
		ip := net.ParseIP(h)
		switch {
		case ip == nil:
			t.PermittedDNSDomains = append(t.PermittedDNSDomains, h)
		case ip.To4() != nil:
			t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: ip.To4(), Mask: net.CIDRMask(32, 32)})
		default:
			t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)})
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the authority: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the authority: %w", err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: private})...)
	sealed, err := s.Seal([]byte(sealedAs), text)
	if err != nil {
		return nil, fmt.Errorf("seal the authority's key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("write the authority: %w", err)
	}
	if err := writeFile(filepath.Join(dir, keyFile), sealed, 0o600); err != nil {
		return nil, fmt.Errorf("write the authority: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("read the authority: %s is not a file of at most %d bytes", path, maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	return text, nil
}

// writeFile writes to a temporary name, syncs, renames, and syncs the directory.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tls-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
