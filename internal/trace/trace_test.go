package trace

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"darkroom/internal/gateway"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/secret"
)

// receiver is a collector: it takes what the official messages of OTLP say, and answers as it is told to.
type receiver struct {
	t      *testing.T
	answer func(attempt int) (status int, body []byte, err error)

	mu       sync.Mutex // guards what follows
	attempts int
	spans    []*tracepb.Span
	header   http.Header
	path     string
}

// RoundTrip implements http.RoundTripper.
func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts++
	r.header, r.path = q.Header, q.URL.Path
	status, answer, err := http.StatusOK, []byte(nil), error(nil)
	if r.answer != nil {
		status, answer, err = r.answer(r.attempts)
	}
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK {
		var m collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			r.t.Errorf("the message is none of OTLP: %v", err)
		}
		for _, of := range m.ResourceSpans {
			for _, in := range of.ScopeSpans {
				r.spans = append(r.spans, in.Spans...)
			}
		}
	}
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	_, _ = w.Write(answer)
	return w.Result(), nil
}

// counts are what became of spans.
type counts struct {
	mu sync.Mutex // guards of
	of map[string]int
}

func (c *counts) count(outcome string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[outcome] += n
}

func newTracer(t *testing.T, to http.RoundTripper, c *counts, change func(*Options)) *Tracer {
	t.Helper()
	o := Options{Endpoint: &url.URL{Scheme: "https", Host: "collector.example"}, Transport: to, Sample: 1, Version: "1.2.3", Count: c.count, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// sent runs a tracer until what waits is sent.
func sent(t *testing.T, tr *Tracer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx); err != nil {
		t.Error(err)
	}
}

var began = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }

// lived lives a job: its first attempt is lost, with the process that watched it, and its second completes it.
func lived(t *testing.T, first, second *Tracer, headers http.Header) *job.Job {
	t.Helper()
	r := httptest.NewRequest("POST", "/2017-08-29/jobs", nil)
	r.Header = headers
	e := gateway.Exchange{RequestID: "request-1", Service: "mediaconvert", Operation: "CreateJob", Method: "POST", Began: at(0)}
	ctx := first.Began(t.Context(), r, e)
	j := &job.Job{ID: "1-a", Account: "111122223333", Queue: "arn:q", Submitted: at(1), Trace: first.Submitting(ctx)}
	first.Submitted(ctx, j, at(1), at(2))
	e.Status, e.Took = 201, 3*time.Second
	first.Requested(ctx, e)
	a := lease.Attempt{Job: j, TaskID: "task", Epoch: 1, Number: 1, Worker: "w", Claimed: at(4)}
	first.Claimed(a)
	first.Measured(a, lease.Measured{Steps: []lease.Step{{Kind: lease.StepProbe, Began: at(5), Ended: at(6), Failed: true, Cause: lease.CauseMemory}}})
	again := *j
	again.Waiting = at(10)
	second.Released(lease.Attempt{Job: &again, TaskID: "task", Epoch: 1, Number: 1, Worker: "w", Claimed: at(4)}, lease.Lost, at(9), at(10))
	b := lease.Attempt{Job: &again, TaskID: "task", Epoch: 2, Number: 2, Worker: "w", Claimed: at(11)}
	second.Claimed(b)
	second.Measured(b, lease.Measured{Steps: []lease.Step{{Kind: lease.StepUpload, Began: at(12), Ended: at(13), Bytes: 5, Bucket: "films", Key: "hush.mp4"}}})
	second.Released(b, lease.Finished, at(14), at(15))
	done := again
	done.Status, done.Started, done.Finished = job.Complete, at(4), at(14)
	second.Ended(&done, lease.Result{})
	return j
}

func attributes(s *tracepb.Span) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes {
		out[a.Key] = a.Value.GetStringValue()
	}
	return out
}

