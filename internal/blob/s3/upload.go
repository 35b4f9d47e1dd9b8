package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"darkroom/internal/blob"
)

const (
	// heldPart is the largest part that is held in memory where its length is known; a larger one is streamed, and cannot be sent again.
	heldPart = 16 << 20
	// maxUnknownPart is the largest part whose length is not known: the protocol wants the length first.
	maxUnknownPart = 64 << 20
)

// CreateUpload implements blob.Store. Its answer says how the object will be kept, before a byte of it is sent.
func (s *Store) CreateUpload(ctx context.Context, bucket, key string, o blob.UploadOptions) (blob.Upload, error) {
	m := o.Metadata
	if err := checkName(bucket, key); err != nil {
		return blob.Upload{}, err
	}
	if err := blob.CheckMetadata(m); err != nil {
		return blob.Upload{}, err
	}
	c, err := blob.UploadChecksum(m.Checksum)
	if err != nil {
		return blob.Upload{}, err
	}
	asked, err := sseOf(o.Storage)
	if err != nil {
		return blob.Upload{}, err
	}
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &key, ContentType: optional(m.ContentType), CacheControl: optional(m.CacheControl),
		ContentDisposition: optional(m.ContentDisposition), ContentEncoding: optional(m.ContentEncoding), ContentLanguage: optional(m.ContentLanguage),
		Metadata: m.User, ChecksumAlgorithm: types.ChecksumAlgorithm(c.Algorithm), ChecksumType: types.ChecksumType(c.Type),
		ServerSideEncryption: asked.method, SSEKMSKeyId: asked.keyID, SSEKMSEncryptionContext: asked.context, BucketKeyEnabled: asked.bucketKey,
		SSECustomerAlgorithm: asked.algorithm, SSECustomerKey: asked.key, SSECustomerKeyMD5: asked.digest, StorageClass: asked.class, ACL: asked.acl,
	}, withExpires(m.Expires))
	if err != nil {
		return blob.Upload{}, fail("create upload", err)
	}
	have := kept{out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}
	u := blob.Upload{
		Bucket: bucket, Key: key, ID: aws.ToString(out.UploadId), Checksum: blob.Checksum{Algorithm: c.Algorithm, Type: c.Type}, Encryption: have.encryption(),
	}
	if err := have.honours(o.Storage.Encryption); err != nil {
		abort, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		if abortErr := s.AbortUpload(abort, u); abortErr != nil {
			err = fmt.Errorf("%w (the upload %s is left behind: %v)", err, u.ID, abortErr)
		}
		return blob.Upload{}, fmt.Errorf("create upload: %w", err)
	}
	return u, nil
}

// UploadPart implements blob.Store. A part of unknown length has at most maxUnknownPart bytes.
func (s *Store) UploadPart(ctx context.Context, u blob.Upload, number int, body io.Reader, o blob.PutOptions) (blob.Part, error) {
	if err := checkName(u.Bucket, u.Key); err != nil {
		return blob.Part{}, err
	}
	switch c := &o.Metadata.Checksum; {
	case number < 1 || number > blob.MaxParts:
		return blob.Part{}, fmt.Errorf("%w: part numbers are 1 to %d", blob.ErrInvalidArgument, blob.MaxParts)
	case o.Size > blob.MaxPart:
		return blob.Part{}, blob.ErrEntityTooLarge
	case o.Storage.Encryption.Method != "" && o.Storage.Encryption.Method != blob.SSEC, o.Storage.Class != "", o.Storage.ACL != "":
		return blob.Part{}, fmt.Errorf("%w: a part is kept as its upload says", blob.ErrInvalidArgument)
	case c.Algorithm == "":
		c.Algorithm = u.Checksum.Algorithm
	}
	v, err := newVerifier(o)
	if err != nil {
		return blob.Part{}, err
	}
	if c := o.Metadata.Checksum; o.Size > heldPart && (c.Algorithm == "" || c.Value != "") {
		return s.streamPart(ctx, u, number, body, v)
	}
	buf, err := hold(ctx, body, o.Size)
	if err != nil {
		return blob.Part{}, err
	}
	v.write(buf)
	c, err := v.verify()
	if err != nil {
		return blob.Part{}, err
	}
	c.Type = ""
	sum := base64.StdEncoding.EncodeToString(v.md5.Sum(nil))
	return s.sendBody(ctx, u, number, bytes.NewReader(buf), int64(len(buf)), &sum, c, o.Storage.Encryption.Customer)
}

