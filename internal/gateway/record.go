package gateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// Trail keeps the records of requests. A store.Trail is one.
type Trail interface {
	// Audit appends records that are complete.
	Audit(ctx context.Context, r ...audit.Record) error
	// Intend makes the record that ctx carries durable, if it is not yet.
	Intend(ctx context.Context) error
	// Conclude adds to a record how it ended.
	Conclude(p *audit.Pending)
}

// maxLogged bounds what a caller can write into a log line or a record.
const maxLogged = 256

// maxMessage bounds the error message of a record.
const maxMessage = 1024

// record is the record of a request as far as it is known before the service does anything.
func (g *Gateway) record(r *http.Request, x *exchange, op *Operation, checks []iam.Check) audit.Record {
	out := audit.Record{
		EventVersion: audit.Version, UserIdentity: audit.IdentityOf(x.principal), EventTime: x.start.UTC().Truncate(time.Second),
		EventSource: audit.Source(x.serviceName()), EventName: x.operation, AWSRegion: g.region, SourceIPAddress: x.sourceIP, UserAgent: visible(r.UserAgent()),
		RequestID: x.id, EventID: audit.NewID(), EventType: audit.APICall, RecipientAccountID: x.principal.Account,
		ReadOnly: audit.IsReadOnly(x.serviceName(), x.operation), EventCategory: audit.Management, ManagementEvent: true,
	}
	if audit.IsData(x.serviceName(), x.operation) {
		out.EventCategory, out.ManagementEvent = audit.Data, false
	}
	if x.internal {
		out.SourceIPAddress = audit.Source("mediaconvert")
		out.UserIdentity.InvokedBy = audit.Source("mediaconvert")
	}
	if op != nil {
		out.APIVersion = op.Version
		if op.Parameters != nil {
			out.RequestParameters = op.Parameters()
		}
	}
	if x.serviceName() == serviceS3 {
		x.annotate(r, &out)
	}
	seen := map[string]bool{}
	for _, c := range checks {
		if c.Resource == "" || c.Resource == "*" || seen[c.Resource] || len(out.Resources) >= maxResources {
			continue
		}
		seen[c.Resource] = true
		account := c.Owner
		if account == "" {
			account = x.principal.Account
		}
		out.Resources = append(out.Resources, audit.ResourceOf(c.Resource, account))
	}
	if r.TLS != nil {
		out.TLSDetails = &audit.TLSDetails{
			TLSVersion: strings.Replace(tls.VersionName(r.TLS.Version), " ", "v", 1), CipherSuite: tls.CipherSuiteName(r.TLS.CipherSuite), ClientProvidedHostHeader: visible(r.Host),
		}
	}
	return out
}

// annotate adds what CloudTrail says of requests to S3 ("Amazon S3 CloudTrail events"). How many bytes went is added at the end.
func (x *exchange) annotate(r *http.Request, out *audit.Record) {
	method := "AuthHeader"
	if r.Header.Get("Authorization") == "" {
		method = "QueryString"
	}
	out.AdditionalEventData = map[string]json.RawMessage{
		"SignatureVersion": json.RawMessage(`"SigV4"`), "AuthenticationMethod": json.RawMessage(`"` + method + `"`),
		"bytesTransferredIn": json.RawMessage("0"), "bytesTransferredOut": json.RawMessage("0"),
	}
	if r.TLS != nil {
		out.AdditionalEventData["CipherSuite"] = audit.AppendText(nil, tls.CipherSuiteName(r.TLS.CipherSuite))
	}
	if x.extendedID != "" {
		out.AdditionalEventData["x-amz-id-2"] = audit.AppendText(nil, x.extendedID)
	}
}

// maxResources bounds the resources of a record.
const maxResources = 100

// ended adds to a record how its request ended.
func (x *exchange) ended(r *http.Request, out *audit.Record, err error) {
	if err == nil {
		return
	}
	out.ErrorCode, out.ErrorMessage = "InternalFailure", ""
	if x.service != nil {
		out.ErrorCode, out.ErrorMessage = x.service.Explain(r, err)
	}
	if out.ErrorCode == "" {
		return // an answer without a body, which is no error
	}
	if len(out.ErrorMessage) > maxMessage {
		out.ErrorMessage = strings.ToValidUTF8(out.ErrorMessage[:maxMessage], "") + "…"
	}
	out.ResponseElements = nil
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
	level, took := slog.LevelInfo, g.now().Sub(x.start)
	attrs := []slog.Attr{
		slog.String("requestId", x.id),
		slog.String("service", x.serviceName()),
		slog.String("operation", x.operation),
		slog.String("method", clip(r.Method)),
		slog.String("principal", x.principal.ARN),
		slog.String("sourceIp", x.sourceIP),
		slog.Bool("internal", x.internal),
		slog.Int("status", w.statusSent()),
		slog.Duration("duration", took),
		slog.Int64("bytesIn", b.count),
		slog.Int64("bytesOut", w.count),
	}
	why := ""
	if x.err != nil {
		why = reason(x.err)
		if w.statusSent() < http.StatusBadRequest {
			why = "Interrupted" // the answer had begun: a client that went away, mostly
		}
		attrs = append(attrs, slog.String("reason", why), slog.String("error", clip(x.err.Error())))
		if w.statusSent() >= http.StatusInternalServerError {
			level = slog.LevelError
		}
	}
	g.log.LogAttrs(ctx, level, "request", attrs...)
	e := x.exchanged()
	e.Method, e.Took, e.Status, e.Reason, e.BytesIn, e.BytesOut = method(r.Method), took, w.statusSent(), why, b.count, w.count
	g.observer.Ended(ctx, e)
}

// visible is what a caller sent, as a record may show it: what is not printed is escaped where the record is written.
func visible(s string) string { return clip(strings.ToValidUTF8(s, "\ufffd")) }

func clip(s string) string {
	if len(s) > maxLogged {
		s = strings.ToValidUTF8(s[:maxLogged], "") + "…"
	}
	return s
}
