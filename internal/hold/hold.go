// Package hold is the legal hold: what it is on, and what it keeps from being deleted.
package hold

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is what a hold is on.
type Kind string

// The kinds.
const (
	// Job keeps the record of one job, and the audit records that name it as a resource.
	Job Kind = "job"
	// Objects keeps the objects of a bucket whose keys begin with a prefix: they are neither deleted nor overwritten, nor is the bucket deleted, nor a key that opens them.
	Objects Kind = "objects"
	// Records keeps all audit records of an account.
	Records Kind = "records"
)

// Bounds.
const (
	// Max is how many holds an account has at most.
	Max = 10_000
	// MaxReason is the longest reason, in bytes.
	MaxReason = 1024
	maxTarget = 1024 + 64 // bucket and key
)

// Hold is one hold. Two holds can be on the same thing: it is free when both are released.
type Hold struct {
	ID      string    `json:"id"` // unique in the account
	Account string    `json:"account"`
	On      Kind      `json:"on"`
	Target  string    `json:"target"` // the id of a job; BUCKET/PREFIX, where the prefix may be empty; empty for Records
	Reason  string    `json:"reason"`
	By      string    `json:"by"` // ARN of who asked for it
	Since   time.Time `json:"since"`
}

// Bucket is the bucket of a hold on objects.
func (h *Hold) Bucket() string { b, _, _ := strings.Cut(h.Target, "/"); return b }

// Prefix is how the keys begin that a hold on objects keeps; empty for all.
func (h *Hold) Prefix() string { _, p, _ := strings.Cut(h.Target, "/"); return p }

// String says what the hold is on.
func (h *Hold) String() string {
	switch h.On {
	case Job:
		return "job " + h.Target
	case Objects:
		return "s3://" + h.Target
	}
	return "the audit records of account " + h.Account
}

// Check says what is wrong with what somebody wants to hold.
func (h *Hold) Check() error {
	switch {
	case h.On != Job && h.On != Objects && h.On != Records:
		return fmt.Errorf("on: %q is none of job, objects, records", h.On)
	case h.On == Records && h.Target != "":
		return errors.New("target: a hold on audit records is on those of the whole account and names no target")
	case h.On == Job && (h.Target == "" || strings.ContainsAny(h.Target, "/ ")):
		return fmt.Errorf("target: %q is no id of a job", h.Target)
	case h.On == Objects && (h.Bucket() == "" || !strings.Contains(h.Target, "/")):
		return fmt.Errorf("target: %q is not BUCKET/PREFIX", h.Target)
	case len(h.Target) > maxTarget || !utf8.ValidString(h.Target):
		return fmt.Errorf("target: at most %d bytes of UTF-8 are allowed", maxTarget)
	case strings.TrimSpace(h.Reason) == "":
		return errors.New("reason: a hold needs one")
	case len(h.Reason) > MaxReason || !utf8.ValidString(h.Reason):
		return fmt.Errorf("reason: at most %d bytes of UTF-8 are allowed", MaxReason)
	}
	return nil
}

// Set answers which objects are held. It is immutable; the zero value holds nothing.
type Set struct {
	// buckets has the prefixes of each bucket, and which lengths they have: a key is looked up by each of its beginnings of those lengths.
	buckets map[string]*prefixes
	all     []Hold
}

type prefixes struct {
	held    map[string]Hold
	lengths []int
}

// NewSet indexes holds. It keeps the slice.
func NewSet(holds []Hold) *Set {
	s := &Set{buckets: make(map[string]*prefixes), all: holds}
	for _, h := range holds {
		switch h.On {
		case Objects:
			p := s.buckets[h.Bucket()]
			if p == nil {
				p = &prefixes{held: make(map[string]Hold)}
				s.buckets[h.Bucket()] = p
			}
			if _, known := p.held[h.Prefix()]; !known {
				p.held[h.Prefix()] = h
				n, found := len(h.Prefix()), false
				for _, l := range p.lengths {
					found = found || l == n
				}
				if !found {
					p.lengths = append(p.lengths, n)
				}
			}
		}
	}
	return s
}

// All are the holds of the set, which the caller does not change.
func (s *Set) All() []Hold { return s.all }

// Object returns a hold that keeps an object, if there is one.
func (s *Set) Object(bucket, key string) (Hold, bool) {
	p := s.buckets[bucket]
	if p == nil {
		return Hold{}, false
	}
	for _, n := range p.lengths {
		if n > len(key) {
			continue
		}
		if h, ok := p.held[key[:n]]; ok {
			return h, true
		}
	}
	return Hold{}, false
}

// Under returns a hold that keeps something that begins with a prefix, or could: one on it, on what is below it, or on what it is below.
func (s *Set) Under(bucket, prefix string) (Hold, bool) {
	p := s.buckets[bucket]
	if p == nil {
		return Hold{}, false
	}
	for held, h := range p.held {
		if strings.HasPrefix(held, prefix) || strings.HasPrefix(prefix, held) {
			return h, true
		}
	}
	return Hold{}, false
}
