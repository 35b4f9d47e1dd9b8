package lifecycle

import (
	"context"
	"errors"
	"io"

	"darkroom/internal/blob"
)

// Guard is a store that obeys holds though it is another's: the requests that go through here. Whoever reaches it by another way is not seen.
type Guard struct {
	blob.Store
	holds blob.Holds
}

// NewGuard returns the store behind the holds.
func NewGuard(s blob.Store, holds blob.Holds) *Guard { return &Guard{s, holds} }

// replaces refuses what would take the place of an object that is held. Where nothing is there yet, the condition that it returns keeps it so until the write.
func (g *Guard) replaces(ctx context.Context, bucket, key string, c blob.Conditions) (blob.Conditions, error) {
	held := g.holds.Object(bucket, key)
	if held == nil {
		return c, nil
	}
	_, err := g.Store.Head(ctx, bucket, key, blob.Conditions{})
	if !errors.Is(err, blob.ErrNoSuchKey) {
		return c, held // it is there, or that cannot be known
	}
	if c.IfNoneMatch == "" && c.IfMatch == "" {
		c.IfNoneMatch = "*"
	}
	return c, nil
}

// Put implements blob.Store.
func (g *Guard) Put(ctx context.Context, bucket, key string, body io.Reader, o blob.PutOptions) (blob.Info, error) {
	var err error
	if o.Conditions, err = g.replaces(ctx, bucket, key, o.Conditions); err != nil {
		return blob.Info{}, err
	}
	return g.Store.Put(ctx, bucket, key, body, o)
}

// Copy implements blob.Store.
func (g *Guard) Copy(ctx context.Context, srcBucket, srcKey, bucket, key string, o blob.CopyOptions) (blob.Info, error) {
	if _, err := g.replaces(ctx, bucket, key, blob.Conditions{}); err != nil {
		return blob.Info{}, err
	}
	return g.Store.Copy(ctx, srcBucket, srcKey, bucket, key, o)
}

// CompleteUpload implements blob.Store.
func (g *Guard) CompleteUpload(ctx context.Context, u blob.Upload, parts []blob.Part, c blob.Conditions) (blob.Info, error) {
	c, err := g.replaces(ctx, u.Bucket, u.Key, c)
	if err != nil {
		return blob.Info{}, err
	}
	return g.Store.CompleteUpload(ctx, u, parts, c)
}

// Delete implements blob.Store.
func (g *Guard) Delete(ctx context.Context, bucket, key string) error {
	if err := g.holds.Object(bucket, key); err != nil {
		return err
	}
	return g.Store.Delete(ctx, bucket, key)
}

// DeleteBucket implements blob.Store.
func (g *Guard) DeleteBucket(ctx context.Context, bucket string) error {
	if err := g.holds.Bucket(bucket); err != nil {
		return err
	}
	return g.Store.DeleteBucket(ctx, bucket)
}
