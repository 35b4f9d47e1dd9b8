package provenance

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The types of a statement.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	// JobPredicate is the predicate of a job.
	JobPredicate = "urn:darkroom:job-provenance:v1"
	// DestructionPredicate is the predicate of a certificate of destruction.
	DestructionPredicate = "urn:darkroom:destruction:v1"
)

// The algorithms of digests.
const (
	SHA256 = "sha256"
	// SHA256Parts is the digest of an object that was written in parts: the SHA-256 of the SHA-256 of each, one behind the other, as S3's composite checksum. The
	// sizes of the parts stand beside it.
	SHA256Parts = "sha256Parts"
)

// Statement is a statement of in-toto, version 1.
type Statement struct {
	Type          string          `json:"_type"`
	Subject       []Resource      `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// Resource is a ResourceDescriptor.
type Resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"`
	MediaType   string            `json:"mediaType,omitempty"`
	Annotations *Annotations      `json:"annotations,omitempty"`
}

// Annotations are what is known of a file besides its digest.
type Annotations struct {
	Size int64 `json:"size"`
	// PartSizes are those of SHA256Parts.
	PartSizes []int64 `json:"partSizes,omitempty"`
	// ETag is what the store or the server called the version that was read.
	ETag string `json:"etag,omitempty"`
	// Whole says that the digest is of the whole file. Otherwise there is none, and Ranges are what was read of it: first byte and last.
	Whole  bool       `json:"whole"`
	Ranges [][2]int64 `json:"ranges,omitempty"`
	// RangesOmitted says that there were more ranges than are named.
	RangesOmitted bool `json:"rangesOmitted,omitempty"`
}

// Job is the predicate of a job, in the manner of SLSA provenance: what was asked for, and what was done.
type Job struct {
	Definition Definition `json:"buildDefinition"`
	Run        Run        `json:"runDetails"`
}

// Definition is what was asked for.
type Definition struct {
	BuildType string             `json:"buildType"` // JobPredicate
	External  ExternalParameters `json:"externalParameters"`
	Internal  InternalParameters `json:"internalParameters"`
	Inputs    []Resource         `json:"resolvedDependencies"`
}

// ExternalParameters are the customer's.
type ExternalParameters struct {
	Settings json.RawMessage   `json:"settings"` // JobSettings as merged, without secrets
	Queue    string            `json:"queue"`
	Role     string            `json:"role"`
	Metadata map[string]string `json:"userMetadata,omitempty"`
}

// InternalParameters are the installation's.
type InternalParameters struct {
	SettingsSHA256 string `json:"settingsSHA256"` // of the text of Settings
	PlanSHA256     string `json:"planSHA256"`     // of the plan, by which two jobs can be told to have done the same
}

// Run is what was done.
type Run struct {
	Builder  Builder  `json:"builder"`
	Metadata Metadata `json:"metadata"`
}

// Builder is who did it.
type Builder struct {
	ID      string            `json:"id"` // ARN of the account's MediaConvert endpoint in its Region
	Version map[string]string `json:"version"`
}

// Metadata says when, for whom.
type Metadata struct {
	InvocationID string          `json:"invocationId"` // ARN of the job
	Submitted    time.Time       `json:"submittedOn"`
	Started      time.Time       `json:"startedOn"`
	Finished     time.Time       `json:"finishedOn"`
	Principal    string          `json:"principal,omitempty"` // ARN of who submitted the job
	RequestID    string          `json:"requestId,omitempty"` // of the CreateJob request, as in the audit trail
	Attempt      int             `json:"attempt"`
	Warnings     json.RawMessage `json:"warnings,omitempty"` // as GetJob has them
}

// ParseStatement reads a statement of a predicate type.
func ParseStatement(text []byte, predicateType string) (*Statement, error) {
	var s Statement
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read the statement: %w", err)
	}
	if s.Type != StatementType || s.PredicateType != predicateType {
		return nil, fmt.Errorf("the statement is a %.100q about %.100q, not about %s", s.Type, s.PredicateType, predicateType)
	}
	for i, r := range s.Subject {
		if len(r.Digest) == 0 || r.Name == "" {
			return nil, fmt.Errorf("subject %d of the statement has no name or no digest", i+1)
		}
	}
	return &s, nil
}

// redacted stands where a secret stood.
const redacted = "[redacted]"

// secrets are the members of JobSettings, in lower case, whose value is a secret.
var secrets = map[string]bool{"statickeyvalue": true}

// WithoutSecrets returns settings without what is secret in them. Text that is no JSON is an error.
func WithoutSecrets(settings json.RawMessage) (json.RawMessage, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(string(settings)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	redact(v)
	return json.Marshal(v)
}

func redact(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if secrets[strings.ToLower(name)] {
				v[name] = redacted
				continue
			}
			redact(inner)
		}
	case []any:
		for _, inner := range v {
			redact(inner)
		}
	}
}
