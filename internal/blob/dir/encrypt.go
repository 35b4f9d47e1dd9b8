package dir

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"darkroom/internal/arn"
	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// Keys is the key service. It decides whether the caller in the context may use a key; where not, or where the key does not work, its errors are
// *blob.KeyError. It is safe for concurrent use.
type Keys interface {
	// GenerateDataKey makes a key of secret.KeySize bytes, and seals it under the key keyID (an id, ARN or alias) with the context. An empty keyID
	// is the key that the service keeps for S3.
	GenerateDataKey(ctx context.Context, keyID string, encryptionContext map[string]string) (keyARN string, key secret.Bytes, sealed []byte, err error)
	// Decrypt opens what GenerateDataKey sealed with the same context.
	Decrypt(ctx context.Context, sealed []byte, encryptionContext map[string]string) (secret.Bytes, error)
}

// errNoKeys refuses blob.SSEKMS.
var errNoKeys = fmt.Errorf("%w: %s: there is no key service", blob.ErrNotOffered, blob.SSEKMS)

// What a store that has one place and one owner can say of an object: one class, and the lists that give nobody else anything.
var (
	classes = []string{"", "STANDARD"}
	acls    = []string{"", "private", "bucket-owner-read", "bucket-owner-full-control"}
)

// The purposes of keys that are made of an object's wrapping key.
const (
	purposeWrap  = "blob/dir data key"
	purposeCheck = "blob/dir customer key"
)

// encryption is in the record of an object or upload that is not of blob.SSES3: under what the keys of its data files are sealed. One of the two
// is set.
type encryption struct {
	KMS      *kmsKey      `json:",omitempty"`
	Customer *customerKey `json:",omitempty"`
}

// kmsKey is a wrapping key that the key service opens.
type kmsKey struct {
	ARN       string
	Sealed    []byte
	Context   map[string]string `json:",omitempty"` // as the writer gave it
	BucketKey bool              `json:",omitempty"`
}

// customerKey tells whether a wrapping key that a caller gives is the one.
type customerKey struct {
	Salt, MAC []byte
}

// saltSize is the size of the salt of a customerKey in bytes.
const saltSize = 16

// info is the encryption as callers see it.
func (e *encryption) info() blob.Encryption {
	switch {
	case e == nil:
		return blob.Encryption{Method: blob.SSES3}
	case e.KMS == nil:
		return blob.Encryption{Method: blob.SSEC}
	}
	out := blob.Encryption{Method: blob.SSEKMS, KeyID: e.KMS.ARN}
	if e.KMS.BucketKey {
		out.BucketKey = &e.KMS.BucketKey
	}
	return out
}

// context is what the wrapping key of an object is bound to: as S3 has it, the writer's context and the ARN of the object or of its bucket.
func (k *kmsKey) context(bucket, key string) map[string]string {
	out := maps.Clone(k.Context)
	if out == nil {
		out = make(map[string]string, 1)
	}
	if k.BucketKey {
		key = ""
	}
	out[blob.ObjectContext] = arn.Object(bucket, key)
	return out
}

// encrypt decides how a new object is encrypted: as its writer asks, else as the bucket does. For blob.SSES3 both results are nil.
func (s *Store) encrypt(ctx context.Context, b *bucket, key string, o blob.Storage) (*encryption, *wrapping, error) {
	e := o.Encryption
	if err := blob.CheckEncryption(e); err != nil {
		return nil, nil, err
	}
	switch {
	case !slices.Contains(classes, o.Class):
		return nil, nil, fmt.Errorf("%w: x-amz-storage-class: %s. It can be STANDARD", blob.ErrNotOffered, o.Class)
	case !slices.Contains(acls, o.ACL):
		return nil, nil, fmt.Errorf("%w: x-amz-acl: %s. It can be %s", blob.ErrNotOffered, o.ACL, strings.Join(acls[1:], " or "))
	}
	usual := s.bucketDefault(b)
	if e.Method == "" {
		e.Method, e.KeyID = usual.Method, usual.KeyID
	}
	switch e.Method {
	case blob.SSEKMS:
		return s.encryptKMS(ctx, b.name, key, e, usual.BucketKey)
	case blob.SSEC:
		return s.encryptCustomer(e.Customer)
	}
	return nil, nil, nil
}

func (s *Store) encryptKMS(ctx context.Context, bucket, key string, e blob.Encryption, bucketKey bool) (*encryption, *wrapping, error) {
	if s.keys == nil {
		return nil, nil, errNoKeys
	}
	if e.BucketKey != nil {
		bucketKey = *e.BucketKey
	}
	k := &kmsKey{Context: e.Context, BucketKey: bucketKey}
	full := k.context(bucket, key)
	if own, ok := e.Context[blob.ObjectContext]; ok && own != full[blob.ObjectContext] {
		return nil, nil, fmt.Errorf("%w: %s in an encryption context is %s, or left out", blob.ErrInvalidArgument, blob.ObjectContext, full[blob.ObjectContext])
	}
	var fresh secret.Bytes
	var err error
	if k.ARN, fresh, k.Sealed, err = s.keys.GenerateDataKey(ctx, e.KeyID, full); err != nil {
		return nil, nil, fmt.Errorf("generate a data key: %w", err)
	}
	wrap, err := s.newWrapping(fresh)
	return &encryption{KMS: k}, wrap, err
}

