package gateway

import (
	"net/http"
	"time"
)

// Limits of what one caller can take. They hold for every service.
const (
	// MaxHeaderBytes bounds the request line and the headers together.
	MaxHeaderBytes = 64 << 10
	// MaxBody bounds the body of a request to any service but s3, which streams.
	MaxBody = 8 << 20
	// MaxRequests bounds the requests that are served at once, from outside and from the worker each.
	MaxRequests = 512
	// MaxLargeBodies bounds the requests at once whose body, other than for s3, is larger than SmallBody and held in memory.
	MaxLargeBodies = 32
	// SmallBody is the size of a body that everybody may send at once.
	SmallBody = 64 << 10
	// MaxConnections bounds the open connections from outside.
	MaxConnections = 2048

	// MaxLinger is how much of a body is taken in when its request was answered before it was read.
	MaxLinger = 16 << 20

	// HeaderTimeout is the time for the TLS handshake, and for the headers of a request.
	HeaderTimeout = 10 * time.Second
	// IdleTimeout is how long a connection may be kept without a request.
	IdleTimeout = 2 * time.Minute
	// StallTimeout is how long a body may make no progress, either way. A body that makes progress may take hours.
	StallTimeout = time.Minute
	// BodyTimeout is the time for the whole body of a request to any service but s3.
	BodyTimeout = 30 * time.Second
)

// LimitKind is which limit was met.
type LimitKind int

// The kinds of limit, with the names that AWS services give them.
const (
	// BodyTooLarge: the body is larger than MaxBody. RequestEntityTooLargeException; S3: EntityTooLarge.
	BodyTooLarge LimitKind = iota + 1
	// TooBusy: too many requests at once. ServiceUnavailable; S3: SlowDown.
	TooBusy
	// BodyTimedOut: the body did not come in time. RequestTimeout.
	BodyTimedOut
	// BodyBroken: the body ended before its length. IncompleteBody.
	BodyBroken
)

// LimitError is a refusal because of a limit of the gateway.
type LimitError struct {
	Kind    LimitKind
	Message string
}

func (e *LimitError) Error() string { return e.Message }

// Status returns the HTTP status that goes with the limit.
func (e *LimitError) Status() int {
	switch e.Kind {
	case BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case TooBusy:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// slots is a counting semaphore that refuses instead of waiting.
type slots chan struct{}

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }
