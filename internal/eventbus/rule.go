package eventbus

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/eventpattern"
	"darkroom/internal/registry"
	"darkroom/internal/store"
)

// The registry, and the kinds of its entries.
const (
	registryName    = "events"
	kindRule        = "rule"
	kindConnection  = "connection"
	kindDestination = "destination"
)

// Rule chooses events of the bus, and says where they go. It is not changed: a change makes another.
type Rule struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Pattern     string            `json:"pattern"` // as it was put
	Disabled    bool              `json:"disabled,omitempty"`
	RoleARN     string            `json:"role,omitempty"` // kept, and nothing more
	Tags        map[string]string `json:"tags,omitempty"`
	Targets     []Target          `json:"targets,omitempty"` // in the order of their ids
	Created     time.Time         `json:"created"`

	pattern *eventpattern.Pattern
}

// Target is where a rule sends events.
type Target struct {
	ID      string `json:"id"`
	ARN     string `json:"arn"`
	RoleARN string `json:"role,omitempty"` // kept, and nothing more
	// At most one of the three says what is sent instead of the event.
	Input       *string      `json:"input,omitempty"`     // JSON
	InputPath   *string      `json:"inputPath,omitempty"` // the part of the event
	Transformer *Transformer `json:"transformer,omitempty"`

	Retries        *int   `json:"retries,omitempty"` // nil means DefaultRetries
	MaxAge         *int   `json:"maxAge,omitempty"`  // in seconds; nil means DefaultMaxAge
	DeadLetterARN  string `json:"deadLetter,omitempty"`
	MessageGroupID string `json:"messageGroup,omitempty"` // of a FIFO queue
	HTTP           *HTTP  `json:"http,omitempty"`         // of an API destination
	// Gone says that the target said so: nothing is sent to it until it is put anew.
	Gone bool `json:"gone,omitempty"`
}

// Defaults of the retry policy of a target, and their bounds.
const (
	DefaultRetries = 185
	DefaultMaxAge  = 24 * time.Hour
)

// HTTP is what a target adds to the request of an API destination.
type HTTP struct {
	Path   []string          `json:"path,omitempty"` // what the asterisks of the URL stand for
	Header map[string]string `json:"header,omitempty"`
	Query  map[string]string `json:"query,omitempty"`
}

func (t *Target) retries() int {
	if t.Retries != nil {
		return *t.Retries
	}
	return DefaultRetries
}

func (t *Target) maxAge() time.Duration {
	if t.MaxAge != nil {
		return time.Duration(*t.MaxAge) * time.Second
	}
	return DefaultMaxAge
}

// find returns a target of a rule.
func (r *Rule) find(id string) *Target {
	for i := range r.Targets {
		if r.Targets[i].ID == id {
			return &r.Targets[i]
		}
	}
	return nil
}

// view is what an account has.
type view struct {
	rules        map[string]*Rule
	connections  map[string]*Connection
	destinations map[string]*Destination
}

func (v *view) clone() *view {
	return &view{maps.Clone(v.rules), maps.Clone(v.connections), maps.Clone(v.destinations)}
}

// read makes the view of the records of an account.
func (s *Service) read(_ string, _ int64, entries []store.Entry) (*view, error) {
	v := &view{map[string]*Rule{}, map[string]*Connection{}, map[string]*Destination{}}
	for _, e := range entries {
		var err error
		switch e.Kind {
		case kindRule:
			r := new(Rule)
			if err = json.Unmarshal(e.Record, r); err == nil {
				r.pattern, err = eventpattern.Parse(r.Pattern)
			}
			v.rules[e.ID] = r
		case kindConnection:
			c := new(Connection)
			err = json.Unmarshal(e.Record, c)
			v.connections[e.ID] = c
		case kindDestination:
			d := new(Destination)
			err = json.Unmarshal(e.Record, d)
			v.destinations[e.ID] = d
		}
		if err != nil {
			return nil, fmt.Errorf("read the record of %s %s: %w", e.Kind, e.ID, err)
		}
	}
	return v, nil
}

type change = registry.Change[*view]

// put is the change that keeps a thing.
func put[T any](v *view, kind, name string, thing *T, in func(*view) map[string]*T) (change, error) {
	text, err := json.Marshal(thing)
	if err != nil {
		return change{}, err
	}
	return change{Put: []store.Entry{{Kind: kind, ID: name, Record: text}}, Next: func(int64) *view {
		next := v.clone()
		in(next)[name] = thing
		return next
	}}, nil
}

// drop is the change that forgets a thing.
func drop[T any](v *view, kind, name string, in func(*view) map[string]*T) change {
	return change{Drop: []store.Entry{{Kind: kind, ID: name}}, Next: func(int64) *view {
		next := v.clone()
		delete(in(next), name)
		return next
	}}
}

