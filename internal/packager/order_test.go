package packager

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"darkroom/internal/plan"
)

// gated is a reader that gives nothing until another has been read to its end.
type gated struct {
	r    io.Reader
	wait <-chan struct{} // nil: at once
	done chan struct{}
	once sync.Once
}

func (g *gated) Read(p []byte) (int, error) {
	if g.wait != nil {
		<-g.wait
	}
	n, err := g.r.Read(p)
	if err != nil {
		g.once.Do(func() { close(g.done) })
	}
	return n, err
}

// inOrder lets each rendition begin only when the one before it has ended, as an encoder would that is as far apart as can be.
func inOrder(made map[string][]byte, order []string) map[string]io.Reader {
	out := map[string]io.Reader{}
	var before <-chan struct{}
	for _, id := range order {
		g := &gated{r: bytes.NewReader(made[id]), wait: before, done: make(chan struct{})}
		before = g.done
		out[id] = g
	}
	return out
}

// Whatever the order in which renditions come, the outputs are right, and those of transport streams the same byte by byte.
func TestOrders(t *testing.T) {
	t.Parallel()
	made := encodeOnce(t, ladderInput, ladderStreams()...)
	ids := slices.Sorted(maps.Keys(made))
	reference := newMemory()
	if _, err := Run(t.Context(), ladder(), readers(made), reference, Options{}); err != nil {
		t.Fatal(err)
	}
	backwards := slices.Clone(ids)
	slices.Reverse(backwards)
	for name, order := range map[string][]string{
		"sound first":   {"a0", "a1", "f0", "v0", "v1"},
		"picture first": {"v1", "v0", "f0", "a1", "a0"},
		"backwards":     backwards,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			rep, err := Run(t.Context(), ladder(), inOrder(made, order), m, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for uri, want := range reference.objects {
				if !bytes.Equal(m.objects[uri], want) {
					t.Errorf("%s is not the same", uri)
				}
			}
			if name == "sound first" {
				checkLadder(t, m, rep)
			}
		})
	}
}

// fileOnly is a job of one file.
func fileOnly(video string, audio ...string) *plan.Plan {
	p := &plan.Plan{Files: []plan.File{{Location: loc("film.mp4"), Video: video, Audio: audio}}}
	if video != "" {
		p.Renditions = append(p.Renditions, plan.Rendition{ID: video, Video: &plan.Video{}})
	}
	for _, id := range audio {
		p.Renditions = append(p.Renditions, plan.Rendition{ID: id, Audio: &plan.Audio{}})
	}
	return p
}

// heavyVideo is a picture stream of more than 16 MiB, twice what a queue holds, and its sound.
func heavyVideo(t testing.TB) map[string][]byte {
	return encodeOnce(t, "-f lavfi -i testsrc2=s=480x270:r=25:d=4,noise=alls=60:allf=t -f lavfi -i sine=d=4:r=48000",
		stream{"v0", "-map 0:v -qp 8 " + videoArgs + keyEvery("2")}, stream{"a0", "-map 1:a " + audioArgs})
}

// shortFilm is three seconds of a small picture and a tone.
func shortFilm(t testing.TB) map[string][]byte {
	return encodeOnce(t, "-f lavfi -i testsrc2=s=160x90:r=25:d=3 -f lavfi -i sine=d=3:r=48000",
		stream{"v0", "-map 0:v " + videoArgs + keyEvery("1")}, stream{"a0", "-map 1:a " + audioArgs})
}

// A file is written whatever the drift, within bounded memory; a transport stream says that it cannot be.
func TestDrift(t *testing.T) {
	t.Parallel()
	made := heavyVideo(t)
	if len(made["v0"]) < 2*queueLimit {
		t.Fatalf("only %d bytes of picture", len(made["v0"]))
	}
	for _, order := range [][]string{{"v0", "a0"}, {"a0", "v0"}} {
		m := newMemory()
		rep, err := Run(t.Context(), fileOnly("v0", "a0"), inOrder(made, order), m, Options{MemoryLimit: 1, PartSize: minPartSize})
		if err != nil {
			t.Fatal(err)
		}
		decode(t, filepath.Join(save(t, m), "film.mp4"))
		if limit := int64(queueLimit + (1+3)*minPartSize + inflightLimit); rep.PeakBytes > limit {
			t.Errorf("%v: held %d bytes, more than %d", order, rep.PeakBytes, limit)
		}
	}
	p := hlsOnly("v0", "a0")
	m := newMemory()
	in := map[string]io.Reader{}
	r, w := io.Pipe() // sound never comes
	defer w.Close()
	in["v0"], in["a0"] = bytes.NewReader(made["v0"]), r
	_, err := Run(t.Context(), p, in, m, Options{MemoryLimit: 12 << 20})
	if !errors.Is(err, ErrDrift) {
		t.Errorf("got %v, want ErrDrift", err)
	}
	for uri := range m.objects {
		if strings.HasSuffix(uri, ".m3u8") {
			t.Errorf("%s was written", uri)
		}
	}
	m = newMemory()
	if _, err := Run(t.Context(), p, inOrder(made, []string{"v0", "a0"}), m, Options{}); err != nil {
		t.Errorf("within the limit: %v", err)
	}
}

