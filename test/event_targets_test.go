package test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"darkroom/internal/event"
	"darkroom/internal/target/targettest"
)

// inbox is where a test finds what came to a target: next waits for some more, which it gives in the order in which they came.
type inbox struct {
	name string
	next func(ctx context.Context) ([]string, error)
}

// lineInbox is the lines of a file.
func lineInbox(name, path string) inbox {
	seen := 0
	return inbox{name, func(ctx context.Context) ([]string, error) {
		for ctx.Err() == nil {
			text, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				return nil, err
			}
			whole := text[:strings.LastIndex(string(text), "\n")+1]
			if lines := strings.Split(strings.TrimSuffix(string(whole), "\n"), "\n"); len(whole) > 0 && len(lines) > seen {
				more := lines[seen:]
				seen = len(lines)
				return more, nil
			}
			time.Sleep(20 * time.Millisecond)
		}
		return nil, ctx.Err()
	}}
}

// queueInbox is the messages of a queue; the envelope of a topic is taken off.
func queueInbox(name string, c *sqs.Client, queue string) inbox {
	return inbox{name, func(ctx context.Context) (all []string, err error) {
		for len(all) == 0 {
			out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 1, WaitTimeSeconds: 5})
			if err != nil {
				return nil, err
			}
			for _, m := range out.Messages {
				if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
					return nil, err
				}
				text := aws.ToString(m.Body)
				var topic struct{ Type, Message string }
				if json.Unmarshal([]byte(text), &topic) == nil && topic.Type == "Notification" {
					text = topic.Message
				}
				all = append(all, text)
			}
		}
		return all, nil
	}}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Port()
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestEventTargets: one rule sends every event of jobs to an SQS queue, an SNS topic, NATS, Kafka, a file and a program in the sandbox, over a kill -9 of the server: to each of them all, in the order of each job.
func TestEventTargets(t *testing.T) {
	t.Parallel()
	front, back := targettest.Emulator(t)
	nats, _ := targettest.NATS(t, "jetstream { store_dir: DIR }")
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "darkroom"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)

	anybody := credentials.NewStaticCredentialsProvider("test", "test", "") // the emulator's back asks for no more
	queues := sqs.New(sqs.Options{Region: targettest.Region, BaseEndpoint: &back, Credentials: anybody})
	topics := sns.New(sns.Options{Region: targettest.Region, BaseEndpoint: &back, Credentials: anybody})
	queue := func(name string) (address, arn string) {
		t.Helper()
		out, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		a, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: out.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
		if err != nil {
			t.Fatal(err)
		}
		return *out.QueueUrl, a.Attributes["QueueArn"]
	}
	direct, directARN := queue("jobs")
	behind, behindARN := queue("behind-the-topic")
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("jobs")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &behindARN}); err != nil {
		t.Fatal(err)
	}

	conn, err := natsgo.Connect("nats://" + nats)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"darkroom.>"}})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "test", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	records, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.ConsumeTopics("darkroom"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(records.Close)

	// A static program, where the user of the sandbox finds it.
	dir, err := os.MkdirTemp("", "target")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "copy")
	build := exec.Command("go", "build", "-o", program, "../internal/target/command/testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines, piped := filepath.Join(t.TempDir(), "events.ndjson"), filepath.Join(t.TempDir(), "piped.ndjson")
	keys := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(keys, []byte("[default]\naws_access_key_id = "+targettest.AccessKey+"\naws_secret_access_key = "+targettest.SecretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	s := serveConfig(t, fmt.Sprintf(`
egress: {allow: [{net: 127.0.0.0/8, ports: [%s, %s, %s], for: [webhook]}]}
events:
  sqs: {endpoint: %q, region: us-east-1, credentials_file: %s}
  sns: {endpoint: %q, region: us-east-1, credentials_file: %s}
  targets:
  - {name: bus, type: nats, servers: [%q], subject: darkroom.events, stream: EVENTS, tls: false}
  - {name: log, type: kafka, servers: [%q], topic: darkroom, tls: false}
  - {name: shipper, type: file, path: %s}
  - {name: program, type: command, program: %s, args: [copy], path: %s}
`, portOf(t, front), portOf(t, nats), portOf(t, kafka.ListenAddrs()[0]), front, keys, front, keys, nats, kafka.ListenAddrs()[0], lines, program, piped))
	c := s.bus("admin")
	if _, err := c.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("all"), EventPattern: aws.String(jobEvents)}); err != nil {
		t.Fatal(err)
	}
	var targets []types.Target
	for i, arn := range []string{
		directARN, *topic.TopicArn, "arn:aws:events:us-east-1:" + account + ":target/bus", "arn:aws:events:us-east-1:" + account + ":target/log",
		"arn:aws:events:us-east-1:" + account + ":target/shipper",
	} {
		targets = append(targets, types.Target{Id: aws.String(fmt.Sprint(i)), Arn: &arn})
	}
	if _, err := c.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("program"), EventPattern: aws.String(jobEvents)}); err != nil {
		t.Fatal(err)
	}
	for rule, some := range map[string][]types.Target{"all": targets, "program": {{Id: aws.String("one"), Arn: aws.String("arn:aws:events:us-east-1:" + account + ":target/program")}}} {
		out, err := c.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &rule, Targets: some})
		if err != nil || out.FailedEntryCount != 0 {
			t.Fatalf("targets of %s: %+v, %v", rule, out, err)
		}
	}

	s.upload("films", "in/short.mp4", clip(t, 1))
	var ids []string
	for range 3 {
		ids = append(ids, s.submit(job(short("s3://films/in/short.mp4", "s3://films/out"))))
	}
	s.kill()
	for _, id := range ids {
		s.until(id, final)
	}

	for _, in := range []inbox{
		queueInbox("SQS", queues, direct),
		queueInbox("SNS", queues, behind),
		{"NATS", func(ctx context.Context) ([]string, error) {
			m, err := consumer.Next(jetstream.FetchContext(ctx))
			if err != nil {
				return nil, err
			}
			return []string{string(m.Data())}, m.Ack()
		}},
		{"Kafka", func(ctx context.Context) (all []string, err error) {
			fetches := records.PollFetches(ctx)
			for _, r := range fetches.Records() {
				all = append(all, string(r.Value))
			}
			return all, fetches.Err()
		}},
		lineInbox("file", lines),
		lineInbox("command", piped),
	} {
		t.Run(in.name, func(t *testing.T) { arrive(t, in, ids) })
	}
}

