package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
	"darkroom/internal/target/targettest"
)

const topic = "darkroom-events"

// cluster is the broker of franz-go's own tests: it speaks the protocol over TCP and keeps records in memory. No real broker can be installed by a package manager of the
// machines that the tests run on.
type cluster struct {
	*kfake.Cluster
	ports []int
}

func serve(t *testing.T, o ...kfake.Opt) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, topic)}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	out := &cluster{Cluster: c}
	for _, a := range c.ListenAddrs() {
		_, port, err := net.SplitHostPort(a)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		out.ports = append(out.ports, n)
	}
	return out
}

func (c *cluster) sender(t *testing.T, change func(*Options)) *Sender {
	t.Helper()
	o := Options{Brokers: c.ListenAddrs(), Topic: topic, Dial: targettest.Door(t, nil, c.ports...).DialContext(egress.Webhook)}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// reader reads what is in the topic from its beginning.
func (c *cluster) reader(t *testing.T) *kgo.Client {
	t.Helper()
	r, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func read(t *testing.T, r *kgo.Client, n int) (out []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), targettest.Wait)
	defer cancel()
	for len(out) < n {
		fetches := r.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records, want %d: %v", len(out), n, err)
		}
		out = append(out, fetches.Records()...)
	}
	if len(out) > n {
		t.Fatalf("%d records, want %d", len(out), n)
	}
	return out
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func TestSuite(t *testing.T) {
	t.Parallel()
	targettest.Run(t, func(t *testing.T) targettest.Peer {
		c := serve(t)
		r := c.reader(t)
		return targettest.Peer{Sender: c.sender(t, nil), Received: func(t *testing.T, n int) (out []targettest.Got) {
			t.Helper()
			for _, record := range read(t, r, n) {
				out = append(out, targettest.Got{ID: header(record, "event-id"), Body: record.Value})
			}
			return out
		}}
	})
}

func send(t *testing.T, s *Sender) error {
	t.Helper()
	return s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1))
}

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

// The events of a job are in one partition, those of others may be in others; each record says what it is, and when it was.
func TestRecord(t *testing.T) {
	t.Parallel()
	c := serve(t)
	s, r := c.sender(t, nil), c.reader(t)
	m := targettest.Message(t, target.CloudEvents, "job-1", 1)
	without := targettest.Message(t, target.EventBridge, "", 2)
	for range 4 {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	first := read(t, r, 4)
	for _, record := range first {
		if string(record.Key) != "job-1" || record.Partition != first[0].Partition || header(record, "content-type") != m.ContentType || !record.Timestamp.Equal(m.Time) {
			t.Errorf("key %q, partition %d, content-type %q, time %s", record.Key, record.Partition, header(record, "content-type"), record.Timestamp)
		}
	}
	if err := s.Send(t.Context(), without); err != nil {
		t.Fatal(err)
	}
	if got := read(t, r, 1)[0]; got.Key != nil {
		t.Errorf("key %q of an event that has no job", got.Key)
	}
}

// What is asked of a broker is that all replicas have the record, and that it is kept once.
func TestProduceRequest(t *testing.T) {
	t.Parallel()
	c := serve(t)
	asked := make(chan *kmsg.ProduceRequest, 8)
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked <- r.(*kmsg.ProduceRequest)
		return nil, nil, false
	})
	if err := send(t, c.sender(t, nil)); err != nil {
		t.Fatal(err)
	}
	r := <-asked
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(r.Topics[0].Partitions[0].Records); err != nil {
		t.Fatal(err)
	}
	if r.Acks != -1 || batch.ProducerID < 0 || batch.FirstSequence != 0 {
		t.Errorf("acks %d, producer %d, sequence %d; want -1 (all), a producer, 0", r.Acks, batch.ProducerID, batch.FirstSequence)
	}
}

func text(s string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return secret.New([]byte(s)), nil }
}

