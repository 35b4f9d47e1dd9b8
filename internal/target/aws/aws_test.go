package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
	"darkroom/internal/target/targettest"
)

const (
	region    = targettest.Region
	accessKey = targettest.AccessKey
	secretKey = targettest.SecretKey
)

// emulator is an emulator of SQS and SNS, with clients that it asks for no signature.
type emulator struct {
	address string // of the proxy
	sqs     *sqs.Client
	sns     *sns.Client
	names   atomic.Int32
}

func serve(t *testing.T) *emulator {
	t.Helper()
	front, back := targettest.Emulator(t)
	anybody := sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
		return sdk.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})
	return &emulator{
		address: front,
		sqs:     sqs.New(sqs.Options{Region: region, BaseEndpoint: &back, Credentials: anybody}),
		sns:     sns.New(sns.Options{Region: region, BaseEndpoint: &back, Credentials: anybody}),
	}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func signer(key string) func(context.Context) (Credentials, error) {
	return func(context.Context) (Credentials, error) {
		return Credentials{AccessKeyID: accessKey, SecretAccessKey: secret.New([]byte(key))}, nil
	}
}

func client(t *testing.T, address string, change func(*Options)) *Client {
	t.Helper()
	o := Options{Endpoint: address, Region: region, Credentials: signer(secretKey), Transport: targettest.Door(t, nil, portOf(t, address)).Client(egress.Webhook).Transport}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// queue makes a queue and returns its URL and ARN.
func (e *emulator) queue(t *testing.T, suffix string) (string, string) {
	t.Helper()
	in := &sqs.CreateQueueInput{QueueName: sdk.String(fmt.Sprintf("queue-%d%s", e.names.Add(1), suffix))}
	if suffix != "" {
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	out, err := e.sqs.CreateQueue(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: out.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, a.Attributes["QueueArn"]
}

// received reads n messages of a queue.
func (e *emulator) received(t *testing.T, address string, n int) []sqstypes.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), targettest.Wait)
	defer cancel()
	var all []sqstypes.Message
	for len(all) < n {
		out, err := e.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &address, MaxNumberOfMessages: 1, WaitTimeSeconds: 5, MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			t.Fatalf("%d messages, want %d: %v", len(all), n, err)
		}
		for _, m := range out.Messages {
			if _, err := e.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &address, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
	}
	return all
}

func got(messages []sqstypes.Message) (out []targettest.Got) {
	for _, m := range messages {
		id := ""
		if a, ok := m.MessageAttributes["event-id"]; ok {
			id = sdk.ToString(a.StringValue)
		}
		out = append(out, targettest.Got{ID: id, Body: []byte(sdk.ToString(m.Body))})
	}
	return out
}

