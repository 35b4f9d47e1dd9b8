package anchor

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/timestamp/timestamptest"
)

// post is an HTTP client as a Post, without what the server puts around it.
func post(client *http.Client) Post {
	return func(ctx context.Context, url, contentType string, body []byte, limit int64) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", contentType)
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(io.LimitReader(resp.Body, limit))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		return b, err
	}
}

// bucket keeps objects once.
type bucket struct {
	mu      sync.Mutex // guards what follows
	objects map[string][]byte
	meta    map[string]map[string]string
	fail    error
}

func (b *bucket) put(_ context.Context, key string, body []byte, metadata map[string]string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	if b.objects == nil {
		b.objects, b.meta = map[string][]byte{}, map[string]map[string]string{}
	}
	if there, ok := b.objects[key]; ok && !bytes.Equal(there, body) {
		return errors.New("another object is there")
	}
	b.objects[key], b.meta[key] = body, metadata
	return nil
}

const object = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2030/01/02/111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20300102T030405Z.json.gz"

func digest() Digest {
	return Digest{Account: "111122223333", Bucket: "logs", Object: object, Text: []byte(`{"awsAccountId":"111122223333"}`), Signature: "abcd"}
}

// TestAnchor: a digest has its time stamp beside it and a copy elsewhere, both of which others can check; a failure on the way is made up for.
func TestAnchor(t *testing.T) {
	t.Parallel()
	tsa := timestamptest.New(t, timestamptest.Options{})
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++; tsa.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	stamper, err := NewStamper(server.URL, tsa.Roots, post(server.Client()), nil)
	if err != nil {
		t.Fatal(err)
	}
	var own, second bucket
	a, err := New(Options{
		Stamper: stamper, Copy: second.put, Prefix: "site-a/",
		Keep: func(ctx context.Context, account, name, key string, body []byte) error {
			if account != "111122223333" || name != "logs" {
				t.Errorf("kept in %s of %s", name, account)
			}
			return own.put(ctx, key, body, nil)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := digest()
	second.fail = errors.New("down")
	for range 3 {
		if err := a.Anchor(t.Context(), d); err == nil {
			t.Fatal("anchored while the second store is down")
		}
	}
	second.fail = nil
	for range 2 { // again is a success without effect
		if err := a.Anchor(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the authority was asked %d times for one digest", asked)
	}
	key := "AWSLogs/111122223333/CloudTrail-TimeStamp/us-east-1/2030/01/02/111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20300102T030405Z.tsr"
	response := own.objects[key]
	if len(own.objects) != 1 || response == nil {
		t.Fatalf("kept %d objects", len(own.objects))
	}
	if err := tsa.Check(response, d.Text); err != nil {
		t.Errorf("OpenSSL: %v", err)
	}
	if s, err := Check(response, d.Text, tsa.Roots); err != nil || time.Since(s.Time) > time.Minute {
		t.Errorf("checked: %+v, %v", s, err)
	}
	if _, err := Check(response, []byte("another digest"), tsa.Roots); err == nil {
		t.Error("it is a time stamp of another digest too")
	}
	if len(second.objects) != 2 {
		t.Errorf("%d copies", len(second.objects))
	}
	text, err := Expand(second.objects["site-a/"+object], 1000)
	if err != nil || !bytes.Equal(text, d.Text) || second.meta["site-a/"+object]["signature"] != "abcd" || second.meta["site-a/"+object]["signature-algorithm"] != "SHA256withRSA" {
		t.Errorf("the copy: %q, %v, %v", text, second.meta["site-a/"+object], err)
	}
	// Another digest under the same name is not passed over.
	d.Text = []byte(`{"awsAccountId":"9"}`)
	if err := a.Anchor(t.Context(), d); err == nil {
		t.Error("a digest that was changed was anchored over the first")
	}
}

// TestRefused: what an authority answers is verified before it is kept.
func TestRefused(t *testing.T) {
	t.Parallel()
	good, foreign := timestamptest.New(t, timestamptest.Options{}), timestamptest.New(t, timestamptest.Options{})
	expired := timestamptest.New(t, timestamptest.Options{Expired: true})
	old, _, err := stamperOf(t, good, good.Roots, nil).Stamp(t.Context(), digest().Text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		tsa    http.Handler
		roots  *x509.CertPool
		now    time.Duration
		refuse string
	}{
		{"a foreign authority", foreign, good.Roots, 0, "not trusted"},
		{"an expired certificate", expired, expired.Roots, 0, "expired"},
		{"an answer to another request", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(old) }), good.Roots, 0, "answers another request"},
		{"a clock that is ahead", good, good.Roots, 10 * time.Minute, "away from the clock"},
		{"a clock that is behind", good, good.Roots, -10 * time.Minute, "away from the clock"},
		{"no time stamp", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }), good.Roots, 0, "read a time stamp"},
		{"a refusal", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0x30, 5, 0x30, 3, 2, 1, 2}) }), good.Roots, 0, "refused: status 2"},
		{"an error", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), good.Roots, 0, "ask for a time stamp"},
		{"a flood", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10<<20)) }), good.Roots, 0, "read a time stamp"},
	} {
		var own bucket
		s := stamperOf(t, c.tsa, c.roots, func() time.Time { return time.Now().Add(c.now) })
		a, err := New(Options{Stamper: s, Keep: func(ctx context.Context, _, _, key string, body []byte) error { return own.put(ctx, key, body, nil) }})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Anchor(t.Context(), digest()); err == nil || !strings.Contains(err.Error(), c.refuse) || len(own.objects) > 0 {
			t.Errorf("%s: %v, %d objects kept", c.name, err, len(own.objects))
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("an anchor that keeps nothing")
	}
	if _, err := NewStamper("https://tsa", nil, post(nil), nil); err == nil {
		t.Error("a stamper that trusts nobody")
	}
}

func stamperOf(t *testing.T, h http.Handler, roots *x509.CertPool, now func() time.Time) *Stamper {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s, err := NewStamper(server.URL, roots, post(server.Client()), now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExpand(t *testing.T) {
	t.Parallel()
	zipped, err := compress(make([]byte, 5000))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := Expand(zipped, 5000); err != nil || len(b) != 5000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for name, in := range map[string][]byte{"too much": zipped, "cut": zipped[:len(zipped)-3], "none": []byte("x"), "nothing": nil} {
		limit := int64(5000)
		if name == "too much" {
			limit = 4999
		}
		if _, err := Expand(in, limit); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
