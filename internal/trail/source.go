package trail

import (
	"context"
	"errors"
	"fmt"
	"io"

	"darkroom/internal/blob"
	"darkroom/internal/digest"
)

// Source reads an object store for verification.
func Source(b blob.Store) digest.Source { return source{b} }

type source struct{ blob.Store }

// List implements digest.Source.
func (s source) List(ctx context.Context, bucket, prefix, after string) (keys []string, more bool, err error) {
	l, err := s.Store.List(ctx, bucket, blob.ListOptions{Prefix: prefix, StartAfter: after})
	if err != nil {
		return nil, false, err
	}
	for _, o := range l.Objects {
		keys = append(keys, o.Key)
	}
	return keys, l.Truncated, nil
}

// Open implements digest.Source.
func (s source) Open(ctx context.Context, bucket, key string) (io.ReadCloser, map[string]string, error) {
	o, err := s.Get(ctx, bucket, key, nil, blob.Conditions{})
	if errors.Is(err, blob.ErrNoSuchKey) {
		return nil, nil, fmt.Errorf("%w: %w", digest.ErrNotFound, err)
	}
	if err != nil {
		return nil, nil, err
	}
	metadata := o.Metadata.User
	if metadata == nil {
		metadata = map[string]string{}
	}
	return o.Body, metadata, nil
}
