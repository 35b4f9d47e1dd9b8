package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"darkroom/internal/blob"
)

var conditionRequirements = []requirement{
	{"condition: reads", driver, func(t *testing.T, s blob.Store) {
		testReads(t, s, func(i blob.Info) []readCondition {
			past, future := i.LastModified.Add(-time.Hour), i.LastModified.Add(time.Hour)
			return []readCondition{
				{"If-Match", blob.Conditions{IfMatch: i.ETag}, nil},
				{"If-Match any", blob.Conditions{IfMatch: "*"}, nil},
				{"If-Match another", blob.Conditions{IfMatch: "aaaa"}, blob.ErrPreconditionFailed},
				{"If-None-Match", blob.Conditions{IfNoneMatch: i.ETag}, blob.ErrNotModified},
				{"If-None-Match any", blob.Conditions{IfNoneMatch: "*"}, blob.ErrNotModified},
				{"If-None-Match another", blob.Conditions{IfNoneMatch: "aaaa"}, nil},
				{"If-Modified-Since past", blob.Conditions{IfModifiedSince: past}, nil},
				{"If-Unmodified-Since past", blob.Conditions{IfUnmodifiedSince: past}, blob.ErrPreconditionFailed},
				{"If-Unmodified-Since future", blob.Conditions{IfUnmodifiedSince: future}, nil},
				{"If-Match wins over If-Unmodified-Since", blob.Conditions{IfMatch: i.ETag, IfUnmodifiedSince: past}, nil},
			}
		})
	}},
	{"condition: times are compared in whole seconds", server, func(t *testing.T, s blob.Store) {
		testReads(t, s, func(i blob.Info) []readCondition {
			return []readCondition{
				{"If-Modified-Since it was", blob.Conditions{IfModifiedSince: i.LastModified}, blob.ErrNotModified},
				{"If-Unmodified-Since it was", blob.Conditions{IfUnmodifiedSince: i.LastModified}, nil},
				{"If-None-Match wins over If-Modified-Since", blob.Conditions{IfNoneMatch: "aaaa", IfModifiedSince: i.LastModified}, nil},
			}
		})
	}},
	{"condition: writes", server, func(t *testing.T, s blob.Store) {
		ctx, b := t.Context(), newBucket(t, s)
		write := func(key, body string, c blob.Conditions) error {
			_, err := s.Put(ctx, b, key, bytes.NewReader([]byte(body)), blob.PutOptions{Size: int64(len(body)), Conditions: c})
			return err
		}
		wantError(t, "If-Match without an object", write("k", "0", blob.Conditions{IfMatch: "aaaa"}), blob.ErrNoSuchKey)
		if err := write("k", "1", blob.Conditions{IfNoneMatch: "*"}); err != nil {
			t.Fatal(err)
		}
		wantError(t, "If-None-Match: *", write("k", "2", blob.Conditions{IfNoneMatch: "*"}), blob.ErrPreconditionFailed)
		wantError(t, "If-Match another", write("k", "3", blob.Conditions{IfMatch: "aaaa"}), blob.ErrPreconditionFailed)
		wantBody(t, s, b, "k", []byte("1"))
		if err := write("k", "4", blob.Conditions{IfMatch: etag([]byte("1"))}); err != nil {
			t.Error(err)
		}
		wantBody(t, s, b, "k", []byte("4"))
	}},
	{"condition: of many writers who want to be first, one is", server, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for round := range 5 {
			key := fmt.Sprint(round)
			const writers = 8
			errs := make([]error, writers)
			var group sync.WaitGroup
			for i := range writers {
				group.Go(func() {
					_, errs[i] = s.Put(t.Context(), b, key, streamOf(content(byte(i), 1000)), blob.PutOptions{Size: 1000, Conditions: blob.Conditions{IfNoneMatch: "*"}})
				})
			}
			group.Wait()
			first := -1
			for i, err := range errs {
				switch {
				case err == nil && first < 0:
					first = i
				case err == nil:
					t.Errorf("writers %d and %d were both first", first, i)
				default:
					wantError(t, "put", err, blob.ErrPreconditionFailed)
				}
			}
			if first < 0 {
				t.Fatal("nobody was first")
			}
			wantBody(t, s, b, key, content(byte(first), 1000))
		}
	}},
}

// readCondition is a condition of a read, and what it leads to.
type readCondition struct {
	name string
	c    blob.Conditions
	want error
}

// testReads tries conditions, made for an object, on reads of it.
func testReads(t *testing.T, s blob.Store, conditions func(blob.Info) []readCondition) {
	b := newBucket(t, s)
	put(t, s, b, "k", []byte("x"))
	info, err := s.Head(t.Context(), b, "k", blob.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range conditions(info) {
		o, err := s.Get(t.Context(), b, "k", nil, tt.c)
		if !errors.Is(err, tt.want) {
			t.Errorf("get %s: got %v, want %v", tt.name, err, tt.want)
		}
		if err == nil {
			readAll(t, o)
		}
		if _, err := s.Head(t.Context(), b, "k", tt.c); !errors.Is(err, tt.want) {
			t.Errorf("head %s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}
