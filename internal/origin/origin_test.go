package origin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"darkroom/internal/egress"
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
		"no tag any more": func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Match")
			http.ServeContent(w, r, "", stamp, bytes.NewReader(content))
		},
		"another date": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			http.ServeContent(w, r, "", stamp.Add(time.Second), bytes.NewReader(content))
		},
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
	// ServeContent answers 200 to a range of nothing.
	if f, err := Open(t.Context(), empty.URL, o); err != nil || f.Size() != 0 {
		t.Errorf("an empty file: %v, %v", f, err)
	}
}

// TestPinned: a file is pinned by its strong tag; without one by its date, and by a weak tag as far as that goes; without all of them by its length.
func TestPinned(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                  string
		etag                  string
		modified              time.Time
		laterETag             string
		laterModified         time.Time
		ifMatch, ifUnmodified string // what is sent
		want                  error
	}{
		{"strong", `"v1"`, stamp, `"v1"`, stamp, `"v1"`, "", nil},
		{"strong, of no date", `"v1"`, time.Time{}, `"v1"`, time.Time{}, `"v1"`, "", nil},
		{"weak", `W/"v1"`, stamp, `W/"v1"`, stamp, "", stamp.Format(http.TimeFormat), nil},
		{"weak, another", `W/"v1"`, stamp, `W/"v2"`, stamp, "", stamp.Format(http.TimeFormat), ErrChanged},
		{"weak, another date", `W/"v1"`, stamp, `W/"v1"`, stamp.Add(time.Second), "", stamp.Format(http.TimeFormat), ErrChanged},
		{"weak, of no date", `W/"v1"`, time.Time{}, `W/"v1"`, time.Time{}, "", "", nil},
		{"date", "", stamp, "", stamp, "", stamp.Format(http.TimeFormat), nil},
		{"another date", "", stamp, "", stamp.Add(time.Second), "", stamp.Format(http.TimeFormat), ErrChanged},
		{"an earlier date", "", stamp, "", stamp.Add(-time.Second), "", stamp.Format(http.TimeFormat), ErrChanged},
		{"no date any more", "", stamp, "", time.Time{}, "", stamp.Format(http.TimeFormat), ErrChanged},
		{"a tag that comes later", "", stamp, `"v1"`, stamp, "", stamp.Format(http.TimeFormat), ErrChanged},
		{"nothing", "", time.Time{}, "", time.Time{}, "", "", nil},
	}
	for _, tt := range tests {
		for _, obeys := range []bool{true, false} { // whether the server keeps to preconditions
			var requests atomic.Int32
			s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
				etag, modified := tt.etag, tt.modified
				if requests.Add(1) > 1 {
					etag, modified = tt.laterETag, tt.laterModified
					if r.Header.Get("If-Match") != tt.ifMatch || r.Header.Get("If-Unmodified-Since") != tt.ifUnmodified {
						t.Errorf("%s: sent If-Match %q, If-Unmodified-Since %q", tt.name, r.Header.Get("If-Match"), r.Header.Get("If-Unmodified-Since"))
					}
				}
				if !obeys {
					r.Header.Del("If-Match")
					r.Header.Del("If-Unmodified-Since")
				}
				if etag != "" {
					w.Header().Set("ETag", etag)
				}
				http.ServeContent(w, r, "", modified, bytes.NewReader(content))
			})
			f, err := Open(t.Context(), s.URL, o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(t, f, 7, 9)
			if !errors.Is(err, tt.want) || err == nil && !bytes.Equal(got, content[7:16]) {
				t.Errorf("%s, preconditions kept to %t: got %q, %v; want %v", tt.name, obeys, got, err, tt.want)
			}
			if n := requests.Load(); tt.want != nil && n != 2 {
				t.Errorf("%s: a file that changed was asked for %d times", tt.name, n)
			}
		}
	}
}

