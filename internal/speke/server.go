package speke

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
)

// Auth is how a key server is told who asks. The zero value is no way: a server that has it cannot be configured.
type Auth int

// The ways. None proves nothing: the network is what keeps others from the server.
const (
	SigV4     Auth = iota + 1 // AWS Signature Version 4
	Bearer                    // RFC 6750
	Basic                     // RFC 7617
	Header                    // a header that the operator names, such as X-Api-Key
	MutualTLS                 // a certificate shown in the TLS handshake
	None
)

// maxSecret bounds a token, a password or the value of a header, in bytes.
const maxSecret = 16 << 10

// Server is how the operator has a key server asked. Jobs name its address and nothing of this.
type Server struct {
	// URL is the address, or the beginning of one at a slash: https://HOST[:PORT][/PATH]. The longest that fits is taken.
	URL    string
	Auth   Auth
	Region string // of SigV4; "" is that of the installation. A host of API Gateway says its own
	// Credentials sign, of SigV4; nil: those of the job's role.
	Credentials func(context.Context) (Credentials, error)
	User        string // of Basic
	Header      string // name of Header
	// Secret is the token, the password or the value of the header; it is called for each request, so that it can be renewed.
	Secret func() (secret.Bytes, error)
	// Certificate is shown, of MutualTLS; it is called for each connection.
	Certificate func() (*tls.Certificate, error)
}

// server is a Server that was read.
type server struct {
	Server
	host, path string       // path: without percent codes
	client     *http.Client // of its own; nil for the one that shows no certificate
}

// noCertificate is why there is no certificate to show: not the server's fault, and no better at the next attempt.
type noCertificate struct{ err error }

func (e *noCertificate) Error() string { return "the certificate for the key server: " + e.err.Error() }
func (e *noCertificate) Unwrap() error { return e.err }

// token is a name of RFC 9110 5.6.2.
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// reserved are headers that are no secret's, in lower case.
var reserved = map[string]bool{
	"host": true, "content-type": true, "content-length": true, "content-encoding": true, "transfer-encoding": true, "connection": true, "accept": true,
	"user-agent": true, "x-speke-version": true, "upgrade": true, "te": true, "trailer": true, "cookie": true,
}

func newServer(s Server, door *egress.Door) (*server, error) {
	u, err := parseURL(s.URL)
	if err != nil {
		return nil, fmt.Errorf("the key server %q: its URL cannot be used: %w", s.URL, err)
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, fmt.Errorf("the key server %q: its URL has a query", s.URL)
	}
	k := &server{Server: s, host: u.Host, path: strings.TrimSuffix(u.Path, "/")}
	wrong := func(text string) (*server, error) { return nil, fmt.Errorf("the key server %q: %s", s.URL, text) }
	secret := s.Auth == Bearer || s.Auth == Basic || s.Auth == Header
	switch {
	case s.Auth < SigV4 || s.Auth > None:
		return wrong("it does not say how it is told who asks")
	case secret != (s.Secret != nil):
		return wrong("a secret belongs to bearer, basic and header, and to each of them")
	case (s.Auth == MutualTLS) != (s.Certificate != nil):
		return wrong("a certificate belongs to mutual TLS, and to it")
	case s.Auth != SigV4 && (s.Credentials != nil || s.Region != ""):
		return wrong("credentials and a Region belong to SigV4 alone")
	case (s.Auth == Header) != (s.Header != ""):
		return wrong("the name of a header belongs to header, and to it")
	case s.Auth == Header && (!token.MatchString(s.Header) || reserved[strings.ToLower(s.Header)]):
		return wrong("the header cannot carry a secret")
	case (s.Auth == Basic) != (s.User != ""):
		return wrong("a user belongs to basic, and to it")
	case s.Auth == Basic && (strings.Contains(s.User, ":") || !validSecret(s.User)):
		return wrong("the user holds a colon or a control character")
	}
	if s.Auth == MutualTLS {
		k.client = door.ClientAs(egress.SPEKE, func() (*tls.Certificate, error) {
			c, err := s.Certificate()
			if err == nil && c == nil {
				err = errors.New("there is none")
			}
			if err != nil {
				return nil, &noCertificate{err}
			}
			return c, nil
		})
	}
	return k, nil
}

// find returns the server that an address belongs to, nil for one that is not configured. Paths are compared as they are without percent codes: what is left of those is
// no slash and no dot, and not for the writer of the address to choose by.
func (c *Client) find(u *url.URL) *server {
	var found *server
	for i := range c.servers {
		s := &c.servers[i]
		rest, below := strings.CutPrefix(u.Path, s.path)
		if u.Host == s.host && below && (rest == "" || rest[0] == '/') && (found == nil || len(s.path) > len(found.path)) {
			found = s
		}
	}
	return found
}
