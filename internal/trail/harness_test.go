package trail

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/digest"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
	bucket  = "trail-bucket"
)

// errCrash is what the program dies of in a test.
var errCrash = errors.New("the power is cut")

// house is an installation whose program can be ended and begun again.
type house struct {
	*testing.T
	records *sqlite.Store
	objects *dir.Store
	now     time.Time
	options Options
	*Service

	mu      sync.Mutex // guards what follows
	refuse  error      // what the bucket answers
	keep    error      // what the records answer who forgets progress
	effects int        // puts and notes so far
	crash   int        // the effect that the program dies at; 0: none
	after   bool       // after it was made, not before
	dead    bool
	events  int
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, now: epoch}
	var err error
	if h.records, err = sqlite.Open(filepath.Join(t.TempDir(), "records.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.records.Close() })
	master := secret.New(make([]byte, secret.KeySize))
	if h.objects, err = dir.Open(dir.Options{Dir: filepath.Join(t.TempDir(), "objects"), Key: master, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.objects.Close() })
	if err := h.objects.CreateBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master, "trail keys", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.options = Options{
		Region: region, Accounts: []string{account, other}, Records: &dying{h.records, h}, Buckets: func(string) (blob.Store, error) { return &refusing{h.objects, h}, nil },
		Sealer: sealer, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), Period: 5 * time.Minute, DigestPeriod: time.Hour, Now: func() time.Time { return h.now },
	}
	if _, err := h.records.ChangeRegistry(t.Context(), store.Registry{Name: keysName, Account: account}, 0, aKey(), nil); err != nil {
		t.Fatal(err)
	}
	h.begin()
	return h
}

// epoch is when the life of a house begins.
var epoch = time.Date(2026, 3, 1, 10, 58, 30, 0, time.UTC)

