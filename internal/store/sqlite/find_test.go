package sqlite

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	modernc "modernc.org/sqlite"

	"darkroom/internal/audit"
)

// asked are the filters of a query: none, or some value of each.
var asked = []func(q *audit.Query, r audit.Record){
	func(q *audit.Query, r audit.Record) { q.Principal = r.UserIdentity.ARN },
	func(q *audit.Query, r audit.Record) { q.User = r.UserIdentity.UserName },
	func(q *audit.Query, r audit.Record) { q.AccessKeyID = r.UserIdentity.AccessKeyID },
	func(q *audit.Query, r audit.Record) { q.Source = r.EventSource },
	func(q *audit.Query, r audit.Record) { q.Name = r.EventName },
	func(q *audit.Query, r audit.Record) { q.EventID = r.EventID },
	func(q *audit.Query, r audit.Record) { q.RequestID = r.RequestID },
	func(q *audit.Query, r audit.Record) { q.Resource = r.Resources[0].ARN },
	func(q *audit.Query, r audit.Record) { q.ResourceType = r.Resources[0].Type },
	func(q *audit.Query, r audit.Record) { q.Outcome = r.Outcome() },
	func(q *audit.Query, r audit.Record) { q.ReadOnly = &r.ReadOnly },
	func(q *audit.Query, r audit.Record) { q.Category = r.EventCategory },
	func(q *audit.Query, r audit.Record) {
		q.From, q.To = r.EventTime.Add(-9*time.Second), r.EventTime.Add(9*time.Second)
	},
}

func selects(q audit.Query, r audit.Record) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	has := func(f func(audit.Resource) bool) bool { return slices.ContainsFunc(r.Resources, f) }
	return is(q.Principal, r.UserIdentity.ARN) && is(q.User, r.UserIdentity.UserName) && is(q.AccessKeyID, r.UserIdentity.AccessKeyID) && is(q.Source, r.EventSource) && is(q.Name, r.EventName) &&
		is(q.EventID, r.EventID) && is(q.RequestID, r.RequestID) && is(string(q.Outcome), string(r.Outcome())) && is(q.Category, r.EventCategory) && (q.ReadOnly == nil || *q.ReadOnly == r.ReadOnly) &&
		(q.Resource == "" || has(func(on audit.Resource) bool { return on.ARN == q.Resource })) && (q.ResourceType == "" || has(func(on audit.Resource) bool { return on.Type == q.ResourceType })) &&
		(q.From.IsZero() || !r.EventTime.Before(q.From)) && (q.To.IsZero() || !r.EventTime.After(q.To))
}

// TestFind asks in every combination of filters, of records that stand in segments, in none, and in both, and compares with what a loop finds.
func TestFind(t *testing.T) {
	t.Parallel()
	for name, segment := range map[string]int64{"in segments": 6, "in one segment": 66, "in none": segmentSize, "in both": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findAll(t, segment)
		})
	}
}

func findAll(t *testing.T, segment int64) {
	driver := &recorder{Driver: modernc.Driver{}, seen: map[string]bool{}}
	name := "recorder of finds in segments of " + strconv.FormatInt(segment, 10)
	sql.Register(name, driver)
	s, err := openWith(name, filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.segment = segment
	const account, n = "111122223333", 66
	var all []audit.Record
	for i := range n {
		r := audit.Record{
			EventID: fmt.Sprint("e", i), RequestID: fmt.Sprint("r", i/2), EventTime: time.Unix(1_900_000_000+int64(i*7%n/2), 0).UTC(), RecipientAccountID: account,
			EventSource: []string{"s3.amazonaws.com", "kms.amazonaws.com", "iam.amazonaws.com"}[i%3], EventName: fmt.Sprint("Op", i%5), ReadOnly: i%4 != 0,
			EventCategory: []string{audit.Data, audit.Management}[i%2], UserIdentity: audit.Identity{ARN: fmt.Sprint("arn:u", i%6), UserName: fmt.Sprint("u", i%6), AccessKeyID: fmt.Sprint("K", i%7)},
			Resources: []audit.Resource{audit.ResourceOf(fmt.Sprintf("arn:aws:kms:us-east-1:%s:key/%d", account, i%8), account), audit.ResourceOf("arn:aws:s3:::b/o", account)},
		}
		if i%9 == 0 {
			r.ErrorCode = "AccessDenied"
		}
		all = append(all, r)
	}
	if err := s.Audit(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	for range n/segment + 1 { // the writer writes a segment behind a commit, before it takes the next
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	if err := s.read.QueryRow("SELECT count(*) FROM segments").Scan(&count); err != nil || int64(count) != n/segment {
		t.Fatalf("%d segments, want %d: %v", count, n/segment, err)
	}
	driver.mu.Lock()
	clear(driver.seen)
	driver.mu.Unlock()
	for set := range 1 << len(asked) {
		q := audit.Query{Account: account, Limit: 17, Ascending: set%2 == 1}
		model := all[(set*37)%n]
		for i, ask := range asked {
			if set>>i&1 == 1 {
				ask(&q, model)
			}
		}
		var want []string
		sorted := slices.Clone(all)
		slices.SortStableFunc(sorted, func(a, b audit.Record) int { return cmp.Compare(a.EventTime.Unix(), b.EventTime.Unix()) }) // then as they were written
		if !q.Ascending {
			slices.Reverse(sorted)
		}
		for _, r := range sorted {
			if selects(q, r) {
				want = append(want, r.EventID)
			}
		}
		var got []string
		for {
			page, err := s.Find(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range page {
				r, err := f.Decode()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r.EventID)
			}
			if len(page) < q.Limit {
				break
			}
			q.After = page[len(page)-1].Cursor
		}
		if !slices.Equal(got, want) {
			t.Fatalf("filters %b: got %v, want %v", set, got, want)
		}
	}
	driver.mu.Lock()
	queries := slices.Collect(maps.Keys(driver.seen))
	driver.mu.Unlock()
	for _, query := range queries {
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = 1
		}
		rows, err := s.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
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
			if strings.HasPrefix(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
				t.Fatalf("%s\n\t%s", query, strings.Join(steps, "\n\t"))
			}
		}
	}
}
