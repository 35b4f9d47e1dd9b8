package keys

import (
	"context"
	"strings"

	"darkroom/internal/iam"
)

// validAliasName says what is wrong with the name that an alias is to have.
func validAliasName(name string) error {
	switch {
	case !strings.HasPrefix(name, aliasPrefix):
		return Invalidf("Alias must start with the prefix \"alias/\" (was %s)", shown(name))
	case !validAlias(name):
		return errorf("InvalidAliasNameException", "%s is no name of an alias: alias/ and then letters, digits, and /_-, in all at most %d", shown(name), maxAliasName)
	case strings.HasPrefix(name, reservedPrefix):
		return errorf("NotAuthorizedException", "%s begins with %s, which is reserved", shown(name), reservedPrefix)
	}
	return nil
}

// CreateAlias gives a key another name.
func (a *Account) CreateAlias(ctx context.Context, name, key string) error {
	if err := validAliasName(name); err != nil {
		return err
	}
	return a.s.change(ctx, a.id, func(v *View) error {
		k, err := v.find(key, KeysOnly)
		if err != nil {
			return err
		}
		if v.aliases[name] != nil {
			return errorf("AlreadyExistsException", "An alias with the name %s already exists", a.s.aliasARN(a.id, name))
		}
		if err := v.target(k); err != nil {
			return err
		}
		now := a.s.now().UTC()
		v.putAlias(&Alias{Name: name, KeyID: k.ID, Created: now, Updated: now})
		return nil
	})
}

// target says whether a key can have one more alias.
func (v *View) target(k *Key) error {
	switch {
	case k.Managed != "":
		return errorf("NotAuthorizedException", "%s is an AWS managed key, which has no alias but its own", v.ARN(k))
	case len(v.Aliases(k.ID)) >= MaxAliases:
		return exceeded("The key %s has %d aliases, which is the most.", v.ARN(k), MaxAliases)
	}
	return v.kept(k)
}

// UpdateAlias lets an alias name another key.
func (a *Account) UpdateAlias(ctx context.Context, name, key string) error {
	if err := validAliasName(name); err != nil {
		return err
	}
	return a.s.change(ctx, a.id, func(v *View) error {
		k, err := v.find(key, KeysOnly)
		if err != nil {
			return err
		}
		old := v.aliases[name]
		if old == nil {
			return v.noAlias(name)
		}
		if old.KeyID == k.ID {
			return v.kept(k)
		}
		if err := v.target(k); err != nil {
			return err
		}
		v.putAlias(&Alias{Name: name, KeyID: k.ID, Created: old.Created, Updated: a.s.now().UTC()})
		return nil
	})
}

// DeleteAlias takes a name from a key.
func (a *Account) DeleteAlias(ctx context.Context, name string) error {
	if err := validAliasName(name); err != nil {
		return err
	}
	return a.s.change(ctx, a.id, func(v *View) error {
		if v.aliases[name] == nil {
			return v.noAlias(name)
		}
		v.dropAlias(name)
		return nil
	})
}

func (v *View) noAlias(name string) error {
	return notFound("Alias %s is not found.", v.service.aliasARN(v.account, name))
}

// AliasChecks are what must be allowed for an operation on an alias: the action on the alias, by IAM policies alone, on the key that it names now, and
// on the one that it is to name, if target is not empty.
// Source: Developer Guide, "Controlling access to aliases".
func (s *Service) AliasChecks(ctx context.Context, caller *iam.Principal, action, name, target string) ([]iam.Check, error) {
	if !validAlias(name) {
		return nil, validAliasName(name)
	}
	v, err := s.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	all := []iam.Check{{Action: "kms:" + action, Resource: s.aliasARN(caller.Account, name)}}
	var keys []string
	if old := v.aliases[name]; old != nil && action != "CreateAlias" {
		keys = append(keys, old.KeyID)
	}
	if target != "" {
		keys = append(keys, target)
	}
	for _, key := range keys {
		_, c, err := s.Check(ctx, caller, &Question{Action: action, Key: key})
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
