package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"darkroom/internal/job"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/store/storetest"
)

// TestSnapshot: a copy of the records is as of the moment of the snapshot, with somebody writing all the time.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(filepath.Join(dir, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	submit := func(n int) {
		if _, err := s.Submit(t.Context(), storetest.Job(n), storetest.Job(n).Submitted); err != nil {
			t.Error(err)
		}
	}
	for n := range 20 {
		submit(n)
	}
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		submit(100 + n)
	}
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for n := 1000; ctx.Err() == nil; n++ {
			submit(n)
		}
	})
	path := filepath.Join(dir, "copy %?.db")
	if err := snapshot.WriteTo(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	stop()
	work.Wait()
	if err := snapshot.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	all, err := r.List(t.Context(), job.Query{Account: storetest.Job(0).Account, Limit: 1000})
	if err != nil || len(all) != 20 {
		t.Errorf("%d jobs in the copy, %v", len(all), err)
	}
	if err := r.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := s.List(t.Context(), job.Query{Account: storetest.Job(0).Account, Limit: 1000}); err != nil || len(n) < 40 {
		t.Errorf("%d jobs in the store, %v", len(n), err)
	}
	for range 8 { // the connections come back
		again, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := again.WriteTo(ended, filepath.Join(dir, "never.db")); !errors.Is(err, context.Canceled) {
			t.Errorf("an ended context: %v", err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVerify: a database with a damaged page is found.
func TestVerify(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	s, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if _, err := s.Submit(t.Context(), storetest.Job(n), storetest.Job(n).Submitted); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) - 30*4096; i < len(b); i += 7 {
		b[i] ^= 0x55
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = sqlite.Open(path)
	if err == nil {
		defer func() { _ = s.Close() }()
		err = s.Verify(t.Context())
	}
	if err == nil {
		t.Error("a damaged database was not found")
	}
}
