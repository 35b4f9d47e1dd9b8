package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5, which writes with a lock need
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"darkroom/internal/blob"
)

// MaxLocked bounds what PutOnce writes, in bytes.
const MaxLocked = 8 << 20

// Lock is a retention of S3 Object Lock. The zero value is none.
type Lock struct {
	Mode  string // GOVERNANCE or COMPLIANCE
	Until time.Time
}

// ErrDifferent says that an object is there already, with other content.
var ErrDifferent = errors.New("an object of that name is there, with other content")

// PutOnce writes a small object that is written once: where it is there already, with the same content, nothing is written; with another it is ErrDifferent. A
// server that does not say that the object is locked as it was asked to is blob.ErrNotHonoured.
func (s *Store) PutOnce(ctx context.Context, bucket, key string, body []byte, metadata map[string]string, l Lock) error {
	if err := checkName(bucket, key); err != nil {
		return err
	}
	if len(body) > MaxLocked {
		return blob.ErrEntityTooLarge
	}
	there, err := s.Get(ctx, bucket, key, nil, blob.Conditions{})
	switch {
	case err == nil:
		have, err := io.ReadAll(io.LimitReader(there.Body, MaxLocked+1))
		if err = errors.Join(err, there.Body.Close()); err != nil {
			return err
		}
		if !bytes.Equal(have, body) {
			return ErrDifferent
		}
		return s.locked(ctx, bucket, key, l)
	case !errors.Is(err, blob.ErrNoSuchKey):
		return err
	}
	sum := md5.Sum(body) //nolint:gosec // see above
	in := &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))), Metadata: metadata,
		ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	}
	if l.Mode != "" {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = types.ObjectLockMode(l.Mode), aws.Time(l.Until.UTC())
	}
	if _, err := s.client.PutObject(ctx, in); err != nil {
		return fail("put object", err)
	}
	return s.locked(ctx, bucket, key, l)
}

// locked says whether the server keeps an object locked: at least as strictly, and almost as long, as one that is written now would be.
func (s *Store) locked(ctx context.Context, bucket, key string, l Lock) error {
	if l.Mode == "" {
		return nil
	}
	have, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return fail("put object", err)
	}
	mode, until := string(have.ObjectLockMode), aws.ToTime(have.ObjectLockRetainUntilDate)
	if mode != l.Mode && mode != string(types.ObjectLockModeCompliance) || until.Before(time.Now()) {
		return fmt.Errorf("%w: it does not say that the object is locked", blob.ErrNotHonoured)
	}
	return nil
}
