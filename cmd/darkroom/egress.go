package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/gateway"
	"darkroom/internal/lease"
	"darkroom/internal/queue"
)

// egressOptions are what the configuration opens.
func egressOptions(c config.Egress) (egress.Options, error) {
	o := egress.Options{Rate: c.Rate}
	for i, a := range c.Allow {
		net, err := netip.ParsePrefix(a.Net)
		if err != nil {
			return o, fmt.Errorf("egress.allow[%d].net: %w", i, err)
		}
		o.Rules = append(o.Rules, egress.Rule{Net: net, Ports: a.Ports, For: purposes(a.For)})
	}
	for i, r := range c.Restrict {
		out := egress.Restriction{For: purposes(r.For), Hosts: r.Hosts, Ports: r.Ports}
		for _, n := range r.Nets {
			net, err := netip.ParsePrefix(n)
			if err != nil {
				return o, fmt.Errorf("egress.restrict[%d].nets: %w", i, err)
			}
			out.Nets = append(out.Nets, net)
		}
		o.Restrictions = append(o.Restrictions, out)
	}
	var err error
	if o.Authorities, err = egress.ReadAuthorities(c.CAFile); err != nil {
		return o, err
	}
	_, err = egress.New(o) // what is wrong with it is said at the start
	return o, err
}

func purposes(names []string) (out []egress.Purpose) {
	for _, n := range names {
		out = append(out, egress.Purpose(n))
	}
	return out
}

// dials writes every connection to the outside into the audit trail: those of the server itself, and those that its workers tell of before they make
// them. A connection that cannot be written down is not made.
type dials struct {
	region string
	queue  *queue.Queue
	probes *queue.Probes
	// watched hears what became of them.
	watched *observer

	mu      sync.Mutex // guards what follows; held while what waited is written
	trail   func(context.Context, audit.ServiceEvent) error
	waiting []audit.ServiceEvent
}

// maxWaiting is how many connections may be made before there is a trail to write them to: those that the records cannot be opened without.
const maxWaiting = 1000

// open gives the trail, and writes what waited for it.
func (d *dials) open(ctx context.Context, trail func(context.Context, audit.ServiceEvent) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.waiting {
		if err := trail(ctx, r); err != nil {
			return fmt.Errorf("write down the first connections: %w", err)
		}
	}
	d.waiting, d.trail = nil, trail
	return nil
}

func (d *dials) write(ctx context.Context, r audit.ServiceEvent) error {
	d.mu.Lock()
	trail := d.trail
	if trail == nil {
		defer d.mu.Unlock()
		if len(d.waiting) >= maxWaiting {
			return errors.New("too many connections before there is an audit trail")
		}
		d.waiting = append(d.waiting, r)
		return nil
	}
	d.mu.Unlock()
	return trail(ctx, r)
}

// dialOutcomes in the words of the audit trail.
var dialOutcomes = map[egress.Outcome]audit.Outcome{
	egress.Denied: audit.Denied, egress.Intended: audit.Intended, egress.Connected: audit.Connected, egress.Failed: audit.Failed,
}

// connection is the record of a dial.
func connection(to lease.Dial) audit.ServiceEvent {
	return audit.ServiceEvent{
		Time: time.Now().UTC(), Service: "egress", Action: "Dial", Outcome: dialOutcomes[egress.Outcome(to.Outcome)], Reason: to.Why,
		Dial: &audit.Dial{Purpose: to.Purpose, Host: to.Host, Address: to.Address, Port: to.Port},
	}
}

// told is a dial as it is told.
func told(d egress.Dial) lease.Dial {
	out := lease.Dial{Purpose: string(d.Purpose), Host: d.Host, Port: int(d.Port), Outcome: string(d.Outcome), Why: string(d.Why)}
	if d.Address.IsValid() {
		out.Address = d.Address.String()
	}
	return out
}

// record implements egress.Options.Record for the server itself.
func (d *dials) record(ctx context.Context, to egress.Dial) error {
	said := told(to)
	d.watched.dialled(said)
	r := connection(said)
	caller := gateway.Caller(ctx)
	r.RequestID, r.Principal, r.AccessKeyID = gateway.RequestID(ctx), caller.ARN, caller.AccessKeyID
	if name, ok := serviceIn(ctx); ok {
		r.Principal, r.AccessKeyID, r.UserAgent = "", "", name
	}
	if on := egress.SubjectOf(ctx); on.Job != "" { // as when content keys are fetched for a job
		r.Resources = []string{arn.MediaConvert(d.region, on.Account, "jobs/"+on.Job)}
		if j := d.queue.Holder(on.Task, on.Epoch); j != nil {
			r.Principal = j.Role
		}
	}
	return d.write(ctx, r)
}

// Bounds of what a worker says of a connection.
const (
	maxDialHost = 255
	maxDialText = 128
)

// Dialled implements lease.Witness. Whose connection it is, the records say, not the worker: one that holds neither the task nor the probe dials for
// nobody.
func (d *dials) Dialled(ctx context.Context, to lease.Dial) error {
	if dialOutcomes[egress.Outcome(to.Outcome)] == "" || len(to.Host) > maxDialHost || max(len(to.Purpose), len(to.Address), len(to.Why)) > maxDialText {
		return errors.New("a worker tells of a connection in words that are none")
	}
	r := connection(to)
	switch p, waited := d.probes.Find(to.ProbeID); {
	case to.ProbeID != "" && waited:
		r.Principal = p.Caller
	case to.ProbeID != "":
		return lease.ErrLost
	default:
		j := d.queue.Holder(to.TaskID, to.Epoch)
		if j == nil {
			return lease.ErrLost
		}
		r.Principal, r.Resources = j.Role, []string{arn.MediaConvert(d.region, j.Account, "jobs/"+j.ID)}
	}
	d.watched.dialled(to)
	return d.write(ctx, r)
}

// tell has a worker's connections recorded by the control plane.
func tell(w lease.Witness) func(context.Context, egress.Dial) error {
	return func(ctx context.Context, d egress.Dial) error {
		on := egress.SubjectOf(ctx)
		to := told(d)
		to.TaskID, to.Epoch, to.ProbeID = on.Task, on.Epoch, on.Probe
		return w.Dialled(ctx, to)
	}
}
