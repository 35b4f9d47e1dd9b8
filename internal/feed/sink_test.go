package feed

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"darkroom/internal/secret"
)

func lines(texts ...string) (out [][]byte) {
	for _, s := range texts {
		out = append(out, []byte(s+"\n"))
	}
	return out
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "audit.ndjson")
	f := NewFile(path, 20, 2)
	send := func(texts ...string) {
		t.Helper()
		if err := f.Send(t.Context(), lines(texts...)); err != nil {
			t.Fatal(err)
		}
	}
	send("one", "two")
	if got := content(t, path); got != "one\ntwo\n" {
		t.Errorf("got %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	send("three", "four") // 19 bytes
	send("five")
	if got := content(t, path) + "|" + content(t, path+".1"); got != "five\n|one\ntwo\nthree\nfour\n" {
		t.Errorf("after the first rotation: %q", got)
	}
	send("a line that is longer than a file may be")
	send("six")
	send("a line that is longer than a file may be, again")
	if got := content(t, path+".1") + content(t, path+".2"); got != "six\na line that is longer than a file may be\n" {
		t.Errorf("after more: %q", got)
	}
	if _, err := os.Stat(path + ".3"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file too many is kept: %v", err)
	}

	// A file that another program took away is made anew.
	if err := os.Rename(path, path+".taken"); err != nil {
		t.Fatal(err)
	}
	send("seven")
	if got := content(t, path); got != "seven\n" {
		t.Errorf("after it was taken away: %q", got)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}

func TestFileRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	for name, prepare := range map[string]func(path string) error{
		"a link":                  func(path string) error { return os.Symlink(target, path) },
		"a directory":             func(path string) error { return os.Mkdir(path, 0o700) },
		"a file that others read": func(path string) error { return os.WriteFile(path, nil, 0o640) },
		"a pipe":                  func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"below a file": func(path string) error {
			return os.WriteFile(filepath.Dir(path), nil, 0o600)
		},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"), "x")
		if name != "below a file" {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		if err := NewFile(path, 100, 1).Send(t.Context(), lines("x")); err == nil {
			t.Errorf("%s is written to", name)
		}
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a link led to was made: %v", err)
	}
}

func TestWeb(t *testing.T) {
	t.Parallel()
	var status int
	var header http.Header
	var got, token, kind string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, token, kind = string(b), r.Header.Get("Authorization"), r.Header.Get("Content-Type")
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, strings.Repeat("x", 100))
	}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	word := "hush"
	w := NewWeb(client, server.URL+"/s3cret-path?key=s3cret-query", func() (secret.Bytes, error) {
		if word == "" {
			return secret.Bytes{}, &os.PathError{Op: "open", Path: "/etc/token", Err: os.ErrNotExist}
		}
		return secret.New([]byte(word)), nil
	})
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		taken  bool
		large  bool
		after  time.Duration
	}{
		{"taken", 200, nil, true, false, 0},
		{"accepted", 202, nil, true, false, 0},
		{"no content", 204, nil, true, false, 0},
		{"redirected", 302, http.Header{"Location": {"/elsewhere"}}, false, false, 0},
		{"forbidden", 403, nil, false, false, 0},
		{"too large", 413, nil, false, true, 0},
		{"busy", 429, http.Header{"Retry-After": {"120"}}, false, false, 2 * time.Minute},
		{"busy for ever", 503, http.Header{"Retry-After": {"99999999"}}, false, false, 0},
		{"busy in words", 503, http.Header{"Retry-After": {"soon"}}, false, false, 0},
	} {
		status, header = c.status, c.header
		err := w.Send(t.Context(), lines("a", "b"))
		if (err == nil) != c.taken {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, large := errors.AsType[*TooLarge](err); large != c.large {
			t.Errorf("%s: too large: %t", c.name, large)
		}
		later, ok := errors.AsType[*Later](err)
		if ok != (c.after > 0) || ok && later.After != c.after {
			t.Errorf("%s: later: %+v", c.name, later)
		}
		if got != "a\nb\n" || token != "Bearer hush" || kind != "application/x-ndjson" {
			t.Errorf("%s: it got %q with %q, %q", c.name, got, token, kind)
		}
	}
	word = ""
	if err := w.Send(t.Context(), lines("a")); err == nil || strings.Contains(err.Error(), "/etc/token") {
		t.Errorf("without its token: %v", err)
	}
	server.Close()
	word = "hush"
	if err := w.Send(t.Context(), lines("a")); err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "it takes no connections") {
		t.Errorf("down: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
