package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"darkroom/internal/blob"
)

// optional is a pointer to a value that says something, else nil.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// tag is an ETag as it stands in a header, or *.
func tag(etag string) *string {
	if etag == "" || etag == "*" {
		return optional(etag)
	}
	return aws.String(`"` + strings.Trim(etag, `"`) + `"`)
}

func untag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// withExpires sets a header that the SDK takes as a time alone, as it was given.
func withExpires(value string) func(*s3.Options) {
	return func(o *s3.Options) {
		if value != "" {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("Expires", value))
		}
	}
}

// rangeHeader is a range as it stands in a header.
func rangeHeader(r *blob.Range) *string {
	switch {
	case r == nil:
		return nil
	case r.Start < 0:
		return aws.String("bytes=-" + strconv.FormatInt(r.Length, 10))
	case r.End < 0:
		return aws.String(fmt.Sprintf("bytes=%d-", r.Start))
	}
	return aws.String(fmt.Sprintf("bytes=%d-%d", r.Start, r.End))
}

// Get implements blob.Store. Where the whole is read and has a checksum, a body that does not have it ends in an error.
func (s *Store) Get(ctx context.Context, bucket, key string, r *blob.Range, c blob.Conditions) (*blob.Object, error) {
	if err := checkName(bucket, key); err != nil {
		return nil, err
	}
	in := &s3.GetObjectInput{
		Bucket: &bucket, Key: &key, Range: rangeHeader(r), IfMatch: tag(c.IfMatch), IfNoneMatch: tag(c.IfNoneMatch),
		IfModifiedSince: optionalTime(c.IfModifiedSince), IfUnmodifiedSince: optionalTime(c.IfUnmodifiedSince),
	}
	given := customer(c.Customer)
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = given.algorithm, given.key, given.digest
	if r == nil {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, fail("get object", err)
	}
	o := &blob.Object{Body: out.Body, Info: blob.Info{
		Key: key, ETag: untag(out.ETag), LastModified: aws.ToTime(out.LastModified), Size: aws.ToInt64(out.ContentLength),
		Metadata: blob.Metadata{
			ContentType: aws.ToString(out.ContentType), CacheControl: aws.ToString(out.CacheControl), ContentDisposition: aws.ToString(out.ContentDisposition),
			ContentEncoding: aws.ToString(out.ContentEncoding), ContentLanguage: aws.ToString(out.ContentLanguage), Expires: aws.ToString(out.ExpiresString),
			User: out.Metadata,
			Checksum: checksumOf(out.ChecksumType, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME,
				out.ChecksumSHA1, out.ChecksumSHA256),
		},
		Encryption: kept{out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}.encryption(),
		Class:      string(out.StorageClass),
	}}
	o.Length = o.Size
	if out.ContentRange != nil {
		if o.Start, o.Length, o.Size, err = parseContentRange(*out.ContentRange); err != nil {
			out.Body.Close()
			return nil, fail("get object", err)
		}
	} else if r != nil && (r.Start > 0 || r.Start < 0 && r.Length < o.Size || r.End >= 0 && r.End < o.Size-1) {
		out.Body.Close()
		return nil, fmt.Errorf("get object: the server gave all of it for a range")
	}
	if r != nil && o.Length == 0 { // some servers answer for nothing
		out.Body.Close()
		return nil, blob.ErrInvalidRange
	}
	if len(o.Metadata.User) == 0 {
		o.Metadata.User = nil
	}
	return o, nil
}

// parseContentRange reads bytes FIRST-LAST/SIZE.
func parseContentRange(v string) (start, length, size int64, err error) {
	span, total, ok := strings.Cut(strings.TrimPrefix(v, "bytes "), "/")
	first, last, ok2 := strings.Cut(span, "-")
	start, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	if !ok || !ok2 || err1 != nil || err2 != nil || err3 != nil || start < 0 || end < start || end >= size {
		return 0, 0, 0, fmt.Errorf("the server gave a malformed Content-Range")
	}
	return start, end - start + 1, size, nil
}

// Head implements blob.Store.
func (s *Store) Head(ctx context.Context, bucket, key string, c blob.Conditions) (blob.Info, error) {
	if err := checkName(bucket, key); err != nil {
		return blob.Info{}, err
	}
	given := customer(c.Customer)
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		SSECustomerAlgorithm: given.algorithm, SSECustomerKey: given.key, SSECustomerKeyMD5: given.digest,
		Bucket: &bucket, Key: &key, IfMatch: tag(c.IfMatch), IfNoneMatch: tag(c.IfNoneMatch), ChecksumMode: types.ChecksumModeEnabled,
		IfModifiedSince: optionalTime(c.IfModifiedSince), IfUnmodifiedSince: optionalTime(c.IfUnmodifiedSince),
	})
	if missing(err) { // of what, an answer to HEAD does not say, and whoever may read an object may not always look at its bucket
		if _, bucketErr := s.HeadBucket(ctx, bucket); errors.Is(bucketErr, blob.ErrNoSuchBucket) {
			return blob.Info{}, bucketErr
		}
		err = fmt.Errorf("%w: %w", blob.ErrNoSuchKey, err)
	}
	if err != nil {
		return blob.Info{}, fail("head object", headError(err, c))
	}
	i := blob.Info{
		Key: key, ETag: untag(out.ETag), LastModified: aws.ToTime(out.LastModified), Size: aws.ToInt64(out.ContentLength),
		Metadata: blob.Metadata{
			ContentType: aws.ToString(out.ContentType), CacheControl: aws.ToString(out.CacheControl), ContentDisposition: aws.ToString(out.ContentDisposition),
			ContentEncoding: aws.ToString(out.ContentEncoding), ContentLanguage: aws.ToString(out.ContentLanguage), Expires: aws.ToString(out.ExpiresString),
			Checksum: checksumOf(out.ChecksumType, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256),
		},
		Encryption: kept{out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}.encryption(),
		Class:      string(out.StorageClass),
	}
	if len(out.Metadata) > 0 {
		i.Metadata.User = out.Metadata
	}
	return i, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	if err := checkName(bucket, key); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	return fail("delete object", err)
}

