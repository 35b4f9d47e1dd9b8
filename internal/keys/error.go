package keys

import (
	"fmt"
	"net/http"
)

// Error is a refusal in KMS's terms.
type Error struct {
	Code    string
	Status  int // of HTTP
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// Invalidf is the refusal of a request that breaks a rule about its members.
func Invalidf(format string, args ...any) *Error {
	return errorf("ValidationException", format, args...)
}

// NotOfferedf is the refusal of what KMS has and this installation has not.
func NotOfferedf(format string, args ...any) *Error {
	return errorf("UnsupportedOperationException", "Not offered by this installation: "+format, args...)
}

func notFound(format string, args ...any) *Error { return errorf("NotFoundException", format, args...) }

func exceeded(format string, args ...any) *Error {
	return errorf("LimitExceededException", format, args...)
}

func malformedPolicy(format string, args ...any) *Error {
	return errorf("MalformedPolicyDocumentException", format, args...)
}

// errCiphertext says that a ciphertext does not open. It does not say what differs.
var errCiphertext = errorf("InvalidCiphertextException", "The ciphertext, or the encryption context that belongs to it, is not valid.")

// errWrongKey says that a ciphertext is not of the key that was named.
var errWrongKey = errorf("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")

// errUnknownCiphertext says that the key of a ciphertext is not there.
var errUnknownCiphertext = errorf("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")

// errDryRun ends a dry run that found nothing wrong.
var errDryRun = errorf("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