// arrive waits until each job has ended in what comes to a target, and judges what came: each event at least once, the first time in its order.
func arrive(t *testing.T, in inbox, ids []string) {
	ctx, cancel := context.WithTimeout(t.Context(), maxJob)
	defer cancel()
	seen, states, left := map[string]string{}, map[string][]string{}, len(ids)
	for left > 0 {
		some, err := in.next(ctx)
		if err != nil {
			t.Fatalf("%v; until then came %v", err, states)
		}
		for _, text := range some {
			var e event.Event
			var d struct{ JobID, Status string }
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if err := json.Unmarshal(e.Detail, &d); err != nil || e.Source != "aws.mediaconvert" || e.Account != account {
				t.Fatalf("%v: %s", err, text)
			}
			if before, again := seen[e.ID]; again {
				if before != text {
					t.Errorf("an event came again, and was another:\n%s\n%s", before, text)
				}
				continue
			}
			seen[e.ID] = text
			states[d.JobID] = append(states[d.JobID], d.Status)
			if d.Status == "COMPLETE" {
				left--
			}
		}
	}
	for _, id := range ids {
		if d := cmp.Diff([]string{"PROGRESSING", "INPUT_INFORMATION", "COMPLETE"}, states[id]); d != "" {
			t.Errorf("events of %s (-want +got):\n%s", id, d)
		}
	}
}

