// Package jsonapi is a gateway.Service that speaks the AWS JSON 1.1 protocol for a table of operations: it finds the operation that X-Amz-Target
// names, says what must be allowed for it, and writes the answer or the refusal as JSON. It is the twin of queryapi.
package jsonapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/audit"
	"darkroom/internal/awsjson"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// contentType is that of requests and answers.
const contentType = "application/x-amz-json-1.1"

// API names an API.
type API struct {
	Name   string // signing name: kms, acm
	Target string // what stands before the operation in X-Amz-Target: TrentService, CertificateManager
	// Version is that of the API, as records have it: 2014-11-01.
	Version string
	Alias   string // what may stand there too; empty for nothing
	// NotOffered are operations of the API that this installation does not carry out, which is told apart from those that do not exist.
	NotOffered []string
	// Admits says whether a caller may call an operation at all, whatever policies say; nil admits everybody who has signed.
	Admits func(caller iam.Principal, operation string) error
}

// Operation is one operation of an API.
type Operation struct {
	// AnyCaller says that nothing need be allowed: everybody who has signed may.
	AnyCaller bool

	input func() any
	check func(ctx context.Context, caller iam.Principal, in any) ([]iam.Check, error)
	serve func(ctx context.Context, caller iam.Principal, in any) (any, error)
}

// Op makes an operation of functions over its input structure, I, of the AWS SDK. check says what must be allowed: it has no effect, and sees a request
// whose faults are not told yet, so that any member can be missing. serve carries it out and returns the output structure; nil answers an empty
// body, as operations without an output do.
func Op[I any](check func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error), serve func(ctx context.Context, caller iam.Principal, in *I) (any, error)) Operation {
	return Operation{
		input: func() any { return new(I) },
		check: func(ctx context.Context, caller iam.Principal, in any) ([]iam.Check, error) {
			return check(ctx, caller, in.(*I))
		},
		serve: func(ctx context.Context, caller iam.Principal, in any) (any, error) {
			return serve(ctx, caller, in.(*I))
		},
	}
}

// Open makes an operation that everybody who has signed may call.
func Open[I any](serve func(ctx context.Context, caller iam.Principal, in *I) (any, error)) Operation {
	op := Op(func(context.Context, iam.Principal, *I) ([]iam.Check, error) { return nil, nil }, serve)
	op.AnyCaller = true
	return op
}

// Secret is an answer that holds key material. Wipe overwrites the material; it is called when the answer was written, or could not be, and then the
// text of the answer is overwritten too.
type Secret struct {
	Output any
	Wipe   func()
}

