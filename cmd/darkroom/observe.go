package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/contentkeys"
	"darkroom/internal/egress"
	"darkroom/internal/gateway"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/metric"
	"darkroom/internal/speke"
	"darkroom/internal/store"
	"darkroom/internal/trace"
	"darkroom/internal/trail"
)

// observer tells metrics and traces what happens. Either may be nil.
type observer struct {
	metrics *metric.Set
	traces  *trace.Tracer
}

// openObserver makes what the configuration asks for. It is there before anything else is opened.
func (s *server) openObserver(door *egress.Door) error {
	cfg := s.cfg
	if cfg.Metrics.Listen != "" {
		s.watched.metrics = metric.New(release)
		if f := cfg.Metrics.TokenFile; f != "" {
			if _, err := secretFile(f)(); err != nil { // what is wrong with it is said at the start
				return fmt.Errorf("metrics.token_file: %w", err)
			}
		}
	}
	if cfg.Traces.Endpoint == "" {
		return nil
	}
	to, err := url.Parse(cfg.Traces.Endpoint)
	if err != nil {
		return fmt.Errorf("traces.endpoint: %w", err)
	}
	o := trace.Options{
		Endpoint: to, Transport: door.Client(egress.Telemetry).Transport, Sample: cfg.Traces.Sample, AcceptParents: cfg.Traces.AcceptParents, ObjectNames: cfg.Traces.ObjectNames,
		Version: release, Log: s.log,
	}
	if s.watched.metrics != nil {
		o.Count = s.watched.metrics.Spans
	}
	if f := cfg.Traces.TokenFile; f != "" {
		o.Token = secretFile(f)
		if _, err := o.Token(); err != nil {
			return fmt.Errorf("traces.token_file: %w", err)
		}
	}
	s.watched.traces, err = trace.New(o)
	return err
}

// watchRecords has the records tell of themselves, when they are open.
func (s *server) watchRecords() {
	s.records.Watch(func(c store.Commit) {
		if c.Index != nil {
			s.log.Warn("the audit trail cannot be indexed now; what is not indexed is found one by one, and it is tried again", "err", c.Index)
		}
		if s.watched.metrics != nil {
			s.watched.metrics.Committed(c)
		}
	})
}

// readAtScrapes has the metrics read what is on record, when all that keeps it is open.
func (s *server) readAtScrapes() {
	if s.watched.metrics != nil {
		s.watched.metrics.Read(metric.Sources{Backlog: s.records, Trails: trailBacklog{s}, Deliveries: s.bus, Log: s.log})
	}
}

// trailBacklog is a metric.Trails.
type trailBacklog struct{ s *server }

// TrailBacklog implements metric.Trails: what is behind a trail's position is what it has to deliver.
func (b trailBacklog) TrailBacklog(ctx context.Context, now time.Time) (lag time.Duration, failing int, err error) {
	err = b.s.trails.Each(ctx, func(t *trail.Trail, st trail.Status) error {
		if !st.Unfinished {
			return nil
		}
		if st.DeliveryError != "" || st.DigestError != "" {
			failing++
		}
		next, err := b.s.records.Concluded(ctx, t.Account, st.Position, 1)
		if err != nil {
			return err
		}
		for _, e := range next {
			r, err := e.Decode()
			if err != nil {
				return err
			}
			lag = max(lag, now.Sub(r.EventTime))
		}
		return nil
	})
	return lag, failing, err
}

// ofGateway is the observer of the gateway; nil where nobody listens.
func (o *observer) ofGateway() gateway.Observer {
	if o.metrics == nil && o.traces == nil {
		return nil
	}
	return requests{o}
}

// observing serves metrics and sends traces until ctx ends. What it returns waits for the end of both.
func (s *server) observing(ctx context.Context) (wait func() error, err error) {
	var running []func(context.Context) error
	if s.watched.metrics != nil {
		l, err := net.Listen("tcp", s.cfg.Metrics.Listen)
		if err != nil {
			return nil, fmt.Errorf("metrics.listen: %w", err)
		}
		m := &metric.Server{Set: s.watched.metrics, Log: s.log}
		scheme := "http"
		if s.cfg.Metrics.TLS {
			scheme, m.TLS = "https", metricsTLS(s.tls)
		}
		if f := s.cfg.Metrics.TokenFile; f != "" {
			m.Token = secretFile(f)
		}
		s.log.Info("metrics", "url", scheme+"://"+l.Addr().String()+metric.Path)
		running = append(running, func(ctx context.Context) error { return m.Run(ctx, l) })
	}
	if s.watched.traces != nil {
		running = append(running, s.watched.traces.Run)
	}
	ended := make(chan error, len(running))
	for _, run := range running {
		go func() { ended <- run(ctx) }()
	}
	return func() (err error) {
		for range running {
			err = errors.Join(err, <-ended)
		}
		return err
	}, nil
}

