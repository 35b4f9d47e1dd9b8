// Package speke asks key servers for content keys, over SPEKE v1.0 and v2.0 (https://docs.aws.amazon.com/speke/latest/documentation/). What is said is package
// cpix's; here is how it travels and who is said to ask.
//
// A key server is reached over https alone, at the address that was given: no redirect is followed, and a version of SPEKE that does not work is never tried again as a
// lower one. Who asks is proved as the operator's configuration has it for the address, else by a signature with the credentials that the caller hands in (AWS Signature
// Version 4 for execute-api, as a key server behind API Gateway wants it).
package speke

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/uri"
)

// Bounds of one exchange with a key server.
const (
	// Deadline is how long all of it takes, AttemptTimeout one request and its answer.
	Deadline       = 3 * time.Minute
	AttemptTimeout = 30 * time.Second
	// MaxAttempts is how often a request is sent. Between them is waited from firstPause, doubled each time up to maxPause, less a random part.
	MaxAttempts = 6
	firstPause  = 500 * time.Millisecond
	maxPause    = 20 * time.Second
)

// The headers of SPEKE.
const (
	versionHeader = "X-Speke-Version"
	version2      = "2.0"
	agent         = "Darkroom"
	contentType   = "application/xml"
)

// Clock tells the time and wakes.
type Clock interface {
	Now() time.Time
	// After is time.After.
	After(d time.Duration) <-chan time.Time
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey secret.Bytes
	SessionToken    secret.Bytes // none for a long-term key
}

// Options say how a Client works. Door is needed.
type Options struct {
	Door    *egress.Door
	Servers []Server
	Region  string // that requests are signed for where neither the server nor its host says one
	Clock   Clock  // nil: the machine's

	Deadline, AttemptTimeout time.Duration // 0: the constants of those names
}

// Client asks key servers. It is safe for concurrent use.
type Client struct {
	o       Options
	plain   *http.Client
	servers []server
	jitter  func(time.Duration) time.Duration
}

