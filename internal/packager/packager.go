package packager

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"darkroom/internal/caption"
	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

const (
	// DefaultMemoryLimit bounds the samples of a job that wait for a track which lags behind. The encoder's tracks are a few seconds apart,
	// by its look-ahead and its fragments; this is 20 seconds of 100 Mbit/s.
	DefaultMemoryLimit = 256 << 20
	// queueLimit is the usual QueueLimit: how many bytes of samples a package holds before it slows its readers down.
	queueLimit = 8 << 20
	// inflightLimit is the usual InFlightLimit: it bounds the bytes of a job that are being uploaded at one time.
	inflightLimit = 32 << 20
	// firstPartSize is the size of an upload's first parts; S3 wants at least 5 MiB.
	firstPartSize = 8 << 20
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
	// PartSize is the size of an upload's first parts, in bytes; 0 is the default, 8 MiB. S3 wants 5 MiB at least. Later parts are larger, so that the
	// greatest object fits into 10,000.
	PartSize int
	// QueueLimit is how many bytes of samples a package holds before it slows its readers down, InFlightLimit how many bytes may be on their way to the store at
	// one time; 0 is the default of each, for a store that is far away. Where it is near, less is faster: what has just been read is still in the processor's cache.
	QueueLimit, InFlightLimit int64
	// Tracks are renditions whose samples are read directly, by id: what has no reader of its own.
	Tracks map[string]TrackReader
	// Keys are the content keys of the groups of segments that are encrypted, by their places in the job, each in the order of its plan's
	// Encryption.Keys. A group without all of its keys is not begun.
	Keys map[int][]cenc.Protection
	// Captions are the cues of the plan's captions, by id, in the order of time and moved as the plan says. They stay as they are.
	Captions map[string][]caption.Cue
	// Random is where vectors come from; nil is the system's source.
	Random io.Reader
	// Now is the clock for segment names that hold the time of their completion; nil is time.Now.
	Now func() time.Time

	fragmentLimit int64 // maxFragment, but in tests
}

// TrackReader gives the samples of one track, as cmaf.Reader and mp4.Reader do. It is used by one goroutine.
type TrackReader interface {
	// Track says what the track is, before its samples are read; io.EOF where there is none. It is the same one every time.
	Track() (*media.Track, error)
	// Read puts the next samples in decode order into b, at least one, and gives io.EOF after the last. It overwrites what b held and uses its memory again.
	Read(b *media.Batch) error
}

// Run reads all renditions to their ends and writes every package of the plan. renditions has a reader for each rendition of the plan, by
// id, that is not in Options.Tracks: fragmented MP4 of one track for video and audio, concatenated JPEG pictures for frames.
//
// The report is never nil. When Run fails, the readers that are io.Closers are closed, so that nobody hangs in Read; the caller ends the
// encoder. All goroutines have ended when Run returns.
func Run(ctx context.Context, p *plan.Plan, renditions map[string]io.Reader, out Sink, o Options) (*Report, error) {
	if o.fragmentLimit == 0 {
		o.fragmentLimit = maxFragment
	}
	if o.MemoryLimit <= 0 {
		o.MemoryLimit = DefaultMemoryLimit
	}
	if o.PartSize == 0 {
		o.PartSize = firstPartSize
	}
	if o.QueueLimit <= 0 {
		o.QueueLimit = queueLimit
	}
	if o.InFlightLimit <= 0 {
		o.InFlightLimit = inflightLimit
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	j := &job{sink: out, duration: p.Duration, o: o, gate: newGate(o.InFlightLimit), ended: make(chan struct{}), open: map[*object]bool{}}
	parent := ctx
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	defer j.cancel(nil)
	r := &runner{job: j, plan: p, inputs: renditions, pace: newPace(), byID: map[string]*subscription{}}
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
