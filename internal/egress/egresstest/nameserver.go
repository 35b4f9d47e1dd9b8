package egresstest

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// NameServer answers for the Zone, and says that localhost and all below it is loopback. Nothing else exists.
type NameServer struct {
	conn net.PacketConn

	mu    sync.Mutex // guards asked
	asked map[string]int
}

// Serve starts a name server at an address, such as 127.0.0.1:0.
func Serve(t *testing.T, address string) *NameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &NameServer{conn: conn, asked: map[string]int{}}
	var serving sync.WaitGroup
	serving.Go(s.serve)
	t.Cleanup(func() { _ = conn.Close(); serving.Wait() })
	return s
}

// Resolver asks this server alone.
func (s *NameServer) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// Forget begins the lists of Names anew.
func (s *NameServer) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.asked)
}

func (s *NameServer) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var p dnsmessage.Parser
		h, err := p.Start(buffer[:n])
		if err != nil {
			continue
		}
		q, err := p.Question()
		if err != nil {
			continue
		}
		if answer, err := s.answer(h.ID, q); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

// lookup returns the addresses of a name for a question, and whether the name exists.
func (s *NameServer) lookup(q dnsmessage.Question) ([]netip.Addr, bool) {
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "metadata.google.internal" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, true
	}
	label, ok := strings.CutSuffix(name, "."+Zone)
	sets := Names[label]
	if !ok || sets == nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A resolver asks for both kinds of addresses in one lookup.
	key := label + " " + q.Type.String()
	n := s.asked[key]
	s.asked[key]++
	return sets[min(n, len(sets)-1)], true
}

func (s *NameServer) answer(id uint16, q dnsmessage.Question) ([]byte, error) {
	addresses, exists := s.lookup(q)
	h := dnsmessage.Header{ID: id, Response: true, Authoritative: true, RecursionAvailable: true}
	if !exists {
		h.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, h)
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(q); err != nil {
		return nil, err
	}
	if err := b.StartAnswers(); err != nil {
		return nil, err
	}
	rh := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}
	for _, a := range addresses {
		var err error
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			err = b.AResource(rh, dnsmessage.AResource{A: a.As4()})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			err = b.AAAAResource(rh, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
		if err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// SystemNameServers serves at every address that this machine asks for names; for Alone, where they are all its own.
func SystemNameServers(t *testing.T) []*NameServer {
	t.Helper()
	addresses := []string{"127.0.0.1", "::1"} // of a machine that names none
	if text, err := os.ReadFile("/etc/resolv.conf"); err == nil {
		var named []string
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
				named = append(named, f[1])
			}
		}
		if len(named) > 0 {
			addresses = named
		}
	}
	var out []*NameServer
	for _, a := range addresses {
		out = append(out, Serve(t, net.JoinHostPort(a, "53")))
	}
	return out
}
