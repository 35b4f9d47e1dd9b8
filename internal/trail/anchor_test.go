package trail

import (
	"context"
	"errors"
	"testing"
	"time"

	"darkroom/internal/digest"
)

// TestAnchor runs trails as a server does: each digest is anchored once, in order, however often that fails, also when the program has begun anew.
func TestAnchor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	attempts := make(chan Anchored)
	answers := make(chan error)
	h.options.Now, h.options.Period, h.options.DigestPeriod = nil, 10*time.Millisecond, time.Second
	h.options.Anchor = func(ctx context.Context, a Anchored) error {
		select {
		case attempts <- a:
		case <-ctx.Done():
			return ctx.Err()
		}
		return <-answers
	}
	begin := func() (stop func()) {
		h.begin()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := h.Service.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		return func() { cancel(); <-done }
	}
	stop := begin()
	films := h.trail("films", nil)
	var last Anchored
	// take answers one attempt, and says whether it is of the digest that was expected.
	take := func(again bool, answer error) {
		t.Helper()
		a := <-attempts
		switch {
		case again && a.Object != last.Object:
			t.Errorf("after %s came %s", last.Object, a.Object)
		case !again && last.Object != "" && !a.Start.Equal(last.End):
			t.Errorf("after the digest that ends at %s came that of %s", last.End, a.Start)
		case a.Hash != digest.Hash(a.Text) || a.Signature == "" || a.TrailARN != films.ARN || a.Account != account:
			t.Errorf("anchored %+v", a)
		}
		last = a
		answers <- answer
	}
	take(false, nil)
	take(false, errors.New("the authority does not answer"))
	take(true, errors.New("the authority does not answer"))
	st, err := h.Status(t.Context(), films)
	if err != nil || !st.Anchoring || st.Unanchored < 1 || st.LatestAnchor.IsZero() || st.AnchorFailure != unwitnessed {
		t.Errorf("%+v, %v", st, err)
	}
	stop()
	stop = begin()
	defer func() { stop() }()
	take(true, nil)
	take(false, errors.New("the authority does not answer"))
	if err := h.Delete(t.Context(), account, "films"); err != nil {
		t.Fatal(err)
	}
	take(true, nil)
	// What was deleted is gone, with all that the records had of it, when its last digest is anchored. That is told to nobody.
	gone := make(chan error)
	go func() {
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			v, err := h.views.View(t.Context(), account)
			entries, _, failed := h.records.LoadRegistry(t.Context(), films.registry())
			if err = errors.Join(err, failed); err != nil || len(v.byID)+len(entries) == 0 || time.Now().After(end) {
				if err == nil && len(v.byID)+len(entries) > 0 {
					err = errors.New("the trail is not forgotten")
				}
				gone <- err
				return
			}
		}
	}()
	for {
		select {
		case a := <-attempts:
			if !a.Start.Equal(last.End) {
				t.Errorf("after the digest that ends at %s came that of %s", last.End, a.Start)
			}
			last = a
			answers <- nil
			continue
		case err := <-gone:
			if err != nil {
				t.Error(err)
			}
		}
		break
	}
}
