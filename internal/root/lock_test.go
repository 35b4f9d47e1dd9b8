package root

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// openOf are the descriptors of this process that a file is open by.
func openOf(t *testing.T, path string) (fds []int) {
	t.Helper()
	const own = "/proc/self/fd"
	entries, err := os.ReadDir(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(own, e.Name())); err == nil && to == path {
			fd, err := strconv.Atoi(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fd)
		}
	}
	return fds
}

// A lock that was given back is free, though a process that is being started has its descriptor still.
func TestLockIsGivenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock, err := lock(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	// What a child has between fork and exec: the same open file.
	var held []int
	for _, fd := range openOf(t, filepath.Join(dir, lockName)) {
		again, err := syscall.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, again)
	}
	if len(held) != 1 {
		t.Fatalf("the lock is open %d times", len(held))
	}
	unlock()
	again, err := lock(t.Context(), dir, false)
	if err != nil {
		t.Fatalf("locked again: %v", err)
	}
	again()
	if err := syscall.Close(held[0]); err != nil {
		t.Fatal(err)
	}
}
