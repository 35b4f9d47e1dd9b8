package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	events "darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
)

// defaultUpdateInterval is how often STATUS_UPDATE events are written when the job does not say.
const defaultUpdateInterval = 60 * time.Second

// updateIntervals by the API's names.
var updateIntervals = map[string]time.Duration{
	"SECONDS_10": 10 * time.Second, "SECONDS_12": 12 * time.Second, "SECONDS_15": 15 * time.Second, "SECONDS_20": 20 * time.Second,
	"SECONDS_30": 30 * time.Second, "SECONDS_60": time.Minute, "SECONDS_120": 2 * time.Minute, "SECONDS_180": 3 * time.Minute,
	"SECONDS_240": 4 * time.Minute, "SECONDS_300": 5 * time.Minute, "SECONDS_360": 6 * time.Minute, "SECONDS_420": 7 * time.Minute,
	"SECONDS_480": 8 * time.Minute, "SECONDS_540": 9 * time.Minute, "SECONDS_600": 10 * time.Minute,
}

func updateInterval(j *job.Job) time.Duration {
	var request struct {
		StatusUpdateInterval string `json:"statusUpdateInterval"`
	}
	if len(j.Request) > 0 && json.Unmarshal(j.Request, &request) == nil {
		if d, ok := updateIntervals[request.StatusUpdateInterval]; ok {
			return d
		}
	}
	return defaultUpdateInterval
}

type task struct {
	id, account, job, state string
	epoch                   int64
	attempts                int
	uploads                 []byte
	worker                  string
	claimed                 int64 // microseconds since 1970
}

const taskColumns = "id, account, job, state, epoch, attempts, uploads, worker, reported"

func (t *task) fields() []any {
	return []any{&t.id, &t.account, &t.job, &t.state, &t.epoch, &t.attempts, &t.uploads, &t.worker, &t.claimed}
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, worker string, now, deadline time.Time) (*store.Claimed, error) {
	var claimed *store.Claimed
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		claimed = nil
		t, err := first(ctx, tx)
		if err != nil || t == nil {
			return err
		}
		j, err := get(ctx, tx, t.account, t.job)
		if err != nil {
			return err
		}
		c := &store.Claimed{Job: j, TaskID: t.id, Epoch: t.epoch + 1, Attempt: t.attempts + 1}
		if err := json.Unmarshal(t.uploads, &c.Uploads); err != nil {
			return fmt.Errorf("read the open uploads of a task: %w", err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE tasks SET state = 'leased', hop = 0, epoch = ?, attempts = ?, worker = ?, deadline = ?, reported = ? WHERE id = ?",
			c.Epoch, c.Attempt, worker, deadline.UnixMicro(), now.UnixMicro(), t.id); err != nil {
			return err
		}
		if j.Status == job.Submitted {
			j.Status, j.Started = job.Progressing, now
			if err := event(ctx, tx, j, events.Progressing, now, nil); err != nil {
				return err
			}
		}
		j.Phase, j.PhasePercent, j.Percent, j.LastStatusTime = job.Probing, 0, 0, now
		claimed = c
		return put(ctx, tx, j)
	})
	return claimed, err
}

// held returns the task and the job of a lease; lease.ErrLost when the lease is not held any more.
func held(ctx context.Context, tx *sql.Tx, id string, epoch int64) (*task, *job.Job, error) {
	var t task
	err := tx.QueryRowContext(ctx, "SELECT "+taskColumns+" FROM tasks WHERE id = ?", id).Scan(t.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, lease.ErrLost
	}
	if err != nil {
		return nil, nil, err
	}
	if t.state != "leased" || t.epoch != epoch {
		return &t, nil, lease.ErrLost
	}
	j, err := get(ctx, tx, t.account, t.job)
	return &t, j, err
}

