package stsapi_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"darkroom/internal/audit/audittest"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/oidc"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/stsapi"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "eu-west-1"
)

// bench is the API behind a gateway, over real records, with the SDK's own clients.
type bench struct {
	*testing.T
	people *identity.Directory
	server *httptest.Server
	mu     sync.Mutex
	claims map[string]oidc.Claims // by token
}

// gate lets the gateway find people.
type gate struct{ *identity.Directory }

func (gate) Used(string, iam.Principal, string) {}

func newBench(t *testing.T) *bench {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	b := &bench{T: t, claims: make(map[string]oidc.Claims)}
	root := func(id string) identity.Root {
		return identity.Root{AccessKeyID: id, SecretAccessKey: secret.New([]byte("secret of " + id))}
	}
	b.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root("AKIAROOT")}, {ID: other, Root: root("AKIAOTHER")}},
		Store:    records, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	api, err := stsapi.New(stsapi.Options{
		Directory: b.people, Verify: b.verify,
		Explain: func(account, encoded string) (string, bool) { return "why " + account, encoded == "good" },
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{api}, Default: "sts", Region: region, Identities: gate{b.people}, Log: slog.New(slog.DiscardHandler),
		Trail: new(audittest.Trail),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(b.server.Close)
	return b
}

// verify stands for the verification of tokens, which has tests of its own: a token is one that the test knows, or the name of what is wrong.
func (b *bench) verify(_ context.Context, issuer string, audiences []string, token string) (oidc.Claims, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.claims[token]; ok && c.Issuer == issuer {
		return c, nil
	}
	for _, known := range []error{oidc.ErrUnreachable, oidc.ErrExpired, oidc.ErrAudience} {
		if strings.HasSuffix(token, "."+base64.RawURLEncoding.EncodeToString([]byte(known.Error()))) {
			return oidc.Claims{}, known
		}
	}
	return oidc.Claims{}, oidc.ErrInvalid
}

// change changes who there is in the account.
func (b *bench) change(do func(v *identity.View)) {
	b.Helper()
	if err := b.people.Change(b.Context(), account, func(v *identity.View) error { do(v); return nil }); err != nil {
		b.Fatal(err)
	}
}

// key is a pair of a caller, with a token for sessions.
type key struct{ id, secret, token string }

var rootKey = key{id: "AKIAROOT", secret: "secret of AKIAROOT"}

// user makes a user whose inline policy has some statements, and a key.
func (b *bench) user(name, statements string) (*identity.Entity, key) {
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
	return u, key{id: k.ID, secret: string(plain.Reveal())}
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

// role makes a role with a trust policy of some statements.
func (b *bench) role(name, trust string, edit func(*identity.Entity)) string {
	b.Helper()
	r := &identity.Entity{Kind: identity.Role, ID: identity.NewID(identity.Role), Name: name, Path: "/", Trust: document(trust), MaxDuration: time.Hour}
	if edit != nil {
		edit(r)
	}
	b.change(func(v *identity.View) {
		p, err := iam.Parse(iam.TrustPolicy, name, r.Trust)
		if err != nil {
			b.Fatal(err)
		}
		r.TrustedIDs, _ = v.TrustedIDs(p)
		v.Put(r)
	})
	return r.ARN(account)
}

// as returns a client of a caller.
func (b *bench) as(k key) *sts.Client {
	return sts.New(sts.Options{
		Region: region, BaseEndpoint: aws.String(b.server.URL), HTTPClient: b.server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.id, k.secret, k.token),
	})
}

// identity asks who a key is.
func (b *bench) identity(k key) (string, error) {
	out, err := b.as(k).GetCallerIdentity(b.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return *out.Arn, nil
}

// refused wants an error of a code whose message has a text.
func refused(t *testing.T, name string, err error, code, says string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), says) {
		t.Errorf("%s: got %v, want %s with %q", name, err, code, says)
	}
}
