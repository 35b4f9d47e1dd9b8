package lifecycle

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/hold"
	"darkroom/internal/job"
	"darkroom/internal/provenance"
	"darkroom/internal/secret"
	"darkroom/internal/signer"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/store/storetest"
)

const account = "111122223333" // that of storetest's jobs

var epoch = time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC)

// fixture is an account with records, objects and holds.
type fixture struct {
	t       *testing.T
	records *sqlite.Store
	objects *dir.Store
	holds   *Holds
	signer  *signer.Service
	now     atomic.Int64 // seconds after epoch
}

func (f *fixture) Now() time.Time { return epoch.Add(time.Duration(f.now.Load()) * time.Second) }

func (f *fixture) After(time.Duration) <-chan time.Time { return nil }

func open(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, holds: new(Holds)}
	master := secret.New([]byte(strings.Repeat("m", secret.KeySize)))
	at := t.TempDir()
	var err error
	if f.records, err = sqlite.Open(filepath.Join(at, "records.db")); err != nil {
		t.Fatal(err)
	}
	if f.objects, err = dir.Open(dir.Options{Dir: filepath.Join(at, "objects"), Key: master, Random: rand.Reader, Holds: f.holds.Of(account), Now: f.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(f.records.Close(), f.objects.Close()) })
	if err := f.objects.Delete(t.Context(), "films", "x"); !errors.Is(err, blob.ErrNoSuchBucket) {
		t.Fatal(err)
	}
	if err := f.objects.CreateBucket(t.Context(), "films"); err != nil {
		t.Fatal(err)
	}
	f.put("early", "x")
	if err := f.objects.Delete(t.Context(), "films", "early"); !errors.Is(err, errNotOpen) {
		t.Errorf("before the holds are read: %v", err)
	}
	f.reopen()
	if f.signer, err = signer.New(t.Context(), signer.Options{Account: account, Store: f.records, Master: master, Random: rand.Reader, Now: f.Now}); err != nil {
		t.Fatal(err)
	}
	if err := f.objects.Delete(t.Context(), "films", "early"); err != nil {
		t.Fatal(err)
	}
	return f
}

