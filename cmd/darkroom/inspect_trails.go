package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"path/filepath"
	"strings"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/s3"
	"darkroom/internal/comply"
	"darkroom/internal/digest"
	"darkroom/internal/egress"
	"darkroom/internal/identity"
	"darkroom/internal/inspect"
	"darkroom/internal/secret"
	"darkroom/internal/trail"
)

const (
	// verifiedPeriod is how far back digests are verified: an inspection is no audit of everything, which `darkroom audit verify` is.
	verifiedPeriod = 24 * time.Hour
	// bundledPeriod is how far back a bundle has digests, at most maxBundled of each trail.
	bundledPeriod = 24 * time.Hour
	maxBundled    = 200
	maxDigest     = 4 << 20
	// maxFindings bounds the faults that are told of each chain.
	maxFindings = 10
)

// trails opens the trails to be read.
func (i *inspection) trails() (*trail.Service, error) {
	if i.people == nil {
		return nil, i.why()
	}
	sealer, err := secret.NewSealer(i.master, "trail keys", rand.Reader)
	if err != nil {
		return nil, err
	}
	return trail.New(trail.Options{
		Region: i.cfg.Region, Accounts: accountIDs(i.cfg), Records: i.records, Sealer: sealer, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Buckets: func(string) (blob.Store, error) { return nil, errors.New("an inspection delivers nothing") },
	})
}

// lookAtTrails says how the trails of all accounts stand, and verifies the digests of the last period.
func (i *inspection) lookAtTrails(ctx context.Context) ([]inspect.Chain, error) {
	service, err := i.trails()
	if err != nil {
		return nil, err
	}
	var out []inspect.Chain
	err = service.Each(ctx, func(t *trail.Trail, st trail.Status) error {
		if t.Gone() {
			return nil
		}
		c := inspect.Chain{Trail: t.ARN, Account: t.Account, Logging: t.Logging, Delivered: st.LatestDelivery, Digest: st.LatestDigest, Error: st.DeliveryError}
		if !st.LatestDigest.IsZero() {
			if err := i.verifyChain(ctx, service, t, &c); err != nil {
				c.Unread = err.Error()
			}
		}
		out = append(out, c)
		return nil
	})
	return out, err
}

// verifyChain verifies the digests of the last period.
func (i *inspection) verifyChain(ctx context.Context, service *trail.Service, t *trail.Trail, c *inspect.Chain) error {
	store, err := i.store(ctx, t.Account)
	if err != nil {
		return err
	}
	now := time.Now()
	keys, err := service.Keys(ctx, time.Time{}, now)
	if err != nil {
		return err
	}
	report, err := digest.Verify(ctx, digest.Options{
		Place: i.place(t), Source: trail.Source(store), Keys: keys, From: c.Digest.Add(-verifiedPeriod), Until: c.Digest, Newest: c.Digest,
		Found: func(f digest.Finding) {
			if f.Fault && len(c.Faults) < maxFindings {
				c.Faults = append(c.Faults, string(f.Kind)+" "+f.Object+": "+f.Text)
			}
		},
	})
	c.Verified = report.ValidDigests
	return err
}

func (i *inspection) place(t *trail.Trail) digest.Place {
	return digest.Place{Bucket: t.Bucket, Prefix: t.Prefix, Account: t.Account, Region: i.cfg.Region, Trail: t.Name}
}

// store reaches the objects of an account: the external store, or the embedded one through the running server, as the account's first user and not as its root,
// whose use is looked for.
func (i *inspection) store(ctx context.Context, account string) (blob.Store, error) {
	if i.cfg.S3.Endpoint != "" && account == i.cfg.Account {
		door, err := ownDoor(i.cfg)
		if err != nil {
			return nil, err
		}
		store, _, err := externalStore(i.cfg, door)
		return store, err
	}
	p, err := newListenerProbe(i.cfg.Data)
	if err != nil {
		return nil, err
	}
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, errors.New("objects of the embedded store are read through the server, which does not run")
	}
	_ = conn.Close() // it was only to see whether somebody is there
	profile := identity.AdminUser
	if account != i.cfg.Account {
		profile = account + "-" + profile
	}
	who, err := identity.ReadProfile(filepath.Join(p.data, identity.CredentialsFile), profile)
	if err != nil {
		return nil, fmt.Errorf("read the access key that digests are read with: %w", err)
	}
	return s3.New(s3.Options{
		Endpoint: p.url.Scheme + "://" + p.address, Region: p.e.Region, PathStyle: true, Credentials: staticCredentials(who), Client: p.door.Client(egress.Input),
	})
}

// digests are the digests of the last period, and the public keys that they are verified with, for a bundle.
func (i *inspection) digests(ctx context.Context) ([]comply.File, error) {
	service, err := i.trails()
	if err != nil {
		return []comply.File{{Name: "digests/none.txt", Data: []byte(err.Error() + "\n")}}, nil
	}
	keys, err := service.Keys(ctx, time.Time{}, time.Now())
	if err != nil {
		return nil, err
	}
	text, err := indented(keys)
	if err != nil {
		return nil, err
	}
	files := []comply.File{{Name: "public-keys/trail-keys.json", Data: text}}
	err = service.Each(ctx, func(t *trail.Trail, st trail.Status) error {
		if t.Gone() || st.LatestDigest.IsZero() {
			return nil
		}
		found, err := i.digestsOf(ctx, t, st.LatestDigest)
		if err != nil {
			found = []comply.File{{Name: path.Join("digests", t.Account, t.Name, "missing.txt"), Data: []byte(err.Error() + "\n")}}
		}
		files = append(files, found...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 1 {
		files = append(files, comply.File{Name: "digests/none.txt", Data: []byte("No trail of this installation has written a digest.\n")})
	}
	return files, nil
}

// digestsOf reads the digests of a trail's last period as they are in the bucket, each with its signature beside it.
func (i *inspection) digestsOf(ctx context.Context, t *trail.Trail, newest time.Time) ([]comply.File, error) {
	store, err := i.store(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	place, source := i.place(t), trail.Source(store)
	var names []string
	for day := newest.Add(-bundledPeriod).UTC().Truncate(24 * time.Hour); !day.After(newest); day = day.Add(24 * time.Hour) {
		prefix := place.Digests() + day.Format("2006/01/02/")
		for after, more := "", true; more; {
			var keys []string
			if keys, more, err = source.List(ctx, t.Bucket, prefix, after); err != nil {
				return nil, err
			}
			for _, k := range keys {
				if end, ok := place.IsDigest(k); ok && end.After(newest.Add(-bundledPeriod)) {
					names = append(names, k)
				}
				after = k
			}
			more = more && len(keys) > 0
		}
	}
	if len(names) > maxBundled {
		names = names[len(names)-maxBundled:]
	}
	var files []comply.File
	for _, k := range names {
		body, metadata, err := source.Open(ctx, t.Bucket, k)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(body, maxDigest+1))
		if err = errors.Join(err, body.Close()); err != nil {
			return nil, err
		}
		if len(text) > maxDigest {
			return nil, fmt.Errorf("the digest %s is larger than %d bytes", k, maxDigest)
		}
		name := path.Join("digests", t.Account, t.Name, path.Base(k))
		files = append(files, comply.File{Name: name, Data: text}, comply.File{Name: strings.TrimSuffix(name, ".json.gz") + ".signature.txt", Data: []byte(metadata["signature"] + "\n")})
	}
	return files, nil
}
