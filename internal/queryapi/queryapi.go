// Package queryapi is a gateway.Service that speaks the AWS Query protocol for a table of operations: it reads the form, finds the operation, says
// what must be allowed for it, and writes the answer or the refusal as XML.
package queryapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/audit"
	"darkroom/internal/awsquery"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// API names an API.
type API struct {
	Name      string // signing name: iam, sts
	Version   string // 2010-05-08
	Namespace string // of its documents
	// NotOffered are operations of the API that this installation does not carry out, which is told apart from those that do not exist.
	NotOffered []string
	// Admits says whether a caller may call an operation at all, whatever policies say; nil admits everybody who has signed.
	Admits func(caller iam.Principal, operation string) error
}

// Operation is one operation of an API.
type Operation struct {
	// AnyCaller says that nothing need be allowed: everybody who has signed may.
	AnyCaller bool
	// unsigned says that the proof of who asks is in the request.
	unsigned bool

	input func() any
	check func(ctx context.Context, caller iam.Principal, in any) ([]iam.Check, error)
	serve func(ctx context.Context, caller iam.Principal, in any) (any, error)
	vouch func(ctx context.Context, in any) (iam.Principal, any, error)
}

// Op makes an operation of functions over its input structure, I, of the AWS SDK. check says what must be allowed: it has no effect, and sees a request
// whose faults are not told yet, so that any member can be missing. serve carries it out and returns the output structure.
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

// Vouched makes an operation whose requests are not signed: vouch says who asks, from a proof in the request, and what else the proof says, which
// check and serve get.
func Vouched[I, P any](
	vouch func(ctx context.Context, in *I) (iam.Principal, P, error),
	check func(ctx context.Context, caller iam.Principal, proof P, in *I) ([]iam.Check, error),
	serve func(ctx context.Context, caller iam.Principal, proof P, in *I) (any, error),
) Operation {
	proven := func(ctx context.Context) (P, error) {
		p, ok := gateway.Proof(ctx).(P)
		if !ok {
			return p, errors.New("a request without the proof that it was let in by")
		}
		return p, nil
	}
	op := Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		p, err := proven(ctx)
		if err != nil {
			return nil, err
		}
		return check(ctx, caller, p, in)
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		p, err := proven(ctx)
		if err != nil {
			return nil, err
		}
		return serve(ctx, caller, p, in)
	})
	op.unsigned = true
	op.vouch = func(ctx context.Context, in any) (iam.Principal, any, error) { return vouch(ctx, in.(*I)) }
	return op
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

// Operations returns the names of the operations, in order.
func (s *Service) Operations() []string {
	var names []string
	for name := range s.operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// form is the form of a request: its body or, for GET, its query without what belongs to the signature.
func form(r *http.Request, body []byte) (*awsquery.Form, error) {
	text := string(body)
	switch r.Method {
	case http.MethodPost:
	case http.MethodGet:
		var kept []string
		for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
			if !strings.HasPrefix(strings.ToLower(pair), "x-amz-") {
				kept = append(kept, pair)
			}
		}
		text = strings.Join(kept, "&")
	default:
		return nil, Errorf(http.StatusMethodNotAllowed, "MalformedHttpRequest", "Requests are made with POST or GET.")
	}
	if path := r.URL.EscapedPath(); path != "/" && path != "" {
		return nil, Errorf(http.StatusNotFound, "InvalidAction", "No operation of the API has this path.")
	}
	return awsquery.Parse(text)
}

// find returns the operation that a form asks for.
func (s *Service) find(f *awsquery.Form) (Operation, error) {
	op, ok := s.operations[f.Action]
	switch {
	case f.Version != "" && f.Version != s.api.Version:
		return op, Errorf(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", clean(f.Action), clean(f.Version))
	case slices.Contains(s.api.NotOffered, f.Action):
		return op, Errorf(http.StatusNotImplemented, "NotImplemented", "Not offered by this installation: %s.", f.Action)
	case !ok:
		return op, Errorf(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", clean(f.Action), s.api.Version)
	}
	return op, nil
}

// Resolve implements gateway.Service. What is wrong inside a request is told only to those who may make it, so it waits for Serve.
func (s *Service) Resolve(r *http.Request) (*gateway.Operation, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, gateway.MaxBody))
	if err != nil {
		return nil, err
	}
	f, err := form(r, body)
	if err != nil {
		return nil, err
	}
	op, err := s.find(f)
	known := &gateway.Operation{Version: s.api.Version}
	if op.input != nil || slices.Contains(s.api.NotOffered, f.Action) { // else the name is any text
		known.Name = f.Action
	}
	if err != nil {
		return known, err
	}
	caller := gateway.Caller(r.Context())
	if (caller.Type == iam.WebIdentity) != op.unsigned {
		// The proof in the request says who asks, and nothing else does: a signature beside it is left aside by AWS. It is refused here.
		return known, Errorf(http.StatusForbidden, "AccessDenied", "%s is called without a signature, and nothing else is.", clean(f.Action))
	}
	if s.api.Admits != nil {
		if err := s.api.Admits(caller, f.Action); err != nil {
			return known, err
		}
	}
	in := op.input()
	faults := f.Decode(in)
	asked := audit.Parameters(in)
	known.Parameters = func() json.RawMessage { return asked }
	checks, err := op.check(r.Context(), caller, in)
	if err != nil {
		return known, err
	}
	return &gateway.Operation{
		Name: f.Action, Checks: checks, AnyCaller: op.AnyCaller, Atomic: true, Version: s.api.Version, Parameters: known.Parameters,
		Serve: func(w http.ResponseWriter, served *http.Request) error {
			if len(faults) > 0 {
				return Errorf(http.StatusBadRequest, "ValidationError", "%s", awsquery.Message(faults))
			}
			out, err := op.serve(served.Context(), caller, in)
			if err != nil {
				return err
			}
			if out != nil && audit.HasElements(s.api.Name, f.Action) {
				gateway.Answered(served.Context(), audit.Elements(out))
			}
			text, err := awsquery.Encode(f.Action, s.api.Namespace, gateway.RequestID(served.Context()), out)
			if err != nil {
				return err
			}
			return write(w, http.StatusOK, text)
		},
	}, nil
}

