package lease

import (
	"time"

	"darkroom/internal/job"
)

// Bounds of what a worker tells of itself.
const (
	// MaxSteps is how many steps one report tells of. Those beyond it wait for the next; MaxWaitingSteps may.
	MaxSteps        = 512
	MaxWaitingSteps = 4096
)

// Measured is what a worker has measured of a lease. Nothing of it decides anything: it is for metrics and traces.
type Measured struct {
	Read    int64         `json:"read,omitempty"`    // bytes of inputs, since the lease began
	Written int64         `json:"written,omitempty"` // bytes of outputs, since the lease began
	Media   time.Duration `json:"media,omitempty"`   // how long the input lasts; 0 until it is known
	// Transcoding is how long the encoder took; 0 until it has ended.
	Transcoding time.Duration `json:"transcoding,omitempty"`
	// Steps are those that ended since the last report that was answered.
	Steps []Step `json:"steps,omitempty"`
	// Dropped is how many steps were not told, because too many waited, since the lease began.
	Dropped int64 `json:"dropped,omitempty"`
}

// StepKind is what a step does.
type StepKind string

// The kinds of steps.
const (
	StepProbe     StepKind = "probe"
	StepPlan      StepKind = "plan"
	StepCaptions  StepKind = "captions" // reads files of captions
	StepKeys      StepKind = "keys"     // asks for content keys
	StepTranscode StepKind = "transcode"
	StepPackage   StepKind = "package"
	StepUpload    StepKind = "upload" // one object
)

// StepKinds are all of them.
var StepKinds = []StepKind{StepProbe, StepPlan, StepCaptions, StepKeys, StepTranscode, StepPackage, StepUpload}

// Cause is why a program in the sandbox ended badly.
type Cause string

// The causes.
const (
	CauseStart     Cause = "start" // it could not be started
	CauseExit      Cause = "exit"  // it ended with a status other than 0
	CauseSignal    Cause = "signal"
	CauseMemory    Cause = "memory"
	CauseCPU       Cause = "cpu"
	CauseDeadline  Cause = "deadline"
	CauseOutput    Cause = "output"
	CauseViolation Cause = "violation" // a system call that no transcoder makes
)

// Causes are all of them.
var Causes = []Cause{CauseStart, CauseExit, CauseSignal, CauseMemory, CauseCPU, CauseDeadline, CauseOutput, CauseViolation}

// Step is a piece of work that has ended.
type Step struct {
	Number int64     `json:"number"` // counts the steps of a lease from 1, so that one that is told twice is counted once
	Kind   StepKind  `json:"kind"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
	Failed bool      `json:"failed,omitempty"`
	Cause  Cause     `json:"cause,omitempty"` // of a program that ended badly
	Bytes  int64     `json:"bytes,omitempty"`
	Bucket string    `json:"bucket,omitempty"` // of an upload
	Key    string    `json:"key,omitempty"`
}

// Attempt is a lease as those see it who watch a queue.
type Attempt struct {
	Job     *job.Job // as it was when it was claimed; not to be changed
	TaskID  string
	Epoch   int64
	Number  int // 1 for the first
	Worker  string
	Claimed time.Time
}

// End is how an attempt ended.
type End string

// The ends.
const (
	Finished   End = "finished" // its job is complete or has failed
	HandedBack End = "handed_back"
	Canceled   End = "canceled"
	Lost       End = "lost" // without its worker's doing
)

// Ends are all of them.
var Ends = []End{Finished, HandedBack, Canceled, Lost}
