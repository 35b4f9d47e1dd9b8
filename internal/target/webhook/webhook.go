// Package webhook sends events over HTTPS, signed as Standard Webhooks 1.0 says, or with credentials in a header field as the API destinations of Amazon EventBridge have them.
//
// No redirect is followed. Nothing of an answer counts but its status and Retry-After; its body is not read further than is good for the connection.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
	"darkroom/internal/uri"
)

// Limits.
const (
	// DefaultTimeout is how long a delivery may take, from the name's resolution to the head of the answer.
	DefaultTimeout = 15 * time.Second
	MaxTimeout     = 60 * time.Second
	// maxDrain and drainTime are what of an answer's body is read, so that the connection can be used again; what is longer or comes later costs the connection.
	maxDrain  = 4 << 10
	drainTime = 100 * time.Millisecond
	maxField  = 8 << 10
)

// Methods are what a request can be (API_DESTINATION's HttpMethod, without those that carry no body to a receiver). No method is the first.
var Methods = []string{http.MethodPost, http.MethodPut, http.MethodPatch}

// Credential is a header field that says who sends. It is asked for at each request, so that it can be replaced.
type Credential func() (name string, value secret.Bytes, err error)

// Options say where to, and how.
type Options struct {
	// URL is https://…; http:// to a loopback address alone.
	URL    string
	Method string // one of Methods
	// Transport makes the connections (that of egress.Door.Client). What it answers is taken as it is: no redirect is followed.
	Transport http.RoundTripper
	// Secrets are what a request is signed with: one, or two while they are exchanged; each is whsec_ and 24 to 64 bytes in base64. Asked for at each request. Nil: not signed.
	Secrets func() ([]secret.Bytes, error)
	// Credential is nil for none.
	Credential Credential
	// Header is what is sent beside, as it is; no secret.
	Header  map[string]string
	Timeout time.Duration // 0: DefaultTimeout; at most MaxTimeout
	Now     func() time.Time
}

// Sender is a webhook. It is safe for concurrent use.
type Sender struct {
	o      Options
	url    *url.URL
	closed atomic.Bool
}

// reserved are the fields that are the sender's own.
var reserved = []string{
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent", fieldID, fieldTimestamp, fieldSignature,
}

// CheckField says why a header field cannot be given a value by configuration; nil if it can.
func CheckField(name string) error {
	switch canonical := http.CanonicalHeaderKey(name); {
	case !validName(name):
		return errors.New("it is not the name of a header field")
	case slices.Contains(reserved, canonical) || strings.HasPrefix(canonical, "Ce-"):
		return errors.New("the field belongs to the request itself")
	}
	return nil
}

// namePattern is a token (RFC 9110 section 5.6.2).
var namePattern = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func validName(name string) bool { return namePattern.MatchString(name) }

// validValue says whether a text is the value of a field (RFC 9110 section 5.5), in ASCII and without space around it, which would be lost.
func validValue(value string) bool {
	return value == strings.TrimSpace(value) && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f })
}

// New returns a webhook. Nothing is sent yet.
func New(o Options) (*Sender, error) {
	u, err := uri.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL of a webhook cannot be used: %w", err)
	}
	if u.Scheme != "https" {
		if h, err := uri.ParseHost(hostOf(u)); err != nil || !h.Addr.IsLoopback() {
			return nil, errors.New("the URL of a webhook is https://, or http:// to a loopback address")
		}
	}
	if o.Method == "" {
		o.Method = Methods[0]
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	switch {
	case o.Transport == nil || o.Now == nil:
		return nil, errors.New("a webhook needs a transport and a clock")
	case !slices.Contains(Methods, o.Method):
		return nil, fmt.Errorf("method %q is not one of %s", o.Method, strings.Join(Methods, ", "))
	case o.Timeout < 0 || o.Timeout > MaxTimeout:
		return nil, fmt.Errorf("the timeout of a webhook is at most %s", MaxTimeout)
	}
	for name, value := range o.Header {
		if err := CheckField(name); err != nil {
			return nil, fmt.Errorf("header field %q: %w", name, err)
		}
		if len(value) > maxField || !validValue(value) {
			return nil, fmt.Errorf("header field %q: its value is not one of at most %d bytes without control characters", name, maxField)
		}
	}
	return &Sender{o: o, url: u}, nil
}

// hostOf is the host as it is written, in brackets if it is an IPv6 address.
func hostOf(u *url.URL) string {
	if host := u.Hostname(); strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return u.Hostname()
}

// what is named in errors: the path and query of a URL may be what lets somebody in.
func (s *Sender) what() string { return "webhook to " + s.url.Host }

// Send implements target.Sender. It ends within Options.Timeout. Credentials that cannot be read are an error that another attempt may mend.
func (s *Sender) Send(ctx context.Context, m target.Message) error {
	if s.closed.Load() {
		return fmt.Errorf("%s: it is closed", s.what())
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	r, err := s.request(ctx, m)
	if err != nil {
		return err
	}
	resp, err := s.o.Transport.RoundTrip(r)
	if err != nil {
		return egress.NewFault(s.what(), err)
	}
	drain(cancel, resp.Body)
	return s.judge(resp)
}

// drain reads the little that most answers are, and leaves the rest.
func drain(cancel func(), body io.ReadCloser) {
	late := time.AfterFunc(drainTime, cancel)
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	_ = body.Close()
}

func (s *Sender) request(ctx context.Context, m target.Message) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, s.o.Method, s.url.String(), bytes.NewReader(m.Body))
	if err != nil {
		return nil, egress.NewFault(s.what(), err)
	}
	for name, value := range s.o.Header {
		r.Header.Set(name, value)
	}
	for name, value := range m.Header {
		if !validName(name) || !validValue(value) {
			return nil, &target.Refused{Reason: "the message has what no header field can hold"}
		}
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", m.ContentType)
	r.Header.Set("User-Agent", "Darkroom")
	if !validID(m.ID) {
		return nil, &target.Refused{Reason: "the message has an id that no header field can hold"}
	}
	r.Header.Set(fieldID, m.ID)
	if err := s.credential(r); err != nil {
		return nil, fmt.Errorf("%s: %w", s.what(), err)
	}
	if err := s.sign(r, m); err != nil {
		return nil, fmt.Errorf("%s: %w", s.what(), err)
	}
	return r, nil
}

func (s *Sender) credential(r *http.Request) error {
	if s.o.Credential == nil {
		return nil
	}
	name, value, err := s.o.Credential()
	if err != nil {
		return fmt.Errorf("read its credentials: %w", err)
	}
	defer value.Wipe()
	if err := CheckField(name); err != nil {
		return fmt.Errorf("header field %q: %w", name, err)
	}
	text := string(value.Reveal())
	if text == "" || len(text) > maxField || !validValue(text) {
		return fmt.Errorf("the value of header field %s is not one of 1 to %d bytes without control characters", name, maxField)
	}
	r.Header.Set(name, text)
	return nil
}

// Close implements target.Sender. It does not wait for deliveries under way.
func (s *Sender) Close() error {
	s.closed.Store(true)
	if t, ok := s.o.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}
