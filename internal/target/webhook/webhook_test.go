package webhook

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
	"darkroom/internal/target/targettest"
)

// The secrets of the tests: whsec_ and 32 bytes each.
var (
	newSecret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("n"), 32))
	oldSecret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("o"), 32))
)

func secrets(texts ...string) func() ([]secret.Bytes, error) {
	return func() ([]secret.Bytes, error) {
		var out []secret.Bytes
		for _, t := range texts {
			out = append(out, secret.New([]byte(t)))
		}
		return out, nil
	}
}

// receiver is an HTTPS server of the tests, with a door that leads to it.
type receiver struct {
	*httptest.Server
	door *egress.Door
}

func receive(t *testing.T, h http.HandlerFunc) *receiver {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &receiver{s, targettest.Door(t, authority, portOf(t, s.URL))}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (r *receiver) sender(t *testing.T, change func(*Options)) *Sender {
	t.Helper()
	o := Options{URL: r.URL + "/hooks/s3cret-path?key=s3cret-query", Transport: r.door.Client(egress.Webhook).Transport, Secrets: secrets(newSecret), Now: time.Now}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSuite(t *testing.T) {
	t.Parallel()
	verifier, err := standardwebhooks.NewWebhook(newSecret)
	if err != nil {
		t.Fatal(err)
	}
	targettest.Run(t, func(t *testing.T) targettest.Peer {
		got := make(chan targettest.Got, 64)
		r := receive(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = verifier.Verify(body, r.Header)
			}
			if err != nil {
				t.Errorf("the receiver: %v", err)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			got <- targettest.Got{ID: r.Header.Get("webhook-id"), Body: body}
		})
		return targettest.Peer{Sender: r.sender(t, nil), Received: func(t *testing.T, n int) (out []targettest.Got) {
			t.Helper()
			for range n {
				select {
				case g := <-got:
					out = append(out, g)
				case <-time.After(targettest.Wait):
					t.Fatalf("%d messages came, want %d", len(out), n)
				}
			}
			return out
		}}
	})
}

// one sends one message and returns the request that came, with its body.
func one(t *testing.T, m target.Message, change func(*Options)) (*http.Request, []byte) {
	t.Helper()
	type request struct {
		r    *http.Request
		body []byte
	}
	came := make(chan request, 1)
	r := receive(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		came <- request{r, body}
		w.WriteHeader(http.StatusNoContent)
	})
	if err := r.sender(t, change).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := <-came
	return got.r, got.body
}

