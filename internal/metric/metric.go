// Package metric is what Prometheus scrapes: the metrics of MediaConvert, and those of the server itself, in the text format of Prometheus and OpenMetrics.
//
// Counters count from the start of the process, as Prometheus expects. What is a fact of the records, such as the depth of a queue, is read from them at each
// scrape. The values of labels are of this program or bounded in number: beyond the bound they count as other.
package metric

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Bounds of labels.
const (
	// MaxQueues is how many queues have metrics of their own, since the start.
	MaxQueues = 100
	// MaxOperations is how many operations of all services together have.
	MaxOperations = 600
	// MaxTargets is how many types of targets have.
	MaxTargets = 16
	// MaxReasons is how many reasons of refusals have.
	MaxReasons = 64
)

// other is the value of a label that has too many.
const other = "other"

// Set holds the metrics of a server. It is safe for concurrent use.
type Set struct {
	registry   *prometheus.Registry
	counters   map[string]*prometheus.CounterVec
	gauges     map[string]*prometheus.GaugeVec
	histograms map[string]*prometheus.HistogramVec

	queues, operations, targets, reasons *names

	mu       sync.RWMutex // guards requests; held for look-ups and for the first request of its kind
	requests map[request]*requestMetrics
}

// New makes the metrics of the table, all at their beginning. version is that of the program.
func New(version string) *Set {
	s := &Set{
		registry: prometheus.NewRegistry(), counters: map[string]*prometheus.CounterVec{}, gauges: map[string]*prometheus.GaugeVec{}, histograms: map[string]*prometheus.HistogramVec{},
		requests: map[request]*requestMetrics{},
	}
	for _, d := range Table {
		if scraped[d.Name] {
			continue // its collector describes it
		}
		var c prometheus.Collector
		switch d.Type {
		case Counter:
			s.counters[d.Name] = prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
			c = s.counters[d.Name]
			if len(d.Labels) == 0 {
				s.counters[d.Name].WithLabelValues() // there from the start: an increase from nothing is seen by nobody
			}
		case Gauge:
			s.gauges[d.Name] = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
			c = s.gauges[d.Name]
			if len(d.Labels) == 0 {
				s.gauges[d.Name].WithLabelValues()
			}
		case Histogram:
			s.histograms[d.Name] = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.buckets}, d.Labels)
			c = s.histograms[d.Name]
			if len(d.Labels) == 0 {
				s.histograms[d.Name].WithLabelValues()
			}
		default:
			panic(fmt.Sprintf("metric %s has no type", d.Name)) // the table is ours
		}
		s.registry.MustRegister(c)
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	overflow := func(label string) func() {
		c := s.counter("darkroom_label_overflow_total", label)
		return func() { c.Inc() }
	}
	s.queues, s.operations = newNames(MaxQueues, overflow("queue")), newNames(MaxOperations, overflow("operation"))
	s.targets, s.reasons = newNames(MaxTargets, overflow("target")), newNames(MaxReasons, overflow("reason"))
	s.gauge("darkroom_build_info", version).Set(1)
	s.begin()
	return s
}

// Registry is what is scraped.
func (s *Set) Registry() prometheus.Gatherer { return s.registry }

// counter, gauge and histogram are the metrics of one row of the table; a name that is not there is a mistake of this package.
func (s *Set) counter(name string, labels ...string) prometheus.Counter {
	return s.counters[name].WithLabelValues(labels...)
}

func (s *Set) gauge(name string, labels ...string) prometheus.Gauge {
	return s.gauges[name].WithLabelValues(labels...)
}

func (s *Set) observe(name string, seconds float64, labels ...string) {
	s.histograms[name].WithLabelValues(labels...).Observe(seconds)
}

// since is a time as a metric has it: never negative, though the clock may jump.
func since(from, to time.Time) float64 { return max(0, to.Sub(from).Seconds()) }

// names are the values of a label: those that came first, up to a bound.
type names struct {
	most     int
	overflow func()

	mu   sync.RWMutex // guards seen; held for look-ups
	seen map[string]struct{}
}

func newNames(most int, overflow func()) *names {
	return &names{most: most, overflow: overflow, seen: map[string]struct{}{}}
}

// of returns the value that name counts under.
func (n *names) of(name string) string {
	n.mu.RLock()
	_, known := n.seen[name]
	n.mu.RUnlock()
	if known {
		return name
	}
	n.mu.Lock()
	_, known = n.seen[name]
	if !known && len(n.seen) < n.most {
		n.seen[name] = struct{}{}
		known = true
	}
	n.mu.Unlock()
	if known {
		return name
	}
	n.overflow()
	return other
}
