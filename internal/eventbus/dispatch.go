package eventbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/event"
	"darkroom/internal/eventpattern"
	"darkroom/internal/registry"
	"darkroom/internal/store"
)

const (
	// moveAtOnce is how many events move from the outbox in one transaction.
	moveAtOnce = 100
	// maxWaiting is how many deliveries wait for a target; what is more goes to its dead letters at once.
	maxWaiting = 100_000
	// pause is how long is waited after the records did not take a change.
	pause = time.Second
	// pruneEvery is how often it is looked for what is over and old, and pruneAtOnce how much is forgotten in one transaction.
	pruneEvery  = time.Hour
	pruneAtOnce = 1000
)

// The bounds of the wait after a failed attempt. With the default policy of 185 retries the last is made within 24 hours.
const (
	firstBackoff = time.Second
	maxBackoff   = 10 * time.Minute
)

// backoff doubles with each attempt up to a bound, and spreads over its upper half so that what failed together is not tried together.
func backoff(attempts int) time.Duration {
	d := maxBackoff
	if attempts < 10 {
		d = min(maxBackoff, firstBackoff<<max(0, attempts-1))
	}
	return d/2 + rand.N(d/2)
}

// Run dispatches until ctx ends: what is in the outbox, and what still waits from before. It returns when nothing is being sent any more.
func (s *Service) Run(ctx context.Context) error {
	var running sync.WaitGroup // runners
	defer running.Wait()
	s.resume(ctx)
	prune := time.NewTimer(0)
	defer prune.Stop()
	for {
		grown := s.o.Store.EventsGrown()
		more, err := s.move(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.Error("the events of the outbox could not be dispatched; it is tried again", "err", err)
			if !sleep(ctx, pause) {
				return nil
			}
			continue
		case more:
			s.start(ctx, &running)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		case <-s.work:
			s.start(ctx, &running)
		case <-prune.C:
			s.prune(ctx)
			prune.Reset(pruneEvery)
		}
	}
}

// resume goes on with what waits from before.
func (s *Service) resume(ctx context.Context) {
	for {
		all, err := s.o.Store.WaitingTargets(ctx)
		if err == nil {
			s.mu.Lock()
			for _, w := range all {
				s.waiting[w.Target] = w.N
			}
			s.mu.Unlock()
			for _, w := range all {
				s.poke(w.Target)
			}
			return
		}
		if ctx.Err() != nil {
			return
		}
		s.log.Error("the deliveries that wait could not be read; it is tried again", "err", err)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// sleep waits, and says whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (s *Service) prune(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := s.o.Store.ForgetDeliveries(ctx, s.now().Add(-s.o.Retention), pruneAtOnce)
		if err != nil {
			s.log.Warn("old deliveries could not be forgotten", "err", err)
		}
		if err != nil || n < pruneAtOnce {
			return
		}
	}
}

// move moves events from the outbox to their targets, and says whether there may be more.
func (s *Service) move(ctx context.Context) (more bool, err error) {
	events, err := s.o.Store.Events(ctx, 0, moveAtOnce)
	if err != nil || len(events) == 0 {
		return false, err
	}
	now := s.now()
	var add []store.Delivery
	counts := map[string]int{}
	var refused []audit.ServiceEvent
	for i := range events {
		found, bad, err := s.match(ctx, &events[i], now)
		if err != nil {
			return false, err
		}
		refused = append(refused, bad...)
		for _, d := range found {
			s.mu.Lock()
			full := s.waiting[d.Target]+counts[d.Target] >= maxWaiting
			s.mu.Unlock()
			if full {
				instead, did := s.deadLetter(ctx, &d, "QUEUE_FULL", fmt.Sprintf("more than %d deliveries wait for the target", maxWaiting), "")
				refused = append(refused, did)
				if instead == nil {
					d.State, d.Reason = store.Failed, did.Reason
				} else {
					d = *instead
				}
			}
			if d.State == "" {
				counts[d.Target]++
			}
			add = append(add, d)
		}
	}
	// Counted first: a runner may be done with them before this goes on.
	s.count(counts, 1)
	if err := s.o.Store.Dispatch(ctx, events[len(events)-1].Sequence, now, add); err != nil {
		s.count(counts, -1)
		return false, err
	}
	for key := range counts {
		s.poke(key)
	}
	for _, did := range refused {
		s.record(ctx, did)
	}
	return len(events) == moveAtOnce, nil
}

// count adds to the numbers of deliveries that wait, or takes away.
func (s *Service) count(n map[string]int, sign int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range n {
		if s.waiting[key] += sign * n; s.waiting[key] <= 0 {
			delete(s.waiting, key)
		}
	}
}

