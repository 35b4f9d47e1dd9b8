// Package origin reads files from HTTP(S) servers: by ranges, always the same version, with one redirect at most.
//
// What a server must do is in the MediaConvert user guide, "HTTP input requirements": answer range requests, ask for no authentication, and
// redirect once at most, by 301 or 302 with a Location. A server may be hostile: it decides neither where a request goes, beyond that one
// redirect, nor how much is read.
package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/egress"
	"darkroom/internal/uri"
)

// The ways in which a file cannot be read. A returned error is one of them, wrapped with what happened, or that of the context; it never holds the
// query of a URL, which may be a secret.
var (
	ErrURL          = errors.New("the URL cannot be used")
	ErrDisallowed   = errors.New("the location is not allowed")
	ErrUnauthorized = errors.New("the server asks for authentication")
	ErrForbidden    = errors.New("the server refuses the request")
	ErrNotFound     = errors.New("the server does not have the file")
	ErrServer       = errors.New("the server failed")
	ErrConnection   = errors.New("the server cannot be reached")
	ErrSlow         = errors.New("the server is too slow")
	ErrUnsupported  = errors.New("the server does not do what an input needs")
	ErrChanged      = errors.New("the file changed while it was read")
	ErrProtocol     = errors.New("the server does not keep to HTTP")
)

// Limits.
const (
	// MaxURL is the longest URL, in bytes.
	MaxURL = uri.MaxLength
	// maxTries is how often a range is asked for again without progress; openTries how often a file is asked for at all.
	maxTries   = 5
	openTries  = 2
	firstPause = 100 * time.Millisecond
	// progress is how many bytes are some: a server that gives a few of them on each connection is given up.
	progress = 16 << 10
)

// Options say how a file is reached.
type Options struct {
	// Transport dials.
	Transport http.RoundTripper
	// Schemes are the schemes that may be used, "http" and "https"; also after a redirect. None allows nothing.
	Schemes []string
}

// File is one version of a file on a server. It is safe for concurrent use.
type File struct {
	web      http.RoundTripper
	url      *url.URL // after the redirect
	size     int64
	etag     string // as sent, with its quotes; empty if the server gave none
	changed  string // Last-Modified as sent
	kind     string
	modified time.Time
}

// Open asks a server for the file at address. The file's size and version are known then.
func Open(ctx context.Context, address string, o Options) (*File, error) {
	u, err := uri.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	f := &File{web: o.Transport, url: u}
	allowed := func(u *url.URL) error { return allow(u, o.Schemes) }
	for tries := 0; ; {
		f, err := f.open(ctx, allowed)
		if err == nil {
			return f, nil
		}
		if tries++; tries >= openTries || !again(ctx, err, tries-1) {
			return nil, err
		}
	}
}

// allow says whether a scheme may be used.
func allow(u *url.URL, schemes []string) error {
	if !slices.Contains(schemes, u.Scheme) {
		return fmt.Errorf("%w: %s", ErrDisallowed, u.Scheme)
	}
	return nil
}

