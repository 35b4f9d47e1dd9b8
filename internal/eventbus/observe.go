package eventbus

import (
	"context"
	"strings"
	"time"
)

// Outcome is what became of an attempt to deliver.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered  Outcome = "delivered"
	OutcomeFailed     Outcome = "failed"      // to be tried again
	OutcomeRefused    Outcome = "refused"     // given up, and kept in the records
	OutcomeDeadLetter Outcome = "dead_letter" // given up, and gone to the dead letters
)

// typeDeadLetters is the type of a target that is not named by the service of an ARN.
const typeDeadLetters = "dead-letters"

// typeOf is the type of the target with an ARN: sqs, sns, api-destination, target.
func typeOf(name string) string {
	parts := strings.SplitN(name, ":", 6)
	if len(parts) < 6 {
		return typeDeadLetters
	}
	if parts[2] == "events" {
		kind, _, _ := strings.Cut(parts[5], "/")
		return kind
	}
	return parts[2]
}

// observe tells of an attempt.
func (s *Service) observe(p *prepared, o Outcome) {
	if s.o.Observe == nil {
		return
	}
	kind := typeDeadLetters
	if p != nil && p.target != nil {
		kind = typeOf(p.target.ARN)
	}
	s.o.Observe(kind, o)
}

// OldestDelivery is when the oldest event was enqueued, of those that are still to be delivered, by type of target.
func (s *Service) OldestDelivery(ctx context.Context) (map[string]time.Time, error) {
	waiting, err := s.o.Store.WaitingTargets(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for _, w := range waiting {
		kind, account, rule, id := openKey(w.Target)
		of := typeDeadLetters
		if kind == ofRule {
			v, err := s.views.View(ctx, account)
			if err != nil || v.rules[rule] == nil {
				continue // it is dropped when it is tried
			}
			t := v.rules[rule].find(id)
			if t == nil {
				continue
			}
			of = typeOf(t.ARN)
		}
		if first, ok := out[of]; !ok || w.Oldest.Before(first) {
			out[of] = w.Oldest
		}
	}
	return out, nil
}
