package egresstest

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Trap takes every connection that comes to some ports of this machine, at whatever address, notes which one it came to, and hangs up.
type Trap struct {
	Port int

	ports   []int
	mu      sync.Mutex // guards reached
	reached []arrival
}

type arrival struct{ at, from netip.AddrPort }

// Listen sets a trap on a port that is free, and on others as far as they can be had.
func Listen(t *testing.T, others ...int) *Trap {
	t.Helper()
	trap := &Trap{}
	for i, port := range append([]int{0}, others...) {
		l, err := net.Listen("tcp", "[::]:"+strconv.Itoa(port))
		if err != nil {
			l, err = net.Listen("tcp", "0.0.0.0:"+strconv.Itoa(port)) // without IPv6
		}
		if err != nil && i == 0 {
			t.Fatal(err)
		}
		if err != nil {
			continue
		}
		trap.ports = append(trap.ports, l.Addr().(*net.TCPAddr).Port)
		trap.serve(t, l)
	}
	trap.Port = trap.ports[0]
	return trap
}

func (tr *Trap) serve(t *testing.T, l net.Listener) {
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.mu.Lock()
			tr.reached = append(tr.reached, arrival{plain(c.LocalAddr()), plain(c.RemoteAddr())})
			tr.mu.Unlock()
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
}

func plain(a net.Addr) netip.AddrPort {
	at := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// Reached returns the addresses that were connected to since it was last asked. A connection that was made before the call is among them.
func (tr *Trap) Reached(t *testing.T) []netip.AddrPort {
	t.Helper()
	var own []netip.AddrPort
	for _, port := range tr.ports {
		// Connections are accepted in order: when one of our own has been, all before it have.
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Read(make([]byte, 1)) // until it hangs up
		own = append(own, plain(c.LocalAddr()))
		_ = c.Close()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var out []netip.AddrPort
	for _, a := range tr.reached {
		if !slices.Contains(own, a.from) {
			out = append(out, a.at)
		}
	}
	tr.reached = nil
	return out
}
