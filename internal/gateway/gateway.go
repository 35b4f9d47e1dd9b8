// Package gateway is the only way in, for every service: it authenticates each request, authorizes it, and writes it to the access log
// and the audit trail, before the service that it is for does anything.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// Identities finds the owner of an access key.
type Identities interface {
	// Find returns the key and the owner of an access key id that came with a session token, or with none. A nil key: there is no such key. An
	// error: it cannot be known now, and the request is refused.
	Find(ctx context.Context, accessKeyID, token string) (*sigv4.Key, iam.Principal, error)
	// Used hears that an access key has signed a request for a service.
	Used(accessKeyID string, p iam.Principal, service string)
}

// Options are what a Gateway works with. Services, Default, Region, Identities, Trail and Log are needed.
type Options struct {
	Services []Service
	// Default names the service that words the refusals of requests whose service cannot be known.
	Default    string
	Region     string
	Identities Identities
	// Trail keeps the records. What cannot be recorded does not happen: the request is refused.
	Trail Trail
	// Strangers hears of refused requests whose principal is not known. Nil: nobody does.
	Strangers func(audit.Record)
	Log       *slog.Logger
	// Explain writes why a request was denied in a form that only those read who may: it goes out with the refusal, for
	// sts:DecodeAuthorizationMessage. Nil, or an empty answer: nothing goes out.
	Explain func(ask *iam.Request, d iam.Decision) string
	// Ready says what keeps the service from working, and what it works without. Nil means nothing does.
	Ready func(context.Context) []Problem
	// Pages returns what everybody may see without being known, such as the page of a player, or nil where a request is for none. Only requests without
	// credentials are asked for, and their answers are limited and logged as others. Nil means that there are no pages.
	Pages func(r *http.Request) http.Handler
	// Observer hears of requests; nil: nobody does.
	Observer Observer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Gateway is the way in. It is safe for concurrent use.
type Gateway struct {
	services   map[string]Service
	fallback   Service
	region     string
	identities Identities
	trail      Trail
	strangers  func(audit.Record)
	log        *slog.Logger
	explain    func(ask *iam.Request, d iam.Decision) string
	ready      func(context.Context) []Problem
	pages      func(r *http.Request) http.Handler
	observer   Observer
	now        func() time.Time

	outside, inside slots // requests served at once, by where they come from
	large           slots // large bodies in memory
	draining        atomic.Bool
}

// New returns a gateway before services.
func New(o Options) (*Gateway, error) {
	if o.Region == "" || o.Identities == nil || o.Trail == nil || o.Log == nil {
		return nil, errors.New("a gateway needs Region, Identities, Trail and Log")
	}
	g := &Gateway{
		services: make(map[string]Service), region: o.Region, identities: o.Identities, trail: o.Trail, strangers: o.Strangers, log: o.Log, explain: o.Explain, ready: o.Ready, pages: o.Pages, observer: o.Observer, now: o.Now,
		outside: make(slots, MaxRequests), inside: make(slots, MaxRequests), large: make(slots, MaxLargeBodies),
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.observer == nil {
		g.observer = unobserved{}
	}
	if g.strangers == nil {
		g.strangers = func(audit.Record) {}
	}
	if g.explain == nil {
		g.explain = func(*iam.Request, iam.Decision) string { return "" }
	}
	if g.ready == nil {
		g.ready = func(context.Context) []Problem { return nil }
	}
	for _, s := range o.Services {
		if _, ok := g.services[s.Name()]; ok || s.Name() == "" {
			return nil, fmt.Errorf("service %q is given twice or has no name", s.Name())
		}
		g.services[s.Name()] = s
	}
	g.fallback = g.services[o.Default]
	if g.fallback == nil {
		return nil, fmt.Errorf("the default service %q is not among the services", o.Default)
	}
	return g, nil
}

// Handler serves requests from outside.
func (g *Gateway) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.health(w, r) || g.page(w, r) {
			return
		}
		g.serve(w, r, &exchange{sourceIP: remoteIP(r), secure: r.TLS != nil, slots: g.outside})
	})
}

// InternalHandler serves requests that come over the socket pair of our own worker. They are authenticated, authorized, limited and
// recorded like those from outside, but their path counts as secure, and they have no source address.
func (g *Gateway) InternalHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.serve(w, r, &exchange{internal: true, secure: true, slots: g.inside})
	})
}

// explanationHeader has the encoded authorization message of a request that was denied.
const explanationHeader = "x-amzn-encoded-authorization-message"

// exchange is one request on its way, for the log and the audit trail.
type exchange struct {
	id       string
	start    time.Time
	internal bool
	secure   bool
	sourceIP string // empty inside
	slots    slots

	service   Service // nil until known
	principal iam.Principal
	operation string
	explained string // why it was denied, encoded
	// extendedID is x-amz-id-2 of an answer of S3.
	extendedID string
	pending    *audit.Pending // nil until it is authorized
	err        error          // why it was refused or failed
}

func (x *exchange) serviceName() string {
	if x.service == nil {
		return ""
	}
	return x.service.Name()
}

