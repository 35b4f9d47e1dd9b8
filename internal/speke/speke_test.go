package speke

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// clock jumps when it is waited for, and says how long was waited.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	waited []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waited = append(c.waited, d)
	fired := make(chan time.Time, 1)
	fired <- c.now
	return fired
}

// keyServer is a key server that answers as handler does.
func keyServer(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// door opens the way to a server of the test.
func door(t testing.TB, s *httptest.Server) *egress.Door {
	t.Helper()
	d, err := egress.New(egress.Options{
		Rules:       []egress.Rule{{Net: netip.MustParsePrefix("127.0.0.0/8"), Ports: []int{port(t, s)}, For: []egress.Purpose{egress.SPEKE}}},
		Authorities: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func port(t testing.TB, s *httptest.Server) int {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func client(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.jitter = func(d time.Duration) time.Duration { return d }
	return c
}

func request(t testing.TB, version int) *cpix.Request {
	t.Helper()
	r, err := cpix.NewRequest(cpix.Options{
		ContentID: "film", Version: version, Uses: cpix.Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: []cpix.Wanted{{ID: cenc.FairPlay, HLS: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var contentKey = []byte("sixteen bytes ok")

// answer is what a good key server says to a request.
func answer(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	asked, err := cpix.ParseRequest(body, r.Header.Get(versionHeader))
	if err != nil {
		return nil, err
	}
	a := &cpix.Answer{Request: asked}
	for _, k := range asked.Keys {
		h := &cenc.HLSKey{Method: "SAMPLE-AES", URI: "skd://" + k.ID.String(), KeyFormat: "com.apple.streamingkeydelivery", KeyFormatVersions: "1"}
		a.Keys = append(a.Keys, cenc.Protection{
			Key: cenc.Key{ID: k.ID, Value: secret.New([]byte(string(contentKey)))}, Signals: []cenc.Signal{{System: cenc.FairPlay, Media: h, Master: h}},
		})
	}
	return a.Encode(rand.Reader)
}

// good answers as SPEKE has it.
func good(w http.ResponseWriter, r *http.Request) {
	text, err := answer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	if v := r.Header.Get(versionHeader); v != "" {
		w.Header().Set(versionHeader, v)
		w.Header().Set("X-Speke-User-Agent", "test")
	}
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	_, _ = w.Write(text)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for version, header := range map[int]string{cpix.V1: "", cpix.V2: "2.0"} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			t.Parallel()
			var sent http.Header
			s := keyServer(t, func(w http.ResponseWriter, r *http.Request) {
				sent = r.Header.Clone()
				if r.Method != http.MethodPost || r.URL.RequestURI() != "/copyProtection?a=b" {
					t.Errorf("%s %s", r.Method, r.URL.RequestURI())
				}
				good(w, r)
			})
			keys, err := client(t, Options{Door: door(t, s)}).Keys(t.Context(), Query{URL: s.URL + "/copyProtection?a=b", Request: request(t, version)})
			if err != nil {
				t.Fatal(err)
			}
			if len(keys) != 1 || string(keys[0].Value.Reveal()) != string(contentKey) {
				t.Errorf("got %d keys", len(keys))
			}
			if got := sent.Values(versionHeader); len(got) > 1 || sent.Get(versionHeader) != header || sent.Get("Content-Type") != "application/xml" || sent.Get("User-Agent") != agent {
				t.Errorf("headers: %v", sent)
			}
			if sent.Get("Authorization") != "" {
				t.Error("something proves who asks, and nothing is to")
			}
		})
	}
}

// TestRefused: each way in which a key server does not do what was asked of it, how often it is asked, and what is said of it.
func TestRefused(t *testing.T) {
	t.Parallel()
	const all = MaxAttempts
	status := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
		}
	}
	changed := func(change func(h http.Header, text string) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text, err := answer(r)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set(versionHeader, "2.0")
			w.Header().Set("Content-Type", "application/xml")
			_, _ = io.WriteString(w, change(w.Header(), string(text)))
		}
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		kind    Kind
		asked   int32
		want    string // in the words of the error
		words   string
	}{
		{"words of the specification", status(422, "Malformed encryption contract"), Rejected, 1, "status 422: Malformed encryption contract", cpix.MalformedContract},
		{"words with a KID", status(422, "Missing ContentKey@commonEncryptionScheme for KID "+strings.ToUpper(cpix.KeyID("film", cpix.All).String())+" and more"), Rejected, 1, "for KID " + cpix.KeyID("film", cpix.All).String(), cpix.MissingScheme},
		{"words with another KID", status(422, "Missing ContentKey@commonEncryptionScheme for KID 0f08"), Rejected, 1, "for KID", cpix.MissingScheme},
		{"words with a DRM system", status(422, "<e>ContentKey@commonEncryptionScheme non compatible with DRMSystem "+cenc.FairPlay.String()+"</e>"), Rejected, 1, "DRMSystem " + cenc.FairPlay.String(), cpix.IncompatibleScheme},
		{"no version 2", status(400, "Unsupported SPEKE version"), Rejected, 1, "Unsupported SPEKE version", cpix.UnsupportedSPEKE},
		{"not found", status(404, ""), Rejected, 1, "status 404", ""},
		{"a method not allowed", status(405, ""), Rejected, 1, "status 405", ""},
		{"not implemented", status(501, ""), Rejected, 1, "status 501", ""},
		{"not signed in", status(401, ""), Denied, 1, "denies access with status 401", ""},
		{"forbidden", status(403, `{"message":"Missing Authentication Token"}`), Denied, 1, "denies access with status 403", ""},
		{"too many requests", status(429, "slow down"), Busy, all, "status 429 each time it was asked", ""},
		{"broken", status(500, "<html><body><h1>Oops</h1>\r\n\tsorry</body></html>"), Busy, all, "status 500 each time it was asked", ""},
		{"away", status(503, ""), Busy, all, "status 503", ""},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, Redirected, 1, "redirects with status 307", ""},
		{"a redirect to http", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1/", http.StatusFound)
		}, Redirected, 1, "status 302", ""},
		{"nothing", status(204, ""), Rejected, 1, "status 204", ""},
		{"created", status(201, ""), Rejected, 1, "status 201", ""},
		{"words without end", status(400, strings.Repeat("na ", 10000)), Rejected, 1, "status 400", ""},
		{"control characters", status(400, "a\x1b[31mb\u202ec\x00d"), Rejected, 1, "status 400", ""},
		{"an error inside a success", changed(func(http.Header, string) string { return "Requested CPIX encryption contract not supported" }), BadAnswer, 1, "it says: " + cpix.UnsupportedContract, cpix.UnsupportedContract},
		{"another error inside a success", changed(func(http.Header, string) string { return `<error>no</error>` }), BadAnswer, 1, "not CPIX", ""},
		{"an empty success", changed(func(http.Header, string) string { return "" }), BadAnswer, 1, "empty", ""},
		{"another content", changed(func(_ http.Header, s string) string {
			return strings.Replace(s, `contentId="film"`, `contentId="other"`, 1)
		}), BadAnswer, 1, "another content", ""},
		{"no keys", changed(func(_ http.Header, s string) string {
			return s[:strings.Index(s, "<cpix:ContentKey ")] + s[strings.Index(s, "</cpix:ContentKeyList>"):]
		}), BadAnswer, 1, "no key of KID", ""},
		{"entities", changed(func(_ http.Header, s string) string {
			return strings.Replace(s, "<cpix:CPIX", `<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><cpix:CPIX`, 1)
		}), BadAnswer, 1, "document type", ""},
		{"too long", changed(func(_ http.Header, s string) string { return s + strings.Repeat(" ", cpix.MaxDocument) }), BadAnswer, 1, "longer than", ""},
		{"version 1 for version 2", changed(func(h http.Header, s string) string { h.Del(versionHeader); return s }), BadAnswer, 1, "X-Speke-Version", ""},
		{"version 2.1 for version 2", changed(func(h http.Header, s string) string { h.Set(versionHeader, "2.1"); return s }), BadAnswer, 1, "X-Speke-Version", ""},
		{"two versions", changed(func(h http.Header, s string) string { h.Add(versionHeader, "2.0"); return s }), BadAnswer, 1, "X-Speke-Version", ""},
		{"a page", changed(func(h http.Header, s string) string { h.Set("Content-Type", "text/html"); return s }), BadAnswer, 1, "Content-Type", ""},
		{"no type", changed(func(h http.Header, s string) string { h.Set("Content-Type", ""); return s }), BadAnswer, 1, "Content-Type", ""},
		{"another charset", changed(func(h http.Header, s string) string {
			h.Set("Content-Type", "application/xml; charset=utf-7")
			return s
		}), BadAnswer, 1, "charset", ""},
		{"compressed", changed(func(h http.Header, s string) string { h.Set("Content-Encoding", "gzip"); return s }), BadAnswer, 1, "compressed", ""},
		{"gone in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			w.Header().Set(versionHeader, "2.0")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "<cpix:CPIX")
		}, Unreachable, all, "does not answer", ""},
		{"gone at once", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unreachable, all, "does not answer", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			s := keyServer(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				c.handler(w, r)
			})
			keys, err := client(t, Options{Door: door(t, s), Clock: newClock()}).Keys(t.Context(), Query{URL: s.URL + "/speke", Request: request(t, cpix.V2)})
			var e *Error
			if !errors.As(err, &e) || keys != nil {
				t.Fatalf("got %d keys, error %v", len(keys), err)
			}
			if e.Kind != c.kind || e.Words != c.words || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got kind %d, words %q, %q; want kind %d, words %q, %q", e.Kind, e.Words, err, c.kind, c.words, c.want)
			}
			if n := asked.Load(); n != c.asked {
				t.Errorf("the server was asked %d times, want %d", n, c.asked)
			}
			text := err.Error()
			if len([]rune(text)) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '\u202e' }) {
				t.Errorf("the error is not one short line: %q", text)
			}
			if e.Kind != BadAnswer && e.Said != "" && (c.words == "" || !strings.HasPrefix(e.Said, c.words)) {
				t.Errorf("the error says more than the words of the specification: %q", e.Said)
			}
			if !strings.Contains(text, "127.0.0.1:") {
				t.Errorf("the error does not name the host: %q", text)
			}
		})
	}
}

