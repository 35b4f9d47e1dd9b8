package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/job"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/store/storetest"
)

func open(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd name? #1%.db")
	for n := range 3 {
		s, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Submit(t.Context(), storetest.Job(n), storetest.Job(n).Submitted); err != nil {
			t.Fatal(err)
		}
		list, err := s.List(t.Context(), job.Query{Account: storetest.Job(0).Account, Limit: 10})
		if err != nil || len(list) != n+1 {
			t.Errorf("%d jobs after %d openings, %v", len(list), n+1, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
		if _, err := s.Submit(t.Context(), storetest.Job(99), storetest.Job(99).Submitted); err == nil {
			t.Error("a change after Close: no error")
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file has another name: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Run("not a database", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(dir, "text.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 500)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(path); err == nil {
			t.Error("no error")
		}
	})
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(dir, "newer.db")
		s, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(path); !errors.Is(err, store.ErrNewerSchema) {
			t.Errorf("got %v, want ErrNewerSchema", err)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		t.Parallel()
		if _, err := sqlite.Open(filepath.Join(dir, "nowhere", "x.db")); err == nil {
			t.Error("no error")
		}
	})
}

// TestKill submits jobs in another process, kills it with SIGKILL right after an answer, and finds every answered job again.
func TestKill(t *testing.T) {
	if path := os.Getenv("SQLITE_TEST_CHILD"); path != "" {
		s, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			j := storetest.Job(n)
			if _, err := s.Submit(context.Background(), j, j.Submitted); err != nil {
				t.Fatal(err)
			}
			fmt.Println("answered", j.ID)
		}
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKill$")
	cmd.Env = append(os.Environ(), "SQLITE_TEST_CHILD="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var answered []string
	for lines := bufio.NewScanner(out); len(answered) < 25 && lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "answered "); ok {
			answered = append(answered, id)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if len(answered) < 25 {
		t.Fatalf("only %d answers", len(answered))
	}
	s, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, id := range answered {
		if _, err := s.Get(t.Context(), storetest.Job(0).Account, id); err != nil {
			t.Errorf("job %s was answered and is gone: %v", id, err)
		}
	}
}
