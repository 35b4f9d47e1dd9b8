package aws

import (
	"context"
	"fmt"
	"sync/atomic"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"darkroom/internal/arn"
	"darkroom/internal/target"
)

// SNS publishes to one topic. It is safe for concurrent use.
type SNS struct {
	c      *Client
	topic  arn.ARN
	closed atomic.Bool
}

// SNS returns a sender to the topic of an ARN. Close of the sender leaves the client open.
func (c *Client) SNS(topic string) (*SNS, error) {
	a, err := Topic(topic)
	if err != nil {
		return nil, fmt.Errorf("topic: %w", err)
	}
	return &SNS{c: c, topic: a}, nil
}

// Send implements target.Sender. A FIFO topic keeps messages with the same id once within five minutes; their group is their subject.
func (s *SNS) Send(ctx context.Context, m target.Message) error {
	what := "SNS topic " + s.topic.Resource
	if s.closed.Load() {
		return fmt.Errorf("%s: it is closed", what)
	}
	with, err := attributes(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.timeout)
	defer cancel()
	in := &sns.PublishInput{TopicArn: sdk.String(s.topic.String()), Message: sdk.String(string(m.Body)), MessageAttributes: map[string]types.MessageAttributeValue{}}
	for _, a := range with {
		in.MessageAttributes[a.name] = types.MessageAttributeValue{DataType: sdk.String("String"), StringValue: &a.value}
	}
	if fifo(s.topic.Resource) {
		in.MessageGroupId, in.MessageDeduplicationId = sdk.String(group(m)), &m.ID
	}
	_, err = s.c.sns.Publish(ctx, in)
	return s.c.judge(what, err)
}

// Close implements target.Sender.
func (s *SNS) Close() error {
	s.closed.Store(true)
	return nil
}