// TestKeysStay: whatever an answer is called and however it is written, no key in it reaches the error.
func TestKeysStay(t *testing.T) {
	t.Parallel()
	written := base64.StdEncoding.EncodeToString(contentKey)
	wide := func(order binary.AppendByteOrder) func(string) string {
		return func(s string) string {
			var b []byte
			for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
				b = order.AppendUint16(b, u)
			}
			return string(b)
		}
	}
	replace := func(old, fresh string) func(string) string {
		return func(s string) string { return strings.ReplaceAll(s, old, fresh) }
	}
	for _, shape := range []struct {
		name   string
		change func(string) string
		good   bool // under status 200
	}{
		{"as it is", func(s string) string { return s }, true},
		{"white space in front", func(s string) string { return "\r\n\t  " + s }, true},
		{"a line in the middle of the key", replace(written, written[:10]+"\n\t"+written[10:]), true},
		{"other prefixes", func(s string) string { return replace("pskc:", "p:")(replace("cpix:", "c:")(s)) }, false},
		{"no prefixes", func(s string) string { return replace("pskc:", "")(replace("cpix:", "")(s)) }, false},
		{"UTF-16, least first", wide(binary.LittleEndian), false},
		{"UTF-16, most first", wide(binary.BigEndian), false},
		{"cut before its end", func(s string) string { return s[:strings.Index(s, "</pskc:PlainValue>")] }, false},
		{"cut in the key", func(s string) string { return s[:strings.Index(s, written)+16] }, false},
		{"cut at its beginning", func(s string) string { return s[strings.Index(s, written)-1:] }, false},
		{"the key alone", func(string) string { return written }, false},
		{"the key in hexadecimal", func(string) string { return hex.EncodeToString(contentKey) }, false},
		{"the key as it is", func(string) string { return string(contentKey) }, false},
		{"JSON", func(string) string { return `{"key":"` + written + `"}` }, false},
		{"escaped", func(s string) string { return html.EscapeString(s) }, false},
		{"behind words of the specification", func(s string) string { return cpix.MalformedContract + ": " + s }, false},
		{"behind words that want a KID", func(string) string { return cpix.MissingScheme + " " + written }, false},
		{"a comment", func(s string) string { return "<!-- " + s + " -->" }, false},
	} {
		for _, status := range []int{200, 201, 202, 203, 206, 226, 300, 302, 400, 401, 403, 404, 422, 429, 500, 501, 503, 599} {
			if status == http.StatusOK && shape.good {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", shape.name, status), func(t *testing.T) {
				t.Parallel()
				s := keyServer(t, func(w http.ResponseWriter, r *http.Request) {
					text, err := answer(r)
					if err != nil {
						t.Error(err)
					}
					w.Header().Set(versionHeader, "2.0")
					w.Header().Set("Content-Type", "application/xml")
					w.WriteHeader(status)
					_, _ = io.WriteString(w, shape.change(string(text)))
				})
				keys, err := client(t, Options{Door: door(t, s), Clock: newClock()}).Keys(t.Context(), Query{URL: s.URL, Request: request(t, cpix.V2)})
				var e *Error
				if !errors.As(err, &e) || keys != nil {
					t.Fatalf("%d keys, error %v", len(keys), err)
				}
				shown := strings.Join(strings.Fields(fmt.Sprintf("%v %+v %v", err, *e, e.Unwrap())), "")
				for _, secret := range []string{written, hex.EncodeToString(contentKey), strings.ReplaceAll(string(contentKey), " ", "")} {
					for at := 0; at+6 <= len(secret); at++ {
						if strings.Contains(shown, secret[at:at+6]) {
							t.Fatalf("the error shows a part of the key: %q", shown)
						}
					}
				}
			})
		}
	}
}

