package dir

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

func content(seed byte, size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(i*7+i>>8) ^ seed
	}
	return out
}

func put(t testing.TB, s *Store, key string, body []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), "bucket", key, bytes.NewReader(body), blob.PutOptions{Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
}

// read gives all of an object, or the error that it met.
func read(t testing.TB, s *Store, key string) ([]byte, error) {
	t.Helper()
	o, err := s.Get(t.Context(), "bucket", key, nil, blob.Conditions{})
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(o.Body)
	return body, errors.Join(err, o.Body.Close())
}

func wantObject(t testing.TB, s *Store, key string, want []byte) {
	t.Helper()
	if got, err := read(t, s, key); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes of %d, %v", key, len(got), len(want), err)
	}
}

// withBucket opens a store with one bucket.
func withBucket(t testing.TB, dir string) *Store {
	t.Helper()
	s := openStore(t, dir)
	if err := s.CreateBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	return s
}

// reopen closes a store and opens it again.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openStore(t, s.dir)
}

// files lists the files below a directory of the store.
func files(t testing.TB, s *Store, below string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(s.path(below), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func one(t testing.TB, paths []string) string {
	t.Helper()
	if len(paths) != 1 {
		t.Fatalf("%d files: %v", len(paths), paths)
	}
	return paths[0]
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryByte flips each byte of a record and samples of a data file: what is read is what was put, or ErrCorrupt, and never a byte that was not put.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	body := content(1, 200000)
	put(t, s, "k", body)
	for _, tt := range []struct {
		path string
		step int
	}{{one(t, files(t, s, objectDir)), 1}, {one(t, files(t, s, dataDir)), 1999}} {
		whole := readFile(t, tt.path)
		for n := 0; n < len(whole); n += tt.step {
			flipped := bytes.Clone(whole)
			flipped[n] ^= 0x40
			writeFile(t, tt.path, flipped)
			got, err := read(t, s, "k")
			if !errors.Is(err, blob.ErrCorrupt) || !bytes.HasPrefix(body, got) {
				t.Fatalf("%s, byte %d: %d bytes, %v", tt.path, n, len(got), err)
			}
			writeFile(t, tt.path, whole[:n])
			if got, err := read(t, s, "k"); !errors.Is(err, blob.ErrCorrupt) || !bytes.HasPrefix(body, got) {
				t.Fatalf("%s, cut to %d: %d bytes, %v", tt.path, n, len(got), err)
			}
		}
		writeFile(t, tt.path, append(bytes.Clone(whole), 0))
		if _, err := read(t, s, "k"); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%s, longer: %v", tt.path, err)
		}
		if err := os.Remove(tt.path); err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, s, "k"); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%s, removed: %v", tt.path, err)
		}
		writeFile(t, tt.path, whole)
		wantObject(t, s, "k", body)
	}
}

func TestSwappedFiles(t *testing.T) {
	t.Parallel()
	for _, below := range []string{objectDir, dataDir} {
		s := withBucket(t, t.TempDir())
		put(t, s, "a", content(1, 100000))
		put(t, s, "b", content(2, 100000))
		paths := files(t, s, below)
		if len(paths) != 2 {
			t.Fatal(paths)
		}
		first, second := readFile(t, paths[0]), readFile(t, paths[1])
		writeFile(t, paths[0], second)
		writeFile(t, paths[1], first)
		for _, key := range []string{"a", "b"} {
			if _, err := read(t, s, key); !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("%s swapped: %s: %v", below, key, err)
			}
		}
		s = reopen(t, s)
		for _, key := range []string{"a", "b"} {
			if _, err := read(t, s, key); !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("%s swapped, after a restart: %s: %v", below, key, err)
			}
		}
	}
}

func TestDamagedRecordAfterRestart(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	put(t, s, "k", content(1, 1000))
	path := one(t, files(t, s, objectDir))
	b := readFile(t, path)
	b[20] ^= 1
	writeFile(t, path, b)
	s = reopen(t, s)
	if len(s.Damaged()) != 1 {
		t.Errorf("damaged: %v", s.Damaged())
	}
	if _, err := read(t, s, "k"); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Head(t.Context(), "bucket", "k", blob.Conditions{}); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("head: %v", err)
	}
	if _, err := read(t, s, "other"); !errors.Is(err, blob.ErrNoSuchKey) {
		t.Errorf("another key: %v", err)
	}
	if err := s.DeleteBucket(t.Context(), "bucket"); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("delete bucket: %v", err)
	}
	o := blob.PutOptions{Size: 1, Conditions: blob.Conditions{IfNoneMatch: "*"}}
	if _, err := s.Put(t.Context(), "bucket", "k", strings.NewReader("x"), o); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("put if there is none: %v", err)
	}
	if n := len(files(t, s, dataDir)); n != 1 {
		t.Errorf("%d data files: they are kept while a record does not open", n)
	}
	put(t, s, "k", []byte("new"))
	wantObject(t, s, "k", []byte("new"))
	if len(s.Damaged()) != 0 {
		t.Errorf("damaged after it was overwritten: %v", s.Damaged())
	}
	s = reopen(t, s)
	wantObject(t, s, "k", []byte("new"))
	if n := len(files(t, s, dataDir)); n != 1 {
		t.Errorf("%d data files: that of the lost record is dropped now", n)
	}
}

