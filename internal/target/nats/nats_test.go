package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
	"darkroom/internal/target/targettest"
)

// server is a NATS server of its own process.
type server struct {
	address string
	port    int
	stop    func()
}

// serve starts one with the lines of its configuration.
func serve(t *testing.T, lines string) *server {
	t.Helper()
	s := new(server)
	s.address, s.stop = targettest.NATS(t, lines)
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	if s.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) sender(t *testing.T, change func(*Options)) *Sender {
	t.Helper()
	o := Options{Servers: []string{s.address}, Subject: "darkroom.events", Dial: targettest.Door(t, nil, s.port).DialContext(egress.Webhook)}
	if change != nil {
		change(&o)
	}
	sender, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sender.Close() })
	return sender
}

// client is one of the tests' own.
func (s *server) client(t *testing.T, o ...natsgo.Option) *natsgo.Conn {
	t.Helper()
	c, err := natsgo.Connect("nats://"+s.address, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (s *server) stream(t *testing.T, c jetstream.StreamConfig) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(s.client(t))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func TestCore(t *testing.T) {
	t.Parallel()
	targettest.Run(t, func(t *testing.T) targettest.Peer {
		s := serve(t, "")
		c := s.client(t)
		sub, err := c.SubscribeSync("darkroom.>")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		return targettest.Peer{Sender: s.sender(t, nil), Received: func(t *testing.T, n int) (out []targettest.Got) {
			t.Helper()
			for range n {
				m, err := sub.NextMsg(targettest.Wait)
				if err != nil {
					t.Fatalf("%d messages came, want %d: %v", len(out), n, err)
				}
				if m.Header.Get("Content-Type") == "" {
					t.Error("a message has no Content-Type")
				}
				out = append(out, targettest.Got{ID: m.Header.Get("Nats-Msg-Id"), Body: m.Data})
			}
			return out
		}}
	})
}

func TestJetStream(t *testing.T) {
	t.Parallel()
	targettest.Run(t, func(t *testing.T) targettest.Peer {
		s := serve(t, "jetstream { store_dir: DIR }")
		stream := s.stream(t, jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"darkroom.>"}})
		next := uint64(1)
		return targettest.Peer{
			Sender: s.sender(t, func(o *Options) { o.Stream = "EVENTS" }), Deduplicates: true,
			Received: func(t *testing.T, n int) (out []targettest.Got) {
				t.Helper()
				// Send has returned: what it sent is kept.
				info, err := stream.Info(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := info.State.LastSeq - next + 1; got != uint64(n) {
					t.Fatalf("the stream has %d messages, want %d", got, n)
				}
				for range n {
					m, err := stream.GetMsg(t.Context(), next)
					if err != nil {
						t.Fatal(err)
					}
					next++
					out = append(out, targettest.Got{ID: m.Header.Get("Nats-Msg-Id"), Body: m.Data})
				}
				return out
			},
		}
	})
}

func send(t *testing.T, s *Sender) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), targettest.Wait)
	defer cancel()
	return s.Send(ctx, targettest.Message(t, target.EventBridge, "job-1", 1))
}

func text(s string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return secret.New([]byte(s)), nil }
}

// operator is an operator with one account and one user in it: the lines that a server trusts them by, and the user's credentials file.
func operator(t *testing.T) (lines, creds string) {
	t.Helper()
	pair := func(kp nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		if err != nil {
			t.Fatal(err)
		}
		public, err := kp.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return kp, public
	}
	encode := func(c jwt.Claims, by nkeys.KeyPair) string {
		token, err := c.Encode(by)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	o, op := pair(nkeys.CreateOperator())
	a, ap := pair(nkeys.CreateAccount())
	u, up := pair(nkeys.CreateUser())
	userToken := encode(jwt.NewUserClaims(up), a)
	seed, err := u.Seed()
	if err != nil {
		t.Fatal(err)
	}
	file, err := jwt.FormatUserConfig(userToken, seed)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload { %s: %s }\n", encode(jwt.NewOperatorClaims(op), o), ap, encode(jwt.NewAccountClaims(ap), o)), string(file)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	trusted, creds := operator(t)
	_, strangers := operator(t)
	const password = "authorization { user: darkroom, password: s3cret-password }"
	tests := []struct {
		name, lines string
		credentials Credentials
		why         string // empty: it is taken
	}{
		{"credentials file", trusted, Credentials{File: text(creds)}, ""},
		{"credentials file of a stranger", trusted, Credentials{File: text(strangers)}, "it does not accept the credentials"},
		{"no credentials file", trusted, Credentials{}, "it does not accept the credentials"},
		{"what is no credentials file", trusted, Credentials{File: text("s3cret-nonsense")}, "no answer that can be read"},
		{"password", password, Credentials{User: "darkroom", Password: text("s3cret-password")}, ""},
		{"wrong password", password, Credentials{User: "darkroom", Password: text("s3cret-other")}, "it does not accept the credentials"},
		{"no password", password, Credentials{}, "it does not accept the credentials"},
		{"token", "authorization { token: s3cret-token }", Credentials{Token: text("s3cret-token")}, ""},
		{"wrong token", "authorization { token: s3cret-token }", Credentials{Token: text("s3cret-other")}, "it does not accept the credentials"},
		{"unreadable file", "", Credentials{Token: func() (secret.Bytes, error) { return secret.Bytes{}, errors.New("no such file") }}, "read its credentials: no such file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := send(t, serve(t, test.lines).sender(t, func(o *Options) { o.Credentials = test.credentials }))
			judge(t, err, test.why)
		})
	}
}

