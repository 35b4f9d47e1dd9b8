package trail

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/digest"
	"darkroom/internal/store"
)

// anchorTime bounds one attempt to anchor a digest.
const anchorTime = 2 * time.Minute

// witness is which digests wait to be anchored. It is shared by who delivers and who anchors.
type witness struct {
	total    int64 // digests that were delivered
	anchored anchored
	anchors  map[int64]anchor
}

// anchorAll anchors the digests of a trail, in their order, until ctx ends.
func (r *runner) anchorAll(ctx context.Context, t *Trail) {
	for failures := 0; ctx.Err() == nil; {
		n, a, waits := r.unanchored()
		if !waits {
			select {
			case <-ctx.Done():
			case <-r.anchoring:
			}
			continue
		}
		why, err := r.anchor(ctx, t, n, a)
		if err == nil {
			failures = 0
			continue
		}
		failures++
		again, stop := r.o.Wait(retryAfter(failures))
		if ctx.Err() == nil {
			r.o.Log.Warn("a digest cannot be anchored now; it is tried again", "trail", t.ARN, "digest", a.Object, "err", err)
		}
		r.mu.Lock()
		r.status.AnchorFailure = why
		r.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-again:
		}
		stop()
	}
}

// unanchored is the oldest digest that waits, and its number. Where more were delivered than can wait, the oldest are passed over.
func (r *runner) unanchored() (n int64, a anchor, waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.witness
	n = max(w.anchored.Digests, w.total-maxUnanchored)
	if n >= w.total {
		return 0, anchor{}, false
	}
	return n, w.anchors[n%maxUnanchored], true
}

// Why a digest cannot be anchored, for who may read the alerts of the trail's account. What the bucket, the authority or the records said is for the log: it may hold
// addresses and names that are the installation's.
const (
	unreadable  = "the digest cannot be read from its bucket as it was delivered"
	unwitnessed = "no witness of it could be kept"
	unnoted     = "that it is witnessed could not be noted"
)

// anchor anchors one digest, and notes it. why is one of the texts above.
func (r *runner) anchor(ctx context.Context, t *Trail, n int64, a anchor) (why string, err error) {
	text, err := r.read(ctx, t, a)
	if err != nil {
		return unreadable, fmt.Errorf("read the digest: %w", err)
	}
	attempt, cancel := context.WithTimeout(ctx, anchorTime)
	defer cancel()
	if err := r.o.Anchor(attempt, Anchored{
		Account: t.Account, TrailName: t.Name, TrailARN: t.ARN, Bucket: a.Bucket, Object: a.Object, Text: text, Hash: a.Hash, Signature: a.Signature, Start: a.Start, End: a.End,
	}); err != nil {
		return unwitnessed, err
	}
	done := anchored{Digests: n + 1, Latest: r.o.Now().UTC()}
	e, err := entryOf(entryAnchored, t.id, done)
	if err != nil {
		return unnoted, err
	}
	if err := r.o.Records.NoteRegistry(ctx, t.registry(), []store.Entry{e}); err != nil {
		return unnoted, fmt.Errorf("note that a digest is anchored: %w", err)
	}
	r.mu.Lock()
	r.witness.anchored = done
	r.status.Unanchored, r.status.LatestAnchor, r.status.AnchorFailure = r.witness.total-done.Digests, done.Latest, ""
	r.mu.Unlock()
	r.wake() // a trail that is gone waits for it
	return "", nil
}

// read reads a digest that was delivered, and refuses one that was changed since.
func (r *runner) read(ctx context.Context, t *Trail, a anchor) ([]byte, error) {
	b, err := r.o.Buckets(t.Account)
	if err != nil {
		return nil, err
	}
	o, err := b.Get(r.o.As(ctx, t.Account), a.Bucket, a.Object, nil, blob.Conditions{})
	if err != nil {
		return nil, err
	}
	defer o.Body.Close()
	z, err := gzip.NewReader(o.Body)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, digest.MaxDigest+1))
	if err != nil {
		return nil, err
	}
	if digest.Hash(text) != a.Hash {
		return nil, errors.New("it was changed since it was delivered")
	}
	return text, nil
}
