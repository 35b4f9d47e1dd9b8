package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/smithy-go"

	"darkroom/internal/api"
	"darkroom/internal/audit"
	"darkroom/internal/audit/audittest"
	"darkroom/internal/certificate"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/job"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

const (
	account   = "111122223333"
	region    = "eu-west-1"
	queueARN  = "arn:aws:mediaconvert:eu-west-1:111122223333:queues/Default"
	roleARN   = "arn:aws:iam::111122223333:role/MediaConvert_Default_Role"
	jobsARN   = "arn:aws:mediaconvert:eu-west-1:111122223333:jobs/"
	keySecret = "a secret of forty characters, or so 1234"
)

// start is the time of the tests: each look at the clock is a second later.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// people are the identities: an account's root, a root of another account, and users whose rights, policies of statements, are in the test's hands.
// The one role is the default one.
type people struct {
	users map[string]string
}

func (p people) Find(_ context.Context, id, _ string) (*sigv4.Key, iam.Principal, error) {
	key := &sigv4.Key{Secret: secret.New([]byte(keySecret))}
	switch id {
	case "ROOT":
		return key, iam.Principal{Type: iam.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"}, nil
	case "OTHER":
		return key, iam.Principal{Type: iam.Root, Account: "999988887777", ARN: "arn:aws:iam::999988887777:root"}, nil
	}
	statements, ok := p.users[id]
	if !ok {
		return nil, iam.Principal{}, nil
	}
	who := iam.Principal{Type: iam.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + id, Name: id}
	if statements != "" {
		policy, err := iam.Parse(iam.IdentityPolicy, id, `{"Version":"2012-10-17","Statement":[`+statements+`]}`)
		if err != nil {
			return nil, iam.Principal{}, err
		}
		who.Policies = []*iam.Policy{policy}
	}
	return key, who, nil
}

func (people) Used(string, iam.Principal, string) {}

// CheckJobRole knows roles by their names: Gone, Suspicious and Garbled cannot be had.
func (people) CheckJobRole(_ context.Context, _, role, _ string) error {
	switch _, name, _ := strings.Cut(role, "/"); name {
	case "Gone":
		return identity.ErrNoRole
	case "Suspicious":
		return identity.ErrNotTrusting
	case "Garbled":
		return identity.ErrMalformedRole
	}
	return nil
}

func (people) RoleTags(_ context.Context, _, role string) (map[string]string, error) {
	if strings.HasSuffix(role, "/Tagged") {
		return map[string]string{"team": "films"}, nil
	}
	return nil, nil
}

// fakeQueue keeps jobs in memory, as api.Queue asks, and resources in the real records.
type fakeQueue struct {
	store.Resources
	mu   sync.Mutex
	jobs map[string]*job.Job
	err  error // returned by everything, when set
}

func (f *fakeQueue) Submit(_ context.Context, j *job.Job) (*job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	for _, old := range f.jobs {
		if j.ClientToken != "" && old.ClientToken == j.ClientToken && old.Account == j.Account {
			if old.RequestHash != j.RequestHash {
				return nil, job.ErrTokenReused
			}
			return old, nil
		}
	}
	f.jobs[j.ID] = j
	return j, nil
}

func (f *fakeQueue) Get(_ context.Context, account, id string) (*job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	j, ok := f.jobs[id]
	if !ok || j.Account != account {
		return nil, job.ErrNotFound
	}
	return j, nil
}

func (f *fakeQueue) ByToken(_ context.Context, account, token string) (*job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	for _, j := range f.jobs {
		if j.Account == account && j.ClientToken == token {
			return j, nil
		}
	}
	return nil, job.ErrNotFound
}

func (f *fakeQueue) List(_ context.Context, q job.Query) ([]*job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	var out []*job.Job
	for _, j := range f.jobs {
		if j.Account != q.Account || q.Queue != "" && j.Queue != q.Queue || q.Status != "" && j.Status != q.Status {
			continue
		}
		if q.After == "" || q.Ascending && j.ID > q.After || !q.Ascending && j.ID < q.After {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b *job.Job) int {
		if q.Ascending {
			return strings.Compare(a.ID, b.ID)
		}
		return strings.Compare(b.ID, a.ID)
	})
	return out[:min(q.Limit, len(out))], nil
}

func (f *fakeQueue) ChangeJob(ctx context.Context, account, id string, change func(*job.Job) error) (*job.Job, error) {
	j, err := f.Get(ctx, account, id)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return j, change(j)
}

// records opens empty records.
func records(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (f *fakeQueue) Cancel(ctx context.Context, account, id string) error {
	j, err := f.Get(ctx, account, id)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if j.Status.Final() {
		return job.ErrFinished
	}
	j.Status, j.Finished = job.Canceled, start.Add(time.Hour)
	return nil
}

func (f *fakeQueue) Count(_ context.Context, account, queue string) (job.Counts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var n job.Counts
	for _, j := range f.jobs {
		switch {
		case j.Account != account || j.Queue != queue:
		case j.Status == job.Submitted:
			n.Submitted++
		case j.Status == job.Progressing:
			n.Progressing++
		}
	}
	return n, f.err
}

func (f *fakeQueue) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.jobs)
}

