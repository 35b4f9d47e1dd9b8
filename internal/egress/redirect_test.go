package egress

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestFollow: one redirect, by 301 or 302, to a URL that would be taken if it were given, with nothing of who asks.
func TestFollow(t *testing.T) {
	t.Parallel()
	var seen atomic.Pointer[http.Request]
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen.Store(r) }))
	defer other.Close()
	var status, location atomic.Value
	lead := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/start" {
			seen.Store(r)
			return
		}
		w.Header().Set("Set-Cookie", "a=b")
		if l := location.Load().(string); l != "" {
			w.Header().Set("Location", l)
		}
		w.WriteHeader(status.Load().(int))
	})
	plain, secure := httptest.NewServer(lead), httptest.NewTLSServer(lead)
	defer plain.Close()
	defer secure.Close()
	web := secure.Client().Transport
	forbidden := errors.New("forbidden")
	tests := []struct {
		name     string
		from     string
		status   int
		location string
		want     string // the URL that is reached; empty if none is
	}{
		{"no redirect", plain.URL, 200, other.URL, plain.URL + "/start"},
		{"not found", plain.URL, 404, other.URL, plain.URL + "/start"},
		{"moved", plain.URL, 301, "/there", plain.URL + "/there"},
		{"found", plain.URL, 302, "there?x=y", plain.URL + "/there?x=y"},
		{"with a fragment", plain.URL, 302, "/there#x", plain.URL + "/there"},
		{"to another origin", plain.URL, 302, other.URL + "/there", other.URL + "/there"},
		{"to another origin, without a scheme", plain.URL, 302, strings.TrimPrefix(other.URL, "http:") + "/there", other.URL + "/there"},
		{"to a stronger scheme", plain.URL, 302, secure.URL + "/there", secure.URL + "/there"},
		{"to a weaker scheme", secure.URL, 302, plain.URL + "/there", ""},
		{"of the stronger scheme", secure.URL, 302, "/there", secure.URL + "/there"},
		{"twice", plain.URL, 302, "/start", ""},
		{"multiple choices", plain.URL, 300, "/there", ""},
		{"see other", plain.URL, 303, "/there", ""},
		{"temporary", plain.URL, 307, "/there", ""},
		{"permanent", plain.URL, 308, "/there", ""},
		{"nowhere", plain.URL, 302, "", ""},
		{"with credentials", plain.URL, 302, "http://a:b@" + other.Listener.Addr().String() + "/", ""},
		{"to a host in an odd spelling", plain.URL, 302, "http://127.1:80/", ""},
		{"to no host", plain.URL, 302, "http:///x", ""},
		{"opaque", plain.URL, 302, "http:x", ""},
		{"malformed", plain.URL, 302, "http://[::1/", ""},
		{"long", plain.URL, 302, "/" + strings.Repeat("a", 9000), ""},
		{"what is not allowed", plain.URL, 302, "/forbidden", ""},
		{"another scheme", plain.URL, 302, "ftp://host/x", ""},
	}
	for _, tt := range tests {
		status.Store(tt.status)
		location.Store(tt.location)
		seen.Store(nil)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.from+"/start", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer hush"}, "Cookie": {"hush"}, "X-Amz-Security-Token": {"hush"}, "Range": {"bytes=0-0"}, "If-Match": {`"v"`}}
		resp, from, err := Follow(web, r, func(u *url.URL) error {
			if u.Path == "/forbidden" || u.Scheme == "ftp" {
				return forbidden
			}
			return nil
		})
		got := ""
		if err == nil {
			_ = resp.Body.Close()
			got = from.String()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if redirect, ok := errors.AsType[*RedirectError](err); err != nil && !errors.Is(err, forbidden) && (!ok || redirect.Reason == "") {
			t.Errorf("%s: got %v, want a *RedirectError", tt.name, err)
		}
		arrived := seen.Load()
		if (arrived != nil) != (tt.want != "" && !strings.HasSuffix(tt.want, "/start")) {
			t.Errorf("%s: arrived %v", tt.name, arrived)
		}
		if arrived == nil {
			continue
		}
		same := strings.HasPrefix(tt.want, tt.from)
		if has := strings.Contains(fmt.Sprint(arrived.Header), "hush"); has != same || arrived.Header.Get("Range") != "bytes=0-0" || arrived.Header.Get("If-Match") != `"v"` || arrived.Header.Get("Referer") != "" {
			t.Errorf("%s: to the same origin: %t, with the headers %v", tt.name, same, arrived.Header)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, plain.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Follow(web, r, func(*url.URL) error { return nil }); err == nil {
		t.Error("a POST follows redirects")
	}
}
