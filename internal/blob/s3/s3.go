// Package s3 is a blob.Store behind any endpoint that speaks the Amazon S3 protocol.
//
// Bodies are verified here before a server has all of them: a body that breaks, is of another length or does not have the checksum that
// was said of it is never an object. Content that is not put at once goes up as a multipart upload of bounded parts, whose ETag is then that
// of a multipart upload.
//
// How an object is to be kept is passed on to the server. A write whose answer does not say that the object is encrypted as it was asked to is
// blob.ErrNotHonoured, and is taken back. Answers say nothing of storage classes and access control lists: there the server is believed.
//
// Additional checksums are sent where a caller asks for one, and no other: servers differ in what they take. The signature covers the SHA-256 of
// every body that is held in memory; only a part larger than heldPart is streamed unsigned, under TLS or on loopback.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// Bounds of what is tried again.
const (
	maxAttempts = 4
	maxBackoff  = 5 * time.Second
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey secret.Bytes
	SessionToken    secret.Bytes // none for a long-term key
}

// Options are what a Store works with. Region, Credentials and Client are needed.
type Options struct {
	Endpoint  string // URL; empty means that of AWS
	Region    string
	PathStyle bool // the bucket in the path instead of the host name
	// Credentials are asked for at every request, so that they can be renewed.
	Credentials func(context.Context) (Credentials, error)
	// Client carries the requests. Redirects are not followed, whatever it does.
	Client *http.Client
	// RoleErrors says that the server is the control plane itself, whose blob.RoleErrorHeader is believed. From any other it is not.
	RoleErrors bool
}

// Store is a client of an S3 endpoint. It implements blob.Store and is safe for concurrent use. Conditions on writes, and which keys can be
// stored, are up to the server.
type Store struct {
	client *s3.Client
	region string
}

var _ blob.Store = (*Store)(nil)

// New returns a store behind an endpoint. Nothing is sent yet, and nothing is read from the environment.
func New(o Options) (*Store, error) {
	if o.Region == "" || o.Credentials == nil || o.Client == nil {
		return nil, errors.New("an S3 store needs Region, Credentials and Client")
	}
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	options := s3.Options{
		Region:       o.Region,
		UsePathStyle: o.PathStyle,
		Credentials:  aws.CredentialsProviderFunc(o.retrieve),
		HTTPClient:   &client,
		Retryer: retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = maxAttempts, maxBackoff
		}),
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
		DisableS3ExpressSessionAuth:               aws.Bool(true),
		DisableMultiRegionAccessPoints:            true,
		Logger:                                    logging.Nop{},
	}
	if o.RoleErrors {
		options.APIOptions = append(options.APIOptions, readRoleErrors)
	}
	if o.Endpoint != "" {
		options.BaseEndpoint = aws.String(strings.TrimSuffix(o.Endpoint, "/"))
	}
	return &Store{client: s3.New(options), region: o.Region}, nil
}

func (o Options) retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := o.Credentials(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: string(c.SecretAccessKey.Reveal()), SessionToken: string(c.SessionToken.Reveal())}, nil
}

// readRoleErrors makes refusals that say so in a header a *blob.RoleError or a *blob.KeyError.
func readRoleErrors(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("RoleErrors", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, ok := out.RawResponse.(*smithyhttp.Response)
		if !ok || err == nil {
			return out, metadata, err
		}
		if code, text, ok := strings.Cut(answer.Header.Get(blob.KeyErrorHeader), ": "); ok {
			err = fmt.Errorf("%w (%w)", &blob.KeyError{Code: code, Message: text}, err)
		}
		if answer.StatusCode == http.StatusForbidden {
			if text := answer.Header.Get(blob.RoleErrorHeader); text != "" {
				err = fmt.Errorf("%w (%w)", &blob.RoleError{Message: text}, err)
			}
		}
		return out, metadata, err
	}), middleware.Before)
}

