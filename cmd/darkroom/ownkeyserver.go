package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"darkroom/internal/cenc"
	"darkroom/internal/contentkeys"
	"darkroom/internal/egress"
	"darkroom/internal/speke"
	"darkroom/internal/uri"
)

// ownKeyServer says whether an address that a job names is one of those that the operator gave the key server in the box: that of the listener, a name of hosts at
// its port, or keyserver_url. Whoever answers at any other may pass on to the listener what is signed for it.
func (s *server) ownKeyServer(text string) bool {
	at := s.listening.Load()
	if !s.cfg.KeyServer || at == nil {
		return false
	}
	asked, err := uri.Parse(text)
	if err != nil || asked.Scheme != "https" {
		return false
	}
	same := func(address string) bool {
		own, err := uri.Parse(address)
		return err == nil && own.Scheme == asked.Scheme && own.Hostname() == asked.Hostname() && cmp.Or(own.Port(), "443") == cmp.Or(asked.Port(), "443")
	}
	if same(*at) || same(s.cfg.KeyServerURL) {
		return true
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(*at, "https://"))
	return err == nil && slices.ContainsFunc(s.cfg.Hosts, func(host string) bool { return same("https://" + net.JoinHostPort(host, port)) })
}

// boxed asks the key server in the box as jobs ask any other: over SPEKE, by the URL of the listener, signed with the role of the job. Where a key server
// is served beside jobs, this one way to the listener is open to them, and its authority trusted, without a word of the configuration; all other key
// servers go by what the configuration opens.
type boxed struct {
	s      *server
	others contentkeys.Asker

	mu  sync.Mutex        // guards own; held while it is made
	own contentkeys.Asker // nil before a job has asked, for the listener is not there earlier
}

// Keys implements contentkeys.Asker.
func (b *boxed) Keys(ctx context.Context, q speke.Query) ([]cenc.Protection, error) {
	at := b.s.listening.Load()
	if at == nil || !strings.HasPrefix(q.URL, *at+"/") {
		return b.others.Keys(ctx, q)
	}
	own, err := b.client(strings.TrimPrefix(*at, "https://"))
	if err != nil {
		return nil, err
	}
	return own.Keys(ctx, q)
}

// client is what asks at the listener. One that could not be made is tried again for the next job: a file may have been missing for a moment.
func (b *boxed) client(address string) (contentkeys.Asker, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own == nil {
		own, err := b.open(address)
		if err != nil {
			return nil, err
		}
		b.own = own
	}
	return b.own, nil
}

func (b *boxed) open(address string) (contentkeys.Asker, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("the address of the listener: %w", err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the port of the listener: %w", err)
	}
	o := b.s.egress
	o.Record = b.s.dials.record
	if ip, err := netip.ParseAddr(host); err == nil {
		// A name is that of another machine's point of view; it goes by the configuration.
		net := netip.PrefixFrom(ip, ip.BitLen())
		o.Rules = append(o.Rules[:len(o.Rules):len(o.Rules)], egress.Rule{Net: net, Ports: []int{int(port)}, For: []egress.Purpose{egress.SPEKE}})
	}
	if trusted := b.s.authorities(); trusted != systemAuthorities {
		text, err := egress.ReadAuthorities(filepath.Join(b.s.cfg.Data, trusted))
		if err != nil {
			return nil, err
		}
		o.Authorities = append(o.Authorities[:len(o.Authorities):len(o.Authorities)], text...)
	}
	door, err := egress.New(o)
	if err != nil {
		return nil, err
	}
	return openKeyServers(b.s.cfg, door)
}