// serve is the life of one request.
func (g *Gateway) serve(plain http.ResponseWriter, r *http.Request, x *exchange) {
	x.start, x.id = g.now(), audit.NewID()
	ctx := context.WithValue(r.Context(), keyRequestID, x.id)
	ctx = context.WithValue(ctx, keyOrigin, origin{internal: x.internal, secure: x.secure, sourceIP: x.sourceIP})
	ctx = g.observer.Began(ctx, r, x.exchanged())
	w := newResponse(plain)
	body := newProgressBody(r.Body, w.controller)
	r = r.WithContext(ctx)
	r.Body, r.Trailer = body, nil // trailers that nobody signed are not shown to anybody
	w.Header().Set("x-amzn-RequestId", x.id)
	w.Header().Set("Date", x.start.UTC().Format(http.TimeFormat))
	w.extend()

	abort := false
	defer func() {
		w.finish(body)
		g.conclude(r, x, w, body)
		g.logAccess(ctx, r, x, w, body)
		if abort {
			panic(http.ErrAbortHandler)
		}
		w.linger(r, body)
	}()
	defer func() {
		if p := recover(); p != nil {
			x.err = fmt.Errorf("panic: %v", p)
			if p != http.ErrAbortHandler {
				g.log.ErrorContext(ctx, "panic", "requestId", x.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			abort = w.status != 0 || p == http.ErrAbortHandler || !g.refuse(w, r, x, errors.New("internal error"))
		}
	}()
	if err := g.carryOut(w, r, x); err != nil {
		x.err = err
		abort = w.status != 0 || !g.refuse(w, r, x, err)
	}
}

// carryOut authenticates, authorizes, records and serves a request. An error is for refuse.
func (g *Gateway) carryOut(w *response, r *http.Request, x *exchange) error {
	x.service = g.guessService(r)
	if !x.slots.take() {
		return &LimitError{Kind: TooBusy, Message: "Reduce your request rate: too many requests are being served."}
	}
	defer x.slots.give()

	r, release, err := g.authenticate(r, x)
	if err != nil {
		return g.refused(r, x, nil, err)
	}
	defer release()
	r = r.WithContext(context.WithValue(r.Context(), keyPrincipal, x.principal))
	if x.service.Name() == serviceS3 {
		w.nameS3(x.id)
		x.extendedID = w.Header().Get("x-amz-id-2")
	}
	op, err := x.service.Resolve(r)
	if op != nil {
		x.operation = op.Name
	}
	if err != nil {
		return g.refused(r, x, op, err)
	}
	if op == nil {
		return errors.New("the service resolved no operation")
	}
	if err := g.authorize(r, x, op); err != nil {
		return g.refused(r, x, op, err)
	}
	return g.recorded(w, r, x, op)
}

// recorded serves a request that is allowed, with its record: that is durable before the first byte of the answer, and before whatever the service does outside of
// the records.
func (g *Gateway) recorded(w *response, r *http.Request, x *exchange, op *Operation) error {
	x.pending = audit.NewPending(g.record(r, x, op, op.Checks))
	ctx := audit.With(r.Context(), x.pending)
	if !op.Atomic {
		if err := g.trail.Intend(ctx); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	w.before = func() error { return g.trail.Intend(context.WithoutCancel(ctx)) }
	err := op.Serve(w, r.WithContext(ctx))
	w.before = nil
	if w.unrecorded != nil {
		return fmt.Errorf("audit: %w", w.unrecorded)
	}
	if x.pending.Sequence() == 0 { // nothing was changed, and nothing answered yet
		x.pending.Change(func(out *audit.Record) { x.ended(r, out, err) })
		switch auditErr := g.trail.Intend(context.WithoutCancel(ctx)); {
		case auditErr != nil && err == nil:
			return fmt.Errorf("audit: %w", auditErr)
		case auditErr != nil:
			g.log.ErrorContext(ctx, "audit", "requestId", x.id, "error", auditErr.Error())
		}
	}
	return err
}

// conclude adds to the record of a request how it ended.
func (g *Gateway) conclude(r *http.Request, x *exchange, w *response, b *progressBody) {
	if x.pending == nil {
		return
	}
	err := x.err
	if w.lost(r.Context(), err) { // it was answered; how much of the answer was taken is in bytesTransferredOut, as CloudTrail has it
		err = nil
	}
	x.pending.Change(func(out *audit.Record) { x.ended(r, out, err) })
	if x.pending.Sequence() == 0 { // the service has panicked before it changed anything
		if err := g.trail.Intend(audit.With(context.WithoutCancel(r.Context()), x.pending)); err != nil {
			g.log.ErrorContext(r.Context(), "audit", "requestId", x.id, "error", err.Error())
		}
	}
	if x.serviceName() == serviceS3 {
		x.pending.Annotate("bytesTransferredIn", b.count)
		x.pending.Annotate("bytesTransferredOut", w.count)
	}
	g.trail.Conclude(x.pending)
}

// refused records a refusal. That it cannot be recorded changes nothing for the caller, who is refused anyway.
func (g *Gateway) refused(r *http.Request, x *exchange, op *Operation, err error) error {
	if x.service == nil { // whoever answers what is for no service
		x.service = g.fallback
	}
	var checks []iam.Check
	if denied, ok := errors.AsType[*iam.Denied](err); ok {
		checks = []iam.Check{denied.Check}
	}
	out := g.record(r, x, op, checks)
	x.ended(r, &out, err)
	if x.principal.ARN == "" {
		g.strangers(out)
		return err
	}
	if auditErr := g.trail.Audit(context.WithoutCancel(r.Context()), out); auditErr != nil {
		g.log.ErrorContext(r.Context(), "audit", "requestId", x.id, "error", auditErr.Error())
	}
	return err
}

// refuse lets the service word a refusal. It reports false if the answer could not be written whole.
func (g *Gateway) refuse(w *response, r *http.Request, x *exchange, err error) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			g.log.ErrorContext(r.Context(), "panic in refusal", "requestId", x.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			ok = w.status == 0
			if ok {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
	}()
	s := x.service
	if s == nil {
		s = g.fallback
	}
	w.forget()
	if s.Name() == serviceS3 {
		w.nameS3(x.id)
	}
	if x.explained != "" {
		w.Header().Set(explanationHeader, x.explained)
	}
	s.Refuse(w, r, err)
	return true
}

// newExtendedID returns the second id that S3 answers have, x-amz-id-2.
func newExtendedID() string {
	var b [48]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}
