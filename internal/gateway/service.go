package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/iam"
)

// Service is one of the APIs behind the gateway. The gateway authenticates a request first, finds the service by the name in the
// credential scope, asks it which operation this is, authorizes every Check of the operation, and only then lets it Serve.
type Service interface {
	// Name is the signing name in the credential scope: mediaconvert, s3, sts.
	Name() string
	// Resolve says which operation the request asks for and what must be allowed for it. It must have no effect. For services other
	// than s3 the body is already read, bounded and verified against the signature; for s3 it is a stream that verifies as it is read,
	// without aws-chunked framing: ContentLength is the length of the object, Trailer has the verified trailers once the body is
	// read to its end, and a *sigv4.Error from reading is for Refuse. Only the body read to io.EOF is verified whole. The path is to be
	// read raw, by URL.EscapedPath.
	// An error is written by Refuse. With it may come what is known of the operation, for the record of the refusal: its Name and Parameters.
	Resolve(r *http.Request) (*Operation, error)
	// Refuse writes err in the dialect of the service. It gets the errors of Resolve, *sigv4.Error, *iam.Denied and
	// *gateway.LimitError; anything else is an internal error that shows nothing but the request id.
	Refuse(w http.ResponseWriter, r *http.Request, err error)
	// Explain returns the error's code and message as Refuse writes them, for the audit trail; an empty code for what is no error to who asked, as when an
	// object was not modified.
	Explain(r *http.Request, err error) (code, message string)
}

// Voucher is a Service with operations whose requests are not signed: they carry a proof of who asks that somebody else has made.
type Voucher interface {
	Service
	// Speaks says whether a request without a signature is made in the form of this API: then it is refused in its dialect.
	Speaks(r *http.Request, body []byte) bool
	// Vouches says whether a request without a signature is for such an operation; body is the whole of it.
	Vouches(r *http.Request, body []byte) bool
	// Vouch verifies the proof and returns who it is about, and what else it says, which Proof gives back. An error is written by Refuse.
	Vouch(r *http.Request, body []byte) (p iam.Principal, proof any, err error)
}

// Admitter is a Service with requests that carry a credential of its own where others have a signature: a token in the path, or the password of a
// machine that cannot sign.
type Admitter interface {
	Service
	// Admits says whether a request without a signature is for this service: then it is refused in its dialect, if not let in.
	Admits(r *http.Request) bool
	// Admit finds whose credential a request has, as they are at this moment, and what else it says, which Proof gives back. It sees no body, and
	// has no effect. An error is written by Refuse. What the caller may do is for Resolve and the policies of the principal, as with everybody.
	Admit(r *http.Request) (p iam.Principal, proof any, err error)
}

// Targeted is a Service whose requests name their operation in the header X-Amz-Target (AWS JSON 1.0 and 1.1).
type Targeted interface {
	Service
	// Targets are what can stand there before the last dot. Requests with one that are not signed are refused in the dialect of the service.
	Targets() []string
}

// Operation is what a request asks for.
type Operation struct {
	// Name is the action's name for logs and audit, such as CreateJob.
	Name string
	// Checks are all authorized, in order, before Serve; an operation with no checks is denied, unless AnyCaller says so.
	Checks []iam.Check
	// AnyCaller says that the operation has no checks on purpose: everybody who has signed the request may, whatever policies say.
	AnyCaller bool
	// Atomic says that all that Serve changes stands in the records, and that it is changed with the context of the request: then the record of the request is
	// written in the same transaction. Otherwise it is written before Serve.
	Atomic bool
	// Version is the version of the API, as records have it; empty where it has none.
	Version string
	// Parameters returns what was asked for, for the record: a JSON object without secrets, or nil. Nil means that there are none to tell.
	Parameters func() json.RawMessage
	// Serve carries the operation out and writes the answer, or returns an error for Refuse if nothing is written yet.
	Serve func(w http.ResponseWriter, r *http.Request) error
}

type contextKey int

const (
	keyRequestID contextKey = iota
	keyPrincipal
	keyOrigin
	keyProof
	keyUntil
)

// origin is where a request came from, as the gateway's own code knows it.
type origin struct {
	internal bool
	secure   bool
	sourceIP string
}

// RequestID returns the id of the request in ctx, as sent in x-amzn-RequestId.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(keyRequestID).(string)
	return id
}

// Caller returns who signed the request in ctx; the zero value (nobody) outside an authenticated request.
func Caller(ctx context.Context) iam.Principal {
	p, _ := ctx.Value(keyPrincipal).(iam.Principal)
	return p
}

// Until returns when the credentials that signed the request in ctx end; zero where they do not end by themselves.
func Until(ctx context.Context) time.Time {
	t, _ := ctx.Value(keyUntil).(time.Time)
	return t
}

// Proof returns what Voucher.Vouch or Admitter.Admit found in the request in ctx; nil for a request that was signed.
func Proof(ctx context.Context) any { return ctx.Value(keyProof) }

// Internal says whether the request in ctx came over the worker's own path. Only InternalHandler can make it so.
func Internal(ctx context.Context) bool {
	o, _ := ctx.Value(keyOrigin).(origin)
	return o.internal
}

// Secure says whether the request in ctx came over TLS or the worker's own path.
func Secure(ctx context.Context) bool {
	o, _ := ctx.Value(keyOrigin).(origin)
	return o.secure
}

// SourceIP returns the address of the peer of the connection; empty on the worker's own path.
func SourceIP(ctx context.Context) string {
	o, _ := ctx.Value(keyOrigin).(origin)
	return o.sourceIP
}

// Answered gives the record of the request in ctx what was answered: a JSON object without secrets. Reads answer nothing that a record has.
func Answered(ctx context.Context, elements json.RawMessage) {
	if p := audit.From(ctx); p != nil {
		p.Change(func(r *audit.Record) { r.ResponseElements = elements })
	}
}
