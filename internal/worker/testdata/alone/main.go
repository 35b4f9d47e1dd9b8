// Command alone carries out one job with a worker of its own, for tests: the sandbox wants a program that is built for use.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/plain"
	"darkroom/internal/cenc"
	"darkroom/internal/lease"
	"darkroom/internal/sandbox"
	"darkroom/internal/secret"
	"darkroom/internal/worker"
)

// request is one job. Key is what the key service makes of every data key.
type request struct {
	Buckets         map[string]string
	Settings        json.RawMessage
	Key             []byte
	FFmpeg, FFprobe string
}

func main() {
	if sandbox.IsInit() {
		sandbox.Init()
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var r request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return err
	}
	store, err := plain.Open(r.Buckets)
	if err != nil {
		return err
	}
	sb, err := sandbox.New(sandbox.Options{})
	if err != nil {
		return err
	}
	c := &control{done: make(chan lease.Result, 1)}
	worker.New(worker.Options{
		Name: "alone", Control: c, Sandbox: sb, FFmpeg: r.FFmpeg, FFprobe: r.FFprobe, Concurrency: 1, Heartbeat: time.Second,
		Open:     func(worker.CredentialSource) (blob.Store, error) { return store, nil },
		OpenKeys: func(worker.CredentialSource) (worker.Keys, error) { return keys(r.Key), nil },
	}).Do(context.Background(), &lease.Lease{TaskID: "t", JobID: "j", Attempt: 1, Settings: r.Settings, Started: time.Unix(0, 0), Deadline: time.Now().Add(time.Hour)})
	return json.NewEncoder(os.Stdout).Encode(<-c.done)
}

// keys is a key service that knows one data key.
type keys []byte

func (k keys) Decrypt(context.Context, string, []byte, map[string]string) (secret.Bytes, error) {
	return secret.New([]byte(string(k))), nil
}

// control is the lease.Control of the job.
type control struct{ done chan lease.Result }

func (c *control) Claim(ctx context.Context, _ string) (*lease.Lease, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (c *control) Report(context.Context, *lease.Lease, lease.Progress) (time.Time, error) {
	return time.Now().Add(time.Hour), nil
}

func (c *control) Wait(ctx context.Context, _ *lease.Lease) error {
	<-ctx.Done()
	return ctx.Err()
}

func (c *control) Renew(context.Context, *lease.Lease) (lease.Credentials, error) {
	return lease.Credentials{}, nil
}

func (c *control) Finish(_ context.Context, _ *lease.Lease, r lease.Result) error {
	c.done <- r
	return nil
}

func (c *control) ContentKeys(context.Context, *lease.Lease, int) ([]cenc.Protection, error) {
	return nil, errors.New("no group of these jobs is encrypted")
}

func (c *control) Release(context.Context, *lease.Lease) error { return nil }
