package worker

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/sandbox"
)

// TestMeter: steps are told once a report was answered, up to a bound each time, and what is beyond all bounds is counted.
func TestMeter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	m := &meter{now: func() time.Time { return now }}
	end := m.begin(lease.StepTranscode)
	now = now.Add(3 * time.Second)
	end(&badExit{lease.CauseMemory, job.Errorf(1040, "no")})
	m.begin(lease.StepPackage)(&badExit{lease.CauseMemory, job.Errorf(1040, "no")})
	m.lasts(time.Minute)
	got := m.measured()
	if len(got.Steps) != 2 || got.Transcoding != 3*time.Second || got.Media != time.Minute {
		t.Fatalf("got %+v", got)
	}
	if s := got.Steps[0]; s.Number != 1 || s.Ended.Sub(s.Began) != 3*time.Second || !s.Failed || s.Cause != lease.CauseMemory {
		t.Errorf("transcode: %+v", s)
	}
	if s := got.Steps[1]; s.Cause != "" || !s.Failed { // the program is counted once
		t.Errorf("package: %+v", s)
	}
	if again := m.measured(); len(again.Steps) != 2 {
		t.Errorf("not answered, %d steps wait", len(again.Steps))
	}
	m.begin(lease.StepUpload)(nil)
	m.told(got)
	if rest := m.measured(); len(rest.Steps) != 1 || rest.Steps[0].Number != 3 || rest.Steps[0].Failed {
		t.Errorf("the rest: %+v", rest.Steps)
	}
	for range lease.MaxWaitingSteps + 9 {
		m.begin(lease.StepUpload)(nil)
	}
	if full := m.measured(); len(full.Steps) != lease.MaxSteps || full.Dropped != 10 {
		t.Errorf("%d steps in a report, %d dropped", len(full.Steps), full.Dropped)
	}
	if last := m.last(); last.Dropped != 10+lease.MaxWaitingSteps-lease.MaxSteps {
		t.Errorf("at the end %d are dropped", last.Dropped)
	}
}

func TestExited(t *testing.T) {
	t.Parallel()
	for want, e := range map[lease.Cause]sandbox.Exit{
		lease.CauseViolation: {Violation: true, Signal: syscall.SIGKILL}, lease.CauseMemory: {LimitHit: sandbox.LimitMemory, Code: 1}, lease.CauseCPU: {LimitHit: sandbox.LimitCPU},
		lease.CauseDeadline: {LimitHit: sandbox.LimitDeadline}, lease.CauseOutput: {LimitHit: sandbox.LimitOutput}, lease.CauseSignal: {Signal: syscall.SIGSEGV}, lease.CauseExit: {Code: 1},
	} {
		if got := exited(e); got != want {
			t.Errorf("%+v: got %q, want %q", e, got, want)
		}
	}
	var shown *job.Error
	if err := error(&badExit{lease.CauseExit, explained(sandbox.Exit{LimitHit: sandbox.LimitMemory})}); !errors.As(err, &shown) || shown.Code != 1040 {
		t.Errorf("the job shows %v", err)
	}
}

// TestCounted: what is read is counted, and nothing else changes.
func TestCounted(t *testing.T) {
	t.Parallel()
	m := &meter{}
	r := countedReader{io.NopCloser(strings.NewReader("seven b")), &m.read}
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "seven b" || m.read.Load() != 7 {
		t.Errorf("read %q, counted %d, %v", b, m.read.Load(), err)
	}
}
