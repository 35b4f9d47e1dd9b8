package keyserver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/keyserver"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
)

// vault seals for the tests as the key service does: what is sealed opens with the same pairs alone.
type vault struct {
	sealer *secret.Sealer

	mu     sync.Mutex // guards what follows
	sealed int
	fails  error
}

func newVault(t *testing.T) *vault {
	t.Helper()
	s, err := secret.NewSealer(secret.New(make([]byte, secret.KeySize)), "test", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &vault{sealer: s}
}

func bound(pairs map[string]string) []byte {
	var out []byte
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		out = fmt.Appendf(out, "%q=%q;", k, pairs[k])
	}
	return out
}

func (v *vault) Seal(_ context.Context, pairs map[string]string, plain secret.Bytes) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fails != nil {
		return nil, v.fails
	}
	v.sealed++
	return v.sealer.Seal(bound(pairs), plain.Reveal())
}

func (v *vault) Open(_ context.Context, pairs map[string]string, sealed []byte) (secret.Bytes, error) {
	plain, err := v.sealer.Open(bound(pairs), sealed)
	return secret.New(plain), err
}

// bench is records that key servers are opened over.
type bench struct {
	*testing.T
	records *sqlite.Store
	vault   *vault
	now     time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	return &bench{T: t, records: records, vault: newVault(t), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
}

// open opens a key server, as after a restart or in another process.
func (b *bench) open(mode keyserver.Mode) *keyserver.Service {
	b.Helper()
	s, err := keyserver.New(keyserver.Options{Mode: mode, Accounts: []string{account, other}, Store: b.records, Sealer: b.vault, Now: func() time.Time { return b.now }})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func id(n byte) cenc.UUID { return cenc.UUID{0: 0xaa, 15: n} }

func wants(n ...byte) []keyserver.Want {
	var out []keyserver.Want
	for _, i := range n {
		out = append(out, keyserver.Want{ID: id(i), Track: "VIDEO"})
	}
	return out
}

func (b *bench) keys(s *keyserver.Service, account, content string, n ...byte) []cenc.Key {
	b.Helper()
	out, err := s.Keys(b.Context(), account, content, wants(n...))
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func same(a, b cenc.Key) bool {
	return a.ID == b.ID && bytes.Equal(a.Value.Reveal(), b.Value.Reveal()) && bytes.Equal(a.IV, b.IV)
}

// refused wants a refusal of a kind.
func refused(t *testing.T, name string, err error, want keyserver.Kind) {
	t.Helper()
	var e *keyserver.Error
	if !errors.As(err, &e) || e.Kind != want || e.Message == "" {
		t.Errorf("%s: got %v, want kind %d", name, err, want)
	}
}

// entries are what stands in the records of an account.
func (b *bench) entries(account string) []store.Entry {
	b.Helper()
	out, _, err := b.records.LoadRegistry(b.Context(), store.Registry{Name: "content-keys", Account: account})
	if err != nil {
		b.Fatal(err)
	}
	return out
}