// check stands for the plan: adAvailOffset 7 is invalid and 8 is not offered, -7 is both.
func check(s *types.JobSettings) (invalid, notOffered []plan.Refusal) {
	offset := aws.ToInt32(s.AdAvailOffset)
	if offset == 7 || offset == -7 {
		invalid = []plan.Refusal{{Path: "/adAvailOffset", Reason: "Should be a multiple of 8"}, {Path: "", Reason: "a rule of the whole"}}
	}
	if offset == 8 || offset == -7 {
		notOffered = []plan.Refusal{{Path: "/adAvailOffset", Reason: "ad markers are not carried out"}}
	}
	return invalid, notOffered
}

// bench is the API behind a gateway, with its queue and audit trail at hand.
type bench struct {
	t      *testing.T
	queue  *fakeQueue
	people people
	server *httptest.Server

	trail audittest.Trail
	asked *asked
}

// noProbe finds nothing.
func noProbe(context.Context, iam.Principal, plan.Input, []string) (*plan.Found, error) {
	return nil, job.Errorf(1404, "nothing there")
}

// shelf has the certificates of an account by ARN, and whether each is associated.
type shelf map[string]bool

func (s shelf) Associate(_ context.Context, _, arn string) error {
	if _, ok := s[arn]; !ok {
		return &certificate.Error{Fault: certificate.NotFound, Message: "Could not find certificate " + arn + "."}
	}
	if strings.HasSuffix(arn, "/curve") {
		return &certificate.Error{Fault: certificate.Unsuitable, Message: "not of RSA"}
	}
	s[arn] = true
	return nil
}

func (s shelf) Disassociate(_ context.Context, _, arn string) error {
	if !s[arn] {
		return &certificate.Error{Fault: certificate.NotFound, Message: "not associated"}
	}
	s[arn] = false
	return nil
}

func newBench(t *testing.T, edit func(*api.Options)) *bench {
	t.Helper()
	b := &bench{t: t, queue: &fakeQueue{jobs: make(map[string]*job.Job), Resources: records(t)}, people: people{make(map[string]string)}}
	clock := &ticking{now: start}
	o := api.Options{
		Queue: b.queue, Roles: b.people, Certificates: shelf{}, Check: check, Region: region, TokenKey: secret.New(bytes.Repeat([]byte{1}, api.TokenKeySize)),
		Probe: noProbe, QueueCreated: start.Add(-time.Hour), Now: clock.tick, Random: zeros{},
	}
	if edit != nil {
		edit(&o)
	}
	s, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.asked = &asked{Service: s}
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{b.asked}, Default: "mediaconvert", Region: region, Identities: b.people,
		Trail: &b.trail, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(b.server.Close)
	return b
}

// asked is the service, and remembers what the last operation needs.
type asked struct {
	*api.Service
	mu     sync.Mutex // guards checks
	checks []iam.Check
}

func (a *asked) Resolve(r *http.Request) (*gateway.Operation, error) {
	op, err := a.Service.Resolve(r)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.checks = op.Checks
	}
	return op, err
}

func (a *asked) last() []iam.Check {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.checks
}

// last returns the newest record of the audit trail.
func (b *bench) last() audit.Record {
	all := b.trail.Records()
	return all[len(all)-1]
}

// client is the SDK's client with the key of somebody.
func (b *bench) client(key string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: aws.String(b.server.URL), HTTPClient: b.server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, keySecret, ""),
	})
}

// send signs and sends a request as it stands, and returns the answer and its body.
func (b *bench) send(key, method, path, body string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	c := aws.Credentials{AccessKeyID: key, SecretAccessKey: keySecret}
	if err := v4.NewSigner().SignHTTP(b.t.Context(), c, r, hex.EncodeToString(sum[:]), "mediaconvert", region, time.Now()); err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.server.Client().Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(got)
}

// ticking is a clock that goes on by a second at each look.
type ticking struct {
	mu  sync.Mutex
	now time.Time
}

func (c *ticking) tick() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// exception returns the name and message of an error of the SDK.
func exception(err error) (name, message string) {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode(), e.ErrorMessage()
	}
	return "", ""
}

// newJob is the smallest request that is taken.
func newJob() *sdk.CreateJobInput {
	return &sdk.CreateJobInput{
		Role: aws.String(roleARN), Settings: &types.JobSettings{Inputs: []types.Input{{FileInput: aws.String("s3://bucket/film.mp4")}}},
	}
}
