package iamapi_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"darkroom/internal/audit"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/iamapi"
	"darkroom/internal/identity"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

// desk is a bench whose clock is in the test's hands, and whose records, log and trail can be searched. The roots of both accounts have a client.
type desk struct {
	*bench
	records  *sqlite.Store
	dir      string
	stranger *sdk.Client

	mu   sync.Mutex // guards what follows
	now  time.Time
	said bytes.Buffer
}

// Write takes what is logged.
func (d *desk) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.Write(b)
}

// writing writes all records into what was said.
type writing struct{ d *desk }

func (t writing) Audit(_ context.Context, records ...audit.Record) error {
	_, err := fmt.Fprintf(t.d, "%+v\n", records)
	return err
}

func (t writing) Intend(ctx context.Context) error {
	p := audit.From(ctx)
	if p.Sequence() == 0 {
		p.Written(1)
	}
	return t.Audit(ctx, p.Record())
}

func (t writing) Conclude(p *audit.Pending) { _ = t.Audit(context.Background(), p.Record()) }

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) add(pause time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(pause)
}

// newDesk makes one; guardRails bound the account.
func newDesk(t *testing.T, guardRails ...*iam.Policy) *desk {
	t.Helper()
	d := &desk{bench: &bench{T: t}, dir: t.TempDir(), now: time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	if d.records, err = sqlite.Open(filepath.Join(d.dir, "records.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.records.Close() })
	log := slog.New(slog.NewTextHandler(d, &slog.HandlerOptions{Level: slog.LevelDebug}))
	root := func(id string) identity.Root {
		return identity.Root{AccessKeyID: id, SecretAccessKey: secret.New([]byte("secret of " + id))}
	}
	d.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root("AKIAROOT"), GuardRails: guardRails}, {ID: other, Root: root("AKIAOTHER")}},
		Store:    d.records, Master: secret.New(make([]byte, secret.KeySize)), Log: log, Now: d.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	api, err := iamapi.New(iamapi.Options{Directory: d.people, Now: d.clock})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{api}, Default: "iam", Region: region, Identities: gate{d.people}, Log: log,
		Trail: writing{d},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(d.server.Close)
	d.root, d.stranger = d.as("AKIAROOT", "secret of AKIAROOT"), d.as("AKIAOTHER", "secret of AKIAOTHER")
	return d
}

// session returns a client with a session of a role that may do everything.
func (d *desk) session() *sdk.Client {
	d.Helper()
	role := &identity.Entity{
		Kind: identity.Role, ID: identity.NewID(identity.Role), Name: "worker", Path: "/", Trust: document(trustAll), Inline: map[string]string{"p": document(allowAll)},
	}
	if err := d.people.Change(d.Context(), account, func(v *identity.View) error { v.Put(role); return nil }); err != nil {
		d.Fatal(err)
	}
	now := time.Now() // the gateway's
	c, err := d.people.IssueToken(identity.Session{Account: account, Kind: identity.Role, ID: role.ID, Name: "night", Issued: now, Expiry: now.Add(time.Hour)})
	if err != nil {
		d.Fatal(err)
	}
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: aws.String(d.server.URL), HTTPClient: d.server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, string(c.SecretAccessKey.Reveal()), string(c.SessionToken.Reveal())),
	})
}

// generation is how often the identities of the account have changed.
func (d *desk) generation() int64 {
	d.Helper()
	n, err := d.records.Generation(d.Context(), store.Registry{Name: "identities", Account: account})
	if err != nil {
		d.Fatal(err)
	}
	return n
}

// hidden fails if any of the secrets stands in the records, the log or the audit trail.
func (d *desk) hidden(secrets ...string) {
	d.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "*"))
	if err != nil || len(files) == 0 {
		d.Fatal(files, err)
	}
	for _, s := range secrets {
		if len(s) < 20 {
			d.Errorf("%q is no secret", s)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				d.Fatal(err)
			}
			if bytes.Contains(text, []byte(s)) {
				d.Errorf("%s shows a secret", filepath.Base(name))
			}
		}
		d.mu.Lock()
		if bytes.Contains(d.said.Bytes(), []byte(s)) {
			d.Error("the log or the trail shows a secret")
		}
		d.mu.Unlock()
	}
}

// code is the code that a device with a seed in base32 shows at a moment (RFC 6238).
func code(t *testing.T, seed string, now time.Time) string {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, raw)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:])&0x7fffffff%1_000_000)
}
