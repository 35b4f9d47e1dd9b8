package trail

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"darkroom/internal/registry"
	"darkroom/internal/store"
)

const (
	// glance is how long no news of records are listened to after some have come.
	glance = time.Second
	// firstRetry and lastRetry are how long is waited after a failure: twice as long each time.
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// manyRecords is how many records make a delivery before its time.
	manyRecords = 5000
	// idle is how long is waited where nothing is to be done before something happens.
	idle = 24 * time.Hour
)

// Run carries trails out until ctx ends, and waits for what is being delivered.
func (s *Service) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	known := map[string]bool{}
	for failures := 0; ; {
		changed := s.waking()
		err := s.begin(ctx, known, &running)
		var again <-chan time.Time
		stop := func() {}
		if err != nil && ctx.Err() == nil {
			failures++
			s.o.Log.Error("trails", "err", err)
			again, stop = s.o.Wait(retryAfter(failures))
		} else {
			failures = 0
		}
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-changed:
		case <-again:
		}
		stop()
	}
}

// begin starts to carry out the trails that are not yet.
func (s *Service) begin(ctx context.Context, known map[string]bool, running *sync.WaitGroup) error {
	for _, account := range s.o.Accounts {
		v, err := s.views.View(ctx, account)
		if err != nil {
			return err
		}
		for id, t := range v.byID {
			if !known[id] {
				known[id] = true
				running.Go(func() { s.carryOut(ctx, t) })
			}
		}
	}
	return nil
}

func retryAfter(failures int) time.Duration {
	d := lastRetry
	if failures < 10 {
		d = min(d, firstRetry<<(failures-1))
	}
	return d/2 + rand.N(d/2+1)
}

// runner carries one trail out.
type runner struct {
	*Service
	*state
	account, id string
	status      *Status // guarded by Service.mu, and so is witness
	witness     witness
	anchoring   chan struct{} // has something when a digest was delivered

	due      time.Time // when what is waiting is delivered; zero: nothing is known to wait
	ownUpTo  int64     // up to here only records of deliveries wait, which start none
	scanning *batch    // what was found to be delivered, until it is
}

// carryOut carries a trail out until ctx ends or the trail is finished and gone.
func (s *Service) carryOut(ctx context.Context, t *Trail) {
	r := &runner{Service: s, account: t.Account, id: t.id, anchoring: make(chan struct{}, 1)}
	failures := 0
	var anchors sync.WaitGroup
	defer anchors.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for ctx.Err() == nil {
		changed, grown := s.waking(), s.o.Records.Grown()
		next, done, err := r.attempt(ctx, t, &anchors)
		if done {
			return
		}
		wait, listen := next, err == nil
		if err != nil {
			failures++
			wait = retryAfter(failures)
			if ctx.Err() == nil {
				s.o.Log.Warn("a trail cannot be delivered now; nothing is lost, and it is tried again", "trail", t.ARN, "after", wait.Round(time.Second), "err", err)
			}
		} else {
			failures = 0
		}
		if !r.wait(ctx, wait, changed, grown, listen) {
			return
		}
	}
}

// wait waits until there is something to do: a change, new records, or the time that was given, which is at least a moment. It reports false at the end of ctx.
func (r *runner) wait(ctx context.Context, d time.Duration, changed, grown <-chan struct{}, listen bool) bool {
	timer, stop := r.o.Wait(max(d, time.Millisecond))
	defer func() { stop() }()
	if !listen {
		grown = nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
		return true
	case <-timer:
		return true
	case <-grown:
	}
	// Records come in crowds: the next look is in a moment, if not earlier for another reason.
	soon, stopSoon := r.o.Wait(min(glance, r.o.Period))
	defer stopSoon()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer:
	case <-soon:
	}
	return true
}

