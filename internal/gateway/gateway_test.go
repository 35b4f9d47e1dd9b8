package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/audit"
	"darkroom/internal/audit/audittest"
	"darkroom/internal/iam"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

const (
	testAccount = "111122223333"
	rootKey     = "AKIAROOT"
	userKey     = "AKIAUSER"
	sessionKey  = "ASIASESSION"
	brokenKey   = "AKIABROKEN" // nobody can say whose it is
	testSecret  = "a secret of forty characters, or so 1234"
)

// people are the Identities of the tests: the root, a user without rights, and an ended session.
type people struct{}

func (people) Find(_ context.Context, id, _ string) (*sigv4.Key, iam.Principal, error) {
	key := &sigv4.Key{Secret: secret.New([]byte(testSecret))}
	switch id {
	case rootKey:
		return key, iam.Principal{Type: iam.Root, Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":root", AccessKeyID: id}, nil
	case userKey:
		return key, iam.Principal{Type: iam.User, Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":user/ann", AccessKeyID: id}, nil
	case sessionKey:
		key.Token, key.Expiry = secret.New([]byte("token")), time.Unix(1, 0)
		return key, iam.Principal{Type: iam.AssumedRole, Account: testAccount, ARN: "arn:aws:sts::" + testAccount + ":assumed-role/R/s", AccessKeyID: id}, nil
	case brokenKey:
		return nil, iam.Principal{}, errors.New("the records do not answer: hush")
	}
	return nil, iam.Principal{}, nil
}

func (people) Used(string, iam.Principal, string) {}

// service is a service in either dialect. Its operation is in its hands.
type service struct {
	name    string
	resolve func(*http.Request) (*Operation, error)
}

func (s *service) Name() string                                { return s.name }
func (s *service) Resolve(r *http.Request) (*Operation, error) { return s.resolve(r) }
func (s *service) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, kind := explain(err)
	w.Header().Set("X-Refused-By", s.name)
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s %s", kind, RequestID(r.Context()))
}

func (s *service) Explain(_ *http.Request, err error) (code, message string) {
	_, code = explain(err)
	return code, err.Error()
}

func explain(err error) (status int, kind string) {
	status, kind = http.StatusInternalServerError, "Internal"
	var signature *sigv4.Error
	var denied *iam.Denied
	var limit *LimitError
	switch {
	case errors.As(err, &signature):
		status, kind = http.StatusForbidden, signature.Kind.String()
	case errors.As(err, &denied):
		status, kind = http.StatusForbidden, "Denied"
	case errors.As(err, &limit):
		status, kind = limit.Status(), "Limit"
	}
	return status, kind
}

// targeted is a service whose operations are named in a header.
type targeted struct{ service }

func (t *targeted) Targets() []string { return []string{"TrentService"} }

// bench is a gateway with its trail and log at hand.
type bench struct {
	*Gateway
	media, s3 *service
	log       *lockedBuffer
	records   audittest.Trail
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (b *bench) trail() []audit.Record {
	return b.records.Records()
}

// operation is one that echoes its body and shows what the service sees.
func operation(name, resource string) *Operation {
	return &Operation{
		Name: name, Checks: []iam.Check{{Action: "mediaconvert:" + name, Resource: resource}},
		Serve: func(w http.ResponseWriter, r *http.Request) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			h := w.Header()
			h.Set("X-Seen-Length", fmt.Sprint(r.ContentLength))
			h.Set("X-Seen-Caller", Caller(r.Context()).ARN)
			h.Set("X-Seen-Trailer", r.Trailer.Get("x-amz-checksum-crc32"))
			h.Set("X-Seen-Encoding", r.Header.Get("Content-Encoding"))
			h.Set("X-Seen-Origin", fmt.Sprintf("internal=%v secure=%v ip=%s", Internal(r.Context()), Secure(r.Context()), SourceIP(r.Context())))
			_, err = w.Write(body)
			return err
		},
	}
}

