package egress

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"darkroom/internal/uri"
)

// RedirectError says why a redirect is not followed. Its text holds nothing of a URL.
type RedirectError struct{ Reason string }

func (e *RedirectError) Error() string { return e.Reason }

// carried are the headers that follow a redirect to another origin: those that say what is wanted, and none that says who asks.
var carried = []string{"Accept", "Accept-Encoding", "Range", "If-Match", "If-Unmodified-Since", "User-Agent"}

// Follow sends a GET or HEAD and follows one redirect, by 301 or 302, never to a weaker scheme. The target is judged like a URL that was given; allowed
// is asked of both, and its error ends it. Credentials belong to one origin: to another, only headers that say nothing of who asks are sent. It returns
// the answer and where it came from. An answer that redirects in any other way is a *RedirectError.
func Follow(web http.RoundTripper, r *http.Request, allowed func(*url.URL) error) (*http.Response, *url.URL, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, nil, fmt.Errorf("a %s follows no redirect", r.Method)
	}
	if err := allowed(r.URL); err != nil {
		return nil, nil, err
	}
	resp, err := web.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusMovedPermanently && resp.StatusCode != http.StatusFound {
		return final(resp, r.URL, err)
	}
	_ = resp.Body.Close()
	to, err := next(r.URL, resp.Header.Get("Location"), allowed)
	if err != nil {
		return nil, nil, err
	}
	again := r.Clone(r.Context())
	again.URL, again.Host = to, ""
	if to.Scheme != r.URL.Scheme || to.Host != r.URL.Host {
		again.Header = http.Header{}
		for _, name := range carried {
			if v := r.Header.Values(name); len(v) > 0 {
				again.Header[name] = v
			}
		}
	}
	resp, err = web.RoundTrip(again)
	return final(resp, to, err)
}

// final passes on an answer that does not redirect.
func final(resp *http.Response, from *url.URL, err error) (*http.Response, *url.URL, error) {
	if err != nil {
		return nil, nil, err
	}
	if err := Unredirected(resp); err != nil {
		_ = resp.Body.Close()
		return nil, nil, err
	}
	return resp, from, nil
}

// Unredirected returns a *RedirectError for an answer that redirects.
func Unredirected(resp *http.Response) error {
	if s := resp.StatusCode; s >= 300 && s < 400 && s != http.StatusNotModified {
		return &RedirectError{fmt.Sprintf("it redirects more than once, or by status %d; allowed: once, by 301 or 302", s)}
	}
	return nil
}

// next is where a redirect leads. That it is not allowed is said before anything else is found wrong with it.
func next(from *url.URL, location string, allowed func(*url.URL) error) (*url.URL, error) {
	switch {
	case location == "":
		return nil, &RedirectError{"it redirects without a Location"}
	case len(location) > uri.MaxLength:
		return nil, &RedirectError{fmt.Sprintf("it redirects to a URL that is longer than %d bytes", uri.MaxLength)}
	}
	location, _, _ = strings.Cut(location, "#") // a fragment is not for the server (RFC 9110 section 10.2.2)
	ref, err := url.Parse(location)
	if err != nil {
		return nil, &RedirectError{"it redirects to a URL that is malformed"}
	}
	to := from.ResolveReference(ref)
	if err := allowed(to); err != nil {
		return nil, err
	}
	to.Fragment, to.RawFragment = "", ""
	if ref.Scheme != "" || ref.Host != "" { // read as it is written: to resolve a reference brings it into another form
		if ref.Scheme == "" {
			location = from.Scheme + ":" + location
		}
		if to, err = uri.Parse(location); err != nil {
			return nil, &RedirectError{"it redirects to a URL that cannot be used: " + err.Error()}
		}
	}
	if err := uri.Check(to); err != nil {
		return nil, &RedirectError{"it redirects to a URL that cannot be used: " + err.Error()}
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, &RedirectError{"it redirects from https to http"}
	}
	return to, nil
}
