package dir

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/blob"
	"darkroom/internal/blob/blobtest"
	"darkroom/internal/secret"
)

func testKey() secret.Bytes {
	key := make([]byte, secret.KeySize)
	for i := range key {
		key[i] = byte(i)
	}
	return secret.New(key)
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, Key: testKey(), Random: rand.Reader})
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

// TestKeys: each odd key is an object of exactly that key, or is refused; nothing of a key is the name of a file.
func TestKeys(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	at := filepath.Join(parent, "a", "b", "store")
	s := openStore(t, at)
	if err := s.CreateBucket(t.Context(), "odd-keys"); err != nil {
		t.Fatal(err)
	}
	taken := blobtest.TryOddKeys(t, s, "odd-keys")
	page, err := s.List(t.Context(), "odd-keys", blob.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, o := range page.Objects {
		listed = append(listed, o.Key)
	}
	slices.Sort(taken)
	if diff := cmp.Diff(taken, listed); diff != "" || len(taken) < 100 {
		t.Errorf("%d keys, -taken +listed\n%s", len(taken), diff)
	}
	if err := filepath.WalkDir(parent, func(name string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && (!strings.HasPrefix(name, at+string(filepath.Separator)) || slices.Contains(taken, e.Name()) && len(e.Name()) < 200) {
			t.Errorf("there is a file %q", name)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat("/tmp/darkroom-odd-key"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was written at an absolute path: %v", err)
	}
	for _, bucket := range []string{"", ".", "..", "../x", "a/b", "/tmp", "..%2f", "UPPER", "a\x00b", "-ab", "ab-", "a..b", "127.0.0.1", "::1", "xn--a", "é", "a_b", strings.Repeat("a", 64)} {
		if err := s.CreateBucket(t.Context(), bucket); !errors.Is(err, blob.ErrInvalidBucketName) {
			t.Errorf("bucket %q: %v", bucket, err)
		}
		if _, err := s.Put(t.Context(), bucket, "x", strings.NewReader(""), blob.PutOptions{}); !errors.Is(err, blob.ErrNoSuchBucket) {
			t.Errorf("put into bucket %q: %v", bucket, err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s, err := Open(Options{Dir: t.TempDir(), Key: testKey(), Random: rand.Reader, Keys: blobtest.NewKeys()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	blobtest.Run(t, blobtest.Target{Store: s})
}
