package dir

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"
)

// TestCloseWaits: a snapshot is not removed while something is being put aside for it, and nothing is put aside for one that is closed.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	all, err := Freeze([]*Store{s}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	n := s.using()
	closed := make(chan error, 1)
	go func() { closed <- all[0].Close() }()
	for s.using() != nil { // until the closing has begun
		n.users.Done()
		time.Sleep(time.Millisecond)
	}
	if err := os.WriteFile(n.aside("late"), []byte("x"), 0o600); err != nil {
		t.Errorf("it was removed under the hands of who uses it: %v", err)
	}
	n.users.Done()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(n.kept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was kept is there still: %v", err)
	}
}
