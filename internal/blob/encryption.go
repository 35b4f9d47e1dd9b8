package blob

import (
	"crypto/md5" //nolint:gosec // the protocol's check of how a key was sent
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"darkroom/internal/secret"
)

// Method is how a store encrypts an object at rest ("Protecting data with server-side encryption", S3 user guide).
type Method string

// The methods. The zero value leaves it to the store: the default of the bucket, or SSES3.
const (
	SSES3  Method = "AES256"  // keys of the store's own
	SSEKMS Method = "aws:kms" // a key of the key service
	SSEC   Method = "SSE-C"   // a key that the caller gives with each request
)

// SSEDSSE is double encryption under a key of the key service, which no driver offers.
const SSEDSSE = "aws:kms:dsse"

// CustomerAlgorithm is the one algorithm that SSE-C has.
const CustomerAlgorithm = "AES256"

// CustomerKeySize is the size of a key that a caller gives, in bytes.
const CustomerKeySize = 32

// MaxContext bounds the names and values of an encryption context, in bytes (KMS, "Encryption context").
const MaxContext = 8 << 10

// ObjectContext is the name that S3 adds to an encryption context: the ARN of the object, or of its bucket where there is a bucket key.
const ObjectContext = "aws:s3:arn"

// Encryption is how an object is to be encrypted, or, in an Info, how it is.
type Encryption struct {
	Method Method
	// KeyID names the key of SSEKMS: id, ARN or alias; empty means the key that the service keeps for S3. An answer has the ARN.
	KeyID string
	// Context is bound to the key of an SSEKMS object, besides what S3 adds. Answers do not have it.
	Context map[string]string
	// BucketKey says for SSEKMS that the context has the ARN of the bucket instead of that of the object; nil is what the bucket says.
	BucketKey *bool
	// Customer is the key of SSEC. Answers do not have it.
	Customer *CustomerKey
}

// CustomerKey is a key that a caller gives for SSE-C. No store keeps it.
type CustomerKey struct {
	Key secret.Bytes // CustomerKeySize bytes
}