func TestSignature(t *testing.T) {
	t.Parallel()
	m := targettest.Message(t, target.EventBridge, "job-1", 1)
	verify := func(r *http.Request, body []byte, secret string) error {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return w.Verify(body, r.Header)
	}
	t.Run("two secrets while they are exchanged: who has either can verify", func(t *testing.T) {
		t.Parallel()
		r, body := one(t, m, func(o *Options) { o.Secrets = secrets(newSecret, oldSecret) })
		for _, s := range []string{newSecret, oldSecret} {
			if err := verify(r, body, s); err != nil {
				t.Errorf("the library: %v", err)
			}
		}
	})
	t.Run("another secret, body, id or time does not verify", func(t *testing.T) {
		t.Parallel()
		r, body := one(t, m, nil)
		if err := verify(r, body, newSecret); err != nil {
			t.Fatal(err)
		}
		if verify(r, body, oldSecret) == nil {
			t.Error("another secret verifies")
		}
		if verify(r, append(body, ' '), newSecret) == nil {
			t.Error("another body verifies")
		}
		for _, field := range []string{"webhook-id", "webhook-timestamp"} {
			other := r.Clone(t.Context())
			other.Header.Set(field, strconv.FormatInt(time.Now().Unix()-1, 10))
			if verify(other, body, newSecret) == nil {
				t.Errorf("another %s verifies", field)
			}
		}
	})
	t.Run("the time is that of the attempt", func(t *testing.T) {
		t.Parallel()
		r, body := one(t, m, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(-time.Hour) } })
		if err := verify(r, body, newSecret); !errors.Is(err, standardwebhooks.ErrMessageTooOld) {
			t.Errorf("the library says %v of a delivery of an hour ago", err)
		}
	})
	t.Run("published vector", func(t *testing.T) {
		t.Parallel()
		// The example of the libraries of Standard Webhooks.
		r, body := one(t, target.Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", ContentType: "application/json", Body: []byte(`{"test": 2432232314}`)}, func(o *Options) {
			o.Secrets = secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
			o.Now = func() time.Time { return time.Unix(1614265330, 0) }
		})
		if got, want := r.Header.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
			t.Errorf("signature of %s is %q, want %q", body, got, want)
		}
	})
	t.Run("not signed", func(t *testing.T) {
		t.Parallel()
		r, _ := one(t, m, func(o *Options) { o.Secrets = nil })
		if r.Header.Get("webhook-id") != m.ID || r.Header.Get("webhook-signature") != "" {
			t.Errorf("headers %v: want the id and no signature", r.Header)
		}
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	value := func(v string) func() (secret.Bytes, error) {
		return func() (secret.Bytes, error) { return secret.New([]byte(v)), nil }
	}
	tests := []struct {
		name   string
		format target.Format
		change func(*Options)
		method string
		header map[string]string
	}{
		{"envelope", target.EventBridge, nil, "POST", map[string]string{"Content-Type": "application/json; charset=utf-8", "User-Agent": "Darkroom", "Ce-Id": ""}},
		{"structured CloudEvent", target.CloudEvents, nil, "POST", map[string]string{"Content-Type": "application/cloudevents+json; charset=UTF-8", "Ce-Id": ""}},
		{"binary CloudEvent", target.CloudEventsBinary, nil, "POST", map[string]string{
			"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "00000001-0000-4000-8000-000000000000", "Ce-Type": "aws.mediaconvert.job_state_change", "Ce-Subject": "job-1",
		}},
		{"API key", target.EventBridge, func(o *Options) { o.Credential = APIKey("X-Api-Key", value("k3y")) }, "POST", map[string]string{"X-Api-Key": "k3y"}},
		{"basic", target.EventBridge, func(o *Options) { o.Credential = Basic("user", value("pa:ss")) }, "POST", map[string]string{
			"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pa:ss")),
		}},
		{"method and fields of one's own", target.EventBridge, func(o *Options) { o.Method, o.Header = "PUT", map[string]string{"X-Team": "dailies"} }, "PUT", map[string]string{"X-Team": "dailies"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := targettest.Message(t, test.format, "job-1", 1)
			r, body := one(t, m, test.change)
			if r.Method != test.method {
				t.Errorf("method %s, want %s", r.Method, test.method)
			}
			if !bytes.Equal(body, m.Body) {
				t.Errorf("body %s, want %s", body, m.Body)
			}
			for name, want := range test.header {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	const taken, refused, gone, again = "taken", "refused", "gone", "again"
	tests := []struct {
		status     int
		retryAfter string
		want       string
		after      time.Duration
	}{
		{200, "", taken, 0},
		{201, "", taken, 0},
		{202, "60", taken, 0},
		{204, "", taken, 0},
		{299, "", taken, 0},
		{300, "", refused, 0},
		{301, "", refused, 0},
		{302, "", refused, 0},
		{303, "", refused, 0},
		{304, "", refused, 0},
		{307, "", refused, 0},
		{308, "", refused, 0},
		{400, "", refused, 0},
		{401, "", again, 0},
		{403, "", refused, 0},
		{404, "", refused, 0},
		{405, "60", refused, 0},
		{407, "", again, 0},
		{408, "", again, 0},
		{409, "", again, 0},
		{410, "", gone, 0},
		{413, "", refused, 0},
		{422, "", refused, 0},
		{425, "", again, 0},
		{429, "", again, 0},
		{429, "120", again, 2 * time.Minute},
		{429, "Thu, 26 Nov 2026 12:10:00 GMT", again, 10 * time.Minute},
		{429, "Thu, 26 Nov 2026 11:00:00 GMT", again, 0},
		{429, "-5", again, 0},
		{429, "soon", again, 0},
		{429, "99999999999999999999999999", again, 0},
		{429, "9223372036854775807", again, 24 * time.Hour},
		{429, "Thu, 26 Nov 2099 12:10:00 GMT", again, 24 * time.Hour},
		{500, "", again, 0},
		{501, "", again, 0},
		{502, "", again, 0},
		{503, "30", again, 30 * time.Second},
		{504, "", again, 0},
		{599, "", again, 0},
		{600, "", again, 0},
		{999, "", again, 0},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.status, test.retryAfter), func(t *testing.T) {
			t.Parallel()
			r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.retryAfter)
				w.Header().Set("Location", "https://169.254.169.254/latest/meta-data/")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, "a body that says s3cret-answer")
			})
			err := r.sender(t, func(o *Options) { o.Now = func() time.Time { return now } }).Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1))
			got := again
			var no *target.Refused
			switch {
			case err == nil:
				got = taken
			case errors.As(err, &no) && no.Gone:
				got = gone
			case errors.As(err, &no):
				got = refused
			}
			if got != test.want {
				t.Errorf("%s (%v), want %s", got, err, test.want)
			}
			var later *target.Later
			if after := time.Duration(0); errors.As(err, &later) {
				after = later.After
				if after != test.after {
					t.Errorf("to be tried after %s, want %s", after, test.after)
				}
			} else if test.after != 0 {
				t.Errorf("%v does not say when, want %s", err, test.after)
			}
			speaksOfNoSecret(t, err)
		})
	}
}