// codes give the codes of a server their meaning.
var codes = map[string]error{
	"NoSuchBucket": blob.ErrNoSuchBucket, "NoSuchKey": blob.ErrNoSuchKey, "NoSuchUpload": blob.ErrNoSuchUpload,
	"BucketAlreadyOwnedByYou": blob.ErrBucketExists, "BucketAlreadyExists": blob.ErrBucketExists, "BucketNotEmpty": blob.ErrBucketNotEmpty,
	"InvalidBucketName": blob.ErrInvalidBucketName, "InvalidPart": blob.ErrInvalidPart, "InvalidPartOrder": blob.ErrInvalidPartOrder,
	"EntityTooSmall": blob.ErrEntityTooSmall, "EntityTooLarge": blob.ErrEntityTooLarge, "BadDigest": blob.ErrBadDigest,
	"XAmzContentChecksumMismatch": blob.ErrBadDigest, "XAmzContentSHA256Mismatch": blob.ErrBadDigest, "InvalidRange": blob.ErrInvalidRange,
	"PreconditionFailed": blob.ErrPreconditionFailed, "NotModified": blob.ErrNotModified, "KeyTooLongError": blob.ErrKeyTooLong, "KeyTooLong": blob.ErrKeyTooLong,
	"InvalidArgument": blob.ErrInvalidArgument, "IncompleteBody": blob.ErrIncompleteBody, "MetadataTooLarge": blob.ErrMetadataTooLarge,
	"AccessDenied": blob.ErrAccessDenied, "AllAccessDisabled": blob.ErrAccessDenied, "InvalidAccessKeyId": blob.ErrAccessDenied,
	"SignatureDoesNotMatch": blob.ErrAccessDenied, "ExpiredToken": blob.ErrAccessDenied, "InvalidToken": blob.ErrAccessDenied,
	"ConditionalRequestConflict": blob.ErrPreconditionFailed, "InsufficientStorage": blob.ErrNoSpace, "QuotaExceeded": blob.ErrNoSpace, "XMinioStorageFull": blob.ErrNoSpace,
	"NotImplemented": blob.ErrNotOffered,
}

// statuses serve where an answer has no code, as those to HEAD have not. 404 is not among them: it says of a bucket or of a key.
var statuses = map[int]error{
	http.StatusNotModified: blob.ErrNotModified, http.StatusForbidden: blob.ErrAccessDenied, http.StatusPreconditionFailed: blob.ErrPreconditionFailed,
	http.StatusRequestedRangeNotSatisfiable: blob.ErrInvalidRange, http.StatusInsufficientStorage: blob.ErrNoSpace,
}

// fail says what was tried, and wraps what an error means for a store.
func fail(what string, err error) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	if known := keyError(err); known != nil {
		return fmt.Errorf("%s: %w (%w)", what, known, err)
	}
	if errors.As(err, &api) {
		if known := codes[api.ErrorCode()]; known != nil {
			return fmt.Errorf("%s: %w: %w", what, known, err)
		}
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		if known := statuses[answer.HTTPStatusCode()]; known != nil {
			return fmt.Errorf("%s: %w: %w", what, known, err)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// missing says whether an answer without a code was 404.
func missing(err error) bool {
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound
}

// checkName refuses names before they become part of a URL. A bucket with a name that none can have is not there.
func checkName(bucket, key string) error {
	if blob.CheckBucket(bucket) != nil {
		return blob.ErrNoSuchBucket
	}
	return blob.CheckKey(key)
}

// CreateBucket implements blob.Store.
func (s *Store) CreateBucket(ctx context.Context, bucket string) error {
	if err := blob.CheckBucket(bucket); err != nil {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if s.region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(s.region)}
	}
	_, err := s.client.CreateBucket(ctx, in)
	return fail("create bucket", err)
}

// DeleteBucket implements blob.Store.
func (s *Store) DeleteBucket(ctx context.Context, bucket string) error {
	if err := checkName(bucket, "-"); err != nil {
		return err
	}
	_, err := s.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	return fail("delete bucket", err)
}

// HeadBucket implements blob.Store. When the bucket was made is not known.
func (s *Store) HeadBucket(ctx context.Context, bucket string) (blob.Bucket, error) {
	if err := checkName(bucket, "-"); err != nil {
		return blob.Bucket{}, err
	}
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	if missing(err) {
		err = fmt.Errorf("%w: %w", blob.ErrNoSuchBucket, err)
	}
	return blob.Bucket{Name: bucket}, fail("head bucket", err)
}

// ListBuckets implements blob.Store.
func (s *Store) ListBuckets(ctx context.Context) ([]blob.Bucket, error) {
	var out []blob.Bucket
	pages := s3.NewListBucketsPaginator(s.client, &s3.ListBucketsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fail("list buckets", err)
		}
		for _, b := range page.Buckets {
			out = append(out, blob.Bucket{Name: aws.ToString(b.Name), Created: aws.ToTime(b.CreationDate)})
		}
	}
	return out, nil
}
