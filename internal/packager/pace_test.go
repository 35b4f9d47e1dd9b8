package packager

import (
	"io"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"darkroom/internal/cmaf"
)

// A track that is ahead waits for the one that is behind, which never waits; what has ended, and what is not read directly, holds nobody up.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		a, b, other := &subscription{}, &subscription{}, &subscription{}
		p.join(a)
		p.join(b)
		p.wait(other, math.MaxInt64/2) // it has not joined
		var at atomic.Int64
		at.Store(-1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := time.Duration(0); n <= 10*time.Second; n += time.Second / 2 {
				p.wait(a, int64(n))
				at.Store(int64(n))
			}
			p.leave(a)
		}()
		for _, step := range []struct {
			b    time.Duration // -1 for nothing
			want time.Duration
		}{{-1, -1}, {0, time.Second}, {800 * time.Millisecond, 1500 * time.Millisecond}, {2 * time.Second, 3 * time.Second}} {
			if step.b >= 0 {
				p.wait(b, int64(step.b))
			}
			synctest.Wait()
			if got := time.Duration(at.Load()); got != step.want {
				t.Errorf("with the other at %v: got %v, want %v", step.b, got, step.want)
			}
		}
		p.leave(b)
		<-done

		p.join(a)
		p.join(b)
		done = make(chan struct{})
		go func() {
			defer close(done)
			p.wait(a, int64(time.Minute))
		}()
		synctest.Wait()
		p.end()
		<-done
	})
}

// Tracks that are read directly make what streams make.
func TestTracks(t *testing.T) {
	t.Parallel()
	made := noise(t)
	streams, tracks := newMemory(), newMemory()
	if _, err := Run(t.Context(), everything(), readers(made), streams, Options{}); err != nil {
		t.Fatal(err)
	}
	direct := map[string]TrackReader{}
	for id, r := range readers(made) {
		direct[id] = cmaf.NewReader(r)
	}
	if _, err := Run(t.Context(), everything(), nil, tracks, Options{Tracks: direct, InFlightLimit: 1, PartSize: minPartSize}); err != nil {
		t.Fatal(err)
	}
	if len(streams.objects) == 0 || len(streams.objects) != len(tracks.objects) {
		t.Errorf("%d objects and %d", len(streams.objects), len(tracks.objects))
	}
	for uri, body := range streams.objects {
		// How the chunks of a progressive file follow each other depends on which track was late: see the package's documentation.
		if string(tracks.objects[uri]) != string(body) && uri != "s3://b/film.mp4" {
			t.Errorf("%s differs", uri)
		}
	}
	for _, both := range []map[string]io.Reader{readers(made), nil} {
		o := Options{Tracks: direct}
		if both == nil {
			o.Tracks = nil
		}
		if _, err := Run(t.Context(), everything(), both, newMemory(), o); err == nil {
			t.Error("two readers, or none, of a rendition: no error")
		}
	}
}
