// Package keys is the key service: it makes keys, keeps them sealed, and encrypts and decrypts small values with them, as AWS KMS does. Who may do what
// is decided by key policies, grants and IAM policies together, in iam.Authorize.
//
// Under the installation's master key each account has an account key, under it stand the versions of its keys, and under a version a key for each
// value that is encrypted. All of an account is held in memory as an immutable view of its registry; encrypting and decrypting reads and writes no
// records.
//
// Only symmetric encryption keys of this installation's own making are offered (SYMMETRIC_DEFAULT, AES-256-GCM).
//
// Source of rules and texts: AWS Key Management Service Developer Guide and API Reference (version 2014-11-01).
package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"time"

	"darkroom/internal/identity"
	"darkroom/internal/registry"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

// Quotas and limits, AWS's own but where a comment says otherwise.
const (
	// MaxKeys bounds the keys of an account, those that are pending deletion too. AWS allows 100,000; here all are in memory.
	MaxKeys = 10_000
	// MaxAliases bounds the aliases of one key.
	MaxAliases = 50
	// MaxGrants bounds the grants of one key. AWS allows 50,000; here all are in memory.
	MaxGrants = 5_000
	// MaxOnDemandRotations is how often a key is rotated because somebody asked.
	MaxOnDemandRotations = 25
	// MaxTags bounds the tags of one key.
	MaxTags = 50
	// MaxPolicy is the longest key policy, in bytes.
	MaxPolicy = 32 << 10
	// MaxPlaintext is the most that Encrypt takes, in bytes; what is larger is encrypted under a data key.
	MaxPlaintext = 4096
	// MaxDataKey is the longest data key, in bytes.
	MaxDataKey = 1024
	// MaxContext bounds an encryption context: the bytes of its keys and values.
	MaxContext = 8192
	// MaxGrantTokens bounds the tokens of one request.
	MaxGrantTokens = 10
	// MaxConstraintPairs bounds the encryption context of a grant's constraint.
	MaxConstraintPairs = 8

	minPendingDays, maxPendingDays, defaultPendingDays    = 7, 30, 30
	minRotationDays, maxRotationDays, defaultRotationDays = 90, 2560, 365
	maxDescription                                        = 8192

	day = 24 * time.Hour
)

// People knows who the principals in key policies and grants are.
type People interface {
	View(ctx context.Context, account string) (*identity.View, error)
}

// Options are what a Service works with. Random, Now and Used may be left out.
type Options struct {
	Region   string
	Accounts []string
	Store    store.Registries
	People   People
	// Master is the key that account keys are sealed under, and that tokens are authenticated by.
	Master secret.Bytes
	Log    *slog.Logger
	// Used records the use of a key by a service that acts for a caller, before its result is handed out. An error refuses the use. Nil means that
	// somebody else records it.
	Used func(context.Context, Use) error
	// Keep says why a key, by its ARN, must not be deleted, as a refusal that its caller is told, or that this cannot be known. Nil keeps none.
	Keep func(ctx context.Context, keyARN string) error
	// Destroying hears of keys, by their ARNs, that are about to be destroyed. What it returns is the context in which they are, and what is called when they were, or
	// could not be. An error keeps them. Nil: nobody hears.
	Destroying func(ctx context.Context, keyARNs []string) (context.Context, func(error), error)
	Random     io.Reader // nil means crypto/rand
	Now        func() time.Time
}

// Service is the key service of an installation. It is safe for concurrent use.
type Service struct {
	region     string
	order      []string // accounts
	views      *registry.Views[*View]
	people     People
	sealer     *secret.Sealer // of account keys
	tokens     secret.Bytes   // authenticates markers and grant tokens
	log        *slog.Logger
	used       func(context.Context, Use) error
	keep       func(context.Context, string) error
	destroying func(context.Context, []string) (context.Context, func(error), error)
	random     io.Reader
	now        func() time.Time
	wake       chan struct{} // has an entry when a deadline may have come nearer
}

// registryName is what the registry is called, and what sealed values are bound to.
const registryName = "keys"

// New returns a key service. Nothing is read yet.
func New(o Options) (*Service, error) {
	if !regionName.MatchString(o.Region) || o.People == nil || o.Store == nil || o.Log == nil {
		return nil, errors.New("a key service needs Region, Store, People and Log")
	}
	s := &Service{region: o.Region, order: o.Accounts, people: o.People, log: o.Log, used: o.Used, keep: o.Keep, destroying: o.Destroying, random: o.Random, now: o.Now, wake: make(chan struct{}, 1)}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.used == nil {
		s.used = func(context.Context, Use) error { return nil }
	}
	if s.keep == nil {
		s.keep = func(context.Context, string) error { return nil }
	}
	if s.destroying == nil {
		s.destroying = func(ctx context.Context, _ []string) (context.Context, func(error), error) {
			return ctx, func(error) {}, nil
		}
	}
	var err error
	if s.sealer, err = secret.NewSealer(o.Master, "key service account keys", s.random); err != nil {
		return nil, err
	}
	if s.tokens, err = secret.Derive(o.Master, "key service tokens"); err != nil {
		return nil, err
	}
	s.views, err = registry.New(registry.Options[*View]{Name: registryName, Accounts: o.Accounts, Store: o.Store, Read: s.read, Now: s.now})
	return s, err
}

var regionName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// View returns the keys of an account.
func (s *Service) View(ctx context.Context, account string) (*View, error) {
	return s.views.View(ctx, account)
}

// change lets do change the keys of an account.
func (s *Service) change(ctx context.Context, account string, do func(*View) error) error {
	err := s.views.Change(ctx, account, func(v *View) (registry.Change[*View], error) {
		next := v.begin()
		if err := do(next); err != nil {
			return registry.Change[*View]{}, err
		}
		put, drop, err := next.records()
		if err != nil {
			return registry.Change[*View]{}, err
		}
		if err := next.prepare(); err != nil {
			return registry.Change[*View]{}, err
		}
		return registry.Change[*View]{Put: put, Drop: drop, Next: func(int64) *View { return next.done() }}, nil
	})
	if err == nil {
		select { // a deadline may have come nearer
		case s.wake <- struct{}{}:
		default:
		}
	}
	return err
}

// Key ARNs and alias ARNs.

func (s *Service) keyARN(account, id string) string {
	return "arn:aws:kms:" + s.region + ":" + account + ":key/" + id
}

func (s *Service) aliasARN(account, name string) string {
	return "arn:aws:kms:" + s.region + ":" + account + ":" + name
}

// newUUID returns a random UUID (RFC 9562, version 4), the form of key ids.
func newUUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a key id: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return formatUUID(b), nil
}

// newHexID returns a random id of 64 hexadecimal digits, the form of grant ids and ids of key material.
func newHexID(random io.Reader) (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return fmt.Sprintf("%x", b), nil
}
