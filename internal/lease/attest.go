package lease

import (
	"context"

	"darkroom/internal/provenance"
)

// Bounds of an Evidence.
const (
	MaxEvidenceInputs  = 10_000
	MaxEvidenceOutputs = 40_000
)

// Evidence is what a worker says of a job that it has carried out: what it read, and what it wrote.
type Evidence struct {
	Inputs     []provenance.Resource `json:"inputs"`
	Outputs    []provenance.Resource `json:"outputs"` // named by their URIs
	PlanSHA256 string                `json:"planSHA256"`
	Versions   map[string]string     `json:"versions"` // of the tools
}

// Attester is a Control that makes statements. The leases whose jobs are to write one say so.
type Attester interface {
	// Attest returns the signed statement of the job of a lease, by the evidence of its worker and what is on record; a line of JSON without its end. ErrLost: stop. A
	// *job.Error says why there can be none, and ends the job.
	Attest(ctx context.Context, l *Lease, e Evidence) ([]byte, error)
}
