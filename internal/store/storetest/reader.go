package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/store"
)

// readers: a reader of the trail finds again how far it came, and does not go back.
func readers(t *testing.T, s store.Store) {
	ctx := t.Context()
	if _, known, err := s.Reached(ctx, "siem"); known || err != nil {
		t.Errorf("a reader that never was: %v, %v", known, err)
	}
	if got := must[map[string]int64](t)(s.AllReached(ctx)); len(got) != 0 {
		t.Errorf("readers of nothing: %v", got)
	}
	ok(t, s.Reach(ctx, "siem", 0))
	ok(t, s.Reach(ctx, "siem", 7))
	ok(t, s.Reach(ctx, "siem", 5))
	ok(t, s.Reach(ctx, "watch", 3))
	if p, known, err := s.Reached(ctx, "siem"); p != 7 || !known || err != nil {
		t.Errorf("reached %d, %v, %v", p, known, err)
	}
	if diff := cmp.Diff(map[string]int64{"siem": 7, "watch": 3}, must[map[string]int64](t)(s.AllReached(ctx))); diff != "" {
		t.Errorf("readers (-want +got):\n%s", diff)
	}
	ok(t, s.ForgetReader(ctx, "siem"))
	ok(t, s.ForgetReader(ctx, "siem"))
	if _, known, _ := s.Reached(ctx, "siem"); known {
		t.Error("a reader was not forgotten")
	}
	for i := range store.MaxReaders - 1 {
		ok(t, s.Reach(ctx, fmt.Sprint("r", i), 1))
	}
	if err := s.Reach(ctx, "one more", 1); err == nil {
		t.Error("there are more readers than there may be")
	}
	ok(t, s.Reach(ctx, "watch", 9))
}
