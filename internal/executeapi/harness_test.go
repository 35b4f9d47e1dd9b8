package executeapi_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/audit/audittest"
	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/executeapi"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keys"
	"darkroom/internal/keyserver"
	"darkroom/internal/playerapi"
	"darkroom/internal/s3api"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	region  = "us-east-1"
	base    = "https://keys.example.com"
	// operators are machines that cannot sign.
	operators = "# encryptors\nencryptor bearer 0123456789abcdefghijKLMN\nencryptor basic packager:correct-horse-battery\ngone bearer 9876543210abcdefghijKLMN\n"
)

// bench is the whole of the key server behind a gateway: real records, a real key service, a real object store.
type bench struct {
	*testing.T
	people *identity.Directory
	keys   *keyserver.Service
	store  blob.Store
	server *httptest.Server
	root   caller

	trail audittest.Trail

	mu    sync.Mutex // guards ahead
	ahead time.Duration
}

// caller is somebody who signs.
type caller struct{ id, secret, token string }

// gate lets the gateway find people.
type gate struct{ *identity.Directory }

func (g gate) Used(id string, p iam.Principal, service string) {
	g.Directory.Used(identity.Use{ID: id, Account: p.Account, Time: time.Now(), Service: service, Region: region})
}

// sealer is the key service as the key server asks for it.
type sealer struct{ *keys.Service }

func (s sealer) call(ctx context.Context) *keys.Call {
	return &keys.Call{Principal: gateway.Caller(ctx), Via: "execute-api." + region + ".amazonaws.com", Now: time.Now()}
}

func (s sealer) Seal(ctx context.Context, pairs map[string]string, plain secret.Bytes) ([]byte, error) {
	e, err := s.Encrypt(ctx, s.call(ctx), "", pairs, plain)
	return e.Ciphertext, err
}

func (s sealer) Open(ctx context.Context, pairs map[string]string, sealed []byte) (secret.Bytes, error) {
	o, err := s.Decrypt(ctx, s.call(ctx), sealed, pairs)
	return o.Plaintext, err
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.ahead)
}

func newBench(t *testing.T, mode keyserver.Mode) *bench {
	t.Helper()
	b := &bench{T: t}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	must(err)
	t.Cleanup(func() { records.Close() })
	master := secret.New(make([]byte, secret.KeySize))
	root := identity.Root{AccessKeyID: "AKIAROOT", SecretAccessKey: secret.New([]byte("secret of the root"))}
	b.root = caller{id: "AKIAROOT", secret: "secret of the root"}
	b.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root}}, Store: records, Master: master, Log: slog.New(slog.DiscardHandler), Now: b.now,
	})
	must(err)
	service, err := keys.New(keys.Options{Region: region, Accounts: []string{account}, Store: records, People: b.people, Master: master, Log: slog.New(slog.DiscardHandler)})
	must(err)
	embedded, err := dir.Open(dir.Options{Dir: filepath.Join(t.TempDir(), "objects"), Key: master, Random: rand.Reader})
	must(err)
	t.Cleanup(func() { embedded.Close() })
	b.store = embedded
	objects, err := s3api.New(s3api.Options{Region: region, Stores: func(string) (blob.Store, error) { return embedded, nil }})
	must(err)
	b.keys, err = keyserver.New(keyserver.Options{Mode: mode, Accounts: []string{account}, Store: records, Sealer: sealer{service}})
	must(err)
	tokens, err := keyserver.NewTokens(master, rand.Reader, b.now)
	must(err)
	list, err := executeapi.ParseOperators([]byte(operators))
	must(err)
	api, err := executeapi.New(executeapi.Options{
		Keys: b.keys, Tokens: tokens, People: b.people, Region: region, Base: func() string { return base }, Operators: list.LetIn(b.people, account), Now: b.now,
	})
	must(err)
	player, err := playerapi.New(playerapi.Options{Tokens: tokens, Keys: b.keys, People: b.people, Objects: objects, Region: region})
	must(err)
	page, err := playerapi.NewPage(os.DirFS(t.TempDir()))
	must(err)
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{objects, api, player}, Default: "execute-api", Region: region, Identities: gate{b.people}, Log: slog.New(slog.DiscardHandler), Pages: page.Handler,
		Trail: &b.trail,
	})
	must(err)
	b.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(b.server.Close)
	return b
}

// user makes a user whose inline policy has some statements.
func (b *bench) user(name, statements string) (*identity.Entity, caller) {
	b.Helper()
	u := &identity.Entity{Kind: identity.User, ID: identity.NewID(identity.User), Name: name, Path: "/"}
	if statements != "" {
		u.Inline = map[string]string{"p": document(statements)}
	}
	k, plain, err := b.people.NewAccessKey(account, u)
	if err != nil {
		b.Fatal(err)
	}
	u.Keys = []identity.AccessKey{k}
	b.change(func(v *identity.View) { v.Put(u) })
	return u, caller{id: k.ID, secret: string(plain.Reveal())}
}

func (b *bench) change(do func(*identity.View)) {
	b.Helper()
	if err := b.people.Change(b.Context(), account, func(v *identity.View) error { do(v); return nil }); err != nil {
		b.Fatal(err)
	}
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

// allow is a statement.
func allow(action string, resources ...string) string {
	list, _ := json.Marshal(resources)
	return `{"Effect":"Allow","Action":"` + action + `","Resource":` + string(list) + `}`
}

// put stores an object.
func (b *bench) put(bucket, key, contentType, text string) {
	b.Helper()
	if err := b.store.CreateBucket(b.Context(), bucket); err != nil && !errors.Is(err, blob.ErrBucketExists) {
		b.Fatal(err)
	}
	o := blob.PutOptions{Size: int64(len(text)), Metadata: blob.Metadata{ContentType: contentType, User: map[string]string{"private": "note"}}}
	if _, err := b.store.Put(b.Context(), bucket, key, strings.NewReader(text), o); err != nil {
		b.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request, signed where somebody signs.
func (b *bench) send(method, path string, header map[string]string, body string, who *caller) answer {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	if who != nil {
		sum := sha256.Sum256([]byte(body))
		keys := aws.Credentials{AccessKeyID: who.id, SecretAccessKey: who.secret, SessionToken: who.token}
		if err := v4.NewSigner().SignHTTP(b.Context(), keys, r, hex.EncodeToString(sum[:]), "execute-api", region, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	client := *b.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// speke sends a key request of version 2.0.
func (b *bench) speke(body string, who *caller) answer {
	b.Helper()
	return b.send("POST", "/speke/v2.0/copyProtection", map[string]string{"Content-Type": "application/xml", "X-Speke-Version": "2.0"}, body, who)
}

// token asks for a token, and returns it.
func (b *bench) token(who *caller, ask string) string {
	b.Helper()
	a := b.send("POST", "/player/tokens", nil, ask, who)
	var out struct{ Token string }
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusCreated || out.Token == "" {
		b.Fatalf("got %d %s", a.status, a.body)
	}
	return out.Token
}