// Error is a refusal in AWS's terms.
type Error struct {
	Code    string
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// Service is an API behind a gateway. It is safe for concurrent use if its operations are.
type Service struct {
	api        API
	operations map[string]Operation
}

// New returns an API with its operations by name.
func New(api API, operations map[string]Operation) *Service {
	return &Service{api: api, operations: operations}
}

// Name implements gateway.Service.
func (s *Service) Name() string { return s.api.Name }

// Targets implements gateway.Targeted.
func (s *Service) Targets() []string {
	if s.api.Alias == "" {
		return []string{s.api.Target}
	}
	return []string{s.api.Target, s.api.Alias}
}

// Operations returns the names of the operations, in order.
func (s *Service) Operations() []string {
	var names []string
	for name := range s.operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// find returns the operation that a request asks for.
func (s *Service) find(r *http.Request) (name string, op Operation, err error) {
	unknown := func(format string, args ...any) error {
		return Errorf(http.StatusBadRequest, "UnknownOperationException", format, args...)
	}
	if r.Method != http.MethodPost || r.URL.EscapedPath() != "/" && r.URL.EscapedPath() != "" {
		return "", op, unknown("Operations are asked for with POST at the path /.")
	}
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != contentType {
		return "", op, unknown("The Content-Type of a request must be %s.", contentType)
	}
	targets := r.Header.Values("X-Amz-Target")
	if len(targets) != 1 {
		return "", op, unknown("The header X-Amz-Target must be given once, and name the operation.")
	}
	name, ok := strings.CutPrefix(targets[0], s.api.Target+".")
	if !ok && s.api.Alias != "" {
		name, ok = strings.CutPrefix(targets[0], s.api.Alias+".")
	}
	if ok {
		op, ok = s.operations[name]
	}
	switch {
	case ok:
		return name, op, nil
	case name != targets[0] && slices.Contains(s.api.NotOffered, name):
		return name, op, Errorf(http.StatusBadRequest, "UnsupportedOperationException", "Not offered by this installation: %s.", name)
	}
	return "", op, unknown("Could not find operation %s", clean(targets[0]))
}

// Resolve implements gateway.Service. What is wrong inside a request is told only to those who may make it, so it waits for Serve.
func (s *Service) Resolve(r *http.Request) (*gateway.Operation, error) {
	name, op, err := s.find(r)
	known := &gateway.Operation{Name: name}
	if err != nil {
		return known, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, gateway.MaxBody))
	if err != nil {
		return nil, err
	}
	caller := gateway.Caller(r.Context())
	if caller.Type == iam.WebIdentity {
		return known, Errorf(http.StatusBadRequest, "AccessDeniedException", "%s is called with a signature.", name)
	}
	if s.api.Admits != nil {
		if err := s.api.Admits(caller, name); err != nil {
			return known, err
		}
	}
	in := op.input()
	faults := awsjson.Decode(body, in)
	asked := audit.Parameters(in) // as it came: check may put the ARN of a key in the place of its alias
	known.Version, known.Parameters = s.api.Version, func() json.RawMessage { return asked }
	checks, err := op.check(r.Context(), caller, in)
	if err != nil {
		return known, err
	}
	return &gateway.Operation{
		Name: name, Checks: checks, AnyCaller: op.AnyCaller, Atomic: true, Version: known.Version, Parameters: known.Parameters,
		Serve: func(w http.ResponseWriter, served *http.Request) error {
			if len(faults) > 0 {
				code := "ValidationException"
				if !awsjson.Readable(faults) {
					code = "SerializationException"
				}
				return Errorf(http.StatusBadRequest, code, "%s", awsjson.Message(faults))
			}
			out, err := op.serve(served.Context(), caller, in)
			if err != nil {
				return err
			}
			if secret, ok := out.(Secret); ok {
				defer secret.Wipe()
				s.answered(served.Context(), name, secret.Output)
				text, err := awsjson.Encode(secret.Output)
				defer clear(text)
				if err != nil {
					return err
				}
				return write(w, http.StatusOK, text)
			}
			s.answered(served.Context(), name, out)
			var text []byte
			if out != nil {
				if text, err = awsjson.Encode(out); err != nil {
					return err
				}
			}
			return write(w, http.StatusOK, text)
		},
	}, nil
}

// answered puts an answer into the record of its request.
func (s *Service) answered(ctx context.Context, name string, out any) {
	if out != nil && audit.HasElements(s.api.Name, name) {
		gateway.Answered(ctx, audit.Elements(out))
	}
}

// maxShown bounds what a message repeats of a request.
const maxShown = 100

func clean(text string) string {
	if len(text) > maxShown {
		text = text[:maxShown] + "…"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

func write(w http.ResponseWriter, status int, text []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, err := w.Write(text)
	return err
}

// unsigned names the refusals of the gateway's signature check ("Common Errors" of the KMS and ACM API References; all are answered with 400).
var unsigned = map[sigv4.Kind]string{
	sigv4.MissingToken:     "MissingAuthenticationTokenException",
	sigv4.Incomplete:       "IncompleteSignatureException",
	sigv4.Unsupported:      "IncompleteSignatureException",
	sigv4.UnknownKey:       "UnrecognizedClientException",
	sigv4.InvalidToken:     "UnrecognizedClientException",
	sigv4.ExpiredToken:     "ExpiredTokenException",
	sigv4.RequestExpired:   "RequestExpired",
	sigv4.BadSignature:     "InvalidSignatureException",
	sigv4.Expired:          "InvalidSignatureException",
	sigv4.NotYetCurrent:    "InvalidSignatureException",
	sigv4.WrongRegion:      "InvalidSignatureException",
	sigv4.WrongService:     "InvalidSignatureException",
	sigv4.HeadersNotSigned: "InvalidSignatureException",
	sigv4.PayloadMismatch:  "InvalidSignatureException",
	sigv4.MissingLength:    "IncompleteSignatureException",
	sigv4.BadChunk:         "IncompleteSignatureException",
	sigv4.BadTrailer:       "IncompleteSignatureException",
	sigv4.IncompleteBody:   "IncompleteSignatureException",
}

// limited names the refusals of the gateway's limits.
var limited = map[gateway.LimitKind]string{
	gateway.BodyTooLarge: "RequestEntityTooLargeException",
	gateway.TooBusy:      "ServiceUnavailableException",
	gateway.BodyTimedOut: "RequestTimeoutException",
	gateway.BodyBroken:   "SerializationException",
}

// explain turns any error into a refusal. What it does not know is an error of ours, of which nothing is shown but where to find it in the log.
func explain(r *http.Request, err error) Error {
	var (
		own    *Error
		sig    *sigv4.Error
		denied *iam.Denied
		limit  *gateway.LimitError
	)
	switch {
	case errors.As(err, &own):
		return *own
	case errors.As(err, &denied):
		return Error{"AccessDeniedException", http.StatusBadRequest, denied.Error()}
	case errors.As(err, &sig):
		if code, ok := unsigned[sig.Kind]; ok {
			return Error{code, http.StatusBadRequest, sig.Message}
		}
	case errors.As(err, &limit):
		if code, ok := limited[limit.Kind]; ok {
			return Error{code, limit.Status(), limit.Message}
		}
	}
	return Error{"InternalFailure", http.StatusInternalServerError, "Internal error. The request id is " + gateway.RequestID(r.Context()) + "."}
}

// Explain implements gateway.Service.
func (s *Service) Explain(r *http.Request, err error) (code, message string) {
	e := explain(r, err)
	return e.Code, e.Message
}

// Refuse implements gateway.Service.
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := explain(r, err)
	if e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	_ = write(w, e.Status, awsjson.EncodeError(e.Code, e.Message)) // who went away cannot be told
}

var _ gateway.Targeted = (*Service)(nil)
