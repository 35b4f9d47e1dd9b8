package root

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/test/vaulttest"
)

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, []byte(token+"\n"))
	return path
}

// TestTransit is against the real engine.
func TestTransit(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	v.Do(http.MethodPost, "transit/keys/darkroom", "")
	const policy = `path "transit/encrypt/darkroom" { capabilities = ["update"] } path "transit/decrypt/darkroom" { capabilities = ["update"] }`
	token := v.Policy("darkroom", policy)
	o := TransitOptions{Address: v.Address, Key: "darkroom", TokenFile: tokenFile(t, token), Client: v.Client}
	dir := t.TempDir()
	key := mustOpen(t, dir, NewTransit(o))
	d, err := readDocument(dir)
	if err != nil || d.Root.Key != "transit/keys/darkroom" || !strings.HasPrefix(string(d.Root.Wrapped), "vault:v1:") {
		t.Fatalf("%+v, %v", d.Root, err)
	}
	if !bytes.Equal(mustOpen(t, dir, NewTransit(o)), key) {
		t.Error("another key")
	}
	// What the package says that it does, done by hand.
	body := fmt.Sprintf(`{"ciphertext":%q,"associated_data":%q}`, d.Root.Wrapped, base64.StdEncoding.EncodeToString(binding(KindTransit, d.Installation)))
	plain := v.Do(http.MethodPost, "transit/decrypt/darkroom", body)["data"].(map[string]any)["plaintext"]
	if plain != base64.StdEncoding.EncodeToString(key) {
		t.Error("by hand: another key")
	}
	if status, _ := v.Try(v.Token, http.MethodPost, "transit/decrypt/darkroom", fmt.Sprintf(`{"ciphertext":%q}`, d.Root.Wrapped)); status != http.StatusBadRequest {
		t.Errorf("it opens without what it is bound to: status %d", status)
	}

	// A new version of the key, and an end to the old one.
	v.Do(http.MethodPost, "transit/keys/darkroom/rotate", "")
	if !bytes.Equal(mustOpen(t, dir, NewTransit(o)), key) {
		t.Error("another key after a rotation")
	}
	old := tree(t, dir)[Name]
	if _, err := Rewrap(t.Context(), options(dir, NewTransit(o)), NewTransit(o)); err != nil {
		t.Fatal(err)
	}
	if d, err = readDocument(dir); err != nil || !strings.HasPrefix(string(d.Root.Wrapped), "vault:v2:") {
		t.Errorf("%s, %v", d.Root.Wrapped, err)
	}
	v.Do(http.MethodPost, "transit/keys/darkroom/config", `{"min_decryption_version":2}`)
	if !bytes.Equal(mustOpen(t, dir, NewTransit(o)), key) {
		t.Error("another key after a rewrap")
	}
	renewed := tree(t, dir)[Name]
	write(t, filepath.Join(dir, Name), []byte(old))
	mustRefuse(t, dir, NewTransit(o), "status 400", "versions are not trimmed")
	write(t, filepath.Join(dir, Name), []byte(renewed))

	// AppRole; its token is given back.
	roleID, secretID := v.AppRole("darkroom", "darkroom")
	r := o
	r.TokenFile, r.RoleIDFile, r.SecretIDFile = "", tokenFile(t, roleID), tokenFile(t, secretID)
	if !bytes.Equal(mustOpen(t, dir, NewTransit(r)), key) {
		t.Error("another key by AppRole")
	}
	accessors := v.Do("LIST", "auth/token/accessors", "")["data"].(map[string]any)["keys"].([]any)
	for _, a := range accessors {
		who := v.Do(http.MethodPost, "auth/token/lookup-accessor", fmt.Sprintf(`{"accessor":%q}`, a))["data"].(map[string]any)
		if strings.Contains(fmt.Sprint(who["path"]), "approle") {
			t.Errorf("a token is left: %v", who["path"])
		}
	}
	r.SecretIDFile = tokenFile(t, "00000000-0000-0000-0000-000000000000")
	mustRefuse(t, dir, NewTransit(r), "AppRole", "secret id")

	// What it must not open by, and what it says.
	v.Do(http.MethodPost, "transit/keys/other", "")
	v.Do(http.MethodPost, "transit/keys/signer", `{"type":"ed25519"}`)
	v.Do(http.MethodPost, "transit/keys/pair", `{"type":"rsa-2048"}`)
	stranger := v.Policy("stranger", `path "transit/encrypt/other" { capabilities = ["update"] }`)
	all := v.Token
	for _, tt := range []struct {
		name string
		edit func(o *TransitOptions)
		want []string
	}{
		{"another key", func(o *TransitOptions) { o.Key = "other" }, []string{"transit/keys/darkroom", "transit/keys/other", "keys rewrap"}},
		{"another mount", func(o *TransitOptions) { o.Mount = "elsewhere" }, []string{"elsewhere/keys/darkroom"}},
		{"another namespace", func(o *TransitOptions) { o.Namespace = "team/" }, []string{"team/transit/keys/darkroom"}},
		{"a token that may not", func(o *TransitOptions) { o.TokenFile = tokenFile(t, stranger) }, []string{"status 403", "transit/decrypt/darkroom"}},
		{"a token that is none", func(o *TransitOptions) { o.TokenFile = tokenFile(t, "hvs.CANARY") }, []string{"status 403"}},
		{"no token", func(o *TransitOptions) { o.TokenFile = filepath.Join(t.TempDir(), "none") }, []string{"root.transit.token_file", "no such file"}},
		{"a token with an end of line in it", func(o *TransitOptions) { o.TokenFile = tokenFile(t, "a\r\nX-Evil: CANARY") }, []string{"more than one line"}},
		{"a token with spaces", func(o *TransitOptions) { o.TokenFile = tokenFile(t, "a CANARY") }, []string{"no token has"}},
		{"a server whose authority is not known", func(o *TransitOptions) { o.Client = &http.Client{} }, []string{"certificate", "egress.ca_file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := o
			tt.edit(&o)
			r := NewTransit(o)
			r.pause = func(context.Context, time.Duration) error { return nil }
			mustRefuse(t, dir, r, tt.want...)
			_, err := Open(t.Context(), options(dir, r))
			for _, hidden := range []string{"CANARY", token, stranger, all, secretID, string(key), base64.StdEncoding.EncodeToString(key)} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
	for _, name := range []string{"signer", "pair", "darkroom/../other", "none"} {
		o := o
		o.Key, o.TokenFile = name, tokenFile(t, v.Policy("some", `path "transit/+/signer" { capabilities = ["update"] } path "transit/+/pair" { capabilities = ["update"] } path "transit/+/none" { capabilities = ["update"] }`))
		if _, err := Rewrap(t.Context(), options(dir, NewTransit(o)), NewTransit(TransitOptions{Address: v.Address, Key: "darkroom", TokenFile: tokenFile(t, token), Client: v.Client})); err == nil {
			t.Errorf("the key %s wraps", name)
		}
	}
	if tree(t, dir)[Name] != renewed {
		t.Error("a rewrap that came to nothing changed the file")
	}
	v.Do(http.MethodPut, "sys/seal", "")
	r2 := NewTransit(o)
	tries := 0
	r2.pause = func(context.Context, time.Duration) error { tries++; return nil }
	mustRefuse(t, dir, r2, "status 503", "unsealed")
	if tries != transitAttempts-1 {
		t.Errorf("a sealed server was asked again %d times", tries)
	}
}

// engine answers as a broken transit engine would.
func engine(t *testing.T, answer http.HandlerFunc) (*Transit, *[]time.Duration) {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	client := s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := NewTransit(TransitOptions{Address: s.URL, Namespace: "team", Key: "k", TokenFile: tokenFile(t, "hvs.CANARY"), Client: client})
	var waits []time.Duration
	r.pause = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	return r, &waits
}

func TestTransitFaults(t *testing.T) {
	t.Parallel()
	const good = `{"data":{"plaintext":"KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio="}}`
	say := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, text)
		}
	}
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, `{"errors":["`+r.Header.Get("X-Vault-Token")+` KioqKio"]}`, status)
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		waits  int
		want   []string // in the error; none where it opens
	}{
		{"well", say(200, good), 0, nil},
		{"bad request", echo(400), 0, []string{"status 400", "aes256-gcm96"}},
		{"forbidden", echo(403), 0, []string{"status 403", "policy"}},
		{"not found", echo(404), 0, []string{"status 404", "root.transit.mount"}},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://192.0.2.1/", http.StatusTemporaryRedirect)
		}, 0, []string{"status 307", "active server"}},
		{"too many requests", echo(429), transitAttempts - 1, []string{"status 429"}},
		{"server error", echo(500), transitAttempts - 1, []string{"status 500"}},
		{"a replica behind", echo(412), transitAttempts - 1, []string{"status 412"}},
		{"sealed", echo(503), transitAttempts - 1, []string{"status 503", "unsealed"}},
		{"closes", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, transitAttempts - 1, []string{"start again"}},
		{"no JSON", say(200, "<html>KioqKioqKio CANARY"), 0, []string{"not that of a transit engine"}},
		{"empty", say(200, ""), 0, []string{"not that of a transit engine"}},
		{"without a plaintext", say(200, `{"data":{}}`), 0, []string{"0 bytes"}},
		{"no base64", say(200, `{"data":{"plaintext":"CANARY!"}}`), 0, []string{"not the JSON"}},
		{"a short plaintext", say(200, `{"data":{"plaintext":"KioqKg=="}}`), 0, []string{"4 bytes"}},
		{"a long answer", say(200, `{"data":{"plaintext":"`+strings.Repeat("K", maxTransitAnswer)+`"}}`), 0, []string{"more than"}},
		{"an endless answer", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 4096)); err != nil {
					return
				}
			}
		}, 0, []string{"more than"}},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = fmt.Fprint(w, good)
		}, transitAttempts - 1, []string{"read the answer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, waits := engine(t, tt.answer)
			key, err := r.unwrap(t.Context(), "id", wrapping{Kind: KindTransit, Key: r.id(), Wrapped: []byte("vault:v1:x")})
			if (err == nil) != (tt.want == nil) || len(*waits) != tt.waits {
				t.Fatalf("%v, after %d waits, want %d", err, len(*waits), tt.waits)
			}
			if err == nil {
				if !bytes.Equal(key.Reveal(), bytes.Repeat([]byte("*"), secret.KeySize)) {
					t.Error("another key")
				}
				return
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			for _, hidden := range []string{"CANARY", "KioqK"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

func TestTransitRequest(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	r, waits := engine(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		var body struct {
			Plaintext      []byte `json:"plaintext"`
			AssociatedData []byte `json:"associated_data"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !bytes.Equal(body.Plaintext, bytes.Repeat([]byte{7}, 32)) || !bytes.Equal(body.AssociatedData, binding(KindTransit, "id")) {
			t.Errorf("body %+v, %v", body, err)
		}
		got := []string{r.Method, r.URL.Path, r.Header.Get("X-Vault-Token"), r.Header.Get("X-Vault-Namespace"), r.Header.Get("X-Vault-Request"), r.Header.Get("Content-Type")}
		if want := []string{"POST", "/v1/transit/encrypt/k", "hvs.CANARY", "team", "true", "application/json"}; !slices.Equal(got, want) {
			t.Errorf("request %q", got)
		}
		_, _ = fmt.Fprint(w, `{"data":{"ciphertext":"vault:v3:abc","key_version":3}}`)
	})
	w, err := r.wrap(t.Context(), "id", secret.New(bytes.Repeat([]byte{7}, 32)))
	if err != nil || w.Kind != KindTransit || w.Key != "team/transit/keys/k" || string(w.Wrapped) != "vault:v3:abc" {
		t.Errorf("%+v, %v", w, err)
	}
	if len(*waits) != 1 || (*waits)[0] != maxRetryAfter {
		t.Errorf("waited %v", *waits)
	}
	for _, answer := range []string{`{}`, `{"data":{"ciphertext":"k:v1:x"}}`, `{"data":{"ciphertext":"vault:v1:` + strings.Repeat("x", maxWrapped) + `"}}`} {
		r, _ := engine(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, answer) })
		if _, err := r.wrap(t.Context(), "id", secret.New(make([]byte, 32))); err == nil || !strings.Contains(err.Error(), "no ciphertext") {
			t.Errorf("%.50s: %v", answer, err)
		}
	}
	for _, answer := range []string{`{}`, `{"auth":{"client_token":"a\nb"}}`, `{"auth":{"client_token":"` + strings.Repeat("x", maxToken+1) + `"}}`} {
		r, _ := engine(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, answer) })
		r.o.RoleIDFile, r.o.SecretIDFile = tokenFile(t, "r"), tokenFile(t, "s")
		if _, err := r.wrap(t.Context(), "id", secret.New(make([]byte, 32))); err == nil || !strings.Contains(err.Error(), "no token") {
			t.Errorf("%.50s: %v", answer, err)
		}
	}
}

// TestTransitHangs: a server that does not answer is given up, and a caller that gives up is not kept.
func TestTransitHangs(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, transitAttempts)
	r, waits := engine(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees who goes away once it has the whole request
		reached <- struct{}{}
		<-r.Context().Done()
	})
	r.timeout = 20 * time.Millisecond
	w := wrapping{Kind: KindTransit, Key: r.id(), Wrapped: []byte("vault:v1:x")}
	if _, err := r.unwrap(t.Context(), "id", w); !errors.Is(err, context.DeadlineExceeded) || len(*waits) != transitAttempts-1 {
		t.Errorf("%v, after %d waits", err, len(*waits))
	}
	for i, d := range *waits {
		if least := transitBackoff << i / 2; d < least || d > 2*least {
			t.Errorf("wait %d is %v, want %v to %v", i, d, least, 2*least)
		}
	}
	for len(reached) > 0 {
		<-reached
	}
	r.timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	*waits = nil
	if _, err := r.unwrap(ctx, "id", w); !errors.Is(err, context.Canceled) || len(*waits) != 0 {
		t.Errorf("%v, after %d waits", err, len(*waits))
	}
	if err := pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("pause: %v", err)
	}
	if err := pause(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("pause: %v", err)
	}
}

// TestTransitThroughEgress: an address that no rule opens is not dialled, and not tried again.
func TestTransitThroughEgress(t *testing.T) {
	t.Parallel()
	door, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, waits := engine(t, func(http.ResponseWriter, *http.Request) { t.Error("dialled") })
	r.o.Client = door.Client(egress.KMS)
	_, err = r.unwrap(t.Context(), "id", wrapping{Kind: KindTransit, Key: r.id(), Wrapped: []byte("vault:v1:x")})
	if err == nil || !strings.Contains(err.Error(), "egress.allow") || len(*waits) != 0 {
		t.Errorf("%v, after %d waits", err, len(*waits))
	}
	if _, err := os.Stat(r.o.TokenFile); err != nil {
		t.Error(err)
	}
}
