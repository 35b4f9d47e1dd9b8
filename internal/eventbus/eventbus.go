// Package eventbus is the event bus of each account, as Amazon EventBridge has one: rules that choose events by patterns, the targets that they send them to, and
// the dispatcher that delivers from the outbox of the records.
//
// Each account has the bus "default" and no other; events never leave their account. What happens is: an event is committed to the outbox with the change that it
// tells of. The dispatcher moves it, in one transaction, to one delivery for each target of each rule that it matches. A delivery is tried until the target has
// taken it, or its rule's retry policy ends; then it moves, in one transaction, to the dead letters. So each target is sent each event at least once, and what a
// crash interrupts goes on at the next start. The deliveries of one job to one target are made in order, one after another; others do not wait for them.
//
// Sources of rules and texts: Amazon EventBridge API Reference and User Guide.
package eventbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
	"darkroom/internal/event"
	"darkroom/internal/registry"
	"darkroom/internal/store"
	"darkroom/internal/target"
)

// Default is the name of the one event bus of an account.
const Default = "default"

// Quotas of an account, as EventBridge's are by default.
const (
	MaxRules        = 300
	MaxTargets      = 5 // of a rule
	MaxConnections  = 3000
	MaxDestinations = 3000
	MaxTags         = 50 // of a rule
	// MaxEvent is how many bytes an event may have (PutEvents, "Calculating PutEvents event entry size").
	MaxEvent = 256 << 10
)

// Fault is what is wrong with a request.
type Fault int

// The faults, with the names that EventBridge gives them.
const (
	Invalid    Fault = iota + 1 // ValidationException
	NotFound                    // ResourceNotFoundException
	Exists                      // ResourceAlreadyExistsException
	Exceeded                    // LimitExceededException
	BadPattern                  // InvalidEventPatternException
)

// Error is a refusal.
type Error struct {
	Fault   Fault
	Message string
}

func (e *Error) Error() string { return e.Message }

func fault(f Fault, format string, args ...any) error { return &Error{f, fmt.Sprintf(format, args...)} }

func invalid(format string, args ...any) error { return fault(Invalid, format, args...) }

// Sealer protects the secrets of connections at rest. Additional data binds each to its place.
type Sealer interface {
	Seal(aad, plaintext []byte) ([]byte, error)
	Open(aad, sealed []byte) ([]byte, error)
}

// Store is what is needed of the records.
type Store interface {
	store.Registries
	store.Deliveries
	Events(ctx context.Context, after int64, limit int) ([]store.Event, error)
	EventsGrown() <-chan struct{}
}

// Sender sends to one endpoint.
type Sender struct {
	target.Sender
	// Message makes what is sent of an event; input is what the rule makes of it, nil for the event itself. The same event gives the same message.
	Message func(e *event.Event, subject string, input []byte) (target.Message, error)
}

// Options are what a Service works with. All but DeadLetterBucket, Record, Observe, Retention, Now, Backoff and Log are needed.
type Options struct {
	Accounts []string
	Region   string
	Store    Store
	Sealer   Sealer
	// Known says whether a rule of an account may send to an ARN that is none of an API destination: nil, *Error, or why it cannot be known.
	Known func(account, name string) error
	// Open opens what sends to an endpoint. It is closed when the endpoint changes, and when nothing was sent for a while.
	Open func(account string, to Endpoint) (Sender, error)
	// DeadLetterBucket says that Open knows the endpoint DeadLetterBucket: for what no other dead letters take.
	DeadLetterBucket bool
	// Record writes down what became of an event that its target did not take. Nil: nobody does.
	Record func(ctx context.Context, e audit.ServiceEvent) error
	// Observe hears of each attempt to deliver, by type of target and outcome. Nil: nobody does.
	Observe func(targetType string, o Outcome)
	// Retention is how long it is kept what became of deliveries; 0 means DefaultRetention.
	Retention time.Duration
	Now       func() time.Time                 // nil means time.Now
	Backoff   func(attempts int) time.Duration // how long to wait after so many failed attempts; nil means the default
	Log       *slog.Logger                     // nil: nothing is logged
}

// DefaultRetention is how long it is kept what became of a delivery, and the event of one that failed.
const DefaultRetention = 7 * 24 * time.Hour