// MD5 returns what stands for the key in answers: base64 of its MD5.
func (k *CustomerKey) MD5() string {
	sum := md5.Sum(k.Key.Reveal()) //nolint:gosec // see above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// BucketEncryption is how objects of a bucket are encrypted whose writers do not say. The zero value is SSES3.
type BucketEncryption struct {
	Method    Method
	KeyID     string // of SSEKMS, as it was set
	BucketKey bool
}

// Storage is how a store is to keep an object. The zero value is its default in everything.
type Storage struct {
	Encryption Encryption
	Class      string // x-amz-storage-class: STANDARD, GLACIER, …
	ACL        string // x-amz-acl: private, bucket-owner-read, …
}

// IsZero says that nothing is asked for.
func (s Storage) IsZero() bool {
	e := s.Encryption
	return s.Class == "" && s.ACL == "" && e.Method == "" && e.KeyID == "" && len(e.Context) == 0 && e.BucketKey == nil && e.Customer == nil
}

// The errors of encryption. What S3 calls them, and how it words them, is in s3api.
var (
	// ErrNotOffered says that a store does not do what it was asked for; nothing was written.
	ErrNotOffered = errors.New("NotImplemented")
	// ErrNotHonoured says that a server took a write and did not say that it kept the object as it was asked to.
	ErrNotHonoured = errors.New("the object store did not keep the object as it was asked to")
	// ErrKeyNeeded is for an object of SSEC without its key.
	ErrKeyNeeded = errors.New("the object is encrypted with a key of its writer, which must be given")
	// ErrKeyUnused is for another object, or another upload, with a key.
	ErrKeyUnused = errors.New("the object is not encrypted with a key of its writer, but one was given")
	// ErrWrongKey is for an object of SSEC with another key than its own.
	ErrWrongKey = fmt.Errorf("%w: the key is not the one that the object is encrypted with", ErrAccessDenied)
	// ErrUploadKey is for a part without a key where the upload has one, or the other way round.
	ErrUploadKey = errors.New("the part and its upload are not encrypted alike")
	// ErrWrongUploadKey is for a part with another key than its upload.
	ErrWrongUploadKey = errors.New("the key is not the one that the upload was begun with")
)

// The codes of a KeyError ("Error responses", S3 API reference).
const (
	KeyDenied       = "AccessDenied"
	KeyDisabled     = "KMS.DisabledException"
	KeyInvalidState = "KMS.KMSInvalidStateException"
	KeyInvalidUsage = "KMS.InvalidKeyUsageException"
	KeyNotFound     = "KMS.NotFoundException"
	// KeyUnavailable is no code of S3: the key service does not answer, and a later try may succeed.
	KeyUnavailable = "ServiceUnavailable"
)

// KeyError says that the key service did not let the caller use the key of an object. With KeyDenied it is an ErrAccessDenied.
type KeyError struct {
	Code string // one of the codes above
	// Message is the key service's own. It names the key, and who may not use it; it is shown to the caller.
	Message string
}

func (e *KeyError) Error() string { return e.Code + ": " + e.Message }

// Unwrap makes a denial an ErrAccessDenied.
func (e *KeyError) Unwrap() error {
	if e.Code == KeyDenied {
		return ErrAccessDenied
	}
	return nil
}

// KeyErrorHeader has the code and message of a KeyError where the control plane refuses a worker, also in answers that have no body.
const KeyErrorHeader = "X-Darkroom-Key-Error"

// CheckEncryption says whether an encryption can be asked for, whatever the store: members that go with its method, a key of the right size, a
// bounded context of UTF-8. It returns ErrInvalidArgument or ErrNotOffered.
func CheckEncryption(e Encryption) error {
	switch e.Method {
	case "", SSES3, SSEKMS, SSEC:
	case SSEDSSE:
		return fmt.Errorf("%w: %s", ErrNotOffered, SSEDSSE)
	default:
		return fmt.Errorf("%w: encryption %q is none of %s, %s", ErrInvalidArgument, string(e.Method), SSES3, SSEKMS)
	}
	switch {
	case (e.Method == SSEC) != (e.Customer != nil):
		return fmt.Errorf("%w: a key of the caller goes with SSE-C, and with nothing else", ErrInvalidArgument)
	case e.Method == SSEC && e.Customer.Key.Len() != CustomerKeySize:
		return fmt.Errorf("%w: a key of the caller has %d bytes", ErrInvalidArgument, CustomerKeySize)
	case e.Method != SSEKMS && (e.KeyID != "" || len(e.Context) > 0):
		return fmt.Errorf("%w: a key id and a context go with %s alone", ErrInvalidArgument, SSEKMS)
	case strings.ContainsFunc(e.KeyID, func(r rune) bool { return r <= 0x20 || r >= 0x7f }):
		return fmt.Errorf("%w: the id of a key has letters, digits and :/_- alone", ErrInvalidArgument)
	}
	size := len(e.KeyID)
	for name, value := range e.Context {
		if size += len(name) + len(value); !utf8.ValidString(name) || !utf8.ValidString(value) || name == "" {
			return fmt.Errorf("%w: an encryption context has names and values of UTF-8", ErrInvalidArgument)
		}
	}
	if size > MaxContext {
		return fmt.Errorf("%w: an encryption context has at most %d bytes", ErrInvalidArgument, MaxContext)
	}
	return nil
}

// CheckBucketEncryption says whether a default can be set. It returns ErrInvalidArgument or ErrNotOffered.
func CheckBucketEncryption(b BucketEncryption) error {
	if b.Method == SSEC {
		return fmt.Errorf("%w: SSE-C is no default encryption", ErrInvalidArgument)
	}
	return CheckEncryption(Encryption{Method: b.Method, KeyID: b.KeyID})
}
