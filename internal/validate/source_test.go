package validate

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDirResolve(t *testing.T) {
	t.Parallel()
	d := &Dir{base: "https://cdn.example/film"}
	for _, c := range []struct{ name, base, ref, want string }{
		{"what the user named", "", "a/b.m3u8", "a/b.m3u8"},
		{"beside", "a/b.m3u8", "c.ts", "a/c.ts"},
		{"below", "a/b.m3u8", "d/c.ts?token=1#x", "a/d/c.ts"},
		{"above, inside", "a/b.m3u8", "../c.ts", "c.ts"},
		{"from the root", "a/b.m3u8", "/c.ts", "c.ts"},
		{"with a space", "a/b.m3u8", "c%20d.ts", "a/c d.ts"},
		{"parentheses", "a/Manifest", "QualityLevels(5)/Fragments(video=0)", "a/QualityLevels(5)/Fragments(video=0)"},
		{"by its address", "a/b.m3u8", "https://cdn.example/film/x/c.ts", "x/c.ts"},
		{"another address", "a/b.m3u8", "https://evil.example/c.ts", ""},
		{"a host alone", "a/b.m3u8", "//evil.example/c.ts", ""},
		{"a file", "a/b.m3u8", "file:///etc/passwd", ""},
		{"out of it", "a/b.m3u8", "../../etc/passwd", ""},
		{"out of it and in again", "a/b.m3u8", "x/../../../film/c.ts", ""},
		{"no reference", "a/b.m3u8", "%zz", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := c.base
			if base != "" {
				var err error
				if base, err = d.Resolve("", base); err != nil {
					t.Fatal(err)
				}
			}
			got, err := d.Resolve(base, c.ref)
			if (err != nil) != (c.want == "") || err == nil && d.Name(got) != c.want {
				t.Errorf("got %q (%s), %v; want %q", got, d.Name(got), err, c.want)
			}
		})
	}
}

// TestDirStaysInside does not follow links out of the directory, nor read what is no file.
func TestDirStaysInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(out, []byte("x"), 0o600), os.Symlink(out, filepath.Join(dir, "link")), os.Mkdir(filepath.Join(dir, "sub"), 0o755),
		os.WriteFile(filepath.Join(dir, "file"), []byte("0123456789"), 0o600)); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDir(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, c := range []struct {
		name, file     string
		offset, length int64
		want           string
		err            error
	}{
		{"all", "file", 0, -1, "0123456789", nil},
		{"a range", "file", 2, 3, "234", nil},
		{"to the end", "file", 7, -1, "789", nil},
		{"beyond the end", "file", 7, 4, "", io.ErrUnexpectedEOF},
		{"behind the end", "file", 11, -1, "", io.ErrUnexpectedEOF},
		{"not there", "none", 0, -1, "", fs.ErrNotExist},
		{"a link out of it", "link", 0, -1, "", errors.ErrUnsupported},
		{"a directory", "sub", 0, -1, "", errors.ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref, err := d.Resolve("", c.file)
			if err != nil {
				t.Fatal(err)
			}
			b, err := read(t.Context(), d, span{ref, c.offset, c.length}, 100)
			switch {
			case errors.Is(c.err, errors.ErrUnsupported): // any error will do
				if err == nil {
					t.Errorf("it was read: %q", b)
				}
			case !errors.Is(err, c.err) || string(b) != c.want:
				t.Errorf("got %q, %v; want %q, %v", b, err, c.want, c.err)
			}
		})
	}
}

// TestWeb checks a package on a server as it checks one in a directory.
func TestWeb(t *testing.T) {
	t.Parallel()
	good := onDemand(t)
	dir := t.TempDir()
	for name, b := range good {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /film/", http.StripPrefix("/film/", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("GET /moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/film/"+strings.TrimPrefix(r.URL.Path, "/moved/"), http.StatusFound)
	})
	mux.HandleFunc("GET /round/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	mux.HandleFunc("GET /whole/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "no ranges here") })
	mux.HandleFunc("GET /torn/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "short")
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	web := &Web{Transport: server.Client().Transport}
	for _, prefix := range []string{"/film/", "/moved/"} {
		r, err := Check(t.Context(), web, []string{server.URL + prefix + "m.mpd"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			t.Error(f)
		}
		if r.Samples != 289 {
			t.Errorf("%d samples", r.Samples)
		}
	}
	for _, c := range []struct {
		name, path     string
		offset, length int64
		want           string
	}{
		{"not there", "/film/none", 0, -1, "does not exist"},
		{"a range beyond the end", "/film/m.mpd", 1 << 20, 10, "EOF"},
		{"redirects without end", "/round/x", 0, -1, "redirect"},
		{"no ranges", "/whole/x", 5, 10, "no range requests"},
		{"cut off", "/torn/x", 0, -1, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := read(t.Context(), web, span{server.URL + c.path + "?secret=hunter2", c.offset, c.length}, 1<<20)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %q, %v; want %s", b, err, c.want)
			}
		})
	}
	if got := web.Name("https://h.example/m.mpd?secret=hunter2:12"); got != "https://h.example/m.mpd:12" {
		t.Errorf("shown as %s", got)
	}
	for _, ref := range []string{"file:///etc/passwd", "data:text/plain,x", "ftp://h.example/x"} {
		if abs, err := web.Resolve("https://h.example/m.mpd", ref); err == nil {
			t.Errorf("%s resolves to %s", ref, abs)
		}
	}
}

