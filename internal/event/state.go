package event

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Status is what an event tells of a job.
type Status string

// The eight states.
const (
	InputInformation Status = "INPUT_INFORMATION"
	Progressing      Status = "PROGRESSING"
	StatusUpdate     Status = "STATUS_UPDATE"
	Complete         Status = "COMPLETE"
	Canceled         Status = "CANCELED"
	Errored          Status = "ERROR"
	NewWarning       Status = "NEW_WARNING"
	QueueHop         Status = "QUEUE_HOP"
)

// Detail is what the detail of every event of a job has. PROGRESSING and CANCELED have nothing else.
type Detail struct {
	Timestamp    int64             `json:"timestamp"` // milliseconds since the epoch
	AccountID    string            `json:"accountId"`
	Queue        string            `json:"queue"` // ARN
	JobID        string            `json:"jobId"`
	Status       Status            `json:"status"`
	UserMetadata map[string]string `json:"userMetadata"` // never nil
}

// InputDetail is the detail of INPUT_INFORMATION.
type InputDetail struct {
	Detail
	InputDetails []Input `json:"inputDetails"`
}

// StatusDetail is the detail of STATUS_UPDATE.
type StatusDetail struct {
	Detail
	FramesDecoded int64    `json:"framesDecoded"` // since the beginning of the job
	JobProgress   Progress `json:"jobProgress"`
}

// CompleteDetail is the detail of COMPLETE.
type CompleteDetail struct {
	Detail
	Warnings           []Warning     `json:"warnings,omitempty"`
	OutputGroupDetails []OutputGroup `json:"outputGroupDetails"`
}

// ErrorDetail is the detail of ERROR.
type ErrorDetail struct {
	Detail
	ErrorCode    int       `json:"errorCode"`
	ErrorMessage string    `json:"errorMessage"`
	Warnings     []Warning `json:"warnings,omitempty"`
}

// WarningDetail is the detail of NEW_WARNING: the newest warning and none of before.
type WarningDetail struct {
	Detail
	WarningCode    string `json:"warningCode"` // six digits
	WarningMessage string `json:"warningMessage"`
}

// HopDetail is the detail of QUEUE_HOP.
type HopDetail struct {
	Detail
	PreviousQueue    string `json:"previousQueue"` // ARN; Queue is where the job is now
	Priority         int    `json:"priority"`
	PreviousPriority int    `json:"previousPriority"`
}

// Warning is a warning code of a job, and how often it was met.
type Warning struct {
	Code  int `json:"code"`
	Count int `json:"count"`
}

// warnings are the texts of the codes ("Warning codes" of the user guide).
var warnings = map[int]string{
	100000: "Your job couldn't hop from its original submission queue to its destination queue.",
	230002: "MediaConvert can't apply audio duration correction to your input.",
	230004: "Your input is missing information in its 'mdhd' media header atom.",
	240000: "MediaConvert added at least 100 milliseconds of audio silence to keep audio and video in sync.",
	240001: "MediaConvert dropped at least 100 milliseconds of audio to keep audio and video in sync.",
	250001: "Your input captions have an unsupported font.",
	250002: "Your Dolby CBI input has an unsupported bitrate.",
	270000: "MediaConvert received a 503 Slow Down error code from Amazon S3 while writing your output to your destination bucket.",
}

// WarningOf is the code of a warning as an event has it, and its text.
func WarningOf(code int) (text, message string) {
	message, ok := warnings[code]
	if !ok {
		message = "The job met a condition that does not stop it."
	}
	return fmt.Sprintf("%06d", code), message
}

// The phases, in their order.
const (
	Probing     = "PROBING"
	Transcoding = "TRANSCODING"
	Uploading   = "UPLOADING"
)

// Progress is how far a job is.
type Progress struct {
	PhaseProgress      map[string]Phase `json:"phaseProgress"`
	JobPercentComplete int              `json:"jobPercentComplete"`
	CurrentPhase       string           `json:"currentPhase"`
	RetryCount         int              `json:"retryCount"`
}

// Phase is how far one phase is.
type Phase struct {
	Status          string `json:"status"` // PENDING, PROGRESSING, COMPLETE
	PercentComplete int    `json:"percentComplete"`
}

// ProgressOf is the progress of a job that is at a phase. The phases before are complete, those behind wait. A phase that is unknown is the first.
func ProgressOf(current string, phasePercent, jobPercent, retries int) Progress {
	p := Progress{PhaseProgress: make(map[string]Phase, 3), JobPercentComplete: jobPercent, CurrentPhase: current, RetryCount: retries}
	if current != Transcoding && current != Uploading {
		p.CurrentPhase = Probing
	}
	state := Phase{"COMPLETE", 100}
	for _, name := range []string{Probing, Transcoding, Uploading} {
		if name == p.CurrentPhase {
			p.PhaseProgress[name] = Phase{"PROGRESSING", phasePercent}
			state = Phase{"PENDING", 0}
			continue
		}
		p.PhaseProgress[name] = state
	}
	return p
}

// Encode writes JSON without the escapes that are meant for HTML.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
