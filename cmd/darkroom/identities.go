package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/oidc"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
	"darkroom/internal/store"
)

// accountIDs are the accounts of an installation, the main one first.
func accountIDs(cfg config.Config) []string {
	ids := []string{cfg.Account}
	for _, a := range cfg.Accounts {
		if a.ID != cfg.Account {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// openIdentities opens who there is in each account, and makes what an account has from its first day. The key pairs that are made stand in the
// credentials file: those of the main account under the profiles default (its root) and admin, those of another account under its id and ID-admin.
func openIdentities(cfg config.Config, records store.Registries, master secret.Bytes, log *slog.Logger) (*identity.Directory, error) {
	o := identity.Options{Store: records, Master: master, Log: log, Now: time.Now}
	for _, id := range accountIDs(cfg) {
		a := identity.Account{ID: id}
		var made bool
		var err error
		if id == cfg.Account {
			a.Root, made, err = identity.LoadRoot(cfg.Data, rand.Reader)
		} else {
			a.Root, made, err = identity.LoadProfile(cfg.Data, id, rand.Reader)
		}
		if err != nil {
			return nil, fmt.Errorf("load the credentials of the root of account %s: %w", id, err)
		}
		if made {
			log.Info("made the access key of an account's root", "account", id, "file", identity.CredentialsFile, "accessKeyId", a.Root.AccessKeyID)
		}
		if i := slices.IndexFunc(cfg.Accounts, func(c config.Account) bool { return c.ID == id }); i >= 0 {
			if a.GuardRails, err = readGuardRails(cfg.Accounts[i].GuardRails); err != nil {
				return nil, err
			}
		}
		o.Accounts = append(o.Accounts, a)
	}
	people, err := identity.New(o)
	if err != nil {
		return nil, err
	}
	first, err := people.Prepare(context.Background())
	if err != nil {
		return nil, err
	}
	for _, k := range first {
		profile := identity.AdminUser
		if k.Account != cfg.Account {
			profile = k.Account + "-" + profile
		}
		if err := identity.AddProfile(cfg.Data, profile, k.Root); err != nil {
			return nil, fmt.Errorf("keep the access key of the first user of account %s: %w", k.Account, err)
		}
		log.Info("made the first user of an account", "account", k.Account, "user", identity.AdminUser, "file", identity.CredentialsFile, "profile", profile)
	}
	return people, nil
}

// readGuardRails reads service control policies. One that cannot be read keeps the server from starting: without it, too much would be allowed.
func readGuardRails(files []string) ([]*iam.Policy, error) {
	var out []*iam.Policy
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read a guard rail: %w", err)
		}
		text, err := io.ReadAll(io.LimitReader(f, iam.MaxDocument+1))
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("read a guard rail: %w", err)
		}
		p, err := iam.Parse(iam.IdentityPolicy, name, string(text))
		if err != nil {
			return nil, fmt.Errorf("guard rail %s: %w", name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// gate is the directory as the gateway uses it.
type gate struct {
	*identity.Directory
	region string
	log    *slog.Logger
	root   *sync.Once // the root's key was used
}

// Used implements gateway.Identities.
func (g gate) Used(accessKeyID string, p iam.Principal, service string) {
	use := identity.Use{ID: accessKeyID, Account: p.Account, Time: time.Now().UTC(), Service: service, Region: g.region}
	switch { // sessions come and go: of them, their roles are remembered
	case p.Type == iam.AssumedRole:
		use.ID = p.RoleID
	case !identity.IsLongTerm(accessKeyID):
		use.ID = ""
	}
	if p.Type == iam.Root {
		g.root.Do(func() {
			g.log.Warn("the access key of an account's root is in use: nothing bounds it but guard rails; work as a user, such as "+identity.AdminUser, "account", p.Account)
		})
	}
	if use.ID != "" {
		g.Directory.Used(use)
	}
}

var _ interface {
	Find(context.Context, string, string) (*sigv4.Key, iam.Principal, error)
} = gate{}

// tokenVerifier verifies the tokens of OpenID Connect providers, whose keys are fetched through egress.
func tokenVerifier(door *egress.Door) func(ctx context.Context, issuer string, audiences []string, token string) (oidc.Claims, error) {
	keys := oidc.NewKeys(func(ctx context.Context, url string) ([]byte, error) {
		return door.Fetch(ctx, egress.OIDC, url, oidc.MaxKeySet)
	}, time.Now)
	return keys.Verify
}