// speaksOfNoSecret fails for an error that shows a secret, a URL or what a receiver said.
func speaksOfNoSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%v %s", err, err)} {
		for _, hidden := range []string{"s3cret", newSecret, oldSecret, newSecret[6:], "jobId"} {
			if strings.Contains(text, hidden) {
				t.Errorf("the error shows %q: %s", hidden, text)
			}
		}
	}
}

// raw is a receiver that speaks bytes.
func raw(t *testing.T, serve func(net.Conn)) (string, *egress.Door) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return "http://" + l.Addr().String() + "/s3cret-path", targettest.Door(t, nil, l.Addr().(*net.TCPAddr).Port)
}

// request reads one request and its body.
func request(c net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// untilClosed waits until the other side has gone.
func untilClosed(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Receivers that misbehave cost a bounded time and memory, and the message is kept for another attempt.
func TestHostileReceivers(t *testing.T) {
	t.Parallel()
	write := func(c net.Conn, text string) error { _, err := io.WriteString(c, text); return err }
	flood := func(c net.Conn, begin, again string) {
		if write(c, begin) != nil {
			return
		}
		for write(c, again) == nil {
		}
	}
	tests := []struct {
		name  string
		serve func(net.Conn)
		taken bool
	}{
		{"takes the connection and says nothing", untilClosed, false},
		{"reads the request and hangs", func(c net.Conn) { request(c); untilClosed(c) }, false},
		{"hangs up at once", func(net.Conn) {}, false},
		{"hangs up behind the request", request, false},
		{"half a status", func(c net.Conn) { request(c); _ = write(c, "HTTP/1.1 2"); untilClosed(c) }, false},
		{"headers that never end, a byte at a time", func(c net.Conn) {
			request(c)
			if write(c, "HTTP/1.1 200 OK\r\nX: ") != nil {
				return
			}
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if write(c, "x") != nil {
					return
				}
			}
		}, false},
		{"a flood of header fields", func(c net.Conn) {
			request(c)
			flood(c, "HTTP/1.1 200 OK\r\n", "X-Flood: "+strings.Repeat("x", 1000)+"\r\n")
		}, false},
		{"one endless header field", func(c net.Conn) { request(c); flood(c, "HTTP/1.1 200 OK\r\nX-Flood: ", strings.Repeat("x", 1000)) }, false},
		{"a flood of 100 Continue", func(c net.Conn) { request(c); flood(c, "", "HTTP/1.1 100 Continue\r\n\r\n") }, false},
		{"a flood of 103 Early Hints", func(c net.Conn) { request(c); flood(c, "", "HTTP/1.1 103 Early Hints\r\nLink: </s3cret>\r\n\r\n") }, false},
		{"not HTTP", func(c net.Conn) { request(c); _ = write(c, "SSH-2.0-s3cret\r\n"); untilClosed(c) }, false},
		{"a status that is none", func(c net.Conn) { request(c); _ = write(c, "HTTP/1.1 s3cret OK\r\n\r\n") }, false},
		{"a length that is none", func(c net.Conn) { request(c); _ = write(c, "HTTP/1.1 200 OK\r\nContent-Length: s3cret\r\n\r\n") }, false},
		{"two lengths", func(c net.Conn) {
			request(c)
			_ = write(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
		}, false},
		{"a body that never comes", func(c net.Conn) {
			request(c)
			_ = write(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
			untilClosed(c)
		}, true},
		{"a body that never ends", func(c net.Conn) { request(c); flood(c, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1000)) }, true},
		{"a body of broken chunks", func(c net.Conn) {
			request(c)
			_ = write(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address, door := raw(t, test.serve)
			s, err := New(Options{URL: address, Transport: door.Client(egress.Webhook).Transport, Secrets: secrets(newSecret), Now: time.Now, Timeout: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1))
			if (err == nil) != test.taken {
				t.Fatalf("Send = %v, want taken: %v", err, test.taken)
			}
			var no *target.Refused
			if errors.As(err, &no) {
				t.Errorf("%v: another attempt may succeed", err)
			}
			speaksOfNoSecret(t, err)
		})
	}
}

// The end of the caller's context ends a delivery that hangs, long before its own time.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	address, door := raw(t, func(c net.Conn) { request(c); close(reached); untilClosed(c) })
	s, err := New(Options{URL: address, Transport: door.Client(egress.Webhook).Transport, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	if err := s.Send(ctx, targettest.Message(t, target.EventBridge, "job-1", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Send = %v, want that it was given up", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	m := targettest.Message(t, target.EventBridge, "job-1", 1)
	ok := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	send := func(t *testing.T, door *egress.Door, address string) error {
		t.Helper()
		s, err := New(Options{URL: address, Transport: door.Client(egress.Webhook).Transport, Secrets: secrets(newSecret), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Send(t.Context(), m)
		speaksOfNoSecret(t, err)
		return err
	}
	t.Run("an authority that is not known", func(t *testing.T) {
		t.Parallel()
		r := receive(t, ok)
		if err := send(t, targettest.Door(t, nil, portOf(t, r.URL)), r.URL); err == nil || !strings.Contains(err.Error(), "certificate cannot be verified") {
			t.Errorf("Send = %v", err)
		}
	})
	t.Run("a certificate of another name", func(t *testing.T) {
		t.Parallel()
		r := receive(t, ok)
		if err := send(t, r.door, strings.Replace(r.URL, "127.0.0.1", "localhost", 1)); err == nil || !strings.Contains(err.Error(), "certificate cannot be verified") {
			t.Errorf("Send = %v", err)
		}
	})
	t.Run("an old version", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewUnstartedServer(http.HandlerFunc(ok))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
		s.StartTLS()
		defer s.Close()
		if err := send(t, targettest.Door(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), portOf(t, s.URL)), s.URL); err == nil {
			t.Error("TLS 1.1 is spoken")
		}
	})
	t.Run("no TLS at all", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewServer(http.HandlerFunc(ok))
		defer s.Close()
		if err := send(t, targettest.Door(t, nil, portOf(t, s.URL)), strings.Replace(s.URL, "http:", "https:", 1)); err == nil {
			t.Error("a server without TLS is spoken to")
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	good := Options{URL: "https://hooks.example.com/x", Transport: http.NewFileTransport(nil), Now: time.Now}
	tests := []struct {
		name   string
		change func(*Options)
		ok     bool
	}{
		{"as it should be", func(*Options) {}, true},
		{"http on loopback", func(o *Options) { o.URL = "http://127.0.0.1:8080/" }, true},
		{"http on loopback of IPv6", func(o *Options) { o.URL = "http://[::1]:8080/" }, true},
		{"http elsewhere", func(o *Options) { o.URL = "http://hooks.example.com/x" }, false},
		{"http to a name that may mean loopback", func(o *Options) { o.URL = "http://localhost:8080/" }, false},
		{"credentials in the URL", func(o *Options) { o.URL = "https://user:s3cret@hooks.example.com/x" }, false},
		{"another scheme", func(o *Options) { o.URL = "ftp://hooks.example.com/x" }, false},
		{"an odd spelling of loopback", func(o *Options) { o.URL = "https://0x7f.1/x" }, false},
		{"a fragment", func(o *Options) { o.URL = "https://hooks.example.com/x#s3cret" }, false},
		{"no URL", func(o *Options) { o.URL = "" }, false},
		{"GET", func(o *Options) { o.Method = "GET" }, false},
		{"CONNECT", func(o *Options) { o.Method = "CONNECT" }, false},
		{"a field that frames the request", func(o *Options) { o.Header = map[string]string{"transfer-encoding": "chunked"} }, false},
		{"a field that names the receiver", func(o *Options) { o.Header = map[string]string{"host": "x"} }, false},
		{"a field of the signature", func(o *Options) { o.Header = map[string]string{"webhook-signature": "v1,x"} }, false},
		{"a field of CloudEvents", func(o *Options) { o.Header = map[string]string{"ce-id": "x"} }, false},
		{"a field that is none", func(o *Options) { o.Header = map[string]string{"X Y": "x"} }, false},
		{"a value with a line end", func(o *Options) { o.Header = map[string]string{"X": "a\r\nY: b"} }, false},
		{"too long a timeout", func(o *Options) { o.Timeout = time.Hour }, false},
		{"no transport", func(o *Options) { o.Transport = nil }, false},
		{"no clock", func(o *Options) { o.Now = nil }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := good
			test.change(&o)
			_, err := New(o)
			if (err == nil) != test.ok {
				t.Errorf("New = %v, want success: %v", err, test.ok)
			}
			speaksOfNoSecret(t, err)
		})
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	tests := []struct {
		name, text string
		want       int
	}{
		{"one", newSecret, 1},
		{"one with a line end", newSecret + "\n", 1},
		{"two", newSecret + "\r\n" + oldSecret + "\n", 2},
		{"the shortest", of(24), 1},
		{"the longest", of(64), 1},
		{"none", "", 0},
		{"blank lines", "\n \n", 0},
		{"three", newSecret + "\n" + oldSecret + "\n" + newSecret, 0},
		{"no prefix", newSecret[6:], 0},
		{"too short", of(23), 0},
		{"too long", of(65), 0},
		{"no base64", "whsec_s3cret!", 0},
		{"a secret key of Ed25519", "whsk_" + newSecret[6:], 0},
		{"the second is none", newSecret + "\ns3cret", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Secrets(secret.New([]byte(test.text)))
			if len(got) != test.want || (err == nil) != (test.want > 0) {
				t.Errorf("%d secrets, %v; want %d", len(got), err, test.want)
			}
			speaksOfNoSecret(t, err)
		})
	}
}

// What cannot be read at the moment is no refusal: the file may be there at the next attempt. Nothing is sent without what should be with it.
func TestUnreadableSecrets(t *testing.T) {
	t.Parallel()
	bad := errors.New("no such file")
	tests := []struct {
		name   string
		change func(*Options)
	}{
		{"secrets", func(o *Options) { o.Secrets = func() ([]secret.Bytes, error) { return nil, bad } }},
		{"no secret", func(o *Options) { o.Secrets = secrets() }},
		{"three secrets", func(o *Options) { o.Secrets = secrets(newSecret, newSecret, newSecret) }},
		{"a secret that is none", func(o *Options) { o.Secrets = secrets("s3cret") }},
		{"credential", func(o *Options) {
			o.Credential = APIKey("X", func() (secret.Bytes, error) { return secret.Bytes{}, bad })
		}},
		{"password", func(o *Options) {
			o.Credential = Basic("u", func() (secret.Bytes, error) { return secret.Bytes{}, bad })
		}},
		{"empty credential", func(o *Options) {
			o.Credential = APIKey("X", func() (secret.Bytes, error) { return secret.Bytes{}, nil })
		}},
		{"credential with a line end", func(o *Options) {
			o.Credential = APIKey("X", func() (secret.Bytes, error) { return secret.New([]byte("s3cret\r\nY: z")), nil })
		}},
		{"credential in a field of the request", func(o *Options) {
			o.Credential = APIKey("Host", func() (secret.Bytes, error) { return secret.New([]byte("s3cret")), nil })
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent nevertheless") })
			err := r.sender(t, test.change).Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1))
			var no *target.Refused
			if err == nil || errors.As(err, &no) {
				t.Errorf("Send = %v, want an error that another attempt may mend", err)
			}
			speaksOfNoSecret(t, err)
		})
	}
}

func TestMessagesThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]target.Message{
		"id with a line end":    {ID: "a\r\nX: y"},
		"id with a dot":         {ID: "a.b"},
		"no id":                 {},
		"long id":               {ID: strings.Repeat("a", 300)},
		"field with a line end": {ID: "a", Header: map[string]string{"ce-id": "a\r\nX: y"}},
		"field that is none":    {ID: "a", Header: map[string]string{"ce id": "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent nevertheless") })
			var no *target.Refused
			if err := r.sender(t, nil).Send(t.Context(), m); !errors.As(err, &no) || no.Gone {
				t.Errorf("Send = %v, want a refusal of the message", err)
			}
		})
	}
}
