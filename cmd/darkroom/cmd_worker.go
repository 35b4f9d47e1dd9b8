package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/s3"
	"darkroom/internal/egress"
	"darkroom/internal/kms"
	"darkroom/internal/plan"
	"darkroom/internal/sandbox"
	"darkroom/internal/worker"
	"darkroom/internal/workerapi"
)

// heartbeat is how often a worker extends its leases.
const heartbeat = 5 * time.Second

// hello is what a worker says of itself when it starts.
type hello struct {
	Capabilities plan.Capabilities `json:"capabilities"`
	Missing      []sandbox.Layer   `json:"missingLayers"`
}

// welcome is what the control plane tells a worker: where it may dial for inputs.
type welcome struct {
	Egress egress.Options `json:"egress"`
}

// collectAt is how much garbage, in percent of what is in use, the worker lets stand. What it holds is a few large buffers: to collect more
// often costs nothing that shows, and halves what the garbage takes.
const collectAt = 50

// workerMain is the worker process: it finds the control plane behind descriptor 3 and ends with it.
func workerMain(ctx context.Context, args []string, _, stderr io.Writer) error {
	fs := flags("worker", "(started by serve)", stderr)
	var ef engineFlags
	engineVars(fs, &ef)
	region := fs.String("region", "us-east-1", "region that requests are signed for")
	concurrency := fs.Int("concurrency", 1, "jobs at once")
	drain := fs.Duration("drain", 30*time.Second, "how long a stop waits for running jobs")
	level := fs.String("log-level", "info", "debug, info, warn, error")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	var lv slog.Level
	if err := lv.UnmarshalText([]byte(*level)); err != nil {
		return &usageError{err.Error()}
	}
	log := logger(stderr, lv).With("process", "worker")
	debug.SetGCPercent(collectAt)
	conn, err := sandbox.ChildConn()
	if err != nil {
		return err
	}
	transport := workerapi.Transport(conn)
	client := workerapi.NewClient(transport)
	e, err := newEngine(ctx, ef)
	if err != nil {
		return err
	}
	for _, l := range e.sandbox.Report().Layers {
		if !l.Present {
			log.Warn("a part of the sandbox is missing", "layer", string(l.Layer), "detail", l.Detail)
		}
	}
	said, err := json.Marshal(hello{e.capabilities, e.sandbox.Report().Missing()})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("local-%d", os.Getpid())
	text, err := client.Hello(ctx, name, said)
	if err != nil {
		return err
	}
	var w welcome
	if err := json.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("read what the control plane says: %w", err)
	}
	w.Egress.Record = tell(client)
	door, err := egress.New(w.Egress)
	if err != nil {
		return err
	}
	return worker.New(worker.Options{
		Name: name, Control: client, Probes: client, Web: door.Client(egress.Input).Transport, CaptionWeb: door.Client(egress.Caption).Transport, Sandbox: e.sandbox, FFmpeg: e.ffmpeg, FFprobe: e.ffprobe, Engine: e.capabilities.Engine, EngineBuild: e.capabilities.EngineBuild,
		Concurrency: *concurrency, Drain: *drain, Heartbeat: heartbeat, Log: log,
		OpenKeys: func(source worker.CredentialSource) (worker.Keys, error) {
			return kms.New(kms.Options{
				Endpoint: "http://control", Region: *region, Transport: transport,
				Credentials: func(ctx context.Context) (kms.Credentials, error) {
					c, err := source(ctx)
					return kms.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, err
				},
			})
		},
		Open: func(source worker.CredentialSource) (blob.Store, error) {
			return s3.New(s3.Options{
				Endpoint: "http://control", Region: *region, PathStyle: true, Client: &http.Client{Transport: transport}, RoleErrors: true,
				Credentials: func(ctx context.Context) (s3.Credentials, error) {
					c, err := source(ctx)
					return s3.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, err
				},
			})
		},
	}).Run(ctx)
}
