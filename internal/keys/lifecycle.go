package keys

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"darkroom/internal/blob"
)

// Account is the keys of one account for callers who have been let in: nothing here asks who calls. Who lets them in asks Service.Check first, and
// iam.Authorize.
type Account struct {
	s  *Service
	id string
}

// Account returns the keys of an account.
func (s *Service) Account(id string) *Account { return &Account{s, id} }

// NewKey is what CreateKey is asked for.
type NewKey struct {
	Description string
	Policy      string // empty for the default one
	Tags        map[string]string
	By          *Author
}

// Create makes a key.
func (a *Account) Create(ctx context.Context, r *NewKey) (*Key, *View, error) {
	if err := validDescription(r.Description); err != nil {
		return nil, nil, err
	}
	if err := validTags(r.Tags); err != nil {
		return nil, nil, err
	}
	var made *Key
	err := a.s.change(ctx, a.id, func(v *View) error {
		k := &Key{Description: r.Description, Tags: maps.Clone(r.Tags), Policy: r.Policy}
		var err error
		if k.ID, err = newUUID(a.s.random); err != nil {
			return err
		}
		if k.Policy == "" {
			k.Policy = DefaultPolicy(a.id)
		}
		if k.PolicyIDs, err = a.s.policyIDs(ctx, a.id, k.Policy, v.ARN(k), r.By); err != nil {
			return err
		}
		made = k
		return v.add(k)
	})
	if err != nil {
		return nil, nil, err
	}
	v, err := a.s.View(ctx, a.id)
	return made, v, err
}

// add gives a new key its first version.
func (v *View) add(k *Key) error {
	if len(v.keys) >= MaxKeys {
		return exceeded("The account has %d keys, which is the most.", MaxKeys)
	}
	if v.root == nil {
		if err := v.newRoot(); err != nil {
			return err
		}
	}
	k.Created = v.service.now().UTC()
	if err := v.addVersion(k, k.Created, false); err != nil {
		return err
	}
	v.putKey(k)
	return nil
}

// managed returns the key that a service encrypts with where nobody named one, and makes it at its first use.
func (a *Account) managed(ctx context.Context, service string) (string, error) {
	name := reservedPrefix + service
	v, err := a.s.View(ctx, a.id)
	if err != nil {
		return "", err
	}
	if v.aliases[name] != nil {
		return name, nil
	}
	err = a.s.change(ctx, a.id, func(v *View) error {
		if v.aliases[name] != nil {
			return nil
		}
		id, err := newUUID(a.s.random)
		if err != nil {
			return err
		}
		k := &Key{
			ID: id, Managed: service, Policy: managedPolicy(a.id, a.s.region, service), RotationDays: defaultRotationDays,
			Description: managedDescription(service),
		}
		if err := v.add(k); err != nil {
			return err
		}
		k.NextRotation = k.Created.AddDate(0, 0, k.RotationDays)
		v.putAlias(&Alias{Name: name, KeyID: k.ID, Created: k.Created, Updated: k.Created})
		return nil
	})
	return name, err
}

// managedDescription is the description of the AWS managed key of a service.
func managedDescription(service string) string {
	if service == "execute-api" {
		return "Default key that protects the content keys of my key server"
	}
	return "Default key that protects my " + strings.ToUpper(service) + " objects when no other key is defined"
}

// Describe returns a key, and the view that it is of.
func (a *Account) Describe(ctx context.Context, key string, forms Forms) (*Key, *View, error) {
	v, err := a.s.View(ctx, a.id)
	if err != nil {
		return nil, nil, err
	}
	k, err := v.find(key, forms)
	return k, v, err
}

// edit changes one key, which is named by its id or its ARN.
func (a *Account) edit(ctx context.Context, key string, do func(v *View, k *Key) error) error {
	return a.s.change(ctx, a.id, func(v *View) error {
		k, err := v.find(key, KeysOnly)
		if err != nil {
			return err
		}
		return do(v, v.edit(k))
	})
}

// Enable lets a key be used again.
func (a *Account) Enable(ctx context.Context, key string) error {
	return a.edit(ctx, key, func(v *View, k *Key) error {
		k.Disabled = false
		return v.kept(k)
	})
}

