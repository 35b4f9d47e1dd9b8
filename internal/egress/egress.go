// Package egress is the only way to dial out.
//
// What a connection may reach is decided by what it is for. A host is a name or an address in its one plain spelling (package uri). Every address is
// checked at the moment it is dialled, after names were resolved, so that neither a name that resolves to a private address, nor one that changes
// what it resolves to, nor an odd spelling of an address gets past. Public addresses are open at the ports of the web and those that are nobody's
// (openPort). All others (loopback, private, link-local with the metadata services of clouds, shared, multicast, reserved, and every form that wraps
// them in IPv6) are refused unless a rule opens them for the purpose; restrictions narrow what is left. No proxy is used, whatever the environment
// says. Each dial is recorded before it is made, and what became of it after.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"darkroom/internal/uri"
)

// Purpose is what a connection is for.
type Purpose string

// The purposes.
const (
	Input   Purpose = "input"   // what a job or a probe reads over HTTP(S)
	Caption Purpose = "caption" // caption files
	Image   Purpose = "image"   // pictures that are laid over a film
	Font    Purpose = "font"    // fonts of captions that are burnt in
	LUT     Purpose = "lut"     // tables of colours
	ESAM    Purpose = "esam"    // documents that signal breaks
	SPEKE   Purpose = "speke"   // content keys from a key provider
	OIDC    Purpose = "oidc"    // the configuration and keys of an OpenID Connect provider
	Webhook Purpose = "webhook" // events on their way out
	KMS     Purpose = "kms"     // a key service that holds the root key or keys of inputs
	Storage Purpose = "storage" // an external S3 endpoint and its STS; the database
	Anchor  Purpose = "anchor"  // witnesses of the audit trail: time stamps, and copies of digests in a second store

	Telemetry Purpose = "telemetry" // traces on their way to a collector
)

// Purposes are all of them. A connection for anything else is refused.
var Purposes = []Purpose{Input, Caption, Image, Font, LUT, ESAM, SPEKE, OIDC, Webhook, KMS, Storage, Anchor, Telemetry}

// Rule opens addresses that are not public, and ports of public ones that are not open by themselves. A rule without Ports or without purposes opens
// nothing.
type Rule struct {
	Net   netip.Prefix `json:"net"` // an IPv4 prefix speaks of IPv4 addresses in any form
	Ports []int        `json:"ports"`
	For   []Purpose    `json:"for"`
}

// Resolver says what addresses a name has.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options are what a Door opens. The zero value opens public addresses. What has a name in JSON can be sent to another process.
type Options struct {
	Rules        []Rule        `json:"rules,omitempty"`
	Restrictions []Restriction `json:"restrictions,omitempty"`
	// Authorities are certificates in PEM that are trusted beside those of the system.
	Authorities []byte `json:"authorities,omitempty"`
	// Rate is how many bytes a second each connection may take in; 0 is no limit.
	Rate int64 `json:"rate,omitempty"`
	// Resolver is that of the system when nil.
	Resolver Resolver `json:"-"`
	// Record is told of each dial: what is intended, before it is done, and what became of it. An error refuses the dial. It may be called at the same
	// time for several dials; its context carries the Subject.
	Record func(ctx context.Context, d Dial) error `json:"-"`
}

// maxCAFile bounds a file of authorities.
const maxCAFile = 4 << 20

// Why says why something is refused.
type Why string

// The reasons for a refusal.
const (
	NotPublic  Why = "the address is not public, and no egress rule opens it"
	PortClosed Why = "the port is not open, and no egress rule opens it"
	Restricted Why = "egress is restricted for this purpose, and not to this"
	NoPurpose  Why = "the purpose is none that is known"
)

// Refused is the error for what may not be dialled.
type Refused struct {
	Purpose Purpose
	Host    string         // as it was asked for, without the port
	Address netip.AddrPort // not valid when the host was refused before it was resolved
	Why     Why
}