func newBench(t *testing.T, edit func(*Options)) *bench {
	t.Helper()
	b := &bench{log: &lockedBuffer{}}
	resolve := func(*http.Request) (*Operation, error) { return operation("CreateJob", "*"), nil }
	b.media, b.s3 = &service{"mediaconvert", resolve}, &service{"s3", resolve}
	o := Options{
		Services: []Service{b.media, b.s3}, Default: "mediaconvert", Region: "us-east-1", Identities: people{},
		Trail: &b.records, Strangers: func(r audit.Record) { _ = b.records.Audit(context.Background(), r) },
		Log: slog.New(slog.NewJSONHandler(b.log, nil)),
	}
	if edit != nil {
		edit(&o)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Gateway = g
	return b
}

// call describes a request to sign.
type call struct {
	method, path, service, region, key, secret, token, payload, body string
	header                                                           map[string]string
	at                                                               time.Time
	after                                                            func(*http.Request)
}

func (c call) request(t *testing.T, base string) *http.Request {
	t.Helper()
	or := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	or(&c.method, "POST")
	or(&c.path, "/2017-08-29/jobs")
	or(&c.service, "mediaconvert")
	or(&c.region, "us-east-1")
	or(&c.key, rootKey)
	or(&c.secret, testSecret)
	or(&c.payload, hexSHA(c.body))
	if c.at.IsZero() {
		c.at = time.Now()
	}
	r, err := http.NewRequest(c.method, base+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	if c.service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", c.payload)
	}
	credentials := aws.Credentials{AccessKeyID: c.key, SecretAccessKey: c.secret, SessionToken: c.token}
	err = v4.NewSigner().SignHTTP(context.Background(), credentials, r, c.payload, c.service, c.region, c.at, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = c.service == "s3"
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.after != nil {
		c.after(r)
	}
	return r
}

func hexSHA(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func do(t *testing.T, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestGranted sends good requests over HTTP/1.1, HTTP/2 and the worker's own path.
func TestGranted(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	plain := httptest.NewServer(b.Handler())
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(b.Handler())
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	inside := httptest.NewServer(b.InternalHandler())
	t.Cleanup(inside.Close)
	chunked := "4\r\nfour\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
	for _, server := range []struct {
		name   string
		server *httptest.Server
		proto  int
		origin string
	}{
		{"http1", plain, 1, "internal=false secure=false ip=127.0.0.1"},
		{"http2", secure, 2, "internal=false secure=true ip=127.0.0.1"},
		{"inside", inside, 1, "internal=true secure=true ip="},
	} {
		for _, tt := range []struct {
			name     string
			call     call
			want     string
			length   int
			trailer  string
			encoding string
		}{
			{"json", call{body: `{"role":"x"}`, header: map[string]string{"Content-Type": "application/json"}}, `{"role":"x"}`, 12, "", ""},
			{"no body", call{method: "GET", path: "/2017-08-29/queues/Default?a=b&a=&c=%20"}, "", 0, "", ""},
			{"ARN in the path", call{method: "GET", path: "/2017-08-29/tags/arn%3Aaws%3Amediaconvert%3Aus-east-1%3A1%3Aqueues%2FDefault"}, "", 0, "", ""},
			{"large body", call{body: strings.Repeat("x", MaxBody)}, strings.Repeat("x", MaxBody), MaxBody, "", ""},
			{"s3 hash", call{service: "s3", method: "PUT", path: "/films/a%20b%2Fc/../d", body: "film"}, "film", 4, "", ""},
			{"s3 empty", call{service: "s3", method: "PUT", path: "/films/x"}, "", 0, "", ""},
			{"s3 unsigned", call{service: "s3", method: "PUT", path: "/films/x", body: "film", payload: sigv4.UnsignedPayload}, "film", 4, "", ""},
			{"s3 trailer", call{service: "s3", method: "PUT", path: "/films/x", body: chunked, payload: sigv4.StreamingUnsignedTrailer, header: map[string]string{
				"Content-Encoding": "gzip,aws-chunked", "X-Amz-Decoded-Content-Length": "4", "X-Amz-Trailer": "x-amz-checksum-crc32",
			}}, "four", 4, "AAAAAA==", "gzip"},
			{"s3 trailer alone", call{service: "s3", method: "PUT", path: "/films/x", body: chunked, payload: sigv4.StreamingUnsignedTrailer, header: map[string]string{
				"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "4", "X-Amz-Trailer": "x-amz-checksum-crc32",
			}}, "four", 4, "AAAAAA==", ""},
			{"forged origin", call{header: map[string]string{"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https", "Forwarded": "for=10.0.0.1"}}, "", 0, "", ""},
		} {
			t.Run(server.name+"/"+tt.name, func(t *testing.T) {
				answer, body := do(t, server.server.Client(), tt.call.request(t, server.server.URL))
				if answer.StatusCode != http.StatusOK || body != tt.want {
					t.Fatalf("got %d, %d bytes %.80q", answer.StatusCode, len(body), body)
				}
				h := answer.Header
				if answer.ProtoMajor != server.proto || !uuid.MatchString(h.Get("x-amzn-RequestId")) {
					t.Errorf("got HTTP/%d, request id %q", answer.ProtoMajor, h.Get("x-amzn-RequestId"))
				}
				if _, err := http.ParseTime(h.Get("Date")); err != nil {
					t.Errorf("Date: %v", err)
				}
				if s3 := tt.call.service == "s3"; s3 != (h.Get("x-amz-request-id") != "") || s3 != (h.Get("x-amz-id-2") != "") {
					t.Errorf("S3 ids: %q %q", h.Get("x-amz-request-id"), h.Get("x-amz-id-2"))
				}
				got := []string{h.Get("X-Seen-Length"), h.Get("X-Seen-Trailer"), h.Get("X-Seen-Encoding"), h.Get("X-Seen-Caller"), h.Get("X-Seen-Origin")}
				want := []string{fmt.Sprint(tt.length), tt.trailer, tt.encoding, "arn:aws:iam::" + testAccount + ":root", server.origin}
				if strings.Join(got, "|") != strings.Join(want, "|") {
					t.Errorf("the service saw %q, want %q", got, want)
				}
			})
		}
	}
	for _, r := range b.trail() {
		if r.Outcome() != audit.Granted || r.EventName != "CreateJob" || r.UserIdentity.ARN == "" || r.ErrorCode != "" || r.RequestID == "" {
			t.Errorf("record %+v", r)
		}
	}
	if strings.Contains(b.log.String(), "Signature") || strings.Contains(b.log.String(), "films") {
		t.Error("the log shows signatures or paths")
	}
	b.s3.resolve = func(*http.Request) (*Operation, error) {
		op := operation("PutObject", "*")
		op.Serve = func(_ http.ResponseWriter, r *http.Request) error { return r.Body.Close() }
		return op, nil
	}
	if answer, body := do(t, plain.Client(), call{service: "s3", method: "PUT", path: "/f/x", body: "unread"}.request(t, plain.URL)); answer.StatusCode != 200 || body != "" {
		t.Errorf("nothing written: got %d %q", answer.StatusCode, body)
	}
	if got := strings.Count(b.log.String(), `"msg":"request"`); got != 31 || len(b.trail()) != 31 {
		t.Errorf("got %d log lines and %d records, want 31", got, len(b.trail()))
	}
}

// TestRefused sends bad requests in each dialect.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.Services = append(o.Services, &targeted{service{name: "kms"}}) })
	served := false
	resolve := func(*http.Request) (*Operation, error) {
		op := operation("CreateJob", "arn:aws:mediaconvert:us-east-1:"+testAccount+":queues/Default")
		op.Serve = func(http.ResponseWriter, *http.Request) error { served = true; return nil }
		return op, nil
	}
	b.media.resolve, b.s3.resolve = resolve, resolve
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	drop := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	only := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header = http.Header{name: {value}} }
	}
	anonymous := func(r *http.Request) { r.Header = http.Header{} }
	tests := []struct {
		name   string
		call   call
		status int
		by     string // empty: of the call
		want   string
	}{
		{"wrong secret", call{secret: "guessed"}, 403, "", "BadSignature"},
		{"unknown key", call{key: "AKIANOBODY"}, 403, "", "UnknownKey"},
		{"wrong region", call{region: "eu-west-1"}, 403, "", "WrongRegion"},
		{"late", call{at: time.Now().Add(-16 * time.Minute)}, 403, "", "Expired"},
		{"early", call{at: time.Now().Add(16 * time.Minute)}, 403, "", "NotYetCurrent"},
		{"ended session", call{key: sessionKey, token: "token"}, 403, "", "ExpiredToken"},
		{"no token", call{key: sessionKey}, 403, "", "InvalidToken"},
		{"another algorithm", call{after: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "HMAC-SHA256", "ECDSA-P256-SHA256", 1))
		}}, 403, "", "Unsupported"},
		{"part missing", call{after: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "SignedHeaders", "Signed", 1))
		}}, 403, "", "Incomplete"},
		{"two sources", call{after: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=1" }}, 403, "", "Incomplete"},
		{"unsigned header", call{after: set("X-Amz-Target", "x")}, 403, "", "HeadersNotSigned"},
		{"no rights", call{key: userKey}, 403, "", "Denied"},
	}
	for _, tt := range tests {
		for _, name := range []string{"mediaconvert", "s3"} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				tt.call.service = name
				before := len(b.trail())
				answer, body := do(t, server.Client(), tt.call.request(t, server.URL))
				kind, id, _ := strings.Cut(body, " ")
				if answer.StatusCode != tt.status || kind != tt.want || answer.Header.Get("X-Refused-By") != name {
					t.Errorf("got %d %q by %q, want %d %s by %s", answer.StatusCode, kind, answer.Header.Get("X-Refused-By"), tt.status, tt.want, name)
				}
				if id == "" || id != answer.Header.Get("x-amzn-RequestId") || name == "s3" && id != answer.Header.Get("x-amz-request-id") {
					t.Errorf("request id: got %q and %q", id, answer.Header.Get("x-amzn-RequestId"))
				}
				if answer.Header.Get("Date") == "" {
					t.Error("no Date")
				}
				trail := b.trail()[before:]
				if len(trail) != 1 || trail[0].ErrorCode != tt.want || trail[0].RequestID != id || trail[0].EventSource != audit.Source(name) {
					t.Errorf("trail %+v", trail)
				}
			})
		}
	}
	for _, tt := range []struct {
		name string
		call call
		by   string
		want string
	}{
		{"anonymous at the API", call{after: anonymous}, "mediaconvert", "MissingToken"},
		{"anonymous at the root", call{path: "/", after: anonymous}, "mediaconvert", "MissingToken"},
		{"anonymous at a bucket", call{method: "GET", path: "/films/a", after: anonymous}, "s3", "MissingToken"},
		{"anonymous with a payload hash", call{path: "/", after: func(r *http.Request) {
			r.Header = http.Header{"X-Amz-Content-Sha256": {"x"}}
		}}, "s3", "MissingToken"},
		{"version 2", call{path: "/", after: set("Authorization", "AWS a:b")}, "s3", "Unsupported"},
		{"version 2 in the query", call{path: "/", after: func(r *http.Request) {
			r.Header, r.URL.RawQuery = http.Header{}, "AWSAccessKeyId=a&Signature=b"
		}}, "s3", "Unsupported"},
		{"presigned for s3, broken", call{path: "/2017-08-29/x", after: func(r *http.Request) {
			r.Header, r.URL.RawQuery = http.Header{}, "X-Amz-Credential="+url.QueryEscape("a/b/us-east-1/s3/aws4_request")
		}}, "s3", "Incomplete"},
		{"another service", call{service: "acm"}, "mediaconvert", "WrongService"},
		{"a service in another case", call{service: "S3"}, "mediaconvert", "WrongService"},
		{"body changed", call{body: "a", after: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("b")) }}, "mediaconvert", "BadSignature"},
		{"body hash wrong", call{body: "a", payload: hexSHA("b"), header: map[string]string{"X-Amz-Content-Sha256": hexSHA("b")}}, "mediaconvert", "PayloadMismatch"},
		{"streaming for another service", call{payload: sigv4.StreamingSigned, header: map[string]string{"X-Amz-Content-Sha256": sigv4.StreamingSigned}}, "mediaconvert", "PayloadMismatch"},
		{"s3 without its hash", call{service: "s3", after: drop("X-Amz-Content-Sha256")}, "s3", "Incomplete"},
		{"s3 chunks without length", call{service: "s3", payload: sigv4.StreamingSigned}, "s3", "MissingLength"},
		{"an operation in a header", call{path: "/", after: only("X-Amz-Target", "TrentService.Encrypt")}, "kms", "MissingToken"},
		{"an operation of a longer name in a header", call{path: "/", after: only("X-Amz-Target", "a.TrentService.Encrypt")}, "mediaconvert", "MissingToken"},
		{"an operation of nobody in a header", call{path: "/", after: only("X-Amz-Target", "Nobody.Encrypt")}, "mediaconvert", "MissingToken"},
		{"no operation in a header", call{path: "/", after: only("X-Amz-Target", "TrentService")}, "mediaconvert", "MissingToken"},
		{"an operation in a header, for another service", call{path: "/", service: "acm", header: map[string]string{"X-Amz-Target": "TrentService.Encrypt"}}, "kms", "WrongService"},
		{"an operation in a header, changed", call{path: "/", service: "kms", header: map[string]string{"X-Amz-Target": "TrentService.Encrypt"}, after: set("X-Amz-Target", "TrentService.Decrypt")}, "kms", "BadSignature"},
		{"an operation in a header that is not signed", call{path: "/", service: "kms", after: set("X-Amz-Target", "TrentService.Decrypt")}, "kms", "HeadersNotSigned"},
		{"semicolon in the query", call{after: func(r *http.Request) { r.URL.RawQuery = "a;b" }}, "mediaconvert", "Incomplete"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, body := do(t, server.Client(), tt.call.request(t, server.URL))
			if kind, _, _ := strings.Cut(body, " "); kind != tt.want || answer.Header.Get("X-Refused-By") != tt.by || answer.StatusCode != 403 {
				t.Errorf("got %d %q by %q, want %s by %s", answer.StatusCode, body, answer.Header.Get("X-Refused-By"), tt.want, tt.by)
			}
		})
	}
	if served {
		t.Error("a refused request was served")
	}
}

