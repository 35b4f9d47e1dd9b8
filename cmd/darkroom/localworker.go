package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"darkroom/internal/config"
	"darkroom/internal/gateway"
	"darkroom/internal/plan"
	"darkroom/internal/sandbox"
	"darkroom/internal/workerapi"
)

// localWorker keeps a worker process running beside the control plane.
type localWorker struct {
	server *server
	ready  chan struct{} // closed when the first worker has said what it can do

	mu    sync.Mutex // guards said, once and up
	said  hello
	first bool
	up    bool
}

func newLocalWorker(s *server) *localWorker {
	return &localWorker{server: s, ready: make(chan struct{}), first: true}
}

// Bounds of starting a worker again after it died.
const (
	restartPause    = 200 * time.Millisecond
	maxRestartPause = 30 * time.Second
	stableAfter     = time.Minute
)

// run starts the worker, again when it dies, until ctx ends; then it waits for it to drain. A worker that cannot start at all is an error.
func (w *localWorker) run(ctx context.Context) error {
	pause := restartPause
	for {
		began := time.Now()
		err := w.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.mu.Lock()
		w.up = false
		started := !w.first
		w.mu.Unlock()
		if !started {
			return fmt.Errorf("the worker did not start: %w", err)
		}
		w.server.watched.workerUp(false)
		w.server.watched.workerRestarted()
		w.server.log.Error("the worker died; it is started again", "err", err, "pause", pause)
		// Its leases are void at once: it is gone, nobody has to wait for them to run out.
		if err := w.server.queue.Void(ctx); err != nil {
			w.server.log.Error("take back the leases of the dead worker", "err", err)
		}
		if time.Since(began) > stableAfter {
			pause = restartPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, maxRestartPause)
	}
}

// once runs one worker process to its end.
func (w *localWorker) once(ctx context.Context) error {
	args, err := w.server.workerArgs()
	if err != nil {
		return err
	}
	child, err := sandbox.StartChild(sandbox.ChildSpec{Args: args, Stderr: os.Stderr, PATH: os.Getenv("PATH")})
	if err != nil {
		return err
	}
	// The connection outlives ctx: a draining worker still reports and writes.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() {
		served <- workerapi.Serve(serving, child.Conn, workerapi.Handler(w.server.queue, w.server.probes, w.server.dials, w.hello, w.server.gateway.InternalHandler(), w.server.log))
	}()
	select {
	case <-child.Done():
	case <-ctx.Done():
		child.Stop()
		limit := time.NewTimer(w.server.cfg.Drain + drainMargin)
		defer limit.Stop()
		select {
		case <-child.Done():
		case <-limit.C:
			child.Kill()
			<-child.Done()
		}
	}
	stop()
	<-served
	_ = child.Conn.Close()
	return child.Err()
}

// drainMargin is what a worker is given beyond --drain to hand back its leases.
const drainMargin = 5 * time.Second

// maxHello bounds what is believed of a worker.
const maxLayers = 64

func (w *localWorker) hello(_ context.Context, name string, capabilities json.RawMessage) (json.RawMessage, error) {
	var h hello
	if err := json.Unmarshal(capabilities, &h); err != nil {
		return nil, fmt.Errorf("read what the worker says of itself: %w", err)
	}
	h.Missing = h.Missing[:min(len(h.Missing), maxLayers)]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said, w.up = h, true
	w.server.watched.workerUp(true)
	if w.first {
		w.first = false
		close(w.ready)
	}
	w.server.log.Info("worker ready", "worker", name, "engine", h.Capabilities.Engine, "lacks", h.Capabilities.Missing)
	return json.Marshal(welcome{w.server.egress})
}

func (w *localWorker) capabilities() plan.Capabilities {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.said.Capabilities
	c.KeyRegion = w.server.cfg.Region // the key service is ours, not the worker's
	c.ApprovedOnly = w.server.cfg.FIPS == config.FIPSApproved
	return c
}

// problems are what /readyz says of the worker.
func (w *localWorker) problems() []gateway.Problem {
	w.mu.Lock()
	defer w.mu.Unlock()
	var p []gateway.Problem
	if !w.up {
		p = append(p, gateway.Problem{Name: "worker", Message: "the worker does not answer"})
	}
	for _, l := range w.said.Missing {
		p = append(p, gateway.Problem{Name: "sandbox", Message: "this machine lacks: " + string(l), Warning: true})
	}
	for _, m := range w.said.Capabilities.Missing {
		p = append(p, gateway.Problem{Name: "encoder", Message: "ffmpeg lacks: " + m, Warning: true})
	}
	return p
}
