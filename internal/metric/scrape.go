package metric

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"darkroom/internal/store"
)

// Bounds of what is read at a scrape.
const (
	// MaxCounted is how many jobs of a queue, and how many events, are counted.
	MaxCounted = 100_000
	// readTimeout is how long the records may take.
	readTimeout = 5 * time.Second
)

// Trails says how far the delivery of audit records is behind.
type Trails interface {
	// TrailBacklog is the age at now of the oldest record that a trail has still to deliver, of the trail that is furthest behind, 0 when all is delivered; and
	// how many trails cannot deliver now.
	TrailBacklog(ctx context.Context, now time.Time) (lag time.Duration, failing int, err error)
}

// Deliveries says how far the delivery of events is behind.
type Deliveries interface {
	// OldestDelivery is when the oldest event was, of those that are still to be delivered, by type of target.
	OldestDelivery(ctx context.Context) (map[string]time.Time, error)
}

// Sources are what is read at each scrape. Members that are nil have no metrics.
type Sources struct {
	Backlog    store.Backlog
	Trails     Trails
	Deliveries Deliveries
	Now        func() time.Time // nil: the machine's
	Log        *slog.Logger
}

// Read has sources read at each scrape from now on. It is called once.
func (s *Set) Read(o Sources) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, from := range []string{"backlog", "outbox", "trails", "deliveries"} {
		s.counter("darkroom_scrape_failures_total", from)
	}
	c := &scrape{set: s, o: o, descriptions: map[string]*prometheus.Desc{}}
	for _, d := range Table {
		if scraped[d.Name] {
			c.descriptions[d.Name] = prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
		}
	}
	s.registry.MustRegister(c)
}

// scraped are the metrics that are read at each scrape.
var scraped = map[string]bool{
	"darkroom_queue_depth": true, "darkroom_queue_running": true, "darkroom_queue_oldest_age_seconds": true, "darkroom_outbox_events": true,
	"darkroom_outbox_oldest_age_seconds": true, "darkroom_trail_lag_seconds": true, "darkroom_trails_failing": true, "darkroom_event_delivery_oldest_age_seconds": true,
}

// scrape collects what is read.
type scrape struct {
	set          *Set
	o            Sources
	descriptions map[string]*prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *scrape) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descriptions {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *scrape) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout) // the library hands no context on
	defer cancel()
	now := c.o.Now()
	send := func(name string, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(c.descriptions[name], prometheus.GaugeValue, value, labels...)
	}
	age := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return since(t, now)
	}
	failed := func(source string, err error) bool {
		if err != nil {
			c.set.counter("darkroom_scrape_failures_total", source).Inc()
			c.o.Log.Error("read for a scrape", "source", source, "err", err)
		}
		return err != nil
	}
	if c.o.Backlog != nil {
		c.queues(ctx, send, age, failed)
		if n, oldest, err := c.o.Backlog.OutboxBacklog(ctx, MaxCounted); !failed("outbox", err) {
			send("darkroom_outbox_events", float64(n))
			send("darkroom_outbox_oldest_age_seconds", age(oldest))
		}
	}
	if c.o.Trails != nil {
		if lag, failing, err := c.o.Trails.TrailBacklog(ctx, now); !failed("trails", err) {
			send("darkroom_trail_lag_seconds", max(0, lag.Seconds()))
			send("darkroom_trails_failing", float64(failing))
		}
	}
	if c.o.Deliveries != nil {
		if oldest, err := c.o.Deliveries.OldestDelivery(ctx); !failed("deliveries", err) {
			ages := map[string]float64{}
			for target, t := range oldest {
				name := c.set.targets.of(target)
				ages[name] = max(ages[name], age(t))
			}
			for name, a := range ages {
				send("darkroom_event_delivery_oldest_age_seconds", a, name)
			}
		}
	}
}

// queues sends the backlogs of queues. Those that have too many names share one; those that were heard of and are empty are 0.
func (c *scrape) queues(ctx context.Context, send func(string, float64, ...string), age func(time.Time) float64, failed func(string, error) bool) {
	found, err := c.o.Backlog.QueueBacklogs(ctx, MaxQueues+1, MaxCounted)
	if failed("backlog", err) {
		return
	}
	type sum struct {
		waiting, running int
		oldest           float64
	}
	sums := map[string]sum{}
	for _, name := range c.set.queues.all() {
		sums[name] = sum{}
	}
	for _, q := range found {
		name := c.set.queue(q.Queue)
		a := sums[name]
		sums[name] = sum{a.waiting + q.Waiting, a.running + q.Running, max(a.oldest, age(q.Oldest))}
	}
	for name, a := range sums {
		send("darkroom_queue_depth", float64(a.waiting), name)
		send("darkroom_queue_running", float64(a.running), name)
		send("darkroom_queue_oldest_age_seconds", a.oldest, name)
	}
}

// all are the values that there are.
func (n *names) all() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make([]string, 0, len(n.seen))
	for name := range n.seen {
		out = append(out, name)
	}
	return out
}
