package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/job"
	"darkroom/internal/provenance"
	"darkroom/internal/store"
)

// MaxShred is how many objects are destroyed by one request: they are all named in its certificate.
const MaxShred = 50_000

// Destroyer is a store that destroys objects for good; the embedded store is one.
type Destroyer interface {
	blob.Store
	Destroy(ctx context.Context, bucket, key string) (dir.Destroyed, error)
}

// Signer signs statements.
type Signer interface {
	Sign(s *provenance.Statement) ([]byte, error)
}

// Jobs are the jobs that can be destroyed with their outputs.
type Jobs interface {
	Get(ctx context.Context, account, id string) (*job.Job, error)
	ForgetJob(ctx context.Context, account, id string) error
}

// Place is where objects are: those of a bucket that begin with a prefix.
type Place struct{ Bucket, Prefix string }

// ShredderOptions are what a Shredder works with. All are needed.
type ShredderOptions struct {
	// Objects are the embedded stores, by account. Objects of another store are not destroyed here: what is on its disks is not ours.
	Objects map[string]Destroyer
	Holds   *Holds
	Signer  Signer
	Jobs    Jobs
	// Outputs are the beginnings of all keys that a job writes.
	Outputs func(j *job.Job) ([]Place, error)
	Now     func() time.Time
}

// Shredder destroys objects so that what is left of them on disk opens with no key, and certifies it.
type Shredder struct{ o ShredderOptions }

// NewShredder returns one.
func NewShredder(o ShredderOptions) *Shredder { return &Shredder{o} }

// Order is what is to be destroyed, for whom: a place, or a job with its outputs.
type Order struct {
	Account   string
	Place     Place  // of a job: empty
	Job       string // id
	By        string // ARN
	RequestID string
	Reason    string
	DryRun    bool // only say what it would be
}

// Shredded is what became of an order.
type Shredded struct {
	// Certificate is the signed statement of what was destroyed, in an envelope of DSSE; nil if nothing was.
	Certificate []byte
	Objects     []string // URIs of what was destroyed, or would be
	Bytes       int64
	// Err says why not all was destroyed; the certificate is about what was.
	Err error
}

// Certificate is the predicate of a certificate of destruction.
type Certificate struct {
	By        string    `json:"by"`
	RequestID string    `json:"requestId,omitempty"`
	Reason    string    `json:"reason"`
	Account   string    `json:"account"`
	Begun     time.Time `json:"begun"`
	Ended     time.Time `json:"ended"`
	Job       string    `json:"job,omitempty"` // whose record was destroyed too
	Method    string    `json:"method"`
	Objects   int       `json:"objects"`
	Bytes     int64     `json:"bytes"`
	Complete  bool      `json:"complete"` // all that was asked for was destroyed
	// StillReadable are those whose bytes another object has, too, or somebody was reading: they open by way of that.
	StillReadable []string `json:"stillReadable,omitempty"`
	// NotCovered says in sentences what this certificate does not speak of.
	NotCovered []string `json:"notCovered"`
}

const method = "Cryptographic erasure: the key of an object's bytes exists nowhere but in the object's sealed record. The record was overwritten with zeros, synced and deleted; " +
	"then the encrypted bytes were deleted. No key that is left, the master key among them, opens what may remain of them on disk."

var notCovered = []string{
	"Copies of the record that were made before: backups of the data directory, snapshots of the volume or the file system, and what a journal or a flash drive keeps of overwritten blocks.",
	"Copies of the bytes outside this installation.",
}

// Shred destroys what an order asks for. Where a part of it is held nothing is destroyed, and a *blob.HeldError says so; what is wrong with the order is an *Error.
func (s *Shredder) Shred(ctx context.Context, o Order) (Shredded, error) {
	objects := s.o.Objects[o.Account]
	if objects == nil {
		return Shredded{}, &Error{Invalid, "The objects of the account are in another store, whose disks this installation cannot speak for: destroy them there."}
	}
	var keys []object
	var err error
	if o.Job != "" {
		keys, err = s.ofJob(ctx, objects, o)
	} else {
		keys, err = s.under(ctx, objects, o.Account, o.Place, func(blob.Info) bool { return true })
	}
	if err != nil {
		return Shredded{}, err
	}
	if len(keys) == 0 && o.Job == "" {
		return Shredded{}, &Error{NotFound, fmt.Sprintf("There is nothing under s3://%s/%s.", o.Place.Bucket, o.Place.Prefix)}
	}
	if o.DryRun {
		out := Shredded{}
		for _, k := range keys {
			out.Objects, out.Bytes = append(out.Objects, k.uri()), out.Bytes+k.info.Size
		}
		return out, nil
	}
	return s.destroy(ctx, objects, o, keys)
}

type object struct {
	bucket string
	info   blob.Info
}

func (o object) uri() string { return "s3://" + o.bucket + "/" + o.info.Key }