// aKey is a trail key that houses share, for it takes long to make one.
var aKey = sync.OnceValue(func() []store.Entry {
	private, err := rsa.GenerateKey(rand.Reader, digest.KeyBits)
	if err != nil {
		panic(err)
	}
	sealer, err := secret.NewSealer(secret.New(make([]byte, secret.KeySize)), "trail keys", rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	k := trailKey{Key: digest.NewKey(&private.PublicKey), Since: epoch}
	k.From, k.Until = epoch.Add(-keySlack), epoch.Add(DefaultKeyLife)
	if k.Sealed, err = sealer.Seal((&Service{o: Options{Accounts: []string{account}}}).keyBound(k.Fingerprint), der); err != nil {
		panic(err)
	}
	e, err := entryOf(entryKey, k.Fingerprint, k)
	if err != nil {
		panic(err)
	}
	return []store.Entry{e}
})

// begin begins the program.
func (h *house) begin() {
	h.Helper()
	h.dead = false
	var err error
	if h.Service, err = New(h.options); err != nil {
		h.Fatal(err)
	}
}

// effect counts something that lasts, and makes it, unless the program dies before.
func (h *house) effect(do func() error) error {
	h.mu.Lock()
	h.effects++
	dies := h.effects == h.crash
	dead := h.dead || dies && !h.after
	h.dead = h.dead || dies
	h.mu.Unlock()
	if dead {
		return errCrash
	}
	err := do()
	if dies {
		return errCrash
	}
	return err
}

// dying is the records as a program sees them that can die.
type dying struct {
	*sqlite.Store
	h *house
}

func (d *dying) NoteRegistry(ctx context.Context, r store.Registry, put []store.Entry) error {
	return d.h.effect(func() error { return d.Store.NoteRegistry(ctx, r, put) })
}

func (d *dying) ChangeRegistry(ctx context.Context, r store.Registry, generation int64, put, drop []store.Entry) (int64, error) {
	if d.h.keep != nil && r.Name == progressName {
		return 0, d.h.keep
	}
	return d.Store.ChangeRegistry(ctx, r, generation, put, drop)
}

// refusing is the objects as a program sees them that can die, in a bucket that can refuse.
type refusing struct {
	*dir.Store
	h *house
}

func (r *refusing) Put(ctx context.Context, bucket, key string, body io.Reader, o blob.PutOptions) (i blob.Info, err error) {
	if r.h.refuse != nil {
		return blob.Info{}, r.h.refuse
	}
	return i, r.h.effect(func() error {
		i, err = r.Store.Put(ctx, bucket, key, body, o)
		return err
	})
}

// trail makes a trail with digests that logs.
func (h *house) trail(name string, edit func(*Definition)) *Trail {
	h.Helper()
	d := Definition{Bucket: bucket, Validation: true, Global: true}
	if edit != nil {
		edit(&d)
	}
	t, err := h.Create(h.Context(), account, name, d, nil)
	if err != nil {
		h.Fatal(err)
	}
	if err := h.Start(h.Context(), account, name); err != nil {
		h.Fatal(err)
	}
	return t
}

// happen records some management events of the account now, and as many data events, and some of another account.
func (h *house) happen(n int) {
	h.Helper()
	var all []audit.Record
	for range n {
		h.events++
		r := audit.Record{
			EventVersion: audit.Version, EventTime: h.now.UTC().Truncate(time.Second), EventSource: "mediaconvert.amazonaws.com", EventName: "CreateQueue", AWSRegion: region,
			EventID: fmt.Sprintf("00000000-0000-4000-8000-%012d", h.events), EventType: audit.APICall, RecipientAccountID: account, EventCategory: audit.Management, ManagementEvent: true,
			UserIdentity: audit.Identity{Type: "Root", ARN: "arn:aws:iam::" + account + ":root", AccountID: account},
		}
		data, foreign := r, r
		data.EventCategory, data.EventID = audit.Data, "data-"+r.EventID
		foreign.RecipientAccountID, foreign.EventID = other, "other-"+r.EventID
		all = append(all, r, data, foreign)
	}
	if err := h.records.Audit(h.Context(), all...); err != nil {
		h.Fatal(err)
	}
}

// carry takes every trail as far as it goes now. A program that has died gives errCrash.
func (h *house) carry(runners map[string]*runner) (failed error) {
	h.Helper()
	v, err := h.views.View(h.Context(), account)
	if err != nil {
		h.Fatal(err)
	}
	for id, t := range v.byID {
		r := runners[id]
		if r == nil {
			r = &runner{Service: h.Service, account: account, id: id, anchoring: make(chan struct{}, 1)}
			runners[id] = r
		}
		if _, _, err := r.attempt(h.Context(), t, new(sync.WaitGroup)); err != nil {
			failed = err
		}
	}
	return failed
}

// delivered reads all log files of the account: the event ids in the order of the files' names, and the names.
func (h *house) delivered(place digest.Place) (ids, keys []string) {
	h.Helper()
	l, err := h.objects.List(h.Context(), place.Bucket, blob.ListOptions{Prefix: place.Logs()})
	if err != nil {
		h.Fatal(err)
	}
	for _, o := range l.Objects {
		keys = append(keys, o.Key)
		var file struct{ Records []audit.Record }
		if err := json.Unmarshal(h.get(place.Bucket, o.Key), &file); err != nil {
			h.Fatalf("%s: %v", o.Key, err)
		}
		for _, r := range file.Records {
			ids = append(ids, r.EventID)
			if want := r.EventTime.Format("20060102T15"); !strings.Contains(o.Key, "_"+want) {
				h.Errorf("%s has a record of %s", o.Key, r.EventTime)
			}
		}
	}
	return ids, keys
}

func (h *house) get(bucket, key string) []byte {
	h.Helper()
	o, err := h.objects.Get(h.Context(), bucket, key, nil, blob.Conditions{})
	if err != nil {
		h.Fatalf("%s: %v", key, err)
	}
	defer o.Body.Close()
	z, err := gzip.NewReader(o.Body)
	if err != nil {
		h.Fatalf("%s: %v", key, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		h.Fatalf("%s: %v", key, err)
	}
	return text
}

func (h *house) place(name string) digest.Place {
	return digest.Place{Bucket: bucket, Account: account, Region: region, Trail: name}
}

// verify verifies a trail against what the installation knows.
func (h *house) verify(name string, edit func(*digest.Options)) (digest.Report, []digest.Finding) {
	h.Helper()
	keys, err := h.Keys(h.Context(), time.Time{}, h.now.Add(time.Hour))
	if err != nil {
		h.Fatal(err)
	}
	var found []digest.Finding
	o := digest.Options{Place: h.place(name), Source: Source(h.objects), Keys: keys, Workers: 2, Found: func(f digest.Finding) { found = append(found, f) }}
	if edit != nil {
		edit(&o)
	}
	r, err := digest.Verify(h.Context(), o)
	if err != nil {
		h.Fatal(err)
	}
	slices.SortFunc(found, func(a, b digest.Finding) int {
		return strings.Compare(a.Object+string(a.Kind), b.Object+string(b.Kind))
	})
	return r, found
}

// whole says that each event was delivered exactly once, and nothing else.
func (h *house) whole(ids []string) {
	h.Helper()
	seen := map[string]int{}
	for _, id := range ids {
		seen[id]++
	}
	for i := 1; i <= h.events; i++ {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		if seen[id] != 1 {
			h.Errorf("event %d was delivered %d times", i, seen[id])
		}
		delete(seen, id)
	}
	for id, n := range seen {
		h.Errorf("event %s was delivered %d times", id, n)
	}
}
