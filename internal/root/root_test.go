package root

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/secret"
)

// data are the names that say that something was sealed.
var data = []string{"darkroom.db", "objects"}

func options(dir string, r Root) Options {
	return Options{Dir: dir, Root: r, Random: rand.Reader, Now: time.Now, Data: data}
}

func inside(dir string) *File { return NewFile(filepath.Join(dir, KeyName), rand.Reader) }

// passphrase is a root of few iterations, whose words are at hand.
func passphrase(words string) *Passphrase {
	p := NewPassphrase(func(context.Context, bool) (secret.Bytes, error) { return secret.New([]byte(words)), nil }, rand.Reader)
	p.iterations = minIterations
	return p
}

// mustOpen opens the key of a directory and gives a copy of it.
func mustOpen(t *testing.T, dir string, r Root) []byte {
	t.Helper()
	opened, err := Open(t.Context(), options(dir, r))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(opened.Secret.Reveal())
}

// mustRefuse says that a directory does not open, with all of want in the message, and is as it was.
func mustRefuse(t *testing.T, dir string, r Root, want ...string) {
	t.Helper()
	before := tree(t, dir)
	opened, err := Open(t.Context(), options(dir, r))
	if err == nil || opened != nil {
		t.Fatalf("opened: %v, %v", opened, err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("a refusal changed the directory:\n%s", diff)
	}
}

// tree is what is in a directory, but for the lock.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == lockName || !e.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFirstOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 5, 1, 12, 0, 0, 5, time.UTC)
	o := options(dir, inside(dir))
	o.Now = func() time.Time { return now }
	first, err := Open(t.Context(), o)
	if err != nil || !first.Made || first.Adopted || first.Secret.Len() != secret.KeySize {
		t.Fatalf("first open: %+v, %v", first, err)
	}
	key := bytes.Clone(first.Secret.Reveal())
	second, err := Open(t.Context(), options(dir, inside(dir)))
	if err != nil || second.Made || second.Adopted || !bytes.Equal(second.Secret.Reveal(), key) {
		t.Fatalf("second open: %+v, %v", second, err)
	}
	if diff := cmp.Diff(first.Status, second.Status); diff != "" {
		t.Errorf("the status changed:\n%s", diff)
	}
	if st, err := Read(dir); err != nil || !cmp.Equal(st, first.Status) || !st.Created.Equal(now) || !st.Wrapped.Equal(now) || st.Kind != KindFile || len(st.Key) != 16 || len(st.Installation) != 32 {
		t.Errorf("status %+v, %v", st, err)
	}
	if diff := cmp.Diff([]string{Name, lockName, KeyName}, names(t, dir)); diff != "" {
		t.Errorf("files: %s", diff)
	}
	for _, name := range names(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	for name, content := range tree(t, dir) {
		if strings.Contains(content, string(key)) {
			t.Errorf("%s has the key in the clear", name)
		}
	}
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const starts = 16
	opened := make([]*Opened, starts)
	var group sync.WaitGroup
	for i := range starts {
		group.Go(func() {
			var err error
			if opened[i], err = Open(t.Context(), options(dir, inside(dir))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	made := 0
	for _, o := range opened {
		if o.Made {
			made++
		}
		if !bytes.Equal(o.Secret.Reveal(), opened[0].Secret.Reveal()) {
			t.Error("two starts have different keys")
		}
	}
	if made != 1 {
		t.Errorf("%d starts made a key", made)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	lose := func(t *testing.T, dir string, names ...string) {
		t.Helper()
		for _, n := range names {
			if err := os.Remove(filepath.Join(dir, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	edit := func(change func(d *document)) func(t *testing.T, dir string) Root {
		return func(t *testing.T, dir string) Root {
			t.Helper()
			d, err := readDocument(dir)
			if err != nil {
				t.Fatal(err)
			}
			change(&d)
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, Name), text)
			return inside(dir)
		}
	}
	text := func(content string) func(t *testing.T, dir string) Root {
		return func(t *testing.T, dir string) Root {
			t.Helper()
			write(t, filepath.Join(dir, Name), []byte(content))
			return inside(dir)
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, dir string) Root // after a first open under the file root
		want []string
	}{
		{"the root key is gone", func(t *testing.T, dir string) Root {
			lose(t, dir, KeyName)
			return inside(dir)
		}, []string{KeyName, "is not there", "put it back"}},
		{"the root key is another", func(t *testing.T, dir string) Root {
			write(t, filepath.Join(dir, KeyName), bytes.Repeat([]byte{7}, secret.KeySize))
			return inside(dir)
		}, []string{"is not the one that wraps"}},
		{"the root key is cut off", func(t *testing.T, dir string) Root {
			write(t, filepath.Join(dir, KeyName), make([]byte, secret.KeySize-1))
			return inside(dir)
		}, []string{"31 bytes"}},
		{"others may read the root key", func(t *testing.T, dir string) Root {
			if err := os.Chmod(filepath.Join(dir, KeyName), 0o640); err != nil {
				t.Fatal(err)
			}
			return inside(dir)
		}, []string{"0640", "chmod 600"}},
		{"the root key is a link", func(t *testing.T, dir string) Root {
			path := filepath.Join(dir, KeyName)
			if err := errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path)); err != nil {
				t.Fatal(err)
			}
			return inside(dir)
		}, nil},
		{"the root key is a pipe", func(t *testing.T, dir string) Root {
			lose(t, dir, KeyName)
			if err := syscall.Mkfifo(filepath.Join(dir, KeyName), 0o600); err != nil {
				t.Fatal(err)
			}
			return inside(dir)
		}, []string{"not a regular file"}},
		{"another kind is configured", func(*testing.T, string) Root { return passphrase("correct horse battery staple") }, []string{"of kind file", "of kind passphrase", "keys rewrap"}},
		{"the wrapped key is gone, data is there", func(t *testing.T, dir string) Root {
			lose(t, dir, Name)
			write(t, filepath.Join(dir, "darkroom.db"), nil)
			return inside(dir)
		}, []string{"holds darkroom.db but no installation key", "restore " + Name}},
		{"both keys are gone, data is there", func(t *testing.T, dir string) Root {
			lose(t, dir, Name, KeyName)
			if err := os.Mkdir(filepath.Join(dir, "objects"), 0o700); err != nil {
				t.Fatal(err)
			}
			return inside(dir)
		}, []string{"holds objects but no installation key"}},
		{"an old key beside is another", func(t *testing.T, dir string) Root {
			write(t, filepath.Join(dir, OldName), bytes.Repeat([]byte{7}, secret.KeySize))
			return inside(dir)
		}, []string{OldName, "another key"}},
		{"an old key beside is none", func(t *testing.T, dir string) Root {
			write(t, filepath.Join(dir, OldName), []byte("x"))
			return inside(dir)
		}, []string{OldName, "1 bytes"}},
		{"others may read the wrapped key", func(t *testing.T, dir string) Root {
			if err := os.Chmod(filepath.Join(dir, Name), 0o604); err != nil {
				t.Fatal(err)
			}
			return inside(dir)
		}, []string{"0604"}},
		{"empty", text(""), []string{"restore"}},
		{"no JSON", text("x"), []string{"restore"}},
		{"a list", text("[]"), []string{"restore"}},
		{"a newer version", text(`{"version":2}`), []string{"version 2", "newer"}},
		{"too long", text(strings.Repeat(" ", maxDocument+1)), []string{"more than"}},
		{"something behind it", func(t *testing.T, dir string) Root {
			write(t, filepath.Join(dir, Name), []byte(tree(t, dir)[Name]+"{}"))
			return inside(dir)
		}, []string{"restore"}},
		{"unknown member", text(`{"version":1,"more":1}`), []string{"more"}},
		{"another installation", edit(func(d *document) { d.Installation = strings.Repeat("0", 32) }), []string{"was changed"}},
		{"another day", edit(func(d *document) { d.Created = d.Created.Add(time.Second) }), []string{"was changed"}},
		{"wrapped on another day", edit(func(d *document) { d.WrappedAt = d.WrappedAt.Add(time.Second) }), []string{"was changed"}},
		{"a salt", edit(func(d *document) { d.Root.Salt = []byte("x") }), []string{"was changed"}},
		{"iterations", edit(func(d *document) { d.Root.Iterations = 1 }), []string{"was changed"}},
		{"a retired key", edit(func(d *document) { d.Retired = d.Root.Key }), []string{"was changed"}},
		{"another check", edit(func(d *document) { d.Check[0] ^= 1 }), []string{"was changed"}},
		{"another wrapping", edit(func(d *document) { d.Root.Wrapped[20] ^= 1 }), []string{"was changed"}},
		{"another kind", edit(func(d *document) { d.Root.Kind = KindKMS }), []string{"of kind kms"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mustOpen(t, dir, inside(dir))
			mustRefuse(t, dir, tt.make(t, dir), tt.want...)
		})
	}
}

// TestAnotherInstallation: the wrapped key of one installation does not pass for that of another under the same root key.
func TestAnotherInstallation(t *testing.T) {
	t.Parallel()
	a, b, keys := t.TempDir(), t.TempDir(), t.TempDir()
	mustOpen(t, a, inside(keys))
	mustOpen(t, b, inside(keys))
	da, err := readDocument(a)
	if err != nil {
		t.Fatal(err)
	}
	db, err := readDocument(b)
	if err != nil {
		t.Fatal(err)
	}
	db.Root.Wrapped = da.Root.Wrapped
	text, err := json.Marshal(db)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b, Name), text)
	mustRefuse(t, b, inside(keys), "was changed")
}

// TestAdopt: the clear key of an older version is wrapped by whatever root is configured.
func TestAdopt(t *testing.T) {
	t.Parallel()
	old := bytes.Repeat([]byte{42}, secret.KeySize)
	for name, r := range map[string]func(dir string) Root{
		"file":       func(dir string) Root { return inside(dir) },
		"passphrase": func(string) Root { return passphrase("correct horse battery staple") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, OldName), old)
			write(t, filepath.Join(dir, "darkroom.db"), nil)
			made := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
			if err := os.Chtimes(filepath.Join(dir, OldName), made, made); err != nil {
				t.Fatal(err)
			}
			first, err := Open(t.Context(), options(dir, r(dir)))
			if err != nil || !first.Adopted || first.Made || !bytes.Equal(first.Secret.Reveal(), old) || !first.Created.Equal(made) {
				t.Fatalf("%+v, %v", first, err)
			}
			if _, err := os.Lstat(filepath.Join(dir, OldName)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the clear key is left: %v", err)
			}
			for name, content := range tree(t, dir) {
				if strings.Contains(content, string(old)) {
					t.Errorf("%s has the key in the clear", name)
				}
			}
			again, err := Open(t.Context(), options(dir, r(dir)))
			if err != nil || again.Adopted || !bytes.Equal(again.Secret.Reveal(), old) || !again.Created.Equal(made) {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

// TestAdoptRefuses: an old key file that is not as it must be is no reason to make a new key.
func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"short":     func(path string) error { return os.WriteFile(path, []byte("short"), 0o600) },
		"readable":  func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte{1}, 32), 0o644) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":      func(path string) error { return os.Symlink("/nonexistent", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := make(filepath.Join(dir, OldName)); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, dir, inside(dir), "key file")
		})
	}
}

func TestOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 { // nobody else can give a file away; the check is for servers that run as root
		return
	}
	for _, name := range []string{Name, KeyName} {
		dir := t.TempDir()
		mustOpen(t, dir, inside(dir))
		if err := os.Chown(filepath.Join(dir, name), 12345, 12345); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, dir, inside(dir), "another user")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestOpenFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir, inside(dir))
	o.Random = broken{}
	if _, err := Open(t.Context(), o); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("without randomness: %v", err)
	}
	if _, err := Open(t.Context(), options(dir, NewFile(filepath.Join(dir, KeyName), broken{}))); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("root without randomness: %v", err)
	}
	if _, err := Open(t.Context(), options(filepath.Join(dir, "missing"), inside(dir))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key in a directory that is not there: %v", err)
	}
	if _, err := Open(t.Context(), options(dir, NewFile(filepath.Join(dir, "missing", KeyName), rand.Reader))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a root key in a directory that is not there: %v", err)
	}
	if diff := cmp.Diff([]string{lockName}, names(t, dir)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}

// liar is a root that does not open what it wraps.
type liar struct {
	*File
	gives secret.Bytes
	err   error
}

func (l liar) unwrap(context.Context, string, wrapping) (secret.Bytes, error) { return l.gives, l.err }

// TestVerified: what a root wraps is believed once it has opened it.
func TestVerified(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]liar{
		"refuses":           {err: errors.New("no")},
		"gives another key": {gives: secret.New(bytes.Repeat([]byte{1}, secret.KeySize))},
		"gives nothing":     {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, keys := t.TempDir(), t.TempDir()
			l.File = inside(keys)
			write(t, filepath.Join(dir, OldName), bytes.Repeat([]byte{42}, secret.KeySize))
			mustRefuse(t, dir, l, "verify")
			key := mustOpen(t, dir, inside(dir))
			before := tree(t, dir)
			if _, err := Rewrap(t.Context(), options(dir, l), inside(dir)); err == nil || !strings.Contains(err.Error(), "verify") {
				t.Errorf("rewrapped: %v", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("changed:\n%s", diff)
			}
			if !bytes.Equal(mustOpen(t, dir, inside(dir)), key) {
				t.Error("another key")
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	dir := f.TempDir()
	if _, err := Open(f.Context(), options(dir, inside(dir))); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"installation":"00000000000000000000000000000000","root":{"kind":"kms","key":"k","wrapped":"AA=="},"check":""}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parse(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			return // a time that JSON cannot say
		}
		back, err := parse(again)
		if err != nil || !cmp.Equal(d, back) {
			t.Errorf("%v: %s", err, cmp.Diff(d, back))
		}
		if d.Version != version || len(d.Root.Wrapped) > maxWrapped || d.Root.Kind == "" {
			t.Errorf("taken: %+v", d)
		}
	})
}
