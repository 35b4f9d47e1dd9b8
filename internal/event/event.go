// Package event is the event of Amazon EventBridge: its envelope, and the states of a MediaConvert job that it tells of ("Events and event patterns" of the Amazon
// EventBridge User Guide; "MediaConvert EventBridge events" of the AWS Elemental MediaConvert User Guide).
package event

import (
	"bytes"
	"encoding/json"
	"time"
)

// The source and the detail type of MediaConvert's events.
const (
	Source         = "aws.mediaconvert"
	JobStateChange = "MediaConvert Job State Change"
)

// Event is one event as it is sent.
type Event struct {
	Version    string          `json:"version"` // "0"
	ID         string          `json:"id"`      // a UUID; the same at every attempt to deliver it
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       time.Time       `json:"time"` // UTC, in whole seconds
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"` // ARNs
	Detail     json.RawMessage `json:"detail"`
}

// JSON returns the event in its envelope, on one line. The same event gives the same bytes.
func (e Event) JSON() ([]byte, error) { return encode(e) }

// encode writes JSON as it is read: without the escapes that HTML would need.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	if err := to.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
