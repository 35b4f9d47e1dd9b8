// Package origin reads files from HTTP(S) servers: by ranges, always the same version, with one redirect at most.
//
// What a server must do is in the MediaConvert user guide, "HTTP input requirements": answer range requests, ask for no authentication, and
// redirect once at most, by 301 or 302 with a Location. A server may be hostile: it decides neither where a request goes, beyond that one
// redirect, nor how much is read.
package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The ways in which a file cannot be read. A returned error is one of them, wrapped with what happened; it never holds the query of a URL,
// which may be a secret.
var (
	ErrURL          = errors.New("the URL cannot be used")
	ErrDisallowed   = errors.New("the location is not allowed")
	ErrUnauthorized = errors.New("the server asks for authentication")
	ErrForbidden    = errors.New("the server refuses the request")
	ErrNotFound     = errors.New("the server does not have the file")
	ErrServer       = errors.New("the server failed")
	ErrConnection   = errors.New("the server cannot be reached")
	ErrUnsupported  = errors.New("the server does not do what an input needs")
	ErrChanged      = errors.New("the file changed while it was read")
)

// Limits.
const (
	// MaxURL is the longest URL, in bytes.
	MaxURL = 8 << 10
	// maxTries is how often a range is asked for again without a byte of progress.
	maxTries   = 5
	firstPause = 100 * time.Millisecond
	// stall is how long a body may give nothing.
	stall = 30 * time.Second
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
	kind     string
	modified time.Time
}

// Open asks a server for the file at address. The file's size and version are known then.
func Open(ctx context.Context, address string, o Options) (*File, error) {
	u, err := parse(address, o.Schemes)
	if err != nil {
		return nil, err
	}
	f := &File{web: o.Transport, url: u}
	resp, err := f.get(ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusMovedPermanently || resp.StatusCode == http.StatusFound {
		_ = resp.Body.Close()
		if f.url, err = redirect(u, resp.Header.Get("Location"), o.Schemes); err != nil {
			return nil, err
		}
		if resp, err = f.get(ctx, 0, 0); err != nil {
			return nil, err
		}
	}
	defer func() { _ = resp.Body.Close() }()
	if f.size, err = total(resp); err != nil {
		return nil, err
	}
	f.etag, f.kind = resp.Header.Get("ETag"), resp.Header.Get("Content-Type")
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		f.modified = t
	}
	return f, nil
}

// Size is the length of the file in bytes.
func (f *File) Size() int64 { return f.size }

// ETag is the entity tag that the server gave, without quotes.
func (f *File) ETag() string { return strings.Trim(strings.TrimPrefix(f.etag, "W/"), `"`) }

// ContentType is what the server said of the file.
func (f *File) ContentType() string { return f.kind }

// LastModified is when the file was changed, as the server says; zero if it does not.
func (f *File) LastModified() time.Time { return f.modified }

func parse(address string, schemes []string) (*url.URL, error) {
	if len(address) > MaxURL {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrURL, MaxURL)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: it is malformed", ErrURL) // the parser's error quotes it
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: its scheme is not http or https", ErrURL)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%w: it names no host", ErrURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it holds credentials", ErrURL)
	case u.Fragment != "" || strings.Contains(address, "#"):
		return nil, fmt.Errorf("%w: it has a fragment", ErrURL)
	case u.Opaque != "":
		return nil, fmt.Errorf("%w: it is malformed", ErrURL)
	case !slices.Contains(schemes, u.Scheme):
		return nil, fmt.Errorf("%w: %s", ErrDisallowed, u.Scheme)
	}
	return u, nil
}