// raw serves what it is given over connections, one answer for each, the last one for ever.
func raw(t *testing.T, answers ...string) (url string, o Options, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int32)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(connections.Add(1)) - 1
			serving.Go(func() {
				defer func() { _ = c.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, answers[min(n, len(answers)-1)])
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return "http://" + l.Addr().String() + "/film", Options{Transport: tr, Schemes: []string{"http"}}, connections
}

// TestAnswers gives answers as servers on the net give them, good and bad.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const first = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/10\r\nContent-Length: 1\r\n\r\n0"
	tests := []struct {
		name   string
		answer string // to bytes 2-5 of 0123456789
		want   error
	}{
		{"as asked", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nContent-Length: 4\r\n\r\n2345", nil},
		{"until the connection ends", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\n\r\n2345", nil},
		{"in chunks", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n3\r\n345\r\n0\r\n\r\n", nil},
		{"HTTP/1.0", "HTTP/1.0 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nContent-Length: 4\r\n\r\n2345", nil},
		{"identity", "HTTP/1.1 206 Partial Content\r\nContent-Encoding: identity\r\nContent-Range: bytes 2-5/10\r\nContent-Length: 4\r\n\r\n2345", nil},
		{"more bytes than it says", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\n\r\n2345678999999999999", nil},
		{"compressed", "HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\nContent-Range: bytes 2-5/10\r\nContent-Length: 4\r\n\r\n2345", ErrUnsupported},
		{"the whole", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", ErrUnsupported},
		{"another beginning", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-5/10\r\nContent-Length: 5\r\n\r\n12345", ErrUnsupported},
		{"a later end", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-6/10\r\nContent-Length: 5\r\n\r\n23456", ErrUnsupported},
		{"backwards", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-1/10\r\nContent-Length: 4\r\n\r\n2345", ErrUnsupported},
		{"beyond the end", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-10/10\r\nContent-Length: 4\r\n\r\n2345", ErrUnsupported},
		{"of another unit", "HTTP/1.1 206 Partial Content\r\nContent-Range: seconds 2-5/10\r\nContent-Length: 4\r\n\r\n2345", ErrUnsupported},
		{"signed", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes +2-5/10\r\nContent-Length: 4\r\n\r\n2345", ErrUnsupported},
		{"overflown", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/99999999999999999999\r\nContent-Length: 4\r\n\r\n2345", ErrUnsupported},
		{"in parts", "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 4\r\n\r\n2345", ErrUnsupported},
		{"not satisfiable", "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n", ErrUnsupported},
		{"not satisfiable any more", "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */0\r\nContent-Length: 0\r\n\r\n", ErrChanged},
		{"another length", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/11\r\nContent-Length: 4\r\n\r\n2345", ErrChanged},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", ErrUnsupported},
		{"a time-out of the server", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", ErrSlow},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", ErrProtocol},
		{"a length that is none", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nContent-Length: x\r\n\r\n2345", ErrProtocol},
		{"two lengths", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n2345", ErrProtocol},
		{"a header without a colon", "HTTP/1.1 206 Partial Content\r\nContent-Range\r\n\r\n", ErrProtocol},
		{"endless hints", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 300_000), ErrProtocol},
		{"an endless header", "HTTP/1.1 206 Partial Content\r\nX: " + strings.Repeat("x", 11<<20), ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, o, _ := raw(t, first, tt.answer)
			f, err := Open(t.Context(), url, o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(t, f, 2, 4)
			if !errors.Is(err, tt.want) || err == nil && string(got) != "2345" || err != nil && len(got) > 0 {
				t.Errorf("got %q, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestShort: an answer that is shorter than what was asked for is a part of it, and the rest is asked for.
func TestShort(t *testing.T) {
	t.Parallel()
	part := func(from, to int, text string) string {
		return fmt.Sprintf("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/10\r\nContent-Length: %d\r\n\r\n%s", from, to, len(text), text)
	}
	url, o, connections := raw(t, part(0, 0, "0"), part(0, 3, "0123"), part(4, 7, "4567"), part(8, 9, "89"))
	f, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, f, 0, -1); err != nil || string(got) != "0123456789" || connections.Load() != 4 {
		t.Errorf("got %q, %v over %d connections", got, err, connections.Load())
	}
}

// TestDribble: a server that gives a byte on each connection would take for ever, and is given up.
func TestDribble(t *testing.T) {
	t.Parallel()
	var at atomic.Int64
	var requests atomic.Int32
	s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var first, last int64
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
		at.Store(first)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(content)))
		w.Header().Set("Content-Length", strconv.FormatInt(last-first+1, 10))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content[first : first+1])
	})
	f, err := Open(t.Context(), s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(t, f, 0, -1); !errors.Is(err, ErrConnection) {
		t.Errorf("got %v, want ErrConnection", err)
	}
	if n := requests.Load(); n != 1+1+maxTries {
		t.Errorf("%d requests, want %d", n, 2+maxTries)
	}
}

// TestOpenAgain: a server that fails once is asked again.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		serveFile(w, r)
	})
	if f, err := Open(t.Context(), s.URL, o); err != nil || f.Size() != int64(len(content)) || requests.Load() != 2 {
		t.Errorf("got %v, %v after %d requests", f, err, requests.Load())
	}
}

// TestHeadNotAllowed: all that is asked for is ranges.
func TestHeadNotAllowed(t *testing.T) {
	t.Parallel()
	s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Range") == "" || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%s with %v", r.Method, r.Header)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		serveFile(w, r)
	})
	f, err := Open(t.Context(), s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, f, 5, 5); err != nil || !bytes.Equal(got, content[5:10]) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestPolicyChanges: what is allowed is asked at each request, and what is not allowed any more is not read any further, however it is asked for.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s, o := start(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1); r.URL.Path == "/away" {
			http.Redirect(w, r, "/film", http.StatusFound)
			return
		}
		serveFile(w, r)
	})
	allowed := atomic.Pointer[[]string]{}
	allowed.Store(&[]string{"s3", "http"})
	unknown := errors.New("nobody knows")
	var fails atomic.Bool
	o.Transport = Allowing(o.Transport, func(context.Context) ([]string, error) {
		if fails.Load() {
			return []string{"http"}, unknown
		}
		return *allowed.Load(), nil
	})
	f, err := Open(t.Context(), s.URL+"/away", o)
	if err != nil {
		t.Fatal(err)
	}
	if f.URL().String() != s.URL+"/film" {
		t.Errorf("the file is at %s", f.URL())
	}
	if _, err := readAll(t, f, 0, 10); err != nil {
		t.Fatal(err)
	}
	before := requests.Load()
	for _, now := range [][]string{{"s3", "https"}, {}, nil} {
		allowed.Store(&now)
		if got, err := readAll(t, f, 0, 10); !errors.Is(err, ErrDisallowed) || len(got) > 0 {
			t.Errorf("allowed %v: got %q, %v", now, got, err)
		}
		if _, err := Open(t.Context(), s.URL, o); !errors.Is(err, ErrDisallowed) {
			t.Errorf("allowed %v: %v", now, err)
		}
	}
	allowed.Store(&[]string{"http"})
	fails.Store(true)
	if got, err := readAll(t, f, 0, 10); !errors.Is(err, unknown) || len(got) > 0 {
		t.Errorf("what is allowed is not known: got %q, %v", got, err)
	}
	if n := requests.Load(); n != before {
		t.Errorf("%d requests were made", n-before)
	}
}

// TestRefused: what the way out refuses is not asked for again.
func TestRefused(t *testing.T) {
	t.Parallel()
	var dials atomic.Int32
	door, err := egress.New(egress.Options{Record: func(context.Context, egress.Dial) error { dials.Add(1); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), "http://127.0.0.1:9/x", Options{Transport: door.Client(egress.Input).Transport, Schemes: []string{"http"}})
	var refused *egress.Refused
	if !errors.As(err, &refused) || !errors.Is(err, ErrConnection) || dials.Load() != 1 {
		t.Errorf("got %v after %d dials", err, dials.Load())
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
	if got, err := readAll(t, f, 0, 1); err != nil || !bytes.Equal(got, content[:1]) {
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