// TestJob: all of a job is one trace, from one process into the next, and each span has its parent in it.
func TestJob(t *testing.T) {
	t.Parallel()
	for _, names := range []bool{false, true} {
		to := &receiver{t: t}
		var c counts
		with := func(o *Options) { o.ObjectNames = names }
		one, two := newTracer(t, to, &c, with), newTracer(t, to, &c, with)
		lived(t, one, two, http.Header{})
		sent(t, one)
		sent(t, two)
		byID := map[string]*tracepb.Span{}
		for _, s := range to.spans {
			byID[string(s.SpanId)] = s
		}
		if len(byID) != len(to.spans) || c.of[exported] != len(to.spans) {
			t.Errorf("%d spans with %d ids, counted %v", len(to.spans), len(byID), c.of)
		}
		seen := map[string][]string{}
		for _, s := range to.spans {
			above := ""
			if p := byID[string(s.ParentSpanId)]; p != nil {
				above = p.Name
			} else if len(s.ParentSpanId) > 0 {
				above = "missing"
			}
			if string(s.TraceId) != string(to.spans[0].TraceId) || s.EndTimeUnixNano < s.StartTimeUnixNano {
				t.Errorf("%s: another trace, or ends before it begins", s.Name)
			}
			seen[s.Name+" below "+above] = append(seen[s.Name+" below "+above], time.Unix(0, int64(s.StartTimeUnixNano)).Sub(began).String()+"-"+time.Unix(0, int64(s.EndTimeUnixNano)).Sub(began).String())
			if text := s.String(); strings.Contains(text, "hush") != (names && s.Name == "upload") {
				t.Errorf("names %t: %s", names, text)
			}
		}
		for name, times := range map[string]string{
			"mediaconvert/CreateJob below ": "0s-3s", "submit below mediaconvert/CreateJob": "1s-2s", "wait below submit": "1s-4s 10s-11s",
			"lease below submit": "4s-10s 11s-15s", "probe below lease": "5s-6s", "upload below lease": "12s-13s", "finish below lease": "14s-15s", "job below submit": "1s-14s",
		} {
			if got := strings.Join(seen[name], " "); got != times {
				t.Errorf("%s: got %q, want %q", name, got, times)
			}
			delete(seen, name)
		}
		if len(seen) > 0 {
			t.Errorf("more spans: %v", seen)
		}
		for _, s := range to.spans {
			switch failed := s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR; s.Name {
			case "probe":
				if a := attributes(s); !failed || a["error.type"] != "memory" || a["darkroom.job.id"] != "1-a" {
					t.Errorf("the probe that failed: %v", s)
				}
			case "mediaconvert/CreateJob":
				if a := attributes(s); failed || a["aws.request_id"] != "request-1" || a["rpc.method"] != "CreateJob" || s.Kind != tracepb.Span_SPAN_KIND_SERVER {
					t.Errorf("the call: %v", s)
				}
			}
		}
		if to.path != "/v1/traces" || to.header.Get("Content-Type") != "application/x-protobuf" || to.header.Get("Authorization") != "" {
			t.Errorf("sent to %s with %v", to.path, to.header)
		}
	}
}

// TestParents: whose trace a call belongs to, its caller says only where that is configured.
func TestParents(t *testing.T) {
	t.Parallel()
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for _, tt := range []struct {
		name, header   string
		accept         bool
		sample         float64
		ours, theirsIn bool // whether anything is sent, and in the caller's trace
	}{
		{"accepted", "00-" + theirs + "-b7ad6b7169203331-01", true, 0, true, true},
		{"accepted, and not kept", "00-" + theirs + "-b7ad6b7169203331-00", true, 1, false, false},
		{"not accepted", "00-" + theirs + "-b7ad6b7169203331-01", false, 1, true, false},
		{"not accepted, and not sampled", "00-" + theirs + "-b7ad6b7169203331-01", false, 0, false, false},
		{"malformed", "00-" + theirs + "-b7ad-01", true, 1, true, false},
		{"all zeros", "00-00000000000000000000000000000000-b7ad6b7169203331-01", true, 1, true, false},
		{"none", "", true, 1, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			to, c := &receiver{t: t}, counts{}
			tr := newTracer(t, to, &c, func(o *Options) { o.AcceptParents, o.Sample = tt.accept, tt.sample })
			j := lived(t, tr, tr, http.Header{"Traceparent": {tt.header}})
			sent(t, tr)
			if (len(to.spans) > 0) != tt.ours || (j.Trace != "") != tt.ours {
				t.Fatalf("%d spans, the job keeps %q", len(to.spans), j.Trace)
			}
			for _, s := range to.spans {
				if (hex.EncodeToString(s.TraceId) == theirs) != tt.theirsIn {
					t.Errorf("%s is in trace %x", s.Name, s.TraceId)
				}
			}
		})
	}
}

// TestInternal: the worker's own requests have no spans, and a job that no call submitted has no trace.
func TestInternal(t *testing.T) {
	t.Parallel()
	to, c := &receiver{t: t}, counts{}
	tr := newTracer(t, to, &c, nil)
	e := gateway.Exchange{Internal: true, Service: "s3", Operation: "PutObject", Began: at(0)}
	ctx := tr.Began(t.Context(), httptest.NewRequest("PUT", "/", nil), e)
	tr.Requested(ctx, e)
	if got := tr.Submitting(ctx); got != "" {
		t.Errorf("the job keeps %q", got)
	}
	for _, text := range []string{"", "x", "00-zz-b7ad6b7169203331-01"} {
		tr.Ended(&job.Job{Trace: text, Status: job.Complete}, lease.Result{})
		tr.Claimed(lease.Attempt{Job: &job.Job{Trace: text}})
	}
	sent(t, tr)
	if len(to.spans) > 0 {
		t.Errorf("spans: %v", to.spans)
	}
}

