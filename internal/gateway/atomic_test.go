package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"darkroom/internal/audit"
)

// TestAtomic: an operation whose changes stand in the records has its record at the latest when the first byte of its answer goes out, one however it ends; and no answer goes out without it.
func TestAtomic(t *testing.T) {
	t.Parallel()
	answers := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("X-Answer", "said")
		w.Header().Set("Content-Length", "4")
		_, err := io.WriteString(w, "said")
		return err
	}
	broken := errors.New("the disk is full")
	for _, tt := range []struct {
		name    string
		serve   func(http.ResponseWriter, *http.Request) error
		trail   error
		status  int
		body    string // or how it begins
		outcome audit.Outcome
	}{
		{"answers", answers, nil, 200, "said", audit.Granted},
		{"answers nothing", func(http.ResponseWriter, *http.Request) error { return nil }, nil, 200, "", audit.Granted},
		{"answers a status alone", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(204); return nil }, nil, 204, "", audit.Granted},
		{"fails", func(http.ResponseWriter, *http.Request) error { return errors.New("x") }, nil, 500, "Internal ", audit.Failed},
		{"panics", func(http.ResponseWriter, *http.Request) error { panic("x") }, nil, 500, "Internal ", audit.Failed},
		{"cannot be recorded", answers, broken, 500, "Internal ", ""},
		{"cannot be recorded, and answers nothing", func(http.ResponseWriter, *http.Request) error { return nil }, broken, 500, "Internal ", ""},
		{"cannot be recorded, and fails", func(http.ResponseWriter, *http.Request) error { return errors.New("x") }, broken, 500, "Internal ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.media.resolve = func(*http.Request) (*Operation, error) {
				op := operation("CreateJob", "*")
				op.Atomic = true
				op.Serve = func(w http.ResponseWriter, r *http.Request) error {
					if len(b.records.Open()) != 0 {
						t.Error("recorded before there was anything to record")
					}
					err := tt.serve(w, r)
					if tt.trail == nil && tt.body == "said" && len(b.records.Open()) != 1 {
						t.Error("answered before it was recorded")
					}
					return err
				}
				return op, nil
			}
			b.records.Fail(tt.trail)
			server := httptest.NewServer(b.Handler())
			t.Cleanup(server.Close)
			answer, body := do(t, server.Client(), call{}.request(t, server.URL))
			if answer.StatusCode != tt.status || !strings.HasPrefix(body, tt.body) || tt.body == "" && body != "" {
				t.Errorf("got %d %q, want %d %q", answer.StatusCode, body, tt.status, tt.body)
			}
			if tt.trail != nil {
				if answer.Header.Get("X-Answer") != "" || len(b.records.Records()) != 0 {
					t.Errorf("what could not be recorded shows: %v, %v", answer.Header, b.records.Records())
				}
				return
			}
			server.Close() // and with it, every request has ended
			if got := b.records.Records(); len(got) != 1 || got[0].Outcome() != tt.outcome || got[0].RequestID != answer.Header.Get("x-amzn-RequestId") {
				t.Errorf("recorded: %+v", got)
			}
		})
	}
}
