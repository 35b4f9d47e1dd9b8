package event

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
)

func sample() *Event {
	return &Event{
		Version: "0", ID: "11111111-2222-4333-8444-555555555555", DetailType: JobStateChange, Source: Source, Account: "111122223333",
		Time: time.Date(2026, 11, 26, 12, 30, 0, 0, time.UTC), Region: "us-east-1", Resources: []string{"arn:aws:mediaconvert:us-east-1:111122223333:jobs/1764160200000-abcdef"},
		Detail: json.RawMessage(`{"jobId":"1764160200000-abcdef","status":"COMPLETE","userMetadata":{"title":"<Größe>"}}`),
	}
}

// validated is an event as the official SDK reads it from both modes, which must agree.
func validated(t *testing.T, c CloudEvent) cloudevents.Event {
	t.Helper()
	text, err := c.Structured()
	if err != nil {
		t.Fatal(err)
	}
	var structured cloudevents.Event
	if err := json.Unmarshal(text, &structured); err != nil {
		t.Fatalf("the SDK cannot read %s: %v", text, err)
	}
	if err := structured.Validate(); err != nil {
		t.Errorf("the SDK says of %s: %v", text, err)
	}
	h := http.Header{"Content-Type": {c.DataContentType}}
	for name, value := range c.Headers() {
		// The SDK does not decode the values, as section 3.1.3.2 of the binding has receivers do.
		decoded, err := url.PathUnescape(value)
		if err != nil {
			t.Fatalf("%s: %q is not percent-encoded: %v", name, value, err)
		}
		h.Set(name, decoded)
	}
	message := cehttp.NewMessage(h, io.NopCloser(strings.NewReader(string(c.Data))))
	binary, err := binding.ToEvent(t.Context(), message)
	if err != nil {
		t.Fatalf("the SDK cannot read the headers %v: %v", h, err)
	}
	if err := binary.Validate(); err != nil {
		t.Errorf("the SDK says of the headers %v: %v", h, err)
	}
	if binary.ID() != structured.ID() || binary.Type() != structured.Type() || binary.Source() != structured.Source() || !binary.Time().Equal(structured.Time()) ||
		!jsonEqual(t, binary.Data(), structured.Data()) {
		t.Errorf("binary mode gives\n%s\nstructured mode\n%s", binary, structured)
	}
	return structured
}

func jsonEqual(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%q: %v", a, err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return cmp.Equal(x, y)
}

func TestCloudEvent(t *testing.T) {
	t.Parallel()
	e := sample()
	got := validated(t, NewCloudEvent(e, "1764160200000-abcdef", nil))
	want := map[string]any{
		"id": e.ID, "source": "aws.mediaconvert", "type": "aws.mediaconvert.job_state_change", "subject": "1764160200000-abcdef", "specversion": "1.0",
		"contenttype": "application/json", "time": e.Time,
	}
	have := map[string]any{
		"id": got.ID(), "source": got.Source(), "type": got.Type(), "subject": got.Subject(), "specversion": got.SpecVersion(), "contenttype": got.DataContentType(), "time": got.Time(),
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	extensions := map[string]any{
		"account": "111122223333", "region": "us-east-1", "detailtype": JobStateChange, "resources": `["arn:aws:mediaconvert:us-east-1:111122223333:jobs/1764160200000-abcdef"]`,
	}
	if diff := cmp.Diff(extensions, got.Extensions()); diff != "" {
		t.Errorf("extensions (-want +got):\n%s", diff)
	}
	if !jsonEqual(t, got.Data(), e.Detail) {
		t.Errorf("data %s, want %s", got.Data(), e.Detail)
	}
}

// Whatever somebody puts as an event is a valid CloudEvent.
func TestCloudEventOfAnything(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                 string
		source, detailType   string
		subject              string
		resources            []string
		detail               string
		wantSource, wantType string
	}{
		{"plain words", "com.example.shop", "Order Placed", "", nil, `{}`, "com.example.shop", "com.example.shop.order_placed"},
		{"nothing at all", "", "", "", nil, "", "unknown", "unknown"},
		{"a detail type of signs alone", "a.b", "!!!", "", nil, `{"a":1}`, "a.b", "a.b"},
		{"a source with a colon, a blank and signs", "my shop: größe%", "X", "", nil, `[1]`, "my%20shop%3A%20gr%C3%B6%C3%9Fe%25", "my%20shop%3A%20gr%C3%B6%C3%9Fe%25.x"},
		{"a source that begins with slashes", "//evil.example/x", "X", "", nil, `1`, "%2F/evil.example/x", "%2F/evil.example/x.x"},
		{"injection in every text", "a\r\nce-id: 1", "T\r\nX-A: \x00b", "s\r\nSet-Cookie: x\u0085", []string{"r\r\n\"%", "r\u2028"}, `"x"`, "a%0D%0Ace-id%3A%201", "a%0D%0Ace-id%3A%201.t_x_a_b"},
		{"what is no UTF-8", "a\xff", "b\xff", "c\xff", []string{"d\xff"}, `null`, "a%FF", "a%FF.b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := sample()
			e.Source, e.DetailType, e.Resources, e.Detail = test.source, test.detailType, test.resources, json.RawMessage(test.detail)
			c := NewCloudEvent(e, test.subject, nil)
			for name, value := range c.Headers() {
				if strings.ContainsFunc(name+value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
					t.Errorf("header field %q: %q is not printable ASCII", name, value)
				}
			}
			if len(e.Detail) == 0 {
				c.Data = json.RawMessage("null")
			}
			got := validated(t, c)
			if got.Source() != test.wantSource || got.Type() != test.wantType {
				t.Errorf("source %q, type %q; want %q, %q", got.Source(), got.Type(), test.wantSource, test.wantType)
			}
		})
	}
}

func TestCloudEventData(t *testing.T) {
	t.Parallel()
	if got := string(NewCloudEvent(sample(), "", []byte(`"text"`)).Data); got != `"text"` {
		t.Errorf("data %s, want what a rule made of the event", got)
	}
}

func FuzzCloudEvent(f *testing.F) {
	f.Add("aws.mediaconvert", "MediaConvert Job State Change", "job", "arn")
	f.Add("\x00", "\u2028 ", "\xff", "\"")
	f.Fuzz(func(t *testing.T, source, detailType, subject, resource string) {
		e := sample()
		e.Source, e.DetailType, e.Resources = source, detailType, []string{resource}
		validated(t, NewCloudEvent(e, subject, nil))
	})
}
