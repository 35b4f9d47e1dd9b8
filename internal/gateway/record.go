package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// Outcome is what was decided about a request.
type Outcome int

// The outcomes.
const (
	Granted Outcome = iota + 1
	Refused
)

func (o Outcome) String() string {
	switch o {
	case Granted:
		return "granted"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Record is one decision, for the audit trail. It has no secrets, and nothing of the body.
type Record struct {
	Time      time.Time
	RequestID string
	Service   string // empty if it could not be known
	Operation string // empty if it could not be known
	Principal iam.Principal
	Checks    []iam.Check // what was allowed or, for a denial, what was not
	Outcome   Outcome
	Reason    string // why it was refused: a kind of error, never its text
	SourceIP  string // empty for the worker's own path
	UserAgent string
	Secure    bool
	Internal  bool
}

// maxLogged bounds what a caller can write into a log line or a record.
const maxLogged = 256

func (g *Gateway) record(r *http.Request, x *exchange, o Outcome, err error, checks []iam.Check) Record {
	var denied *iam.Denied
	if errors.As(err, &denied) {
		checks = []iam.Check{denied.Check}
	}
	return Record{
		Time: x.start, RequestID: x.id, Service: x.serviceName(), Operation: x.operation, Principal: x.principal, Checks: checks,
		Outcome: o, Reason: reason(err), SourceIP: x.sourceIP, UserAgent: clip(r.UserAgent()), Secure: x.secure, Internal: x.internal,
	}
}

// reason names the kind of an error, so that a record does not repeat what a caller sent.
func reason(err error) string {
	var signature *sigv4.Error
	var denied *iam.Denied
	var limit *LimitError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &signature):
		return signature.Kind.String()
	case errors.As(err, &denied):
		return "AccessDenied"
	case errors.As(err, &limit):
		return "Limit"
	}
	return "Invalid"
}

// logAccess writes the line of one request. There is no path and no query in it: names of objects and signatures stand there.
func (g *Gateway) logAccess(ctx context.Context, r *http.Request, x *exchange, w *response, b *progressBody) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("requestId", x.id),
		slog.String("service", x.serviceName()),
		slog.String("operation", x.operation),
		slog.String("method", clip(r.Method)),
		slog.String("principal", x.principal.ARN),
		slog.String("sourceIp", x.sourceIP),
		slog.Bool("internal", x.internal),
		slog.Int("status", w.statusSent()),
		slog.Duration("duration", g.now().Sub(x.start)),
		slog.Int64("bytesIn", b.count),
		slog.Int64("bytesOut", w.count),
	}
	if x.err != nil {
		why := reason(x.err)
		if w.statusSent() < http.StatusBadRequest {
			why = "Interrupted" // the answer had begun: a client that went away, mostly
		}
		attrs = append(attrs, slog.String("reason", why), slog.String("error", clip(x.err.Error())))
		if w.statusSent() >= http.StatusInternalServerError {
			level = slog.LevelError
		}
	}
	g.log.LogAttrs(ctx, level, "request", attrs...)
}

func clip(s string) string {
	if len(s) > maxLogged {
		s = strings.ToValidUTF8(s[:maxLogged], "") + "…"
	}
	return s
}
