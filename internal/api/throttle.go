package api

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"darkroom/internal/mediaconvert"
)

// Throttle is how many requests each account may make. The zero value throttles nothing.
type Throttle struct {
	Rate  float64 // requests a second in the long run
	Burst int     // requests at once after a rest; at least 1 with a Rate
}

// maxBuckets bounds the accounts whose buckets are kept; what is full again is dropped before.
const maxBuckets = 10_000

// throttle has a token bucket for each account. It is safe for concurrent use.
type throttle struct {
	o   Throttle
	now func() time.Time

	mu      sync.Mutex // guards buckets; held for map operations and, when the map is full, a walk over it
	buckets map[string]*rate.Limiter
}

func newThrottle(o Throttle, now func() time.Time) *throttle {
	return &throttle{o: o, now: now, buckets: map[string]*rate.Limiter{}}
}

// take takes a token of an account; where there is none, the error says when there will be one.
func (t *throttle) take(account string) error {
	if t.o.Rate <= 0 {
		return nil
	}
	now := t.now()
	r := t.bucket(account, now).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	e := mediaconvert.TooManyRequests("Too many requests.")
	e.RetryAfter = time.Duration(math.Ceil(wait.Seconds())) * time.Second
	return e
}

func (t *throttle) bucket(account string, now time.Time) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[account]
	if b != nil {
		return b
	}
	if len(t.buckets) >= maxBuckets {
		for a, b := range t.buckets {
			if b.TokensAt(now) >= float64(t.o.Burst) {
				delete(t.buckets, a)
			}
		}
	}
	b = rate.NewLimiter(rate.Limit(t.o.Rate), t.o.Burst)
	t.buckets[account] = b
	return b
}
