// Package certificate keeps the TLS certificates that an account has imported, as AWS Certificate Manager does: for the listener, and for content keys
// that a key server encrypts for MediaConvert (SPEKE).
//
// What is kept is in the records, as the registry "certificates", and in memory as an immutable view. Private keys are sealed, each bound to its account,
// this registry and its ARN, and are opened only for the one use that they are for. A certificate in use, which its own record says, cannot be deleted.
//
// Sources of rules and texts: ACM API Reference; ACM User Guide, "Import certificates", "Conditions for importing" and "Quotas".
package certificate

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/registry"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

// Quotas of an account, as ACM's are by default, and how many tags a certificate can have.
const (
	MaxCertificates = 2500
	MaxTags         = 50
)

// Name of the registry, and the kind of its entries.
const (
	registryName = "certificates"
	entryKind    = "certificate"
)

// Fault is what is wrong with a request.
type Fault int

// The faults, with the names that ACM gives them.
const (
	Invalid     Fault = iota + 1 // ValidationException
	BadARN                       // InvalidArnException
	NotFound                     // ResourceNotFoundException
	InUse                        // ResourceInUseException
	Exceeded                     // LimitExceededException
	BadTag                       // InvalidTagException
	TooManyTags                  // TooManyTagsException
	Unsuitable                   // for what it is to be used for; no exception of ACM
)

// Error is a refusal.
type Error struct {
	Fault   Fault
	Message string
}

func (e *Error) Error() string { return e.Message }

func fault(f Fault, format string, args ...any) error { return &Error{f, fmt.Sprintf(format, args...)} }

func invalid(format string, args ...any) error { return fault(Invalid, format, args...) }

// Sealer protects private keys at rest. Additional data binds each to its place.
type Sealer interface {
	Seal(aad, plaintext []byte) ([]byte, error)
	Open(aad, sealed []byte) ([]byte, error)
}

// Options are what a Service works with. All but Listener and Now are needed.
type Options struct {
	Accounts []string
	Region   string
	Store    store.Registries
	Sealer   Sealer
	// Listener is the ARN of the certificate that the listener shows; empty for none. It is in use as long as it is configured.
	Listener string
	Now      func() time.Time // nil means time.Now
}

// Service keeps certificates. It is safe for concurrent use.
type Service struct {
	views    *registry.Views[*view]
	region   string
	sealer   Sealer
	listener string
	now      func() time.Time
}

// New returns a service. Nothing is read yet.
func New(o Options) (*Service, error) {
	if o.Region == "" || o.Store == nil || o.Sealer == nil {
		return nil, errors.New("certificates need Region, Store and Sealer")
	}
	s := &Service{region: o.Region, sealer: o.Sealer, listener: o.Listener, now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	s.views, err = registry.New(registry.Options[*view]{Name: registryName, Accounts: o.Accounts, Store: o.Store, Read: s.read, Now: o.Now})
	return s, err
}

// Certificate is one certificate with its chain. It is not changed: a change makes another.
type Certificate struct {
	ARN       string
	Leaf      *x509.Certificate
	Chain     []*x509.Certificate // the issuer first
	Algorithm KeyAlgorithm
	Tags      map[string]string
	Created   time.Time // when it was imported first
	Imported  time.Time // when it was imported last
	// MediaConvert says that it is associated with MediaConvert, so that jobs may name it.
	MediaConvert bool

	id     string
	sealed []byte // the private key, PKCS #8
}

// record is a certificate as it stands in the records.
type record struct {
	Certificate  []byte            `json:"certificate"` // DER, as those of the chain
	Chain        [][]byte          `json:"chain,omitempty"`
	Key          []byte            `json:"key"` // sealed
	Tags         map[string]string `json:"tags,omitempty"`
	Created      time.Time         `json:"created"`
	Imported     time.Time         `json:"imported"`
	MediaConvert bool              `json:"mediaconvert,omitempty"`
}

// view is what an account has.
type view struct {
	byID map[string]*Certificate
}

// read makes the view of the records of an account.
func (s *Service) read(account string, _ int64, entries []store.Entry) (*view, error) {
	v := &view{make(map[string]*Certificate, len(entries))}
	for _, e := range entries {
		c, err := s.decode(account, e)
		if err != nil {
			return nil, fmt.Errorf("read the record of certificate %s: %w", e.ID, err)
		}
		v.byID[e.ID] = c
	}
	return v, nil
}

func (s *Service) decode(account string, e store.Entry) (*Certificate, error) {
	var r record
	if err := json.Unmarshal(e.Record, &r); err != nil {
		return nil, err
	}
	c := &Certificate{ARN: s.arn(account, e.ID), Tags: r.Tags, Created: r.Created, Imported: r.Imported, MediaConvert: r.MediaConvert, id: e.ID, sealed: r.Key}
	var err error
	if c.Leaf, err = x509.ParseCertificate(r.Certificate); err != nil {
		return nil, err
	}
	if c.Algorithm, err = algorithmOf(c.Leaf.PublicKey); err != nil {
		return nil, err
	}
	for _, der := range r.Chain {
		above, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		c.Chain = append(c.Chain, above)
	}
	return c, nil
}

func (c *Certificate) entry() (store.Entry, error) {
	r := record{Certificate: c.Leaf.Raw, Key: c.sealed, Tags: c.Tags, Created: c.Created, Imported: c.Imported, MediaConvert: c.MediaConvert}
	for _, above := range c.Chain {
		r.Chain = append(r.Chain, above.Raw)
	}
	text, err := json.Marshal(r)
	return store.Entry{Kind: entryKind, ID: c.id, Record: text}, err
}

func (s *Service) arn(account, id string) string {
	return arn.ARN{Partition: "aws", Service: "acm", Region: s.region, Account: account, Resource: "certificate/" + id}.String()
}

// AnyOf is the resource of a certificate that is not there yet, for who wants to import one.
func (s *Service) AnyOf(account string) string { return s.arn(account, "*") }

// idPattern is that of the ids of certificates: a UUID.
var idPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// find returns the certificate with an ARN: BadARN if it is none of a certificate, NotFound if it is none of the account's.
func (s *Service) find(v *view, account, name string) (*Certificate, error) {
	a, err := arn.Parse(name)
	id, ok := strings.CutPrefix(a.Resource, "certificate/")
	if err != nil || a.Service != "acm" || !ok {
		return nil, fault(BadARN, "The ARN %s does not name a certificate.", name)
	}
	c := v.byID[id]
	if c == nil || !idPattern.MatchString(id) || c.ARN != name || name != s.arn(account, id) {
		return nil, fault(NotFound, "Could not find certificate %s.", name)
	}
	return c, nil
}

// Find returns the certificate of an account with an ARN. The error is an *Error, or says that it cannot be known now.
func (s *Service) Find(ctx context.Context, account, name string) (*Certificate, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return s.find(v, account, name)
}

// All returns the certificates of an account, those that were imported first first.
func (s *Service) All(ctx context.Context, account string) ([]*Certificate, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(v.byID), func(a, b *Certificate) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ARN, b.ARN))
	}), nil
}

