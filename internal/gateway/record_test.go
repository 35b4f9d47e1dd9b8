package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"darkroom/internal/audit"
	"darkroom/internal/iam"
)

// TestRecordOfRefusal: the record of a call that its service refuses before it is asked whether it may be has what was known.
func TestRecordOfRefusal(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	known := &Operation{Name: "CreateJob", Version: "2017-08-29", Parameters: func() json.RawMessage { return json.RawMessage(`{"role":"r"}`) }}
	b.media.resolve = func(*http.Request) (*Operation, error) { return known, &LimitError{Kind: TooBusy, Message: "no"} }
	b.s3.resolve = func(*http.Request) (*Operation, error) {
		return &Operation{Name: "GetObject", Checks: []iam.Check{{Action: "s3:Nothing", Resource: "arn:aws:s3:::b/k"}}, Serve: func(http.ResponseWriter, *http.Request) error { return nil }}, nil
	}
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	do(t, server.Client(), call{body: "{}"}.request(t, server.URL))
	do(t, server.Client(), call{service: "s3", method: "GET", path: "/b/k", header: map[string]string{"User-Agent": "a\xff"}}.request(t, server.URL))
	records := b.trail()
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	if r := records[0]; r.EventName != "CreateJob" || r.APIVersion != "2017-08-29" || string(r.RequestParameters) != `{"role":"r"}` || r.ErrorCode != "Limit" || r.ResponseElements != nil {
		t.Errorf("%+v", r)
	}
	r := records[1]
	for name, want := range map[string]string{"SignatureVersion": `"SigV4"`, "AuthenticationMethod": `"AuthHeader"`} {
		if got := string(r.AdditionalEventData[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if r.UserAgent != "a\ufffd" || r.EventCategory != audit.Data || r.AdditionalEventData["x-amz-id-2"] == nil {
		t.Errorf("%+v", r)
	}
}
