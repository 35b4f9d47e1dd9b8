// Package workerapi is lease.Control over HTTP: the control plane serves it, a worker in another process calls it.
//
// A local worker reaches it over one inherited socket pair that carries HTTP/2 without TLS (RFC 9113 section 3.3): nobody else can reach
// that socket, and the requests of the job itself to the object store flow over it too, signed like any other. The long-held calls, Claim and
// Wait, are answered the moment there is something to say; giving one up closes its stream.
package workerapi

import (
	"encoding/json"
	"time"

	"darkroom/internal/lease"
	"darkroom/internal/secret"
)

// Prefix is the path under which the API lies. No bucket can have a name that begins with a dot.
const Prefix = "/.worker/v1/"

// The calls.
const (
	callHello   = "hello"
	callClaim   = "claim"
	callReport  = "report"
	callWait    = "wait"
	callRenew   = "renew"
	callFinish  = "finish"
	callRelease = "release"
	callProbe   = "probe"
	callProbed  = "probed"
	callDialled = "dialled"
)

// maxBody bounds what either side reads: the settings of the largest job and some room.
const maxBody = 16 << 20

// task names a lease in a call.
type task struct {
	TaskID string `json:"taskId"`
	JobID  string `json:"jobId"`
	Epoch  int64  `json:"epoch"`
}

type (
	helloRequest struct {
		Worker       string          `json:"worker"`
		Capabilities json.RawMessage `json:"capabilities"`
	}
	claimRequest struct {
		Worker string `json:"worker"`
	}
	claimAnswer struct {
		Lease       *lease.Lease `json:"lease"`
		Credentials credentials  `json:"credentials"`
	}
	taskRequest struct {
		Task task `json:"task"`
	}
	reportRequest struct {
		Task     task           `json:"task"`
		Progress lease.Progress `json:"progress"`
	}
	reportAnswer struct {
		Deadline time.Time `json:"deadline"`
	}
	renewAnswer struct {
		Credentials credentials `json:"credentials"`
	}
	probeAnswer struct {
		Probe       *lease.Probe `json:"probe"`
		Credentials credentials  `json:"credentials"`
	}
	probedRequest struct {
		ID     string       `json:"id"`
		Probed lease.Probed `json:"probed"`
	}
	helloAnswer struct {
		Welcome json.RawMessage `json:"welcome"`
	}
	finishRequest struct {
		Task   task         `json:"task"`
		Result lease.Result `json:"result"`
	}
	failure struct {
		Code string `json:"code"`
	}
)

// codeLost is the failure of a call whose lease is gone; codeInternal is any other.
const (
	codeLost     = "LeaseLost"
	codeInternal = "Internal"
)

// credentials is the one place where the secrets of a lease are written out: into the socket pair.
type credentials struct {
	AccessKeyID     string    `json:"accessKeyId"`
	SecretAccessKey string    `json:"secretAccessKey"`
	SessionToken    string    `json:"sessionToken"`
	Expiry          time.Time `json:"expiry"`
	Schemes         []string  `json:"schemes,omitempty"`
}

func wrap(c lease.Credentials) credentials {
	return credentials{c.AccessKeyID, string(c.SecretAccessKey.Reveal()), string(c.SessionToken.Reveal()), c.Expiry, c.Schemes}
}

func (c credentials) unwrap() lease.Credentials {
	return lease.Credentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: secret.New([]byte(c.SecretAccessKey)),
		SessionToken: secret.New([]byte(c.SessionToken)), Expiry: c.Expiry, Schemes: c.Schemes,
	}
}

func name(l *lease.Lease) task { return task{TaskID: l.TaskID, JobID: l.JobID, Epoch: l.Epoch} }

func (t task) lease() *lease.Lease {
	return &lease.Lease{TaskID: t.TaskID, JobID: t.JobID, Epoch: t.Epoch}
}
