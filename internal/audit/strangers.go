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
	if s.rest.Count == 0 {
		s.rest = Refusals{Since: now.UTC(), ByError: map[string]int{}, ByName: map[string]int{}, BySource: map[string]int{}}
	}
	s.rest.Count++
	countNamed(s.rest.ByError, r.ErrorCode)
	countNamed(s.rest.ByName, r.EventName)
	countNamed(s.rest.BySource, r.SourceIPAddress)
	return false
}

func countNamed(in map[string]int, name string) {
	name = short(cmp.Or(name, "none"))
	if in[name] == 0 && len(in) >= mostNamed {
		name = remaining
	}
	in[name]++
}

// Rest returns what was summed up since it was last asked, as the record of it; false if there is nothing.
func (s *Strangers) Rest(now time.Time, region, account string) (Record, bool) {
	s.mu.Lock()
	rest := s.rest
	s.rest = Refusals{}
	s.mu.Unlock()
	if rest.Count == 0 {
		return Record{}, false
	}
	r := ServiceEvent{Time: now, Service: "darkroom", Action: "StrangersRefused", Outcome: Denied, Reason: "UnknownPrincipal"}.Record(region, account)
	text, err := json.Marshal(rest)
	if err != nil { // never: numbers and texts
		text = json.RawMessage("{}")
	}
	r.AdditionalEventData = map[string]json.RawMessage{"refused": text}
	return r, true
}
