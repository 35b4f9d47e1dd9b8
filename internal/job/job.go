// Package job is the life of a transcoding job: its states, the transitions between them, and the errors it can end with.
package job

import (
	"encoding/json"
	"fmt"
	"time"
)

// Status is a job's status as the MediaConvert API names it.
type Status string

// The statuses. Complete, Canceled and Error are final.
const (
	Submitted   Status = "SUBMITTED"
	Progressing Status = "PROGRESSING"
	Complete    Status = "COMPLETE"
	Canceled    Status = "CANCELED"
	Errored     Status = "ERROR"
)

// Final reports whether no transition leads out of s.
func (s Status) Final() bool { return s == Complete || s == Canceled || s == Errored }

// CanBecome reports whether a job in status s may become next. A rescued job goes back from PROGRESSING to PROGRESSING under a new
// lease, and one that a draining worker hands back from PROGRESSING to SUBMITTED never: it stays PROGRESSING and waits.
func (s Status) CanBecome(next Status) bool {
	switch s {
	case Submitted:
		return next == Progressing || next == Canceled || next == Errored
	case Progressing:
		return next == Complete || next == Canceled || next == Errored
	}
	return false
}

// Phase is what a progressing job is at.
type Phase string

// The phases, in their order.
const (
	Probing     Phase = "PROBING"
	Transcoding Phase = "TRANSCODING"
	Uploading   Phase = "UPLOADING"
)

// Job is the record of a job. Settings, Tags and the like are kept as the API's own JSON: only api and plan read them.
type Job struct {
	ID             string // milliseconds since the epoch, a dash, six of a-z0-9
	Account        string
	Queue          string // ARN
	Role           string // ARN as given
	Priority       int
	Status         Status
	Phase          Phase
	Percent        int // of the whole job, 0 to 100
	PhasePercent   int // of the current phase
	RetryCount     int
	RequestID      string            `json:",omitempty"` // of the CreateJob that made it, as in the log and the audit trail; none for older jobs
	ClientToken    string            // clientRequestToken, unique in the account when not empty
	RequestHash    string            // hex SHA-256 of the canonical request, to tell a repeat from a conflict
	Request        json.RawMessage   `json:",omitempty"` // every other member of CreateJob as accepted (userMetadata, tags, statusUpdateInterval, …)
	Settings       json.RawMessage   `json:",omitempty"` // JobSettings, camelCase
	Tags           map[string]string `json:",omitempty"`
	Hops           []Hop             `json:",omitempty"` // destinations not yet reached, in order
	Transitions    []Transition      `json:",omitempty"` // hops made
	Facets         []Facet           `json:",omitempty"` // what the job is found by
	Principal      string            `json:",omitempty"` // ARN of who submitted it
	Submitted      time.Time
	Started        time.Time // zero until PROGRESSING
	Finished       time.Time // zero until final
	ErrorCode      int
	ErrorMessage   string
	OutputDetails  json.RawMessage `json:",omitempty"` // outputGroupDetails of a complete job
	Messages       json.RawMessage `json:",omitempty"` // {"info":[],"warning":[]}
	Warnings       json.RawMessage `json:",omitempty"`
	CancelAsked    bool
	EngineVersion  string // of ffmpeg, recorded when the job starts
	EngineBuild    string `json:",omitempty"` // how that was built, and what it is linked to; none for older jobs
	LastStatusTime time.Time
	Waiting        time.Time `json:",omitzero"`  // since when it waits again, after an attempt that did not end it; zero: since it was submitted
	Trace          string    `json:",omitempty"` // the trace that it belongs to, as a traceparent of W3C Trace Context
	Frames         int64     // decoded since the beginning, as far as is known
	InputTold      bool      // the event with what the inputs hold was written
}

// Hop is a destination that a job goes to when it has waited in its queue for as long.
type Hop struct {
	Queue    string // ARN
	Priority *int   // nil keeps the job's
	Wait     time.Duration
}

// Transition is a hop that was made.
type Transition struct {
	From, To string // ARNs of queues
	Time     time.Time
}

// Error is how a job fails: MediaConvert's error code and a message that names the input or output, says whether a retry can help
// and what to do. Nothing of the inside (paths, addresses, stack) belongs into Message.
type Error struct {
	Code    int
	Message string
	// Err is the cause for the log, never shown in the job.
	Err error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%d: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%d: %s", e.Code, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error without a cause.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
