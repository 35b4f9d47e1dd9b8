package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// TestRecordOfLostPeer: an answer that its caller left half-way was granted, and its record says so and how much of it went; one that the server could not give whole was not.
func TestRecordOfLostPeer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		serve func(http.ResponseWriter, *http.Request) error
		early bool // the peer goes before the answer begins
		want  string
	}{
		"writes until the peer is gone": {func(w http.ResponseWriter, _ *http.Request) error {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return fmt.Errorf("send object: %w", err)
				}
			}
		}, false, ""},
		"reads until the peer is gone": {func(w http.ResponseWriter, r *http.Request) error {
			if _, err := w.Write([]byte("a")); err != nil {
				return err
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			<-r.Context().Done()
			return fmt.Errorf("read object: %w", r.Context().Err())
		}, false, ""},
		"cannot read what it sends": {func(w http.ResponseWriter, _ *http.Request) error {
			if _, err := w.Write([]byte("a")); err != nil {
				return err
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			return errors.New("the disk is broken")
		}, false, "Internal"},
		"a cancelled part of its own": {func(w http.ResponseWriter, _ *http.Request) error {
			if _, err := w.Write([]byte("a")); err != nil {
				return err
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			return context.Canceled
		}, false, "Internal"},
		"the peer is gone before anything was answered": {func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		}, true, "Internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			begun := make(chan struct{})
			b.s3.resolve = func(*http.Request) (*Operation, error) {
				return &Operation{Name: "GetObject", Checks: []iam.Check{{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Owner: testAccount}}, Serve: func(w http.ResponseWriter, r *http.Request) error {
					close(begun)
					return test.serve(w, r)
				}}, nil
			}
			server := httptest.NewServer(b.Handler())
			ctx, leave := context.WithCancel(t.Context())
			go func() {
				<-begun
				if test.early {
					leave()
				}
			}()
			answer, err := server.Client().Do(call{service: "s3", method: "GET", path: "/b/k"}.request(t, server.URL).WithContext(ctx))
			if err == nil {
				if _, err := io.ReadFull(answer.Body, make([]byte, 1)); err != nil {
					t.Error(err)
				}
				if test.want == "" {
					leave()
				}
				_, _ = io.Copy(io.Discard, answer.Body) // it breaks off
				_ = answer.Body.Close()
			}
			leave()
			server.Close() // waits for what is being served
			records := b.trail()
			if len(records) != 1 || records[0].ErrorCode != test.want {
				t.Fatalf("%.600v, want one with the code %q", records, test.want)
			}
			if out := string(records[0].AdditionalEventData["bytesTransferredOut"]); err == nil && out == "0" {
				t.Errorf("bytesTransferredOut is %s", out)
			}
		})
	}
}
