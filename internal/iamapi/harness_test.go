package iamapi_test

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"darkroom/internal/audit/audittest"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/iamapi"
	"darkroom/internal/identity"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
)

// bench is the API behind a gateway, over real records, with the SDK's own client.
type bench struct {
	*testing.T
	people *identity.Directory
	server *httptest.Server
	root   *sdk.Client
	ahead  atomic.Int64 // how far the API's clock is, in nanoseconds
}

// gate lets the gateway find people.
type gate struct{ *identity.Directory }

func (g gate) Used(id string, p iam.Principal, service string) {
	g.Directory.Used(identity.Use{ID: id, Account: p.Account, Time: time.Now(), Service: service, Region: region})
}

func newBench(t *testing.T) *bench {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	root := func(id string) identity.Root {
		return identity.Root{AccessKeyID: id, SecretAccessKey: secret.New([]byte("secret of " + id))}
	}
	b := &bench{T: t}
	b.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root("AKIAROOT")}, {ID: other, Root: root("AKIAOTHER")}},
		Store:    records, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	api, err := iamapi.New(iamapi.Options{Directory: b.people, Now: func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{api}, Default: "iam", Region: region, Identities: gate{b.people}, Log: slog.New(slog.DiscardHandler),
		Trail: new(audittest.Trail),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(b.server.Close)
	b.root = b.as("AKIAROOT", "secret of AKIAROOT")
	return b
}

// as returns a client of whoever has a key.
func (b *bench) as(id, key string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: aws.String(b.server.URL), HTTPClient: b.server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
}

// user makes a user whose inline policy has some statements, and returns a client of theirs.
func (b *bench) user(name, statements string) *sdk.Client {
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
	if err := b.people.Change(b.Context(), account, func(v *identity.View) error { v.Put(u); return nil }); err != nil {
		b.Fatal(err)
	}
	return b.as(k.ID, string(plain.Reveal()))
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

const (
	allowAll = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	trustAll = `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}`
)

// must returns what a call gave, and fails the test where it gave an error.
func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// refused wants an error of a code whose message has a text.
func refused(t *testing.T, name string, err error, code, says string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), says) {
		t.Errorf("%s: got %v, want %s with %q", name, err, code, says)
	}
}

// is drops the output of a call.
func is[T any](_ T, err error) error { return err }
