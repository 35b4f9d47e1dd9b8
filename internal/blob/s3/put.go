package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/internal/blob"
)

const (
	// firstPart is the size of the first parts of an object that is not put at once, and of what is put at once.
	firstPart = 8 << 20
	// growEvery is after how many parts of unknown length their size doubles, so that blob.MaxParts of them hold half a TiB.
	growEvery = 2000
	// uploaders is how many parts go up at once; together they and the part being read are what is held in memory.
	uploaders = 2
	// abortTimeout is the time for taking back an upload that failed.
	abortTimeout = 30 * time.Second
)

// partSize is how large part number of an object of size bytes is, -1 for one of unknown size.
func partSize(number int, size int64) int64 {
	if size >= 0 {
		const unit = 1 << 20
		even := (size/blob.MaxParts + unit) / unit * unit
		return max(firstPart, even)
	}
	return firstPart << ((number - 1) / growEvery)
}

// verifier hashes a body and compares it with what was said of it.
type verifier struct {
	md5   hash.Hash
	extra hash.Hash // nil for none
	size  int64
	o     blob.PutOptions
}

func newVerifier(o blob.PutOptions) (*verifier, error) {
	v := &verifier{md5: md5.New(), o: o} //nolint:gosec // see above
	if a := o.Metadata.Checksum.Algorithm; a != "" {
		var err error
		if v.extra, err = blob.NewHash(a); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *verifier) write(p []byte) {
	v.md5.Write(p)
	if v.extra != nil {
		v.extra.Write(p)
	}
	v.size += int64(len(p))
}

// verify gives the checksum of a body that is what it was said to be.
func (v *verifier) verify() (blob.Checksum, error) {
	if v.o.Size >= 0 && v.size != v.o.Size {
		return blob.Checksum{}, fmt.Errorf("%w: %d bytes of %d", blob.ErrIncompleteBody, v.size, v.o.Size)
	}
	if sum := v.md5.Sum(nil); v.o.ContentMD5 != nil && !bytes.Equal(sum, v.o.ContentMD5) {
		return blob.Checksum{}, fmt.Errorf("%w: the Content-MD5 is not that of the body", blob.ErrBadDigest)
	}
	if v.extra == nil {
		return blob.Checksum{}, nil
	}
	c := blob.Checksum{Algorithm: v.o.Metadata.Checksum.Algorithm, Type: blob.FullObject, Value: base64.StdEncoding.EncodeToString(v.extra.Sum(nil))}
	said := v.o.Metadata.Checksum.Value
	if said == "" && v.o.Trailer != nil {
		said = v.o.Trailer()
	}
	if said != "" && said != c.Value {
		return c, fmt.Errorf("%w: the %s is not that of the body", blob.ErrBadDigest, c.Algorithm)
	}
	return c, nil
}

// fill reads until p is full; io.EOF says that the body ended before.
func fill(ctx context.Context, body io.Reader, p []byte) (n int, err error) {
	for empty := 0; n < len(p); {
		if err := context.Cause(ctx); err != nil {
			return n, err
		}
		k, err := body.Read(p[n:])
		n += k
		if err != nil {
			return n, err
		}
		if empty++; k > 0 {
			empty = 0
		} else if empty > 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// Put implements blob.Store. A body that is not over after firstPart bytes goes up in parts; an additional checksum of a SHA algorithm is then that
// of a multipart upload, for the protocol knows no other.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, o blob.PutOptions) (blob.Info, error) {
	if err := checkName(bucket, key); err != nil {
		return blob.Info{}, err
	}
	if err := blob.CheckMetadata(o.Metadata); err != nil {
		return blob.Info{}, err
	}
	v, err := newVerifier(o)
	if err != nil {
		return blob.Info{}, err
	}
	if _, err := sseOf(o.Storage); err != nil {
		return blob.Info{}, err
	}
	first := int64(firstPart)
	if o.Size >= 0 {
		first = min(first, o.Size+1) // one more, to see the end
	}
	buf := make([]byte, first)
	n, err := fill(ctx, body, buf)
	if err == nil && (o.Size < 0 || o.Size >= first) {
		return s.putParts(ctx, bucket, key, io.MultiReader(bytes.NewReader(buf[:n]), body), v)
	}
	if err != nil && err != io.EOF {
		return blob.Info{}, fmt.Errorf("read body: %w", err)
	}
	v.write(buf[:n])
	c, err := v.verify()
	if err != nil {
		return blob.Info{}, err
	}
	return s.putOnce(ctx, bucket, key, buf[:n], v, c)
}

func (s *Store) putOnce(ctx context.Context, bucket, key string, body []byte, v *verifier, c blob.Checksum) (blob.Info, error) {
	sum, m := sumsOf(c), v.o.Metadata
	asked, err := sseOf(v.o.Storage)
	if err != nil {
		return blob.Info{}, err
	}
	out, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ContentMD5:  aws.String(base64.StdEncoding.EncodeToString(v.md5.Sum(nil))),
		ContentType: optional(m.ContentType), CacheControl: optional(m.CacheControl), ContentDisposition: optional(m.ContentDisposition),
		ContentEncoding: optional(m.ContentEncoding), ContentLanguage: optional(m.ContentLanguage), Metadata: m.User,
		IfMatch: tag(v.o.Conditions.IfMatch), IfNoneMatch: tag(v.o.Conditions.IfNoneMatch),
		ChecksumCRC32: sum.crc32, ChecksumCRC32C: sum.crc32c, ChecksumCRC64NVME: sum.crc64, ChecksumSHA1: sum.sha1, ChecksumSHA256: sum.sha256,
		ServerSideEncryption: asked.method, SSEKMSKeyId: asked.keyID, SSEKMSEncryptionContext: asked.context, BucketKeyEnabled: asked.bucketKey,
		SSECustomerAlgorithm: asked.algorithm, SSECustomerKey: asked.key, SSECustomerKeyMD5: asked.digest, StorageClass: asked.class, ACL: asked.acl,
	}, withExpires(m.Expires))
	if err != nil {
		return blob.Info{}, fail("put object", err)
	}
	have := kept{out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}
	if err := have.honours(v.o.Storage.Encryption); err != nil {
		return blob.Info{}, fmt.Errorf("put object: %w", s.discard(ctx, bucket, key, err))
	}
	i := blob.Info{Key: key, Size: int64(len(body)), ETag: untag(out.ETag), LastModified: time.Now().UTC(), Metadata: m, Encryption: have.encryption()}
	i.Metadata.Checksum = c
	return i, nil
}

