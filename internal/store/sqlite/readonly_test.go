package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/store/sqlite"
)

// TestWriteBeside: a program that writes records beside a server and the server take turns, and no number is given twice.
func TestWriteBeside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	server, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	const account = "111122223333"
	n := 0
	record := func() audit.Record {
		n++
		return audit.ServiceEvent{Time: time.Unix(int64(n), 0), Service: "darkroom", Action: fmt.Sprint("Did", n), Outcome: audit.Granted}.Record("us-east-1", account)
	}
	for range 5 {
		beside, err := sqlite.OpenReader(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := beside.Audit(t.Context(), record(), record()); err != nil {
			t.Fatal(err)
		}
		if err := server.Audit(t.Context(), record()); err != nil {
			t.Fatal(err)
		}
		if err := beside.Audit(t.Context(), record()); err != nil {
			t.Fatal(err)
		}
		if err := beside.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all, err := server.Concluded(t.Context(), account, 0, 100)
	if err != nil || len(all) != n {
		t.Fatalf("%d records, %v; want %d", len(all), err, n)
	}
	for i, e := range all {
		r, err := e.Decode()
		if err != nil || e.Position != int64(i+1) || r.EventName != fmt.Sprint("Did", i+1) {
			t.Errorf("at %d: %s, %v; want position %d", e.Position, r.EventName, err, i+1)
		}
	}
}

// TestGrownBeside: who waits for records is told of those that another program has written, when somebody asks for the position; and of the server's own once.
func TestGrownBeside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	server, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	beside, err := sqlite.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	record := audit.ServiceEvent{Time: time.Unix(1, 0), Service: "darkroom", Action: "AuditQueried", Outcome: audit.Granted}.Record("us-east-1", "111122223333")
	told := func(grown <-chan struct{}) bool {
		select {
		case <-grown:
			return true
		default:
			return false
		}
	}
	position := func(want int64) {
		t.Helper()
		if n, err := server.Position(t.Context()); err != nil || n != want {
			t.Fatalf("position %d, %v; want %d", n, err, want)
		}
	}
	for n := int64(0); n < 4; n += 2 {
		grown := server.Grown()
		if position(n); told(grown) {
			t.Error("nothing was written, and somebody was told of it")
		}
		if err := beside.Audit(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		if position(n + 1); !told(grown) {
			t.Error("nobody was told of what another program has written")
		}
		grown = server.Grown()
		if err := server.Audit(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		if !told(grown) {
			t.Error("nobody was told of what the server has written")
		}
		grown = server.Grown()
		if position(n + 2); told(grown) {
			t.Error("somebody was told twice")
		}
	}
}
