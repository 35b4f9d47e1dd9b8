package eventbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"darkroom/internal/store"
	"darkroom/internal/target"
)

const (
	// sendAtOnce is how many lanes of one target are sent at the same time.
	sendAtOnce = 8
	// idle is how long what sends to a target is kept open without work.
	idle = time.Minute
	// deadLetterAge is how long it is tried to bring a dead letter to the bucket.
	deadLetterAge = 14 * 24 * time.Hour
	// maxReason bounds what is kept of why an attempt failed.
	maxReason = 256
)

// runner sends to one target, whatever happens to others: the first of each lane, several lanes at the same time.
type runner struct {
	s    *Service
	key  string
	wake chan struct{} // has room for one

	// Of its own goroutine.
	sending map[string]bool // lanes
	done    chan string     // lanes whose attempt is over
	open    *opened
	stale   []*opened // are closed when nothing is sent any more
}

// opened is a sender, and what it was opened for.
type opened struct {
	Sender
	of [3]any // target, destination and connection: they are not changed
}

// poke has the runner of a target look for work; Run starts one where there is none.
func (s *Service) poke(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wake := s.work
	if r := s.runners[key]; r != nil {
		wake = r.wake
	} else {
		s.asked[key] = true
	}
	select {
	case wake <- struct{}{}:
	default:
	}
}

// start starts the runners that are asked for. ctx is that of Run, running what Run waits for.
func (s *Service) start(ctx context.Context, running *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.asked {
		r := &runner{s: s, key: key, wake: make(chan struct{}, 1), sending: map[string]bool{}, done: make(chan string, sendAtOnce)}
		s.runners[key] = r
		running.Go(func() { r.run(ctx) })
	}
	clear(s.asked)
}

// ends says whether the runner may end: nobody has woken it meanwhile.
func (r *runner) ends() bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if len(r.wake) > 0 {
		return false
	}
	delete(r.s.runners, r.key)
	return true
}

func (r *runner) run(ctx context.Context) {
	defer r.close()
	for {
		next, err := r.begin(ctx)
		if ctx.Err() != nil {
			for len(r.sending) > 0 {
				delete(r.sending, <-r.done)
			}
			return
		}
		if err != nil {
			r.s.log.Error("the deliveries to a target could not be read; it is tried again", "target", r.key, "err", err)
			next = r.s.now().Add(pause)
		}
		wait := idle
		if !next.IsZero() {
			wait = max(0, next.Sub(r.s.now()))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case lane := <-r.done:
			delete(r.sending, lane)
		case <-timer.C:
			if next.IsZero() && len(r.sending) == 0 && r.ends() {
				timer.Stop()
				return
			}
		}
		timer.Stop()
	}
}

// begin begins attempts for what is due, and returns when the next is; the zero time where nothing else waits.
func (r *runner) begin(ctx context.Context) (next time.Time, err error) {
	if len(r.sending) == 0 {
		r.closeStale()
	}
	if len(r.sending) >= sendAtOnce {
		return time.Time{}, nil
	}
	first, err := r.s.o.Store.FirstDeliveries(ctx, r.key, 2*sendAtOnce)
	if err != nil {
		return time.Time{}, err
	}
	now := r.s.now()
	for i := range first {
		d := first[i]
		switch {
		case r.sending[d.Lane]:
			continue
		case d.Due.After(now):
			return d.Due, nil
		case len(r.sending) >= sendAtOnce:
			return time.Time{}, nil
		}
		o, end := r.prepare(ctx, &d)
		r.sending[d.Lane] = true
		go func() {
			defer func() { r.done <- d.Lane }()
			if end == nil {
				end = r.attempt(ctx, o, &d)
			}
			if end == nil {
				return // stopped; it is tried again at the next start
			}
			if err := end(context.WithoutCancel(ctx)); err != nil {
				r.s.log.Error("what became of a delivery could not be written; it is made again", "target", r.key, "err", err)
				sleep(ctx, pause)
			}
		}()
	}
	return time.Time{}, nil
}

// ending writes what became of a delivery.
type ending func(ctx context.Context) error

