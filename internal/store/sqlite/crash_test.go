package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"darkroom/internal/audit"
	events "darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
	"darkroom/internal/store/storetest"
)

// TestKilledAtEveryCommit takes the files as they are after each commit of some lives of jobs, before the server does anything else, as a kill leaves them; and opens them again: what was answered
// before has its record, once, each record is found, none is in the order twice, and the order has no hole.
func TestKilledAtEveryCommit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.segment = 3
	answered := map[string]bool{} // ids of records; by this test, which waits for each step
	type moment struct {
		dir      string
		answered []string
	}
	var moments []moment
	root := t.TempDir()
	take := func() { // by the writer, or while it has nothing to do
		m := moment{dir: filepath.Join(root, fmt.Sprint(len(moments)))}
		if err := os.Mkdir(m.dir, 0o700); err != nil {
			t.Error(err)
		}
		for _, suffix := range []string{"", "-wal"} {
			text, err := os.ReadFile(path + suffix)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(m.dir, "records.db"+suffix), text, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
		for id := range answered {
			m.answered = append(m.answered, id)
		}
		moments = append(moments, m)
	}
	s.Watch(func(store.Commit) { take() })

	n := 0
	request := func(final bool, do func(ctx context.Context) error) {
		t.Helper()
		n++
		p := audit.NewPending(segmentRecord(n, fmt.Sprint("r", n)))
		if final {
			p.Final(nil)
		}
		if err := do(audit.With(t.Context(), p)); err != nil {
			t.Fatal(err)
		}
		answered[fmt.Sprint("r", n)] = true
		s.Conclude(p)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(1_900_000_000, 0).UTC()
	for i := range 4 {
		j := storetest.Job(i)
		request(true, func(ctx context.Context) error { _, err := s.Submit(ctx, j, now); return err })
		c, err := s.Claim(t.Context(), "worker", now, now.Add(time.Minute))
		if err != nil || c == nil {
			t.Fatalf("claimed %+v, %v", c, err)
		}
		request(false, s.Intend) // the job reads its input
		if err := s.Report(t.Context(), c.TaskID, c.Epoch, lease.Progress{Phase: job.Transcoding, InputDetails: []events.Input{{ID: 1}}}, now, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		request(false, s.Intend) // and writes an output
		if err := s.Finish(t.Context(), c.TaskID, c.Epoch, lease.Result{}, now); err != nil {
			t.Fatal(err)
		}
		n++
		if err := s.Audit(t.Context(), segmentRecord(n, fmt.Sprint("r", n))); err != nil {
			t.Fatal(err)
		}
		answered[fmt.Sprint("r", n)] = true
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	take()
	if len(moments) < 4*8 {
		t.Fatalf("only %d moments", len(moments))
	}
	settled := 0
	for i, m := range moments {
		settled += afterKill(t, i, m.dir, m.answered, n)
	}
	if settled == 0 {
		t.Error("no moment had a record whose end was not known")
	}
}

// afterKill opens what a kill has left and judges it. It returns how many records were open.
func afterKill(t *testing.T, moment int, dir string, answered []string, most int) int {
	t.Helper()
	s, err := Open(filepath.Join(dir, "records.db"))
	if err != nil {
		t.Fatalf("moment %d: %v", moment, err)
	}
	defer func() { _ = s.Close() }()
	settled, err := s.Settle(t.Context(), time.Now())
	if err != nil {
		t.Fatalf("moment %d: %v", moment, err)
	}
	all, err := s.Concluded(t.Context(), "", 0, 1000)
	if err != nil {
		t.Fatalf("moment %d: %v", moment, err)
	}
	seen := map[string]int{}
	for i, e := range all {
		r, err := e.Decode()
		if err != nil || e.Position != int64(i+1) {
			t.Errorf("moment %d: record %d stands at %d: %v", moment, i, e.Position, err)
		}
		seen[r.EventID]++
	}
	for _, id := range answered {
		if seen[id] != 1 {
			t.Errorf("moment %d: %s was answered, and is recorded %d times", moment, id, seen[id])
		}
	}
	if len(all) > len(answered)+1 || len(all) > most {
		t.Errorf("moment %d: %d records of %d answers", moment, len(all), len(answered))
	}
	for id, times := range seen {
		found, err := s.Find(t.Context(), audit.Query{Account: segmentAccount, EventID: id, Limit: 10})
		if err != nil || times != 1 || len(found) != 1 {
			t.Errorf("moment %d: %s is recorded %d times and found %d times: %v", moment, id, times, len(found), err)
		}
	}
	return settled
}
