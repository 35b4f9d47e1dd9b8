package audit

import (
	"fmt"
	"testing"
)

// TestRing: a flood is counted, and its last part kept, in the order in which it came.
func TestRing(t *testing.T) {
	t.Parallel()
	var g Ring
	if len(g.Recent()) != 0 || g.Count() != 0 {
		t.Error("an empty ring holds something")
	}
	const flood = RingSize*2 + 5
	for n := range flood {
		g.Add(Record{RequestID: fmt.Sprint(n)})
	}
	kept := g.Recent()
	if g.Count() != flood || len(kept) != RingSize || kept[0].RequestID != fmt.Sprint(flood-RingSize) || kept[RingSize-1].RequestID != fmt.Sprint(flood-1) {
		t.Errorf("count %d, kept %d from %s to %s", g.Count(), len(kept), kept[0].RequestID, kept[len(kept)-1].RequestID)
	}
}
