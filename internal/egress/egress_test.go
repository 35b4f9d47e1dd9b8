package egress

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
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
	rule := func(network string, ports []int, purposes ...Purpose) Rule {
		return Rule{Net: netip.MustParsePrefix(network), Ports: ports, For: purposes}
	}
	tests := []struct {
		name             string
		rules            []Rule
		network, address string
		want             bool
	}{
		{"public", nil, "tcp4", "1.1.1.1:443", true},
		{"private", nil, "tcp4", "10.0.0.1:443", false},
		{"opened", []Rule{rule("10.0.0.0/24", []int{443}, Storage)}, "tcp4", "10.0.0.1:443", true},
		{"opened by a prefix with host bits", []Rule{rule("10.0.0.9/24", []int{443}, Storage)}, "tcp4", "10.0.0.1:443", true},
		{"other port", []Rule{rule("10.0.0.0/24", []int{443}, Storage)}, "tcp4", "10.0.0.1:80", false},
		{"other network", []Rule{rule("10.0.0.0/24", []int{443}, Storage)}, "tcp4", "10.0.1.1:443", false},
		{"other purpose", []Rule{rule("10.0.0.0/24", []int{443}, "input")}, "tcp4", "10.0.0.1:443", false},
		{"no port", []Rule{rule("10.0.0.0/24", nil, Storage)}, "tcp4", "10.0.0.1:443", false},
		{"no purpose", []Rule{rule("10.0.0.0/24", []int{443})}, "tcp4", "10.0.0.1:443", false},
		{"mapped", []Rule{rule("10.0.0.0/24", []int{443}, Storage)}, "tcp6", "[::ffff:10.0.0.1]:443", true},
		{"mapped rule", []Rule{rule("::ffff:10.0.0.0/120", []int{443}, Storage)}, "tcp4", "10.0.0.1:443", true},
		{"mapped, not opened", []Rule{rule("10.0.0.0/24", []int{443}, Storage)}, "tcp6", "[::ffff:127.0.0.1]:443", false},
		{"loopback 6", []Rule{rule("::1/128", []int{9}, Storage)}, "tcp6", "[::1]:9", true},
		{"zone", []Rule{rule("fe80::/10", []int{9}, Storage)}, "tcp6", "[fe80::1%eth0]:9", true},
		{"zone, not opened", nil, "tcp6", "[fe80::1%eth0]:9", false},
		{"all of IPv4 does not open IPv6", []Rule{rule("0.0.0.0/0", []int{9}, Storage)}, "tcp6", "[::1]:9", false},
		{"udp", nil, "udp4", "1.1.1.1:53", false},
		{"unix", nil, "unix", "/run/x", false},
		{"not an address", nil, "tcp4", "localhost:80", false},
	}
	for _, tt := range tests {
		d, err := New(tt.rules, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := d.check(Storage, tt.network, tt.address); (err == nil) != tt.want {
			t.Errorf("%s: got %v, want allowed %t", tt.name, err, tt.want)
		}
	}
}

// open returns a door with a rule for the server's address.
func open(t *testing.T, s *httptest.Server, authorities []byte, p Purpose) *Door {
	t.Helper()
	to := netip.MustParseAddrPort(s.Listener.Addr().String())
	d, err := New([]Rule{{Net: netip.PrefixFrom(to.Addr(), 32), Ports: []int{int(to.Port())}, For: []Purpose{p}}}, authorities)
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
	closed, err := New(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(s.Listener.Addr().(*net.TCPAddr).Port)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::1]", "127.1"} {
		_, err := get(t, closed.Client(Storage), "http://"+host+":"+port+"/")
		var refused *Refused
		var dns *net.DNSError // a name such as 127.1 may not resolve at all
		if !errors.As(err, &refused) && !errors.As(err, &dns) {
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

func TestNoProxy(t *testing.T) {
	proxy, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTP_PROXY", proxy.String())
	t.Setenv("http_proxy", proxy.String())
	d, err := New(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if tr := d.Client(Storage).Transport.(*http.Transport); tr.Proxy != nil {
		t.Error("the client uses a proxy")
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
	if _, err := New(nil, []byte("hello")); err == nil {
		t.Error("authorities that are none were taken")
	}
	for _, r := range []Rule{{}, {Net: netip.MustParsePrefix("::ffff:0:0/90")}} {
		if _, err := New([]Rule{r}, nil); err == nil {
			t.Errorf("rule %v was taken", r.Net)
		}
	}
}

// TestDialContext shows that a cancelled request ends while it dials.
func TestDialContext(t *testing.T) {
	t.Parallel()
	d, err := New(nil, nil)
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
