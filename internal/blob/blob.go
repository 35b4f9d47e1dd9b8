// Package blob is the contract of an object store: buckets, objects and multipart uploads, with the meaning that Amazon S3 gives them.
//
// The drivers are dir (an encrypted directory) and s3 (any endpoint that speaks S3); blobtest is the suite that both pass.
package blob

import (
	"context"
	"errors"
	"io"
	"time"
)

// The errors that drivers return (wrapped); callers tell them apart with errors.Is. Each is S3's code of the same name.
var (
	ErrNoSuchBucket       = errors.New("NoSuchBucket")
	ErrNoSuchKey          = errors.New("NoSuchKey")
	ErrNoSuchUpload       = errors.New("NoSuchUpload")
	ErrBucketExists       = errors.New("BucketAlreadyOwnedByYou")
	ErrBucketNotEmpty     = errors.New("BucketNotEmpty")
	ErrInvalidBucketName  = errors.New("InvalidBucketName")
	ErrInvalidPart        = errors.New("InvalidPart")
	ErrInvalidPartOrder   = errors.New("InvalidPartOrder")
	ErrEntityTooSmall     = errors.New("EntityTooSmall")
	ErrEntityTooLarge     = errors.New("EntityTooLarge")
	ErrBadDigest          = errors.New("BadDigest")
	ErrInvalidRange       = errors.New("InvalidRange")
	ErrPreconditionFailed = errors.New("PreconditionFailed")
	ErrNotModified        = errors.New("NotModified")
	ErrKeyTooLong         = errors.New("KeyTooLongError")
	ErrInvalidArgument    = errors.New("InvalidArgument")
	ErrIncompleteBody     = errors.New("IncompleteBody")
	ErrMetadataTooLarge   = errors.New("MetadataTooLarge")
	ErrAccessDenied       = errors.New("AccessDenied")
	ErrCorrupt            = errors.New("stored object is damaged")
	ErrNoSpace            = errors.New("no space left for objects")
)

// RoleError says that the endpoint of a store does not let the role of the caller do its work there, whatever it may here. It is an
// ErrAccessDenied that has something to tell.
type RoleError struct {
	// Message names the role and the host of the endpoint, and says what to do. It is fit to be shown to the owner of the role.
	Message string
}

func (e *RoleError) Error() string { return e.Message }

// Unwrap makes it an ErrAccessDenied.
func (e *RoleError) Unwrap() error { return ErrAccessDenied }

// RoleErrorHeader has the message of a RoleError where the control plane refuses a worker, also in answers that have no body.
const RoleErrorHeader = "X-Darkroom-Role-Error"

// Info is what a store knows of an object besides its bytes.
type Info struct {
	Key          string
	Size         int64
	ETag         string // without quotes: hex MD5, or hex MD5-PARTS for a multipart upload; opaque for SSEKMS and SSEC
	LastModified time.Time
	Metadata     Metadata
	// Parts has the sizes of the parts of a multipart upload, in order, from a store that knows them; else it is nil.
	Parts []int64
	// Encryption is how the object is encrypted; its Method is empty where that is not known.
	Encryption Encryption
	// Class is the storage class; empty for STANDARD, and where it is not known.
	Class string
}

// Metadata is what the writer said of an object; it is returned as it was given.
type Metadata struct {
	ContentType        string
	CacheControl       string
	ContentDisposition string
	ContentEncoding    string
	ContentLanguage    string
	Expires            string
	User               map[string]string // x-amz-meta-*, names in lower case
	Checksum           Checksum
}

// Checksum is an additional checksum of S3 (x-amz-checksum-*), base64 of the value. The zero value is none.
type Checksum struct {
	Algorithm string // CRC32, CRC32C, CRC64NVME, SHA1, SHA256; with an empty Value on a write: compute it
	Value     string // base64, with -PARTS behind it for a composite one
	Type      string // FULL_OBJECT or COMPOSITE
}

// Conditions are the preconditions of a read or a write, as in RFC 9110 section 13, and the key that a read needs. The zero value asks for nothing.
type Conditions struct {
	IfMatch, IfNoneMatch               string // ETag without quotes, or *
	IfModifiedSince, IfUnmodifiedSince time.Time
	// Customer is the key that the object that is read was encrypted with: a read of an SSEC object without it is ErrKeyNeeded, with another
	// ErrWrongKey, and of any other object with one ErrKeyUnused.
	Customer *CustomerKey
}

// Range is a range of bytes as asked for, RFC 9110 section 14. Nil means everything.
type Range struct {
	Start int64 // -1: a suffix of Length bytes
	End   int64 // inclusive; -1: to the end
	// Length is of use only for a suffix.
	Length int64
}

