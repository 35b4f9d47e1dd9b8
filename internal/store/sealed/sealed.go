// Package sealed keeps the settings of jobs and job templates sealed in any store: they may hold content keys (staticKeyValue), and are nobody's business who
// reads the database. Everything else is the store's own.
//
// What is sealed is bound to the job or template that it belongs to, so that records cannot be exchanged. Settings that an earlier version recorded in the
// clear are read as they are, and sealed when they are written again.
package sealed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/store"
)

// Sealer seals and opens; *secret.Sealer is one.
type Sealer interface {
	Seal(aad, plaintext []byte) ([]byte, error)
	Open(aad, sealed []byte) ([]byte, error)
}

// Store is a store whose settings are sealed. It is safe for concurrent use.
type Store struct {
	store.Store
	sealer Sealer
}

var _ store.Store = (*Store)(nil)

// New returns the store with its settings sealed. Neither may be nil.
func New(s store.Store, sealer Sealer) (*Store, error) {
	if s == nil || sealer == nil {
		return nil, errors.New("sealed settings need a store and a sealer")
	}
	return &Store{s, sealer}, nil
}

// envelope is what is recorded in the place of settings. Sealed is version, nonce, ciphertext and tag in base64.
type envelope struct {
	Sealed []byte `json:"darkroomSealed"`
}

// mark is how an envelope begins. No settings begin so: the model has no such member.
var mark = []byte(`{"darkroomSealed":`)

// binding names a place for settings. Its parts are JSON, so that no two places have one name.
func binding(parts ...string) []byte {
	b, _ := json.Marshal(parts) // strings do not fail
	return b
}

func ofJob(account, id string) []byte { return binding("job", account, id) }

func ofResource(r *store.Resource) []byte {
	return binding("resource", r.Account, string(r.Kind), r.Name)
}

// holds says which resources hold settings of groups.
func holds(kind store.Kind) bool { return kind == store.JobTemplate }

func (s *Store) seal(aad []byte, settings json.RawMessage) (json.RawMessage, error) {
	if len(settings) == 0 {
		return settings, nil
	}
	b, err := s.sealer.Seal(aad, settings)
	if err != nil {
		return nil, fmt.Errorf("seal settings: %w", err)
	}
	return json.Marshal(envelope{b})
}

func (s *Store) open(aad []byte, recorded json.RawMessage) (json.RawMessage, error) {
	if !bytes.HasPrefix(recorded, mark) {
		return recorded, nil
	}
	var e envelope
	if err := json.Unmarshal(recorded, &e); err != nil {
		return nil, fmt.Errorf("open settings: %w", err)
	}
	settings, err := s.sealer.Open(aad, e.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open settings: %w", err)
	}
	return settings, nil
}

func (s *Store) openJob(j *job.Job, err error) (*job.Job, error) {
	if err != nil || j == nil {
		return j, err
	}
	j.Settings, err = s.open(ofJob(j.Account, j.ID), j.Settings)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", j.ID, err)
	}
	return j, nil
}

func (s *Store) openResource(r *store.Resource, err error) (*store.Resource, error) {
	if err != nil || r == nil || !holds(r.Kind) {
		return r, err
	}
	r.Document, err = s.open(ofResource(r), r.Document)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", r.Kind, r.Name, err)
	}
	return r, nil
}

// Submit implements store.Store.
func (s *Store) Submit(ctx context.Context, j *job.Job, now time.Time) (*job.Job, error) {
	record := *j
	var err error
	if record.Settings, err = s.seal(ofJob(j.Account, j.ID), j.Settings); err != nil {
		return nil, err
	}
	recorded, err := s.Store.Submit(ctx, &record, now)
	return s.openJob(unshare(recorded), err)
}

// unshare copies a job, since what is handed out is written to.
func unshare(j *job.Job) *job.Job {
	if j == nil {
		return nil
	}
	c := *j
	return &c
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, account, id string) (*job.Job, error) {
	return s.openJob(s.Store.Get(ctx, account, id))
}

// ByToken implements store.Store.
func (s *Store) ByToken(ctx context.Context, account, token string) (*job.Job, error) {
	return s.openJob(s.Store.ByToken(ctx, account, token))
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q job.Query) ([]*job.Job, error) {
	all, err := s.Store.List(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, j := range all {
		if _, err := s.openJob(j, nil); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Claim implements store.Store. A job whose settings do not open fails, so that it does not stop those behind it; that is an error too.
func (s *Store) Claim(ctx context.Context, worker string, now, deadline time.Time) (*store.Claimed, error) {
	c, err := s.Store.Claim(ctx, worker, now, deadline)
	if err != nil || c == nil {
		return c, err
	}
	if _, err := s.openJob(c.Job, nil); err != nil {
		failed := lease.Result{Error: &lease.Failure{Code: unreadable, Message: "The settings of the job cannot be opened. Submit the job again."}}
		return nil, errors.Join(err, s.Finish(ctx, c.TaskID, c.Epoch, failed, now))
	}
	return c, nil
}

// unreadable is MediaConvert's code for what none other is for.
const unreadable = 1999

// ChangeJob implements store.Store.
func (s *Store) ChangeJob(ctx context.Context, account, id string, change func(*job.Job) error) (*job.Job, error) {
	j, err := s.Store.ChangeJob(ctx, account, id, func(j *job.Job) error {
		recorded := j.Settings
		if _, err := s.openJob(j, nil); err != nil {
			return err
		}
		opened := j.Settings
		if err := change(j); err != nil {
			return err
		}
		if bytes.Equal(j.Settings, opened) && bytes.HasPrefix(recorded, mark) {
			j.Settings = recorded
			return nil
		}
		var err error
		j.Settings, err = s.seal(ofJob(j.Account, j.ID), j.Settings)
		return err
	})
	return s.openJob(unshare(j), err)
}

// CreateResource implements store.Resources.
func (s *Store) CreateResource(ctx context.Context, r *store.Resource, most int) error {
	if !holds(r.Kind) {
		return s.Store.CreateResource(ctx, r, most)
	}
	record := *r
	var err error
	if record.Document, err = s.seal(ofResource(r), r.Document); err != nil {
		return err
	}
	return s.Store.CreateResource(ctx, &record, most)
}

// GetResource implements store.Resources.
func (s *Store) GetResource(ctx context.Context, account string, kind store.Kind, name string) (*store.Resource, error) {
	return s.openResource(s.Store.GetResource(ctx, account, kind, name))
}

// ChangeResource implements store.Resources.
func (s *Store) ChangeResource(ctx context.Context, account string, kind store.Kind, name string, change func(*store.Resource) error) (*store.Resource, error) {
	if !holds(kind) {
		return s.Store.ChangeResource(ctx, account, kind, name, change)
	}
	r, err := s.Store.ChangeResource(ctx, account, kind, name, func(r *store.Resource) error {
		if _, err := s.openResource(r, nil); err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		var err error
		r.Document, err = s.seal(ofResource(r), r.Document)
		return err
	})
	return s.openResource(r, err)
}

// ListResources implements store.Resources.
func (s *Store) ListResources(ctx context.Context, q store.ResourceQuery) ([]*store.Resource, error) {
	all, err := s.Store.ListResources(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if _, err := s.openResource(r, nil); err != nil {
			return nil, err
		}
	}
	return all, nil
}
