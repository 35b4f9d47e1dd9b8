package workerapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/secret"
)

// control is a control plane whose answers a test sets.
type control struct {
	lease.Control
	probe   *lease.Probe
	probed  lease.Probed
	dialled []lease.Dial
	claim   func(ctx context.Context, worker string) (*lease.Lease, error)
	wait    func(ctx context.Context) error
	got     lease.Progress
	result  lease.Result
	keys    []cenc.Protection
	failing error
}

func (c *control) Claim(ctx context.Context, worker string) (*lease.Lease, error) {
	return c.claim(ctx, worker)
}

func (c *control) Wait(ctx context.Context, _ *lease.Lease) error { return c.wait(ctx) }

func (c *control) Report(_ context.Context, l *lease.Lease, p lease.Progress) (time.Time, error) {
	c.got = p
	if l.TaskID != "t1" || l.Epoch != 7 {
		return time.Time{}, lease.ErrLost
	}
	return time.Unix(99, 0).UTC(), c.failing
}

func (c *control) Renew(context.Context, *lease.Lease) (lease.Credentials, error) {
	return lease.Credentials{AccessKeyID: "ASIA", SecretAccessKey: secret.New([]byte("s2")), SessionToken: secret.New([]byte("t2"))}, c.failing
}

func (c *control) ContentKeys(_ context.Context, l *lease.Lease, group int) ([]cenc.Protection, error) {
	switch {
	case l.TaskID != "t1" || l.JobID != "j1" || l.Epoch != 7:
		return nil, lease.ErrLost
	case group == 4:
		return nil, &job.Error{Code: 1091, Message: "Output group 5 has no content keys.", Err: errors.New("read /secret/path")}
	case group == 5:
		return nil, errors.Join(lease.ErrLost, job.Errorf(1433, "gone"))
	}
	return c.keys, c.failing
}

func (c *control) Finish(_ context.Context, _ *lease.Lease, r lease.Result) error {
	c.result = r
	return c.failing
}

func (c *control) NextProbe(context.Context, string) (*lease.Probe, error) { return c.probe, nil }

func (c *control) EndProbe(_ context.Context, id string, p lease.Probed) error {
	if id != "p1" {
		return lease.ErrLost
	}
	c.probed = p
	return nil
}

func (c *control) Dialled(_ context.Context, d lease.Dial) error {
	if d.TaskID != "t1" {
		return lease.ErrLost
	}
	c.dialled = append(c.dialled, d)
	return c.failing
}

func (c *control) Release(context.Context, *lease.Lease) error { return c.failing }

// pair joins a client and a server by a socket pair, as serve and its worker are.
func pair(t *testing.T, c *control, hello Hello, objects http.Handler) (*Client, *http.Transport, func()) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if ends[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, ends[0], Handler(c, c, c, hello, objects, slog.New(slog.DiscardHandler)))
	}()
	tr := Transport(ends[1])
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		tr.CloseIdleConnections()
		_ = ends[1].Close()
	})
	t.Cleanup(stop)
	return NewClient(tr), tr, stop
}

