// Package kafka sends events to a topic of Apache Kafka, or of what speaks its protocol. A record is taken when all in-sync replicas have it; the producer is idempotent, so that
// its own repetitions on the way are kept once. The key is the subject: the events of one job are in one partition, in order.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
)

// Bounds.
const (
	// Timeout is how long a delivery may take, with the connections if there are none.
	Timeout = 15 * time.Second
	// MaxBrokers is how many brokers of one cluster can be named.
	MaxBrokers = 16
	// maxBuffered is how many records wait for a broker at once: those of attempts that were given up, too.
	maxBuffered = 256
)

// Mechanisms are how a broker can be told who sends.
var Mechanisms = []string{Plain, ScramSHA256, ScramSHA512}

// The values of Mechanisms.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

var topicPattern = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// ValidTopic says whether a topic can have a name (org.apache.kafka.common.internals.Topic).
func ValidTopic(s string) bool { return topicPattern.MatchString(s) && s != "." && s != ".." }

// Options say where to.
type Options struct {
	Brokers []string // HOST:PORT of some brokers of the cluster, which tell of the others
	Topic   string   // has to be there: none is made
	// Dial makes the connections (egress.Door.DialContext), also to brokers that brokers tell of.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is nil for none, which is for loopback.
	TLS *tls.Config
	// Mechanism is one of Mechanisms, or empty for none. The password is asked for at each connection.
	Mechanism string
	User      string
	Password  func() (secret.Bytes, error)
	Timeout   time.Duration // 0: Timeout
}

// Sender sends to one topic. It is safe for concurrent use.
type Sender struct {
	o      Options
	client *kgo.Client

	mu        sync.Mutex // guards what follows; held for an assignment
	closed    bool
	connected error // why there was no connection at the last attempt; nil when there was one
}

// New returns a sender. Nothing is dialled yet.
func New(o Options) (*Sender, error) {
	if o.Timeout == 0 {
		o.Timeout = Timeout
	}
	switch n := len(o.Brokers); {
	case n == 0 || n > MaxBrokers:
		return nil, fmt.Errorf("a Kafka target has 1 to %d brokers", MaxBrokers)
	case !ValidTopic(o.Topic):
		return nil, errors.New("a Kafka target has a topic of at most 249 letters, digits, dots, hyphens and underscores")
	case o.Dial == nil:
		return nil, errors.New("a Kafka target needs what dials")
	}
	s := &Sender{o: o}
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...), kgo.DefaultProduceTopic(o.Topic), kgo.ClientID("darkroom"), kgo.Dialer(s.dial), kgo.DisableClientMetrics(),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(target.MaxBody + 16<<10),
		kgo.MaxBufferedRecords(maxBuffered), kgo.RetryTimeout(o.Timeout), kgo.ProduceRequestTimeout(o.Timeout), kgo.UnknownTopicRetries(1),
		kgo.AllowIdempotentProduceCancellation(), kgo.WithHooks(s),
	}
	if o.Mechanism != "" {
		m, err := s.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	var err error
	if s.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("a Kafka target: %w", err)
	}
	return s, nil
}

func (s *Sender) mechanism() (sasl.Mechanism, error) {
	if s.o.Password == nil {
		return nil, errors.New("a Kafka target with a mechanism needs a password")
	}
	password := func() (string, error) {
		p, err := s.o.Password()
		if err != nil {
			return "", &egress.Fault{What: "read its password", Why: err.Error(), Err: err}
		}
		defer p.Wipe()
		return string(p.Reveal()), nil
	}
	scramAuth := func(context.Context) (scram.Auth, error) {
		p, err := password()
		return scram.Auth{User: s.o.User, Pass: p}, err
	}
	switch s.o.Mechanism {
	case Plain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			p, err := password()
			return plain.Auth{User: s.o.User, Pass: p}, err
		}), nil
	case ScramSHA256:
		return scram.Sha256(scramAuth), nil
	case ScramSHA512:
		return scram.Sha512(scramAuth), nil
	}
	return nil, fmt.Errorf("mechanism %q is not known", s.o.Mechanism)
}

// OnBrokerConnect implements kgo.HookBrokerConnect. The client repeats attempts until a record's time is over, and then says no more than that; why is kept for the error.
func (s *Sender) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected = err
}

// dial makes one connection.
func (s *Sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := s.o.Dial(ctx, network, address)
	if err != nil || s.o.TLS == nil {
		return c, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	config := s.o.TLS.Clone()
	config.ServerName = host
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return secure, nil
}

func (s *Sender) what() string { return "Kafka topic " + s.o.Topic }

// Send implements target.Sender. The message is kept by all in-sync replicas when it returns nil. One whose Send was given up may be kept nevertheless.
func (s *Sender) Send(ctx context.Context, m target.Message) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return fmt.Errorf("%s: it is closed", s.what())
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return egress.NewFault(s.what(), err)
	}
	record := &kgo.Record{
		Value: m.Body, Timestamp: m.Time,
		Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte(m.ContentType)}, {Key: "event-id", Value: []byte(m.ID)}},
	}
	if m.Subject != "" {
		record.Key = []byte(m.Subject)
	}
	done := make(chan error, 1)
	s.client.TryProduce(ctx, record, func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		return s.judge(ctx, err)
	case <-ctx.Done():
		return s.judge(ctx, ctx.Err())
	}
}

// judge says what an error means.
func (s *Sender) judge(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge):
		return &target.Refused{Reason: "the message is larger than the Kafka topic takes"}
	case errors.Is(err, kerr.InvalidRecord):
		return &target.Refused{Reason: "the Kafka topic does not take such a record"}
	case errors.Is(err, kgo.ErrMaxBuffered):
		return &egress.Fault{What: s.what(), Why: "too many messages wait for it", Err: err}
	}
	s.mu.Lock()
	connected := s.connected
	s.mu.Unlock()
	if connected != nil && !errors.Is(err, context.Canceled) && !errors.Is(context.Cause(ctx), context.Canceled) {
		return &egress.Fault{What: s.what(), Why: why(connected), Err: errors.Join(connected, err)}
	}
	return &egress.Fault{What: s.what(), Why: why(err), Err: err}
}

// why says it in fixed words. A broker's codes have names that Kafka gave them; nothing else that it says is repeated.
func why(err error) string {
	var code *kerr.Error
	var own *egress.Fault
	switch {
	case errors.As(err, &own):
		return own.Error()
	case errors.As(err, &code):
		return "it answered " + code.Message
	}
	return egress.Reason(err)
}

// Close implements target.Sender. What was not sent yet fails.
func (s *Sender) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.client.Close()
	return nil
}
