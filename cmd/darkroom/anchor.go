package main

import (
	"context"
	"fmt"
	"time"

	"darkroom/internal/anchor"
	"darkroom/internal/egress"
	"darkroom/internal/feed"
	"darkroom/internal/trail"
	"darkroom/internal/watch"
)

// witness is what keeps witnesses of the digests of trails elsewhere; nil where nothing is configured.
func (s *server) witness(door *egress.Door, objects *objects) (func(ctx context.Context, d trail.Anchored) error, error) {
	a, err := openAnchor(s.cfg, door, objects.store)
	if err != nil || a == nil {
		return nil, err
	}
	return func(ctx context.Context, d trail.Anchored) error {
		// What it puts into the bucket of the trail is put as digests are.
		return a.Anchor(asCloudTrail(ctx, d.Account), anchor.Digest{Account: d.Account, Bucket: d.Bucket, Object: d.Object, Text: d.Text, Signature: d.Signature})
	}, nil
}

// lateTrails are the trails that cannot deliver, whose digests are overdue, or whose digests nobody witnesses.
func (s *server) lateTrails(ctx context.Context, now time.Time) (out []watch.Condition) {
	period := time.Duration(s.cfg.Audit.DigestPeriod)
	if period == 0 {
		period = trail.DefaultDigestPeriod
	}
	err := s.trails.Each(ctx, func(t *trail.Trail, st trail.Status) error {
		out = append(out, trailConditions(t, st, period, now)...)
		return nil
	})
	if err != nil {
		s.log.Warn("the trails cannot say how far they have come", "err", err)
	}
	return out
}

// trailConditions are what is to be told of a trail. Of one that was stopped or deleted, what it still has to deliver.
func trailConditions(t *trail.Trail, st trail.Status, period time.Duration, now time.Time) (out []watch.Condition) {
	found := func(rule watch.Rule, subject, format string, args ...any) {
		out = append(out, watch.Condition{Rule: rule, Account: t.Account, Subject: subject + t.Name, Message: fmt.Sprintf(format, args...)})
	}
	// since is how long ago something was last done, or could have been begun.
	since := func(last time.Time) time.Duration {
		if last.Before(t.Started) {
			last = t.Started
		}
		return now.Sub(last)
	}
	if st.Unfinished && st.DeliveryError != "" && since(st.LatestDelivery) > feed.StuckAfter {
		found(watch.DeliveryStuck, "trail ", "The trail %s cannot deliver log files: %s.", t.Name, st.DeliveryError)
	}
	if st.Unfinished && t.Validation && since(st.LatestDigest) > 2*period+feed.StuckAfter {
		found(watch.DigestLate, "trail ", "The trail %s has made no digest since %s.", t.Name, st.LatestDigest.UTC().Format(time.RFC3339))
	}
	if st.AnchorFailure != "" && since(st.LatestAnchor) > 2*period+feed.StuckAfter {
		found(watch.DeliveryStuck, "witness of trail ", "Digests of the trail %s cannot be witnessed: %s.", t.Name, st.AnchorFailure)
	}
	return out
}
