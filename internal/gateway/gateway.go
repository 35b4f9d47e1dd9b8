// Package gateway is the only way in, for every service: it authenticates each request, authorizes it, and writes it to the access log
// and the audit trail, before the service that it is for does anything.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

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

// Options are what a Gateway works with. Services, Default, Region, Identities, Audit and Log are needed.
type Options struct {
	Services []Service
	// Default names the service that words the refusals of requests whose service cannot be known.
	Default    string
	Region     string
	Identities Identities
	// Audit records a decision. For a granted request it is called before the service does anything, and an error refuses the request: what
	// cannot be recorded does not happen.
	Audit func(context.Context, Record) error
	Log   *slog.Logger
	// Explain writes why a request was denied in a form that only those read who may: it goes out with the refusal, for
	// sts:DecodeAuthorizationMessage. Nil, or an empty answer: nothing goes out.
	Explain func(ask *iam.Request, d iam.Decision) string
	// Ready says what keeps the service from working, and what it works without. Nil means nothing does.
	Ready func(context.Context) []Problem
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Gateway is the way in. It is safe for concurrent use.
type Gateway struct {
	services   map[string]Service
	fallback   Service
	region     string
	identities Identities
	audit      func(context.Context, Record) error
	log        *slog.Logger
	explain    func(ask *iam.Request, d iam.Decision) string
	ready      func(context.Context) []Problem
	now        func() time.Time

	outside, inside slots // requests served at once, by where they come from
	large           slots // large bodies in memory
	draining        atomic.Bool
}

// New returns a gateway before services.
func New(o Options) (*Gateway, error) {
	if o.Region == "" || o.Identities == nil || o.Audit == nil || o.Log == nil {
		return nil, errors.New("a gateway needs Region, Identities, Audit and Log")
	}
	g := &Gateway{
		services: make(map[string]Service), region: o.Region, identities: o.Identities, audit: o.Audit, log: o.Log, explain: o.Explain, ready: o.Ready, now: o.Now,
		outside: make(slots, MaxRequests), inside: make(slots, MaxRequests), large: make(slots, MaxLargeBodies),
	}
	if g.now == nil {
		g.now = time.Now
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
		if g.health(w, r) {
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
	err       error  // why it was refused or failed
}

func (x *exchange) serviceName() string {
	if x.service == nil {
		return ""
	}
	return x.service.Name()
}

// serve is the life of one request.
func (g *Gateway) serve(plain http.ResponseWriter, r *http.Request, x *exchange) {
	x.start, x.id = g.now(), newRequestID()
	ctx := context.WithValue(r.Context(), keyRequestID, x.id)
	ctx = context.WithValue(ctx, keyOrigin, origin{internal: x.internal, secure: x.secure, sourceIP: x.sourceIP})
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
		return g.refused(r, x, err)
	}
	defer release()
	r = r.WithContext(context.WithValue(r.Context(), keyPrincipal, x.principal))
	if x.service.Name() == serviceS3 {
		w.nameS3(x.id)
	}
	op, err := x.service.Resolve(r)
	if err != nil {
		return g.refused(r, x, err)
	}
	if op == nil {
		return errors.New("the service resolved no operation")
	}
	x.operation = op.Name
	if err := g.authorize(r, x, op); err != nil {
		return g.refused(r, x, err)
	}
	if err := g.audit(r.Context(), g.record(r, x, Granted, nil, op.Checks)); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return op.Serve(w, r)
}

// refused records a refusal. That it cannot be recorded changes nothing for the caller, who is refused anyway.
func (g *Gateway) refused(r *http.Request, x *exchange, err error) error {
	if auditErr := g.audit(r.Context(), g.record(r, x, Refused, err, nil)); auditErr != nil {
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
	if s.Name() == serviceS3 {
		w.nameS3(x.id)
	}
	if x.explained != "" {
		w.Header().Set(explanationHeader, x.explained)
	}
	s.Refuse(w, r, err)
	return true
}

// newRequestID returns a random UUID (RFC 9562, version 4).
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// newExtendedID returns the second id that S3 answers have, x-amz-id-2.
func newExtendedID() string {
	var b [48]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}
