package blob

// HeldError says that something may not be deleted or overwritten because somebody holds it. It is an ErrAccessDenied that has something to tell.
type HeldError struct {
	// Message names the hold. It is fit to be shown to who may write.
	Message string
}

func (e *HeldError) Error() string { return e.Message }

// Unwrap makes it an ErrAccessDenied.
func (e *HeldError) Unwrap() error { return ErrAccessDenied }

// Holds says what is under a legal hold. An error is a *HeldError, or says that it cannot be known, and then nothing is deleted.
type Holds interface {
	// Object says whether an object may be deleted or overwritten.
	Object(bucket, key string) error
	// Bucket says whether a bucket may be deleted.
	Bucket(bucket string) error
}
