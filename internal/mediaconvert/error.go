package mediaconvert

import "time"

// APIError is an answer that is not a success: an exception of the model.
type APIError struct {
	Name    string // of the exception
	Status  int    // of HTTP
	Message string // shown to the caller

	// RetryAfter is when another try can be of use, in whole seconds; 0 where that is not known.
	RetryAfter time.Duration
}

func (e *APIError) Error() string { return e.Name + ": " + e.Message }

// BadRequest says that the request is not valid, or asks for what is not offered.
func BadRequest(message string) *APIError {
	return &APIError{Name: "BadRequestException", Status: 400, Message: message}
}

// Forbidden says that the caller may not do this.
func Forbidden(message string) *APIError {
	return &APIError{Name: "ForbiddenException", Status: 403, Message: message}
}

// NotFound says that what the request names does not exist.
func NotFound(message string) *APIError {
	return &APIError{Name: "NotFoundException", Status: 404, Message: message}
}

// Conflict says that the state of the resource does not allow it, or a token was used before.
func Conflict(message string) *APIError {
	return &APIError{Name: "ConflictException", Status: 409, Message: message}
}

// TooManyRequests says that the caller asks too often.
func TooManyRequests(message string) *APIError {
	return &APIError{Name: "TooManyRequestsException", Status: 429, Message: message}
}

// InternalServerError says that the service failed.
func InternalServerError(message string) *APIError {
	return &APIError{Name: "InternalServerErrorException", Status: 500, Message: message}
}

// QuotaExceeded says that a quota of the account is used up.
func QuotaExceeded(message string) *APIError {
	return &APIError{Name: "ServiceQuotaExceededException", Status: 402, Message: message}
}
