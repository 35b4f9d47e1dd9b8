// Package nats sends events to a subject of NATS: as core NATS delivers, to whoever listens at the moment, or into a stream of JetStream, which keeps them and says so.
package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
)

// Timeout is how long a delivery may take, with the connection if there is none.
const Timeout = 15 * time.Second

// MaxServers is how many servers of one cluster can be named.
const MaxServers = 16

// subjectPattern is a subject without wildcards (NATS documentation, "Subject-Based Messaging").
var subjectPattern = regexp.MustCompile(`^[^\s.*>$\x00-\x20\x7f][^\s.*>\x00-\x20\x7f]*(\.[^\s.*>\x00-\x20\x7f]+)*$`)

// ValidSubject says whether events can be sent to a subject. Those that begin with $ belong to the server.
func ValidSubject(s string) bool { return len(s) <= 255 && subjectPattern.MatchString(s) }

// Credentials are who sends: the text of a credentials file of NATS, or a token, or a user and a password. They are asked for at each connection.
type Credentials struct {
	File     func() (secret.Bytes, error) // what `nsc generate creds` writes
	Token    func() (secret.Bytes, error)
	User     string
	Password func() (secret.Bytes, error)
}

// Options say where to.
type Options struct {
	Servers []string // HOST:PORT of one cluster; tried in their order
	Subject string
	// Stream is the stream of JetStream that has to keep what is sent. Empty: core NATS.
	Stream string
	// Dial makes the connections (egress.Door.DialContext). No server but Servers is dialled, whatever others a server tells of.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is nil for none, which is for loopback.
	TLS         *tls.Config
	Credentials Credentials
	Timeout     time.Duration // 0: Timeout
}

// Sender sends to one subject over one connection, which it makes when it is needed. It is safe for concurrent use.
type Sender struct {
	o      Options
	closed atomic.Bool
	// turn holds one token: who has it may look at conn and change it. It is held while a connection is made.
	turn chan struct{}
	conn *natsgo.Conn
}

// New returns a sender. Nothing is dialled yet.
func New(o Options) (*Sender, error) {
	if o.Timeout == 0 {
		o.Timeout = Timeout
	}
	switch n := len(o.Servers); {
	case n == 0 || n > MaxServers:
		return nil, fmt.Errorf("a NATS target has 1 to %d servers", MaxServers)
	case !ValidSubject(o.Subject):
		return nil, errors.New("a NATS target has a subject without wildcards and blanks")
	case o.Dial == nil:
		return nil, errors.New("a NATS target needs what dials")
	}
	s := &Sender{o: o, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s, nil
}

func (s *Sender) what() string { return "NATS subject " + s.o.Subject }

// Send implements target.Sender. In JetStream the message is kept when it returns nil, and the same id is kept once within the stream's window for duplicates. In core
// NATS the server has passed it on to those who listen.
func (s *Sender) Send(ctx context.Context, m target.Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	out := natsgo.NewMsg(s.o.Subject)
	out.Data = m.Body
	out.Header.Set(natsgo.MsgIdHdr, m.ID)
	out.Header.Set("Content-Type", m.ContentType)
	if s.o.Stream != "" {
		return s.publish(ctx, conn, out)
	}
	if err := conn.PublishMsg(out); err != nil {
		return s.fault(ctx, conn, err)
	}
	// The server answers in order: what comes before the PONG is what it has to say about the message.
	if err := conn.FlushWithContext(ctx); err != nil {
		return s.fault(ctx, conn, err)
	}
	if err := conn.LastError(); err != nil {
		return s.fault(ctx, conn, err)
	}
	return nil
}

func (s *Sender) publish(ctx context.Context, conn *natsgo.Conn, out *natsgo.Msg) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return s.fault(ctx, conn, err)
	}
	// Whoever asked for the delivery tries again; the library does not.
	if _, err = js.PublishMsg(ctx, out, jetstream.WithExpectStream(s.o.Stream), jetstream.WithRetryAttempts(0)); err != nil {
		return s.fault(ctx, conn, err)
	}
	return nil
}

// connection returns the one that is open, or makes it.
func (s *Sender) connection(ctx context.Context) (*natsgo.Conn, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, egress.NewFault(s.what(), ctx.Err())
	}
	defer func() { s.turn <- struct{}{} }()
	if s.closed.Load() {
		return nil, fmt.Errorf("%s: it is closed", s.what())
	}
	if s.conn != nil && s.conn.IsConnected() && s.conn.LastError() == nil {
		return s.conn, nil
	}
	s.drop()
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return conn, nil
}

// drop gives up the connection. Whoever calls has the turn.
func (s *Sender) drop() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// dialer dials for one connection. It keeps why a dial failed: the library's errors lose it.
type dialer struct {
	ctx  context.Context // of the Send that makes the connection, and no longer
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	err  error
	stop []func() bool
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.dial(d.ctx, network, address)
	if err != nil {
		d.err = err
		return nil, err
	}
	// A server that says nothing is not waited for longer than the message has.
	d.stop = append(d.stop, context.AfterFunc(d.ctx, func() { _ = c.Close() }))
	return c, nil
}