// Disable keeps a key from being used.
func (a *Account) Disable(ctx context.Context, key string) error {
	return a.edit(ctx, key, func(v *View, k *Key) error {
		k.Disabled = true
		return v.kept(k)
	})
}

// ScheduleDeletion lets a key be deleted in some days; 0 stands for the most. Until then it can be brought back, and not used. It returns when the key is
// deleted, and in how many days that is.
func (a *Account) ScheduleDeletion(ctx context.Context, key string, days int) (at time.Time, in int, err error) {
	if days == 0 {
		days = defaultPendingDays
	}
	if days < minPendingDays || days > maxPendingDays {
		return at, 0, Invalidf("PendingWindowInDays must be between %d and %d (was %d)", minPendingDays, maxPendingDays, days)
	}
	// What is asked for here looks at objects, which takes longer than a change of the keys may: it is asked for again when the key's time is over.
	k, v, err := a.Describe(ctx, key, KeysOnly)
	if err != nil {
		return at, 0, err
	}
	if err := a.s.keep(ctx, v.ARN(k)); err != nil {
		return at, 0, keptBack(err)
	}
	err = a.edit(ctx, key, func(v *View, k *Key) error {
		if err := v.kept(k); err != nil {
			return err
		}
		k.Deletion = a.s.now().UTC().Add(time.Duration(days) * day)
		at = k.Deletion
		return nil
	})
	return at, days, err
}

// keptBack words a refusal to delete a key.
func keptBack(err error) error {
	if held, ok := errors.AsType[*blob.HeldError](err); ok {
		return errorf("AccessDeniedException", "%s", held.Message)
	}
	return err
}

// CancelDeletion brings a key back that is pending deletion. It is disabled then.
func (a *Account) CancelDeletion(ctx context.Context, key string) error {
	return a.edit(ctx, key, func(v *View, k *Key) error {
		if k.State() != PendingDeletion {
			return errorf("KMSInvalidStateException", "%s is not pending deletion.", v.ARN(k))
		}
		k.Deletion, k.Disabled = time.Time{}, true
		return nil
	})
}

// SetDescription gives a key another description.
func (a *Account) SetDescription(ctx context.Context, key, description string) error {
	if err := validDescription(description); err != nil {
		return err
	}
	return a.edit(ctx, key, func(v *View, k *Key) error {
		k.Description = description
		return v.kept(k)
	})
}

func validDescription(text string) error {
	if utf8.RuneCountInString(text) > maxDescription {
		return Invalidf("Description must have at most %d characters", maxDescription)
	}
	return nil
}

// Tag gives a key tags; one whose key it has already gets another value.
func (a *Account) Tag(ctx context.Context, key string, tags map[string]string) error {
	return a.edit(ctx, key, func(v *View, k *Key) error {
		if err := v.kept(k); err != nil {
			return err
		}
		if k.Tags == nil {
			k.Tags = make(map[string]string)
		}
		maps.Copy(k.Tags, tags)
		return validTags(k.Tags)
	})
}

// Untag takes tags away.
func (a *Account) Untag(ctx context.Context, key string, names []string) error {
	return a.edit(ctx, key, func(v *View, k *Key) error {
		maps.DeleteFunc(k.Tags, func(name, _ string) bool { return slices.Contains(names, name) })
		return v.kept(k)
	})
}

// The limits of tags (API Reference, Tag).
const (
	maxTagKey   = 128
	maxTagValue = 256
)

func validTags(tags map[string]string) error {
	for k, value := range tags {
		switch {
		case k == "" || utf8.RuneCountInString(k) > maxTagKey:
			return errorf("TagException", "The key of a tag has 1 to %d characters: %s has not", maxTagKey, shown(k))
		case utf8.RuneCountInString(value) > maxTagValue:
			return errorf("TagException", "The value of a tag has at most %d characters: that of %s has more", maxTagValue, shown(k))
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return errorf("TagException", "The tag key %s begins with aws:, which is reserved", shown(k))
		}
	}
	if len(tags) > MaxTags {
		return exceeded("The number of tags of a key has reached the maximum limit of %d.", MaxTags)
	}
	return nil
}
