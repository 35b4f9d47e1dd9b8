// Package kms is a client of any key service that speaks the AWS KMS protocol (JSON 1.1, TrentService): it has small secrets encrypted and decrypted
// under keys that never leave the service, each bound to an encryption context.
//
// Nothing is read from the environment, from shared files or from instance metadata: where the service is, what signs and what carries the requests is
// handed in.
package kms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
)

// What a call that fails is about. Every error of Encrypt and Decrypt wraps one of them, or the cause for which its context ended.
var (
	// ErrDenied says that the caller may not use the key, or that the service does not take the caller's credentials.
	ErrDenied = errors.New("access denied")
	// ErrNoSuchKey says that the key is not there.
	ErrNoSuchKey = errors.New("no such key")
	// ErrDisabled says that the key is there and cannot be used: disabled, pending deletion, or without material.
	ErrDisabled = errors.New("the key cannot be used in its state")
	// ErrCiphertext says that the ciphertext does not open: it is no ciphertext of the service, was altered, belongs to another key, or was made with
	// another encryption context. Services do not say which.
	ErrCiphertext = errors.New("the ciphertext does not open")
	// ErrRejected says that the service refuses the request for another reason. The same request is refused again.
	ErrRejected = errors.New("the request is not valid")
	// ErrUnreachable says that the service was not reached or failed, after all attempts. It may answer later.
	ErrUnreachable = errors.New("the key service does not answer")
)

// Bounds.
const (
	// MaxPlaintext is the longest plaintext of Encrypt in bytes, and MaxCiphertext the longest ciphertext of Decrypt (KMS API Reference).
	MaxPlaintext  = 4096
	MaxCiphertext = 6144
	// maxAttempts is how often a request is sent, maxBackoff how long is waited between, and callTimeout how long all of it takes.
	maxAttempts = 4
	maxBackoff  = 5 * time.Second
	callTimeout = 30 * time.Second
	// maxAnswer bounds an answer in bytes.
	maxAnswer = 64 << 10
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey secret.Bytes
	SessionToken    secret.Bytes // none for a long-term key
}

// Options are what a Client works with. All are needed.
type Options struct {
	Endpoint string // URL
	Region   string // that requests are signed for
	// Credentials are asked for at every request, so that they can be renewed.
	Credentials func(context.Context) (Credentials, error)
	// Transport carries the requests. Redirects are not followed.
	Transport http.RoundTripper
}

// Client is a client of one key service. It is safe for concurrent use.
type Client struct {
	client *kms.Client
	host   string
}

// New returns a client. Nothing is sent yet.
func New(o Options) (*Client, error) { return newClient(o, maxBackoff) }

func newClient(o Options, backoff time.Duration) (*Client, error) {
	if o.Endpoint == "" || o.Region == "" || o.Credentials == nil || o.Transport == nil {
		return nil, errors.New("a key service needs Endpoint, Region, Credentials and Transport")
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("a key service needs an Endpoint of the form https://HOST")
	}
	client := &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Client{
		client: kms.New(kms.Options{
			Region:       o.Region,
			BaseEndpoint: aws.String(strings.TrimSuffix(o.Endpoint, "/")),
			Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				c, err := o.Credentials(ctx)
				if err != nil {
					return aws.Credentials{}, err
				}
				return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: string(c.SecretAccessKey.Reveal()), SessionToken: string(c.SessionToken.Reveal())}, nil
			}),
			HTTPClient: egress.Bounded{Client: client, Answer: maxAnswer},
			Retryer: retry.NewStandard(func(r *retry.StandardOptions) {
				r.MaxAttempts, r.MaxBackoff = maxAttempts, backoff
			}),
			Logger: logging.Nop{},
		}),
		host: u.Host,
	}, nil
}

// Encrypt returns the ciphertext of at most MaxPlaintext bytes under a key, named by its id, its ARN or an alias, and bound to the context: Decrypt must be
// given the very same. The context is no secret: services record it.
func (c *Client) Encrypt(ctx context.Context, keyID string, plaintext secret.Bytes, encryptionContext map[string]string) ([]byte, error) {
	const what = "encrypt"
	switch n := plaintext.Len(); {
	case keyID == "":
		return nil, fmt.Errorf("%s: %w: no key is named", what, ErrRejected)
	case n == 0 || n > MaxPlaintext:
		return nil, fmt.Errorf("%s: %w: the plaintext has %d bytes; allowed: 1 to %d", what, ErrRejected, n, MaxPlaintext)
	}
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := c.client.Encrypt(limited, &kms.EncryptInput{KeyId: &keyID, Plaintext: plaintext.Reveal(), EncryptionContext: encryptionContext})
	switch {
	case err != nil:
		return nil, c.fail(ctx, what, err)
	case len(out.CiphertextBlob) == 0:
		return nil, fmt.Errorf("%s at %s: %w: the answer has no ciphertext", what, c.host, ErrUnreachable)
	}
	return out.CiphertextBlob, nil
}

