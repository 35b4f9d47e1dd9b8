package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	modernc "modernc.org/sqlite"

	"darkroom/internal/store"
	"darkroom/internal/store/storetest"
)

// recorder is the driver with a note of every statement.
type recorder struct {
	modernc.Driver
	mu   sync.Mutex // guards seen
	seen map[string]bool
}

func (r *recorder) Open(name string) (driver.Conn, error) {
	c, err := r.Driver.Open(name)
	return &recorded{c, r}, err
}

type recorded struct {
	driver.Conn
	to *recorder
}

func (c *recorded) note(query string) {
	c.to.mu.Lock()
	defer c.to.mu.Unlock()
	c.to.seen[query] = true
}

func (c *recorded) Prepare(query string) (driver.Stmt, error) {
	c.note(query)
	return c.Conn.Prepare(query)
}

func (c *recorded) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c *recorded) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.note(query)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *recorded) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.note(query)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

// walk is a step of a plan that reads a table from end to end.
var walk = regexp.MustCompile(`^SCAN (jobs|tasks|facets|resources|events|records|segments|segment_terms|readers|deliveries)\b`)

// walks are the statements that may: those that end after a row or a page, in the order of their index.
var walks = []string{
	// The index holds the waiting, or the leased, and nothing else; its first entry is the answer.
	"SELECT min(deadline) FROM tasks WHERE state = 'leased'",
	"SELECT sequence, terms, record FROM records WHERE position IS NULL ORDER BY sequence LIMIT ?",
	// There are at most store.MaxReaders.
	"SELECT name, position FROM readers LIMIT ?",
	"SELECT min(hop) FROM tasks WHERE state = 'waiting' AND hop > 0",
	// They end after as many events as are asked for, in the order of the table.
	"SELECT time FROM events ORDER BY sequence LIMIT 1",
	"SELECT count(*) FROM (SELECT 1 FROM events ORDER BY sequence LIMIT ?)",
	// Once at the start, and of what waits alone.
	waitingTargets,
}

// TestPlans: whatever the contract of the records asks is answered by an index, and jobs come out of it in their order. A statement that walks
// a table would be fast in every test and slow in every house.
func TestPlans(t *testing.T) {
	t.Parallel()
	r := &recorder{seen: map[string]bool{}}
	sql.Register("recorder", r)
	for name, as := range map[string]struct {
		few     int
		segment int64
	}{"few jobs": {fewJobs, segmentSize}, "many jobs": {0, segmentSize}, "few records": {fewJobs, 3}} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store {
				t.Helper()
				s, err := openWith("recorder", filepath.Join(t.TempDir(), "records.db"))
				if err != nil {
					t.Fatal(err)
				}
				s.few, s.segment = as.few, as.segment
				t.Cleanup(func() { _ = s.Close() })
				return s
			})
		})
	}
	s, err := Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r.mu.Lock()
	defer r.mu.Unlock()
	schema := "" // its changes are made once, by the whole table
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		schema += string(text)
	}
	judged := 0
	for query := range r.seen {
		verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
		if !slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "WITH"}, verb) || strings.Contains(schema, strings.TrimSpace(query)) {
			continue
		}
		judged++
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = 1
		}
		rows, err := s.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var steps []string
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			steps = append(steps, step)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			sorts := strings.Contains(step, "TEMP B-TREE") && strings.Contains(query, "FROM jobs")
			if (walk.MatchString(step) || sorts) && !slices.Contains(walks, query) {
				t.Errorf("%s\n\t%s", query, strings.Join(steps, "\n\t"))
				break
			}
		}
	}
	if judged < 30 {
		t.Errorf("only %d statements were seen", judged)
	}
}