func TestServiceErrors(t *testing.T) {
	t.Parallel()
	// start gives each case a gateway of its own: a request that is cut off may still be under way when the next one comes.
	start := func(t *testing.T, resolve func(*http.Request) (*Operation, error)) (*bench, *httptest.Server) {
		b := newBench(t, nil)
		b.media.resolve = resolve
		server := httptest.NewServer(b.Handler())
		t.Cleanup(server.Close)
		return b, server
	}
	serve := func(f func(http.ResponseWriter, *http.Request) error) func(*http.Request) (*Operation, error) {
		return func(*http.Request) (*Operation, error) {
			op := operation("CreateJob", "*")
			op.Serve = f
			return op, nil
		}
	}
	tests := []struct {
		name    string
		resolve func(*http.Request) (*Operation, error)
		audit   error
		status  int
		want    string
	}{
		{"resolve fails", func(*http.Request) (*Operation, error) { return nil, errors.New("a secret path") }, nil, 500, "Internal"},
		{"resolve finds nothing", func(*http.Request) (*Operation, error) { return nil, nil }, nil, 500, "Internal"},
		{"resolve panics", func(*http.Request) (*Operation, error) { panic("a secret path") }, nil, 500, "Internal"},
		{"no checks", func(*http.Request) (*Operation, error) {
			return &Operation{Name: "X", Serve: operation("X", "*").Serve}, nil
		}, nil, 403, "Denied"},
		{"nothing to serve", func(*http.Request) (*Operation, error) {
			return &Operation{Name: "X", Checks: operation("X", "*").Checks}, nil
		}, nil, 403, "Denied"},
		{"second check fails", func(*http.Request) (*Operation, error) {
			op := operation("X", "*")
			op.Checks = append(op.Checks, iam.Check{Action: "iam:PassRole", Resource: "arn:aws:iam::999999999999:role/R"})
			return op, nil
		}, nil, 403, "Denied"},
		{"serve fails", serve(func(http.ResponseWriter, *http.Request) error { return errors.New("a secret path") }), nil, 500, "Internal"},
		{"serve panics", serve(func(http.ResponseWriter, *http.Request) error { panic("a secret path") }), nil, 500, "Internal"},
		{"nothing written, by the controller", serve(func(w http.ResponseWriter, _ *http.Request) error {
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Errorf("the connection is out of reach: %v", err)
			}
			return errors.New("x")
		}), nil, 500, "Internal"},
		{"refused and not recorded", func(*http.Request) (*Operation, error) { return &Operation{Name: "X"}, nil }, errors.New("a secret path"), 403, "Denied"},
		{"not recorded", serve(func(http.ResponseWriter, *http.Request) error { t.Error("served"); return nil }), errors.New("a secret path"), 500, "Internal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, server := start(t, tt.resolve)
			b.records.Fail(tt.audit)
			answer, body := do(t, server.Client(), call{}.request(t, server.URL))
			if kind, id, _ := strings.Cut(body, " "); kind != tt.want || answer.StatusCode != tt.status || id != answer.Header.Get("x-amzn-RequestId") {
				t.Errorf("got %d %q", answer.StatusCode, body)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("the inside is shown: %q", body)
			}
			inLog := strings.Contains(b.log.String(), `"msg":"panic"`) && strings.Contains(b.log.String(), "gateway_test.go")
			if want := strings.Contains(tt.name, "panics"); inLog != want {
				t.Errorf("a panic with its stack in the log: got %v, want %v", inLog, want)
			}
		})
	}

	for name, f := range map[string]func(http.ResponseWriter, *http.Request) error{
		"fails":  func(w http.ResponseWriter, _ *http.Request) error { return broken(w, nil) },
		"panics": func(w http.ResponseWriter, _ *http.Request) error { return broken(w, "half-way") },
		"aborts": func(w http.ResponseWriter, _ *http.Request) error { return broken(w, http.ErrAbortHandler) },
	} {
		t.Run(name+" after it wrote", func(t *testing.T) {
			_, server := start(t, serve(f))
			answer, err := server.Client().Do(call{}.request(t, server.URL))
			if err == nil {
				_, err = io.ReadAll(answer.Body)
				answer.Body.Close()
			}
			if err == nil {
				t.Error("the client cannot tell that the answer was cut off")
			}
		})
	}
	b, server := start(t, func(*http.Request) (*Operation, error) { return nil, errors.New("x") })
	b.services["mediaconvert"] = &worse{b.media}
	answer, body := do(t, server.Client(), call{}.request(t, server.URL))
	if answer.StatusCode != 500 || body != "" || answer.Header.Get("x-amzn-RequestId") == "" {
		t.Errorf("panic in the refusal: got %d %q", answer.StatusCode, body)
	}
}

