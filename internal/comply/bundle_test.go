package comply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"darkroom/internal/secret"
)

func newKey(t *testing.T, b byte) *Key {
	t.Helper()
	k, err := NewKey(secret.New(bytes.Repeat([]byte{b}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t *testing.T, key *Key) []File {
	t.Helper()
	files, err := Seal([]File{{"report.md", []byte("# report\n")}, {"policies/a.json", []byte("{}")}, {"empty", nil}}, report(t, "mpa", sample()), key)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func archive(t *testing.T, files []File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, files, noon); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBundle: what was sealed is verified, as an archive and in a directory; and whatever is changed about it is refused by name.
func TestBundle(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, 1), newKey(t, 2)
	mine, err := Fingerprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := Fingerprint(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, trusted := range []string{"", mine, strings.ToUpper(mine)} {
		v, err := VerifyArchive(bytes.NewReader(archive(t, sealed(t, key))), trusted)
		if err != nil || v.Trusted != (trusted != "") || v.Framework != "mpa" || len(v.Files) != 4 {
			t.Errorf("trusted %q: %+v, %v", trusted, v, err)
		}
	}
	edit := func(name string, change func(*File)) func([]File) []File {
		return func(files []File) []File {
			i := slices.IndexFunc(files, func(f File) bool { return f.Name == name })
			change(&files[i])
			return files
		}
	}
	without := func(name string) func([]File) []File {
		return func(files []File) []File {
			return slices.DeleteFunc(files, func(f File) bool { return f.Name == name })
		}
	}
	for _, tt := range []struct {
		name    string
		change  func([]File) []File
		trusted string
		want    string
	}{
		{"another byte", edit("report.md", func(f *File) { f.Data = []byte("# rePort\n") }), "", "report.md was changed"},
		{"another length", edit("report.md", func(f *File) { f.Data = append(f.Data, 'x') }), "", "report.md was changed"},
		{"a file that is gone", without("policies/a.json"), "", "policies/a.json is missing"},
		{"an empty file that is gone", without("empty"), "", "empty is missing"},
		{"a file more", func(f []File) []File { return append(f, File{"more", nil}) }, "", "more is in the bundle"},
		{"a file twice", func(f []File) []File { return append(f, File{"report.md", []byte("# report\n")}) }, "", "report.md is in the bundle"},
		{"another name", edit("report.md", func(f *File) { f.Name = "report2.md" }), "", "report2.md is in the bundle"},
		{"the manifest changed with the file", edit(ManifestName, func(f *File) { f.Data = bytes.Replace(f.Data, []byte(`"mpa"`), []byte(`"pci"`), 1) }), "", "signature of the manifest"},
		{"the manifest formatted anew", edit(ManifestName, func(f *File) {
			var m any
			if err := json.Unmarshal(f.Data, &m); err != nil {
				t.Fatal(err)
			}
			f.Data, _ = json.Marshal(m)
		}), "", "signature of the manifest"},
		{"no manifest", without(ManifestName), "", "no manifest.json"},
		{"no signature", without(SignatureName), "", "no manifest.jws"},
		{"a signature that is none", edit(SignatureName, func(f *File) { f.Data = []byte("x") }), "", "manifest.jws"},
		{"the signature of another bundle", edit(SignatureName, func(f *File) { f.Data = sealed(t, other)[1].Data }), "", "signature of the manifest"},
		{"the signature by no algorithm", edit(SignatureName, func(f *File) { f.Data = []byte("eyJhbGciOiJub25lIn0..") }), "", "manifest.jws"},
		{"another key", edit(KeyName, func(f *File) { f.Data = sealed(t, other)[5].Data }), "", "was changed"},
		{"a manifest with more", edit(ManifestName, func(f *File) { f.Data = bytes.Replace(f.Data, []byte(`"type"`), []byte(`"x": 1, "type"`), 1) }), "", "unknown field"},
		{"a path that leads out", func([]File) []File { return sealedAs(t, key, "../x") }, "", "no name of a file"},
		{"a manifest of another kind", edit(ManifestName, func(f *File) { f.Data = []byte(`{"type":"x"}`) }), "", "no manifest of a bundle"},
		{"all of it by somebody else", func([]File) []File { return sealed(t, other) }, mine, "signed with the key " + foreign},
		{"no key", func(f []File) []File { return nil }, "", "no manifest.json"},
	} {
		files := tt.change(sealed(t, key))
		if _, err := VerifyArchive(bytes.NewReader(archive(t, files)), tt.trusted); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: as an archive: got %v, want %s", tt.name, err, tt.want)
		}
		if tt.name == "a file twice" || tt.name == "a path that leads out" || len(files) == 0 {
			continue // a directory cannot have it
		}
		dir := fstest.MapFS{}
		for _, f := range files {
			dir[f.Name] = &fstest.MapFile{Data: f.Data}
		}
		if _, err := VerifyDir(dir, tt.trusted); err == nil {
			t.Errorf("%s: in a directory: it was verified", tt.name)
		}
	}
	dir := fstest.MapFS{}
	for _, f := range sealed(t, key) {
		dir[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	if v, err := VerifyDir(dir, mine); err != nil || !v.Trusted {
		t.Errorf("in a directory: %+v, %v", v, err)
	}
}

// sealedAs is a bundle whose manifest, rightly signed, names a file as no bundle may.
func sealedAs(t *testing.T, key *Key, name string) []File {
	t.Helper()
	files := sealed(t, key)
	files[0].Data = bytes.Replace(files[0].Data, []byte(`"empty"`), []byte(`"`+name+`"`), 1)
	kid, err := Fingerprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if files[1].Data, err = sign(files[0].Data, kid, key); err != nil {
		t.Fatal(err)
	}
	return files
}

// TestArchiveDamage: no archive that was cut off, or whose bytes were changed, is verified, and none with what is no file.
func TestArchiveDamage(t *testing.T) {
	t.Parallel()
	whole := archive(t, sealed(t, newKey(t, 1)))
	for n := range whole {
		if _, err := VerifyArchive(bytes.NewReader(whole[:n]), ""); err == nil {
			t.Fatalf("an archive of %d of %d bytes was verified", n, len(whole))
		}
	}
	for i := 10; i < len(whole); i += 7 {
		b := slices.Clone(whole)
		b[i] ^= 0x40
		if _, err := VerifyArchive(bytes.NewReader(b), ""); err == nil {
			t.Fatalf("an archive whose byte %d was changed was verified", i)
		}
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: ManifestName, Linkname: "/etc/passwd"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyArchive(&b, ""); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a link: %v", err)
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	r, key := report(t, "mpa", sample()), newKey(t, 1)
	for _, tt := range []struct {
		name  string
		files []File
	}{
		{"a path that leads out", []File{{"../x", nil}}},
		{"an absolute path", []File{{"/x", nil}}},
		{"the manifest's own name", []File{{ManifestName, nil}}},
		{"a name twice", []File{{"x", nil}, {"x", nil}}},
		{"a control character", []File{{"x\ny", nil}}},
		{"the key's name", []File{{KeyName, nil}}},
	} {
		if _, err := Seal(tt.files, r, key); err == nil {
			t.Errorf("%s: it was sealed", tt.name)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	k := newKey(t, 1)
	text, err := EncodeKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeKey(text)
	if err != nil || !back.Equal(k.Public()) {
		t.Errorf("got %v, %v", back, err)
	}
	for _, bad := range []string{"", "x", string(text) + string(text), strings.Replace(string(text), "PUBLIC", "PRIVATE", 2), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := DecodeKey([]byte(bad)); err == nil {
			t.Errorf("%q was read as a key", bad)
		}
	}
}

func FuzzVerifyArchive(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := VerifyArchive(bytes.NewReader(b), ""); err == nil {
			t.Error("what nobody sealed was verified")
		}
	})
}
