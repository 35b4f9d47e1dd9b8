package blobtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/blob"
)

var listRequirements = []requirement{
	{"list: an empty bucket", driver, func(t *testing.T, s blob.Store) {
		page, err := s.List(t.Context(), newBucket(t, s), blob.ListOptions{Delimiter: "/"})
		if err != nil || len(page.Objects)+len(page.CommonPrefixes) > 0 || page.Truncated {
			t.Errorf("got %+v, %v", page, err)
		}
	}},
	{"list: an object as it is", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		info := put(t, s, b, "k", []byte("hello"))
		page, err := s.List(t.Context(), b, blob.ListOptions{})
		if err != nil || len(page.Objects) != 1 {
			t.Fatalf("got %+v, %v", page, err)
		}
		if got := page.Objects[0]; got.Key != "k" || got.Size != 5 || got.ETag != info.ETag || got.LastModified.IsZero() {
			t.Errorf("got %+v", got)
		}
	}},
	{"list: every choice and page agrees with the definition", driver, func(t *testing.T, s blob.Store) {
		testListing(t, s, []string{"a/b/c", "a/b/d", "a/c", "a0", "b/x", "b/y", "b/z/1", "b/z/2", "c", "d/e/f/g", "dd", "e-1", "e-2", "é/1", "é/2", "鍵"})
	}},
	{"list: a key may be the beginning of another", server, func(t *testing.T, s blob.Store) {
		testListing(t, s, []string{"a", "a/", "a/b", "a/b/", "a/b/c", "a/b/d", "a//c", "a0", "b/", "b/x", "b/x/", "c", "e-1", "e-"})
	}},
	{"list: more than a page", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for i := range 12 {
			put(t, s, b, fmt.Sprintf("k%02d", i), nil)
		}
		page, err := s.List(t.Context(), b, blob.ListOptions{Max: 5000})
		if err != nil || page.Truncated || len(page.Objects) != 12 {
			t.Errorf("%d objects, truncated %t, %v", len(page.Objects), page.Truncated, err)
		}
	}},
}

// testListing compares listings of keys that nest, with prefixes, delimiters and pages of all sizes, with what the contract says they are.
func testListing(t *testing.T, s blob.Store, keys []string) {
	b := newBucket(t, s)
	random := rand.New(rand.NewPCG(1, 2))
	for _, i := range random.Perm(len(keys)) {
		put(t, s, b, keys[i], nil)
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/", "a/b", "b/", "e", "é", "z", "d/e/f/g"} {
		for _, delimiter := range []string{"", "/", "-", "b"} {
			for _, limit := range []int{1, 2, 3, 7, 1000} {
				for _, start := range []string{"", "a", "a/", "a/b", "a/zzz", "b/z/", "zzzz"} {
					o := blob.ListOptions{Prefix: prefix, Delimiter: delimiter, StartAfter: start, Max: limit}
					if limit != 1000 && start != "" && random.IntN(4) > 0 {
						continue // a sample of the product is enough
					}
					var got []string
					for range 2 * len(keys) {
						page, err := s.List(t.Context(), b, o)
						if err != nil {
							t.Fatalf("%+v: %v", o, err)
						}
						var names []string
						for _, i := range page.Objects {
							names = append(names, i.Key)
						}
						names = append(names, page.CommonPrefixes...)
						if len(names) > limit || page.Truncated && len(names) == 0 || !slices.IsSorted(page.CommonPrefixes) {
							t.Fatalf("%+v: page %+v", o, page)
						}
						slices.Sort(names)
						got = append(got, names...)
						if !page.Truncated {
							break
						}
						o.StartAfter = page.Next
					}
					o.StartAfter = start
					if diff := cmp.Diff(definition(keys, o), got); diff != "" {
						t.Fatalf("%+v (-want +got): %s", o, diff)
					}
				}
			}
		}
	}
}

// definition is what a listing is: each key with the prefix, or what stands before the delimiter in it, once, in order, beyond the start.
func definition(keys []string, o blob.ListOptions) []string {
	var out []string
	for _, k := range keys {
		if !strings.HasPrefix(k, o.Prefix) {
			continue
		}
		if i := strings.Index(k[len(o.Prefix):], o.Delimiter); o.Delimiter != "" && i >= 0 {
			k = k[:len(o.Prefix)+i+len(o.Delimiter)]
		}
		if k > o.StartAfter && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
