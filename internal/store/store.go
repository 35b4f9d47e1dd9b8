// Package store is the contract of the records: jobs, the tasks that workers claim, identities, the outbox of events, and the audit trail.
//
// What belongs together is written in one transaction: a change of a job, its task and the event that tells of it. A method that has returned
// without an error has made its change durable. storetest is the suite that every driver passes; sqlite is the embedded driver.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/lease"
)

// ErrNewerSchema is returned when records were written by a newer version of the program.
var ErrNewerSchema = errors.New("the records were written by a newer version")

// DefaultQueue is the name of the queue that every account has, recorded or not.
const DefaultQueue = "Default"

// MaxAttempts is how often a task is begun before its job fails: one whose worker dies each time would kill workers for ever.
const MaxAttempts = 3

// MaxProgressing is how long a job may progress before it fails.
const MaxProgressing = 48 * time.Hour

// Claimed is a task that was given to a worker.
type Claimed struct {
	Job     *job.Job
	TaskID  string
	Epoch   int64
	Attempt int
	Uploads []lease.Upload // what an earlier attempt left open
}

// Ended names a task whose lease ended without its worker's doing.
type Ended struct {
	TaskID string
	Epoch  int64
	// Again says that the task can be claimed again; otherwise its job has failed.
	Again bool

	Account, JobID, Worker string
	Attempt                int
	Claimed                time.Time
}

// Event is one event, in the order of the outbox: of a job, or one that somebody has put there.
type Event struct {
	Sequence int64
	ID       string // a UUID; empty for one that an earlier version wrote
	Account  string
	JobID    string // empty for one that is not of a job
	Status   string // as in the detail of MediaConvert's events: PROGRESSING, COMPLETE, …
	Time     time.Time
	Detail   json.RawMessage

	Source     string   // empty for those of jobs, which all have the same source, type and kind of resource
	DetailType string   // likewise
	Resources  []string // likewise
}

// Store keeps records. All methods may be called at the same time. Times are handed in.
type Store interface {
	// Submit records a job, its task and its audit record. A repeat (see job.ErrTokenReused) records nothing and returns the first job.
	Submit(ctx context.Context, j *job.Job, now time.Time) (*job.Job, error)
	// Get returns a job or job.ErrNotFound.
	Get(ctx context.Context, account, id string) (*job.Job, error)
	// ByToken returns the job that was submitted with a client token, which is not empty, or job.ErrNotFound.
	ByToken(ctx context.Context, account, token string) (*job.Job, error)
	List(ctx context.Context, q job.Query) ([]*job.Job, error)
	// Count counts a queue's unfinished jobs, those of all queues when queue is empty.
	Count(ctx context.Context, account, queue string) (job.Counts, error)

	// Claim gives the first task to a worker until deadline; nil when there is none. It comes from a queue that is not paused and runs fewer jobs
	// than it may: the one with the highest priority, among equals from the queue that runs the fewest, then the oldest.
	Claim(ctx context.Context, worker string, now, deadline time.Time) (*Claimed, error)
	// Report stores progress and extends the lease. lease.ErrLost: the epoch is not the task's any more, or the task has ended.
	Report(ctx context.Context, taskID string, epoch int64, p lease.Progress, now, deadline time.Time) error
	// Finish ends a task and its job. Again with the same epoch it is a success without effect, so is the end of a canceled job.
	Finish(ctx context.Context, taskID string, epoch int64, r lease.Result, now time.Time) error
	// Release hands a task back; the attempt is not counted.
	Release(ctx context.Context, taskID string, epoch int64, now time.Time) error
	// Cancel ends a job that is not finished. running says that a worker holds the lease taskID, epoch.
	Cancel(ctx context.Context, account, id string, now time.Time) (taskID string, epoch int64, running bool, err error)
	// Expire ends the leases whose deadline has passed, and the jobs that have progressed too long.
	Expire(ctx context.Context, now time.Time) ([]Ended, error)
	// Void ends all leases, whatever their deadline: the workers that held them are gone.
	Void(ctx context.Context, now time.Time) ([]Ended, error)
	// NextDeadline is when Expire or Hop has something to do; the zero time when neither has.
	NextDeadline(ctx context.Context) (time.Time, error)

	// ChangeJob reads, changes and records a job in one transaction; job.ErrNotFound, or the error of change, and then nothing is recorded.
	ChangeJob(ctx context.Context, account, id string, change func(*job.Job) error) (*job.Job, error)
	// Hop moves the jobs whose time in their queue is over to their next hop destination, or notes warning 100000 where that is gone.
	Hop(ctx context.Context, now time.Time) (hopped int, err error)
	// Forget deletes at most limit jobs that were finished before a time, the oldest first, with everything that belongs to them.
	Forget(ctx context.Context, before time.Time, limit int) (forgotten int, err error)

	Resources
	Registries

	// Events returns events after a sequence number, in order. Dispatch forgets those up to one.
	Events(ctx context.Context, after int64, limit int) ([]Event, error)

	// EventsGrown returns a channel that is closed when the next events are appended.
	EventsGrown() <-chan struct{}

	Deliveries

	Trail
	Lifecycle
	Readers
	Backlog

	Close() error
}
