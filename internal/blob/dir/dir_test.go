package dir

import (
	"crypto/rand"
	"testing"

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

func TestConformance(t *testing.T) {
	t.Parallel()
	s, err := Open(Options{Dir: t.TempDir(), Key: testKey(), Random: rand.Reader, Keys: blobtest.NewKeys()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	blobtest.Run(t, blobtest.Target{Store: s})
}