// TestAgain: a server that was away is asked again, later each time, and with the same question.
func TestAgain(t *testing.T) {
	t.Parallel()
	var bodies []string
	s := keyServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		switch len(bodies) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case 4:
			w.Header().Set("Retry-After", "99999")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			good(w, r)
		}
	})
	at := newClock()
	keys, err := client(t, Options{Door: door(t, s), Clock: at}).Keys(t.Context(), Query{URL: s.URL, Request: request(t, cpix.V2)})
	if err != nil || len(keys) != 1 {
		t.Fatalf("got %d keys, error %v", len(keys), err)
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Error("another question was asked again")
		}
	}
	want := []time.Duration{firstPause, 2 * firstPause, 7 * time.Second, maxPause}
	if fmt.Sprint(at.waited) != fmt.Sprint(want) {
		t.Errorf("waited %v, want %v", at.waited, want)
	}
}

// TestJitter: pauses are random, and never more than they are to be.
func TestJitter(t *testing.T) {
	t.Parallel()
	d, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Door: d})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[time.Duration]bool{}
	for range 100 {
		p := c.jitter(time.Second)
		if p < time.Second/2 || p > time.Second {
			t.Fatalf("a pause of %v", p)
		}
		seen[p] = true
	}
	if len(seen) < 50 {
		t.Errorf("%d different pauses of 100", len(seen))
	}
}