// Copy implements blob.Store. The server copies, up to blob.MaxPart bytes; of a larger object it is its own refusal that is returned.
func (s *Store) Copy(ctx context.Context, srcBucket, srcKey, bucket, key string, o blob.CopyOptions) (blob.Info, error) {
	c, meta := o.Conditions, o.Metadata
	for _, err := range [...]error{checkName(srcBucket, srcKey), checkName(bucket, key)} {
		if err != nil {
			return blob.Info{}, err
		}
	}
	asked, err := sseOf(o.Storage)
	if err != nil {
		return blob.Info{}, err
	}
	given := customer(c.Customer)
	in := &s3.CopyObjectInput{
		CopySourceSSECustomerAlgorithm: given.algorithm, CopySourceSSECustomerKey: given.key, CopySourceSSECustomerKeyMD5: given.digest,
		ServerSideEncryption: asked.method, SSEKMSKeyId: asked.keyID, SSEKMSEncryptionContext: asked.context, BucketKeyEnabled: asked.bucketKey,
		SSECustomerAlgorithm: asked.algorithm, SSECustomerKey: asked.key, SSECustomerKeyMD5: asked.digest, StorageClass: asked.class, ACL: asked.acl,
		Bucket: &bucket, Key: &key, CopySource: aws.String(srcBucket + "/" + escapeKey(srcKey)),
		CopySourceIfMatch: tag(c.IfMatch), CopySourceIfNoneMatch: tag(c.IfNoneMatch),
		CopySourceIfModifiedSince: optionalTime(c.IfModifiedSince), CopySourceIfUnmodifiedSince: optionalTime(c.IfUnmodifiedSince),
	}
	expires := ""
	if meta != nil {
		if err := blob.CheckMetadata(*meta); err != nil {
			return blob.Info{}, err
		}
		in.MetadataDirective = types.MetadataDirectiveReplace
		in.ContentType, in.CacheControl, in.ContentDisposition = optional(meta.ContentType), optional(meta.CacheControl), optional(meta.ContentDisposition)
		in.ContentEncoding, in.ContentLanguage, in.Metadata = optional(meta.ContentEncoding), optional(meta.ContentLanguage), meta.User
		expires = meta.Expires
	}
	out, err := s.client.CopyObject(ctx, in, withExpires(expires))
	if err != nil {
		if missing(err) && codeOf(err) == "" {
			err = fmt.Errorf("%w: %w", blob.ErrNoSuchKey, err)
		}
		return blob.Info{}, fail("copy object", err)
	}
	have := kept{out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}
	if err := have.honours(o.Storage.Encryption); err != nil {
		return blob.Info{}, fmt.Errorf("copy object: %w", s.discard(ctx, bucket, key, err))
	}
	return s.Head(ctx, bucket, key, blob.Conditions{Customer: o.Storage.Encryption.Customer})
}

// escapeKey is a key as it stands in x-amz-copy-source.
func escapeKey(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}

// List implements blob.Store. What servers do with a start inside a common prefix differs; what was given before is left out here.
func (s *Store) List(ctx context.Context, bucket string, o blob.ListOptions) (blob.Listing, error) {
	if err := checkName(bucket, "-"); err != nil {
		return blob.Listing{}, err
	}
	limit := o.Max
	if limit <= 0 || limit > blob.MaxKeys {
		limit = blob.MaxKeys
	}
	in := &s3.ListObjectsV2Input{
		Bucket: &bucket, Prefix: optional(o.Prefix), Delimiter: optional(o.Delimiter), StartAfter: optional(o.StartAfter),
		MaxKeys: aws.Int32(int32(limit)), EncodingType: types.EncodingTypeUrl,
	}
	for {
		page, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return blob.Listing{}, fail("list objects", err)
		}
		out, err := listing(page, o.StartAfter)
		if err != nil {
			return blob.Listing{}, fail("list objects", err)
		}
		if !out.Truncated || out.Next != "" {
			return out, nil
		}
		in.ContinuationToken = page.NextContinuationToken // all of the page was given before
		if in.ContinuationToken == nil {
			return blob.Listing{}, fmt.Errorf("list objects: the server gave a truncated page without a token")
		}
	}
}

// listing reads a page.
func listing(page *s3.ListObjectsV2Output, after string) (blob.Listing, error) {
	out := blob.Listing{Truncated: aws.ToBool(page.IsTruncated)}
	name := func(s *string) (string, error) {
		if page.EncodingType != types.EncodingTypeUrl {
			return aws.ToString(s), nil
		}
		return url.QueryUnescape(aws.ToString(s))
	}
	for _, c := range page.Contents {
		key, err := name(c.Key)
		if err != nil {
			return out, err
		}
		if key > after {
			out.Objects = append(out.Objects, blob.Info{
				Key: key, Size: aws.ToInt64(c.Size), ETag: untag(c.ETag), LastModified: aws.ToTime(c.LastModified), Class: string(c.StorageClass),
			})
			out.Next = max(out.Next, key)
		}
	}
	for _, p := range page.CommonPrefixes {
		prefix, err := name(p.Prefix)
		if err != nil {
			return out, err
		}
		if prefix > after {
			out.CommonPrefixes = append(out.CommonPrefixes, prefix)
			out.Next = max(out.Next, prefix)
		}
	}
	return out, nil
}
