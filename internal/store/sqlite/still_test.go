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

// TestStill: records are read beside the server that has them open, and after it has stopped; nothing can be written.
func TestStill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	if _, err := OpenStill(path); !errors.Is(err, fs.ErrNotExist) {
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
		still, err := OpenStill(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := still.Close(); err != nil {
				t.Error(err)
			}
		}()
		if n, err := still.Position(ctx); err != nil || n != want {
			t.Errorf("position %d, %v; want %d", n, err, want)
		}
		if found, err := still.Find(ctx, audit.Query{Account: "000000000000", Limit: 10}); err != nil || int64(len(found)) != want {
			t.Errorf("found %d, %v", len(found), err)
		}
		if all, n, err := still.LoadRegistry(ctx, r); err != nil || len(all) != 1 || n != 1 {
			t.Errorf("registry %v, %d, %v", all, n, err)
		}
		if n, err := still.Generation(ctx, r); err != nil || n != 1 {
			t.Errorf("generation %d, %v", n, err)
		}
		if _, err := still.ChangeRegistry(ctx, r, 1, nil, nil); !errors.Is(err, ErrStill) {
			t.Errorf("a registry was changed: %v", err)
		}
		if err := still.NoteRegistry(ctx, r, nil); !errors.Is(err, ErrStill) {
			t.Errorf("a registry was changed: %v", err)
		}
		if _, err := still.s.read.Exec("DELETE FROM records"); err == nil {
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
	if _, err := OpenStill(path); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("newer records: %v", err)
	}
}
