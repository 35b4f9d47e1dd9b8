package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sort"
	"time"

	"darkroom/internal/store"
)

// Watch has f told of every transaction from now on. f is called by the writer and must return at once.
func (s *Store) Watch(f func(store.Commit)) { s.watcher.Store(&f) }

// watch begins to measure a transaction.
func (s *Store) watch(changes int) func(records int, failed bool) {
	f := s.watcher.Load()
	if f == nil {
		return func(int, bool) {}
	}
	began := time.Now()
	return func(records int, failed bool) {
		(*f)(store.Commit{Changes: changes, Records: records, Took: time.Since(began), Failed: failed})
	}
}

// unindexed tells who watches that the audit trail could not be indexed.
func (s *Store) unindexed(err error) {
	if f := s.watcher.Load(); f != nil && err != nil {
		(*f)(store.Commit{Index: err})
	}
}

const (
	// leasedQueues are the queues with leases, as waitingQueues.
	leasedQueues = `WITH RECURSIVE q (name) AS (
  SELECT min(queue) FROM tasks INDEXED BY tasks_leased_queue WHERE state = 'leased'
  UNION ALL SELECT (SELECT min(queue) FROM tasks INDEXED BY tasks_leased_queue WHERE state = 'leased' AND queue > q.name) FROM q WHERE q.name IS NOT NULL
) SELECT name FROM q WHERE name IS NOT NULL LIMIT ?`

	// oldestOfQueue is when the oldest of the waiting tasks of a queue was made: the first of each priority is the oldest of it, and there are few priorities.
	oldestOfQueue = `WITH RECURSIVE p (priority) AS (
  SELECT max(priority) FROM tasks WHERE state = 'waiting' AND queue = ?1
  UNION ALL SELECT (SELECT max(priority) FROM tasks WHERE state = 'waiting' AND queue = ?1 AND tasks.priority < p.priority) FROM p WHERE p.priority IS NOT NULL
) SELECT min((SELECT created FROM tasks WHERE state = 'waiting' AND queue = ?1 AND tasks.priority = p.priority ORDER BY created LIMIT 1)) FROM p WHERE p.priority IS NOT NULL`

	waitingOfQueue = "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE state = 'waiting' AND queue = ? LIMIT ?)"
	leasedOfQueue  = "SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY tasks_leased_queue WHERE state = 'leased' AND queue = ? LIMIT ?)"
)

// QueueBacklogs implements store.Backlog.
func (s *Store) QueueBacklogs(ctx context.Context, queues, tasks int) ([]store.QueueBacklog, error) {
	found := map[string]*store.QueueBacklog{}
	for _, query := range []string{waitingQueues + " LIMIT ?", leasedQueues} {
		rows, err := s.read.QueryContext(ctx, query, queues)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			found[name] = &store.QueueBacklog{Queue: name}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	out := make([]store.QueueBacklog, 0, len(found))
	for name, b := range found {
		if err := s.read.QueryRowContext(ctx, waitingOfQueue, name, tasks).Scan(&b.Waiting); err != nil {
			return nil, err
		}
		if err := s.read.QueryRowContext(ctx, leasedOfQueue, name, tasks).Scan(&b.Running); err != nil {
			return nil, err
		}
		var oldest sql.NullInt64
		if err := s.read.QueryRowContext(ctx, oldestOfQueue, name).Scan(&oldest); err != nil {
			return nil, err
		}
		if oldest.Valid {
			b.Oldest = time.UnixMicro(oldest.Int64).UTC()
		}
		out = append(out, *b)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Queue < out[j].Queue })
	return out[:min(len(out), queues)], nil
}

// OutboxBacklog implements store.Backlog.
func (s *Store) OutboxBacklog(ctx context.Context, events int) (n int, oldest time.Time, err error) {
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM events ORDER BY sequence LIMIT ?)", events).Scan(&n); err != nil {
		return 0, time.Time{}, err
	}
	var at int64
	switch err := s.read.QueryRowContext(ctx, "SELECT time FROM events ORDER BY sequence LIMIT 1").Scan(&at); {
	case errors.Is(err, sql.ErrNoRows):
		return n, time.Time{}, nil
	case err != nil:
		return 0, time.Time{}, err
	}
	return n, time.UnixMicro(at).UTC(), nil
}
