package keys

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/secret"
)

// Call is a service that acts for a caller, as S3 does when it encrypts an object under a key of theirs.
type Call struct {
	Principal iam.Principal
	Context   iam.Context // of the caller's request, such as aws:SourceIp
	// Via is the service as in kms:ViaService, such as s3.us-east-1.amazonaws.com. A call without one is refused: nothing would tell it from the
	// caller's own.
	Via string
	Now time.Time
}

// Use is the use of a key by a service for a caller.
type Use struct {
	Time      time.Time
	Operation string // GenerateDataKey, Encrypt or Decrypt
	KeyARN    string
	Principal iam.Principal
	Via       string
	Context   []string // the keys of the encryption context, without their values
}

// service is the first part of Via: the service that has a managed key.
func (c *Call) service() string {
	name, _, _ := strings.Cut(c.Via, ".")
	return name
}

// authorize lets a service use a key for its caller, or not: the one place where that is decided. It records the use before anything is done, and
// returns the ARN of the key.
func (s *Service) authorize(ctx context.Context, c *Call, q *Question) (key string, err error) {
	if c.Via == "" || c.Principal.Type == 0 {
		return "", &iam.Denied{Principal: c.Principal, Check: iam.Check{Action: "kms:" + q.Action, Resource: "*"}}
	}
	q.Via, q.Forms = c.Via, AliasesToo
	key, check, err := s.Check(ctx, &c.Principal, q)
	if err != nil {
		return "", err
	}
	ask := iam.Request{Principal: c.Principal, Check: check, Now: c.Now, Context: c.Context}
	if d := iam.Authorize(&ask); !d.Allowed() {
		return "", &iam.Denied{Principal: c.Principal, Check: check, Decision: d}
	}
	return key, s.used(ctx, Use{
		Time: c.Now, Operation: q.Action, KeyARN: check.Resource, Principal: c.Principal, Via: c.Via, Context: slices.Sorted(maps.Keys(q.Context)),
	})
}

// GenerateDataKey makes a data key of 32 bytes for a service that acts for a caller, who must be allowed to. An empty key stands for the AWS managed key
// of the service, which is made at its first use. Errors are *iam.Denied and *Error; others say that it cannot be known now.
func (s *Service) GenerateDataKey(ctx context.Context, c *Call, key string, pairs map[string]string) (Encrypted, secret.Bytes, error) {
	key, err := s.named(ctx, c, key)
	if err != nil {
		return Encrypted{}, secret.Bytes{}, err
	}
	key, err = s.authorize(ctx, c, &Question{Action: "GenerateDataKey", Key: key, Context: pairs})
	if err != nil {
		return Encrypted{}, secret.Bytes{}, err
	}
	return s.Account(c.Principal.Account).GenerateDataKey(ctx, &DataKeyRequest{Key: key, Context: pairs, Size: secret.KeySize})
}

// named is the key that a service names, or without one its AWS managed key.
func (s *Service) named(ctx context.Context, c *Call, key string) (string, error) {
	if key != "" {
		return key, nil
	}
	return s.managedOf(ctx, c)
}

// managedOf names the AWS managed key of a service.
func (s *Service) managedOf(ctx context.Context, c *Call) (string, error) {
	if !slices.Contains(managedServices, c.service()) || c.Via != c.service()+"."+s.region+".amazonaws.com" {
		return "", notFound("%s has no AWS managed key", shown(c.Via))
	}
	return s.Account(c.Principal.Account).managed(ctx, c.service())
}

// managedServices are the services that have an AWS managed key. AWS has none of execute-api: under it are the content keys of our key server.
var managedServices = []string{"s3", "mediaconvert", "execute-api"}

// Encrypt encrypts a small value for a service that acts for a caller, who must be allowed to. An empty key is as with GenerateDataKey.
func (s *Service) Encrypt(ctx context.Context, c *Call, key string, pairs map[string]string, plaintext secret.Bytes) (Encrypted, error) {
	key, err := s.named(ctx, c, key)
	if err != nil {
		return Encrypted{}, err
	}
	key, err = s.authorize(ctx, c, &Question{Action: "Encrypt", Key: key, Context: pairs})
	if err != nil {
		return Encrypted{}, err
	}
	return s.Account(c.Principal.Account).Encrypt(ctx, &EncryptRequest{Key: key, Context: pairs, Plaintext: plaintext})
}

// Decrypt opens a ciphertext for a service that acts for a caller, who must be allowed to.
func (s *Service) Decrypt(ctx context.Context, c *Call, ciphertext []byte, pairs map[string]string) (Opened, error) {
	r := DecryptRequest{Context: pairs, Ciphertext: ciphertext}
	name, err := r.NameOf()
	if err != nil {
		return Opened{}, err
	}
	if _, err := s.authorize(ctx, c, &Question{Action: "Decrypt", Key: name, Context: pairs}); err != nil {
		return Opened{}, err
	}
	return s.Account(c.Principal.Account).Decrypt(ctx, &r)
}