func rules(v *view) map[string]*Rule { return v.rules }

// byName returns things in the order of their names.
func byName[T any](m map[string]*T) []*T {
	out := make([]*T, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[name])
	}
	return out
}

func (v *view) rule(name string) (*Rule, error) {
	if r := v.rules[name]; r != nil {
		return r, nil
	}
	return nil, fault(NotFound, "Rule %s does not exist on EventBus %s.", name, Default)
}

// Rule returns a rule of an account. The error is an *Error, or says that it cannot be known now.
func (s *Service) Rule(ctx context.Context, account, name string) (*Rule, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return v.rule(name)
}

// Rules returns the rules of an account in the order of their names.
func (s *Service) Rules(ctx context.Context, account string) ([]*Rule, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return byName(v.rules), nil
}

// PutRule keeps a rule, or changes the one of its name: all but its targets, its tags and when it was made.
func (s *Service) PutRule(ctx context.Context, account string, r Rule) error {
	var err error
	if r.pattern, err = eventpattern.Parse(r.Pattern); err != nil {
		return fault(BadPattern, "%s", err.Error())
	}
	if len(r.Tags) > MaxTags {
		return invalid("A rule can have at most %d tags.", MaxTags)
	}
	return s.views.Change(ctx, account, func(v *view) (change, error) {
		next := r
		next.Created = s.now().UTC()
		if old := v.rules[r.Name]; old != nil {
			next.Targets, next.Tags, next.Created = old.Targets, old.Tags, old.Created
		} else if len(v.rules) >= MaxRules {
			return change{}, fault(Exceeded, "The requested resource exceeds the maximum number allowed: %d rules on an event bus.", MaxRules)
		}
		return put(v, kindRule, r.Name, &next, rules)
	})
}

// changeRule changes a copy of a rule.
func (s *Service) changeRule(ctx context.Context, account, name string, do func(*Rule) error) error {
	return s.views.Change(ctx, account, func(v *view) (change, error) {
		old, err := v.rule(name)
		if err != nil {
			return change{}, err
		}
		next := *old
		next.Targets, next.Tags = slices.Clone(old.Targets), maps.Clone(old.Tags)
		if err := do(&next); err != nil {
			return change{}, err
		}
		return put(v, kindRule, name, &next, rules)
	})
}

// EnableRule switches a rule on or off.
func (s *Service) EnableRule(ctx context.Context, account, name string, on bool) error {
	return s.changeRule(ctx, account, name, func(r *Rule) error {
		r.Disabled = !on
		return nil
	})
}

// DeleteRule forgets a rule that has no targets. One that is not there is no error, as in EventBridge.
func (s *Service) DeleteRule(ctx context.Context, account, name string) error {
	return s.views.Change(ctx, account, func(v *view) (change, error) {
		r := v.rules[name]
		switch {
		case r == nil:
			return change{}, nil
		case len(r.Targets) > 0:
			return change{}, invalid("Rule can't be deleted since it has targets.")
		}
		return drop(v, kindRule, name, rules), nil
	})
}

// TagRule adds tags to a rule, or changes them, and takes others away.
func (s *Service) TagRule(ctx context.Context, account, name string, add map[string]string, remove []string) error {
	return s.changeRule(ctx, account, name, func(r *Rule) error {
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		maps.Copy(r.Tags, add)
		for _, k := range remove {
			delete(r.Tags, k)
		}
		if len(r.Tags) > MaxTags {
			return invalid("A rule can have at most %d tags.", MaxTags)
		}
		return nil
	})
}

// Failed is a target that was not put or removed, and why.
type Failed struct{ ID, Code, Message string }

