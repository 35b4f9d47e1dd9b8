// Package blobtest is the suite that every driver of blob.Store passes.
//
// Each requirement says whose it is. One of the driver holds whatever is behind it: streaming, names, errors, nothing half-written. One of
// the server is the server's to keep when the driver speaks to one; a Target may say, with the reason, which of those its server does not
// meet, so that the difference is written down where it is tested.
package blobtest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"darkroom/internal/blob"
)

// Target is what the suite is run against.
type Target struct {
	// Store is the store under test. Buckets of the suite have names of their own, and are emptied and deleted at the end.
	Store blob.Store
	// Differs has the requirements of the server that it does not meet, each with what it does instead.
	Differs map[string]string
}

// owner is whose a requirement is.
type owner int

const (
	driver owner = iota + 1
	server
)

// requirement is one test of the suite.
type requirement struct {
	name  string
	owner owner
	test  func(*testing.T, blob.Store)
}

// Run runs the suite.
func Run(t *testing.T, target Target) {
	known := make(map[string]owner)
	for _, r := range requirements() {
		known[r.name] = r.owner
		if why, ok := target.Differs[r.name]; ok && r.owner == server {
			t.Logf("%s differs: %s", r.name, why)
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.test(t, target.Store)
		})
	}
	for name := range target.Differs {
		if known[name] != server {
			t.Errorf("%q is no requirement of a server", name)
		}
	}
}

func requirements() []requirement {
	all := [][]requirement{bucketRequirements, objectRequirements, conditionRequirements, checksumRequirements, listRequirements, uploadRequirements, encryptionRequirements}
	var out []requirement
	for _, r := range all {
		out = append(out, r...)
	}
	return out
}

var bucketNumber atomic.Int64