// putParts puts a body as a multipart upload, which is taken back if anything fails.
func (s *Store) putParts(ctx context.Context, bucket, key string, body io.Reader, v *verifier) (blob.Info, error) {
	m := v.o.Metadata
	whole, err := blob.UploadChecksum(blob.Checksum{Algorithm: m.Checksum.Algorithm, Type: fullType(m.Checksum.Algorithm)})
	if err != nil {
		return blob.Info{}, err
	}
	m.Checksum = whole
	u, err := s.CreateUpload(ctx, bucket, key, blob.UploadOptions{Metadata: m, Storage: v.o.Storage})
	if err != nil {
		return blob.Info{}, err
	}
	info, err := s.sendParts(ctx, u, body, v)
	if err != nil {
		abort, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		if abortErr := s.AbortUpload(abort, u); abortErr != nil {
			err = fmt.Errorf("%w (the upload %s is left behind: %v)", err, u.ID, abortErr)
		}
		return blob.Info{}, err
	}
	info.Metadata.ContentType = m.ContentType
	info.Encryption = u.Encryption
	return info, nil
}

// fullType is the type that makes a checksum of parts that of the whole, where the algorithm has it.
func fullType(algorithm string) string {
	switch algorithm {
	case blob.CRC32, blob.CRC32C, blob.CRC64NVME:
		return blob.FullObject
	}
	return ""
}

// sending is a run of parts that go up beside the reading of the next.
type sending struct {
	cancel context.CancelCauseFunc
	free   chan []byte // buffers, and so how many parts are under way
	key    *blob.CustomerKey
	group  sync.WaitGroup

	mu    sync.Mutex // guards parts
	parts []blob.Part
}