// Speaks implements gateway.Voucher.
func (s *Service) Speaks(r *http.Request, body []byte) bool {
	f, err := form(r, body)
	if err != nil {
		return false
	}
	_, offered := s.operations[f.Action]
	return (offered || slices.Contains(s.api.NotOffered, f.Action)) && (f.Version == "" || f.Version == s.api.Version)
}

// Vouches implements gateway.Voucher.
func (s *Service) Vouches(r *http.Request, body []byte) bool {
	f, err := form(r, body)
	if err != nil {
		return false
	}
	op, err := s.find(f)
	return err == nil && op.unsigned
}

// Vouch implements gateway.Voucher.
func (s *Service) Vouch(r *http.Request, body []byte) (iam.Principal, any, error) {
	f, err := form(r, body)
	if err != nil {
		return iam.Principal{}, nil, err
	}
	op, err := s.find(f)
	if err != nil || !op.unsigned {
		return iam.Principal{}, nil, errors.Join(err, errors.New("the operation needs a signature"))
	}
	in := op.input()
	if faults := f.Decode(in); len(faults) > 0 {
		return iam.Principal{}, nil, Errorf(http.StatusBadRequest, "ValidationError", "%s", awsquery.Message(faults))
	}
	return op.vouch(r.Context(), in)
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
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, err := w.Write(text)
	return err
}

// unsigned names the refusals of the gateway's signature check (IAM API Reference, "Common Errors").
var unsigned = map[sigv4.Kind]Error{
	sigv4.MissingToken:     {Code: "MissingAuthenticationToken", Status: http.StatusForbidden},
	sigv4.Incomplete:       {Code: "IncompleteSignature", Status: http.StatusBadRequest},
	sigv4.Unsupported:      {Code: "IncompleteSignature", Status: http.StatusBadRequest},
	sigv4.UnknownKey:       {Code: "InvalidClientTokenId", Status: http.StatusForbidden},
	sigv4.InvalidToken:     {Code: "InvalidClientTokenId", Status: http.StatusForbidden},
	sigv4.ExpiredToken:     {Code: "ExpiredToken", Status: http.StatusForbidden},
	sigv4.RequestExpired:   {Code: "RequestExpired", Status: http.StatusBadRequest},
	sigv4.BadSignature:     {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.Expired:          {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.NotYetCurrent:    {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.WrongRegion:      {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.WrongService:     {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.HeadersNotSigned: {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.PayloadMismatch:  {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.MissingLength:    {Code: "IncompleteSignature", Status: http.StatusBadRequest},
	sigv4.BadChunk:         {Code: "IncompleteSignature", Status: http.StatusBadRequest},
	sigv4.BadTrailer:       {Code: "IncompleteSignature", Status: http.StatusBadRequest},
	sigv4.IncompleteBody:   {Code: "IncompleteSignature", Status: http.StatusBadRequest},
}

// limited names the refusals of the gateway's limits.
var limited = map[gateway.LimitKind]string{
	gateway.BodyTooLarge: "RequestEntityTooLarge",
	gateway.TooBusy:      "ServiceUnavailable",
	gateway.BodyTimedOut: "RequestTimeout",
	gateway.BodyBroken:   "MalformedHttpRequest",
}

// explain turns any error into a refusal. What it does not know is an error of ours, of which nothing is shown but where to find it in the log.
func explain(r *http.Request, err error) Error {
	var (
		own    *Error
		form   *awsquery.ParseError
		sig    *sigv4.Error
		denied *iam.Denied
		limit  *gateway.LimitError
	)
	switch {
	case errors.As(err, &own):
		return *own
	case errors.As(err, &form):
		return Error{form.Code, http.StatusBadRequest, form.Message}
	case errors.As(err, &denied):
		return Error{"AccessDenied", http.StatusForbidden, denied.Error()}
	case errors.As(err, &sig):
		if e, ok := unsigned[sig.Kind]; ok {
			e.Message = sig.Message
			return e
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
	kind := awsquery.Sender
	if e.Status >= http.StatusInternalServerError {
		kind = awsquery.Receiver
	}
	if e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	_ = write(w, e.Status, awsquery.EncodeError(s.api.Namespace, kind, e.Code, e.Message, gateway.RequestID(r.Context()))) // who went away cannot be told
}

var _ gateway.Voucher = (*Service)(nil)
