package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/hold"
	"darkroom/internal/store"
)

const segmentAccount = "111122223333"

// segmentRecord is a record of a second.
func segmentRecord(second int, id string) audit.Record {
	return audit.Record{
		EventID: id, EventTime: time.Unix(1_900_000_000+int64(second), 0).UTC(), RecipientAccountID: segmentAccount, EventName: "PutObject", EventSource: "s3.amazonaws.com",
		Resources: []audit.Resource{audit.ResourceOf("arn:aws:s3:::b/"+id, segmentAccount)},
	}
}

func openSegments(t *testing.T, size int64) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.segment = size
	return s
}

func (s *Store) say(t *testing.T, all ...audit.Record) {
	t.Helper()
	for _, r := range all { // one after another, so that a segment is written when it is due
		if err := s.Audit(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) ids(t *testing.T, q audit.Query) (out []string) {
	t.Helper()
	if q.Account == "" {
		q.Account = segmentAccount
	}
	q.Limit = 1000
	all, err := s.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		r, err := f.Decode()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.EventID)
	}
	return out
}

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSegmentsGo: of what is deleted nothing is left in the segments, and what a hold keeps is found as before.
func TestSegmentsGo(t *testing.T) {
	t.Parallel()
	s := openSegments(t, 4)
	var all []audit.Record
	for i := range 18 {
		all = append(all, segmentRecord(i, fmt.Sprint("e", i)))
	}
	all[6].Resources = []audit.Resource{audit.ResourceOf("arn:aws:mediaconvert:us-east-1:"+segmentAccount+":jobs/held", segmentAccount)}
	s.say(t, all...)
	if n := count(t, s.read, "segments"); n != 4 {
		t.Fatalf("%d segments", n)
	}
	if err := s.AddHold(t.Context(), hold.Hold{ID: "h", Account: segmentAccount, On: hold.Job, Target: "held"}); err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		t.Helper()
		var after audit.Cursor
		for done := false; !done; {
			var err error
			if _, after, done, err = s.ForgetRecords(t.Context(), all[17].EventTime.Add(time.Second), 1000, after, 3); err != nil {
				t.Fatal(err)
			}
		}
	}
	sweep()
	if got := s.ids(t, audit.Query{}); !slices.Equal(got, []string{"e6"}) {
		t.Errorf("left: %v", got)
	}
	var size int
	if err := s.read.QueryRow("SELECT sum(length(members)) FROM segments").Scan(&size); err != nil || size != memberSize {
		t.Errorf("%d bytes of members for one record, want %d: %v", size, memberSize, err)
	}
	kept := 0
	for t := termsOf(&all[6]); len(t) >= 8; t = t[8:] {
		kept++
	}
	if err := s.read.QueryRow("SELECT sum(length(entries)) FROM segment_terms").Scan(&size); err != nil || size != kept*entrySize {
		t.Errorf("%d bytes of entries for one record, want %d: %v", size, kept*entrySize, err)
	}
	s.say(t, segmentRecord(20, "e20"), segmentRecord(21, "e21")) // the segment that is due has holes
	if got := s.ids(t, audit.Query{Name: "PutObject"}); !slices.Equal(got, []string{"e21", "e20", "e6"}) {
		t.Errorf("found: %v", got)
	}
	if _, err := s.ReleaseHold(t.Context(), segmentAccount, "h"); err != nil {
		t.Fatal(err)
	}
	sweep()
	if got := s.ids(t, audit.Query{}); !slices.Equal(got, []string{"e21", "e20"}) {
		t.Errorf("left: %v", got)
	}
	var ids, segments int
	if err := s.read.QueryRow("SELECT count(*), count(DISTINCT id & ((1 << 48) - 1)) FROM segment_terms").Scan(&ids, &segments); err != nil || ids == 0 || segments != 1 {
		t.Errorf("%d buckets of %d segments are left, want those of one: %v", ids, segments, err)
	}
}