// prepare finds what sends a delivery; ending is not nil if nothing does.
func (r *runner) prepare(ctx context.Context, d *store.Delivery) (*prepared, ending) {
	kind, account, first, second := openKey(r.key)
	p := &prepared{kind: kind, account: account, rule: first, retries: DefaultRetries, maxAge: DefaultMaxAge}
	v, err := r.s.views.View(ctx, account)
	if err != nil {
		return nil, r.later(d, fmt.Errorf("the rules cannot be read: %w", err), p)
	}
	e, of := Endpoint{ARN: first}, [3]any{}
	switch kind {
	case ofRule:
		rule := v.rules[first]
		if rule == nil {
			return nil, r.dropped(d)
		}
		t := rule.find(second)
		if t == nil {
			return nil, r.dropped(d)
		}
		p.target, p.retries, p.maxAge = t, t.retries(), t.maxAge()
		if t.Gone {
			return nil, r.giveUp(d, p, "TARGET_GONE", "the target takes nothing any more", "")
		}
		of[0] = t
		if dest := v.destinationOf(t.ARN); dest != nil {
			of[1], of[2] = dest, v.connections[dest.Connection]
			p.limit = r.s.limiter(t.ARN, dest.Rate)
		}
		if e, err = r.s.endpoint(v, account, t); err != nil {
			return nil, r.giveUp(d, p, "NO_RESOURCE", err.Error(), "")
		}
	case ofBucket:
		e.ARN, p.retries, p.maxAge = DeadLetterBucket, int(^uint(0)>>1), deadLetterAge
	}
	if r.s.now().Sub(d.Enqueued) > p.maxAge {
		return nil, r.giveUp(d, p, "EVENT_EXPIRED", orElse(d.Reason, "the event is too old"), "MaximumEventAgeInSeconds")
	}
	if r.open == nil || r.open.of != of {
		sender, err := r.s.o.Open(account, e)
		if refused, ok := errors.AsType[*target.Refused](err); ok {
			return nil, r.giveUp(d, p, "NO_RESOURCE", refused.Reason, "")
		}
		if err != nil {
			return nil, r.later(d, err, p)
		}
		if r.open != nil {
			r.stale = append(r.stale, r.open)
		}
		r.open = &opened{sender, of}
	}
	p.sender = r.open.Sender
	return p, nil
}

// prepared is what an attempt is made with.
type prepared struct {
	sender        Sender
	kind          string
	account, rule string
	target        *Target // of a rule
	retries       int
	maxAge        time.Duration
	limit         *rate.Limiter // nil: none
}