// match makes the deliveries of an event: one for each target of each rule that it matches, at this moment. refused are the targets for which none can be made.
func (s *Service) match(ctx context.Context, from *store.Event, now time.Time) (out []store.Delivery, refused []audit.ServiceEvent, err error) {
	v, err := s.views.View(ctx, from.Account)
	if errors.Is(err, registry.ErrNoAccount) {
		s.log.Warn("an event of an account that the installation does not have any more is dropped", "account", from.Account, "event", from.ID)
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	e := s.envelope(from)
	text, err := event.Encode(e)
	var read *eventpattern.Event
	if err == nil {
		read, err = eventpattern.ReadEvent(text)
	}
	if err != nil { // another time it would be no better, and those behind it wait
		s.log.Error("an event cannot be read and is dropped", "account", from.Account, "event", from.ID, "source", from.Source, "err", err)
		return nil, []audit.ServiceEvent{{
			Time: s.now().UTC(), Service: "events", Action: "DropEvent", Outcome: audit.Failed, Reason: "INVALID_JSON", Resources: e.Resources,
		}}, nil
	}
	lane := from.JobID
	if lane == "" {
		lane = e.ID
	}
	for _, r := range byName(v.rules) {
		if r.Disabled || len(r.Targets) == 0 || !r.pattern.Match(read) {
			continue
		}
		for i := range r.Targets {
			t := &r.Targets[i]
			d := store.Delivery{Account: from.Account, Target: ruleKey(from.Account, r.Name, t.ID), Lane: lane, Event: text, Subject: from.JobID}
			if d.Input, err = t.input(&e, read, r, s.ARN(from.Account, "rule/"+r.Name), now); err != nil {
				// What the rule makes of this event cannot be made: that is for who looks after the rule.
				instead, did := s.deadLetter(ctx, &d, "INVALID_INPUT", "the input of the target cannot be made of the event: "+err.Error(), "")
				refused = append(refused, did)
				if instead != nil {
					d = *instead
				} else {
					d.State, d.Reason = store.Failed, did.Reason
				}
			}
			out = append(out, d)
		}
	}
	return out, refused, nil
}

// messages are what the account of an event reads of why it was given up, by code. What a library, the records or this machine said is for the log and the records alone.
var messages = map[string]string{
	"EVENT_EXPIRED":  "the event is older than the retry policy lets it get",
	"INVALID_EVENT":  "the event cannot be read",
	"INVALID_INPUT":  "the input of the target cannot be made of the event",
	"NO_RESOURCE":    "the target, or what it is reached with, does not exist or cannot be used",
	"QUEUE_FULL":     "too many events wait for the target",
	"TARGET_FAILED":  "the target could not be reached, or answered that it cannot take the event now",
	"TARGET_GONE":    "the target takes nothing any more",
	"TARGET_REFUSED": "the target does not take the event",
}

// deadLetter makes of a delivery that is given up one to where it goes instead; nil where there is nothing. did is what is told of it.
func (s *Service) deadLetter(ctx context.Context, d *store.Delivery, code, reason, exhausted string) (instead *store.Delivery, did audit.ServiceEvent) {
	kind, account, first, second := openKey(d.Target)
	next := store.Delivery{Account: d.Account, Lane: d.Lane, Event: d.Event, Input: d.Input, Subject: d.Subject, Header: d.Header}
	message := messages[code]
	if code == "TARGET_REFUSED" {
		message += ": " + reason // a status or a kind of error, as target.Refused has it
	}
	var about string
	switch kind {
	case ofRule:
		about = s.ARN(account, "rule/"+first)
		next.Header = map[string]string{
			"RULE_ARN": about, "ERROR_CODE": code, "ERROR_MESSAGE": message, "RETRY_ATTEMPTS": fmt.Sprint(max(0, d.Attempts-1)),
		}
		if exhausted != "" {
			next.Header["EXHAUSTED_RETRY_CONDITION"] = exhausted
		}
		if v, err := s.views.View(ctx, account); err == nil && v.rules[first] != nil {
			if t := v.rules[first].find(second); t != nil {
				next.Header["TARGET_ARN"] = t.ARN
				if t.DeadLetterARN != "" {
					next.Target = deadKey(account, t.DeadLetterARN)
				}
			}
		}
	case ofDead:
		about = first
	}
	if next.Target == "" && kind != ofBucket && s.o.DeadLetterBucket {
		next.Target = bucketKey(account)
	}
	did = audit.ServiceEvent{Time: s.now().UTC(), Service: "events", Action: "GiveUpDelivery", Outcome: audit.Failed, Reason: code}
	if about != "" {
		did.Resources = []string{about}
	}
	if next.Target == "" {
		s.log.Error("an event was given up and there are no dead letters for it; it is kept for a while in the records", "account", account, "target", d.Target, "code", code, "reason", reason)
		return nil, did
	}
	s.log.Warn("an event goes to the dead letters", "account", account, "target", d.Target, "code", code, "reason", reason)
	return &next, did
}

// record writes down what became of a delivery.
func (s *Service) record(ctx context.Context, did audit.ServiceEvent) {
	if s.o.Record == nil {
		return
	}
	if err := s.o.Record(context.WithoutCancel(ctx), did); err != nil {
		s.log.Error("what became of a delivery could not be recorded", "err", err)
	}
}

// Backlog says how many deliveries wait for all targets.
func (s *Service) Backlog() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, w := range s.waiting {
		n += w
	}
	return n
}

// decodeEvent reads the event of a delivery.
func decodeEvent(text []byte) (*event.Event, error) {
	e := new(event.Event)
	if err := json.Unmarshal(text, e); err != nil {
		return nil, fmt.Errorf("read the event of a delivery: %w", err)
	}
	return e, nil
}
