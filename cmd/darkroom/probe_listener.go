package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/egress"
	"darkroom/internal/identity"
	"darkroom/internal/inspect"
	"darkroom/internal/pki"
)

const (
	// probeTimeout bounds each connection of the probe.
	probeTimeout = 5 * time.Second
	// probedPath is an operation that everybody knows and nobody may call unsigned.
	probedPath     = "/2017-08-29/queues"
	maxProbeAnswer = 64 << 10
)

// listenerProbe tries the running server of a data directory as a client from outside would.
type listenerProbe struct {
	data    string
	e       endpoint
	url     *url.URL
	address string // HOST:PORT to connect to
	door    *egress.Door
	roots   *x509.CertPool
}

var errNotRunning = &inspect.Unknown{Reason: "no server answers: start it, so that its listener can be looked at"}

// newListenerProbe opens a door to the listener of the data directory's server, and to nothing else.
func newListenerProbe(data string) (*listenerProbe, error) {
	e, dir, err := readEndpoint(data)
	if err != nil {
		return nil, &inspect.Unknown{Reason: err.Error()}
	}
	p := &listenerProbe{data: dir, e: e}
	if p.url, err = url.Parse(e.URL); err != nil {
		return nil, fmt.Errorf("the address of the listener: %w", err)
	}
	port, err := strconv.Atoi(p.url.Port())
	if err != nil {
		return nil, fmt.Errorf("the address of the listener %s has no port", e.URL)
	}
	o := egress.Options{}
	host := p.url.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() { // it listens on all addresses
			ip = netip.MustParseAddr("127.0.0.1")
			if p.url.Hostname() != "0.0.0.0" {
				ip = netip.IPv6Loopback()
			}
			host = ip.String()
		}
		o.Rules = []egress.Rule{{Net: netip.PrefixFrom(ip, ip.BitLen()), Ports: []int{port}, For: []egress.Purpose{egress.Input}}}
	} else {
		for _, n := range []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} {
			o.Rules = append(o.Rules, egress.Rule{Net: netip.MustParsePrefix(n), Ports: []int{port}, For: []egress.Purpose{egress.Input}})
		}
		o.Restrictions = []egress.Restriction{{For: []egress.Purpose{egress.Input}, Hosts: []string{host}, Ports: []int{port}}}
	}
	p.address = net.JoinHostPort(host, strconv.Itoa(port))
	if e.Authorities != systemAuthorities {
		name := e.Authorities
		if name == "" {
			name = filepath.Join(tlsDir, pki.CertificateFile)
		}
		o.Authorities, err = os.ReadFile(filepath.Join(dir, name))
		switch {
		case err == nil:
			p.roots = x509.NewCertPool()
			p.roots.AppendCertsFromPEM(o.Authorities)
		case !errors.Is(err, fs.ErrNotExist) || p.url.Scheme == "https":
			return nil, fmt.Errorf("read the authority of the listener: %w", err)
		}
	}
	p.door, err = egress.New(o)
	return p, err
}

// dial connects to the listener.
func (p *listenerProbe) dial(ctx context.Context) (net.Conn, error) {
	return p.door.DialContext(egress.Input)(ctx, "tcp", p.address)
}

// probe looks at everything.
func (p *listenerProbe) probe(ctx context.Context) (inspect.Listener, error) {
	l := inspect.Listener{URL: p.e.URL, TLS: p.url.Scheme == "https"}
	c, err := p.dial(ctx)
	if err != nil {
		return l, errNotRunning
	}
	_ = c.Close() // it was only to see whether somebody is there
	if l.TLS {
		if err := p.probeTLS(ctx, &l); err != nil {
			return l, err
		}
		l.PlainHTTP = p.plain(ctx)
	}
	if l.Anonymous, err = p.call(ctx, nil); err != nil {
		return l, fmt.Errorf("call the listener: %w", err)
	}
	if l.Forged, err = p.call(ctx, p.forge); err != nil {
		return l, fmt.Errorf("call the listener: %w", err)
	}
	return l, nil
}