// done leaves the connections to the library.
func (d *dialer) done() {
	for _, stop := range d.stop {
		stop()
	}
}

func (s *Sender) connect(ctx context.Context) (*natsgo.Conn, error) {
	d := &dialer{ctx: ctx, dial: s.o.Dial}
	scheme := "nats://"
	if s.o.TLS != nil {
		scheme = "tls://"
	}
	o := []natsgo.Option{
		natsgo.SetCustomDialer(d), natsgo.SkipHostLookup(), natsgo.IgnoreDiscoveredServers(), natsgo.DontRandomize(), natsgo.NoReconnect(),
		natsgo.Name("Darkroom"), natsgo.Timeout(s.o.Timeout), natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}), // else it prints
	}
	if s.o.TLS != nil {
		o = append(o, natsgo.Secure(s.o.TLS.Clone()))
	}
	auth, wipe, err := s.authentication()
	if err != nil {
		return nil, fmt.Errorf("%s: read its credentials: %w", s.what(), err)
	}
	defer wipe()
	conn, err := natsgo.Connect(scheme+strings.Join(s.o.Servers, ","+scheme), append(o, auth...)...)
	d.done()
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, egress.NewFault(s.what(), ctx.Err())
	case d.err != nil:
		return nil, egress.NewFault(s.what(), d.err)
	}
	return nil, s.translate(err)
}

// authentication says who we are. What it returns second forgets the secrets.
func (s *Sender) authentication() ([]natsgo.Option, func(), error) {
	c := s.o.Credentials
	read := c.File
	switch {
	case read != nil:
	case c.Token != nil:
		read = c.Token
	case c.Password != nil:
		read = c.Password
	default:
		return nil, func() {}, nil
	}
	text, err := read()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case c.File != nil:
		return []natsgo.Option{natsgo.UserCredentialBytes(text.Reveal())}, text.Wipe, nil
	case c.Token != nil:
		return []natsgo.Option{natsgo.Token(string(text.Reveal()))}, text.Wipe, nil
	}
	return []natsgo.Option{natsgo.UserInfo(c.User, string(text.Reveal()))}, text.Wipe, nil
}

// fault says what went wrong, and gives up a connection that said so.
func (s *Sender) fault(ctx context.Context, conn *natsgo.Conn, err error) error {
	said := conn.LastError()
	if said != nil || !conn.IsConnected() {
		// The error stays with the connection: the next message begins a new one. Who has the turn at the moment finds that out by itself.
		select {
		case <-s.turn:
			if s.conn == conn {
				s.drop()
			}
			s.turn <- struct{}{}
		default:
		}
	}
	switch {
	case errors.Is(said, natsgo.ErrPermissionViolation): // it comes in place of an answer
		return s.translate(said)
	case ctx.Err() != nil:
		return egress.NewFault(s.what(), ctx.Err())
	}
	return s.translate(err)
}

// tooLarge is the code of JetStream for a message that a stream does not take (JSStreamMessageExceedsMaximumErr).
const tooLarge = 10054

// words are the errors that have words of their own. A NATS server's own text is not repeated.
var words = []struct {
	err error
	why string
}{
	{natsgo.ErrAuthorization, "it does not accept the credentials"},
	{natsgo.ErrAuthExpired, "the credentials have expired"},
	{natsgo.ErrAuthRevoked, "the credentials were revoked"},
	{natsgo.ErrAccountAuthExpired, "the account has expired"},
	{natsgo.ErrPermissionViolation, "it does not allow to publish there"},
	{natsgo.ErrSecureConnRequired, "it wants TLS"},
	{natsgo.ErrSecureConnWanted, "it offers no TLS"},
	{jetstream.ErrNoStreamResponse, "no stream takes the subject"},
	{natsgo.ErrNoResponders, "no stream takes the subject"},
	{jetstream.ErrJetStreamNotEnabled, "it has no JetStream"},
	{jetstream.ErrJetStreamNotEnabledForAccount, "it has no JetStream for the account"},
	{natsgo.ErrConnectionClosed, "the connection broke"},
	{natsgo.ErrNoServers, "no server takes the connection"},
	{natsgo.ErrTimeout, "it did not answer in time"},
}

func (s *Sender) translate(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, natsgo.ErrMaxPayload):
		return &target.Refused{Reason: "the message is larger than the NATS server takes"}
	case errors.As(err, &api) && api.ErrorCode == tooLarge:
		return &target.Refused{Reason: "the message is larger than the stream takes"}
	case errors.As(err, &api):
		return &egress.Fault{What: s.what(), Why: fmt.Sprintf("JetStream answered with code %d, error %d", api.Code, api.ErrorCode), Err: err}
	}
	for _, w := range words {
		if errors.Is(err, w.err) {
			return &egress.Fault{What: s.what(), Why: w.why, Err: err}
		}
	}
	return egress.NewFault(s.what(), err)
}

// Close implements target.Sender.
func (s *Sender) Close() error {
	s.closed.Store(true)
	<-s.turn
	s.drop()
	s.turn <- struct{}{}
	return nil
}