// TestDeadline: no attempt is begun behind the deadline.
func TestDeadline(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := keyServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, err := client(t, Options{Door: door(t, s), Clock: newClock(), Deadline: 3 * firstPause}).Keys(t.Context(), Query{URL: s.URL, Request: request(t, cpix.V2)})
	var e *Error
	if !errors.As(err, &e) || e.Kind != Busy || asked.Load() != 2 {
		t.Errorf("asked %d times, error %v", asked.Load(), err)
	}
}

// TestSilence: a server that takes the question and says nothing, or says it too slowly, is given up, and so is one whose asker gave up.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		begin bool
	}{{"never", false}, {"a byte and no more", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			released := make(chan struct{})
			var asked atomic.Int32
			s := keyServer(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				if c.begin {
					w.Header().Set("Content-Type", "application/xml")
					w.Header().Set(versionHeader, "2.0")
					_, _ = io.WriteString(w, "<")
					w.(http.Flusher).Flush()
				}
				select {
				case <-r.Context().Done():
				case <-released:
				}
			})
			t.Cleanup(func() { close(released) })
			at := newClock()
			_, err := client(t, Options{Door: door(t, s), Clock: at, AttemptTimeout: 50 * time.Millisecond}).Keys(t.Context(), Query{URL: s.URL, Request: request(t, cpix.V2)})
			var e *Error
			if !errors.As(err, &e) || e.Kind != Unreachable || len(at.waited) != MaxAttempts-1 || asked.Load() == 0 { // on a busy machine a handshake may take up an attempt
				t.Errorf("asked %d times, waited %v, error %v", asked.Load(), at.waited, err)
			}
		})
	}
	entered := make(chan struct{})
	s := keyServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the end of a connection is seen behind the request
		close(entered)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if _, err := client(t, Options{Door: door(t, s)}).Keys(ctx, Query{URL: s.URL, Request: request(t, cpix.V2)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestNoConnection: addresses that are not to be dialled, and servers that are not who they should be.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	s := keyServer(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	trusting := door(t, s)
	closed, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	strange, err := egress.New(egress.Options{Rules: []egress.Rule{{Net: netip.MustParsePrefix("127.0.0.0/8"), Ports: []int{port(t, s)}, For: []egress.Purpose{egress.SPEKE}}}})
	if err != nil {
		t.Fatal(err)
	}
	input, err := egress.New(egress.Options{Rules: []egress.Rule{{Net: netip.MustParsePrefix("127.0.0.0/8"), Ports: []int{port(t, s)}, For: []egress.Purpose{egress.Input}}}})
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") }))
	t.Cleanup(plain.Close)
	for _, c := range []struct {
		name, url string
		door      *egress.Door
		kind      Kind
	}{
		{"http", "http" + strings.TrimPrefix(s.URL, "https"), trusting, BadURL},
		{"another scheme", "ftp://example.com/", trusting, BadURL},
		{"credentials in the URL", strings.Replace(s.URL, "https://", "https://user:word@", 1), trusting, BadURL},
		{"no host", "https:///speke", trusting, BadURL},
		{"a fragment", s.URL + "/#a", trusting, BadURL},
		{"dot segments", s.URL + "/a/../b", trusting, BadURL},
		{"encoded dot segments", s.URL + "/a/%2E%2e/b", trusting, BadURL},
		{"an encoded slash", s.URL + "/a%2fb", trusting, BadURL},
		{"an encoded backslash", s.URL + "/a%5Cb", trusting, BadURL},
		{"a letter as a percent code", s.URL + "/%62earer", trusting, BadURL},
		{"a digit as one", s.URL + "/v%31", trusting, BadURL},
		{"a tilde as one", s.URL + "/a/%7Eb", trusting, BadURL},
		{"a dot inside as one", s.URL + "/a%2eb", trusting, BadURL},
		{"an empty segment", s.URL + "/a//b", trusting, BadURL},
		{"an empty first segment", s.URL + "//bearer", trusting, BadURL},
		{"two slashes at the end", s.URL + "/bearer//", trusting, BadURL},
		{"an odd spelling of an address", "https://0x7f000001/", trusting, BadURL},
		{"a line end", s.URL + "/a\r\nb", trusting, BadURL},
		{"an address that is not open", s.URL, closed, NotAllowed},
		{"an address that is open for something else", s.URL, input, NotAllowed},
		{"an authority that nobody trusts", s.URL, strange, Untrusted},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := newClock()
			_, err := client(t, Options{Door: c.door, Clock: at}).Keys(t.Context(), Query{URL: c.url, Request: request(t, cpix.V2)})
			var e *Error
			if !errors.As(err, &e) || e.Kind != c.kind {
				t.Errorf("got %v, want kind %d", err, c.kind)
			}
			if len(at.waited) > 0 {
				t.Error("it was tried again")
			}
			if err != nil && strings.Contains(err.Error(), "word") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func fixed(text string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return secret.New([]byte(text)), nil }
}

// TestAuthentication: what proves who asks goes where the configuration says, and nowhere else.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	var got http.Header
	var body []byte
	var host, path string
	s := keyServer(t, func(w http.ResponseWriter, r *http.Request) {
		got, host, path = r.Header.Clone(), r.Host, r.URL.EscapedPath()
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		good(w, r)
	})
	role := func(context.Context) (Credentials, error) {
		return Credentials{AccessKeyID: "ASIAROLE", SecretAccessKey: secret.New([]byte("role secret")), SessionToken: secret.New([]byte("role token"))}, nil
	}
	own := func(context.Context) (Credentials, error) {
		return Credentials{AccessKeyID: "AKIAOWN", SecretAccessKey: secret.New([]byte("own secret"))}, nil
	}
	at := newClock()
	c := client(t, Options{Door: door(t, s), Clock: at, Region: "eu-west-1", Servers: []Server{
		{URL: s.URL + "/bearer", Auth: Bearer, Secret: fixed("token-1")},
		{URL: s.URL + "/bearer/deeper/", Auth: Bearer, Secret: fixed("token-2")},
		{URL: s.URL + "/dépôt", Auth: Bearer, Secret: fixed("token-3")},
		{URL: s.URL + "/basic", Auth: Basic, User: "packager", Secret: fixed("pass:word")},
		{URL: s.URL + "/header", Auth: Header, Header: "X-Api-Key", Secret: fixed("key-1")},
		{URL: s.URL + "/none", Auth: None},
		{URL: s.URL + "/own", Auth: SigV4, Credentials: own, Region: "us-west-2"},
		{URL: s.URL + "/role", Auth: SigV4},
	}})
	for _, q := range []struct {
		name, path, authorization, key string
		access, region, secret, token  string // of a signature
	}{
		{name: "bearer", path: "/bearer", authorization: "Bearer token-1"},
		{name: "below", path: "/bearer/v2", authorization: "Bearer token-1"},
		{name: "with a query", path: "/bearer?a=b", authorization: "Bearer token-1"},
		{name: "the longest fits", path: "/bearer/deeper/v2", authorization: "Bearer token-2"},
		{name: "basic", path: "/basic/x", authorization: "Basic cGFja2FnZXI6cGFzczp3b3Jk"},
		{name: "a header", path: "/header", key: "key-1"},
		{name: "nothing", path: "/none/v2"},
		{name: "the operator's own credentials", path: "/own", access: "AKIAOWN", region: "us-west-2", secret: "own secret"},
		{name: "the role's credentials", path: "/role/a%20b", access: "ASIAROLE", region: "eu-west-1", secret: "role secret", token: "role token"},
		{name: "not below, but longer", path: "/bearerer", access: "ASIAROLE", region: "eu-west-1", secret: "role secret", token: "role token"},
		{name: "nowhere configured", path: "/", access: "ASIAROLE", region: "eu-west-1", secret: "role secret", token: "role token"},
		{name: "a path with percent codes", path: "/d%C3%A9p%C3%B4t/a", authorization: "Bearer token-3"},
		{name: "with others", path: "/d%c3%a9p%C3%b4t/a", authorization: "Bearer token-3"},
	} {
		t.Run(q.name, func(t *testing.T) { // one after the other: they share what was sent
			keys, err := c.Keys(t.Context(), Query{URL: s.URL + q.path, Request: request(t, cpix.V2), Credentials: role})
			if err != nil || len(keys) != 1 {
				t.Fatalf("got %d keys, error %v", len(keys), err)
			}
			if got.Get("X-Api-Key") != q.key {
				t.Errorf("X-Api-Key is %q, want %q", got.Get("X-Api-Key"), q.key)
			}
			if q.access == "" {
				if got.Get("Authorization") != q.authorization || got.Get("X-Amz-Security-Token") != "" {
					t.Errorf("Authorization is %q, want %q", got.Get("Authorization"), q.authorization)
				}
				return
			}
			got.Set("Content-Length", strconv.Itoa(len(body))) // the server took it out
			signed, err := sigv4.Parse(sigv4.Request{Method: http.MethodPost, RawPath: path, Host: host, Header: got})
			if err != nil {
				t.Fatal(err)
			}
			if signed.Scope.Service != "execute-api" {
				t.Errorf("signed for %s", signed.Scope.Service)
			}
			sum := sha256.Sum256(body)
			if _, err := signed.Verify(&sigv4.Key{Secret: secret.New([]byte(q.secret)), Token: secret.New([]byte(q.token))}, sigv4.Expectation{
				Region: q.region, BodyHash: hex.EncodeToString(sum[:]), Now: at.Now(),
			}); err != nil {
				t.Errorf("the signature: %v", err)
			}
			if !strings.Contains(got.Get("Authorization"), "Credential="+q.access+"/") || got.Get("X-Amz-Security-Token") != q.token {
				t.Errorf("signed with %q", got.Get("Authorization"))
			}
		})
	}
}

// TestSecretsStay: a secret that a server repeats is not passed on, and one that cannot be had is no reason to ask without.
func TestSecretsStay(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := keyServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "you said %s %s", r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token"))
	})
	role := func(context.Context) (Credentials, error) {
		return Credentials{AccessKeyID: "ASIAROLE", SecretAccessKey: secret.New([]byte("role secret")), SessionToken: secret.New([]byte("role token"))}, nil
	}
	for _, q := range []struct {
		name   string
		server Server
		hidden string
	}{
		{"bearer", Server{Auth: Bearer, Secret: fixed("hunter2")}, "hunter2"},
		{"basic", Server{Auth: Basic, User: "u", Secret: fixed("hunter2")}, "dTpodW50ZXIy"},
		{"a session token", Server{Auth: SigV4}, "role token"},
	} {
		q.server.URL = s.URL
		_, err := client(t, Options{Door: door(t, s), Region: "us-east-1", Servers: []Server{q.server}}).Keys(t.Context(), Query{URL: s.URL, Request: request(t, cpix.V2), Credentials: role})
		if err == nil || strings.Contains(err.Error(), q.hidden) || strings.Contains(err.Error(), "you said") {
			t.Errorf("%s: %v", q.name, err)
		}
	}
	asked.Store(0)
	for _, q := range []struct {
		name        string
		server      Server
		credentials func(context.Context) (Credentials, error)
	}{
		{"no file", Server{Auth: Bearer, Secret: func() (secret.Bytes, error) { return secret.Bytes{}, errors.New("open /etc/secret/token: denied") }}, role},
		{"an empty file", Server{Auth: Bearer, Secret: fixed("")}, role},
		{"two lines", Server{Auth: Header, Header: "X-Api-Key", Secret: fixed("a\r\nHost: b")}, role},
		{"no role", Server{Auth: SigV4}, nil},
		{"a role that is gone", Server{Auth: SigV4}, func(context.Context) (Credentials, error) { return Credentials{}, errors.New("gone") }},
	} {
		q.server.URL = s.URL
		_, err := client(t, Options{Door: door(t, s), Servers: []Server{q.server}}).Keys(t.Context(), Query{URL: s.URL, Request: request(t, cpix.V2), Credentials: q.credentials})
		var e *Error
		if !errors.As(err, &e) || e.Kind != NoCredentials || strings.Contains(err.Error(), "/etc") {
			t.Errorf("%s: %v", q.name, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("the server was asked without what was to prove who asks")
	}
}

// identity makes a certificate for a client.
func identity(t *testing.T) *tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "packager"}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
}

