package gateway

import (
	"context"
	"net/http"
	"time"
)

// Observer hears of requests, for metrics and traces. Its methods are called by the request's own goroutine and return at once.
type Observer interface {
	// Began is told of a request before anything of it is believed, and returns the context that it is served with.
	Began(ctx context.Context, r *http.Request, e Exchange) context.Context
	// Ended is told, once for each request that began, how it ended. ctx is what Began returned.
	Ended(ctx context.Context, e Exchange)
}

// Exchange is a request and how it was answered. Of what a caller may choose there is nothing in it.
type Exchange struct {
	RequestID string
	Service   string // the signing name; empty while it is not known
	Operation string // the name of the action, as the service has it; empty while it is not known
	Internal  bool   // from our own worker
	Began     time.Time

	// What is known when it has ended.
	Took              time.Duration
	Method            string // one of HTTP's own; OTHER for others
	Status            int
	Reason            string // why it was refused or failed, as a kind; empty where it was not
	BytesIn, BytesOut int64
}

// unobserved is an Observer that hears nothing.
type unobserved struct{}

func (unobserved) Began(ctx context.Context, _ *http.Request, _ Exchange) context.Context { return ctx }
func (unobserved) Ended(context.Context, Exchange)                                        {}

// exchanged is what an observer hears of a request, as far as it is known.
func (x *exchange) exchanged() Exchange {
	return Exchange{RequestID: x.id, Service: x.serviceName(), Operation: x.operation, Internal: x.internal, Began: x.start}
}

// method is the method of a request, where it is one of HTTP's own (RFC 9110 section 9.3).
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return m
	}
	return "OTHER"
}