// reopen reads the holds as a restart does.
func (f *fixture) reopen() {
	f.t.Helper()
	if err := f.holds.Open(f.t.Context(), f.records, map[string]blob.Store{account: f.objects}, []func(){f.objects.Settle}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) put(key, content string) {
	f.t.Helper()
	if _, err := f.objects.Put(f.t.Context(), "films", key, strings.NewReader(content), blob.PutOptions{Size: int64(len(content))}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) hold(on hold.Kind, target string) hold.Hold {
	f.t.Helper()
	h, err := f.holds.Add(f.t.Context(), hold.Hold{Account: account, On: on, Target: target, Reason: "case", By: "arn", Since: f.Now()})
	if err != nil {
		f.t.Fatal(err)
	}
	return h
}

func isHeld(err error) bool {
	_, ok := errors.AsType[*blob.HeldError](err)
	return ok
}

func TestHolds(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.put("a/1", "x")
	h := f.hold(hold.Objects, "films/a/")
	second := f.hold(hold.Objects, "films/a/1")
	if !isHeld(f.objects.Delete(t.Context(), "films", "a/1")) {
		t.Error("deleted under a hold")
	}
	f.reopen()
	if !isHeld(f.objects.Delete(t.Context(), "films", "a/1")) {
		t.Error("deleted under a hold, after a restart")
	}
	for _, id := range []string{h.ID, second.ID} {
		if !isHeld(f.objects.Delete(t.Context(), "films", "a/1")) {
			t.Errorf("deleted though %s is on it", id)
		}
		if _, err := f.holds.Release(t.Context(), account, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.objects.Delete(t.Context(), "films", "a/1"); err != nil {
		t.Error(err)
	}
	var refused *Error
	if _, err := f.holds.Release(t.Context(), account, h.ID); !errors.As(err, &refused) || refused.Fault != NotFound {
		t.Errorf("released twice: %v", err)
	}
	if _, err := f.holds.Add(t.Context(), hold.Hold{Account: account, On: hold.Records}); !errors.As(err, &refused) || refused.Fault != Invalid {
		t.Errorf("without a reason: %v", err)
	}
	if _, err := f.holds.Add(t.Context(), hold.Hold{Account: "999999999999", On: hold.Records, Reason: "x"}); err == nil {
		t.Error("in an account that there is not")
	}
	if _, err := f.holds.List("999999999999"); err == nil {
		t.Error("listed an account that there is not")
	}
}

// TestHoldWhileWriting: a hold that was answered is obeyed by every write that is committed afterwards, however early it began.
func TestHoldWhileWriting(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.put("a", "old")
	body := &held{begun: make(chan struct{}), free: make(chan struct{}), text: strings.NewReader("new")}
	done := make(chan error)
	go func() {
		_, err := f.objects.Put(context.WithoutCancel(t.Context()), "films", "a", body, blob.PutOptions{Size: 3})
		done <- err
	}()
	<-body.begun
	f.hold(hold.Objects, "films/a")
	close(body.free)
	if err := <-done; !isHeld(err) {
		t.Errorf("a write that began before the hold: %v", err)
	}
}

// held is a body that waits.
type held struct {
	begun, free chan struct{}
	text        *strings.Reader
	first       bool
}

func (h *held) Read(p []byte) (int, error) {
	if !h.first {
		h.first = true
		close(h.begun)
		<-h.free
	}
	return h.text.Read(p)
}

// other is a store of somebody else's with objects under keys of the key service.
type other struct {
	blob.Store
	objects map[string]blob.Info
}

func (o *other) List(_ context.Context, _ string, q blob.ListOptions) (blob.Listing, error) {
	var l blob.Listing
	for key := range o.objects {
		if strings.HasPrefix(key, q.Prefix) {
			l.Objects = append(l.Objects, blob.Info{Key: key})
		}
	}
	return l, nil
}

func (o *other) Head(_ context.Context, _, key string, _ blob.Conditions) (blob.Info, error) {
	i, ok := o.objects[key]
	if !ok {
		return i, blob.ErrNoSuchKey
	}
	if i.Encryption.Method == blob.SSEC {
		return i, blob.ErrKeyNeeded
	}
	return i, nil
}

func (o *other) ListBuckets(context.Context) ([]blob.Bucket, error) {
	return []blob.Bucket{{Name: "films"}}, nil
}

func TestKey(t *testing.T) {
	t.Parallel()
	f := open(t)
	under := func(key string) blob.Info {
		return blob.Info{Size: 7, Encryption: blob.Encryption{Method: blob.SSEKMS, KeyID: key}}
	}
	o := &other{objects: map[string]blob.Info{"held/a": under("arn:1"), "free/b": under("arn:2"), "held/c": {Encryption: blob.Encryption{Method: blob.SSEC}}, "free/d": under("arn:1")}}
	if err := f.holds.Open(t.Context(), f.records, map[string]blob.Store{account: o}, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.holds.Key(t.Context(), "arn:1"); err != nil {
		t.Errorf("nothing is held: %v", err)
	}
	f.hold(hold.Objects, "films/held/")
	if !isHeld(f.holds.Key(t.Context(), "arn:1")) {
		t.Error("the key of what is held may be destroyed")
	}
	if err := f.holds.Key(t.Context(), "arn:2"); err != nil {
		t.Errorf("the key of what is not held: %v", err)
	}
	if opened, err := f.holds.OpenedBy(t.Context(), "arn:1"); err != nil || opened.Objects != 2 || opened.Bytes != 14 || len(opened.First) != 2 {
		t.Errorf("opened %+v %v", opened, err)
	}
	if err := new(Holds).Key(t.Context(), "arn:2"); err == nil {
		t.Error("a key may be destroyed before the holds are read")
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	f := open(t)
	bare, err := dir.Open(dir.Options{Dir: t.TempDir(), Key: secret.New([]byte(strings.Repeat("k", secret.KeySize))), Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bare.Close() }()
	if err := bare.CreateBucket(t.Context(), "films"); err != nil {
		t.Fatal(err)
	}
	g := NewGuard(bare, f.holds.Of(account))
	put := func(key string) error {
		_, err := g.Put(t.Context(), "films", key, strings.NewReader("x"), blob.PutOptions{Size: 1})
		return err
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	f.hold(hold.Objects, "films/")
	_, copied := g.Copy(t.Context(), "films", "a", "films", "a", blob.CopyOptions{})
	up, err := g.CreateUpload(t.Context(), "films", "a", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := g.UploadPart(t.Context(), up, 1, strings.NewReader("x"), blob.PutOptions{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, completed := g.CompleteUpload(t.Context(), up, []blob.Part{part}, blob.Conditions{})
	for name, err := range map[string]error{
		"put": put("a"), "copy": copied, "complete": completed, "delete": g.Delete(t.Context(), "films", "a"), "delete a bucket": g.DeleteBucket(t.Context(), "films"),
	} {
		if !isHeld(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := put("new"); err != nil {
		t.Errorf("what is new is no overwriting: %v", err)
	}
}

func record(n int) audit.Record {
	return audit.Record{EventVersion: audit.Version, EventTime: epoch.AddDate(0, 0, n), EventID: fmt.Sprint(n), RecipientAccountID: account, EventName: "x", EventSource: "s3.amazonaws.com"}
}

// TestRetention: each kind goes by its own age; audit records not before everybody has them; what is held stays; one record tells of it, and none where nothing
// was done.
func TestRetention(t *testing.T) {
	t.Parallel()
	f := open(t)
	const day = 24 * time.Hour
	for n := range 10 {
		if err := f.records.Audit(t.Context(), record(n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 2 {
		j := storetest.Job(n)
		if _, err := f.records.Submit(t.Context(), j, epoch); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := f.records.Cancel(t.Context(), account, j.ID, epoch); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"held/a", "free/b"} {
		if _, err := f.objects.CreateUpload(t.Context(), "films", key, blob.UploadOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	f.hold(hold.Job, storetest.Job(0).ID)
	f.hold(hold.Objects, "films/held/")
	delivered := int64(0)
	var unknown error
	r := NewRetention(RetentionOptions{
		Store: f.records, Uploads: map[string]blob.Store{account: f.objects}, Holds: f.holds, Clock: f, Log: slog.New(slog.DiscardHandler),
		Delivered: []func(context.Context) (int64, error){
			func(context.Context) (int64, error) { return 100, nil },
			func(context.Context) (int64, error) { return delivered, unknown },
		},
		KeepJobs: 10 * day, KeepRecords: 20 * day, KeepUploads: 10 * day,
		Record: func(action string) audit.Record {
			r := record(1000)
			r.EventName, r.EventID = action, audit.NewID()
			return r
		},
	})
	told := func() int {
		t.Helper()
		if err := f.records.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := f.records.Find(t.Context(), audit.Query{Account: account, Name: "RetentionApplied", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	apply := func(days int, want Applied, records int) {
		t.Helper()
		f.now.Store(int64(days) * 86400)
		got, err := r.Apply(t.Context())
		if err != nil || got != want {
			t.Errorf("on day %d: %+v %v, want %+v", days, got, err, want)
		}
		if n := told(); n != records {
			t.Errorf("on day %d: %d records, want %d", days, n, records)
		}
	}
	apply(5, Applied{}, 0)
	events := len(must(f.records.Events(t.Context(), 0, 100)))
	apply(11, Applied{Jobs: 1, Uploads: 1}, 1)
	if now := len(must(f.records.Events(t.Context(), 0, 100))); now != events || events == 0 {
		t.Errorf("%d events wait to be delivered, want %d: they are not retention's", now, events)
	}
	apply(11, Applied{}, 1)
	apply(25, Applied{}, 1) // the records are old enough, and nobody has them
	delivered = 3
	apply(25, Applied{AuditRecords: 3}, 2)
	unknown = errors.New("the trail does not answer")
	if got, err := r.Apply(t.Context()); !errors.Is(err, unknown) || got.AuditRecords != 0 {
		t.Errorf("when it is not known what was delivered: %+v %v", got, err)
	}
	unknown, delivered = nil, 100
	apply(25, Applied{AuditRecords: 2}, 3)
	if _, err := f.records.Get(t.Context(), account, storetest.Job(0).ID); err != nil {
		t.Errorf("the job that is held: %v", err)
	}
	if left, err := f.objects.ListUploads(t.Context(), "films", ""); err != nil || len(left) != 1 || left[0].Key != "held/a" {
		t.Errorf("uploads left: %v %v", left, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ended); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (f *fixture) shredder(outputs ...Place) *Shredder {
	return NewShredder(ShredderOptions{
		Objects: map[string]Destroyer{account: f.objects}, Holds: f.holds, Signer: f.signer, Jobs: f.records, Now: f.Now,
		Outputs: func(*job.Job) ([]Place, error) { return outputs, nil },
	})
}

func (f *fixture) certificate(text []byte) (c Certificate, s *provenance.Statement) {
	f.t.Helper()
	e, err := provenance.ParseEnvelope(text)
	if err != nil {
		f.t.Fatal(err)
	}
	keys := must(provenance.ParseKeys([]byte(f.signer.PEM())))
	payload, _, err := e.Verify(provenance.PayloadType, []*ecdsa.PublicKey{keys[0]})
	if err != nil {
		f.t.Fatal(err)
	}
	if s, err = provenance.ParseStatement(payload, provenance.DestructionPredicate); err != nil {
		f.t.Fatal(err)
	}
	if err := json.Unmarshal(s.Predicate, &c); err != nil {
		f.t.Fatal(err)
	}
	return c, s
}

func TestShred(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, key := range []string{"a/1", "a/2", "b/1"} {
		f.put(key, "film "+key)
	}
	if _, err := f.objects.Copy(t.Context(), "films", "a/1", "films", "b/copy", blob.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	s := f.shredder()
	order := Order{Account: account, Place: Place{"films", "a/"}, By: "arn:by", RequestID: "r", Reason: "why"}
	refused := func(name string, o Order, fault Fault) {
		t.Helper()
		out, err := s.Shred(t.Context(), o)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Fault != fault || out.Certificate != nil {
			t.Errorf("%s: %+v %v", name, out, err)
		}
	}
	refused("nothing is there", Order{Account: account, Place: Place{"films", "none"}}, NotFound)
	refused("no bucket", Order{Account: account, Place: Place{"none", ""}}, NotFound)
	refused("another account", Order{Account: "999999999999", Place: order.Place}, Invalid)
	refused("no job", Order{Account: account, Job: "none"}, NotFound)
	h := f.hold(hold.Objects, "films/a/2")
	if out, err := s.Shred(t.Context(), order); !isHeld(err) || len(out.Objects) > 0 {
		t.Errorf("a part is held: %+v %v", out, err)
	}
	if _, err := f.objects.Head(t.Context(), "films", "a/1", blob.Conditions{}); err != nil {
		t.Errorf("what is not held was destroyed, though a part is: %v", err)
	}
	must(f.holds.Release(t.Context(), account, h.ID))
	dry := order
	dry.DryRun = true
	if out, err := s.Shred(t.Context(), dry); err != nil || len(out.Objects) != 2 || out.Certificate != nil {
		t.Errorf("dry run: %+v %v", out, err)
	}
	frozen, err := dir.Freeze([]*dir.Store{f.objects}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.Shred(t.Context(), order); err == nil || len(out.Objects) > 0 || !strings.Contains(err.Error(), "A backup is being made") {
		t.Errorf("while a backup is made: %+v %v", out, err)
	}
	if err := frozen[0].Close(); err != nil {
		t.Fatal(err)
	}
	out, err := s.Shred(t.Context(), order)
	if err != nil || out.Err != nil || len(out.Objects) != 2 {
		t.Fatalf("%+v %v", out, err)
	}
	c, st := f.certificate(out.Certificate)
	if !c.Complete || c.Objects != 2 || c.Bytes != 16 || c.By != "arn:by" || c.Reason != "why" || len(c.NotCovered) == 0 || len(st.Subject) != 2 ||
		fmt.Sprint(c.StillReadable) != "[s3://films/a/1]" {
		t.Errorf("certificate %+v", c)
	}
	if _, err := f.objects.Head(t.Context(), "films", "b/1", blob.Conditions{}); err != nil {
		t.Errorf("what was not asked for: %v", err)
	}
}

// crowded is a store with so many objects in every bucket, which were written just now.
type crowded struct {
	Destroyer
	n   int
	now time.Time
}

func (c crowded) List(_ context.Context, bucket string, _ blob.ListOptions) (blob.Listing, error) {
	out := make([]blob.Info, c.n)
	for i := range out {
		out[i] = blob.Info{Key: fmt.Sprint("out/", bucket, i), LastModified: c.now}
	}
	return blob.Listing{Objects: out}, nil
}

// TestShredMany: a job whose destinations have more objects together than one certificate names is refused, and nothing of it is destroyed.
func TestShredMany(t *testing.T) {
	t.Parallel()
	f := open(t)
	j := storetest.Job(1)
	j.Submitted = f.Now()
	if _, err := f.records.Submit(t.Context(), j, f.Now()); err != nil {
		t.Fatal(err)
	}
	if claimed, err := f.records.Claim(t.Context(), "w", f.Now(), f.Now().Add(time.Hour)); err != nil || claimed == nil {
		t.Fatal(claimed, err)
	}
	if _, _, _, err := f.records.Cancel(t.Context(), account, j.ID, f.Now()); err != nil {
		t.Fatal(err)
	}
	for n, refused := range map[int]bool{MaxShred / 2: false, MaxShred/2 + 1: true} {
		s := f.shredder(Place{"films", "out/"}, Place{"masters", "out/"})
		s.o.Objects = map[string]Destroyer{account: crowded{f.objects, n, f.Now()}}
		out, err := s.Shred(t.Context(), Order{Account: account, Job: j.ID, By: "arn", Reason: "why", DryRun: true})
		e, ok := errors.AsType[*Error](err)
		if refused != (ok && e.Fault == Exceeded) || !refused && (err != nil || len(out.Objects) != 2*n) {
			t.Errorf("%d objects in each of two places: %d, %v; want that it is refused: %t", n, len(out.Objects), err, refused)
		}
	}
}

func TestShredJob(t *testing.T) {
	t.Parallel()
	f := open(t)
	j := storetest.Job(1)
	j.Submitted = f.Now()
	if _, err := f.records.Submit(t.Context(), j, f.Now()); err != nil {
		t.Fatal(err)
	}
	s := f.shredder(Place{"films", "out/film"}, Place{"gone", "out/film"})
	order := Order{Account: account, Job: j.ID, By: "arn", Reason: "why"}
	if _, err := s.Shred(t.Context(), order); err == nil || !strings.Contains(err.Error(), "has not ended") {
		t.Errorf("a job that has not ended: %v", err)
	}
	f.put("out/film-before", "x")
	f.now.Store(100)
	claimed, err := f.records.Claim(t.Context(), "w", f.Now(), f.Now().Add(time.Hour))
	if err != nil || claimed == nil {
		t.Fatal(claimed, err)
	}
	f.now.Store(110)
	f.put("out/film.mp4", "x")
	f.put("out/other.mp4", "x")
	f.now.Store(120)
	if _, _, _, err := f.records.Cancel(t.Context(), account, j.ID, f.Now()); err != nil {
		t.Fatal(err)
	}
	f.now.Store(130)
	f.put("out/film-after", "x")
	h := f.hold(hold.Job, j.ID)
	if _, err := s.Shred(t.Context(), order); !isHeld(err) {
		t.Errorf("a job that is held: %v", err)
	}
	must(f.holds.Release(t.Context(), account, h.ID))
	out, err := s.Shred(t.Context(), order)
	if err != nil || out.Err != nil || fmt.Sprint(out.Objects) != "[s3://films/out/film.mp4]" {
		t.Fatalf("%+v %v", out, err)
	}
	if c, _ := f.certificate(out.Certificate); c.Job != j.ID || !c.Complete {
		t.Errorf("certificate %+v", c)
	}
	if _, err := f.records.Get(t.Context(), account, j.ID); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("the record of the job: %v", err)
	}
	var _ store.Lifecycle = f.records
}
