package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	events "darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/store"
)

// waitingQueues finds the queues with waiting tasks without reading every task: each step leaps to the next queue in the index.
const waitingQueues = `WITH RECURSIVE q (name) AS (
  SELECT min(queue) FROM tasks WHERE state = 'waiting'
  UNION ALL SELECT (SELECT min(queue) FROM tasks WHERE state = 'waiting' AND queue > q.name) FROM q WHERE q.name IS NOT NULL
) SELECT name FROM q WHERE name IS NOT NULL`

// firstOfQueue is the next task of one queue.
const firstOfQueue = "SELECT " + taskColumns + ", priority, created FROM tasks WHERE state = 'waiting' AND queue = ? ORDER BY priority DESC, created, id LIMIT 1"

// first returns the task that is next: of the queues that may run one more, the highest priority; among equals that of the queue that has
// the fewest running; then the oldest. nil when there is none.
func first(ctx context.Context, tx *sql.Tx) (*task, error) {
	rows, err := tx.QueryContext(ctx, waitingQueues)
	if err != nil {
		return nil, err
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var best *task
	var bestPriority, bestRunning int
	var bestCreated int64
	for _, name := range names {
		var paused bool
		var concurrent, running, priority int
		var created int64
		err := tx.QueryRowContext(ctx, "SELECT paused, concurrent FROM resources WHERE queue = ? AND queue <> ''", name).Scan(&paused, &concurrent)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		if paused {
			continue
		}
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM tasks WHERE state = 'leased' AND queue = ?", name).Scan(&running); err != nil {
			return nil, err
		}
		if concurrent > 0 && running >= concurrent {
			continue
		}
		t := new(task)
		if err := tx.QueryRowContext(ctx, firstOfQueue, name).Scan(append(t.fields(), &priority, &created)...); err != nil {
			return nil, err
		}
		switch {
		case best == nil, priority > bestPriority:
		case priority < bestPriority, running > bestRunning:
			continue
		case running < bestRunning:
		case created > bestCreated, created == bestCreated && t.id > best.id:
			continue
		}
		best, bestPriority, bestRunning, bestCreated = t, priority, running, created
	}
	return best, nil
}

// hopFailed is the warning of a job whose hop destination is gone.
const hopFailed = 100000

// Hop implements store.Store.
func (s *Store) Hop(ctx context.Context, now time.Time) (int, error) {
	hopped := 0
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		hopped = 0
		rows, err := tx.QueryContext(ctx, "SELECT "+taskColumns+" FROM tasks WHERE state = 'waiting' AND hop > 0 AND hop <= ? ORDER BY hop, id", now.UnixMicro())
		if err != nil {
			return err
		}
		var due []task
		for rows.Next() {
			var t task
			if err := rows.Scan(t.fields()...); err != nil {
				return errors.Join(err, rows.Close())
			}
			due = append(due, t)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, t := range due {
			if err := hop(ctx, tx, t, now); err != nil {
				return err
			}
		}
		hopped = len(due)
		return nil
	})
	return hopped, err
}

// hop moves one job on, or notes that it could not.
func hop(ctx context.Context, tx *sql.Tx, t task, now time.Time) error {
	j, err := get(ctx, tx, t.account, t.job)
	if err != nil {
		return err
	}
	next := int64(0)
	if len(j.Hops) > 0 && j.Status == job.Submitted {
		h := j.Hops[0]
		j.Hops = j.Hops[1:]
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM resources WHERE queue = ? AND queue <> ''", h.Queue).Scan(&n); err != nil {
			return err
		}
		if n == 0 && !strings.HasSuffix(h.Queue, ":queues/"+store.DefaultQueue) {
			if err := warn(ctx, tx, j, now, []events.Warning{{Code: hopFailed, Count: 1}}); err != nil {
				return err
			}
		} else {
			from, priority := j.Queue, j.Priority
			j.Queue = h.Queue
			if h.Priority != nil {
				j.Priority = *h.Priority
			}
			j.Transitions = append(j.Transitions, job.Transition{From: from, To: h.Queue, Time: now})
			if err := event(ctx, tx, j, events.QueueHop, now, func(d events.Detail) any {
				return events.HopDetail{Detail: d, PreviousQueue: from, Priority: j.Priority, PreviousPriority: priority}
			}); err != nil {
				return err
			}
		}
		if len(j.Hops) > 0 {
			next = now.Add(j.Hops[0].Wait).UnixMicro()
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE tasks SET queue = ?, priority = ?, hop = ? WHERE id = ?", j.Queue, j.Priority, next, t.id); err != nil {
		return err
	}
	return put(ctx, tx, j)
}
