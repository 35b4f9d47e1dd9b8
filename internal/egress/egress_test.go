package egress

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"darkroom/internal/uri"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		address string
		want    bool
	}{
		{"1.1.1.1", true},
		{"8.8.8.8", true},
		{"52.216.0.1", true},
		{"100.63.255.255", true},
		{"100.128.0.0", true},
		{"172.15.0.1", true},
		{"172.32.0.1", true},
		{"192.167.1.1", true},
		{"223.255.255.255", true},
		{"2600:1f18::1", true},
		{"2a00:1450::1", true},
		{"::ffff:1.1.1.1", true},
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"10.1.2.3", false},
		{"172.16.0.1", false},
		{"172.31.255.255", false},
		{"192.168.0.1", false},
		{"169.254.169.254", false},
		{"100.64.0.1", false},
		{"100.127.255.255", false},
		{"192.0.0.192", false},
		{"192.0.2.1", false},
		{"198.18.0.1", false},
		{"198.51.100.7", false},
		{"203.0.113.7", false},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::127.0.0.1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:169.254.169.254", false},
		{"::ffff:0:127.0.0.1", false},
		{"64:ff9b::7f00:1", false},
		{"64:ff9b::808:808", false},
		{"64:ff9b:1::1", false},
		{"100::1", false},
		{"2001::1", false},
		{"2001:0:102:304::1", false},
		{"2001:db8::1", false},
		{"2002:7f00:1::", false},
		{"2002:808:808::", false},
		{"3fff::1", false},
		{"5f00::1", false},
		{"fc00::1", false},
		{"fd00:ec2::254", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"fec0::1", false},
		{"ff02::1", false},
	}
	for _, tt := range tests {
		if got := public(netip.MustParseAddr(tt.address)); got != tt.want {
			t.Errorf("public(%s) = %t, want %t", tt.address, got, tt.want)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	rule := func(network string, ports []int, purposes ...Purpose) []Rule {
		return []Rule{{Net: netip.MustParsePrefix(network), Ports: ports, For: purposes}}
	}
	nets := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	input := []Purpose{Input}
	const yes = Why("")
	tests := []struct {
		name         string
		rules        []Rule
		restrictions []Restriction
		purpose      Purpose
		host         string
		address      string
		want         Why
	}{
		{"public", nil, nil, Input, "h", "1.1.1.1:443", yes},
		{"public, plain", nil, nil, Input, "h", "1.1.1.1:80", yes},
		{"public, a port of nobody", nil, nil, Input, "h", "1.1.1.1:8443", yes},
		{"public, mail", nil, nil, Input, "h", "1.1.1.1:25", PortClosed},
		{"public, ssh", nil, nil, Webhook, "h", "[2600:1f18::1]:22", PortClosed},
		{"public, the last well-known port", nil, nil, Input, "h", "1.1.1.1:1023", PortClosed},
		{"public, no port", nil, nil, Input, "h", "1.1.1.1:0", NotPublic},
		{"public, a port that a rule opens", rule("1.1.1.0/24", []int{81}, Input), nil, Input, "h", "1.1.1.1:81", yes},
		{"public, a port that a rule opens for another", rule("1.1.1.0/24", []int{81}, SPEKE), nil, Input, "h", "1.1.1.1:81", PortClosed},
		{"private", nil, nil, Storage, "h", "10.0.0.1:443", NotPublic},
		{"private, mail", nil, nil, Storage, "h", "10.0.0.1:25", NotPublic},
		{"opened", rule("10.0.0.0/24", []int{443}, Storage), nil, Storage, "h", "10.0.0.1:443", yes},
		{"opened by a prefix with host bits", rule("10.0.0.9/24", []int{443}, Storage), nil, Storage, "h", "10.0.0.1:443", yes},
		{"other port", rule("10.0.0.0/24", []int{443}, Storage), nil, Storage, "h", "10.0.0.1:80", NotPublic},
		{"other network", rule("10.0.0.0/24", []int{443}, Storage), nil, Storage, "h", "10.0.1.1:443", NotPublic},
		{"no port opened", rule("10.0.0.0/24", nil, Storage), nil, Storage, "h", "10.0.0.1:443", NotPublic},
		{"no purpose opened", rule("10.0.0.0/24", []int{443}), nil, Storage, "h", "10.0.0.1:443", NotPublic},
		{"mapped", rule("10.0.0.0/24", []int{443}, Storage), nil, Storage, "h", "[::ffff:10.0.0.1]:443", yes},
		{"mapped rule", rule("::ffff:10.0.0.0/120", []int{443}, Storage), nil, Storage, "h", "10.0.0.1:443", yes},
		{"mapped, not opened", rule("10.0.0.0/24", []int{443}, Storage), nil, Storage, "h", "[::ffff:127.0.0.1]:443", NotPublic},
		{"loopback 6", rule("::1/128", []int{9}, Storage), nil, Storage, "h", "[::1]:9", yes},
		{"zone", rule("fe80::/10", []int{9}, Storage), nil, Storage, "h", "[fe80::1%eth0]:9", yes},
		{"zone, not opened", nil, nil, Storage, "h", "[fe80::1%eth0]:9", NotPublic},
		{"all of IPv4 does not open IPv6", rule("0.0.0.0/0", []int{9}, Storage), nil, Storage, "h", "[::1]:9", NotPublic},
		{"no purpose", rule("0.0.0.0/0", []int{443}, Storage), nil, "", "h", "1.1.1.1:443", NoPurpose},
		{"unknown purpose", nil, nil, "mail", "h", "1.1.1.1:443", NoPurpose},

		{"restricted to a name", nil, []Restriction{{For: input, Hosts: []string{"media.example"}}}, Input, "media.example", "1.1.1.1:443", yes},
		{"restricted to a name in capitals", nil, []Restriction{{For: input, Hosts: []string{"Media.Example."}}}, Input, "media.example", "1.1.1.1:443", yes},
		{"restricted to another name", nil, []Restriction{{For: input, Hosts: []string{"media.example"}}}, Input, "x.media.example", "1.1.1.1:443", Restricted},
		{"restricted to names below", nil, []Restriction{{For: input, Hosts: []string{"*.example"}}}, Input, "a.b.example", "1.1.1.1:443", yes},
		{"restricted to names below, not itself", nil, []Restriction{{For: input, Hosts: []string{"*.example"}}}, Input, "example", "1.1.1.1:443", Restricted},
		{"restricted to names below, not beside", nil, []Restriction{{For: input, Hosts: []string{"*.example"}}}, Input, "badexample", "1.1.1.1:443", Restricted},
		{"restricted to names, an address", nil, []Restriction{{For: input, Hosts: []string{"*.example"}}}, Input, "1.1.1.1", "1.1.1.1:443", Restricted},
		{"restricted to an address by name", nil, []Restriction{{For: input, Hosts: []string{"1.1.1.1"}}}, Input, "1.1.1.1", "1.1.1.1:443", yes},
		{"restricted to an address 6 by name", nil, []Restriction{{For: input, Hosts: []string{"2600:0:0::1"}}}, Input, "[2600::1]", "[2600::1]:443", yes},
		{"restricted to ports", nil, []Restriction{{For: input, Ports: []int{443}}}, Input, "h", "1.1.1.1:443", yes},
		{"restricted to other ports", nil, []Restriction{{For: input, Ports: []int{443}}}, Input, "h", "1.1.1.1:8443", Restricted},
		{"restricted to a network", nil, []Restriction{{For: input, Nets: nets("1.1.0.0/16")}}, Input, "h", "1.1.1.1:443", yes},
		{"restricted to another network", nil, []Restriction{{For: input, Nets: nets("1.2.0.0/16")}}, Input, "h", "1.1.1.1:443", Restricted},
		{"all members of one restriction count", nil, []Restriction{{For: input, Hosts: []string{"h"}, Ports: []int{80}}}, Input, "h", "1.1.1.1:443", Restricted},
		{"one restriction suffices", nil, []Restriction{{For: input, Hosts: []string{"x"}}, {For: input, Ports: []int{443}}}, Input, "h", "1.1.1.1:443", yes},
		{"restricted for another purpose", nil, []Restriction{{For: []Purpose{SPEKE}, Hosts: []string{"x"}}}, Input, "h", "1.1.1.1:443", yes},
		{"a restriction opens nothing", nil, []Restriction{{For: input, Nets: nets("10.0.0.0/8")}}, Input, "h", "10.0.0.1:443", NotPublic},
		{"a restriction opens no port", nil, []Restriction{{For: input, Ports: []int{25}}}, Input, "h", "1.1.1.1:25", PortClosed},
		{"what a rule opens is restricted too", rule("10.0.0.0/8", []int{443}, Input), []Restriction{{For: input, Hosts: []string{"x"}}}, Input, "h", "10.0.0.1:443", Restricted},
	}
	for _, tt := range tests {
		d, err := New(Options{Rules: tt.rules, Restrictions: tt.restrictions})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		host, err := uri.ParseHost(tt.host)
		if err != nil {
			t.Fatal(err)
		}
		got := yes
		if refused, ok := errors.AsType[*Refused](d.check(tt.purpose, host, netip.MustParseAddrPort(tt.address))); ok {
			got = refused.Why
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d.check(Input, uri.Host{}, netip.AddrPort{}) == nil {
		t.Error("no address is allowed")
	}
}

// TestPurposes: what is opened for one purpose is opened for no other.
func TestPurposes(t *testing.T) {
	t.Parallel()
	to := netip.MustParseAddrPort("10.0.0.1:443")
	for _, mine := range Purposes {
		d, err := New(Options{Rules: []Rule{{Net: netip.MustParsePrefix("10.0.0.1/32"), Ports: []int{443}, For: []Purpose{mine}}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range Purposes {
			if err := d.check(p, uri.Host{Name: "h"}, to); (err == nil) != (p == mine) {
				t.Errorf("opened for %s, dialled for %s: %v", mine, p, err)
			}
		}
	}
}

// open returns a door with a rule for the server's address.
func open(t *testing.T, s *httptest.Server, authorities []byte, p Purpose) *Door {
	t.Helper()
	to := netip.MustParseAddrPort(s.Listener.Addr().String())
	d, err := New(Options{Rules: []Rule{{Net: netip.PrefixFrom(to.Addr(), 32), Ports: []int{int(to.Port())}, For: []Purpose{p}}}, Authorities: authorities})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Do(r)
	if err == nil {
		a.Body.Close()
	}
	return a, err
}

func TestClient(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer s.Close()
	closed, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(s.Listener.Addr().(*net.TCPAddr).Port)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::1]", "127.1"} {
		_, err := get(t, closed.Client(Storage), "http://"+host+":"+port+"/")
		var refused *Refused
		var odd *uri.Error
		if !errors.As(err, &refused) && !errors.As(err, &odd) {
			t.Errorf("%s: got %v, want a refusal", host, err)
		}
	}
	opened := open(t, s, nil, Storage)
	if _, err := get(t, opened.Client(Storage), s.URL); err != nil {
		t.Errorf("opened: %v", err)
	}
	if _, err := get(t, opened.Client(Input), s.URL); err == nil {
		t.Error("another purpose went through")
	}
	a, err := get(t, opened.Client(Storage), s.URL+"/redirect")
	if err != nil || a.StatusCode != http.StatusFound {
		t.Errorf("redirect: %v, %v; it must not be followed", a, err)
	}
}

// TestNoProxy sets everything that makes clients use a proxy, and counts who comes to it.
func TestNoProxy(t *testing.T) {
	var came atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "SOCKS_PROXY"} {
		t.Setenv(name, proxy.URL)
		t.Setenv(strings.ToLower(name), proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	d := open(t, s, nil, Input)
	if _, err := get(t, d.Client(Input), s.URL); err != nil || asked.Load() != 1 {
		t.Errorf("%v, and %d requests came", err, asked.Load())
	}
	for _, u := range []string{"http://media.invalid/", "https://media.invalid/", "http://10.0.0.1/"} {
		if _, err := get(t, d.Client(Input), u); err == nil {
			t.Errorf("%s was reached", u)
		}
	}
	if n := came.Load(); n != 0 {
		t.Errorf("%d requests came to the proxy", n)
	}
	// The test would see it: a client that asks the environment is led to the proxy.
	led := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	defer led.CloseIdleConnections()
	if _, err := get(t, led, "http://media.invalid/"); err != nil || came.Load() != 1 {
		t.Errorf("%v, and %d requests came to the proxy", err, came.Load())
	}
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	s.Config.ErrorLog = nil
	if _, err := get(t, open(t, s, nil, Storage).Client(Storage), s.URL); err == nil {
		t.Error("an unknown authority is trusted")
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := ReadAuthorities(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, open(t, s, text, Storage).Client(Storage), s.URL); err != nil {
		t.Errorf("the extra authority is not trusted: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noPEM := filepath.Join(dir, "no.pem")
	if err := os.WriteFile(noPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large.pem")
	if err := os.WriteFile(large, make([]byte, maxCAFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(dir, "missing"), noPEM, large, dir} {
		if _, err := ReadAuthorities(file); err == nil {
			t.Errorf("%s was taken", file)
		}
	}
	if _, err := New(Options{Authorities: []byte("hello")}); err == nil {
		t.Error("authorities that are none were taken")
	}
	for _, r := range []Rule{{}, {Net: netip.MustParsePrefix("::ffff:0:0/90")}, {Net: netip.MustParsePrefix("10.0.0.0/8"), For: []Purpose{"mail"}}} {
		if _, err := New(Options{Rules: []Rule{r}}); err == nil {
			t.Errorf("rule %v was taken", r)
		}
	}
	for _, r := range []Restriction{
		{},
		{Ports: []int{443}},
		{For: []Purpose{Input}},
		{For: []Purpose{"mail"}, Ports: []int{443}},
		{For: []Purpose{Input}, Hosts: []string{""}},
		{For: []Purpose{Input}, Hosts: []string{"*"}},
		{For: []Purpose{Input}, Hosts: []string{"*.10.0.0.1"}},
		{For: []Purpose{Input}, Hosts: []string{"a.*"}},
		{For: []Purpose{Input}, Hosts: []string{"127.1"}},
		{For: []Purpose{Input}, Hosts: []string{"http://a"}},
		{For: []Purpose{Input}, Hosts: []string{"a:80"}},
		{For: []Purpose{Input}, Nets: []netip.Prefix{{}}},
	} {
		if _, err := New(Options{Restrictions: []Restriction{r}}); err == nil {
			t.Errorf("restriction %v was taken", r)
		}
	}
	if _, err := New(Options{Rate: -1}); err == nil {
		t.Error("a negative rate was taken")
	}
}

// TestDialContext shows that a cancelled request ends while it dials.
func TestDialContext(t *testing.T) {
	t.Parallel()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.Client(Storage).Do(r)
	if err == nil {
		a.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestHTTP2: hosts whose names stand in one certificate, at one address, have connections of their own all the same.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	s, authority := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	d := &diary{}
	door, err := New(Options{
		Rules: open(t, s, nil, Input).rules, Authorities: authority, Record: d.record, Resolver: &names{answers: map[string][][]netip.Addr{"example.com": leads("127.0.0.1"), "a.example.com": leads("127.0.0.1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := door.Client(Input)
	defer c.CloseIdleConnections()
	for _, host := range []string{"example.com", "127.0.0.1", "example.com", "127.0.0.1"} {
		a, err := get(t, c, "https://"+host+":"+port)
		if err != nil || a.ProtoMajor != 2 {
			t.Fatalf("%s: %v, %v", host, a, err)
		}
	}
	var hosts []string
	for _, x := range d.dials {
		if x.Outcome == Connected {
			hosts = append(hosts, x.Host)
		}
	}
	if !slices.Equal(hosts, []string{"example.com", "127.0.0.1"}) {
		t.Errorf("connections to %v", hosts)
	}
}

// TestOldTLS: less than TLS 1.2 is no protection.
func TestOldTLS(t *testing.T) {
	t.Parallel()
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		s.StartTLS()
		authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if _, err := get(t, open(t, s, authority, Input).Client(Input), s.URL); (err == nil) != want {
			t.Errorf("TLS %x: %v", version, err)
		}
		s.Close()
	}
}
