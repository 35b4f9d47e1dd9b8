package signer

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/provenance"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

func options(t *testing.T) Options {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	return Options{Account: "111122223333", Store: s, Master: secret.New([]byte(strings.Repeat("m", secret.KeySize))), Random: rand.Reader, Now: func() time.Time {
		now = now.Add(time.Second)
		return now
	}}
}

func verify(t *testing.T, text []byte, keys string) error {
	t.Helper()
	e, err := provenance.ParseEnvelope(text)
	if err != nil {
		t.Fatal(err)
	}
	var trusted []*ecdsa.PublicKey
	if trusted, err = provenance.ParseKeys([]byte(keys)); err != nil {
		t.Fatal(err)
	}
	_, _, err = e.Verify(provenance.PayloadType, trusted)
	return err
}

// TestSigner: the key is the same after a restart; after a rotation what it has signed stays good, and its private half is gone; under another master key it does
// not open.
func TestSigner(t *testing.T) {
	t.Parallel()
	o := options(t)
	s, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	old, err := s.Sign(&provenance.Statement{Type: provenance.StatementType})
	if err != nil {
		t.Fatal(err)
	}
	first := s.PEM()
	again, err := New(t.Context(), o)
	if err != nil || again.PEM() != first {
		t.Fatalf("after a restart: %v", err)
	}
	if public, err := PublicPEM(t.Context(), o.Store, o.Account); err != nil || public != first {
		t.Errorf("the public halves alone: %q, %v; want %q", public, err, first)
	}
	if err := again.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Rotate(t.Context()); err == nil {
		t.Error("two keys were made at the same time")
	}
	last, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	keys := last.Keys()
	if len(keys) != 2 || keys[0].Until.IsZero() || !keys[1].Until.IsZero() || !keys[0].Until.Equal(keys[1].Since) {
		t.Errorf("keys %+v", keys)
	}
	fresh, err := last.Sign(&provenance.Statement{Type: provenance.StatementType})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(verify(t, old, last.PEM()), verify(t, fresh, last.PEM())); err != nil {
		t.Error(err)
	}
	if err := verify(t, fresh, first); !errors.Is(err, provenance.ErrUnknownKey) {
		t.Errorf("the new key under the old one: %v", err)
	}
	entries, _, err := o.Store.LoadRegistry(t.Context(), registryOf(last.o.Account))
	if err != nil {
		t.Fatal(err)
	}
	sealed := 0
	for _, e := range entries {
		if strings.Contains(string(e.Record), `"sealed"`) {
			sealed++
		}
	}
	if sealed != 1 {
		t.Errorf("%d private halves are kept", sealed)
	}
	o.Master = secret.New([]byte(strings.Repeat("x", secret.KeySize)))
	if _, err := New(t.Context(), o); err == nil {
		t.Error("opened under another master key")
	}
	if _, err := New(t.Context(), Options{}); err == nil {
		t.Error("opened with nothing")
	}
}

func evidence() lease.Evidence {
	digest := strings.Repeat("ab", 32)
	return lease.Evidence{
		PlanSHA256: digest, Versions: map[string]string{"ffmpeg": "7.1", "darkroom": "of the worker"},
		Inputs:  []provenance.Resource{{URI: "s3://films/in", Annotations: &provenance.Annotations{}}},
		Outputs: []provenance.Resource{{Name: "s3://films/out/a.mp4", Digest: map[string]string{provenance.SHA256: digest}, Annotations: &provenance.Annotations{Size: 1}}},
	}
}

// TestAttest: what a worker says that cannot be of the job is refused; no statement holds a secret.
func TestAttest(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	a := &Attester{
		Signer: s, Region: "us-east-1", Version: "v", Now: time.Now, Queue: func(name string) bool { return name == "stated" },
		Outputs: func(*job.Job) ([]string, error) { return []string{"s3://films/out/"}, nil },
		Reads: func(*job.Job) (func(string) bool, error) {
			return func(uri string) bool { return uri == "s3://films/in" }, nil
		},
	}
	j := &job.Job{
		ID: "1-a", Account: "111122223333", Queue: "arn:aws:mediaconvert:us-east-1:111122223333:queues/Default", Principal: "arn:p", RequestID: "r",
		Settings: json.RawMessage(`{"staticKeyValue":"topsecret","x":1}`), Request: json.RawMessage(`{"userMetadata":{"darkroom-provenance":"enabled"}}`),
	}
	for _, tt := range []struct {
		name string
		j    job.Job
		want bool
	}{
		{"it asks in its metadata", *j, true},
		{"it asks by a tag", job.Job{Queue: "q/Default", Tags: map[string]string{Ask: Enabled}}, true},
		{"its queue does", job.Job{Queue: "q/stated"}, true},
		{"nobody asks", job.Job{Queue: "q/Default", Request: json.RawMessage(`{"userMetadata":{"darkroom-provenance":"no"}}`)}, false},
		{"a request that cannot be read", job.Job{Queue: "q/Default", Request: json.RawMessage(`{`)}, false},
	} {
		if got := a.Wants(&tt.j); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	text, err := a.Attest(t.Context(), j, 2, evidence())
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(t, text, s.PEM()); err != nil {
		t.Error(err)
	}
	e, err := provenance.ParseEnvelope(text)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := provenance.ParseKeys([]byte(s.PEM()))
	if err != nil {
		t.Fatal(err)
	}
	payload, _, err := e.Verify(provenance.PayloadType, keys)
	if err != nil || strings.Contains(string(payload), "topsecret") || !strings.Contains(string(payload), `"attempt":2`) || !strings.Contains(string(payload), "jobs/1-a") ||
		!strings.Contains(string(payload), `"darkroom":"v"`) || strings.Contains(string(payload), "of the worker") {
		t.Errorf("%s %v", payload, err)
	}
	for name, change := range map[string]func(e *lease.Evidence){
		"no outputs":                 func(e *lease.Evidence) { e.Outputs = nil },
		"no inputs":                  func(e *lease.Evidence) { e.Inputs = nil },
		"too many outputs":           func(e *lease.Evidence) { e.Outputs = make([]provenance.Resource, lease.MaxEvidenceOutputs+1) },
		"an input of somebody else":  func(e *lease.Evidence) { e.Inputs[0].URI = "s3://films/other" },
		"an output of somebody else": func(e *lease.Evidence) { e.Outputs[0].Name = "s3://films/other/a.mp4" },
		"an output without a digest": func(e *lease.Evidence) { e.Outputs[0].Digest = nil },
		"another algorithm":          func(e *lease.Evidence) { e.Outputs[0].Digest = map[string]string{"md5": strings.Repeat("ab", 32)} },
		"a digest that is none":      func(e *lease.Evidence) { e.Outputs[0].Digest = map[string]string{provenance.SHA256: "xyz"} },
		"an output without a size":   func(e *lease.Evidence) { e.Outputs[0].Annotations = nil },
		"no plan":                    func(e *lease.Evidence) { e.PlanSHA256 = "" },
		"a long version":             func(e *lease.Evidence) { e.Versions["x"] = strings.Repeat("x", maxVersion) },
		"more tools than there can be": func(e *lease.Evidence) {
			for i := range maxVersions {
				e.Versions[strings.Repeat("x", i)] = ""
			}
		},
	} {
		e := evidence()
		change(&e)
		if _, err := a.Attest(t.Context(), j, 1, e); err == nil {
			t.Errorf("%s was taken", name)
		} else if failed, ok := errors.AsType[*job.Error](err); !ok || failed.Code != 1999 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
