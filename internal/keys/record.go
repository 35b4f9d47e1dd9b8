package keys

import (
	"maps"
	"slices"
	"sync"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/secret"
)

// The kinds of records in the registry.
const (
	accountKind = "account" // one, with the id ""
	keyKind     = "key"
	aliasKind   = "alias" // by name
	grantKind   = "grant"
)

// accountRecord is the record of the account key.
type accountRecord struct {
	Sealed []byte

	sealer *secret.Sealer // of what stands under the account key
}

// State is the state of a key.
type State string

// The states that a key of this installation can have.
const (
	Enabled         State = "Enabled"
	Disabled        State = "Disabled"
	PendingDeletion State = "PendingDeletion"
)

// Key is a KMS key. One that was read is immutable.
type Key struct {
	ID          string
	Created     time.Time
	Description string            `json:",omitempty"`
	Disabled    bool              `json:",omitempty"`
	Deletion    time.Time         `json:",omitzero"`  // when it is deleted; zero for a key that is not pending deletion
	Managed     string            `json:",omitempty"` // the service that it was made for, such as s3: an AWS managed key
	Tags        map[string]string `json:",omitempty"`

	Policy    string            // the document of the key policy
	PolicyIDs map[string]string `json:",omitempty"` // the unique ids that the ARNs in Policy stood for when it was written

	RotationDays int       `json:",omitempty"` // 0 where there is no automatic rotation
	NextRotation time.Time `json:",omitzero"`
	Versions     []Version // the oldest first; the last one encrypts

	policy *iam.Policy
	joined *sync.Map // policy with one grant, by the id of the grant
}

// Version is key material. It is never changed: a ciphertext names the version that it was made by.
type Version struct {
	Number   uint32 // from 1
	ID       string // of the key material
	Created  time.Time
	OnDemand bool `json:",omitempty"` // somebody asked for it
	Sealed   []byte

	material secret.Bytes
}

// State returns the state of the key.
func (k *Key) State() State {
	switch {
	case !k.Deletion.IsZero():
		return PendingDeletion
	case k.Disabled:
		return Disabled
	}
	return Enabled
}

// Current is the version that encrypts.
func (k *Key) Current() *Version { return &k.Versions[len(k.Versions)-1] }

// version returns a version by its number; nil if the key never had it.
func (k *Key) version(number uint32) *Version {
	if number == 0 || int64(number) > int64(len(k.Versions)) {
		return nil
	}
	return &k.Versions[number-1]
}

func (k *Key) clone() *Key {
	c := *k
	c.Tags, c.PolicyIDs, c.Versions = maps.Clone(k.Tags), maps.Clone(k.PolicyIDs), slices.Clone(k.Versions)
	return &c
}

// Alias is another name of a key.
type Alias struct {
	Name    string // with alias/ before it
	KeyID   string
	Created time.Time
	Updated time.Time
}

// Constraints bound what a grant allows to requests whose encryption context is that of Equals, or has all of Subset. Nil maps bound nothing.
type Constraints struct {
	Equals map[string]string `json:",omitempty"`
	Subset map[string]string `json:",omitempty"`
}

// Grant lets a principal use a key, beside the key policy.
type Grant struct {
	ID          string
	KeyID       string
	Name        string `json:",omitempty"`
	Created     time.Time
	Operations  []string // names of actions
	Grantee     string   // ARN
	GranteeID   string   `json:",omitempty"` // the unique id that a user or role had when the grant was made
	Retiring    string   `json:",omitempty"` // ARN of who may retire the grant
	RetiringID  string   `json:",omitempty"`
	Constraints Constraints

	statement *iam.Policy
}

// same says whether two grants differ in their ids and times alone.
func (g *Grant) same(o *Grant) bool {
	return g.KeyID == o.KeyID && g.Name == o.Name && slices.Equal(g.Operations, o.Operations) && g.Grantee == o.Grantee && g.GranteeID == o.GranteeID &&
		g.Retiring == o.Retiring && g.RetiringID == o.RetiringID && maps.Equal(g.Constraints.Equals, o.Constraints.Equals) && maps.Equal(g.Constraints.Subset, o.Constraints.Subset)
}
