package job

import "errors"

// Errors that the keeper of jobs returns and the API tells apart.
var (
	// ErrNotFound: the account has no job of that id.
	ErrNotFound = errors.New("no such job")
	// ErrFinished: the job is in a final status and cannot be cancelled.
	ErrFinished = errors.New("the job is finished")
	// ErrBusy: too many wait already.
	ErrBusy = errors.New("too many wait")
	// ErrTokenReused: the account used the client request token before, with another request.
	ErrTokenReused = errors.New("the client request token was used with another request")
)
