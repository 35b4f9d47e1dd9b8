package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/keys"
	"darkroom/internal/secret"
)

// keyring is the key service as the object store asks for it: for the caller whose request the gateway has authenticated, who must be allowed to use
// the key through S3. It implements dir.Keys.
type keyring struct {
	region string
	// service is set before the first request is served; without one every use is refused.
	service *keys.Service
}

// defaultS3Key is the alias of the key that the key service keeps for S3.
const defaultS3Key = "alias/aws/s3"

// viaS3 is the object store as kms:ViaService has it.
func viaS3(region string) string { return "s3." + region + ".amazonaws.com" }

// call says who asks for a key.
func (k *keyring) call(ctx context.Context) (*keys.Call, error) {
	caller := gateway.Caller(ctx)
	if p, ok := ctx.Value(serviceKey{}).(iam.Principal); ok {
		caller = p
	}
	if k.service == nil || caller.Type == 0 {
		return nil, &blob.KeyError{Code: blob.KeyDenied, Message: "Access Denied"} // nobody has authenticated this
	}
	c := &keys.Call{Principal: caller, Via: viaS3(k.region), Now: time.Now()}
	c.Context.Set("aws:RequestedRegion", k.region)
	c.Context.Set("aws:SecureTransport", strconv.FormatBool(gateway.Secure(ctx)))
	c.Context.Set("aws:ViaAWSService", "true")
	c.Context.Set("aws:CalledVia", "s3.amazonaws.com")
	c.Context.Set("aws:CalledViaFirst", "s3.amazonaws.com")
	c.Context.Set("aws:CalledViaLast", "s3.amazonaws.com")
	if ip := gateway.SourceIP(ctx); ip != "" {
		c.Context.Set("aws:SourceIp", ip)
	}
	return c, nil
}

// GenerateDataKey implements dir.Keys.
func (k *keyring) GenerateDataKey(ctx context.Context, keyID string, encryptionContext map[string]string) (string, secret.Bytes, []byte, error) {
	c, err := k.call(ctx)
	if err != nil {
		return "", secret.Bytes{}, nil, err
	}
	if keyID == defaultS3Key {
		keyID = "" // it is made at its first use
	}
	e, key, err := k.service.GenerateDataKey(ctx, c, keyID, encryptionContext)
	if err != nil {
		return "", secret.Bytes{}, nil, keyError(err)
	}
	return e.KeyARN, key, e.Ciphertext, nil
}

// Decrypt implements dir.Keys.
func (k *keyring) Decrypt(ctx context.Context, sealed []byte, encryptionContext map[string]string) (secret.Bytes, error) {
	c, err := k.call(ctx)
	if err != nil {
		return secret.Bytes{}, err
	}
	o, err := k.service.Decrypt(ctx, c, sealed, encryptionContext)
	if err != nil {
		return secret.Bytes{}, keyError(err)
	}
	return o.Plaintext, nil
}

// keyCodes are the codes of the key service that S3 passes on, under which names.
var keyCodes = map[string]string{
	"DisabledException": blob.KeyDisabled, "KMSInvalidStateException": blob.KeyInvalidState, "InvalidKeyUsageException": blob.KeyInvalidUsage,
	"NotFoundException": blob.KeyNotFound, "InvalidArnException": blob.KeyNotFound, "ValidationException": blob.KeyNotFound, "AccessDeniedException": blob.KeyDenied,
}

// keyError says in the words of S3 what the key service answered.
func keyError(err error) error {
	var denied *iam.Denied
	var refused *keys.Error
	switch {
	case errors.As(err, &denied):
		return &blob.KeyError{Code: blob.KeyDenied, Message: denied.Error()}
	case errors.As(err, &refused) && keyCodes[refused.Code] != "":
		return &blob.KeyError{Code: keyCodes[refused.Code], Message: refused.Message}
	case errors.As(err, &refused) && refused.Code == "InvalidCiphertextException":
		return fmt.Errorf("%w: %w", blob.ErrCorrupt, err) // the record has what the key service gave, or it was changed
	}
	return fmt.Errorf("%w: %w", &blob.KeyError{Code: blob.KeyUnavailable, Message: "The key service cannot answer now. Please try again."}, err)
}
