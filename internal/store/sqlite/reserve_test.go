package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/job"
	"darkroom/internal/store"
	"darkroom/internal/store/storetest"
)

// small mounts a file system of so many bytes, or skips where that is not allowed.
func small(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("mount a small file system, which root may: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// glut takes all the room that there is, and returns how to give it back.
func glut(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "glut")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; size /= 16 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func recordOf(name string) audit.Record {
	return audit.Record{EventName: name, EventID: name, RecipientAccountID: "111122223333", EventTime: time.Unix(1_700_000_000, 0).UTC()}
}

// TestFull: on a full file system changes are refused and leave nothing, complete records are kept all the same, and when there is room again all goes on.
func TestFull(t *testing.T) {
	dir := small(t, ReserveSize+8<<20)
	s, err := Open(filepath.Join(dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	submit := func(n int, name string) (*audit.Pending, error) {
		p := audit.NewPending(recordOf(name))
		j := storetest.Job(n)
		j.Settings = json.RawMessage(`"` + strings.Repeat("s", 100_000) + `"`)
		_, err := s.Submit(audit.With(ctx, p), j, time.Unix(1_700_000_000, 0))
		return p, err
	}
	if _, err := submit(0, "before"); err != nil {
		t.Fatal(err)
	}
	free := glut(t, dir)
	n, refused := 1, error(nil)
	for ; refused == nil && n < 1000; n++ { // what the log has room for is still taken
		_, refused = submit(n, fmt.Sprintf("job-%d", n))
	}
	if !errors.Is(refused, store.ErrFull) {
		t.Fatalf("job %d: %v", n, refused)
	}
	lost := n - 1
	pending, err := submit(n, "refused")
	if !errors.Is(err, store.ErrFull) || pending.Sequence() != 0 {
		t.Errorf("%v, and its record stands at %d", err, pending.Sequence())
	}
	if err := s.Intend(audit.With(ctx, audit.NewPending(recordOf("intent")))); !errors.Is(err, store.ErrFull) {
		t.Errorf("an effect would have come without a record: %v", err)
	}
	for i := range 50 {
		if err := s.Audit(ctx, recordOf(fmt.Sprintf("denied-%d", i))); err != nil {
			t.Fatalf("record %d in the reserved room: %v", i, err)
		}
	}
	for _, gone := range []int{lost, n} {
		if _, err := s.Get(ctx, storetest.Job(gone).Account, storetest.Job(gone).ID); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("job %d was refused, and is there: %v", gone, err)
		}
	}
	free()
	if _, err := submit(n+1, "after"); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if i, err := os.Stat(filepath.Join(dir, "db"+reserveSuffix)); err != nil || i.Size() != ReserveSize {
		t.Errorf("the room is not reserved again: %v, %v", i, err)
	}
	seen := map[string]bool{}
	entries, err := s.Concluded(ctx, "", 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		r, err := e.Decode()
		if err != nil {
			t.Fatal(err)
		}
		seen[r.EventName] = true
	}
	if !seen["denied-0"] || !seen["denied-49"] || seen["refused"] || seen["intent"] {
		t.Errorf("%d records, not those that are to be there", len(seen))
	}
}

// TestReserveTooLarge: records are opened where the room cannot be reserved, and no change is taken until it can.
func TestReserveTooLarge(t *testing.T) {
	dir := small(t, ReserveSize+4<<20)
	s, err := Open(filepath.Join(dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), os.Remove(filepath.Join(dir, "db"+reserveSuffix))); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(filepath.Join(dir, "db")); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Submit(context.Background(), storetest.Job(1), time.Unix(0, 0)); !errors.Is(err, store.ErrFull) {
		t.Errorf("%v", err)
	}
	if err := s.Audit(t.Context(), recordOf("told")); err != nil {
		t.Error(err)
	}
	if err := os.Remove(taken); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Submit(context.Background(), storetest.Job(1), time.Unix(0, 0)); err != nil {
		t.Error(err)
	}
}
