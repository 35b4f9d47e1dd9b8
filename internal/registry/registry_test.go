package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

const account = "111122223333"

// names is a view: the ids of a registry, and the generation that they are of.
type names struct {
	generation int64
	ids        map[string]bool
}

func (n *names) String() string {
	return fmt.Sprint(n.generation, slices.Sorted(maps.Keys(n.ids)))
}

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// failing is a store that can be made to fail.
type failing struct {
	store.Registries
	err error
}

func (f *failing) Generation(ctx context.Context, r store.Registry) (int64, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Registries.Generation(ctx, r)
}

func (f *failing) ChangeRegistry(ctx context.Context, r store.Registry, from int64, put, drop []store.Entry) (int64, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Registries.ChangeRegistry(ctx, r, from, put, drop)
}

func open(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func replica(t *testing.T, s store.Registries, now func() time.Time) *Views[*names] {
	t.Helper()
	v, err := New(Options[*names]{Name: "things", Accounts: []string{account}, Store: s, Now: now, Read: read})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var errRead = errors.New("cannot be read")

func read(_ string, n int64, entries []store.Entry) (*names, error) {
	v := &names{n, map[string]bool{}}
	for _, e := range entries {
		if e.ID == "bad" {
			return nil, errRead
		}
		v.ids[e.ID] = true
	}
	return v, nil
}

func entry(id string) store.Entry {
	return store.Entry{Kind: "thing", ID: id, Record: json.RawMessage(`{}`)}
}

// add is a change that adds a thing.
func add(id string) func(*names) (Change[*names], error) {
	return func(v *names) (Change[*names], error) {
		return Change[*names]{Put: []store.Entry{entry(id)}, Next: func(n int64) *names {
			ids := maps.Clone(v.ids)
			ids[id] = true
			return &names{n, ids}
		}}, nil
	}
}

func show(t *testing.T, v *Views[*names]) string {
	t.Helper()
	n, err := v.View(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return n.String()
}

func TestChange(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Unix(1e9, 0)}
	s := open(t)
	a, b := replica(t, s, c.time), replica(t, s, c.time)
	if got := show(t, a) + show(t, b); got != "0 []0 []" {
		t.Fatalf("at first: %s", got)
	}
	if err := a.Change(t.Context(), account, add("x")); err != nil {
		t.Fatal(err)
	}
	if got := show(t, a); got != "1 [x]" {
		t.Errorf("who changed sees %s", got)
	}
	c.add(VerifyEvery - 1)
	if got := show(t, b); got != "0 []" {
		t.Errorf("another sees it too early for the test: %s", got)
	}
	c.add(1)
	if got := show(t, b); got != "1 [x]" {
		t.Errorf("another sees %s", got)
	}
	// b changes what a has not read: a's next change is made from it.
	if err := b.Change(t.Context(), account, add("y")); err != nil {
		t.Fatal(err)
	}
	if err := a.Change(t.Context(), account, add("z")); err != nil {
		t.Fatal(err)
	}
	if got := show(t, a); got != "3 [x y z]" {
		t.Errorf("after both: %s", got)
	}
	for name, do := range map[string]func(*names) (Change[*names], error){
		"nothing":    func(*names) (Change[*names], error) { return Change[*names]{}, nil },
		"an error":   func(*names) (Change[*names], error) { return Change[*names]{Put: []store.Entry{entry("w")}}, errRead },
		"no account": nil,
	} {
		who := account
		if do == nil {
			who = "999999999999"
		}
		err := a.Change(t.Context(), who, do)
		if (err == nil) != (name == "nothing") || show(t, a) != "3 [x y z]" {
			t.Errorf("%s: %v, %s", name, err, show(t, a))
		}
	}
	if err := a.Note(t.Context(), account, []store.Entry{entry("note")}); err != nil || show(t, a) != "3 [x y z]" {
		t.Errorf("a note: %v, %s", err, show(t, a))
	}
	if err := a.Note(t.Context(), "999999999999", nil); !errors.Is(err, ErrNoAccount) {
		t.Errorf("a note to no account: %v", err)
	}
}

// TestFailsClosed: what cannot be verified is not used.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Unix(1e9, 0)}
	s := open(t)
	broken := &failing{Registries: s}
	v := replica(t, broken, c.time)
	if err := v.Change(t.Context(), account, add("x")); err != nil {
		t.Fatal(err)
	}
	broken.err = errors.New("no records")
	if got := show(t, v); got != "1 [x]" {
		t.Errorf("a fresh view: %s", got)
	}
	for _, step := range []time.Duration{VerifyEvery, -time.Hour} {
		c.add(step)
		if got, err := v.View(t.Context(), account); err == nil || got != nil {
			t.Errorf("after %s: %v, %v", step, got, err)
		}
		if err := v.Change(t.Context(), account, add("y")); err == nil {
			t.Error("a change without records")
		}
	}
	broken.err = nil
	if got := show(t, v); got != "1 [x]" {
		t.Errorf("once there are records again: %s", got)
	}
	if _, err := v.View(t.Context(), "999999999999"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("no account: %v", err)
	}
	if err := v.Change(t.Context(), account, add("bad")); err != nil {
		t.Fatal(err)
	}
	if _, err := replica(t, s, c.time).View(t.Context(), account); !errors.Is(err, errRead) {
		t.Errorf("an entry that cannot be read: %v", err)
	}
	for _, o := range []Options[*names]{{Store: s, Read: read}, {Name: "x", Read: read}, {Name: "x", Store: s}} {
		if _, err := New(o); err == nil {
			t.Errorf("views without something: %+v", o.Name)
		}
	}
}

// overtaken is a store in which another is always faster.
type overtaken struct {
	store.Registries
	tries int
}

func (o *overtaken) ChangeRegistry(context.Context, store.Registry, int64, []store.Entry, []store.Entry) (int64, error) {
	o.tries++
	return 0, store.ErrStale
}

func TestOvertaken(t *testing.T) {
	t.Parallel()
	o := &overtaken{Registries: open(t)}
	err := replica(t, o, nil).Change(t.Context(), account, add("x"))
	if !errors.Is(err, store.ErrStale) || o.tries != maxStale || !strings.Contains(err.Error(), "things") {
		t.Errorf("%d tries, %v", o.tries, err)
	}
}

// TestAtOnce has writers in two replicas, and readers that never see a thing vanish.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	const writers, each = 4, 10
	var wg sync.WaitGroup
	done := make(chan struct{})
	replicas := []*Views[*names]{replica(t, s, nil), replica(t, s, nil)}
	for _, r := range replicas {
		wg.Go(func() {
			last := 0
			for {
				select {
				case <-done:
					return
				default:
				}
				v, err := r.View(t.Context(), account)
				if err != nil || len(v.ids) < last {
					t.Errorf("%v, fewer than %d: %v", v, last, err)
					return
				}
				last = len(v.ids)
			}
		})
	}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				for {
					err := replicas[w%2].Change(t.Context(), account, add(fmt.Sprintf("%d-%d", w, i)))
					if err == nil {
						break
					}
					if !errors.Is(err, store.ErrStale) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	writing.Wait()
	close(done)
	wg.Wait()
	if got, err := replica(t, s, nil).View(t.Context(), account); err != nil || got.generation != writers*each || len(got.ids) != writers*each {
		t.Errorf("got %v, %v", got, err)
	}
}
