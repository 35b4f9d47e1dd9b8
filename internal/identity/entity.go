package identity

import (
	"crypto/rand"
	"encoding/base32"
	"maps"
	"slices"
	"strings"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/secret"
)

// Kind is a kind of entity.
type Kind string

// The kinds.
const (
	User     Kind = "user"
	Group    Kind = "group"
	Role     Kind = "role"
	Policy   Kind = "policy"        // a managed policy of the account's own
	Device   Kind = "mfa"           // a virtual MFA device
	Provider Kind = "oidc-provider" // an OpenID Connect identity provider
	Settings Kind = "account"       // what belongs to the account as a whole; one, with the name ""
)

// idPrefixes begin the unique ids (IAM User Guide, "IAM identifiers").
var idPrefixes = map[Kind]string{User: "AIDA", Group: "AGPA", Role: "AROA", Policy: "ANPA", Device: "AMFA", Provider: "AOIP", Settings: "AACC"}

// Entity is somebody or something that IAM knows by a name. What an Entity does not need stays empty. Entities that were read are immutable;
// View.Edit gives one that may be changed.
type Entity struct {
	Kind        Kind
	ID          string
	Name        string // of a device its name; of a provider its URL without https://
	Path        string
	Created     time.Time
	Updated     time.Time         `json:",omitzero"`
	Description string            `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`

	// Of users, groups and roles: what grants.
	Inline   map[string]string `json:",omitempty"` // documents by name
	Attached []string          `json:",omitempty"` // ARNs of managed policies, in the order that they were attached
	Boundary string            `json:",omitempty"` // ARN of a managed policy

	// Of users.
	Groups []string    `json:",omitempty"` // ids
	Keys   []AccessKey `json:",omitempty"`

	// Of roles.
	Trust       string            `json:",omitempty"` // the document
	TrustedIDs  map[string]string `json:",omitempty"` // the unique ids that the ARNs in Trust stood for when it was written
	MaxDuration time.Duration     `json:",omitempty"` // of sessions

	// Of managed policies: at most MaxVersions, the oldest first.
	Versions    []Version `json:",omitempty"`
	Default     string    `json:",omitempty"` // the version in force
	LastVersion int       `json:",omitempty"` // the number given last; numbers are not given again

	// Of MFA devices.
	Seed    []byte    `json:",omitempty"` // sealed
	Owner   string    `json:",omitempty"` // the id of the user that has it, or the account for its root; empty until it is enabled
	Enabled time.Time `json:",omitzero"`
	Step    int64     `json:",omitempty"` // the time step of the last code that was taken
	Drift   int64     `json:",omitempty"` // steps that its clock is ahead

	// Of identity providers.
	Audiences   []string `json:",omitempty"`
	Thumbprints []string `json:",omitempty"`

	// Of the account's settings.
	Alias string `json:",omitempty"`

	inline  []*iam.Policy // Inline by name, in the order of names
	trust   *iam.Policy
	granted *iam.Policy // the version in force
}

// AccessKey is a long-term access key of a user.
type AccessKey struct {
	ID      string
	Created time.Time
	Active  bool
	Sealed  []byte // the secret

	secret secret.Bytes
}

// Version is one version of a managed policy.
type Version struct {
	ID       string // v1, v2, …
	Document string
	Created  time.Time
}

// ARN names the entity.
func (e *Entity) ARN(account string) string {
	kind, path := string(e.Kind), e.Path
	switch e.Kind {
	case Provider:
		path = "/"
	case Settings:
		return "arn:aws:iam::" + account + ":root"
	}
	return "arn:aws:iam::" + account + ":" + kind + path + e.Name
}

// Document returns a version of a managed policy; false if there is none of that id.
func (e *Entity) Document(version string) (Version, bool) {
	for _, v := range e.Versions {
		if v.ID == version {
			return v, true
		}
	}
	return Version{}, false
}

// clone returns a copy that shares nothing that can be changed.
func (e *Entity) clone() *Entity {
	c := *e
	c.Tags, c.Inline, c.TrustedIDs = maps.Clone(e.Tags), maps.Clone(e.Inline), maps.Clone(e.TrustedIDs)
	c.Attached, c.Groups, c.Keys, c.Versions = slices.Clone(e.Attached), slices.Clone(e.Groups), slices.Clone(e.Keys), slices.Clone(e.Versions)
	c.Audiences, c.Thumbprints = slices.Clone(e.Audiences), slices.Clone(e.Thumbprints)
	return &c
}

// compile reads the documents of the entity. One that cannot be read denies everything, wherever it is used.
func (e *Entity) compile(account string) {
	e.inline, e.trust, e.granted = nil, nil, nil
	for _, name := range slices.Sorted(maps.Keys(e.Inline)) {
		e.inline = append(e.inline, parse(iam.IdentityPolicy, name, e.Inline[name]))
	}
	switch e.Kind {
	case Role:
		e.trust = parse(iam.TrustPolicy, "the trust policy of "+e.Name, e.Trust).Bind(e.TrustedIDs)
	case Policy:
		e.granted = iam.Unreadable(e.ARN(account))
		if v, ok := e.Document(e.Default); ok {
			e.granted = parse(iam.IdentityPolicy, e.ARN(account), v.Document)
		}
	}
}

func parse(kind iam.Kind, name, document string) *iam.Policy {
	p, err := iam.Parse(kind, name, document)
	if err != nil {
		return iam.Unreadable(name)
	}
	return p
}

// NewID makes a unique id of a kind. It fails only with the machine.
func NewID(kind Kind) string { return idPrefixes[kind] + randomID(17) }

// Prefixes of access key ids.
const (
	longTerm  = "AKIA"
	temporary = "ASIA"
)

// IsLongTerm says whether an access key id is that of a user or a root, and not of a session.
func IsLongTerm(accessKeyID string) bool { return strings.HasPrefix(accessKeyID, longTerm) }

// randomID returns n letters and digits of base32.
func randomID(n int) string {
	raw := make([]byte, (n*5+7)/8)
	_, _ = rand.Read(raw) // never fails
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)[:n]
}

// fold is what names are unique by: IAM does not distinguish them by case.
func fold(name string) string { return strings.ToLower(name) }
