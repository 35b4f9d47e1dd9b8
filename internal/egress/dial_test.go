package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// names is a resolver with a list of answers for each name; the last one is given for ever.
type names struct {
	mu      sync.Mutex // guards what follows
	answers map[string][][]netip.Addr
	asked   []string
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, host)
	list := n.answers[host]
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(list) > 1 {
		n.answers[host] = list[1:]
	}
	return list[0], nil
}

func leads(texts ...string) [][]netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return [][]netip.Addr{out}
}

// diary is what a door recorded.
type diary struct {
	mu    sync.Mutex // guards what follows
	dials []Dial
	on    []Subject
	fail  func(Dial) error
}

func (d *diary) record(ctx context.Context, dial Dial) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dials, d.on = append(d.dials, dial), append(d.on, SubjectOf(ctx))
	if d.fail != nil {
		return d.fail(dial)
	}
	return nil
}

var byText = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// TestRecord: a dial is written down before it is made and after, refusals too; one that cannot be written down is not made.
func TestRecord(t *testing.T) {
	t.Parallel()
	var came atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Add(1) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			came.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	dead := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), at.Port())
	rules := []Rule{{Net: netip.MustParsePrefix("127.0.0.0/30"), Ports: []int{int(at.Port())}, For: []Purpose{Input}}}
	broken := errors.New("the disk is full")
	on := Subject{Account: "1", Job: "j", Task: "t", Epoch: 3}
	dial := func(host string, a netip.AddrPort, o Outcome, w Why) Dial {
		return Dial{Purpose: Input, Host: host, Address: a, Port: at.Port(), Outcome: o, Why: w}
	}
	for _, tt := range []struct {
		name, host string
		fail       func(Dial) error
		want       []Dial
		reached    bool
	}{
		{"made", "127.0.0.1", nil, []Dial{dial("127.0.0.1", at, Intended, ""), dial("127.0.0.1", at, Connected, "")}, true},
		{"by name", "film.example", nil, []Dial{dial("film.example", at, Intended, ""), dial("film.example", at, Connected, "")}, true},
		{"nobody there", "127.0.0.2", nil, []Dial{dial("127.0.0.2", dead, Intended, ""), dial("127.0.0.2", dead, Failed, "")}, false},
		{"refused", "127.0.0.9", nil, []Dial{dial("127.0.0.9", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), at.Port()), Denied, NotPublic)}, false},
		{"not restricted to", "other.example", nil, []Dial{dial("other.example", netip.AddrPort{}, Denied, Restricted)}, false},
		{"the intent cannot be written down", "127.0.0.1", func(Dial) error { return broken }, []Dial{dial("127.0.0.1", at, Intended, "")}, false},
		{"a refusal cannot be written down", "127.0.0.9", func(Dial) error { return broken }, []Dial{dial("127.0.0.9", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), at.Port()), Denied, NotPublic)}, false},
	} {
		came.Store(0)
		d := &diary{fail: tt.fail}
		door, err := New(Options{
			Rules: rules, Record: d.record, Resolver: &names{answers: map[string][][]netip.Addr{"film.example": leads("127.0.0.1"), "other.example": leads("127.0.0.1")}},
			Restrictions: []Restriction{{For: []Purpose{Input}, Hosts: []string{"film.example"}}, {For: []Purpose{Input}, Hosts: []string{"127.0.0.1", "127.0.0.2", "127.0.0.9"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(For(t.Context(), on), http.MethodGet, "http://"+net.JoinHostPort(tt.host, s.URL[strings.LastIndexByte(s.URL, ':')+1:]), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := door.Client(Input)
		resp, err := c.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		c.CloseIdleConnections()
		if reached := err == nil; reached != tt.reached || reached != (came.Load() > 0) || tt.fail != nil && !errors.Is(err, broken) {
			t.Errorf("%s: got %v, and %d connections and requests", tt.name, err, came.Load())
		}
		if diff := cmp.Diff(tt.want, d.dials, byText); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
		if i := slices.IndexFunc(d.on, func(s Subject) bool { return s != on }); i >= 0 {
			t.Errorf("%s: on behalf of %+v", tt.name, d.on[i])
		}
	}
	// What became of a connection that was made cannot be written down: it is given up.
	d := &diary{fail: func(d Dial) error {
		if d.Outcome == Connected {
			return broken
		}
		return nil
	}}
	door, err := New(Options{Rules: rules, Record: d.record})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, door.Client(Input), s.URL); !errors.Is(err, broken) {
		t.Errorf("the outcome cannot be written down: %v", err)
	}
}

// TestRace: of several addresses those that are allowed are tried, one after another, and the first that answers is taken; one that does not answer
// holds up nobody for long.
func TestRace(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	port := int(netip.MustParseAddrPort(s.Listener.Addr().String()).Port())
	rules := []Rule{{Net: netip.MustParsePrefix("127.0.0.0/29"), Ports: []int{port}, For: []Purpose{Input}}}
	for _, tt := range []struct {
		name      string
		addresses [][]netip.Addr
		want      []string // intended
		reached   bool
	}{
		{"the first", leads("127.0.0.1"), []string{"127.0.0.1"}, true},
		{"the first is dead", leads("127.0.0.2", "127.0.0.1"), []string{"127.0.0.2", "127.0.0.1"}, true},
		{"refused ones are passed over", leads("10.0.0.1", "127.0.0.99", "169.254.169.254", "::1", "127.0.0.1"), []string{"127.0.0.1"}, true},
		{"all refused", leads("10.0.0.1", "169.254.169.254"), nil, false},
		{"all dead", leads("127.0.0.2", "127.0.0.3"), []string{"127.0.0.2", "127.0.0.3"}, false},
		{"a mapped one", leads("::ffff:127.0.0.1"), []string{"127.0.0.1"}, true},
		{"a mapped one, refused", leads("::ffff:127.0.0.99"), nil, false},
		{"with a zone", leads("fe80::1%lo"), nil, false},
		{"none", [][]netip.Addr{{}}, nil, false},
		{"endless", leads("127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"), slices.Repeat([]string{"127.0.0.2"}, 8), false},
	} {
		d := &diary{}
		door, err := New(Options{Rules: rules, Record: d.record, Resolver: &names{answers: map[string][][]netip.Addr{"film.example": tt.addresses}}})
		if err != nil {
			t.Fatal(err)
		}
		c := door.Client(Input)
		_, err = get(t, c, "http://film.example:"+s.URL[strings.LastIndexByte(s.URL, ':')+1:])
		c.CloseIdleConnections()
		if (err == nil) != tt.reached {
			t.Errorf("%s: got %v", tt.name, err)
		}
		var intended []string
		for _, x := range d.dials {
			if x.Outcome == Intended {
				intended = append(intended, x.Address.Addr().String())
			}
		}
		if diff := cmp.Diff(tt.want, intended, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
}

// TestSeparate: connections are kept and shared within one job, one purpose and one host, and nowhere else.
func TestSeparate(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	d := &diary{}
	rule := open(t, s, nil, Input).rules[0]
	rule.For = []Purpose{Input, SPEKE}
	door, err := New(Options{Rules: []Rule{rule}, Record: d.record, Resolver: &names{answers: map[string][][]netip.Addr{"a.example": leads("127.0.0.1"), "b.example": leads("127.0.0.1")}}})
	if err != nil {
		t.Fatal(err)
	}
	input, speke := door.Client(Input), door.Client(SPEKE)
	defer input.CloseIdleConnections()
	defer speke.CloseIdleConnections()
	for _, tt := range []struct {
		name   string
		client *http.Client
		job    string
		host   string
		fresh  bool
	}{
		{"the first", input, "1", "a.example", true},
		{"again", input, "1", "a.example", false},
		{"another host at the same address", input, "1", "b.example", true},
		{"another job", input, "2", "a.example", true},
		{"nobody", input, "", "a.example", true},
		{"another purpose", speke, "1", "a.example", true},
		{"again, after all that", input, "1", "a.example", false},
	} {
		d.dials = nil
		r, err := http.NewRequestWithContext(For(t.Context(), Subject{Job: tt.job}), http.MethodGet, "http://"+tt.host+":"+port, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tt.client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if fresh := len(d.dials) > 0; fresh != tt.fresh {
			t.Errorf("%s: a connection of its own: %t", tt.name, fresh)
		}
	}
	// Whoever was idle longest loses its connections.
	for i := range maxSubjects + 1 {
		r, err := http.NewRequestWithContext(For(t.Context(), Subject{Epoch: int64(i)}), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := input.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if n := input.Transport.(*transport).used.Len(); n != maxSubjects || len(input.Transport.(*transport).of) != n {
		t.Errorf("%d subjects have connections", n)
	}
}

// TestRestrictedNames: a name that is not among those that are allowed is not even looked up.
func TestRestrictedNames(t *testing.T) {
	t.Parallel()
	n := &names{answers: map[string][][]netip.Addr{}}
	door, err := New(Options{Resolver: n, Restrictions: []Restriction{{For: []Purpose{Input}, Hosts: []string{"*.example.com"}, Ports: []int{443}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"https://secret.attacker.example/", "https://example.com/", "https://a.example.com:444/", "http://a.example.com/", "https://example.com.attacker.example/"} {
		if _, err := get(t, door.Client(Input), u); !isRefused(err) {
			t.Errorf("%s: %v", u, err)
		}
	}
	if len(n.asked) > 0 {
		t.Errorf("looked up: %v", n.asked)
	}
	if _, err := get(t, door.Client(Input), "https://a.example.com/"); err == nil || len(n.asked) == 0 {
		t.Errorf("one that is allowed: %v, looked up %v", err, n.asked)
	}
}

// TestGuard: a connection on which nothing moves ends, and one with a rate takes no more than that.
func TestGuard(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	d, err := New(Options{Rate: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := d.guard(Input, near).(*guarded)
	c.stall = 50 * time.Millisecond
	var timeout net.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("nothing to read: %v", err)
	}
	if _, err := c.Write(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("nobody takes what is written: %v", err)
	}
	c.stall, c.until = time.Minute, time.Now().Add(50*time.Millisecond)
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("its life is over: %v", err)
	}

	const size = 256 << 10 // a quarter of a second, less what was saved up before
	c.until = time.Time{}
	go func() { _, _ = far.Write(make([]byte, size)) }()
	begun := time.Now()
	if _, err := io.ReadFull(c, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 150*time.Millisecond {
		t.Errorf("%d bytes at %d a second took %s", size, 1<<20, took)
	}
	_ = c.Close()
	if c.rate.WaitN(c.ctx, rateBurst) == nil {
		t.Error("a closed connection waits for its rate")
	}
}

// dripping gives a byte at a time, each after a while.
type dripping struct {
	every  time.Duration
	closed chan struct{}
	once   sync.Once
}

func (d *dripping) Read(p []byte) (int, error) {
	select {
	case <-time.After(d.every):
		p[0] = 'x'
		return 1, nil
	case <-d.closed:
		return 0, errors.New("closed")
	}
}

func (d *dripping) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// TestPace: a body that stalls or drips is given up; one whose reader is slow is not.
func TestPace(t *testing.T) {
	t.Parallel()
	pace := Pace{Stall: 100 * time.Millisecond, Window: 200 * time.Millisecond, Floor: 1000}
	for name, every := range map[string]time.Duration{"stalls": time.Hour, "drips": 10 * time.Millisecond} {
		body := &dripping{every: every, closed: make(chan struct{})}
		if _, err := io.ReadAll(pace.Body(body)); !errors.Is(err, ErrSlow) {
			t.Errorf("%s: got %v", name, err)
		}
		select {
		case <-body.closed:
		default:
			t.Errorf("%s: the body is not closed", name)
		}
	}
	slow := pace.Body(io.NopCloser(bytes.NewReader(make([]byte, 10))))
	for range 10 {
		if _, err := io.ReadFull(slow, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		<-time.After(pace.Window / 5)
	}
	if n, err := slow.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

func TestDialOnlyTCP(t *testing.T) {
	t.Parallel()
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range [][2]string{
		{"udp", "1.1.1.1:53"},
		{"unix", "/run/x"},
		{"tcp6", "[2600::1]:443"},
		{"tcp", "1.1.1.1"},
		{"tcp", "1.1.1.1:0"},
		{"tcp", "1.1.1.1:http"},
		{"tcp", "1.1.1.1:65536"},
		{"tcp", "[fe80::1%lo]:443"},
		{"tcp", "127.1:443"},
		{"tcp", ":443"},
		{"tcp", "[127.0.0.1]:443"},
		{"tcp", "a b:443"},
	} {
		if c, err := d.DialContext(Input)(t.Context(), to[0], to[1]); err == nil {
			_ = c.Close()
			t.Errorf("%v was dialled", to)
		}
	}
}

// TestPaceHTTP: a server that falls silent in the middle of an answer is given up, over HTTP/1.1 and HTTP/2.
func TestPaceHTTP(t *testing.T) {
	t.Parallel()
	silent := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, r.Proto[:5])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	plain := httptest.NewServer(silent)
	defer plain.Close()
	secure, authority := serve(t, silent)
	for _, s := range []*httptest.Server{plain, secure} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := open(t, s, authority, Input).Client(Input).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body := Pace{Stall: 100 * time.Millisecond, Window: time.Minute}.Body(resp.Body)
		if got, err := io.ReadAll(body); !errors.Is(err, ErrSlow) || string(got) != "HTTP/" {
			t.Errorf("%s: got %q, %v", resp.Proto, got, err)
		}
		_ = body.Close()
	}
}
