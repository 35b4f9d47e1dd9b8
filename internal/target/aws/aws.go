// Package aws sends events to what speaks the wire protocols of Amazon SQS and Amazon SNS at a configured endpoint: AWS itself, or another server.
//
// Requests are signed with Signature Version 4 by the SDK's clients; they go through a transport that is handed in.
package aws

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/target"
)

// Bounds.
const (
	// Timeout is how long a delivery may take.
	Timeout = 15 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 1 << 20
	// MaxMessage is how long a message can be, with its attributes (SendMessage and Publish; SQS takes more since 2025, other servers do not).
	MaxMessage = 256 << 10
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey secret.Bytes
	SessionToken    secret.Bytes // none for a long-term key
}

// Options are what a client works with. All are needed.
type Options struct {
	Endpoint string // URL
	Region   string // that requests are signed for
	// Credentials are asked for at every request, so that they can be renewed.
	Credentials func(context.Context) (Credentials, error)
	// Transport carries the requests. Redirects are not followed.
	Transport http.RoundTripper
	Timeout   time.Duration // 0: Timeout
}

// Client is a client of both services of one endpoint. It is safe for concurrent use.
type Client struct {
	sqs     *sqs.Client
	sns     *sns.Client
	host    string
	timeout time.Duration
	close   func()
}

// New returns a client. Nothing is sent yet.
func New(o Options) (*Client, error) {
	if o.Endpoint == "" || o.Region == "" || o.Credentials == nil || o.Transport == nil {
		return nil, errors.New("a queue service needs Endpoint, Region, Credentials and Transport")
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("a queue service needs an Endpoint of the form https://HOST")
	}
	web := &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	credentials := sdk.CredentialsProviderFunc(func(ctx context.Context) (sdk.Credentials, error) {
		c, err := o.Credentials(ctx)
		if err != nil {
			return sdk.Credentials{}, &egress.Fault{What: "read its credentials", Why: err.Error(), Err: err}
		}
		return sdk.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: string(c.SecretAccessKey.Reveal()), SessionToken: string(c.SessionToken.Reveal())}, nil
	})
	endpoint := sdk.String(strings.TrimSuffix(o.Endpoint, "/"))
	bounded := egress.Bounded{Client: web, Answer: maxAnswer}
	c := &Client{host: u.Host, timeout: o.Timeout, close: web.CloseIdleConnections}
	if c.timeout == 0 {
		c.timeout = Timeout
	}
	// Whoever asked for the delivery tries again; the clients do not.
	c.sqs = sqs.New(sqs.Options{
		Region: o.Region, BaseEndpoint: endpoint, Credentials: credentials, HTTPClient: bounded, Retryer: sdk.NopRetryer{}, Logger: logging.Nop{},
		DisableMessageChecksumValidation: fips140.Enforced(), // the checksum is MD5
	})
	c.sns = sns.New(sns.Options{Region: o.Region, BaseEndpoint: endpoint, Credentials: credentials, HTTPClient: bounded, Retryer: sdk.NopRetryer{}, Logger: logging.Nop{}})
	return c, nil
}

// Close lets go of connections.
func (c *Client) Close() error {
	c.close()
	return nil
}

// refusals are the codes that no other attempt mends: the message itself is what is wrong. Without the prefix that SQS gives them in the Query protocol.
var refusals = []string{
	"InvalidMessageContents", "InvalidMessageContentsException", "BatchRequestTooLong", "InvalidParameterValue", "InvalidParameterValueException", "InvalidParameter", "InvalidParameterException",
	"MissingParameter", "MissingRequiredParameterException", "ParameterValueInvalid", "UnsupportedOperation", "ValidationError", "ValidationException",
}

const queryPrefix = "AWS.SimpleQueueService."

// judge says what an error means. Of the service's answer only the code is repeated, if it looks like one.
func (c *Client) judge(what string, err error) error {
	if err == nil {
		return nil
	}
	what += " at " + c.host
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	var own *egress.Fault
	switch {
	case errors.As(err, &own):
		return &egress.Fault{What: what, Why: own.Error(), Err: err}
	case !errors.As(err, &answer), answer.HTTPStatusCode() < 300: // there was none, or none that could be read
		return egress.NewFault(what, err)
	}
	status, code := answer.HTTPStatusCode(), ""
	if errors.As(err, &api) {
		code = strings.TrimPrefix(api.ErrorCode(), queryPrefix)
	}
	if !validCode(code) {
		code = ""
	}
	reason := strings.TrimSpace(fmt.Sprintf("HTTP status %d %s", status, code))
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case status >= 300 && status < 400:
		return &target.Refused{Reason: reason + ", a redirect; none is followed"}
	case status >= 400 && status < 500 && !throttled && slices.Contains(refusals, code):
		return &target.Refused{Reason: reason}
	}
	return &egress.Fault{What: what, Why: reason, Err: err}
}

func validCode(s string) bool {
	return len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.'
	})
}

// attribute is a message attribute of type String.
type attribute struct{ name, value string }

// maxAttributes is how many attributes a message to a queue can have (SQS Developer Guide, "Message metadata"), which is also what a topic hands on to one.
const maxAttributes = 10

// namePattern is the name of an attribute: parts of letters, digits, hyphens and underscores with dots between them, at most 256 bytes in all (SQS API Reference, SendMessage).
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func validName(name string) bool {
	low := strings.ToLower(name)
	return len(name) <= 256 && namePattern.MatchString(name) && !strings.HasPrefix(low, "aws.") && !strings.HasPrefix(low, "amazon.")
}

// validValue says whether a text is not empty and of the characters of XML 1.0, which is what the services take.
func validValue(value string) bool {
	return value != "" && utf8.ValidString(value) && !strings.ContainsFunc(value, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
	})
}

// attributes are what subscribers can filter by, and what receivers know a repetition by where the body does not say; then the fields beside the body. A message that
// the services would not take for them or for its length is refused.
func attributes(m target.Message) ([]attribute, error) {
	out := []attribute{{"event-id", m.ID}, {"content-type", m.ContentType}}
	if m.Subject != "" {
		out = append(out, attribute{"event-subject", m.Subject})
	}
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		if !validName(name) || !validValue(m.Header[name]) || slices.ContainsFunc(out, func(a attribute) bool { return a.name == name }) {
			return nil, &target.Refused{Reason: "the message has what no attribute can hold"}
		}
		out = append(out, attribute{name, m.Header[name]})
	}
	if len(out) > maxAttributes {
		return nil, &target.Refused{Reason: fmt.Sprintf("the message has more than %d attributes", maxAttributes)}
	}
	n := len(m.Body)
	for _, a := range out {
		n += len(a.name) + len(a.value) + len("String")
	}
	if n > MaxMessage {
		return nil, &target.Refused{Reason: fmt.Sprintf("the message has more than %d bytes", MaxMessage)}
	}
	return out, nil
}

// group is the group of a FIFO queue or topic, whose messages are in order: the subject, or all that have none.
func group(m target.Message) string {
	if m.Subject == "" {
		return "events"
	}
	return m.Subject
}

// fifo says whether the name of a queue or topic is one of the ordered kind.
func fifo(name string) bool { return strings.HasSuffix(name, ".fifo") }
