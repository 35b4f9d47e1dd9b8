package keyfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"darkroom/internal/secret"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, created, err := Load(dir, rand.Reader)
	if err != nil || !created || key.Len() != secret.KeySize {
		t.Fatalf("first start: %d bytes, created %t, %v", key.Len(), created, err)
	}
	again, created, err := Load(dir, rand.Reader)
	if err != nil || created || !bytes.Equal(again.Reveal(), key.Reveal()) {
		t.Errorf("second start: same %t, created %t, %v", bytes.Equal(again.Reveal(), key.Reveal()), created, err)
	}
	info, err := os.Stat(filepath.Join(dir, Name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestLoadAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const starts = 16
	keys := make([]secret.Bytes, starts)
	made := make([]bool, starts)
	var group sync.WaitGroup
	for i := range starts {
		group.Go(func() {
			var err error
			if keys[i], made[i], err = Load(dir, rand.Reader); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	count := 0
	for i := range starts {
		if made[i] {
			count++
		}
		if !bytes.Equal(keys[i].Reveal(), keys[0].Reveal()) {
			t.Error("two starts have different keys")
		}
	}
	if count != 1 {
		t.Errorf("%d starts made a key", count)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	write := func(size int, mode os.FileMode) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string)
	}{
		{"empty", write(0, 0o600)},
		{"short", write(31, 0o600)},
		{"long", write(33, 0o600)},
		{"readable by the group", write(32, 0o640)},
		{"readable by all", write(32, 0o604)},
		{"executable by others", write(32, 0o601)},
		{"directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"pipe", func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"link", func(t *testing.T, path string) {
			write(32, 0o600)(t, path+".real")
			if err := os.Symlink(path+".real", path); err != nil {
				t.Fatal(err)
			}
		}},
		{"dangling link", func(t *testing.T, path string) {
			if err := os.Symlink(path+".none", path); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, Name)
			tt.make(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if key, created, err := Load(dir, rand.Reader); err == nil || created || key.Len() != 0 {
				t.Errorf("taken: %d bytes, created %t, %v", key.Len(), created, err)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("the file was replaced: %v", err)
			}
		})
	}
}

func TestLoadOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 { // nobody else can give a file away; the check is for servers that run as root
		return
	}
	dir := t.TempDir()
	if _, _, err := Load(dir, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, Name), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(dir, rand.Reader); err == nil {
		t.Error("a key of another user is taken")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestLoadFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, _, err := Load(dir, broken{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("without randomness: %v", err)
	}
	if _, _, err := Load(filepath.Join(dir, "missing"), rand.Reader); err == nil {
		t.Error("a key in a directory that is not there")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
