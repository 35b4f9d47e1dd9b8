package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"darkroom/internal/oidc"
)

// serve starts a TLS server, and returns the certificate that vouches for it.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, []byte) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestFetch(t *testing.T) {
	t.Parallel()
	const limit = 1000
	asked := make(chan *http.Request, 100)
	other, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { asked <- r })
	plain := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r }))
	t.Cleanup(plain.Close)
	s, authority := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/full":
			_, _ = io.WriteString(w, strings.Repeat("x", limit))
		case "/over":
			_, _ = io.WriteString(w, strings.Repeat("x", limit+1))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		case "/encoded":
			w.Header().Set("Content-Encoding", "gzip")
		case "/to-http":
			http.Redirect(w, r, plain.URL, http.StatusFound)
		case "/to-other":
			http.Redirect(w, r, other.URL, http.StatusMovedPermanently)
		case "/to-self":
			http.Redirect(w, r, "/full", http.StatusTemporaryRedirect)
		case "/to-metadata":
			http.Redirect(w, r, "https://169.254.169.254/latest/meta-data/", http.StatusFound)
		case "/partial":
			w.WriteHeader(http.StatusPartialContent)
		case "/created":
			w.WriteHeader(http.StatusCreated)
		case "/missing":
			http.NotFound(w, r)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/request":
			_, _ = io.WriteString(w, r.Method+" "+r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("Referer")+r.Header.Get("Accept-Encoding"))
		}
	})
	d := open(t, s, authority, OIDC)
	for path, want := range map[string]string{"/full": strings.Repeat("x", limit), "/empty": "", "/request": "GET "} {
		got, err := d.Fetch(t.Context(), OIDC, s.URL+path, limit)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
	for _, path := range []string{
		"/over", "/endless", "/cut", "/encoded", "/to-http", "/to-other", "/to-self", "/to-metadata", "/partial", "/created", "/missing", "/broken",
	} {
		if got, err := d.Fetch(t.Context(), OIDC, s.URL+path, limit); err == nil || got != nil {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
	for _, address := range []string{
		"", "http" + strings.TrimPrefix(s.URL, "https"), plain.URL, strings.TrimPrefix(s.URL, "https:"), "https:", "https://", "https:///full", "https:full", "file:///etc/hostname",
		"https://user:hush@" + s.Listener.Addr().String() + "/full", "https://%zz", "unix:///run/x",
	} {
		if got, err := d.Fetch(t.Context(), OIDC, address, limit); err == nil || got != nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %q, %v", address, got, err)
		}
	}
	if _, err := d.Fetch(t.Context(), OIDC, other.URL, limit); !isRefused(err) {
		t.Errorf("another port of the same host: got %v, want a refusal", err)
	}
	if _, err := d.Fetch(t.Context(), Input, s.URL+"/full", limit); !isRefused(err) {
		t.Errorf("another purpose: got %v, want a refusal", err)
	}
	closed, err := New(Options{Authorities: authority})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1), "https://169.254.169.254/", "https://10.0.0.1/", "https://[fd00:ec2::254]/"} {
		if _, err := closed.Fetch(t.Context(), OIDC, address, limit); !isRefused(err) {
			t.Errorf("%s without a rule: got %v, want a refusal", address, err)
		}
	}
	if _, err := open(t, s, nil, OIDC).Fetch(t.Context(), OIDC, s.URL+"/full", limit); err == nil {
		t.Error("a certificate of an unknown authority is trusted")
	}
	select {
	case r := <-asked:
		t.Errorf("a server that was not allowed was asked for %s", r.URL)
	default:
	}
}

func isRefused(err error) bool {
	var refused *Refused
	return errors.As(err, &refused)
}

// TestFetchSlow has a server that does not begin, and one that does not end.
func TestFetchSlow(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	s, authority := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-over:
		}
	})
	defer close(over)
	d := open(t, s, authority, OIDC)
	for _, path := range []string{"/head", "/body"} {
		if _, err := d.fetch(t.Context(), OIDC, s.URL+path, 100, 200*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", path, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := d.Fetch(ctx, OIDC, s.URL+path, 100); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: got %v", path, err)
		}
	}
}

// TestFetchProvider has the cache of keys ask a real server.
func TestFetchProvider(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "a"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "a", Key: &key.PublicKey, Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	const configuration = `{"issuer":"ISSUER","jwks_uri":"ISSUER/keys"}`
	tests := []struct {
		name, configuration, keys string
		want                      error
	}{
		{"a provider", configuration, string(set), nil},
		{"keys without the token's", configuration, `{"keys":[]}`, oidc.ErrKeyUnknown},
		{"a page in HTML", "<html>sign in</html>", "", oidc.ErrUnreachable},
		{"keys in HTML", configuration, "<html>", oidc.ErrUnreachable},
		{"keys at an address of the inside", `{"issuer":"ISSUER","jwks_uri":"https://169.254.169.254/keys"}`, "", oidc.ErrUnreachable},
		{"keys that are large", configuration, `{"keys":[]}` + strings.Repeat(" ", oidc.MaxKeySet), oidc.ErrUnreachable},
	}
	for _, tt := range tests {
		s, authority := serve(t, func(w http.ResponseWriter, r *http.Request) {
			doc := tt.keys
			if r.URL.Path == "/.well-known/openid-configuration" {
				doc = strings.ReplaceAll(tt.configuration, "ISSUER", "https://"+r.Host)
			}
			_, _ = io.WriteString(w, doc)
		})
		d := open(t, s, authority, OIDC)
		keys := oidc.NewKeys(func(ctx context.Context, url string) ([]byte, error) { return d.Fetch(ctx, OIDC, url, oidc.MaxKeySet) }, time.Now)
		now := time.Now().Unix()
		signature, err := signer.Sign(fmt.Appendf(nil, `{"iss":%q,"sub":"film","aud":"a","iat":%d,"exp":%d}`, s.URL, now, now+300))
		if err != nil {
			t.Fatal(err)
		}
		token, err := signature.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		c, err := keys.Verify(t.Context(), s.URL, []string{"a"}, token)
		if !errors.Is(err, tt.want) || (err == nil) != (c.Subject == "film") {
			t.Errorf("%s: got %+v, %v; want %v", tt.name, c, err, tt.want)
		}
	}
}