// judge checks that a failure is one that another attempt may mend, says why, and shows nothing that is secret.
func judge(t *testing.T, err error, why string) {
	t.Helper()
	var no *target.Refused
	switch {
	case why == "" && err != nil:
		t.Errorf("Send = %v", err)
	case why == "":
	case err == nil:
		t.Errorf("Send succeeded, want an error that says %q", why)
	case errors.As(err, &no):
		t.Errorf("%v: want an error that another attempt may mend", err)
	case !strings.Contains(err.Error(), why):
		t.Errorf("Send = %v, want one that says %q", err, why)
	case strings.Contains(err.Error(), "s3cret"):
		t.Errorf("the error shows a secret: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, _, certificateFile, keyFile := targettest.Certificate(t)
	s := serve(t, fmt.Sprintf("tls { cert_file: %q, key_file: %q }", certificateFile, keyFile))
	plain := serve(t, "")
	tests := []struct {
		name   string
		server *server
		change func(*Options)
		why    string
	}{
		{"trusted", s, func(o *Options) { o.TLS = targettest.Door(t, certificate).TLS() }, ""},
		{"not trusted", s, func(o *Options) { o.TLS = targettest.Door(t, nil).TLS() }, "certificate cannot be verified"},
		{"wanted by the server alone, which is then judged by the system's authorities", s, nil, "certificate cannot be verified"},
		{"wanted by us alone", plain, func(o *Options) { o.TLS = targettest.Door(t, nil).TLS() }, "it offers no TLS"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			judge(t, send(t, test.server.sender(t, test.change)), test.why)
		})
	}
	t.Run("version", func(t *testing.T) {
		t.Parallel()
		if v := targettest.Door(t, nil).TLS().MinVersion; v < tls.VersionTLS12 {
			t.Errorf("least version %x", v)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	large := func(t *testing.T, s *Sender) error {
		t.Helper()
		m := targettest.Message(t, target.EventBridge, "job-1", 1)
		m.Body = make([]byte, 8<<10)
		return s.Send(t.Context(), m)
	}
	t.Run("larger than the server takes", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "max_payload: 4096").sender(t, nil)
		var no *target.Refused
		if err := large(t, s); !errors.As(err, &no) || no.Gone {
			t.Errorf("Send = %v, want a refusal", err)
		}
		if err := send(t, s); err != nil {
			t.Errorf("a small one after it: %v", err)
		}
	})
	t.Run("larger than the stream takes", func(t *testing.T) {
		t.Parallel()
		server := serve(t, "jetstream { store_dir: DIR }")
		server.stream(t, jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"darkroom.>"}, MaxMsgSize: 4096})
		var no *target.Refused
		if err := large(t, server.sender(t, func(o *Options) { o.Stream = "EVENTS" })); !errors.As(err, &no) || no.Gone {
			t.Errorf("Send = %v, want a refusal", err)
		}
	})
	t.Run("no stream", func(t *testing.T) {
		t.Parallel()
		judge(t, send(t, serve(t, "jetstream { store_dir: DIR }").sender(t, func(o *Options) { o.Stream = "EVENTS" })), "no stream takes the subject")
	})
	t.Run("another stream", func(t *testing.T) {
		t.Parallel()
		server := serve(t, "jetstream { store_dir: DIR }")
		server.stream(t, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"darkroom.>"}})
		judge(t, send(t, server.sender(t, func(o *Options) { o.Stream = "EVENTS" })), "JetStream answered with code 400")
	})
	t.Run("a stream that is full, and has room again", func(t *testing.T) {
		t.Parallel()
		server := serve(t, "jetstream { store_dir: DIR }")
		stream := server.stream(t, jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"darkroom.>"}, MaxMsgs: 1, Discard: jetstream.DiscardNew})
		s := server.sender(t, func(o *Options) { o.Stream = "EVENTS" })
		if err := send(t, s); err != nil {
			t.Fatal(err)
		}
		m := targettest.Message(t, target.EventBridge, "job-1", 2)
		judge(t, s.Send(t.Context(), m), "JetStream answered with code")
		if err := stream.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), m); err != nil {
			t.Errorf("after it was emptied: %v", err)
		}
	})
	for _, stream := range []string{"", "EVENTS"} {
		t.Run("no permission "+stream, func(t *testing.T) {
			t.Parallel()
			s := serve(t, `authorization { users: [{user: u, password: s3cret, permissions: {publish: "else"}}] }`).sender(t, func(o *Options) {
				o.Credentials, o.Stream, o.Timeout = Credentials{User: "u", Password: text("s3cret")}, stream, 3*time.Second
			})
			judge(t, send(t, s), "it does not allow to publish there")
		})
	}
}

