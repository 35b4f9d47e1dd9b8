package target

import (
	"fmt"

	"darkroom/internal/event"
)

// Format is what the body of a message is.
type Format string

// The formats.
const (
	EventBridge       Format = "eventbridge"        // the event in the envelope of EventBridge
	CloudEvents       Format = "cloudevents"        // CloudEvents 1.0 in structured mode
	CloudEventsBinary Format = "cloudevents-binary" // CloudEvents 1.0 in binary mode: the attributes in header fields, the detail in the body; for webhooks
)

// Formats are all of them. No format is the first.
var Formats = []Format{EventBridge, CloudEvents, CloudEventsBinary}

// JSON is the content type of a body in the envelope of EventBridge, as API destinations of EventBridge are sent it.
const JSON = "application/json; charset=utf-8"

// Message is the first attempt to deliver an event. The same event gives the same message. subject is whose messages are in order. input is what a rule makes of the event
// (Input, InputPath, InputTransformer): it takes the place of the whole event, and in a CloudEvent that of the detail; nil is no such thing.
func (f Format) Message(e *event.Event, subject string, input []byte) (Message, error) {
	m := Message{ID: e.ID, Time: e.Time, Subject: subject, ContentType: JSON, Body: input, Attempt: 1}
	var err error
	switch f {
	case EventBridge, "":
		if input == nil {
			if m.Body, err = e.JSON(); err != nil {
				return Message{}, fmt.Errorf("write an event: %w", err)
			}
		}
	case CloudEvents:
		m.ContentType = event.CloudEventType
		if m.Body, err = event.NewCloudEvent(e, subject, input).Structured(); err != nil {
			return Message{}, fmt.Errorf("write an event as a CloudEvent: %w", err)
		}
	case CloudEventsBinary:
		c := event.NewCloudEvent(e, subject, input)
		m.ContentType, m.Header, m.Body = c.DataContentType, c.Headers(), c.Data
	default:
		return Message{}, fmt.Errorf("format %q is not known", f)
	}
	return m, nil
}