// TestMutualTLS: a server that wants a certificate gets the one that was configured for it; without one it ends the handshake, and is not asked again.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ours := identity(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := r.TLS.PeerCertificates[0].Subject.CommonName; n != "packager" {
			t.Errorf("the client is %s", n)
		}
		good(w, r)
	}))
	known := x509.NewCertPool()
	known.AddCert(ours.Leaf)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, c := range []struct {
		name        string
		certificate func() (*tls.Certificate, error)
		kind        Kind
	}{
		{"ours", func() (*tls.Certificate, error) { return ours, nil }, 0},
		{"of somebody else", func() (*tls.Certificate, error) { return identity(t), nil }, Denied},
		{"that cannot be read", func() (*tls.Certificate, error) { return nil, errors.New("open /etc/secret/key: denied") }, NoCredentials},
		{"that is none", func() (*tls.Certificate, error) { return nil, nil }, NoCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := newClock()
			_, err := client(t, Options{Door: door(t, s), Clock: at, Servers: []Server{{URL: s.URL, Auth: MutualTLS, Certificate: c.certificate}}}).
				Keys(t.Context(), Query{URL: s.URL + "/speke", Request: request(t, cpix.V2)})
			var e *Error
			if c.kind == 0 && err != nil || c.kind != 0 && (!errors.As(err, &e) || e.Kind != c.kind) {
				t.Errorf("got %v, want kind %d", err, c.kind)
			}
			if len(at.waited) > 0 || err != nil && strings.Contains(err.Error(), "/etc") {
				t.Errorf("waited %v, error %v", at.waited, err)
			}
		})
	}
	at := newClock()
	_, err := client(t, Options{Door: door(t, s), Clock: at}).Keys(t.Context(), Query{URL: s.URL, Request: request(t, cpix.V2)})
	var e *Error
	if !errors.As(err, &e) || e.Kind != Denied || len(at.waited) > 0 {
		t.Errorf("without a certificate: %v, waited %v", err, at.waited)
	}
}

