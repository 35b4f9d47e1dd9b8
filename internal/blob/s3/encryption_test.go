package s3

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// TestHonours: an answer that does not say all of what was asked for is as good as none.
func TestHonours(t *testing.T) {
	t.Parallel()
	const key, other = "arn:aws:kms:us-east-1:000000000000:key/k", "arn:aws:kms:us-east-1:000000000000:key/other"
	own := &blob.CustomerKey{Key: secret.New(make([]byte, blob.CustomerKeySize))}
	kms := func(id string) kept { return kept{method: types.ServerSideEncryptionAwsKms, keyID: optional(id)} }
	store := kept{method: types.ServerSideEncryptionAes256}
	for _, tt := range []struct {
		name string
		want blob.Encryption
		have kept
		ok   bool
	}{
		{"nothing asked, nothing said", blob.Encryption{}, kept{}, true},
		{"nothing asked, something done", blob.Encryption{}, kms(key), true},
		{"SSE-S3", blob.Encryption{Method: blob.SSES3}, store, true},
		{"SSE-S3, nothing said", blob.Encryption{Method: blob.SSES3}, kept{}, false},
		{"SSE-S3, something else", blob.Encryption{Method: blob.SSES3}, kms(key), false},
		{"SSE-KMS, weaker", blob.Encryption{Method: blob.SSEKMS}, store, false},
		{"SSE-KMS, nothing said", blob.Encryption{Method: blob.SSEKMS}, kept{}, false},
		{"SSE-KMS, no key said", blob.Encryption{Method: blob.SSEKMS}, kms(""), false},
		{"SSE-KMS, some key", blob.Encryption{Method: blob.SSEKMS}, kms(key), true},
		{"SSE-KMS, the ARN", blob.Encryption{Method: blob.SSEKMS, KeyID: key}, kms(key), true},
		{"SSE-KMS, another ARN", blob.Encryption{Method: blob.SSEKMS, KeyID: key}, kms(other), false},
		{"SSE-KMS, the id", blob.Encryption{Method: blob.SSEKMS, KeyID: "k"}, kms(key), true},
		{"SSE-KMS, another id", blob.Encryption{Method: blob.SSEKMS, KeyID: "k"}, kms(other), false},
		{"SSE-KMS, an id that ends so", blob.Encryption{Method: blob.SSEKMS, KeyID: "ther"}, kms(other), false},
		{"SSE-KMS, an alias", blob.Encryption{Method: blob.SSEKMS, KeyID: "alias/films"}, kms(key), true},
		{"SSE-C", blob.Encryption{Method: blob.SSEC, Customer: own}, kept{algorithm: aws.String("AES256"), digest: aws.String(own.MD5())}, true},
		{"SSE-C, nothing said", blob.Encryption{Method: blob.SSEC, Customer: own}, kept{}, false},
		{"SSE-C, another key", blob.Encryption{Method: blob.SSEC, Customer: own}, kept{algorithm: aws.String("AES256"), digest: aws.String("x")}, false},
		{"SSE-C, keys of the store", blob.Encryption{Method: blob.SSEC, Customer: own}, store, false},
	} {
		if err := tt.have.honours(tt.want); (err == nil) != tt.ok || err != nil && !errors.Is(err, blob.ErrNotHonoured) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
