package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"darkroom/internal/config"
	"darkroom/internal/store"
)

// TestEventRetention: what became of events is kept for retention.event_days.
func TestEventRetention(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Data, cfg.Account, cfg.Retention.EventDays = t.TempDir(), house, 20
	s, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	now := time.Now()
	for _, age := range []int{3000, 21, 19} {
		if err := s.records.Dispatch(t.Context(), 0, now, []store.Delivery{{Account: house, Target: "file", Lane: "a", Event: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
		first, err := s.records.FirstDeliveries(t.Context(), "file", 1)
		if err != nil || len(first) != 1 {
			t.Fatalf("%+v, %v", first, err)
		}
		if err := s.records.EndDelivery(t.Context(), first[0].Sequence, store.Delivered, "", now.AddDate(0, 0, -age), nil); err != nil {
			t.Fatal(err)
		}
	}
	ctx, halt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.bus.Run(ctx) }()
	kept := func() []store.Delivery {
		all, err := s.records.FinishedDeliveries(t.Context(), house, 10)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); len(kept()) == 3; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing is forgotten")
		}
	}
	halt()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if all := kept(); len(all) != 1 || !all[0].Finished.After(now.AddDate(0, 0, -20)) {
		t.Errorf("kept: %+v", all)
	}
}
