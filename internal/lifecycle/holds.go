// Package lifecycle is how long what an installation keeps is kept: legal holds, retention by age, and destruction for good.
package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"darkroom/internal/blob"
	"darkroom/internal/hold"
	"darkroom/internal/store"
)

// Holds are the legal holds of all accounts, as object stores ask for them: in memory, as they stand in the records. Before Open everything is held. It is safe
// for concurrent use.
type Holds struct {
	store   store.Lifecycle
	settle  []func()
	objects map[string]blob.Store

	changing sync.Mutex   // held over a change of the records
	mu       sync.RWMutex // guards sets; held for assignments only
	sets     map[string]*hold.Set
}

// errNotOpen is what is said before the holds were read.
var errNotOpen = errors.New("the legal holds are not read yet")

// Open reads the holds. objects are the stores of the accounts, by account; settle are called after every change, and return when no store does any more what it
// began before.
func (h *Holds) Open(ctx context.Context, s store.Lifecycle, objects map[string]blob.Store, settle []func()) error {
	sets := make(map[string]*hold.Set)
	for account := range objects {
		all, err := s.Holds(ctx, account)
		if err != nil {
			return fmt.Errorf("read the legal holds: %w", err)
		}
		sets[account] = hold.NewSet(all)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store, h.settle, h.objects, h.sets = s, settle, objects, sets
	return nil
}

// set is what is held in an account.
func (h *Holds) set(account string) (*hold.Set, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	s := h.sets[account]
	if s == nil {
		return nil, errNotOpen
	}
	return s, nil
}

// List returns the holds of an account, the oldest first.
func (h *Holds) List(account string) ([]hold.Hold, error) {
	s, err := h.set(account)
	if err != nil {
		return nil, err
	}
	return s.All(), nil
}

// Add puts a hold on something, from before it returns. Its id is made here. What is wrong with it is an *Error.
func (h *Holds) Add(ctx context.Context, want hold.Hold) (hold.Hold, error) {
	if err := want.Check(); err != nil {
		return hold.Hold{}, &Error{Invalid, err.Error()}
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	want.ID = "hold-" + hex.EncodeToString(id[:])
	err := h.change(ctx, want.Account, func() error { return h.store.AddHold(ctx, want) })
	if errors.Is(err, store.ErrTooManyHolds) {
		err = &Error{Exceeded, fmt.Sprintf("The account has %d holds, which is the most.", hold.Max)}
	}
	return want, err
}

// Release ends a hold and returns it. One that is not there is an *Error.
func (h *Holds) Release(ctx context.Context, account, id string) (out hold.Hold, err error) {
	err = h.change(ctx, account, func() error {
		out, err = h.store.ReleaseHold(ctx, account, id)
		return err
	})
	if errors.Is(err, store.ErrNoHold) {
		err = &Error{NotFound, fmt.Sprintf("There is no hold %.100q.", id)}
	}
	return out, err
}

// change changes the records, reads what is held then, and waits until every store obeys.
func (h *Holds) change(ctx context.Context, account string, do func() error) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	if _, err := h.set(account); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	all, err := h.store.Holds(context.WithoutCancel(ctx), account)
	h.mu.Lock()
	if err != nil {
		delete(h.sets, account) // what is held is not known: everything is
	} else {
		h.sets[account] = hold.NewSet(all)
	}
	h.mu.Unlock()
	for _, settle := range h.settle {
		settle()
	}
	return err
}

// Of are the holds of an account as its object store asks for them.
func (h *Holds) Of(account string) blob.Holds { return accountHolds{h, account} }

type accountHolds struct {
	holds   *Holds
	account string
}

// heldError is how a store refuses, in the words of S3's own.
func heldError(h hold.Hold) error {
	return &blob.HeldError{Message: "Access Denied because object protected by object lock. " +
		"The legal hold " + h.ID + " on " + h.String() + " keeps it until the hold is released (darkroom hold release)."}
}

// Object implements blob.Holds.
func (a accountHolds) Object(bucket, key string) error {
	s, err := a.holds.set(a.account)
	if err != nil {
		return err
	}
	if h, held := s.Object(bucket, key); held {
		return heldError(h)
	}
	return nil
}

// Bucket implements blob.Holds.
func (a accountHolds) Bucket(bucket string) error { return a.Under(bucket, "") }

// Under says whether all that begins with a prefix may be deleted.
func (a accountHolds) Under(bucket, prefix string) error {
	s, err := a.holds.set(a.account)
	if err != nil {
		return err
	}
	if h, held := s.Under(bucket, prefix); held {
		return heldError(h)
	}
	return nil
}

// Key says whether a key of the key service may be destroyed: not while it opens an object that is held. It looks at every object that is held.
func (h *Holds) Key(ctx context.Context, keyARN string) error {
	h.mu.RLock()
	sets, objects := h.sets, h.objects
	h.mu.RUnlock()
	if sets == nil {
		return errNotOpen
	}
	for account := range objects {
		set, err := h.set(account)
		if err != nil {
			return err
		}
		for _, on := range set.All() {
			if on.On != hold.Objects {
				continue
			}
			err := walk(ctx, objects[account], on.Bucket(), on.Prefix(), func(i blob.Info) error {
				if i.Encryption.Method == blob.SSEKMS && i.Encryption.KeyID == keyARN {
					return &blob.HeldError{Message: fmt.Sprintf("The key opens s3://%s/%s, which is under the legal hold %s: it cannot be deleted until the hold is released.", on.Bucket(), i.Key, on.ID)}
				}
				return nil
			})
			if err != nil && !errors.Is(err, blob.ErrNoSuchBucket) {
				return err
			}
		}
	}
	return nil
}

// walk calls f with what a store knows of each object of a bucket that begins with a prefix. Objects that go meanwhile are passed over.
func walk(ctx context.Context, s blob.Store, bucket, prefix string, f func(blob.Info) error) error {
	for after := ""; ; {
		page, err := s.List(ctx, bucket, blob.ListOptions{Prefix: prefix, StartAfter: after})
		if err != nil {
			return err
		}
		for _, listed := range page.Objects {
			i, err := s.Head(ctx, bucket, listed.Key, blob.Conditions{})
			switch {
			case errors.Is(err, blob.ErrNoSuchKey), errors.Is(err, blob.ErrKeyNeeded):
				continue // it is gone, or of a key that its writer has
			case err != nil:
				return err
			}
			i.Key = listed.Key
			if err := f(i); err != nil {
				return err
			}
		}
		if !page.Truncated {
			return nil
		}
		after = page.Next
	}
}

// maxNamed is how many objects an Opened names.
const maxNamed = 100

// Opened is what a key opens.
type Opened struct {
	Objects int64    `json:"objects"`
	Bytes   int64    `json:"bytes"`
	First   []string `json:"first,omitempty"` // some of them, as URIs
}

// OpenedBy says which objects of the embedded stores a key of the key service opens. It looks at every object there is.
func (h *Holds) OpenedBy(ctx context.Context, keyARN string) (out Opened, err error) {
	h.mu.RLock()
	objects := h.objects
	h.mu.RUnlock()
	for _, s := range objects {
		buckets, err := s.ListBuckets(ctx)
		if err != nil {
			return out, err
		}
		for _, b := range buckets {
			err := walk(ctx, s, b.Name, "", func(i blob.Info) error {
				if i.Encryption.Method != blob.SSEKMS || i.Encryption.KeyID != keyARN {
					return nil
				}
				out.Objects, out.Bytes = out.Objects+1, out.Bytes+i.Size
				if len(out.First) < maxNamed {
					out.First = append(out.First, "s3://"+b.Name+"/"+i.Key)
				}
				return nil
			})
			if err != nil && !errors.Is(err, blob.ErrNoSuchBucket) {
				return out, err
			}
		}
	}
	return out, nil
}

// Fault is a kind of refusal.
type Fault int

// The faults.
const (
	Invalid Fault = iota + 1
	NotFound
	Exceeded
	Held
	Conflict
)

// Error is a refusal that its caller is told.
type Error struct {
	Fault   Fault
	Message string
}

func (e *Error) Error() string { return e.Message }
