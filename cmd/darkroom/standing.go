package main

import (
	"context"
	"sync"
	"time"

	"darkroom/internal/gateway"
	"darkroom/internal/inspect"
)

// standingEvery is how old the results of the standing checks may be when /readyz shows them. They have no signal to wait for: files and clocks change by
// themselves.
const standingEvery = time.Minute

// standing are the checks that the server runs at its start and, when somebody asks whether it is ready, again.
type standing struct {
	in     *inspect.Installation
	checks []inspect.Check
	now    func() time.Time

	mu      sync.Mutex // guards what follows; held while the checks run, so that they run once
	at      time.Time
	results []inspect.Result
}

// newStanding prepares the checks of a server.
func newStanding(s *server) (*standing, error) {
	settings, err := settingsOf(s.cfg)
	if err != nil {
		return nil, err
	}
	return &standing{now: time.Now, checks: inspect.Standing(), in: &inspect.Installation{
		Now: time.Now, Settings: settings, SettingsFrom: "this start", Accounts: accountIDs(s.cfg), Trail: s.records,
		Files:  func(_ context.Context, see func(inspect.File)) (bool, error) { return walkData(s.cfg, true, see) },
		Root:   func(context.Context) (inspect.Root, error) { return lookAtRoot(s.cfg) },
		Layers: memo(lookAtLayers), // the machine does not change while the server runs
	}}, nil
}

// run returns the results, which are at most standingEvery old.
func (s *standing) run(ctx context.Context) []inspect.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.results == nil || now.Sub(s.at) >= standingEvery || now.Before(s.at) {
		// Whoever asks first may go away; the results are for all.
		s.results = inspect.Run(context.WithoutCancel(ctx), s.in, s.checks)
		s.at = now
	}
	return s.results
}

// problems are the checks that have failed, for /readyz. Everybody may read them there: what was found is for those who may run darkroom doctor.
func (s *standing) problems(ctx context.Context) []gateway.Problem {
	var out []gateway.Problem
	for _, r := range s.run(ctx) {
		if r.State == inspect.Failed {
			out = append(out, gateway.Problem{Name: r.Check, Message: "not so: " + r.Title + "; `darkroom doctor` says more", Warning: true})
		}
	}
	return out
}

// checkAtStart logs the checks that have failed.
func (s *server) checkAtStart(ctx context.Context) {
	for _, r := range s.standing.run(ctx) {
		if r.State == inspect.Failed {
			s.log.Warn("a check of the installation has failed", "check", r.Check, "found", r.Found, "mend", r.Mend)
		}
	}
}