// PutTargets adds targets to a rule, or changes those of their ids. Those whose endpoint is not there are not put and returned; any other fault refuses all.
func (s *Service) PutTargets(ctx context.Context, account, name string, targets []Target) ([]Failed, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	if _, err := v.rule(name); err != nil {
		return nil, err
	}
	var failed []Failed
	var good []Target
	for i := range targets {
		t := &targets[i]
		if slices.ContainsFunc(targets[:i], func(o Target) bool { return o.ID == t.ID }) {
			return nil, invalid("The target id %s is given more than once.", t.ID)
		}
		if err := t.check(); err != nil {
			return nil, err
		}
		err := s.known(v, account, t)
		if e, ok := err.(*Error); ok && e.Fault == NotFound { //nolint:errorlint // as known returns it
			failed = append(failed, Failed{t.ID, "ResourceNotFoundException", e.Message})
			continue
		}
		if err != nil {
			return nil, err
		}
		good = append(good, *t)
	}
	if len(good) == 0 {
		return failed, nil
	}
	var changed []string
	err = s.changeRule(ctx, account, name, func(r *Rule) error {
		changed = changed[:0]
		for _, t := range good {
			t.Gone = false
			if old := r.find(t.ID); old != nil {
				*old = t
			} else {
				r.Targets = append(r.Targets, t)
			}
			changed = append(changed, ruleKey(account, name, t.ID))
		}
		if len(r.Targets) > MaxTargets {
			return fault(Exceeded, "The requested resource exceeds the maximum number allowed: %d targets of a rule.", MaxTargets)
		}
		slices.SortFunc(r.Targets, func(a, b Target) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	if err == nil {
		for _, key := range changed {
			s.poke(key) // what waited for the old one may go to the new one
		}
	}
	return failed, err
}

// check refuses a target that says what cannot be done.
func (t *Target) check() error {
	n := 0
	if t.Input != nil {
		n++
		if !json.Valid([]byte(*t.Input)) {
			return invalid("Parameter Input of target %s is not valid. Reason: JSON syntax error in input for target %s.", t.ID, t.ID)
		}
	}
	if t.InputPath != nil {
		n++
		if _, err := parsePath(*t.InputPath); err != nil {
			return invalid("Parameter InputPath of target %s is not valid. Reason: %v.", t.ID, err)
		}
	}
	if t.Transformer != nil {
		n++
		if err := t.Transformer.check(); err != nil {
			return invalid("Parameter InputTransformer of target %s is not valid. Reason: %v.", t.ID, err)
		}
	}
	if n > 1 {
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", t.ID)
	}
	if t.DeadLetterARN != "" {
		if a, err := arn.Parse(t.DeadLetterARN); err != nil || a.Service != "sqs" {
			return invalid("Parameter DeadLetterConfig.Arn of target %s is not valid. Reason: %q is not the ARN of an SQS queue.", t.ID, t.DeadLetterARN)
		}
	}
	return nil
}

// known refuses a target whose endpoints cannot be sent to.
func (s *Service) known(v *view, account string, t *Target) error {
	a, err := arn.Parse(t.ARN)
	if err != nil {
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", t.ARN)
	}
	if a.Account != account {
		return invalid("Parameter Arn of target %s is not valid. Reason: events of account %s stay in the account, and %s is in another.", t.ID, account, t.ARN)
	}
	isHTTP := a.Service == "events" && strings.HasPrefix(a.Resource, "api-destination/")
	if t.HTTP != nil && !isHTTP {
		return invalid("Parameter HttpParameters of target %s is not valid. Reason: only an API destination has it.", t.ID)
	}
	fifo := a.Service == "sqs" && strings.HasSuffix(a.Resource, ".fifo")
	switch {
	case t.MessageGroupID != "" && !fifo:
		return invalid("Parameter SqsParameters of target %s is not valid. Reason: %s is not a FIFO queue.", t.ID, t.ARN)
	case t.MessageGroupID == "" && fifo:
		return invalid("Parameter SqsParameters of target %s is not valid. Reason: %s is a FIFO queue and needs a MessageGroupId.", t.ID, t.ARN)
	}
	if isHTTP {
		d := v.destinationOf(t.ARN)
		if d == nil {
			return fault(NotFound, "API destination %s does not exist.", t.ARN)
		}
		_, err = d.url(t.HTTP)
	} else {
		err = s.o.Known(account, t.ARN)
	}
	if err == nil && t.DeadLetterARN != "" {
		if d, _ := arn.Parse(t.DeadLetterARN); d.Account != account {
			return invalid("Parameter DeadLetterConfig.Arn of target %s is not valid. Reason: events of account %s stay in the account.", t.ID, account)
		}
		err = s.o.Known(account, t.DeadLetterARN)
	}
	return err
}

// RemoveTargets takes targets away from a rule; what waits for them is dropped. Those that are not there are returned.
func (s *Service) RemoveTargets(ctx context.Context, account, name string, ids []string) (failed []Failed, err error) {
	err = s.changeRule(ctx, account, name, func(r *Rule) error {
		failed = nil
		for _, id := range ids {
			if r.find(id) == nil {
				failed = append(failed, Failed{id, "ResourceNotFoundException", fmt.Sprintf("Rule %s does not have a target with the id %s.", name, id)})
			}
		}
		r.Targets = slices.DeleteFunc(r.Targets, func(t Target) bool { return slices.Contains(ids, t.ID) })
		return nil
	})
	if err == nil {
		for _, id := range ids {
			s.poke(ruleKey(account, name, id))
		}
	}
	return failed, err
}

// gone notes that a target takes nothing any more.
func (s *Service) gone(ctx context.Context, account, name string, was *Target) error {
	return s.changeRule(ctx, account, name, func(r *Rule) error {
		if t := r.find(was.ID); t != nil && t.ARN == was.ARN {
			t.Gone = true
		}
		return nil
	})
}
