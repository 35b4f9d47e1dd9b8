package keys_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keys"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
	s3      = "s3." + region + ".amazonaws.com"
)

// bench is a key service over real records, with a clock that the test sets.
type bench struct {
	*testing.T
	*keys.Service
	records *sqlite.Store
	path    string // of the records
	people  *identity.Directory
	said    chan string // messages of the log

	mu    sync.Mutex // guards what follows
	now   time.Time
	uses  []keys.Use
	unfit error // what recording a use fails with
}

func newBench(t *testing.T) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records.db")
	records, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	b := &bench{T: t, path: path, records: records, said: make(chan string, 100), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	b.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account}, {ID: other}}, Store: records, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler), Now: b.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Service = b.again(make([]byte, secret.KeySize))
	return b
}

// listener hears what is logged.
type listener struct {
	slog.Handler
	said chan string
}

func (listener) Enabled(context.Context, slog.Level) bool { return true }

func (l listener) Handle(_ context.Context, r slog.Record) error {
	l.said <- r.Message
	return nil
}

// again opens another key service over the same records.
func (b *bench) again(master []byte) *keys.Service {
	b.Helper()
	s, err := keys.New(keys.Options{
		Region: region, Accounts: []string{account, other}, Store: b.records, People: b.people, Master: secret.New(master), Log: slog.New(listener{slog.DiscardHandler, b.said}), Now: b.clock,
		Used: func(_ context.Context, u keys.Use) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.unfit == nil {
				b.uses = append(b.uses, u)
			}
			return b.unfit
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// root is the account's root.
func root() iam.Principal {
	return iam.Principal{Type: iam.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
}

// user makes a user with an inline policy of some statements.
func (b *bench) user(name, statements string) iam.Principal {
	b.Helper()
	e := &identity.Entity{Kind: identity.User, ID: identity.NewID(identity.User), Name: name, Path: "/"}
	if statements != "" {
		e.Inline = map[string]string{"p": document(statements)}
	}
	return b.entity(e)
}

// role makes a role, and a session of it.
func (b *bench) role(name, statements string) iam.Principal {
	b.Helper()
	e := &identity.Entity{Kind: identity.Role, ID: identity.NewID(identity.Role), Name: name, Path: "/", Trust: document(`{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}`)}
	if statements != "" {
		e.Inline = map[string]string{"p": document(statements)}
	}
	p := b.entity(e)
	p.ARN = "arn:aws:sts::" + account + ":assumed-role/" + name + "/s1"
	p.UserID = p.RoleID + ":s1"
	return p
}

func (b *bench) entity(e *identity.Entity) (p iam.Principal) {
	b.Helper()
	if err := b.people.Change(b.Context(), account, func(v *identity.View) error { v.Put(e); return nil }); err != nil {
		b.Fatal(err)
	}
	v, err := b.people.View(b.Context(), account)
	if err != nil {
		b.Fatal(err)
	}
	return v.Principal(v.ByID(e.Kind, e.ID))
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

const (
	allowAll = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	delegate = `{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}`
)

// key makes a key with a policy; empty for the default one.
func (b *bench) key(policy string) *keys.Key {
	b.Helper()
	k, _, err := b.Account(account).Create(b.Context(), &keys.NewKey{Policy: policy, By: &keys.Author{Principal: root(), Bypass: true}})
	if err != nil {
		b.Fatal(err)
	}
	return k
}

func keyARN(k *keys.Key) string { return "arn:aws:kms:" + region + ":" + account + ":key/" + k.ID }

func (b *bench) call(p iam.Principal) *keys.Call {
	return &keys.Call{Principal: p, Via: s3, Now: b.clock()}
}

// may says whether a caller is let in to do something.
func (b *bench) may(p iam.Principal, q *keys.Question) bool {
	b.Helper()
	_, c, err := b.Check(b.Context(), &p, q)
	if err != nil {
		b.Fatal(err)
	}
	return iam.Authorize(&iam.Request{Principal: p, Check: c, Now: b.clock()}).Allowed()
}

// must fails the test where there is an error.
func must[T any](out T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// ok fails the test where there is an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused wants an error of a code whose message has a text.
func refused(t testing.TB, name string, err error, code, says string) {
	t.Helper()
	var e *keys.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, says) {
		t.Errorf("%s: got %v, want %s with %q", name, err, code, says)
	}
}

// denied wants a denial.
func denied(t testing.TB, name string, err error) {
	t.Helper()
	var d *iam.Denied
	if !errors.As(err, &d) {
		t.Errorf("%s: got %v, want a denial", name, err)
	}
}

// is drops the result of a call.
func is[T any](_ T, err error) error { return err }

func bytesOf(s string) secret.Bytes { return secret.New([]byte(s)) }