// metricsTLS is the listener's configuration without what it asks of clients.
func metricsTLS(of *tls.Config) *tls.Config {
	c := of.Clone()
	c.ClientAuth, c.ClientCAs = tls.NoClientCert, nil
	c.NextProtos = []string{"http/1.1"}
	return c
}

// requests is a gateway.Observer.
type requests struct{ *observer }

// Began implements gateway.Observer.
func (o requests) Began(ctx context.Context, r *http.Request, e gateway.Exchange) context.Context {
	if o.traces != nil {
		return o.traces.Began(ctx, r, e)
	}
	return ctx
}

// Ended implements gateway.Observer.
func (o requests) Ended(ctx context.Context, e gateway.Exchange) {
	if o.metrics != nil {
		o.metrics.Requested(e)
	}
	if o.traces != nil {
		o.traces.Requested(ctx, e)
	}
}

// Submitting implements queue.Observer.
func (o *observer) Submitting(ctx context.Context) string {
	if o.traces == nil {
		return ""
	}
	return o.traces.Submitting(ctx)
}

// Submitted implements queue.Observer.
func (o *observer) Submitted(ctx context.Context, j *job.Job, began, ended time.Time) {
	if o.metrics != nil {
		o.metrics.Submitted(j)
	}
	if o.traces != nil {
		o.traces.Submitted(ctx, j, began, ended)
	}
}

// Claimed implements queue.Observer.
func (o *observer) Claimed(a lease.Attempt) {
	if o.metrics != nil {
		o.metrics.Claimed(a)
	}
	if o.traces != nil {
		o.traces.Claimed(a)
	}
}

// Measured implements queue.Observer.
func (o *observer) Measured(a lease.Attempt, m lease.Measured) {
	if o.metrics != nil {
		o.metrics.Measured(m)
	}
	if o.traces != nil {
		o.traces.Measured(a, m)
	}
}

// Released implements queue.Observer.
func (o *observer) Released(a lease.Attempt, how lease.End, began, ended time.Time) {
	if o.metrics != nil {
		o.metrics.Released(how)
	}
	if o.traces != nil {
		o.traces.Released(a, how, began, ended)
	}
}

// Ended implements queue.Observer.
func (o *observer) Ended(j *job.Job, r lease.Result) {
	if o.metrics != nil {
		o.metrics.Ended(j, r)
	}
	if o.traces != nil {
		o.traces.Ended(j, r)
	}
}

// dialled counts an outgoing connection, ours or a worker's, when it is known what became of it.
func (o *observer) dialled(d lease.Dial) {
	if o == nil || o.metrics == nil || egress.Outcome(d.Outcome) == egress.Intended {
		return
	}
	purpose := d.Purpose
	if !slices.Contains(egress.Purposes, egress.Purpose(purpose)) {
		purpose = "other" // a worker makes no labels
	}
	o.metrics.Dialled(purpose, d.Outcome)
}

// workerUp and workerRestarted tell of the local worker.
func (o *observer) workerUp(up bool) {
	if o.metrics != nil {
		o.metrics.WorkerUp(up)
	}
}

func (o *observer) workerRestarted() {
	if o.metrics != nil {
		o.metrics.WorkerRestarted()
	}
}

// timed measures how long key servers take.
type timed struct {
	asker   contentkeys.Asker
	metrics *metric.Set
}

// Keys implements contentkeys.Asker.
func (t timed) Keys(ctx context.Context, q speke.Query) ([]cenc.Protection, error) {
	began := time.Now()
	keys, err := t.asker.Keys(ctx, q)
	t.metrics.AskedForKeys(time.Since(began), err)
	return keys, err
}

// ask is an asker whose answers are measured, where somebody listens.
func (o *observer) ask(asker contentkeys.Asker) contentkeys.Asker {
	if o.metrics == nil {
		return asker
	}
	return timed{asker, o.metrics}
}