// Decrypt returns the plaintext of a ciphertext that was made with the same context. keyID is the key that it must be of; empty means whichever the ciphertext
// says. The caller owns the plaintext and wipes it.
func (c *Client) Decrypt(ctx context.Context, keyID string, ciphertext []byte, encryptionContext map[string]string) (secret.Bytes, error) {
	const what = "decrypt"
	if n := len(ciphertext); n == 0 || n > MaxCiphertext {
		return secret.Bytes{}, fmt.Errorf("%s: %w: it has %d bytes; allowed: 1 to %d", what, ErrCiphertext, n, MaxCiphertext)
	}
	in := &kms.DecryptInput{CiphertextBlob: ciphertext, EncryptionContext: encryptionContext}
	if keyID != "" {
		in.KeyId = &keyID
	}
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := c.client.Decrypt(limited, in)
	switch {
	case err != nil:
		return secret.Bytes{}, c.fail(ctx, what, err)
	case len(out.Plaintext) == 0:
		return secret.Bytes{}, fmt.Errorf("%s at %s: %w: the answer has no plaintext", what, c.host, ErrUnreachable)
	}
	return secret.New(out.Plaintext), nil
}

// codes give the codes of a service their meaning (KMS API Reference: Encrypt, Decrypt, common errors). Other refusals are ErrRejected.
var codes = map[string]error{
	"AccessDeniedException": ErrDenied, "AccessDenied": ErrDenied, "NotAuthorized": ErrDenied, "OptInRequired": ErrDenied,
	"ExpiredToken": ErrDenied, "ExpiredTokenException": ErrDenied, "IncompleteSignature": ErrDenied, "IncompleteSignatureException": ErrDenied,
	"InvalidClientTokenId": ErrDenied, "InvalidSignatureException": ErrDenied, "MissingAuthenticationToken": ErrDenied,
	"MissingAuthenticationTokenException": ErrDenied, "RequestExpired": ErrDenied, "SignatureDoesNotMatch": ErrDenied,
	"UnrecognizedClientException": ErrDenied,
	"NotFoundException":           ErrNoSuchKey, "InvalidArnException": ErrNoSuchKey,
	"DisabledException": ErrDisabled, "KMSInvalidStateException": ErrDisabled,
	"InvalidCiphertextException": ErrCiphertext, "IncorrectKeyException": ErrCiphertext,
	"KeyUnavailableException": ErrUnreachable, "DependencyTimeoutException": ErrUnreachable, "KMSInternalException": ErrUnreachable,
	"InternalFailure": ErrUnreachable, "ServiceUnavailable": ErrUnreachable, "LimitExceededException": ErrUnreachable,
}

// maxShown bounds what is repeated of a service's words.
const maxShown = 300

// fail says what was tried and what its failure means. The client's error is not wrapped: it holds the whole answer.
func (c *Client) fail(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s at %s: %w", what, c.host, context.Cause(ctx))
	}
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) {
		// Credentials that could not be had end here too: what is asked again may have them.
		return fmt.Errorf("%s at %s: %w: %s", what, c.host, ErrUnreachable, shown(err.Error()))
	}
	status, code, message := answer.HTTPStatusCode(), "no code", ""
	var api smithy.APIError
	if errors.As(err, &api) {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	known := codes[code]
	if known == nil {
		_, throttled := retry.DefaultThrottleErrorCodes[code]
		passing := []int{http.StatusRequestTimeout, http.StatusTooManyRequests}
		switch {
		case throttled, status < 400, status >= 500, slices.Contains(passing, status):
			known = ErrUnreachable
		case status == http.StatusUnauthorized, status == http.StatusForbidden:
			known = ErrDenied
		default:
			known = ErrRejected
		}
	}
	return fmt.Errorf("%s at %s: %w (HTTP status %d, %s: %s)", what, c.host, known, status, shown(code), shown(message))
}

// shown is what a service said, as it may stand in an error.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), maxShown)], "")
}
