// Package workerapi is lease.Control over HTTP: the control plane serves it, a worker in another process calls it.
//
// A local worker reaches it over one inherited socket pair that carries HTTP/2 without TLS (RFC 9113 section 3.3): nobody else can reach
// that socket, and the requests of the job itself to the object store flow over it too, signed like any other. The long-held calls, Claim and
// Wait, are answered the moment there is something to say; giving one up closes its stream.
package workerapi

import (
	"encoding/json"
	"errors"
	"time"

	"darkroom/internal/cenc"
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
	callKeys    = "content-keys"
	callAttest  = "attest"
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
	attestRequest struct {
		Task     task           `json:"task"`
		Evidence lease.Evidence `json:"evidence"`
	}
	// attestAnswer has either the statement or why there can be none.
	attestAnswer struct {
		Error     *lease.Failure  `json:"error,omitempty"`
		Statement json.RawMessage `json:"statement,omitempty"`
	}
	keysRequest struct {
		Task  task `json:"task"`
		Group int  `json:"group"`
	}
	// keysAnswer has either the keys or why the job cannot have them.
	keysAnswer struct {
		Error *lease.Failure `json:"error,omitempty"`
		Keys  []contentKey   `json:"keys"`
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

// contentKey is the one place where content keys are written out: into the socket pair.
type contentKey struct {
	ID      string   `json:"id"`
	Value   []byte   `json:"value"`
	IV      []byte   `json:"iv"`
	Signals []signal `json:"signals"`
}

// signal is a cenc.Signal. What is nil stays nil.
type signal struct {
	System            string  `json:"system"`
	PSSH              []byte  `json:"pssh"`
	ContentProtection []byte  `json:"contentProtection"`
	Media             *hlsKey `json:"media"`
	Master            *hlsKey `json:"master"`
	Smooth            []byte  `json:"smooth"`
}

type hlsKey struct {
	Method            string `json:"method"`
	URI               string `json:"uri"`
	IV                []byte `json:"iv"`
	KeyFormat         string `json:"keyFormat"`
	KeyFormatVersions string `json:"keyFormatVersions"`
	KeyID             string `json:"keyId"`
}

func wrapKeys(keys []cenc.Protection) []contentKey {
	out := make([]contentKey, len(keys))
	for i, k := range keys {
		out[i] = contentKey{ID: k.ID.String(), Value: k.Value.Reveal(), IV: k.IV}
		for _, s := range k.Signals {
			out[i].Signals = append(out[i].Signals, signal{s.System.String(), s.PSSH, s.ContentProtection, (*hlsKey)(s.Media), (*hlsKey)(s.Master), s.Smooth})
		}
	}
	return out
}

func unwrapKeys(keys []contentKey) ([]cenc.Protection, error) {
	out := make([]cenc.Protection, len(keys))
	for i, k := range keys {
		id, err := cenc.ParseUUID(k.ID)
		if err != nil || len(k.Value) != cenc.KeySize {
			return nil, errors.New("the control plane gave a content key that is none")
		}
		out[i].Key = cenc.Key{ID: id, Value: secret.New(k.Value), IV: k.IV}
		for _, s := range k.Signals {
			system, err := cenc.ParseUUID(s.System)
			if err != nil {
				return nil, errors.New("the control plane gave a signal that is none")
			}
			out[i].Signals = append(out[i].Signals, cenc.Signal{
				System: system, PSSH: s.PSSH, ContentProtection: s.ContentProtection, Media: (*cenc.HLSKey)(s.Media), Master: (*cenc.HLSKey)(s.Master), Smooth: s.Smooth,
			})
		}
	}
	return out, nil
}

func name(l *lease.Lease) task { return task{TaskID: l.TaskID, JobID: l.JobID, Epoch: l.Epoch} }

func (t task) lease() *lease.Lease {
	return &lease.Lease{TaskID: t.TaskID, JobID: t.JobID, Epoch: t.Epoch}
}
