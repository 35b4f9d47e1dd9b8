package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// runner sets a job up, waits for it and cleans up after it.
type runner struct {
	*job
	plan   *plan.Plan
	inputs map[string]io.Reader

	subscriptions []*subscription // one for each rendition, in the plan's order
	byID          map[string]*subscription
	packages      []*pack
	pace          *pace
	groups        []*streamGroup
	sidecars      []sidecar
	ivs           *cenc.IVs
	outputs       []*Output
	manifests     []plan.Location // written, those of each group together
}

// subscription says who wants a rendition.
type subscription struct {
	rendition *plan.Rendition
	reader    io.Reader   // nil where there are tracks
	track     TrackReader // nil for pictures
	takers    []taker
	images    []*representation
	captures  []*plan.Capture
	outputs   []*Output // of the captures
}

// taker is a track of a queue.
type taker struct {
	q      *queue
	index  int
	timing bool
}

// pack is a package with its goroutine.
type pack struct {
	queue *queue
	run   func() error
}

func (r *runner) prepare() error {
	for i := range r.plan.Renditions {
		d := &r.plan.Renditions[i]
		s := &subscription{rendition: d, reader: r.inputs[d.ID], track: r.o.Tracks[d.ID]}
		switch {
		case s.reader == nil && (s.track == nil || d.Frames != nil):
			return fmt.Errorf("rendition %s has no reader", d.ID)
		case s.reader != nil && s.track != nil:
			return fmt.Errorf("rendition %s has two readers", d.ID)
		case r.byID[d.ID] != nil:
			return fmt.Errorf("rendition %s stands in the plan twice", d.ID)
		case s.track != nil:
			r.pace.join(s)
		case d.Frames == nil:
			s.track = cmaf.NewReader(s.reader)
		}
		r.subscriptions = append(r.subscriptions, s)
		r.byID[d.ID] = s
	}
	for i := range r.plan.Files {
		if err := r.prepareFile(&r.plan.Files[i]); err != nil {
			return err
		}
	}
	for i := range r.plan.Captures {
		c := &r.plan.Captures[i]
		s, err := r.find(c.Rendition, 0)
		if err != nil {
			return err
		}
		s.captures = append(s.captures, c)
		s.outputs = append(s.outputs, r.output(c.Group, c.Output))
	}
	var err error
	if r.ivs, err = cenc.NewIVs(r.o.Random); err != nil {
		return err
	}
	for i := range r.plan.Streams {
		g, err := r.prepareGroup(&r.plan.Streams[i])
		if err != nil {
			return err
		}
		r.groups = append(r.groups, g)
	}
	for i := range r.plan.Sidecars {
		if err := r.prepareSidecar(&r.plan.Sidecars[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) output(group, output int) *Output {
	o := &Output{Group: group, Output: output}
	r.outputs = append(r.outputs, o)
	return o
}

// find returns a rendition of a kind; 0 is pictures.
func (r *runner) find(id string, kind media.Kind) (*subscription, error) {
	s := r.byID[id]
	if s == nil {
		return nil, fmt.Errorf("the plan has no rendition %q", id)
	}
	if kindOf(s.rendition) != kind {
		return nil, fmt.Errorf("rendition %s is not of the kind that its package wants", id)
	}
	return s, nil
}

func kindOf(d *plan.Rendition) media.Kind {
	switch {
	case d.Video != nil:
		return media.Video
	case d.Audio != nil:
		return media.Audio
	}
	return 0
}

// want is a track that a package takes.
type want struct {
	id     string
	kind   media.Kind
	timing bool // its times alone
}

// wanted are the tracks of a package of a video, when there is one, and sound.
func wanted(video string, audio []string) []want {
	var wants []want
	if video != "" {
		wants = append(wants, want{video, media.Video, false})
	}
	for _, id := range audio {
		wants = append(wants, want{id, media.Audio, false})
	}
	return wants
}

// subscribe makes the queue of a package of tracks.
func (r *runner) subscribe(wants []want, patient bool) (*feed, []string, error) {
	if len(wants) == 0 {
		return nil, nil, errors.New("an output without a rendition")
	}
	q := newQueue(r.job, len(wants), patient)
	ids := make([]string, len(wants))
	for i, w := range wants {
		s, err := r.find(w.id, w.kind)
		if err != nil {
			return nil, nil, err
		}
		s.takers = append(s.takers, taker{q, i, w.timing})
		ids[i] = w.id
	}
	r.queues = append(r.queues, q)
	return newFeed(q), ids, nil
}

func (r *runner) prepareFile(p *plan.File) error {
	feed, ids, err := r.subscribe(wanted(p.Video, p.Audio), false)
	if err != nil {
		return fmt.Errorf("output %s: %w", p.URI(), err)
	}
	f := &file{j: r.job, plan: p, feed: feed, ids: ids, out: r.output(p.Group, p.Output)}
	r.packages = append(r.packages, &pack{feed.q, f.run})
	return nil
}

// work starts everything and waits for all of it.
func (r *runner) work() error {
	stop := context.AfterFunc(r.ctx, func() {
		err := r.err()
		r.gate.close()
		r.pace.end()
		for _, q := range r.queues {
			q.fail(err)
		}
		r.closeReaders()
	})
	defer stop()
	var readers, packages sync.WaitGroup
	for _, s := range r.subscriptions {
		readers.Go(func() {
			if err := r.read(s); err != nil {
				r.fail(err)
			}
		})
	}
	for _, p := range r.packages {
		packages.Go(func() {
			err := p.run()
			if err != nil {
				r.fail(err)
			}
			p.queue.close()
		})
	}
	readers.Wait()
	if r.err() == nil && r.o.Ended != nil {
		if err := r.o.Ended(r.ctx); err != nil {
			r.fail(err)
		}
	}
	if r.err() == nil {
		close(r.ended)
	}
	packages.Wait()
	r.wg.Wait()
	if r.err() == nil {
		if err := r.writeCaptions(); err != nil {
			r.fail(err)
		}
	}
	if r.err() == nil {
		if err := r.writeManifests(); err != nil {
			r.fail(err)
		}
	}
	return r.err()
}

// closeReaders makes every Read that waits return; what Close itself says changes nothing.
func (r *runner) closeReaders() {
	for _, reader := range r.inputs {
		if c, ok := reader.(io.Closer); ok {
			_ = c.Close()
		}
	}
}

// read carries one rendition from its reader to those who want it.
func (r *runner) read(s *subscription) error {
	if s.rendition.Frames != nil {
		return r.capture(s)
	}
	defer r.pace.leave(s)
	id := s.rendition.ID
	t, err := s.track.Track()
	if err == io.EOF {
		return fmt.Errorf("rendition %s is empty", id)
	}
	if err != nil {
		return fmt.Errorf("read rendition %s: %w", id, err)
	}
	if t.Kind != kindOf(s.rendition) {
		return fmt.Errorf("read rendition %s: a track of %v", id, t.Kind)
	}
	for _, k := range s.takers {
		k.q.begin(k.index, t)
	}
	for first := true; ; first = false {
		b := r.batches.take()
		err := s.track.Read(&b)
		if err == io.EOF && !first {
			break
		}
		if err == io.EOF {
			return fmt.Errorf("rendition %s has no samples", id)
		}
		if err != nil {
			return fmt.Errorf("read rendition %s: %w", id, err)
		}
		at := decodedAt(t, &b.Samples[len(b.Samples)-1])
		if err := r.share(s, b); err != nil {
			return err
		}
		r.pace.wait(s, at)
	}
	for _, k := range s.takers {
		k.q.end(k.index)
	}
	return nil
}

// share gives a batch to all takers.
func (r *runner) share(s *subscription, memory media.Batch) error {
	b := newBatch(&r.meter, memory.Samples, len(s.takers)+1)
	b.memory, b.home = memory, &r.batches
	defer b.release()
	var failed error
	for _, k := range s.takers {
		given := b
		if k.timing {
			given = b.timing()
			b.release()
		}
		if err := k.q.push(k.index, given); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// report says what there is, and gives up what is unfinished. Its context has not ended.
func (r *runner) report(ctx context.Context, failed error) (*Report, error) {
	rep := &Report{PeakBytes: r.meter.peak.Load()}
	if failed != nil && len(r.open) > 0 {
		ctx, cancel := context.WithTimeout(ctx, abortTimeout)
		defer cancel()
		var mu sync.Mutex // guards rep.Orphans
		var wg sync.WaitGroup
		for o := range r.open {
			wg.Go(func() {
				if err := o.abort(ctx); err != nil {
					mu.Lock()
					rep.Orphans = append(rep.Orphans, Orphan{o.loc, err})
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	for _, o := range r.outputs {
		rep.add(o)
	}
	rep.Objects = r.objects
	if failed == nil {
		rep.Playlists = r.manifests
	}
	return rep, failed
}