func TestSQS(t *testing.T) {
	t.Parallel()
	e := serve(t)
	for _, suffix := range []string{"", ".fifo"} {
		t.Run("queue"+suffix, func(t *testing.T) {
			targettest.Run(t, func(t *testing.T) targettest.Peer {
				address, name := e.queue(t, suffix)
				s, err := client(t, e.address, nil).SQS(name, "")
				if err != nil {
					t.Fatal(err)
				}
				return targettest.Peer{Sender: s, Deduplicates: suffix != "", Received: func(t *testing.T, n int) []targettest.Got {
					t.Helper()
					return got(e.received(t, address, n))
				}}
			})
		})
	}
	t.Run("groups and attributes", func(t *testing.T) {
		for _, test := range []struct{ name, group, subject, want string }{
			{"of the job", "", "job-1", "job-1"},
			{"of none", "", "", "events"},
			{"of the configuration", "all", "job-1", "all"},
		} {
			address, name := e.queue(t, ".fifo")
			s, err := client(t, e.address, nil).SQS(name, test.group)
			if err != nil {
				t.Fatal(err)
			}
			m := targettest.Message(t, target.CloudEvents, test.subject, 1)
			if err := s.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			r := e.received(t, address, 1)[0]
			if r.Attributes["MessageGroupId"] != test.want || r.Attributes["MessageDeduplicationId"] != m.ID {
				t.Errorf("%s: group %q, deduplication id %q; want %q, %q", test.name, r.Attributes["MessageGroupId"], r.Attributes["MessageDeduplicationId"], test.want, m.ID)
			}
			if got := sdk.ToString(r.MessageAttributes["content-type"].StringValue); got != m.ContentType {
				t.Errorf("content-type %q, want %q", got, m.ContentType)
			}
			if got := sdk.ToString(r.MessageAttributes["event-subject"].StringValue); got != test.subject {
				t.Errorf("event-subject %q, want %q", got, test.subject)
			}
		}
	})
	t.Run("fields beside the body", func(t *testing.T) {
		address, name := e.queue(t, "")
		s, err := client(t, e.address, nil).SQS(name, "")
		if err != nil {
			t.Fatal(err)
		}
		m := targettest.Message(t, target.EventBridge, "job-1", 1)
		m.Header = map[string]string{"ERROR_CODE": "TARGET_FAILED", "RULE_ARN": "arn:aws:events:us-east-1:111122223333:rule/a"}
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		r := e.received(t, address, 1)[0]
		for name, want := range m.Header {
			if a := r.MessageAttributes[name]; sdk.ToString(a.StringValue) != want || sdk.ToString(a.DataType) != "String" {
				t.Errorf("%s = %q of type %q, want %q", name, sdk.ToString(a.StringValue), sdk.ToString(a.DataType), want)
			}
		}
		many := map[string]string{}
		for n := range 8 { // with the id, the type of the content and the subject
			many[fmt.Sprint("name", n)] = "value"
		}
		for _, test := range []struct {
			header map[string]string
			says   string
		}{
			{map[string]string{"": "value"}, "no attribute can hold"},
			{map[string]string{"a name": "value"}, "no attribute can hold"},
			{map[string]string{"a..name": "value"}, "no attribute can hold"},
			{map[string]string{"AWS.name": "value"}, "no attribute can hold"},
			{map[string]string{strings.Repeat("n", 257): "value"}, "no attribute can hold"},
			{map[string]string{"event-id": "value"}, "no attribute can hold"},
			{map[string]string{"name": ""}, "no attribute can hold"},
			{map[string]string{"name": "a\x01b"}, "no attribute can hold"},
			{map[string]string{"name": "\xff"}, "no attribute can hold"},
			{many, "more than 10 attributes"},
			{map[string]string{"name": strings.Repeat("v", MaxMessage)}, "more than 262144 bytes"},
		} {
			m.Header = test.header
			judge(t, s.Send(t.Context(), m), test.says, true)
		}
	})
	t.Run("a queue that is not there, and is made", func(t *testing.T) {
		s, err := client(t, e.address, nil).SQS("arn:aws:sqs:us-east-1:000000000000:later", "")
		if err != nil {
			t.Fatal(err)
		}
		judge(t, s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), "HTTP status 400 NonExistentQueue", false)
		if _, err := e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: sdk.String("later")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)); err != nil {
			t.Error(err)
		}
	})
	t.Run("another key", func(t *testing.T) {
		_, name := e.queue(t, "")
		s, err := client(t, e.address, func(o *Options) { o.Credentials = signer("s3cret-other") }).SQS(name, "")
		if err != nil {
			t.Fatal(err)
		}
		judge(t, s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), "HTTP status 403 SignatureDoesNotMatch", false)
	})
	t.Run("what SQS takes no character of", func(t *testing.T) {
		_, name := e.queue(t, "")
		s, err := client(t, e.address, nil).SQS(name, "")
		if err != nil {
			t.Fatal(err)
		}
		m := targettest.Message(t, target.EventBridge, "job-1", 1)
		m.Body = []byte("\x01")
		judge(t, s.Send(t.Context(), m), "InvalidMessageContents", true)
		m.Body = bytes.Repeat([]byte("x"), MaxMessage)
		judge(t, s.Send(t.Context(), m), "more than 262144 bytes", true)
	})
}