// New makes a client. What is wrong with a server is said now; nothing is sent yet.
func New(o Options) (*Client, error) {
	if o.Door == nil {
		return nil, errors.New("a client of key servers needs a Door")
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	if o.Deadline == 0 {
		o.Deadline = Deadline
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = AttemptTimeout
	}
	c := &Client{o: o, plain: o.Door.Client(egress.SPEKE), jitter: func(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }}
	for _, s := range o.Servers {
		known, err := newServer(s, o.Door)
		if err != nil {
			return nil, err
		}
		for _, other := range c.servers {
			if other.host == known.host && other.path == known.path {
				return nil, fmt.Errorf("the key server %s is configured twice", s.URL)
			}
		}
		c.servers = append(c.servers, *known)
	}
	return c, nil
}

// Query is one question to a key server.
type Query struct {
	URL     string
	Request *cpix.Request
	Key     crypto.Decrypter // of the request's certificate; nil without one
	// Credentials are asked for when the configuration does not say how to prove who asks to this server; nil: then nothing proves it.
	Credentials func(context.Context) (Credentials, error)
}

// unreserved says whether a character means the same in a URL as its percent code (RFC 3986 2.3).
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// parseURL reads the address of a key server. A path that can be read in two ways, or written in two, is refused: where a request belongs decides which secret goes with
// it.
func parseURL(text string) (*url.URL, error) {
	u, err := uri.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "https":
		return nil, errors.New("its scheme is not https")
	}
	path := u.EscapedPath()
	parts := strings.Split(path, "/")
	for i, part := range parts {
		bare := strings.ReplaceAll(strings.ToLower(part), "%2e", ".")
		switch {
		case bare == "." || bare == ".." || strings.Contains(bare, "%2f") || strings.Contains(bare, "%5c") || strings.Contains(bare, `\`):
			return nil, errors.New("its path has dot segments or encoded slashes")
		case part == "" && i > 0 && i < len(parts)-1:
			return nil, errors.New("its path has an empty segment, //")
		}
	}
	for i := 0; i+2 < len(path); i++ { // well-formed, or url.Parse had refused it
		if path[i] != '%' {
			continue
		}
		if c, err := strconv.ParseUint(path[i+1:i+3], 16, 8); err == nil && unreserved(byte(c)) {
			return nil, fmt.Errorf("its path has %s, which must be written as %c", path[i:i+3], c)
		}
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if u.Port() == "443" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	}
	return u, nil
}

// Keys asks for content keys and returns what cpix.Parse makes of the answer. Every error but that of an ended ctx is an *Error.
func (c *Client) Keys(ctx context.Context, q Query) ([]cenc.Protection, error) {
	u, err := parseURL(q.URL)
	if err != nil {
		return nil, &Error{Kind: BadURL, Said: err.Error()}
	}
	e := &exchange{client: c, query: q, url: u, body: q.Request.Encode(), server: c.find(u)}
	answer, err := e.run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	defer clear(answer)
	keys, err := cpix.Parse(q.Request, answer, q.Key)
	if err != nil {
		return nil, e.bad(answer, err.Error())
	}
	return keys, nil
}

// bad is the error of a success that cannot be used.
func (e *exchange) bad(answer []byte, wrong string) *Error {
	f := &Error{Kind: BadAnswer, Host: e.url.Host, Status: http.StatusOK, Said: wrong}
	if words, said := e.words(answer); words != "" {
		f.Words, f.Said = words, wrong+"; it says: "+said
	}
	return f
}

// exchange is one question with its attempts.
type exchange struct {
	client *Client
	query  Query
	url    *url.URL
	body   []byte
	server *server // nil for one that is not configured
}

// run sends the request until it is answered, refused, or there is no time left.
func (e *exchange) run(ctx context.Context) ([]byte, error) {
	o := e.client.o
	end := o.Clock.Now().Add(o.Deadline)
	pause := firstPause
	for attempt := 1; ; attempt++ {
		answer, after, err := e.attempt(ctx, min(o.AttemptTimeout, end.Sub(o.Clock.Now())))
		if err == nil || ctx.Err() != nil || !err.again() {
			if err != nil {
				return nil, err
			}
			return answer, nil
		}
		wait := max(e.client.jitter(pause), min(after, maxPause))
		if attempt == MaxAttempts || !o.Clock.Now().Add(wait).Before(end) {
			return nil, err
		}
		select {
		case <-o.Clock.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		pause = min(2*pause, maxPause)
	}
}

// attempt sends the request once. after is how long the server wants to be left alone.
func (e *exchange) attempt(ctx context.Context, timeout time.Duration) (answer []byte, after time.Duration, failed *Error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url.String(), bytes.NewReader(e.body))
	if err != nil {
		return nil, 0, &Error{Kind: BadURL, Host: e.url.Host, Said: "it is malformed"}
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", contentType)
	r.Header.Set("User-Agent", agent)
	if e.query.Request.Version == cpix.V2 {
		r.Header.Set(versionHeader, version2)
	}
	if err := e.prove(ctx, r); err != nil {
		return nil, 0, &Error{Kind: NoCredentials, Host: e.url.Host, Err: err}
	}
	client := e.client.plain
	if e.server != nil && e.server.client != nil {
		client = e.server.client
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, 0, unanswered(e.url.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, cpix.MaxDocument+1))
	if ctx.Err() != nil { // what came as the time ran out may be what a server makes of a client that hangs up
		clear(text)
		return nil, 0, unanswered(e.url.Host, ctx.Err())
	}
	defer func() {
		if failed != nil {
			clear(text)
		}
	}()
	if resp.StatusCode != http.StatusOK {
		return nil, retryAfter(resp.Header), e.refused(resp.StatusCode, text)
	}
	switch wrong := e.unfit(resp.Header); {
	case err != nil:
		return nil, 0, unanswered(e.url.Host, err)
	case len(text) > cpix.MaxDocument:
		return nil, 0, e.bad(text, fmt.Sprintf("it is longer than %d bytes", cpix.MaxDocument))
	case wrong != "":
		return nil, 0, e.bad(text, wrong)
	}
	return text, 0, nil
}

// unfit says what is wrong with the headers of a success. A server that does not say the version that was asked for answers another one.
func (e *exchange) unfit(h http.Header) string {
	said := h.Values(versionHeader)
	if e.query.Request.Version == cpix.V2 && (len(said) != 1 || said[0] != version2) {
		return fmt.Sprintf("its %s is not %s", versionHeader, version2)
	}
	if e.query.Request.Version == cpix.V1 && len(said) > 0 && said[0] != "1.0" {
		return fmt.Sprintf("its %s is not that of SPEKE v1.0", versionHeader)
	}
	kind, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != contentType && (kind != "text/xml" || e.query.Request.Version != cpix.V1) {
		return "its Content-Type is not " + contentType
	}
	if set := parameters["charset"]; set != "" && !strings.EqualFold(set, "utf-8") {
		return "its charset is not UTF-8"
	}
	if coding := h.Get("Content-Encoding"); coding != "" && coding != "identity" { // none was asked for
		return "it is compressed"
	}
	return ""
}

// retryAfter reads Retry-After in seconds (RFC 9110 10.2.3); a date counts as none.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// prove puts into a request what proves who asks.
func (e *exchange) prove(ctx context.Context, r *http.Request) error {
	if e.server == nil {
		if e.query.Credentials == nil {
			return nil
		}
		return e.sign(ctx, r, e.query.Credentials, e.client.o.Region)
	}
	s := e.server
	switch s.Auth {
	case SigV4:
		source := s.Credentials
		if source == nil {
			source = e.query.Credentials
		}
		if source == nil {
			return errors.New("there is no role whose credentials could sign")
		}
		return e.sign(ctx, r, source, s.Region)
	case Bearer, Basic, Header:
		value, err := s.Secret()
		if err != nil {
			return fmt.Errorf("read the secret for the key server: %w", err)
		}
		text := string(value.Reveal())
		if !validSecret(text) {
			return errors.New("the secret for the key server is empty, too long, or has a line end or another control character")
		}
		switch s.Auth {
		case Bearer:
			r.Header.Set("Authorization", "Bearer "+text)
		case Basic:
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.User+":"+text)))
		default:
			r.Header.Set(s.Header, text)
		}
		return nil
	case MutualTLS, None:
		return nil
	}
	return fmt.Errorf("the key server is configured with the authentication %d, which there is none of", s.Auth)
}

// validSecret says whether a secret can stand in a header.
func validSecret(text string) bool {
	return text != "" && len(text) <= maxSecret && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}
