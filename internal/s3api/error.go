package s3api

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"darkroom/internal/blob"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// Code is an error code of S3 with its HTTP status ("Error responses", S3 API reference).
type Code struct {
	Name   string
	Status int
}

// The error codes.
var (
	AccessDenied                 = Code{"AccessDenied", http.StatusForbidden}
	AuthorizationHeaderMalformed = Code{"AuthorizationHeaderMalformed", http.StatusBadRequest}
	AuthorizationQueryError      = Code{"AuthorizationQueryParametersError", http.StatusBadRequest}
	BadDigest                    = Code{"BadDigest", http.StatusBadRequest}
	BucketAlreadyOwnedByYou      = Code{"BucketAlreadyOwnedByYou", http.StatusConflict}
	BucketNotEmpty               = Code{"BucketNotEmpty", http.StatusConflict}
	EntityTooLarge               = Code{"EntityTooLarge", http.StatusBadRequest}
	EntityTooSmall               = Code{"EntityTooSmall", http.StatusBadRequest}
	ExpiredToken                 = Code{"ExpiredToken", http.StatusBadRequest}
	IllegalLocationConstraint    = Code{"IllegalLocationConstraintException", http.StatusBadRequest}
	IncompleteBody               = Code{"IncompleteBody", http.StatusBadRequest}
	InternalError                = Code{"InternalError", http.StatusInternalServerError}
	InvalidAccessKeyID           = Code{"InvalidAccessKeyId", http.StatusForbidden}
	InvalidArgument              = Code{"InvalidArgument", http.StatusBadRequest}
	InvalidBucketName            = Code{"InvalidBucketName", http.StatusBadRequest}
	InvalidEncryptionAlgorithm   = Code{"InvalidEncryptionAlgorithmError", http.StatusBadRequest}
	InvalidStorageClass          = Code{"InvalidStorageClass", http.StatusBadRequest}
	InvalidDigest                = Code{"InvalidDigest", http.StatusBadRequest}
	InvalidPart                  = Code{"InvalidPart", http.StatusBadRequest}
	InvalidPartNumber            = Code{"InvalidPartNumber", http.StatusRequestedRangeNotSatisfiable}
	InvalidPartOrder             = Code{"InvalidPartOrder", http.StatusBadRequest}
	InvalidRange                 = Code{"InvalidRange", http.StatusRequestedRangeNotSatisfiable}
	InvalidRequest               = Code{"InvalidRequest", http.StatusBadRequest}
	InvalidToken                 = Code{"InvalidToken", http.StatusBadRequest}
	InvalidURI                   = Code{"InvalidURI", http.StatusBadRequest}
	KeyTooLong                   = Code{"KeyTooLongError", http.StatusBadRequest}
	MalformedTrailer             = Code{"MalformedTrailerError", http.StatusBadRequest}
	MalformedXML                 = Code{"MalformedXML", http.StatusBadRequest}
	MetadataTooLarge             = Code{"MetadataTooLarge", http.StatusBadRequest}
	MethodNotAllowed             = Code{"MethodNotAllowed", http.StatusMethodNotAllowed}
	MissingContentLength         = Code{"MissingContentLength", http.StatusLengthRequired}
	NoSuchBucket                 = Code{"NoSuchBucket", http.StatusNotFound}
	NoSuchKey                    = Code{"NoSuchKey", http.StatusNotFound}
	NoSuchUpload                 = Code{"NoSuchUpload", http.StatusNotFound}
	NoSuchVersion                = Code{"NoSuchVersion", http.StatusNotFound}
	NotImplemented               = Code{"NotImplemented", http.StatusNotImplemented}
	PreconditionFailed           = Code{"PreconditionFailed", http.StatusPreconditionFailed}
	RequestTimeTooSkewed         = Code{"RequestTimeTooSkewed", http.StatusForbidden}
	RequestTimeout               = Code{"RequestTimeout", http.StatusBadRequest}
	SignatureDoesNotMatch        = Code{"SignatureDoesNotMatch", http.StatusForbidden}
	SlowDown                     = Code{"SlowDown", http.StatusServiceUnavailable}
	InsufficientStorage          = Code{"ServiceUnavailable", http.StatusServiceUnavailable}
	ContentSHA256Mismatch        = Code{"XAmzContentSHA256Mismatch", http.StatusBadRequest}
)

// Error is a refusal in the terms of S3. Its message is shown to the caller.
type Error struct {
	Code    Code
	Message string
	// extra are further elements of the answer, name and text.
	extra [][2]string
	// header goes with the answer.
	header map[string]string
}

func (e *Error) Error() string { return e.Code.Name + ": " + e.Message }

