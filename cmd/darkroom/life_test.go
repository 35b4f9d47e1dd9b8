package main

import (
	"math"
	"testing"

	"darkroom/internal/trail"
)

// TestTrailsDelivered: retention waits for a trail that was stopped, or deleted, and has not delivered what it was to get until then.
func TestTrailsDelivered(t *testing.T) {
	t.Parallel()
	i := install(t)
	store, err := i.objects.(*objects).store(strange)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context(), "trails"); err != nil {
		t.Fatal(err)
	}
	if _, err := i.trails.Create(t.Context(), strange, "main", trail.Definition{Bucket: "trails"}, nil); err != nil {
		t.Fatal(err)
	}
	delivered := func(what string, waits bool) {
		t.Helper()
		at, err := i.trailsDelivered(t.Context())
		if err != nil || (at != math.MaxInt64) != waits {
			t.Errorf("%s: delivered up to %d, %v; want that retention waits: %t", what, at, err, waits)
		}
	}
	delivered("never started", false)
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"started", func() error { return i.trails.Start(t.Context(), strange, "main") }},
		{"stopped", func() error { return i.trails.Stop(t.Context(), strange, "main") }},
		{"deleted", func() error { return i.trails.Delete(t.Context(), strange, "main") }},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		delivered(c.name, true)
	}
}
