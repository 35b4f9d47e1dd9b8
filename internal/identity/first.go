package identity

import (
	"context"
	"fmt"
	"time"

	"darkroom/internal/secret"
)

// DefaultRole is the name of the role that MediaConvert's console makes, and that every account has from its first day.
const DefaultRole = "MediaConvert_Default_Role"

// AdminUser is the name of the user that every account has from its first day, so that nobody need work with the key of the root.
const AdminUser = "admin"

// DefaultMaxDuration is how long sessions of a role may last where nobody said.
const DefaultMaxDuration = time.Hour

// FirstKey is the access key of an account's first user.
type FirstKey struct {
	Account string
	Root
}

// Prepare makes what an account has from its first day, where it was never made: the role that jobs run as by default, and a user that may do
// everything. It returns the keys of the users that it made, whose secrets are shown here alone.
func (d *Directory) Prepare(ctx context.Context) ([]FirstKey, error) {
	var made []FirstKey
	for _, account := range d.order {
		v, err := d.View(ctx, account)
		if err != nil {
			return nil, err
		}
		if v.generation > 0 {
			continue
		}
		var key AccessKey
		var plain secret.Bytes
		err = d.Change(ctx, account, func(v *View) error {
			if v.generation > 0 {
				return nil // another start was faster
			}
			now := d.now().UTC()
			v.Put(&Entity{
				Kind: Role, ID: NewID(Role), Name: DefaultRole, Path: "/", Created: now, MaxDuration: DefaultMaxDuration,
				Description: "Lets MediaConvert read inputs, write outputs and ask key servers.",
				Trust:       `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + MediaConvert + `"},"Action":"sts:AssumeRole"}]}`,
				Attached:    []string{managedPrefix + "AmazonS3FullAccess", managedPrefix + "AmazonAPIGatewayInvokeFullAccess"}, // as its console makes it
			})
			admin := &Entity{Kind: User, ID: NewID(User), Name: AdminUser, Path: "/", Created: now, Attached: []string{managedPrefix + "AdministratorAccess"}}
			var err error
			if key, plain, err = d.NewAccessKey(account, admin); err != nil {
				return err
			}
			admin.Keys = []AccessKey{key}
			v.Put(admin)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("make the first role and user of account %s: %w", account, err)
		}
		if key.ID != "" {
			made = append(made, FirstKey{account, Root{AccessKeyID: key.ID, SecretAccessKey: plain}})
		}
	}
	return made, nil
}
