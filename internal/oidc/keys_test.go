package oidc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// web is a provider as fetch sees it.
type web struct {
	mu    sync.Mutex
	now   time.Time
	asked []string
	docs  map[string][]byte
	err   error
	gate  chan struct{} // if not nil, an answer waits for it
}

const (
	testConfiguration = testIssuer + wellKnown
	testJWKS          = "https://keys.example.com/jwks"
)

func newWeb() *web {
	return &web{now: testNow, docs: map[string][]byte{
		testConfiguration: []byte(`{"issuer":"` + testIssuer + `","jwks_uri":"` + testJWKS + `"}`),
		testJWKS:          keysOnce().set,
	}}
}

func (w *web) fetch(ctx context.Context, url string) ([]byte, error) {
	w.mu.Lock()
	w.asked = append(w.asked, url)
	doc, err, gate := w.docs[url], w.err, w.gate
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && doc == nil {
		err = errors.New("status 404")
	}
	return doc, err
}

func (w *web) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// set changes the world.
func (w *web) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// count says how often a provider was asked, and forgets it: it is asked for two documents each time.
func (w *web) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.asked)
	w.asked = nil
	return n
}

func (w *web) keys() *Keys { return NewKeys(w.fetch, w.clock) }

// long is a token that is good for a day, by a key with the given id.
func long(kid string) string {
	return craft(fmt.Sprintf(`{"alg":"RS256","kid":%q}`, kid), claimsWith("exp", fmt.Sprint(testNow.Add(24*time.Hour).Unix())), keysOnce().rsa)
}

func verify(k *Keys, token string) error {
	_, err := k.Verify(context.Background(), testIssuer, want.Audiences, token)
	return err
}

// TestKeys is a story: each step follows the one before.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWeb()
	k := w.keys()
	rotated := jwks(jose.JSONWebKey{KeyID: "new", Key: &keysOnce().rsa.PublicKey})
	down := errors.New("down")
	steps := []struct {
		name   string
		after  time.Duration
		change func()
		token  string
		want   error
		asked  int
	}{
		{"nothing is asked for a token that is none", 0, nil, "a.b.c", ErrInvalid, 0},
		{"nothing is asked for a token of another issuer", 0, nil, signed("iss", `"https://attacker.example"`), ErrInvalid, 0},
		{"the first token", 0, nil, long("rsa"), nil, 2},
		{"the second token", 0, nil, long("rsa"), nil, 0},
		{"refused without asking", 0, nil, signed("exp", "1"), ErrExpired, 0},
		{"refused without asking, audience", 0, nil, signed("aud", `"x"`), ErrAudience, 0},
		{"an unknown key right after asking", 30 * time.Second, nil, long("new"), ErrKeyUnknown, 0},
		{"an unknown key, a minute after", 30 * time.Second, nil, long("new"), ErrKeyUnknown, 2},
		{"and again", 59 * time.Second, nil, long("new"), ErrKeyUnknown, 0},
		{"known keys all the while", 0, nil, long("rsa"), nil, 0},
		{"the provider has the key now", time.Second, func() { w.docs[testJWKS] = rotated }, long("new"), nil, 2},
		{"the old key is gone", 0, nil, long("rsa"), ErrKeyUnknown, 0},
		{"the set is used until it is an hour old", MaxAge - time.Second, nil, long("new"), nil, 0},
		{"and no longer", time.Second, nil, long("new"), nil, 2},
		{"the provider is down, the set is young", 30 * time.Minute, func() { w.err = down }, long("new"), nil, 0},
		{"the provider is down, the key unknown", 0, nil, long("rsa"), ErrUnreachable, 1},
		{"that is remembered", 59 * time.Second, nil, long("rsa"), ErrUnreachable, 0},
		{"the provider is down, the set is old", 30 * time.Minute, nil, long("new"), ErrUnreachable, 1},
		{"it is not asked at once again", RetryPause - time.Second, nil, long("new"), ErrUnreachable, 0},
		{"it is asked again", time.Second, nil, long("new"), ErrUnreachable, 1},
		{"it is back", RetryPause, func() { w.err = nil }, long("new"), nil, 2},
		{"the clock is set back", -time.Hour, nil, long("new"), nil, 2},
	}
	for _, s := range steps {
		w.set(func() {
			w.now = w.now.Add(s.after)
			if s.change != nil {
				s.change()
			}
		})
		if err := verify(k, s.token); !errors.Is(err, s.want) || s.want == ErrUnreachable && errors.Is(err, ErrInvalid) {
			t.Fatalf("%s: got %v, want %v", s.name, err, s.want)
		}
		if n := w.count(); n != s.asked {
			t.Fatalf("%s: asked %d times, want %d", s.name, n, s.asked)
		}
	}
}