// hold reads a part into memory.
func hold(ctx context.Context, body io.Reader, size int64) ([]byte, error) {
	limit := int64(maxUnknownPart)
	capacity := int64(firstPart)
	if size >= 0 {
		limit, capacity = size, size
	}
	if size > maxUnknownPart {
		return nil, fmt.Errorf("%w: a part whose checksum comes behind it has at most %d bytes", blob.ErrEntityTooLarge, maxUnknownPart)
	}
	buf := make([]byte, capacity+1) // one more, to see the end
	for n := 0; ; {
		k, err := fill(ctx, body, buf[n:])
		n += k
		switch {
		case err == io.EOF:
			return buf[:n], nil
		case err != nil:
			return nil, fmt.Errorf("read body: %w", err)
		case size >= 0:
			return nil, fmt.Errorf("%w: more than %d bytes", blob.ErrIncompleteBody, size)
		case int64(n) > limit:
			return nil, fmt.Errorf("%w: a part of unknown length has at most %d bytes", blob.ErrEntityTooLarge, maxUnknownPart)
		}
		buf = append(buf, make([]byte, min(int64(len(buf)), limit+1-int64(n)))...)
	}
}

// streamPart sends a part as it is read.
func (s *Store) streamPart(ctx context.Context, u blob.Upload, number int, body io.Reader, v *verifier) (blob.Part, error) {
	stream := &verifiedStream{ctx: ctx, body: body, left: v.o.Size, verifier: v}
	var sum *string
	if v.o.ContentMD5 != nil {
		sum = aws.String(base64.StdEncoding.EncodeToString(v.o.ContentMD5))
	}
	c := v.o.Metadata.Checksum
	p, err := s.sendBody(ctx, u, number, stream, v.o.Size, sum, c, v.o.Storage.Encryption.Customer, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
	if stream.err != nil {
		return blob.Part{}, stream.err
	}
	return p, err
}

// verifiedStream gives a body of known length, the last byte of it only when all of it is what it was said to be.
type verifiedStream struct {
	ctx      context.Context //nolint:containedctx // of one request
	body     io.Reader
	left     int64
	verifier *verifier
	last     [1]byte
	err      error // why the body ended early
}

func (s *verifiedStream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if s.err == nil && s.left > 1 {
		n, err := fill(s.ctx, s.body, p[:min(int64(len(p)), s.left-1)])
		s.verifier.write(p[:n])
		s.left -= int64(n)
		if err != nil {
			s.fail(err)
		}
		return n, s.err
	}
	if s.err == nil {
		s.end()
	}
	if s.err != nil {
		return 0, s.err
	}
	p[0] = s.last[0]
	s.left = 0
	return 1, io.EOF
}

// end reads the last byte, sees that no other follows, and verifies.
func (s *verifiedStream) end() {
	var tail [2]byte
	n, err := fill(s.ctx, s.body, tail[:])
	s.verifier.write(tail[:n])
	if err == io.EOF {
		_, err = s.verifier.verify()
	} else if err == nil {
		err = fmt.Errorf("%w: more than %d bytes", blob.ErrIncompleteBody, s.verifier.o.Size)
	}
	if err != nil {
		s.fail(err)
	}
	s.last[0] = tail[0]
}

func (s *verifiedStream) fail(err error) {
	if err == io.EOF {
		err = fmt.Errorf("%w: %d bytes of %d", blob.ErrIncompleteBody, s.verifier.size, s.verifier.o.Size)
	}
	s.err = err
}

// CompleteUpload implements blob.Store.
func (s *Store) CompleteUpload(ctx context.Context, u blob.Upload, parts []blob.Part, c blob.Conditions) (blob.Info, error) {
	if err := checkName(u.Bucket, u.Key); err != nil {
		return blob.Info{}, err
	}
	if len(parts) == 0 {
		return blob.Info{}, fmt.Errorf("%w: an upload is completed with at least one part", blob.ErrInvalidArgument)
	}
	sum, given := sumsOf(u.Checksum), customer(c.Customer)
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID, IfMatch: tag(c.IfMatch), IfNoneMatch: tag(c.IfNoneMatch),
		ChecksumType:  types.ChecksumType(u.Checksum.Type),
		ChecksumCRC32: sum.crc32, ChecksumCRC32C: sum.crc32c, ChecksumCRC64NVME: sum.crc64, ChecksumSHA1: sum.sha1, ChecksumSHA256: sum.sha256,
		SSECustomerAlgorithm: given.algorithm, SSECustomerKey: given.key, SSECustomerKeyMD5: given.digest,
		MultipartUpload: &types.CompletedMultipartUpload{},
	}
	size := int64(0)
	for i, p := range parts {
		if i > 0 && p.Number <= parts[i-1].Number {
			return blob.Info{}, blob.ErrInvalidPartOrder
		}
		ps := sumsOf(p.Checksum)
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{
			PartNumber: aws.Int32(int32(p.Number)), ETag: tag(p.ETag),
			ChecksumCRC32: ps.crc32, ChecksumCRC32C: ps.crc32c, ChecksumCRC64NVME: ps.crc64, ChecksumSHA1: ps.sha1, ChecksumSHA256: ps.sha256,
		})
		size += p.Size
	}
	out, err := s.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return blob.Info{}, fail("complete upload", err)
	}
	i := blob.Info{Key: u.Key, Size: size, ETag: untag(out.ETag)}
	i.Encryption = kept{method: out.ServerSideEncryption, keyID: out.SSEKMSKeyId, bucketKey: out.BucketKeyEnabled}.encryption()
	i.Metadata.Checksum = checksumOf(out.ChecksumType, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256)
	return i, nil
}