// newBucket makes a bucket and deletes it with all that is in it when the test ends.
func newBucket(t *testing.T, s blob.Store) string {
	t.Helper()
	name := newName()
	if err := s.CreateBucket(t.Context(), name); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		uploads, err := s.ListUploads(ctx, name, "")
		if errors.Is(err, blob.ErrNoSuchBucket) {
			return
		}
		for _, u := range uploads {
			if err := s.AbortUpload(ctx, u); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
		after := ""
		for {
			page, err := s.List(ctx, name, blob.ListOptions{StartAfter: after})
			if err != nil {
				t.Errorf("clean up: %v", err)
				return
			}
			for _, o := range page.Objects {
				if err := s.Delete(ctx, name, o.Key); err != nil {
					t.Errorf("clean up: %v", err)
				}
			}
			if !page.Truncated {
				break
			}
			after = page.Next
		}
		if err := s.DeleteBucket(ctx, name); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return name
}

// newName gives a bucket name that no other test, and no run before, has.
func newName() string {
	return fmt.Sprintf("suite-%08x-%d", rand.Uint32(), bucketNumber.Add(1))
}

// content gives size bytes, the same for the same seed.
func content(seed byte, size int) []byte {
	out := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(out)
	return out
}

// stream hides everything of a reader but Read, and gives odd amounts.
type stream struct {
	r io.Reader
	n int
}

func (s *stream) Read(p []byte) (int, error) {
	s.n = s.n*7%8191 + 1
	return s.r.Read(p[:min(len(p), s.n)])
}

func streamOf(b []byte) io.Reader { return &stream{r: bytes.NewReader(b), n: 1} }

func etag(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func put(t *testing.T, s blob.Store, bucket, key string, body []byte) blob.Info {
	t.Helper()
	info, err := s.Put(t.Context(), bucket, key, streamOf(body), blob.PutOptions{Size: int64(len(body))})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return info
}

func get(t *testing.T, s blob.Store, bucket, key string) (blob.Info, []byte) {
	t.Helper()
	o, err := s.Get(t.Context(), bucket, key, nil, blob.Conditions{})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return o.Info, readAll(t, o)
}

func readAll(t *testing.T, o *blob.Object) []byte {
	t.Helper()
	body, err := io.ReadAll(o.Body)
	if err = errors.Join(err, o.Body.Close()); err != nil {
		t.Fatalf("read %q: %v", o.Key, err)
	}
	return body
}

func wantBody(t *testing.T, s blob.Store, bucket, key string, want []byte) {
	t.Helper()
	if _, got := get(t, s, bucket, key); !bytes.Equal(got, want) {
		t.Errorf("get %q: %d bytes that differ from the %d put", key, len(got), len(want))
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// wantAbsent says that nothing was left of a write that failed.
func wantAbsent(t *testing.T, s blob.Store, bucket, key string) {
	t.Helper()
	_, err := s.Head(t.Context(), bucket, key, blob.Conditions{})
	wantError(t, "head "+key, err, blob.ErrNoSuchKey)
	uploads, err := s.ListUploads(t.Context(), bucket, "")
	if err != nil || len(uploads) > 0 {
		t.Errorf("left behind: uploads %v, error %v", uploads, err)
	}
}

// brokenBody gives some bytes and then an error.
func brokenBody(b []byte, err error) io.Reader {
	return io.MultiReader(streamOf(b), errorReader{err})
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

var bucketRequirements = []requirement{
	{"bucket: made, seen and deleted", driver, func(t *testing.T, s blob.Store) {
		ctx, name := t.Context(), newName()
		if _, err := s.HeadBucket(ctx, name); !errors.Is(err, blob.ErrNoSuchBucket) {
			t.Errorf("head before: %v", err)
		}
		if err := s.CreateBucket(ctx, name); err != nil {
			t.Fatal(err)
		}
		wantError(t, "create twice", s.CreateBucket(ctx, name), blob.ErrBucketExists)
		if b, err := s.HeadBucket(ctx, name); err != nil || b.Name != name {
			t.Errorf("head: %+v, %v", b, err)
		}
		if !listed(t, s, name) {
			t.Error("the bucket is not listed")
		}
		if err := s.DeleteBucket(ctx, name); err != nil {
			t.Fatal(err)
		}
		wantError(t, "delete twice", s.DeleteBucket(ctx, name), blob.ErrNoSuchBucket)
		if listed(t, s, name) {
			t.Error("the deleted bucket is listed")
		}
	}},
	{"bucket: with objects is not deleted", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		put(t, s, b, "k", nil)
		wantError(t, "delete", s.DeleteBucket(t.Context(), b), blob.ErrBucketNotEmpty)
		wantBody(t, s, b, "k", nil)
	}},
	{"bucket: names are checked", driver, func(t *testing.T, s blob.Store) {
		for _, name := range []string{"", "ab", strings.Repeat("a", 64), "Upper", "under_score", "-a-", "a..b", "1.2.3.4", "..", "a/b", "xn--abc", "abc-s3alias", "a\x00b"} {
			wantError(t, fmt.Sprintf("create %q", name), s.CreateBucket(t.Context(), name), blob.ErrInvalidBucketName)
		}
	}},
	{"bucket: that is not there answers so everywhere", driver, func(t *testing.T, s blob.Store) {
		ctx, b := t.Context(), newName()
		_, err := s.Put(ctx, b, "k", strings.NewReader("x"), blob.PutOptions{Size: 1})
		wantError(t, "put", err, blob.ErrNoSuchBucket)
		_, err = s.Get(ctx, b, "k", nil, blob.Conditions{})
		wantError(t, "get", err, blob.ErrNoSuchBucket)
		_, err = s.List(ctx, b, blob.ListOptions{})
		wantError(t, "list", err, blob.ErrNoSuchBucket)
		_, err = s.CreateUpload(ctx, b, "k", blob.UploadOptions{})
		wantError(t, "create upload", err, blob.ErrNoSuchBucket)
		_, err = s.ListUploads(ctx, b, "")
		wantError(t, "list uploads", err, blob.ErrNoSuchBucket)
	}},
}

func listed(t *testing.T, s blob.Store, name string) bool {
	t.Helper()
	all, err := s.ListBuckets(t.Context())
	if err != nil {
		t.Fatalf("list buckets: %v", err)
	}
	for _, b := range all {
		if b.Name == name {
			return true
		}
	}
	return false
}
