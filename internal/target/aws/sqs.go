package aws

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"darkroom/internal/arn"
	"darkroom/internal/target"
)

var (
	queuePattern   = regexp.MustCompile(`^([A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)$`)
	topicPattern   = regexp.MustCompile(`^([A-Za-z0-9_-]{1,256}|[A-Za-z0-9_-]{1,251}\.fifo)$`)
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
)

// Queue reads the ARN of a queue.
func Queue(name string) (arn.ARN, error) { return parse(name, "sqs", queuePattern) }

// Topic reads the ARN of a topic.
func Topic(name string) (arn.ARN, error) { return parse(name, "sns", topicPattern) }

func parse(name, service string, resource *regexp.Regexp) (arn.ARN, error) {
	a, err := arn.Parse(name)
	if err != nil || a.Service != service || a.Region == "" || !accountPattern.MatchString(a.Account) || !resource.MatchString(a.Resource) {
		return arn.ARN{}, fmt.Errorf("it is not of the form arn:aws:%s:REGION:ACCOUNT:NAME", service)
	}
	return a, nil
}

// SQS sends to one queue. It is safe for concurrent use.
type SQS struct {
	c      *Client
	queue  arn.ARN
	group  string // of a FIFO queue: that of all messages; empty: one for each subject
	closed atomic.Bool

	mu  sync.Mutex // guards url; held for an assignment
	url string     // empty until the service has said it
}

// SQS returns a sender to the queue of an ARN. Messages of a FIFO queue are in the group that is given, or in that of their subject if it is empty. Close of the sender
// leaves the client open.
func (c *Client) SQS(queue, group string) (*SQS, error) {
	a, err := Queue(queue)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	if group != "" && !fifo(a.Resource) {
		return nil, errors.New("queue: only a FIFO queue has groups")
	}
	return &SQS{c: c, queue: a, group: group}, nil
}

// Send implements target.Sender. A FIFO queue keeps messages with the same id once within five minutes.
func (s *SQS) Send(ctx context.Context, m target.Message) error {
	what := "SQS queue " + s.queue.Resource
	if s.closed.Load() {
		return fmt.Errorf("%s: it is closed", what)
	}
	with, err := attributes(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.timeout)
	defer cancel()
	address, err := s.address(ctx)
	if err != nil {
		return s.c.judge(what, err)
	}
	in := &sqs.SendMessageInput{QueueUrl: &address, MessageBody: sdk.String(string(m.Body)), MessageAttributes: map[string]types.MessageAttributeValue{}}
	for _, a := range with {
		in.MessageAttributes[a.name] = types.MessageAttributeValue{DataType: sdk.String("String"), StringValue: &a.value}
	}
	if fifo(s.queue.Resource) {
		g := s.group
		if g == "" {
			g = group(m)
		}
		in.MessageGroupId, in.MessageDeduplicationId = &g, &m.ID
	}
	_, err = s.c.sqs.SendMessage(ctx, in)
	var gone *types.QueueDoesNotExist
	if errors.As(err, &gone) { // made anew, it may have another address
		s.mu.Lock()
		s.url = ""
		s.mu.Unlock()
	}
	return s.c.judge(what, err)
}

// address is the queue's URL, which the service names. Requests go to the endpoint all the same: it says which queue, and not where to.
func (s *SQS) address(ctx context.Context) (string, error) {
	s.mu.Lock()
	known := s.url
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	out, err := s.c.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &s.queue.Resource, QueueOwnerAWSAccountId: &s.queue.Account})
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = sdk.ToString(out.QueueUrl)
	return s.url, nil
}

// Close implements target.Sender.
func (s *SQS) Close() error {
	s.closed.Store(true)
	return nil
}