func TestCalls(t *testing.T) {
	t.Parallel()
	want := &lease.Lease{
		TaskID: "t1", Epoch: 7, JobID: "j1", Account: "000000000000", Settings: json.RawMessage(`{"inputs":[]}`), Attempt: 2,
		Deadline: time.Unix(5, 0).UTC(), Started: time.Unix(4, 0).UTC(), Uploads: []lease.Upload{{Bucket: "b", Key: "k", ID: "u"}},
		Credentials: lease.Credentials{AccessKeyID: "AKIA", SecretAccessKey: secret.New([]byte("sec")), SessionToken: secret.New([]byte("tok")), Expiry: time.Unix(6, 0).UTC()},
	}
	c := &control{
		claim: func(_ context.Context, worker string) (*lease.Lease, error) {
			if worker != "w1" {
				return nil, fmt.Errorf("worker %q", worker)
			}
			return want, nil
		},
		wait: func(context.Context) error { return nil },
	}
	var said string
	client, _, _ := pair(t, c, func(_ context.Context, w string, caps json.RawMessage) (json.RawMessage, error) {
		said = w + string(caps)
		return json.RawMessage(`{"a":1}`), nil
	}, nil)
	ctx := t.Context()
	if welcome, err := client.Hello(ctx, "w1", json.RawMessage(`{"engine":"x"}`)); err != nil || said != `w1{"engine":"x"}` || string(welcome) != `{"a":1}` {
		t.Errorf("Hello: %s, %v, said %q", welcome, err, said)
	}
	c.probe = &lease.Probe{ID: "p1", URI: "https://host/film.mp4", Credentials: want.Credentials}
	c.probe.Credentials.Schemes = []string{"https"}
	probe, err := client.NextProbe(ctx, "w1")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c.probe, probe, cmp.AllowUnexported(secret.Bytes{})); d != "" {
		t.Errorf("probe (-want +got):\n%s", d)
	}
	found := lease.Probed{Found: json.RawMessage(`{"x":2}`)}
	if err := client.EndProbe(ctx, "p1", found); err != nil {
		t.Errorf("EndProbe: %v", err)
	}
	if d := cmp.Diff(found, c.probed); d != "" {
		t.Errorf("probed (-want +got):\n%s", d)
	}
	if err := client.EndProbe(ctx, "p2", found); !errors.Is(err, lease.ErrLost) {
		t.Errorf("EndProbe of another: got %v, want ErrLost", err)
	}
	got, err := client.Claim(ctx, "w1")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(secret.Bytes{})); d != "" {
		t.Errorf("lease (-want +got):\n%s", d)
	}
	p := lease.Progress{Phase: job.Transcoding, Percent: 3, PhasePercent: 4, Uploads: []lease.Upload{{Bucket: "b", Key: "k", ID: "2"}}}
	deadline, err := client.Report(ctx, got, p)
	if err != nil || !deadline.Equal(time.Unix(99, 0)) {
		t.Errorf("Report = %v, %v", deadline, err)
	}
	if d := cmp.Diff(p, c.got); d != "" {
		t.Errorf("progress (-want +got):\n%s", d)
	}
	if creds, err := client.Renew(ctx, got); err != nil || string(creds.SessionToken.Reveal()) != "t2" {
		t.Errorf("Renew: %v", err)
	}
	if err := client.Wait(ctx, got); err != nil {
		t.Errorf("Wait: %v", err)
	}
	dial := lease.Dial{TaskID: "t1", Epoch: 7, Purpose: "input", Host: "media.example", Address: "192.0.2.1:443", Port: 443, Outcome: "intended"}
	if err := client.Dialled(ctx, dial); err != nil {
		t.Errorf("Dialled: %v", err)
	}
	if d := cmp.Diff([]lease.Dial{dial}, c.dialled); d != "" {
		t.Errorf("dialled (-want +got):\n%s", d)
	}
	if err := client.Dialled(ctx, lease.Dial{TaskID: "t2"}); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Dialled for another task: got %v, want ErrLost", err)
	}
	r := lease.Result{Error: &lease.Failure{Code: 1404, Message: "m"}}
	if err := client.Finish(ctx, got, r); err != nil {
		t.Errorf("Finish: %v", err)
	}
	if d := cmp.Diff(r, c.result); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
	if err := client.Release(ctx, got); err != nil {
		t.Errorf("Release: %v", err)
	}
	if _, err := client.Report(ctx, &lease.Lease{TaskID: "t1", Epoch: 6}, p); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Report with a stale epoch: got %v, want ErrLost", err)
	}
	c.failing = errors.New("database on fire at /secret/path")
	if err := client.Dialled(ctx, dial); err == nil {
		t.Error("Dialled of a failing control plane: no error, and the connection would be made")
	}
	err = client.Release(ctx, got)
	if err == nil || errors.Is(err, lease.ErrLost) || strings.Contains(err.Error(), "fire") {
		t.Errorf("Release of a failing control plane: got %v, want an error that shows nothing of the inside", err)
	}
}