func hlsOnly(video string, audio ...string) *plan.Plan {
	p := fileOnly(video, audio...)
	p.Files = nil
	p.Streams = []plan.StreamGroup{hlsGroup("film", 1, variant("film_v", 0, "", video, audio...))}
	p.Streams[0].Cut.MinimumFinal = 0
	return p
}

// A stalled store stops the readers, holds little, and lets go when the context ends; no goroutine is left behind.
func TestStalledSink(t *testing.T) {
	t.Parallel()
	made := heavyVideo(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("the operator had enough")
		m := newMemory()
		m.before = func(ctx context.Context, kind, uri string) error {
			if kind != "part" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		const seconds = 60
		video := newEndless(t, made["v0"], seconds)
		in := map[string]io.Reader{"v0": video, "a0": newEndless(t, made["a0"], seconds)}
		returned := make(chan struct{})
		var rep *Report
		var err error
		go func() {
			defer close(returned)
			rep, err = Run(ctx, everything(), in, m, Options{PartSize: minPartSize})
		}()
		synctest.Wait() // until nothing moves any more
		select {
		case <-returned:
			t.Fatalf("returned with %v", err)
		default:
		}
		if video.second == seconds {
			t.Error("everything was read")
		}
		cancel(stop)
		<-returned
		if !errors.Is(err, stop) {
			t.Errorf("got %v, want the cause of the context's end", err)
		}
		if m.created == 0 || m.aborted != m.created || len(m.open) > 0 || len(rep.Orphans) > 0 {
			t.Errorf("%d uploads begun, %d aborted, %d orphans", m.created, m.aborted, len(rep.Orphans))
		}
		if len(m.objects) > 0 {
			t.Errorf("objects were written: %v", m.order)
		}
		// Two queues, what two objects hold, what is being uploaded, and a batch here and there.
		if limit := int64(2*queueLimit + 2*2*(minPartSize+1<<20) + inflightLimit + 4<<20); rep.PeakBytes > limit {
			t.Errorf("held %d bytes, more than %d", rep.PeakBytes, limit)
		}
	})
}

// Neither success nor failure leaves a goroutine behind.
func TestGoroutinesEnd(t *testing.T) {
	t.Parallel()
	made := shortFilm(t)
	for _, kind := range []string{"", "put", "create"} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.before = func(ctx context.Context, k, uri string) error {
				if k == kind {
					return errors.New("the store broke")
				}
				return nil
			}
			if _, err := Run(t.Context(), everything(), readers(made), m, Options{}); (err != nil) != (kind == "put") {
				t.Errorf("%q: %v", kind, err)
			}
		})
	}
}

// Every kind of request that fails ends the job, leaves no upload open and no playlist or file behind.
func TestSinkFailures(t *testing.T) {
	t.Parallel()
	made := heavyVideo(t)
	p := hlsOnly("v0", "a0")
	p.Files = fileOnly("v0", "a0").Files
	// Segments of more than one part.
	p.Streams[0].Cut.Length = 2 * time.Second
	broken := errors.New("the store broke")
	for _, kind := range []string{"put", "create", "part", "complete"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			var once sync.Once
			m.before = func(ctx context.Context, k, uri string) error {
				err := error(nil)
				if k == kind {
					once.Do(func() { err = broken })
				}
				return err
			}
			rep, err := Run(t.Context(), p, readers(made), m, Options{PartSize: minPartSize})
			if !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
			if len(m.open) > 0 || len(rep.Orphans) > 0 {
				t.Errorf("%d uploads are open; report of %d orphans", len(m.open), len(rep.Orphans))
			}
			for _, uri := range m.order {
				if uri == "s3://b/film.m3u8" {
					t.Errorf("%s was written", uri)
				}
			}
			if len(rep.Objects) != len(m.objects) {
				t.Errorf("report of %d objects, %d are there", len(rep.Objects), len(m.objects))
			}
			if rep.Playlists != nil {
				t.Errorf("report of playlists %v", rep.Playlists)
			}
		})
	}
	t.Run("abort", func(t *testing.T) {
		t.Parallel()
		m := newMemory()
		m.before = func(ctx context.Context, k, uri string) error {
			if k == "part" || k == "abort" {
				return broken
			}
			return nil
		}
		rep, err := Run(t.Context(), fileOnly("v0", "a0"), readers(made), m, Options{PartSize: minPartSize})
		if !errors.Is(err, broken) || len(rep.Orphans) != 1 || rep.Orphans[0].Location != loc("film.mp4") || !errors.Is(rep.Orphans[0].Err, broken) {
			t.Errorf("got %v, orphans %v", err, rep.Orphans)
		}
	})
}

