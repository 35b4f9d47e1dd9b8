package s3_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/internal/blob"
	"darkroom/internal/blob/s3"
)

// TestPutOnce: what is written once is locked, is not written over, and a bucket that locks nothing is told from one that does.
func TestPutOnce(t *testing.T) {
	t.Parallel()
	endpoint := startGateway(t)
	s := newStore(t, endpoint, gatewayID, gatewaySecret)
	client := sdk.New(sdk.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: gatewayID, SecretAccessKey: gatewaySecret}, nil
		}),
	})
	if _, err := client.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: aws.String("locked"), ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateBucket(t.Context(), "open"); err != nil {
		t.Fatal(err)
	}
	lock := s3.Lock{Mode: "COMPLIANCE", Until: time.Now().Add(time.Hour)}
	put := func(bucket, text string, l s3.Lock) error {
		return s.PutOnce(t.Context(), bucket, "a/digest", []byte(text), map[string]string{"signature": "abcd"}, l)
	}
	for range 2 {
		if err := put("locked", "one", lock); err != nil {
			t.Fatal(err)
		}
		if err := put("open", "one", s3.Lock{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, bucket := range []string{"locked", "open"} {
		if err := put(bucket, "two", s3.Lock{}); !errors.Is(err, s3.ErrDifferent) {
			t.Errorf("over another in %s: %v", bucket, err)
		}
		if have, err := s.Head(t.Context(), bucket, "a/digest", blob.Conditions{}); err != nil || have.Size != 3 || have.Metadata.User["signature"] != "abcd" {
			t.Errorf("in %s: %+v, %v", bucket, have, err)
		}
	}
	if err := s.Delete(t.Context(), "locked", "a/digest"); err == nil {
		t.Error("what is locked was deleted")
	}
	if err := s.PutOnce(t.Context(), "open", "another", []byte("one"), nil, lock); err == nil {
		t.Error("a bucket that locks nothing is taken for one that does")
	}
	if err := put("nowhere", "one", lock); !errors.Is(err, blob.ErrNoSuchBucket) {
		t.Errorf("no bucket: %v", err)
	}
	if err := s.PutOnce(t.Context(), "open", "large", make([]byte, s3.MaxLocked+1), nil, s3.Lock{}); !errors.Is(err, blob.ErrEntityTooLarge) {
		t.Errorf("a large one: %v", err)
	}
}