var tlsVersions = []struct {
	name string
	id   uint16
}{
	{"TLS 1.0", tls.VersionTLS10},
	{"TLS 1.1", tls.VersionTLS11},
	{"TLS 1.2", tls.VersionTLS12},
	{"TLS 1.3", tls.VersionTLS13},
}

// probeTLS tries every version, and every suite of TLS 1.2 that this program knows.
func (p *listenerProbe) probeTLS(ctx context.Context, l *inspect.Listener) error {
	for _, v := range tlsVersions {
		_, err := p.handshake(ctx, &tls.Config{MinVersion: v.id, MaxVersion: v.id, InsecureSkipVerify: true}) //nolint:gosec // what is offered is looked at, and nothing is said
		l.Versions = append(l.Versions, inspect.Offered{Name: v.name, Yes: err == nil})
	}
	weak := map[uint16]bool{}
	suites := tls.CipherSuites()
	for _, s := range tls.InsecureCipherSuites() {
		weak[s.ID] = true
		suites = append(suites, s)
	}
	for _, s := range suites {
		if s.SupportedVersions[0] > tls.VersionTLS12 {
			continue
		}
		_, err := p.handshake(ctx, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{s.ID}, InsecureSkipVerify: true}) //nolint:gosec // as above
		l.Suites = append(l.Suites, inspect.Offered{Name: s.Name, Yes: err == nil})
		if err == nil && (weak[s.ID] || !strings.HasPrefix(s.Name, "TLS_ECDHE_") || !strings.Contains(s.Name, "_GCM_") && !strings.Contains(s.Name, "CHACHA20")) {
			l.Weak = append(l.Weak, s.Name)
		}
	}
	state, err := p.handshake(ctx, &tls.Config{RootCAs: p.roots, ServerName: p.url.Hostname(), MinVersion: tls.VersionTLS12})
	if err != nil {
		return fmt.Errorf("the certificate of the listener does not hold: %w", err)
	}
	leaf := state.PeerCertificates[0]
	l.NotAfter, l.Subject = leaf.NotAfter, leaf.Subject.String()
	return nil
}

func (p *listenerProbe) handshake(ctx context.Context, c *tls.Config) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	raw, err := p.dial(ctx)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = raw.Close() }()
	conn := tls.Client(raw, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}

// plain speaks plain HTTP to a port that speaks TLS, and returns the status of the answer; 0 for none.
func (p *listenerProbe) plain(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+probedPath, nil)
	if err != nil {
		return 0
	}
	resp, err := p.door.Client(egress.Input).Do(r)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// call calls an operation; with signs the request.
func (p *listenerProbe) call(ctx context.Context, with func(context.Context, *http.Request) error) (inspect.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url.Scheme+"://"+p.address+probedPath, nil)
	if err != nil {
		return inspect.Answer{}, err
	}
	if with != nil {
		if err := with(ctx, r); err != nil {
			return inspect.Answer{}, err
		}
	}
	resp, err := p.door.Client(egress.Input).Do(r)
	if err != nil {
		return inspect.Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxProbeAnswer)); err != nil {
		return inspect.Answer{}, err
	}
	code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	return inspect.Answer{Status: resp.StatusCode, Code: code}, nil
}

// forge signs a request with the id of an access key that there is, where one can be read, and with a secret that nobody has.
func (p *listenerProbe) forge(ctx context.Context, r *http.Request) error {
	id := "AKIA0000000000000000"
	if who, err := identity.ReadCredentials(filepath.Join(p.data, identity.CredentialsFile)); err == nil {
		id = who.AccessKeyID
		who.SecretAccessKey.Wipe()
	}
	var wrong [24]byte
	_, _ = rand.Read(wrong[:]) // never fails
	empty := sha256.Sum256(nil)
	return v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: id, SecretAccessKey: hex.EncodeToString(wrong[:])}, r, hex.EncodeToString(empty[:]), "mediaconvert", p.e.Region, time.Now())
}
