package queue

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"

	"darkroom/internal/job"
	"darkroom/internal/lease"
)

func TestProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewProbes()
		type answer struct {
			found lease.Probed
			err   error
		}
		ask := func(ctx context.Context) chan answer {
			c := make(chan answer, 1)
			go func() {
				found, err := p.Do(ctx, lease.Probe{ID: "chosen by nobody", URI: "s3://b/k"})
				c <- answer{found, err}
			}()
			return c
		}

		asked := ask(t.Context())
		got, err := p.NextProbe(t.Context(), "w")
		if err != nil || got.URI != "s3://b/k" || len(got.ID) < 20 {
			t.Fatalf("NextProbe: %+v, %v", got, err)
		}
		want := lease.Probed{Found: json.RawMessage(`1`)}
		if err := p.EndProbe(t.Context(), got.ID, want); err != nil {
			t.Fatal(err)
		}
		if a := <-asked; a.err != nil || string(a.found.Found) != "1" {
			t.Errorf("Do: %+v", a)
		}
		if err := p.EndProbe(t.Context(), got.ID, want); !errors.Is(err, lease.ErrLost) {
			t.Errorf("EndProbe again: got %v, want ErrLost", err)
		}

		// Whoever gives up takes the probe back: before a worker has it, and after.
		ctx, cancel := context.WithCancel(t.Context())
		asked = ask(ctx)
		synctest.Wait()
		cancel()
		if a := <-asked; !errors.Is(a.err, context.Canceled) {
			t.Errorf("given up: %v", a.err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		asked = ask(ctx)
		if got, err = p.NextProbe(t.Context(), "w"); err != nil {
			t.Fatal(err)
		}
		cancel()
		if a := <-asked; !errors.Is(a.err, context.Canceled) {
			t.Errorf("given up: %v", a.err)
		}
		if err := p.EndProbe(t.Context(), got.ID, want); !errors.Is(err, lease.ErrLost) {
			t.Errorf("EndProbe when nobody waits: got %v, want ErrLost", err)
		}

		// Without a worker, the wait has an end, and so has the number of those who wait.
		all := make([]chan answer, MaxProbes)
		for i := range all {
			all[i] = ask(t.Context())
		}
		synctest.Wait()
		if a := <-ask(t.Context()); !errors.Is(a.err, job.ErrBusy) {
			t.Errorf("one too many: %v", a.err)
		}
		for _, c := range all {
			if a := <-c; !errors.Is(a.err, ErrProbeDeadline) {
				t.Errorf("no worker: %v", a.err)
			}
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if _, err := p.NextProbe(ctx, "w"); !errors.Is(err, context.Canceled) {
			t.Errorf("NextProbe of a worker that ends: %v", err)
		}
	})
}
