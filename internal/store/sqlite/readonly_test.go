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
