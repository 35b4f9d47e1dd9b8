package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/provenance"
)

// Ask is the tag, and AskMetadata the name in userMetadata, by which a job asks for a statement; Enabled is the value.
const (
	Ask         = "darkroom:provenance"
	AskMetadata = "darkroom-provenance"
	Enabled     = "enabled"
)

// Attester makes the statements of jobs. It implements queue.Attester.
type Attester struct {
	Signer  *Service
	Region  string
	Version string // of the program
	Now     func() time.Time
	// Queue says whether all jobs of a queue, by its name, write one.
	Queue func(name string) bool
	// Outputs are the beginnings of the URIs of all that a job may write.
	Outputs func(j *job.Job) ([]string, error)
	// Reads returns what says of a URI whether a job may have read what is there.
	Reads func(j *job.Job) (func(uri string) bool, error)
}

// request is what is read of the request that a job was submitted with.
type request struct {
	UserMetadata map[string]string `json:"userMetadata"`
}

// Wants says whether a job is to write a statement: its queue is one whose jobs do, or it asks.
func (a *Attester) Wants(j *job.Job) bool {
	if a.Queue(j.Queue[strings.LastIndexByte(j.Queue, '/')+1:]) || j.Tags[Ask] == Enabled {
		return true
	}
	var r request
	return json.Unmarshal(j.Request, &r) == nil && r.UserMetadata[AskMetadata] == Enabled
}

// Attest makes the statement of a job. What a worker says that cannot be so is a *job.Error.
func (a *Attester) Attest(_ context.Context, j *job.Job, attempt int, e lease.Evidence) ([]byte, error) {
	if err := a.check(j, e); err != nil {
		return nil, err
	}
	settings, err := provenance.WithoutSecrets(j.Settings)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(settings)
	var r request
	_ = json.Unmarshal(j.Request, &r) // where it says nothing that can be read there is nothing to state
	versions := map[string]string{}
	maps.Copy(versions, e.Versions)
	versions["darkroom"] = a.Version // ours, whatever the worker calls one of its own
	arn := "arn:aws:mediaconvert:" + a.Region + ":" + j.Account
	predicate, err := json.Marshal(provenance.Job{
		Definition: provenance.Definition{
			BuildType: provenance.JobPredicate,
			External:  provenance.ExternalParameters{Settings: settings, Queue: j.Queue, Role: j.Role, Metadata: r.UserMetadata},
			Internal:  provenance.InternalParameters{SettingsSHA256: hex.EncodeToString(sum[:]), PlanSHA256: e.PlanSHA256},
			Inputs:    e.Inputs,
		},
		Run: provenance.Run{
			Builder: provenance.Builder{ID: arn, Version: versions},
			Metadata: provenance.Metadata{
				InvocationID: arn + ":jobs/" + j.ID, Submitted: j.Submitted.UTC(), Started: j.Started.UTC(), Finished: a.Now().UTC(), Principal: j.Principal, RequestID: j.RequestID,
				Attempt: attempt, Warnings: j.Warnings,
			},
		},
	})
	if err != nil {
		return nil, err
	}
	return a.Signer.Sign(&provenance.Statement{Type: provenance.StatementType, Subject: e.Outputs, PredicateType: provenance.JobPredicate, Predicate: predicate})
}

// maxVersions bounds what a worker says of its tools.
const maxVersions, maxVersion = 16, 4096

// check refuses evidence that cannot be of the job.
func (a *Attester) check(j *job.Job, e lease.Evidence) error {
	refuse := func(format string, args ...any) error {
		return job.Errorf(1999, "The statement of provenance cannot be made: %s. Submit the job again.", fmt.Sprintf(format, args...))
	}
	if len(e.Outputs) == 0 || len(e.Outputs) > lease.MaxEvidenceOutputs || len(e.Inputs) == 0 || len(e.Inputs) > lease.MaxEvidenceInputs {
		return refuse("the worker names %d outputs and %d inputs", len(e.Outputs), len(e.Inputs))
	}
	if len(e.Versions) > maxVersions {
		return refuse("the worker names %d tools", len(e.Versions))
	}
	for name, v := range e.Versions {
		if len(name)+len(v) > maxVersion {
			return refuse("the version of a tool is too long")
		}
	}
	if b, err := hex.DecodeString(e.PlanSHA256); err != nil || len(b) != sha256.Size {
		return refuse("the worker gives no digest of the plan")
	}
	reads, err := a.Reads(j)
	if err != nil {
		return err
	}
	for _, in := range e.Inputs {
		if !reads(in.URI) {
			return refuse("the worker names an input that is none of the job")
		}
	}
	places, err := a.Outputs(j)
	if err != nil {
		return err
	}
	for _, out := range e.Outputs {
		inside := false
		for _, p := range places {
			inside = inside || strings.HasPrefix(out.Name, p)
		}
		if !inside || out.Annotations == nil {
			return refuse("the worker names an output that is none of the job")
		}
		for algorithm, digest := range out.Digest {
			if b, err := hex.DecodeString(digest); err != nil || len(b) != sha256.Size || algorithm != provenance.SHA256 && algorithm != provenance.SHA256Parts {
				return refuse("the worker gives no digest of an output")
			}
		}
		if len(out.Digest) != 1 {
			return refuse("the worker gives no digest of an output")
		}
	}
	return nil
}
