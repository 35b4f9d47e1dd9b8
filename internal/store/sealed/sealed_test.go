package sealed_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sealed"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/store/storetest"
)

func sealer(t *testing.T, master byte) *secret.Sealer {
	t.Helper()
	s, err := secret.NewSealer(secret.New(bytes.Repeat([]byte{master}, secret.KeySize)), "test", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open returns a sealed store and the one below it, in a directory.
func open(t *testing.T, dir string) (*sealed.Store, *sqlite.Store) {
	t.Helper()
	below, err := sqlite.Open(filepath.Join(dir, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = below.Close() })
	s, err := sealed.New(below, sealer(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return s, below
}

// TestStore: a sealed store is a store.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		s, _ := open(t, t.TempDir())
		return s
	})
}

const (
	key      = "00112233445566778899AaBbCcDdEeFf"
	settings = `{"outputGroups":[{"outputGroupSettings":{"hlsGroupSettings":{"encryption":{"staticKeyProvider":{"staticKeyValue":"` + key + `"}}}}}]}`
)

func template(name string) *store.Resource {
	return &store.Resource{Account: "1", Kind: store.JobTemplate, Name: name, Document: json.RawMessage(settings), Created: time.Unix(1, 0), Updated: time.Unix(1, 0)}
}

func withKey(n int) *job.Job {
	j := storetest.Job(n)
	j.Settings = json.RawMessage(settings)
	return j
}

// TestAtRest: no content key lies in the data directory, in any form that its text has, and the same comes out that went in.
func TestAtRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	ctx := t.Context()
	j := withKey(1)
	recorded, err := s.Submit(ctx, j, j.Submitted)
	if err != nil || string(recorded.Settings) != settings || string(j.Settings) != settings {
		t.Fatalf("submitted: %s, %v; the caller's is %s", recorded.Settings, err, j.Settings)
	}
	if err := s.CreateResource(ctx, template("t"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ChangeResource(ctx, "1", store.JobTemplate, "t", func(r *store.Resource) error {
		if string(r.Document) != settings {
			t.Errorf("to be changed: %s", r.Document)
		}
		r.Document = json.RawMessage(strings.Replace(settings, "outputGroups", "inputs", 1))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	changed, err := s.ChangeJob(ctx, j.Account, j.ID, func(j *job.Job) error {
		if string(j.Settings) != settings {
			t.Errorf("to be changed: %s", j.Settings)
		}
		j.Percent = 5
		return nil
	})
	if err != nil || string(changed.Settings) != settings || changed.Percent != 5 {
		t.Errorf("changed: %+v, %v", changed, err)
	}
	claimed, err := s.Claim(ctx, "w", j.Submitted, j.Submitted.Add(time.Minute))
	if err != nil || string(claimed.Job.Settings) != settings {
		t.Errorf("claimed: %+v, %v", claimed, err)
	}
	for name, get := range map[string]func() (json.RawMessage, error){
		"Get": func() (json.RawMessage, error) { j, err := s.Get(ctx, j.Account, j.ID); return ofJob(j, err) },
		"ByToken": func() (json.RawMessage, error) {
			j, err := s.ByToken(ctx, j.Account, j.ClientToken)
			return ofJob(j, err)
		},
		"List":        func() (json.RawMessage, error) { return ofList(s.List(ctx, job.Query{Account: j.Account, Limit: 1})) },
		"GetResource": func() (json.RawMessage, error) { return ofResource(s.GetResource(ctx, "1", store.JobTemplate, "t")) },
		"ListResources": func() (json.RawMessage, error) {
			return ofResources(s.ListResources(ctx, store.ResourceQuery{Account: "1", Kind: store.JobTemplate, Order: store.ByName, Limit: 1}))
		},
	} {
		if name == "ByToken" && j.ClientToken == "" {
			continue
		}
		if got, err := get(); err != nil || !strings.Contains(string(got), key) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	raw := make([]byte, 16)
	for i := range raw {
		raw[i] = byte(i * 0x11)
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		if bytes.Contains(bytes.ToLower(text), []byte(strings.ToLower(key))) || bytes.Contains(text, raw) {
			t.Errorf("the key is in %s", d.Name())
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

func ofJob(j *job.Job, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	return j.Settings, nil
}

func ofList(all []*job.Job, err error) (json.RawMessage, error) {
	if err != nil || len(all) == 0 {
		return nil, errors.Join(err, errors.New("none"))
	}
	return all[0].Settings, nil
}

func ofResource(r *store.Resource, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	return r.Document, nil
}

func ofResources(all []*store.Resource, err error) (json.RawMessage, error) {
	if err != nil || len(all) == 0 {
		return nil, errors.Join(err, errors.New("none"))
	}
	return all[0].Document, nil
}

// TestSwapped: settings that were moved to another job, or sealed under another key, do not open; such a job fails, and the one behind it is claimed.
func TestSwapped(t *testing.T) {
	t.Parallel()
	s, below := open(t, t.TempDir())
	ctx := t.Context()
	a, b := withKey(1), withKey(2)
	for _, j := range []*job.Job{a, b} {
		if _, err := s.Submit(ctx, j, j.Submitted); err != nil {
			t.Fatal(err)
		}
	}
	of := func(id string) json.RawMessage {
		j, err := below.Get(ctx, a.Account, id)
		if err != nil {
			t.Fatal(err)
		}
		return j.Settings
	}
	moved := of(b.ID)
	if _, err := below.ChangeJob(ctx, a.Account, a.ID, func(j *job.Job) error { j.Settings = moved; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, a.Account, a.ID); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("moved settings: got %v", err)
	}
	if _, err := s.ChangeJob(ctx, a.Account, a.ID, func(*job.Job) error { t.Error("changed"); return nil }); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("moved settings: got %v", err)
	}
	now := b.Submitted.Add(time.Hour)
	claim := func() (*store.Claimed, error) {
		return s.Claim(context.WithoutCancel(ctx), "w", now, now.Add(time.Minute))
	}
	if _, err := claim(); !errors.Is(err, secret.ErrOpen) {
		t.Fatalf("the claim of a job that does not open: got %v", err)
	}
	if j, err := below.Get(ctx, a.Account, a.ID); err != nil || j.Status != job.Errored || j.ErrorCode != 1999 {
		t.Errorf("that job: %+v, %v", j, err)
	}
	if c, err := claim(); err != nil || c == nil || c.Job.ID != b.ID {
		t.Errorf("the job behind it: %+v, %v", c, err)
	}
	other, err := sealed.New(below, sealer(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(ctx, b.Account, b.ID); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("another key: got %v", err)
	}
	if _, err := other.List(ctx, job.Query{Account: b.Account, Limit: 10}); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("another key: got %v", err)
	}
}

// TestEarlierRecords: what an earlier version recorded in the clear is read, and sealed when it is written again.
func TestEarlierRecords(t *testing.T) {
	t.Parallel()
	s, below := open(t, t.TempDir())
	ctx := t.Context()
	j := withKey(1)
	if _, err := below.Submit(ctx, j, j.Submitted); err != nil {
		t.Fatal(err)
	}
	if err := below.CreateResource(ctx, template("t"), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(ctx, j.Account, j.ID); err != nil || string(got.Settings) != settings {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := s.ChangeJob(ctx, j.Account, j.ID, func(*job.Job) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ChangeResource(ctx, "1", store.JobTemplate, "t", func(*store.Resource) error { return nil }); err != nil {
		t.Fatal(err)
	}
	inside, err := below.Get(ctx, j.Account, j.ID)
	if err != nil || strings.Contains(string(inside.Settings), key) {
		t.Errorf("recorded: %s, %v", inside.Settings, err)
	}
	r, err := below.GetResource(ctx, "1", store.JobTemplate, "t")
	if err != nil || strings.Contains(string(r.Document), key) {
		t.Errorf("recorded: %s, %v", r.Document, err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := sealed.New(nil, sealer(t, 1)); err == nil {
		t.Error("no store: want an error")
	}
	_, below := open(t, t.TempDir())
	if _, err := sealed.New(below, nil); err == nil {
		t.Error("no sealer: want an error")
	}
}
