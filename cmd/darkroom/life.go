package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/backup"
	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/job"
	"darkroom/internal/lifecycle"
	"darkroom/internal/lifecycleapi"
	"darkroom/internal/plan"
	"darkroom/internal/root"
	"darkroom/internal/secret"
	"darkroom/internal/signer"
	"darkroom/internal/store"
	"darkroom/internal/trail"
)

// life is what a server has for how long things are kept.
type life struct {
	holds     *lifecycle.Holds
	signer    *signer.Service
	retention *lifecycle.Retention
	lifecycle *lifecycleapi.Service
	// delivered are asked how far the audit trail was delivered, before records are deleted.
	delivered []func(context.Context) (int64, error)
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// openLife opens it, over the stores and the records; jobs are those whose settings can be read.
func (s *server) openLife(ctx context.Context, objects *objects, jobs store.Store) (err error) {
	var settle []func()
	stores, shreds, uploads := map[string]*dir.Store{}, map[string]lifecycle.Destroyer{}, map[string]blob.Store{}
	for i, account := range accountIDs(s.cfg) {
		embedded := objects.embedded[i]
		settle = append(settle, embedded.Settle)
		stores[objectsPath(i, account)] = embedded
		uploads[account] = embedded
		if objects.byAccount[account] == blob.Store(embedded) {
			shreds[account] = embedded
		}
	}
	if err := s.holds.Open(ctx, s.records, uploads, settle); err != nil {
		return err
	}
	s.delivered = append(s.delivered, s.trailsDelivered, s.feedsDelivered)
	s.retention = lifecycle.NewRetention(lifecycle.RetentionOptions{
		Store: s.records, Delivered: s.delivered, Uploads: uploads, Holds: s.holds,
		KeepJobs: days(s.cfg.RetentionDays), KeepRecords: days(s.cfg.Retention.AuditDays), KeepUploads: days(s.cfg.Retention.UploadDays),
		Record: func(action string) audit.Record { return s.ownRecord(action, nil) },
		Clock:  realClock{}, Log: s.log,
	})
	shredder := lifecycle.NewShredder(lifecycle.ShredderOptions{Objects: shreds, Holds: s.holds, Signer: s.signer, Jobs: jobs, Outputs: outputsOf, Now: time.Now})
	live := &backup.Live{Records: s.records, RecordsPath: databaseFile, Objects: stores}
	s.lifecycle, err = lifecycleapi.New(lifecycleapi.Options{
		Account: s.cfg.Account, Region: s.cfg.Region, Holds: s.holds, Shred: shredder.Shred, Keys: s.signer.Keys, Now: time.Now,
		Backup: func(ctx context.Context, w io.Writer, id string) (backup.End, error) {
			h := backup.Header{ID: id, Moment: time.Now().UTC(), Version: release, Region: s.cfg.Region, Account: s.cfg.Account, Running: true, FIPS: s.cfg.FIPS}
			if s.cfg.S3.Endpoint != "" {
				h.Elsewhere = append(h.Elsewhere, "The objects of the main account are in the object store at "+s.cfg.S3.Endpoint+": back them up there.")
			}
			return live.WriteTo(ctx, w, h)
		},
	})
	return err
}

// trailsDelivered is how far every trail has delivered the audit trail that is to get more of it: those that log, and those that were stopped or deleted and have not delivered yet what was
// recorded until then.
func (s *server) trailsDelivered(ctx context.Context) (int64, error) {
	least := int64(math.MaxInt64)
	err := s.trails.Each(ctx, func(_ *trail.Trail, st trail.Status) error {
		if st.Unfinished {
			least = min(least, st.Position)
		}
		return nil
	})
	return least, err
}

// feedsDelivered is how far every feed has the audit trail.
func (s *server) feedsDelivered(ctx context.Context) (int64, error) {
	all, err := s.records.AllReached(ctx)
	least := int64(math.MaxInt64)
	for _, position := range all {
		least = min(least, position)
	}
	return least, err
}

// openSigner opens what signs, before jobs that ask for statements are given to workers.
func (s *server) openSigner(ctx context.Context, master secret.Bytes) (*signer.Attester, error) {
	var err error
	if s.signer, err = signer.New(ctx, signer.Options{Account: s.cfg.Account, Store: s.records, Master: master, Random: rand.Reader, Now: time.Now}); err != nil {
		return nil, err
	}
	return &signer.Attester{
		Signer: s.signer, Region: s.cfg.Region, Version: release, Now: time.Now, Queue: s.cfg.Provenance.Wants,
		Outputs: func(j *job.Job) (out []string, err error) {
			places, err := outputsOf(j)
			for _, p := range places {
				out = append(out, "s3://"+p.Bucket+"/"+p.Prefix)
			}
			return out, err
		},
		Reads: readsOf,
	}, nil
}

// days is so many days.
func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// objectsPath is where the objects of the i-th account are in the data directory.
func objectsPath(i int, account string) string {
	if i == 0 {
		return objectsDir
	}
	return filepath.ToSlash(filepath.Join(accountsDir, account, objectsDir))
}

// ownRecord is the record of a change that Darkroom makes by itself.
func (s *server) ownRecord(action string, arns []string) audit.Record {
	r := audit.ServiceEvent{Time: time.Now(), RequestID: audit.NewID(), Service: lifecycleapi.Name, Action: action, Resources: arns}.Record(s.cfg.Region, s.cfg.Account)
	r.EventCategory, r.ManagementEvent, r.ReadOnly = audit.Management, true, false
	return r
}

// destroyingKeys records the destruction of keys of the key service, in the transaction that destroys them, with what they opened.
func (s *server) destroyingKeys(ctx context.Context, arns []string) (context.Context, func(error), error) {
	opens := map[string]lifecycle.Opened{}
	for _, a := range arns {
		o, err := s.holds.OpenedBy(ctx, a)
		if err != nil {
			return ctx, nil, fmt.Errorf("find what a key opens: %w", err)
		}
		opens[a] = o
	}
	p := audit.NewPending(s.ownRecord("KeyMaterialDestroyed", arns))
	p.Annotate("unreadable", opens)
	return audit.With(ctx, p), func(err error) {
		if err != nil {
			p.Change(func(r *audit.Record) { r.ErrorCode = "InternalFailure" })
		}
		s.records.Conclude(p)
	}, nil
}

// accessOf is what the settings of a job give reason to touch.
func accessOf(j *job.Job) (plan.Access, error) {
	settings, err := plan.ReadSettings(j.Settings)
	if err != nil {
		return plan.Access{}, err
	}
	return plan.NewAccess(settings, j.Started)
}

// readsOf says what a job may read: of a bucket what its credentials are for, and of web servers anything if it has an input on one, which may redirect or be a playlist that refers elsewhere.
func readsOf(j *job.Job) (func(uri string) bool, error) {
	access, err := accessOf(j)
	if err != nil {
		return nil, err
	}
	return func(uri string) bool {
		return slices.ContainsFunc(access.Inputs, func(in plan.Input) bool {
			dir, isPackage := in.Package()
			switch {
			case in.URL != "":
				return strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://")
			case isPackage:
				return strings.HasPrefix(uri, dir.URI())
			}
			return uri == in.URI()
		})
	}, nil
}

// outputsOf are the beginnings of all keys that a job writes.
func outputsOf(j *job.Job) ([]lifecycle.Place, error) {
	access, err := accessOf(j)
	if err != nil {
		return nil, err
	}
	var out []lifecycle.Place
	for _, l := range access.Outputs {
		out = append(out, lifecycle.Place{Bucket: l.Bucket, Prefix: l.Key})
	}
	return out, nil
}

// rootKind says what the installation key of a data directory is wrapped by, and what of it a backup does not have.
func rootKind(data string) (kind string, elsewhere []string, err error) {
	st, err := root.Read(data)
	if err != nil {
		return "", nil, err
	}
	if rootWarning(data) == "" {
		elsewhere = append(elsewhere, fmt.Sprintf("The root of trust (%s, key %s) that the installation key is wrapped by: without it nothing that is sealed opens.", st.Kind, st.Key))
	}
	return fmt.Sprint(st.Kind), elsewhere, nil
}