// An encoder that fails after its pipes have ended leaves no file and no playlist.
func TestEncoderFails(t *testing.T) {
	t.Parallel()
	made := shortFilm(t)
	failed := errors.New("exit status 1")
	p := hlsOnly("v0", "a0")
	p.Files = fileOnly("v0", "a0").Files
	m := newMemory()
	_, err := Run(t.Context(), p, readers(made), m, Options{Ended: func(context.Context) error { return failed }})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	for _, uri := range m.order {
		if !strings.HasSuffix(uri, ".ts") {
			t.Errorf("%s was written", uri)
		}
	}
}

func TestBadRenditions(t *testing.T) {
	t.Parallel()
	made := shortFilm(t)
	for _, tt := range []struct {
		name   string
		change func(in map[string]io.Reader, p *plan.Plan)
		want   string
	}{
		{"no reader", func(in map[string]io.Reader, p *plan.Plan) { delete(in, "a0") }, "a0 has no reader"},
		{"empty", func(in map[string]io.Reader, p *plan.Plan) { in["a0"] = strings.NewReader("") }, "a0 is empty"},
		{"no samples", func(in map[string]io.Reader, p *plan.Plan) {
			in["a0"] = bytes.NewReader(made["a0"][:bytes.Index(made["a0"], []byte("moof"))-4])
		}, "a0 has no samples"},
		{"cut off", func(in map[string]io.Reader, p *plan.Plan) {
			in["v0"] = bytes.NewReader(made["v0"][:len(made["v0"])/2])
		}, "read rendition v0"},
		{"exchanged", func(in map[string]io.Reader, p *plan.Plan) { in["v0"], in["a0"] = in["a0"], in["v0"] }, "a track of"},
		{"text", func(in map[string]io.Reader, p *plan.Plan) {
			in["a0"] = strings.NewReader("Error opening input: no such file")
		}, "read rendition a0"},
		{"unknown to the plan", func(in map[string]io.Reader, p *plan.Plan) { p.Files[0].Video = "v9" }, `no rendition "v9"`},
		{"of another kind", func(in map[string]io.Reader, p *plan.Plan) { p.Files[0].Video = "a0" }, "not of the kind"},
		{"nothing to write", func(in map[string]io.Reader, p *plan.Plan) { p.Files[0].Video, p.Files[0].Audio = "", nil }, "without a rendition"},
		{"no PID", func(in map[string]io.Reader, p *plan.Plan) { p.Streams[0].Representations[0].TS.AudioPIDs = nil }, "0 PIDs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := hlsOnly("v0", "a0")
			p.Files = fileOnly("v0", "a0").Files
			in := readers(made)
			tt.change(in, p)
			m := newMemory()
			rep, err := Run(t.Context(), p, in, m, Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if rep == nil {
				t.Error("no report")
			}
			for _, uri := range m.order {
				if strings.HasSuffix(uri, ".m3u8") {
					t.Errorf("%s was written", uri)
				}
			}
		})
	}
}

// A pipe that hangs is closed when something else fails, so that Run returns.
func TestHangingPipe(t *testing.T) {
	t.Parallel()
	made := shortFilm(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	in := readers(made)
	in["v0"] = bytes.NewReader(made["v0"][:1000])
	in["a0"] = r
	if _, err := Run(t.Context(), fileOnly("v0", "a0"), in, newMemory(), Options{}); err == nil || !strings.Contains(err.Error(), "v0") {
		t.Errorf("got %v", err)
	}
	// Also one that the job gives up before it begins.
	r2, w2, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w2.Close()
	if _, err := Run(t.Context(), fileOnly("v0", "a0"), map[string]io.Reader{"v0": r2}, newMemory(), Options{}); err == nil {
		t.Error("no error without a reader for a0")
	}
	if _, err := r2.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the other reader was not closed: %v", err)
	}
}
