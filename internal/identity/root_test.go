package identity

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func TestLoadRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, created, err := LoadRoot(dir, rand.Reader)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if len(made.AccessKeyID) != 20 || !strings.HasPrefix(made.AccessKeyID, "AKIA") || made.SecretAccessKey.Len() != 40 {
		t.Errorf("got %q and %d bytes", made.AccessKeyID, made.SecretAccessKey.Len())
	}
	path := filepath.Join(dir, CredentialsFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("got files %v, %v", entries, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, created, err := LoadRoot(dir, iotest.ErrReader(io.ErrUnexpectedEOF))
	if err != nil || created || again.AccessKeyID != made.AccessKeyID || !bytes.Equal(again.SecretAccessKey.Reveal(), made.SecretAccessKey.Reveal()) {
		t.Errorf("again: got %v %v %v", again, created, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", made, made, made); strings.Contains(shown, string(made.SecretAccessKey.Reveal())) {
		t.Error("the secret prints")
	}
}

func TestLoadRootFails(t *testing.T) {
	t.Parallel()
	if _, created, err := LoadRoot(filepath.Join(t.TempDir(), "absent"), rand.Reader); !errors.Is(err, fs.ErrNotExist) || created {
		t.Errorf("no directory: got %v", err)
	}
	dir := t.TempDir()
	if _, _, err := LoadRoot(dir, iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: got %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// TestLoadRootRace lets many first starts meet: all end with one pair.
func TestLoadRootRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ids := make([]string, 16)
	makers := make([]bool, len(ids))
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			root, created, err := LoadRoot(dir, rand.Reader)
			if err != nil {
				t.Error(err)
			}
			ids[i], makers[i] = root.AccessKeyID, created
		})
	}
	wg.Wait()
	made := 0
	for i := range ids {
		if ids[i] != ids[0] {
			t.Errorf("got %q and %q", ids[i], ids[0])
		}
		if makers[i] {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d starts say that they made the pair", made)
	}
}

func TestReadCredentials(t *testing.T) {
	t.Parallel()
	const good = "# root\n; keep\n\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=hush=/+\nregion = x\n\n[other]\naws_access_key_id = no\naws_secret_access_key = no\n"
	tests := []struct {
		name, text string
		mode       fs.FileMode
		want       string // in the error; empty: none
	}{
		{"good", good, 0o600, ""},
		{"read-only", good, 0o400, ""},
		{"spaces in the profile", strings.Replace(good, "[default]", "[ default ]", 1), 0o600, ""},
		{"windows lines", strings.ReplaceAll(good, "\n", "\r\n"), 0o600, ""},
		{"group may read", good, 0o640, "mode 0640"},
		{"others may read", good, 0o604, "mode 0604"},
		{"others may write", good, 0o602, "mode 0602"},
		{"empty", "", 0o600, "needs"},
		{"no secret", "[default]\naws_access_key_id = hush\n", 0o600, "needs"},
		{"empty secret", "[default]\naws_access_key_id = a\naws_secret_access_key =\n", 0o600, "needs"},
		{"no key", "[default]\naws_secret_access_key = hush\n", 0o600, "needs"},
		{"another profile", strings.Replace(good, "[default]", "[second]", 1), 0o600, "needs"},
		{"no profile", strings.Replace(good, "[default]", "", 1), 0o600, "needs"},
		{"key twice", "[default]\naws_access_key_id = a\naws_access_key_id = b\n", 0o600, "line 3"},
		{"secret twice", "[default]\naws_secret_access_key = hush\naws_secret_access_key = hush\n", 0o600, "line 3"},
		{"profile broken", "[default\n", 0o600, "line 1"},
		{"line broken", "[default]\nhush\n", 0o600, "line 2"},
		{"too long", good + strings.Repeat("#", maxCredentialsFile), 0o600, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, CredentialsFile)
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			got, err := ReadCredentials(path)
			if tt.want == "" {
				if err != nil || got.AccessKeyID != "AKIA1" || string(got.SecretAccessKey.Reveal()) != "hush=/+" {
					t.Errorf("got %q, %v", got.AccessKeyID, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the path", err, tt.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows what may be a secret: %v", err)
			}
			if _, created, err := LoadRoot(dir, rand.Reader); err == nil || created {
				t.Error("LoadRoot replaced or took it")
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != tt.text {
				t.Error("the file changed")
			}
		})
	}
	if _, err := ReadCredentials(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a directory: got %v", err)
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
	f.Add("[\n=\n;")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := parseCredentials([]byte(text), defaultProfile)
		if (err == nil) != (root.AccessKeyID != "" && root.SecretAccessKey.Len() > 0) {
			t.Errorf("half a pair: %q %v", root.AccessKeyID, err)
		}
	})
}

// TestProfiles: pairs of more accounts and users stand in the same file, each under its own name, and none is replaced.
func TestProfiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, _, err := LoadProfile(dir, "222222222222", rand.Reader); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	root, _, err := LoadRoot(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made, created, err := LoadProfile(dir, "222222222222", rand.Reader)
	if err != nil || !created || made.AccessKeyID == root.AccessKeyID {
		t.Fatal(created, err)
	}
	again, created, err := LoadProfile(dir, "222222222222", iotest.ErrReader(io.ErrUnexpectedEOF))
	if err != nil || created || again.AccessKeyID != made.AccessKeyID || !bytes.Equal(again.SecretAccessKey.Reveal(), made.SecretAccessKey.Reveal()) {
		t.Errorf("again: %v %v %v", again.AccessKeyID, created, err)
	}
	if err := AddProfile(dir, "222222222222", root); err == nil {
		t.Error("a profile was replaced")
	}
	if same, created, err := LoadRoot(dir, rand.Reader); err != nil || created || same.AccessKeyID != root.AccessKeyID {
		t.Errorf("the root is now %v %v %v", same.AccessKeyID, created, err)
	}
	if _, _, err := LoadProfile(dir, "x", iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, CredentialsFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}