// TestContentKeyEncryption: the private key stays here, and a server that answers in the clear nevertheless is refused.
func TestContentKeyEncryption(t *testing.T) {
	t.Parallel()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(3), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cpix.NewRequest(cpix.Options{
		ContentID: "film", Version: cpix.V2, Uses: cpix.Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: []cpix.Wanted{{ID: cenc.FairPlay, HLS: true}}, Certificate: der,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := keyServer(t, good)
	for _, c := range []struct {
		name string
		key  crypto.Decrypter
		ok   bool
	}{{"ours", k, true}, {"none", nil, false}} {
		keys, err := client(t, Options{Door: door(t, s)}).Keys(t.Context(), Query{URL: s.URL, Request: r, Key: c.key})
		if c.ok != (err == nil) || c.ok && string(keys[0].Value.Reveal()) != string(contentKey) {
			t.Errorf("%s: %d keys, error %v", c.name, len(keys), err)
		}
	}
}

// TestMisconfigured: what is wrong with a server is said when the client is made.
func TestMisconfigured(t *testing.T) {
	t.Parallel()
	d, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const at = "https://keys.example/speke"
	certificate := func() (*tls.Certificate, error) { return nil, nil }
	for _, c := range []struct {
		name    string
		servers []Server
	}{
		{"no way", []Server{{URL: at}}},
		{"a way that there is none of", []Server{{URL: at, Auth: None + 1}}},
		{"http", []Server{{URL: "http://keys.example", Auth: None}}},
		{"no URL", []Server{{Auth: None}}},
		{"a letter as a percent code", []Server{{URL: "https://keys.example/sp%65ke", Auth: None}}},
		{"twice, in two spellings", []Server{{URL: "https://keys.example/d%C3%A9p", Auth: None}, {URL: "https://keys.example/d%c3%a9p", Auth: None}}},
		{"a query", []Server{{URL: at + "?a=b", Auth: None}}},
		{"bearer without a secret", []Server{{URL: at, Auth: Bearer}}},
		{"basic without a user", []Server{{URL: at, Auth: Basic, Secret: fixed("a")}}},
		{"basic with a colon in the user", []Server{{URL: at, Auth: Basic, User: "a:b", Secret: fixed("a")}}},
		{"header without a name", []Server{{URL: at, Auth: Header, Secret: fixed("a")}}},
		{"header with a name that is none", []Server{{URL: at, Auth: Header, Header: "X Key", Secret: fixed("a")}}},
		{"header that is another's", []Server{{URL: at, Auth: Header, Header: "Host", Secret: fixed("a")}}},
		{"none with a secret", []Server{{URL: at, Auth: None, Secret: fixed("a")}}},
		{"mutual TLS without a certificate", []Server{{URL: at, Auth: MutualTLS}}},
		{"a certificate without mutual TLS", []Server{{URL: at, Auth: None, Certificate: certificate}}},
		{"a Region without SigV4", []Server{{URL: at, Auth: None, Region: "us-east-1"}}},
		{"twice", []Server{{URL: at, Auth: None}, {URL: "https://KEYS.example:443/speke/", Auth: SigV4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(Options{Door: d, Servers: c.servers}); err == nil {
				t.Error("no error")
			}
		})
	}
	if _, err := New(Options{}); err == nil {
		t.Error("without a door: no error")
	}
}