// attempt sends one delivery, and returns what is to be written of it; nil if it was stopped.
func (r *runner) attempt(ctx context.Context, p *prepared, d *store.Delivery) ending {
	if p.limit != nil {
		if err := p.limit.Wait(ctx); err != nil {
			return nil
		}
	}
	e, err := decodeEvent(d.Event)
	if err != nil {
		return r.giveUp(d, p, "INVALID_EVENT", err.Error(), "")
	}
	m, err := p.sender.Message(e, d.Subject, d.Input)
	if err != nil {
		return r.giveUp(d, p, "INVALID_INPUT", err.Error(), "")
	}
	if len(d.Header) > 0 {
		m.Header = d.Header
	}
	m.Attempt = d.Attempts + 1
	err = p.sender.Send(ctx, m) // which each kind of target bounds by itself: a program may take longer than a web server
	if err == nil {
		return func(ctx context.Context) error {
			r.s.observe(p, OutcomeDelivered)
			return r.ended(ctx, d, store.Delivered, "", nil)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if refused, ok := errors.AsType[*target.Refused](err); ok {
		d.Attempts++
		if refused.Gone && p.target != nil {
			end := r.giveUp(d, p, "TARGET_GONE", refused.Reason, "")
			return func(ctx context.Context) error {
				if err := r.s.gone(ctx, p.account, p.rule, p.target); err != nil {
					if _, removed := errors.AsType[*Error](err); !removed {
						return err
					}
				}
				return end(ctx)
			}
		}
		return r.giveUp(d, p, "TARGET_REFUSED", refused.Reason, "")
	}
	return r.later(d, err, p)
}

// later has a delivery tried again, if its policy lets it.
func (r *runner) later(d *store.Delivery, err error, p *prepared) ending {
	d.Attempts++
	reason := clip(err.Error())
	now := r.s.now()
	if d.Attempts > p.retries {
		return r.giveUp(d, p, "TARGET_FAILED", reason, "MaximumRetryAttempts")
	}
	if d.Attempts == 1 {
		r.s.log.Warn("an event could not be delivered; it is tried again", "target", r.key, "reason", reason)
	}
	wait := r.s.o.Backoff(d.Attempts)
	if l, ok := errors.AsType[*target.Later](err); ok {
		wait = max(wait, l.After)
	}
	// When its time is over it is given up, not after.
	due := now.Add(wait)
	if last := d.Enqueued.Add(p.maxAge).Add(time.Millisecond); due.After(last) {
		due = last
	}
	return func(ctx context.Context) error {
		r.s.observe(p, OutcomeFailed)
		return r.s.o.Store.PostponeDelivery(ctx, d.Sequence, due, reason)
	}
}

// giveUp moves a delivery to the dead letters. The reason is for the log and the records; the dead letter says in fixed words what the code means.
func (r *runner) giveUp(d *store.Delivery, p *prepared, code, reason, exhausted string) ending {
	reason = clip(reason)
	return func(ctx context.Context) error {
		instead, did := r.s.deadLetter(ctx, d, code, reason, exhausted)
		state, outcome := store.Moved, OutcomeDeadLetter
		if instead == nil {
			state, outcome = store.Failed, OutcomeRefused
		}
		r.s.observe(p, outcome)
		if err := r.ended(ctx, d, state, code+": "+reason, instead); err != nil {
			return err
		}
		if p != nil && p.target != nil {
			did.Resources = append(did.Resources, p.target.ARN)
		}
		r.s.record(ctx, did)
		return nil
	}
}

// dropped ends a delivery whose target was taken away.
func (r *runner) dropped(d *store.Delivery) ending {
	return func(ctx context.Context) error {
		r.s.log.Warn("a delivery is dropped: its target was taken away", "target", r.key)
		return r.ended(ctx, d, store.Dropped, "the target was taken away", nil)
	}
}

// ended writes the end of a delivery, and wakes who has to do with what goes elsewhere instead.
func (r *runner) ended(ctx context.Context, d *store.Delivery, state store.DeliveryState, reason string, instead *store.Delivery) error {
	more := map[string]int{}
	if instead != nil {
		more[instead.Target] = 1
	}
	r.s.count(more, 1) // first: whoever sends it may be done before this goes on
	if err := r.s.o.Store.EndDelivery(ctx, d.Sequence, state, reason, r.s.now(), instead); err != nil {
		r.s.count(more, -1)
		return err
	}
	r.s.count(map[string]int{r.key: 1}, -1)
	if instead != nil {
		r.s.poke(instead.Target)
	}
	return nil
}

func (r *runner) closeStale() {
	for _, o := range r.stale {
		if err := o.Close(); err != nil {
			r.s.log.Debug("close what sends to a target", "target", r.key, "err", err)
		}
	}
	r.stale = nil
}

func (r *runner) close() {
	if r.open != nil {
		r.stale = append(r.stale, r.open)
	}
	r.closeStale()
}

// limiter is the one limiter of an API destination, at its rate of the moment.
func (s *Service) limiter(name string, perSecond int) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limiters[name]
	switch {
	case perSecond == 0:
		delete(s.limiters, name)
		return nil
	case l == nil:
		l = rate.NewLimiter(rate.Limit(perSecond), perSecond)
		s.limiters[name] = l
	case l.Limit() != rate.Limit(perSecond):
		l.SetLimit(rate.Limit(perSecond))
		l.SetBurst(perSecond)
	}
	return l
}

func clip(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.ToValidUTF8(text, "")
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
