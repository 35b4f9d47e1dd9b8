// Package worker carries out jobs: it claims a lease, probes the source, plans, lets ffmpeg encode in the sandbox and the packager write the
// outputs, and reports.
//
// A worker holds nothing but its leases: it reaches records through lease.Control and objects through a blob.Store opened with the
// temporary credentials of each lease. It has no database and no key that outlives a job.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/egress"
	"darkroom/internal/lease"
	"darkroom/internal/sandbox"
)

// Options are what a worker needs. All members but Probes, OpenKeys, Now and Log are required.
type Options struct {
	Name    string
	Control lease.Control
	// Probes are answered beside the jobs; nil for none.
	Probes lease.Prober
	// Web dials for inputs on web servers.
	Web http.RoundTripper
	// CaptionWeb dials for captions on web servers.
	CaptionWeb http.RoundTripper
	// Open gives the object store as the bearer of the credentials sees it. It asks credentials anew whenever they are about to expire.
	Open func(credentials CredentialSource) (blob.Store, error)
	// OpenKeys gives the key service as the bearer of the credentials sees it, likewise; nil where there is none, and encrypted inputs fail.
	OpenKeys func(credentials CredentialSource) (Keys, error)
	Sandbox  *sandbox.Sandbox
	// FFmpeg and FFprobe are absolute paths; Engine and EngineBuild are how the version and the build are recorded.
	FFmpeg, FFprobe, Engine, EngineBuild string
	// Concurrency is how many jobs run at once, at least 1.
	Concurrency int
	// Drain is how long running jobs may go on after Run is told to stop.
	Drain time.Duration
	// Heartbeat is how often a lease is extended; it must be well below the time that a lease lasts.
	Heartbeat time.Duration
	Log       *slog.Logger
	Now       func() time.Time
}

// CredentialSource returns credentials that are good for some minutes at least.
type CredentialSource func(ctx context.Context) (lease.Credentials, error)

// The causes for which a job is stopped before its end.
var (
	errCanceled = errors.New("the job was canceled")
	errDrain    = errors.New("the worker stops")
)

// retryPause is how long a worker waits after the control plane failed to answer a claim, before it asks again.
const retryPause = time.Second

// Worker claims and carries out jobs. It is made by New and used once.
type Worker struct {
	o Options
}

// New makes a worker.
func New(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Worker{o: o}
}

// Run claims and carries out jobs until ctx ends. Then it claims no more, gives running jobs Drain to finish, and hands back the leases
// of those that did not. It returns when nothing runs.
func (w *Worker) Run(ctx context.Context) error {
	hard, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	var claimers sync.WaitGroup
	for range w.o.Concurrency {
		claimers.Go(func() { w.claim(ctx, hard) })
	}
	if w.o.Probes != nil {
		for range probesAtOnce {
			claimers.Go(func() { w.probes(ctx, hard) })
		}
	}
	idle := make(chan struct{})
	go func() { claimers.Wait(); close(idle) }()
	<-ctx.Done()
	grace := time.NewTimer(w.o.Drain)
	defer grace.Stop()
	select {
	case <-idle:
	case <-grace.C:
		stop(errDrain)
		<-idle
	}
	return nil
}

func (w *Worker) claim(ctx, hard context.Context) {
	for ctx.Err() == nil {
		l, err := w.o.Control.Claim(ctx, w.o.Name)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			w.o.Log.Error("claim a task", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
			continue
		}
		w.Do(hard, l)
	}
}

// Do carries out one lease to its end and reports how it ended. It returns when nothing of the job runs any more.
func (w *Worker) Do(ctx context.Context, l *lease.Lease) {
	log := w.o.Log.With("job", l.JobID, "task", l.TaskID, "epoch", l.Epoch)
	log.Info("job started", "attempt", l.Attempt)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Connections that the job makes are its own, and recorded as such.
	ctx = egress.For(ctx, egress.Subject{Account: l.Account, Job: l.JobID, Task: l.TaskID, Epoch: l.Epoch})
	r := &run{worker: w, lease: l, log: log, reported: make(chan struct{}, 1), meter: &meter{now: w.o.Now}}
	r.progress.Engine, r.progress.EngineBuild = w.o.Engine, w.o.EngineBuild

	var watchers sync.WaitGroup
	watch, unwatch := context.WithCancel(ctx)
	watchers.Go(func() {
		switch err := w.o.Control.Wait(watch, l); {
		case watch.Err() != nil:
		case err == nil:
			stop(errCanceled)
		case errors.Is(err, lease.ErrLost):
			stop(lease.ErrLost)
		default:
			// The control plane cannot be heard: the heartbeat decides whether the lease still holds.
			log.Warn("wait for a cancel", "err", err)
		}
	})
	watchers.Go(func() { r.heartbeat(watch, stop) })
	result, err := r.open(ctx)
	unwatch()
	watchers.Wait()

	// What is said last must be said though the job was stopped.
	last, done := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer done()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, lease.ErrLost):
		log.Warn("lease lost")
	case errors.Is(cause, errDrain) && err != nil:
		log.Info("lease handed back")
		if _, err := w.o.Control.Report(last, l, r.snapshot()); err != nil { // what was measured goes with it
			log.Warn("report before the lease is handed back", "err", err)
		}
		if err := w.o.Control.Release(last, l); err != nil {
			log.Error("hand back the lease", "err", err)
		}
	default:
		if err != nil {
			result = lease.Result{Error: r.failure(err, cause)}
		}
		if p := r.snapshot(); p.InputDetails != nil { // the job was over before they were heard
			if _, err := w.o.Control.Report(last, l, p); err != nil && !errors.Is(err, lease.ErrLost) {
				log.Warn("report what the input holds", "err", err)
			} else if err == nil {
				r.meter.told(p.Measured)
			}
		}
		result.Measured = r.meter.last()
		if err := w.o.Control.Finish(last, l, result); err != nil {
			log.Error("report the end of the job", "err", err)
		}
	}
}

// finishTimeout bounds the last report of a job.
const finishTimeout = 30 * time.Second
