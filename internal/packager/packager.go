package packager

import (
	"context"
	"errors"
	"io"
	"time"

	"darkroom/internal/plan"
)

const (
	// DefaultMemoryLimit bounds the samples of a job that wait for a track which lags behind. The encoder's tracks are a few seconds apart,
	// by its look-ahead and its fragments; this is 20 seconds of 100 Mbit/s.
	DefaultMemoryLimit = 256 << 20
	// queueLimit is how many bytes of samples a package holds before it slows its readers down.
	queueLimit = 8 << 20
	// inflightLimit bounds the bytes of a job that are being uploaded at one time.
	inflightLimit = 32 << 20
	// firstPartSize is the size of an upload's first parts; S3 wants at least 5 MiB.
	firstPartSize = 8 << 20
	// minPartSize is the least that S3 allows.
	minPartSize = 5 << 20
	// abortTimeout is how long giving up the uploads of a failed job may take.
	abortTimeout = 30 * time.Second
)

// ErrDrift is returned by Run when renditions are further apart than Options.MemoryLimit allows.
var ErrDrift = errors.New("renditions are too far apart to be packaged in bounded memory")

// Options change how Run works. The zero value is fine.
type Options struct {
	// OnBytes is told of bytes that reached the store, as they do. It is called at the same time by several goroutines.
	OnBytes func(n int64)
	// Ended is called once, when all renditions have been read to their ends and before any file or playlist is completed. An error makes
	// Run fail with it. A caller says here whether the encoder ended well: the end of a pipe alone does not tell.
	Ended func(ctx context.Context) error
	// MemoryLimit bounds the samples in queues, in bytes; 0 is DefaultMemoryLimit.
	MemoryLimit int64
	// PartSize is the size of an upload's first parts, in bytes, at least 5 MiB; 0 is the default. Later parts are larger, so that the
	// greatest object fits into 10,000.
	PartSize int
	// Now is the clock for segment names that hold the time of their completion; nil is time.Now.
	Now func() time.Time
}

// Run reads all renditions to their ends and writes every package of the plan. renditions has a reader for each rendition of the plan, by
// id: fragmented MP4 of one track for video and audio, concatenated JPEG pictures for frames.
//
// The report is never nil. When Run fails, the readers that are io.Closers are closed, so that nobody hangs in Read; the caller ends the
// encoder. All goroutines have ended when Run returns.
func Run(ctx context.Context, p *plan.Plan, renditions map[string]io.Reader, out Sink, o Options) (*Report, error) {
	if o.MemoryLimit <= 0 {
		o.MemoryLimit = DefaultMemoryLimit
	}
	if o.PartSize == 0 {
		o.PartSize = firstPartSize
	}
	o.PartSize = max(o.PartSize, minPartSize)
	if o.Now == nil {
		o.Now = time.Now
	}
	j := &job{sink: out, o: o, gate: newGate(), ended: make(chan struct{}), open: map[*object]bool{}}
	parent := ctx
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	defer j.cancel(nil)
	r := &runner{job: j, plan: p, inputs: renditions, byID: map[string]*subscription{}}
	err := r.prepare()
	if err != nil {
		r.closeReaders()
	} else {
		err = r.work()
	}
	if err != nil && parent.Err() != nil {
		err = context.Cause(parent)
	}
	return r.report(context.WithoutCancel(parent), err)
}
