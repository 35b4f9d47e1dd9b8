// Package trail keeps the trails of accounts, as AWS CloudTrail does, and carries them out: it delivers the audit records that a trail selects to its bucket,
// as gzip files by account, Region and hour, and once a period a digest of what was delivered, signed and chained to the digest before.
//
// Trails are in the records as the registry "trails"; how far each has come is in the registry "trail-progress", written before and after every object
// is put, so that a delivery that was interrupted is made again with the same bytes under the same name. Nothing is delivered twice or left out.
//
// Sources of rules and texts: AWS CloudTrail API Reference; AWS CloudTrail User Guide, "CloudTrail log file name format", "CloudTrail digest file structure",
// "Naming requirements", "Quotas in AWS CloudTrail".
package trail

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/store"
)

// Quotas of an account, as CloudTrail's are.
const (
	MaxTrails = 5 // in a Region
	MaxTags   = 50
)

// Records are the audit trail that is delivered, and the registries. A store.Store is one.
type Records interface {
	store.Registries
	Intend(ctx context.Context) error
	Concluded(ctx context.Context, account string, after int64, limit int) ([]audit.Entry, error)
	Position(ctx context.Context) (int64, error)
	Grown() <-chan struct{}
}

// Sealer protects private keys at rest. Additional data binds each to its place.
type Sealer interface {
	Seal(aad, plaintext []byte) ([]byte, error)
	Open(aad, sealed []byte) ([]byte, error)
}

// Anchored is a digest that was delivered, for who keeps a witness of it elsewhere.
type Anchored struct {
	Account, TrailName, TrailARN string
	Bucket, Object               string // where the digest is
	Text                         []byte // its JSON, uncompressed
	Hash                         string // SHA-256 of Text, hex
	Signature                    string // hex, as in the object's metadata
	Start, End                   time.Time
}

// Options are what a Service works with. All but Anchor, As, Now, Period, DigestPeriod and KeyLife are needed.
type Options struct {
	Region   string
	Accounts []string // the first is the main account, which the installation's trail keys belong to
	Records  Records
	// Buckets returns the object store of an account.
	Buckets func(account string) (blob.Store, error)
	// As returns a context in which objects of an account are written for the service CloudTrail; nil leaves contexts as they are.
	As     func(ctx context.Context, account string) context.Context
	Sealer Sealer
	Random io.Reader // of keys
	Log    *slog.Logger

	Period       time.Duration // between deliveries of log files; 0 is DefaultPeriod
	DigestPeriod time.Duration // between digests; 0 is DefaultDigestPeriod
	KeyLife      time.Duration // how long a trail key signs; 0 is DefaultKeyLife
	Now          func() time.Time
	// Wait returns a channel that receives when a time has passed, and stops it; nil is a timer. It is how tests hold the clock.
	Wait func(d time.Duration) (c <-chan time.Time, stop func())

	// Anchor keeps a witness of each digest outside of the installation; nil anchors nothing. It is called in the order of a trail's digests, one at a time
	// for each trail, and again with the same digest until it returns nil, also after a restart. It must not block for long beyond ctx.
	Anchor func(ctx context.Context, a Anchored) error
}

// The defaults, which are AWS's but for the life of keys.
const (
	DefaultPeriod       = 5 * time.Minute
	DefaultDigestPeriod = time.Hour
	DefaultKeyLife      = 365 * 24 * time.Hour
)

// Fault is what is wrong with a request: the name of CloudTrail's exception.
type Fault string

// The faults.
const (
	InvalidName        Fault = "InvalidTrailNameException"
	InvalidARN         Fault = "CloudTrailARNInvalidException"
	NotFound           Fault = "TrailNotFoundException"
	Exists             Fault = "TrailAlreadyExistsException"
	TooMany            Fault = "MaximumNumberOfTrailsExceededException"
	NoBucket           Fault = "S3BucketDoesNotExistException"
	InvalidBucket      Fault = "InvalidS3BucketNameException"
	InvalidPrefix      Fault = "InvalidS3PrefixException"
	BucketRefuses      Fault = "InsufficientS3BucketPolicyException"
	KeyRefuses         Fault = "InsufficientEncryptionPolicyException"
	InvalidKey         Fault = "InvalidKmsKeyIdException"
	NoKey              Fault = "KmsKeyNotFoundException"
	KeyDisabled        Fault = "KmsKeyDisabledException"
	InvalidCombination Fault = "InvalidParameterCombinationException"
	InvalidSelectors   Fault = "InvalidEventSelectorsException"
	InvalidTag         Fault = "InvalidTagParameterException"
	TooManyTags        Fault = "TagsLimitExceededException"
	NotOffered         Fault = "UnsupportedOperationException"
)

// Error is a refusal.
type Error struct {
	Fault   Fault
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(f Fault, format string, args ...any) error {
	return &Error{f, fmt.Sprintf(format, args...)}
}

// Definition is what a trail is to do.
type Definition struct {
	Bucket     string
	Prefix     string
	KMSKey     string // as it was given; empty for the bucket's own encryption
	Validation bool   // make digests
	Global     bool   // the events of IAM and STS too
	AllRegions bool   // the installation has one Region: what it is called changes nothing
	Selectors  Selectors
}

// Trail is a trail. It is not changed: a change makes another.
type Trail struct {
	Account, Name, ARN string
	Definition
	Tags    map[string]string
	Created time.Time

	Logging          bool
	Started, Stopped time.Time // when logging was started and stopped last; zero: never

	id   string // of its entry
	tag  string // in the names of its log files
	runs []run  // the starts of logging that may not be finished, the oldest first
	gone bool   // deleted, but not finished
}

// Gone says that the trail was deleted, and is there until what it was to get is delivered and witnessed.
func (t *Trail) Gone() bool { return t.gone }

// run is one time of logging, from a start to a stop.
type run struct {
	Number int64  `json:"number"`
	From   int64  `json:"from"`            // the position behind which it delivers
	Ended  bool   `json:"ended,omitempty"` // logging was stopped
	Last   string `json:"last,omitempty"`  // eventID of the record that it ends with: that of the stop
	Until  int64  `json:"until,omitempty"` // the position that it ends with, where the stop has no record
}

// Status is how far a trail has come.
type Status struct {
	LatestDelivery, LatestAttempt time.Time // of a log file
	DeliveryError                 string    // why log files cannot be delivered now: a code of S3; empty when they can
	LatestDigest                  time.Time // when the last digest that was delivered ends
	DigestError                   string    // as DeliveryError
	Position                      int64     // every record up to here has been delivered, or was not selected
	Unfinished                    bool      // it logs, or was stopped or deleted and has not delivered all that was recorded until then

	Anchoring     bool // there is somewhere to
	Unanchored    int64
	LatestAnchor  time.Time
	AnchorFailure string // why the oldest unanchored digest cannot be anchored, in fixed words; empty when nothing is in the way

	finished int64 // every run up to this one is
}
