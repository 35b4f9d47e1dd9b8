package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

// TestMigrateIdentities has records from before there were registries: who there was is there still.
func TestMigrateIdentities(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string) {
		t.Helper()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0001", "0002", "0003"} {
		text, err := os.ReadFile(filepath.Join("migrations", name+".sql"))
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(string(text), ";\n") {
			run(statement)
		}
	}
	run(`INSERT INTO identities VALUES ('1', 'user', 'AIDA1', '{"Name":"ann"}'), ('2', 'role', 'AROA1', '{}')`)
	run("INSERT INTO generations VALUES ('1', 7), ('2', 1)")
	run("PRAGMA user_version = 3")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, n, err := s.LoadRegistry(t.Context(), store.Registry{Name: "identities", Account: "1"})
	if err != nil || n != 7 || len(got) != 1 || got[0].Kind != "user" || got[0].ID != "AIDA1" || string(got[0].Record) != `{"Name":"ann"}` {
		t.Errorf("got %+v of generation %d, %v", got, n, err)
	}
}
