package egress_test

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
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"darkroom/internal/egress"
	"darkroom/internal/egress/egresstest"
	"darkroom/internal/oidc"
	"darkroom/internal/origin"
)

// ledger is what a door recorded.
type ledger struct {
	mu    sync.Mutex // guards dials
	dials []egress.Dial
}

func (l *ledger) record(_ context.Context, d egress.Dial) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dials = append(l.dials, d)
	return nil
}

func (l *ledger) take() []egress.Dial {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.dials
	l.dials = nil
	return out
}

// site is a server that the doors of the test lead to, and that leads on to wherever it is told.
type site struct {
	plain, tls *httptest.Server
	rules      []egress.Rule
	authority  []byte
	to         string // what it says next: guarded by the requests coming one after another
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	lead := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": s.tls.URL, "jwks_uri": s.to})
			return
		}
		c, _, err := w.(http.Hijacker).Hijack() // the server of net/http would mend the header
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", s.to)
		_ = c.Close()
	})
	s.plain, s.tls = httptest.NewServer(lead), httptest.NewUnstartedServer(lead)
	s.tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.tls.StartTLS()
	t.Cleanup(s.plain.Close)
	t.Cleanup(s.tls.Close)
	for _, server := range []*httptest.Server{s.plain, s.tls} {
		at := netip.MustParseAddrPort(server.Listener.Addr().String())
		s.rules = append(s.rules, egress.Rule{Net: netip.PrefixFrom(at.Addr(), 32), Ports: []int{int(at.Port())}, For: egress.Purposes})
	}
	s.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.tls.Certificate().Raw})
	return s
}

