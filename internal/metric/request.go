package metric

import (
	"github.com/prometheus/client_golang/prometheus"

	"darkroom/internal/gateway"
)

// request is a kind of request: all that its labels say.
type request struct {
	service, operation string
	class              int // the first digit of the status
}

// requestMetrics are those that a request of one kind changes.
type requestMetrics struct {
	count    prometheus.Counter
	duration prometheus.Observer
	in, out  prometheus.Counter
	errors   prometheus.Counter // of MediaConvert's API; nil for others
}

// unknown is the service or operation of a request that was refused before it was known.
const unknown = "unknown"

var classes = [...]string{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}

// Requested counts a request that has ended.
func (s *Set) Requested(e gateway.Exchange) {
	k := request{e.Service, e.Operation, min(max(e.Status/100, 0), len(classes)-1)}
	s.mu.RLock()
	m := s.requests[k]
	s.mu.RUnlock()
	if m == nil {
		m = s.requested(k)
	}
	m.count.Inc()
	m.duration.Observe(max(0, e.Took.Seconds()))
	m.in.Add(float64(max(0, e.BytesIn)))
	m.out.Add(float64(max(0, e.BytesOut)))
	if e.Status >= 400 && m.errors != nil {
		m.errors.Inc()
	}
	if e.Reason != "" {
		s.counter("darkroom_refusals_total", named(e.Service), s.reasons.of(e.Reason)).Inc()
	}
}

// requested finds the metrics of a kind of request, and keeps them where there is room.
func (s *Set) requested(k request) *requestMetrics {
	operation := named(k.operation)
	if s.operations.of(k.service+":"+operation) == other {
		operation = other
	}
	service := named(k.service)
	m := &requestMetrics{
		count:    s.counter("darkroom_requests_total", service, operation, classes[k.class]),
		duration: s.histograms["darkroom_request_duration_seconds"].WithLabelValues(service, operation),
		in:       s.counter("darkroom_request_bytes_total", service, "in"), out: s.counter("darkroom_request_bytes_total", service, "out"),
	}
	if k.service == "mediaconvert" {
		m.errors = s.counter("mediaconvert_errors_total", operation)
	}
	if operation == other {
		return m // it may be one of any number
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[k] = m
	return m
}

func named(s string) string {
	if s == "" {
		return unknown
	}
	return s
}