func TestDamagedRecordIsDeleted(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	put(t, s, "k", content(1, 1000))
	writeFile(t, one(t, files(t, s, objectDir)), nil)
	s = reopen(t, s)
	if err := s.Delete(t.Context(), "bucket", "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, s, "k"); !errors.Is(err, blob.ErrNoSuchKey) {
		t.Errorf("after delete: %v", err)
	}
	s = reopen(t, s)
	if err := s.DeleteBucket(t.Context(), "bucket"); err != nil {
		t.Error(err)
	}
	if left := files(t, s, dataDir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamagedBucket(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	put(t, s, "k", content(1, 1000))
	u, err := s.CreateUpload(t.Context(), "bucket", "u", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := one(t, files(t, s, bucketDir))
	whole := readFile(t, path)
	writeFile(t, path, whole[1:])
	s = reopen(t, s)
	if _, err := read(t, s, "k"); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("get: %v", err)
	}
	if err := s.CreateBucket(t.Context(), "bucket"); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("create over it: %v", err)
	}
	if _, err := s.ListParts(t.Context(), u); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("list parts: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, whole) // restored from a copy
	s = openStore(t, s.dir)
	wantObject(t, s, "k", content(1, 1000))
	if _, err := s.ListParts(t.Context(), u); err != nil {
		t.Errorf("list parts: %v", err)
	}
}

func TestDamagedUpload(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	u, err := s.CreateUpload(t.Context(), "bucket", "k", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.UploadPart(t.Context(), u, 1, strings.NewReader("part"), blob.PutOptions{Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.path(uploadDir, u.ID, partFile(1)), []byte("what is this"))
	s = reopen(t, s)
	if _, err := s.CompleteUpload(t.Context(), u, []blob.Part{p}, blob.Conditions{}); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("complete: %v", err)
	}
	if p, err = s.UploadPart(t.Context(), u, 1, strings.NewReader("again"), blob.PutOptions{Size: 5}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompleteUpload(t.Context(), u, []blob.Part{p}, blob.Conditions{}); err != nil {
		t.Error(err)
	}
	wantObject(t, s, "k", []byte("again"))
	if len(s.Damaged()) != 0 {
		t.Errorf("damaged: %v", s.Damaged())
	}
}

// TestOlderState puts a record back to what it was: the index knows better.
func TestOlderState(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	put(t, s, "k", []byte("old"))
	path := one(t, files(t, s, objectDir))
	old := readFile(t, path)
	put(t, s, "k", []byte("new!"))
	writeFile(t, path, old)
	if _, err := read(t, s, "k"); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherMasterKey(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	put(t, s, "k", []byte("x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := Open(Options{Dir: s.dir, Key: secret.New(make([]byte, secret.KeySize)), Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := other.ListBuckets(t.Context()); err != nil || len(all) != 0 || len(other.Damaged()) == 0 {
		t.Errorf("with another key: %v, damaged %v, %v", all, other.Damaged(), err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, s.dir) // it did no harm
	wantObject(t, s, "k", []byte("x"))
}

// TestNothingClear looks for names, metadata and content in everything that is on disk.
func TestNothingClear(t *testing.T) {
	t.Parallel()
	s := withBucket(t, t.TempDir())
	const marker = "nobody-shall-read-this"
	ctx := t.Context()
	if err := s.CreateBucket(ctx, marker); err != nil {
		t.Fatal(err)
	}
	o := blob.PutOptions{Size: int64(len(marker)), Metadata: blob.Metadata{ContentType: marker, User: map[string]string{marker: marker}}}
	if _, err := s.Put(ctx, marker, marker, strings.NewReader(marker), o); err != nil {
		t.Fatal(err)
	}
	u, err := s.CreateUpload(ctx, marker, marker, blob.UploadOptions{Metadata: o.Metadata})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.UploadPart(ctx, u, 1, strings.NewReader(marker), blob.PutOptions{Size: int64(len(marker))}); err != nil {
		t.Fatal(err)
	}
	for _, path := range files(t, s, "") {
		if strings.Contains(path, marker) || bytes.Contains(readFile(t, path), []byte(marker)) {
			t.Errorf("%s shows it", path)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
}
