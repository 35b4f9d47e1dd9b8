package trace

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"darkroom/internal/gateway"
)

// Began implements half of gateway.Observer. Requests of our own worker have no spans: its steps have.
func (t *Tracer) Began(ctx context.Context, r *http.Request, e gateway.Exchange) context.Context {
	if e.Internal {
		return ctx
	}
	if t.o.AcceptParents {
		ctx = propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	ctx, _ = t.tracer.Start(ctx, "request", trace.WithTimestamp(e.Began), trace.WithSpanKind(trace.SpanKindServer))
	return ctx
}

// Requested is the other half, Ended.
func (t *Tracer) Requested(ctx context.Context, e gateway.Exchange) {
	s := trace.SpanFromContext(ctx)
	if e.Internal || !s.IsRecording() {
		return
	}
	name := e.Service + "/" + e.Operation
	switch {
	case e.Service == "":
		name = e.Method
	case e.Operation == "":
		name = e.Service
	}
	s.SetName(name)
	s.SetAttributes(
		attribute.String("rpc.system", "aws-api"), attribute.String("rpc.service", e.Service), attribute.String("rpc.method", e.Operation),
		attribute.String("aws.request_id", e.RequestID), attribute.String("http.request.method", e.Method), attribute.Int("http.response.status_code", e.Status),
		attribute.Int64("http.request.body.size", e.BytesIn), attribute.Int64("http.response.body.size", e.BytesOut),
	)
	if e.Reason != "" {
		s.SetAttributes(attribute.String("error.type", e.Reason))
	}
	if e.Status >= http.StatusInternalServerError { // what a client did wrong is no error of the server's
		s.SetStatus(codes.Error, "")
	}
	s.End(trace.WithTimestamp(e.Began.Add(e.Took)))
}

// fail marks a span as failed, for a reason that is a kind of error; empty is none.
func fail(s trace.Span, reason string) {
	if reason != "" {
		s.SetStatus(codes.Error, "")
		s.SetAttributes(attribute.String("error.type", reason))
	}
}