// attempt takes the trail as far as it can be taken now, and says after what time at the latest there is more to do. done: it is finished and gone.
func (r *runner) attempt(ctx context.Context, began *Trail, anchors *sync.WaitGroup) (next time.Duration, done bool, err error) {
	v, err := r.views.View(ctx, r.account)
	if err != nil {
		return 0, false, err
	}
	t := v.byID[r.id]
	if t == nil {
		err := r.forget(ctx, began)
		return 0, err == nil, err
	}
	if r.state == nil {
		if r.state, err = r.load(ctx, t); err != nil {
			return 0, false, err
		}
		r.witness = witness{r.Digests, r.anchored, r.anchors}
		r.report(func(*Status) {})
		if r.o.Anchor != nil {
			anchors.Go(func() { r.anchorAll(ctx, t) })
		}
	}
	for {
		current, more := r.current(t)
		if !more {
			break
		}
		finished, err := r.step(ctx, t, current)
		if err != nil {
			return 0, false, err
		}
		if !finished {
			return r.next(), false, nil
		}
	}
	if _, _, waits := r.unanchored(); t.gone && (!waits || r.o.Anchor == nil) {
		err := r.drop(ctx, t)
		return 0, err == nil, err
	}
	return idle, false, nil // nothing to do until the trail is changed, or its last digest is anchored
}

// current is the run that is to be carried out.
func (r *runner) current(t *Trail) (run, bool) {
	for _, x := range t.runs {
		if x.Number > r.Finished {
			return x, true
		}
	}
	return run{}, false
}

// drop forgets a trail that is gone.
func (r *runner) drop(ctx context.Context, t *Trail) error {
	err := r.views.Change(ctx, t.Account, func(v *view) (registry.Change[*view], error) {
		return registry.Change[*view]{Drop: []store.Entry{{Kind: entryTrail, ID: t.id}}, Next: func(int64) *view {
			next := &view{maps.Clone(v.byID)}
			delete(next.byID, t.id)
			return next
		}}, nil
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	delete(r.statuses, t.id)
	r.mu.Unlock()
	return r.forget(ctx, t)
}

// note writes the progress, with other entries in the same transaction. What is in memory is changed by then only where the caller has done so.
func (r *runner) note(ctx context.Context, t *Trail, p progress, more ...store.Entry) error {
	e, err := entryOf(entryProgress, t.id, p)
	if err != nil {
		return err
	}
	if err := r.o.Records.NoteRegistry(ctx, t.registry(), append(more, e)); err != nil {
		return fmt.Errorf("note the progress of a trail: %w", err)
	}
	r.progress = p
	r.report(func(*Status) {})
	return nil
}

// report changes the status of the trail, after what the progress says.
func (r *runner) report(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status == nil {
		r.status = new(Status)
		r.statuses[r.id] = r.status
		r.status.of(r.state, r.o.Anchor != nil)
	}
	r.status.LatestDelivery, r.status.LatestDigest, r.status.Position, r.status.finished = r.LatestDelivery, r.LatestDigest, r.Examined, r.Finished
	change(r.status)
}

// of fills a status from what the records say.
func (st *Status) of(from *state, anchoring bool) {
	st.LatestDelivery, st.LatestDigest, st.Position, st.finished = from.LatestDelivery, from.LatestDigest, from.Examined, from.Finished
	st.LatestAttempt = from.LatestDelivery
	if st.Anchoring = anchoring; anchoring {
		st.Unanchored, st.LatestAnchor = from.Digests-from.anchored.Digests, from.anchored.Latest
	}
}

// Status says how far a trail has come.
func (s *Service) Status(ctx context.Context, t *Trail) (Status, error) {
	s.mu.Lock()
	st := s.statuses[t.id]
	var out Status
	if st != nil {
		out = *st
	}
	s.mu.Unlock()
	if st == nil {
		from, err := s.load(ctx, t)
		if err != nil {
			return Status{}, err
		}
		out.of(from, s.o.Anchor != nil)
	}
	n := len(t.runs)
	out.Unfinished = n > 0 && t.runs[n-1].Number > out.finished
	return out, nil
}

// Each calls do with every trail of every account and how far it has come, those among them that were deleted and are not forgotten yet. An error of do ends it and is returned.
func (s *Service) Each(ctx context.Context, do func(t *Trail, st Status) error) error {
	for _, account := range s.o.Accounts {
		v, err := s.views.View(ctx, account)
		if err != nil {
			return fmt.Errorf("read the trails of account %s: %w", account, err)
		}
		for _, t := range v.sorted() {
			st, err := s.Status(ctx, t)
			if err != nil {
				return err
			}
			if err := do(t, st); err != nil {
				return err
			}
		}
	}
	return nil
}