// broken writes half of an answer, then panics with p or fails.
func broken(w http.ResponseWriter, p any) error {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "half")
	if p != nil {
		panic(p)
	}
	return errors.New("half-way")
}

type worse struct{ *service }

func (*worse) Refuse(http.ResponseWriter, *http.Request, error) { panic("no words") }

// TestVerifiedStream sends s3 bodies that are not what was signed: the service must not see their end.
func TestVerifiedStream(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	for name, tt := range map[string]struct {
		call call
		want string
	}{
		"hash": {call{service: "s3", method: "PUT", path: "/f/x", body: "film", payload: hexSHA("another")}, "PayloadMismatch"},
		"trailer": {call{service: "s3", method: "PUT", path: "/f/x", body: "4\r\nfour\r\n0\r\n\r\n", payload: sigv4.StreamingUnsignedTrailer, header: map[string]string{
			"X-Amz-Decoded-Content-Length": "4", "X-Amz-Trailer": "x-amz-checksum-crc32",
		}}, "BadTrailer"},
		"chunk signature": {call{
			service: "s3", method: "PUT", path: "/f/x", payload: sigv4.StreamingSigned, header: map[string]string{"X-Amz-Decoded-Content-Length": "4"},
			body: "4;chunk-signature=" + hexSHA("") + "\r\nfour\r\n",
		}, "BadSignature"},
	} {
		answer, body := do(t, server.Client(), tt.call.request(t, server.URL))
		if kind, _, _ := strings.Cut(body, " "); kind != tt.want || answer.StatusCode != 403 {
			t.Errorf("%s: got %d %q, want %s", name, answer.StatusCode, body, tt.want)
		}
	}
}

