package directory_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"darkroom/internal/packager/directory"
	"darkroom/internal/plan"
)

func open(t *testing.T) (*directory.Sink, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := directory.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

func loc(key string) plan.Location { return plan.Location{Bucket: "any", Key: key} }

// files are the names of all files below a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPut(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	for _, body := range []string{"first", "second"} { // the second one over the first
		if err := s.Put(t.Context(), loc("dash/video/00001.m4s"), "video/mp4", []byte(body)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, dir, "dash/video/00001.m4s"); got != body {
			t.Errorf("got %q, want %q", got, body)
		}
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, loc("late"), "", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestNamesStayInside(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../out", "/etc/out", "link/out", "a/../../out", ".darkroom-0011", "a/.darkroom-0011"} {
		if err := s.Put(t.Context(), loc(name), "", []byte("x")); err == nil {
			t.Errorf("put %s: no error", name)
		}
		if _, err := s.Create(t.Context(), loc(name), ""); err == nil {
			t.Errorf("create %s: no error", name)
		}
	}
	if got := append(files(t, outside), slices.DeleteFunc(files(t, dir), func(n string) bool { return n == "link" })...); len(got) > 0 {
		t.Errorf("written: %v", got)
	}
}

type expecter interface{ Expect(first int64) }

func TestParts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		expect int64 // -1 for none
		order  []int // in which the parts come
	}{
		{"in order", -1, []int{1, 2, 3, 4}},
		{"out of order", -1, []int{4, 2, 3, 1}},
		{"the first one last, as large as expected", 5, []int{2, 4, 3, 1}},
		{"smaller than expected", 9, []int{2, 3, 4, 1}},
		{"larger than expected", 2, []int{3, 2, 4, 1}},
		{"of which nothing was expected", 0, []int{2, 3, 4, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, dir := open(t)
			u, err := s.Create(t.Context(), loc("film.mp4"), "")
			if err != nil {
				t.Fatal(err)
			}
			if tt.expect >= 0 {
				u.(expecter).Expect(tt.expect)
			}
			parts := map[int]string{1: "first", 2: "second part", 3: "", 4: "the last"}
			var wg sync.WaitGroup
			for _, n := range tt.order {
				if n == 1 && tt.expect >= 0 {
					wg.Wait() // it comes when the others have come
				}
				wg.Go(func() {
					body := []byte(parts[n])
					if err := u.Part(t.Context(), n, body); err != nil {
						t.Errorf("part %d: %v", n, err)
					}
					clear(body) // it is the caller's again
				})
			}
			wg.Wait()
			for _, name := range files(t, dir) {
				if !strings.HasPrefix(name, ".darkroom-") {
					t.Errorf("%s is there before it is complete", name)
				}
			}
			if err := u.Complete(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := content(t, dir, "film.mp4"), parts[1]+parts[2]+parts[3]+parts[4]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := files(t, dir); len(got) != 1 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	u, err := s.Create(t.Context(), loc("a/film.mp4"), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stuck := make(chan error)
	go func() { stuck <- u.Part(ctx, 2, []byte("second")) }() // it waits for the first
	cancel()
	if err := <-stuck; !errors.Is(err, context.Canceled) {
		t.Errorf("a part that waits: %v", err)
	}
	if err := u.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	// After a Complete that failed.
	if u, err = s.Create(t.Context(), loc("b"), ""); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "b", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := u.Complete(t.Context()); err == nil {
		t.Error("a file over a directory")
	}
	if err := u.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestEmptyAndRemove(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	for _, want := range []bool{true, true, false} {
		if got, err := s.Empty("dash"); err != nil || got != want {
			t.Errorf("empty: %v, %v, want %v", got, err, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "dash")); err == nil && want {
			if err := os.WriteFile(filepath.Join(dir, "dash", "x"), bytes.Repeat([]byte("x"), 3), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(dir, "dash"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time, it is not there
		if err := s.Remove(loc("dash/x")); err != nil {
			t.Error(err)
		}
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("not removed: %v", got)
	}
}
