package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/cenc"
	"darkroom/internal/contentkeys"
	"darkroom/internal/egress"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
	"darkroom/internal/sandbox"
	"darkroom/internal/worker"
)

// engine is ffmpeg in the sandbox.
type engine struct {
	sandbox         *sandbox.Sandbox
	web, captionWeb http.RoundTripper // for inputs and captions; public addresses only
	ffmpeg, ffprobe string
	capabilities    plan.Capabilities
}

// engineFlags are the flags of the commands that start ffmpeg by themselves.
type engineFlags struct {
	ffmpeg, ffprobe string
	require         bool
}

// newEngine finds the programs, tries the sandbox and asks ffmpeg what it can do.
func newEngine(ctx context.Context, f engineFlags) (*engine, error) {
	door, err := egress.New(egress.Options{})
	if err != nil {
		return nil, err
	}
	e := &engine{web: door.Client(egress.Input).Transport, captionWeb: door.Client(egress.Caption).Transport}
	if e.ffmpeg, err = program(f.ffmpeg); err != nil {
		return nil, err
	}
	if e.ffprobe, err = program(f.ffprobe); err != nil {
		return nil, err
	}
	if e.sandbox, err = sandbox.New(sandbox.Options{Require: f.require}); err != nil {
		return nil, err
	}
	if e.capabilities, err = worker.Capabilities(ctx, e.sandbox, e.ffmpeg); err != nil {
		return nil, err
	}
	return e, nil
}

// program finds an executable by path or by name on PATH, and returns it absolute and without symbolic links.
func program(name string) (string, error) {
	candidates := []string{name}
	if filepath.Base(name) == name {
		candidates = nil
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	}
	for _, c := range candidates {
		abs, err := filepath.Abs(c)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			if st, err := os.Stat(real); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return real, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not found; install it (Debian: apt-get install ffmpeg) or name it with --%s", name, filepath.Base(name))
}

// oneJob is the lease.Control of a single job without a server.
type oneJob struct {
	progress func(lease.Progress)
	job      *job.Job
	content  *contentkeys.Service

	mu     sync.Mutex // guards result
	result *lease.Result
}

// oneJobLease is how long the lease of a job without a server lasts: there is nobody to take it over.
const oneJobLease = 1000 * time.Hour

func (o *oneJob) Claim(ctx context.Context, _ string) (*lease.Lease, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (o *oneJob) Report(_ context.Context, _ *lease.Lease, p lease.Progress) (time.Time, error) {
	o.progress(p)
	return time.Now().Add(oneJobLease), nil
}

func (o *oneJob) Wait(ctx context.Context, _ *lease.Lease) error {
	<-ctx.Done()
	return ctx.Err()
}

func (o *oneJob) Renew(context.Context, *lease.Lease) (lease.Credentials, error) {
	return lease.Credentials{}, nil
}

func (o *oneJob) ContentKeys(ctx context.Context, l *lease.Lease, group int) ([]cenc.Protection, error) {
	return o.content.Fetch(ctx, o.job, l.TaskID, l.Epoch, group)
}

func (o *oneJob) Finish(_ context.Context, _ *lease.Lease, r lease.Result) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.result = &r
	return nil
}

func (o *oneJob) Release(context.Context, *lease.Lease) error { return nil }

// worker makes a worker of this process for the engine and a store.
func (e *engine) worker(control lease.Control, store blob.Store, log *slog.Logger, heartbeat time.Duration) *worker.Worker {
	return worker.New(worker.Options{
		Name: "local", Control: control, Open: func(worker.CredentialSource) (blob.Store, error) { return store, nil },
		Sandbox: e.sandbox, Web: e.web, CaptionWeb: e.captionWeb, FFmpeg: e.ffmpeg, FFprobe: e.ffprobe, Engine: e.capabilities.Engine, EngineBuild: e.capabilities.EngineBuild,
		Concurrency: 1, Heartbeat: heartbeat, Log: log,
	})
}

func logger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(audit.Log(w), &slog.HandlerOptions{Level: level, ReplaceAttr: shortened}))
}

// maxLogText bounds each text in a line of the log, in bytes.
const maxLogText = 16 << 10

// shortened cuts what is too long for a line.
func shortened(_ []string, a slog.Attr) slog.Attr {
	var text string
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	}
	if len(text) > maxLogText {
		a.Value = slog.StringValue(strings.ToValidUTF8(text[:maxLogText], "") + "…")
	}
	return a
}
