// Package lease is what passes between the control plane and a worker: the lease on a task, reports of progress, and its end.
//
// A lease is a worker's right to a task until a deadline, carried with a fencing epoch; the reports of a worker whose epoch is no
// longer the task's are refused with ErrLost.
package lease

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/secret"
)

// ErrLost says that the lease is no longer the worker's: it ran out, was given to another, or the job has ended. The worker stops at
// once and reports nothing more.
var ErrLost = errors.New("lease lost")

// Lease is one task handed to one worker.
type Lease struct {
	TaskID   string    `json:"taskId"`
	Epoch    int64     `json:"epoch"`
	Deadline time.Time `json:"deadline"` // extended by every Report

	JobID       string          `json:"jobId"`
	Account     string          `json:"account"`
	Region      string          `json:"region"`
	Settings    json.RawMessage `json:"settings"` // JobSettings, camelCase
	Started     time.Time       `json:"started"`  // start of the job, for $dt$; the same after a rescue
	Attempt     int             `json:"attempt"`  // 1 for the first
	Credentials Credentials     `json:"credentials"`
	// Uploads are the multipart uploads that an earlier attempt left open; the worker aborts them before it begins.
	Uploads []Upload `json:"uploads,omitempty"`
	// Provenance says that the job is to write a statement of how it came about; see Attester.
	Provenance bool `json:"provenance,omitempty"`
}

// Credentials are the temporary credentials of the job's role, narrowed to the job's own inputs and destinations.
type Credentials struct {
	AccessKeyID     string       `json:"accessKeyId"`
	SecretAccessKey secret.Bytes `json:"-"` // carried by the worker API's own encoding, never by a log
	SessionToken    secret.Bytes `json:"-"`
	Expiry          time.Time    `json:"expiry"`
	// Schemes are the schemes, of "s3", "http" and "https", that inputs may be read by: also after a redirect, and where one input names another.
	Schemes []string `json:"schemes,omitempty"`
}

// Upload names an open multipart upload, so that a rescue can abort it.
type Upload struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	ID     string `json:"id"`
}

// Progress is how far a task is.
type Progress struct {
	Phase        job.Phase `json:"phase"`
	PhasePercent int       `json:"phasePercent"`
	Percent      int       `json:"percent"` // of the whole job
	Engine       string    `json:"engine,omitempty"`
	EngineBuild  string    `json:"engineBuild,omitempty"` // see plan.Capabilities
	// Uploads are all multipart uploads open now.
	Uploads []Upload `json:"uploads,omitempty"`
	// InputDetails is the detail of the INPUT_INFORMATION event, sent until it was heard.
	InputDetails []event.Input `json:"inputDetails,omitempty"`
	Measured     Measured      `json:"measured"`
	// Frames is how many frames were decoded since the task began.
	Frames int64 `json:"framesDecoded,omitempty"`
}

// Result is how a task ended. A nil Error is success.
type Result struct {
	Error *Failure `json:"error,omitempty"`
	// EventDetails is the outputGroupDetails of the COMPLETE event, with paths. Of these are the ones that GetJob shows, too.
	EventDetails []event.OutputGroup `json:"eventOutputGroupDetails,omitempty"`
	Measured     Measured            `json:"measured"`
	Warnings     []event.Warning     `json:"warnings,omitempty"`
}

// Failure is a job.Error on the wire.
type Failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Probe is a file that somebody waits to know about: a task without a job, kept in memory alone.
type Probe struct {
	ID          string      `json:"id"`
	URI         string      `json:"uri"` // s3, http or https
	Caller      string      `json:"-"`   // the ARN of who asks, for the audit trail
	Credentials Credentials `json:"credentials"`
}

// Probed is what a worker found. One of the two is set.
type Probed struct {
	Error *Failure        `json:"error,omitempty"`
	Found json.RawMessage `json:"found,omitempty"` // plan.Found
}

// Dial is a connection that a worker makes for a task or a probe, as the control plane records it. Its words are those of package egress.
type Dial struct {
	TaskID  string `json:"taskId,omitempty"`
	Epoch   int64  `json:"epoch,omitempty"`
	ProbeID string `json:"probeId,omitempty"`
	Purpose string `json:"purpose"`
	Host    string `json:"host"`              // as it was asked for
	Address string `json:"address,omitempty"` // empty when the host was refused before it was resolved
	Port    int    `json:"port"`
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`
}

// Witness records the connections of workers.
type Witness interface {
	// Dialled records one, before it is made and when it is known what became of it. An error says that it must not be made; ErrLost: its task or
	// probe is no longer the worker's.
	Dialled(ctx context.Context, d Dial) error
}

// Prober hands probes to workers.
type Prober interface {
	// NextProbe waits until there is a probe for this worker or ctx ends.
	NextProbe(ctx context.Context, worker string) (*Probe, error)
	// EndProbe says what was found. ErrLost: nobody waits any more.
	EndProbe(ctx context.Context, id string, p Probed) error
}

// Control is the control plane as a worker sees it. The in-process queue and the client of the worker API both are one.
type Control interface {
	// Claim waits until there is a task for this worker or ctx ends. It wakes at once when a job is submitted.
	Claim(ctx context.Context, worker string) (*Lease, error)
	// Report extends the lease and stores the progress. ErrLost: stop.
	Report(ctx context.Context, l *Lease, p Progress) (deadline time.Time, err error)
	// Wait returns when the task is to stop before its end: nil when the job was canceled, ErrLost when the lease is gone,
	// ctx.Err() when ctx ended. The worker keeps one Wait open while it works, so that a cancel reaches it at once.
	Wait(ctx context.Context, l *Lease) error
	// Renew gives fresh credentials for the same lease.
	Renew(ctx context.Context, l *Lease) (Credentials, error)
	// ContentKeys asks a key server for the content keys of an output group of the lease's job, by the settings on record, and returns them in the order of
	// its encryption contract. Asked again, it asks again: a key server gives the same keys for the same content. ErrLost: stop. A *job.Error says why the job
	// cannot have them. The caller owns the keys and wipes them.
	ContentKeys(ctx context.Context, l *Lease, group int) ([]cenc.Protection, error)
	// Finish ends the task. Calling it again with the same epoch after a lost answer is a success.
	Finish(ctx context.Context, l *Lease, r Result) error
	// Release hands the lease back unfinished (a draining worker); the task can be claimed again at once.
	Release(ctx context.Context, l *Lease) error
}