// AbortUpload implements blob.Store.
func (s *Store) AbortUpload(ctx context.Context, u blob.Upload) error {
	if err := checkName(u.Bucket, u.Key); err != nil {
		return err
	}
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID})
	return fail("abort upload", err)
}

// ListUploads implements blob.Store.
func (s *Store) ListUploads(ctx context.Context, bucket, prefix string) ([]blob.Upload, error) {
	if err := checkName(bucket, "-"); err != nil {
		return nil, err
	}
	var out []blob.Upload
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{
		Bucket: &bucket, Prefix: optional(prefix), EncodingType: types.EncodingTypeUrl,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fail("list uploads", err)
		}
		for _, u := range page.Uploads {
			key := aws.ToString(u.Key)
			if page.EncodingType == types.EncodingTypeUrl {
				if key, err = url.QueryUnescape(key); err != nil {
					return nil, fail("list uploads", err)
				}
			}
			out = append(out, blob.Upload{
				Bucket: bucket, Key: key, ID: aws.ToString(u.UploadId), Initiated: aws.ToTime(u.Initiated),
				Checksum: blob.Checksum{Algorithm: string(u.ChecksumAlgorithm), Type: string(u.ChecksumType)},
			})
		}
	}
	slices.SortStableFunc(out, func(a, b blob.Upload) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// ListParts implements blob.Store.
func (s *Store) ListParts(ctx context.Context, u blob.Upload) ([]blob.Part, error) {
	if err := checkName(u.Bucket, u.Key); err != nil {
		return nil, err
	}
	var out []blob.Part
	pages := s3.NewListPartsPaginator(s.client, &s3.ListPartsInput{Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fail("list parts", err)
		}
		for _, p := range page.Parts {
			out = append(out, blob.Part{
				Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size), ETag: untag(p.ETag), LastModified: aws.ToTime(p.LastModified),
				Checksum: checksumOf("", p.ChecksumCRC32, p.ChecksumCRC32C, p.ChecksumCRC64NVME, p.ChecksumSHA1, p.ChecksumSHA256),
			})
		}
	}
	return out, nil
}
