package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"darkroom/internal/uri"
)

// Limits of a dial.
const (
	// DialTimeout is how long it may take, the name's resolution included.
	DialTimeout = 10 * time.Second
	// stagger is how long one address of a host has before the next is tried beside it (RFC 8305 section 5).
	stagger = 250 * time.Millisecond
	// maxAddresses is how many addresses of a name are tried.
	maxAddresses = 8
)

// Subject is on whose behalf a connection is made. Connections are shared only within one.
type Subject struct {
	Account string
	Job     string
	Task    string // of the job, with its epoch: who makes the connection has to hold it
	Epoch   int64
	Probe   string
}

type subjectKey struct{}

// For returns a context whose connections are made on behalf of s.
func For(ctx context.Context, s Subject) context.Context {
	return context.WithValue(ctx, subjectKey{}, s)
}

// SubjectOf returns on whose behalf the connections of ctx are made: the zero Subject is the service itself.
func SubjectOf(ctx context.Context) Subject {
	s, _ := ctx.Value(subjectKey{}).(Subject)
	return s
}

// Outcome is what became of a dial.
type Outcome string

// The outcomes. Refused stands alone; one of the last two follows each Intended.
const (
	Denied    Outcome = "denied" // nothing was sent to the address
	Intended  Outcome = "intended"
	Connected Outcome = "connected"
	Failed    Outcome = "failed"
)

// Dial is one connection, as it is recorded.
type Dial struct {
	Purpose Purpose
	Host    string         // as it was asked for, without the port
	Address netip.AddrPort // not valid when the host was refused before it was resolved
	Port    uint16
	Outcome Outcome
	Why     Why // of a denied one
}

// DialContext returns a function that dials TCP for a purpose, for clients of other protocols than HTTP. What it returns gives up when nothing moves for
// the time of that purpose.
func (d *Door) DialContext(p Purpose) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if network != "tcp" {
			return nil, fmt.Errorf("egress is TCP, not %s", network)
		}
		return d.dial(ctx, p, address)
	}
}

// dial resolves a host and connects to the first of its addresses that is allowed and answers. None that is refused is touched.
func (d *Door) dial(ctx context.Context, p Purpose, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	host, port, err := target(address)
	if err != nil {
		return nil, err
	}
	if !d.permits(p, host, netip.AddrPortFrom(host.Addr, port)) {
		return nil, d.refuse(ctx, &Refused{Purpose: p, Host: host.Name, Why: Restricted}, port)
	}
	addresses := []netip.Addr{host.Addr}
	if !host.Addr.IsValid() {
		if addresses, err = d.resolver.LookupNetIP(ctx, "ip", host.Name); err != nil {
			return nil, fmt.Errorf("resolve a name: %w", err)
		}
	}
	var allowed []netip.AddrPort
	var refused *Refused
	for _, a := range addresses {
		to := netip.AddrPortFrom(a.Unmap(), port)
		if err := d.check(p, host, to); err == nil && a.Zone() == "" {
			allowed = append(allowed, to)
		} else if refused == nil && !errors.As(err, &refused) {
			refused = &Refused{Purpose: p, Host: host.Name, Address: to, Why: NotPublic}
		}
	}
	switch {
	case len(allowed) > 0:
		return d.race(ctx, p, host, allowed[:min(len(allowed), maxAddresses)])
	case refused != nil:
		return nil, d.refuse(ctx, refused, port)
	}
	return nil, errors.New("resolve a name: it has no address")
}

// refuse records a refusal.
func (d *Door) refuse(ctx context.Context, r *Refused, port uint16) error {
	return errors.Join(r, d.record(ctx, Dial{Purpose: r.Purpose, Host: r.Host, Address: r.Address, Port: port, Outcome: Denied, Why: r.Why}))
}

// target reads HOST:PORT.
func target(address string) (uri.Host, uint16, error) {
	name, service, err := net.SplitHostPort(address)
	if err != nil {
		return uri.Host{}, 0, errors.New("egress to what is not HOST:PORT")
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return uri.Host{}, 0, errors.New("egress to a port that is not a number from 1 to 65535")
	}
	if address[0] == '[' {
		name = "[" + name + "]"
	}
	host, err := uri.ParseHost(name)
	if err != nil {
		return uri.Host{}, 0, fmt.Errorf("egress to a host that cannot be used: %w", err)
	}
	return host, uint16(port), nil
}

// race connects to the first address that answers. Each is begun when the one before it has failed or has had its time.
func (d *Door) race(ctx context.Context, p Purpose, host uri.Host, to []netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	running := 0
	begin := func() {
		at := to[0]
		to = to[1:]
		running++
		go func() {
			c, err := d.attempt(ctx, p, host, at)
			results <- result{c, err}
		}()
	}
	begin()
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	var first net.Conn
	var failed error
	for running > 0 {
		next := false
		select {
		case r := <-results:
			running--
			switch {
			case r.err != nil:
				failed = errors.Join(failed, r.err)
				next = true
			case first != nil:
				_ = r.conn.Close()
			default:
				first = r.conn
				cancel() // the others; those that got through nevertheless are closed above
			}
		case <-timer.C:
			next = true
		}
		if next && first == nil && len(to) > 0 && ctx.Err() == nil {
			begin()
			timer.Reset(stagger)
		}
	}
	if first == nil {
		return nil, failed
	}
	return d.guard(p, first), nil
}

// attempt records, dials and records.
func (d *Door) attempt(ctx context.Context, p Purpose, host uri.Host, to netip.AddrPort) (net.Conn, error) {
	said := Dial{Purpose: p, Host: host.Name, Address: to, Port: to.Port(), Outcome: Intended}
	if err := d.record(ctx, said); err != nil {
		return nil, fmt.Errorf("record a connection: %w", err)
	}
	dialer := &net.Dialer{Control: func(network, address string, _ syscall.RawConn) error {
		// Asked again of what is really dialled, a line before it is.
		at, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return fmt.Errorf("egress is TCP to an address, not %s", network)
		}
		return d.check(p, host, at)
	}}
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if said.Outcome = Connected; err != nil {
		said.Outcome = Failed
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), DialTimeout)
	defer cancel()
	if rerr := d.record(last, said); rerr != nil {
		if err == nil {
			_ = conn.Close()
		}
		return nil, errors.Join(fmt.Errorf("record a connection: %w", rerr), err)
	}
	return conn, err
}
