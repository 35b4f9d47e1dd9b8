package egress

import (
	"container/list"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"time"

	"darkroom/internal/uri"
)

// Limits of a client.
const (
	HandshakeTimeout = 10 * time.Second
	IdleTimeout      = 90 * time.Second
	maxIdle          = 16
	maxIdleHost      = 8
	maxHeader        = 256 << 10
	// maxSubjects is how many subjects keep connections open at once; the one that was idle longest loses its own.
	maxSubjects = 64
)

// Client returns a client whose connections are for one purpose, shared with no other client, no other host and no other job. It follows no redirect:
// the answer that redirects is what its caller gets (see Follow).
func (d *Door) Client(p Purpose) *http.Client { return d.ClientAs(p, nil) }

// ClientAs is Client that shows a certificate to servers that ask for one. certificate is called for each connection, so that it can be renewed; its error
// ends the connection.
func (d *Door) ClientAs(p Purpose, certificate func() (*tls.Certificate, error)) *http.Client {
	return &http.Client{
		Transport:     &transport{door: d, purpose: p, certificate: certificate, of: map[Subject]*list.Element{}, used: list.New()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport keeps the connections of each subject apart.
type transport struct {
	door        *Door
	purpose     Purpose
	certificate func() (*tls.Certificate, error)

	mu   sync.Mutex // guards what follows; held for look-ups only
	of   map[Subject]*list.Element
	used *list.List // of *connections, the last used first
}

type connections struct {
	subject Subject
	http    *http.Transport
}

// RoundTrip implements http.RoundTripper. A URL with a host in an odd spelling, with credentials or with another scheme is refused before anything
// looks at it.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := uri.Check(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("the URL cannot be used: %w", err)
	}
	return t.connections(SubjectOf(r.Context())).RoundTrip(r)
}

func (t *transport) connections(s Subject) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.of[s]; e != nil {
		t.used.MoveToFront(e)
		return e.Value.(*connections).http
	}
	c := &connections{s, t.door.http(t.purpose)}
	if t.certificate != nil {
		c.http.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.certificate() }
	}
	t.of[s] = t.used.PushFront(c)
	if t.used.Len() > maxSubjects {
		last := t.used.Back()
		t.used.Remove(last)
		old := last.Value.(*connections)
		delete(t.of, old.subject)
		old.http.CloseIdleConnections() // those at work close when they are idle
	}
	return c.http
}

// CloseIdleConnections closes what no request uses.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e := t.used.Front(); e != nil; e = e.Next() {
		e.Value.(*connections).http.CloseIdleConnections()
	}
}

func (d *Door) http(p Purpose) *http.Transport {
	b := boundsOf(p)
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            d.DialContext(p),
		TLSClientConfig:        d.tls.Clone(),
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    HandshakeTimeout,
		ResponseHeaderTimeout:  b.answer,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        IdleTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdleHost,
		MaxConnsPerHost:        b.hosts,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // what is stored is what is read
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
}

// TLS is how the connections of clients of other protocols than HTTP are secured: as those of Client are. The name of the server is the caller's to set.
func (d *Door) TLS() *tls.Config { return d.tls.Clone() }