// TestSSRF tries every shape in every way that a URL comes to a door, in a network where each address of the world would answer.
func TestSSRF(t *testing.T) {
	if !egresstest.Alone(t) {
		return
	}
	trap := egresstest.Listen(t, 80, 443, 22, 25, 6379)
	names := egresstest.Serve(t, "127.0.0.1:0")
	site := newSite(t)
	var told ledger
	door, err := egress.New(egress.Options{Rules: site.rules, Authorities: site.authority, Resolver: names.Resolver(), Record: told.record})
	if err != nil {
		t.Fatal(err)
	}
	shapes := egresstest.Shapes(trap.Port)
	if len(shapes) < 40 {
		t.Errorf("%d shapes", len(shapes))
	}
	schemes := []string{"http", "https"}
	clients := map[egress.Purpose]*http.Client{}
	for _, p := range egress.Purposes {
		clients[p] = door.Client(p)
	}
	token := signed(t, site.tls.URL)
	ways := []struct {
		name string
		try  func(ctx context.Context, url string) error
	}{
		{"a request for each purpose", func(ctx context.Context, url string) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			for p, c := range clients {
				resp, err := c.Do(r)
				if err == nil {
					_ = resp.Body.Close()
					return fmt.Errorf("%s: %w", p, errReached)
				}
			}
			return errors.New("refused")
		}},
		{"an input", func(ctx context.Context, url string) error {
			_, err := origin.Open(ctx, url, origin.Options{Transport: clients[egress.Input].Transport, Schemes: schemes})
			return err
		}},
		{"a redirect", func(ctx context.Context, url string) error {
			site.to = url
			_, err := origin.Open(ctx, site.plain.URL+"/away", origin.Options{Transport: clients[egress.Input].Transport, Schemes: schemes})
			return err
		}},
		{"a redirect from https", func(ctx context.Context, url string) error {
			site.to = url
			_, err := origin.Open(ctx, site.tls.URL+"/away", origin.Options{Transport: clients[egress.Input].Transport, Schemes: schemes})
			return err
		}},
		{"a small document", func(ctx context.Context, url string) error {
			_, err := door.Fetch(ctx, egress.OIDC, url, 1000)
			return err
		}},
		{"a small document over https", func(ctx context.Context, url string) error {
			_, err := door.Fetch(ctx, egress.OIDC, secure(url), 1000)
			return err
		}},
		{"an issuer", func(ctx context.Context, url string) error {
			_, err := provider(door).Verify(ctx, secure(url), []string{"a"}, signed(t, secure(url)))
			return err
		}},
		{"the keys of an issuer", func(ctx context.Context, url string) error {
			site.to = secure(url)
			_, err := provider(door).Verify(ctx, site.tls.URL, []string{"a"}, token)
			return err
		}},
	}
	own := []netip.AddrPort{netip.MustParseAddrPort(site.plain.Listener.Addr().String()), netip.MustParseAddrPort(site.tls.Listener.Addr().String())}
	for _, way := range ways {
		for _, s := range shapes {
			names.Forget()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			err := way.try(ctx, s.URL)
			if err == nil || errors.Is(err, errReached) || ctx.Err() != nil {
				t.Errorf("%s, %s: got %v, want a refusal", way.name, s.Name, err)
			}
			cancel()
			if reached := trap.Reached(t); len(reached) > 0 {
				t.Errorf("%s, %s: %v was reached", way.name, s.Name, reached)
			}
			for _, d := range told.take() {
				if d.Outcome != egress.Denied && !slices.Contains(own, d.Address) {
					t.Errorf("%s, %s: %s %s", way.name, s.Name, d.Address, d.Outcome)
				}
			}
		}
	}

	// The trap would see a leak: what is public is reached, and so is loopback once it is opened.
	public := fmt.Sprintf("http://public.%s:%d/", egresstest.Zone, trap.Port)
	if _, err := origin.Open(t.Context(), public, origin.Options{Transport: clients[egress.Input].Transport, Schemes: schemes}); !errors.Is(err, origin.ErrConnection) {
		t.Errorf("a public address: %v", err)
	}
	if reached := trap.Reached(t); len(reached) == 0 || reached[0].Addr() != egresstest.Public {
		t.Errorf("a public address: %v was reached", reached)
	}
	leak := append(slices.Clone(site.rules), egress.Rule{Net: netip.MustParsePrefix("127.0.0.1/32"), Ports: []int{trap.Port}, For: []egress.Purpose{egress.Input}})
	leaking, err := egress.New(egress.Options{Rules: leak, Resolver: names.Resolver()})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, s := range shapes {
		_, _ = origin.Open(t.Context(), s.URL, origin.Options{Transport: leaking.Client(egress.Input).Transport, Schemes: schemes})
		if len(trap.Reached(t)) > 0 {
			count++
		}
	}
	if count < 5 {
		t.Errorf("a planted leak shows in %d shapes", count)
	}

	// A name that is public at first and loopback after is reached at its public address alone, and so is one that is both at once.
	for _, name := range []string{"rebind", "mixed"} {
		names.Forget()
		for range 4 {
			c := door.Client(egress.Input)
			_, _ = origin.Open(t.Context(), fmt.Sprintf("http://%s.%s:%d/", name, egresstest.Zone, trap.Port), origin.Options{Transport: c.Transport, Schemes: schemes})
			c.CloseIdleConnections()
		}
		reached := trap.Reached(t)
		for _, at := range reached {
			if at.Addr() != egresstest.Public {
				t.Errorf("%s: %s was reached", name, at)
			}
		}
		if len(reached) == 0 {
			t.Errorf("%s: not even its public address was reached", name)
		}
	}
}

var errReached = errors.New("it was reached")

func secure(url string) string {
	if rest, ok := strings.CutPrefix(url, "http:"); ok {
		return "https:" + rest
	}
	return url
}

func provider(d *egress.Door) *oidc.Keys {
	return oidc.NewKeys(func(ctx context.Context, url string) ([]byte, error) {
		return d.Fetch(ctx, egress.OIDC, url, oidc.MaxKeySet)
	}, time.Now)
}

// signed is a token of an issuer, by a key that nobody knows.
func signed(t *testing.T, issuer string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "a"))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(map[string]any{"iss": issuer, "sub": "x", "aud": "a", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signature.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
