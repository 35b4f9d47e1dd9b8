package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"darkroom/internal/audit"
	events "darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/store"
)

// queryer is a transaction or the read pool.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func get(ctx context.Context, q queryer, account, id string) (*job.Job, error) {
	var text []byte
	err := q.QueryRowContext(ctx, "SELECT record FROM jobs WHERE account = ? AND id = ?", account, id).Scan(&text)
	return decode(text, err)
}

func decode(text []byte, err error) (*job.Job, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return nil, job.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	j := new(job.Job)
	if err := json.Unmarshal(text, j); err != nil {
		return nil, fmt.Errorf("read the record of a job: %w", err)
	}
	return j, nil
}

func put(ctx context.Context, tx *sql.Tx, j *job.Job) error {
	text, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("write the record of a job: %w", err)
	}
	started := int64(0)
	if !j.Started.IsZero() {
		started = j.Started.UnixMicro()
	}
	finished := int64(0)
	if !j.Finished.IsZero() {
		finished = j.Finished.UnixMicro()
	}
	return exec(ctx, tx, updateJob, j.Queue, j.Status, string(text), started, finished, j.Account, j.ID)
}

// facet records what a job is found by.
func facet(ctx context.Context, tx *sql.Tx, j *job.Job, facets []job.Facet) error {
	for _, f := range facets {
		for _, v := range f.Values {
			if err := exec(ctx, tx, insertFacet, j.Account, f.Name, v, j.ID); err != nil {
				return fmt.Errorf("record what job %s is found by: %w", j.ID, err)
			}
		}
	}
	return nil
}

// ChangeJob implements store.Store.
func (s *Store) ChangeJob(ctx context.Context, account, id string, change func(*job.Job) error) (*job.Job, error) {
	var changed *job.Job
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		changed = nil
		j, err := get(ctx, tx, account, id)
		if err != nil {
			return err
		}
		if err := change(j); err != nil {
			return err
		}
		changed = j
		return put(ctx, tx, j)
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, before time.Time, limit int) (int, error) {
	n := 0
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n = 0
		rows, err := tx.QueryContext(ctx, `SELECT account, id FROM jobs WHERE finished > 0 AND finished < ?
			AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.account = jobs.account AND kind = 'job' AND target = jobs.id) ORDER BY finished LIMIT ?`, before.UnixMicro(), limit)
		if err != nil {
			return err
		}
		var gone [][2]any
		for rows.Next() {
			var account, id string
			if err := rows.Scan(&account, &id); err != nil {
				return errors.Join(err, rows.Close())
			}
			gone = append(gone, [2]any{account, id})
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, g := range gone {
			if err := dropJob(ctx, tx, g[0], g[1]); err != nil {
				return err
			}
		}
		n = len(gone)
		if n == 0 {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		err = nil
	}
	return n, err
}

// Submit implements store.Store.
func (s *Store) Submit(ctx context.Context, j *job.Job, now time.Time) (*job.Job, error) {
	recorded, told := j, audit.From(ctx)
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		recorded = j
		var token any
		if j.ClientToken != "" {
			token = j.ClientToken
			first, err := byToken(ctx, tx, j.Account, j.ClientToken)
			switch {
			case errors.Is(err, job.ErrNotFound):
			case err != nil:
				return err
			case first.RequestHash != j.RequestHash:
				return job.ErrTokenReused
			default:
				recorded = first
				if told != nil {
					told.Open() // what it says is of another job
				}
				return nil
			}
		}
		text, err := json.Marshal(j)
		if err != nil {
			return fmt.Errorf("write the record of a job: %w", err)
		}
		if err := exec(ctx, tx, insertJob, j.Account, j.ID, j.Queue, j.Status, token, string(text)); err != nil {
			return fmt.Errorf("record job %s: %w", j.ID, err)
		}
		hop := int64(0)
		if len(j.Hops) > 0 {
			hop = now.Add(j.Hops[0].Wait).UnixMicro()
		}
		if err = exec(ctx, tx, insertTask, taskID(j), j.Account, j.ID, j.Queue, j.Priority, now.UnixMicro(), hop); err != nil {
			return err
		}
		return facet(ctx, tx, j, j.Facets)
	})
	if err != nil {
		return nil, err
	}
	return recorded, nil
}

func byToken(ctx context.Context, q queryer, account, token string) (*job.Job, error) {
	var text []byte
	err := q.QueryRowContext(ctx, "SELECT record FROM jobs WHERE account = ? AND token = ?", account, token).Scan(&text)
	return decode(text, err)
}

// ByToken implements store.Store.
func (s *Store) ByToken(ctx context.Context, account, token string) (*job.Job, error) {
	return byToken(ctx, s.read, account, token)
}

// taskID names the one task of a job.
func taskID(j *job.Job) string { return j.Account + "/" + j.ID }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, account, id string) (*job.Job, error) {
	return get(ctx, s.read, account, id)
}

// fewJobs is how many jobs may have what is asked for and still lead the search. What more jobs have is looked up for each job on the way: the
// page is full soon.
const fewJobs = 1000

