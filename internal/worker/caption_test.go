package worker

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"darkroom/internal/caption"
	"darkroom/internal/egress"
	"darkroom/internal/lease"
	"darkroom/internal/origin"
	"darkroom/internal/plan"
)

// TestCaptionFiles: captions are read from the store and from web servers through a door of their own, moved as the plan says, and what goes wrong has its code and
// names the selector.
func TestCaptionFiles(t *testing.T) {
	t.Parallel()
	const srt = "1\n00:00:01,000 --> 00:00:02,000\na\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.srt":
			http.ServeContent(w, r, "a.srt", time.Time{}, strings.NewReader(srt))
		case "/large.srt":
			http.ServeContent(w, r, "large.srt", time.Time{}, bytes.NewReader(make([]byte, caption.MaxSize+1)))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		name    string
		uri     string
		format  caption.Format
		schemes []string
		code    int // 0 for none
		text    string
	}{
		{"an object", "s3://in/a.srt", caption.SubRip, nil, 0, ""},
		{"a file on a server", server.URL + "/a.srt?token=SESAM", caption.SubRip, []string{"http"}, 0, ""},
		{"no object", "s3://in/none.srt", caption.SubRip, nil, 1404, `The caption file of selector "c" (s3://in/none.srt) does not exist`},
		{"nothing on the server", server.URL + "/none.srt?token=SESAM", caption.SubRip, []string{"http"}, 3404, "does not have the file"},
		{"a scheme that the policy disallows", server.URL + "/a.srt", caption.SubRip, []string{"https"}, 3457, disallowed},
		{"another format", "s3://in/a.srt", caption.WebVTT, nil, 1010, "cannot be read as WebVTT: line 1 is not WEBVTT: this is not WebVTT. Check the file, and the sourceType of the selector."},
		{"an empty file", "s3://in/empty.srt", caption.SubRip, nil, 1010, "is empty"},
		{"a large file", server.URL + "/large.srt", caption.SubRip, []string{"http"}, 1010, "it has 16777217 bytes; allowed: 16777216"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.put("a.srt", []byte(srt))
			s.put("empty.srt", nil)
			in, err := plan.ParseInput(c.uri)
			if err != nil {
				t.Fatal(err)
			}
			r := &run{lease: &lease.Lease{Credentials: lease.Credentials{Schemes: c.schemes}}, store: s.store, captionWeb: s.web}
			got, err := r.captions(t.Context(), &plan.Plan{Captions: []plan.Captions{{ID: "c0", Input: in, Format: c.format, Shift: -500 * time.Millisecond, Selector: "c"}}})
			if c.code != 0 {
				wantCode(t, err, c.code, c.text)
				if strings.Contains(fmt.Sprint(err), "SESAM") {
					t.Errorf("the query of a URL shows: %v", err)
				}
				return
			}
			if err != nil || len(got["c0"]) != 1 || got["c0"][0].Start != 500*time.Millisecond || got["c0"][0].End != 1500*time.Millisecond {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// TestCaptionsTogether: the files of a job have a bound together.
func TestCaptionsTogether(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	one := []byte("1\n00:00:01,000 --> 00:00:02,000\na\n")
	var p plan.Plan
	for i := range maxCaptionBytes/caption.MaxSize + 1 {
		name, format := fmt.Sprintf("%d.vtt", i), caption.WebVTT
		body := append([]byte("WEBVTT\n\nNOTE\n"), bytes.Repeat([]byte("a"), caption.MaxSize-13)...)
		if i == 0 {
			name, format, body = "0.srt", caption.SubRip, one
		}
		s.put(name, body)
		in, err := plan.ParseInput("s3://in/" + name)
		if err != nil {
			t.Fatal(err)
		}
		p.Captions = append(p.Captions, plan.Captions{ID: fmt.Sprintf("c%d", i), Input: in, Format: format, Selector: "c"})
	}
	r := &run{lease: &lease.Lease{}, store: s.store, captionWeb: s.web}
	_, err := r.captions(t.Context(), &p)
	wantCode(t, err, 1010, "more than 67108864 bytes together")
}

// TestCaptionDoor: what an operator would have to open is the door of captions.
func TestCaptionDoor(t *testing.T) {
	t.Parallel()
	refused := fmt.Errorf("%w: %w", origin.ErrConnection, &egress.Refused{Purpose: egress.Caption, Host: "h", Why: egress.NotPublic})
	for _, err := range []error{captionError("The captions", refused), captionError("The captions", inputError("The captions", refused))} {
		wantCode(t, err, 3451, "does not open it for captions")
	}
}
