package eventsapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"darkroom/internal/audit"
	"darkroom/internal/event"
	"darkroom/internal/eventbus"
	"darkroom/internal/eventpattern"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
)

// maxDetailType is how many characters a detail type may have.
const maxDetailType = 128

// checkPutEvents asks for each source with each detail type, of which conditions speak.
func (s *server) checkPutEvents(_ context.Context, p iam.Principal, in *sdk.PutEventsInput) ([]iam.Check, error) {
	var checks []iam.Check
	seen := map[[2]string]bool{}
	for i := range in.Entries {
		e := &in.Entries[i]
		kind := [2]string{value(e.Source), value(e.DetailType)}
		if seen[kind] {
			continue
		}
		seen[kind] = true
		c := iam.Check{Action: "events:PutEvents", Resource: s.bus.ARN(p.Account, "event-bus/"+eventbus.Default)}
		if e.Source != nil {
			c.Context.Set("events:source", *e.Source)
		}
		if e.DetailType != nil {
			c.Context.Set("events:detail-type", *e.DetailType)
		}
		checks = append(checks, c)
	}
	if len(checks) == 0 {
		checks = []iam.Check{{Action: "events:PutEvents", Resource: s.bus.ARN(p.Account, "event-bus/"+eventbus.Default)}}
	}
	return checks, nil
}

// putEvents puts what is good on the bus, in one transaction, and says of each of the others why it is not.
func (s *server) putEvents(ctx context.Context, p iam.Principal, in *sdk.PutEventsInput) (any, error) {
	if in.EndpointId != nil {
		return nil, unoffered("EndpointId")
	}
	size, usable := 0, 0
	for i := range in.Entries {
		e := &in.Entries[i]
		size += entrySize(e)
		if value(e.Source) != "" && value(e.DetailType) != "" && e.Detail != nil {
			usable++
		}
	}
	switch {
	case size > eventbus.MaxEvent:
		return nil, invalid("Total size of the entries in the request is over the limit.")
	case usable == 0:
		return nil, invalid("Detail, DetailType, and Source are required of each entry, and no entry has all of them.")
	}
	out := &sdk.PutEventsOutput{Entries: make([]types.PutEventsResultEntry, len(in.Entries))}
	var events []event.Event
	for i := range in.Entries {
		e, code, message := s.eventOf(p, &in.Entries[i])
		if code != "" {
			out.FailedEntryCount++
			out.Entries[i] = types.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &message}
			continue
		}
		events = append(events, e)
		out.Entries[i] = types.PutEventsResultEntry{EventId: &e.ID}
	}
	if len(events) == 0 {
		return out, nil
	}
	return out, refusal(s.bus.Put(ctx, p.Account, events))
}

// entrySize is the size of an entry as it is limited (EventBridge User Guide, "Calculating PutEvents event entry size").
func entrySize(e *types.PutEventsRequestEntry) int {
	n := len(value(e.Source)) + len(value(e.DetailType)) + len(value(e.Detail))
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// eventOf reads an entry; code is not empty for one that cannot be put.
func (s *server) eventOf(p iam.Principal, in *types.PutEventsRequestEntry) (e event.Event, code, message string) {
	bad := func(member, reason string) (event.Event, string, string) {
		return event.Event{}, "InvalidArgument", "Parameter " + member + " is not valid. Reason: " + reason
	}
	switch {
	case value(in.Source) == "":
		return bad("Source", "Source is a required argument.")
	case value(in.DetailType) == "":
		return bad("DetailType", "DetailType is a required argument.")
	case in.Detail == nil:
		return bad("Detail", "Detail is a required argument.")
	case len([]rune(*in.DetailType)) > maxDetailType:
		return bad("DetailType", "it may have at most 128 characters.")
	case in.TraceHeader != nil:
		return bad("TraceHeader", "this installation does not carry it out.")
	}
	// Events that begin so come from the services themselves: nobody else may say that they do.
	for _, own := range []string{"aws.", "darkroom."} {
		if strings.HasPrefix(strings.ToLower(*in.Source), own) {
			return event.Event{}, "NotAuthorizedForSourceException", "Not authorized for the source."
		}
	}
	if err := s.bus.Bus(p.Account, value(in.EventBusName)); err != nil {
		return event.Event{}, "InvalidArgument", err.Error()
	}
	var detail map[string]json.RawMessage
	if err := json.Unmarshal([]byte(*in.Detail), &detail); err != nil || detail == nil {
		return event.Event{}, "MalformedDetail", "Detail is malformed."
	}
	e = event.Event{ID: audit.NewID(), Source: *in.Source, DetailType: *in.DetailType, Resources: in.Resources, Detail: json.RawMessage(*in.Detail)}
	if in.Time != nil {
		e.Time = *in.Time
	}
	text, err := event.Encode(e)
	if err == nil {
		_, err = eventpattern.ReadEvent(text)
	}
	if err != nil {
		return event.Event{}, "MalformedDetail", "Detail is malformed."
	}
	return e, "", ""
}

// required are the members that TestEventPattern asks of an event.
var required = []string{"id", "account", "source", "time", "region", "resources", "detail-type"}

func (s *server) testPattern(_ context.Context, _ iam.Principal, in *sdk.TestEventPatternInput) (any, error) {
	pattern, err := eventpattern.Parse(*in.EventPattern)
	if err != nil {
		return nil, jsonapi.Errorf(http.StatusBadRequest, "InvalidEventPatternException", "%s", err.Error())
	}
	e, err := eventpattern.ReadEvent([]byte(*in.Event))
	if err != nil {
		return nil, invalid("Parameter Event is not valid. Reason: %v.", err)
	}
	have, _ := e.Root().(map[string]any)
	for _, name := range required {
		if _, ok := have[name]; !ok {
			return nil, invalid("Parameter Event is not valid. Reason: %s is a required member.", name)
		}
	}
	return &sdk.TestEventPatternOutput{Result: pattern.Match(e)}, nil
}

func (s *server) checkDescribeBus(_ context.Context, p iam.Principal, in *sdk.DescribeEventBusInput) ([]iam.Check, error) {
	name := eventbus.Default
	if in.Name != nil {
		name = *in.Name
		if rest, ok := s.nameOf(p, name, "event-bus/"); ok {
			name = rest
		}
	}
	return s.on(p, "DescribeEventBus", "event-bus/", &name), nil
}

func (s *server) describeBus(_ context.Context, p iam.Principal, in *sdk.DescribeEventBusInput) (any, error) {
	if err := s.bus.Bus(p.Account, value(in.Name)); err != nil {
		return nil, refusal(err)
	}
	return &sdk.DescribeEventBusOutput{Name: ptr(eventbus.Default), Arn: ptr(s.bus.ARN(p.Account, "event-bus/"+eventbus.Default)), CreationTime: &s.created, LastModifiedTime: &s.created}, nil
}

func (s *server) listBuses(_ context.Context, p iam.Principal, in *sdk.ListEventBusesInput) (any, error) {
	out := &sdk.ListEventBusesOutput{EventBuses: []types.EventBus{}}
	all := []string{eventbus.Default}
	if !strings.HasPrefix(eventbus.Default, value(in.NamePrefix)) {
		all = nil
	}
	found, next, err := page(all, func(name string) string { return name }, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	for _, name := range found {
		out.EventBuses = append(out.EventBuses, types.EventBus{Name: &name, Arn: ptr(s.bus.ARN(p.Account, "event-bus/"+name)), CreationTime: &s.created, LastModifiedTime: &s.created})
	}
	out.NextToken = next
	return out, nil
}
