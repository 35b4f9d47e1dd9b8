// Package trace sends traces to an OpenTelemetry collector: of a call to an API, and of a job from the call that created it through its waits, leases and steps to
// its end, in whatever process and after whatever crash.
//
// The trace that a job belongs to is kept with the job (job.Job.Trace, W3C Trace Context). A worker sends no spans: it tells of its steps in its reports, and they
// become spans here. A span is made when it has ended, from the times that are on record, so that none is open when the program dies.
package trace

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"darkroom/internal/secret"
)

// Options are what a Tracer works with. Endpoint, Transport and Log are needed.
type Options struct {
	// Endpoint is where spans are sent by POST (OTLP/HTTP with binary protobuf); without a path the one of the specification, /v1/traces.
	Endpoint *url.URL
	// Transport dials.
	Transport http.RoundTripper
	// Token is shown to the collector as a bearer token; read for each request, so that it can be replaced. Nil: none is.
	Token func() (secret.Bytes, error)
	// Sample is the share of the traces that begin here that is kept, from 0 to 1.
	Sample float64
	// AcceptParents has a request's traceparent header (W3C Trace Context) decide which trace it belongs to, and whether that is kept.
	AcceptParents bool
	// ObjectNames lets buckets and keys into spans.
	ObjectNames bool
	Version     string // of the program
	// Count hears what became of spans: "exported", "failed" or "dropped". Nil: nobody does.
	Count func(outcome string, n int)
	Log   *slog.Logger
}

// Tracer makes spans, and sends them while it runs. It is safe for concurrent use.
type Tracer struct {
	o        Options
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	export   *exporter
}

// traces is the path of OTLP/HTTP for traces.
const traces = "/v1/traces"

// Bounds of a span.
const (
	maxAttributes = 32
	maxAttribute  = 1024
)

// New makes a tracer. Its spans wait, up to a bound, until Run sends them.
func New(o Options) (*Tracer, error) {
	if o.Endpoint == nil || o.Transport == nil || o.Log == nil {
		return nil, errors.New("a tracer needs Endpoint, Transport and Log")
	}
	if o.Count == nil {
		o.Count = func(string, int) {}
	}
	to := *o.Endpoint
	if to.Path == "" || to.Path == "/" {
		to.Path = traces
	}
	o.Endpoint = &to
	t := &Tracer{o: o, export: newExporter(o)}
	var instance [16]byte
	_, _ = rand.Read(instance[:]) // never fails
	t.provider = sdk.NewTracerProvider(
		sdk.WithSpanProcessor(t.export),
		sdk.WithIDGenerator(ids{}),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Sample))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "darkroom"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", hex.EncodeToString(instance[:])),
		)),
		sdk.WithRawSpanLimits(sdk.SpanLimits{
			AttributeValueLengthLimit: maxAttribute, AttributeCountLimit: maxAttributes, EventCountLimit: 1, LinkCountLimit: 1, AttributePerEventCountLimit: 1, AttributePerLinkCountLimit: 1,
		}),
	)
	t.tracer = t.provider.Tracer("darkroom", trace.WithInstrumentationVersion(o.Version))
	return t, nil
}

// Run sends spans until ctx ends, then what waits, within a bound. What cannot be sent is dropped and counted; nobody waits for it.
func (t *Tracer) Run(ctx context.Context) error { return t.export.run(ctx) }

// ids makes the ids of traces and spans: random, unless the context says which.
type ids struct{}

type idKey struct{}

// withID returns a context in which the next span has an id.
func withID(ctx context.Context, id trace.SpanID) context.Context {
	return context.WithValue(ctx, idKey{}, id)
}

// NewIDs implements sdk.IDGenerator.
func (ids) NewIDs(context.Context) (t trace.TraceID, s trace.SpanID) {
	_, _ = rand.Read(t[:]) // never fails; an id of zeros does not happen
	_, _ = rand.Read(s[:])
	return t, s
}

// NewSpanID implements sdk.IDGenerator.
func (ids) NewSpanID(ctx context.Context, _ trace.TraceID) (s trace.SpanID) {
	if id, ok := ctx.Value(idKey{}).(trace.SpanID); ok {
		return id
	}
	_, _ = rand.Read(s[:])
	return s
}

// leaseID is the id of the span of a lease: the same whoever makes it and when, so that the steps of a lease that a crash has cut off have their parent.
func leaseID(t trace.TraceID, taskID string, epoch int64) (s trace.SpanID) {
	h := sha256.New()
	h.Write(t[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(epoch)))
	h.Write([]byte(taskID))
	copy(s[:], h.Sum(nil))
	return s
}

// propagator reads and writes traceparent headers.
var propagator propagation.TraceContext

// header is the name of the header of W3C Trace Context.
const header = "traceparent"

// parent is the context of a job's trace; ok says whether there is one that is kept.
func parent(traceparent string) (ctx context.Context, at trace.SpanContext, ok bool) {
	ctx = propagator.Extract(context.Background(), propagation.MapCarrier{header: traceparent})
	at = trace.SpanContextFromContext(ctx)
	return ctx, at, at.IsValid() && at.IsSampled()
}

// under is a context whose spans are children of id, in the trace of another span.
func under(of trace.SpanContext, id trace.SpanID) context.Context {
	return trace.ContextWithRemoteSpanContext(context.Background(), of.WithSpanID(id).WithRemote(true))
}

// span makes a span that has ended.
func (t *Tracer) span(ctx context.Context, name string, began, ended time.Time, failed string, attributes ...attribute.KeyValue) {
	if ended.Before(began) {
		ended = began
	}
	_, s := t.tracer.Start(ctx, name, trace.WithTimestamp(began), trace.WithAttributes(attributes...))
	fail(s, failed)
	s.End(trace.WithTimestamp(ended))
}
