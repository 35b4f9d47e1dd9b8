package eventsapi_test

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/smithy-go"

	"darkroom/internal/audit/audittest"
	"darkroom/internal/eventbus"
	"darkroom/internal/eventsapi"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/jsonapi"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
	queue   = "arn:aws:sqs:us-east-1:" + account + ":queue"
	role    = "arn:aws:iam::" + account + ":role/r"
)

// bench is the API behind a gateway, over real records, with the SDK's own client.
type bench struct {
	*testing.T
	people  *identity.Directory
	records *sqlite.Store
	api     *jsonapi.Service
	server  *httptest.Server
	root    *sdk.Client
}

// gate lets the gateway find people.
type gate struct{ *identity.Directory }

func (g gate) Used(id string, p iam.Principal, service string) {
	g.Directory.Used(identity.Use{ID: id, Account: p.Account, Time: time.Now(), Service: service, Region: region})
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t}
	var err error
	if b.records, err = sqlite.Open(filepath.Join(t.TempDir(), "records.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.records.Close() })
	master := secret.New(make([]byte, secret.KeySize))
	root := func(id string) identity.Root {
		return identity.Root{AccessKeyID: id, SecretAccessKey: secret.New([]byte("secret of " + id))}
	}
	b.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root("AKIAROOT")}, {ID: other, Root: root("AKIAOTHER")}}, Store: b.records, Master: master, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master, "connections", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bus, err := eventbus.New(eventbus.Options{
		Accounts: []string{account, other}, Region: region, Store: b.records, Sealer: sealer,
		Known: func(_, name string) error {
			switch {
			case name == queue, name == queue+".fifo":
				return nil
			case strings.Contains(name, ":sqs:"):
				return &eventbus.Error{Fault: eventbus.NotFound, Message: "There is no " + name + "."}
			}
			return &eventbus.Error{Fault: eventbus.Invalid, Message: "Targets such as " + name + " are not carried out."}
		},
		Open: func(string, eventbus.Endpoint) (eventbus.Sender, error) {
			return eventbus.Sender{}, errors.New("nothing is sent in these tests")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.api, err = eventsapi.New(eventsapi.Options{Bus: bus, Created: time.Unix(1700000000, 0)}); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{b.api}, Default: "events", Region: region, Identities: gate{b.people}, Log: slog.New(slog.DiscardHandler), Trail: new(audittest.Trail),
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
	u := &identity.Entity{
		Kind: identity.User, ID: identity.NewID(identity.User), Name: name, Path: "/",
		Inline: map[string]string{"p": `{"Version":"2012-10-17","Statement":[` + statements + `]}`},
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

// refused checks a refusal: its code, and what its message says.
func refused(t *testing.T, what string, err error, code, says string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), says) {
		t.Errorf("%s: got %v, want %s with %q", what, err, code, says)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// is gives the error of a call.
func is[T any](_ T, err error) error { return err }
