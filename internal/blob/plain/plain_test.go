package plain_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/blob"
	"darkroom/internal/blob/blobtest"
	"darkroom/internal/blob/plain"
)

func open(t *testing.T) (*plain.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := plain.Open(map[string]string{"b": dir})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func read(t *testing.T, s blob.Store, key string, r *blob.Range) (string, error) {
	t.Helper()
	o, err := s.Get(t.Context(), "b", key, r, blob.Conditions{})
	if err != nil {
		return "", err
	}
	defer func() { _ = o.Body.Close() }()
	b, err := io.ReadAll(o.Body)
	return string(b), err
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	info, err := s.Put(t.Context(), "b", "a/b c.txt", strings.NewReader("0123456789"), blob.PutOptions{Size: 10})
	if err != nil || info.Size != 10 || info.ETag == "" {
		t.Fatalf("Put = %+v, %v", info, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a", "b c.txt")); err != nil || string(b) != "0123456789" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	for _, c := range []struct {
		name string
		r    *blob.Range
		want string
		err  error
	}{
		{"all", nil, "0123456789", nil},
		{"a part", &blob.Range{Start: 2, End: 4}, "234", nil},
		{"to the end", &blob.Range{Start: 7, End: -1}, "789", nil},
		{"beyond the end is cut", &blob.Range{Start: 8, End: 99}, "89", nil},
		{"behind the end", &blob.Range{Start: 10, End: -1}, "", blob.ErrInvalidRange},
	} {
		if got, err := read(t, s, "a/b c.txt", c.r); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
	if _, err := s.Get(t.Context(), "b", "a/b c.txt", nil, blob.Conditions{IfMatch: "other"}); !errors.Is(err, blob.ErrPreconditionFailed) {
		t.Errorf("another version: got %v", err)
	}
}

// TestInside: no key leaves its directory, by dots or by links.
func TestInside(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	outside := filepath.Join(filepath.Dir(dir), "outside.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(dir), filepath.Join(dir, "up")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../outside.txt", "a/../../outside.txt", "link", "up/outside.txt", "..", ".", "", "a/", "/", "a\x00b"} {
		if got, err := read(t, s, key, nil); err == nil || strings.Contains(got, "secret") {
			t.Errorf("Get(%q) = %q, %v", key, got, err)
		}
		if key != "link" {
			if _, err := s.Put(t.Context(), "b", key, strings.NewReader("x"), blob.PutOptions{}); err == nil {
				t.Errorf("Put(%q): no error", key)
			}
		}
	}
	if b, _ := os.ReadFile(outside); string(b) != "secret" {
		t.Errorf("the file outside now holds %q", b)
	}
	if _, err := s.Head(t.Context(), "other", "k", blob.Conditions{}); !errors.Is(err, blob.ErrNoSuchBucket) {
		t.Errorf("another bucket: %v", err)
	}
	if _, err := s.Head(t.Context(), "b", "nothing", blob.Conditions{}); !errors.Is(err, blob.ErrNoSuchKey) {
		t.Errorf("a missing key: %v", err)
	}
}

// TestKeys: each odd key is a file of exactly that name, or is refused; nothing is written beside the directory.
func TestKeys(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "a", "b", "c")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := plain.Open(map[string]string{"b": dir})
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]bool{}
	for _, key := range blobtest.TryOddKeys(t, s, "b") {
		taken[key] = true
	}
	if len(taken) < 50 || taken["../x"] || taken["/x"] || taken["a//x"] || !taken["x?y"] || !taken["..x"] {
		t.Errorf("%d keys are taken", len(taken))
	}
	err = filepath.WalkDir(parent, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		key, err := filepath.Rel(dir, name)
		if err != nil || !taken[key] {
			t.Errorf("there is a file %q, %v", name, err)
		}
		delete(taken, key)
		return nil
	})
	if err != nil || len(taken) > 0 {
		t.Errorf("%v; without a file: %v", err, taken)
	}
	if _, err := os.Lstat("/tmp/darkroom-odd-key"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was written at an absolute path: %v", err)
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	ctx := context.Background()
	u, err := s.CreateUpload(ctx, "b", "x/film.mp4", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var parts []blob.Part
	for _, n := range []int{2, 1, 3} { // out of order
		p, err := s.UploadPart(ctx, u, n, bytes.NewReader(bytes.Repeat([]byte{byte('0' + n)}, 3)), blob.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	if _, err := s.Head(ctx, "b", "x/film.mp4", blob.Conditions{}); !errors.Is(err, blob.ErrNoSuchKey) {
		t.Errorf("an object before it is complete: %v", err)
	}
	if _, err := s.CompleteUpload(ctx, u, []blob.Part{parts[1], parts[0], parts[2]}, blob.Conditions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, s, "x/film.mp4", nil); err != nil || got != "111222333" {
		t.Errorf("got %q, %v", got, err)
	}
	aborted, err := s.CreateUpload(ctx, "b", "x/other.mp4", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.UploadPart(ctx, aborted, 1, strings.NewReader("x"), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.AbortUpload(ctx, aborted); err != nil {
		t.Fatal(err)
	}
	if err := s.AbortUpload(ctx, aborted); !errors.Is(err, blob.ErrNoSuchUpload) {
		t.Errorf("aborted twice: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "x"))
	if err != nil || len(left) != 1 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cut off") }

func TestBrokenBodyLeavesNothing(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	if _, err := s.Put(t.Context(), "b", "k", io.MultiReader(strings.NewReader("half"), broken{}), blob.PutOptions{}); err == nil {
		t.Error("no error")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestDenied: what no job does is refused.
func TestDenied(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ctx := t.Context()
	for name, err := range map[string]error{
		"CreateBucket": s.CreateBucket(ctx, "b"), "DeleteBucket": s.DeleteBucket(ctx, "b"), "Delete": s.Delete(ctx, "b", "k"),
		"List":       second(s.List(ctx, "b", blob.ListOptions{})),
		"Copy":       second(s.Copy(ctx, "b", "k", "b", "l", blob.CopyOptions{})),
		"HeadBucket": second(s.HeadBucket(ctx, "b")), "ListBuckets": second(s.ListBuckets(ctx)),
		"ListUploads": second(s.ListUploads(ctx, "b", "")), "ListParts": second(s.ListParts(ctx, blob.Upload{})),
	} {
		if !errors.Is(err, blob.ErrAccessDenied) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