// TestDeadLetterQueue: an event that a target refused, or that could not be sent, comes to the queue of the target's dead letters, with attributes that say why and nothing of the inside.
func TestDeadLetterQueue(t *testing.T) {
	t.Parallel()
	front, back := targettest.Emulator(t)
	queues := sqs.New(sqs.Options{Region: targettest.Region, BaseEndpoint: &back, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	made, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("dead")})
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	r.answers("/refuses", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	dir := t.TempDir()
	keys, value, lost := filepath.Join(dir, "credentials"), filepath.Join(dir, "value"), filepath.Join(dir, "lost")
	for name, text := range map[string]string{
		keys: "[default]\naws_access_key_id = " + targettest.AccessKey + "\naws_secret_access_key = " + targettest.SecretKey + "\n", value: "secret", lost: "secret",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serveConfig(t, fmt.Sprintf(`
egress: {allow: [{net: 127.0.0.0/8, ports: [%s, %s], for: [webhook]}], ca_file: %s}
events:
  sqs: {endpoint: %q, region: us-east-1, credentials_file: %s}
  targets:
  - {name: refuses, type: webhook, url: %q, auth: header, header: X-Key, value_file: %s}
  - {name: unreadable, type: webhook, url: %q, auth: header, header: X-Key, value_file: %s}
`, r.port, portOf(t, front), r.ca, front, keys, r.URL+"/refuses", value, r.URL+"/unreadable", lost))
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	c := s.bus("admin")
	if _, err := c.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("mine"), EventPattern: aws.String(`{"source":["com.example"]}`)}); err != nil {
		t.Fatal(err)
	}
	prefix := "arn:aws:events:us-east-1:" + account + ":"
	var targets []types.Target
	for _, name := range []string{"refuses", "unreadable"} {
		targets = append(targets, types.Target{
			Id: &name, Arn: aws.String(prefix + "target/" + name), RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)},
			DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String("arn:aws:sqs:us-east-1:" + account + ":dead")},
		})
	}
	if out, err := c.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("mine"), Targets: targets}); err != nil || out.FailedEntryCount != 0 {
		t.Fatalf("targets: %+v, %v", out, err)
	}
	put, err := c.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: aws.String("com.example"), DetailType: aws.String("kind"), Detail: aws.String(`{"n":1}`)}}})
	if err != nil || put.FailedEntryCount != 0 {
		t.Fatalf("put events: %+v, %v", put, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), maxJob)
	defer cancel()
	got := map[string]map[string]string{}
	for len(got) < len(targets) {
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5, VisibilityTimeout: 600, MessageAttributeNames: []string{"All"}})
		if err != nil {
			t.Fatalf("%v; until then came %v", err, got)
		}
		for _, m := range out.Messages {
			var e event.Event
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &e); err != nil || e.ID != *put.Entries[0].EventId {
				t.Errorf("%v: %s", err, aws.ToString(m.Body))
			}
			about := map[string]string{}
			for name, a := range m.MessageAttributes {
				about[name] = aws.ToString(a.StringValue)
			}
			got[about["TARGET_ARN"]] = about
		}
	}
	want := func(name string, more map[string]string) map[string]string {
		all := map[string]string{
			"event-id": *put.Entries[0].EventId, "content-type": "application/json; charset=utf-8", "RULE_ARN": prefix + "rule/mine", "TARGET_ARN": prefix + "target/" + name, "RETRY_ATTEMPTS": "0",
		}
		maps.Copy(all, more)
		return all
	}
	if d := cmp.Diff(map[string]map[string]string{
		prefix + "target/refuses": want("refuses", map[string]string{"ERROR_CODE": "TARGET_REFUSED", "ERROR_MESSAGE": "the target does not take the event: HTTP status 418"}),
		prefix + "target/unreadable": want("unreadable", map[string]string{
			"ERROR_CODE": "TARGET_FAILED", "ERROR_MESSAGE": "the target could not be reached, or answered that it cannot take the event now", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
		}),
	}, got); d != "" {
		t.Errorf("dead letters (-want +got):\n%s", d)
	}
}
