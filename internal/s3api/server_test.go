package s3api_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/internal/audit/audittest"
	"darkroom/internal/blob"
	"darkroom/internal/blob/blobtest"
	"darkroom/internal/blob/dir"
	"darkroom/internal/blob/s3"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/s3api"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

const (
	account    = "111122223333"
	region     = "eu-test-1"
	rootID     = "AKIAROOT"
	userID     = "AKIAUSER"
	strictID   = "AKIASTRICT"   // a user who must encrypt with one key
	stranger   = "999988887777" // another account
	strangerID = "AKIASTRANGER"
	testSecret = "a secret of forty characters, or so 1234"
)

// people are the root, and a user who may read below shared/ of every bucket.
type people struct{}

func (people) Find(_ context.Context, id, _ string) (*sigv4.Key, iam.Principal, error) {
	key := &sigv4.Key{Secret: secret.New([]byte(testSecret))}
	switch id {
	case rootID:
		return key, iam.Principal{Type: iam.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", AccessKeyID: id}, nil
	case strangerID:
		return key, iam.Principal{Type: iam.Root, Account: stranger, ARN: "arn:aws:iam::" + stranger + ":root", AccessKeyID: id}, nil
	case userID:
		policy, err := iam.Parse(iam.IdentityPolicy, "test", `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::*/shared/*"},
			{"Effect":"Allow","Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::*/own/*"}]}`)
		return key, iam.Principal{Type: iam.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/ann", AccessKeyID: id, Policies: []*iam.Policy{policy}}, err
	}
	if id == strictID {
		policy, err := iam.Parse(iam.IdentityPolicy, "test", `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}},
			{"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"`+blobtest.OtherKey+`"}}},
			{"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"false"}}}]}`)
		return key, iam.Principal{Type: iam.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/strict", AccessKeyID: id, Policies: []*iam.Policy{policy}}, err
	}
	return nil, iam.Principal{}, nil
}

func (people) Used(string, iam.Principal, string) {}

// stores gives the account its store; another account has none.
func stores(s blob.Store) func(string) (blob.Store, error) {
	return func(owner string) (blob.Store, error) {
		if owner != account {
			return nil, errors.New("the account has no store")
		}
		return s, nil
	}
}

// peer is a server of the API over an encrypted directory, and its clients.
type peer struct {
	*httptest.Server
	store   blob.Store
	keys    *blobtest.Keys
	gateway *gateway.Gateway
}

func (p *peer) root() *awss3.Client { return p.client(rootID) }

// client is the SDK's own client with its defaults: checksums for everything, trailers over TLS.
func (p *peer) client(id string, change ...func(*awss3.Options)) *awss3.Client {
	o := awss3.Options{
		Region: region, BaseEndpoint: aws.String(p.URL), UsePathStyle: true, HTTPClient: p.Client(), RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Credentials: credentials.NewStaticCredentialsProvider(id, testSecret, ""),
	}
	for _, c := range change {
		c(&o)
	}
	return awss3.New(o)
}

// newPeer starts a server. The store may be wrapped.
func newPeer(t testing.TB, wrap func(blob.Store) blob.Store) *peer {
	t.Helper()
	key := make([]byte, secret.KeySize)
	var store blob.Store
	keys := blobtest.NewKeys()
	embedded, err := dir.Open(dir.Options{Dir: t.TempDir(), Key: secret.New(key), Random: rand.Reader, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	store = embedded
	if wrap != nil {
		store = wrap(store)
	}
	service, err := s3api.New(s3api.Options{Stores: stores(store), Region: region, Domains: []string{"objects.test"}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{service}, Default: "s3", Region: region, Identities: people{},
		Trail: new(audittest.Trail),
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(g.Handler())
	server.Config = gateway.NewServer(g.Handler(), nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	server.Config.Protocols, server.EnableHTTP2 = nil, true // as the worker reaches it; the end-to-end tests go over HTTP/1.1
	server.StartTLS()
	t.Cleanup(func() {
		server.Close()
		if err := embedded.Close(); err != nil {
			t.Error(err)
		}
	})
	return &peer{server, store, keys, g}
}

// TestConformance runs the suite of stores through everything: the client driver, TLS, signatures, the API, the encrypted directory.
func TestConformance(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	store, err := s3.New(s3.Options{
		Endpoint: p.URL, Region: region, PathStyle: true, Client: p.Client(),
		Credentials: func(context.Context) (s3.Credentials, error) {
			return s3.Credentials{AccessKeyID: rootID, SecretAccessKey: secret.New([]byte(testSecret))}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	blobtest.Run(t, blobtest.Target{Store: store})
}

func TestNewNeeds(t *testing.T) {
	t.Parallel()
	for _, o := range []s3api.Options{{}, {Region: "r"}, {Stores: stores(nil)}} {
		if _, err := s3api.New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// roleless is a store whose endpoint has trouble with the caller's role.
type roleless struct{ blob.Store }

const roleTrouble = "The role r has a problem at the object store's endpoint h: no."

func (roleless) Head(context.Context, string, string, blob.Conditions) (blob.Info, error) {
	return blob.Info{}, fmt.Errorf("head object: %w", &blob.RoleError{Message: roleTrouble})
}

func (roleless) Get(context.Context, string, string, *blob.Range, blob.Conditions) (*blob.Object, error) {
	return nil, fmt.Errorf("get object: %w", &blob.RoleError{Message: roleTrouble})
}

// TestRoleErrors: what is wrong with a role is told to the worker alone, which believes it of the control plane alone.
func TestRoleErrors(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(s blob.Store) blob.Store { return roleless{s} })
	inside := httptest.NewServer(p.gateway.InternalHandler())
	t.Cleanup(inside.Close)
	for _, tt := range []struct {
		name              string
		server            *httptest.Server
		asWorker, message bool
	}{
		{"worker", inside, true, true},
		{"inside, but no worker's client", inside, false, false},
		{"outside", p.Server, true, false},
	} {
		store, err := s3.New(s3.Options{
			Endpoint: tt.server.URL, Region: region, PathStyle: true, Client: tt.server.Client(), RoleErrors: tt.asWorker,
			Credentials: func(context.Context) (s3.Credentials, error) {
				return s3.Credentials{AccessKeyID: rootID, SecretAccessKey: secret.New([]byte(testSecret))}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, head := store.Head(t.Context(), "films", "k", blob.Conditions{})
		_, get := store.Get(t.Context(), "films", "k", nil, blob.Conditions{})
		for _, err := range []error{head, get} {
			var role *blob.RoleError
			if !errors.Is(err, blob.ErrAccessDenied) || errors.As(err, &role) != tt.message || tt.message && role.Message != roleTrouble {
				t.Errorf("%s: got %v", tt.name, err)
			}
			if !tt.message && strings.Contains(err.Error(), "endpoint h") {
				t.Errorf("%s: got %v, want nothing of the endpoint", tt.name, err)
			}
		}
	}
}
