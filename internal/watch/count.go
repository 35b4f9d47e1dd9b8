package watch

import (
	"container/list"
	"time"
)

const (
	// MaxTracked is how many principals or addresses a rule counts at the same time. What all others do beyond it is counted together, as if they were one:
	// a flood of names makes the rule alert sooner, and never later.
	MaxTracked = 10_000
	// slots are the parts of a window: what is older than a window is forgotten a part at a time, so that a count is at most a part too long.
	slots = 12
	// Others is the subject of what is counted together.
	Others = "others"
)

// counter counts in a sliding window.
type counter struct {
	subject string
	sum     [slots]struct{ count, bytes int64 }
	newest  int64 // the number of the last slot
}

// counters count for the subjects of a rule.
type counters struct {
	slot   int64 // nanoseconds
	of     map[string]*list.Element
	used   *list.List // of *counter, the last used first
	others counter
}

func newCounters(window time.Duration) *counters {
	return &counters{slot: max(1, int64(window)/slots), of: map[string]*list.Element{}, used: list.New(), others: counter{subject: Others}}
}

// add counts something of a subject, and returns what it has come to within the window, and the subject that it was counted for.
func (c *counters) add(subject string, at time.Time, count, bytes int64) (sumCount, sumBytes int64, counted string) {
	now := at.UnixNano() / c.slot
	k := c.find(subject, now)
	k.forget(now)
	s := &k.sum[((now%slots)+slots)%slots]
	s.count += count
	s.bytes += bytes
	for _, s := range k.sum {
		sumCount += s.count
		sumBytes += s.bytes
	}
	return sumCount, sumBytes, k.subject
}

// addOthers counts what is of nobody who is known.
func (c *counters) addOthers(at time.Time, count int64) {
	now := at.UnixNano() / c.slot
	c.others.forget(now)
	c.others.sum[((now%slots)+slots)%slots].count += count
}

func (c *counters) find(subject string, now int64) *counter {
	if e := c.of[subject]; e != nil {
		c.used.MoveToFront(e)
		return e.Value.(*counter)
	}
	if c.used.Len() >= MaxTracked {
		last := c.used.Back()
		old := last.Value.(*counter)
		if now-old.newest < slots {
			return &c.others // everybody who is counted has done something within the window
		}
		c.used.Remove(last)
		delete(c.of, old.subject)
	}
	k := &counter{subject: subject, newest: now}
	c.of[subject] = c.used.PushFront(k)
	return k
}

// forget empties the slots that have left the window.
func (k *counter) forget(now int64) {
	if now < k.newest { // the clock went back: what was counted counts on
		k.newest = now
		return
	}
	for n := k.newest + 1; n <= now && n <= k.newest+slots; n++ {
		k.sum[((n%slots)+slots)%slots] = struct{ count, bytes int64 }{}
	}
	k.newest = now
}