// Users returns what uses a certificate, by ARN.
func (s *Service) Users(c *Certificate) []string {
	all := []string{}
	a, _ := arn.Parse(c.ARN)
	if c.MediaConvert {
		all = append(all, arn.MediaConvert(s.region, a.Account, "certificates/"+c.ARN))
	}
	if c.ARN == s.listener {
		all = append(all, arn.ARN{Partition: "aws", Service: "darkroom", Region: s.region, Account: a.Account, Resource: "listener"}.String())
	}
	return all
}

// Expired says whether a certificate has ended.
func (s *Service) Expired(c *Certificate) bool { return s.now().After(c.Leaf.NotAfter) }

// bound is the additional data of a sealed key: where it stands.
func bound(account, name string) []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s", account, registryName, name)
}

// key opens the private key of a certificate.
func (s *Service) key(account string, c *Certificate) (crypto.Signer, error) {
	der, err := s.sealer.Open(bound(account, c.ARN), c.sealed)
	if err != nil {
		return nil, fmt.Errorf("open the key of certificate %s: %w", c.ARN, err)
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read the key of certificate %s: not a private key", c.ARN)
	}
	k, ok := parsed.(crypto.Signer)
	if !ok || !samePublic(c.Leaf.PublicKey, k.Public()) {
		return nil, fmt.Errorf("the key of certificate %s is that of another", c.ARN)
	}
	return k, nil
}

// seal seals a private key for its place.
func (s *Service) seal(account, name string, k crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return s.sealer.Seal(bound(account, name), der)
}

// Import is what is imported. Texts are PEM.
type Import struct {
	Certificate, Chain []byte
	Key                secret.Bytes
	Tags               map[string]string // of a new one
}

// Import keeps a new certificate and returns its ARN.
func (s *Service) Import(ctx context.Context, account string, in Import) (string, error) {
	m, err := parse(in.Certificate, in.Chain, in.Key.Reveal(), s.now())
	if err != nil {
		return "", err
	}
	id := newID()
	now := s.now().UTC()
	c := &Certificate{ARN: s.arn(account, id), Leaf: m.leaf, Chain: m.chain, Algorithm: m.algorithm, Created: now, Imported: now, id: id}
	if c.Tags, err = Tagged(nil, in.Tags); err != nil {
		return "", err
	}
	if c.sealed, err = s.seal(account, c.ARN, m.key); err != nil {
		return "", err
	}
	return c.ARN, s.views.Change(ctx, account, func(v *view) (registry.Change[*view], error) {
		if len(v.byID) >= MaxCertificates {
			return registry.Change[*view]{}, fault(Exceeded, "You have reached the maximum number of certificates. Delete certificates that are not in use.")
		}
		return v.put(c)
	})
}