// TestSignedTransferEncoding sends what older clients send: a chunked body of unknown length, with Transfer-Encoding signed.
func TestSignedTransferEncoding(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	body := "4\r\nfour\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
	const names = "content-encoding;host;transfer-encoding;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-trailer"
	stamp := time.Now().UTC().Format("20060102T150405Z")
	host := strings.TrimPrefix(server.URL, "http://")
	scope := stamp[:8] + "/us-east-1/s3/aws4_request"
	canonical := "PUT\n/f/x\n\ncontent-encoding:aws-chunked\nhost:" + host + "\ntransfer-encoding:chunked\nx-amz-content-sha256:" + sigv4.StreamingUnsignedTrailer +
		"\nx-amz-date:" + stamp + "\nx-amz-decoded-content-length:4\nx-amz-trailer:x-amz-checksum-crc32\n\n" + names + "\n" + sigv4.StreamingUnsignedTrailer
	key := []byte("AWS4" + testSecret)
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hexSHA(canonical)) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	r, err := http.NewRequest("PUT", server.URL+"/f/x", io.NopCloser(strings.NewReader(body))) // of no known length, so chunked
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Encoding": "aws-chunked", "X-Amz-Content-Sha256": sigv4.StreamingUnsignedTrailer, "X-Amz-Date": stamp, "X-Amz-Decoded-Content-Length": "4",
		"X-Amz-Trailer": "x-amz-checksum-crc32",
		"Authorization": "AWS4-HMAC-SHA256 Credential=" + rootKey + "/" + scope + ", SignedHeaders=" + names + ", Signature=" + hex.EncodeToString(key),
	} {
		r.Header.Set(name, value)
	}
	answer, got := do(t, server.Client(), r)
	if answer.StatusCode != 200 || got != "four" || answer.Header.Get("X-Seen-Length") != "4" || answer.Header.Get("X-Seen-Trailer") != "AAAAAA==" {
		t.Errorf("got %d %q, length %s, trailer %s", answer.StatusCode, got, answer.Header.Get("X-Seen-Length"), answer.Header.Get("X-Seen-Trailer"))
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var problems []Problem
	b := newBench(t, func(o *Options) { o.Ready = func(context.Context) []Problem { return problems } })
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	get := func(method, path string) (int, string) {
		r, err := http.NewRequest(method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, body := do(t, server.Client(), r)
		if answer.Header.Get("x-amzn-RequestId") == "" {
			t.Errorf("%s: no request id", path)
		}
		return answer.StatusCode, strings.TrimSpace(body)
	}
	warning, fault := Problem{"sandbox", "no user namespaces", true}, Problem{"store", "does not answer", false}
	for _, tt := range []struct {
		name     string
		problems []Problem
		draining bool
		method   string
		path     string
		status   int
		want     string
	}{
		{"alive", nil, false, "GET", "/healthz", 200, `{"status":"ok"}`},
		{"alive with a fault", []Problem{fault}, true, "GET", "/healthz", 200, `{"status":"ok"}`},
		{"ready", nil, false, "GET", "/readyz", 200, `{"status":"ready"}`},
		{"head", nil, false, "HEAD", "/readyz", 200, ``},
		{
			"warning",
			[]Problem{warning},
			false, "GET", "/readyz", 200,
			`{"status":"ready","problems":[{"name":"sandbox","message":"no user namespaces","warning":true}]}`,
		},
		{
			"fault",
			[]Problem{warning, fault},
			false, "GET", "/readyz", 503,
			`{"status":"not ready","problems":[{"name":"sandbox","message":"no user namespaces","warning":true},{"name":"store","message":"does not answer","warning":false}]}`,
		},
		{"draining", nil, true, "GET", "/readyz", 503, `{"status":"not ready","problems":[{"name":"draining","message":"The server is shutting down.","warning":false}]}`},
	} {
		problems = tt.problems
		b.draining.Store(tt.draining)
		if status, body := get(tt.method, tt.path); status != tt.status || body != tt.want {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, status, body, tt.status, tt.want)
		}
	}
	for _, tt := range []struct{ method, path string }{
		{"POST", "/healthz"}, {"GET", "/healthz/"}, {"GET", "/healthz/x"}, {"GET", "/HEALTHZ"}, {"GET", "/%68ealthz"}, {"GET", "//healthz"}, {"GET", "/readyz?x"}, {"DELETE", "/readyz"},
	} {
		if status, _ := get(tt.method, tt.path); status != 403 {
			t.Errorf("%s %s: got %d without credentials", tt.method, tt.path, status)
		}
	}
	if _, body := do(t, server.Client(), call{service: "s3", method: "GET", path: "/healthz"}.request(t, server.URL)); body != "" {
		t.Errorf("a bucket of that name: got %q", body)
	}
	inside := httptest.NewServer(b.InternalHandler())
	t.Cleanup(inside.Close)
	if answer, err := http.Get(inside.URL + "/healthz"); err != nil || answer.StatusCode != 403 {
		t.Errorf("inside: got %v %v", answer, err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	server := httptest.NewUnstartedServer(b.Handler())
	server.Config.MaxHeaderBytes = MaxHeaderBytes
	server.Start()
	t.Cleanup(server.Close)
	r := call{body: strings.Repeat("x", MaxBody+1)}.request(t, server.URL)
	r.Header.Set("Expect", "100-continue") // so that the answer comes before the body is sent
	early := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour, DisableKeepAlives: true}}
	if answer, body := do(t, early, r); answer.StatusCode != http.StatusRequestEntityTooLarge || !strings.HasPrefix(body, "Limit ") {
		t.Errorf("body too large: got %d %q", answer.StatusCode, body)
	}
	big := call{after: func(r *http.Request) { r.Header.Set("X-Big", strings.Repeat("x", 2*MaxHeaderBytes)) }}.request(t, server.URL)
	if answer, _ := do(t, server.Client(), big); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers too large: got %d", answer.StatusCode)
	}

	for range MaxRequests {
		if !b.outside.take() {
			t.Fatal("fewer places than MaxRequests")
		}
	}
	if answer, body := do(t, server.Client(), call{}.request(t, server.URL)); answer.StatusCode != 503 || !strings.HasPrefix(body, "Limit ") {
		t.Errorf("too many requests: got %d %q", answer.StatusCode, body)
	}
	if answer, err := server.Client().Get(server.URL + "/healthz"); err != nil || answer.StatusCode != 200 {
		t.Errorf("health while busy: %v %v", answer, err)
	}
	inside := httptest.NewServer(b.InternalHandler())
	t.Cleanup(inside.Close)
	if answer, body := do(t, inside.Client(), call{}.request(t, inside.URL)); answer.StatusCode != 200 {
		t.Errorf("the worker is kept out by others: %d %q", answer.StatusCode, body)
	}
	for range MaxRequests {
		b.outside.give()
	}

	for range MaxLargeBodies {
		b.large.take()
	}
	if answer, body := do(t, server.Client(), call{body: strings.Repeat("x", SmallBody+1)}.request(t, server.URL)); answer.StatusCode != 503 {
		t.Errorf("too many large bodies: got %d %q", answer.StatusCode, body)
	}
	if answer, body := do(t, server.Client(), call{body: strings.Repeat("x", SmallBody)}.request(t, server.URL)); answer.StatusCode != 200 {
		t.Errorf("a small body beside many large ones: got %d %.80q", answer.StatusCode, body)
	}
	for range MaxLargeBodies {
		b.large.give()
	}
	// places are given back, also by requests that were refused
	for range 3 {
		do(t, server.Client(), call{body: strings.Repeat("x", SmallBody+1), secret: "guessed"}.request(t, server.URL))
		do(t, server.Client(), call{body: strings.Repeat("x", SmallBody+1)}.request(t, server.URL))
	}
	if len(b.large) != 0 || len(b.outside) != 0 || len(b.inside) != 0 {
		t.Errorf("places not given back: %d %d %d", len(b.large), len(b.outside), len(b.inside))
	}
}