func (e *Refused) Error() string {
	to := e.Host
	if e.Address.IsValid() {
		to = e.Address.String()
	}
	return fmt.Sprintf("connections to %s are not allowed for %s: %s", to, e.Purpose, e.Why)
}

// Door dials out. It is safe for concurrent use.
type Door struct {
	rules        []Rule
	restrictions []Restriction
	tls          *tls.Config
	rate         int64
	resolver     Resolver
	record       func(context.Context, Dial) error
}

// New returns a door.
func New(o Options) (*Door, error) {
	d := &Door{rate: o.Rate, resolver: o.Resolver, record: o.Record, tls: &tls.Config{MinVersion: tls.VersionTLS12}}
	if d.resolver == nil {
		// Not the C library's, which reads addresses into names that are none.
		d.resolver = &net.Resolver{PreferGo: true}
	}
	if d.record == nil {
		d.record = func(context.Context, Dial) error { return nil }
	}
	if o.Rate < 0 {
		return nil, errors.New("the rate of egress is not negative")
	}
	for _, r := range o.Rules {
		var err error
		if r.Net, err = canonical(r.Net); err != nil {
			return nil, err
		}
		if err := known(r.For); err != nil {
			return nil, err
		}
		r.Ports, r.For = slices.Clone(r.Ports), slices.Clone(r.For)
		d.rules = append(d.rules, r)
	}
	for _, r := range o.Restrictions {
		r, err := r.compile()
		if err != nil {
			return nil, err
		}
		d.restrictions = append(d.restrictions, r)
	}
	if len(o.Authorities) == 0 {
		return d, nil
	}
	var err error
	if d.tls.RootCAs, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("read authorities of the system: %w", err)
	}
	if !d.tls.RootCAs.AppendCertsFromPEM(o.Authorities) {
		return nil, errors.New("the authorities hold no certificate in PEM")
	}
	return d, nil
}

// canonical is a network as addresses are compared with it.
func canonical(n netip.Prefix) (netip.Prefix, error) {
	if !n.IsValid() {
		return n, errors.New("an egress rule needs a network")
	}
	if a := n.Addr(); a.Is4In6() {
		bits := n.Bits() - 96
		if bits < 0 {
			return n, fmt.Errorf("egress rule %s: write IPv4 networks as such", n)
		}
		n = netip.PrefixFrom(a.Unmap(), bits)
	}
	return n.Masked(), nil
}

func known(purposes []Purpose) error {
	for _, p := range purposes {
		if !slices.Contains(Purposes, p) {
			return fmt.Errorf("egress rule for %q: there is no such purpose", p)
		}
	}
	return nil
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

// check is the one decision about an address: whether a connection for p, to host as it was asked for, may be made to it. nil says yes.
func (d *Door) check(p Purpose, host uri.Host, to netip.AddrPort) error {
	to = netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port())
	refused := func(w Why) error { return &Refused{Purpose: p, Host: host.Name, Address: to, Why: w} }
	switch {
	case !slices.Contains(Purposes, p):
		return refused(NoPurpose)
	case !to.Addr().IsValid() || to.Port() == 0:
		return refused(NotPublic)
	case !d.permits(p, host, to):
		return refused(Restricted)
	case d.opened(p, to):
		return nil
	case !public(to.Addr()):
		return refused(NotPublic)
	case !openPort(to.Port()):
		return refused(PortClosed)
	}
	return nil
}

// openPort says whether a port of a public address is open without a rule: those of the web, and those that are not the well-known ones of another
// service (RFC 6335 section 6), which might take a request for something else.
func openPort(port uint16) bool { return port == 80 || port == 443 || port >= 1024 }

// opened says whether a rule opens an address for p.
func (d *Door) opened(p Purpose, to netip.AddrPort) bool {
	return slices.ContainsFunc(d.rules, func(r Rule) bool {
		return r.Net.Contains(to.Addr()) && slices.Contains(r.Ports, int(to.Port())) && slices.Contains(r.For, p)
	})
}