func (s *Store) sendParts(parent context.Context, u blob.Upload, body io.Reader, v *verifier) (blob.Info, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	run := &sending{cancel: cancel, free: make(chan []byte, uploaders), key: v.o.Storage.Encryption.Customer}
	defer run.group.Wait()
	for range uploaders {
		run.free <- nil
	}
	for number, ended := 1, false; !ended; number++ {
		if number > blob.MaxParts {
			return blob.Info{}, blob.ErrEntityTooLarge
		}
		var buf []byte
		select {
		case buf = <-run.free:
		case <-ctx.Done():
			return blob.Info{}, context.Cause(ctx)
		}
		if want := partSize(number, v.o.Size); int64(cap(buf)) < want {
			buf = make([]byte, want)
		}
		n, err := fill(ctx, body, buf)
		if err != nil && err != io.EOF {
			return blob.Info{}, fmt.Errorf("read body: %w", err)
		}
		ended = err == io.EOF
		if n == 0 && number > 1 {
			break
		}
		v.write(buf[:n])
		if v.o.Size >= 0 && v.size > v.o.Size {
			return blob.Info{}, fmt.Errorf("%w: more than %d bytes", blob.ErrIncompleteBody, v.o.Size)
		}
		run.group.Go(func() { s.sendPart(ctx, run, u, number, buf, n) })
	}
	run.group.Wait()
	if err := context.Cause(ctx); err != nil {
		return blob.Info{}, err
	}
	c, err := v.verify()
	if err != nil {
		return blob.Info{}, err
	}
	if u.Checksum.Type == blob.FullObject {
		u.Checksum.Value = c.Value
	}
	return s.CompleteUpload(ctx, u, run.sorted(), v.o.Conditions)
}

func (s *Store) sendPart(ctx context.Context, run *sending, u blob.Upload, number int, buf []byte, n int) {
	p, err := s.sendHeld(ctx, u, number, buf[:n], run.key)
	if err != nil {
		run.cancel(err)
		return
	}
	run.mu.Lock()
	run.parts = append(run.parts, p)
	run.mu.Unlock()
	run.free <- buf
}

// sorted gives the parts in the order of their numbers, once all are sent.
func (r *sending) sorted() []blob.Part {
	slices.SortFunc(r.parts, func(a, b blob.Part) int { return a.Number - b.Number })
	return r.parts
}

// sendHeld sends a part that is in memory, so that it can be sent again.
func (s *Store) sendHeld(ctx context.Context, u blob.Upload, number int, body []byte, key *blob.CustomerKey) (blob.Part, error) {
	v, err := newVerifier(blob.PutOptions{Size: int64(len(body)), Metadata: blob.Metadata{Checksum: blob.Checksum{Algorithm: u.Checksum.Algorithm}}})
	if err != nil {
		return blob.Part{}, err
	}
	v.write(body)
	c, err := v.verify()
	if err != nil {
		return blob.Part{}, err
	}
	c.Type = ""
	sum := base64.StdEncoding.EncodeToString(v.md5.Sum(nil))
	return s.sendBody(ctx, u, number, bytes.NewReader(body), int64(len(body)), &sum, c, key)
}

func (s *Store) sendBody(ctx context.Context, u blob.Upload, number int, body io.Reader, size int64, md5 *string, c blob.Checksum, key *blob.CustomerKey, more ...func(*s3.Options)) (blob.Part, error) {
	sum, given := sumsOf(c), customer(key)
	out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID, PartNumber: aws.Int32(int32(number)), Body: body, ContentLength: &size, ContentMD5: md5,
		ChecksumCRC32: sum.crc32, ChecksumCRC32C: sum.crc32c, ChecksumCRC64NVME: sum.crc64, ChecksumSHA1: sum.sha1, ChecksumSHA256: sum.sha256,
		SSECustomerAlgorithm: given.algorithm, SSECustomerKey: given.key, SSECustomerKeyMD5: given.digest,
	}, more...)
	if err != nil {
		return blob.Part{}, fail("upload part", err)
	}
	have := kept{out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}
	return blob.Part{Number: number, Size: size, ETag: untag(out.ETag), LastModified: time.Now().UTC(), Checksum: c, Encryption: have.encryption()}, nil
}