// Report implements store.Store.
func (s *Store) Report(ctx context.Context, id string, epoch int64, p lease.Progress, now, deadline time.Time) error {
	uploads, err := json.Marshal(append([]lease.Upload{}, p.Uploads...))
	if err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, j, err := held(ctx, tx, id, epoch)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE tasks SET deadline = ?, uploads = ? WHERE id = ?", deadline.UnixMicro(), string(uploads), id); err != nil {
			return err
		}
		if p.Phase != "" {
			j.Phase = p.Phase
		}
		j.PhasePercent, j.Percent = p.PhasePercent, max(j.Percent, p.Percent)
		if p.Engine != "" && p.Engine != j.EngineVersion {
			j.EngineVersion = p.Engine
			if err := facet(ctx, tx, j, []job.Facet{{Name: job.FacetEngineUsed, Values: []string{p.Engine}}}); err != nil {
				return err
			}
		}
		if p.EngineBuild != "" {
			j.EngineBuild = p.EngineBuild
		}
		j.Frames = max(j.Frames, p.Frames)
		if len(p.InputDetails) > 0 && !j.InputTold { // a rescued job looks into its inputs again
			j.InputTold = true
			if err := event(ctx, tx, j, events.InputInformation, now, func(d events.Detail) any { return events.InputDetail{Detail: d, InputDetails: p.InputDetails} }); err != nil {
				return err
			}
		}
		if now.Sub(j.LastStatusTime) >= updateInterval(j) {
			j.LastStatusTime = now
			if err := event(ctx, tx, j, events.StatusUpdate, now, func(d events.Detail) any {
				return events.StatusDetail{Detail: d, FramesDecoded: j.Frames, JobProgress: events.ProgressOf(string(j.Phase), j.PhasePercent, j.Percent, j.RetryCount)}
			}); err != nil {
				return err
			}
		}
		return put(ctx, tx, j)
	})
}

// Finish implements store.Store.
func (s *Store) Finish(ctx context.Context, id string, epoch int64, r lease.Result, now time.Time) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		t, j, err := held(ctx, tx, id, epoch)
		if errors.Is(err, lease.ErrLost) && t != nil && t.state == "ended" && t.epoch == epoch {
			return nil // said before, or canceled meanwhile
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE tasks SET state = 'ended', deadline = 0, uploads = '[]' WHERE id = ?", id); err != nil {
			return err
		}
		if err := warn(ctx, tx, j, now, r.Warnings); err != nil {
			return err
		}
		if r.Error != nil {
			return fail(ctx, tx, j, r.Error.Code, r.Error.Message, now)
		}
		shown, err := events.Shown(r.EventDetails)
		if err != nil {
			return err
		}
		j.Status, j.Finished, j.Percent, j.PhasePercent, j.OutputDetails = job.Complete, now, 100, 100, shown
		warnings, err := warningsOf(j)
		if err != nil {
			return err
		}
		groups := r.EventDetails
		if groups == nil {
			groups = []events.OutputGroup{}
		}
		if err := event(ctx, tx, j, events.Complete, now, func(d events.Detail) any {
			return events.CompleteDetail{Detail: d, Warnings: warnings, OutputGroupDetails: groups}
		}); err != nil {
			return err
		}
		return put(ctx, tx, j)
	})
}

func fail(ctx context.Context, tx *sql.Tx, j *job.Job, code int, message string, now time.Time) error {
	j.Status, j.Finished, j.ErrorCode, j.ErrorMessage = job.Errored, now, code, message
	warnings, err := warningsOf(j)
	if err != nil {
		return err
	}
	if err := event(ctx, tx, j, events.Errored, now, func(d events.Detail) any {
		return events.ErrorDetail{Detail: d, ErrorCode: code, ErrorMessage: message, Warnings: warnings}
	}); err != nil {
		return err
	}
	return put(ctx, tx, j)
}

// Release implements store.Store.
func (s *Store) Release(ctx context.Context, id string, epoch int64, now time.Time) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, j, err := held(ctx, tx, id, epoch)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE tasks SET state = 'waiting', attempts = attempts - 1, deadline = 0 WHERE id = ?", id); err != nil {
			return err
		}
		j.Waiting = now
		return put(ctx, tx, j)
	})
}

