package metric

import (
	"time"

	"darkroom/internal/store"
)

// Dialled counts an outgoing connection, when it is known what became of it.
func (s *Set) Dialled(purpose, outcome string) {
	s.counter("darkroom_egress_dials_total", purpose, outcome).Inc()
}

// AskedForKeys counts a question to a key server.
func (s *Set) AskedForKeys(took time.Duration, err error) {
	s.observe("darkroom_key_request_duration_seconds", max(0, took.Seconds()))
	if err != nil {
		s.counter("darkroom_key_request_failures_total").Inc()
	}
}

// Committed counts a transaction of the records.
func (s *Set) Committed(c store.Commit) {
	if c.Index != nil {
		s.counter("darkroom_audit_index_failures_total").Inc()
		return
	}
	if c.Failed {
		s.counter("darkroom_store_commit_failures_total").Inc()
		return
	}
	s.observe("darkroom_store_commit_duration_seconds", max(0, c.Took.Seconds()))
	s.observe("darkroom_store_commit_changes", float64(c.Changes))
	if c.Records > 0 {
		s.counter("darkroom_audit_records_total").Add(float64(c.Records))
		s.observe("darkroom_audit_write_duration_seconds", max(0, c.Took.Seconds()))
	}
}

// WorkerUp says whether the local worker answers.
func (s *Set) WorkerUp(up bool) {
	v := 0.0
	if up {
		v = 1
	}
	s.gauge("darkroom_worker_up").Set(v)
}

// WorkerRestarted counts a local worker that died and is started again.
func (s *Set) WorkerRestarted() { s.counter("darkroom_worker_restarts_total").Inc() }

// What becomes of spans.
const (
	SpansExported = "exported"
	SpansFailed   = "failed"
	SpansDropped  = "dropped"
)

// Spans counts spans of traces by what became of them.
func (s *Set) Spans(outcome string, n int) {
	s.counter("darkroom_spans_total", outcome).Add(float64(n))
}

// EventDelivered counts an attempt to deliver an event to a type of target, by its eventbus.Outcome.
func (s *Set) EventDelivered(target, outcome string) {
	s.counter("darkroom_event_deliveries_total", s.targets.of(target), outcome).Inc()
}