func TestKeysUnreachable(t *testing.T) {
	t.Parallel()
	for name, docs := range map[string]map[string][]byte{
		"no configuration":                {},
		"configuration of another issuer": {testConfiguration: []byte(`{"issuer":"https://x","jwks_uri":"` + testJWKS + `"}`)},
		"no keys":                         {testConfiguration: newWeb().docs[testConfiguration]},
		"keys that are none":              {testConfiguration: newWeb().docs[testConfiguration], testJWKS: []byte("<html>")},
		"keys over http":                  {testConfiguration: []byte(`{"issuer":"` + testIssuer + `","jwks_uri":"http://keys.example.com/jwks"}`), "http://keys.example.com/jwks": keysOnce().set},
	} {
		w := newWeb()
		w.docs = docs
		k := w.keys()
		for range 2 { // the second time nobody is asked
			if err := verify(k, signed()); !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if n := w.count(); n > 2 {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
	w := newWeb()
	token := signed("iss", `"http://id.example.com/realm"`)
	if _, err := w.keys().Verify(t.Context(), "http://id.example.com/realm", want.Audiences, token); !errors.Is(err, ErrUnreachable) || w.count() != 0 {
		t.Errorf("an issuer over http: got %v", err)
	}
}

// TestKeysSingleFlight has many wait for one answer.
func TestKeysSingleFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		w.gate = make(chan struct{})
		k := w.keys()
		token := signed()
		errs := make(chan error, 50)
		for range cap(errs) {
			go func() { errs <- verify(k, token) }()
		}
		synctest.Wait()
		close(w.gate)
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := w.count(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
	})
}

// TestKeysCancel shows that one who leaves neither waits for the others nor takes their answer with him, and that known keys need no waiting.
func TestKeysCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb()
		k := w.keys()
		if err := verify(k, long("rsa")); err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		w.set(func() { w.now, w.gate = w.now.Add(RefetchPause), gate })
		ctx, cancel := context.WithCancel(t.Context())
		token := long("new")
		errs := make(chan error, 2)
		go func() { // asks
			_, err := k.Verify(ctx, testIssuer, want.Audiences, token)
			errs <- err
		}()
		synctest.Wait()
		waiting, leave := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		left := make(chan error, 1)
		go func() {
			_, err := k.Verify(waiting, testIssuer, want.Audiences, token)
			left <- err
		}()
		go func() { errs <- verify(k, token) }()
		synctest.Wait()
		if err := verify(k, long("rsa")); err != nil {
			t.Errorf("a known key had to wait: %v", err)
		}
		leave(gone)
		if err := <-left; !errors.Is(err, gone) {
			t.Errorf("who left got %v", err)
		}
		cancel() // the one who asks: the answer is for all
		w.set(func() { w.docs[testJWKS] = jwks(jose.JSONWebKey{KeyID: "new", Key: &keysOnce().rsa.PublicKey}) })
		close(gate)
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := w.count(); n != 4 {
			t.Errorf("asked %d times, want 4", n)
		}
	})
}

// TestKeysBounded shows that the number of issuers is bounded, and who makes room.
func TestKeysBounded(t *testing.T) {
	t.Parallel()
	w := newWeb()
	k := w.keys()
	for i := range MaxIssuers {
		w.set(func() { w.now = w.now.Add(time.Second) })
		k.provider(fmt.Sprintf("https://%d.example.com", i))
	}
	w.set(func() { w.now = w.now.Add(time.Second) })
	k.provider("https://0.example.com")
	k.provider("https://new.example.com")
	if len(k.providers) != MaxIssuers {
		t.Errorf("%d issuers are kept", len(k.providers))
	}
	if k.providers["https://0.example.com"] == nil || k.providers["https://1.example.com"] != nil {
		t.Error("it was not the one that was longest not used that made room")
	}
}