// Object is an open object. The caller closes Body.
type Object struct {
	Info
	Body          io.ReadCloser
	Start, Length int64 // what Body gives of the object
}

// PutOptions go with a write.
type PutOptions struct {
	Metadata   Metadata
	ContentMD5 []byte // verified when not nil
	Conditions Conditions
	Size       int64 // -1: not known beforehand; another length of the body is ErrIncompleteBody
	// Storage is how the object is kept. With a part it has the key of an SSEC upload, and nothing else: the upload has said the rest.
	Storage Storage
	// Trailer, when not nil, is asked once the body has been read to its end for the value (base64) of Metadata.Checksum, whose Value is
	// empty then; an empty answer is no value.
	Trailer func() string
}

// UploadOptions go with the beginning of a multipart upload, and are those of the object that it becomes.
type UploadOptions struct {
	Metadata Metadata
	Storage  Storage
}

// CopyOptions go with a copy.
type CopyOptions struct {
	Metadata   *Metadata  // replaces that of the source; nil keeps it
	Conditions Conditions // speak of the source, and have its key
	Storage    Storage    // of the copy: how the source is kept does not matter
}

// ListOptions choose a page of keys, in the order of their UTF-8 bytes.
type ListOptions struct {
	Prefix, Delimiter string
	StartAfter        string // keys (and common prefixes) up to and including this one are left out
	Max               int    // at most 1000; 0 is 1000
}

// Listing is a page of keys.
type Listing struct {
	Objects        []Info // Metadata is not filled
	CommonPrefixes []string
	Truncated      bool
	Next           string // StartAfter of the next page, when Truncated
}

// Bucket is a bucket.
type Bucket struct {
	Name    string
	Created time.Time
}

// Upload is a multipart upload in progress.
type Upload struct {
	Bucket, Key, ID string
	Initiated       time.Time
	// Checksum has the algorithm and type that were asked for at its creation. A caller of CompleteUpload may set its Value to have it
	// compared with that of the whole object.
	Checksum Checksum
	// Encryption is how the parts are encrypted, from CreateUpload alone.
	Encryption Encryption
}

// Part is an uploaded part of a multipart upload.
type Part struct {
	Number       int // 1 to 10,000
	Size         int64
	ETag         string
	LastModified time.Time
	Checksum     Checksum
	Encryption   Encryption // from UploadPart alone
}

// Store is an object store. All methods may be called at the same time. Writes are atomic: a reader sees the object before or the
// object after, whole. Bodies are streamed; no method holds an object in memory.
//
// What a store cannot keep as it is asked to is ErrNotOffered, and nothing is written. A key that may not be used is a *KeyError.
type Store interface {
	CreateBucket(ctx context.Context, bucket string) error
	DeleteBucket(ctx context.Context, bucket string) error
	HeadBucket(ctx context.Context, bucket string) (Bucket, error)
	ListBuckets(ctx context.Context) ([]Bucket, error)
	// BucketEncryption says how objects of a bucket are encrypted by default; its Method is empty where the store does not say.
	BucketEncryption(ctx context.Context, bucket string) (BucketEncryption, error)
	// SetBucketEncryption changes that for the objects to come. The zero value takes it back. The key is not looked at.
	SetBucketEncryption(ctx context.Context, bucket string, b BucketEncryption) error

	Put(ctx context.Context, bucket, key string, body io.Reader, o PutOptions) (Info, error)
	// Get opens an object; the conditions give ErrPreconditionFailed or ErrNotModified.
	Get(ctx context.Context, bucket, key string, r *Range, c Conditions) (*Object, error)
	// Head does not need the key of an SSEKMS object; the Value of its checksum may be left out then.
	Head(ctx context.Context, bucket, key string, c Conditions) (Info, error)
	// Delete succeeds when there is no such object.
	Delete(ctx context.Context, bucket, key string) error
	// Copy copies one object.
	Copy(ctx context.Context, srcBucket, srcKey, bucket, key string, o CopyOptions) (Info, error)
	List(ctx context.Context, bucket string, o ListOptions) (Listing, error)

	CreateUpload(ctx context.Context, bucket, key string, o UploadOptions) (Upload, error)
	UploadPart(ctx context.Context, u Upload, number int, body io.Reader, o PutOptions) (Part, error)
	// CompleteUpload joins the parts, which must be in ascending order; each Part needs Number and ETag, and its Checksum is compared when
	// there is one. Every part but the last has at least MinPart bytes.
	CompleteUpload(ctx context.Context, u Upload, parts []Part, c Conditions) (Info, error)
	AbortUpload(ctx context.Context, u Upload) error
	ListUploads(ctx context.Context, bucket, prefix string) ([]Upload, error)
	ListParts(ctx context.Context, u Upload) ([]Part, error)
}
