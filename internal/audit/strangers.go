package audit

import (
	"cmp"
	"encoding/json"
	"sync"
	"time"
)

const (
	// StrangersEachMinute is how many refusals of requests by nobody who is known have a record of their own, in a minute.
	StrangersEachMinute = 30
	// mostNamed is how many errors, operations and addresses a summary of the others tells apart.
	mostNamed = 20
	// remaining is what it calls all further ones.
	remaining = "others"
)

// Strangers decides which refusals of requests by nobody who is known have a record of their own, and sums up the others: whoever reaches the listener can make as many as they like, and must not
// fill a disk by it. The zero value has heard of none. It is safe for concurrent use.
type Strangers struct {
	mu    sync.Mutex // guards what follows; held for look-ups and assignments only
	begun time.Time  // of the minute
	own   int        // in it
	rest  Refusals
}

// Refusals sums up refusals that have no record of their own.
type Refusals struct {
	Count    int            `json:"count"`
	Since    time.Time      `json:"since"`
	ByError  map[string]int `json:"byErrorCode"`
	ByName   map[string]int `json:"byEventName"`
	BySource map[string]int `json:"bySourceIPAddress"`
}

// Own says whether a refusal is to have a record of its own; else it is summed up.
func (s *Strangers) Own(r *Record, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.begun); age >= time.Minute || age < 0 { // or the clock was set back
		s.begun, s.own = now, 0
	}
	if s.own < StrangersEachMinute {
		s.own++
		return true
	}
	s.rest.add(one(r, now))
	return false
}

// Add sums up a refusal whose own record could not be written.
func (s *Strangers) Add(r *Record, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest.add(one(r, now))
}

// Tell gives what was summed up since it was last told to write, as one record; nothing if there is nothing. What write fails to keep is told again.
func (s *Strangers) Tell(now time.Time, region, account string, write func(Record) error) error {
	s.mu.Lock()
	rest := s.rest
	s.rest = Refusals{}
	s.mu.Unlock()
	if rest.Count == 0 {
		return nil
	}
	r := ServiceEvent{Time: now, Service: "darkroom", Action: "StrangersRefused", Outcome: Denied, Reason: "UnknownPrincipal"}.Record(region, account)
	text, err := json.Marshal(rest)
	if err != nil { // never: numbers and texts
		text = json.RawMessage("{}")
	}
	r.AdditionalEventData = map[string]json.RawMessage{"refused": text}
	if err := write(r); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rest.add(rest)
		return err
	}
	return nil
}

// one is the sum of one refusal.
func one(r *Record, now time.Time) Refusals {
	return Refusals{
		Count: 1, Since: now.UTC(), ByError: map[string]int{named(r.ErrorCode): 1}, ByName: map[string]int{named(r.EventName): 1}, BySource: map[string]int{named(r.SourceIPAddress): 1},
	}
}

func named(name string) string { return short(cmp.Or(name, "none")) }

// add adds other refusals to the sum.
func (s *Refusals) add(more Refusals) {
	if s.Count == 0 {
		*s = Refusals{Since: more.Since, ByError: map[string]int{}, ByName: map[string]int{}, BySource: map[string]int{}}
	}
	if more.Since.Before(s.Since) {
		s.Since = more.Since
	}
	s.Count += more.Count
	addNamed(s.ByError, more.ByError)
	addNamed(s.ByName, more.ByName)
	addNamed(s.BySource, more.BySource)
}

func addNamed(to, more map[string]int) {
	for name, n := range more {
		if to[name] == 0 && len(to) >= mostNamed {
			name = remaining
		}
		to[name] += n
	}
}
