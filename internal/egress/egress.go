// Package egress is the only way to dial out.
//
// Every address is checked at the moment it is dialled, after names were resolved, so that neither a name that resolves to a private address, nor
// one that changes what it resolves to, nor an odd spelling of an address gets past. Public addresses are open. All others (loopback,
// private, link-local with the metadata services of clouds, shared, multicast, reserved, and every form that wraps them in IPv6) are
// refused unless a rule opens them for the purpose. No proxy is used, whatever the environment says.
package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// Purpose is what a connection is for.
type Purpose string

// The purposes.
const (
	Storage Purpose = "storage" // an external S3 endpoint
	Input   Purpose = "input"   // what a job or a probe reads over HTTP(S)
	OIDC    Purpose = "oidc"    // the configuration and keys of an OpenID Connect provider
	KMS     Purpose = "kms"     // a key service or transit engine
)

// Rule opens addresses that are not public. A rule without Ports or without purposes opens nothing.
type Rule struct {
	Net   netip.Prefix `json:"net"` // an IPv4 prefix speaks of IPv4 addresses in any form
	Ports []int        `json:"ports"`
	For   []Purpose    `json:"for"`
}

// Limits of a connection.
const (
	DialTimeout      = 10 * time.Second
	HandshakeTimeout = 10 * time.Second
	// ResponseTimeout is how long an answer may take to begin after the request was sent. Joining a large upload takes a store minutes.
	ResponseTimeout = 5 * time.Minute
	IdleTimeout     = 90 * time.Second
	maxIdle         = 16
	maxIdleHost     = 8
	maxHeader       = 256 << 10
	maxCAFile       = 4 << 20
)

// Refused is the error for an address that may not be dialled.
type Refused struct {
	Purpose Purpose
	Address netip.AddrPort
}

func (e *Refused) Error() string {
	return fmt.Sprintf("connections to %s are not allowed for %s: the address is not public, and no egress rule opens it", e.Address, e.Purpose)
}

// Door dials out. It is safe for concurrent use.
type Door struct {
	rules []Rule
	roots *x509.CertPool // nil means those of the system
}

// New returns the door with its rules. authorities, if not empty, are certificates in PEM that are trusted beside those of the system.
func New(rules []Rule, authorities []byte) (*Door, error) {
	d := &Door{}
	for _, r := range rules {
		if !r.Net.IsValid() {
			return nil, errors.New("an egress rule needs a network")
		}
		if a := r.Net.Addr(); a.Is4In6() {
			bits := r.Net.Bits() - 96
			if bits < 0 {
				return nil, fmt.Errorf("egress rule %s: write IPv4 networks as such", r.Net)
			}
			r.Net = netip.PrefixFrom(a.Unmap(), bits)
		}
		r.Net = r.Net.Masked()
		r.Ports, r.For = slices.Clone(r.Ports), slices.Clone(r.For)
		d.rules = append(d.rules, r)
	}
	if len(authorities) == 0 {
		return d, nil
	}
	var err error
	if d.roots, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("read authorities of the system: %w", err)
	}
	if !d.roots.AppendCertsFromPEM(authorities) {
		return nil, errors.New("the authorities hold no certificate in PEM")
	}
	return d, nil
}

// ReadAuthorities reads a PEM file for New; no name is no authorities.
func ReadAuthorities(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxCAFile {
		return nil, fmt.Errorf("read authorities: %s is not a regular file of at most %d bytes", file, maxCAFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read authorities: %s has no certificate in PEM", file)
	}
	return text, nil
}

// Client returns a client whose connections are for one purpose. It follows no redirect: the answer that redirects is what its caller gets.
func (d *Door) Client(p Purpose) *http.Client {
	dialer := &net.Dialer{
		Timeout: DialTimeout,
		Control: func(network, address string, _ syscall.RawConn) error { return d.check(p, network, address) },
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.roots},
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    HandshakeTimeout,
			ResponseHeaderTimeout:  ResponseTimeout,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        IdleTimeout,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdleHost,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true, // what is stored is what is read
			WriteBufferSize:        64 << 10,
			ReadBufferSize:         64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// check decides about one resolved address, just before it is dialled.
func (d *Door) check(p Purpose, network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("egress is TCP, not %s", network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("egress to an address that is none: %w", err)
	}
	if d.allows(p, to) {
		return nil
	}
	return &Refused{Purpose: p, Address: to}
}

// allows says whether p may dial an address.
func (d *Door) allows(p Purpose, to netip.AddrPort) bool {
	a := to.Addr().Unmap()
	if public(a) {
		return true
	}
	if a.Zone() != "" {
		a = a.WithZone("")
	}
	for _, r := range d.rules {
		if r.Net.Contains(a) && slices.Contains(r.Ports, int(to.Port())) && slices.Contains(r.For, p) {
			return true
		}
	}
	return false
}
