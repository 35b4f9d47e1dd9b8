package inspect

import (
	"context"
	"io/fs"
	"runtime/debug"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/sbom"
)

// Installation is what checks look at. A source that is nil, or that answers with an *Unknown, leaves what asks it not checked. Nothing that a source
// returns is a secret.
type Installation struct {
	Now func() time.Time
	// Settings are those in force, by the keys of the configuration file. SettingsFrom says where they were read.
	Settings     map[string]any
	SettingsFrom string

	// Files shows every file and directory of the data directory, and those of secrets elsewhere. cut says that there are more than were shown.
	Files    func(ctx context.Context, see func(File)) (cut bool, err error)
	Root     func(ctx context.Context) (Root, error)
	Listener func(ctx context.Context) (Listener, error)
	Layers   func(ctx context.Context) ([]Layer, error)
	// Dial asks the way out for a connection to an address, and closes it. refused says that the way out would not have it.
	Dial     func(ctx context.Context, address string) (refused bool, err error)
	FIPS     func() FIPS
	Trail    Trail
	Accounts []string
	People   func(ctx context.Context, account string) (People, error)
	Keys     func(ctx context.Context, account string) ([]Key, error)
	Objects  func(ctx context.Context) (Objects, error)
	// Digests verifies the chain of digests of every trail that delivers.
	Digests func(ctx context.Context) ([]Chain, error)
	Build   func() (*debug.BuildInfo, error)
	FFmpeg  func(ctx context.Context) (sbom.Program, error)
}

// File is a file or directory below the data directory, or a file of secrets that the configuration names.
type File struct {
	Path  string // relative to the data directory where it is below it
	Mode  fs.FileMode
	Owned bool // by who runs this program, or by root
	// Public files, such as a certificate, may be read by others.
	Public bool
}

// Root is the root of trust.
type Root struct {
	Kind   string // file, passphrase, transit, kms
	Inside bool   // its key is in the data directory that it protects
	Facts  []Fact
}

// Listener is what a client sees of the running server.
type Listener struct {
	URL string
	TLS bool
	// Versions are the TLS versions that were tried, and whether a handshake came about.
	Versions []Offered
	Suites   []Offered // of TLS 1.2, in the words of crypto/tls
	// Weak are what was offered of Suites though crypto/tls calls it insecure, or it gives no forward secrecy.
	Weak     []string
	NotAfter time.Time // of the certificate
	Subject  string
	// PlainHTTP is the status of a plain HTTP request to a port that speaks TLS; 0 where it was cut off without an answer.
	PlainHTTP int
	Anonymous Answer // to a call without a signature
	Forged    Answer // to a call with a signature by a wrong secret
}

// Offered is something that a listener was asked for.
type Offered struct {
	Name string
	Yes  bool
}

// Answer is how a call was refused, or was not.
type Answer struct {
	Status int
	Code   string
}

// Layer is a wall of the sandbox.
type Layer struct {
	Name    string
	Present bool
	Detail  string
}

// FIPS says which cryptography the program runs on.
type FIPS struct {
	Enabled, Enforced bool
	Version           string
}

// Trail is the audit trail.
type Trail interface {
	Find(ctx context.Context, q audit.Query) ([]audit.Found, error)
	Position(ctx context.Context) (int64, error)
}

// People are the users of an account.
type People struct {
	Users []User
}

// User is a user, and what checks ask of it.
type User struct {
	Name    string
	ARN     string
	Granted bool // a policy grants it something
	MFA     bool
	Keys    []AccessKey
}

// AccessKey is a long-term access key.
type AccessKey struct {
	ID       string
	Created  time.Time
	Active   bool
	LastUsed time.Time // zero: never
}

// Key is a customer managed key of the key service.
type Key struct {
	ARN          string
	State        string
	RotationDays int // 0: no automatic rotation
	Newest       time.Time
}

// Objects is where objects are kept, with some of the files that they are in.
type Objects struct {
	External string // the endpoint of an external store; empty for the embedded one
	Files    []Sample
}

// Sample is the beginning of a data file.
type Sample struct {
	Name string
	Head []byte
}

// Chain is how the chain of digests of a trail stands.
type Chain struct {
	Trail     string
	Account   string
	Logging   bool
	Delivered time.Time // of the last delivery
	Digest    time.Time // of the last digest
	Faults    []string  // what does not fit
	Verified  int       // digests that were verified just now
	Unread    string    // why nothing could be verified; empty where it was
	Error     string    // of the last delivery
}