func TestConditionContext(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	b := newBench(t, func(o *Options) { o.Now = func() time.Time { return at } })
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", "ua")
	show := func(c iam.Context) string {
		var out []string
		for _, k := range []string{"aws:RequestedRegion", "aws:SecureTransport", "aws:SourceIp", "aws:UserAgent", "aws:ViaAWSService"} {
			out = append(out, k+"="+strings.Join(c.Get(k), "+"))
		}
		return strings.Join(out, " ")
	}
	if got, want := show(b.conditionContext(r, &exchange{sourceIP: "10.0.0.9"})),
		"aws:RequestedRegion=us-east-1 aws:SecureTransport=false aws:SourceIp=10.0.0.9 aws:UserAgent=ua aws:ViaAWSService=false"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.Header.Del("User-Agent")
	if got, want := show(b.conditionContext(r, &exchange{internal: true, secure: true})),
		"aws:RequestedRegion=us-east-1 aws:SecureTransport=true aws:SourceIp= aws:UserAgent= aws:ViaAWSService=true"; got != want {
		t.Errorf("inside: got  %s\nwant %s", got, want)
	}
}

// TestServiceCannotPretend: what a service says of a request does not take the place of what the gateway knows.
func TestServiceCannotPretend(t *testing.T) {
	t.Parallel()
	policy, err := iam.Parse(iam.IdentityPolicy, "p", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"6.6.6.6"}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, nil)
	x := &exchange{service: b.media, sourceIP: "10.0.0.9", principal: iam.Principal{Type: iam.User, Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":user/ann", Policies: []*iam.Policy{policy}}}
	op := operation("CreateJob", "*")
	op.Checks[0].Context.Set("AWS:sourceip", "6.6.6.6")
	if err := b.authorize(httptest.NewRequest("GET", "/", nil), x, op); err == nil {
		t.Error("a source address out of a service's mouth was believed")
	}
	x.sourceIP = "6.6.6.6"
	if err := b.authorize(httptest.NewRequest("GET", "/", nil), x, op); err != nil {
		t.Error(err)
	}
}