// under finds the objects of a place, none of which is held.
func (s *Shredder) under(ctx context.Context, objects blob.Store, account string, p Place, wanted func(blob.Info) bool) (out []object, err error) {
	if err := (accountHolds{s.o.Holds, account}).Under(p.Bucket, p.Prefix); err != nil {
		return nil, err
	}
	for after := ""; ; {
		page, err := objects.List(ctx, p.Bucket, blob.ListOptions{Prefix: p.Prefix, StartAfter: after})
		if errors.Is(err, blob.ErrNoSuchBucket) {
			return nil, &Error{NotFound, fmt.Sprintf("There is no bucket %.100q.", p.Bucket)}
		}
		if err != nil {
			return nil, err
		}
		for _, i := range page.Objects {
			if wanted(i) {
				out = append(out, object{p.Bucket, i})
			}
		}
		if len(out) > MaxShred {
			return nil, &Error{Exceeded, fmt.Sprintf("There are more than %d objects under s3://%s/%s. Destroy them in parts, by longer prefixes.", MaxShred, p.Bucket, p.Prefix)}
		}
		if !page.Truncated {
			return out, nil
		}
		after = page.Next
	}
}

// ofJob finds what a job wrote: the objects under its destinations that were written while it ran.
func (s *Shredder) ofJob(ctx context.Context, objects blob.Store, o Order) ([]object, error) {
	j, err := s.o.Jobs.Get(ctx, o.Account, o.Job)
	switch {
	case errors.Is(err, job.ErrNotFound):
		return nil, &Error{NotFound, fmt.Sprintf("There is no job %.100q.", o.Job)}
	case err != nil:
		return nil, err
	case !j.Status.Final():
		return nil, &Error{Conflict, "The job has not ended. Cancel it, or wait for its end."}
	}
	all, err := s.o.Holds.List(o.Account)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if h.Target == o.Job && h.String() == "job "+o.Job {
			return nil, heldError(h)
		}
	}
	if j.Started.IsZero() {
		return nil, nil // it wrote nothing
	}
	places, err := s.o.Outputs(j)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []object
	for _, p := range places {
		found, err := s.under(ctx, objects, o.Account, p, func(i blob.Info) bool {
			return !i.LastModified.Before(j.Started) && !i.LastModified.After(j.Finished)
		})
		if e, ok := errors.AsType[*Error](err); ok && e.Fault == NotFound {
			continue // the bucket is gone, and what was in it
		}
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !seen[f.uri()] {
				seen[f.uri()] = true
				out = append(out, f)
			}
		}
		if len(out) > MaxShred { // each place may be within it, and all together are not
			return nil, &Error{Exceeded, fmt.Sprintf("The job has written more than %d objects. Destroy them in parts, by their prefixes, and then the job.", MaxShred)}
		}
	}
	return out, nil
}

// destroy destroys objects one after the other, then the record of the job, and certifies what it did, also where it could not do all.
func (s *Shredder) destroy(ctx context.Context, objects Destroyer, o Order, keys []object) (Shredded, error) {
	var out Shredded
	c := Certificate{By: o.By, RequestID: o.RequestID, Reason: o.Reason, Account: o.Account, Begun: s.o.Now().UTC(), Method: method, NotCovered: notCovered}
	statement := &provenance.Statement{Type: provenance.StatementType, PredicateType: provenance.DestructionPredicate}
	for _, k := range keys {
		gone, err := objects.Destroy(ctx, k.bucket, k.info.Key)
		if errors.Is(err, blob.ErrNoSuchKey) {
			continue // somebody else has deleted it
		}
		if errors.Is(err, dir.ErrSnapshot) {
			err = &Error{Conflict, "A backup is being made, which would keep what is destroyed. Try again when it is done."}
		}
		if err != nil {
			out.Err = err
			break
		}
		uri := k.uri()
		out.Objects, out.Bytes = append(out.Objects, uri), out.Bytes+gone.Info.Size
		if gone.Shared {
			c.StillReadable = append(c.StillReadable, uri)
		}
		statement.Subject = append(statement.Subject, provenance.Resource{
			Name: uri, Digest: map[string]string{"s3ETag": gone.Info.ETag}, Annotations: &provenance.Annotations{Size: gone.Info.Size},
		})
	}
	if o.Job != "" && out.Err == nil {
		switch err := s.o.Jobs.ForgetJob(ctx, o.Account, o.Job); {
		case errors.Is(err, store.ErrHeld):
			out.Err = &Error{Held, "The job was put under a legal hold meanwhile: its record is kept."}
		case err != nil && !errors.Is(err, job.ErrNotFound):
			out.Err = err
		default:
			c.Job = o.Job
		}
	}
	if len(out.Objects) == 0 && c.Job == "" {
		return out, out.Err
	}
	c.Ended, c.Objects, c.Bytes, c.Complete = s.o.Now().UTC(), len(out.Objects), out.Bytes, out.Err == nil
	if len(statement.Subject) == 0 { // a job without outputs: the record of the job is the subject
		statement.Subject = []provenance.Resource{{Name: "job " + o.Job, Digest: map[string]string{"jobId": o.Job}}}
	}
	var err error
	if statement.Predicate, err = json.Marshal(c); err == nil {
		out.Certificate, err = s.o.Signer.Sign(statement)
	}
	return out, err
}
