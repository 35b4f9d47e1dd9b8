package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/lifecycle"
)

// TestRunFails: a server that cannot say where it listens ends, and all that it had begun has ended by then, for the records are closed next.
func TestRunFails(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.cfg.Listen, i.worker = "127.0.0.1:0", nil
	began := make(chan struct{})
	var ended atomic.Bool
	i.retention = lifecycle.NewRetention(lifecycle.RetentionOptions{
		Store: i.records, Holds: i.holds, KeepRecords: time.Hour, Clock: realClock{}, Log: i.log,
		Record: func(action string) audit.Record { return i.ownRecord(action, nil) },
		Delivered: []func(context.Context) (int64, error){func(ctx context.Context) (int64, error) {
			close(began)
			<-ctx.Done()
			_, err := i.records.Position(context.WithoutCancel(ctx))
			ended.Store(err == nil)
			return 0, ctx.Err()
		}},
	})
	// The file of the endpoint is written into a pipe, which waits for its reader, and cannot take the place of a directory.
	endpoint := filepath.Join(i.cfg.Data, endpointFile)
	if err := os.MkdirAll(filepath.Join(endpoint, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(endpoint+".tmp", 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-began
		if r, err := os.Open(endpoint + ".tmp"); err == nil {
			_, _ = io.Copy(io.Discard, r)
			_ = r.Close()
		}
	}()
	if err := i.run(t.Context(), io.Discard); err == nil {
		t.Error("it runs")
	}
	if !ended.Load() {
		t.Error("what it had begun goes on")
	}
}