func TestSNS(t *testing.T) {
	t.Parallel()
	e := serve(t)
	topic := func(t *testing.T, suffix string) (queue, name string) {
		t.Helper()
		address, queueARN := e.queue(t, suffix)
		in := &sns.CreateTopicInput{Name: sdk.String(fmt.Sprintf("topic-%d%s", e.names.Add(1), suffix))}
		if suffix != "" {
			in.Attributes = map[string]string{"FifoTopic": "true"}
		}
		out, err := e.sns.CreateTopic(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.sns.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: out.TopicArn, Protocol: sdk.String("sqs"), Endpoint: &queueARN, Attributes: map[string]string{"RawMessageDelivery": "true"},
		}); err != nil {
			t.Fatal(err)
		}
		return address, *out.TopicArn
	}
	for _, suffix := range []string{"", ".fifo"} {
		t.Run("topic"+suffix, func(t *testing.T) {
			targettest.Run(t, func(t *testing.T) targettest.Peer {
				address, name := topic(t, suffix)
				s, err := client(t, e.address, nil).SNS(name)
				if err != nil {
					t.Fatal(err)
				}
				return targettest.Peer{Sender: s, Deduplicates: suffix != "", Received: func(t *testing.T, n int) []targettest.Got {
					t.Helper()
					return got(e.received(t, address, n))
				}}
			})
		})
	}
	t.Run("a topic that is not there", func(t *testing.T) {
		s, err := client(t, e.address, nil).SNS("arn:aws:sns:us-east-1:000000000000:none")
		if err != nil {
			t.Fatal(err)
		}
		judge(t, s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), "HTTP status 404 NotFound", false)
	})
	t.Run("another key", func(t *testing.T) {
		_, name := topic(t, "")
		s, err := client(t, e.address, func(o *Options) { o.Credentials = signer("s3cret-other") }).SNS(name)
		if err != nil {
			t.Fatal(err)
		}
		judge(t, s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), "HTTP status 403", false)
	})
}

// judge checks what an error says, whether it is a refusal, and that it shows no secret.
func judge(t *testing.T, err error, says string, refusal bool) {
	t.Helper()
	var no *target.Refused
	switch {
	case err == nil:
		t.Errorf("Send succeeded, want an error that says %q", says)
	case errors.As(err, &no) != refusal:
		t.Errorf("%v: want a refusal: %v", err, refusal)
	case !strings.Contains(err.Error(), says):
		t.Errorf("Send = %v, want one that says %q", err, says)
	case strings.Contains(err.Error(), "s3cret"):
		t.Errorf("the error shows a secret: %v", err)
	}
}

// What a service answers is told apart, and none of its words are repeated.
func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		status  int
		body    string
		says    string
		refusal bool
	}{
		{"throttled", 400, `{"__type":"com.amazonaws.sqs#RequestThrottled","message":"s3cret"}`, "HTTP status 400 RequestThrottled", false},
		{"denied", 403, `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"s3cret"}`, "HTTP status 403 AccessDeniedException", false},
		{"unavailable", 503, `{"__type":"ServiceUnavailable","message":"s3cret"}`, "HTTP status 503", false},
		{"bad contents", 400, `{"__type":"com.amazonaws.sqs#InvalidMessageContents","message":"s3cret"}`, "HTTP status 400 InvalidMessageContents", true},
		{"a code with a line end", 400, `{"__type":"a#s3cret\r\nx","message":""}`, "HTTP status 400", false},
		{"a code that is a text", 400, `{"__type":"s3cret s3cret"}`, "HTTP status 400", false},
		{"not JSON", 500, `<html>s3cret</html>`, "HTTP status 500", false},
		{"nothing", 500, ``, "HTTP status 500", false},
		{"a redirect inside", 302, ``, "HTTP status 302", true},
		{"an answer without end", 200, strings.Repeat("s3cret", 1<<20), "no answer that can be read", false},
		{"another body than was sent", 200, `{"QueueUrl":"http://169.254.169.254/q","MessageId":"1","MD5OfMessageBody":"00000000000000000000000000000000"}`, "no answer that can be read", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.Header().Set("Location", "http://169.254.169.254/s3cret")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer s.Close()
			q, err := client(t, s.URL, nil).SQS("arn:aws:sqs:us-east-1:000000000000:q", "")
			if err != nil {
				t.Fatal(err)
			}
			judge(t, q.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), test.says, test.refusal)
		})
	}
}

