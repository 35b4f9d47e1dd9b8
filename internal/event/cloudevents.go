package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// CloudEventType is the content type of a CloudEvent in structured mode ("JSON Event Format for CloudEvents - Version 1.0", section 3).
const CloudEventType = "application/cloudevents+json; charset=UTF-8"

// CloudEvent is an event in the words of CloudEvents 1.0.2. The extensions keep what the envelope of EventBridge says and CloudEvents has no word for.
type CloudEvent struct {
	SpecVersion     string          `json:"specversion"` // "1.0"
	ID              string          `json:"id"`          // of the event
	Source          string          `json:"source"`      // a URI reference: the source of the event, percent-encoded where it has to be
	Type            string          `json:"type"`        // the source and the detail type as one word: aws.mediaconvert.job_state_change
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time"` // RFC 3339
	DataContentType string          `json:"datacontenttype"`
	Account         string          `json:"account,omitempty"`    // extension
	Region          string          `json:"region,omitempty"`     // extension
	DetailType      string          `json:"detailtype,omitempty"` // extension: the detail type as it is
	Resources       string          `json:"resources,omitempty"`  // extension: the ARNs as a JSON array, since an attribute holds no list
	Data            json.RawMessage `json:"data"`
}

// NewCloudEvent says an event in the words of CloudEvents. data is what it carries, as JSON; nil is the event's detail.
func NewCloudEvent(e *Event, subject string, data []byte) CloudEvent {
	if data == nil {
		data = e.Detail
	}
	if len(data) == 0 {
		data = []byte("null")
	}
	c := CloudEvent{
		SpecVersion: "1.0", ID: e.ID, Source: reference(e.Source), Type: cloudType(e.Source, e.DetailType), Subject: plain(subject), Time: e.Time.UTC().Format(time.RFC3339Nano),
		DataContentType: "application/json", Account: plain(e.Account), Region: plain(e.Region), DetailType: plain(e.DetailType), Data: data,
	}
	if len(e.Resources) > 0 {
		if list, err := json.Marshal(e.Resources); err == nil { // strings always can be written
			c.Resources = plain(string(list))
		}
	}
	return c
}

// Structured returns the event as one JSON document.
func (c CloudEvent) Structured() ([]byte, error) { return encode(c) }

// Headers returns the attributes as header fields of binary mode, whose body is Data and whose Content-Type is DataContentType ("HTTP Protocol Binding for
// CloudEvents - Version 1.0.2", section 3.1).
func (c CloudEvent) Headers() map[string]string {
	h := map[string]string{}
	for _, a := range [][2]string{
		{"specversion", c.SpecVersion},
		{"id", c.ID},
		{"source", c.Source},
		{"type", c.Type},
		{"subject", c.Subject},
		{"time", c.Time},
		{"account", c.Account},
		{"region", c.Region},
		{"detailtype", c.DetailType},
		{"resources", c.Resources},
	} {
		if a[1] != "" {
			h["ce-"+a[0]] = fieldValue(a[1])
		}
	}
	return h
}

// fieldValue percent-encodes what a header field cannot carry: all but the printable characters of ASCII, and of those space, double quote and percent (section 3.1.3.2).
func fieldValue(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// plain leaves out what no attribute may hold ("CloudEvents - Version 1.0.2", section 3.2, String): control characters and what is no character. What is left of blanks
// alone is nothing, since an attribute is left out rather than empty.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == utf8.RuneError || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return -1
		}
		return r
	}, s)
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return s
}

// reference percent-encodes what a relative URI reference of one path segment cannot hold (RFC 3986 section 4.2: its first segment has no colon). Sources of EventBridge are
// mostly names such as aws.mediaconvert, which stay as they are; an empty one is "unknown", since a source is not empty.
func reference(source string) string {
	if source == "" {
		return "unknown"
	}
	var b strings.Builder
	for i := range len(source) {
		switch c := source[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~!$&'()*+,;=@/", c) >= 0 && !(c == '/' && i == 0):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// cloudType is one word for a source and a detail type. A detail type that begins with the name of its service does not repeat it.
func cloudType(source, detailType string) string {
	word := strings.Join(strings.FieldsFunc(strings.ToLower(detailType), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), "_")
	service := source[strings.LastIndexByte(source, '.')+1:]
	if rest, ok := strings.CutPrefix(word, strings.ToLower(service)+"_"); ok && service != "" {
		word = rest
	}
	switch whole := reference(source); {
	case word == "":
		return whole
	default:
		return whole + "." + word
	}
}