// TestVectors finds counter blocks that are used again, whatever the size of the vectors.
func TestVectors(t *testing.T) {
	t.Parallel()
	iv := func(b ...byte) []byte { return b }
	long := func(last byte) []byte { return iv(0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, last) }
	for _, c := range []struct {
		name string
		add  func(v *vectors) bool // whether the last one was used before
		want bool
		n    int
	}{
		{"in a row", func(v *vectors) (again bool) {
			for i := range byte(100) {
				again, _ = v.add("k", iv(0, 0, 0, 0, 0, 0, 0, i), 1<<20)
			}
			return again
		}, false, 1},
		{"the same", func(v *vectors) bool {
			v.add("k", iv(0, 0, 0, 0, 0, 0, 0, 1), 10)
			again, _ := v.add("k", iv(0, 0, 0, 0, 0, 0, 0, 1), 10)
			return again
		}, true, 1},
		{"under another key", func(v *vectors) bool {
			v.add("k", iv(0, 0, 0, 0, 0, 0, 0, 1), 10)
			again, _ := v.add("l", iv(0, 0, 0, 0, 0, 0, 0, 1), 10)
			return again
		}, false, 2},
		{"16 bytes, next to each other", func(v *vectors) bool {
			v.add("k", long(0), 33)
			again, _ := v.add("k", long(3), 16)
			return again
		}, false, 1},
		{"16 bytes, one block over", func(v *vectors) bool {
			v.add("k", long(0), 33)
			again, _ := v.add("k", long(2), 16)
			return again
		}, true, 1},
		{"16 bytes, from before", func(v *vectors) bool {
			v.add("k", long(9), 16)
			again, _ := v.add("k", long(5), 5*16)
			return again
		}, true, 1},
		{"8 bytes against 16", func(v *vectors) bool {
			v.add("k", long(7), 16)
			again, _ := v.add("k", iv(0, 0, 0, 0, 0, 0, 0, 9), 16)
			return again
		}, true, 1},
		{"a gap that closes", func(v *vectors) bool {
			v.add("k", long(0), 16)
			v.add("k", long(2), 16)
			again, _ := v.add("k", long(1), 16)
			return again
		}, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var v vectors
			if got := c.add(&v); got != c.want || v.n != c.n {
				t.Errorf("again %v, %d intervals; want %v, %d", got, v.n, c.want, c.n)
			}
		})
	}
}

func TestSameCodec(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stated, measured string
		want             bool
	}{
		{"avc1.4d400b", "avc1.4D400B", true},
		{"avc1.77.11", "avc1.4D400B", true}, // RFC 4281
		{"avc1.66.11", "avc1.4D400B", false},
		{"avc1.4d400c", "avc1.4D400B", false},
		{"avc3.4d400b", "avc1.4D400B", false},
		{"hvc1.1.6.L60.90", "hvc1.1.6.L60.90.00.0", true},
		{"hvc1.1.6.L60.90", "hev1.1.6.L60.90", false},
		{"hvc1.1.6.L60.90", "hvc1.1.6.L63.90", false},
		{"av01.0.00M.08", "av01.0.00M.08.0.111.01.01.01.0", true},
		{"av01.0.00M.08.0.112", "av01.0.00M.08.0.111.01.01.01.0", false},
		{"av01.0.00M.10", "av01.0.00M.08.0.111.01.01.01.0", false},
		{"av01.0", "av01.0.00M.08.0.111.01.01.01.0", false},
		{"stpp.ttml.im1t", "stpp", true},
		{"mp4a.40.5", "mp4a.40.2", false},
		{"ac-3", "ec-3", false},
	} {
		if got := sameCodec(c.stated, c.measured); got != c.want {
			t.Errorf("%s and %s: %v", c.stated, c.measured, got)
		}
	}
}
