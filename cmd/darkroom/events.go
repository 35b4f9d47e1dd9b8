package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/event"
	"darkroom/internal/eventbus"
	"darkroom/internal/eventsapi"
	"darkroom/internal/secret"
	"darkroom/internal/target"
	"darkroom/internal/target/webhook"
)

// openEvents opens the event buses of the accounts and their API.
func (s *server) openEvents(master secret.Bytes, door *egress.Door, objects *objects) error {
	sealer, err := secret.NewSealer(master, "secrets of event connections", rand.Reader)
	if err != nil {
		return err
	}
	configured, err := openTargets(s.cfg, door)
	if err != nil {
		return err
	}
	var observe func(string, eventbus.Outcome)
	if m := s.watched.metrics; m != nil {
		observe = func(target string, o eventbus.Outcome) { m.EventDelivered(target, string(o)) }
	}
	s.bus, err = eventbus.New(eventbus.Options{
		Observe: observe, Retention: days(cmp.Or(s.cfg.Retention.EventDays, config.MaxRetentionDays)), DeadLetterBucket: s.cfg.Events.DeadLetterBucket != "",
		Accounts: accountIDs(s.cfg), Region: s.cfg.Region, Store: s.records, Sealer: sealer, Log: s.log, Record: s.did,
		Known: func(account, name string) error { return knownTarget(configured.Known(account, name), name) },
		Open: func(account string, to eventbus.Endpoint) (eventbus.Sender, error) {
			if to.Request != nil {
				return openDestination(door, to.Request)
			}
			if to.ARN == eventbus.DeadLetterBucket {
				return s.openDeadLetters(objects, account)
			}
			sender, format, err := configured.Open(account, to.ARN, to.MessageGroupID)
			return eventbus.Sender{Sender: sender, Message: format.Message}, err
		},
	})
	if err != nil {
		return err
	}
	s.events, err = eventsapi.New(eventsapi.Options{Bus: s.bus, Created: s.created})
	return err
}

// alert puts the event of an alert on the bus of its account: the main one where it does not say.
func (s *server) alert(ctx context.Context, e event.Event) error {
	account := e.Account
	if account == "" {
		account = s.cfg.Account
	}
	return s.bus.Put(ctx, account, []event.Event{e})
}

// knownTarget words why an account cannot send to an ARN: something that is not there, or a service that is not carried out.
func knownTarget(err error, name string) error {
	if err == nil {
		return nil
	}
	a, bad := arn.Parse(name)
	if bad == nil && slices.Contains([]string{"sqs", "sns", "events"}, a.Service) {
		return &eventbus.Error{Fault: eventbus.NotFound, Message: "Target " + name + " cannot be sent to: " + err.Error() + "."}
	}
	return &eventbus.Error{Fault: eventbus.Invalid, Message: "Parameter Arn is not valid. Reason: targets of the service " + a.Service + " are not carried out by this installation; allowed: sqs, sns, API destinations, and the targets of the configuration."}
}

// openDestination opens what sends to the web server of an API destination.
func openDestination(door *egress.Door, to *eventbus.Request) (eventbus.Sender, error) {
	// Whoever asks for the secret wipes what they are given.
	held := func() (secret.Bytes, error) { return secret.New(bytes.Clone(to.Secret.Reveal())), nil }
	credential := webhook.APIKey(to.Key, held)
	if to.Type == eventbus.Basic {
		credential = webhook.Basic(to.Key, held)
	}
	sender, err := webhook.New(webhook.Options{
		URL: to.URL, Method: to.Method, Transport: door.Client(egress.Webhook).Transport, Credential: credential, Header: to.Header, Now: time.Now,
	})
	if err != nil {
		return eventbus.Sender{}, &target.Refused{Reason: err.Error()}
	}
	return eventbus.Sender{Sender: sender, Message: target.EventBridge.Message}, nil
}