func refuse(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// storeErrors give the errors of a store their code and the text of S3. More than one may match; the first does.
var storeErrors = []struct {
	err     error
	code    Code
	message string
}{
	{blob.ErrNoSuchBucket, NoSuchBucket, "The specified bucket does not exist"},
	{blob.ErrNoSuchKey, NoSuchKey, "The specified key does not exist."},
	{blob.ErrNoSuchUpload, NoSuchUpload, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	{blob.ErrBucketExists, BucketAlreadyOwnedByYou, "Your previous request to create the named bucket succeeded and you already own it."},
	{blob.ErrBucketNotEmpty, BucketNotEmpty, "The bucket you tried to delete is not empty"},
	{blob.ErrInvalidBucketName, InvalidBucketName, "The specified bucket is not valid."},
	{blob.ErrInvalidPart, InvalidPart, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	{blob.ErrInvalidPartOrder, InvalidPartOrder, "The list of parts was not in ascending order. Parts must be ordered by part number."},
	{blob.ErrEntityTooSmall, EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"},
	{blob.ErrEntityTooLarge, EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"},
	{blob.ErrBadDigest, BadDigest, "The Content-MD5 or checksum you specified did not match what we received."},
	{blob.ErrInvalidRange, InvalidRange, "The requested range is not satisfiable"},
	{blob.ErrPreconditionFailed, PreconditionFailed, "At least one of the pre-conditions you specified did not hold"},
	{blob.ErrKeyTooLong, KeyTooLong, "Your key is too long"},
	{blob.ErrMetadataTooLarge, MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size"},
	{blob.ErrIncompleteBody, IncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header"},
	{blob.ErrKeyNeeded, InvalidRequest, "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."},
	{blob.ErrKeyUnused, InvalidRequest, "The encryption parameters are not applicable to this object."},
	{blob.ErrWrongKey, AccessDenied, "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."},
	{blob.ErrUploadKey, InvalidRequest, "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."},
	{blob.ErrWrongUploadKey, InvalidRequest, "The provided encryption parameters did not match the ones used originally."},
	{blob.ErrAccessDenied, AccessDenied, "Access Denied"},
	{blob.ErrNoSpace, InsufficientStorage, "The object store has no space left. Delete objects, or give it a larger volume; a retry does not help before."},
	{blob.ErrCorrupt, InternalError, "The stored object is damaged: what is on disk is not what was written. Restore it from a copy."},
}

// signatureErrors give the refusals of signatures their code.
var signatureErrors = map[sigv4.Kind]Code{
	sigv4.MissingToken: AccessDenied, sigv4.Incomplete: AuthorizationHeaderMalformed, sigv4.Unsupported: InvalidRequest, sigv4.UnknownKey: InvalidAccessKeyID,
	sigv4.BadSignature: SignatureDoesNotMatch, sigv4.Expired: RequestTimeTooSkewed, sigv4.NotYetCurrent: RequestTimeTooSkewed,
	sigv4.RequestExpired: AccessDenied, sigv4.ExpiredToken: ExpiredToken, sigv4.InvalidToken: InvalidToken,
	sigv4.WrongRegion: AuthorizationHeaderMalformed, sigv4.WrongService: AuthorizationHeaderMalformed, sigv4.HeadersNotSigned: AccessDenied,
	sigv4.PayloadMismatch: ContentSHA256Mismatch, sigv4.MissingLength: MissingContentLength, sigv4.BadChunk: InvalidRequest,
	sigv4.BadTrailer: MalformedTrailer, sigv4.IncompleteBody: IncompleteBody,
}

// explain turns any error into a refusal. What it does not know shows nothing.
func explain(err error) *Error {
	var own *Error
	var signature *sigv4.Error
	var denied *iam.Denied
	var limit *gateway.LimitError
	var key *blob.KeyError
	var held *blob.HeldError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &held):
		return refuse(AccessDenied, "%s", held.Message)
	case errors.As(err, &signature):
		return explainSignature(signature)
	case errors.As(err, &denied):
		return refuse(AccessDenied, "%s", denied.Error())
	case errors.As(err, &limit):
		return explainLimit(limit)
	case errors.As(err, &key):
		return explainKey(key)
	case errors.Is(err, blob.ErrNotHonoured):
		return refuse(NotImplemented, "Not offered by this installation: %s.", clean(tail(err, blob.ErrNotHonoured.Error())))
	case errors.Is(err, blob.ErrNotOffered):
		return refuse(NotImplemented, "Not offered by this installation: %s.", clean(strings.TrimPrefix(tail(err, blob.ErrNotOffered.Error()), blob.ErrNotOffered.Error()+": ")))
	case errors.Is(err, blob.ErrInvalidArgument):
		_, text, _ := strings.Cut(err.Error(), blob.ErrInvalidArgument.Error()+": ")
		return refuse(InvalidArgument, "Invalid argument: %s.", clean(text))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(RequestTimeout, "Your socket connection to the server was not read from or written to within the timeout period.")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
		return refuse(IncompleteBody, "The request body terminated unexpectedly.")
	}
	for _, s := range storeErrors {
		if errors.Is(err, s.err) {
			return refuse(s.code, "%s", s.message)
		}
	}
	return refuse(InternalError, "We encountered an internal error. Please try again.")
}

// tail is an error's text from a part of it on.
func tail(err error, part string) string {
	text := err.Error()
	return text[max(0, strings.Index(text, part)):]
}

// explainKey passes on what the key service says, as S3 does.
func explainKey(err *blob.KeyError) *Error {
	code := Code{err.Code, http.StatusBadRequest}
	switch err.Code {
	case blob.KeyDenied:
		code = AccessDenied
	case blob.KeyUnavailable:
		code = Code{"ServiceUnavailable", http.StatusServiceUnavailable}
	case blob.KeyDisabled, blob.KeyInvalidState, blob.KeyInvalidUsage, blob.KeyNotFound:
	default:
		return refuse(InternalError, "We encountered an internal error. Please try again.")
	}
	return refuse(code, "%s", err.Message)
}

func explainSignature(err *sigv4.Error) *Error {
	code, ok := signatureErrors[err.Kind]
	if !ok {
		code = AccessDenied
	}
	out := refuse(code, "%s", err.Message)
	switch {
	case err.Kind == sigv4.MissingToken:
		out.Message = "Access Denied."
	case err.Kind == sigv4.Incomplete && err.Presigned, err.Kind == sigv4.WrongRegion && err.Presigned, err.Kind == sigv4.WrongService && err.Presigned:
		out.Code = AuthorizationQueryError
	}
	if err.Kind == sigv4.WrongRegion && err.Region != "" { // clients try again with the region that is right
		out.extra = append(out.extra, [2]string{"Region", err.Region})
		out.header = map[string]string{"x-amz-bucket-region": err.Region}
	}
	return out
}

func explainLimit(err *gateway.LimitError) *Error {
	code := InvalidRequest
	switch err.Kind {
	case gateway.BodyTooLarge:
		code = EntityTooLarge
	case gateway.TooBusy:
		code = SlowDown
	case gateway.BodyTimedOut:
		code = RequestTimeout
	case gateway.BodyBroken:
		code = IncompleteBody
	}
	return refuse(code, "%s", err.Message)
}

// Explain implements gateway.Service.
func (s *Service) Explain(_ *http.Request, err error) (code, message string) {
	if errors.Is(err, blob.ErrNotModified) {
		return "", ""
	}
	e := explain(err)
	return e.Code.Name, e.Message
}

// Refuse implements gateway.Service.
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, blob.ErrNotModified) {
		w.WriteHeader(http.StatusNotModified) // has no body; what it has of headers was set by the operation
		return
	}
	e := explain(err)
	h := w.Header()
	for name, value := range e.header {
		h.Set(name, value)
	}
	for _, name := range [...]string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Cache-Control"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/xml")
	var role *blob.RoleError
	if errors.As(err, &role) && gateway.Internal(r.Context()) { // a worker has to say it in the job; who else asks is told that access is denied
		h.Set(blob.RoleErrorHeader, role.Message)
	}
	var held *blob.HeldError
	if errors.As(err, &held) && gateway.Internal(r.Context()) {
		h.Set(blob.RoleErrorHeader, held.Message)
	}
	var key *blob.KeyError
	if errors.As(err, &key) && gateway.Internal(r.Context()) { // answers to HEAD have no other place for it
		h.Set(blob.KeyErrorHeader, key.Code+": "+key.Message)
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(e.Code.Status)
		return
	}
	w.WriteHeader(e.Code.Status)
	_, _ = io.WriteString(w, s.document(r, e, h.Get("x-amz-id-2"))) // whoever left does not need it
}

// document is the body of a refusal.
func (s *Service) document(r *http.Request, e *Error, hostID string) string {
	var b strings.Builder
	b.WriteString(xml.Header + "<Error>")
	element := func(name, value string) {
		if value != "" {
			b.WriteString("<" + name + ">" + escape(value) + "</" + name + ">")
		}
	}
	element("Code", e.Code.Name)
	element("Message", e.Message)
	for _, x := range e.extra {
		element(x[0], x[1])
	}
	if in, err := s.parse(r); err == nil {
		element("BucketName", in.bucket)
		element("Key", in.key)
	}
	element("Resource", clean(r.URL.EscapedPath()))
	element("RequestId", gateway.RequestID(r.Context()))
	element("HostId", hostID)
	b.WriteString("</Error>")
	return b.String()
}

// maxShown bounds what a message repeats of a request.
const maxShown = 200

// clean makes what a caller sent fit for a message.
func clean(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
