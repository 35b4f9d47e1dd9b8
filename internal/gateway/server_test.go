package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"darkroom/internal/pki"
)

// clear is a pki.Sealer for tests.
type clear struct{}

func (clear) Seal(_, p []byte) ([]byte, error) { return p, nil }
func (clear) Open(_, s []byte) ([]byte, error) { return s, nil }

// listen starts a gateway on a port of its own, with its own authority, and returns how to reach it and how to stop it.
func listen(t *testing.T, b *bench, drain time.Duration) (base string, client func(*tls.Config) *http.Client, stop func() error) {
	t.Helper()
	authority, _, err := pki.Open(t.TempDir(), nil, clear{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, l, authority.TLS(), drain) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate())
	client = func(c *tls.Config) *http.Client {
		c.RootCAs = pool
		transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: len(c.NextProtos) == 0}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	return "https://" + l.Addr().String(), client, stop
}

func TestTLS(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	base, client, stop := listen(t, b, time.Second)
	tests := []struct {
		name  string
		tls   *tls.Config
		proto string // empty: refused
	}{
		{"newest", &tls.Config{}, "HTTP/1.1"},
		{"HTTP/2 alone", &tls.Config{NextProtos: []string{"h2"}}, ""},
		{"1.3", &tls.Config{MinVersion: tls.VersionTLS13}, "HTTP/1.1"},
		{"1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, "HTTP/1.1"},
		{"1.2, ChaCha20", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}, NextProtos: []string{"http/1.1"}}, "HTTP/1.1"},
		{"1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, ""},
		{"1.0", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, ""},
		{"RSA key exchange", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384}}, ""},
		{"CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}}, ""},
		{"RC4", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}}, ""},
		{"a protocol that is not HTTP", &tls.Config{NextProtos: []string{"smtp"}}, ""},
		{"another host name", &tls.Config{ServerName: "elsewhere.example"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := client(tt.tls).Do(call{body: "x"}.request(t, base))
			if tt.proto == "" {
				if err == nil {
					answer.Body.Close()
					t.Fatalf("accepted: %s, %x", answer.Proto, answer.TLS.CipherSuite)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != 200 || answer.Proto != tt.proto || answer.Header.Get("X-Seen-Origin") != "internal=false secure=true ip=127.0.0.1" {
				t.Errorf("got %d %s %s", answer.StatusCode, answer.Proto, answer.Header.Get("X-Seen-Origin"))
			}
		})
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestDrain stops the server while a request is under way: it is carried to its end.
func TestDrain(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	started, finish := make(chan struct{}), make(chan struct{})
	b.media.resolve = func(*http.Request) (*Operation, error) {
		op := operation("CreateJob", "*")
		op.Serve = func(w http.ResponseWriter, _ *http.Request) error {
			close(started)
			<-finish
			_, err := io.WriteString(w, "whole")
			return err
		}
		return op, nil
	}
	base, client, stop := listen(t, b, time.Hour)
	got := make(chan string, 1)
	r := call{}.request(t, base)
	go func() {
		answer, err := client(&tls.Config{}).Do(r)
		if err != nil {
			got <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		got <- string(body)
	}()
	<-started
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	// The server says that it is going before it waits; after that it takes no connection.
	for !b.draining.Load() {
		select {
		case err := <-stopped:
			t.Fatalf("stopped with a request under way: %v", err)
		default:
		}
	}
	close(finish)
	if body := <-got; body != "whole" {
		t.Errorf("got %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestDrainEnds stops a server whose request does not end: it is cut off.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	started := make(chan struct{})
	b.media.resolve = func(*http.Request) (*Operation, error) {
		op := operation("CreateJob", "*")
		op.Serve = func(_ http.ResponseWriter, r *http.Request) error {
			close(started)
			<-r.Context().Done()
			return r.Context().Err()
		}
		return op, nil
	}
	base, client, stop := listen(t, b, 0)
	failed := make(chan error, 1)
	r := call{}.request(t, base)
	go func() {
		answer, err := client(&tls.Config{}).Do(r)
		if err == nil {
			answer.Body.Close()
		}
		failed <- err
	}()
	<-started
	if err := stop(); err != nil {
		t.Error(err)
	}
	if <-failed == nil {
		t.Error("the request was answered")
	}
}

func TestInternalHandler(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newBench(t, nil).InternalHandler())
	t.Cleanup(server.Close)
	answer, body := do(t, server.Client(), call{body: "x"}.request(t, server.URL))
	if answer.StatusCode != 200 || body != "x" || answer.Header.Get("X-Seen-Origin") != "internal=true secure=true ip=" {
		t.Errorf("got %d %q %q", answer.StatusCode, body, answer.Header.Get("X-Seen-Origin"))
	}
}

// TestRunClosed: a listener that is closed is an error.
func TestRunClosed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := newBench(t, nil).Run(context.Background(), l, nil, 0); err == nil {
		t.Error("a closed listener served")
	}
}

func TestCheckInsecure(t *testing.T) {
	t.Parallel()
	for addr, allowed := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "[::1]:80": true,
		"localhost:80": false, ":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "127.0.0.1": false, "": false, "127.0.0.1.example:80": false,
	} {
		if err := CheckInsecure(addr); (err == nil) != allowed {
			t.Errorf("%q: got %v", addr, err)
		}
	}
}

// connection is a ResponseWriter that remembers the deadlines.
type connection struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

func (c *connection) SetReadDeadline(t time.Time) error  { c.read = append(c.read, t); return nil }
func (c *connection) SetWriteDeadline(t time.Time) error { c.write = append(c.write, t); return nil }

func TestDeadlinesMove(t *testing.T) {
	t.Parallel()
	c := &connection{ResponseRecorder: httptest.NewRecorder()}
	w := newResponse(c)
	b := newProgressBody(io.NopCloser(strings.NewReader("abc")), w.controller)
	one := make([]byte, 1)
	for range 2 {
		if _, err := b.Read(one); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(one); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.read) != 1 || len(c.write) != 1 {
		t.Fatalf("deadlines set %d and %d times, want once each while they are fresh", len(c.read), len(c.write))
	}
	b.renewed, w.renewed = b.renewed.Add(-StallTimeout), w.renewed.Add(-StallTimeout)
	if _, err := b.Read(one); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(one); err != nil {
		t.Fatal(err)
	}
	if len(c.read) != 2 || !c.read[1].After(c.read[0]) || len(c.write) != 2 || !c.write[1].After(c.write[0]) {
		t.Errorf("deadlines did not move with progress: %v, %v", c.read, c.write)
	}
	w.finish(b)
	if len(c.read) != 3 || len(c.write) != 3 || c.read[2].IsZero() {
		t.Errorf("a body that was not read whole has no deadline for its rest: %v", c.read)
	}
	if _, err := b.Read(one); err != io.EOF {
		t.Fatal(err)
	}
	if len(c.read) != 4 || !c.read[3].IsZero() {
		t.Errorf("after the end of the body the read deadline stays: %v", c.read)
	}
	if _, err := b.Read(one); err != io.EOF || len(c.read) != 4 {
		t.Errorf("after the end: %v", err)
	}
	w.finish(b)
	if len(c.read) != 4 {
		t.Error("a body that was read whole got a deadline")
	}

	limited := newProgressBody(io.NopCloser(strings.NewReader("abc")), w.controller)
	limited.limitTotal(time.Second)
	if _, err := limited.Read(one); err != nil {
		t.Fatal(err)
	}
	if got := c.read[len(c.read)-1]; !got.Equal(limited.until) {
		t.Errorf("got deadline %v, want the limit %v", got, limited.until)
	}
	if none := newProgressBody(nil, w.controller); !none.ended || none.Close() != nil {
		t.Error("no body")
	}
}

// failing is a body that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
func (failing) Close() error               { return nil }

func TestReadBodyFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, tt := range []struct {
		body   io.Reader
		want   LimitKind
		status int
	}{
		{failing{os.ErrDeadlineExceeded}, BodyTimedOut, 400},
		{failing{io.ErrUnexpectedEOF}, BodyBroken, 400},
		{io.MultiReader(bytes.NewReader(make([]byte, SmallBody+1)), failing{io.ErrUnexpectedEOF}), BodyBroken, 400},
		{bytes.NewReader(make([]byte, MaxBody+1)), BodyTooLarge, 413},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Body, r.ContentLength = io.NopCloser(tt.body), -1
		_, _, err := b.readBody(r)
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Kind != tt.want || limit.Status() != tt.status || limit.Error() == "" {
			t.Errorf("got %v, want kind %v", err, tt.want)
		}
	}
	if len(b.large) != 0 {
		t.Errorf("%d places not given back", len(b.large))
	}
}

// TestLinger answers requests whose body is still being sent, also by clients that ask first and do not wait: all of them get the answer.
func TestLinger(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.s3.resolve = func(*http.Request) (*Operation, error) { return nil, errors.New("refused before the body is read") }
	base, client, _ := listen(t, b, time.Second)
	body := strings.Repeat("x", MaxLinger-1)
	for n := range 20 {
		r := call{service: "s3", method: "PUT", path: "/films/x", body: body, payload: "UNSIGNED-PAYLOAD"}.request(t, base)
		if n%2 == 0 {
			r.Header.Set("Expect", "100-continue") // the client of this test has no time to wait for what comes
		}
		answer, err := client(&tls.Config{}).Do(r)
		if err != nil {
			t.Fatal(n, err)
		}
		if answer.Body.Close(); answer.StatusCode != http.StatusInternalServerError {
			t.Fatalf("got %d", answer.StatusCode)
		}
	}
}
