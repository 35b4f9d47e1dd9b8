package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"darkroom/internal/audit"
)

// TestStrangers: the first refusals of a minute have records of their own; of a flood there is one record, bounded, that counts all.
func TestStrangers(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1_900_000_000, 0)
	now := begun
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
	full := errors.New("no space left")
	var told []audit.Record
	tell := func(err error) error {
		return s.Tell(now, "us-east-1", "111122223333", func(r audit.Record) error {
			told = append(told, r)
			return err
		})
	}
	if err := tell(full); err != nil || told != nil {
		t.Error("a summary of nothing")
	}
	if own := flood(200); own != 0 {
		t.Errorf("%d of a flood have records of their own", own)
	}
	s.Add(refused(0), now) // one of the first, whose record could not be written
	for range 2 {
		if err := tell(full); !errors.Is(err, full) {
			t.Errorf("a summary that is not kept: %v", err)
		}
		now = now.Add(time.Second)
		flood(1) // the sums of two minutes become one
	}
	if err := tell(nil); err != nil || len(told) != 3 {
		t.Fatalf("%d summaries: %v", len(told), err)
	}
	r := told[2]
	var sum audit.Refusals
	if r.Outcome() != audit.Denied || r.RecipientAccountID != "111122223333" || json.Unmarshal(r.AdditionalEventData["refused"], &sum) != nil {
		t.Fatalf("summary: %+v", r)
	}
	all := 0
	for _, n := range sum.BySource {
		all += n
	}
	if sum.Count != 203 || sum.ByError["InvalidClientTokenId"] != 203 || len(sum.ByName) != 2 || len(sum.BySource) > 21 || all != 203 || sum.BySource["others"] == 0 || !sum.Since.Equal(begun) {
		t.Errorf("summary: %+v", sum)
	}
	if err := tell(nil); err != nil || len(told) != 3 {
		t.Error("it is summed up twice")
	}
	for _, later := range []time.Duration{time.Minute, -time.Hour} { // a minute on, and the clock set back
		now = now.Add(later)
		if own := flood(5); own != 5 {
			t.Errorf("%s later %d of 5 have records of their own", later, own)
		}
	}
}
