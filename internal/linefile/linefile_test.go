package linefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The bounds of the tests.
const (
	maxLine   = 1 << 20
	mostBytes = maxLine + 1
)

func open(t *testing.T, change func(*File)) (File, string) {
	t.Helper()
	f := File{Path: filepath.Join(t.TempDir(), "events.ndjson"), MaxBytes: 64 << 20, Keep: 15, MaxLine: maxLine}
	if change != nil {
		change(&f)
	}
	return f, f.Path
}

// lines are those of a file.
func lines(t *testing.T, path string) (out [][]byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		if line[len(line)-1] != '\n' || !json.Valid(line) {
			t.Errorf("%s has a line that is none: %q", path, line)
		}
		out = append(out, bytes.TrimSuffix(line, []byte("\n")))
	}
	return out
}

func send(f File, body string) error { return f.Append([]byte(body + "\n")) }

func TestRotation(t *testing.T) {
	t.Parallel()
	s, path := open(t, func(o *File) { o.MaxBytes, o.Keep = mostBytes, 2 })
	body := func(n int) string { return fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", 400<<10)) } // two to a file
	for n := range 9 {
		if err := send(s, body(n)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]int{path: {8}, path + ".1": {6, 7}, path + ".2": {4, 5}} {
		var got []int
		for _, line := range lines(t, name) {
			var e struct{ N int }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.N)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s has %v, want %v", filepath.Base(name), got, want)
		}
		if info, err := os.Stat(name); err != nil || info.Size() > mostBytes || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Lstat(path + ".3"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("more is kept than was asked for: %v", err)
	}
}

// What a crash left in the middle is mended, at each place where it can happen.
func TestAfterACrash(t *testing.T) {
	t.Parallel()
	t.Run("half a line", func(t *testing.T) {
		t.Parallel()
		for _, left := range []string{"{\"a\":1}\n{\"b\"", "{\"a\":1", "{\"a\":1}\n"} {
			s, path := open(t, nil)
			if err := os.WriteFile(path, []byte(left), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := send(s, `{"c":3}`); err != nil {
				t.Fatal(err)
			}
			whole := left[:strings.LastIndexByte(left, '\n')+1] + "{\"c\":3}\n"
			if got, err := os.ReadFile(path); err != nil || string(got) != whole {
				t.Errorf("%q becomes %q, want %q (%v)", left, got, whole, err)
			}
		}
	})
	t.Run("between the names of a rotation", func(t *testing.T) {
		t.Parallel()
		s, path := open(t, func(o *File) { o.MaxBytes, o.Keep = mostBytes, 3 })
		for name, content := range map[string]string{path + ".2": "1\n", path: `"` + strings.Repeat("x", maxLine-3) + "\"\n"} { // .1 has become .2
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := send(s, `"next"`); err != nil {
			t.Fatal(err)
		}
		if got := len(lines(t, path+".1")[0]); got != maxLine-1 {
			t.Errorf("the file did not become the youngest of the old: %d bytes", got)
		}
		if got := string(lines(t, path+".2")[0]); got != "1" {
			t.Errorf("an old file was overwritten: %q", got)
		}
	})
	t.Run("a line longer than any of ours is not cut", func(t *testing.T) {
		t.Parallel()
		s, path := open(t, nil)
		content := bytes.Repeat([]byte("x"), maxLine+10)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := send(s, `1`); err == nil {
			t.Error("it was appended")
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the file was changed (%v)", err)
		}
	})
}

// Nothing but an own file with one name is written to.
func TestTricks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(path, other string) error
	}{
		{"symbolic link", func(path, other string) error { return os.Symlink(other, path) }},
		{"symbolic link to nothing", func(path, other string) error { return os.Symlink(other+".new", path) }},
		{"hard link", func(path, other string) error { return os.Link(other, path) }},
		{"directory", func(path, _ string) error { return os.Mkdir(path, 0o700) }},
		{"pipe", func(path, _ string) error { return unix.Mkfifo(path, 0o600) }},
		{"file that others can read", func(path, _ string) error { return os.WriteFile(path, []byte("1\n"), 0o644) }},
		{"no directory", func(path, _ string) error { return os.Remove(filepath.Dir(path)) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			other := filepath.Join(t.TempDir(), "other")
			if err := os.WriteFile(other, []byte("2\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s, path := open(t, nil)
			if err := test.make(path, other); err != nil {
				t.Fatal(err)
			}
			if err := send(s, `1`); err == nil || strings.Contains(err.Error(), filepath.Dir(path)) {
				t.Errorf("Append = %v, want an error without the path", err)
			}
			if got, err := os.ReadFile(other); err != nil || string(got) != "2\n" {
				t.Errorf("the other file has %q (%v)", got, err)
			}
			if _, err := os.Stat(other + ".new"); err == nil {
				t.Error("a file was made behind the link")
			}
		})
	}
	t.Run("a rotation over a symbolic link replaces the link", func(t *testing.T) {
		t.Parallel()
		other := filepath.Join(t.TempDir(), "other")
		if err := os.WriteFile(other, []byte("2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, path := open(t, func(o *File) { o.MaxBytes, o.Keep = mostBytes, 1 })
		if err := os.Symlink(other, path+".1"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := send(s, `"`+strings.Repeat("x", maxLine-2)+`"`); err != nil {
				t.Fatal(err)
			}
		}
		if info, err := os.Lstat(path + ".1"); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%v, %v", info, err)
		}
		if got, err := os.ReadFile(other); err != nil || string(got) != "2\n" {
			t.Errorf("the other file has %q (%v)", got, err)
		}
	})
}

// Two writers of one file, as in two processes, write whole lines, and none is lost that was taken.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	a, path := open(t, func(o *File) { o.MaxBytes, o.Keep = mostBytes, 100 })
	const each = 40
	var writing sync.WaitGroup
	for w, s := range []File{a, a} {
		writing.Go(func() {
			for n := range each {
				body := fmt.Sprintf(`{"w":%d,"n":%d,"pad":%q}`, w, n, strings.Repeat("x", 100<<10))
				for try := 0; ; try++ {
					err := send(s, body)
					if err == nil {
						break
					}
					if !strings.Contains(err.Error(), "another process") || try > 1e6 {
						t.Errorf("Append: %v", err)
						return
					}
				}
			}
		})
	}
	writing.Wait()
	seen := map[string]int{}
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, line := range lines(t, name) {
			var e struct{ W, N int }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			seen[fmt.Sprint(e.W, e.N)]++
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	if len(seen) != 2*each {
		t.Errorf("%d messages, want %d", len(seen), 2*each)
	}
}

// A disk that is full costs no line that was there, and leaves no half one. The file system is one of 2 MiB in the mounts of a child process.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("FULL_DISK"); dir != "" {
		diskFull(t, dir)
		return
	}
	c := exec.Command("/proc/self/exe", "-test.run=^TestDiskFull$", "-test.v")
	c.Env = append(os.Environ(), "FULL_DISK="+t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func diskFull(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	s := File{Path: filepath.Join(dir, "events.ndjson"), MaxBytes: 8 << 20, Keep: 1, MaxLine: maxLine}
	body := `"` + strings.Repeat("x", 300<<10) + `"`
	taken := 0
	var err error
	for ; taken < 100; taken++ {
		if err = send(s, body); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("after %d messages: %v, want that the disk is full", taken, err)
	}
	if got := len(lines(t, s.Path)); got != taken {
		t.Errorf("%d lines, want the %d that were taken", got, taken)
	}
}

// TestReleased: a process that was forked while the file was open, and has not become its program yet, does not keep the lock.
func TestReleased(t *testing.T) {
	t.Parallel()
	s, _ := open(t, nil)
	dir, err := os.OpenRoot(filepath.Dir(s.Path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	f, _, err := s.open(dir)
	if err != nil {
		t.Fatal(err)
	}
	inherited, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	release(f)
	again, _, err := s.open(dir)
	if err != nil {
		t.Fatal(err)
	}
	release(again)
}