// Renew imports a certificate again under its ARN, so that whatever uses it uses the new one.
func (s *Service) Renew(ctx context.Context, account, name string, in Import) error {
	if len(in.Tags) > 0 {
		return invalid("Tagging is not permitted on re-import.")
	}
	if _, err := s.Find(ctx, account, name); err != nil {
		return err
	}
	m, err := parse(in.Certificate, in.Chain, in.Key.Reveal(), s.now())
	if err != nil {
		return err
	}
	sealed, err := s.seal(account, name, m.key)
	if err != nil {
		return err
	}
	return s.change(ctx, account, name, func(c *Certificate) error {
		if err := succeeds(c, m); err != nil {
			return err
		}
		c.Leaf, c.Chain, c.Algorithm, c.sealed, c.Imported = m.leaf, m.chain, m.algorithm, sealed, s.now().UTC()
		return nil
	})
}

// succeeds says whether a certificate may stand in the place of another (ACM User Guide, "Reimport a certificate").
func succeeds(old *Certificate, m *material) error {
	switch {
	case m.algorithm != old.Algorithm:
		return invalid("The key algorithm %s of the certificate differs from %s, that of the certificate to be replaced.", m.algorithm, old.Algorithm)
	case len(Names(old.Leaf)) > 0 && len(Names(m.leaf)) == 0:
		return invalid("The certificate must have a domain name, as the certificate to be replaced has one.")
	case old.Leaf.KeyUsage&^m.leaf.KeyUsage != 0 && old.Leaf.KeyUsage != 0:
		return invalid("The certificate must have the key usages that the certificate to be replaced has.")
	}
	for _, u := range old.Leaf.ExtKeyUsage {
		if !slices.Contains(m.leaf.ExtKeyUsage, u) {
			return invalid("The certificate must have the extended key usages that the certificate to be replaced has.")
		}
	}
	for _, u := range old.Leaf.UnknownExtKeyUsage {
		if !slices.ContainsFunc(m.leaf.UnknownExtKeyUsage, u.Equal) {
			return invalid("The certificate must have the extended key usages that the certificate to be replaced has.")
		}
	}
	return nil
}

// Delete forgets a certificate and its key; InUse where something uses it.
func (s *Service) Delete(ctx context.Context, account, name string) error {
	return s.views.Change(ctx, account, func(v *view) (registry.Change[*view], error) {
		c, err := s.find(v, account, name)
		if err != nil {
			return registry.Change[*view]{}, err
		}
		if len(s.Users(c)) > 0 {
			return registry.Change[*view]{}, fault(InUse, "Certificate %s in account %s is in use.", name, account)
		}
		return registry.Change[*view]{Drop: []store.Entry{{Kind: entryKind, ID: c.id}}, Next: func(int64) *view {
			next := &view{maps.Clone(v.byID)}
			delete(next.byID, c.id)
			return next
		}}, nil
	})
}

// Tag adds tags to a certificate, or changes them.
func (s *Service) Tag(ctx context.Context, account, name string, tags map[string]string) error {
	return s.change(ctx, account, name, func(c *Certificate) (err error) {
		c.Tags, err = Tagged(c.Tags, tags)
		return err
	})
}

// Untag takes tags away: those with the keys, or, where a value is given, those that have it. What is not there is no error.
func (s *Service) Untag(ctx context.Context, account, name string, tags map[string]*string) error {
	return s.change(ctx, account, name, func(c *Certificate) error {
		c.Tags = maps.Clone(c.Tags)
		for k, v := range tags {
			if have, ok := c.Tags[k]; ok && (v == nil || *v == have) {
				delete(c.Tags, k)
			}
		}
		return nil
	})
}

// Tagged returns old tags with new ones.
func Tagged(old, tags map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(old)+len(tags))
	maps.Copy(out, old)
	for k, v := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") || strings.HasPrefix(strings.ToLower(v), "aws:") {
			return nil, fault(BadTag, "The tag %s begins with aws:, which is reserved.", k)
		}
		out[k] = v
	}
	if len(out) > MaxTags {
		return nil, fault(TooManyTags, "A certificate can have at most %d tags.", MaxTags)
	}
	return out, nil
}

// put is the change that keeps a certificate.
func (v *view) put(c *Certificate) (registry.Change[*view], error) {
	e, err := c.entry()
	return registry.Change[*view]{Put: []store.Entry{e}, Next: func(int64) *view {
		next := &view{maps.Clone(v.byID)}
		next.byID[c.id] = c
		return next
	}}, err
}

// change changes a copy of a certificate and keeps it.
func (s *Service) change(ctx context.Context, account, name string, edit func(*Certificate) error) error {
	return s.views.Change(ctx, account, func(v *view) (registry.Change[*view], error) {
		c, err := s.find(v, account, name)
		if err != nil {
			return registry.Change[*view]{}, err
		}
		next := *c
		if err := edit(&next); err != nil {
			return registry.Change[*view]{}, err
		}
		return v.put(&next)
	})
}

// Names are the domain names of a certificate: the common name of its subject first, then its alternative names.
func Names(c *x509.Certificate) []string {
	var all []string
	for _, n := range append([]string{c.Subject.CommonName}, c.DNSNames...) {
		if n != "" && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// newID returns a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