// redirect is where a server sends its caller: never to a weaker scheme.
func redirect(from *url.URL, location string, schemes []string) (*url.URL, error) {
	if location == "" {
		return nil, fmt.Errorf("%w: it redirects without a Location", ErrUnsupported)
	}
	if len(location) > MaxURL {
		return nil, fmt.Errorf("%w: it redirects to a URL that is longer than %d bytes", ErrUnsupported, MaxURL)
	}
	to, err := from.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%w: it redirects to a URL that is malformed", ErrUnsupported)
	}
	to.Fragment, to.RawFragment = "", ""
	if to, err = parse(to.String(), schemes); err != nil {
		return nil, err
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, fmt.Errorf("%w: it redirects from https to http", ErrUnsupported)
	}
	return to, nil
}

// get asks for the bytes from first to last, both included, of this version of the file.
func (f *File) get(ctx context.Context, first, last int64) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: it is malformed", ErrURL)
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last))
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "Darkroom")
	if strings.HasPrefix(f.etag, `"`) { // a weak tag does not name bytes (RFC 9110 section 13.1.1)
		r.Header.Set("If-Match", f.etag)
	}
	resp, err := f.web.RoundTrip(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", ErrConnection, err)
	}
	return resp, nil
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
	case s == http.StatusPreconditionFailed:
		return ErrChanged
	case s == http.StatusOK:
		return fmt.Errorf("%w: it does not answer range requests", ErrUnsupported)
	case s >= 300 && s < 400:
		return fmt.Errorf("%w: it redirects more than once, or by status %d; allowed: once, by 301 or 302", ErrUnsupported, s)
	default:
		return fmt.Errorf("%w: status %d", ErrServer, s)
	}
}

// total reads the length of a whole file from the answer to a range (RFC 9110 section 14.4).
func total(resp *http.Response) (int64, error) {
	if err := failure(resp); err != nil {
		return 0, err
	}
	text := resp.Header.Get("Content-Range")
	_, length, ok := strings.Cut(text, "/")
	n, err := strconv.ParseInt(length, 10, 64)
	if !ok || !strings.HasPrefix(text, "bytes ") || err != nil || n < 0 {
		return 0, fmt.Errorf("%w: it does not say how long the file is", ErrUnsupported)
	}
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && n > 0 {
		return 0, fmt.Errorf("%w: it does not answer range requests", ErrUnsupported)
	}
	return n, nil
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
	tries  int // since the last byte
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
				if !r.again(err) {
					return 0, err
				}
				continue
			}
		}
		n, err := r.read(p[:min(int64(len(p)), r.end-r.at)])
		r.at += int64(n)
		if n > 0 {
			r.tries = 0
			return n, nil // a failure shows at the next read
		}
		if err != nil {
			_ = r.body.Close()
			r.body = nil
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			if err = fmt.Errorf("%w: %w", ErrConnection, err); !r.again(err) {
				return 0, err
			}
		}
	}
}

// read gives up on a body that gives nothing for too long.
func (r *reader) read(p []byte) (int, error) {
	body := r.body
	timer := time.AfterFunc(stall, func() { _ = body.Close() })
	defer timer.Stop()
	return body.Read(p)
}

// open asks for what is not read yet, and makes sure that it is of the same version.
func (r *reader) open() error {
	resp, err := r.file.get(r.ctx, r.at, r.end-1)
	if err != nil {
		return err
	}
	n, err := total(resp)
	switch {
	case err != nil:
	case n != r.file.size, resp.Header.Get("ETag") != r.file.etag:
		err = ErrChanged
	case !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", r.at)):
		err = fmt.Errorf("%w: it answers another range than it was asked for", ErrUnsupported)
	}
	if err != nil {
		_ = resp.Body.Close()
		return err
	}
	r.body = resp.Body
	return nil
}

// again waits before another try, and says whether there is one.
func (r *reader) again(err error) bool {
	if r.ctx.Err() != nil || !errors.Is(err, ErrConnection) && !errors.Is(err, ErrServer) || r.tries >= maxTries {
		return false
	}
	pause := time.NewTimer(firstPause << r.tries)
	defer pause.Stop()
	r.tries++
	select {
	case <-pause.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}
