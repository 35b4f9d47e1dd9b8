package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/trail"
	"darkroom/internal/watch"
)

// TestTrailConditions: a trail that delivers is not told of, nor one that had no time to; each way to be late is.
func TestTrailConditions(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		name    string
		started time.Duration
		stopped bool
		st      trail.Status
		want    []watch.Rule
	}{
		{"well", 90 * time.Hour, false, trail.Status{LatestDelivery: ago(time.Minute), LatestDigest: ago(30 * time.Minute), LatestAnchor: ago(30 * time.Minute)}, nil},
		{"just begun", time.Minute, false, trail.Status{DeliveryError: "NoSuchBucket", AnchorFailure: "down"}, nil},
		{"nothing to deliver for long", 90 * time.Hour, false, trail.Status{LatestDelivery: ago(50 * time.Hour), LatestDigest: ago(time.Hour)}, nil},
		{"a bucket that refuses", 90 * time.Hour, false, trail.Status{DeliveryError: "AccessDenied", LatestDelivery: ago(time.Hour), LatestDigest: ago(time.Hour)}, []watch.Rule{watch.DeliveryStuck}},
		{"never delivered", 3 * time.Hour, false, trail.Status{DeliveryError: "NoSuchBucket"}, []watch.Rule{watch.DeliveryStuck, watch.DigestLate}},
		{"digests overdue", 90 * time.Hour, false, trail.Status{LatestDelivery: ago(time.Minute), LatestDigest: ago(3 * time.Hour)}, []watch.Rule{watch.DigestLate}},
		{"no witness", 90 * time.Hour, false, trail.Status{LatestDigest: ago(time.Hour), AnchorFailure: "down", LatestAnchor: ago(5 * time.Hour)}, []watch.Rule{watch.DeliveryStuck}},
		{"stopped, and the bucket refuses the rest", 90 * time.Hour, true, trail.Status{DeliveryError: "NoSuchBucket", LatestDigest: ago(80 * time.Hour), Unfinished: true}, []watch.Rule{watch.DeliveryStuck, watch.DigestLate}},
		{"stopped, and nobody witnesses the last digest", 90 * time.Hour, true, trail.Status{LatestDigest: ago(80 * time.Hour), AnchorFailure: "down", LatestAnchor: ago(81 * time.Hour)}, []watch.Rule{watch.DeliveryStuck}},
		{"stopped", 90 * time.Hour, true, trail.Status{DeliveryError: "NoSuchBucket", LatestDigest: ago(80 * time.Hour)}, nil},
	} {
		tr := &trail.Trail{Account: "111122223333", Name: "main", Logging: !c.stopped, Started: ago(c.started), Definition: trail.Definition{Validation: true}}
		c.st.Unfinished = c.st.Unfinished || !c.stopped
		var got []watch.Rule
		for _, f := range trailConditions(tr, c.st, time.Hour, now) {
			got = append(got, f.Rule)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
