package kms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

const (
	userID     = "ASIACLIENT"
	userSecret = "only for the length of a test run"
	userToken  = "the token of a session"
	region     = "eu-test-1"
	keyARN     = "arn:aws:kms:eu-test-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// request is what a key service is asked.
type request struct {
	KeyID             string `json:"KeyId"`
	Plaintext         []byte
	CiphertextBlob    []byte
	EncryptionContext map[string]string
}

// peer answers as a key service does, to requests that are signed as they must be.
type peer struct {
	*httptest.Server
	t      *testing.T
	asked  atomic.Int32
	answer func(n int, op string, in request) (status int, body string) // n counts from 1
}

func newPeer(t *testing.T, answer func(n int, op string, in request) (int, string)) *peer {
	t.Helper()
	p := &peer{t: t, answer: answer}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(p.asked.Add(1))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Errorf("read the request: %v", err)
	}
	header := r.Header.Clone()
	header.Set("Content-Length", fmt.Sprint(r.ContentLength))
	c, err := sigv4.Parse(sigv4.Request{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Header: header})
	if err != nil {
		p.t.Errorf("the request is not signed: %v", err)
		return
	}
	sum := sha256.Sum256(body)
	_, err = c.Verify(&sigv4.Key{Secret: secret.New([]byte(userSecret)), Token: secret.New([]byte(userToken))}, sigv4.Expectation{Region: region, BodyHash: hex.EncodeToString(sum[:]), Now: time.Now()})
	if err != nil || c.AccessKeyID != userID || c.Scope.Service != "kms" {
		p.t.Errorf("signed by %s for %v: %v", c.AccessKeyID, c.Scope, err)
	}
	op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if !ok || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		p.t.Errorf("got target %q, type %q", r.Header.Get("X-Amz-Target"), r.Header.Get("Content-Type"))
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		p.t.Errorf("read the request: %v", err)
	}
	status, text := p.answer(n, op, in)
	if location, ok := strings.CutPrefix(text, "Location: "); ok {
		w.Header().Set("Location", location)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func credentials(context.Context) (Credentials, error) {
	return Credentials{AccessKeyID: userID, SecretAccessKey: secret.New([]byte(userSecret)), SessionToken: secret.New([]byte(userToken))}, nil
}

func (p *peer) client(t *testing.T) *Client {
	t.Helper()
	c, err := newClient(Options{Endpoint: p.URL, Region: region, Credentials: credentials, Transport: p.Client().Transport}, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refusal(code, message string) string {
	return fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message)
}

func TestEncryptDecrypt(t *testing.T) {
	t.Parallel()
	binding := map[string]string{"service": "mediaconvert.amazonaws.com", "a": "ü"}
	clearText := []byte("sixteen bytes ok")
	var last request
	p := newPeer(t, func(_ int, op string, in request) (int, string) {
		last = in
		switch op {
		case "Encrypt":
			out, _ := json.Marshal(map[string]any{"CiphertextBlob": append([]byte("sealed:"), in.Plaintext...), "KeyId": keyARN})
			return http.StatusOK, string(out)
		case "Decrypt":
			out, _ := json.Marshal(map[string]any{"Plaintext": bytes.TrimPrefix(in.CiphertextBlob, []byte("sealed:")), "KeyId": keyARN})
			return http.StatusOK, string(out)
		}
		return http.StatusBadRequest, refusal("UnknownOperationException", op)
	})
	c := p.client(t)
	sealed, err := c.Encrypt(t.Context(), "alias/films", secret.New(bytes.Clone(clearText)), binding)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(request{KeyID: "alias/films", Plaintext: clearText, EncryptionContext: binding}, last); diff != "" {
		t.Error(diff)
	}
	for _, keyID := range []string{"", keyARN} {
		got, err := c.Decrypt(t.Context(), keyID, sealed, binding)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Reveal(), clearText) {
			t.Errorf("got %q", got.Reveal())
		}
		if diff := cmp.Diff(request{KeyID: keyID, CiphertextBlob: sealed, EncryptionContext: binding}, last); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		status   int
		body     string
		want     error
		attempts int32
	}{
		{"denied", 400, refusal("AccessDeniedException", "User: x is not authorized to perform: kms:Decrypt"), ErrDenied, 1},
		{"denied with a name space", 400, refusal("com.amazonaws.kms#AccessDeniedException", ""), ErrDenied, 1},
		{"unknown credentials", 400, refusal("UnrecognizedClientException", ""), ErrDenied, 1},
		{"session ended", 400, refusal("ExpiredTokenException", ""), ErrDenied, 1},
		{"forbidden without a code", 403, "", ErrDenied, 1},
		{"no such key", 400, refusal("NotFoundException", ""), ErrNoSuchKey, 1},
		{"disabled", 400, refusal("DisabledException", ""), ErrDisabled, 1},
		{"pending deletion", 400, refusal("KMSInvalidStateException", ""), ErrDisabled, 1},
		{"not of this service or context", 400, refusal("InvalidCiphertextException", ""), ErrCiphertext, 1},
		{"of another key", 400, refusal("IncorrectKeyException", ""), ErrCiphertext, 1},
		{"wrong kind of key", 400, refusal("InvalidKeyUsageException", ""), ErrRejected, 1},
		{"not understood", 400, refusal("ValidationException", ""), ErrRejected, 1},
		{"no operation", 400, refusal("UnknownOperationException", ""), ErrRejected, 1},
		{"no key service", 404, "<html>", ErrRejected, 1},
		{"throttled", 400, refusal("ThrottlingException", ""), ErrUnreachable, maxAttempts},
		{"key for the moment not there", 500, refusal("KeyUnavailableException", ""), ErrUnreachable, maxAttempts},
		{"failed", 500, refusal("KMSInternalException", ""), ErrUnreachable, maxAttempts},
		{"overloaded", 503, "", ErrUnreachable, maxAttempts},
		{"elsewhere", 307, "Location: http://192.0.2.1/", ErrUnreachable, 1},
		{"no answer in an answer", 200, "{}", ErrUnreachable, 1},
		{"not JSON", 200, "x", ErrUnreachable, 1},
		{"no end", 200, `{"Plaintext":"` + strings.Repeat("A", 2*maxAnswer) + `"}`, ErrUnreachable, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(int, string, request) (int, string) { return c.status, c.body })
			got, err := p.client(t).Decrypt(t.Context(), "", []byte("CIPHERTEXT"), nil)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			for _, other := range []error{ErrDenied, ErrNoSuchKey, ErrDisabled, ErrCiphertext, ErrRejected, ErrUnreachable} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("%v is %v too", err, other)
				}
			}
			if got.Len() != 0 {
				t.Error("a refusal has a plaintext")
			}
			if err != nil && (strings.Contains(err.Error(), "CIPHERTEXT") || strings.Contains(err.Error(), "Q0lQSEVSVEVYVA") || len(err.Error()) > 3*maxShown) {
				t.Errorf("the error says too much: %v", err)
			}
			if n := p.asked.Load(); n != c.attempts {
				t.Errorf("asked %d times, want %d", n, c.attempts)
			}
		})
	}
}

