package dir

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/blob"
)

// dump is all that a store tells of itself.
func dump(t *testing.T, s *Store) (out []string) {
	t.Helper()
	buckets, err := s.ListBuckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buckets {
		out = append(out, fmt.Sprintf("bucket %s %s", b.Name, b.Created.Format(time.RFC3339Nano)))
		page, err := s.List(t.Context(), b.Name, blob.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			info, err := s.Head(t.Context(), b.Name, o.Key, blob.Conditions{})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("object %s %+v", b.Name, info))
		}
		uploads, err := s.ListUploads(t.Context(), b.Name, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range uploads {
			out = append(out, fmt.Sprintf("upload %+v", u))
			parts, err := s.ListParts(t.Context(), u)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				out = append(out, fmt.Sprintf("part %+v", p))
			}
		}
	}
	return out
}

func TestRestart(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	ctx := t.Context()
	put(t, s, "a/b", content(1, 70000))
	put(t, s, "empty", nil)
	meta := blob.Metadata{ContentType: "x/y", User: map[string]string{"a": "1"}, Checksum: blob.Checksum{Algorithm: blob.CRC32C}}
	if _, err := s.Put(ctx, "bucket", "meta", strings.NewReader("m"), blob.PutOptions{Size: 1, Metadata: meta}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateBucket(ctx, "second"); err != nil {
		t.Fatal(err)
	}
	u, err := s.CreateUpload(ctx, "bucket", "up", blob.UploadOptions{Metadata: meta})
	if err != nil {
		t.Fatal(err)
	}
	var parts []blob.Part
	for n := range 2 {
		p, err := s.UploadPart(ctx, u, n+1, bytes.NewReader(content(byte(n), blob.MinPart)), blob.PutOptions{Size: blob.MinPart})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	before := dump(t, s)
	s = reopen(t, s)
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("after a restart (-before +after): %s", diff)
	}
	wantObject(t, s, "a/b", content(1, 70000))
	if _, err := s.CompleteUpload(ctx, u, parts, blob.Conditions{}); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	wantObject(t, s, "up", slices.Concat(content(0, blob.MinPart), content(1, blob.MinPart)))
	if info, err := s.Head(ctx, "bucket", "up", blob.Conditions{}); err != nil || !slices.Equal(info.Parts, []int64{blob.MinPart, blob.MinPart}) {
		t.Errorf("parts %v, %v", info.Parts, err)
	}
}

// TestCrash lays down what a crash at each moment of a write leaves, and opens the store.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	put(t, s, "k", []byte("old"))
	b, err := s.bucket("bucket")
	if err != nil {
		t.Fatal(err)
	}
	// Files being written.
	writeFile(t, s.path(tempDir, "data-1"), []byte("half"))
	writeFile(t, s.path(tempDir, "record-1"), []byte("half"))
	// A data file whose record was not written.
	w, err := s.writeData(t.Context(), strings.NewReader("new"), blob.PutOptions{Size: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// A record whose predecessor's data file was not deleted.
	old := one(t, slices.DeleteFunc(files(t, s, dataDir), func(p string) bool { return p == s.dataPath(w.data[0].ID) }))
	kept := readFile(t, old)
	put(t, s, "k", []byte("newer"))
	writeFile(t, old, kept)
	// A bucket whose record was not written, and one that was half deleted.
	if err := os.Mkdir(s.path(objectDir, s.bucketFile("unborn")), 0o700); err != nil {
		t.Fatal(err)
	}
	// An upload whose record was not written, and one that was half removed.
	if err := os.Mkdir(s.path(uploadDir, "aa"), 0o700); err != nil {
		t.Fatal(err)
	}
	u, err := s.CreateUpload(t.Context(), "bucket", "k", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.UploadPart(t.Context(), u, 1, strings.NewReader("part"), blob.PutOptions{Size: 4}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.path(uploadDir, u.ID, uploadFile)); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	wantObject(t, s, "k", []byte("newer"))
	if _, err := s.ListParts(t.Context(), u); !errors.Is(err, blob.ErrNoSuchUpload) {
		t.Errorf("the half removed upload: %v", err)
	}
	if n := len(files(t, s, dataDir)); n != 1 {
		t.Errorf("%d data files, want that of the object", n)
	}
	if left := append(files(t, s, tempDir), files(t, s, uploadDir)...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if entries, err := os.ReadDir(s.path(objectDir)); err != nil || len(entries) != 1 || entries[0].Name() != b.file {
		t.Errorf("directories of objects: %v, %v", entries, err)
	}
	if len(s.Damaged()) > 0 {
		t.Errorf("damaged: %v", s.Damaged())
	}
}

// TestCrashAfterCompletion leaves an upload behind whose object is there: its parts are the object's.
func TestCrashAfterCompletion(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	ctx := t.Context()
	u, err := s.CreateUpload(ctx, "bucket", "k", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.UploadPart(ctx, u, 1, strings.NewReader("part"), blob.PutOptions{Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	saved := map[string][]byte{}
	for _, path := range files(t, s, uploadDir) {
		saved[path] = readFile(t, path)
	}
	first, err := s.CompleteUpload(ctx, u, []blob.Part{p}, blob.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.CompleteUpload(ctx, u, []blob.Part{p}, blob.Conditions{}) // its answer was lost
	if diff := cmp.Diff(first, again); err != nil || diff != "" {
		t.Errorf("completed again: %s %v", diff, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path(uploadDir, u.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, b := range saved {
		writeFile(t, path, b)
	}
	s = openStore(t, s.dir)
	if _, err := s.CompleteUpload(ctx, u, []blob.Part{p}, blob.Conditions{}); err != nil {
		t.Errorf("completed after the crash: %v", err)
	}
	wantObject(t, s, "k", []byte("part"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.path(uploadDir, u.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, b := range saved {
		writeFile(t, path, b)
	}
	s = openStore(t, s.dir)
	if err := s.AbortUpload(ctx, u); err != nil {
		t.Errorf("aborted after the crash: %v", err)
	}
	wantObject(t, s, "k", []byte("part"))
	put(t, s, "k", []byte("other"))
	if _, err := s.CompleteUpload(ctx, u, []blob.Part{p}, blob.Conditions{}); !errors.Is(err, blob.ErrNoSuchUpload) {
		t.Errorf("completed after it was overwritten: %v", err)
	}
	if n := len(files(t, s, dataDir)); n != 1 {
		t.Errorf("%d data files", n)
	}
}

func TestSecondServer(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	if _, err := Open(Options{Dir: s.dir, Key: testKey(), Random: rand.Reader}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ListBuckets(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("used after it was closed: %v", err)
	}
	if err := s.CreateBucket(t.Context(), "bucket"); !errors.Is(err, errClosed) {
		t.Errorf("used after it was closed: %v", err)
	}
	reopen(t, s)
}

// TestDataFilesGo follows the data files of an object: they go when no record and no reader has them any more.
func TestDataFilesGo(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	ctx := t.Context()
	count := func(want int, when string) {
		t.Helper()
		if n := len(files(t, s, dataDir)); n != want || len(s.used) != want {
			t.Errorf("%s: %d data files, %d in use, want %d", when, n, len(s.used), want)
		}
	}
	put(t, s, "k", content(1, 500000))
	count(1, "put")
	o, err := s.Get(ctx, "bucket", "k", nil, blob.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", content(2, 10))
	count(2, "overwritten while read")
	if got, err := io.ReadAll(o.Body); err != nil || !bytes.Equal(got, content(1, 500000)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for range 2 { // the second does nothing
		if err := o.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	count(1, "reader closed")
	if _, err := s.Copy(ctx, "bucket", "k", "bucket", "l", blob.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	count(1, "copied")
	if err := s.Delete(ctx, "bucket", "k"); err != nil {
		t.Fatal(err)
	}
	count(1, "one of two deleted")
	wantObject(t, s, "l", content(2, 10))
	if _, err := s.Put(ctx, "bucket", "l", strings.NewReader("x"), blob.PutOptions{Size: 2}); !errors.Is(err, blob.ErrIncompleteBody) {
		t.Error(err)
	}
	if _, err := s.Put(ctx, "bucket", "l", strings.NewReader("x"), blob.PutOptions{Size: 1, Conditions: blob.Conditions{IfMatch: "no"}}); !errors.Is(err, blob.ErrPreconditionFailed) {
		t.Error(err)
	}
	if _, err := s.Get(ctx, "bucket", "l", &blob.Range{Start: 99, End: -1}, blob.Conditions{}); !errors.Is(err, blob.ErrInvalidRange) {
		t.Error(err)
	}
	count(1, "after refusals")
	u, err := s.CreateUpload(ctx, "bucket", "u", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.UploadPart(ctx, u, 1, strings.NewReader("part"), blob.PutOptions{Size: 4}); err != nil {
			t.Fatal(err)
		}
	}
	count(2, "a part twice")
	if err := s.Delete(ctx, "bucket", "l"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteBucket(ctx, "bucket"); err != nil {
		t.Fatal(err)
	}
	count(0, "all deleted")
	if left := slices.Concat(files(t, s, objectDir), files(t, s, bucketDir), files(t, s, uploadDir), files(t, s, tempDir)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestManyAtOnce lets writers, readers, copiers and deleters loose on a few keys: every read is one of the contents that were put, whole.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	ctx := t.Context()
	const rounds, keys = 60, 3
	key := func(i int) string { return fmt.Sprint("k", i%keys) }
	var group sync.WaitGroup
	for worker := range 6 {
		group.Go(func() {
			for i := range rounds {
				switch k := key(i + worker); (i + worker) % 4 {
				case 0:
					body := content(byte(i), 70000+i)
					if _, err := s.Put(ctx, "bucket", k, bytes.NewReader(body), blob.PutOptions{Size: int64(len(body))}); err != nil {
						t.Errorf("put: %v", err)
					}
				case 1:
					if err := s.Delete(ctx, "bucket", k); err != nil {
						t.Errorf("delete: %v", err)
					}
				case 2:
					if _, err := s.Copy(ctx, "bucket", k, "bucket", key(i+worker+1), blob.CopyOptions{}); err != nil && !errors.Is(err, blob.ErrNoSuchKey) {
						t.Errorf("copy: %v", err)
					}
				default:
					o, err := s.Get(ctx, "bucket", k, nil, blob.Conditions{})
					if errors.Is(err, blob.ErrNoSuchKey) {
						continue
					}
					if err != nil {
						t.Errorf("get: %v", err)
						continue
					}
					got, err := io.ReadAll(o.Body)
					if err = errors.Join(err, o.Body.Close()); err != nil || !bytes.Equal(got, content(byte(len(got)-70000), len(got))) {
						t.Errorf("read %d bytes that nobody put, %v", len(got), err)
					}
				}
			}
		})
	}
	group.Wait()
	before := dump(t, s)
	records := len(files(t, s, dataDir))
	s = reopen(t, s)
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("after a restart (-before +after): %s", diff)
	}
	if n := len(files(t, s, dataDir)); n != records {
		t.Errorf("the restart dropped %d data files that should have gone before", records-n)
	}
}

// TestBucketRace makes and deletes a bucket while objects are put into it: what was put stays, or its bucket was gone.
func TestBucketRace(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	ctx := t.Context()
	var group sync.WaitGroup
	for worker := range 3 {
		group.Go(func() {
			for i := range 30 {
				if err := s.CreateBucket(ctx, "bucket"); err != nil && !errors.Is(err, blob.ErrBucketExists) {
					t.Errorf("create: %v", err)
				}
				k := fmt.Sprintf("%d-%d", worker, i)
				if _, err := s.Put(ctx, "bucket", k, strings.NewReader("x"), blob.PutOptions{Size: 1}); err != nil && !errors.Is(err, blob.ErrNoSuchBucket) {
					t.Errorf("put: %v", err)
				}
				if err := s.Delete(ctx, "bucket", k); err != nil && !errors.Is(err, blob.ErrNoSuchBucket) {
					t.Errorf("delete: %v", err)
				}
				if err := s.DeleteBucket(ctx, "bucket"); err != nil && !errors.Is(err, blob.ErrNoSuchBucket) && !errors.Is(err, blob.ErrBucketNotEmpty) {
					t.Errorf("delete bucket: %v", err)
				}
			}
		})
	}
	group.Wait()
	before := dump(t, s)
	if diff := cmp.Diff(before, dump(t, reopen(t, s))); diff != "" {
		t.Errorf("after a restart (-before +after): %s", diff)
	}
}

func TestStoreError(t *testing.T) {
	t.Parallel()
	for _, err := range []error{syscall.ENOSPC, syscall.EDQUOT, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}} {
		if got := storeError(err); !errors.Is(got, blob.ErrNoSpace) || !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
	if err := storeError(nil); err != nil {
		t.Error(err)
	}
	if err := storeError(io.EOF); err != io.EOF {
		t.Error(err)
	}
}

// TestFullDisk fills a small file system, when there may be one made: the write says so, and leaves nothing.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EACCES) {
			t.Fatal(err)
		}
		return // only root can make one; TestStoreError holds the meaning of the error
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := withBucket(t, filepath.Join(dir, "objects"))
	put(t, s, "k", []byte("small"))
	for _, size := range []int64{-1, 8 << 20} {
		if _, err := s.Put(t.Context(), "bucket", "k", bytes.NewReader(make([]byte, 8<<20)), blob.PutOptions{Size: size}); !errors.Is(err, blob.ErrNoSpace) {
			t.Errorf("put: %v", err)
		}
	}
	wantObject(t, s, "k", []byte("small"))
	if n := len(files(t, s, dataDir)) + len(files(t, s, tempDir)); n != 1 {
		t.Errorf("%d files", n)
	}
	put(t, s, "l", make([]byte, 1<<20)) // there is room again
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