// TestContentKeys: keys come as they were given, and why there are none comes as the words for the job.
func TestContentKeys(t *testing.T) {
	t.Parallel()
	fresh := func() []cenc.Protection {
		h := &cenc.HLSKey{Method: "SAMPLE-AES", URI: "skd://a", IV: []byte("0123456789abcdef"), KeyFormat: "f", KeyFormatVersions: "1", KeyID: "0x00"}
		return []cenc.Protection{
			{Key: cenc.Key{ID: cenc.UUID{1, 2, 3}, Value: secret.New([]byte("sixteen bytes ok")), IV: []byte("fedcba9876543210")}, Signals: []cenc.Signal{
				{System: cenc.Widevine, PSSH: []byte{0, 1}, ContentProtection: []byte("<a/>"), Media: h, Master: h}, {System: cenc.PlayReady, Smooth: []byte{2}}, {System: cenc.FairPlay},
			}},
			{Key: cenc.Key{ID: cenc.UUID{4}, Value: secret.New([]byte("another 16 bytes"))}},
		}
	}
	c := &control{keys: fresh()}
	given := c.keys
	client, tr, _ := pair(t, c, nil, http.NotFoundHandler())
	l := &lease.Lease{TaskID: "t1", JobID: "j1", Epoch: 7}
	got, err := client.ContentKeys(t.Context(), l, 3)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fresh(), got, cmp.AllowUnexported(secret.Bytes{})); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	_, err = client.ContentKeys(t.Context(), l, 4)
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Code != 1091 || e.Message != "Output group 5 has no content keys." || strings.Contains(err.Error(), "secret") {
		t.Errorf("a refusal: %v", err)
	}
	for name, call := range map[string]func() error{
		"a stale epoch": func() error {
			_, err := client.ContentKeys(t.Context(), &lease.Lease{TaskID: "t1", JobID: "j1", Epoch: 6}, 3)
			return err
		},
		"a lease that ended meanwhile": func() error { _, err := client.ContentKeys(t.Context(), l, 5); return err },
	} {
		if err := call(); !errors.Is(err, lease.ErrLost) {
			t.Errorf("%s: %v, want ErrLost", name, err)
		}
	}
	c.keys, c.failing = nil, errors.New("database on fire at /secret/path")
	if _, err := client.ContentKeys(t.Context(), l, 3); err == nil || strings.Contains(err.Error(), "fire") {
		t.Errorf("a failing control plane: %v", err)
	}
	c.keys, c.failing = []cenc.Protection{{Key: cenc.Key{ID: cenc.UUID{1}, Value: secret.New([]byte("short"))}}}, nil
	if keys, err := client.ContentKeys(t.Context(), l, 3); err == nil {
		t.Errorf("a key of 5 bytes was taken: %d keys", len(keys))
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+Prefix+callKeys, strings.NewReader(`{"task":{},"group":0,"url":"https://elsewhere"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a worker that says where to ask: got %d, want 400", resp.StatusCode)
	}
	for _, k := range given {
		if string(k.Value.Reveal()) != string(make([]byte, 16)) {
			t.Error("the control plane keeps the keys that it sent")
		}
	}
}

// TestGiveUp: a caller that ends its context ends the call on the other side too.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan struct{})
	c := &control{wait: func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		close(left)
		return ctx.Err()
	}}
	client, _, _ := pair(t, c, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() { answered <- client.Wait(ctx, &lease.Lease{TaskID: "t1"}) }()
	<-entered
	cancel()
	<-left
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: got %v, want context.Canceled", err)
	}
}

// TestPeerGone: when the control plane ends, a waiting call fails and so does every later one.
func TestPeerGone(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	c := &control{wait: func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}}
	client, _, stop := pair(t, c, nil, nil)
	answered := make(chan error, 1)
	go func() { answered <- client.Wait(context.Background(), &lease.Lease{TaskID: "t1"}) }()
	<-entered
	stop()
	if err := <-answered; err == nil || errors.Is(err, lease.ErrLost) {
		t.Errorf("Wait: got %v, want an error of the connection", err)
	}
	if err := client.Release(context.Background(), &lease.Lease{}); err == nil {
		t.Error("Release after the end: no error")
	}
}

// TestEndIsNoAnswer: a call whose context ended, as every one has when the control plane drains, is aborted and not answered: an empty 200
// would tell a waiting worker that its job is over.
func TestEndIsNoAnswer(t *testing.T) {
	t.Parallel()
	c := &control{wait: func(ctx context.Context) error { return ctx.Err() }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, Prefix+callWait, strings.NewReader(`{"task":{"taskId":"t1","epoch":1}}`))
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("got %v and the answer %d %q, want an abort", p, w.Code, w.Body)
		}
	}()
	Handler(c, c, c, nil, nil, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	_, tr, _ := pair(t, &control{}, nil, http.NotFoundHandler())
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"get", http.MethodGet, Prefix + "claim", "", http.StatusMethodNotAllowed},
		{"unknown call", http.MethodPost, Prefix + "explode", "{}", http.StatusNotFound},
		{"empty body", http.MethodPost, Prefix + "release", "", http.StatusBadRequest},
		{"unknown member", http.MethodPost, Prefix + "release", `{"task":{},"x":1}`, http.StatusBadRequest},
		{"trailing data", http.MethodPost, Prefix + "release", `{"task":{}}{}`, http.StatusBadRequest},
		{"too long", http.MethodPost, Prefix + "release", `{"task":{"taskId":"` + strings.Repeat("a", maxBody) + `"}}`, http.StatusBadRequest},
		{"elsewhere", http.MethodPost, "/bucket/key", "", http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := tr.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("status: got %d, want %d", resp.StatusCode, c.status)
			}
		})
	}
}

// TestObjects sends large bodies both ways, several at once, through the one connection.
func TestObjects(t *testing.T) {
	t.Parallel()
	const size, streams = 24 << 20, 4
	objects := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.Copy(w, io.TeeReader(r.Body, h)); err != nil {
			return
		}
	})
	_, tr, _ := pair(t, &control{}, nil, objects)
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() {
			body := bytes.Repeat([]byte{byte(i), 1, 2, 3}, size/4)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/bucket/key", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := tr.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			got, err := io.ReadAll(resp.Body)
			if err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
				t.Errorf("stream %d: %d bytes back, err %v", i, len(got), err)
			}
		})
	}
	all.Wait()
}