func TestContextOutsideARequest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if RequestID(ctx) != "" || Caller(ctx).Type != 0 || Internal(ctx) || Secure(ctx) || SourceIP(ctx) != "" {
		t.Error("a context without a request has one")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	good := Options{
		Services: []Service{&service{name: "a"}}, Default: "a", Region: "r", Identities: people{}, Log: slog.Default(),
		Trail: new(audittest.Trail),
	}
	for name, edit := range map[string]func(*Options){
		"region": func(o *Options) { o.Region = "" }, "identities": func(o *Options) { o.Identities = nil }, "trail": func(o *Options) { o.Trail = nil },
		"log": func(o *Options) { o.Log = nil }, "default": func(o *Options) { o.Default = "b" },
		"service twice":   func(o *Options) { o.Services = append(o.Services, &service{name: "a"}) },
		"service unnamed": func(o *Options) { o.Services = append(o.Services, &service{}) },
	} {
		o := good
		edit(&o)
		if g, err := New(o); err == nil || g != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestRemoteIP(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"10.0.0.1:5": "10.0.0.1", "[::1]:5": "::1", "[fe80::1%eth0]:5": "fe80::1", "@": "", "": ""} {
		if got := remoteIP(&http.Request{RemoteAddr: addr}); got != want {
			t.Errorf("%q: got %q, want %q", addr, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	if got := clip(strings.Repeat("é", 500)); len(got) > maxLogged+3 || !strings.HasSuffix(got, "é…") {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
	if got := clip(strings.Repeat("a", maxLogged-1) + "é"); got != strings.Repeat("a", maxLogged-1)+"…" {
		t.Errorf("cut within a character: %q", got)
	}
}
