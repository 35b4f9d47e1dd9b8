package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/secret"
)

var files = map[string]string{"darkroom.db": "records", "objects/data/aa/aabb": strings.Repeat("sealed", 30_000), "objects/empty": "", "tls/ca.pem": "authority", "ünïcode/ä": "x"}

var order = []string{"darkroom.db", "objects/data/aa/aabb", "objects/empty", "tls/ca.pem", "ünïcode/ä"}

func archive(t testing.TB, w io.Writer) End {
	t.Helper()
	out, err := NewWriter(w, Header{ID: "b-1", Moment: time.Unix(1_900_000_000, 0).UTC(), Version: "v1", Elsewhere: []string{"the root"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range order {
		if err := out.Add(name, int64(len(files[name])), strings.NewReader(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	e, err := out.Close(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// tree is what a directory has.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		out[filepath.ToSlash(rel)] = string(b)
		if st, err := d.Info(); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", rel, st.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRestore(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	wrote := archive(t, &b)
	parent := t.TempDir()
	to := filepath.Join(parent, "data")
	prepared := false
	h, e, err := Restore(t.Context(), bytes.NewReader(b.Bytes()), to, func(staging string, h Header, e End) error {
		prepared = h.ID == "b-1" && e.Files == int64(len(files))
		if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something is in place before all was verified: %v", err)
		}
		return os.WriteFile(filepath.Join(staging, "prepared"), nil, 0o600)
	})
	if err != nil || !prepared || e.Manifest != wrote.Manifest || h.Elsewhere[0] != "the root" {
		t.Fatalf("%+v %+v %v", h, e, err)
	}
	got := tree(t, to)
	delete(got, "prepared")
	if diff := cmp.Diff(files, got); diff != "" {
		t.Error(diff)
	}
	// A directory that has something in it is not touched; an empty one is as good as none.
	if _, _, err := Restore(t.Context(), bytes.NewReader(b.Bytes()), to, nil); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("into what is not empty: %v", err)
	}
	blank := filepath.Join(parent, "blank")
	if err := os.Mkdir(blank, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(t.Context(), bytes.NewReader(b.Bytes()), blank, nil); err != nil {
		t.Errorf("into an empty directory: %v", err)
	}
	failed := errors.New("not fit")
	if _, _, err := Restore(t.Context(), bytes.NewReader(b.Bytes()), filepath.Join(parent, "unfit"), func(string, Header, End) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("what is found unfit: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Restore(ended, bytes.NewReader(b.Bytes()), filepath.Join(parent, "ended"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	left, err := os.ReadDir(parent)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// entries are the entries of a tar that a test makes by hand.
func entries(t *testing.T, list ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range list {
		h := &tar.Header{Name: e[0], Size: int64(len(e[1])), Mode: 0o600}
		if strings.HasPrefix(e[1], "link:") {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, e[1][5:], 0
			e[1] = ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRefuses: what is no whole archive of this format is refused, and nothing of it is left.
func TestRefuses(t *testing.T) {
	t.Parallel()
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // of nothing
	header := [2]string{headerName, `{"format":1}`}
	end := func(files int, manifest string) [2]string {
		l, err := newList()
		if err != nil {
			t.Fatal(err)
		}
		l.sum.Write([]byte(manifest))
		defer func() { _ = l.file.Close() }()
		return [2]string{endName, fmt.Sprintf(`{"files":%d,"bytes":0,"manifestSHA256":%q}`, files, l.digest())}
	}
	line := sum + " 0 a\n"
	good := entries(t, header, [2]string{"files/a", ""}, [2]string{manifestName, line}, end(1, line))
	if _, _, err := Read(t.Context(), bytes.NewReader(good), Visitor{}); err != nil {
		t.Fatalf("what a test makes by hand is refused: %v", err)
	}
	for _, tt := range []struct {
		name string
		text []byte
		want error
	}{
		{"nothing", nil, ErrDamaged},
		{"no tar", []byte(strings.Repeat("darkroom", 200)), ErrDamaged},
		{"a tar of nothing", entries(t), ErrDamaged},
		{"another first entry", entries(t, [2]string{"files/a", ""}), ErrDamaged},
		{"a later format", entries(t, [2]string{headerName, `{"format":2}`}), ErrFormat},
		{"a header that is no JSON", entries(t, [2]string{headerName, `{`}), ErrDamaged},
		{"a header that is too long", entries(t, [2]string{headerName, strings.Repeat(" ", maxDocument+1)}), ErrDamaged},
		{"no end", entries(t, header, [2]string{"files/a", ""}), ErrDamaged},
		{"no end behind the manifest", entries(t, header, [2]string{"files/a", ""}, [2]string{manifestName, line}), ErrDamaged},
		{"a file that the manifest lacks", entries(t, header, [2]string{"files/a", ""}, [2]string{"files/b", ""}, [2]string{manifestName, line}, end(1, line)), ErrDamaged},
		{"a file that is not there", entries(t, header, [2]string{manifestName, line}, end(1, line)), ErrDamaged},
		{"another file", entries(t, header, [2]string{"files/a", "x"}, [2]string{manifestName, line}, end(1, line)), ErrDamaged},
		{"another name", entries(t, header, [2]string{"files/b", ""}, [2]string{manifestName, line}, end(1, line)), ErrDamaged},
		{"another number of files", entries(t, header, [2]string{"files/a", ""}, [2]string{manifestName, line}, end(2, line)), ErrDamaged},
		{"another digest of the manifest", entries(t, header, [2]string{"files/a", ""}, [2]string{manifestName, line}, end(1, "x")), ErrDamaged},
		{"something behind the end", entries(t, header, [2]string{"files/a", ""}, [2]string{manifestName, line}, end(1, line), [2]string{"files/b", ""}), ErrDamaged},
		{"something behind the tar", append(bytes.Clone(good), "x"...), ErrDamaged},
		{"a path that leads out", entries(t, header, [2]string{"files/../a", ""}), ErrDamaged},
		{"an absolute path", entries(t, header, [2]string{"files//etc/passwd", ""}), ErrDamaged},
		{"a path of the root", entries(t, header, [2]string{"files/.", ""}), ErrDamaged},
		{"a path with a line break", entries(t, header, [2]string{"files/a\nb", ""}), ErrDamaged},
		{"a symbolic link", entries(t, header, [2]string{"files/a", "link:/etc"}), ErrDamaged},
		{"one path twice, with different bytes", entries(t, header, [2]string{"files/a", "x"}, [2]string{"files/a", "y"}), ErrDamaged},
		{"one path twice, of different sizes", entries(t, header, [2]string{"files/a", "x"}, [2]string{"files/a", "xy"}), ErrDamaged},
	} {
		parent := t.TempDir()
		if _, _, err := Restore(t.Context(), bytes.NewReader(tt.text), filepath.Join(parent, "data"), nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind %v %v", tt.name, left, err)
		}
	}
	twice := sum + " 0 a\n" + sum + " 0 a\n"
	if _, _, err := Restore(t.Context(), bytes.NewReader(entries(t, header, [2]string{"files/a", ""}, [2]string{"files/a", ""}, [2]string{manifestName, twice}, end(2, twice))),
		filepath.Join(t.TempDir(), "data"), nil); err != nil {
		t.Errorf("a file that two objects share: %v", err)
	}
}

// TestSealed: a sealed archive that is cut off anywhere or altered anywhere is refused, as is one for somebody else.
func TestSealed(t *testing.T) {
	t.Parallel()
	who, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	to, err := ForPublicKeys(strings.NewReader("# backups\n" + who.Recipient().String() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	with, err := FromKeys(strings.NewReader(who.String()))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := to.Seal(&b)
	if err != nil {
		t.Fatal(err)
	}
	archive(t, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(sealed []byte, i Identities) error {
		r, err := i.Open(bytes.NewReader(sealed))
		if err != nil {
			return err
		}
		_, _, err = Read(t.Context(), r, Visitor{})
		return err
	}
	if err := read(b.Bytes(), with); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("authority")) || bytes.Contains(b.Bytes(), []byte("darkroom.db")) {
		t.Error("something stands in it in clear")
	}
	for n := 0; n < b.Len(); n += 9973 {
		if err := read(b.Bytes()[:n], with); err == nil {
			t.Errorf("cut off at %d of %d: accepted", n, b.Len())
		}
		altered := bytes.Clone(b.Bytes())
		altered[n] ^= 1
		if err := read(altered, with); err == nil {
			t.Errorf("altered at %d: accepted", n)
		}
	}
	for cut := range 64 {
		if err := read(b.Bytes()[:b.Len()-1-cut], with); err == nil {
			t.Errorf("without its last %d bytes: accepted", cut+1)
		}
	}
	if err := read(append(bytes.Clone(b.Bytes()), 'x'), with); err == nil {
		t.Error("with a byte more: accepted")
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := FromKeys(strings.NewReader(other.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := read(b.Bytes(), stranger); !errors.Is(err, ErrNotForUs) {
		t.Errorf("somebody else: %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	words := secret.New([]byte("correct horse battery"))
	to, err := ForPassphrase(words)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := to.Seal(&b)
	if err != nil {
		t.Fatal(err)
	}
	archive(t, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		words string
		want  error
	}{{"correct horse battery", nil}, {"correct horse batterx", ErrNotForUs}} {
		i, err := FromPassphrase(secret.New([]byte(tt.words)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := i.Open(bytes.NewReader(b.Bytes()))
		if err == nil {
			_, _, err = Read(t.Context(), r, Visitor{})
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%q: %v", tt.words, err)
		}
	}
	if _, err := ForPassphrase(secret.New([]byte("short"))); err == nil {
		t.Error("a short passphrase was taken")
	}
	if _, err := (Recipients{}).Seal(io.Discard); err == nil {
		t.Error("sealed for nobody")
	}
	for _, text := range []string{"", "age1no", "AGE-SECRET-KEY-1SECRETTEXT"} {
		if _, err := ForPublicKeys(strings.NewReader(text)); err == nil {
			t.Errorf("recipients %q were taken", text)
		}
		if _, err := FromKeys(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "SECRETTEXT") {
			t.Errorf("identities %q: %v", text, err)
		}
	}
}

// TestPublish: a file has its name when it is whole, and takes no other's place.
func TestPublish(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "backup.age")
	f, err := Private(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := f.Stat(); err != nil || st.Mode().Perm() != 0o600 || !strings.HasSuffix(f.Name(), ".partial") {
		t.Errorf("%s %v %v", f.Name(), st.Mode(), err)
	}
	if err := Publish(f, path); err != nil {
		t.Fatal(err)
	}
	if err := Publish(f, path); !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("twice: %v", err)
	}
	again, err := Private(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Publish(again, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
}

// TestShortFile: a file that became shorter while it was read breaks the backup.
func TestShortFile(t *testing.T) {
	t.Parallel()
	w, err := NewWriter(io.Discard, Header{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abandon() }()
	if err := w.Add("a", 10, strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	for _, path := range []string{"", "/a", "../a", "a/../b", "a\nb", "a\\b"} {
		if err := w.Add(path, 0, strings.NewReader("")); err == nil {
			t.Errorf("path %q was taken", path)
		}
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	archive(f, &b)
	f.Add(b.Bytes()[:4096])
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, _, err := Read(t.Context(), bytes.NewReader(text), Visitor{}); err == nil && !bytes.Contains(text, []byte(endName)) {
			t.Error("an archive without an end was read")
		}
	})
}
