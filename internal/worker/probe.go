package worker

import (
	"context"
	"errors"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/egress"
	"darkroom/internal/ffmpeg"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
)

// probesAtOnce is how many files a worker looks into at once, beside its jobs.
const probesAtOnce = 2

// answerDeadline is how long a probe may take; who asked waits a little longer.
const answerDeadline = 50 * time.Second

// probes answers probes until ctx ends.
func (w *Worker) probes(ctx, hard context.Context) {
	for ctx.Err() == nil {
		p, err := w.o.Probes.NextProbe(ctx, w.o.Name)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			w.o.Log.Error("wait for a probe", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
			continue
		}
		answer := w.answer(hard, p)
		if err := w.o.Probes.EndProbe(hard, p.ID, answer); err != nil && !errors.Is(err, lease.ErrLost) {
			w.o.Log.Error("answer a probe", "err", err)
		}
	}
}

// answer looks into the file of a probe.
func (w *Worker) answer(ctx context.Context, p *lease.Probe) lease.Probed {
	ctx, cancel := context.WithTimeout(ctx, answerDeadline)
	defer cancel()
	ctx = egress.For(ctx, egress.Subject{Probe: p.ID})
	store, err := w.o.Open(func(context.Context) (lease.Credentials, error) { return p.Credentials, nil })
	if err == nil {
		var in plan.Input
		if in, err = plan.ParseInput(p.URI); err == nil {
			var found *plan.Found
			if found, err = w.Probe(ctx, store, in, p.Credentials.Schemes); err == nil {
				return lease.Probed{Found: marshal(found)}
			}
		}
	}
	var e *job.Error
	if !errors.As(err, &e) {
		w.o.Log.Error("probe failed for an unforeseen reason", "err", err)
		e = ffmpeg.Failure("")
	}
	return lease.Probed{Error: &lease.Failure{Code: e.Code, Message: e.Message}}
}

// Probe looks into one file with ffprobe in the sandbox, under the worker's own means. schemes are those of web servers that may be asked.
func (w *Worker) Probe(ctx context.Context, store blob.Store, in plan.Input, schemes []string) (*plan.Found, error) {
	r := &run{worker: w, log: w.o.Log, store: store, web: w.o.Web, reported: make(chan struct{}, 1), meter: &meter{now: w.o.Now}}
	src, err := r.source(ctx, in, schemes, "The file "+in.Name())
	if err != nil {
		return nil, err
	}
	found, err := r.look(ctx, in, src, schemes, func(h *plan.HLSProbe, muxed bool) ([]int, error) { return h.Wanted(nil, muxed) })
	if err != nil {
		return nil, err
	}
	return &plan.Found{Probe: found.probe, ETag: src.etag, ContentType: src.contentType, Size: src.size, Modified: src.modified}, nil
}
