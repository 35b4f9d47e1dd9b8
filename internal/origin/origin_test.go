package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var content = func() []byte {
	b := make([]byte, 300_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

var stamp = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// serveFile answers as a good server does.
func serveFile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"v1"`)
	w.Header().Set("Content-Type", "video/mp4")
	http.ServeContent(w, r, "film.mp4", stamp, bytes.NewReader(content))
}

func start(t *testing.T, handler http.HandlerFunc) (*httptest.Server, Options) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s, Options{Transport: s.Client().Transport, Schemes: []string{"http", "https"}}
}

func readAll(t *testing.T, f *File, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := f.ReadRange(t.Context(), offset, length)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

func TestRead(t *testing.T) {
	t.Parallel()
	s, o := start(t, serveFile)
	f, err := Open(t.Context(), s.URL+"/film.mp4", o)
	if err != nil {
		t.Fatal(err)
	}
	if f.Size() != int64(len(content)) || f.ETag() != "v1" || f.ContentType() != "video/mp4" || !f.LastModified().Equal(stamp) {
		t.Errorf("size %d, etag %q, type %q, modified %s", f.Size(), f.ETag(), f.ContentType(), f.LastModified())
	}
	n := int64(len(content))
	for _, c := range []struct{ offset, length, from, to int64 }{
		{0, -1, 0, n}, {0, n, 0, n}, {1, 2, 1, 3}, {n - 1, 1, n - 1, n}, {n - 1, 100, n - 1, n}, {n, -1, n, n}, {n + 5, 3, n, n}, {7, 0, 7, 7}, {5, 1<<63 - 1, 5, n},
	} {
		got, err := readAll(t, f, c.offset, c.length)
		if err != nil || !bytes.Equal(got, content[c.from:c.to]) {
			t.Errorf("%d bytes from %d: got %d bytes, %v", c.length, c.offset, len(got), err)
		}
	}
}

// TestResume: a connection that breaks again and again costs nothing but time, as long as it makes progress.
func TestResume(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			serveFile(w, r)
			return
		}
		whole := httptest.NewRecorder()
		serveFile(whole, r)
		for k, v := range whole.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(whole.Code)
		_, _ = w.Write(whole.Body.Bytes()[:min(40_000, whole.Body.Len())]) // and the connection breaks: the length was promised
	})
	f, err := Open(t.Context(), s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, f, 0, -1)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if n := requests.Load(); n < 8 {
		t.Errorf("%d requests: the connection did not break", n)
	}
}

// TestNoProgress: a server that gives nothing is given up.
func TestNoProgress(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			serveFile(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	f, err := Open(t.Context(), s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(t, f, 0, -1); !errors.Is(err, ErrServer) {
		t.Errorf("got %v, want ErrServer", err)
	}
	if n := requests.Load(); n != 1+1+maxTries {
		t.Errorf("%d requests, want %d", n, 2+maxTries)
	}
}

// TestChanged: two halves of different films are no film, whether the server keeps to If-Match or not.
func TestChanged(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]http.HandlerFunc{
		"precondition failed": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v2"`)
			http.ServeContent(w, r, "", stamp, bytes.NewReader(content))
		},
		"another tag": func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Match")
			w.Header().Set("ETag", `"v2"`)
			http.ServeContent(w, r, "", stamp, bytes.NewReader(content))
		},
		"another length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			http.ServeContent(w, r, "", stamp, bytes.NewReader(content[:len(content)-1]))
		},
	} {
		var first atomic.Bool
		s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
			if first.CompareAndSwap(false, true) {
				serveFile(w, r)
				return
			}
			later(w, r)
		})
		f, err := Open(t.Context(), s.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(t, f, 10, 100); !errors.Is(err, ErrChanged) || len(got) > 0 {
			t.Errorf("%s: got %d bytes, %v; want ErrChanged", name, len(got), err)
		}
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	to := func(status int, location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/film.mp4" {
				serveFile(w, r)
				return
			}
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(status)
		}
	}
	for _, c := range []struct {
		name     string
		status   int
		location string
		want     error
	}{
		{"moved", 301, "/film.mp4", nil},
		{"found", 302, "film.mp4", nil},
		{"found, with a fragment", 302, "/film.mp4#t=1", nil},
		{"twice", 302, "/again", ErrUnsupported},
		{"see other", 303, "/film.mp4", ErrUnsupported},
		{"temporary", 307, "/film.mp4", ErrUnsupported},
		{"nowhere", 302, "", ErrUnsupported},
		{"another scheme", 302, "file:///etc/passwd", ErrDisallowed},
		{"gopher", 301, "gopher://127.0.0.1:25/x", ErrDisallowed},
		{"credentials", 302, "http://me:pw@127.0.0.1/film.mp4", ErrUnsupported},
		{"malformed", 302, "http://[::1/", ErrUnsupported},
		{"endless", 302, "/" + strings.Repeat("a", MaxURL+1), ErrUnsupported},
	} {
		s, o := start(t, to(c.status, c.location))
		f, err := Open(t.Context(), s.URL+"/start", o)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			continue
		}
		if err == nil {
			if got, err := readAll(t, f, 3, 4); err != nil || !bytes.Equal(got, content[3:7]) {
				t.Errorf("%s: %v, %v", c.name, got, err)
			}
		}
	}
	// The policy is asked again behind a redirect, and https never leads to http.
	plain, _ := start(t, serveFile)
	s := httptest.NewTLSServer(to(302, plain.URL+"/film.mp4"))
	t.Cleanup(s.Close)
	c := s.Client().Transport
	if _, err := Open(t.Context(), s.URL, Options{Transport: c, Schemes: []string{"https"}}); !errors.Is(err, ErrDisallowed) {
		t.Errorf("a redirect to what is not allowed: %v", err)
	}
	if _, err := Open(t.Context(), s.URL, Options{Transport: c, Schemes: []string{"http", "https"}}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a redirect to a weaker scheme: %v", err)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
	}{
		{"401", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, ErrUnauthorized},
		{"403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, ErrForbidden},
		{"404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, ErrNotFound},
		{"410", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, ErrNotFound},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, ErrServer},
		{"418", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }, ErrServer},
		{"no ranges", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }, ErrUnsupported},
		{"no length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-0/*")
			w.WriteHeader(206)
		}, ErrUnsupported},
		{"negative length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-0/-5")
			w.WriteHeader(206)
		}, ErrUnsupported},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrConnection},
	} {
		s, o := start(t, c.answer)
		if _, err := Open(t.Context(), s.URL+"/film?token=secret", o); !errors.Is(err, c.want) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	s, o := start(t, serveFile)
	s.Close()
	if _, err := Open(t.Context(), s.URL+"/film?token=secret", o); !errors.Is(err, ErrConnection) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody listens: %v", err)
	}
	empty, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", stamp, bytes.NewReader(nil))
	})
	// ServeContent answers 200 to a range of nothing, which is as good as no range.
	if f, err := Open(t.Context(), empty.URL, o); err == nil && f.Size() != 0 {
		t.Errorf("an empty file: size %d", f.Size())
	}
}

