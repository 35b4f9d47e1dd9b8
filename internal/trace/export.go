package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Bounds of the export.
const (
	// MaxWaiting is how many spans wait for the collector. Those beyond it are dropped.
	MaxWaiting = 8192
	// maxBatch is how many are sent at once, and maxDelay how long one waits for others.
	maxBatch = 512
	maxDelay = 2 * time.Second
	// maxAttempts is how often a batch is sent that the collector did not take for now, after pauses that double up to maxPause.
	maxAttempts = 5
	firstPause  = time.Second
	maxPause    = 30 * time.Second
	// sendTimeout is how long the collector may take to answer, and flushTimeout how long the last spans are tried.
	sendTimeout  = 10 * time.Second
	flushTimeout = 5 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
)

// What becomes of spans.
const (
	exported = "exported"
	failed   = "failed"
	dropped  = "dropped"
)

// exporter is a span processor that never waits: a span that ends goes into a queue, or is dropped.
type exporter struct {
	o       Options
	waiting chan sdk.ReadOnlySpan
	to      *otlptrace.Exporter
	told    atomic.Bool // that the collector does not answer
}

func newExporter(o Options) *exporter {
	return &exporter{o: o, waiting: make(chan sdk.ReadOnlySpan, MaxWaiting), to: otlptrace.NewUnstarted(&client{o})}
}

// OnStart implements sdk.SpanProcessor.
func (e *exporter) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor.
func (e *exporter) OnEnd(s sdk.ReadOnlySpan) {
	select {
	case e.waiting <- s:
	default:
		e.o.Count(dropped, 1)
	}
}

// Shutdown implements sdk.SpanProcessor. What ends the export is Run's context.
func (e *exporter) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdk.SpanProcessor.
func (e *exporter) ForceFlush(context.Context) error { return nil }

func (e *exporter) run(ctx context.Context) error {
	delay := time.NewTimer(maxDelay)
	defer delay.Stop()
	batch := make([]sdk.ReadOnlySpan, 0, maxBatch)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case s := <-e.waiting:
			if batch = append(batch, s); len(batch) == 1 {
				delay.Reset(maxDelay)
			}
			if len(batch) < maxBatch {
				continue
			}
		case <-delay.C:
		}
		if ctx.Err() == nil && len(batch) > 0 && e.send(ctx, batch) {
			batch = batch[:0]
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	for {
		for full := false; !full && len(batch) < maxBatch; {
			select {
			case s := <-e.waiting:
				batch = append(batch, s)
			default:
				full = true
			}
		}
		if len(batch) == 0 {
			return nil
		}
		if !e.send(last, batch) {
			e.o.Count(failed, len(batch))
		}
		batch = batch[:0]
	}
}

// send sends a batch until the collector has taken it, or will not. It reports false where ctx ended before that.
func (e *exporter) send(ctx context.Context, batch []sdk.ReadOnlySpan) bool {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := e.to.ExportSpans(ctx, batch)
		var part *rejected
		var later *unavailable
		switch {
		case err == nil:
			e.o.Count(exported, len(batch))
			if e.told.Swap(false) {
				e.o.Log.Info("the collector of traces answers again")
			}
			return true
		case ctx.Err() != nil:
			return false
		case errors.As(err, &part):
			n := int(min(max(part.spans, 0), int64(len(batch))))
			e.o.Count(failed, n)
			e.o.Count(exported, len(batch)-n)
			return true
		}
		if !e.told.Swap(true) {
			e.o.Log.Warn("the collector of traces does not take spans", "err", err)
		}
		if !errors.As(err, &later) || attempt == maxAttempts {
			e.o.Count(failed, len(batch))
			return true
		}
		wait := time.NewTimer(min(max(pause, later.after), maxPause))
		select {
		case <-ctx.Done():
			wait.Stop()
			return false
		case <-wait.C:
		}
		pause *= 2
	}
}

// unavailable says that the collector may take a batch later.
type unavailable struct {
	after time.Duration // at the soonest
	err   error
}

func (e *unavailable) Error() string { return e.err.Error() }
func (e *unavailable) Unwrap() error { return e.err }

// rejected says that the collector did not take some spans of a batch.
type rejected struct{ spans int64 }

func (e *rejected) Error() string {
	return fmt.Sprintf("the collector rejected %d spans", e.spans)
}

// client sends batches (OpenTelemetry Protocol 1.9, "OTLP/HTTP"). That of the OpenTelemetry project takes end point, headers and certificates from the environment
// and brings a client of gRPC with it.
type client struct{ o Options }

// Start implements otlptrace.Client.
func (*client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (*client) Stop(context.Context) error { return nil }

// UploadTraces implements otlptrace.Client. On the wire a TracesData is an ExportTraceServiceRequest.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.Endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "darkroom/"+c.o.Version)
	if c.o.Token != nil {
		token, err := c.o.Token()
		if err != nil {
			return &unavailable{err: fmt.Errorf("read the token for the collector: %w", err)}
		}
		r.Header.Set("Authorization", "Bearer "+string(token.Reveal()))
		token.Wipe()
	}
	answer, err := c.o.Transport.RoundTrip(r)
	if err != nil {
		return &unavailable{err: fmt.Errorf("send spans: %w", err)}
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch code := answer.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return &unavailable{after: time.Duration(min(max(after, 0), int(maxPause/time.Second))) * time.Second, err: fmt.Errorf("the collector answered %d", code)}
	case code < 200 || code > 299:
		return fmt.Errorf("the collector answered %d", code)
	case err != nil:
		return nil // it has taken them
	}
	if n := rejectedOf(text); n > 0 {
		return &rejected{n}
	}
	return nil
}

// rejectedOf reads partial_success.rejected_spans of an ExportTraceServiceResponse; 0 where there is none.
func rejectedOf(answer []byte) (spans int64) {
	field := func(b []byte, number protowire.Number, typ protowire.Type) []byte {
		for len(b) > 0 {
			n, _, l := protowire.ConsumeField(b)
			if l < 0 {
				return nil
			}
			if n == number {
				_, got, tag := protowire.ConsumeTag(b)
				if got == typ {
					return b[tag:l]
				}
			}
			b = b[l:]
		}
		return nil
	}
	inner, _ := protowire.ConsumeBytes(field(answer, 1, protowire.BytesType))
	n, l := protowire.ConsumeVarint(field(inner, 1, protowire.VarintType))
	if l < 0 {
		return 0
	}
	return int64(n)
}