func (f *File) open(ctx context.Context, allowed func(*url.URL) error) (*File, error) {
	r, err := f.request(ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	resp, from, err := egress.Follow(f.web, r, allowed)
	if err != nil {
		return nil, trouble(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	opened := &File{web: f.web, url: from}
	if opened.size, _, err = contentRange(resp); err != nil {
		return nil, err
	}
	opened.etag, opened.kind, opened.changed = resp.Header.Get("ETag"), resp.Header.Get("Content-Type"), resp.Header.Get("Last-Modified")
	if t, err := http.ParseTime(opened.changed); err == nil {
		opened.modified = t
	}
	return opened, nil
}

// Allowing returns a transport that asks for the schemes that may be used at every request, so that a policy that changes while a file is read holds at
// once. What it does not allow fails with ErrDisallowed.
func Allowing(web http.RoundTripper, schemes func(context.Context) ([]string, error)) http.RoundTripper {
	return &allowing{web, schemes}
}

type allowing struct {
	web     http.RoundTripper
	schemes func(context.Context) ([]string, error)
}

// RoundTrip implements http.RoundTripper.
func (a *allowing) RoundTrip(r *http.Request) (*http.Response, error) {
	schemes, err := a.schemes(r.Context())
	if err == nil {
		err = allow(r.URL, schemes)
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return a.web.RoundTrip(r)
}

// URL is where the file is, after a redirect: what relative references in it start from.
func (f *File) URL() *url.URL {
	u := *f.url
	return &u
}

// Size is the length of the file in bytes.
func (f *File) Size() int64 { return f.size }

// ETag is the entity tag that the server gave, without quotes.
func (f *File) ETag() string { return strings.Trim(strings.TrimPrefix(f.etag, "W/"), `"`) }

// ContentType is what the server said of the file.
func (f *File) ContentType() string { return f.kind }

// LastModified is when the file was changed, as the server says; zero if it does not.
func (f *File) LastModified() time.Time { return f.modified }

// request asks for the bytes from first to last, both included, of this version of the file.
func (f *File) request(ctx context.Context, first, last int64) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: it is malformed", ErrURL)
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last))
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "Darkroom")
	switch {
	case strings.HasPrefix(f.etag, `"`): // a weak tag does not name bytes (RFC 9110 section 13.1.1)
		r.Header.Set("If-Match", f.etag)
	case !f.modified.IsZero():
		r.Header.Set("If-Unmodified-Since", f.changed)
	}
	return r, nil
}

// trouble gives what went wrong with a request its kind.
func trouble(ctx context.Context, err error) error {
	var redirect *egress.RedirectError
	var refused *egress.Refused
	var bad *uri.Error
	var unverified *tls.CertificateVerificationError
	var op *net.OpError
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrDisallowed), isKind(err):
		return err
	case errors.As(err, &redirect):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case errors.As(err, &bad):
		return fmt.Errorf("%w: %w", ErrURL, err)
	case errors.As(err, &refused), errors.As(err, &unverified), errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("%w: %w", ErrConnection, err)
	case errors.Is(err, egress.ErrSlow), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: %w", ErrSlow, err)
	case malformed(err):
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return fmt.Errorf("%w: %w", ErrConnection, err)
}

var kinds = []error{ErrURL, ErrUnauthorized, ErrForbidden, ErrNotFound, ErrServer, ErrConnection, ErrSlow, ErrUnsupported, ErrChanged, ErrProtocol}