// TestSegmentsOfEarlierVersions: what was written before there were segments is found, and so is what a killed server had not indexed.
func TestSegmentsOfEarlierVersions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		text, err := os.ReadFile(filepath.Join("migrations", fmt.Sprintf("%04d.sql", i+1)))
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(string(text), ";\n") {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	const n = segmentSize + 10
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		r := segmentRecord(i, fmt.Sprint("e", i))
		text, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`INSERT INTO records (sequence, position, account, time, principal, username, source, name, access, event, request, category, readonly, outcome, record)
			VALUES (?, ?, ?, ?, '', '', '', '', '', '', '', '', 0, '', ?)`, i+1, i+1, segmentAccount, r.EventTime.UnixMicro(), string(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec(fmt.Sprintf("UPDATE positions SET value = %d", n)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("PRAGMA user_version = 8"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := count(t, s.read, "segments"); n != 1 {
		t.Errorf("%d segments", n)
	}
	for _, i := range []int{0, 500, segmentSize - 1, segmentSize, n - 1} {
		id := fmt.Sprint("e", i)
		for _, q := range []audit.Query{{EventID: id}, {Resource: "arn:aws:s3:::b/" + id}, {Resource: id, Name: "PutObject"}} {
			if got := s.ids(t, q); !slices.Equal(got, []string{id}) {
				t.Errorf("%+v: %v", q, got)
			}
		}
	}
}

// TestSegmentTroubles: a segment that cannot be written is written later, and until then what would be in it is found; a damaged one is said to be.
func TestSegmentTroubles(t *testing.T) {
	t.Parallel()
	s := openSegments(t, 8)
	if _, err := s.write.Exec("CREATE TRIGGER refuse BEFORE INSERT ON segment_terms BEGIN SELECT RAISE(ABORT, 'not now'); END"); err != nil {
		t.Fatal(err)
	}
	var told atomic.Int32
	s.Watch(func(c store.Commit) { // by the writer
		if c.Index != nil {
			told.Add(1)
		}
	})
	var want []string
	for i := range 20 {
		r := segmentRecord(i, fmt.Sprint("e", i))
		s.say(t, r)
		want = append([]string{r.EventID}, want...)
	}
	if n := count(t, s.read, "segments"); n != 0 || told.Load() == 0 {
		t.Fatalf("%d segments; who watches was told %d times", n, told.Load())
	}
	if got := s.ids(t, audit.Query{}); !slices.Equal(got, want) {
		t.Errorf("without segments: %v", got)
	}
	if err := s.change(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DROP TRIGGER refuse")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	last := segmentRecord(30, "e30")
	s.say(t, last)
	s.say(t) // one after each commit
	if n := count(t, s.read, "segments"); n != 2 {
		t.Errorf("%d segments when they can be written", n)
	}
	if got := s.ids(t, audit.Query{}); !slices.Equal(got, append([]string{"e30"}, want...)) {
		t.Errorf("with segments: %v", got)
	}
	if _, err := s.write.Exec("UPDATE segments SET members = x'00'"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Find(t.Context(), audit.Query{Account: segmentAccount, Limit: 100}); err == nil {
		t.Error("a damaged segment hides its records")
	}
}

// manyResources are more than have room in the text of a record.
func manyResources() (all []audit.Resource) {
	for i := range 1000 {
		all = append(all, audit.ResourceOf(fmt.Sprintf("arn:aws:s3:::films/%s/reel-%d.mp4", strings.Repeat("x", 40), i), segmentAccount))
	}
	return all
}

// TestTermsOfResources: a record has all of its resources as terms, each once, whether they have room in its text or not.
func TestTermsOfResources(t *testing.T) {
	t.Parallel()
	s := openSegments(t, 1)
	r := segmentRecord(1, "many")
	r.Resources = manyResources()
	s.say(t, r)
	for _, name := range []string{"reel-0.mp4", "reel-999.mp4", r.Resources[999].ARN} {
		if got := s.ids(t, audit.Query{Resource: name}); !slices.Equal(got, []string{"many"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := s.ids(t, audit.Query{Resource: "reel-1000.mp4"}); len(got) != 0 {
		t.Errorf("of what is not in it: %v", got)
	}
	if got := s.ids(t, audit.Query{Account: "999999999999", Resource: "reel-0.mp4"}); len(got) != 0 {
		t.Errorf("by another account: %v", got)
	}
	terms := termsOf(&r)
	for t2 := terms; len(t2) >= 16; t2 = t2[8:] {
		if slices.Compare(t2[:8], t2[8:16]) >= 0 {
			t.Fatal("the terms of a record do not ascend")
		}
	}
}

// TestSegmentsOfWhatWasCut: a record in which something was too large is read, found and indexed like any other, and one that cannot be read at all keeps none from being so.
func TestSegmentsOfWhatWasCut(t *testing.T) {
	t.Parallel()
	s := openSegments(t, 4)
	var changes []audit.Change
	for i := range 200 {
		changes = append(changes, audit.Change{Key: fmt.Sprint("key", i), Old: strings.Repeat("o", 500), New: strings.Repeat("n", 500)})
	}
	cut := audit.ServiceEvent{Time: time.Unix(1_900_000_000, 0), Service: "darkroom", Action: "ConfigurationChanged", Outcome: audit.Granted, Changes: changes}.Record("us-east-1", segmentAccount)
	s.say(t, cut, segmentRecord(1, "e1"), segmentRecord(2, "e2"))
	if _, err := s.write.Exec("UPDATE records SET terms = NULL"); err != nil { // as an earlier version wrote them
		t.Fatal(err)
	}
	if _, err := s.write.Exec("UPDATE records SET record = 'no JSON' WHERE sequence = 2"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 1} {
		if n := count(t, s.read, "segments"); n != want {
			t.Fatalf("%d segments, want %d", n, want)
		}
		if got := s.ids(t, audit.Query{Name: "ConfigurationChanged", Outcome: audit.Granted}); !slices.Equal(got, []string{cut.EventID}) {
			t.Errorf("with %d segments: %v", want, got)
		}
		if got := s.ids(t, audit.Query{EventID: "e2"}); !slices.Equal(got, []string{"e2"}) {
			t.Errorf("with %d segments: %v", want, got)
		}
		all, err := s.Find(t.Context(), audit.Query{Account: segmentAccount, Limit: 9})
		if err != nil || len(all) < 3 {
			t.Errorf("%d records, %v", len(all), err)
		}
		s.say(t, segmentRecord(3, "e3"))
	}
}

// TestSegmentsSettled: what a killed server was about to do is found by all that it was about, though its text has no room for them.
func TestSegmentsSettled(t *testing.T) {
	t.Parallel()
	s := openSegments(t, 1)
	r := segmentRecord(1, "killed")
	r.Resources = manyResources()
	if err := s.Intend(audit.With(t.Context(), audit.NewPending(r))); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Settle(t.Context(), time.Unix(1_900_000_009, 0)); n != 1 || err != nil {
		t.Fatalf("%d settled: %v", n, err)
	}
	for _, q := range []audit.Query{{Resource: "reel-0.mp4"}, {Resource: "reel-999.mp4"}, {Outcome: audit.Interrupted}} {
		if got := s.ids(t, q); !slices.Equal(got, []string{"killed"}) {
			t.Errorf("%+v: %v", q, got)
		}
	}
	if got := s.ids(t, audit.Query{Outcome: audit.Granted}); len(got) != 0 {
		t.Errorf("granted: %v", got)
	}
}

// TestSegmentsBesideAnother: another process writes records while this one is about to index; each is found once, and is gone once it is deleted.
func TestSegmentsBesideAnother(t *testing.T) {
	t.Parallel()
	s := openSegments(t, 4)
	path := ""
	if err := s.read.QueryRow("SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path); err != nil {
		t.Fatal(err)
	}
	other, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s.say(t, segmentRecord(1, "e1"), segmentRecord(2, "e2"), segmentRecord(3, "e3"))
	if _, _, _, err := s.ForgetRecords(t.Context(), segmentRecord(3, "").EventTime, 100, audit.Cursor{}, 10); err != nil { // a hole
		t.Fatal(err)
	}
	if err := other.Audit(t.Context(), segmentRecord(5, "x5"), segmentRecord(6, "x6")); err != nil {
		t.Fatal(err)
	}
	// The writer is about to index by what it knew.
	if err := s.change(t.Context(), func(ctx context.Context, _ *sql.Tx) error {
		s.position = 4
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := s.ids(t, audit.Query{}); !slices.Equal(got, []string{"x6", "x5", "e3"}) {
		t.Errorf("found: %v", got)
	}
	for i := range 8 {
		s.say(t, segmentRecord(10+i, fmt.Sprint("f", i)))
	}
	if got := s.ids(t, audit.Query{}); !slices.Equal(got, []string{"f7", "f6", "f5", "f4", "f3", "f2", "f1", "f0", "x6", "x5", "e3"}) {
		t.Errorf("found: %v", got)
	}
	if _, _, _, err := s.ForgetRecords(t.Context(), segmentRecord(100, "").EventTime, 100, audit.Cursor{}, 100); err != nil {
		t.Fatal(err)
	}
	if a, b := count(t, s.read, "segments"), count(t, s.read, "segment_terms"); a != 0 || b != 0 {
		t.Errorf("%d segments and %d buckets are left of nothing", a, b)
	}
}

// TestSegmentsOfAccounts: of which account a record is, its row says, whatever its terms are.
func TestSegmentsOfAccounts(t *testing.T) {
	t.Parallel()
	s := openSegments(t, segmentSize)
	mine, theirs := segmentRecord(1, "mine"), segmentRecord(2, "theirs")
	theirs.RecipientAccountID = "999999999999"
	s.say(t, mine, theirs)
	if _, err := s.write.Exec("UPDATE records SET terms = (SELECT terms FROM records WHERE sequence = 1)"); err != nil {
		t.Fatal(err)
	}
	if got := s.ids(t, audit.Query{Name: "PutObject"}); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("found: %v", got)
	}
}
