package lifecycleapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/audit"
	"darkroom/internal/audit/audittest"
	"darkroom/internal/backup"
	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/lifecycle"
	"darkroom/internal/lifecycleapi"
	"darkroom/internal/secret"
	"darkroom/internal/signer"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
)

// bench is the API behind a gateway.
type bench struct {
	*testing.T
	server *httptest.Server
	backup func(w io.Writer) error // what a backup does
	shred  error
}

type gate struct{ *identity.Directory }

func (g gate) Used(string, iam.Principal, string) {}

func newBench(t *testing.T) *bench {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	master := secret.New(make([]byte, secret.KeySize))
	root := func(id string) identity.Root {
		return identity.Root{AccessKeyID: id, SecretAccessKey: secret.New([]byte("secret of " + id))}
	}
	people, err := identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root("AKIAROOT")}, {ID: other, Root: root("AKIAOTHER")}}, Store: records, Master: master, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	holds := new(lifecycle.Holds)
	stores := map[string]blob.Store{}
	for _, a := range []string{account, other} {
		s, err := dir.Open(dir.Options{Dir: t.TempDir(), Key: master, Random: rand.Reader, Holds: holds.Of(a)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		stores[a] = s
	}
	if err := holds.Open(t.Context(), records, stores, nil); err != nil {
		t.Fatal(err)
	}
	signing, err := signer.New(t.Context(), signer.Options{Account: account, Store: records, Master: master, Random: rand.Reader, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t}
	api, err := lifecycleapi.New(lifecycleapi.Options{
		Account: account, Region: region, Holds: holds, Keys: signing.Keys, Now: time.Now,
		Shred: func(_ context.Context, o lifecycle.Order) (lifecycle.Shredded, error) {
			return lifecycle.Shredded{Objects: []string{"s3://" + o.Place.Bucket + "/" + o.Place.Prefix}, Certificate: []byte("{}"), Err: b.shred}, nil
		},
		Backup: func(_ context.Context, w io.Writer, id string) (backup.End, error) {
			return backup.End{Files: 1}, b.backup(w)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{api}, Default: lifecycleapi.Name, Region: region, Identities: gate{people}, Log: slog.New(slog.DiscardHandler), Trail: new(audittest.Trail),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(b.server.Close)
	return b
}

// call calls an operation as somebody and returns status, answer and whether the answer came whole.
func (b *bench) call(who, operation, body string) (int, string, error) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.server.URL+"/", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", lifecycleapi.Target+"."+operation)
	if who != "" {
		sum := sha256.Sum256([]byte(body))
		if err := v4.NewSigner().SignHTTP(b.Context(), aws.Credentials{AccessKeyID: who, SecretAccessKey: "secret of " + who}, r, hex.EncodeToString(sum[:]), lifecycleapi.Name, region, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	resp, err := b.server.Client().Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.backup = func(w io.Writer) error { _, err := io.WriteString(w, "archive"); return err }
	long := strings.Repeat("x", 2000)
	for _, tt := range []struct{ name, who, operation, body, says string }{
		{"not signed", "", "ListHolds", "{}", "MissingAuthenticationTokenException"},
		{"a backup by another account", "AKIAOTHER", "CreateBackup", "{}", "AccessDeniedException"},
		{"the end of one by another account", "AKIAOTHER", "CompleteBackup", "{}", "AccessDeniedException"},
		{"no such operation", "AKIAROOT", "DropEverything", "{}", "UnknownOperationException"},
		{"a backup with a member", "AKIAROOT", "CreateBackup", `{"Fast":true}`, "SerializationException"},
		{"a hold without a reason", "AKIAROOT", "AddHold", `{"On":"records"}`, "ValidationException"},
		{"a hold on nothing", "AKIAROOT", "AddHold", `{"Reason":"r"}`, "ValidationException"},
		{"a hold with a long reason", "AKIAROOT", "AddHold", `{"On":"records","Reason":"` + long + `"}`, "ValidationException"},
		{"a hold on a member that there is not", "AKIAROOT", "AddHold", `{"On":"records","Reason":"r","Until":"2031"}`, "SerializationException"},
		{"a release without a reason", "AKIAROOT", "ReleaseHold", `{"HoldId":"x"}`, "ValidationException"},
		{"a release of nothing", "AKIAROOT", "ReleaseHold", `{"HoldId":"x","Reason":"r"}`, "ResourceNotFoundException"},
		{"destruction of nothing", "AKIAROOT", "Shred", `{"Reason":"r"}`, "ValidationException"},
		{"destruction of a job and a bucket", "AKIAROOT", "Shred", `{"Reason":"r","JobId":"j","Bucket":"b"}`, "ValidationException"},
		{"destruction of a prefix of no bucket", "AKIAROOT", "Shred", `{"Reason":"r","JobId":"j","Prefix":"b"}`, "ValidationException"},
		{"destruction without a reason", "AKIAROOT", "Shred", `{"Bucket":"b"}`, "ValidationException"},
		{"the end of no backup", "AKIAROOT", "CompleteBackup", `{"BackupId":"x"}`, "ValidationException"},
		{"no JSON", "AKIAROOT", "ListHolds", `{`, "SerializationException"},
	} {
		if status, text, _ := b.call(tt.who, tt.operation, tt.body); status < 400 || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %d %s, want %s", tt.name, status, text, tt.says)
		}
	}
}

// TestAccounts: the holds of an account are nobody else's.
func TestAccounts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	status, text, _ := b.call("AKIAROOT", "AddHold", `{"On":"objects","Target":"films/","Reason":"case 7"}`)
	if status != 200 || !strings.Contains(text, `"By":"arn:aws:iam::`+account+`:root"`) {
		t.Fatalf("%d %s", status, text)
	}
	id := text[strings.Index(text, "hold-"):][:len("hold-")+16]
	if _, text, _ := b.call("AKIAROOT", "ListHolds", "{}"); !strings.Contains(text, id) {
		t.Errorf("list: %s", text)
	}
	if _, text, _ := b.call("AKIAOTHER", "ListHolds", "{}"); strings.Contains(text, id) {
		t.Errorf("another account lists %s", text)
	}
	if status, text, _ := b.call("AKIAOTHER", "ReleaseHold", `{"HoldId":"`+id+`","Reason":"r"}`); status != 400 {
		t.Errorf("another account released it: %s", text)
	}
	if status, text, _ := b.call("AKIAROOT", "ReleaseHold", `{"HoldId":"`+id+`","Reason":"r"}`); status != 200 {
		t.Errorf("release: %d %s", status, text)
	}
	if status, text, _ := b.call("AKIAOTHER", "ListSigningKeys", "{}"); status != 200 || !strings.Contains(text, "BEGIN PUBLIC KEY") || strings.Contains(text, "PRIVATE") {
		t.Errorf("keys: %d %s", status, text)
	}
}

// TestBackup: an archive that cannot be brought to its end is cut off, so that nobody takes it for whole.
func TestBackup(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.backup = func(w io.Writer) error { _, err := io.WriteString(w, "archive"); return err }
	if status, text, err := b.call("AKIAROOT", "CreateBackup", "{}"); status != 200 || text != "archive" || err != nil {
		t.Errorf("%d %s %v", status, text, err)
	}
	b.backup = func(io.Writer) error { return fmt.Errorf("freeze: %w", backup.ErrUnderWay) }
	if status, text, _ := b.call("AKIAROOT", "CreateBackup", "{}"); status != 400 || !strings.Contains(text, "ConflictException") {
		t.Errorf("while there is one: %d %s", status, text)
	}
	b.backup = func(w io.Writer) error {
		_, err := w.Write(bytes.Repeat([]byte("x"), 1<<20))
		return errors.Join(err, errors.New("the disk is full"))
	}
	if _, text, err := b.call("AKIAROOT", "CreateBackup", "{}"); err == nil {
		t.Errorf("one that broke came whole: %d bytes", len(text))
	}
	id := audit.NewID()
	if status, text, _ := b.call("AKIAROOT", "CompleteBackup", `{"BackupId":"`+id+`","ManifestSHA256":"`+strings.Repeat("a", 64)+`","Recipients":"age1"}`); status != 200 {
		t.Errorf("the end of one: %d %s", status, text)
	}
}

// TestShred: what was destroyed is certified though not all was, and what went wrong inside is not shown.
func TestShred(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.shred = errors.New("secret path of the disk")
	status, text, _ := b.call("AKIAROOT", "Shred", `{"Bucket":"films","Prefix":"a","Reason":"r"}`)
	if status != 200 || !strings.Contains(text, `"Failure":"Not all could be destroyed."`) || strings.Contains(text, "secret path") || !strings.Contains(text, "Certificate") {
		t.Errorf("%d %s", status, text)
	}
	b.shred = &lifecycle.Error{Fault: lifecycle.Conflict, Message: "A backup is being made."}
	if _, text, _ := b.call("AKIAROOT", "Shred", `{"Bucket":"films","Reason":"r"}`); !strings.Contains(text, "Not all could be destroyed. ConflictException: A backup is being made.") {
		t.Errorf("%s", text)
	}
}