func (s *Store) encryptCustomer(c *blob.CustomerKey) (*encryption, *wrapping, error) {
	k := &customerKey{Salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(s.random, k.Salt); err != nil {
		return nil, nil, fmt.Errorf("make a salt: %w", err)
	}
	var err error
	if k.MAC, err = k.digest(c); err != nil {
		return nil, nil, err
	}
	wrap, err := s.newWrapping(clone(c.Key))
	return &encryption{Customer: k}, wrap, err
}

// digest is a salted HMAC of a key, from which the key cannot be told.
func (k *customerKey) digest(c *blob.CustomerKey) ([]byte, error) {
	check, err := secret.Derive(c.Key, purposeCheck)
	if err != nil {
		return nil, err
	}
	defer check.Wipe()
	sum := secret.Name(check, string(k.Salt))
	return sum[:], nil
}

// clone copies a key that is another's to wipe.
func clone(key secret.Bytes) secret.Bytes { return secret.New(slices.Clone(key.Reveal())) }

// unwrap opens the wrapping key of an object, with the key that the caller gives, or may use; nil for blob.SSES3. It is what every read of bytes
// goes through.
func (s *Store) unwrap(ctx context.Context, bucket, key string, e *encryption, c *blob.CustomerKey) (*wrapping, error) {
	if e == nil || e.Customer == nil {
		if c != nil {
			return nil, blob.ErrKeyUnused
		}
	}
	switch {
	case e == nil:
		return nil, nil //nolint:nilnil // no wrapping is what it says
	case e.KMS != nil && e.Customer == nil:
		if s.keys == nil {
			return nil, errNoKeys
		}
		opened, err := s.keys.Decrypt(ctx, e.KMS.Sealed, e.KMS.context(bucket, key))
		if err != nil {
			return nil, fmt.Errorf("open the data key: %w", err)
		}
		return s.newWrapping(opened)
	case e.Customer != nil && e.KMS == nil:
		if c == nil {
			return nil, blob.ErrKeyNeeded
		}
		if c.Key.Len() != blob.CustomerKeySize {
			return nil, blob.ErrWrongKey
		}
		mac, err := e.Customer.digest(c)
		if err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare(mac, e.Customer.MAC) != 1 {
			return nil, blob.ErrWrongKey
		}
		return s.newWrapping(clone(c.Key))
	}
	return nil, fmt.Errorf("%w: the encryption is neither of the two", blob.ErrCorrupt)
}

// unwrapUpload opens the wrapping key of an upload for a part, which says nothing of its encryption but the key of blob.SSEC.
func (s *Store) unwrapUpload(ctx context.Context, u *upload, o blob.Storage) (*wrapping, error) {
	c := o.Encryption.Customer
	if m := o.Encryption.Method; m != "" && m != blob.SSEC || o.Class != "" || o.ACL != "" {
		return nil, fmt.Errorf("%w: a part is kept as its upload says", blob.ErrInvalidArgument)
	}
	wrap, err := s.unwrap(ctx, u.bucket.name, u.key, u.encryption, c)
	switch {
	case errors.Is(err, blob.ErrKeyNeeded), errors.Is(err, blob.ErrKeyUnused):
		return nil, blob.ErrUploadKey
	case errors.Is(err, blob.ErrWrongKey):
		return nil, blob.ErrWrongUploadKey
	}
	return wrap, err
}

// tag is what an ETag is made of: the MD5, which tells something of the bytes, or for what is not of blob.SSES3 something random.
func (s *Store) tag(e *encryption, md5 []byte) ([]byte, error) {
	if e == nil {
		return md5, nil
	}
	tag := make([]byte, len(md5))
	if _, err := io.ReadFull(s.random, tag); err != nil {
		return nil, fmt.Errorf("make a tag: %w", err)
	}
	return tag, nil
}

// wrapping seals the keys of data files under the wrapping key of their object. A nil one leaves them as they are.
type wrapping struct {
	sealer *secret.Sealer
}

// newWrapping takes the key over and wipes it.
func (s *Store) newWrapping(key secret.Bytes) (*wrapping, error) {
	defer key.Wipe()
	sealer, err := secret.NewSealer(key, purposeWrap, s.random)
	if err != nil {
		return nil, err
	}
	return &wrapping{sealer}, nil
}

// seal puts the key of a data file into the form that the record has.
func (w *wrapping) seal(ref *dataRef) error {
	if w == nil {
		return nil
	}
	sealed, err := w.sealer.Seal(ref.ID[:], ref.Key.Reveal())
	if err != nil {
		return err
	}
	ref.Key.Wipe()
	ref.Key, ref.Sealed = dataKey{}, sealed
	return nil
}

// open gives the key of a data file; the caller may wipe it. That it is not in the form that it should have is damage.
func (w *wrapping) open(ref dataRef) (secret.Bytes, error) {
	if (w == nil) != (len(ref.Sealed) == 0) || w != nil && ref.Key.Len() != 0 {
		return secret.Bytes{}, fmt.Errorf("%w: the key of a data file has another form", blob.ErrCorrupt)
	}
	if w == nil {
		return ref.Key.Bytes, nil
	}
	key, err := w.sealer.Open(ref.ID[:], ref.Sealed)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("%w: the key of a data file does not open", blob.ErrCorrupt)
	}
	return secret.New(key), nil
}
