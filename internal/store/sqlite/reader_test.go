package sqlite

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/store"
)

// TestReader: records are read beside the server that has them open, and after it has stopped; nothing can be written.
func TestReader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	if _, err := OpenReader(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("records that are not there: %v", err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	r := store.Registry{Name: "x", Account: "000000000000"}
	if _, err := s.ChangeRegistry(ctx, r, 0, []store.Entry{{Kind: "k", ID: "1", Record: []byte(`{}`)}}, nil); err != nil {
		t.Fatal(err)
	}
	tell := func() {
		t.Helper()
		e := audit.ServiceEvent{Time: time.Now(), Service: "egress", Action: "Connect", Outcome: audit.Granted}
		if err := s.Audit(ctx, e.Record("us-east-1", "000000000000")); err != nil {
			t.Fatal(err)
		}
	}
	tell()
	look := func(want int64) {
		t.Helper()
		beside, err := OpenReader(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := beside.Close(); err != nil {
				t.Error(err)
			}
		}()
		if n, err := beside.Position(ctx); err != nil || n != want {
			t.Errorf("position %d, %v; want %d", n, err, want)
		}
		if found, err := beside.Find(ctx, audit.Query{Account: "000000000000", Limit: 10}); err != nil || int64(len(found)) != want {
			t.Errorf("found %d, %v", len(found), err)
		}
		if all, n, err := beside.LoadRegistry(ctx, r); err != nil || len(all) != 1 || n != 1 {
			t.Errorf("registry %v, %d, %v", all, n, err)
		}
		if n, err := beside.Generation(ctx, r); err != nil || n != 1 {
			t.Errorf("generation %d, %v", n, err)
		}
		if _, err := beside.ChangeRegistry(ctx, r, 1, nil, nil); !errors.Is(err, ErrReadOnly) {
			t.Errorf("a registry was changed: %v", err)
		}
		if err := beside.NoteRegistry(ctx, r, nil); !errors.Is(err, ErrReadOnly) {
			t.Errorf("a registry was changed: %v", err)
		}
		if _, err := beside.s.read.Exec("DELETE FROM records"); err == nil {
			t.Error("a record was deleted")
		}
	}
	look(1)
	tell()
	look(2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look(2)
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), path); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("newer records: %v", err)
	}
}
