package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"darkroom/internal/uri"
)

// Restriction narrows what connections for some purposes may reach, public or opened by a Rule: when there are restrictions for a purpose, one of them
// must admit the destination. A restriction admits what each of its members that is given admits; one that gives none is an error.
type Restriction struct {
	For []Purpose `json:"for"`
	// Hosts are names as they are asked for, before they are resolved: example.com, or *.example.com for every name below it; or addresses.
	Hosts []string `json:"hosts,omitempty"`
	// Nets are those of addresses, after names were resolved.
	Nets  []netip.Prefix `json:"nets,omitempty"`
	Ports []int          `json:"ports,omitempty"`
}

// compile checks a restriction and brings it into the form that is compared.
func (r Restriction) compile() (Restriction, error) {
	switch {
	case len(r.For) == 0:
		return r, errors.New("an egress restriction needs a purpose")
	case len(r.Hosts) == 0 && len(r.Nets) == 0 && len(r.Ports) == 0:
		return r, errors.New("an egress restriction needs hosts, networks or ports")
	}
	if err := known(r.For); err != nil {
		return r, err
	}
	out := Restriction{For: slices.Clone(r.For), Ports: slices.Clone(r.Ports)}
	for _, h := range r.Hosts {
		pattern, err := HostPattern(h)
		if err != nil {
			return r, err
		}
		out.Hosts = append(out.Hosts, pattern)
	}
	for _, n := range r.Nets {
		n, err := canonical(n)
		if err != nil {
			return r, err
		}
		out.Nets = append(out.Nets, n)
	}
	return out, nil
}

// HostPattern reads one of Restriction.Hosts, and returns it as it is compared.
func HostPattern(text string) (string, error) {
	name, below := strings.CutPrefix(text, "*.")
	if a, err := netip.ParseAddr(name); err == nil && a.Is6() {
		name = "[" + name + "]"
	}
	h, err := uri.ParseHost(name)
	if err != nil || below && h.Addr.IsValid() {
		return "", fmt.Errorf("egress restriction to %q: it is neither a name, nor *. and a name, nor an address", text)
	}
	if below {
		return "*." + h.Name, nil
	}
	return h.Name, nil
}

func matches(pattern string, host uri.Host) bool {
	if parent, ok := strings.CutPrefix(pattern, "*"); ok {
		return !host.Addr.IsValid() && strings.HasSuffix(host.Name, parent)
	}
	return host.Name == pattern
}

// permits says whether the restrictions for p admit a destination. An address that is not valid is one that is not known yet.
func (d *Door) permits(p Purpose, host uri.Host, to netip.AddrPort) bool {
	restricted := false
	for _, r := range d.restrictions {
		if !slices.Contains(r.For, p) {
			continue
		}
		restricted = true
		name := len(r.Hosts) == 0 || slices.ContainsFunc(r.Hosts, func(pattern string) bool { return matches(pattern, host) })
		port := len(r.Ports) == 0 || slices.Contains(r.Ports, int(to.Port()))
		net := len(r.Nets) == 0 || !to.Addr().IsValid() || slices.ContainsFunc(r.Nets, func(n netip.Prefix) bool { return n.Contains(to.Addr()) })
		if name && port && net {
			return true
		}
	}
	return !restricted
}