// TestAnotherRange: what a server sends instead of what was asked for is not taken.
func TestAnotherRange(t *testing.T) {
	t.Parallel()
	s, o := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Range", "bytes 0-0/"+strconv.Itoa(len(content)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content)
	})
	f, err := Open(t.Context(), s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, f, 5, 5); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %q, %v", got, err)
	}
	// More than was asked for is cut off.
	if got, err := readAll(t, f, 0, 5); err != nil || !bytes.Equal(got, content[:5]) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	_, o := start(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	for _, u := range []string{
		"", "film.mp4", "//host/x", "ftp://host/x", "file:///etc/passwd", "gopher://host/x", "data:video/mp4,x", "concat:a|b", "subfile:,,:x", "HTTPS:host",
		"http://", "http:///x", "http://user@127.0.0.1/x", "http://user:pw@127.0.0.1/x", "http://127.0.0.1/x#y", "http://127.0.0.1/x#", "http://127.0.0.1/%zz",
		"http://127.0.0.1\r\nHost: other/", "http://127.0.0.1 /x", "http://[::1/x", "http://" + strings.Repeat("a", MaxURL),
	} {
		if _, err := Open(t.Context(), u, o); !errors.Is(err, ErrURL) {
			t.Errorf("%.60q: got %v, want ErrURL", u, err)
		}
	}
	if _, err := Open(t.Context(), "http://127.0.0.1/x", Options{Transport: o.Transport}); !errors.Is(err, ErrDisallowed) {
		t.Errorf("no schemes: got %v, want ErrDisallowed", err)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// TestCancel: who gives up waits for nothing.
func TestCancel(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 8)
	var first atomic.Bool
	s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		if first.CompareAndSwap(false, true) {
			serveFile(w, r)
			return
		}
		entered <- struct{}{}
		<-r.Context().Done()
	})
	f, err := Open(t.Context(), s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := f.ReadRange(ctx, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-entered; cancel() }()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	_ = r.Close()
}
