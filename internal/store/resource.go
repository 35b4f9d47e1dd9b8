package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Errors of resources.
var (
	ErrNoResource = errors.New("there is no resource of that name")
	ErrExists     = errors.New("a resource of that name exists")
	// ErrInUse says that a queue holds jobs that are not finished.
	ErrInUse = errors.New("the queue holds unfinished jobs")
)

// Kind is a kind of resource.
type Kind string

// The kinds.
const (
	Queue       Kind = "queue"
	Preset      Kind = "preset"
	JobTemplate Kind = "jobTemplate"
	Policy      Kind = "policy"    // one for each account, with an empty name
	JobsQuery   Kind = "jobsQuery" // by its id
	Share       Kind = "share"     // by the job's id
)

// Resource is something of an account that has a name. The store orders and finds resources and reads no document.
type Resource struct {
	Account  string
	Kind     Kind
	Name     string
	Category string // of presets and templates; "" for none
	Document json.RawMessage
	Tags     map[string]string
	Created  time.Time
	Updated  time.Time
	// Queue is how jobs of a queue are given out; the zero value is an active on-demand queue. It stands here because claims obey it.
	Queue QueueRules
}

// QueueRules is how the jobs of a queue are given out.
type QueueRules struct {
	ARN    string // of the queue, as jobs name it
	Paused bool
	// Concurrent is how many jobs may progress at the same time: reserved slots, or concurrentJobs of an on-demand queue. 0 is no limit of
	// the queue's own.
	Concurrent int
}

// ResourceOrder is how a list is ordered.
type ResourceOrder string

// The orders.
const (
	ByName    ResourceOrder = "NAME"
	ByCreated ResourceOrder = "CREATION_DATE"
)

// ResourceQuery selects resources of one account and kind, a page at a time.
type ResourceQuery struct {
	Account    string
	Kind       Kind
	Category   string // "" for every category
	Order      ResourceOrder
	Descending bool
	After      string // the name of the last one of the page before; "" for the first page
	Limit      int    // at least 1
}

// Resources keeps resources. A change and its audit are durable when the method has returned.
type Resources interface {
	// CreateResource records a new resource; ErrExists. most is how many of the kind (in whose document the caller counts) the account may
	// have; 0 is no bound. ErrQuota.
	CreateResource(ctx context.Context, r *Resource, most int) error
	// GetResource returns ErrNoResource where there is none.
	GetResource(ctx context.Context, account string, kind Kind, name string) (*Resource, error)
	// ChangeResource reads, changes and records a resource in one transaction; an error of change is returned and nothing is recorded.
	ChangeResource(ctx context.Context, account string, kind Kind, name string, change func(*Resource) error) (*Resource, error)
	// DeleteResource forgets a resource; ErrNoResource. A queue with unfinished jobs stays: ErrInUse.
	DeleteResource(ctx context.Context, account string, kind Kind, name string) error
	// ListResources returns a page; that there are none is no error. The position After need not exist any more.
	ListResources(ctx context.Context, q ResourceQuery) ([]*Resource, error)
}

// ErrQuota says that the account has as many resources of the kind as it may.
var ErrQuota = errors.New("the account has as many resources of the kind as it may have")