// List implements store.Store.
func (s *Store) List(ctx context.Context, q job.Query) ([]*job.Job, error) {
	query, args := "SELECT record FROM jobs WHERE account = ?", []any{q.Account}
	and := func(condition string, value any) {
		query += " AND " + condition
		args = append(args, value)
	}
	if q.Queue != "" {
		and("queue = ?", q.Queue)
	}
	if q.Status != "" {
		and("status = ?", q.Status)
	}
	for _, f := range q.Facets {
		values := "(?" + strings.Repeat(", ?", len(f.Values)-1) + ")"
		has := []any{q.Account, f.Name}
		for _, v := range f.Values {
			has = append(has, v)
		}
		var n int
		if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM facets WHERE account = ? AND name = ? AND value IN "+values+" LIMIT ?)",
			append(slices.Clone(has), s.few+1)...).Scan(&n); err != nil {
			return nil, err
		}
		if n <= s.few {
			query += " AND id IN (SELECT job FROM facets WHERE account = ? AND name = ? AND value IN " + values + ")"
			args = append(args, has...)
		} else {
			query += " AND EXISTS (SELECT 1 FROM facets WHERE facets.account = jobs.account AND facets.name = ? AND facets.job = jobs.id AND facets.value IN " + values + ")"
			args = append(args, has[1:]...)
		}
	}
	order, beyond := "DESC", "id < ?"
	if q.Ascending {
		order, beyond = "ASC", "id > ?"
	}
	if q.After != "" {
		and(beyond, q.After)
	}
	rows, err := s.read.QueryContext(ctx, query+" ORDER BY id "+order+" LIMIT ?", append(args, q.Limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var jobs []*job.Job
	for rows.Next() {
		var text []byte
		err := rows.Scan(&text)
		j, err := decode(text, err)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

// Count implements store.Store.
func (s *Store) Count(ctx context.Context, account, queue string) (job.Counts, error) {
	var c job.Counts
	for status, n := range map[job.Status]*int{job.Submitted: &c.Submitted, job.Progressing: &c.Progressing} {
		query, args := "SELECT count(*) FROM jobs WHERE account = ? AND status = ?", []any{account, status}
		if queue != "" {
			query, args = query+" AND queue = ?", append(args, queue)
		}
		if err := s.read.QueryRowContext(ctx, query, args...).Scan(n); err != nil {
			return c, err
		}
	}
	return c, nil
}

// event appends to the outbox what has become of a job. detail makes the detail of the state of what all have.
func event(ctx context.Context, tx *sql.Tx, j *job.Job, status events.Status, now time.Time, detail func(events.Detail) any) error {
	d := events.Detail{Timestamp: now.UnixMilli(), AccountID: j.Account, Queue: j.Queue, JobID: j.ID, Status: status, UserMetadata: map[string]string{}}
	var request struct {
		UserMetadata map[string]string `json:"userMetadata"`
	}
	if len(j.Request) > 0 && json.Unmarshal(j.Request, &request) == nil && request.UserMetadata != nil {
		d.UserMetadata = request.UserMetadata
	}
	var whole any = d
	if detail != nil {
		whole = detail(d)
	}
	text, err := events.Encode(whole)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return appendEvent(ctx, tx, &store.Event{Account: j.Account, JobID: j.ID, Status: string(status), Time: now, Detail: text}, "")
}

// warn adds warnings to those of a job, and writes an event for each that is new to it.
func warn(ctx context.Context, tx *sql.Tx, j *job.Job, now time.Time, more []events.Warning) error {
	have, err := warningsOf(j)
	if err != nil {
		return err
	}
	for _, w := range more {
		i := slices.IndexFunc(have, func(h events.Warning) bool { return h.Code == w.Code })
		if i >= 0 {
			have[i].Count += w.Count
			continue
		}
		have = append(have, w)
		if err := event(ctx, tx, j, events.NewWarning, now, func(d events.Detail) any {
			code, message := events.WarningOf(w.Code)
			return events.WarningDetail{Detail: d, WarningCode: code, WarningMessage: message}
		}); err != nil {
			return err
		}
	}
	if len(have) > 0 {
		j.Warnings, err = json.Marshal(have)
	}
	return err
}

// warningsOf reads the warnings of a job.
func warningsOf(j *job.Job) (all []events.Warning, err error) {
	if len(j.Warnings) > 0 {
		if err := json.Unmarshal(j.Warnings, &all); err != nil {
			return nil, fmt.Errorf("read the warnings of job %s: %w", j.ID, err)
		}
	}
	return all, nil
}

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]store.Event, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT sequence, id, account, job, status, time, detail, source, type, resources FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?", after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var events []store.Event
	for rows.Next() {
		var e store.Event
		var at int64
		var detail, resources []byte
		if err := rows.Scan(&e.Sequence, &e.ID, &e.Account, &e.JobID, &e.Status, &at, &detail, &e.Source, &e.DetailType, &resources); err != nil {
			return nil, err
		}
		if len(resources) > 0 {
			if err := json.Unmarshal(resources, &e.Resources); err != nil {
				return nil, fmt.Errorf("read an event: %w", err)
			}
		}
		e.Time, e.Detail = time.UnixMicro(at).UTC(), detail
		events = append(events, e)
	}
	return events, rows.Err()
}