// A server that goes away costs the attempts in which it is away, and nothing else.
func TestOutage(t *testing.T) {
	t.Parallel()
	first := serve(t, "")
	second := serve(t, "")
	s := first.sender(t, func(o *Options) {
		o.Servers = append(o.Servers, second.address)
		o.Dial = targettest.Door(t, nil, first.port, second.port).DialContext(egress.Webhook)
	})
	if err := send(t, s); err != nil {
		t.Fatal(err)
	}
	first.stop()
	sub, err := second.client(t).SubscribeSync("darkroom.events")
	if err != nil {
		t.Fatal(err)
	}
	targettest.Until(t, "the second server takes over", func() bool { return send(t, s) == nil })
	if _, err := sub.NextMsg(targettest.Wait); err != nil {
		t.Errorf("the second server: %v", err)
	}
	second.stop()
	targettest.Until(t, "both are away", func() bool { return send(t, s) != nil })
	judge(t, send(t, s), "it takes no connections")
}

// What egress does not open is not dialled, and a server's word for others is not taken.
func TestEgress(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	closed := targettest.Door(t, nil)
	judge(t, send(t, s.sender(t, func(o *Options) { o.Dial = closed.DialContext(egress.Webhook) })), "are not allowed for webhook")
	judge(t, send(t, s.sender(t, func(o *Options) {
		o.Dial, o.Servers = closed.DialContext(egress.Webhook), []string{"169.254.169.254:4222"}
	})), "are not allowed for webhook")
}

// A server that hangs is not waited for longer than the caller wants.
func TestHang(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	s := (&server{address: l.Addr().String(), port: l.Addr().(*net.TCPAddr).Port}).sender(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Send(ctx, target.Message{ID: "a"}) }()
	c := <-accepted
	defer c.Close()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Send = %v, want that it was given up", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	dial := targettest.Door(t, nil).DialContext(egress.Webhook)
	tests := []struct {
		name string
		o    Options
		ok   bool
	}{
		{"as it should be", Options{Servers: []string{"a:4222"}, Subject: "a.b-c.d", Dial: dial}, true},
		{"no server", Options{Subject: "a", Dial: dial}, false},
		{"too many servers", Options{Servers: make([]string, MaxServers+1), Subject: "a", Dial: dial}, false},
		{"no subject", Options{Servers: []string{"a:4222"}, Dial: dial}, false},
		{"wildcard", Options{Servers: []string{"a:4222"}, Subject: "a.*", Dial: dial}, false},
		{"wildcard at the end", Options{Servers: []string{"a:4222"}, Subject: "a.>", Dial: dial}, false},
		{"blank", Options{Servers: []string{"a:4222"}, Subject: "a b", Dial: dial}, false},
		{"line end", Options{Servers: []string{"a:4222"}, Subject: "a\r\nPUB x", Dial: dial}, false},
		{"empty token", Options{Servers: []string{"a:4222"}, Subject: "a..b", Dial: dial}, false},
		{"the server's own", Options{Servers: []string{"a:4222"}, Subject: "$JS.API.x", Dial: dial}, false},
		{"nothing that dials", Options{Servers: []string{"a:4222"}, Subject: "a"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(test.o); (err == nil) != test.ok {
				t.Errorf("New = %v, want success: %v", err, test.ok)
			}
		})
	}
}
