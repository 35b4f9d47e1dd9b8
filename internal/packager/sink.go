package packager

import (
	"context"

	"darkroom/internal/plan"
)

// Sink is the object store that outputs go to, under the job's credentials. Its methods are called at the same time; each must return soon
// after its context ends. A body belongs to the caller again once the method has returned.
type Sink interface {
	// Put writes a whole object.
	Put(ctx context.Context, loc plan.Location, contentType string, body []byte) error
	// Create begins an object that is written in parts and appears only with Complete.
	Create(ctx context.Context, loc plan.Location, contentType string) (Upload, error)
}

// Upload is an object being written in parts, as in an S3 multipart upload.
type Upload interface {
	// Part uploads a part. Numbers are 1 to 10,000; parts come in any order and at the same time. Every part but the last has at least
	// 5 MiB.
	Part(ctx context.Context, number int, body []byte) error
	// Complete makes the object of all parts, by their numbers. It is called once, after every Part has returned.
	Complete(ctx context.Context) error
	// Abort gives the upload up. It is called after a failure, also one of Complete, and never at the same time as Part.
	Abort(ctx context.Context) error
}