// Cancel implements store.Store.
func (s *Store) Cancel(ctx context.Context, account, id string, now time.Time) (taskID string, epoch int64, running bool, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		taskID, epoch, running = "", 0, false
		j, err := get(ctx, tx, account, id)
		if err != nil {
			return err
		}
		if !j.Status.CanBecome(job.Canceled) {
			return job.ErrFinished
		}
		var state string
		if err := tx.QueryRowContext(ctx, "SELECT id, epoch, state FROM tasks WHERE account = ? AND job = ? AND id = ?", account, id, account+"/"+id).Scan(&taskID, &epoch, &state); err != nil {
			return err
		}
		running = state == "leased"
		if _, err := tx.ExecContext(ctx, "UPDATE tasks SET state = 'ended', deadline = 0 WHERE id = ?", taskID); err != nil {
			return err
		}
		j.Status, j.Finished, j.CancelAsked = job.Canceled, now, true
		if err := event(ctx, tx, j, events.Canceled, now, nil); err != nil {
			return err
		}
		return put(ctx, tx, j)
	})
	return taskID, epoch, running, err
}

// Expire implements store.Store.
func (s *Store) Expire(ctx context.Context, now time.Time) ([]store.Ended, error) {
	return s.end(ctx, "deadline <= ?", now.UnixMicro(), now)
}

// Void implements store.Store.
func (s *Store) Void(ctx context.Context, now time.Time) ([]store.Ended, error) {
	return s.end(ctx, "deadline >= ?", 0, now)
}

// end takes leases away from their workers.
func (s *Store) end(ctx context.Context, condition string, value int64, now time.Time) ([]store.Ended, error) {
	var ended []store.Ended
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ended = nil
		tasks, err := leased(ctx, tx, condition, value)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			j, err := get(ctx, tx, t.account, t.job)
			if err != nil {
				return err
			}
			e := store.Ended{
				TaskID: t.id, Epoch: t.epoch, Account: t.account, JobID: t.job, Worker: t.worker, Attempt: t.attempts, Claimed: time.UnixMicro(t.claimed).UTC(),
			}
			state := "ended"
			switch {
			case t.attempts >= store.MaxAttempts:
				err = fail(ctx, tx, j, 1999, fmt.Sprintf("The job was begun %d times and its worker stopped each time. Check the server's log for this job's id before you submit it again.", t.attempts), now)
			case now.Sub(j.Started) > store.MaxProgressing:
				err = fail(ctx, tx, j, 1999, "The job progressed for 48 hours and was stopped. Split the input, or use fewer outputs.", now)
			default:
				state, e.Again = "waiting", true
				j.RetryCount++
				j.Waiting = now
				err = put(ctx, tx, j)
			}
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE tasks SET state = ?, deadline = 0 WHERE id = ?", state, t.id); err != nil {
				return err
			}
			ended = append(ended, e)
		}
		return nil
	})
	return ended, err
}

func leased(ctx context.Context, tx *sql.Tx, condition string, value int64) ([]task, error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+taskColumns+" FROM tasks INDEXED BY tasks_leased WHERE state = 'leased' AND "+condition+" ORDER BY id", value)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var tasks []task
	for rows.Next() {
		var t task
		if err := rows.Scan(t.fields()...); err != nil {
			return nil, err
		}
		tasks = append(tasks, t)
	}
	return tasks, rows.Err()
}

// NextDeadline implements store.Store.
func (s *Store) NextDeadline(ctx context.Context) (time.Time, error) {
	var at sql.NullInt64
	if err := s.read.QueryRowContext(ctx, "SELECT min(deadline) FROM tasks WHERE state = 'leased'").Scan(&at); err != nil {
		return time.Time{}, err
	}
	var hop sql.NullInt64
	if err := s.read.QueryRowContext(ctx, "SELECT min(hop) FROM tasks WHERE state = 'waiting' AND hop > 0").Scan(&hop); err != nil {
		return time.Time{}, err
	}
	if hop.Valid && (!at.Valid || hop.Int64 < at.Int64) {
		at = hop
	}
	if !at.Valid {
		return time.Time{}, nil
	}
	return time.UnixMicro(at.Int64).UTC(), nil
}
