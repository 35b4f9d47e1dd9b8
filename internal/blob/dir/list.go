package dir

import (
	"context"
	"strings"

	"darkroom/internal/blob"
)

// List implements blob.Store.
func (s *Store) List(ctx context.Context, bucket string, o blob.ListOptions) (blob.Listing, error) {
	if err := live(ctx); err != nil {
		return blob.Listing{}, err
	}
	b, err := s.bucket(bucket)
	if err != nil {
		return blob.Listing{}, err
	}
	limit := o.Max
	if limit <= 0 || limit > blob.MaxKeys {
		limit = blob.MaxKeys
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out blob.Listing
	// last is the key or common prefix that was given last; what is not beyond it has been given.
	last, from := o.StartAfter, max(o.Prefix, o.StartAfter)
	for {
		next, ok := b.first(from, o, last)
		if !ok {
			return out, nil
		}
		if len(out.Objects)+len(out.CommonPrefixes) == limit {
			out.Truncated, out.Next = true, last
			return out, nil
		}
		if prefix, ok := commonPrefix(next.key, o); ok {
			out.CommonPrefixes = append(out.CommonPrefixes, prefix)
			last, from = prefix, after(prefix)
			if from == "" { // nothing sorts after it
				return out, nil
			}
			continue
		}
		out.Objects = append(out.Objects, next.info())
		last, from = next.key, next.key
	}
}

// first finds the first entry from a key on that has the prefix and is not given yet: neither itself nor its common prefix is last or before.
func (b *bucket) first(from string, o blob.ListOptions, last string) (found *entry, ok bool) {
	for {
		again := ""
		b.index.AscendGreaterOrEqual(&entry{key: from}, func(e *entry) bool {
			if !strings.HasPrefix(e.key, o.Prefix) {
				return false
			}
			name := e.key
			if prefix, ok := commonPrefix(e.key, o); ok {
				if name = prefix; name <= last {
					again = after(prefix) // all of it was given: go on behind it, not through it
					return false
				}
			}
			if name <= last {
				return true
			}
			found = e
			return false
		})
		if again == "" {
			return found, found != nil
		}
		from = again
	}
}

// commonPrefix is what a key is listed as, when the delimiter stands behind the prefix in it.
func commonPrefix(key string, o blob.ListOptions) (string, bool) {
	if o.Delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(o.Prefix):], o.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(o.Prefix)+i+len(o.Delimiter)], true
}

// after returns the first string that sorts after all that begin with prefix, or nothing if there is none.
func after(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}
