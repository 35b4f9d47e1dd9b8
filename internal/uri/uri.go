// Package uri reads the addresses of web servers (RFC 3986), strictly: what one reader takes for a name, another must not take for an address.
//
// It is pure: whether an address may be dialled is for egress to say, of what a name resolves to.
package uri

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Limits.
const (
	// MaxLength is the longest URL, in bytes.
	MaxLength = 8 << 10
	// MaxHost is the longest name of a host, in bytes (RFC 1035 section 3.1, without the dot at the end).
	MaxHost  = 253
	maxLabel = 63
	maxPort  = 65535
)

// Error says why a URL cannot be used. Its text holds nothing of the URL, whose query may be a secret.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

func wrong(reason string) error { return &Error{reason} }

// Host is a name or an address: Addr is valid for an address.
type Host struct {
	Name string // in lower case, without a dot at the end; the canonical text of an address
	Addr netip.Addr
}

// Parse reads http://HOST[:PORT]/PATH[?QUERY] or the same of https. The result has a host in its canonical form, no credentials and no
// fragment. The error is an *Error.
func Parse(text string) (*url.URL, error) {
	if len(text) > MaxLength {
		return nil, wrong("it is longer than " + strconv.Itoa(MaxLength) + " bytes")
	}
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == 0x7f {
			return nil, wrong("it holds a control character")
		}
	}
	if strings.Contains(text, "#") {
		return nil, wrong("it has a fragment")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, wrong("it is malformed") // the parser's error quotes it
	}
	if err := Check(u); err != nil {
		return nil, err
	}
	host, err := ParseHost(inside(u))
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if u.Host = host.Name; host.Addr.Is6() {
		u.Host = "[" + host.Name + "]"
	}
	if port != "" {
		u.Host += ":" + port
	}
	return u, nil
}

// Check says of a URL that is parsed already whether it is one that Parse returns, but for the spelling of its host. The error is an *Error.
func Check(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return wrong("its scheme is not http or https")
	case u.Opaque != "":
		return wrong("it is malformed")
	case u.User != nil:
		return wrong("it holds credentials, and none are passed to a server")
	case u.Host == "":
		return wrong("it names no host")
	case u.Fragment != "":
		return wrong("it has a fragment")
	}
	if _, err := ParseHost(inside(u)); err != nil {
		return err
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		n, err := strconv.ParseUint(port, 10, 32)
		if err != nil || n == 0 || n > maxPort || port[0] == '0' {
			return wrong("its port is not a number from 1 to 65535")
		}
	}
	return nil
}

// inside is the host of a URL as it is written, without the port and with the brackets of an IPv6 address.
func inside(u *url.URL) string {
	if port := u.Port(); port != "" {
		return strings.TrimSuffix(u.Host, ":"+port)
	}
	return strings.TrimSuffix(u.Host, ":")
}

// ParseHost reads the host of a URL: a name of letters, digits, hyphens and underscores in labels, an IPv4 address of four decimal numbers, or an
// IPv6 address in brackets. Every other spelling of an address is refused, so that no resolver reads one into a name: short, octal, hexadecimal,
// with a zone, in other scripts. A name beyond ASCII must be written in its xn-- form. The error is an *Error.
func ParseHost(text string) (Host, error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		switch {
		case !ok || err != nil || !a.Is6():
			return Host{}, wrong("its host is not an IPv6 address in brackets")
		case a.Zone() != "":
			return Host{}, wrong("its host is an address with a zone")
		}
		return Host{a.String(), a}, nil
	}
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	switch {
	case name == "":
		return Host{}, wrong("it names no host")
	case len(name) > MaxHost:
		return Host{}, wrong("its host is longer than " + strconv.Itoa(MaxHost) + " bytes")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return Host{}, wrong("its host is neither an address nor a name of letters, digits and hyphens")
		}
		last = label
	}
	if !number(last) {
		return Host{Name: name}, nil
	}
	// WHATWG URL, "ends in a number checker": what ends in a number is an IPv4 address to many readers, in spellings that differ.
	a, err := netip.ParseAddr(name)
	if err != nil || !a.Is4() || strings.HasSuffix(text, ".") {
		return Host{}, wrong("its host is an address that is not written as four decimal numbers")
	}
	return Host{name, a}, nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// number says whether a label is one of decimal or hexadecimal digits, in the ways of inet_aton.
func number(label string) bool {
	digits, set := label, "0123456789"
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		digits, set = hex, "0123456789abcdef"
	}
	return strings.Trim(digits, set) == ""
}
