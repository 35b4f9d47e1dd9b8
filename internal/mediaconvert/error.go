package mediaconvert

// APIError is an answer that is not a success: an exception of the model.
type APIError struct {
	Name    string // of the exception
	Status  int    // of HTTP
	Message string // shown to the caller
}

func (e *APIError) Error() string { return e.Name + ": " + e.Message }

// BadRequest says that the request is not valid, or asks for what is not offered.
func BadRequest(message string) *APIError {
	return &APIError{"BadRequestException", 400, message}
}

// Forbidden says that the caller may not do this.
func Forbidden(message string) *APIError {
	return &APIError{"ForbiddenException", 403, message}
}

// NotFound says that what the request names does not exist.
func NotFound(message string) *APIError {
	return &APIError{"NotFoundException", 404, message}
}

// Conflict says that the state of the resource does not allow it, or a token was used before.
func Conflict(message string) *APIError {
	return &APIError{"ConflictException", 409, message}
}

// TooManyRequests says that the caller asks too often.
func TooManyRequests(message string) *APIError {
	return &APIError{"TooManyRequestsException", 429, message}
}

// InternalServerError says that the service failed.
func InternalServerError(message string) *APIError {
	return &APIError{"InternalServerErrorException", 500, message}
}

// QuotaExceeded says that a quota of the account is used up.
func QuotaExceeded(message string) *APIError {
	return &APIError{"ServiceQuotaExceededException", 402, message}
}
