package s3

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"darkroom/internal/blob"
)

// sse are the fields that requests have for encryption.
type sse struct {
	method         types.ServerSideEncryption
	keyID, context *string
	bucketKey      *bool
	algorithm      *string
	key, digest    *string
	class          types.StorageClass
	acl            types.ObjectCannedACL
}

// sseOf fills the fields of a write, or says what cannot be asked for.
func sseOf(o blob.Storage) (out sse, err error) {
	e := o.Encryption
	if err := blob.CheckEncryption(e); err != nil {
		return out, err
	}
	out = customer(e.Customer)
	out.class, out.acl = types.StorageClass(o.Class), types.ObjectCannedACL(o.ACL)
	if e.Method == blob.SSEC {
		return out, nil
	}
	out.method, out.keyID, out.bucketKey = types.ServerSideEncryption(e.Method), optional(e.KeyID), e.BucketKey
	if len(e.Context) > 0 {
		text, err := json.Marshal(e.Context)
		if err != nil {
			return out, err
		}
		out.context = aws.String(base64.StdEncoding.EncodeToString(text))
	}
	return out, nil
}

// customer fills the fields of a key that the caller gives.
func customer(k *blob.CustomerKey) (out sse) {
	if k != nil {
		out.algorithm = aws.String(blob.CustomerAlgorithm)
		out.key, out.digest = aws.String(base64.StdEncoding.EncodeToString(k.Key.Reveal())), aws.String(k.MD5())
	}
	return out
}

// kept is what an answer says of encryption.
type kept struct {
	method            types.ServerSideEncryption
	keyID             *string
	bucketKey         *bool
	algorithm, digest *string
}

func (k kept) encryption() blob.Encryption {
	if k.algorithm != nil {
		return blob.Encryption{Method: blob.SSEC}
	}
	e := blob.Encryption{Method: blob.Method(k.method), KeyID: aws.ToString(k.keyID)}
	if aws.ToBool(k.bucketKey) {
		e.BucketKey = k.bucketKey
	}
	return e
}

// honours says whether the answer to a write says that it was kept as it was asked to. There are servers that take the headers and store in the
// clear; they say nothing back.
func (k kept) honours(want blob.Encryption) error {
	ok := true
	switch want.Method {
	case "":
		return nil
	case blob.SSEC:
		ok = aws.ToString(k.algorithm) == blob.CustomerAlgorithm && aws.ToString(k.digest) == want.Customer.MD5()
	case blob.SSEKMS:
		ok = string(k.method) == string(blob.SSEKMS) && sameKey(want.KeyID, aws.ToString(k.keyID))
	default:
		ok = string(k.method) == string(want.Method)
	}
	if !ok {
		return fmt.Errorf("%w: %s was asked for, and its answer says %s", blob.ErrNotHonoured, describe(string(want.Method), want.KeyID), describe(string(k.method), aws.ToString(k.keyID)))
	}
	return nil
}

func describe(method, key string) string {
	switch {
	case method == "":
		return "nothing of it"
	case key == "":
		return method
	}
	return method + " with the key " + key
}

// sameKey says whether an answer names the key that was asked for. What an alias stands for is the server's to know.
func sameKey(want, have string) bool {
	switch {
	case have == "":
		return false
	case want == "", strings.HasPrefix(want, "alias/"), strings.Contains(want, ":alias/"):
		return true
	case strings.HasPrefix(want, "arn:"):
		return want == have
	}
	return have == want || strings.HasSuffix(have, ":key/"+want)
}

// discard takes back an object that the server did not keep as it was asked to.
func (s *Store) discard(ctx context.Context, bucket, key string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if err := s.Delete(ctx, bucket, key); err != nil {
		return fmt.Errorf("%w (the object %s/%s is left behind: %v)", cause, bucket, key, err)
	}
	return cause
}

// texts tell the refusals of SSE-C apart, which share their codes.
var texts = []struct {
	part string
	err  error
}{
	{"was stored using a form of Server Side Encryption", blob.ErrKeyNeeded},
	{"encryption parameters are not applicable to this object", blob.ErrKeyUnused},
	{"must provide the correct secret key", blob.ErrWrongKey},
	{"Subsequent part requests must include", blob.ErrUploadKey},
	{"did not match the ones used originally", blob.ErrWrongUploadKey},
}

// keyError is what a refusal says of keys, nil for nothing.
func keyError(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return nil
	}
	code, message := api.ErrorCode(), api.ErrorMessage()
	switch {
	case strings.HasPrefix(code, "KMS."):
		return &blob.KeyError{Code: code, Message: message}
	case code == "AccessDenied" && strings.Contains(message, "to perform: kms:"):
		return &blob.KeyError{Code: blob.KeyDenied, Message: message}
	case code != "AccessDenied" && code != "InvalidRequest":
		return nil
	}
	for _, t := range texts {
		if strings.Contains(message, t.part) {
			return t.err
		}
	}
	return nil
}

// headError gives an answer to HEAD without a code its meaning: that an object has a key of its writer is the one reason that S3 has to call a
// well-formed one bad.
func headError(err error, c blob.Conditions) error {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != http.StatusBadRequest {
		return err
	}
	if c.Customer == nil {
		return fmt.Errorf("%w: %w", blob.ErrKeyNeeded, err)
	}
	return fmt.Errorf("%w: %w", blob.ErrKeyUnused, err)
}

// BucketEncryption implements blob.Store.
func (s *Store) BucketEncryption(ctx context.Context, bucket string) (blob.BucketEncryption, error) {
	if err := checkName(bucket, "-"); err != nil {
		return blob.BucketEncryption{}, err
	}
	out, err := s.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &bucket})
	if codeOf(err) == "ServerSideEncryptionConfigurationNotFoundError" {
		return blob.BucketEncryption{}, nil
	}
	if err != nil {
		return blob.BucketEncryption{}, fail("get bucket encryption", err)
	}
	if out.ServerSideEncryptionConfiguration == nil || len(out.ServerSideEncryptionConfiguration.Rules) == 0 {
		return blob.BucketEncryption{}, nil
	}
	rule := out.ServerSideEncryptionConfiguration.Rules[0]
	b := blob.BucketEncryption{BucketKey: aws.ToBool(rule.BucketKeyEnabled)}
	if d := rule.ApplyServerSideEncryptionByDefault; d != nil {
		b.Method, b.KeyID = blob.Method(d.SSEAlgorithm), aws.ToString(d.KMSMasterKeyID)
	}
	return b, nil
}

// SetBucketEncryption implements blob.Store.
func (s *Store) SetBucketEncryption(ctx context.Context, bucket string, b blob.BucketEncryption) error {
	if err := errors.Join(checkName(bucket, "-"), blob.CheckBucketEncryption(b)); err != nil {
		return err
	}
	if b == (blob.BucketEncryption{}) {
		_, err := s.client.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &bucket})
		return fail("delete bucket encryption", err)
	}
	rule := types.ServerSideEncryptionRule{BucketKeyEnabled: &b.BucketKey}
	if b.Method != "" {
		rule.ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{
			SSEAlgorithm: types.ServerSideEncryption(b.Method), KMSMasterKeyID: optional(b.KeyID),
		}
	}
	_, err := s.client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: &bucket, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}},
	})
	return fail("put bucket encryption", err)
}
