package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/sigv4"
)

// message is the body of every answer that is not a success.
type message struct {
	Message *string
}

// Explain implements gateway.Service.
func (s *Service) Explain(r *http.Request, err error) (code, message string) {
	e := exception(r, err)
	return e.Name, e.Message
}

// Refuse implements gateway.Service in the REST-JSON dialect: the name of the exception in a header, its message in the body.
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := exception(r, err)
	h := w.Header()
	h.Set("X-Amzn-ErrorType", e.Name)
	var method *mediaconvert.MethodError
	if errors.As(err, &method) {
		h.Set("Allow", strings.Join(method.Allowed, ", "))
	}
	if e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.Itoa(max(1, int(e.RetryAfter/time.Second))))
	}
	body, err := mediaconvert.Encode(message{&e.Message})
	if err != nil {
		body = []byte("{}")
	}
	_ = writeBody(w, e.Status, body) // who went away cannot be told
}

// writeBody writes an answer whole.
func writeBody(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// unsigned names the refusals of the gateway's signature check, with their status (see "Common Errors" of AWS services).
var unsigned = map[sigv4.Kind]mediaconvert.APIError{
	sigv4.MissingToken:     {Name: "MissingAuthenticationTokenException", Status: http.StatusForbidden},
	sigv4.Incomplete:       {Name: "IncompleteSignatureException", Status: http.StatusBadRequest},
	sigv4.Unsupported:      {Name: "IncompleteSignatureException", Status: http.StatusBadRequest},
	sigv4.UnknownKey:       {Name: "UnrecognizedClientException", Status: http.StatusForbidden},
	sigv4.InvalidToken:     {Name: "UnrecognizedClientException", Status: http.StatusForbidden},
	sigv4.ExpiredToken:     {Name: "ExpiredTokenException", Status: http.StatusForbidden},
	sigv4.RequestExpired:   {Name: "RequestExpired", Status: http.StatusBadRequest},
	sigv4.BadSignature:     {Name: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.Expired:          {Name: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.NotYetCurrent:    {Name: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.WrongRegion:      {Name: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.WrongService:     {Name: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.HeadersNotSigned: {Name: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.PayloadMismatch:  {Name: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.MissingLength:    {Name: "IncompleteSignatureException", Status: http.StatusBadRequest},
	sigv4.BadChunk:         {Name: "IncompleteSignatureException", Status: http.StatusBadRequest},
	sigv4.BadTrailer:       {Name: "IncompleteSignatureException", Status: http.StatusBadRequest},
	sigv4.IncompleteBody:   {Name: "IncompleteSignatureException", Status: http.StatusBadRequest},
}

// limited names the refusals of the gateway's limits.
var limited = map[gateway.LimitKind]string{
	gateway.BodyTooLarge: "RequestEntityTooLargeException",
	gateway.TooBusy:      "ServiceUnavailableException",
	gateway.BodyTimedOut: "RequestTimeoutException",
	gateway.BodyBroken:   "IncompleteBodyException",
}

// exception finds how an error is called. What is not known is an error of ours, of which nothing is shown but where to find it in the log.
func exception(r *http.Request, err error) mediaconvert.APIError {
	var (
		api    *mediaconvert.APIError
		method *mediaconvert.MethodError
		sig    *sigv4.Error
		denied *iam.Denied
		limit  *gateway.LimitError
	)
	switch {
	case errors.As(err, &api):
		return *api
	case errors.As(err, &denied):
		return mediaconvert.APIError{Name: "AccessDeniedException", Status: http.StatusForbidden, Message: denied.Error()}
	case errors.As(err, &sig):
		if e, ok := unsigned[sig.Kind]; ok {
			e.Message = sig.Message
			return e
		}
	case errors.As(err, &limit):
		if name, ok := limited[limit.Kind]; ok {
			return mediaconvert.APIError{Name: name, Status: limit.Status(), Message: limit.Message}
		}
	case errors.Is(err, mediaconvert.ErrUnknownPath):
		return mediaconvert.APIError{Name: "UnknownOperationException", Status: http.StatusNotFound, Message: "No operation of the API has this path."}
	case errors.As(err, &method):
		return mediaconvert.APIError{
			Name: "UnknownOperationException", Status: http.StatusMethodNotAllowed,
			Message: "This path is for the methods " + strings.Join(method.Allowed, ", ") + ".",
		}
	}
	return *mediaconvert.InternalServerError("Internal error. The request id is " + gateway.RequestID(r.Context()) + ".")
}
