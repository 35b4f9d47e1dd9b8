package audit_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"darkroom/internal/audit"
)

// TestStrangers: the first refusals of a minute have records of their own; of a flood there is one record, bounded, that counts all.
func TestStrangers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_900_000_000, 0)
	var s audit.Strangers
	refused := func(n int) *audit.Record {
		return &audit.Record{ErrorCode: "InvalidClientTokenId", EventName: fmt.Sprint("Op\x1b", n%2), SourceIPAddress: fmt.Sprint("192.0.2.", n)}
	}
	flood := func(n int) (own int) {
		for i := range n {
			if s.Own(refused(i), now) {
				own++
			}
		}
		return own
	}
	if own := flood(audit.StrangersEachMinute); own != audit.StrangersEachMinute {
		t.Errorf("%d of the first have records of their own", own)
	}
	if _, is := s.Rest(now, "us-east-1", "111122223333"); is {
		t.Error("a summary of nothing")
	}
	if own := flood(200); own != 0 {
		t.Errorf("%d of a flood have records of their own", own)
	}
	r, is := s.Rest(now, "us-east-1", "111122223333")
	var sum audit.Refusals
	if !is || r.Outcome() != audit.Denied || r.RecipientAccountID != "111122223333" || json.Unmarshal(r.AdditionalEventData["refused"], &sum) != nil {
		t.Fatalf("summary: %+v", r)
	}
	all := 0
	for _, n := range sum.BySource {
		all += n
	}
	if sum.Count != 200 || sum.ByError["InvalidClientTokenId"] != 200 || len(sum.ByName) != 2 || len(sum.BySource) > 21 || all != 200 || sum.BySource["others"] == 0 || !sum.Since.Equal(now) {
		t.Errorf("summary: %+v", sum)
	}
	if _, is := s.Rest(now, "us-east-1", "111122223333"); is {
		t.Error("it is summed up twice")
	}
	for _, later := range []time.Duration{time.Minute, -time.Hour} { // a minute on, and the clock set back
		now = now.Add(later)
		if own := flood(5); own != 5 {
			t.Errorf("%s later %d of 5 have records of their own", later, own)
		}
	}
}