func TestEgress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://169.254.169.254", "http://127.0.0.1:9", "https://10.0.0.1"} {
		c, err := New(Options{Endpoint: address, Region: region, Credentials: signer(secretKey), Transport: targettest.Door(t, nil).Client(egress.Webhook).Transport})
		if err != nil {
			t.Fatal(err)
		}
		q, err := c.SQS("arn:aws:sqs:us-east-1:000000000000:q", "")
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.SNS("arn:aws:sns:us-east-1:000000000000:t")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []target.Sender{q, n} {
			judge(t, s.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), "are not allowed for webhook", false)
		}
	}
}

// A service that hangs has the time of a delivery, or less if the caller wants less; and who cannot read credentials sends nothing.
func TestHangAndUnreadable(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer s.Close()
	defer close(hold)
	q, err := client(t, s.URL, func(o *Options) { o.Timeout = 300 * time.Millisecond }).SQS("arn:aws:sqs:us-east-1:000000000000:q", "")
	if err != nil {
		t.Fatal(err)
	}
	judge(t, q.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), "did not answer in time", false)
	q, err = client(t, s.URL, func(o *Options) {
		o.Credentials = func(context.Context) (Credentials, error) { return Credentials{}, errors.New("no such file") }
	}).SQS("arn:aws:sqs:us-east-1:000000000000:q", "")
	if err != nil {
		t.Fatal(err)
	}
	judge(t, q.Send(t.Context(), targettest.Message(t, target.EventBridge, "job-1", 1)), "read its credentials: no such file", false)
}

func TestNames(t *testing.T) {
	t.Parallel()
	c := client(t, "http://127.0.0.1:9", nil)
	for name, ok := range map[string]bool{
		"arn:aws:sqs:us-east-1:000000000000:q": true, "arn:aws:sqs:us-east-1:000000000000:q.fifo": true, "arn:aws-cn:sqs:cn-north-1:000000000000:q": true,
		"": false, "q": false, "arn:aws:sns:us-east-1:000000000000:q": false, "arn:aws:sqs:us-east-1:0:q": false, "arn:aws:sqs::000000000000:q": false,
		"arn:aws:sqs:us-east-1:000000000000:a/b": false, "arn:aws:sqs:us-east-1:000000000000:q.fifo.fifo": false, "arn:aws:sqs:us-east-1:000000000000:" + strings.Repeat("q", 81): false,
	} {
		if _, err := c.SQS(name, ""); (err == nil) != ok {
			t.Errorf("SQS(%q) = %v, want success: %v", name, err, ok)
		}
	}
	if _, err := c.SQS("arn:aws:sqs:us-east-1:000000000000:q", "group"); err == nil {
		t.Error("a group of a queue that has none is taken")
	}
	for name, ok := range map[string]bool{"arn:aws:sns:us-east-1:000000000000:t": true, "arn:aws:sns:us-east-1:000000000000:t.fifo": true, "arn:aws:sqs:us-east-1:000000000000:t": false, "t": false} {
		if _, err := c.SNS(name); (err == nil) != ok {
			t.Errorf("SNS(%q) = %v, want success: %v", name, err, ok)
		}
	}
	for _, o := range []Options{{}, {Endpoint: "x", Region: region, Credentials: signer(""), Transport: http.NewFileTransport(nil)}, {Endpoint: "http://u:p@h", Region: region, Credentials: signer(""), Transport: http.NewFileTransport(nil)}} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%q) succeeded", o.Endpoint)
		}
	}
}