func TestSASL(t *testing.T) {
	t.Parallel()
	for _, mechanism := range Mechanisms {
		c := serve(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "darkroom", "s3cret-password"))
		tests := []struct {
			name   string
			change func(*Options)
			why    string
		}{
			{"right", func(o *Options) { o.Password = text("s3cret-password") }, ""},
			// The broker of the tests hangs up in place of the answer that TestErrors has.
			{"wrong password", func(o *Options) { o.Password = text("s3cret-other") }, "the connection broke"},
			{"wrong user", func(o *Options) { o.User, o.Password = "other", text("s3cret-password") }, "the connection broke"},
			{"unreadable password", func(o *Options) {
				o.Password = func() (secret.Bytes, error) { return secret.Bytes{}, errors.New("no such file") }
			}, "read its password: no such file"},
		}
		for _, test := range tests {
			t.Run(mechanism+" "+test.name, func(t *testing.T) {
				t.Parallel()
				err := send(t, c.sender(t, func(o *Options) {
					o.Mechanism, o.User, o.Timeout = mechanism, "darkroom", 3*time.Second
					test.change(o)
				}))
				judge(t, err, test.why)
			})
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, key, _, _ := targettest.Certificate(t)
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	plain := serve(t)
	tests := []struct {
		name    string
		cluster *cluster
		tls     *tls.Config
		why     string
	}{
		{"trusted", c, targettest.Door(t, certificate).TLS(), ""},
		{"not trusted", c, targettest.Door(t, nil).TLS(), "certificate cannot be verified"},
		{"wanted by the broker alone", c, nil, ": "},
		{"wanted by us alone", plain, targettest.Door(t, certificate).TLS(), ": "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			judge(t, send(t, test.cluster.sender(t, func(o *Options) { o.TLS, o.Timeout = test.tls, 3*time.Second })), test.why)
		})
	}
}

// fail has the broker answer each record of a topic with a code.
func (c *cluster) fail(code int16) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		in := r.(*kmsg.ProduceRequest)
		out := in.ResponseKind().(*kmsg.ProduceResponse)
		for _, it := range in.Topics {
			ot := kmsg.NewProduceResponseTopic()
			ot.Topic, ot.TopicID = it.Topic, it.TopicID
			for _, ip := range it.Partitions {
				op := kmsg.NewProduceResponseTopicPartition()
				op.Partition, op.ErrorCode = ip.Partition, code
				ot.Partitions = append(ot.Partitions, op)
			}
			out.Topics = append(out.Topics, ot)
		}
		return out, nil, true
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, refusal := range []*kerr.Error{kerr.MessageTooLarge, kerr.InvalidRecord} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			c := serve(t)
			c.fail(refusal.Code)
			var no *target.Refused
			if err := send(t, c.sender(t, nil)); !errors.As(err, &no) || no.Gone {
				t.Errorf("Send = %v, want a refusal", err)
			}
		})
	}
	for _, passing := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.PolicyViolation} {
		t.Run(passing.Message, func(t *testing.T) {
			t.Parallel()
			c := serve(t)
			c.fail(passing.Code)
			judge(t, send(t, c.sender(t, func(o *Options) { o.Timeout = 3 * time.Second })), "it answered "+passing.Message)
		})
	}
	t.Run("credentials that are not accepted", func(t *testing.T) {
		t.Parallel()
		c := serve(t, kfake.EnableSASL(), kfake.Superuser(Plain, "darkroom", "s3cret-password"))
		c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			out := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			out.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return out, nil, true
		})
		judge(t, send(t, c.sender(t, func(o *Options) {
			o.Mechanism, o.User, o.Password, o.Timeout = Plain, "darkroom", text("s3cret-other"), 2*time.Second
		})), "it answered "+kerr.SaslAuthenticationFailed.Message)
	})
	t.Run("no such topic", func(t *testing.T) {
		t.Parallel()
		c := serve(t)
		judge(t, send(t, c.sender(t, func(o *Options) { o.Topic = "elsewhere" })), "it answered "+kerr.UnknownTopicOrPartition.Message)
	})
	t.Run("a replica is missing for a moment", func(t *testing.T) {
		t.Parallel()
		c := serve(t)
		n := 0
		c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			n++
			if n > 2 {
				return nil, nil, false
			}
			c.KeepControl()
			in := r.(*kmsg.ProduceRequest)
			out := in.ResponseKind().(*kmsg.ProduceResponse)
			for _, it := range in.Topics {
				ot := kmsg.NewProduceResponseTopic()
				ot.Topic, ot.TopicID = it.Topic, it.TopicID
				op := kmsg.NewProduceResponseTopicPartition()
				op.Partition, op.ErrorCode = it.Partitions[0].Partition, kerr.NotEnoughReplicas.Code
				ot.Partitions = append(ot.Partitions, op)
				out.Topics = append(out.Topics, ot)
			}
			return out, nil, true
		})
		if err := send(t, c.sender(t, nil)); err != nil {
			t.Fatal(err)
		}
		read(t, c.reader(t), 1)
	})
	t.Run("the broker hangs up behind a record that it has kept", func(t *testing.T) {
		t.Parallel()
		c := serve(t)
		s := c.sender(t, nil)
		if err := send(t, s); err != nil {
			t.Fatal(err)
		}
		c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("hang up"), true })
		if err := send(t, s); err != nil {
			t.Fatal(err)
		}
		read(t, c.reader(t), 2)
	})
}