func isKind(err error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// malformed says whether an error of net/http is about what the server wrote. It has no type for that.
func malformed(err error) bool {
	for _, words := range []string{"malformed", "message cannot contain", "bad Content-Length", "too many transfer encodings", "unsupported transfer encoding", "server response headers exceeded", "1xx informational", "invalid byte in chunk length", "chunk length"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// failure is what an answer's status says; nil for those that are looked at further.
func failure(resp *http.Response) error {
	switch s := resp.StatusCode; {
	case s == http.StatusPartialContent, s == http.StatusRequestedRangeNotSatisfiable:
		return nil
	case s == http.StatusUnauthorized, s == http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: status %d", ErrUnauthorized, s)
	case s == http.StatusForbidden:
		return fmt.Errorf("%w: status %d", ErrForbidden, s)
	case s == http.StatusNotFound, s == http.StatusGone:
		return fmt.Errorf("%w: status %d", ErrNotFound, s)
	case s == http.StatusRequestTimeout, s == http.StatusGatewayTimeout:
		return fmt.Errorf("%w: status %d", ErrSlow, s)
	case s == http.StatusPreconditionFailed:
		return ErrChanged
	case s == http.StatusOK:
		return fmt.Errorf("%w: it does not answer range requests", ErrUnsupported)
	}
	if err := egress.Unredirected(resp); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: status %d", ErrServer, resp.StatusCode)
}

// span is the bytes that an answer holds, both ends included.
type span struct{ first, last int64 }

// contentRange reads the length of a whole file, and which of its bytes there are, from the answer to a range (RFC 9110 section 14.4). A file without a
// byte has no range: then the span is empty.
func contentRange(resp *http.Response) (size int64, s span, err error) {
	none := span{0, -1}
	if resp.StatusCode == http.StatusOK && resp.ContentLength == 0 {
		return 0, none, nil // of nothing, everything is the only answer
	}
	if err := failure(resp); err != nil {
		return 0, none, err
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return 0, none, fmt.Errorf("%w: it sends the file compressed, though it was asked not to", ErrUnsupported)
	}
	text := resp.Header.Get("Content-Range")
	rest, isBytes := strings.CutPrefix(text, "bytes ")
	part, length, ok := strings.Cut(rest, "/")
	size, ok = number(length, isBytes && ok)
	if !ok {
		return 0, none, fmt.Errorf("%w: it does not say how long the file is", ErrUnsupported)
	}
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		if size > 0 {
			return 0, none, fmt.Errorf("%w: it does not answer range requests", ErrUnsupported)
		}
		return 0, none, nil
	}
	first, last, ok := strings.Cut(part, "-")
	if s.first, ok = number(first, ok); ok {
		s.last, ok = number(last, ok)
	}
	if !ok || s.first > s.last || s.last >= size {
		return 0, none, fmt.Errorf("%w: it answers with a range that is none", ErrUnsupported)
	}
	return size, s, nil
}

// number reads decimal digits alone.
func number(text string, ok bool) (int64, bool) {
	if !ok || text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// ReadRange reads length bytes from offset, to the end of the file if length is negative or beyond it. A connection that breaks is taken up
// where it broke, as long as the file is the same. The reader must be closed.
func (f *File) ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	end := f.size
	if length >= 0 && offset+length < end && offset+length >= 0 {
		end = offset + length
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return &reader{file: f, ctx: ctx, cancel: cancel, at: offset, end: end}, nil
}

// reader is a range being read.
type reader struct {
	file   *File
	ctx    context.Context
	cancel context.CancelCauseFunc
	at     int64 // the next byte
	end    int64
	tries  int   // since the last progress
	since  int64 // bytes since then
	body   io.ReadCloser
}

func (r *reader) Close() error {
	r.cancel(context.Canceled)
	if r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.at >= r.end {
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		if r.body == nil {
			if err := r.open(); err != nil {
				if r.tries >= maxTries || !again(r.ctx, err, r.tries) {
					return 0, err
				}
				r.tries++
				continue
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.at)])
		r.at += int64(n)
		if r.since += int64(n); r.since >= progress {
			r.tries, r.since = 0, 0
		}
		if n > 0 {
			return n, nil // a failure shows at the next read
		}
		if err != nil {
			_ = r.body.Close()
			r.body = nil
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			if err = trouble(r.ctx, err); r.tries >= maxTries || !again(r.ctx, err, r.tries) {
				return 0, err
			}
			r.tries++
		}
	}
}

// open asks for what is not read yet, and makes sure that it is of the same version.
func (r *reader) open() error {
	f := r.file
	request, err := f.request(r.ctx, r.at, r.end-1)
	if err != nil {
		return err
	}
	resp, err := f.web.RoundTrip(request)
	if err != nil {
		return trouble(r.ctx, err)
	}
	size, got, err := contentRange(resp)
	switch {
	case err != nil:
	case size != f.size, resp.Header.Get("ETag") != f.etag, resp.Header.Get("Last-Modified") != f.changed:
		err = ErrChanged
	case got.first != r.at, got.last >= r.end:
		err = fmt.Errorf("%w: it answers another range than it was asked for", ErrUnsupported)
	}
	if err != nil {
		_ = resp.Body.Close()
		return err
	}
	r.body = egress.InputPace.Body(resp.Body)
	return nil
}

// again waits before another try, the longer the more there were, and says whether there is one: not after what another try would not change.
func again(ctx context.Context, err error, tries int) bool {
	var refused *egress.Refused
	var unverified *tls.CertificateVerificationError
	retry := errors.Is(err, ErrConnection) || errors.Is(err, ErrServer) || errors.Is(err, ErrSlow)
	if ctx.Err() != nil || !retry || errors.As(err, &refused) || errors.As(err, &unverified) {
		return false
	}
	pause := time.NewTimer(firstPause << tries)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}