func TestAnotherAttempt(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(n int, _ string, _ request) (int, string) {
		if n == 1 {
			return http.StatusServiceUnavailable, ""
		}
		return http.StatusOK, `{"Plaintext":"a2V5"}`
	})
	got, err := p.client(t).Decrypt(t.Context(), "", []byte("c"), nil)
	if err != nil || string(got.Reveal()) != "key" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
}

func TestNothingIsSent(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(int, string, request) (int, string) { return http.StatusOK, "{}" })
	c := p.client(t)
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		call func() error
		want error
	}{
		{"no key", func() error { _, err := c.Encrypt(ctx, "", secret.New([]byte("x")), nil); return err }, ErrRejected},
		{"no plaintext", func() error { _, err := c.Encrypt(ctx, keyARN, secret.Bytes{}, nil); return err }, ErrRejected},
		{"long plaintext", func() error {
			_, err := c.Encrypt(ctx, keyARN, secret.New(make([]byte, MaxPlaintext+1)), nil)
			return err
		}, ErrRejected},
		{"no ciphertext", func() error { _, err := c.Decrypt(ctx, "", nil, nil); return err }, ErrCiphertext},
		{"long ciphertext", func() error { _, err := c.Decrypt(ctx, "", make([]byte, MaxCiphertext+1), nil); return err }, ErrCiphertext},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	c := p.client(t)
	p.Close()
	if _, err := c.Decrypt(t.Context(), "", []byte("c"), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("closed: got %v", err)
	}
	// The end of a context is not the service's trouble.
	waits := newPeer(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("canceled for this test")
	waits.answer = func(int, string, request) (int, string) { cancel(why); return http.StatusServiceUnavailable, "" }
	if _, err := waits.client(t).Decrypt(ctx, "", []byte("c"), nil); !errors.Is(err, why) || errors.Is(err, ErrUnreachable) {
		t.Errorf("canceled: got %v", err)
	}
	// Nor are credentials that cannot be had a denial.
	broken, err := New(Options{
		Endpoint: waits.URL, Region: region, Transport: waits.Client().Transport,
		Credentials: func(context.Context) (Credentials, error) { return Credentials{}, errors.New("none now") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broken.Decrypt(t.Context(), "", []byte("c"), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without credentials: got %v", err)
	}
}

func TestNewNeeds(t *testing.T) {
	t.Parallel()
	good := Options{Endpoint: "https://kms.example.com", Region: region, Credentials: credentials, Transport: &http.Transport{}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Options){
		"endpoint": func(o *Options) { o.Endpoint = "" }, "host": func(o *Options) { o.Endpoint = "https:///x" }, "scheme": func(o *Options) { o.Endpoint = "ftp://h" },
		"region": func(o *Options) { o.Region = "" }, "credentials": func(o *Options) { o.Credentials = nil }, "transport": func(o *Options) { o.Transport = nil },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("a client was made without its %s", name)
		}
	}
}

// The environment must neither give credentials nor lead elsewhere.
func TestNoAmbientConfiguration(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAAMBIENT", "AWS_SECRET_ACCESS_KEY": "ambient", "AWS_REGION": "us-ambient-1", "AWS_ENDPOINT_URL": "http://192.0.2.1",
		"AWS_ENDPOINT_URL_KMS": "http://192.0.2.1", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_CONFIG_FILE": "/nowhere", "HTTP_PROXY": "http://192.0.2.1",
	} {
		t.Setenv(name, value)
	}
	p := newPeer(t, func(int, string, request) (int, string) { return http.StatusOK, `{"Plaintext":"a2V5"}` })
	if _, err := p.client(t).Decrypt(t.Context(), "", []byte("c"), nil); err != nil {
		t.Error(err)
	}
}