// Service is the event buses of all accounts. It is safe for concurrent use.
type Service struct {
	o     Options
	views *registry.Views[*view]
	now   func() time.Time
	log   *slog.Logger

	mu       sync.Mutex // guards what follows; held for look-ups and assignments only
	runners  map[string]*runner
	asked    map[string]bool          // targets that a runner is to be started for
	waiting  map[string]int           // deliveries by target
	limiters map[string]*rate.Limiter // of API destinations, by ARN

	work chan struct{} // has room for one: asked has something
}

// New returns a service. Nothing is read, and nothing sent before Run.
func New(o Options) (*Service, error) {
	if o.Region == "" || o.Store == nil || o.Sealer == nil || o.Known == nil || o.Open == nil {
		return nil, errors.New("an event bus needs Region, Store, Sealer, Known and Open")
	}
	s := &Service{
		o: o, now: o.Now, log: o.Log, runners: map[string]*runner{}, asked: map[string]bool{}, waiting: map[string]int{},
		limiters: map[string]*rate.Limiter{}, work: make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.o.Retention == 0 {
		s.o.Retention = DefaultRetention
	}
	if s.o.Backoff == nil {
		s.o.Backoff = backoff
	}
	var err error
	s.views, err = registry.New(registry.Options[*view]{Name: registryName, Accounts: o.Accounts, Store: o.Store, Read: s.read, Now: o.Now})
	return s, err
}

// ARN names a resource of an account: event-bus/default, rule/NAME.
func (s *Service) ARN(account, resource string) string {
	return arn.ARN{Partition: "aws", Service: "events", Region: s.o.Region, Account: account, Resource: resource}.String()
}

// Bus refuses every event bus but the default one of the account: by its name, its ARN, or an empty name.
func (s *Service) Bus(account, name string) error {
	if name == "" || name == Default || name == s.ARN(account, "event-bus/"+Default) {
		return nil
	}
	return fault(NotFound, "Event bus %s does not exist.", name)
}

// Put puts events on the bus of an account. They are durable when it returns, with the record of the request that ctx carries, and are delivered after. What is
// empty of ID, Version, Time, Account and Region is filled in; an event of another account is refused.
func (s *Service) Put(ctx context.Context, account string, events []event.Event) error {
	if _, err := s.views.View(ctx, account); err != nil {
		return err
	}
	now := s.now()
	out := make([]store.Event, 0, len(events))
	for i := range events {
		e := &events[i]
		switch {
		case e.Account != "" && e.Account != account:
			return invalid("An event of account %s cannot be put on the bus of account %s.", e.Account, account)
		case e.Region != "" && e.Region != s.o.Region:
			return invalid("An event of Region %s cannot be put on a bus of Region %s.", e.Region, s.o.Region)
		case e.Source == "" || e.DetailType == "":
			return invalid("An event has a source and a detail type.")
		}
		if e.ID == "" {
			e.ID = audit.NewID()
		}
		if e.Time.IsZero() {
			e.Time = now
		}
		e.Version, e.Account, e.Region, e.Time = "0", account, s.o.Region, e.Time.UTC().Truncate(time.Second)
		if text, err := event.Encode(e); err != nil {
			return invalid("The detail of an event is not JSON.")
		} else if len(text) > MaxEvent {
			return invalid("An event is longer than %d bytes.", MaxEvent)
		}
		out = append(out, store.Event{ID: e.ID, Account: account, Source: e.Source, DetailType: e.DetailType, Resources: e.Resources, Time: e.Time, Detail: e.Detail})
	}
	return s.o.Store.Emit(ctx, now, out...)
}

// envelope is an event of the outbox as it is sent.
func (s *Service) envelope(e *store.Event) event.Event {
	out := event.Event{
		Version: "0", ID: e.ID, DetailType: e.DetailType, Source: e.Source, Account: e.Account, Time: e.Time.UTC().Truncate(time.Second), Region: s.o.Region,
		Resources: append([]string{}, e.Resources...), Detail: e.Detail,
	}
	if out.ID == "" {
		out.ID = audit.NewID()
	}
	if e.Source == "" {
		out.Source, out.DetailType = event.Source, event.JobStateChange
		out.Resources = []string{arn.MediaConvert(s.o.Region, e.Account, "jobs/"+e.JobID)}
	}
	return out
}