// some makes spans.
func some(tr *Tracer, n int) {
	for range n {
		tr.span(context.Background(), "x", at(0), at(1), "")
	}
}

// TestDown: a collector that is away costs spans, which are counted, and nobody's time.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &receiver{t: t, answer: func(int) (int, []byte, error) { return 0, nil, errors.New("connection refused") }}
		var c counts
		tr := newTracer(t, to, &c, nil)
		some(tr, MaxWaiting+10)
		if c.of[dropped] != 10 {
			t.Errorf("dropped %d, want 10", c.of[dropped])
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- tr.Run(ctx) }()
		time.Sleep(time.Minute) // of the bubble's clock
		synctest.Wait()
		c.mu.Lock()
		if c.of[failed] == 0 || c.of[failed]%maxBatch != 0 {
			t.Errorf("given up: %d", c.of[failed])
		}
		c.mu.Unlock()
		to.mu.Lock()
		to.answer = nil // it is there again
		to.mu.Unlock()
		time.Sleep(2 * maxPause)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := c.of[failed] + c.of[exported]; got != MaxWaiting || len(to.spans) != c.of[exported] || c.of[exported] == 0 {
			t.Errorf("counted %v, taken %d", c.of, len(to.spans))
		}
	})
}

// TestStopWhileDown: a collector that is away does not hold up the end of the program.
func TestStopWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &receiver{t: t, answer: func(int) (int, []byte, error) { return 503, nil, nil }}
		var c counts
		tr := newTracer(t, to, &c, nil)
		some(tr, maxBatch+1)
		began := time.Now()
		sent(t, tr)
		if took := time.Since(began); took > flushTimeout || c.of[failed] != maxBatch+1 {
			t.Errorf("took %v, counted %v", took, c.of)
		}
	})
}

// TestAnswers: what a collector answers decides what becomes of a batch.
func TestAnswers(t *testing.T) {
	partial, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "no"}})
	if err != nil {
		t.Fatal(err)
	}
	warned, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{ErrorMessage: "later"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		status   []int
		body     []byte
		attempts int
		want     map[string]int
	}{
		{"taken", []int{200}, nil, 1, map[string]int{exported: 3}},
		{"taken in part", []int{200}, partial, 1, map[string]int{exported: 1, failed: 2}},
		{"taken with a warning", []int{200}, warned, 1, map[string]int{exported: 3}},
		{"taken with nonsense", []int{200}, []byte("\x0a\xff\xff\xff\xff\xff"), 1, map[string]int{exported: 3}},
		{"taken later", []int{503, 429, 200}, nil, 3, map[string]int{exported: 3}},
		{"refused", []int{400}, nil, 1, map[string]int{failed: 3}},
		{"redirected", []int{302}, nil, 1, map[string]int{failed: 3}},
		{"never taken", []int{502, 502, 502, 502, 502, 200}, nil, maxAttempts, map[string]int{failed: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &receiver{t: t, answer: func(n int) (int, []byte, error) { return tt.status[n-1], tt.body, nil }}
				var c counts
				tr := newTracer(t, to, &c, func(o *Options) {
					o.Endpoint.Path = "/otlp"
					o.Token = func() (secret.Bytes, error) { return secret.New([]byte("hush")), nil }
				})
				some(tr, 3)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- tr.Run(ctx) }()
				time.Sleep(5 * time.Minute) // of the bubble's clock
				cancel()
				<-ended
				if len(c.of) != len(tt.want) || c.of[exported] != tt.want[exported] || c.of[failed] != tt.want[failed] || to.attempts != tt.attempts {
					t.Errorf("counted %v after %d attempts, want %v after %d", c.of, to.attempts, tt.want, tt.attempts)
				}
				if to.path != "/otlp" || to.header.Get("Authorization") != "Bearer hush" {
					t.Errorf("sent to %s, authorized %q", to.path, to.header.Get("Authorization"))
				}
			})
		})
	}
}

// TestTokenGone: without its token nothing is sent.
func TestTokenGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, c := &receiver{t: t}, counts{}
		tr := newTracer(t, to, &c, func(o *Options) {
			o.Token = func() (secret.Bytes, error) { return secret.Bytes{}, errors.New("no file") }
		})
		some(tr, 1)
		sent(t, tr)
		if to.attempts != 0 || c.of[failed] != 1 {
			t.Errorf("%d attempts, counted %v", to.attempts, c.of)
		}
	})
}

func FuzzRejected(f *testing.F) {
	f.Add(int64(2), "no", []byte("\x0a\x02\x08\x05"))
	f.Add(int64(0), "", []byte("\x0a\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, n int64, message string, nonsense []byte) {
		rejectedOf(nonsense)
		b, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: n, ErrorMessage: message}})
		if err == nil && rejectedOf(b) != n {
			t.Errorf("got %d, want %d", rejectedOf(b), n)
		}
	})
}
