package trace

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"darkroom/internal/job"
	"darkroom/internal/lease"
)

// The spans of a job, all in the trace of the call that created it: "submit" below the call; below it "wait" and "lease" for each attempt, and "job" from its
// submission to its end; below "lease" the steps of the worker by their kinds, and "finish".
const (
	spanSubmit = "submit"
	spanWait   = "wait"
	spanLease  = "lease"
	spanFinish = "finish"
	spanJob    = "job"
)

func ofJob(j *job.Job) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("darkroom.job.id", j.ID), attribute.String("darkroom.queue", j.Queue)}
}

// Submitting implements queue.Observer: the job's trace is that of the request, and its parent a span that is not there yet.
func (t *Tracer) Submitting(ctx context.Context) string {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() || !at.IsSampled() {
		return ""
	}
	var id trace.SpanID
	_, _ = rand.Read(id[:]) // never fails
	c := propagation.MapCarrier{}
	propagator.Inject(trace.ContextWithSpanContext(context.Background(), at.WithSpanID(id).WithTraceState(trace.TraceState{})), c)
	return c[header]
}

// Submitted implements queue.Observer.
func (t *Tracer) Submitted(ctx context.Context, j *job.Job, began, ended time.Time) {
	if _, at, ok := parent(j.Trace); ok {
		t.span(withID(context.WithoutCancel(ctx), at.SpanID()), spanSubmit, began, ended, "", ofJob(j)...)
	}
}

// Claimed implements queue.Observer: the wait of a job has ended.
func (t *Tracer) Claimed(a lease.Attempt) {
	if ctx, _, ok := parent(a.Job.Trace); ok {
		t.span(ctx, spanWait, waiting(a.Job), a.Claimed, "", append(ofJob(a.Job), attribute.Int("darkroom.attempt", a.Number))...)
	}
}

// waiting is since when a job waits.
func waiting(j *job.Job) time.Time {
	if j.Waiting.After(j.Submitted) {
		return j.Waiting
	}
	return j.Submitted
}

// Measured implements queue.Observer: each step of a worker is a span.
func (t *Tracer) Measured(a lease.Attempt, m lease.Measured) {
	_, at, ok := parent(a.Job.Trace)
	if !ok {
		return
	}
	ctx := under(at, leaseID(at.TraceID(), a.TaskID, a.Epoch))
	for _, s := range m.Steps {
		attributes := append(ofJob(a.Job), attribute.Int("darkroom.attempt", a.Number))
		if s.Bytes > 0 {
			attributes = append(attributes, attribute.Int64("darkroom.bytes", s.Bytes))
		}
		if t.o.ObjectNames && s.Key != "" {
			attributes = append(attributes, attribute.String("aws.s3.bucket", s.Bucket), attribute.String("aws.s3.key", s.Key))
		}
		why := ""
		switch {
		case s.Cause != "":
			why = string(s.Cause)
		case s.Failed:
			why = "failed"
		}
		t.span(ctx, string(s.Kind), s.Began, s.Ended, why, attributes...)
	}
}

// Released implements queue.Observer: a lease, and the writing down of its end.
func (t *Tracer) Released(a lease.Attempt, how lease.End, began, ended time.Time) {
	ctx, at, ok := parent(a.Job.Trace)
	if !ok {
		return
	}
	id := leaseID(at.TraceID(), a.TaskID, a.Epoch)
	if how == lease.Finished {
		t.span(under(at, id), spanFinish, began, ended, "", ofJob(a.Job)...)
	}
	why := ""
	if how == lease.Lost {
		why = string(how)
	}
	t.span(withID(ctx, id), spanLease, a.Claimed, ended, why, append(ofJob(a.Job),
		attribute.Int("darkroom.attempt", a.Number), attribute.String("darkroom.worker", a.Worker), attribute.String("darkroom.lease.end", string(how)))...)
}

// Ended implements queue.Observer: a job, from its submission to its end.
func (t *Tracer) Ended(j *job.Job, _ lease.Result) {
	ctx, _, ok := parent(j.Trace)
	if !ok {
		return
	}
	why := ""
	if j.Status == job.Errored {
		why = strconv.Itoa(j.ErrorCode) // MediaConvert's
	}
	if j.Started.IsZero() {
		t.span(ctx, spanWait, waiting(j), j.Finished, "", ofJob(j)...)
	}
	t.span(ctx, spanJob, j.Submitted, j.Finished, why, append(ofJob(j), attribute.String("darkroom.job.status", string(j.Status)))...)
}