// A broker that hangs is not waited for longer than the caller wants, and what waits for it is bounded.
func TestHang(t *testing.T) {
	t.Parallel()
	c := serve(t)
	held, release := make(chan struct{}, 1), make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() {
			select {
			case held <- struct{}{}:
			default:
			}
			<-release
		})
		return nil, nil, false
	})
	defer close(release)
	s := c.sender(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Send(ctx, targettest.Message(t, target.EventBridge, "job-1", 1)) }()
	<-held
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Send = %v, want that it was given up", err)
	}
}

func TestEgress(t *testing.T) {
	t.Parallel()
	c := serve(t)
	closed := targettest.Door(t, nil)
	for _, brokers := range [][]string{nil, {"169.254.169.254:9092"}, {"10.0.0.1:9092"}} {
		judge(t, send(t, c.sender(t, func(o *Options) {
			o.Dial, o.Timeout = closed.DialContext(egress.Webhook), time.Second
			if brokers != nil {
				o.Brokers = brokers
			}
		})), "are not allowed for webhook")
	}
	t.Run("a broker tells of another that is inside", func(t *testing.T) {
		t.Parallel()
		c := serve(t)
		c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			out := r.ResponseKind().(*kmsg.MetadataResponse)
			broker := kmsg.NewMetadataResponseBroker()
			broker.NodeID, broker.Host, broker.Port = 0, "169.254.169.254", 9092
			out.Brokers = append(out.Brokers, broker)
			in := r.(*kmsg.MetadataRequest)
			for _, it := range in.Topics {
				ot := kmsg.NewMetadataResponseTopic()
				name := topic
				ot.Topic, ot.TopicID = &name, it.TopicID
				p := kmsg.NewMetadataResponseTopicPartition()
				p.Leader, p.Replicas, p.ISR = 0, []int32{0}, []int32{0}
				ot.Partitions = append(ot.Partitions, p)
				out.Topics = append(out.Topics, ot)
			}
			return out, nil, true
		})
		judge(t, send(t, c.sender(t, func(o *Options) { o.Timeout = 2 * time.Second })), "connections to 169.254.169.254:9092 are not allowed for webhook")
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	dial := targettest.Door(t, nil).DialContext(egress.Webhook)
	good := Options{Brokers: []string{"a:9092"}, Topic: "a", Dial: dial}
	tests := []struct {
		name   string
		change func(*Options)
		ok     bool
	}{
		{"as it should be", func(*Options) {}, true},
		{"no broker", func(o *Options) { o.Brokers = nil }, false},
		{"too many brokers", func(o *Options) { o.Brokers = make([]string, MaxBrokers+1) }, false},
		{"no topic", func(o *Options) { o.Topic = "" }, false},
		{"a topic that is none", func(o *Options) { o.Topic = "a b" }, false},
		{"a topic of dots", func(o *Options) { o.Topic = ".." }, false},
		{"nothing that dials", func(o *Options) { o.Dial = nil }, false},
		{"another mechanism", func(o *Options) { o.Mechanism, o.User, o.Password = "GSSAPI", "u", text("p") }, false},
		{"no password", func(o *Options) { o.Mechanism, o.User = Plain, "u" }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := good
			test.change(&o)
			s, err := New(o)
			if (err == nil) != test.ok {
				t.Errorf("New = %v, want success: %v", err, test.ok)
			}
			if s != nil {
				_ = s.Close()
			}
		})
	}
}
