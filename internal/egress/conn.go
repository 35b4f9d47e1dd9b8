package egress

import (
	"context"
	"net"
	"time"

	"golang.org/x/time/rate"
)

// bounds are what a connection is held to.
type bounds struct {
	answer time.Duration // how long an answer may take to begin after the request was sent
	stall  time.Duration // how long nothing may move
	life   time.Duration // how long it lives at most; its user takes up again where it was. 0: as long as something moves
	hosts  int           // connections to one host, for each subject
}

var (
	// A store may take minutes to join a large upload, and an upload that breaks cannot be taken up.
	storageBounds = bounds{answer: 5 * time.Minute, stall: 5 * time.Minute, hosts: 256}
	otherBounds   = bounds{answer: 30 * time.Second, stall: 90 * time.Second, life: time.Hour, hosts: 16}
)

func boundsOf(p Purpose) bounds {
	if p == Storage {
		return storageBounds
	}
	return otherBounds
}

// rateBurst is the most that is read at once where there is a rate.
const rateBurst = 64 << 10

// guarded is a connection that gives up when nothing moves, ends after its life, and takes in no more than its rate.
type guarded struct {
	net.Conn
	stall time.Duration
	until time.Time // zero: no end
	rate  *rate.Limiter
	ctx   context.Context // ends with the connection; it is a wait's only way to hear of Close
	end   context.CancelFunc
}

func (d *Door) guard(p Purpose, c net.Conn) net.Conn {
	b := boundsOf(p)
	g := &guarded{Conn: c, stall: b.stall}
	g.ctx, g.end = context.WithCancel(context.Background())
	if b.life > 0 {
		g.until = time.Now().Add(b.life)
	}
	if d.rate > 0 {
		g.rate = rate.NewLimiter(rate.Limit(d.rate), rateBurst)
		g.rate.AllowN(time.Now(), rateBurst) // nothing was saved up before it began
	}
	return g
}

// deadline is when a read or write that begins now gives up.
func (g *guarded) deadline() time.Time {
	at := time.Now().Add(g.stall)
	if !g.until.IsZero() && g.until.Before(at) {
		return g.until
	}
	return at
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.rate != nil {
		p = p[:min(len(p), rateBurst)]
	}
	if err := g.Conn.SetReadDeadline(g.deadline()); err != nil {
		return 0, err
	}
	n, err := g.Conn.Read(p)
	if g.rate != nil && n > 0 && err == nil {
		if g.rate.WaitN(g.ctx, n) != nil {
			err = net.ErrClosed
		}
	}
	return n, err
}

func (g *guarded) Write(p []byte) (int, error) {
	if err := g.Conn.SetWriteDeadline(g.deadline()); err != nil {
		return 0, err
	}
	n, err := g.Conn.Write(p)
	if n > 0 { // what is written moves too: the answer to a long request is waited for from its end
		_ = g.Conn.SetReadDeadline(g.deadline())
	}
	return n, err
}

func (g *guarded) Close() error {
	g.end()
	return g.Conn.Close()
}
