package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/lease"
)

// Limits of probes.
const (
	// MaxProbes is how many may wait or run at once.
	MaxProbes = 64
	// ProbeDeadline is how long somebody waits for one.
	ProbeDeadline = 60 * time.Second
)

// ErrProbeDeadline is returned by Probes.Do.
var ErrProbeDeadline = errors.New("no worker answered in time")

// Probes hands files to look into to workers while somebody waits for the answer. Nothing of it outlives the wait: a probe whose asker
// is gone is taken back, and what its worker says then is refused. The zero value is not usable. It is safe for concurrent use.
type Probes struct {
	fresh chan *probe // handed over, never stored: whom nobody waits for, no worker gets

	mu   sync.Mutex // guards open
	open map[string]*probe
}

type probe struct {
	lease.Probe
	end chan lease.Probed
}

var _ lease.Prober = (*Probes)(nil)

// NewProbes makes the exchange of probes.
func NewProbes() *Probes {
	return &Probes{fresh: make(chan *probe), open: map[string]*probe{}}
}

// Do gives a probe to a worker and waits for what it finds. It returns job.ErrBusy when MaxProbes wait, and ErrProbeDeadline. The id is Do's own to choose.
func (p *Probes) Do(ctx context.Context, of lease.Probe) (lease.Probed, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, ProbeDeadline, ErrProbeDeadline)
	defer cancel()
	of.ID = rand.Text()
	mine := &probe{Probe: of, end: make(chan lease.Probed, 1)}
	p.mu.Lock()
	if len(p.open) >= MaxProbes {
		p.mu.Unlock()
		return lease.Probed{}, job.ErrBusy
	}
	p.open[of.ID] = mine
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, of.ID)
	}()
	select {
	case p.fresh <- mine:
	case <-ctx.Done():
		return lease.Probed{}, context.Cause(ctx)
	}
	select {
	case found := <-mine.end:
		return found, nil
	case <-ctx.Done():
		return lease.Probed{}, context.Cause(ctx)
	}
}

// Find returns the probe that somebody waits for under an id.
func (p *Probes) Find(id string) (lease.Probe, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mine := p.open[id]; mine != nil {
		return mine.Probe, true
	}
	return lease.Probe{}, false
}

// NextProbe implements lease.Prober.
func (p *Probes) NextProbe(ctx context.Context, _ string) (*lease.Probe, error) {
	select {
	case next := <-p.fresh:
		given := next.Probe
		return &given, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// EndProbe implements lease.Prober. The first answer counts.
func (p *Probes) EndProbe(_ context.Context, id string, found lease.Probed) error {
	p.mu.Lock()
	mine := p.open[id]
	p.mu.Unlock()
	if mine == nil {
		return lease.ErrLost
	}
	select {
	case mine.end <- found:
		return nil
	default:
		return lease.ErrLost
	}
}
