package trail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"darkroom/internal/digest"
	"darkroom/internal/store"
)

// The kinds of entries of the registry of progress. The ids of logs and anchors are that of their trail and a number, which is given again.
const (
	entryProgress = "progress"
	entryLog      = "log"
	entryAnchor   = "anchor"
	entryAnchored = "anchored"
)

const (
	// maxLogs is how many log files a digest names; with more, a period ends early.
	maxLogs = 5000
	// maxUnanchored is how many digests wait to be anchored. Beyond it the oldest are passed over: each digest is a witness of those before it.
	maxUnanchored = 4096
)

// progress is how far a trail has come, as it stands in the records. What is about to be put is in it before, so that it is put again as it was after a crash.
type progress struct {
	Current  int64 `json:"current"`  // the run that is carried out; 0: none yet
	Finished int64 `json:"finished"` // every run up to this one is
	Examined int64 `json:"examined"` // records up to here were delivered, or not selected
	Covered  int64 `json:"covered"`  // the last position of the last log file
	Intent   int64 `json:"intent"`   // the last position of what is being delivered; 0: nothing is

	LatestDelivery time.Time `json:"latestDelivery"`
	LatestDigest   time.Time `json:"latestDigest"`

	Chain   *chain `json:"chain,omitempty"` // nil: no digests are made
	Digests int64  `json:"digests"`         // how many were delivered
}

// chain is the chain of digests that goes on.
type chain struct {
	Start  time.Time      `json:"start"`            // of the period that is not over
	Logs   int            `json:"logs"`             // log files that were delivered in it
	Intent time.Time      `json:"intent"`           // the end of the digest that is being delivered; zero: none is
	Before *digest.Signed `json:"before,omitempty"` // nil at the beginning
}

// anchor is a digest that waits to be anchored.
type anchor struct {
	digest.Signed
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// anchored is how far anchoring has come.
type anchored struct {
	Digests int64     `json:"digests"` // how many were anchored, or passed over
	Latest  time.Time `json:"latest"`
}

// state is everything that the records have of a trail's progress.
type state struct {
	progress
	logs     []digest.Log // of the period that is not over
	anchored anchored
	anchors  map[int64]anchor // by number of the digest, modulo maxUnanchored
}

func (t *Trail) registry() store.Registry {
	return store.Registry{Name: progressName, Account: t.Account}
}

func (t *Trail) numbered(n int64) string { return fmt.Sprintf("%s/%d", t.id, n) }

// load reads the progress of a trail.
func (s *Service) load(ctx context.Context, t *Trail) (*state, error) {
	entries, _, err := s.o.Records.LoadRegistry(ctx, t.registry())
	if err != nil {
		return nil, fmt.Errorf("read the progress of trail %s: %w", t.Name, err)
	}
	st := &state{anchors: map[int64]anchor{}}
	logs := map[string]digest.Log{}
	for _, e := range entries {
		id, number, _ := strings.Cut(e.ID, "/")
		if id != t.id {
			continue
		}
		var into any
		var l digest.Log
		var a anchor
		switch e.Kind {
		case entryProgress:
			into = &st.progress
		case entryAnchored:
			into = &st.anchored
		case entryLog:
			into = &l
		case entryAnchor:
			into = &a
		default:
			continue
		}
		if err := json.Unmarshal(e.Record, into); err != nil {
			return nil, fmt.Errorf("read the progress of trail %s: %s %s: %w", t.Name, e.Kind, e.ID, err)
		}
		var n int64
		if number != "" {
			if _, err := fmt.Sscan(number, &n); err != nil {
				return nil, fmt.Errorf("read the progress of trail %s: %s %s: %w", t.Name, e.Kind, e.ID, err)
			}
		}
		switch e.Kind {
		case entryLog:
			logs[number] = l
		case entryAnchor:
			st.anchors[n] = a
		}
	}
	if st.Chain != nil {
		for i := range st.Chain.Logs {
			l, ok := logs[fmt.Sprint(i)]
			if !ok {
				return nil, fmt.Errorf("read the progress of trail %s: log file %d of the period is not there", t.Name, i)
			}
			st.logs = append(st.logs, l)
		}
	}
	return st, nil
}

// entryOf writes an entry of the progress of a trail.
func entryOf(kind, id string, v any) (store.Entry, error) {
	text, err := json.Marshal(v)
	return store.Entry{Kind: kind, ID: id, Record: text}, err
}

// forget drops everything that the records have of the progress of a trail.
func (s *Service) forget(ctx context.Context, t *Trail) error {
	for {
		entries, generation, err := s.o.Records.LoadRegistry(ctx, t.registry())
		if err != nil {
			return err
		}
		var drop []store.Entry
		for _, e := range entries {
			if id, _, _ := strings.Cut(e.ID, "/"); id == t.id {
				drop = append(drop, store.Entry{Kind: e.Kind, ID: e.ID})
			}
		}
		if len(drop) == 0 {
			return nil
		}
		if _, err = s.o.Records.ChangeRegistry(ctx, t.registry(), generation, nil, drop); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
}
